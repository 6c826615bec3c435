/*
 * sketch.h
 *		What approximate unique counts need of the extension hll.
 *
 * A sketch is the bytes of an hll value.  Only hll's own functions know what to
 * do with them, and finding these takes the catalog, which this layer does not
 * look at: so whoever can fills in the table.
 */
#ifndef METER_VALUES_SKETCH_H
#define METER_VALUES_SKETCH_H

#include "compat.h"

/*
 * The shape of every sketch: 2^14 registers of 5 bits, for a standard error of
 * 1.04 / sqrt(2^14), 0.8 %.  The hashes themselves are kept as long as they
 * take no more room than the registers, 10 kB.
 */
#define METER_SKETCH_LOG2M 14
#define METER_SKETCH_REGWIDTH 5

/*
 * Results are new, in the current memory context.  Each raises 0A000 where the
 * extension is not there, and hll's own error for bytes that are no hll value.
 */
typedef struct MeterSketchMethods
{
	bytea	   *(*add) (bytea *sketch, const char *key, int len);	/* NULL: an empty one */
	bytea	   *(*merge) (bytea *a, bytea *b);
	double		(*cardinality) (bytea *sketch);
} MeterSketchMethods;

extern const MeterSketchMethods *meter_sketch_methods;

#endif							/* METER_VALUES_SKETCH_H */
