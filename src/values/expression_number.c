/*
 * expression_number.c
 *		Division, remainders, powers and rounding of decimals.
 *
 * Sums, differences and products are exact and in decimal.c.  What cannot be
 * exact is defined here, so that it does not depend on the server's version:
 *
 *		a / b	is the quotient rounded half away from zero to as many digits
 *				after the point as give 20 significant ones, but not fewer than
 *				20 or than a has, and not more than 128; then zeros at its end
 *				are dropped.  10 / 4 is 2.5, 1 / 3 has 20 threes.
 *		a % b	is a - b * trunc(a / b), exact; it has the sign of a.
 *		a ^ b	is exact where b is a whole number from 0 to 1000 and the result
 *				keeps to 128 digits after the point; otherwise, like sqrt, it is
 *				rounded as a quotient is.  Core computes it, to more digits than
 *				are kept: how many it would choose to give is not the same in
 *				each of its versions.
 *
 * Each has a way for 128 bits and one through numeric, and both give the same.
 * A result may be one of the operands.
 */
#include "values/expression_private.h"

#include <math.h>

#include "port/pg_bitutils.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "values/decimal_private.h"

#define SIGNIFICANT_DIGITS 20
#define GUARD_DIGITS 12
#define MAX_EXACT_EXPONENT 1000

static inline uint128
magnitude(int128 value)
{
	return value < 0 ? -(uint128) value : (uint128) value;
}

static Datum
to_datum(const MeterDecimal *d)
{
	return NumericGetDatum(meter_decimal_to_numeric(d));
}

/* 10^exponent as a numeric. */
static Datum
power_of_ten(int exponent)
{
	char		buf[16];

	snprintf(buf, sizeof(buf), "1e%d", exponent);
	return DirectFunctionCall3(numeric_in, CStringGetDatum(buf), ObjectIdGetDatum(InvalidOid),
							   Int32GetDatum(-1));
}

/* Digits of a value that is not 0. */
static int
count_digits(uint128 value)
{
	uint64		high = (uint64) (value >> 64);
	int			bits = high ? 64 + pg_leftmost_one_pos64(high) :
		pg_leftmost_one_pos64((uint64) value);
	int			digits = ((bits * 1233) >> 12) + 1; /* of 2^bits, by log10(2) */

	return value >= (uint128) meter_power_of_ten[digits] ? digits + 1 : digits;
}

/* Digits after the point. */
static int
scale_of(const MeterDecimal *d)
{
	if (d->big)
		return DatumGetInt32(DirectFunctionCall1(numeric_scale, NumericGetDatum(d->big)));
	return d->scale;
}

/* The e for which 10^(e-1) <= |d| < 10^e; d is not 0. */
static int
exponent_of(const MeterDecimal *d)
{
	const char *text;
	const char *p;
	int			e = 0;

	if (d->big == NULL)
		return count_digits(magnitude(d->mantissa)) - d->scale;
	text = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(d->big)));
	if (*text == '-')
		text++;
	if (*text != '0')
		return strcspn(text, ".");
	for (p = text + 2; *p == '0'; p++)
		e--;
	return e;
}

/* Refuse what has too many digits, but for zeros after the point. */
bool
meter_number_limit(MeterDecimal *d, MeterError *err)
{
	Numeric		num = d->big;

	if (num == NULL)
		return true;
	if (scale_of(d) > METER_DECIMAL_MAX_SCALE)
		num = DatumGetNumeric(DirectFunctionCall1(numeric_trim_scale, NumericGetDatum(num)));
	return meter_decimal_from_numeric(num, d, err);
}

/* Drop the zeros at the end of what stands after the point. */
void
meter_number_strip(MeterDecimal *d)
{
	if (d->big)
	{
		meter_decimal_from_result(d, DirectFunctionCall1(numeric_trim_scale,
														 NumericGetDatum(d->big)));
		return;
	}
	for (int step = 16; step > 0; step /= 2)
	{
		while (d->scale >= step && d->mantissa % meter_power_of_ten[step] == 0)
		{
			d->mantissa /= meter_power_of_ten[step];
			d->scale -= step;
		}
	}
}

/* -d */
void
meter_number_negate(MeterDecimal *d)
{
	if (d->big)
		meter_decimal_from_result(d, DirectFunctionCall1(numeric_uminus,
														 NumericGetDatum(d->big)));
	else
		d->mantissa = -d->mantissa;
}

/* The value as an int, if it is one. */
bool
meter_number_to_int(const MeterDecimal *d, int *out)
{
	MeterDecimal whole = *d;

	meter_number_strip(&whole);
	if (whole.big || whole.scale > 0 || (int) whole.mantissa != whole.mantissa)
		return false;
	*out = (int) whole.mantissa;
	return true;
}

/* The quotient at this scale, by 128 bits; false where they are too few. */
static bool
divide_small(const MeterDecimal *a, const MeterDecimal *b, int scale, MeterDecimal *out)
{
	int			shift = scale + b->scale - a->scale;
	uint128		den = magnitude(b->mantissa);
	uint128		num = magnitude(a->mantissa);
	bool		negative = (a->mantissa < 0) != (b->mantissa < 0);
	uint128		quotient;

	if (a->big || b->big)
		return false;

	/* what comes out even needs no shift */
	if (a->scale >= b->scale && num % den == 0)
	{
		quotient = num / den;
		scale = a->scale - b->scale;
	}
	else
	{
		if (shift > INT128_DIGITS || count_digits(num) + shift > INT128_DIGITS)
			return false;
		num *= meter_power_of_ten[shift];
		quotient = num / den;
		if ((num - quotient * den) * 2 >= den)
			quotient++;
	}
	meter_decimal_set(out, negative ? -(int128) quotient : (int128) quotient, scale);
	return true;
}

/* Likewise by numerics: a whole quotient of shifted numbers, then rounded. */
static void
divide_big(const MeterDecimal *a, const MeterDecimal *b, int scale, MeterDecimal *out)
{
	bool		negative = (meter_decimal_sign(a) < 0) != (meter_decimal_sign(b) < 0);
	Datum		den = DirectFunctionCall1(numeric_abs, to_datum(b));
	Datum		num = DirectFunctionCall2(numeric_mul,
										  DirectFunctionCall1(numeric_abs, to_datum(a)),
										  power_of_ten(scale));
	Datum		quotient = DirectFunctionCall2(numeric_div_trunc, num, den);
	Datum		rest = DirectFunctionCall2(numeric_sub, num,
										   DirectFunctionCall2(numeric_mul, quotient, den));

	if (DatumGetBool(DirectFunctionCall2(numeric_ge,
										 DirectFunctionCall2(numeric_add, rest, rest), den)))
		quotient = DirectFunctionCall1(numeric_inc, quotient);
	if (negative)
		quotient = DirectFunctionCall1(numeric_uminus, quotient);
	meter_decimal_from_result(out, DirectFunctionCall2(numeric_mul, quotient,
													   power_of_ten(-scale)));
}

/* The scale for SIGNIFICANT_DIGITS of a number below 10^e, or this one. */
static int
scale_for(int e, int scale)
{
	scale = Max(scale, SIGNIFICANT_DIGITS);
	scale = Max(scale, SIGNIFICANT_DIGITS - e);
	return Min(scale, METER_DECIMAL_MAX_SCALE);
}

/* a / b, as the head of the file has it. */
bool
meter_number_divide(const MeterDecimal *a, const MeterDecimal *b, MeterDecimal *out,
					MeterError *err)
{
	int			scale;

	if (meter_decimal_sign(b) == 0)
		return meter_error_set(err, "DIVISION_BY_ZERO", "division by zero");
	if (meter_decimal_sign(a) == 0)
	{
		*out = meter_decimal_zero;
		return true;
	}
	scale = scale_for(exponent_of(a) - exponent_of(b), scale_of(a));
	if (!divide_small(a, b, scale, out))
		divide_big(a, b, scale, out);
	meter_number_strip(out);
	return meter_number_limit(out, err);
}

/* a % b */
bool
meter_number_modulo(const MeterDecimal *a, const MeterDecimal *b, MeterDecimal *out,
					MeterError *err)
{
	int			scale = Max(a->scale, b->scale);
	uint128		x = magnitude(a->mantissa);
	uint128		y = magnitude(b->mantissa);

	if (meter_decimal_sign(b) == 0)
		return meter_error_set(err, "DIVISION_BY_ZERO", "division by zero");
	if (a->big == NULL && b->big == NULL &&
		(x == 0 || count_digits(x) + scale - a->scale <= INT128_DIGITS) &&
		count_digits(y) + scale - b->scale <= INT128_DIGITS)
	{
		if (x != 0)
			x = (x * meter_power_of_ten[scale - a->scale]) %
				(y * meter_power_of_ten[scale - b->scale]);
		meter_decimal_set(out, a->mantissa < 0 ? -(int128) x : (int128) x, scale);
	}
	else
		meter_decimal_from_result(out, DirectFunctionCall2(numeric_mod, to_datum(a),
														   to_datum(b)));
	return true;
}

/* a^n by squaring, exact; false also where a product has too many digits. */
static bool
power_exact(const MeterDecimal *a, int n, MeterDecimal *out, MeterError *err)
{
	MeterDecimal square = *a;
	MeterDecimal result;

	meter_decimal_from_int64(1, &result);
	for (;;)
	{
		if (n & 1)
		{
			meter_decimal_mul(&result, &square, &result);
			if (!meter_number_limit(&result, err))
				return false;
		}
		n >>= 1;
		if (n == 0)
			break;
		meter_decimal_mul(&square, &square, &square);
		if (!meter_number_limit(&square, err))
			return false;
	}
	*out = result;
	return true;
}

/* So many digits after the point, which core will give its result, too. */
static Datum
with_scale(const MeterDecimal *d, int scale)
{
	return DirectFunctionCall2(numeric_round, to_datum(d), Int32GetDatum(Max(scale, scale_of(d))));
}

/* Round what core computed, to not fewer digits than this after the point. */
static bool
from_core(Datum result, int scale, MeterDecimal *out, MeterError *err)
{
	meter_decimal_from_result(out, result);
	if (meter_decimal_sign(out) != 0 &&
		!meter_number_round(out, scale_for(exponent_of(out), scale), METER_ROUND_HALF, out, err))
		return false;
	meter_number_strip(out);
	return meter_number_limit(out, err);
}

/* a ^ b, as the head of the file has it. */
bool
meter_number_power(const MeterDecimal *a, const MeterDecimal *b, MeterDecimal *out,
				   MeterError *err)
{
	MeterDecimal base = *a;
	MeterDecimal whole;
	int			n;
	int			scale;
	double		digits;

	meter_number_strip(&base);
	if (meter_number_to_int(b, &n) && n >= 0 && n <= MAX_EXACT_EXPONENT &&
		scale_of(&base) * n <= METER_DECIMAL_MAX_SCALE)
		return power_exact(&base, n, out, err);

	/* keep core from what it would refuse, and from what would take it long */
	if (meter_decimal_sign(&base) == 0)
	{
		if (meter_decimal_sign(b) < 0)
			return meter_error_set(err, "DIVISION_BY_ZERO",
								   "zero to a negative power is a division by zero");
		*out = meter_decimal_zero;
		return true;
	}
	if (!meter_number_round(b, 0, METER_ROUND_TRUNC, &whole, err))
		return false;
	if (meter_decimal_sign(&base) < 0 && meter_decimal_cmp(&whole, b) != 0)
		return meter_error_set(err, "INVALID_ARGUMENT",
							   "a negative number has no power that is not whole");
	digits = DatumGetFloat8(DirectFunctionCall1(numeric_float8, to_datum(b))) *
		log10(fabs(DatumGetFloat8(DirectFunctionCall1(numeric_float8,
													  to_datum(&base)))));
	if (digits > METER_DECIMAL_MAX_INTEGER + 1)
		return meter_decimal_out_of_range(err);
	if (digits < -METER_DECIMAL_MAX_SCALE - 2)
	{
		*out = meter_decimal_zero;
		return true;
	}
	scale = scale_of(&base);
	return from_core(DirectFunctionCall2(numeric_power,
										 with_scale(&base, scale_for((int) digits, scale) + GUARD_DIGITS),
										 to_datum(b)),
					 scale, out, err);
}

/* The square root, likewise. */
bool
meter_number_sqrt(const MeterDecimal *a, MeterDecimal *out, MeterError *err)
{
	int			scale;

	if (meter_decimal_sign(a) < 0)
		return meter_error_set(err, "INVALID_ARGUMENT",
							   "a negative number has no square root");
	if (meter_decimal_sign(a) == 0)
	{
		*out = meter_decimal_zero;
		return true;
	}
	scale = scale_of(a);
	return from_core(DirectFunctionCall1(numeric_sqrt,
										 with_scale(a, scale_for(exponent_of(a) / 2, scale) + GUARD_DIGITS)),
					 scale, out, err);
}

/* Round by 128 bits, the last digits dropped; even a unit more still fits. */
static void
round_small(const MeterDecimal *a, int drop, int places, MeterRounding mode, MeterDecimal *out)
{
	uint128		unit = meter_power_of_ten[drop];
	uint128		x = magnitude(a->mantissa);
	uint128		quotient = x / unit;
	uint128		rest = x % unit;
	bool		negative = a->mantissa < 0;
	int128		result;

	switch (mode)
	{
		case METER_ROUND_HALF:
			quotient += rest * 2 >= unit;
			break;
		case METER_ROUND_FLOOR:
			quotient += negative && rest > 0;
			break;
		case METER_ROUND_CEIL:
			quotient += !negative && rest > 0;
			break;
		case METER_ROUND_TRUNC:
			break;
	}
	if (places < 0)
		quotient *= meter_power_of_ten[-places];
	result = (int128) quotient;
	meter_decimal_set(out, negative ? -result : result, Max(places, 0));
}

/* Likewise by numerics. */
static void
round_big(const MeterDecimal *a, int places, MeterRounding mode, MeterDecimal *out)
{
	Datum		x = to_datum(a);
	Datum		result = DirectFunctionCall2(mode == METER_ROUND_HALF ? numeric_round : numeric_trunc,
											 x, Int32GetDatum(places));

	if (mode == METER_ROUND_FLOOR && DatumGetBool(DirectFunctionCall2(numeric_gt, result, x)))
		result = DirectFunctionCall2(numeric_sub, result, power_of_ten(-places));
	else if (mode == METER_ROUND_CEIL && DatumGetBool(DirectFunctionCall2(numeric_lt, result, x)))
		result = DirectFunctionCall2(numeric_add, result, power_of_ten(-places));
	meter_decimal_from_result(out, result);
}

/* Round to so many places after the point, before it where negative. */
bool
meter_number_round(const MeterDecimal *a, int places, MeterRounding mode, MeterDecimal *out,
				   MeterError *err)
{
	int			drop = a->scale - places;

	if (a->big == NULL && drop <= 0)
	{
		*out = *a;				/* no zeros are added */
		return true;
	}
	if (a->big == NULL && drop <= INT128_DIGITS &&
		magnitude(a->mantissa) < (uint128) meter_power_of_ten[INT128_DIGITS - 1])
		round_small(a, drop, places, mode, out);
	else
		round_big(a, places, mode, out);
	return meter_number_limit(out, err);
}
