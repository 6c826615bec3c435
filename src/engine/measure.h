/*
 * measure.h
 *		What one event is to one meter version.
 */
#ifndef METER_ENGINE_MEASURE_H
#define METER_ENGINE_MEASURE_H

#include "definitions/plan.h"
#include "engine/store.h"

typedef enum MeterVerdict
{
	METER_COUNTED,
	METER_FILTERED,				/* the filter leaves it out */
	METER_REJECTED				/* it should count and cannot: see the error */
} MeterVerdict;

/* What measuring reads of an event. */
typedef struct MeterInput
{
	const MeterJson *doc;
	int			data;			/* node of its data */
	TimestampTz time;
	MeterText	subject;
} MeterInput;

/* What one profile takes of an event; the text lives in the document or the
 * current memory context. */
typedef struct MeterMeasure
{
	int			profile;
	MeterDecimal value;			/* where the function takes one */
	MeterText	unique_key;		/* unique_count */
} MeterMeasure;

/* data is -1 for an event that has none, which is measured as {}. */
extern MeterInput meter_measure_input(const MeterJson *doc, int data, TimestampTz time, MeterText subject);

/* Is the event what the plan asks of every event: its schema, its data fields? */
extern bool meter_measure_check(const MeterPlan *plan, const MeterInput *input, MeterError *err);

/*
 * Add the plan's derived fields to the data.  What input shows then is in
 * scratch, a document to be used again for the next event, and in the current
 * memory context.
 */
extern bool meter_measure_derive(const MeterPlan *plan, MeterInput *input, MeterJson *scratch,
								 MeterError *err);

/* Say in *err whose calculation failed; what is "derived field ..." or the like. */
extern bool meter_measure_formula_error(const MeterPlan *plan, const char *what, MeterError *err);

/* Measure the event for one profile of the plan. */
extern MeterVerdict meter_measure(const MeterPlan *plan, int profile, const MeterInput *input,
								  MeterMeasure *out, MeterError *err);

/* The key by which a plan with a dedup_path counts the event only once. */
extern bool meter_measure_dedup_key(const MeterPlan *plan, const MeterInput *input,
									MeterText *out, MeterError *err);

/* The series the event belongs to in the plan's stream, all but its number. */
extern bool meter_measure_series(const MeterPlan *plan, const MeterInput *input,
								 MeterSeries *out, MeterError *err);

/* What is given to a profile's state for a measured event. */
extern MeterSample meter_measure_sample(const MeterProfile *profile, const MeterMeasure *measure,
										TimestampTz time, int64 seq);

#endif							/* METER_ENGINE_MEASURE_H */
