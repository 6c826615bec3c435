/*
 * cells.h
 *		What a rollup row holds: usage states by version, profile and quarter
 *		of an hour, packed one after the other in that order.
 */
#ifndef METER_ENGINE_CELLS_H
#define METER_ENGINE_CELLS_H

#include "engine/store.h"
#include "values/state.h"

typedef struct MeterCell
{
	int32		version_id;
	uint8		profile;
	uint8		quarter;		/* 0 .. 3 */
	const char *state;			/* as meter_state_pack wrote it */
	int			len;
} MeterCell;

extern void meter_cell_append(StringInfo buf, int32 version_id, uint8 profile,
							  uint8 quarter, const MeterState *state);

/* The cells of both, those of the same version, profile and quarter merged;
 * palloc'd. */
extern MeterText meter_cells_merge(MeterText a, MeterText b);

/* The next cell; false at the end.  Raises XX001 on bytes that are no cells. */
extern bool meter_cell_next(MeterText *rest, MeterCell *cell);

#endif							/* METER_ENGINE_CELLS_H */
