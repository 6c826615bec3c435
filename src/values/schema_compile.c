/*
 * schema_compile.c
 *		From a scanned schema to SchemaNodes.
 *
 * Nodes are made empty when something first points at them and filled from a
 * queue, so that neither recursive schemas nor long chains of references need
 * a recursion here.
 */
#include "values/schema_private.h"

#include "miscadmin.h"

/* More references one after the other at one place than anybody writes; also
 * bounds the recursion of the search for loops. */
#define MAX_CHAIN 500

/* Where target stands below root. */
char *
meter_schema_pointer(const MeterJson *doc, int root, int target)
{
	const MeterJsonNode *nodes = doc->nodes;
	StringInfoData buf;
	int			node = root;

	initStringInfo(&buf);
	while (node != target)
	{
		bool		object = nodes[node].type == METER_JSON_OBJECT;
		int			child = node + 1;
		int			index = 0;
		int			len;
		const char *token;

		/* an object's children come in pairs */
		while (target >= (object ? nodes[child + 1].next : nodes[child].next))
		{
			child = object ? nodes[child + 1].next : nodes[child].next;
			index++;
		}
		if (object && target == child)
			break;
		appendStringInfoChar(&buf, '/');
		if (!object)
		{
			appendStringInfo(&buf, "%d", index);
			node = child;
			continue;
		}
		token = meter_json_string(doc, child, &len);
		for (int i = 0; i < len; i++)
		{
			if (token[i] == '~')
				appendStringInfoString(&buf, "~0");
			else if (token[i] == '/')
				appendStringInfoString(&buf, "~1");
			else
				appendStringInfoChar(&buf, token[i]);
		}
		node = child + 1;
	}
	return buf.data;
}

/* Refuse the schema because of the JSON node. */
bool
meter_schema_refuse(SchemaCompiler *c, const SchemaSource *source, int node,
					const char *code, const char *fmt,...)
{
	char	   *message;
	va_list		args;
	StringInfoData buf;

	initStringInfo(&buf);
	for (;;)
	{
		int			needed;

		va_start(args, fmt);
		needed = appendStringInfoVA(&buf, fmt, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&buf, needed);
	}
	message = buf.data;
	meter_error_set(c->err, code, "%s", message);
	c->err->pointer = meter_schema_pointer(&source->doc, 0, node);
	return false;
}

/* The SchemaNode of a JSON node; made, and queued to be filled, if need be. */
SchemaNode *
meter_schema_node(SchemaCompiler *c, SchemaSource *source, int node)
{
	SchemaNode *s = source->nodes[node];

	if (s == NULL)
	{
		s = palloc0(sizeof(SchemaNode));
		s->source = source;
		s->node = node;
		s->resource = source->resources[node];
		if (source->doc.nodes[node].type == METER_JSON_TRUE)
			s->kind = SCHEMA_TRUE;
		else if (source->doc.nodes[node].type == METER_JSON_FALSE)
			s->kind = SCHEMA_FALSE;
		else
		{
			s->kind = SCHEMA_KEYWORDS;
			c->queue = lappend(c->queue, s);
		}
		source->nodes[node] = s;
	}
	return s;
}

/* The SchemaNodes of an array of schemas. */
SchemaNode **
meter_schema_node_list(SchemaCompiler *c, int array, int *n)
{
	const MeterJsonNode *nodes = c->source->doc.nodes;
	SchemaNode **list = palloc(Max(nodes[array].count, 1) * sizeof(SchemaNode *));

	*n = 0;
	for (int v = array + 1; v < nodes[array].next; v = nodes[v].next)
		list[(*n)++] = meter_schema_node(c, c->source, v);
	return list;
}

/* Does nothing in this node restrict or annotate anything? */
static bool
is_empty(const SchemaNode *s)
{
	return s->types == 0 && !s->constant && !s->enumeration && !s->numbers && !s->strings &&
		!s->arrays && !s->objects && !s->in_place &&
		!s->unevaluated_items && !s->unevaluated_properties;
}

/* Compile the keywords of one schema object. */
static bool
fill_node(SchemaCompiler *c, SchemaNode *s)
{
	const MeterJson *doc = &s->source->doc;
	int			draft = s->resource->draft;
	bool		only_ref = draft == SCHEMA_DRAFT7 &&
	meter_json_member(doc, s->node, "$ref", 4) >= 0;
	MeterJsonMember *members;
	int			n = meter_json_members(doc, s->node, &members);

	c->source = s->source;
	c->resource = s->resource;
	c->object = s->node;
	for (int i = 0; i < n; i++)
	{
		const SchemaKeyword *keyword = meter_schema_keyword(members[i].key, members[i].keylen, draft);

		if (keyword == NULL || keyword->compile == NULL ||
			(only_ref && !keyword->beside_ref))
			continue;
		c->keyword = keyword->name;
		if (!keyword->compile(c, s, members[i].value))
			return false;
	}
	if (s->objects)
		meter_schema_names_finish(s->objects);
	if (is_empty(s))
		s->kind = SCHEMA_TRUE;
	s->compiled = true;
	return true;
}

/* Compile all that has been scanned, referred to or not. */
static bool
fill_all(SchemaCompiler *c)
{
	int			done = 0;

	do
	{
		/* filling may scan more: what a pointer finds, a meta-schema */
		for (int i = 0; i < list_length(c->sources); i++)
		{
			SchemaSource *source = list_nth(c->sources, i);

			for (int node = 0; node < source->doc.nnodes; node++)
			{
				if (source->resources[node])
					meter_schema_node(c, source, node);
			}
		}
		for (; done < list_length(c->queue); done++)
		{
			CHECK_FOR_INTERRUPTS();
			if (!fill_node(c, list_nth(c->queue, done)))
				return false;
		}
	} while (done < list_length(c->queue));
	return true;
}

static bool find_loop(SchemaCompiler *c, SchemaNode *s, int depth);

static bool
find_loop_list(SchemaCompiler *c, SchemaNode **list, int n, int depth)
{
	for (int i = 0; i < n; i++)
	{
		if (!find_loop(c, list[i], depth))
			return false;
	}
	return true;
}

/*
 * Refuse schemas that lead back to themselves without going down into the
 * instance: validating would never end.  $dynamicRef is left out, as what it
 * leads to is only known while validating, which counts for itself.
 */
static bool
find_loop(SchemaCompiler *c, SchemaNode *s, int depth)
{
	SchemaInPlace *p;

	if (s == NULL || s->visit == 2)
		return true;
	if (s->visit == 1)
		return meter_schema_refuse(c, s->source, s->node, "CIRCULAR_REFERENCE",
								   "references lead back to this schema without end");
	if (depth > MAX_CHAIN)
		return meter_schema_refuse(c, s->source, s->node, "SCHEMA_TOO_DEEP",
								   "more than %d schemas apply to one place", MAX_CHAIN);
	s->visit = 1;
	p = s->in_place;
	if (p && (!find_loop(c, p->ref, depth + 1) ||
			  !find_loop_list(c, p->all, p->nall, depth + 1) ||
			  !find_loop_list(c, p->any, p->nany, depth + 1) ||
			  !find_loop_list(c, p->one, p->none, depth + 1) ||
			  !find_loop(c, p->not, depth + 1) ||
			  !find_loop(c, p->cond, depth + 1) ||
			  !find_loop(c, p->then, depth + 1) ||
			  !find_loop(c, p->otherwise, depth + 1)))
		return false;
	for (int i = 0; s->objects && i < s->objects->ndependencies; i++)
	{
		if (!find_loop(c, s->objects->dependencies[i].schema, depth + 1))
			return false;
	}
	s->visit = 2;
	return true;
}

/* Let the dynamic anchors know their nodes; tells whether there are any. */
static bool
link_anchors(SchemaCompiler *c)
{
	bool		any = false;
	ListCell   *lc;

	foreach(lc, c->resources)
	{
		SchemaResource *resource = lfirst(lc);

		for (SchemaAnchor *a = resource->anchors; a; a = a->next)
		{
			if (a->dynamic)
			{
				a->target = resource->source->nodes[a->node];
				any = true;
			}
		}
	}
	return any;
}

/* How deep containers lie in each other below node. */
static int
json_depth(const MeterJson *doc, int node)
{
	int			depth = 0;
	int			deepest = 0;
	int			ends[METER_JSON_MAX_DEPTH];

	for (int i = node; i < doc->nodes[node].next; i++)
	{
		while (depth > 0 && i >= ends[depth - 1])
			depth--;
		if (doc->nodes[i].type >= METER_JSON_ARRAY)
		{
			ends[depth++] = doc->nodes[i].next;
			deepest = Max(deepest, depth);
		}
	}
	return deepest;
}

/* Compile the schema at node; see schema.h. */
MeterSchema *
meter_schema_compile(const MeterJson *doc, int node, int flags, MeterError *err)
{
	SchemaCompiler c = {.flags = flags, .err = err};
	SchemaSource *source;
	MeterSchema *schema;
	char	   *text;
	int			len;
	ListCell   *lc;

	text = meter_json_raw(doc, node, &len);
	if (len > METER_SCHEMA_MAX_SIZE)
	{
		meter_error_set(err, "SCHEMA_TOO_LARGE", "a schema may have at most %d bytes",
						METER_SCHEMA_MAX_SIZE);
		return NULL;
	}
	if (json_depth(doc, node) > METER_SCHEMA_MAX_DEPTH)
	{
		meter_error_set(err, "SCHEMA_TOO_DEEP", "a schema may have at most %d levels",
						METER_SCHEMA_MAX_DEPTH);
		return NULL;
	}

	/* the text is copied and parsed again, so that the schema owns its values */
	source = meter_schema_add_source(&c, text, len);
	if (source == NULL || !meter_schema_scan_root(&c, source, "") || !fill_all(&c))
		return NULL;
	foreach(lc, c.queue)
	{
		if (!find_loop(&c, lfirst(lc), 0))
			return NULL;
	}

	schema = palloc0(sizeof(MeterSchema));
	schema->root = source->nodes[0];
	schema->has_dynamic = link_anchors(&c);
	foreach(lc, c.sources)
	{
		SchemaSource *s = lfirst(lc);

		pfree(s->nodes);
		pfree(s->resources);
	}
	return schema;
}
