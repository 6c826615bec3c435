-- Two tenants, and everything there is: each table, view, sequence and function of
-- both schemas, by the catalog.  What needs a reason to be left out stands in a
-- list with it; an object that is in no list and fails no rule fails the test.
SET client_min_messages = warning;
SET TimeZone = 'UTC';
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS meter;
DO $$ BEGIN PERFORM meter.create_store(), meter.setup_roles(); END $$;
SELECT plan(29);

CREATE TABLE tenant (name text, id uuid);
INSERT INTO tenant VALUES ('a', '00000000-0000-4000-8000-00000000000a'), ('b', '00000000-0000-4000-8000-00000000000b');
\set claims '{"organization_id": "00000000-0000-4000-8000-00000000000a"}'

-- Something of each kind for both.
CREATE FUNCTION fill(org uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM meter.create_organization('tenant', org);
	PERFORM meter.create_meter(org, '{"key": "calls", "metric_key": "call", "function": "sum", "value_field": "n", "window": {"size": "day"},
		"late_event_policy": {"mode": "quarantine", "grace": "1 hour"}}');
	PERFORM meter.create_meter(org, '{"key": "old", "metric_key": "old", "function": "max", "value_field": "n", "window": {"size": "day"}}');
	PERFORM meter.create_meter(org, '{"key": "late", "metric_key": "old", "function": "count", "window": {"size": "day"}, "late_event_policy": {"mode": "next_window", "grace": "1 hour"}}');
	PERFORM meter.update_meter(org, 'calls', '{"name": "Calls"}');
	PERFORM meter.create_customer(org, '{"id": "cus", "name": "C", "aliases": ["ada"]}'), meter.create_product(org, '{"code": "plan", "name": "Plan"}');
	PERFORM meter.bind_product(org, 'plan', 'calls', '{"role": "billable", "pricing_var_name": "calls", "version": 2, "included_quantity_source": 10}');
	PERFORM meter.create_subscription(org, '{"customer": "cus", "products": ["plan"], "started_at": "2025-01-01T00:00:00Z"}');
	PERFORM meter.create_threshold(org, '{"name": "told", "meter": "calls", "threshold_value": 1}');
	PERFORM meter.create_threshold(org, '{"name": "limit", "meter": "calls", "threshold_value": 100, "action_kind": "block"}');
	PERFORM meter.ingest(org, '[{"id": "1", "source": "s", "type": "call", "subject": "ada", "data": {"n": 2}},
		{"id": "2", "source": "s", "type": "call", "subject": "ada", "data": {"n": 2}},
		{"id": "3", "source": "s", "type": "call", "subject": "ada", "data": {"n": "x"}},
		{"id": "4", "source": "s", "type": "call", "subject": "ada", "time": "2025-02-01T00:00:00Z", "data": {"n": 1}},
		{"id": "5", "source": "s", "type": "old", "subject": "ada", "time": "2025-02-01T00:00:00Z", "data": {"n": 1}}]');
	PERFORM meter.release_quarantine(org);
	PERFORM meter.void_event(org, 'call', '2', 'r');
	PERFORM meter.reserve(org, 'calls', 'ada', 3, '1 hour');
	PERFORM meter.create_device(org, '{"name": "D", "serial_number": "S", "meter_type": "WATER"}');
	PERFORM meter.record_reading(org, 'S', 1, '2025-01-01'), meter.record_reading(org, 'S', 2, '2025-01-02');
	PERFORM meter.enter_reprocess_job(org, (meter.find_meter(org, 'calls')).id, '2025-02-01', '2025-02-02', true, 'r');
	INSERT INTO meter.revision_queue (organization_id, meter_id, time_from, time_to, every_subject, reason)
		VALUES (org, (meter.find_meter(org, 'calls')).id, '2025-02-01', '2025-02-02', true, 'r');
END
$$;
DO $$ BEGIN PERFORM fill(id) FROM tenant; END $$;
-- closes the one, the other only if the first is closed by its own rights
DO $$ BEGIN PERFORM meter.close_windows(id) FROM tenant; END $$;
INSERT INTO meter.revision_queue (organization_id, meter_id, time_from, time_to, every_subject, reason)
	SELECT id, (meter.find_meter(id, 'calls')).id, '2025-02-01', '2025-02-02', true, 'r' FROM tenant;

-- What a statement gives a role with a's claims: its first value, or how many rows
-- it wrote, or the SQLSTATE and message.
CREATE FUNCTION tried(role text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
	n bigint;
BEGIN
	PERFORM set_config('request.jwt.claims', '{"organization_id": "00000000-0000-4000-8000-00000000000a"}', true), set_config('role', role, true);
	BEGIN
		IF statement LIKE 'SELECT%' THEN
			EXECUTE statement INTO answer;
		ELSE
			EXECUTE statement;
		END IF;
		GET DIAGNOSTICS n = ROW_COUNT;
		answer := coalesce(answer, n || ' rows');
		-- nothing stays
		RAISE SQLSTATE 'ZZUND' USING MESSAGE = answer;
	EXCEPTION WHEN OTHERS THEN
		answer := CASE WHEN SQLSTATE = 'ZZUND' THEN SQLERRM ELSE SQLSTATE || ' ' || SQLERRM END;
	END;
	PERFORM set_config('role', 'none', true), set_config('request.jwt.claims', '', true);
	RETURN answer;
END
$$;

--
-- Tables and views
--
CREATE VIEW relation AS
	SELECT c.oid, c.oid::regclass::text AS name, c.relkind, c.relowner, c.relrowsecurity, c.relispartition, c.reloptions,
		EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'organization_id' AND NOT a.attisdropped) AS of_tenants
	FROM pg_class AS c
	WHERE c.relnamespace IN ('meter'::regnamespace, 'meter_api'::regnamespace) AND c.relkind IN ('r', 'p', 'v', 'm', 'f');

CREATE TABLE without_tenant (name text, reason text);
INSERT INTO without_tenant VALUES
	('meter.close_tick', 'times and transaction numbers'),
	('meter.dropped_period', 'which months of events were dropped, for all');
SELECT set_eq('SELECT name FROM relation WHERE NOT of_tenants', 'SELECT name FROM without_tenant', 'every relation has organization_id, or a reason');
SELECT is_empty($$SELECT name FROM relation WHERE relkind NOT IN ('r', 'p', 'v')$$, 'tables and views only: others know no policies');
SELECT is_empty($$SELECT name FROM relation WHERE of_tenants AND relkind <> 'v' AND NOT relrowsecurity$$, 'every table of tenants has row-level security, and each partition');
SELECT is_empty($$SELECT name, polname FROM relation AS r JOIN pg_policy ON polrelid = r.oid
	WHERE NOT polpermissive OR polcmd <> '*' OR polroles <> '{0}' OR polwithcheck IS NOT NULL
		OR pg_get_expr(polqual, polrelid) <> '((organization_id >= meter.tenant_min()) AND (organization_id <= meter.tenant_max()))'$$, 'by the one policy');
SELECT is_empty($$SELECT name FROM relation WHERE relrowsecurity AND (SELECT count(*) FROM pg_policy AS p WHERE p.polrelid = relation.oid) <> 1$$, '... and no other');
SELECT is_empty($$SELECT name FROM relation WHERE relkind = 'v' AND NOT coalesce('security_invoker=true' = ANY (reloptions), false)
	AND name <> 'meter.event_inbox'	-- shows nothing, and reads no table$$, 'every view shows what its reader may see');
SELECT is_empty($$SELECT name, r FROM relation, unnest('{meter_admin,meter_backend,meter_writer,meter_reader}'::text[]) AS r
	WHERE relispartition AND has_table_privilege(r, oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')$$, 'no partition is granted');
SELECT is_empty($$SELECT name, r FROM relation, unnest('{meter_admin,meter_backend,meter_writer,meter_reader}'::text[]) AS r
	WHERE has_table_privilege(r, oid, 'TRUNCATE, REFERENCES, TRIGGER')$$, 'nor what policies say nothing about');

-- What is not there is seen by nobody: the matrix needs rows.
CREATE VIEW seen AS
	SELECT r.name, r.relkind, t.name AS of, (xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM %s WHERE organization_id = %L', r.name, t.id), false, true, '')))[1]::text::int AS n
	FROM relation AS r, tenant AS t WHERE of_tenants AND NOT relispartition AND r.name <> 'meter.event_inbox';
SELECT is_empty($$SELECT name, of FROM seen WHERE n = 0$$, 'both have rows in every table and view');

CREATE TABLE role (role text);
INSERT INTO role VALUES ('meter_reader'), ('meter_writer'), ('meter_backend'), ('meter_admin');
SELECT is_empty($$
	SELECT role, name, got FROM (SELECT role, r.name, tried(role, format('SELECT count(*) FROM %s WHERE organization_id <> %L', r.name, t.id)) AS got
		FROM role, relation AS r, tenant AS t WHERE t.name = 'a' AND of_tenants AND NOT relispartition OFFSET 0) AS g
	WHERE got <> '0'
$$, 'nobody sees a row of another');
SELECT is_empty($$
	SELECT role, name, got, n FROM (SELECT role, s.name, s.n, tried(role, format('SELECT count(*) FROM %s', s.name)) AS got FROM role, seen AS s WHERE of = 'a' OFFSET 0) AS g
	WHERE got <> n::text
$$, '... everybody all of his own');

CREATE VIEW written AS
	SELECT r.*, (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute AS a
			WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '') AS columns
	FROM relation AS r WHERE of_tenants AND relkind <> 'v' AND NOT relispartition;
-- b's own row, read by the owner, sent by a
CREATE FUNCTION row_of_b(name text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	answer jsonb;
BEGIN
	EXECUTE format('SELECT to_jsonb(t) FROM %s AS t WHERE organization_id = %L LIMIT 1', name, '00000000-0000-4000-8000-00000000000b') INTO answer;
	RETURN answer;
END
$$;
SELECT is_empty($$
	SELECT role, name, got FROM (SELECT role, r.name, tried(role, format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %2$s FROM jsonb_populate_record(NULL::%1$s, %3$L)', r.name, r.columns, row_of_b(r.name))) AS got
		FROM role, written AS r OFFSET 0) AS g
	WHERE got <> CASE WHEN role = 'meter_reader' OR name = 'meter.organization' AND role = 'meter_writer' THEN format('42501 permission denied for table %s', split_part(name, '.', 2))
		ELSE format('42501 new row violates row-level security policy for table "%s"', split_part(name, '.', 2)) END
$$, 'nobody writes a row for another');
SELECT is_empty($$
	SELECT role, name, got FROM (SELECT role, r.name, tried(role, format('UPDATE %s SET organization_id = %L', r.name, t.id)) AS got FROM role, written AS r, tenant AS t WHERE t.name = 'b' OFFSET 0) AS g
	WHERE got NOT LIKE '42501 %'
$$, '... or gives him one of his own');
SELECT is_empty($$
	SELECT role, name, got FROM (SELECT role, r.name, tried(role, format(command, r.name, t.id)) AS got
		FROM role, written AS r, tenant AS t, (VALUES ('UPDATE %s SET organization_id = organization_id WHERE organization_id = %L'), ('DELETE FROM %s WHERE organization_id = %L')) AS c (command)
		WHERE t.name = 'b' OFFSET 0) AS g
	WHERE got <> '0 rows' AND got <> format('42501 permission denied for table %s', split_part(name, '.', 2))
$$, '... or changes or deletes one of his');
SELECT is_empty($$
	SELECT role, got FROM (SELECT role, tried(role, format('INSERT INTO meter.event_inbox (organization_id, event) VALUES (%L, %L)', id, '{}')) AS got FROM role, tenant WHERE name = 'b' OFFSET 0) AS g
	WHERE got NOT LIKE '42501 %'
$$, '... or brings events for him');
-- Views go by their triggers, or by the tables below them.
SELECT is_empty($$
	SELECT role, name, got FROM (SELECT role, r.name, tried(role, format(command, r.name, t.id)) AS got
		FROM role, relation AS r, tenant AS t, (VALUES ('UPDATE %s SET organization_id = organization_id WHERE organization_id = %L'), ('DELETE FROM %s WHERE organization_id = %L')) AS c (command)
		WHERE t.name = 'b' AND relkind = 'v' AND of_tenants OFFSET 0) AS g
	WHERE got <> '0 rows' AND got NOT LIKE '42501 permission denied for %' AND got NOT LIKE '55000 cannot %' AND got NOT LIKE '0A000 cannot %'
$$, '... nor through a view');
SELECT is_empty($$
	SELECT role, name, got FROM (SELECT role, r.name, tried(role, format('INSERT INTO %s (organization_id) VALUES (%L)', r.name, t.id)) AS got
		FROM role, relation AS r, tenant AS t WHERE t.name = 'b' AND relkind = 'v' AND of_tenants AND r.name <> 'meter.event_inbox' OFFSET 0) AS g
	WHERE got NOT LIKE '42501 %' AND got !~ '^PGRST {"code": ?"FOREIGN_ORGANIZATION"' AND got NOT LIKE '55000 cannot insert %' AND got NOT LIKE '0A000 cannot %'
$$, 'nobody writes a row for another through a view');
SELECT is_empty($$SELECT c.oid::regclass, role FROM pg_class AS c, role
	WHERE c.relkind = 'S' AND c.relnamespace IN ('meter'::regnamespace, 'meter_api'::regnamespace)
		AND (has_sequence_privilege(role, c.oid, 'SELECT, UPDATE') OR role = 'meter_reader' AND has_sequence_privilege(role, c.oid, 'USAGE'))$$, 'sequences give numbers to who writes, and are set or read by nobody');

-- Values are in the planner's statistics too.
ANALYZE;
SELECT isnt_empty($$SELECT FROM pg_stats WHERE schemaname = 'meter' AND tablename = 'customer' AND attname = 'name'$$, 'there are statistics');
SELECT is_empty($$SELECT role, got FROM (SELECT role, tried(role, format('SELECT string_agg(DISTINCT tablename, %L) FROM pg_stats WHERE schemaname = %L', ',', 'meter')) AS got FROM role OFFSET 0) AS g
	WHERE got NOT IN ('1 rows', 'close_tick')$$, '... which nobody sees of tables of tenants');

-- A unique index without the tenant tells him that another one has the value.
CREATE TABLE unique_without_tenant (name text, reason text);
INSERT INTO unique_without_tenant VALUES
	('meter.close_tick_pkey', 'not of tenants'), ('meter.dropped_period_pkey', 'not of tenants');
SELECT set_eq($$SELECT i.indexrelid::regclass::text FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid
	WHERE (i.indisunique OR i.indisexclusion) AND c.relnamespace IN ('meter'::regnamespace, 'meter_api'::regnamespace) AND NOT c.relispartition
		AND NOT EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'organization_id' AND a.attnum = ANY (i.indkey))
		-- in an expression
		AND coalesce(pg_get_expr(i.indexprs, i.indrelid), '') NOT LIKE '%uuid_hash_extended(organization_id%'$$,
	'SELECT name FROM unique_without_tenant', 'what is unique is unique in a tenant');

--
-- Functions
--
CREATE VIEW routine AS
	SELECT p.*, p.oid::regprocedure::text AS name, l.lanname, n.nspname,
		EXISTS (SELECT FROM unnest(p.proargtypes, p.proargnames[1:p.pronargs]) AS a (type, name) WHERE a.type = 'uuid'::regtype AND a.name = 'organization_id') AS of_tenants
	FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang JOIN pg_namespace AS n ON n.oid = p.pronamespace
	WHERE n.nspname IN ('meter', 'meter_api');

-- A call with b's organization; the other arguments are null, or what their type has.
CREATE FUNCTION call(routine, nulls boolean) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT format(CASE WHEN $1.prokind = 'p' THEN 'CALL %s.%I(%s)' ELSE 'SELECT count(*) FILTER (WHERE NOT told IS NULL) FROM %s.%I(%s) AS told' END, $1.nspname, $1.proname,
		(SELECT string_agg(format('%s::%s', CASE
				WHEN a.type = 'uuid'::regtype AND coalesce(a.name, '') = 'organization_id' THEN quote_literal('00000000-0000-4000-8000-00000000000b')
				WHEN nulls AND NOT $1.proisstrict THEN 'NULL'
				WHEN a.type IN ('text'::regtype, 'int'::regtype, 'bigint'::regtype, 'numeric'::regtype) THEN quote_literal('1')
				WHEN a.type = 'uuid'::regtype THEN quote_literal('00000000-0000-4000-8000-000000000001')
				WHEN a.type IN ('json'::regtype, 'jsonb'::regtype) THEN quote_literal('{}')
				WHEN a.type = 'timestamptz'::regtype THEN quote_literal('2025-02-01')
				WHEN a.type = 'interval'::regtype THEN quote_literal('1 hour')
				WHEN a.type = 'boolean'::regtype THEN 'true'
				WHEN (SELECT t.typelem <> 0 AND t.typlen = -1 FROM pg_type AS t WHERE t.oid = a.type) THEN quote_literal('{}')
				ELSE 'NULL' END, format_type(a.type, NULL)), ', ' ORDER BY a.place)
			FROM unnest($1.proargtypes, $1.proargnames[1:$1.pronargs]) WITH ORDINALITY AS a (type, name, place)))
$$;

CREATE TABLE foreign_allowed (name text, reason text);
INSERT INTO foreign_allowed VALUES
	('meter.in_claims(uuid)', 'says whether it is foreign'),
	('meter.current_version(uuid,uuid,timestamp with time zone)', 'a part of the view meter.meters: rows of meter.meter_version by its policy');
SELECT is_empty($$SELECT name FROM foreign_allowed EXCEPT SELECT name FROM routine WHERE of_tenants$$, 'what is let off is there');
SELECT cmp_ok((SELECT count(*) FROM routine WHERE of_tenants), '>', 80::bigint, 'there are functions that take an organization');
CREATE TABLE refusal AS
	SELECT role, name, nulls, lanname, tried(role, call(r, nulls)) AS got
	FROM (SELECT role FROM role UNION ALL SELECT 'postgres') AS w, routine AS r, (VALUES (true), (false)) AS n (nulls)
	WHERE of_tenants AND name NOT IN (SELECT f.name FROM foreign_allowed AS f);
SELECT is_empty($$SELECT role, name, nulls, got FROM refusal
	WHERE got <> '42501 organization 00000000-0000-4000-8000-00000000000b is not the one the claims name'
		AND NOT (got LIKE 'PGRST %' AND got LIKE '%"FOREIGN_ORGANIZATION"%')
		AND NOT (role <> 'postgres' AND got LIKE '42501 permission denied for %')
		-- of the HTTP surface: who calls has asked http_organization(), and policies bind him
		AND NOT (role <> 'postgres' AND name LIKE 'meter.http\_%' AND got ~ '^[0-9A-Z]{5} ')
		AND NOT (role = 'postgres' AND name LIKE 'meter.http\_%')
		-- a condition that is never true is left out when the function is planned
		-- (of nobody's bindings there is an empty list)
		AND NOT (nulls AND lanname = 'sql' AND (got = '0' OR got = '1' AND name = 'meter.used_by(uuid,uuid,integer)'))$$, 'another''s organization is refused before anything is told, whoever asks');
SELECT is_empty($$SELECT name FROM refusal WHERE role = 'meter_reader' AND got LIKE '42501 organization %' EXCEPT SELECT name FROM routine WHERE provolatile <> 'v'$$, 'a reader comes that far with functions that read');

-- The others.  What reads or writes nothing is by its mark; the rest is named.
CREATE TABLE harmless (reason text, names text[]);
INSERT INTO harmless VALUES
	('for the owner: granted to nobody', '{create_store,create_outbox,create_thresholds,create_readings,create_api_views,describe_api_view,relate_api_views,make_writable,protect_tables,setup_roles,grant_privileges,grant_on_tables,grant_on_routines,
		create_partitions,drop_partitions,drop_month,schedule_jobs,unschedule_jobs}'),
	('works for all organizations, or the one of the claims: roles.sql', '{outbox_claim,outbox_claim_page,outbox_ack,outbox_fail,outbox_replay,outbox_delete_delivered,sweep_thresholds,run_reprocess_jobs}'),
	('takes an organization''s id by another name', '{create_organization}'),
	('finds its row among the caller''s: roles.sql', '{settle}'),
	('about the caller', '{tenant,tenant_min,tenant_max,has_scope,current_actor}'),
	('reads no table, but depends on the clock, a setting or chance', '{result,window_bounds,windows,check_definition,effective_at,check_controls,definition_windows,time_member,billing_window,
		check_threshold_window,reading_time,interval_data,check_reading_time,reading_instant,job_interval,wanted_jobs,complete_profiles,publishing_instant,require_cron,meter_document,check_device_times}'),
	('takes a row that the caller was shown, and goes by policies from there', '{find_version,events_counted,stored_uses,meter_uses,check_unused,subscription_periods,granted,period_usage,account,
		subscription_accounts,check_scope,reading_at,judge_neighbours,emit_meter_event,emit_version_event,emit_threshold_event,write_draft,refuse_closing_twice,put_in_force,withdraw_version,
		forget_meter,change_terms,watch_of,record_given,respan_register,change_rollover,change_register,follow_reading,place_reading,retry_suspects,touch_device,finish_change,remove_reading}'),
	('works for the owner''s drop_partitions, by policies', '{keeps_events,fold_reversals,event_months}');

SELECT is_empty($$SELECT unnest(names) FROM harmless EXCEPT SELECT proname FROM routine WHERE NOT of_tenants$$, 'what is named is there');
SELECT is_empty($$
	SELECT name FROM routine AS r
	WHERE NOT of_tenants AND prorettype <> 'trigger'::regtype AND provolatile <> 'i'
		AND NOT (nspname = 'meter' AND EXISTS (SELECT FROM harmless WHERE r.proname = ANY (names)))
		-- the HTTP surface: tenants from the claims, rows by policies; http tests
		AND NOT (nspname = 'meter' AND proname LIKE 'http\_%')
		AND NOT (nspname = 'meter_api' AND (pg_get_functiondef(oid) LIKE '%meter.http\_answer(%' OR pg_get_functiondef(oid) LIKE '%meter.http\_organization(%'
			OR lanname = 'c' AND prosrc LIKE 'meter\_api\_%'))
		-- one that only passes its arguments on
		AND NOT (nspname = 'meter_api' AND proname = ANY ('{settle,evaluate,matches,json_schema_is_valid,json_schema_errors}'))
		-- relationships: from a row of a view to rows of a view
		AND NOT (nspname = 'meter_api' AND lanname = 'sql' AND provolatile = 's' AND pronargs = 1
			AND EXISTS (SELECT FROM pg_class AS c JOIN relation AS v ON v.oid = c.oid WHERE c.reltype = proargtypes[0] AND c.relkind = 'v')
			AND EXISTS (SELECT FROM pg_class AS c JOIN relation AS v ON v.oid = c.oid WHERE c.reltype = prorettype AND c.relkind = 'v'))
$$, 'every other function is known to be harmless');
SELECT is_empty($$SELECT name FROM routine WHERE prosecdef OR proleakproof$$, 'none runs with rights of its own, or is trusted to tell nothing');
SELECT is_empty($$SELECT name, r.role FROM routine, role AS r, harmless AS h
	WHERE h.reason LIKE 'for the owner%' AND proname = ANY (h.names) AND nspname = 'meter' AND has_function_privilege(r.role, oid, 'EXECUTE')$$, 'what is the owner''s is granted to nobody');

SELECT * FROM finish();
