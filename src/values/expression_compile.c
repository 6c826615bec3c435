/*
 * expression_compile.c
 *		An expression's text to code, and what can be asked about it.
 *
 * The parser works in a context of its own, as it leaves tokens, names and
 * folded operands behind.  What remains is copied into the caller's context
 * in pieces of the right size.
 */
#include "values/expression_private.h"

#include "lib/stringinfo.h"
#include "utils/memutils.h"

/* Fill *err with a position, and return false. */
bool
meter_expression_error(MeterError *err, int position, const char *code, const char *fmt,...)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, fmt);
		needed = appendStringInfoVA(&buf, fmt, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&buf, needed);
	}
	meter_error_set(err, code, "%s", buf.data);
	err->position = position;
	pfree(buf.data);
	return false;
}

/* What a type is called in messages. */
const char *
meter_expression_type_name(MeterValueType type)
{
	switch (type)
	{
		case METER_VALUE_BOOL:
			return "a boolean";
		case METER_VALUE_NUMBER:
			return "a number";
		case METER_VALUE_TEXT:
			return "a text";
		case METER_VALUE_TIME:
			return "a time";
		default:
			return "null";
	}
}

/* Let symbols that the code names more than once be asked for only once. */
static int
share_symbols(MeterInstruction *code, int ncode, int nsymbols)
{
	int			nshared = 0;
	int16	   *uses = palloc0(Max(nsymbols, 1) * sizeof(int16));
	int16	   *slots = palloc(Max(nsymbols, 1) * sizeof(int16));

	for (int i = 0; i < ncode; i++)
	{
		if (code[i].op == METER_OP_SYMBOL)
			uses[code[i].arg]++;
	}
	for (int i = 0; i < nsymbols; i++)
		slots[i] = uses[i] > 1 ? nshared++ : -1;
	for (int i = 0; i < ncode; i++)
	{
		if (code[i].op == METER_OP_SYMBOL && slots[code[i].arg] >= 0)
		{
			code[i].op = METER_OP_SHARED;
			code[i].nargs = slots[code[i].arg];
		}
	}
	return nshared;
}

/* A constant with all it points to. */
static MeterValue
copy_value(const MeterValue *value)
{
	MeterValue	copy = *value;

	if (value->type == METER_VALUE_TEXT)
		copy.u.text.data = pnstrdup(value->u.text.data, value->u.text.len);
	else if (value->type == METER_VALUE_NUMBER && value->u.number.big)
	{
		Size		size = VARSIZE_ANY(value->u.number.big);

		copy.u.number.big = palloc(size);
		memcpy(copy.u.number.big, value->u.number.big, size);
	}
	return copy;
}

/* Copy what has been compiled into the current context; c is in another. */
static MeterExpression *
finish(MeterCompiler *c, MemoryContext scratch)
{
	MemoryContext target = MemoryContextSwitchTo(scratch);
	const MeterExpression *from = &c->out;
	int			nsymbols = c->ngiven >= 0 ? c->ngiven : from->nsymbols;
	int			nshared = share_symbols(from->code, from->ncode, nsymbols);
	MeterExpression *to;

	MemoryContextSwitchTo(target);
	to = palloc0(sizeof(MeterExpression));
	to->ncode = from->ncode;
	to->nsymbols = nsymbols;
	to->nshared = nshared;
	to->depth = meter_expression_depth(from->code, from->ncode);
	to->code = palloc(from->ncode * sizeof(MeterInstruction));
	memcpy(to->code, from->code, from->ncode * sizeof(MeterInstruction));

	/* of the constants only those that folding left are used */
	to->constants = palloc(Max(from->nconstants, 1) * sizeof(MeterValue));
	for (int i = 0; i < to->ncode; i++)
	{
		if (to->code[i].op != METER_OP_CONSTANT)
			continue;
		to->constants[to->nconstants] = copy_value(&from->constants[to->code[i].arg]);
		to->code[i].arg = to->nconstants++;
	}
	to->nzones = from->nzones;
	to->zones = palloc(Max(from->nzones, 1) * sizeof(pg_tz *));
	memcpy(to->zones, from->zones, from->nzones * sizeof(pg_tz *));
	to->names = palloc(Max(nsymbols, 1) * sizeof(char *));
	to->types = palloc0(Max(nsymbols, 1) * sizeof(MeterValueType));
	for (int i = 0; i < nsymbols; i++)
	{
		to->names[i] = pstrdup(c->ngiven >= 0 ? c->symbols[i].name : from->names[i]);
		to->types[i] = c->ngiven >= 0 ? c->symbols[i].type : METER_VALUE_NULL;
	}
	return to;
}

/* Compile an expression; see expression.h. */
MeterExpression *
meter_expression_compile(const char *text, int len, const MeterSymbol *symbols, int nsymbols,
						 MeterValueType *result, MeterError *err)
{
	MeterCompiler c = {
		.lexer = {.p = text, .end = text + len, .counted = text, .position = 1, .err = err},
		.symbols = symbols, .ngiven = nsymbols, .code_size = 64, .constants_size = 16, .err = err
	};
	MeterExpression *expression = NULL;
	MeterOperand whole;
	MemoryContext scratch;
	MemoryContext target;
	bool		ok;

	if (len > METER_EXPRESSION_MAX_BYTES)
	{
		meter_error_set(err, "EXPRESSION_TOO_LARGE", "longer than %d bytes",
						METER_EXPRESSION_MAX_BYTES);
		return NULL;
	}

	scratch = AllocSetContextCreate(CurrentMemoryContext, "meter expression compiler",
									ALLOCSET_SMALL_SIZES);
	target = MemoryContextSwitchTo(scratch);
	c.out.code = palloc(c.code_size * sizeof(MeterInstruction));
	c.out.constants = palloc(c.constants_size * sizeof(MeterValue));
	c.out.zones = palloc(METER_EXPRESSION_MAX_NODES * sizeof(pg_tz *));
	c.out.names = palloc(METER_EXPRESSION_MAX_SYMBOLS * sizeof(char *));
	ok = meter_compiler_parse(&c, &whole);
	MemoryContextSwitchTo(target);

	if (ok)
	{
		expression = finish(&c, scratch);
		*result = whole.type;
	}
	else
		err->message = pstrdup(err->message);
	MemoryContextDelete(scratch);
	return expression;
}

/* How many symbols there are: those given, or those found in the text. */
int
meter_expression_nsymbols(const MeterExpression *expression)
{
	return expression->nsymbols;
}

/* The name of one of them. */
const char *
meter_expression_symbol(const MeterExpression *expression, int index)
{
	return expression->names[index];
}
