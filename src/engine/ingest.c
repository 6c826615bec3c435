/*
 * ingest.c
 *		Ingestion: the way of a batch of events through the engine.
 *
 *	  read		each event: envelope, who listens, what it is to each of them
 *	  judge		what may have come late (late.h)
 *	  claim		envelope keys; then, for events that are new, the keys of
 *				meters with a dedup_key_path
 *	  watch		what is counted against thresholds and quotas (threshold.h)
 *	  number	the series of what is counted
 *	  append	events; merge rollups; keep rejections
 *
 * Locks, in order: definitions shared (locks.h), keys (unique index, sorted),
 * rows of what thresholds watch (sorted), rollup pages to be merged (never waited for).  All are held to the end of
 * the caller's transaction, and all that is written is part of it.
 */
#include "engine/ingest.h"

#include "access/xact.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "engine/late.h"
#include "engine/locks.h"
#include "engine/spi.h"
#include "engine/threshold.h"

/* A batch is processed when it holds as much. */
#define BATCH_EVENTS 20000
#define BATCH_BYTES (16 * 1024 * 1024)
#define BATCH_MEMORY (64 * 1024 * 1024)

struct MeterIngest
{
	MeterBatch	batch;
	const MeterOrganization *organization;
	MeterLateMemory late;
	MeterIngestEmit emit;		/* or NULL */
	MeterIngestKeep keep;
	const char *reason;			/* why closed windows change */
	bool		partial;		/* one bad event does not fail its batch */
	bool		fails;			/* whoever calls fails where an event is refused */
	void	   *arg;
	int			ordinal;
	size_t		bytes;
};

/* The status as it is written. */
const char *
meter_status_name(MeterStatus status)
{
	static const char *const names[] = {
		[METER_STATUS_ACCEPTED] = "accepted", [METER_STATUS_LATE_REVISED] = "late_revised",
		[METER_STATUS_LATE_NEXT_WINDOW] = "late_next_window",
		[METER_STATUS_LATE_QUARANTINED] = "late_quarantined",
		[METER_STATUS_DUPLICATE] = "duplicate", [METER_STATUS_CONFLICT] = "conflict",
		[METER_STATUS_UNMATCHED] = "unmatched", [METER_STATUS_REJECTED] = "rejected"
	};

	return names[status];
}

/* Ready an empty batch. */
static void
reset_batch(MeterIngest *ingest)
{
	MeterBatch *batch = &ingest->batch;

	MemoryContextReset(batch->context);
	memset(&batch->doc, 0, sizeof(MeterJson));
	memset(&batch->derived, 0, sizeof(MeterJson));
	batch->events = NULL;
	batch->nevents = batch->events_size = 0;
	batch->contributions = NULL;
	batch->ncontributions = batch->contributions_size = 0;
	batch->measures = NULL;
	batch->nmeasures = batch->measures_size = 0;
	batch->series = NULL;
	batch->nseries = batch->series_size = 0;
	batch->series_index = NULL;
	batch->keys = NULL;
	batch->nmaybe_late = batch->nmoved = batch->nclosed = 0;
	ingest->bytes = 0;
}

/* Begin ingestion; see ingest.h. */
MeterIngest *
meter_ingest_begin(const pg_uuid_t *organization, MeterIngestEmit emit, void *arg)
{
	MeterIngest *ingest = palloc0(sizeof(MeterIngest));

	/*
	 * A transaction number first, then the lock, then the clock: whoever closes
	 * windows sees, before its own clock's time, every transaction that still
	 * took a window for open (closing.h).
	 */
	PreventCommandIfReadOnly("meter.ingest()");
	(void) GetTopTransactionId();
	meter_lock_definitions_shared(organization);
	meter_cache_refresh(true);
	ingest->organization = meter_cache_organization(organization);
	if (ingest->organization == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("organization %s does not exist",
						DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(organization))))));
	ingest->emit = emit;
	ingest->keep = meter_batch_keep_rejections;
	ingest->reason = "late event";
	ingest->partial = ingest->organization->partial;
	ingest->arg = arg;
	ingest->late.context = CurrentMemoryContext;
	ingest->batch.organization = *organization;
	ingest->batch.received_at = GetCurrentTimestamp();
	ingest->batch.context = AllocSetContextCreate(CurrentMemoryContext, "meter batch",
												  ALLOCSET_DEFAULT_SIZES);
	reset_batch(ingest);
	return ingest;
}

/* The caller fails where an event is refused; see ingest.h. */
void
meter_ingest_fails(MeterIngest *ingest)
{
	ingest->fails = true;
}

/* What is added is the usage of a reservation; see ingest.h. */
void
meter_ingest_settles(MeterIngest *ingest, const MeterSettlement *settlement)
{
	ingest->batch.settles = settlement;
}

/* Begin to try events again; see ingest.h. */
MeterIngest *
meter_ingest_begin_again(const pg_uuid_t *organization, MeterIngestKeep keep, void *arg, const char *reason)
{
	MeterIngest *ingest = meter_ingest_begin(organization, NULL, arg);

	ingest->keep = keep;
	ingest->reason = reason;
	ingest->partial = true;
	return ingest;
}

static void process_batch(MeterIngest *ingest);

/* Read and measure an event, the batch's last one then. */
static void
read_event(MeterIngest *ingest, MeterText text, const MeterRetry *retry)
{
	MeterBatch *batch = &ingest->batch;
	MeterEvent *event;
	MeterError	err;

	batch->events = meter_batch_grow(batch->events, batch->nevents, &batch->events_size, sizeof(MeterEvent), 8);
	event = &batch->events[batch->nevents++];
	memset(event, 0, sizeof(*event));
	event->ordinal = ++ingest->ordinal;
	event->raw = text;
	event->retry = retry;
	event->first = batch->ncontributions;
	if (meter_envelope_read(batch, event, &err))
	{
		event->seq = meter_event_known(event) ? retry->seq : meter_event_next_seq();
		event->main_time = retry && retry->stored ? retry->main_time : event->time;
		meter_batch_measure(batch, batch->nevents - 1);
	}
	else
	{
		event->status = METER_STATUS_REJECTED;
		event->error = meter_batch_error(&err);
		/* its envelope is not to be relied on */
		event->id.data = NULL;
	}
}

/* Add one event, new or to be tried again. */
static int
add_event(MeterIngest *ingest, MeterText text, const MeterRetry *retry)
{
	MeterBatch *batch = &ingest->batch;
	MemoryContext old = MemoryContextSwitchTo(batch->context);
	int			used;

	CHECK_FOR_INTERRUPTS();
	read_event(ingest, text, retry);
	meter_batch_chain_keys(batch);
	MemoryContextSwitchTo(old);

	used = batch->events[batch->nevents - 1].raw.len;
	ingest->bytes += used;
	if (batch->nevents >= BATCH_EVENTS || ingest->bytes >= BATCH_BYTES ||
		MemoryContextMemAllocated(batch->context, false) >= BATCH_MEMORY)
		process_batch(ingest);
	return used;
}

/* Add one event; see ingest.h. */
int
meter_ingest_add(MeterIngest *ingest, MeterText text)
{
	return add_event(ingest, text, NULL);
}

/* Add one event that is tried again; see ingest.h. */
void
meter_ingest_add_again(MeterIngest *ingest, MeterText text, const MeterRetry *retry)
{
	(void) add_event(ingest, text, retry);
}

/* The versions that counted an event at a time, as an array literal. */
static MeterText
counted_versions(const MeterBatch *batch, const MeterEvent *event, TimestampTz time)
{
	char	   *text = palloc(event->ncontributions * 12 + 3);
	char	   *p = text;

	*p++ = '{';
	for (int i = event->first; i < event->first + event->ncontributions; i++)
	{
		const MeterContribution *c = &batch->contributions[i];

		if (c->outcome != METER_OUTCOME_COUNTED || c->placement != time)
			continue;
		if (p[-1] != '{')
			*p++ = ',';
		p += pg_ltoa(c->plan->version_id, p);
	}
	*p++ = '}';
	return (MeterText) {text, p - text};
}

/* The row of an event at one of the times it is counted at. */
static MeterEventRow
event_row(const MeterBatch *batch, const MeterEvent *event, TimestampTz time, bool supplement)
{
	return (MeterEventRow) {
		.time = time, .original_time = event->time, .seq = event->seq,
			.supplement = supplement, .type = event->type,
			.source = event->source, .id = event->id, .subject = event->subject,
			.meter_id = event->target ? &event->target->id : NULL,
			.versions = counted_versions(batch, event, time), .data = event->data
	};
}

/* Was the event's row in the store before? */
static bool
stored_before(const MeterEvent *event)
{
	return event->retry && event->retry->stored;
}

/* Is it the event's first contribution that is counted at that time? */
static bool
first_there(const MeterBatch *batch, const MeterEvent *event, int number)
{
	const MeterContribution *contributions = batch->contributions;

	for (int i = event->first; i < number; i++)
	{
		if (contributions[i].outcome == METER_OUTCOME_COUNTED &&
			contributions[i].placement == contributions[number].placement)
			return false;
	}
	return true;
}

/* Store the rows of what is counted besides its event's row; returns how many
 * rows there are then. */
static int
add_supplements(const MeterBatch *batch, MeterEventRow *rows, int n)
{
	MeterPlacement *placements = palloc(batch->nmoved * sizeof(MeterPlacement));
	int			before = n;

	for (int i = 0; i < batch->ncontributions; i++)
	{
		const MeterContribution *c = &batch->contributions[i];
		const MeterEvent *event = &batch->events[c->event];

		if (c->outcome != METER_OUTCOME_COUNTED ||
			(c->placement == event->main_time && !stored_before(event)) ||
			!first_there(batch, event, i))
			continue;
		placements[n - before] = (MeterPlacement) {event->seq, c->placement};
		rows[n++] = event_row(batch, event, c->placement, true);
	}
	meter_placement_append(&batch->organization, placements, n - before);
	return n;
}

static void
append_events(MeterBatch *batch)
{
	MeterEventRow *rows = palloc((batch->nevents + batch->nmoved) * sizeof(MeterEventRow));
	int			n = 0;

	for (int i = 0; i < batch->nevents; i++)
	{
		const MeterEvent *event = &batch->events[i];

		if (meter_event_stored(batch, event) && !stored_before(event))
			rows[n++] = event_row(batch, event, event->main_time, false);
	}
	if (batch->nmoved > 0)
		n = add_supplements(batch, rows, n);
	meter_event_append(&batch->organization, batch->received_at, rows, n);
}

/* Number the series of what is counted; see batch.h. */
void
meter_batch_number_series(MeterBatch *batch)
{
	int		   *moved = palloc(Max(batch->nseries, 1) * sizeof(int));
	MeterSeries *used = palloc(Max(batch->nseries, 1) * sizeof(MeterSeries));
	int			n = 0;

	memset(moved, -1, batch->nseries * sizeof(int));
	for (int i = 0; i < batch->ncontributions; i++)
	{
		MeterContribution *c = &batch->contributions[i];

		if (c->outcome != METER_OUTCOME_COUNTED)
			continue;
		if (moved[c->series] < 0)
		{
			moved[c->series] = n;
			used[n++] = batch->series[c->series];
		}
		c->series = moved[c->series];
	}
	batch->series = used;
	batch->nseries = n;
	meter_series_resolve(&batch->organization, used, n);
}

/* Can a batch go the short way, as far as can be seen before? */
static bool
may_be_short(const MeterIngest *ingest)
{
	const MeterBatch *batch = &ingest->batch;
	const MeterEvent *event = &batch->events[0];

	if (batch->nevents != 1 || event->id.data == NULL || event->retry ||
		event->status != METER_STATUS_ACCEPTED || event->error ||
		batch->nmoved > 0 || batch->nclosed > 0)
		return false;
	for (int i = 0; i < batch->ncontributions; i++)
	{
		const MeterContribution *c = &batch->contributions[i];

		/* what a quota turns away must not have been counted, or all of it fails */
		if (c->plan->dedup_path || (c->meter->blocks && !ingest->fails))
			return false;
	}
	return true;
}

/*
 * The short way of a batch of one event that is new, as nearly all single
 * reports are: key, event and rollups in one statement, thresholds behind it,
 * whose rows are held the shorter.  Returns false, with nothing done, where it
 * cannot be taken or the key was there.
 */
static bool
process_single(MeterIngest *ingest)
{
	MeterBatch *batch = &ingest->batch;
	const MeterEvent *event = &batch->events[0];
	MeterWatching *watching;

	if (!may_be_short(ingest))
		return false;
	watching = meter_batch_watching(batch);
	if (watching && !meter_watching_may_wait(watching))
		return false;
	meter_batch_number_series(batch);
	meter_spi_chain_begin();
	meter_batch_claim_chained(batch);
	append_events(batch);
	meter_batch_roll_up(batch);
	if (!meter_spi_chain_end())
		return false;
	/* first what takes long now and then, without rows that others wait for */
	meter_rollup_tidy(&batch->organization, (int32) meter_hour_of(event->time));
	meter_batch_watch(batch, watching, true);
	meter_watching_end(watching);
	return true;
}

/* Will whoever calls fail?  Then there is nothing to keep. */
static bool
fails(const MeterIngest *ingest)
{
	for (int i = 0; i < ingest->batch.nevents && ingest->fails; i++)
	{
		MeterStatus status = ingest->batch.events[i].status;

		if (status == METER_STATUS_REJECTED || status == METER_STATUS_CONFLICT)
			return true;
	}
	return false;
}

/* Take a whole batch through the engine and emit it. */
static void
process_batch(MeterIngest *ingest)
{
	MeterBatch *batch = &ingest->batch;
	MemoryContext old = MemoryContextSwitchTo(batch->context);
	MeterWatching *watching;

	if (ingest->organization->require_known_subject)
		meter_batch_require_known(batch);
	meter_batch_judge_late(batch, &ingest->late);
	meter_batch_note_sources(batch);
	if (meter_batch_turn_away_early(batch) || !process_single(ingest))
	{
		meter_batch_dedup(batch);
		watching = meter_batch_watching(batch);
		meter_batch_watch(batch, watching, false);
		if (!ingest->partial)
			meter_batch_refuse_bad(batch);
		meter_batch_number_series(batch);
		append_events(batch);
		meter_batch_roll_up(batch);
		meter_watching_end(watching);
		meter_batch_touch_closed(batch, ingest->reason);
	}
	if (!fails(ingest))
		ingest->keep(ingest->arg, batch);

	for (int i = 0; i < batch->nevents && ingest->emit; i++)
		ingest->emit(ingest->arg, &batch->events[i]);
	MemoryContextSwitchTo(old);
	reset_batch(ingest);
}

/* Process what is left; see ingest.h. */
void
meter_ingest_finish(MeterIngest *ingest)
{
	if (ingest->batch.nevents > 0)
		process_batch(ingest);
	MemoryContextDelete(ingest->batch.context);
}
