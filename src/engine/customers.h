/*
 * customers.h
 *		Whose a subject is, and how its owner is billed.
 *
 * All are called between SPI_connect and SPI_finish.
 */
#ifndef METER_ENGINE_CUSTOMERS_H
#define METER_ENGINE_CUSTOMERS_H

#include "compat.h"

#include "datatype/timestamp.h"
#include "utils/uuid.h"

#include "values/text.h"
#include "values/window.h"

/*
 * Every subject of the customer whose id, code or alias this is, of those that
 * were linked by a time (DT_NOEND for all); of nobody's, itself alone.  Sorted
 * bytewise, palloc'd; reads by the caller's snapshot.
 */
extern int	meter_customer_subjects(const pg_uuid_t *organization, const MeterText *subject,
									TimestampTz linked_by, MeterText **list);

/*
 * What the owner of each subject is called: its code, else its id; no data
 * where nobody owned it by a time (DT_NOEND for now).  read_only: by the
 * caller's snapshot, else by a new one.
 */
extern void meter_customer_names(const pg_uuid_t *organization, const MeterText *subjects, int n,
								 TimestampTz linked_by, bool read_only, MeterText *names);

/* A piece of time, and the windows it is cut into. */
typedef struct MeterPeriod
{
	TimestampTz from;			/* half-open */
	TimestampTz to;
	MeterWindow window;
} MeterPeriod;

/*
 * The billing periods of a subject between two times, as pieces in order that
 * leave nothing out: each subscription's own where there is one (of several the
 * one that started first), rest elsewhere.  Palloc'd.
 */
extern int	meter_customer_periods(const pg_uuid_t *organization, const MeterText *subject,
								   TimestampTz from, TimestampTz to,
								   const MeterWindow *rest, MeterPeriod **list);

/* The billing periods of a subscription, from a row with its anchor, size, count
 * and time zone in that column and the next ones. */
extern MeterWindow meter_subscription_window(uint64 row, int column);

#endif							/* METER_ENGINE_CUSTOMERS_H */
