-- The views of meter_api as PostgREST uses them: who sees what, what can be
-- written and by whom, which relationships it finds.
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS meter;
DO $$ BEGIN PERFORM meter.create_store(); END $$;
\ir ../lib/http.sql
SELECT no_plan();

\set acme '\'00000000-0000-4000-8000-00000000000a\''
\set bolt '\'00000000-0000-4000-8000-00000000000b\''

CREATE FUNCTION claims(org text, role text DEFAULT 'meter_writer', scope text DEFAULT NULL) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_strip_nulls(jsonb_build_object('role', role, 'organization_id', org, 'scope', scope))
$$;

-- The statements that PostgREST makes of requests.
CREATE FUNCTION rest_get(view text, query text, claims jsonb) RETURNS http_response LANGUAGE sql AS $$
	SELECT http_statement('GET', '/rest/' || view, format('WITH pgrst_source AS (%s)
		SELECT coalesce(json_agg(_postgrest_t), ''[]'')::jsonb FROM (SELECT * FROM pgrst_source) _postgrest_t', query), claims)
$$;
CREATE FUNCTION rest_columns(view text, body json) RETURNS TABLE (names text, types text) LANGUAGE sql AS $$
	SELECT string_agg(quote_ident(k), ', ' ORDER BY k), string_agg(format('%I %s', k, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY k)
	FROM json_object_keys(CASE json_typeof(body) WHEN 'array' THEN body -> 0 ELSE body END) AS k
	JOIN pg_attribute AS a ON a.attrelid = format('meter_api.%I', view)::regclass AND a.attname = k
$$;
CREATE FUNCTION rest_post(view text, body json, claims jsonb) RETURNS http_response LANGUAGE sql AS $$
	SELECT http_statement('POST', '/rest/' || view, format('WITH pgrst_source AS (
			INSERT INTO "meter_api".%1$I(%2$s) SELECT %2$s FROM (SELECT %4$L::json AS json_data) pgrst_payload,
				LATERAL (SELECT CASE WHEN json_typeof(pgrst_payload.json_data) = ''array'' THEN pgrst_payload.json_data
					ELSE json_build_array(pgrst_payload.json_data) END AS val) pgrst_uniform_json,
				LATERAL (SELECT * FROM json_to_recordset(pgrst_uniform_json.val) AS _(%3$s)) pgrst_body
			RETURNING "meter_api".%1$I.*)
		SELECT coalesce(json_agg(_postgrest_t), ''[]'')::jsonb FROM (SELECT * FROM pgrst_source) _postgrest_t', view, c.names, c.types, body), claims)
	FROM rest_columns(view, body) AS c
$$;
CREATE FUNCTION rest_patch(view text, filter text, body json, claims jsonb) RETURNS http_response LANGUAGE sql AS $$
	SELECT http_statement('PATCH', '/rest/' || view, format('WITH pgrst_source AS (
			UPDATE "meter_api".%1$I SET %5$s FROM (SELECT %4$L::json AS json_data) pgrst_payload,
				LATERAL (SELECT * FROM json_to_record(pgrst_payload.json_data) AS _(%3$s)) pgrst_body
			WHERE %6$s RETURNING "meter_api".%1$I.*)
		SELECT coalesce(json_agg(_postgrest_t), ''[]'')::jsonb FROM (SELECT * FROM pgrst_source) _postgrest_t', view, c.names, c.types, body,
		(SELECT string_agg(format('%1$I = pgrst_body.%1$I', k), ', ') FROM json_object_keys(body) AS k), filter), claims)
	FROM rest_columns(view, body) AS c
$$;
CREATE FUNCTION rest_delete(view text, filter text, claims jsonb) RETURNS http_response LANGUAGE sql AS $$
	SELECT http_statement('DELETE', '/rest/' || view, format('WITH pgrst_source AS (DELETE FROM "meter_api".%1$I WHERE %2$s RETURNING "meter_api".%1$I.*)
		SELECT coalesce(json_agg(_postgrest_t), ''[]'')::jsonb FROM (SELECT * FROM pgrst_source) _postgrest_t', view, filter), claims)
$$;
-- Status, and the code of an error or the number of rows.
CREATE FUNCTION said(response http_response) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', response.status, CASE jsonb_typeof(response.body) WHEN 'array' THEN jsonb_array_length(response.body)::text
		ELSE response.body ->> 'code' END)
$$;

-- Two organizations that have the same, all of it through the views.
SELECT meter.create_organization('acme', :acme) \g /dev/null
SELECT meter.create_organization('bolt', :bolt) \g /dev/null
CREATE TABLE tenants AS SELECT unnest(ARRAY[:acme, :bolt]::text[]) AS org;
CREATE TABLE made (view text, org text, response http_response);

-- @view in a body stands for the id of the tenant's first row of it.
CREATE FUNCTION filled(body text, tenant text) RETURNS json LANGUAGE plpgsql AS $$
DECLARE
	m record;
BEGIN
	FOR m IN SELECT view, (response).body -> 0 ->> 'id' AS id FROM made WHERE org = tenant LOOP
		body := replace(body, '@' || m.view, coalesce(m.id, ''));
	END LOOP;
	RETURN body;
END
$$;
-- An assertion about an answer; a wrong one is shown whole.
CREATE FUNCTION answers(answer http_response, expected text, description text) RETURNS text LANGUAGE sql AS $$
	SELECT is(said(answer), expected, description) || CASE WHEN said(answer) = expected THEN '' ELSE E'\n# ' || answer.body::text END
$$;
CREATE FUNCTION make(wanted text, body text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	tenant text;
	answer http_response;
BEGIN
	FOR tenant IN SELECT org FROM tenants ORDER BY org LOOP
		answer := rest_post(wanted, filled(body, tenant), claims(tenant));
		RETURN NEXT answers(answer, '200 1', format('POST %s makes one', wanted));
		INSERT INTO made VALUES (wanted, tenant, answer);
	END LOOP;
END
$$;

SELECT make('meters', '{"key": "calls", "name": "Calls", "metric_key": "call", "function": "sum", "value_field": "n", "dimensions": {"model": "$.model"},
	"filter_tree": {"field": "skip", "op": "exists", "value": false}}');
SELECT make('customers', '{"id": "ada", "name": "Ada", "aliases": ["lady", "countess"], "custom_fields": {"tier": 2}}');
SELECT make('products', '{"code": "gold", "name": "Gold"}');
SELECT make('subscriptions', '{"customer_id": "ada", "product_ids": ["@products"], "started_at": "2026-01-31T00:00:00Z", "period": {"size": "month", "count": 1}}');
SELECT make('meter_bindings', '{"product_id": "@products", "meter_id": "@meters", "included_quantity_source": {"kind": "static", "quantity": 5}}');
SELECT make('thresholds', '{"name": "ten", "meter_id": "@meters", "threshold_value": [10, 20]}');
SELECT make('thresholds', '{"name": "cap", "meter_key": "calls", "threshold_value": 1000, "comparator": "gt", "action_kind": "block"}');
SELECT make('thresholds', '{"name": "each ten", "meter_key": "calls", "threshold_value": 10, "scope": {"kind": "subscription", "id": "@subscriptions"}}');
SELECT make('thresholds', '{"name": "each cap", "meter_key": "calls", "threshold_value": 900, "comparator": "gt", "action_kind": "block", "scope": {"kind": "subscription", "id": "@subscriptions"}}');
SELECT make('devices', '{"name": "Cellar", "serial_number": "s-1", "meter_type": "WATER"}');
SELECT make('events', '{"id": "e1", "source": "s", "type": "call", "subject": "ada", "data": {"n": 12.50, "model": "a"}}');
SELECT make('readings', '{"device_id": @devices, "value": 10, "read_at": "2026-01-01T00:00:00Z"}');
-- what only the engine writes
SELECT meter.ingest(org::uuid, '{"id": "bad", "source": "s", "type": "call", "subject": "ada", "data": {"n": "much"}}') FROM tenants \g /dev/null
INSERT INTO meter.window_result (organization_id, meter_id, window_start, window_end, subject, version, revision, value, delta, event_count, closed_at)
	SELECT organization_id, id, '2026-01-01', '2026-02-01', 'ada', 1, 1, 7, 7, 1, now() FROM meter.meter;
INSERT INTO meter.reprocess_job (organization_id, meter_id, period_from, period_to, open_only, reason, created_by)
	SELECT organization_id, id, '2026-01-01', '2026-02-01', true, 'test', 'test' FROM meter.meter;

-- Who sees what.  Every view there is.
CREATE TABLE views AS SELECT relname::text AS view FROM pg_class WHERE relnamespace = 'meter_api'::regnamespace AND relkind = 'v';
SELECT set_eq('TABLE views', '{customers,devices,domain_events,events,meter_bindings,meter_versions,meters,organizations,outbox_stats,products,quotas,readings,
	rejected_events,stat_progress,subjects,subscription_products,subscriptions,threshold_events,thresholds,window_results}'::text[], 'the views');
SELECT is_empty($$ SELECT oid::regclass FROM pg_class WHERE relnamespace = 'meter_api'::regnamespace
	AND NOT ('security_invoker=true' = ANY (coalesce(reloptions, '{}'))) $$, 'no relation shows rows past their policies');
CREATE FUNCTION count_rows(view text, condition text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
BEGIN
	EXECUTE format('SELECT count(*) FROM meter_api.%I WHERE %s', view, condition) INTO n;
	RETURN n;
END
$$;
SELECT cmp_ok(count_rows(view, format('organization_id = %L', org)), '>', 0::bigint, 'there is something to see in ' || view) FROM views, tenants;
SELECT is(r.body, jsonb_build_array(jsonb_build_object('own', count_rows(view, format('organization_id = %L', org)), 'others', 0)),
		format('a reader sees all of %s that is his organization''s, and no more', view))
	FROM views, tenants, rest_get(view, format('SELECT count(*) FILTER (WHERE organization_id = %1$L) AS own, count(*) FILTER (WHERE organization_id <> %1$L) AS others
		FROM meter_api.%2$I', org, view), claims(org, 'meter_reader')) AS r;
SELECT answers(rest_get(view, format('SELECT * FROM meter_api.%I', view), claims(NULL, 'meter_reader')), '401 ORGANIZATION_REQUIRED',
	'without an organization nobody is let into ' || view) FROM views;
CREATE TABLE seen (view text, n bigint);
GRANT INSERT ON seen TO meter_reader;
GRANT SELECT ON views TO meter_reader;
SET ROLE meter_reader;
INSERT INTO seen SELECT view, count_rows(view, 'true') FROM views;
RESET ROLE;
SELECT is_empty('SELECT * FROM seen WHERE n > 0', 'and there would be nothing to see');

-- What was made comes back as it is read.
CREATE FUNCTION row_of(wanted text) RETURNS jsonb LANGUAGE sql AS $$
	SELECT (response).body -> 0 FROM made WHERE view = wanted AND org = (SELECT min(org) FROM tenants) LIMIT 1
$$;
SELECT is(row_of(view) - ignored, (r.body -> 0) - ignored, format('the answer to POST %s is the row', view))
	FROM unnest('{meters,customers,products,subscriptions,meter_bindings,devices,events,readings}'::text[]) AS v (view),
		-- its first reading came later
		LATERAL (SELECT CASE view WHEN 'devices' THEN '{last_reading_value,last_reading_at,last_reading_quality,updated_at}'::text[] ELSE '{}' END) AS i (ignored),
		rest_get(view, format('SELECT * FROM meter_api.%I', view), claims(:acme)) AS r;
SELECT is(row_of('meters') - '{id,created_at,updated_at}'::text[], '{"organization_id": "00000000-0000-4000-8000-00000000000a", "key": "calls", "name": "Calls", "metric_key": "call",
	"description": null, "function": "sum", "value_field": "n", "unique_by_field": null, "function_options": null, "dimensions": {"model": "$.model"},
	"filter_tree": {"field": "skip", "op": "exists", "value": false}, "dedup_key_path": null, "event_schema": null,
	"window": {"size": "month", "count": 1, "time_zone": "UTC", "anchor": null, "week_start": "monday"}, "late_event_policy": null,
	"negative_allowed": false, "unit_label": null, "unit_currency_field": null, "data_fields": null, "derived_fields": null, "custom_fields": null,
	"profiles": null, "account_mapping": null, "product_id": null, "group_id": null, "workspace_id": null, "status": "active", "version": 1,
	"version_status": "active", "effective_from": "-infinity", "archived_at": null, "archived_reason": null}'::jsonb, 'a meter has its definition as columns');
SELECT is(row_of('events') #>> '{data,n}', '12.50', 'data is what was sent');
SELECT is(row_of('events') -> 'versions', (SELECT jsonb_build_array(version_id) FROM meter.meter_version WHERE organization_id = :acme), 'the event was counted');
SELECT is(row_of('readings') ->> 'status', 'counted', 'so was the reading');
SELECT set_eq($$ SELECT k FROM jsonb_object_keys(meter.complete_definition('{"key": "k", "metric_key": "t", "function": "sum"}')) AS k $$,
	$$ SELECT attname::text FROM pg_attribute WHERE attrelid = 'meter_api.meters'::regclass AND attnum > 0
		AND attname <> ALL ('{organization_id,id,status,version,version_status,effective_from,archived_at,archived_reason,created_at,updated_at}') $$,
	'each key of a definition is a column of meters');
CREATE FUNCTION rows_of(relation text, ignored text[]) RETURNS SETOF jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT to_jsonb(v) - $1 FROM %s AS v', relation) USING ignored;
END
$$;
SELECT bag_eq(format('SELECT rows_of(''meter.%I'', %L)', view, ignored), format('SELECT rows_of(''meter_api.%I'', %L)', view, ignored), format('%s shows what meter.%1$s does', view))
	FROM views, LATERAL (SELECT CASE view WHEN 'subscriptions' THEN '{products,product_ids}'::text[] ELSE '{}' END) AS i (ignored)
	WHERE view IN ('organizations', 'meter_versions', 'customers', 'products', 'subscriptions', 'meter_bindings', 'thresholds', 'devices');

-- Changes.
CREATE FUNCTION change(view text, filter text, body json, expected text, description text, who jsonb DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
	SELECT answers(rest_patch(view, filter, body, coalesce(who, claims(min(org)))), expected, description) FROM tenants
$$;
SELECT change('meters', 'key = ''calls''', '{"name": "All calls", "unit_label": "call", "filter_tree": null}', '200 1', 'PATCH meters');
SELECT is((SELECT (name, unit_label, filter_tree, version, value_field)::text FROM meter_api.meters WHERE organization_id = :acme), '("All calls",call,,2,n)',
	'publishes a version with what changes; what is null gets its default');
SELECT is(count_rows('meter_versions', 'meter_key = ''calls'''), 3::bigint, 'of that tenant''s meter only');
SELECT change('meters', 'key = ''calls''', '{"name": "All calls"}', '200 1', 'PATCH without a change');
SELECT is((SELECT version FROM meter_api.meters WHERE organization_id = :acme), 2, 'makes no version');
SELECT change('meters', 'key = ''calls''', '{"name": "Calls", "version": 1}', '409 VERSION_MISMATCH', 'version is an optimistic lock');
SELECT change('meters', 'key = ''calls''', '{"name": "Calls", "version": 2}', '200 1', 'which the version that is shown opens');
SELECT change('meters', 'key = ''calls''', '{"metric_key": "other"}', '400 IMMUTABLE', 'what cannot change is refused');
SELECT change('meters', 'key = ''calls''', '{"created_at": "2026-01-01T00:00:00Z"}', '400 UNKNOWN_KEY', 'so is what is not the definition''s');
SELECT change('meters', 'key = ''calls''', '{"value_field": "$.["}', '400 INVALID_PATH', 'and what core refuses');
SELECT change('customers', 'customers.id = ''ada''', '{"code": "A-1", "aliases": ["lady"]}', '200 1', 'PATCH customers');
SELECT is((SELECT (code, aliases, name)::text FROM meter_api.customers WHERE organization_id = :acme), '(A-1,{lady},Ada)', 'changes it');
SELECT change('customers', 'customers.id = ''ada''', '{"id": "bob"}', '400 IMMUTABLE', 'but not its id');
SELECT change('subscriptions', 'true', '{"status": "paused", "product_ids": []}', '200 1', 'PATCH subscriptions');
SELECT is((SELECT (status, product_ids)::text FROM meter_api.subscriptions WHERE organization_id = :acme), '(paused,{})', 'changes it');
SELECT change('subscriptions', 'true', '{"customer_id": "bob"}', '400 IMMUTABLE', 'but not whose it is');
SELECT change('meter_bindings', 'true', '{"rollover_eligible": true, "effective_from": "2026-02-01T00:00:00Z"}', '200 1', 'PATCH meter_bindings');
SELECT is((SELECT (rollover_eligible, effective_from = '2026-02-01Z')::text FROM meter_api.meter_bindings WHERE organization_id = :acme), '(t,t)', 'gives it terms from then on');
SELECT change('meter_bindings', 'true', '{"meter_id": "00000000-0000-4000-8000-00000000000a"}', '400 UNKNOWN_KEY', 'but no other meter');
SELECT change('thresholds', 'name = ''ten''', '{"status": "paused"}', '200 1', 'PATCH thresholds pauses');
SELECT is((SELECT status FROM meter_api.thresholds WHERE organization_id = :acme AND name = 'ten'), 'paused', 'it');
SELECT change('thresholds', 'name = ''ten''', '{"status": "active"}', '200 1', 'and resumes it');
SELECT change('thresholds', 'name = ''ten''', '{"status": "gone"}', '400 INVALID_VALUE', 'there is no other status');
SELECT change('thresholds', 'name = ''ten''', '{"status": null}', '400 INVALID_VALUE', 'nor none');
SELECT change('thresholds', 'name = ''ten''', '{"threshold_value": 11}', '400 UNKNOWN_KEY', 'its value stays');
SELECT change('devices', 'true', '{"location": "North", "last_reading_value": 12, "last_reading_at": "2026-01-02T00:00:00Z"}', '200 1', 'PATCH devices');
SELECT is((SELECT (location, last_reading_value)::text FROM meter_api.devices WHERE organization_id = :acme), '(North,12)', 'changes it, and records the reading');
SELECT change('devices', 'true', '{"serial_number": "s-2"}', '400 IMMUTABLE', 'but not its serial number');

-- What is made, or refused.
CREATE FUNCTION post(view text, body text, expected text, who jsonb DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
	SELECT answers(rest_post(view, filled(body, min(org)), coalesce(who, claims(min(org)))), expected, format('POST %s %s', view, body)) FROM tenants
$$;
SELECT post('meters', '{"key": "calls", "metric_key": "call", "function": "count"}', '409 ALREADY_EXISTS');
SELECT post('meters', '{"key": "m2", "metric_key": "call", "function": "sum"}', '400 MISSING_KEY');
SELECT post('meters', '{"key": "m2", "metric_key": "call", "function": "count", "id": "00000000-0000-4000-8000-00000000000a"}', '400 UNKNOWN_KEY');
SELECT post('meters', '{"name": "no key"}', '400 MISSING_KEY');
SELECT post('customers', '{"id": "ada", "name": "Ada"}', '409 ALREADY_EXISTS');
SELECT post('customers', '{"name": "Bob", "aliases": ["lady"]}', '409 SUBJECT_TAKEN');
SELECT post('products', '{"code": "x"}', '400 MISSING_KEY');
SELECT post('subscriptions', '{"customer_id": "nobody"}', '404 NOT_FOUND');
SELECT post('subscriptions', '{"status": "active"}', '400 MISSING_KEY');
SELECT post('meter_bindings', '{"meter_id": "@meters"}', '404 NOT_FOUND');
SELECT post('meter_bindings', '{"product_id": "@products", "meter_id": "@meters"}', '409 DUPLICATE');
SELECT post('thresholds', '{"name": "ten", "meter_key": "calls", "threshold_value": 1}', '409 DUPLICATE');
SELECT post('thresholds', '{"name": "x", "meter_key": "nothing", "threshold_value": 1}', '404 NOT_FOUND');
SELECT post('thresholds', '{"name": "x", "meter_key": "calls", "meter_id": "@meters", "threshold_value": 1}', '400 UNKNOWN_KEY');
SELECT post('devices', '{"name": "x", "serial_number": "s-1", "meter_type": "WATER"}', '409 DUPLICATE');
SELECT post('devices', '{"name": "x", "serial_number": "s-3", "meter_type": "LIGHT"}', '400 INVALID_VALUE');
SELECT post('events', '{"id": "e1", "source": "s", "type": "call", "subject": "ada", "data": {"n": 13, "model": "a"}}', '409 KEY_CONFLICT');
SELECT post('events', '{"id": "e2", "source": "s", "type": "call", "subject": "ada", "data": {"n": "x"}}', '400 INVALID_NUMBER');
SELECT post('events', '{"id": "e2", "source": "s", "type": "call", "seq": 7}', '400 UNKNOWN_KEY');
SELECT post('events', '{"id": "e2", "source": "s", "type": "call", "subject": "ada", "data": {"n": 2000}}', '429 QUOTA_EXCEEDED');
SELECT post('readings', '{"device_id": 0, "value": 1, "read_at": "2026-01-01T00:00:00Z"}', '404 DEVICE_NOT_FOUND');
SELECT post('readings', '{"device_id": @devices, "value": -1, "read_at": "2026-01-01T00:00:00Z"}', '400 INVALID_QUANTITY');
SELECT post('readings', '{"device_id": @devices, "value": 1, "read_at": "2026-01-01T00:00:00Z", "status": "counted"}', '400 UNKNOWN_KEY');
SELECT post('products', '[{"name": "A", "code": "a"}, {"name": "B", "code": "gold"}]', '409 ALREADY_EXISTS');
SELECT is(count_rows('products', 'code = ''a'''), 0::bigint, 'a refused row undoes the others');
SELECT post('products', '[{"name": "A", "code": "a"}, {"name": "B", "code": "b"}]', '200 2');
SELECT post('events', '{"id": "e1", "source": "s", "type": "call", "subject": "ada", "data": {"n": 12.5, "model": "a"}}', '200 1');
SELECT is((SELECT sum(value) FROM meter.usage(:acme, 'calls', now() - interval '1 day', now() + interval '1 day')), 12.5, 'an event that is sent again counts once');
SELECT post('events', '{"id": "e3", "source": "s", "meter_id": "@meters", "time": "2026-01-01T00:00:00Z", "subject": "ada", "data": {"n": 1}}', '200 1');
SELECT is((SELECT (type, meter_id = (row_of('meters') ->> 'id')::uuid)::text FROM meter_api.events WHERE organization_id = :acme AND id = 'e3'), '(call,t)', 'an event may name its meter');
SELECT post('readings', '{"device_id": @devices, "value": 3, "read_at": "2026-01-01T12:00:00Z"}', '200 1');
SELECT is((SELECT status FROM meter_api.readings WHERE organization_id = :acme AND value = 3), 'suspect', 'a reading that contradicts others is kept, and says so');

-- Whose it is, who he is, and what his scopes are.
SELECT post('meters', '{"organization_id": "00000000-0000-4000-8000-00000000000b", "key": "k", "metric_key": "t", "function": "count"}', '403 FOREIGN_ORGANIZATION');
SELECT post('events', '{"organization_id": "00000000-0000-4000-8000-00000000000b", "id": "e9", "source": "s", "type": "t"}', '403 FOREIGN_ORGANIZATION');
SELECT post('products', '{"organization_id": "00000000-0000-4000-8000-00000000000a", "name": "Own"}', '200 1');
SELECT post('products', '{"organization_id": "00000000-0000-4000-8000-00000000000a", "name": "Trusted"}', '200 1', claims(NULL, 'meter_backend'));
SELECT post('products', '{"name": "Whose?"}', '401 ORGANIZATION_REQUIRED', claims(NULL, 'meter_backend'));
CREATE TABLE patches (view, patch) AS VALUES
	('meters', '{"name": "x"}'), ('customers', '{"name": "x"}'), ('subscriptions', '{"status": "active"}'), ('meter_bindings', '{"prorated": true}'),
	('thresholds', '{"status": "paused"}'), ('devices', '{"name": "x"}');
SELECT change(view, 'true', '{"organization_id": "00000000-0000-4000-8000-00000000000b"}', '400 UNKNOWN_KEY', view || ' stay with their organization') FROM patches;
CREATE TABLE before AS SELECT view, count_rows(view, format('organization_id = %L', :bolt)) AS n FROM views;
SELECT change(view, format('organization_id = %L', :bolt), patch::json, '200 0', 'PATCH reaches no ' || view || ' of another organization') FROM patches;
SELECT answers(rest_delete(view, format('organization_id = %L', :bolt), claims(:acme)), '200 0', 'nor does DELETE') FROM patches WHERE view <> 'subscriptions';
SELECT is_empty('SELECT view FROM before WHERE count_rows(view, ''organization_id = ''''00000000-0000-4000-8000-00000000000b'''''') <> n', 'it has what it had');
SELECT change(view, 'true', patch::json, '403 42501', 'a reader changes no ' || view, claims(:acme, 'meter_reader')) FROM patches;
SELECT answers(rest_post(view, '{"organization_id": "00000000-0000-4000-8000-00000000000a"}', claims(:acme, 'meter_reader')), '403 42501', 'a reader makes no ' || view) FROM views;
SELECT answers(rest_delete(view, 'true', claims(:acme, 'meter_reader')), '403 42501', 'a reader deletes no ' || view) FROM views;
SELECT change(view, 'true', patch::json, '403 INSUFFICIENT_SCOPE', 'the scope meter-report changes no ' || view, claims(:acme, 'meter_writer', 'read meter-report')) FROM patches;
SELECT change(view, 'true', patch::json, CASE view WHEN 'thresholds' THEN '200 4' ELSE '200 1' END, 'the scope admin does', claims(:acme, 'meter_writer', 'admin')) FROM patches;
SELECT post('products', '{"name": "x"}', '403 INSUFFICIENT_SCOPE', claims(:acme, 'meter_writer', 'meter-report'));
SELECT post('events', '{"id": "e5", "source": "s", "type": "call", "subject": "bob", "data": {"n": 1}}', '200 1', claims(:acme, 'meter_writer', 'meter-report'));
SELECT post('events', '{"id": "e6", "source": "s", "type": "call", "subject": "bob", "data": {"n": 1}}', '403 INSUFFICIENT_SCOPE', claims(:acme, 'meter_writer', 'read'));
SELECT post('readings', '{"device_id": @devices, "value": 20, "read_at": "2026-01-05T00:00:00Z"}', '403 INSUFFICIENT_SCOPE', claims(:acme, 'meter_writer', 'read'));

-- What is written by the engine only, or not in that way.
CREATE TABLE writes (operation, statement) AS VALUES ('INSERT', 'INSERT INTO meter_api.%I (organization_id) VALUES (NULL)'),
	('UPDATE', 'UPDATE meter_api.%I SET organization_id = organization_id'), ('DELETE', 'DELETE FROM meter_api.%I');
CREATE TABLE writable AS SELECT view, unnest(operations::text[]) AS operation FROM (VALUES
	('meters', '{INSERT,UPDATE,DELETE}'), ('customers', '{INSERT,UPDATE,DELETE}'), ('products', '{INSERT}'), ('subscriptions', '{INSERT,UPDATE}'),
	('meter_bindings', '{INSERT,UPDATE,DELETE}'), ('thresholds', '{INSERT,UPDATE,DELETE}'), ('devices', '{INSERT,UPDATE,DELETE}'), ('events', '{INSERT}'), ('readings', '{INSERT}')) AS w (view, operations);
CREATE TABLE unwritable AS SELECT view, operation, format(statement, view) AS statement FROM views CROSS JOIN writes EXCEPT SELECT w.view, w.operation, format(statement, w.view) FROM writable AS w JOIN writes USING (operation);
SELECT answers(http_statement('POST', '/rest/' || view, format('WITH pgrst_source AS (%s RETURNING *) SELECT to_jsonb(count(*)) FROM pgrst_source', statement), claims(:acme)), '403 42501',
	format('%s of %s is for nobody', operation, view)) FROM unwritable;
SELECT throws_ok(statement, 'PGRST', NULL, format('nor for the owner: %s of %s', operation, view)) FROM unwritable;
SELECT set_eq('SELECT table_name::text, privilege_type::text FROM information_schema.role_table_grants WHERE table_schema = ''meter_api'' AND grantee = ''meter_writer'' AND privilege_type <> ''SELECT''',
	'TABLE writable', 'a writer may write what can be written');
SELECT set_eq('SELECT privilege_type::text FROM information_schema.role_table_grants WHERE table_schema = ''meter_api'' AND grantee = ''meter_reader''', '{SELECT}'::text[], 'a reader reads');

-- Relationships, as PostgREST finds them: all columns of a foreign key, straight
-- from the table, in a view of each side; or a function of a row.
CREATE TABLE straight AS	-- columns of the outermost query
	SELECT t.view, a.attname, (regexp_match(t.token, 'origtbl (\d+)'))[1]::oid AS tbl, (regexp_match(t.token, 'origcol (\d+)'))[1]::smallint AS col
	FROM (SELECT c.oid, c.relname::text AS view, m.token[1] AS token,
			sum(CASE m.token[1] WHEN '{' THEN 1 WHEN '}' THEN -1 ELSE 0 END) OVER (PARTITION BY c.oid ORDER BY m.place) AS depth
		FROM pg_rewrite AS r JOIN pg_class AS c ON c.oid = r.ev_class AND c.relnamespace = 'meter_api'::regnamespace,
			regexp_matches(r.ev_action::text, '(?<!\\)([{}]|:resno \d+ :resname \S+ :ressortgroupref \d+ :resorigtbl \d+ :resorigcol \d+)', 'g')
				WITH ORDINALITY AS m (token, place)) AS t
	JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = (regexp_match(t.token, ':resno (\d+)'))[1]::int
	WHERE t.depth = 2 AND t.token LIKE ':resno%';
CREATE VIEW key_columns AS
	SELECT k.oid, k.conname, k.contype, s.view, k.side, array_agg(s.attname ORDER BY k.place) AS columns
	FROM (SELECT c.oid, c.conname, c.contype, s.side, s.relation, u.col, u.place, cardinality(s.key) AS n
		FROM pg_constraint AS c, LATERAL (VALUES ('from', c.conrelid, c.conkey), ('to', c.confrelid, c.confkey)) AS s (side, relation, key),
			unnest(s.key) WITH ORDINALITY AS u (col, place)
		WHERE c.contype IN ('p', 'f')) AS k
	JOIN straight AS s ON s.tbl = k.relation AND s.col = k.col
	GROUP BY k.oid, k.conname, k.contype, s.view, k.side, k.n HAVING count(*) = k.n;
CREATE VIEW relationships AS
	WITH found AS (
		SELECT f.oid, f.view AS source, t.view AS target, f.columns FROM key_columns AS f JOIN key_columns AS t ON t.oid = f.oid AND t.side = 'to'
		WHERE f.contype = 'f' AND f.side = 'from')
	SELECT source, target, 'one' AS kind FROM found
	UNION ALL
	SELECT target, source, 'many' FROM found
	UNION ALL
	SELECT a.target, b.target, 'through ' || a.source FROM found AS a JOIN found AS b ON b.source = a.source AND b.oid <> a.oid
	JOIN key_columns AS p ON p.view = a.source AND p.contype = 'p' AND p.columns @> (a.columns || b.columns)
	UNION ALL
	SELECT s.relname, p.proname, CASE p.prorows WHEN 1 THEN 'one' ELSE 'many' END || ' by function' FROM pg_proc AS p JOIN pg_class AS s ON s.reltype = p.proargtypes[0]
	WHERE p.pronamespace = 'meter_api'::regnamespace AND p.pronargs = 1;
SELECT is_empty('SELECT source, target FROM relationships GROUP BY 1, 2 HAVING count(*) > 1', 'nobody has to say which relationship he means');
SELECT set_eq('TABLE relationships', $$ VALUES
	('customers', 'organizations', 'one'), ('devices', 'organizations', 'one'), ('meters', 'organizations', 'one'), ('products', 'organizations', 'one'),
	('organizations', 'customers', 'many'), ('organizations', 'devices', 'many'), ('organizations', 'meters', 'many'), ('organizations', 'products', 'many'),
	('meters', 'meter_versions', 'many'), ('meters', 'meter_bindings', 'many'), ('meters', 'thresholds', 'many'),
	('meter_versions', 'meters', 'one'), ('meter_bindings', 'meters', 'one'), ('thresholds', 'meters', 'one'),
	('products', 'meter_bindings', 'many'), ('meter_bindings', 'products', 'one'),
	('customers', 'subjects', 'many'), ('subjects', 'customers', 'one'), ('customers', 'subscriptions', 'many'), ('subscriptions', 'customers', 'one'),
	('subscriptions', 'subscription_products', 'many'), ('subscription_products', 'subscriptions', 'one'),
	('products', 'subscription_products', 'many'), ('subscription_products', 'products', 'one'),
	('products', 'subscriptions', 'through subscription_products'), ('subscriptions', 'products', 'through subscription_products'),
	('devices', 'readings', 'many by function'), ('readings', 'devices', 'one by function'),
	('meters', 'rejected_events', 'many by function'), ('rejected_events', 'meters', 'one by function'),
	('meters', 'window_results', 'many by function'), ('window_results', 'meters', 'one by function'),
	('meters', 'threshold_events', 'many by function'), ('threshold_events', 'meters', 'one by function'),
	('meters', 'quotas', 'many by function'), ('quotas', 'meters', 'one by function'),
	('thresholds', 'threshold_events', 'many by function'), ('threshold_events', 'thresholds', 'one by function'),
	('thresholds', 'quotas', 'many by function'), ('quotas', 'thresholds', 'one by function'),
	('subscriptions', 'threshold_events', 'many by function'), ('threshold_events', 'subscriptions', 'one by function'),
	('subscriptions', 'quotas', 'many by function'), ('quotas', 'subscriptions', 'one by function') $$, 'the relationships');
SELECT is_empty($$ SELECT source, target FROM relationships JOIN pg_attribute ON attrelid = format('meter_api.%I', source)::regclass AND attname = target $$,
	'no column is in the way of a relationship');

-- A relationship by function is a join to the planner, and lets nothing else in.
CREATE FUNCTION embedded(source text, target text, who jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT r.body FROM rest_get(source, format('SELECT %1$I.organization_id AS of, coalesce(%2$s.%2$s, ''[]'') AS embedded FROM meter_api.%1$I
		LEFT JOIN LATERAL (SELECT json_agg(%2$s)::jsonb AS %2$s FROM (SELECT %3$s.organization_id AS is FROM meter_api.%3$I(%1$I::meter_api.%1$I) AS %3$s) AS %2$s) AS %2$s ON TRUE',
		source, 'embedded_1', target), who) AS r
$$;
SELECT change('thresholds', 'true', '{"status": "active"}', '200 4', 'quotas are of thresholds in force');
SELECT ok(r.embedded @? '$[*].embedded[*]' AND NOT r.embedded @? '$[*].embedded[*] ? (@.is != "00000000-0000-4000-8000-00000000000a")', format('%s embed their %s', r.source, r.target))
	FROM (SELECT source, target, embedded(source, target, claims(:acme, 'meter_reader')) FROM relationships WHERE kind LIKE '% by function') AS r (source, target, embedded);
SELECT is((SELECT count(*) FROM relationships WHERE kind LIKE '% by function'), 18::bigint, 'all of them');

-- Ends.
SELECT answers(rest_delete('meters', 'key = ''calls''', claims(:acme)), '409 IN_USE', 'DELETE of a meter that is used is refused');
SELECT answers(rest_delete('customers', 'customers.id = ''ada''', claims(:acme)), '409 IN_USE', 'so is one of a customer with subscriptions');
SELECT answers(rest_delete('thresholds', 'true', claims(:acme)), '200 4', 'DELETE thresholds');
SELECT answers(rest_delete('meter_bindings', 'true', claims(:acme)), '200 1', 'DELETE meter_bindings');
SELECT answers(rest_delete('devices', 'true', claims(:acme)), '200 1', 'DELETE devices');
SELECT post('meters', '{"key": "idle", "metric_key": "none", "function": "count"}', '200 1');
SELECT answers(rest_delete('meters', 'key = ''idle''', claims(:acme)), '200 1', 'DELETE meters');
SELECT post('customers', '{"id": "bob", "name": "Bob"}', '200 1');
SELECT answers(rest_delete('customers', 'customers.id = ''bob''', claims(:acme)), '200 1', 'DELETE customers');
SELECT is_empty($$ SELECT view FROM unnest('{thresholds,meter_bindings,devices}'::text[]) AS view
	WHERE count_rows(view, 'organization_id = ''00000000-0000-4000-8000-00000000000a''') > 0 $$, 'what was deleted is gone');
SELECT is_empty($$ SELECT FROM meter_api.meters WHERE key = 'idle' UNION ALL SELECT FROM meter_api.customers WHERE id = 'bob' $$, 'all of it');
SELECT is_empty('SELECT view FROM before WHERE count_rows(view, ''organization_id = ''''00000000-0000-4000-8000-00000000000b'''''') <> n', 'but nothing of the other organization');

-- A list of the newest goes by the index, whatever the policies ask.
INSERT INTO meter.meter (organization_id, key, metric_key, created_at)
	SELECT :acme, 'list ' || n, 'none', now() - n * interval '1 minute' FROM generate_series(1, 5000) AS n;
ANALYZE meter.meter;
CREATE FUNCTION plan_of(statement text, who jsonb) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('request.jwt.claims', who::text, true), set_config('role', who ->> 'role', true);
	RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || statement;
	PERFORM set_config('request.jwt.claims', '', true), set_config('role', 'none', true);
END
$$;
CREATE TABLE plans AS SELECT plan_of('SELECT key, name FROM meter_api.meters ORDER BY created_at DESC LIMIT 50', claims(:acme, 'meter_reader')) AS line;
SELECT isnt_empty('SELECT FROM plans WHERE line ~ ''meter_created_at_idx''', 'the newest meters are found by their index');
SELECT is_empty('SELECT line FROM plans WHERE line ~ ''Sort Key: m\.created_at''', 'and not sorted');

SELECT * FROM finish();
ROLLBACK;
