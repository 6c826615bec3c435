/*
 * store_event.c
 *		The event store: events as they came, in partitions by their time.
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

#include "engine/spi.h"

#define SCAN_BATCH 1000

/* The arrival number of one more event. */
int64
meter_event_next_seq(void)
{
	Oid			sequence = get_relname_relid("event_seq", get_namespace_oid("meter", false));

	if (!OidIsValid(sequence))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the store of meter does not exist"),
				 errhint("Run SELECT meter.create_store().")));
	return nextval_internal(sequence, true);
}

/* Append events; see store.h. */
void
meter_event_append(const pg_uuid_t *organization, TimestampTz received_at,
				   const MeterEventRow *rows, int n)
{
	static MeterInsert insert = {
		.table = "meter.event", .tail = "",
		.nfixed = 2, .ncolumns = 11, .columns = {
			{"organization_id", UUIDOID}, {"received_at", TIMESTAMPTZOID},
			{"time", TIMESTAMPTZOID}, {"seq", INT8OID}, {"type", TEXTOID}, {"source", TEXTOID},
			{"id", TEXTOID}, {"subject", TEXTOID}, {"meter_id", UUIDOID},
			{"versions", TEXTOID, "::int[]"}, {"data", JSONOID}
		}
	};
	const int	nvarying = insert.ncolumns - insert.nfixed;
	MemoryContext context;
	MemoryContext old;
	Datum	   *columns;
	bool	   *nulls;
	Datum		fixed[2];

	if (n == 0)
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "meter event append",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	columns = palloc_extended((Size) nvarying * n * sizeof(Datum), MCXT_ALLOC_HUGE);
	nulls = palloc0((Size) nvarying * n * sizeof(bool));
	for (int i = 0; i < n; i++)
	{
		const MeterEventRow *row = &rows[i];

		columns[i] = TimestampTzGetDatum(row->time);
		columns[n + i] = Int64GetDatum(row->seq);
		columns[2 * n + i] = meter_spi_text(row->type, &nulls[2 * n + i]);
		columns[3 * n + i] = meter_spi_text(row->source, &nulls[3 * n + i]);
		columns[4 * n + i] = meter_spi_text(row->id, &nulls[4 * n + i]);
		columns[5 * n + i] = meter_spi_text(row->subject, &nulls[5 * n + i]);
		nulls[6 * n + i] = row->meter_id == NULL;
		columns[6 * n + i] = row->meter_id ? UUIDPGetDatum(row->meter_id) : (Datum) 0;
		columns[7 * n + i] = meter_spi_text(row->versions, &nulls[7 * n + i]);
		columns[8 * n + i] = meter_spi_text(row->data, &nulls[8 * n + i]);
	}
	fixed[0] = UUIDPGetDatum(organization);
	fixed[1] = TimestampTzGetDatum(received_at);
	meter_spi_insert(&insert, fixed, columns, nulls, n);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* Visit the rows the cursor gives, some at a time. */
static void
visit_rows(Portal portal, MeterEventVisit visit, void *arg)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "meter event scan",
												  ALLOCSET_DEFAULT_SIZES);

	for (;;)
	{
		SPITupleTable *table;
		uint64		rows;

		CHECK_FOR_INTERRUPTS();
		SPI_cursor_fetch(portal, true, SCAN_BATCH);
		rows = SPI_processed;
		table = SPI_tuptable;
		for (uint64 r = 0; r < rows; r++)
		{
			MemoryContext old = MemoryContextSwitchTo(context);
			MeterEventRow row = {0};
			bool		isnull;
			Datum		meter_id;

			/* the visitor may use SPI itself */
			SPI_tuptable = table;
			row.time = DatumGetTimestampTz(meter_spi_value(r, 1, &isnull));
			row.seq = DatumGetInt64(meter_spi_value(r, 2, &isnull));
			row.type = meter_spi_get_text(r, 3);
			row.source = meter_spi_get_text(r, 4);
			row.id = meter_spi_get_text(r, 5);
			row.subject = meter_spi_get_text(r, 6);
			meter_id = meter_spi_value(r, 7, &isnull);
			row.meter_id = isnull ? NULL : DatumGetUUIDP(meter_id);
			row.versions = meter_spi_get_text(r, 8);
			row.data = meter_spi_get_text(r, 9);
			visit(arg, &row);
			MemoryContextSwitchTo(old);
			MemoryContextReset(context);
		}
		SPI_freetuptable(table);
		if (rows < SCAN_BATCH)
			break;
	}
	SPI_cursor_close(portal);
	MemoryContextDelete(context);
}

#define SCAN_SELECT \
	"SELECT e.\"time\", e.seq, e.type, e.source, e.id, e.subject, e.meter_id, e.versions::text, e.data" \
	" FROM meter.event AS e" \
	" WHERE e.organization_id = $1 AND e.type = $2 AND e.\"time\" >= $3 AND e.\"time\" < $4"

/* Visit events in intervals; see store.h. */
void
meter_event_scan(const pg_uuid_t *organization, MeterText type, const MeterText *subject,
				 const MeterInterval *intervals, int n, MeterEventVisit visit, void *arg)
{
	static MeterStatement all = {
		SCAN_SELECT, 4, {UUIDOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	static MeterStatement one = {
		SCAN_SELECT " AND e.subject = $5", 5,
		{UUIDOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID}
	};
	Datum		values[5];
	bool		isnull;

	values[0] = UUIDPGetDatum(organization);
	values[1] = meter_spi_text(type, &isnull);
	if (subject)
		values[4] = meter_spi_text(*subject, &isnull);
	for (int i = 0; i < n; i++)
	{
		values[2] = TimestampTzGetDatum(intervals[i].from);
		values[3] = TimestampTzGetDatum(intervals[i].to);
		visit_rows(meter_spi_open(subject ? &one : &all, values, NULL, true), visit, arg);
	}
}
