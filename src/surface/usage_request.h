/*
 * usage_request.h
 *		Arguments that functions about usage share.
 */
#ifndef METER_SURFACE_USAGE_REQUEST_H
#define METER_SURFACE_USAGE_REQUEST_H

#include "engine/usage.h"

#include "fmgr.h"

/* Arguments 0 to 4: organization_id, meter, period_from, period_to, subject;
 * *subject holds the latter. */
extern void meter_request_read(FunctionCallInfo fcinfo, MeterUsageRequest *request, MeterText *subject);

/* An argument that is a filter tree over dimensions and subject, or null. */
extern void meter_request_filter(FunctionCallInfo fcinfo, int argument, MeterUsageRequest *request);

/* An argument that is a profile's code, or null for the definition's own. */
extern void meter_request_profile(FunctionCallInfo fcinfo, int argument, MeterUsageRequest *request);

/* An argument that is a time of the past whose knowledge is asked for, or null;
 * a time to come is as null. */
extern void meter_request_as_of(FunctionCallInfo fcinfo, int argument, MeterUsageRequest *request);

/* Raise 22023 for an argument. */
extern void meter_request_invalid(const char *argument, const char *message) pg_attribute_noreturn();

#endif							/* METER_SURFACE_USAGE_REQUEST_H */
