/*
 * usage_pinned.h
 *		What the files share that measure usage by one version, whichever versions
 *		counted it.
 */
#ifndef METER_ENGINE_USAGE_PINNED_H
#define METER_ENGINE_USAGE_PINNED_H

#include "engine/usage_private.h"

/* An event and what a version makes of it. */
typedef struct MeterPinnedEvent
{
	MeterJson	doc;
	MeterJson	derived;
	MeterInput	input;
	MeterText	key;			/* where the version has a dedup_path */
} MeterPinnedEvent;

/* Would the version count the event?  Begins with a zeroed *event; all in it is
 * in the current memory context. */
extern bool meter_pinned_counts(const MeterPlan *plan, const MeterEventRow *row, MeterPinnedEvent *event);

/* The key of an event that the version would count. */
typedef struct MeterPinnedKey
{
	MeterText	key;
	int64		seq;
	bool		counted;		/* the meter counted it there, */
	bool		judged;			/* ... by that version, as it came */
} MeterPinnedKey;

/*
 * Which of these events are duplicates by the version: of the events with a key
 * one counts.  Sorts the keys; the events are put into *list, which has room for
 * them; returns how many.
 */
extern int	meter_pinned_duplicates(const MeterUsage *usage, MeterText type,
									MeterPinnedKey *keys, int nkeys, int64 *list);

/* Was an event in its place counted by the version, as it came? */
extern bool meter_pinned_judged(const MeterUsage *usage, const MeterEventRow *row);

#endif							/* METER_ENGINE_USAGE_PINNED_H */
