/*
 * threshold.h
 *		What usage is held against: thresholds and quotas.
 *
 * Who changes usage takes the rows of the accounts that it changes (locked by
 * then until the end of the transaction), changes usage, and has the rows say
 * so: what is crossed on the way is written to the outbox.  Rows are taken
 * behind keys and before events are appended, in one order (by watch, account
 * and window), so those who wait for each other's rows do so in a line.
 */
#ifndef METER_ENGINE_THRESHOLD_H
#define METER_ENGINE_THRESHOLD_H

#include "engine/batch.h"

/* What usage changes by, as a version's own profile measures it. */
typedef struct MeterChange
{
	const MeterEntry *meter;
	const MeterPlan *plan;
	const MeterMeasure *measure;
	const MeterSeries *series;
	TimestampTz time;			/* where it is counted */
	int64		seq;
	int			weight;			/* 1, or -1 for what is taken back */
} MeterChange;

/* What a reservation (quota.h) held is used, or not needed any more. */
typedef struct MeterSettlement
{
	pg_uuid_t	reservation;
	const MeterEntry *meter;
} MeterSettlement;

typedef struct MeterWatching MeterWatching;

/* Take the rows of the accounts that the changes are about, as they stand
 * before; NULL where none of the meters has a threshold. */
extern MeterWatching *meter_watching_begin(const pg_uuid_t *organization, TimestampTz now,
										   const MeterChange *changes, int n);

/* Apply the changes, which usage has seen by now. */
extern void meter_watching_apply(MeterWatching *watching, const MeterChange *changes, int n);

/* Nothing was used of what the reservation held: let go of it. */
extern void meter_watching_release(const pg_uuid_t *organization, const MeterSettlement *settlement);

/*
 * Usage of the meter was counted anew in [from, to): so is what its thresholds
 * know of windows that meet it.  Whoever ingested before the new numbers were
 * there has ended by now.
 */
extern void meter_threshold_recount(const pg_uuid_t *organization, const MeterEntry *meter,
									TimestampTz from, TimestampTz to);

/* Windows that begin before a time may have usage that no row tells of: theirs is
 * looked up when they are first met. */
extern void meter_threshold_unsettle(const pg_uuid_t *organization, const MeterEntry *meter, TimestampTz upto);

/* Hold a threshold, but no other, against what its accounts used already in their
 * windows of now.  Keeps ingestion waiting until the end of the transaction. */
extern void meter_threshold_evaluate(const pg_uuid_t *organization, int32 threshold_no);

/* ---- threshold_batch.c ---- */

/* Find whose quantities the batch changes; NULL for nobody's. */
extern MeterWatching *meter_batch_watching(const MeterBatch *batch);

/* Can the batch be held against thresholds when it is counted already?  Only
 * where a refusal fails it. */
extern bool meter_watching_may_wait(MeterWatching *watching);

/* Hold what is counted against thresholds (NULL: none): what goes beyond a quota
 * is not counted after all, and gives its keys back.  behind says that it is in
 * usage already.  To be ended when it is. */
extern void meter_batch_watch(MeterBatch *batch, MeterWatching *watching, bool behind);

/* threshold_early.c: turn away, before its keys are claimed, what quotas are
 * certain to refuse; false where there is nothing such. */
extern bool meter_batch_turn_away_early(MeterBatch *batch);

/* Write rows and breaches (NULL: none). */
extern void meter_watching_end(MeterWatching *watching);

/* threshold_repeat.c: chain the event that was added last to those before it that
 * have one of its keys, and may yet give it back. */
extern void meter_batch_chain_keys(MeterBatch *batch);

#endif							/* METER_ENGINE_THRESHOLD_H */
