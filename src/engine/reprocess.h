/*
 * reprocess.h
 *		Counting events anew, from the raw events.
 */
#ifndef METER_ENGINE_REPROCESS_H
#define METER_ENGINE_REPROCESS_H

#include "definitions/cache.h"
#include "engine/store.h"

typedef enum MeterReprocessMode
{
	METER_REPROCESS_ALL,		/* each event by the version that holds its time */
	METER_REPROCESS_OPEN,		/* the same, but for those of finalized windows */
	METER_REPROCESS_FOLD		/* each by the version that counted it: what was
								 * taken back leaves the rollups */
} MeterReprocessMode;

typedef struct MeterReprocess
{
	pg_uuid_t	organization;
	const char *meter;			/* its key */
	MeterReprocessMode mode;
	int32		from;			/* hours (meter_hour_of), half-open */
	int32		to;
} MeterReprocess;

/*
 * Count a meter's events of some hours anew, from from on: as many hours as are
 * a good amount of work for one transaction.  Returns the first hour not done, to
 * where all are, and adds to *events how many were looked at.  Called between
 * SPI_connect and SPI_finish; raises 25001 in a transaction with one snapshot.
 */
extern int32 meter_reprocess_hours(const MeterReprocess *reprocess, int64 *events);

/*
 * reprocess_published.c: times changed hands between versions of a meter.  Counts
 * the events that have these times anew, but for those of finalized windows, or
 * enters a job where they are many.  Returns what was done: "none", "recounted" or
 * "job".
 */
extern const char *meter_reprocess_published(const pg_uuid_t *organization,
											 const pg_uuid_t *meter_id, MeterInterval times);

#endif							/* METER_ENGINE_REPROCESS_H */
