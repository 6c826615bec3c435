/*
 * expression_operator.c
 *		What the machine's operators do to values.
 *
 * Null: an operator with a null operand gives null, without a look at its
 * other operand; the exceptions are below.  Numeric texts are numbers where a
 * number is asked for, as everywhere in meter; which operator "+" is was
 * decided when the expression was compiled.  Results take the place of the
 * first operand.
 */
#include "values/expression_private.h"

#include "mb/pg_wchar.h"

/* How much of a refused text is shown. */
#define SHOWN_BYTES 40

/* Complain about a value, showing a text's beginning. */
static bool
wrong_type(MeterEvaluation *ev, int position, const MeterValue *value, MeterValueType wanted)
{
	if (value->type == METER_VALUE_TEXT)
		return meter_expression_error(ev->err, position, "TYPE_MISMATCH",
									  "expected %s, not the text \"%.*s\"",
									  meter_expression_type_name(wanted),
									  pg_mbcliplen(value->u.text.data, value->u.text.len,
												   SHOWN_BYTES),
									  value->u.text.data);
	return meter_expression_error(ev->err, position, "TYPE_MISMATCH", "expected %s, not %s",
								  meter_expression_type_name(wanted),
								  meter_expression_type_name(value->type));
}

/* Make a value one of this type, or null; texts may hold numbers and times. */
bool
meter_expression_coerce(MeterEvaluation *ev, int position, MeterValue *value,
						MeterValueType type)
{
	if (value->type == type || value->type == METER_VALUE_NULL)
		return true;
	if (value->type == METER_VALUE_TEXT && type == METER_VALUE_NUMBER)
	{
		MeterDecimal number;
		MeterError	ignored;

		if (meter_decimal_from_text(value->u.text.data, value->u.text.len, &number, &ignored))
		{
			value->type = METER_VALUE_NUMBER;
			value->u.number = number;
			return true;
		}
	}
	else if (value->type == METER_VALUE_TEXT && type == METER_VALUE_TIME)
	{
		TimestampTz time;

		if (!meter_time_parse(value->u.text.data, value->u.text.len, &time, ev->err))
		{
			ev->err->position = position;
			return false;
		}
		value->type = METER_VALUE_TIME;
		value->u.time = time;
		return true;
	}
	return wrong_type(ev, position, value, type);
}

/* Two numbers, or a null among them; *null tells which. */
static inline bool
take_numbers(MeterEvaluation *ev, const MeterInstruction *in, MeterValue *a, MeterValue *b,
			 bool *null)
{
	*null = false;
	if (likely(a->type == METER_VALUE_NUMBER && b->type == METER_VALUE_NUMBER))
		return true;
	if (a->type == METER_VALUE_NULL || b->type == METER_VALUE_NULL)
	{
		meter_set_null(a);
		*null = true;
		return true;
	}
	return meter_expression_coerce(ev, in->position, a, METER_VALUE_NUMBER) &&
		meter_expression_coerce(ev, in->position, b, METER_VALUE_NUMBER);
}

/* Arithmetic of two numbers, or the seconds between two times, into *a. */
static bool
arithmetic(MeterEvaluation *ev, const MeterInstruction *in, MeterValue *a, MeterValue *b)
{
	MeterDecimal *x = &a->u.number;
	MeterDecimal *y = &b->u.number;
	bool		null;
	bool		ok = true;

	if (in->op == METER_OP_SUBTRACT &&
		(a->type == METER_VALUE_TIME || b->type == METER_VALUE_TIME) &&
		a->type != METER_VALUE_NULL && b->type != METER_VALUE_NULL)
	{
		if (!meter_expression_coerce(ev, in->position, a, METER_VALUE_TIME) ||
			!meter_expression_coerce(ev, in->position, b, METER_VALUE_TIME))
			return false;
		a->type = METER_VALUE_NUMBER;
		meter_time_difference(a->u.time, b->u.time, x);
		return true;
	}
	if (!take_numbers(ev, in, a, b, &null))
		return false;
	if (null)
		return true;

	switch (in->op)
	{
		case METER_OP_ADD:
			meter_decimal_add(x, y, x);
			break;
		case METER_OP_SUBTRACT:
			meter_decimal_sub(x, y, x);
			break;
		case METER_OP_MULTIPLY:
			meter_decimal_mul(x, y, x);
			break;
		case METER_OP_DIVIDE:
			ok = meter_number_divide(x, y, x, ev->err);
			break;
		case METER_OP_MODULO:
			ok = meter_number_modulo(x, y, x, ev->err);
			break;
		default:
			ok = meter_number_power(x, y, x, ev->err);
			break;
	}
	if (unlikely(!ok || (x->big && !meter_number_limit(x, ev->err))))
	{
		ev->err->position = in->position;
		return false;
	}
	return true;
}

/* Compare two values that are not null: *cmp < 0, 0 or > 0. */
static bool
compare(MeterEvaluation *ev, const MeterInstruction *in, MeterValue *a, MeterValue *b, int *cmp)
{
	if (unlikely(a->type != b->type))
	{
		MeterValueType type = a->type == METER_VALUE_TEXT ? b->type : a->type;

		if (type != METER_VALUE_NUMBER && type != METER_VALUE_TIME)
			type = METER_VALUE_NULL;
		if (type == METER_VALUE_NULL ||
			(a->type != type && a->type != METER_VALUE_TEXT) ||
			(b->type != type && b->type != METER_VALUE_TEXT))
			return meter_expression_error(ev->err, in->position, "TYPE_MISMATCH",
										  "cannot compare %s with %s",
										  meter_expression_type_name(a->type),
										  meter_expression_type_name(b->type));
		if (!meter_expression_coerce(ev, in->position, a, type) ||
			!meter_expression_coerce(ev, in->position, b, type))
			return false;
	}
	switch (a->type)
	{
		case METER_VALUE_NUMBER:
			*cmp = meter_decimal_cmp(&a->u.number, &b->u.number);
			return true;
		case METER_VALUE_TEXT:
			*cmp = memcmp(a->u.text.data, b->u.text.data, Min(a->u.text.len, b->u.text.len));
			if (*cmp == 0)
				*cmp = a->u.text.len - b->u.text.len;
			return true;
		case METER_VALUE_TIME:
			*cmp = (a->u.time > b->u.time) - (a->u.time < b->u.time);
			return true;
		default:
			if (in->op >= METER_OP_LT && in->op <= METER_OP_GE)
				return meter_expression_error(ev->err, in->position, "TYPE_MISMATCH",
											  "booleans have no order: expected = or !=");
			*cmp = a->u.boolean - b->u.boolean;
			return true;
	}
}

/* A comparison's answer, or null, into *a. */
static bool
compare_values(MeterEvaluation *ev, const MeterInstruction *in, MeterValue *a, MeterValue *b)
{
	int			cmp;

	if (a->type == METER_VALUE_NULL || b->type == METER_VALUE_NULL)
	{
		meter_set_null(a);
		return true;
	}
	if (!compare(ev, in, a, b, &cmp))
		return false;
	switch (in->op)
	{
		case METER_OP_EQ:
			meter_set_boolean(a, cmp == 0);
			break;
		case METER_OP_NE:
			meter_set_boolean(a, cmp != 0);
			break;
		case METER_OP_LT:
			meter_set_boolean(a, cmp < 0);
			break;
		case METER_OP_LE:
			meter_set_boolean(a, cmp <= 0);
			break;
		case METER_OP_GT:
			meter_set_boolean(a, cmp > 0);
			break;
		default:
			meter_set_boolean(a, cmp >= 0);
			break;
	}
	return true;
}

/* Is args[0] among the others?  As SQL has it: null where only a null could be. */
bool
meter_operator_in(MeterEvaluation *ev, const MeterInstruction *in, MeterValue *args)
{
	bool		unknown = false;

	if (args[0].type == METER_VALUE_NULL)
		return true;
	for (int i = 1; i < in->nargs; i++)
	{
		MeterValue	x = args[0];	/* comparing may make a number of a text */
		int			cmp;

		if (args[i].type == METER_VALUE_NULL)
		{
			unknown = true;
			continue;
		}
		if (!compare(ev, in, &x, &args[i], &cmp))
			return false;
		if (cmp == 0)
		{
			meter_set_boolean(&args[0], true);
			return true;
		}
	}
	if (unknown)
		meter_set_null(&args[0]);
	else
		meter_set_boolean(&args[0], false);
	return true;
}

/* null where the two are equal, the first one otherwise. */
static bool
nullif(MeterEvaluation *ev, const MeterInstruction *in, MeterValue *a, MeterValue *b)
{
	MeterValue	x = *a;
	int			cmp;

	if (a->type == METER_VALUE_NULL || b->type == METER_VALUE_NULL)
		return true;
	if (!compare(ev, in, &x, b, &cmp))
		return false;
	if (cmp == 0)
		meter_set_null(a);
	return true;
}

/* The right side decides, unless the left one is null (and it does not). */
static bool
logic(MeterEvaluation *ev, const MeterInstruction *in, MeterValue *a, MeterValue *b)
{
	bool		decides = in->op == METER_OP_OR;

	if (!meter_expression_coerce(ev, in->position, b, METER_VALUE_BOOL))
		return false;
	if (a->type != METER_VALUE_NULL ||
		(b->type == METER_VALUE_BOOL && b->u.boolean == decides))
		*a = *b;
	return true;
}

/* An operator of one value. */
bool
meter_operator_unary(MeterEvaluation *ev, const MeterInstruction *in, MeterValue *a)
{
	switch ((MeterOp) in->op)
	{
		case METER_OP_IS_NULL:
			meter_set_boolean(a, a->type == METER_VALUE_NULL);
			return true;
		case METER_OP_NOT:
			if (!meter_expression_coerce(ev, in->position, a, METER_VALUE_BOOL))
				return false;
			if (a->type == METER_VALUE_BOOL)
				a->u.boolean = !a->u.boolean;
			return true;
		default:
			if (!meter_expression_coerce(ev, in->position, a, METER_VALUE_NUMBER))
				return false;
			if (a->type == METER_VALUE_NUMBER)
				meter_number_negate(&a->u.number);
			return true;
	}
}

/* An operator of two values. */
bool
meter_operator_binary(MeterEvaluation *ev, const MeterInstruction *in, MeterValue *a,
					  MeterValue *b)
{
	switch ((MeterOp) in->op)
	{
		case METER_OP_ADD:
		case METER_OP_SUBTRACT:
		case METER_OP_MULTIPLY:
		case METER_OP_DIVIDE:
		case METER_OP_MODULO:
		case METER_OP_POWER:
			return arithmetic(ev, in, a, b);
		case METER_OP_JOIN:
			return meter_expression_join(ev, in, a);	/* b stands behind a */
		case METER_OP_NULLIF:
			return nullif(ev, in, a, b);
		case METER_OP_AND:
		case METER_OP_OR:
			return logic(ev, in, a, b);
		default:
			return compare_values(ev, in, a, b);
	}
}
