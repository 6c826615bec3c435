/*
 * rollup_page.h
 *		Pages of rollup entries: what a row of the rollup store holds.
 */
#ifndef METER_ENGINE_ROLLUP_PAGE_H
#define METER_ENGINE_ROLLUP_PAGE_H

#include "engine/store.h"

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

/* Walk a page's entries: rest and *series begin as the whole page and 0. */
extern bool meter_rollup_next(MeterText *rest, int32 day, int64 *series, MeterRollupDelta *entry);

/* Sort, and merge entries of the same series and hour; returns how many are
 * left. */
extern int	meter_rollup_combine(MeterRollupDelta *deltas, int n);

#endif							/* METER_ENGINE_ROLLUP_PAGE_H */
