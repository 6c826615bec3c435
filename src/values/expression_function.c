/*
 * expression_function.c
 *		The table of functions, and those that work on texts.
 *
 * Texts are compared and searched bytewise, counted in characters, and only
 * A to Z have another case: what an expression gives must not depend on the
 * database's locale.
 */
#include "values/expression_private.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "values/timestamp.h"
#include "values/window.h"

/* The function that is called. */
static const MeterExpressionFunction *
entry_of(const MeterInstruction *in)
{
	return &meter_expression_functions[in->function];
}

/* --- texts ---------------------------------------------------------------- */

/* Room for a text to be made, within the limits. */
static char *
make_text(MeterEvaluation *ev, Size len)
{
	ev->made += len;
	if (len > METER_EXPRESSION_MAX_TEXT || ev->made > METER_EXPRESSION_MAX_TEXTS)
	{
		meter_error_set(ev->err, "TEXT_TOO_LONG",
						"texts too long: expected at most %d bytes in one and %d in all",
						METER_EXPRESSION_MAX_TEXT, METER_EXPRESSION_MAX_TEXTS);
		return NULL;
	}
	return palloc(len + 1);
}

static void
set_text(MeterValue *out, const char *data, int len)
{
	out->type = METER_VALUE_TEXT;
	out->u.text.data = data;
	out->u.text.len = len;
}

static void
set_int(MeterValue *out, int64 value)
{
	out->type = METER_VALUE_NUMBER;
	meter_decimal_from_int64(value, &out->u.number);
}

/* Any scalar as a text; equal numbers give the same one. */
static void
to_text(MeterValue *value)
{
	char	   *buf;

	switch (value->type)
	{
		case METER_VALUE_NUMBER:
			buf = numeric_normalize(meter_decimal_to_numeric(&value->u.number));
			set_text(value, buf, strlen(buf));
			break;
		case METER_VALUE_BOOL:
			buf = value->u.boolean ? "true" : "false";
			set_text(value, buf, strlen(buf));
			break;
		case METER_VALUE_TIME:
			buf = palloc(METER_TIMESTAMP_LEN);
			set_text(value, buf, meter_timestamp_format(value->u.time, buf));
			break;
		default:
			break;
	}
}

/* The texts of args one after another, into the first. */
static bool
join(MeterEvaluation *ev, MeterValue *args, int nargs)
{
	Size		len = 0;
	char	   *buf;
	char	   *to;

	for (int i = 0; i < nargs; i++)
		len += args[i].u.text.len;
	buf = to = make_text(ev, len);
	if (buf == NULL)
		return false;
	for (int i = 0; i < nargs; i++)
	{
		memcpy(to, args[i].u.text.data, args[i].u.text.len);
		to += args[i].u.text.len;
	}
	set_text(&args[0], buf, len);
	return true;
}

/* The operator +, where one side is known to be a text. */
bool
meter_expression_join(MeterEvaluation *ev, const MeterInstruction *in, MeterValue *args)
{
	if (args[0].type == METER_VALUE_NULL || args[1].type == METER_VALUE_NULL)
	{
		meter_set_null(&args[0]);
		return true;
	}
	if (!meter_expression_coerce(ev, in->position, &args[0], METER_VALUE_TEXT) ||
		!meter_expression_coerce(ev, in->position, &args[1], METER_VALUE_TEXT))
		return false;
	if (join(ev, args, 2))
		return true;
	ev->err->position = in->position;
	return false;
}

/* concat(a, ...): any scalars as one text */
static bool
call_concat(MeterEvaluation *ev, const MeterInstruction *in, MeterValue *args)
{
	for (int i = 0; i < in->nargs; i++)
		to_text(&args[i]);
	return join(ev, args, in->nargs);
}

/* text(x) */
static bool
call_text(MeterEvaluation *ev, const MeterInstruction *in, MeterValue *args)
{
	to_text(&args[0]);
	return true;
}

/* length(text), in characters */
static bool
call_length(MeterEvaluation *ev, const MeterInstruction *in, MeterValue *args)
{
	set_int(&args[0], pg_mbstrlen_with_len(args[0].u.text.data, args[0].u.text.len));
	return true;
}

/* lower and upper; detail is the first letter to change. */
static bool
call_case(MeterEvaluation *ev, const MeterInstruction *in, MeterValue *args)
{
	char		first = entry_of(in)->detail;
	int			len = args[0].u.text.len;
	char	   *buf = make_text(ev, len);

	if (buf == NULL)
		return false;
	for (int i = 0; i < len; i++)
	{
		char		c = args[0].u.text.data[i];

		buf[i] = c >= first && c < first + 26 ? c ^ 0x20 : c;
	}
	set_text(&args[0], buf, len);
	return true;
}

static inline bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* trim(text): without white space around it */
static bool
call_trim(MeterEvaluation *ev, const MeterInstruction *in, MeterValue *args)
{
	const char *start = args[0].u.text.data;
	const char *end = start + args[0].u.text.len;

	while (start < end && is_space(*start))
		start++;
	while (end > start && is_space(end[-1]))
		end--;
	set_text(&args[0], start, end - start);
	return true;
}

/* contains, starts_with and ends_with */
static bool
call_find(MeterEvaluation *ev, const MeterInstruction *in, MeterValue *args)
{
	const char *text = args[0].u.text.data;
	const char *part = args[1].u.text.data;
	int			len = args[0].u.text.len;
	int			partlen = args[1].u.text.len;
	bool		found = false;

	if (partlen <= len)
	{
		switch (entry_of(in)->detail)
		{
			case 's':
				found = memcmp(text, part, partlen) == 0;
				break;
			case 'e':
				found = memcmp(text + len - partlen, part, partlen) == 0;
				break;
			default:
				found = partlen == 0 || memmem(text, len, part, partlen) != NULL;
				break;
		}
	}
	meter_set_boolean(&args[0], found);
	return true;
}

/* substring(text, start [, count]), in characters from 1 */
static bool
call_substring(MeterEvaluation *ev, const MeterInstruction *in, MeterValue *args)
{
	const char *from = args[0].u.text.data;
	const char *end = from + args[0].u.text.len;
	const char *to = end;
	int			start;
	int			count = 0;

	if (!meter_number_to_int(&args[1].u.number, &start) || start < 1 ||
		(in->nargs > 2 && (!meter_number_to_int(&args[2].u.number, &count) || count < 0)))
		return meter_error_set(ev->err, "INVALID_ARGUMENT",
							   "substring expects a whole start from 1 and a whole count from 0");
	while (--start > 0 && from < end)
		from += pg_mblen(from);
	if (in->nargs > 2)
	{
		for (to = from; count > 0 && to < end; count--)
			to += pg_mblen(to);
	}
	set_text(&args[0], from, to - from);
	return true;
}

/* replace(text, from, to): every occurrence, from the left */
static bool
call_replace(MeterEvaluation *ev, const MeterInstruction *in, MeterValue *args)
{
	const char *p = args[0].u.text.data;
	const char *end = p + args[0].u.text.len;
	int			fromlen = args[1].u.text.len;
	int			tolen = args[2].u.text.len;
	const char *hit;
	int64		hits = 0;
	char	   *buf;
	char	   *to;

	if (fromlen == 0)
		return true;
	for (const char *q = p; (hit = memmem(q, end - q, args[1].u.text.data, fromlen)) != NULL;
		 q = hit + fromlen)
		hits++;
	if (hits == 0)
		return true;
	buf = to = make_text(ev, end - p + hits * (tolen - fromlen));
	if (buf == NULL)
		return false;
	while ((hit = memmem(p, end - p, args[1].u.text.data, fromlen)) != NULL)
	{
		memcpy(to, p, hit - p);
		to += hit - p;
		memcpy(to, args[2].u.text.data, tolen);
		to += tolen;
		p = hit + fromlen;
	}
	memcpy(to, p, end - p);
	to += end - p;
	set_text(&args[0], buf, to - buf);
	return true;
}

/* --- numbers -------------------------------------------------------------- */

/* abs(n) */
static bool
call_abs(MeterEvaluation *ev, const MeterInstruction *in, MeterValue *args)
{
	if (meter_decimal_sign(&args[0].u.number) < 0)
		meter_number_negate(&args[0].u.number);
	return true;
}

/* sign(n): -1, 0 or 1 */
static bool
call_sign(MeterEvaluation *ev, const MeterInstruction *in, MeterValue *args)
{
	set_int(&args[0], meter_decimal_sign(&args[0].u.number));
	return true;
}

/* min and max; detail is the sign of the comparison that replaces */
static bool
call_extreme(MeterEvaluation *ev, const MeterInstruction *in, MeterValue *args)
{
	for (int i = 1; i < in->nargs; i++)
	{
		if (meter_decimal_cmp(&args[i].u.number, &args[0].u.number) == entry_of(in)->detail)
			args[0].u.number = args[i].u.number;
	}
	return true;
}

/* round, floor, ceil and trunc; detail is the mode */
static bool
call_round(MeterEvaluation *ev, const MeterInstruction *in, MeterValue *args)
{
	int			places = 0;

	if (in->nargs > 1 &&
		(!meter_number_to_int(&args[1].u.number, &places) ||
		 places < -METER_DECIMAL_MAX_INTEGER || places > METER_DECIMAL_MAX_SCALE))
		return meter_error_set(ev->err, "INVALID_ARGUMENT",
							   "%s expects a whole number of places from -%d to %d",
							   entry_of(in)->name, METER_DECIMAL_MAX_INTEGER,
							   METER_DECIMAL_MAX_SCALE);
	return meter_number_round(&args[0].u.number, places, entry_of(in)->detail,
							  &args[0].u.number, ev->err);
}

/* mod(a, b), as a % b */
static bool
call_modulo(MeterEvaluation *ev, const MeterInstruction *in, MeterValue *args)
{
	return meter_number_modulo(&args[0].u.number, &args[1].u.number, &args[0].u.number, ev->err);
}

/* pow(a, b), as a ^ b */
static bool
call_power(MeterEvaluation *ev, const MeterInstruction *in, MeterValue *args)
{
	return meter_number_power(&args[0].u.number, &args[1].u.number, &args[0].u.number, ev->err);
}

/* sqrt(n) */
static bool
call_sqrt(MeterEvaluation *ev, const MeterInstruction *in, MeterValue *args)
{
	return meter_number_sqrt(&args[0].u.number, &args[0].u.number, ev->err);
}

/* number(x): the number in a text */
static bool
call_number(MeterEvaluation *ev, const MeterInstruction *in, MeterValue *args)
{
	return meter_expression_coerce(ev, in->position, &args[0], METER_VALUE_NUMBER);
}

/* --- times ---------------------------------------------------------------- */

/* A part of a time; detail is which. */
static bool
call_part(MeterEvaluation *ev, const MeterInstruction *in, MeterValue *args)
{
	pg_tz	   *zone = NULL;

	if (in->arg >= 0)
		zone = ev->expression->zones[in->arg];
	else if (in->nargs > 1)
	{
		zone = meter_window_zone(args[1].u.text.data, args[1].u.text.len);
		if (zone == NULL)
			return meter_error_set(ev->err, "UNKNOWN_TIME_ZONE",
								   "expected an IANA time zone such as Europe/Berlin, not \"%.*s\"",
								   pg_mbcliplen(args[1].u.text.data, args[1].u.text.len, 80),
								   args[1].u.text.data);
	}
	return meter_time_part(args[0].u.time, zone, entry_of(in)->detail, &args[0], ev->err);
}

/* epoch(time): seconds since 1970 */
static bool
call_epoch(MeterEvaluation *ev, const MeterInstruction *in, MeterValue *args)
{
	args[0].type = METER_VALUE_NUMBER;
	meter_time_to_epoch(args[0].u.time, &args[0].u.number);
	return true;
}

/* time(x): a text in ISO 8601, or a number of seconds since 1970 */
static bool
call_time(MeterEvaluation *ev, const MeterInstruction *in, MeterValue *args)
{
	TimestampTz time;

	if (args[0].type != METER_VALUE_NUMBER)
		return meter_expression_coerce(ev, in->position, &args[0], METER_VALUE_TIME);
	if (!meter_time_from_epoch(&args[0].u.number, &time))
		return meter_error_set(ev->err, "INVALID_TIME", "the time is out of range");
	args[0].type = METER_VALUE_TIME;
	args[0].u.time = time;
	return true;
}

/* --- the table ------------------------------------------------------------ */

#define MANY METER_EXPRESSION_MAX_ARGS
#define NUMERIC(name, params, min, max, call, detail) \
	{name, METER_FORM_CALL, true, params, min, max, METER_VALUE_NUMBER, call, detail}
#define PLAIN(name, params, min, max, result, call, detail) \
	{name, METER_FORM_CALL, false, params, min, max, METER_VALUE_##result, call, detail}
#define PART(name, part) \
	{name, METER_FORM_CALL, false, "Tz", 1, 2, METER_VALUE_NUMBER, call_part, METER_PART_##part}
#define SPECIAL(name, form, min, max) \
	{name, METER_FORM_##form, false, "a", min, max, METER_VALUE_NULL, NULL, 0}

const MeterExpressionFunction meter_expression_functions[] = {
	NUMERIC("abs", "n", 1, 1, call_abs, 0),
	NUMERIC("sign", "n", 1, 1, call_sign, 0),
	NUMERIC("min", "n", 1, MANY, call_extreme, -1),
	NUMERIC("max", "n", 1, MANY, call_extreme, 1),
	NUMERIC("round", "n", 1, 2, call_round, METER_ROUND_HALF),
	NUMERIC("floor", "n", 1, 2, call_round, METER_ROUND_FLOOR),
	NUMERIC("ceil", "n", 1, 2, call_round, METER_ROUND_CEIL),
	NUMERIC("trunc", "n", 1, 2, call_round, METER_ROUND_TRUNC),
	NUMERIC("mod", "n", 2, 2, call_modulo, 0),
	NUMERIC("pow", "n", 2, 2, call_power, 0),
	NUMERIC("power", "n", 2, 2, call_power, 0),
	NUMERIC("sqrt", "n", 1, 1, call_sqrt, 0),

	PLAIN("length", "t", 1, 1, NUMBER, call_length, 0),
	PLAIN("lower", "t", 1, 1, TEXT, call_case, 'A'),
	PLAIN("upper", "t", 1, 1, TEXT, call_case, 'a'),
	PLAIN("trim", "t", 1, 1, TEXT, call_trim, 0),
	PLAIN("contains", "t", 2, 2, BOOL, call_find, 'c'),
	PLAIN("starts_with", "t", 2, 2, BOOL, call_find, 's'),
	PLAIN("ends_with", "t", 2, 2, BOOL, call_find, 'e'),
	PLAIN("substring", "tn", 2, 3, TEXT, call_substring, 0),
	PLAIN("replace", "t", 3, 3, TEXT, call_replace, 0),
	PLAIN("concat", "a", 1, MANY, TEXT, call_concat, 0),

	PART("year", YEAR),
	PART("quarter", QUARTER),
	PART("month", MONTH),
	PART("week", WEEK),
	PART("day", DAY),
	PART("dayofweek", DAY_OF_WEEK),
	PART("dayofyear", DAY_OF_YEAR),
	PART("days_in_month", DAYS_IN_MONTH),
	PART("hour", HOUR),
	PART("minute", MINUTE),
	PART("second", SECOND),
	PLAIN("date", "Tz", 1, 2, TEXT, call_part, METER_PART_DATE),
	PLAIN("epoch", "T", 1, 1, NUMBER, call_epoch, 0),

	PLAIN("number", "a", 1, 1, NUMBER, call_number, 0),
	PLAIN("text", "a", 1, 1, TEXT, call_text, 0),
	PLAIN("time", "a", 1, 1, TIME, call_time, 0),

	SPECIAL("if", IF, 3, 3),
	SPECIAL("coalesce", COALESCE, 1, MANY),
	SPECIAL("isnull", COALESCE, 2, 2),
	SPECIAL("nullif", NULLIF, 2, 2),
	SPECIAL("in", IN, 2, MANY)
};

StaticAssertDecl(lengthof(meter_expression_functions) <= PG_UINT8_MAX,
				 "an instruction holds a function's index in a byte");

/* A function by its name in any case of letters, or -1. */
int
meter_expression_lookup(const char *name)
{
	bool		math = pg_strncasecmp(name, "Math.", 5) == 0;

	for (int i = 0; i < lengthof(meter_expression_functions); i++)
	{
		if (pg_strcasecmp(meter_expression_functions[i].name, math ? name + 5 : name) == 0)
			return math && !meter_expression_functions[i].math ? -1 : i;
	}
	return -1;
}

/* What an argument must be, as in MeterExpressionFunction.params. */
char
meter_expression_param(const MeterExpressionFunction *function, int index)
{
	const char *p = function->params;

	while (index-- > 0 && p[1] != '\0')
		p++;
	return *p;
}
