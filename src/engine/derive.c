/*
 * derive.c
 *		The fields of an event: its schema, its typed data, what is derived.
 *
 * Derived values are put behind the members of the data, where everything that
 * has a path finds them.  Nothing is parsed anew for that: the data's nodes and
 * text are copied, and one key and one value appended for each.  A derived
 * field hides a member of the same name, since the last one counts.
 */
#include "engine/measure.h"

#include "lib/stringinfo.h"
#include "utils/json.h"

#include "values/scalar.h"
#include "values/timestamp.h"

/* Where a violation is put. */
typedef struct Violation
{
	MeterError *err;
	MemoryContext context;
} Violation;

/* Keep the schema's complaint, which lives only now; the first one will do. */
static bool
report_violation(void *arg, const char *pointer, const char *keyword, const char *message)
{
	Violation  *violation = arg;
	MemoryContext old = MemoryContextSwitchTo(violation->context);

	meter_error_set(violation->err, "SCHEMA_VIOLATION", "%s: %s", keyword, message);
	violation->err->pointer = psprintf("/data%s", pointer);
	MemoryContextSwitchTo(old);
	return false;
}

/* One declared field of the data. */
static bool
check_field(const MeterField *field, const MeterInput *input, MeterError *err)
{
	int			node = meter_json_member(input->doc, input->data, field->code, field->len);
	MeterDecimal number;
	bool		ok = true;

	if (node < 0 || input->doc->nodes[node].type == METER_JSON_NULL)
		return true;
	if (field->numeric)
		ok = meter_decimal_from_json(input->doc, node, &number, err);
	else if (input->doc->nodes[node].type == METER_JSON_ARRAY ||
			 input->doc->nodes[node].type == METER_JSON_OBJECT)
		ok = meter_error_set(err, "INVALID_TYPE", "expected a string, a number or a boolean, got %s",
							 meter_json_type_name(input->doc, node));
	if (!ok)
		err->pointer = psprintf("/data/%s", field->code);
	return ok;
}

/* What is asked of every event; see measure.h. */
bool
meter_measure_check(const MeterPlan *plan, const MeterInput *input, MeterError *err)
{
	if (plan->schema && !meter_schema_validate(plan->schema, input->doc, input->data, NULL, NULL))
	{
		Violation	violation = {err, CurrentMemoryContext};

		(void) meter_schema_validate(plan->schema, input->doc, input->data, report_violation, &violation);
		return false;
	}
	for (int i = 0; i < plan->ndata_fields; i++)
	{
		if (!check_field(&plan->data_fields[i], input, err))
			return false;
	}
	return true;
}

/* Append a value as JSON and describe it in *node. */
static void
append_value(StringInfo text, const MeterValue *value, MeterJsonNode *node)
{
	char		buf[METER_TIMESTAMP_LEN];
	int			start = text->len;
	int			quote = 0;

	switch (value->type)
	{
		case METER_VALUE_NULL:
			node->type = METER_JSON_NULL;
			appendBinaryStringInfo(text, "null", 4);
			break;
		case METER_VALUE_BOOL:
			node->type = value->u.boolean ? METER_JSON_TRUE : METER_JSON_FALSE;
			appendStringInfoString(text, value->u.boolean ? "true" : "false");
			break;
		case METER_VALUE_NUMBER:
			node->type = METER_JSON_NUMBER;
			appendStringInfoString(text, meter_scalar_number(&value->u.number));
			break;
		case METER_VALUE_TEXT:
			node->type = METER_JSON_STRING;
			escape_json(text, pnstrdup(value->u.text.data, value->u.text.len));
			quote = 1;
			break;
		case METER_VALUE_TIME:
			node->type = METER_JSON_STRING;
			(void) meter_timestamp_format(value->u.time, buf);
			appendStringInfo(text, "\"%s\"", buf);
			quote = 1;
			break;
	}
	node->off = start + quote;
	node->len = text->len - start - 2 * quote;
	node->escaped = quote && memchr(text->data + node->off, '\\', node->len) != NULL;
	node->count = 0;
}

/* Append a member to the object that is the document's root. */
static void
append_member(MeterJson *doc, StringInfo text, const MeterField *field, const MeterValue *value)
{
	MeterJsonNode *key = &doc->nodes[doc->nnodes++];
	MeterJsonNode *node = &doc->nodes[doc->nnodes++];

	*key = (MeterJsonNode) {
		.type = METER_JSON_STRING, .off = text->len, .len = field->len, .next = doc->nnodes - 1
	};
	appendBinaryStringInfo(text, field->code, field->len);
	append_value(text, value, node);
	node->next = doc->nnodes;
	doc->nodes[0].next = doc->nnodes;
	doc->nodes[0].count++;
	/* the text moves when it grows */
	doc->text = text->data;
}

/* Copy the data, an object, into doc with room for more. */
static void
copy_data(const MeterInput *input, int more, MeterJson *doc, StringInfo text)
{
	const MeterJsonNode *from = &input->doc->nodes[input->data];
	int			n = from->next - input->data;

	/* keys and texts found in it live as long as the batch: no more than needed */
	text->maxlen = from->len + more * 32;
	text->data = palloc(text->maxlen);
	text->len = text->cursor = 0;
	appendBinaryStringInfo(text, input->doc->text + from->off, from->len);
	if (doc->capacity < n + more)
	{
		doc->capacity = Max(2 * doc->capacity, n + more);
		doc->nodes = doc->nodes ?
			repalloc_huge(doc->nodes, doc->capacity * sizeof(MeterJsonNode)) :
			palloc_extended(doc->capacity * sizeof(MeterJsonNode), MCXT_ALLOC_HUGE);
	}
	memcpy(doc->nodes, from, n * sizeof(MeterJsonNode));
	for (int i = 0; i < n; i++)
	{
		doc->nodes[i].off -= from->off;
		doc->nodes[i].next -= input->data;
	}
	doc->nnodes = n;
	doc->text = text->data;
}

/* Say whose calculation failed, and how. */
bool
meter_measure_formula_error(const MeterPlan *plan, const char *what, MeterError *err)
{
	char	   *message = err->message;
	const char *code = err->code;
	char	   *place = err->position > 0 ? psprintf(" at character %d", err->position) : "";

	return meter_error_set(err, "EXPRESSION_ERROR", "meter \"%s\" cannot calculate %s: %s (%s%s)",
						   plan->key, what, message, code, place);
}

/* Calculate one field. */
static bool
derive(const MeterPlan *plan, const MeterDerivedField *derived, const MeterInput *input,
	   MeterValue *value, MeterError *err)
{
	MeterDecimal number;

	if (meter_formula_evaluate(derived->formula, input->doc, input->data, input->time, value, err))
	{
		if (!derived->field.numeric || value->type == METER_VALUE_NULL)
			return true;
		/* a numeric string too becomes the number that groups and filters ask for */
		if (meter_formula_number(value, &number, err))
		{
			*value = (MeterValue) {.type = METER_VALUE_NUMBER, .u.number = number};
			return true;
		}
	}
	meter_measure_formula_error(plan, psprintf("derived field \"%s\"", derived->field.code), err);
	err->pointer = psprintf("/data/%s", derived->field.code);
	return false;
}

/* Add the derived fields; see measure.h. */
bool
meter_measure_derive(const MeterPlan *plan, MeterInput *input, MeterJson *scratch, MeterError *err)
{
	StringInfoData text;

	if (plan->nderived_fields == 0)
		return true;
	if (input->doc->nodes[input->data].type != METER_JSON_OBJECT)
		*input = meter_measure_input(NULL, -1, input->time, input->subject);
	copy_data(input, 2 * plan->nderived_fields, scratch, &text);
	input->doc = scratch;
	input->data = 0;
	for (int i = 0; i < plan->nderived_fields; i++)
	{
		MeterValue	value;

		if (!derive(plan, &plan->derived_fields[i], input, &value, err))
			return false;
		append_member(scratch, &text, &plan->derived_fields[i].field, &value);
	}
	return true;
}
