/*
 * schema_keyword.c
 *		The keywords of JSON Schema: which drafts know them, where their
 *		subschemas stand, and who compiles them.
 *
 * Sources: draft 2020-12 core and validation, draft 7 (draft-handrews-
 * json-schema-01 and -validation-01).  A keyword not in here is an annotation
 * by the standard, and refused in a strict schema.
 */
#include "values/schema_private.h"

#define D7		SCHEMA_DRAFT7
#define D2020	(SCHEMA_DRAFT2020 | SCHEMA_LOOSE)
#define ALL		(SCHEMA_DRAFT7 | SCHEMA_DRAFT2020 | SCHEMA_LOOSE)

#define NONE	SCHEMA_SHAPE_NONE
#define SCHEMA	SCHEMA_SHAPE_SCHEMA
#define LIST	SCHEMA_SHAPE_LIST
#define MAP		SCHEMA_SHAPE_MAP

/*
 * Sorted by name.  $id, $schema, $anchor, $dynamicAnchor and $vocabulary are
 * the scanner's.  $defs is taken in draft 7 too: schemas that mix the drafts'
 * words for definitions are common, and nothing about it is ambiguous.
 * dependencies and definitions are what the 2020-12 meta-schema keeps of the
 * older drafts.
 */
static const SchemaKeyword keywords[] = {
	{"$anchor", D2020, NONE, false, NULL},
	{"$comment", ALL, NONE, true, meter_schema_compile_text},
	{"$defs", ALL, MAP, true, NULL},
	{"$dynamicAnchor", D2020, NONE, false, NULL},
	{"$dynamicRef", D2020, NONE, false, meter_schema_compile_ref},
	{"$id", ALL, NONE, false, NULL},
	{"$ref", ALL, NONE, true, meter_schema_compile_ref},
	{"$schema", ALL, NONE, true, NULL},
	{"$vocabulary", D2020, NONE, false, NULL},
	{"additionalItems", D7 | SCHEMA_LOOSE, SCHEMA, false, NULL},
	{"additionalProperties", ALL, SCHEMA, false, meter_schema_compile_subschema},
	{"allOf", ALL, LIST, false, meter_schema_compile_list},
	{"anyOf", ALL, LIST, false, meter_schema_compile_list},
	{"const", ALL, NONE, false, meter_schema_compile_values},
	{"contains", ALL, SCHEMA, false, meter_schema_compile_subschema},
	{"contentEncoding", ALL, NONE, false, meter_schema_compile_text},
	{"contentMediaType", ALL, NONE, false, meter_schema_compile_text},
	{"contentSchema", D2020, SCHEMA, false, NULL},
	{"default", ALL, NONE, true, NULL},
	{"definitions", ALL, MAP, true, NULL},
	{"dependencies", ALL, SCHEMA_SHAPE_DEPENDENCIES, false, meter_schema_compile_dependencies},
	{"dependentRequired", D2020, NONE, false, meter_schema_compile_dependencies},
	{"dependentSchemas", D2020, MAP, false, meter_schema_compile_dependencies},
	{"deprecated", D2020, NONE, true, meter_schema_compile_flag},
	{"description", ALL, NONE, true, meter_schema_compile_text},
	{"else", ALL, SCHEMA, false, meter_schema_compile_subschema},
	{"enum", ALL, NONE, false, meter_schema_compile_values},
	{"examples", ALL, NONE, true, meter_schema_compile_examples},
	{"exclusiveMaximum", ALL, NONE, false, meter_schema_compile_bound},
	{"exclusiveMinimum", ALL, NONE, false, meter_schema_compile_bound},
	{"format", ALL, NONE, false, meter_schema_compile_format},
	{"if", ALL, SCHEMA, false, meter_schema_compile_subschema},
	{"items", ALL, SCHEMA_SHAPE_ITEMS, false, meter_schema_compile_items},
	{"maxContains", D2020, NONE, false, meter_schema_compile_size},
	{"maxItems", ALL, NONE, false, meter_schema_compile_size},
	{"maxLength", ALL, NONE, false, meter_schema_compile_size},
	{"maxProperties", ALL, NONE, false, meter_schema_compile_size},
	{"maximum", ALL, NONE, false, meter_schema_compile_bound},
	{"minContains", D2020, NONE, false, meter_schema_compile_size},
	{"minItems", ALL, NONE, false, meter_schema_compile_size},
	{"minLength", ALL, NONE, false, meter_schema_compile_size},
	{"minProperties", ALL, NONE, false, meter_schema_compile_size},
	{"minimum", ALL, NONE, false, meter_schema_compile_bound},
	{"multipleOf", ALL, NONE, false, meter_schema_compile_bound},
	{"not", ALL, SCHEMA, false, meter_schema_compile_subschema},
	{"oneOf", ALL, LIST, false, meter_schema_compile_list},
	{"pattern", ALL, NONE, false, meter_schema_compile_pattern},
	{"patternProperties", ALL, MAP, false, meter_schema_compile_pattern_properties},
	{"prefixItems", D2020, LIST, false, meter_schema_compile_items},
	{"properties", ALL, MAP, false, meter_schema_compile_properties},
	{"propertyNames", ALL, SCHEMA, false, meter_schema_compile_subschema},
	{"readOnly", ALL, NONE, true, meter_schema_compile_flag},
	{"required", ALL, NONE, false, meter_schema_compile_required},
	{"then", ALL, SCHEMA, false, meter_schema_compile_subschema},
	{"title", ALL, NONE, true, meter_schema_compile_text},
	{"type", ALL, NONE, false, meter_schema_compile_type},
	{"unevaluatedItems", D2020, SCHEMA, false, meter_schema_compile_subschema},
	{"unevaluatedProperties", D2020, SCHEMA, false, meter_schema_compile_subschema},
	{"uniqueItems", ALL, NONE, false, meter_schema_compile_unique},
	{"writeOnly", ALL, NONE, true, meter_schema_compile_flag},
};

/* The keyword of a draft with this name, or NULL. */
const SchemaKeyword *
meter_schema_keyword(const char *name, int len, int draft)
{
	int			low = 0;
	int			high = lengthof(keywords) - 1;

	while (low <= high)
	{
		int			middle = (low + high) / 2;
		const SchemaKeyword *keyword = &keywords[middle];
		int			cmp = strncmp(name, keyword->name, len);

		if (cmp == 0 && keyword->name[len] != '\0')
			cmp = -1;
		if (cmp == 0)
			return (keyword->drafts & draft) ? keyword : NULL;
		if (cmp < 0)
			high = middle - 1;
		else
			low = middle + 1;
	}
	return NULL;
}
