/*
 * error.c
 *		How the value layer reports bad input.
 */
#include "values/error.h"

#include "lib/stringinfo.h"

/* Fill *err and return false, so that a caller can write "return set(...)". */
bool
meter_error_set(MeterError *err, const char *code, const char *fmt,...)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, fmt);
		needed = appendStringInfoVA(&buf, fmt, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&buf, needed);
	}

	err->code = code;
	err->pointer = NULL;
	err->position = 0;
	err->message = buf.data;
	err->detail = NULL;
	return false;
}

/* Put one reference token in front of the pointer. */
void
meter_error_prepend(MeterError *err, const char *token, int len)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '/');
	for (int i = 0; i < len; i++)
	{
		if (token[i] == '~')
			appendStringInfoString(&buf, "~0");
		else if (token[i] == '/')
			appendStringInfoString(&buf, "~1");
		else
			appendStringInfoChar(&buf, token[i]);
	}
	if (err->pointer)
		appendStringInfoString(&buf, err->pointer);
	err->pointer = buf.data;
}

/* Raise *err as an ERROR. */
void
meter_error_throw(const MeterError *err, int sqlstate, const char *what)
{
	bool		has_pointer = err->pointer != NULL && err->pointer[0] != '\0';

	ereport(ERROR,
			(errcode(sqlstate),
			 errmsg("%s: %s", what, err->message),
			 err->detail ? errdetail_internal("%s", err->detail) :
			 has_pointer && err->position > 0 ?
			 errdetail("%s at %s, character %d.", err->code, err->pointer, err->position) :
			 has_pointer ? errdetail("%s at %s.", err->code, err->pointer) :
			 err->position > 0 ?
			 errdetail("%s at character %d.", err->code, err->position) :
			 errdetail("%s.", err->code)));
}
