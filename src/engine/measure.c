/*
 * measure.c
 *		What one event is to one meter version.
 *
 * Ingestion and the recomputation of ragged edges both come here, so that an
 * event is the same thing to both.
 */
#include "engine/measure.h"

#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/numeric.h"

#include "values/currency.h"

#define MAX_KEY_LENGTH 1024

/* Stands for the data of an event that has none. */
static MeterJsonNode empty_node = {.type = METER_JSON_OBJECT, .len = 2, .next = 1};
static const MeterJson empty_document = {.text = "{}", .nodes = &empty_node, .nnodes = 1};

static bool
fail_at(MeterError *err, const MeterPath *path)
{
	err->pointer = meter_path_pointer(path, "/data");
	return false;
}

/* A number's one spelling, so that 1.0 and 1 are one group. */
static bool
canonical_number(const MeterJson *doc, int node, MeterText *out, MeterError *err)
{
	const MeterJsonNode *n = &doc->nodes[node];
	const char *text = doc->text + n->off;
	uint32		digits = 0;
	MeterDecimal number;
	Numeric		trimmed;
	char	   *result;

	while (digits < n->len && text[digits] >= '0' && text[digits] <= '9')
		digits++;
	if (digits == n->len && digits <= METER_DECIMAL_MAX_INTEGER)
	{
		*out = (MeterText) {text, n->len};
		return true;
	}
	if (!meter_decimal_from_json(doc, node, &number, err))
		return false;
	trimmed = DatumGetNumeric(DirectFunctionCall1(numeric_trim_scale,
												  NumericGetDatum(meter_decimal_to_numeric(&number))));
	result = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(trimmed)));
	*out = (MeterText) {result, strlen(result)};
	return true;
}

/* A scalar as a key: a string's content, a number in its one spelling. */
static bool
scalar_key(const MeterJson *doc, int node, MeterText *out, MeterError *err)
{
	const MeterJsonNode *n = &doc->nodes[node];

	switch (n->type)
	{
		case METER_JSON_STRING:
			out->data = meter_json_string(doc, node, &out->len);
			break;
		case METER_JSON_NUMBER:
			return canonical_number(doc, node, out, err);
		case METER_JSON_TRUE:
		case METER_JSON_FALSE:
			*out = (MeterText) {doc->text + n->off, n->len};
			break;
		default:
			return meter_error_set(err, "INVALID_TYPE", "expected a string, a number or a boolean, got %s",
								   meter_json_type_name(doc, node));
	}
	if (out->len > MAX_KEY_LENGTH)
		return meter_error_set(err, "TOO_LONG", "expected at most 1024 bytes, got %d", out->len);
	return true;
}

/* What measuring reads of an event; see measure.h. */
MeterInput
meter_measure_input(const MeterJson *doc, int data, TimestampTz time, MeterText subject)
{
	return (MeterInput) {
		.doc = data < 0 ? &empty_document : doc, .data = Max(data, 0),
			.time = time, .subject = subject
	};
}

static bool
read_value(const MeterPlan *plan, const MeterPath *path, const MeterInput *input,
		   MeterDecimal *value, MeterError *err)
{
	int			node = meter_path_find_value(path, input->doc, input->data);

	if (node < 0)
	{
		meter_error_set(err, "MISSING_VALUE", "meter \"%s\" finds no value here; expected a number", plan->key);
		return fail_at(err, path);
	}
	if (!meter_decimal_from_json(input->doc, node, value, err))
		return fail_at(err, path);
	if (!plan->negative_allowed && meter_decimal_sign(value) < 0)
	{
		meter_error_set(err, "NEGATIVE_VALUE", "meter \"%s\" does not allow negative values", plan->key);
		return fail_at(err, path);
	}
	return true;
}

static bool
read_key(const MeterPlan *plan, const MeterPath *path, const char *what,
		 const MeterInput *input, MeterText *out, MeterError *err)
{
	int			node = meter_path_find_value(path, input->doc, input->data);

	if (node < 0)
	{
		meter_error_set(err, "MISSING_KEY", "meter \"%s\" finds no %s here", plan->key, what);
		return fail_at(err, path);
	}
	return scalar_key(input->doc, node, out, err) || fail_at(err, path);
}

/* Measure an event for one profile; see measure.h. */
MeterVerdict
meter_measure(const MeterPlan *plan, int profile, const MeterInput *input,
			  MeterMeasure *out, MeterError *err)
{
	const MeterProfile *p = &plan->profiles[profile];
	bool		ok = true;

	memset(out, 0, sizeof(*out));
	out->profile = profile;
	if (p->filter && !meter_filter_matches(p->filter, input->doc, input->data))
		return METER_FILTERED;
	if (p->function == METER_FUNCTION_UNIQUE_COUNT)
		ok = read_key(plan, p->unique_path, "unique key", input, &out->unique_key, err);
	else if (p->function != METER_FUNCTION_COUNT)
		ok = read_value(plan, p->value_path, input, &out->value, err);
	return ok ? METER_COUNTED : METER_REJECTED;
}

/* The plan's own deduplication key of an event; see measure.h. */
bool
meter_measure_dedup_key(const MeterPlan *plan, const MeterInput *input, MeterText *out, MeterError *err)
{
	return read_key(plan, plan->dedup_path, "deduplication key", input, out, err);
}

static bool
read_currency(const MeterPlan *plan, const MeterInput *input, MeterText *out, MeterError *err)
{
	int			node = meter_path_find_value(plan->currency_path, input->doc, input->data);

	if (node >= 0 && input->doc->nodes[node].type == METER_JSON_STRING)
	{
		out->data = meter_json_string(input->doc, node, &out->len);
		if (meter_currency_known(out->data, out->len))
			return true;
	}
	meter_error_set(err, node < 0 ? "MISSING_CURRENCY" : "UNKNOWN_CURRENCY",
					"meter \"%s\" expects an ISO 4217 currency code here", plan->key);
	return fail_at(err, plan->currency_path);
}

/* Append a dimension's value as JSON in its one spelling. */
static bool
append_dimension(StringInfo buf, const MeterDimension *dimension, const MeterInput *input,
				 MeterError *err)
{
	const MeterJson *doc = input->doc;
	int			node = meter_path_find_value(dimension->path, doc, input->data);
	MeterText	text;

	if (node < 0)
	{
		appendBinaryStringInfo(buf, "null", 4);
		return true;
	}
	if (!scalar_key(doc, node, &text, err))
		return fail_at(err, dimension->path);
	if (doc->nodes[node].type != METER_JSON_STRING)
		appendBinaryStringInfo(buf, text.data, text.len);
	else if (doc->nodes[node].escaped)
		escape_json(buf, pnstrdup(text.data, text.len));
	else
	{
		/* what needed no escape as it came needs none now */
		appendStringInfoCharMacro(buf, '"');
		appendBinaryStringInfo(buf, text.data, text.len);
		appendStringInfoCharMacro(buf, '"');
	}
	return true;
}

/* The series an event belongs to; see measure.h. */
bool
meter_measure_series(const MeterPlan *plan, const MeterInput *input, MeterSeries *out, MeterError *err)
{
	StringInfoData buf;

	out->stream_id = plan->stream_id;
	out->subject = input->subject;
	out->currency = (MeterText) {NULL, 0};
	if (plan->currency_path && !read_currency(plan, input, &out->currency, err))
		return false;

	if (plan->ndimensions == 0)
		out->dimensions = (MeterText) {"{}", 2};
	else
	{
		initStringInfo(&buf);
		appendStringInfoCharMacro(&buf, '{');
		for (int i = 0; i < plan->ndimensions; i++)
		{
			if (i > 0)
				appendStringInfoCharMacro(&buf, ',');
			appendStringInfoString(&buf, plan->dimensions[i].label);
			if (!append_dimension(&buf, &plan->dimensions[i], input, err))
				return false;
		}
		appendStringInfoCharMacro(&buf, '}');
		out->dimensions = (MeterText) {buf.data, buf.len};
	}
	out->hash = meter_series_hash(out);
	return true;
}

/* What is given to a profile's state for a measured event. */
MeterSample
meter_measure_sample(const MeterProfile *profile, const MeterMeasure *measure,
					 TimestampTz time, int64 seq)
{
	bool		valued = profile->function != METER_FUNCTION_COUNT &&
		profile->function != METER_FUNCTION_UNIQUE_COUNT;

	return (MeterSample) {
		.value = valued ? &measure->value : NULL,
			.time = time, .seq = seq,
			.key = measure->unique_key.data, .keylen = measure->unique_key.len,
			.weight = 1
	};
}
