/*
 * settle.c
 *		What the outcomes at the meters that listen make of an event.
 */
#include "engine/batch.h"

/* An error that lives as long as the batch. */
MeterError *
meter_batch_error(const MeterError *err)
{
	return memcpy(palloc(sizeof(MeterError)), err, sizeof(MeterError));
}

/* Does the event keep its keys, as things stand? */
bool
meter_event_keeps_keys(const MeterEvent *event)
{
	return event->status <= METER_STATUS_LATE_QUARANTINED || event->status == METER_STATUS_UNMATCHED;
}

/* Is the event to be stored, as things stand? */
bool
meter_event_stored(const MeterBatch *batch, const MeterEvent *event)
{
	if (event->status != METER_STATUS_LATE_QUARANTINED)
		return meter_event_keeps_keys(event);
	for (int c = event->first; c < event->first + event->ncontributions; c++)
	{
		if (batch->contributions[c].outcome == METER_OUTCOME_FILTERED)
			return true;
	}
	return false;
}

/* What the meters that listen made of an event, in numbers. */
typedef struct Tally
{
	int			outcomes[METER_OUTCOME_CONFLICT + 1];
	int			counted[METER_UNTIMELY + 1];	/* by timing */
} Tally;

static MeterStatus
tallied_status(const MeterEvent *event, const Tally *tally)
{
	const int  *outcomes = tally->outcomes;

	if (event->ncontributions == 0)
		return METER_STATUS_UNMATCHED;
	if (outcomes[METER_OUTCOME_COUNTED] > 0)
	{
		/* the best of it; one late in a window that is not finalized is accepted */
		if (tally->counted[METER_TIMELY] + tally->counted[METER_MAYBE_LATE] + tally->counted[METER_LATE] > 0)
			return METER_STATUS_ACCEPTED;
		return tally->counted[METER_LATE_MOVED] > 0 ?
			METER_STATUS_LATE_NEXT_WINDOW : METER_STATUS_LATE_REVISED;
	}
	/* before all refusals: the event is kept, so its keys are */
	if (outcomes[METER_OUTCOME_QUARANTINED] > 0)
		return METER_STATUS_LATE_QUARANTINED;
	if (outcomes[METER_OUTCOME_CONFLICT] > 0)
		return METER_STATUS_CONFLICT;
	if (outcomes[METER_OUTCOME_REJECTED] > 0)
		return METER_STATUS_REJECTED;
	return outcomes[METER_OUTCOME_DUPLICATE] > 0 ? METER_STATUS_DUPLICATE : METER_STATUS_ACCEPTED;
}

/* Some meters count the event, and others do not. */
static MeterError *
partial(const MeterBatch *batch, int refused, int all)
{
	MemoryContext old = MemoryContextSwitchTo(batch->context);
	MeterError	err;
	MeterError *result;

	meter_error_set(&err, "PARTIAL", "not counted by %d of %d meters", refused, all);
	result = meter_batch_error(&err);
	MemoryContextSwitchTo(old);
	return result;
}

/* What the outcomes at the meters that listen make of an event. */
void
meter_event_settle(const MeterBatch *batch, MeterEvent *event)
{
	/* whose word the event's error is, where several have one */
	static const int weight[METER_OUTCOME_CONFLICT + 1] = {
		[METER_OUTCOME_REJECTED] = 1, [METER_OUTCOME_CONFLICT] = 2, [METER_OUTCOME_QUARANTINED] = 3
	};
	Tally		tally = {0};
	int			most = 0;
	int			refused;

	event->error = NULL;
	for (int i = event->first; i < event->first + event->ncontributions; i++)
	{
		const MeterContribution *c = &batch->contributions[i];

		tally.outcomes[c->outcome]++;
		if (c->outcome == METER_OUTCOME_COUNTED)
			tally.counted[c->timing]++;
		if (weight[c->outcome] > most)
		{
			most = weight[c->outcome];
			event->error = c->error;
		}
	}
	refused = tally.outcomes[METER_OUTCOME_REJECTED] + tally.outcomes[METER_OUTCOME_CONFLICT] +
		tally.outcomes[METER_OUTCOME_QUARANTINED];
	event->status = tallied_status(event, &tally);
	if (tally.outcomes[METER_OUTCOME_COUNTED] > 0 && refused > 0)
		event->error = partial(batch, refused, event->ncontributions);
}
