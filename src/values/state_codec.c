/*
 * state_codec.c
 *		The elements of packed states: varints and decimals.
 *
 * Varints are little-endian groups of seven bits; signed numbers are
 * zigzagged first, so that small ones are short whatever their sign.  A
 * decimal is its scale's byte and its mantissa as a signed varint of up to 128
 * bits, or DECIMAL_NUMERIC and what numeric_send makes of it.  Each value has
 * one form: equal decimals are equal bytes, and bytes that could have been
 * shorter are refused.
 */
#include "values/decimal_private.h"
#include "values/state_private.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

/* In a scale's place: a numeric follows, its length first. */
#define DECIMAL_NUMERIC 0xFF

/* Refuse the bytes. */
void
meter_packed_malformed(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
			 errmsg("malformed usage state: %s", what)));
}

/* Write a varint of METER_VARINT_MAX bytes at most; returns where it ends. */
char *
meter_put_varint(char *to, uint64 value)
{
	while (value >= 0x80)
	{
		*to++ = (char) (value | 0x80);
		value >>= 7;
	}
	*to++ = (char) value;
	return to;
}

/* The same for a number with a sign. */
char *
meter_put_signed(char *to, int64 value)
{
	return meter_put_varint(to, ((uint64) value << 1) ^ (uint64) (value >> 63));
}

/* Write a decimal that is no numeric; METER_PACKED_DECIMAL_MAX bytes at most. */
char *
meter_put_decimal(char *to, const MeterDecimal *d)
{
	uint128		zigzag = ((uint128) d->mantissa << 1) ^ (uint128) (d->mantissa >> 127);

	*to++ = (char) d->scale;
	while (unlikely((uint64) zigzag != zigzag))
	{
		*to++ = (char) ((uint64) zigzag | 0x80);
		zigzag >>= 7;
	}
	return meter_put_varint(to, (uint64) zigzag);
}

/* Append any decimal. */
void
meter_append_decimal(StringInfo buf, const MeterDecimal *d)
{
	char	   *to;
	bytea	   *sent;

	enlargeStringInfo(buf, METER_PACKED_DECIMAL_MAX);
	to = buf->data + buf->len;
	if (likely(d->big == NULL))
	{
		buf->len = meter_put_decimal(to, d) - buf->data;
		return;
	}

	sent = DatumGetByteaP(DirectFunctionCall1(numeric_send, NumericGetDatum(d->big)));
	*to++ = (char) DECIMAL_NUMERIC;
	buf->len = meter_put_varint(to, VARSIZE(sent) - VARHDRSZ) - buf->data;
	appendBinaryStringInfo(buf, VARDATA(sent), VARSIZE(sent) - VARHDRSZ);
	pfree(sent);
}

/* The next byte. */
int
meter_get_byte(MeterReader *r)
{
	if (unlikely(r->p >= r->end))
		meter_packed_malformed("it ends too early");
	return *r->p++;
}

/* The next len bytes, in place. */
const char *
meter_get_bytes(MeterReader *r, uint64 len)
{
	const char *bytes = (const char *) r->p;

	if (unlikely(len > (uint64) (r->end - r->p)))
		meter_packed_malformed("it ends too early");
	r->p += len;
	return bytes;
}

/* A varint in its one form. */
uint64
meter_get_varint(MeterReader *r)
{
	uint64		value = 0;

	for (int shift = 0;; shift += 7)
	{
		int			byte = meter_get_byte(r);

		if (unlikely(shift == 63 && byte > 1))
			meter_packed_malformed("number too long");
		value |= (uint64) (byte & 0x7F) << shift;
		if (byte < 0x80)
		{
			if (unlikely(byte == 0 && shift > 0))
				meter_packed_malformed("number longer than it need be");
			return value;
		}
	}
}

/* A signed varint in its one form. */
int64
meter_get_signed(MeterReader *r)
{
	uint64		zigzag = meter_get_varint(r);

	return (int64) (zigzag >> 1) ^ -(int64) (zigzag & 1);
}

/* A decimal sent as numeric: one that could not have been sent otherwise. */
static void
get_numeric(MeterReader *r, MeterDecimal *out)
{
	uint64		len = meter_get_varint(r);
	const char *bytes = meter_get_bytes(r, len);
	StringInfoData buf;
	Numeric		num;
	bytea	   *sent;

	/* four numbers of 16 bits before the digits, their count first */
	if (len < 4 * sizeof(uint16) ||
		len != (4 + (((uint8) bytes[0] << 8) | (uint8) bytes[1])) * sizeof(uint16))
		meter_packed_malformed("number of a wrong length");
	initStringInfo(&buf);
	appendBinaryStringInfo(&buf, bytes, (int) len);
	num = DatumGetNumeric(DirectFunctionCall3(numeric_recv, PointerGetDatum(&buf),
											  ObjectIdGetDatum(InvalidOid),
											  Int32GetDatum(-1)));
	if (numeric_is_nan(num) || numeric_is_inf(num))
		meter_packed_malformed("number that is not finite");
	meter_decimal_from_result(out, NumericGetDatum(num));
	sent = DatumGetByteaP(DirectFunctionCall1(numeric_send, NumericGetDatum(num)));
	if (out->big == NULL || VARSIZE(sent) - VARHDRSZ != len ||
		memcmp(VARDATA(sent), bytes, len) != 0)
		meter_packed_malformed("number in a form that is not its own");
	pfree(sent);
	pfree(buf.data);
}

/* A decimal; a numeric lies in the current memory context. */
void
meter_get_decimal(MeterReader *r, MeterDecimal *out)
{
	int			scale = meter_get_byte(r);
	uint128		zigzag = 0;

	if (unlikely(scale > METER_DECIMAL_MAX_SCALE))
	{
		if (scale != DECIMAL_NUMERIC)
			meter_packed_malformed("decimal scale out of range");
		get_numeric(r, out);
		return;
	}
	for (int shift = 0;; shift += 7)
	{
		int			byte = meter_get_byte(r);

		if (unlikely(shift == 126 && byte > 3))
			meter_packed_malformed("number too long");
		zigzag |= (uint128) (byte & 0x7F) << shift;
		if (byte < 0x80)
		{
			if (unlikely(byte == 0 && shift > 0))
				meter_packed_malformed("number longer than it need be");
			break;
		}
	}
	if (unlikely(zigzag == ~(uint128) 0))	/* -2^127 is no mantissa */
		meter_packed_malformed("number too long");
	meter_decimal_set(out, (int128) (zigzag >> 1) ^ -(int128) (zigzag & 1), scale);
}
