/*
 * aggregates_direct.c
 *		The aggregates that go from rows to the answer in one step: latest,
 *		unique_count, time_weighted.
 *
 * They keep the same states as usage_agg; latest and unique_count use its
 * combine and serialize functions as well.
 */
#include "surface/aggregates.h"
#include "surface/state_type.h"

#include "libpq/pqformat.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(meter_latest_trans);
PG_FUNCTION_INFO_V1(meter_latest_final);
PG_FUNCTION_INFO_V1(meter_unique_count_trans);
PG_FUNCTION_INFO_V1(meter_unique_count_final);
PG_FUNCTION_INFO_V1(meter_time_weighted_trans);
PG_FUNCTION_INFO_V1(meter_time_weighted_final);
PG_FUNCTION_INFO_V1(meter_time_weighted_combine);
PG_FUNCTION_INFO_V1(meter_time_weighted_serialize);
PG_FUNCTION_INFO_V1(meter_time_weighted_deserialize);

/* latest(value, event_time): rows without a value are passed over. */
Datum
meter_latest_trans(PG_FUNCTION_ARGS)
{
	MeterState *state = PG_ARGISNULL(0) ? NULL : (MeterState *) PG_GETARG_POINTER(0);
	MeterSample sample = {.weight = 1};
	MeterDecimal value;

	if (state == NULL)
		state = meter_state_create(METER_FUNCTION_LATEST, meter_aggregate_context(fcinfo));
	if (PG_ARGISNULL(1))
		PG_RETURN_POINTER(state);
	if (PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("latest needs an event_time with each value")));
	meter_aggregate_value(fcinfo, 1, "latest", &value);
	sample.value = &value;
	sample.time = PG_GETARG_TIMESTAMPTZ(2);
	meter_state_add(state, &sample);
	PG_RETURN_POINTER(state);
}

/* latest's answer. */
Datum
meter_latest_final(PG_FUNCTION_ARGS)
{
	Numeric		num;
	bool		isnull;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	num = meter_state_result((MeterState *) PG_GETARG_POINTER(0), METER_FUNCTION_LATEST,
							 NULL, &isnull);
	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_NUMERIC(num);
}

/* unique_count(key): rows without a key are passed over. */
Datum
meter_unique_count_trans(PG_FUNCTION_ARGS)
{
	MeterState *state = PG_ARGISNULL(0) ? NULL : (MeterState *) PG_GETARG_POINTER(0);
	MeterSample sample = {.weight = 1};
	text	   *key;

	if (state == NULL)
		state = meter_state_create(METER_FUNCTION_UNIQUE_COUNT,
								   meter_aggregate_context(fcinfo));
	if (PG_ARGISNULL(1))
		PG_RETURN_POINTER(state);
	key = PG_GETARG_TEXT_PP(1);
	sample.key = VARDATA_ANY(key);
	sample.keylen = VARSIZE_ANY_EXHDR(key);
	meter_state_add(state, &sample);
	PG_RETURN_POINTER(state);
}

/* unique_count's answer. */
Datum
meter_unique_count_final(PG_FUNCTION_ARGS)
{
	Numeric		num;
	bool		isnull;

	if (PG_ARGISNULL(0))
		PG_RETURN_INT64(0);
	num = meter_state_result((MeterState *) PG_GETARG_POINTER(0),
							 METER_FUNCTION_UNIQUE_COUNT, NULL, &isnull);
	PG_RETURN_DATUM(DirectFunctionCall1(numeric_int8, NumericGetDatum(num)));
}

/* time_weighted's transition value: the window is an argument of each row. */
typedef struct TimeWeighted
{
	MeterState *state;
	MeterResultOptions options;
} TimeWeighted;

/* A transition value without samples. */
static TimeWeighted *
time_weighted_create(MemoryContext context, MeterWeightMode mode, TimestampTz start,
					 TimestampTz end)
{
	TimeWeighted *tw = MemoryContextAllocZero(context, sizeof(TimeWeighted));

	tw->state = meter_state_create_weighted(mode, context);
	tw->options.mode = mode;
	tw->options.window_start = start;
	tw->options.window_end = end;
	return tw;
}

/* Is it the same window, in the same mode? */
static void
time_weighted_check(const TimeWeighted *tw, MeterWeightMode mode, TimestampTz start,
					TimestampTz end)
{
	if (tw->options.mode != mode || tw->options.window_start != start ||
		tw->options.window_end != end)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time_weighted cannot mix windows or modes in one group")));
}

/*
 * time_weighted(value, event_time, window_start, window_end, mode): rows
 * without a value are passed over, and so are those at or after the window's
 * end.  In mode delta only sums are kept, for which what came before the
 * window counts from its start.
 */
Datum
meter_time_weighted_trans(PG_FUNCTION_ARGS)
{
	TimeWeighted *tw = PG_ARGISNULL(0) ? NULL : (TimeWeighted *) PG_GETARG_POINTER(0);
	MeterSample sample = {.weight = 1};
	MeterDecimal value;
	text	   *name;
	MeterWeightMode mode;
	TimestampTz start;
	TimestampTz end;

	if (PG_ARGISNULL(3) || PG_ARGISNULL(4) || PG_ARGISNULL(5) ||
		(!PG_ARGISNULL(1) && PG_ARGISNULL(2)))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("time_weighted needs an event_time with each value, and the window's start, end and mode")));
	start = PG_GETARG_TIMESTAMPTZ(3);
	end = PG_GETARG_TIMESTAMPTZ(4);
	name = PG_GETARG_TEXT_PP(5);
	mode = meter_weight_mode_parse(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	if (tw == NULL)
		tw = time_weighted_create(meter_aggregate_context(fcinfo), mode, start, end);
	else
		time_weighted_check(tw, mode, start, end);

	if (PG_ARGISNULL(1))
		PG_RETURN_POINTER(tw);
	meter_aggregate_value(fcinfo, 1, "time_weighted", &value);
	sample.value = &value;
	sample.time = PG_GETARG_TIMESTAMPTZ(2);
	if (mode == METER_WEIGHT_DELTA && sample.time < start)
		sample.time = start;
	if (sample.time < end)
		meter_state_add(tw->state, &sample);
	PG_RETURN_POINTER(tw);
}

/* time_weighted's answer. */
Datum
meter_time_weighted_final(PG_FUNCTION_ARGS)
{
	TimeWeighted *tw;
	Numeric		num;
	bool		isnull;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	tw = (TimeWeighted *) PG_GETARG_POINTER(0);
	num = meter_state_result(tw->state, METER_FUNCTION_WEIGHTED_SUM, &tw->options, &isnull);
	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_NUMERIC(num);
}

/* Merge the second value into the first, which may have to be made. */
Datum
meter_time_weighted_combine(PG_FUNCTION_ARGS)
{
	TimeWeighted *into = PG_ARGISNULL(0) ? NULL : (TimeWeighted *) PG_GETARG_POINTER(0);
	TimeWeighted *from = PG_ARGISNULL(1) ? NULL : (TimeWeighted *) PG_GETARG_POINTER(1);

	if (from == NULL && into == NULL)
		PG_RETURN_NULL();
	if (from == NULL)
		PG_RETURN_POINTER(into);
	if (into == NULL)
		into = time_weighted_create(meter_aggregate_context(fcinfo), from->options.mode,
									from->options.window_start, from->options.window_end);
	else
		time_weighted_check(into, from->options.mode, from->options.window_start,
							from->options.window_end);
	meter_state_merge(into->state, from->state);
	PG_RETURN_POINTER(into);
}

/* Mode and window, then the packed state. */
Datum
meter_time_weighted_serialize(PG_FUNCTION_ARGS)
{
	TimeWeighted *tw;
	StringInfoData buf;

	meter_aggregate_context(fcinfo);
	tw = (TimeWeighted *) PG_GETARG_POINTER(0);
	pq_begintypsend(&buf);
	pq_sendbyte(&buf, tw->options.mode);
	pq_sendint64(&buf, tw->options.window_start);
	pq_sendint64(&buf, tw->options.window_end);
	meter_state_pack(tw->state, &buf);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

/* What meter_time_weighted_serialize made. */
Datum
meter_time_weighted_deserialize(PG_FUNCTION_ARGS)
{
	bytea	   *sent;
	StringInfoData buf;
	TimeWeighted *tw;
	int			mode;
	TimestampTz start;
	TimestampTz end;
	int			len;

	meter_aggregate_context(fcinfo);
	sent = PG_GETARG_BYTEA_PP(0);
	initStringInfo(&buf);
	appendBinaryStringInfo(&buf, VARDATA_ANY(sent), VARSIZE_ANY_EXHDR(sent));
	mode = pq_getmsgbyte(&buf);
	start = pq_getmsgint64(&buf);
	end = pq_getmsgint64(&buf);
	tw = time_weighted_create(CurrentMemoryContext, mode, start, end);
	len = buf.len - buf.cursor;
	meter_state_merge_packed(tw->state, pq_getmsgbytes(&buf, len), len);
	PG_RETURN_POINTER(tw);
}
