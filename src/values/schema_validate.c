/*
 * schema_validate.c
 *		Applying a compiled schema to a document.
 *
 * One recursion over schemas and instance.  Without a report it stops at the
 * first violation and, for the common keywords, allocates nothing; with one
 * it goes on and reports each violation with its place, which is worked out
 * from the node's number only then.
 *
 * unevaluatedProperties and unevaluatedItems need to know which children other
 * keywords have looked at.  Only below a schema that has one of them a
 * SchemaSeen is passed along: a bitmap of the instance's children.  Schemas
 * applied in place get a bitmap of their own, which is added to the outer one
 * if they hold.
 *
 * Everything is bounded: the steps of one validation, the references followed
 * inside each other, and the server's own stack depth.
 */
#include "values/schema_private.h"

#include "miscadmin.h"
#include "utils/memutils.h"

/* References inside each other; an honest document comes nowhere near. */
#define MAX_DEPTH 1000

/* Schemas applied, for each node of the instance and at least. */
#define STEPS_EACH	1000
#define STEPS_LEAST 1000000

/* Where the slow ways may allocate; gone when the validation is over. */
MemoryContext
meter_schema_scratch(SchemaRun *run)
{
	if (run->scratch == NULL)
		run->scratch = AllocSetContextCreate(CurrentMemoryContext, "meter schema scratch",
											 ALLOCSET_SMALL_SIZES);
	return run->scratch;
}

/* A string's content; unescaped in the scratch context if need be. */
const char *
meter_schema_run_string(SchemaRun *run, int node, int *len)
{
	const MeterJsonNode *n = &run->doc->nodes[node];
	MemoryContext old;
	const char *s;

	if (likely(!n->escaped))
	{
		*len = n->len;
		return run->doc->text + n->off;
	}
	old = MemoryContextSwitchTo(meter_schema_scratch(run));
	s = meter_json_string(run->doc, node, len);
	MemoryContextSwitchTo(old);
	return s;
}

/* Report a violation at node, if anybody listens; returns false. */
bool
meter_schema_fail(SchemaRun *run, int node, const char *keyword, const char *fmt,...)
{
	StringInfoData message;
	MemoryContext old;
	int			needed;

	if (run->report == NULL)
		return false;
	old = MemoryContextSwitchTo(meter_schema_scratch(run));
	initStringInfo(&message);
	do
	{
		va_list		args;

		va_start(args, fmt);
		needed = appendStringInfoVA(&message, fmt, args);
		va_end(args);
		if (needed > 0)
			enlargeStringInfo(&message, needed);
	} while (needed > 0);
	if (!run->report(run->arg, meter_schema_pointer(run->doc, run->root, node),
					 keyword, message.data))
		run->report = NULL;		/* enough */
	MemoryContextSwitchTo(old);
	return false;
}

/* Make a bitmap for count children. */
void
meter_schema_seen_init(SchemaRun *run, SchemaSeen *seen, int count)
{
	seen->count = count;
	seen->few = 0;
	seen->bits = &seen->few;
	if (count > 64)
		seen->bits = MemoryContextAllocZero(meter_schema_scratch(run),
											(count + 63) / 64 * sizeof(uint64));
}

static void
seen_merge(SchemaSeen *into, const SchemaSeen *from)
{
	for (int i = 0; i < (from->count + 63) / 64; i++)
		into->bits[i] |= from->bits[i];
}

/* Stop for good: a limit was hit. */
static bool
abort_run(SchemaRun *run, int node, const char *keyword, const char *message)
{
	if (!run->aborted)
		meter_schema_fail(run, node, keyword, "%s", message);
	run->aborted = true;
	run->report = NULL;
	return false;
}

/* Apply s to the same node as a part of another schema; keyword holds it. */
bool
meter_schema_check_in_place(SchemaRun *run, const SchemaNode *s, int node,
							SchemaSeen *seen, const char *keyword)
{
	SchemaSeen	own;
	bool		ok;

	if (s->kind != SCHEMA_KEYWORDS)
		return meter_schema_check_child(run, s, node, keyword);
	if (seen == NULL)
		return meter_schema_check(run, s, node, NULL);
	meter_schema_seen_init(run, &own, seen->count);
	ok = meter_schema_check(run, s, node, &own);
	if (ok)
		seen_merge(seen, &own);
	return ok;
}

/* As above, when violations are not worth a report. */
bool
meter_schema_test(SchemaRun *run, const SchemaNode *s, int node, SchemaSeen *seen)
{
	MeterSchemaReport report = run->report;
	bool		ok;

	if (s->kind != SCHEMA_KEYWORDS)
		return s->kind == SCHEMA_TRUE;
	run->report = NULL;
	ok = meter_schema_check_in_place(run, s, node, seen, NULL);
	if (!run->aborted)
		run->report = report;
	else if (report)
	{
		/* the reason got lost in silence */
		run->report = report;
		meter_schema_fail(run, node, "$ref", "takes too many steps to validate");
		run->report = NULL;
	}
	return ok;
}

/*
 * Where a $dynamicRef leads now: the outermost resource on the way here that
 * has a $dynamicAnchor of this name.
 */
static const SchemaNode *
dynamic_target(const SchemaRun *run, const SchemaInPlace *p)
{
	const SchemaNode *target = p->dynamic_ref;

	if (p->dynamic_anchor == NULL)
		return target;
	for (const SchemaScope *scope = run->scope; scope; scope = scope->outer)
	{
		for (const SchemaAnchor *a = scope->resource->anchors; a; a = a->next)
		{
			if (a->dynamic && strcmp(a->name, p->dynamic_anchor) == 0)
				target = a->target;
		}
	}
	return target;
}

/* Follow a reference. */
static bool
check_ref(SchemaRun *run, const SchemaNode *target, int node, SchemaSeen *seen, const char *keyword)
{
	bool		ok;

	if (run->depth >= MAX_DEPTH)
		return abort_run(run, node, keyword, "references lead on without end");
	check_stack_depth();
	run->depth++;
	ok = meter_schema_check_in_place(run, target, node, seen, keyword);
	run->depth--;
	return ok;
}

static bool
check_any(SchemaRun *run, const SchemaInPlace *p, int node, SchemaSeen *seen)
{
	bool		ok = false;

	/* all of them where each may add to what is evaluated */
	for (int i = 0; i < p->nany && (!ok || seen); i++)
		ok |= meter_schema_test(run, p->any[i], node, seen);
	if (!ok)
		meter_schema_fail(run, node, "anyOf", "must match one of %d schemas, matches none", p->nany);
	return ok;
}

static bool
check_one(SchemaRun *run, const SchemaInPlace *p, int node, SchemaSeen *seen)
{
	int			first = -1;

	for (int i = 0; i < p->none; i++)
	{
		if (!meter_schema_test(run, p->one[i], node, seen))
			continue;
		if (first >= 0)
			return meter_schema_fail(run, node, "oneOf",
									 "must match exactly one of %d schemas, matches those at %d and %d",
									 p->none, first, i);
		first = i;
	}
	if (first < 0)
		return meter_schema_fail(run, node, "oneOf",
								 "must match exactly one of %d schemas, matches none", p->none);
	return true;
}

/* The keywords that apply schemas to the same node. */
static bool
check_applied(SchemaRun *run, const SchemaInPlace *p, int node, SchemaSeen *seen)
{
	bool		ok = true;

	if (p->ref)
		ok &= check_ref(run, p->ref, node, seen, "$ref");
	if (p->dynamic_ref && meter_schema_more(run, ok))
		ok &= check_ref(run, dynamic_target(run, p), node, seen, "$dynamicRef");
	for (int i = 0; i < p->nall && meter_schema_more(run, ok); i++)
		ok &= meter_schema_check_in_place(run, p->all[i], node, seen, "allOf");
	if (p->nany > 0 && meter_schema_more(run, ok))
		ok &= check_any(run, p, node, seen);
	if (p->none > 0 && meter_schema_more(run, ok))
		ok &= check_one(run, p, node, seen);
	if (p->not && meter_schema_more(run, ok) && meter_schema_test(run, p->not, node, NULL))
		ok = meter_schema_fail(run, node, "not", "must not match the schema in not");
	if (p->cond && (p->then || p->otherwise || seen) && meter_schema_more(run, ok))
	{
		bool		then = meter_schema_test(run, p->cond, node, seen);
		const SchemaNode *branch = then ? p->then : p->otherwise;

		if (branch)
			ok &= meter_schema_check_in_place(run, branch, node, seen, then ? "then" : "else");
	}
	return ok;
}

/* The types a schema allows, for people. */
static const char *
type_names(int types)
{
	static const char *const names[] = {
		"null", "boolean", "boolean", "number", "string", "array", "object", "integer"
	};
	StringInfoData buf;

	initStringInfo(&buf);
	for (int bit = 0; bit < 8; bit++)
	{
		/* false and true are one type */
		if (!(types & (1 << bit)) || bit == METER_JSON_TRUE)
			continue;
		appendStringInfo(&buf, "%s%s", buf.len > 0 ? " or " : "", names[bit]);
	}
	return buf.data;
}

static bool
check_type(SchemaRun *run, int types, int node)
{
	const MeterJsonNode *n = &run->doc->nodes[node];
	MemoryContext old;

	if (types & SCHEMA_TYPE_BIT(n->type))
		return true;
	if (n->type == METER_JSON_NUMBER && (types & SCHEMA_INTEGER_BIT) &&
		meter_schema_number_integer(run->doc, node))
		return true;
	if (run->report == NULL)
		return false;
	old = MemoryContextSwitchTo(meter_schema_scratch(run));
	meter_schema_fail(run, node, "type", "must be %s, not %s", type_names(types),
					  meter_json_type_name(run->doc, node));
	MemoryContextSwitchTo(old);
	return false;
}

/* The assertions on a value itself and its children. */
static bool
check_value(SchemaRun *run, const SchemaNode *s, int node, SchemaSeen *seen)
{
	bool		ok = true;

	switch (run->doc->nodes[node].type)
	{
		case METER_JSON_NUMBER:
			if (s->numbers)
				ok = meter_schema_check_number(run, s->numbers, node);
			break;
		case METER_JSON_STRING:
			if (s->strings)
				ok = meter_schema_check_string(run, s->strings, node);
			break;
		case METER_JSON_ARRAY:
			if (s->arrays)
				ok = meter_schema_check_array(run, s, node, seen);
			break;
		case METER_JSON_OBJECT:
			if (s->objects)
				ok = meter_schema_check_object(run, s, node, seen);
			break;
		default:
			break;
	}
	if (s->constant && meter_schema_more(run, ok))
		ok &= meter_schema_check_values(run, s->constant, node);
	if (s->enumeration && meter_schema_more(run, ok))
		ok &= meter_schema_check_values(run, s->enumeration, node);
	return ok;
}

/* The unevaluated* keyword for this type of instance, or NULL. */
static inline const SchemaNode *
unevaluated_of(const SchemaNode *s, int type)
{
	return type == METER_JSON_OBJECT ? s->unevaluated_properties :
		type == METER_JSON_ARRAY ? s->unevaluated_items : NULL;
}

/* All of a schema, in the order that lets unevaluated* come last. */
static bool
check_keywords(SchemaRun *run, const SchemaNode *s, int node, SchemaSeen *seen)
{
	int			type = run->doc->nodes[node].type;
	const SchemaNode *unevaluated = unevaluated_of(s, type);
	SchemaSeen	own;
	bool		ok = true;

	if (unevaluated && seen == NULL)
	{
		seen = &own;
		meter_schema_seen_init(run, seen, run->doc->nodes[node].count);
	}
	if (s->types)
		ok = check_type(run, s->types, node);
	if (meter_schema_more(run, ok))
		ok &= check_value(run, s, node, seen);
	if (s->in_place && meter_schema_more(run, ok))
		ok &= check_applied(run, s->in_place, node, seen);
	if (unevaluated && meter_schema_more(run, ok))
		ok &= type == METER_JSON_OBJECT ?
			meter_schema_check_unevaluated_properties(run, s, node, seen) :
			meter_schema_check_unevaluated_items(run, s, node, seen);
	return ok;
}

/* Apply a schema that has keywords to a node. */
bool
meter_schema_check(SchemaRun *run, const SchemaNode *s, int node, SchemaSeen *seen)
{
	SchemaScope scope;
	bool		ok;

	if (unlikely(--run->steps < 0))
		return abort_run(run, node, "$ref", "takes too many steps to validate");
	if (unlikely((run->steps & 0xFFF) == 0))
		CHECK_FOR_INTERRUPTS();
	if (!run->schema->has_dynamic || (run->scope && run->scope->resource == s->resource))
		return check_keywords(run, s, node, seen);
	scope.resource = s->resource;
	scope.outer = run->scope;
	run->scope = &scope;
	ok = check_keywords(run, s, node, seen);
	run->scope = scope.outer;
	return ok;
}

/* Is the value at node valid? */
bool
meter_schema_validate(const MeterSchema *schema, const MeterJson *doc, int node,
					  MeterSchemaReport report, void *arg)
{
	SchemaRun	run = {
		.schema = schema, .doc = doc, .root = node, .report = report, .arg = arg
	};
	bool		ok;

	run.steps = STEPS_LEAST + (int64) STEPS_EACH * (doc->nodes[node].next - node);
	ok = meter_schema_check_child(&run, schema->root, node, "false") && !run.aborted;
	if (run.scratch)
		MemoryContextDelete(run.scratch);
	return ok;
}
