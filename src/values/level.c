/*
 * level.c
 *		Levels: the values of a threshold, and what it means to cross them.
 */
#include "values/level.h"

static const char *const names[] = {
	[METER_COMPARE_GT] = "gt", [METER_COMPARE_GTE] = "gte", [METER_COMPARE_LT] = "lt",
	[METER_COMPARE_LTE] = "lte", [METER_COMPARE_EQ] = "eq"
};

/* Name to comparator; see level.h. */
bool
meter_comparator_parse(const char *name, int len, MeterComparator *comparator)
{
	for (int i = 0; i < lengthof(names); i++)
	{
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
		{
			*comparator = i;
			return true;
		}
	}
	return false;
}

/* And back. */
const char *
meter_comparator_name(MeterComparator comparator)
{
	return names[comparator];
}

/* Are levels crossed by falling? */
bool
meter_comparator_falls(MeterComparator comparator)
{
	return comparator == METER_COMPARE_LT || comparator == METER_COMPARE_LTE;
}
