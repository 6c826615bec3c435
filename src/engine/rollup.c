/*
 * rollup.c
 *		From counted contributions to rollup deltas.
 *
 * What the profiles count is sorted by series, hour, version, profile and
 * quarter; each run of equal ones is one state, each run of one series and hour
 * one delta.
 */
#include "engine/batch.h"

#include "utils/memutils.h"

#include "engine/cells.h"

typedef struct RollupItem
{
	int64		series_id;
	int32		hour;
	int32		version_id;
	uint8		profile;
	uint8		quarter;
	int			contribution;
	int			measure;
} RollupItem;

static int
item_cmp(const void *pa, const void *pb)
{
	const RollupItem *a = pa;
	const RollupItem *b = pb;

	if (a->series_id != b->series_id)
		return a->series_id < b->series_id ? -1 : 1;
	if (a->hour != b->hour)
		return a->hour < b->hour ? -1 : 1;
	if (a->version_id != b->version_id)
		return a->version_id < b->version_id ? -1 : 1;
	if (a->profile != b->profile)
		return a->profile - b->profile;
	if (a->quarter != b->quarter)
		return a->quarter - b->quarter;
	return a->measure - b->measure;
}

/* The counted measures in order. */
static RollupItem *
sort_items(const MeterBatch *batch, int *nitems)
{
	RollupItem *items = palloc_extended(Max(batch->nmeasures, 1) * sizeof(RollupItem), MCXT_ALLOC_HUGE);
	int			n = 0;

	for (int i = 0; i < batch->ncontributions; i++)
	{
		const MeterContribution *c = &batch->contributions[i];
		int64		hour = meter_hour_of(c->placement);

		if (c->outcome != METER_OUTCOME_COUNTED)
			continue;
		for (int m = c->first_measure; m < c->first_measure + c->nmeasures; m++)
			items[n++] = (RollupItem) {
				.series_id = batch->series[c->series].series_id,
					.hour = (int32) hour,
					.version_id = c->plan->version_id,
					.profile = batch->measures[m].profile,
					.quarter = (c->placement - hour * METER_HOUR) / METER_QUARTER,
					.contribution = i,
					.measure = m
			};
	}
	qsort(items, n, sizeof(RollupItem), item_cmp);
	*nitems = n;
	return items;
}

static bool
same_cell(const RollupItem *a, const RollupItem *b)
{
	return a->series_id == b->series_id && a->hour == b->hour &&
		a->version_id == b->version_id && a->profile == b->profile && a->quarter == b->quarter;
}

/* The state of a run of equal cells, appended; returns where the next begins. */
static int
append_cell(const MeterBatch *batch, const RollupItem *items, int nitems, int i,
			MemoryContext states, StringInfo cells)
{
	const RollupItem *cell = &items[i];
	const MeterProfile *profile =
		&batch->contributions[cell->contribution].plan->profiles[cell->profile];
	MeterState *state;

	MemoryContextReset(states);
	state = meter_profile_state(profile, states);
	for (; i < nitems && same_cell(&items[i], cell); i++)
	{
		const MeterContribution *c = &batch->contributions[items[i].contribution];
		MeterSample sample = meter_measure_sample(profile, &batch->measures[items[i].measure],
												  c->placement, batch->events[c->event].seq);

		meter_state_add(state, &sample);
	}
	meter_cell_append(cells, cell->version_id, cell->profile, cell->quarter, state);
	return i;
}

/* What the counted contributions add to the rollups; see batch.h. */
int
meter_batch_deltas(const MeterBatch *batch, MeterRollupDelta **deltas)
{
	MemoryContext result = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(result, "meter roll-up",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext states = AllocSetContextCreate(context, "meter roll-up states",
												 ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	int			nitems;
	RollupItem *items = sort_items(batch, &nitems);
	StringInfoData cells;
	int			n = 0;

	*deltas = MemoryContextAllocHuge(result, Max(nitems, 1) * sizeof(MeterRollupDelta));
	initStringInfo(&cells);
	for (int i = 0; i < nitems;)
	{
		RollupItem *row = &items[i];

		resetStringInfo(&cells);
		while (i < nitems && items[i].series_id == row->series_id && items[i].hour == row->hour)
			i = append_cell(batch, items, nitems, i, states, &cells);
		(*deltas)[n++] = (MeterRollupDelta) {
			.series_id = row->series_id, .hour = row->hour,
				.cells = {memcpy(MemoryContextAlloc(result, cells.len), cells.data, cells.len), cells.len}
		};
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return n;
}

/* Merge the counted contributions into the rollup store. */
void
meter_batch_roll_up(MeterBatch *batch)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "meter roll-up deltas",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	MeterRollupDelta *deltas;
	int			n = meter_batch_deltas(batch, &deltas);

	meter_rollup_merge(&batch->organization, deltas, n);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
