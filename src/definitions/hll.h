/*
 * hll.h
 *		The extension hll, which approximate unique counts need.
 */
#ifndef METER_DEFINITIONS_HLL_H
#define METER_DEFINITIONS_HLL_H

#include "compat.h"

/* Raise 0A000 where the database does not have the extension. */
extern void meter_hll_require(void);

#endif							/* METER_DEFINITIONS_HLL_H */
