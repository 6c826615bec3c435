/*
 * store_key.c
 *		The key store: exact deduplication.
 *
 * A key is found by a 128-bit hash, but is the key only if its text is the
 * same: another text with the same hash goes to the next probe.  The unique
 * index on (organization, hash, probe) is what makes two racing sessions agree:
 * the second insert waits for the first one's transaction.  Keys are inserted
 * in hash order, so that two batches cannot deadlock.
 *
 * A batch is one INSERT: a plain one where all keys are expected to be new, else
 * one with ON CONFLICT DO NOTHING.  Only when fewer rows went
 * in than were asked for does a second statement read what was there; a row
 * that carries this event's own arrival number is the one just inserted.
 */
#include "engine/store.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "engine/spi.h"

/* Fewer keys are not worth a subtransaction. */
#define OPTIMISTIC_KEYS 50
#define OPTIMISTIC_BATCHES 32

static void
hash_key(MeterKey *key)
{
	const unsigned char *data = (const unsigned char *) key->key.data;

	/* two hashes with different seeds stand for one of 128 bits */
	key->hash[0] = hash_bytes_extended(data, key->key.len, (uint64) key->space);
	key->hash[1] = hash_bytes_extended(data, key->key.len,
									   ~(uint64) key->space ^ UINT64CONST(0x9E3779B97F4A7C15));
}

static int
key_cmp(const void *pa, const void *pb)
{
	const MeterKey *a = *(MeterKey *const *) pa;
	const MeterKey *b = *(MeterKey *const *) pb;
	int			cmp = memcmp(a->hash, b->hash, sizeof(a->hash));

	if (cmp == 0)
		cmp = a->space < b->space ? -1 : a->space > b->space;
	if (cmp == 0)
		cmp = memcmp(a->key.data, b->key.data, Min(a->key.len, b->key.len));
	if (cmp == 0)
		cmp = a->key.len - b->key.len;
	return cmp;
}

/* As key_cmp, and equal keys in the batch's order. */
static int
key_order_cmp(const void *pa, const void *pb)
{
	int			cmp = key_cmp(pa, pb);

	if (cmp == 0)
		cmp = (*(MeterKey *const *) pa)->order - (*(MeterKey *const *) pb)->order;
	return cmp;
}

static Datum
key_hash_array(MeterKey **keys, int n)
{
	Datum	   *values = palloc(n * sizeof(Datum));

	for (int i = 0; i < n; i++)
		values[i] = UUIDPGetDatum((pg_uuid_t *) keys[i]->hash);
	return meter_spi_array(values, NULL, n, UUIDOID);
}

#define KEY_COLUMNS \
	.nfixed = 1, .ncolumns = 8, .columns = { \
		{"organization_id", UUIDOID}, {"key_hash", UUIDOID}, {"probe", INT4OID}, \
		{"space", INT4OID}, {"payload_hash", INT8OID}, {"time", TIMESTAMPTZOID}, \
		{"seq", INT8OID}, {"key", TEXTOID} \
	}

static MeterInsert insert_absent = {
	.table = "meter.event_key", .tail = "ON CONFLICT DO NOTHING", KEY_COLUMNS
};
static MeterInsert insert_all = {
	.table = "meter.event_key", .tail = "", KEY_COLUMNS
};

/* Insert keys by one of the two statements; returns how many rows went in. */
static uint64
insert_keys(MeterInsert *insert, const pg_uuid_t *organization, MeterKey **keys, int n)
{
	Datum	   *columns = palloc(7 * n * sizeof(Datum));
	Datum		fixed = UUIDPGetDatum(organization);
	bool		isnull;

	for (int i = 0; i < n; i++)
	{
		columns[i] = UUIDPGetDatum((pg_uuid_t *) keys[i]->hash);
		columns[n + i] = Int32GetDatum(keys[i]->probe);
		columns[2 * n + i] = Int32GetDatum(keys[i]->space);
		columns[3 * n + i] = Int64GetDatum((int64) keys[i]->payload_hash);
		columns[4 * n + i] = TimestampTzGetDatum(keys[i]->time);
		columns[5 * n + i] = Int64GetDatum(keys[i]->seq);
		columns[6 * n + i] = meter_spi_text(keys[i]->key, &isnull);
	}
	meter_spi_insert(insert, &fixed, columns, NULL, n);
	return SPI_processed;
}

/*
 * May this transaction afford one more subtransaction?  Beyond 64 of them, each
 * snapshot of every session has to look them up.
 */
static bool
may_be_optimistic(void)
{
	static TransactionId transaction = InvalidTransactionId;
	static int	used;
	TransactionId current = GetTopTransactionId();

	if (current != transaction)
	{
		transaction = current;
		used = 0;
	}
	return used++ < OPTIMISTIC_BATCHES;
}

/*
 * Insert keys that are all expected to be new.  ON CONFLICT looks into the index
 * before it inserts, and so goes down it twice; a plain INSERT goes once, but
 * fails whole where a key is there.  Failing is confined to a subtransaction,
 * which a small batch cannot pay for.  Returns false, with nothing inserted,
 * where a key was there.
 */
static bool
insert_expected(const pg_uuid_t *organization, MeterKey **keys, int n)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool inserted = true;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		inserted = insert_keys(&insert_all, organization, keys, n) == n;
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		/* whoever catches another error rolls back what he began, not this */
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (error->sqlerrcode != ERRCODE_UNIQUE_VIOLATION)
			ReThrowError(error);
		FreeErrorData(error);
		inserted = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return inserted;
}

/*
 * Read what is there for the keys' hashes and settle each key that is found.
 * Keys not found keep state NEW with probe set to the next free one.  Both
 * sides are in hash order, so one pass pairs them.  Where nothing was claimed,
 * a key of an event that came later (in the same batch) is not there yet.
 */
static void
read_keys(const pg_uuid_t *organization, MeterKey **keys, int n, bool claimed, bool *settled)
{
	static MeterStatement statement = {
		/* one look into the index a key, whatever is believed of the table */
		"SELECT k.key_hash, k.probe, k.space, k.payload_hash, k.seq, k.key"
		" FROM pg_catalog.unnest($2) AS u(h),"
		" LATERAL (SELECT * FROM meter.event_key AS k"
		" WHERE k.organization_id = $1 AND k.key_hash = u.h OFFSET 0) AS k"
		" ORDER BY k.key_hash, k.probe",
		2, {UUIDOID, UUIDARRAYOID}
	};
	Datum		values[2];
	uint64		row = 0;
	uint64		rows;

	values[0] = UUIDPGetDatum(organization);
	values[1] = key_hash_array(keys, n);
	meter_spi_execute(&statement, values, NULL, false);
	rows = SPI_processed;

	for (int i = 0; i < n; i++)
	{
		uint64		r;
		bool		isnull;

		while (row < rows &&
			   memcmp(DatumGetUUIDP(meter_spi_value(row, 1, &isnull)), keys[i]->hash, UUID_LEN) < 0)
			row++;
		keys[i]->probe = 0;
		settled[i] = false;
		for (r = row; r < rows && !settled[i]; r++)
		{
			text	   *key;
			int64		seq;

			if (memcmp(DatumGetUUIDP(meter_spi_value(r, 1, &isnull)), keys[i]->hash, UUID_LEN) != 0)
				break;
			keys[i]->probe = DatumGetInt32(meter_spi_value(r, 2, &isnull)) + 1;
			key = DatumGetTextPP(meter_spi_value(r, 6, &isnull));
			if (DatumGetInt32(meter_spi_value(r, 3, &isnull)) != keys[i]->space ||
				VARSIZE_ANY_EXHDR(key) != keys[i]->key.len ||
				memcmp(VARDATA_ANY(key), keys[i]->key.data, keys[i]->key.len) != 0)
				continue;
			settled[i] = true;
			seq = DatumGetInt64(meter_spi_value(r, 5, &isnull));
			if (seq == keys[i]->seq || (!claimed && seq > keys[i]->seq))
				keys[i]->state = METER_KEY_NEW;
			else
			{
				uint64		stored = (uint64) DatumGetInt64(meter_spi_value(r, 4, &isnull));

				keys[i]->state = stored == keys[i]->payload_hash ?
					METER_KEY_DUPLICATE : METER_KEY_CONFLICT;
			}
		}
	}
	SPI_freetuptable(SPI_tuptable);
}

/* Sort the batch's keys; equal ones stand together, first come first. */
static MeterKey **
sort_keys(MeterKey *keys, int n)
{
	MeterKey  **sorted = palloc(n * sizeof(MeterKey *));

	for (int i = 0; i < n; i++)
	{
		hash_key(&keys[i]);
		keys[i].probe = 0;
		keys[i].order = i;
		keys[i].state = METER_KEY_NEW;
		sorted[i] = &keys[i];
	}
	qsort(sorted, n, sizeof(MeterKey *), key_order_cmp);
	return sorted;
}

/* Claim the first of each run of equal keys. */
static void
claim_distinct(const pg_uuid_t *organization, MeterKey **keys, int n)
{
	static bool expect_new = true;	/* as the last batch was */
	bool	   *settled = palloc(n * sizeof(bool));
	int			round = 0;

	if (expect_new && n >= OPTIMISTIC_KEYS && may_be_optimistic())
	{
		expect_new = insert_expected(organization, keys, n);
		if (expect_new)
			return;
	}
	while (n > 0)
	{
		int			kept = 0;
		bool		moved = false;

		CHECK_FOR_INTERRUPTS();
		expect_new = insert_keys(&insert_absent, organization, keys, n) == n;
		if (expect_new)
			return;
		/* some were there; those not even there now had another text */
		read_keys(organization, keys, n, true, settled);
		for (int i = 0; i < n; i++)
		{
			moved |= settled[i] || keys[i]->probe > round;
			if (!settled[i])
				keys[kept++] = keys[i];
		}
		n = kept;
		/* each round settles a key or knows one more that only hashes alike */
		if (!moved)
			ereport(ERROR,
					(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
					 errmsg("a trigger or policy of meter.event_key keeps rows out that ingestion needs")));
		round++;
	}
}

/* Claim keys; see store.h. */
void
meter_key_claim(const pg_uuid_t *organization, MeterKey *keys, int n)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "meter key claim",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	MeterKey  **sorted = sort_keys(keys, n);
	MeterKey  **distinct = palloc(Max(n, 1) * sizeof(MeterKey *));
	MeterKey   *first = NULL;
	int			ndistinct = 0;

	for (int i = 0; i < n; i++)
	{
		if (i == 0 || key_cmp(&sorted[i], &sorted[i - 1]) != 0)
			distinct[ndistinct++] = sorted[i];
	}
	claim_distinct(organization, distinct, ndistinct);

	/*
	 * A later one of a run equals the first one: the same answer if that was
	 * there before.  The first one's payload is as good as the stored one where
	 * they are the same; where it was a conflict the stored one is not at hand,
	 * so read it.
	 */
	ndistinct = 0;
	for (int i = 0; i < n; i++)
	{
		if (i == 0 || key_cmp(&sorted[i], &first) != 0)
		{
			first = sorted[i];
			continue;
		}
		if (first->state == METER_KEY_CONFLICT)
			distinct[ndistinct++] = sorted[i];
		else
			sorted[i]->state = sorted[i]->payload_hash == first->payload_hash ?
				METER_KEY_DUPLICATE : METER_KEY_CONFLICT;
	}
	if (ndistinct > 0)
		read_keys(organization, distinct, ndistinct, true, palloc(ndistinct * sizeof(bool)));
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* Claim one key at the head of a chain; see store.h. */
void
meter_key_claim_chained(const pg_uuid_t *organization, MeterKey *key)
{
	hash_key(key);
	key->probe = 0;
	(void) insert_keys(&insert_absent, organization, &key, 1);
}

/* Look keys up without claiming them; see store.h. */
void
meter_key_look_up(const pg_uuid_t *organization, MeterKey *keys, int n, bool later)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "meter key look-up",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	read_keys(organization, sort_keys(keys, n), n, later, palloc(n * sizeof(bool)));
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* Give keys back; see store.h. */
void
meter_key_release(const pg_uuid_t *organization, MeterKey *keys, int n)
{
	static MeterStatement statement = {
		/* found as read_keys finds them */
		"DELETE FROM meter.event_key WHERE ctid = ANY (ARRAY("
		"SELECT k.ctid FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3)) AS u(h, seq),"
		" LATERAL (SELECT k.ctid, k.seq FROM meter.event_key AS k"
		" WHERE k.organization_id = $1 AND k.key_hash = u.h OFFSET 0) AS k"
		" WHERE k.seq = u.seq)) AND organization_id = $1",
		3, {UUIDOID, UUIDARRAYOID, INT8ARRAYOID}
	};
	MeterKey  **sorted = sort_keys(keys, n);
	Datum	   *seqs = palloc(n * sizeof(Datum));
	Datum		values[3];

	for (int i = 0; i < n; i++)
		seqs[i] = Int64GetDatum(sorted[i]->seq);
	values[0] = UUIDPGetDatum(organization);
	values[1] = key_hash_array(sorted, n);
	values[2] = meter_spi_array(seqs, NULL, n, INT8OID);
	meter_spi_execute(&statement, values, NULL, false);
}

/* Where the events of keys are; see store.h. */
void
meter_key_find(const pg_uuid_t *organization, MeterKey *keys, int n, bool *found)
{
	static MeterStatement statement = {
		/* found as read_keys finds them */
		"SELECT u.n, k.\"time\", k.seq FROM ROWS FROM (pg_catalog.unnest($2),"
		" pg_catalog.unnest($3), pg_catalog.unnest($4)) WITH ORDINALITY AS u(h, space, key, n),"
		" LATERAL (SELECT * FROM meter.event_key AS k"
		" WHERE k.organization_id = $1 AND k.key_hash = u.h OFFSET 0) AS k"
		" WHERE k.space = u.space AND k.key = u.key",
		4, {UUIDOID, UUIDARRAYOID, INT4ARRAYOID, TEXTARRAYOID}
	};
	Datum	   *columns = palloc_extended(3 * (Size) Max(n, 1) * sizeof(Datum), MCXT_ALLOC_HUGE);
	Datum		values[4];
	bool		isnull;

	memset(found, false, n * sizeof(bool));
	for (int i = 0; i < n; i++)
	{
		hash_key(&keys[i]);
		columns[i] = UUIDPGetDatum((pg_uuid_t *) keys[i].hash);
		columns[n + i] = Int32GetDatum(keys[i].space);
		columns[2 * n + i] = meter_spi_text(keys[i].key, &isnull);
	}
	values[0] = UUIDPGetDatum(organization);
	values[1] = meter_spi_array(columns, NULL, n, UUIDOID);
	values[2] = meter_spi_array(columns + n, NULL, n, INT4OID);
	values[3] = meter_spi_array(columns + 2 * n, NULL, n, TEXTOID);
	meter_spi_execute(&statement, values, NULL, true);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		int64		i = DatumGetInt64(meter_spi_value(row, 1, &isnull)) - 1;

		found[i] = true;
		keys[i].time = DatumGetTimestampTz(meter_spi_value(row, 2, &isnull));
		keys[i].seq = DatumGetInt64(meter_spi_value(row, 3, &isnull));
	}
	SPI_freetuptable(SPI_tuptable);
}
