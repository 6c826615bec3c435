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
 * rejections, which nobody may try again meanwhile; keys of meters for the new
 * event; rows of thresholds, while usage is still as it was; the event's own key
 * of meter.event_reversal, where the second of two that take the same event back
 * waits for the first.  The event is read by a snapshot taken behind the first
 * three, so that its rows are all there are and the versions they name are those
 * whose cells hold it.
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
	for (int i = 1; i < event->nrows; i++)
	{
		MeterPlacement placement = {event->rows[i].seq, event->rows[i].time};

		meter_placement_append(organization, &placement, 1);
	}
}

/* The reversals of an event: one for each place. */
static int
reverse_rows(MeterCounting *counting, const MeterStoredEvent *stored, MeterReversal **list)
{
	MeterReversal *reversals = palloc0((stored->nrows + 1) * sizeof(MeterReversal));
	int			n = 1;

	reversals[0].time = stored->time;
	for (int i = 0; i < stored->nrows; i++)
	{
		int			r = 0;

		while (r < n && reversals[r].time != stored->rows[i].time)
			r++;
		if (r == n)
			reversals[n++].time = stored->rows[i].time;
		meter_counting_row(counting, &stored->rows[i], -1, &reversals[r]);
	}
	*list = reversals;
	return n;
}

/* What is said of an event that is only in quarantine. */
static MeterEventRow
quarantined_row(const MeterCorrection *correction, const MeterStoredEvent *stored)
{
	MeterBatch	batch = {
		.organization = correction->organization, .amends = true, .context = CurrentMemoryContext
	};
	MeterEvent	event = {.raw = stored->rejections[0].payload};
	MeterError	err;

	if (!meter_envelope_read(&batch, &event, &err))
		meter_error_throw(&err, ERRCODE_DATA_CORRUPTED, "event in quarantine");
	return (MeterEventRow) {
		.time = stored->time, .original_time = stored->time, .seq = stored->seq, .type = event.type,
			.source = event.source, .id = event.id, .subject = event.subject
	};
}

/*
 * Does the one snapshot of the transaction show the event as it is now?  If not,
 * what is taken back would not be among what the transaction sees.
 */
static void
check_shown(const MeterCorrection *correction, const MeterListeners *listeners, const MeterStoredEvent *stored)
{
	MeterStoredEvent shown = {0};
	bool		same;

	PushActiveSnapshot(GetTransactionSnapshot());
	meter_correct_find(correction, listeners, &shown);
	meter_correct_read(correction, &shown);
	PopActiveSnapshot();
	same = shown.seq == stored->seq && shown.nrows == stored->nrows;
	for (int i = 0; i < stored->nrows && same; i++)
		same = shown.rows[i].versions.len == stored->rows[i].versions.len &&
			memcmp(shown.rows[i].versions.data, stored->rows[i].versions.data, stored->rows[i].versions.len) == 0;
	if (!same)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access: the event changed since the transaction began")));
}

/* Find the event and have it to ourselves, but for who takes it back too. */
static void
find_event(const MeterCorrection *correction, const MeterListeners *listeners, TimestampTz now,
		   MeterStoredEvent *stored)
{
	/* by what is there now, also where the transaction keeps one snapshot */
	PushActiveSnapshot(GetLatestSnapshot());
	meter_correct_find(correction, listeners, stored);
	PopActiveSnapshot();

	/* who counts it after all does so before or never */
	stored->nrejections = meter_rejected_reverse(&correction->organization, stored->seq, now,
												 &stored->rejections);
	PushActiveSnapshot(GetLatestSnapshot());
	meter_correct_read(correction, stored);
	PopActiveSnapshot();
	if (stored->nrows == 0 && (correction->amend || stored->nrejections == 0))
	{
		/* it may be gone */
		meter_event_require_kept((MeterInterval) {stored->time, stored->time + 1});
		meter_correct_missing(correction, stored->nrejections > 0);
	}
	if (IsolationUsesXactSnapshot())
		check_shown(correction, listeners, stored);
}

/* What revisions of closed windows give as their reason. */
static const char *
revision_reason(const MeterCorrection *correction)
{
	const char *kind = correction->amend ? "amend" : "void";

	return correction->reason.data == NULL ? kind :
		psprintf("%s: %.*s", kind, correction->reason.len, correction->reason.data);
}

/* Correct an event; see correct.h. */
void
meter_correct(const MeterCorrection *correction, MeterCorrected *corrected)
{
	const pg_uuid_t *organization = &correction->organization;
	const MeterListeners *listeners = begin(correction);
	TimestampTz now = GetCurrentTimestamp();
	MeterCounting counting = {.organization = organization, .listeners = listeners};
	MeterReversing reversing = {
		.type = correction->type, .reason = correction->reason, .reversed_at = now
	};
	MeterStoredEvent stored = {0};
	MeterStoredEvent replacement = {0};
	MeterReversal *reversals;
	MeterWatching *watching;
	int			n;

	find_event(correction, listeners, now, &stored);
	memset(corrected, 0, sizeof(*corrected));
	corrected->event = stored.nrows > 0 ? stored.rows[0] : quarantined_row(correction, &stored);
	corrected->reversed_at = now;
	reversing.seq = stored.seq;
	if (correction->amend)
		corrected->replacement_seq = reversing.replacement_seq = meter_event_next_seq();

	n = reverse_rows(&counting, &stored, &reversals);
	/* what rollups cannot give back is read from the events around it */
	for (int i = 0; i < n; i++)
	{
		if (reversals[i].nrecount > 0)
			meter_event_require_kept((MeterInterval) {reversals[i].time, reversals[i].time + 1});
	}
	if (correction->amend)
	{
		meter_amend(correction, &stored, reversing.replacement_seq, now, &replacement, &corrected->partial);
		for (int i = 0; i < replacement.nrows; i++)
			meter_counting_row(&counting, &replacement.rows[i], 1, NULL);
	}
	watching = meter_watching_begin(organization, now, counting.changes, counting.nchanges);
	if (!meter_reversal_append(organization, &reversing, reversals, n))
		meter_correct_reversed(correction);
	if (correction->amend)
		write_event(organization, &replacement, now);
	meter_counting_merge(&counting);
	meter_watching_apply(watching, counting.changes, counting.nchanges);
	meter_closing_touch(organization, revision_reason(correction), counting.touches, counting.ntouches);
}
