/*
 * level.h
 *		Levels: the values of a threshold, and what it means to cross them.
 */
#ifndef METER_VALUES_LEVEL_H
#define METER_VALUES_LEVEL_H

#include "compat.h"

#include "lib/stringinfo.h"

#include "values/decimal.h"
#include "values/text.h"

typedef enum MeterComparator
{
	METER_COMPARE_GT,
	METER_COMPARE_GTE,
	METER_COMPARE_LT,
	METER_COMPARE_LTE,
	METER_COMPARE_EQ
} MeterComparator;

/* At most so many levels crossed in one move are told of: the last ones. */
#define METER_LEVELS_MAX 1000

typedef struct MeterLevels
{
	MeterComparator comparator;
	int			nvalues;
	MeterDecimal *values;		/* in the order in which they are crossed */
	bool		recurring;		/* more of them behind the last, */
	MeterDecimal step;			/* so far apart (above zero) */
	bool		has_clear;
	MeterDecimal clear;			/* arms them again */
} MeterLevels;

/* "gte" and so on; parse returns false for an unknown name. */
extern bool meter_comparator_parse(const char *name, int len, MeterComparator *comparator);
extern const char *meter_comparator_name(MeterComparator comparator);

/* Are levels crossed by falling (lt, lte)? */
extern bool meter_comparator_falls(MeterComparator comparator);

/*
 * Which levels were crossed since they were armed: ranges of their numbers, in
 * order, none touching the next.  Zeroed it is empty.  The values have the
 * numbers from 0 on, the k-th level behind the last of n values has n-1+k.
 */
typedef struct MeterFiredRange
{
	int128		first;
	int128		last;
} MeterFiredRange;

typedef struct MeterFired
{
	int			n;
	int			size;
	MeterFiredRange *ranges;	/* palloc'd */
} MeterFired;

/* Called with each level's value. */
typedef void (*MeterLevelCrossed) (void *arg, const MeterDecimal *value);

/*
 * The value moves from one to another; NULL is none: below all levels for gt,
 * gte and eq, above all for lt and lte.  crossed is called for each level that
 * is crossed and was not since it was armed, in order.  True where the move
 * comes back to the clear value and something was crossed before: all levels
 * are armed again then.  fired's memory is of the current context.
 */
extern bool meter_levels_move(const MeterLevels *levels, MeterFired *fired,
							  const MeterDecimal *from, const MeterDecimal *to,
							  MeterLevelCrossed crossed, void *arg);

/* Is it worth calling meter_levels_move?  What nearly every event asks, so it
 * only compares: false where no level lies between the two, and the move does
 * not come back to the clear value. */
extern bool meter_levels_between(const MeterLevels *levels, const MeterDecimal *from, const MeterDecimal *to);

/* Would the move go beyond the last level, further than it was (block)? */
extern bool meter_levels_exceeds(const MeterLevels *levels, const MeterDecimal *from, const MeterDecimal *to);

/* As bytes behind one another, for thresholds by their numbers; an empty set
 * needs none.  Unpacking takes one off, palloc'd, and returns false at the end;
 * raises 22P03 where the bytes are none. */
extern void meter_fired_pack(StringInfo buf, int32 threshold_no, const MeterFired *fired);
extern bool meter_fired_unpack(MeterText *rest, int32 *threshold_no, MeterFired *fired);

#endif							/* METER_VALUES_LEVEL_H */
