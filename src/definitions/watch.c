/*
 * watch.c
 *		Thresholds as the engine goes by them.
 */
#include "definitions/watch.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "engine/spi.h"

/* Columns of METER_WATCH_COLUMNS, behind the meter's number. */
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

/* Add a threshold; see watch.h. */
void
meter_watch_read_threshold(MeterWatch *watch, uint64 row)
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

/* Read a watch; see watch.h. */
void
meter_watch_read(MeterWatch *watch, uint64 row)
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
	meter_watch_read_threshold(watch, row);
}
