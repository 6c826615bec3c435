-- The dialect of seed 003 over HTTP: /organizations/{orgId}/meters[/{id}].
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS meter;
DO $$ BEGIN PERFORM meter.create_store(); END $$;
\ir ../lib/http.sql
SELECT plan(221);

\set a 00000000-0000-0000-0000-00000000000a
\set b 00000000-0000-0000-0000-00000000000b
DO $$ BEGIN
	PERFORM meter.create_organization('a', '00000000-0000-0000-0000-00000000000a', '{"custom_fields": {"factor": 2, "site": "x"}}');
	PERFORM meter.create_organization('b', '00000000-0000-0000-0000-00000000000b');
END $$;

-- Claims of a role, for an organization, with whatever else.
CREATE FUNCTION claims(org text, role text DEFAULT 'meter_writer', more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_strip_nulls(jsonb_build_object('role', role, 'organization_id',
		CASE WHEN length(org) = 1 THEN lpad(org, 36, '00000000-0000-0000-0000-000000000000') ELSE org END, 'sub', 'u-1') || more)
$$;
-- One request of seed 003: the method tells the function.
CREATE FUNCTION ask(method text, path text, body text DEFAULT NULL, claims jsonb DEFAULT claims('a'), org text DEFAULT 'a') RETURNS jsonb LANGUAGE sql AS $$
	SELECT to_jsonb(r) FROM http(CASE WHEN method = 'LIST' THEN 'GET' ELSE method END,
		'/organizations/' || CASE WHEN length(org) = 1 THEN lpad(org, 36, '00000000-0000-0000-0000-000000000000') ELSE org END || '/meters' || path,
		CASE method WHEN 'POST' THEN 'create_organization_meter' WHEN 'LIST' THEN 'list_organization_meters' WHEN 'GET' THEN 'get_organization_meter'
			WHEN 'PUT' THEN 'update_organization_meter' WHEN 'DELETE' THEN 'delete_organization_meter' END, body, claims) r
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

--
-- Create
--
INSERT INTO kept SELECT 'full', ask('POST', '', '{"name": "Data processed", "code": "data processed", "customFields": {"tier": "gold", "rate": 1.50},
	"productId": "11111111-1111-1111-1111-111111111111", "groupId": "22222222-2222-2222-2222-222222222222",
	"dataFields": [{"category": "WHO", "code": "user", "name": "User"}, {"category": "MEASURE", "code": "gb", "name": "Gigabytes", "unit": "GB"},
		{"category": "MEASURE", "code": "calls", "name": "Calls", "unit": "1"}],
	"derivedFields": [{"category": "COST", "code": "$cost", "name": "Cost", "unit": "USD", "calculation": "gb * customFields.rate * customFields.factor"}]}');
SELECT is(answer -> 'status', '201', 'POST: 201') FROM kept WHERE name = 'full';
SELECT is(keys(answer -> 'body'), 'code createdBy customFields dataFields derivedFields dtCreated dtLastModified groupId id lastModifiedBy name productId version',
	'with exactly the seed''s members') FROM kept WHERE name = 'full';
SELECT is((answer -> 'body') - '{id,dtCreated,dtLastModified}'::text[], '{"version": 1, "name": "Data processed", "code": "data processed",
	"customFields": {"tier": "gold", "rate": 1.50}, "productId": "11111111-1111-1111-1111-111111111111", "groupId": "22222222-2222-2222-2222-222222222222",
	"dataFields": [{"category": "WHO", "code": "user", "name": "User", "unit": null}, {"category": "MEASURE", "code": "gb", "name": "Gigabytes", "unit": "GB"},
		{"category": "MEASURE", "code": "calls", "name": "Calls", "unit": "1"}],
	"derivedFields": [{"category": "COST", "code": "$cost", "name": "Cost", "unit": "USD", "calculation": "gb * customFields.rate * customFields.factor"}],
	"createdBy": "u-1", "lastModifiedBy": "u-1"}', 'and what was given') FROM kept WHERE name = 'full';
SELECT matches(answer #>> '{body,id}', '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$', 'the id is a UUID') FROM kept WHERE name = 'full';
SELECT matches(answer #>> ARRAY['body', t], '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$', t || ' is RFC 3339 in UTC')
	FROM kept, unnest('{dtCreated,dtLastModified}'::text[]) t WHERE name = 'full';
SET TimeZone = 'Asia/Kathmandu';
SELECT is(ask('GET', '/' || (answer #>> '{body,id}')) #>> '{body,dtCreated}', answer #>> '{body,dtCreated}', 'whatever the session''s zone is') FROM kept WHERE name = 'full';
RESET TimeZone;
SELECT is(m.document ->> 'function' || ' ' || (m.document ->> 'value_field') || ' of ' || m.metric_key, 'sum gb of data processed',
	'it sums its first measure over the events of its code') FROM kept k, meter.meters m WHERE k.name = 'full' AND m.id = (answer #>> '{body,id}')::uuid;

INSERT INTO kept SELECT 'small', ask('POST', '', '{"name": "Who", "code": "who", "dataFields": [{"category": "WHO", "code": "user", "name": "User"}], "derivedFields": [],
	"version": null, "customFields": null, "productId": null, "groupId": null}');
SELECT is((answer #> '{body}') - '{id,dtCreated,dtLastModified,createdBy,lastModifiedBy}'::text[], '{"version": 1, "name": "Who", "code": "who", "customFields": {},
	"productId": null, "groupId": null, "dataFields": [{"category": "WHO", "code": "user", "name": "User", "unit": null}], "derivedFields": []}',
	'nulls are as if they were left out') FROM kept WHERE name = 'small';
SELECT is(m.document ->> 'function', 'count', 'without a measure it counts') FROM meter.meters m WHERE m.key = 'who';
INSERT INTO kept SELECT 'derived', ask('POST', '', '{"name": "D", "code": "derived", "dataFields": [{"category": "OTHER", "code": "s", "name": "S"}],
	"derivedFields": [{"category": "MEASURE", "code": "len", "name": "Length", "calculation": "length(s)"}]}');
SELECT is(m.document ->> 'function' || ' ' || (m.document ->> 'value_field'), 'sum len', 'a derived measure will do') FROM meter.meters m WHERE m.key = 'derived';
SELECT is(answer #> '{body,derivedFields}', '[{"category": "MEASURE", "code": "len", "name": "Length", "unit": null, "calculation": "length(s)"}]',
	'and is shown with all members') FROM kept WHERE name = 'derived';

-- What is at the limits is taken.
SELECT is((ask('POST', '', jsonb_build_object('name', repeat('n', 200), 'code', repeat('ü', 80), 'derivedFields', '[]'::jsonb,
	'dataFields', (SELECT jsonb_agg(jsonb_build_object('category', (string_to_array('WHO WHERE WHAT OTHER METADATA MEASURE INCOME COST', ' '))[1 + i % 8],
		'code', CASE i WHEN 0 THEN repeat('c', 80) ELSE '$_' || i END, 'name', repeat('f', 200), 'unit', 'u')) FROM generate_series(0, 14) i))::text)) -> 'status', '201',
	'200 characters of name, 80 of code, 15 data fields of every category');
SELECT is(ask('POST', '', jsonb_build_object('name', 'n', 'code', 'x', 'dataFields', '[{"category": "MEASURE", "code": "n", "name": "N"}]'::jsonb,
	'derivedFields', (SELECT jsonb_agg(jsonb_build_object('category', 'OTHER', 'code', 'd' || i, 'name', 'd', 'calculation', 'n + ' || i)) FROM generate_series(1, 15) i))::text)
	-> 'status', '201', '15 derived fields, a code of one character');
SELECT is(refusal(ask('POST', '', '{"name": "Who", "code": "who", "dataFields": [{"category": "WHO", "code": "user", "name": "User"}], "derivedFields": []}')),
	'409 ALREADY_EXISTS', 'a code that is taken: 409');

-- End to end: events name the meter by its code.
SELECT is((SELECT string_agg(status, ',') FROM meter.ingest(:'a', '[
	{"source": "s", "id": "1", "type": "data processed", "subject": "c", "time": "2026-01-02T00:00:00Z", "data": {"user": "u", "gb": 2.5, "calls": 1}},
	{"source": "s", "id": "2", "type": "data processed", "subject": "c", "time": "2026-01-03T00:00:00Z", "data": {"user": "u", "gb": "4", "calls": 1}},
	{"source": "s", "id": "3", "type": "data processed", "subject": "c", "time": "2026-01-03T00:00:00Z", "data": {"user": "u", "gb": "four"}}]')),
	'accepted,accepted,rejected', 'its fields are checked in events');
SELECT is((SELECT value FROM meter.usage(:'a', 'data processed', '2026-01-01Z', '2026-02-01Z')), 6.5, 'its usage is the sum of the measure');

--
-- What is refused, when it is created and when it is replaced
--
CREATE TABLE bad (no serial, change jsonb, refusal text, what text);
INSERT INTO bad (change, refusal, what) VALUES
	('{"name": null}', 'MISSING_KEY at /name.', 'no name'),
	('{"name": ""}', 'INVALID_LENGTH at /name.', 'an empty name'),
	(jsonb_build_object('name', repeat('n', 201)), 'INVALID_LENGTH at /name.', 'a name of 201'),
	('{"name": 7}', 'INVALID_TYPE at /name.', 'a name that is a number'),
	('{"code": null}', 'MISSING_KEY at /code.', 'no code'),
	('{"dataFields": null}', 'MISSING_KEY at /dataFields.', 'no data fields'),
	('{"dataFields": []}', 'INVALID_LENGTH at /dataFields.', 'an empty array of data fields'),
	(jsonb_build_object('dataFields', (SELECT jsonb_agg(jsonb_build_object('category', 'WHO', 'code', 'c' || i, 'name', 'n')) FROM generate_series(1, 16) i)),
		'INVALID_LENGTH at /dataFields.', '16 data fields'),
	('{"dataFields": {"category": "WHO", "code": "u", "name": "U"}}', 'INVALID_TYPE at /dataFields.', 'data fields that are an object'),
	('{"dataFields": ["u"]}', 'INVALID_TYPE at /dataFields/0.', 'a data field that is a string'),
	('{"dataFields": [{"category": "WHO", "name": "U"}]}', 'MISSING_KEY at /dataFields/0/code.', 'a data field without a code'),
	('{"dataFields": [{"category": "WHO", "code": "u"}]}', 'MISSING_KEY at /dataFields/0/name.', 'a data field without a name'),
	('{"dataFields": [{"code": "u", "name": "U"}]}', 'MISSING_KEY at /dataFields/0/category.', 'a data field without a category'),
	('{"dataFields": [{"category": "who", "code": "u", "name": "U"}]}', 'INVALID_CATEGORY at /dataFields/0/category.', 'a category that is none'),
	('{"dataFields": [{"category": "WHO", "code": "1u", "name": "U"}]}', 'INVALID_CODE at /dataFields/0/code.', 'a field''s code with a digit first'),
	('{"dataFields": [{"category": "WHO", "code": "a b", "name": "U"}]}', 'INVALID_CODE at /dataFields/0/code.', 'a field''s code with a space'),
	(jsonb_build_object('dataFields', jsonb_build_array(jsonb_build_object('category', 'WHO', 'code', repeat('c', 81), 'name', 'n'))),
		'INVALID_CODE at /dataFields/0/code.', 'a field''s code of 81'),
	('{"dataFields": [{"category": "WHO", "code": "u", "name": "U"}, {"category": "WHO", "code": "u", "name": "U"}]}', 'DUPLICATE_CODE at /dataFields/1/code.',
		'two fields of one code'),
	('{"dataFields": [{"category": "WHO", "code": "u", "name": "U", "calculation": "1"}]}', 'UNKNOWN_KEY at /dataFields/0/calculation.', 'a calculation in a data field'),
	('{"dataFields": [{"category": "WHO", "code": "u", "name": "U", "unit": 1}]}', 'INVALID_TYPE at /dataFields/0/unit.', 'a unit that is a number'),
	('{"derivedFields": null}', 'MISSING_KEY at /derivedFields.', 'null for derived fields'),
	(jsonb_build_object('derivedFields', (SELECT jsonb_agg(jsonb_build_object('category', 'WHO', 'code', 'c' || i, 'name', 'n', 'calculation', '1')) FROM generate_series(1, 16) i)),
		'INVALID_LENGTH at /derivedFields.', '16 derived fields'),
	('{"derivedFields": [{"category": "OTHER", "code": "d", "name": "D"}]}', 'MISSING_KEY at /derivedFields/0/calculation.', 'a derived field without a calculation'),
	('{"derivedFields": [{"category": "OTHER", "code": "d", "name": "D", "calculation": "1 + 1 +"}]}',
		'INVALID_EXPRESSION at /derivedFields/0/calculation, character 8.', 'a calculation that does not parse'),
	('{"derivedFields": [{"category": "OTHER", "code": "d", "name": "D", "calculation": "nobody"}]}',
		'UNKNOWN_NAME at /derivedFields/0/calculation, character 1.', 'a calculation over a field that is not there'),
	('{"derivedFields": [{"category": "OTHER", "code": "user", "name": "D", "calculation": "1"}]}', 'DUPLICATE_CODE at /derivedFields/0/code.',
		'a derived field of a data field''s code'),
	('{"customFields": {"tier": true}}', 'INVALID_TYPE at /customFields/tier.', 'a custom field that is a boolean'),
	('{"customFields": {"a/b": null}}', 'INVALID_TYPE at /customFields/a~1b.', 'a custom field that is null'),
	('{"customFields": {"data_fields": {}}}', 'INVALID_TYPE at /customFields/data_fields.', 'a custom field that is an object'),
	('{"customFields": []}', 'INVALID_TYPE at /customFields.', 'custom fields that are an array'),
	('{"customFields": "x"}', 'INVALID_TYPE at /customFields.', 'custom fields that are a string'),
	('{"productId": "11111111"}', 'INVALID_UUID at /productId.', 'a productId of 8 characters'),
	('{"productId": ""}', 'INVALID_UUID at /productId.', 'an empty productId'),
	('{"groupId": "11111111-1111-1111-1111-1111111111111"}', 'INVALID_UUID at /groupId.', 'a groupId of 37 characters'),
	('{"groupId": 5}', 'INVALID_UUID at /groupId.', 'a groupId that is a number'),
	('{"metric_key": "x"}', 'UNKNOWN_KEY at /metric_key.', 'a member of another dialect'),
	('{"__proto__": {}}', 'UNKNOWN_KEY at /__proto__.', 'a member nobody knows');
CREATE TABLE bad_code (code jsonb, refusal text, what text);
INSERT INTO bad_code VALUES ('""', 'INVALID_LENGTH at /code.', 'an empty code'),
	(to_jsonb(repeat('c', 81)), 'INVALID_LENGTH at /code.', 'a code of 81'),
	('" c"', 'INVALID_TEXT at /code.', 'a code that begins with a space'), ('"c "', 'INVALID_TEXT at /code.', 'a code that ends with a space'),
	('"a\tb"', 'INVALID_TEXT at /code.', 'a code with a tab'), ('"a\u200bb"', 'INVALID_TEXT at /code.', 'a code with a zero-width space'),
	('"a\u0007b"', 'INVALID_TEXT at /code.', 'a code with a bell'), ('5', 'INVALID_TYPE at /code.', 'a code that is a number');
CREATE FUNCTION good(change jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT ('{"name": "N", "code": "who", "dataFields": [{"category": "WHO", "code": "user", "name": "User"}], "derivedFields": []}'::jsonb || change)::text
$$;
CREATE TABLE before_refusals AS SELECT everything() AS state;
SELECT is(refusal(ask('POST', '', good('{"code": "new"}'::jsonb || change))), '400 ' || split_part(refusal, ' ', 1) || ' ' || refusal, 'POST with ' || what || ': 400')
	FROM bad ORDER BY no;
SELECT is(refusal(ask('PUT', '/' || (answer #>> '{body,id}'), good('{"version": 1}'::jsonb || change))), '400 ' || split_part(refusal, ' ', 1) || ' ' || refusal,
	'PUT with ' || what || ': 400') FROM bad, kept WHERE name = 'small' ORDER BY no;
SELECT is(refusal(ask('POST', '', good(jsonb_build_object('code', code)))), '400 ' || split_part(refusal, ' ', 1) || ' ' || refusal, 'POST with ' || what || ': 400') FROM bad_code;
SELECT is(refusal(ask('POST', '', good('{"code": "new", "version": 1}'))), '400 NOT_ALLOWED NOT_ALLOWED at /version.', 'POST with a version: 400');
SELECT is(refusal(ask('PUT', '/' || (answer #>> '{body,id}'), good('{}'))), '400 MISSING_KEY MISSING_KEY at /version.', 'PUT without a version: 400') FROM kept WHERE name = 'small';
SELECT is(refusal(ask('PUT', '/' || (answer #>> '{body,id}'), good('{"version": null}'))), '400 MISSING_KEY MISSING_KEY at /version.', 'PUT with null for a version: 400')
	FROM kept WHERE name = 'small';
SELECT is(refusal(ask('PUT', '/' || (answer #>> '{body,id}'), good('{"version": "1"}'))), '400 INVALID_TYPE INVALID_TYPE at /version.', 'PUT with a version in quotes: 400')
	FROM kept WHERE name = 'small';
SELECT is(refusal(ask('PUT', '/' || (answer #>> '{body,id}'), good('{"version": 1.5}'))), '400 INVALID_TYPE INVALID_TYPE at /version.', 'PUT with one and a half: 400')
	FROM kept WHERE name = 'small';
SELECT is(refusal(ask('PUT', '/' || (answer #>> '{body,id}'), good(jsonb_build_object('version', v)))), '409 VERSION_MISMATCH VERSION_MISMATCH at /version.',
	'PUT with version ' || v || ': 409') FROM kept, unnest('{0,2,-1,9223372036854775808}'::numeric[]) v WHERE name = 'small';
SELECT is(refusal(ask('PUT', '/' || (answer #>> '{body,id}'), good('{"version": 1, "code": "other"}'))), '400 IMMUTABLE IMMUTABLE at /code.', 'PUT with another code: 400')
	FROM kept WHERE name = 'small';
SELECT is(refusal(ask('POST', '', good(jsonb_build_object('code', 'new', m, answer #> ARRAY['body', m])))), format('400 UNKNOWN_KEY UNKNOWN_KEY at /%s.', m), 'POST with ' || m || ': 400')
	FROM kept, unnest('{id,dtCreated,dtLastModified,createdBy,lastModifiedBy}'::text[]) m WHERE name = 'small';
SELECT is(refusal(ask('PUT', '/' || (answer #>> '{body,id}'), good(jsonb_build_object('version', 1, m, 'other')))), format('400 IMMUTABLE IMMUTABLE at /%s.', m), 'PUT with another ' || m || ': 400')
	FROM kept, unnest('{id,dtCreated,dtLastModified,createdBy,lastModifiedBy}'::text[]) m WHERE name = 'small';
SELECT is(refusal(ask('PUT', '/' || (answer #>> '{body,id}'), ((answer -> 'body') || '{"version": 2, "dtLastModified": "2026-01-01T00:00:00Z"}')::text)),
	'409 VERSION_MISMATCH VERSION_MISMATCH at /version.', 'PUT of the whole meter as it is not: 409') FROM kept WHERE name = 'small';
SELECT is(refusal(ask(method, p, body)), '400 INVALID_TYPE INVALID_TYPE.', method || ' with ' || body || ' for a body: 400')
	FROM kept, unnest('{[],5,null,"\"x\"","[\"id\"]"}'::text[]) body, (VALUES ('POST', ''), ('PUT', '/')) o (method, prefix), LATERAL (SELECT CASE prefix WHEN '' THEN '' ELSE '/' || (answer #>> '{body,id}') END AS p) x
	WHERE name = 'small';
SELECT is(ask(method, p, body) -> 'status', '400', method || ' with ' || body || ': 400')
	FROM kept, unnest(ARRAY['{"name": ', '', '{x:1}', '{"name": "a\u0000b"}', '{"name": "\ud800"}']) body, (VALUES ('POST', ''), ('PUT', '/')) o (method, prefix), LATERAL (SELECT CASE prefix WHEN '' THEN '' ELSE '/' || (answer #>> '{body,id}') END AS p) x
	WHERE name = 'small';

--
-- Who may
--
CREATE TABLE operation (no serial, method text, path text, body text, scope text);
INSERT INTO operation (method, path, body, scope)
	SELECT o.* FROM kept, LATERAL (VALUES ('POST', '', good('{"code": "new"}'), 'admin'), ('LIST', '', NULL, 'read'), ('GET', '/' || (answer #>> '{body,id}'), NULL, 'read'),
		('PUT', '/' || (answer #>> '{body,id}'), good('{"version": 1}'), 'admin'), ('DELETE', '/' || (answer #>> '{body,id}'), NULL, 'admin')) o WHERE name = 'small';
SELECT is(refusal(ask(method, path, body, claims('b'))), '403 FOREIGN_ORGANIZATION FOREIGN_ORGANIZATION.', method || ' of another tenant: 403') FROM operation ORDER BY no;
SELECT is(ask(method, path, body, claims(NULL)) -> 'status', '401', method || ' without an organization in the claims: 401') FROM operation ORDER BY no;
SELECT is(ask(method, path, body, claims('x')) -> 'status', '401', method || ' with malformed claims: 401') FROM operation ORDER BY no;
SELECT is(refusal(ask(method, path, body, claims('a', more => '{"scope": "meter-report"}'))), '403 INSUFFICIENT_SCOPE INSUFFICIENT_SCOPE.', method || ' with another scope: 403')
	FROM operation ORDER BY no;
SELECT is(refusal(ask(method, path, body, claims('a', more => '{"scope": "read"}'))), '403 INSUFFICIENT_SCOPE INSUFFICIENT_SCOPE.', method || ' with the scope read: 403')
	FROM operation WHERE scope = 'admin' ORDER BY no;
SELECT is(ask(method, path, body, claims('a', 'meter_reader')) -> 'status', '403', method || ' by a reader: 403') FROM operation WHERE scope = 'admin' ORDER BY no;
SELECT is(refusal(ask(method, path, body, org => 'nonsense')), '400 INVALID_ORGANIZATION INVALID_ORGANIZATION.', method || ' of an orgId that is no UUID: 400')
	FROM operation ORDER BY no;
SELECT is(refusal(ask(method, '/' || id, body)), '404 NOT_FOUND', method || ' of ' || what || ': 404')
	FROM operation, (VALUES ('33333333-3333-3333-3333-333333333333', 'an id nobody has'), ('who', 'a code'), ('1', 'no UUID')) i (id, what)
	WHERE method IN ('GET', 'PUT', 'DELETE') ORDER BY no, what;
SELECT is(refusal(ask(method, path, body, claims('b'), 'b')), '404 NOT_FOUND', method || ' of another tenant''s id: 404')
	FROM operation WHERE method IN ('GET', 'PUT', 'DELETE') ORDER BY no;
SELECT is(everything(), state, 'none of these did anything') FROM before_refusals;
SELECT is(ask(method, path, body, claims('a', 'meter_reader', '{"scope": "openid read"}')) -> 'status', '200', method || ' by a reader with the scope read: 200')
	FROM operation WHERE scope = 'read' ORDER BY no;
SELECT is(ask('LIST', '', NULL, claims(NULL, 'meter_backend')) -> 'status', '200', 'a trusted role names the organization by the path alone');

--
-- Read, list
--
SELECT is(ask('GET', '/' || upper(answer #>> '{body,id}')) -> 'body', answer -> 'body', 'GET gives what POST gave') FROM kept WHERE name = 'full';
DO $$ BEGIN
	PERFORM meter.create_meter('00000000-0000-0000-0000-00000000000a', '{"key": "elsewhere", "metric_key": "e", "function": "max", "value_field": "n"}');
	PERFORM meter.create_meter('00000000-0000-0000-0000-00000000000b', '{"key": "foreign", "metric_key": "e", "function": "count"}');
END $$;
INSERT INTO kept SELECT 'list', ask('LIST', '');
SELECT is(keys(answer -> 'body'), 'data nextToken', 'LIST: data and nextToken') FROM kept WHERE name = 'list';
SELECT is((SELECT string_agg(left(d ->> 'code', 14), ',' ORDER BY d ->> 'code' COLLATE "C") FROM jsonb_array_elements(answer #> '{body,data}') d),
	'data processed,derived,elsewhere,who,x,üüüüüüüüüüüüüü', 'every meter of the organization, no other''s') FROM kept WHERE name = 'list';
SELECT is(answer #> '{body,nextToken}', 'null', 'and no token on the last page') FROM kept WHERE name = 'list';
SELECT is((SELECT d - '{id,dtCreated,dtLastModified,createdBy,lastModifiedBy}'::text[] FROM jsonb_array_elements(answer #> '{body,data}') d WHERE d ->> 'code' = 'elsewhere'),
	'{"version": 1, "name": "elsewhere", "code": "elsewhere", "customFields": {}, "productId": null, "groupId": null, "dataFields": [], "derivedFields": []}',
	'one that was made elsewhere has no fields') FROM kept WHERE name = 'list';
SELECT is((SELECT jsonb_agg(d ORDER BY o) FROM jsonb_array_elements(answer #> '{body,data}') WITH ORDINALITY x (d, o) WHERE d ->> 'code' = 'who'),
	(SELECT jsonb_build_array(k.answer -> 'body') FROM kept k WHERE k.name = 'small'), 'documents are those of GET') FROM kept WHERE name = 'list';
-- times of their own, as requests of their own would give
UPDATE meter.meter m SET created_at = '2026-01-01Z'::timestamptz + m.meter_no * interval '1 microsecond' WHERE organization_id = :'a' AND key <> 'x';
UPDATE meter.meter m SET created_at = (SELECT created_at FROM meter.meter WHERE key = 'who') WHERE organization_id = :'a' AND key = 'derived';
CREATE TABLE pages AS WITH RECURSIVE page (no, body) AS (
		SELECT 1, ask('LIST', '?pageSize=2') -> 'body'
		UNION ALL SELECT no + 1, ask('LIST', '?pageSize=2&nextToken=' || (body ->> 'nextToken')) -> 'body' FROM page WHERE body ->> 'nextToken' IS NOT NULL AND no < 10)
	SELECT * FROM page;
SELECT is((SELECT string_agg(jsonb_array_length(body -> 'data')::text, ',' ORDER BY no) FROM pages), '2,2,2', 'pages of two');
SELECT is((SELECT jsonb_agg(d ORDER BY no, o) FROM pages, jsonb_array_elements(body -> 'data') WITH ORDINALITY x (d, o)), ask('LIST', '') #> '{body,data}',
	'have all of them once, in the order of the whole');
SELECT is((SELECT array_agg(d ->> 'dtCreated' ORDER BY no, o) FROM pages, jsonb_array_elements(body -> 'data') WITH ORDINALITY x (d, o)),
	(SELECT array_agg(d ->> 'dtCreated' ORDER BY d ->> 'dtCreated' DESC) FROM pages, jsonb_array_elements(body -> 'data') d), 'newest first');
SELECT is(refusal(ask('LIST', '?' || query)), '400 ' || code || ' ' || code || '.', 'LIST ?' || query || ': 400')
	FROM (VALUES ('pageSize=0', 'INVALID_PARAMETER'), ('pageSize=-1', 'INVALID_PARAMETER'), ('pageSize=ten', 'INVALID_PARAMETER'), ('pageSize=1&pageSize=2', 'INVALID_PARAMETER'),
		('nextToken=x', 'INVALID_CURSOR'), ('nextToken=' || repeat('f', 48), 'INVALID_CURSOR'), ('limit=1', 'INVALID_PARAMETER')) q (query, code);
DO $$ BEGIN
	PERFORM meter.create_meter('00000000-0000-0000-0000-00000000000b', jsonb_build_object('key', 'm' || i, 'metric_key', 'e', 'function', 'count')) FROM generate_series(1, 104) i;
END $$;
SELECT is(jsonb_array_length(ask('LIST', '', claims => claims('b'), org => 'b') #> '{body,data}'), 50, '50 on a page by default');
SELECT is(jsonb_array_length(ask('LIST', '?pageSize=1000', claims => claims('b'), org => 'b') #> '{body,data}'), 100, 'and at most 100');

--
-- Replace
--
INSERT INTO kept SELECT 'replaced', ask('PUT', '/' || (answer #>> '{body,id}'), '{"name": "New", "code": "data processed", "version": 1,
	"dataFields": [{"category": "MEASURE", "code": "calls", "name": "Calls", "unit": "1"}], "derivedFields": []}', claims('a', more => '{"sub": "u-2"}')) FROM kept WHERE name = 'full';
SELECT is(answer -> 'status', '200', 'PUT: 200') FROM kept WHERE name = 'replaced';
SELECT is((answer -> 'body') - '{id,dtCreated,dtLastModified}'::text[], '{"version": 2, "name": "New", "code": "data processed", "customFields": {}, "productId": null, "groupId": null,
	"dataFields": [{"category": "MEASURE", "code": "calls", "name": "Calls", "unit": "1"}], "derivedFields": [], "createdBy": "u-1", "lastModifiedBy": "u-2"}',
	'the version is the next, what was left out is gone') FROM kept WHERE name = 'replaced';
SELECT ok(r.answer #>> '{body,dtLastModified}' > f.answer #>> '{body,dtLastModified}', 'it was modified later') FROM kept r, kept f WHERE r.name = 'replaced' AND f.name = 'full';
SELECT is(ask('GET', '/' || (answer #>> '{body,id}')) -> 'body', answer -> 'body', 'GET gives what PUT gave') FROM kept WHERE name = 'replaced';
SELECT is(refusal(ask('PUT', '/' || (answer #>> '{body,id}'), '{"name": "Again", "code": "data processed", "version": 1,
	"dataFields": [{"category": "MEASURE", "code": "calls", "name": "Calls"}], "derivedFields": []}')), '409 VERSION_MISMATCH VERSION_MISMATCH at /version.',
	'who saw version 1 does not overwrite version 2') FROM kept WHERE name = 'replaced';
INSERT INTO kept SELECT 'again', ask('PUT', '/' || (answer #>> '{body,id}'), (answer -> 'body')::text) FROM kept WHERE name = 'replaced';
SELECT is((a.answer -> 'body') - 'dtLastModified', ((r.answer -> 'body') - 'dtLastModified') || '{"version": 3, "lastModifiedBy": "u-1"}', 'a whole meter can be sent back')
	FROM kept a, kept r WHERE a.name = 'again' AND r.name = 'replaced';
SELECT is((SELECT string_agg(concat_ws(' ', version, function, value_field, created_by), ', ' ORDER BY version) FROM meter.meter_versions WHERE meter_key = 'data processed'),
	'1 sum gb u-1, 2 sum calls u-2, 3 sum calls u-1', 'it measures by its new fields');
INSERT INTO kept SELECT 'e', ask('PUT', '/' || id, '{"name": "E", "code": "elsewhere", "version": 1, "dataFields": [{"category": "MEASURE", "code": "m", "name": "M"}], "derivedFields": [],
	"customFields": {"a": 1}}') FROM meter.meters WHERE key = 'elsewhere';
SELECT is((SELECT concat_ws(' ', answer -> 'status', function, document ->> 'value_field', metric_key, document -> 'custom_fields') FROM kept, meter.meters
	WHERE kept.name = 'e' AND key = 'elsewhere'), '200 max n e {"a": 1}', 'one that was made elsewhere measures what it did');
DO $$ BEGIN
	PERFORM meter.create_meter('00000000-0000-0000-0000-00000000000a', '{"key": "counted", "metric_key": "e", "function": "count"}');
	PERFORM meter.update_meter('00000000-0000-0000-0000-00000000000a', 'who', '{"save_as_draft": true, "name": "Draft"}');
	PERFORM meter.archive_meter('00000000-0000-0000-0000-00000000000a', 'x', 'test');
END $$;
SELECT is((SELECT answer -> 'status' FROM (SELECT ask('PUT', '/' || id, good('{"code": "counted", "version": 1, "dataFields": [{"category": "MEASURE", "code": "m", "name": "M"}]}')) AS answer
	FROM meter.meters WHERE key = 'counted') a), '200', 'PUT gives fields to one that has none');
SELECT is((SELECT function FROM meter.meters WHERE key = 'counted'), 'count', 'but not a measure');
SELECT is((SELECT concat_ws(' ', b ->> 'version', b ->> 'name', b ->> 'lastModifiedBy') FROM (SELECT ask('GET', '/' || id) -> 'body' AS b FROM meter.meters WHERE key = 'who') a),
	'1 Who u-1', 'a draft is not seen yet');
SELECT is(refusal(ask('PUT', '/' || id, good('{"code": "x", "version": 1}'))), '409 CONFLICT', 'PUT of one that is archived: 409') FROM meter.meters WHERE key = 'x';

--
-- Delete
--
SELECT is(refusal(ask('DELETE', '/' || (answer #>> '{body,id}'))), '409 IN_USE What uses it: events it counted (2).', 'DELETE of one that has counted: 409') FROM kept WHERE name = 'replaced';
SELECT is(ask('DELETE', '/' || (answer #>> '{body,id}')) - 'headers', jsonb_build_object('status', 200, 'body', d.doc), 'DELETE: 200 with the meter')
	FROM kept, LATERAL (SELECT ask('GET', '/' || (answer #>> '{body,id}')) -> 'body' AS doc) d WHERE name = 'derived';
SELECT is(refusal(ask('DELETE', '/' || (answer #>> '{body,id}'))), '404 NOT_FOUND', 'and then it is not there') FROM kept WHERE name = 'derived';
SELECT is((SELECT count(*) FROM meter.meter_version v, kept WHERE name = 'derived' AND v.meter_id = (answer #>> '{body,id}')::uuid), 0::bigint, 'nor are its versions');

SELECT * FROM finish();
ROLLBACK;
