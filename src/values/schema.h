/*
 * schema.h
 *		JSON Schema (draft 2020-12 and 7): compiled once, applied to many
 *		documents.
 *
 * The draft is the one $schema names; without it 2020-12 applies, and draft 7's
 * definitions, dependencies, array items and additionalItems are understood
 * too.  References lead to places in the same schema ($ref, $dynamicRef, by
 * pointer, anchor or embedded $id) or to the two drafts' own meta-schemas,
 * which are built in; nothing is ever fetched.
 */
#ifndef METER_VALUES_SCHEMA_H
#define METER_VALUES_SCHEMA_H

#include "values/json.h"

/* A longer or deeper schema is refused. */
#define METER_SCHEMA_MAX_SIZE (256 * 1024)
#define METER_SCHEMA_MAX_DEPTH 64

/* Refuse what the standard would silently ignore: unknown keywords, and
 * assertions beside $ref in draft 7. */
#define METER_SCHEMA_STRICT 0x01

/* format asserts; without it, it only annotates.  A schema can ask for it
 * itself, by the format-assertion vocabulary in $vocabulary at its root. */
#define METER_SCHEMA_ASSERT_FORMAT 0x02

typedef struct MeterSchema MeterSchema;

/* Called for each violation; return false to stop at this one.  pointer is the
 * place in the instance ("" for its root), keyword the assertion that failed;
 * the strings live only until it returns. */
typedef bool (*MeterSchemaReport) (void *arg, const char *pointer,
								   const char *keyword, const char *message);

/*
 * Compile the schema at node, copying what it needs into the current memory
 * context, whose reset frees it.  Malformed keywords, remote references and
 * references without end are refused with a pointer into the schema.  Codes:
 * INVALID_SCHEMA, UNKNOWN_KEYWORD, REMOTE_REFERENCE, UNRESOLVED_REFERENCE,
 * CIRCULAR_REFERENCE, INVALID_PATTERN, SCHEMA_TOO_LARGE, SCHEMA_TOO_DEEP.
 */
extern MeterSchema *meter_schema_compile(const MeterJson *doc, int node, int flags,
										 MeterError *err);

/* Is the value at node valid?  report may be NULL (the fast way). */
extern bool meter_schema_validate(const MeterSchema *schema, const MeterJson *doc, int node,
								  MeterSchemaReport report, void *arg);

#endif							/* METER_VALUES_SCHEMA_H */
