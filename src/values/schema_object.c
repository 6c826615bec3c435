/*
 * schema_object.c
 *		Assertions on objects.
 *
 * The names a schema knows (in properties, required and the dependencies) are
 * in one hash table, so that one walk over the instance's members with one
 * probe each settles them all: which members are there is kept in a bitmap and
 * compared with what is required at the end.
 *
 * A name written twice: the last member counts.  Such objects are rare, but
 * exist (type json keeps them); where it matters, the earlier members are
 * marked first and passed over.
 */
#include "values/schema_private.h"

#include "miscadmin.h"
#include "utils/memutils.h"

/* Bits on the stack for the names that are there. */
#define FEW_WORDS 4

/* Up to here names are compared each with each. */
#define FEW_MEMBERS 16

/* Index of a name in the table under construction; added if it is new. */
int
meter_schema_name_add(SchemaObjects *objects, const char *name, int len)
{
	SchemaName *n;

	/* the table is built when all names are known; until then, keep it sorted
	 * by nothing and grow an index beside it */
	if (objects->slots == NULL || objects->nnames * 2 >= (int) objects->mask)
	{
		uint32		size = Max((objects->mask + 1) * 2, 16);

		if (objects->slots)
			pfree(objects->slots);
		objects->slots = palloc0(size * sizeof(int));
		objects->mask = size - 1;
		for (int i = 0; i < objects->nnames; i++)
		{
			uint32		slot = meter_schema_hash(objects->names[i].name, objects->names[i].len);

			while (objects->slots[slot & objects->mask] != 0)
				slot++;
			objects->slots[slot & objects->mask] = i + 1;
		}
	}
	for (uint32 slot = meter_schema_hash(name, len);; slot++)
	{
		int			i = objects->slots[slot & objects->mask];

		if (i == 0)
		{
			objects->slots[slot & objects->mask] = objects->nnames + 1;
			break;
		}
		n = &objects->names[i - 1];
		if (n->len == len && memcmp(n->name, name, len) == 0)
			return i - 1;
	}
	if (objects->nnames >= objects->names_size)
	{
		objects->names_size = Max(objects->names_size * 2, 8);
		if (objects->names)
			objects->names = repalloc(objects->names, objects->names_size * sizeof(SchemaName));
		else
			objects->names = palloc(objects->names_size * sizeof(SchemaName));
	}
	n = &objects->names[objects->nnames];
	n->name = name;
	n->len = len;
	n->property = NULL;
	return objects->nnames++;
}

/* All names are in: note which are required. */
void
meter_schema_names_finish(SchemaObjects *objects)
{
	objects->required_bits = palloc0(Max((objects->nnames + 63) / 64, 1) * sizeof(uint64));
	for (int i = 0; i < objects->nrequired; i++)
		objects->required_bits[objects->required[i] / 64] |=
			UINT64CONST(1) << (objects->required[i] % 64);
}

/* Index of a member's name in the table, or -1. */
static inline int
find_name(const SchemaObjects *objects, const char *name, int len)
{
	if (objects->nnames == 0)
		return -1;
	for (uint32 slot = meter_schema_hash(name, len);; slot++)
	{
		int			i = objects->slots[slot & objects->mask];

		if (i == 0)
			return -1;
		if (objects->names[i - 1].len == len && memcmp(objects->names[i - 1].name, name, len) == 0)
			return i - 1;
	}
}

static bool
same_name(SchemaRun *run, int a, int b)
{
	const MeterJsonNode *x = &run->doc->nodes[a];
	const MeterJsonNode *y = &run->doc->nodes[b];
	int			xlen,
				ylen;
	const char *xs,
			   *ys;

	if (!x->escaped && !y->escaped && x->len != y->len)
		return false;
	xs = meter_schema_run_string(run, a, &xlen);
	ys = meter_schema_run_string(run, b, &ylen);
	return xlen == ylen && memcmp(xs, ys, xlen) == 0;
}

static int
place_cmp(const void *a, const void *b)
{
	return ((const MeterJsonMember *) a)->keynode - ((const MeterJsonMember *) b)->keynode;
}

/*
 * A bitmap of the members that do not count because their name comes again,
 * and how many they are; NULL where there are none.
 */
static uint64 *
find_shadowed(SchemaRun *run, int node, int *nshadowed)
{
	const MeterJsonNode *nodes = run->doc->nodes;
	int			count = nodes[node].count;
	uint64	   *shadowed = NULL;
	MemoryContext old;
	MeterJsonMember *members;
	int			kept;

	*nshadowed = 0;
	if (count <= FEW_MEMBERS)
	{
		bool		twice = false;

		for (int k = node + 1; k < nodes[node].next && !twice; k = nodes[k + 1].next)
		{
			for (int l = nodes[k + 1].next; l < nodes[node].next && !twice; l = nodes[l + 1].next)
				twice = same_name(run, k, l);
		}
		if (!twice)
			return NULL;
	}
	old = MemoryContextSwitchTo(meter_schema_scratch(run));
	kept = meter_json_members(run->doc, node, &members);
	if (kept < count)
	{
		int			i = 0;
		int			m = 0;

		/* back from the order of names to that of the document */
		qsort(members, kept, sizeof(MeterJsonMember), place_cmp);
		shadowed = palloc0((count + 63) / 64 * sizeof(uint64));
		for (int k = node + 1; k < nodes[node].next; k = nodes[k + 1].next, i++)
		{
			if (m < kept && members[m].keynode == k)
				m++;
			else
				shadowed[i / 64] |= UINT64CONST(1) << (i % 64);
		}
		*nshadowed = count - kept;
	}
	MemoryContextSwitchTo(old);
	return shadowed;
}

static inline bool
is_shadowed(const uint64 *shadowed, int i)
{
	return shadowed && ((shadowed[i / 64] >> (i % 64)) & 1);
}

/* One member that counts; name is its index in the table, or -1. */
static bool
check_member(SchemaRun *run, const SchemaObjects *o, int key, int name, const char *keyname,
			 int len, int ordinal, SchemaSeen *seen)
{
	bool		evaluated = false;
	bool		ok = true;

	if (name >= 0 && o->names[name].property)
	{
		evaluated = true;
		ok = meter_schema_check_child(run, o->names[name].property, key + 1, "properties");
	}
	for (int i = 0; i < o->npatterns && meter_schema_more(run, ok); i++)
	{
		if (!meter_schema_pattern_matches(o->patterns[i].pattern, keyname, len))
			continue;
		evaluated = true;
		ok &= meter_schema_check_child(run, o->patterns[i].schema, key + 1, "patternProperties");
	}
	if (!evaluated && o->additional)
	{
		evaluated = true;
		ok &= meter_schema_check_child(run, o->additional, key + 1, "additionalProperties");
	}
	if (evaluated)
		meter_schema_seen_set(seen, ordinal);
	if (o->property_names && meter_schema_more(run, ok) &&
		!meter_schema_test(run, o->property_names, key, NULL))
		ok = meter_schema_fail(run, key, "propertyNames", "the name \"%.*s\" is not allowed",
							   len, keyname);
	return ok;
}

/*
 * Walk over the members.  *again is set where a known name comes twice and
 * shadowed was not given: then the answer does not count.
 */
static bool
check_members(SchemaRun *run, const SchemaObjects *o, int node, const uint64 *shadowed,
			  uint64 *present, SchemaSeen *seen, bool *again)
{
	const MeterJsonNode *nodes = run->doc->nodes;
	bool		ok = true;
	int			ordinal = 0;

	for (int k = node + 1; k < nodes[node].next && meter_schema_more(run, ok);
		 k = nodes[k + 1].next, ordinal++)
	{
		int			len = nodes[k].len;
		const char *key = run->doc->text + nodes[k].off;
		int			name;

		if (is_shadowed(shadowed, ordinal))
			continue;
		if (unlikely(nodes[k].escaped))
			key = meter_schema_run_string(run, k, &len);
		name = find_name(o, key, len);
		if (name >= 0)
		{
			uint64		bit = UINT64CONST(1) << (name % 64);

			if (unlikely(present[name / 64] & bit))
			{
				*again = true;
				return false;
			}
			present[name / 64] |= bit;
		}
		ok &= check_member(run, o, k, name, key, len, ordinal, seen);
	}
	return ok;
}

static inline bool
is_present(const uint64 *present, int name)
{
	return (present[name / 64] >> (name % 64)) & 1;
}

static bool
check_required(SchemaRun *run, const SchemaObjects *o, int node, const uint64 *present)
{
	bool		ok = true;

	for (int w = 0; w < (o->nnames + 63) / 64; w++)
		ok &= (o->required_bits[w] & ~present[w]) == 0;
	for (int i = 0; !ok && run->report && i < o->nrequired; i++)
	{
		const SchemaName *name = &o->names[o->required[i]];

		if (!is_present(present, o->required[i]))
			meter_schema_fail(run, node, "required", "must have the member \"%.*s\"",
							  name->len, name->name);
	}
	return ok;
}

static bool
check_dependencies(SchemaRun *run, const SchemaObjects *o, int node, const uint64 *present,
				   SchemaSeen *seen)
{
	bool		ok = true;

	for (int i = 0; i < o->ndependencies && meter_schema_more(run, ok); i++)
	{
		const SchemaDependency *d = &o->dependencies[i];
		const SchemaName *trigger = &o->names[d->trigger];

		if (!is_present(present, d->trigger))
			continue;
		for (int j = 0; j < d->nneeds && meter_schema_more(run, ok); j++)
		{
			const SchemaName *need = &o->names[d->needs[j]];

			if (!is_present(present, d->needs[j]))
				ok = meter_schema_fail(run, node, d->keyword,
									   "must have the member \"%.*s\" because it has \"%.*s\"",
									   need->len, need->name, trigger->len, trigger->name);
		}
		if (d->schema && meter_schema_more(run, ok))
			ok &= meter_schema_check_in_place(run, d->schema, node, seen, d->keyword);
	}
	return ok;
}

static bool
check_count(SchemaRun *run, const SchemaObjects *o, int node, int count)
{
	if (count < o->min_properties)
		return meter_schema_fail(run, node, "minProperties",
								 "must have at least %d members, has %d", o->min_properties, count);
	if (count > o->max_properties)
		return meter_schema_fail(run, node, "maxProperties",
								 "must have at most %d members, has %d", o->max_properties, count);
	return true;
}

/* The keywords on objects but unevaluatedProperties. */
bool
meter_schema_check_object(SchemaRun *run, const SchemaNode *s, int node, SchemaSeen *seen)
{
	const SchemaObjects *o = s->objects;
	int			words = (o->nnames + 63) / 64;
	uint64		few[FEW_WORDS] = {0};
	uint64	   *present = few;
	uint64	   *shadowed = NULL;
	int			nshadowed = 0;
	MeterSchemaReport report = run->report;
	/* a report cannot be taken back, so then look before */
	bool		looked = o->exact || seen || report;
	bool		again = false;
	bool		ok;

	if (words > FEW_WORDS)
		present = MemoryContextAllocZero(meter_schema_scratch(run), words * sizeof(uint64));
	if (looked)
		shadowed = find_shadowed(run, node, &nshadowed);
	ok = check_members(run, o, node, shadowed, present, seen, &again);
	/* what failed may not count: the walk ended there, before the name came again */
	if (unlikely(!ok && !looked))
		shadowed = find_shadowed(run, node, &nshadowed);
	if (unlikely(again || (!looked && shadowed)))
	{
		again = false;
		memset(present, 0, Max(words, 1) * sizeof(uint64));
		ok = check_members(run, o, node, shadowed, present, seen, &again);
	}

	/* what is missing is only known after the whole walk */
	if (meter_schema_more(run, ok) && o->nrequired > 0)
		ok &= check_required(run, o, node, present);
	if (meter_schema_more(run, ok) && o->ndependencies > 0)
		ok &= check_dependencies(run, o, node, present, seen);
	if (meter_schema_more(run, ok))
		ok &= check_count(run, o, node, run->doc->nodes[node].count - nshadowed);
	return ok;
}

/* The members no other keyword has looked at. */
bool
meter_schema_check_unevaluated_properties(SchemaRun *run, const SchemaNode *s, int node,
										  SchemaSeen *seen)
{
	const MeterJsonNode *nodes = run->doc->nodes;
	int			nshadowed;
	uint64	   *shadowed = find_shadowed(run, node, &nshadowed);
	bool		ok = true;
	int			ordinal = 0;

	for (int k = node + 1; k < nodes[node].next && meter_schema_more(run, ok);
		 k = nodes[k + 1].next, ordinal++)
	{
		if (is_shadowed(shadowed, ordinal) || meter_schema_seen_get(seen, ordinal))
			continue;
		meter_schema_seen_set(seen, ordinal);
		ok &= meter_schema_check_child(run, s->unevaluated_properties, k + 1,
									   "unevaluatedProperties");
	}
	return ok;
}
