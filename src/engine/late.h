/*
 * late.h
 *		Events that come after their window's end and grace, too late for any
 *		window, or too early.
 */
#ifndef METER_ENGINE_LATE_H
#define METER_ENGINE_LATE_H

#include "engine/batch.h"

/* May the plan's policy have something to say to an event of that time?  What
 * it asks nearly every event, so it is three comparisons. */
static inline bool
meter_late_suspect(const MeterPlan *plan, TimestampTz received_at, TimestampTz time)
{
	int64		age = received_at - time;

	/* a window ends behind the events it holds */
	return age > plan->late.grace || age > plan->late.max_age || -age > plan->late.max_future;
}

/* How far a meter's windows are closed, asked once. */
typedef struct MeterLateHorizon
{
	const MeterEntry *meter;
	TimestampTz horizon;
	TimestampTz limit;			/* windows over by then may be closed right now */
} MeterLateHorizon;

/* What the judgement remembers beyond a batch. */
typedef struct MeterLateMemory
{
	MemoryContext context;
	MeterLateHorizon *horizons;
	int			n;
	int			size;
} MeterLateMemory;

/*
 * Judge the contributions that may be late, by the clock of received_at alone,
 * and settle their events again.  Also says where each event's row is stored.
 */
extern void meter_batch_judge_late(MeterBatch *batch, MeterLateMemory *memory);

/* Tell closing what was counted in windows that it had finalized, or may be
 * finalizing. */
extern void meter_batch_touch_closed(const MeterBatch *batch, const char *reason);

#endif							/* METER_ENGINE_LATE_H */
