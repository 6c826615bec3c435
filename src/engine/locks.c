/*
 * locks.c
 *		The engine's own locks; locks.h says what each one protects.
 */
#include "engine/locks.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "utils/lsyscache.h"

/* Stripes are numbered with 15 bits; the upper half is for transactions that
 * keep one snapshot. */
#define MAX_STRIPES 32000
#define SNAPSHOT_STRIPES 16000

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

/*
 * Take the lowest stripe that no open transaction owns.  A transaction that keeps
 * one snapshot (repeatable read, serializable) may not write a row somebody
 * changed since, so it begins at a stripe that only this backend writes.
 */
int16
meter_lock_stripe(const pg_uuid_t *organization)
{
	Oid			class = lock_class();
	Oid			object = lock_object(organization);

	int			first = IsolationUsesXactSnapshot() ?
		SNAPSHOT_STRIPES + METER_BACKEND_NUMBER % (MAX_STRIPES - SNAPSHOT_STRIPES) : 0;

	for (int stripe = first; stripe < MAX_STRIPES; stripe++)
	{
		if (ConditionalLockDatabaseObject(class, object, stripe + 1, ExclusiveLock))
			return stripe;
	}
	ereport(ERROR,
			(errcode(ERRCODE_TOO_MANY_CONNECTIONS),
			 errmsg("more than %d transactions of one organization hold usage uncommitted", MAX_STRIPES)));
}

PG_FUNCTION_INFO_V1(meter_lock_definitions);

/* meter.lock_definitions(organization_id): wait for ingestion in flight. */
Datum
meter_lock_definitions(PG_FUNCTION_ARGS)
{
	LockDatabaseObject(lock_class(), lock_object(PG_GETARG_UUID_P(0)), 0, ExclusiveLock);
	PG_RETURN_VOID();
}
