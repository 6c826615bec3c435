-- Hostile requests: every operation of meter_api, as the catalog has them, gets
-- texts that mean something to somebody (quotes, patterns, encodings, numbers,
-- megabytes) in every place where it takes one: segments of the path, names and
-- values of parameters, headers, claims, members of the body, named arguments.
-- It must answer with a status below 500 and a stable code, or with what is right
-- (nothing of another organization's), within a second (test.slow: so many ms, for a
-- server that is slowed down), and what it refused must leave nothing behind.
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS meter;
\ir ../lib/http_scene.sql

-- something for patterns to work on
SELECT meter.create_meter(org(), jsonb_build_object('key', 'aaa', 'name', repeat('a', 190) || 'b', 'metric_key', 'aaa', 'function', 'count'))
	\g /dev/null
SELECT meter.create_device(org(), jsonb_build_object('name', repeat('a', 190) || 'b', 'serial_number', 'aaa', 'meter_type', 'GAS', 'communication_type', 'NONE'))
	\g /dev/null

-- PostgREST takes no headers longer than 50 kB in all, so no line is longer, either.
CREATE TABLE hostile (name text PRIMARY KEY, value text NOT NULL);
INSERT INTO hostile (name, value) VALUES
	('empty', ''), ('blank', ' '), ('quote', ''''), ('quotes', '"'), ('backslash', '\'), ('quoted backslash', '\'''), ('dollars', '$$'), ('dollar one', '$1'),
	('drop', '''; DROP TABLE meter.event CASCADE; --'), ('or', ''' OR ''1''=''1'), ('union', ''' UNION SELECT document::text FROM meter.meters --'),
	('sleep', '''||pg_sleep(5)||'''), ('identifier', 'name"; SELECT pg_sleep(5); --'), ('sort column', 'name, (SELECT pg_sleep(5))'),
	('column of another table', 'organization_id'), ('oid', 'tableoid'), ('ctid', 'ctid'), ('row', 'm.*'), ('comment', '/**/'), ('comments', '--'),
	('percent', '%'), ('percents', '%%'), ('underscore', '_'), ('star', '*'), ('question', '?'), ('format', '%s%n%I'), ('and', '&'), ('hash', '#'), ('semicolon', ';'),
	('comma', ','), ('commas', repeat(',', 10000)), ('dots', '....'), ('dot', '.'), ('op', 'eq'), ('name.op', 'name.eq'), ('parens', '((((('), ('brackets', '[['), ('braces', '{{'),
	('array', '{}'), ('array of nulls', '{NULL,NULL}'), ('bad array', '{{{'), ('json', '{"$ne": null}'), ('json array', '[1,2]'), ('deep json', repeat('[', 5000)),
	('pattern of nests', '(a+)+$'), ('pattern of choices', '(a|aa)+$'), ('pattern of references', '(a*)(a*)(a*)(a*)(a*)\1\2\3\4\5c'), ('pattern of repeats', '((a{1,100}){1,100}){1,100}'),
	('pattern, long', repeat('(a?)', 500) || repeat('a', 500)), ('pattern, classes', repeat('[[:alpha:]]*', 500)), ('pattern, open', '[a-'), ('pattern, lookahead', '(?=a)(?!b)'),
	('pattern of director', '***:a'), ('like', repeat('%a', 1000)), ('like, blanks', repeat('_%', 1000)), ('like, escape', 'a\'),
	('zero', '0'), ('minus one', '-1'), ('minus zero', '-0'), ('plus', '+5'), ('fraction', '1.5'), ('more than int', '2147483648'), ('more than bigint', '9223372036854775808'),
	('many digits', repeat('9', 10000)), ('huge', '1e1000000'), ('tiny', '1e-1000000'), ('hex', '0x10'), ('NaN', 'NaN'), ('Infinity', 'Infinity'), ('-infinity', '-infinity'), ('other digits', '٣'), ('wide digits', '１０'),
	('now', 'now'), ('epoch', 'epoch'), ('year 294276', '294276-12-31T23:59:59Z'), ('year 300000', '300000-01-01T00:00:00Z'), ('4713 BC', '4713-01-01 BC'), ('month 13', '2025-13-45T99:99:99Z'),
	('offset', '2025-01-01T00:00:00+99:99'), ('zone', '2025-01-01 00:00 Mars/Base'), ('interval', '-178000000 years'),
	('true', 'true'), ('null', 'null'), ('None', 'None'), ('undefined', 'undefined'),
	('nil uuid', '00000000-0000-0000-0000-000000000000'), ('foreign uuid', '5cee0000-0000-4000-8000-000000000002'), ('uuid without dashes', '5cee0000000040008000000000000001'),
	('uuid in braces', '{5cee0000-0000-4000-8000-000000000001}'), ('uuid and more', '5cee0000-0000-4000-8000-000000000001''--'),
	('traversal', '../../../etc/passwd'), ('slash', '/'), ('header', E'a\r\nSet-Cookie: a=b'), ('tab', E'\t'), ('control', E'\x01\x02\x7f'),
	('right to left', E'\u202Egpj.exe'), ('no width', E'\u200B\uFEFF'), ('combining', 'Z' || repeat(E'\u0301', 1000)), ('emoji', E'\U0001F4A9'), ('not a character', E'\uFFFF\uFDD0'),
	('Turkish', 'İı'), ('lower grows', repeat('İ', 1000)), ('markup', '<script>alert(1)</script>'), ('lookup', '${jndi:ldap://x/y}'), ('template', '{{7*7}}'),
	('expression', 'n + n'), ('deep expression', repeat('(', 5000)), ('path', '$.a.b'), ('deep path', '$' || repeat('.a', 5000)), ('wild path', '$[*]..*'), ('filter path', '$[?(@.a == 1)]'),
	('long', repeat('a', 60000)), ('long words', repeat('long ', 10000)), ('percents, long', repeat('%', 20000)), ('quotes, long', repeat('''', 20000));

-- JSON that no text is
CREATE TABLE hostile_json (name text PRIMARY KEY, value text NOT NULL);
INSERT INTO hostile_json VALUES
	('null', 'null'), ('true', 'true'), ('array', '[]'), ('array of nulls', '[null, null]'), ('arrays', '[[], [[]]]'), ('object', '{}'), ('objects', '[{}, {}]'), ('empty key', '{"": ""}'),
	('zero', '0'), ('minus one', '-1'), ('minus zero', '-0'), ('fraction', '0.1'), ('huge', '1e1000000'), ('tiny', '1e-1000000'), ('1e131072', '1e131072'), ('1e400', '1e400'), ('more than bigint', '9223372036854775808'),
	('many digits', repeat('9', 100000)), ('NUL', '"a\u0000b"'), ('half a pair', '"\ud800"'), ('pair', '"\ud83d\ude00"'), ('deep arrays', repeat('[', 300) || repeat(']', 300)),
	('deep objects', repeat('{"a":', 300) || '1' || repeat('}', 300)), ('deeper', repeat('[', 3000) || repeat(']', 3000)), ('trees', repeat('{"not":', 300) || '{}' || repeat('}', 300)),
	('tree', '{"field": "$.a", "op": "matches", "value": "(a+)+$"}'), ('schema', '{"$ref": "http://localhost/"}'), ('schema of itself', '{"$ref": "#"}'), ('pattern', '{"pattern": "((a{1,100}){1,100}){1,100}"}'),
	('many elements', '[' || repeat('1,', 20000) || '1]'), ('many members', '{' || (SELECT string_agg(format('"k%s":1', i), ',') FROM generate_series(1, 20000) AS i) || '}'),
	('twice', '{"a": 1, "a": 2}'), ('proto', '{"__proto__": {"admin": true}}');
INSERT INTO hostile_json SELECT 'text: ' || name, to_json(value)::text FROM hostile;
INSERT INTO hostile_json SELECT 'a megabyte of ' || c, to_json(repeat(c, 1000000))::text FROM unnest(ARRAY['a', '"']) AS c;

CREATE FUNCTION encoded(value text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT regexp_replace(encode(convert_to(value, 'UTF8'), 'hex'), '(..)', '%\1', 'g')
$$;

-- What all others have, and whether all is there: of what is undone.
CREATE FUNCTION damage() RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', (SELECT count(*) FROM pg_class), (SELECT md5(string_agg(m::text, ' ' ORDER BY m.id)) FROM meter.meter AS m WHERE organization_id <> org()),
		(SELECT count(*) FROM meter.event WHERE organization_id <> org()), (SELECT count(*) FROM meter.device WHERE organization_id <> org()),
		(SELECT count(*) FROM meter.threshold WHERE organization_id <> org()))
$$;
-- Every row of every table.
CREATE FUNCTION fingerprint() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	target regclass;
	rows text;
	result text := '';
BEGIN
	FOR target IN SELECT oid FROM pg_class WHERE relnamespace = 'meter'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY oid LOOP
		EXECUTE format('SELECT concat(count(*), '' '', sum(hashtext(t::text)::bigint)) FROM %s AS t', target) INTO rows;
		result := result || format('%s %s, ', target, rows);
	END LOOP;
	RETURN result;
END
$$;

CREATE TABLE finding (operation text, attack text, status int, ms int, problem text, body text);
CREATE TABLE tried (operation text, requests bigint, ms int);
CREATE TABLE undamaged (value text);

-- One request.  What succeeds is undone; what is wrong with the answer is found.
CREATE FUNCTION attack(op operation, attack text, uri text, body text DEFAULT NULL, headers jsonb DEFAULT '{}', claims jsonb DEFAULT NULL,
	statement text DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	answer http_response;
	start timestamptz := clock_timestamp();
	ms int;
	damaged boolean := false;
	code text;
	problem text;
BEGIN
	claims := coalesce(claims, claims(CASE WHEN op.method = 'GET' THEN 'meter_reader' ELSE 'meter_writer' END));
	headers := '{"idempotency-key": "key"}' || headers;
	BEGIN
		IF statement IS NULL THEN
			answer := http(op.method, uri, op.name, body, claims, headers);
		ELSE
			answer := http_statement(op.method, uri, statement, claims, headers);
		END IF;
		ms := extract(epoch FROM clock_timestamp() - start) * 1000;
		IF answer.status < 400 THEN
			IF op.method <> 'GET' THEN
				damaged := damage() <> (SELECT value FROM undamaged);
			END IF;
			RAISE SQLSTATE 'ZZUND';
		END IF;
	EXCEPTION WHEN SQLSTATE 'ZZUND' THEN
		NULL;
	END;
	code := coalesce(answer.body ->> 'code', answer.body ->> 'error', '');
	problem := CASE
		-- what PostgreSQL itself makes no argument or column of, for its depth, is out of reach
		WHEN answer.status IS NULL OR answer.status >= 500 AND NOT (op.takes = 'named' AND code IN ('54000', '54001')) THEN 'status'
		WHEN ms > coalesce(current_setting('test.slow', true)::int, 1000) THEN 'slow'
		WHEN damaged THEN 'damage'
		WHEN answer.body::text LIKE '%FOREIGN%' AND coalesce(code, '') <> 'FOREIGN_ORGANIZATION' THEN 'foreign'
		-- what is not even an argument is PostgREST's to refuse
		WHEN answer.status >= 400 AND code !~ CASE WHEN op.takes = 'path' THEN '^[A-Z][A-Z_.]+$' ELSE '^([A-Z][A-Z_.]+|22...|5400[01])$' END THEN 'code'
		WHEN answer.status >= 400 AND coalesce(answer.body ->> 'message', '') = '' THEN 'message'
		WHEN answer.status >= 400 AND length(answer.body::text) > 20000 + 2 * length(coalesce(body, statement, '')) AND code !~ '^22...$' THEN 'length' END;
	IF problem IS NOT NULL THEN
		INSERT INTO finding VALUES (op.name, left(attack, 100), answer.status, ms, problem, left(answer.body::text, 300));
	END IF;
END
$$;

-- The places of a text in a request line: segments, then parameters.
CREATE FUNCTION attack_line(op operation) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	uri text := request_uri(op);
	path text := split_part(uri, '?', 1);
	base text := CASE WHEN uri LIKE '%?%' THEN uri || '&' ELSE uri || '?' END;
	body text := request_body(op.name)::text;
	-- those that its route names; a filter has a field and an op
	own text[] := regexp_split_to_array(replace(substring(obj_description(op.oid) FROM '^[A-Z]+ [^?: ]*\?([^: ]*)'), 'field.op=value',
		'key.eq&name.matches&name.contains&name.starts_with&name.in&id.eq&created_at.gte&dimensions.contains&event_schema.eq&negative_allowed&value_field.exists&updated_at.in&document.eq&name.or&name.'),
		'(=[^&]*)?&|=[^&]*$');
	-- what every request runs through is attacked through the first operation of a kind
	first boolean := op.name = 'report_meter_usage' OR op.name IN (SELECT min(name) FROM operation GROUP BY method, takes);
	parameter text;
	segment text;
	h hostile;
	requests bigint := 0;
BEGIN
	FOR h IN SELECT * FROM hostile ORDER BY name LOOP
		FOREACH segment IN ARRAY string_to_array(ltrim(path, '/'), '/') LOOP
			PERFORM attack(op, format('%s as segment %s', h.name, left(segment, 36)), replace(path, '/' || segment, '/' || encoded(h.value)), body);
			requests := requests + 1;
		END LOOP;
		-- a change reads its body
		CONTINUE WHEN op.takes = 'body' AND NOT first;
		FOREACH parameter IN ARRAY own || '{limit,query}'::text[] LOOP
			PERFORM attack(op, format('%s as %s', h.name, parameter), base || parameter || '=' || encoded(h.value), body);
			requests := requests + 1;
		END LOOP;
		PERFORM attack(op, h.name || ' as a parameter', base || encoded(h.value) || '=1', body),
			attack(op, h.name || ' as an op', base || 'name.' || encoded(h.value) || '=1', body),
			attack(op, h.name || ' as it is', base || replace(replace(h.value, '?', ''), ' ', ''), body);
		requests := requests + 3;
		CONTINUE WHEN NOT first;
		PERFORM attack(op, h.name || ' as a key', uri, body, jsonb_build_object('idempotency-key', h.value)),
			attack(op, h.name || ' as another key', uri, body, jsonb_build_object('idempotency-key', NULL, 'x-api-idempotency-key', h.value)),
			attack(op, h.name || ' as Prefer', uri, body, jsonb_build_object('prefer', h.value)),
			attack(op, h.name || ' as the line', uri, body, jsonb_build_object('x-original-uri', h.value)),
			attack(op, h.name || ' as the tenant', uri, body, claims => claims('meter_writer') || jsonb_build_object('organization_id', replace(h.value, foreign_org()::text, '5cee'))),
			attack(op, h.name || ' as another tenant', uri, body, claims => claims('meter_writer') || jsonb_build_object('org_id', h.value)),
			attack(op, h.name || ' as the caller', uri, body, claims => claims('meter_writer') || jsonb_build_object('sub', h.value)),
			attack(op, h.name || ' as the scope', uri, body, claims => claims('meter_writer', h.value));
		requests := requests + 8;
	END LOOP;
	RETURN requests;
END
$$;

-- Request lines that no encoded text gives.
CREATE FUNCTION attack_encoding(op operation) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	uri text := request_uri(op);
	base text := CASE WHEN uri LIKE '%?%' THEN uri || '&' ELSE uri || '?' END;
	body text := request_body(op.name)::text;
	bad text;
	requests bigint := 0;
BEGIN
	FOREACH bad IN ARRAY ARRAY['%00', 'a%00b', '%c0%af', '%c0%80', '%e0%80%af', '%f8%88%80%80%80', '%ed%a0%80', '%ff', '%fe%ff', '%80', '%f4%90%80%80', '%', '%2', '%zz', '%%32%35', '+', '=', '&&&&', '==', '#', ';',
			'a=b=c', '&=&=', '%26limit=1', '%3d', repeat('%41', 20000), repeat('a&', 20000), repeat('a=b&', 10000), repeat('limit=1&', 6000), repeat('name.neq=b&', 4000), repeat('status=active&', 4000),
			(SELECT string_agg(i || '=', '&') FROM generate_series(1, 10000) AS i), repeat('&', 50000)]
	LOOP
		PERFORM attack(op, bad || ' as a query', base || bad, body), attack(op, bad || ' as a value', base || 'limit=' || bad, body),
			attack(op, bad || ' as a text', base || 'query=' || bad || '&name.contains=' || bad, body),
			attack(op, bad || ' as a segment', regexp_replace(uri, '[^/?]+(?=$|\?)', replace(bad, '\', '\\')), body),
			attack(op, bad || ' behind the path', split_part(uri, '?', 1) || '/' || bad, body);
		requests := requests + 5;
	END LOOP;
	PERFORM attack(op, 'no line', uri, body, '{"x-original-uri": null}'), attack(op, 'a number as line', uri, body, '{"x-original-uri": 1}'),
		attack(op, 'slashes', repeat('/', 50000), body), attack(op, 'only a query', '?a=b', body), attack(op, 'a longer path', split_part(uri, '?', 1) || repeat('/a', 10000), body),
		attack(op, 'an absolute line', 'http://localhost' || uri, body);
	RETURN requests + 6;
END
$$;

-- Every place in a document: its path.
CREATE FUNCTION places(document jsonb) RETURNS SETOF text[] LANGUAGE sql AS $$
	WITH RECURSIVE place (path, value) AS (
		SELECT '{}'::text[], document
		UNION ALL
		SELECT p.path || c.key, c.value FROM place AS p, LATERAL (
			SELECT e.key, e.value FROM jsonb_each(CASE jsonb_typeof(p.value) WHEN 'object' THEN p.value ELSE '{}' END) AS e
			UNION ALL
			SELECT (a.place - 1)::text, a.value FROM jsonb_array_elements(CASE jsonb_typeof(p.value) WHEN 'array' THEN p.value ELSE '[]' END) WITH ORDINALITY AS a (value, place)) AS c
	)
	SELECT path FROM place WHERE path <> '{}'
$$;

-- A document has many places: each gets every JSON, and each fourth of the texts.
CREATE FUNCTION attack_body(op operation) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	turn int := 0;
	uri text := request_uri(op);
	body jsonb := request_body(op.name);
	place text[];
	h hostile_json;
	requests bigint := 0;
BEGIN
	FOR h IN SELECT * FROM hostile_json UNION ALL
		SELECT 'raw: ' || b, b FROM unnest(ARRAY['', ' ', '{', '{"a"', '{"a":}', 'x', '{''a'': 1}', '{"a": 01}', E'{"a": "\t"}', '{} {}', repeat('{"a":', 3000)]) AS b
	LOOP
		PERFORM attack(op, h.name || ' as the body', uri, h.value);
		FOR place IN SELECT * FROM places(body) LOOP
			turn := turn + 1;
			CONTINUE WHEN h.name LIKE 'text: %' AND turn % 4 <> 0;
			PERFORM attack(op, format('%s at %s', h.name, place), uri, replace(jsonb_set(body, place, '"@HERE@"')::text, '"@HERE@"', h.value));
			requests := requests + 1;
		END LOOP;
		IF jsonb_typeof(body) = 'object' THEN
			PERFORM attack(op, h.name || ' as a member', uri, rtrim(body::text, '}') || ', "surprise": ' || h.value || '}');
		END IF;
		requests := requests + 2;
	END LOOP;
	FOR place IN SELECT ARRAY[value] FROM hostile LOOP
		PERFORM attack(op, left(place[1], 50) || ' as a member''s name', uri, CASE jsonb_typeof(body) WHEN 'object' THEN body || jsonb_build_object(place[1], 1) ELSE jsonb_build_object(place[1], 1) END::text);
		requests := requests + 1;
	END LOOP;
	RETURN requests;
END
$$;

-- Named arguments come as texts, or as JSON where they are documents.
CREATE FUNCTION attack_arguments(op operation) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	p pg_proc;
	target int;
	type text;
	h record;
	arguments text;
	requests bigint := 0;
BEGIN
	SELECT * INTO p FROM pg_proc WHERE oid = op.oid;
	FOR target IN 1 .. p.pronargs LOOP
		type := format_type(p.proargtypes[target - 1], NULL);
		SELECT string_agg(format('%I => (%s)::%s', p.proargnames[i], CASE WHEN i = target THEN '@HERE@'
				WHEN a.value = 'DEFAULT' THEN argument('', '', p.proargtypes[i - 1]::regtype) ELSE a.value END, format_type(p.proargtypes[i - 1], NULL)), ', ')
			INTO arguments
			FROM generate_series(1, p.pronargs) AS i, argument(p.proname, p.proargnames[i], p.proargtypes[i - 1]::regtype) AS a (value)
			WHERE i = target OR i <= p.pronargs - p.pronargdefaults;
		FOR h IN SELECT name, value FROM hostile UNION ALL SELECT name, value FROM hostile_json WHERE type IN ('json', 'jsonb') LOOP
			PERFORM attack(op, format('%s as %s', h.name, p.proargnames[target]), '/rpc/' || op.name, statement => format(
				CASE WHEN op.many THEN 'SELECT coalesce(jsonb_agg(to_jsonb(f)), ''[]'') FROM meter_api.%I(%s) AS f' ELSE 'SELECT to_jsonb(meter_api.%I(%s))' END,
				op.name, replace(arguments, '@HERE@', quote_literal(h.value))));
			requests := requests + 1;
		END LOOP;
	END LOOP;
	RETURN requests;
END
$$;

-- Views that are written: a row as PostgREST makes it of the body, with each column in turn.
CREATE VIEW written AS
	SELECT c.relname::text AS name, CASE c.relname
			WHEN 'meters' THEN request_body('create_meter') WHEN 'customers' THEN request_body('create_customer') WHEN 'products' THEN request_body('create_product')
			WHEN 'devices' THEN request_body('create_device') - 'account_id'
			WHEN 'subscriptions' THEN '{"customer_id": "ada"}'
			WHEN 'thresholds' THEN '{"name": "other", "meter_key": "tokens", "threshold_value": 5}'
			WHEN 'meter_bindings' THEN jsonb_build_object('meter_id', meter_id('m3ter'), 'product_id', (SELECT id FROM meter.product WHERE organization_id = org() LIMIT 1), 'pricing_var_name', 'x')
			WHEN 'events' THEN request_body('ingest') -> 0
			WHEN 'readings' THEN jsonb_build_object('device_id', device_id()::int, 'value', 30, 'read_at', '2025-03-01T00:00:00Z') END AS body
	FROM pg_class AS c JOIN pg_trigger AS t ON t.tgrelid = c.oid AND t.tgname = 'write_view'
	WHERE c.relnamespace = 'meter_api'::regnamespace;

CREATE FUNCTION attack_view(target written) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	-- what attack() looks at of an operation
	op operation := (0, 'view ' || target.name, 'POST', '/rest/' || target.name, 'v', false, 'named');
	turn int := 0;
	c record;
	h hostile_json;
	requests bigint := 0;
BEGIN
	FOR c IN SELECT attname AS name FROM pg_attribute WHERE attrelid = ('meter_api.' || target.name)::regclass AND attnum > 0 LOOP
		FOR h IN SELECT * FROM hostile_json LOOP
			turn := turn + 1;
			CONTINUE WHEN h.name LIKE 'text: %' AND turn % 5 <> 0;
			PERFORM attack(op, format('%s as %s', h.name, c.name), '/rest/' || target.name, statement => format(
				'WITH made AS (INSERT INTO meter_api.%1$I (%2$s) SELECT %2$s FROM json_populate_record(NULL::meter_api.%1$I, %3$L) RETURNING *) SELECT jsonb_agg(to_jsonb(m)) FROM made AS m',
				target.name, (SELECT string_agg(quote_ident(k), ', ') FROM jsonb_object_keys(target.body || jsonb_build_object(c.name, NULL)) AS k),
				regexp_replace((target.body - c.name::text)::text, '[}]$', CASE WHEN target.body - c.name::text = '{}' THEN '' ELSE ',' END) || format('%s:%s}', to_json(c.name), h.value)));
			requests := requests + 1;
		END LOOP;
	END LOOP;
	RETURN requests;
END
$$;

-- Each operation, and what it left behind.
CREATE TABLE change (operation text, before text, after text);
CREATE FUNCTION attack_operation(op operation) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	start timestamptz := clock_timestamp();
	before text := fingerprint();
	after text;
	requests bigint := 0;
BEGIN
	IF op.takes <> 'named' THEN
		requests := requests + attack_line(op) + attack_encoding(op);
	END IF;
	IF op.takes = 'body' THEN
		requests := requests + attack_body(op);
	ELSIF op.takes = 'named' THEN
		requests := requests + attack_arguments(op);
	END IF;
	after := fingerprint();
	INSERT INTO tried VALUES (op.name, requests, extract(epoch FROM clock_timestamp() - start) * 1000);
	IF after <> before THEN
		INSERT INTO change VALUES (op.name, before, after);
	END IF;
END
$$;

CREATE FUNCTION attack_relation(target written) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	start timestamptz := clock_timestamp();
	before text := fingerprint();
	requests bigint := attack_view(target);
	after text := fingerprint();
BEGIN
	INSERT INTO tried VALUES ('view ' || target.name, requests, extract(epoch FROM clock_timestamp() - start) * 1000);
	IF after <> before THEN
		INSERT INTO change VALUES ('view ' || target.name, before, after);
	END IF;
END
$$;

INSERT INTO undamaged SELECT damage();
SELECT attack_relation(w) FROM written AS w ORDER BY w.name \g /dev/null
SELECT attack_operation(o) FROM operation AS o ORDER BY o.name \g /dev/null
CREATE VIEW attacked AS SELECT DISTINCT name FROM operation UNION ALL SELECT 'view ' || name FROM written;
SELECT plan(3 * (SELECT count(*) FROM attacked)::int + 1);
SELECT cmp_ok((SELECT sum(requests) FROM tried), '>', 10000::numeric, 'requests were made');
SELECT cmp_ok((SELECT sum(requests) FROM tried WHERE operation = o.name), '>', 50::numeric, o.name || ' got some') FROM attacked AS o ORDER BY o.name;
SELECT is_empty(format('SELECT attack, status, ms, problem, body FROM finding WHERE operation = %L', o.name), o.name || ' answers as it should')
FROM attacked AS o ORDER BY o.name;
SELECT is_empty(format('SELECT before, after FROM change WHERE operation = %L', o.name), o.name || ' leaves nothing of what it refused')
FROM attacked AS o ORDER BY o.name;
SELECT diag(format('%s: %s requests in %s s', operation, requests, round(ms / 1000.0, 1))) FROM tried WHERE ms > 5000;

SELECT * FROM finish();
ROLLBACK;
