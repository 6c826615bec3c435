/*
 * schema_pattern.c
 *		Compiling and matching patterns.
 *
 * The server's engine keeps a compiled expression in malloc'd memory up to
 * version 15, so it is freed by a callback of the schema's memory context.
 * Collation C: the translation leaves no class to a locale.
 */
#include "values/schema_pattern.h"

#include "catalog/pg_collation.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "regex/regex.h"

/* Characters converted on the stack. */
#define FEW_CHARACTERS 256

struct SchemaPattern
{
	const char *text;
	SchemaAutomaton *automaton; /* where it does, and then no expression */
	regex_t		expression;
	MemoryContextCallback callback;
};

static void
free_expression(void *arg)
{
	pg_regfree(arg);
}

/* Give a pattern's translation to the engine. */
static bool
compile_expression(SchemaCompiler *c, int place, SchemaPattern *pattern, const char *translated, int len)
{
	pg_wchar   *wide = palloc((len + 1) * sizeof(pg_wchar));
	int			n = pg_mb2wchar_with_len(translated, wide, len);
	int			result = pg_regcomp(&pattern->expression, wide, n, REG_ADVANCED | REG_NOSUB,
									C_COLLATION_OID);
	char		message[100];

	pfree(wide);
	if (result == REG_OKAY)
	{
		pattern->callback.func = free_expression;
		pattern->callback.arg = &pattern->expression;
		MemoryContextRegisterResetCallback(CurrentMemoryContext, &pattern->callback);
		return true;
	}
	/* it may have given up because of a cancel */
	CHECK_FOR_INTERRUPTS();
	pg_regerror(result, &pattern->expression, message, sizeof(message));
	return meter_schema_refuse(c, c->source, place, "INVALID_PATTERN",
							   "\"%s\" cannot be used as a pattern: %s", pattern->text, message);
}

/* The pattern in a string node, or NULL after refusing what is at place. */
SchemaPattern *
meter_schema_pattern_compile(SchemaCompiler *c, int node, int place)
{
	SchemaPattern *pattern = palloc0(sizeof(SchemaPattern));
	StringInfoData translated;
	const char *message;
	int			cost;
	Size		bytes;

	CHECK_FOR_INTERRUPTS();
	pattern->text = meter_json_cstring(&c->source->doc, node);
	pattern->automaton = meter_schema_automaton_create();
	initStringInfo(&translated);
	if (meter_schema_ecma_translate(pattern->text, strlen(pattern->text), &translated,
									pattern->automaton, &cost, &message) != SCHEMA_ECMA_OK)
	{
		meter_schema_refuse(c, c->source, place, "INVALID_PATTERN",
							"\"%s\" cannot be used as a pattern: %s", pattern->text, message);
		return NULL;
	}
	bytes = meter_schema_automaton_finish(pattern->automaton);
	if (bytes == 0)
	{
		pattern->automaton = NULL;
		bytes = (Size) cost * METER_SCHEMA_PATTERN_UNIT;
	}
	c->pattern_bytes += bytes;
	if ((pattern->automaton == NULL && cost > METER_SCHEMA_PATTERN_COST) ||
		c->pattern_bytes > METER_SCHEMA_PATTERNS_BYTES)
	{
		meter_schema_refuse(c, c->source, place, "INVALID_PATTERN",
							"\"%s\" cannot be used as a pattern: it is too complex", pattern->text);
		return NULL;
	}
	if (pattern->automaton == NULL &&
		!compile_expression(c, place, pattern, translated.data, translated.len))
		return NULL;
	pfree(translated.data);
	return pattern;
}

const char *
meter_schema_pattern_text(const SchemaPattern *pattern)
{
	return pattern->text;
}

/* Does the pattern match anywhere in s? */
bool
meter_schema_pattern_matches(const SchemaPattern *pattern, const char *s, int len)
{
	pg_wchar	few[FEW_CHARACTERS + 1];
	pg_wchar   *wide = few;
	int			n;
	int			result;

	if (pattern->automaton)
		return meter_schema_automaton_match(pattern->automaton, s, len);
	if (len > FEW_CHARACTERS)
		wide = palloc_extended((Size) (len + 1) * sizeof(pg_wchar), MCXT_ALLOC_HUGE);
	n = pg_mb2wchar_with_len(s, wide, len);
	result = pg_regexec((regex_t *) &pattern->expression, wide, n, 0, NULL, 0, NULL, 0);
	if (wide != few)
		pfree(wide);
	if (result != REG_OKAY && result != REG_NOMATCH)
	{
		char		message[100];

		CHECK_FOR_INTERRUPTS();
		pg_regerror(result, (regex_t *) &pattern->expression, message, sizeof(message));
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_REGULAR_EXPRESSION),
				 errmsg("cannot match the pattern \"%s\": %s", pattern->text, message)));
	}
	return result == REG_OKAY;
}
