/*
 * usage_windows.c
 *		The range of a usage question, cut into windows.
 *
 * Rollups answer whole quarters of hours.  A bound that is no multiple of
 * fifteen minutes (the range's own ends, windows of a minute, zones of old
 * times) cuts a quarter; that quarter is then read from raw events instead.  So
 * is one whose cells still hold an event that was taken back, and all there is
 * where a question is about what was known in the past, or about what a version
 * would have made of a time in which it was not in force.
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
add_cut(MeterTiling *tiling, TimestampTz from, TimestampTz to)
{
	MeterInterval cut = {
		Max(from, tiling->bounds[0]), Min(to, tiling->bounds[tiling->nwindows])
	};

	if (tiling->ncuts > 0 && tiling->cuts[tiling->ncuts - 1].to >= cut.from)
		tiling->cuts[tiling->ncuts - 1].to = Max(tiling->cuts[tiling->ncuts - 1].to, cut.to);
	else
		tiling->cuts[tiling->ncuts++] = cut;
}

/* Add a quarter, if it is not among all that is cut anyway. */
static void
add_quarter(MeterTiling *tiling, TimestampTz quarter)
{
	if (quarter >= tiling->kept_from && quarter < tiling->kept_to)
		add_cut(tiling, quarter, quarter + METER_QUARTER);
}

/* The quarters that bounds cut, those that are to be recounted, and what is not
 * to be read from rollups at all. */
static void
find_cuts(MeterTiling *tiling)
{
	TimestampTz from = Max(tiling->bounds[0], METER_TIMESTAMP_MIN);
	TimestampTz to = Min(tiling->bounds[tiling->nwindows], METER_TIMESTAMP_END);
	int			recount = 0;

	tiling->ncuts = 0;
	tiling->cuts = palloc_extended((tiling->nwindows + tiling->nrecounts + 3) * sizeof(MeterInterval),
								   MCXT_ALLOC_HUGE);
	if (from < tiling->kept_from && from < to)
		add_cut(tiling, from, Min(tiling->kept_from, to));
	for (int i = 0; i <= tiling->nwindows; i++)
	{
		TimestampTz bound = tiling->bounds[i];

		if (TIMESTAMP_NOT_FINITE(bound) || bound % METER_QUARTER == 0)
			continue;
		while (recount < tiling->nrecounts && tiling->recounts[recount] < bound)
			add_quarter(tiling, tiling->recounts[recount++]);
		add_quarter(tiling, meter_quarter_floor(bound));
	}
	while (recount < tiling->nrecounts)
		add_quarter(tiling, tiling->recounts[recount++]);
	if (tiling->kept_to < to)
		add_cut(tiling, Max(tiling->kept_to, from), to);
}

/* Cut the range into windows; see usage.h. */
void
meter_usage_tile(const MeterUsageRequest *request, bool history, MeterTiling *tiling)
{
	memset(tiling, 0, sizeof(*tiling));
	tiling->history = history;
	tiling->kept_from = DT_NOBEGIN;
	tiling->kept_to = DT_NOEND;
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

/* Read what is not whole in a time from raw events; see usage.h. */
void
meter_tiling_keep(MeterTiling *tiling, TimestampTz from, TimestampTz to)
{
	if (!TIMESTAMP_NOT_FINITE(from) && from % METER_QUARTER != 0)
		from = meter_quarter_floor(from) + METER_QUARTER;
	if (!TIMESTAMP_NOT_FINITE(to))
		to = meter_quarter_floor(to);
	if (from >= to)
		from = to = DT_NOEND;
	tiling->kept_from = from;
	tiling->kept_to = to;
	find_cuts(tiling);
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

	if (window < 0 || tiling->bounds[window + 1] - METER_QUARTER < t ||
		t < tiling->kept_from || t >= tiling->kept_to)
		return -1;
	if (tiling->nrecounts > 0 &&
		bsearch(&t, tiling->recounts, tiling->nrecounts, sizeof(TimestampTz), quarter_cmp))
		return -1;
	return window;
}
