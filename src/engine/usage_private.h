/*
 * usage_private.h
 *		What the files that answer a question about usage share.
 */
#ifndef METER_ENGINE_USAGE_PRIVATE_H
#define METER_ENGINE_USAGE_PRIVATE_H

#include "engine/usage.h"

/* Versions whose usage is added up into one row. */
typedef struct MeterSegment
{
	TimestampTz from;			/* infinities for a version that counted what */
	TimestampTz to;				/* no segment takes */
	const MeterPlan *plan;		/* the newest of them */
	const MeterProfile *profile;	/* what is asked for, in that version */
} MeterSegment;

/* The state of a window, group and segment. */
typedef struct MeterUsageItem
{
	int			window;
	int			group;
	int			segment;
	MeterState *state;
	TimestampTz at;				/* where only the last event matters: the */
	MemoryContext last;			/* quarter the state is of, and its memory */
} MeterUsageItem;

/* The group of a series. */
typedef struct MeterSeriesItem
{
	int64		series_id;
	int			group;
} MeterSeriesItem;

/* What is read of the time before the range. */
typedef enum MeterHistory
{
	METER_HISTORY_NONE,
	METER_HISTORY_LAST,			/* each group's last event */
	METER_HISTORY_ALL
} MeterHistory;

typedef struct MeterUsage
{
	const MeterUsageRequest *request;
	MeterHistory history;
	MeterTiling tiling;			/* with history, window 0 is what was before */
	MeterGroups groups;
	MeterSubjects subjects;
	bool		sum_history;	/* also where the last event matters: what was
								 * taken back cancels out only in the sum */
	int			nsegments;
	int			nall;			/* with one more for each version behind them, */
	MeterSegment *segments;		/* for what it counted out of its range */
	int		   *version_segment;	/* of each of the meter's versions, or -1 */
	int		   *version_profile;	/* the profile's number in each, or -1 */
	struct HTAB *items;
	int			nseries;		/* that are asked for */
	int			series_size;
	int64	   *series;
	struct HTAB *series_items;
	MemoryContext context;
	MemoryContext row_context;	/* reset with each row read */
} MeterUsage;

/* ---- usage.c ---- */

/* Read the rollups of these series from hour to hour (exclusive). */
extern void meter_usage_read(MeterUsage *usage, const int64 *series, int n, int32 from, int32 to);

/* ---- usage_segments.c: the meter's versions as segments ---- */

extern void meter_usage_find_segments(MeterUsage *usage);

/* The segment of what a version counted in the quarter hour from at, in a window. */
extern int	meter_usage_segment(const MeterUsage *usage, int version, int window, TimestampTz at);

/* Does the segment have a part in the window?  That part. */
extern bool meter_segment_meets(const MeterUsage *usage, int segment, int window,
								TimestampTz *start, TimestampTz *end);

/* ---- usage_carry.c: values that persist ---- */

/* What is carried from window to window, for one group. */
typedef struct MeterCarry
{
	int			segment;		/* it was last carried through, or -1 */
	bool		has;
	MeterDecimal level;			/* weighted_sum */
	MeterState *state;			/* recurring */
} MeterCarry;

/* What the profile must know of the time before a window. */
extern MeterHistory meter_profile_history(const MeterProfile *profile);

/* Look back for the last event of each group that has none yet. */
extern void meter_usage_look_back(MeterUsage *usage);

/* Fill in the value of a row's piece of time, and on to the next one; state NULL
 * for no events. */
extern void meter_carry_value(const MeterUsage *usage, MeterCarry *carry, int segment,
							  const MeterState *state, MeterUsageRow *row);

/* Move the carry over a piece of time before the range. */
extern void meter_carry_pass(const MeterUsage *usage, MeterCarry *carry, int segment,
							 const MeterState *state);

/* Add what a version counted out of its range to what is carried already. */
extern void meter_carry_stray(const MeterUsage *usage, MeterCarry *carry, int segment,
							  const MeterState *state);

/* ---- usage_pinned.c: by one version, whichever versions counted it ---- */

/* Have all that the version did not count alone read from raw events ... */
extern void meter_usage_keep_pinned(MeterUsage *usage);

/* ... and visit these as it measures them. */
extern void meter_usage_visit_pinned(const MeterUsage *usage, MeterCountedVisit visit, void *arg);

/* ---- usage_rows.c: the rows of the answer ---- */

extern void meter_usage_emit_rows(MeterUsage *usage, MeterUsageEmit emit, void *arg);

#endif							/* METER_ENGINE_USAGE_PRIVATE_H */
