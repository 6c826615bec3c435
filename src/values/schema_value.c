/*
 * schema_value.c
 *		Assertions on scalars: enum and const, numbers, strings.
 */
#include "values/schema_private.h"

#include "common/hashfn.h"
#include "utils/memutils.h"

/* Up to here a walk over the values is as fast as a hash table. */
#define FEW_VALUES 8

/* Put the values of enum or const in order. */
SchemaValueSet *
meter_schema_value_set(const MeterJson *doc, const char *keyword, const int *nodes, int n)
{
	SchemaValueSet *set = palloc0(sizeof(SchemaValueSet));

	set->keyword = keyword;
	set->doc = doc;
	set->nvalues = n;
	set->values = palloc0(Max(n, 1) * sizeof(SchemaValue));
	if (n > FEW_VALUES)
	{
		uint32		size = 16;

		while (size < n * 2)
			size *= 2;
		set->slots = palloc0(size * sizeof(int));
		set->mask = size - 1;
	}
	for (int i = 0; i < n; i++)
	{
		SchemaValue *v = &set->values[i];

		v->node = nodes[i];
		v->hash = meter_json_hash(doc, nodes[i]);
		if (doc->nodes[nodes[i]].type == METER_JSON_STRING)
			v->string = meter_json_string(doc, nodes[i], &v->len);
		if (set->slots)
		{
			uint32		slot = v->hash & set->mask;

			while (set->slots[slot] != 0)
				slot = (slot + 1) & set->mask;
			set->slots[slot] = i + 1;
		}
	}
	return set;
}

static inline bool
value_equals(const SchemaValueSet *set, const SchemaValue *v, const MeterJson *doc, int node,
			 const char *string, int len)
{
	if (v->string)
		return string && v->len == len && memcmp(v->string, string, len) == 0;
	return string == NULL && meter_json_equal(set->doc, v->node, doc, node);
}

/* Is the value at node one of the set?  string is its content if it is one. */
static bool
set_contains(const SchemaValueSet *set, const MeterJson *doc, int node, const char *string, int len)
{
	uint64		hash;

	if (set->slots == NULL)
	{
		for (int i = 0; i < set->nvalues; i++)
		{
			if (value_equals(set, &set->values[i], doc, node, string, len))
				return true;
		}
		return false;
	}
	hash = meter_json_hash(doc, node);
	for (uint32 slot = hash & set->mask; set->slots[slot] != 0; slot = (slot + 1) & set->mask)
	{
		const SchemaValue *v = &set->values[set->slots[slot] - 1];

		if (v->hash == hash && value_equals(set, v, doc, node, string, len))
			return true;
	}
	return false;
}

/* enum and const. */
bool
meter_schema_check_values(SchemaRun *run, const SchemaValueSet *set, int node)
{
	const MeterJsonNode *n = &run->doc->nodes[node];
	const char *string = NULL;
	int			len = 0;
	bool		ok;

	if (n->type == METER_JSON_STRING)
		string = meter_schema_run_string(run, node, &len);
	if (n->type < METER_JSON_ARRAY && !n->escaped)
		ok = set_contains(set, run->doc, node, string, len);
	else
	{
		/* hashing or comparing it will allocate */
		MemoryContext old = MemoryContextSwitchTo(meter_schema_scratch(run));

		ok = set_contains(set, run->doc, node, string, len);
		MemoryContextSwitchTo(old);
	}
	if (ok || run->report == NULL)
		return ok;
	if (set->nvalues == 1)
	{
		int			rawlen;
		char	   *raw = meter_json_raw(set->doc, set->values[0].node, &rawlen);

		return meter_schema_fail(run, node, set->keyword, "must be %s", raw);
	}
	return meter_schema_fail(run, node, set->keyword, "must be one of the %d values allowed",
							 set->nvalues);
}

/* One bound of a number. */
static bool
check_bound(SchemaRun *run, const SchemaNumber *number, const SchemaNumber *bound, int node,
			int sign, bool exclusive, const char *keyword)
{
	int			cmp = meter_schema_number_cmp(number, bound) * sign;

	if (cmp > 0 || (cmp == 0 && !exclusive))
		return true;
	return meter_schema_fail(run, node, keyword, "must be %s %.*s",
							 sign > 0 ? (exclusive ? "greater than" : "at least") :
							 (exclusive ? "less than" : "at most"),
							 bound->len, bound->text);
}

static bool
check_number(SchemaRun *run, const SchemaNumbers *numbers, const SchemaNumber *number, int node)
{
	bool		ok = true;

	if (numbers->minimum)
		ok &= check_bound(run, number, numbers->minimum, node, 1, false, "minimum");
	if (numbers->maximum && meter_schema_more(run, ok))
		ok &= check_bound(run, number, numbers->maximum, node, -1, false, "maximum");
	if (numbers->exclusive_minimum && meter_schema_more(run, ok))
		ok &= check_bound(run, number, numbers->exclusive_minimum, node, 1, true, "exclusiveMinimum");
	if (numbers->exclusive_maximum && meter_schema_more(run, ok))
		ok &= check_bound(run, number, numbers->exclusive_maximum, node, -1, true, "exclusiveMaximum");
	if (numbers->multiple_of && meter_schema_more(run, ok) &&
		!meter_schema_number_multiple(number, numbers->multiple_of))
		ok = meter_schema_fail(run, node, "multipleOf", "must be a multiple of %.*s",
							   numbers->multiple_of->len, numbers->multiple_of->text);
	return ok;
}

/* minimum and the like. */
bool
meter_schema_check_number(SchemaRun *run, const SchemaNumbers *numbers, int node)
{
	SchemaNumber number;
	MemoryContext old;
	bool		ok;

	meter_schema_number_read(run->doc, node, &number);
	if (number.small && !numbers->any_big)
		return check_number(run, numbers, &number, node);

	/* numerics will be made */
	old = MemoryContextSwitchTo(meter_schema_scratch(run));
	if (!number.small)
		number.big = meter_schema_number_numeric(&number);
	ok = check_number(run, numbers, &number, node);
	MemoryContextSwitchTo(old);
	return ok;
}

/* Characters of a string as written; each escape stands for one. */
static int
count_characters(const char *s, int len, bool escaped)
{
	const char *end = s + len;
	int			n = 0;

	if (!escaped)
	{
		/* all but UTF-8's continuation bytes */
		for (; s < end; s++)
			n += (*s & 0xC0) != 0x80;
		return n;
	}
	while (s < end)
	{
		if (*s != '\\')
		{
			n += (*s & 0xC0) != 0x80;
			s++;
			continue;
		}
		n++;
		if (s[1] != 'u')
			s += 2;
		else
		{
			bool		high = (s[2] == 'd' || s[2] == 'D') && strchr("89abAB", s[3]) != NULL;

			s += high ? 12 : 6;	/* a surrogate pair is one character */
		}
	}
	return n;
}

static bool
check_length(SchemaRun *run, const SchemaStrings *strings, int node)
{
	const MeterJsonNode *n = &run->doc->nodes[node];
	int			length;

	/* no more characters than bytes; no fewer than a quarter or, escaped, a
	 * twelfth of them */
	if (strings->min_length == 0 && (int64) n->len <= strings->max_length)
		return true;
	length = count_characters(run->doc->text + n->off, n->len, n->escaped);
	if (length < strings->min_length)
		return meter_schema_fail(run, node, "minLength",
								 "must have at least %d characters, has %d",
								 strings->min_length, length);
	if (length > strings->max_length)
		return meter_schema_fail(run, node, "maxLength",
								 "must have at most %d characters, has %d",
								 strings->max_length, length);
	return true;
}

/* minLength, maxLength, pattern and format. */
bool
meter_schema_check_string(SchemaRun *run, const SchemaStrings *strings, int node)
{
	bool		ok = check_length(run, strings, node);
	const char *s;
	int			len;

	if ((strings->pattern == NULL && strings->format == NULL) || !meter_schema_more(run, ok))
		return ok;
	s = meter_schema_run_string(run, node, &len);
	if (strings->pattern && !meter_schema_pattern_matches(strings->pattern, s, len))
		ok = meter_schema_fail(run, node, "pattern", "must match the pattern %s",
							   meter_schema_pattern_text(strings->pattern));
	if (strings->format && meter_schema_more(run, ok) && !strings->format(s, len))
		ok = meter_schema_fail(run, node, "format", "must be a valid %s", strings->format_name);
	return ok;
}
