/*
 * expression.h
 *		Calculations over an event's fields: parsed and checked once, then
 *		evaluated without touching the catalog.
 */
#ifndef METER_VALUES_EXPRESSION_H
#define METER_VALUES_EXPRESSION_H

#include "values/value.h"

/* A name the expression may refer to, and what it is known to be. */
typedef struct MeterSymbol
{
	const char *name;
	MeterValueType type;		/* METER_VALUE_NULL: not known, any */
} MeterSymbol;

typedef struct MeterExpression MeterExpression;

/* Gives the value of symbol number index when it is first needed. */
typedef bool (*MeterResolve) (void *arg, int index, MeterValue *out, MeterError *err);

/*
 * Compile text in the current memory context.  Names must be in symbols, or,
 * where nsymbols is -1, are collected as they come (see
 * meter_expression_symbol).  *result is the type it gives, METER_VALUE_NULL
 * where only evaluation tells.  Errors carry the character position.
 */
extern MeterExpression *meter_expression_compile(const char *text, int len,
												 const MeterSymbol *symbols, int nsymbols,
												 MeterValueType *result, MeterError *err);

extern int	meter_expression_nsymbols(const MeterExpression *expression);
extern const char *meter_expression_symbol(const MeterExpression *expression, int index);

/* Evaluate; results live in the current memory context. */
extern bool meter_expression_evaluate(const MeterExpression *expression,
									  MeterResolve resolve, void *arg,
									  MeterValue *out, MeterError *err);

#endif							/* METER_VALUES_EXPRESSION_H */
