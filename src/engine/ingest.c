/*
 * ingest.c
 *		Ingestion: the way of a batch of events through the engine.
 *
 *	  read		each event: envelope, who listens, what it is to each of them
 *	  claim		envelope keys; then, for events that are new, the keys of
 *				meters with a dedup_key_path
 *	  number	the series of what is counted
 *	  append	events; merge rollups; keep rejections
 *
 * Locks, in order: definitions shared (locks.h), keys (unique index, sorted),
 * rollup pages to be merged (never waited for).  All are held to the end of
 * the caller's transaction, and all that is written is part of it.
 */
#include "engine/ingest.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "engine/locks.h"
#include "engine/spi.h"

/* A batch is processed when it holds as much. */
#define BATCH_EVENTS 20000
#define BATCH_BYTES (16 * 1024 * 1024)
#define BATCH_MEMORY (64 * 1024 * 1024)

struct MeterIngest
{
	MeterBatch	batch;
	const MeterOrganization *organization;
	MeterIngestEmit emit;
	void	   *arg;
	int			ordinal;
	size_t		bytes;
};

static uint32
series_hash(const void *key, Size keysize)
{
	return (uint32) (*(MeterSeries *const *) key)->hash;
}

static int
series_match(const void *a, const void *b, Size keysize)
{
	return !meter_series_same(*(MeterSeries *const *) a, *(MeterSeries *const *) b);
}

/* The status as it is written. */
const char *
meter_status_name(MeterStatus status)
{
	static const char *const names[] = {
		"accepted", "duplicate", "conflict", "unmatched", "rejected"
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
	ingest->bytes = 0;
}

/* Begin ingestion; see ingest.h. */
MeterIngest *
meter_ingest_begin(const pg_uuid_t *organization, MeterIngestEmit emit, void *arg)
{
	MeterIngest *ingest = palloc0(sizeof(MeterIngest));

	meter_lock_definitions_shared(organization);
	meter_cache_refresh(true);
	ingest->organization = meter_cache_organization(organization);
	if (ingest->organization == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("organization %s does not exist",
						DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(organization))))));
	ingest->emit = emit;
	ingest->arg = arg;
	ingest->batch.organization = *organization;
	ingest->batch.received_at = GetCurrentTimestamp();
	ingest->batch.context = AllocSetContextCreate(CurrentMemoryContext, "meter batch",
												  ALLOCSET_DEFAULT_SIZES);
	reset_batch(ingest);
	return ingest;
}

/* Room for one more in an array that grows by doubling. */
static void *
grow(void *array, int used, int *size, Size item, int initial)
{
	if (used < *size)
		return array;
	*size = *size ? *size * 2 : initial;
	return array ? repalloc_huge(array, *size * item) : palloc_extended(*size * item, MCXT_ALLOC_HUGE);
}

/* The batch's number of a series, added where it is new. */
static int
add_series(MeterBatch *batch, const MeterSeries *series)
{
	MeterSeries *key = (MeterSeries *) series;
	struct
	{
		MeterSeries *key;
		int			number;
	}		   *item;
	bool		found;

	if (batch->series_index == NULL)
	{
		HASHCTL		ctl = {
			.keysize = sizeof(MeterSeries *), .entrysize = sizeof(*item),
			.hash = series_hash, .match = series_match, .hcxt = batch->context
		};

		batch->series_index = hash_create("meter batch series", 16, &ctl,
										  HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
	}
	item = hash_search(batch->series_index, &key, HASH_FIND, NULL);
	if (item)
		return item->number;
	/* the index points to a copy that does not move when the array grows */
	key = memcpy(palloc(sizeof(MeterSeries)), series, sizeof(MeterSeries));
	item = hash_search(batch->series_index, &key, HASH_ENTER, &found);
	item->number = batch->nseries;
	batch->series = grow(batch->series, batch->nseries, &batch->series_size, sizeof(MeterSeries), 8);
	batch->series[batch->nseries] = *series;
	return batch->nseries++;
}

/* Without an id only a meter's own key can tell an event from its retry. */
static void
missing_id(MeterError *err)
{
	meter_error_set(err, "MISSING_ID", "an event needs an id, unless a meter has a dedup_key_path");
	meter_error_prepend(err, "id", 2);
}

/* Measure the event for every profile of a version. */
static MeterVerdict
measure_profiles(MeterBatch *batch, MeterContribution *c, const MeterInput *input, MeterError *err)
{
	for (int profile = 0; profile < c->plan->nprofiles; profile++)
	{
		MeterVerdict verdict;

		batch->measures = grow(batch->measures, batch->nmeasures, &batch->measures_size,
							   sizeof(MeterMeasure), 8);
		verdict = meter_measure(c->plan, profile, input, &batch->measures[batch->nmeasures], err);
		if (verdict == METER_REJECTED)
			return verdict;
		if (verdict == METER_COUNTED)
			batch->nmeasures++;
	}
	c->nmeasures = batch->nmeasures - c->first_measure;
	return c->nmeasures > 0 ? METER_COUNTED : METER_FILTERED;
}

/* The series another meter of the same stream found for this event, or -1. */
static int
shared_series(const MeterBatch *batch, const MeterEvent *event, const MeterPlan *plan)
{
	for (int i = event->first; i < event->first + event->ncontributions - 1; i++)
	{
		const MeterContribution *c = &batch->contributions[i];

		if (c->outcome == METER_OUTCOME_COUNTED && c->plan->stream_id == plan->stream_id)
			return c->series;
	}
	return -1;
}

/* What the event is to one meter that listens: it is counted if one of its
 * profiles counts it, rejected if one of them must reject it. */
static void
measure_for(MeterBatch *batch, int event_number, const MeterEntry *meter, const MeterPlan *plan)
{
	MeterEvent *event = &batch->events[event_number];
	MeterInput	input = meter_measure_input(&batch->doc, batch->data, event->time, event->subject);
	MeterContribution *c;
	MeterSeries series;
	MeterError	err;
	MeterVerdict verdict;

	batch->contributions = grow(batch->contributions, batch->ncontributions,
								&batch->contributions_size, sizeof(MeterContribution), 8);
	c = &batch->contributions[batch->ncontributions++];
	memset(c, 0, sizeof(*c));
	event->ncontributions++;
	c->event = event_number;
	c->meter = meter;
	c->plan = plan;
	c->series = shared_series(batch, event, plan);
	c->first_measure = batch->nmeasures;
	verdict = meter_measure_check(plan, &input, &err) &&
		meter_measure_derive(plan, &input, &batch->derived, &err) ?
		measure_profiles(batch, c, &input, &err) : METER_REJECTED;
	if (verdict == METER_COUNTED &&
		((plan->dedup_path && !meter_measure_dedup_key(plan, &input, &c->dedup_key, &err)) ||
		 (c->series < 0 && !meter_measure_series(plan, &input, &series, &err))))
		verdict = METER_REJECTED;
	if (verdict == METER_COUNTED && event->id.data == NULL && plan->dedup_path == NULL)
	{
		missing_id(&err);
		verdict = METER_REJECTED;
	}
	switch (verdict)
	{
		case METER_COUNTED:
			c->outcome = METER_OUTCOME_COUNTED;
			if (c->series < 0)
				c->series = add_series(batch, &series);
			break;
		case METER_FILTERED:
			c->outcome = METER_OUTCOME_FILTERED;
			break;
		case METER_REJECTED:
			c->outcome = METER_OUTCOME_REJECTED;
			c->error = meter_batch_error(&err);
			batch->nmeasures = c->first_measure;
			c->nmeasures = 0;
			break;
	}
}

/* Measure the event for whoever listens, and settle what can be settled. */
static void
measure_event(MeterBatch *batch, int event_number)
{
	MeterEvent *event = &batch->events[event_number];
	const MeterListeners *listeners = meter_cache_listeners(&batch->organization,
															event->type.data, event->type.len);
	bool		keyed = event->id.data != NULL;

	for (int i = 0; i < listeners->nmeters; i++)
	{
		const MeterEntry *meter = listeners->meters[i];
		const MeterPlan *plan = meter_entry_version(meter, event->time);

		if (plan == NULL || meter->archived || (event->target && event->target != meter))
			continue;
		measure_for(batch, event_number, meter, plan);
	}
	for (int i = event->first; i < batch->ncontributions; i++)
		keyed |= batch->contributions[i].plan->dedup_path != NULL;
	meter_event_settle(batch, event);
	if (!keyed)
	{
		MeterError	err;

		missing_id(&err);
		event->error = meter_batch_error(&err);
		event->status = METER_STATUS_REJECTED;
		event->ncontributions = 0;
		batch->ncontributions = event->first;
	}
}

static void process_batch(MeterIngest *ingest);

/* Add one event; see ingest.h. */
int
meter_ingest_add(MeterIngest *ingest, MeterText text)
{
	MeterBatch *batch = &ingest->batch;
	MemoryContext old = MemoryContextSwitchTo(batch->context);
	MeterEvent *event;
	MeterError	err;
	int			used;

	CHECK_FOR_INTERRUPTS();
	batch->events = grow(batch->events, batch->nevents, &batch->events_size, sizeof(MeterEvent), 8);
	event = &batch->events[batch->nevents++];
	memset(event, 0, sizeof(*event));
	event->ordinal = ++ingest->ordinal;
	event->raw = text;
	event->first = batch->ncontributions;
	if (meter_envelope_read(batch, event, &err))
	{
		event->seq = meter_event_next_seq();
		measure_event(batch, batch->nevents - 1);
	}
	else
	{
		event->status = METER_STATUS_REJECTED;
		event->error = meter_batch_error(&err);
		/* its envelope is not to be relied on */
		event->id.data = NULL;
	}
	MemoryContextSwitchTo(old);

	used = event->raw.len;
	ingest->bytes += used;
	if (batch->nevents >= BATCH_EVENTS || ingest->bytes >= BATCH_BYTES ||
		MemoryContextMemAllocated(batch->context, false) >= BATCH_MEMORY)
		process_batch(ingest);
	return used;
}

/* The versions that counted an event, as an array literal. */
static MeterText
counted_versions(const MeterBatch *batch, const MeterEvent *event)
{
	char	   *text = palloc(event->ncontributions * 12 + 3);
	char	   *p = text;

	*p++ = '{';
	for (int i = event->first; i < event->first + event->ncontributions; i++)
	{
		const MeterContribution *c = &batch->contributions[i];

		if (c->outcome != METER_OUTCOME_COUNTED)
			continue;
		if (p[-1] != '{')
			*p++ = ',';
		p += pg_ltoa(c->plan->version_id, p);
	}
	*p++ = '}';
	return (MeterText) {text, p - text};
}

static void
append_events(MeterBatch *batch)
{
	MeterEventRow *rows = palloc(batch->nevents * sizeof(MeterEventRow));
	int			n = 0;

	for (int i = 0; i < batch->nevents; i++)
	{
		const MeterEvent *event = &batch->events[i];

		if (!meter_event_stored(event))
			continue;
		rows[n++] = (MeterEventRow) {
			.time = event->time, .seq = event->seq, .type = event->type,
				.source = event->source, .id = event->id, .subject = event->subject,
				.meter_id = event->target ? &event->target->id : NULL,
				.versions = counted_versions(batch, event), .data = event->data
		};
	}
	meter_event_append(&batch->organization, batch->received_at, rows, n);
}

/* Number the series of what is counted; of the others they may not exist. */
static void
number_series(MeterBatch *batch)
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

static MeterRejectedRow
rejected_row(const MeterEvent *event, const MeterEntry *meter, const char *status, const MeterError *err)
{
	return (MeterRejectedRow) {
		.meter_id = meter ? &meter->id : NULL, .status = status, .code = err->code,
			.pointer = err->pointer, .message = err->message, .payload = event->raw
	};
}

/* Keep whole what was not counted, once for each meter that rejected it. */
static void
keep_rejections(MeterBatch *batch)
{
	int			size = batch->nevents + batch->ncontributions;
	MeterRejectedRow *rows = palloc(size * sizeof(MeterRejectedRow));
	int			n = 0;

	for (int i = 0; i < batch->nevents; i++)
	{
		const MeterEvent *event = &batch->events[i];
		bool		by_meter = false;

		for (int j = event->first; j < event->first + event->ncontributions; j++)
		{
			const MeterContribution *c = &batch->contributions[j];

			if (c->outcome != METER_OUTCOME_REJECTED && c->outcome != METER_OUTCOME_CONFLICT)
				continue;
			by_meter = true;
			rows[n++] = rejected_row(event, c->meter, c->outcome == METER_OUTCOME_CONFLICT ?
									 "conflict" : "rejected", c->error);
		}
		if (!by_meter && (event->status == METER_STATUS_REJECTED || event->status == METER_STATUS_CONFLICT))
			rows[n++] = rejected_row(event, NULL, meter_status_name(event->status), event->error);
	}
	meter_rejected_append(&batch->organization, batch->received_at, rows, n);
}

/* Why an event is not counted by all who listen, or NULL. */
static const MeterError *
refusal(const MeterBatch *batch, const MeterEvent *event)
{
	for (int i = event->first; i < event->first + event->ncontributions; i++)
	{
		/* what a meter says is more than that there is one */
		if (batch->contributions[i].error)
			return batch->contributions[i].error;
	}
	return event->status == METER_STATUS_REJECTED || event->status == METER_STATUS_CONFLICT ?
		event->error : NULL;
}

/* settings.partial = false: one bad event fails all. */
static void
refuse_bad_events(const MeterBatch *batch)
{
	for (int i = 0; i < batch->nevents; i++)
	{
		const MeterError *error = refusal(batch, &batch->events[i]);

		if (error)
			meter_error_throw(error, ERRCODE_DATA_EXCEPTION,
							  psprintf("event %d cannot be counted, and batches are all or nothing here",
									   batch->events[i].ordinal));
	}
}

/*
 * The short way of a batch of one event that is new, as nearly all single
 * reports are: key, event and rollups in one statement.  Returns false, with
 * nothing done, where it cannot be taken or the key was there.
 */
static bool
process_single(MeterBatch *batch)
{
	const MeterEvent *event = &batch->events[0];

	if (batch->nevents != 1 || event->id.data == NULL ||
		event->status != METER_STATUS_ACCEPTED || event->error)
		return false;
	for (int i = 0; i < batch->ncontributions; i++)
	{
		if (batch->contributions[i].plan->dedup_path)
			return false;
	}
	number_series(batch);
	meter_spi_chain_begin();
	meter_batch_claim_chained(batch);
	append_events(batch);
	meter_batch_roll_up(batch);
	if (!meter_spi_chain_end())
		return false;
	meter_rollup_tidy(&batch->organization, (int32) (event->time / METER_HOUR - (event->time % METER_HOUR < 0)));
	return true;
}

/* Take a whole batch through the engine and emit it. */
static void
process_batch(MeterIngest *ingest)
{
	MeterBatch *batch = &ingest->batch;
	MemoryContext old = MemoryContextSwitchTo(batch->context);

	if (ingest->organization->require_known_subject)
		meter_batch_require_known(batch);
	if (!process_single(batch))
	{
		meter_batch_dedup(batch);
		if (!ingest->organization->partial)
			refuse_bad_events(batch);
		number_series(batch);
		append_events(batch);
		meter_batch_roll_up(batch);
	}
	keep_rejections(batch);

	for (int i = 0; i < batch->nevents; i++)
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
