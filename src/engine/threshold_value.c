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

/* Add a sample; see threshold_private.h. */
bool
meter_account_add(MeterAccount *account, const MeterMeasure *measure, TimestampTz time, int64 seq, int weight)
{
	const MeterProfile *profile = &account->plan->profiles[0];
	MeterSample sample;
	MeterDecimal one;

	if (meter_account_additive(account))
	{
		const MeterDecimal *value = &measure->value;

		if (profile->function == METER_FUNCTION_COUNT)
		{
			meter_decimal_from_int64(1, &one);
			value = &one;
		}
		if (weight > 0)
			meter_decimal_add(&account->value, value, &account->value);
		else
			meter_decimal_sub(&account->value, value, &account->value);
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
