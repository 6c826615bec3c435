/*
 * store.h
 *		The stores: keys, events, series and rollups, rejected events.
 *
 * Nothing outside the store_*.c files knows a table's layout.  All take whole
 * batches, all are called between SPI_connect and SPI_finish.
 */
#ifndef METER_ENGINE_STORE_H
#define METER_ENGINE_STORE_H

#include "compat.h"

#include "datatype/timestamp.h"
#include "utils/uuid.h"

#include "values/text.h"

/* ---- keys: what makes an event once-only ---- */

typedef enum MeterKeyState
{
	METER_KEY_NEW,				/* nobody had it; claimed now */
	METER_KEY_DUPLICATE,		/* had before with the same payload */
	METER_KEY_CONFLICT			/* had before with another payload */
} MeterKeyState;

typedef struct MeterKey
{
	int32		space;			/* 0 envelopes, else a meter's number */
	MeterText	key;
	uint64		payload_hash;
	TimestampTz time;			/* where the event will be found */
	int64		seq;
	/* out */
	MeterKeyState state;
	/* the store's own */
	uint64		hash[2];
	int			probe;
	int			order;
} MeterKey;

/*
 * Claim keys; of equal ones in a batch the first counts.  Waits for a
 * transaction in flight that claimed one of them, and if that one rolls back
 * the key is new.
 */
extern void meter_key_claim(const pg_uuid_t *organization, MeterKey *keys, int n);

/* Claim one key at the head of a chain (spi.h), which fails if it was there. */
extern void meter_key_claim_chained(const pg_uuid_t *organization, MeterKey *key);

/* As claim, for keys that must not be claimed: new means that no event that
 * came before has them, and later also that none that came after. */
extern void meter_key_look_up(const pg_uuid_t *organization, MeterKey *keys, int n, bool later);

/* Give back keys this call's claim found new. */
extern void meter_key_release(const pg_uuid_t *organization, MeterKey *keys, int n);

/* Where the events are that have the keys: sets time and seq of those that are
 * there and *found of all.  Reads by the caller's snapshot. */
extern void meter_key_find(const pg_uuid_t *organization, MeterKey *keys, int n, bool *found);

/* ---- events ---- */

/*
 * A row of the event store.  An event is counted at its time, but where a
 * policy moves a late one to a window that is open: then time is where it is
 * counted, and original_time, by which it is measured, what it came with.  A
 * supplement is a further counting of an event that has a row elsewhere.
 */
typedef struct MeterEventRow
{
	TimestampTz time;
	TimestampTz original_time;
	int64		seq;
	bool		supplement;
	MeterText	type;
	MeterText	source;
	MeterText	id;
	MeterText	subject;
	const pg_uuid_t *meter_id;	/* NULL: not aimed */
	MeterText	versions;		/* an int[] as text: {1,2} */
	MeterText	data;
} MeterEventRow;

/* Raise 55000, with a hint, where create_store() was not called yet. */
extern void meter_store_require(void);

extern int64 meter_event_next_seq(void);
extern void meter_event_append(const pg_uuid_t *organization, TimestampTz received_at,
							   const MeterEventRow *rows, int n);

/* Note where events are counted besides where they are stored. */
typedef struct MeterPlacement
{
	int64		seq;
	TimestampTz time;
} MeterPlacement;

extern void meter_placement_append(const pg_uuid_t *organization, const MeterPlacement *placements, int n);

/* Where an event is counted besides; palloc'd. */
extern int	meter_placement_list(const pg_uuid_t *organization, int64 seq, TimestampTz **times);

/*
 * The rows of an event at a time, current ones, taken back or not: the first of
 * them, or all (two meters may count an event at one place, one after the
 * other).  Palloc'd with their texts; returns how many.
 */
extern int	meter_event_find(const pg_uuid_t *organization, MeterText type, TimestampTz time,
							 int64 seq, bool all, MeterEventRow **rows);

typedef struct MeterInterval
{
	TimestampTz from;			/* half-open */
	TimestampTz to;
} MeterInterval;

/* What of the interval, or the time around it, is past retention and gone, as
 * pieces in order; palloc'd, returns how many. */
extern int	meter_event_dropped(MeterInterval interval, MeterInterval **list);

/* Raise 55000 where something is, naming the nearest bounds that can be asked
 * for.  Called when the table is locked: every scan below does. */
extern void meter_event_require_kept(MeterInterval interval);

/* Called for each event of a scan; the texts live until it returns. */
typedef void (*MeterEventVisit) (void *arg, const MeterEventRow *row);

/* Visit the events of one type in the intervals, which do not overlap, but for
 * those that were taken back; subject NULL for all.  Reads by the caller's
 * snapshot. */
extern void meter_event_scan(const pg_uuid_t *organization, MeterText type,
							 const MeterText *subject,
							 const MeterInterval *intervals, int n,
							 MeterEventVisit visit, void *arg);

/* Asked before a piece of the store is read: is what happened from then on wanted? */
typedef bool (*MeterEventMore) (void *arg, TimestampTz from);

/*
 * As meter_event_scan, for every subject of one interval, piece by piece in
 * order of their first events, until more (which may be NULL) says no; as it was
 * known at as_of (DT_NOEND for now): what had come, what had been taken back and
 * who had counted it by then.
 */
extern void meter_event_scan_known(const pg_uuid_t *organization, MeterText type,
								   MeterInterval interval, TimestampTz as_of,
								   MeterEventMore more, MeterEventVisit visit, void *arg);

/* ---- reversals: events that were taken back ---- */

/* One row of the event store that is taken back. */
typedef struct MeterReversal
{
	TimestampTz time;			/* where it was counted */
	int			nrecount;		/* versions whose rollups still hold it, as */
	Datum	   *recount;		/* int4 */
} MeterReversal;

/* How an event is taken back. */
typedef struct MeterReversing
{
	MeterText	type;			/* the event's */
	int64		seq;
	int64		replacement_seq;	/* the event that takes its place, or 0 */
	MeterText	reason;			/* no data where none is given */
	TimestampTz reversed_at;
} MeterReversing;

/* Take back an event's rows; false, with nothing done, where it was taken back
 * before.  Waits for a transaction in flight that does. */
extern bool meter_reversal_append(const pg_uuid_t *organization, const MeterReversing *reversing,
								  const MeterReversal *rows, int n);

/* Follow amendments of the event counted at time to the newest; true where that
 * was voided.  Reads by the caller's snapshot. */
extern bool meter_reversal_follow(const pg_uuid_t *organization, TimestampTz time, int64 *seq);

/*
 * The quarters of hours, by their start and in order, in which events were taken
 * back that the rollups of one of the versions still hold.
 */
extern int	meter_reversal_quarters(const pg_uuid_t *organization, MeterText type,
									MeterInterval interval, const int32 *versions, int nversions,
									TimestampTz **quarters);

/* Was an event taken back that was counted before a time? */
extern bool meter_reversal_before(const pg_uuid_t *organization, MeterText type, TimestampTz time);

/* Which events of an interval were taken back, as of a time (DT_NOEND for all);
 * asked hour by hour, as scans go. */
typedef struct MeterReversalCursor MeterReversalCursor;

extern MeterReversalCursor *meter_reversal_open(const pg_uuid_t *organization, MeterText type,
												MeterInterval interval, TimestampTz as_of);
extern void meter_reversal_seek(MeterReversalCursor *cursor, int64 hour);
extern bool meter_reversal_has(const MeterReversalCursor *cursor, TimestampTz time, int64 seq);
extern void meter_reversal_close(MeterReversalCursor *cursor);

/* ---- store_revision.c: pages of events, to be counted anew ---- */

/* A page of events as it stands in the store. */
typedef struct MeterEventPage
{
	TimestampTz time;			/* of its first event */
	int64		seq;			/* its arrival number */
	int32		revision;
	TimestampTz received_at;
	MeterText	events;			/* event_page.h */
} MeterEventPage;

/* Told of a page's first event and its size in bytes; false ends the scan. */
typedef bool (*MeterEventSizeVisit) (void *arg, TimestampTz time, int32 bytes);

/* Look at the pages of one type in the interval, in order, without reading them. */
extern void meter_event_sizes(const pg_uuid_t *organization, MeterText type,
							  MeterInterval interval, MeterEventSizeVisit visit, void *arg);

/* The time of the organization's first page in the interval, or DT_NOEND. */
extern TimestampTz meter_event_first(const pg_uuid_t *organization, MeterInterval interval);

/* Called with some pages, which live until it returns; false ends the scan. */
typedef bool (*MeterEventPagesVisit) (void *arg, const MeterEventPage *pages, int n);

/* Visit the pages of one type in the interval, in order, up to so many at a time. */
extern void meter_event_pages(const pg_uuid_t *organization, MeterText type,
							  MeterInterval interval, int at_a_time,
							  MeterEventPagesVisit visit, void *arg);

/* Put a next revision, with these events, in the place of each page. */
extern void meter_event_replace(const pg_uuid_t *organization, MeterText type,
								TimestampTz revised_at, const MeterEventPage *pages,
								const MeterText *events, int n);

/* Where one event is counted besides its own place, or was taken back. */
typedef struct MeterEventPlace
{
	TimestampTz time;
	int64		seq;
} MeterEventPlace;

/* Where any of these events has a supplement; palloc'd, returns how many. */
extern int	meter_event_supplements(const pg_uuid_t *organization, const int64 *seqs, int n,
									MeterEventPlace **list);

/* The rows of one type in the interval that were taken back, in order; palloc'd. */
extern int	meter_event_reversed(const pg_uuid_t *organization, MeterText type,
								 MeterInterval interval, MeterEventPlace **list);

/* The rollups of these versions hold none of what was taken back in the interval. */
extern void meter_reversal_settle(const pg_uuid_t *organization, MeterText type,
								  MeterInterval interval, const int32 *versions, int n);

/* ---- series: stream, subject, currency and dimensions as a number ---- */

typedef struct MeterSeries
{
	int32		stream_id;
	MeterText	subject;
	MeterText	currency;
	MeterText	dimensions;		/* a JSON object in its one spelling */
	uint64		hash;			/* meter_series_hash */
	int64		series_id;		/* out */
} MeterSeries;

extern uint64 meter_series_hash(const MeterSeries *series);
extern bool meter_series_same(const MeterSeries *a, const MeterSeries *b);

/* Number the series, entering those that are new. */
extern void meter_series_resolve(const pg_uuid_t *organization, MeterSeries *series, int n);

/* Every series of a stream, or of one subject of it; palloc'd. */
extern int	meter_series_list(const pg_uuid_t *organization, int32 stream_id,
							  const MeterText *subject, MeterSeries **list);

/* ... of several subjects of it, none of them twice. */
extern int	meter_series_list_of(const pg_uuid_t *organization, int32 stream_id,
								 const MeterText *subjects, int n, MeterSeries **list);

/* ---- rollups ---- */

#define METER_HOUR (INT64CONST(3600) * USECS_PER_SEC)
#define METER_QUARTER (INT64CONST(900) * USECS_PER_SEC)

/* The hour that holds t, since 2000-01-01 UTC. */
static inline int64
meter_hour_of(TimestampTz t)
{
	return t / METER_HOUR - (t % METER_HOUR < 0);
}

/* The start of the quarter hour that holds t. */
static inline TimestampTz
meter_quarter_floor(TimestampTz t)
{
	TimestampTz rest = t % METER_QUARTER;

	return t - (rest < 0 ? rest + METER_QUARTER : rest);
}

typedef struct MeterRollupDelta
{
	int64		series_id;
	int32		hour;			/* since 2000-01-01 UTC */
	MeterText	cells;			/* see cells.h */
} MeterRollupDelta;

/* Merge deltas, sorted by series and hour, each pair once.  In a chain (spi.h)
 * they are only appended; call meter_rollup_tidy behind it. */
extern void meter_rollup_merge(const pg_uuid_t *organization,
							   const MeterRollupDelta *deltas, int n);

/* Once in a while, merge what single reports left on a day. */
extern void meter_rollup_tidy(const pg_uuid_t *organization, int32 hour);

typedef void (*MeterRollupVisit) (void *arg, int64 series_id, int32 hour, MeterText cells);

/* Visit the rollups of the series from hour to hour (exclusive). */
extern void meter_rollup_scan(const pg_uuid_t *organization, const int64 *series, int n,
							  int32 from, int32 to, MeterRollupVisit visit, void *arg);

/*
 * Put deltas, sorted as meter_rollup_combine leaves them, in the place of all
 * that some versions (sorted) have in some hours (sorted).  Only under the
 * exclusive rollup lock, with a snapshot active that was taken behind it: what
 * that shows is replaced.
 */
extern void meter_rollup_replace(const pg_uuid_t *organization, const int32 *hours, int nhours,
								 const int32 *versions, int nversions,
								 const MeterRollupDelta *deltas, int n);

/* ---- rejected events ---- */

/*
 * A row is what one meter (or none) made of an event.  The first of an event's
 * rows also says where the event is stored, and who locks that row has the
 * event's other rows to himself.
 */
typedef struct MeterRejectedRow
{
	int64		rejection_id;
	int64		first_id;		/* of the event's first row */
	int64		seq;			/* the event's where it keeps its keys, else 0 */
	TimestampTz time;			/* first row: where the event is stored */
	bool		stored;			/* ... if it is */
	const pg_uuid_t *meter_id;	/* NULL: no meter came into it */
	const char *meter_key;		/* its key, for who is told of it */
	const char *status;
	const char *code;
	const char *pointer;		/* or NULL */
	const char *message;
	MeterText	payload;		/* JSON text */
} MeterRejectedRow;

/* store_known_rejection.c: what is known of events that are stored. */
typedef struct MeterKnownRejection
{
	int64		seq;			/* the event's */
	int64		rejection_id;
	int64		first_id;
	pg_uuid_t	meter_id;
	bool		open;
	bool		quarantined;
	bool		untimely;		/* that, or refused for when it came */
} MeterKnownRejection;

/* The meters' rejections of any of these events; palloc'd, returns how many. */
extern int	meter_known_rejection_find(const pg_uuid_t *organization, const int64 *seqs, int n,
								MeterKnownRejection **list);

/* The events of these rejections were counted by reprocessing. */
extern void meter_known_rejection_resolve(const pg_uuid_t *organization, const int64 *rejections, int n,
								   TimestampTz at);

extern int64 meter_rejected_next_id(void);
extern void meter_rejected_append(const pg_uuid_t *organization, TimestampTz received_at,
								  const MeterRejectedRow *rows, int n);

/*
 * A rejection that is open.  Trying again goes by events, that is by their first
 * rejections: pick some, lock them, settle what came of it.
 */
typedef struct MeterRejection
{
	int64		rejection_id;
	int64		first_id;
	bool		quarantined;
	TimestampTz received_at;
	bool		by_meter;
	pg_uuid_t	meter_id;
	int64		seq;			/* the event's where it keeps its keys, else 0 */
	bool		stored;			/* is the event in the store, */
	TimestampTz time;			/* ... and where */
	MeterText	payload;
} MeterRejection;

/* A rejection that was asked for. */
typedef struct MeterRejectionState
{
	int64		rejection_id;
	int64		first_id;		/* 0: there is no such rejection */
	bool		resolved;
	bool		quarantined;
	bool		by_meter;
	pg_uuid_t	meter_id;
	int			bytes;			/* of its payload */
} MeterRejectionState;

/* What is known of these, in their order; palloc'd. */
extern MeterRejectionState *meter_rejection_look_up(const pg_uuid_t *organization,
													const int64 *ids, int n);

/* The next events behind the first rejection after that have open rejections, in
 * quarantine or refused, of the meter or all (NULL); no more than memory bears. */
extern int	meter_rejection_next(const pg_uuid_t *organization, bool quarantined, const pg_uuid_t *meter_id,
								 int64 after, int64 **firsts);

/* At most as many bytes of payloads, and events, are tried at a time. */
#define METER_REJECTION_BYTES (8 * 1024 * 1024)
#define METER_REJECTION_EVENTS 1000

/* Lock the events and read their open rejections, event by event; those that
 * another transaction has locked are left out. */
extern int	meter_rejection_lock(const pg_uuid_t *organization, const int64 *firsts, int n,
								 MeterRejection **rejections);

/* What came of one that was tried again. */
typedef struct MeterRejectionResult
{
	int64		rejection_id;
	bool		resolved;
	int64		seq;			/* the event's where it keeps its keys now, else 0 */
	const char *status;			/* where it stays */
	const char *code;
	const char *pointer;		/* or NULL */
	const char *message;
} MeterRejectionResult;

extern void meter_rejection_settle(const pg_uuid_t *organization, TimestampTz now, const char *resolution,
								   const MeterRejectionResult *results, int n);

/* Events that are in the store now, by their first rejections. */
extern void meter_rejection_stored(const pg_uuid_t *organization, const int64 *firsts,
								   const TimestampTz *times, int n);

/* What one meter made of an event that it did not count. */
typedef struct MeterReversedRejection
{
	pg_uuid_t	meter_id;
	char	   *status;
	char	   *code;
	char	   *message;
	MeterText	payload;
} MeterReversedRejection;

/* Close what is open of an event that is taken back, for nobody to try it
 * again; waits for who does.  Palloc'd; returns how many there are. */
extern int	meter_rejected_reverse(const pg_uuid_t *organization, int64 seq, TimestampTz at,
								   MeterReversedRejection **list);

/* ---- domain events: what others want to hear of ---- */

typedef struct MeterDomainEvent
{
	const char *aggregate_type; /* what it is about, such as meter, */
	const char *aggregate_id;	/* ... and which one */
	const char *event_type;
	MeterText	payload;		/* JSON object */
} MeterDomainEvent;

/* Write domain events to the outbox, numbered in this order. */
extern void meter_domain_event_append(const pg_uuid_t *organization, TimestampTz occurred_at,
									  const MeterDomainEvent *events, int n);

#endif							/* METER_ENGINE_STORE_H */
