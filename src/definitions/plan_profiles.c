/*
 * plan_profiles.c
 *		Many aggregations on one meter.
 *
 * A profile measures the meter's events on its own: it has its own function,
 * property, filters and window.  Subject, dimensions, currency and
 * deduplication are the meter's.
 */
#include "definitions/compiler.h"

#include "lib/stringinfo.h"

static bool
read_id(MeterPlanCompiler *c, int node)
{
	const char *ignored;

	return meter_plan_label(c, node, 80, &ignored);
}

static bool
read_name(MeterPlanCompiler *c, int node)
{
	const char *ignored;

	return meter_plan_label(c, node, 200, &ignored);
}

static bool
read_code(MeterPlanCompiler *c, int node)
{
	const char *code;

	if (!meter_plan_label(c, node, 80, &code))
		return false;
	if (meter_plan_profile(c->plan, code) >= 0)
		return meter_error_set(c->err, "DUPLICATE_CODE", "there is another profile \"%s\"", code);
	c->profile->code = code;
	return true;
}

static bool
read_recurring(MeterPlanCompiler *c, int node)
{
	return meter_plan_boolean(c, node, &c->profile->recurring);
}

/* What the property is to the function. */
static bool
read_property(MeterPlanCompiler *c, int node)
{
	return meter_plan_path(c, node, c->profile->function == METER_FUNCTION_UNIQUE_COUNT ?
						   &c->profile->unique_path : &c->profile->value_path);
}

/* The name of a size, the rest being the meter's window, or a whole window. */
static bool
read_time_window(MeterPlanCompiler *c, int node)
{
	MeterWindow *window = &c->profile->window;
	const char *text;
	int			len;

	if (c->doc->nodes[node].type == METER_JSON_OBJECT)
		return meter_plan_read_window(c, node);
	if (c->doc->nodes[node].type == METER_JSON_STRING)
	{
		text = meter_json_string(c->doc, node, &len);
		if (meter_window_size_parse(text, len, &window->size))
		{
			window->count = 1;
			return true;
		}
	}
	return meter_plan_refuse(c, "INVALID_WINDOW", "expected minute, hour, day, week, month, quarter, year "
							 "or billing_period, or a window");
}

/* The one value of an operator that takes one, or the whole array. */
static bool
append_operand(MeterPlanCompiler *c, StringInfo buf, const char *operator, int value)
{
	const MeterJson *doc = c->doc;
	char	   *raw;
	int			len;

	if (doc->nodes[value].type != METER_JSON_ARRAY)
		return meter_plan_refuse(c, "INVALID_TYPE", "expected an array of values");
	if (strcmp(operator, "in") != 0 && strcmp(operator, "nin") != 0)
	{
		if (doc->nodes[value].count != 1)
			return meter_error_set(c->err, "INVALID_LENGTH", "%s takes one value, got %d",
								   operator, doc->nodes[value].count);
		value++;
	}
	raw = meter_json_raw(doc, value, &len);
	appendBinaryStringInfo(buf, raw, len);
	return true;
}

/* A filter's error speaks of a filter tree's leaf: name the key it came from. */
static void
rename_pointer(MeterError *err)
{
	static const struct
	{
		const char *leaf;
		const char *key;
	}			renamed[] = {{"/field", "/property"}, {"/op", "/operator"}};

	for (int i = 0; i < lengthof(renamed); i++)
	{
		if (err->pointer && strcmp(err->pointer, renamed[i].leaf) == 0)
			err->pointer = pstrdup(renamed[i].key);
	}
}

/* One filter: {property, operator, value[]}. */
static bool
read_filter(MeterPlanCompiler *c, int node, int index)
{
	static const char *const known[] = {"property", "operator", "value"};
	int			parts[lengthof(known)];
	StringInfoData leaf;
	char	   *raw;
	int			len;

	if (!meter_plan_object(c, node, known, lengthof(known)))
		return false;
	for (int i = 0; i < lengthof(known); i++)
	{
		parts[i] = meter_plan_member(c, node, known[i]);
		if (parts[i] < 0)
			return meter_plan_refuse_at(c, known[i], "MISSING_KEY", "a filter needs property, operator and value");
	}
	if (c->doc->nodes[parts[1]].type != METER_JSON_STRING)
		return meter_plan_refuse_at(c, "operator", "INVALID_TYPE", "expected a string");

	initStringInfo(&leaf);
	raw = meter_json_raw(c->doc, parts[0], &len);
	appendStringInfo(&leaf, "{\"field\":%.*s,", len, raw);
	raw = meter_json_raw(c->doc, parts[1], &len);
	appendStringInfo(&leaf, "\"op\":%.*s,\"value\":", len, raw);
	if (!append_operand(c, &leaf, meter_json_cstring(c->doc, parts[1]), parts[2]))
	{
		meter_error_prepend(c->err, "value", 5);
		return false;
	}
	appendStringInfoChar(&leaf, '}');
	c->profile->filters[index] =
		meter_filter_compile(meter_json_parse_or_throw(leaf.data, leaf.len, "filter"), 0, c->err);
	if (c->profile->filters[index] == NULL)
	{
		rename_pointer(c->err);
		return false;
	}
	c->profile->nfilters++;
	return true;
}

static bool
read_filters(MeterPlanCompiler *c, int node)
{
	c->profile->filters = palloc(METER_MAX_FILTERS * sizeof(MeterFilter *));
	return meter_plan_array(c, node, 0, METER_MAX_FILTERS, read_filter);
}

static bool
read_profile(MeterPlanCompiler *c, int node, int index)
{
	static const char *const known[] = {
		"id", "name", "code", "recurring", "aggregation_property", "aggregation_method",
		"aggregation_time_window", "function_options", "filters"
	};
	MeterProfile *profile = &c->plan->profiles[index + 1];

	*profile = (MeterProfile) {.fraction = -1, .window = c->plan->profiles[0].window};
	c->profile = profile;
	if (!meter_plan_object(c, node, known, lengthof(known)) ||
		!meter_plan_read(c, node, "id", false, read_id) ||
		!meter_plan_read(c, node, "name", false, read_name) ||
		!meter_plan_read(c, node, "code", true, read_code) ||
		!meter_plan_read(c, node, "recurring", false, read_recurring) ||
		!meter_plan_read(c, node, "aggregation_method", true, meter_plan_read_function) ||
		!meter_plan_read(c, node, "function_options", false, meter_plan_read_function_options) ||
		!meter_plan_read(c, node, "aggregation_property", false, read_property) ||
		!meter_plan_read(c, node, "aggregation_time_window", false, read_time_window) ||
		!meter_plan_read(c, node, "filters", false, read_filters) ||
		!meter_plan_check_profile(c, "aggregation_property", "aggregation_property"))
		return false;
	c->plan->nprofiles++;
	return true;
}

/* The key profiles. */
bool
meter_plan_read_profiles(MeterPlanCompiler *c, int node)
{
	c->plan->profiles = repalloc(c->plan->profiles, METER_MAX_PROFILES * sizeof(MeterProfile));
	return meter_plan_array(c, node, 0, METER_MAX_PROFILES - 1, read_profile);
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
	if (profile->function == METER_FUNCTION_WEIGHTED_SUM)
		return meter_state_create_weighted(profile->mode, context);
	if (profile->approximate)
		return meter_state_create_approximate(context);
	return meter_state_create(profile->function, context);
}

/* Is the state one of its kind?  See plan.h. */
bool
meter_profile_reads(const MeterProfile *profile, const MeterState *state)
{
	return meter_state_function(state) == profile->function &&
		meter_state_sketches(state) == profile->approximate &&
		meter_state_sums(state) == (profile->function == METER_FUNCTION_WEIGHTED_SUM &&
									profile->mode == METER_WEIGHT_DELTA);
}

/* Can its states take a value back?  See plan.h. */
bool
meter_profile_reversible(const MeterProfile *profile)
{
	return profile->function != METER_FUNCTION_MIN && profile->function != METER_FUNCTION_MAX &&
		profile->function != METER_FUNCTION_LATEST && !profile->approximate;
}

/* Can results of both be added up? */
bool
meter_profile_agrees(const MeterProfile *a, const MeterProfile *b)
{
	return a->function == b->function && a->recurring == b->recurring &&
		a->fraction == b->fraction && a->mode == b->mode &&
		a->approximate == b->approximate &&
		meter_window_same(&a->window, &b->window);
}
