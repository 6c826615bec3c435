-- No function in C reads an argument that is null as if it were there: each is
-- called with nothing but nulls, and with a null in each place among arguments
-- that are well formed.  What must not happen is the end of the server, or an
-- error that no input is to blame for.
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS meter;
DO $$ BEGIN PERFORM meter.create_store(); END $$;
SELECT plan(5);

DO $$ BEGIN
	PERFORM meter.create_organization('a', '0a000000-0000-0000-0000-000000000001');
	PERFORM meter.create_meter('0a000000-0000-0000-0000-000000000001', '{"key": "calls", "name": "Calls", "metric_key": "call", "function": "count"}');
END $$;

CREATE FUNCTION sample(type regtype, place int) RETURNS text LANGUAGE sql AS $$
	SELECT CASE type::text
		WHEN 'uuid' THEN '0a000000-0000-0000-0000-000000000001'
		WHEN 'text' THEN CASE WHEN place = 2 THEN 'calls' ELSE 'x' END
		WHEN 'text[]' THEN '{x}' WHEN 'uuid[]' THEN '{0a000000-0000-0000-0000-000000000001}'
		WHEN 'json' THEN '{}' WHEN 'jsonb' THEN '{}' WHEN 'bytea' THEN '\x00'
		WHEN 'timestamp with time zone' THEN '2026-01-01 00:00Z' WHEN 'interval' THEN '1 hour'
		WHEN 'timestamp with time zone[]' THEN '{2026-01-01 00:00Z}'
		WHEN 'boolean' THEN 'true' WHEN 'pg_snapshot' THEN '1:1:' WHEN 'xid8' THEN '1'
		WHEN 'integer[]' THEN '{1}' WHEN 'numeric[]' THEN '{1}' WHEN 'bigint[]' THEN '{1}'
		ELSE CASE WHEN format_type(type, NULL) IN ('integer', 'bigint', 'smallint', 'numeric', 'double precision', 'real') THEN '1' END END
$$;

-- Each call: a null in the place (0: everywhere, -1: nowhere).
CREATE TABLE calls AS
	SELECT p.oid::regprocedure AS routine, place,
		format(CASE WHEN p.prokind = 'p' THEN 'CALL %s(%s)' ELSE 'SELECT * FROM %s(%s)' END, p.oid::regproc, a.list) AS statement,
		NULL::text AS state, NULL::text AS message
	FROM pg_proc AS p
	CROSS JOIN LATERAL generate_series(-1, p.pronargs) AS place
	CROSS JOIN LATERAL (SELECT string_agg(CASE WHEN place IN (0, t.n) THEN 'NULL' ELSE coalesce(quote_literal(sample(t.type, t.n::int)), 'NULL') END
			|| '::' || t.type::regtype, ', ' ORDER BY t.n) AS list
		FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY AS t (type, n)) AS a
	WHERE p.pronamespace IN ('meter'::regnamespace, 'meter_api'::regnamespace) AND p.prokind IN ('f', 'p') AND NOT p.proisstrict
		AND p.prolang = (SELECT l.oid FROM pg_language AS l WHERE l.lanname = 'c')
		AND p.prorettype NOT IN ('trigger'::regtype, 'internal'::regtype) AND 'internal'::regtype <> ALL (p.proargtypes);

DO $$
DECLARE
	call record;
	reason text;
	code text;
BEGIN
	FOR call IN SELECT c.ctid, c.* FROM calls AS c ORDER BY c.statement LOOP
		code := '00000';
		reason := NULL;
		BEGIN
			EXECUTE call.statement;
		EXCEPTION WHEN OTHERS THEN
			code := SQLSTATE;
			reason := SQLERRM;
		END;
		UPDATE calls AS c SET state = code, message = reason WHERE c.ctid = call.ctid;
	END LOOP;
END
$$;

SELECT cmp_ok(count(DISTINCT routine), '>=', 60::bigint, 'the functions in C that take nulls were called') FROM calls;
SELECT is(string_agg(statement || ': ' || state || ' ' || message, E'\n'), NULL, 'none says what only a defect can say')
	FROM calls WHERE state ~ '^(XX|58|42P|42601|0A)' AND place <> -1;

-- The name of an operation is the caller's.
SELECT throws_ok($$SELECT meter.http_answer(NULL)$$, '22004', NULL, 'an operation has a name');
SELECT throws_ok($$SELECT meter.http_answer('create_store', 'plain', '{}'::jsonb)$$, '42883', NULL, 'what gives nothing is no operation');
SELECT throws_ok($$SELECT meter.http_answer('wanted_jobs', 'plain', '{}'::jsonb)$$, '42883', NULL, 'what gives rows is none');
SELECT * FROM finish();
ROLLBACK;
