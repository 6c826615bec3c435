/*
 * threshold_batch.c
 *		A batch held against thresholds and quotas.
 *
 * What counts is settled by now: the keys are claimed.  An event that a quota
 * turns away at one of its meters is not counted there after all, and where
 * nobody else keeps it its keys are given back, so that it can be sent again in
 * the next window.  Each event meets the quantities that the ones before it
 * left: a batch is what calls of one event each would be.
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

/* The change that a contribution is; see threshold_private.h. */
bool
meter_contribution_change(const MeterBatch *batch, const MeterContribution *c, MeterChange *change)
{
	if (c->meter->nwatches == 0)
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
	{
		if (meter_contribution_may_count(batch, &batch->contributions[i]))
			n += meter_contribution_change(batch, &batch->contributions[i], &changes[n]);
	}
	watching = meter_watching_find(&batch->organization, batch->received_at, changes, n);
	return batch->settles == NULL ? watching :
		meter_watching_settle(watching, &batch->organization, batch->received_at, batch->settles);
}

/* A quota is against the contribution; see threshold_private.h. */
void
meter_batch_turn_away(MeterBatch *batch, MeterContribution *c, const MeterChange *change, const MeterQuota *quota)
{
	MemoryContext old = MemoryContextSwitchTo(batch->context);
	MeterError	err;

	meter_quota_error(quota, &err);
	c->outcome = METER_OUTCOME_REJECTED;
	c->error = meter_batch_error(&err);
	meter_event_settle(batch, &batch->events[c->event]);
	meter_early_remember(change);
	MemoryContextSwitchTo(old);
}

/* Hold one event against thresholds; false where a quota is against it. */
static bool
watch_event(MeterBatch *batch, MeterWatching *watching, MeterEvent *event, int order)
{
	bool		allowed = true;

	meter_batch_judge_repeat(batch, event);
	for (int i = event->first; i < event->first + event->ncontributions; i++)
	{
		MeterContribution *c = &batch->contributions[i];
		MeterChange change;
		MeterQuota	quota;

		if (c->outcome != METER_OUTCOME_COUNTED || !meter_contribution_change(batch, c, &change) ||
			meter_watching_change(watching, &change, order, c->meter->blocks ? &quota : NULL))
			continue;
		meter_batch_turn_away(batch, c, &change, &quota);
		c->over_quota = true;
		allowed = false;
	}
	return allowed;
}

/* Hold the batch against thresholds; see threshold.h. */
void
meter_batch_watch(MeterBatch *batch, MeterWatching *watching, bool behind)
{
	bool		allowed = true;

	if (watching == NULL)
		return;
	meter_watching_take(watching, behind);
	for (int i = 0; i < batch->nevents; i++)
		allowed &= watch_event(batch, watching, &batch->events[i], i);
	if (!allowed)
		meter_batch_pass_keys(batch);
}
