/*
 * cache.h
 *		Compiled meter versions, kept by each backend.
 */
#ifndef METER_DEFINITIONS_CACHE_H
#define METER_DEFINITIONS_CACHE_H

#include "definitions/plan.h"
#include "definitions/watch.h"

/* A meter and the versions that have a range, in their order; there may be none. */
typedef struct MeterEntry
{
	pg_uuid_t	id;
	int32		meter_no;		/* its space of deduplication keys */
	const char *key;
	const char *metric_key;		/* the event type it listens to */
	bool		archived;
	int			nversions;
	MeterPlan **versions;
	int			nwatches;		/* what its thresholds look at */
	int			nplain;			/* of all subjects: the first ones, by watch_no */
	MeterWatch **watches;		/* the others by scope_id, then watch_no */
	bool		blocks;			/* one of them refuses what goes too far */
} MeterEntry;

/* Who listens to one event type of one organization. */
typedef struct MeterListeners
{
	int			nmeters;
	MeterEntry **meters;		/* by meter_no */
} MeterListeners;

/* What the engine needs of an organization. */
typedef struct MeterOrganization
{
	bool		partial;		/* one bad event does not fail its batch */
	bool		require_known_subject;	/* events of subjects nobody owns are
										 * rejected */
	bool		licensed;		/* for metered products and subscriptions */
	int			quota_status;	/* over HTTP, of what a quota refuses */
} MeterOrganization;

/*
 * Call first, between SPI_connect and SPI_finish: takes in what other sessions
 * committed.  Ingestion goes by the definitions of now even where the transaction
 * reads one snapshot.  Everything the functions below return stays good until the
 * end of the transaction.
 */
extern void meter_cache_refresh(bool ingesting);

/* NULL where there is no such organization. */
extern const MeterOrganization *meter_cache_organization(const pg_uuid_t *organization);

/* Never NULL; no meters where nobody listens. */
extern const MeterListeners *meter_cache_listeners(const pg_uuid_t *organization,
												   const char *type, int len);

/* A meter by key or id, or NULL. */
extern const MeterEntry *meter_cache_meter(const pg_uuid_t *organization,
										   const char *name, int len);

/* As meter_cache_meter, and by display name; 42P09 where several have it. */
extern const MeterEntry *meter_cache_meter_by_name(const pg_uuid_t *organization,
												   const char *name, int len);

/* The version whose range contains t, or NULL. */
extern const MeterPlan *meter_entry_version(const MeterEntry *meter, TimestampTz t);

#endif							/* METER_DEFINITIONS_CACHE_H */
