/*
 * formula.h
 *		An expression of a definition, bound to what its names stand for.
 */
#ifndef METER_DEFINITIONS_FORMULA_H
#define METER_DEFINITIONS_FORMULA_H

#include "compat.h"

#include "values/expression.h"
#include "values/json.h"
#include "values/text.h"

typedef enum MeterBindingKind
{
	METER_BINDING_FIELD,		/* a member of the event's data */
	METER_BINDING_CONSTANT,		/* a custom field: known with the definition */
	METER_BINDING_TIME			/* the event's time */
} MeterBindingKind;

/* What a name stands for. */
typedef struct MeterBinding
{
	const char *name;
	MeterBindingKind kind;
	MeterValueType type;		/* what a field is declared; METER_VALUE_NULL:
								 * whatever it is */
	MeterValue	constant;
	MeterText	constant_text;	/* as the definition has it, JSON */
} MeterBinding;

/* The names that may be used. */
typedef struct MeterScope
{
	int			n;
	int			size;
	MeterBinding *bindings;
	bool		open;			/* any other name is a path into the data */
} MeterScope;

typedef struct MeterFormula
{
	const char *text;
	MeterExpression *expression;
	MeterValueType type;		/* of the result, where it is known */
	MeterBinding *bindings;		/* by the expression's numbers of names */
	int			nbindings;
} MeterFormula;

extern void meter_scope_add(MeterScope *scope, const MeterBinding *binding);

/* Compile in the current memory context; NULL with *err, which has the
 * character's position. */
extern MeterFormula *meter_formula_compile(const char *text, const MeterScope *scope, MeterError *err);

/* Calculate for an event whose data is at node. */
extern bool meter_formula_evaluate(const MeterFormula *formula, const MeterJson *doc, int node,
								   TimestampTz time, MeterValue *out, MeterError *err);

/* A result as a number; a numeric text is one. */
extern bool meter_formula_number(const MeterValue *value, MeterDecimal *out, MeterError *err);

#endif							/* METER_DEFINITIONS_FORMULA_H */
