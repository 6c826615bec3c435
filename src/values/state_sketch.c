/*
 * state_sketch.c
 *		The part of a usage state that counts unique keys approximately.
 *
 * Adding a key to a sketch takes it apart and packs it again, which costs as
 * much as it has bytes.  So new keys go into a small one, and that is merged
 * into the large one each time it has grown beyond RECENT_MAX.
 */
#include "values/state_private.h"

#include <math.h>

#include "values/sketch.h"

#define RECENT_MAX 2048

/*
 * An hll value begins with its version (1) and kind, its registers' width and
 * number, and the thresholds between the kinds (automatic): hll storage
 * specification 1.0.0.  All of ours begin alike but for the kind; an empty
 * value is not kept.
 */
#define HEAD_LENGTH 3
#define HEAD_VERSION 1
#define HEAD_EXPLICIT 2
#define HEAD_FULL 4
#define HEAD_PARAMETERS ((METER_SKETCH_REGWIDTH - 1) << 5 | METER_SKETCH_LOG2M)
#define HEAD_THRESHOLDS 0x7F

/* The registers, in bytes: no kind takes more. */
#define BODY_MAX ((1 << METER_SKETCH_LOG2M) * METER_SKETCH_REGWIDTH / 8)

const MeterSketchMethods *meter_sketch_methods = NULL;

/* A new empty part. */
MeterSketch *
meter_sketch_create(MemoryContext context)
{
	return MemoryContextAllocZero(context, sizeof(MeterSketch));
}

/* Put another value in a slot's place. */
static void
replace(bytea **slot, bytea *value)
{
	if (*slot)
		pfree(*slot);
	*slot = value;
}

/* Merge a value into a slot; the current memory context is the state's. */
static void
merge_slot(bytea **slot, bytea *from)
{
	bytea	   *merged;

	if (*slot)
		merged = meter_sketch_methods->merge(*slot, from);
	else
		merged = memcpy(palloc(VARSIZE(from)), from, VARSIZE(from));
	replace(slot, merged);
}

/* Merge the small sketch into the large one once it is no longer small. */
static void
fold(MeterSketch *sketch)
{
	if (VARSIZE(sketch->recent) <= RECENT_MAX)
		return;
	merge_slot(&sketch->value, sketch->recent);
	replace(&sketch->recent, NULL);
}

/* Add a key. */
void
meter_sketch_add(MeterState *state, const char *key, int len)
{
	MemoryContext old = MemoryContextSwitchTo(state->context);

	replace(&state->sketch->recent, meter_sketch_methods->add(state->sketch->recent, key, len));
	fold(state->sketch);
	MemoryContextSwitchTo(old);
}

/* Merge an hll value, not a short varlena. */
void
meter_sketch_merge(MeterState *into, bytea *from)
{
	MemoryContext old = MemoryContextSwitchTo(into->context);

	if (VARSIZE(from) > RECENT_MAX)
		merge_slot(&into->sketch->value, from);
	else
	{
		merge_slot(&into->sketch->recent, from);
		fold(into->sketch);
	}
	MemoryContextSwitchTo(old);
}

/* All of it as one hll value, NULL where there are no keys. */
bytea *
meter_sketch_value(const MeterState *state)
{
	const MeterSketch *sketch = state->sketch;

	if (sketch->value && sketch->recent)
		return meter_sketch_methods->merge(sketch->value, sketch->recent);
	return sketch->value ? sketch->value : sketch->recent;
}

/* The estimate, to the nearest whole number. */
int64
meter_sketch_count(const MeterState *state)
{
	bytea	   *value = meter_sketch_value(state);

	return value ? (int64) rint(meter_sketch_methods->cardinality(value)) : 0;
}

/* Does it begin as all our sketches do, and is it no longer than they get? */
bool
meter_sketch_is_ours(const char *bytes, uint64 len)
{
	const unsigned char *head = (const unsigned char *) bytes;

	return len >= HEAD_LENGTH && len <= HEAD_LENGTH + BODY_MAX &&
		head[0] >= (HEAD_VERSION << 4 | HEAD_EXPLICIT) &&
		head[0] <= (HEAD_VERSION << 4 | HEAD_FULL) &&
		head[1] == HEAD_PARAMETERS && head[2] == HEAD_THRESHOLDS;
}

/* Have hll look at what came from a client, which it does where it merges. */
void
meter_sketch_check(const MeterState *state)
{
	bytea	   *value = meter_sketch_value(state);

	if (value)
		(void) meter_sketch_methods->merge(value, value);
}
