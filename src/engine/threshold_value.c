/*
 * threshold_value.c
 *		The value of an account, and what a sample makes of it.
 *
 * Of functions that only add up the value is all there is; the others keep a
 * usage state (values/state.h) beside it.
 */
#include "engine/threshold_private.h"

/* The value is what there is of nothing. */
static void
clear_value(MeterAccount *account)
{
	MeterFunction function = account->plan->profiles[0].function;

	account->has_value = meter_account_additive(account) || function == METER_FUNCTION_UNIQUE_COUNT;
	account->value = meter_decimal_zero;
}

/* Nothing was used; see threshold_private.h. */
void
meter_account_clear(MeterAccount *account)
{
	clear_value(account);
	account->state = meter_account_additive(account) ? NULL :
		meter_profile_state(&account->plan->profiles[0], CurrentMemoryContext);
}

/* Read the value out of the state; see threshold_private.h. */
void
meter_account_read_value(MeterAccount *account)
{
	const MeterProfile *profile = &account->plan->profiles[0];
	MeterResultOptions options = {
		.fraction = profile->fraction, .mode = profile->mode,
		.window_start = account->from, .window_end = account->to
	};
	Numeric		value;
	MeterError	err;
	bool		isnull;

	if (account->state == NULL)
		return;
	value = meter_state_count(account->state) == 0 && profile->function != METER_FUNCTION_WEIGHTED_SUM ? NULL :
		meter_state_result(account->state, profile->function, &options, &isnull);
	if (value == NULL || isnull)
	{
		clear_value(account);
		return;
	}
	account->has_value = true;
	if (!meter_decimal_from_numeric(value, &account->value, &err))
		meter_error_throw(&err, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "watched usage");
}

/* What a sample adds to an account that only adds up. */
static void
add_sample(const MeterAccount *account, MeterDecimal *value, const MeterMeasure *measure, int weight)
{
	MeterDecimal added = measure->value;

	if (account->plan->profiles[0].function == METER_FUNCTION_COUNT)
		meter_decimal_from_int64(1, &added);
	if (weight > 0)
		meter_decimal_add(value, &added, value);
	else
		meter_decimal_sub(value, &added, value);
}

/* A sample is going to be added; see threshold_private.h.  What goes on into later
 * windows changes these too, and is left to be taken as it is. */
void
meter_account_expect(MeterAccount *account, const MeterMeasure *measure, int weight)
{
	if (!meter_account_additive(account) || meter_account_persists(account))
		return;
	if (!account->has_ahead)
		account->ahead = meter_decimal_zero;
	account->has_ahead = true;
	add_sample(account, &account->ahead, measure, weight);
}

/* Add a sample; see threshold_private.h. */
bool
meter_account_add(MeterAccount *account, const MeterMeasure *measure, TimestampTz time, int64 seq, int weight)
{
	const MeterProfile *profile = &account->plan->profiles[0];
	MeterSample sample;

	if (meter_account_additive(account))
	{
		add_sample(account, &account->value, measure, weight);
		account->has_value = true;
		return true;
	}
	if (weight < 0 && !meter_profile_reversible(profile))
		return false;
	sample = meter_measure_sample(profile, measure, time, seq);
	sample.weight = weight;
	meter_state_add(account->state, &sample);
	meter_account_read_value(account);
	return true;
}
