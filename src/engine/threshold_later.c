/*
 * threshold_later.c
 *		Values that go on into later windows.
 *
 * What weighted_sum and recurring profiles give for a window depends on all that
 * came before it.  So a change moves the account's value in every later window
 * too, and crosses what it crosses there.  Windows that a batch is about follow
 * each change, since each event meets what the ones before it left; where the
 * level is the last value that came, and which that is cannot be known, and in
 * windows that have rows besides, they are computed anew when all is counted.
 *
 * Two transactions that change different windows of such an account would not
 * meet at a row: one could compute the base of a later window while the other's
 * event is not to be seen yet.  So these accounts have one row more, an anchor
 * that begins before all windows and holds nothing.  It comes first in the order
 * in which rows are taken, and whoever has it has all of the account's rows to
 * himself.  It also stands for what is in none of the windows but goes on into
 * them: events before a subscription began, or in windows that were swept.
 */
#include "engine/threshold_private.h"

#include "utils/timestamp.h"

static bool
same_account(const MeterAccount *a, const MeterAccount *b)
{
	return a->watch->watch_no == b->watch->watch_no && a->key.len == b->key.len &&
		memcmp(a->key.data, b->key.data, a->key.len) == 0;
}

/* The anchor of an account. */
static MeterAccount *
make_anchor(const MeterAccount *account)
{
	MeterAccount *anchor = palloc(sizeof(MeterAccount));

	*anchor = *account;
	anchor->window_start = DT_NOBEGIN;
	anchor->window_end = DT_NOEND;
	anchor->fired = palloc0(account->watch->nthresholds * sizeof(MeterFired));
	return anchor;
}

/* The accounts with their anchors; see threshold_private.h. */
int
meter_account_with_anchors(MeterAccount **accounts, int n, MeterAccount ***list)
{
	MeterAccount *last = NULL;
	MeterAccount *before;
	int			nanchors = 0;

	*list = accounts;
	for (int i = 0; i < n; i++)
	{
		if (!meter_account_persists(accounts[i]))
			continue;
		accounts[i]->next = NULL;
		before = last;
		last = accounts[i];
		if (before && same_account(before, last))
		{
			before->next = last;
			continue;
		}
		if (meter_account_is_anchor(accounts[i]))
			continue;
		if (nanchors == 0)
			*list = memcpy(palloc_extended(2 * n * sizeof(MeterAccount *), MCXT_ALLOC_HUGE), accounts,
						   n * sizeof(MeterAccount *));
		(*list)[n + nanchors++] = make_anchor(accounts[i]);
	}
	if (nanchors > 0)
		meter_account_sort(*list, n + nanchors);
	return n + nanchors;
}

/* Follow a change in a window before; see threshold_private.h. */
bool
meter_account_carry(const MeterAccount *account, MeterAccount *later, const MeterChange *change)
{
	const MeterProfile *profile = &later->plan->profiles[0];

	/* from version to version it does not always go on */
	if (later->recompute || later->plan != account->plan || profile->function != METER_FUNCTION_WEIGHTED_SUM || profile->mode != METER_WEIGHT_DELTA)
		return false;
	/* the level is another one from the beginning of the window */
	return meter_account_add(later, change->measure, later->from, 0, change->weight);
}

/* Is the window one of those that follow the account's? */
static bool
follows(const MeterAccount *account, const MeterAccount *row)
{
	while (account && account->window_start != row->window_start)
		account = account->next;
	return account != NULL;
}

/* Take rows of later windows; see threshold_private.h. */
int
meter_account_take_later(const pg_uuid_t *organization, MeterAccount **accounts, int n, MeterAccount ***later)
{
	const MeterAccount *last = NULL;
	int			nlater = 0;
	int			size = 0;

	*later = NULL;
	for (int i = 0; i < n; i++)
	{
		MeterAccount **rows;
		int			nrows;

		/* the first change of an account moves all that is behind it */
		if (!accounts[i]->changed || !meter_account_persists(accounts[i]) ||
			(last && same_account(last, accounts[i])))
			continue;
		last = accounts[i];
		nrows = meter_account_list_later(organization, last, &rows);
		for (int r = 0; r < nrows; r++)
		{
			if (follows(last, rows[r]))
				continue;
			*later = meter_batch_grow(*later, nlater, &size, sizeof(MeterAccount *), 8);
			(*later)[nlater++] = rows[r];
		}
	}
	return nlater;
}
