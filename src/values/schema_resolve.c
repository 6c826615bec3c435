/*
 * schema_resolve.c
 *		Where $ref and $dynamicRef lead.
 *
 * A reference is resolved against the URI of the resource it stands in.  What
 * it names must be a resource of the same schema or a meta-schema that is
 * built in; the fragment is then a JSON pointer into that resource or the name
 * of an anchor.
 */
#include "values/schema_private.h"

/* The resource with this URI; the meta-schemas are loaded when first named. */
static bool
find_resource(SchemaCompiler *c, const char *uri, SchemaResource **resource)
{
	const char *text;
	ListCell   *lc;

	*resource = NULL;
	foreach(lc, c->resources)
	{
		SchemaResource *r = lfirst(lc);

		if (strcmp(r->uri, uri) == 0)
		{
			*resource = r;
			return true;
		}
	}
	text = meter_schema_meta(uri);
	if (text)
	{
		SchemaSource *source = meter_schema_add_source(c, text, strlen(text));

		if (source == NULL || !meter_schema_scan_root(c, source, uri))
			return false;
		*resource = source->resources[0];
	}
	return true;
}

/* Undo ~0 and ~1 in place; returns the length, -1 where malformed. */
static int
unescape_token(char *token, int len)
{
	int			to = 0;

	for (int i = 0; i < len; i++)
	{
		if (token[i] != '~')
			token[to++] = token[i];
		else if (i + 1 < len && (token[i + 1] == '0' || token[i + 1] == '1'))
			token[to++] = token[++i] == '0' ? '~' : '/';
		else
			return -1;
	}
	return to;
}

/* The child of node that token names, or -1. */
static int
step(const MeterJson *doc, int node, const char *token, int len)
{
	if (doc->nodes[node].type == METER_JSON_OBJECT)
		return meter_json_member(doc, node, token, len);
	if (doc->nodes[node].type == METER_JSON_ARRAY)
	{
		int			index = 0;

		if (len == 0 || len > 9 || (token[0] == '0' && len > 1))
			return -1;
		for (int i = 0; i < len; i++)
		{
			if (token[i] < '0' || token[i] > '9')
				return -1;
			index = index * 10 + (token[i] - '0');
		}
		return meter_json_element(doc, node, index);
	}
	return -1;
}

/*
 * Follow a JSON pointer from the resource's root.  It may end where no keyword
 * says that a schema stands (draft 7 users point anywhere); what stands there
 * is then scanned as one.
 */
static bool
follow_pointer(SchemaCompiler *c, SchemaResource *resource, char *pointer, int *found)
{
	SchemaSource *source = resource->source;
	int			node = resource->root;

	*found = -1;
	while (*pointer == '/')
	{
		char	   *token = pointer + 1;
		int			len = strcspn(token, "/");
		int			plain;

		pointer = token + len;
		plain = unescape_token(token, len);
		if (plain < 0 || (node = step(&source->doc, node, token, plain)) < 0)
			return true;
		if (source->resources[node])
			resource = source->resources[node];
	}
	if (!source->resources[node] && !meter_schema_scan(c, source, node, resource))
		return false;
	*found = node;
	return true;
}

/* The anchor of that name, a dynamic one if there are both. */
static SchemaAnchor *
find_anchor(SchemaResource *resource, const char *name)
{
	SchemaAnchor *found = NULL;

	for (SchemaAnchor *a = resource->anchors; a; a = a->next)
	{
		if (strcmp(a->name, name) == 0 && (found == NULL || a->dynamic))
			found = a;
	}
	return found;
}

/*
 * The schema that the reference at value leads to.  *anchor is set where its
 * fragment is the name of one.
 */
bool
meter_schema_resolve(SchemaCompiler *c, int value, SchemaNode **target, SchemaAnchor **anchor)
{
	char	   *reference = meter_json_cstring(&c->source->doc, value);
	const char *written = pstrdup(reference);
	char	   *fragment = meter_schema_uri_split(reference);
	const char *uri = c->resource->uri;
	SchemaResource *resource = c->resource;
	int			node;

	*anchor = NULL;
	if (reference[0] != '\0')
	{
		uri = meter_schema_uri_resolve(uri, reference);
		if (!find_resource(c, uri, &resource))
			return false;
		if (resource == NULL)
			return meter_schema_refuse(c, c->source, value, "REMOTE_REFERENCE",
									   "\"%s\" is not part of this schema, and references are not fetched",
									   uri);
	}
	if (fragment == NULL || fragment[0] == '\0')
		node = resource->root;
	else if (meter_schema_uri_unescape(fragment) < 0)
		node = -1;
	else if (fragment[0] == '/')
	{
		if (!follow_pointer(c, resource, fragment, &node))
			return false;
	}
	else
	{
		*anchor = find_anchor(resource, fragment);
		node = *anchor ? (*anchor)->node : -1;
	}
	if (node < 0)
		return meter_schema_refuse(c, c->source, value, "UNRESOLVED_REFERENCE",
								   "there is nothing at \"%s\"", written);
	*target = meter_schema_node(c, resource->source, node);
	return true;
}
