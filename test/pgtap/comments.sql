-- Everything a user can name says what it is: the reference is made of these
-- comments.
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS meter;
DO $$ BEGIN PERFORM meter.create_store(); END $$;
SELECT plan(7);

CREATE VIEW meter_schemas AS
	SELECT oid, nspname FROM pg_namespace WHERE nspname IN ('meter', 'meter_api');

-- partitions are described by their parent
CREATE VIEW relations AS
	SELECT c.oid, c.relkind FROM pg_class c JOIN meter_schemas n ON n.oid = c.relnamespace
	WHERE c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition;

SELECT is_empty($$
	SELECT nspname FROM meter_schemas WHERE obj_description(oid, 'pg_namespace') IS NULL
$$, 'every schema has a comment');

SELECT is_empty($$
	SELECT p.oid::regprocedure FROM pg_proc p JOIN meter_schemas n ON n.oid = p.pronamespace
	WHERE (length(obj_description(p.oid, 'pg_proc')) < 20 OR obj_description(p.oid, 'pg_proc') IS NULL)
	  AND 'internal'::regtype <> ALL (p.prorettype || p.proargtypes::oid[])	-- no user can call these
	ORDER BY 1::text
$$, 'every function and aggregate has a comment');

SELECT is_empty($$
	SELECT oid::regclass FROM relations WHERE obj_description(oid, 'pg_class') IS NULL ORDER BY 1::text
$$, 'every table and view has a comment');

SELECT is_empty($$
	SELECT r.oid::regclass, a.attname FROM relations r JOIN pg_attribute a ON a.attrelid = r.oid
	WHERE a.attnum > 0 AND NOT a.attisdropped AND col_description(r.oid, a.attnum) IS NULL
	ORDER BY 1::text, a.attnum
$$, 'every column has a comment');

SELECT is_empty($$
	SELECT t.oid::regtype FROM pg_type t JOIN meter_schemas n ON n.oid = t.typnamespace
	WHERE t.typrelid = 0 AND t.typelem = 0 AND obj_description(t.oid, 'pg_type') IS NULL
$$, 'every type has a comment');

-- a comment that stands for two things describes neither
SELECT is_empty($$
	SELECT c.description FROM relations r JOIN pg_description c ON c.objoid = r.oid AND c.classoid = 'pg_class'::regclass
	WHERE c.objsubid = 0 GROUP BY 1 HAVING count(*) > 1
$$, 'no two relations have the same comment');

SELECT isnt_empty('TABLE relations', 'there were relations to look at');

SELECT * FROM finish();
ROLLBACK;
