/*
 * dedup.c
 *		Which events of a batch are new: envelope keys and meters' keys.
 *
 * An event that cannot count claims no key, so that it can be sent again when
 * it is mended; but one whose key was counted before is a duplicate (or
 * conflict) whatever a meter would say to it today.
 */
#include "engine/batch.h"

#include "utils/memutils.h"

/* The envelope's key: type, source and id, which hold no control characters. */
MeterText
meter_event_key(const MeterEvent *event)
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

/* What is said of a key that came before; see batch.h. */
MeterError *
meter_batch_key_conflict(const MeterBatch *batch)
{
	MemoryContext old = MemoryContextSwitchTo(batch->context);
	MeterError	err;
	MeterError *result;

	meter_error_set(&err, "KEY_CONFLICT", "this key was counted before with another payload");
	result = meter_batch_error(&err);
	MemoryContextSwitchTo(old);
	return result;
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
		.key = meter_event_key(event), .payload_hash = event->payload_hash,
			.time = event->main_time, .seq = event->seq
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
			.payload_hash = event->payload_hash, .time = event->main_time, .seq = event->seq
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
		event->error = list->keys[i].state == METER_KEY_CONFLICT ? meter_batch_key_conflict(batch) : NULL;
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
		c->error = list->keys[i].state == METER_KEY_CONFLICT ? meter_batch_key_conflict(batch) : NULL;
		meter_event_settle(batch, &batch->events[c->event]);
	}
}

static int
key_text_cmp(const void *pa, const void *pb)
{
	MeterText	a = ((const MeterKey *) pa)->key;
	MeterText	b = ((const MeterKey *) pb)->key;
	int			cmp = memcmp(a.data, b.data, Min(a.len, b.len));

	return cmp != 0 ? cmp : a.len - b.len;
}

/* What was settled as a duplicate of an event that gave its key back is open. */
static void
reopen_duplicates(MeterBatch *batch, KeyList *released)
{
	qsort(released->keys, released->n, sizeof(MeterKey), key_text_cmp);
	for (int i = 0; i < batch->nevents; i++)
	{
		MeterEvent *event = &batch->events[i];
		MeterKey	wanted;

		if (!event->by_envelope)
			continue;
		wanted.key = meter_event_key(event);
		if (bsearch(&wanted, released->keys, released->n, sizeof(MeterKey), key_text_cmp) == NULL)
			continue;
		event->settled = event->by_envelope = false;
		meter_event_settle(batch, event);
	}
}

/* The keys of meters with a dedup_key_path, for the events that are open. */
static KeyList
list_meter_keys(const MeterBatch *batch)
{
	KeyList		list = new_key_list(batch->ncontributions);

	for (int i = 0; i < batch->ncontributions; i++)
	{
		const MeterContribution *c = &batch->contributions[i];

		if (c->plan->dedup_path &&
			(c->outcome == METER_OUTCOME_COUNTED || c->outcome == METER_OUTCOME_QUARANTINED) &&
			!batch->events[c->event].settled)
			list_meter_key(&list, batch, i);
	}
	return list;
}

/*
 * Claim the keys of meters with a dedup_key_path for the events that are new.
 * An event that nobody counts or keeps then gives its envelope's key back, so
 * that it can be sent again when it is mended.
 */
static void
claim_meter_keys(MeterBatch *batch, const KeyList *envelopes)
{
	KeyList		list = list_meter_keys(batch);
	KeyList		released = new_key_list(envelopes->n);

	for (int i = 0; i < batch->nevents; i++)
		batch->events[i].settled = true;
	if (list.n == 0)
		return;
	meter_key_claim(&batch->organization, list.keys, list.n);
	settle_meter_keys(batch, &list);

	for (int i = 0; i < envelopes->n; i++)
	{
		const MeterEvent *event = &batch->events[envelopes->owners[i]];

		if (envelopes->keys[i].state == METER_KEY_NEW && !meter_event_keeps_keys(event))
			list_envelope(&released, batch, envelopes->owners[i]);
	}
	if (released.n == 0)
		return;
	meter_key_release(&batch->organization, released.keys, released.n);
	reopen_duplicates(batch, &released);
}

/* Claim what is open: the envelopes' keys of all that would keep them, then the
 * meters'. */
static void
claim_open(MeterBatch *batch)
{
	KeyList		list = new_key_list(batch->nevents);

	for (int i = 0; i < batch->nevents; i++)
	{
		const MeterEvent *event = &batch->events[i];

		if (event->id.data && !event->settled && meter_event_keeps_keys(event) && !meter_event_known(event))
			list_envelope(&list, batch, i);
	}
	if (list.n > 0)
	{
		meter_key_claim(&batch->organization, list.keys, list.n);
		settle_envelopes(batch, &list);
	}
	claim_meter_keys(batch, &list);
}

/* Is there an event that gave way to one that gave its key back? */
static bool
any_open(const MeterBatch *batch)
{
	for (int i = 0; i < batch->nevents; i++)
	{
		if (!batch->events[i].settled)
			return true;
	}
	return false;
}

/*
 * Claim the keys.  What was a duplicate of an event that gave its key back comes
 * around again; there may be many such under one envelope, so those that meters
 * have had are taken out first, or each would take a round to itself.
 */
static void
claim_keys(MeterBatch *batch)
{
	MemoryContext round = AllocSetContextCreate(batch->context, "meter batch keys",
												ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(round);

	claim_open(batch);
	while (any_open(batch))
	{
		KeyList		list;

		MemoryContextReset(round);
		list = list_meter_keys(batch);
		if (list.n > 0)
		{
			meter_key_look_up(&batch->organization, list.keys, list.n, true);
			settle_meter_keys(batch, &list);
		}
		claim_open(batch);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(round);
}

/* A rejected event whose key was counted before is that event again. */
static void
look_up_rejected(MeterBatch *batch)
{
	KeyList		envelopes = new_key_list(batch->nevents);

	for (int i = 0; i < batch->nevents; i++)
	{
		if (batch->events[i].status == METER_STATUS_REJECTED && batch->events[i].id.data &&
			!meter_event_known(&batch->events[i]))
			list_envelope(&envelopes, batch, i);
	}
	if (envelopes.n > 0)
	{
		meter_key_look_up(&batch->organization, envelopes.keys, envelopes.n, false);
		settle_envelopes(batch, &envelopes);
	}
}

/* So is one that a meter turned away for its time, where that meter had its key. */
static void
look_up_untimely(MeterBatch *batch)
{
	KeyList		list;

	if (batch->nmaybe_late == 0)
		return;
	list = new_key_list(batch->nmaybe_late);
	for (int i = 0; i < batch->ncontributions; i++)
	{
		const MeterContribution *c = &batch->contributions[i];

		if (c->timing == METER_UNTIMELY && c->outcome == METER_OUTCOME_REJECTED && c->plan->dedup_path &&
			!batch->events[c->event].by_envelope)
			list_meter_key(&list, batch, i);
	}
	if (list.n > 0)
	{
		meter_key_look_up(&batch->organization, list.keys, list.n, false);
		settle_meter_keys(batch, &list);
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

/* Have the keys claimed of what is new since others gave them back. */
static void
claim_reopened(const MeterBatch *batch)
{
	KeyList		list = new_key_list(batch->nevents + batch->ncontributions);

	for (int i = 0; i < batch->nevents; i++)
	{
		if (batch->events[i].reopened && meter_event_keeps_keys(&batch->events[i]))
			list_envelope(&list, batch, i);
	}
	for (int i = 0; i < batch->ncontributions; i++)
	{
		const MeterContribution *c = &batch->contributions[i];

		if (c->reopened && c->outcome == METER_OUTCOME_COUNTED)
			list_meter_key(&list, batch, i);
	}
	if (list.n > 0)
		meter_key_claim(&batch->organization, list.keys, list.n);
}

/* Pass on the keys of what is over a quota; see batch.h.  An event that had them
 * before, and is only tried again, keeps them. */
void
meter_batch_pass_keys(const MeterBatch *batch)
{
	KeyList		list = new_key_list(batch->nevents + batch->ncontributions);

	for (int i = 0; i < batch->nevents; i++)
	{
		const MeterEvent *event = &batch->events[i];
		bool		over = false;

		if (meter_event_known(event))
			continue;
		for (int c = event->first; c < event->first + event->ncontributions; c++)
		{
			over |= batch->contributions[c].over_quota;
			if (batch->contributions[c].over_quota && batch->contributions[c].dedup_key.data)
				list_meter_key(&list, batch, c);
		}
		if (over && event->id.data && !meter_event_keeps_keys(event))
			list_envelope(&list, batch, i);
	}
	if (list.n > 0)
		meter_key_release(&batch->organization, list.keys, list.n);
	claim_reopened(batch);
}

/* Claim the one event's key in a chain; see batch.h. */
void
meter_batch_claim_chained(MeterBatch *batch)
{
	KeyList		list = new_key_list(1);

	list_envelope(&list, batch, 0);
	meter_key_claim_chained(&batch->organization, list.keys);
}

/* Settle which events are new; see batch.h. */
void
meter_batch_dedup(MeterBatch *batch)
{
	for (int i = 0; i < batch->ncontributions && batch->keys; i++)
	{
		batch->contributions[i].measured = batch->contributions[i].outcome;
		batch->contributions[i].measured_error = batch->contributions[i].error;
	}
	claim_keys(batch);
	look_up_rejected(batch);
	look_up_untimely(batch);
	drop_duplicates(batch);
}
