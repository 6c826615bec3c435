/*
 * store_event_find.c
 *		One event of the store, by its number and where it is counted.
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

/* Look for an event on a page. */
static bool
find_on_page(MeterText page, TimestampTz time, int64 seq, MeterEventRow *row)
{
	MeterEventCursor cursor = {.rest = page};

	while (meter_event_page_next(&cursor, row))
	{
		if (row->time > time)
			return false;
		if (row->time == time && row->seq == seq)
			return true;
	}
	return false;
}

/* Find a row of the store; see store.h. */
bool
meter_event_find(const pg_uuid_t *organization, MeterText type, TimestampTz time, int64 seq,
				 MeterEventRow *row)
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
	bool		found = false;
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
		for (uint64 r = 0; r < rows && !found; r++)
			found = find_on_page(meter_spi_get_text(r, 1), time, seq, row);
		if (found)
		{
			row->type = copy_text(type);
			row->source = copy_text(row->source);
			row->id = copy_text(row->id);
			row->subject = copy_text(row->subject);
			row->versions = copy_text(row->versions);
			row->data = copy_text(row->data);
			if (row->meter_id)
				row->meter_id = memcpy(palloc(UUID_LEN), row->meter_id, UUID_LEN);
		}
		SPI_freetuptable(SPI_tuptable);
	} while (rows == FIND_BATCH && !found);
	SPI_cursor_close(portal);
	return found;
}

