/*
 * window.c
 *		SQL functions to try a window definition out.
 */
#include "compat.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "values/timestamp.h"
#include "values/window.h"

/* More windows than anybody looks at, few enough to be made in a second. */
#define MAX_WINDOWS 1000000

/* What meter.windows() keeps between its rows. */
typedef struct WindowsState
{
	MeterWindow window;
	TimestampTz next;			/* a moment in the next window */
	TimestampTz from;
	TimestampTz to;
} WindowsState;

PG_FUNCTION_INFO_V1(meter_window_bounds_sql);
PG_FUNCTION_INFO_V1(meter_windows_sql);

/* Compile argument n, a jsonb or null, or raise 22023. */
static void
window_from_argument(FunctionCallInfo fcinfo, int n, MeterWindow *window)
{
	MeterJson	doc = {0};
	MeterError	err;
	bool		valid;

	if (PG_ARGISNULL(n))
		valid = meter_window_compile(&doc, -1, window, &err);
	else
	{
		Jsonb	   *jb = PG_GETARG_JSONB_P(n);
		char	   *text = JsonbToCString(NULL, &jb->root, VARSIZE(jb));

		valid = meter_json_parse(&doc, text, strlen(text), &err) &&
			meter_window_compile(&doc, 0, window, &err);
	}
	if (!valid)
		meter_error_throw(&err, ERRCODE_INVALID_PARAMETER_VALUE, "window");
}

/* Refuse a time the definition of windows does not reach. */
static TimestampTz
time_from_argument(FunctionCallInfo fcinfo, int n, const char *name)
{
	TimestampTz t = PG_GETARG_TIMESTAMPTZ(n);
	char		text[METER_TIMESTAMP_LEN];

	if (!meter_timestamp_in_range(t))
	{
		meter_timestamp_format(t, text);
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("%s: %s is not within the years 0001 to 9999", name, text)));
	}
	return t;
}

/* One row of two times. */
static Datum
bounds_row(TupleDesc desc, TimestampTz start, TimestampTz end)
{
	Datum		values[2] = {TimestampTzGetDatum(start), TimestampTzGetDatum(end)};
	bool		nulls[2] = {false, false};

	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

/* meter.window_bounds("window" jsonb, at timestamptz) */
Datum
meter_window_bounds_sql(PG_FUNCTION_ARGS)
{
	MeterWindow compiled;
	MeterWindow *window = fcinfo->flinfo->fn_extra;
	TupleDesc	desc;
	TimestampTz at,
				start,
				end;

	/* a definition that does not change in this statement is compiled once */
	if (window == NULL)
	{
		window_from_argument(fcinfo, 0, &compiled);
		window = &compiled;
		if (get_fn_expr_arg_stable(fcinfo->flinfo, 0))
		{
			window = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(MeterWindow));
			*window = compiled;
			fcinfo->flinfo->fn_extra = window;
		}
	}
	if (PG_ARGISNULL(1))
		PG_RETURN_NULL();

	at = time_from_argument(fcinfo, 1, "at");
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("function returning record called in a context that cannot accept it")));
	meter_window_bounds(window, at, &start, &end);
	return bounds_row(BlessTupleDesc(desc), start, end);
}

/* Make ready the rows of meter.windows(); NULL where there are none. */
static WindowsState *
windows_start(FunctionCallInfo fcinfo, FuncCallContext *call)
{
	WindowsState *state = palloc(sizeof(WindowsState));
	TupleDesc	desc;

	window_from_argument(fcinfo, 0, &state->window);
	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		return NULL;
	state->from = time_from_argument(fcinfo, 1, "period_from");
	state->to = time_from_argument(fcinfo, 2, "period_to");
	state->next = state->from;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("function returning record called in a context that cannot accept it")));
	call->tuple_desc = BlessTupleDesc(desc);
	return state;
}

/* meter.windows("window" jsonb, period_from timestamptz, period_to timestamptz) */
Datum
meter_windows_sql(PG_FUNCTION_ARGS)
{
	FuncCallContext *call;
	WindowsState *state;
	TimestampTz start,
				end;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext old;

		call = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(call->multi_call_memory_ctx);
		call->user_fctx = windows_start(fcinfo, call);
		MemoryContextSwitchTo(old);
	}
	call = SRF_PERCALL_SETUP();
	state = call->user_fctx;
	if (state == NULL || state->next >= state->to)
		SRF_RETURN_DONE(call);

	if (call->call_cntr >= MAX_WINDOWS)
	{
		char		from[METER_TIMESTAMP_LEN];
		char		to[METER_TIMESTAMP_LEN];

		meter_timestamp_format(state->from, from);
		meter_timestamp_format(state->to, to);
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("more than %d windows from %s to %s", MAX_WINDOWS, from, to),
				 errhint("Ask for a shorter period or larger windows.")));
	}
	meter_window_bounds(&state->window, state->next, &start, &end);
	state->next = end;
	SRF_RETURN_NEXT(call, bounds_row(call->tuple_desc, start, end));
}
