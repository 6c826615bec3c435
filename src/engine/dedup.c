/*
 * dedup.c
 *		Which events of a batch are new: envelope keys and meters' keys.
 *
 * An event that cannot count claims no key, so that it can be sent again when
 * it is mended; but one whose key was counted before is a duplicate (or
 * conflict) whatever a meter would say to it today.
 */
#include "engine/batch.h"

/* An error that lives as long as the batch. */
MeterError *
meter_batch_error(const MeterError *err)
{
	return memcpy(palloc(sizeof(MeterError)), err, sizeof(MeterError));
}

/* Is the event to be stored, as things stand? */
bool
meter_event_stored(const MeterEvent *event)
{
	return event->status == METER_STATUS_ACCEPTED || event->status == METER_STATUS_UNMATCHED;
}

/* What the outcomes at the meters that listen make of an event. */
void
meter_event_settle(const MeterBatch *batch, MeterEvent *event)
{
	int			outcomes[METER_OUTCOME_CONFLICT + 1] = {0};
	int			refused;

	event->error = NULL;
	for (int c = event->first; c < event->first + event->ncontributions; c++)
	{
		outcomes[batch->contributions[c].outcome]++;
		if (event->error == NULL || batch->contributions[c].outcome == METER_OUTCOME_CONFLICT)
			event->error = batch->contributions[c].error;
	}
	refused = outcomes[METER_OUTCOME_REJECTED] + outcomes[METER_OUTCOME_CONFLICT];
	if (event->ncontributions == 0)
		event->status = METER_STATUS_UNMATCHED;
	else if (outcomes[METER_OUTCOME_COUNTED] > 0)
		event->status = METER_STATUS_ACCEPTED;
	else if (outcomes[METER_OUTCOME_CONFLICT] > 0)
		event->status = METER_STATUS_CONFLICT;
	else if (outcomes[METER_OUTCOME_REJECTED] > 0)
		event->status = METER_STATUS_REJECTED;
	else if (outcomes[METER_OUTCOME_DUPLICATE] > 0)
		event->status = METER_STATUS_DUPLICATE;
	else
		event->status = METER_STATUS_ACCEPTED;
	if (event->status == METER_STATUS_ACCEPTED && refused > 0)
	{
		MeterError	err;

		meter_error_set(&err, "PARTIAL", "not counted by %d of %d meters", refused, event->ncontributions);
		event->error = meter_batch_error(&err);
	}
}

/* The envelope's key: type, source and id, which hold no control characters. */
static MeterText
envelope_key(const MeterEvent *event)
{
	int			len = event->type.len + event->source.len + event->id.len + 2;
	char	   *key = palloc(len);
	char	   *p = key;

	memcpy(p, event->type.data, event->type.len);
	p += event->type.len;
	*p++ = '\x1F';
	if (event->source.data)
		memcpy(p, event->source.data, event->source.len);
	p += event->source.len;
	*p++ = '\x1F';
	memcpy(p, event->id.data, event->id.len);
	return (MeterText) {key, len};
}

static MeterError *
key_conflict(void)
{
	MeterError	err;

	meter_error_set(&err, "KEY_CONFLICT", "this key was counted before with another payload");
	return meter_batch_error(&err);
}

/* Keys gathered for one statement, and whose they are. */
typedef struct KeyList
{
	MeterKey   *keys;
	int		   *owners;
	int			n;
} KeyList;

static KeyList
new_key_list(int size)
{
	return (KeyList) {
		palloc(Max(size, 1) * sizeof(MeterKey)), palloc(Max(size, 1) * sizeof(int)), 0
	};
}

static void
list_envelope(KeyList *list, const MeterBatch *batch, int number)
{
	const MeterEvent *event = &batch->events[number];

	list->keys[list->n] = (MeterKey) {
		.key = envelope_key(event), .payload_hash = event->payload_hash,
			.time = event->time, .seq = event->seq
	};
	list->owners[list->n++] = number;
}

static void
list_meter_key(KeyList *list, const MeterBatch *batch, int number)
{
	const MeterContribution *c = &batch->contributions[number];
	const MeterEvent *event = &batch->events[c->event];

	list->keys[list->n] = (MeterKey) {
		.space = c->meter->meter_no, .key = c->dedup_key,
			.payload_hash = event->payload_hash, .time = event->time, .seq = event->seq
	};
	list->owners[list->n++] = number;
}

/* Settle events whose envelope's key was there. */
static void
settle_envelopes(MeterBatch *batch, const KeyList *list)
{
	for (int i = 0; i < list->n; i++)
	{
		MeterEvent *event = &batch->events[list->owners[i]];

		if (list->keys[i].state == METER_KEY_NEW)
			continue;
		event->settled = event->by_envelope = true;
		event->status = list->keys[i].state == METER_KEY_CONFLICT ?
			METER_STATUS_CONFLICT : METER_STATUS_DUPLICATE;
		event->error = list->keys[i].state == METER_KEY_CONFLICT ? key_conflict() : NULL;
	}
}

/* Settle contributions whose meter had the key. */
static void
settle_meter_keys(MeterBatch *batch, const KeyList *list)
{
	for (int i = 0; i < list->n; i++)
	{
		MeterContribution *c = &batch->contributions[list->owners[i]];

		if (list->keys[i].state == METER_KEY_NEW)
			continue;
		c->outcome = list->keys[i].state == METER_KEY_CONFLICT ?
			METER_OUTCOME_CONFLICT : METER_OUTCOME_DUPLICATE;
		c->error = list->keys[i].state == METER_KEY_CONFLICT ? key_conflict() : NULL;
		meter_event_settle(batch, &batch->events[c->event]);
	}
}

static bool
same_text(MeterText a, MeterText b)
{
	return (a.data == NULL) == (b.data == NULL) && a.len == b.len &&
		(a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* What was settled as a duplicate of an event that gave its key back is open. */
static void
reopen_duplicates(MeterBatch *batch, int number)
{
	const MeterEvent *released = &batch->events[number];

	for (int i = number + 1; i < batch->nevents; i++)
	{
		MeterEvent *event = &batch->events[i];

		if (!event->by_envelope || !same_text(event->id, released->id) ||
			!same_text(event->source, released->source) || !same_text(event->type, released->type))
			continue;
		event->settled = event->by_envelope = false;
		meter_event_settle(batch, event);
	}
}

/*
 * Claim the keys of meters with a dedup_key_path for the events that are new.
 * An event that nobody counts then is not stored: give its envelope's key back,
 * so that it can be sent again when it is mended.
 */
static void
claim_meter_keys(MeterBatch *batch, const KeyList *envelopes)
{
	KeyList		list = new_key_list(batch->ncontributions);
	KeyList		released = new_key_list(envelopes->n);

	for (int i = 0; i < batch->ncontributions; i++)
	{
		const MeterContribution *c = &batch->contributions[i];

		if (c->plan->dedup_path && c->outcome == METER_OUTCOME_COUNTED &&
			!batch->events[c->event].settled)
			list_meter_key(&list, batch, i);
	}
	for (int i = 0; i < batch->nevents; i++)
		batch->events[i].settled = true;
	if (list.n == 0)
		return;
	meter_key_claim(&batch->organization, list.keys, list.n);
	settle_meter_keys(batch, &list);

	for (int i = 0; i < envelopes->n; i++)
	{
		const MeterEvent *event = &batch->events[envelopes->owners[i]];

		if (envelopes->keys[i].state == METER_KEY_NEW && !meter_event_stored(event))
			list_envelope(&released, batch, envelopes->owners[i]);
	}
	if (released.n > 0)
		meter_key_release(&batch->organization, released.keys, released.n);
	for (int r = 0; r < released.n; r++)
		reopen_duplicates(batch, released.owners[r]);
}

/*
 * Claim the envelopes' keys of all that would be stored, then the meters'.  What
 * was a duplicate of an event that gave its key back comes around again.
 */
static void
claim_keys(MeterBatch *batch)
{
	bool		again = true;

	while (again)
	{
		KeyList		list = new_key_list(batch->nevents);

		for (int i = 0; i < batch->nevents; i++)
		{
			const MeterEvent *event = &batch->events[i];

			if (event->id.data && !event->settled && meter_event_stored(event))
				list_envelope(&list, batch, i);
		}
		if (list.n > 0)
		{
			meter_key_claim(&batch->organization, list.keys, list.n);
			settle_envelopes(batch, &list);
		}
		claim_meter_keys(batch, &list);
		again = false;
		for (int i = 0; i < batch->nevents && !again; i++)
			again = !batch->events[i].settled;
	}
}

/* A rejected event whose key was counted before is that event again. */
static void
look_up_rejected(MeterBatch *batch)
{
	KeyList		envelopes = new_key_list(batch->nevents);

	for (int i = 0; i < batch->nevents; i++)
	{
		if (batch->events[i].status == METER_STATUS_REJECTED && batch->events[i].id.data)
			list_envelope(&envelopes, batch, i);
	}
	if (envelopes.n > 0)
	{
		meter_key_look_up(&batch->organization, envelopes.keys, envelopes.n);
		settle_envelopes(batch, &envelopes);
	}
}

/* An event that came before counts nowhere and is refused by nobody. */
static void
drop_duplicates(MeterBatch *batch)
{
	for (int i = 0; i < batch->ncontributions; i++)
	{
		MeterContribution *c = &batch->contributions[i];

		if (!batch->events[c->event].by_envelope)
			continue;
		c->outcome = METER_OUTCOME_DUPLICATE;
		c->error = NULL;
	}
}

/* Settle which events are new; see batch.h. */
void
meter_batch_dedup(MeterBatch *batch)
{
	claim_keys(batch);
	look_up_rejected(batch);
	drop_duplicates(batch);
}
