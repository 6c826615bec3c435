/*
 * window.c
 *		Window definitions: their JSON checked and made ready for use.
 */
#include "values/window.h"

#include <ctype.h>

#include "mb/pg_wchar.h"

#include "values/timestamp.h"

#define MAX_COUNT 1000

/* Bytes of a wrong name in its error. */
#define MAX_SHOWN 64

static const char *const size_names[] = {
	[METER_WINDOW_MINUTE] = "minute",
	[METER_WINDOW_HOUR] = "hour",
	[METER_WINDOW_DAY] = "day",
	[METER_WINDOW_WEEK] = "week",
	[METER_WINDOW_MONTH] = "month",
	[METER_WINDOW_QUARTER] = "quarter",
	[METER_WINDOW_YEAR] = "year",
	[METER_WINDOW_BILLING_PERIOD] = "billing_period"
};

static const char *const weekday_names[] = {
	"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"
};

/* The index of a name in a list, or -1. */
static int
name_index(const char *const *names, int n, const char *name, int len)
{
	for (int i = 0; i < n; i++)
	{
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
			return i;
	}
	return -1;
}

bool
meter_window_size_parse(const char *name, int len, MeterWindowSize *size)
{
	int			index = name_index(size_names, lengthof(size_names), name, len);

	if (index < 0)
		return false;
	*size = index;
	return true;
}

/*
 * Is a name with digits one of the IANA database's?
 *
 * pg_tzset also takes POSIX rules ("EST5EDT4", "<+03>-3"), and does not tell
 * which it found.  But such a rule must hold a digit, and IANA names must not
 * for just that reason (theory.html, "Names of timezones"), save for the ones
 * older than that guideline, which are here.
 */
static bool
is_old_name_with_digits(const char *name)
{
	static const char *const old_names[] = {
		"CST6CDT", "EST5EDT", "MST7MDT", "PST8PDT",
		"GMT0", "GMT+0", "GMT-0", "Etc/GMT0"
	};
	const char *p = name + strlen("Etc/GMT");
	int			hours;

	for (int i = 0; i < lengthof(old_names); i++)
	{
		if (pg_strcasecmp(name, old_names[i]) == 0)
			return true;
	}

	/* Etc/GMT-14 to Etc/GMT+12 */
	if (pg_strncasecmp(name, "Etc/GMT", strlen("Etc/GMT")) != 0 || (*p != '+' && *p != '-'))
		return false;
	if (!isdigit((unsigned char) p[1]) || (p[1] == '0' && p[2] != '\0') ||
		strspn(p + 1, "0123456789") != strlen(p + 1) || strlen(p + 1) > 2)
		return false;
	hours = atoi(p + 1);
	return hours <= (*p == '+' ? 12 : 14);
}

/*
 * Find a zone by its IANA name, in any case.
 *
 * Refused beside POSIX rules: what Debian and others keep in the same folder
 * but is not in the database.  "localtime" and "posixrules" are whatever the
 * machine's owner likes, and "right/..." counts leap seconds.
 */
pg_tz *
meter_window_zone(const char *name, int len)
{
	char		buf[TZ_STRLEN_MAX + 1];
	bool		digits = false;
	pg_tz	   *zone;

	if (len < 1 || len > TZ_STRLEN_MAX)
		return NULL;
	for (int i = 0; i < len; i++)
	{
		unsigned char c = name[i];

		if (c >= '0' && c <= '9')
			digits = true;
		else if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
				 c != '/' && c != '_' && c != '+' && c != '-')
			return NULL;
	}
	memcpy(buf, name, len);
	buf[len] = '\0';

	if (digits && !is_old_name_with_digits(buf))
		return NULL;
	if (pg_strcasecmp(buf, "localtime") == 0 || pg_strcasecmp(buf, "posixrules") == 0 ||
		pg_strncasecmp(buf, "posix/", 6) == 0 || pg_strncasecmp(buf, "right/", 6) == 0)
		return NULL;

	zone = pg_tzset(buf);
	return zone != NULL && pg_tz_acceptable(zone) ? zone : NULL;
}

/* A string's content, or NULL with *err set. */
static const char *
string_value(const MeterJson *doc, int node, const char *expected, int *len, MeterError *err)
{
	if (doc->nodes[node].type == METER_JSON_STRING)
		return meter_json_string(doc, node, len);
	meter_error_set(err, "INVALID_WINDOW", "expected %s, not %s", expected,
					meter_json_type_name(doc, node));
	return NULL;
}

/* Refuse a name, showing as much of it as a name would need. */
static bool
refuse_name(const char *expected, const char *name, int len, MeterError *err)
{
	int			shown = pg_mbcliplen(name, len, MAX_SHOWN);

	return meter_error_set(err, "INVALID_WINDOW", "expected %s, not \"%.*s\"%s",
						   expected, shown, name, shown < len ? " ..." : "");
}

static bool
compile_size(const MeterJson *doc, int node, MeterWindow *window, MeterError *err)
{
	static const char *const expected =
		"minute, hour, day, week, month, quarter, year or billing_period";
	int			len;
	const char *name = string_value(doc, node, expected, &len, err);

	if (name == NULL)
		return false;
	if (!meter_window_size_parse(name, len, &window->size))
		return refuse_name(expected, name, len, err);
	return true;
}

static bool
compile_count(const MeterJson *doc, int node, MeterWindow *window, MeterError *err)
{
	double		count = 0;

	/* through double, so that 3.0 and 3e0 are 3, as JSON has it */
	if (doc->nodes[node].type == METER_JSON_NUMBER)
	{
		int			len;

		count = strtod(meter_json_raw(doc, node, &len), NULL);
	}
	if (!(count >= 1 && count <= MAX_COUNT) || count != (int) count)
		return meter_error_set(err, "INVALID_WINDOW", "expected a whole number from 1 to %d",
							   MAX_COUNT);
	window->count = (int) count;
	return true;
}

static bool
compile_zone(const MeterJson *doc, int node, MeterWindow *window, MeterError *err)
{
	static const char *const expected = "an IANA time zone name such as Europe/Berlin";
	int			len;
	const char *name = string_value(doc, node, expected, &len, err);

	if (name == NULL)
		return false;
	window->zone = meter_window_zone(name, len);
	if (window->zone == NULL)
		return refuse_name(expected, name, len, err);
	return true;
}

static bool
compile_anchor(const MeterJson *doc, int node, MeterWindow *window, MeterError *err)
{
	int			len;
	const char *text = string_value(doc, node, "a date and time such as 2025-01-31T00:00:00Z",
									&len, err);

	window->has_anchor = text != NULL && meter_timestamp_parse(text, len, &window->anchor, err);
	return window->has_anchor;
}

static bool
compile_week_start(const MeterJson *doc, int node, MeterWindow *window, MeterError *err)
{
	static const char *const expected = "the English name of a weekday in lower case";
	int			len;
	const char *name = string_value(doc, node, expected, &len, err);
	int			index;

	if (name == NULL)
		return false;
	index = name_index(weekday_names, lengthof(weekday_names), name, len);
	if (index < 0)
		return refuse_name(expected, name, len, err);
	window->week_start = index;
	return true;
}

static const struct
{
	const char *key;
	bool		(*compile) (const MeterJson *doc, int node, MeterWindow *window, MeterError *err);
}			members[] =
{
	{"size", compile_size},
	{"count", compile_count},
	{"time_zone", compile_zone},
	{"anchor", compile_anchor},
	{"week_start", compile_week_start}
};

/* Compile one member of the window object. */
static bool
compile_member(const MeterJson *doc, const MeterJsonMember *member, MeterWindow *window,
			   MeterError *err)
{
	for (int i = 0; i < lengthof(members); i++)
	{
		if (strlen(members[i].key) != member->keylen ||
			memcmp(members[i].key, member->key, member->keylen) != 0)
			continue;
		return doc->nodes[member->value].type == METER_JSON_NULL ||
			members[i].compile(doc, member->value, window, err);
	}
	return meter_error_set(err, "UNKNOWN_KEY",
						   "expected size, count, time_zone, anchor or week_start");
}

/* Compile a window definition; see window.h. */
bool
meter_window_compile(const MeterJson *doc, int node, MeterWindow *window, MeterError *err)
{
	MeterJsonMember *list;
	int			n;

	memset(window, 0, sizeof(*window));
	window->size = METER_WINDOW_MONTH;
	window->count = 1;
	window->zone = pg_tzset("UTC");
	window->week_start = 1;
	if (node < 0 || doc->nodes[node].type == METER_JSON_NULL)
		return true;

	if (doc->nodes[node].type != METER_JSON_OBJECT)
		return meter_error_set(err, "INVALID_WINDOW", "expected an object or null, not %s",
							   meter_json_type_name(doc, node));
	n = meter_json_members(doc, node, &list);
	for (int i = 0; i < n; i++)
	{
		if (!compile_member(doc, &list[i], window, err))
		{
			meter_error_prepend(err, list[i].key, list[i].keylen);
			return false;
		}
	}
	return true;
}

/* Do both cut time alike?  See window.h. */
bool
meter_window_same(const MeterWindow *a, const MeterWindow *b)
{
	return a->size == b->size && a->count == b->count && a->zone == b->zone &&
		a->has_anchor == b->has_anchor && (!a->has_anchor || a->anchor == b->anchor) &&
		a->week_start == b->week_start;
}
