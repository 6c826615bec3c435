/*
 * definitions.c
 *		SQL: checks of definitions, and meter.matches().
 */
#include "definitions/hll.h"
#include "definitions/plan.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

static MeterJson *
parse_jsonb(Jsonb *value, const char *what)
{
	char	   *text = JsonbToCString(NULL, &value->root, VARSIZE(value));

	return meter_json_parse_or_throw(text, strlen(text), what);
}

PG_FUNCTION_INFO_V1(meter_check_definition);

/* meter.check_definition(definition, inherited) */
Datum
meter_check_definition(PG_FUNCTION_ARGS)
{
	MeterError	err;
	MeterPlan  *plan = meter_plan_compile(parse_jsonb(PG_GETARG_JSONB_P(0), "invalid meter definition"),
										  parse_jsonb(PG_GETARG_JSONB_P(1), "invalid custom fields"), &err);

	if (plan == NULL)
		meter_error_throw(&err, ERRCODE_INVALID_PARAMETER_VALUE, "invalid meter definition");
	for (int p = 0; p < plan->nprofiles; p++)
	{
		if (plan->profiles[p].approximate)
			meter_hll_require();
	}
	PG_RETURN_TEXT_P(cstring_to_text(meter_plan_signature(plan)));
}

/* The last filter tree of this call site, compiled. */
typedef struct MatchesCache
{
	MemoryContext context;
	Jsonb	   *tree;
	MeterFilter *filter;
} MatchesCache;

PG_FUNCTION_INFO_V1(meter_matches_sql);

/* meter.matches(filter_tree, data) */
Datum
meter_matches_sql(PG_FUNCTION_ARGS)
{
	Jsonb	   *tree = PG_GETARG_JSONB_P(0);
	MatchesCache *cache = fcinfo->flinfo->fn_extra;
	MeterJson  *data;

	if (cache == NULL)
	{
		cache = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(MatchesCache));
		cache->context = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt, "meter.matches",
											   ALLOCSET_SMALL_SIZES);
		fcinfo->flinfo->fn_extra = cache;
	}
	if (cache->filter == NULL || VARSIZE(tree) != VARSIZE(cache->tree) ||
		memcmp(tree, cache->tree, VARSIZE(tree)) != 0)
	{
		MemoryContext old;
		MeterError	err;

		cache->filter = NULL;
		MemoryContextReset(cache->context);
		old = MemoryContextSwitchTo(cache->context);
		cache->tree = (Jsonb *) memcpy(palloc(VARSIZE(tree)), tree, VARSIZE(tree));
		cache->filter = meter_filter_compile(parse_jsonb(tree, "invalid filter tree"), 0, &err);
		MemoryContextSwitchTo(old);
		if (cache->filter == NULL)
			meter_error_throw(&err, ERRCODE_INVALID_PARAMETER_VALUE, "invalid filter tree");
	}
	data = parse_jsonb(PG_GETARG_JSONB_P(1), "invalid data");
	PG_RETURN_BOOL(meter_filter_matches(cache->filter, data, 0));
}
