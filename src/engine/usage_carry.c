/*
 * usage_carry.c
 *		Values that persist from one window into the next.
 *
 * weighted_sum: the level at the end of a window is the next one's level at its
 * start.  In mode delta it is the sum of all changes before, in mode gauge the
 * last value before.
 *
 * A recurring profile is not set back when a window ends: its value in a window
 * is its function over all that came until the window's end.  So a sum goes on
 * from where it was, unique_count counts each key once for ever, latest is the
 * last value known, max the highest so far.
 *
 * What was before the range asked for is one more window, the first, that is
 * not shown.  Where only the last event matters (gauge, recurring latest) it is
 * looked for backwards, in steps that grow, and the search for a group ends
 * with the first step that finds something; else all rollups before the range
 * are read, one state for each hour and series that had events.  Their raw
 * events are never read, but for the quarter of an hour in which the range
 * begins.
 *
 * Versions follow each other, and what is carried goes through from one to the
 * next where both have the same function, mode and unit and are both exact or
 * both approximate; a meter that becomes something else begins anew.
 */
#include "engine/usage_private.h"

#include "utils/hsearch.h"

/* How far to look back, in hours; then to the beginning. */
static const int32 steps[] = {24, 3 * 24, 9 * 24, 27 * 24, 81 * 24, 243 * 24};

/* What the profile must know of the time before a window. */
MeterHistory
meter_profile_history(const MeterProfile *profile)
{
	if (profile->function == METER_FUNCTION_WEIGHTED_SUM)
		return profile->mode == METER_WEIGHT_GAUGE ? METER_HISTORY_LAST : METER_HISTORY_ALL;
	if (!profile->recurring)
		return METER_HISTORY_NONE;
	return profile->function == METER_FUNCTION_LATEST ? METER_HISTORY_LAST : METER_HISTORY_ALL;
}

/* Which groups have something before the range? */
static bool *
groups_with_history(const MeterUsage *usage)
{
	bool	   *found = palloc0(Max(usage->groups.ngroups, 1) * sizeof(bool));
	HASH_SEQ_STATUS scan;
	MeterUsageItem *item;

	hash_seq_init(&scan, usage->items);
	while ((item = hash_seq_search(&scan)) != NULL)
		found[item->group] |= item->window == 0;
	return found;
}

/* Look back for what is missing; see usage_private.h. */
void
meter_usage_look_back(MeterUsage *usage)
{
	int32		to = usage->tiling.hour_from;
	int64	   *missing = palloc_extended(Max(usage->nseries, 1) * sizeof(int64), MCXT_ALLOC_HUGE);

	for (int step = 0; step <= lengthof(steps); step++)
	{
		int32		from = step < lengthof(steps) && to > PG_INT32_MIN + steps[step] ?
			to - steps[step] : PG_INT32_MIN;
		bool	   *found = groups_with_history(usage);
		int			n = 0;

		for (int i = 0; i < usage->nseries; i++)
		{
			MeterSeriesItem *item = hash_search(usage->series_items, &usage->series[i], HASH_FIND, NULL);

			if (!found[item->group])
				missing[n++] = usage->series[i];
		}
		pfree(found);
		if (n == 0)
			break;
		meter_usage_read(usage, missing, n, from, to);
		to = from;
	}
	pfree(missing);
}

/* Does what is carried through one segment go on in another? */
static bool
goes_on(const MeterSegment *a, const MeterSegment *b)
{
	const char *aunit = a->plan->unit_label;
	const char *bunit = b->plan->unit_label;

	return a->profile->function == b->profile->function && a->profile->mode == b->profile->mode &&
		a->profile->recurring == b->profile->recurring &&
		a->profile->approximate == b->profile->approximate &&
		strcmp(aunit ? aunit : "", bunit ? bunit : "") == 0;
}

/* Forget what does not go on in the segment. */
static void
enter_segment(const MeterUsage *usage, MeterCarry *carry, int segment)
{
	if (carry->segment >= 0 &&
		!goes_on(&usage->segments[carry->segment], &usage->segments[segment]))
		carry->has = false;
	carry->segment = segment;
	if (!carry->has)
	{
		carry->level = meter_decimal_zero;
		carry->state = NULL;
	}
}

/* Add a state to what is carried. */
static void
carry_on(const MeterUsage *usage, MeterCarry *carry, const MeterState *state)
{
	const MeterProfile *profile = usage->segments[carry->segment].profile;
	MeterDecimal level;

	if (state == NULL || meter_profile_history(profile) == METER_HISTORY_NONE)
		return;
	if (profile->function != METER_FUNCTION_WEIGHTED_SUM)
	{
		if (carry->state == NULL)
			carry->state = meter_profile_state(profile, usage->context);
		meter_state_merge(carry->state, state);
	}
	else if (!meter_state_level(state, profile->mode, &level))
		return;
	else if (profile->mode == METER_WEIGHT_DELTA)
		meter_decimal_add(&carry->level, &level, &carry->level);
	else
		carry->level = level;
	carry->has = true;
}

/* Move over what was before the range; see usage_private.h. */
void
meter_carry_pass(const MeterUsage *usage, MeterCarry *carry, int segment, const MeterState *state)
{
	enter_segment(usage, carry, segment);
	carry_on(usage, carry, state);
}

/* Add a stray to what is carried; see usage_private.h. */
void
meter_carry_stray(const MeterUsage *usage, MeterCarry *carry, int segment, const MeterState *state)
{
	if (carry->segment < 0 || !goes_on(&usage->segments[carry->segment], &usage->segments[segment]))
		return;
	/* the level is the last value's, and which is the last is not known here */
	if (usage->segments[segment].profile->mode == METER_WEIGHT_GAUGE &&
		usage->segments[segment].profile->function == METER_FUNCTION_WEIGHTED_SUM)
		return;
	carry_on(usage, carry, state);
}

/* The value of a piece of time; see usage_private.h. */
void
meter_carry_value(const MeterUsage *usage, MeterCarry *carry, int segment,
				  const MeterState *state, MeterUsageRow *row)
{
	const MeterProfile *profile = usage->segments[segment].profile;
	MeterResultOptions options = {
		.fraction = profile->fraction, .mode = profile->mode,
		.window_start = row->start, .window_end = row->end
	};
	bool		isnull = true;

	enter_segment(usage, carry, segment);
	if (profile->function != METER_FUNCTION_WEIGHTED_SUM)
	{
		carry_on(usage, carry, state);
		row->state = profile->recurring ? carry->state : state;
		row->value = meter_state_result(row->state, profile->function, &options, &isnull);
	}
	else
	{
		/* what comes in the window is not in the level at its start */
		row->state = state;
		row->has_level = carry->has;
		row->level = carry->level;
		options.carry = carry->has ? &row->level : NULL;
		/* nothing has a mean over no time */
		if (row->start < row->end)
			row->value = meter_state_result(state, profile->function, &options, &isnull);
		carry_on(usage, carry, state);
	}
	if (isnull)
		row->value = NULL;
}
