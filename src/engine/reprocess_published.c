/*
 * reprocess_published.c
 *		What becomes of events whose times change hands between versions.
 *
 * Publishing a version nearly always concerns times to come, for which there are
 * no events: then looking at the pages of the hour that is cut is all that is
 * done.  They are read without parsing their events.
 */
#include "engine/reprocess.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "engine/closing.h"
#include "engine/event_page.h"
#include "engine/locks.h"
#include "engine/spi.h"
#include "engine/threshold.h"
#include "values/timestamp.h"

/* Up to as many events are counted anew at once, by whoever publishes. */
#define AT_ONCE 100000

#define CHUNK_PAGES 64
#define REASON "version published"

/* The events that have these times. */
typedef struct Found
{
	MeterInterval times;
	int64		events;
	int32		first;			/* the hours they stand in */
	int32		last;
} Found;

/* Look for events that have the times. */
static bool
visit_pages(void *arg, const MeterEventPage *pages, int n)
{
	Found	   *found = arg;

	for (int i = 0; i < n; i++)
	{
		MeterEventCursor cursor = {.rest = pages[i].events};
		int32		hour = (int32) meter_hour_of(pages[i].time);
		MeterEventRow row;

		while (meter_event_page_next(&cursor, &row))
		{
			if (row.original_time < found->times.from || row.original_time >= found->times.to)
				continue;
			if (found->events++ == 0)
				found->first = hour;
			found->last = hour;
		}
	}
	return found->events <= AT_ONCE;
}

/* The key and the event type of a meter; false where there is none. */
static bool
find_meter(const pg_uuid_t *organization, const pg_uuid_t *meter_id, char **key, char **type)
{
	static MeterStatement statement = {
		"SELECT m.key, m.metric_key FROM meter.meter AS m WHERE m.organization_id = $1 AND m.id = $2",
		2, {UUIDOID, UUIDOID}
	};
	Datum		values[2];
	bool		isnull;

	values[0] = UUIDPGetDatum(organization);
	values[1] = UUIDPGetDatum(meter_id);
	meter_spi_execute(&statement, values, NULL, false);
	if (SPI_processed == 0)
		return false;
	*key = TextDatumGetCString(meter_spi_value(0, 1, &isnull));
	*type = TextDatumGetCString(meter_spi_value(0, 2, &isnull));
	return true;
}

static void
enter_job(const pg_uuid_t *organization, const pg_uuid_t *meter_id, MeterInterval times)
{
	static MeterStatement statement = {
		"SELECT meter.enter_reprocess_job($1, $2, $3, $4, true, $5)",
		5, {UUIDOID, UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID}
	};
	Datum		values[5];

	values[0] = UUIDPGetDatum(organization);
	values[1] = UUIDPGetDatum(meter_id);
	values[2] = TimestampTzGetDatum(times.from);
	values[3] = TimestampTzGetDatum(times.to);
	values[4] = CStringGetTextDatum(REASON);
	meter_spi_execute(&statement, values, NULL, false);
}

/* Count the hours that were found, in this transaction. */
static void
recount_found(const pg_uuid_t *organization, const char *key, const Found *found)
{
	MeterReprocess reprocess = {
		.organization = *organization, .meter = key, .mode = METER_REPROCESS_OPEN,
		.from = found->first, .to = found->last + 1
	};
	const MeterEntry *meter;
	int64		events = 0;

	while (reprocess.from < reprocess.to)
	{
		CHECK_FOR_INTERRUPTS();
		reprocess.from = meter_reprocess_hours(&reprocess, &events);
	}
	meter = meter_cache_meter(organization, key, strlen(key));
	meter_threshold_unsettle(organization, meter, (found->last + 1) * METER_HOUR);
	meter_threshold_recount(organization, meter, found->first * METER_HOUR, (found->last + 1) * METER_HOUR);
	meter_closing_touch_range(organization, REASON, meter, found->first * METER_HOUR,
							  (found->last + 1) * METER_HOUR);
}

/* Times changed hands; see reprocess.h. */
const char *
meter_reprocess_published(const pg_uuid_t *organization, const pg_uuid_t *meter_id,
						  MeterInterval times)
{
	Found		found = {.times = times};
	TimestampTz from = Max(times.from, METER_TIMESTAMP_MIN);
	char	   *key;
	char	   *type;

	if (!OidIsValid(get_relname_relid("event", get_namespace_oid("meter", false))) ||
		!find_meter(organization, meter_id, &key, &type))
		return "none";
	/* who changes versions holds it already; who makes a meter does not */
	meter_lock_definitions_exclusive(organization);
	PushActiveSnapshot(GetLatestSnapshot());
	meter_event_pages(organization, (MeterText) {type, strlen(type)},
					  (MeterInterval) {meter_hour_of(from) * METER_HOUR, Min(times.to, METER_TIMESTAMP_END)},
					  CHUNK_PAGES, visit_pages, &found);
	PopActiveSnapshot();
	if (found.events == 0)
		return "none";
	if (found.events > AT_ONCE)
	{
		enter_job(organization, meter_id, times);
		return "job";
	}
	recount_found(organization, key, &found);
	return "recounted";
}
