/*
 * measure.c
 *		What one event is to one meter version.
 *
 * Ingestion and the recomputation of ragged edges both come here, so that an
 * event is the same thing to both.
 */
#include "engine/measure.h"

#include "utils/json.h"

#include "values/currency.h"
#include "values/scalar.h"

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

/* A scalar as a key, which must not be long. */
static bool
scalar_key(const MeterJson *doc, int node, MeterText *out, MeterError *err)
{
	return meter_scalar_text(doc, node, out, err) &&
		(out->len <= MAX_KEY_LENGTH ||
		 meter_error_set(err, "TOO_LONG", "expected at most 1024 bytes, got %d", out->len));
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
		return meter_error_set(err, "MISSING_VALUE", "meter \"%s\" finds no value here; expected a number",
							   plan->key);
	return meter_decimal_from_json(input->doc, node, value, err);
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

/* What a custom function's expression gives. */
static bool
read_formula(const MeterPlan *plan, const MeterFormula *formula, const MeterInput *input,
			 MeterDecimal *value, MeterError *err)
{
	MeterValue	result;

	if (!meter_formula_evaluate(formula, input->doc, input->data, input->time, &result, err))
		return meter_measure_formula_error(plan, "its expression", err);
	if (result.type == METER_VALUE_NULL)
		return meter_error_set(err, "MISSING_VALUE", "the expression of meter \"%s\" gives null; expected a number",
							   plan->key);
	if (!meter_formula_number(&result, value, err))
		return meter_measure_formula_error(plan, "its expression", err);
	return true;
}

static bool
check_sign(const MeterPlan *plan, const MeterDecimal *value, MeterError *err)
{
	return plan->negative_allowed || meter_decimal_sign(value) >= 0 ||
		meter_error_set(err, "NEGATIVE_VALUE", "meter \"%s\" does not allow negative values", plan->key);
}

/* The value of a profile that takes one. */
static bool
measure_value(const MeterPlan *plan, const MeterProfile *profile, const MeterInput *input,
			  MeterDecimal *value, MeterError *err)
{
	if (profile->formula)
	{
		if (read_formula(plan, profile->formula, input, value, err) && check_sign(plan, value, err))
			return true;
		err->pointer = pstrdup("/data");
		return false;
	}
	return (read_value(plan, profile->value_path, input, value, err) && check_sign(plan, value, err)) ||
		fail_at(err, profile->value_path);
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
	for (int i = 0; i < p->nfilters; i++)
	{
		if (!meter_filter_matches(p->filters[i], input->doc, input->data))
			return METER_FILTERED;
	}
	if (p->function == METER_FUNCTION_UNIQUE_COUNT)
		ok = read_key(plan, p->unique_path, "unique key", input, &out->unique_key, err);
	else if (p->function != METER_FUNCTION_COUNT)
		ok = measure_value(plan, p, input, &out->value, err);
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

/* Whose usage it is, by the plan's account mapping. */
static bool
read_subject(const MeterPlan *plan, const MeterInput *input, MeterText *out, MeterError *err)
{
	int			node = meter_path_find_value(plan->subject_path, input->doc, input->data);
	bool		ok;

	if (node < 0)
		ok = meter_error_set(err, "MISSING_SUBJECT", "meter \"%s\" finds no account here", plan->key);
	else if (input->doc->nodes[node].type != METER_JSON_STRING &&
			 input->doc->nodes[node].type != METER_JSON_NUMBER)
		ok = meter_error_set(err, "INVALID_SUBJECT", "expected an account, a string or a number, got %s",
							 meter_json_type_name(input->doc, node));
	else
		ok = scalar_key(input->doc, node, out, err) &&
			(out->len > 0 || meter_error_set(err, "INVALID_SUBJECT", "the account is empty"));
	return ok || fail_at(err, plan->subject_path);
}

/* The series an event belongs to; see measure.h. */
bool
meter_measure_series(const MeterPlan *plan, const MeterInput *input, MeterSeries *out, MeterError *err)
{
	StringInfoData buf;

	out->stream_id = plan->stream_id;
	out->subject = input->subject;
	if (plan->subject_path && !read_subject(plan, input, &out->subject, err))
		return false;
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
		/* a batch holds one for each event: not the buffer's kilobyte */
		out->dimensions = (MeterText) {memcpy(palloc(buf.len), buf.data, buf.len), buf.len};
		pfree(buf.data);
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
