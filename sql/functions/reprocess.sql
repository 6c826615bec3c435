-- Counting events anew, from the raw events: jobs.

CREATE FUNCTION meter.enter_reprocess_job(organization_id uuid, meter_id uuid, period_from timestamptz, period_to timestamptz,
		open_only boolean, reason text) RETURNS bigint
	LANGUAGE plpgsql STRICT
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	entered bigint;
BEGIN
	PERFORM meter.require_tenant(organization_id);
	-- one that did not come to its end goes on where it is
	SELECT j.job_id INTO entered FROM meter.reprocess_job AS j
		WHERE j.organization_id = enter_reprocess_job.organization_id AND j.meter_id = enter_reprocess_job.meter_id
			AND j.period_from = enter_reprocess_job.period_from AND j.period_to = enter_reprocess_job.period_to
			AND j.open_only = enter_reprocess_job.open_only AND j.state <> 'done'
		ORDER BY j.job_id LIMIT 1 FOR UPDATE;
	IF FOUND THEN
		UPDATE meter.reprocess_job AS j SET state = 'pending', error = NULL, finished_at = NULL
			WHERE j.organization_id = enter_reprocess_job.organization_id AND j.job_id = entered AND j.state = 'failed';
		RETURN entered;
	END IF;
	INSERT INTO meter.reprocess_job (organization_id, meter_id, period_from, period_to, open_only, reason, created_by)
		VALUES (enter_reprocess_job.organization_id, enter_reprocess_job.meter_id, enter_reprocess_job.period_from,
			enter_reprocess_job.period_to, enter_reprocess_job.open_only, enter_reprocess_job.reason, meter.current_actor())
		RETURNING job_id INTO entered;
	RETURN entered;
END
$function$;
COMMENT ON FUNCTION meter.enter_reprocess_job(uuid, uuid, timestamptz, timestamptz, boolean, text) IS 'Enters a job that counts a meter''s events from period_from to period_to anew, or finds the one that is already there and not done. open_only: leave events of finalized windows as they are. Result: the job''s number. Source: internal.';

CREATE FUNCTION meter.request_reprocess(organization_id uuid, meter text, period_from timestamptz, period_to timestamptz, reason text)
	RETURNS bigint
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	head meter.meter := meter.find_meter(organization_id, meter);
BEGIN
	IF period_from IS NULL OR period_to IS NULL OR period_from >= period_to THEN
		RAISE EXCEPTION 'invalid range: expected a period_from before its period_to'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF reason IS NULL OR length(reason) NOT BETWEEN 1 AND 1000 THEN
		RAISE EXCEPTION 'invalid reason: expected 1 to 1000 characters'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF head.status = 'archived' THEN
		RAISE EXCEPTION 'meter "%" is archived', head.key
			USING ERRCODE = 'object_not_in_prerequisite_state';
	END IF;
	IF to_regclass('meter.reprocess_job') IS NULL THEN
		RAISE EXCEPTION 'the store of meter does not exist'
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Run SELECT meter.create_store().';
	END IF;
	RETURN meter.enter_reprocess_job(organization_id, head.id, period_from, period_to, false, reason);
END
$function$;
COMMENT ON FUNCTION meter.request_reprocess(uuid, text, timestamptz, timestamptz, text) IS 'Checks what meter.reprocess() was asked for and enters the job. Result: its number. Errors: as meter.reprocess(). Source: internal.';

CREATE FUNCTION meter.start_reprocess_job(organization_id uuid, job_id bigint) RETURNS void
	LANGUAGE plpgsql STRICT
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off
AS $function$
#variable_conflict use_column
DECLARE
	job meter.reprocess_job;
	first timestamptz;
	last timestamptz;
BEGIN
	PERFORM meter.require_tenant(organization_id);
	SELECT j.* INTO STRICT job FROM meter.reprocess_job AS j
		WHERE j.organization_id = start_reprocess_job.organization_id AND j.job_id = start_reprocess_job.job_id FOR UPDATE;
	IF job.hour_from IS NULL THEN
		-- a page begins in the hour of all its events
		SELECT e."time" INTO first FROM meter.event AS e
			WHERE e.organization_id = job.organization_id AND e."time" >= date_trunc('hour', job.period_from, 'UTC')
			ORDER BY e."time" LIMIT 1;
		SELECT e."time" INTO last FROM meter.event AS e
			WHERE e.organization_id = job.organization_id AND e."time" < job.period_to
			ORDER BY e."time" DESC LIMIT 1;
		job.hour_from := date_trunc('hour', coalesce(first, now()), 'UTC');
		job.hour_to := greatest(date_trunc('hour', coalesce(last, first), 'UTC') + '1 hour', job.hour_from);
		job."position" := job.hour_from;
	END IF;
	-- what is counted newly may be in windows that thresholds hold to be empty
	IF EXISTS (SELECT FROM meter.threshold_watch AS w WHERE w.organization_id = job.organization_id
			AND w.meter_id = job.meter_id AND w.empty_from < job.hour_to) THEN
		UPDATE meter.threshold_watch AS w SET empty_from = job.hour_to
			WHERE w.organization_id = job.organization_id AND w.meter_id = job.meter_id AND w.empty_from < job.hour_to;
	END IF;
	UPDATE meter.reprocess_job AS j SET state = 'running', started_at = coalesce(j.started_at, clock_timestamp()),
			updated_at = clock_timestamp(), hour_from = job.hour_from, hour_to = coalesce(job.hour_to, job.hour_from),
			"position" = job."position"
		WHERE j.organization_id = job.organization_id AND j.job_id = job.job_id;
END
$function$;
COMMENT ON FUNCTION meter.start_reprocess_job(uuid, bigint) IS 'Marks a job as running; the first time, finds the whole UTC hours of its range that the store holds. Source: internal.';

CREATE FUNCTION meter.reprocess_step(organization_id uuid, job_id bigint) RETURNS boolean
	LANGUAGE c VOLATILE STRICT
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
	AS 'MODULE_PATHNAME', 'meter_reprocess_step';
COMMENT ON FUNCTION meter.reprocess_step(uuid, bigint) IS 'Does a running job''s next hours, or its last step. Result: whether there is more to do. Source: internal.';

CREATE FUNCTION meter.end_reprocess_job(organization_id uuid, job_id bigint, error text) RETURNS void
	LANGUAGE c VOLATILE STRICT
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
	AS 'MODULE_PATHNAME', 'meter_end_reprocess_job';
COMMENT ON FUNCTION meter.end_reprocess_job(uuid, bigint, text) IS 'Marks a job as failed, and has closed windows revised as far as it got. error: why. Source: internal.';

CREATE PROCEDURE meter.reprocess(organization_id uuid, meter text, period_from timestamptz, period_to timestamptz, reason text)
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'meter_reprocess';
COMMENT ON PROCEDURE meter.reprocess(uuid, text, timestamptz, timestamptz, text) IS 'Counts a meter''s events of [period_from, period_to) anew, from the raw events: each by the version whose range holds its time, also those that came before the meter was there (unmatched). meter: key or id; the range is widened to whole UTC hours, infinities stand for all that the store holds; reason: 1 to 1000 characters, given by the revisions of closed windows. Commits every half second or so while ingestion goes on; meter.stat_progress shows how far it is. Interrupted, it goes on where it was when it is called again with the same meter and range, or by meter.run_reprocess_jobs(). Errors: 22023 bad argument, 42704 no such meter, 55000 archived meter or no store, 25001 called in a transaction block or function, or under another isolation level than read committed. Source: standard.';

CREATE PROCEDURE meter.run_reprocess_jobs()
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'meter_run_reprocess_jobs';
COMMENT ON PROCEDURE meter.run_reprocess_jobs() IS 'Works off the jobs that count events anew: those that wait and those that were interrupted, one after the other, leaving those that another session is at. A job that fails says why in meter.reprocess_job, raises a warning, and is not tried again. With claims, only those of the organization they name. Errors: 55000 no store, 25001 as meter.reprocess(). Source: internal.';
