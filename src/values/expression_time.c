/*
 * expression_time.c
 *		Times in expressions: their parts in a zone, and as numbers.
 */
#include "values/expression_private.h"

#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "values/decimal_private.h"
#include "values/timestamp.h"

#define UNIX_EPOCH_OFFSET \
	((int64) (UNIX_EPOCH_JDATE - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY)

/* Read a time, or a date, whose midnight in UTC is meant. */
bool
meter_time_parse(const char *text, int len, TimestampTz *out, MeterError *err)
{
	char		buf[sizeof("YYYY-MM-DDT00:00Z")];

	if (len == strlen("YYYY-MM-DD"))
	{
		len = snprintf(buf, sizeof(buf), "%.10sT00:00Z", text);
		text = buf;
	}
	return meter_timestamp_parse(text, len, out, err);
}

/* Break a time down in a zone, NULL for UTC. */
static bool
break_down(TimestampTz time, pg_tz *zone, struct pg_tm *tm, fsec_t *fraction, MeterError *err)
{
	int			tz;

	if (TIMESTAMP_NOT_FINITE(time) ||
		timestamp2tm(time, zone ? &tz : NULL, tm, fraction, NULL, zone) != 0)
		return meter_error_set(err, "INVALID_TIME", "the time is out of range");
	return true;
}

/* The date as text, written as meter_timestamp_format does. */
static void
set_date(const struct pg_tm *tm, MeterValue *out)
{
	char	   *buf = palloc(METER_TIMESTAMP_LEN);

	out->type = METER_VALUE_TEXT;
	out->u.text.data = buf;
	out->u.text.len = snprintf(buf, METER_TIMESTAMP_LEN, "%s%04d-%02d-%02d",
							   tm->tm_year < 0 ? "-" : tm->tm_year > 9999 ? "+" : "",
							   abs(tm->tm_year), tm->tm_mon, tm->tm_mday);
}

/* A part of a time as it is in a zone, NULL for UTC. */
bool
meter_time_part(TimestampTz time, pg_tz *zone, MeterTimePart part, MeterValue *out,
				MeterError *err)
{
	struct pg_tm tm;
	fsec_t		fraction;
	int			value = 0;

	if (!break_down(time, zone, &tm, &fraction, err))
		return false;
	switch (part)
	{
		case METER_PART_YEAR:
			value = tm.tm_year;
			break;
		case METER_PART_QUARTER:
			value = (tm.tm_mon - 1) / 3 + 1;
			break;
		case METER_PART_MONTH:
			value = tm.tm_mon;
			break;
		case METER_PART_WEEK:
			value = date2isoweek(tm.tm_year, tm.tm_mon, tm.tm_mday);
			break;
		case METER_PART_DAY:
			value = tm.tm_mday;
			break;
		case METER_PART_DAY_OF_WEEK:
			value = j2day(date2j(tm.tm_year, tm.tm_mon, tm.tm_mday));
			value = value == 0 ? 7 : value;	/* ISO 8601's Sunday */
			break;
		case METER_PART_DAY_OF_YEAR:
			value = date2j(tm.tm_year, tm.tm_mon, tm.tm_mday) - date2j(tm.tm_year, 1, 1) + 1;
			break;
		case METER_PART_DAYS_IN_MONTH:
			value = day_tab[isleap(tm.tm_year)][tm.tm_mon - 1];
			break;
		case METER_PART_HOUR:
			value = tm.tm_hour;
			break;
		case METER_PART_MINUTE:
			value = tm.tm_min;
			break;
		case METER_PART_SECOND:
			value = tm.tm_sec;
			break;
		case METER_PART_DATE:
			set_date(&tm, out);
			return true;
	}
	out->type = METER_VALUE_NUMBER;
	meter_decimal_from_int64(value, &out->u.number);
	return true;
}

/* Microseconds as seconds. */
static void
set_seconds(int128 usecs, MeterDecimal *out)
{
	meter_decimal_set(out, usecs, 6);
	meter_number_strip(out);
}

/* Seconds since 1970 to a time; false where out of range. */
bool
meter_time_from_epoch(const MeterDecimal *seconds, TimestampTz *out)
{
	MeterDecimal micros;
	MeterError	ignored;

	if (!meter_number_round(seconds, 6, METER_ROUND_HALF, &micros, &ignored) ||
		micros.big || micros.scale > 6 ||
		micros.mantissa > PG_INT64_MAX / 2 || micros.mantissa < PG_INT64_MIN / 2)
		return false;
	micros.mantissa *= meter_power_of_ten[6 - micros.scale];
	micros.mantissa += UNIX_EPOCH_OFFSET;
	*out = (TimestampTz) micros.mantissa;
	return meter_timestamp_in_range(*out);
}

/* Seconds since 1970. */
void
meter_time_to_epoch(TimestampTz time, MeterDecimal *out)
{
	set_seconds((int128) time - UNIX_EPOCH_OFFSET, out);
}

/* Seconds from b to a. */
void
meter_time_difference(TimestampTz a, TimestampTz b, MeterDecimal *out)
{
	set_seconds((int128) a - b, out);
}
