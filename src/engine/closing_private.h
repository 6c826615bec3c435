/*
 * closing_private.h
 *		What the files that close windows share.
 */
#ifndef METER_ENGINE_CLOSING_PRIVATE_H
#define METER_ENGINE_CLOSING_PRIVATE_H

#include "compat.h"

#include "common/int.h"

#include "engine/closing.h"
#include "engine/usage.h"

/* A time and a grace, which may be for ever. */
static inline TimestampTz
meter_time_and_grace(TimestampTz t, int64 grace)
{
	TimestampTz sum;

	return pg_add_s64_overflow(t, grace, &sum) ? DT_NOEND : sum;
}

/* ---- closing_windows.c: which windows a meter has ---- */

/* Versions that follow each other and have the same windows. */
typedef struct MeterLaneSpan
{
	TimestampTz from;
	TimestampTz to;
	int			first;			/* of the meter's versions */
	int			last;
	MeterWindow window;
} MeterLaneSpan;

/* A profile of a meter, and the windows it had. */
typedef struct MeterLane
{
	const pg_uuid_t *organization;
	const MeterEntry *meter;
	const char *profile;		/* its code, or NULL for the definition's own */
	bool		persists;		/* has values also where there are no events */
	int			nspans;
	MeterLaneSpan *spans;
} MeterLane;

/* A window, cut to the versions that have it. */
typedef struct MeterPiece
{
	TimestampTz start;
	TimestampTz end;
	TimestampTz due;			/* whole window's end and grace: it is finalized
								 * when the horizon has come here */
	int			span;
	int			version;		/* the newest that lies in it */
} MeterPiece;

typedef struct MeterPieces
{
	int			n;
	int			size;
	MeterPiece *list;			/* in order of time */
} MeterPieces;

/* Days that hold usage, since 2000-01-01 UTC, in order. */
typedef struct MeterDays
{
	int			n;
	int32	   *list;
} MeterDays;

/* The lanes of a meter, the definition's own first. */
extern int	meter_lanes_list(const pg_uuid_t *organization, const MeterEntry *meter, MeterLane **lanes);

/* The window of the lane that holds t, for a subject where windows are billing
 * periods (no data: of nobody); false where the lane has none there. */
extern bool meter_lane_piece(const MeterLane *lane, MeterText subject, TimestampTz t, MeterPiece *piece);

/* Where the next span behind t begins, where t is in none; or DT_NOEND. */
extern TimestampTz meter_lane_next(const MeterLane *lane, TimestampTz t);

/* Is the span cut into the billing periods of subjects? */
extern bool meter_span_billing(const MeterLaneSpan *span);

/*
 * The windows of a version that are due after one time and not after *upto, in
 * order.  Long times without usage are left out, unless days is NULL.  After
 * limit windows it stops and sets *upto back to before the next one's due.
 */
extern void meter_lane_due(const MeterLane *lane, int version, TimestampTz after, TimestampTz *upto,
						   const MeterDays *days, int limit, MeterPieces *pieces);

/* The shortest grace of the meter's versions. */
extern int64 meter_least_grace(const MeterEntry *meter);

/* No window of the lane that is due after a time begins before. */
extern TimestampTz meter_lane_first(const MeterLane *lane, TimestampTz after);

/* The same for a piece of time that is cut into windows of its own. */
extern void meter_period_due(const MeterLane *lane, int version, const MeterPeriod *period,
							 TimestampTz after, TimestampTz *upto, const MeterDays *days,
							 int limit, MeterPieces *pieces);

/* ---- closing_results.c: results, and what they become ---- */

/* What writes results. */
typedef struct MeterClosing
{
	pg_uuid_t	organization;
	TimestampTz now;			/* closed_at of the run being written */
	const char *reason;			/* of revisions; NULL: windows are being closed */
	int64		written;
} MeterClosing;

/* Whose windows. */
typedef struct MeterClosingSubject
{
	bool		every;
	MeterText	subject;		/* else this one; no data: of events that name none */
	struct HTAB *but;			/* every one but these (MeterText), or NULL */
} MeterClosingSubject;

/*
 * Compute windows, which are in order, by snapshots taken now, each run of those
 * that follow each other as one question; compare them with the results there
 * are and write what is new.
 */
extern void meter_closing_runs(MeterClosing *closing, const MeterLane *lane, MeterPieces *pieces,
							   const MeterClosingSubject *who);

/* The finalized windows that meet [*from, to), of the lane's spans that are
 * billing periods or of the others.  Stops at limit with *from set forward, and
 * returns false. */
extern bool meter_lane_finalized(const MeterLane *lane, const MeterClosingSubject *who, bool billing,
								 TimestampTz *from, TimestampTz to, TimestampTz horizon,
								 int limit, MeterPieces *pieces);

/* ---- closing_billing.c: windows that are billing periods ---- */

typedef void (*MeterSubjectVisit) (void *arg, const MeterClosingSubject *who);

/* Visit, where the lane has billing periods, those who have the same as one,
 * and then each subject that has its own. */
extern void meter_billing_each(const MeterLane *lane, MeterSubjectVisit visit, void *arg);

/* Close the billing periods that are due after one time and not after another. */
extern void meter_billing_close(MeterClosing *closing, const MeterLane *lane, TimestampTz after,
								TimestampTz upto, const MeterDays *days);

/* ---- closing_retention.c ---- */

/* Leave out windows that need raw events that are gone. */
extern void meter_pieces_keep_known(MeterPieces *pieces);

/* ---- closing_queue.c: revisions ---- */

/* Work off the queue of revisions of a meter, up to about so many results.  The
 * caller has the closer's lock. */
extern void meter_queue_work(MeterClosing *closing, const MeterEntry *meter, int64 most);

/* ---- closing_horizon.c: how far windows may be closed ---- */

/* Transactions that hold an organization's definitions lock. */
typedef struct MeterHolder
{
	Oid			object;			/* the organization's, meter_lock_object() */
	uint64		xid;
} MeterHolder;

typedef struct MeterHolders
{
	TimestampTz now;			/* the clock before the look */
	int			n;
	MeterHolder *list;
} MeterHolders;

/* Read the clock, leave a tick, and look who holds definitions locks. */
extern void meter_holders_look(MeterHolders *holders);

/* How far windows of the organization may be closed by a snapshot taken from
 * now on; DT_NOBEGIN for not at all. */
extern TimestampTz meter_holders_horizon(const MeterHolders *holders, const pg_uuid_t *organization);

/* ---- store_result.c: the tables of closing ---- */

typedef struct MeterResult
{
	TimestampTz start;
	TimestampTz end;
	MeterText	subject;
	MeterText	currency;
	int			version;
	int			revision;
	Numeric		value;			/* NULL for none */
	Numeric		delta;
	int64		count;
} MeterResult;

typedef void (*MeterResultVisit) (void *arg, const MeterResult *result);

/* Visit the last revisions of the results of windows that start in [from, to),
 * of one subject or every one; by the caller's snapshot. */
extern void meter_result_scan(const MeterLane *lane, TimestampTz from, TimestampTz to,
							  const MeterClosingSubject *who, MeterResultVisit visit, void *arg);

/* Write results and their domain events. */
extern void meter_result_append(const MeterClosing *closing, const MeterLane *lane,
								const MeterResult *results, int n);

extern TimestampTz meter_horizon_read(const pg_uuid_t *organization, const pg_uuid_t *meter);
/* The start of the lane's first result, or DT_NOEND. */
extern TimestampTz meter_result_first(const MeterLane *lane);

/* A row of the queue of revisions. */
typedef struct MeterQueued
{
	TimestampTz from;
	TimestampTz to;
	bool		every;
	MeterText	subject;
	const char *reason;
} MeterQueued;

extern void meter_queue_append(const pg_uuid_t *organization, const pg_uuid_t *meter,
							   const MeterQueued *rows, int n);

/* Take up to limit rows off the queue; palloc'd. */
extern int	meter_queue_take(const pg_uuid_t *organization, const pg_uuid_t *meter, int limit,
							 MeterQueued **rows);

extern void meter_horizon_write(const pg_uuid_t *organization, const pg_uuid_t *meter,
								TimestampTz horizon);

extern Oid	meter_horizon_relation(void);

/* The series of a meter: how many, and the numbers they lie between. */
typedef struct MeterSeriesExtent
{
	int64		n;
	int64		first;
	int64		last;
} MeterSeriesExtent;

extern void meter_series_extent(const pg_uuid_t *organization, const MeterEntry *meter,
								MeterSeriesExtent *extent);

/* The first days of some on which such series may have usage; palloc'd. */
extern void meter_usage_days(const pg_uuid_t *organization, const MeterSeriesExtent *extent,
							 int32 from, int32 to, int limit, MeterDays *days);

/* The streams of a meter's versions, as an array. */
extern Datum meter_streams_array(const MeterEntry *meter);

#endif							/* METER_ENGINE_CLOSING_PRIVATE_H */
