/*
 * correct.h
 *		Taking an event back, and putting another one in its place.
 */
#ifndef METER_ENGINE_CORRECT_H
#define METER_ENGINE_CORRECT_H

#include "engine/batch.h"
#include "engine/closing.h"
#include "engine/threshold.h"

/* What is asked for. */
typedef struct MeterCorrection
{
	pg_uuid_t	organization;
	MeterText	type;
	MeterText	key;			/* the event's id, or a meter's own key */
	const MeterText *source;	/* NULL: whichever has the id; empty: none */
	MeterText	reason;			/* no data where none is given */
	bool		amend;
	MeterText	data;			/* amend: JSON text, no data for none */
} MeterCorrection;

/* What was done; all of it lives in the caller's memory context. */
typedef struct MeterCorrected
{
	MeterEventRow event;		/* the one taken back */
	TimestampTz reversed_at;
	int64		replacement_seq;	/* amend */
	const MeterError *partial;	/* amend: some of the meters refused, or NULL */
} MeterCorrected;

/*
 * Do it, between SPI_connect and SPI_finish, as part of the caller's
 * transaction.  Raises 42704 where there is no such event or organization, 42725
 * where the key is that of several, 55000 where it was taken back before, and
 * 22023 where every meter that would count the new data refuses it.
 */
extern void meter_correct(const MeterCorrection *correction, MeterCorrected *corrected);

/* ---- correct_find.c ---- */

/* An event as it stands in the stores. */
typedef struct MeterStoredEvent
{
	TimestampTz time;			/* where its key leads to */
	int64		seq;
	int			nrows;			/* the first is the main one; none of an event */
	MeterEventRow *rows;		/* that is only in quarantine */
	int			nrejections;	/* by meters that did not count it */
	MeterReversedRejection *rejections;
} MeterStoredEvent;

/* Find its time and number. */
extern void meter_correct_find(const MeterCorrection *correction, const MeterListeners *listeners,
							   MeterStoredEvent *stored);

/* Read its rows. */
extern void meter_correct_read(const MeterCorrection *correction, MeterStoredEvent *stored);

/* Raise 42704; kept says that it is there, but counted nowhere. */
extern void meter_correct_missing(const MeterCorrection *correction, bool kept) pg_attribute_noreturn();

/* Raise 55000. */
extern void meter_correct_reversed(const MeterCorrection *correction) pg_attribute_noreturn();

/* ---- correct_count.c ---- */

/* What a correction changes, gathered. */
typedef struct MeterCounting
{
	const pg_uuid_t *organization;
	const MeterListeners *listeners;
	int			nseries;		/* one a delta */
	int			series_size;
	MeterSeries *series;
	int			deltas_size;
	MeterRollupDelta *deltas;
	int			ntouches;		/* windows that change */
	int			touches_size;
	MeterClosingTouch *touches;
	int			nchanges;		/* what thresholds must know */
	int			changes_size;
	MeterChange *changes;
} MeterCounting;

/* Count a row for the versions it names (weight 1), or take it back (-1): then
 * those that cannot are added to *reversal. */
extern void meter_counting_row(MeterCounting *counting, const MeterEventRow *row, int weight,
							  MeterReversal *reversal);

/* Merge what was gathered into the rollups. */
extern void meter_counting_merge(MeterCounting *counting);

/* ---- correct_amend.c ---- */

/*
 * Make the event that takes the place of a stored one, and keep what some
 * meters refuse of it.  Its rows are not written yet.  Raises 22023 where
 * everybody refuses who would count it.
 */
extern void meter_amend(const MeterCorrection *correction, const MeterStoredEvent *stored,
						int64 seq, TimestampTz now, MeterStoredEvent *replacement,
						const MeterError **partial);

#endif							/* METER_ENGINE_CORRECT_H */
