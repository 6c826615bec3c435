/*
 * usage.c
 *		Usage: rollups and raw events put together into answers.
 *
 * The range is cut into windows, the meter's versions into segments (runs of
 * versions whose results can be added up).  Each cell of a rollup row belongs
 * to one version and one quarter of an hour: where the quarter lies whole in a
 * window, the cell is merged into that window's state.  The quarters that a
 * window's bound cuts are read from raw events, which are measured by the same
 * code that measured them when they came.  A version's own bounds cut nothing:
 * its cells hold only events of its range.  What persists from window to window
 * has one more window in front, all that was before (usage_carry.c).
 *
 * All reading is by the caller's snapshot, so rollups and events agree.
 */
#include "engine/usage_private.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "engine/cells.h"

/* Can results of the segment and of a version be added up? */
static bool
agree(const MeterSegment *segment, const MeterPlan *plan, const MeterProfile *profile)
{
	const char *a = segment->plan->unit_label;
	const char *b = plan->unit_label;

	return meter_profile_agrees(segment->profile, profile) &&
		strcmp(a ? a : "", b ? b : "") == 0;
}

/* What must be known of the time before the range? */
static void
find_history(MeterUsage *usage)
{
	const MeterUsageRequest *request = usage->request;
	const MeterEntry *meter = request->meter;

	for (int i = 0; i < meter->nversions; i++)
	{
		const MeterPlan *plan = meter->versions[i];
		int			number = meter_plan_profile(plan, request->profile);

		if (number >= 0 && Max(plan->effective_from, request->from) < Min(plan->effective_to, request->to))
			usage->history = Max(usage->history, meter_profile_history(&plan->profiles[number]));
	}
	/* there is nothing before it */
	if (TIMESTAMP_IS_NOBEGIN(request->from))
		usage->history = METER_HISTORY_NONE;
}

/* The meter's versions that lie in the range, or before it where that matters,
 * and have the profile, as segments. */
static void
find_segments(MeterUsage *usage)
{
	const MeterUsageRequest *request = usage->request;
	const MeterEntry *meter = request->meter;
	TimestampTz begin = usage->history == METER_HISTORY_NONE ? request->from : DT_NOBEGIN;

	usage->segments = palloc(Max(meter->nversions, 1) * sizeof(MeterSegment));
	usage->version_segment = palloc(Max(meter->nversions, 1) * sizeof(int));
	usage->version_profile = palloc(Max(meter->nversions, 1) * sizeof(int));
	for (int i = 0; i < meter->nversions; i++)
	{
		const MeterPlan *plan = meter->versions[i];
		MeterSegment *last = usage->nsegments > 0 ? &usage->segments[usage->nsegments - 1] : NULL;
		TimestampTz from = Max(plan->effective_from, begin);
		TimestampTz to = Min(plan->effective_to, request->to);
		int			number = meter_plan_profile(plan, request->profile);
		const MeterProfile *profile;

		usage->version_segment[i] = -1;
		usage->version_profile[i] = number;
		if (from >= to || number < 0)
			continue;
		profile = &plan->profiles[number];
		if (last && last->to == from && agree(last, plan, profile))
		{
			last->to = to;
			last->plan = plan;
			last->profile = profile;
		}
		else
			usage->segments[usage->nsegments++] = (MeterSegment) {from, to, plan, profile};
		usage->version_segment[i] = usage->nsegments - 1;
	}
}

/* An empty range is one window of no length, of the version that holds it. */
static void
empty_range(MeterUsage *usage)
{
	const MeterUsageRequest *request = usage->request;
	const MeterPlan *plan = meter_entry_version(request->meter, request->from);
	int			number = plan ? meter_plan_profile(plan, request->profile) : -1;

	if (number < 0)
		return;
	usage->tiling.nwindows = 1;
	usage->tiling.bounds[1] = request->to;
	usage->segments[usage->nsegments++] = (MeterSegment) {
		request->from, request->to, plan, &plan->profiles[number]
	};
}

/* The meter's version of that id, where it lies in the range; or -1. */
static int
find_version(const MeterUsage *usage, int32 version_id)
{
	int			version = meter_usage_version(usage->request, version_id);

	return version >= 0 && usage->version_segment[version] >= 0 ? version : -1;
}

/*
 * The state of a window, group and segment that takes what was in the quarter
 * of an hour from at; NULL where nobody wants it.
 */
static MeterState *
find_state(MeterUsage *usage, int window, int group, int segment, TimestampTz at)
{
	const MeterProfile *profile = usage->segments[segment].profile;
	MeterUsageItem key = {.window = window, .group = group, .segment = segment};
	bool		before = window == 0 && usage->history != METER_HISTORY_NONE;
	MeterUsageItem *item;
	bool		found;

	if (window < 0 || (before && meter_profile_history(profile) == METER_HISTORY_NONE))
		return NULL;
	item = hash_search(usage->items, &key, HASH_ENTER, &found);
	if (!before || meter_profile_history(profile) != METER_HISTORY_LAST)
	{
		if (!found)
			item->state = meter_profile_state(profile, usage->context);
		return item->state;
	}

	/* of the time before the range only the last quarter is kept */
	if (found && at < item->at)
		return NULL;
	if (!found)
		item->last = AllocSetContextCreate(usage->context, "meter usage last", ALLOCSET_SMALL_SIZES);
	else if (at > item->at)
		MemoryContextReset(item->last);
	if (!found || at > item->at)
		item->state = meter_profile_state(profile, item->last);
	item->at = at;
	return item->state;
}

/* Merge the cells of a rollup row where they belong. */
static void
visit_rollup(void *arg, int64 series_id, int32 hour, MeterText cells)
{
	MeterUsage *usage = arg;
	MeterSeriesItem *series = hash_search(usage->series_items, &series_id, HASH_FIND, NULL);
	MeterCell	cell;

	while (meter_cell_next(&cells, &cell))
	{
		int			version = find_version(usage, cell.version_id);
		TimestampTz at = hour * METER_HOUR + cell.quarter * METER_QUARTER;
		MeterState *state;

		if (version < 0 || cell.profile != usage->version_profile[version])
			continue;
		state = find_state(usage, meter_tiling_quarter(&usage->tiling, at), series->group,
						   usage->version_segment[version], at);
		if (state)
			meter_state_merge_packed(state, cell.state, cell.len);
	}
}

/* Read rollups; see usage_private.h. */
void
meter_usage_read(MeterUsage *usage, const int64 *series, int n, int32 from, int32 to)
{
	meter_rollup_scan(&usage->request->organization, series, n, from, to, visit_rollup, usage);
}

/* Find the groups of the series of one stream, of one subject of it or all (NULL). */
static void
find_series(MeterUsage *usage, int32 stream_id, const MeterText *subject)
{
	MeterSeries *list;
	int			n = meter_series_list(&usage->request->organization, stream_id, subject, &list);

	if (usage->nseries + n > usage->series_size)
	{
		usage->series_size = usage->nseries + n;
		usage->series = usage->series == NULL ?
			palloc_extended(usage->series_size * sizeof(int64), MCXT_ALLOC_HUGE) :
			repalloc_huge(usage->series, usage->series_size * sizeof(int64));
	}
	meter_groups_prepare(&usage->groups, list, n);
	for (int i = 0; i < n; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(usage->row_context);
		int			group = meter_groups_find(&usage->groups, &list[i]);
		MeterSeriesItem *item;
		bool		found;

		MemoryContextSwitchTo(old);
		MemoryContextReset(usage->row_context);
		CHECK_FOR_INTERRUPTS();
		if (group < 0)
			continue;
		item = hash_search(usage->series_items, &list[i].series_id, HASH_ENTER, &found);
		item->group = group;
		usage->series[usage->nseries++] = list[i].series_id;
	}
}

/* Add a raw event as one version counted it. */
static void
visit_counted(void *arg, const MeterEventRow *row, int version,
			  const MeterMeasure *measure, const MeterSeries *series)
{
	MeterUsage *usage = arg;
	const MeterPlan *plan = usage->request->meter->versions[version];
	MeterSample sample;
	MeterState *state;
	int			group;

	if (usage->version_segment[version] < 0)
		return;
	group = meter_groups_find(&usage->groups, series);
	if (group < 0)
		return;
	state = find_state(usage, meter_tiling_find(&usage->tiling, row->time), group,
					   usage->version_segment[version], meter_quarter_floor(row->time));
	sample = meter_measure_sample(&plan->profiles[measure->profile], measure, row->time, row->seq);
	if (state)
		meter_state_add(state, &sample);
}

/* Add a raw event of a cut quarter. */
static void
visit_event(void *arg, const MeterEventRow *row)
{
	MeterUsage *usage = arg;

	meter_usage_visit_event(usage->request, &usage->subjects, row, visit_counted, usage);
}

/* Read the rollups of every stream the meter's versions have. */
static void
read_streams(MeterUsage *usage)
{
	const MeterEntry *meter = usage->request->meter;

	for (int i = 0; i < meter->nversions; i++)
	{
		int32		stream_id = meter->versions[i]->stream_id;
		bool		read = usage->version_segment[i] < 0;

		for (int j = 0; j < i && !read; j++)
			read = usage->version_segment[j] >= 0 && meter->versions[j]->stream_id == stream_id;
		if (read)
			continue;
		if (usage->subjects.all)
			find_series(usage, stream_id, NULL);
		for (int s = 0; s < usage->subjects.n; s++)
			find_series(usage, stream_id, &usage->subjects.list[s]);
	}
	meter_usage_read(usage, usage->series, usage->nseries, usage->history == METER_HISTORY_ALL ?
					 PG_INT32_MIN : usage->tiling.hour_from, usage->tiling.hour_to);
}

/* Read the events of the quarters that bounds cut. */
static void
read_cuts(MeterUsage *usage)
{
	const MeterUsageRequest *request = usage->request;
	const char *type = request->meter->metric_key;

	meter_event_scan(&request->organization, (MeterText) {type, strlen(type)}, NULL,
					 usage->tiling.cuts, usage->tiling.ncuts, visit_event, usage);
}

/* Answer a request; see usage.h. */
void
meter_usage_compute(const MeterUsageRequest *request, MeterUsageEmit emit, void *arg)
{
	MeterUsage	usage = {.request = request};
	HASHCTL		items = {.keysize = offsetof(MeterUsageItem, state), .entrysize = sizeof(MeterUsageItem)};
	HASHCTL		series = {.keysize = sizeof(int64), .entrysize = sizeof(MeterSeriesItem)};
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "meter usage",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	usage.context = items.hcxt = series.hcxt = context;
	usage.row_context = AllocSetContextCreate(context, "meter usage row", ALLOCSET_DEFAULT_SIZES);
	usage.items = hash_create("meter usage items", 64, &items, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	usage.series_items = hash_create("meter usage series", 64, &series,
									 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	meter_subjects_find(&usage.subjects, request);
	find_history(&usage);
	meter_usage_tile(request, usage.history != METER_HISTORY_NONE, &usage.tiling);
	meter_groups_begin(&usage.groups, request);
	find_segments(&usage);
	if (request->from == request->to && !request->windowed)
		empty_range(&usage);

	read_streams(&usage);
	read_cuts(&usage);
	if (usage.history == METER_HISTORY_LAST)
		meter_usage_look_back(&usage);
	meter_usage_emit_rows(&usage, emit, arg);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
