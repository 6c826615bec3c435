/*
 * expression_parse.c
 *		The grammar of expressions (docs/expressions.md has it in EBNF).
 *
 * Recursive descent in one pass: each function reads its part of the grammar
 * and has the code emitted as soon as an operator's operands are there.  A
 * chain of operators of one level is a loop, so only what is nested recurses,
 * and that is counted.
 *
 * Words are operators or constants only where a name cannot stand or where
 * they must: "and", "or", "in" and "is" after an operand, "not", "null",
 * "true" and "false" in an operand's place.  So a field may be called "in".
 */
#include "values/expression_private.h"

#include "miscadmin.h"

/* Go one level deeper. */
static bool
enter(MeterCompiler *c)
{
	check_stack_depth();
	if (++c->depth > METER_EXPRESSION_MAX_DEPTH)
		return meter_expression_error(c->err, c->token.position, "EXPRESSION_TOO_LARGE",
									  "nested deeper than %d levels",
									  METER_EXPRESSION_MAX_DEPTH);
	return true;
}

static void
leave(MeterCompiler *c)
{
	c->depth--;
}

/* --- operands ------------------------------------------------------------ */

/* true, false, null, Math.PI, a field or a call. */
static bool
parse_name(MeterCompiler *c, MeterOperand *out)
{
	MeterToken	name = c->token;
	MeterValue	value = {METER_VALUE_NULL};
	bool		constant = true;

	if (meter_compiler_at_word(c, "true") || meter_compiler_at_word(c, "false"))
	{
		value.type = METER_VALUE_BOOL;
		value.u.boolean = meter_compiler_at_word(c, "true");
	}
	else if (meter_compiler_at_word(c, "math.pi"))
	{
		value.type = METER_VALUE_NUMBER;
		if (!meter_decimal_from_text("3.14159265358979323846", 22, &value.u.number, c->err))
			return false;
	}
	else
		constant = meter_compiler_at_word(c, "null");

	if (!meter_compiler_advance(c))
		return false;
	if (meter_compiler_at(c, "("))
		return meter_compiler_call(c, &name, out);
	if (!constant)
		return meter_compiler_symbol(c, name.text, name.position, out);
	return meter_compiler_constant(c, &value, name.position, out);
}

/* What operators have between them. */
static bool
parse_primary(MeterCompiler *c, MeterOperand *out)
{
	MeterValue	value;

	switch (c->token.type)
	{
		case METER_TOKEN_NAME:
			if (meter_compiler_at_word(c, "not"))
				break;
			return parse_name(c, out);
		case METER_TOKEN_NUMBER:
			value.type = METER_VALUE_NUMBER;
			if (!meter_decimal_from_text(c->token.text, c->token.textlen, &value.u.number,
										 c->err))
			{
				c->err->position = c->token.position;
				return false;
			}
			return meter_compiler_constant(c, &value, c->token.position, out) && meter_compiler_advance(c);
		case METER_TOKEN_TEXT:
			value.type = METER_VALUE_TEXT;
			value.u.text.data = c->token.text;
			value.u.text.len = c->token.textlen;
			return meter_compiler_constant(c, &value, c->token.position, out) && meter_compiler_advance(c);
		default:
			if (!meter_compiler_at(c, "("))
				break;
			return meter_compiler_advance(c) && meter_compiler_expression(c, out) &&
				meter_compiler_expect(c, ")", "an operator or the closing parenthesis");
	}
	return meter_compiler_unexpected(c, "a number, a text, a name or a parenthesis");
}

static bool parse_unary(MeterCompiler *c, MeterOperand *out);

/* a ^ b ^ c is a ^ (b ^ c), and -a ^ b is -(a ^ b). */
static bool
parse_power(MeterCompiler *c, MeterOperand *out)
{
	MeterOperand exponent;
	int			position;

	if (!parse_primary(c, out))
		return false;
	if (!meter_compiler_at(c, "^"))
		return true;
	position = c->token.position;
	if (!enter(c) || !meter_compiler_advance(c) || !parse_unary(c, &exponent))
		return false;
	leave(c);
	return meter_compiler_arithmetic(c, METER_OP_POWER, out, &exponent, position);
}

/* -a, +a and !a */
static bool
parse_unary(MeterCompiler *c, MeterOperand *out)
{
	int			position = c->token.position;
	char		sign;

	if (!meter_compiler_at(c, "-") && !meter_compiler_at(c, "+") && !meter_compiler_at(c, "!"))
		return parse_power(c, out);
	sign = c->token.text[0];
	if (!enter(c) || !meter_compiler_advance(c) || !parse_unary(c, out))
		return false;
	leave(c);
	if (sign == '!')
		return meter_compiler_unary(c, METER_OP_NOT, out, position);
	if (sign == '-')
		return meter_compiler_unary(c, METER_OP_NEGATE, out, position);
	return meter_compiler_require(c, out, METER_VALUE_NUMBER, "the operand of +");
}

/* --- operators, from the tightest ---------------------------------------- */

/* a * b / c % d */
static bool
parse_product(MeterCompiler *c, MeterOperand *out)
{
	if (!parse_unary(c, out))
		return false;
	for (;;)
	{
		MeterOperand right;
		int			position = c->token.position;
		MeterOp		op;

		if (meter_compiler_at(c, "*"))
			op = METER_OP_MULTIPLY;
		else if (meter_compiler_at(c, "/"))
			op = METER_OP_DIVIDE;
		else if (meter_compiler_at(c, "%"))
			op = METER_OP_MODULO;
		else
			return true;
		if (!meter_compiler_advance(c) || !parse_unary(c, &right) ||
			!meter_compiler_arithmetic(c, op, out, &right, position))
			return false;
	}
}

/* a + b - c */
static bool
parse_sum(MeterCompiler *c, MeterOperand *out)
{
	if (!parse_product(c, out))
		return false;
	while (meter_compiler_at(c, "+") || meter_compiler_at(c, "-"))
	{
		MeterOperand right;
		int			position = c->token.position;
		MeterOp		op = meter_compiler_at(c, "+") ? METER_OP_ADD : METER_OP_SUBTRACT;

		if (!meter_compiler_advance(c) || !parse_product(c, &right) ||
			!meter_compiler_arithmetic(c, op, out, &right, position))
			return false;
	}
	return true;
}

/* The list of x in (a, b), from its parenthesis. */
static bool
parse_in(MeterCompiler *c, MeterOperand *out, int position)
{
	int			nargs;
	MeterOperand item;
	bool		constant = out->constant;

	if (!meter_compiler_expect(c, "(", "a list in parentheses after in"))
		return false;
	for (nargs = 2;; nargs++)
	{
		if (nargs > METER_EXPRESSION_MAX_ARGS)
			return meter_expression_error(c->err, position, "WRONG_ARGUMENT_COUNT",
										  "in expects 1 to %d values in its list",
										  METER_EXPRESSION_MAX_ARGS - 1);
		if (!meter_compiler_expression(c, &item) ||
			!meter_compiler_comparable(c, METER_OP_EQ, out, &item, item.position))
			return false;
		constant = constant && item.constant;
		if (!meter_compiler_at(c, ","))
			break;
		if (!meter_compiler_advance(c))
			return false;
	}
	out->constant = constant;
	out->type = METER_VALUE_BOOL;
	out->null = false;
	return meter_compiler_expect(c, ")", "a comma or the closing parenthesis") &&
		meter_compiler_emit(c, METER_OP_IN, nargs, 0, position) &&
		meter_compiler_fold(c, out);
}

/* What may follow a sum that is not a comparison sign: is, in, not in. */
static bool
parse_test(MeterCompiler *c, MeterOperand *out)
{
	int			position = c->token.position;
	bool		negated = false;

	if (meter_compiler_at_word(c, "is"))
	{
		if (!meter_compiler_advance(c))
			return false;
		negated = meter_compiler_at_word(c, "not");
		if (negated && !meter_compiler_advance(c))
			return false;
		if (!meter_compiler_at_word(c, "null"))
			return meter_compiler_unexpected(c, negated ? "null" : "null or not null");
		if (!meter_compiler_advance(c) || !meter_compiler_unary(c, METER_OP_IS_NULL, out, position))
			return false;
	}
	else
	{
		negated = meter_compiler_at_word(c, "not");
		if (!meter_compiler_advance(c))
			return false;
		if (negated)
		{
			if (!meter_compiler_at_word(c, "in"))
				return meter_compiler_unexpected(c, "in");
			if (!meter_compiler_advance(c))
				return false;
		}
		if (!parse_in(c, out, position))
			return false;
	}
	return !negated || meter_compiler_unary(c, METER_OP_NOT, out, position);
}

/* Is a comparison's sign next?  Then *op is its operator. */
static bool
at_comparison(MeterCompiler *c, MeterOp *op)
{
	static const struct
	{
		const char *sign;
		MeterOp		op;
	}			signs[] = {
		{"=", METER_OP_EQ}, {"!=", METER_OP_NE}, {"<", METER_OP_LT},
		{"<=", METER_OP_LE}, {">", METER_OP_GT}, {">=", METER_OP_GE}
	};

	for (int i = 0; i < lengthof(signs); i++)
	{
		if (meter_compiler_at(c, signs[i].sign))
		{
			*op = signs[i].op;
			return true;
		}
	}
	return false;
}

/* One comparison, or any number of tests. */
static bool
parse_comparison(MeterCompiler *c, MeterOperand *out)
{
	MeterOperand right;
	MeterOp		op;
	int			position;

	if (!parse_sum(c, out))
		return false;
	position = c->token.position;
	if (at_comparison(c, &op))
	{
		if (!meter_compiler_advance(c) || !parse_sum(c, &right) ||
			!meter_compiler_compare(c, op, out, &right, position))
			return false;
		if (!at_comparison(c, &op))
			return true;
		return meter_expression_error(c->err, c->token.position, "INVALID_EXPRESSION",
									  "comparisons cannot be chained: expected and, or or parentheses");
	}
	while (meter_compiler_at_word(c, "is") || meter_compiler_at_word(c, "in") ||
		   meter_compiler_at_word(c, "not"))
	{
		if (!parse_test(c, out))
			return false;
	}
	return true;
}

/* not a: looser than a comparison, where !a is tighter */
static bool
parse_not(MeterCompiler *c, MeterOperand *out)
{
	int			position = c->token.position;

	if (!meter_compiler_at_word(c, "not"))
		return parse_comparison(c, out);
	if (!enter(c) || !meter_compiler_advance(c) || !parse_not(c, out) ||
		!meter_compiler_unary(c, METER_OP_NOT, out, position))
		return false;
	leave(c);
	return true;
}

/* A chain of and, or of or: the right side runs only where it matters. */
static bool
parse_logic(MeterCompiler *c, bool is_and, MeterOperand *out)
{
	const char *word = is_and ? "and" : "or";

	if (!(is_and ? parse_not(c, out) : parse_logic(c, true, out)))
		return false;
	while (meter_compiler_at(c, word) || meter_compiler_at_word(c, word))
	{
		MeterOperand right;
		int			position = c->token.position;
		int			jump = c->out.ncode;

		if (!meter_compiler_advance(c) ||
			!meter_compiler_require(c, out, METER_VALUE_BOOL, is_and ? "the left side of and" :
									"the left side of or") ||
			!meter_compiler_emit(c, is_and ? METER_OP_JUMP_IF_FALSE : METER_OP_JUMP_IF_TRUE,
								 0, 0, out->position) ||
			!(is_and ? parse_not(c, &right) : parse_logic(c, true, &right)) ||
			!meter_compiler_require(c, &right, METER_VALUE_BOOL, is_and ? "the right side of and" :
									"the right side of or") ||
			!meter_compiler_emit(c, is_and ? METER_OP_AND : METER_OP_OR, 2, 0, position))
			return false;
		meter_compiler_land(c, jump);
		out->type = METER_VALUE_BOOL;
		out->null = false;
		out->constant = out->constant && right.constant;
		if (!meter_compiler_fold(c, out))
			return false;
	}
	return true;
}

/* condition ? then : else, the loosest of all. */
bool
meter_compiler_expression(MeterCompiler *c, MeterOperand *out)
{
	if (!enter(c) || !parse_logic(c, false, out))
		return false;
	if (meter_compiler_at(c, "?") &&
		(!meter_compiler_advance(c) ||
		 !meter_compiler_branches(c, ":", "an operator or a colon and the other branch", out)))
		return false;
	leave(c);
	return true;
}

/* The whole text. */
bool
meter_compiler_parse(MeterCompiler *c, MeterOperand *out)
{
	if (!meter_compiler_advance(c) || !meter_compiler_expression(c, out))
		return false;
	if (c->token.type != METER_TOKEN_END)
		return meter_compiler_unexpected(c, "an operator or the end of the expression");
	return true;
}
