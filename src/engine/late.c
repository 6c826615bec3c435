/*
 * late.c
 *		Late events, by each meter's policy.
 *
 * A window takes events until its end and the policy's grace are behind the
 * clock; an event that comes then is late.  The window is that of the
 * definition's own profile, by the version in force at the event's time; for
 * billing periods the one of the subject's subscription.  Its end decides,
 * whatever the other profiles' windows are; but where one of those was closed
 * already, a revision is due all the same.
 *
 * The clock is read once a call, behind the transaction's number and the
 * definitions lock, so closing knows what ingestion took for open (closing.h).
 * Whether windows were closed meanwhile decides nothing but the name of the
 * status, and whether a revision is due.
 *
 * Nearly every event is in time, and measuring only compares (late.h).  What is
 * left is judged here for the whole batch, by meter and subject, so that a
 * subject's subscriptions are looked up once.
 */
#include "engine/late.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "engine/closing.h"
#include "engine/customers.h"
#include "values/duration.h"
#include "values/timestamp.h"

static int
subject_cmp(MeterText a, MeterText b)
{
	int			len = Min(a.len, b.len);
	int			cmp = len > 0 ? memcmp(a.data, b.data, len) : 0;

	return cmp != 0 ? cmp : a.len - b.len;
}

static const MeterWindow *
own_window(const MeterPlan *plan)
{
	return &plan->profiles[0].window;
}

static void
close_calendar(MeterCalendar *calendar)
{
	if (calendar->periods)
		pfree(calendar->periods);
	calendar->periods = NULL;
}

/* Look at another definition's or subject's windows, if it is one. */
static void
turn_to(MeterCalendar *calendar, const MeterBatch *batch, const MeterWindow *window, MeterText subject)
{
	bool		by_subscription = window->size == METER_WINDOW_BILLING_PERIOD;

	if (calendar->window == window &&
		(!by_subscription || subject_cmp(calendar->subject, subject) == 0))
		return;
	close_calendar(calendar);
	*calendar = (MeterCalendar) {.window = window, .subject = subject};
	/* a subject that is none has no subscriptions */
	if (by_subscription && subject.data)
		calendar->nperiods = meter_customer_periods(&batch->organization, &subject, DT_NOBEGIN, DT_NOEND,
													window, &calendar->periods);
}

/* The window that holds t. */
static MeterInterval
window_at(const MeterCalendar *calendar, TimestampTz t)
{
	MeterInterval window;
	int			p = 0;

	if (calendar->periods == NULL)
	{
		meter_window_bounds(calendar->window, t, &window.from, &window.to);
		return window;
	}
	while (p < calendar->nperiods - 1 && t >= calendar->periods[p].to)
		p++;
	meter_window_bounds(&calendar->periods[p].window, t, &window.from, &window.to);
	return (MeterInterval) {
		Max(window.from, calendar->periods[p].from), Min(window.to, calendar->periods[p].to)
	};
}

/* The end of the window that holds t; see late.h. */
TimestampTz
meter_calendar_end(MeterCalendar *calendar, const MeterBatch *batch, const MeterPlan *plan,
				   MeterText subject, TimestampTz t)
{
	turn_to(calendar, batch, own_window(plan), subject);
	return window_at(calendar, t).to;
}

/* Since when the meter has a version's windows: they go on from the one before
 * it where they are the same. */
static TimestampTz
windows_since(const MeterEntry *meter, int version)
{
	while (version > 0 &&
		   meter->versions[version - 1]->effective_to == meter->versions[version]->effective_from &&
		   meter_window_same(own_window(meter->versions[version - 1]), own_window(meter->versions[version])))
		version--;
	return meter->versions[version]->effective_from;
}

/*
 * Where a late event is counted by policy next_window: at the start of the
 * meter's earliest window that still takes events.
 */
static TimestampTz
next_placement(const MeterBatch *batch, const MeterContribution *c, MeterText subject)
{
	TimestampTz placement = batch->received_at;
	MeterCalendar	calendar = {0};

	for (int v = 0; v < c->meter->nversions; v++)
	{
		const MeterPlan *plan = c->meter->versions[v];
		TimestampTz open = Max(batch->received_at - plan->late.grace, plan->effective_from);

		if (open >= plan->effective_to)
			continue;
		turn_to(&calendar, batch, own_window(plan), subject);
		placement = Max(window_at(&calendar, open).from, windows_since(c->meter, v));
		break;
	}
	close_calendar(&calendar);
	return placement;
}

/* Up to when the meter's windows are closed, asked once a call. */
static MeterLateHorizon *
horizon_of(const MeterBatch *batch, MeterLateMemory *memory, const MeterEntry *meter)
{
	MemoryContext old;
	TimestampTz horizon;
	TimestampTz limit;

	for (int i = 0; i < memory->n; i++)
	{
		if (memory->horizons[i].meter == meter)
			return &memory->horizons[i];
	}
	horizon = meter_closing_horizon(&batch->organization, meter);
	limit = meter_closing_limit(&batch->organization, meter);
	old = MemoryContextSwitchTo(memory->context);
	memory->horizons = meter_batch_grow(memory->horizons, memory->n, &memory->size,
										sizeof(MeterLateHorizon), 8);
	memory->horizons[memory->n++] = (MeterLateHorizon) {meter, horizon, limit};
	MemoryContextSwitchTo(old);
	return &memory->horizons[memory->n - 1];
}

/* Refuse or quarantine a contribution for the event's time. */
static void
turn_away(MeterContribution *c, MeterOutcome outcome, MeterError *err)
{
	c->timing = METER_UNTIMELY;
	c->outcome = outcome;
	meter_error_prepend(err, "time", 4);
	c->error = meter_batch_error(err);
}

/* Is the event beyond what the policy takes at all? */
static bool
out_of_range(MeterContribution *c, TimestampTz received_at, TimestampTz time)
{
	const MeterLatePolicy *policy = &c->plan->late;
	int64		age = received_at - time;
	MeterError	err;

	if (age > policy->max_age)
		meter_error_set(&err, "TOO_OLD", "the event is %s old, the meter takes events of up to %s",
						meter_duration_format(age), meter_duration_format(policy->max_age));
	else if (-age > policy->max_future)
		meter_error_set(&err, "TOO_FUTURE", "the event is %s ahead of the clock, the meter takes up to %s",
						meter_duration_format(-age), meter_duration_format(policy->max_future));
	else
		return false;
	turn_away(c, METER_OUTCOME_REJECTED, &err);
	return true;
}

/* Say by how much the event came too late for its window. */
static void
say_late(const MeterLatePolicy *policy, TimestampTz received_at, TimestampTz end, MeterError *err)
{
	char		when[METER_TIMESTAMP_LEN];

	meter_timestamp_format(end, when);
	meter_error_set(err, policy->mode == METER_LATE_REJECT ? "LATE" : "LATE_QUARANTINED",
					"the event's window ended at %s, and the grace of %s was over %s before it came",
					when, meter_duration_format(policy->grace),
					meter_duration_format(received_at - policy->grace - end));
}

/*
 * Is closing to be told of a contribution?  Of the window of the definition's
 * own profile it is known when it ends; another profile's may be shorter, and
 * closing looks itself.
 */
static bool
may_be_closed(const MeterBatch *batch, MeterLateMemory *memory, const MeterContribution *c, TimestampTz end)
{
	int64		grace = c->plan->late.grace;

	if (c->plan->nprofiles > 1)
		end = c->placement;
	return end <= batch->received_at - grace &&
		end + grace <= horizon_of(batch, memory, c->meter)->limit;
}

/* By its policy, what becomes of a contribution whose window ended then? */
static void
apply_policy(MeterBatch *batch, MeterLateMemory *memory, MeterContribution *c, TimestampTz end)
{
	const MeterLatePolicy *policy = &c->plan->late;
	const MeterRetry *retry = batch->events[c->event].retry;
	MeterError	err;

	switch (retry && retry->released ? METER_LATE_REVISE : policy->mode)
	{
		case METER_LATE_REVISE:
			c->timing = end + policy->grace <= horizon_of(batch, memory, c->meter)->horizon ?
				METER_LATE_FINALIZED : METER_LATE;
			break;
		case METER_LATE_NEXT_WINDOW:
			c->timing = METER_LATE_MOVED;
			c->placement = next_placement(batch, c, batch->series[c->series].subject);
			batch->nmoved++;
			break;
		case METER_LATE_REJECT:
			say_late(policy, batch->received_at, end, &err);
			turn_away(c, METER_OUTCOME_REJECTED, &err);
			break;
		case METER_LATE_QUARANTINE:
			say_late(policy, batch->received_at, end, &err);
			turn_away(c, METER_OUTCOME_QUARANTINED, &err);
			break;
	}
}

/* Judge one contribution. */
static void
judge(MeterBatch *batch, MeterLateMemory *memory, MeterCalendar *calendar, MeterContribution *c)
{
	const MeterEvent *event = &batch->events[c->event];
	TimestampTz due = batch->received_at - c->plan->late.grace;
	bool		released = event->retry && event->retry->released;
	TimestampTz end;

	c->timing = METER_TIMELY;
	if ((!released && out_of_range(c, batch->received_at, event->time)) || event->time >= due)
		return;
	turn_to(calendar, batch, own_window(c->plan), batch->series[c->series].subject);
	end = window_at(calendar, event->time).to;
	if (end <= due)
		apply_policy(batch, memory, c, end);
	if (c->timing == METER_LATE_MOVED)
		end = DT_NOEND;
	c->closed = c->timing != METER_UNTIMELY && may_be_closed(batch, memory, c, end);
	batch->nclosed += c->closed;
}

static int
suspect_cmp(const void *pa, const void *pb, void *arg)
{
	const MeterBatch *batch = arg;
	const MeterContribution *a = &batch->contributions[*(const int *) pa];
	const MeterContribution *b = &batch->contributions[*(const int *) pb];

	if (a->plan != b->plan)
		return a->plan->version_id < b->plan->version_id ? -1 : 1;
	if (own_window(a->plan)->size == METER_WINDOW_BILLING_PERIOD)
	{
		int			cmp = subject_cmp(batch->series[a->series].subject, batch->series[b->series].subject);

		if (cmp != 0)
			return cmp;
	}
	return *(const int *) pa - *(const int *) pb;
}

/* Where an event's row is stored: where all who count it count it, if that is
 * one place, else at its own time.  One that keeps its keys has its place. */
static void
place_event(const MeterBatch *batch, MeterEvent *event)
{
	TimestampTz place = event->time;
	bool		counted = false;

	if (meter_event_known(event))
		return;
	for (int i = event->first; i < event->first + event->ncontributions; i++)
	{
		const MeterContribution *c = &batch->contributions[i];

		if (c->outcome != METER_OUTCOME_COUNTED)
			continue;
		if (counted && c->placement != place)
		{
			place = event->time;
			break;
		}
		place = c->placement;
		counted = true;
	}
	event->main_time = place;
}

/* Judge what may be late; see late.h. */
void
meter_batch_judge_late(MeterBatch *batch, MeterLateMemory *memory)
{
	int		   *suspects;
	int			n = 0;
	MeterCalendar	calendar = {0};

	if (batch->nmaybe_late == 0)
		return;
	suspects = palloc(batch->nmaybe_late * sizeof(int));
	for (int i = memory->first; i < batch->ncontributions; i++)
	{
		const MeterContribution *c = &batch->contributions[i];

		if (c->timing == METER_MAYBE_LATE && c->outcome == METER_OUTCOME_COUNTED)
			suspects[n++] = i;
	}
	qsort_arg(suspects, n, sizeof(int), suspect_cmp, batch);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		judge(batch, memory, &calendar, &batch->contributions[suspects[i]]);
	}
	close_calendar(&calendar);
	for (int i = 0; i < n; i++)
	{
		MeterEvent *event = &batch->events[batch->contributions[suspects[i]].event];

		meter_event_settle(batch, event);
		place_event(batch, event);
	}
}

/* Tell closing what was counted behind it; see late.h. */
void
meter_batch_touch_closed(const MeterBatch *batch, const char *reason)
{
	MeterClosingTouch *touches;
	int			n = 0;

	if (batch->nclosed == 0)
		return;
	touches = palloc(batch->nclosed * sizeof(MeterClosingTouch));
	for (int i = 0; i < batch->ncontributions; i++)
	{
		const MeterContribution *c = &batch->contributions[i];

		if (c->closed && c->outcome == METER_OUTCOME_COUNTED)
			touches[n++] = (MeterClosingTouch) {
				.meter = c->meter, .time = c->placement, .subject = batch->series[c->series].subject
			};
	}
	if (n > 0)
		meter_closing_touch(&batch->organization, reason, touches, n);
}
