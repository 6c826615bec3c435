/*
 * threshold_private.h
 *		What the files that hold usage against thresholds share.
 */
#ifndef METER_ENGINE_THRESHOLD_PRIVATE_H
#define METER_ENGINE_THRESHOLD_PRIVATE_H

#include "engine/threshold.h"

/* A quantity that a watch looks at: an account in a window. */
typedef struct MeterAccount
{
	const MeterEntry *meter;
	const MeterWatch *watch;
	const MeterPlan *plan;		/* its own profile measures it */
	MeterText	key;
	MeterText	subject;		/* or the customer, where by_customer; no data for */
	bool		by_customer;	/* all subjects together */
	MeterText	currency;		/* no data where the meter has none */
	MeterText	dimensions;		/* a JSON object, no data unless per_dimensions */
	bool		by_subscription;
	pg_uuid_t	subscription_id;
	TimestampTz window_start;
	TimestampTz window_end;
	TimestampTz from;			/* what of the window counts: half-open, all of it */
	TimestampTz to;				/* but for subscriptions */

	/* its row */
	bool		is_new;			/* there was none: the base is to be computed */
	bool		has_value;
	MeterDecimal value;
	MeterState *state;			/* NULL where the function is additive */
	MeterFired *fired;			/* one for each of the watch's thresholds */
	MeterDecimal reserved;
	TimestampTz reserved_until; /* DT_NOEND without any */
} MeterAccount;

/* Functions whose value can be added to: the row needs no state. */
static inline bool
meter_account_additive(const MeterAccount *account)
{
	MeterFunction function = account->plan->profiles[0].function;

	return function == METER_FUNCTION_SUM || function == METER_FUNCTION_COUNT ||
		function == METER_FUNCTION_CUSTOM;
}

/* The value, NULL for none. */
static inline const MeterDecimal *
meter_account_value(const MeterAccount *account)
{
	return account->has_value ? &account->value : NULL;
}

/* ---- store_threshold.c: the rows ---- */

/* Take the rows of the accounts, which must be sorted (meter_account_sort) and
 * distinct: those that are missing are made, all are locked and read. */
extern void meter_account_sort(MeterAccount **accounts, int n);
extern void meter_account_take(const pg_uuid_t *organization, MeterAccount **accounts, int n);

/* Write the rows, which were taken. */
extern void meter_account_write(const pg_uuid_t *organization, MeterAccount **accounts, int n);

/* ---- threshold_base.c: accounts from usage ---- */

/* Compute value and state of the accounts as usage is now (by a snapshot of
 * now). */
extern void meter_account_compute(const pg_uuid_t *organization, MeterAccount **accounts, int n);

/* ---- threshold_account.c: whose quantities an event changes ---- */

/* Read the value out of the account's state. */
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

#endif							/* METER_ENGINE_THRESHOLD_PRIVATE_H */
