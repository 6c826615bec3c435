/*
 * recount.c
 *		Some pages of events, counted anew for one meter.
 *
 * Each row is measured, by the code of ingestion, for the version that is to
 * count it.  Left as they are, and uncounted: what was taken back, what is aimed
 * at another meter, supplements of other meters, and an event that the meter
 * counts by a supplement elsewhere.  Where the outcome differs from what the row
 * says, its page gets a revision.
 */
#include "engine/recount.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "engine/event_page.h"
#include "values/window.h"

/* An event of a page. */
typedef struct Row
{
	MeterEventRow event;
	int			page;
	int32		counted_by;		/* the meter's version that counted it, or 0 */
	bool		left;			/* it stays as it is */
	bool		kept;			/* by that version, whatever holds its time */
	int			contribution;	/* in the batch, or -1 */
} Row;

/* Some pages at work. */
typedef struct Chunk
{
	MeterRecount *recount;
	const MeterEventPage *pages;
	int			npages;
	Row		   *rows;
	int			nrows;
	int			rows_size;
	MeterBatch	batch;
} Chunk;

static bool
is_own_version(const MeterRecount *recount, int32 version_id)
{
	for (int i = recount->nversions - 1; i >= 0; i--)
	{
		if (recount->versions[i] == version_id)
			return true;
	}
	return false;
}

/* The meter's version that counted an event, or 0. */
static int32
counted_by(const MeterRecount *recount, MeterText versions)
{
	int32		version_id;

	while (meter_event_next_version(&versions, &version_id))
	{
		if (is_own_version(recount, version_id))
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
was_reversed(const MeterRecount *recount, const MeterEventRow *event)
{
	MeterEventPlace place = {event->time, event->seq};

	return recount->nreversed > 0 &&
		bsearch(&place, recount->reversed, recount->nreversed, sizeof(place), place_cmp) != NULL;
}

/* Read the pages' events. */
static void
read_rows(Chunk *chunk)
{
	for (int page = 0; page < chunk->npages; page++)
	{
		MeterEventCursor cursor = {.rest = chunk->pages[page].events};
		MeterEventRow event;

		while (meter_event_page_next(&cursor, &event))
		{
			Row		   *row;

			event.type = chunk->recount->type;
			chunk->rows = meter_batch_grow(chunk->rows, chunk->nrows, &chunk->rows_size, sizeof(Row), 1024);
			row = &chunk->rows[chunk->nrows++];
			*row = (Row) {.event = event, .page = page, .contribution = -1};
			row->counted_by = counted_by(chunk->recount, event.versions);
			row->left = was_reversed(chunk->recount, &event) ||
				(event.supplement && row->counted_by == 0) ||
				(event.meter_id && memcmp(event.meter_id, &chunk->recount->meter->id, UUID_LEN) != 0);
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
	const MeterRecount *recount;
	Seqs		own;			/* events that the meter counts so */
} Supplements;

static void
visit_supplement(void *arg, const MeterEventRow *event)
{
	Supplements *supplements = arg;

	if (event->supplement && counted_by(supplements->recount, event->versions) != 0)
		add_seq(&supplements->own, event->seq);
}

/* Is it the main row of an event that the meter does not count there? */
static bool
is_open(const Row *row)
{
	return !row->left && !row->event.supplement && row->counted_by == 0;
}

/* Leave events that the meter counts by a supplement. */
static void
leave_supplemented(Chunk *chunk)
{
	const MeterRecount *recount = chunk->recount;
	Supplements supplements = {.recount = recount};
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
	n = meter_event_supplements(&recount->organization, open.list, open.n, &places);
	if (n == 0)
		return;
	/* many stand at the start of one window */
	qsort(places, n, sizeof(MeterEventPlace), place_cmp);
	for (int i = 0; i < n; i++)
	{
		MeterInterval at = {places[i].time, places[i].time + 1};

		CHECK_FOR_INTERRUPTS();
		if (i == 0 || places[i].time != places[i - 1].time)
			meter_event_scan(&recount->organization, recount->type, NULL, &at, 1,
							 visit_supplement, &supplements);
	}
	qsort(supplements.own.list, supplements.own.n, sizeof(int64), seq_cmp);
	for (int i = 0; i < chunk->nrows && supplements.own.n > 0; i++)
	{
		Row		   *row = &chunk->rows[i];

		if (is_open(row) && bsearch(&row->event.seq, supplements.own.list, supplements.own.n,
									sizeof(int64), seq_cmp) != NULL)
			row->left = true;
	}
}

/* The plan of one of the meter's versions. */
static const MeterPlan *
find_plan(const MeterEntry *meter, int32 version_id)
{
	for (int i = meter->nversions - 1; i >= 0; i--)
	{
		if (meter->versions[i]->version_id == version_id)
			return meter->versions[i];
	}
	return NULL;
}

/* Is the event's window finalized, by a version? */
static bool
is_finalized(const MeterRecount *recount, const MeterPlan *plan, const MeterEventRow *event)
{
	TimestampTz start;
	TimestampTz end;

	if (TIMESTAMP_IS_NOBEGIN(recount->horizon))
		return false;
	meter_window_bounds(&plan->profiles[0].window, event->time, &start, &end);
	return end <= recount->horizon;
}

/* The version that is to count a row, or NULL for none. */
static const MeterPlan *
choose_plan(const MeterRecount *recount, Row *row)
{
	const MeterPlan *counted = row->counted_by ? find_plan(recount->meter, row->counted_by) : NULL;
	const MeterPlan *due = meter_entry_version(recount->meter, row->event.original_time);

	/* a version that was taken back before its time can count no more */
	if (counted == NULL && (row->counted_by || due == NULL))
		return due;
	row->kept = recount->mode == METER_REPROCESS_FOLD ||
		(recount->mode == METER_REPROCESS_OPEN &&
		 is_finalized(recount, counted ? counted : due, &row->event));
	row->left = row->kept && counted == NULL;
	return row->kept ? counted : due;
}

/* Take a row into the batch and measure it. */
static void
measure_row(Chunk *chunk, Row *row, const MeterPlan *plan)
{
	MeterBatch *batch = &chunk->batch;
	MeterEvent *event;
	MeterContribution *c;
	MeterError	err;

	batch->events = meter_batch_grow(batch->events, batch->nevents, &batch->events_size,
									 sizeof(MeterEvent), 1024);
	event = &batch->events[batch->nevents++];
	*event = (MeterEvent) {
		.id = row->event.id, .source = row->event.source, .type = row->event.type,
			.subject = row->event.subject, .data = row->event.data,
			.target = row->event.meter_id ? chunk->recount->meter : NULL,
			.time = row->event.original_time, .main_time = row->event.time, .seq = row->event.seq,
			.first = batch->ncontributions
	};
	batch->data = row->event.data.data ? 0 : -1;
	if (batch->data == 0 && !meter_json_parse(&batch->doc, row->event.data.data, row->event.data.len, &err))
		meter_error_throw(&err, ERRCODE_DATA_CORRUPTED, "stored event");
	meter_batch_measure_for(batch, batch->nevents - 1, chunk->recount->meter, plan);
	row->contribution = batch->ncontributions - 1;
	c = &batch->contributions[row->contribution];
	c->placement = row->event.time;
	if (row->kept && c->outcome != METER_OUTCOME_COUNTED)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("event %lld was counted by version %d of meter \"%s\" but cannot be measured by it: %s",
						(long long) row->event.seq, plan->version, plan->key,
						c->error ? c->error->message : "its filter leaves it out")));
	if (plan->dedup_path && c->outcome == METER_OUTCOME_COUNTED)
	{
		/* an event that brought no time has that of its arrival */
		event->time_given = row->event.original_time != chunk->pages[row->page].received_at;
		event->payload_hash = meter_envelope_payload_hash(batch, event);
	}
}

/* Measure the rows, each by the version that is to count it. */
static void
measure_rows(Chunk *chunk)
{
	for (int i = 0; i < chunk->nrows; i++)
	{
		Row		   *row = &chunk->rows[i];
		const MeterPlan *plan = row->left ? NULL : choose_plan(chunk->recount, row);

		if (plan)
			measure_row(chunk, row, plan);
	}
}

static int
row_seq_cmp(const void *a, const void *b)
{
	return seq_cmp(&(*(Row *const *) a)->event.seq, &(*(Row *const *) b)->event.seq);
}

/* Does a row need a key of the meter's own that it may not have? */
static bool
wants_key(const Chunk *chunk, const Row *row)
{
	const MeterContribution *c;

	if (row->contribution < 0)
		return false;
	c = &chunk->batch.contributions[row->contribution];
	return c->outcome == METER_OUTCOME_COUNTED && c->plan->dedup_path &&
		row->counted_by != c->plan->version_id;
}

/*
 * Claim the meter's own keys.  An event that the same version counted before has
 * its key; one that is counted newly gets it, if no other has: of several here
 * the one that came first.
 */
static void
claim_keys(Chunk *chunk)
{
	MeterBatch *batch = &chunk->batch;
	Row		  **rows = palloc(Max(chunk->nrows, 1) * sizeof(Row *));
	MeterKey   *keys;
	int			n = 0;

	for (int i = 0; i < chunk->nrows; i++)
	{
		if (wants_key(chunk, &chunk->rows[i]))
			rows[n++] = &chunk->rows[i];
	}
	if (n == 0)
		return;
	qsort(rows, n, sizeof(Row *), row_seq_cmp);
	keys = palloc(n * sizeof(MeterKey));
	for (int i = 0; i < n; i++)
	{
		const MeterContribution *c = &batch->contributions[rows[i]->contribution];
		const MeterEvent *event = &batch->events[c->event];

		keys[i] = (MeterKey) {
			.space = c->meter->meter_no, .key = c->dedup_key, .payload_hash = event->payload_hash,
				.time = event->main_time, .seq = event->seq
		};
	}
	meter_key_claim(&batch->organization, keys, n);
	for (int i = 0; i < n; i++)
	{
		if (keys[i].state != METER_KEY_NEW)
			batch->contributions[rows[i]->contribution].outcome = METER_OUTCOME_DUPLICATE;
	}
}

/* The version that counts a row now, or 0. */
static int32
counts_now(const Chunk *chunk, const Row *row)
{
	const MeterContribution *c = row->contribution < 0 ? NULL :
		&chunk->batch.contributions[row->contribution];

	return c && c->outcome == METER_OUTCOME_COUNTED ? c->plan->version_id : 0;
}

/* A row's versions, with the one that counts it now in the place of the meter's
 * other ones, or behind all. */
static MeterText
new_versions(const Chunk *chunk, const Row *row, int32 now)
{
	MeterText	rest = row->event.versions;
	/* a number of at most ten digits and a comma */
	char	   *text = palloc(rest.len + 13);
	char	   *p = text;
	int32		version_id;

	*p++ = '{';
	while (meter_event_next_version(&rest, &version_id))
	{
		if (is_own_version(chunk->recount, version_id))
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

/* Note what the meter has to refuse now and counted before. */
static void
keep_rejections(Chunk *chunk)
{
}

/* Revise the pages that have a row whose versions change. */
static void
revise_pages(Chunk *chunk)
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
			Row		   *row = &chunk->rows[i];

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
	meter_event_replace(&chunk->recount->organization, chunk->recount->type, chunk->recount->now,
						pages, events, n);
}

/* Add to what the meter counts, in the recount's memory. */
static void
add_deltas(Chunk *chunk)
{
	MeterRecount *recount = chunk->recount;
	MemoryContext old;
	MeterRollupDelta *deltas;
	int			n;

	meter_batch_number_series(&chunk->batch);
	old = MemoryContextSwitchTo(recount->context);
	n = meter_batch_deltas(&chunk->batch, &deltas);
	if (recount->ndeltas + n > recount->deltas_size)
	{
		recount->deltas_size = Max(2 * recount->deltas_size, recount->ndeltas + n);
		recount->deltas = recount->deltas == NULL ?
			palloc_extended(recount->deltas_size * sizeof(MeterRollupDelta), MCXT_ALLOC_HUGE) :
			repalloc_huge(recount->deltas, recount->deltas_size * sizeof(MeterRollupDelta));
	}
	memcpy(recount->deltas + recount->ndeltas, deltas, n * sizeof(MeterRollupDelta));
	recount->ndeltas += n;
	pfree(deltas);
	MemoryContextSwitchTo(old);
}

/* Count the events of some pages; see recount.h. */
bool
meter_recount_pages(void *arg, const MeterEventPage *pages, int n)
{
	MeterRecount *recount = arg;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "meter recount",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Chunk		chunk = {
		.recount = recount, .pages = pages, .npages = n,
		.batch = {.organization = recount->organization, .received_at = recount->now, .context = context}
	};

	CHECK_FOR_INTERRUPTS();
	read_rows(&chunk);
	recount->events += chunk.nrows;
	leave_supplemented(&chunk);
	measure_rows(&chunk);
	claim_keys(&chunk);
	keep_rejections(&chunk);
	add_deltas(&chunk);
	revise_pages(&chunk);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return true;
}
