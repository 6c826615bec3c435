/*
 * timestamp.h
 *		Event times as text: RFC 3339 in, ISO 8601 in UTC out.
 */
#ifndef METER_VALUES_TIMESTAMP_H
#define METER_VALUES_TIMESTAMP_H

#include "compat.h"

#include "datatype/timestamp.h"

#include "values/error.h"

/* The years meter measures: 0001 to 9999 in UTC, half-open. */
#define METER_TIMESTAMP_MIN (INT64CONST(-730119) * USECS_PER_DAY)
#define METER_TIMESTAMP_END (INT64CONST(2921940) * USECS_PER_DAY)

/* Enough for any timestamp's text and its terminating zero. */
#define METER_TIMESTAMP_LEN 40

/* Can t be measured?  Infinities cannot. */
static inline bool
meter_timestamp_in_range(TimestampTz t)
{
	return t >= METER_TIMESTAMP_MIN && t < METER_TIMESTAMP_END;
}

/*
 * Read YYYY-MM-DD, one of "T", "t" and a space, HH:MM[:SS[.digits]], and a
 * zone: Z, z, +HH, +HHMM or +HH:MM (or minus).  Nothing may stand around it.
 * The zone is required: an event's time must not depend on a server's setting.
 * Second 60 is the first of the next minute, as core has it.  Digits below the
 * microsecond are cut off, since rounding up could carry an event into a
 * window it does not belong to.  The code of a failure is INVALID_TIME.
 */
extern bool meter_timestamp_parse(const char *text, int len, TimestampTz *out,
								  MeterError *err);

/*
 * Write t as YYYY-MM-DDTHH:MM:SSZ, with six digits after the second where they
 * are not zero, into buf of METER_TIMESTAMP_LEN bytes; returns the length.
 * Years beyond 9999 and before 0000 carry a sign (0000 is 1 BC); an infinity
 * is "infinity" or "-infinity".
 */
extern int	meter_timestamp_format(TimestampTz t, char *buf);

#endif							/* METER_VALUES_TIMESTAMP_H */
