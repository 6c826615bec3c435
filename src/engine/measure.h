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

/* An event's contribution; the texts live in the document or the current
 * memory context. */
typedef struct MeterMeasure
{
	MeterDecimal value;			/* where the function takes one */
	MeterText	unique_key;		/* unique_count */
	MeterText	dedup_key;		/* where the version has a dedup_key_path */
} MeterMeasure;

/* Measure the event whose data is at node; -1 where it has none. */
extern MeterVerdict meter_measure(const MeterPlan *plan, const MeterJson *doc, int data,
								  MeterMeasure *out, MeterError *err);

/* The series the event belongs to in the plan's stream, all but its number. */
extern bool meter_measure_series(const MeterPlan *plan, const MeterJson *doc, int data,
								 MeterText subject, MeterSeries *out, MeterError *err);

/* What is given to a state for a measured event. */
extern MeterSample meter_measure_sample(const MeterPlan *plan, const MeterMeasure *measure,
										TimestampTz time, int64 seq);

#endif							/* METER_ENGINE_MEASURE_H */
