/*
 * locks.h
 *		The engine's own lock.
 *
 * A heavyweight lock on an object that exists nowhere else, held to the end of
 * the transaction and shown in pg_locks (locktype object, classid
 * meter.meter_version, objid a hash of the organization, objsubid 0).
 *
 * Ingestion holds it shared, publishing a version exclusive.  It protects the
 * rule that an event is measured by the version whose range holds its time: a
 * version's range begins only when no event measured by the old one is in
 * flight.
 */
#ifndef METER_ENGINE_LOCKS_H
#define METER_ENGINE_LOCKS_H

#include "compat.h"

#include "utils/uuid.h"

extern void meter_lock_definitions_shared(const pg_uuid_t *organization);

#endif							/* METER_ENGINE_LOCKS_H */
