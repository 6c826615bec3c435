/*
 * usage.c
 *		SQL: meter.usage().
 */
#include "surface/usage_request.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "definitions/tenant.h"
#include "engine/spi.h"
#include "values/timestamp.h"

/* Arguments of meter.usage. */
enum
{
	ARG_ORGANIZATION, ARG_METER, ARG_FROM, ARG_TO, ARG_SUBJECT, ARG_WINDOW_SIZE,
	ARG_GROUP_BY, ARG_FILTER, ARG_TIME_ZONE, ARG_PROFILE, ARG_AS_OF
};

/* Arguments of meter.usage_by_version behind those that it shares. */
enum
{
	ARG_BY_FILTER = ARG_SUBJECT + 1, ARG_BY_VERSION
};

/* Refuse an argument; see usage_request.h. */
void
meter_request_invalid(const char *argument, const char *message)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s: %s", argument, message)));
}

/* Read as of when; see usage_request.h. */
void
meter_request_as_of(FunctionCallInfo fcinfo, int argument, MeterUsageRequest *request)
{
	if (PG_ARGISNULL(argument) || PG_GETARG_TIMESTAMPTZ(argument) > GetCurrentTimestamp())
		return;
	request->known = true;
	request->as_of = PG_GETARG_TIMESTAMPTZ(argument);
	request->meter = meter_usage_meter_known(&request->organization, request->meter, request->as_of);
}

/* Is there such a dimension in any version? */
static bool
is_dimension(const MeterEntry *meter, const char *name)
{
	for (int i = 0; i < meter->nversions; i++)
	{
		if (meter_plan_dimension(meter->versions[i], name) >= 0)
			return true;
	}
	return false;
}

static void
check_dimension(const MeterEntry *meter, const char *argument, const char *name)
{
	StringInfoData buf;
	const MeterPlan *plan = meter->versions[meter->nversions - 1];

	if (is_dimension(meter, name))
		return;
	initStringInfo(&buf);
	for (int i = 0; i < plan->ndimensions; i++)
		appendStringInfo(&buf, ", \"%s\"", plan->dimensions[i].name);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s: meter \"%s\" has no dimension \"%s\"", argument, meter->key, name),
			 errdetail("Expected \"subject\"%s.", buf.data)));
}

static void
read_group_by(FunctionCallInfo fcinfo, MeterUsageRequest *request)
{
	Datum	   *names;
	bool	   *nulls;
	int			n;

	if (PG_ARGISNULL(ARG_GROUP_BY))
		return;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(ARG_GROUP_BY), TEXTOID, -1, false, TYPALIGN_INT,
					  &names, &nulls, &n);
	request->group_by = palloc(Max(n, 1) * sizeof(char *));
	for (int i = 0; i < n; i++)
	{
		char	   *name;
		bool		again = false;

		if (nulls[i])
			meter_request_invalid("group_by", "must not hold null");
		name = TextDatumGetCString(names[i]);
		if (strcmp(name, "subject") == 0)
		{
			request->by_subject = true;
			continue;
		}
		check_dimension(request->meter, "group_by", name);
		for (int j = 0; j < request->ngroup_by; j++)
			again |= strcmp(request->group_by[j], name) == 0;
		if (!again)
			request->group_by[request->ngroup_by++] = name;
	}
}

static bool
check_filter_field(void *arg, const char *field)
{
	if (strcmp(field, "subject") != 0)
		check_dimension(arg, "filter", field);
	return true;
}

/* Read a filter tree; see usage_request.h. */
void
meter_request_filter(FunctionCallInfo fcinfo, int argument, MeterUsageRequest *request)
{
	Jsonb	   *filter;
	char	   *text;
	MeterError	err;

	if (PG_ARGISNULL(argument))
		return;
	filter = PG_GETARG_JSONB_P(argument);
	text = JsonbToCString(NULL, &filter->root, VARSIZE(filter));
	request->filter = meter_filter_compile(meter_json_parse_or_throw(text, strlen(text), "invalid filter"),
										   0, &err);
	if (request->filter == NULL)
		meter_error_throw(&err, ERRCODE_INVALID_PARAMETER_VALUE, "invalid filter");
	(void) meter_filter_fields(request->filter, check_filter_field, (void *) request->meter);
}

/* Read which profile; see usage_request.h. */
void
meter_request_profile(FunctionCallInfo fcinfo, int argument, MeterUsageRequest *request)
{
	const MeterEntry *meter = request->meter;
	const MeterPlan *newest = meter->versions[meter->nversions - 1];
	StringInfoData codes;

	if (PG_ARGISNULL(argument))
		return;
	request->profile = text_to_cstring(PG_GETARG_TEXT_PP(argument));
	for (int i = 0; i < meter->nversions; i++)
	{
		if (meter_plan_profile(meter->versions[i], request->profile) >= 0)
			return;
	}
	initStringInfo(&codes);
	for (int i = 1; i < newest->nprofiles; i++)
		appendStringInfo(&codes, ", \"%s\"", newest->profiles[i].code);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("profile: meter \"%s\" has no profile \"%s\"", meter->key, request->profile),
			 errdetail("Expected null%s.", codes.data)));
}

/* The profile of the newest version that has it. */
static const MeterProfile *
newest_profile(const MeterUsageRequest *request)
{
	const MeterPlan *plan = NULL;
	int			number = -1;

	for (int i = request->meter->nversions - 1; i >= 0 && number < 0; i--)
	{
		plan = request->meter->versions[i];
		number = meter_plan_profile(plan, request->profile);
	}
	return &plan->profiles[number];
}

static void
read_windows(FunctionCallInfo fcinfo, MeterUsageRequest *request)
{
	text	   *size;

	request->window = newest_profile(request)->window;
	request->window.count = 1;
	if (!PG_ARGISNULL(ARG_TIME_ZONE))
	{
		text	   *zone = PG_GETARG_TEXT_PP(ARG_TIME_ZONE);

		request->window.zone = meter_window_zone(VARDATA_ANY(zone), VARSIZE_ANY_EXHDR(zone));
		if (request->window.zone == NULL)
			meter_request_invalid("time_zone", "expected an IANA time zone, such as Europe/Berlin");
	}
	if (PG_ARGISNULL(ARG_WINDOW_SIZE))
		return;
	size = PG_GETARG_TEXT_PP(ARG_WINDOW_SIZE);
	if (!meter_window_size_parse(VARDATA_ANY(size), VARSIZE_ANY_EXHDR(size), &request->window.size))
		meter_request_invalid("window_size", "expected minute, hour, day, week, month, quarter, year or billing_period");
	if (request->window.size != METER_WINDOW_BILLING_PERIOD)
		request->window.has_anchor = false;
	else if (request->subject == NULL)
		meter_request_invalid("window_size", "billing_period: expected a subject, whose billing periods are asked for");
	else if (!PG_ARGISNULL(ARG_TIME_ZONE))
		meter_request_invalid("time_zone", "billing periods are in the time zone of their subscription");
	if (!meter_timestamp_in_range(request->from) || !meter_timestamp_in_range(request->to))
		meter_request_invalid("period_from, period_to", "expected years 1 to 9999 where window_size is given");
	request->windowed = true;
}

/* Read and check the first arguments; see usage_request.h. */
void
meter_request_read(FunctionCallInfo fcinfo, MeterUsageRequest *request, MeterText *subject)
{
	static const char *const required[] = {"organization_id", "meter", "period_from", "period_to"};
	text	   *name;

	request->organization = *meter_tenant_argument(fcinfo);
	for (int i = ARG_METER; i < lengthof(required); i++)
	{
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("%s must not be null", required[i])));
	}
	request->from = PG_GETARG_TIMESTAMPTZ(ARG_FROM);
	request->to = PG_GETARG_TIMESTAMPTZ(ARG_TO);
	if (request->from > request->to)
		meter_request_invalid("period_to", "must not be before period_from");
	name = PG_GETARG_TEXT_PP(ARG_METER);
	request->meter = meter_cache_meter(&request->organization, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	if (request->meter == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("meter \"%s\" does not exist", text_to_cstring(name))));
	if (request->meter->nversions == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("meter \"%s\" has no published version", request->meter->key),
				 errhint("Publish its draft with meter.publish_meter_version().")));
	if (!PG_ARGISNULL(ARG_SUBJECT))
	{
		text	   *s = PG_GETARG_TEXT_PP(ARG_SUBJECT);

		*subject = (MeterText) {VARDATA_ANY(s), VARSIZE_ANY_EXHDR(s)};
		request->subject = subject;
	}
}

/* Read and check the arguments. */
static void
read_request(FunctionCallInfo fcinfo, MeterUsageRequest *request, MeterText *subject)
{
	meter_request_read(fcinfo, request, subject);
	meter_request_as_of(fcinfo, ARG_AS_OF, request);
	meter_request_profile(fcinfo, ARG_PROFILE, request);
	read_group_by(fcinfo, request);
	meter_request_filter(fcinfo, ARG_FILTER, request);
	read_windows(fcinfo, request);
}

/* Write a row of the answer. */
static void
emit_row(void *arg, const MeterUsageRow *row)
{
	ReturnSetInfo *rsinfo = arg;
	Datum		values[8];
	bool		nulls[8] = {false};

	values[0] = TimestampTzGetDatum(row->start);
	values[1] = TimestampTzGetDatum(row->end);
	values[2] = meter_spi_text(row->subject, &nulls[2]);
	values[3] = DirectFunctionCall1(jsonb_in, CStringGetDatum(pnstrdup(row->dimensions.data,
																	 row->dimensions.len)));
	values[4] = meter_spi_text(row->currency, &nulls[4]);
	values[5] = Int32GetDatum(row->version);
	nulls[6] = row->value == NULL;
	values[6] = NumericGetDatum(row->value);
	values[7] = Int64GetDatum(row->count);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

PG_FUNCTION_INFO_V1(meter_usage);

/* meter.usage(organization_id, meter, period_from, period_to, ...) */
Datum
meter_usage(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MeterUsageRequest request = {0};
	MeterText	subject;

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	meter_cache_refresh(false);
	meter_store_require();
	read_request(fcinfo, &request, &subject);
	meter_usage_compute(&request, emit_row, rsinfo);
	SPI_finish();
	return (Datum) 0;
}

/* Have one version measure all that is asked for. */
static void
read_version(FunctionCallInfo fcinfo, MeterUsageRequest *request)
{
	const MeterEntry *meter = request->meter;

	for (int i = 0; i < meter->nversions && !PG_ARGISNULL(ARG_BY_VERSION); i++)
	{
		if (meter->versions[i]->version == PG_GETARG_INT32(ARG_BY_VERSION))
			request->measured_by = meter->versions[i];
	}
	if (request->measured_by == NULL)
		meter_request_invalid("version", "expected the number of a published version");
	request->meter = meter_usage_meter_pinned(meter, request->measured_by);
}

PG_FUNCTION_INFO_V1(meter_usage_by_version);

/* meter.usage_by_version(organization_id, meter, period_from, period_to, subject, filter, version) */
Datum
meter_usage_by_version(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MeterUsageRequest request = {0};
	MeterText	subject;

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	meter_cache_refresh(false);
	meter_store_require();
	meter_request_read(fcinfo, &request, &subject);
	read_version(fcinfo, &request);
	meter_request_filter(fcinfo, ARG_BY_FILTER, &request);
	meter_usage_compute(&request, emit_row, rsinfo);
	SPI_finish();
	return (Datum) 0;
}
