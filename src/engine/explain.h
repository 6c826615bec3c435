/*
 * explain.h
 *		The events behind a number.
 */
#ifndef METER_ENGINE_EXPLAIN_H
#define METER_ENGINE_EXPLAIN_H

#include "engine/usage.h"

typedef struct MeterExplainRequest
{
	MeterUsageRequest usage;	/* what the number is; windows and groups do
								 * not matter */
	bool		has_after;		/* only what comes after this event */
	TimestampTz after_time;
	int64		after_seq;
	int			limit;			/* so many at most */
} MeterExplainRequest;

typedef struct MeterExplainRow
{
	MeterEventRow event;		/* subject: as the version saw it */
	MeterText	dimensions;
	MeterText	currency;
	int			version;
	Numeric		value;			/* what it adds; NULL where keys are counted */
	MeterText	unique_key;
} MeterExplainRow;

typedef void (*MeterExplainEmit) (void *arg, const MeterExplainRow *row);

/* Emit the first events in order of time and arrival; between SPI_connect and
 * SPI_finish, by the caller's snapshot. */
extern void meter_explain(const MeterExplainRequest *request, MeterExplainEmit emit, void *arg);

#endif							/* METER_ENGINE_EXPLAIN_H */
