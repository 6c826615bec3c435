/*
 * store_retry.c
 *		The rejected store: what is tried again.
 *
 * The unit is the event.  Its first rejection is locked before any other of its
 * rejections, so whoever has it has the event to himself: two who try different
 * meters' rejections of one event cannot both store it.  What somebody else has
 * is passed over.
 */
#include "engine/store.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "engine/spi.h"

static bool
text_is(MeterText text, const char *value)
{
	return text.len == strlen(value) && memcmp(text.data, value, text.len) == 0;
}

/* What is known of some rejections; see store.h. */
MeterRejectionState *
meter_rejection_look_up(const pg_uuid_t *organization, const int64 *ids, int n)
{
	static MeterStatement statement = {
		/* the inner query stands alone, to be an index probe for each */
		"SELECT u.n, r.first_id, r.resolved_at IS NOT NULL, r.status = 'quarantined', r.meter_id,"
		" octet_length(r.payload::text)"
		" FROM pg_catalog.unnest($2) WITH ORDINALITY AS u(id, n),"
		" LATERAL (SELECT * FROM meter.rejected_event AS r"
		" WHERE r.organization_id = $1 AND r.rejection_id = u.id OFFSET 0) AS r",
		2, {UUIDOID, INT8ARRAYOID}
	};
	MeterRejectionState *states = palloc0(Max(n, 1) * sizeof(MeterRejectionState));
	Datum		values[2];
	bool		isnull;

	for (int i = 0; i < n; i++)
		states[i].rejection_id = ids[i];
	values[0] = UUIDPGetDatum(organization);
	values[1] = meter_spi_int64_array(ids, n);
	meter_spi_execute(&statement, values, NULL, false);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		MeterRejectionState *state = &states[DatumGetInt64(meter_spi_value(row, 1, &isnull)) - 1];
		Datum		meter_id;

		state->first_id = DatumGetInt64(meter_spi_value(row, 2, &isnull));
		state->resolved = DatumGetBool(meter_spi_value(row, 3, &isnull));
		state->quarantined = DatumGetBool(meter_spi_value(row, 4, &isnull));
		meter_id = meter_spi_value(row, 5, &isnull);
		state->by_meter = !isnull;
		if (!isnull)
			state->meter_id = *DatumGetUUIDP(meter_id);
		state->bytes = DatumGetInt32(meter_spi_value(row, 6, &isnull));
	}
	SPI_freetuptable(SPI_tuptable);
	return states;
}

/* The next events that have open rejections; see store.h. */
int
meter_rejection_next(const pg_uuid_t *organization, bool quarantined, const pg_uuid_t *meter_id,
					 int64 after, int64 **firsts)
{
	static MeterStatement statement = {
		"SELECT r.first_id, octet_length(r.payload::text) FROM meter.rejected_event AS r"
		" WHERE r.organization_id = $1 AND r.resolved_at IS NULL AND r.first_id > $2"
		" AND (r.status = 'quarantined') = $3 AND ($4::uuid IS NULL OR r.meter_id = $4)"
		" ORDER BY r.first_id LIMIT $5",
		5, {UUIDOID, INT8OID, BOOLOID, UUIDOID, INT8OID}
	};
	Datum		values[5];
	const char	nulls[5] = {' ', ' ', ' ', meter_id ? ' ' : 'n', ' '};
	int64		bytes = 0;
	int			n = 0;
	bool		isnull;

	values[0] = UUIDPGetDatum(organization);
	values[1] = Int64GetDatum(after);
	values[2] = BoolGetDatum(quarantined);
	values[3] = UUIDPGetDatum(meter_id);
	values[4] = Int64GetDatum(METER_REJECTION_EVENTS);
	meter_spi_execute_once(&statement, values, nulls, false);
	*firsts = palloc(Max(SPI_processed, 1) * sizeof(int64));
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		int64		first = DatumGetInt64(meter_spi_value(row, 1, &isnull));

		if (n > 0 && first == (*firsts)[n - 1])
			continue;
		if (n > 0 && bytes > METER_REJECTION_BYTES)
			break;
		bytes += DatumGetInt32(meter_spi_value(row, 2, &isnull));
		(*firsts)[n++] = first;
	}
	SPI_freetuptable(SPI_tuptable);
	return n;
}

/* A row of the next function's query. */
static void
read_rejection(uint64 row, MeterRejection *out)
{
	MeterText	payload = meter_spi_get_text(row, 8);
	Datum		value;
	bool		isnull;

	memset(out, 0, sizeof(*out));
	out->rejection_id = DatumGetInt64(meter_spi_value(row, 1, &isnull));
	out->first_id = DatumGetInt64(meter_spi_value(row, 2, &isnull));
	out->quarantined = text_is(meter_spi_get_text(row, 3), "quarantined");
	out->received_at = DatumGetTimestampTz(meter_spi_value(row, 4, &isnull));
	value = meter_spi_value(row, 5, &isnull);
	out->by_meter = !isnull;
	if (!isnull)
		out->meter_id = *DatumGetUUIDP(value);
	value = meter_spi_value(row, 6, &isnull);
	out->seq = isnull ? 0 : DatumGetInt64(value);
	value = meter_spi_value(row, 7, &isnull);
	out->stored = !isnull;
	out->time = isnull ? 0 : DatumGetTimestampTz(value);
	out->payload = (MeterText) {pnstrdup(payload.data, payload.len), payload.len};
}

/* Lock events and read their open rejections; see store.h. */
int
meter_rejection_lock(const pg_uuid_t *organization, const int64 *firsts, int n, MeterRejection **rejections)
{
	static MeterStatement statement = {
		/* what locks is no part of the join, so this is the order it happens in */
		"SELECT r.rejection_id, f.rejection_id, r.status, r.received_at, r.meter_id, r.seq, f.\"time\","
		" r.payload"
		" FROM pg_catalog.unnest($2) AS u(id),"
		" LATERAL (SELECT * FROM meter.rejected_event AS f"
		" WHERE f.organization_id = $1 AND f.rejection_id = u.id FOR UPDATE SKIP LOCKED) AS f,"
		" LATERAL (SELECT * FROM meter.rejected_event AS r"
		" WHERE r.organization_id = $1 AND r.first_id = f.rejection_id AND r.resolved_at IS NULL"
		" ORDER BY r.rejection_id FOR UPDATE SKIP LOCKED) AS r",
		2, {UUIDOID, INT8ARRAYOID}
	};
	Datum		values[2];
	int			rows;

	values[0] = UUIDPGetDatum(organization);
	values[1] = meter_spi_int64_array(firsts, n);
	meter_spi_execute_once(&statement, values, NULL, false);
	rows = (int) SPI_processed;
	*rejections = palloc(Max(rows, 1) * sizeof(MeterRejection));
	for (int row = 0; row < rows; row++)
		read_rejection(row, &(*rejections)[row]);
	SPI_freetuptable(SPI_tuptable);
	return rows;
}

/* An index probe for each number, whatever is believed of the table; the rows
 * are locked by now, so they stay where they are. */
#define PLACE_OF_ID \
	"LATERAL (SELECT k.ctid FROM meter.rejected_event AS k" \
	" WHERE k.organization_id = $1 AND k.rejection_id = u.id OFFSET 0) AS k OFFSET 0"

/* Note what came of rejections that were tried again; see store.h. */
void
meter_rejection_settle(const pg_uuid_t *organization, TimestampTz now, const char *resolution,
					   const MeterRejectionResult *results, int n)
{
	static MeterStatement statement = {
		"UPDATE meter.rejected_event AS r SET tried_at = $2,"
		" resolved_at = CASE WHEN u.resolved THEN $2 END, resolution = CASE WHEN u.resolved THEN $3 END,"
		" status = coalesce(u.status, r.status), code = coalesce(u.code, r.code),"
		" pointer = CASE WHEN u.resolved THEN r.pointer ELSE u.pointer END,"
		" message = coalesce(u.message, r.message), seq = coalesce(u.seq, r.seq)"
		" FROM (SELECT u.*, k.ctid AS place"
		" FROM ROWS FROM (pg_catalog.unnest($4), pg_catalog.unnest($5), pg_catalog.unnest($6),"
		" pg_catalog.unnest($7), pg_catalog.unnest($8), pg_catalog.unnest($9), pg_catalog.unnest($10))"
		" AS u(id, resolved, seq, status, code, pointer, message), " PLACE_OF_ID ") AS u"
		" WHERE r.ctid = u.place",
		10, {UUIDOID, TIMESTAMPTZOID, TEXTOID, INT8ARRAYOID, BOOLARRAYOID, INT8ARRAYOID,
		TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID}
	};
	static const Oid types[] = {INT8OID, BOOLOID, INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	Datum	   *columns = palloc(lengthof(types) * n * sizeof(Datum));
	bool	   *nulls = palloc0(lengthof(types) * n * sizeof(bool));
	Datum		values[3 + lengthof(types)];

	for (int i = 0; i < n; i++)
	{
		const MeterRejectionResult *result = &results[i];
		const char *texts[] = {result->status, result->code, result->pointer, result->message};

		columns[i] = Int64GetDatum(result->rejection_id);
		columns[n + i] = BoolGetDatum(result->resolved);
		columns[2 * n + i] = Int64GetDatum(result->seq);
		nulls[2 * n + i] = result->seq == 0;
		for (int t = 0; t < lengthof(texts); t++)
		{
			int			at = (3 + t) * n + i;
			const char *text = result->resolved ? NULL : texts[t];

			columns[at] = meter_spi_text((MeterText) {text, text ? strlen(text) : 0}, &nulls[at]);
		}
	}
	values[0] = UUIDPGetDatum(organization);
	values[1] = TimestampTzGetDatum(now);
	values[2] = CStringGetTextDatum(resolution);
	for (int c = 0; c < lengthof(types); c++)
		values[3 + c] = meter_spi_array(columns + c * n, nulls + c * n, n, types[c]);
	meter_spi_execute(&statement, values, NULL, false);
}

/* Note where events are stored now; see store.h. */
void
meter_rejection_stored(const pg_uuid_t *organization, const int64 *firsts, const TimestampTz *times, int n)
{
	static MeterStatement statement = {
		"UPDATE meter.rejected_event AS r SET \"time\" = u.\"time\""
		" FROM (SELECT u.*, k.ctid AS place"
		" FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3)) AS u(id, \"time\"), " PLACE_OF_ID ") AS u"
		" WHERE r.ctid = u.place",
		3, {UUIDOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID}
	};
	Datum	   *datums = palloc(Max(n, 1) * sizeof(Datum));
	Datum		values[3];

	if (n == 0)
		return;
	for (int i = 0; i < n; i++)
		datums[i] = TimestampTzGetDatum(times[i]);
	values[0] = UUIDPGetDatum(organization);
	values[1] = meter_spi_int64_array(firsts, n);
	values[2] = meter_spi_array(datums, NULL, n, TIMESTAMPTZOID);
	meter_spi_execute(&statement, values, NULL, false);
}
