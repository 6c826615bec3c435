/*
 * signature.c
 *		What makes two versions share a stream.
 */
#include "definitions/plan.h"

#include "lib/stringinfo.h"
#include "utils/json.h"

/* The signature of a plan's stream; see plan.h. */
char *
meter_plan_signature(const MeterPlan *plan)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "{\"type\": ");
	escape_json(&buf, plan->metric_key);
	appendStringInfoString(&buf, ", \"dimensions\": {");
	for (int i = 0; i < plan->ndimensions; i++)
	{
		if (i > 0)
			appendStringInfoString(&buf, ", ");
		escape_json(&buf, plan->dimensions[i].name);
		appendStringInfoString(&buf, ": ");
		escape_json(&buf, meter_path_canonical(plan->dimensions[i].path));
	}
	appendStringInfoString(&buf, "}");
	if (plan->currency_path)
	{
		appendStringInfoString(&buf, ", \"currency\": ");
		escape_json(&buf, meter_path_canonical(plan->currency_path));
	}
	appendStringInfoString(&buf, "}");
	return buf.data;
}
