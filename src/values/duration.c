/*
 * duration.c
 *		Lengths of time as text.
 *
 * Core's interval keeps months and days apart from hours, and says of
 * "1 month" what can only be told from a date.  A policy needs one length that
 * is always the same, so it is read here, exactly, and without the server's
 * IntervalStyle.
 */
#include "values/duration.h"

#include <ctype.h>

#include "lib/stringinfo.h"

/* A unit's bit says that it was given; a clock gives three. */
enum
{
	WEEK = 1,
	DAY = 2,
	HOUR = 4,
	MINUTE = 8,
	SECOND = 16
};

typedef struct Unit
{
	const char *name;
	int			bit;			/* 0: it has no fixed length */
	int64		length;
} Unit;

#define USECS_PER_WEEK (7 * USECS_PER_DAY)

static const Unit units[] = {
	{"s", SECOND, USECS_PER_SEC}, {"sec", SECOND, USECS_PER_SEC}, {"secs", SECOND, USECS_PER_SEC},
	{"second", SECOND, USECS_PER_SEC}, {"seconds", SECOND, USECS_PER_SEC},
	{"m", MINUTE, USECS_PER_MINUTE}, {"min", MINUTE, USECS_PER_MINUTE}, {"mins", MINUTE, USECS_PER_MINUTE},
	{"minute", MINUTE, USECS_PER_MINUTE}, {"minutes", MINUTE, USECS_PER_MINUTE},
	{"h", HOUR, USECS_PER_HOUR}, {"hr", HOUR, USECS_PER_HOUR}, {"hrs", HOUR, USECS_PER_HOUR},
	{"hour", HOUR, USECS_PER_HOUR}, {"hours", HOUR, USECS_PER_HOUR},
	{"d", DAY, USECS_PER_DAY}, {"day", DAY, USECS_PER_DAY}, {"days", DAY, USECS_PER_DAY},
	{"w", WEEK, USECS_PER_WEEK}, {"week", WEEK, USECS_PER_WEEK}, {"weeks", WEEK, USECS_PER_WEEK},
	{"mon"}, {"mons"}, {"month"}, {"months"}, {"y"}, {"yr"}, {"yrs"}, {"year"}, {"years"}
};

/* ISO 8601's letters, before and behind the T. */
static const Unit date_letters[] = {
	{"W", WEEK, USECS_PER_WEEK}, {"D", DAY, USECS_PER_DAY}, {"M"}, {"Y"}
};
static const Unit time_letters[] = {
	{"H", HOUR, USECS_PER_HOUR}, {"M", MINUTE, USECS_PER_MINUTE}, {"S", SECOND, USECS_PER_SEC}
};

typedef struct Reader
{
	const char *start;
	const char *p;
	const char *end;
	int			given;			/* the units so far */
	int64		total;
	MeterError *err;
} Reader;

static bool
fail(Reader *r, const char *at, const char *message)
{
	meter_error_set(r->err, "INVALID_DURATION", "%s", message);
	r->err->position = (int) (at - r->start) + 1;
	return false;
}

static bool
expected(Reader *r, const char *at)
{
	return fail(r, at, "expected a duration, as 90 minutes, 2 days 3 hours, 36:00:00 or P1DT12H");
}

static inline bool
at_digit(const Reader *r)
{
	return r->p < r->end && isdigit((unsigned char) *r->p);
}

static void
skip_spaces(Reader *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\t'))
		r->p++;
}

/* Digits, then perhaps a point and more: mantissa / scale. */
static bool
read_number(Reader *r, int64 *mantissa, int64 *scale)
{
	const char *at = r->p;
	bool		point = false;

	*mantissa = 0;
	*scale = 1;
	while (at_digit(r) || (r->p < r->end && *r->p == '.' && !point && r->p > at))
	{
		if (*r->p == '.')
			point = true;
		else if (*mantissa > METER_DURATION_MAX || *scale > METER_DURATION_MAX)
			return fail(r, at, "expected a number of fewer digits");
		else
		{
			*mantissa = *mantissa * 10 + (*r->p - '0');
			*scale *= point ? 10 : 1;
		}
		r->p++;
	}
	return r->p > at && r->p[-1] != '.' ? true : expected(r, at);
}

/* Add so much of a unit, which must not have been given before. */
static bool
add(Reader *r, const char *at, int bits, int128 amount, int64 scale)
{
	if (r->given & bits)
		return fail(r, at, "the same unit is given twice");
	if (amount % scale != 0)
		return fail(r, at, "expected a whole number of microseconds");
	if (amount / scale > METER_DURATION_MAX - r->total)
		return fail(r, at, "expected at most 10 years of 365 days");
	r->given |= bits;
	r->total += (int64) (amount / scale);
	return true;
}

static bool
add_unit(Reader *r, const char *at, const Unit *unit, int64 mantissa, int64 scale)
{
	if (unit->bit == 0)
		return fail(r, at, "months and years have no fixed length: give weeks, days or hours");
	return add(r, at, unit->bit, (int128) mantissa * unit->length, scale);
}

/* The unit of that name, or NULL. */
static const Unit *
find_unit(const Unit *list, int n, const char *name, int len)
{
	for (int i = 0; i < n; i++)
	{
		if (strlen(list[i].name) == len && pg_strncasecmp(list[i].name, name, len) == 0)
			return &list[i];
	}
	return NULL;
}

/* Two digits below sixty, behind a colon. */
static bool
read_sixtieth(Reader *r, int64 *value)
{
	const char *at = ++r->p;

	*value = 0;
	for (int i = 0; i < 2; i++)
	{
		if (!at_digit(r))
			return expected(r, at);
		*value = *value * 10 + (*r->p++ - '0');
	}
	return *value < 60 ? true : fail(r, at, "expected 00 to 59");
}

/* The rest of a clock's reading behind its hours: :MM, :MM:SS or :MM:SS.f */
static bool
read_clock(Reader *r, const char *at, int64 hours)
{
	int64		minutes;
	int64		seconds = 0;
	int64		fraction = 0;
	int64		scale = 1;

	if (!read_sixtieth(r, &minutes))
		return false;
	if (r->p < r->end && *r->p == ':' && !read_sixtieth(r, &seconds))
		return false;
	if (r->p < r->end && *r->p == '.')
	{
		const char *digits = ++r->p;

		if (!read_number(r, &fraction, &scale) || scale != 1)
			return expected(r, digits);
		for (const char *d = digits; d < r->p; d++)
			scale *= 10;
	}
	return add(r, at, HOUR | MINUTE | SECOND, (int128) hours * USECS_PER_HOUR + minutes * USECS_PER_MINUTE +
			   seconds * USECS_PER_SEC, 1) &&
		add(r, at, 0, (int128) fraction * USECS_PER_SEC, scale);
}

/* Numbers and units, the last perhaps a clock's reading. */
static bool
read_units(Reader *r)
{
	while (r->p < r->end)
	{
		const char *at = r->p;
		const char *name;
		const Unit *unit;
		int64		mantissa;
		int64		scale;

		if (!read_number(r, &mantissa, &scale))
			return false;
		if (r->p < r->end && *r->p == ':' && scale == 1)
		{
			if (!read_clock(r, at, mantissa))
				return false;
			skip_spaces(r);
			continue;
		}
		skip_spaces(r);
		if (r->p == r->end && mantissa == 0 && r->given == 0)
			return true;
		name = r->p;
		while (r->p < r->end && isalpha((unsigned char) *r->p))
			r->p++;
		unit = find_unit(units, lengthof(units), name, (int) (r->p - name));
		if (unit == NULL)
			return fail(r, name, "expected weeks, days, hours, minutes or seconds");
		if (!add_unit(r, at, unit, mantissa, scale))
			return false;
		skip_spaces(r);
	}
	return true;
}

/* ISO 8601, behind the P. */
static bool
read_iso(Reader *r)
{
	const Unit *letters = date_letters;
	int			n = lengthof(date_letters);

	while (r->p < r->end)
	{
		const char *at = r->p;
		const Unit *unit;
		int64		mantissa;
		int64		scale;

		if (letters == date_letters && (*r->p == 'T' || *r->p == 't'))
		{
			letters = time_letters;
			n = lengthof(time_letters);
			at = ++r->p;
		}
		if (!read_number(r, &mantissa, &scale))
			return false;
		unit = r->p < r->end ? find_unit(letters, n, r->p, 1) : NULL;
		if (unit == NULL)
			return expected(r, r->p);
		r->p++;
		if (!add_unit(r, at, unit, mantissa, scale))
			return false;
	}
	return r->given != 0 ? true : expected(r, r->p);
}

/* Read a length of time; see duration.h. */
bool
meter_duration_parse(const char *text, int len, int64 *microseconds, MeterError *err)
{
	Reader		r = {.start = text, .p = text, .end = text + len, .err = err};
	bool		ok;

	while (r.end > r.p && (r.end[-1] == ' ' || r.end[-1] == '\t'))
		r.end--;
	skip_spaces(&r);
	if (r.p == r.end)
		return expected(&r, r.p);
	if (*r.p == '-')
		return fail(&r, r.p, "a duration must not be negative");
	if (*r.p == 'P' || *r.p == 'p')
	{
		r.p++;
		ok = read_iso(&r);
	}
	else
		ok = read_units(&r);
	*microseconds = r.total;
	return ok;
}

/* A length as people read it; see duration.h. */
char *
meter_duration_format(int64 microseconds)
{
	static const struct
	{
		const char *name;
		int64		length;
	}			parts[] = {{"day", USECS_PER_DAY}, {"hour", USECS_PER_HOUR}, {"minute", USECS_PER_MINUTE}};
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < lengthof(parts); i++)
	{
		int64		n = microseconds / parts[i].length;

		if (n > 0)
			appendStringInfo(&buf, "%s" INT64_FORMAT " %s%s", buf.len > 0 ? " " : "", n, parts[i].name, n > 1 ? "s" : "");
		microseconds %= parts[i].length;
	}
	if (microseconds > 0 || buf.len == 0)
	{
		appendStringInfo(&buf, "%s" INT64_FORMAT, buf.len > 0 ? " " : "", microseconds / USECS_PER_SEC);
		if (microseconds % USECS_PER_SEC != 0)
		{
			appendStringInfo(&buf, ".%06d", (int) (microseconds % USECS_PER_SEC));
			while (buf.data[buf.len - 1] == '0')
				buf.data[--buf.len] = '\0';
		}
		appendStringInfo(&buf, " second%s", microseconds == USECS_PER_SEC ? "" : "s");
	}
	return buf.data;
}
