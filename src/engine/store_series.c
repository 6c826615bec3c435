/*
 * store_series.c
 *		The series dictionary.
 *
 * A series is entered once and never changes.  The index on its content is not
 * unique on purpose: with a unique one the first report of a new customer
 * would wait for every other transaction that reports the same new customer.
 * Two transactions that race enter the content twice, and readers, who go by
 * content, add both up.
 *
 * Each backend remembers the numbers it saw.  What this transaction entered is
 * forgotten if any part of it rolls back, and all is when the table is truncated
 * or made anew: a number that stands for nothing would lose usage.
 */
#include "engine/store.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "engine/spi.h"

/* The cache is dropped whole when it holds more. */
#define MAX_CACHED 100000

typedef struct SeriesKey
{
	pg_uuid_t	organization;
	const MeterSeries *series;
} SeriesKey;

typedef struct SeriesItem
{
	SeriesKey	key;
	MeterSeries series;			/* its own copy, in the cache's context */
} SeriesItem;

static MemoryContext cache_context = NULL;
static HTAB *cache;
static bool entered = false;	/* this transaction entered series */
static bool doomed = false;		/* the cache is to be dropped at its next use:
								 * not at once, somebody may be at it */
static Oid	series_relid = InvalidOid;

static uint64
hash_text(uint64 h, MeterText text)
{
	if (text.data == NULL)
		return hash_combine64(h, 1);
	return hash_combine64(h, hash_bytes_extended((const unsigned char *) text.data, text.len, 2));
}

/* Hash of a series' content. */
uint64
meter_series_hash(const MeterSeries *series)
{
	return hash_text(hash_text(hash_text(series->stream_id, series->subject),
							   series->currency), series->dimensions);
}

static bool
same_text(MeterText a, MeterText b)
{
	return (a.data == NULL) == (b.data == NULL) && a.len == b.len &&
		(a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Do both have the same content? */
bool
meter_series_same(const MeterSeries *a, const MeterSeries *b)
{
	return a->stream_id == b->stream_id && same_text(a->subject, b->subject) &&
		same_text(a->currency, b->currency) && same_text(a->dimensions, b->dimensions);
}

static uint32
series_key_hash(const void *key, Size keysize)
{
	const SeriesKey *k = key;

	return hash_combine(hash_bytes(k->organization.data, UUID_LEN), (uint32) k->series->hash);
}

static int
series_key_match(const void *a, const void *b, Size keysize)
{
	const SeriesKey *x = a;
	const SeriesKey *y = b;

	return memcmp(&x->organization, &y->organization, UUID_LEN) != 0 ||
		!meter_series_same(x->series, y->series);
}

/* The table was truncated, or dropped and made anew: its numbers are void. */
static void
relation_changed(Datum arg, Oid relid)
{
	if (relid == InvalidOid || relid == series_relid)
		doomed = true;
}

static void
transaction_ended(XactEvent event, void *arg)
{
	/* before the end it may yet fail; a prepared one may yet be rolled back */
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	if (event != XACT_EVENT_COMMIT && entered)
		doomed = true;
	entered = false;
}

static void
subtransaction_ended(SubXactEvent event, SubTransactionId self,
					 SubTransactionId parent, void *arg)
{
	/* what an outer level entered may yet be read again and cached */
	if (event == SUBXACT_EVENT_ABORT_SUB && entered)
		doomed = true;
}

static void
ready_cache(void)
{
	static bool registered = false;
	HASHCTL		ctl = {
		.keysize = sizeof(SeriesKey),
		.entrysize = sizeof(SeriesItem),
		.hash = series_key_hash,
		.match = series_key_match
	};

	if (!registered)
	{
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
		RegisterXactCallback(transaction_ended, NULL);
		RegisterSubXactCallback(subtransaction_ended, NULL);
		registered = true;
	}
	if (cache_context && (doomed || hash_get_num_entries(cache) > MAX_CACHED))
	{
		MemoryContextDelete(cache_context);
		cache_context = NULL;
	}
	if (cache_context)
		return;
	doomed = false;
	series_relid = get_relname_relid("series", get_namespace_oid("meter", false));
	ctl.hcxt = AllocSetContextCreate(CacheMemoryContext, "meter series", ALLOCSET_DEFAULT_SIZES);
	cache = hash_create("meter series", 1024, &ctl,
						HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
	cache_context = ctl.hcxt;
}

static MeterText
copy_text(MeterText text)
{
	if (text.data == NULL)
		return text;
	return (MeterText) {
		memcpy(MemoryContextAlloc(cache_context, text.len + 1), text.data, text.len), text.len
	};
}

static void
remember(const pg_uuid_t *organization, const MeterSeries *series)
{
	SeriesKey	key = {.organization = *organization, .series = series};
	SeriesItem *item = hash_search(cache, &key, HASH_FIND, NULL);
	MeterSeries copy = *series;
	bool		found;

	if (item)
	{
		/* entered twice by racing transactions: all use the older one */
		item->series.series_id = Min(item->series.series_id, series->series_id);
		return;
	}
	copy.subject = copy_text(series->subject);
	copy.currency = copy_text(series->currency);
	copy.dimensions = copy_text(series->dimensions);
	/* nothing can fail between entering the item and giving it its own key */
	item = hash_search(cache, &key, HASH_ENTER, &found);
	item->series = copy;
	item->key.series = &item->series;
}

static bool
recall(const pg_uuid_t *organization, MeterSeries *series)
{
	SeriesKey	key = {.organization = *organization, .series = series};
	SeriesItem *item = hash_search(cache, &key, HASH_FIND, NULL);

	if (item)
		series->series_id = item->series.series_id;
	return item != NULL;
}

/* Row: series_id, stream_id, subject, currency, dimensions. */
static MeterSeries
get_series(uint64 row)
{
	MeterSeries series = {0};
	bool		isnull;

	series.series_id = DatumGetInt64(meter_spi_value(row, 1, &isnull));
	series.stream_id = DatumGetInt32(meter_spi_value(row, 2, &isnull));
	series.subject = meter_spi_get_text(row, 3);
	series.currency = meter_spi_get_text(row, 4);
	series.dimensions = meter_spi_get_text(row, 5);
	return series;
}

/* Remember those of the list that the dictionary holds. */
static void
read_series(const pg_uuid_t *organization, MeterSeries **list, int n)
{
	/* the inner query stands alone, to be an index probe for each hash */
	static MeterStatement statement = {
		"SELECT s.series_id, s.stream_id, s.subject, s.currency, s.dimensions"
		" FROM pg_catalog.unnest($2) AS u(h),"
		" LATERAL (SELECT * FROM meter.series AS s"
		" WHERE s.organization_id = $1 AND s.content_hash = u.h OFFSET 0) AS s",
		2, {UUIDOID, INT8ARRAYOID}
	};
	Datum	   *hashes = palloc(n * sizeof(Datum));
	Datum		values[2];

	for (int i = 0; i < n; i++)
		hashes[i] = Int64GetDatum((int64) list[i]->hash);
	values[0] = UUIDPGetDatum(organization);
	values[1] = meter_spi_array(hashes, NULL, n, INT8OID);
	meter_spi_execute(&statement, values, NULL, false);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		MeterSeries series = get_series(row);

		series.hash = meter_series_hash(&series);
		remember(organization, &series);
	}
	SPI_freetuptable(SPI_tuptable);
}

/* Enter the list; the numbers come back in its order. */
static void
enter_series(const pg_uuid_t *organization, MeterSeries **list, int n)
{
	static MeterInsert insert = {
		.table = "meter.series", .tail = "RETURNING series_id",
		.nfixed = 1, .ncolumns = 6, .columns = {
			{"organization_id", UUIDOID}, {"stream_id", INT4OID}, {"content_hash", INT8OID},
			{"subject", TEXTOID}, {"currency", TEXTOID}, {"dimensions", JSONOID}
		}
	};
	Datum	   *columns = palloc(5 * n * sizeof(Datum));
	bool	   *nulls = palloc0(5 * n * sizeof(bool));
	Datum		fixed = UUIDPGetDatum(organization);

	for (int i = 0; i < n; i++)
	{
		const MeterSeries *s = list[i];

		columns[i] = Int32GetDatum(s->stream_id);
		columns[n + i] = Int64GetDatum((int64) s->hash);
		columns[2 * n + i] = meter_spi_text(s->subject, &nulls[2 * n + i]);
		columns[3 * n + i] = meter_spi_text(s->currency, &nulls[3 * n + i]);
		columns[4 * n + i] = meter_spi_text(s->dimensions, &nulls[4 * n + i]);
	}
	meter_spi_insert(&insert, &fixed, columns, nulls, n);
	entered = true;
	if (SPI_processed != n)
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
				 errmsg("a trigger of meter.series kept rows out that usage needs")));
	for (int i = 0; i < n; i++)
	{
		bool		isnull;

		list[i]->series_id = DatumGetInt64(meter_spi_value(i, 1, &isnull));
		remember(organization, list[i]);
	}
	SPI_freetuptable(SPI_tuptable);
}

/* Number the series; see store.h. */
void
meter_series_resolve(const pg_uuid_t *organization, MeterSeries *series, int n)
{
	MemoryContext context;
	MemoryContext old;
	MeterSeries **unknown = NULL;
	int			nunknown = 0;
	int			kept = 0;

	ready_cache();
	context = AllocSetContextCreate(CurrentMemoryContext, "meter series", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	for (int i = 0; i < n; i++)
	{
		if (recall(organization, &series[i]))
			continue;
		if (unknown == NULL)
			unknown = palloc((n - i) * sizeof(MeterSeries *));
		unknown[nunknown++] = &series[i];
	}
	if (nunknown > 0)
	{
		read_series(organization, unknown, nunknown);
		for (int i = 0; i < nunknown; i++)
		{
			if (!recall(organization, unknown[i]))
				unknown[kept++] = unknown[i];
		}
	}
	if (kept > 0)
		enter_series(organization, unknown, kept);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* The series that a query found. */
static int
get_list(MeterSeries **list)
{
	int			n = (int) SPI_processed;

	*list = palloc_extended(Max(n, 1) * sizeof(MeterSeries), MCXT_ALLOC_HUGE);
	/* the texts live in SPI's tuples, which stay until SPI_finish */
	for (int row = 0; row < n; row++)
		(*list)[row] = get_series(row);
	return n;
}

#define LIST_SELECT \
	"SELECT s.series_id, s.stream_id, s.subject, s.currency, s.dimensions" \
	" FROM meter.series AS s WHERE s.organization_id = $1 AND s.stream_id = $2"

/* Series of a stream, or of one subject of it; see store.h. */
int
meter_series_list(const pg_uuid_t *organization, int32 stream_id,
				  const MeterText *subject, MeterSeries **list)
{
	static MeterStatement all = {LIST_SELECT, 2, {UUIDOID, INT4OID}};
	static MeterStatement one = {LIST_SELECT " AND s.subject = $3", 3, {UUIDOID, INT4OID, TEXTOID}};
	Datum		values[3];
	bool		isnull;

	values[0] = UUIDPGetDatum(organization);
	values[1] = Int32GetDatum(stream_id);
	if (subject)
		values[2] = meter_spi_text(*subject, &isnull);
	meter_spi_execute(subject ? &one : &all, values, NULL, true);
	return get_list(list);
}

/* Series of several subjects; see store.h. */
int
meter_series_list_of(const pg_uuid_t *organization, int32 stream_id,
					 const MeterText *subjects, int n, MeterSeries **list)
{
	/* the inner query stands alone, to be an index probe for each subject */
	static MeterStatement statement = {
		"SELECT s.* FROM pg_catalog.unnest($3) AS u(subject),"
		" LATERAL (" LIST_SELECT " AND s.subject = u.subject OFFSET 0) AS s",
		3, {UUIDOID, INT4OID, TEXTARRAYOID}
	};
	Datum	   *texts;
	Datum		values[3];

	if (n == 1)
		return meter_series_list(organization, stream_id, subjects, list);
	texts = palloc_extended(n * sizeof(Datum), MCXT_ALLOC_HUGE);
	for (int i = 0; i < n; i++)
	{
		bool		isnull;

		texts[i] = meter_spi_text(subjects[i], &isnull);
	}
	values[0] = UUIDPGetDatum(organization);
	values[1] = Int32GetDatum(stream_id);
	values[2] = meter_spi_array(texts, NULL, n, TEXTOID);
	meter_spi_execute(&statement, values, NULL, true);
	return get_list(list);
}
