/*
 * scalar.c
 *		Scalars of a document: as text, as an expression's value, by name.
 */
#include "values/scalar.h"

#include "utils/builtins.h"

/* A number's one spelling. */
char *
meter_scalar_number(const MeterDecimal *number)
{
	MeterDecimal trimmed;
	char	   *buf;
	char	   *p;
	uint128		magnitude;
	int			places;

	meter_decimal_trim(number, &trimmed);
	if (trimmed.big)
		return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(trimmed.big)));

	/* 39 digits of an int128, as many zeros as the scale, sign, point, end */
	buf = palloc(METER_DECIMAL_MAX_SCALE + 48);
	p = buf + METER_DECIMAL_MAX_SCALE + 47;
	*p = '\0';
	magnitude = trimmed.mantissa < 0 ? -(uint128) trimmed.mantissa : (uint128) trimmed.mantissa;
	places = trimmed.scale;
	do
	{
		*--p = '0' + (int) (magnitude % 10);
		magnitude /= 10;
		if (--places == 0)
			*--p = '.';
	} while (magnitude > 0 || places >= 0);
	if (trimmed.mantissa < 0)
		*--p = '-';
	return p;
}

static bool
number_text(const MeterJson *doc, int node, MeterText *out, MeterError *err)
{
	const MeterJsonNode *n = &doc->nodes[node];
	const char *text = doc->text + n->off;
	uint32		digits = 0;
	MeterDecimal number;

	while (digits < n->len && text[digits] >= '0' && text[digits] <= '9')
		digits++;
	if (digits == n->len && digits <= METER_DECIMAL_MAX_INTEGER)
	{
		*out = (MeterText) {text, n->len};
		return true;
	}
	if (!meter_decimal_from_json(doc, node, &number, err))
		return false;
	out->data = meter_scalar_number(&number);
	out->len = strlen(out->data);
	return true;
}

/* A scalar's one spelling; see scalar.h. */
bool
meter_scalar_text(const MeterJson *doc, int node, MeterText *out, MeterError *err)
{
	const MeterJsonNode *n = &doc->nodes[node];

	switch ((MeterJsonType) n->type)
	{
		case METER_JSON_STRING:
			out->data = meter_json_string(doc, node, &out->len);
			return true;
		case METER_JSON_NUMBER:
			return number_text(doc, node, out, err);
		case METER_JSON_TRUE:
		case METER_JSON_FALSE:
			*out = (MeterText) {doc->text + n->off, n->len};
			return true;
		default:
			return meter_error_set(err, "INVALID_TYPE", "expected a string, a number or a boolean, got %s",
								   meter_json_type_name(doc, node));
	}
}

/* A scalar as an expression has it; see scalar.h. */
bool
meter_scalar_value(const MeterJson *doc, int node, MeterValue *out, MeterError *err)
{
	out->type = METER_VALUE_NULL;
	if (node < 0)
		return true;
	switch ((MeterJsonType) doc->nodes[node].type)
	{
		case METER_JSON_NULL:
			return true;
		case METER_JSON_FALSE:
		case METER_JSON_TRUE:
			out->type = METER_VALUE_BOOL;
			out->u.boolean = doc->nodes[node].type == METER_JSON_TRUE;
			return true;
		case METER_JSON_NUMBER:
			out->type = METER_VALUE_NUMBER;
			return meter_decimal_from_json(doc, node, &out->u.number, err);
		case METER_JSON_STRING:
			out->type = METER_VALUE_TEXT;
			out->u.text.data = meter_json_string(doc, node, &out->u.text.len);
			return true;
		default:
			return meter_error_set(err, "TYPE_MISMATCH", "must be a scalar, not an %s",
								   meter_json_type_name(doc, node));
	}
}

/* Where a dotted name leads to; see scalar.h. */
int
meter_scalar_find(const MeterJson *doc, int object, const char *name)
{
	for (;;)
	{
		const char *dot;
		int			node = meter_json_member(doc, object, name, strlen(name));

		if (node >= 0)
			return node;
		dot = strchr(name, '.');
		if (dot == NULL)
			return -1;
		object = meter_json_member(doc, object, name, dot - name);
		if (object < 0)
			return -1;
		name = dot + 1;
	}
}
