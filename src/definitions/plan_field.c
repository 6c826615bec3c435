/*
 * plan_field.c
 *		The fields of a meter: custom, data and derived ones.
 *
 * A calculation may name the event's time, custom fields, data fields and the
 * derived fields before it.  Measures are numbers there and the other data
 * fields texts; where no data fields are declared, any other name is a path
 * into the data.
 */
#include "definitions/compiler.h"

static const struct
{
	const char *name;
	bool		numeric;
}			categories[] =
{
	{"WHO", false}, {"WHERE", false}, {"WHAT", false}, {"OTHER", false}, {"METADATA", false},
	{"MEASURE", true}, {"INCOME", true}, {"COST", true}
};

/* Put a custom field into the scope, in the place of one of the same name among
 * the first so many: an object has no name twice, and may have very many. */
static bool
add_custom_field(MeterPlanCompiler *c, const MeterJson *doc, const MeterJsonMember *member, int before)
{
	MeterJsonType type = doc->nodes[member->value].type;
	MeterBinding binding = {
		.name = psprintf("customFields.%.*s", member->keylen, member->key),
		.kind = METER_BINDING_CONSTANT
	};
	MeterError	err;
	char	   *text;

	if (type != METER_JSON_STRING && type != METER_JSON_NUMBER)
		return meter_plan_refuse(c, "INVALID_TYPE", "a custom field is a string or a number");
	binding.constant_text.data = meter_json_raw(doc, member->value, &binding.constant_text.len);
	if (type == METER_JSON_STRING)
	{
		text = meter_json_cstring(doc, member->value);
		binding.constant.type = METER_VALUE_TEXT;
		binding.constant.u.text.data = text;
		binding.constant.u.text.len = strlen(text);
	}
	else
	{
		binding.constant.type = METER_VALUE_NUMBER;
		if (!meter_decimal_from_json(doc, member->value, &binding.constant.u.number, &err))
			return meter_plan_refuse(c, err.code, err.message);
	}
	binding.type = binding.constant.type;
	for (int i = 0; i < before; i++)
	{
		if (strcmp(c->scope.bindings[i].name, binding.name) == 0)
		{
			c->scope.bindings[i] = binding;
			return true;
		}
	}
	meter_scope_add(&c->scope, &binding);
	return true;
}

/* Put an object of custom fields into the scope. */
static bool
add_custom_fields(MeterPlanCompiler *c, const MeterJson *doc, int node)
{
	MeterJsonMember *members;
	int			before = c->scope.n;
	int			n;

	if (doc->nodes[node].type != METER_JSON_OBJECT)
		return meter_plan_refuse(c, "INVALID_TYPE", "expected an object of strings and numbers");
	n = meter_json_members(doc, node, &members);
	for (int i = 0; i < n; i++)
	{
		if (!add_custom_field(c, doc, &members[i], before))
		{
			meter_error_prepend(c->err, members[i].key, members[i].keylen);
			return false;
		}
	}
	return true;
}

/* Begin the scope; see compiler.h. */
bool
meter_plan_begin_scope(MeterPlanCompiler *c, const MeterJson *inherited)
{
	c->scope.open = meter_plan_member(c, 0, "data_fields") < 0;
	meter_scope_add(&c->scope, &(MeterBinding) {
		.name = "timestamp", .kind = METER_BINDING_TIME, .type = METER_VALUE_TIME
	});
	return add_custom_fields(c, inherited, 0);
}

/* The key custom_fields. */
bool
meter_plan_read_custom_fields(MeterPlanCompiler *c, int node)
{
	return add_custom_fields(c, c->doc, node);
}

/* Is there a field of that code? */
bool
meter_plan_has_field(const MeterPlan *plan, const char *code, int len)
{
	for (int i = 0; i < plan->ndata_fields; i++)
	{
		if (plan->data_fields[i].len == len && memcmp(plan->data_fields[i].code, code, len) == 0)
			return true;
	}
	for (int i = 0; i < plan->nderived_fields; i++)
	{
		const MeterField *field = &plan->derived_fields[i].field;

		if (field->len == len && memcmp(field->code, code, len) == 0)
			return true;
	}
	return false;
}

static bool
is_code_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$';
}

static bool
read_code(MeterPlanCompiler *c, int node, MeterField *field)
{
	int			len;
	const char *text;
	bool		ok;

	if (c->doc->nodes[node].type != METER_JSON_STRING)
		return meter_plan_refuse(c, "INVALID_TYPE", "expected a string");
	text = meter_json_string(c->doc, node, &len);
	ok = len >= 1 && len <= 80 && is_code_letter(text[0]);
	for (int i = 1; i < len && ok; i++)
		ok = is_code_letter(text[i]) || (text[i] >= '0' && text[i] <= '9');
	if (!ok)
		return meter_plan_refuse(c, "INVALID_CODE", "expected 1 to 80 letters, digits, _ and $, a digit not first");
	if (len == strlen("timestamp") && memcmp(text, "timestamp", len) == 0)
		return meter_plan_refuse(c, "INVALID_CODE", "timestamp is the event's time and cannot be a field's code");
	if (meter_plan_has_field(c->plan, text, len))
		return meter_error_set(c->err, "DUPLICATE_CODE", "there is another field \"%.*s\"", len, text);
	field->code = pnstrdup(text, len);
	field->len = len;
	return true;
}

static bool
read_category(MeterPlanCompiler *c, int node, MeterField *field)
{
	int			len;
	const char *text;

	if (c->doc->nodes[node].type != METER_JSON_STRING)
		return meter_plan_refuse(c, "INVALID_TYPE", "expected a string");
	text = meter_json_string(c->doc, node, &len);
	for (int i = 0; i < lengthof(categories); i++)
	{
		if (strlen(categories[i].name) == len && memcmp(categories[i].name, text, len) == 0)
		{
			field->numeric = categories[i].numeric;
			return true;
		}
	}
	return meter_plan_refuse(c, "INVALID_CATEGORY", "expected WHO, WHERE, WHAT, OTHER, METADATA, MEASURE, INCOME or COST");
}

static bool
read_label_of_200(MeterPlanCompiler *c, int node)
{
	const char *ignored;

	return meter_plan_label(c, node, 200, &ignored);
}

static bool
read_label_of_80(MeterPlanCompiler *c, int node)
{
	const char *ignored;

	return meter_plan_label(c, node, 80, &ignored);
}

/* What data fields and derived fields have in common. */
static bool
read_field(MeterPlanCompiler *c, int node, MeterField *field)
{
	int			category = meter_plan_member(c, node, "category");
	int			code = meter_plan_member(c, node, "code");

	if (category < 0 || code < 0)
		return meter_plan_refuse_at(c, category < 0 ? "category" : "code", "MISSING_KEY",
									"a field needs a category, a code and a name");
	if (!read_category(c, category, field))
	{
		meter_error_prepend(c->err, "category", 8);
		return false;
	}
	if (!read_code(c, code, field))
	{
		meter_error_prepend(c->err, "code", 4);
		return false;
	}
	return meter_plan_read(c, node, "name", true, read_label_of_200) &&
		meter_plan_read(c, node, "unit", false, read_label_of_80);
}

static bool
read_data_field(MeterPlanCompiler *c, int node, int index)
{
	static const char *const known[] = {"category", "code", "name", "unit"};
	MeterField *field = &c->plan->data_fields[index];

	if (!meter_plan_object(c, node, known, lengthof(known)) || !read_field(c, node, field))
		return false;
	c->plan->ndata_fields++;
	meter_scope_add(&c->scope, &(MeterBinding) {
		.name = field->code, .kind = METER_BINDING_FIELD,
		.type = field->numeric ? METER_VALUE_NUMBER : METER_VALUE_TEXT
	});
	return true;
}

/* The key data_fields. */
bool
meter_plan_read_data_fields(MeterPlanCompiler *c, int node)
{
	c->plan->data_fields = palloc0(METER_MAX_FIELDS * sizeof(MeterField));
	return meter_plan_array(c, node, 1, METER_MAX_FIELDS, read_data_field);
}

/* Compile what the field is calculated by. */
static bool
read_calculation(MeterPlanCompiler *c, int node, MeterDerivedField *derived)
{
	if (c->doc->nodes[node].type != METER_JSON_STRING)
		return meter_plan_refuse(c, "INVALID_TYPE", "expected an expression, a string");
	derived->formula = meter_formula_compile(meter_json_cstring(c->doc, node), &c->scope, c->err);
	if (derived->formula == NULL)
		return false;
	if (derived->field.numeric && derived->formula->type != METER_VALUE_NUMBER &&
		derived->formula->type != METER_VALUE_NULL)
		return meter_plan_refuse(c, "TYPE_MISMATCH", "the category asks for a number, the calculation gives none");
	return true;
}

static bool
read_derived_field(MeterPlanCompiler *c, int node, int index)
{
	static const char *const known[] = {"category", "code", "name", "unit", "calculation"};
	MeterDerivedField *derived = &c->plan->derived_fields[index];
	int			calculation;

	if (!meter_plan_object(c, node, known, lengthof(known)) || !read_field(c, node, &derived->field))
		return false;
	calculation = meter_plan_member(c, node, "calculation");
	if (calculation < 0)
		return meter_plan_refuse_at(c, "calculation", "MISSING_KEY",
									"a derived field needs a calculation, an expression");
	if (!read_calculation(c, calculation, derived))
	{
		meter_error_prepend(c->err, "calculation", 11);
		return false;
	}
	c->plan->nderived_fields++;
	meter_scope_add(&c->scope, &(MeterBinding) {
		.name = derived->field.code, .kind = METER_BINDING_FIELD,
		.type = derived->field.numeric ? METER_VALUE_NUMBER : derived->formula->type
	});
	return true;
}

/* The key derived_fields. */
bool
meter_plan_read_derived_fields(MeterPlanCompiler *c, int node)
{
	c->plan->derived_fields = palloc0(METER_MAX_FIELDS * sizeof(MeterDerivedField));
	return meter_plan_array(c, node, 0, METER_MAX_FIELDS, read_derived_field);
}
