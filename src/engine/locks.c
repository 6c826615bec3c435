/*
 * locks.c
 *		The engine's own lock; locks.h says what it protects.
 */
#include "engine/locks.h"

#include "catalog/namespace.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"

static Oid
lock_class(void)
{
	return get_relname_relid("meter_version", get_namespace_oid("meter", false));
}

static Oid
lock_object(const pg_uuid_t *organization)
{
	return (Oid) hash_bytes(organization->data, UUID_LEN);
}

/* Keep definitions of the organization as they are while events are measured. */
void
meter_lock_definitions_shared(const pg_uuid_t *organization)
{
	LockDatabaseObject(lock_class(), lock_object(organization), 0, ShareLock);
}

PG_FUNCTION_INFO_V1(meter_lock_definitions);

/* meter.lock_definitions(organization_id): wait for ingestion in flight. */
Datum
meter_lock_definitions(PG_FUNCTION_ARGS)
{
	LockDatabaseObject(lock_class(), lock_object(PG_GETARG_UUID_P(0)), 0, ExclusiveLock);
	PG_RETURN_VOID();
}
