/*
 * reprocess_rows.c
 *		The events of some pages, and which of them are a meter's affair.
 *
 * Left as they are, and uncounted: what was taken back, what is aimed at another
 * meter, supplements of other meters, and an event that the meter counts by a
 * supplement elsewhere.
 */
#include "engine/reprocess_private.h"

#include "engine/event_page.h"
#include "engine/supplements.h"

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
			row->counted_by = meter_event_counted_by(event.versions, chunk->reprocess->versions,
													 chunk->reprocess->nversions);
			row->left = was_reversed(chunk->reprocess, &event) ||
				(event.supplement && row->counted_by == 0) ||
				(event.meter_id && memcmp(event.meter_id, &chunk->reprocess->meter->id, UUID_LEN) != 0);
		}
	}
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
	int64	   *open = palloc(Max(chunk->nrows, 1) * sizeof(int64));
	int64	   *elsewhere;
	int			n = 0;

	for (int i = 0; i < chunk->nrows; i++)
	{
		if (is_open(&chunk->rows[i]))
			open[n++] = chunk->rows[i].event.seq;
	}
	n = meter_event_counted_elsewhere(&reprocess->organization, reprocess->type, reprocess->versions,
									  reprocess->nversions, open, n, &elsewhere);
	for (int i = 0; i < chunk->nrows && n > 0; i++)
	{
		MeterReprocessRow *row = &chunk->rows[i];

		if (is_open(row) && meter_seq_listed(elsewhere, n, row->event.seq))
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
