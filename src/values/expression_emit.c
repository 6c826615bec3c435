/*
 * expression_emit.c
 *		Type rules, code, and folding of constants.
 *
 * What is known of a value's type when an expression is compiled is checked
 * then; a field of no declared type may be anything, and the machine checks
 * it when it runs.  An operation whose operands are all constants is run at
 * once and replaced by its result, so a constant is always one instruction.
 */
#include "values/expression_private.h"

#include "mb/pg_wchar.h"
#include "lib/stringinfo.h"

#include "values/window.h"

/* Names shown when one is not known. */
#define SHOWN_NAMES 10

/* Append an instruction. */
bool
meter_compiler_emit(MeterCompiler *c, MeterOp op, int nargs, int arg, int position)
{
	MeterExpression *out = &c->out;

	if (out->ncode == METER_EXPRESSION_MAX_NODES)
		return meter_expression_error(c->err, position, "EXPRESSION_TOO_LARGE",
									  "more than %d operands and operators",
									  METER_EXPRESSION_MAX_NODES);
	if (out->ncode == c->code_size)
	{
		c->code_size *= 2;
		out->code = repalloc(out->code, c->code_size * sizeof(MeterInstruction));
	}
	out->code[out->ncode++] = (MeterInstruction)
	{
		.op = op, .nargs = nargs, .arg = arg, .position = position
	};
	return true;
}

/* Let the jump at this index lead to where the code ends now. */
void
meter_compiler_land(MeterCompiler *c, int jump)
{
	c->out.code[jump].arg = c->out.ncode - jump - 1;
}

/* Push a constant. */
bool
meter_compiler_constant(MeterCompiler *c, const MeterValue *value, int position,
						MeterOperand *out)
{
	MeterExpression *e = &c->out;

	if (e->nconstants == c->constants_size)
	{
		c->constants_size *= 2;
		e->constants = repalloc(e->constants, c->constants_size * sizeof(MeterValue));
	}
	e->constants[e->nconstants] = *value;
	*out = (MeterOperand)
	{
		.type = value->type, .constant = true, .null = value->type == METER_VALUE_NULL,
			.start = e->ncode, .position = position
	};
	return meter_compiler_emit(c, METER_OP_CONSTANT, 0, e->nconstants++, position);
}

/* Complain about a name, telling those that there are. */
static bool
unknown_name(MeterCompiler *c, const char *name, int position)
{
	StringInfoData known;

	initStringInfo(&known);
	for (int i = 0; i < Min(c->ngiven, SHOWN_NAMES); i++)
		appendStringInfo(&known, "%s%s", i == 0 ? ": expected " : ", ", c->symbols[i].name);
	if (c->ngiven > SHOWN_NAMES)
		appendStringInfo(&known, " or one of %d more", c->ngiven - SHOWN_NAMES);
	return meter_expression_error(c->err, position, "UNKNOWN_NAME",
								  "there is no field %.*s%s",
								  pg_mbcliplen(name, strlen(name), 80), name, known.data);
}

/* Push a symbol's value. */
bool
meter_compiler_symbol(MeterCompiler *c, const char *name, int position, MeterOperand *out)
{
	MeterExpression *e = &c->out;
	MeterValueType type = METER_VALUE_NULL;
	int			index;

	if (c->ngiven >= 0)
	{
		for (index = 0; index < c->ngiven; index++)
		{
			if (strcmp(c->symbols[index].name, name) == 0)
				break;
		}
		if (index == c->ngiven)
			return unknown_name(c, name, position);
		type = c->symbols[index].type;
	}
	else
	{
		for (index = 0; index < e->nsymbols; index++)
		{
			if (strcmp(e->names[index], name) == 0)
				break;
		}
		if (index == METER_EXPRESSION_MAX_SYMBOLS)
			return meter_expression_error(c->err, position, "EXPRESSION_TOO_LARGE",
										  "more than %d different names",
										  METER_EXPRESSION_MAX_SYMBOLS);
		if (index == e->nsymbols)
			e->names[e->nsymbols++] = name;
	}
	*out = (MeterOperand)
	{
		.type = type, .start = e->ncode, .position = position
	};
	return meter_compiler_emit(c, METER_OP_SYMBOL, 0, index, position);
}

/*
 * How many values the code stacks up at most.  Either side of a branch leaves
 * one value, so a leap over the second side forgets that of the first.
 */
int
meter_expression_depth(const MeterInstruction *code, int ncode)
{
	int			depth = 0;
	int			max = 0;

	for (int i = 0; i < ncode; i++)
	{
		switch ((MeterOp) code[i].op)
		{
			case METER_OP_CONSTANT:
			case METER_OP_SYMBOL:
			case METER_OP_SHARED:
				depth++;
				break;
			case METER_OP_CALL:
			case METER_OP_IN:
				depth -= code[i].nargs - 1;
				break;
			case METER_OP_JUMP:
			case METER_OP_JUMP_UNLESS:
			case METER_OP_JUMP_IF_VALUE:
				depth--;
				break;
			case METER_OP_NEGATE:
			case METER_OP_NOT:
			case METER_OP_IS_NULL:
			case METER_OP_JUMP_IF_FALSE:
			case METER_OP_JUMP_IF_TRUE:
				break;
			default:
				depth--;		/* the operators of two operands */
		}
		max = Max(max, depth);
	}
	return max;
}

/* Where the operand is constant, run its code and put the result instead. */
bool
meter_compiler_fold(MeterCompiler *c, MeterOperand *operand)
{
	MeterExpression *e = &c->out;
	MeterEvaluation ev = {.expression = e, .err = c->err};
	MeterValue	value;
	MeterOperand folded;
	const MeterInstruction *code;
	int			ncode;

	if (!operand->constant || operand->start == e->ncode - 1)
		return true;
	code = e->code + operand->start;
	ncode = e->ncode - operand->start;
	if (!meter_expression_run(&ev, code, ncode, meter_expression_depth(code, ncode), &value))
		return false;
	e->ncode = operand->start;
	if (!meter_compiler_constant(c, &value, operand->position, &folded))
		return false;

	/* a computed null is not the word null, and keeps its type */
	folded.null = operand->null;
	if (value.type == METER_VALUE_NULL)
		folded.type = operand->type;
	*operand = folded;
	return true;
}

/* The operand must be, or may turn out to be, of this type. */
bool
meter_compiler_require(MeterCompiler *c, const MeterOperand *operand, MeterValueType type,
					   const char *what)
{
	if (operand->type == METER_VALUE_NULL || operand->type == type)
		return true;
	return meter_expression_error(c->err, operand->position, "TYPE_MISMATCH",
								  "%s must be %s, not %s", what,
								  meter_expression_type_name(type),
								  meter_expression_type_name(operand->type));
}

/* Let *into be what gives either of two values. */
bool
meter_compiler_unite(MeterCompiler *c, MeterOperand *into, const MeterOperand *other)
{
	into->constant = into->constant && other->constant;
	if (into->null)
	{
		into->type = other->type;
		into->null = other->null;
		return true;
	}
	if (other->null)
		return true;
	if (into->type == METER_VALUE_NULL || other->type == METER_VALUE_NULL)
	{
		into->type = METER_VALUE_NULL;
		return true;
	}
	if (into->type == other->type)
		return true;
	return meter_expression_error(c->err, other->position, "TYPE_MISMATCH",
								  "expected %s as before, not %s",
								  meter_expression_type_name(into->type),
								  meter_expression_type_name(other->type));
}

/* Emit an operator on the operand before it. */
bool
meter_compiler_unary(MeterCompiler *c, MeterOp op, MeterOperand *operand, int position)
{
	if (op == METER_OP_NEGATE)
	{
		if (!meter_compiler_require(c, operand, METER_VALUE_NUMBER, "the operand of -"))
			return false;
		operand->type = METER_VALUE_NUMBER;
	}
	else
	{
		if (op == METER_OP_NOT &&
			!meter_compiler_require(c, operand, METER_VALUE_BOOL, "the operand of not"))
			return false;
		operand->type = METER_VALUE_BOOL;
	}
	operand->null = false;
	operand->position = Min(position, operand->position);
	return meter_compiler_emit(c, op, 1, 0, position) &&
		meter_compiler_fold(c, operand);
}

/* The types of + where one side is a text: it joins, and both must be. */
static bool
check_join(MeterCompiler *c, const MeterOperand *left, const MeterOperand *right)
{
	const MeterOperand *other = left->type == METER_VALUE_TEXT ? right : left;

	if (other->type == METER_VALUE_NULL || other->type == METER_VALUE_TEXT)
		return true;
	return meter_expression_error(c->err, right->position, "TYPE_MISMATCH",
								  "cannot add %s and %s: expected two numbers, or two texts (concat and text() make texts)",
								  meter_expression_type_name(left->type),
								  meter_expression_type_name(right->type));
}

/* Emit an arithmetic operator, of which + also joins texts. */
bool
meter_compiler_arithmetic(MeterCompiler *c, MeterOp op, MeterOperand *left,
						  MeterOperand *right, int position)
{
	static const char *const signs[] = {
		[METER_OP_ADD] = "+",[METER_OP_SUBTRACT] = "-",[METER_OP_MULTIPLY] = "*",
		[METER_OP_DIVIDE] = "/",[METER_OP_MODULO] = "%",[METER_OP_POWER] = "^"
	};
	MeterValueType wanted = METER_VALUE_NUMBER;
	char		what[32];

	if (op == METER_OP_ADD &&
		(left->type == METER_VALUE_TEXT || right->type == METER_VALUE_TEXT))
	{
		if (!check_join(c, left, right))
			return false;
		op = METER_OP_JOIN;
		left->type = METER_VALUE_TEXT;
	}
	else
	{
		if (op == METER_OP_SUBTRACT &&
			(left->type == METER_VALUE_TIME || right->type == METER_VALUE_TIME))
			wanted = METER_VALUE_TIME;	/* the seconds between */
		snprintf(what, sizeof(what), "the left side of %s", signs[op]);
		if (!meter_compiler_require(c, left, wanted, what))
			return false;
		snprintf(what, sizeof(what), "the right side of %s", signs[op]);
		if (!meter_compiler_require(c, right, wanted, what))
			return false;
		left->type = METER_VALUE_NUMBER;
	}
	left->constant = left->constant && right->constant;
	left->null = false;
	return meter_compiler_emit(c, op, 2, 0, position) && meter_compiler_fold(c, left);
}

/* A constant text where a time is wanted: read it now, and never again. */
static bool
constant_to_time(MeterCompiler *c, MeterOperand *operand)
{
	MeterExpression *e = &c->out;
	MeterEvaluation ev = {.expression = e, .err = c->err};
	MeterValue *value = &e->constants[e->code[operand->start].arg];

	operand->type = METER_VALUE_TIME;
	return meter_expression_coerce(&ev, operand->position, value, METER_VALUE_TIME);
}

/* Can the two be compared, by an operator that may ask for their order? */
bool
meter_compiler_comparable(MeterCompiler *c, MeterOp op, MeterOperand *left,
						  MeterOperand *right, int position)
{
	bool		ordered = op != METER_OP_EQ && op != METER_OP_NE;

	if (left->type == METER_VALUE_TIME && right->type == METER_VALUE_TEXT && right->constant)
	{
		if (!constant_to_time(c, right))
			return false;
	}
	else if (right->type == METER_VALUE_TIME && left->type == METER_VALUE_TEXT && left->constant)
	{
		if (!constant_to_time(c, left))
			return false;
	}
	if (left->type != METER_VALUE_NULL && right->type != METER_VALUE_NULL &&
		left->type != right->type)
		return meter_expression_error(c->err, right->position, "TYPE_MISMATCH",
									  "cannot compare %s with %s",
									  meter_expression_type_name(left->type),
									  meter_expression_type_name(right->type));
	if (ordered && (left->type == METER_VALUE_BOOL || right->type == METER_VALUE_BOOL))
		return meter_expression_error(c->err, position, "TYPE_MISMATCH",
									  "booleans have no order: expected = or !=");
	return true;
}

/* Emit a comparison; = null and != null ask whether there is a value. */
bool
meter_compiler_compare(MeterCompiler *c, MeterOp op, MeterOperand *left, MeterOperand *right,
					   int position)
{
	bool		ok;

	if ((op == METER_OP_EQ || op == METER_OP_NE) && (left->null || right->null))
	{
		/* of the two only the one that is not the word null need be there */
		if (right->null)
			c->out.ncode--;
		else
		{
			memmove(&c->out.code[left->start], &c->out.code[left->start + 1],
					(c->out.ncode - left->start - 1) * sizeof(MeterInstruction));
			c->out.ncode--;
			right->start = left->start;
			*left = *right;
		}
		return meter_compiler_unary(c, METER_OP_IS_NULL, left, position) &&
			(op == METER_OP_EQ || meter_compiler_unary(c, METER_OP_NOT, left, position));
	}

	ok = meter_compiler_comparable(c, op, left, right, position) &&
		meter_compiler_emit(c, op, 2, 0, position);
	left->type = METER_VALUE_BOOL;
	left->constant = left->constant && right->constant;
	left->null = false;
	return ok && meter_compiler_fold(c, left);
}

/* A zone's name that is constant leaves the code for the table of zones. */
static bool
take_zone(MeterCompiler *c, const MeterOperand *operand, int *zone)
{
	MeterExpression *e = &c->out;
	const MeterValue *name = &e->constants[e->code[operand->start].arg];
	pg_tz	   *tz;

	if (name->type == METER_VALUE_NULL)
		return true;			/* the call gives null */
	tz = meter_window_zone(name->u.text.data, name->u.text.len);
	if (tz == NULL)
		return meter_expression_error(c->err, operand->position, "UNKNOWN_TIME_ZONE",
									  "expected an IANA time zone such as Europe/Berlin, not \"%.*s\"",
									  pg_mbcliplen(name->u.text.data, name->u.text.len, 80),
									  name->u.text.data);
	e->ncode--;
	for (*zone = 0; *zone < e->nzones; (*zone)++)
	{
		if (e->zones[*zone] == tz)
			return true;
	}
	e->zones[e->nzones++] = tz;
	return true;
}

/* Check one argument; a constant zone is taken from the code into *zone. */
bool
meter_compiler_argument(MeterCompiler *c, const MeterExpressionFunction *function, int index,
						MeterOperand *operand, int *zone)
{
	char		what[64];

	snprintf(what, sizeof(what), "argument %d of %s", index + 1, function->name);
	switch (meter_expression_param(function, index))
	{
		case 'n':
			return meter_compiler_require(c, operand, METER_VALUE_NUMBER, what);
		case 't':
			return meter_compiler_require(c, operand, METER_VALUE_TEXT, what);
		case 'T':
			if (operand->type == METER_VALUE_TEXT)
				return !operand->constant || constant_to_time(c, operand);
			return meter_compiler_require(c, operand, METER_VALUE_TIME, what);
		case 'z':
			if (!meter_compiler_require(c, operand, METER_VALUE_TEXT, what))
				return false;
			return !operand->constant || take_zone(c, operand, zone);
		default:
			return true;
	}
}
