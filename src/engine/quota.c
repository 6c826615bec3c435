/*
 * quota.c
 *		Quotas: thresholds that block.
 *
 * A quota's limit is its last value.  Rising usage and what is reserved of it
 * together must not go beyond; falling usage must not either, and of that
 * nothing is reserved.  What is beyond the limit already, because the quota came
 * later or became smaller, may stay there and come back.
 */
#include "engine/threshold_private.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

static bool
falls(const MeterThreshold *threshold)
{
	return meter_comparator_falls(threshold->levels.comparator);
}

static const MeterDecimal *
limit_of(const MeterThreshold *threshold)
{
	return &threshold->levels.values[threshold->levels.nvalues - 1];
}

/* Is a quota against the account's value, which was *from (NULL: none) before?
 * What the change had reserved for itself is as good as used. */
static bool
refuses(const MeterThreshold *threshold, const MeterAccount *account, const MeterDecimal *from)
{
	MeterDecimal before = account->freed;
	MeterDecimal after;

	if (!account->has_value)
		return false;
	if (falls(threshold))
		return meter_levels_exceeds(&threshold->levels, from, &account->value);
	meter_decimal_add(&before, &account->reserved, &before);
	if (from)
		meter_decimal_add(from, &before, &before);
	meter_decimal_add(&account->value, &account->reserved, &after);
	return meter_levels_exceeds(&threshold->levels, from ? &before : NULL, &after);
}

/* How far the value went. */
static MeterDecimal
asked(const MeterAccount *account, const MeterDecimal *from)
{
	MeterDecimal result = account->has_value ? account->value : meter_decimal_zero;

	if (from && account->has_value)
		meter_decimal_sub(&account->value, from, &result);
	return result;
}

/* Does a quota refuse?  See threshold_private.h. */
bool
meter_quota_refuses(const MeterAccount *account, const MeterDecimal *from, MeterQuota *quota)
{
	for (int i = 0; i < account->watch->nthresholds; i++)
	{
		const MeterThreshold *threshold = &account->watch->thresholds[i];

		/* what time alone changes has no limit: create_threshold() refuses it, but a
		 * later version may measure so */
		if (!threshold->blocks || account->plan->profiles[0].function == METER_FUNCTION_WEIGHTED_SUM ||
			!refuses(threshold, account, from))
			continue;
		*quota = (MeterQuota) {
			.threshold = threshold, .meter = account->meter, .account = account,
				.limit = *limit_of(threshold), .used = from ? *from : meter_decimal_zero,
				.reserved = account->reserved, .asked = asked(account, from),
				.window_start = account->window_start, .window_end = account->window_end
		};
		/* how many zeros end them depends on what else was in the batch */
		meter_decimal_trim(&quota->used, &quota->used);
		meter_decimal_trim(&quota->asked, &quota->asked);
		return true;
	}
	return false;
}

/* See the accounts as they are, by the caller's snapshot. */
static void
see_accounts(const pg_uuid_t *organization, MeterAccount **accounts, int n)
{
	MeterAccount **unknown = palloc(Max(n, 1) * sizeof(MeterAccount *));
	int			nunknown = 0;

	for (int i = 0; i < n; i++)
	{
		MeterAccount *account = accounts[i];
		bool		found = meter_account_seen(organization, account);

		if (found)
			meter_hold_ignore_expired(organization, account);
		if (!found && meter_account_begins_empty(account))
			meter_account_clear(account);
		else if (!found || account->misfit)
			unknown[nunknown++] = account;
	}
	if (nunknown > 0)
		meter_account_compute_seen(organization, unknown, nunknown);
}

/* The accounts that the change is about, of those that quotas look at, in the
 * order in which these are asked. */
static int
blocked_accounts(MeterAccounts *set, const MeterChange *change, MeterAccount ***list)
{
	MeterAccount **found;
	const MeterSeries *series = change->series;
	int			n;
	int			m = 0;

	meter_accounts_prepare(set, change->meter, &series, 1);
	n = meter_accounts_find(set, change->meter, change->plan, change->series, change->time, &found);
	*list = palloc(Max(n, 1) * sizeof(MeterAccount *));
	for (int i = 0; i < n; i++)
	{
		if (found[i]->watch->blocks && !meter_account_is_anchor(found[i]))
			(*list)[m++] = found[i];
	}
	meter_account_sort(*list, m);
	return m;
}

/* Change the account in memory, as the change would. */
static void
try_change(MeterAccount *account, const MeterChange *change, const MeterDecimal *times)
{
	MeterFunction function = account->plan->profiles[0].function;

	if (function != METER_FUNCTION_COUNT && function != METER_FUNCTION_UNIQUE_COUNT)
	{
		(void) meter_account_add(account, change->measure, change->time, change->seq, 1);
		return;
	}
	account->has_value = true;
	meter_decimal_add(&account->value, times, &account->value);
}

/* What a quota says to what became of the account. */
static MeterQuotaAnswer
answer_of(const MeterThreshold *threshold, const MeterAccount *account, const MeterDecimal *from)
{
	MeterQuotaAnswer answer = {
		.allowed = !refuses(threshold, account, from), .threshold = threshold->name,
		.limit = *limit_of(threshold), .has_used = from != NULL, .used = from ? *from : meter_decimal_zero,
		.reserved = falls(threshold) ? meter_decimal_zero : account->reserved,
		.asked = asked(account, from), .has_remaining = from != NULL || !falls(threshold),
		.window_start = account->window_start, .window_end = account->window_end
	};

	if (falls(threshold))
		meter_decimal_sub(&answer.used, &answer.limit, &answer.remaining);
	else
	{
		meter_decimal_sub(&answer.limit, &answer.used, &answer.remaining);
		meter_decimal_sub(&answer.remaining, &answer.reserved, &answer.remaining);
	}
	if (meter_decimal_sign(&answer.remaining) < 0)
		answer.remaining = meter_decimal_zero;
	return answer;
}

/* Does the second answer say more than the first? */
static bool
says_more(const MeterQuotaAnswer *first, const MeterQuotaAnswer *second)
{
	if (first->threshold == NULL || !first->allowed)
		return first->threshold == NULL;
	if (!second->allowed || !first->has_remaining)
		return true;
	return second->has_remaining && meter_decimal_cmp(&second->remaining, &first->remaining) < 0;
}

/* What do quotas say?  See quota.h. */
MeterQuotaAnswer
meter_quota_check(const pg_uuid_t *organization, const MeterChange *change, const MeterDecimal *times)
{
	MeterQuotaAnswer result = {.allowed = true};
	MeterAccount **accounts;
	int			n = 0;

	if (change->meter->blocks)
		n = blocked_accounts(meter_accounts_begin(organization, true), change, &accounts);
	if (n > 0)
		see_accounts(organization, accounts, n);
	for (int i = 0; i < n; i++)
	{
		MeterAccount *account = accounts[i];
		MeterDecimal before = account->value;
		const MeterDecimal *from = account->has_value ? &before : NULL;

		try_change(account, change, times);
		for (int t = 0; t < account->watch->nthresholds; t++)
		{
			MeterQuotaAnswer answer;

			if (!account->watch->thresholds[t].blocks)
				continue;
			answer = answer_of(&account->watch->thresholds[t], account, from);
			if (says_more(&result, &answer))
				result = answer;
		}
	}
	return result;
}

/* Can it be held?  See quota.h. */
bool
meter_quota_holds(MeterFunction function)
{
	return function == METER_FUNCTION_SUM || function == METER_FUNCTION_COUNT ||
		function == METER_FUNCTION_CUSTOM;
}

/* Nothing can be held of a quota that usage falls towards. */
static void
require_rising(const MeterAccount *account)
{
	for (int i = 0; i < account->watch->nthresholds; i++)
	{
		const MeterThreshold *threshold = &account->watch->thresholds[i];

		if (threshold->blocks && falls(threshold))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("threshold \"%s\" of meter \"%s\" has the comparator %s, and usage is reserved of gt and gte only",
							threshold->name, account->meter->key,
							meter_comparator_name(threshold->levels.comparator))));
	}
}

/* Refuse the reservation if a quota of the account is against it. */
static void
require_room(MeterAccount *account, const MeterDecimal *amount)
{
	MeterDecimal before = account->value;
	bool		had_value = account->has_value;
	MeterQuota	quota;
	MeterError	err;

	meter_decimal_add(&account->value, amount, &account->value);
	account->has_value = true;
	if (meter_quota_refuses(account, had_value ? &before : NULL, &quota))
	{
		meter_quota_error(&quota, &err);
		meter_error_throw(&err, meter_refusal_sqlstate(&err, ERRCODE_INVALID_PARAMETER_VALUE), err.code);
	}
	account->value = before;
	account->has_value = had_value;
}

/* Reserve; see quota.h. */
void
meter_quota_reserve(const MeterReservation *reservation, const MeterChange *change, const MeterDecimal *amount)
{
	MeterAccount **accounts;
	int			n = 0;

	if (change->meter->blocks)
		n = blocked_accounts(meter_accounts_begin(&reservation->organization, false), change, &accounts);
	for (int i = 0; i < n; i++)
		require_rising(accounts[i]);
	meter_reservation_insert(reservation);
	if (n == 0)
		return;
	meter_accounts_take(&reservation->organization, accounts, n, false);
	for (int i = 0; i < n; i++)
	{
		require_room(accounts[i], amount);
		meter_decimal_add(&accounts[i]->reserved, amount, &accounts[i]->reserved);
		accounts[i]->reserved_until = Min(accounts[i]->reserved_until, reservation->expires_at);
	}
	meter_account_write(&reservation->organization, accounts, n);
	meter_hold_insert(reservation, amount, accounts, n);
}
