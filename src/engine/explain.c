/*
 * explain.c
 *		The events behind a number, a page at a time.
 *
 * A page is the first so many events, by time and arrival, that come after the
 * last one of the page before.  The event store gives its pieces in order of
 * their first event, so reading ends with the first piece that begins behind
 * all that is already held.
 *
 * Where only some of the events are asked for (a subject, a filter), reading
 * all to find a few would cost too much.  Then the rollups are the index: they
 * say in which hours there is something, and only these are read.  They say it
 * of now: what was known in the past is looked for in all events.
 */
#include "engine/explain.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "engine/cells.h"
#include "values/timestamp.h"

typedef struct Explain
{
	const MeterExplainRequest *request;
	MeterSubjects subjects;
	TimestampTz from;			/* what is read, half-open */
	TimestampTz to;
	MemoryContext context;		/* of what is held */
	MeterExplainRow *rows;		/* room for twice as many as are asked for */
	int			nrows;
	bool		full;			/* the first rows are sorted, enough, and the
								 * last of them is a bound */
	int			nhours;			/* that hold something, where there is an index */
	int			hours_size;
	int32	   *hours;
} Explain;

static int
order_cmp(TimestampTz atime, int64 aseq, TimestampTz btime, int64 bseq)
{
	if (atime != btime)
		return atime < btime ? -1 : 1;
	return aseq < bseq ? -1 : aseq > bseq;
}

static int
row_cmp(const void *pa, const void *pb)
{
	const MeterExplainRow *a = pa;
	const MeterExplainRow *b = pb;

	return order_cmp(a->event.time, a->event.seq, b->event.time, b->event.seq);
}

static MeterText
copy_text(MeterText text)
{
	if (text.data == NULL)
		return text;
	return (MeterText) {pnstrdup(text.data, text.len), text.len};
}

/* A copy of all that the row points to, in the current context. */
static MeterExplainRow
copy_row(const MeterExplainRow *row)
{
	MeterExplainRow copy = *row;

	copy.event.type = copy_text(row->event.type);
	copy.event.source = copy_text(row->event.source);
	copy.event.id = copy_text(row->event.id);
	copy.event.subject = copy_text(row->event.subject);
	copy.event.data = copy_text(row->event.data);
	copy.event.meter_id = NULL;
	copy.dimensions = copy_text(row->dimensions);
	copy.currency = copy_text(row->currency);
	copy.unique_key = copy_text(row->unique_key);
	if (row->value)
		copy.value = (Numeric) memcpy(palloc(VARSIZE(row->value)), row->value, VARSIZE(row->value));
	return copy;
}

/* Keep the first rows only, and forget the others' memory. */
static void
sort_rows(Explain *explain)
{
	MemoryContext fresh;
	MemoryContext old;

	qsort(explain->rows, explain->nrows, sizeof(MeterExplainRow), row_cmp);
	if (explain->nrows < explain->request->limit)
		return;
	fresh = AllocSetContextCreate(MemoryContextGetParent(explain->context), "meter explain rows",
								  ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(fresh);
	explain->nrows = explain->request->limit;
	for (int i = 0; i < explain->nrows; i++)
		explain->rows[i] = copy_row(&explain->rows[i]);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(explain->context);
	explain->context = fresh;
	explain->full = true;
}

/* What the event adds to the number. */
static Numeric
added_value(const MeterProfile *profile, const MeterMeasure *measure)
{
	switch (profile->function)
	{
		case METER_FUNCTION_COUNT:
			return int64_to_numeric(1);
		case METER_FUNCTION_UNIQUE_COUNT:
			return NULL;
		default:
			return meter_decimal_to_numeric(&measure->value);
	}
}

/* Hold an event that was counted. */
static void
visit_counted(void *arg, const MeterEventRow *event, int version,
			  const MeterMeasure *measure, const MeterSeries *series)
{
	Explain    *explain = arg;
	const MeterUsageRequest *usage = &explain->request->usage;
	const MeterPlan *plan = usage->meter->versions[version];
	MeterExplainRow row = {
		.event = *event, .dimensions = series->dimensions, .currency = series->currency,
		.version = plan->version, .unique_key = measure->unique_key,
		.value = added_value(&plan->profiles[measure->profile], measure)
	};
	MemoryContext old;

	if (!meter_usage_passes_filter(usage, series))
		return;
	row.event.subject = series->subject;
	if (explain->nrows >= 2 * explain->request->limit)
		sort_rows(explain);
	old = MemoryContextSwitchTo(explain->context);
	explain->rows[explain->nrows++] = copy_row(&row);
	MemoryContextSwitchTo(old);
}

/* Look at an event of the store. */
static void
visit_event(void *arg, const MeterEventRow *event)
{
	Explain    *explain = arg;
	const MeterExplainRequest *request = explain->request;

	if (request->has_after &&
		order_cmp(event->time, event->seq, request->after_time, request->after_seq) <= 0)
		return;
	if (explain->full)
	{
		const MeterEventRow *last = &explain->rows[request->limit - 1].event;

		if (order_cmp(event->time, event->seq, last->time, last->seq) > 0)
			return;
	}
	meter_usage_visit_event(&request->usage, &explain->subjects, event, visit_counted, explain);
}

/* Can events from a time on still be among the first? */
static bool
want_more(void *arg, TimestampTz from)
{
	Explain    *explain = arg;

	if (explain->nrows < explain->request->limit)
		return true;
	if (!explain->full || explain->nrows > explain->request->limit)
		sort_rows(explain);
	return from <= explain->rows[explain->request->limit - 1].event.time;
}

/* Note an hour in which one of the series has something. */
static void
visit_rollup(void *arg, int64 series_id, int32 hour, MeterText cells)
{
	Explain    *explain = arg;

	if (explain->nhours > 0 && explain->hours[explain->nhours - 1] == hour)
		return;
	if (explain->nhours >= explain->hours_size)
	{
		explain->hours_size = Max(2 * explain->hours_size, 256);
		explain->hours = explain->hours == NULL ? palloc(explain->hours_size * sizeof(int32)) :
			repalloc_huge(explain->hours, explain->hours_size * sizeof(int32));
	}
	explain->hours[explain->nhours++] = hour;
}

static int
hour_cmp(const void *a, const void *b)
{
	int32		x = *(const int32 *) a;
	int32		y = *(const int32 *) b;

	return x < y ? -1 : x > y;
}

/* The hours in which the series of one stream that are asked for have something. */
static void
find_hours(Explain *explain, int32 stream_id, const MeterText *subject)
{
	const MeterUsageRequest *usage = &explain->request->usage;
	MeterSeries *list;
	int			n = meter_series_list(&usage->organization, stream_id, subject, &list);
	int64	   *ids = palloc_extended(Max(n, 1) * sizeof(int64), MCXT_ALLOC_HUGE);
	int			nids = 0;
	int64		last = meter_hour_of(explain->to - 1);

	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (meter_usage_passes_filter(usage, &list[i]))
			ids[nids++] = list[i].series_id;
	}
	meter_rollup_scan(&usage->organization, ids, nids,
					  (int32) meter_hour_of(explain->from),
					  (int32) last + 1, visit_rollup, explain);
}

/* The pieces of the range that hold something, in order. */
static int
index_range(Explain *explain, MeterInterval **intervals)
{
	const MeterEntry *meter = explain->request->usage.meter;
	MeterInterval *list;
	int			n = 0;

	for (int i = 0; i < meter->nversions; i++)
	{
		int32		stream_id = meter->versions[i]->stream_id;
		bool		again = false;

		for (int j = 0; j < i; j++)
			again |= meter->versions[j]->stream_id == stream_id;
		if (again)
			continue;
		if (explain->subjects.all)
			find_hours(explain, stream_id, NULL);
		for (int s = 0; s < explain->subjects.n; s++)
			find_hours(explain, stream_id, &explain->subjects.list[s]);
	}
	qsort(explain->hours, explain->nhours, sizeof(int32), hour_cmp);
	list = palloc_extended(Max(explain->nhours, 1) * sizeof(MeterInterval), MCXT_ALLOC_HUGE);
	for (int i = 0; i < explain->nhours; i++)
	{
		TimestampTz from = Max(explain->hours[i] * METER_HOUR, explain->from);
		TimestampTz to = Min((explain->hours[i] + 1) * METER_HOUR, explain->to);

		if (n > 0 && list[n - 1].to >= from)
			list[n - 1].to = to;
		else
			list[n++] = (MeterInterval) {from, to};
	}
	*intervals = list;
	return n;
}

/* The events behind a number; see explain.h. */
void
meter_explain(const MeterExplainRequest *request, MeterExplainEmit emit, void *arg)
{
	const MeterUsageRequest *usage = &request->usage;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "meter explain",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Explain		explain = {.request = request};
	const char *type = usage->meter->metric_key;
	MeterInterval whole;
	MeterInterval *intervals = &whole;
	int			n = 1;

	meter_subjects_find(&explain.subjects, usage);
	explain.context = AllocSetContextCreate(context, "meter explain rows", ALLOCSET_DEFAULT_SIZES);
	explain.rows = palloc((Size) 2 * request->limit * sizeof(MeterExplainRow));
	explain.from = Max(usage->from, METER_TIMESTAMP_MIN);
	if (request->has_after)
		explain.from = Max(explain.from, request->after_time);
	explain.to = Min(usage->to, METER_TIMESTAMP_END);
	whole = (MeterInterval) {explain.from, explain.to};
	if (explain.from >= explain.to)
		n = 0;
	else if (!usage->known && (!explain.subjects.all || usage->filter))
		n = index_range(&explain, &intervals);

	for (int i = 0; i < n && want_more(&explain, intervals[i].from); i++)
		meter_event_scan_known(&usage->organization, (MeterText) {type, strlen(type)}, intervals[i],
							   meter_usage_as_of(usage), want_more, visit_event, &explain);
	sort_rows(&explain);
	for (int i = 0; i < explain.nrows; i++)
		emit(arg, &explain.rows[i]);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
