/*
 * state.h
 *		The usage state: what is kept of a set of samples so that any
 *		aggregation can be read from it and two of them merged.
 *
 * Merging is associative and commutative.  A state holds only the parts its
 * function needs.  A sample may carry weight -1 (a reversal): count, sum and
 * the unique keys' reference counts go back exactly, and a part may be
 * negative while its other half lies in a state not merged yet.
 */
#ifndef METER_VALUES_STATE_H
#define METER_VALUES_STATE_H

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
extern void meter_state_add(MeterState *state, const MeterSample *sample);
extern void meter_state_merge(MeterState *into, const MeterState *from);
extern MeterFunction meter_state_function(const MeterState *state);
extern int64 meter_state_count(const MeterState *state);

/*
 * Bytes, portable between machines, with a version byte; the first form
 * appends.  Unpacking checks everything (the bytes may come from a client) and
 * raises 22P03; merging packed bytes saves building a state between.
 */
extern void meter_state_pack(const MeterState *state, StringInfo buf);
extern MeterState *meter_state_unpack(const char *data, int len, MemoryContext context);
extern void meter_state_merge_packed(MeterState *into, const char *data, int len);

/* The answer; *isnull for a function that has none over no events.  Raises
 * 22023 where the state does not hold what function needs. */
extern Numeric meter_state_result(const MeterState *state, MeterFunction function,
								  const MeterResultOptions *options, bool *isnull);

#endif							/* METER_VALUES_STATE_H */
