-- PUBLIC has nothing: a role without grants can not get at anything of meter.
-- Types keep core's default USAGE: it lets a column be declared, no data be
-- seen, and is worth nothing without USAGE of the schema.
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS meter;
DO $$ BEGIN PERFORM meter.create_store(); END $$;
SELECT plan(10);

CREATE VIEW meter_schemas AS
	SELECT oid, nspname, nspacl, nspowner FROM pg_namespace WHERE nspname IN ('meter', 'meter_api');

SELECT is_empty($$
	SELECT n.nspname, a.privilege_type
	FROM meter_schemas n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
	WHERE a.grantee = 0
$$, 'PUBLIC has no privilege on the schemas');

SELECT is_empty($$
	SELECT p.oid::regprocedure
	FROM pg_proc p JOIN meter_schemas n ON n.oid = p.pronamespace,
		 aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
	WHERE a.grantee = 0
$$, 'PUBLIC may execute no function');

SELECT is_empty($$
	SELECT c.oid::regclass, a.privilege_type
	FROM pg_class c JOIN meter_schemas n ON n.oid = c.relnamespace,
		 aclexplode(coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's'::"char" ELSE 'r' END, c.relowner))) a
	WHERE a.grantee = 0
$$, 'PUBLIC has no privilege on a table, view or sequence');

SELECT is_empty($$
	SELECT c.oid::regclass, t.attname, a.privilege_type
	FROM pg_class c JOIN meter_schemas n ON n.oid = c.relnamespace
	JOIN pg_attribute t ON t.attrelid = c.oid, aclexplode(t.attacl) a
	WHERE a.grantee = 0
$$, 'PUBLIC has no privilege on a column');

-- Looking at the lists is not enough: try it as somebody.
SELECT isnt_empty('SELECT FROM pg_proc p JOIN meter_schemas n ON n.oid = p.pronamespace', 'there are functions to try');
SELECT isnt_empty('SELECT FROM pg_class c JOIN meter_schemas n ON n.oid = c.relnamespace', 'there are relations to try');

CREATE ROLE meter_test_nobody;
GRANT SELECT ON meter_schemas TO meter_test_nobody;

SELECT is_empty($$
	SELECT p.oid::regprocedure FROM pg_proc p JOIN meter_schemas n ON n.oid = p.pronamespace
	WHERE has_function_privilege('meter_test_nobody', p.oid, 'EXECUTE')
$$, 'a role without grants may execute no function');

SELECT is_empty($$
	SELECT c.oid::regclass FROM pg_class c JOIN meter_schemas n ON n.oid = c.relnamespace
	WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
	  AND has_any_column_privilege('meter_test_nobody', c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')
$$, 'a role without grants may read or write no column');

SET ROLE meter_test_nobody;
SELECT throws_ok($$ SELECT meter.ingest('00000000-0000-0000-0000-000000000001', '[]') $$, '42501', NULL, 'nobody may call ingest');
SELECT throws_ok($$ SELECT * FROM meter.rejected_events $$, '42501', NULL, 'nobody may read the rejected events');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
