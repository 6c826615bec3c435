/*
 * window.h
 *		Metering windows: half-open pieces of time whose ends are computed in
 *		a time zone.
 */
#ifndef METER_VALUES_WINDOW_H
#define METER_VALUES_WINDOW_H

#include "compat.h"

#include "datatype/timestamp.h"
#include "pgtime.h"

#include "values/error.h"
#include "values/json.h"

typedef enum MeterWindowSize
{
	METER_WINDOW_MINUTE,
	METER_WINDOW_HOUR,
	METER_WINDOW_DAY,
	METER_WINDOW_WEEK,
	METER_WINDOW_MONTH,
	METER_WINDOW_QUARTER,
	METER_WINDOW_YEAR,
	METER_WINDOW_BILLING_PERIOD
} MeterWindowSize;

typedef struct MeterWindow
{
	MeterWindowSize size;
	int			count;			/* windows of that many sizes each, 1 .. 1000 */
	pg_tz	   *zone;			/* lives as long as the backend */
	bool		has_anchor;
	TimestampTz anchor;			/* original anchor: windows are anchor + k *
								 * count * size, clamped from its day */
	int			week_start;		/* 0 Sunday .. 6 Saturday; weeks without an
								 * anchor only */
} MeterWindow;

/*
 * Compile {"size","count","time_zone","anchor","week_start"}; node -1 or a JSON
 * null gives the default, one calendar month in UTC; so does each member that is
 * absent or null, for itself.  Unknown keys, sizes and zones are refused with a
 * pointer below the window (UNKNOWN_KEY, INVALID_WINDOW; INVALID_TIME for an
 * anchor).
 */
extern bool meter_window_compile(const MeterJson *doc, int node, MeterWindow *window,
								 MeterError *err);

/* "hour" and so on, as usage()'s window_size has it. */
extern bool meter_window_size_parse(const char *name, int len, MeterWindowSize *size);

/* An IANA name (in any case) to a zone, or NULL.  POSIX specs and abbreviations
 * are refused, save for abbreviations that are zones of their own (CET, EST). */
extern pg_tz *meter_window_zone(const char *name, int len);

/*
 * The window that holds t: start <= t < end.  Windows tile all of time: the end
 * of one is the start of the next (window_bounds.c says how).  A billing period
 * counts as a month from its anchor; the engine puts the subscription's own in
 * its place.  At most 0.1 microseconds, so nothing needs to be remembered.
 * Raises 22008 where t is not in meter_timestamp_in_range; look first where
 * that may happen.
 */
extern void meter_window_bounds(const MeterWindow *window, TimestampTz t,
								TimestampTz *start, TimestampTz *end);

/* Do both cut time alike? */
extern bool meter_window_same(const MeterWindow *a, const MeterWindow *b);

#endif							/* METER_VALUES_WINDOW_H */
