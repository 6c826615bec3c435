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
read_event_schema(MeterPlanCompiler *c, int node)
{
	c->plan->schema = meter_schema_compile(c->doc, node, METER_SCHEMA_STRICT, c->err);
	return c->plan->schema != NULL;
}

static bool
read_mapping_type(MeterPlanCompiler *c, int node)
{
	static const char *const types[] = {
		[METER_MAPPING_ID] = "id", [METER_MAPPING_CODE] = "code", [METER_MAPPING_ALIAS] = "alias"
	};
	const char *text = "";
	int			len = 0;

	if (c->doc->nodes[node].type == METER_JSON_STRING)
		text = meter_json_string(c->doc, node, &len);
	for (int i = 0; i < lengthof(types); i++)
	{
		if (strlen(types[i]) == len && memcmp(types[i], text, len) == 0)
		{
			c->plan->mapping = i;
			return true;
		}
	}
	return meter_plan_refuse(c, "INVALID_MAPPING", "expected id, code or alias");
}

static bool
read_event_property(MeterPlanCompiler *c, int node)
{
	return meter_plan_path(c, node, &c->plan->subject_path);
}

static bool
read_account_mapping(MeterPlanCompiler *c, int node)
{
	static const char *const known[] = {"type", "event_property"};

	return meter_plan_object(c, node, known, lengthof(known)) &&
		meter_plan_read(c, node, "type", true, read_mapping_type) &&
		meter_plan_read(c, node, "event_property", true, read_event_property);
}

static const struct
{
	const char *name;
	MeterReadKey read;
	const char *required;		/* what to say where it is not there, or NULL */
}			keys[] =
{
	{"key", read_key, "a meter needs a key"},
	{"name", read_name},
	{"metric_key", read_metric_key, "a meter needs a metric_key, the event type it listens to"},
	{"description", meter_plan_text},
	{"product_id", meter_plan_uuid},
	{"group_id", meter_plan_uuid},
	{"workspace_id", meter_plan_uuid},
	{"custom_fields", meter_plan_read_custom_fields},
	{"data_fields", meter_plan_read_data_fields},
	{"derived_fields", meter_plan_read_derived_fields},
	{"event_schema", read_event_schema},
	{"function", meter_plan_read_function, "a meter needs a function"},
	{"function_options", meter_plan_read_function_options},
	{"value_field", meter_plan_read_value_field},
	{"unique_by_field", meter_plan_read_unique_by_field},
	{"filter_tree", meter_plan_read_filter_tree},
	{"window", meter_plan_read_window},
	{"profiles", meter_plan_read_profiles},
	{"dimensions", read_dimensions},
	{"account_mapping", read_account_mapping},
	{"dedup_key_path", read_dedup_key_path},
	{"late_event_policy", meter_plan_read_late},
	{"negative_allowed", read_negative_allowed},
	{"unit_label", read_unit_label},
	{"unit_currency_field", read_unit_currency_field}
};

static bool
compile(MeterPlanCompiler *c, const MeterJson *inherited)
{
	const char *known[lengthof(keys)];

	for (int k = 0; k < lengthof(keys); k++)
		known[k] = keys[k].name;
	if (!meter_plan_object(c, 0, known, lengthof(keys)) || !meter_plan_begin_scope(c, inherited))
		return false;
	for (int k = 0; k < lengthof(keys); k++)
	{
		if (keys[k].required && meter_plan_member(c, 0, keys[k].name) < 0)
			return meter_plan_refuse_at(c, keys[k].name, "MISSING_KEY", keys[k].required);
	}
	for (int k = 0; k < lengthof(keys); k++)
	{
		if (!meter_plan_read(c, 0, keys[k].name, false, keys[k].read))
			return false;
		/* the other profiles were read into it */
		c->profile = &c->plan->profiles[0];
	}
	return meter_plan_check_profile(c, "value_field", "unique_by_field");
}

/* Check and compile a definition; see plan.h. */
MeterPlan *
meter_plan_compile(const MeterJson *doc, const MeterJson *inherited, MeterError *err)
{
	MeterPlanCompiler c = {.doc = doc, .err = err};
	MeterPlan  *plan = palloc0(sizeof(MeterPlan));

	plan->profiles = palloc0(sizeof(MeterProfile));
	plan->nprofiles = 1;
	plan->profiles[0].fraction = -1;
	plan->late = meter_plan_default_late();
	(void) meter_window_compile(doc, -1, &plan->profiles[0].window, err);
	c.plan = plan;
	c.profile = &plan->profiles[0];
	return compile(&c, inherited) ? plan : NULL;
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
