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
 * its cells hold only events of its range.
 *
 * All reading is by the caller's snapshot, so rollups and events agree.
 */
#include "engine/usage.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "engine/cells.h"

/* Versions whose usage is added up into one row. */
typedef struct Segment
{
	TimestampTz from;
	TimestampTz to;
	const MeterPlan *plan;		/* the newest of them */
	const MeterProfile *profile;	/* what is asked for, in that version */
} Segment;

typedef struct StateKey
{
	int			window;
	int			group;
	int			segment;
} StateKey;

typedef struct StateItem
{
	StateKey	key;
	MeterState *state;
} StateItem;

typedef struct SeriesItem
{
	int64		series_id;
	int			group;
} SeriesItem;

typedef struct Usage
{
	const MeterUsageRequest *request;
	MeterTiling tiling;
	MeterGroups groups;
	MeterSubjects subjects;
	int			nsegments;
	Segment    *segments;
	int		   *version_segment;	/* of each of the meter's versions, or -1 */
	int		   *version_profile;	/* the profile's number in each, or -1 */
	HTAB	   *states;
	HTAB	   *series;			/* of the stream being read */
	MemoryContext context;
	MemoryContext row_context;	/* reset with each row read */
} Usage;

/* Can results of the segment and of a version be added up? */
static bool
agree(const Segment *segment, const MeterPlan *plan, const MeterProfile *profile)
{
	const char *a = segment->plan->unit_label;
	const char *b = plan->unit_label;

	return meter_profile_agrees(segment->profile, profile) &&
		strcmp(a ? a : "", b ? b : "") == 0;
}

/* The meter's versions that lie in the range and have the profile, as segments. */
static void
find_segments(Usage *usage)
{
	const MeterUsageRequest *request = usage->request;
	const MeterEntry *meter = request->meter;

	usage->segments = palloc(Max(meter->nversions, 1) * sizeof(Segment));
	usage->version_segment = palloc(Max(meter->nversions, 1) * sizeof(int));
	usage->version_profile = palloc(Max(meter->nversions, 1) * sizeof(int));
	for (int i = 0; i < meter->nversions; i++)
	{
		const MeterPlan *plan = meter->versions[i];
		Segment    *last = usage->nsegments > 0 ? &usage->segments[usage->nsegments - 1] : NULL;
		TimestampTz from = Max(plan->effective_from, request->from);
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
			usage->segments[usage->nsegments++] = (Segment) {from, to, plan, profile};
		usage->version_segment[i] = usage->nsegments - 1;
	}
}

/* An empty range is one window of no length, of the version that holds it. */
static void
empty_range(Usage *usage)
{
	const MeterUsageRequest *request = usage->request;
	const MeterPlan *plan = meter_entry_version(request->meter, request->from);
	int			number = plan ? meter_plan_profile(plan, request->profile) : -1;

	if (number < 0)
		return;
	usage->tiling.nwindows = 1;
	usage->tiling.bounds[1] = request->to;
	usage->segments[usage->nsegments++] = (Segment) {
		request->from, request->to, plan, &plan->profiles[number]
	};
}

/* The meter's version of that id, where it lies in the range; or -1. */
static int
find_version(const Usage *usage, int32 version_id)
{
	int			version = meter_usage_version(usage->request, version_id);

	return version >= 0 && usage->version_segment[version] >= 0 ? version : -1;
}

/* The state of a window, group and segment. */
static MeterState *
find_state(Usage *usage, int window, int group, int segment)
{
	StateKey	key = {.window = window, .group = group, .segment = segment};
	bool		found;
	StateItem  *item = hash_search(usage->states, &key, HASH_ENTER, &found);

	if (!found)
		item->state = meter_profile_state(usage->segments[segment].profile, usage->context);
	return item->state;
}

/* Merge the cells of a rollup row where they belong. */
static void
visit_rollup(void *arg, int64 series_id, int32 hour, MeterText cells)
{
	Usage	   *usage = arg;
	SeriesItem *series = hash_search(usage->series, &series_id, HASH_FIND, NULL);
	MeterCell	cell;

	while (meter_cell_next(&cells, &cell))
	{
		int			version = find_version(usage, cell.version_id);
		int			window;

		if (version < 0 || cell.profile != usage->version_profile[version])
			continue;
		window = meter_tiling_quarter(&usage->tiling,
									  hour * METER_HOUR + cell.quarter * METER_QUARTER);
		if (window >= 0)
			meter_state_merge_packed(find_state(usage, window, series->group,
												usage->version_segment[version]),
									 cell.state, cell.len);
	}
}

/* Read the rollups of one stream, of one subject of it or all (NULL). */
static void
read_rollups(Usage *usage, int32 stream_id, const MeterText *subject)
{
	const MeterUsageRequest *request = usage->request;
	HASHCTL		ctl = {.keysize = sizeof(int64), .entrysize = sizeof(SeriesItem), .hcxt = usage->context};
	MeterSeries *list;
	int			n = meter_series_list(&request->organization, stream_id, subject, &list);
	int64	   *ids = palloc_extended(Max(n, 1) * sizeof(int64), MCXT_ALLOC_HUGE);
	int			nids = 0;

	usage->series = hash_create("meter usage series", Max(n, 16), &ctl,
								HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	meter_groups_prepare(&usage->groups, list, n);
	for (int i = 0; i < n; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(usage->row_context);
		int			group = meter_groups_find(&usage->groups, &list[i]);
		bool		found;

		MemoryContextSwitchTo(old);
		MemoryContextReset(usage->row_context);
		CHECK_FOR_INTERRUPTS();
		if (group < 0)
			continue;
		((SeriesItem *) hash_search(usage->series, &list[i].series_id, HASH_ENTER, &found))->group = group;
		ids[nids++] = list[i].series_id;
	}
	meter_rollup_scan(&request->organization, ids, nids, usage->tiling.hour_from,
					  usage->tiling.hour_to, visit_rollup, usage);
}

/* Add a raw event as one version counted it. */
static void
visit_counted(void *arg, const MeterEventRow *row, int version,
			  const MeterMeasure *measure, const MeterSeries *series)
{
	Usage	   *usage = arg;
	const MeterPlan *plan = usage->request->meter->versions[version];
	MeterSample sample;
	int			group;

	if (usage->version_segment[version] < 0)
		return;
	group = meter_groups_find(&usage->groups, series);
	if (group < 0)
		return;
	sample = meter_measure_sample(&plan->profiles[measure->profile], measure, row->time, row->seq);
	meter_state_add(find_state(usage, meter_tiling_find(&usage->tiling, row->time), group,
							   usage->version_segment[version]), &sample);
}

/* Add a raw event of a cut quarter. */
static void
visit_event(void *arg, const MeterEventRow *row)
{
	Usage	   *usage = arg;

	meter_usage_visit_event(usage->request, &usage->subjects, row, visit_counted, usage);
}

static int
state_cmp(const void *pa, const void *pb, void *arg)
{
	const MeterGroups *groups = arg;
	const StateKey *a = &(*(StateItem *const *) pa)->key;
	const StateKey *b = &(*(StateItem *const *) pb)->key;

	if (a->window != b->window)
		return a->window < b->window ? -1 : 1;
	if (a->group != b->group)
		return groups->groups[a->group].order - groups->groups[b->group].order;
	return a->segment - b->segment;
}

/* Emit one row; state NULL for a window without events. */
static void
emit_row(Usage *usage, const StateKey *key, const MeterState *state, MeterUsageEmit emit, void *arg)
{
	const MeterUsageRequest *request = usage->request;
	const Segment *segment = &usage->segments[key->segment];
	const MeterGroup *group = key->group >= 0 ? &usage->groups.groups[key->group] : NULL;
	MemoryContext old = MemoryContextSwitchTo(usage->row_context);
	MeterUsageRow row = {0};
	bool		isnull;

	if (state == NULL)
		state = meter_profile_state(segment->profile, CurrentMemoryContext);
	row.start = Max(usage->tiling.bounds[key->window], segment->from);
	row.end = Min(usage->tiling.bounds[key->window + 1], segment->to);
	row.dimensions = (MeterText) {"{}", 2};
	if (group)
	{
		row.subject = group->subject;
		row.currency = group->currency;
		row.dimensions = group->dimensions;
	}
	else if (request->subject)
		row.subject = *request->subject;
	row.version = segment->plan->version;
	row.value = meter_state_result(state, segment->profile->function, NULL, &isnull);
	if (isnull)
		row.value = NULL;
	row.count = meter_state_count(state);
	emit(arg, &row);
	MemoryContextSwitchTo(old);
	MemoryContextReset(usage->row_context);
}

/* Emit a window's rows by version, an empty one for each without events. */
static void
emit_filled(Usage *usage, int window, StateItem **items, long n, MeterUsageEmit emit, void *arg)
{
	TimestampTz from = usage->tiling.bounds[window];
	TimestampTz to = usage->tiling.bounds[window + 1];

	for (int segment = 0; segment < usage->nsegments; segment++)
	{
		const Segment *s = &usage->segments[segment];
		bool		empty = Max(s->from, from) < Min(s->to, to) || (s->from == from && s->to == to);

		for (long i = 0; i < n; i++)
		{
			if (items[i]->key.segment != segment)
				continue;
			emit_row(usage, &items[i]->key, items[i]->state, emit, arg);
			empty = false;
		}
		if (empty)
			emit_row(usage, &(StateKey) {window, -1, segment}, NULL, emit, arg);
	}
}

/* Emit what was found, and ungrouped also the windows where nothing was. */
static void
emit_rows(Usage *usage, MeterUsageEmit emit, void *arg)
{
	bool		fill = usage->request->ngroup_by == 0 && !usage->request->by_subject;
	long		n = hash_get_num_entries(usage->states);
	StateItem **items = palloc_extended(Max(n, 1) * sizeof(StateItem *), MCXT_ALLOC_HUGE);
	HASH_SEQ_STATUS scan;
	StateItem  *item;
	long		next = 0;

	n = 0;
	hash_seq_init(&scan, usage->states);
	while ((item = hash_seq_search(&scan)) != NULL)
		items[n++] = item;
	(void) meter_groups_sort(&usage->groups);
	qsort_arg(items, n, sizeof(StateItem *), state_cmp, &usage->groups);

	for (int window = 0; window < usage->tiling.nwindows; window++)
	{
		long		first = next;

		CHECK_FOR_INTERRUPTS();
		while (next < n && items[next]->key.window == window)
			next++;
		if (fill)
			emit_filled(usage, window, items + first, next - first, emit, arg);
		else
		{
			for (long i = first; i < next; i++)
				emit_row(usage, &items[i]->key, items[i]->state, emit, arg);
		}
	}
}

/* Read the rollups of every stream the meter's versions have. */
static void
read_streams(Usage *usage)
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
			read_rollups(usage, stream_id, NULL);
		for (int s = 0; s < usage->subjects.n; s++)
			read_rollups(usage, stream_id, &usage->subjects.list[s]);
	}
}

/* Read the events of the quarters that bounds cut. */
static void
read_cuts(Usage *usage)
{
	const MeterUsageRequest *request = usage->request;
	const char *type = request->meter->versions[0]->metric_key;

	meter_event_scan(&request->organization, (MeterText) {type, strlen(type)}, NULL,
					 usage->tiling.cuts, usage->tiling.ncuts, visit_event, usage);
}

/* Answer a request; see usage.h. */
void
meter_usage_compute(const MeterUsageRequest *request, MeterUsageEmit emit, void *arg)
{
	Usage		usage = {.request = request};
	HASHCTL		ctl = {.keysize = sizeof(StateKey), .entrysize = sizeof(StateItem)};
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "meter usage",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	usage.context = ctl.hcxt = context;
	usage.row_context = AllocSetContextCreate(context, "meter usage row", ALLOCSET_DEFAULT_SIZES);
	usage.states = hash_create("meter usage states", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	meter_subjects_find(&usage.subjects, request);
	meter_usage_tile(request, &usage.tiling);
	meter_groups_begin(&usage.groups, request);
	find_segments(&usage);
	if (request->from == request->to && !request->windowed)
		empty_range(&usage);

	read_streams(&usage);
	read_cuts(&usage);
	emit_rows(&usage, emit, arg);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
