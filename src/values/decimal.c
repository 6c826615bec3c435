/*
 * decimal.c
 *		Exact decimals: 128 bits and a scale, a numeric where that is not
 *		enough.
 *
 * A decimal has a value and a display scale, as core's numeric does.  There
 * is one representation for each such pair: mantissa and scale where the
 * mantissa fits 127 bits and a sign and the scale is not above
 * METER_DECIMAL_MAX_SCALE, a numeric otherwise.  Every operation keeps to
 * that, so packed states do not depend on the order in which values came, and
 * a sum that left 128 bits comes back to the fast path when it can.
 *
 * INT128's lowest value is left out so that negation cannot overflow.
 * Multiplication is checked by hand: clang turns __builtin_mul_overflow on 128
 * bits into a call that libgcc does not have.
 */
#include "values/decimal_private.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

const MeterDecimal meter_decimal_zero = {0};

/* A whole number. */
void
meter_decimal_from_int64(int64 value, MeterDecimal *out)
{
	meter_decimal_set(out, value, 0);
}

/* Let core compute where 128 bits are too few. */
static pg_noinline void
compute_big(PGFunction function, const MeterDecimal *a, const MeterDecimal *b,
			MeterDecimal *out)
{
	Datum		x = NumericGetDatum(meter_decimal_to_numeric(a));
	Datum		y = NumericGetDatum(meter_decimal_to_numeric(b));

	meter_decimal_from_result(out, DirectFunctionCall2(function, x, y));
}

/* Add b, or subtract it, the scales made equal first. */
static inline bool
add_small(const MeterDecimal *a, const MeterDecimal *b, bool minus, MeterDecimal *out)
{
	int128		x = a->mantissa;
	int128		y = b->mantissa;
	int			scale = a->scale;

	if (unlikely(a->big != NULL || b->big != NULL))
		return false;
	if (a->scale < b->scale)
	{
		scale = b->scale;
		if (!meter_int128_scale(x, b->scale - a->scale, &x))
			return false;
	}
	else if (a->scale > b->scale && !meter_int128_scale(y, a->scale - b->scale, &y))
		return false;
	if (!meter_int128_add(x, minus ? -y : y, &x))
		return false;
	meter_decimal_set(out, x, scale);
	return true;
}

/* a + b, with the greater scale of the two. */
void
meter_decimal_add(const MeterDecimal *a, const MeterDecimal *b, MeterDecimal *out)
{
	if (!add_small(a, b, false, out))
		compute_big(numeric_add, a, b, out);
}

/* a - b, with the greater scale of the two. */
void
meter_decimal_sub(const MeterDecimal *a, const MeterDecimal *b, MeterDecimal *out)
{
	if (!add_small(a, b, true, out))
		compute_big(numeric_sub, a, b, out);
}

/* a * b, with the scales added up. */
void
meter_decimal_mul(const MeterDecimal *a, const MeterDecimal *b, MeterDecimal *out)
{
	int128		product;
	int			scale = a->scale + b->scale;

	if (a->big == NULL && b->big == NULL && scale <= METER_DECIMAL_MAX_SCALE &&
		meter_int128_mul(a->mantissa, b->mantissa, &product))
		meter_decimal_set(out, product, scale);
	else
		compute_big(numeric_mul, a, b, out);
}

/* Let core divide where 128 bits are too few. */
static pg_noinline int128
divide_big(const MeterDecimal *a, const MeterDecimal *b, bool *exact)
{
	MeterDecimal quotient;
	MeterDecimal product;

	compute_big(numeric_div_trunc, a, b, &quotient);
	meter_decimal_mul(&quotient, b, &product);
	*exact = meter_decimal_cmp(&product, a) == 0;
	return quotient.big ? INT128_TOP : quotient.mantissa;
}

/* How often b goes into a; see decimal.h. */
int128
meter_decimal_times(const MeterDecimal *a, const MeterDecimal *b, bool *exact)
{
	int128		x = a->mantissa;
	int128		y = b->mantissa;

	if (a->big || b->big ||
		(a->scale < b->scale && !meter_int128_scale(x, b->scale - a->scale, &x)) ||
		(a->scale > b->scale && !meter_int128_scale(y, a->scale - b->scale, &y)))
		return divide_big(a, b, exact);
	*exact = x % y == 0;
	return x / y;
}

/* Is the last decimal something else than zero? */
bool
meter_decimal_is_trimmed(const MeterDecimal *a)
{
	if (a->big)
		return meter_decimal_scale(a) ==
			DatumGetInt32(DirectFunctionCall1(numeric_min_scale, NumericGetDatum(a->big)));
	if (a->scale == 0)
		return true;
	if ((int64) a->mantissa == a->mantissa)
		return (int64) a->mantissa % 10 != 0;
	return a->mantissa % 10 != 0;
}

/* The same value without zeros behind its last decimal. */
void
meter_decimal_trim(const MeterDecimal *a, MeterDecimal *out)
{
	int128		mantissa = a->mantissa;
	int			scale = a->scale;

	if (a->big)
	{
		meter_decimal_from_result(out, DirectFunctionCall1(numeric_trim_scale,
														   NumericGetDatum(a->big)));
		return;
	}
	if (mantissa == 0)
		scale = 0;
	while (scale > 0 && mantissa % 10 == 0)
	{
		mantissa /= 10;
		scale--;
	}
	meter_decimal_set(out, mantissa, scale);
}

/* -1, 0 or 1. */
int
meter_decimal_cmp(const MeterDecimal *a, const MeterDecimal *b)
{
	int128		x = a->mantissa;
	int128		y = b->mantissa;

	if (a->big || b->big)
	{
		int			cmp;

		cmp = DatumGetInt32(DirectFunctionCall2(numeric_cmp,
												NumericGetDatum(meter_decimal_to_numeric(a)),
												NumericGetDatum(meter_decimal_to_numeric(b))));
		return (cmp > 0) - (cmp < 0);
	}

	/* what does not fit once scaled is beyond anything the other can be */
	if (a->scale < b->scale && !meter_int128_scale(x, b->scale - a->scale, &x))
		return x < 0 ? -1 : 1;
	if (a->scale > b->scale && !meter_int128_scale(y, a->scale - b->scale, &y))
		return y < 0 ? 1 : -1;
	return (x > y) - (x < y);
}

/* -1, 0 or 1. */
int
meter_decimal_sign(const MeterDecimal *a)
{
	if (a->big)
		return meter_decimal_cmp(a, &meter_decimal_zero);
	return (a->mantissa > 0) - (a->mantissa < 0);
}
