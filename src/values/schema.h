/*
 * schema.h
 *		JSON Schema (draft 2020-12 and 7): compiled once, applied to many
 *		documents.
 */
#ifndef METER_VALUES_SCHEMA_H
#define METER_VALUES_SCHEMA_H

#include "values/json.h"

typedef struct MeterSchema MeterSchema;

/* Called for each violation; return false to stop at this one.  pointer is the
 * place in the instance, keyword the assertion that failed. */
typedef bool (*MeterSchemaReport) (void *arg, const char *pointer,
								   const char *keyword, const char *message);

/*
 * Compile the schema at node, copying what it needs into the current memory
 * context.  Unknown keywords, remote references and malformed keywords are
 * refused with a pointer into the schema.
 */
extern MeterSchema *meter_schema_compile(const MeterJson *doc, int node, MeterError *err);

/* Is the value at node valid?  report may be NULL (the fast way). */
extern bool meter_schema_validate(const MeterSchema *schema, const MeterJson *doc, int node,
								  MeterSchemaReport report, void *arg);

#endif							/* METER_VALUES_SCHEMA_H */
