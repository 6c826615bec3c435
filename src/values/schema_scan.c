/*
 * schema_scan.c
 *		The first walk over a schema: what its parts are called.
 *
 * A reference may point forward, and into a resource whose $id stands
 * anywhere, so every name must be known before the first reference is
 * followed.  The walk goes only where the keywords say that subschemas stand:
 * a "$id" inside enum is data.
 */
#include "values/schema_private.h"

#include "miscadmin.h"

/* More names than anybody writes; keeps the searches short. */
#define MAX_RESOURCES	1000
#define MAX_ANCHORS		1000

#define URI_2020	"https://json-schema.org/draft/2020-12/schema"
#define URI_7		"http://json-schema.org/draft-07/schema"
#define FORMAT_ASSERTION "https://json-schema.org/draft/2020-12/vocab/format-assertion"

/* Parse a schema's text into a source of its own. */
SchemaSource *
meter_schema_add_source(SchemaCompiler *c, const char *text, int len)
{
	SchemaSource *source = palloc0(sizeof(SchemaSource));

	if (!meter_json_parse(&source->doc, text, len, c->err))
		return NULL;
	source->nodes = palloc0(source->doc.nnodes * sizeof(SchemaNode *));
	source->resources = palloc0(source->doc.nnodes * sizeof(SchemaResource *));
	c->sources = lappend(c->sources, source);
	return source;
}

/* The string in a member, NULL where there is none; *ok false for another type. */
static char *
string_member(SchemaCompiler *c, SchemaSource *source, int object, const char *name, bool *ok)
{
	int			value = meter_json_member(&source->doc, object, name, strlen(name));

	*ok = true;
	if (value < 0)
		return NULL;
	if (source->doc.nodes[value].type != METER_JSON_STRING)
	{
		*ok = meter_schema_refuse(c, source, value, "INVALID_SCHEMA",
								  "%s must be a string", name);
		return NULL;
	}
	return meter_json_cstring(&source->doc, value);
}

/* The draft $schema names; without one, the draft given. */
static bool
find_draft(SchemaCompiler *c, SchemaSource *source, int node, int *draft)
{
	bool		ok;
	char	   *uri = string_member(c, source, node, "$schema", &ok);
	int			len;

	if (uri == NULL)
		return ok;
	len = strlen(uri);
	if (len > 0 && uri[len - 1] == '#')
		uri[len - 1] = '\0';
	if (strcmp(uri, URI_2020) == 0)
		*draft = SCHEMA_DRAFT2020;
	else if (strcmp(uri, URI_7) == 0 || strcmp(uri, "https://json-schema.org/draft-07/schema") == 0)
		*draft = SCHEMA_DRAFT7;
	else
		return meter_schema_refuse(c, source,
								   meter_json_member(&source->doc, node, "$schema", 7),
								   "REMOTE_REFERENCE",
								   "$schema must be %s or %s#, other meta-schemas are not fetched",
								   URI_2020, URI_7);
	return true;
}

/* Give a resource's part a plain name. */
static bool
add_anchor(SchemaCompiler *c, SchemaSource *source, int node, SchemaResource *resource,
		   const char *name, bool dynamic, const char *keyword)
{
	SchemaAnchor *anchor;
	int			value = meter_json_member(&source->doc, node, keyword, strlen(keyword));

	if (!((name[0] | 0x20) >= 'a' && (name[0] | 0x20) <= 'z') && name[0] != '_')
		return meter_schema_refuse(c, source, value, "INVALID_SCHEMA",
								   "%s must begin with a letter or an underscore", keyword);
	for (const char *p = name; *p; p++)
	{
		if (strchr("#/%?", *p))
			return meter_schema_refuse(c, source, value, "INVALID_SCHEMA",
									   "%s must be a plain name", keyword);
	}
	for (anchor = resource->anchors; anchor; anchor = anchor->next)
	{
		if (strcmp(anchor->name, name) == 0 && anchor->node != node)
			return meter_schema_refuse(c, source, value, "INVALID_SCHEMA",
									   "the name \"%s\" is given twice", name);
	}
	if (++c->nanchors > MAX_ANCHORS)
		return meter_schema_refuse(c, source, value, "SCHEMA_TOO_LARGE",
								   "more than %d anchors", MAX_ANCHORS);
	anchor = palloc0(sizeof(SchemaAnchor));
	anchor->name = name;
	anchor->node = node;
	anchor->dynamic = dynamic;
	anchor->next = resource->anchors;
	resource->anchors = anchor;
	return true;
}

/* A new resource at node. */
static SchemaResource *
add_resource(SchemaCompiler *c, SchemaSource *source, int node, const char *uri, int draft)
{
	SchemaResource *resource = palloc0(sizeof(SchemaResource));

	resource->uri = uri;
	resource->source = source;
	resource->root = node;
	resource->draft = draft;
	c->resources = lappend(c->resources, resource);
	return resource;
}

/* Begin the resource $id names, if there is one; *resource becomes it. */
static bool
scan_id(SchemaCompiler *c, SchemaSource *source, int node, SchemaResource **resource)
{
	bool		ok;
	char	   *id = string_member(c, source, node, "$id", &ok);
	int			value = meter_json_member(&source->doc, node, "$id", 3);
	char	   *fragment;
	char	   *uri;
	int			draft = (*resource)->draft;
	ListCell   *lc;

	if (id == NULL)
		return ok;
	fragment = meter_schema_uri_split(id);
	if (fragment && fragment[0] != '\0')
	{
		/* draft 7 gives plain names this way */
		if (draft != SCHEMA_DRAFT7)
			return meter_schema_refuse(c, source, value, "INVALID_SCHEMA",
									   "$id must not have a fragment, use $anchor");
		if (id[0] == '\0')
			return add_anchor(c, source, node, *resource, fragment, false, "$id");
	}
	else if (id[0] == '\0')
		return true;

	uri = meter_schema_uri_resolve((*resource)->uri, id);
	if (node == (*resource)->root)
		(*resource)->uri = uri;
	else
	{
		if (!find_draft(c, source, node, &draft))
			return false;
		if (list_length(c->resources) >= MAX_RESOURCES)
			return meter_schema_refuse(c, source, value, "SCHEMA_TOO_LARGE",
									   "more than %d schemas with a $id", MAX_RESOURCES);
		*resource = add_resource(c, source, node, uri, draft);
	}
	foreach(lc, c->resources)
	{
		SchemaResource *other = lfirst(lc);

		if (other != *resource && strcmp(other->uri, uri) == 0)
			return meter_schema_refuse(c, source, value, "INVALID_SCHEMA",
									   "the $id \"%s\" is given twice", uri);
	}
	if (fragment && fragment[0] != '\0')
		return add_anchor(c, source, node, *resource, fragment, false, "$id");
	return true;
}

/* $anchor and $dynamicAnchor. */
static bool
scan_anchors(SchemaCompiler *c, SchemaSource *source, int node, SchemaResource *resource)
{
	bool		ok;
	char	   *name = string_member(c, source, node, "$anchor", &ok);

	if (!ok || (name && !add_anchor(c, source, node, resource, name, false, "$anchor")))
		return false;
	name = string_member(c, source, node, "$dynamicAnchor", &ok);
	return ok && (!name || add_anchor(c, source, node, resource, name, true, "$dynamicAnchor"));
}

/*
 * $vocabulary belongs into meta-schemas; since those are never fetched, a root
 * schema may hold it instead, which is how a schema asks for format to assert.
 */
static bool
scan_vocabulary(SchemaCompiler *c, SchemaSource *source, int node, SchemaResource *resource)
{
	static const char *const known[] = {
		"core", "applicator", "unevaluated", "validation", "meta-data", "content",
		"format-annotation", "format-assertion"
	};
	const MeterJson *doc = &source->doc;
	int			value = meter_json_member(doc, node, "$vocabulary", 11);

	if (value < 0 || resource->draft == SCHEMA_DRAFT7 || node != 0)
		return true;
	if (doc->nodes[value].type != METER_JSON_OBJECT)
		return meter_schema_refuse(c, source, value, "INVALID_SCHEMA", "$vocabulary must be an object");
	for (int k = value + 1; k < doc->nodes[value].next; k = doc->nodes[k + 1].next)
	{
		const char *name = meter_json_cstring(doc, k);
		int			type = doc->nodes[k + 1].type;
		bool		found = false;

		if (type != METER_JSON_TRUE && type != METER_JSON_FALSE)
			return meter_schema_refuse(c, source, k + 1, "INVALID_SCHEMA",
									   "a vocabulary must be true or false");
		for (int i = 0; i < lengthof(known) && !found; i++)
			found = strcmp(name, psprintf("https://json-schema.org/draft/2020-12/vocab/%s",
										  known[i])) == 0;
		if (!found && type == METER_JSON_TRUE)
			return meter_schema_refuse(c, source, k + 1, "UNKNOWN_KEYWORD",
									   "the vocabulary \"%s\" is not known", name);
		if (strcmp(name, FORMAT_ASSERTION) == 0 && type == METER_JSON_TRUE)
			c->flags |= METER_SCHEMA_ASSERT_FORMAT;
	}
	return true;
}

/* Scan the schemas in a keyword's value, after checking its shape. */
static bool
scan_value(SchemaCompiler *c, SchemaSource *source, const SchemaKeyword *keyword, int value,
		   SchemaResource *resource)
{
	const MeterJsonNode *nodes = source->doc.nodes;
	int			type = nodes[value].type;

	switch (keyword->shape)
	{
		case SCHEMA_SHAPE_NONE:
			return true;
		case SCHEMA_SHAPE_SCHEMA:
			return meter_schema_scan(c, source, value, resource);
		case SCHEMA_SHAPE_ITEMS:
			if (type != METER_JSON_ARRAY)
				return meter_schema_scan(c, source, value, resource);
			if (resource->draft == SCHEMA_DRAFT2020)
				return meter_schema_refuse(c, source, value, "INVALID_SCHEMA",
										   "items must be a schema, use prefixItems for a tuple");
			break;
		case SCHEMA_SHAPE_LIST:
			if (type != METER_JSON_ARRAY || nodes[value].count == 0)
				return meter_schema_refuse(c, source, value, "INVALID_SCHEMA",
										   "%s must be a non-empty array of schemas", keyword->name);
			break;
		default:
			if (type != METER_JSON_OBJECT)
				return meter_schema_refuse(c, source, value, "INVALID_SCHEMA",
										   "%s must be an object", keyword->name);
			for (int k = value + 1; k < nodes[value].next; k = nodes[k + 1].next)
			{
				if (keyword->shape == SCHEMA_SHAPE_DEPENDENCIES &&
					nodes[k + 1].type == METER_JSON_ARRAY)
					continue;
				if (!meter_schema_scan(c, source, k + 1, resource))
					return false;
			}
			return true;
	}
	for (int v = value + 1; v < nodes[value].next; v = nodes[v].next)
	{
		if (!meter_schema_scan(c, source, v, resource))
			return false;
	}
	return true;
}

/* Refuse a keyword that a strict schema may not hold here. */
static bool
refuse_ignored(SchemaCompiler *c, SchemaSource *source, int key, const SchemaKeyword *keyword)
{
	if (keyword == NULL)
		return meter_schema_refuse(c, source, key + 1, "UNKNOWN_KEYWORD",
								   "unknown keyword \"%s\"", meter_json_cstring(&source->doc, key));
	return meter_schema_refuse(c, source, key + 1, "INVALID_SCHEMA",
							   "draft 7 ignores %s beside $ref, combine them with allOf",
							   keyword->name);
}

/* Find the names and the subschemas of the schema at node. */
bool
meter_schema_scan(SchemaCompiler *c, SchemaSource *source, int node, SchemaResource *resource)
{
	const MeterJson *doc = &source->doc;
	const MeterJsonNode *nodes = doc->nodes;
	bool		strict = (c->flags & METER_SCHEMA_STRICT) && source == linitial(c->sources);
	bool		only_ref;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	if (source->resources[node])
		return true;
	if (nodes[node].type == METER_JSON_TRUE || nodes[node].type == METER_JSON_FALSE)
	{
		source->resources[node] = resource;
		return true;
	}
	if (nodes[node].type != METER_JSON_OBJECT)
		return meter_schema_refuse(c, source, node, "INVALID_SCHEMA",
								   "a schema must be an object or a boolean, not %s",
								   meter_json_type_name(doc, node));

	/* in draft 7 nothing counts beside $ref */
	only_ref = resource->draft == SCHEMA_DRAFT7 && meter_json_member(doc, node, "$ref", 4) >= 0;
	if (!only_ref && !scan_id(c, source, node, &resource))
		return false;
	source->resources[node] = resource;
	if (resource->draft != SCHEMA_DRAFT7 && !scan_anchors(c, source, node, resource))
		return false;
	if (!scan_vocabulary(c, source, node, resource))
		return false;

	for (int k = node + 1; k < nodes[node].next; k = nodes[k + 1].next)
	{
		int			len;
		const char *name = meter_json_string(doc, k, &len);
		const SchemaKeyword *keyword = meter_schema_keyword(name, len, resource->draft);

		if (strict && (keyword == NULL || (only_ref && !keyword->beside_ref)))
			return refuse_ignored(c, source, k, keyword);
		if (keyword && (!only_ref || keyword->beside_ref) &&
			!scan_value(c, source, keyword, k + 1, resource))
			return false;
	}
	return true;
}

/* Scan a whole source; uri is where it is known to stand ("" for nowhere). */
bool
meter_schema_scan_root(SchemaCompiler *c, SchemaSource *source, const char *uri)
{
	int			draft = SCHEMA_LOOSE;

	if (source->doc.nodes[0].type == METER_JSON_OBJECT &&
		!find_draft(c, source, 0, &draft))
		return false;
	return meter_schema_scan(c, source, 0, add_resource(c, source, 0, uri, draft));
}
