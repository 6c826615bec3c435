-- Profiles, account mapping.
\set VERBOSITY terse
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
DO $$ BEGIN PERFORM meter.create_store(); END $$;
SELECT meter.create_organization('profiles', '00000000-0000-0000-0000-00000000fe03');
\set org '''00000000-0000-0000-0000-00000000fe03'''

CREATE FUNCTION pg_temp.refusal(keys jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM meter.create_meter('00000000-0000-0000-0000-00000000fe03',
		'{"key": "k", "metric_key": "t", "function": "count"}'::jsonb || keys);
	RAISE 'accepted';
EXCEPTION WHEN OTHERS THEN
	DECLARE
		detail text;
	BEGIN
		GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
		RETURN CASE WHEN SQLERRM = 'accepted' THEN SQLERRM ELSE
			concat_ws(' | ', SQLSTATE, regexp_replace(SQLERRM, '^invalid meter definition: ', ''), NULLIF(detail, '')) END;
	END;
END
$$;
CREATE FUNCTION pg_temp.profile(more jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('profiles', jsonb_build_array(
		'{"code": "p", "aggregation_method": "sum", "aggregation_property": "n"}'::jsonb || more))
$$;

--
-- Refusals
--
SELECT p AS profile, pg_temp.refusal(pg_temp.profile(p::jsonb)) FROM unnest(ARRAY[
	'{}', '{"code": null}', '{"code": ""}', '{"aggregation_method": null}', '{"aggregation_method": "mean"}', '{"aggregation_method": "count"}',
	'{"aggregation_property": null}', '{"aggregation_property": "$["}', '{"aggregation_method": "count", "aggregation_property": null}',
	'{"aggregation_method": "unique_count"}', '{"aggregation_method": "unique_count", "aggregation_property": null}',
	'{"aggregation_method": "percentile"}', '{"aggregation_method": "percentile", "function_options": {"percentile": 0.5}}',
	'{"aggregation_method": "custom", "function_options": {"expression": "n * 2"}}',
	'{"aggregation_method": "custom", "aggregation_property": null, "function_options": {"expression": "n * 2"}}',
	'{"aggregation_time_window": "hour"}', '{"aggregation_time_window": "decade"}', '{"aggregation_time_window": 5}',
	'{"aggregation_time_window": {"size": "day", "time_zone": "Europe/Berlin"}}', '{"aggregation_time_window": {"size": "day", "zone": "UTC"}}',
	'{"recurring": true}', '{"recurring": "yes"}', '{"id": "prf_1", "name": "Name"}', '{"id": 5}', '{"colour": "red"}',
	'{"filters": null}', '{"filters": []}', '{"filters": {}}', '{"filters": [5]}', '{"filters": [{"property": "a", "operator": "eq"}]}',
	'{"filters": [{"property": "a", "operator": "eq", "value": ["x"]}, {"property": "a", "operator": "is", "value": ["x"]}]}',
	'{"filters": [{"property": "a", "operator": "eq", "value": "x"}]}', '{"filters": [{"property": "a", "operator": "eq", "value": []}]}',
	'{"filters": [{"property": "a", "operator": "eq", "value": ["x", "y"]}]}', '{"filters": [{"property": "a", "operator": "in", "value": ["x", "y"]}]}',
	'{"filters": [{"property": "a", "operator": "in", "value": []}]}', '{"filters": [{"property": "$[", "operator": "in", "value": ["x"]}]}',
	'{"filters": [{"property": 5, "operator": "in", "value": ["x"]}]}', '{"filters": [{"property": "a", "operator": "matches", "value": ["("]}]}',
	'{"filters": [{"property": "a", "operator": "exists", "value": [true]}]}', '{"filters": [{"property": "a", "operator": "exists", "value": ["x"]}]}',
	'{"filters": [{"property": "a", "operator": "eq", "value": ["x"], "case": true}]}']) AS p;
SELECT pg_temp.refusal('{"profiles": [{"code": "a", "aggregation_method": "count"}, {"code": "b", "aggregation_method": "count"}, {"code": "a", "aggregation_method": "count"}]}');
SELECT n, pg_temp.refusal(jsonb_build_object('profiles', (SELECT jsonb_agg(jsonb_build_object('code', 'p' || i, 'aggregation_method', 'count'))
	FROM generate_series(1, n) AS i))) FROM unnest(ARRAY[32, 33]) AS n;
SELECT pg_temp.refusal(p::jsonb) FROM unnest(ARRAY['{"profiles": null}', '{"profiles": []}', '{"profiles": {}}', '{"profiles": [5]}']) AS p;
SELECT a AS account_mapping, pg_temp.refusal(jsonb_build_object('account_mapping', a::jsonb)) FROM unnest(ARRAY[
	'null', '{}', '{"type": "id"}', '{"event_property": "a"}', '{"type": "name", "event_property": "a"}', '{"type": 1, "event_property": "a"}',
	'{"type": "id", "event_property": "$["}', '{"type": "id", "event_property": "a", "more": 1}', '"a"',
	'{"type": "id", "event_property": "a"}', '{"type": "code", "event_property": "$.a.b"}', '{"type": "alias", "event_property": "a"}']) AS a;

--
-- One pass feeds all of them
--
SELECT p -> 'code' AS code, (p ->> 'id') ~ '^prf_1$|^[0-9a-f-]{36}$' AS id, p - '{code,id}'::text[] AS profile FROM meter.create_meter(:org, '{"key": "api", "metric_key": "call", "function": "sum", "value_field": "n",
	"dimensions": {"model": "model"}, "filter_tree": {"field": "test", "op": "neq", "value": true},
	"profiles": [
		{"id": "prf_1", "name": "Calls", "code": "calls", "aggregation_method": "count"},
		{"name": "Largest in the EU", "code": "largest", "aggregation_property": "n", "aggregation_method": "max", "aggregation_time_window": "day",
			"filters": [{"property": "region", "operator": "in", "value": ["eu", "uk"]}, {"property": "n", "operator": "lt", "value": [100]}]},
		{"name": "Users", "code": "users", "aggregation_property": "user", "aggregation_method": "unique_count"},
		{"code": "median", "aggregation_property": "n", "aggregation_method": "percentile", "function_options": {"percentile": 0.5},
			"filters": [{"property": "region", "operator": "exists", "value": [true]}]}]}') AS m,
	LATERAL jsonb_array_elements(m -> 'profiles') AS p;
-- a profile keeps its id by its code
CREATE TEMP TABLE before AS SELECT p ->> 'code' AS code, p ->> 'id' AS id FROM meter.meters AS m, LATERAL jsonb_array_elements(m.document -> 'profiles') AS p
	WHERE m.organization_id = :org AND m.key = 'api';
SELECT ordinal, status, code, message FROM meter.ingest(:org, '[
	{"id": "1", "type": "call", "subject": "ada", "time": "2025-01-01T00:01:00Z", "data": {"n": 1, "user": "u1", "region": "eu", "model": "a"}},
	{"id": "2", "type": "call", "subject": "ada", "time": "2025-01-01T00:02:00Z", "data": {"n": 20, "user": "u2", "region": "us", "model": "a"}},
	{"id": "3", "type": "call", "subject": "ada", "time": "2025-01-01T00:20:00Z", "data": {"n": 30, "user": "u1", "region": "uk", "model": "b"}},
	{"id": "4", "type": "call", "subject": "bob", "time": "2025-01-02T00:00:00Z", "data": {"n": 400, "user": "u3", "region": "eu", "model": "b"}},
	{"id": "5", "type": "call", "subject": "bob", "time": "2025-01-02T00:00:00Z", "data": {"n": 5, "user": "u3", "test": true, "model": "a"}},
	{"id": "6", "type": "call", "subject": "bob", "time": "2025-01-02T00:00:00Z", "data": {"n": 6, "model": "a"}}]');
SELECT code, pointer, message FROM meter.rejected_events WHERE organization_id = :org;
SELECT profile, value, event_count FROM unnest(ARRAY[NULL, 'calls', 'largest', 'users', 'median']) AS profile,
	LATERAL meter.usage(:org, 'api', '2025-01-01', '2025-02-01', profile => profile);
SELECT profile, dimensions, value, event_count FROM unnest(ARRAY[NULL, 'calls', 'largest', 'users', 'median']) AS profile,
	LATERAL meter.usage(:org, 'api', '2025-01-01', '2025-02-01', profile => profile, group_by => '{model}');
-- from raw events
SELECT profile, subject, value, event_count FROM unnest(ARRAY[NULL, 'calls', 'largest', 'users', 'median']) AS profile,
	LATERAL meter.usage(:org, 'api', '2025-01-01 00:01:30', '2025-01-02 00:00:00.000001', profile => profile, group_by => '{subject}');
-- the events behind a profile's number
SELECT profile, string_agg(id, ' ' ORDER BY seq) AS ids, sum(value) FROM unnest(ARRAY[NULL, 'calls', 'largest']) AS profile,
	LATERAL meter.explain_usage(:org, 'api', '2025-01-01', '2025-02-01', profile => profile) GROUP BY 1 ORDER BY 1;
SELECT value FROM meter.usage(:org, 'api', '2025-01-01', '2025-02-01', profile => 'nothing');
SELECT id FROM meter.explain_usage(:org, 'api', '2025-01-01', '2025-02-01', profile => 'nothing');
\set VERBOSITY default
\set SHOW_CONTEXT never
SELECT value FROM meter.usage(:org, 'api', '2025-01-01', '2025-02-01', profile => 'nothing');
\set VERBOSITY terse

SELECT p ->> 'code' AS code, p ->> 'id' = b.id AS same_id
	FROM meter.update_meter(:org, 'api', jsonb_build_object('profiles', '[{"code": "late", "aggregation_method": "count"}]'::jsonb ||
		(SELECT jsonb_agg(p - 'id') FROM meter.meters AS m, LATERAL jsonb_array_elements(m.document -> 'profiles') AS p
			WHERE m.organization_id = :org AND m.key = 'api'))) AS m, LATERAL jsonb_array_elements(m -> 'profiles') AS p
	LEFT JOIN before AS b ON b.code = p ->> 'code' ORDER BY 1;
-- a version without the profile contributes nothing
SELECT m ->> 'version' AS version FROM meter.update_meter(:org, 'api', '{"profiles": [{"code": "new", "aggregation_method": "count"}]}') AS m;
SELECT ordinal, status FROM meter.ingest(:org, '[{"id": "7", "type": "call", "subject": "ada", "data": {"n": 7}}]');
SELECT profile, version, value, event_count FROM unnest(ARRAY[NULL, 'calls', 'new']) AS profile,
	LATERAL meter.usage(:org, 'api', '2025-01-01', '2100-01-01', profile => profile);

--
-- Account mapping
--
SELECT m ->> 'key' AS meter FROM unnest(ARRAY[
	'{"key": "mapped", "metric_key": "pay", "function": "sum", "value_field": "n", "account_mapping": {"type": "id", "event_property": "account.id"}}',
	'{"key": "enveloped", "metric_key": "pay", "function": "sum", "value_field": "n"}']) AS d, LATERAL meter.create_meter(:org, d::jsonb) AS m;
SELECT ordinal, status, code, message FROM meter.ingest(:org, '[
	{"id": "1", "type": "pay", "subject": "envelope", "time": "2025-01-01T00:01:00Z", "data": {"n": 1, "account": {"id": "acc"}}},
	{"id": "2", "type": "pay", "subject": "envelope", "time": "2025-01-01T00:02:00Z", "data": {"n": 2, "account": {"id": 17.0}}},
	{"id": "3", "type": "pay", "time": "2025-01-01T00:20:00Z", "data": {"n": 4, "account": {"id": "acc"}}},
	{"id": "4", "type": "pay", "subject": "envelope", "time": "2025-01-01T00:02:00Z", "data": {"n": 8}},
	{"id": "5", "type": "pay", "subject": "envelope", "time": "2025-01-01T00:02:00Z", "data": {"n": 16, "account": {"id": null}}},
	{"id": "6", "type": "pay", "subject": "envelope", "time": "2025-01-01T00:02:00Z", "data": {"n": 32, "account": {"id": true}}},
	{"id": "7", "type": "pay", "subject": "envelope", "time": "2025-01-01T00:02:00Z", "data": {"n": 64, "account": {"id": ""}}}]');
SELECT code, pointer, message FROM meter.rejected_events WHERE organization_id = :org ORDER BY id;
SELECT meter, subject, value FROM unnest(ARRAY['mapped', 'enveloped']) AS meter,
	LATERAL meter.usage(:org, meter, '2025-01-01', '2025-02-01', group_by => '{subject}');
SELECT meter, "from", subject, value FROM unnest(ARRAY['mapped', 'enveloped']) AS meter,
	unnest(ARRAY['2025-01-01 00:00', '2025-01-01 00:01:30']::timestamptz[]) AS "from",
	unnest(ARRAY['acc', '17', 'envelope']) AS s,
	LATERAL meter.usage(:org, meter, "from", '2025-01-01 00:20:01', s);
SELECT id, subject, value FROM meter.explain_usage(:org, 'mapped', '2025-01-01', '2025-02-01', 'acc');

--
-- Reports to meters that calculate or map
--
SELECT m ->> 'key' AS meter FROM unnest(ARRAY[
	'{"key": "priced", "metric_key": "r1", "function": "custom", "function_options": {"expression": "value * price"}, "account_mapping": {"type": "id", "event_property": "account"}}',
	'{"key": "doubled", "metric_key": "r2", "function": "sum", "value_field": "twice", "data_fields": [{"category": "MEASURE", "code": "value", "name": "Value"}],
		"derived_fields": [{"category": "MEASURE", "code": "twice", "name": "Twice", "calculation": "value * 2"}]}',
	'{"key": "closed", "metric_key": "r3", "function": "sum", "value_field": "twice", "data_fields": [{"category": "MEASURE", "code": "n", "name": "N"}],
		"derived_fields": [{"category": "MEASURE", "code": "twice", "name": "Twice", "calculation": "n * 2"}]}']) AS d, LATERAL meter.create_meter(:org, d::jsonb) AS m;
SELECT meter.report_usage(:org, '{"meterId": "priced", "value": 3, "customerId": "cus", "timestamp": "2025-01-01T00:00:00Z", "metadata": {"price": 1.5}}', 'k1') ->> 'status' AS priced;
SELECT meter.report_usage(:org, '{"meterId": "priced", "value": 3, "customerId": "cus", "timestamp": "2025-01-01T00:00:00Z", "metadata": {"price": 1.5, "account": "other"}}', 'k2') ->> 'status' AS priced;
SELECT meter.report_usage(:org, '{"meterId": "doubled", "value": 3, "customerId": "cus", "timestamp": "2025-01-01T00:00:00Z"}', 'k3') ->> 'status' AS doubled;
SELECT meter.report_usage(:org, '{"meterId": "closed", "value": 3, "customerId": "cus", "timestamp": "2025-01-01T00:00:00Z", "metadata": {"n": 1}}', 'k4') ->> 'status' AS closed;
SELECT meter, subject, value FROM unnest(ARRAY['priced', 'doubled']) AS meter,
	LATERAL meter.usage(:org, meter, '2025-01-01', '2025-02-01', group_by => '{subject}');
