/*
 * store_revision.c
 *		The event store, for counting events anew: pages and their revisions.
 *
 * A page is never changed.  What its events are counted by may change: then the
 * page is marked as replaced, and a revision with the same time, arrival number
 * and events stands in its place.  What was known at some time can still be read.
 */
#include "engine/store.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "engine/spi.h"

#define SIZES_BATCH 500

/* The pages that stand in the place they came to, of one type and interval. */
#define PAGES_OF_TYPE \
	" FROM meter.event AS e" \
	" WHERE e.organization_id = $1 AND e.\"time\" >= $2 AND e.\"time\" < $3 AND e.type = $4" \
	" AND e.replaced_at IS NULL" \
	" ORDER BY e.\"time\", e.seq"

static Portal
open_pages(MeterStatement *statement, const pg_uuid_t *organization, MeterText type,
		   MeterInterval interval)
{
	Datum		values[4];
	bool		isnull;

	values[0] = UUIDPGetDatum(organization);
	values[1] = TimestampTzGetDatum(interval.from);
	values[2] = TimestampTzGetDatum(interval.to);
	values[3] = meter_spi_text(type, &isnull);
	return meter_spi_open(statement, values, NULL, true);
}

/* Look at pages without reading them; see store.h. */
void
meter_event_sizes(const pg_uuid_t *organization, MeterText type, MeterInterval interval,
				  MeterEventSizeVisit visit, void *arg)
{
	static MeterStatement statement = {
		"SELECT e.\"time\", pg_catalog.octet_length(e.events)" PAGES_OF_TYPE,
		4, {UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID}
	};
	Portal		portal = open_pages(&statement, organization, type, interval);
	bool		wanted = true;
	uint64		rows;

	do
	{
		CHECK_FOR_INTERRUPTS();
		rows = meter_spi_fetch(portal, SIZES_BATCH);
		for (uint64 row = 0; row < rows && wanted; row++)
		{
			bool		isnull;

			wanted = visit(arg, DatumGetTimestampTz(meter_spi_value(row, 1, &isnull)),
						   DatumGetInt32(meter_spi_value(row, 2, &isnull)));
		}
		SPI_freetuptable(SPI_tuptable);
	} while (rows == SIZES_BATCH && wanted);
	SPI_cursor_close(portal);
}

/* The first page's time; see store.h. */
TimestampTz
meter_event_first(const pg_uuid_t *organization, MeterInterval interval)
{
	static MeterStatement statement = {
		"SELECT e.\"time\" FROM meter.event AS e"
		" WHERE e.organization_id = $1 AND e.\"time\" >= $2 AND e.\"time\" < $3"
		" ORDER BY e.\"time\" LIMIT 1",
		3, {UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	Datum		values[3];
	TimestampTz result = DT_NOEND;
	bool		isnull;

	values[0] = UUIDPGetDatum(organization);
	values[1] = TimestampTzGetDatum(interval.from);
	values[2] = TimestampTzGetDatum(interval.to);
	meter_spi_execute(&statement, values, NULL, true);
	if (SPI_processed > 0)
		result = DatumGetTimestampTz(meter_spi_value(0, 1, &isnull));
	SPI_freetuptable(SPI_tuptable);
	return result;
}

/* Visit pages; see store.h. */
void
meter_event_pages(const pg_uuid_t *organization, MeterText type, MeterInterval interval,
				  int at_a_time, MeterEventPagesVisit visit, void *arg)
{
	static MeterStatement statement = {
		"SELECT e.\"time\", e.seq, e.revision, e.received_at, e.events" PAGES_OF_TYPE,
		4, {UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID}
	};
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "meter event pages",
												  ALLOCSET_DEFAULT_SIZES);
	Portal		portal = open_pages(&statement, organization, type, interval);
	bool		wanted = true;
	uint64		rows;

	do
	{
		SPITupleTable *table;
		MemoryContext old;
		MeterEventPage *pages;

		CHECK_FOR_INTERRUPTS();
		rows = meter_spi_fetch(portal, at_a_time);
		table = SPI_tuptable;
		old = MemoryContextSwitchTo(context);
		pages = palloc(Max(rows, 1) * sizeof(MeterEventPage));
		for (uint64 row = 0; row < rows; row++)
		{
			bool		isnull;

			pages[row].time = DatumGetTimestampTz(meter_spi_value(row, 1, &isnull));
			pages[row].seq = DatumGetInt64(meter_spi_value(row, 2, &isnull));
			pages[row].revision = DatumGetInt32(meter_spi_value(row, 3, &isnull));
			pages[row].received_at = DatumGetTimestampTz(meter_spi_value(row, 4, &isnull));
			pages[row].events = meter_spi_get_text(row, 5);
		}
		/* the visitor may use SPI itself */
		wanted = rows > 0 && visit(arg, pages, (int) rows);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
		SPI_freetuptable(table);
	} while (rows == at_a_time && wanted);
	SPI_cursor_close(portal);
	MemoryContextDelete(context);
}

/* A trigger or policy kept rows out, or what it kept would be counted twice. */
static void
check_processed(int n)
{
	if (SPI_processed != n)
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
				 errmsg("a trigger or policy of meter.event keeps rows out that counting anew needs")));
}

/* Mark pages as replaced. */
static void
mark_replaced(const pg_uuid_t *organization, TimestampTz replaced_at, Datum *columns, int n)
{
	static MeterStatement statement = {
		"UPDATE meter.event AS e SET replaced_at = $2"
		" FROM ROWS FROM (pg_catalog.unnest($3), pg_catalog.unnest($4), pg_catalog.unnest($5))"
		" AS u(\"time\", seq, revision)"
		" WHERE e.organization_id = $1 AND e.\"time\" = u.\"time\" AND e.seq = u.seq"
		" AND e.revision = u.revision",
		5, {UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID, INT4ARRAYOID}
	};
	Datum		values[5];

	values[0] = UUIDPGetDatum(organization);
	values[1] = TimestampTzGetDatum(replaced_at);
	values[2] = meter_spi_array(columns, NULL, n, TIMESTAMPTZOID);
	values[3] = meter_spi_array(columns + n, NULL, n, INT8OID);
	values[4] = meter_spi_array(columns + 2 * n, NULL, n, INT4OID);
	meter_spi_execute(&statement, values, NULL, false);
	check_processed(n);
}

/* Replace pages; see store.h. */
void
meter_event_replace(const pg_uuid_t *organization, MeterText type, TimestampTz revised_at,
					const MeterEventPage *pages, const MeterText *events, int n)
{
	static MeterInsert insert = {
		.table = "meter.event", .tail = "",
		.nfixed = 3, .ncolumns = 8, .columns = {
			{"organization_id", UUIDOID}, {"type", TEXTOID}, {"revised_at", TIMESTAMPTZOID},
			{"time", TIMESTAMPTZOID}, {"seq", INT8OID}, {"revision", INT4OID},
			{"received_at", TIMESTAMPTZOID}, {"events", BYTEAOID}
		}
	};
	Datum	   *columns = palloc(5 * Max(n, 1) * sizeof(Datum));
	Datum		fixed[3];
	bool		isnull;

	if (n == 0)
		return;
	for (int i = 0; i < n; i++)
	{
		columns[i] = TimestampTzGetDatum(pages[i].time);
		columns[n + i] = Int64GetDatum(pages[i].seq);
		columns[2 * n + i] = Int32GetDatum(pages[i].revision);
		columns[3 * n + i] = TimestampTzGetDatum(pages[i].received_at);
		columns[4 * n + i] = meter_spi_text(events[i], &isnull);
	}
	mark_replaced(organization, revised_at, columns, n);
	for (int i = 0; i < n; i++)
		columns[2 * n + i] = Int32GetDatum(pages[i].revision + 1);
	fixed[0] = UUIDPGetDatum(organization);
	fixed[1] = meter_spi_text(type, &isnull);
	fixed[2] = TimestampTzGetDatum(revised_at);
	meter_spi_insert(&insert, fixed, columns, NULL, n);
	check_processed(n);
}

/* The rows of a result: time, seq. */
static int
get_places(MeterEventPlace **list)
{
	int			n = (int) SPI_processed;

	*list = palloc_extended(Max(n, 1) * sizeof(MeterEventPlace), MCXT_ALLOC_HUGE);
	for (int row = 0; row < n; row++)
	{
		bool		isnull;

		(*list)[row].time = DatumGetTimestampTz(meter_spi_value(row, 1, &isnull));
		(*list)[row].seq = DatumGetInt64(meter_spi_value(row, 2, &isnull));
	}
	SPI_freetuptable(SPI_tuptable);
	return n;
}

/* Where events have supplements; see store.h. */
int
meter_event_supplements(const pg_uuid_t *organization, const int64 *seqs, int n,
						MeterEventPlace **list)
{
	static MeterStatement statement = {
		/* most organizations have none at all */
		"SELECT p.\"time\", p.seq FROM pg_catalog.unnest($2) AS u(seq),"
		" LATERAL (SELECT p.\"time\", p.seq FROM meter.event_placement AS p"
		" WHERE p.organization_id = $1 AND p.seq = u.seq OFFSET 0) AS p"
		" WHERE EXISTS (SELECT FROM meter.event_placement AS p WHERE p.organization_id = $1)",
		2, {UUIDOID, INT8ARRAYOID}
	};
	Datum		values[2];

	values[0] = UUIDPGetDatum(organization);
	values[1] = meter_spi_int64_array(seqs, n);
	meter_spi_execute(&statement, values, NULL, true);
	return get_places(list);
}

/* What was taken back; see store.h. */
int
meter_event_reversed(const pg_uuid_t *organization, MeterText type, MeterInterval interval,
					 MeterEventPlace **list)
{
	static MeterStatement statement = {
		"SELECT r.\"time\", r.seq FROM meter.event_reversal AS r"
		" WHERE r.organization_id = $1 AND r.type = $2 AND r.\"time\" >= $3 AND r.\"time\" < $4"
		" ORDER BY r.\"time\", r.seq",
		4, {UUIDOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	Datum		values[4];
	bool		isnull;

	values[0] = UUIDPGetDatum(organization);
	values[1] = meter_spi_text(type, &isnull);
	values[2] = TimestampTzGetDatum(interval.from);
	values[3] = TimestampTzGetDatum(interval.to);
	meter_spi_execute(&statement, values, NULL, true);
	return get_places(list);
}

/* The rollups hold none of what was taken back; see store.h. */
void
meter_reversal_settle(const pg_uuid_t *organization, MeterText type, MeterInterval interval,
					  const int32 *versions, int n)
{
	static MeterStatement statement = {
		"UPDATE meter.event_reversal AS r SET recount = ARRAY("
		"SELECT u.version_id FROM pg_catalog.unnest(r.recount) AS u(version_id)"
		" WHERE u.version_id <> ALL ($5))"
		" WHERE r.organization_id = $1 AND r.type = $2 AND r.\"time\" >= $3 AND r.\"time\" < $4"
		" AND r.recount && $5",
		5, {UUIDOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT4ARRAYOID}
	};
	Datum	   *list = palloc(Max(n, 1) * sizeof(Datum));
	Datum		values[5];
	bool		isnull;

	for (int i = 0; i < n; i++)
		list[i] = Int32GetDatum(versions[i]);
	values[0] = UUIDPGetDatum(organization);
	values[1] = meter_spi_text(type, &isnull);
	values[2] = TimestampTzGetDatum(interval.from);
	values[3] = TimestampTzGetDatum(interval.to);
	values[4] = meter_spi_array(list, NULL, n, INT4OID);
	meter_spi_execute(&statement, values, NULL, false);
}
