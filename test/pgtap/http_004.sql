-- The dialect of seed 004 over HTTP: /v1/meters[/{id}].
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS meter;
DO $$ BEGIN PERFORM meter.create_store(); END $$;
\ir ../lib/http.sql
SELECT plan(253);

\set a 00000000-0000-0000-0000-00000000000a
DO $$ BEGIN
	PERFORM meter.create_organization('a', '00000000-0000-0000-0000-00000000000a');
	PERFORM meter.create_organization('b', '00000000-0000-0000-0000-00000000000b');
END $$;

-- Claims of a role, for an organization, with whatever else.
CREATE FUNCTION claims(org text, role text DEFAULT 'meter_writer', more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_strip_nulls(jsonb_build_object('role', role, 'organization_id',
		CASE WHEN org = 'x' THEN org ELSE lpad(org, 36, '00000000-0000-0000-0000-000000000000') END) || more)
$$;
-- One request of seed 004: the method tells the function.
CREATE FUNCTION ask(method text, path text, body text DEFAULT NULL, claims jsonb DEFAULT claims('a')) RETURNS jsonb LANGUAGE sql AS $$
	SELECT to_jsonb(r) FROM http(CASE WHEN method = 'LIST' THEN 'GET' ELSE method END, '/v1/meters' || path,
		CASE method WHEN 'POST' THEN 'create_profiled_meter' WHEN 'LIST' THEN 'list_profiled_meters' WHEN 'GET' THEN 'get_profiled_meter'
			WHEN 'PUT' THEN 'update_profiled_meter' END, body, claims) r
$$;
CREATE FUNCTION keys(document jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(k, ' ' ORDER BY k) FROM jsonb_object_keys(document) k
$$;
-- What a refusal says: status, code, details.
CREATE FUNCTION refusal(answer jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', answer ->> 'status', answer #>> '{body,code}', answer #>> '{body,details}')
$$;
-- All there is of meters.
CREATE FUNCTION everything() RETURNS text LANGUAGE sql AS $$
	SELECT md5((SELECT jsonb_agg(to_jsonb(m) ORDER BY m.id)::text FROM meter.meter m) || (SELECT jsonb_agg(to_jsonb(v) ORDER BY v.id)::text FROM meter.meter_version v)
		|| (SELECT count(*) FROM meter.domain_event_outbox))
$$;
CREATE TABLE kept (name text PRIMARY KEY, answer jsonb);
CREATE FUNCTION id_of(name text) RETURNS text LANGUAGE sql AS $$ SELECT answer #>> '{body,meter,id}' FROM kept WHERE kept.name = $1 $$;
-- January, by profile (null: without one).
CREATE FUNCTION used(meter text, profile text) RETURNS numeric LANGUAGE sql AS $$
	SELECT sum(u.value) FROM meter.usage('00000000-0000-0000-0000-00000000000a', meter, '2026-01-01Z', '2026-02-01Z', profile => profile) u
$$;

--
-- Create
--
INSERT INTO kept SELECT 'full', ask('POST', '', '{"name": "API calls", "code": "api_calls", "event": "api.call", "description": "Calls of the API",
	"account_mapping": {"type": "id", "event_property": "account"},
	"profiles": [
		{"id": "p-1", "name": "Tokens", "code": "tokens", "recurring": false, "aggregation_property": "tokens", "aggregation_method": "sum", "aggregation_time_window": "hour",
			"filters": [{"property": "region", "operator": "in", "value": ["eu", "us"]}]},
		{"name": "Seats", "code": "seats", "recurring": true, "aggregation_property": "user", "aggregation_method": "unique_count", "aggregation_time_window": "day"},
		{"code": "calls", "aggregation_method": "count"}]}');
SELECT is(answer -> 'status', '201', 'POST: 201') FROM kept WHERE name = 'full';
SELECT is(keys(answer -> 'body'), 'meter', 'with a meter') FROM kept WHERE name = 'full';
SELECT is(keys(answer #> '{body,meter}'), 'account_mapping code created_at default_profile description event id name object profiles status', 'of exactly the seed''s members')
	FROM kept WHERE name = 'full';
SELECT is(keys(p), 'aggregation_method aggregation_property aggregation_time_window code filters id name recurring', 'so has each of its profiles')
	FROM kept, jsonb_array_elements((answer #> '{body,meter,profiles}') || (answer #> '{body,meter,default_profile}')) p WHERE name = 'full';
SELECT is((answer #> '{body,meter}') - '{id,created_at,profiles,default_profile}'::text[], '{"object": "meter", "status": "active", "name": "API calls", "code": "api_calls",
	"event": "api.call", "description": "Calls of the API", "account_mapping": {"type": "id", "event_property": "account"}}', 'what was given') FROM kept WHERE name = 'full';
SELECT is(answer #> '{body,meter,profiles,0}', '{"id": "p-1", "name": "Tokens", "code": "tokens", "recurring": false, "aggregation_property": "tokens", "aggregation_method": "sum",
	"aggregation_time_window": "hour", "filters": [{"property": "region", "operator": "in", "value": ["eu", "us"]}]}', 'a profile as it was given, with its id') FROM kept WHERE name = 'full';
SELECT is((answer #> '{body,meter,profiles,1}') - 'id', '{"name": "Seats", "code": "seats", "recurring": true, "aggregation_property": "user", "aggregation_method": "unique_count",
	"aggregation_time_window": "day", "filters": []}', 'one without filters') FROM kept WHERE name = 'full';
SELECT is((answer #> '{body,meter,profiles,2}') - 'id', '{"name": null, "code": "calls", "recurring": false, "aggregation_property": null, "aggregation_method": "count",
	"aggregation_time_window": "month", "filters": []}', 'one with defaults') FROM kept WHERE name = 'full';
SELECT matches(answer #>> ARRAY['body', 'meter', 'profiles', i::text, 'id'], '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$', 'an id is made where none was given')
	FROM kept, generate_series(1, 2) i WHERE name = 'full';
SELECT is(answer #> '{body,meter,default_profile}', answer #> '{body,meter,profiles,0}', 'the default is the first profile') FROM kept WHERE name = 'full';
SELECT matches(answer #>> '{body,meter,created_at}', '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$', 'created_at is RFC 3339 in UTC') FROM kept WHERE name = 'full';
SELECT is(ask('GET', '/' || upper(id_of('full'))) -> 'body', answer -> 'body', 'GET gives what POST gave') FROM kept WHERE name = 'full';
SELECT is(refusal(ask('POST', '', '{"code": "api_calls", "event": "x"}')), '409 ALREADY_EXISTS', 'a code that is taken: 409');

-- Without profiles.
INSERT INTO kept SELECT 'bare', ask('POST', '', '{"code": "bare", "event": "bare.event", "name": null, "description": null, "account_mapping": null, "profiles": null}');
SELECT is((answer #> '{body,meter}') - '{id,created_at}'::text[], jsonb_build_object('object', 'meter', 'status', 'active', 'name', 'bare', 'code', 'bare', 'event', 'bare.event',
	'description', NULL, 'account_mapping', NULL, 'profiles', '[]'::jsonb, 'default_profile', jsonb_build_object('id', id_of('bare'), 'name', 'bare', 'code', NULL, 'recurring', false,
	'aggregation_property', NULL, 'aggregation_method', 'count', 'aggregation_time_window', 'month', 'filters', '[]'::jsonb)), 'without profiles the events are counted by month')
	FROM kept WHERE name = 'bare';
-- The first profile is recurring; usage without a profile is the same by window.
INSERT INTO kept SELECT 'recurring', ask('POST', '', '{"code": "recurring", "event": "r", "profiles": [{"code": "r", "recurring": true, "aggregation_method": "sum",
	"aggregation_property": "n", "aggregation_time_window": "day", "filters": [{"property": "n", "operator": "gt", "value": [1]}]}]}');
SELECT is(answer #> '{body,meter,default_profile}', answer #> '{body,meter,profiles,0}', 'a recurring profile is the default, too') FROM kept WHERE name = 'recurring';

--
-- End to end: every profile counts, and without one it is the default
--
SELECT is((SELECT string_agg(s.status, ',') FROM http_statement('POST', '/rpc/ingest', $$SELECT to_jsonb(array_agg(i.status)) FROM meter.ingest('00000000-0000-0000-0000-00000000000a', '[
	{"source": "s", "id": "1", "type": "api.call", "time": "2026-01-02T00:00:00Z", "data": {"account": "c1", "tokens": 10, "user": "u1", "region": "eu"}},
	{"source": "s", "id": "2", "type": "api.call", "time": "2026-01-02T00:10:00Z", "data": {"account": "c1", "tokens": 2.5, "user": "u2", "region": "us"}},
	{"source": "s", "id": "3", "type": "api.call", "time": "2026-01-03T00:00:00Z", "data": {"account": "c2", "tokens": 100, "user": "u1", "region": "asia"}},
	{"source": "s", "id": "4", "type": "bare.event", "time": "2026-01-03T00:00:00Z", "subject": "c2", "data": {}},
	{"source": "s", "id": "5", "type": "r", "time": "2026-01-03T00:00:00Z", "subject": "c2", "data": {"n": 3}},
	{"source": "s", "id": "6", "type": "r", "time": "2026-01-04T00:00:00Z", "subject": "c2", "data": {"n": 4}},
	{"source": "s", "id": "7", "type": "r", "time": "2026-01-04T00:00:00Z", "subject": "c2", "data": {"n": 1}}]') i$$, claims('a')) r,
	LATERAL jsonb_array_elements_text(r.body) AS s (status)), rtrim(repeat('accepted,', 7), ','), 'events are taken');
SELECT is(used('api_calls', profile), expected, 'usage of ' || coalesce('profile ' || profile, 'the default'))
	FROM (VALUES (NULL, 12.5), ('tokens', 12.5), ('seats', 2), ('calls', 3)) x (profile, expected);
SELECT is(used('bare', NULL), 1::numeric, 'usage without profiles');
SELECT is(used('recurring', NULL), 7::numeric, 'usage beside a recurring profile');
SELECT is((SELECT array_agg(value ORDER BY window_start) FROM meter.usage(:'a', 'recurring', '2026-01-02Z', '2026-01-06Z', window_size => 'day', profile => p)), expected,
	'by day, ' || coalesce(p, 'the default')) FROM (VALUES (NULL, '{0,3,4,0}'::numeric[]), ('r', '{0,3,7,7}')) x (p, expected);
SELECT is((SELECT array_agg(concat_ws(' ', subject, value) ORDER BY subject) FROM meter.usage(:'a', 'api_calls', '2026-01-01Z', '2026-02-01Z', group_by => '{subject}', profile => 'calls')),
	'{c1 2,c2 1}', 'the account mapping names the subject');

--
-- Every method, window and operator
--
SELECT is((SELECT concat_ws(' ', a -> 'status', a #>> '{body,meter,profiles,0,aggregation_method}', a #>> '{body,meter,default_profile,aggregation_method}',
		(a #> '{body,meter,default_profile}') = (a #> '{body,meter,profiles,0}'))
	FROM (SELECT ask('POST', '', jsonb_build_object('code', 'm ' || method, 'event', 'methods', 'profiles', jsonb_build_array(jsonb_build_object('code', 'p', 'aggregation_method', method)
		|| CASE WHEN method IN ('count', 'custom') THEN '{}' ELSE '{"aggregation_property": "$.n"}'::jsonb END
		|| coalesce(jsonb_build_object('function_options', options), '{}')))::text) AS a) x), '201 ' || method || ' ' || method || ' t', 'aggregation_method ' || method)
	FROM (VALUES ('sum', NULL::jsonb), ('count', NULL), ('avg', NULL), ('min', NULL), ('max', NULL), ('unique_count', NULL), ('latest', NULL), ('weighted_sum', '{"mode": "gauge"}'),
		('percentile', '{"percentile": 0.5}'), ('custom', '{"expression": "n * 2"}')) v (method, options);
SELECT is((SELECT string_agg(i.status, ',') FROM meter.ingest(:'a', (SELECT json_agg(json_build_object('source', 's', 'id', 'm' || n, 'type', 'methods', 'subject', 'c',
	'time', '2026-01-10T00:00:00Z'::timestamptz + n * interval '1 minute', 'data', json_build_object('n', n))) FROM unnest('{1,2,6,7}'::int[]) n)) i),
	'accepted,accepted,accepted,accepted', 'they take events');
SELECT is(used('m ' || method, NULL)::text || ' ' || used('m ' || method, 'p'), v.used || ' ' || v.used, 'usage by ' || method || ', with and without the profile')
	FROM (VALUES ('sum', '16'), ('count', '4'), ('avg', '4.0000000000000000'), ('min', '1'), ('max', '7'), ('unique_count', '4'), ('latest', '7'), ('percentile', '4'),
		('custom', '32')) v (method, used);
SELECT ok(used('m weighted_sum', NULL) BETWEEN 4.9 AND 5.1 AND used('m weighted_sum', NULL) = used('m weighted_sum', 'p'), 'usage by weighted_sum, with and without the profile');
SELECT is((SELECT concat_ws(' ', a -> 'status', a #> '{body,meter,profiles,0,aggregation_time_window}', a #> '{body,meter,default_profile,aggregation_time_window}')
	FROM (SELECT ask('POST', '', jsonb_build_object('code', 'w ' || size, 'event', 'e', 'profiles',
		jsonb_build_array(jsonb_build_object('code', 'p', 'aggregation_method', 'count', 'aggregation_time_window', size)))::text) AS a) x),
	format('201 "%s" "%s"', size, size), 'aggregation_time_window ' || size)
	FROM unnest('{minute,hour,day,week,month,quarter,year,billing_period}'::text[]) size;
SELECT is((SELECT "window" ->> 'size' FROM meter.meter_versions WHERE meter_key = 'w week'), 'week', 'it is the meter''s own');
SELECT is((SELECT concat_ws(' ', a -> 'status', a #> '{body,meter,profiles,0,filters}', (a #> '{body,meter,default_profile}') = (a #> '{body,meter,profiles,0}'))
	FROM (SELECT ask('POST', '', jsonb_build_object('code', 'o ' || op, 'event', 'ops', 'profiles', jsonb_build_array(jsonb_build_object('code', 'p', 'aggregation_method', 'count',
		'filters', jsonb_build_array(jsonb_build_object('property', 'f', 'operator', op, 'value', value), '{"property": "g", "operator": "eq", "value": [true]}'::jsonb))))::text) AS a) x),
	concat_ws(' ', 201, jsonb_build_array(jsonb_build_object('property', 'f', 'operator', op, 'value', value), '{"property": "g", "operator": "eq", "value": [true]}'::jsonb), 't'), 'operator ' || op)
	FROM (VALUES ('eq', '["b"]'::jsonb), ('neq', '["b"]'), ('gt', '["b"]'), ('gte', '["b"]'), ('lt', '["b"]'), ('lte', '["b"]'), ('in', '["a", "b"]'), ('nin', '["a", "b"]'),
		('contains', '["b"]'), ('starts_with', '["b"]'), ('ends_with', '["b"]'), ('matches', '["^[ab]$"]'), ('exists', '[true]')) v (op, value);
SELECT is((SELECT string_agg(DISTINCT i.status, ',') FROM meter.ingest(:'a', (SELECT json_agg(json_build_object('source', 's', 'id', 'o' || n, 'type', 'ops', 'subject', 'c',
	'time', '2026-01-10T00:00:00Z', 'data', d.data)) FROM jsonb_array_elements('[{"f": "a", "g": true}, {"f": "b", "g": true}, {"f": "cb", "g": true}, {"f": "b", "g": false}, {"g": true}]')
	WITH ORDINALITY d (data, n))) i), 'accepted', 'events for the operators');
SELECT is(concat_ws(' ', used('o ' || op, NULL), used('o ' || op, 'p')), n || ' ' || n, 'what passes ' || op)
	FROM (VALUES ('eq', 1), ('neq', 3), ('gt', 1), ('gte', 2), ('lt', 1), ('lte', 2), ('in', 2), ('nin', 2), ('contains', 2), ('starts_with', 1), ('ends_with', 2), ('matches', 2),
		('exists', 3)) v (op, n);

--
-- Meters made elsewhere: their own aggregation as a profile
--
CREATE FUNCTION own(definition jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT (ask('GET', '/' || (meter.create_meter('00000000-0000-0000-0000-00000000000a', definition || '{"metric_key": "own"}') ->> 'id')) #> '{body,meter,default_profile}') - '{id,recurring,code}'::text[]
$$;
SELECT is(own('{"key": "own 1", "name": "P", "function": "percentile", "value_field": "$.ms", "function_options": {"percentile": 0.95}, "window": {"size": "day", "time_zone": "Europe/Paris"},
	"filter_tree": {"field": "$.region", "op": "eq", "value": "eu"}}'), '{"name": "P", "aggregation_property": "$.ms", "aggregation_method": "percentile", "aggregation_time_window": "day",
	"filters": [{"property": "$.region", "operator": "eq", "value": ["eu"]}]}', 'a percentile with a filter');
SELECT is(own('{"key": "own 2", "function": "custom", "function_options": {"expression": "a + b"}, "window": {"size": "hour", "count": 6},
	"filter_tree": {"and": [{"field": "a", "op": "in", "value": [1, 2]}, {"or": [{"field": "b", "op": "exists", "value": true}, {"field": "c", "op": "eq", "value": 1}]},
	{"not": {"field": "d", "op": "eq", "value": null}}, {"and": [{"field": "e", "op": "eq", "value": 1}]}]}}'), '{"name": "own 2", "aggregation_property": null, "aggregation_method": "custom",
	"aggregation_time_window": {"size": "hour", "count": 6, "time_zone": "UTC", "anchor": null, "week_start": "monday"},
	"filters": [{"property": "a", "operator": "in", "value": [1, 2]}, {"property": null, "operator": "or", "value": [{"field": "b", "op": "exists", "value": true}, {"field": "c", "op": "eq", "value": 1}]},
	{"property": null, "operator": "not", "value": [{"field": "d", "op": "eq", "value": null}]}, {"property": null, "operator": "and", "value": [{"field": "e", "op": "eq", "value": 1}]}]}',
	'custom with a tree of filters, by six hours');
SELECT is(own('{"key": "own 3", "function": "unique_count", "unique_by_field": "user", "filter_tree": {"or": [{"field": "a", "op": "eq", "value": 1}]},
	"profiles": [{"code": "p", "aggregation_method": "count"}]}'), '{"name": "own 3", "aggregation_property": "user", "aggregation_method": "unique_count", "aggregation_time_window": "month",
	"filters": [{"property": null, "operator": "or", "value": [{"field": "a", "op": "eq", "value": 1}]}]}', 'a unique count beside a profile');
SELECT is(own('{"key": "own 4", "function": "weighted_sum", "value_field": "n", "filter_tree": {"not": {"field": "a", "op": "eq", "value": 1}}}'), '{"name": "own 4",
	"aggregation_property": "n", "aggregation_method": "weighted_sum", "aggregation_time_window": "month",
	"filters": [{"property": null, "operator": "not", "value": [{"field": "a", "op": "eq", "value": 1}]}]}', 'a weighted sum');

--
-- What is refused, when it is created and when it is replaced
--
CREATE TABLE bad (no serial, change jsonb, refusal text, what text);
INSERT INTO bad (change, refusal, what) VALUES
	('{"name": ""}', 'INVALID_LENGTH at /name.', 'an empty name'),
	(jsonb_build_object('name', repeat('n', 201)), 'INVALID_LENGTH at /name.', 'a name of 201'),
	('{"name": 7}', 'INVALID_TYPE at /name.', 'a name that is a number'),
	('{"description": 7}', 'INVALID_TYPE at /description.', 'a description that is a number'),
	('{"account_mapping": "id"}', 'INVALID_TYPE at /account_mapping.', 'an account_mapping that is a string'),
	('{"account_mapping": {"type": "email", "event_property": "e"}}', 'INVALID_MAPPING at /account_mapping/type.', 'an account_mapping of no type there is'),
	('{"account_mapping": {"type": "id"}}', 'MISSING_KEY at /account_mapping/event_property.', 'an account_mapping without a property'),
	('{"account_mapping": {"type": "id", "event_property": "e", "x": 1}}', 'UNKNOWN_KEY at /account_mapping/x.', 'an account_mapping with another member'),
	('{"profiles": {}}', 'INVALID_TYPE at /profiles.', 'profiles that are an object'),
	('{"profiles": "sum"}', 'INVALID_TYPE at /profiles.', 'profiles that are a string'),
	('{"profiles": ["sum"]}', 'INVALID_TYPE at /profiles/0.', 'a profile that is a string'),
	('{"profiles": [{"aggregation_method": "count"}]}', 'MISSING_KEY at /profiles/0/code.', 'a profile without a code'),
	('{"profiles": [{"code": "p"}]}', 'MISSING_KEY at /profiles/0/aggregation_method.', 'a profile without a method'),
	('{"profiles": [{"code": "p", "aggregation_method": "sum"}]}', 'MISSING_KEY at /profiles/0/aggregation_property.', 'a sum without a property'),
	('{"profiles": [{"code": "p", "aggregation_method": "median", "aggregation_property": "n"}]}', 'INVALID_FUNCTION at /profiles/0/aggregation_method.', 'a method that is none'),
	('{"profiles": [{"code": "p", "aggregation_method": "count"}, {"code": "p", "aggregation_method": "count"}]}', 'DUPLICATE_CODE at /profiles/1/code.', 'two profiles of one code'),
	('{"profiles": [{"code": "p", "aggregation_method": "count", "aggregation_time_window": "fortnight"}]}', 'INVALID_WINDOW at /profiles/0/aggregation_time_window.', 'a window that is none'),
	('{"profiles": [{"code": "p", "aggregation_method": "count", "recurring": "yes"}]}', 'INVALID_TYPE at /profiles/0/recurring.', 'recurring that is a string'),
	('{"profiles": [{"code": "p", "aggregation_method": "sum", "aggregation_property": "$.a["}]}', 'INVALID_PATH at /profiles/0/aggregation_property, character 5.', 'a property that is no path'),
	('{"profiles": [{"code": "p", "aggregation_method": "count", "id": 5}]}', 'INVALID_TYPE at /profiles/0/id.', 'an id that is a number'),
	(jsonb_build_object('profiles', jsonb_build_array(jsonb_build_object('code', repeat('c', 81), 'aggregation_method', 'count'))), 'INVALID_LENGTH at /profiles/0/code.', 'a profile''s code of 81'),
	('{"profiles": [{"code": "p", "aggregation_method": "percentile", "aggregation_property": "n"}]}', 'MISSING_KEY at /profiles/0/function_options/percentile.', 'a percentile that says not which'),
	('{"profiles": [{"code": "p", "aggregation_method": "count", "interval": "day"}]}', 'UNKNOWN_KEY at /profiles/0/interval.', 'a profile with another member'),
	('{"profiles": [{"code": "p", "aggregation_method": "count", "filters": {}}]}', 'INVALID_TYPE at /profiles/0/filters.', 'filters that are an object'),
	('{"profiles": [{"code": "p", "aggregation_method": "count", "filters": [{"property": "a", "operator": "in"}]}]}', 'MISSING_KEY at /profiles/0/filters/0/value.', 'a filter without a value'),
	('{"profiles": [{"code": "p", "aggregation_method": "count", "filters": [{"property": "a", "operator": "is", "value": ["b"]}]}]}', 'INVALID_FILTER at /profiles/0/filters/0/operator.',
		'an operator that is none'),
	('{"profiles": [{"code": "p", "aggregation_method": "count", "filters": [{"property": "a", "operator": "eq", "value": "b"}]}]}', 'INVALID_TYPE at /profiles/0/filters/0/value.',
		'a value that is no array'),
	('{"profiles": [{"code": "p", "aggregation_method": "count", "filters": [{"property": "a", "operator": "eq", "value": ["b", "c"]}]}]}', 'INVALID_LENGTH at /profiles/0/filters/0/value.',
		'two values for eq'),
	(jsonb_build_object('profiles', (SELECT jsonb_agg(jsonb_build_object('code', 'p' || i, 'aggregation_method', 'count')) FROM generate_series(1, 33) i)), 'INVALID_LENGTH at /profiles.', '33 profiles'),
	('{"metric_key": "x"}', 'UNKNOWN_KEY at /metric_key.', 'a member of another dialect');
CREATE TABLE bad_new (change jsonb, refusal text, what text);
INSERT INTO bad_new VALUES ('{"code": null}', 'MISSING_KEY at /code.', 'no code'), ('{"event": null}', 'MISSING_KEY at /event.', 'no event'),
	(jsonb_build_object('code', repeat('c', 81)), 'INVALID_LENGTH at /code.', 'a code of 81'), ('{"code": "a\tb"}', 'INVALID_TEXT at /code.', 'a code with a tab'),
	('{"code": 5}', 'INVALID_TYPE at /code.', 'a code that is a number'), ('{"event": ""}', 'INVALID_LENGTH at /event.', 'an empty event'),
	(jsonb_build_object('event', repeat('e', 201)), 'INVALID_LENGTH at /event.', 'an event of 201'), ('{"event": []}', 'INVALID_TYPE at /event.', 'an event that is an array');
CREATE TABLE before_refusals AS SELECT everything() AS state;
SELECT is(refusal(ask('POST', '', ('{"code": "new", "event": "e"}'::jsonb || change)::text)), '400 ' || split_part(refusal, ' ', 1) || ' ' || refusal, 'POST with ' || what || ': 400')
	FROM bad ORDER BY no;
SELECT is(refusal(ask('PUT', '/' || id_of('full'), change::text)), '400 ' || split_part(refusal, ' ', 1) || ' ' || refusal, 'PUT with ' || what || ': 400') FROM bad ORDER BY no;
SELECT is(refusal(ask('POST', '', ('{"code": "new", "event": "e"}'::jsonb || change)::text)), '400 ' || split_part(refusal, ' ', 1) || ' ' || refusal, 'POST with ' || what || ': 400') FROM bad_new;
SELECT is(refusal(ask('PUT', '/' || id_of('full'), jsonb_build_object(m, 'other')::text)), format('400 IMMUTABLE IMMUTABLE at /%s.', m), 'PUT with another ' || m || ': 400')
	FROM unnest('{code,event,object,id,created_at,status,default_profile}'::text[]) m;
SELECT is(refusal(ask('POST', '', jsonb_build_object('code', 'new', 'event', 'e', m, answer #> ARRAY['body', 'meter', m])::text)), format('400 UNKNOWN_KEY UNKNOWN_KEY at /%s.', m),
	'POST with ' || m || ': 400') FROM kept, unnest('{object,id,created_at,status,default_profile}'::text[]) m WHERE name = 'full';
SELECT is(refusal(ask(method, path, body)), '400 INVALID_TYPE INVALID_TYPE.', method || ' with ' || body || ' for a body: 400')
	FROM (VALUES ('POST', ''), ('PUT', '/' || id_of('full'))) o (method, path), unnest('{[],5,null,"\"x\"","[\"id\"]"}'::text[]) body;
SELECT is(ask(method, path, body) -> 'status', '400', method || ' with ' || body || ': 400')
	FROM (VALUES ('POST', ''), ('PUT', '/' || id_of('full'))) o (method, path), unnest(ARRAY['{"name": ', '', '{x:1}', '{"name": "a\u0000b"}', '{"name": "\ud800"}']) body;

--
-- Who may
--
CREATE TABLE operation AS SELECT * FROM (VALUES ('POST', '', '{"code": "new", "event": "e"}', 'admin'), ('LIST', '', NULL, 'read'), ('GET', '/' || id_of('full'), NULL, 'read'),
	('PUT', '/' || id_of('full'), '{}', 'admin')) o (method, path, body, scope);
SELECT is(ask(method, path, body, claims(NULL)) -> 'status', '401', method || ' without an organization in the claims: 401') FROM operation;
SELECT is(refusal(ask(method, path, body, claims(NULL, 'meter_backend'))), '401 ORGANIZATION_REQUIRED ORGANIZATION_REQUIRED.', method || ' by a trusted role without one: 401') FROM operation;
SELECT is(ask(method, path, body, claims('x')) -> 'status', '401', method || ' with malformed claims: 401') FROM operation;
SELECT is(refusal(ask(method, path, body, claims('a', more => '{"scope": "meter-report"}'))), '403 INSUFFICIENT_SCOPE INSUFFICIENT_SCOPE.', method || ' with another scope: 403') FROM operation;
SELECT is(refusal(ask(method, path, body, claims('a', more => '{"scope": ["read"]}'))), '403 INSUFFICIENT_SCOPE INSUFFICIENT_SCOPE.', method || ' with the scope read: 403')
	FROM operation WHERE scope = 'admin';
SELECT is(ask(method, path, body, claims('a', 'meter_reader')) -> 'status', '403', method || ' by a reader: 403') FROM operation WHERE scope = 'admin';
SELECT is(refusal(ask(method, path, body, claims('b'))), '404 NOT_FOUND', method || ' of another tenant''s: 404') FROM operation WHERE method IN ('GET', 'PUT');
SELECT is(ask('LIST', '', NULL, claims('b')) -> 'body', '{"meters": [], "next_cursor": null, "has_more": false}', 'LIST shows another tenant nothing');
SELECT is(refusal(ask(method, '/' || id, body)), '404 NOT_FOUND', method || ' of ' || what || ': 404')
	FROM operation, (VALUES ('33333333-3333-3333-3333-333333333333', 'an id nobody has'), ('api_calls', 'a code'), ('1', 'no UUID')) i (id, what) WHERE method IN ('GET', 'PUT');
SELECT is(everything(), state, 'none of these did anything') FROM before_refusals;
SELECT is(ask(method, path, body, claims('a', 'meter_reader', '{"scope": "read"}')) -> 'status', '200', method || ' by a reader with the scope read: 200') FROM operation WHERE scope = 'read';

--
-- List
--
UPDATE meter.meter m SET created_at = '2026-01-01Z'::timestamptz + m.meter_no * interval '1 microsecond' WHERE key <> 'bare';
CREATE TABLE pages AS WITH RECURSIVE page (no, body) AS (
		SELECT 1, ask('LIST', '?limit=10') -> 'body'
		UNION ALL SELECT no + 1, ask('LIST', '?limit=10&cursor=' || (body ->> 'next_cursor')) -> 'body' FROM page WHERE body -> 'has_more' = 'true' AND no < 10)
	SELECT * FROM page;
SELECT is(keys(body), 'has_more meters next_cursor', 'LIST: meters, next_cursor, has_more') FROM pages WHERE no = 1;
SELECT is((SELECT string_agg(concat_ws(' ', jsonb_array_length(body -> 'meters'), body -> 'has_more', body ->> 'next_cursor' IS NULL), ',' ORDER BY no) FROM pages),
	'10 true f,10 true f,10 true f,8 false t', 'pages of ten');
SELECT is((SELECT count(*) FROM meter.meter WHERE organization_id = :'a'), 38::bigint, 'of every meter');
SELECT is((SELECT jsonb_agg(d ORDER BY no, o) FROM pages, jsonb_array_elements(body -> 'meters') WITH ORDINALITY x (d, o)), ask('LIST', '') #> '{body,meters}',
	'have all of them once, in the order of the whole');
SELECT is((SELECT d FROM pages, jsonb_array_elements(body -> 'meters') d WHERE d ->> 'code' = 'bare'), (SELECT answer #> '{body,meter}' FROM kept WHERE name = 'bare'), 'documents are those of GET');
SELECT is(refusal(ask('LIST', '?' || query)), '400 ' || code || ' ' || code || '.', 'LIST ?' || query || ': 400')
	FROM (VALUES ('limit=0', 'INVALID_PARAMETER'), ('limit=-1', 'INVALID_PARAMETER'), ('limit=ten', 'INVALID_PARAMETER'), ('limit=1&limit=2', 'INVALID_PARAMETER'),
		('cursor=x', 'INVALID_CURSOR'), ('page=1', 'INVALID_PARAMETER')) q (query, code);
DO $$ BEGIN
	PERFORM meter.create_meter('00000000-0000-0000-0000-00000000000b', jsonb_build_object('key', 'm' || i, 'metric_key', 'e', 'function', 'count')) FROM generate_series(1, 101) i;
END $$;
SELECT is(jsonb_array_length(ask('LIST', q, claims => claims('b')) #> '{body,meters}'), n, 'LIST' || q || ' has ' || n) FROM (VALUES ('', 50), ('?limit=500', 100)) x (q, n);

--
-- Replace
--
INSERT INTO kept SELECT 'replaced', ask('PUT', '/' || id_of('full'), '{"name": "Calls", "code": "api_calls", "event": "api.call",
	"profiles": [{"code": "seats", "aggregation_method": "unique_count", "aggregation_property": "user"}, {"code": "tokens", "aggregation_method": "max", "aggregation_property": "tokens"}]}');
SELECT is(answer -> 'status', '200', 'PUT: 200') FROM kept WHERE name = 'replaced';
SELECT is((r.answer #> '{body,meter}') - '{default_profile,created_at}'::text[], ((f.answer #> '{body,meter}') - '{default_profile,created_at}'::text[]) || jsonb_build_object('name', 'Calls', 'description', NULL, 'account_mapping', NULL,
	'profiles', jsonb_build_array(
		jsonb_build_object('id', f.answer #> '{body,meter,profiles,1,id}', 'name', NULL, 'code', 'seats', 'recurring', false, 'aggregation_property', 'user', 'aggregation_method', 'unique_count',
			'aggregation_time_window', 'month', 'filters', '[]'::jsonb),
		jsonb_build_object('id', 'p-1', 'name', NULL, 'code', 'tokens', 'recurring', false, 'aggregation_property', 'tokens', 'aggregation_method', 'max',
			'aggregation_time_window', 'month', 'filters', '[]'::jsonb))), 'what was left out is gone; profiles keep their ids by their codes')
	FROM kept r, kept f WHERE r.name = 'replaced' AND f.name = 'full';
SELECT is(answer #> '{body,meter,default_profile}', answer #> '{body,meter,profiles,0}', 'the default follows the first profile') FROM kept WHERE name = 'replaced';
SELECT is(ask('GET', '/' || id_of('full')) -> 'body', answer -> 'body', 'GET gives what PUT gave') FROM kept WHERE name = 'replaced';
SELECT is((SELECT string_agg(concat_ws(' ', version, function, "window" ->> 'size'), ', ' ORDER BY version) FROM meter.meter_versions WHERE meter_key = 'api_calls'),
	'1 sum hour, 2 unique_count month', 'it is a new version');
SELECT is(used('api_calls', 'tokens'), 12.5, 'what was used stays as it was measured');
SELECT is(ask('PUT', '/' || id_of('replaced'), (answer #> '{body,meter}')::text) #> '{body,meter}', answer #> '{body,meter}', 'a whole meter can be sent back') FROM kept WHERE name = 'replaced';
INSERT INTO kept SELECT 'p50', ask('PUT', '/' || id, '{"profiles": [{"code": "p", "name": "Half", "aggregation_method": "percentile", "aggregation_property": "n"}]}') FROM meter.meters WHERE key = 'm percentile';
SELECT is((SELECT concat_ws(' ', answer -> 'status', document -> 'function_options', document #> '{profiles,0,function_options}') FROM kept, meter.meters m WHERE kept.name = 'p50' AND key = 'm percentile'),
	'200 {"percentile": 0.5} {"percentile": 0.5}', 'a profile of the same method keeps its options');
SELECT is((SELECT concat_ws(' ', a -> 'status', a #>> '{body,meter,default_profile,aggregation_method}') FROM (SELECT ask('PUT', '/' || id, '{"profiles": [{"code": "p", "aggregation_method": "sum",
	"aggregation_property": "n"}]}') AS a FROM meter.meters WHERE key = 'm percentile') x), '200 sum', 'one of another method does not');
SELECT is((SELECT string_agg(a #>> '{body,meter,default_profile,code}', ',') FROM (SELECT ask('PUT', '/' || id_of('bare'), '{"profiles": [{"code": "first", "aggregation_method": "count"}]}') AS a) x),
	'first', 'a meter without profiles gets a default with its first');
SELECT is((SELECT concat_ws(' ', a #> '{body,meter,profiles}', a #>> '{body,meter,default_profile,aggregation_method}') FROM (SELECT ask('PUT', '/' || id_of('bare'), '{}') AS a) x),
	'[] count', 'and loses it with its last');
-- One that was made elsewhere keeps its own, whatever profiles it gets.
DO $$ BEGIN PERFORM meter.create_meter('00000000-0000-0000-0000-00000000000a', '{"key": "plain", "metric_key": "e", "function": "count"}'); END $$;
SELECT is((SELECT concat_ws(' ', a -> 'status', a #>> '{body,meter,profiles,0,aggregation_method}', a #>> '{body,meter,default_profile,aggregation_method}')
	FROM (SELECT ask('PUT', '/' || id, '{"profiles": [{"code": "p", "aggregation_method": "sum", "aggregation_property": "n"}]}') AS a FROM meter.meters WHERE key = k) x), expected,
	'PUT of ' || k || ' leaves its own aggregation') FROM (VALUES ('plain', '200 sum count'), ('own 1', '200 sum percentile'), ('own 2', '200 sum custom')) x (k, expected);
SELECT is((SELECT a -> 'status' FROM (SELECT ask('PUT', '/' || id, '{}') AS a FROM meter.meters WHERE key = 'own 1') x), '200', 'and its profiles can be taken away again');
SELECT is((SELECT concat_ws(' ', function, document -> 'profiles', document -> 'filter_tree') FROM meter.meters WHERE key = 'own 1'),
	'percentile null {"op": "eq", "field": "$.region", "value": "eu"}', 'leaving it as it was');
DO $$ BEGIN PERFORM meter.archive_meter('00000000-0000-0000-0000-00000000000a', 'bare', 'test'); END $$;
SELECT is(ask('GET', '/' || id_of('bare')) #> '{body,meter,status}', '"archived"', 'an archived meter says so');
SELECT is(refusal(ask('PUT', '/' || id_of('bare'), '{}')), '409 CONFLICT', 'and cannot be replaced: 409');

SELECT * FROM finish();
ROLLBACK;
