/*
 * schema_number.c
 *		Numbers of schemas and instances, compared exactly.
 *
 * JSON text may hold any decimal.  Nearly all have few digits: those become a
 * 64-bit mantissa and a scale, and are compared in 128 bits.  The rest takes
 * the way through the server's numeric, whose limits the JSON scanner has
 * already made sure of.
 */
#include "values/schema_private.h"

#include "utils/fmgrprotos.h"

#define MAX_DIGITS 18

static const int64 powers[MAX_DIGITS + 1] = {
	INT64CONST(1), INT64CONST(10), INT64CONST(100), INT64CONST(1000),
	INT64CONST(10000), INT64CONST(100000), INT64CONST(1000000),
	INT64CONST(10000000), INT64CONST(100000000), INT64CONST(1000000000),
	INT64CONST(10000000000), INT64CONST(100000000000),
	INT64CONST(1000000000000), INT64CONST(10000000000000),
	INT64CONST(100000000000000), INT64CONST(1000000000000000),
	INT64CONST(10000000000000000), INT64CONST(100000000000000000),
	INT64CONST(1000000000000000000)
};

/* Read a number node; small where that is enough. */
void
meter_schema_number_read(const MeterJson *doc, int node, SchemaNumber *out)
{
	const char *p = doc->text + doc->nodes[node].off;
	const char *end = p + doc->nodes[node].len;
	bool		negative = *p == '-';
	bool		point = false;
	int64		mantissa = 0;
	int			digits = 0;
	int			scale = 0;

	out->text = p;
	out->len = end - p;
	out->big = NULL;
	out->small = false;
	for (p += negative; p < end; p++)
	{
		if (*p == '.')
			point = true;
		else if (*p < '0' || *p > '9' || ++digits > MAX_DIGITS)
			return;				/* an exponent, or too long */
		else
		{
			mantissa = mantissa * 10 + (*p - '0');
			scale += point;
		}
	}
	out->small = true;
	out->scale = scale;
	out->mantissa = negative ? -mantissa : mantissa;
}

/* Is a number node an integer, be it written 1.0 or 10e-1? */
bool
meter_schema_number_integer(const MeterJson *doc, int node)
{
	const char *p = doc->text + doc->nodes[node].off;
	const char *end = p + doc->nodes[node].len;
	int			digits = 0;		/* before the point */
	int64		place;			/* the digit at hand counts 10^-place */
	int64		last = PG_INT64_MIN;	/* place of the last digit but 0 */

	if (*p == '-')
		p++;
	while (p + digits < end && p[digits] >= '0' && p[digits] <= '9')
		digits++;
	if (p + digits == end)
		return true;

	place = -digits;
	for (; p < end && *p != 'e' && *p != 'E'; p++)
	{
		if (*p == '.')
			continue;
		place++;
		if (*p != '0')
			last = place;
	}
	/* zero is an integer with any exponent */
	return last <= (p < end ? strtol(p + 1, NULL, 10) : 0);
}

/* As numeric. */
Numeric
meter_schema_number_numeric(const SchemaNumber *a)
{
	if (a->big)
		return a->big;
	return DatumGetNumeric(DirectFunctionCall3(numeric_in,
											   CStringGetDatum(pnstrdup(a->text, a->len)),
											   ObjectIdGetDatum(InvalidOid),
											   Int32GetDatum(-1)));
}

/* Bring two small numbers to one scale. */
static inline void
align(const SchemaNumber *a, const SchemaNumber *b, int128 *x, int128 *y)
{
	*x = a->mantissa;
	*y = b->mantissa;
	if (a->scale < b->scale)
		*x *= powers[b->scale - a->scale];
	else
		*y *= powers[a->scale - b->scale];
}

/* <0, 0 or >0; may allocate in the current context. */
int
meter_schema_number_cmp(const SchemaNumber *a, const SchemaNumber *b)
{
	if (a->small && b->small)
	{
		int128		x,
					y;

		align(a, b, &x, &y);
		return (x > y) - (x < y);
	}
	return DatumGetInt32(DirectFunctionCall2(numeric_cmp,
											 NumericGetDatum(meter_schema_number_numeric(a)),
											 NumericGetDatum(meter_schema_number_numeric(b))));
}

/* Is a a multiple of divisor, which is greater than 0? */
bool
meter_schema_number_multiple(const SchemaNumber *a, const SchemaNumber *divisor)
{
	Datum		rest;
	Datum		zero;

	if (a->small && divisor->small)
	{
		int128		x,
					y;

		align(a, divisor, &x, &y);
		return x % y == 0;
	}
	rest = DirectFunctionCall2(numeric_mod,
							   NumericGetDatum(meter_schema_number_numeric(a)),
							   NumericGetDatum(meter_schema_number_numeric(divisor)));
	zero = NumericGetDatum(int64_to_numeric(0));
	return DatumGetInt32(DirectFunctionCall2(numeric_cmp, rest, zero)) == 0;
}
