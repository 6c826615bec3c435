/*
 * correct.c
 *		Taking an event back, and putting another one in its place.
 *
 * Nothing that was written changes.  A reversal is a row beside the event, and
 * what takes the event out of the rollups is merged into them as anything else
 * is, so under any snapshot rollups and events agree.  An amendment is a reversal
 * and a new event with a number of its own, counted where the old one was.
 *
 * Locks, in order: definitions shared and rollups shared (locks.h); the event's
 * own key of meter.event_reversal, where the second of two that take the same
 * event back waits for the first; keys of meters for the new event.  The event
 * is read by a snapshot taken behind the rollup lock, so that the versions it
 * names are those whose cells hold it.
 */
#include "engine/correct.h"

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "engine/locks.h"

/* Ready for writing, as ingestion is (closing.h says why in this order). */
static const MeterListeners *
begin(const MeterCorrection *correction)
{
	const pg_uuid_t *organization = &correction->organization;

	PreventCommandIfReadOnly(correction->amend ? "meter.amend_event()" : "meter.void_event()");
	(void) GetTopTransactionId();
	meter_lock_definitions_shared(organization);
	meter_lock_rollups_shared(organization);
	meter_cache_refresh(true);
	if (meter_cache_organization(organization) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("organization %s does not exist",
						DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(organization))))));
	return meter_cache_listeners(organization, correction->type.data, correction->type.len);
}

/* Write the rows of the event that takes the place. */
static void
write_event(const pg_uuid_t *organization, const MeterStoredEvent *event, TimestampTz now)
{
	meter_event_append(organization, now, event->rows, event->nrows);
	for (int i = 0; i < event->nrows; i++)
	{
		if (event->rows[i].supplement)
			meter_event_place(organization, event->rows[i].seq, event->rows[i].time);
	}
}

/* Correct an event; see correct.h. */
void
meter_correct(const MeterCorrection *correction, MeterCorrected *corrected)
{
	const MeterListeners *listeners = begin(correction);
	MeterRecount recount = {.organization = &correction->organization, .listeners = listeners};
	MeterReversing reversing = {.type = correction->type, .reason = correction->reason};
	MeterStoredEvent stored;
	MeterStoredEvent replacement = {0};
	MeterReversal *reversals;

	/* also where the transaction keeps one snapshot */
	PushActiveSnapshot(GetLatestSnapshot());
	meter_correct_find(correction, listeners, &stored);
	PopActiveSnapshot();

	memset(corrected, 0, sizeof(*corrected));
	corrected->event = stored.rows[0];
	corrected->reversed_at = reversing.reversed_at = GetCurrentTimestamp();
	reversing.seq = stored.rows[0].seq;
	if (correction->amend)
		corrected->replacement_seq = reversing.replacement_seq = meter_event_next_seq();

	reversals = palloc(stored.nrows * sizeof(MeterReversal));
	for (int i = 0; i < stored.nrows; i++)
		meter_recount_row(&recount, &stored.rows[i], -1, &reversals[i]);
	if (!meter_reversal_append(&correction->organization, &reversing, reversals, stored.nrows))
		meter_correct_reversed(correction);
	if (correction->amend)
	{
		meter_amend(correction, &stored, reversing.replacement_seq, reversing.reversed_at,
					&replacement, &corrected->partial);
		for (int i = 0; i < replacement.nrows; i++)
			meter_recount_row(&recount, &replacement.rows[i], 1, NULL);
		write_event(&correction->organization, &replacement, reversing.reversed_at);
	}
	meter_recount_merge(&recount);
	meter_closing_touch(&correction->organization, correction->amend ? "amend" : "void",
						recount.touches, recount.ntouches);
}
