/*
 * threshold_account.c
 *		Whose quantities an event changes.
 *
 * Each watch of the event's meter has an account for it: its subject's, the
 * whole meter's, its customer's, or one for each of its customer's
 * subscriptions that the watch is about; by currency, and where the watch says
 * so by dimensions; in the window that holds the time at which the event is
 * counted.
 *
 * One window is measured by one function: it ends where versions begin whose
 * results cannot be added to those before them.
 *
 * Nearly every event of a batch belongs to accounts that another one had, so
 * accounts are found by the series and the start of the window; windows by
 * whether the last ones hold the time.
 */
#include "engine/threshold_private.h"

#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* A longer key is a digest. */
#define KEY_MAX 200

/* What leads to an account. */
typedef struct AccountPath
{
	const MeterSeries *series;
	const MeterWatch *watch;
	const MeterHolding *holding;
	TimestampTz window_start;
} AccountPath;

typedef struct AccountItem
{
	AccountPath path;
	MeterAccount *account;
} AccountItem;

/* What tells an account from others. */
typedef struct AccountKey
{
	int32		watch_no;
	TimestampTz window_start;
	MeterText	key;
} AccountKey;

typedef struct KeyItem
{
	AccountKey	key;
	MeterAccount *account;
} KeyItem;

/* The last window of a watch and version. */
typedef struct WindowMemo
{
	const MeterWatch *watch;
	const MeterPlan *plan;
	MeterInterval window;
} WindowMemo;

#define MEMOS 8

struct MeterAccounts
{
	pg_uuid_t	organization;
	bool		read_only;
	MemoryContext context;
	HTAB	   *by_path;
	HTAB	   *by_key;
	HTAB	   *owners;			/* by subject, of those looked up */
	WindowMemo	memos[MEMOS];
	int			memo;			/* the next one to be used */
	int			n;
	int			size;
	MeterAccount **list;
	int			nfound;
	int			found_size;
	MeterAccount **found;
};

typedef struct OwnerItem
{
	MeterText	subject;
	MeterOwner *owner;
} OwnerItem;

static uint32
key_hash(const void *key, Size keysize)
{
	const AccountKey *k = key;

	return hash_bytes((const unsigned char *) k->key.data, k->key.len) ^ (uint32) k->watch_no * 0x9E3779B1 ^ (uint32) (k->window_start >> 20);
}

static int
key_match(const void *a, const void *b, Size keysize)
{
	const AccountKey *x = a;
	const AccountKey *y = b;

	return !(x->watch_no == y->watch_no && x->window_start == y->window_start && meter_text_same(x->key, y->key));
}

/* An empty set; see threshold_private.h. */
MeterAccounts *
meter_accounts_begin(const pg_uuid_t *organization, bool read_only)
{
	MeterAccounts *set = palloc0(sizeof(MeterAccounts));
	HASHCTL		paths = {.keysize = sizeof(AccountPath), .entrysize = sizeof(AccountItem), .hcxt = CurrentMemoryContext};
	HASHCTL		keys = {
		.keysize = sizeof(AccountKey), .entrysize = sizeof(KeyItem), .hash = key_hash, .match = key_match,
		.hcxt = CurrentMemoryContext
	};

	set->organization = *organization;
	set->read_only = read_only;
	set->context = CurrentMemoryContext;
	set->by_path = hash_create("meter account paths", 16, &paths, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	set->by_key = hash_create("meter accounts", 16, &keys, HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
	set->owners = meter_text_table("meter account owners", sizeof(OwnerItem), CurrentMemoryContext);
	return set;
}

static bool
by_period(const MeterWindow *window)
{
	return window->size == METER_WINDOW_BILLING_PERIOD;
}

/* Does it matter to the meter's watches who owns a subject? */
static bool
needs_owners(const MeterEntry *meter)
{
	if (meter->nplain < meter->nwatches)
		return true;
	for (int w = 0; w < meter->nwatches; w++)
	{
		const MeterWatch *watch = meter->watches[w];

		if (watch->has_window && by_period(&watch->window))
			return true;
		for (int v = 0; v < meter->nversions && !watch->has_window; v++)
		{
			if (by_period(&meter->versions[v]->profiles[0].window))
				return true;
		}
	}
	return false;
}

/* Look up owners; see threshold_private.h. */
void
meter_accounts_prepare(MeterAccounts *set, const MeterEntry *meter, const MeterSeries **series, int n)
{
	MeterText  *subjects;
	MeterOwner *owners;
	int			nsubjects = 0;

	if (!needs_owners(meter))
		return;
	subjects = palloc_extended(Max(n, 1) * sizeof(MeterText), MCXT_ALLOC_HUGE);
	for (int i = 0; i < n; i++)
	{
		bool		found;
		OwnerItem  *item;

		if (series[i]->subject.data == NULL)
			continue;
		item = hash_search(set->owners, &series[i]->subject, HASH_ENTER, &found);
		if (found)
			continue;
		item->owner = NULL;
		subjects[nsubjects++] = series[i]->subject;
	}
	if (nsubjects == 0)
		return;
	owners = meter_owners_find(&set->organization, subjects, nsubjects, set->read_only);
	for (int i = 0; i < nsubjects; i++)
	{
		OwnerItem  *item = hash_search(set->owners, &subjects[i], HASH_FIND, NULL);

		item->owner = &owners[i];
	}
}

/* Who owns the series' subject, of those looked up; NULL where it has none. */
static const MeterOwner *
owner_of(const MeterAccounts *set, const MeterSeries *series)
{
	OwnerItem  *item = series->subject.data == NULL ? NULL :
		hash_search(set->owners, &series->subject, HASH_FIND, NULL);

	return item ? item->owner : NULL;
}

/* Can results of two versions be added up, of which one follows the other? */
static bool
go_together(const MeterPlan *a, const MeterPlan *b)
{
	return a->effective_to == b->effective_from &&
		meter_profile_agrees(&a->profiles[0], &b->profiles[0]) &&
		strcmp(a->unit_label ? a->unit_label : "", b->unit_label ? b->unit_label : "") == 0;
}

/* The time around a version that is measured as it does; see threshold_private.h. */
MeterInterval
meter_version_run(const MeterEntry *meter, const MeterPlan *plan)
{
	int			first = 0;
	int			last;

	while (first < meter->nversions && meter->versions[first] != plan)
		first++;
	if (first == meter->nversions)
		return (MeterInterval) {DT_NOBEGIN, DT_NOEND};
	last = first;
	while (first > 0 && go_together(meter->versions[first - 1], meter->versions[first]))
		first--;
	while (last < meter->nversions - 1 && go_together(meter->versions[last], meter->versions[last + 1]))
		last++;
	return (MeterInterval) {meter->versions[first]->effective_from, meter->versions[last]->effective_to};
}

/* The window of a watch that holds t, of an owner and subscription. */
static MeterInterval
window_at(MeterAccounts *set, const MeterEntry *meter, const MeterWatch *watch, const MeterPlan *plan,
		  const MeterOwner *owner, const MeterHolding *holding, TimestampTz t)
{
	const MeterWindow *window = watch->has_window ? &watch->window : &plan->profiles[0].window;
	bool		period = by_period(window);
	MeterInterval result;
	MeterInterval run;

	for (int i = 0; i < MEMOS && !period; i++)
	{
		const WindowMemo *memo = &set->memos[i];

		if (memo->watch == watch && memo->plan == plan && t >= memo->window.from && t < memo->window.to)
			return memo->window;
	}
	if (period && holding)
		meter_window_bounds(&holding->window, t, &result.from, &result.to);
	else if (period)
		result = meter_owner_period(watch->scope == METER_SCOPE_METER ? NULL : owner, window, t);
	else
		meter_window_bounds(window, t, &result.from, &result.to);
	run = meter_version_run(meter, plan);
	/* one counted out of its version's range is in a window all the same */
	if (t >= run.from && t < run.to)
		result = (MeterInterval) {Max(result.from, run.from), Min(result.to, run.to)};
	if (!period)
	{
		set->memos[set->memo] = (WindowMemo) {watch, plan, result};
		set->memo = (set->memo + 1) % MEMOS;
	}
	return result;
}

/* Whose account it is as a key: no two have the same.  Control characters are
 * in none of the parts. */
static MeterText
make_key(const MeterAccount *account, const MeterHolding *holding)
{
	StringInfoData buf;

	initStringInfo(&buf);
	if (account->currency.data)
		appendBinaryStringInfo(&buf, account->currency.data, account->currency.len);
	appendStringInfoChar(&buf, '\x1F');
	if (account->dimensions.data)
		appendBinaryStringInfo(&buf, account->dimensions.data, account->dimensions.len);
	appendStringInfoChar(&buf, '\x1F');
	if (holding)
		appendStringInfoString(&buf, holding->id_text);
	else if (account->watch->scope == METER_SCOPE_SUBJECT && account->subject.data == NULL)
		appendStringInfoChar(&buf, '\x1E');
	else if (account->watch->scope == METER_SCOPE_SUBJECT)
		appendBinaryStringInfo(&buf, account->subject.data, account->subject.len);
	if (buf.len > KEY_MAX)
	{
		bytea	   *all = (bytea *) cstring_to_text_with_len(buf.data, buf.len);
		bytea	   *digest = DatumGetByteaPP(DirectFunctionCall1(sha256_bytea, PointerGetDatum(all)));
		char	   *hex = palloc(2 * VARSIZE_ANY_EXHDR(digest));
		int			len = hex_encode(VARDATA_ANY(digest), VARSIZE_ANY_EXHDR(digest), hex);

		resetStringInfo(&buf);
		appendBinaryStringInfo(&buf, hex, len);
	}
	return (MeterText) {buf.data, buf.len};
}

static MeterText
keep_text(MeterText text)
{
	return text.data ? (MeterText) {pnstrdup(text.data, text.len), text.len} : text;
}

/* The account as it is told from others, without its row. */
static MeterAccount
make_account(const MeterEntry *meter, const MeterWatch *watch, const MeterPlan *plan, const MeterSeries *series,
			 const MeterOwner *owner, const MeterHolding *holding, MeterInterval window)
{
	MeterAccount account = {
		.meter = meter, .watch = watch, .plan = plan, .currency = series->currency,
		.window_start = window.from, .window_end = window.to, .from = window.from, .to = window.to,
		.reserved = meter_decimal_zero, .reserved_until = DT_NOEND, .freed = meter_decimal_zero,
		.is_new = true
	};

	if (watch->per_dimensions)
		account.dimensions = series->dimensions;
	switch (watch->scope)
	{
		case METER_SCOPE_SUBJECT:
			account.subject = series->subject;
			break;
		case METER_SCOPE_METER:
			break;
		case METER_SCOPE_CUSTOMER:
			account.by_customer = true;
			account.subject = owner->customer.data ? owner->customer : series->subject;
			break;
		case METER_SCOPE_PRODUCT:
		case METER_SCOPE_SUBSCRIPTION:
			account.by_customer = account.by_subscription = true;
			account.subject = owner->customer;
			account.subscription_id = holding->id;
			account.from = Max(account.from, holding->from);
			account.to = Min(account.to, holding->to);
			break;
	}
	account.key = make_key(&account, holding);
	return account;
}

/* Add one more account to the list that is being found. */
static void
add_found(MeterAccounts *set, MeterAccount *account)
{
	MemoryContext old = MemoryContextSwitchTo(set->context);

	set->found = meter_batch_grow(set->found, set->nfound, &set->found_size, sizeof(MeterAccount *), 8);
	set->found[set->nfound++] = account;
	MemoryContextSwitchTo(old);
}

/* The set's account like this one; see threshold_private.h. */
MeterAccount *
meter_accounts_enter(MeterAccounts *set, const MeterAccount *like)
{
	AccountKey	key = {.watch_no = like->watch->watch_no, .window_start = like->window_start, .key = like->key};
	KeyItem    *item;
	MeterAccount *account;
	bool		found;

	item = hash_search(set->by_key, &key, HASH_ENTER, &found);
	if (found)
		return item->account;
	account = palloc(sizeof(MeterAccount));
	*account = *like;
	account->subject = keep_text(like->subject);
	account->currency = keep_text(like->currency);
	account->dimensions = keep_text(like->dimensions);
	account->fired = palloc0(like->watch->nthresholds * sizeof(MeterFired));
	item->account = account;
	set->list = meter_batch_grow(set->list, set->n, &set->size, sizeof(MeterAccount *), 8);
	set->list[set->n++] = account;
	return account;
}

/* Find the account of one watch; holding where it is about subscriptions. */
static void
find_account(MeterAccounts *set, const MeterEntry *meter, const MeterWatch *watch, const MeterPlan *plan,
			 const MeterSeries *series, const MeterOwner *owner, const MeterHolding *holding, TimestampTz t)
{
	MeterInterval window = {DT_NOBEGIN, DT_NOEND};
	AccountPath path;
	AccountItem *item;
	bool		found;

	if (holding && t >= holding->to)
		return;
	if (!holding || t >= holding->from)
		window = window_at(set, meter, watch, plan, owner, holding, t);
	if (window.to <= watch->swept_before)
		window = (MeterInterval) {DT_NOBEGIN, DT_NOEND};
	/* what is in none of the account's windows may go on into them */
	if (TIMESTAMP_IS_NOBEGIN(window.from) && !meter_plan_persists(plan))
		return;
	/* its padding is part of what is compared */
	memset(&path, 0, sizeof(path));
	path.series = series;
	path.watch = watch;
	path.holding = holding;
	path.window_start = window.from;
	item = hash_search(set->by_path, &path, HASH_ENTER, &found);
	if (!found)
	{
		MemoryContext old = MemoryContextSwitchTo(set->context);
		MeterAccount account = make_account(meter, watch, plan, series, owner, holding, window);

		item->account = meter_accounts_enter(set, &account);
		MemoryContextSwitchTo(old);
	}
	add_found(set, item->account);
}

/* The first of the meter's scoped watches that names this, or the number of all. */
static int
first_scoped(const MeterEntry *meter, const char *name)
{
	int			low = meter->nplain;
	int			high = meter->nwatches;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (strcmp(meter->watches[middle]->scope_id, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The accounts of watches of a kind that name this. */
static void
find_scoped(MeterAccounts *set, const MeterEntry *meter, const MeterPlan *plan, const MeterSeries *series,
			const MeterOwner *owner, MeterScopeKind scope, const char *name, const MeterHolding *holding,
			TimestampTz t)
{
	for (int w = first_scoped(meter, name);
		 w < meter->nwatches && strcmp(meter->watches[w]->scope_id, name) == 0; w++)
	{
		if (meter->watches[w]->scope == scope)
			find_account(set, meter, meter->watches[w], plan, series, owner, holding, t);
	}
}

/* Find the accounts; see threshold_private.h. */
int
meter_accounts_find(MeterAccounts *set, const MeterEntry *meter, const MeterPlan *measured_by,
					const MeterSeries *series, TimestampTz time, MeterAccount ***list)
{
	const MeterPlan *plan = meter_entry_version(meter, time);
	const MeterOwner *owner = owner_of(set, series);

	/* what was moved is counted in another version's window, and by its own */
	if (plan == NULL || !meter_profile_agrees(&plan->profiles[0], &measured_by->profiles[0]))
		plan = measured_by;
	set->nfound = 0;
	for (int w = 0; w < meter->nplain; w++)
		find_account(set, meter, meter->watches[w], plan, series, owner, NULL, time);
	if (owner && meter->nplain < meter->nwatches)
	{
		for (int i = 0; i < owner->nnames; i++)
			find_scoped(set, meter, plan, series, owner, METER_SCOPE_CUSTOMER, owner->names[i], NULL, time);
		for (int i = 0; i < owner->nholdings; i++)
		{
			const MeterHolding *holding = &owner->holdings[i];

			find_scoped(set, meter, plan, series, owner, METER_SCOPE_SUBSCRIPTION, holding->id_text, holding, time);
			for (int p = 0; p < holding->nproducts; p++)
				find_scoped(set, meter, plan, series, owner, METER_SCOPE_PRODUCT, holding->products[p],
							holding, time);
		}
	}
	*list = set->found;
	return set->nfound;
}

/* All accounts of the set; see threshold_private.h. */
int
meter_accounts_all(MeterAccounts *set, MeterAccount ***list)
{
	*list = set->list;
	return set->n;
}
