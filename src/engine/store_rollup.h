/*
 * store_rollup.h
 *		What the files of the rollup store share.
 */
#ifndef METER_ENGINE_STORE_ROLLUP_H
#define METER_ENGINE_STORE_ROLLUP_H

#include "engine/store.h"

/* Pages of this level are merged no more, but for those not full yet. */
#define METER_ROLLUP_LAST_LEVEL 3

/* Append sorted entries as pages of a level. */
extern void meter_rollup_append(const pg_uuid_t *organization, int level,
								const MeterRollupDelta *list, int n);

#endif							/* METER_ENGINE_STORE_ROLLUP_H */
