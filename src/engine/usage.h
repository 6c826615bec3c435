/*
 * usage.h
 *		What was used: rollups and raw events put together into answers.
 */
#ifndef METER_ENGINE_USAGE_H
#define METER_ENGINE_USAGE_H

#include "definitions/cache.h"
#include "engine/customers.h"
#include "engine/measure.h"
#include "engine/store.h"

#define METER_USAGE_MAX_WINDOWS 1000000

/* Groups of the caller's own. */
typedef struct MeterOwnGroups
{
	int			nsubjects;		/* the subjects whose series may be in one, as */
	const MeterText *subjects;	/* events name them, sorted; NULL for any */
	int			ngroups;
	int			(*find) (void *arg, const MeterSeries *series); /* its number, or
																 * -1 for none */
	void	   *arg;
} MeterOwnGroups;

/* What is asked for. */
typedef struct MeterUsageRequest
{
	pg_uuid_t	organization;
	const MeterEntry *meter;
	const char *profile;		/* its code, or NULL for the definition's own */
	TimestampTz from;			/* half-open; infinities where not windowed */
	TimestampTz to;
	const MeterText *subject;	/* a subject, or any of a customer's; NULL for all */
	bool		windowed;
	MeterWindow window;			/* where windowed */
	bool		by_subject;
	bool		raw_subjects;	/* subjects as events name them, not customers */
	int			ngroup_by;		/* dimensions, in the order they are shown */
	const char **group_by;
	const MeterOwnGroups *own;	/* in the place of subject and groups, or NULL */
	MeterFilter *filter;		/* over dimensions and subject, or NULL */
	bool		known;			/* as it was known at as_of; the meter is as */
	TimestampTz as_of;			/* meter_usage_meter_known gives it */
	const MeterPlan *measured_by;	/* by this version, whichever counted what; the
									 * meter is as meter_usage_meter_pinned gives it */
} MeterUsageRequest;

/* The time whose knowledge is asked for, DT_NOEND for now. */
static inline TimestampTz
meter_usage_as_of(const MeterUsageRequest *request)
{
	return request->known ? request->as_of : DT_NOEND;
}

/* A row of the answer. */
typedef struct MeterUsageRow
{
	TimestampTz start;
	TimestampTz end;
	MeterText	subject;		/* where it was asked for or grouped by */
	MeterText	currency;
	MeterText	dimensions;		/* a JSON object of the dimensions grouped by */
	int			version;
	Numeric		value;			/* NULL for none */
	int64		count;
	int			group;			/* where the caller has groups of its own */
	const MeterState *state;	/* what the value was read from; NULL for no */
	bool		has_level;		/* events; weighted_sum: and this was the level */
	MeterDecimal level;			/* at the start */
} MeterUsageRow;

typedef void (*MeterUsageEmit) (void *arg, const MeterUsageRow *row);

/* Answer, between SPI_connect and SPI_finish, by the caller's snapshot; rows
 * come by window, then group, then version. */
extern void meter_usage_compute(const MeterUsageRequest *request,
								MeterUsageEmit emit, void *arg);

/*
 * The meter with its versions as they were in force for what was known at as_of;
 * at a time before it was known at all, as it was first known.  Palloc'd.
 */
extern const MeterEntry *meter_usage_meter_known(const pg_uuid_t *organization,
												 const MeterEntry *meter, TimestampTz as_of);

/* The meter as if that version had been in force at all times.  Palloc'd. */
extern const MeterEntry *meter_usage_meter_pinned(const MeterEntry *meter, const MeterPlan *plan);

/*
 * The time whose events the version judged as they came: it was in force there
 * from before it began, and ever since.  Of other time in its range it is not
 * known who did.
 */
extern MeterInterval meter_usage_version_judged(const pg_uuid_t *organization, const MeterPlan *plan);

/* ---- usage_events.c: raw events as a meter counted them ---- */

/* Whom to read. */
typedef struct MeterSubjects
{
	bool		all;
	int			n;
	const MeterText *list;
} MeterSubjects;

/* Those of whom the request asks for. */
extern void meter_subjects_find(MeterSubjects *subjects, const MeterUsageRequest *request);
extern bool meter_subjects_have(const MeterSubjects *subjects, MeterText subject);

/* The number of the meter's version of that id, or -1. */
extern int	meter_usage_version(const MeterUsageRequest *request, int32 version_id);

/* Called with an event as a version of the meter, by its number, counted it. */
typedef void (*MeterCountedVisit) (void *arg, const MeterEventRow *row, int version,
								   const MeterMeasure *measure, const MeterSeries *series);

/* Visit the event for each version whose profile counted it for one of the
 * subjects; the request's filter is not looked at. */
extern void meter_usage_visit_event(const MeterUsageRequest *request, const MeterSubjects *subjects,
									const MeterEventRow *row, MeterCountedVisit visit, void *arg);

/* ---- usage_windows.c: the range cut into windows ---- */

typedef struct MeterTiling
{
	bool		history;		/* window 0 is the time before the range */
	int			nwindows;		/* they tile the range */
	TimestampTz *bounds;		/* nwindows + 1 */
	int			ncuts;			/* pieces to be read from raw events, within */
	MeterInterval *cuts;		/* the range: the quarters a bound cuts ... */
	int			nrecounts;		/* ... and those whose cells still hold what */
	TimestampTz *recounts;		/* was taken back, by their start; */
	TimestampTz kept_from;		/* ... all before this, */
	TimestampTz kept_to;		/* ... and all from this on */
	int32		hour_from;		/* the hours that hold the range */
	int32		hour_to;
} MeterTiling;

extern void meter_usage_tile(const MeterUsageRequest *request, bool history, MeterTiling *tiling);

/* Have these quarters read from raw events too, by their start and in order;
 * and all that is not whole in this time. */
extern void meter_tiling_recount(MeterTiling *tiling, TimestampTz *quarters, int n);
extern void meter_tiling_keep(MeterTiling *tiling, TimestampTz from, TimestampTz to);

/* The window that holds the quarter hour from t whole, or -1; also where the
 * quarter is read from raw events. */
extern int	meter_tiling_quarter(const MeterTiling *tiling, TimestampTz t);

/* The window that holds t, or -1. */
extern int	meter_tiling_find(const MeterTiling *tiling, TimestampTz t);

/* ---- usage_groups.c: series into groups ---- */

typedef struct MeterGroup
{
	MeterText	subject;
	MeterText	currency;
	MeterText	dimensions;
	int			order;			/* among the sorted groups */
} MeterGroup;

typedef struct MeterGroups
{
	const MeterUsageRequest *request;
	int			ngroups;
	MeterGroup *groups;
	int			size;
	struct HTAB *index;			/* by content */
	struct HTAB *owners;		/* of subjects, where they are grouped by */
	MemoryContext context;
} MeterGroups;

extern void meter_groups_begin(MeterGroups *groups, const MeterUsageRequest *request);

/* Does the request's filter let the series through? */
extern bool meter_usage_passes_filter(const MeterUsageRequest *request, const MeterSeries *series);

/* Look up the owners of the series' subjects, all at once. */
extern void meter_groups_prepare(MeterGroups *groups, const MeterSeries *list, int n);

/* The group a series belongs to, or -1 where the filter leaves it out. */
extern int	meter_groups_find(MeterGroups *groups, const MeterSeries *series);

/* Give every group its place in the order of rows. */
extern int *meter_groups_sort(MeterGroups *groups);

#endif							/* METER_ENGINE_USAGE_H */
