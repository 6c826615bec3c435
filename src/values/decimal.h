/*
 * decimal.h
 *		Exact decimals: 128 bits and a scale, a numeric where that is not
 *		enough.
 *
 * Usage values come as JSON text, and must be the same decimal in the result.
 * A number may have METER_DECIMAL_MAX_INTEGER digits before its point and
 * METER_DECIMAL_MAX_SCALE after it (trailing zeros of the exponent form
 * included); nothing is ever rounded on the way in.
 */
#ifndef METER_VALUES_DECIMAL_H
#define METER_VALUES_DECIMAL_H

#include "compat.h"

#include "utils/numeric.h"

#include "values/error.h"
#include "values/json.h"

#define METER_DECIMAL_MAX_INTEGER 128
#define METER_DECIMAL_MAX_SCALE 128

typedef struct MeterDecimal
{
	int128		mantissa;		/* value = mantissa / 10^scale ... */
	int			scale;			/* 0 .. METER_DECIMAL_MAX_SCALE */
	Numeric		big;			/* ... unless this is set: then it is this,
								 * palloc'd in the current context, never
								 * changed in place */
} MeterDecimal;

extern const MeterDecimal meter_decimal_zero;

/*
 * Read a JSON number or a numeric string ("12.5", "-3e2"; no white space, no
 * NaN, no Infinity, no empty text).  On failure code is INVALID_NUMBER or
 * NUMBER_OUT_OF_RANGE and the message says what was expected.
 */
extern bool meter_decimal_from_text(const char *text, int len, MeterDecimal *out,
									MeterError *err);

/* As above for a document's node; anything but a number or a numeric string is
 * refused.  The error has no pointer: the caller knows the path. */
extern bool meter_decimal_from_json(const MeterJson *doc, int node,
									MeterDecimal *out, MeterError *err);

/* num may have a short header, as PG_DETOAST_DATUM_PACKED gives it: taking it
 * so saves a copy for each row. */
extern bool meter_decimal_from_numeric(Numeric num, MeterDecimal *out,
									   MeterError *err);
extern void meter_decimal_from_int64(int64 value, MeterDecimal *out);

/* The display scale of the inputs is kept, as core's numeric does. */
extern Numeric meter_decimal_to_numeric(const MeterDecimal *d);

/* out may be one of the operands. */
extern void meter_decimal_add(const MeterDecimal *a, const MeterDecimal *b, MeterDecimal *out);
extern void meter_decimal_sub(const MeterDecimal *a, const MeterDecimal *b, MeterDecimal *out);
extern void meter_decimal_mul(const MeterDecimal *a, const MeterDecimal *b, MeterDecimal *out);

/* How often b, above zero, goes into a, not below it; at most int128's highest
 * value.  exact: with nothing left. */
extern int128 meter_decimal_times(const MeterDecimal *a, const MeterDecimal *b, bool *exact);

/* The display scale: decimals that are shown. */
extern int	meter_decimal_scale(const MeterDecimal *a);

/* The same value without zeros behind its last decimal. */
extern void meter_decimal_trim(const MeterDecimal *a, MeterDecimal *out);
extern bool meter_decimal_is_trimmed(const MeterDecimal *a);

extern int	meter_decimal_cmp(const MeterDecimal *a, const MeterDecimal *b);
extern int	meter_decimal_sign(const MeterDecimal *a);

#endif							/* METER_VALUES_DECIMAL_H */
