/*
 * regex.c
 *		Regular expressions compiled once and kept with their plan.
 *
 * Core's cache of compiled patterns holds 32 of them for the whole backend;
 * a store with many meters would compile at every event.  Here the compiled
 * form belongs to the plan.  Before PostgreSQL 16 its memory is malloc'd, so a
 * context callback gives it back.
 */
#include "values/regex.h"

#include "catalog/pg_collation.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "regex/regex.h"
#include "utils/memutils.h"

#define MAX_PATTERN_LENGTH 1024

struct MeterRegex
{
	regex_t		re;
	MemoryContextCallback callback;
};

static void
regex_free(void *arg)
{
	pg_regfree(&((MeterRegex *) arg)->re);
}

/* Compile a pattern in the current memory context. */
MeterRegex *
meter_regex_compile(const char *pattern, int len, MeterError *err)
{
	MeterRegex *regex;
	pg_wchar   *wide;
	int			wide_len;
	int			code;

	if (len > MAX_PATTERN_LENGTH)
	{
		meter_error_set(err, "INVALID_PATTERN", "a pattern has at most 1024 bytes");
		return NULL;
	}
	regex = palloc0(sizeof(MeterRegex));
	wide = palloc((len + 1) * sizeof(pg_wchar));
	wide_len = pg_mb2wchar_with_len(pattern, wide, len);

	/* the C collation: a match must not depend on the server's locale */
	code = pg_regcomp(&regex->re, wide, wide_len, REG_ADVANCED, C_COLLATION_OID);
	pfree(wide);
	if (code != REG_OKAY)
	{
		char		message[100];

		/* a cancelled compilation must not be taken for a bad pattern */
		CHECK_FOR_INTERRUPTS();
		pg_regerror(code, &regex->re, message, sizeof(message));
		meter_error_set(err, "INVALID_PATTERN", "invalid regular expression: %s", message);
		return NULL;
	}
	if (regex->re.re_info & REG_UBACKREF)
	{
		/* matching one can take time without bound */
		pg_regfree(&regex->re);
		meter_error_set(err, "INVALID_PATTERN", "back references are not supported");
		return NULL;
	}
	regex->callback.func = regex_free;
	regex->callback.arg = regex;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &regex->callback);
	return regex;
}

/* Does the pattern match anywhere in text? */
bool
meter_regex_matches(const MeterRegex *regex, const char *text, int len)
{
	pg_wchar	small[256];
	pg_wchar   *wide = len < lengthof(small) ? small : palloc((len + 1) * sizeof(pg_wchar));
	int			wide_len = pg_mb2wchar_with_len(text, wide, len);
	int			code;

	code = pg_regexec((regex_t *) &regex->re, wide, wide_len, 0, NULL, 0, NULL, 0);
	if (wide != small)
		pfree(wide);
	if (code != REG_OKAY && code != REG_NOMATCH)
	{
		/* nor a cancelled search for one that is too hard */
		CHECK_FOR_INTERRUPTS();
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("regular expression is too complex for its input")));
	}
	return code == REG_OKAY;
}
