/*
 * store_event.c
 *		The event store: events as they came, in pages, in partitions by time.
 *
 * A batch is sorted by type, hour, time and arrival, and cut into pages; a page
 * holds events of one type and one UTC hour.  So the pages that can hold events
 * of an interval are those that begin between the hour it begins in and its
 * end: a range of the key (organization, time of the first event, its arrival
 * number).
 */
#include "engine/store.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "engine/event_page.h"
#include "engine/spi.h"

#define SCAN_BATCH 20

static Oid
event_sequence(void)
{
	Oid			sequence = get_relname_relid("event_seq", get_namespace_oid("meter", false));

	if (!OidIsValid(sequence))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the store of meter does not exist"),
				 errhint("Run SELECT meter.create_store().")));
	return sequence;
}

/* Raise 55000 where there is no store yet. */
void
meter_store_require(void)
{
	(void) event_sequence();
}

/* The arrival number of one more event. */
int64
meter_event_next_seq(void)
{
	return nextval_internal(event_sequence(), true);
}

static TimestampTz
hour_floor(TimestampTz t)
{
	return meter_hour_of(t) * METER_HOUR;
}

static int
row_cmp(const void *pa, const void *pb)
{
	const MeterEventRow *a = *(const MeterEventRow *const *) pa;
	const MeterEventRow *b = *(const MeterEventRow *const *) pb;
	int			cmp = 0;

	if (a->type.data != b->type.data || a->type.len != b->type.len)
		cmp = memcmp(a->type.data, b->type.data, Min(a->type.len, b->type.len));
	if (cmp == 0)
		cmp = a->type.len - b->type.len;
	if (cmp != 0)
		return cmp;
	if (a->time != b->time)
		return a->time < b->time ? -1 : 1;
	return a->seq < b->seq ? -1 : a->seq > b->seq;
}

/* May both stand on one page? */
static bool
page_together(const MeterEventRow *a, const MeterEventRow *b)
{
	return a->type.len == b->type.len && memcmp(a->type.data, b->type.data, a->type.len) == 0 &&
		hour_floor(a->time) == hour_floor(b->time);
}

/* Append events; see store.h. */
void
meter_event_append(const pg_uuid_t *organization, TimestampTz received_at,
				   const MeterEventRow *rows, int n)
{
	static MeterInsert insert = {
		.table = "meter.event", .tail = "",
		.nfixed = 2, .ncolumns = 6, .columns = {
			{"organization_id", UUIDOID}, {"received_at", TIMESTAMPTZOID},
			{"time", TIMESTAMPTZOID}, {"seq", INT8OID}, {"type", TEXTOID}, {"events", BYTEAOID}
		}
	};
	MemoryContext context;
	MemoryContext old;
	const MeterEventRow **sorted;
	const MeterEventRow **first;
	MeterText  *pages;
	Datum	   *columns;
	Datum		fixed[2];
	bool		isnull;
	int			npages = 0;

	if (n == 0)
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "meter event append",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	sorted = palloc(n * sizeof(MeterEventRow *));
	first = palloc(n * sizeof(MeterEventRow *));
	pages = palloc(n * sizeof(MeterText));
	for (int i = 0; i < n; i++)
		sorted[i] = &rows[i];
	qsort(sorted, n, sizeof(MeterEventRow *), row_cmp);
	for (int i = 0; i < n;)
	{
		StringInfoData buf;
		MeterEventCursor cursor = {0};

		initStringInfo(&buf);
		first[npages] = sorted[i];
		while (i < n && buf.len < METER_EVENT_PAGE_BYTES && page_together(first[npages], sorted[i]))
			meter_event_page_put(&buf, &cursor, sorted[i++]);
		pages[npages++] = (MeterText) {buf.data, buf.len};
	}

	columns = palloc(4 * npages * sizeof(Datum));
	for (int p = 0; p < npages; p++)
	{
		columns[p] = TimestampTzGetDatum(first[p]->time);
		/* a supplement may stand where its event does: the page needs a number of its own */
		columns[npages + p] = Int64GetDatum(first[p]->supplement ? meter_event_next_seq() : first[p]->seq);
		columns[2 * npages + p] = meter_spi_text(first[p]->type, &isnull);
		columns[3 * npages + p] = meter_spi_text(pages[p], &isnull);
	}
	fixed[0] = UUIDPGetDatum(organization);
	fixed[1] = TimestampTzGetDatum(received_at);
	meter_spi_insert(&insert, fixed, columns, NULL, npages);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* What a scan looks for. */
typedef struct EventScan
{
	MeterText	type;
	const MeterText *subject;	/* or NULL */
	MeterInterval interval;
	MeterReversalCursor *reversals;
	MeterEventVisit visit;
	void	   *arg;
} EventScan;

/* Visit what a page holds of it. */
static void
visit_page(const EventScan *scan, MeterText page)
{
	const MeterText *subject = scan->subject;
	MeterEventCursor cursor = {.rest = page};
	MeterEventRow row;

	while (meter_event_page_next(&cursor, &row))
	{
		/* a page is in order of time */
		if (row.time >= scan->interval.to)
			return;
		if (row.time < scan->interval.from)
			continue;
		if (subject && (row.subject.data == NULL || row.subject.len != subject->len ||
						memcmp(row.subject.data, subject->data, subject->len) != 0))
			continue;
		if (meter_reversal_has(scan->reversals, row.time, row.seq))
			continue;
		row.type = scan->type;
		scan->visit(scan->arg, &row);
	}
}

/* Pages of a type that may hold events from $2 to $3, in order. */
#define PAGE_SELECT(condition) \
	"SELECT e.events, e.\"time\" FROM meter.event AS e" \
	" WHERE e.organization_id = $1 AND e.\"time\" >= $2 AND e.\"time\" < $3 AND e.type = $4" \
	" AND " condition \
	" ORDER BY e.\"time\", e.seq"

/* Visit the events of one interval as of a time (DT_NOEND for now), until more
 * (which may be NULL) says no. */
static void
scan_interval(const pg_uuid_t *organization, EventScan *scan, TimestampTz as_of, MeterEventMore more)
{
	static MeterStatement current = {
		PAGE_SELECT("e.replaced_at IS NULL"), 4, {UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID}
	};
	static MeterStatement known = {
		PAGE_SELECT("coalesce(e.revised_at, e.received_at) <= $5"
					" AND (e.replaced_at IS NULL OR e.replaced_at > $5)"),
		5, {UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, TIMESTAMPTZOID}
	};
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "meter event scan",
												  ALLOCSET_DEFAULT_SIZES);
	Datum		values[5];
	bool		isnull;
	Portal		portal;
	uint64		rows;
	bool		wanted = true;

	values[0] = UUIDPGetDatum(organization);
	values[1] = TimestampTzGetDatum(hour_floor(scan->interval.from));
	values[2] = TimestampTzGetDatum(scan->interval.to);
	values[3] = meter_spi_text(scan->type, &isnull);
	values[4] = TimestampTzGetDatum(as_of);
	scan->reversals = meter_reversal_open(organization, scan->type, scan->interval, as_of);
	portal = meter_spi_open(TIMESTAMP_IS_NOEND(as_of) ? &current : &known, values, NULL, true);
	meter_event_require_kept(scan->interval);
	do
	{
		SPITupleTable *table;

		CHECK_FOR_INTERRUPTS();
		rows = meter_spi_fetch(portal, SCAN_BATCH);
		table = SPI_tuptable;
		for (uint64 r = 0; r < rows && wanted; r++)
		{
			MemoryContext old = MemoryContextSwitchTo(context);
			TimestampTz first;

			/* the visitor may use SPI itself */
			SPI_tuptable = table;
			first = DatumGetTimestampTz(meter_spi_value(r, 2, &isnull));
			wanted = more == NULL || more(scan->arg, first);
			if (wanted)
			{
				meter_reversal_seek(scan->reversals, meter_hour_of(first));
				SPI_tuptable = table;
				visit_page(scan, meter_spi_get_text(r, 1));
			}
			MemoryContextSwitchTo(old);
			MemoryContextReset(context);
		}
		SPI_freetuptable(table);
	} while (rows == SCAN_BATCH && wanted);
	SPI_cursor_close(portal);
	meter_reversal_close(scan->reversals);
	MemoryContextDelete(context);
}

/* Visit events in intervals; see store.h. */
void
meter_event_scan(const pg_uuid_t *organization, MeterText type, const MeterText *subject,
				 const MeterInterval *intervals, int n, MeterEventVisit visit, void *arg)
{
	EventScan	scan = {.type = type, .subject = subject, .visit = visit, .arg = arg};

	for (int i = 0; i < n; i++)
	{
		scan.interval = intervals[i];
		scan_interval(organization, &scan, DT_NOEND, NULL);
	}
}

/* Visit events as they were known; see store.h. */
void
meter_event_scan_known(const pg_uuid_t *organization, MeterText type, MeterInterval interval,
					   TimestampTz as_of, MeterEventMore more, MeterEventVisit visit, void *arg)
{
	EventScan	scan = {.type = type, .interval = interval, .visit = visit, .arg = arg};

	scan_interval(organization, &scan, as_of, more);
}
