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

extern const int128 meter_power_of_ten[INT128_DIGITS + 1];

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
