/*
 * reprocess_rows.c
 *		The events of some pages, and which of them are a meter's affair.
 *
 * Left as they are, and uncounted: what was taken back, what is aimed at another
 * meter, supplements of other meters, and an event that the meter counts by a
 * supplement elsewhere.
 */
#include "engine/reprocess_private.h"

#include "miscadmin.h"

#include "engine/event_page.h"

/* Is it one of the meter's versions? */
bool
meter_reprocess_own_version(const MeterReprocessBatch *reprocess, int32 version_id)
{
	for (int i = reprocess->nversions - 1; i >= 0; i--)
	{
		if (reprocess->versions[i] == version_id)
			return true;
	}
	return false;
}

/* The meter's version that counted an event, or 0. */
static int32
counted_by(const MeterReprocessBatch *reprocess, MeterText versions)
{
	int32		version_id;

	while (meter_event_next_version(&versions, &version_id))
	{
		if (meter_reprocess_own_version(reprocess, version_id))
			return version_id;
	}
	return 0;
}

static int
place_cmp(const void *pa, const void *pb)
{
	const MeterEventPlace *a = pa;
	const MeterEventPlace *b = pb;

	if (a->time != b->time)
		return a->time < b->time ? -1 : 1;
	return a->seq < b->seq ? -1 : a->seq > b->seq;
}

static bool
was_reversed(const MeterReprocessBatch *reprocess, const MeterEventRow *event)
{
	MeterEventPlace place = {event->time, event->seq};

	return reprocess->nreversed > 0 &&
		bsearch(&place, reprocess->reversed, reprocess->nreversed, sizeof(place), place_cmp) != NULL;
}

/* Read the pages' events. */
static void
read_rows(MeterReprocessChunk *chunk)
{
	for (int page = 0; page < chunk->npages; page++)
	{
		MeterEventCursor cursor = {.rest = chunk->pages[page].events};
		MeterEventRow event;

		while (meter_event_page_next(&cursor, &event))
		{
			MeterReprocessRow *row;

			event.type = chunk->reprocess->type;
			chunk->rows = meter_batch_grow(chunk->rows, chunk->nrows, &chunk->rows_size, sizeof(MeterReprocessRow), 1024);
			row = &chunk->rows[chunk->nrows++];
			*row = (MeterReprocessRow) {.event = event, .page = page, .contribution = -1};
			row->counted_by = counted_by(chunk->reprocess, event.versions);
			row->left = was_reversed(chunk->reprocess, &event) ||
				(event.supplement && row->counted_by == 0) ||
				(event.meter_id && memcmp(event.meter_id, &chunk->reprocess->meter->id, UUID_LEN) != 0);
		}
	}
}

static int
seq_cmp(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return x < y ? -1 : x > y;
}

/* Numbers of events. */
typedef struct Seqs
{
	int64	   *list;
	int			n;
	int			size;
} Seqs;

static void
add_seq(Seqs *seqs, int64 seq)
{
	seqs->list = meter_batch_grow(seqs->list, seqs->n, &seqs->size, sizeof(int64), 64);
	seqs->list[seqs->n++] = seq;
}

/* What a scan for supplements finds. */
typedef struct Supplements
{
	const MeterReprocessBatch *reprocess;
	MemoryContext context;		/* of own: a scan's is gone with each page */
	Seqs		own;			/* events that the meter counts so */
} Supplements;

static void
visit_supplement(void *arg, const MeterEventRow *event)
{
	Supplements *supplements = arg;
	MemoryContext old;

	if (!event->supplement || counted_by(supplements->reprocess, event->versions) == 0)
		return;
	old = MemoryContextSwitchTo(supplements->context);
	add_seq(&supplements->own, event->seq);
	MemoryContextSwitchTo(old);
}

/* Is it the main row of an event that the meter does not count there? */
static bool
is_open(const MeterReprocessRow *row)
{
	return !row->left && !row->event.supplement && row->counted_by == 0;
}

/* Leave events that the meter counts by a supplement. */
static void
leave_supplemented(MeterReprocessChunk *chunk)
{
	const MeterReprocessBatch *reprocess = chunk->reprocess;
	Supplements supplements = {.reprocess = reprocess, .context = CurrentMemoryContext};
	Seqs		open = {0};
	MeterEventPlace *places;
	int			n;

	for (int i = 0; i < chunk->nrows; i++)
	{
		if (is_open(&chunk->rows[i]))
			add_seq(&open, chunk->rows[i].event.seq);
	}
	if (open.n == 0)
		return;
	n = meter_event_supplements(&reprocess->organization, open.list, open.n, &places);
	if (n == 0)
		return;
	/* many stand at the start of one window */
	qsort(places, n, sizeof(MeterEventPlace), place_cmp);
	for (int i = 0; i < n; i++)
	{
		MeterInterval at = {places[i].time, places[i].time + 1};

		CHECK_FOR_INTERRUPTS();
		if (i == 0 || places[i].time != places[i - 1].time)
			meter_event_scan(&reprocess->organization, reprocess->type, NULL, &at, 1,
							 visit_supplement, &supplements);
	}
	qsort(supplements.own.list, supplements.own.n, sizeof(int64), seq_cmp);
	for (int i = 0; i < chunk->nrows && supplements.own.n > 0; i++)
	{
		MeterReprocessRow *row = &chunk->rows[i];

		if (is_open(row) && bsearch(&row->event.seq, supplements.own.list, supplements.own.n,
									sizeof(int64), seq_cmp) != NULL)
			row->left = true;
	}
}

/* Read the events of the pages; see reprocess_private.h. */
void
meter_reprocess_read(MeterReprocessChunk *chunk)
{
	read_rows(chunk);
	leave_supplemented(chunk);
}
