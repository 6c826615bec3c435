/*
 * reprocess_pages.c
 *		Some pages of events, counted anew for one meter.
 *
 * Where the outcome differs from what a row says, its page gets a revision.
 */
#include "engine/reprocess_private.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "engine/event_page.h"

/* The version that counts a row now, or 0. */
static int32
counts_now(const MeterReprocessChunk *chunk, const MeterReprocessRow *row)
{
	return meter_reprocess_counts(chunk, row) ?
		meter_reprocess_contribution(chunk, row)->plan->version_id : 0;
}

/* A row's versions, with the one that counts it now in the place of the meter's
 * other ones, or behind all. */
static MeterText
new_versions(const MeterReprocessChunk *chunk, const MeterReprocessRow *row, int32 now)
{
	MeterText	rest = row->event.versions;
	/* a number of at most ten digits and a comma */
	char	   *text = palloc(rest.len + 13);
	char	   *p = text;
	int32		version_id;

	*p++ = '{';
	while (meter_event_next_version(&rest, &version_id))
	{
		if (meter_reprocess_own_version(chunk->reprocess, version_id))
		{
			version_id = now;
			now = 0;
		}
		if (version_id == 0)
			continue;
		p += pg_ltoa(version_id, p);
		*p++ = ',';
	}
	if (now != 0)
	{
		p += pg_ltoa(now, p);
		*p++ = ',';
	}
	if (p[-1] == ',')
		p--;
	*p++ = '}';
	return (MeterText) {text, p - text};
}

/* Revise the pages that have a row whose versions change. */
static void
revise_pages(MeterReprocessChunk *chunk)
{
	MeterEventPage *pages = palloc(chunk->npages * sizeof(MeterEventPage));
	MeterText  *events = palloc(chunk->npages * sizeof(MeterText));
	int			n = 0;

	for (int first = 0, i = 0; first < chunk->nrows; first = i)
	{
		int			page = chunk->rows[first].page;
		bool		changed = false;
		MeterEventCursor cursor = {0};
		StringInfoData buf;

		for (i = first; i < chunk->nrows && chunk->rows[i].page == page; i++)
		{
			MeterReprocessRow *row = &chunk->rows[i];

			if (row->left || counts_now(chunk, row) == row->counted_by)
				continue;
			row->event.versions = new_versions(chunk, row, counts_now(chunk, row));
			changed = true;
		}
		if (!changed)
			continue;
		initStringInfo(&buf);
		for (int j = first; j < i; j++)
			meter_event_page_put(&buf, &cursor, &chunk->rows[j].event);
		pages[n] = chunk->pages[page];
		events[n++] = (MeterText) {buf.data, buf.len};
	}
	meter_event_replace(&chunk->reprocess->organization, chunk->reprocess->type, chunk->reprocess->now,
						pages, events, n);
}

/* Add to what the meter counts, in the memory of all the hours. */
static void
add_deltas(MeterReprocessChunk *chunk)
{
	MeterReprocessBatch *reprocess = chunk->reprocess;
	MemoryContext old;
	MeterRollupDelta *deltas;
	int			n;

	meter_batch_number_series(&chunk->batch);
	old = MemoryContextSwitchTo(reprocess->context);
	n = meter_batch_deltas(&chunk->batch, &deltas);
	if (reprocess->ndeltas + n > reprocess->deltas_size)
	{
		reprocess->deltas_size = Max(2 * reprocess->deltas_size, reprocess->ndeltas + n);
		reprocess->deltas = reprocess->deltas == NULL ?
			palloc_extended(reprocess->deltas_size * sizeof(MeterRollupDelta), MCXT_ALLOC_HUGE) :
			repalloc_huge(reprocess->deltas, reprocess->deltas_size * sizeof(MeterRollupDelta));
	}
	if (n > 0)
		memcpy(reprocess->deltas + reprocess->ndeltas, deltas, n * sizeof(MeterRollupDelta));
	reprocess->ndeltas += n;
	pfree(deltas);
	MemoryContextSwitchTo(old);
}

/* Count the events of some pages; see reprocess_private.h. */
bool
meter_reprocess_pages(void *arg, const MeterEventPage *pages, int n)
{
	MeterReprocessBatch *reprocess = arg;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "meter reprocess pages",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	MeterReprocessChunk chunk = {
		.reprocess = reprocess, .pages = pages, .npages = n, .late = {.context = context},
		.batch = {.organization = reprocess->organization, .context = context}
	};

	CHECK_FOR_INTERRUPTS();
	meter_reprocess_read(&chunk);
	reprocess->events += chunk.nrows;
	meter_reprocess_measure(&chunk);
	meter_reprocess_keep_rejections(&chunk);
	add_deltas(&chunk);
	revise_pages(&chunk);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return true;
}
