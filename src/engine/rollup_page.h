/*
 * rollup_page.h
 *		Pages of rollup entries: what a row of the rollup store holds.
 */
#ifndef METER_ENGINE_ROLLUP_PAGE_H
#define METER_ENGINE_ROLLUP_PAGE_H

#include "engine/store.h"
#include "values/varint.h"

#define METER_DAY_HOURS 24

/* A page is closed when it is as large; two of them fill a heap page. */
#define METER_ROLLUP_PAGE_BYTES 3800

/* Deltas of one day as pages; they must be sorted by series and hour. */
typedef struct MeterRollupPage
{
	int32		day;			/* since 2000-01-01 UTC */
	int64		series_min;
	int64		series_max;
	MeterText	entries;
} MeterRollupPage;

/* Cut n sorted entries of one day into pages, which are appended to *pages (an
 * array of *size, grown as needed); returns the new number of pages. */
extern int	meter_rollup_cut(int32 day, const MeterRollupDelta *deltas, int n,
							 MeterRollupPage **pages, int npages, int *size);

/* The day an hour belongs to, both since 2000-01-01 UTC. */
static inline int32
meter_rollup_day(int32 hour)
{
	return hour / METER_DAY_HOURS - (hour % METER_DAY_HOURS < 0);
}

extern void meter_rollup_damaged(void) pg_attribute_noreturn();

/*
 * Walk a page's entries: rest and *series begin as the whole page and 0.
 * Inline, since a question about one series walks over many others.
 */
static inline bool
meter_rollup_next(MeterText *rest, int32 day, int64 *series, MeterRollupDelta *entry)
{
	uint64		step;
	uint64		len;
	int			hour;

	if (rest->len == 0)
		return false;
	if (!meter_varint_get(rest, &step) || rest->len == 0)
		meter_rollup_damaged();
	hour = (unsigned char) *rest->data++;
	rest->len--;
	if (hour >= METER_DAY_HOURS || !meter_varint_get(rest, &len) || len > (uint64) rest->len)
		meter_rollup_damaged();
	*series += (int64) step;
	entry->series_id = *series;
	entry->hour = day * METER_DAY_HOURS + hour;
	entry->cells = (MeterText) {rest->data, (int) len};
	rest->data += len;
	rest->len -= (int) len;
	return true;
}

/* Sort, and merge entries of the same series and hour; returns how many are
 * left. */
extern int	meter_rollup_combine(MeterRollupDelta *deltas, int n);

#endif							/* METER_ENGINE_ROLLUP_PAGE_H */
