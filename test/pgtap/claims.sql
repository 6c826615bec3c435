-- request.jwt.claims is text that anybody may set who can set anything: whatever
-- stands there, it is one organization, none, or refused.
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS meter;
DO $$ BEGIN PERFORM meter.create_store(), meter.setup_roles(); END $$;
SELECT plan(64);

DO $$ BEGIN
	PERFORM meter.create_organization('a', '00000000-0000-4000-8000-00000000000a'), meter.create_organization('b', '00000000-0000-4000-8000-00000000000b');
	PERFORM meter.create_meter(o, '{"key": "calls", "metric_key": "call", "function": "count"}')
		FROM (VALUES ('00000000-0000-4000-8000-00000000000a'::uuid), ('00000000-0000-4000-8000-00000000000b')) AS v (o);
END $$;

-- Whose meters a reader with these claims sees, and why he may not call a function
-- with a's organization.
CREATE FUNCTION tried(role text, claims text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	seen text;
	refused text;
BEGIN
	PERFORM set_config('request.jwt.claims', claims, true), set_config('role', role, true);
	SELECT string_agg(right(organization_id::text, 1), '' ORDER BY organization_id) INTO seen FROM meter.meters;
	BEGIN
		PERFORM FROM meter.usage('00000000-0000-4000-8000-00000000000a', 'calls', '2026-01-01', '2026-02-01');
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS refused = PG_EXCEPTION_DETAIL;
		refused := SQLSTATE || ' ' || refused;
	END;
	PERFORM set_config('role', 'none', true), set_config('request.jwt.claims', '', true);
	RETURN concat_ws(' ', seen, refused);
END
$$;

\set a '"00000000-0000-4000-8000-00000000000a"'
\set b '"00000000-0000-4000-8000-00000000000b"'
CREATE TABLE claims (claims text, expected text);
INSERT INTO claims SELECT replace(replace(c, '$a', :'a'), '$b', :'b'), expected FROM (VALUES
	('', 'none'), ('{}', 'none'), ('{"organization_id": null}', 'none'), ('{"Organization_Id": $a}', 'none'), ('{"app": {"organization_id": $a}}', 'none'),
	('{"role": "meter_reader"}', 'none'),
	('{"organization_id": $a}', 'a'), ('{"org_id": $a}', 'a'), ('{"organization_id": $a, "org_id": $a}', 'a'), ('{"organization_id": $a, "org_id": null}', 'a'),
	('{"organization\u005fid": $a}', 'a'), ('{"organization_id": "00000000-0000-4000-8000-00000000000A"}', 'a'),
	(' { "x" : [1, {"y": "\ud83d\ude00"}], "organization_id" : $a } ', 'a'),
	-- as jsonb has it
	('{"organization_id": $b, "organization_id": $a}', 'a'), ('{"organization_id": $a, "organization_id": $b}', 'b'),
	(' ', 'malformed'), ('x', 'malformed'), ('[]', 'malformed'), ('null', 'malformed'), ('"{}"', 'malformed'), ('[{"organization_id": $a}]', 'malformed'),
	('{"organization_id": $a', 'malformed'), ('{"organization_id": $a} {}', 'malformed'), ('{"organization_id": $a,}', 'malformed'),
	('{"organization_id": 5}', 'malformed'), ('{"organization_id": true}', 'malformed'), ('{"organization_id": [$a]}', 'malformed'), ('{"organization_id": {"id": $a}}', 'malformed'),
	('{"organization_id": ""}', 'malformed'), ('{"organization_id": "*"}', 'malformed'), ('{"organization_id": "a"}', 'malformed'),
	('{"organization_id": "{00000000-0000-4000-8000-00000000000a}"}', 'malformed'), ('{"organization_id": "0000000000004000800000000000000a"}', 'malformed'),
	('{"organization_id": "00000000-0000-4000-8000-00000000000g"}', 'malformed'), ('{"organization_id": " 00000000-0000-4000-8000-00000000000a"}', 'malformed'),
	('{"organization_id": "00000000-0000-4000-8000-00000000000a\u0000"}', 'malformed'), ('{"organization_id": "\u00000000-0000-4000-8000-00000000000a"}', 'malformed'),
	('{"x": "\u0000", "organization_id": $a}', 'malformed'), ('{"organization_id\u0000": $b, "organization_id": $a}', 'malformed'), ('{"x": "\ud800", "organization_id": $a}', 'malformed'),
	('{"organization_id": $a, "org_id": $b}', 'malformed'), ('{"organization_id": $a, "org_id": 5}', 'malformed'), ('{"org_id": "", "organization_id": $a}', 'malformed'),
	('{"x": ' || repeat('[', 100000) || repeat(']', 100000) || ', "organization_id": $a}', 'malformed'),
	('{"x": ' || repeat('[', 30000) || repeat(']', 30000) || ', "organization_id": $a}', 'malformed'),
	('{"x": ' || repeat('{"y":', 10000) || '1' || repeat('}', 10000) || ', "organization_id": $a}', 'malformed'),
	('{"x": ' || repeat('[', 500), 'malformed'),
	('{"x": "' || repeat('x', 1000000) || '", "organization_id": $a}', 'malformed'),
	('{"organization_id": $a, "x": "' || repeat('x', 60000) || '"}', 'a')) AS v (c, expected);
SELECT is(tried('meter_reader', claims), CASE expected WHEN 'none' THEN '42501 ORGANIZATION_REQUIRED.' WHEN 'malformed' THEN '42501 INVALID_CLAIMS.'
		WHEN 'a' THEN 'a' ELSE expected || ' 42501 FOREIGN_ORGANIZATION.' END, format('%s: %s', expected, left(claims, 80)))
FROM claims;

-- Malformed claims are no claims for nobody: trusted roles and superusers are held to them too.
SELECT is(tried('meter_backend', ''), 'ab', 'a backend without claims');
SELECT is(tried('meter_backend', '{}'), 'ab', '... with claims that name no organization');
SELECT is(tried('meter_backend', format('{"organization_id": %s}', :'a')), 'a', '... with an organization');
SELECT is(tried('meter_backend', 'x'), '42501 INVALID_CLAIMS.', '... with what is malformed');
SELECT is(tried('postgres', 'x'), 'ab 42501 INVALID_CLAIMS.', 'a superuser, whom no policy binds');

-- Policies in parallel workers go by the same claims.
SELECT set_config(name, 'on', true) AS forced FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query') \gset
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SELECT is(tried('meter_reader', format('{"organization_id": %s}', :'a')), 'a', 'parallel workers');
SELECT set_config(name, 'off', true) AS forced FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query') \gset

-- Scopes
SELECT is(s.claims::text || ' ' || coalesce((SELECT set_config('request.jwt.claims', s.claims, true) = s.claims AND meter.has_scope('read'))::text, 'silent'), s.claims || ' ' || s.expected, s.claims)
FROM (VALUES ('{"scope": "write read"}', 'true'), ('{"scp": ["read"]}', 'true'), ('{"scopes": ["write", "read"]}', 'true'), ('{"scopes": "write"}', 'false'), ('{"scope": "readonly"}', 'false'), ('{"scope": 5}', 'false'), ('{}', 'silent')) AS s (claims, expected);
SELECT set_config('request.jwt.claims', '', true) AS none \gset

-- Ten thousand different ones, long and refused ones among them, leave one behind.
SELECT count(meter.tenant()) AS read FROM generate_series(1, 10000) AS i,
	LATERAL (SELECT set_config('request.jwt.claims', CASE i % 3 WHEN 0 THEN format('{"n": %s, "x": "%s", "organization_id": %s}', i, repeat('x', 1000), :'a')
		WHEN 1 THEN format('{"organization_id": "%s"}', gen_random_uuid()) ELSE format('{"n": %s, [', i) END, true) OFFSET 0) AS c \gset
SELECT ok(count(*) = 1 AND sum(total_bytes) < 65536, 'the session keeps the last claims only') FROM pg_backend_memory_contexts WHERE name = 'meter claims';

-- DROP EXTENSION ... CASCADE takes the policies of a store along, and leaves its
-- tables protected without.
DO $$ BEGIN
	DROP POLICY tenant ON meter.event;
	PERFORM meter.protect_tables();
END $$;
SELECT policies_are('meter', 'event', '{tenant}', 'a table that has lost its policy gets it back');

SELECT * FROM finish();
ROLLBACK;
