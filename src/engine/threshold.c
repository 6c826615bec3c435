/*
 * threshold.c
 *		Changes of usage, held against thresholds.
 *
 * The rows of the accounts are taken before usage changes, so that what a row
 * does not say yet can be computed from usage as it was; they are written
 * behind it.  Between the two the changes go over the accounts in their order,
 * one by one: each moves the value, and what lies on the way is crossed.
 */
#include "engine/threshold_private.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

struct MeterWatching
{
	pg_uuid_t	organization;
	TimestampTz now;
	MemoryContext context;
	MeterAccounts *accounts;
	const pg_uuid_t *settles;	/* a reservation, or NULL */
	bool		quiet;			/* crossings are not gathered */
	MeterBreaches breaches;		/* to be told of */
};

/* An empty one. */
static MeterWatching *
begin_watching(const pg_uuid_t *organization, TimestampTz now)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "meter thresholds", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	MeterWatching *watching = palloc0(sizeof(MeterWatching));

	watching->organization = *organization;
	watching->now = now;
	watching->context = context;
	watching->accounts = meter_accounts_begin(organization, false);
	MemoryContextSwitchTo(old);
	return watching;
}

static bool
watched(const MeterChange *changes, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (changes[i].meter->nwatches > 0)
			return true;
	}
	return false;
}

/* Look up what must be known of the changes' subjects, meter by meter. */
static void
prepare(MeterAccounts *set, const MeterChange *changes, int n)
{
	const MeterSeries **series = palloc_extended(n * sizeof(MeterSeries *), MCXT_ALLOC_HUGE);
	bool	   *done = palloc0(n * sizeof(bool));

	for (int i = 0; i < n; i++)
	{
		int			m = 0;

		if (done[i] || changes[i].meter->nwatches == 0)
			continue;
		for (int j = i; j < n; j++)
		{
			if (changes[j].meter != changes[i].meter)
				continue;
			done[j] = true;
			series[m++] = changes[j].series;
		}
		meter_accounts_prepare(set, changes[i].meter, series, m);
	}
}

/* Find whom the changes are about; see threshold.h. */
MeterWatching *
meter_watching_find(const pg_uuid_t *organization, TimestampTz now, const MeterChange *changes, int n)
{
	MeterWatching *watching;
	MemoryContext old;

	if (!watched(changes, n))
		return NULL;
	watching = begin_watching(organization, now);
	old = MemoryContextSwitchTo(watching->context);
	prepare(watching->accounts, changes, n);
	for (int i = 0; i < n; i++)
	{
		const MeterChange *change = &changes[i];
		MeterAccount **list;
		int			found = change->meter->nwatches == 0 ? 0 :
			meter_accounts_find(watching->accounts, change->meter, change->plan, change->series,
								change->time, &list);

		for (int a = 0; a < found; a++)
			meter_account_expect(list[a], change->measure, change->weight);
	}
	MemoryContextSwitchTo(old);
	return watching;
}

/* Settle a reservation along with it; see threshold_private.h. */
MeterWatching *
meter_watching_settle(MeterWatching *watching, const pg_uuid_t *organization, TimestampTz now,
					  const MeterSettlement *settlement)
{
	MemoryContext old;

	if (watching == NULL)
		watching = begin_watching(organization, now);
	old = MemoryContextSwitchTo(watching->context);
	watching->settles = &settlement->reservation;
	meter_hold_accounts(organization, settlement, watching->accounts);
	MemoryContextSwitchTo(old);
	return watching;
}

/* Can the rows be taken behind the change?  See threshold.h.  They can where no
 * base has to be computed, since usage would have the change in it. */
bool
meter_watching_may_wait(MeterWatching *watching)
{
	MeterAccount **list;
	int			n = meter_accounts_all(watching->accounts, &list);
	MemoryContext old = MemoryContextSwitchTo(watching->context);
	bool		may = true;

	for (int i = 0; i < n && may; i++)
		may = meter_account_begins_empty(list[i]) ||
			meter_account_look(&watching->organization, list[i], false);
	MemoryContextSwitchTo(old);
	return may;
}

/* Take the rows; see threshold_private.h. */
void
meter_watching_take(MeterWatching *watching, bool behind)
{
	MemoryContext old = MemoryContextSwitchTo(watching->context);
	MeterAccount **list;
	int			n = meter_accounts_all(watching->accounts, &list);

	meter_accounts_take(&watching->organization, list, n, behind);
	if (watching->settles)
		meter_hold_free(&watching->organization, watching->settles, list, n);
	MemoryContextSwitchTo(old);
}

/* Both at once; see threshold.h. */
MeterWatching *
meter_watching_begin(const pg_uuid_t *organization, TimestampTz now, const MeterChange *changes, int n)
{
	MeterWatching *watching = meter_watching_find(organization, now, changes, n);

	if (watching)
		meter_watching_take(watching, false);
	return watching;
}

/* An account as it is, to be put back: what takes nothing back is copied. */
typedef struct Before
{
	bool		has_value;
	MeterDecimal value;
	MeterState *state;
} Before;

static Before
remember(const MeterAccount *account)
{
	Before		before = {.has_value = account->has_value, .value = account->value};
	StringInfoData buf;

	if (account->state && account->watch->blocks)
	{
		initStringInfo(&buf);
		meter_state_pack(account->state, &buf);
		before.state = meter_state_unpack(buf.data, buf.len, CurrentMemoryContext);
	}
	return before;
}

static void
put_back(MeterAccount *account, const Before *before)
{
	account->has_value = before->has_value;
	account->value = before->value;
	if (before->state)
		account->state = before->state;
}

/* Gather what an account's change crosses. */
static void
tell(MeterWatching *watching, MeterAccount *account, const Before *before, int order)
{
	const int	told = watching->breaches.n;

	meter_breaches_add(&watching->breaches, account, before->has_value ? &before->value : NULL, order);
	/* what is fired changes only where there is something to tell of */
	account->changed |= watching->breaches.n > told;
}

static int
blocking_first(const void *pa, const void *pb)
{
	const MeterWatch *a = (*(MeterAccount *const *) pa)->watch;
	const MeterWatch *b = (*(MeterAccount *const *) pb)->watch;

	return a->blocks != b->blocks ? b->blocks - a->blocks : a->watch_no - b->watch_no;
}

/* The account changed: note what that crosses. */
static void
note(MeterWatching *watching, MeterAccount *account, const Before *before, int order)
{
	/* a row that was moved as it was taken says so */
	account->changed |= !account->moved;
	if (!watching->quiet && !account->recompute && !meter_account_is_anchor(account))
		tell(watching, account, before, order);
}

/* Have its later windows follow. */
static void
carry_on(MeterWatching *watching, const MeterAccount *account, const MeterChange *change, int order)
{
	for (MeterAccount *later = account->next; later; later = later->next)
	{
		Before		before = {.has_value = later->has_value, .value = later->value};

		later->recompute = !meter_account_carry(account, later, change);
		note(watching, later, &before, order);
	}
}

/* Make one change; see threshold_private.h. */
bool
meter_watching_change(MeterWatching *watching, const MeterChange *change, int order,
					  MeterQuota *quota)
{
	MemoryContext old = MemoryContextSwitchTo(watching->context);
	MeterAccount **list;
	int			n = meter_accounts_find(watching->accounts, change->meter, change->plan, change->series,
										change->time, &list);
	Before	   *before = palloc(Max(n, 1) * sizeof(Before));
	bool		allowed = true;
	int			done;

	/* those that may be against it first: what another one keeps needs no copy */
	qsort(list, n, sizeof(MeterAccount *), blocking_first);
	for (done = 0; done < n && allowed; done++)
	{
		MeterAccount *account = list[done];

		before[done] = remember(account);
		if (meter_account_is_anchor(account))
			continue;
		if (account->recompute || !meter_account_add(account, change->measure, change->time, change->seq, change->weight))
			account->recompute = true;
		else if (quota && account->watch->blocks)
			allowed = !meter_quota_refuses(account, before[done].has_value ? &before[done].value : NULL, quota);
	}
	for (int i = 0; i < done; i++)
	{
		if (!allowed)
		{
			put_back(list[i], &before[i]);
			continue;
		}
		note(watching, list[i], &before[i], order);
		carry_on(watching, list[i], change, order);
	}
	pfree(before);
	MemoryContextSwitchTo(old);
	return allowed;
}

/* Compute accounts anew, and gather what that crosses, if asked for. */
static void
compute_anew(MeterWatching *watching, MeterAccount **accounts, int n, int order)
{
	Before	   *before = palloc(Max(n, 1) * sizeof(Before));

	for (int i = 0; i < n; i++)
		before[i] = (Before) {.has_value = accounts[i]->has_value, .value = accounts[i]->value};
	meter_account_compute(&watching->organization, accounts, n);
	for (int i = 0; i < n; i++)
	{
		accounts[i]->recompute = false;
		if (!watching->quiet)
			tell(watching, accounts[i], &before[i], order);
	}
}

/* The same for those that could not follow a change. */
static void
recompute(MeterWatching *watching, int order)
{
	MeterAccount **list;
	int			n = meter_accounts_all(watching->accounts, &list);
	MeterAccount **wanted = palloc(Max(n, 1) * sizeof(MeterAccount *));
	int			m = 0;

	for (int i = 0; i < n; i++)
	{
		if (list[i]->recompute)
			wanted[m++] = list[i];
	}
	compute_anew(watching, wanted, m, order);
}

/* The same for later windows that have rows besides. */
static void
recompute_later(MeterWatching *watching, int order)
{
	MeterAccount **list;
	int			n = meter_accounts_all(watching->accounts, &list);
	MeterAccount **later;

	n = meter_account_take_later(&watching->organization, list, n, &later);
	compute_anew(watching, later, n, order);
	meter_account_write(&watching->organization, later, n);
}

/* The accounts whose rows do not say what they should. */
static int
written(MeterWatching *watching, MeterAccount ***list)
{
	MeterAccount **all;
	int			n = meter_accounts_all(watching->accounts, &all);
	int			m = 0;

	*list = palloc(Max(n, 1) * sizeof(MeterAccount *));
	for (int i = 0; i < n; i++)
	{
		MeterAccount *account = all[i];

		if (meter_account_is_anchor(account))
			continue;
		if (account->is_new || account->changed ||
			(account->moved && meter_decimal_cmp(&account->value, &account->row_value) != 0))
			(*list)[m++] = account;
	}
	return m;
}

/* Write what came of it; see threshold.h.  What had to be computed anew is told of
 * behind all else. */
void
meter_watching_end(MeterWatching *watching)
{
	MeterBreaches *breaches;
	MemoryContext old;
	MeterAccount **list;
	int			n;

	if (watching == NULL)
		return;
	breaches = &watching->breaches;
	old = MemoryContextSwitchTo(watching->context);
	recompute(watching, PG_INT32_MAX);
	recompute_later(watching, PG_INT32_MAX);
	n = written(watching, &list);
	meter_account_write(&watching->organization, list, n);
	if (breaches->n > 0)
		meter_breaches_emit(&watching->organization, watching->now, breaches);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(watching->context);
}

/* Apply the changes; see threshold.h.  An event that takes another one's place
 * moves the value once. */
void
meter_watching_apply(MeterWatching *watching, const MeterChange *changes, int n)
{
	MeterAccount **list;
	Before	   *before;
	MemoryContext old;
	int			naccounts;

	if (watching == NULL)
		return;
	old = MemoryContextSwitchTo(watching->context);
	naccounts = meter_accounts_all(watching->accounts, &list);
	before = palloc(Max(naccounts, 1) * sizeof(Before));
	for (int i = 0; i < naccounts; i++)
		before[i] = (Before) {.has_value = list[i]->has_value, .value = list[i]->value};
	watching->quiet = true;
	for (int i = 0; i < n; i++)
	{
		if (changes[i].meter->nwatches > 0)
			(void) meter_watching_change(watching, &changes[i], 0, NULL);
	}
	recompute(watching, 0);
	watching->quiet = false;
	for (int i = 0; i < naccounts; i++)
	{
		if (!meter_account_is_anchor(list[i]))
			tell(watching, list[i], &before[i], 0);
	}
	MemoryContextSwitchTo(old);
	meter_watching_end(watching);
}

/* Let go of what a reservation holds; see threshold.h. */
void
meter_watching_release(const pg_uuid_t *organization, const MeterSettlement *settlement)
{
	MeterWatching *watching = meter_watching_settle(NULL, organization, GetCurrentTimestamp(), settlement);

	meter_watching_take(watching, false);
	meter_watching_end(watching);
}
