/*
 * threshold_early.c
 *		What a quota is certain to refuse, turned away before it costs anything.
 *
 * Who has used up a quota may go on sending.  To claim keys, and store an event
 * or wait for the quota's row, only to take it all back, would make refused
 * usage dearer than accepted.  So a backend remembers for which series a quota
 * was against it of late.  When more comes of one it looks at the quota's row
 * as it is committed, without locking it: what is more than the quota allows is
 * refused as of that moment.  Whether its key was there before is asked as it
 * is of any event that is rejected.
 *
 * That is done only where what else is under way in the batch cannot make room:
 * for sums and counts of meters that take no negative values.
 */
#include "engine/threshold_private.h"

#include "access/xact.h"
#include "utils/timestamp.h"

#define REMEMBERED 256

/* Hashes of series, each in the one place that it can have. */
static uint64 refused[REMEMBERED];
static bool any_refused = false;

static uint64
series_mark(const MeterEntry *meter, const MeterSeries *series)
{
	/* never zero, which is none */
	return (series->hash ^ ((uint64) meter->meter_no * UINT64CONST(0x9E3779B97F4A7C15))) | 1;
}

/* A quota was against it; see threshold_private.h. */
void
meter_early_remember(const MeterChange *change)
{
	uint64		mark = series_mark(change->meter, change->series);

	refused[(mark >> 1) % REMEMBERED] = mark;
	any_refused = true;
}

/* May it be looked at? */
static bool
may_be_early(const MeterBatch *batch, const MeterContribution *c)
{
	uint64		mark;

	if (c->outcome != METER_OUTCOME_COUNTED || !c->meter->blocks || c->plan->negative_allowed ||
		batch->events[c->event].retry)
		return false;
	mark = series_mark(c->meter, &batch->series[c->series]);
	return refused[(mark >> 1) % REMEMBERED] == mark;
}

/* Look at an account's row, once; false where it does not tell. */
static bool
look(const pg_uuid_t *organization, MeterAccount *account)
{
	if (account->is_new && !meter_account_look(organization, account, false))
		return false;
	return meter_account_additive(account) && !account->misfit &&
		(account->reserved_until == DT_NOEND || account->reserved_until > GetCurrentTimestamp());
}

/* Is a quota certain to be against the change? */
static bool
is_refused(const pg_uuid_t *organization, MeterAccounts *set, const MeterChange *change, MeterQuota *quota)
{
	const MeterSeries *series = change->series;
	MeterAccount **accounts;
	bool		result = false;
	int			n;

	meter_accounts_prepare(set, change->meter, &series, 1);
	n = meter_accounts_find(set, change->meter, change->plan, change->series, change->time, &accounts);
	for (int i = 0; i < n && !result; i++)
	{
		MeterDecimal before;

		if (!accounts[i]->watch->blocks || !look(organization, accounts[i]))
			continue;
		before = accounts[i]->value;
		(void) meter_account_add(accounts[i], change->measure, change->time, change->seq, 1);
		result = meter_quota_refuses(accounts[i], &before, quota);
		accounts[i]->value = before;
	}
	return result;
}

/* Turn away what is certain to be refused; see threshold.h. */
bool
meter_batch_turn_away_early(MeterBatch *batch)
{
	MeterAccounts *set = NULL;
	bool		any = false;

	if (!any_refused || batch->settles || IsolationUsesXactSnapshot())
		return false;
	for (int i = 0; i < batch->ncontributions; i++)
	{
		MeterContribution *c = &batch->contributions[i];
		MeterChange change;
		MeterQuota	quota;

		if (!may_be_early(batch, c) || !meter_contribution_change(batch, c, &change))
			continue;
		if (set == NULL)
			set = meter_accounts_begin(&batch->organization, false);
		if (is_refused(&batch->organization, set, &change, &quota))
		{
			meter_batch_turn_away(batch, c, &change, &quota);
			any = true;
		}
		else
			refused[(series_mark(c->meter, change.series) >> 1) % REMEMBERED] = 0;
	}
	return any;
}
