/*
 * usage_rows.c
 *		The rows of an answer about usage.
 *
 * Grouped, rows come by window, group and version, and a group has rows where
 * it has events.  Ungrouped they come by window, version and currency, and a
 * window or version without events has a row too.  What persists (usage_carry.c)
 * has a row also where a group has no events but a value other than zero.
 */
#include "engine/usage_private.h"

#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

typedef struct Rows
{
	MeterUsage *usage;
	bool		grouped;
	bool		hides_zero;		/* that only persists */
	long		nitems;			/* what was found, in the order of rows */
	MeterUsageItem **items;
	long		next;			/* the first item not yet passed */
	int		   *sorted;			/* groups in their order */
	MeterCarry *carries;		/* of each group, where something persists */
	MeterUsageEmit emit;
	void	   *arg;
} Rows;

static int
item_cmp(const void *pa, const void *pb, void *arg)
{
	const Rows *rows = arg;
	const MeterGroup *groups = rows->usage->groups.groups;
	const MeterUsageItem *a = *(MeterUsageItem *const *) pa;
	const MeterUsageItem *b = *(MeterUsageItem *const *) pb;
	int			by_group = a->group == b->group ? 0 :
		groups[a->group].order - groups[b->group].order;

	if (a->window != b->window)
		return a->window < b->window ? -1 : 1;
	if (rows->grouped && by_group != 0)
		return by_group;
	if (a->segment != b->segment)
		return a->segment - b->segment;
	return by_group;
}

/* All that was found, in the order of rows. */
static void
sort_items(Rows *rows)
{
	MeterUsage *usage = rows->usage;
	long		n = hash_get_num_entries(usage->items);
	HASH_SEQ_STATUS scan;
	MeterUsageItem *item;

	rows->items = palloc_extended(Max(n, 1) * sizeof(MeterUsageItem *), MCXT_ALLOC_HUGE);
	rows->sorted = meter_groups_sort(&usage->groups);
	hash_seq_init(&scan, usage->items);
	while ((item = hash_seq_search(&scan)) != NULL)
		rows->items[rows->nitems++] = item;
	qsort_arg(rows->items, rows->nitems, sizeof(MeterUsageItem *), item_cmp, rows);
}

/* The version that a row names: of those that make up the segment the last one
 * that begins before the row ends.  A later one had no part in it, and the
 * result of a closed window would get another name. */
static int
row_version(const MeterUsage *usage, int segment, TimestampTz end)
{
	const MeterEntry *meter = usage->request->meter;
	const MeterPlan *plan = usage->segments[segment].plan;

	for (int i = 0; i < meter->nversions; i++)
	{
		if (usage->version_segment[i] == segment && meter->versions[i]->effective_from < end)
			plan = meter->versions[i];
	}
	return plan->version;
}

/* Emit a row that has its value; group -1 where there is none. */
static void
emit_row(Rows *rows, int group_number, int segment, MeterUsageRow *row)
{
	const MeterUsage *usage = rows->usage;

	row->group = group_number;
	row->dimensions = (MeterText) {"{}", 2};
	row->version = row_version(usage, segment, row->end);
	if (group_number >= 0)
	{
		const MeterGroup *group = &usage->groups.groups[group_number];

		row->subject = group->subject;
		row->currency = group->currency;
		row->dimensions = group->dimensions;
	}
	else if (usage->request->subject)
		row->subject = *usage->request->subject;
	rows->emit(rows->arg, row);
}

/* The next item, where it is this one. */
static MeterUsageItem *
take_item(Rows *rows, int window, int group, int segment)
{
	MeterUsageItem *item = rows->next < rows->nitems ? rows->items[rows->next] : NULL;

	if (item == NULL || item->window != window || item->group != group || item->segment != segment)
		return NULL;
	rows->next++;
	return item;
}

static bool
is_zero(Numeric value)
{
	MeterDecimal decimal;
	MeterError	err;

	return meter_decimal_from_numeric(value, &decimal, &err) && meter_decimal_sign(&decimal) == 0;
}

/* The row of what a version counted out of its range, where nothing else is
 * carried in. */
static void
visit_stray(Rows *rows, MeterCarry *carry, int window, int group, int segment, const MeterState *state)
{
	MeterUsage *usage = rows->usage;
	MeterCarry	none = {.segment = -1};
	MeterUsageRow row = {
		.start = usage->tiling.bounds[window], .end = usage->tiling.bounds[window + 1],
		.count = meter_state_count(state)
	};

	if (window > 0 || usage->history == METER_HISTORY_NONE)
	{
		meter_carry_value(usage, &none, segment, state, &row);
		emit_row(rows, group, segment, &row);
	}
	meter_carry_stray(usage, carry, segment, state);
}

/* The row of a group in a piece of time, if it has one; group -1 for none. */
static bool
visit_piece(Rows *rows, int window, int group, int segment, const MeterState *state)
{
	MeterUsage *usage = rows->usage;
	MeterCarry	none = {.segment = -1};
	MeterCarry *carry = rows->carries && group >= 0 ? &rows->carries[group] : &none;
	MeterUsageRow row = {0};
	bool		shown;

	/* what was taken back is nothing */
	if (state && meter_state_count(state) == 0)
		state = NULL;
	if (segment >= usage->nsegments)
	{
		if (state)
			visit_stray(rows, carry, window, group, segment, state);
		return false;
	}
	if (!meter_segment_meets(usage, segment, window, &row.start, &row.end))
		return false;
	if (window == 0 && usage->history != METER_HISTORY_NONE)
	{
		meter_carry_pass(usage, carry, segment, state);
		return false;
	}
	/* a carry keeps what is made here; without one it goes with the row */
	if (rows->carries == NULL)
		MemoryContextSwitchTo(usage->row_context);
	meter_carry_value(usage, carry, segment, state, &row);
	row.count = state ? meter_state_count(state) : 0;
	shown = group < 0 || state != NULL ||
		(carry->has && row.value != NULL && !(rows->hides_zero && is_zero(row.value)));
	if (shown)
		emit_row(rows, group, segment, &row);
	MemoryContextSwitchTo(usage->context);
	MemoryContextReset(usage->row_context);
	return shown;
}

/* Rows of the groups in a window, where nothing persists: those found. */
static void
emit_found(Rows *rows, int window)
{
	while (rows->next < rows->nitems && rows->items[rows->next]->window == window)
	{
		MeterUsageItem *item = rows->items[rows->next++];

		(void) visit_piece(rows, window, item->group, item->segment, item->state);
	}
}

/* Rows of the groups in a window, where something may persist in each. */
static void
emit_groups(Rows *rows, int window)
{
	const MeterUsage *usage = rows->usage;

	for (int i = 0; i < usage->groups.ngroups; i++)
	{
		int			group = rows->sorted[i];

		for (int segment = 0; segment < usage->nall; segment++)
		{
			MeterUsageItem *item = take_item(rows, window, group, segment);

			if (item || segment < usage->nsegments)
				(void) visit_piece(rows, window, group, segment, item ? item->state : NULL);
		}
	}
}

/* Rows of a window that is not grouped, one at least for each segment in it. */
static void
emit_segments(Rows *rows, int window)
{
	const MeterUsage *usage = rows->usage;
	bool		hidden = window == 0 && usage->history != METER_HISTORY_NONE;

	for (int segment = 0; segment < usage->nall; segment++)
	{
		bool		stray = segment >= usage->nsegments;
		bool		any = false;

		for (int i = 0; i < usage->groups.ngroups; i++)
		{
			int			group = rows->sorted[i];
			MeterUsageItem *item = take_item(rows, window, group, segment);

			if (item || (rows->carries && !stray))
				any |= visit_piece(rows, window, group, segment, item ? item->state : NULL);
		}
		if (!any && !hidden && !stray)
			(void) visit_piece(rows, window, -1, segment, NULL);
	}
}

/* Ready to carry something, where something persists. */
static void
ready_carries(Rows *rows)
{
	const MeterUsage *usage = rows->usage;
	int			ngroups = usage->groups.ngroups;
	bool		any = false;

	for (int i = 0; i < usage->nsegments; i++)
		any |= meter_profile_history(usage->segments[i].profile) != METER_HISTORY_NONE;
	if (!any)
		return;
	rows->carries = palloc_extended(Max(ngroups, 1) * sizeof(MeterCarry), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (int i = 0; i < ngroups; i++)
		rows->carries[i].segment = -1;
}

/* Emit the answer; see usage_private.h. */
void
meter_usage_emit_rows(MeterUsage *usage, MeterUsageEmit emit, void *arg)
{
	Rows		rows = {.usage = usage, .emit = emit, .arg = arg};

	rows.hides_zero = usage->request->ngroup_by > 0 || usage->request->by_subject;
	rows.grouped = rows.hides_zero || usage->request->own;
	sort_items(&rows);
	ready_carries(&rows);
	for (int window = 0; window < usage->tiling.nwindows; window++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!rows.grouped)
			emit_segments(&rows, window);
		else if (rows.carries)
			emit_groups(&rows, window);
		else
			emit_found(&rows, window);
	}
}
