/*
 * store_rollup_replace.c
 *		The rollup store, for counting events anew: a meter's cells in some
 *		hours give way to others.
 *
 * Of the pages of a day those that hold such cells are taken away; what else
 * they hold and the new cells are appended as pages of the last level.  Under
 * the exclusive lock (locks.h) nobody else takes pages away, so all that the
 * snapshot shows is there; what is being appended meanwhile it does not show,
 * and stays.  Days are done one after the other, a few small ones at a time, so
 * memory does not grow with the range.
 */
#include "engine/store.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/itemptr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "engine/cells.h"
#include "engine/rollup_page.h"
#include "engine/spi.h"
#include "engine/store_rollup.h"

#define SCAN_BATCH 64

/* Days are written together until they hold as much. */
#define FLUSH_BYTES (4 * 1024 * 1024)

typedef struct Replace
{
	const pg_uuid_t *organization;
	const int32 *hours;			/* sorted */
	int			nhours;
	const int32 *versions;		/* sorted */
	int			nversions;
	const MeterRollupDelta *deltas; /* those that are left */
	int			ndeltas;
	MemoryContext context;		/* of what is taken; reset by a flush */
	MemoryContext page;			/* of the page looked at */
	Size		bytes;
	MeterRollupDelta *kept;
	int			nkept;
	int			kept_size;
	ItemPointerData *taken;
	int			ntaken;
	int			taken_size;
} Replace;

static bool
has_number(const int32 *list, int n, int32 number)
{
	int			low = 0;

	while (low < n)
	{
		int			middle = (low + n) / 2;

		if (list[middle] == number)
			return true;
		if (list[middle] < number)
			low = middle + 1;
		else
			n = middle;
	}
	return false;
}

/* Does an entry hold cells that are to go? */
static bool
has_cells(const Replace *replace, const MeterRollupDelta *entry)
{
	MeterText	rest = entry->cells;
	MeterCell	cell;

	if (!has_number(replace->hours, replace->nhours, entry->hour))
		return false;
	while (meter_cell_next(&rest, &cell))
	{
		if (has_number(replace->versions, replace->nversions, cell.version_id))
			return true;
	}
	return false;
}

/* The cells of an entry that stay; they point into it where all do. */
static MeterText
cells_that_stay(const Replace *replace, const MeterRollupDelta *entry)
{
	MeterText	rest = entry->cells;
	MeterText	before = rest;
	MeterCell	cell;
	StringInfoData buf;

	if (!has_cells(replace, entry))
		return entry->cells;
	initStringInfo(&buf);
	for (; meter_cell_next(&rest, &cell); before = rest)
	{
		if (!has_number(replace->versions, replace->nversions, cell.version_id))
			appendBinaryStringInfo(&buf, before.data, before.len - rest.len);
	}
	return (MeterText) {buf.data, buf.len};
}

/* Does a page hold cells that are to go? */
static bool
is_concerned(const Replace *replace, int32 day, MeterText rest)
{
	MeterRollupDelta entry;
	int64		series = 0;

	while (meter_rollup_next(&rest, day, &series, &entry))
	{
		if (has_cells(replace, &entry))
			return true;
	}
	return false;
}

/* Room for one more of an array. */
static void *
grow(void *array, int used, int *size, Size item)
{
	if (used < *size)
		return array;
	*size = Max(*size * 2, 64);
	return array ? repalloc_huge(array, *size * item) : palloc_extended(*size * item, MCXT_ALLOC_HUGE);
}

static void
keep(Replace *replace, const MeterRollupDelta *entry)
{
	replace->kept = grow(replace->kept, replace->nkept, &replace->kept_size, sizeof(MeterRollupDelta));
	replace->kept[replace->nkept++] = *entry;
}

/* Take a page, and keep what stays of it; its bytes live as long as the context. */
static void
take_page(Replace *replace, const ItemPointerData *tid, int32 day, MeterText rest)
{
	MeterRollupDelta entry;
	int64		series = 0;

	replace->taken = grow(replace->taken, replace->ntaken, &replace->taken_size, sizeof(ItemPointerData));
	replace->taken[replace->ntaken++] = *tid;
	replace->bytes += rest.len;
	while (meter_rollup_next(&rest, day, &series, &entry))
	{
		entry.cells = cells_that_stay(replace, &entry);
		if (entry.cells.len > 0)
			keep(replace, &entry);
	}
}

static void
delete_pages(const Replace *replace)
{
	static MeterStatement statement = {
		"DELETE FROM meter.rollup AS r WHERE r.ctid = ANY ($2) AND r.organization_id = $1",
		2, {UUIDOID, TIDARRAYOID}
	};
	Datum		values[2];
	Datum	   *tids = palloc(Max(replace->ntaken, 1) * sizeof(Datum));

	if (replace->ntaken == 0)
		return;
	for (int i = 0; i < replace->ntaken; i++)
		tids[i] = PointerGetDatum(&replace->taken[i]);
	values[0] = UUIDPGetDatum(replace->organization);
	values[1] = meter_spi_array(tids, NULL, replace->ntaken, TIDOID);
	meter_spi_execute(&statement, values, NULL, false);
	if (SPI_processed != replace->ntaken)
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
				 errmsg("a trigger or policy of meter.rollup keeps rows out that counting anew needs")));
}

/* Write what was kept and the deltas of days up to this one. */
static void
flush_days(Replace *replace, int32 day)
{
	MemoryContext old = MemoryContextSwitchTo(replace->context);

	while (replace->ndeltas > 0 && meter_rollup_day(replace->deltas->hour) <= day)
	{
		keep(replace, replace->deltas++);
		replace->ndeltas--;
	}
	delete_pages(replace);
	meter_rollup_append(replace->organization, METER_ROLLUP_LAST_LEVEL, replace->kept,
						meter_rollup_combine(replace->kept, replace->nkept));
	MemoryContextSwitchTo(old);
	MemoryContextReset(replace->context);
	replace->kept = NULL;
	replace->nkept = replace->kept_size = 0;
	replace->taken = NULL;
	replace->ntaken = replace->taken_size = 0;
	replace->bytes = 0;
}

/* The days of the hours, in order. */
static Datum
days_array(const int32 *hours, int nhours)
{
	Datum	   *days = palloc(nhours * sizeof(Datum));
	int			n = 0;

	for (int i = 0; i < nhours; i++)
	{
		int32		day = meter_rollup_day(hours[i]);

		if (n == 0 || DatumGetInt32(days[n - 1]) != day)
			days[n++] = Int32GetDatum(day);
	}
	return meter_spi_array(days, NULL, n, INT4OID);
}

/* Look at a page of the result. */
static void
visit_page(Replace *replace, uint64 row, int32 day)
{
	MemoryContext old = MemoryContextSwitchTo(replace->page);
	MeterText	entries = meter_spi_get_text(row, 3);

	if (is_concerned(replace, day, entries))
	{
		bool		isnull;
		ItemPointer tid = (ItemPointer) DatumGetPointer(meter_spi_value(row, 1, &isnull));

		MemoryContextSwitchTo(replace->context);
		entries.data = memcpy(palloc(entries.len), entries.data, entries.len);
		take_page(replace, tid, day, entries);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(replace->page);
}

/* Replace a meter's cells; see store.h. */
void
meter_rollup_replace(const pg_uuid_t *organization, const int32 *hours, int nhours,
					 const int32 *versions, int nversions,
					 const MeterRollupDelta *deltas, int n)
{
	static MeterStatement statement = {
		"SELECT p.ctid, p.day, p.entries FROM pg_catalog.unnest($2) AS d(day),"
		" LATERAL (SELECT p.ctid, p.day, p.entries FROM meter.rollup AS p"
		" WHERE p.organization_id = $1 AND p.day = d.day OFFSET 0) AS p",
		2, {UUIDOID, INT4ARRAYOID}
	};
	Replace		replace = {
		.organization = organization, .hours = hours, .nhours = nhours,
		.versions = versions, .nversions = nversions, .deltas = deltas, .ndeltas = n
	};
	Datum		values[2];
	Portal		portal;
	uint64		rows;
	int32		last = 0;

	if (nhours == 0)
		return;
	replace.context = AllocSetContextCreate(CurrentMemoryContext, "meter rollup replace",
											ALLOCSET_DEFAULT_SIZES);
	replace.page = AllocSetContextCreate(CurrentMemoryContext, "meter rollup page",
										 ALLOCSET_DEFAULT_SIZES);
	values[0] = UUIDPGetDatum(organization);
	values[1] = days_array(hours, nhours);
	portal = meter_spi_open(&statement, values, NULL, true);
	do
	{
		SPITupleTable *table;

		CHECK_FOR_INTERRUPTS();
		rows = meter_spi_fetch(portal, SCAN_BATCH);
		table = SPI_tuptable;
		for (uint64 row = 0; row < rows; row++)
		{
			bool		isnull;
			int32		day = DatumGetInt32(meter_spi_value(row, 2, &isnull));

			if (day != last && replace.bytes >= FLUSH_BYTES)
				flush_days(&replace, last);
			last = day;
			SPI_tuptable = table;
			visit_page(&replace, row, day);
		}
		SPI_freetuptable(table);
	} while (rows == SCAN_BATCH);
	SPI_cursor_close(portal);
	flush_days(&replace, meter_rollup_day(hours[nhours - 1]));
	MemoryContextDelete(replace.page);
	MemoryContextDelete(replace.context);
}
