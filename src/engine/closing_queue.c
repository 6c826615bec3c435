/*
 * closing_queue.c
 *		Revisions: what changes in windows that are finalized.
 *
 * What a transaction changed is compared at once where it is little and nobody
 * else is writing revisions of the meter, else by the next closing, which finds
 * it in a queue.  A row of the queue says where to look, not what changed: two
 * transactions that changed the same window make one revision, and a window
 * that is not finalized when its row is found needs none, since whoever
 * finalizes it sees the change.
 *
 * Where values persist, a change goes on into every window behind it.
 */
#include "engine/closing_private.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "engine/locks.h"
#include "engine/spi.h"

/* So many windows are compared within the transaction that changed them. */
#define WINDOWS_AT_ONCE 64

/* So many rows one call leaves in the queue, or a closing takes at a time. */
#define QUEUE_ROWS 1000

/* So many subjects are compared one by one, and so many states at once. */
#define SUBJECTS_ONE_BY_ONE 32
#define ROW_STATES 500000
#define ROW_WINDOWS 20000

/* Touches that are as near to each other are one row. */
#define NEAR USECS_PER_HOUR

/* A meter's part of a revision. */
typedef struct Revision
{
	MeterClosing *closing;
	const MeterLane *lanes;
	int			nlanes;
	TimestampTz horizon;
	int64		nseries;		/* of the meter; 0 where not known yet */
	/* while subjects are visited */
	const MeterLane *lane;
	TimestampTz from;
	TimestampTz to;
} Revision;

/* The end of the time in which something changed in a lane. */
static TimestampTz
end_of_change(const Revision *revision, const MeterLane *lane, TimestampTz to)
{
	return lane->persists ? revision->horizon : Min(to, revision->horizon);
}

/* Compare the billing periods of one subject, or of all who have the same. */
static void
revise_billing(void *arg, const MeterClosingSubject *who)
{
	Revision   *revision = arg;
	MeterPieces pieces = {0};
	TimestampTz from = revision->from;

	(void) meter_lane_finalized(revision->lane, who, true, &from, revision->to, revision->horizon,
								METER_USAGE_MAX_WINDOWS, &pieces);
	meter_closing_runs(revision->closing, revision->lane, &pieces, who);
}

/*
 * Compare a lane's finalized windows in [*from, to); false where there are more
 * than limit, with *from behind those compared.
 */
static bool
revise_lane(Revision *revision, const MeterLane *lane, const MeterClosingSubject *who,
			TimestampTz *from, TimestampTz to, int limit)
{
	MeterPieces pieces = {0};
	TimestampTz begin = *from;
	bool		all = meter_lane_finalized(lane, who, false, from, to, revision->horizon, limit, &pieces);

	meter_closing_runs(revision->closing, lane, &pieces, who);
	revision->lane = lane;
	revision->from = begin;
	revision->to = all ? to : *from;
	if (who->every)
		meter_billing_each(lane, revise_billing, revision);
	else
		revise_billing(revision, who);
	return all;
}

/* How many finalized windows of one subject, or every one, a change is in, up
 * to limit. */
static int
count_windows(const Revision *revision, const MeterQueued *row, int limit)
{
	MeterClosingSubject who = {.every = row->every, .subject = row->subject};
	int			n = 0;

	for (int l = 0; l < revision->nlanes && n < limit; l++)
	{
		for (int billing = 0; billing < 2; billing++)
		{
			MeterPieces pieces = {0};
			TimestampTz from = row->from;

			if (!meter_lane_finalized(&revision->lanes[l], &who, billing, &from,
									  end_of_change(revision, &revision->lanes[l], row->to),
									  revision->horizon, limit, &pieces))
				return limit;
			n += pieces.n;
		}
	}
	return Min(n, limit);
}

/* How many windows a question about a row may have. */
static int
question_limit(Revision *revision, const MeterQueued *row)
{
	MeterSeriesExtent extent;

	if (!row->every)
		return ROW_WINDOWS;
	if (revision->nseries == 0)
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		meter_series_extent(&revision->closing->organization, revision->lanes[0].meter, &extent);
		PopActiveSnapshot();
		revision->nseries = Max(extent.n, 1);
	}
	return (int) Min(Max(ROW_STATES / revision->nseries, 1), ROW_WINDOWS);
}

/* Compare all that a row is about; what is too much goes back into the queue. */
static void
revise_row(Revision *revision, const MeterQueued *row)
{
	MeterClosingSubject who = {.every = row->every, .subject = row->subject};

	revision->closing->reason = row->reason;
	for (int l = 0; l < revision->nlanes; l++)
	{
		const MeterLane *lane = &revision->lanes[l];
		TimestampTz from = row->from;
		TimestampTz to = end_of_change(revision, lane, row->to);

		if (!revise_lane(revision, lane, &who, &from, to, question_limit(revision, row)))
		{
			MeterQueued rest = *row;

			rest.from = from;
			rest.to = to;
			meter_queue_append(lane->organization, &lane->meter->id, &rest, 1);
		}
	}
}

static int
row_cmp(const void *pa, const void *pb)
{
	const MeterQueued *a = pa;
	const MeterQueued *b = pb;
	int			cmp = strcmp(a->reason, b->reason);

	if (cmp == 0)
		cmp = (int) b->every - (int) a->every;
	if (cmp == 0)
		cmp = (a->subject.data == NULL) - (b->subject.data == NULL);
	if (cmp == 0 && a->subject.data)
		cmp = memcmp(a->subject.data, b->subject.data, Min(a->subject.len, b->subject.len));
	if (cmp == 0)
		cmp = a->subject.len - b->subject.len;
	return cmp != 0 ? cmp : a->from < b->from ? -1 : a->from > b->from;
}

/* Put rows together that are about the same and near to each other; returns how
 * many are left. */
static int
merge_rows(MeterQueued *rows, int n)
{
	int			kept = 0;

	qsort(rows, n, sizeof(MeterQueued), row_cmp);
	for (int i = 0; i < n; i++)
	{
		MeterQueued *last = kept > 0 ? &rows[kept - 1] : NULL;

		if (last && strcmp(last->reason, rows[i].reason) == 0 && last->every == rows[i].every &&
			(last->subject.data == NULL) == (rows[i].subject.data == NULL) &&
			last->subject.len == rows[i].subject.len &&
			(last->subject.data == NULL || memcmp(last->subject.data, rows[i].subject.data, last->subject.len) == 0) &&
			(rows[i].from <= last->to || rows[i].from - last->to < NEAR))
			last->to = Max(last->to, rows[i].to);
		else
			rows[kept++] = rows[i];
	}
	return kept;
}

/* The same, and fewer than limit: at the price of comparing more than changed. */
static int
merge_rows_to(MeterQueued *rows, int n, int limit)
{
	n = merge_rows(rows, n);
	if (n <= limit)
		return n;
	for (int i = 0; i < n; i++)
	{
		rows[i].every = true;
		rows[i].subject = (MeterText) {NULL, 0};
	}
	return merge_rows(rows, n);
}

/* Ready the revision of a meter. */
static Revision
begin_revision(MeterClosing *closing, const MeterEntry *meter, TimestampTz horizon)
{
	Revision	revision = {.closing = closing, .horizon = horizon};
	MeterLane  *lanes;

	revision.nlanes = meter_lanes_list(&closing->organization, meter, &lanes);
	revision.lanes = lanes;
	return revision;
}

/* Work off the queue; see closing_private.h. */
void
meter_queue_work(MeterClosing *closing, const MeterEntry *meter, int64 most)
{
	Revision	revision;
	MemoryContext context;
	int			n;

	if (!meter_lock_revising_try(&closing->organization, meter->meter_no))
		return;
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	revision = begin_revision(closing, meter, meter_horizon_read(&closing->organization, &meter->id));
	PopActiveSnapshot();
	context = AllocSetContextCreate(CurrentMemoryContext, "meter revisions", ALLOCSET_DEFAULT_SIZES);
	do
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		MeterQueued *rows;

		n = meter_queue_take(&closing->organization, &meter->id, QUEUE_ROWS, &rows);
		n = merge_rows_to(rows, n, SUBJECTS_ONE_BY_ONE);
		for (int i = 0; i < n; i++)
			revise_row(&revision, &rows[i]);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	} while (n > 0 && closing->written < most);
	MemoryContextDelete(context);
	closing->reason = NULL;
}

/* Write the revisions of a meter now, if that is little work and nobody else is
 * at it; false where they must be left to the queue. */
static bool
revise_now(const pg_uuid_t *organization, const MeterEntry *meter, TimestampTz horizon,
		   const MeterQueued *rows, int n)
{
	MeterClosing closing = {.organization = *organization};
	Revision	revision = begin_revision(&closing, meter, horizon);
	int			windows = 0;

	/* a snapshot that is kept does not show what others did before the lock */
	if (IsolationUsesXactSnapshot())
		return false;
	PushActiveSnapshot(GetTransactionSnapshot());
	for (int i = 0; i < n && windows <= WINDOWS_AT_ONCE; i++)
		windows += count_windows(&revision, &rows[i], WINDOWS_AT_ONCE + 1);
	PopActiveSnapshot();
	if (windows > WINDOWS_AT_ONCE)
		return false;
	if (windows > 0 && !meter_lock_revising_try(organization, meter->meter_no))
		return false;
	for (int i = 0; i < n && windows > 0; i++)
		revise_row(&revision, &rows[i]);
	return true;
}

/* Revise what rows of one meter are about, now or by the queue. */
static void
revise_rows(const pg_uuid_t *organization, const MeterEntry *meter, MeterQueued *rows, int n)
{
	TimestampTz horizon = meter_closing_horizon(organization, meter);
	bool		sure = meter_lock_horizon_try(organization, meter->meter_no);

	/* behind the lock nobody is closing windows, and the horizon stays */
	if (sure && TIMESTAMP_IS_NOBEGIN(horizon))
		return;
	n = merge_rows_to(rows, n, QUEUE_ROWS);
	if (!sure || !revise_now(organization, meter, horizon, rows, n))
		meter_queue_append(organization, &meter->id, rows, n);
}

/* What a call of meter_closing_touch() knows of a meter. */
typedef struct Touched
{
	const MeterEntry *meter;
	MeterLane  *lanes;
	int			nlanes;
	int64		grace;			/* the least of its versions */
	MeterPiece *pieces;			/* of each lane the last one looked up */
	bool		asked;			/* for limit */
	TimestampTz limit;			/* windows due by then matter */
	MeterQueued *rows;
	int			n;
} Touched;

/* What is known of the touch's meter; n is the number of touches. */
static Touched *
find_touched(const pg_uuid_t *organization, List **list, const MeterEntry *meter, int n)
{
	ListCell   *cell;
	Touched    *touched;

	foreach(cell, *list)
	{
		touched = lfirst(cell);
		if (touched->meter == meter)
			return touched;
	}
	touched = palloc0(sizeof(Touched));
	touched->meter = meter;
	touched->nlanes = meter_lanes_list(organization, meter, &touched->lanes);
	touched->grace = meter_least_grace(meter);
	touched->pieces = palloc0(Max(touched->nlanes, 1) * sizeof(MeterPiece));
	touched->rows = palloc_extended(n * sizeof(MeterQueued), MCXT_ALLOC_HUGE);
	*list = lappend(*list, touched);
	return touched;
}

/* Is the time in a window of the meter that is due? */
static bool
is_over(Touched *touched, TimestampTz time)
{
	for (int l = 0; l < touched->nlanes; l++)
	{
		const MeterLane *lane = &touched->lanes[l];
		MeterPiece *piece = &touched->pieces[l];

		if ((time < piece->start || time >= piece->end) &&
			!meter_lane_piece(lane, (MeterText) {NULL, 0}, time, piece))
		{
			memset(piece, 0, sizeof(*piece));
			continue;
		}
		/* a billing period is asked for with its subject only where it may be over */
		if (piece->due <= touched->limit || meter_span_billing(&lane->spans[piece->span]))
			return true;
	}
	return false;
}

/* Revise what events changed; see closing.h. */
void
meter_closing_touch(const pg_uuid_t *organization, const char *reason,
					const MeterClosingTouch *touches, int n)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "meter touches",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	TimestampTz now = GetCurrentTimestamp();
	List	   *list = NIL;
	ListCell   *cell;

	for (int i = 0; i < n; i++)
	{
		const MeterClosingTouch *touch = &touches[i];
		Touched    *touched = find_touched(organization, &list, touch->meter, n);
		/* a window ends behind what is in it */
		TimestampTz due = meter_time_and_grace(touch->time, touched->grace);

		if (due > (touched->asked ? touched->limit : now))
			continue;
		if (!touched->asked)
		{
			touched->limit = meter_closing_limit(organization, touch->meter);
			touched->asked = true;
		}
		if (due <= touched->limit && is_over(touched, touch->time))
			touched->rows[touched->n++] = (MeterQueued) {
				touch->time, touch->time + 1, false, touch->subject, reason
			};
	}
	foreach(cell, list)
	{
		Touched    *touched = lfirst(cell);

		if (touched->n > 0)
			revise_rows(organization, touched->meter, touched->rows, touched->n);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* Before that nothing was used, and nothing closed. */
static TimestampTz
beginning(const pg_uuid_t *organization, const MeterEntry *meter)
{
	TimestampTz first = DT_NOEND;
	MeterLane  *lanes;
	int			nlanes = meter_lanes_list(organization, meter, &lanes);
	MeterSeriesExtent extent;
	MeterDays	days;

	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	meter_series_extent(organization, meter, &extent);
	meter_usage_days(organization, &extent, PG_INT32_MIN, PG_INT32_MAX, 1, &days);
	if (days.n > 0)
		first = days.list[0] * USECS_PER_DAY;
	for (int l = 0; l < nlanes; l++)
		first = Min(first, meter_result_first(&lanes[l]));
	PopActiveSnapshot();
	return first;
}

/* Revise whatever lies in a range; see closing.h. */
void
meter_closing_touch_range(const pg_uuid_t *organization, const char *reason,
						  const MeterEntry *meter, TimestampTz from, TimestampTz to)
{
	MeterQueued row = {Max(from, beginning(organization, meter)), to, true, {NULL, 0}, reason};

	if (row.from < to)
		revise_rows(organization, meter, &row, 1);
}
