/*
 * aggregates.c
 *		usage_agg and rollup: rows to a usage state, states to a state.
 *
 * The transition value is a MeterState in the aggregate's context, changed in
 * place.  Partial states travel between processes packed.
 */
#include "surface/aggregates.h"
#include "surface/state_type.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(meter_usage_agg_trans);
PG_FUNCTION_INFO_V1(meter_usage_agg_key_trans);
PG_FUNCTION_INFO_V1(meter_usage_agg_final);
PG_FUNCTION_INFO_V1(meter_usage_agg_combine);
PG_FUNCTION_INFO_V1(meter_usage_agg_serialize);
PG_FUNCTION_INFO_V1(meter_usage_agg_deserialize);
PG_FUNCTION_INFO_V1(meter_rollup_trans);

/*
 * The function's name as the last row had it.  It is nearly always a constant,
 * but an aggregate's arguments do not tell; comparing a few bytes is cheaper
 * than looking the name up.
 */
typedef struct NameCache
{
	int			len;
	MeterFunction function;
	char		name[NAMEDATALEN];
} NameCache;

/* The aggregate's memory, or an error where it is called as a function. */
MemoryContext
meter_aggregate_context(FunctionCallInfo fcinfo)
{
	MemoryContext context;

	if (!AggCheckCallContext(fcinfo, &context))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("this function can only be called by an aggregate")));
	return context;
}

/* A numeric argument that may be anything a numeric can be. */
void
meter_aggregate_value(FunctionCallInfo fcinfo, int arg, const char *what, MeterDecimal *value)
{
	Numeric		num = (Numeric) PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(arg));
	MeterError	err;

	if (unlikely(!meter_decimal_from_numeric(num, value, &err)))
		meter_error_throw(&err,
						  strcmp(err.code, "NUMBER_OUT_OF_RANGE") == 0 ?
						  ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE :
						  ERRCODE_INVALID_PARAMETER_VALUE, what);
}

/* A function's name, or an error that names those there are. */
MeterFunction
meter_function_parse_or_throw(const char *name, int len)
{
	MeterFunction function;

	if (!meter_function_parse(name, len, &function))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown function \"%.*s\"", pg_mbcliplen(name, len, NAMEDATALEN), name),
				 errdetail("The functions are sum, count, avg, min, max, unique_count, latest, weighted_sum, percentile and custom.")));
	return function;
}

/* Argument 1, the function's name. */
static MeterFunction
get_function(FunctionCallInfo fcinfo)
{
	NameCache  *cache = fcinfo->flinfo->fn_extra;
	text	   *name;
	int			len;
	MeterFunction function;

	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("usage_agg needs a function's name")));
	name = PG_GETARG_TEXT_PP(1);
	len = VARSIZE_ANY_EXHDR(name);
	if (likely(cache != NULL && cache->len == len &&
			   memcmp(cache->name, VARDATA_ANY(name), len) == 0))
		return cache->function;

	function = meter_function_parse_or_throw(VARDATA_ANY(name), len);
	if (cache == NULL)
		cache = fcinfo->flinfo->fn_extra = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt,
															  sizeof(NameCache));
	cache->len = len;
	cache->function = function;
	memcpy(cache->name, VARDATA_ANY(name), len);
	return function;
}

/* The transition value, made for the first row. */
static MeterState *
get_state(FunctionCallInfo fcinfo, MeterFunction function)
{
	MeterState *state;

	if (unlikely(PG_ARGISNULL(0)))
		return meter_state_create(function, meter_aggregate_context(fcinfo));
	state = (MeterState *) PG_GETARG_POINTER(0);
	if (unlikely(meter_state_function(state) != function))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("usage_agg cannot mix %s and %s in one group",
						meter_function_name(meter_state_function(state)),
						meter_function_name(function))));
	return state;
}

/* Refuse a function that the form called has no argument for. */
static void pg_attribute_noreturn()
wrong_form(MeterFunction function, const char *needs)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("usage_agg: %s needs %s", meter_function_name(function), needs),
			 errhint("The forms are usage_agg(function, value, event_time, seq, unique_key), its beginnings, and usage_agg(function, unique_key).")));
}

/* Fill in the time and seq of a sample where its function looks at them. */
static void
get_order(FunctionCallInfo fcinfo, MeterFunction function, MeterSample *sample)
{
	if (PG_NARGS() < 4)
		wrong_form(function, "an event_time");
	if (PG_ARGISNULL(3))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("usage_agg: %s needs an event_time with each value",
						meter_function_name(function))));
	sample->time = PG_GETARG_TIMESTAMPTZ(3);
	if (PG_NARGS() >= 5 && !PG_ARGISNULL(4))
		sample->seq = PG_GETARG_INT64(4);
}

/*
 * usage_agg(function, value, event_time, seq, unique_key) and its beginnings.
 * Rows without the value or key that the function takes are passed over.
 */
Datum
meter_usage_agg_trans(PG_FUNCTION_ARGS)
{
	MeterFunction function = get_function(fcinfo);
	MeterState *state = get_state(fcinfo, function);
	MeterSample sample = {.weight = 1};
	MeterDecimal value;

	if (function == METER_FUNCTION_UNIQUE_COUNT)
	{
		text	   *key;

		if (PG_NARGS() < 6)
			wrong_form(function, "a unique_key");
		if (PG_ARGISNULL(5))
			PG_RETURN_POINTER(state);
		key = PG_GETARG_TEXT_PP(5);
		sample.key = VARDATA_ANY(key);
		sample.keylen = VARSIZE_ANY_EXHDR(key);
	}
	else if (function != METER_FUNCTION_COUNT)
	{
		if (PG_NARGS() < 3)
			wrong_form(function, "a value");
		if (PG_ARGISNULL(2))
			PG_RETURN_POINTER(state);
		meter_aggregate_value(fcinfo, 2, "usage_agg", &value);
		sample.value = &value;
		if (function == METER_FUNCTION_LATEST || function == METER_FUNCTION_WEIGHTED_SUM)
			get_order(fcinfo, function, &sample);
	}
	meter_state_add(state, &sample);
	PG_RETURN_POINTER(state);
}

/* usage_agg(function, unique_key) */
Datum
meter_usage_agg_key_trans(PG_FUNCTION_ARGS)
{
	MeterFunction function = get_function(fcinfo);
	MeterState *state = get_state(fcinfo, function);
	MeterSample sample = {.weight = 1};

	if (function == METER_FUNCTION_UNIQUE_COUNT)
	{
		text	   *key;

		if (PG_ARGISNULL(2))
			PG_RETURN_POINTER(state);
		key = PG_GETARG_TEXT_PP(2);
		sample.key = VARDATA_ANY(key);
		sample.keylen = VARSIZE_ANY_EXHDR(key);
	}
	else if (function != METER_FUNCTION_COUNT)
		wrong_form(function, "a numeric value, not a text");
	meter_state_add(state, &sample);
	PG_RETURN_POINTER(state);
}

/* rollup(usage_state) */
Datum
meter_rollup_trans(PG_FUNCTION_ARGS)
{
	MeterState *state = PG_ARGISNULL(0) ? NULL : (MeterState *) PG_GETARG_POINTER(0);
	bytea	   *value;

	if (PG_ARGISNULL(1))
	{
		if (state == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(state);
	}
	value = PG_GETARG_BYTEA_PP(1);
	if (state == NULL)
		state = meter_usage_state_open(value, meter_aggregate_context(fcinfo));
	else
		meter_state_merge_packed(state, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
	PG_RETURN_POINTER(state);
}

/* The transition value as a usage_state. */
Datum
meter_usage_agg_final(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_BYTEA_P(meter_usage_state_make((MeterState *) PG_GETARG_POINTER(0)));
}

/* Merge the second state into the first, which may have to be made. */
Datum
meter_usage_agg_combine(PG_FUNCTION_ARGS)
{
	MeterState *into = PG_ARGISNULL(0) ? NULL : (MeterState *) PG_GETARG_POINTER(0);
	MeterState *from = PG_ARGISNULL(1) ? NULL : (MeterState *) PG_GETARG_POINTER(1);

	if (from == NULL && into == NULL)
		PG_RETURN_NULL();
	if (from == NULL)
		PG_RETURN_POINTER(into);
	if (into == NULL)
		into = meter_state_create_like(from, meter_aggregate_context(fcinfo));
	meter_state_merge(into, from);
	PG_RETURN_POINTER(into);
}

/* A partial state, packed. */
Datum
meter_usage_agg_serialize(PG_FUNCTION_ARGS)
{
	meter_aggregate_context(fcinfo);
	PG_RETURN_BYTEA_P(meter_usage_state_make((MeterState *) PG_GETARG_POINTER(0)));
}

/* A partial state from another process. */
Datum
meter_usage_agg_deserialize(PG_FUNCTION_ARGS)
{
	meter_aggregate_context(fcinfo);
	PG_RETURN_POINTER(meter_usage_state_open(PG_GETARG_BYTEA_PP(0), CurrentMemoryContext));
}
