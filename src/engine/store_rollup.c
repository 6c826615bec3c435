/*
 * store_rollup.c
 *		The rollup store: usage states by series and hour, log-structured.
 *
 * A batch is sorted and appended as one or a few pages (rollup_page.h) a day;
 * nothing is updated, so transactions wait for nobody and write little.  Pages
 * have levels.  Most batches append at level 0.  One in FANOUT takes the day's
 * pages of level 0 away, merges them with its own entries and appends the
 * result at level 1; one in FANOUT * FANOUT also takes level 1, and so on.  So
 * each level holds about FANOUT runs, an entry is rewritten once a level, and
 * nobody has to count.  At the last level only pages that are not full yet are
 * taken again.  A batch that takes level 1 also takes all of the day before,
 * which is over by then as a rule: past days stand in one run.
 *
 * What one transaction takes away is locked by it (SKIP LOCKED: another one
 * takes what is left), and a reader's snapshot sees either the old pages or
 * the new one.  A transaction that keeps one snapshot takes nothing: pages
 * taken by others since would fail it.
 */
#include "engine/store.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "engine/locks.h"
#include "engine/rollup_page.h"
#include "engine/spi.h"
#include "engine/store_rollup.h"

#define FANOUT 8

/* Single reports leave pages so small that more of them may wait. */
#define SMALL_BATCH 4
#define SMALL_FANOUT 32
/* Pages read at a time: as many as malloc gives without asking the kernel. */
#define SCAN_BATCH 16

/* Up to so many series are probed one by one, up to so many days likewise. */
#define PROBE_SERIES 32
#define PROBE_DAYS 400

/* How many levels a batch of n entries takes away. */
static int
choose_level(const pg_uuid_t *organization, int n)
{
	int			level = 0;

	if (IsolationUsesXactSnapshot() || meter_spi_chaining())
		return 0;
	if (n <= SMALL_BATCH && pg_prng_uint64(&pg_global_prng_state) % (SMALL_FANOUT / FANOUT) != 0)
		return 0;
	while (level < METER_ROLLUP_LAST_LEVEL && pg_prng_uint64(&pg_global_prng_state) % FANOUT == 0)
		level++;
	/* not while events are counted anew (locks.h) */
	return level > 0 && meter_lock_rollups_try(organization) ? level : 0;
}

/* Take the days' pages below a level away; their entries join the list, and
 * live as long as *taken. */
static int
take_pages(const pg_uuid_t *organization, Datum *days, int ndays, int level,
		   MeterRollupDelta **deltas, int n, SPITupleTable **taken)
{
	static MeterStatement statement = {
		/* each day by itself: for an array the planner may read all days */
		"DELETE FROM meter.rollup AS r WHERE r.ctid = ANY (ARRAY("
		" SELECT p.ctid FROM pg_catalog.unnest($2) AS d(day), LATERAL ("
		" SELECT p.ctid FROM meter.rollup AS p"
		" WHERE p.organization_id = $1 AND p.day = d.day AND p.level <= $3"
		" AND (p.level < $3 OR pg_catalog.octet_length(p.entries) < $4)"
		" OFFSET 0 FOR UPDATE SKIP LOCKED) AS p))"
		" RETURNING r.day, r.entries",
		4, {UUIDOID, INT4ARRAYOID, INT2OID, INT4OID}
	};
	Datum		values[4];
	int			size = Max(n, 1);

	values[0] = UUIDPGetDatum(organization);
	values[1] = meter_spi_array(days, NULL, ndays, INT4OID);
	values[2] = Int16GetDatum(level);
	values[3] = Int32GetDatum(level == METER_ROLLUP_LAST_LEVEL ? METER_ROLLUP_PAGE_BYTES / 2 : 0);
	meter_spi_execute(&statement, values, NULL, false);
	*taken = SPI_tuptable;
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		isnull;
		int32		day = DatumGetInt32(meter_spi_value(row, 1, &isnull));
		MeterText	rest = meter_spi_get_text(row, 2);
		MeterRollupDelta entry;
		int64		series = 0;

		while (meter_rollup_next(&rest, day, &series, &entry))
		{
			if (n >= size)
			{
				size *= 2;
				*deltas = repalloc_huge(*deltas, size * sizeof(MeterRollupDelta));
			}
			(*deltas)[n++] = entry;
		}
	}
	return meter_rollup_combine(*deltas, n);
}

static void
append_pages(const pg_uuid_t *organization, int level, const MeterRollupPage *pages, int n)
{
	static MeterInsert insert = {
		.table = "meter.rollup", .tail = "",
		.nfixed = 2, .ncolumns = 6, .columns = {
			{"organization_id", UUIDOID}, {"level", INT2OID}, {"day", INT4OID},
			{"series_min", INT8OID}, {"series_max", INT8OID}, {"entries", BYTEAOID}
		}
	};
	Datum	   *columns = palloc(4 * n * sizeof(Datum));
	Datum		fixed[2];
	bool		isnull;

	for (int i = 0; i < n; i++)
	{
		columns[i] = Int32GetDatum(pages[i].day);
		columns[n + i] = Int64GetDatum(pages[i].series_min);
		columns[2 * n + i] = Int64GetDatum(pages[i].series_max);
		columns[3 * n + i] = meter_spi_text(pages[i].entries, &isnull);
	}
	fixed[0] = UUIDPGetDatum(organization);
	fixed[1] = Int16GetDatum(level);
	meter_spi_insert(&insert, fixed, columns, NULL, n);
}

/* Append sorted entries, day by day; see store_rollup.h. */
void
meter_rollup_append(const pg_uuid_t *organization, int level, const MeterRollupDelta *list, int n)
{
	MeterRollupPage *pages = NULL;
	int			npages = 0;
	int			size = 0;

	for (int i = 0; i < n;)
	{
		int			first = i;
		int32		day = meter_rollup_day(list[i].hour);

		while (i < n && meter_rollup_day(list[i].hour) == day)
			i++;
		npages = meter_rollup_cut(day, list + first, i - first, &pages, npages, &size);
	}
	if (npages > 0)
		append_pages(organization, level, pages, npages);
}

/* Bring what the days hold below a level into one run of that level. */
static void
merge_days(const pg_uuid_t *organization, Datum *days, int ndays, int level)
{
	MeterRollupDelta *list = palloc(sizeof(MeterRollupDelta));
	SPITupleTable *taken;
	int			n = take_pages(organization, days, ndays, level, &list, 0, &taken);

	meter_rollup_append(organization, level, list, n);
	SPI_freetuptable(taken);
}

/* Merge deltas; see store.h. */
void
meter_rollup_merge(const pg_uuid_t *organization, const MeterRollupDelta *deltas, int n)
{
	MemoryContext context;
	MemoryContext old;
	MeterRollupDelta *list;
	Datum	   *days;
	int			ndays = 0;
	int			level = choose_level(organization, n);
	SPITupleTable *taken = NULL;

	if (n == 0)
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "meter rollup merge",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	list = memcpy(palloc(n * sizeof(MeterRollupDelta)), deltas, n * sizeof(MeterRollupDelta));
	n = meter_rollup_combine(list, n);
	days = palloc(n * sizeof(Datum));
	for (int i = 0; i < n; i++)
	{
		if (i == 0 || meter_rollup_day(list[i].hour) != meter_rollup_day(list[i - 1].hour))
			days[ndays++] = Int32GetDatum(meter_rollup_day(list[i].hour));
	}
	if (level > 0)
		n = take_pages(organization, days, ndays, level, &list, n, &taken);
	meter_rollup_append(organization, level, list, n);
	SPI_freetuptable(taken);
	if (level > 1)
	{
		for (int d = 0; d < ndays; d++)
			days[d] = Int32GetDatum(DatumGetInt32(days[d]) - 1);
		merge_days(organization, days, ndays, METER_ROLLUP_LAST_LEVEL);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* Merge what single reports left; see store.h. */
void
meter_rollup_tidy(const pg_uuid_t *organization, int32 hour)
{
	MemoryContext context;
	MemoryContext old;
	Datum		day = Int32GetDatum(meter_rollup_day(hour));
	int			level = choose_level(organization, 1);

	if (level == 0)
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "meter rollup tidy",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	merge_days(organization, &day, 1, level);
	if (level > 1)
	{
		day = Int32GetDatum(meter_rollup_day(hour) - 1);
		merge_days(organization, &day, 1, METER_ROLLUP_LAST_LEVEL);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

static int
id_cmp(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return x < y ? -1 : x > y;
}

/* What a scan looks for. */
typedef struct RollupScan
{
	const int64 *ids;			/* sorted */
	int			n;
	int32		from;			/* hours */
	int32		to;
	MeterRollupVisit visit;
	void	   *arg;
} RollupScan;

/* Visit what a page holds of the ids. */
static void
visit_page(const RollupScan *scan, int32 day, MeterText rest)
{
	MeterRollupDelta entry;
	int64		series = 0;
	int			at = 0;

	/* entries and ids are both sorted */
	while (meter_rollup_next(&rest, day, &series, &entry))
	{
		while (at < scan->n && scan->ids[at] < entry.series_id)
			at++;
		if (at == scan->n)
			return;
		if (scan->ids[at] == entry.series_id && entry.hour >= scan->from && entry.hour < scan->to)
			scan->visit(scan->arg, entry.series_id, entry.hour, entry.cells);
	}
}

/* Visit the rows of a statement: a series (0 for any), a day, a page. */
static void
scan_pages(MeterStatement *statement, Datum *values, const RollupScan *scan)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "meter rollup scan",
												  ALLOCSET_DEFAULT_SIZES);
	Portal		portal = meter_spi_open(statement, values, NULL, true);
	uint64		rows;

	do
	{
		SPITupleTable *table;

		CHECK_FOR_INTERRUPTS();
		rows = meter_spi_fetch(portal, SCAN_BATCH);
		table = SPI_tuptable;
		for (uint64 r = 0; r < rows; r++)
		{
			bool		isnull;
			int64		id = DatumGetInt64(meter_spi_value(r, 1, &isnull));
			int32		day = DatumGetInt32(meter_spi_value(r, 2, &isnull));
			MemoryContext old = MemoryContextSwitchTo(context);
			MeterText	entries = meter_spi_get_text(r, 3);

			/* a page that was compressed goes with its row, what visitors keep does not */
			MemoryContextSwitchTo(old);
			if (id == 0)
				visit_page(scan, day, entries);
			else
			{
				RollupScan	one = *scan;

				one.ids = &id;
				one.n = 1;
				visit_page(&one, day, entries);
			}
			MemoryContextReset(context);
		}
		SPI_freetuptable(table);
	} while (rows == SCAN_BATCH);
	SPI_cursor_close(portal);
	MemoryContextDelete(context);
}

/* Each day and series by itself: for arrays the planner may read all of both. */
#define PROBE_SELECT(source, days) \
	"SELECT u.id, r.day, r.entries FROM pg_catalog.unnest($2) AS u(id), " source \
	" LATERAL (SELECT p.day, p.entries FROM meter.rollup AS p" \
	" WHERE p.organization_id = $1 AND " days \
	" AND p.series_max >= u.id AND p.series_min <= u.id OFFSET 0) AS r"

/* Visit the rollups of some series; see store.h. */
void
meter_rollup_scan(const pg_uuid_t *organization, const int64 *series, int n,
				  int32 from, int32 to, MeterRollupVisit visit, void *arg)
{
	static MeterStatement probe_days = {
		PROBE_SELECT("pg_catalog.unnest($3) AS d(day),", "p.day = d.day"), 3, {UUIDOID, INT8ARRAYOID, INT4ARRAYOID}
	};
	static MeterStatement probe_range = {
		PROBE_SELECT("", "p.day >= $3 AND p.day <= $4"), 4, {UUIDOID, INT8ARRAYOID, INT4OID, INT4OID}
	};
	static MeterStatement all = {
		"SELECT 0::bigint, p.day, p.entries FROM meter.rollup AS p"
		" WHERE p.organization_id = $1 AND p.day >= $2 AND p.day <= $3",
		3, {UUIDOID, INT4OID, INT4OID}
	};
	int64	   *ids;
	RollupScan	scan = {.n = n, .from = from, .to = to, .visit = visit, .arg = arg};
	Datum		values[4];
	int32		first = meter_rollup_day(from);
	int32		last = meter_rollup_day(to - 1);

	if (n == 0 || from >= to)
		return;
	scan.ids = ids = memcpy(palloc_extended(n * sizeof(int64), MCXT_ALLOC_HUGE), series, n * sizeof(int64));
	qsort(ids, n, sizeof(int64), id_cmp);
	values[0] = UUIDPGetDatum(organization);
	if (n > PROBE_SERIES)
	{
		values[1] = Int32GetDatum(first);
		values[2] = Int32GetDatum(last);
		scan_pages(&all, values, &scan);
	}
	else
	{
		bool		probed = (int64) last - first < PROBE_DAYS;
		Datum	   *list = palloc(Max(n, PROBE_DAYS) * sizeof(Datum));

		for (int i = 0; i < n; i++)
			list[i] = Int64GetDatum(ids[i]);
		values[1] = meter_spi_array(list, NULL, n, INT8OID);
		for (int32 day = first; probed && day <= last; day++)
			list[day - first] = Int32GetDatum(day);
		values[2] = probed ? meter_spi_array(list, NULL, last - first + 1, INT4OID) : Int32GetDatum(first);
		values[3] = Int32GetDatum(last);
		scan_pages(probed ? &probe_days : &probe_range, values, &scan);
	}
}
