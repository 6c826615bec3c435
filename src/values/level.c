/*
 * level.c
 *		Levels: the values of a threshold, and what it means to cross them.
 *
 * A value reaches a level where it satisfies the comparator there.  The levels
 * that a value has reached are the first ones, so their number says all: a move
 * crosses the levels from the number that was reached before up to the number
 * that is reached now.  Neither takes a loop over levels, however far a move
 * goes; the loops here are over the few that are told of.  eq has no such
 * order: a value is at one level at most.
 *
 * A recurring threshold has LEVELS_END levels, 4e37, and none behind those.
 * That far no usage gets in steps that make sense, and numbers of levels can be
 * added up without a thought.
 */
#include "values/level.h"

#include "values/varint.h"

/* Numbers of levels, and their sums, fit int128. */
#define LEVEL_BITS 125
#define LEVELS_END ((int128) 1 << LEVEL_BITS)

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

/*
 * Does the value satisfy the comparator at a level?  None satisfies nothing: it
 * is below all levels for gt, gte and eq, above all for lt and lte.
 */
static bool
has_reached(const MeterLevels *levels, const MeterDecimal *value, const MeterDecimal *level)
{
	int			cmp;

	if (value == NULL)
		return false;
	cmp = meter_decimal_cmp(value, level);
	switch (levels->comparator)
	{
		case METER_COMPARE_GT:
			return cmp > 0;
		case METER_COMPARE_GTE:
			return cmp >= 0;
		case METER_COMPARE_LT:
			return cmp < 0;
		case METER_COMPARE_LTE:
			return cmp <= 0;
		case METER_COMPARE_EQ:
			break;
	}
	return cmp == 0;
}

/* How many levels behind the last of the values has the value reached? */
static int128
count_steps(const MeterLevels *levels, const MeterDecimal *value)
{
	const MeterDecimal *last = &levels->values[levels->nvalues - 1];
	MeterDecimal distance;
	int128		steps;
	bool		exact;

	if (meter_comparator_falls(levels->comparator))
		meter_decimal_sub(last, value, &distance);
	else
		meter_decimal_sub(value, last, &distance);
	steps = meter_decimal_times(&distance, &levels->step, &exact);

	/* gt and lt do not reach the level that they are at */
	if (exact && (levels->comparator == METER_COMPARE_GT || levels->comparator == METER_COMPARE_LT))
		steps--;
	return Min(steps, LEVELS_END - levels->nvalues);
}

/* How many levels has the value reached?  They are the first ones: levels are
 * in the order in which they are crossed (not for eq). */
static int128
count_reached(const MeterLevels *levels, const MeterDecimal *value)
{
	int			low = 0;
	int			high = levels->nvalues;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (has_reached(levels, value, &levels->values[middle]))
			low = middle + 1;
		else
			high = middle;
	}
	if (low < levels->nvalues || !levels->recurring)
		return low;
	return low + count_steps(levels, value);
}

/* The number of the level that the value is at, for eq; -1 for none. */
static int
find_equal(const MeterLevels *levels, const MeterDecimal *value)
{
	for (int i = 0; i < levels->nvalues; i++)
	{
		if (has_reached(levels, value, &levels->values[i]))
			return i;
	}
	return -1;
}

/* Has the value come back to where all levels are armed again? */
static bool
is_clear(const MeterLevels *levels, const MeterDecimal *value)
{
	int			cmp;

	if (!levels->has_clear)
		return false;
	if (value == NULL)
		return levels->comparator != METER_COMPARE_EQ;
	cmp = meter_decimal_cmp(value, &levels->clear);
	if (levels->comparator == METER_COMPARE_EQ)
		return cmp == 0;
	return meter_comparator_falls(levels->comparator) ? cmp >= 0 : cmp <= 0;
}

/* Is the value where it was, or on the near side of it? */
static bool
goes_back(const MeterLevels *levels, const MeterDecimal *from, const MeterDecimal *to)
{
	int			cmp;

	if (to == NULL || from == NULL)
		return to == NULL;
	cmp = meter_decimal_cmp(to, from);
	if (levels->comparator == METER_COMPARE_EQ)
		return cmp == 0;
	return meter_comparator_falls(levels->comparator) ? cmp >= 0 : cmp <= 0;
}

/* The value of a level. */
static void
level_value(const MeterLevels *levels, int128 number, MeterDecimal *value)
{
	MeterDecimal steps = {.mantissa = number - levels->nvalues + 1};

	if (number < levels->nvalues)
	{
		*value = levels->values[number];
		return;
	}
	meter_decimal_mul(&steps, &levels->step, value);
	if (meter_comparator_falls(levels->comparator))
		meter_decimal_sub(&levels->values[levels->nvalues - 1], value, value);
	else
		meter_decimal_add(&levels->values[levels->nvalues - 1], value, value);
}

/* Add a range of levels to those that were crossed. */
static void
add_range(MeterFired *fired, int128 first, int128 last)
{
	int			from = 0;
	int			to;

	/* those in [from, to) meet or touch it: they become one */
	while (from < fired->n && fired->ranges[from].last < first - 1)
		from++;
	for (to = from; to < fired->n && fired->ranges[to].first <= last + 1; to++)
	{
		first = Min(first, fired->ranges[to].first);
		last = Max(last, fired->ranges[to].last);
	}
	if (from == to && fired->n >= fired->size)
	{
		fired->size = Max(4, 2 * fired->size);
		fired->ranges = fired->ranges == NULL ? palloc(fired->size * sizeof(MeterFiredRange)) :
			repalloc(fired->ranges, fired->size * sizeof(MeterFiredRange));
	}
	memmove(fired->ranges + from + 1, fired->ranges + to, (fired->n - to) * sizeof(MeterFiredRange));
	fired->n += 1 - (to - from);
	fired->ranges[from] = (MeterFiredRange) {first, last};
}

/* Where to begin in [first, end) so that the levels that are told of are the
 * last ones, and not too many. */
static int128
first_told(const MeterFired *fired, int128 first, int128 end)
{
	int128		room = METER_LEVELS_MAX;

	for (int i = fired->n - 1; i >= 0 && end > first; i--)
	{
		const MeterFiredRange *range = &fired->ranges[i];
		int128		fresh = end - Max(first, range->last + 1);

		if (range->first >= end)
			continue;
		if (fresh >= room)
			return end - room;
		room -= Max(fresh, 0);
		end = range->first;
	}
	return Max(first, end - room);
}

/* Tell of the levels in [first, end) that were not crossed yet. */
static void
cross(const MeterLevels *levels, MeterFired *fired, int128 first, int128 end,
	  MeterLevelCrossed crossed, void *arg)
{
	int			i = 0;

	for (int128 number = first_told(fired, first, end); number < end; number++)
	{
		MeterDecimal value;

		while (i < fired->n && fired->ranges[i].last < number)
			i++;
		if (i < fired->n && fired->ranges[i].first <= number)
		{
			number = fired->ranges[i].last;
			continue;
		}
		level_value(levels, number, &value);
		crossed(arg, &value);
	}
	add_range(fired, first, end - 1);
}

/* The value moves; see level.h. */
bool
meter_levels_move(const MeterLevels *levels, MeterFired *fired, const MeterDecimal *from,
				  const MeterDecimal *to, MeterLevelCrossed crossed, void *arg)
{
	int128		first;
	int128		end;

	/* no level is reached there */
	if (is_clear(levels, to))
	{
		bool		resolved = fired->n > 0;

		fired->n = 0;
		return resolved;
	}
	if (goes_back(levels, from, to))
		return false;
	if (levels->comparator == METER_COMPARE_EQ)
	{
		first = find_equal(levels, to);
		end = first < 0 ? first : first + 1;
	}
	else
	{
		first = count_reached(levels, from);
		end = count_reached(levels, to);
	}
	if (first < end)
		cross(levels, fired, first, end, crossed, arg);
	return false;
}

/* Is it worth moving?  See level.h. */
bool
meter_levels_between(const MeterLevels *levels, const MeterDecimal *from, const MeterDecimal *to)
{
	/* from may be there too: a threshold that is paused does not follow */
	if (is_clear(levels, to))
		return true;
	if (goes_back(levels, from, to))
		return false;
	if (levels->comparator == METER_COMPARE_EQ)
		return find_equal(levels, to) >= 0;
	return has_reached(levels, to, &levels->values[0]) &&
		count_reached(levels, from) < count_reached(levels, to);
}

/* Would the move go too far?  See level.h. */
bool
meter_levels_exceeds(const MeterLevels *levels, const MeterDecimal *from, const MeterDecimal *to)
{
	int			cmp;

	if (goes_back(levels, from, to))
		return false;
	cmp = meter_decimal_cmp(to, &levels->values[levels->nvalues - 1]);
	return meter_comparator_falls(levels->comparator) ? cmp < 0 : cmp > 0;
}

/* A level's number, or the distance of two, as varint.h writes numbers. */
static void
put_number(StringInfo buf, int128 number)
{
	for (; number >= 0x80; number >>= 7)
		appendStringInfoCharMacro(buf, (char) (number | 0x80));
	appendStringInfoCharMacro(buf, (char) number);
}

static bool
get_number(MeterText *rest, int128 *number)
{
	*number = 0;
	for (int shift = 0; shift < LEVEL_BITS && rest->len > 0; shift += 7)
	{
		unsigned char c = (unsigned char) *rest->data++;

		rest->len--;
		*number |= (int128) (c & 0x7F) << shift;
		if (c < 0x80)
			return true;
	}
	return false;
}

/* Write a set: each range as its distance to the one before, and its length. */
void
meter_fired_pack(StringInfo buf, int32 threshold_no, const MeterFired *fired)
{
	int128		end = 0;

	if (fired->n == 0)
		return;
	meter_varint_put(buf, (uint32) threshold_no);
	meter_varint_put(buf, fired->n);
	for (int i = 0; i < fired->n; i++)
	{
		put_number(buf, fired->ranges[i].first - end);
		put_number(buf, fired->ranges[i].last - fired->ranges[i].first);
		end = fired->ranges[i].last;
	}
}

/* Read the ranges of a set; false where they are none. */
static bool
read_ranges(MeterText *rest, MeterFired *fired)
{
	int128		end = 0;

	for (int i = 0; i < fired->n; i++)
	{
		MeterFiredRange *range = &fired->ranges[i];

		if (!get_number(rest, &range->first) || !get_number(rest, &range->last))
			return false;
		range->first += end;
		if (range->first >= LEVELS_END)
			return false;
		range->last += range->first;
		if (range->last >= LEVELS_END)
			return false;
		end = range->last;
	}
	return true;
}

/* And back; see level.h. */
bool
meter_fired_unpack(MeterText *rest, int32 *threshold_no, MeterFired *fired)
{
	uint64		number = 0;
	uint64		n = 0;

	if (rest->len == 0)
		return false;

	/* a range takes two bytes at least */
	if (meter_varint_get(rest, &number) && number <= PG_INT32_MAX &&
		meter_varint_get(rest, &n) && n <= rest->len / 2)
	{
		*threshold_no = (int32) number;
		fired->n = fired->size = (int) n;
		fired->ranges = palloc(Max(n, 1) * sizeof(MeterFiredRange));
		if (read_ranges(rest, fired))
			return true;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
			 errmsg("stored set of crossed levels is damaged")));
}
