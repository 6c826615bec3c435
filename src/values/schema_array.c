/*
 * schema_array.c
 *		Assertions on arrays.
 */
#include "values/schema_private.h"

#include "miscadmin.h"
#include "utils/memutils.h"

typedef struct HashedElement
{
	uint64		hash;
	int			node;
	int			index;
} HashedElement;

static int
hashed_cmp(const void *pa, const void *pb)
{
	const HashedElement *a = pa;
	const HashedElement *b = pb;

	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	return a->index - b->index;
}

/*
 * uniqueItems: sort by hash, then compare those of equal hash.  Equal elements
 * end it at once, so only hashes that truly collide cost more than one
 * comparison.
 */
static bool
check_unique(SchemaRun *run, int node)
{
	const MeterJsonNode *nodes = run->doc->nodes;
	int			count = nodes[node].count;
	HashedElement *elements;
	MemoryContext old;
	int			n = 0;
	int			first = -1;
	int			second = -1;

	if (count < 2)
		return true;
	old = MemoryContextSwitchTo(meter_schema_scratch(run));
	elements = palloc_extended(count * sizeof(HashedElement), MCXT_ALLOC_HUGE);
	for (int v = node + 1; v < nodes[node].next; v = nodes[v].next)
	{
		elements[n].hash = meter_json_hash(run->doc, v);
		elements[n].node = v;
		elements[n].index = n;
		n++;
	}
	qsort(elements, n, sizeof(HashedElement), hashed_cmp);
	for (int i = 0; i < n && first < 0; i++)
	{
		CHECK_FOR_INTERRUPTS();
		for (int j = i + 1; j < n && elements[j].hash == elements[i].hash; j++)
		{
			if (meter_json_equal(run->doc, elements[i].node, run->doc, elements[j].node))
			{
				first = elements[i].index;
				second = elements[j].index;
				break;
			}
		}
	}
	pfree(elements);
	MemoryContextSwitchTo(old);
	if (first >= 0)
		return meter_schema_fail(run, node, "uniqueItems",
								 "must not repeat elements, those at %d and %d are equal",
								 first, second);
	return true;
}

/* contains, minContains and maxContains. */
static bool
check_contains(SchemaRun *run, const SchemaArrays *a, int node, SchemaSeen *seen)
{
	const MeterJsonNode *nodes = run->doc->nodes;
	int			found = 0;
	int			index = 0;

	for (int v = node + 1; v < nodes[node].next; v = nodes[v].next, index++)
	{
		if (!meter_schema_test(run, a->contains, v, NULL))
			continue;
		found++;
		meter_schema_seen_set(seen, index);
		/* the rest can change nothing any more */
		if (seen == NULL && found >= a->min_contains && a->max_contains == INT_MAX)
			return true;
	}
	if (found < a->min_contains)
		return meter_schema_fail(run, node, a->min_contains == 1 ? "contains" : "minContains",
								 "must have at least %d elements that match contains, has %d",
								 a->min_contains, found);
	if (found > a->max_contains)
		return meter_schema_fail(run, node, "maxContains",
								 "must have at most %d elements that match contains, has %d",
								 a->max_contains, found);
	return true;
}

static bool
check_elements(SchemaRun *run, const SchemaArrays *a, int node, SchemaSeen *seen)
{
	const MeterJsonNode *nodes = run->doc->nodes;
	bool		ok = true;
	int			index = 0;

	for (int v = node + 1; v < nodes[node].next && meter_schema_more(run, ok);
		 v = nodes[v].next, index++)
	{
		if (index < a->nprefix)
			ok &= meter_schema_check_child(run, a->prefix[index], v, a->prefix_keyword);
		else if (a->rest)
			ok &= meter_schema_check_child(run, a->rest, v, a->rest_keyword);
		else
			break;
		meter_schema_seen_set(seen, index);
	}
	return ok;
}

/* The keywords on arrays but unevaluatedItems. */
bool
meter_schema_check_array(SchemaRun *run, const SchemaNode *s, int node, SchemaSeen *seen)
{
	const SchemaArrays *a = s->arrays;
	int			count = run->doc->nodes[node].count;
	bool		ok = true;

	if (count < a->min_items)
		ok = meter_schema_fail(run, node, "minItems", "must have at least %d elements, has %d",
							   a->min_items, count);
	if (count > a->max_items)
		ok = meter_schema_fail(run, node, "maxItems", "must have at most %d elements, has %d",
							   a->max_items, count);
	if ((a->nprefix > 0 || a->rest) && meter_schema_more(run, ok))
		ok &= check_elements(run, a, node, seen);
	if (a->contains && meter_schema_more(run, ok))
		ok &= check_contains(run, a, node, seen);
	if (a->unique && meter_schema_more(run, ok))
		ok &= check_unique(run, node);
	return ok;
}

/* The elements no other keyword has looked at. */
bool
meter_schema_check_unevaluated_items(SchemaRun *run, const SchemaNode *s, int node, SchemaSeen *seen)
{
	const MeterJsonNode *nodes = run->doc->nodes;
	bool		ok = true;
	int			index = 0;

	for (int v = node + 1; v < nodes[node].next && meter_schema_more(run, ok);
		 v = nodes[v].next, index++)
	{
		if (meter_schema_seen_get(seen, index))
			continue;
		meter_schema_seen_set(seen, index);
		ok &= meter_schema_check_child(run, s->unevaluated_items, v, "unevaluatedItems");
	}
	return ok;
}
