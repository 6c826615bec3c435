/*
 * duration.h
 *		Lengths of time as text: what a PostgreSQL user writes, and ISO 8601.
 */
#ifndef METER_VALUES_DURATION_H
#define METER_VALUES_DURATION_H

#include "compat.h"

#include "datatype/timestamp.h"

#include "values/error.h"

#define METER_DURATION_MAX (INT64CONST(3650) * USECS_PER_DAY)

/*
 * Read a length of time, 0 to ten years of 365 days, in microseconds:
 *
 *	  90 minutes, 2 days 3 hours, 1.5 h, 1h30m		numbers and units, largest
 *													first or not, each once
 *	  36:00, 2 days 03:04:05.5						a clock's hours and minutes
 *	  P1DT2H, P2W, PT0.5S							ISO 8601
 *	  0												needs no unit
 *
 * Units are weeks, days (of 24 hours), hours, minutes and seconds, singular,
 * plural or as core's intervals shorten them, in any case.  Months and years
 * are refused, since they have no fixed length, and so is what is no whole
 * number of microseconds.  The code of a failure is INVALID_DURATION, with the
 * position.
 */
extern bool meter_duration_parse(const char *text, int len, int64 *microseconds,
								 MeterError *err);

/* A length as people read it: "2 days 3 hours 0.5 seconds"; palloc'd. */
extern char *meter_duration_format(int64 microseconds);

#endif							/* METER_VALUES_DURATION_H */
