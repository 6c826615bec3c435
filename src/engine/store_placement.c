/*
 * store_placement.c
 *		Where events are counted besides where they are stored.
 */
#include "engine/store.h"

#include "catalog/pg_type.h"
#include "utils/timestamp.h"

#include "engine/spi.h"

/* Note placements; see store.h. */
void
meter_placement_append(const pg_uuid_t *organization, const MeterPlacement *placements, int n)
{
	static MeterInsert insert = {
		/* two meters may count an event at one place, one after the other */
		.table = "meter.event_placement", .tail = "ON CONFLICT DO NOTHING",
		.nfixed = 1, .ncolumns = 3, .columns = {
			{"organization_id", UUIDOID}, {"seq", INT8OID}, {"time", TIMESTAMPTZOID}
		}
	};
	Datum		fixed = UUIDPGetDatum(organization);
	Datum	   *columns;

	if (n == 0)
		return;
	columns = palloc(2 * n * sizeof(Datum));
	for (int i = 0; i < n; i++)
	{
		columns[i] = Int64GetDatum(placements[i].seq);
		columns[n + i] = TimestampTzGetDatum(placements[i].time);
	}
	meter_spi_insert(&insert, &fixed, columns, NULL, n);
	pfree(columns);
}

/* Where an event is counted besides; see store.h. */
int
meter_placement_list(const pg_uuid_t *organization, int64 seq, TimestampTz **times)
{
	static MeterStatement statement = {
		"SELECT p.\"time\" FROM meter.event_placement AS p"
		" WHERE p.organization_id = $1 AND p.seq = $2 ORDER BY p.\"time\"",
		2, {UUIDOID, INT8OID}
	};
	Datum		values[2];
	bool		isnull;
	int			n;

	values[0] = UUIDPGetDatum(organization);
	values[1] = Int64GetDatum(seq);
	meter_spi_execute(&statement, values, NULL, true);
	n = (int) SPI_processed;
	*times = palloc(Max(n, 1) * sizeof(TimestampTz));
	for (int row = 0; row < n; row++)
		(*times)[row] = DatumGetTimestampTz(meter_spi_value(row, 1, &isnull));
	SPI_freetuptable(SPI_tuptable);
	return n;
}
