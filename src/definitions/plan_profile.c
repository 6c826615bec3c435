/*
 * plan_profile.c
 *		What a meter measures of its events, and how.
 */
#include "definitions/compiler.h"

/* The key function. */
bool
meter_plan_read_function(MeterPlanCompiler *c, int node)
{
	const char *text;
	int			len;

	if (c->doc->nodes[node].type != METER_JSON_STRING)
		return meter_plan_refuse(c, "INVALID_TYPE", "expected a string");
	text = meter_json_string(c->doc, node, &len);
	if (!meter_function_parse(text, len, &c->plan->profiles[0].function))
		return meter_plan_refuse(c, "INVALID_FUNCTION", "expected sum, count, avg, min, max, unique_count, "
					  "latest, weighted_sum, percentile or custom");
	if (c->plan->profiles[0].function >= METER_FUNCTION_WEIGHTED_SUM)
		return meter_plan_refuse(c, "NOT_SUPPORTED", "this function is not supported yet");
	return true;
}

/* The key value_field. */
bool
meter_plan_read_value_field(MeterPlanCompiler *c, int node)
{
	return meter_plan_path(c, node, &c->plan->profiles[0].value_path);
}

/* The key unique_by_field. */
bool
meter_plan_read_unique_by_field(MeterPlanCompiler *c, int node)
{
	return meter_plan_path(c, node, &c->plan->profiles[0].unique_path);
}

/* The key filter_tree. */
bool
meter_plan_read_filter_tree(MeterPlanCompiler *c, int node)
{
	c->plan->profiles[0].filter = meter_filter_compile(c->doc, node, c->err);
	return c->plan->profiles[0].filter != NULL;
}

/* The key window. */
bool
meter_plan_read_window(MeterPlanCompiler *c, int node)
{
	return meter_window_compile(c->doc, node, &c->plan->profiles[0].window, c->err);
}

/* Has the definition's own profile what its function needs? */
bool
meter_plan_check_profile(MeterPlanCompiler *c)
{
	const MeterProfile *profile = &c->plan->profiles[0];

	switch (profile->function)
	{
		case METER_FUNCTION_COUNT:
			break;
		case METER_FUNCTION_UNIQUE_COUNT:
			if (profile->unique_path == NULL)
				return meter_plan_refuse_at(c, "unique_by_field", "MISSING_KEY",
											"unique_count needs unique_by_field, a JSON path");
			break;
		default:
			if (profile->value_path == NULL)
				return meter_plan_refuse_at(c, "value_field", "MISSING_KEY",
											psprintf("%s needs value_field, a JSON path",
													 meter_function_name(profile->function)));
	}
	if (profile->unique_path && profile->function != METER_FUNCTION_UNIQUE_COUNT)
		return meter_plan_refuse_at(c, "unique_by_field", "INVALID_COMBINATION",
									"unique_by_field goes with unique_count only");
	return true;
}

/* The number of the profile of that code; see plan.h. */
int
meter_plan_profile(const MeterPlan *plan, const char *code)
{
	if (code == NULL)
		return 0;
	for (int i = 1; i < plan->nprofiles; i++)
	{
		if (strcmp(plan->profiles[i].code, code) == 0)
			return i;
	}
	return -1;
}

/* An empty state for what a profile measures. */
MeterState *
meter_profile_state(const MeterProfile *profile, MemoryContext context)
{
	return meter_state_create(profile->function, context);
}

/* Can results of both be added up? */
bool
meter_profile_agrees(const MeterProfile *a, const MeterProfile *b)
{
	return a->function == b->function &&
		a->window.size == b->window.size && a->window.count == b->window.count &&
		a->window.zone == b->window.zone && a->window.week_start == b->window.week_start &&
		a->window.has_anchor == b->window.has_anchor && a->window.anchor == b->window.anchor;
}
