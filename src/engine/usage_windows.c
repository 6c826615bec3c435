/*
 * usage_windows.c
 *		The range of a usage question, cut into windows.
 *
 * Rollups answer whole quarters of hours.  A bound that is no multiple of
 * fifteen minutes (the range's own ends, windows of a minute, zones of old
 * times) cuts a quarter; that quarter is then read from raw events instead.  So
 * is one whose cells still hold an event that was taken back, and all there is
 * where a question is about what was known in the past.
 */
#include "engine/usage.h"

#include "miscadmin.h"

#include "values/timestamp.h"

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

/* Add a cut, none of which begins later; those that touch are put together. */
static void
add_cut(MeterTiling *tiling, TimestampTz quarter)
{
	MeterInterval cut = {
		Max(quarter, tiling->bounds[0]),
		Min(quarter + METER_QUARTER, tiling->bounds[tiling->nwindows])
	};

	if (tiling->ncuts > 0 && tiling->cuts[tiling->ncuts - 1].to >= cut.from)
		tiling->cuts[tiling->ncuts - 1].to = Max(tiling->cuts[tiling->ncuts - 1].to, cut.to);
	else
		tiling->cuts[tiling->ncuts++] = cut;
}

/* The quarters that bounds cut, and those that are to be recounted. */
static void
find_cuts(MeterTiling *tiling)
{
	int			recount = 0;

	tiling->ncuts = 0;
	tiling->cuts = palloc_extended((tiling->nwindows + tiling->nrecounts + 1) * sizeof(MeterInterval),
								   MCXT_ALLOC_HUGE);
	for (int i = 0; i <= tiling->nwindows; i++)
	{
		TimestampTz bound = tiling->bounds[i];

		if (TIMESTAMP_NOT_FINITE(bound) || bound % METER_QUARTER == 0)
			continue;
		while (recount < tiling->nrecounts && tiling->recounts[recount] < bound)
			add_cut(tiling, tiling->recounts[recount++]);
		add_cut(tiling, meter_quarter_floor(bound));
	}
	while (recount < tiling->nrecounts)
		add_cut(tiling, tiling->recounts[recount++]);
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

/* Read some quarters from raw events; see usage.h. */
void
meter_tiling_recount(MeterTiling *tiling, TimestampTz *quarters, int n)
{
	tiling->recounts = quarters;
	tiling->nrecounts = n;
	if (n > 0)
		find_cuts(tiling);
}

/* Read all from raw events; see usage.h. */
void
meter_tiling_cut_all(MeterTiling *tiling)
{
	tiling->ncuts = 0;
	if (tiling->nwindows > 0)
		tiling->cuts[tiling->ncuts++] = (MeterInterval) {
			Max(tiling->bounds[0], METER_TIMESTAMP_MIN),
			Min(tiling->bounds[tiling->nwindows], METER_TIMESTAMP_END)
		};
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

static int
quarter_cmp(const void *pa, const void *pb)
{
	TimestampTz a = *(const TimestampTz *) pa;
	TimestampTz b = *(const TimestampTz *) pb;

	return a < b ? -1 : a > b;
}

/* The window that holds the quarter hour from t whole; see usage.h. */
int
meter_tiling_quarter(const MeterTiling *tiling, TimestampTz t)
{
	int			window = meter_tiling_find(tiling, t);

	if (window < 0 || tiling->bounds[window + 1] - METER_QUARTER < t)
		return -1;
	if (tiling->nrecounts > 0 &&
		bsearch(&t, tiling->recounts, tiling->nrecounts, sizeof(TimestampTz), quarter_cmp))
		return -1;
	return window;
}
