/*
 * demand.c
 *		What somebody is about to use, as the event that would say so.
 *
 * A quantity, a subject and the values of dimensions are put to where the meter
 * reads them, so that what is said of them beforehand is what the engine will
 * say of the event.
 */
#include "surface/demand.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "surface/report.h"
#include "values/currency.h"

/* Something of the data: JSON at a path. */
typedef struct Part
{
	const MeterPath *path;
	MeterText	json;
	bool		done;
} Part;

#define MAX_PARTS (METER_MAX_DIMENSIONS + 4)

typedef struct Parts
{
	int			n;
	Part		list[MAX_PARTS];
} Parts;

static void
invalid(const char *argument, const MeterError *err)
{
	meter_error_throw(err, ERRCODE_INVALID_PARAMETER_VALUE, argument);
}

static char *
number_text(Numeric number)
{
	return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(number)));
}

/* A text as JSON. */
static MeterText
json_string(MeterText text)
{
	StringInfoData buf;

	initStringInfo(&buf);
	escape_json(&buf, pnstrdup(text.data, text.len));
	return (MeterText) {buf.data, buf.len};
}

/* The JSON of a node. */
static MeterText
raw_json(const MeterJson *doc, int node)
{
	const MeterJsonNode *n = &doc->nodes[node];
	int			quote = n->type == METER_JSON_STRING ? 1 : 0;

	return (MeterText) {doc->text + n->off - quote, n->len + 2 * quote};
}

/* The value of a dimension, -1 for none. */
static int
dimension_value(const MeterDemand *demand, const char *name)
{
	int			node = meter_json_member(demand->dimensions, 0, name, strlen(name));

	return node >= 0 && demand->dimensions->nodes[node].type == METER_JSON_NULL ? -1 : node;
}

/* Are the arguments the meter's?  See demand.h. */
void
meter_demand_check(const MeterDemand *demand)
{
	const MeterJson *doc = demand->dimensions;
	MeterJsonMember *members;
	MeterError	err;
	int			n;

	if (doc->nodes[0].type != METER_JSON_OBJECT)
	{
		meter_error_set(&err, "INVALID_TYPE", "expected an object of values by the dimensions' names");
		invalid("dimensions", &err);
	}
	n = meter_json_members(doc, 0, &members);
	for (int i = 0; i < n; i++)
	{
		char	   *name = pnstrdup(members[i].key, members[i].keylen);

		if (meter_plan_dimension(demand->plan, name) >= 0)
			continue;
		meter_error_set(&err, "UNKNOWN_DIMENSION", "meter \"%s\" has no dimension \"%s\"", demand->meter->key, name);
		invalid("dimensions", &err);
	}
	if ((demand->plan->currency_path != NULL) == (demand->currency.data != NULL) &&
		(demand->currency.data == NULL || meter_currency_known(demand->currency.data, demand->currency.len)))
		return;
	if (demand->plan->currency_path)
		meter_error_set(&err, "UNKNOWN_CURRENCY", "meter \"%s\" expects an ISO 4217 currency code", demand->meter->key);
	else
		meter_error_set(&err, "INVALID_COMBINATION", "meter \"%s\" has no currencies", demand->meter->key);
	invalid("currency", &err);
}

/* A path to the member of that name. */
static MeterPath *
member_path(const char *name)
{
	MeterPath  *path = palloc0(offsetof(MeterPath, steps) + sizeof(MeterPathStep));

	path->nsteps = 1;
	path->steps[0] = (MeterPathStep) {.name = name, .namelen = strlen(name)};
	return path;
}

/* The series; see demand.h.  It is measured as an event's is, by a version that
 * reads the dimensions by their names. */
MeterSeries
meter_demand_series(const MeterDemand *demand)
{
	MeterPlan	plan = *demand->plan;
	MeterInput	input = meter_measure_input(demand->dimensions, 0, demand->time, demand->subject);
	MeterSeries series = {0};
	MeterError	err;

	plan.subject_path = plan.currency_path = NULL;
	plan.dimensions = palloc(Max(plan.ndimensions, 1) * sizeof(MeterDimension));
	for (int i = 0; i < plan.ndimensions; i++)
	{
		plan.dimensions[i] = demand->plan->dimensions[i];
		plan.dimensions[i].path = member_path(plan.dimensions[i].name);
	}
	if (!meter_measure_series(&plan, &input, &series, &err))
		invalid("dimensions", &err);
	series.currency = demand->currency;
	series.hash = meter_series_hash(&series);
	return series;
}

static void
add_part(Parts *parts, const MeterPath *path, MeterText json)
{
	if (path && path->nsteps > 0)
		parts->list[parts->n++] = (Part) {path, json, false};
}

/* Does the version calculate what the path leads to? */
static bool
is_derived(const MeterPlan *plan, const MeterPath *path)
{
	for (int i = 0; i < plan->nderived_fields && path->nsteps > 0 && path->steps[0].name; i++)
	{
		if (strcmp(path->steps[0].name, plan->derived_fields[i].field.code) == 0)
			return true;
	}
	return false;
}

/* What the data is made of; key is NULL where none is needed. */
static void
collect_parts(const MeterDemand *demand, const char *key, Parts *parts)
{
	const MeterPlan *plan = demand->plan;
	char	   *quantity = number_text(demand->quantity);
	MeterPath  *path;
	MeterError	err;
	bool		calculated;

	parts->n = 0;
	if (!meter_report_value_path(plan, &path, &calculated, &err))
		meter_error_throw(&err, ERRCODE_FEATURE_NOT_SUPPORTED, "quantity");
	add_part(parts, path, (MeterText) {quantity, strlen(quantity)});
	for (int i = 0; i < plan->ndimensions; i++)
	{
		int			node = dimension_value(demand, plan->dimensions[i].name);

		if (node >= 0 && !is_derived(plan, plan->dimensions[i].path))
			add_part(parts, plan->dimensions[i].path, raw_json(demand->dimensions, node));
	}
	if (demand->subject.data)
		add_part(parts, plan->subject_path, json_string(demand->subject));
	if (demand->currency.data)
		add_part(parts, plan->currency_path, json_string(demand->currency));
	if (key)
		add_part(parts, plan->dedup_path, json_string((MeterText) {key, strlen(key)}));
}

/* Raise 0A000: no event can have all parts. */
static void
impossible(const MeterPath *path, const char *why)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("the meter reads %s: %s", meter_path_canonical(path), why),
			 errhint("Use meter.ingest() for such a meter.")));
}

/* Append the parts that begin as the first of them does, up to a depth, as an
 * object of what follows. */
static void
append_parts(StringInfo buf, Parts *parts, const Part *like, int depth)
{
	bool		first = true;

	check_stack_depth();
	appendStringInfoChar(buf, '{');
	for (int i = 0; i < parts->n; i++)
	{
		Part	   *part = &parts->list[i];
		bool		below = true;

		for (int d = 0; d < depth && below; d++)
			below = part->path->nsteps > d + 1 && strcmp(part->path->steps[d].name, like->path->steps[d].name) == 0;
		if (!below || part->done)
			continue;
		appendStringInfoString(buf, first ? "" : ",");
		first = false;
		escape_json(buf, part->path->steps[depth].name);
		appendStringInfoChar(buf, ':');
		if (part->path->nsteps > depth + 1)
			append_parts(buf, parts, part, depth + 1);
		else
		{
			appendBinaryStringInfo(buf, part->json.data, part->json.len);
			part->done = true;
		}
	}
	appendStringInfoChar(buf, '}');
}

/* Is a path the beginning of another one, or the same? */
static bool
leads_to(const MeterPath *path, const MeterPath *other)
{
	if (path->nsteps > other->nsteps)
		return false;
	for (int s = 0; s < path->nsteps; s++)
	{
		if (strcmp(path->steps[s].name, other->steps[s].name) != 0)
			return false;
	}
	return true;
}

/* Make sure that one object can hold all parts; the same one comes once. */
static void
fit_parts(Parts *parts)
{
	for (int i = 0; i < parts->n; i++)
	{
		for (int s = 0; s < parts->list[i].path->nsteps; s++)
		{
			if (parts->list[i].path->steps[s].name == NULL)
				impossible(parts->list[i].path, "the path leads into an array");
		}
		for (int j = 0; j < i && !parts->list[i].done; j++)
		{
			const Part *a = &parts->list[j];
			Part	   *b = &parts->list[i];

			if (leads_to(a->path, b->path) && leads_to(b->path, a->path) && meter_text_same(a->json, b->json))
				b->done = true;
			else if (leads_to(a->path, b->path) || leads_to(b->path, a->path))
				impossible(b->path, "something else stands there");
		}
	}
}

/* The data as JSON. */
static MeterText
demand_data(const MeterDemand *demand, const char *key)
{
	Parts		parts;
	StringInfoData buf;

	collect_parts(demand, key, &parts);
	fit_parts(&parts);
	initStringInfo(&buf);
	append_parts(&buf, &parts, NULL, 0);
	return (MeterText) {buf.data, buf.len};
}

/* It as an event; see demand.h. */
MeterText
meter_demand_event(const MeterDemand *demand, const char *key)
{
	MeterText	data = demand_data(demand, key);
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "{\"source\":\"report_usage\",\"id\":");
	escape_json(&buf, key);
	appendStringInfoString(&buf, ",\"meter\":");
	escape_json(&buf, demand->meter->key);
	if (demand->subject.data)
	{
		MeterText	subject = json_string(demand->subject);

		appendStringInfo(&buf, ",\"subject\":%.*s", subject.len, subject.data);
	}
	appendStringInfo(&buf, ",\"data\":%.*s}", data.len, data.data);
	return (MeterText) {buf.data, buf.len};
}

/* Read the data as the version reads an event's. */
static bool
read_data(const MeterDemand *demand, const char *key, bool check, MeterInput *input, MeterError *err)
{
	MeterText	data = demand_data(demand, key);
	MeterJson  *doc = meter_json_parse_or_throw(data.data, data.len, "quantity");
	MeterJson  *derived = palloc0(sizeof(MeterJson));

	*input = meter_measure_input(doc, 0, demand->time, demand->subject);
	return (!check || meter_measure_check(demand->plan, input, err)) &&
		meter_measure_derive(demand->plan, input, derived, err);
}

/* What a version takes that calculates its value. */
static MeterMeasure
calculate(const MeterDemand *demand)
{
	MeterPlan	plan = *demand->plan;
	MeterProfile profile = plan.profiles[0];
	MeterMeasure measure;
	MeterInput	input;
	MeterError	err;

	profile.nfilters = 0;
	plan.profiles = &profile;
	if (!read_data(demand, NULL, false, &input, &err) || meter_measure(&plan, 0, &input, &measure, &err) != METER_COUNTED)
		meter_error_throw(&err, ERRCODE_FEATURE_NOT_SUPPORTED, "quantity");
	return measure;
}

/* Is it a number of events, or of keys? */
static bool
is_whole(const MeterDecimal *value)
{
	MeterDecimal trimmed;

	meter_decimal_trim(value, &trimmed);
	return meter_decimal_sign(value) >= 0 && meter_decimal_scale(&trimmed) == 0;
}

/* What the profile would take; see demand.h. */
MeterMeasure
meter_demand_measure(const MeterDemand *demand)
{
	const MeterProfile *profile = &demand->plan->profiles[0];
	MeterMeasure measure = {0};
	MeterPath  *path;
	MeterError	err;
	bool		calculated;

	if (!meter_decimal_from_numeric(demand->quantity, &measure.value, &err))
		invalid("quantity", &err);
	if (profile->function == METER_FUNCTION_COUNT || profile->function == METER_FUNCTION_UNIQUE_COUNT)
	{
		if (is_whole(&measure.value))
			return measure;
		meter_error_set(&err, "INVALID_NUMBER", "expected how many, a whole number");
		invalid("quantity", &err);
	}
	if (!meter_report_value_path(demand->plan, &path, &calculated, &err) ? profile->formula != NULL : calculated)
		return calculate(demand);
	if (meter_decimal_sign(&measure.value) < 0 && !demand->plan->negative_allowed)
	{
		meter_error_set(&err, "NEGATIVE_VALUE", "meter \"%s\" does not allow negative values", demand->meter->key);
		invalid("quantity", &err);
	}
	return measure;
}

/* Is the event one that is counted?  See demand.h. */
void
meter_demand_require_counted(const MeterDemand *demand, const MeterSeries *series)
{
	MeterSeries found = {0};
	MeterMeasure measure;
	MeterInput	input;
	MeterError	err;
	bool		counted = false;

	if (read_data(demand, "key", true, &input, &err))
	{
		MeterVerdict verdict = meter_measure(demand->plan, 0, &input, &measure, &err);

		if (verdict == METER_FILTERED)
			meter_error_set(&err, "FILTERED", "the meter's filter leaves out what has these dimensions only");
		counted = verdict == METER_COUNTED && meter_measure_series(demand->plan, &input, &found, &err);
	}
	if (counted && !meter_text_same(found.dimensions, series->dimensions))
		counted = meter_error_set(&err, "INVALID_COMBINATION", "the meter calculates dimensions, and from these it makes %.*s",
								  found.dimensions.len, found.dimensions.data);
	if (!counted)
		invalid("a report of it would not be counted", &err);
}
