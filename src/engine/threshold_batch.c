/*
 * threshold_batch.c
 *		A batch held against thresholds and quotas.
 *
 * What counts is settled by now: the keys are claimed.  An event that a quota
 * turns away at one of its meters is not counted there after all, and where
 * nobody else keeps it its keys are given back, so that it can be sent again in
 * the next window.  Batches are cut before a key that stands in them already,
 * where that may happen (meter_batch_repeats): each event meets the quantities
 * that the ones before it left.  They are also cut between events of a meter that
 * weights by time.
 */
#include "engine/threshold_private.h"

#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "values/timestamp.h"

static char *
decimal_text(const MeterDecimal *value)
{
	return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(meter_decimal_to_numeric(value))));
}

/* A refusal as an error; see threshold_private.h. */
void
meter_quota_error(const MeterQuota *quota, MeterError *err)
{
	char		start[METER_TIMESTAMP_LEN];
	char		end[METER_TIMESTAMP_LEN];
	StringInfoData detail;

	meter_timestamp_format(quota->window_start, start);
	meter_timestamp_format(quota->window_end, end);
	meter_error_set(err, "QUOTA_EXCEEDED",
					"threshold \"%s\" of meter \"%s\" has limit %s, used %s, asked %s, window %s to %s",
					quota->threshold->name, quota->meter->key, decimal_text(&quota->limit),
					decimal_text(&quota->used), decimal_text(&quota->asked), start, end);
	initStringInfo(&detail);
	appendStringInfo(&detail, "{\"code\":\"QUOTA_EXCEEDED\",\"limit\":%s,\"used\":%s,\"reserved\":%s,\"asked\":%s,"
					 "\"window\":{\"start\":\"%s\",\"end\":\"%s\"},\"threshold\":",
					 decimal_text(&quota->limit), decimal_text(&quota->used), decimal_text(&quota->reserved),
					 decimal_text(&quota->asked), start, end);
	escape_json(&detail, quota->threshold->name);
	appendStringInfoString(&detail, ",\"meter\":");
	escape_json(&detail, quota->meter->key);
	appendStringInfoChar(&detail, '}');
	err->detail = detail.data;
}

/* The change that a counted contribution is; false where the version's own
 * profile leaves it out. */
static bool
contribution_change(const MeterBatch *batch, const MeterContribution *c, MeterChange *change)
{
	if (c->outcome != METER_OUTCOME_COUNTED || c->meter->nwatches == 0)
		return false;
	for (int m = c->first_measure; m < c->first_measure + c->nmeasures; m++)
	{
		if (batch->measures[m].profile != 0)
			continue;
		*change = (MeterChange) {
			.meter = c->meter, .plan = c->plan, .measure = &batch->measures[m],
				.series = &batch->series[c->series], .time = c->placement,
				.seq = batch->events[c->event].seq, .weight = 1
		};
		return true;
	}
	return false;
}

/* Is somebody watching? */
static bool
is_watched(const MeterBatch *batch)
{
	for (int i = 0; i < batch->ncontributions; i++)
	{
		if (batch->contributions[i].meter->nwatches > 0)
			return true;
	}
	return false;
}

/* Find whom the batch is about; see threshold.h. */
MeterWatching *
meter_batch_watching(const MeterBatch *batch)
{
	MeterWatching *watching;
	MeterChange *changes;
	int			n = 0;

	if (!is_watched(batch))
		return NULL;
	changes = palloc_extended(batch->ncontributions * sizeof(MeterChange), MCXT_ALLOC_HUGE);
	for (int i = 0; i < batch->ncontributions; i++)
		n += contribution_change(batch, &batch->contributions[i], &changes[n]);
	watching = meter_watching_find(&batch->organization, batch->received_at, changes, n);
	return batch->settles == NULL ? watching :
		meter_watching_settle(watching, &batch->organization, batch->received_at, batch->settles);
}

/* A quota is against the contribution. */
static void
turn_away(MeterBatch *batch, MeterContribution *c, const MeterQuota *quota)
{
	MemoryContext old = MemoryContextSwitchTo(batch->context);
	MeterError	err;

	meter_quota_error(quota, &err);
	c->outcome = METER_OUTCOME_REJECTED;
	c->error = meter_batch_error(&err);
	c->over_quota = true;
	meter_event_settle(batch, &batch->events[c->event]);
	MemoryContextSwitchTo(old);
}

/* Hold the batch against thresholds; see threshold.h. */
bool
meter_batch_watch(MeterBatch *batch, MeterWatching *watching, bool behind)
{
	MeterBreaches breaches = {0};
	bool		allowed = true;

	if (watching == NULL)
		return true;
	meter_watching_take(watching, behind);
	for (int i = 0; i < batch->ncontributions; i++)
	{
		MeterContribution *c = &batch->contributions[i];
		MeterChange change;
		MeterQuota	quota;

		if (!contribution_change(batch, c, &change) ||
			meter_watching_change(watching, &change, c->event, &breaches, c->meter->blocks ? &quota : NULL))
			continue;
		turn_away(batch, c, &quota);
		allowed = false;
	}
	meter_watching_end(watching, &breaches, batch->nevents);
	if (!allowed)
		meter_batch_give_back(batch);
	return allowed;
}

/* Is the key in the batch already? */
static bool
repeats(MeterBatch *batch, int32 space, MeterText key)
{
	char	   *text = palloc(sizeof(space) + key.len);
	MeterText	entry = {text, sizeof(space) + key.len};
	bool		found;

	memcpy(text, &space, sizeof(space));
	memcpy(text + sizeof(space), key.data, key.len);
	if (batch->keys == NULL)
		batch->keys = meter_text_table("meter batch keys", sizeof(MeterText), batch->context);
	(void) hash_search(batch->keys, &entry, HASH_ENTER, &found);
	return found;
}

/* Must the batch be cut before its last event?  See threshold.h. */
bool
meter_batch_repeats(MeterBatch *batch)
{
	const MeterEvent *event = &batch->events[batch->nevents - 1];
	bool		blocks = false;
	bool		result = false;

	for (int i = event->first; i < event->first + event->ncontributions; i++)
	{
		const MeterContribution *c = &batch->contributions[i];

		/* a level goes on into later windows, whose rows are computed from usage */
		if (c->meter->nwatches > 0 && c->plan->profiles[0].function == METER_FUNCTION_WEIGHTED_SUM)
			result |= repeats(batch, c->meter->meter_no, (MeterText) {"", 0});
		if (!c->meter->blocks)
			continue;
		blocks = true;
		if (c->dedup_key.data)
			result |= repeats(batch, c->meter->meter_no, c->dedup_key);
	}
	if (blocks && event->id.data)
		result |= repeats(batch, 0, meter_event_key(event));
	return result;
}
