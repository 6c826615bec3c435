/*
 * locks.c
 *		The engine's own locks; locks.h says what they protect.
 */
#include "engine/locks.h"

#include "catalog/namespace.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"

#include "definitions/tenant.h"

/* objsubid of each lock */
#define DEFINITIONS 0
#define ROLLUPS 1
#define JOBS 2
#define HORIZON 16
#define CLOSER (HORIZON + METER_CLOSING_LOCKS)
#define REVISING (CLOSER + METER_CLOSING_LOCKS)

static Oid
lock_class(void)
{
	return get_relname_relid("meter_version", get_namespace_oid("meter", false));
}

/* The objid of the organization's locks; see locks.h. */
Oid
meter_lock_object(const pg_uuid_t *organization)
{
	return (Oid) hash_bytes(organization->data, UUID_LEN);
}

/* Keep definitions of the organization as they are while events are measured. */
void
meter_lock_definitions_shared(const pg_uuid_t *organization)
{
	LockDatabaseObject(lock_class(), meter_lock_object(organization), DEFINITIONS, ShareLock);
}

/* Let the ingestion under way end, and no other begin. */
void
meter_lock_definitions_exclusive(const pg_uuid_t *organization)
{
	LockDatabaseObject(lock_class(), meter_lock_object(organization), DEFINITIONS, ExclusiveLock);
}

/* Wait for who holds it now; see locks.h. */
void
meter_lock_definitions_wait(const pg_uuid_t *organization)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, lock_class(), meter_lock_object(organization), DEFINITIONS);
	WaitForLockers(tag, ExclusiveLock, false);
}

/* Lock the rollups shared, if that needs no waiting; see locks.h. */
bool
meter_lock_rollups_try(const pg_uuid_t *organization)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, lock_class(), meter_lock_object(organization), ROLLUPS);
	return LockAcquire(&tag, ShareLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

void
meter_lock_rollups_shared(const pg_uuid_t *organization)
{
	LockDatabaseObject(lock_class(), meter_lock_object(organization), ROLLUPS, ShareLock);
}

void
meter_lock_rollups_exclusive(const pg_uuid_t *organization)
{
	LockDatabaseObject(lock_class(), meter_lock_object(organization), ROLLUPS, ExclusiveLock);
}

static LOCKTAG
closing_tag(const pg_uuid_t *organization, int32 meter_no, int which)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, lock_class(), meter_lock_object(organization),
					   which + (uint32) meter_no % METER_CLOSING_LOCKS);
	return tag;
}

/* Take a lock that can be had at once; what its last holder committed is known
 * behind it. */
static bool
try_lock(LOCKTAG tag, LOCKMODE mode)
{
	if (LockAcquire(&tag, mode, false, true) == LOCKACQUIRE_NOT_AVAIL)
		return false;
	AcceptInvalidationMessages();
	return true;
}

bool
meter_lock_horizon_try(const pg_uuid_t *organization, int32 meter_no)
{
	return try_lock(closing_tag(organization, meter_no, HORIZON), ShareLock);
}

bool
meter_lock_closer_try(const pg_uuid_t *organization, int32 meter_no)
{
	return try_lock(closing_tag(organization, meter_no, CLOSER), ExclusiveLock);
}

bool
meter_lock_revising_try(const pg_uuid_t *organization, int32 meter_no)
{
	return try_lock(closing_tag(organization, meter_no, REVISING), ExclusiveLock);
}

/* Wait for who holds the horizon's lock, for a while; see locks.h. */
void
meter_lock_horizon_exclusive(const pg_uuid_t *organization, int32 meter_no, int wait)
{
	LOCKTAG		tag = closing_tag(organization, meter_no, HORIZON);
	int			level = NewGUCNestLevel();

	(void) set_config_option("lock_timeout", psprintf("%d", Max(wait, 1)), PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
	AtEOXact_GUC(true, level);
	AcceptInvalidationMessages();
}

static LOCKTAG
job_tag(int64 job_id)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, lock_class(), (Oid) job_id, JOBS);
	return tag;
}

/* Lock a job for the session; see locks.h. */
bool
meter_lock_job(int64 job_id, bool wait)
{
	LOCKTAG		tag = job_tag(job_id);

	return LockAcquire(&tag, ExclusiveLock, true, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

void
meter_unlock_job(int64 job_id)
{
	LOCKTAG		tag = job_tag(job_id);

	(void) LockRelease(&tag, ExclusiveLock, true);
}

PG_FUNCTION_INFO_V1(meter_lock_definitions);

/* meter.lock_definitions(organization_id): wait for ingestion in flight. */
Datum
meter_lock_definitions(PG_FUNCTION_ARGS)
{
	meter_tenant_require(PG_GETARG_UUID_P(0));
	meter_lock_definitions_exclusive(PG_GETARG_UUID_P(0));
	PG_RETURN_VOID();
}
