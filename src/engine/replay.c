/*
 * replay.c
 *		Rejected events, and those in quarantine, tried again.
 *
 * An event that all refused goes the way of a new one, with all the meters that
 * listen.  One that keeps its keys (others count it, or it is in quarantine) has
 * its number and its place: only the meters whose rejections are tried measure
 * it, under its own number, and what they count is a supplement beside its row;
 * where there is no row yet, it is written then.
 *
 * Events are taken some hundred at a time, so memory is bounded.  Each belongs
 * to one transaction (store_retry.c); what another one has is passed over.  The
 * rollups' lock keeps events from being counted anew meanwhile, which resolves
 * the rejections of what it counts, as taking an event back resolves all of it.
 */
#include "engine/replay.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "engine/ingest.h"
#include "engine/locks.h"

/* One event that is tried again; its retry is what the engine sees of it. */
typedef struct Attempt
{
	MeterRetry	retry;
	MeterRejection *rejections; /* of the event, those that are tried */
	int			n;
} Attempt;

typedef struct Replay
{
	const MeterReplayRequest *request;
	const char *resolution;		/* what it is called */
	const MeterEntry *meter;	/* or NULL */
	MeterReplayEmit emit;
	void	   *arg;
	MeterRejectionState *named; /* in order of their numbers */
	bool	   *answered;		/* ... that were tried */
	int64		done;			/* the first rejection of the last event */
} Replay;

static int
int64_cmp(const void *pa, const void *pb)
{
	int64		a = *(const int64 *) pa;
	int64		b = *(const int64 *) pb;

	return a < b ? -1 : a > b;
}

/* Tell what came of a rejection. */
static void
answer(Replay *replay, int64 id, const char *status, const MeterError *err)
{
	if (replay->request->named)
	{
		MeterRejectionState *state = bsearch(&id, replay->named, replay->request->nids,
											 sizeof(MeterRejectionState), int64_cmp);

		if (state)
			replay->answered[state - replay->named] = true;
	}
	replay->emit(replay->arg, id, status, err);
}

/* Is a rejection of that kind and meter what was asked for? */
static bool
wanted(const Replay *replay, bool quarantined, bool by_meter, const pg_uuid_t *meter_id)
{
	return quarantined == replay->request->release &&
		(replay->meter == NULL ||
		 (by_meter && memcmp(meter_id, &replay->meter->id, UUID_LEN) == 0));
}

/* ... and is it among those that were named? */
static bool
chosen(const Replay *replay, const MeterRejection *rejection)
{
	return wanted(replay, rejection->quarantined, rejection->by_meter, &rejection->meter_id) &&
		(!replay->request->named ||
		 bsearch(&rejection->rejection_id, replay->request->ids, replay->request->nids,
				 sizeof(int64), int64_cmp) != NULL);
}

/* The meter of a rejection, or NULL where it listens to nothing any more. */
static const MeterEntry *
rejecting_meter(const Replay *replay, const MeterRejection *rejection)
{
	char		text[40];
	const unsigned char *d = rejection->meter_id.data;
	const MeterEntry *meter;

	if (!rejection->by_meter)
		return NULL;
	snprintf(text, sizeof(text), "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
			 d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7], d[8], d[9], d[10], d[11], d[12], d[13], d[14], d[15]);
	meter = meter_cache_meter(&replay->request->organization, text, strlen(text));
	/* another meter's key may look like an id */
	return meter && memcmp(&meter->id, &rejection->meter_id, UUID_LEN) == 0 ? meter : NULL;
}

/* Settle a rejection whose meter cannot try it. */
static void
settle_unheard(Replay *replay, const MeterRejection *rejection)
{
	MeterError	err;
	MeterRejectionResult result;

	meter_error_set(&err, "NOT_LISTENING", "the meter does not listen to the event now");
	result = (MeterRejectionResult) {
		.rejection_id = rejection->rejection_id, .code = err.code, .message = err.message,
			.status = rejection->quarantined ? "quarantined" : "rejected"
	};
	meter_rejection_settle(&replay->request->organization, GetCurrentTimestamp(), replay->resolution,
						   &result, 1);
	answer(replay, rejection->rejection_id, "rejected", &err);
}

/* What is tried of an event's open rejections; false where nothing is. */
static bool
plan_attempt(Replay *replay, MeterRejection *rejections, int n, Attempt *attempt)
{
	*attempt = (Attempt) {
		.retry = {.received_at = rejections->received_at, .seq = rejections->seq, .stored = rejections->stored,
			.main_time = rejections->time, .released = replay->request->release},
		.rejections = palloc(n * sizeof(MeterRejection))
	};
	/* all refused it: all try it, whichever rejection was asked for */
	if (rejections->seq == 0)
	{
		bool		any = false;

		for (int i = 0; i < n; i++)
			any |= chosen(replay, &rejections[i]);
		if (!any)
			return false;
		memcpy(attempt->rejections, rejections, n * sizeof(MeterRejection));
		attempt->n = n;
		return true;
	}
	attempt->retry.meters = palloc(n * sizeof(MeterEntry *));
	for (int i = 0; i < n; i++)
	{
		const MeterEntry *meter;

		if (!chosen(replay, &rejections[i]))
			continue;
		meter = rejecting_meter(replay, &rejections[i]);
		if (meter == NULL || meter->archived)
		{
			settle_unheard(replay, &rejections[i]);
			continue;
		}
		attempt->retry.meters[attempt->retry.nmeters++] = meter;
		attempt->rejections[attempt->n++] = rejections[i];
	}
	return attempt->n > 0;
}

/* What the rejection's meter made of the event now, or NULL. */
static const MeterContribution *
contribution_of(const MeterBatch *batch, const MeterEvent *event, const MeterRejection *rejection)
{
	for (int i = event->first; i < event->first + event->ncontributions && rejection->by_meter; i++)
	{
		const MeterContribution *c = &batch->contributions[i];

		if (memcmp(&c->meter->id, &rejection->meter_id, UUID_LEN) == 0)
			return c;
	}
	return NULL;
}

/* The status of an event as one meter that does not refuse it sees it. */
static const char *
meter_status(const MeterContribution *c)
{
	if (c->outcome == METER_OUTCOME_DUPLICATE)
		return meter_status_name(METER_STATUS_DUPLICATE);
	if (c->outcome == METER_OUTCOME_COUNTED && c->timing == METER_LATE_MOVED)
		return meter_status_name(METER_STATUS_LATE_NEXT_WINDOW);
	if (c->outcome == METER_OUTCOME_COUNTED && c->timing == METER_LATE_FINALIZED)
		return meter_status_name(METER_STATUS_LATE_REVISED);
	return meter_status_name(METER_STATUS_ACCEPTED);
}

/* Settle one rejection by what came of its event. */
static MeterRejectionResult
settle_rejection(Replay *replay, const MeterBatch *batch, const MeterEvent *event, const MeterRejection *rejection)
{
	/* a duplicate, or a conflict, is so for all meters */
	const MeterContribution *c = event->by_envelope ? NULL : contribution_of(batch, event, rejection);
	const char *kept = c ? meter_rejection_status(c->outcome) : NULL;
	const MeterError *err = c ? c->error : event->error;
	const char *status = c ? meter_status(c) : meter_status_name(event->status);

	if (c == NULL && (event->status == METER_STATUS_REJECTED || event->status == METER_STATUS_CONFLICT))
		kept = meter_status_name(event->status);
	if (kept)
	{
		answer(replay, rejection->rejection_id,
			   strcmp(kept, "quarantined") == 0 ? meter_status_name(METER_STATUS_LATE_QUARANTINED) : kept, err);
		return (MeterRejectionResult) {
			/* what is in quarantine stays there until it is counted */
			.rejection_id = rejection->rejection_id, .status = rejection->quarantined ? "quarantined" : kept,
				.code = err->code, .pointer = err->pointer, .message = err->message,
				.seq = meter_event_keeps_keys(event) ? event->seq : 0
		};
	}
	answer(replay, rejection->rejection_id, status, NULL);
	return (MeterRejectionResult) {
		.rejection_id = rejection->rejection_id, .resolved = true,
			.seq = meter_event_keeps_keys(event) ? event->seq : 0
	};
}

/* Meters that refuse an event which others count, and had not refused it before;
 * returns how many rows there are then. */
static int
add_refusals(const MeterBatch *batch, const MeterEvent *event, const Attempt *attempt, MeterRejectedRow *rows, int n)
{
	if (!meter_event_keeps_keys(event))
		return n;
	for (int i = event->first; i < event->first + event->ncontributions; i++)
	{
		const MeterContribution *c = &batch->contributions[i];
		const char *status = meter_rejection_status(c->outcome);
		bool		known = false;

		for (int r = 0; r < attempt->n; r++)
			known |= attempt->rejections[r].by_meter &&
				memcmp(&attempt->rejections[r].meter_id, &c->meter->id, UUID_LEN) == 0;
		if (status && !known)
			rows[n++] = meter_rejection_row(batch, event, c->meter, attempt->rejections->first_id, status, c->error);
	}
	return n;
}

/* Settle the rejections of a batch: what the engine calls when it is counted. */
static void
keep_results(void *arg, MeterBatch *batch)
{
	Replay	   *replay = arg;
	const pg_uuid_t *organization = &batch->organization;
	MeterRejectedRow *rows = palloc(Max(batch->ncontributions, 1) * sizeof(MeterRejectedRow));
	int64	   *firsts = palloc(batch->nevents * sizeof(int64));
	TimestampTz *times = palloc(batch->nevents * sizeof(TimestampTz));
	MeterRejectionResult *results;
	int			size = 0;
	int			nresults = 0;
	int			nrows = 0;
	int			nstored = 0;

	for (int i = 0; i < batch->nevents; i++)
		size += ((const Attempt *) batch->events[i].retry)->n;
	results = palloc(size * sizeof(MeterRejectionResult));
	for (int i = 0; i < batch->nevents; i++)
	{
		const MeterEvent *event = &batch->events[i];
		const Attempt *attempt = (const Attempt *) event->retry;

		for (int r = 0; r < attempt->n; r++)
			results[nresults++] = settle_rejection(replay, batch, event, &attempt->rejections[r]);
		nrows = add_refusals(batch, event, attempt, rows, nrows);
		if (meter_event_stored(batch, event) && !attempt->retry.stored)
		{
			firsts[nstored] = attempt->rejections->first_id;
			times[nstored++] = event->main_time;
		}
	}
	meter_rejection_settle(organization, batch->received_at, replay->resolution, results, nresults);
	meter_rejection_stored(organization, firsts, times, nstored);
	meter_rejected_append(organization, batch->received_at, rows, nrows);
	meter_rejections_announce(organization, batch->received_at, rows, nrows);
}

/* Try the open rejections of some events. */
static void
try_events(Replay *replay, MeterIngest *ingest, const int64 *firsts, int n)
{
	MeterRejection *rejections;
	int			nrejections = meter_rejection_lock(&replay->request->organization, firsts, n, &rejections);
	Attempt    *attempts = palloc(Max(nrejections, 1) * sizeof(Attempt));
	int			nattempts = 0;

	for (int i = 0, next; i < nrejections; i = next)
	{
		for (next = i + 1; next < nrejections && rejections[next].first_id == rejections[i].first_id; next++)
			;
		if (plan_attempt(replay, &rejections[i], next - i, &attempts[nattempts]))
			nattempts++;
	}
	for (int i = 0; i < nattempts; i++)
		meter_ingest_add_again(ingest, attempts[i].rejections->payload, &attempts[i].retry);
}

static int
state_cmp(const void *pa, const void *pb)
{
	return int64_cmp(&(*(MeterRejectionState *const *) pa)->first_id,
					 &(*(MeterRejectionState *const *) pb)->first_id);
}

/* The next events of those that were named. */
static int
next_named(const Replay *replay, int64 **firsts)
{
	int			nids = replay->request->nids;
	MeterRejectionState **states = palloc(Max(nids, 1) * sizeof(MeterRejectionState *));
	int64		bytes = 0;
	int			nstates = 0;
	int			n = 0;

	for (int i = 0; i < nids; i++)
	{
		MeterRejectionState *state = &replay->named[i];

		if (state->first_id > replay->done && !state->resolved &&
			wanted(replay, state->quarantined, state->by_meter, &state->meter_id))
			states[nstates++] = state;
	}
	qsort(states, nstates, sizeof(MeterRejectionState *), state_cmp);
	*firsts = palloc(Max(nstates, 1) * sizeof(int64));
	for (int i = 0; i < nstates && n < METER_REJECTION_EVENTS && bytes <= METER_REJECTION_BYTES; i++)
	{
		if (n > 0 && states[i]->first_id == (*firsts)[n - 1])
			continue;
		bytes += states[i]->bytes;
		(*firsts)[n++] = states[i]->first_id;
	}
	return n;
}

/* The next events to try; 0 where there are no more. */
static int
next_events(Replay *replay, int64 **firsts)
{
	int			n = replay->request->named ? next_named(replay, firsts) :
		meter_rejection_next(&replay->request->organization, replay->request->release,
							 replay->meter ? &replay->meter->id : NULL, replay->done, firsts);

	if (n > 0)
		replay->done = (*firsts)[n - 1];
	return n;
}

/* Tell why those that were named and not tried were not. */
static void
answer_rest(Replay *replay)
{
	for (int i = 0; i < replay->request->nids && replay->request->named; i++)
	{
		const MeterRejectionState *state = &replay->named[i];
		MeterError	err;
		const char *status;

		if (replay->answered[i])
			continue;
		if (state->first_id == 0 ||
			!wanted(replay, state->quarantined, state->by_meter, &state->meter_id))
		{
			status = "not_found";
			meter_error_set(&err, "NOT_FOUND", "there is no such %s", replay->request->release ?
							"event in quarantine" : "rejected event");
		}
		else if (state->resolved)
		{
			status = "resolved";
			meter_error_set(&err, "RESOLVED", "it was counted or taken back before");
		}
		else
		{
			status = "locked";
			meter_error_set(&err, "LOCKED", "another transaction is trying it");
		}
		replay->emit(replay->arg, state->rejection_id, status, &err);
	}
}

/* Find what the request names. */
static void
begin(Replay *replay)
{
	const MeterReplayRequest *request = replay->request;

	if (request->meter)
	{
		replay->meter = meter_cache_meter(&request->organization, request->meter, strlen(request->meter));
		if (replay->meter == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("meter \"%s\" does not exist", request->meter),
					 errdetail("METER_NOT_FOUND.")));
	}
	if (request->named)
	{
		replay->named = meter_rejection_look_up(&request->organization, request->ids, request->nids);
		replay->answered = palloc0(Max(request->nids, 1) * sizeof(bool));
	}
}

/* Try rejected events again; see replay.h. */
void
meter_replay(const MeterReplayRequest *request, MeterReplayEmit emit, void *arg)
{
	Replay		replay = {
		.request = request, .emit = emit, .arg = arg, .resolution = request->release ? "released" : "replayed"
	};
	const char *reason = request->release ? "quarantine released" : "rejected event replayed";
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "meter replay",
												  ALLOCSET_DEFAULT_SIZES);
	MeterIngest *ingest = meter_ingest_begin_again(&request->organization, keep_results, &replay, reason);
	MemoryContext old;
	int64	   *firsts;
	int			n;

	meter_lock_rollups_shared(&request->organization);
	begin(&replay);
	old = MemoryContextSwitchTo(context);
	while ((n = next_events(&replay, &firsts)) > 0)
	{
		CHECK_FOR_INTERRUPTS();
		try_events(&replay, ingest, firsts, n);
		meter_ingest_finish(ingest);
		MemoryContextReset(context);
		MemoryContextSwitchTo(old);
		ingest = meter_ingest_begin_again(&request->organization, keep_results, &replay, reason);
		MemoryContextSwitchTo(context);
	}
	meter_ingest_finish(ingest);
	MemoryContextSwitchTo(old);
	answer_rest(&replay);
	MemoryContextDelete(context);
}
