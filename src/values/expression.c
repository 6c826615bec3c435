/*
 * expression.c
 *		The machine that runs compiled expressions.
 *
 * A value is on the stack whole, so that adding two numbers touches no
 * memory but theirs.  The stack's room is known from the code; small ones are
 * on the C stack.
 */
#include "values/expression_private.h"

#include "miscadmin.h"

/* Values on the C stack; more are palloc'd. */
#define SMALL_STACK 24

/* The type of a shared symbol that has not been asked for. */
#define NOT_ASKED ((MeterValueType) (METER_VALUE_TIME + 1))

/* Ask for a symbol's value, which must be what the symbol was declared. */
static bool
load_symbol(MeterEvaluation *ev, const MeterInstruction *in, MeterValue *out)
{
	MeterValueType declared = ev->expression->types[in->arg];

	if (!ev->resolve(ev->arg, in->arg, out, ev->err))
	{
		if (ev->err->position == 0)
			ev->err->position = in->position;
		return false;
	}
	return declared == METER_VALUE_NULL || out->type == declared ||
		meter_expression_coerce(ev, in->position, out, declared);
}

/* Call a function with values of the right types; any null gives null, without
 * a look at the others. */
static bool
call_op(MeterEvaluation *ev, const MeterInstruction *in, MeterValue *args)
{
	const MeterExpressionFunction *function = &meter_expression_functions[in->function];

	CHECK_FOR_INTERRUPTS();
	for (int i = 0; i < in->nargs; i++)
	{
		if (args[i].type == METER_VALUE_NULL)
		{
			meter_set_null(&args[0]);
			return true;
		}
	}
	for (int i = 0; i < in->nargs; i++)
	{
		MeterValueType type;

		switch (meter_expression_param(function, i))
		{
			case 'n':
				type = METER_VALUE_NUMBER;
				break;
			case 'T':
				type = METER_VALUE_TIME;
				break;
			case 'a':
				continue;
			default:
				type = METER_VALUE_TEXT;
				break;
		}
		if (args[i].type != type &&
			!meter_expression_coerce(ev, in->position, &args[i], type))
			return false;
	}
	if (function->call(ev, in, args))
		return true;
	ev->err->position = in->position;
	return false;
}

/* Should this jump be taken?  *pop: does it take the value from the stack? */
static bool
jump_op(MeterEvaluation *ev, const MeterInstruction *in, MeterValue *top, bool *taken, bool *pop)
{
	*pop = in->op == METER_OP_JUMP_UNLESS;
	if (in->op == METER_OP_JUMP_IF_VALUE)
	{
		*taken = top->type != METER_VALUE_NULL;
		*pop = !*taken;
		return true;
	}
	if (!meter_expression_coerce(ev, in->position, top, METER_VALUE_BOOL))
		return false;
	if (in->op == METER_OP_JUMP_UNLESS)
		*taken = top->type == METER_VALUE_NULL || !top->u.boolean;
	else
		*taken = top->type == METER_VALUE_BOOL &&
			top->u.boolean == (in->op == METER_OP_JUMP_IF_TRUE);
	return true;
}

/* The loop; slots are for shared symbols, the stack begins at next. */
static bool
run(MeterEvaluation *ev, const MeterInstruction *in, const MeterInstruction *end,
	MeterValue *slots, MeterValue *next)
{
	bool		taken,
				pop;

	for (; in < end; in++)
	{
		switch ((MeterOp) in->op)
		{
			case METER_OP_CONSTANT:
				*next++ = ev->expression->constants[in->arg];
				break;
			case METER_OP_SYMBOL:
				if (!load_symbol(ev, in, next++))
					return false;
				break;
			case METER_OP_SHARED:
				if (slots[in->nargs].type == NOT_ASKED && !load_symbol(ev, in, &slots[in->nargs]))
					return false;
				*next++ = slots[in->nargs];
				break;
			case METER_OP_NEGATE:
			case METER_OP_NOT:
			case METER_OP_IS_NULL:
				if (!meter_operator_unary(ev, in, &next[-1]))
					return false;
				break;
			case METER_OP_IN:
				next -= in->nargs - 1;
				if (!meter_operator_in(ev, in, &next[-1]))
					return false;
				break;
			case METER_OP_CALL:
				next -= in->nargs - 1;
				if (!call_op(ev, in, &next[-1]))
					return false;
				break;
			case METER_OP_JUMP:
				in += in->arg;
				break;
			case METER_OP_JUMP_UNLESS:
			case METER_OP_JUMP_IF_FALSE:
			case METER_OP_JUMP_IF_TRUE:
			case METER_OP_JUMP_IF_VALUE:
				if (!jump_op(ev, in, &next[-1], &taken, &pop))
					return false;
				if (pop)
					next--;
				if (taken)
					in += in->arg;
				break;
			default:
				next--;
				if (!meter_operator_binary(ev, in, &next[-1], next))
					return false;
				break;
		}
	}
	return true;
}

/* Run code that leaves one value. */
bool
meter_expression_run(MeterEvaluation *ev, const MeterInstruction *code, int ncode, int depth,
					 MeterValue *out)
{
	int			nshared = ev->expression->nshared;
	MeterValue	small[SMALL_STACK];
	MeterValue *slots = small;
	bool		ok;

	if (nshared + depth > SMALL_STACK)
		slots = palloc((nshared + depth) * sizeof(MeterValue));
	for (int i = 0; i < nshared; i++)
		slots[i].type = NOT_ASKED;
	ok = run(ev, code, code + ncode, slots, slots + nshared);
	if (ok)
		*out = slots[nshared];
	if (slots != small)
		pfree(slots);
	return ok;
}

/* Evaluate; see expression.h. */
bool
meter_expression_evaluate(const MeterExpression *expression, MeterResolve resolve, void *arg,
						  MeterValue *out, MeterError *err)
{
	MeterEvaluation ev = {
		.expression = expression, .resolve = resolve, .arg = arg, .err = err
	};

	return meter_expression_run(&ev, expression->code, expression->ncode, expression->depth, out);
}
