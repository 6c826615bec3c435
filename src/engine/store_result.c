/*
 * store_result.c
 *		The tables of closing: results, horizons, and what is asked of others.
 *
 * A row of results is never changed; a revision is another row.
 */
#include "engine/closing_private.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "engine/spi.h"
#include "values/timestamp.h"

/* Rows of an INSERT. */
#define WRITE_BATCH 10000
#define SCAN_BATCH 1000

static Datum
text_datum(const char *text, char *null)
{
	*null = text ? ' ' : 'n';
	return text ? CStringGetTextDatum(text) : (Datum) 0;
}

/* Visit the last revisions; see closing_private.h. */
void
meter_result_scan(const MeterLane *lane, TimestampTz from, TimestampTz to,
				  const MeterClosingSubject *who, MeterResultVisit visit, void *arg)
{
#define LAST_REVISIONS(condition) \
	"SELECT DISTINCT ON (r.window_start, r.subject, r.window_end, r.currency, r.version)" \
	" r.window_start, r.window_end, r.subject, r.currency, r.version, r.revision, r.value, r.event_count" \
	" FROM meter.window_result AS r" \
	" WHERE r.organization_id = $1 AND r.meter_id = $2 AND " condition \
	" AND r.window_start >= $4 AND r.window_start < $5" \
	" ORDER BY r.window_start, r.subject, r.window_end, r.currency, r.version, r.revision DESC"
	/* a null is a value of the index too, but not to "=" */
	static MeterStatement own = {
		LAST_REVISIONS("r.profile IS NULL AND ($6 IS NULL OR r.subject = $6)"), 6,
		{UUIDOID, UUIDOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID}
	};
	static MeterStatement other = {
		LAST_REVISIONS("r.profile = $3 AND ($6 IS NULL OR r.subject = $6)"), 6,
		{UUIDOID, UUIDOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID}
	};
	Datum		values[6];
	char		nulls[7] = "      ";
	bool		isnull;
	Portal		portal;
	uint64		rows;

	values[0] = UUIDPGetDatum(lane->organization);
	values[1] = UUIDPGetDatum(&lane->meter->id);
	values[2] = text_datum(lane->profile, &nulls[2]);
	values[3] = TimestampTzGetDatum(from);
	values[4] = TimestampTzGetDatum(to);
	values[5] = who->every ? (Datum) 0 : meter_spi_text(who->subject, &isnull);
	nulls[5] = who->every || isnull ? 'n' : ' ';
	portal = meter_spi_open(lane->profile ? &other : &own, values, nulls, true);
	do
	{
		SPITupleTable *table;

		CHECK_FOR_INTERRUPTS();
		rows = meter_spi_fetch(portal, SCAN_BATCH);
		table = SPI_tuptable;
		for (uint64 r = 0; r < rows; r++)
		{
			MeterResult result = {
				.start = DatumGetTimestampTz(meter_spi_value(r, 1, &isnull)),
				.end = DatumGetTimestampTz(meter_spi_value(r, 2, &isnull)),
				.subject = meter_spi_get_text(r, 3),
				.currency = meter_spi_get_text(r, 4),
				.version = DatumGetInt32(meter_spi_value(r, 5, &isnull)),
				.revision = DatumGetInt32(meter_spi_value(r, 6, &isnull)),
				.count = DatumGetInt64(meter_spi_value(r, 8, &isnull))
			};
			Datum		value = meter_spi_value(r, 7, &isnull);

			result.value = isnull ? NULL : DatumGetNumeric(value);
			visit(arg, &result);
		}
		SPI_freetuptable(table);
	} while (rows == SCAN_BATCH);
	SPI_cursor_close(portal);
}

static void
append_text(StringInfo buf, const char *name, MeterText text)
{
	appendStringInfo(buf, ",\"%s\":", name);
	if (text.data)
		escape_json(buf, pnstrdup(text.data, text.len));
	else
		appendStringInfoString(buf, "null");
}

static void
append_numeric(StringInfo buf, const char *name, Numeric value)
{
	appendStringInfo(buf, ",\"%s\":%s", name, value == NULL ? "null" :
					 DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value))));
}

static MeterText
whole_text(const char *text)
{
	return (MeterText) {text, text ? strlen(text) : 0};
}

/* What the domain event of a result says; the meter's part comes made. */
static MeterText
make_payload(StringInfo buf, const char *head, const MeterResult *result)
{
	char		start[METER_TIMESTAMP_LEN];
	char		end[METER_TIMESTAMP_LEN];

	resetStringInfo(buf);
	meter_timestamp_format(result->start, start);
	meter_timestamp_format(result->end, end);
	appendStringInfo(buf, "%s,\"window_start\":\"%s\",\"window_end\":\"%s\",\"version\":%d,\"revision\":%d,\"event_count\":"
					 INT64_FORMAT, head, start, end, result->version, result->revision, result->count);
	append_text(buf, "subject", result->subject);
	append_text(buf, "currency", result->currency);
	append_numeric(buf, "value", result->value);
	append_numeric(buf, "delta", result->delta);
	appendStringInfoChar(buf, '}');
	return (MeterText) {pnstrdup(buf->data, buf->len), buf->len};
}

/* The part of a payload that all results of a lane share, without its brace. */
static char *
payload_head(const MeterClosing *closing, const MeterLane *lane)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "{\"meter_id\":\"%s\"",
					 DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&lane->meter->id))));
	append_text(&buf, "meter_key", whole_text(lane->meter->key));
	append_text(&buf, "profile", whole_text(lane->profile));
	append_text(&buf, "reason", whole_text(closing->reason));
	return buf.data;
}

/* Write some results; see closing_private.h. */
static void
append_batch(const MeterClosing *closing, const MeterLane *lane, const MeterResult *results, int n)
{
	static MeterStatement statement = {
		"INSERT INTO meter.window_result (organization_id, meter_id, profile, closed_at, reason,"
		" window_start, window_end, subject, currency, version, revision, value, delta, event_count)"
		" SELECT $1, $2, $3, $4, $5, u.* FROM ROWS FROM (pg_catalog.unnest($6), pg_catalog.unnest($7),"
		" pg_catalog.unnest($8), pg_catalog.unnest($9), pg_catalog.unnest($10), pg_catalog.unnest($11),"
		" pg_catalog.unnest($12), pg_catalog.unnest($13), pg_catalog.unnest($14)) AS u",
		14, {
			UUIDOID, UUIDOID, TEXTOID, TIMESTAMPTZOID, TEXTOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID,
			TEXTARRAYOID, TEXTARRAYOID, INT4ARRAYOID, INT4ARRAYOID, NUMERICARRAYOID, NUMERICARRAYOID, INT8ARRAYOID
		}
	};
	static const Oid types[9] = {
		TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, TEXTOID, INT4OID, INT4OID, NUMERICOID, NUMERICOID, INT8OID
	};
	Datum	   *columns = palloc(9 * n * sizeof(Datum));
	bool	   *nulls = palloc0(9 * n * sizeof(bool));
	MeterDomainEvent *events = palloc(n * sizeof(MeterDomainEvent));
	char	   *meter_id = DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&lane->meter->id)));
	char	   *head = payload_head(closing, lane);
	Datum		values[14];
	char		flags[15] = "              ";
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < n; i++)
	{
		const MeterResult *result = &results[i];

		columns[i] = TimestampTzGetDatum(result->start);
		columns[n + i] = TimestampTzGetDatum(result->end);
		columns[2 * n + i] = meter_spi_text(result->subject, &nulls[2 * n + i]);
		columns[3 * n + i] = meter_spi_text(result->currency, &nulls[3 * n + i]);
		columns[4 * n + i] = Int32GetDatum(result->version);
		columns[5 * n + i] = Int32GetDatum(result->revision);
		columns[6 * n + i] = NumericGetDatum(result->value);
		nulls[6 * n + i] = result->value == NULL;
		columns[7 * n + i] = NumericGetDatum(result->delta);
		nulls[7 * n + i] = result->delta == NULL;
		columns[8 * n + i] = Int64GetDatum(result->count);
		events[i] = (MeterDomainEvent) {
			.aggregate_type = "meter", .aggregate_id = meter_id,
				.event_type = closing->reason ? "window.revised" : "window.closed",
				.payload = make_payload(&buf, head, result)
		};
	}
	values[0] = UUIDPGetDatum(&closing->organization);
	values[1] = UUIDPGetDatum(&lane->meter->id);
	values[2] = text_datum(lane->profile, &flags[2]);
	values[3] = TimestampTzGetDatum(closing->now);
	values[4] = text_datum(closing->reason, &flags[4]);
	for (int c = 0; c < 9; c++)
		values[5 + c] = meter_spi_array(columns + c * n, nulls + c * n, n, types[c]);
	meter_spi_execute(&statement, values, flags, false);
	meter_domain_event_append(&closing->organization, closing->now, events, n);
}

/* Write results and their domain events; see closing_private.h. */
void
meter_result_append(const MeterClosing *closing, const MeterLane *lane,
					const MeterResult *results, int n)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "meter results",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	for (int i = 0; i < n; i += WRITE_BATCH)
	{
		append_batch(closing, lane, results + i, Min(WRITE_BATCH, n - i));
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* The start of the lane's first result; see closing_private.h. */
TimestampTz
meter_result_first(const MeterLane *lane)
{
#define FIRST_RESULT(condition) \
	"SELECT r.window_start FROM meter.window_result AS r" \
	" WHERE r.organization_id = $1 AND r.meter_id = $2 AND " condition \
	" ORDER BY r.window_start LIMIT 1"
	static MeterStatement own = {FIRST_RESULT("r.profile IS NULL"), 3, {UUIDOID, UUIDOID, TEXTOID}};
	static MeterStatement other = {FIRST_RESULT("r.profile = $3"), 3, {UUIDOID, UUIDOID, TEXTOID}};
	Datum		values[3];
	char		nulls[4] = "   ";
	bool		isnull;
	TimestampTz first = DT_NOEND;

	values[0] = UUIDPGetDatum(lane->organization);
	values[1] = UUIDPGetDatum(&lane->meter->id);
	values[2] = text_datum(lane->profile, &nulls[2]);
	meter_spi_execute(lane->profile ? &other : &own, values, nulls, true);
	if (SPI_processed > 0)
		first = DatumGetTimestampTz(meter_spi_value(0, 1, &isnull));
	SPI_freetuptable(SPI_tuptable);
	return first;
}

/* The relation that tells backends of new horizons. */
Oid
meter_horizon_relation(void)
{
	return get_relname_relid("window_horizon", get_namespace_oid("meter", false));
}

/* How far the meter's windows are closed, by the caller's snapshot. */
TimestampTz
meter_horizon_read(const pg_uuid_t *organization, const pg_uuid_t *meter)
{
	static MeterStatement statement = {
		"SELECT h.horizon FROM meter.window_horizon AS h WHERE h.organization_id = $1 AND h.meter_id = $2",
		2, {UUIDOID, UUIDOID}
	};
	Datum		values[2];
	bool		isnull;
	TimestampTz horizon = DT_NOBEGIN;

	values[0] = UUIDPGetDatum(organization);
	values[1] = UUIDPGetDatum(meter);
	meter_spi_execute(&statement, values, NULL, true);
	if (SPI_processed > 0)
		horizon = DatumGetTimestampTz(meter_spi_value(0, 1, &isnull));
	SPI_freetuptable(SPI_tuptable);
	return horizon;
}

/* Set it, and tell every backend when this commits. */
void
meter_horizon_write(const pg_uuid_t *organization, const pg_uuid_t *meter, TimestampTz horizon)
{
	static MeterStatement statement = {
		"INSERT INTO meter.window_horizon AS h (organization_id, meter_id, horizon) VALUES ($1, $2, $3)"
		" ON CONFLICT (organization_id, meter_id) DO UPDATE SET horizon = excluded.horizon",
		3, {UUIDOID, UUIDOID, TIMESTAMPTZOID}
	};
	Datum		values[3];

	values[0] = UUIDPGetDatum(organization);
	values[1] = UUIDPGetDatum(meter);
	values[2] = TimestampTzGetDatum(horizon);
	meter_spi_execute(&statement, values, NULL, false);
	CacheInvalidateRelcacheByRelid(meter_horizon_relation());
}

/* The streams of a meter, as an array; see closing_private.h. */
Datum
meter_streams_array(const MeterEntry *meter)
{
	Datum	   *streams = palloc(Max(meter->nversions, 1) * sizeof(Datum));

	for (int i = 0; i < meter->nversions; i++)
		streams[i] = Int32GetDatum(meter->versions[i]->stream_id);
	return meter_spi_array(streams, NULL, meter->nversions, INT4OID);
}

/* Leave rows in the queue of revisions. */
void
meter_queue_append(const pg_uuid_t *organization, const pg_uuid_t *meter, const MeterQueued *rows, int n)
{
	static MeterInsert insert = {
		.table = "meter.revision_queue", .tail = "",
		.nfixed = 2, .ncolumns = 7, .columns = {
			{"organization_id", UUIDOID}, {"meter_id", UUIDOID},
			{"time_from", TIMESTAMPTZOID}, {"time_to", TIMESTAMPTZOID}, {"every_subject", BOOLOID},
			{"subject", TEXTOID}, {"reason", TEXTOID}
		}
	};
	Datum	   *columns = palloc(5 * n * sizeof(Datum));
	bool	   *nulls = palloc0(5 * n * sizeof(bool));
	Datum		fixed[2];

	for (int i = 0; i < n; i++)
	{
		columns[i] = TimestampTzGetDatum(rows[i].from);
		columns[n + i] = TimestampTzGetDatum(rows[i].to);
		columns[2 * n + i] = BoolGetDatum(rows[i].every);
		columns[3 * n + i] = meter_spi_text(rows[i].subject, &nulls[3 * n + i]);
		columns[4 * n + i] = CStringGetTextDatum(rows[i].reason);
	}
	fixed[0] = UUIDPGetDatum(organization);
	fixed[1] = UUIDPGetDatum(meter);
	if (n > 0)
		meter_spi_insert(&insert, fixed, columns, nulls, n);
}

/* Take rows off the queue; see closing_private.h. */
int
meter_queue_take(const pg_uuid_t *organization, const pg_uuid_t *meter, int limit, MeterQueued **rows)
{
	static MeterStatement statement = {
		"DELETE FROM meter.revision_queue AS q WHERE q.ctid = ANY (ARRAY("
		" SELECT o.ctid FROM meter.revision_queue AS o WHERE o.organization_id = $1 AND o.meter_id = $2"
		" ORDER BY o.id LIMIT $3 FOR UPDATE SKIP LOCKED))"
		" RETURNING q.time_from, q.time_to, q.every_subject, q.subject, q.reason",
		3, {UUIDOID, UUIDOID, INT8OID}
	};
	Datum		values[3];
	bool		isnull;
	int			n;

	values[0] = UUIDPGetDatum(organization);
	values[1] = UUIDPGetDatum(meter);
	values[2] = Int64GetDatum(limit);
	meter_spi_execute(&statement, values, NULL, false);
	n = (int) SPI_processed;
	*rows = palloc(Max(n, 1) * sizeof(MeterQueued));
	for (int i = 0; i < n; i++)
	{
		MeterText	subject = meter_spi_get_text(i, 4);

		if (subject.data)
			subject.data = pnstrdup(subject.data, subject.len);
		(*rows)[i] = (MeterQueued) {
			.from = DatumGetTimestampTz(meter_spi_value(i, 1, &isnull)),
				.to = DatumGetTimestampTz(meter_spi_value(i, 2, &isnull)),
				.every = DatumGetBool(meter_spi_value(i, 3, &isnull)),
				.subject = subject,
				.reason = TextDatumGetCString(meter_spi_value(i, 5, &isnull))
		};
	}
	SPI_freetuptable(SPI_tuptable);
	return n;
}

/* The series of a meter; by the caller's snapshot. */
void
meter_series_extent(const pg_uuid_t *organization, const MeterEntry *meter, MeterSeriesExtent *extent)
{
	static MeterStatement statement = {
		"SELECT pg_catalog.count(*), coalesce(pg_catalog.min(s.series_id), 0), coalesce(pg_catalog.max(s.series_id), -1)"
		" FROM meter.series AS s WHERE s.organization_id = $1 AND s.stream_id = ANY ($2)",
		2, {UUIDOID, INT4ARRAYOID}
	};
	Datum		values[2];
	bool		isnull;

	values[0] = UUIDPGetDatum(organization);
	values[1] = meter_streams_array(meter);
	meter_spi_execute(&statement, values, NULL, true);
	extent->n = DatumGetInt64(meter_spi_value(0, 1, &isnull));
	extent->first = DatumGetInt64(meter_spi_value(0, 2, &isnull));
	extent->last = DatumGetInt64(meter_spi_value(0, 3, &isnull));
	SPI_freetuptable(SPI_tuptable);
}

/* The days on which the series may have usage; by the caller's snapshot. */
void
meter_usage_days(const pg_uuid_t *organization, const MeterSeriesExtent *extent,
				 int32 from, int32 to, int limit, MeterDays *days)
{
	/* one look into the index a day, however many pages it has */
#define NEXT_DAY(condition) \
	"(SELECT r.day FROM meter.rollup AS r WHERE r.organization_id = $1 AND " condition \
	" AND r.day <= $3 AND r.series_max >= $4 AND r.series_min <= $5 ORDER BY r.day LIMIT 1)"
	static MeterStatement statement = {
		"WITH RECURSIVE d AS (" NEXT_DAY("r.day >= $2") " UNION ALL SELECT " NEXT_DAY("r.day > d.day")
		" FROM d WHERE d.day IS NOT NULL)"
		" SELECT d.day FROM d WHERE d.day IS NOT NULL LIMIT $6",
		6, {UUIDOID, INT4OID, INT4OID, INT8OID, INT8OID, INT8OID}
	};
	Datum		values[6];
	bool		isnull;

	values[0] = UUIDPGetDatum(organization);
	values[1] = Int32GetDatum(from);
	values[2] = Int32GetDatum(to);
	values[3] = Int64GetDatum(extent->first);
	values[4] = Int64GetDatum(extent->last);
	values[5] = Int64GetDatum(limit);
	meter_spi_execute(&statement, values, NULL, true);
	days->n = (int) SPI_processed;
	days->list = palloc(Max(days->n, 1) * sizeof(int32));
	for (int i = 0; i < days->n; i++)
		days->list[i] = DatumGetInt32(meter_spi_value(i, 1, &isnull));
	SPI_freetuptable(SPI_tuptable);
}
