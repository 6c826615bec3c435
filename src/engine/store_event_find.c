/*
 * store_event_find.c
 *		One event of the store, by its number and a time that it is counted at.
 */
#include "engine/store.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "engine/event_page.h"
#include "engine/spi.h"

#define FIND_BATCH 4

static MeterText
copy_text(MeterText text)
{
	if (text.data == NULL)
		return text;
	return (MeterText) {pnstrdup(text.data, text.len), text.len};
}

/* Add what a page holds of an event to the list. */
static int
find_on_page(MeterText page, MeterText type, TimestampTz time, int64 seq,
			 MeterEventRow **rows, int n)
{
	MeterEventCursor cursor = {.rest = page};
	MeterEventRow row;

	while (meter_event_page_next(&cursor, &row) && row.time <= time)
	{
		if (row.time != time || row.seq != seq)
			continue;
		row.type = copy_text(type);
		row.source = copy_text(row.source);
		row.id = copy_text(row.id);
		row.subject = copy_text(row.subject);
		row.versions = copy_text(row.versions);
		row.data = copy_text(row.data);
		if (row.meter_id)
			row.meter_id = memcpy(palloc(UUID_LEN), row.meter_id, UUID_LEN);
		*rows = n == 0 ? palloc(sizeof(row)) : repalloc(*rows, (n + 1) * sizeof(row));
		(*rows)[n++] = row;
	}
	return n;
}

/* The rows of an event at a time; see store.h. */
int
meter_event_find(const pg_uuid_t *organization, MeterText type, TimestampTz time, int64 seq,
				 bool all, MeterEventRow **found)
{
	static MeterStatement statement = {
		/* where many came, pages hold little time: it is on one of the last */
		"SELECT e.events FROM meter.event AS e"
		" WHERE e.organization_id = $1 AND e.\"time\" >= $2 AND e.\"time\" <= $3 AND e.type = $4"
		" AND e.replaced_at IS NULL ORDER BY e.\"time\" DESC, e.seq DESC",
		4, {UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID}
	};
	Datum		values[4];
	bool		isnull;
	int			n = 0;
	uint64		rows;
	Portal		portal;

	values[0] = UUIDPGetDatum(organization);
	values[1] = TimestampTzGetDatum(meter_hour_of(time) * METER_HOUR);
	values[2] = TimestampTzGetDatum(time);
	values[3] = meter_spi_text(type, &isnull);
	portal = meter_spi_open(&statement, values, NULL, true);
	do
	{
		CHECK_FOR_INTERRUPTS();
		rows = meter_spi_fetch(portal, FIND_BATCH);
		for (uint64 r = 0; r < rows && (all || n == 0); r++)
			n = find_on_page(meter_spi_get_text(r, 1), type, time, seq, found, n);
		SPI_freetuptable(SPI_tuptable);
	} while (rows == FIND_BATCH && (all || n == 0));
	SPI_cursor_close(portal);
	return n;
}
