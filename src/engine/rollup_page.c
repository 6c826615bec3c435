/*
 * rollup_page.c
 *		Pages of rollup entries.
 *
 * An entry is: its series less the one before it (varint), its hour of the day
 * (one byte), the length of its cells (varint), its cells.
 */
#include "engine/rollup_page.h"

#include "lib/stringinfo.h"
#include "utils/memutils.h"

#include "engine/cells.h"

/* Cut sorted entries into pages; see rollup_page.h. */
int
meter_rollup_cut(int32 day, const MeterRollupDelta *deltas, int n,
				 MeterRollupPage **pages, int npages, int *size)
{
	for (int i = 0; i < n;)
	{
		StringInfoData buf;
		MeterRollupPage *page;
		int64		series = 0;

		if (npages >= *size)
		{
			*size = Max(*size * 2, 16);
			*pages = *pages ? repalloc_huge(*pages, *size * sizeof(MeterRollupPage)) :
				palloc(*size * sizeof(MeterRollupPage));
		}
		page = &(*pages)[npages++];
		page->day = day;
		page->series_min = deltas[i].series_id;
		initStringInfo(&buf);
		while (i < n && (buf.len == 0 || buf.len + deltas[i].cells.len < METER_ROLLUP_PAGE_BYTES))
		{
			meter_varint_put(&buf, (uint64) (deltas[i].series_id - series));
			appendStringInfoCharMacro(&buf, (char) (deltas[i].hour - day * METER_DAY_HOURS));
			meter_varint_put(&buf, deltas[i].cells.len);
			appendBinaryStringInfo(&buf, deltas[i].cells.data, deltas[i].cells.len);
			series = deltas[i++].series_id;
		}
		page->series_max = series;
		page->entries = (MeterText) {buf.data, buf.len};
	}
	return npages;
}

/* Bytes that are no page; see rollup_page.h. */
void
meter_rollup_damaged(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("rollup page is damaged")));
}

static int
delta_cmp(const void *pa, const void *pb)
{
	const MeterRollupDelta *a = pa;
	const MeterRollupDelta *b = pb;
	int32		aday = meter_rollup_day(a->hour);
	int32		bday = meter_rollup_day(b->hour);

	if (aday != bday)
		return aday < bday ? -1 : 1;
	if (a->series_id != b->series_id)
		return a->series_id < b->series_id ? -1 : 1;
	return a->hour < b->hour ? -1 : a->hour > b->hour;
}

/* Sort and merge; see rollup_page.h. */
int
meter_rollup_combine(MeterRollupDelta *deltas, int n)
{
	int			kept = 0;

	qsort(deltas, n, sizeof(MeterRollupDelta), delta_cmp);
	for (int i = 0; i < n; i++)
	{
		if (kept > 0 && delta_cmp(&deltas[kept - 1], &deltas[i]) == 0)
			deltas[kept - 1].cells = meter_cells_merge(deltas[kept - 1].cells, deltas[i].cells);
		else
			deltas[kept++] = deltas[i];
	}
	return kept;
}
