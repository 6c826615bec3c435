/*
 * cache.c
 *		Compiled meter versions, kept by each backend.
 *
 * A trigger on the catalog tables sends a relcache invalidation of
 * meter.meter_version; it reaches every backend when the change commits, and
 * this one at once.  The callback only notes that the cache is stale.  The
 * next use drops all of it and loads what is asked for.
 *
 * Never stale: a commit becomes visible before its invalidation is sent, and a
 * load takes its snapshot after meter_cache_refresh() accepted what was sent.
 *
 * A transaction with one snapshot (repeatable read, serializable) goes by the
 * definitions of that snapshot until it ingests.  Its events are of now: they are
 * measured by the definitions of now, or a version published since would have
 * events in its range that another one counted.  From then on the transaction
 * goes by these, so that it can read what it wrote.  A cache that holds the
 * snapshot's, which may be older than an invalidation already accepted, is
 * dropped then, and with the transaction.
 *
 * What was handed out must live on when the cache is dropped, so its context
 * is then given to the transaction instead of being deleted.
 */
#include "definitions/cache_private.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "engine/spi.h"
#include "values/uuid.h"

#define MAX_LISTENERS 20000

/* Key of all three tables: an organization and a name. */
typedef struct CacheKey
{
	pg_uuid_t	organization;
	const char *name;
	int			len;
} CacheKey;

typedef struct CacheItem
{
	CacheKey	key;
	void	   *value;
} CacheItem;

static MemoryContext cache_context = NULL;
static HTAB *organizations;
static HTAB *listeners;
static HTAB *names;				/* what a meter was called by to MeterEntry */
static bool stale = true;
static bool of_snapshot = false;	/* it holds what an old snapshot shows */
static bool of_now = false;		/* a transaction with one has ingested */
static bool latest = false;		/* load what is in force now */
static Oid	version_relid = InvalidOid;

static uint32
cache_key_hash(const void *key, Size keysize)
{
	const CacheKey *k = key;

	return hash_combine(hash_bytes(k->organization.data, UUID_LEN),
						hash_bytes((const unsigned char *) k->name, k->len));
}

static int
cache_key_match(const void *a, const void *b, Size keysize)
{
	const CacheKey *x = a;
	const CacheKey *y = b;

	return x->len != y->len ||
		memcmp(&x->organization, &y->organization, UUID_LEN) != 0 ||
		memcmp(x->name, y->name, x->len) != 0;
}

static void
relation_changed(Datum arg, Oid relid)
{
	if (relid == InvalidOid || relid == version_relid)
		stale = true;
}

static void
transaction_ended(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	if (of_snapshot)
		stale = true;
	of_snapshot = of_now = false;
}

static HTAB *
new_table(const char *name)
{
	HASHCTL		ctl = {
		.keysize = sizeof(CacheKey),
		.entrysize = sizeof(CacheItem),
		.hash = cache_key_hash,
		.match = cache_key_match,
		.hcxt = cache_context
	};

	return hash_create(name, 64, &ctl, HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
}

/* Begin an empty cache; the old one lives as long as who was given of it. */
static void
renew_cache(void)
{
	if (cache_context)
		MemoryContextSetParent(cache_context, TopTransactionContext);
	cache_context = NULL;
	cache_context = AllocSetContextCreate(CacheMemoryContext, "meter definitions",
										  ALLOCSET_DEFAULT_SIZES);
	organizations = new_table("meter organizations");
	listeners = new_table("meter listeners");
	names = new_table("meter names");
	version_relid = get_relname_relid("meter_version", get_namespace_oid("meter", false));
	of_snapshot = false;
	stale = false;
}

/* Take in what other sessions committed; drop the cache if it is stale. */
void
meter_cache_refresh(bool ingesting)
{
	static bool registered = false;
	bool		one_snapshot = IsolationUsesXactSnapshot();

	if (!registered)
	{
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
		RegisterXactCallback(transaction_ended, NULL);
		registered = true;
	}
	AcceptInvalidationMessages();
	/* event types nobody listens to are remembered too: set a bound */
	if (!stale && hash_get_num_entries(listeners) > MAX_LISTENERS)
		stale = true;
	of_now |= one_snapshot && ingesting;
	/* no other snapshot can be taken beside parallel workers */
	latest = of_now && !IsInParallelMode();
	if (latest && of_snapshot)
		stale = true;
	if (stale)
		renew_cache();
	of_snapshot |= one_snapshot && !latest;
}

/* Run a catalog query under a snapshot taken now, or the transaction's own. */
void
meter_cache_query(MeterStatement *statement, const pg_uuid_t *organization, Datum second)
{
	Datum		values[2];

	values[0] = UUIDPGetDatum(organization);
	values[1] = second;
	PushActiveSnapshot(latest ? GetLatestSnapshot() : GetTransactionSnapshot());
	meter_spi_execute(statement, values, NULL, true);
	PopActiveSnapshot();
}

static CacheItem *
enter(HTAB *table, const pg_uuid_t *organization, const char *name, int len, void *value)
{
	CacheKey	key = {.organization = *organization, .len = len};
	CacheItem  *item;
	char	   *copy = MemoryContextAlloc(cache_context, len + 1);

	memcpy(copy, name, len);
	copy[len] = '\0';
	key.name = copy;
	item = hash_search(table, &key, HASH_ENTER, NULL);
	item->value = value;
	return item;
}

static CacheItem *
look_up(HTAB *table, const pg_uuid_t *organization, const char *name, int len)
{
	CacheKey	key = {.organization = *organization, .name = name, .len = len};

	return hash_search(table, &key, HASH_FIND, NULL);
}

/* Where it all lives; see cache_private.h. */
MemoryContext
meter_cache_context(void)
{
	return cache_context;
}

/* The organization, or NULL. */
const MeterOrganization *
meter_cache_organization(const pg_uuid_t *organization)
{
	static MeterStatement statement = {
		"SELECT coalesce((o.settings ->> 'partial')::boolean, true),"
		" coalesce((o.settings ->> 'require_known_subject')::boolean, false),"
		" coalesce(o.settings -> 'licenses' ?& '{metered_products,subscription}', true),"
		" coalesce((o.settings -> 'quota_status')::int, 429)"
		" FROM meter.organization AS o WHERE o.organization_id = $1",
		1, {UUIDOID}
	};
	CacheItem  *item = look_up(organizations, organization, "", 0);

	if (item == NULL)
	{
		MeterOrganization *found = NULL;

		meter_cache_query(&statement, organization, (Datum) 0);
		if (SPI_processed > 0)
		{
			bool		isnull;

			found = MemoryContextAllocZero(cache_context, sizeof(MeterOrganization));
			found->partial = DatumGetBool(meter_spi_value(0, 1, &isnull));
			found->require_known_subject = DatumGetBool(meter_spi_value(0, 2, &isnull));
			found->licensed = DatumGetBool(meter_spi_value(0, 3, &isnull));
			found->quota_status = DatumGetInt32(meter_spi_value(0, 4, &isnull));
		}
		SPI_freetuptable(SPI_tuptable);
		item = enter(organizations, organization, "", 0, found);
	}
	return item->value;
}

/* Compile the version in a row of the listeners' query. */
static MeterPlan *
load_version(uint64 row)
{
	bool		isnull;
	char	   *definition = TextDatumGetCString(meter_spi_value(row, 9, &isnull));
	MeterJson  *doc = meter_json_parse_or_throw(definition, strlen(definition), "meter definition");
	char	   *fields = TextDatumGetCString(meter_spi_value(row, 11, &isnull));
	MeterJson  *inherited = meter_json_parse_or_throw(fields, strlen(fields), "custom fields");
	MemoryContext old = MemoryContextSwitchTo(cache_context);
	MeterError	err;
	MeterPlan  *plan = meter_plan_compile(doc, inherited, &err);

	if (plan == NULL)
		meter_error_throw(&err, ERRCODE_DATA_CORRUPTED, "stored meter definition");
	MemoryContextSwitchTo(old);
	plan->version_id = DatumGetInt32(meter_spi_value(row, 4, &isnull));
	plan->version = DatumGetInt32(meter_spi_value(row, 5, &isnull));
	plan->stream_id = DatumGetInt32(meter_spi_value(row, 6, &isnull));
	plan->effective_from = DatumGetTimestampTz(meter_spi_value(row, 7, &isnull));
	plan->effective_to = DatumGetTimestampTz(meter_spi_value(row, 8, &isnull));
	return plan;
}

/* Build the entries from the rows, which come meter by meter; one without a
 * version stands for a meter that was never published. */
static MeterListeners *
load_listeners(const char *type, int len)
{
	uint64		rows = SPI_processed;
	MeterListeners *result = MemoryContextAllocZero(cache_context, sizeof(MeterListeners));

	char	   *metric_key = MemoryContextAlloc(cache_context, len + 1);

	memcpy(metric_key, type, len);
	metric_key[len] = '\0';
	result->meters = MemoryContextAlloc(cache_context, rows * sizeof(MeterEntry *));
	for (uint64 row = 0; row < rows;)
	{
		MeterEntry *entry = MemoryContextAllocZero(cache_context, sizeof(MeterEntry));
		bool		isnull;
		uint64		end = row;

		entry->id = *DatumGetUUIDP(meter_spi_value(row, 1, &isnull));
		entry->meter_no = DatumGetInt32(meter_spi_value(row, 2, &isnull));
		entry->key = MemoryContextStrdup(cache_context,
										 TextDatumGetCString(meter_spi_value(row, 3, &isnull)));
		entry->metric_key = metric_key;
		entry->archived = DatumGetBool(meter_spi_value(row, 10, &isnull));
		while (end < rows &&
			   DatumGetInt32(meter_spi_value(end, 2, &isnull)) == entry->meter_no)
			end++;
		entry->versions = MemoryContextAlloc(cache_context, (end - row) * sizeof(MeterPlan *));
		for (; row < end; row++)
		{
			(void) meter_spi_value(row, 4, &isnull);
			if (!isnull)
				entry->versions[entry->nversions++] = load_version(row);
		}
		result->meters[result->nmeters++] = entry;
	}
	return result;
}

/* The meter of that number. */
MeterEntry *
meter_listeners_find(const MeterListeners *found, int32 meter_no)
{
	for (int i = 0; i < found->nmeters; i++)
	{
		if (found->meters[i]->meter_no == meter_no)
			return found->meters[i];
	}
	return NULL;
}

/* Who listens to an event type. */
const MeterListeners *
meter_cache_listeners(const pg_uuid_t *organization, const char *type, int len)
{
	static MeterStatement statement = {
		"SELECT m.id, m.meter_no, m.key, v.version_id, v.version, v.stream_id,"
		" coalesce(v.effective_from, '-infinity'), coalesce(v.effective_to, '-infinity'), v.definition::text, m.status = 'archived',"
		" v.inherited_fields::text"
		" FROM meter.meter AS m"
		" LEFT JOIN meter.meter_version AS v ON v.organization_id = m.organization_id"
		" AND v.meter_id = m.id AND v.published_at IS NOT NULL"
		" WHERE m.organization_id = $1 AND m.metric_key = $2"
		" ORDER BY m.meter_no, v.effective_from NULLS FIRST, v.version",
		2, {UUIDOID, TEXTOID}
	};
	CacheItem  *item = look_up(listeners, organization, type, len);

	if (item == NULL)
	{
		static const MeterListeners nobody = {0};
		MeterListeners *found;

		meter_cache_query(&statement, organization, PointerGetDatum(cstring_to_text_with_len(type, len)));
		found = SPI_processed > 0 ? load_listeners(type, len) : NULL;
		SPI_freetuptable(SPI_tuptable);
		if (found)
			meter_watches_load(organization, found, PointerGetDatum(cstring_to_text_with_len(type, len)));
		/* types nobody listens to are remembered too, but one call can bring any number */
		if (found == NULL && hash_get_num_entries(listeners) > MAX_LISTENERS)
			return &nobody;
		if (found == NULL)
			found = MemoryContextAllocZero(cache_context, sizeof(MeterListeners));
		item = enter(listeners, organization, type, len, found);
	}
	return item->value;
}

/* The type a meter listens to and its number; a key goes before an id that
 * looks alike.  False where there is no such meter. */
static bool
find_meter(const pg_uuid_t *organization, const char *name, int len, char **type, int32 *meter_no)
{
#define METER_SELECT(condition) \
	"SELECT m.metric_key, m.meter_no FROM meter.meter AS m" \
	" WHERE m.organization_id = $1 AND " condition
	static MeterStatement by_key = {METER_SELECT("m.key = $2"), 2, {UUIDOID, TEXTOID}};
	static MeterStatement by_id = {METER_SELECT("m.id = $2"), 2, {UUIDOID, UUIDOID}};
	pg_uuid_t	id;
	bool		isnull;
	bool		found;

	meter_cache_query(&by_key, organization, PointerGetDatum(cstring_to_text_with_len(name, len)));
	if (SPI_processed == 0 && meter_uuid_parse(name, len, &id))
	{
		SPI_freetuptable(SPI_tuptable);
		meter_cache_query(&by_id, organization, UUIDPGetDatum(&id));
	}
	found = SPI_processed > 0;
	if (found)
	{
		*type = TextDatumGetCString(meter_spi_value(0, 1, &isnull));
		*meter_no = DatumGetInt32(meter_spi_value(0, 2, &isnull));
	}
	SPI_freetuptable(SPI_tuptable);
	return found;
}

/* A meter by key or id, or NULL. */
const MeterEntry *
meter_cache_meter(const pg_uuid_t *organization, const char *name, int len)
{
	CacheItem  *item = look_up(names, organization, name, len);
	const MeterListeners *found;
	MeterEntry *entry;
	char	   *type;
	int32		meter_no;

	if (item)
		return item->value;
	if (!find_meter(organization, name, len, &type, &meter_no))
		return NULL;
	found = meter_cache_listeners(organization, type, strlen(type));
	entry = meter_listeners_find(found, meter_no);
	return entry ? enter(names, organization, name, len, entry)->value : NULL;
}

/* As meter_cache_meter, and by display name where that is one meter's. */
const MeterEntry *
meter_cache_meter_by_name(const pg_uuid_t *organization, const char *name, int len)
{
	static MeterStatement statement = {
		"SELECT m.key, EXISTS (SELECT FROM meter.meter_version AS s"
		" WHERE s.organization_id = $1 AND s.effective_from > now())"
		" FROM meter.meters AS m WHERE m.organization_id = $1 AND m.name = $2"
		" ORDER BY m.status, m.key LIMIT 2",
		2, {UUIDOID, TEXTOID}
	};
	const MeterEntry *found = meter_cache_meter(organization, name, len);
	char	   *alias;
	char	   *key;
	CacheItem  *item;
	bool		isnull;
	bool		several;
	bool		passing;

	if (found)
		return found;
	/* no key begins with a control character */
	alias = psprintf("\x01%.*s", len, name);
	item = look_up(names, organization, alias, len + 1);
	if (item)
		return item->value;
	meter_cache_query(&statement, organization, PointerGetDatum(cstring_to_text_with_len(name, len)));
	key = SPI_processed == 0 ? NULL : TextDatumGetCString(meter_spi_value(0, 1, &isnull));
	/* a version that comes may change names: ask again then */
	passing = key && DatumGetBool(meter_spi_value(0, 2, &isnull));
	several = SPI_processed > 1;
	SPI_freetuptable(SPI_tuptable);
	if (key == NULL)
		return NULL;
	if (several)
		ereport(ERROR,
				(errcode(ERRCODE_AMBIGUOUS_FUNCTION),
				 errmsg("several meters are named \"%.*s\"", len, name),
				 errhint("Use the meter's key or id.")));
	found = meter_cache_meter(organization, key, strlen(key));
	if (found && !passing)
		enter(names, organization, alias, len + 1, (void *) found);
	return found;
}

/* The version whose range contains t, or NULL. */
const MeterPlan *
meter_entry_version(const MeterEntry *meter, TimestampTz t)
{
	/* the newest ones are asked for most */
	for (int i = meter->nversions - 1; i >= 0; i--)
	{
		const MeterPlan *plan = meter->versions[i];

		if (t >= plan->effective_from && t < plan->effective_to)
			return plan;
	}
	return NULL;
}

PG_FUNCTION_INFO_V1(meter_definitions_changed);

/* Trigger of the catalog tables: make every backend's plans stale at commit. */
Datum
meter_definitions_changed(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("meter.definitions_changed must be called as a trigger")));
	CacheInvalidateRelcacheByRelid(get_relname_relid("meter_version",
													 get_namespace_oid("meter", false)));
	return PointerGetDatum(NULL);
}
