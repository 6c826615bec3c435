/*
 * state_read.c
 *		meter.result: what a usage state says.
 */
#include "surface/aggregates.h"
#include "surface/state_type.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(meter_usage_state_result);
PG_FUNCTION_INFO_V1(meter_usage_state_result_options);

/* Refuse an option. */
static void pg_attribute_noreturn()
bad_option(const char *key, int keylen, const char *expected)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("result: option \"%.*s\" %s", pg_mbcliplen(key, keylen, NAMEDATALEN), key,
					expected)));
}

/* A weighted_sum's mode. */
MeterWeightMode
meter_weight_mode_parse(const char *name, int len)
{
	if (len == 5 && memcmp(name, "delta", 5) == 0)
		return METER_WEIGHT_DELTA;
	if (len == 5 && memcmp(name, "gauge", 5) == 0)
		return METER_WEIGHT_GAUGE;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown mode \"%.*s\"", pg_mbcliplen(name, len, NAMEDATALEN), name),
			 errdetail("The modes are delta and gauge.")));
}

/* A decimal that an option gives. */
static void
get_decimal(const MeterJson *doc, const MeterJsonMember *m, MeterDecimal *out)
{
	MeterError	err;

	if (!meter_decimal_from_json(doc, m->value, out, &err))
		meter_error_throw(&err, ERRCODE_INVALID_PARAMETER_VALUE,
						  psprintf("result: option \"%s\"", meter_json_cstring(doc, m->keynode)));
}

/* One option; *carry is the room for the decimal that options point to. */
static void
get_option(const MeterJson *doc, const MeterJsonMember *m, MeterResultOptions *options,
		   MeterDecimal *carry)
{
	char	   *key = meter_json_cstring(doc, m->keynode);
	bool		is_string = doc->nodes[m->value].type == METER_JSON_STRING;

	if (strcmp(key, "percentile") == 0)
	{
		MeterDecimal fraction;

		get_decimal(doc, m, &fraction);
		options->fraction = DatumGetFloat8(DirectFunctionCall1(numeric_float8,
															   NumericGetDatum(meter_decimal_to_numeric(&fraction))));
		if (!(options->fraction >= 0 && options->fraction <= 1))
			bad_option(m->key, m->keylen, "must lie between 0 and 1");
	}
	else if (strcmp(key, "carry") == 0)
	{
		get_decimal(doc, m, carry);
		options->carry = carry;
	}
	else if (strcmp(key, "mode") == 0)
	{
		int			len;
		const char *mode;

		if (!is_string)
			bad_option(m->key, m->keylen, "must be \"delta\" or \"gauge\"");
		mode = meter_json_string(doc, m->value, &len);
		options->mode = meter_weight_mode_parse(mode, len);
	}
	else if (strcmp(key, "window_start") == 0 || strcmp(key, "window_end") == 0)
	{
		TimestampTz time;

		if (!is_string)
			bad_option(m->key, m->keylen, "must be a timestamp in a string");
		time = DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in,
													   CStringGetDatum(meter_json_cstring(doc, m->value)),
													   ObjectIdGetDatum(InvalidOid),
													   Int32GetDatum(-1)));
		if (strcmp(key, "window_start") == 0)
			options->window_start = time;
		else
			options->window_end = time;
	}
	else
		bad_option(m->key, m->keylen,
				   "is unknown, expected percentile, mode, window_start, window_end or carry");
}

/* The answer, with options or without. */
static Datum
result(FunctionCallInfo fcinfo, const MeterResultOptions *options)
{
	MeterState *state = NULL;
	text	   *name;
	Numeric		num;
	bool		isnull;

	if (PG_ARGISNULL(1))
		PG_RETURN_NULL();
	name = PG_GETARG_TEXT_PP(1);
	if (!PG_ARGISNULL(0))
		state = meter_usage_state_open(PG_GETARG_BYTEA_PP(0), CurrentMemoryContext);
	num = meter_state_result(state,
							 meter_function_parse_or_throw(VARDATA_ANY(name),
														   VARSIZE_ANY_EXHDR(name)),
							 options, &isnull);
	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_NUMERIC(num);
}

/* result(state, function) */
Datum
meter_usage_state_result(PG_FUNCTION_ARGS)
{
	return result(fcinfo, NULL);
}

/* result(state, function, options) */
Datum
meter_usage_state_result_options(PG_FUNCTION_ARGS)
{
	MeterResultOptions options = {.fraction = -1};
	MeterDecimal carry;
	Jsonb	   *jsonb;
	StringInfoData text;
	MeterJson  *doc;
	MeterJsonMember *members;
	int			nmembers;

	if (PG_ARGISNULL(2))
		return result(fcinfo, NULL);
	jsonb = PG_GETARG_JSONB_P(2);
	if (!JB_ROOT_IS_OBJECT(jsonb))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("result: options must be an object")));
	initStringInfo(&text);
	JsonbToCString(&text, &jsonb->root, VARSIZE(jsonb));
	doc = meter_json_parse_or_throw(text.data, text.len, "result: options");
	nmembers = meter_json_members(doc, 0, &members);
	for (int i = 0; i < nmembers; i++)
		get_option(doc, &members[i], &options, &carry);
	return result(fcinfo, &options);
}
