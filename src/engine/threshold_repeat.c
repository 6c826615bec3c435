/*
 * threshold_repeat.c
 *		Keys that stand in a batch more than once, where quotas turn events away.
 *
 * Keys are claimed for the whole batch before any of its quantities is looked
 * at, so that nobody waits for a key who holds rows of thresholds.  A second
 * event with a key is then a duplicate (or conflict) of the first.  Should a
 * quota turn the first away, the key is free again, and the second is new: as it
 * would be if each had come by a call of its own.  So events and contributions
 * are chained by their keys, and a repeated one is judged when its turn comes.
 *
 * The keys themselves change hands at the end: they are this transaction's
 * already, so nobody is waited for.
 */
#include "engine/threshold_private.h"

/* A key, and where it was seen last: in a space of numbers, 0 for envelopes. */
typedef struct SeenKey
{
	MeterText	key;			/* the space's number stands in front */
	int			last;
} SeenKey;

/* Where the key was seen before, or -1; it is seen at number now. */
static int
see(MeterBatch *batch, int32 space, MeterText key, int number)
{
	char	   *text = palloc(sizeof(space) + key.len);
	MeterText	entry = {text, sizeof(space) + key.len};
	SeenKey    *seen;
	bool		found;
	int			before;

	memcpy(text, &space, sizeof(space));
	memcpy(text + sizeof(space), key.data, key.len);
	if (batch->keys == NULL)
		batch->keys = meter_text_table("meter batch keys", sizeof(SeenKey), batch->context);
	seen = hash_search(batch->keys, &entry, HASH_ENTER, &found);
	before = found ? seen->last : -1;
	seen->last = number;
	return before;
}

/* Chain the batch's last event to those with its keys; see threshold.h. */
void
meter_batch_chain_keys(MeterBatch *batch)
{
	int			number = batch->nevents - 1;
	MeterEvent *event = &batch->events[number];
	bool		blocks = false;

	event->repeats = -1;
	for (int i = event->first; i < event->first + event->ncontributions; i++)
	{
		MeterContribution *c = &batch->contributions[i];

		c->repeats = -1;
		if (!c->meter->blocks)
			continue;
		blocks = true;
		if (c->dedup_key.data)
			c->repeats = see(batch, c->meter->meter_no, c->dedup_key, i);
	}
	if (blocks && event->id.data)
		event->repeats = see(batch, 0, meter_event_key(event), number);
}

/* May it be counted, though its key was claimed by another one in the batch? */
bool
meter_contribution_may_count(const MeterBatch *batch, const MeterContribution *c)
{
	const MeterEvent *event = &batch->events[c->event];

	return c->outcome == METER_OUTCOME_COUNTED ||
		(batch->keys && c->measured == METER_OUTCOME_COUNTED &&
		 (event->by_envelope ? event->repeats >= 0 : c->repeats >= 0));
}

/* Did a quota turn the event away, so that it gives its key back? */
static bool
gives_back(const MeterBatch *batch, const MeterEvent *event)
{
	bool		over = false;

	for (int c = event->first; c < event->first + event->ncontributions; c++)
		over |= batch->contributions[c].over_quota;
	return over && !meter_event_keeps_keys(event);
}

/* What an event is whose key another one in the batch has. */
static void
follow_holder(const MeterBatch *batch, MeterEvent *event, const MeterEvent *holder)
{
	bool		same = event->payload_hash == holder->payload_hash;

	event->status = same ? METER_STATUS_DUPLICATE : METER_STATUS_CONFLICT;
	event->error = same ? NULL : meter_batch_key_conflict(batch);
}

/* The event's key is free: it is new. */
static void
reopen_event(MeterBatch *batch, MeterEvent *event)
{
	for (int i = event->first; i < event->first + event->ncontributions; i++)
	{
		MeterContribution *c = &batch->contributions[i];

		/* whether anybody else has a key of a meter that no other event of the
		 * batch has was not asked, and now it is too late to wait for the answer */
		if (c->dedup_key.data && c->repeats < 0 && c->measured == METER_OUTCOME_COUNTED)
			return;
	}
	for (int i = event->first; i < event->first + event->ncontributions; i++)
	{
		MeterContribution *c = &batch->contributions[i];

		c->outcome = c->measured;
		c->error = c->measured_error;
	}
	event->by_envelope = false;
	event->reopened = true;
	meter_event_settle(batch, event);
}

/* Judge an event whose envelope's key was claimed. */
static void
judge_event(MeterBatch *batch, MeterEvent *event)
{
	for (int f = event->repeats; f >= 0; f = batch->events[f].repeats)
	{
		const MeterEvent *other = &batch->events[f];

		if (other->by_envelope)
			continue;
		if (meter_event_keeps_keys(other))
			follow_holder(batch, event, other);
		else if (gives_back(batch, other))
			reopen_event(batch, event);
		else
			continue;
		return;
	}
}

/* Judge a contribution whose meter's key was claimed. */
static void
judge_contribution(MeterBatch *batch, MeterContribution *c)
{
	MeterEvent *event = &batch->events[c->event];

	for (int d = c->repeats; d >= 0; d = batch->contributions[d].repeats)
	{
		const MeterContribution *other = &batch->contributions[d];
		const MeterEvent *holder = &batch->events[other->event];

		if (holder->by_envelope)
			continue;
		if (other->outcome == METER_OUTCOME_COUNTED || other->outcome == METER_OUTCOME_QUARANTINED)
		{
			bool		same = event->payload_hash == holder->payload_hash;

			c->outcome = same ? METER_OUTCOME_DUPLICATE : METER_OUTCOME_CONFLICT;
			c->error = same ? NULL : meter_batch_key_conflict(batch);
		}
		else if (other->over_quota)
		{
			c->outcome = METER_OUTCOME_COUNTED;
			c->error = NULL;
			c->reopened = true;
		}
		else
			continue;
		meter_event_settle(batch, event);
		return;
	}
}

/* Judge an event whose turn has come; see threshold_private.h. */
void
meter_batch_judge_repeat(MeterBatch *batch, MeterEvent *event)
{
	MemoryContext old;

	if (batch->keys == NULL)
		return;
	old = MemoryContextSwitchTo(batch->context);
	if (event->by_envelope && event->repeats >= 0)
		judge_event(batch, event);
	for (int i = event->first; i < event->first + event->ncontributions && !event->by_envelope; i++)
	{
		MeterContribution *c = &batch->contributions[i];

		if (c->repeats >= 0 && c->measured == METER_OUTCOME_COUNTED)
			judge_contribution(batch, c);
	}
	MemoryContextSwitchTo(old);
}
