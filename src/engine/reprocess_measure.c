/*
 * reprocess_measure.c
 *		Events measured again, each for the version that is to count it.
 *
 * What the meter counts already is not judged by when it came: that was done.
 * What it did not count is, by its policy and the clock of then, as if the meter
 * had been there: an event that came too late for it is not counted after all.
 */
#include "engine/reprocess_private.h"

#include "miscadmin.h"
#include "utils/builtins.h"

/* The plan of one of the meter's versions. */
static const MeterPlan *
find_plan(const MeterEntry *meter, int32 version_id)
{
	for (int i = meter->nversions - 1; i >= 0; i--)
	{
		if (meter->versions[i]->version_id == version_id)
			return meter->versions[i];
	}
	return NULL;
}

/* Read the row's data into the batch's document. */
static void
read_data(MeterBatch *batch, const MeterEventRow *event)
{
	MeterError	err;

	batch->data = event->data.data ? 0 : -1;
	if (batch->data == 0 && !meter_json_parse(&batch->doc, event->data.data, event->data.len, &err))
		meter_error_throw(&err, ERRCODE_DATA_CORRUPTED, "stored event");
}

/* Whose usage the event is, by a version; no data where it does not say. */
static MeterText
subject_of(MeterBatch *batch, const MeterPlan *plan, const MeterEventRow *event)
{
	MeterInput	input;
	MeterSeries series;
	MeterError	err;

	if (plan->subject_path == NULL)
		return event->subject;
	read_data(batch, event);
	input = meter_measure_input(&batch->doc, batch->data, event->original_time, event->subject);
	if (!meter_measure_derive(plan, &input, &batch->derived, &err) ||
		!meter_measure_series(plan, &input, &series, &err))
		return (MeterText) {NULL, 0};
	return series.subject;
}

/* Is the window the event is counted in finalized, by a version? */
static bool
is_finalized(MeterReprocessChunk *chunk, const MeterPlan *plan, const MeterEventRow *event)
{
	MeterText	subject = {NULL, 0};

	if (TIMESTAMP_IS_NOBEGIN(chunk->reprocess->horizon))
		return false;
	if (plan->profiles[0].window.size == METER_WINDOW_BILLING_PERIOD)
		subject = subject_of(&chunk->batch, plan, event);
	return meter_calendar_end(&chunk->calendar, &chunk->batch, plan, subject, event->time) <=
		chunk->reprocess->horizon - plan->late.grace;
}

/* The version that is to count a row, or NULL for none. */
static const MeterPlan *
choose_plan(MeterReprocessChunk *chunk, MeterReprocessRow *row)
{
	const MeterReprocessBatch *reprocess = chunk->reprocess;
	const MeterPlan *counted = row->counted_by ? find_plan(reprocess->meter, row->counted_by) : NULL;
	const MeterPlan *due = meter_entry_version(reprocess->meter, row->event.original_time);

	/* a version that was taken back before its time can count no more */
	if (counted == NULL && (row->counted_by || due == NULL))
		return due;
	row->kept = reprocess->mode == METER_REPROCESS_FOLD ||
		(reprocess->mode == METER_REPROCESS_OPEN &&
		 is_finalized(chunk, counted ? counted : due, &row->event));
	row->left = row->kept && counted == NULL;
	return row->kept ? counted : due;
}

/* Has the event, which is in the batch's document, the key by the version that
 * counted it? */
static bool
has_key(MeterReprocessChunk *chunk, const MeterReprocessRow *row, const MeterContribution *c)
{
	const MeterPlan *counted = row->counted_by ? find_plan(chunk->reprocess->meter, row->counted_by) : NULL;
	MeterBatch *batch = &chunk->batch;
	MeterInput	input;
	MeterText	key;
	MeterError	err;

	if (counted == c->plan)
		return true;
	if (counted == NULL || counted->dedup_path == NULL)
		return false;
	input = meter_measure_input(&batch->doc, batch->data, row->event.original_time, row->event.subject);
	return meter_measure_derive(counted, &input, &batch->derived, &err) &&
		meter_measure_dedup_key(counted, &input, &key, &err) &&
		key.len == c->dedup_key.len && memcmp(key.data, c->dedup_key.data, key.len) == 0;
}

/* Take a row into the batch and measure it. */
static void
measure_row(MeterReprocessChunk *chunk, MeterReprocessRow *row, const MeterPlan *plan)
{
	MeterBatch *batch = &chunk->batch;
	MeterEvent *event;
	MeterContribution *c;
	int			nmaybe_late = batch->nmaybe_late;

	batch->events = meter_batch_grow(batch->events, batch->nevents, &batch->events_size,
									 sizeof(MeterEvent), 1024);
	event = &batch->events[batch->nevents++];
	*event = (MeterEvent) {
		.id = row->event.id, .source = row->event.source, .type = row->event.type,
			.subject = row->event.subject, .data = row->event.data,
			.target = row->event.meter_id ? chunk->reprocess->meter : NULL,
			/* an event that brought no time has that of its arrival */
			.time_given = row->event.original_time != chunk->pages[row->page].received_at,
			.time = row->event.original_time, .main_time = row->event.time,
			.seq = row->event.seq, .first = batch->ncontributions
	};
	read_data(batch, &row->event);
	meter_batch_measure_for(batch, batch->nevents - 1, chunk->reprocess->meter, plan);
	row->contribution = batch->ncontributions - 1;
	c = &batch->contributions[row->contribution];
	if (row->kept && c->outcome != METER_OUTCOME_COUNTED)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("event %lld was counted by version %d of meter \"%s\" but cannot be measured by it: %s",
						(long long) row->event.seq, plan->version, plan->key,
						c->error ? c->error->message : "its filter leaves it out")));
	/* a row stands where it is counted; and when it came has been judged */
	if (row->counted_by)
	{
		c->timing = METER_TIMELY;
		batch->nmaybe_late = nmaybe_late;
	}
	if (plan->dedup_path && c->outcome == METER_OUTCOME_COUNTED)
	{
		event->payload_hash = meter_envelope_payload_hash(batch, event);
		row->has_key = has_key(chunk, row, c);
	}
	c->placement = row->event.time;
}

/* Judge what the meter did not count by when it came; its place stays. */
static void
judge_page(MeterReprocessChunk *chunk, int first, int end)
{
	MeterBatch *batch = &chunk->batch;

	if (batch->nmaybe_late > 0)
		meter_batch_judge_late(batch, &chunk->late);
	for (int i = first; i < end && batch->nmoved > 0; i++)
	{
		MeterContribution *c = meter_reprocess_contribution(chunk, &chunk->rows[i]);

		if (c)
			c->placement = chunk->rows[i].event.time;
	}
	batch->nmaybe_late = batch->nmoved = batch->nclosed = 0;
}

/* Measure the rows, page by page, each by the version that is to count it. */
static void
measure_rows(MeterReprocessChunk *chunk)
{
	for (int first = 0, i = 0; first < chunk->nrows; first = i)
	{
		int			page = chunk->rows[first].page;

		chunk->batch.received_at = chunk->pages[page].received_at;
		chunk->late.first = chunk->batch.ncontributions;
		for (i = first; i < chunk->nrows && chunk->rows[i].page == page; i++)
		{
			MeterReprocessRow *row = &chunk->rows[i];
			const MeterPlan *plan = row->left ? NULL : choose_plan(chunk, row);

			if (plan)
				measure_row(chunk, row, plan);
		}
		judge_page(chunk, first, i);
	}
}

static int
row_seq_cmp(const void *a, const void *b)
{
	int64		x = (*(MeterReprocessRow *const *) a)->event.seq;
	int64		y = (*(MeterReprocessRow *const *) b)->event.seq;

	return x < y ? -1 : x > y;
}

/* Does a row need a key of the meter's own that it may not have? */
static bool
wants_key(const MeterReprocessChunk *chunk, const MeterReprocessRow *row)
{
	const MeterContribution *c = meter_reprocess_contribution(chunk, row);

	return c && c->outcome == METER_OUTCOME_COUNTED && c->plan->dedup_path && !row->has_key;
}

/*
 * Claim the meter's own keys.  An event that was counted by the same key has it,
 * or has it from the event it was put in the place of; one that is counted newly
 * gets it, if no other has: of several here the one that came first.
 */
static void
claim_keys(MeterReprocessChunk *chunk)
{
	MeterBatch *batch = &chunk->batch;
	MeterReprocessRow **rows = palloc(Max(chunk->nrows, 1) * sizeof(MeterReprocessRow *));
	MeterKey   *keys;
	int			n = 0;

	for (int i = 0; i < chunk->nrows; i++)
	{
		if (wants_key(chunk, &chunk->rows[i]))
			rows[n++] = &chunk->rows[i];
	}
	if (n == 0)
		return;
	qsort(rows, n, sizeof(MeterReprocessRow *), row_seq_cmp);
	keys = palloc(n * sizeof(MeterKey));
	for (int i = 0; i < n; i++)
	{
		const MeterContribution *c = &batch->contributions[rows[i]->contribution];
		const MeterEvent *event = &batch->events[c->event];

		keys[i] = (MeterKey) {
			.space = c->meter->meter_no, .key = c->dedup_key, .payload_hash = event->payload_hash,
				.time = event->main_time, .seq = event->seq
		};
	}
	meter_key_claim(&batch->organization, keys, n);
	for (int i = 0; i < n; i++)
	{
		MeterContribution *c = meter_reprocess_contribution(chunk, rows[i]);

		if (keys[i].state == METER_KEY_DUPLICATE)
			c->outcome = METER_OUTCOME_DUPLICATE;
		else if (keys[i].state == METER_KEY_CONFLICT)
		{
			c->outcome = METER_OUTCOME_CONFLICT;
			c->error = meter_batch_key_conflict(batch);
		}
	}
}

/* Measure the rows and claim their keys; see reprocess_private.h. */
void
meter_reprocess_measure(MeterReprocessChunk *chunk)
{
	measure_rows(chunk);
	claim_keys(chunk);
	meter_reprocess_find_rejections(chunk);
}
