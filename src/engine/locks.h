/*
 * locks.h
 *		The engine's own locks.
 *
 * Heavyweight locks on objects that exist nowhere else, held to the end of the
 * transaction and shown in pg_locks (locktype object, classid
 * meter.meter_version, objid a hash of the organization, objsubid says which).
 *
 * Definitions (0): ingestion holds it shared, publishing a version exclusive.
 * It protects the rule that an event is measured by the version whose range
 * holds its time: a version's range begins only when no event measured by the
 * old one is in flight.
 *
 * Rollups (1): who merges rollup pages holds it shared, if it can be had at
 * once; who takes events back holds it shared; who counts events anew holds it
 * exclusive.  Under the exclusive lock nobody takes pages away and no reversal
 * is in flight, so that pages and events read by one snapshot taken behind it
 * can be replaced by what these events give.  Ingestion goes on appending: what
 * it appends is in neither.
 *
 * Jobs (objid the job, objsubid 2): the session that works on a job.
 *
 * Three more keep closing windows apart from changes of what is closed; a meter
 * shares them with others of its organization (one in METER_CLOSING_LOCKS), so
 * that a transaction never holds many:
 *
 * Horizon: whoever counts an event in a window that is late but not finalized
 * holds it shared, if it can be had at once; who finalizes windows, exclusive.
 *
 * Closer: who finalizes windows or works off the queue of revisions.
 *
 * Revising: who writes revisions, from before the snapshot that their values
 * are read by.
 */
#ifndef METER_ENGINE_LOCKS_H
#define METER_ENGINE_LOCKS_H

#include "compat.h"

#include "utils/uuid.h"

extern void meter_lock_definitions_shared(const pg_uuid_t *organization);
extern void meter_lock_definitions_exclusive(const pg_uuid_t *organization);

/* Wait for whoever holds the definitions lock now, without keeping others from
 * taking it. */
extern void meter_lock_definitions_wait(const pg_uuid_t *organization);

/* Can the rollups be locked shared without waiting?  Then they are. */
extern bool meter_lock_rollups_try(const pg_uuid_t *organization);
extern void meter_lock_rollups_shared(const pg_uuid_t *organization);
extern void meter_lock_rollups_exclusive(const pg_uuid_t *organization);

/* A job's lock belongs to the session: it lives through commits, and ends with
 * the session at the latest.  Wait for it, or only try. */
extern bool meter_lock_job(int64 job_id, bool wait);
extern void meter_unlock_job(int64 job_id);

/* The objid of the organization's locks in pg_locks. */
extern Oid	meter_lock_object(const pg_uuid_t *organization);

#define METER_CLOSING_LOCKS 16

/* All of these are had at once or not at all, but for the last, which waits for
 * so many milliseconds at most, and while it does keeps others from getting the
 * lock shared; it raises 55P03 where that was not enough. */
extern bool meter_lock_horizon_try(const pg_uuid_t *organization, int32 meter_no);
extern bool meter_lock_closer_try(const pg_uuid_t *organization, int32 meter_no);
extern bool meter_lock_revising_try(const pg_uuid_t *organization, int32 meter_no);
extern void meter_lock_horizon_exclusive(const pg_uuid_t *organization, int32 meter_no, int wait);

#endif							/* METER_ENGINE_LOCKS_H */
