/*
 * store_reversal.c
 *		Events that were taken back.
 *
 * The event itself stays.  A reversal names one row of it: an event counted in
 * several places has as many.  Whoever reads events leaves the reversed ones
 * out; the rollups were told when it happened, but for versions whose functions
 * cannot go back: their cells still hold the event, and the reversal names
 * them (recount) until somebody counts these cells anew.
 *
 * A scan of events goes forward in time, and so does its cursor over the
 * reversals, by the index on (organization, type, time): at any time it holds
 * those of one hour.  Where nothing was taken back it is one look into the
 * index.
 */
#include "engine/store.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "engine/spi.h"

#define FETCH_BATCH 500

/* Take an event's rows back; see store.h. */
bool
meter_reversal_append(const pg_uuid_t *organization, const MeterReversing *reversing,
					  const MeterReversal *rows, int n)
{
	static MeterStatement statement = {
		"INSERT INTO meter.event_reversal (organization_id, seq, \"time\", type, kind, reason,"
		" reversed_at, reversed_by, replacement_seq, recount)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, meter.current_actor(), $8, $9) ON CONFLICT DO NOTHING",
		9, {UUIDOID, INT8OID, TIMESTAMPTZOID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID,
			INT8OID, INT4ARRAYOID}
	};
	bool		amended = reversing->replacement_seq != 0;

	for (int i = 0; i < n; i++)
	{
		Datum		values[9];
		char		nulls[9];
		bool		isnull;

		memset(nulls, ' ', sizeof(nulls));
		values[0] = UUIDPGetDatum(organization);
		values[1] = Int64GetDatum(reversing->seq);
		values[2] = TimestampTzGetDatum(rows[i].time);
		values[3] = meter_spi_text(reversing->type, &isnull);
		values[4] = CStringGetTextDatum(amended ? "amend" : "void");
		values[5] = meter_spi_text(reversing->reason, &isnull);
		nulls[5] = isnull ? 'n' : ' ';
		values[6] = TimestampTzGetDatum(reversing->reversed_at);
		values[7] = Int64GetDatum(reversing->replacement_seq);
		nulls[7] = amended ? ' ' : 'n';
		values[8] = meter_spi_array(rows[i].recount, NULL, rows[i].nrecount, INT4OID);
		meter_spi_execute(&statement, values, nulls, false);
		/* all rows of an event are reversed together: the first one tells */
		if (SPI_processed == 0)
			return false;
	}
	return true;
}

/* Follow amendments; see store.h. */
bool
meter_reversal_follow(const pg_uuid_t *organization, TimestampTz time, int64 *seq)
{
	static MeterStatement statement = {
		"WITH RECURSIVE chain AS ("
		" SELECT r.seq, r.replacement_seq FROM meter.event_reversal AS r"
		" WHERE r.organization_id = $1 AND r.seq = $3 AND r.\"time\" = $2"
		" UNION ALL SELECT r.seq, r.replacement_seq FROM chain AS c, meter.event_reversal AS r"
		" WHERE r.organization_id = $1 AND r.seq = c.replacement_seq AND r.\"time\" = $2)"
		" SELECT c.seq, c.replacement_seq FROM chain AS c ORDER BY c.seq DESC LIMIT 1",
		3, {UUIDOID, TIMESTAMPTZOID, INT8OID}
	};
	Datum		values[3];
	bool		voided = false;

	values[0] = UUIDPGetDatum(organization);
	values[1] = TimestampTzGetDatum(time);
	values[2] = Int64GetDatum(*seq);
	meter_spi_execute(&statement, values, NULL, true);
	if (SPI_processed > 0)
	{
		bool		isnull;
		Datum		replacement = meter_spi_value(0, 2, &voided);

		*seq = DatumGetInt64(voided ? meter_spi_value(0, 1, &isnull) : replacement);
	}
	SPI_freetuptable(SPI_tuptable);
	return voided;
}

/* The quarters to be read from events; see store.h. */
int
meter_reversal_quarters(const pg_uuid_t *organization, MeterText type, MeterInterval interval,
						const int32 *versions, int nversions, TimestampTz **quarters)
{
	static MeterStatement statement = {
		"SELECT r.\"time\" FROM meter.event_reversal AS r"
		" WHERE r.organization_id = $1 AND r.type = $2 AND r.\"time\" >= $3 AND r.\"time\" < $4"
		" AND r.recount <> '{}' AND r.recount && $5 ORDER BY r.\"time\"",
		5, {UUIDOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT4ARRAYOID}
	};
	Datum	   *ids = palloc(nversions * sizeof(Datum));
	Datum		values[5];
	bool		isnull;
	Portal		portal;
	uint64		rows;
	int			n = 0;
	int			size = 16;

	*quarters = palloc(size * sizeof(TimestampTz));
	for (int i = 0; i < nversions; i++)
		ids[i] = Int32GetDatum(versions[i]);
	values[0] = UUIDPGetDatum(organization);
	values[1] = meter_spi_text(type, &isnull);
	values[2] = TimestampTzGetDatum(interval.from);
	values[3] = TimestampTzGetDatum(interval.to);
	values[4] = meter_spi_array(ids, NULL, nversions, INT4OID);
	portal = meter_spi_open(&statement, values, NULL, true);
	do
	{
		CHECK_FOR_INTERRUPTS();
		rows = meter_spi_fetch(portal, FETCH_BATCH);
		for (uint64 r = 0; r < rows; r++)
		{
			TimestampTz quarter = meter_quarter_floor(DatumGetTimestampTz(meter_spi_value(r, 1, &isnull)));

			if (n > 0 && (*quarters)[n - 1] == quarter)
				continue;
			if (n >= size)
			{
				size *= 2;
				*quarters = repalloc_huge(*quarters, size * sizeof(TimestampTz));
			}
			(*quarters)[n++] = quarter;
		}
		SPI_freetuptable(SPI_tuptable);
	} while (rows == FETCH_BATCH);
	SPI_cursor_close(portal);
	return n;
}

/* Was anything taken back before a time?  See store.h. */
bool
meter_reversal_before(const pg_uuid_t *organization, MeterText type, TimestampTz time)
{
	static MeterStatement statement = {
		"SELECT FROM meter.event_reversal AS r"
		" WHERE r.organization_id = $1 AND r.type = $2 AND r.\"time\" < $3 LIMIT 1",
		3, {UUIDOID, TEXTOID, TIMESTAMPTZOID}
	};
	Datum		values[3];
	bool		isnull;
	bool		found;

	values[0] = UUIDPGetDatum(organization);
	values[1] = meter_spi_text(type, &isnull);
	values[2] = TimestampTzGetDatum(time);
	meter_spi_execute(&statement, values, NULL, true);
	found = SPI_processed > 0;
	SPI_freetuptable(SPI_tuptable);
	return found;
}

/* ---- the cursor ---- */

typedef struct ReversedRow
{
	TimestampTz time;
	int64		seq;
} ReversedRow;

struct MeterReversalCursor
{
	Portal		portal;			/* NULL when it gave all it has */
	int64		hour;			/* whose rows are held */
	int			n;
	int			size;
	ReversedRow *rows;			/* in order */
	int			nahead;			/* fetched, of later hours */
	int			next;
	ReversedRow ahead[FETCH_BATCH];
};

/* Open a cursor; see store.h. */
MeterReversalCursor *
meter_reversal_open(const pg_uuid_t *organization, MeterText type, MeterInterval interval,
					TimestampTz as_of)
{
	static MeterStatement statement = {
		"SELECT r.\"time\", r.seq FROM meter.event_reversal AS r"
		" WHERE r.organization_id = $1 AND r.type = $2 AND r.\"time\" >= $3 AND r.\"time\" < $4"
		" AND r.reversed_at <= $5 ORDER BY r.\"time\"",
		5, {UUIDOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	MeterReversalCursor *cursor = palloc0(sizeof(MeterReversalCursor));
	Datum		values[5];
	bool		isnull;

	values[0] = UUIDPGetDatum(organization);
	values[1] = meter_spi_text(type, &isnull);
	values[2] = TimestampTzGetDatum(interval.from);
	values[3] = TimestampTzGetDatum(interval.to);
	values[4] = TimestampTzGetDatum(as_of);
	cursor->hour = PG_INT64_MIN;
	cursor->portal = meter_spi_open(&statement, values, NULL, true);
	return cursor;
}

/* The next row that no hour took yet, or NULL. */
static const ReversedRow *
peek(MeterReversalCursor *cursor)
{
	SPITupleTable *table = SPI_tuptable;

	if (cursor->next == cursor->nahead && cursor->portal)
	{
		cursor->next = 0;
		cursor->nahead = (int) meter_spi_fetch(cursor->portal, FETCH_BATCH);
		for (int r = 0; r < cursor->nahead; r++)
		{
			bool		isnull;

			cursor->ahead[r].time = DatumGetTimestampTz(meter_spi_value(r, 1, &isnull));
			cursor->ahead[r].seq = DatumGetInt64(meter_spi_value(r, 2, &isnull));
		}
		SPI_freetuptable(SPI_tuptable);
		SPI_tuptable = table;
		if (cursor->nahead < FETCH_BATCH)
		{
			SPI_cursor_close(cursor->portal);
			cursor->portal = NULL;
		}
	}
	return cursor->next < cursor->nahead ? &cursor->ahead[cursor->next] : NULL;
}

static int
reversed_cmp(const void *pa, const void *pb)
{
	const ReversedRow *a = pa;
	const ReversedRow *b = pb;

	if (a->time != b->time)
		return a->time < b->time ? -1 : 1;
	return a->seq < b->seq ? -1 : a->seq > b->seq;
}

/* Hold what was taken back of an hour, which is not before the last one. */
void
meter_reversal_seek(MeterReversalCursor *cursor, int64 hour)
{
	const ReversedRow *row;

	if (hour == cursor->hour)
		return;
	cursor->hour = hour;
	cursor->n = 0;
	while ((row = peek(cursor)) != NULL && meter_hour_of(row->time) <= hour)
	{
		CHECK_FOR_INTERRUPTS();
		cursor->next++;
		if (meter_hour_of(row->time) < hour)
			continue;
		if (cursor->n >= cursor->size)
		{
			cursor->size = Max(2 * cursor->size, 64);
			cursor->rows = cursor->rows == NULL ?
				MemoryContextAlloc(GetMemoryChunkContext(cursor), cursor->size * sizeof(ReversedRow)) :
				repalloc_huge(cursor->rows, cursor->size * sizeof(ReversedRow));
		}
		cursor->rows[cursor->n++] = *row;
	}
	if (cursor->n > 1)
		qsort(cursor->rows, cursor->n, sizeof(ReversedRow), reversed_cmp);
}

/* Was this event of the hour taken back? */
bool
meter_reversal_has(const MeterReversalCursor *cursor, TimestampTz time, int64 seq)
{
	ReversedRow row = {time, seq};

	return cursor->n > 0 &&
		bsearch(&row, cursor->rows, cursor->n, sizeof(ReversedRow), reversed_cmp) != NULL;
}

/* Close a cursor. */
void
meter_reversal_close(MeterReversalCursor *cursor)
{
	if (cursor->portal)
		SPI_cursor_close(cursor->portal);
	if (cursor->rows)
		pfree(cursor->rows);
	pfree(cursor);
}
