/*
 * batch.h
 *		A batch of events on its way through the engine.
 */
#ifndef METER_ENGINE_BATCH_H
#define METER_ENGINE_BATCH_H

#include "definitions/cache.h"
#include "engine/measure.h"
#include "engine/store.h"

typedef enum MeterStatus
{
	METER_STATUS_ACCEPTED,
	METER_STATUS_LATE_REVISED,	/* counted in a window that was finalized */
	METER_STATUS_LATE_NEXT_WINDOW,	/* counted in a later window */
	METER_STATUS_LATE_QUARANTINED,	/* kept, and not counted until released */
	METER_STATUS_DUPLICATE,
	METER_STATUS_CONFLICT,
	METER_STATUS_UNMATCHED,
	METER_STATUS_REJECTED
} MeterStatus;

/* What a meter made of an event. */
typedef enum MeterOutcome
{
	METER_OUTCOME_COUNTED,
	METER_OUTCOME_FILTERED,
	METER_OUTCOME_REJECTED,
	METER_OUTCOME_QUARANTINED,	/* it would be counted, but came late */
	METER_OUTCOME_DUPLICATE,	/* its own key was counted before */
	METER_OUTCOME_CONFLICT		/* ... with another payload */
} MeterOutcome;

/* When an event came, as one meter's policy sees it. */
typedef enum MeterTiming
{
	METER_TIMELY,
	METER_MAYBE_LATE,			/* to be judged (late.c) */
	METER_LATE,					/* counted where it belongs */
	METER_LATE_FINALIZED,		/* ... and that window was finalized */
	METER_LATE_MOVED,			/* counted in a later window */
	METER_UNTIMELY				/* refused or quarantined for its time */
} MeterTiming;

typedef struct MeterContribution
{
	int			event;			/* in the batch */
	const MeterEntry *meter;
	const MeterPlan *plan;
	MeterOutcome outcome;
	MeterTiming timing;
	TimestampTz placement;		/* where it is counted */
	bool		closed;			/* where closing must be told of it */
	bool		over_quota;		/* it was to be counted, but for a quota */
	bool		reopened;		/* its key was another one's of the batch, and is its now */
	int			repeats;		/* where a quota may turn events away: the last
								 * contribution before it with its key, or -1 */
	MeterOutcome measured;		/* ... and what it was before keys were looked at */
	MeterError *measured_error;
	int			series;			/* in the batch */
	MeterText	dedup_key;		/* where the version has a dedup_key_path */
	int			first_measure;	/* what its profiles count, in the batch */
	int			nmeasures;
	MeterError *error;			/* rejected or quarantined */
} MeterContribution;

/* What the rejected store knows of an event that is tried again. */
typedef struct MeterRetry
{
	TimestampTz received_at;	/* when it came: its time, where it gives none */
	int64		seq;			/* where it keeps its keys, else 0 */
	bool		stored;			/* some meters have it: it gets a supplement ... */
	TimestampTz main_time;		/* ... beside its row here */
	bool		released;		/* however late, it is counted where it belongs */
	int			nmeters;		/* who is to try it; 0: whoever listens */
	const MeterEntry **meters;
} MeterRetry;

typedef struct MeterEvent
{
	int			ordinal;		/* in the caller's call, from 1 */
	MeterText	raw;			/* the whole event as it came */
	const MeterRetry *retry;	/* NULL for one that is new */
	MeterText	id;
	MeterText	source;
	MeterText	type;
	MeterText	subject;
	MeterText	data;			/* JSON text */
	const MeterEntry *target;	/* the one meter it is aimed at, or NULL */
	bool		time_given;
	TimestampTz time;
	TimestampTz main_time;		/* where its row is stored and counted */
	int64		seq;
	uint64		payload_hash;
	int			first;			/* its contributions in the batch */
	int			ncontributions;
	MeterStatus status;
	bool		settled;		/* its keys are claimed or were there */
	bool		by_envelope;	/* its envelope's key was there */
	bool		reopened;		/* ... and is its now, since another one gave it back */
	int			repeats;		/* the last event before it with its key, or -1 */
	MeterError *error;			/* code and message of the status, or NULL */
} MeterEvent;

typedef struct MeterBatch
{
	pg_uuid_t	organization;
	TimestampTz received_at;
	bool		amends;			/* its event takes another one's place: meters
								 * that are archived may take it */
	const struct MeterSettlement *settles;	/* the reservation that its event is
											 * the usage of (threshold.h), or NULL */
	MemoryContext context;		/* holds all below; reset with the batch */
	MeterJson	doc;			/* of the event being read */
	MeterJson	derived;		/* its data with derived fields, for one meter */
	MeterEvent *events;
	int			nevents;
	int			events_size;
	MeterContribution *contributions;
	int			ncontributions;
	int			contributions_size;
	MeterMeasure *measures;
	int			nmeasures;
	int			measures_size;
	MeterSeries *series;		/* distinct */
	int			nseries;
	int			series_size;
	struct HTAB *series_index;
	struct HTAB *keys;			/* where a quota may turn events away (threshold.h) */
	int			nmaybe_late;	/* contributions to be judged */
	int			nmoved;			/* ... that may be counted elsewhere than the
								 * event's row is */
	int			nclosed;		/* ... in windows that may be finalized */
	int			data;			/* node of the data of the event being read */
} MeterBatch;

/* envelope.c: read the envelope of batch->doc into *event; false with the
 * error where it is none. */
extern bool meter_envelope_read(MeterBatch *batch, MeterEvent *event, MeterError *err);

/*
 * What tells a duplicate from a conflict: subject and data, and the time where
 * it was given (a retry without one comes at another time).
 */
extern uint64 meter_envelope_payload_hash(const MeterBatch *batch, const MeterEvent *event);

/* contribution.c: measure an event for whoever listens, and settle what can be
 * settled. */
extern void meter_batch_measure(MeterBatch *batch, int event_number);

/* Measure an event by one version of a meter: it is counted if one of its
 * profiles counts it, rejected if one of them must reject it. */
extern void meter_batch_measure_for(MeterBatch *batch, int event_number, const MeterEntry *meter,
									const MeterPlan *plan);

/* Room for one more in an array that grows by doubling, from NULL. */
extern void *meter_batch_grow(void *array, int used, int *size, Size item, int initial);

/* sources.c: note, once a batch, which sources its events come from. */
extern void meter_batch_note_sources(MeterBatch *batch);

/* The sources that events of a type came from, of which one may come twice; no
 * data for none.  Read by the caller's snapshot, palloc'd. */
extern int	meter_sources_list(const pg_uuid_t *organization, MeterText type, MeterText **list);

/* The key of an event's envelope; palloc'd. */
extern MeterText meter_event_key(const MeterEvent *event);

/* dedup.c: claim the keys of what is new and settle every event's status. */
extern void meter_batch_dedup(MeterBatch *batch);

/* Give back the keys of what is over a quota, and have those claim them that are
 * new then. */
extern void meter_batch_pass_keys(const MeterBatch *batch);

/* What is said of a key that was counted before with another payload. */
extern MeterError *meter_batch_key_conflict(const MeterBatch *batch);

/* Claim the envelope's key of a batch of one event at the head of a chain. */
extern void meter_batch_claim_chained(MeterBatch *batch);

/* Is it an event that keeps its keys already, and is tried by some meters again? */
static inline bool
meter_event_known(const MeterEvent *event)
{
	return event->retry != NULL && event->retry->seq != 0;
}

/* What the outcomes at the meters that listen make of an event. */
extern void meter_event_settle(const MeterBatch *batch, MeterEvent *event);

/* Does the event keep its keys, as things stand, so that it comes only once? */
extern bool meter_event_keeps_keys(const MeterEvent *event);

/* Is it in the store then?  One that is in quarantine is only if another meter
 * left it out. */
extern bool meter_event_stored(const MeterBatch *batch, const MeterEvent *event);

/* An error that lives as long as the batch, made in its context. */
extern MeterError *meter_batch_error(const MeterError *err);

/* known_subjects.c: reject, before keys are claimed, what is nobody's. */
extern void meter_batch_require_known(MeterBatch *batch);

/* ingest.c: number the series of what is counted; of the others they may not
 * exist. */
extern void meter_batch_number_series(MeterBatch *batch);

/* rejection.c: what the rejected store calls the outcome at a meter, or NULL
 * where it has nothing of it. */
extern const char *meter_rejection_status(MeterOutcome outcome);

/* The rejected store's row for an event, by one meter or none; first is the
 * event's first rejection, 0 where this is it. */
extern MeterRejectedRow meter_rejection_row(const MeterBatch *batch, const MeterEvent *event,
											const MeterEntry *meter, int64 first,
											const char *status, const MeterError *err);

/*
 * Tell of what the rejected store keeps from now on: one domain event for each
 * meter, or none, and code, however many events that are.  What is in quarantine
 * is not refused, and left out.
 */
extern void meter_rejections_announce(const pg_uuid_t *organization, TimestampTz at,
									  const MeterRejectedRow *rows, int n);

/* Keep whole what was not counted, once for each meter that did not, and tell
 * of it. */
extern void meter_batch_keep_rejections(void *arg, MeterBatch *batch);

/* The SQLSTATE of a refusal that fails its statement; otherwise what it is but
 * for a quota. */
extern int	meter_refusal_sqlstate(const MeterError *err, int otherwise);

/* settings.partial = false: one bad event fails all. */
extern void meter_batch_refuse_bad(const MeterBatch *batch);

/* rollup.c: what the counted contributions add to the rollups, sorted by series
 * and hour, in the current memory context; returns how many. */
extern int	meter_batch_deltas(const MeterBatch *batch, MeterRollupDelta **deltas);

/* Merge the counted contributions into the rollup store. */
extern void meter_batch_roll_up(MeterBatch *batch);

#endif							/* METER_ENGINE_BATCH_H */
