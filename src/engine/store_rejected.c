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
