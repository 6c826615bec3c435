/*
 * threshold_take.c
 *		Taking rows, and computing what they do not say.
 *
 * A row that is new knows nothing of what was used before it was there, and one
 * of a window that became another one, or of a customer who got or lost
 * subjects, knows what is not so any more.
 */
#include "engine/threshold_private.h"

/* Is a window that nobody met before certain to begin empty? */
bool
meter_account_begins_empty(const MeterAccount *account)
{
	const MeterWatch *watch = account->watch;
	const MeterWindow *window = watch->has_window ? &watch->window : &account->plan->profiles[0].window;

	/* a customer's subjects may have used something before they were its, and a
	 * billing period begins where a subscription says so, later too */
	return account->window_start >= watch->empty_from && !meter_account_persists(account) &&
		!account->by_customer && window->size != METER_WINDOW_BILLING_PERIOD;
}

/* Take the rows; see threshold_private.h. */
void
meter_accounts_take(const pg_uuid_t *organization, MeterAccount **list, int n, bool behind)
{
	MeterAccount **unknown = palloc(Max(n, 1) * sizeof(MeterAccount *));
	MeterAccount **taken;
	int			ntaken;
	int			nunknown = 0;

	meter_account_sort(list, n);
	ntaken = meter_account_with_anchors(list, n, &taken);
	meter_account_take(organization, taken, ntaken);
	for (int i = 0; i < n; i++)
	{
		MeterAccount *account = list[i];

		if (meter_account_is_anchor(account))
			continue;
		meter_hold_expire(organization, account);
		if (account->misfit && behind)
			account->recompute = true;
		else if (account->misfit)
			unknown[nunknown++] = account;
		else if (account->is_new && meter_account_begins_empty(account))
			meter_account_clear(account);
		else if (account->is_new)
			unknown[nunknown++] = account;
	}
	if (nunknown > 0)
		meter_account_compute(organization, unknown, nunknown);
}
