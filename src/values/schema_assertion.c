/*
 * schema_assertion.c
 *		Compiling the keywords that hold no subschemas.
 */
#include "values/schema_private.h"

#include "utils/fmgrprotos.h"

/* The groups of a node, made when first needed. */
SchemaNumbers *
meter_schema_numbers(SchemaNode *s)
{
	if (s->numbers == NULL)
		s->numbers = palloc0(sizeof(SchemaNumbers));
	return s->numbers;
}

SchemaStrings *
meter_schema_strings(SchemaNode *s)
{
	if (s->strings == NULL)
	{
		s->strings = palloc0(sizeof(SchemaStrings));
		s->strings->max_length = INT_MAX;
	}
	return s->strings;
}

SchemaArrays *
meter_schema_arrays(SchemaNode *s)
{
	if (s->arrays == NULL)
	{
		s->arrays = palloc0(sizeof(SchemaArrays));
		s->arrays->max_items = INT_MAX;
		s->arrays->min_contains = 1;
		s->arrays->max_contains = INT_MAX;
	}
	return s->arrays;
}

SchemaObjects *
meter_schema_objects(SchemaNode *s)
{
	if (s->objects == NULL)
	{
		s->objects = palloc0(sizeof(SchemaObjects));
		s->objects->max_properties = INT_MAX;
	}
	return s->objects;
}

/* Refuse the present keyword's value, which must be what is said. */
static bool
refuse_value(SchemaCompiler *c, int value, const char *what)
{
	return meter_schema_refuse(c, c->source, value, "INVALID_SCHEMA", "%s must be %s",
							   c->keyword, what);
}

/* The bits of one type name, or 0. */
static int
type_bits(const MeterJson *doc, int node)
{
	static const struct
	{
		const char *name;
		int			bits;
	}			types[] = {
		{"null", SCHEMA_TYPE_BIT(METER_JSON_NULL)},
		{"boolean", SCHEMA_TYPE_BIT(METER_JSON_FALSE) | SCHEMA_TYPE_BIT(METER_JSON_TRUE)},
		{"number", SCHEMA_TYPE_BIT(METER_JSON_NUMBER)},
		{"integer", SCHEMA_INTEGER_BIT},
		{"string", SCHEMA_TYPE_BIT(METER_JSON_STRING)},
		{"array", SCHEMA_TYPE_BIT(METER_JSON_ARRAY)},
		{"object", SCHEMA_TYPE_BIT(METER_JSON_OBJECT)},
	};
	const char *name;

	if (doc->nodes[node].type != METER_JSON_STRING)
		return 0;
	name = meter_json_cstring(doc, node);
	for (int i = 0; i < lengthof(types); i++)
	{
		if (strcmp(types[i].name, name) == 0)
			return types[i].bits;
	}
	return 0;
}

bool
meter_schema_compile_type(SchemaCompiler *c, SchemaNode *s, int value)
{
	const MeterJson *doc = &c->source->doc;
	const char *expected = "null, boolean, object, array, number, string or integer, or an array of them";
	int			bits;

	if (doc->nodes[value].type == METER_JSON_ARRAY && doc->nodes[value].count > 0)
	{
		for (int v = value + 1; v < doc->nodes[value].next; v = doc->nodes[v].next)
		{
			bits = type_bits(doc, v);
			if (bits == 0)
				return refuse_value(c, v, expected);
			if ((s->types & bits) == bits)
				return refuse_value(c, v, "an array without repetitions");
			s->types |= bits;
		}
		return true;
	}
	bits = type_bits(doc, value);
	if (bits == 0)
		return refuse_value(c, value, expected);
	s->types = bits;
	return true;
}

/* const and enum. */
bool
meter_schema_compile_values(SchemaCompiler *c, SchemaNode *s, int value)
{
	const MeterJson *doc = &c->source->doc;
	int		   *nodes;
	int			n = 0;

	if (strcmp(c->keyword, "const") == 0)
	{
		s->constant = meter_schema_value_set(doc, "const", &value, 1);
		return true;
	}
	if (doc->nodes[value].type != METER_JSON_ARRAY)
		return refuse_value(c, value, "an array");
	nodes = palloc(Max(doc->nodes[value].count, 1) * sizeof(int));
	for (int v = value + 1; v < doc->nodes[value].next; v = doc->nodes[v].next)
		nodes[n++] = v;
	s->enumeration = meter_schema_value_set(doc, "enum", nodes, n);
	return true;
}

/* minimum, maximum, exclusiveMinimum, exclusiveMaximum and multipleOf. */
bool
meter_schema_compile_bound(SchemaCompiler *c, SchemaNode *s, int value)
{
	SchemaNumbers *numbers = meter_schema_numbers(s);
	SchemaNumber *number = palloc0(sizeof(SchemaNumber));
	SchemaNumber zero = {.text = "0", .len = 1, .small = true};

	if (c->source->doc.nodes[value].type != METER_JSON_NUMBER)
		return refuse_value(c, value, "a number");
	meter_schema_number_read(&c->source->doc, value, number);
	if (!number->small)
	{
		number->big = meter_schema_number_numeric(number);
		numbers->any_big = true;
	}
	if (strcmp(c->keyword, "minimum") == 0)
		numbers->minimum = number;
	else if (strcmp(c->keyword, "maximum") == 0)
		numbers->maximum = number;
	else if (strcmp(c->keyword, "exclusiveMinimum") == 0)
		numbers->exclusive_minimum = number;
	else if (strcmp(c->keyword, "exclusiveMaximum") == 0)
		numbers->exclusive_maximum = number;
	else
	{
		if (meter_schema_number_cmp(number, &zero) <= 0)
			return refuse_value(c, value, "a number greater than 0");
		numbers->multiple_of = number;
	}
	return true;
}

/* A not negative integer; larger ones than anything can reach are cut. */
static bool
read_size(SchemaCompiler *c, int value, int *size)
{
	const MeterJson *doc = &c->source->doc;
	SchemaNumber number;
	SchemaNumber zero = {.text = "0", .len = 1, .small = true};
	SchemaNumber most = {.text = "2147483647", .len = 10, .small = true, .mantissa = INT_MAX};

	if (doc->nodes[value].type != METER_JSON_NUMBER || !meter_schema_number_integer(doc, value))
		return refuse_value(c, value, "an integer that is not negative");
	meter_schema_number_read(doc, value, &number);
	if (meter_schema_number_cmp(&number, &zero) < 0)
		return refuse_value(c, value, "an integer that is not negative");
	if (meter_schema_number_cmp(&number, &most) >= 0)
		*size = INT_MAX;
	else
		*size = DatumGetInt32(DirectFunctionCall1(numeric_int4,
												  NumericGetDatum(meter_schema_number_numeric(&number))));
	return true;
}

/* The keywords that count something. */
bool
meter_schema_compile_size(SchemaCompiler *c, SchemaNode *s, int value)
{
	int			size = 0;

	if (!read_size(c, value, &size))
		return false;
	if (strcmp(c->keyword, "minLength") == 0)
		meter_schema_strings(s)->min_length = size;
	else if (strcmp(c->keyword, "maxLength") == 0)
		meter_schema_strings(s)->max_length = size;
	else if (strcmp(c->keyword, "minItems") == 0)
		meter_schema_arrays(s)->min_items = size;
	else if (strcmp(c->keyword, "maxItems") == 0)
		meter_schema_arrays(s)->max_items = size;
	else if (strcmp(c->keyword, "minContains") == 0)
		meter_schema_arrays(s)->min_contains = size;
	else if (strcmp(c->keyword, "maxContains") == 0)
		meter_schema_arrays(s)->max_contains = size;
	else if (strcmp(c->keyword, "minProperties") == 0)
		meter_schema_objects(s)->min_properties = size;
	else
		meter_schema_objects(s)->max_properties = size;
	if (s->objects && (s->objects->min_properties > 0 || s->objects->max_properties < INT_MAX))
		s->objects->exact = true;
	return true;
}

static bool
is_boolean(SchemaCompiler *c, int value)
{
	int			type = c->source->doc.nodes[value].type;

	return type == METER_JSON_TRUE || type == METER_JSON_FALSE;
}

bool
meter_schema_compile_unique(SchemaCompiler *c, SchemaNode *s, int value)
{
	if (!is_boolean(c, value))
		return refuse_value(c, value, "true or false");
	if (c->source->doc.nodes[value].type == METER_JSON_TRUE)
		meter_schema_arrays(s)->unique = true;
	return true;
}

bool
meter_schema_compile_pattern(SchemaCompiler *c, SchemaNode *s, int value)
{
	if (c->source->doc.nodes[value].type != METER_JSON_STRING)
		return refuse_value(c, value, "a string");
	meter_schema_strings(s)->pattern = meter_schema_pattern_compile(c, value, value);
	return s->strings->pattern != NULL;
}

/*
 * format.  Where it asserts, a strict schema may only name formats that are
 * checked here: the others would be ignored in silence.
 */
bool
meter_schema_compile_format(SchemaCompiler *c, SchemaNode *s, int value)
{
	const char *name;
	SchemaFormatCheck check;

	if (c->source->doc.nodes[value].type != METER_JSON_STRING)
		return refuse_value(c, value, "a string");
	if (!(c->flags & METER_SCHEMA_ASSERT_FORMAT))
		return true;
	name = meter_json_cstring(&c->source->doc, value);
	check = meter_schema_format(name, strlen(name));
	if (check == NULL)
	{
		if (c->flags & METER_SCHEMA_STRICT)
			return meter_schema_refuse(c, c->source, value, "INVALID_SCHEMA",
									   "format \"%s\" cannot be asserted", name);
		return true;
	}
	meter_schema_strings(s)->format = check;
	s->strings->format_name = name;
	return true;
}

/* Annotations: only their own type is looked at. */
bool
meter_schema_compile_text(SchemaCompiler *c, SchemaNode *s, int value)
{
	if (c->source->doc.nodes[value].type != METER_JSON_STRING)
		return refuse_value(c, value, "a string");
	return true;
}

bool
meter_schema_compile_flag(SchemaCompiler *c, SchemaNode *s, int value)
{
	return is_boolean(c, value) || refuse_value(c, value, "true or false");
}

bool
meter_schema_compile_examples(SchemaCompiler *c, SchemaNode *s, int value)
{
	if (c->source->doc.nodes[value].type != METER_JSON_ARRAY)
		return refuse_value(c, value, "an array");
	return true;
}

/* Names in an array of strings, as indexes into the table of names. */
static bool
read_names(SchemaCompiler *c, SchemaNode *s, int array, int **indexes, int *n)
{
	const MeterJson *doc = &c->source->doc;

	if (doc->nodes[array].type != METER_JSON_ARRAY)
		return refuse_value(c, array, "an array of names");
	*indexes = palloc(Max(doc->nodes[array].count, 1) * sizeof(int));
	*n = 0;
	for (int v = array + 1; v < doc->nodes[array].next; v = doc->nodes[v].next)
	{
		int			len;
		const char *name;

		if (doc->nodes[v].type != METER_JSON_STRING)
			return refuse_value(c, v, "an array of names");
		name = meter_json_string(doc, v, &len);
		(*indexes)[(*n)++] = meter_schema_name_add(meter_schema_objects(s), name, len);
	}
	return true;
}

bool
meter_schema_compile_required(SchemaCompiler *c, SchemaNode *s, int value)
{
	SchemaObjects *objects = meter_schema_objects(s);

	return read_names(c, s, value, &objects->required, &objects->nrequired);
}

/* dependentRequired, dependentSchemas and dependencies, which is both. */
bool
meter_schema_compile_dependencies(SchemaCompiler *c, SchemaNode *s, int value)
{
	const MeterJson *doc = &c->source->doc;
	SchemaObjects *objects = meter_schema_objects(s);
	MeterJsonMember *members;
	int			n;

	if (doc->nodes[value].type != METER_JSON_OBJECT)
		return refuse_value(c, value, "an object");
	n = meter_json_members(doc, value, &members);
	if (n == 0)
		return true;
	if (objects->dependencies == NULL)
		objects->dependencies = palloc0(n * sizeof(SchemaDependency));
	else
		objects->dependencies = repalloc(objects->dependencies,
										 (objects->ndependencies + n) * sizeof(SchemaDependency));
	for (int i = 0; i < n; i++)
	{
		SchemaDependency *d = &objects->dependencies[objects->ndependencies++];

		memset(d, 0, sizeof(*d));
		d->keyword = c->keyword;
		d->trigger = meter_schema_name_add(objects, members[i].key, members[i].keylen);
		if (doc->nodes[members[i].value].type == METER_JSON_ARRAY ||
			strcmp(c->keyword, "dependentRequired") == 0)
		{
			if (!read_names(c, s, members[i].value, &d->needs, &d->nneeds))
				return false;
		}
		else
			d->schema = meter_schema_node(c, c->source, members[i].value);
	}
	return true;
}
