/*
 * watch.h
 *		Thresholds as the engine goes by them.
 *
 * A watch is what thresholds of one meter with the same window, scope and
 * dimensions have in common: they look at the same quantities.
 */
#ifndef METER_DEFINITIONS_WATCH_H
#define METER_DEFINITIONS_WATCH_H

#include "compat.h"

#include "utils/uuid.h"

#include "values/level.h"
#include "values/window.h"

/* Whose usage counts together. */
typedef enum MeterScopeKind
{
	METER_SCOPE_SUBJECT,		/* each subject's, as events name it */
	METER_SCOPE_METER,			/* all subjects' */
	METER_SCOPE_PRODUCT,		/* each subscription's that holds the product */
	METER_SCOPE_SUBSCRIPTION,	/* the subscription's */
	METER_SCOPE_CUSTOMER		/* all of the customer's subjects' */
} MeterScopeKind;

typedef struct MeterThreshold
{
	pg_uuid_t	id;
	int32		threshold_no;
	const char *name;
	bool		paused;
	bool		blocks;			/* and is not paused */
	MeterLevels levels;
	const char *action_kind;
	const char *action_target;	/* or NULL */
	const char *action_event_type;
} MeterThreshold;

typedef struct MeterWatch
{
	int32		watch_no;
	MeterScopeKind scope;
	const char *scope_id;		/* product, subscription: a UUID as text */
	bool		per_dimensions;
	bool		has_window;		/* else the meter's own */
	MeterWindow window;
	TimestampTz empty_from;		/* windows from then on were empty when it was made */
	TimestampTz swept_before;	/* those that ended before are left alone */
	bool		blocks;			/* one of its thresholds does */
	int			nthresholds;
	MeterThreshold *thresholds; /* by their numbers */
} MeterWatch;

#endif							/* METER_DEFINITIONS_WATCH_H */
