/*
 * store_rejected.c
 *		The rejected store: what was not counted, kept whole with the reason.
 */
#include "engine/store.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "engine/spi.h"

/* A column of texts from C strings, NULL allowed. */
static Datum
cstring_datum(const char *text, bool *isnull)
{
	return meter_spi_text((MeterText) {text, text ? strlen(text) : 0}, isnull);
}

/* Append rejections; see store.h. */
void
meter_rejected_append(const pg_uuid_t *organization, TimestampTz received_at,
					  const MeterRejectedRow *rows, int n)
{
	static MeterStatement statement = {
		"INSERT INTO meter.rejected_event"
		" (organization_id, received_at, meter_id, status, code, pointer, message, payload)"
		" SELECT $1, $2, u.m, u.s, u.c, u.p, u.e, u.d"
		" FROM ROWS FROM (pg_catalog.unnest($3), pg_catalog.unnest($4), pg_catalog.unnest($5), "
		" pg_catalog.unnest($6), pg_catalog.unnest($7), pg_catalog.unnest($8)) AS u(m, s, c, p, e, d)",
		8, {UUIDOID, TIMESTAMPTZOID, UUIDARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
			TEXTARRAYOID, TEXTARRAYOID, JSONARRAYOID}
	};
	static const Oid types[] = {UUIDOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, JSONOID};
	MemoryContext context;
	MemoryContext old;
	Datum	   *columns;
	bool	   *nulls;
	Datum		values[8];

	if (n == 0)
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "meter rejected append",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	columns = palloc(lengthof(types) * n * sizeof(Datum));
	nulls = palloc0(lengthof(types) * n * sizeof(bool));
	for (int i = 0; i < n; i++)
	{
		nulls[i] = rows[i].meter_id == NULL;
		columns[i] = rows[i].meter_id ? UUIDPGetDatum(rows[i].meter_id) : (Datum) 0;
		columns[n + i] = cstring_datum(rows[i].status, &nulls[n + i]);
		columns[2 * n + i] = cstring_datum(rows[i].code, &nulls[2 * n + i]);
		columns[3 * n + i] = cstring_datum(rows[i].pointer, &nulls[3 * n + i]);
		columns[4 * n + i] = cstring_datum(rows[i].message, &nulls[4 * n + i]);
		columns[5 * n + i] = meter_spi_text(rows[i].payload, &nulls[5 * n + i]);
	}
	values[0] = UUIDPGetDatum(organization);
	values[1] = TimestampTzGetDatum(received_at);
	for (int c = 0; c < lengthof(types); c++)
		values[2 + c] = meter_spi_array(columns + c * n, nulls + c * n, n, types[c]);
	meter_spi_execute(&statement, values, NULL, false);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
