/*
 * plan_function.c
 *		What a profile measures of its events, and how.
 *
 * Every function says what it needs; what it has no use for and would be
 * misleading beside it is refused.
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
	return meter_function_parse(text, len, &c->profile->function) ||
		meter_plan_refuse(c, "INVALID_FUNCTION", "expected sum, count, avg, min, max, unique_count, "
						  "latest, weighted_sum, percentile or custom");
}

static bool
read_mode(MeterPlanCompiler *c, int node)
{
	int			len;
	const char *text = "";

	if (c->doc->nodes[node].type == METER_JSON_STRING)
	{
		text = meter_json_string(c->doc, node, &len);
		if (len == 5 && memcmp(text, "delta", 5) == 0)
		{
			c->profile->mode = METER_WEIGHT_DELTA;
			return true;
		}
		if (len == 5 && memcmp(text, "gauge", 5) == 0)
		{
			c->profile->mode = METER_WEIGHT_GAUGE;
			return true;
		}
	}
	return meter_plan_refuse(c, "INVALID_MODE", "expected delta or gauge");
}

static bool
read_percentile(MeterPlanCompiler *c, int node)
{
	MeterDecimal number;
	MeterDecimal one;
	MeterError	ignored;

	meter_decimal_from_int64(1, &one);
	if (c->doc->nodes[node].type != METER_JSON_NUMBER ||
		!meter_decimal_from_json(c->doc, node, &number, &ignored) ||
		meter_decimal_sign(&number) < 0 || meter_decimal_cmp(&number, &one) > 0)
		return meter_plan_refuse(c, "INVALID_PERCENTILE", "expected a number from 0 to 1, such as 0.95");
	c->profile->fraction = strtod(pnstrdup(c->doc->text + c->doc->nodes[node].off,
										   c->doc->nodes[node].len), NULL);
	return true;
}

static bool
read_expression(MeterPlanCompiler *c, int node)
{
	MeterFormula *formula;

	if (c->doc->nodes[node].type != METER_JSON_STRING)
		return meter_plan_refuse(c, "INVALID_TYPE", "expected an expression, a string");
	formula = meter_formula_compile(meter_json_cstring(c->doc, node), &c->scope, c->err);
	if (formula == NULL)
		return false;
	if (formula->type != METER_VALUE_NUMBER && formula->type != METER_VALUE_NULL)
		return meter_plan_refuse(c, "TYPE_MISMATCH", "the expression must give a number");
	c->profile->formula = formula;
	return true;
}

static bool
read_approximate(MeterPlanCompiler *c, int node)
{
	return meter_plan_boolean(c, node, &c->profile->approximate);
}

static const struct
{
	const char *key;
	MeterFunction function;
	MeterReadKey read;
	const char *required;		/* why, or NULL */
}			options[] =
{
	{"mode", METER_FUNCTION_WEIGHTED_SUM, read_mode, NULL},
	{"percentile", METER_FUNCTION_PERCENTILE, read_percentile, "percentile needs a number from 0 to 1, such as 0.95"},
	{"expression", METER_FUNCTION_CUSTOM, read_expression, "custom needs an expression"},
	{"approximate", METER_FUNCTION_UNIQUE_COUNT, read_approximate, NULL}
};

/* The key function_options; the function is known. */
bool
meter_plan_read_function_options(MeterPlanCompiler *c, int node)
{
	const char *known[lengthof(options)];

	for (int i = 0; i < lengthof(options); i++)
		known[i] = options[i].key;
	if (!meter_plan_object(c, node, known, lengthof(options)))
		return false;
	for (int i = 0; i < lengthof(options); i++)
	{
		if (options[i].function != c->profile->function && meter_plan_member(c, node, options[i].key) >= 0)
			return meter_plan_refuse_at(c, options[i].key, "INVALID_COMBINATION",
										psprintf("%s goes with %s only", options[i].key,
												 meter_function_name(options[i].function)));
		if (!meter_plan_read(c, node, options[i].key, false, options[i].read))
			return false;
	}
	return true;
}

/* The key value_field. */
bool
meter_plan_read_value_field(MeterPlanCompiler *c, int node)
{
	return meter_plan_path(c, node, &c->profile->value_path);
}

/* The key unique_by_field. */
bool
meter_plan_read_unique_by_field(MeterPlanCompiler *c, int node)
{
	return meter_plan_path(c, node, &c->profile->unique_path);
}

/* The key filter_tree. */
bool
meter_plan_read_filter_tree(MeterPlanCompiler *c, int node)
{
	MeterFilter *filter = meter_filter_compile(c->doc, node, c->err);

	if (filter == NULL)
		return false;
	c->profile->filters = palloc(sizeof(MeterFilter *));
	c->profile->filters[0] = filter;
	c->profile->nfilters = 1;
	return true;
}

/* The key window. */
bool
meter_plan_read_window(MeterPlanCompiler *c, int node)
{
	return meter_window_compile(c->doc, node, &c->profile->window, c->err);
}

/* A required option that is not there. */
static bool
require_option(MeterPlanCompiler *c, const char *key)
{
	for (int i = 0; i < lengthof(options); i++)
	{
		if (strcmp(options[i].key, key) != 0)
			continue;
		meter_plan_refuse_at(c, key, "MISSING_KEY", options[i].required);
	}
	meter_error_prepend(c->err, "function_options", strlen("function_options"));
	return false;
}

/* Has the profile what its function needs? */
bool
meter_plan_check_profile(MeterPlanCompiler *c, const char *value_key, const char *unique_key)
{
	const MeterProfile *profile = c->profile;
	const char *function = meter_function_name(profile->function);

	if (profile->unique_path && profile->function != METER_FUNCTION_UNIQUE_COUNT)
		return meter_plan_refuse_at(c, unique_key, "INVALID_COMBINATION",
									psprintf("%s goes with unique_count only", unique_key));
	switch (profile->function)
	{
		case METER_FUNCTION_COUNT:
			return true;
		case METER_FUNCTION_UNIQUE_COUNT:
			return profile->unique_path != NULL ||
				meter_plan_refuse_at(c, unique_key, "MISSING_KEY",
									 psprintf("unique_count needs %s, a JSON path", unique_key));
		case METER_FUNCTION_CUSTOM:
			if (profile->value_path)
				return meter_plan_refuse_at(c, value_key, "INVALID_COMBINATION",
											psprintf("custom takes its value from the expression, not from %s", value_key));
			return profile->formula != NULL || require_option(c, "expression");
		default:
			if (profile->value_path == NULL)
				return meter_plan_refuse_at(c, value_key, "MISSING_KEY",
											psprintf("%s needs %s, a JSON path", function, value_key));
			return profile->function != METER_FUNCTION_PERCENTILE || profile->fraction >= 0 ||
				require_option(c, "percentile");
	}
}
