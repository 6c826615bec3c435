/*
 * usage_pinned_keys.c
 *		Which events are duplicates by a version that was not in force.
 *
 * Events that the meter counted by the same key were told apart when they came.
 * Those that it left out, or counted by another version without a key, or by
 * another key, were not.  Of all that the version would count with one key, the
 * first that came counts; in the time that is read here, that can be seen.  Of
 * what is elsewhere only the event is known that has the key in the key store:
 * if that came first and is what the version would count, it is the one.  What
 * the version counted when it came is counted wherever usage is asked for, so
 * that goes before all others.
 */
#include "engine/usage_pinned.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "engine/supplements.h"

/* Keys looked up at a time. */
#define KEY_BATCH 1000

static int
key_cmp(const void *pa, const void *pb)
{
	const MeterPinnedKey *a = pa;
	const MeterPinnedKey *b = pb;
	int			cmp = memcmp(a->key.data, b->key.data, Min(a->key.len, b->key.len));

	if (cmp == 0)
		cmp = (a->key.len > b->key.len) - (a->key.len < b->key.len);
	if (cmp == 0)
		cmp = b->judged - a->judged;
	return cmp != 0 ? cmp : (a->seq > b->seq) - (a->seq < b->seq);
}

static bool
same_key(const MeterPinnedKey *a, const MeterPinnedKey *b)
{
	return a->key.len == b->key.len && memcmp(a->key.data, b->key.data, a->key.len) == 0;
}

/* Does the event that has a key, in a place that is not read, count by the
 * version with that key?  Then it goes before an event that came as *seq. */
static bool
holder_counts(const MeterUsage *usage, MeterText type, const MeterKey *key, int64 seq)
{
	const MeterUsageRequest *request = usage->request;
	MeterPinnedEvent event = {{0}};
	MeterEventRow *rows;
	int			n = meter_event_find(&request->organization, type, key->time, key->seq, true, &rows);
	bool		first = key->seq < seq;

	/* past retention it has the key, and that is all that is known */
	if (n == 0)
		return first;
	for (int i = 0; i < n; i++)
		first |= meter_pinned_judged(usage, &rows[i]);
	return first && meter_pinned_counts(request->measured_by, &rows[0], &event) &&
		event.key.len == key->key.len && memcmp(event.key.data, key->key.data, key->key.len) == 0;
}

/* The one of the events with a key, in their order, that counts; 0 where it is
 * another one.  *key: whose it is, where found. */
static int64
choose(const MeterUsage *usage, MeterText type, const MeterPinnedKey *list, int n,
	   const MeterKey *key, bool found)
{
	int64		holder = key->seq;

	if (!found || holder == list[0].seq || list[0].judged)
		return list[0].seq;
	/* an amendment has the place of what it amends */
	(void) meter_reversal_follow(&usage->request->organization, key->time, &holder);
	for (int i = 0; i < n; i++)
	{
		if (list[i].seq == holder)
			return key->seq < list[0].seq ? holder : list[0].seq;
	}
	return holder_counts(usage, type, key, list[0].seq) ? 0 : list[0].seq;
}

/* Find duplicates; see usage_pinned.h. */
int
meter_pinned_duplicates(const MeterUsage *usage, MeterText type,
						MeterPinnedKey *keys, int nkeys, int64 *list)
{
	const MeterUsageRequest *request = usage->request;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "meter pinned keys", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	int			n = 0;

	qsort(keys, nkeys, sizeof(MeterPinnedKey), key_cmp);
	for (int next = 0; next < nkeys;)
	{
		MeterKey   *found_keys = palloc0(KEY_BATCH * sizeof(MeterKey));
		bool	   *found = palloc(KEY_BATCH * sizeof(bool));
		int		   *firsts = palloc((KEY_BATCH + 1) * sizeof(int));
		int			count = 0;

		CHECK_FOR_INTERRUPTS();
		for (; next < nkeys && count < KEY_BATCH; count++)
		{
			firsts[count] = next;
			found_keys[count].space = request->meter->meter_no;
			found_keys[count].key = keys[next].key;
			while (next < nkeys && same_key(&keys[next], &keys[firsts[count]]))
				next++;
		}
		firsts[count] = next;
		meter_key_find(&request->organization, found_keys, count, found);
		for (int i = 0; i < count; i++)
		{
			int64		chosen = choose(usage, type, &keys[firsts[i]], firsts[i + 1] - firsts[i],
										&found_keys[i], found[i]);

			for (int k = firsts[i]; k < firsts[i + 1]; k++)
			{
				if (keys[k].seq != chosen)
					list[n++] = keys[k].seq;
			}
		}
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return n;
}
