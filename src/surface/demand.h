/*
 * demand.h
 *		What somebody is about to use, as the event that would say so.
 */
#ifndef METER_SURFACE_DEMAND_H
#define METER_SURFACE_DEMAND_H

#include "engine/threshold.h"

#include "utils/numeric.h"

typedef struct MeterDemand
{
	const MeterEntry *meter;
	const MeterPlan *plan;
	TimestampTz time;
	MeterText	subject;		/* no data for none */
	MeterJson  *dimensions;		/* an object: values by the dimensions' names */
	MeterText	currency;		/* no data for none */
	Numeric		quantity;
} MeterDemand;

/* Raise 22023 where the dimensions or the currency are none of the meter's. */
extern void meter_demand_check(const MeterDemand *demand);

/* The series it would be in.  It must have been checked. */
extern MeterSeries meter_demand_series(const MeterDemand *demand);

/* What the version's own profile would take of it, whatever its filter, schema
 * and keys would say.  Raises 22023 for a quantity that cannot be, 0A000 where
 * the version calculates it from what is not known yet. */
extern MeterMeasure meter_demand_measure(const MeterDemand *demand);

/* It as an event with that idempotency key; palloc'd. */
extern MeterText meter_demand_event(const MeterDemand *demand, const char *key);

/* Raise 22023 where that event would not be counted in that series. */
extern void meter_demand_require_counted(const MeterDemand *demand, const MeterSeries *series);

#endif							/* METER_SURFACE_DEMAND_H */
