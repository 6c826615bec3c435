/*
 * usage_windows.c
 *		The range of a usage question, cut into windows.
 *
 * Rollups answer whole quarters of hours.  A bound that is no multiple of
 * fifteen minutes (the range's own ends, windows of a minute, zones of old
 * times) cuts a quarter; that quarter is then read from raw events instead.
 */
#include "engine/usage.h"

#include "miscadmin.h"

/* The start of the quarter hour that holds t. */
TimestampTz
meter_quarter_floor(TimestampTz t)
{
	TimestampTz rest = t % METER_QUARTER;

	return t - (rest < 0 ? rest + METER_QUARTER : rest);
}

/* The hour that holds t; far times, where no event can be, at the ends. */
static int32
hour_floor(TimestampTz t)
{
	int64		hour = meter_hour_of(t);

	return (int32) Max(Min(hour, PG_INT32_MAX - 1), PG_INT32_MIN);
}

/* The pieces of the range that have windows of their own, in order; it is one
 * piece where windows are not billing periods. */
static const MeterPeriod *
find_periods(const MeterUsageRequest *request)
{
	MeterPeriod *periods;

	if (request->windowed && request->window.size == METER_WINDOW_BILLING_PERIOD)
	{
		(void) meter_customer_periods(&request->organization, request->subject,
									  request->from, request->to, &request->window, &periods);
		return periods;
	}
	periods = palloc(sizeof(MeterPeriod));
	*periods = (MeterPeriod) {request->from, request->to, request->window};
	return periods;
}

/* Bounds of the windows within the range. */
static void
tile_windows(const MeterUsageRequest *request, MeterTiling *tiling)
{
	int			size = 64;
	TimestampTz t = request->from;
	const MeterPeriod *period = find_periods(request);

	tiling->bounds = palloc(size * sizeof(TimestampTz));
	if (tiling->history)
		tiling->bounds[tiling->nwindows++] = DT_NOBEGIN;
	tiling->bounds[tiling->nwindows] = request->from;
	while (t < request->to)
	{
		TimestampTz start;
		TimestampTz end = request->to;

		CHECK_FOR_INTERRUPTS();
		if (t >= period->to)
			period++;
		if (request->windowed)
			meter_window_bounds(&period->window, t, &start, &end);
		t = Min(end, period->to);
		if (++tiling->nwindows > METER_USAGE_MAX_WINDOWS)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("the range holds more than %d windows", METER_USAGE_MAX_WINDOWS),
					 errhint("Ask for a shorter range or larger windows.")));
		if (tiling->nwindows >= size)
		{
			size *= 2;
			tiling->bounds = repalloc(tiling->bounds, size * sizeof(TimestampTz));
		}
		tiling->bounds[tiling->nwindows] = t;
	}
}

/* The quarters that bounds cut, those that touch put together. */
static void
find_cuts(MeterTiling *tiling)
{
	TimestampTz first = tiling->bounds[0];
	TimestampTz last = tiling->bounds[tiling->nwindows];

	tiling->cuts = palloc((tiling->nwindows + 1) * sizeof(MeterInterval));
	for (int i = 0; i <= tiling->nwindows; i++)
	{
		TimestampTz bound = tiling->bounds[i];
		MeterInterval cut;

		if (TIMESTAMP_NOT_FINITE(bound) || bound % METER_QUARTER == 0)
			continue;
		cut.from = Max(meter_quarter_floor(bound), first);
		cut.to = Min(meter_quarter_floor(bound) + METER_QUARTER, last);
		if (tiling->ncuts > 0 && tiling->cuts[tiling->ncuts - 1].to >= cut.from)
			tiling->cuts[tiling->ncuts - 1].to = cut.to;
		else
			tiling->cuts[tiling->ncuts++] = cut;
	}
}

/* Cut the range into windows; see usage.h. */
void
meter_usage_tile(const MeterUsageRequest *request, bool history, MeterTiling *tiling)
{
	memset(tiling, 0, sizeof(*tiling));
	tiling->history = history;
	tile_windows(request, tiling);
	find_cuts(tiling);
	tiling->hour_from = hour_floor(request->from);
	tiling->hour_to = hour_floor(request->to) + 1;
}

/* The window that holds t, or -1. */
int
meter_tiling_find(const MeterTiling *tiling, TimestampTz t)
{
	int			low = 0;
	int			high = tiling->nwindows;

	if (tiling->nwindows == 0 || t < tiling->bounds[0] || t >= tiling->bounds[high])
		return -1;
	while (high - low > 1)
	{
		int			middle = (low + high) / 2;

		if (t < tiling->bounds[middle])
			high = middle;
		else
			low = middle;
	}
	return low;
}

/* The window that holds the quarter hour from t whole, or -1. */
int
meter_tiling_quarter(const MeterTiling *tiling, TimestampTz t)
{
	int			window = meter_tiling_find(tiling, t);

	if (window < 0 || tiling->bounds[window + 1] - METER_QUARTER < t)
		return -1;
	return window;
}
