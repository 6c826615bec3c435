/*
 * signature.c
 *		What makes two versions share a stream.
 *
 * Versions share series, and so rollup rows, where an event would fall into
 * the same series by both.  A path to a derived field says so only together
 * with all that the calculation depends on.
 */
#include "definitions/plan.h"

#include "lib/stringinfo.h"
#include "utils/json.h"

typedef struct Signature
{
	StringInfoData buf;
	const MeterPlan *plan;
	bool		derived;		/* a path leads to a derived field */
} Signature;

static void
append_text(Signature *s, const char *text)
{
	escape_json(&s->buf, text);
}

static void
append_path(Signature *s, const MeterPath *path)
{
	append_text(s, meter_path_canonical(path));
	for (int i = 0; i < s->plan->nderived_fields && path->nsteps > 0; i++)
	{
		const MeterField *field = &s->plan->derived_fields[i].field;

		if (path->steps[0].name && path->steps[0].namelen == field->len &&
			memcmp(path->steps[0].name, field->code, field->len) == 0)
			s->derived = true;
	}
}

/* A calculation, and the types and constants it was compiled with. */
static void
append_derived_field(Signature *s, const MeterDerivedField *derived)
{
	const MeterFormula *formula = derived->formula;

	append_text(s, derived->field.code);
	appendStringInfoString(&s->buf, ": {\"calculation\": ");
	append_text(s, formula->text);
	appendStringInfo(&s->buf, ", \"numeric\": %s", derived->field.numeric ? "true" : "false");
	for (int i = 0; i < formula->nbindings; i++)
	{
		const MeterBinding *binding = &formula->bindings[i];

		if (binding->kind == METER_BINDING_TIME)
			continue;
		appendStringInfoString(&s->buf, ", ");
		append_text(s, binding->name);
		if (binding->kind == METER_BINDING_CONSTANT)
			appendStringInfo(&s->buf, ": [%.*s]", binding->constant_text.len, binding->constant_text.data);
		else
			appendStringInfo(&s->buf, ": %d", binding->type);
	}
	appendStringInfoChar(&s->buf, '}');
}

/* The signature of a plan's stream; see plan.h. */
char *
meter_plan_signature(const MeterPlan *plan)
{
	static const char *const mappings[] = {
		[METER_MAPPING_ID] = "id", [METER_MAPPING_CODE] = "code", [METER_MAPPING_ALIAS] = "alias"
	};
	Signature	s = {.plan = plan};

	initStringInfo(&s.buf);
	appendStringInfoString(&s.buf, "{\"type\": ");
	append_text(&s, plan->metric_key);
	appendStringInfoString(&s.buf, ", \"dimensions\": {");
	for (int i = 0; i < plan->ndimensions; i++)
	{
		if (i > 0)
			appendStringInfoString(&s.buf, ", ");
		append_text(&s, plan->dimensions[i].name);
		appendStringInfoString(&s.buf, ": ");
		append_path(&s, plan->dimensions[i].path);
	}
	appendStringInfoString(&s.buf, "}");
	if (plan->subject_path)
	{
		appendStringInfo(&s.buf, ", \"subject\": {\"%s\": ", mappings[plan->mapping]);
		append_path(&s, plan->subject_path);
		appendStringInfoChar(&s.buf, '}');
	}
	if (plan->currency_path)
	{
		appendStringInfoString(&s.buf, ", \"currency\": ");
		append_path(&s, plan->currency_path);
	}
	if (s.derived)
	{
		appendStringInfoString(&s.buf, ", \"derived\": {");
		for (int i = 0; i < plan->nderived_fields; i++)
		{
			if (i > 0)
				appendStringInfoString(&s.buf, ", ");
			append_derived_field(&s, &plan->derived_fields[i]);
		}
		appendStringInfoChar(&s.buf, '}');
	}
	appendStringInfoString(&s.buf, "}");
	return s.buf.data;
}
