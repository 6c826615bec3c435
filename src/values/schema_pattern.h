/*
 * schema_pattern.h
 *		What the files that read and match patterns share.
 *
 * schema_ecma.c and schema_ecma_class.c read an ECMA-262 pattern, with the
 * sets of schema_charset.c; they write it as a regular expression of the
 * server's and build the automaton of schema_automaton.c at the same time.
 * schema_pattern.c decides which of the two is used.
 */
#ifndef METER_VALUES_SCHEMA_PATTERN_H
#define METER_VALUES_SCHEMA_PATTERN_H

#include "values/schema_private.h"

/*
 * How large a pattern for the server's engine may be, counted in characters
 * and classes after counts are multiplied out: its time to compile grows with
 * the square of that.  And what all patterns of a schema may take, in bytes,
 * with so many of them for each unit of an engine's pattern.
 */
#define METER_SCHEMA_PATTERN_COST		500
#define METER_SCHEMA_PATTERN_UNIT		1024
#define METER_SCHEMA_PATTERNS_BYTES		(16 * 1024 * 1024)

/* Characters as sorted, disjoint ranges, once normalized. */
typedef struct SchemaCharset
{
	int			nranges;
	int			size;			/* allocated */
	struct
	{
		uint32		first;
		uint32		last;
	}		   *ranges;
} SchemaCharset;

extern void meter_schema_charset_add(SchemaCharset *set, uint32 first, uint32 last);
extern void meter_schema_charset_add_set(SchemaCharset *set, const SchemaCharset *other);
extern bool meter_schema_charset_add_class(SchemaCharset *set, char letter);
extern bool meter_schema_charset_add_property(SchemaCharset *set, const char *name, int len);
extern void meter_schema_charset_normalize(SchemaCharset *set);
extern void meter_schema_charset_complement(SchemaCharset *set);
extern bool meter_schema_charset_contains(const SchemaCharset *set, uint32 c);

/* Groups inside each other in a pattern. */
#define METER_SCHEMA_MAX_GROUPS 50

/* A small pattern as an automaton. */
typedef struct SchemaAutomaton SchemaAutomaton;

/* While the pattern is read; a may be NULL in all of these. */
extern SchemaAutomaton *meter_schema_automaton_create(void);
extern void meter_schema_automaton_add(SchemaAutomaton *a, const SchemaCharset *set);
extern void meter_schema_automaton_repeat(SchemaAutomaton *a, int min, int max);
extern void meter_schema_automaton_open(SchemaAutomaton *a);
extern void meter_schema_automaton_alternate(SchemaAutomaton *a);
extern void meter_schema_automaton_close(SchemaAutomaton *a);
extern void meter_schema_automaton_anchor(SchemaAutomaton *a, bool start);
extern void meter_schema_automaton_abandon(SchemaAutomaton *a);

/* Afterwards: its size, or 0 if it cannot be used and is gone. */
extern Size meter_schema_automaton_finish(SchemaAutomaton *a);
extern bool meter_schema_automaton_match(const SchemaAutomaton *a, const char *s, int len);

typedef enum SchemaEcma
{
	SCHEMA_ECMA_OK,
	SCHEMA_ECMA_UNSUPPORTED,	/* right, but not done here */
	SCHEMA_ECMA_INVALID
} SchemaEcma;

/* An ECMA-262 pattern as one of the server's regular expressions; *message
 * says what is wrong with it. */
extern SchemaEcma meter_schema_ecma_translate(const char *pattern, int len, StringInfo out,
											  SchemaAutomaton *automaton, int *cost,
											  const char **message);

/* Where the reading of a pattern stands. */
typedef struct SchemaCursor
{
	const char *p;
	const char *end;
	const char *error;			/* what is wrong with the pattern */
	const char *unsupported;	/* what is right, but not done here */
} SchemaCursor;

/* Each returns false, having noted the error. */
extern bool meter_schema_ecma_fail(SchemaCursor *cursor, const char *message);
extern bool meter_schema_ecma_escape(SchemaCursor *cursor, bool in_class, SchemaCharset *set, int64 *c);
extern bool meter_schema_ecma_class(SchemaCursor *cursor, SchemaCharset *set);
extern uint32 meter_schema_ecma_next(SchemaCursor *cursor);

#endif							/* METER_VALUES_SCHEMA_PATTERN_H */
