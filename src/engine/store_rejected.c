/*
 * store_rejected.c
 *		The rejected store: what was not counted, kept whole with the reason.
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

#define SLICE_BYTES (16 * 1024 * 1024)

/* The number of one more rejection. */
int64
meter_rejected_next_id(void)
{
	meter_store_require();
	return nextval_internal(get_relname_relid("rejected_event_seq", get_namespace_oid("meter", false)), true);
}

/* A column of texts from C strings, NULL allowed. */
static Datum
cstring_datum(const char *text, bool *isnull)
{
	return meter_spi_text((MeterText) {text, text ? strlen(text) : 0}, isnull);
}

/* Append some of the rejections in one statement. */
static void
append_slice(const pg_uuid_t *organization, TimestampTz received_at,
			 const MeterRejectedRow *rows, int n)
{
	static MeterInsert insert = {
		.table = "meter.rejected_event", .tail = "",
		.nfixed = 2, .ncolumns = 12, .columns = {
			{"organization_id", UUIDOID}, {"received_at", TIMESTAMPTZOID}, {"meter_id", UUIDOID},
			{"status", TEXTOID}, {"code", TEXTOID}, {"pointer", TEXTOID}, {"message", TEXTOID},
			{"payload", JSONOID}, {"rejection_id", INT8OID}, {"first_id", INT8OID},
			{"seq", INT8OID}, {"time", TIMESTAMPTZOID}
		}
	};
	const int	nvarying = insert.ncolumns - insert.nfixed;
	MemoryContext context;
	MemoryContext old;
	Datum	   *columns;
	bool	   *nulls;
	Datum		fixed[2];

	context = AllocSetContextCreate(CurrentMemoryContext, "meter rejected append",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	columns = palloc((Size) nvarying * n * sizeof(Datum));
	nulls = palloc0((Size) nvarying * n * sizeof(bool));
	for (int i = 0; i < n; i++)
	{
		nulls[i] = rows[i].meter_id == NULL;
		columns[i] = rows[i].meter_id ? UUIDPGetDatum(rows[i].meter_id) : (Datum) 0;
		columns[n + i] = cstring_datum(rows[i].status, &nulls[n + i]);
		columns[2 * n + i] = cstring_datum(rows[i].code, &nulls[2 * n + i]);
		columns[3 * n + i] = cstring_datum(rows[i].pointer, &nulls[3 * n + i]);
		columns[4 * n + i] = cstring_datum(rows[i].message, &nulls[4 * n + i]);
		columns[5 * n + i] = meter_spi_text(rows[i].payload, &nulls[5 * n + i]);
		columns[6 * n + i] = Int64GetDatum(rows[i].rejection_id);
		columns[7 * n + i] = Int64GetDatum(rows[i].first_id);
		columns[8 * n + i] = Int64GetDatum(rows[i].seq);
		nulls[8 * n + i] = rows[i].seq == 0;
		columns[9 * n + i] = TimestampTzGetDatum(rows[i].time);
		nulls[9 * n + i] = !rows[i].stored || rows[i].first_id != rows[i].rejection_id;
	}
	fixed[0] = UUIDPGetDatum(organization);
	fixed[1] = TimestampTzGetDatum(received_at);
	meter_spi_insert(&insert, fixed, columns, nulls, n);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* Append rejections; see store.h. */
void
meter_rejected_append(const pg_uuid_t *organization, TimestampTz received_at,
					  const MeterRejectedRow *rows, int n)
{
	/* many meters may each reject the same large events: an array has a limit */
	for (int from = 0, to; from < n; from = to)
	{
		Size		bytes = 0;

		CHECK_FOR_INTERRUPTS();
		for (to = from; to < n && (to == from || bytes + rows[to].payload.len <= SLICE_BYTES); to++)
			bytes += rows[to].payload.len;
		append_slice(organization, received_at, rows + from, to - from);
	}
}

/*
 * Lock the first of an event's rejections, as who tries them again does (what
 * stands in store.h of MeterRejectedRow).  False where there are none.
 */
static bool
lock_rejections(const pg_uuid_t *organization, int64 seq)
{
	static MeterStatement statement = {
		"SELECT FROM meter.rejected_event AS f WHERE f.organization_id = $1 AND f.rejection_id = ("
		"SELECT r.first_id FROM meter.rejected_event AS r WHERE r.organization_id = $1 AND r.seq = $2 LIMIT 1)"
		" FOR UPDATE",
		2, {UUIDOID, INT8OID}
	};
	Datum		values[2];

	values[0] = UUIDPGetDatum(organization);
	values[1] = Int64GetDatum(seq);
	meter_spi_execute(&statement, values, NULL, false);
	return SPI_processed > 0;
}

/* Close an event's rejections; see store.h. */
int
meter_rejected_reverse(const pg_uuid_t *organization, int64 seq, TimestampTz at, MeterReversedRejection **list)
{
	static MeterStatement statement = {
		"UPDATE meter.rejected_event AS r SET resolved_at = $3, resolution = 'reversed'"
		" WHERE r.organization_id = $1 AND r.seq = $2 AND r.resolved_at IS NULL AND r.meter_id IS NOT NULL"
		" RETURNING r.meter_id, r.status, r.code, r.message, r.payload",
		3, {UUIDOID, INT8OID, TIMESTAMPTZOID}
	};
	Datum		values[3];
	int			n;

	*list = NULL;
	if (!lock_rejections(organization, seq))
		return 0;
	values[0] = UUIDPGetDatum(organization);
	values[1] = Int64GetDatum(seq);
	values[2] = TimestampTzGetDatum(at);
	meter_spi_execute(&statement, values, NULL, false);
	n = (int) SPI_processed;
	*list = palloc(Max(n, 1) * sizeof(MeterReversedRejection));
	for (int row = 0; row < n; row++)
	{
		bool		isnull;
		MeterText	payload = meter_spi_get_text(row, 5);

		(*list)[row] = (MeterReversedRejection) {
			.meter_id = *DatumGetUUIDP(meter_spi_value(row, 1, &isnull)),
				.status = TextDatumGetCString(meter_spi_value(row, 2, &isnull)),
				.code = TextDatumGetCString(meter_spi_value(row, 3, &isnull)),
				.message = TextDatumGetCString(meter_spi_value(row, 4, &isnull)),
				.payload = {pnstrdup(payload.data, payload.len), payload.len}
		};
	}
	SPI_freetuptable(SPI_tuptable);
	return n;
}
