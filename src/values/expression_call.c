/*
 * expression_call.c
 *		The grammar of expressions: calls, and the branches of a condition.
 *
 * Most functions are called with all their arguments computed.  if, coalesce
 * and isnull are code with jumps, so that what is not needed does not run;
 * in and nullif have instructions of their own because null is not simply
 * passed on.
 */
#include "values/expression_private.h"

#include "mb/pg_wchar.h"

/* Complain about how many arguments there are. */
static bool
wrong_count(MeterCompiler *c, const MeterExpressionFunction *function, int position)
{
	char		count[32];

	if (function->max_args == function->min_args)
		snprintf(count, sizeof(count), "%d argument%s", function->min_args,
				 function->min_args == 1 ? "" : "s");
	else if (function->max_args == METER_EXPRESSION_MAX_ARGS)
		snprintf(count, sizeof(count), "%d to %d arguments", function->min_args,
				 function->max_args);
	else
		snprintf(count, sizeof(count), "%d or %d arguments", function->min_args,
				 function->max_args);
	return meter_expression_error(c->err, position, "WRONG_ARGUMENT_COUNT",
								  "%s expects %s", function->name, count);
}

/*
 * The two branches after a condition, between them the operator that
 * separates them; *out is the condition and then the whole.
 */
bool
meter_compiler_branches(MeterCompiler *c, const char *separator, const char *expected,
						MeterOperand *out)
{
	MeterOperand yes,
				no;
	int			to_no,
				to_end;

	if (!meter_compiler_require(c, out, METER_VALUE_BOOL, "a condition"))
		return false;
	to_no = c->out.ncode;
	if (!meter_compiler_emit(c, METER_OP_JUMP_UNLESS, 0, 0, out->position) ||
		!meter_compiler_expression(c, &yes) ||
		!meter_compiler_expect(c, separator, expected))
		return false;
	to_end = c->out.ncode;
	if (!meter_compiler_emit(c, METER_OP_JUMP, 0, 0, yes.position))
		return false;
	meter_compiler_land(c, to_no);
	if (!meter_compiler_expression(c, &no))
		return false;
	meter_compiler_land(c, to_end);

	yes.start = out->start;
	yes.constant = yes.constant && out->constant;
	if (!meter_compiler_unite(c, &yes, &no))
		return false;
	yes.position = out->position;
	*out = yes;
	return meter_compiler_fold(c, out);
}

/* if(condition, then, else), from behind the parenthesis. */
static bool
parse_if(MeterCompiler *c, MeterOperand *out)
{
	return meter_compiler_expression(c, out) &&
		meter_compiler_expect(c, ",", "a comma and the value for true") &&
		meter_compiler_branches(c, ",", "a comma and the value for false", out);
}

/* coalesce(a, ...): each value is computed only if those before it are null. */
static bool
parse_coalesce(MeterCompiler *c, const MeterExpressionFunction *function, int *nargs,
			   MeterOperand *out)
{
	int			jumps[METER_EXPRESSION_MAX_ARGS];

	if (!meter_compiler_expression(c, out))
		return false;
	for (*nargs = 1; *nargs < function->max_args && meter_compiler_at(c, ","); (*nargs)++)
	{
		MeterOperand next;

		jumps[*nargs] = c->out.ncode;
		if (!meter_compiler_advance(c) ||
			!meter_compiler_emit(c, METER_OP_JUMP_IF_VALUE, 0, 0, out->position) ||
			!meter_compiler_expression(c, &next) ||
			!meter_compiler_unite(c, out, &next))
			return false;
	}
	for (int i = 1; i < *nargs; i++)
		meter_compiler_land(c, jumps[i]);
	return true;
}

/* in(x, a, ...) and nullif(x, a): the arguments must be comparable. */
static bool
parse_comparables(MeterCompiler *c, const MeterExpressionFunction *function, int position,
				  int *nargs, MeterOperand *out)
{
	bool		constant;

	if (!meter_compiler_expression(c, out))
		return false;
	constant = out->constant;
	for (*nargs = 1; *nargs < function->max_args && meter_compiler_at(c, ","); (*nargs)++)
	{
		MeterOperand argument;

		if (!meter_compiler_advance(c) || !meter_compiler_expression(c, &argument) ||
			!meter_compiler_comparable(c, METER_OP_EQ, out, &argument, argument.position))
			return false;
		constant = constant && argument.constant;
	}
	if (*nargs < function->min_args)
		return true;			/* the caller complains */

	out->constant = constant;
	if (function->form == METER_FORM_NULLIF)
		return meter_compiler_emit(c, METER_OP_NULLIF, 2, 0, position);
	out->type = METER_VALUE_BOOL;
	out->null = false;
	return meter_compiler_emit(c, METER_OP_IN, *nargs, 0, position);
}

/* Arguments that are all computed, and then the call. */
static bool
parse_arguments(MeterCompiler *c, int index, int position, int *nargs, MeterOperand *out)
{
	const MeterExpressionFunction *function = &meter_expression_functions[index];
	int			zone = -1;

	out->start = c->out.ncode;
	out->constant = true;
	out->null = false;
	out->type = function->result;
	for (*nargs = 0;;)
	{
		MeterOperand argument;

		if (!meter_compiler_expression(c, &argument) ||
			!meter_compiler_argument(c, function, *nargs, &argument, &zone))
			return false;
		out->constant = out->constant && argument.constant;
		(*nargs)++;
		if (*nargs == function->max_args || !meter_compiler_at(c, ","))
			break;
		if (!meter_compiler_advance(c))
			return false;
	}

	/* a zone that is known already is not among what the call finds pushed */
	if (!meter_compiler_emit(c, METER_OP_CALL, zone >= 0 ? *nargs - 1 : *nargs, zone, position))
		return false;
	c->out.code[c->out.ncode - 1].function = index;
	return true;
}

/* A call; the name has been read and the next token is its parenthesis. */
bool
meter_compiler_call(MeterCompiler *c, const MeterToken *name, MeterOperand *out)
{
	int			index = name->quoted ? -1 : meter_expression_lookup(name->text);
	const MeterExpressionFunction *function = &meter_expression_functions[Max(index, 0)];
	int			nargs = 0;
	bool		ok;

	if (index < 0)
		return meter_expression_error(c->err, name->position, "UNKNOWN_FUNCTION",
									  "there is no function %.*s",
									  pg_mbcliplen(name->start, name->len, 80), name->start);
	if (!meter_compiler_advance(c))
		return false;
	if (meter_compiler_at(c, ")"))
		return wrong_count(c, function, name->position);

	switch (function->form)
	{
		case METER_FORM_IF:
			nargs = function->min_args;
			ok = parse_if(c, out);
			break;
		case METER_FORM_COALESCE:
			ok = parse_coalesce(c, function, &nargs, out);
			break;
		case METER_FORM_CALL:
			ok = parse_arguments(c, index, name->position, &nargs, out);
			break;
		default:
			ok = parse_comparables(c, function, name->position, &nargs, out);
			break;
	}
	if (!ok)
		return false;
	if (nargs < function->min_args || meter_compiler_at(c, ","))
		return wrong_count(c, function, name->position);
	out->position = name->position;
	return meter_compiler_expect(c, ")", "a comma or the closing parenthesis") &&
		meter_compiler_fold(c, out);
}
