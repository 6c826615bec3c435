/*
 * reprocess_job.c
 *		Jobs that count events anew, with commits.
 *
 * A job's row says which hours are done; each step does some more and says so in
 * the same transaction, so a job that is killed anywhere goes on where it was.
 * Who works on a job holds a lock of its session (locks.h), which ends with it:
 * a job that is running and not locked was abandoned.
 *
 * A meter's definitions may change while its job runs: what is left is counted by
 * those then in force.  But ingestion that began under definitions older than the
 * job must be over before it reads: what that appends is counted by the old ones.
 */
#include "engine/reprocess_job.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "engine/closing.h"
#include "engine/locks.h"
#include "engine/reprocess.h"
#include "engine/spi.h"
#include "engine/threshold.h"

#define JOB_ARGS 2, {UUIDOID, INT8OID}

static Datum *
job_values(const pg_uuid_t *organization, int64 job_id, Datum *values)
{
	values[0] = UUIDPGetDatum(organization);
	values[1] = Int64GetDatum(job_id);
	return values;
}

/* Tell whoever must know that a meter's usage of some time was counted anew. */
static void
tell_counted(const pg_uuid_t *organization, const char *key, TimestampTz from, TimestampTz to, const char *reason)
{
	const MeterEntry *meter;

	/* threshold.h asks for it; without a lock, for two jobs may end at once */
	meter_cache_refresh(true);
	meter = meter_cache_meter(organization, key, strlen(key));
	if (meter && meter->nwatches > 0)
		meter_lock_definitions_wait(organization);
	meter_lock_definitions_shared(organization);
	meter_cache_refresh(true);
	meter = meter_cache_meter(organization, key, strlen(key));
	if (meter == NULL)
		return;
	meter_threshold_recount(organization, meter, from, to);
	meter_closing_touch_range(organization, reason, meter, from, to);
}

/* End a job; see reprocess_job.h. */
void
meter_reprocess_job_end(const pg_uuid_t *organization, int64 job_id, const text *error)
{
	static MeterStatement statement = {
		"UPDATE meter.reprocess_job AS j SET state = CASE WHEN $3 IS NULL THEN 'done' ELSE 'failed' END,"
		" error = $3, finished_at = pg_catalog.clock_timestamp()"
		" FROM meter.meter AS m"
		" WHERE j.organization_id = $1 AND j.job_id = $2"
		" AND m.organization_id = j.organization_id AND m.id = j.meter_id"
		" RETURNING m.key, j.hour_from, j.\"position\", j.reason",
		3, {UUIDOID, INT8OID, TEXTOID}
	};
	char	   *key;
	char	   *reason;
	TimestampTz from;
	TimestampTz to;
	Datum		values[3];
	bool		isnull;

	job_values(organization, job_id, values);
	values[2] = PointerGetDatum(error);
	meter_spi_execute(&statement, values, error ? "   " : "  n", false);
	if (SPI_processed == 0)
		return;
	key = TextDatumGetCString(meter_spi_value(0, 1, &isnull));
	from = DatumGetTimestampTz(meter_spi_value(0, 2, &isnull));
	to = DatumGetTimestampTz(meter_spi_value(0, 3, &isnull));
	reason = TextDatumGetCString(meter_spi_value(0, 4, &isnull));
	SPI_freetuptable(SPI_tuptable);
	tell_counted(organization, key, from, to, reason);
}

/* Do some of a job; see reprocess_job.h. */
bool
meter_reprocess_job_step(const pg_uuid_t *organization, int64 job_id)
{
	static MeterStatement look = {
		"SELECT m.key, j.open_only, j.\"position\", j.hour_to"
		" FROM meter.reprocess_job AS j"
		" JOIN meter.meter AS m ON m.organization_id = j.organization_id AND m.id = j.meter_id"
		" WHERE j.organization_id = $1 AND j.job_id = $2 AND j.state = 'running'"
		" FOR UPDATE OF j", JOB_ARGS
	};
	static MeterStatement note = {
		"UPDATE meter.reprocess_job AS j SET \"position\" = $3, events_done = j.events_done + $4,"
		" updated_at = pg_catalog.clock_timestamp()"
		" WHERE j.organization_id = $1 AND j.job_id = $2",
		4, {UUIDOID, INT8OID, TIMESTAMPTZOID, INT8OID}
	};
	MeterReprocess reprocess = {.organization = *organization};
	int64		events = 0;
	int32		next;
	Datum		values[4];
	bool		isnull;

	meter_spi_execute(&look, job_values(organization, job_id, values), NULL, false);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("job %lld is not running, or its meter is gone", (long long) job_id)));
	reprocess.meter = TextDatumGetCString(meter_spi_value(0, 1, &isnull));
	reprocess.mode = DatumGetBool(meter_spi_value(0, 2, &isnull)) ? METER_REPROCESS_OPEN : METER_REPROCESS_ALL;
	reprocess.from = (int32) meter_hour_of(DatumGetTimestampTz(meter_spi_value(0, 3, &isnull)));
	reprocess.to = (int32) meter_hour_of(DatumGetTimestampTz(meter_spi_value(0, 4, &isnull)));
	SPI_freetuptable(SPI_tuptable);

	if (reprocess.from >= reprocess.to)
	{
		meter_reprocess_job_end(organization, job_id, NULL);
		return false;
	}
	next = meter_reprocess_hours(&reprocess, &events);
	job_values(organization, job_id, values);
	values[2] = TimestampTzGetDatum(next * METER_HOUR);
	values[3] = Int64GetDatum(events);
	meter_spi_execute(&note, values, NULL, false);
	return true;
}

/* Would the same error come again?  Not where it was for lack of time, room or
 * luck. */
static bool
will_recur(const ErrorData *error)
{
	int			category = ERRCODE_TO_CATEGORY(error->sqlerrcode);

	return error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE &&
		category != ERRCODE_TO_CATEGORY(ERRCODE_TRANSACTION_ROLLBACK) &&
		category != ERRCODE_TO_CATEGORY(ERRCODE_INSUFFICIENT_RESOURCES) &&
		category != ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION);
}

/* The next step, by the function that pins its settings; *error where it failed
 * for a reason that stays, with nothing of it done. */
static bool
try_step(const pg_uuid_t *organization, int64 job_id, ErrorData **error)
{
	static MeterStatement statement = {"SELECT meter.reprocess_step($1, $2)", JOB_ARGS};
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool more = false;
	Datum		values[2];
	bool		isnull;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		meter_spi_execute(&statement, job_values(organization, job_id, values), NULL, false);
		more = DatumGetBool(meter_spi_value(0, 1, &isnull));
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		*error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (!will_recur(*error))
			ReThrowError(*error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return more;
}

/* Is the job open, and is there something to do? */
static bool
is_open(const pg_uuid_t *organization, int64 job_id)
{
	static MeterStatement statement = {
		"SELECT 1 FROM meter.reprocess_job AS j WHERE j.organization_id = $1 AND j.job_id = $2"
		" AND j.state IN ('pending', 'running')", JOB_ARGS
	};
	Datum		values[2];

	meter_spi_execute(&statement, job_values(organization, job_id, values), NULL, false);
	return SPI_processed > 0;
}

/* Take the locked job to its end; returns the error that ended it, or NULL. */
static ErrorData *
run_locked(const pg_uuid_t *organization, int64 job_id)
{
	static MeterStatement start = {"SELECT meter.start_reprocess_job($1, $2)", JOB_ARGS};
	static MeterStatement fail = {
		"SELECT meter.end_reprocess_job($1, $2, $3)", 3, {UUIDOID, INT8OID, TEXTOID}
	};
	ErrorData  *error = NULL;
	Datum		values[3];
	bool		more;

	if (!is_open(organization, job_id))
		return NULL;
	meter_spi_execute(&start, job_values(organization, job_id, values), NULL, false);
	SPI_commit();
	meter_lock_definitions_wait(organization);
	do
	{
		more = try_step(organization, job_id, &error);
		if (error)
		{
			job_values(organization, job_id, values);
			values[2] = CStringGetTextDatum(error->message);
			meter_spi_execute(&fail, values, NULL, false);
		}
		SPI_commit();
	} while (more);
	return error;
}

/* The same, and unlock the job. */
static ErrorData *
run_and_unlock(const pg_uuid_t *organization, int64 job_id)
{
	ErrorData  *volatile error = NULL;

	PG_TRY();
	{
		error = run_locked(organization, job_id);
	}
	PG_CATCH();
	{
		meter_unlock_job(job_id);
		PG_RE_THROW();
	}
	PG_END_TRY();
	meter_unlock_job(job_id);
	return error;
}

/* Work on one job; see reprocess_job.h. */
void
meter_reprocess_job_run(const pg_uuid_t *organization, int64 job_id)
{
	ErrorData  *error;

	(void) meter_lock_job(job_id, true);
	error = run_and_unlock(organization, job_id);
	if (error)
		ReThrowError(error);
}

/* The first open job behind another one; false where there is none. */
static bool
next_job(int64 *job_id, pg_uuid_t *organization)
{
	static MeterStatement statement = {
		"SELECT j.organization_id, j.job_id FROM meter.reprocess_job AS j"
		" WHERE j.job_id > $1 AND j.state IN ('pending', 'running') AND meter.in_claims(j.organization_id)"
		" ORDER BY j.job_id LIMIT 1",
		1, {INT8OID}
	};
	Datum		value = Int64GetDatum(*job_id);
	bool		isnull;

	meter_spi_execute(&statement, &value, NULL, false);
	if (SPI_processed == 0)
		return false;
	*organization = *DatumGetUUIDP(meter_spi_value(0, 1, &isnull));
	*job_id = DatumGetInt64(meter_spi_value(0, 2, &isnull));
	return true;
}

/* Work on all jobs; see reprocess_job.h. */
void
meter_reprocess_jobs_run(void)
{
	int64		job_id = 0;
	pg_uuid_t	organization;

	while (next_job(&job_id, &organization))
	{
		ErrorData  *error;

		if (!meter_lock_job(job_id, false))
			continue;
		error = run_and_unlock(&organization, job_id);
		if (error)
			ereport(WARNING,
					(errcode(error->sqlerrcode),
					 errmsg("job %lld failed: %s", (long long) job_id, error->message)));
	}
}
