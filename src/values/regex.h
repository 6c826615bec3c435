/*
 * regex.h
 *		Regular expressions compiled once and kept with their plan.
 */
#ifndef METER_VALUES_REGEX_H
#define METER_VALUES_REGEX_H

#include "values/error.h"

typedef struct MeterRegex MeterRegex;

/*
 * Compile an advanced regular expression (core's dialect) in the current
 * memory context; it is freed with that context.  Error code INVALID_PATTERN.
 */
extern MeterRegex *meter_regex_compile(const char *pattern, int len, MeterError *err);

/* Does the pattern match anywhere in text? */
extern bool meter_regex_matches(const MeterRegex *regex, const char *text, int len);

#endif							/* METER_VALUES_REGEX_H */
