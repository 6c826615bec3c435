/*
 * closing_windows.c
 *		Which windows a meter has, and when they are due.
 *
 * A lane is a profile of a meter, the definition's own or another.  Its
 * versions follow each other; where they have the same windows, a window goes
 * on over the boundary, elsewhere it is cut there.  A window is due when its
 * end and its grace, the longest of the versions that lie in it, are behind the
 * horizon.  The end is the whole window's, also where it is cut: until then
 * ingestion does not take its events for late, and it stays what it is when a
 * new version cuts the window that is open.
 *
 * So the windows that lie in one version are due in their order, and those due
 * after some time are found without walking from the beginning; only the window
 * a version begins in may be due later than others behind it.
 */
#include "engine/closing_private.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "engine/rollup_page.h"
#include "engine/usage_private.h"
#include "values/timestamp.h"

/* A time without usage is skipped where it is as long. */
#define LONG_DAYS 32

/* The shortest grace of the meter's versions. */
int64
meter_least_grace(const MeterEntry *meter)
{
	int64		least = PG_INT64_MAX;

	for (int i = 0; i < meter->nversions; i++)
		least = Min(least, meter->versions[i]->late.grace);
	return least;
}

/* Is the span cut into billing periods?  See closing_private.h. */
bool
meter_span_billing(const MeterLaneSpan *span)
{
	return span->window.size == METER_WINDOW_BILLING_PERIOD;
}

/* The meter's versions that have the profile, as spans. */
static void
find_spans(MeterLane *lane)
{
	const MeterEntry *meter = lane->meter;

	lane->spans = palloc(Max(meter->nversions, 1) * sizeof(MeterLaneSpan));
	for (int i = 0; i < meter->nversions; i++)
	{
		const MeterPlan *plan = meter->versions[i];
		int			number = meter_plan_profile(plan, lane->profile);
		MeterLaneSpan *last = lane->nspans > 0 ? &lane->spans[lane->nspans - 1] : NULL;
		const MeterProfile *profile;

		if (number < 0 || plan->effective_from >= plan->effective_to)
			continue;
		profile = &plan->profiles[number];
		lane->persists |= meter_profile_history(profile) != METER_HISTORY_NONE;
		if (last && last->to == plan->effective_from && meter_window_same(&last->window, &profile->window))
		{
			last->to = plan->effective_to;
			last->last = i;
		}
		else
			lane->spans[lane->nspans++] = (MeterLaneSpan) {
				plan->effective_from, plan->effective_to, i, i, profile->window
			};
	}
}

/* The lanes of a meter; see closing_private.h. */
int
meter_lanes_list(const pg_uuid_t *organization, const MeterEntry *meter, MeterLane **lanes)
{
	int			n = 0;
	int			size = 1;

	for (int i = 0; i < meter->nversions; i++)
		size += meter->versions[i]->nprofiles;
	*lanes = palloc0(size * sizeof(MeterLane));
	for (int i = 0; i < meter->nversions; i++)
	{
		const MeterPlan *plan = meter->versions[i];

		for (int p = 0; p < plan->nprofiles; p++)
		{
			const char *code = plan->profiles[p].code;
			bool		known = false;

			for (int l = 0; l < n && !known; l++)
			{
				const char *other = (*lanes)[l].profile;

				known = code == NULL || other == NULL ? code == other : strcmp(code, other) == 0;
			}
			if (known)
				continue;
			(*lanes)[n] = (MeterLane) {.organization = organization, .meter = meter, .profile = code};
			find_spans(&(*lanes)[n++]);
		}
	}
	return n;
}

/* The window from start to end, of a piece of time that has such windows, as a
 * piece of the span. */
static MeterPiece
make_piece(const MeterLane *lane, int number, const MeterPeriod *period,
		   TimestampTz start, TimestampTz end)
{
	const MeterLaneSpan *span = &lane->spans[number];
	MeterPiece	piece = {
		.start = Max(start, Max(period->from, span->from)),
		.end = Min(end, Min(period->to, span->to)),
		.span = number, .version = span->first
	};
	int64		grace = 0;

	for (int i = span->first; i <= span->last; i++)
	{
		const MeterPlan *plan = lane->meter->versions[i];

		if (plan->effective_from >= piece.end || plan->effective_to <= piece.start)
			continue;
		grace = Max(grace, plan->late.grace);
		piece.version = i;
	}
	piece.due = meter_time_and_grace(end, grace);
	return piece;
}

/* The piece of time around t that has windows of one kind, and the window in
 * it that holds t. */
static MeterPeriod
period_at(const MeterLane *lane, const MeterLaneSpan *span, MeterText subject, TimestampTz t,
		  TimestampTz *start, TimestampTz *end)
{
	MeterPeriod period = {DT_NOBEGIN, DT_NOEND, span->window};
	MeterPeriod *list;
	int			n;
	int			i = 0;

	meter_window_bounds(&period.window, t, start, end);
	if (!meter_span_billing(span) || subject.data == NULL)
		return period;
	(void) meter_customer_periods(lane->organization, &subject, t, t + 1, &span->window, &list);
	meter_window_bounds(&list[0].window, t, start, end);
	n = meter_customer_periods(lane->organization, &subject, *start, *end, &span->window, &list);
	while (i < n - 1 && t >= list[i].to)
		i++;
	return list[i];
}

/* The window that holds t; see closing_private.h. */
bool
meter_lane_piece(const MeterLane *lane, MeterText subject, TimestampTz t, MeterPiece *piece)
{
	for (int i = 0; i < lane->nspans; i++)
	{
		const MeterLaneSpan *span = &lane->spans[i];
		MeterPeriod period;
		TimestampTz start;
		TimestampTz end;

		if (t < span->from || t >= span->to)
			continue;
		period = period_at(lane, span, subject, t, &start, &end);
		*piece = make_piece(lane, i, &period, start, end);
		return true;
	}
	return false;
}

/* Where the next span begins; see closing_private.h. */
TimestampTz
meter_lane_next(const MeterLane *lane, TimestampTz t)
{
	for (int i = 0; i < lane->nspans; i++)
	{
		if (lane->spans[i].from > t)
			return lane->spans[i].from;
	}
	return DT_NOEND;
}

static void
add_piece(MeterPieces *pieces, const MeterPiece *piece)
{
	if (pieces->n >= pieces->size)
	{
		pieces->size = Max(64, 2 * pieces->size);
		pieces->list = pieces->list == NULL ? palloc(pieces->size * sizeof(MeterPiece)) :
			repalloc_huge(pieces->list, pieces->size * sizeof(MeterPiece));
	}
	pieces->list[pieces->n++] = *piece;
}

/* The first day with usage that is not before t's, or PG_INT32_MAX. */
static int32
next_day(const MeterDays *days, TimestampTz t)
{
	int64		hour = Max(meter_hour_of(t), PG_INT32_MIN);
	int32		day = meter_rollup_day((int32) Min(hour, PG_INT32_MAX));
	int			low = 0;
	int			high = days->n;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (days->list[middle] < day)
			low = middle + 1;
		else
			high = middle;
	}
	return low < days->n ? days->list[low] : PG_INT32_MAX;
}

/* Where to look for the next window from t on: at t, or behind a long time
 * without usage; DT_NOEND where none follows. */
static TimestampTz
skip_empty(const MeterLane *lane, const MeterDays *days, TimestampTz t)
{
	int32		day;
	TimestampTz begin;

	if (days == NULL || (lane->persists && !TIMESTAMP_IS_NOBEGIN(t)))
		return t;
	day = next_day(days, t);
	if (day == PG_INT32_MAX)
		return DT_NOEND;
	begin = day * USECS_PER_DAY;
	return TIMESTAMP_IS_NOBEGIN(t) || begin - t > LONG_DAYS * USECS_PER_DAY ? begin : t;
}

/* Is the time one that windows can be asked for, before another? */
static bool
can_walk(TimestampTz t, TimestampTz to)
{
	return t < to && meter_timestamp_in_range(t);
}

static bool
is_due(const MeterPiece *piece, TimestampTz after, TimestampTz upto)
{
	return piece->due > after && piece->due <= upto;
}

/* The start of the first whole window that is due after a time. */
static TimestampTz
first_open(const MeterWindow *window, const MeterPlan *plan, TimestampTz after)
{
	TimestampTz t;
	TimestampTz start;
	TimestampTz end;

	if (pg_sub_s64_overflow(after, plan->late.grace, &t) || !meter_timestamp_in_range(t))
		return DT_NOBEGIN;
	meter_window_bounds(window, t, &start, &end);
	return start;
}

/* Where the first windows due after a time begin; see closing_private.h. */
TimestampTz
meter_lane_first(const MeterLane *lane, TimestampTz after)
{
	TimestampTz first = DT_NOEND;

	for (int i = 0; i < lane->nspans; i++)
	{
		const MeterLaneSpan *span = &lane->spans[i];

		for (int v = span->first; v <= span->last; v++)
			first = Min(first, first_open(&span->window, lane->meter->versions[v], after));
	}
	return first;
}

/* The windows due of a version, in a piece of time that is cut in one way; see
 * closing_private.h. */
void
meter_period_due(const MeterLane *lane, int version, const MeterPeriod *period,
				 TimestampTz after, TimestampTz *upto, const MeterDays *days, int limit,
				 MeterPieces *pieces)
{
	const MeterPlan *plan = lane->meter->versions[version];
	int			number = 0;
	const MeterLaneSpan *span;
	int			last;
	TimestampTz t;
	TimestampTz to;
	TimestampTz start;
	TimestampTz end;
	MeterPiece	piece;

	while (lane->spans[number].last < version)
		number++;
	span = &lane->spans[number];
	t = Max(Max(period->from, span->from), plan->effective_from);
	to = Min(Min(period->to, span->to), plan->effective_to);

	/* the window that the version begins in, which others behind it may be due before */
	if (can_walk(t, to))
	{
		meter_window_bounds(&period->window, t, &start, &end);
		piece = make_piece(lane, number, period, start, end);
		if (piece.start < plan->effective_from)
		{
			if (piece.version == version && is_due(&piece, after, *upto))
				add_piece(pieces, &piece);
			t = end;
		}
	}
	t = Max(t, first_open(&period->window, plan, after));

	last = pieces->n + limit;
	while (can_walk(t = skip_empty(lane, days, t), to))
	{
		CHECK_FOR_INTERRUPTS();
		meter_window_bounds(&period->window, t, &start, &end);
		piece = make_piece(lane, number, period, start, end);
		if (piece.version != version || piece.due > *upto)
			break;
		if (pieces->n >= last)
		{
			*upto = piece.due - 1;
			break;
		}
		if (piece.due > after)
			add_piece(pieces, &piece);
		t = end;
	}
}

/* The windows due of a version; see closing_private.h. */
void
meter_lane_due(const MeterLane *lane, int version, TimestampTz after, TimestampTz *upto,
			   const MeterDays *days, int limit, MeterPieces *pieces)
{
	for (int i = 0; i < lane->nspans; i++)
	{
		const MeterLaneSpan *span = &lane->spans[i];
		MeterPeriod period = {span->from, span->to, span->window};

		if (version >= span->first && version <= span->last)
			meter_period_due(lane, version, &period, after, upto, days, limit, pieces);
	}
}

/* The finalized windows of a piece of time; see closing_private.h. */
bool
meter_lane_finalized(const MeterLane *lane, const MeterClosingSubject *who, bool billing, TimestampTz *from,
					 TimestampTz to, TimestampTz horizon, int limit, MeterPieces *pieces)
{
	MeterText	subject = who->every ? (MeterText) {NULL, 0} : who->subject;

	for (int s = 0; s < lane->nspans; s++)
	{
		const MeterLaneSpan *span = &lane->spans[s];
		TimestampTz end = Min(span->to, to);

		if (meter_span_billing(span) != billing)
			continue;
		for (TimestampTz t = Max(span->from, *from); can_walk(t, end);)
		{
			MeterPiece	piece;

			CHECK_FOR_INTERRUPTS();
			if (!meter_lane_piece(lane, subject, t, &piece))
				break;
			if (pieces->n >= limit)
			{
				*from = t;
				return false;
			}
			if (piece.due <= horizon)
				add_piece(pieces, &piece);
			t = piece.end;
		}
	}
	return true;
}
