/*
 * schema_format_time.c
 *		date, time, date-time (RFC 3339, section 5.6) and duration (its
 *		appendix A).
 */
#include "values/schema_private.h"

/* Exactly n digits at s as a number, or -1. */
static int
digits(const char *s, int len, int n)
{
	int			value = 0;

	if (len < n)
		return -1;
	for (int i = 0; i < n; i++)
	{
		if (s[i] < '0' || s[i] > '9')
			return -1;
		value = value * 10 + (s[i] - '0');
	}
	return value;
}

bool
meter_schema_format_date(const char *s, int len)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int			year,
				month,
				day;
	bool		leap;

	if (len != 10 || s[4] != '-' || s[7] != '-')
		return false;
	year = digits(s, 4, 4);
	month = digits(s + 5, 2, 2);
	day = digits(s + 8, 2, 2);
	if (year < 0 || month < 1 || month > 12 || day < 1)
		return false;
	leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return day <= days[month - 1] + (month == 2 && leap);
}

/* A second 60 is a leap second: 23:59:60 in UTC. */
bool
meter_schema_format_time(const char *s, int len)
{
	int			hour = digits(s, len, 2);
	int			minute,
				second;
	int			offset = 0;
	int			i = 8;

	if (len < 9 || s[2] != ':' || s[5] != ':')
		return false;
	minute = digits(s + 3, 2, 2);
	second = digits(s + 6, 2, 2);
	if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60)
		return false;
	if (s[i] == '.')
	{
		for (i++; i < len && s[i] >= '0' && s[i] <= '9'; i++)
			;
		if (i == 9)
			return false;
	}
	if (i < len && (s[i] == '+' || s[i] == '-'))
	{
		int			h,
					m;

		if (len - i != 6 || s[i + 3] != ':')
			return false;
		h = digits(s + i + 1, 2, 2);
		m = digits(s + i + 4, 2, 2);
		if (h < 0 || h > 23 || m < 0 || m > 59)
			return false;
		offset = (h * 60 + m) * (s[i] == '+' ? 1 : -1);
	}
	else if (len - i != 1 || (s[i] != 'Z' && s[i] != 'z'))
		return false;
	return second < 60 || (hour * 60 + minute - offset + 2 * 1440) % 1440 == 1439;
}

bool
meter_schema_format_date_time(const char *s, int len)
{
	return len > 11 && (s[10] == 'T' || s[10] == 't') &&
		meter_schema_format_date(s, 10) &&
		meter_schema_format_time(s + 11, len - 11);
}

/*
 * Numbers with the units given, each unit at most once and in order, and none
 * left out between two that are there.  Returns how many bytes they took, or
 * -1.
 */
static int
duration_units(const char *s, int len, const char *units)
{
	int			i = 0;
	int			last = -1;

	while (i < len && s[i] >= '0' && s[i] <= '9')
	{
		const char *unit;

		while (i < len && s[i] >= '0' && s[i] <= '9')
			i++;
		unit = i < len && s[i] != '\0' ? strchr(units, s[i]) : NULL;
		if (unit == NULL || (last >= 0 && unit - units != last + 1))
			return -1;
		last = unit - units;
		i++;
	}
	return i;
}

bool
meter_schema_format_duration(const char *s, int len)
{
	int			date,
				time;

	if (len < 3 || s[0] != 'P')
		return false;
	s++;
	len--;
	if (s[len - 1] == 'W')
		return duration_units(s, len, "W") == len;
	date = duration_units(s, len, "YMD");
	if (date < 0 || date == len)
		return date == len;
	if (s[date] != 'T')
		return false;
	time = duration_units(s + date + 1, len - date - 1, "HMS");
	return time > 0 && date + 1 + time == len;
}
