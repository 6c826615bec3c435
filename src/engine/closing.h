/*
 * closing.h
 *		Windows that are over: when they are closed, and what changes them then.
 *
 * A window is late for an event when its end and the meter's grace are behind
 * the clock.  It is finalized when they are behind the meter's horizon, up to
 * which meter.close_windows() has written results.
 *
 * Commit-safe without a lock: ingestion takes a transaction number, then the
 * definitions lock, then reads the clock.  Closing reads the clock, then looks
 * who holds that lock, then takes the snapshot it reads by.  So an event that
 * was not late to ingestion is either in that snapshot, or its transaction is
 * seen and the horizon stays behind it.
 */
#ifndef METER_ENGINE_CLOSING_H
#define METER_ENGINE_CLOSING_H

#include "definitions/cache.h"

#include "values/text.h"

/* Up to when the meter's windows are closed: a window is finalized when its end
 * and grace are not behind it.  DT_NOBEGIN where nothing is. */
extern TimestampTz meter_closing_horizon(const pg_uuid_t *organization, const MeterEntry *meter);

/* What changed in windows that may be finalized. */
typedef struct MeterClosingTouch
{
	const MeterEntry *meter;
	TimestampTz time;			/* where the event is counted */
	MeterText	subject;		/* as the version saw it; no data where it has none */
} MeterClosingTouch;

/*
 * Write the revisions of the finalized windows among these, or leave them to the
 * next close_windows() where they are many or another transaction is at them.
 * Called behind the change, which must be visible to this transaction.
 */
extern void meter_closing_touch(const pg_uuid_t *organization, const char *reason,
								const MeterClosingTouch *touches, int n);

/* The same for whatever was counted anew from from to to, of all subjects. */
extern void meter_closing_touch_range(const pg_uuid_t *organization, const MeterEntry *meter,
									  TimestampTz from, TimestampTz to, const char *reason);

#endif							/* METER_ENGINE_CLOSING_H */
