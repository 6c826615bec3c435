/*
 * usage_segments.c
 *		The meter's versions as segments of a usage question.
 *
 * A segment is a run of versions that follow each other and whose results can
 * be added up.  As a rule a version counted only events of its own range.  It
 * may have counted others: its range was another one when they came, and they
 * were not counted anew since; or they came late and were moved to a later
 * window.  No number may vanish, so these strays go, in this order,
 *
 *		where the version's own range lies in that quarter of an hour, nowhere
 *			else;
 *		to the segment that holds the quarter's beginning, if it agrees;
 *		to the version's own segment, if that has a part in the window;
 *		to the first segment in the window that agrees;
 *		into a row of the version itself, over the whole window.
 *
 * What is weighted by time goes only to a segment that holds the quarter: its
 * state cannot be read over other times.
 */
#include "engine/usage_private.h"

/* Can results of the segment and of a version be added up? */
static bool
agree(const MeterSegment *segment, const MeterPlan *plan, const MeterProfile *profile)
{
	const char *a = segment->plan->unit_label;
	const char *b = plan->unit_label;

	return meter_profile_agrees(segment->profile, profile) &&
		strcmp(a ? a : "", b ? b : "") == 0;
}

/* The meter's versions that lie in the range, or before it where that matters,
 * and have the profile. */
static void
find_ranges(MeterUsage *usage)
{
	const MeterUsageRequest *request = usage->request;
	const MeterEntry *meter = request->meter;
	TimestampTz begin = usage->history == METER_HISTORY_NONE ? request->from : DT_NOBEGIN;

	/* one may be empty_range's */
	usage->segments = palloc((2 * meter->nversions + 1) * sizeof(MeterSegment));
	usage->version_segment = palloc(Max(meter->nversions, 1) * sizeof(int));
	usage->version_profile = palloc(Max(meter->nversions, 1) * sizeof(int));
	for (int i = 0; i < meter->nversions; i++)
	{
		const MeterPlan *plan = meter->versions[i];
		MeterSegment *last = usage->nsegments > 0 ? &usage->segments[usage->nsegments - 1] : NULL;
		TimestampTz from = Max(plan->effective_from, begin);
		TimestampTz to = Min(plan->effective_to, request->to);
		bool		wanted = request->measured_by == NULL || plan->version_id == request->measured_by->version_id;
		int			number = wanted ? meter_plan_profile(plan, request->profile) : -1;
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

/* Find the segments; see usage_private.h. */
void
meter_usage_find_segments(MeterUsage *usage)
{
	const MeterUsageRequest *request = usage->request;
	const MeterEntry *meter = request->meter;

	find_ranges(usage);
	if (request->from == request->to && !request->windowed)
		empty_range(usage);
	usage->nall = usage->nsegments + meter->nversions;
	for (int i = 0; i < meter->nversions; i++)
	{
		const MeterPlan *plan = meter->versions[i];
		int			number = usage->version_profile[i];

		usage->segments[usage->nsegments + i] = (MeterSegment) {
			DT_NOBEGIN, DT_NOEND, plan, number < 0 ? NULL : &plan->profiles[number]
		};
	}
}

/* Does the segment have a part in the window?  See usage_private.h. */
bool
meter_segment_meets(const MeterUsage *usage, int segment, int window, TimestampTz *start, TimestampTz *end)
{
	const MeterSegment *s = &usage->segments[segment];
	TimestampTz from = usage->tiling.bounds[window];
	TimestampTz to = usage->tiling.bounds[window + 1];

	*start = Max(s->from, from);
	*end = Min(s->to, to);
	/* the empty range of an empty question */
	return *start < *end || (s->from == from && s->to == to);
}

/* The place of a stray, in the order that the head of this file gives. */
static int
stray_segment(const MeterUsage *usage, int version, int window, TimestampTz at)
{
	const MeterPlan *plan = usage->request->meter->versions[version];
	const MeterProfile *profile = &plan->profiles[usage->version_profile[version]];
	bool		weighted = profile->function == METER_FUNCTION_WEIGHTED_SUM;
	TimestampTz whole = weighted ? at + METER_QUARTER : at;
	int			first = usage->nsegments + version;
	TimestampTz start;
	TimestampTz end;

	for (int i = usage->nsegments - 1; i >= 0; i--)
	{
		const MeterSegment *s = &usage->segments[i];

		if (!agree(s, plan, profile) || !meter_segment_meets(usage, i, window, &start, &end))
			continue;
		if (s->from <= at && (weighted ? s->to >= whole : s->to > at))
			return i;
		if (!weighted)
			first = i;
	}
	if (!weighted && usage->version_segment[version] >= 0 &&
		meter_segment_meets(usage, usage->version_segment[version], window, &start, &end))
		return usage->version_segment[version];
	return first;
}

/* The segment of what a version counted; see usage_private.h. */
int
meter_usage_segment(const MeterUsage *usage, int version, int window, TimestampTz at)
{
	const MeterPlan *plan = usage->request->meter->versions[version];
	int			own = usage->version_segment[version];
	TimestampTz start;
	TimestampTz end;

	if (own >= 0 && plan->effective_from < at + METER_QUARTER && at < plan->effective_to &&
		meter_segment_meets(usage, own, window, &start, &end))
		return own;
	return stray_segment(usage, version, window, at);
}
