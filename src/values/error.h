/*
 * error.h
 *		How the value layer reports bad input.
 *
 * Functions that look at somebody's input return false and fill a MeterError;
 * they do not ereport.  The caller decides whether one bad value fails the
 * statement (a definition) or is kept as a rejected event (a batch).
 */
#ifndef METER_VALUES_ERROR_H
#define METER_VALUES_ERROR_H

#include "compat.h"

typedef struct MeterError
{
	const char *code;			/* stable, upper case: INVALID_JSON */
	char	   *pointer;		/* JSON pointer of the culprit, or NULL */
	int			position;		/* 1-based character in a path, expression or
								 * pattern; 0 where there is none */
	char	   *message;		/* one sentence, lower case, no full stop */
	char	   *detail;			/* a JSON object for programs, or NULL */
} MeterError;

/* Fill *err (pointer and detail NULL, position 0) and return false. */
extern bool meter_error_set(MeterError *err, const char *code,
							const char *fmt,...) pg_attribute_printf(3, 4);

/* Put "/token" in front of err->pointer, escaped as RFC 6901 asks. */
extern void meter_error_prepend(MeterError *err, const char *token, int len);

/* Raise *err as ERROR with this SQLSTATE; what names the thing refused. */
extern void meter_error_throw(const MeterError *err, int sqlstate,
							  const char *what) pg_attribute_noreturn();

#endif							/* METER_VALUES_ERROR_H */
