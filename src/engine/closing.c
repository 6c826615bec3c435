/*
 * closing.c
 *		Windows that are over are closed: meter.close_windows().
 *
 * Each meter by itself, in a subtransaction: one that cannot be computed keeps
 * no other from being closed.  Meters that another session is at are left to
 * it; so are those that an ingestion holds that does not end (closing.h).
 *
 * A meter's horizon moves in steps, each over as many windows as can be held in
 * memory at once.  A step computes whole runs of windows, one question about
 * usage each, and the horizon is written where the last step ended: a call that
 * has written enough leaves the rest to the next one.
 */
#include "engine/closing_private.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "engine/locks.h"
#include "engine/rollup_page.h"
#include "engine/spi.h"

/* So many states are held in memory at once, were there one for each series and
 * window; where there are few, a step may take as many times that. */
#define STEP_STATES 200000
#define STEP_GROWTH 16
#define STEP_WINDOWS 20000

/* Milliseconds that a call waits for ingestion in flight, for one meter and in all. */
#define WAIT_METER 500
#define WAIT_CALL 2000

/* A meter as it is listed. */
typedef struct Candidate
{
	pg_uuid_t	organization;
	char	   *id;
	TimestampTz horizon;
	TimestampTz archived_at;	/* or DT_NOEND */
	bool		queued;
} Candidate;

typedef struct Closer
{
	MeterHolders holders;
	int64		left;			/* results this call may still write */
	int			wait;			/* milliseconds it may still wait */
} Closer;

/* All meters, or those of one organization. */
static int
list_meters(const pg_uuid_t *organization, Candidate **list)
{
	static MeterStatement statement = {
		"SELECT m.organization_id, m.id::text, coalesce(h.horizon, '-infinity'), coalesce(m.archived_at, 'infinity'),"
		" EXISTS (SELECT FROM meter.revision_queue AS q"
		" WHERE q.organization_id = m.organization_id AND q.meter_id = m.id)"
		" FROM meter.meter AS m"
		" LEFT JOIN meter.window_horizon AS h ON h.organization_id = m.organization_id AND h.meter_id = m.id"
		" WHERE ($1 IS NULL OR m.organization_id = $1) AND meter.in_claims(m.organization_id)"
		" ORDER BY m.organization_id, m.meter_no",
		1, {UUIDOID}
	};
	Datum		value = organization ? UUIDPGetDatum(organization) : (Datum) 0;
	bool		isnull;
	int			n;

	meter_spi_execute(&statement, &value, organization ? " " : "n", false);
	n = (int) SPI_processed;
	*list = palloc_extended(Max(n, 1) * sizeof(Candidate), MCXT_ALLOC_HUGE);
	for (int i = 0; i < n; i++)
		(*list)[i] = (Candidate) {
			.organization = *DatumGetUUIDP(meter_spi_value(i, 1, &isnull)),
				.id = TextDatumGetCString(meter_spi_value(i, 2, &isnull)),
				.horizon = DatumGetTimestampTz(meter_spi_value(i, 3, &isnull)),
				.archived_at = DatumGetTimestampTz(meter_spi_value(i, 4, &isnull)),
				.queued = DatumGetBool(meter_spi_value(i, 5, &isnull))
		};
	SPI_freetuptable(SPI_tuptable);
	return n;
}

/*
 * How far windows of the meter may be closed: when it was archived, its values
 * would persist for ever; the last windows are those that hold that moment.
 */
static TimestampTz
may_close(const Closer *closer, const Candidate *candidate, const MeterLane *lanes, int nlanes)
{
	TimestampTz upto = meter_holders_horizon(&closer->holders, &candidate->organization);
	TimestampTz last = DT_NOBEGIN;

	if (TIMESTAMP_IS_NOEND(candidate->archived_at))
		return upto;
	for (int l = 0; l < nlanes; l++)
	{
		MeterPiece	piece;

		if (!meter_lane_piece(&lanes[l], (MeterText) {NULL, 0}, candidate->archived_at, &piece))
			continue;
		/* a subscription's may be longer */
		if (meter_span_billing(&lanes[l].spans[piece.span]))
			return upto;
		last = Max(last, piece.due);
	}
	return Min(upto, last);
}

/* Is a window of the meter due? */
static bool
is_due(const MeterLane *lanes, int nlanes, TimestampTz after, TimestampTz upto)
{
	if (TIMESTAMP_IS_NOBEGIN(after))
		return upto > after;
	for (int l = 0; l < nlanes; l++)
	{
		for (int s = 0; s < lanes[l].nspans; s++)
		{
			const MeterLaneSpan *span = &lanes[l].spans[s];
			MeterPieces pieces = {0};
			TimestampTz to = upto;

			/* whose windows depend on subjects */
			if (meter_span_billing(span))
				return upto > after;
			for (int v = span->first; v <= span->last && pieces.n == 0; v++)
				meter_lane_due(&lanes[l], v, after, &to, NULL, 1, &pieces);
			if (pieces.n > 0)
				return true;
		}
	}
	return false;
}

/* Keep of the windows those due by then. */
static void
keep_due(MeterPieces *pieces, TimestampTz upto)
{
	int			n = 0;

	for (int i = 0; i < pieces->n; i++)
	{
		if (pieces->list[i].due <= upto)
			pieces->list[n++] = pieces->list[i];
	}
	pieces->n = n;
}

/* The days that may matter to windows due after a time. */
static void
find_days(const MeterLane *lanes, int nlanes, const MeterSeriesExtent *extent,
		  TimestampTz after, TimestampTz upto, MeterDays *days)
{
	TimestampTz first = upto;
	int32		from = PG_INT32_MIN;

	for (int l = 0; l < nlanes; l++)
		first = Min(first, meter_lane_first(&lanes[l], after));
	if (!TIMESTAMP_IS_NOBEGIN(first))
		from = meter_rollup_day((int32) meter_hour_of(first));
	meter_usage_days(lanes[0].organization, extent, from, meter_rollup_day((int32) meter_hour_of(upto)),
					 PG_INT32_MAX, days);
}

/* One step of a meter's horizon: close what is due after it, as much as fits
 * into memory, and return how far that is. */
static TimestampTz
close_step(MeterClosing *closing, const MeterLane *lanes, int nlanes, TimestampTz after, TimestampTz upto,
		   const MeterDays *days, int limit)
{
	static const MeterClosingSubject everybody = {.every = true};
	MeterPieces *pieces = palloc0(nlanes * sizeof(MeterPieces));

	for (int l = 0; l < nlanes; l++)
	{
		for (int s = 0; s < lanes[l].nspans; s++)
		{
			const MeterLaneSpan *span = &lanes[l].spans[s];

			for (int v = span->first; v <= span->last && !meter_span_billing(span); v++)
				meter_lane_due(&lanes[l], v, after, &upto, days, limit, &pieces[l]);
		}
	}
	for (int l = 0; l < nlanes; l++)
	{
		keep_due(&pieces[l], upto);
		meter_closing_runs(closing, &lanes[l], &pieces[l], &everybody);
		meter_billing_close(closing, &lanes[l], after, upto, days);
	}
	return upto;
}

/* Close the windows of a meter that are due, as far as the call may go. */
static void
close_meter(Closer *closer, MeterClosing *closing, const Candidate *candidate, const MeterEntry *meter)
{
	MeterLane  *lanes;
	int			nlanes = meter_lanes_list(&closing->organization, meter, &lanes);
	TimestampTz upto = may_close(closer, candidate, lanes, nlanes);
	TimestampTz horizon;
	TimestampTz at;
	MeterSeriesExtent extent;
	MeterDays	days;
	int64		least;
	int64		limit;
	MemoryContext step;

	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	at = horizon = meter_horizon_read(&closing->organization, &meter->id);
	if (nlanes == 0 || !is_due(lanes, nlanes, horizon, upto))
	{
		PopActiveSnapshot();
		return;
	}
	meter_series_extent(&closing->organization, meter, &extent);
	find_days(lanes, nlanes, &extent, horizon, upto, &days);
	PopActiveSnapshot();

	least = limit = Max(STEP_STATES / Max(extent.n, 1), 1);
	step = AllocSetContextCreate(CurrentMemoryContext, "meter closing step", ALLOCSET_DEFAULT_SIZES);
	while (at < upto && closing->written < closer->left)
	{
		MemoryContext old = MemoryContextSwitchTo(step);
		int64		before = closing->written;

		at = close_step(closing, lanes, nlanes, at, upto, &days,
						Min(Min(limit, STEP_WINDOWS), closer->left - closing->written));
		limit = closing->written - before > STEP_STATES / 2 ? least : Min(2 * limit, STEP_GROWTH * least);
		MemoryContextSwitchTo(old);
		MemoryContextReset(step);
	}
	if (at > horizon)
		meter_horizon_write(&closing->organization, &meter->id, at);
}

/* Take a meter's locks and do its work. */
static void
visit_meter(Closer *closer, MeterClosing *closing, const Candidate *candidate)
{
	const pg_uuid_t *organization = &candidate->organization;
	const MeterEntry *meter = meter_cache_meter(organization, candidate->id, strlen(candidate->id));
	MeterLane  *lanes;
	int			nlanes;

	if (meter == NULL)
		return;
	nlanes = meter_lanes_list(organization, meter, &lanes);
	if (!candidate->queued &&
		!is_due(lanes, nlanes, candidate->horizon, may_close(closer, candidate, lanes, nlanes)))
		return;
	if (!meter_lock_closer_try(organization, meter->meter_no))
		return;
	meter_lock_horizon_exclusive(organization, meter->meter_no, Min(WAIT_METER, closer->wait));

	/* what was published up to here holds for all that is read from here on */
	meter_cache_refresh(false);
	meter = meter_cache_meter(organization, candidate->id, strlen(candidate->id));
	if (meter == NULL)
		return;
	if (candidate->queued)
		meter_queue_work(closing, meter, closer->left);
	if (closing->written < closer->left)
		close_meter(closer, closing, candidate, meter);
}

/* May a meter fail without failing the call? */
static bool
may_go_on(int sqlerrcode)
{
	return sqlerrcode != ERRCODE_INSUFFICIENT_PRIVILEGE &&
		ERRCODE_TO_CATEGORY(sqlerrcode) != ERRCODE_INSUFFICIENT_RESOURCES &&
		ERRCODE_TO_CATEGORY(sqlerrcode) != ERRCODE_OPERATOR_INTERVENTION;
}

/* Visit a meter in a subtransaction; returns how many results it got. */
static int64
try_meter(Closer *closer, const Candidate *candidate)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	MeterClosing closing = {.organization = candidate->organization};
	TimestampTz began = GetCurrentTimestamp();
	volatile int64 written = 0;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		visit_meter(closer, &closing, candidate);
		written = closing.written;
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (!may_go_on(error->sqlerrcode))
			ReThrowError(error);
		if (error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE)
			closer->wait -= TimestampDifferenceMilliseconds(began, GetCurrentTimestamp());
		else
			ereport(WARNING,
					(errcode(error->sqlerrcode),
					 errmsg("the windows of meter %s could not be closed: %s", candidate->id, error->message),
					 error->detail ? errdetail("%s", error->detail) : 0));
		FreeErrorData(error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return written;
}

/* Close windows; see closing.h. */
int64
meter_close_windows(const pg_uuid_t *organization, int max_results)
{
	Closer		closer = {.left = max_results, .wait = WAIT_CALL};
	Candidate  *list;
	int			n;
	MemoryContext context;

	PreventCommandIfReadOnly("meter.close_windows()");
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("meter.close_windows() needs isolation level READ COMMITTED"),
				 errhint("It looks for transactions in flight and then reads what they left; a snapshot taken before would miss it.")));
	meter_cache_refresh(false);
	meter_holders_look(&closer.holders);
	n = list_meters(organization, &list);
	context = AllocSetContextCreate(CurrentMemoryContext, "meter closing", ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < n && closer.left > 0; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		CHECK_FOR_INTERRUPTS();
		closer.left -= try_meter(&closer, &list[i]);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	return max_results - closer.left;
}
