/*
 * report.h
 *		What functions that report usage as one event share.
 */
#ifndef METER_SURFACE_REPORT_H
#define METER_SURFACE_REPORT_H

#include "engine/ingest.h"

#include "fmgr.h"

/*
 * Where a reported value goes: to where the version reads it, NULL for nowhere.
 * calculated: that is not the value yet.  False and *err where a report cannot
 * give it.
 */
extern bool meter_report_value_path(const MeterPlan *plan, MeterPath **path, bool *calculated,
									MeterError *err);

/* meter.report_usage(organization_id, report, idempotency_key) */
extern PGDLLEXPORT Datum meter_report_usage(PG_FUNCTION_ARGS);

/* What became of the one event. */
typedef struct MeterReported
{
	MemoryContext context;		/* set before: holds the error */
	MeterStatus status;
	int64		seq;
	MeterError *error;
} MeterReported;

/* Keep the one event's status: a MeterIngestEmit, arg a MeterReported. */
extern void meter_report_keep(void *arg, const MeterEvent *event);

/* Raise an error where it was not counted.  That takes the kept rejection back
 * too: the caller has it instead. */
extern void meter_report_require(const MeterReported *reported, const char *what);

#endif							/* METER_SURFACE_REPORT_H */
