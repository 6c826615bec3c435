/*
 * schema_steps.c
 *		Patterns that need no automaton.
 *
 * Most patterns people write are anchored sequences of classes with counts:
 * ^[A-Z]{3}$, ^sku-[0-9]+$.  If no step that may stop early can be mistaken
 * for what comes after it, taking as much as possible at each step finds the
 * match if there is one, without turning back.  That costs a few nanoseconds a
 * character and no memory, where starting the automaton costs a microsecond.
 */
#include "values/schema_private.h"

#include "mb/pg_wchar.h"

typedef struct Step
{
	uint64		ascii[2];		/* bitmap of the first 128 characters */
	SchemaCharset set;
	int			min;
	int			max;			/* INT_MAX: no end */
} Step;

struct SchemaSteps
{
	bool		abandoned;		/* it is no such sequence */
	bool		start;			/* anchored by ^ */
	bool		end;			/* and by $ */
	int			n;
	int			size;
	Step	   *steps;
};

SchemaSteps *
meter_schema_steps_create(void)
{
	return palloc0(sizeof(SchemaSteps));
}

void
meter_schema_steps_abandon(SchemaSteps *steps)
{
	if (steps)
		steps->abandoned = true;
}

/* One character of a normalized set comes next. */
void
meter_schema_steps_add(SchemaSteps *steps, const SchemaCharset *set)
{
	Step	   *step;

	if (steps == NULL || steps->abandoned)
		return;
	if (steps->end)
	{
		steps->abandoned = true;
		return;
	}
	if (steps->n >= steps->size)
	{
		steps->size = Max(steps->size * 2, 8);
		if (steps->steps)
			steps->steps = repalloc(steps->steps, steps->size * sizeof(Step));
		else
			steps->steps = palloc(steps->size * sizeof(Step));
	}
	step = &steps->steps[steps->n++];
	memset(step, 0, sizeof(Step));
	step->set = *set;
	step->min = step->max = 1;
	for (int i = 0; i < set->nranges; i++)
	{
		for (uint32 c = set->ranges[i].first; c <= set->ranges[i].last && c < 128; c++)
			step->ascii[c / 64] |= UINT64CONST(1) << (c % 64);
	}
}

/* The last character is repeated; max -1 for no end. */
void
meter_schema_steps_repeat(SchemaSteps *steps, int min, int max)
{
	if (steps == NULL || steps->abandoned)
		return;
	steps->steps[steps->n - 1].min = min;
	steps->steps[steps->n - 1].max = max < 0 ? INT_MAX : max;
}

void
meter_schema_steps_anchor(SchemaSteps *steps, bool start)
{
	if (steps == NULL)
		return;
	if (!start)
		steps->end = true;
	else if (steps->n > 0 || steps->end)
		steps->abandoned = true;
	else
		steps->start = true;
}

/* Can the steps be walked without ever turning back? */
bool
meter_schema_steps_finish(SchemaSteps *steps)
{
	if (steps->abandoned || !steps->start)
		return false;
	for (int i = 0; i < steps->n; i++)
	{
		if (steps->steps[i].min == steps->steps[i].max)
			continue;
		for (int j = i + 1; j < steps->n; j++)
		{
			if (meter_schema_charset_overlap(&steps->steps[i].set, &steps->steps[j].set))
				return false;
			if (steps->steps[j].min > 0)
				break;
		}
	}
	return true;
}

/* Does s match? */
bool
meter_schema_steps_match(const SchemaSteps *steps, const char *s, int len)
{
	const unsigned char *p = (const unsigned char *) s;
	const unsigned char *end = p + len;

	for (int i = 0; i < steps->n; i++)
	{
		const Step *step = &steps->steps[i];
		int			count = 0;

		while (count < step->max && p < end)
		{
			if (*p < 128)
			{
				if (!((step->ascii[*p / 64] >> (*p % 64)) & 1))
					break;
				p++;
			}
			else
			{
				if (!meter_schema_charset_contains(&step->set, utf8_to_unicode(p)))
					break;
				p += pg_utf_mblen(p);
			}
			count++;
		}
		if (count < step->min)
			return false;
	}
	return !steps->end || p == end;
}
