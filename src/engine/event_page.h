/*
 * event_page.h
 *		Pages of events: what a row of the event store holds.
 */
#ifndef METER_ENGINE_EVENT_PAGE_H
#define METER_ENGINE_EVENT_PAGE_H

#include "engine/store.h"

#include "lib/stringinfo.h"

/* A page is closed when it is as large; compressed, it then fits a heap page. */
#define METER_EVENT_PAGE_BYTES 14000

/* Where a walk over a page stands; begins zeroed but for rest. */
typedef struct MeterEventCursor
{
	MeterText	rest;
	TimestampTz time;
	int64		seq;
} MeterEventCursor;

/* Append an event; *cursor follows, and begins zeroed with each page. */
extern void meter_event_page_put(StringInfo buf, MeterEventCursor *cursor, const MeterEventRow *row);

/* The next event of a page, all but its type; the texts point into the page. */
extern bool meter_event_page_next(MeterEventCursor *cursor, MeterEventRow *row);

/* Take the next number off an event's versions; false where there is none. */
extern bool meter_event_next_version(MeterText *rest, int32 *version_id);

#endif							/* METER_ENGINE_EVENT_PAGE_H */
