/*
 * quota.h
 *		Quotas: what thresholds that block leave to be used, and what is held
 *		of it for work whose cost is known later.
 */
#ifndef METER_ENGINE_QUOTA_H
#define METER_ENGINE_QUOTA_H

#include "engine/threshold.h"

/* What a quota says to what somebody is about to use. */
typedef struct MeterQuotaAnswer
{
	bool		allowed;
	const char *threshold;		/* NULL where there is no quota: nothing below is
								 * set then */
	MeterDecimal limit;
	bool		has_used;		/* false where the function has no value yet */
	MeterDecimal used;
	MeterDecimal reserved;
	MeterDecimal asked;			/* how far the value would move */
	bool		has_remaining;	/* false where any move is allowed, for want of a
								 * value */
	MeterDecimal remaining;		/* how far it may move, not below zero */
	TimestampTz window_start;
	TimestampTz window_end;
} MeterQuotaAnswer;

/*
 * What do quotas say to the change, by the caller's snapshot?  Nothing is locked
 * or written.  The one that refuses answers, else the one with the least left.
 * times: how many events, or new keys, of functions that count them.
 */
extern MeterQuotaAnswer meter_quota_check(const pg_uuid_t *organization, const MeterChange *change,
										  const MeterDecimal *times);

/* Is the function one whose usage can be held? */
extern bool meter_quota_holds(MeterFunction function);

typedef struct MeterReservation
{
	pg_uuid_t	organization;
	pg_uuid_t	id;
	pg_uuid_t	meter_id;
	MeterText	subject;		/* no data for none */
	MeterText	dimensions;		/* a JSON object */
	MeterText	currency;		/* no data where the meter has none */
	Numeric		quantity;		/* as a report would name it */
	TimestampTz reserved_at;
	TimestampTz expires_at;
	bool		settled;
	Numeric		actual;			/* NULL until then */
} MeterReservation;

/*
 * Hold, of every quota that the change is about, what it would use; write the
 * reservation.  Raises 53400 where a quota is against it, as a report would,
 * 0A000 where it is one of falling values.
 */
extern void meter_quota_reserve(const MeterReservation *reservation, const MeterChange *change,
								const MeterDecimal *amount);

/* ---- store_reservation.c ---- */

/* The organization of a reservation; false where there is none such. */
extern bool meter_reservation_find(const pg_uuid_t *id, pg_uuid_t *organization);

/* Lock and read a reservation, whose organization and id are set; false where
 * it is gone. */
extern bool meter_reservation_take(MeterReservation *reservation);

/* Write that it is settled. */
extern void meter_reservation_settle(const MeterReservation *reservation, Numeric actual);

#endif							/* METER_ENGINE_QUOTA_H */
