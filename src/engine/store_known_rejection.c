/*
 * store_known_rejection.c
 *		The rejected store, asked about events that other meters have.
 */
#include "engine/store.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "engine/spi.h"

/* What meters rejected of these events; see store.h. */
int
meter_known_rejection_find(const pg_uuid_t *organization, const int64 *seqs, int n, MeterKnownRejection **list)
{
	static MeterStatement statement = {
		/* most organizations have none at all */
		"SELECT r.seq, r.rejection_id, r.first_id, r.meter_id, r.resolved_at IS NULL,"
		" r.status = 'quarantined', r.status = 'quarantined' OR r.code IN ('LATE', 'TOO_OLD', 'TOO_FUTURE')"
		" FROM pg_catalog.unnest($2) AS u(seq), LATERAL (SELECT r.*"
		" FROM meter.rejected_event AS r"
		" WHERE r.organization_id = $1 AND r.seq = u.seq AND r.meter_id IS NOT NULL OFFSET 0) AS r"
		" WHERE EXISTS (SELECT FROM meter.rejected_event AS r"
		" WHERE r.organization_id = $1 AND r.seq IS NOT NULL)",
		2, {UUIDOID, INT8ARRAYOID}
	};
	Datum		values[2];
	int			count;

	values[0] = UUIDPGetDatum(organization);
	values[1] = meter_spi_int64_array(seqs, n);
	meter_spi_execute(&statement, values, NULL, true);
	count = (int) SPI_processed;
	*list = palloc_extended(Max(count, 1) * sizeof(MeterKnownRejection), MCXT_ALLOC_HUGE);
	for (int row = 0; row < count; row++)
	{
		bool		isnull;

		(*list)[row] = (MeterKnownRejection) {
			.seq = DatumGetInt64(meter_spi_value(row, 1, &isnull)),
				.rejection_id = DatumGetInt64(meter_spi_value(row, 2, &isnull)),
				.first_id = DatumGetInt64(meter_spi_value(row, 3, &isnull)),
				.meter_id = *DatumGetUUIDP(meter_spi_value(row, 4, &isnull)),
				.open = DatumGetBool(meter_spi_value(row, 5, &isnull)),
				.quarantined = DatumGetBool(meter_spi_value(row, 6, &isnull)),
				.untimely = DatumGetBool(meter_spi_value(row, 7, &isnull))
		};
	}
	SPI_freetuptable(SPI_tuptable);
	return count;
}

/* Events were counted after all; see store.h. */
void
meter_known_rejection_resolve(const pg_uuid_t *organization, const int64 *rejections, int n, TimestampTz at)
{
	static MeterStatement statement = {
		"UPDATE meter.rejected_event AS r SET resolved_at = $3, resolution = 'reprocessed'"
		" WHERE r.organization_id = $1 AND r.rejection_id = ANY ($2) AND r.resolved_at IS NULL",
		3, {UUIDOID, INT8ARRAYOID, TIMESTAMPTZOID}
	};
	Datum		values[3];

	values[0] = UUIDPGetDatum(organization);
	values[1] = meter_spi_int64_array(rejections, n);
	values[2] = TimestampTzGetDatum(at);
	meter_spi_execute(&statement, values, NULL, false);
}
