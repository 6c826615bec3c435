/*
 * reprocess_private.h
 *		What the files that count events anew share.
 */
#ifndef METER_ENGINE_REPROCESS_PRIVATE_H
#define METER_ENGINE_REPROCESS_PRIVATE_H

#include "engine/late.h"
#include "engine/reprocess.h"

/* Some hours being counted anew in one transaction. */
typedef struct MeterReprocessBatch
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
} MeterReprocessBatch;

/* An event of a page. */
typedef struct MeterReprocessRow
{
	MeterEventRow event;
	int			page;
	int32		counted_by;		/* the meter's version that counted it, or 0 */
	bool		left;			/* it stays as it is */
	bool		kept;			/* by that version, whatever holds its time */
	bool		has_key;		/* the meter's own key is its own */
	int			contribution;	/* in the batch, or -1 */
	int64		rejection;		/* the meter's rejection of it that is open, or 0 */
	int64		first_rejection;	/* by whichever meter, or 0 */
} MeterReprocessRow;

/* Some pages at work. */
typedef struct MeterReprocessChunk
{
	MeterReprocessBatch *reprocess;
	const MeterEventPage *pages;
	int			npages;
	MeterReprocessRow *rows;
	int			nrows;
	int			rows_size;
	MeterBatch	batch;
	MeterLateMemory late;
	MeterCalendar calendar;		/* of the windows that may be finalized */
} MeterReprocessChunk;

/* What was made of a row that was measured, or NULL. */
static inline MeterContribution *
meter_reprocess_contribution(const MeterReprocessChunk *chunk, const MeterReprocessRow *row)
{
	return row->contribution < 0 ? NULL : &chunk->batch.contributions[row->contribution];
}

/* Is it counted, as things stand? */
static inline bool
meter_reprocess_counts(const MeterReprocessChunk *chunk, const MeterReprocessRow *row)
{
	const MeterContribution *c = meter_reprocess_contribution(chunk, row);

	return c != NULL && c->outcome == METER_OUTCOME_COUNTED;
}

/* reprocess_rows.c: read the pages' events, and see which of them are the
 * meter's affair. */
extern void meter_reprocess_read(MeterReprocessChunk *chunk);

extern bool meter_reprocess_own_version(const MeterReprocessBatch *reprocess, int32 version_id);

/* reprocess_measure.c: measure each of them for the version that is to count it,
 * and claim its key. */
extern void meter_reprocess_measure(MeterReprocessChunk *chunk);

/* reprocess_rejected.c: what the meter put in quarantine stays there; note the
 * rejections of what is not counted. */
extern void meter_reprocess_find_rejections(MeterReprocessChunk *chunk);
extern void meter_reprocess_keep_rejections(MeterReprocessChunk *chunk);

/* reprocess_pages.c: count the events of some pages, revise those that change;
 * a MeterEventPagesVisit. */
extern bool meter_reprocess_pages(void *reprocess, const MeterEventPage *pages, int n);

#endif							/* METER_ENGINE_REPROCESS_PRIVATE_H */
