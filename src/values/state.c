/*
 * state.c
 *		The usage state: adding samples and merging.
 *
 * A state is a small struct; only the functions that must remember every
 * value (unique_count, percentile, and weighted_sum where it may have to be
 * read as a gauge) have a bag of entries behind it.  Nothing depends on the
 * order of samples: where two are equal in what the function looks at (a tie
 * of time, 1.0 and 1.00) a rule on their values decides.
 */
#include "values/state_private.h"

#include "common/int.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

static const char *const function_names[] = {
	[METER_FUNCTION_SUM] = "sum",
	[METER_FUNCTION_COUNT] = "count",
	[METER_FUNCTION_AVG] = "avg",
	[METER_FUNCTION_MIN] = "min",
	[METER_FUNCTION_MAX] = "max",
	[METER_FUNCTION_LATEST] = "latest",
	[METER_FUNCTION_UNIQUE_COUNT] = "unique_count",
	[METER_FUNCTION_WEIGHTED_SUM] = "weighted_sum",
	[METER_FUNCTION_PERCENTILE] = "percentile",
	[METER_FUNCTION_CUSTOM] = "custom"
};

/* Name to function; false for an unknown name. */
bool
meter_function_parse(const char *name, int len, MeterFunction *function)
{
	for (int i = 0; i < lengthof(function_names); i++)
	{
		if (strlen(function_names[i]) == len && memcmp(function_names[i], name, len) == 0)
		{
			*function = i;
			return true;
		}
	}
	return false;
}

/* Function to name. */
const char *
meter_function_name(MeterFunction function)
{
	return function_names[function];
}

/* A new state that begins as head does; a bag only where it has one. */
static MeterState *
create(const MeterState *head)
{
	bool		has_bag = meter_state_has_bag(head);
	MeterState *state;

	state = MemoryContextAlloc(head->context,
							   has_bag ? sizeof(MeterState) : offsetof(MeterState, bag));
	memcpy(state, head, offsetof(MeterState, bag));
	if (has_bag)
		meter_bag_init(&state->bag, head->context);
	return state;
}

/* A new empty state. */
MeterState *
meter_state_create(MeterFunction function, MemoryContext context)
{
	MeterState	head = {.context = context, .function = function};

	return create(&head);
}

/* A unique_count state with a sketch in the bag's place. */
MeterState *
meter_state_create_approximate(MemoryContext context)
{
	MeterState	head = {
		.context = context, .function = METER_FUNCTION_UNIQUE_COUNT,
		.sketch = meter_sketch_create(context)
	};

	return create(&head);
}

/* An empty state that the other one can be merged into. */
MeterState *
meter_state_create_like(const MeterState *state, MemoryContext context)
{
	return state->sketch ? meter_state_create_approximate(context) :
		meter_state_create(state->function, context);
}

/* A weighted_sum state that is read in one mode only. */
MeterState *
meter_state_create_weighted(MeterWeightMode mode, MemoryContext context)
{
	MeterState *state = meter_state_create(METER_FUNCTION_WEIGHTED_SUM, context);

	state->sums = mode == METER_WEIGHT_DELTA;
	return state;
}

/* The function the state is kept for. */
MeterFunction
meter_state_function(const MeterState *state)
{
	return state->function;
}

/* Is it kept by sums? */
bool
meter_state_sums(const MeterState *state)
{
	return state->sums;
}

/* Is it kept by a sketch? */
bool
meter_state_sketches(const MeterState *state)
{
	return state->sketch != NULL;
}

/* The sum of the samples' weights. */
int64
meter_state_count(const MeterState *state)
{
	return state->count;
}

/* Counts come from packed bytes too, so they may be anything. */
void
meter_state_count_add(int64 *count, int64 add)
{
	if (unlikely(pg_add_s64_overflow(*count, add, count)))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("usage state count out of range")));
}

/* Keep a decimal in the state; a numeric is copied into its context. */
static void
keep_decimal(const MeterState *state, MeterDecimal *to, const MeterDecimal *from)
{
	Numeric		old = to->big;

	*to = *from;
	if (unlikely(from->big != NULL))
	{
		to->big = MemoryContextAlloc(state->context, VARSIZE_ANY(from->big));
		memcpy(to->big, from->big, VARSIZE_ANY(from->big));
	}
	if (unlikely(old != NULL))
		pfree(old);
}

/* Add to one of the state's sums, or take away where weight is negative. */
void
meter_state_sum_add(const MeterState *state, MeterDecimal *sum, const MeterDecimal *add,
					int weight)
{
	MeterDecimal result;

	if (weight < 0)
		meter_decimal_sub(sum, add, &result);
	else
		meter_decimal_add(sum, add, &result);
	if (likely(sum->big == NULL && result.big == NULL))
	{
		*sum = result;
		return;
	}
	keep_decimal(state, sum, &result);
	if (result.big != NULL)
		pfree(result.big);
}

/* Does the value offered displace the one that is there? */
static bool
is_better(const MeterState *state, const MeterDecimal *value, TimestampTz time, int64 seq)
{
	int			cmp;

	if (state->function == METER_FUNCTION_LATEST)
	{
		if (time != state->time)
			return time > state->time;
		if (seq != state->seq)
			return seq > state->seq;
	}
	cmp = meter_decimal_cmp(value, &state->value);
	if (cmp == 0)
		return meter_decimal_scale(value) > meter_decimal_scale(&state->value);
	return state->function == METER_FUNCTION_MIN ? cmp < 0 : cmp > 0;
}

/* min, max and latest: keep the value where it wins.  count is the caller's to
 * raise, afterwards. */
void
meter_state_offer(MeterState *state, const MeterDecimal *value, TimestampTz time, int64 seq)
{
	if (state->count > 0 && !is_better(state, value, time, seq))
		return;
	keep_decimal(state, &state->value, value);
	state->time = time;
	state->seq = seq;
}

/* weighted_sum as sums: what one point adds. */
void
meter_state_moment_add(MeterState *state, const MeterDecimal *value, TimestampTz time, int64 count)
{
	MeterDecimal factor;
	MeterDecimal product;

	if (count != 1 && count != -1)
	{
		meter_decimal_from_int64(count, &factor);
		meter_decimal_mul(value, &factor, &product);
		meter_state_moment_add(state, &product, time, 1);
		return;
	}
	meter_decimal_from_int64(time, &factor);
	meter_decimal_mul(value, &factor, &product);
	meter_state_sum_add(state, &state->value, value, count);
	meter_state_sum_add(state, &state->moment, &product, count);
}

/* weighted_sum: from here on sums instead of points. */
void
meter_state_fold_points(MeterState *state)
{
	MeterBagEntry *entries;
	uint32		n;

	if (state->sums)
		return;
	n = meter_bag_sorted_entries(&state->bag, METER_BAG_POINTS, &entries);
	for (uint32 i = 0; i < n; i++)
		meter_state_moment_add(state, &entries[i].value, entries[i].time, entries[i].count);
	pfree(entries);
	state->sums = true;
}

/* A sample of a weighted_sum. */
static void
add_weighted(MeterState *state, const MeterSample *sample)
{
	if (TIMESTAMP_NOT_FINITE(sample->time))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("weighted_sum needs a finite event time")));
	if (state->sums)
		meter_state_moment_add(state, sample->value, sample->time, sample->weight);
	else
		meter_bag_add_point(&state->bag, sample->time, sample->seq, sample->value,
							sample->weight, false);
}

/* Add a sample, or take one back. */
void
meter_state_add(MeterState *state, const MeterSample *sample)
{
	if (unlikely(state->function == METER_FUNCTION_UNIQUE_COUNT ? sample->key == NULL :
				 state->function != METER_FUNCTION_COUNT && sample->value == NULL))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s needs a %s in each sample", function_names[state->function],
						state->function == METER_FUNCTION_UNIQUE_COUNT ? "key" : "value")));

	switch (state->function)
	{
		case METER_FUNCTION_SUM:
		case METER_FUNCTION_AVG:
		case METER_FUNCTION_CUSTOM:
			meter_state_sum_add(state, &state->value, sample->value, sample->weight);
			break;
		case METER_FUNCTION_COUNT:
			break;
		case METER_FUNCTION_MIN:
		case METER_FUNCTION_MAX:
		case METER_FUNCTION_LATEST:
			if (sample->weight < 0)
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("a %s cannot take a sample back, it has to be computed again",
								function_names[state->function])));
			meter_state_offer(state, sample->value, sample->time, sample->seq);
			break;
		case METER_FUNCTION_UNIQUE_COUNT:
			if (state->sketch)
			{
				if (sample->weight < 0)
					ereport(ERROR,
							(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
							 errmsg("an approximate unique_count cannot take a sample back")));
				meter_sketch_add(state, sample->key, sample->keylen);
				break;
			}
			meter_bag_add_key(&state->bag, sample->key, sample->keylen, sample->weight);
			break;
		case METER_FUNCTION_WEIGHTED_SUM:
			add_weighted(state, sample);
			break;
		case METER_FUNCTION_PERCENTILE:
			meter_bag_add_value(&state->bag, sample->value, sample->weight);
			break;
	}
	meter_state_count_add(&state->count, sample->weight);
}

/* Refuse to merge states of different functions or kinds. */
void
meter_state_mismatch(const MeterState *into, MeterFunction from)
{
	if (from == into->function)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cannot merge exact and approximate usage states of %s",
						function_names[from])));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("cannot merge a usage state of %s into one of %s",
					function_names[from], function_names[into->function])));
}

/* Merge the points or sums of two weighted_sum states. */
static void
merge_weighted(MeterState *into, const MeterState *from)
{
	MeterBagEntry *entries;
	uint32		n;

	if (from->sums)
	{
		meter_state_fold_points(into);
		meter_state_sum_add(into, &into->value, &from->value, 1);
		meter_state_sum_add(into, &into->moment, &from->moment, 1);
		return;
	}
	n = meter_bag_sorted_entries(&from->bag, METER_BAG_POINTS, &entries);
	for (uint32 i = 0; i < n; i++)
		meter_state_moment_add(into, &entries[i].value, entries[i].time, entries[i].count);
	pfree(entries);
}

/* Merge another state of the same function and kind into this one. */
void
meter_state_merge(MeterState *into, const MeterState *from)
{
	if (unlikely(into->function != from->function || !into->sketch != !from->sketch))
		meter_state_mismatch(into, from->function);

	if (into->sketch)
	{
		bytea	   *value = meter_sketch_value(from);

		if (value)
			meter_sketch_merge(into, value);
	}
	else if (meter_state_has_bag(from) && meter_state_has_bag(into))
	{
		for (uint32 i = 0; i < from->bag.nitems; i++)
		{
			const MeterBagItem *item = &from->bag.items[i];

			meter_bag_add(&into->bag, from->bag.bytes + item->offset, item->len, item->count);
		}
	}
	else if (into->function == METER_FUNCTION_WEIGHTED_SUM)
		merge_weighted(into, from);
	else if (into->function == METER_FUNCTION_MIN || into->function == METER_FUNCTION_MAX ||
			 into->function == METER_FUNCTION_LATEST)
	{
		if (from->count > 0)
			meter_state_offer(into, &from->value, from->time, from->seq);
	}
	else if (into->function != METER_FUNCTION_COUNT)
		meter_state_sum_add(into, &into->value, &from->value, 1);
	meter_state_count_add(&into->count, from->count);
}
