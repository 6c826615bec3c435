-- Jobs of pg_cron, which runs them. Nothing of meter needs pg_cron to be there.

CREATE FUNCTION meter.require_cron() RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	IF EXISTS (SELECT FROM pg_extension AS e WHERE e.extname = 'pg_cron') THEN
		RETURN;
	ELSIF NOT EXISTS (SELECT FROM pg_available_extensions AS a WHERE a.name = 'pg_cron') THEN
		RAISE EXCEPTION 'pg_cron is not installed'
			USING ERRCODE = 'feature_not_supported',
				HINT = format('Install the package postgresql-%s-cron, add pg_cron to shared_preload_libraries, restart, and run CREATE EXTENSION pg_cron.',
					current_setting('server_version_num')::int / 10000);
	ELSIF 'pg_cron' <> ALL (regexp_split_to_array(current_setting('shared_preload_libraries'), '[\s,"]+')) THEN
		RAISE EXCEPTION 'pg_cron is not loaded'
			USING ERRCODE = 'object_not_in_prerequisite_state',
				HINT = format('Add pg_cron to shared_preload_libraries, set cron.database_name = %L, restart, and run CREATE EXTENSION pg_cron.', current_database());
	END IF;
	RAISE EXCEPTION 'pg_cron is not in database "%"', current_database()
		USING ERRCODE = 'object_not_in_prerequisite_state',
			HINT = format('Run CREATE EXTENSION pg_cron here; it works in the database that cron.database_name names (%s). From there, cron.schedule_in_database() schedules jobs for this one.',
				current_setting('cron.database_name', true));
END
$function$;
COMMENT ON FUNCTION meter.require_cron() IS 'Errors: 0A000 the extension pg_cron is not installed, 55000 it is not loaded, or not in this database. Source: internal.';

CREATE FUNCTION meter.job_interval(options jsonb, option text, fallback interval) RETURNS interval
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	given interval := fallback;
BEGIN
	IF options ? option THEN
		BEGIN
			given := (options ->> option)::interval;
		EXCEPTION WHEN data_exception THEN
			given := NULL;
		END;
		IF given IS NULL OR given <= interval '0' THEN
			RAISE EXCEPTION 'invalid job options: %: expected an interval above zero, such as 13 months', option
				USING ERRCODE = 'invalid_parameter_value';
		END IF;
	END IF;
	RETURN given;
END
$function$;
COMMENT ON FUNCTION meter.job_interval(jsonb, text, interval) IS 'An interval among the options of meter.schedule_jobs(), or fallback where it is not given. Errors: 22023 not an interval above zero. Source: internal.';

CREATE FUNCTION meter.wanted_jobs(options jsonb) RETURNS TABLE (job text, schedule text, command text)
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	option text;
	schedules CONSTANT jsonb := '{"close_windows": "* * * * *", "create_partitions": "20 3 * * *", "drop_partitions": "40 3 * * *",
		"outbox_delete_delivered": "*/10 * * * *", "run_reprocess_jobs": "* * * * *", "sweep_thresholds": "*/10 * * * *"}';
	intervals CONSTANT text[] := '{outbox_retention, retention, threshold_retention}';
	retention interval;
	of_cron CONSTANT text := '^\S+( \S+){4}$';
BEGIN
	IF options IS NULL OR jsonb_typeof(options) <> 'object' THEN
		RAISE EXCEPTION 'invalid job options: expected an object'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	FOR option IN SELECT jsonb_object_keys(options) LOOP
		IF NOT schedules ? option AND option <> ALL (intervals) THEN
			RAISE EXCEPTION 'invalid job options: unknown key "%"', option
				USING ERRCODE = 'invalid_parameter_value';
		ELSIF jsonb_typeof(options -> option) <> 'string' OR schedules ? option AND options ->> option !~ of_cron THEN
			RAISE EXCEPTION 'invalid job options: %: expected %', option, CASE WHEN schedules ? option
					THEN 'a schedule of five fields, such as * * * * *' ELSE 'an interval, such as 13 months' END
				USING ERRCODE = 'invalid_parameter_value';
		END IF;
	END LOOP;
	retention := meter.job_interval(options, 'retention', NULL);
	IF retention IS NULL AND options ? 'drop_partitions' THEN
		RAISE EXCEPTION 'invalid job options: drop_partitions: expected a retention as well'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	RETURN QUERY SELECT 'meter.' || j.name, coalesce(options ->> j.name, schedules ->> j.name), j.command
		FROM (VALUES
			('close_windows', 'SELECT meter.close_windows()'),
			('create_partitions', 'SELECT meter.create_partitions()'),
			('drop_partitions', format('SELECT meter.drop_partitions(%L)', retention)),
			('outbox_delete_delivered', format('SELECT meter.outbox_delete_delivered(%L, 100000)', meter.job_interval(options, 'outbox_retention', '30 days'))),
			('run_reprocess_jobs', 'CALL meter.run_reprocess_jobs()'),
			('sweep_thresholds', format('SELECT meter.sweep_thresholds(%L)', meter.job_interval(options, 'threshold_retention', '35 days')))
		) AS j (name, command)
		WHERE j.name <> 'drop_partitions' OR retention IS NOT NULL;
END
$function$;
COMMENT ON FUNCTION meter.wanted_jobs(jsonb) IS 'The jobs that meter.schedule_jobs() registers, by its options. Errors: 22023 bad options. Source: internal.';

CREATE FUNCTION meter.schedule_jobs(options jsonb DEFAULT '{}') RETURNS int
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	wanted record;
	n int := 0;
BEGIN
	PERFORM meter.wanted_jobs(options);
	PERFORM meter.require_cron();
	-- what was asked for before and is not any more goes; the others keep their ids
	EXECUTE 'SELECT cron.unschedule(j.jobid) FROM cron.job AS j
		WHERE j.database = current_database() AND j.username = current_user AND j.jobname = ''meter.drop_partitions'' AND NOT $1'
		USING options ? 'retention';
	FOR wanted IN SELECT * FROM meter.wanted_jobs(options) LOOP
		EXECUTE 'SELECT cron.schedule($1, $2, $3)' USING wanted.job, wanted.schedule, wanted.command;
		n := n + 1;
	END LOOP;
	RETURN n;
END
$function$;
COMMENT ON FUNCTION meter.schedule_jobs(jsonb) IS 'Registers the jobs of this database with pg_cron, for the calling role: meter.close_windows and meter.run_reprocess_jobs each minute, meter.outbox_delete_delivered and meter.sweep_thresholds every ten minutes, meter.create_partitions daily, and meter.drop_partitions daily where a retention is given. options: object of intervals (as text), retention (of raw events), outbox_retention (of domain events that are delivered, default 30 days) and threshold_retention (of what thresholds know of windows that are over, default 35 days), and of schedules (five fields, in cron.timezone) by the names close_windows, run_reprocess_jobs, outbox_delete_delivered, sweep_thresholds, create_partitions, drop_partitions. Idempotent: called again, it changes them to what the options say. Result: how many jobs there are. Errors: 22023 bad options, 0A000 pg_cron is not installed, 55000 it is not loaded or not in this database, each with a hint. Source: standard.';

CREATE FUNCTION meter.unschedule_jobs() RETURNS int
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	n int;
BEGIN
	PERFORM meter.require_cron();
	EXECUTE 'SELECT count(cron.unschedule(j.jobid)) FROM cron.job AS j
		WHERE j.database = current_database() AND j.username = current_user AND j.jobname = ANY ($1)'
		INTO n USING ARRAY(SELECT w.job FROM meter.wanted_jobs('{"retention": "1 day"}') AS w);
	RETURN n;
END
$function$;
COMMENT ON FUNCTION meter.unschedule_jobs() IS 'Takes the jobs of meter.schedule_jobs(), of this database and the calling role, from pg_cron. Result: how many there were. Errors: 0A000 pg_cron is not installed, 55000 it is not loaded or not in this database. Source: standard.';
