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

#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#define INT128_TOP ((int128) (~(uint128) 0 >> 1))

#define E9 INT64CONST(1000000000)
#define E18 ((int128) INT64CONST(1000000000000000000))

const int128 meter_power_of_ten[INT128_DIGITS + 1] = {
	1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000,
	E9, E9 * 10, E9 * 100, E9 * 1000, E9 * 10000, E9 * 100000, E9 * 1000000,
	E9 * 10000000, E9 * 100000000,
	E18, E18 * 10, E18 * 100, E18 * 1000, E18 * 10000, E18 * 100000,
	E18 * 1000000, E18 * 10000000, E18 * 100000000,
	E18 * E9, E18 * E9 * 10, E18 * E9 * 100, E18 * E9 * 1000, E18 * E9 * 10000,
	E18 * E9 * 100000, E18 * E9 * 1000000, E18 * E9 * 10000000,
	E18 * E9 * 100000000, E18 * E18, E18 * E18 * 10, E18 * E18 * 100
};

const MeterDecimal meter_decimal_zero = {0};

static inline uint128
magnitude(int128 value)
{
	return value < 0 ? -(uint128) value : (uint128) value;
}

/* a + b in *r; false where it does not fit. */
static inline bool
add_fits(int128 a, int128 b, int128 *r)
{
	return !__builtin_add_overflow(a, b, r) && *r >= -INT128_TOP;
}

/* a * b in *r; false where it does not fit. */
static inline bool
mul_fits(int128 a, int128 b, int128 *r)
{
	if (unlikely((int64) a != a || (int64) b != b) &&
		a != 0 && magnitude(b) > (uint128) INT128_TOP / magnitude(a))
		return false;
	*r = a * b;
	return true;
}

/* m * 10^by in *r; false, and *r as it was, where it does not fit. */
static inline bool
scale_up(int128 m, int by, int128 *r)
{
	if (by > INT128_DIGITS)
	{
		if (m != 0)
			return false;
		*r = 0;
		return true;
	}
	return mul_fits(m, meter_power_of_ten[by], r);
}

/*
 * What numeric.c keeps to itself: a 16-bit header with sign, display scale and
 * (for small ones) weight, then base-10000 digits, the first worth
 * 10000^weight.  The layout is on every disk since 9.1 and so as stable as a
 * data type's format can be.  num may have a short varlena header and thus be
 * unaligned.
 */
typedef struct NumericParts
{
	bool		special;		/* NaN or infinite: nothing else is set */
	bool		negative;
	int			scale;
	int			weight;
	int			ndigits;
	const char *digits;			/* int16 each, perhaps unaligned */
} NumericParts;

static inline void
numeric_parts(Numeric num, NumericParts *parts)
{
	const char *data = VARDATA_ANY((const char *) num);
	int			len = VARSIZE_ANY_EXHDR((const char *) num);
	uint16		header;

	memcpy(&header, data, sizeof(header));
	parts->special = (header & 0xC000) == 0xC000;
	if ((header & 0xC000) == 0x8000)
	{
		parts->negative = (header & 0x2000) != 0;
		parts->scale = (header & 0x1F80) >> 7;
		parts->weight = (header & 0x003F) - (header & 0x0040);
		parts->digits = data + sizeof(uint16);
	}
	else
	{
		int16		weight = 0;

		if (!parts->special)
			memcpy(&weight, data + sizeof(uint16), sizeof(weight));
		parts->negative = (header & 0x4000) != 0;
		parts->scale = header & 0x3FFF;
		parts->weight = weight;
		parts->digits = data + 2 * sizeof(uint16);
	}
	parts->ndigits = (len - (parts->digits - data)) / (int) sizeof(int16);
}

static inline int
numeric_digit(const NumericParts *parts, int i)
{
	int16		digit;

	memcpy(&digit, parts->digits + i * sizeof(digit), sizeof(digit));
	return digit;
}

/* mantissa = mantissa * factor + add, without a sign; false if too large. */
static inline bool
append_digits(int128 *mantissa, int factor, int add)
{
	if (unlikely(*mantissa > INT128_TOP / 10000 - 1))
	{
		if (*mantissa > (INT128_TOP - add) / factor)
			return false;
	}
	*mantissa = *mantissa * factor + add;
	return true;
}

/* The parts as mantissa and scale; false where they need a numeric. */
static bool
small_from_parts(const NumericParts *parts, MeterDecimal *out)
{
	int128		mantissa = 0;
	int			whole = parts->ndigits;
	int			shift;

	/*
	 * shift is what the decimals behind the last digit ask for.  It is
	 * negative where the last digit reaches beyond the display scale, by zeros
	 * only; that digit is cut first so that nothing overflows needlessly.
	 */
	shift = parts->scale + 4 * (parts->weight - parts->ndigits + 1);
	if (parts->ndigits == 0)
		shift = 0;
	if (parts->scale > METER_DECIMAL_MAX_SCALE || parts->ndigits > INT128_DIGITS / 4 + 2 ||
		shift <= -4)
		return false;
	if (shift < 0)
		whole--;

	if (whole <= INT64_DIGITS / 4)
	{
		int64		m = 0;

		for (int i = 0; i < whole; i++)
			m = m * 10000 + numeric_digit(parts, i);
		mantissa = m;
	}
	else
	{
		for (int i = 0; i < whole; i++)
		{
			if (!append_digits(&mantissa, 10000, numeric_digit(parts, i)))
				return false;
		}
	}
	if (shift < 0)
	{
		if (!append_digits(&mantissa, meter_power_of_ten[4 + shift],
						   numeric_digit(parts, whole) / (int) meter_power_of_ten[-shift]))
			return false;
	}
	else if (!scale_up(mantissa, shift, &mantissa))
		return false;

	meter_decimal_set(out, parts->negative ? -mantissa : mantissa, parts->scale);
	return true;
}

/* Bring the result of numeric arithmetic, which is finite, into *out. */
void
meter_decimal_from_result(MeterDecimal *out, Datum result)
{
	Numeric		num = DatumGetNumeric(result);
	NumericParts parts;

	numeric_parts(num, &parts);
	if (!small_from_parts(&parts, out))
	{
		meter_decimal_set(out, 0, 0);
		out->big = num;
	}
}

/* The one message for too many digits. */
bool
meter_decimal_out_of_range(MeterError *err)
{
	return meter_error_set(err, "NUMBER_OUT_OF_RANGE",
						   "number out of range: expected at most %d digits before the decimal point and %d after it",
						   METER_DECIMAL_MAX_INTEGER, METER_DECIMAL_MAX_SCALE);
}

/* Take a numeric, as it lies in a tuple if need be. */
bool
meter_decimal_from_numeric(Numeric num, MeterDecimal *out, MeterError *err)
{
	NumericParts parts;
	int			integer;

	numeric_parts(num, &parts);
	if (unlikely(parts.special))
		return meter_error_set(err, "INVALID_NUMBER",
							   "expected a finite number, not NaN or Infinity");
	if (likely(small_from_parts(&parts, out)))
		return true;

	integer = 4 * (parts.weight + 1);
	if (parts.ndigits > 0)
	{
		int			first = numeric_digit(&parts, 0);

		integer -= first < 10 ? 3 : first < 100 ? 2 : first < 1000 ? 1 : 0;
	}
	if (parts.scale > METER_DECIMAL_MAX_SCALE ||
		(parts.ndigits > 0 && integer > METER_DECIMAL_MAX_INTEGER))
		return meter_decimal_out_of_range(err);
	meter_decimal_set(out, 0, 0);
	out->big = DatumGetNumericCopy(NumericGetDatum(num));
	return true;
}

void
meter_decimal_from_int64(int64 value, MeterDecimal *out)
{
	meter_decimal_set(out, value, 0);
}

/* Write |value| backwards from end; returns where it begins. */
static char *
put_backwards(char *end, uint128 value)
{
	do
	{
		*--end = '0' + (int) (value % 10);
		value /= 10;
	} while (value > 0);
	return end;
}

/* The numeric, with the decimal's display scale. */
Numeric
meter_decimal_to_numeric(const MeterDecimal *d)
{
	char		buf[METER_DECIMAL_MAX_SCALE + INT128_DIGITS + 16];
	char	   *end = buf + sizeof(buf) - 8;
	char	   *p;

	if (d->big)
		return d->big;
	if ((int64) d->mantissa == d->mantissa)
	{
		if (d->scale == 0)
			return int64_to_numeric((int64) d->mantissa);
		return int64_div_fast_to_numeric((int64) d->mantissa, d->scale);
	}

	/* digits, sign and an exponent, which keeps the scale as it is */
	snprintf(end, 8, "e-%d", d->scale);
	p = put_backwards(end, magnitude(d->mantissa));
	if (d->mantissa < 0)
		*--p = '-';
	return DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(p),
											   ObjectIdGetDatum(InvalidOid),
											   Int32GetDatum(-1)));
}

/* Let core compute where 128 bits are too few. */
static pg_noinline void
compute_big(PGFunction function, const MeterDecimal *a, const MeterDecimal *b,
			MeterDecimal *out)
{
	meter_decimal_from_result(out,
					DirectFunctionCall2(function,
										NumericGetDatum(meter_decimal_to_numeric(a)),
										NumericGetDatum(meter_decimal_to_numeric(b))));
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
		if (!scale_up(x, b->scale - a->scale, &x))
			return false;
	}
	else if (a->scale > b->scale && !scale_up(y, a->scale - b->scale, &y))
		return false;
	if (!add_fits(x, minus ? -y : y, &x))
		return false;
	meter_decimal_set(out, x, scale);
	return true;
}

void
meter_decimal_add(const MeterDecimal *a, const MeterDecimal *b, MeterDecimal *out)
{
	if (!add_small(a, b, false, out))
		compute_big(numeric_add, a, b, out);
}

void
meter_decimal_sub(const MeterDecimal *a, const MeterDecimal *b, MeterDecimal *out)
{
	if (!add_small(a, b, true, out))
		compute_big(numeric_sub, a, b, out);
}

void
meter_decimal_mul(const MeterDecimal *a, const MeterDecimal *b, MeterDecimal *out)
{
	int128		product;
	int			scale = a->scale + b->scale;

	if (a->big == NULL && b->big == NULL && scale <= METER_DECIMAL_MAX_SCALE &&
		mul_fits(a->mantissa, b->mantissa, &product))
		meter_decimal_set(out, product, scale);
	else
		compute_big(numeric_mul, a, b, out);
}

/* Decimals that are shown. */
int
meter_decimal_scale(const MeterDecimal *a)
{
	NumericParts parts;

	if (a->big == NULL)
		return a->scale;
	numeric_parts(a->big, &parts);
	return parts.scale;
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
	if (a->scale < b->scale && !scale_up(x, b->scale - a->scale, &x))
		return x < 0 ? -1 : 1;
	if (a->scale > b->scale && !scale_up(y, a->scale - b->scale, &y))
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

/*
 * Equal values hash alike whatever their scale: the mantissa without the
 * zeros at its end, and the power of ten that goes with it.
 */
static uint64
hash_small(int128 mantissa, int scale)
{
	if (mantissa == 0)
		return hash_bytes_uint32_extended(0, 0);
	while (mantissa % 10 == 0)
	{
		mantissa /= 10;
		scale--;
	}
	return hash_combine64(hash_bytes_extended((const unsigned char *) &mantissa,
											  sizeof(mantissa), 0), scale);
}

/* A hash that agrees with meter_decimal_cmp. */
uint64
meter_decimal_hash(const MeterDecimal *a)
{
	char	   *text;
	char	   *to;
	const char *p;
	int			scale = 0;
	bool		seen_point = false;
	bool		negative;
	int128		mantissa = 0;
	uint64		hash;

	if (a->big == NULL)
		return hash_small(a->mantissa, a->scale);

	/* squeeze out the point and the zeros at both ends, counting the scale */
	text = to = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(a->big)));
	for (p = text; *p; p++)
	{
		if (*p == '.')
			seen_point = true;
		else
		{
			if (seen_point)
				scale++;
			if (*p != '0' || (to > text && to[-1] != '-'))
				*to++ = *p;
		}
	}
	while (to > text && to[-1] == '0')
	{
		to--;
		scale--;
	}

	/* what could as well be small hashes as that does */
	negative = text[0] == '-';
	for (p = text + negative; p < to; p++)
	{
		if (!append_digits(&mantissa, 10, *p - '0'))
			break;
	}
	if (p == to)
		hash = hash_small(negative ? -mantissa : mantissa, scale);
	else
		hash = hash_combine64(hash_bytes_extended((const unsigned char *) text, to - text, 1),
							  scale);
	pfree(text);
	return hash;
}
