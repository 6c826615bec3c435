/*
 * reprocess.c
 *		Counting events anew, from the raw events.
 *
 * What a meter has in some hours is computed again from the events that stand
 * there, each by the version that is to count it, and put in the place of what
 * the rollups have.  Events are pages of an hour, cells are by quarter of an
 * hour: so whole hours are done.
 *
 * Under the exclusive rollup lock (locks.h) nobody merges pages and nothing is
 * being taken back.  One snapshot is taken behind it, and by it both sides are
 * read: rollups and events agree in it, as in every snapshot, and what is
 * computed from the one takes the place of the other.  Ingestion goes on
 * meanwhile: what it appends is in neither, and is added to the result when it
 * commits.  It is counted right, since definitions are locked as ingestion locks
 * them: they are the same to both.
 *
 * Done again, it gives the same: whoever was interrupted does the hours again
 * that were not committed.
 */
#include "engine/reprocess_private.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "engine/closing.h"
#include "engine/locks.h"
#include "engine/rollup_page.h"
#include "engine/spi.h"

/* A transaction does hours until their pages hold as much: about half a second. */
#define BATCH_BYTES (16 * 1024 * 1024)

/* ... and no more than a month of them, where there is little. */
#define BATCH_HOURS (31 * METER_DAY_HOURS)

/* Pages read at a time: as many as hold some ten thousand events, fewer where
 * they are large. */
#define CHUNK_PAGES 256
#define CHUNK_BYTES (8 * 1024 * 1024)

/* The hours that are to be done, found by their pages. */
typedef struct Hours
{
	int32	   *list;
	int			n;
	int			size;
	int64		bytes;
	int32		largest;		/* page */
	bool		enough;
} Hours;

static MeterInterval
hours_interval(int32 from, int32 to)
{
	return (MeterInterval) {from * METER_HOUR, to * METER_HOUR};
}

/* Add a page's hour, unless there is enough. */
static bool
visit_size(void *arg, TimestampTz time, int32 bytes)
{
	Hours	   *hours = arg;
	int32		hour = (int32) meter_hour_of(time);

	if (hours->n == 0 || hours->list[hours->n - 1] != hour)
	{
		if (hours->bytes >= BATCH_BYTES)
		{
			hours->enough = true;
			return false;
		}
		hours->list = meter_batch_grow(hours->list, hours->n, &hours->size, sizeof(int32), 64);
		hours->list[hours->n++] = hour;
	}
	hours->bytes += bytes;
	hours->largest = Max(hours->largest, bytes);
	return true;
}

static int
version_cmp(const void *a, const void *b)
{
	int32		x = *(const int32 *) a;
	int32		y = *(const int32 *) b;

	return x < y ? -1 : x > y;
}

/* Every version of the meter, also those that are in force no more. */
static void
find_versions(MeterReprocessBatch *recount)
{
	static MeterStatement statement = {
		"SELECT v.version_id FROM meter.meter_version AS v"
		" WHERE v.organization_id = $1 AND v.meter_id = $2",
		2, {UUIDOID, UUIDOID}
	};
	Datum		values[2];

	values[0] = UUIDPGetDatum(&recount->organization);
	values[1] = UUIDPGetDatum(&recount->meter->id);
	meter_spi_execute(&statement, values, NULL, true);
	recount->nversions = (int) SPI_processed;
	recount->versions = palloc(Max(recount->nversions, 1) * sizeof(int32));
	for (int row = 0; row < recount->nversions; row++)
	{
		bool		isnull;

		recount->versions[row] = DatumGetInt32(meter_spi_value(row, 1, &isnull));
	}
	SPI_freetuptable(SPI_tuptable);
	qsort(recount->versions, recount->nversions, sizeof(int32), version_cmp);
}

/* Count the hours that were found, and put the result in its place. */
static void
recount_hours(MeterReprocessBatch *recount, const Hours *hours, int32 from, int32 to)
{
	MeterInterval interval = hours_interval(from, to);
	int			at_a_time = Max(1, Min(CHUNK_PAGES, CHUNK_BYTES / Max(hours->largest, 1)));

	find_versions(recount);
	recount->nreversed = meter_event_reversed(&recount->organization, recount->type, interval,
											  &recount->reversed);
	meter_event_pages(&recount->organization, recount->type, interval, at_a_time,
					  meter_reprocess_pages, recount);
	recount->ndeltas = meter_rollup_combine(recount->deltas, recount->ndeltas);
	meter_rollup_replace(&recount->organization, hours->list, hours->n,
						 recount->versions, recount->nversions, recount->deltas, recount->ndeltas);
	if (recount->nreversed > 0)
		meter_reversal_settle(&recount->organization, recount->type, interval,
							  recount->versions, recount->nversions);
}

/* Lock, and see what is to be done. */
static void
begin_recount(MeterReprocessBatch *recount, const MeterReprocess *reprocess)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("events cannot be counted anew in a transaction that keeps one snapshot"),
				 errhint("Use isolation level read committed.")));
	/* as ingestion does, so that closing can tell what is in flight */
	(void) GetTopTransactionId();
	meter_lock_definitions_shared(&reprocess->organization);
	meter_lock_rollups_exclusive(&reprocess->organization);
	meter_cache_refresh(true);
	recount->organization = reprocess->organization;
	recount->mode = reprocess->mode;
	recount->meter = meter_cache_meter(&reprocess->organization, reprocess->meter, strlen(reprocess->meter));
	if (recount->meter == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("meter \"%s\" does not exist", reprocess->meter)));
	if (recount->meter->archived && reprocess->mode != METER_REPROCESS_FOLD)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("meter \"%s\" is archived", reprocess->meter)));
	recount->type = (MeterText) {recount->meter->metric_key, strlen(recount->meter->metric_key)};
	recount->now = GetCurrentTimestamp();
	recount->horizon = reprocess->mode == METER_REPROCESS_OPEN ?
		meter_closing_horizon(&reprocess->organization, recount->meter) : DT_NOBEGIN;
}

/* Count some hours anew; see reprocess.h. */
int32
meter_reprocess_hours(const MeterReprocess *reprocess, int64 *events)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "meter reprocess",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	MeterReprocessBatch recount = {.context = context};
	Hours		hours = {0};
	int32		from;
	int32		to = reprocess->to;
	TimestampTz first;
	MeterInterval *gone;

	begin_recount(&recount, reprocess);
	PushActiveSnapshot(GetLatestSnapshot());
	first = meter_event_first(&reprocess->organization, hours_interval(reprocess->from, to));
	if (first != DT_NOEND && meter_event_dropped((MeterInterval) {first, first + 1}, &gone) > 0)
		to = Min(to, (int32) meter_hour_of(gone[0].to));	/* rollups are all there is */
	else if (first != DT_NOEND)
	{
		from = (int32) meter_hour_of(first);
		to = Min(to, from + BATCH_HOURS);
		if (meter_event_dropped(hours_interval(from, to), &gone) > 0)
			to = (int32) meter_hour_of(gone[0].from);
		meter_event_sizes(&reprocess->organization, recount.type, hours_interval(from, to),
						  visit_size, &hours);
		if (hours.enough)
			to = hours.list[hours.n - 1] + 1;
		if (hours.n > 0)
			recount_hours(&recount, &hours, from, to);
	}
	PopActiveSnapshot();
	*events += recount.events;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return to;
}
