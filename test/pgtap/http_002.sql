-- Seed 002 over HTTP: subscriptions that can report usage to a meter, and
-- reporting it.
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS meter;
DO $$ BEGIN PERFORM meter.create_store(); END $$;
\ir ../lib/http.sql
SELECT plan(105);

\set a 'a0020000-0000-0000-0000-000000000001'
\set b 'b0020000-0000-0000-0000-000000000002'

DO $$ BEGIN
	PERFORM meter.create_organization('a', 'a0020000-0000-0000-0000-000000000001'), meter.create_organization('b', 'b0020000-0000-0000-0000-000000000002');
END $$;
CREATE TABLE meters AS SELECT document ->> 'key' AS key, document ->> 'id' AS id FROM (VALUES
	(meter.create_meter(:'a', '{"key": "api_calls", "name": "API calls", "metric_key": "call", "function": "sum", "value_field": "$.n",
		"event_schema": {"properties": {"region": {"enum": ["eu", "us"]}}}, "late_event_policy": {"mode": "reject", "max_age": "40 days", "max_future": "5 minutes"}}')),
	(meter.create_meter(:'a', '{"key": "storage", "name": "Storage", "metric_key": "store", "function": "sum", "value_field": "$.n"}')),
	(meter.create_meter(:'a', '{"key": "twin1", "name": "Twins", "metric_key": "twin", "function": "count"}')),
	(meter.create_meter(:'a', '{"key": "twin2", "name": "Twins", "metric_key": "twin", "function": "count"}')),
	(meter.create_meter(:'a', '{"key": "draft", "name": "Draft", "metric_key": "call", "function": "count", "save_as_draft": true}')),
	(meter.create_meter(:'a', '{"key": "old", "name": "Old", "metric_key": "call", "function": "count"}')),
	(meter.create_meter(:'a', '{"key": "limited", "name": "Limited", "metric_key": "limited", "function": "sum", "value_field": "$.n"}')),
	(meter.create_meter(:'b', '{"key": "foreign", "name": "Foreign", "metric_key": "call", "function": "count"}'))) AS m (document);
DO $$
DECLARE
	a uuid := 'a0020000-0000-0000-0000-000000000001';
BEGIN
	PERFORM meter.archive_meter(a, 'old', 'gone');
	PERFORM meter.create_threshold(a, '{"name": "limit", "meter": "limited", "threshold_value": 10, "action_kind": "block"}');
	PERFORM meter.create_customer(a, '{"id": "acme", "name": "Acme"}');
	PERFORM meter.create_customer(a, '{"id": "bolt", "name": "Bolt"}');
	PERFORM meter.create_product(a, '{"id": "00000000-0000-0000-0000-0000000000c1", "name": "Plan", "code": "plan"}');
	PERFORM meter.create_product(a, '{"id": "00000000-0000-0000-0000-0000000000c2", "name": "Addon"}');
	PERFORM meter.create_product(a, '{"id": "00000000-0000-0000-0000-0000000000c3", "name": "Other", "code": "other"}');
	PERFORM meter.bind_product(a, 'plan', 'api_calls', '{"pricing_var_name": "calls"}');
	PERFORM meter.bind_product(a, 'plan', 'api_calls', '{"pricing_var_name": "calls_free", "role": "entitlement"}');
	PERFORM meter.bind_product(a, '00000000-0000-0000-0000-0000000000c2', 'api_calls', '{"pricing_var_name": "shown", "role": "informational"}');
	PERFORM meter.bind_product(a, 'other', 'storage');
	PERFORM meter.unbind_product(a, (meter.bind_product(a, 'other', 'api_calls') ->> 'id')::uuid);
	PERFORM meter.create_subscription(a, jsonb_build_object('id', '00000000-0000-0000-0000-0000000000' || s.id, 'customer', s.customer, 'products', s.products,
			'started_at', s.started_at, 'ended_at', s.ended_at, 'status', s.status))
		FROM (VALUES
			('51', 'acme', '["plan", "00000000-0000-0000-0000-0000000000c2", "other"]'::jsonb, timestamptz '2025-01-01 00:00Z', NULL::timestamptz, 'active'),
			('52', 'bolt', '["00000000-0000-0000-0000-0000000000c2"]', '2025-02-01 00:00Z', '2999-01-01 00:00Z', 'active'),
			('53', 'acme', '["plan"]', '2025-01-01 00:00Z', NULL, 'paused'),
			('54', 'acme', '["plan"]', '2025-01-01 00:00Z', '2025-02-01 00:00Z', 'cancelled'),
			('55', 'acme', '["plan"]', '2025-01-01 00:00Z', '2025-02-01 00:00Z', 'active'),
			('56', 'acme', '["plan"]', '2999-01-01 00:00Z', NULL, 'active'),
			('57', 'bolt', '["other"]', '2025-01-01 00:00Z', NULL, 'active')) AS s (id, customer, products, started_at, ended_at, status);
END
$$;

CREATE FUNCTION id_of(meter text) RETURNS text LANGUAGE sql AS $$ SELECT id FROM meters WHERE key = meter $$;
CREATE FUNCTION claims(scope text DEFAULT 'meter-report', organization text DEFAULT 'a0020000-0000-0000-0000-000000000001', role text DEFAULT 'meter_writer')
	RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_strip_nulls(jsonb_build_object('role', role, 'organization_id', organization, 'scope', scope))
$$;
CREATE FUNCTION ask(uri text, claims jsonb DEFAULT claims()) RETURNS http_response LANGUAGE sql AS $$
	SELECT http('GET', uri, CASE WHEN uri LIKE '/meters/subscriptions%' THEN 'find_meter_subscriptions' ELSE 'list_meter_subscriptions' END, claims => claims)
$$;
-- status and code
CREATE FUNCTION refusal(response http_response) RETURNS text LANGUAGE sql AS $$ SELECT concat_ws(' ', response.status, response.body ->> 'code') $$;
CREATE FUNCTION report(body text, headers jsonb DEFAULT '{"idempotency-key": "k"}', claims jsonb DEFAULT claims()) RETURNS http_response LANGUAGE sql AS $$
	SELECT http('POST', '/meters/usage', 'report_meter_usage', body, claims, headers)
$$;
CREATE FUNCTION used(meter text DEFAULT 'api_calls', organization uuid DEFAULT 'a0020000-0000-0000-0000-000000000001') RETURNS numeric LANGUAGE sql AS $$
	SELECT value FROM meter.usage(organization, meter, '-infinity', 'infinity')
$$;

-- Subscriptions of a meter.
SELECT is(ask('/meters/' || id_of('api_calls') || '/subscriptions'), (200, jsonb_build_object(
	'meterId', id_of('api_calls'), 'meterName', 'API calls', 'subscriptions', $$[
	{"subscriptionId": "00000000-0000-0000-0000-000000000051", "customerId": "acme", "customerName": "Acme", "status": "active",
	 "startedAt": "2025-01-01T00:00:00+00:00", "endedAt": null, "products": [
		{"productId": "00000000-0000-0000-0000-0000000000c2", "productName": "Addon", "productCode": null,
		 "prices": [{"pricingVarName": "shown", "role": "informational"}]},
		{"productId": "00000000-0000-0000-0000-0000000000c1", "productName": "Plan", "productCode": "plan",
		 "prices": [{"pricingVarName": "calls", "role": "billable"}, {"pricingVarName": "calls_free", "role": "entitlement"}]}]},
	{"subscriptionId": "00000000-0000-0000-0000-000000000052", "customerId": "bolt", "customerName": "Bolt", "status": "active",
	 "startedAt": "2025-02-01T00:00:00+00:00", "endedAt": "2999-01-01T00:00:00+00:00", "products": [
		{"productId": "00000000-0000-0000-0000-0000000000c2", "productName": "Addon", "productCode": null,
		 "prices": [{"pricingVarName": "shown", "role": "informational"}]}]}]$$::jsonb), '[]'::jsonb)::http_response,
	'the subscriptions under way with the products that are bound to the meter, whatever the role; paused, cancelled, ended, coming and unbound ones left out');
SELECT is((ask('/meters/' || upper(id_of('storage')) || '/subscriptions')).body #>> '{subscriptions,1,products,0,productCode}', 'other', 'another meter has others');
SELECT is(ask('/meters/' || id_of('limited') || '/subscriptions'), (200, jsonb_build_object('meterId', id_of('limited'), 'meterName', 'Limited', 'subscriptions', '[]'::jsonb),
	'[]')::http_response, 'a meter that no product uses has none');
SELECT is((ask('/meters/api_calls/subscriptions')).body ->> 'meterId', id_of('api_calls'), 'a key does for an id');
SELECT is(refusal(ask('/meters/' || gen_random_uuid() || '/subscriptions')), '404 METER_NOT_FOUND', 'no such meter');
SELECT is(refusal(ask('/meters/%27%20OR%201=1/subscriptions')), '404 METER_NOT_FOUND', 'a path that is no id is no meter');
SELECT is(refusal(ask('/meters/API%20calls/subscriptions')), '404 METER_NOT_FOUND', 'a name is no id');
SELECT is(refusal(ask('/meters/' || id_of('foreign') || '/subscriptions')), '404 METER_NOT_FOUND', 'another tenant''s meter');
SELECT is(refusal(ask('/meters/%FF/subscriptions')), '400 INVALID_REQUEST', 'a path that is no UTF-8');

-- By name.
SELECT is(ask('/meters/subscriptions?meterName=api_calls'), ask('/meters/' || id_of('api_calls') || '/subscriptions'), 'by key as by id');
SELECT is(ask('/meters/subscriptions?meterName=API+calls'), ask('/meters/' || id_of('api_calls') || '/subscriptions'), 'by name');
SELECT is(ask('/meters/subscriptions?meterName=API%20calls'), ask('/meters/' || id_of('api_calls') || '/subscriptions'), 'a blank may be encoded otherwise');
SELECT is(refusal(ask('/meters/subscriptions')), '400 METER_IDENTIFIER_REQUIRED', 'without a name');
SELECT is(refusal(ask('/meters/subscriptions?meterName=')), '400 METER_IDENTIFIER_REQUIRED', 'an empty name');
SELECT is(refusal(ask('/meters/subscriptions?meterName=api_calls&limit=1')), '400 INVALID_PARAMETER', 'another parameter');
SELECT is(refusal(ask('/meters/api_calls/subscriptions?limit=1')), '400 INVALID_PARAMETER', 'a parameter by id');
SELECT is(refusal(ask('/meters/subscriptions?meterName=a&meterName=b')), '400 INVALID_PARAMETER', 'two names');
SELECT is(refusal(ask('/meters/subscriptions?meterName=nothing')), '404 METER_NOT_FOUND', 'a name nobody has');
SELECT is(refusal(ask('/meters/subscriptions?meterName=Foreign')), '404 METER_NOT_FOUND', 'a name another tenant''s meter has');
SELECT is(refusal(ask('/meters/subscriptions?meterName=Twins')), '409 AMBIGUOUS', 'a name two meters have');
SELECT is((ask('/meters/subscriptions?meterName=twin2')).status, 200, 'one of them by its key');
DO $$ BEGIN PERFORM meter.create_meter('a0020000-0000-0000-0000-000000000001', '{"key": "Storage", "name": "x", "metric_key": "x", "function": "count"}'); END $$;
SELECT is((ask('/meters/subscriptions?meterName=Storage')).body ->> 'meterName', 'x', 'the key of one meter comes before the name of another');
SELECT is(refusal(ask('/meters/subscriptions?meterName=' || repeat('x', 100000))), '404 METER_NOT_FOUND', 'a long name');
DO $$ BEGIN PERFORM meter.create_meter('a0020000-0000-0000-0000-000000000001', jsonb_build_object('key', id_of('storage'), 'name', 'y', 'metric_key', 'x', 'function', 'count')); END $$;
SELECT is((ask('/meters/' || id_of('storage') || '/subscriptions')).body ->> 'meterName' || ' ' || ((ask('/meters/subscriptions?meterName=' || id_of('storage'))).body ->> 'meterName'),
	'Storage y', 'a key that is another''s id');

-- Who may ask, and report.
CREATE TABLE asked AS SELECT * FROM (VALUES ('id', '/meters/api_calls/subscriptions'), ('name', '/meters/subscriptions?meterName=api_calls')) AS u (name, uri);
SELECT is(refusal(ask(uri, claims(scope => NULL))), '403 INSUFFICIENT_SCOPE', 'by ' || name || ': the scope must be named') FROM asked;
SELECT is(refusal(ask(uri, claims(scope => 'read'))), '403 INSUFFICIENT_SCOPE', 'by ' || name || ': another scope') FROM asked;
SELECT is((ask(uri, claims(scope => 'read admin'))).status, 200, 'by ' || name || ': admin may') FROM asked;
SELECT is((ask(uri, claims(role => 'meter_reader'))).status, 200, 'by ' || name || ': a reader may') FROM asked;
SELECT is((ask(uri, claims(scope => NULL, role => 'meter_backend'))).status, 200, 'by ' || name || ': a trusted role needs no scope') FROM asked;
SELECT is(refusal(ask(uri, claims(scope => 'read', role => 'meter_backend'))), '403 INSUFFICIENT_SCOPE', 'by ' || name || ': but if its claims speak of scopes') FROM asked;
SELECT is(refusal(ask(uri, claims(organization => NULL))), '401 ORGANIZATION_REQUIRED', 'by ' || name || ': no organization') FROM asked;
SELECT is(refusal(ask(uri, claims(organization => NULL, role => 'meter_backend'))), '401 ORGANIZATION_REQUIRED', 'by ' || name || ': nor for a trusted role') FROM asked;
SELECT is(refusal(ask(uri, claims(organization => 'x'))), '401 INVALID_CLAIMS', 'by ' || name || ': malformed claims') FROM asked;
SELECT is(refusal(ask(uri, claims(organization => :'b'))), '404 METER_NOT_FOUND', 'by ' || name || ': another tenant') FROM asked;

SELECT is(refusal(report('{"meterName": "api_calls", "value": 1}', claims => claims(scope => NULL))), '403 INSUFFICIENT_SCOPE', 'a report: the scope must be named');
SELECT is(refusal(report('{"meterName": "api_calls", "value": 1}', claims => claims(scope => 'read'))), '403 INSUFFICIENT_SCOPE', 'a report: another scope');
SELECT is(refusal(report('{"meterName": "api_calls", "value": 1}', claims => claims(organization => NULL))), '401 ORGANIZATION_REQUIRED', 'a report: no organization');
SELECT is(refusal(report('{"meterName": "api_calls", "value": 1}', claims => claims(organization => :'b'))), '404 METER_NOT_FOUND', 'a report: another tenant');
SELECT is((report('{"meterName": "api_calls", "value": 1}', claims => claims(role => 'meter_reader'))).status, 403, 'a report: a reader');
SELECT is(used(), 0::numeric, 'nothing of it counts');

-- Reports.
SELECT matches(report('{"meterName": "api_calls", "value": 0.1, "customerId": "acme", "metadata": {"region": "eu", "n2": 1, "ok": true}}')::text,
	'^\(202,"{""status"": ""queued"", ""requestId"": ""[0-9]+""}",\[\]\)$', 'a report is queued');
SELECT is(used(), 0.1, 'and counted at once');
SELECT is(report('{"value": 1e-1, "meterName": "api_calls", "customerId": "acme", "metadata": {"ok": true, "n2": 1.0, "region": "eu"}}', '{"x-api-idempotency-key": "k"}'),
	(200, '{"status": "duplicate", "idempotencyKey": "k"}', '[]')::http_response, 'again, with the other header, is a duplicate');
SELECT is(refusal(report('{"meterName": "api_calls", "value": 0.2, "customerId": "acme"}')), '409 IDEMPOTENCY_CONFLICT', 'another report with the key is a conflict');
SELECT is((report('{"meterName": "api_calls", "value": 0.2, "customerId": "acme"}')).body ->> 'details', 'IDEMPOTENCY_CONFLICT.', 'the details begin with the code');
SELECT is((report(format('{"meterId": "%s", "value": "0.2"}', id_of('api_calls')), '{"idempotency-key": "k2", "x-api-idempotency-key": "k2"}')).status, 202,
	'by id, a numeric string, the key in both headers');
SELECT is(used(), 0.3, '0.1 and 0.2 are 0.3');
SELECT is((report('{"meterName": "API calls", "value": 123456789012345678901234567890.000000000000000000000000000001}', '{"idempotency-key": "k3"}')).status, 202, 'by name, 60 digits');
SELECT is(used(), 123456789012345678901234567890.300000000000000000000000000001, 'none is lost');
SELECT is((report(format('{"meterName": "api_calls", "value": 1, "timestamp": "%s"}', to_char(now() - interval '1 second', 'YYYY-MM-DD"T"HH24:MI:SSOF:00')),
	'{"idempotency-key": "k4"}')).status, 202, 'with a timestamp');

SELECT is(refusal(report(body, headers)), expected, what) FROM (VALUES
	('{"meterName": "api_calls", "value": 1}', '{}'::jsonb, '400 IDEMPOTENCY_KEY_REQUIRED', 'no key'),
	('{"meterName": "api_calls", "value": 1}', '{"idempotency-key": ""}', '400 IDEMPOTENCY_KEY_REQUIRED', 'an empty key'),
	('{"meterName": "api_calls", "value": 1}', jsonb_build_object('idempotency-key', repeat('k', 256)), '400 IDEMPOTENCY_KEY_REQUIRED', 'too long a key'),
	('{"meterName": "api_calls", "value": 1}', '{"idempotency-key": "x", "x-api-idempotency-key": "y"}', '400 INVALID_IDEMPOTENCY_KEY', 'two keys')
) AS t (body, headers, expected, what);
SELECT is(refusal(report(body, '{"idempotency-key": "bad"}')), expected, what) FROM (VALUES
	('{"value": 1}', '400 METER_IDENTIFIER_REQUIRED', 'no meter'),
	('{"meterName": "nothing", "value": 1}', '404 METER_NOT_FOUND', 'no such meter'),
	('{"meterId": "7", "value": 1}', '404 METER_NOT_FOUND', 'an id that is no UUID'),
	('{"meterName": "Twins", "value": 1}', '409 AMBIGUOUS', 'a name two meters have'),
	('{"meterName": "old", "value": 1}', '400 METER_ARCHIVED', 'an archived meter'),
	('{"meterName": "draft", "value": 1}', '400 METER_NOT_PUBLISHED', 'a meter that is a draft'),
	('{"meterName": "api_calls"}', '400 MISSING_VALUE', 'no value'),
	('{"meterName": "api_calls", "value": "many"}', '400 INVALID_NUMBER', 'a value that is no number'),
	('{"meterName": "twin1", "value": [1]}', '400 INVALID_NUMBER', 'a value that is no number, of a meter that reads none'),
	('{"meterName": "api_calls", "value": -1}', '400 NEGATIVE_VALUE', 'a negative value'),
	('{"meterName": "api_calls", "value": 1, "metadata": {"region": "mars"}}', '400 SCHEMA_VIOLATION', 'metadata that the meter''s schema refuses'),
	('{"meterName": "api_calls", "value": 1, "timestamp": "2025-01-01T00:00:00Z"}', '400 TOO_OLD', 'too late'),
	('{"meterName": "api_calls", "value": 1, "timestamp": "2999-01-01T00:00:00Z"}', '400 TOO_FUTURE', 'too early'),
	('{"meterName": "api_calls", "value": 1, "timestamp": "yesterday"}', '400 INVALID_TIME', 'a bad timestamp'),
	('{"meterName": "api_calls", "value": 1, "metadata": {"a": [1]}}', '400 INVALID_TYPE', 'metadata that is no scalar'),
	('{"meterName": "api_calls", "value": 1, "metadata": {"a": null}}', '400 INVALID_TYPE', 'metadata that is null'),
	('{"meterName": "api_calls", "value": 1, "metadata": []}', '400 INVALID_TYPE', 'metadata that is no object'),
	('{"meterName": "api_calls", "value": 1, "customerId": 7}', '400 INVALID_TYPE', 'a customer that is no string'),
	('{"meterName": "api_calls", "value": 1, "colour": "red"}', '400 UNKNOWN_KEY', 'an unknown member'),
	('[]', '400 INVALID_TYPE', 'a body that is no object'),
	('null', '400 INVALID_TYPE', 'a body that is null'),
	(NULL, '400 INVALID_REQUEST', 'no body'),
	(format('{"meterName": "api_calls", "value": 1, "metadata": {"a": "%s"}}', repeat('x', 1100000)), '400 TOO_LARGE', 'too large a body')
) AS t (body, expected, what);
SELECT is((report('{"meterName": "api_calls", "value": -1}', '{"idempotency-key": "bad"}')).body ->> 'details', 'NEGATIVE_VALUE at /value.', 'the place is told');
SELECT is((SELECT count(*) FROM meter.rejected_events), 0::bigint, 'nothing is kept of what was refused');
SELECT is((report('{"meterName": "api_calls", "value": 1}', '{"idempotency-key": "bad"}')).status, 202, 'and the key is free');

-- Quotas.
SELECT is((report('{"meterName": "limited", "value": 10, "customerId": "acme"}', '{"idempotency-key": "q1"}')).status, 202, 'what a quota allows');
CREATE TABLE refused AS SELECT * FROM report('{"meterName": "limited", "value": 1, "customerId": "acme"}', '{"idempotency-key": "q2"}');
SELECT is(refusal(r::http_response), '429 QUOTA_EXCEEDED', 'what it refuses') FROM (SELECT status, body, headers FROM refused) AS r;
SELECT ok((headers ->> 'Retry-After')::int BETWEEN 1 AND 31 * 86400 + 1, 'with the time to wait') FROM refused;
SELECT is((body ->> 'details')::jsonb ->> 'used', '10', 'and how much is used') FROM refused;
SELECT is((report('{"meterName": "limited", "value": 10, "customerId": "acme"}', '{"idempotency-key": "q1"}')).body ->> 'status', 'duplicate', 'a retry of what was counted is not refused');
DO $$ BEGIN PERFORM meter.update_organization('a0020000-0000-0000-0000-000000000001', '{"settings": {"quota_status": 402.0}}'); END $$;
SELECT is(refusal(report('{"meterName": "limited", "value": 1, "customerId": "acme"}', '{"idempotency-key": "q2"}')), '402 QUOTA_EXCEEDED', 'by the organization''s setting it is 402');
SELECT is((report('{"meterName": "limited", "value": 1, "customerId": "bolt"}', '{"idempotency-key": "q2"}')).status, 202, 'the key is free');

-- Licenses.
DO $$ BEGIN PERFORM meter.update_organization('a0020000-0000-0000-0000-000000000001', '{"settings": {"licenses": ["subscription", "metered_products", "more"]}}'); END $$;
SELECT is((ask(uri)).status, 200, 'by ' || name || ': both licenses') FROM asked;
DO $$ BEGIN PERFORM meter.update_organization('a0020000-0000-0000-0000-000000000001', '{"settings": {"licenses": ["metered_products"]}}'); END $$;
SELECT is(refusal(ask(uri)), '403 LICENSE.REQUIRED', 'by ' || name || ': one is missing') FROM asked;
SELECT is(refusal(ask('/meters/subscriptions')), '403 LICENSE.REQUIRED', 'the license is asked for first');
SELECT is((report('{"meterName": "api_calls", "value": 1}', '{"idempotency-key": "unlicensed"}')).status, 202, 'a report is counted without it');
SELECT is(refusal(ask(uri, claims(scope => 'read'))), '403 INSUFFICIENT_SCOPE', 'by ' || name || ': the scope is asked for before') FROM asked;

SELECT * FROM finish();
ROLLBACK;
