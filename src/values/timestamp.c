/*
 * timestamp.c
 *		Event times as text.
 *
 * Every event brings a time, so the reader is a walk over fixed positions
 * instead of core's general date parser, which takes twenty times as long and
 * accepts what no event should say ("tomorrow", a date without a zone).
 */
#include "values/timestamp.h"

#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

/* The places of a date and time up to the minute, and how long that is. */
#define FIXED_PART "dddd-dd-ddTdd:dd"
#define FIXED_LEN 16

/* Offsets end where core's do; the widest ever used is below 16 hours. */
#define MAX_OFFSET_HOUR 15

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The value of two digits known to be digits. */
static inline int
two_digits(const char *p)
{
	return (p[0] - '0') * 10 + (p[1] - '0');
}

/* Are there two digits at p? */
static inline bool
has_two_digits(const char *p, const char *end)
{
	return end - p >= 2 && is_digit(p[0]) && is_digit(p[1]);
}

static pg_noinline bool
fail(MeterError *err, const char *message)
{
	return meter_error_set(err, "INVALID_TIME", "%s", message);
}

/* Do the first FIXED_LEN bytes look like a date and a time? */
static inline bool
fixed_part_matches(const char *text)
{
	for (int i = 0; i < FIXED_LEN; i++)
	{
		char		want = FIXED_PART[i];

		if (want == 'd' ? !is_digit(text[i]) :
			want == 'T' ? (text[i] != 'T' && text[i] != 't' && text[i] != ' ') :
			text[i] != want)
			return false;
	}
	return true;
}

/* Read [:SS[.digits]] at *p. */
static inline bool
read_seconds(const char **p, const char *end, int *second, int *usec, MeterError *err)
{
	int			digits = 0;

	*second = 0;
	*usec = 0;
	if (*p == end || **p != ':')
		return true;
	if (!has_two_digits(*p + 1, end) || two_digits(*p + 1) > SECS_PER_MINUTE)
		return fail(err, "seconds must be two digits, 00 to 60");
	*second = two_digits(*p + 1);
	*p += 3;

	if (*p == end || **p != '.')
		return true;
	for ((*p)++; *p < end && is_digit(**p); (*p)++, digits++)
	{
		if (digits < MAX_TIMESTAMP_PRECISION)
			*usec = *usec * 10 + (**p - '0');
	}
	if (digits == 0)
		return fail(err, "a decimal point must be followed by digits of the second");
	for (; digits < MAX_TIMESTAMP_PRECISION; digits++)
		*usec *= 10;
	return true;
}

/* Read the zone, which ends the text, as seconds east of Greenwich. */
static inline bool
read_zone(const char *p, const char *end, int *offset, MeterError *err)
{
	bool		west;
	int			hour;
	int			minute = 0;

	*offset = 0;
	if (p == end)
		return fail(err, "a time zone is required: end with Z or an offset such as +02:00");
	if (*p == 'Z' || *p == 'z')
	{
		if (p + 1 != end)
			return fail(err, "nothing may follow the Z of a time");
		return true;
	}
	if (*p != '+' && *p != '-')
		return fail(err, "expected Z or an offset such as +02:00 after the time of day");

	west = *p++ == '-';
	if (!has_two_digits(p, end))
		return fail(err, "a time zone offset must be +HH:MM, +HHMM or +HH");
	hour = two_digits(p);
	p += 2;
	if (p < end)
	{
		if (*p == ':')
			p++;
		if (!has_two_digits(p, end) || p + 2 != end)
			return fail(err, "a time zone offset must be +HH:MM, +HHMM or +HH");
		minute = two_digits(p);
	}
	if (hour > MAX_OFFSET_HOUR || minute >= MINS_PER_HOUR)
		return fail(err, "a time zone offset must be within 15:59");
	*offset = (hour * MINS_PER_HOUR + minute) * SECS_PER_MINUTE;
	if (west)
		*offset = -*offset;
	return true;
}

/* Read one time; see timestamp.h. */
bool
meter_timestamp_parse(const char *text, int len, TimestampTz *out, MeterError *err)
{
	const char *p = text + FIXED_LEN;
	const char *end = text + len;
	int			year,
				month,
				day,
				hour,
				minute,
				second,
				usec,
				offset;
	int64		seconds;

	if (len < FIXED_LEN || !fixed_part_matches(text))
		return fail(err, "expected a date and time such as 2025-01-31T00:00:00Z");

	year = two_digits(text) * 100 + two_digits(text + 2);
	month = two_digits(text + 5);
	day = two_digits(text + 8);
	if (year < 1 || month < 1 || month > MONTHS_PER_YEAR ||
		day < 1 || day > day_tab[isleap(year)][month - 1])
		return meter_error_set(err, "INVALID_TIME", "%.10s is not a date of the years 0001 to 9999",
							   text);
	hour = two_digits(text + 11);
	minute = two_digits(text + 14);
	if (hour >= HOURS_PER_DAY || minute >= MINS_PER_HOUR)
		return meter_error_set(err, "INVALID_TIME", "%.5s is not a time of day, 00:00 to 23:59",
							   text + 11);
	if (!read_seconds(&p, end, &second, &usec, err) ||
		!read_zone(p, end, &offset, err))
		return false;

	seconds = (int64) (date2j(year, month, day) - POSTGRES_EPOCH_JDATE) * SECS_PER_DAY +
		(hour * MINS_PER_HOUR + minute) * SECS_PER_MINUTE + second - offset;
	*out = seconds * USECS_PER_SEC + usec;
	if (!meter_timestamp_in_range(*out))
		return fail(err, "time must be within the years 0001 to 9999 of UTC");
	return true;
}

/* Write one time; see timestamp.h. */
int
meter_timestamp_format(TimestampTz t, char *buf)
{
	char	   *p = buf;
	struct pg_tm tm;
	fsec_t		usec;

	if (TIMESTAMP_NOT_FINITE(t) || timestamp2tm(t, NULL, &tm, &usec, NULL, NULL) != 0)
	{
		strcpy(buf, TIMESTAMP_IS_NOBEGIN(t) ? "-infinity" : "infinity");
		return strlen(buf);
	}

	if (tm.tm_year < 0 || tm.tm_year > 9999)
		*p++ = tm.tm_year < 0 ? '-' : '+';
	p = pg_ultostr_zeropad(p, abs(tm.tm_year), 4);
	*p++ = '-';
	p = pg_ultostr_zeropad(p, tm.tm_mon, 2);
	*p++ = '-';
	p = pg_ultostr_zeropad(p, tm.tm_mday, 2);
	*p++ = 'T';
	p = pg_ultostr_zeropad(p, tm.tm_hour, 2);
	*p++ = ':';
	p = pg_ultostr_zeropad(p, tm.tm_min, 2);
	*p++ = ':';
	p = pg_ultostr_zeropad(p, tm.tm_sec, 2);
	if (usec != 0)
	{
		*p++ = '.';
		p = pg_ultostr_zeropad(p, usec, MAX_TIMESTAMP_PRECISION);
	}
	*p++ = 'Z';
	*p = '\0';
	return p - buf;
}
