/*
 * cache_private.h
 *		What the files that load definitions share.
 */
#ifndef METER_DEFINITIONS_CACHE_PRIVATE_H
#define METER_DEFINITIONS_CACHE_PRIVATE_H

#include "definitions/cache.h"

#include "engine/spi.h"

/* Run a catalog query, of the organization and whatever else it is about, under
 * a snapshot taken now, or the transaction's own. */
extern void meter_cache_query(MeterStatement *statement, const pg_uuid_t *organization, Datum second);

/* Where what is loaded lives. */
extern MemoryContext meter_cache_context(void);

/* The meter of that number, or NULL. */
extern MeterEntry *meter_listeners_find(const MeterListeners *found, int32 meter_no);

/* watch.c: load what the thresholds of the meters that listen to a type look at. */
extern void meter_watches_load(const pg_uuid_t *organization, MeterListeners *found, Datum type);

#endif							/* METER_DEFINITIONS_CACHE_PRIVATE_H */
