/*
 * decimal_numeric.c
 *		Decimals from core's numeric, and back.
 *
 * Most numerics in a table fit 128 bits, and reading their digits where they
 * lie is several times faster than any function core offers.
 */
#include "values/decimal_private.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

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

/* Take a numeric apart. */
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

/* One of its base-10000 digits. */
static inline int
numeric_digit(const NumericParts *parts, int i)
{
	int16		digit;

	memcpy(&digit, parts->digits + i * sizeof(digit), sizeof(digit));
	return digit;
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
			if (!meter_int128_append(&mantissa, 10000, numeric_digit(parts, i)))
				return false;
		}
	}
	if (shift < 0)
	{
		if (!meter_int128_append(&mantissa, meter_power_of_ten[4 + shift],
						   numeric_digit(parts, whole) / (int) meter_power_of_ten[-shift]))
			return false;
	}
	else if (!meter_int128_scale(mantissa, shift, &mantissa))
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
	p = put_backwards(end, meter_int128_magnitude(d->mantissa));
	if (d->mantissa < 0)
		*--p = '-';
	return DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(p),
											   ObjectIdGetDatum(InvalidOid),
											   Int32GetDatum(-1)));
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
