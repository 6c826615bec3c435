/*
 * plan.c
 *		Checks a meter definition and compiles it.
 *
 * The same code runs when a meter is created and when a backend loads it, so
 * what was accepted can be run.  Each key of the definition has one row in a
 * table that says how it is read; a key without a row is refused, so that
 * nothing is silently ignored.  Keys are read in the table's order: what one
 * refers to stands before it.
 */
#include "definitions/compiler.h"

#include "lib/stringinfo.h"
#include "utils/json.h"

/* Set the error's code and message. */
bool
meter_plan_refuse(MeterPlanCompiler *c, const char *code, const char *message)
{
	return meter_error_set(c->err, code, "%s", message);
}

/* Say what is the matter with a member. */
bool
meter_plan_refuse_at(MeterPlanCompiler *c, const char *key, const char *code, const char *message)
{
	meter_plan_refuse(c, code, message);
	meter_error_prepend(c->err, key, strlen(key));
	return false;
}

static bool
read_key(MeterPlanCompiler *c, int node)
{
	return meter_plan_label(c, node, 80, &c->plan->key);
}

static bool
read_name(MeterPlanCompiler *c, int node)
{
	return meter_plan_label(c, node, 200, &c->plan->name);
}

static bool
read_metric_key(MeterPlanCompiler *c, int node)
{
	return meter_plan_label(c, node, 200, &c->plan->metric_key);
}

static bool
read_unit_currency_field(MeterPlanCompiler *c, int node)
{
	return meter_plan_path(c, node, &c->plan->currency_path);
}

static bool
read_dedup_key_path(MeterPlanCompiler *c, int node)
{
	return meter_plan_path(c, node, &c->plan->dedup_path);
}

static bool
read_negative_allowed(MeterPlanCompiler *c, int node)
{
	return meter_plan_boolean(c, node, &c->plan->negative_allowed);
}

static bool
read_dimensions(MeterPlanCompiler *c, int node)
{
	MeterJsonMember *members;
	MeterPlan  *plan = c->plan;
	int			n;

	if (c->doc->nodes[node].type != METER_JSON_OBJECT)
		return meter_plan_refuse(c, "INVALID_TYPE", "expected an object of names and JSON paths");
	n = meter_json_members(c->doc, node, &members);
	if (n > METER_MAX_DIMENSIONS)
		return meter_plan_refuse(c, "INVALID_LENGTH", "expected at most 32 dimensions");
	plan->dimensions = palloc(Max(n, 1) * sizeof(MeterDimension));
	for (int i = 0; i < n; i++)
	{
		MeterDimension *dimension = &plan->dimensions[i];
		StringInfoData label;
		bool		ok;

		ok = meter_plan_label(c, members[i].keynode, 80, &dimension->name);
		if (ok && strcmp(dimension->name, "subject") == 0)
			ok = meter_plan_refuse(c, "INVALID_NAME", "subject is always there and cannot name a dimension");
		if (!ok || !meter_plan_path(c, members[i].value, &dimension->path))
		{
			meter_error_prepend(c->err, members[i].key, members[i].keylen);
			return false;
		}
		initStringInfo(&label);
		escape_json(&label, dimension->name);
		appendStringInfoChar(&label, ':');
		dimension->label = label.data;
	}
	plan->ndimensions = n;
	return true;
}

static bool
read_unit_label(MeterPlanCompiler *c, int node)
{
	return meter_plan_label(c, node, 80, &c->plan->unit_label);
}

static bool
read_custom_fields(MeterPlanCompiler *c, int node)
{
	MeterJsonMember *members;
	int			n;

	if (c->doc->nodes[node].type != METER_JSON_OBJECT)
		return meter_plan_refuse(c, "INVALID_TYPE", "expected an object of strings and numbers");
	n = meter_json_members(c->doc, node, &members);
	for (int i = 0; i < n; i++)
	{
		MeterJsonType type = c->doc->nodes[members[i].value].type;

		if (type != METER_JSON_STRING && type != METER_JSON_NUMBER)
		{
			meter_plan_refuse(c, "INVALID_TYPE", "a custom field is a string or a number");
			meter_error_prepend(c->err, members[i].key, members[i].keylen);
			return false;
		}
	}
	return true;
}

static bool
read_unsupported(MeterPlanCompiler *c, int node)
{
	return meter_plan_refuse(c, "NOT_SUPPORTED", "not supported yet");
}

static const struct
{
	const char *name;
	MeterReadKey read;
}			keys[] =
{
	{"key", read_key},
	{"name", read_name},
	{"metric_key", read_metric_key},
	{"description", meter_plan_text},
	{"product_id", meter_plan_uuid},
	{"group_id", meter_plan_uuid},
	{"workspace_id", meter_plan_uuid},
	{"custom_fields", read_custom_fields},
	{"data_fields", read_unsupported},
	{"derived_fields", read_unsupported},
	{"event_schema", read_unsupported},
	{"function", meter_plan_read_function},
	{"function_options", read_unsupported},
	{"value_field", meter_plan_read_value_field},
	{"unique_by_field", meter_plan_read_unique_by_field},
	{"filter_tree", meter_plan_read_filter_tree},
	{"window", meter_plan_read_window},
	{"profiles", read_unsupported},
	{"dimensions", read_dimensions},
	{"account_mapping", read_unsupported},
	{"dedup_key_path", read_dedup_key_path},
	{"late_event_policy", read_unsupported},
	{"negative_allowed", read_negative_allowed},
	{"unit_label", read_unit_label},
	{"unit_currency_field", read_unit_currency_field}
};

/* Refuse keys nobody reads. */
static bool
check_keys(MeterPlanCompiler *c)
{
	MeterJsonMember *members;
	int			n = meter_json_members(c->doc, 0, &members);

	for (int i = 0; i < n; i++)
	{
		bool		known = false;

		for (int k = 0; k < lengthof(keys); k++)
			known |= strlen(keys[k].name) == members[i].keylen &&
				memcmp(keys[k].name, members[i].key, members[i].keylen) == 0;
		if (!known)
		{
			meter_error_set(c->err, "UNKNOWN_KEY", "unknown key \"%.*s\"",
							members[i].keylen, members[i].key);
			meter_error_prepend(c->err, members[i].key, members[i].keylen);
			return false;
		}
	}
	return true;
}

/* A key's value, or -1 where it is missing or null: null is the default, for
 * every key. */
static int
find_key(MeterPlanCompiler *c, const char *key)
{
	int			node = meter_json_member(c->doc, 0, key, strlen(key));

	return node >= 0 && c->doc->nodes[node].type == METER_JSON_NULL ? -1 : node;
}

static bool
require(MeterPlanCompiler *c, const char *key, const char *message)
{
	return find_key(c, key) >= 0 || meter_plan_refuse_at(c, key, "MISSING_KEY", message);
}

static bool
compile(MeterPlanCompiler *c)
{
	if (c->doc->nodes[0].type != METER_JSON_OBJECT)
		return meter_plan_refuse(c, "INVALID_TYPE", "expected an object");
	if (!check_keys(c) ||
		!require(c, "key", "a meter needs a key") ||
		!require(c, "metric_key", "a meter needs a metric_key, the event type it listens to") ||
		!require(c, "function", "a meter needs a function"))
		return false;
	for (int k = 0; k < lengthof(keys); k++)
	{
		int			node = find_key(c, keys[k].name);

		if (node >= 0 && !keys[k].read(c, node))
		{
			meter_error_prepend(c->err, keys[k].name, strlen(keys[k].name));
			return false;
		}
	}
	return meter_plan_check_profile(c);
}

/* Check and compile a definition; see plan.h. */
MeterPlan *
meter_plan_compile(const MeterJson *doc, MeterError *err)
{
	MeterPlanCompiler c = {.doc = doc, .err = err};
	MeterPlan  *plan = palloc0(sizeof(MeterPlan));

	plan->profiles = palloc0(sizeof(MeterProfile));
	plan->nprofiles = 1;
	(void) meter_window_compile(doc, -1, &plan->profiles[0].window, err);
	c.plan = plan;
	return compile(&c) ? plan : NULL;
}

/* The number of the dimension of that name, or -1. */
int
meter_plan_dimension(const MeterPlan *plan, const char *name)
{
	for (int i = 0; i < plan->ndimensions; i++)
	{
		if (strcmp(plan->dimensions[i].name, name) == 0)
			return i;
	}
	return -1;
}
