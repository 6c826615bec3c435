-- A SECURITY DEFINER function looks names up only where nobody else can put
-- something in the way; and no view shows rows past their policies.
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS meter;
DO $$ BEGIN PERFORM meter.create_store(); END $$;
SELECT plan(6);

CREATE VIEW functions AS
	SELECT p.*, coalesce((SELECT substr(s, length('search_path=') + 1) FROM unnest(p.proconfig) s
						  WHERE s LIKE 'search_path=%'), '') AS search_path
	FROM pg_proc p WHERE p.pronamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('meter', 'meter_api'));

SELECT is_empty($$
	SELECT oid::regprocedure, search_path FROM functions
	WHERE prosecdef AND replace(search_path, ' ', '') NOT IN ('pg_catalog,pg_temp', 'pg_catalog,meter,pg_temp', '""', '''''')
$$, 'every SECURITY DEFINER function has a search_path of trusted schemas, pg_temp last');

-- Running with the caller's path and unqualified names is the same hole, for
-- whoever calls it as a privileged role.
SELECT is_empty($$
	SELECT p.oid::regprocedure FROM functions p JOIN pg_language l ON l.oid = p.prolang
	WHERE l.lanname = 'plpgsql' AND p.search_path = ''
$$, 'every plpgsql function has a search_path');

SELECT is_empty($$
	SELECT oid::regprocedure FROM functions WHERE proleakproof
$$, 'no function is LEAKPROOF');

SELECT is_empty($$
	SELECT p.oid::regprocedure FROM functions p JOIN pg_language l ON l.oid = p.prolang
	WHERE l.lanname NOT IN ('c', 'sql', 'plpgsql', 'internal')
$$, 'no other language is needed');

-- The functions work with hostile objects in front in the caller's path.
CREATE SCHEMA hostile;
CREATE FUNCTION hostile.now() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE 'hostile now()'; END $$;
CREATE FUNCTION hostile.lower(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'hostile lower()'; END $$;
CREATE FUNCTION hostile.coalesce_text(text, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'hostile'; END $$;
CREATE FUNCTION hostile.eq(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'hostile ='; END $$;
CREATE FUNCTION hostile.eq(uuid, uuid) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'hostile ='; END $$;
CREATE OPERATOR hostile.= (FUNCTION = hostile.eq, LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR hostile.= (FUNCTION = hostile.eq, LEFTARG = uuid, RIGHTARG = uuid);
CREATE FUNCTION hostile.meter_calls() RETURNS numeric LANGUAGE plpgsql SET search_path = hostile, pg_catalog AS $$
DECLARE
	org uuid := meter.create_organization('hostile');
	result numeric;
BEGIN
	PERFORM meter.create_meter(org, '{"key": "calls", "name": "Calls", "metric_key": "call", "function": "sum",
		"value_field": "$.n", "dimensions": {"model": "$.model"}}');
	PERFORM meter.ingest(org, '[{"id": "e1", "source": "s", "type": "call", "subject": "ada", "data": {"n": 2, "model": "a"}},
		{"id": "e1", "source": "s", "type": "call", "subject": "ada", "data": {"n": 2, "model": "a"}},
		{"id": "e2", "source": "s", "type": "call", "subject": "ada", "data": {"n": "no", "model": "a"}},
		{"id": "e3", "source": "s", "type": "nothing", "subject": "ada", "data": {"n": 3, "model": "a"}}]');
	SELECT value INTO result FROM meter.usage(org, 'calls', pg_catalog.now() - interval '1 day', pg_catalog.now() + interval '1 day',
		group_by => '{model,subject}', filter => '{"field": "subject", "op": "eq", "value": "ada"}');
	RETURN result;
END
$$;
SELECT lives_ok('CREATE TABLE answer AS SELECT hostile.meter_calls() AS value', 'a hostile search_path is not looked at');
CREATE TABLE IF NOT EXISTS answer (value numeric);
SELECT is((SELECT value FROM answer), 2::numeric, 'and changes nothing');

SELECT * FROM finish();
ROLLBACK;
