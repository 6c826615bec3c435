/*
 * expression_private.h
 *		What the expression files share among themselves.
 *
 * An expression is compiled to code for a small stack machine: a flat array of
 * instructions, run from left to right, with forward jumps where an operand is
 * not needed.  There is no tree, so neither evaluation nor its stack grows
 * with nesting, and the room a run needs is known when it starts.
 *
 *		expression_lex.c		text to tokens
 *		expression_parse.c		tokens to operands and operators: the grammar
 *		expression_call.c		likewise, of calls and branches
 *		expression_emit.c		type rules, code, folding of constants
 *		expression_function.c	the table of functions, and those on texts
 *		expression_operator.c	operators
 *		expression_number.c		division, rounding, powers
 *		expression_time.c		parts of a time, times as numbers
 *		expression_compile.c	all of these together; expression.h's other half
 *		expression.c			the machine
 */
#ifndef METER_VALUES_EXPRESSION_PRIVATE_H
#define METER_VALUES_EXPRESSION_PRIVATE_H

#include "compat.h"

#include "pgtime.h"

#include "values/expression.h"

/* Limits; docs/expressions.md tells them to users. */
#define METER_EXPRESSION_MAX_BYTES 8192
#define METER_EXPRESSION_MAX_NODES 2000
#define METER_EXPRESSION_MAX_DEPTH 100
#define METER_EXPRESSION_MAX_ARGS 100
#define METER_EXPRESSION_MAX_SYMBOLS 200
#define METER_EXPRESSION_MAX_TEXT 65536 /* bytes of one text made */
#define METER_EXPRESSION_MAX_TEXTS 1048576	/* bytes made in an evaluation */

typedef enum MeterOp
{
	METER_OP_CONSTANT,			/* push constant arg */
	METER_OP_SYMBOL,			/* push the value of symbol arg */
	METER_OP_SHARED,			/* likewise; asked for once, kept in slot nargs */
	METER_OP_NEGATE,
	METER_OP_ADD,
	METER_OP_SUBTRACT,
	METER_OP_MULTIPLY,
	METER_OP_DIVIDE,
	METER_OP_MODULO,
	METER_OP_POWER,
	METER_OP_JOIN,				/* + of texts */
	METER_OP_EQ,
	METER_OP_NE,
	METER_OP_LT,
	METER_OP_LE,
	METER_OP_GT,
	METER_OP_GE,
	METER_OP_IN,				/* nargs values, the first among the others? */
	METER_OP_IS_NULL,
	METER_OP_NULLIF,
	METER_OP_NOT,
	METER_OP_AND,				/* of the two on top; the left one is not false */
	METER_OP_OR,				/* likewise; not true */
	METER_OP_CALL,				/* function, on nargs values */
	/* the jumps leap over arg instructions */
	METER_OP_JUMP,
	METER_OP_JUMP_UNLESS,		/* pop; leap unless true */
	METER_OP_JUMP_IF_FALSE,		/* leap and keep it, or go on */
	METER_OP_JUMP_IF_TRUE,		/* likewise */
	METER_OP_JUMP_IF_VALUE		/* leap and keep it unless null, or pop */
} MeterOp;

typedef struct MeterInstruction
{
	uint8		op;				/* MeterOp */
	uint8		function;		/* METER_OP_CALL: index in the table */
	int16		nargs;
	int32		arg;			/* constant, symbol, leap; METER_OP_CALL: the
								 * zone's index or -1 */
	int32		position;		/* character in the text, from 1 */
} MeterInstruction;

struct MeterExpression
{
	MeterInstruction *code;
	MeterValue *constants;
	pg_tz	  **zones;
	const char **names;			/* of the symbols */
	MeterValueType *types;		/* what they were declared to be */
	int			ncode;
	int			nconstants;
	int			nzones;
	int			nsymbols;
	int			nshared;		/* slots for symbols used more than once */
	int			depth;			/* values on the stack at most */
};

/* One run of the machine. */
typedef struct MeterEvaluation
{
	const MeterExpression *expression;
	MeterResolve resolve;
	void	   *arg;
	MeterError *err;
	Size		made;			/* bytes of text so far */
} MeterEvaluation;

/* Reads args[0 .. in->nargs), none of them null, and writes args[0]. */
typedef bool (*MeterCall) (MeterEvaluation *ev, const MeterInstruction *in, MeterValue *args);

/* What is not an ordinary call of all arguments. */
typedef enum MeterForm
{
	METER_FORM_CALL,
	METER_FORM_IF,
	METER_FORM_COALESCE,
	METER_FORM_NULLIF,
	METER_FORM_IN
} MeterForm;

typedef struct MeterExpressionFunction
{
	const char *name;
	MeterForm	form;
	bool		math;			/* also as Math.name */

	/*
	 * One letter an argument, the last one for all that follow: n number,
	 * t text, T time, a anything, z the name of a time zone.
	 */
	const char *params;
	int			min_args;
	int			max_args;
	MeterValueType result;
	MeterCall	call;
	int			detail;			/* for functions that share a call */
} MeterExpressionFunction;

typedef enum MeterRounding
{
	METER_ROUND_HALF,			/* to nearest, half away from zero */
	METER_ROUND_FLOOR,
	METER_ROUND_CEIL,
	METER_ROUND_TRUNC
} MeterRounding;

typedef enum MeterTimePart
{
	METER_PART_YEAR,
	METER_PART_QUARTER,
	METER_PART_MONTH,
	METER_PART_WEEK,
	METER_PART_DAY,
	METER_PART_DAY_OF_WEEK,
	METER_PART_DAY_OF_YEAR,
	METER_PART_DAYS_IN_MONTH,
	METER_PART_HOUR,
	METER_PART_MINUTE,
	METER_PART_SECOND,
	METER_PART_DATE
} MeterTimePart;

typedef enum MeterTokenType
{
	METER_TOKEN_END,
	METER_TOKEN_NUMBER,
	METER_TOKEN_TEXT,
	METER_TOKEN_NAME,			/* a path: text is its segments, dots between */
	METER_TOKEN_OPERATOR		/* op in text */
} MeterTokenType;

typedef struct MeterToken
{
	MeterTokenType type;
	bool		quoted;			/* a name with a segment in backticks */
	int			position;
	const char *start;			/* as written */
	int			len;
	char	   *text;			/* what it stands for, NUL-terminated */
	int			textlen;
} MeterToken;

typedef struct MeterLexer
{
	const char *p;
	const char *end;
	const char *counted;		/* characters are counted up to here */
	int			position;		/* of counted */
	MeterError *err;
} MeterLexer;

/* What is being compiled. */
typedef struct MeterCompiler
{
	MeterLexer	lexer;
	MeterToken	token;			/* the next one */
	const MeterSymbol *symbols;
	int			ngiven;			/* -1: collect */
	MeterExpression out;		/* grows here, in the scratch context */
	int			code_size;
	int			constants_size;
	int			depth;
	MeterError *err;
} MeterCompiler;

/* A value that the code emitted last will have pushed. */
typedef struct MeterOperand
{
	MeterValueType type;		/* METER_VALUE_NULL: not known */
	bool		constant;
	bool		null;			/* the word null itself */
	int			start;			/* its first instruction */
	int			position;
} MeterOperand;

static inline void
meter_set_null(MeterValue *value)
{
	value->type = METER_VALUE_NULL;
}

static inline void
meter_set_boolean(MeterValue *value, bool boolean)
{
	value->type = METER_VALUE_BOOL;
	value->u.boolean = boolean;
}

/* expression_lex.c */
extern bool meter_compiler_advance(MeterCompiler *c);
extern bool meter_compiler_at(MeterCompiler *c, const char *op);
extern bool meter_compiler_at_word(MeterCompiler *c, const char *word);
extern bool meter_compiler_unexpected(MeterCompiler *c, const char *expected);
extern bool meter_compiler_expect(MeterCompiler *c, const char *op, const char *expected);

/* expression_parse.c */
extern bool meter_compiler_parse(MeterCompiler *c, MeterOperand *out);
extern bool meter_compiler_expression(MeterCompiler *c, MeterOperand *out);

/* expression_call.c */
extern bool meter_compiler_branches(MeterCompiler *c, const char *separator,
									const char *expected, MeterOperand *out);
extern bool meter_compiler_call(MeterCompiler *c, const MeterToken *name, MeterOperand *out);

/* expression_emit.c */
extern bool meter_compiler_emit(MeterCompiler *c, MeterOp op, int nargs, int arg, int position);
extern bool meter_compiler_constant(MeterCompiler *c, const MeterValue *value, int position,
									MeterOperand *out);
extern bool meter_compiler_symbol(MeterCompiler *c, const char *name, int position,
								  MeterOperand *out);
extern bool meter_compiler_arithmetic(MeterCompiler *c, MeterOp op, MeterOperand *left,
									  MeterOperand *right, int position);
extern bool meter_compiler_comparable(MeterCompiler *c, MeterOp op, MeterOperand *left,
									  MeterOperand *right, int position);
extern bool meter_compiler_compare(MeterCompiler *c, MeterOp op, MeterOperand *left,
								   MeterOperand *right, int position);
extern bool meter_compiler_unary(MeterCompiler *c, MeterOp op, MeterOperand *operand,
								 int position);
extern bool meter_compiler_unite(MeterCompiler *c, MeterOperand *into,
								 const MeterOperand *other);
extern bool meter_compiler_require(MeterCompiler *c, const MeterOperand *operand,
								   MeterValueType type, const char *what);
extern void meter_compiler_land(MeterCompiler *c, int jump);
extern int	meter_expression_depth(const MeterInstruction *code, int ncode);
extern bool meter_compiler_fold(MeterCompiler *c, MeterOperand *operand);
extern bool meter_compiler_argument(MeterCompiler *c, const MeterExpressionFunction *function,
									int index, MeterOperand *operand, int *zone);

/* expression_compile.c */
extern bool meter_expression_error(MeterError *err, int position, const char *code,
								   const char *fmt,...) pg_attribute_printf(4, 5);
extern const char *meter_expression_type_name(MeterValueType type);

/* expression_function.c */
extern const MeterExpressionFunction meter_expression_functions[];
extern int	meter_expression_lookup(const char *name);
extern char meter_expression_param(const MeterExpressionFunction *function, int index);
extern bool meter_expression_join(MeterEvaluation *ev, const MeterInstruction *in,
								  MeterValue *args);

/* expression_number.c */
extern bool meter_number_limit(MeterDecimal *d, MeterError *err);
extern void meter_number_strip(MeterDecimal *d);
extern void meter_number_negate(MeterDecimal *d);
extern bool meter_number_divide(const MeterDecimal *a, const MeterDecimal *b,
								MeterDecimal *out, MeterError *err);
extern bool meter_number_modulo(const MeterDecimal *a, const MeterDecimal *b,
								MeterDecimal *out, MeterError *err);
extern bool meter_number_power(const MeterDecimal *a, const MeterDecimal *b,
							   MeterDecimal *out, MeterError *err);
extern bool meter_number_sqrt(const MeterDecimal *a, MeterDecimal *out, MeterError *err);
extern bool meter_number_round(const MeterDecimal *a, int places, MeterRounding mode,
							   MeterDecimal *out, MeterError *err);
extern bool meter_number_to_int(const MeterDecimal *d, int *out);

/* expression_time.c */
extern bool meter_time_parse(const char *text, int len, TimestampTz *out, MeterError *err);
extern bool meter_time_part(TimestampTz time, pg_tz *zone, MeterTimePart part,
							MeterValue *out, MeterError *err);
extern bool meter_time_from_epoch(const MeterDecimal *seconds, TimestampTz *out);
extern void meter_time_to_epoch(TimestampTz time, MeterDecimal *out);
extern void meter_time_difference(TimestampTz a, TimestampTz b, MeterDecimal *out);

/* expression_operator.c */
extern bool meter_expression_coerce(MeterEvaluation *ev, int position, MeterValue *value,
									MeterValueType type);
extern bool meter_operator_unary(MeterEvaluation *ev, const MeterInstruction *in,
								 MeterValue *a);
extern bool meter_operator_binary(MeterEvaluation *ev, const MeterInstruction *in,
								  MeterValue *a, MeterValue *b);
extern bool meter_operator_in(MeterEvaluation *ev, const MeterInstruction *in,
							  MeterValue *args);

/* expression.c */
extern bool meter_expression_run(MeterEvaluation *ev, const MeterInstruction *code, int ncode,
								 int depth, MeterValue *out);

#endif							/* METER_VALUES_EXPRESSION_PRIVATE_H */
