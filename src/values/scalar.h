/*
 * scalar.h
 *		Scalars of a document: as text, as an expression's value, by name.
 */
#ifndef METER_VALUES_SCALAR_H
#define METER_VALUES_SCALAR_H

#include "compat.h"

#include "values/text.h"
#include "values/value.h"

/*
 * A scalar's one spelling: a string's content, a number without zeros that say
 * nothing (so that 1.0 and 1 are the same), true, false.  Null, an array or an
 * object is refused with code INVALID_TYPE.
 */
extern bool meter_scalar_text(const MeterJson *doc, int node, MeterText *out, MeterError *err);

/* A number's one spelling; palloc'd. */
extern char *meter_scalar_number(const MeterDecimal *number);

/* A scalar as an expression has it; node -1 is null.  An array or an object is
 * refused with code TYPE_MISMATCH. */
extern bool meter_scalar_value(const MeterJson *doc, int node, MeterValue *out, MeterError *err);

/*
 * Where a dotted name leads to from an object, or -1.  A member that is called
 * like all of the name comes before those that its parts lead through.
 */
extern int	meter_scalar_find(const MeterJson *doc, int object, const char *name);

#endif							/* METER_VALUES_SCALAR_H */
