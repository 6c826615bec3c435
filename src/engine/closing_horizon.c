/*
 * closing_horizon.c
 *		How far windows are closed, and how far they may be; closing.h has the
 *		argument.
 */
#include "engine/closing_private.h"

#include "access/transam.h"
#include "catalog/pg_type.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "engine/locks.h"
#include "engine/spi.h"

/* Ticks are kept for as long as a transaction may go on and not keep windows
 * from being closed. */
#define TICKS_KEPT "2 days"

/* Horizons a backend remembers. */
#define MAX_HORIZONS 10000

typedef struct HorizonKey
{
	pg_uuid_t	organization;
	pg_uuid_t	meter;
} HorizonKey;

typedef struct HorizonItem
{
	HorizonKey	key;
	TimestampTz horizon;
} HorizonItem;

static HTAB *horizons = NULL;
static bool stale = true;
static Oid	horizon_relid = InvalidOid;

static void
relation_changed(Datum arg, Oid relid)
{
	if (relid == InvalidOid || relid == horizon_relid)
		stale = true;
}

/* Ready what is remembered; drop it where somebody moved a horizon. */
static void
refresh(void)
{
	HASHCTL		ctl = {.keysize = sizeof(HorizonKey), .entrysize = sizeof(HorizonItem)};

	if (horizons == NULL)
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	else if (!stale && hash_get_num_entries(horizons) < MAX_HORIZONS)
		return;
	else
		hash_destroy(horizons);
	horizons = hash_create("meter horizons", 64, &ctl, HASH_ELEM | HASH_BLOBS);
	horizon_relid = meter_horizon_relation();
	stale = false;
}

/* How far the meter's windows are closed; see closing.h. */
TimestampTz
meter_closing_horizon(const pg_uuid_t *organization, const MeterEntry *meter)
{
	HorizonKey	key = {*organization, meter->id};
	HorizonItem *item;
	TimestampTz horizon;
	bool		locked = meter_lock_horizon_try(organization, meter->meter_no);

	/* behind the lock, all is known that the last closing committed */
	refresh();
	item = hash_search(horizons, &key, HASH_FIND, NULL);
	if (item)
		return item->horizon;
	PushActiveSnapshot(GetLatestSnapshot());
	horizon = meter_horizon_read(organization, &meter->id);
	PopActiveSnapshot();
	/* without it, somebody may have moved it and told so before this is remembered */
	if (locked)
	{
		refresh();
		item = hash_search(horizons, &key, HASH_ENTER, NULL);
		item->horizon = horizon;
	}
	return horizon;
}

/* Which windows may be finalized; see closing.h. */
TimestampTz
meter_closing_limit(const pg_uuid_t *organization, const MeterEntry *meter)
{
	TimestampTz horizon = meter_closing_horizon(organization, meter);

	return meter_lock_horizon_try(organization, meter->meter_no) ? horizon : GetCurrentTimestamp();
}

/* Leave a tick for those who come later, and drop those nobody needs. */
static void
leave_tick(TimestampTz now)
{
	static MeterStatement leave = {
		"INSERT INTO meter.close_tick (\"at\", next_xid) VALUES ($1, $2) ON CONFLICT DO NOTHING",
		2, {TIMESTAMPTZOID, XID8OID}
	};
	static MeterStatement forget = {
		"DELETE FROM meter.close_tick AS t WHERE t.ctid = ANY (ARRAY(SELECT old.ctid FROM meter.close_tick AS old"
		" WHERE old.\"at\" < $1::pg_catalog.timestamptz - pg_catalog.interval '" TICKS_KEPT "' FOR UPDATE SKIP LOCKED))",
		1, {TIMESTAMPTZOID}
	};
	Datum		values[2];

	/* a snapshot's xmax would not do: transactions in flight may be behind it */
	values[0] = TimestampTzGetDatum(now);
	values[1] = FullTransactionIdGetDatum(ReadNextFullTransactionId());
	meter_spi_execute(&leave, values, NULL, false);
	meter_spi_execute(&forget, values, NULL, false);
}

/* A transaction number with its epoch; it is not far from the next one. */
static uint64
full_xid(TransactionId xid)
{
	uint64		next = U64FromFullTransactionId(ReadNextFullTransactionId());

	return next - (int32) ((uint32) next - xid);
}

/* Look who holds definitions locks; see closing_private.h. */
void
meter_holders_look(MeterHolders *holders)
{
	/*
	 * Who has no number yet has not read the clock either.  A prepared
	 * transaction has no process, but its locks are there, its number among
	 * them.  What this transaction ingested itself it sees.
	 */
	static MeterStatement statement = {
		"WITH l AS MATERIALIZED (SELECT * FROM pg_catalog.pg_locks AS p WHERE p.granted"
		" AND p.locktype IN ('object', 'transactionid') AND p.pid IS DISTINCT FROM pg_catalog.pg_backend_pid())"
		" SELECT o.objid, x.transactionid FROM l AS o"
		" JOIN l AS x ON x.virtualtransaction = o.virtualtransaction AND x.locktype = 'transactionid'"
		" AND x.mode = 'ExclusiveLock'"
		" WHERE o.locktype = 'object' AND o.classid = 'meter.meter_version'::pg_catalog.regclass"
		" AND o.objsubid = 0 AND o.database = (SELECT d.oid FROM pg_catalog.pg_database AS d"
		" WHERE d.datname = pg_catalog.current_database())",
		0, {}
	};

	holders->now = GetCurrentTimestamp();
	leave_tick(holders->now);
	meter_spi_execute(&statement, NULL, NULL, false);
	holders->n = (int) SPI_processed;
	holders->list = palloc(Max(holders->n, 1) * sizeof(MeterHolder));
	for (int i = 0; i < holders->n; i++)
	{
		bool		isnull;

		holders->list[i].object = DatumGetObjectId(meter_spi_value(i, 1, &isnull));
		holders->list[i].xid = full_xid(DatumGetTransactionId(meter_spi_value(i, 2, &isnull)));
	}
	SPI_freetuptable(SPI_tuptable);
}

/* How far windows may be closed; see closing_private.h. */
TimestampTz
meter_holders_horizon(const MeterHolders *holders, const pg_uuid_t *organization)
{
	static MeterStatement statement = {
		"SELECT pg_catalog.max(t.\"at\") FROM meter.close_tick AS t WHERE t.next_xid <= $1",
		1, {XID8OID}
	};
	Oid			object = meter_lock_object(organization);
	uint64		oldest = PG_UINT64_MAX;
	Datum		value;
	bool		isnull;
	TimestampTz horizon;

	for (int i = 0; i < holders->n; i++)
	{
		if (holders->list[i].object == object)
			oldest = Min(oldest, holders->list[i].xid);
	}
	if (oldest == PG_UINT64_MAX)
		return holders->now;
	value = FullTransactionIdGetDatum(FullTransactionIdFromU64(oldest));
	meter_spi_execute(&statement, &value, NULL, false);
	value = meter_spi_value(0, 1, &isnull);
	horizon = isnull ? DT_NOBEGIN : DatumGetTimestampTz(value);
	SPI_freetuptable(SPI_tuptable);
	return Min(horizon, holders->now);
}
