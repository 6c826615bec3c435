/*
 * watch.c
 *		Thresholds as the engine goes by them.
 */
#include "definitions/cache_private.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define WATCH_COLUMNS \
	"w.watch_no, w.scope_kind, w.scope_id, w.per_dimensions, w.\"window\"::text, w.empty_from, w.swept_before," \
	" t.id, t.threshold_no, t.name, t.status = 'paused', t.comparator, t.threshold_values, t.recurring_step," \
	" t.clear_value, t.action_kind, t.action_target, t.action_event_type"

/* Columns of the query. */
enum
{
	WATCH_NO = 2, SCOPE_KIND, SCOPE_ID, PER_DIMENSIONS, WINDOW, EMPTY_FROM, SWEPT_BEFORE,
	ID, THRESHOLD_NO, NAME, PAUSED, COMPARATOR, VALUES, STEP, CLEAR, ACTION_KIND, ACTION_TARGET, EVENT_TYPE
};

static char *
get_string(uint64 row, int column)
{
	bool		isnull;
	Datum		value = meter_spi_value(row, column, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

static MeterScopeKind
scope_kind(const char *name)
{
	static const char *const names[] = {
		[METER_SCOPE_SUBJECT] = "subject", [METER_SCOPE_METER] = "meter", [METER_SCOPE_PRODUCT] = "product",
		[METER_SCOPE_SUBSCRIPTION] = "subscription", [METER_SCOPE_CUSTOMER] = "customer"
	};
	int			kind = 0;

	while (kind < lengthof(names) - 1 && strcmp(names[kind], name) != 0)
		kind++;
	return kind;
}

/* A number that create_threshold() has checked. */
static MeterDecimal
decimal(Datum value)
{
	MeterDecimal result;
	MeterError	err;

	if (!meter_decimal_from_numeric(DatumGetNumeric(value), &result, &err))
		meter_error_throw(&err, ERRCODE_DATA_CORRUPTED, "stored threshold");
	return result;
}

static bool
get_decimal(uint64 row, int column, MeterDecimal *out)
{
	bool		isnull;
	Datum		value = meter_spi_value(row, column, &isnull);

	if (!isnull)
		*out = decimal(value);
	return !isnull;
}

static void
read_values(MeterLevels *levels, Datum array)
{
	Datum	   *values;

	deconstruct_array(DatumGetArrayTypeP(array), NUMERICOID, -1, false, TYPALIGN_INT,
					  &values, NULL, &levels->nvalues);
	levels->values = palloc(levels->nvalues * sizeof(MeterDecimal));
	for (int i = 0; i < levels->nvalues; i++)
		levels->values[i] = decimal(values[i]);
}

/* Add the threshold in a row to its watch. */
static void
read_threshold(MeterWatch *watch, uint64 row)
{
	MeterThreshold *threshold;
	char	   *comparator = get_string(row, COMPARATOR);
	bool		isnull;

	watch->thresholds = watch->thresholds == NULL ? palloc(sizeof(MeterThreshold)) :
		repalloc(watch->thresholds, (watch->nthresholds + 1) * sizeof(MeterThreshold));
	threshold = &watch->thresholds[watch->nthresholds++];
	memset(threshold, 0, sizeof(*threshold));
	threshold->id = *DatumGetUUIDP(meter_spi_value(row, ID, &isnull));
	threshold->threshold_no = DatumGetInt32(meter_spi_value(row, THRESHOLD_NO, &isnull));
	threshold->name = get_string(row, NAME);
	threshold->paused = DatumGetBool(meter_spi_value(row, PAUSED, &isnull));
	(void) meter_comparator_parse(comparator, strlen(comparator), &threshold->levels.comparator);
	read_values(&threshold->levels, meter_spi_value(row, VALUES, &isnull));
	threshold->levels.recurring = get_decimal(row, STEP, &threshold->levels.step);
	threshold->levels.has_clear = get_decimal(row, CLEAR, &threshold->levels.clear);
	threshold->action_kind = get_string(row, ACTION_KIND);
	threshold->action_target = get_string(row, ACTION_TARGET);
	threshold->action_event_type = get_string(row, EVENT_TYPE);
	threshold->blocks = !threshold->paused && strcmp(threshold->action_kind, "block") == 0;
	watch->blocks |= threshold->blocks;
}

/* Read the watch in a row, and the threshold beside it. */
static void
read_watch(MeterWatch *watch, uint64 row)
{
	char	   *window = get_string(row, WINDOW);
	bool		isnull;

	memset(watch, 0, sizeof(*watch));
	watch->watch_no = DatumGetInt32(meter_spi_value(row, WATCH_NO, &isnull));
	watch->scope = scope_kind(get_string(row, SCOPE_KIND));
	watch->scope_id = get_string(row, SCOPE_ID);
	watch->per_dimensions = DatumGetBool(meter_spi_value(row, PER_DIMENSIONS, &isnull));
	watch->has_window = window != NULL;
	if (window)
	{
		MeterJson  *doc = meter_json_parse_or_throw(window, strlen(window), "stored window");
		MeterError	err;

		if (!meter_window_compile(doc, 0, &watch->window, &err))
			meter_error_throw(&err, ERRCODE_DATA_CORRUPTED, "stored window");
	}
	watch->empty_from = DatumGetTimestampTz(meter_spi_value(row, EMPTY_FROM, &isnull));
	watch->swept_before = DatumGetTimestampTz(meter_spi_value(row, SWEPT_BEFORE, &isnull));
	read_threshold(watch, row);
}

/* Load what thresholds look at; see cache_private.h. */
void
meter_watches_load(const pg_uuid_t *organization, MeterListeners *found, Datum type)
{
	static MeterStatement statement = {
		"SELECT m.meter_no, " WATCH_COLUMNS
		" FROM meter.meter AS m"
		" JOIN meter.threshold_watch AS w ON w.organization_id = m.organization_id AND w.meter_id = m.id"
		" JOIN meter.threshold AS t ON t.organization_id = w.organization_id AND t.watch_no = w.watch_no"
		" WHERE m.organization_id = $1 AND m.metric_key = $2"
		" ORDER BY w.scope_id COLLATE \"C\" NULLS FIRST, w.watch_no, t.threshold_no",
		2, {UUIDOID, TEXTOID}
	};
	MeterWatch *watch = NULL;
	MemoryContext old;

	meter_cache_query(&statement, organization, type);
	old = MemoryContextSwitchTo(meter_cache_context());
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		isnull;
		int32		watch_no = DatumGetInt32(meter_spi_value(row, 2, &isnull));
		MeterEntry *meter = meter_listeners_find(found, DatumGetInt32(meter_spi_value(row, 1, &isnull)));

		/* one snapshot a query: a meter may be there that was not */
		if (meter == NULL)
			continue;
		if (watch && watch->watch_no == watch_no)
			read_threshold(watch, row);
		else
		{
			meter->watches = meter->watches == NULL ? palloc(sizeof(MeterWatch *)) :
				repalloc(meter->watches, (meter->nwatches + 1) * sizeof(MeterWatch *));
			watch = meter->watches[meter->nwatches++] = palloc(sizeof(MeterWatch));
			read_watch(watch, row);
		}
		if (watch->scope_id == NULL)
			meter->nplain = meter->nwatches;
		meter->blocks |= watch->blocks;
	}
	MemoryContextSwitchTo(old);
	SPI_freetuptable(SPI_tuptable);
}
