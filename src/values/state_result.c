/*
 * state_result.c
 *		Reading a usage state.
 *
 * All is exact until the one division that avg and weighted_sum end with,
 * which core's numeric does as it does for its own avg.
 *
 * A state may be half of something: a reversal whose event lies in a state not
 * merged yet.  Entries with a negative count are then left out, and avg and
 * the like have no answer while there is no sample more than there are
 * reversals.
 */
#include "values/decimal_private.h"
#include "values/state_private.h"

#include "miscadmin.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

/* Does a state of one function hold what another needs? */
static bool
holds(const MeterState *state, MeterFunction function)
{
	if (function == state->function || function == METER_FUNCTION_COUNT)
		return true;
	switch (state->function)
	{
		case METER_FUNCTION_SUM:
		case METER_FUNCTION_AVG:
		case METER_FUNCTION_CUSTOM:
			return function == METER_FUNCTION_SUM || function == METER_FUNCTION_AVG ||
				function == METER_FUNCTION_CUSTOM;
		case METER_FUNCTION_WEIGHTED_SUM:
			return function == METER_FUNCTION_SUM ||
				(function == METER_FUNCTION_LATEST && !state->sums);
		default:
			return false;
	}
}

/* a / b, with the digits core's own division gives. */
static Numeric
divide(const MeterDecimal *a, const MeterDecimal *b)
{
	return DatumGetNumeric(DirectFunctionCall2(numeric_div,
											   NumericGetDatum(meter_decimal_to_numeric(a)),
											   NumericGetDatum(meter_decimal_to_numeric(b))));
}

/* *sum += a * factor; a span of time may need 65 bits. */
static void
add_product(MeterDecimal *sum, const MeterDecimal *a, int128 factor)
{
	MeterDecimal product;

	meter_decimal_set(&product, factor, 0);
	meter_decimal_mul(a, &product, &product);
	meter_decimal_add(sum, &product, sum);
}

/* Sum by count. */
static Numeric
average(const MeterState *state, bool *isnull)
{
	MeterDecimal count;

	*isnull = state->count <= 0;
	if (*isnull)
		return NULL;
	meter_decimal_from_int64(state->count, &count);
	return divide(&state->value, &count);
}

/* How many keys are there more often than they were taken back. */
static Numeric
unique_count(const MeterState *state)
{
	int64		n = 0;

	if (state->sketch)
		return int64_to_numeric(meter_sketch_count(state));
	for (uint32 i = 0; i < state->bag.nitems; i++)
	{
		if (state->bag.items[i].count > 0)
			n++;
	}
	return int64_to_numeric(n);
}

/*
 * Where fraction of the way from the first of n samples to the last one is:
 * after how many samples, and how far on to the next one.  The fraction is
 * taken as the decimal it was written as (0.95, not the nearest binary).
 */
static int64
percentile_position(double fraction, int64 n, MeterDecimal *further)
{
	Datum		position;
	Datum		whole;

	position = DirectFunctionCall2(numeric_mul,
								   DirectFunctionCall1(float8_numeric, Float8GetDatum(fraction)),
								   NumericGetDatum(int64_to_numeric(n - 1)));
	whole = DirectFunctionCall1(numeric_floor, position);
	meter_decimal_from_result(further, DirectFunctionCall2(numeric_sub, position, whole));
	return DatumGetInt64(DirectFunctionCall1(numeric_int8, whole));
}

/* The value of sample number ordinal, counting from 0. */
static const MeterDecimal *
nth_value(const MeterBagEntry *entries, int64 ordinal)
{
	for (;; entries++)
	{
		if (entries->count <= 0)
			continue;
		if (ordinal < entries->count)
			return &entries->value;
		ordinal -= entries->count;
	}
}

/* As percentile_cont, in decimals. */
static Numeric
percentile(const MeterState *state, double fraction, bool *isnull)
{
	MeterBagEntry *entries;
	uint32		nentries = meter_bag_sorted_entries(&state->bag, METER_BAG_VALUES, &entries);
	int64		n = 0;
	int64		before;
	MeterDecimal further;
	MeterDecimal low;
	MeterDecimal step;

	for (uint32 i = 0; i < nentries; i++)
	{
		if (entries[i].count > 0)
			meter_state_count_add(&n, entries[i].count);
	}
	*isnull = n == 0;
	if (*isnull)
		return NULL;
	before = percentile_position(fraction, n, &further);
	low = *nth_value(entries, before);
	if (meter_decimal_sign(&further) > 0)
	{
		meter_decimal_sub(nth_value(entries, before + 1), &low, &step);
		meter_decimal_mul(&step, &further, &step);
		meter_decimal_add(&low, &step, &low);
		meter_decimal_trim(&low, &low);
	}
	pfree(entries);
	return meter_decimal_to_numeric(&low);
}

/*
 * The area under the level between the window's ends, from points in order;
 * false if none of them lies before the window's end.
 */
static bool
area_of_points(const MeterState *state, const MeterResultOptions *options,
			   const MeterDecimal *carry, MeterDecimal *area)
{
	MeterBagEntry *entries;
	uint32		n = meter_bag_sorted_entries(&state->bag, METER_BAG_POINTS, &entries);
	MeterDecimal level = *carry;
	TimestampTz at = options->window_start;
	bool		any = false;

	*area = meter_decimal_zero;
	for (uint32 i = 0; i < n && entries[i].time < options->window_end; i++)
	{
		if (options->mode == METER_WEIGHT_GAUGE && entries[i].count < 0)
			continue;
		if (entries[i].time > at)
		{
			add_product(area, &level, (int128) entries[i].time - at);
			at = entries[i].time;
		}
		if (options->mode == METER_WEIGHT_GAUGE)
			level = entries[i].value;
		else
			add_product(&level, &entries[i].value, entries[i].count);
		any = true;
		if ((i & 0xFFF) == 0xFFF)
			CHECK_FOR_INTERRUPTS();
	}
	add_product(area, &level, (int128) options->window_end - at);
	pfree(entries);
	return any;
}

/* The same from sums: each value counts from its time to the window's end. */
static void
area_of_sums(const MeterState *state, const MeterResultOptions *options,
			 const MeterDecimal *carry, MeterDecimal *area)
{
	*area = meter_decimal_zero;
	add_product(area, carry, (int128) options->window_end - options->window_start);
	add_product(area, &state->value, options->window_end);
	meter_decimal_sub(area, &state->moment, area);
}

/* The mean of the level over the window. */
static Numeric
weighted_sum(const MeterState *state, const MeterResultOptions *options, bool *isnull)
{
	const MeterDecimal *carry = options->carry ? options->carry : &meter_decimal_zero;
	MeterDecimal area;
	MeterDecimal length;
	bool		any;

	if (TIMESTAMP_NOT_FINITE(options->window_start) || TIMESTAMP_NOT_FINITE(options->window_end) ||
		options->window_start >= options->window_end)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("weighted_sum needs a window that is finite and ends after its start")));
	if (!state->sums)
		any = area_of_points(state, options, carry, &area);
	else if (options->mode == METER_WEIGHT_GAUGE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a usage state kept for weighted_sum in mode delta cannot be read in mode gauge")));
	else
	{
		any = state->count != 0;
		area_of_sums(state, options, carry, &area);
	}

	*isnull = !any && options->carry == NULL;
	if (*isnull)
		return NULL;
	if (!any)
		return meter_decimal_to_numeric(carry);
	meter_decimal_set(&length, (int128) options->window_end - options->window_start, 0);
	return divide(&area, &length);
}

/* The level after the last sample; false where there are none. */
bool
meter_state_level(const MeterState *state, MeterWeightMode mode, MeterDecimal *out)
{
	MeterBagEntry *entries;
	uint32		n;
	bool		any = false;

	*out = meter_decimal_zero;
	if (state->function != METER_FUNCTION_WEIGHTED_SUM ||
		(state->sums && mode == METER_WEIGHT_GAUGE))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the usage state does not hold a level")));
	if (state->sums)
	{
		*out = state->value;
		return state->count != 0;
	}
	n = meter_bag_sorted_entries(&state->bag, METER_BAG_POINTS, &entries);
	for (uint32 i = 0; i < n; i++)
	{
		if (mode == METER_WEIGHT_DELTA)
			add_product(out, &entries[i].value, entries[i].count);
		else if (entries[i].count > 0)
			*out = entries[i].value;
		else
			continue;
		any = true;
	}
	pfree(entries);
	return any;
}

/* meter_state_level as a result. */
static Numeric
level(const MeterState *state, MeterWeightMode mode, bool *isnull)
{
	MeterDecimal value;

	*isnull = !meter_state_level(state, mode, &value) && mode == METER_WEIGHT_GAUGE;
	return *isnull ? NULL : meter_decimal_to_numeric(&value);
}

/* Check that the options are there which function needs. */
static void
check_options(MeterFunction function, const MeterResultOptions *options)
{
	if (function == METER_FUNCTION_PERCENTILE &&
		!(options != NULL && options->fraction >= 0 && options->fraction <= 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("percentile needs a fraction between 0 and 1")));
	if (function == METER_FUNCTION_WEIGHTED_SUM && options == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("weighted_sum needs the window's start and end")));
}

/* The answer; see state.h. */
Numeric
meter_state_result(const MeterState *state, MeterFunction function,
				   const MeterResultOptions *options, bool *isnull)
{
	check_options(function, options);
	if (state == NULL)
		state = meter_state_create(function, CurrentMemoryContext);
	if (!holds(state, function))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a usage state of %s does not hold what %s needs",
						meter_function_name(state->function), meter_function_name(function))));

	*isnull = false;
	switch (function)
	{
		case METER_FUNCTION_COUNT:
			return int64_to_numeric(state->count);
		case METER_FUNCTION_SUM:
			if (state->function == METER_FUNCTION_WEIGHTED_SUM)
				return level(state, METER_WEIGHT_DELTA, isnull);
			break;
		case METER_FUNCTION_AVG:
			return average(state, isnull);
		case METER_FUNCTION_LATEST:
			if (state->function == METER_FUNCTION_WEIGHTED_SUM)
				return level(state, METER_WEIGHT_GAUGE, isnull);
			*isnull = state->count <= 0;
			break;
		case METER_FUNCTION_MIN:
		case METER_FUNCTION_MAX:
		case METER_FUNCTION_CUSTOM:
			*isnull = state->count <= 0;
			break;
		case METER_FUNCTION_UNIQUE_COUNT:
			return unique_count(state);
		case METER_FUNCTION_WEIGHTED_SUM:
			return weighted_sum(state, options, isnull);
		case METER_FUNCTION_PERCENTILE:
			return percentile(state, options->fraction, isnull);
	}
	return *isnull ? NULL : meter_decimal_to_numeric(&state->value);
}
