/*
 * window_bounds.c
 *		The window that holds a moment.
 *
 * Whatever the definition, its windows tile all of time: each moment lies in
 * exactly one, no window is empty, the end of one is the start of the next.
 * Local time does not tile: clocks leap forward, go back, and now and then a
 * zone drops or repeats a whole day.  So there are three ways to cut time, and
 * each is one where tiling needs no proof.
 *
 * 1. Elapsed: minutes and hours with an anchor.  The boundaries are
 *    anchor + k * count * size on a clock that never shifts, as core adds
 *    hours to a timestamptz; the zone has no part in it.
 *
 * 2. Phases: windows of up to one hour without an anchor.  At a given UTC
 *    offset they start where the local clock reads a multiple of their length,
 *    so hours start at :00 in Asia/Kolkata (+05:30) and Pacific/Chatham
 *    (+12:45) too.  When a clock is shifted by a multiple of the length the
 *    boundaries stay where they are: the repeated hour of autumn is an hour of
 *    its own, and a day of 25 hours has 25.  Another shift (the half hour of
 *    Australia/Lord_Howe, local mean time before it was abolished) moves them:
 *    there the running window is cut, and a new one starts at the shift.
 *
 * 3. Readings: everything longer.  Boundary k is a reading L(k) of the local
 *    clock, and the moment that belongs to it is the first one at which the
 *    clock shows L(k) or later.  That is an increasing function of L, which is
 *    all that tiling needs, and it settles the odd cases: a reading that a
 *    leap skips becomes the moment of the leap, a reading that comes twice its
 *    first coming; two readings in one leap (the 30th of December 2011 in
 *    Pacific/Apia) are one moment and leave no window between them.  Where the
 *    clock goes back over a boundary (St. John's until 2011, from 00:01 to
 *    23:01), the repeated minutes lie in the window already begun.
 *    An anchor in a repeated hour is the moment it names, not the first
 *    coming of its reading.
 *
 * Counting starts, without an anchor, at Monday 2000-01-03 00:00 of the local
 * clock, for weeks at the week that holds it, for months, quarters and years
 * at January of the year 0: three months are a calendar quarter, six hours
 * start at 00, 06, 12 and 18.  With one, L(k) is the anchor's own reading plus
 * k steps, always from the anchor, so that a short month clamps only itself:
 * 31 January, 28 February, 31 March.  A billing period is a month from its
 * anchor until the engine puts the subscription's in its place.
 *
 * Nothing here walks from the origin: k is computed, and corrected by one step
 * and at most as many as windows fit into one shift of the clock.
 */
#include "values/window.h"

#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "values/timestamp.h"

/* 2000-01-03 00:00 as a clock's reading, and its weekday, a Monday. */
#define ORIGIN (INT64CONST(2) * USECS_PER_DAY)
#define ORIGIN_WEEKDAY 1

#define DAYS_PER_WEEK 7

/* No zone is further from UTC (RFC 9636, section 3.2). */
#define MAX_UTC_OFFSET (26 * SECS_PER_HOUR)

#define EPOCH_DIFF ((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (int64) SECS_PER_DAY)

/* The readings that bound the windows of the third kind. */
typedef struct Readings
{
	const MeterWindow *window;
	int64		step;			/* in microseconds, or 0 where it is in months */
	int			months;
	Timestamp	base;			/* reading 0 */
	int			base_month;		/* months: since January of the year 0 ... */
	int			base_day;		/* ... and the day before clamping ... */
	int64		base_time;		/* ... and the time of that day */
} Readings;

/* Quotient rounded down, for a positive divisor. */
static inline int64
floor_div(int64 a, int64 b)
{
	int64		q = a / b;

	return q * b > a ? q - 1 : q;
}

static inline pg_time_t
to_seconds(TimestampTz t)
{
	return floor_div(t, USECS_PER_SEC) + EPOCH_DIFF;
}

static inline TimestampTz
from_seconds(pg_time_t s)
{
	return (s - EPOCH_DIFF) * USECS_PER_SEC;
}

/*
 * The zone's offset at a moment, and whether it changes later: then *change is
 * when, and *after to what.  All knowledge of a zone comes through here, so it
 * cannot disagree with itself.
 */
static inline bool
offset_at(const pg_tz *zone, pg_time_t at, int64 *offset, pg_time_t *change, int64 *after)
{
	long int	before_gmtoff,
				after_gmtoff;
	int			before_isdst,
				after_isdst;
	int			found = pg_next_dst_boundary(&at, &before_gmtoff, &before_isdst,
											 change, &after_gmtoff, &after_isdst, zone);

	*offset = before_gmtoff * USECS_PER_SEC;
	*after = after_gmtoff * USECS_PER_SEC;
	return found > 0;
}

/* What the zone's clock shows at t. */
static inline Timestamp
local_reading(const pg_tz *zone, TimestampTz t)
{
	int64		offset,
				after;
	pg_time_t	change;

	(void) offset_at(zone, to_seconds(t), &offset, &change, &after);
	return t + offset;
}

/*
 * The first moment at which the zone's clock shows the reading or a later one.
 *
 * The search begins where no offset could have brought the clock there yet,
 * and goes from one change of offset to the next: mostly there is none.
 */
static TimestampTz
first_moment(const pg_tz *zone, Timestamp reading)
{
	pg_time_t	from = to_seconds(reading) - MAX_UTC_OFFSET;

	for (;;)
	{
		int64		offset,
					after;
		pg_time_t	change;
		bool		changes = offset_at(zone, from, &offset, &change, &after);
		TimestampTz moment = reading - offset;

		if (!changes || moment < from_seconds(change))
			return Max(moment, from_seconds(from));
		from = change;
	}
}

/* Length of a minute or hour window. */
static inline int64
clock_length(const MeterWindow *window)
{
	return window->count *
		(window->size == METER_WINDOW_MINUTE ? USECS_PER_MINUTE : USECS_PER_HOUR);
}

/* First kind: steps from the anchor. */
static void
elapsed_bounds(const MeterWindow *window, TimestampTz t, TimestampTz *start, TimestampTz *end)
{
	int64		length = clock_length(window);

	*start = window->anchor + floor_div(t - window->anchor, length) * length;
	*end = *start + length;
}

/*
 * Second kind: multiples on the local clock, cut where a shift of it moves
 * them.
 */
static void
phase_bounds(const MeterWindow *window, TimestampTz t, TimestampTz *start, TimestampTz *end)
{
	int64		length = clock_length(window);
	int64		offset,
				after;
	pg_time_t	at = to_seconds(t);
	pg_time_t	change;
	Timestamp	reading;

	(void) offset_at(window->zone, at, &offset, &change, &after);
	reading = t + offset;
	*start = ORIGIN + floor_div(reading - ORIGIN, length) * length - offset;
	*end = *start + length;

	at = to_seconds(*start);
	while (offset_at(window->zone, at, &offset, &change, &after) &&
		   from_seconds(change) < *end)
	{
		at = change;
		if ((after - offset) % length == 0)
			continue;
		if (from_seconds(change) > t)
		{
			*end = from_seconds(change);
			break;
		}
		*start = from_seconds(change);
	}
}

/* Make ready the readings of a window of the third kind. */
static void
readings_init(Readings *r, const MeterWindow *window)
{
	memset(r, 0, sizeof(*r));
	r->window = window;
	r->base = window->has_anchor ? local_reading(window->zone, window->anchor) : ORIGIN;

	switch (window->size)
	{
		case METER_WINDOW_MINUTE:
		case METER_WINDOW_HOUR:
			r->step = clock_length(window);
			break;
		case METER_WINDOW_DAY:
			r->step = window->count * USECS_PER_DAY;
			break;
		case METER_WINDOW_WEEK:
			r->step = window->count * DAYS_PER_WEEK * USECS_PER_DAY;
			if (!window->has_anchor)
				r->base -= (ORIGIN_WEEKDAY + DAYS_PER_WEEK - window->week_start) %
					DAYS_PER_WEEK * USECS_PER_DAY;
			break;
		case METER_WINDOW_MONTH:
		case METER_WINDOW_BILLING_PERIOD:
			r->months = window->count;
			break;
		case METER_WINDOW_QUARTER:
			r->months = window->count * 3;
			break;
		case METER_WINDOW_YEAR:
			r->months = window->count * MONTHS_PER_YEAR;
			break;
	}

	if (r->months > 0 && window->has_anchor)
	{
		int64		days = floor_div(r->base, USECS_PER_DAY);
		int			year,
					month;

		j2date(days + POSTGRES_EPOCH_JDATE, &year, &month, &r->base_day);
		r->base_month = year * MONTHS_PER_YEAR + month - 1;
		r->base_time = r->base - days * USECS_PER_DAY;
	}
	else
		r->base_day = 1;
}

/* Reading k. */
static Timestamp
reading_at(const Readings *r, int64 k)
{
	int64		month;
	int			year;
	int			day;

	if (r->months == 0)
		return r->base + k * r->step;

	month = r->base_month + k * r->months;
	year = floor_div(month, MONTHS_PER_YEAR);
	month -= (int64) year * MONTHS_PER_YEAR;
	day = Min(r->base_day, day_tab[isleap(year)][month]);
	return (date2j(year, month + 1, day) - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY + r->base_time;
}

/*
 * The number of the last reading that is not after this one; where steps are
 * months, that or one more: days are not looked at.
 */
static int64
reading_index(const Readings *r, Timestamp reading)
{
	int			year,
				month,
				day;

	if (r->months == 0)
		return floor_div(reading - r->base, r->step);

	j2date(floor_div(reading, USECS_PER_DAY) + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	return floor_div(year * MONTHS_PER_YEAR + month - 1 - r->base_month, r->months);
}

/*
 * The moment of boundary k.
 *
 * The anchor stands for itself, even where its reading has come before.  The
 * next boundary is still after it: no clock was ever set back by more than a
 * day, and no step with an anchor is shorter.
 */
static TimestampTz
boundary_at(const Readings *r, int64 k)
{
	if (k == 0 && r->window->has_anchor)
		return r->window->anchor;
	return first_moment(r->window->zone, reading_at(r, k));
}

/* Third kind: readings of the local clock. */
static void
reading_bounds(const MeterWindow *window, TimestampTz t, TimestampTz *start, TimestampTz *end)
{
	Readings	r;
	int64		k;

	readings_init(&r, window);
	k = reading_index(&r, local_reading(window->zone, t));
	*start = boundary_at(&r, k);

	/* the day of the month is still to come, or the anchor's second coming */
	while (*start > t)
		*start = boundary_at(&r, --k);

	/* after the clock has gone back, boundaries it has shown lie behind */
	while ((*end = boundary_at(&r, k + 1)) <= t)
	{
		*start = *end;
		k++;
	}
}

/* The window that holds t; see window.h. */
void
meter_window_bounds(const MeterWindow *window, TimestampTz t, TimestampTz *start, TimestampTz *end)
{
	bool		clock = window->size == METER_WINDOW_MINUTE || window->size == METER_WINDOW_HOUR;

	if (!meter_timestamp_in_range(t))
	{
		char		text[METER_TIMESTAMP_LEN];

		meter_timestamp_format(t, text);
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("no window holds %s: windows are for the years 0001 to 9999", text)));
	}

	if (clock && window->has_anchor)
		elapsed_bounds(window, t, start, end);
	else if (clock && clock_length(window) <= USECS_PER_HOUR)
		phase_bounds(window, t, start, end);
	else
		reading_bounds(window, t, start, end);
}
