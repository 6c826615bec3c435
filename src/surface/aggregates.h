/*
 * aggregates.h
 *		What the aggregates' files share.
 */
#ifndef METER_SURFACE_AGGREGATES_H
#define METER_SURFACE_AGGREGATES_H

#include "compat.h"

#include "fmgr.h"
#include "mb/pg_wchar.h"

#include "values/state.h"

extern MemoryContext meter_aggregate_context(FunctionCallInfo fcinfo);

/* A numeric argument as a decimal; NaN, infinities and numbers out of range
 * are an error that begins with what. */
extern void meter_aggregate_value(FunctionCallInfo fcinfo, int arg, const char *what,
								  MeterDecimal *value);

/* Name to function; 22023 for an unknown one. */
extern MeterFunction meter_function_parse_or_throw(const char *name, int len);

/* "delta" or "gauge"; 22023 for anything else. */
extern MeterWeightMode meter_weight_mode_parse(const char *name, int len);

#endif							/* METER_SURFACE_AGGREGATES_H */
