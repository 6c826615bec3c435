/*
 * reprocess_job.h
 *		Jobs that count events anew, with commits.
 */
#ifndef METER_ENGINE_REPROCESS_JOB_H
#define METER_ENGINE_REPROCESS_JOB_H

#include "compat.h"

#include "utils/uuid.h"

/* Do a job's next hours, or its last step; true where there is more to do. */
extern bool meter_reprocess_job_step(const pg_uuid_t *organization, int64 job_id);

/* Tell closing what changed up to where the job is, and mark it as done; or, with
 * the error that stopped it, as failed. */
extern void meter_reprocess_job_end(const pg_uuid_t *organization, int64 job_id, const text *error);

/*
 * Work on a job until it is done, waiting for another session that is at it.
 * Called between SPI_connect_ext(SPI_OPT_NONATOMIC) and SPI_finish; commits.  An
 * error that would come again is kept in the job before it is raised.
 */
extern void meter_reprocess_job_run(const pg_uuid_t *organization, int64 job_id);

/* The same for all jobs that nobody is at, with warnings in place of errors. */
extern void meter_reprocess_jobs_run(void);

#endif							/* METER_ENGINE_REPROCESS_JOB_H */
