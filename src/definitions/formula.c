/*
 * formula.c
 *		An expression of a definition, bound to what its names stand for.
 *
 * Where a meter declares its data fields only they have names, and they have
 * types.  Where it does not, the expression is compiled twice: first to find
 * the names it uses, then with those that are not known otherwise as paths
 * into the data, of any type.
 */
#include "definitions/formula.h"

#include "values/scalar.h"

#define CUSTOM_PREFIX "customFields."

/* Add a name to a scope. */
void
meter_scope_add(MeterScope *scope, const MeterBinding *binding)
{
	if (scope->n >= scope->size)
	{
		scope->size = Max(2 * scope->size, 16);
		scope->bindings = scope->bindings ?
			repalloc(scope->bindings, scope->size * sizeof(MeterBinding)) :
			palloc(scope->size * sizeof(MeterBinding));
	}
	scope->bindings[scope->n++] = *binding;
}

static bool
in_scope(const MeterScope *scope, const char *name)
{
	for (int i = 0; i < scope->n; i++)
	{
		if (strcmp(scope->bindings[i].name, name) == 0)
			return true;
	}
	return false;
}

/* The scope, and what else the text names where the scope is open. */
static bool
widen_scope(const char *text, const MeterScope *scope, MeterScope *out, MeterError *err)
{
	MeterExpression *expression;
	MeterValueType type;

	*out = (MeterScope) {.open = scope->open};
	for (int i = 0; i < scope->n; i++)
		meter_scope_add(out, &scope->bindings[i]);
	if (!scope->open)
		return true;
	expression = meter_expression_compile(text, strlen(text), NULL, -1, &type, err);
	if (expression == NULL)
		return false;
	for (int i = 0; i < meter_expression_nsymbols(expression); i++)
	{
		const char *name = meter_expression_symbol(expression, i);

		if (!in_scope(scope, name) && strncmp(name, CUSTOM_PREFIX, strlen(CUSTOM_PREFIX)) != 0)
			meter_scope_add(out, &(MeterBinding) {.name = name, .kind = METER_BINDING_FIELD});
	}
	return true;
}

/* Compile a formula; see formula.h. */
MeterFormula *
meter_formula_compile(const char *text, const MeterScope *scope, MeterError *err)
{
	MeterFormula *formula = palloc0(sizeof(MeterFormula));
	MeterScope	names;
	MeterSymbol *symbols;

	if (!widen_scope(text, scope, &names, err))
		return NULL;
	symbols = palloc(Max(names.n, 1) * sizeof(MeterSymbol));
	for (int i = 0; i < names.n; i++)
		symbols[i] = (MeterSymbol) {names.bindings[i].name, names.bindings[i].type};
	formula->expression = meter_expression_compile(text, strlen(text), symbols, names.n,
												   &formula->type, err);
	formula->text = pstrdup(text);
	formula->bindings = names.bindings;
	formula->nbindings = names.n;
	return formula->expression ? formula : NULL;
}

/* What a formula is calculated for. */
typedef struct FormulaInput
{
	const MeterFormula *formula;
	const MeterJson *doc;
	int			node;
	TimestampTz time;
} FormulaInput;

/* The value of a name. */
static bool
resolve(void *arg, int index, MeterValue *out, MeterError *err)
{
	const FormulaInput *input = arg;
	const MeterBinding *binding = &input->formula->bindings[index];
	int			node;

	switch (binding->kind)
	{
		case METER_BINDING_CONSTANT:
			*out = binding->constant;
			return true;
		case METER_BINDING_TIME:
			out->type = METER_VALUE_TIME;
			out->u.time = input->time;
			return true;
		case METER_BINDING_FIELD:
			break;
	}
	node = meter_scalar_find(input->doc, input->node, binding->name);
	/* what is declared a text is one, however the event writes it */
	if (node >= 0 && binding->type == METER_VALUE_TEXT && input->doc->nodes[node].type != METER_JSON_NULL)
	{
		MeterText	text;

		if (!meter_scalar_text(input->doc, node, &text, err))
			return false;
		out->type = METER_VALUE_TEXT;
		out->u.text.data = text.data;
		out->u.text.len = text.len;
		return true;
	}
	if (meter_scalar_value(input->doc, node, out, err))
		return true;
	if (strcmp(err->code, "TYPE_MISMATCH") == 0)
		err->message = psprintf("%s %s", binding->name, err->message);
	return false;
}

/* Calculate; see formula.h. */
bool
meter_formula_evaluate(const MeterFormula *formula, const MeterJson *doc, int node,
					   TimestampTz time, MeterValue *out, MeterError *err)
{
	FormulaInput input = {formula, doc, node, time};

	return meter_expression_evaluate(formula->expression, resolve, &input, out, err);
}

/* A result as a number; see formula.h. */
bool
meter_formula_number(const MeterValue *value, MeterDecimal *out, MeterError *err)
{
	if (value->type == METER_VALUE_TEXT)
		return meter_decimal_from_text(value->u.text.data, value->u.text.len, out, err);
	*out = value->u.number;
	if (value->type == METER_VALUE_NUMBER)
		return true;
	meter_error_set(err, "TYPE_MISMATCH", "expected a number");
	err->position = 1;
	return false;
}
