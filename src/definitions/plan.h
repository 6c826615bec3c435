/*
 * plan.h
 *		A meter version compiled into what the engine runs.
 */
#ifndef METER_DEFINITIONS_PLAN_H
#define METER_DEFINITIONS_PLAN_H

#include "compat.h"

#include "utils/uuid.h"

#include "definitions/formula.h"
#include "values/filter.h"
#include "values/path.h"
#include "values/schema.h"
#include "values/state.h"
#include "values/window.h"

#define METER_MAX_DIMENSIONS 32
#define METER_MAX_FIELDS 15		/* data fields; as many derived ones */
#define METER_MAX_PROFILES 33	/* the definition's own and 32 more */
#define METER_MAX_FILTERS 32		/* of a profile */

/* What usage can be grouped by; sorted by name. */
typedef struct MeterDimension
{
	const char *name;
	const char *label;			/* the name as a JSON member: "name": */
	MeterPath  *path;
} MeterDimension;

/* A typed field of the event's data. */
typedef struct MeterField
{
	const char *code;
	int			len;
	bool		numeric;		/* MEASURE, INCOME or COST */
} MeterField;

/* A field that is calculated. */
typedef struct MeterDerivedField
{
	MeterField	field;
	MeterFormula *formula;
} MeterDerivedField;

/* One aggregation of a version's events. */
typedef struct MeterProfile
{
	const char *code;			/* NULL for the definition's own */
	bool		recurring;		/* the value persists into later periods */
	MeterFunction function;
	double		fraction;		/* percentile: 0 .. 1 */
	MeterWeightMode mode;		/* weighted_sum */
	MeterFormula *formula;		/* custom */
	MeterPath  *value_path;
	MeterPath  *unique_path;
	bool		approximate;	/* unique_count: by the extension hll */
	int			nfilters;		/* all of them must let an event pass */
	MeterFilter **filters;
	MeterWindow window;
} MeterProfile;

/* How the event's property names a customer. */
typedef enum MeterMappingType
{
	METER_MAPPING_ID,
	METER_MAPPING_CODE,
	METER_MAPPING_ALIAS
} MeterMappingType;

/* What becomes of an event that comes after its window's end and grace. */
typedef enum MeterLateMode
{
	METER_LATE_REVISE,			/* counted where it belongs */
	METER_LATE_REJECT,
	METER_LATE_NEXT_WINDOW,		/* counted in the window that is open */
	METER_LATE_QUARANTINE		/* kept, and not counted until it is released */
} MeterLateMode;

/* All in microseconds; PG_INT64_MAX where there is no limit. */
typedef struct MeterLatePolicy
{
	MeterLateMode mode;
	int64		grace;
	int64		max_future;		/* how far ahead of the clock an event may be */
	int64		max_age;		/* how far behind */
} MeterLatePolicy;

typedef struct MeterPlan
{
	/* the definition */
	const char *key;
	const char *name;
	const char *metric_key;
	int			ndata_fields;	/* 0: not declared */
	MeterField *data_fields;
	int			nderived_fields;
	MeterDerivedField *derived_fields;
	MeterSchema *schema;		/* or NULL */
	MeterPath  *subject_path;	/* account_mapping; NULL: the envelope's subject */
	MeterMappingType mapping;
	int			nprofiles;
	MeterProfile *profiles;		/* the first is the definition's own */
	MeterPath  *currency_path;
	MeterPath  *dedup_path;
	int			ndimensions;
	MeterDimension *dimensions;
	MeterLatePolicy late;
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
 * context; NULL and *err where it cannot work.  inherited is the object of the
 * organization's custom fields.  The plan copies what it needs.  Whether there
 * is the extension that approximate profiles need is not asked.
 */
extern MeterPlan *meter_plan_compile(const MeterJson *doc, const MeterJson *inherited, MeterError *err);

/*
 * What makes two versions share a stream, as one text: the event type, whose
 * usage it is, the dimensions and the currency, and how those of them that are
 * derived are calculated.
 */
extern char *meter_plan_signature(const MeterPlan *plan);

/* The number of the dimension of that name, or -1. */
extern int	meter_plan_dimension(const MeterPlan *plan, const char *name);

/* The number of the profile of that code, the definition's own for NULL, or -1. */
extern int	meter_plan_profile(const MeterPlan *plan, const char *code);

/* An empty state for what a profile measures. */
extern MeterState *meter_profile_state(const MeterProfile *profile, MemoryContext context);

/* Is the state one of its kind? */
extern bool meter_profile_reads(const MeterProfile *profile, const MeterState *state);

/* Can its states take a value back (state.h)? */
extern bool meter_profile_reversible(const MeterProfile *profile);

/* Can results of both be added up? */
extern bool meter_profile_agrees(const MeterProfile *a, const MeterProfile *b);

#endif							/* METER_DEFINITIONS_PLAN_H */
