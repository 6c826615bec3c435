/*
 * state.h
 *		The usage state: what is kept of a set of samples so that any
 *		aggregation can be read from it and two of them merged.
 *
 * Merging is associative and commutative.  A state holds only the parts its
 * function needs.  A sample may carry weight -1 (a reversal, with the value,
 * time, seq and key of the sample it takes back): count, sum, avg, custom,
 * unique_count, percentile and weighted_sum go back exactly, and a part may be
 * negative while its other half lies in a state not merged yet.  min, max and
 * latest forget what they do not show and refuse a reversal: whoever reverses
 * there recomputes from the events.  So does an approximate unique_count.
 */
#ifndef METER_VALUES_STATE_H
#define METER_VALUES_STATE_H

#include "compat.h"

#include "datatype/timestamp.h"
#include "lib/stringinfo.h"

#include "values/decimal.h"

typedef enum MeterFunction
{
	METER_FUNCTION_SUM,
	METER_FUNCTION_COUNT,
	METER_FUNCTION_AVG,
	METER_FUNCTION_MIN,
	METER_FUNCTION_MAX,
	METER_FUNCTION_LATEST,
	METER_FUNCTION_UNIQUE_COUNT,
	METER_FUNCTION_WEIGHTED_SUM,
	METER_FUNCTION_PERCENTILE,
	METER_FUNCTION_CUSTOM		/* a sum of expression results */
} MeterFunction;

typedef enum MeterWeightMode
{
	METER_WEIGHT_DELTA,			/* each value changes the level */
	METER_WEIGHT_GAUGE			/* each value is the level */
} MeterWeightMode;

typedef struct MeterSample
{
	const MeterDecimal *value;	/* NULL where the function takes none */
	TimestampTz time;
	int64		seq;			/* arrival, to break ties of time */
	const char *key;			/* unique_count; NULL elsewhere */
	int			keylen;
	int			weight;			/* 1, or -1 for a reversal */
} MeterSample;

typedef struct MeterState MeterState;

/* What reading needs besides the state. */
typedef struct MeterResultOptions
{
	double		fraction;		/* percentile: 0 .. 1 */
	MeterWeightMode mode;		/* weighted_sum */
	TimestampTz window_start;	/* weighted_sum: the window's ends, whose */
	TimestampTz window_end;		/* difference is its real length */
	const MeterDecimal *carry;	/* weighted_sum: the level at the start, or
								 * NULL for 0 */
} MeterResultOptions;

/* Name to function and back; parse returns false for an unknown name. */
extern bool meter_function_parse(const char *name, int len, MeterFunction *function);
extern const char *meter_function_name(MeterFunction function);

/* A new empty state; it and all it grows live in context. */
extern MeterState *meter_state_create(MeterFunction function, MemoryContext context);

/*
 * A weighted_sum state that need only ever be read in mode.  A delta state has
 * a fixed size, but can only be read over a window that holds all its samples;
 * what meter_state_create makes keeps each sample, and can be read in both
 * modes and over any window (samples before it are carried in, those behind it
 * left out).  Merging the two kinds gives a delta state.
 */
extern MeterState *meter_state_create_weighted(MeterWeightMode mode, MemoryContext context);

/*
 * A unique_count state that keeps a sketch of bounded size instead of the keys
 * (see sketch.h), and a state of the same kind as another one.  Exact and
 * approximate states are not merged.
 */
extern MeterState *meter_state_create_approximate(MemoryContext context);
extern MeterState *meter_state_create_like(const MeterState *state, MemoryContext context);

extern void meter_state_add(MeterState *state, const MeterSample *sample);
extern void meter_state_merge(MeterState *into, const MeterState *from);
extern MeterFunction meter_state_function(const MeterState *state);

/* Is the state kept by sums (a weighted_sum in mode delta) or by a sketch? */
extern bool meter_state_sums(const MeterState *state);
extern bool meter_state_sketches(const MeterState *state);
extern int64 meter_state_count(const MeterState *state);

/*
 * Bytes, portable between machines, with a version byte; the first form
 * appends.  Unpacking checks everything (the bytes may come from a client) and
 * raises 22P03; merging packed bytes saves building a state between.
 */
extern void meter_state_pack(const MeterState *state, StringInfo buf);
extern MeterState *meter_state_unpack(const char *data, int len, MemoryContext context);
extern void meter_state_merge_packed(MeterState *into, const char *data, int len);

/*
 * A form to read and write, JSON, which gives the same state back.  Reading
 * raises 22P02 where text is none.  The last one checks what only clients can
 * get wrong: that keys are text in the server's encoding, and that a sketch is
 * one.
 */
extern void meter_state_to_text(const MeterState *state, StringInfo buf);
extern MeterState *meter_state_from_text(const char *text, int len, MemoryContext context);
extern void meter_state_check_keys(const MeterState *state);

/*
 * The level after the last sample of a weighted_sum state: what the next
 * window carries in.  For delta that is to be added to the state's own carry,
 * for gauge it replaces it; false where there are no samples.
 */
extern bool meter_state_level(const MeterState *state, MeterWeightMode mode, MeterDecimal *out);

/*
 * The answer; *isnull for a function that has none over no events.  A state
 * may be read by another function than its own where it holds what that needs:
 * count from every state, sum, avg and custom from one another, and the level
 * of a weighted_sum as sum (delta) or latest (gauge); otherwise 22023.  state
 * NULL stands for no samples; options may be NULL where function needs none.
 */
extern Numeric meter_state_result(const MeterState *state, MeterFunction function,
								  const MeterResultOptions *options, bool *isnull);

#endif							/* METER_VALUES_STATE_H */
