/*
 * decimal_private.h
 *		What the decimal files share among themselves.
 */
#ifndef METER_VALUES_DECIMAL_PRIVATE_H
#define METER_VALUES_DECIMAL_PRIVATE_H

#include "values/decimal.h"

/* Digits that always fit 64 and 128 bits. */
#define INT64_DIGITS 18
#define INT128_DIGITS 38

#define INT128_TOP ((int128) (~(uint128) 0 >> 1))

extern const int128 meter_power_of_ten[INT128_DIGITS + 1];

/* What the mantissa is without its sign. */
static inline uint128
meter_int128_magnitude(int128 value)
{
	return value < 0 ? -(uint128) value : (uint128) value;
}

/* a + b in *r; false where it does not fit. */
static inline bool
meter_int128_add(int128 a, int128 b, int128 *r)
{
	return !__builtin_add_overflow(a, b, r) && *r >= -INT128_TOP;
}

/* a * b in *r; false where it does not fit. */
static inline bool
meter_int128_mul(int128 a, int128 b, int128 *r)
{
	if (unlikely((int64) a != a || (int64) b != b) &&
		a != 0 && meter_int128_magnitude(b) > (uint128) INT128_TOP / meter_int128_magnitude(a))
		return false;
	*r = a * b;
	return true;
}

/* m * 10^by in *r; false, and *r as it was, where it does not fit. */
static inline bool
meter_int128_scale(int128 m, int by, int128 *r)
{
	if (by > INT128_DIGITS)
	{
		if (m != 0)
			return false;
		*r = 0;
		return true;
	}
	return meter_int128_mul(m, meter_power_of_ten[by], r);
}

/* mantissa = mantissa * factor + add, without a sign; false if too large. */
static inline bool
meter_int128_append(int128 *mantissa, int factor, int add)
{
	if (unlikely(*mantissa > INT128_TOP / 10000 - 1))
	{
		if (*mantissa > (INT128_TOP - add) / factor)
			return false;
	}
	*mantissa = *mantissa * factor + add;
	return true;
}

/* Mantissa and scale to a decimal. */
static inline void
meter_decimal_set(MeterDecimal *out, int128 mantissa, int scale)
{
	out->mantissa = mantissa;
	out->scale = scale;
	out->big = NULL;
}

extern void meter_decimal_from_result(MeterDecimal *out, Datum result);
extern bool meter_decimal_out_of_range(MeterError *err);

#endif							/* METER_VALUES_DECIMAL_PRIVATE_H */
