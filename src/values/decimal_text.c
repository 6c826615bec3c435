/*
 * decimal_text.c
 *		Decimals from text.
 *
 * One scan takes the text apart and counts; only when the counts are within
 * the limits are digits turned into a number.  A hostile text of a million
 * digits or with a huge exponent so costs a scan and no more.
 */
#include "values/decimal_private.h"

#include "mb/pg_wchar.h"
#include "utils/fmgrprotos.h"

/* How much of a refused text is shown. */
#define SHOWN_BYTES 40

/* A number's text taken apart. */
typedef struct NumberText
{
	bool		negative;
	int			ndigits;		/* without leading zeros */
	int			fraction;		/* digits after the point */
	int			exponent;		/* as written */
	const char *digits;			/* from the first digit that is not zero, the
								 * point between them */
} NumberText;

/* Refuse a text, of which the beginning is shown. */
static bool
not_a_number(const char *text, int len, MeterError *err)
{
	int			shown = len <= SHOWN_BYTES ? len : pg_mbcliplen(text, len, SHOWN_BYTES);

	return meter_error_set(err, "INVALID_NUMBER",
						   "expected a decimal number such as 12.5 or -3e2, not \"%.*s%s\"",
						   shown, text, shown < len ? "..." : "");
}

/*
 * Take a number's text apart.  As JSON has it, but that a numeric string may
 * also begin with a plus sign or with zeros.
 */
static bool
scan_text(const char *text, int len, NumberText *out, MeterError *err)
{
	const char *p = text;
	const char *end = text + len;
	const char *mark;
	int			integer;

	memset(out, 0, sizeof(*out));
	if (p < end && (*p == '-' || *p == '+'))
		out->negative = *p++ == '-';
	if (p >= end || *p < '0' || *p > '9')
		return not_a_number(text, len, err);
	while (p < end && *p == '0')
		p++;
	out->digits = mark = p;
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	integer = p - mark;
	if (p < end && *p == '.')
	{
		mark = ++p;
		while (p < end && *p >= '0' && *p <= '9')
			p++;
		out->fraction = p - mark;
		if (out->fraction == 0)
			return not_a_number(text, len, err);
		if (integer == 0)
		{
			while (mark < p && *mark == '0')
				mark++;
			out->digits = mark;
			out->ndigits = p - mark;
		}
		else
			out->ndigits = integer + out->fraction;
	}
	else
		out->ndigits = integer;
	if (p < end && (*p == 'e' || *p == 'E'))
	{
		bool		negative = false;

		p++;
		if (p < end && (*p == '+' || *p == '-'))
			negative = *p++ == '-';
		mark = p;
		for (; p < end && *p >= '0' && *p <= '9'; p++)
		{
			if (out->exponent < 1000000)
				out->exponent = out->exponent * 10 + (*p - '0');
		}
		if (p == mark)
			return not_a_number(text, len, err);
		if (negative)
			out->exponent = -out->exponent;
	}
	if (p < end)
		return not_a_number(text, len, err);
	return true;
}

/* Build the numeric for digits that 128 bits do not hold. */
static void
set_from_long_text(const NumberText *number, int scale, int zeros, MeterDecimal *out)
{
	char		buf[METER_DECIMAL_MAX_INTEGER + METER_DECIMAL_MAX_SCALE + 8];
	char	   *to = buf;
	const char *from = number->digits;
	int			total = number->ndigits + zeros;

	if (number->negative)
		*to++ = '-';
	if (total <= scale)
	{
		*to++ = '0';
		*to++ = '.';
		for (int i = total; i < scale; i++)
			*to++ = '0';
	}
	for (int i = 0; i < total; i++)
	{
		if (i > 0 && i == total - scale)
			*to++ = '.';
		if (i >= number->ndigits)
			*to++ = '0';
		else
		{
			if (*from == '.')
				from++;
			*to++ = *from++;
		}
	}
	*to = '\0';
	meter_decimal_from_result(out, DirectFunctionCall3(numeric_in, CStringGetDatum(buf),
											 ObjectIdGetDatum(InvalidOid),
											 Int32GetDatum(-1)));
}

/* Read a number's text; see decimal.h. */
bool
meter_decimal_from_text(const char *text, int len, MeterDecimal *out, MeterError *err)
{
	NumberText	number;
	const char *p;
	int			scale;
	int			zeros;
	int128		mantissa = 0;

	if (!scan_text(text, len, &number, err))
		return false;

	/* an exponent moves the point, and past the last digit it adds zeros */
	scale = number.fraction - number.exponent;
	zeros = scale < 0 ? -scale : 0;
	scale = Max(scale, 0);
	if (number.ndigits == 0)
		zeros = 0;
	if (scale > METER_DECIMAL_MAX_SCALE ||
		number.ndigits > METER_DECIMAL_MAX_INTEGER + METER_DECIMAL_MAX_SCALE ||
		number.ndigits + zeros - scale > METER_DECIMAL_MAX_INTEGER)
		return meter_decimal_out_of_range(err);

	if (number.ndigits + zeros > INT128_DIGITS)
	{
		set_from_long_text(&number, scale, zeros, out);
		return true;
	}

	p = number.digits;
	if (number.ndigits <= INT64_DIGITS)
	{
		int64		m = 0;

		for (int i = 0; i < number.ndigits; i++, p++)
		{
			if (*p == '.')
				p++;
			m = m * 10 + (*p - '0');
		}
		mantissa = m;
	}
	else
	{
		for (int i = 0; i < number.ndigits; i++, p++)
		{
			if (*p == '.')
				p++;
			mantissa = mantissa * 10 + (*p - '0');
		}
	}
	if (zeros > 0)
		mantissa *= meter_power_of_ten[zeros];
	meter_decimal_set(out, number.negative ? -mantissa : mantissa, scale);
	return true;
}

/* Read a document's number or numeric string. */
bool
meter_decimal_from_json(const MeterJson *doc, int node, MeterDecimal *out, MeterError *err)
{
	const MeterJsonNode *n = &doc->nodes[node];
	const char *text;
	int			len;

	if (n->type == METER_JSON_NUMBER)
		return meter_decimal_from_text(doc->text + n->off, n->len, out, err);
	if (n->type != METER_JSON_STRING)
		return meter_error_set(err, "INVALID_NUMBER",
							   "expected a number or a numeric string, not %s",
							   meter_json_type_name(doc, node));
	text = meter_json_string(doc, node, &len);
	return meter_decimal_from_text(text, len, out, err);
}
