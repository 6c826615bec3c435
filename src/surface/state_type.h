/*
 * state_type.h
 *		The SQL type meter.usage_state, for the C functions that take or give
 *		one.
 */
#ifndef METER_SURFACE_STATE_TYPE_H
#define METER_SURFACE_STATE_TYPE_H

#include "compat.h"

#include "fmgr.h"

#include "values/state.h"

/* A value of the type, palloc'd in the current memory context. */
extern bytea *meter_usage_state_make(const MeterState *state);

/* A detoasted value (a short header will do) as a state in context. */
extern MeterState *meter_usage_state_open(bytea *value, MemoryContext context);

#endif							/* METER_SURFACE_STATE_TYPE_H */
