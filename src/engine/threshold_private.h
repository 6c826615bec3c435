/*
 * threshold_private.h
 *		What the files that hold usage against thresholds share.
 */
#ifndef METER_ENGINE_THRESHOLD_PRIVATE_H
#define METER_ENGINE_THRESHOLD_PRIVATE_H

#include "compat.h"

#include "storage/itemptr.h"

#include "engine/customers.h"
#include "engine/quota.h"
#include "engine/threshold.h"

/* A quantity that a watch looks at: an account in a window. */
typedef struct MeterAccount
{
	const MeterEntry *meter;
	const MeterWatch *watch;
	const MeterPlan *plan;		/* its own profile measures it */
	MeterText	key;
	MeterText	subject;		/* no data for events that have none, and for all
								 * subjects together */
	bool		by_customer;	/* of a customer, whose id, code or alias it is */
	MeterText	currency;		/* no data where the meter has none */
	MeterText	dimensions;		/* a JSON object, no data unless per_dimensions */
	bool		by_subscription;
	pg_uuid_t	subscription_id;
	TimestampTz window_start;
	TimestampTz window_end;
	TimestampTz from;			/* what of the window counts: half-open, all of it */
	TimestampTz to;				/* but for subscriptions */

	bool		used;			/* computed: something was */
	struct MeterAccount *next;	/* in a later window, where its value goes on */

	/* its row */
	ItemPointerData place;
	bool		is_new;			/* there was none: the base is to be computed */
	bool		misfit;			/* it tells of another window, or of other usage */
	bool		has_value;
	MeterDecimal value;
	MeterState *state;			/* NULL where the function is additive */
	MeterFired *fired;			/* one for each of the watch's thresholds */
	MeterDecimal reserved;
	TimestampTz reserved_until; /* when the first hold ends, or before; DT_NOEND
								 * without any */
	MeterDecimal freed;			/* what the change had reserved for itself */
	bool		has_ahead;
	MeterDecimal ahead;			/* what the changes to come add, where it is known */
	bool		moved;			/* the row has it already: ... */
	MeterDecimal row_value;		/* ... it says this */
	bool		changed;
	bool		recompute;		/* it does not say what it should any more */
} MeterAccount;

/* Functions whose value can be added to: the row needs no state. */
static inline bool
meter_account_additive(const MeterAccount *account)
{
	MeterFunction function = account->plan->profiles[0].function;

	return function == METER_FUNCTION_SUM || function == METER_FUNCTION_COUNT;
}

/* Does the value of a window depend on what came before it? */
static inline bool
meter_plan_persists(const MeterPlan *plan)
{
	return plan->profiles[0].recurring || plan->profiles[0].function == METER_FUNCTION_WEIGHTED_SUM;
}

static inline bool
meter_account_persists(const MeterAccount *account)
{
	return meter_plan_persists(account->plan);
}

/* Not a window but what comes before all of the account's (threshold_later.c)? */
static inline bool
meter_account_is_anchor(const MeterAccount *account)
{
	return TIMESTAMP_IS_NOBEGIN(account->window_start);
}

/* The value, NULL for none. */
static inline const MeterDecimal *
meter_account_value(const MeterAccount *account)
{
	return account->has_value ? &account->value : NULL;
}

/* ---- store_threshold.c: the rows ---- */

/* Take the rows of the accounts, which must be sorted (meter_account_sort) and
 * distinct: those that are missing are made, all are locked and read.  To those
 * that only add up, what is ahead of them is added on the way. */
extern void meter_account_sort(MeterAccount **accounts, int n);
extern void meter_account_take(const pg_uuid_t *organization, MeterAccount **accounts, int n);

/* Find the row of one account, locked or just to look; false where it is none. */
extern bool meter_account_look(const pg_uuid_t *organization, MeterAccount *account, bool lock);

/* As to look, by the caller's snapshot. */
extern bool meter_account_seen(const pg_uuid_t *organization, MeterAccount *account);

#define METER_ACCOUNT_COLUMNS "t.ctid, t.value, t.state, t.fired, t.reserved, t.reserved_until, t.window_end"

/* Read an account, whose version is known, from a row of SPI_tuptable: these
 * stand from that column on. */
extern void meter_account_read(MeterAccount *account, uint64 row, int column);

/* Write the rows, which were taken. */
extern void meter_account_write(const pg_uuid_t *organization, MeterAccount **accounts, int n);

/* ---- store_threshold_list.c: the rows of a watch ---- */

/* Where a listing of rows is. */
typedef struct MeterAccountList
{
	pg_uuid_t	organization;
	const MeterEntry *meter;
	const MeterWatch *watch;
	TimestampTz from;			/* windows that meet these times */
	TimestampTz to;
	MeterText	key;			/* behind this row, no data for the first ones */
	TimestampTz window_start;
} MeterAccountList;

/*
 * Take the next rows, at most so many: in the order in which rows are taken.
 * Those whose window is none of the watch's any more are passed over: nobody
 * will look for them again.  *list is palloc'd; returns how many there are, and
 * *done where there are no more.
 */
extern int	meter_account_list(MeterAccountList *where, int limit, MeterAccount ***list, bool *done);

/* Take the rows of an account's later windows. */
extern int	meter_account_list_later(const pg_uuid_t *organization, const MeterAccount *account,
									 MeterAccount ***list);

/* ---- threshold_later.c: values that go on into later windows ---- */

/* The sorted accounts, with a row more for each whose value goes on: all that
 * must be taken.  Accounts know their later windows then. */
extern int	meter_account_with_anchors(MeterAccount **accounts, int n, MeterAccount ***list);

/* Have an account in a later window than the change's account follow the change;
 * false where it must be computed anew. */
extern bool meter_account_carry(const MeterAccount *account, MeterAccount *later, const MeterChange *change);

/* Take the rows of later windows that changes of the sorted accounts move, but
 * for those that are among them.  Palloc'd; returns how many. */
extern int	meter_account_take_later(const pg_uuid_t *organization, MeterAccount **accounts, int n,
									 MeterAccount ***later);

/* ---- threshold_base.c: accounts from usage ---- */

/* Compute value and state of the accounts as usage is now (by a snapshot of
 * now). */
extern void meter_account_compute(const pg_uuid_t *organization, MeterAccount **accounts, int n);

/* The same by the caller's snapshot. */
extern void meter_account_compute_seen(const pg_uuid_t *organization, MeterAccount **accounts, int n);

/* ---- threshold_scope.c: whose a subject is ---- */

/* A subscription of a subject's owner. */
typedef struct MeterHolding
{
	pg_uuid_t	id;
	const char *id_text;
	TimestampTz from;			/* half-open */
	TimestampTz to;
	MeterWindow window;			/* its billing periods */
	int			nproducts;
	const char **products;		/* their ids */
} MeterHolding;

typedef struct MeterOwner
{
	MeterText	subject;
	MeterText	customer;		/* its id; no data: nobody's */
	int			nnames;			/* what the customer is called in events; the */
	const char **names;			/* subject alone where it is nobody's */
	int			nholdings;
	MeterHolding *holdings;		/* the one that started first goes first */
} MeterOwner;

/* The owners of the subjects, by a snapshot of now, or the caller's where it is
 * only to be read; palloc'd. */
extern MeterOwner *meter_owners_find(const pg_uuid_t *organization, const MeterText *subjects, int n,
									 bool read_only);

/* The billing period of the owner (NULL: of nobody) that holds t; rest where no
 * subscription has it. */
extern MeterInterval meter_owner_period(const MeterOwner *owner, const MeterWindow *rest, TimestampTz t);

/* ---- threshold_account.c: whose quantities an event changes ---- */

typedef struct MeterAccounts MeterAccounts;

/* The time around a version that is measured as it does; of all time where it is
 * none of the meter's. */
extern MeterInterval meter_version_run(const MeterEntry *meter, const MeterPlan *plan);

/* An empty set, in the current memory context; read_only: all that is looked up
 * is by the caller's snapshot. */
extern MeterAccounts *meter_accounts_begin(const pg_uuid_t *organization, bool read_only);

/* Look up, all at once, what must be known of these series' subjects. */
extern void meter_accounts_prepare(MeterAccounts *set, const MeterEntry *meter, const MeterSeries **series, int n);

/*
 * The accounts that an event of a series, counted at a time by a version of the
 * meter, belongs to; they are in the set then.  Good until the next call.
 */
extern int	meter_accounts_find(MeterAccounts *set, const MeterEntry *meter, const MeterPlan *plan,
								const MeterSeries *series, TimestampTz time, MeterAccount ***list);

/* All that were found. */
extern int	meter_accounts_all(MeterAccounts *set, MeterAccount ***list);

/* The set's account like this one, entered where it is new. */
extern MeterAccount *meter_accounts_enter(MeterAccounts *set, const MeterAccount *like);

/* Take the rows of accounts, which this sorts: the base of those that are new is
 * computed, what is held and has expired is let go of.  behind says that usage
 * has the changes already (meter_watching_may_wait). */
extern void meter_accounts_take(const pg_uuid_t *organization, MeterAccount **list, int n, bool behind);

/* Is a window that nobody met before certain to begin empty? */
extern bool meter_account_begins_empty(const MeterAccount *account);

/* Nothing was used: what a new window begins with. */
extern void meter_account_clear(MeterAccount *account);

/* Add a sample to value and state; false, with nothing done, where the function
 * cannot take it back. */
extern bool meter_account_add(MeterAccount *account, const MeterMeasure *measure, TimestampTz time,
							  int64 seq, int weight);

/* A sample is going to be added, most likely; before the row is taken. */
extern void meter_account_expect(MeterAccount *account, const MeterMeasure *measure, int weight);

/* Read the value out of the account's state, where it has one. */
extern void meter_account_read_value(MeterAccount *account);

/* ---- threshold_emit.c: what is told ---- */

typedef struct MeterBreach
{
	int			order;			/* of the event that crossed */
	const MeterAccount *account;
	const MeterThreshold *threshold;
	bool		resolved;		/* the value came back to the clear value */
	MeterDecimal level;			/* ... or crossed this */
	bool		has_observed;
	MeterDecimal observed;
} MeterBreach;

typedef struct MeterBreaches
{
	int			n;
	int			size;
	MeterBreach *list;			/* in the order in which they happened */
} MeterBreaches;

/* The account's value moved from what it was (NULL for none) to what it is: add
 * what that crossed, for its thresholds that are not paused. */
extern void meter_breaches_add(MeterBreaches *breaches, MeterAccount *account, const MeterDecimal *from,
							   int order);

/* Write them to the outbox, by order, then threshold, then as they were added. */
extern void meter_breaches_emit(const pg_uuid_t *organization, TimestampTz now, MeterBreaches *breaches);

/* ---- threshold.c ---- */

/* What a quota says to a change that is more than it allows. */
typedef struct MeterQuota
{
	const MeterThreshold *threshold;
	const MeterEntry *meter;
	const MeterAccount *account;
	MeterDecimal limit;
	MeterDecimal used;
	MeterDecimal reserved;
	MeterDecimal asked;
	TimestampTz window_start;
	TimestampTz window_end;
} MeterQuota;

/* Settle a reservation along with what is watched (NULL: nothing); its holds are
 * let go of when the rows are taken. */
extern MeterWatching *meter_watching_settle(MeterWatching *watching, const pg_uuid_t *organization,
											TimestampTz now, const MeterSettlement *settlement);

/* Find whom the changes are about, without taking rows yet; NULL for nobody. */
extern MeterWatching *meter_watching_find(const pg_uuid_t *organization, TimestampTz now,
										  const MeterChange *changes, int n);

extern void meter_watching_take(MeterWatching *watching, bool behind);

/*
 * Make one change of those that were found, and note what it crosses.  With
 * quota it is made only if no quota is against it; else this returns false, and
 * *quota says which.  Changes of one event have the same order.  breaches may be
 * NULL.
 */
extern bool meter_watching_change(MeterWatching *watching, const MeterChange *change, int order,
								  MeterQuota *quota);

/* ---- threshold_repeat.c ---- */

/* May it be counted, if another event of the batch gives its key back? */
extern bool meter_contribution_may_count(const MeterBatch *batch, const MeterContribution *c);

/* Judge an event whose turn has come, if others have its keys: they have them
 * still, or gave them back, and it is new. */
extern void meter_batch_judge_repeat(MeterBatch *batch, MeterEvent *event);

/* ---- quota.c ---- */

/* Does a quota refuse that the value of an account went from there (NULL for
 * none) to what it is?  Then this says which. */
extern bool meter_quota_refuses(const MeterAccount *account, const MeterDecimal *from, MeterQuota *quota);

/* ---- store_reservation.c: what is held ---- */

extern void meter_reservation_insert(const MeterReservation *reservation);

/* Write that the reservation holds as much of each account; their rows are taken
 * and written by the caller. */
extern void meter_hold_insert(const MeterReservation *reservation, const MeterDecimal *amount,
							  MeterAccount **accounts, int n);

/* Enter the accounts that a reservation holds something of. */
extern void meter_hold_accounts(const pg_uuid_t *organization, const MeterSettlement *settlement,
								MeterAccounts *set);

/* Let go of it: the accounts, whose rows are taken, are to be written then. */
extern void meter_hold_free(const pg_uuid_t *organization, const pg_uuid_t *reservation,
							MeterAccount **accounts, int n);

/* Let go of what has expired of an account's holds; its row is taken. */
extern void meter_hold_expire(const pg_uuid_t *organization, MeterAccount *account);

/* See the account as it is without them, by the caller's snapshot. */
extern void meter_hold_ignore_expired(const pg_uuid_t *organization, MeterAccount *account);

/* ---- threshold_batch.c ---- */

/* The change that a contribution is; false where the version's own profile leaves
 * it out. */
extern bool meter_contribution_change(const MeterBatch *batch, const MeterContribution *c, MeterChange *change);

/* A quota is against the change that a contribution is: it is rejected. */
extern void meter_batch_turn_away(MeterBatch *batch, MeterContribution *c, const MeterChange *change,
								  const MeterQuota *quota);

/* The refusal as an error of the change's event, in the current memory context. */
extern void meter_quota_error(const MeterQuota *quota, MeterError *err);

/* ---- threshold_early.c ---- */

/* A quota was against the change: more of the same is looked at beforehand. */
extern void meter_early_remember(const MeterChange *change);

#endif							/* METER_ENGINE_THRESHOLD_PRIVATE_H */
