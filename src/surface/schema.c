/*
 * schema.c
 *		meter.json_schema_is_valid and meter.json_schema_errors.
 *
 * A scan calls with the same schema again and again, so the last one is kept
 * compiled in the call's own memory.
 */
#include "values/schema.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(meter_json_schema_is_valid);
PG_FUNCTION_INFO_V1(meter_json_schema_errors);

/* Kept in fn_extra. */
typedef struct SchemaCache
{
	MemoryContext context;		/* of the schema and its source */
	MemoryContext call;			/* reset by each call */
	Jsonb	   *source;
	int			flags;
	MeterSchema *schema;		/* NULL until one was compiled */
} SchemaCache;

/* jsonb as a document in the current memory context. */
static void
parse_jsonb(Jsonb *jsonb, MeterJson *doc, const char *what)
{
	StringInfoData text;
	MeterError	err;

	initStringInfo(&text);
	JsonbToCString(&text, &jsonb->root, VARSIZE(jsonb));
	memset(doc, 0, sizeof(*doc));
	if (!meter_json_parse(doc, text.data, text.len, &err))
		meter_error_throw(&err, ERRCODE_INVALID_PARAMETER_VALUE, what);
}

/* The compiled form of the schema, from the cache if it is the last one. */
static SchemaCache *
get_schema(FunctionCallInfo fcinfo, Jsonb *source, int flags)
{
	SchemaCache *cache = fcinfo->flinfo->fn_extra;
	MemoryContext old;
	MeterJson	doc;
	MeterError	err;
	MeterSchema *schema;

	if (cache == NULL)
	{
		cache = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(SchemaCache));
		cache->context = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt, "meter json schema",
											   ALLOCSET_DEFAULT_SIZES);
		cache->call = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt, "meter json schema call",
											ALLOCSET_DEFAULT_SIZES);
		fcinfo->flinfo->fn_extra = cache;
	}
	MemoryContextReset(cache->call);
	if (cache->schema && cache->flags == flags && VARSIZE(cache->source) == VARSIZE(source) &&
		memcmp(cache->source, source, VARSIZE(source)) == 0)
		return cache;

	cache->schema = NULL;
	MemoryContextReset(cache->context);
	old = MemoryContextSwitchTo(cache->call);
	parse_jsonb(source, &doc, "JSON schema");
	MemoryContextSwitchTo(cache->context);
	schema = meter_schema_compile(&doc, 0, flags, &err);
	if (schema == NULL)
		meter_error_throw(&err, ERRCODE_INVALID_PARAMETER_VALUE, "JSON schema");
	cache->source = palloc(VARSIZE(source));
	memcpy(cache->source, source, VARSIZE(source));
	cache->flags = flags;
	cache->schema = schema;
	MemoryContextSwitchTo(old);
	return cache;
}

/* What the optional third argument says. */
static int
get_flags(FunctionCallInfo fcinfo)
{
	return PG_NARGS() > 2 && PG_GETARG_BOOL(2) ? METER_SCHEMA_ASSERT_FORMAT : 0;
}

Datum
meter_json_schema_is_valid(PG_FUNCTION_ARGS)
{
	SchemaCache *cache = get_schema(fcinfo, PG_GETARG_JSONB_P(0), get_flags(fcinfo));
	Jsonb	   *instance = PG_GETARG_JSONB_P(1);
	MemoryContext old = MemoryContextSwitchTo(cache->call);
	MeterJson	doc;
	bool		valid;

	parse_jsonb(instance, &doc, "JSON instance");
	valid = meter_schema_validate(cache->schema, &doc, 0, NULL, NULL);
	MemoryContextSwitchTo(old);
	PG_RETURN_BOOL(valid);
}

/* One violation becomes one row. */
static bool
put_error(void *arg, const char *pointer, const char *keyword, const char *message)
{
	ReturnSetInfo *rsinfo = arg;
	Datum		values[3];
	bool		nulls[3] = {false, false, false};

	CHECK_FOR_INTERRUPTS();
	values[0] = CStringGetTextDatum(pointer);
	values[1] = CStringGetTextDatum(keyword);
	values[2] = CStringGetTextDatum(message);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	return true;
}

Datum
meter_json_schema_errors(PG_FUNCTION_ARGS)
{
	SchemaCache *cache = get_schema(fcinfo, PG_GETARG_JSONB_P(0), get_flags(fcinfo));
	Jsonb	   *instance = PG_GETARG_JSONB_P(1);
	MemoryContext old;
	MeterJson	doc;

	InitMaterializedSRF(fcinfo, 0);
	old = MemoryContextSwitchTo(cache->call);
	parse_jsonb(instance, &doc, "JSON instance");
	meter_schema_validate(cache->schema, &doc, 0, put_error, fcinfo->resultinfo);
	MemoryContextSwitchTo(old);
	return (Datum) 0;
}
