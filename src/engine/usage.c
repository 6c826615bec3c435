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
 * its cells hold events of its range, and what else they hold has a place too
 * (usage_segments.c).  What persists from window to window has one more window
 * in front, all that was before (usage_carry.c).
 *
 * All reading is by the caller's snapshot, so rollups and events agree.
 */
#include "engine/usage_private.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "engine/cells.h"

/* The event type that the meter's versions listen to. */
static MeterText
event_type(const MeterUsageRequest *request)
{
	const char *type = request->meter->metric_key;

	return (MeterText) {type, strlen(type)};
}

/* What must be known of the time before the range? */
static void
find_history(MeterUsage *usage)
{
	const MeterUsageRequest *request = usage->request;
	const MeterEntry *meter = request->meter;
	bool		last = false;

	/* there is nothing before it */
	if (TIMESTAMP_IS_NOBEGIN(request->from))
		return;
	for (int i = 0; i < meter->nversions; i++)
	{
		const MeterPlan *plan = meter->versions[i];
		int			number = meter_plan_profile(plan, request->profile);
		MeterHistory history;

		if (number < 0 || Max(plan->effective_from, request->from) >= Min(plan->effective_to, request->to))
			continue;
		history = meter_profile_history(&plan->profiles[number]);
		usage->history = Max(usage->history, history);
		last |= history == METER_HISTORY_LAST;
	}
	/* what one version makes of all that came is not looked for backwards */
	if (last && request->measured_by)
		usage->history = METER_HISTORY_ALL;
	/* the last event may be one that was taken back */
	if (last && !request->known &&
		meter_reversal_before(&request->organization, event_type(request), request->from))
	{
		usage->sum_history = true;
		usage->history = METER_HISTORY_ALL;
	}
}

/* Find the quarters whose cells still hold what was taken back. */
static void
find_recounts(MeterUsage *usage)
{
	const MeterUsageRequest *request = usage->request;
	const MeterEntry *meter = request->meter;
	MeterTiling *tiling = &usage->tiling;
	int32	   *versions = palloc(Max(meter->nversions, 1) * sizeof(int32));
	TimestampTz *quarters;
	int			n = 0;

	for (int i = 0; i < meter->nversions; i++)
	{
		int			number = usage->version_profile[i];

		if (number >= 0 && !meter_profile_reversible(&meter->versions[i]->profiles[number]))
			versions[n++] = meter->versions[i]->version_id;
	}
	if (n == 0 || tiling->nwindows == 0)
		return;
	n = meter_reversal_quarters(&request->organization, event_type(request),
								(MeterInterval) {tiling->bounds[0], tiling->bounds[tiling->nwindows]},
								versions, n, &quarters);
	meter_tiling_recount(tiling, quarters, n);
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

	if (before && meter_profile_history(profile) == METER_HISTORY_NONE)
		return NULL;
	item = hash_search(usage->items, &key, HASH_ENTER, &found);
	if (!before || usage->sum_history || meter_profile_history(profile) != METER_HISTORY_LAST)
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
		int			version = meter_usage_version(usage->request, cell.version_id);
		TimestampTz at = hour * METER_HOUR + cell.quarter * METER_QUARTER;
		int			window;
		MeterState *state;

		if (version < 0 || cell.profile != usage->version_profile[version])
			continue;
		window = meter_tiling_quarter(&usage->tiling, at);
		if (window < 0)
			continue;
		state = find_state(usage, window, series->group,
						   meter_usage_segment(usage, version, window, at), at);
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

/* Find the groups of the series of one stream, of those asked for. */
static void
find_series(MeterUsage *usage, int32 stream_id)
{
	const pg_uuid_t *organization = &usage->request->organization;
	const MeterSubjects *subjects = &usage->subjects;
	MeterSeries *list;
	int			n = subjects->all ? meter_series_list(organization, stream_id, NULL, &list) :
		meter_series_list_of(organization, stream_id, subjects->list, subjects->n, &list);

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
	TimestampTz at = meter_quarter_floor(row->time);
	int			window = meter_tiling_find(&usage->tiling, row->time);
	MeterSample sample;
	MeterState *state;
	int			group;

	group = window < 0 ? -1 : meter_groups_find(&usage->groups, series);
	if (group < 0)
		return;
	state = find_state(usage, window, group, meter_usage_segment(usage, version, window, at), at);
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
		bool		read = usage->version_profile[i] < 0;

		/* versions out of the range as well: what they counted may lie in it */
		for (int j = 0; j < i && !read; j++)
			read = usage->version_profile[j] >= 0 && meter->versions[j]->stream_id == stream_id;
		if (!read)
			find_series(usage, stream_id);
	}
	meter_usage_read(usage, usage->series, usage->nseries, usage->history == METER_HISTORY_ALL ?
					 PG_INT32_MIN : usage->tiling.hour_from, usage->tiling.hour_to);
}

/* Read the events of the pieces that are cut out. */
static void
read_cuts(MeterUsage *usage)
{
	const MeterUsageRequest *request = usage->request;
	const MeterTiling *tiling = &usage->tiling;

	for (int i = 0; i < tiling->ncuts; i++)
		meter_event_scan_known(&request->organization, event_type(request), tiling->cuts[i],
							   meter_usage_as_of(request), NULL, visit_event, usage);
}

/* Put the answer together from rollups and the pieces that they cannot give. */
static void
read_now(MeterUsage *usage)
{
	find_recounts(usage);
	read_streams(usage);
	read_cuts(usage);
	if (usage->history == METER_HISTORY_LAST)
		meter_usage_look_back(usage);
}

/* Rollups only know what is known now: the past is in the events alone. */
static void
read_known(MeterUsage *usage)
{
	meter_tiling_keep(&usage->tiling, DT_NOEND, DT_NOEND);
	read_cuts(usage);
}

/* Rollups know what a version counted, not what it would have counted. */
static void
read_pinned(MeterUsage *usage)
{
	find_recounts(usage);
	meter_usage_keep_pinned(usage);
	read_streams(usage);
	meter_usage_visit_pinned(usage, visit_counted, usage);
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
	meter_usage_find_segments(&usage);
	if (request->known)
		read_known(&usage);
	else if (request->measured_by)
		read_pinned(&usage);
	else
		read_now(&usage);
	meter_usage_emit_rows(&usage, emit, arg);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
