/*
 * expression.c
 *		meter.evaluate: try an expression out.
 */
#include "compat.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "values/expression.h"
#include "values/scalar.h"
#include "values/timestamp.h"

/* The expression compiled last, kept while the query runs. */
typedef struct Cache
{
	MemoryContext context;		/* holds all below */
	char	   *text;
	int			len;
	MeterExpression *expression;
} Cache;

/* What the resolver looks names up in. */
typedef struct Fields
{
	const MeterExpression *expression;
	const MeterJson *doc;
} Fields;

PG_FUNCTION_INFO_V1(meter_evaluate);

/* Raise an error about an expression with the SQLSTATE that goes with it. */
static void
throw(const MeterError *err)
{
	int			sqlstate = ERRCODE_INVALID_PARAMETER_VALUE;

	if (strcmp(err->code, "DIVISION_BY_ZERO") == 0)
		sqlstate = ERRCODE_DIVISION_BY_ZERO;
	else if (strcmp(err->code, "NUMBER_OUT_OF_RANGE") == 0)
		sqlstate = ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE;
	meter_error_throw(err, sqlstate, "expression");
}

/* The function's cached expression, if it is this text's, or a new one. */
static const MeterExpression *
compile(FunctionCallInfo fcinfo, const char *text, int len)
{
	Cache	   *cache = fcinfo->flinfo->fn_extra;
	MemoryContext context;
	MemoryContext old;
	MeterValueType type;
	MeterError	err = {0};

	if (cache && cache->len == len && memcmp(cache->text, text, len) == 0)
		return cache->expression;
	if (cache)
	{
		fcinfo->flinfo->fn_extra = NULL;
		MemoryContextDelete(cache->context);
	}

	context = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt, "meter.evaluate",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	cache = palloc(sizeof(Cache));
	cache->context = context;
	cache->text = pnstrdup(text, len);
	cache->len = len;
	cache->expression = meter_expression_compile(text, len, NULL, -1, &type, &err);
	MemoryContextSwitchTo(old);
	if (cache->expression == NULL)
		throw(&err);
	fcinfo->flinfo->fn_extra = cache;
	return cache->expression;
}

/* A symbol's value in the fields; what is not there is null. */
static bool
resolve_field(void *arg, int index, MeterValue *out, MeterError *err)
{
	const Fields *fields = arg;
	const char *name = meter_expression_symbol(fields->expression, index);
	int			node = meter_scalar_find(fields->doc, 0, name);

	if (meter_scalar_value(fields->doc, node, out, err))
		return true;
	if (strcmp(err->code, "TYPE_MISMATCH") == 0)
		err->message = psprintf("field %s %s", name, err->message);
	return false;
}

/* A value as jsonb; a time is a text. */
static Jsonb *
value_to_jsonb(const MeterValue *value)
{
	JsonbValue	result;
	char		buf[METER_TIMESTAMP_LEN];

	switch (value->type)
	{
		case METER_VALUE_BOOL:
			result.type = jbvBool;
			result.val.boolean = value->u.boolean;
			break;
		case METER_VALUE_NUMBER:
			result.type = jbvNumeric;
			result.val.numeric = meter_decimal_to_numeric(&value->u.number);
			break;
		case METER_VALUE_TEXT:
			result.type = jbvString;
			result.val.string.val = unconstify(char *, value->u.text.data);
			result.val.string.len = value->u.text.len;
			break;
		case METER_VALUE_TIME:
			result.type = jbvString;
			result.val.string.val = buf;
			result.val.string.len = meter_timestamp_format(value->u.time, buf);
			break;
		default:
			result.type = jbvNull;
			break;
	}
	return JsonbValueToJsonb(&result);
}

/* meter.evaluate(expression text, fields jsonb) RETURNS jsonb */
Datum
meter_evaluate(PG_FUNCTION_ARGS)
{
	text	   *expression = PG_GETARG_TEXT_PP(0);
	Jsonb	   *jsonb = PG_GETARG_JSONB_P(1);
	MeterJson	doc = {0};
	Fields		fields = {.doc = &doc};
	MeterValue	value;
	MeterError	err = {0};
	char	   *json;

	if (!JB_ROOT_IS_OBJECT(jsonb))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("fields must be a JSON object")));
	json = JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
	if (!meter_json_parse(&doc, json, strlen(json), &err))
		meter_error_throw(&err, ERRCODE_INVALID_PARAMETER_VALUE, "fields");

	fields.expression = compile(fcinfo, VARDATA_ANY(expression), VARSIZE_ANY_EXHDR(expression));
	if (!meter_expression_evaluate(fields.expression, resolve_field, &fields, &value, &err))
		throw(&err);
	PG_RETURN_JSONB_P(value_to_jsonb(&value));
}
