/*
 * ingest.h
 *		Ingestion: events in, one status each out.
 */
#ifndef METER_ENGINE_INGEST_H
#define METER_ENGINE_INGEST_H

#include "engine/batch.h"

/* The status as it is written: accepted, duplicate ... */
extern const char *meter_status_name(MeterStatus status);

/* Called for each event, in order, when its status is settled. */
typedef void (*MeterIngestEmit) (void *arg, const MeterEvent *event);

typedef struct MeterIngest MeterIngest;

/*
 * Begin, between SPI_connect and SPI_finish, for an organization that the caller
 * may name (tenant.h); raises 42704 where there is none such.  Lives in the current memory context.
 */
extern MeterIngest *meter_ingest_begin(const pg_uuid_t *organization,
									   MeterIngestEmit emit, void *arg);

/* Add the event that text begins with, JSON that must stay until it is emitted;
 * returns how many bytes it took.  A full batch is processed at once, so memory
 * is bounded whatever the caller brings. */
extern int	meter_ingest_add(MeterIngest *ingest, MeterText text);

/* Called for each batch when it is counted, to keep what is not. */
typedef void (*MeterIngestKeep) (void *arg, MeterBatch *batch);

/* As meter_ingest_begin, for events that are tried again: nothing is emitted,
 * and one that is refused fails no other.  reason: why closed windows change. */
extern MeterIngest *meter_ingest_begin_again(const pg_uuid_t *organization, MeterIngestKeep keep, void *arg,
											 const char *reason);

/* Add one of them; *retry must stay as the text must. */
extern void meter_ingest_add_again(MeterIngest *ingest, MeterText text, const MeterRetry *retry);

/* Whoever calls fails, with all that was written, where an event is refused. */
extern void meter_ingest_fails(MeterIngest *ingest);

/* The one event that is added is the usage of a reservation (threshold.h). */
extern void meter_ingest_settles(MeterIngest *ingest, const struct MeterSettlement *settlement);

/* Process what is left. */
extern void meter_ingest_finish(MeterIngest *ingest);

#endif							/* METER_ENGINE_INGEST_H */
