/*
 * closing.c
 *		Windows that are over; closing.h says what makes it safe.
 */
#include "engine/closing.h"

#include "utils/timestamp.h"

/* Up to when the meter's windows are closed; see closing.h. */
TimestampTz
meter_closing_horizon(const pg_uuid_t *organization, const MeterEntry *meter)
{
	return DT_NOBEGIN;
}

/* Revise finalized windows; see closing.h. */
void
meter_closing_touch(const pg_uuid_t *organization, const char *reason,
					const MeterClosingTouch *touches, int n)
{
}

/* Revise finalized windows of a range; see closing.h. */
void
meter_closing_touch_range(const pg_uuid_t *organization, const MeterEntry *meter,
						  TimestampTz from, TimestampTz to, const char *reason)
{
}
