/*
 * report_request.c
 *		SQL: POST /meters/usage of seed 002, and who may use that seed's surface.
 *
 * Of all requests this one comes most often, so it takes the shortest way:
 * no other function of SQL is between it and meter.report_usage(), and no
 * subtransaction, since what PostgREST is to say of an error can be raised.
 */
#include "surface/http.h"

#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "definitions/cache.h"
#include "surface/report.h"

/* The organization of a request of seed 002, which its claims name, with the scope;
 * and what its settings say. */
static void
find_reporter(pg_uuid_t *organization, bool *licensed, volatile int *quota_status)
{
	const MeterOrganization *settings;

	meter_http_organization(NULL, "meter-report", true, organization);
	SPI_connect();
	meter_cache_refresh(false);
	settings = meter_cache_organization(organization);
	/* one that does not exist is found out by who looks for its meters */
	*licensed = settings == NULL || settings->licensed;
	if (settings)
		*quota_status = settings->quota_status;
	SPI_finish();
}

PG_FUNCTION_INFO_V1(meter_http_reporter);

/* meter.http_reporter() */
Datum
meter_http_reporter(PG_FUNCTION_ARGS)
{
	pg_uuid_t  *result = palloc(sizeof(pg_uuid_t));
	bool		licensed;
	int			quota_status;

	find_reporter(result, &licensed, &quota_status);
	if (!licensed)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("the organization lacks the license metered_products or subscription"),
				 errdetail("LICENSE.REQUIRED.")));
	PG_RETURN_UUID_P(result);
}

/* The key of a report, by either header; NULL where there is none. */
static char *
idempotency_key(void)
{
	const MeterJson *headers = meter_http_headers();
	char	   *key = meter_http_find_header(headers, "idempotency-key");
	char	   *other = meter_http_find_header(headers, "x-api-idempotency-key");

	if (key && other && strcmp(key, other) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the headers Idempotency-Key and x-api-idempotency-key are not the same"),
				 errdetail("INVALID_IDEMPOTENCY_KEY.")));
	return key ? key : other;
}

/* Report what stands in the body, and set the status. */
static Datum
report_body(FunctionCallInfo fcinfo, const pg_uuid_t *organization)
{
	char	   *key = idempotency_key();
	Datum		answer;

	LOCAL_FCINFO(inner, 3);

	InitFunctionCallInfoData(*inner, NULL, 3, InvalidOid, NULL, NULL);
	inner->args[0].value = UUIDPGetDatum(organization);
	inner->args[0].isnull = false;
	/* what no jsonb can hold is an error of the request as any other */
	inner->args[1].isnull = PG_ARGISNULL(0);
	if (!PG_ARGISNULL(0))
		inner->args[1].value = DirectFunctionCall1(jsonb_in, CStringGetDatum(text_to_cstring(PG_GETARG_TEXT_PP(0))));
	inner->args[2].isnull = key == NULL;
	if (key)
		inner->args[2].value = CStringGetTextDatum(key);
	answer = meter_report_usage(inner);
	if (DatumGetBool(DirectFunctionCall2(jsonb_exists, answer, CStringGetTextDatum("requestId"))))
		meter_http_set_status(202);
	return answer;
}

PG_FUNCTION_INFO_V1(meter_api_report_meter_usage);

/* meter_api.report_meter_usage(json) */
Datum
meter_api_report_meter_usage(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	volatile int quota_status = 429;	/* until the organization says */
	Datum		result = (Datum) 0;

	PG_TRY();
	{
		pg_uuid_t	organization;
		bool		licensed;

		PreventCommandIfReadOnly("report_meter_usage");
		/* a report comes in without the licenses, too: what was used is not lost */
		find_reporter(&organization, &licensed, &quota_status);
		result = report_body(fcinfo, &organization);
	}
	PG_CATCH();
	{
		MeterHttpError error = meter_http_catch(context);

		/* the seed's words, and the organization's */
		if (strcmp(error.code, "KEY_CONFLICT") == 0)
		{
			error.code = "IDEMPOTENCY_CONFLICT";
			error.detail = "IDEMPOTENCY_CONFLICT.";
		}
		else if (strcmp(error.code, "METER_ARCHIVED") == 0 || strcmp(error.code, "METER_NOT_PUBLISHED") == 0)
			error.status = 400;
		else if (error.sqlstate == ERRCODE_CONFIGURATION_LIMIT_EXCEEDED)
			error.status = quota_status;
		meter_http_throw(&error);
	}
	PG_END_TRY();
	return result;
}
