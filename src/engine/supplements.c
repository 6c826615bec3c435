/*
 * supplements.c
 *		Which versions counted an event, and where.
 */
#include "engine/supplements.h"

#include "miscadmin.h"

#include "engine/batch.h"
#include "engine/event_page.h"

/* What a scan for supplements finds. */
typedef struct Supplements
{
	const int32 *versions;
	int			nversions;
	MemoryContext context;		/* of the list: a scan's is gone with each page */
	int64	   *list;
	int			n;
	int			size;
} Supplements;

/* Who counted an event; see supplements.h. */
int32
meter_event_counted_by(MeterText versions, const int32 *list, int n)
{
	int32		version_id;

	while (meter_event_next_version(&versions, &version_id))
	{
		for (int i = n - 1; i >= 0; i--)
		{
			if (list[i] == version_id)
				return version_id;
		}
	}
	return 0;
}

static int
place_cmp(const void *pa, const void *pb)
{
	const MeterEventPlace *a = pa;
	const MeterEventPlace *b = pb;

	return a->time < b->time ? -1 : a->time > b->time;
}

static int
seq_cmp(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return x < y ? -1 : x > y;
}

/* Is it in the list?  See supplements.h. */
bool
meter_seq_listed(const int64 *list, int n, int64 seq)
{
	return n > 0 && bsearch(&seq, list, n, sizeof(int64), seq_cmp) != NULL;
}

static void
visit_supplement(void *arg, const MeterEventRow *event)
{
	Supplements *supplements = arg;
	MemoryContext old;

	if (!event->supplement ||
		meter_event_counted_by(event->versions, supplements->versions, supplements->nversions) == 0)
		return;
	old = MemoryContextSwitchTo(supplements->context);
	supplements->list = meter_batch_grow(supplements->list, supplements->n, &supplements->size, sizeof(int64), 64);
	supplements->list[supplements->n++] = event->seq;
	MemoryContextSwitchTo(old);
}

/* What is counted by a supplement; see supplements.h. */
int
meter_event_counted_elsewhere(const pg_uuid_t *organization, MeterText type,
							  const int32 *versions, int nversions,
							  const int64 *seqs, int n, int64 **list)
{
	Supplements supplements = {.versions = versions, .nversions = nversions, .context = CurrentMemoryContext};
	MeterEventPlace *places;
	int			nplaces = n > 0 ? meter_event_supplements(organization, seqs, n, &places) : 0;

	/* many stand at the start of one window */
	if (nplaces > 0)
		qsort(places, nplaces, sizeof(MeterEventPlace), place_cmp);
	for (int i = 0; i < nplaces; i++)
	{
		MeterInterval at = {places[i].time, places[i].time + 1};

		CHECK_FOR_INTERRUPTS();
		if (i == 0 || places[i].time != places[i - 1].time)
			meter_event_scan(organization, type, NULL, &at, 1, visit_supplement, &supplements);
	}
	if (supplements.n > 0)
		qsort(supplements.list, supplements.n, sizeof(int64), seq_cmp);
	*list = supplements.list;
	return supplements.n;
}
