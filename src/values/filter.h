/*
 * filter.h
 *		Filter trees: which events a meter counts, which groups usage() shows.
 */
#ifndef METER_VALUES_FILTER_H
#define METER_VALUES_FILTER_H

#include "values/json.h"

typedef struct MeterFilter MeterFilter;

/*
 * Compile {"and":[...]}, {"or":[...]}, {"not":...} and leaves
 * {"field":path,"op":op,"value":v} in the current memory context, copying what
 * it needs from doc.  Errors carry a pointer below node.
 */
extern MeterFilter *meter_filter_compile(const MeterJson *doc, int node, MeterError *err);

/* Does the value at node pass? */
extern bool meter_filter_matches(const MeterFilter *filter, const MeterJson *doc, int node);

/* Call visit with the first step's name of each field; stops and returns false
 * when visit does. */
extern bool meter_filter_fields(const MeterFilter *filter,
								bool (*visit) (void *arg, const char *field), void *arg);

#endif							/* METER_VALUES_FILTER_H */
