/*
 * report_event.c
 *		Usage that is reported as one event.
 */
#include "surface/report.h"

/*
 * Where the reported value goes; see report.h.  A meter that calculates its
 * value can name the reported one: value.
 */
bool
meter_report_value_path(const MeterPlan *plan, MeterPath **result, bool *calculated, MeterError *err)
{
	MeterPath  *path = plan->profiles[0].value_path;

	*calculated = plan->profiles[0].function == METER_FUNCTION_CUSTOM;
	for (int i = 0; i < plan->nderived_fields && path && path->nsteps > 0 && path->steps[0].name; i++)
		*calculated |= strcmp(path->steps[0].name, plan->derived_fields[i].field.code) == 0;
	if (*calculated)
	{
		bool		named = plan->ndata_fields == 0;

		for (int i = 0; i < plan->ndata_fields; i++)
			named |= strcmp(plan->data_fields[i].code, "value") == 0;
		if (!named)
			return meter_error_set(err, "INVALID_COMBINATION",
								   "the meter calculates its value, and has no data field value: use meter.ingest");
		*result = meter_path_compile("value", 5, err);
		return *result != NULL;
	}
	for (int s = 0; path && s < path->nsteps; s++)
	{
		if (path->steps[s].name == NULL)
			return meter_error_set(err, "INVALID_COMBINATION",
								   "the meter's value_field leads into an array: use meter.ingest");
	}
	*result = path && path->nsteps > 0 ? path : NULL;
	return true;
}

/* Keep the one event's status; what it points to goes with the batch. */
void
meter_report_keep(void *arg, const MeterEvent *event)
{
	MeterReported *reported = arg;
	MemoryContext old = MemoryContextSwitchTo(reported->context);

	reported->status = event->status;
	reported->seq = event->seq;
	if (event->error)
	{
		MeterError *error = palloc(sizeof(MeterError));

		*error = *event->error;
		error->message = pstrdup(event->error->message);
		error->pointer = event->error->pointer ? pstrdup(event->error->pointer) : NULL;
		error->detail = event->error->detail ? pstrdup(event->error->detail) : NULL;
		reported->error = error;
	}
	MemoryContextSwitchTo(old);
}

/* Raise an error where it was not counted; see report.h. */
void
meter_report_require(const MeterReported *reported, const char *what)
{
	if (reported->status == METER_STATUS_REJECTED)
	{
		int			sqlstate = meter_refusal_sqlstate(reported->error, ERRCODE_INVALID_PARAMETER_VALUE);

		meter_error_throw(reported->error, sqlstate, sqlstate == ERRCODE_INVALID_PARAMETER_VALUE ?
						  psprintf("%s rejected", what) : reported->error->code);
	}
	if (reported->status == METER_STATUS_CONFLICT)
		meter_error_throw(reported->error, ERRCODE_UNIQUE_VIOLATION, psprintf("%s refused", what));
}
