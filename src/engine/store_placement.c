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
