/*
 * recount.h
 *		What the files that count events anew share.
 */
#ifndef METER_ENGINE_RECOUNT_H
#define METER_ENGINE_RECOUNT_H

#include "engine/batch.h"
#include "engine/reprocess.h"

/* Some hours being counted anew in one transaction. */
typedef struct MeterRecount
{
	pg_uuid_t	organization;
	const MeterEntry *meter;
	MeterText	type;
	MeterReprocessMode mode;
	TimestampTz now;			/* behind the lock: when pages are revised */
	TimestampTz horizon;		/* up to which the meter's windows are closed */
	int			nversions;		/* every version the meter ever had, sorted */
	int32	   *versions;
	int			nreversed;		/* rows that were taken back, in order */
	MeterEventPlace *reversed;
	int64		events;			/* looked at */
	MeterRollupDelta *deltas;	/* what the meter counts, in context */
	int			ndeltas;
	int			deltas_size;
	MemoryContext context;
} MeterRecount;

/* recount.c: count the events of some pages, revise those that change;
 * a MeterEventPagesVisit. */
extern bool meter_recount_pages(void *recount, const MeterEventPage *pages, int n);

#endif							/* METER_ENGINE_RECOUNT_H */
