/*
 * store_rollup.c
 *		The rollup store: usage states by series, hour and stripe.
 *
 * A transaction writes rows of one stripe, its own (locks.h), so that it
 * waits for nobody; readers merge the stripes.
 */
#include "engine/store.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "engine/locks.h"
#include "engine/spi.h"

#define SCAN_BATCH 1000

/* Merge deltas; see store.h. */
void
meter_rollup_merge(const pg_uuid_t *organization, const MeterRollupDelta *deltas, int n)
{
	static MeterInsert insert = {
		.table = "meter.rollup AS r",
		.tail = "ON CONFLICT (organization_id, series_id, hour, stripe)"
		" DO UPDATE SET cells = meter.rollup_cells(r.cells, excluded.cells)",
		.nfixed = 2, .ncolumns = 5, .columns = {
			{"organization_id", UUIDOID}, {"stripe", INT2OID}, {"series_id", INT8OID},
			{"hour", INT4OID}, {"cells", BYTEAOID}
		}
	};
	MemoryContext context;
	MemoryContext old;
	Datum	   *columns;
	Datum		fixed[2];
	bool		isnull;

	if (n == 0)
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "meter rollup merge",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	columns = palloc(3 * n * sizeof(Datum));
	for (int i = 0; i < n; i++)
	{
		columns[i] = Int64GetDatum(deltas[i].series_id);
		columns[n + i] = Int32GetDatum(deltas[i].hour);
		columns[2 * n + i] = meter_spi_text(deltas[i].cells, &isnull);
	}
	fixed[0] = UUIDPGetDatum(organization);
	fixed[1] = Int16GetDatum(meter_lock_stripe(organization));
	meter_spi_insert(&insert, fixed, columns, NULL, n);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* Visit the rollups of some series; see store.h. */
void
meter_rollup_scan(const pg_uuid_t *organization, const int64 *series, int n,
				  int32 from, int32 to, MeterRollupVisit visit, void *arg)
{
	static MeterStatement statement = {
		"SELECT r.series_id, r.hour, r.cells FROM meter.rollup AS r"
		" WHERE r.organization_id = $1 AND r.series_id = ANY ($2) AND r.hour >= $3 AND r.hour < $4",
		4, {UUIDOID, INT8ARRAYOID, INT4OID, INT4OID}
	};
	Datum	   *ids = palloc_extended(Max(n, 1) * sizeof(Datum), MCXT_ALLOC_HUGE);
	Datum		values[4];
	Portal		portal;
	uint64		rows;

	if (n == 0 || from >= to)
		return;
	for (int i = 0; i < n; i++)
		ids[i] = Int64GetDatum(series[i]);
	values[0] = UUIDPGetDatum(organization);
	values[1] = meter_spi_array(ids, NULL, n, INT8OID);
	values[2] = Int32GetDatum(from);
	values[3] = Int32GetDatum(to);
	portal = meter_spi_open(&statement, values, NULL, true);
	do
	{
		CHECK_FOR_INTERRUPTS();
		SPI_cursor_fetch(portal, true, SCAN_BATCH);
		rows = SPI_processed;
		for (uint64 r = 0; r < rows; r++)
		{
			bool		isnull;
			int64		series_id = DatumGetInt64(meter_spi_value(r, 1, &isnull));
			int32		hour = DatumGetInt32(meter_spi_value(r, 2, &isnull));
			bytea	   *cells = DatumGetByteaPP(meter_spi_value(r, 3, &isnull));

			visit(arg, series_id, hour,
				  (MeterText) {VARDATA_ANY(cells), VARSIZE_ANY_EXHDR(cells)});
		}
		SPI_freetuptable(SPI_tuptable);
	} while (rows == SCAN_BATCH);
	SPI_cursor_close(portal);
}
