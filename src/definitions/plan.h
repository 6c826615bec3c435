/*
 * plan.h
 *		A meter version compiled into what the engine runs.
 */
#ifndef METER_DEFINITIONS_PLAN_H
#define METER_DEFINITIONS_PLAN_H

#include "compat.h"

#include "utils/uuid.h"

#include "values/filter.h"
#include "values/path.h"
#include "values/state.h"
#include "values/window.h"

#define METER_MAX_DIMENSIONS 32
#define METER_MAX_PROFILES 33	/* the definition's own and 32 more */

/* What usage can be grouped by; sorted by name. */
typedef struct MeterDimension
{
	const char *name;
	const char *label;			/* the name as a JSON member: "name": */
	MeterPath  *path;
} MeterDimension;

/* One aggregation of a version's events. */
typedef struct MeterProfile
{
	const char *code;			/* NULL for the definition's own */
	MeterFunction function;
	MeterPath  *value_path;
	MeterPath  *unique_path;
	MeterFilter *filter;
	MeterWindow window;
} MeterProfile;

typedef struct MeterPlan
{
	/* the definition */
	const char *key;
	const char *name;
	const char *metric_key;
	int			nprofiles;
	MeterProfile *profiles;		/* the first is the definition's own */
	MeterPath  *currency_path;
	MeterPath  *dedup_path;
	int			ndimensions;
	MeterDimension *dimensions;
	bool		negative_allowed;
	const char *unit_label;		/* or NULL */

	/* the version, filled by the cache */
	int32		version_id;		/* names the version in rollups and events */
	int32		stream_id;		/* versions of one stream share their series */
	int			version;
	TimestampTz effective_from;
	TimestampTz effective_to;
} MeterPlan;

/*
 * Check the definition at the root of doc and compile it in the current memory
 * context; NULL and *err where it cannot work.  The plan copies what it needs.
 * Error code NOT_SUPPORTED marks what this version of meter cannot do.
 */
extern MeterPlan *meter_plan_compile(const MeterJson *doc, MeterError *err);

/*
 * What makes two versions share a stream: the event type, the dimensions and
 * the currency, as one text.
 */
extern char *meter_plan_signature(const MeterPlan *plan);

/* The number of the dimension of that name, or -1. */
extern int	meter_plan_dimension(const MeterPlan *plan, const char *name);

/* The number of the profile of that code, the definition's own for NULL, or -1. */
extern int	meter_plan_profile(const MeterPlan *plan, const char *code);

/* An empty state for what a profile measures. */
extern MeterState *meter_profile_state(const MeterProfile *profile, MemoryContext context);

/* Can results of both be added up? */
extern bool meter_profile_agrees(const MeterProfile *a, const MeterProfile *b);

#endif							/* METER_DEFINITIONS_PLAN_H */
