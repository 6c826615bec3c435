/*
 * contribution.c
 *		What an event is to the meters that listen to it.
 *
 * Every meter has a contribution, whatever comes of it: counted by some of its
 * profiles, left out by the filters of all, or rejected.
 */
#include "engine/late.h"

#include "utils/hsearch.h"

/* Room for one more; see batch.h. */
void *
meter_batch_grow(void *array, int used, int *size, Size item, int initial)
{
	if (used < *size)
		return array;
	*size = *size ? *size * 2 : initial;
	return array ? repalloc_huge(array, *size * item) : palloc_extended(*size * item, MCXT_ALLOC_HUGE);
}

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
	batch->series = meter_batch_grow(batch->series, batch->nseries, &batch->series_size, sizeof(MeterSeries), 8);
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

		batch->measures = meter_batch_grow(batch->measures, batch->nmeasures, &batch->measures_size,
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

/* What the event is to one meter that listens; see batch.h. */
void
meter_batch_measure_for(MeterBatch *batch, int event_number, const MeterEntry *meter,
						const MeterPlan *plan)
{
	MeterEvent *event = &batch->events[event_number];
	MeterInput	input = meter_measure_input(&batch->doc, batch->data, event->time, event->subject);
	MeterContribution *c;
	MeterSeries series;
	MeterError	err;
	MeterVerdict verdict;

	batch->contributions = meter_batch_grow(batch->contributions, batch->ncontributions,
								&batch->contributions_size, sizeof(MeterContribution), 8);
	c = &batch->contributions[batch->ncontributions++];
	memset(c, 0, sizeof(*c));
	event->ncontributions++;
	c->event = event_number;
	c->meter = meter;
	c->plan = plan;
	c->placement = event->time;
	/* where the event's row is written, it is a supplement */
	batch->nmoved += event->retry && event->retry->stored;
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
			if (meter_late_suspect(plan, batch->received_at, event->time))
			{
				c->timing = METER_MAYBE_LATE;
				batch->nmaybe_late++;
			}
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

/* Is the event for this meter? */
static bool
meant_for(const MeterBatch *batch, const MeterEvent *event, const MeterEntry *meter)
{
	const MeterRetry *retry = event->retry;

	if ((meter->archived && !batch->amends) || (event->target && event->target != meter))
		return false;
	if (retry == NULL || retry->nmeters == 0)
		return true;
	for (int i = 0; i < retry->nmeters; i++)
	{
		if (retry->meters[i] == meter)
			return true;
	}
	return false;
}

static void
reject(MeterEvent *event, const MeterError *err)
{
	event->status = METER_STATUS_REJECTED;
	event->error = meter_batch_error(err);
}

/* Measure an event for whoever listens; see batch.h. */
void
meter_batch_measure(MeterBatch *batch, int event_number)
{
	MeterEvent *event = &batch->events[event_number];
	const MeterListeners *listeners = meter_cache_listeners(&batch->organization,
															event->type.data, event->type.len);
	bool		keyed = event->id.data != NULL;
	MeterError	err;

	for (int i = 0; i < listeners->nmeters; i++)
	{
		const MeterEntry *meter = listeners->meters[i];
		const MeterPlan *plan = meter_entry_version(meter, event->time);

		if (plan == NULL || !meant_for(batch, event, meter))
			continue;
		meter_batch_measure_for(batch, event_number, meter, plan);
	}
	for (int i = event->first; i < batch->ncontributions; i++)
		keyed |= batch->contributions[i].plan->dedup_path != NULL;
	meter_event_settle(batch, event);
	if (meter_event_known(event) && event->ncontributions == 0)
	{
		meter_error_set(&err, "NOT_LISTENING", "the meter does not listen to the event now");
		reject(event, &err);
	}
	else if (!keyed)
	{
		missing_id(&err);
		reject(event, &err);
		event->ncontributions = 0;
		batch->ncontributions = event->first;
	}
}
