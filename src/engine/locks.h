/*
 * locks.h
 *		The engine's own locks.
 *
 * Both are heavyweight locks on objects that exist nowhere else, held to the
 * end of the transaction and shown in pg_locks (locktype object, classid
 * meter.meter_version, objid a hash of the organization).
 *
 * Definitions (objsubid 0): ingestion holds it shared, publishing a version
 * exclusive.  It protects the rule that an event is measured by the version
 * whose range holds its time: a version's range begins only when no event
 * measured by the old one is in flight.
 *
 * Stripes (objsubid 1 ...): whoever merges rollups owns one, exclusively.
 * Nobody ever waits for a stripe: the lowest free one is taken (a transaction
 * with one snapshot starts at its backend's own).  It protects nothing by
 * itself (the rows are safe by their own locks); it keeps transactions that
 * are open at the same time on different rows, so that they neither queue nor
 * deadlock there.
 */
#ifndef METER_ENGINE_LOCKS_H
#define METER_ENGINE_LOCKS_H

#include "compat.h"

#include "utils/uuid.h"

extern void meter_lock_definitions_shared(const pg_uuid_t *organization);
extern int16 meter_lock_stripe(const pg_uuid_t *organization);

#endif							/* METER_ENGINE_LOCKS_H */
