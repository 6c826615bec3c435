-- JSON Schema: what each keyword refuses and says, which schemas are refused,
-- and that hostile ones cost an error at most.  The official suite is
-- test/t/json_schema_suite.pl.

CREATE FUNCTION pg_temp.errors(schema jsonb, instance jsonb, assert_format boolean DEFAULT false)
RETURNS TABLE(error text) LANGUAGE sql AS $$
	SELECT format('%s: %s: %s', instance_path, keyword, message) COLLATE "C"
		FROM meter.json_schema_errors(schema, instance, assert_format)
		ORDER BY 1;
$$;

-- An event as a meter would check it.
\set event_schema '{"type": "object", "required": ["id", "tokens", "region"], "additionalProperties": false, "properties": {"id": {"type": "string", "pattern": "^ev_[0-9a-f]{4}$"}, "tokens": {"type": "integer", "minimum": 0}, "cost": {"type": "number", "multipleOf": 0.01, "exclusiveMaximum": 1000}, "region": {"enum": ["eu", "us"]}, "tags": {"type": "array", "items": {"type": "string", "maxLength": 5}, "uniqueItems": true, "maxItems": 3}}}'
SELECT meter.json_schema_is_valid(:'event_schema',
	'{"id": "ev_01af", "tokens": 12.0, "cost": 999.99, "region": "eu", "tags": ["a", "b"]}');
SELECT * FROM meter.json_schema_errors(:'event_schema',
	'{"id": "ev_01af", "tokens": 12, "region": "eu"}');
SELECT * FROM pg_temp.errors(:'event_schema',
	'{"id": "ev_01aff", "tokens": -1, "cost": 1000.001, "region": "ap", "tags": ["a", "a", "toolong", 4], "x~y/z": 1}');
SELECT * FROM pg_temp.errors(:'event_schema', '{"tokens": "1"}');
SELECT * FROM pg_temp.errors(:'event_schema', '[]');

-- Each assertion by itself: the keyword and the message.
SELECT v.schema, v.instance, e.error
	FROM (VALUES
		('{"type": ["integer", "null"]}', '1.5'),
		('{"type": "boolean"}', '"true"'),
		('{"const": {"a": 1}}', '{"a": 1.5}'),
		('{"enum": [1, "1", null]}', '"2"'),
		('{"minimum": 0.1}', '0.09'),
		('{"maximum": 1e3}', '1000.0000000000000000000000000000001'),
		('{"exclusiveMinimum": 0}', '0.000'),
		('{"exclusiveMaximum": -5}', '-5'),
		('{"multipleOf": 0.1}', '0.35'),
		('{"minLength": 2}', '"é"'),
		('{"maxLength": 1}', '"ab"'),
		('{"pattern": "^a|b$"}', '"cc"'),
		('{"minItems": 1}', '[]'),
		('{"maxItems": 1}', '[1, 2]'),
		('{"uniqueItems": true}', '[{"a": 1, "b": 2}, 3, {"b": 2.0, "a": 1}]'),
		('{"contains": {"type": "null"}}', '[1]'),
		('{"contains": {"type": "null"}, "minContains": 2}', '[null, 1]'),
		('{"contains": {"type": "null"}, "maxContains": 1}', '[null, null]'),
		('{"prefixItems": [{"type": "null"}], "items": false}', '[1, 2]'),
		('{"items": [{"type": "null"}], "additionalItems": false}', '[1, 2]'),
		('{"minProperties": 1}', '{}'),
		('{"maxProperties": 1}', '{"a": 1, "b": 2}'),
		('{"required": ["a", "b"]}', '{"b": 1}'),
		('{"properties": {"a": false}}', '{"a": 1}'),
		('{"patternProperties": {"^x_": {"type": "null"}}}', '{"x_1": 1, "y": 2}'),
		('{"propertyNames": {"maxLength": 2}}', '{"abc": 1}'),
		('{"additionalProperties": {"type": "null"}}', '{"abc": 1}'),
		('{"dependentRequired": {"a": ["b"]}}', '{"a": 1}'),
		('{"dependentSchemas": {"a": {"minProperties": 2}}}', '{"a": 1}'),
		('{"dependencies": {"a": ["b"], "c": {"minProperties": 3}}}', '{"a": 1, "c": 2}'),
		('{"allOf": [{"type": "null"}, {"minimum": 5}]}', '1'),
		('{"anyOf": [{"type": "null"}, {"minimum": 5}]}', '1'),
		('{"oneOf": [{"type": "integer"}, {"type": "null"}, {"minimum": 0}]}', '1'),
		('{"oneOf": [{"type": "null"}, {"minimum": 5}]}', '1'),
		('{"not": {"type": "integer"}}', '1'),
		('{"if": {"minimum": 0}, "then": {"multipleOf": 2}, "else": {"multipleOf": 3}}', '3'),
		('{"if": {"minimum": 0}, "then": {"multipleOf": 2}, "else": {"multipleOf": 3}}', '-4'),
		('{"properties": {"a": true}, "unevaluatedProperties": false}', '{"a": 1, "b": 2}'),
		('{"prefixItems": [true], "unevaluatedItems": {"type": "null"}}', '[1, 2, null]'),
		('{"$ref": "#/$defs/a", "$defs": {"a": {"type": "null"}}}', '1'),
		('{"$ref": "#/$defs/a", "$defs": {"a": false}}', '1'),
		('false', '1')
	) v(schema, instance), pg_temp.errors(v.schema::jsonb, v.instance::jsonb) e;

-- Places: deep, escaped, below array elements.
SELECT instance_path, keyword
	FROM meter.json_schema_errors(
		'{"$ref": "#/$defs/tree", "$defs": {"tree": {"properties": {"n/1": {"type": "integer"}, "kids": {"items": {"$ref": "#/$defs/tree"}}}}}}',
		'{"n/1": 1, "kids": [{"n/1": 2}, {"kids": [{"n/1": "x", "kids": [{"n/1": 1.5}]}]}]}')
	ORDER BY instance_path COLLATE "C";

-- Numbers are exact, whatever their size.
SELECT meter.json_schema_is_valid('{"multipleOf": 0.01}', '123456789012345678901234567890.12') AS t,
	meter.json_schema_is_valid('{"multipleOf": 0.01}', '123456789012345678901234567890.125') AS f,
	meter.json_schema_is_valid('{"multipleOf": 1e-20}', '1') AS t,
	meter.json_schema_is_valid('{"multipleOf": 3}', '1e100') AS f,
	meter.json_schema_is_valid('{"multipleOf": 0.01}', '1e130000') AS t,
	meter.json_schema_is_valid('{"minimum": 1e-1000}', '1e-1001') AS f,
	meter.json_schema_is_valid('{"maximum": 9007199254740993}', '9007199254740993.0000001') AS f,
	meter.json_schema_is_valid('{"type": "integer"}', '1e1000') AS t,
	meter.json_schema_is_valid('{"type": "integer"}', '100e-2') AS t,
	meter.json_schema_is_valid('{"type": "integer"}', '100e-3') AS f,
	meter.json_schema_is_valid('{"type": "integer"}', '0.00') AS t,
	meter.json_schema_is_valid('{"const": 1}', '1.000') AS t,
	meter.json_schema_is_valid('{"enum": [100000000000000000000, 2, 3, 4, 5, 6, 7, 8, 9]}', '1e20') AS t;

-- More values and names than fit into the small forms.
SELECT i, meter.json_schema_is_valid(
		jsonb_build_object('enum', (SELECT jsonb_agg('v' || n) FROM generate_series(1, 200) n)),
		to_jsonb('v' || i)) AS in_enum,
	meter.json_schema_is_valid(
		jsonb_build_object('required', (SELECT jsonb_agg('m' || n) FROM generate_series(1, 400) n)),
		(SELECT jsonb_object_agg('m' || n, n) FROM generate_series(1, 400) n WHERE n <> i)) AS has_all,
	meter.json_schema_is_valid(
		jsonb_build_object('properties', (SELECT jsonb_object_agg('m' || n, true) FROM generate_series(1, 100) n),
			'unevaluatedProperties', false),
		(SELECT jsonb_object_agg('m' || n, n) FROM generate_series(i - 90, i) n)) AS evaluated
	FROM unnest(ARRAY[100, 200, 201, 500]) i;

-- Patterns are ECMA-262's: what matches and what is refused.
-- (psql versions differ about the width of U+FEFF.)
SELECT p.pattern, replace(left(to_jsonb(p.instance)::text, 20), chr(65279), '\ufeff') AS instance,
		meter.json_schema_is_valid(jsonb_build_object('pattern', p.pattern), to_jsonb(p.instance)) AS match
	FROM (VALUES
		('', 'x'),
		('b', 'abc'),
		('^b', 'abc'),
		('^abc$', E'abc\n'),
		('^a.c$', E'a\nc'),
		('^[^x]$', E'\n'),
		('^(?:a|b|)c$', 'c'),
		('^\d{2,3}$', '1234'),
		('^\d{2,3}$', '٣٤'),
		('^\w+$', 'é'),
		('^\p{L}+$', 'é'),
		('^\P{Lu}+$', 'É'),
		('^[\p{L}\d-]{2,}$', 'é-9'),
		('^\S+\s\S+$', 'a' || chr(65279) || 'b'),
		('^[\S]+$', 'a b'),
		('^\x41\u0042\u{1F600}\uD83D\uDE00$', 'AB😀😀'),
		('^\cJ$', E'\n'),
		('\bcat\b', 'a cat sat'),
		('\bcat\b', 'concatenate'),
		('^(?=.*\d)(?=.*[a-z]).{4,8}$', 'abc123'),
		('^(?=.*\d)(?=.*[a-z]).{4,8}$', 'abcdef'),
		('(?<!\$)\b\d+', '$12'),
		('^(?<year>\d{4})-(?<month>\d\d)$', '2024-02'),
		('^x{300,600}$', repeat('x', 300)),
		('^x{300,600}$', repeat('x', 299)),
		('^(xy){300,500}$', repeat('xy', 500)),
		('^(xy){300,500}$', repeat('xy', 501)),
		('^(xy){300,}$', repeat('xy', 700)),
		('^(?=x)x{300,400}$', repeat('x', 400)),
		('^(?=x)x{300,400}$', repeat('x', 401)),
		('(?=x)x{260,}$', repeat('x', 259)),
		('^a+a$', 'aaa'),
		('^a*b?a$', 'aaba'),
		('^a*b?c$', 'aabc'),
		('^[a-c]*?c$', 'abc'),
		('^ab?', 'ac'),
		('^((ab){3}|cd)$', 'abababcd'),
		('^(|a){900}$', 'aa'),
		('^[]$', 'x'),
		('^[^]$', 'x'),
		('\.\/\-\_', './-_')
	) p(pattern, instance);

-- Small patterns have an automaton of their own, the others take the server's
-- engine; a look-ahead that always holds forces the engine.  Generated
-- patterns must give the same either way.
CREATE FUNCTION pg_temp.pick(seed text, n int) RETURNS int LANGUAGE sql IMMUTABLE AS
	$$SELECT (('x' || left(md5(seed), 7))::bit(28)::int % n)$$;
CREATE FUNCTION pg_temp.generate(seed text, depth int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text := '';
	part text;
BEGIN
	FOR i IN 1 .. 1 + pg_temp.pick(seed || 'n', 3) LOOP
		IF depth > 0 AND pg_temp.pick(seed || i || 'kind', 3) = 0 THEN
			part := '(' || pg_temp.generate(seed || i, depth - 1)
				|| repeat('|' || pg_temp.generate(seed || i || 'or', depth - 1), pg_temp.pick(seed || i || 'alt', 3)) || ')';
		ELSE
			part := (ARRAY['a', 'b', 'é', '[ab]', '[^a]', '.', '\d', '[a-cé]'])[1 + pg_temp.pick(seed || i || 'atom', 8)];
		END IF;
		result := result || part
			|| (ARRAY['', '', '', '*', '+', '?', '{2}', '{0,2}', '{1,3}', '{2,}', '{0}', '*?'])[1 + pg_temp.pick(seed || i || 'q', 12)];
	END LOOP;
	RETURN result;
END
$$;
CREATE TEMP TABLE generated AS
	SELECT (ARRAY['', '^'])[1 + pg_temp.pick(i || '^', 2)] || '(' || pg_temp.generate(i::text, 3) || ')'
			|| (ARRAY['', '$'])[1 + pg_temp.pick(i || '$', 2)] AS pattern
		FROM generate_series(1, 300) i;
CREATE TEMP TABLE compared AS
	SELECT pattern, instance, own, engine
		FROM generated CROSS JOIN LATERAL
			unnest(ARRAY['', 'a', 'b', 'é', 'ab', 'ba', 'aab', 'abc1', '1éa', 'aaaa', 'bababé', E'a\nb']) instance CROSS JOIN LATERAL
			(SELECT meter.json_schema_is_valid(jsonb_build_object('pattern', pattern), to_jsonb(instance)) AS own,
				meter.json_schema_is_valid(jsonb_build_object('pattern', '(?!\u{10FFFF})(?:' || pattern || ')'),
					to_jsonb(instance)) AS engine) r;
SELECT * FROM compared WHERE own <> engine;
SELECT count(*) AS cases, count(*) FILTER (WHERE own) BETWEEN 600 AND 3000 AS both_answers FROM compared;
-- Around the sizes of a word and of the largest automaton.
SELECT n, meter.json_schema_is_valid(jsonb_build_object('pattern', '^(a|b){' || n || '}c$'), to_jsonb(repeat('b', n) || 'c')) AS exact,
		meter.json_schema_is_valid(jsonb_build_object('pattern', '^(a|b){' || n || '}c$'), to_jsonb(repeat('b', n + 1) || 'c')) AS more,
		meter.json_schema_is_valid(jsonb_build_object('pattern', '(a|b){' || n || '}c'), to_jsonb(repeat('b', n + 1) || 'cx')) AS within
	FROM unnest(ARRAY[31, 32, 63, 64, 65, 127, 128, 511]) n;

-- Patterns that are refused, and why.
DO $$
DECLARE
	bad text;
	reason text;
BEGIN
	FOREACH bad IN ARRAY ARRAY['(', ')', '[', ']', 'a**', '*', '^*', 'a{', 'a{2,1}', '{', '\', '\q', '\u12', '\u{110000}',
		'[z-a]', '(?i)a', '(?P<n>a)', '(a)\1', '(?<n>a)\k<n>', '\p{Greek}', '\p{}', '\p', '\Z', '\1', '(?#a)',
		'((((a{1,99}){1,99}){1,99}){1,99})', '^.{1,2000}$', '(?=.{600})'] LOOP
		BEGIN
			PERFORM meter.json_schema_is_valid(jsonb_build_object('pattern', bad), '"x"');
			RAISE NOTICE '% was taken', bad;
		EXCEPTION WHEN invalid_parameter_value THEN
			GET STACKED DIAGNOSTICS reason = PG_EXCEPTION_DETAIL;
			RAISE NOTICE '%: % %', bad, SQLERRM, reason;
		END;
	END LOOP;
END
$$;

-- format annotates, unless it is asked to assert.
SELECT meter.json_schema_is_valid('{"format": "date"}', '"2024-02-30"') AS annotates,
	meter.json_schema_is_valid('{"format": "date"}', '"2024-02-30"', false) AS annotates,
	meter.json_schema_is_valid('{"format": "date"}', '"2024-02-30"', true) AS asserts,
	meter.json_schema_is_valid(
		'{"$vocabulary": {"https://json-schema.org/draft/2020-12/vocab/format-assertion": true}, "format": "date"}',
		'"2024-02-30"') AS asserts_itself,
	meter.json_schema_is_valid('{"format": "no-such"}', '"x"', true) AS unknown;
SELECT * FROM pg_temp.errors('{"format": "ipv4"}', '"1.2.3.256"', true);

-- Drafts: $schema decides, without it both drafts' words work.
SELECT meter.json_schema_is_valid('{"$schema": "http://json-schema.org/draft-07/schema#", "$ref": "#/definitions/a", "minimum": 5, "definitions": {"a": {"type": "integer"}}}', '1')
		AS draft7_ignores_beside_ref,
	meter.json_schema_is_valid('{"$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": "#/$defs/a", "minimum": 5, "$defs": {"a": {"type": "integer"}}}', '1')
		AS draft2020_does_not,
	meter.json_schema_is_valid('{"$schema": "http://json-schema.org/draft-07/schema#", "prefixItems": [false]}', '[1]')
		AS draft7_no_prefix_items,
	meter.json_schema_is_valid('{"items": [{"type": "string"}], "definitions": {"a": {}}, "dependencies": {"a": ["b"]}}', '[1]')
		AS loose_items,
	meter.json_schema_is_valid('{"$ref": "http://json-schema.org/draft-07/schema#/definitions/nonNegativeInteger"}', '-1')
		AS meta_schema,
	meter.json_schema_is_valid('{"$ref": "https://json-schema.org/draft/2020-12/schema"}', '{"items": [{}]}')
		AS meta_schema;

-- Malformed schemas: one error with the place in the schema and its reason.
DO $$
DECLARE
	bad text;
	reason text;
BEGIN
	FOREACH bad IN ARRAY ARRAY[
		'1', '[]', '{"type": "int"}', '{"type": []}', '{"type": ["null", "null"]}',
		'{"properties": {"a/b": {"minimum": "1"}}}', '{"multipleOf": 0}', '{"minLength": -1}',
		'{"maxItems": 1.5}', '{"required": "a"}', '{"required": [1]}', '{"uniqueItems": 1}',
		'{"enum": 1}', '{"allOf": []}', '{"anyOf": [1]}', '{"properties": []}', '{"additionalProperties": null}',
		'{"patternProperties": {"(": true}}', '{"pattern": 1}', '{"format": 1}', '{"title": 1}',
		'{"dependentRequired": {"a": "b"}}', '{"$id": 1}', '{"$id": "http://x/y#z"}', '{"$anchor": "9"}',
		'{"$defs": {"a": {"$anchor": "x"}, "b": {"$anchor": "x"}}}',
		'{"$defs": {"a": {"$id": "x"}, "b": {"$id": "x"}}}',
		'{"$schema": "http://json-schema.org/draft-04/schema#"}', '{"$schema": "https://example.com/own"}',
		'{"$schema": "https://json-schema.org/draft/2020-12/schema", "items": [true]}',
		'{"$vocabulary": {"https://example.com/vocab": true}}',
		'{"items": {"$ref": "http://example.com/other.json"}}', '{"$ref": "other.json#/a"}', '{"$ref": "#/$defs/none"}',
		'{"$ref": "#none"}', '{"$ref": "#/%zz"}', '{"$ref": 1}', '{"$ref": "#"}',
		'{"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"not": {"$ref": "#/$defs/b"}}, "b": {"if": {"$ref": "#/$defs/a"}, "then": true}}}'] LOOP
		BEGIN
			PERFORM meter.json_schema_is_valid(bad::jsonb, '{}');
			RAISE NOTICE '% was taken', bad;
		EXCEPTION WHEN invalid_parameter_value THEN
			GET STACKED DIAGNOSTICS reason = PG_EXCEPTION_DETAIL;
			RAISE NOTICE '%: % %', bad, SQLERRM, reason;
		END;
	END LOOP;
END
$$;

-- Hostile schemas: too large, too deep, endless, exploding.
CREATE FUNCTION pg_temp.chain(keyword text, n int, last jsonb) RETURNS jsonb LANGUAGE sql AS $$
	-- $defs d1 .. dn, each applying the next one twice
	SELECT jsonb_build_object('$ref', '#/$defs/d1', '$defs', jsonb_object_agg('d' || i,
			CASE WHEN i < n THEN jsonb_build_object(keyword, jsonb_build_array(
					jsonb_build_object('$ref', '#/$defs/d' || i + 1), jsonb_build_object('$ref', '#/$defs/d' || i + 1)))
				ELSE last END))
		FROM generate_series(1, n) i;
$$;
SELECT meter.json_schema_is_valid(jsonb_build_object('title', repeat('x', 262144)), '1');
SELECT meter.json_schema_is_valid((repeat('{"not":', 65) || 'true' || repeat('}', 65))::jsonb, '1');
SELECT meter.json_schema_is_valid((repeat('{"not":', 64) || 'true' || repeat('}', 64))::jsonb, '1');
SELECT meter.json_schema_is_valid(pg_temp.chain('allOf', 12, '{"type": "integer"}'), '1');
SELECT * FROM pg_temp.errors(pg_temp.chain('allOf', 60, '{"type": "integer"}'), '1');
SELECT * FROM pg_temp.errors(pg_temp.chain('anyOf', 60, '{"type": "string"}'), '1');
SELECT meter.json_schema_is_valid(pg_temp.chain('anyOf', 60, '{"type": "string"}'), '1');
SELECT meter.json_schema_is_valid(pg_temp.chain('allOf', 1000, '{"type": "integer"}'), '1');
SELECT * FROM pg_temp.errors('{"$dynamicAnchor": "a", "$dynamicRef": "#a"}', '1');
SELECT meter.json_schema_is_valid('{"not": {"$dynamicAnchor": "a", "$dynamicRef": "#a"}}', '1');
SELECT meter.json_schema_is_valid('{"pattern": "^(([a-z])+.)+[A-Z]([a-z])+$"}', to_jsonb(repeat('a', 5000)));
SELECT meter.json_schema_is_valid('{"properties": {"a": {"$ref": "#"}}, "required": ["a"]}',
	(repeat('{"a":', 250) || '1' || repeat('}', 250))::jsonb);

-- One schema for a whole scan, then a different one for each row.
SELECT count(*) FILTER (WHERE meter.json_schema_is_valid('{"maximum": 500}', to_jsonb(i))) AS at_most_500
	FROM generate_series(1, 1000) i;
SELECT count(*) FILTER (WHERE meter.json_schema_is_valid(jsonb_build_object('maximum', i % 3), to_jsonb(i))) AS small
	FROM generate_series(0, 1000) i;
SELECT meter.json_schema_is_valid(NULL, '1') IS NULL AS null_schema,
	meter.json_schema_is_valid('true', NULL) IS NULL AS null_instance,
	(SELECT count(*) FROM meter.json_schema_errors(NULL, '1')) AS no_rows;
SELECT instance_path FROM generate_series(1, 3) i, meter.json_schema_errors('{"items": {"maximum": 2}}', jsonb_build_array(i, 9));

-- As a constraint of any table.
CREATE TEMP TABLE constrained (data jsonb CHECK (meter.json_schema_is_valid('{"required": ["a"]}', data)));
INSERT INTO constrained VALUES ('{"a": 1}');
INSERT INTO constrained VALUES ('{"b": 1}');
