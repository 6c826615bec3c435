/*
 * plan.c
 *		Checks a meter definition and compiles it.
 *
 * The same code runs when a meter is created and when a backend loads it, so
 * what was accepted can be run.  Each key of the definition has one row in a
 * table that says how it is read; a key without a row is refused, so that
 * nothing is silently ignored.
 */
#include "definitions/plan.h"

#include <ctype.h>

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/json.h"

typedef struct Compiler
{
	const MeterJson *doc;
	MeterPlan  *plan;
	MeterError *err;
} Compiler;

typedef bool (*ReadKey) (Compiler *c, int node);

static bool
refuse(Compiler *c, const char *code, const char *message)
{
	return meter_error_set(c->err, code, "%s", message);
}

/* Code points that print nothing, or only space. */
static bool
blank_code_point(pg_wchar c)
{
	return c < 0x20 || (c >= 0x7F && c <= 0xA0) || c == 0xAD || c == 0x1680 ||
		(c >= 0x2000 && c <= 0x200F) || (c >= 0x2028 && c <= 0x202F) ||
		(c >= 0x205F && c <= 0x206F) || c == 0x3000 || c == 0xFEFF ||
		(c >= 0xFFF9 && c <= 0xFFFB);
}

/* A label: so many printable characters, with spaces only inside. */
static bool
check_label(Compiler *c, int node, int max, const char **out)
{
	char	   *text;
	int			len;
	int			chars = 0;

	if (c->doc->nodes[node].type != METER_JSON_STRING)
		return refuse(c, "INVALID_TYPE", "expected a string");
	text = meter_json_cstring(c->doc, node);
	len = strlen(text);
	for (char *p = text; *p; p += pg_utf_mblen((unsigned char *) p))
	{
		if (blank_code_point(utf8_to_unicode((unsigned char *) p)))
			return refuse(c, "INVALID_TEXT", "non-printable characters and white space other than inner spaces are not allowed");
		chars++;
	}
	if (chars < 1 || chars > max)
		return meter_error_set(c->err, "INVALID_LENGTH", "expected 1 to %d characters, got %d", max, chars);
	if (text[0] == ' ' || text[len - 1] == ' ')
		return refuse(c, "INVALID_TEXT", "must not begin or end with a space");
	*out = text;
	return true;
}

static bool
read_path(Compiler *c, int node, MeterPath **out)
{
	const char *text;
	int			len;

	if (c->doc->nodes[node].type != METER_JSON_STRING)
		return refuse(c, "INVALID_TYPE", "expected a JSON path, a string");
	text = meter_json_string(c->doc, node, &len);
	*out = meter_path_compile(text, len, c->err);
	return *out != NULL;
}

static bool
read_key(Compiler *c, int node)
{
	return check_label(c, node, 80, &c->plan->key);
}

static bool
read_name(Compiler *c, int node)
{
	return check_label(c, node, 200, &c->plan->name);
}

static bool
read_metric_key(Compiler *c, int node)
{
	return check_label(c, node, 200, &c->plan->metric_key);
}

static bool
read_function(Compiler *c, int node)
{
	const char *text;
	int			len;

	if (c->doc->nodes[node].type != METER_JSON_STRING)
		return refuse(c, "INVALID_TYPE", "expected a string");
	text = meter_json_string(c->doc, node, &len);
	if (!meter_function_parse(text, len, &c->plan->function))
		return refuse(c, "INVALID_FUNCTION", "expected sum, count, avg, min, max, unique_count, "
					  "latest, weighted_sum, percentile or custom");
	if (c->plan->function >= METER_FUNCTION_WEIGHTED_SUM)
		return refuse(c, "NOT_SUPPORTED", "this function is not supported yet");
	return true;
}

static bool
read_value_field(Compiler *c, int node)
{
	return read_path(c, node, &c->plan->value_path);
}

static bool
read_unique_by_field(Compiler *c, int node)
{
	return read_path(c, node, &c->plan->unique_path);
}

static bool
read_unit_currency_field(Compiler *c, int node)
{
	return read_path(c, node, &c->plan->currency_path);
}

static bool
read_dedup_key_path(Compiler *c, int node)
{
	return read_path(c, node, &c->plan->dedup_path);
}

static bool
read_negative_allowed(Compiler *c, int node)
{
	MeterJsonType type = c->doc->nodes[node].type;

	if (type != METER_JSON_TRUE && type != METER_JSON_FALSE)
		return refuse(c, "INVALID_TYPE", "expected true or false");
	c->plan->negative_allowed = type == METER_JSON_TRUE;
	return true;
}

static bool
read_dimensions(Compiler *c, int node)
{
	MeterJsonMember *members;
	MeterPlan  *plan = c->plan;
	int			n;

	if (c->doc->nodes[node].type != METER_JSON_OBJECT)
		return refuse(c, "INVALID_TYPE", "expected an object of names and JSON paths");
	n = meter_json_members(c->doc, node, &members);
	if (n > METER_MAX_DIMENSIONS)
		return refuse(c, "INVALID_LENGTH", "expected at most 32 dimensions");
	plan->dimensions = palloc(Max(n, 1) * sizeof(MeterDimension));
	for (int i = 0; i < n; i++)
	{
		MeterDimension *dimension = &plan->dimensions[i];
		StringInfoData label;
		bool		ok;

		ok = check_label(c, members[i].keynode, 80, &dimension->name);
		if (ok && strcmp(dimension->name, "subject") == 0)
			ok = refuse(c, "INVALID_NAME", "subject is always there and cannot name a dimension");
		if (!ok || !read_path(c, members[i].value, &dimension->path))
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
read_filter_tree(Compiler *c, int node)
{
	c->plan->filter = meter_filter_compile(c->doc, node, c->err);
	return c->plan->filter != NULL;
}

static bool
read_window(Compiler *c, int node)
{
	if (!meter_window_compile(c->doc, node, &c->plan->window, c->err))
		return false;
	if (c->plan->window.size == METER_WINDOW_BILLING_PERIOD)
		return refuse(c, "NOT_SUPPORTED", "billing_period windows are not supported yet");
	return true;
}

/* Text that is only shown. */
static bool
read_text(Compiler *c, int node)
{
	return c->doc->nodes[node].type == METER_JSON_STRING ||
		refuse(c, "INVALID_TYPE", "expected a string");
}

static bool
read_unit_label(Compiler *c, int node)
{
	return check_label(c, node, 80, &c->plan->unit_label);
}

static bool
read_uuid(Compiler *c, int node)
{
	static const char pattern[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	const char *text = "";
	int			len = 0;
	bool		ok;

	if (c->doc->nodes[node].type == METER_JSON_STRING)
		text = meter_json_string(c->doc, node, &len);
	ok = len == sizeof(pattern) - 1;
	for (int i = 0; i < len && ok; i++)
		ok = pattern[i] == '-' ? text[i] == '-' : isxdigit((unsigned char) text[i]) != 0;
	return ok || refuse(c, "INVALID_UUID", "expected a UUID of 36 characters");
}

static bool
read_custom_fields(Compiler *c, int node)
{
	MeterJsonMember *members;
	int			n;

	if (c->doc->nodes[node].type != METER_JSON_OBJECT)
		return refuse(c, "INVALID_TYPE", "expected an object of strings and numbers");
	n = meter_json_members(c->doc, node, &members);
	for (int i = 0; i < n; i++)
	{
		MeterJsonType type = c->doc->nodes[members[i].value].type;

		if (type != METER_JSON_STRING && type != METER_JSON_NUMBER)
		{
			refuse(c, "INVALID_TYPE", "a custom field is a string or a number");
			meter_error_prepend(c->err, members[i].key, members[i].keylen);
			return false;
		}
	}
	return true;
}

static bool
read_unsupported(Compiler *c, int node)
{
	return refuse(c, "NOT_SUPPORTED", "not supported yet");
}

static const struct
{
	const char *name;
	ReadKey		read;
}			keys[] =
{
	{"key", read_key},
	{"name", read_name},
	{"metric_key", read_metric_key},
	{"function", read_function},
	{"value_field", read_value_field},
	{"unique_by_field", read_unique_by_field},
	{"dimensions", read_dimensions},
	{"filter_tree", read_filter_tree},
	{"dedup_key_path", read_dedup_key_path},
	{"window", read_window},
	{"negative_allowed", read_negative_allowed},
	{"unit_label", read_unit_label},
	{"unit_currency_field", read_unit_currency_field},
	{"custom_fields", read_custom_fields},
	{"product_id", read_uuid},
	{"group_id", read_uuid},
	{"workspace_id", read_uuid},
	{"description", read_text},
	{"function_options", read_unsupported},
	{"event_schema", read_unsupported},
	{"late_event_policy", read_unsupported},
	{"data_fields", read_unsupported},
	{"derived_fields", read_unsupported},
	{"profiles", read_unsupported},
	{"account_mapping", read_unsupported}
};

static bool
read_member(Compiler *c, const MeterJsonMember *member)
{
	for (int i = 0; i < lengthof(keys); i++)
	{
		if (strlen(keys[i].name) != member->keylen ||
			memcmp(keys[i].name, member->key, member->keylen) != 0)
			continue;
		/* null is the default, for every key */
		if (c->doc->nodes[member->value].type == METER_JSON_NULL ||
			keys[i].read(c, member->value))
			return true;
		meter_error_prepend(c->err, member->key, member->keylen);
		return false;
	}
	meter_error_set(c->err, "UNKNOWN_KEY", "unknown key \"%.*s\"", member->keylen, member->key);
	meter_error_prepend(c->err, member->key, member->keylen);
	return false;
}

static bool
require(Compiler *c, bool there, const char *key, const char *message)
{
	if (there)
		return true;
	refuse(c, "MISSING_KEY", message);
	meter_error_prepend(c->err, key, strlen(key));
	return false;
}

/* What must be there, and which keys go together. */
static bool
check_combination(Compiler *c, bool has_function)
{
	MeterPlan  *plan = c->plan;

	if (!require(c, plan->key, "key", "a meter needs a key") ||
		!require(c, plan->metric_key, "metric_key", "a meter needs a metric_key, the event type it listens to") ||
		!require(c, has_function, "function", "a meter needs a function"))
		return false;
	switch (plan->function)
	{
		case METER_FUNCTION_COUNT:
			break;
		case METER_FUNCTION_UNIQUE_COUNT:
			if (!require(c, plan->unique_path, "unique_by_field",
						 "unique_count needs unique_by_field, a JSON path"))
				return false;
			break;
		default:
			if (!require(c, plan->value_path, "value_field",
						 psprintf("%s needs value_field, a JSON path", meter_function_name(plan->function))))
				return false;
	}
	if (plan->unique_path && plan->function != METER_FUNCTION_UNIQUE_COUNT)
	{
		refuse(c, "INVALID_COMBINATION", "unique_by_field goes with unique_count only");
		meter_error_prepend(c->err, "unique_by_field", 15);
		return false;
	}
	return true;
}

/* Check and compile a definition; see plan.h. */
MeterPlan *
meter_plan_compile(const MeterJson *doc, MeterError *err)
{
	Compiler	c = {.doc = doc, .err = err};
	MeterJsonMember *members;
	int			n;
	int			function;

	if (doc->nodes[0].type != METER_JSON_OBJECT)
	{
		meter_error_set(err, "INVALID_TYPE", "expected an object");
		return NULL;
	}
	c.plan = palloc0(sizeof(MeterPlan));
	(void) meter_window_compile(doc, -1, &c.plan->window, err);
	n = meter_json_members(doc, 0, &members);
	for (int i = 0; i < n; i++)
	{
		if (!read_member(&c, &members[i]))
			return NULL;
	}
	function = meter_json_member(doc, 0, "function", 8);
	if (!check_combination(&c, function >= 0 && doc->nodes[function].type != METER_JSON_NULL))
		return NULL;
	return c.plan;
}

/* What makes two versions share a stream. */
char *
meter_plan_signature(const MeterPlan *plan)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "{\"type\": ");
	escape_json(&buf, plan->metric_key);
	appendStringInfoString(&buf, ", \"dimensions\": {");
	for (int i = 0; i < plan->ndimensions; i++)
	{
		if (i > 0)
			appendStringInfoString(&buf, ", ");
		escape_json(&buf, plan->dimensions[i].name);
		appendStringInfoString(&buf, ": ");
		escape_json(&buf, meter_path_canonical(plan->dimensions[i].path));
	}
	appendStringInfoString(&buf, "}");
	if (plan->currency_path)
	{
		appendStringInfoString(&buf, ", \"currency\": ");
		escape_json(&buf, meter_path_canonical(plan->currency_path));
	}
	appendStringInfoString(&buf, "}");
	return buf.data;
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
