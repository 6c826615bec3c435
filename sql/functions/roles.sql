-- Roles: who may do what.  Four groups for a DBA to grant to the roles that log
-- in; rows are kept apart by policies (sql/schema/tenancy.sql).

CREATE FUNCTION meter.owner_routines() RETURNS text[]
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT '{create_store,create_outbox,create_thresholds,create_readings,create_api_views,describe_api_view,relate_api_views,make_writable,protect_tables,setup_roles,grant_privileges,grant_on_tables,grant_on_routines,create_partitions,drop_partitions,drop_month,schedule_jobs,unschedule_jobs}'::text[];
END;
COMMENT ON FUNCTION meter.owner_routines() IS 'Functions that make or drop tables, roles or jobs: for the extension''s owner only. Source: internal.';

CREATE FUNCTION meter.operator_routines() RETURNS text[]
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT '{create_organization,update_organization,close_windows,sweep_thresholds,sweep_watches,sweep_reservations,advance_sweep,outbox_claim,outbox_claim_page,outbox_ack,outbox_fail,outbox_replay,outbox_delete_delivered,reprocess,enter_reprocess_job,request_reprocess,start_reprocess_job,reprocess_step,end_reprocess_job}'::text[];
END;
COMMENT ON FUNCTION meter.operator_routines() IS 'Functions that work for every organization, or for long: for trusted roles only. Source: internal.';

CREATE FUNCTION meter.grant_on_tables(role text, privileges text, condition text) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	target regclass;
BEGIN
	-- Never a partition: the policies of the whole do not hold for who reads a part.
	FOR target IN EXECUTE format('SELECT c.oid::regclass FROM pg_class AS c
		WHERE c.relnamespace = ''meter''::regnamespace AND c.relkind IN (''r'', ''p'', ''v'') AND NOT c.relispartition AND (%s)
		ORDER BY c.oid', condition)
	LOOP
		EXECUTE format('GRANT %s ON %s TO %I', privileges, target, role);
	END LOOP;
END
$function$;
COMMENT ON FUNCTION meter.grant_on_tables(text, text, text) IS 'Grants privileges on the tables and views of the schema meter that a condition over c (pg_class) holds for, to a role. Source: internal.';

CREATE FUNCTION meter.grant_on_routines(role text, condition text) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	target regprocedure;
BEGIN
	FOR target IN EXECUTE format('SELECT p.oid::regprocedure FROM pg_proc AS p
		WHERE p.pronamespace IN (''meter''::regnamespace, ''meter_api''::regnamespace) AND p.prorettype <> ''trigger''::regtype
			AND p.proname <> ALL (meter.owner_routines()) AND (%s)
		ORDER BY p.oid', condition)
	LOOP
		EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO %I', target, role);
	END LOOP;
END
$function$;
COMMENT ON FUNCTION meter.grant_on_routines(text, text) IS 'Grants EXECUTE on the routines of both schemas that a condition over p (pg_proc) holds for, to a role. Source: internal.';

CREATE FUNCTION meter.grant_privileges() RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	-- the columns of tenants are what policies are about
	of_tenants CONSTANT text := 'c.relkind <> ''v'' AND c.relname <> ''organization'' AND EXISTS (SELECT FROM pg_attribute AS a
		WHERE a.attrelid = c.oid AND a.attname = ''organization_id'' AND NOT a.attisdropped)';
	role text;
	target regclass;
	writes text;
BEGIN
	FOREACH role IN ARRAY '{meter_admin,meter_backend,meter_writer,meter_reader}'::text[] LOOP
		CONTINUE WHEN to_regrole(role) IS NULL;
		EXECUTE format('GRANT USAGE ON SCHEMA meter, meter_api TO %I', role);
		EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA meter_api TO %I', role);
		PERFORM meter.grant_on_tables(role, 'SELECT', 'true');
		IF role = 'meter_reader' THEN
			-- what cannot write, and what answers for it
			PERFORM meter.grant_on_routines(role, 'p.provolatile <> ''v'' OR p.proname = ''http_answer''');
			CONTINUE;
		END IF;
		-- no more than what views are written by
		FOR target, writes IN
			SELECT t.tgrelid, concat_ws(', ', CASE WHEN t.tgtype & 4 <> 0 THEN 'INSERT' END,
				CASE WHEN t.tgtype & 16 <> 0 THEN 'UPDATE' END, CASE WHEN t.tgtype & 8 <> 0 THEN 'DELETE' END)
			FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
			WHERE c.relnamespace = 'meter_api'::regnamespace AND t.tgfoid = 'meter.write_view'::regproc ORDER BY t.tgrelid
		LOOP
			EXECUTE format('GRANT %s ON %s TO %I', writes, target, role);
		END LOOP;
		EXECUTE format('GRANT USAGE ON ALL SEQUENCES IN SCHEMA meter TO %I', role);
		PERFORM meter.grant_on_tables(role, 'INSERT, UPDATE, DELETE', of_tenants);
		PERFORM meter.grant_on_tables(role, 'INSERT', 'c.relname = ''event_inbox''');
		IF role = 'meter_writer' THEN
			PERFORM meter.grant_on_routines(role, 'p.proname <> ALL (meter.operator_routines())');
		ELSE
			PERFORM meter.grant_on_routines(role, 'true');
			PERFORM meter.grant_on_tables(role, 'INSERT, UPDATE', 'c.relname = ''organization''');
			-- locking a row that is to go takes UPDATE
			PERFORM meter.grant_on_tables(role, 'INSERT, UPDATE, DELETE', 'c.relname = ''close_tick''');
		END IF;
	END LOOP;
END
$function$;
COMMENT ON FUNCTION meter.grant_privileges() IS 'Grants what each of the roles of meter.setup_roles() may do, on what there is now; nothing to roles that are missing. Source: internal.';

CREATE FUNCTION meter.setup_roles() RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	role text;
BEGIN
	-- Two sessions may both find a role missing: the second one waits here.
	PERFORM pg_advisory_xact_lock('meter.organization'::regclass::oid::bigint);
	FOREACH role IN ARRAY '{meter_admin,meter_backend,meter_writer,meter_reader}'::text[] LOOP
		CONTINUE WHEN to_regrole(role) IS NOT NULL;
		BEGIN
			EXECUTE format('CREATE ROLE %I NOLOGIN', role);
		EXCEPTION WHEN duplicate_object OR unique_violation THEN
			-- another database of the cluster was faster
			CONTINUE;
		END;
		-- What a tenant asks for must not hold the server for ever.  PostgREST applies
		-- it to each request; a DBA's own choice stays.
		IF role IN ('meter_writer', 'meter_reader') THEN
			EXECUTE format('ALTER ROLE %I SET statement_timeout = ''30s''', role);
			-- Requests are short: compiling one costs more than running it.
			EXECUTE format('ALTER ROLE %I SET jit = off', role);
		END IF;
	END LOOP;
	PERFORM meter.grant_privileges();
END
$function$;
COMMENT ON FUNCTION meter.setup_roles() IS 'Makes the group roles meter_admin (manages every organization), meter_backend (a trusted application, which names the organization in each call), meter_writer and meter_reader (the organization comes from the claims of the request; statements end after 30 s, and are not compiled), where they are missing, and grants them what they may do. Idempotent; run it again after an update of the extension. Needs a role that may create roles and owns the extension. Errors: 42501. Source: standard.';
