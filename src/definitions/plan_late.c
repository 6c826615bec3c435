/*
 * plan_late.c
 *		The key late_event_policy: what becomes of events that come after their
 *		window's end and grace, and of those too old or too far ahead.
 */
#include "definitions/compiler.h"

#include "values/duration.h"

#define DEFAULT_GRACE USECS_PER_HOUR

/* The policy of a definition that has none. */
MeterLatePolicy
meter_plan_default_late(void)
{
	return (MeterLatePolicy) {
		.mode = METER_LATE_REVISE, .grace = DEFAULT_GRACE,
			.max_future = PG_INT64_MAX, .max_age = PG_INT64_MAX
	};
}

static bool
read_mode(MeterPlanCompiler *c, int node)
{
	static const char *const modes[] = {
		[METER_LATE_REVISE] = "revise", [METER_LATE_REJECT] = "reject",
		[METER_LATE_NEXT_WINDOW] = "next_window", [METER_LATE_QUARANTINE] = "quarantine"
	};
	const char *text = "";
	int			len = 0;

	if (c->doc->nodes[node].type == METER_JSON_STRING)
		text = meter_json_string(c->doc, node, &len);
	for (int i = 0; i < lengthof(modes); i++)
	{
		if (strlen(modes[i]) == len && memcmp(modes[i], text, len) == 0)
		{
			c->plan->late.mode = i;
			return true;
		}
	}
	return meter_plan_refuse(c, "INVALID_MODE", "expected revise, reject, next_window or quarantine");
}

static bool
read_duration(MeterPlanCompiler *c, int node, int64 *out)
{
	const char *text;
	int			len;

	if (c->doc->nodes[node].type != METER_JSON_STRING)
		return meter_plan_refuse(c, "INVALID_TYPE", "expected a duration, a string as \"1 hour\"");
	text = meter_json_string(c->doc, node, &len);
	return meter_duration_parse(text, len, out, c->err);
}

static bool
read_grace(MeterPlanCompiler *c, int node)
{
	return read_duration(c, node, &c->plan->late.grace);
}

static bool
read_max_future(MeterPlanCompiler *c, int node)
{
	return read_duration(c, node, &c->plan->late.max_future);
}

static bool
read_max_age(MeterPlanCompiler *c, int node)
{
	return read_duration(c, node, &c->plan->late.max_age);
}

/* The key late_event_policy. */
bool
meter_plan_read_late(MeterPlanCompiler *c, int node)
{
	static const char *const known[] = {"mode", "grace", "max_future", "max_age"};

	return meter_plan_object(c, node, known, lengthof(known)) &&
		meter_plan_read(c, node, "mode", false, read_mode) &&
		meter_plan_read(c, node, "grace", false, read_grace) &&
		meter_plan_read(c, node, "max_future", false, read_max_future) &&
		meter_plan_read(c, node, "max_age", false, read_max_age);
}
