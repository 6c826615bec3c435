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
	int			week_start;		/* 0 Sunday .. 6 Saturday */
} MeterWindow;

/*
 * Compile {"size","count","time_zone","anchor","week_start"}; node -1 or a JSON
 * null gives the default, one calendar month in UTC.  Unknown keys, sizes and
 * zones are refused with a pointer below the window.
 */
extern bool meter_window_compile(const MeterJson *doc, int node, MeterWindow *window,
								 MeterError *err);

/* "hour" and so on, as usage()'s window_size has it. */
extern bool meter_window_size_parse(const char *name, int len, MeterWindowSize *size);
extern const char *meter_window_size_name(MeterWindowSize size);

/* An IANA name to a zone, or NULL.  POSIX specs and abbreviations are refused. */
extern pg_tz *meter_window_zone(const char *name, int len);

/* The window that holds t: start <= t < end, always start < end. */
extern void meter_window_bounds(const MeterWindow *window, TimestampTz t,
								TimestampTz *start, TimestampTz *end);

#endif							/* METER_VALUES_WINDOW_H */
