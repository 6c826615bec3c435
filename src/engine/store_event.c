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

/* Visit what a page holds of the interval and the subject. */
static void
visit_page(MeterText page, MeterText type, const MeterText *subject, MeterInterval interval,
		   MeterEventVisit visit, void *arg)
{
	MeterEventCursor cursor = {.rest = page};
	MeterEventRow row;

	while (meter_event_page_next(&cursor, &row))
	{
		/* a page is in order of time */
		if (row.time >= interval.to)
			return;
		if (row.time < interval.from)
			continue;
		if (subject && (row.subject.data == NULL || row.subject.len != subject->len ||
						memcmp(row.subject.data, subject->data, subject->len) != 0))
			continue;
		row.type = type;
		visit(arg, &row);
	}
}

/* Visit the events of one interval, one subject's or all (NULL), until more
 * (which may be NULL) says no. */
static void
scan_interval(const pg_uuid_t *organization, MeterText type, const MeterText *subject,
			  MeterInterval interval, MeterEventMore more, MeterEventVisit visit, void *arg)
{
	static MeterStatement statement = {
		"SELECT e.events, e.\"time\" FROM meter.event AS e"
		" WHERE e.organization_id = $1 AND e.\"time\" >= $2 AND e.\"time\" < $3 AND e.type = $4"
		" AND e.replaced_at IS NULL"
		" ORDER BY e.\"time\", e.seq",
		4, {UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID}
	};
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "meter event scan",
												  ALLOCSET_DEFAULT_SIZES);
	Datum		values[4];
	bool		isnull;
	Portal		portal;
	uint64		rows;
	bool		wanted = true;

	values[0] = UUIDPGetDatum(organization);
	values[1] = TimestampTzGetDatum(hour_floor(interval.from));
	values[2] = TimestampTzGetDatum(interval.to);
	values[3] = meter_spi_text(type, &isnull);
	portal = meter_spi_open(&statement, values, NULL, true);
	do
	{
		SPITupleTable *table;

		CHECK_FOR_INTERRUPTS();
		rows = meter_spi_fetch(portal, SCAN_BATCH);
		table = SPI_tuptable;
		for (uint64 r = 0; r < rows && wanted; r++)
		{
			MemoryContext old = MemoryContextSwitchTo(context);

			/* the visitor may use SPI itself */
			SPI_tuptable = table;
			wanted = more == NULL || more(arg, DatumGetTimestampTz(meter_spi_value(r, 2, &isnull)));
			SPI_tuptable = table;
			if (wanted)
				visit_page(meter_spi_get_text(r, 1), type, subject, interval, visit, arg);
			MemoryContextSwitchTo(old);
			MemoryContextReset(context);
		}
		SPI_freetuptable(table);
	} while (rows == SCAN_BATCH && wanted);
	SPI_cursor_close(portal);
	MemoryContextDelete(context);
}

/* Visit events in intervals; see store.h. */
void
meter_event_scan(const pg_uuid_t *organization, MeterText type, const MeterText *subject,
				 const MeterInterval *intervals, int n, MeterEventVisit visit, void *arg)
{
	for (int i = 0; i < n; i++)
		scan_interval(organization, type, subject, intervals[i], NULL, visit, arg);
}

/* Visit events until it is enough; see store.h. */
void
meter_event_scan_while(const pg_uuid_t *organization, MeterText type, MeterInterval interval,
					   MeterEventMore more, MeterEventVisit visit, void *arg)
{
	scan_interval(organization, type, NULL, interval, more, visit, arg);
}
