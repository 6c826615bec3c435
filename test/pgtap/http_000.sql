-- Seed 000 over HTTP: each operation, who may call it, what it answers and does.
-- Lists of meters, their filters and cursors are in http_000_lists.sql.
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS meter;
DO $$ BEGIN PERFORM meter.create_store(); END $$;
\ir ../lib/http.sql
SELECT plan(225);

\set ours '00000000-0000-4000-8000-00000000000a'
\set theirs '00000000-0000-4000-8000-00000000000b'
CREATE FUNCTION claims(role text, organization text, more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('role', role) || coalesce(jsonb_build_object('organization_id', nullif(organization, '')), '{}') || more
$$;
CREATE FUNCTION us() RETURNS jsonb LANGUAGE sql AS $$ SELECT claims('meter_writer', '00000000-0000-4000-8000-00000000000a') $$;
CREATE FUNCTION them() RETURNS jsonb LANGUAGE sql AS $$ SELECT claims('meter_writer', '00000000-0000-4000-8000-00000000000b') $$;
CREATE FUNCTION keys(object jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(k, ' ' ORDER BY k COLLATE "C") FROM jsonb_object_keys(object) AS k
$$;
DO $$ BEGIN
	PERFORM meter.create_organization('Ours', '00000000-0000-4000-8000-00000000000a'),
		meter.create_organization('Theirs', '00000000-0000-4000-8000-00000000000b');
END $$;

-- Create: POST /meters
CREATE TABLE created AS SELECT * FROM http('POST', '/meters', 'create_meter', '{"key": "tokens", "name": "Tokens", "metric_key": "llm.call",
	"function": "sum", "value_field": "tokens", "dimensions": {"model": "$.model"}, "filter_tree": {"field": "ok", "op": "eq", "value": true},
	"dedup_key_path": "$.request", "event_schema": {"type": "object", "required": ["tokens"]}, "late_event_policy": {"mode": "reject"},
	"negative_allowed": true, "unit_label": "tokens", "workspace_id": "00000000-0000-4000-8000-0000000000CC", "window": null}',
	us() || '{"sub": "ann", "scope": "read admin"}');
SELECT is(status, 201, 'a meter is created') FROM created;
SELECT is(keys(body), 'data', 'its document is wrapped') FROM created;
SELECT is(keys(body -> 'data'), 'created_at dedup_key_path dimensions event_schema function id key late_event_policy metric_key name'
	' negative_allowed organization_id unique_by_field unit_currency_field unit_label updated_at value_field workspace_id',
	'and has the fields of the seed') FROM created;
SELECT is((body -> 'data') - '{id,created_at,updated_at}'::text[], jsonb_build_object('organization_id', :'ours', 'key', 'tokens', 'name', 'Tokens',
	'metric_key', 'llm.call', 'function', 'sum', 'value_field', 'tokens', 'unique_by_field', NULL, 'dimensions', '{"model": "$.model"}'::jsonb,
	'dedup_key_path', '$.request', 'event_schema', '{"type": "object", "required": ["tokens"]}'::jsonb,
	'late_event_policy', '{"mode": "reject", "grace": "1 hour", "max_future": null, "max_age": null}'::jsonb, 'negative_allowed', true,
	'unit_label', 'tokens', 'unit_currency_field', NULL, 'workspace_id', '00000000-0000-4000-8000-0000000000CC'), 'that say what was asked for') FROM created;
SELECT results_eq($$ SELECT m.organization_id::text, v.created_by, v.status FROM meter.meters m JOIN meter.meter_versions v ON v.meter_id = m.id
	WHERE m.id::text = (SELECT body #>> '{data,id}' FROM created) $$, $$ VALUES ('00000000-0000-4000-8000-00000000000a', 'ann', 'active') $$,
	'it is there, of the organization and by the subject of the claims');
SELECT is(body -> 'data' -> 'window', '{"size": "month", "count": 1, "anchor": null, "time_zone": "UTC", "week_start": "monday"}', 'a null window is the default one')
	FROM http('GET', '/meters/tokens/versions/1', 'get_meter_version', claims => us());

CREATE TABLE refused_body (what text, body text, code text);
INSERT INTO refused_body VALUES
	('an array', '[]', 'INVALID_TYPE'), ('null', 'null', 'INVALID_TYPE'), ('a text', '"x"', 'INVALID_TYPE'), ('nothing', NULL, 'INVALID_REQUEST'),
	('no member', '{}', 'MISSING_KEY'), ('an unknown key', '{"key": "x", "metric_key": "x", "function": "count", "nonsense": 1}', 'UNKNOWN_KEY'),
	('another organization', '{"key": "x", "metric_key": "x", "function": "count", "organization_id": "00000000-0000-4000-8000-00000000000b"}', 'UNKNOWN_KEY'),
	('a name of the wrong type', '{"key": "x", "metric_key": "x", "function": "count", "name": 5}', 'INVALID_TYPE'),
	('dimensions of the wrong type', '{"key": "x", "metric_key": "x", "function": "count", "dimensions": ["model"]}', 'INVALID_TYPE'),
	('negative_allowed of the wrong type', '{"key": "x", "metric_key": "x", "function": "count", "negative_allowed": "yes"}', 'INVALID_TYPE'),
	('a key that is too long', jsonb_build_object('key', repeat('x', 81), 'metric_key', 'x', 'function', 'count')::text, 'INVALID_LENGTH'),
	('a name that is too long', jsonb_build_object('key', 'x', 'metric_key', 'x', 'function', 'count', 'name', repeat('x', 201))::text, 'INVALID_LENGTH'),
	('a function that is none', '{"key": "x", "metric_key": "x", "function": "median"}', 'INVALID_FUNCTION'),
	('sum without a value', '{"key": "x", "metric_key": "x", "function": "sum"}', 'MISSING_KEY'),
	('effective_at without a zone', '{"key": "x", "metric_key": "x", "function": "count", "effective_at": "2026-01-01T00:00:00"}', 'INVALID_TIME'),
	('save_as_draft of the wrong type', '{"key": "x", "metric_key": "x", "function": "count", "save_as_draft": 1}', 'INVALID_TYPE');
SELECT is(format('%s %s, %s', r.status, r.body ->> 'code', keys(r.body)), format('400 %s, code details hint message', w.code), format('create: %s is refused', w.what))
	FROM refused_body w, LATERAL http('POST', '/meters', 'create_meter', w.body, us()) r;
SELECT is(status, 400, 'create: what is no JSON is refused') FROM http('POST', '/meters', 'create_meter', '{"key": ', us());
SELECT is(format('%s %s', status, body ->> 'code'), '400 INVALID_REQUEST', 'create: a NUL is refused') FROM http('POST', '/meters', 'create_meter', '{"key": "a\u0000b", "metric_key": "x", "function": "count"}', us());
SELECT is(status, 400, 'create: a query is refused') FROM http('POST', '/meters?key=x', 'create_meter', '{"key": "x", "metric_key": "x", "function": "count"}', us());
SELECT is(format('%s %s', status, body ->> 'code'), '409 ALREADY_EXISTS', 'create: a key that is taken is refused')
	FROM http('POST', '/meters', 'create_meter', '{"key": "tokens", "metric_key": "x", "function": "count"}', us());
SELECT is(status, 201, 'the same key is another organization''s as well')
	FROM http('POST', '/meters', 'create_meter', '{"key": "tokens", "metric_key": "x", "function": "count"}', them());
SELECT is((SELECT array_agg(key) FROM meter.meter WHERE organization_id = :'ours'), '{tokens}', 'nothing came of what was refused');

-- Read: GET /meters/{id}
SELECT body #>> '{data,id}' AS id FROM created \gset
SELECT id AS their_id FROM meter.meter WHERE organization_id = :'theirs' \gset
SELECT is(format('%s %s', r.status, r.body = c.body), '200 t', 'a meter is read as it was created')
	FROM created c, http('GET', '/meters/' || :'id', 'get_meter', claims => us()) r;
SELECT is(r.body, c.body, 'and by its key') FROM created c, http('GET', '/meters/tokens', 'get_meter', claims => us()) r;
SELECT is(r.body, c.body, 'and whatever the case of the UUID') FROM created c, http('GET', '/meters/' || upper(:'id'), 'get_meter', claims => us()) r;
SELECT is(format('%s %s', status, body ->> 'code'), '404 NOT_FOUND', format('%s is no meter', named))
	FROM (VALUES ('', 'nothing'), ('00000000-0000-4000-8000-00000000ffff', 'a UUID of none'), ('7', 'a number'), ('%27%20OR%201=1--', 'SQL'),
		(repeat('x', 5000), 'a long name')) AS t (path, named), LATERAL http('GET', '/meters/' || path, 'get_meter', claims => us());
SELECT is(status, 400, 'a path that is no UTF-8 is refused') FROM http('GET', '/meters/%ff', 'get_meter', claims => us());

-- An id is looked for before a key that looks like it.
SELECT is(status, 201, 'a key may look like the id of another meter')
	FROM http('POST', '/meters', 'create_meter', jsonb_build_object('key', :'id', 'metric_key', 'x', 'function', 'count')::text, us());
SELECT is(body #>> '{data,key}', 'tokens', 'the id is read') FROM http('GET', '/meters/' || :'id', 'get_meter', claims => us());
SELECT is(format('%s %s', status, body #>> '{data,key}'), '200 tokens', 'and changed')
	FROM http('PATCH', '/meters/' || :'id', 'update_meter', '{"unit_label": "tok"}', us());
DO $$ BEGIN PERFORM meter.delete_meter(organization_id, key) FROM meter.meter WHERE metric_key = 'x'; END $$;
DO $$ BEGIN PERFORM meter.create_meter('00000000-0000-4000-8000-00000000000b', '{"key": "theirs", "metric_key": "x", "function": "count"}'); END $$;
SELECT id AS their_id FROM meter.meter WHERE organization_id = :'theirs' \gset

-- Change: PATCH /meters/{id}; tokens is at version 2
SELECT is(format('%s %s %s', status, body #>> '{data,name}', keys(body -> 'data') = (SELECT keys(c.body -> 'data') FROM created c)), '200 All tokens t', 'a meter is changed')
	FROM http('PATCH', '/meters/' || :'id', 'update_meter', '{"name": "All tokens"}', us());
SELECT is(body #>> '{data,name}', 'All tokens', 'which is what is read then') FROM http('GET', '/meters/' || :'id', 'get_meter', claims => us());
SELECT is(body #>> '{data,dedup_key_path}', '$.request', 'what the patch does not name stays') FROM http('GET', '/meters/' || :'id', 'get_meter', claims => us());
SELECT is(format('%s %s', status, body #>> '{data,name}'), '200 Draft', 'save_as_draft writes a draft')
	FROM http('PATCH', '/meters/' || :'id', 'update_meter', '{"name": "Draft", "save_as_draft": true}', us());
SELECT is(body #>> '{data,name}', 'All tokens', 'that is not read') FROM http('GET', '/meters/' || :'id', 'get_meter', claims => us());
SELECT is(format('%s %s', status, body #>> '{data,name}'), '200 Later', 'effective_at schedules a version')
	FROM http('PATCH', '/meters/' || :'id', 'update_meter', '{"name": "Later", "effective_at": "2126-01-01T00:00:00+01:00"}', us());
SELECT is(body #>> '{data,name}', 'All tokens', 'that is not read yet') FROM http('GET', '/meters/' || :'id', 'get_meter', claims => us());
SELECT is((SELECT array_agg(status ORDER BY version) FROM meter.meter_versions WHERE meter_id = :'id'),
	'{superseded,superseded,active,draft,scheduled}', 'each is a version');

SELECT is(format('%s %s', r.status, r.body ->> 'code'), expected, format('patch: %s is refused', what))
	FROM (VALUES ('a key', '{"key": "other"}', '400 IMMUTABLE'), ('the same key', '{"key": "tokens"}', '400 IMMUTABLE'),
		('a metric_key', '{"metric_key": "other"}', '400 IMMUTABLE'), ('an unknown key', '{"nonsense": 1}', '400 UNKNOWN_KEY'),
		('a field that is not to be written', '{"updated_at": "2026-01-01T00:00:00Z"}', '400 UNKNOWN_KEY'),
		('an array', '[{"name": "x"}]', '400 INVALID_REQUEST'), ('null', 'null', '400 INVALID_REQUEST'), ('nothing', NULL, '400 INVALID_REQUEST'),
		('a draft with a time', '{"save_as_draft": true, "effective_at": "2126-01-01T00:00:00Z"}', '400 INVALID_COMBINATION'),
		('a time in the past', '{"name": "x", "effective_at": "2020-01-01T00:00:00Z"}', '400 IN_THE_PAST'),
		('a time that is none', '{"name": "x", "effective_at": "tomorrow"}', '400 INVALID_TIME'),
		('another version than is shown', '{"name": "x", "version": 1}', '409 VERSION_MISMATCH')) AS t (what, body, expected),
		LATERAL http('PATCH', '/meters/' || :'id', 'update_meter', t.body, us()) r;
SELECT is(format('%s %s', r.status, keys(r.body)), '400 code details hint message', format('patch: %s is refused', what))
	FROM (VALUES ('a value of the wrong type', '{"name": {}}'), ('a name that is too long', jsonb_build_object('name', repeat('x', 201))::text),
		('a bad path', '{"value_field": "$.["}')) AS t (what, body), LATERAL http('PATCH', '/meters/' || :'id', 'update_meter', t.body, us()) r;
SELECT is((SELECT count(*) FROM meter.meter_versions WHERE meter_id = :'id'), 5::bigint, 'nothing came of what was refused');

-- A meter that has not begun, and one that has ended
SELECT is(status, 201, 'a meter can begin as a draft')
	FROM http('POST', '/meters', 'create_meter', '{"key": "draft", "metric_key": "d", "function": "count", "save_as_draft": true}', us());
SELECT is(status, 201, 'or in future')
	FROM http('POST', '/meters', 'create_meter', '{"key": "later", "metric_key": "d", "function": "count", "effective_at": "2126-01-01T00:00:00Z"}', us());
SELECT is(status, 201, 'or end')
	FROM http('POST', '/meters', 'create_meter', '{"key": "over", "metric_key": "d", "function": "count"}', us());
DO $$ BEGIN PERFORM meter.archive_meter('00000000-0000-4000-8000-00000000000a', 'over', 'replaced'); END $$;
SELECT is(format('%s %s', status, body #>> '{data,key}'), '200 ' || key, format('one that is %s is read', key))
	FROM (VALUES ('draft'), ('later'), ('over')) AS k (key), LATERAL http('GET', '/meters/' || key, 'get_meter', claims => us());
SELECT is((body #> '{data,0}') - '{id,created_at,created_by,usage_count,version,archived_reason,published_at}'::text[],
	jsonb_build_object('status', state, 'effective_from', effective_from, 'effective_to', effective_to), format('its version is %s', state))
	FROM (VALUES ('draft', 'draft', NULL, NULL), ('later', 'scheduled', '2126-01-01T00:00:00Z'::timestamptz, NULL)) AS k (key, state, effective_from, effective_to),
	LATERAL http('GET', '/meters/' || key || '/versions', 'list_meter_versions', claims => us());
SELECT is(status, 409, 'one that has ended is not changed') FROM http('PATCH', '/meters/over', 'update_meter', '{"name": "x"}', us());

-- Bindings: GET /meters/{id}/bindings
DO $$
DECLARE
	org CONSTANT uuid := '00000000-0000-4000-8000-00000000000a';
BEGIN
	PERFORM meter.create_product(org, '{"code": "p1", "name": "One"}'), meter.create_product(org, '{"code": "p2", "name": "Two"}'),
		meter.bind_product(org, 'p1', 'tokens', '{"workspace_id": "w1", "included_quantity_source": 100, "rollover_eligible": true}'),
		meter.bind_product(org, 'p2', 'tokens', '{"role": "informational", "version": 1}'),
		meter.bind_product(org, 'p2', 'later'), meter.bind_product(org, 'p2', 'tokens', '{"pricing_var_name": "gone"}');
	PERFORM meter.unbind_product(org, b.id) FROM meter.meter_bindings b WHERE b.pricing_var_name = 'gone';
END
$$;
CREATE TABLE bound AS SELECT * FROM http('GET', '/meters/' || :'id' || '/bindings', 'list_meter_bindings', claims => us());
SELECT is(format('%s %s %s', status, keys(body), jsonb_array_length(body -> 'data')), '200 data 2', 'the bindings that are in use are listed') FROM bound;
SELECT is(keys(b), 'created_at head_version_id id included_quantity_source meter_id organization_id overlay_dimensions_keyed'
	' pricing_var_name product_id role rollover_eligible updated_at workspace_id', 'with the fields of the seed')
	FROM bound, jsonb_array_elements(body -> 'data') AS b;
SELECT set_eq($$ SELECT b ->> 'role' a, b ->> 'head_version_id' b, b -> 'included_quantity_source' c, b ->> 'workspace_id' d, b ->> 'meter_id' e
		FROM bound, jsonb_array_elements(body -> 'data') AS b $$,
	format($$ VALUES ('billable', NULL, '{"kind": "static", "quantity": 100}'::jsonb, 'w1', %1$L),
		('informational', (SELECT id::text FROM meter.meter_versions WHERE meter_id = %1$L AND version = 1), '{"kind": "static", "quantity": 0}', NULL, %1$L) $$, :'id'),
	'that say what was bound');

-- Versions: GET /meters/{id}/versions
CREATE TABLE versions AS SELECT * FROM http('GET', '/meters/' || :'id' || '/versions', 'list_meter_versions', claims => us());
SELECT is(format('%s %s', status, keys(body)), '200 data', 'versions are listed') FROM versions;
SELECT is(string_agg(DISTINCT keys(v), ''), 'archived_reason created_at created_by effective_from effective_to id published_at status usage_count version',
	'with the fields of the seed') FROM versions, jsonb_array_elements(body -> 'data') AS v;
SELECT is(jsonb_path_query_array(body, '$.data[*].version'), '[5, 4, 3, 2, 1]', 'the last one first') FROM versions;
SELECT is(jsonb_path_query_array(body, '$.data[*].usage_count'), '[0, 0, 0, 0, 1]', 'with how many are pinned to each') FROM versions;
SELECT is(body #> '{data,4,effective_from}', '"-infinity"', 'what has no beginning') FROM versions;
SELECT is(body #> '{data,4,effective_to}', body #> '{data,3,effective_from}', 'each ends where the next one begins') FROM versions;
SELECT is(body #>> '{data,4,created_by}', 'ann', 'and says who wrote it') FROM versions;
SELECT is(format('%s %s', status, jsonb_path_query_array(body, '$.data[*].version')), '200 ' || found, format('versions of "%s"', query))
	FROM (VALUES ('status=draft', '[4]'), ('status=active&status=scheduled', '[5, 3]'), ('status=superseded&status=superseded', '[2, 1]'),
		('status=archived', '[]'), ('status=', '[5, 4, 3, 2, 1]')) AS t (query, found),
		LATERAL http('GET', '/meters/' || :'id' || '/versions?' || query, 'list_meter_versions', claims => us());
SELECT is(format('%s %s', status, body ->> 'code'), '400 INVALID_PARAMETER', format('"%s" is refused', query))
	FROM (VALUES ('status=published'), ('status=draft&status=x'), ('status=draft,active'), ('status.eq=draft'), ('limit=5')) AS t (query),
		LATERAL http('GET', '/meters/' || :'id' || '/versions?' || query, 'list_meter_versions', claims => us());

-- A version: GET /meters/{id}/versions/{version}
SELECT is(format('%s %s %s', status, keys(body), keys(body -> 'data')), '200 data created_at effective_from effective_to filter_tree function id meter_id'
	' organization_id value_field version window workspace_id', 'a version is read')
	FROM http('GET', '/meters/' || :'id' || '/versions/1', 'get_meter_version', claims => us());
SELECT is((body -> 'data') - '{id,created_at,effective_to}'::text[], jsonb_build_object('organization_id', :'ours', 'meter_id', :'id', 'workspace_id', '00000000-0000-4000-8000-0000000000CC',
	'version', 1, 'function', 'sum', 'value_field', 'tokens', 'filter_tree', '{"field": "ok", "op": "eq", "value": true}'::jsonb, 'effective_from', '-infinity',
	'window', '{"size": "month", "count": 1, "anchor": null, "time_zone": "UTC", "week_start": "monday"}'::jsonb), 'with what it measures')
	FROM http('GET', '/meters/' || :'id' || '/versions/1', 'get_meter_version', claims => us());
SELECT is(format('%s %s', status, body #>> '{data,version}'), '200 4', 'a draft as well')
	FROM http('GET', '/meters/' || :'id' || '/versions/004', 'get_meter_version', claims => us());
SELECT is(format('%s %s', status, body ->> 'code'), expected, format('version "%s" is refused', version))
	FROM (VALUES ('0', '400 INVALID_PARAMETER'), ('-1', '400 INVALID_PARAMETER'), ('x', '400 INVALID_PARAMETER'), ('1.5', '400 INVALID_PARAMETER'), ('', '400 INVALID_PARAMETER'),
		('6', '404 NOT_FOUND'), ('99999999999999999999', '404 NOT_FOUND')) AS t (version, expected),
		LATERAL http('GET', '/meters/' || :'id' || '/versions/' || version, 'get_meter_version', claims => us());

-- Breaches: GET /meters/{id}/threshold-events, GET /meters/threshold-events
SELECT is(body, '{"data": []}', 'without breaches none are listed') FROM http('GET', '/meters/threshold-events', 'list_threshold_events', claims => us());
DO $$
DECLARE
	org CONSTANT uuid := '00000000-0000-4000-8000-00000000000a';
BEGIN
	PERFORM meter.create_meter(org, '{"key": "busy", "metric_key": "busy", "function": "sum", "value_field": "n"}'),
		meter.create_meter(org, '{"key": "calm", "metric_key": "calm", "function": "sum", "value_field": "n"}'),
		meter.create_threshold(org, '{"name": "each", "meter": "busy", "comparator": "gte", "threshold_value": 1, "recurring_step": 1,
			"clear_value": 0.5, "action_kind": "webhook", "action_target": "https://example.com/hook"}'),
		meter.create_threshold(org, '{"name": "once", "meter": "calm", "comparator": "gte", "threshold_value": 1, "action_kind": "notify", "action_event_type": "calm.no_more"}');
	PERFORM meter.ingest(org, '[{"id": "1", "source": "s", "type": "calm", "subject": "c", "data": {"n": 2.5}}, {"id": "2", "source": "s", "type": "busy", "subject": "c", "data": {"n": 120}}]');
END
$$;
SELECT id AS busy FROM meter.meter WHERE key = 'busy' \gset
CREATE TABLE breaches AS SELECT * FROM http('GET', '/meters/' || :'busy' || '/threshold-events', 'list_meter_threshold_events', claims => us());
SELECT is(format('%s %s %s', status, keys(body), jsonb_array_length(body -> 'data')), '200 data 50', 'the last 50 breaches of a meter are listed') FROM breaches;
SELECT is(string_agg(DISTINCT keys(b), ''), 'action_event_type action_kind action_target comparator delivered_at id meter_id meter_key observed_value occurred_at'
	' organization_id product_id subscription_id threshold_name threshold_value window_end window_start', 'with the 17 fields of the seed')
	FROM breaches, jsonb_array_elements(body -> 'data') AS b;
SELECT is(jsonb_path_query_array(body, '$.data[0 to 2].threshold_value'), '[120, 119, 118]', 'the newest first') FROM breaches;
SELECT is((body #> '{data,0}') - '{id,occurred_at,window_start,window_end}'::text[], jsonb_build_object('organization_id', :'ours', 'meter_id', :'busy', 'meter_key', 'busy',
	'product_id', NULL, 'subscription_id', NULL, 'threshold_name', 'each', 'comparator', 'gte', 'threshold_value', 120, 'observed_value', 120,
	'action_kind', 'webhook', 'action_target', 'https://example.com/hook', 'action_event_type', 'threshold.breached', 'delivered_at', NULL), 'that say what happened') FROM breaches;
SELECT is(format('%s %s', status, jsonb_array_length(body -> 'data')), '200 ' || n, format('%s of a meter''s', query))
	FROM (VALUES ('limit=1', 1), ('limit=100', 100), ('limit=101', 100), ('limit=999999', 100), ('limit=', 50)) AS t (query, n),
		LATERAL http('GET', '/meters/busy/threshold-events?' || query, 'list_meter_threshold_events', claims => us());
SELECT is(format('%s %s', status, jsonb_path_query_array(body, '$.data[*].observed_value')), '200 [2.5]', 'another meter has its own')
	FROM http('GET', '/meters/calm/threshold-events', 'list_meter_threshold_events', claims => us());
SELECT is(jsonb_path_query_array(body, '$.data[*].action_event_type'), '["calm.no_more"]', 'under the name its threshold gives')
	FROM http('GET', '/meters/calm/threshold-events', 'list_meter_threshold_events', claims => us());
SELECT is(format('%s %s', status, jsonb_array_length(body -> 'data')), '200 ' || n, format('%s of all', query))
	FROM (VALUES ('', 50), ('limit=1', 1), ('limit=100', 100), ('limit=101', 100)) AS t (query, n),
		LATERAL http('GET', '/meters/threshold-events?' || query, 'list_threshold_events', claims => us());
-- by time first, then by number
UPDATE meter.domain_event_outbox SET occurred_at = occurred_at + interval '1 hour' WHERE meter_id <> :'busy' OR payload ->> 'threshold_value' = '7';
UPDATE meter.domain_event_outbox SET delivered_at = '2126-01-01T00:00:00Z' WHERE meter_id <> :'busy' AND event_type = 'calm.no_more';
SELECT is(jsonb_path_query_array(body, '$.data[*].threshold_value'), '[7, 1, 120]', 'the newest of all meters first')
	FROM http('GET', '/meters/threshold-events?limit=3', 'list_threshold_events', claims => us());
SELECT is((body #>> '{data,0,delivered_at}')::timestamptz, '2126-01-01T00:00:00Z', 'what was delivered says when')
	FROM http('GET', '/meters/calm/threshold-events', 'list_meter_threshold_events', claims => us());
DO $$ BEGIN PERFORM meter.void_event('00000000-0000-4000-8000-00000000000a', 'busy', '2', 'wrong'); END $$;
SELECT ok(EXISTS (SELECT FROM meter.domain_event_outbox WHERE event_type = 'threshold.resolved'), 'a threshold is resolved');
SELECT is(body #> '{data,0,threshold_value}', '7', 'which is no breach')
	FROM http('GET', '/meters/threshold-events', 'list_threshold_events', claims => us());
SELECT is(format('%s %s', r.status, r.body ->> 'code'), '400 INVALID_PARAMETER', format('%s: "%s" is refused', fn, query))
	FROM (VALUES ('/meters/busy/threshold-events', 'list_meter_threshold_events'), ('/meters/threshold-events', 'list_threshold_events')) AS o (path, fn),
		(VALUES ('limit=0'), ('limit=-1'), ('limit=x'), ('limit=1.5'), ('limit=1&limit=2'), ('cursor=x')) AS t (query),
		LATERAL http('GET', path || '?' || query, fn, claims => us()) r;

-- A meter's breaches are found by an index, behind policies too.
CREATE FUNCTION plan_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	result text := '';
BEGIN
	FOR line IN EXECUTE 'EXPLAIN ' || statement LOOP
		result := result || line || E'\n';
	END LOOP;
	RETURN result;
END
$$;
SET LOCAL ROLE meter_reader;
SELECT set_config('request.jwt.claims', us()::text, true), set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true) \g /dev/null
SELECT matches(plan_of(format($$ SELECT * FROM meter.threshold_events WHERE organization_id = %L AND meter_id = %L ORDER BY occurred_at DESC, id DESC LIMIT 50 $$, :'ours', :'busy')),
	'Index Scan Backward using domain_event_outbox_meter_breach_idx.*\n *Index Cond: .*meter_id = ', 'a meter''s breaches are found by an index');
RESET ROLE;
SELECT set_config('request.jwt.claims', '', true), set_config('enable_seqscan', 'on', true), set_config('enable_bitmapscan', 'on', true) \g /dev/null

-- Who may: every operation
CREATE TABLE operation (fn text, method text, path text, body text, answer text, theirs text);
INSERT INTO operation VALUES
	('list_meters', 'GET', '/meters?key=tokens', NULL, '200', '200 []'),
	('create_meter', 'POST', '/meters', '{"key": "tried", "metric_key": "x", "function": "count"}', '201', '201'),
	('get_meter', 'GET', '/meters/' || :'id', NULL, '200', '404'),
	('update_meter', 'PATCH', '/meters/' || :'id', '{"name": "Tried"}', '200', '404'),
	('list_meter_bindings', 'GET', '/meters/' || :'id' || '/bindings', NULL, '200', '404'),
	('list_meter_versions', 'GET', '/meters/' || :'id' || '/versions', NULL, '200', '404'),
	('get_meter_version', 'GET', '/meters/' || :'id' || '/versions/1', NULL, '200', '404'),
	('list_meter_threshold_events', 'GET', '/meters/' || :'id' || '/threshold-events', NULL, '200', '404'),
	('list_threshold_events', 'GET', '/meters/threshold-events', NULL, '200', '200 []');
CREATE TABLE before AS SELECT * FROM meter.meter_versions WHERE organization_id = :'ours';
-- tried, and undone where it succeeds
CREATE FUNCTION try(o operation, claims jsonb) RETURNS http_response LANGUAGE plpgsql AS $$
DECLARE
	response http_response;
BEGIN
	response := http(o.method, o.path, o.fn, o.body, claims);
	IF response.status < 300 THEN
		RAISE SQLSTATE 'ZZTRY';
	END IF;
	RETURN response;
EXCEPTION WHEN SQLSTATE 'ZZTRY' THEN
	RETURN response;
END
$$;
SELECT is(format('%s %s', r.status, r.body ->> 'code'), '401 ORGANIZATION_REQUIRED', format('%s: claims without an organization', fn))
	FROM operation o, LATERAL try(o, claims('meter_writer', '')) r;
SELECT is(format('%s %s', r.status, r.body ->> 'code'), '401 INVALID_CLAIMS', format('%s: malformed claims', fn))
	FROM operation o, LATERAL try(o, claims('meter_writer', 'nobody')) r;
SELECT is(format('%s %s', r.status, r.body ->> 'code'), '403 INSUFFICIENT_SCOPE', format('%s: another scope', fn))
	FROM operation o, LATERAL try(o, us() || '{"scope": "meter-report"}') r;
SELECT is(r.status, CASE method WHEN 'GET' THEN 200 ELSE 403 END, format('%s: the scope read', fn))
	FROM operation o, LATERAL try(o, us() || '{"scope": "read"}') r;
SELECT is(r.status::text, o.answer, format('%s: the scope admin', fn))
	FROM operation o, LATERAL try(o, us() || '{"scope": ["admin"]}') r;
SELECT is(r.status, CASE method WHEN 'GET' THEN 200 ELSE 403 END, format('%s: a role that reads', fn))
	FROM operation o, LATERAL try(o, claims('meter_reader', :'ours')) r;
SELECT is(r.status || CASE method WHEN 'GET' THEN coalesce(' ' || (r.body ->> 'data'), '') ELSE '' END, o.theirs, format('%s: another organization', fn))
	FROM operation o, LATERAL try(o, them()) r;
SELECT is(format('%s %s', r.status, r.body ->> 'code'), '401 ORGANIZATION_REQUIRED', format('%s: a trusted role without an organization', fn))
	FROM operation o, LATERAL try(o, '{"role": "meter_admin"}') r;
SELECT is(r.status, 400, format('%s: an unknown parameter', fn))
	FROM operation o, LATERAL try((fn, method, path || CASE WHEN path ~ '[?]' THEN '&' ELSE '?' END || 'nonsense=1', body, answer, theirs), us()) r;
SELECT results_eq('SELECT * FROM meter.meter_versions WHERE organization_id = ''00000000-0000-4000-8000-00000000000a''', 'TABLE before', 'what was refused changed nothing');
SELECT is(format('%s %s', status, body ->> 'data'), '404 ', format('%s: a meter of theirs', fn))
	FROM (VALUES ('get_meter', ''), ('list_meter_bindings', '/bindings'), ('list_meter_versions', '/versions'), ('get_meter_version', '/versions/1'),
		('list_meter_threshold_events', '/threshold-events')) AS t (fn, rest), LATERAL http('GET', '/meters/' || :'their_id' || rest, fn, claims => us());
SELECT is(status, 404, 'update_meter: a meter of theirs') FROM http('PATCH', '/meters/' || :'their_id', 'update_meter', '{"name": "x"}', us());

SELECT * FROM finish();
ROLLBACK;
