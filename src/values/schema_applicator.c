/*
 * schema_applicator.c
 *		Compiling the keywords that hold subschemas.
 *
 * That their values have the right shape is known from the scan.
 */
#include "values/schema_private.h"

SchemaInPlace *
meter_schema_in_place(SchemaNode *s)
{
	if (s->in_place == NULL)
		s->in_place = palloc0(sizeof(SchemaInPlace));
	return s->in_place;
}

bool
meter_schema_compile_properties(SchemaCompiler *c, SchemaNode *s, int value)
{
	SchemaObjects *objects = meter_schema_objects(s);
	MeterJsonMember *members;
	int			n = meter_json_members(&c->source->doc, value, &members);

	for (int i = 0; i < n; i++)
	{
		int			name = meter_schema_name_add(objects, members[i].key, members[i].keylen);

		objects->names[name].property = meter_schema_node(c, c->source, members[i].value);
	}
	return true;
}

bool
meter_schema_compile_pattern_properties(SchemaCompiler *c, SchemaNode *s, int value)
{
	SchemaObjects *objects = meter_schema_objects(s);
	MeterJsonMember *members;
	int			n = meter_json_members(&c->source->doc, value, &members);

	objects->patterns = palloc0(Max(n, 1) * sizeof(SchemaPatternProperty));
	for (int i = 0; i < n; i++)
	{
		SchemaPatternProperty *p = &objects->patterns[i];

		p->pattern = meter_schema_pattern_compile(c, members[i].keynode, members[i].value);
		if (p->pattern == NULL)
			return false;
		p->schema = meter_schema_node(c, c->source, members[i].value);
	}
	objects->npatterns = n;
	objects->exact = n > 0;
	return true;
}

/*
 * items and prefixItems.  Draft 7 writes a tuple as an array in items, with
 * additionalItems for what follows it, which is nothing otherwise.
 */
bool
meter_schema_compile_items(SchemaCompiler *c, SchemaNode *s, int value)
{
	const MeterJson *doc = &c->source->doc;
	SchemaArrays *arrays = meter_schema_arrays(s);
	int			additional;

	if (doc->nodes[value].type != METER_JSON_ARRAY)
	{
		arrays->rest = meter_schema_node(c, c->source, value);
		arrays->rest_keyword = "items";
		return true;
	}
	arrays->prefix = meter_schema_node_list(c, value, &arrays->nprefix);
	arrays->prefix_keyword = c->keyword;
	additional = meter_json_member(doc, c->object, "additionalItems", strlen("additionalItems"));
	if (strcmp(c->keyword, "items") == 0 && additional >= 0)
	{
		arrays->rest = meter_schema_node(c, c->source, additional);
		arrays->rest_keyword = "additionalItems";
	}
	return true;
}

/* The keywords whose value is one schema. */
bool
meter_schema_compile_subschema(SchemaCompiler *c, SchemaNode *s, int value)
{
	SchemaNode *sub = meter_schema_node(c, c->source, value);

	if (strcmp(c->keyword, "additionalProperties") == 0)
	{
		meter_schema_objects(s)->additional = sub;
		s->objects->exact |= sub->kind == SCHEMA_KEYWORDS;
	}
	else if (strcmp(c->keyword, "propertyNames") == 0)
		meter_schema_objects(s)->property_names = sub;
	else if (strcmp(c->keyword, "unevaluatedProperties") == 0)
		s->unevaluated_properties = sub;
	else if (strcmp(c->keyword, "unevaluatedItems") == 0)
		s->unevaluated_items = sub;
	else if (strcmp(c->keyword, "contains") == 0)
		meter_schema_arrays(s)->contains = sub;
	else if (strcmp(c->keyword, "not") == 0)
		meter_schema_in_place(s)->not = sub;
	else if (strcmp(c->keyword, "if") == 0)
		meter_schema_in_place(s)->cond = sub;
	else if (meter_json_member(&c->source->doc, c->object, "if", 2) < 0)
		return true;			/* then and else mean nothing alone */
	else if (strcmp(c->keyword, "then") == 0)
		meter_schema_in_place(s)->then = sub;
	else
		meter_schema_in_place(s)->otherwise = sub;
	return true;
}

/* allOf, anyOf and oneOf. */
bool
meter_schema_compile_list(SchemaCompiler *c, SchemaNode *s, int value)
{
	SchemaInPlace *p = meter_schema_in_place(s);

	if (strcmp(c->keyword, "allOf") == 0)
		p->all = meter_schema_node_list(c, value, &p->nall);
	else if (strcmp(c->keyword, "anyOf") == 0)
		p->any = meter_schema_node_list(c, value, &p->nany);
	else
		p->one = meter_schema_node_list(c, value, &p->none);
	return true;
}

/*
 * $ref and $dynamicRef.  The latter is dynamic only where it first leads to a
 * $dynamicAnchor by its name; otherwise it is a $ref.
 */
bool
meter_schema_compile_ref(SchemaCompiler *c, SchemaNode *s, int value)
{
	const char *keyword = c->keyword;
	SchemaInPlace *p = meter_schema_in_place(s);
	SchemaNode *target;
	SchemaAnchor *anchor;

	if (c->source->doc.nodes[value].type != METER_JSON_STRING)
		return meter_schema_refuse(c, c->source, value, "INVALID_SCHEMA",
								   "%s must be a string", keyword);
	if (!meter_schema_resolve(c, value, &target, &anchor))
		return false;
	if (strcmp(keyword, "$ref") == 0)
		p->ref = target;
	else
	{
		p->dynamic_ref = target;
		if (anchor && anchor->dynamic)
			p->dynamic_anchor = anchor->name;
	}
	return true;
}
