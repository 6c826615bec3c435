-- What is called STABLE or IMMUTABLE writes nothing: PostgREST serves it to GET in
-- a transaction that is read only.  And what is VOLATILE writes: nobody needs
-- POST to read.  All is taken from the catalog; a new function is held to it.
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS meter;
\ir ../lib/http_scene.sql

-- An argument of a function with a place in its call: null where it is left out.
CREATE FUNCTION argument_of(p pg_proc, place int, type oid) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT coalesce(quote_ident(nullif(p.proargnames[place], '')) || ' => ', '') || format('(%s)::%s', CASE
			WHEN c.relkind IN ('r', 'p', 'v') THEN format('SELECT x FROM %s AS x WHERE x.organization_id = org() LIMIT 1', c.oid::regclass)
			WHEN a.value <> 'DEFAULT' THEN a.value ELSE argument('', '', type::regtype) END, format_type(type, NULL))
	FROM pg_type AS y LEFT JOIN pg_class AS c ON c.oid = y.typrelid, LATERAL (SELECT argument(p.proname, coalesce(p.proargnames[place], ''), type::regtype)) AS a (value)
	WHERE y.oid = type AND (a.value <> 'DEFAULT' OR place <= p.pronargs - p.pronargdefaults)
$$;

-- The call of a function with plausible arguments: the required ones, or all.
CREATE FUNCTION call_of(function oid, required boolean) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT format('%s(%s)', function::regproc, string_agg(CASE WHEN p.provariadic <> 0 AND t.place = p.pronargs THEN 'VARIADIC ' ELSE '' END
		|| argument_of(p, t.place::int, t.oid), ', ' ORDER BY t.place))
	FROM pg_proc AS p LEFT JOIN unnest(p.proargtypes) WITH ORDINALITY AS t (oid, place)
		ON t.place <= p.pronargs - p.pronargdefaults OR NOT required
	WHERE p.oid = function
	GROUP BY p.oid
$$;

-- The SQLSTATE a statement ends with in a transaction that is read only.
CREATE FUNCTION read_only(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('transaction_read_only', 'on', true);
	EXECUTE statement;
	RAISE SQLSTATE 'ZZREA';
EXCEPTION
	WHEN SQLSTATE 'ZZREA' THEN RETURN '00000';
	WHEN OTHERS THEN RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;

-- The operations, as a reader asks; those with named arguments as /rpc/….
CREATE TABLE surface AS
	SELECT o.name, o.method, o.takes, o.volatility, o.path, r.status, r.body
	FROM operation AS o, LATERAL (SELECT CASE o.takes
			WHEN 'named' THEN format(CASE WHEN o.many THEN 'SELECT coalesce(jsonb_agg(to_jsonb(f)), ''[]'') FROM %s AS f' ELSE 'SELECT to_jsonb(%s)' END, call_of(o.oid, o.volatility <> 'v'))
			WHEN 'body' THEN format('SELECT to_jsonb(meter_api.%I(%L::json))', o.name, request_body(o.name))
			ELSE format('SELECT to_jsonb(meter_api.%I())', o.name) END) AS s (statement),
		LATERAL http_statement('GET', request_uri(o), s.statement, claims(CASE WHEN o.volatility = 'v' THEN 'meter_writer' ELSE 'meter_reader' END),
			CASE WHEN o.volatility = 'v' THEN '{"idempotency-key": "key"}' ELSE '{}' END::jsonb) AS r;

-- The core, as the owner with claims.
SELECT set_config('request.jwt.claims', claims('meter_admin')::text, true), set_config('request.headers',
	jsonb_build_object('x-original-uri', '/meters/' || meter_id('tokens'))::text, true) \g /dev/null
CREATE TABLE core AS
	SELECT p.oid::regprocedure::text AS function, p.proname::text AS name, s.statement, read_only(s.statement) AS state
	FROM pg_proc AS p, unnest('{t,f}'::boolean[]) AS required,
		LATERAL (SELECT format('SELECT count(*) FROM (SELECT * FROM %s) AS f', call_of(p.oid, required))) AS s (statement)
	WHERE p.pronamespace = 'meter'::regnamespace AND p.prokind = 'f' AND p.provolatile <> 'v'
		AND NOT p.proargtypes::oid[] && ARRAY['internal'::regtype, 'cstring'::regtype]::oid[]
		AND p.prorettype NOT IN ('internal'::regtype, 'trigger'::regtype);
SELECT set_config('request.jwt.claims', '', true), set_config('request.headers', '', true) \g /dev/null

SELECT plan(10);

SELECT matches(read_only('INSERT INTO meter.close_tick DEFAULT VALUES'), '^25006', 'what writes is noticed');
SELECT cmp_ok((SELECT count(*) FROM core), '>', 100::bigint, 'the core''s functions are called');
SELECT is_empty($$ SELECT function, state, statement FROM core WHERE state ~ '^(25006|XX|42883|42601|42P)' $$,
	'none of the core''s functions that are not volatile writes, or breaks');
-- what checks an argument, or an operation without its request, may refuse it
SELECT is_empty($$ SELECT function, state, statement FROM core WHERE state <> '00000' AND name !~ '^(check_|refuse_|raise_|http_)' $$,
	'and all others run to their end');

SELECT cmp_ok((SELECT count(*) FROM surface WHERE volatility <> 'v'), '>', 0::bigint, 'there are operations that read');
SELECT is_empty($$ SELECT name, path, status, body FROM surface WHERE volatility <> 'v' AND status <> 200 $$,
	'each is answered 200 to a reader, read only');
SELECT is_empty($$ SELECT name, path, status, body FROM surface WHERE volatility <> 'v' AND body::text LIKE '%FOREIGN%' $$,
	'without anything of another organization''s');
SELECT is_empty($$ SELECT name, path, status, body FROM surface WHERE volatility = 'v' AND status <> 405 $$,
	'each operation that is volatile writes: read only, it is answered 405');
SELECT is_empty($$ SELECT name, method, volatility FROM surface WHERE (method = 'GET') <> (volatility <> 'v') $$,
	'what comes by GET is not volatile, and nothing else is');
SELECT is_empty($$
	SELECT c.oid::regclass, r.status, r.body FROM pg_class AS c,
		LATERAL http_statement('GET', '/rest/' || c.relname, format('SELECT coalesce(jsonb_agg(to_jsonb(v)), ''[]'') FROM %s AS v', c.oid::regclass), claims('meter_reader')) AS r
	WHERE c.relnamespace = 'meter_api'::regnamespace AND c.relkind = 'v' AND (r.status <> 200 OR r.body::text LIKE '%FOREIGN%')
$$, 'a reader reads every view, read only, and nothing of another organization''s');

SELECT * FROM finish();
ROLLBACK;
