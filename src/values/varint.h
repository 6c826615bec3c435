/*
 * varint.h
 *		Whole numbers in as few bytes as they need: seven bits a byte, the
 *		lowest first, the high bit says that more follow.
 */
#ifndef METER_VALUES_VARINT_H
#define METER_VALUES_VARINT_H

#include "compat.h"

#include "lib/stringinfo.h"

#include "values/text.h"

static inline void
meter_varint_put(StringInfo buf, uint64 value)
{
	while (value >= 0x80)
	{
		appendStringInfoCharMacro(buf, (char) (value | 0x80));
		value >>= 7;
	}
	appendStringInfoCharMacro(buf, (char) value);
}

/* Take a number off; false where there is none. */
static inline bool
meter_varint_get(MeterText *rest, uint64 *value)
{
	*value = 0;
	for (int shift = 0; shift < 64 && rest->len > 0; shift += 7)
	{
		unsigned char c = (unsigned char) *rest->data++;

		rest->len--;
		*value |= (uint64) (c & 0x7F) << shift;
		if (c < 0x80)
			return true;
	}
	return false;
}

/* Signed numbers, small ones of both signs in few bytes. */
static inline void
meter_varint_put_signed(StringInfo buf, int64 value)
{
	meter_varint_put(buf, ((uint64) value << 1) ^ (uint64) (value >> 63));
}

static inline bool
meter_varint_get_signed(MeterText *rest, int64 *value)
{
	uint64		raw;

	if (!meter_varint_get(rest, &raw))
		return false;
	*value = (int64) (raw >> 1) ^ -(int64) (raw & 1);
	return true;
}

#endif							/* METER_VALUES_VARINT_H */
