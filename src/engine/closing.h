/*
 * closing.h
 *		Windows that are over: when they are closed, and what changes them then.
 *
 * A window is late for an event when its end and the meter's grace are behind
 * the clock.  It is finalized when they are behind the meter's horizon, up to
 * which meter.close_windows() has written results.
 *
 * No event slips under a closed window unnoticed, though nobody waits for
 * anybody but for moments.  Two rules see to it.
 *
 * 1. Events that are not late.  Ingestion takes a transaction number, then the
 * definitions lock, then reads the clock, r.  Closing reads the clock, h, then
 * looks who holds that lock, then takes the snapshot it reads by.  Of an event
 * for which the window was not over at r:
 *	- Its transaction took the lock behind closing's look: then r > h.
 *	- Its transaction was seen in closing's look, and held the lock.  Closing
 *	  then goes by a tick, a note of an earlier moment and of the first
 *	  transaction number not given out behind it, that is not larger than the
 *	  transaction's: the number was given out behind that moment, so r is.
 *	- Its transaction had ended before closing's look: what it wrote is in
 *	  closing's snapshot.
 * The horizon is h, or that tick, or nothing moves.  So either the event is in
 * the snapshot, or r is behind the horizon and the window stays open.
 *
 * 2. Events that are late, but in windows that are not finalized yet, as far as
 * ingestion knows.  Ingestion takes the horizon's lock shared, if it can be had
 * at once.  With it, the horizon it reads is the last one, and nobody moves it
 * before ingestion's transaction has ended.  Closing takes the lock exclusive
 * before its snapshot; it waits a moment for it, and while it does or has it
 * ingestion does not get it.  Then ingestion cannot know whether the window is
 * being finalized right now, and leaves a row in the queue of revisions, in the
 * same transaction.  The next closing works the queue off: behind this one,
 * since closing excludes closing.
 *
 * What takes events back or counts them anew follows the second rule.
 */
#ifndef METER_ENGINE_CLOSING_H
#define METER_ENGINE_CLOSING_H

#include "definitions/cache.h"

#include "values/text.h"

/*
 * Up to when the meter's windows are closed: a window is finalized when its end
 * and grace are not behind it.  DT_NOBEGIN where nothing is.  Asked for late
 * events only: keeps the horizon where it is, if that can be had without
 * waiting, until the end of the transaction.  Read by a snapshot of now, then
 * remembered by the backend until it moves.
 */
extern TimestampTz meter_closing_horizon(const pg_uuid_t *organization, const MeterEntry *meter);

/* Which windows may be finalized, or being finalized right now: those over by
 * then.  The horizon, where it was kept; else the clock. */
extern TimestampTz meter_closing_limit(const pg_uuid_t *organization, const MeterEntry *meter);

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
 *
 * Called behind the change, which must be visible to this transaction.  It is
 * to be told of every event that is counted, or taken back, at a time that is as
 * far as the meter's grace behind meter_closing_limit(), late or not: a profile
 * can have windows shorter than the meter's own.  Which of them lie in windows
 * that are over is found here.  Callers hold the definitions lock (locks.h)
 * since before they read the clock.
 */
extern void meter_closing_touch(const pg_uuid_t *organization, const char *reason,
								const MeterClosingTouch *touches, int n);

/* The same for whatever was counted anew in [from, to), of every subject. */
extern void meter_closing_touch_range(const pg_uuid_t *organization, const char *reason,
									  const MeterEntry *meter, TimestampTz from, TimestampTz to);

/*
 * Close the windows that are over, of one organization or all (NULL), and work
 * off the queue of revisions, until about so many results are written; returns
 * how many were.  Between SPI_connect and SPI_finish.
 */
extern int64 meter_close_windows(const pg_uuid_t *organization, int max_results);

/* Is nothing left to be closed, or revised, of what the meter counted in
 * [from, to)? */
extern bool meter_windows_closed(const pg_uuid_t *organization, const MeterEntry *meter,
								 TimestampTz from, TimestampTz to);

#endif							/* METER_ENGINE_CLOSING_H */
