/*
 * supplements.h
 *		Which versions counted an event, and where.
 */
#ifndef METER_ENGINE_SUPPLEMENTS_H
#define METER_ENGINE_SUPPLEMENTS_H

#include "engine/store.h"

/* The first of an event's versions that is among these, or 0. */
extern int32 meter_event_counted_by(MeterText versions, const int32 *list, int n);

/* Which of these events does one of these versions count by a supplement?
 * Sorted and palloc'd; returns how many. */
extern int	meter_event_counted_elsewhere(const pg_uuid_t *organization, MeterText type,
										  const int32 *versions, int nversions,
										  const int64 *seqs, int n, int64 **list);

/* Is it in a sorted list? */
extern bool meter_seq_listed(const int64 *list, int n, int64 seq);

#endif							/* METER_ENGINE_SUPPLEMENTS_H */
