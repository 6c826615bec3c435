-- The roles of meter.setup_roles(): what each may do, tried as that role, in one
-- session that goes from role to role and from tenant to tenant, as the
-- connections of a pool do.
SET client_min_messages = warning;
SET TimeZone = 'UTC';
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS meter;
DO $$ BEGIN PERFORM meter.create_store(), meter.setup_roles(); END $$;
SELECT plan(223);

\set a '00000000-0000-4000-8000-00000000000a'
\set b '00000000-0000-4000-8000-00000000000b'

-- What a statement gives a role with the claims of a tenant (a, b, null: none), or
-- what it is refused with.
CREATE FUNCTION tried(role text, tenant text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
	organization text := '00000000-0000-4000-8000-00000000000' || tenant;
BEGIN
	PERFORM set_config('request.jwt.claims', coalesce(jsonb_build_object('organization_id', organization, 'role', role)::text, ''), true),
		set_config('role', role, true);
	BEGIN
		EXECUTE replace(replace(statement, '$a', '''00000000-0000-4000-8000-00000000000a'''),
			'$b', '''00000000-0000-4000-8000-00000000000b''') INTO answer;
	EXCEPTION WHEN OTHERS THEN
		answer := SQLSTATE || ' ' || SQLERRM;
	END;
	PERFORM set_config('role', 'none', true), set_config('request.jwt.claims', '', true);
	RETURN answer;
END
$$;

--
-- Organizations are made by who may name any
--
SELECT is(tried('meter_backend', NULL, $$SELECT meter.create_organization('a', $a)$$), :'a', 'a backend makes organizations');
SELECT is(tried('meter_admin', NULL, $$SELECT meter.create_organization('b', $b)$$), :'b', 'an admin too');
SELECT is(tried('meter_backend', 'a', $$SELECT meter.create_organization('c')$$) LIKE '42501 organization % is not the one the claims name', true, 'with claims a backend makes none for others');
SELECT is(tried('meter_writer', 'a', $$SELECT meter.create_organization('c')$$), '42501 permission denied for function create_organization', 'a writer makes none');
SELECT is(tried('meter_writer', 'a', $$INSERT INTO meter.organization (organization_id, name) VALUES ($a, 'a')$$), '42501 permission denied for table organization', '... nor past the function');

--
-- A tenant's whole life, as meter_writer.  Steps run in order.
--
CREATE TABLE step (n int GENERATED ALWAYS AS IDENTITY, statement text, expected text, name text);
INSERT INTO step (statement, expected, name) VALUES
	($$SELECT meter.create_meter($t, '{"key": "calls", "name": "Calls", "metric_key": "call", "function": "sum", "value_field": "n",
		"dimensions": {"model": "model"}, "window": {"size": "day"}, "late_event_policy": {"mode": "quarantine", "grace": "1 day"}}') ->> 'key'$$, 'calls', 'create_meter'),
	($$SELECT meter.create_meter($t, '{"key": "users", "name": "Users", "metric_key": "call", "function": "unique_count", "unique_by_field": "user",
		"window": {"size": "month"}}') ->> 'key'$$, 'users', 'a second meter of the same type'),
	($$SELECT string_agg(status || coalesce(' ' || code, ''), ', ' ORDER BY ordinal) FROM meter.ingest($t, json_build_array(
		json_build_object('id', '1', 'source', 's', 'type', 'call', 'subject', 'ada', 'time', now(), 'data', '{"n": 2, "user": "u1", "model": "m"}'::json),
		json_build_object('id', '1', 'source', 's', 'type', 'call', 'subject', 'ada', 'time', now(), 'data', '{"n": 2, "user": "u1", "model": "m"}'::json),
		json_build_object('id', '1', 'source', 's', 'type', 'call', 'subject', 'ada', 'time', now(), 'data', '{"n": 3, "user": "u1", "model": "m"}'::json),
		json_build_object('id', '2', 'source', 's', 'type', 'call', 'subject', 'bob', 'time', now(), 'data', '{"n": "no", "user": "u2", "model": "m"}'::json),
		json_build_object('id', '3', 'source', 's', 'type', 'call', 'subject', 'bob', 'time', now(), 'data', '{"n": -1, "model": "m"}'::json),
		json_build_object('id', '4', 'source', 's', 'type', 'call', 'subject', 'bob', 'time', now() - interval '40 days', 'data', '{"n": 5, "user": "u2"}'::json),
		json_build_object('id', '5', 'source', 's', 'type', 'other', 'subject', 'bob', 'time', now(), 'data', '{}'::json)))$$,
		'accepted, duplicate, conflict KEY_CONFLICT, accepted PARTIAL, rejected NEGATIVE_VALUE, accepted PARTIAL, unmatched', 'ingest: all there is'),
	($$SELECT count(*) FROM meter.rejected_events$$, '5', 'what was refused is kept'),
	($$SELECT string_agg(status, ',') FROM meter.release_quarantine($t)$$, 'accepted', 'release_quarantine'),
	($$SELECT count(*) FROM meter.replay_rejected($t)$$, '4', 'replay_rejected'),
	($$SELECT meter.report_usage($t, '{"meterName": "calls", "customerId": "ada", "value": 7}', 'k1') ->> 'status'$$, 'queued', 'report_usage'),
	($$SELECT meter.report_usage($t, '{"meterName": "calls", "customerId": "ada", "value": 7}', 'k1') ->> 'status'$$, 'duplicate', 'report_usage again'),
	($$SELECT value FROM meter.usage($t, 'calls', now() - interval '50 days', now() + interval '1 day')$$, '14', 'usage'),
	($$SELECT string_agg(subject || ' ' || value, ', ' ORDER BY subject) FROM meter.usage($t, 'calls', now() - interval '50 days', now() + interval '1 day', group_by => '{subject}')$$, 'ada 9, bob 5', 'usage by subject'),
	($$SELECT count(*) FROM meter.explain_usage($t, 'calls', now() - interval '50 days', now() + interval '1 day')$$, '3', 'explain_usage'),
	($$SELECT meter.amend_event($t, 'call', '1', 'was wrong', '{"n": 4, "user": "u1", "model": "m"}') ->> 'status'$$, 'amended', 'amend_event'),
	($$SELECT meter.void_event($t, 'call', '4', 'was none') ->> 'status'$$, 'voided', 'void_event'),
	($$SELECT value FROM meter.usage($t, 'calls', now() - interval '50 days', now() + interval '1 day')$$, '11', 'usage behind corrections'),
	($$SELECT meter.update_meter($t, 'calls', '{"name": "All calls"}') ->> 'version'$$, '2', 'update_meter'),
	($$SELECT meter.update_meter($t, 'calls', '{"name": "Drafted", "save_as_draft": true}') ->> 'version_status'$$, 'draft', 'a draft'),
	($$SELECT meter.publish_meter_version($t, 'calls', 3) ->> 'name'$$, 'Drafted', 'publish_meter_version'),
	($$SELECT meter.update_meter($t, 'calls', format('{"name": "Recounted", "effective_at": "%s", "reprocess": true}', to_char(now() - interval '1 hour', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))::jsonb) ->> 'version'$$, '4', 'update_meter that counts anew'),
	($$SELECT meter.create_threshold($t, '{"name": "told", "meter": "calls", "threshold_value": [12, 20], "recurring_step": 10, "window": {"size": "year"}, "scope": {"kind": "meter"}}') ->> 'status'$$, 'active', 'create_threshold'),
	($$SELECT meter.report_usage($t, '{"meterName": "calls", "customerId": "ada", "value": 25}', 'k2') ->> 'status'$$, 'queued', 'a report that crosses'),
	($$SELECT string_agg(threshold_value::text, ', ' ORDER BY id) FROM meter.threshold_events$$, '12, 20, 30', 'breaches'),
	($$SELECT meter.pause_threshold($t, 'told') ->> 'status'$$, 'paused', 'pause_threshold'),
	($$SELECT meter.resume_threshold($t, 'told') ->> 'status'$$, 'active', 'resume_threshold'),
	($$SELECT meter.delete_threshold($t, 'told')$$, '', 'delete_threshold'),
	($$SELECT meter.create_threshold($t, '{"name": "limit", "meter": "calls", "threshold_value": 100, "action_kind": "block", "window": {"size": "year"}}') ->> 'status'$$, 'active', 'a quota'),
	($$SELECT meter.check_quota($t, 'calls', 'cy', 99) ->> 'allowed'$$, 'true', 'check_quota'),
	($$SELECT substr(meter.reserve($t, 'calls', 'cy', 60, '1 hour')::text, 9, 1)$$, '-', 'reserve'),
	($$SELECT meter.check_quota($t, 'calls', 'cy', 41) ->> 'allowed'$$, 'false', 'what is reserved is taken'),
	($$SELECT split_part(meter.report_usage($t, '{"meterName": "calls", "customerId": "cy", "value": 41}', 'k3')::text, ':', 1)$$, NULL, 'a report beyond the quota'),
	($$SELECT meter.settle((SELECT id FROM meter.reservation WHERE settled_at IS NULL), 20) ->> 'status'$$, 'settled', 'settle'),
	($$SELECT sum(used) FROM meter.quotas$$, '20', 'quotas'),
	($$SELECT meter.create_customer($t, '{"id": "cus", "name": "Customer", "aliases": ["ada", "bob"]}') ->> 'id'$$, 'cus', 'create_customer'),
	($$SELECT meter.update_customer($t, 'cus', '{"name": "The customer"}') ->> 'name'$$, 'The customer', 'update_customer'),
	($$SELECT meter.link_subject($t, 'cus', 'eve') ->> 'id'$$, 'cus', 'link_subject'),
	($$SELECT meter.unlink_subject($t, 'cus', 'eve') ->> 'id'$$, 'cus', 'unlink_subject'),
	($$SELECT meter.create_product($t, '{"code": "plan", "name": "Plan"}') ->> 'code'$$, 'plan', 'create_product'),
	($$SELECT meter.bind_product($t, 'plan', 'calls', '{"role": "billable", "pricing_var_name": "calls", "included_quantity_source": 10}') ->> 'role'$$, 'billable', 'bind_product'),
	($$SELECT meter.create_subscription($t, '{"customer": "cus", "products": ["plan"], "started_at": "2026-01-01T00:00:00Z"}') ->> 'status'$$, 'active', 'create_subscription'),
	($$SELECT included || ' ' || (used > 0) FROM meter.balance($t, (SELECT id::text FROM meter.subscriptions), 'calls')$$, '10 true', 'balance'),
	($$SELECT count(*) > 0 FROM meter.period_statement($t, (SELECT id::text FROM meter.subscriptions))$$, 'true', 'period_statement'),
	($$SELECT meter.update_binding($t, (SELECT id FROM meter.meter_bindings), '{"included_quantity_source": 20}') ->> 'role'$$, 'billable', 'update_binding'),
	($$SELECT meter.update_subscription($t, (SELECT id FROM meter.subscriptions), '{"status": "paused"}') ->> 'status'$$, 'paused', 'update_subscription'),
	($$SELECT meter.create_device($t, '{"name": "Device", "serial_number": "EM-1", "meter_type": "WATER", "subject": "dev"}') ->> 'serial_number'$$, 'EM-1', 'create_device'),
	($$SELECT meter.create_meter($t, '{"key": "water", "metric_key": "consumption.water", "function": "sum", "value_field": "value"}') ->> 'key'$$, 'water', 'a meter of readings'),
	($$SELECT meter.record_reading($t, 'EM-1', 100, now() - interval '2 hours') ->> 'status'$$, 'accepted', 'record_reading'),
	($$SELECT string_agg(status, ',' ORDER BY ordinal) FROM meter.record_readings($t, jsonb_build_array(
		jsonb_build_object('device', 'EM-1', 'value', 120, 'read_at', to_char(now() - interval '1 hour', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')),
		jsonb_build_object('device', 'EM-1', 'value', 110, 'read_at', to_char(now() - interval '90 minutes', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))))$$, 'accepted,accepted', 'record_readings'),
	($$SELECT value FROM meter.usage($t, 'water', now() - interval '1 day', now(), 'dev')$$, '20', 'usage of a device'),
	($$SELECT meter.update_device($t, 'EM-1', '{"location": "cellar"}') ->> 'location'$$, 'cellar', 'update_device'),
	($$SELECT meter.replace_device($t, 'EM-1', format('{"final_value": 130, "serial_number": "EM-2", "replaced_at": "%s"}', to_char(now() - interval '30 minutes', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))::jsonb) ->> 'serial_number'$$, 'EM-2', 'replace_device'),
	($$SELECT meter.void_reading($t, 'EM-2', (SELECT min(read_at) FROM meter.readings), 'wrong') ->> 'status'$$, 'voided', 'void_reading'),
	($$SELECT meter.delete_device($t, 'EM-2')$$, '', 'delete_device'),
	($$WITH i AS (INSERT INTO meter.event_inbox (organization_id, id, source, type, subject, data) VALUES ($t, 'i1', 's', 'call', 'ada', '{"n": 1, "user": "u"}') RETURNING 1) SELECT count(*) FROM i$$, '1', 'the inbox'),
	($$SELECT meter.unbind_product($t, (SELECT id FROM meter.meter_bindings))$$, '', 'unbind_product'),
	($$SELECT meter.archive_meter($t, 'users', 'not needed') ->> 'status'$$, 'archived', 'archive_meter'),
	($$SELECT string_agg(key || ' ' || (SELECT count(*) FROM meter.meter_versions AS v WHERE v.meter_key = key), ', ' ORDER BY key) FROM meter.meters WHERE status = 'active'$$, 'calls 4, water 1', 'views of definitions'),
	($$SELECT count(*) FROM meter.organizations$$, '1', 'the own organization');

-- Both tenants go the same way, step by step in turns: whatever a session keeps,
-- plans or definitions, it keeps for the right one.
SELECT CASE WHEN expected IS NULL THEN matches(got, '^53400 QUOTA_EXCEEDED', label) ELSE is(got, expected, label) END
FROM (SELECT s.n, tenant, expected, format('writer %s: %s', tenant, s.name) AS label, tried('meter_writer', tenant, replace(statement, '$t', '$' || tenant)) AS got
	FROM step AS s, (VALUES ('a'), ('b')) AS t (tenant) ORDER BY s.n, tenant OFFSET 0) AS s;

--
-- meter_reader reads, and nothing else
--
SELECT is(tried('meter_reader', tenant, replace(statement, '$t', '$' || tenant)), expected, format('reader %s: %s', tenant, name))
FROM (VALUES
	($$SELECT value > 0 FROM meter.usage($t, 'calls', now() - interval '50 days', now() + interval '1 day')$$, 'true', 'usage'),
	($$SELECT count(*) > 1 FROM meter.usage($t, 'calls', now() - interval '5 days', now(), group_by => '{subject,model}', window_size => 'hour', time_zone => 'Asia/Kolkata')$$, 'true', 'usage by groups and hours'),
	($$SELECT value > 0 FROM meter.usage($t, 'calls', now() - interval '50 days', now() + interval '1 day', as_of => now())$$, 'true', 'usage as of a time'),
	($$SELECT count(*) > 1 FROM meter.explain_usage($t, 'calls', now() - interval '50 days', now() + interval '1 day')$$, 'true', 'explain_usage'),
	($$SELECT meter.check_quota($t, 'calls', 'cy', 81) ->> 'allowed'$$, 'false', 'check_quota'),
	($$SELECT count(*) FROM meter.balance($t, (SELECT id::text FROM meter.subscriptions), 'calls', now() - interval '1 minute')$$, '1', 'balance'),
	($$SELECT count(*) > 0 FROM meter.period_statement($t, (SELECT id::text FROM meter.subscriptions), now() - interval '1 minute')$$, 'true', 'period_statement'),
	($$SELECT count(*) FROM meter.meters$$, '3', 'meters'),
	($$SELECT meter.matches('{"field": "$.a", "op": "eq", "value": 1}', '{"a": 1}')$$, 'true', 'matches'),
	($$SELECT meter.tenant()$$, NULL, 'the tenant')) AS s (statement, expected, name), (VALUES ('a'), ('b')) AS t (tenant)
WHERE s.expected IS NOT NULL;

SELECT is(tried('meter_reader', 'a', statement), '42501 permission denied for ' || expected, 'reader: ' || expected)
FROM (VALUES ($$SELECT meter.ingest($a, '[]')$$, 'function ingest'), ($$SELECT meter.report_usage($a, '{}', 'k')$$, 'function report_usage'),
	($$SELECT meter.create_meter($a, '{}')$$, 'function create_meter'), ($$SELECT meter.void_event($a, 'call', '1', 'r')$$, 'function void_event'),
	($$SELECT meter.reserve($a, 'calls', 'ada', 1, '1 hour')$$, 'function reserve'), ($$SELECT meter.outbox_claim()$$, 'function outbox_claim'),
	($$INSERT INTO meter.event_inbox (organization_id, event) VALUES ($a, '{}')$$, 'view event_inbox'), ($$DELETE FROM meter.meter$$, 'table meter'),
	($$UPDATE meter.event SET seq = 1$$, 'table event'), ($$INSERT INTO meter.customer (organization_id, id) VALUES ($a, 'x')$$, 'table customer'),
	($$SELECT nextval('meter.event_seq')$$, 'sequence event_seq'), ($$SELECT meter.setup_roles()$$, 'function setup_roles')) AS s (statement, expected);
SELECT is_empty($$SELECT p.oid::regprocedure FROM pg_proc AS p WHERE p.pronamespace = 'meter'::regnamespace
	AND p.provolatile = 'v' AND p.proname <> 'http_answer' AND has_function_privilege('meter_reader', p.oid, 'EXECUTE')$$, 'reader: no function that may write');
SELECT is_empty($$SELECT c.oid::regclass FROM pg_class AS c WHERE c.relnamespace IN ('meter'::regnamespace, 'meter_api'::regnamespace) AND c.relkind IN ('r', 'p', 'v')
	AND has_table_privilege('meter_reader', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')$$, 'reader: no table that may be written');

-- Without claims there is nothing for either.
SELECT is(tried(role, NULL, statement), expected, format('%s without claims: %s', role, expected))
FROM (VALUES ('meter_reader'), ('meter_writer')) AS r (role), (VALUES
	($$SELECT count(*) FROM meter.meters$$, '0'), ($$SELECT count(*) FROM meter.event$$, '0'),
	($$SELECT value FROM meter.usage($a, 'calls', now() - interval '1 day', now())$$, '42501 the claims name no organization')) AS s (statement, expected);
SELECT is(tried('meter_writer', NULL, $$SELECT meter.ingest($a, '[]')$$), '42501 the claims name no organization', 'writer without claims: ingest');
SELECT is(tried('meter_writer', NULL, $$INSERT INTO meter.customer (organization_id, id) VALUES ($a, 'x')$$), '42501 new row violates row-level security policy for table "customer"', 'writer without claims: a table');

-- What is for trusted roles only.
SELECT is(tried('meter_writer', 'a', format('SELECT meter.%I()', name)), '42501 permission denied for function ' || name, 'writer: ' || name)
FROM unnest('{close_windows,sweep_thresholds,outbox_claim,outbox_delete_delivered,create_partitions,create_store,setup_roles,schedule_jobs}'::text[]) AS name;

--
-- meter_backend and meter_admin name any organization; with claims the one of these
--
SELECT is(tried(role, tenant, statement), expected, format('%s with the claims of %s: %s', role, coalesce(tenant, 'nobody'), expected))
FROM (VALUES ('meter_backend'), ('meter_admin')) AS r (role), (VALUES
	(NULL, $$SELECT count(*) FROM meter.organizations$$, '2'), ('a', $$SELECT count(*) FROM meter.organizations$$, '1'),
	(NULL, $$SELECT count(DISTINCT organization_id) FROM meter.event$$, '2'), ('b', $$SELECT count(DISTINCT organization_id) FROM meter.event$$, '1'),
	(NULL, $$SELECT value > 0 FROM meter.usage($a, 'calls', now() - interval '1 day', now())$$, 'true'),
	(NULL, $$SELECT value > 0 FROM meter.usage($b, 'calls', now() - interval '1 day', now())$$, 'true'),
	('a', $$SELECT value FROM meter.usage($b, 'calls', now() - interval '1 day', now())$$, '42501 organization 00000000-0000-4000-8000-00000000000b is not the one the claims name'),
	('a', $$SELECT status FROM meter.ingest($a, '{"id": "again", "source": "s", "type": "void", "subject": "x", "data": {}}')$$, NULL),
	('b', $$UPDATE meter.customer SET name = 'B' WHERE organization_id = $a RETURNING id$$, NULL)) AS s (tenant, statement, expected)
WHERE s.expected IS NOT NULL;
SELECT is(tried('meter_backend', 'b', $$WITH u AS (UPDATE meter.customer SET name = 'B' RETURNING organization_id) SELECT string_agg(organization_id::text, ',') FROM u$$), :'b', 'backend with claims: only its own rows are written');
SELECT is(tried('meter_backend', NULL, $$SELECT string_agg(status, ',') FROM (SELECT status FROM meter.ingest($a, '{"id": "by", "source": "s", "type": "call", "subject": "x", "data": {"n": 1, "user": "x"}}')
	UNION ALL SELECT status FROM meter.ingest($b, '{"id": "by", "source": "s", "type": "call", "subject": "x", "data": {"n": 1, "user": "x"}}')) AS i$$), 'accepted,accepted', 'backend: two organizations in one statement');

--
-- COPY
--
SET ROLE meter_writer;
SET request.jwt.claims = '{"organization_id": "00000000-0000-4000-8000-00000000000a"}';
COPY meter.event_inbox (organization_id, event) FROM stdin;
00000000-0000-4000-8000-00000000000a	{"id": "copied", "source": "s", "type": "call", "subject": "ada", "data": {"n": 1, "user": "u"}}
\.
PREPARE copied AS SELECT count(*) FROM meter.events WHERE id = 'copied';
EXECUTE copied \gset writer_
RESET request.jwt.claims;
SET ROLE meter_backend;
COPY meter.event_inbox (organization_id, event) FROM stdin;
00000000-0000-4000-8000-00000000000a	{"id": "copied 2", "source": "s", "type": "call", "subject": "ada", "data": {"n": 1, "user": "u"}}
00000000-0000-4000-8000-00000000000b	{"id": "copied 2", "source": "s", "type": "call", "subject": "ada", "data": {"n": 1, "user": "u"}}
\.
RESET ROLE;
SELECT is(:'writer_count'::text, '1', 'writer: COPY meter.event_inbox');
SELECT is(tried('meter_writer', 'a', $$INSERT INTO meter.event_inbox (organization_id, event)
	SELECT o, '{"id": "copied too", "source": "s", "type": "call", "subject": "ada", "data": {"n": 1, "user": "u"}}' FROM (VALUES ($a::uuid), ($b)) AS v (o)$$),
	'42501 organization 00000000-0000-4000-8000-00000000000b is not the one the claims name', '... with somebody else''s event among them is refused');
SELECT is((SELECT string_agg(id || ' ' || right(organization_id::text, 1), ', ' ORDER BY id, organization_id) FROM meter.events WHERE id LIKE 'copied%'), 'copied a, copied 2 a, copied 2 b', '... as a whole; a backend''s go where they belong');

--
-- Jobs and relays
--
SELECT is(tried('meter_backend', NULL, $$SELECT meter.create_meter(o, '{"key": "old", "metric_key": "old", "function": "count", "window": {"size": "day"}, "late_event_policy": {"mode": "revise", "grace": "0 hours"}}') ->> 'key'
	FROM (VALUES ($a::uuid), ($b)) AS v (o)$$), 'old', 'backend: a meter each');
SELECT is(tried('meter_backend', NULL, $$SELECT count(*) FROM (VALUES ($a::uuid), ($b)) AS v (o), meter.ingest(o, '{"id": "old", "source": "s", "type": "old", "time": "2026-01-05T00:00:00Z", "data": {}}')$$), '2', 'backend: an old event each');
SELECT is(tried('meter_backend', 'a', $$SELECT meter.close_windows() > 0$$), 'true', 'backend with claims: close_windows');
SELECT is((SELECT string_agg(DISTINCT right(organization_id::text, 1), ',') FROM meter.window_result), 'a', '... only of that organization');
SELECT is(tried('meter_backend', 'a', $$SELECT meter.close_windows($b)$$), '42501 organization 00000000-0000-4000-8000-00000000000b is not the one the claims name', '... and none of another');
SELECT is(tried('meter_backend', NULL, $$SELECT meter.close_windows() > 0$$), 'true', 'backend: close_windows');
SELECT is((SELECT string_agg(DISTINCT right(organization_id::text, 1), ',') FROM meter.window_result), 'a,b', '... of all');
SELECT is(tried('meter_reader', 'b', $$SELECT string_agg(DISTINCT right(organization_id::text, 1), ',') FROM meter.window_results$$), 'b', 'reader: results of its own');

CREATE FUNCTION relay(role text, tenant text, statement text, of text) RETURNS text LANGUAGE sql AS $$
	SELECT tried(role, tenant, replace(statement, '$ids', format('ARRAY(SELECT id FROM meter.domain_event_outbox WHERE organization_id = $%s AND id <= %s)', of, (SELECT max(id) FROM meter.domain_event_outbox))))
$$;
SELECT is(tried(role, 'a', $$SELECT string_agg(DISTINCT right(organization_id::text, 1), ',') FROM meter.outbox_claim(5, '1 millisecond')$$), 'a', role || ' with claims: outbox_claim')
FROM unnest('{meter_backend,postgres}'::text[]) AS role;
SELECT is(tried('meter_backend', NULL, $$SELECT string_agg(DISTINCT right(organization_id::text, 1), ',') FROM meter.outbox_claim(1000, '1 millisecond')$$), 'a,b', 'backend: outbox_claim');
-- as a superuser, whom no policy keeps from the other's rows
SELECT is(tried('postgres', 'b', format(call, (SELECT array_agg(id) FROM meter.domain_event_outbox WHERE organization_id = :'a'))), '0', 'with claims, another''s events: ' || call)
FROM (VALUES ('SELECT meter.outbox_ack(%L)'), ('SELECT meter.outbox_fail(%L, ''no'')'), ('SELECT meter.outbox_replay(%L)')) AS v (call);
SELECT is(tried('meter_backend', 'a', format('SELECT meter.outbox_ack(%L) > 0', (SELECT array_agg(id) FROM meter.domain_event_outbox))), 'true', 'backend with claims: outbox_ack');
SELECT is((SELECT string_agg(DISTINCT right(organization_id::text, 1), ',') FROM meter.domain_event_outbox WHERE delivered_at IS NOT NULL), 'a', '... of its own');
SELECT is(tried('meter_backend', 'b', format('SELECT meter.outbox_fail(%L, ''no'') > 0', (SELECT array_agg(id) FROM meter.domain_event_outbox))), 'true', 'backend with claims: outbox_fail');
SELECT is(tried('meter_backend', NULL, format('SELECT meter.outbox_replay(%L) > 0', (SELECT array_agg(id) FROM meter.domain_event_outbox))), 'true', 'backend: outbox_replay');
SELECT is(tried('meter_backend', NULL, format('SELECT meter.outbox_ack(%L) > 0', (SELECT array_agg(id) FROM meter.domain_event_outbox))), 'true', 'backend: outbox_ack');
SELECT is(tried('postgres', 'a', $$SELECT meter.outbox_delete_delivered('0') > 0$$), 'true', 'with claims: outbox_delete_delivered');
SELECT is((SELECT string_agg(DISTINCT right(organization_id::text, 1), ',') FROM meter.domain_event_outbox), 'b', '... of its own');
SELECT is(tried('meter_backend', NULL, $$SELECT meter.outbox_delete_delivered('0') > 0$$), 'true', 'backend: outbox_delete_delivered');
SELECT count(meter.create_threshold(id, '{"name": "old", "meter": "old", "threshold_value": 1}')) AS made FROM (VALUES (:'a'::uuid), (:'b')) AS v (id) \gset
SELECT count(*) AS counted FROM (VALUES (:'a'::uuid), (:'b')) AS v (id), meter.ingest(id, '{"id": "old 2", "source": "s", "type": "old", "time": "2026-01-05T00:00:00Z", "data": {}}') \gset
SELECT is(tried('postgres', 'a', $$SELECT meter.sweep_thresholds('1 day')$$), '1', 'with claims: sweep_thresholds');
SELECT is((SELECT string_agg(DISTINCT right(organization_id::text, 1), ',') FROM meter.threshold_usage WHERE window_end < now()), 'b', '... of its own');
SELECT is(tried(role, NULL, $$SELECT meter.sweep_thresholds('1 day') >= 0$$), 'true', role || ': sweep_thresholds') FROM unnest('{meter_backend,meter_admin}'::text[]) AS role;

-- a reservation of somebody else's is none
SELECT meter.reserve(:'b', 'calls', 'cy', 1, '1 hour') AS reservation \gset
SELECT is(tried(role, 'a', format('SELECT meter.settle(%L, 1)', :'reservation')), format('42704 reservation %s does not exist', :'reservation'), role || ' with claims: settle another''s reservation')
FROM unnest('{meter_writer,meter_backend,postgres}'::text[]) AS role;

SELECT count(meter.enter_reprocess_job(id, (meter.find_meter(id, 'old')).id, '2026-01-05', '2026-01-06', true, 'roles')) AS jobs FROM (VALUES (:'a'::uuid), (:'b')) AS v (id) \gset
SET request.jwt.claims = '{"organization_id": "00000000-0000-4000-8000-00000000000a"}';
CALL meter.run_reprocess_jobs();
RESET request.jwt.claims;
SELECT is((SELECT string_agg(right(organization_id::text, 1) || ' ' || state, ', ' ORDER BY organization_id) FROM meter.reprocess_job), 'a done, b pending', 'with claims: run_reprocess_jobs');
SET ROLE meter_backend;
CALL meter.reprocess(:'a', 'calls', '-infinity', 'infinity', 'roles');
CALL meter.run_reprocess_jobs();
RESET ROLE;
SELECT is((SELECT string_agg(DISTINCT state, ',') FROM meter.reprocess_job), 'done', 'backend: reprocess');

--
-- A pool's session: roles and tenants change with each request, plans and
-- definitions stay.
--
CREATE TABLE truth AS SELECT right(o::text, 1) AS tenant, (SELECT value FROM meter.usage(o, 'calls', '-infinity', 'infinity')) AS value FROM (VALUES (:'a'::uuid), (:'b')) AS v (o);
SELECT is_empty($$
	SELECT round, role, tenant, got FROM (
		SELECT round, role, tenant, of, tried(role, tenant, format('SELECT value FROM meter.usage($%s, ''calls'', ''-infinity'', ''infinity'')', of)) AS got
		FROM generate_series(1, 8) AS round, (VALUES ('meter_reader', 'a', 'a'), ('postgres', NULL, 'b'), ('meter_writer', 'b', 'b'), ('meter_backend', NULL, 'a'), ('meter_reader', NULL, 'a'),
			('meter_reader', 'b', 'b'), ('meter_reader', 'a', 'b'), ('postgres', 'a', 'b'), ('meter_backend', 'b', 'a')) AS r (role, tenant, of)
		ORDER BY round OFFSET 0) AS g
	WHERE got IS DISTINCT FROM CASE WHEN tenant = of OR tenant IS NULL AND role <> 'meter_reader' THEN (SELECT value::text FROM truth AS t WHERE t.tenant = of)
		WHEN tenant IS NULL THEN '42501 the claims name no organization' ELSE format('42501 organization 00000000-0000-4000-8000-00000000000%s is not the one the claims name', of) END
$$, 'whoever asks in turns gets what is his');
SELECT is_empty($$
	SELECT round, role, tenant, got FROM (
		SELECT round, role, tenant, expected, tried(role, tenant, 'SELECT string_agg(DISTINCT right(organization_id::text, 1), '','' ORDER BY right(organization_id::text, 1)) FROM meter.events') AS got
		FROM generate_series(1, 8) AS round, (VALUES ('meter_reader', 'a', 'a'), ('postgres', NULL, 'a,b'), ('meter_writer', 'b', 'b'), ('meter_backend', NULL, 'a,b'), ('meter_reader', NULL, NULL),
			('meter_backend', 'b', 'b')) AS r (role, tenant, expected)
		ORDER BY round OFFSET 0) AS g
	WHERE got IS DISTINCT FROM expected
$$, '... and rows');

PREPARE meters AS SELECT string_agg(right(organization_id::text, 1), ',' ORDER BY organization_id) FROM meter_api.meters WHERE key = 'calls';
CREATE TABLE prepared AS
	SELECT mode, round, role, tenant, expected, set_config('plan_cache_mode', mode, false), tried(role, tenant, 'EXECUTE meters') AS got
	FROM unnest('{auto,force_generic_plan,force_custom_plan}'::text[]) AS mode, generate_series(1, 8) AS round, (VALUES ('meter_reader', 'a', 'a'), ('meter_reader', 'b', 'b'), ('postgres', NULL, 'a,b'),
		('meter_writer', 'b', 'b'), ('meter_backend', NULL, 'a,b'), ('meter_reader', NULL, NULL), ('meter_backend', 'b', 'b')) AS r (role, tenant, expected)
	ORDER BY mode, round;
RESET plan_cache_mode;
SELECT is_empty('SELECT mode, round, role, tenant, got FROM prepared WHERE got IS DISTINCT FROM expected', '... and through one prepared statement');

-- Who is trusted is remembered until roles change.
CREATE ROLE meter_test_application;
GRANT meter_reader TO meter_test_application;
SELECT is(tried('meter_test_application', NULL, 'SELECT count(*) FROM meter.organizations'), '0', 'a role with what a reader has');
GRANT meter_backend TO meter_test_application;
SELECT is(tried('meter_test_application', NULL, 'SELECT count(*) FROM meter.organizations'), '2', '... that becomes trusted');
REVOKE meter_backend FROM meter_test_application;
SELECT is(tried('meter_test_application', NULL, 'SELECT count(*) FROM meter.organizations'), '0', '... and is no longer');
SELECT is(tried('meter_test_application', NULL, 'SELECT meter.tenant_min()'), NULL, '... by the functions too');
ALTER ROLE meter_test_application BYPASSRLS;
SELECT is(tried('meter_test_application', NULL, $$SELECT value > 0 FROM meter.usage($a, 'calls', '-infinity', 'infinity')$$), 'true', 'a role that bypasses policies names any organization');
DROP OWNED BY meter_test_application;
DROP ROLE meter_test_application;

SELECT * FROM finish();
