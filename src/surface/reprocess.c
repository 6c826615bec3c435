/*
 * reprocess.c
 *		SQL: counting events anew.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "definitions/tenant.h"
#include "engine/reprocess.h"
#include "engine/reprocess_job.h"
#include "engine/spi.h"

/* Raise 25001 where what follows could not commit. */
static void
require_top_level(FunctionCallInfo fcinfo, const char *procedure)
{
	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		((CallContext *) fcinfo->context)->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("%s commits as it goes, and cannot run inside a transaction block or function",
						procedure),
				 errhint("CALL it by itself.")));
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("%s needs isolation level read committed", procedure),
				 errhint("Set default_transaction_isolation to \"read committed\".")));
}

/* Enter the job that is asked for. */
static int64
request_job(FunctionCallInfo fcinfo)
{
	static MeterStatement statement = {
		"SELECT meter.request_reprocess($1, $2, $3, $4, $5)",
		5, {UUIDOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID}
	};
	Datum		values[5];
	char		nulls[5];
	bool		isnull;

	for (int i = 0; i < 5; i++)
	{
		values[i] = PG_GETARG_DATUM(i);
		nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
	}
	meter_spi_execute(&statement, values, nulls, false);
	return DatumGetInt64(meter_spi_value(0, 1, &isnull));
}

PG_FUNCTION_INFO_V1(meter_reprocess);

/* CALL meter.reprocess(organization_id, meter, period_from, period_to, reason) */
Datum
meter_reprocess(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *organization = meter_tenant_argument(fcinfo);
	int64		job_id;

	require_top_level(fcinfo, "meter.reprocess()");
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	job_id = request_job(fcinfo);
	SPI_commit();
	meter_reprocess_job_run(organization, job_id);
	SPI_finish();
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(meter_run_reprocess_jobs);

/* CALL meter.run_reprocess_jobs() */
Datum
meter_run_reprocess_jobs(PG_FUNCTION_ARGS)
{
	require_top_level(fcinfo, "meter.run_reprocess_jobs()");
	meter_store_require();
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	meter_reprocess_jobs_run();
	SPI_finish();
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(meter_reprocess_step);

/* meter.reprocess_step(organization_id, job_id) */
Datum
meter_reprocess_step(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *organization = meter_tenant_argument(fcinfo);
	bool		more;

	SPI_connect();
	more = meter_reprocess_job_step(organization, PG_GETARG_INT64(1));
	SPI_finish();
	PG_RETURN_BOOL(more);
}

PG_FUNCTION_INFO_V1(meter_end_reprocess_job);

/* meter.end_reprocess_job(organization_id, job_id, error) */
Datum
meter_end_reprocess_job(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *organization = meter_tenant_argument(fcinfo);

	SPI_connect();
	meter_reprocess_job_end(organization, PG_GETARG_INT64(1), PG_GETARG_TEXT_PP(2));
	SPI_finish();
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(meter_recount_published);

/* meter.recount_published(organization_id, meter_id, effective_from, effective_to) */
Datum
meter_recount_published(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *organization = meter_tenant_argument(fcinfo);
	MeterInterval times = {PG_GETARG_TIMESTAMPTZ(2), PG_GETARG_TIMESTAMPTZ(3)};
	const char *result;

	SPI_connect();
	result = meter_reprocess_published(organization, PG_GETARG_UUID_P(1), times);
	SPI_finish();
	PG_RETURN_TEXT_P(cstring_to_text(result));
}
