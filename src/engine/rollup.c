/*
 * rollup.c
 *		From counted contributions to rollup deltas.
 *
 * The contributions are sorted by series, hour, version and quarter; each run
 * of equal ones is one state, each run of one series and hour one delta.
 */
#include "engine/batch.h"

#include "utils/memutils.h"

#include "engine/cells.h"

typedef struct RollupItem
{
	int64		series_id;
	int32		hour;
	int32		version_id;
	int			quarter;
	int			contribution;
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
	if (a->quarter != b->quarter)
		return a->quarter - b->quarter;
	return a->contribution - b->contribution;
}

/* The counted contributions in order. */
static RollupItem *
sort_items(const MeterBatch *batch, int *nitems)
{
	RollupItem *items = palloc(Max(batch->ncontributions, 1) * sizeof(RollupItem));
	int			n = 0;

	for (int i = 0; i < batch->ncontributions; i++)
	{
		const MeterContribution *c = &batch->contributions[i];
		TimestampTz time = batch->events[c->event].time;
		int64		hour = time / METER_HOUR - (time % METER_HOUR < 0);

		if (c->outcome != METER_OUTCOME_COUNTED)
			continue;
		items[n++] = (RollupItem) {
			.series_id = batch->series[c->series].series_id,
				.hour = (int32) hour,
				.version_id = c->plan->version_id,
				.quarter = (int) ((time - hour * METER_HOUR) / METER_QUARTER),
				.contribution = i
		};
	}
	qsort(items, n, sizeof(RollupItem), item_cmp);
	*nitems = n;
	return items;
}

/* Merge the counted contributions into the rollup store. */
void
meter_batch_roll_up(MeterBatch *batch)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "meter roll-up",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext states = AllocSetContextCreate(context, "meter roll-up states",
												 ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	int			nitems;
	RollupItem *items = sort_items(batch, &nitems);
	MeterRollupDelta *deltas = palloc(Max(nitems, 1) * sizeof(MeterRollupDelta));
	int			ndeltas = 0;

	for (int i = 0; i < nitems;)
	{
		RollupItem *row = &items[i];
		StringInfoData cells;

		initStringInfo(&cells);
		while (i < nitems && items[i].series_id == row->series_id && items[i].hour == row->hour)
		{
			RollupItem *cell = &items[i];
			const MeterPlan *plan = batch->contributions[cell->contribution].plan;
			MeterState *state;

			MemoryContextReset(states);
			state = meter_state_create(plan->function, states);
			while (i < nitems && items[i].series_id == cell->series_id &&
				   items[i].hour == cell->hour &&
				   items[i].version_id == cell->version_id && items[i].quarter == cell->quarter)
			{
				const MeterContribution *c = &batch->contributions[items[i].contribution];
				const MeterEvent *event = &batch->events[c->event];
				MeterSample sample = meter_measure_sample(plan, &c->measure, event->time, event->seq);

				meter_state_add(state, &sample);
				i++;
			}
			meter_cell_append(&cells, cell->version_id, 0, cell->quarter, state);
		}
		deltas[ndeltas++] = (MeterRollupDelta) {
			.series_id = row->series_id, .hour = row->hour, .cells = {cells.data, cells.len}
		};
	}
	meter_rollup_merge(&batch->organization, deltas, ndeltas);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
