-- /rpc/ over HTTP: functions of meter_api that are functions of meter.
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS meter;
DO $$ BEGIN PERFORM meter.create_store(); END $$;
\ir ../lib/http.sql
SELECT plan(171);

DO $$
DECLARE
	a uuid := 'a00c0000-0000-0000-0000-000000000001';
BEGIN
	PERFORM meter.create_organization('a', a), meter.create_organization('b', 'b00c0000-0000-0000-0000-000000000002');
	PERFORM meter.create_meter(a, '{"key": "calls", "name": "Calls", "metric_key": "call", "function": "sum", "value_field": "$.n", "dimensions": {"model": "$.model"}}');
	PERFORM meter.create_meter(a, '{"key": "limited", "name": "Limited", "metric_key": "limited", "function": "sum", "value_field": "$.n"}');
	PERFORM meter.create_threshold(a, '{"name": "limit", "meter": "limited", "threshold_value": 10, "action_kind": "block"}');
END
$$;

-- What they are: declarations.
CREATE VIEW rpc AS
	SELECT p.*, p.oid::regprocedure::text AS name, substr(p.prosrc, length('meter_api_') + 1) AS scope,
		ARRAY(SELECT coalesce(p.proargnames[i], '') || ' ' || format_type(p.proargtypes[i - 1], NULL)
			FROM generate_series(1, p.pronargs) AS i WHERE p.proargnames[i] IS DISTINCT FROM 'organization_id' ORDER BY 1) AS arguments
	FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
	WHERE p.pronamespace = 'meter_api'::regnamespace AND p.prosrc IN ('meter_api_read', 'meter_api_report', 'meter_api_admin');
CREATE VIEW core AS
	SELECT p.*, 'organization_id' = ANY (p.proargnames[1:p.pronargs]) AS of_tenants,
		ARRAY(SELECT p.proargnames[i] || ' ' || format_type(p.proargtypes[i - 1], NULL)
			FROM generate_series(1, p.pronargs) AS i WHERE p.proargnames[i] <> 'organization_id' ORDER BY 1) AS arguments
	FROM pg_proc AS p WHERE p.pronamespace = 'meter'::regnamespace;
SELECT cmp_ok((SELECT count(*) FROM rpc), '>=', 44::bigint, 'there are functions to look at');
SELECT is_empty($$
	SELECT r.name FROM rpc AS r WHERE NOT EXISTS (SELECT FROM core AS c WHERE c.proname = r.proname AND c.proisstrict = r.proisstrict
		AND pg_get_function_result(c.oid) = pg_get_function_result(r.oid) AND c.prorows = r.prorows
		AND (c.arguments = r.arguments OR r.arguments = '{" json"}' AND c.arguments = '{"events json"}')
		AND (c.provolatile = 'v') = (r.provolatile = 'v')
		AND c.of_tenants = ('organization_id' = ANY (r.proargnames[1:r.pronargs]) OR r.arguments = '{" json"}'))
$$, 'each has a namesake in the schema meter, with the same arguments and result, that writes if it does');
SELECT is_empty($$ SELECT name FROM rpc WHERE (provolatile = 's') <> (scope = 'read') $$, 'those that read, and no others, need the scope read, and are for GET');
SELECT is_empty($$
	SELECT r.name, d.name FROM rpc AS r JOIN core AS c ON c.proname = r.proname AND c.arguments = r.arguments,
		LATERAL (SELECT n AS name, i FROM unnest(c.proargnames[1:c.pronargs]) WITH ORDINALITY AS n (n, i)) AS d
	WHERE pg_get_function_arg_default(c.oid, d.i::int) IS DISTINCT FROM pg_get_function_arg_default(r.oid, array_position(r.proargnames, d.name))
		AND d.name <> 'organization_id' AND NOT (r.proname = 'ingest' AND d.name = 'events') AND NOT (r.proname = 'amend_event' AND d.name = 'reason')
$$, 'their defaults are the same');
SELECT is_empty($$ SELECT name FROM rpc WHERE coalesce(array_position(proargnames, 'organization_id') <> pronargs, false) AND proname <> 'ingest' $$,
	'the organization is their last argument');

-- Every one of them × who asks.
CREATE FUNCTION call_of(fn rpc, organization text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT format('SELECT to_jsonb(count(*)) FROM meter_api.%I(%s)', fn.proname, string_agg(coalesce(quote_ident(nullif(fn.proargnames[i], '')) || ' => ', '') || CASE
			WHEN fn.proargnames[i] = 'organization_id' THEN quote_nullable(organization)
			WHEN NOT fn.proisstrict THEN 'NULL' WHEN t.type = 'boolean' THEN 'true' WHEN t.type = 'jsonb' THEN quote_literal('{}') ELSE quote_literal('x') END
		|| '::' || t.type, ', ' ORDER BY i))
	FROM generate_series(1, fn.pronargs) AS i, format_type(fn.proargtypes[i - 1], NULL) AS t (type)
$$;
CREATE FUNCTION claims(scope text DEFAULT NULL, organization text DEFAULT 'a00c0000-0000-0000-0000-000000000001', role text DEFAULT 'meter_writer')
	RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_strip_nulls(jsonb_build_object('role', role, 'organization_id', organization, 'scope', scope))
$$;
CREATE FUNCTION refusal(response http_response) RETURNS text LANGUAGE sql AS $$ SELECT concat_ws(' ', response.status, response.body ->> 'code') $$;
CREATE FUNCTION tried(fn rpc, claims jsonb, organization text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
	SELECT refusal(http_statement(CASE fn.provolatile WHEN 'v' THEN 'POST' ELSE 'GET' END, '/rpc/' || fn.proname, call_of(fn, organization), claims))
$$;
SELECT is(tried(r, claims('other')), '403 INSUFFICIENT_SCOPE', r.name || ' needs a scope') FROM rpc AS r;
SELECT is_empty($$ SELECT r.name, got FROM rpc AS r, LATERAL tried(r, claims(CASE r.scope WHEN 'report' THEN 'meter-report' ELSE r.scope END)) AS got
	WHERE got !~ '^(200|400 [A-Z_]+|404 [A-Z_]+)$' $$, 'with its scope each runs, and null is an error of the request');
SELECT is_empty($$ SELECT r.name, got FROM rpc AS r, LATERAL tried(r, claims('admin')) AS got WHERE got LIKE '403%' $$, 'the scope admin may do all');
SELECT is_empty($$ SELECT r.name, got FROM rpc AS r, LATERAL tried(r, claims()) AS got WHERE got LIKE '403%' $$, 'without a claim of scopes the role decides');
SELECT is_empty($$ SELECT r.name, got FROM rpc AS r, LATERAL tried(r, claims('admin'), 'b00c0000-0000-0000-0000-000000000002') AS got
	WHERE 'organization_id' = ANY (r.proargnames) AND got <> '403 FOREIGN_ORGANIZATION' $$, 'another organization is refused');
SELECT is_empty($$ SELECT r.name, got FROM rpc AS r, LATERAL tried(r, claims(), 'a00c0000-0000-0000-0000-000000000001') AS got
	WHERE 'organization_id' = ANY (r.proargnames) AND got LIKE '403%' $$, 'one''s own may be named');
SELECT is_empty($$ SELECT r.name, got FROM rpc AS r, LATERAL tried(r, claims(organization => NULL)) AS got WHERE got <> '401 ORGANIZATION_REQUIRED' $$, 'without a claim of an organization nobody may anything');
SELECT is_empty($$ SELECT r.name, got FROM rpc AS r, LATERAL tried(r, claims(organization => NULL, role => 'meter_backend')) AS got
	WHERE 'organization_id' = ANY (r.proargnames) AND got <> '401 ORGANIZATION_REQUIRED' $$, 'a trusted role must name one');
SELECT is_empty($$ SELECT r.name, got FROM rpc AS r, LATERAL tried(r, claims(organization => NULL, role => 'meter_backend'), 'b00c0000-0000-0000-0000-000000000002') AS got
	WHERE 'organization_id' = ANY (r.proargnames) AND got !~ '^(200|40[04]) ?' $$, 'and may any');
SELECT is_empty($$ SELECT r.name, got FROM rpc AS r, LATERAL tried(r, claims('admin', role => 'meter_reader')) AS got
	WHERE (got = '403 42501') <> (r.provolatile = 'v') $$, 'a reader may read');
SELECT is_empty($$ SELECT r.name, got FROM rpc AS r, LATERAL refusal(http_statement('GET', '/rpc/', call_of(r, NULL), claims('admin'))) AS got
	WHERE (got = '405 METHOD_NOT_ALLOWED') <> (r.provolatile = 'v') $$, 'what writes is not for GET, whatever its arguments');

-- Events.
CREATE FUNCTION asked(statement text, claims jsonb DEFAULT claims('meter-report'), method text DEFAULT 'POST') RETURNS http_response LANGUAGE sql AS $$
	SELECT http_statement(method, '/rpc/', statement, claims)
$$;
CREATE FUNCTION ingested(events text) RETURNS text LANGUAGE sql AS $$
	SELECT (r).status || ' ' || coalesce((SELECT string_agg(concat_ws(':', e ->> 'ordinal', e ->> 'id', e ->> 'status', e ->> 'code'), ' ' ORDER BY e -> 'ordinal')
		FROM jsonb_array_elements((r).body) AS e), '-')
	FROM asked(format('SELECT jsonb_agg(to_jsonb(i)) FROM meter_api.ingest(%L::json) AS i', events)) AS r
$$;
CREATE FUNCTION used(meter text DEFAULT 'calls') RETURNS numeric LANGUAGE sql AS $$
	SELECT (body #>> '{0,value}')::numeric FROM asked(format('SELECT jsonb_agg(to_jsonb(u)) FROM meter_api.usage(%L, ''-infinity'', ''infinity'') AS u', meter), claims('read'), 'GET')
$$;
SELECT is(ingested('{"id": "1", "source": "s", "type": "call", "subject": "ada", "data": {"n": 0.1, "model": "m"}}'), '200 1:1:accepted', 'a body that is an event');
SELECT is(ingested('[{"id": "2", "source": "s", "type": "call", "subject": "bob", "data": {"n": "0.2"}}, {"id": "3"}, {"id": "1", "source": "s", "type": "call", "subject": "ada", "data": {"n": 0.1, "model": "m"}}, {"id": "1", "source": "s", "type": "call", "data": {"n": 7}}, 7]'),
	'200 1:2:accepted 2:rejected:MISSING_TYPE 3:1:duplicate 4:1:conflict:KEY_CONFLICT 5:rejected:INVALID_TYPE', 'an array: each by itself');
SELECT is(used(), 0.3, '0.1 and 0.2 are 0.3');
SELECT is(ingested('[]'), '200 -', 'no events');
SELECT is(ingested(' {"events" : [{"id": "1", "source": "s", "type": "call", "subject": "ada", "data": {"n": 0.1, "model": "m"}}, 7] } '), '200 1:1:duplicate 2:rejected:INVALID_TYPE', 'a body that names its arguments');
SELECT is(ingested('{"organization_id": "a00c0000-0000-0000-0000-000000000001", "events": {"id": "1", "source": "s", "type": "call", "subject": "ada", "data": {"n": 0.1, "model": "m"}}}'), '200 1:1:duplicate', 'the organization, too');
SELECT is(ingested('{"events": [], "organization_id": null}'), '200 -', 'or leaves it to the claims');
SELECT is((r).status || ' ' || ((r).body ->> 'code'), '403 FOREIGN_ORGANIZATION', 'another''s organization in a body') FROM asked($$SELECT jsonb_agg(to_jsonb(i)) FROM meter_api.ingest('{"events": [], "organization_id": "a00c0000-0000-0000-0000-000000000002"}'::json) AS i$$) AS r;
SELECT is((r).status, 400, 'what is no organization') FROM asked($$SELECT jsonb_agg(to_jsonb(i)) FROM meter_api.ingest('{"events": [], "organization_id": [7]}'::json) AS i$$) AS r;
SELECT is(ingested('{"events": [{"id": "1"}], "id": "1", "source": "s", "type": "call", "subject": "ada", "data": {"n": 0.1, "model": "m"}}'), '200 1:1:duplicate', 'an event may have a member called events');
SELECT is(ingested('{"id": "4", "source": "s", "type": "call", "data": {"n": "\u0000"}}'), '200 1:rejected:INVALID_UNICODE', 'what no jsonb can hold is a bad event');
SELECT is((r).body #>> '{0,status}', 'accepted', 'by name, for one''s own organization') FROM asked($$SELECT jsonb_agg(to_jsonb(i)) FROM meter_api.ingest(
	events => '[{"id": "5", "source": "s", "type": "call", "data": {"n": 12345678901234567890123456789.000000000000000000000000000001}}]', organization_id => 'a00c0000-0000-0000-0000-000000000001') AS i$$) AS r;
SELECT is(used(), 12345678901234567890123456789.300000000000000000000000000001, '59 digits survive');
SELECT is((asked($$SELECT meter_api.usage('calls', '-infinity', 'infinity')::text::jsonb$$, claims('meter-report'))).status, 403, 'who reports may not read');

SELECT is((SELECT body ->> 'status' FROM asked($$SELECT meter_api.report_usage('{"meterName": "limited", "value": 4}', 'k')$$)), 'queued', 'a report');
SELECT is(body, '{"status": "duplicate", "idempotencyKey": "k"}', 'again') FROM asked($$SELECT meter_api.report_usage('{"meterName": "limited", "value": 4}', 'k')$$);
SELECT is(refusal(asked($$SELECT meter_api.report_usage('{"meterName": "limited", "value": 5}', 'k')$$)), '409 KEY_CONFLICT', 'another one');
SELECT is(refusal(asked($$SELECT meter_api.report_usage('{"meterName": "none", "value": 5}', 'k')$$)), '404 METER_NOT_FOUND', 'to a meter that is not there');
SELECT is(refusal(asked($$SELECT meter_api.report_usage('{"meterName": "limited", "value": -5}', 'k2')$$)), '400 NEGATIVE_VALUE', 'that is rejected');
CREATE TABLE over AS SELECT * FROM asked($$SELECT meter_api.report_usage('{"meterName": "limited", "value": 7}', 'k3')$$);
SELECT is(status || ' ' || (body ->> 'code'), '429 QUOTA_EXCEEDED', 'beyond a quota') FROM over;
SELECT cmp_ok((headers ->> 'Retry-After')::int, '>', 0, 'with the time to wait') FROM over;

-- Quotas.
SELECT is((SELECT body -> 'allowed' FROM asked($$SELECT meter_api.check_quota('limited', NULL, 7)$$, claims('read'), 'GET')), 'false', 'a quota is asked by GET');
SELECT is((SELECT (body ->> 'remaining')::numeric FROM asked($$SELECT meter_api.check_quota(subject => NULL, meter => 'limited')$$, claims('read'), 'GET')), 6::numeric, 'and has defaults');
SELECT is(refusal(asked($$SELECT to_jsonb(meter_api.reserve('limited', NULL, 7, '1 minute'))$$)), '429 QUOTA_EXCEEDED', 'a reservation beyond it');
CREATE TABLE reservation AS SELECT body #>> '{}' AS id FROM asked($$SELECT to_jsonb(meter_api.reserve('limited', NULL, 6, '1 minute'))$$);
GRANT SELECT ON reservation TO meter_writer;
SELECT is(refusal(asked($$SELECT meter_api.settle(id::uuid, 5.5) FROM reservation$$, claims('meter-report', 'b00c0000-0000-0000-0000-000000000002'))), '404 RESERVATION_NOT_FOUND', 'another tenant''s reservation is not there');
SELECT is((SELECT body ->> 'status' FROM asked($$SELECT meter_api.settle(id::uuid, 5.5) FROM reservation$$)), 'settled', 'it is settled');
SELECT is(refusal(asked($$SELECT meter_api.settle(id::uuid, 5) FROM reservation$$)), '409 RESERVATION_SETTLED', 'not twice otherwise');
SELECT is(used('limited'), 9.5, 'and counted');

-- Reading.
SELECT is(body, '[{"subject": null, "dimensions": {"model": "m"}, "value": 0.1, "event_count": 1}, {"subject": null, "dimensions": {"model": null}, "value": 12345678901234567890123456789.200000000000000000000000000001, "event_count": 2}]',
	'usage by groups') FROM asked($$SELECT jsonb_agg(to_jsonb(u) - '{window_start,window_end,version,currency}'::text[] ORDER BY u.dimensions ->> 'model') FROM meter_api.usage('calls', '-infinity', 'infinity', group_by => '{model}') AS u$$, claims('read'), 'GET');
SELECT is((SELECT jsonb_path_query_array(body, '$[*].id') FROM asked($$SELECT jsonb_agg(to_jsonb(e)) FROM meter_api.explain_usage('calls', '-infinity', 'infinity', page_size => 2) AS e$$, claims('read'), 'GET')), '["1", "2"]', 'the events behind it, a page');
SELECT is(refusal(asked(statement, claims('read'), 'GET')), expected, statement) FROM (VALUES
	($$SELECT count(*) FROM meter_api.usage('none', '-infinity', 'infinity')$$, '404 NOT_FOUND'),
	($$SELECT count(*) FROM meter_api.usage('calls', '-infinity', 'infinity', window_size => 'eon')$$, '400 INVALID_REQUEST'),
	($$SELECT count(*) FROM meter_api.usage('calls', '2020-01-01', '2025-01-01', window_size => 'minute')$$, '400 INVALID_REQUEST'),
	($$SELECT count(*) FROM meter_api.usage('calls', '-infinity', 'infinity', group_by => '{colour}')$$, '400 INVALID_REQUEST'),
	($$SELECT count(*) FROM meter_api.usage('calls', NULL, 'infinity')$$, '400 INVALID_REQUEST'),
	($$SELECT count(*) FROM meter_api.explain_usage('calls', '-infinity', 'infinity', page_size => 0)$$, '400 INVALID_REQUEST'),
	($$SELECT count(*) FROM meter_api.balance('00000000-0000-0000-0000-000000000051', 'calls')$$, '404 NOT_FOUND'),
	($$SELECT count(*) FROM meter_api.period_statement('nothing')$$, '404 NOT_FOUND'),
	($$SELECT meter_api.check_quota('none', NULL)$$, '404 METER_NOT_FOUND')) AS s (statement, expected);

-- Definitions.
CREATE FUNCTION changed(call text) RETURNS http_response LANGUAGE sql AS $$ SELECT asked(format('SELECT to_jsonb(%s)', call), claims('admin')) $$;
CREATE FUNCTION done(call text) RETURNS http_response LANGUAGE sql AS $$ SELECT asked(format('SELECT to_jsonb(count(*)) FROM %s', call), claims('admin')) $$;
SELECT is((SELECT body ->> 'code' FROM changed($$meter_api.create_customer('{"id": "c", "name": "C", "code": "cc"}')$$)), 'cc', 'a customer');
SELECT is(refusal(changed($$meter_api.create_customer('{"id": "c", "name": "C"}')$$)), '409 ALREADY_EXISTS', 'twice');
SELECT is(refusal(changed($$meter_api.create_customer('{"name": 7}')$$)), '400 INVALID_TYPE', 'without a name');
SELECT is((SELECT body ->> 'name' FROM changed($$meter_api.update_customer('cc', '{"name": "D"}')$$)), 'D', 'changed');
SELECT is(refusal(changed($$meter_api.update_customer('none', '{}')$$)), '404 NOT_FOUND', 'one that is not there');
SELECT is((SELECT body -> 'aliases' FROM changed($$meter_api.link_subject('c', 'ada')$$)), '["ada"]', 'a subject');
SELECT is((SELECT body -> 'aliases' FROM changed($$meter_api.unlink_subject('c', 'ada')$$)), '[]', 'taken off');
SELECT is((SELECT body ->> 'code' FROM changed($$meter_api.create_product('{"id": "00000000-0000-0000-0000-0000000000d1", "name": "P", "code": "p"}')$$)), 'p', 'a product');
SELECT is((SELECT body ->> 'customer' FROM changed($$meter_api.create_subscription('{"id": "00000000-0000-0000-0000-0000000000e1", "customer": "c", "products": ["p"], "started_at": "2025-01-01T00:00:00Z"}')$$)), 'c', 'a subscription');
CREATE TABLE binding AS SELECT body ->> 'id' AS id, body FROM changed($$meter_api.bind_product('p', 'limited', '{"included_quantity_source": 5}')$$);
GRANT SELECT ON binding TO meter_writer;
SELECT is(body ->> 'pricing_var_name', 'limited', 'a binding') FROM binding;
SELECT is((SELECT (body ->> 'rollover_eligible') FROM changed($$(SELECT meter_api.update_binding(id::uuid, '{"rollover_eligible": true}') FROM binding)$$)), 'true', 'changed');
SELECT is(refusal(changed($$meter_api.bind_product('p', 'limited')$$)), '409 DUPLICATE', 'twice');
SELECT is(body, '[{"used": 0, "included": 5, "remaining": 5}]', 'a balance') FROM asked($$SELECT jsonb_agg(jsonb_build_object('used', used, 'included', included, 'remaining', remaining))
	FROM meter_api.balance('00000000-0000-0000-0000-0000000000e1', 'limited', '2025-01-15')$$, claims('read'), 'GET');
SELECT is(body, '["limited provisional"]', 'a statement') FROM asked($$SELECT jsonb_agg(pricing_var_name || ' ' || status) FROM meter_api.period_statement('00000000-0000-0000-0000-0000000000e1')$$, claims('read'), 'GET');
SELECT is(refusal(changed($$meter_api.archive_meter('limited', 'x')$$)), '409 IN_USE', 'a meter that is in use is not archived');
SELECT is((done($$binding, meter_api.unbind_product(binding.id::uuid)$$)).status, 200, 'unbound');
SELECT is((SELECT body ->> 'status' FROM changed($$meter_api.update_subscription('00000000-0000-0000-0000-0000000000e1', '{"status": "paused"}')$$)), 'paused', 'a subscription is paused');
SELECT is(refusal(done($$meter_api.delete_customer('c')$$)), '409 IN_USE', 'a customer with subscriptions stays');

SELECT is((SELECT body ->> 'status' FROM changed($$meter_api.create_threshold('{"name": "t", "meter": "calls", "threshold_value": 1}')$$)), 'active', 'a threshold');
SELECT is(refusal(changed($$meter_api.create_threshold('{"name": "t", "meter": "calls"}')$$)), '400 MISSING_KEY', 'without a value');
SELECT is((SELECT body ->> 'status' FROM changed($$meter_api.pause_threshold('t')$$)), 'paused', 'paused');
SELECT is((SELECT body ->> 'status' FROM changed($$meter_api.resume_threshold('t')$$)), 'active', 'resumed');
SELECT is((done($$meter_api.delete_threshold('t')$$)).status, 200, 'deleted');
SELECT is(refusal(done($$meter_api.delete_threshold('t')$$)), '404 NOT_FOUND', 'twice');

DO $$ BEGIN
	PERFORM meter.create_meter('a00c0000-0000-0000-0000-000000000001', '{"key": "fresh", "name": "Fresh", "metric_key": "fresh", "function": "count"}');
	PERFORM meter.update_meter('a00c0000-0000-0000-0000-000000000001', 'fresh', '{"name": "Fresher", "save_as_draft": true}');
	PERFORM meter.update_meter('a00c0000-0000-0000-0000-000000000001', 'fresh', '{"name": "Freshest", "save_as_draft": true}');
END $$;
SELECT is((SELECT body ->> 'name' FROM changed($$meter_api.publish_meter_version('fresh', 2)$$)), 'Freshest', 'a draft is published');
SELECT is(refusal(changed($$meter_api.publish_meter_version('fresh', 2)$$)), '409 CONFLICT', 'twice');
SELECT is((SELECT body ->> 'version_status' FROM changed($$meter_api.archive_meter_version('fresh', 1, 'old')$$)), 'archived', 'a version is archived');
SELECT is((SELECT body ->> 'status' FROM changed($$meter_api.archive_meter('fresh', 'old')$$)), 'archived', 'a meter is archived');
SELECT is((done($$meter_api.delete_meter('fresh')$$)).status, 200, 'and deleted');
SELECT is(refusal(done($$meter_api.delete_meter('fresh')$$)), '404 NOT_FOUND', 'twice');

-- Corrections.
SELECT is((SELECT body ->> 'status' FROM changed($$meter_api.amend_event('call', '1', '{"n": 5}')$$)), 'amended', 'an event is amended');
SELECT is((SELECT body ->> 'status' FROM changed($$meter_api.void_event('call', '5', 'wrong', source => 's')$$)), 'voided', 'an event is taken back');
SELECT is(used(), 5.2, 'and counted so');
SELECT is(refusal(changed($$meter_api.void_event('call', '5', 'wrong')$$)), '409 ALREADY_REVERSED', 'twice');
SELECT is(refusal(changed($$meter_api.void_event('call', 'none', 'wrong')$$)), '404 EVENT_NOT_FOUND', 'one that is not there');
SELECT is(refusal(changed($$meter_api.amend_event('call', '2', '{"n": "x"}')$$)), '400 INVALID_NUMBER', 'bad data');
SELECT is(body, '["conflict", "rejected"]', 'what was rejected is tried again') FROM asked($$SELECT jsonb_agg(DISTINCT status ORDER BY status) FROM meter_api.replay_rejected()$$, claims('admin'));
SELECT is(refusal(asked($$SELECT count(*) FROM meter_api.replay_rejected(meter => 'none')$$, claims('admin'))), '404 METER_NOT_FOUND', 'for a meter that is not there');
SELECT is((SELECT body FROM asked($$SELECT to_jsonb(count(*)) FROM meter_api.release_quarantine()$$, claims('admin'))), '0', 'nothing is in quarantine');

-- Readings.
DO $$ BEGIN
	PERFORM meter.create_device('a00c0000-0000-0000-0000-000000000001', '{"name": "D", "serial_number": "sn", "meter_type": "WATER"}');
END $$;
SELECT is((SELECT body ->> 'status' FROM asked($$SELECT meter_api.record_reading('sn', 10.5, '2025-01-01 00:00Z')$$)), 'accepted', 'a reading');
SELECT is(body, '["accepted", "rejected"]', 'readings') FROM asked($$SELECT jsonb_agg(status ORDER BY ordinal)
	FROM meter_api.record_readings('[{"device": "sn", "value": "12.75", "read_at": "2025-01-02T00:00:00Z"}, {"device": "none", "value": 1, "read_at": "2025-01-02T00:00:00Z"}]')$$);
SELECT is(refusal(asked($$SELECT meter_api.record_reading('none', 10.5, '2025-01-01 00:00Z')$$)), '404 DEVICE_NOT_FOUND', 'of no device');
SELECT is((SELECT body ->> 'last_reading_value' FROM changed($$meter_api.reset_device('sn', '{"reset_at": "2025-01-03T00:00:00Z", "final_value": 13}')$$)), '0', 'a register is reset');
SELECT is((SELECT body ->> 'serial_number' FROM changed($$meter_api.replace_device('sn', '{"replaced_at": "2025-01-04T00:00:00Z", "serial_number": "sn2"}')$$)), 'sn2', 'a device is replaced');
SELECT is((SELECT body ->> 'status' FROM changed($$meter_api.void_reading('sn2', '2025-01-02 00:00Z', 'wrong')$$)), 'voided', 'a reading is taken back');
SELECT is(refusal(changed($$meter_api.void_reading('sn2', '2025-01-02 12:00Z', 'wrong')$$)), '404 READING_NOT_FOUND', 'one that is not there');

-- Trying out.
SELECT is((SELECT body FROM asked($$SELECT meter_api.evaluate('a + b', '{"a": 0.1, "b": 0.2}')$$, claims('read'), 'GET')), '0.3', 'an expression');
SELECT is(refusal(asked($$SELECT meter_api.evaluate('a +', '{}')$$, claims('read'), 'GET')), '400 INVALID_EXPRESSION', 'a bad one');
SELECT is((SELECT body FROM asked($$SELECT to_jsonb(meter_api.matches('{"field": "$.a", "op": "eq", "value": 1}', '{"a": 1.0}'))$$, claims('read'), 'GET')), 'true', 'a filter');
SELECT is(refusal(asked($$SELECT to_jsonb(meter_api.matches('{"field": "$.a", "op": "is"}', '{}'))$$, claims('read'), 'GET')), '400 INVALID_FILTER', 'a bad one');
SELECT is((SELECT body FROM asked($$SELECT to_jsonb(meter_api.json_schema_is_valid('{"format": "date"}', '"x"') AND NOT meter_api.json_schema_is_valid('{"format": "date"}', '"x"', true))$$, claims('read'), 'GET')), 'true', 'a schema');
SELECT is((SELECT body FROM asked($$SELECT to_jsonb(count(*)) FROM meter_api.json_schema_errors('{"type": "string"}', '1') AS a, meter_api.json_schema_errors('{"format": "date"}', '"x"', true) AS b$$, claims('read'), 'GET')), '1', 'and what is wrong by it');
SELECT is(refusal(asked($$SELECT to_jsonb(meter_api.json_schema_is_valid('{"type": "thing"}', '1'))$$, claims('read'), 'GET')), '400 INVALID_SCHEMA', 'a bad one');

-- What no input is to blame for goes on as it is.
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE SQLSTATE 'PT418' USING MESSAGE = 'no tea', DETAIL = 'here', HINT = 'coffee'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON meter.product FOR EACH ROW EXECUTE FUNCTION refuse();
SELECT is(r, (418, '{"code": "PT418", "message": "no tea", "details": "here", "hint": "coffee"}', NULL)::http_response, 'an error that a trigger of the DBA''s raises')
	FROM changed($$meter_api.create_product('{"name": "Q"}')$$) AS r;
SELECT throws_ok($$ SELECT meter.http_raise('XX000', 'm', NULL, NULL) $$, 'PGRST', NULL, 'what is raised');
SELECT is(meter.http_code('22023', detail), code, coalesce(detail, 'no detail')) FROM (VALUES
	('CODE.', 'CODE'), ('A.B.', 'A.B'), ('CODE at /a.', 'CODE'), ('CODE at character 7.', 'CODE'), ('{"code": "Q"}', 'Q'), ('{"code": 1}', 'INVALID_REQUEST'), ('{"code": "Q', 'INVALID_REQUEST'),
	('Key (a)=(b) exists.', 'INVALID_REQUEST'), ('CODE', 'INVALID_REQUEST'), ('CODE and more.', 'INVALID_REQUEST'), ('.', 'INVALID_REQUEST'), ('', 'INVALID_REQUEST'), (NULL, 'INVALID_REQUEST')) AS d (detail, code);
SELECT is(meter.http_retry_after(detail) > 0, expected, detail) FROM (VALUES
	('{"window": {"end": "2999-01-01T00:00:00Z"}}', NULL), ('{"window": {"end": "infinity"}}', NULL), ('{"window": 7}', NULL), ('x', NULL),
	('{"window": {"end": "2000-01-01T00:00:00Z"}}', true)) AS d (detail, expected);

SELECT * FROM finish();
ROLLBACK;
