-- Filter trees, by meter.matches: every op, what is missing, the tree's logic,
-- and what a refusal says.
\set VERBOSITY terse

-- What a refusal says.
CREATE FUNCTION pg_temp.refusal(tree jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	PERFORM meter.matches(tree, '{}');
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' | ', SQLSTATE, SQLERRM, NULLIF(detail, ''));
END
$$;

CREATE TEMP TABLE datum (n int GENERATED ALWAYS AS IDENTITY, data jsonb);
INSERT INTO datum (data) VALUES
	('{"f": "eu"}'), ('{"f": "us"}'), ('{"f": "eu-west"}'), ('{"f": ""}'), ('{"f": 5}'), ('{"f": 5.0}'), ('{"f": "5"}'),
	('{"f": -7.25}'), ('{"f": 12345678901234567890.5}'), ('{"f": true}'), ('{"f": false}'), ('{"f": null}'), ('{}'),
	('{"f": ["eu", 5, null]}'), ('{"f": {"eu": 1}}'), ('{"f": []}'), ('{"f": "Eu"}'), ('{"f": "e\"u\\n\u00e9"}');

-- The data that a leaf lets through.
CREATE FUNCTION pg_temp.passing(op text, value jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(coalesce(data -> 'f', '"missing"')::text, '  ' ORDER BY n), 'nothing')
	FROM datum WHERE meter.matches(jsonb_build_object('field', '$.f', 'op', op, 'value', value), data)
$$;

--
-- Every op, over every type of value
--
SELECT op, value, pg_temp.passing(op, value::jsonb) FROM (VALUES
	('eq', '"eu"'), ('eq', '5'), ('eq', '"5"'), ('eq', 'true'), ('eq', 'false'), ('eq', 'null'), ('eq', '""'),
	('eq', '12345678901234567890.50'), ('eq', '-7.25e0'),
	('neq', '"eu"'), ('neq', '5'), ('neq', 'null'), ('neq', 'true'),
	('gt', '5'), ('gte', '5'), ('lt', '5'), ('lte', '5'), ('lt', '0'),
	('gt', '"eu"'), ('gte', '"eu"'), ('lt', '"eu"'), ('lte', '"eu"'), ('gte', '""'),
	('in', '["eu", 5, true]'), ('in', '[null]'), ('in', '["5"]'), ('in', '[["eu", 5.0, null]]'), ('in', '[{"eu": 1.0}]'),
	('nin', '["eu", 5, true, null]'), ('nin', '["eu"]'),
	('contains', '"u"'), ('contains', '""'), ('contains', '5'), ('contains', '"eu"'), ('contains', 'null'), ('contains', 'true'),
	('starts_with', '"eu"'), ('starts_with', '""'), ('ends_with', '"west"'), ('ends_with', '"u"'), ('ends_with', '"longer than any of them"'),
	('matches', '"^eu(-|$)"'), ('matches', '"^.{2}$"'), ('matches', '"(?i)^EU$"'), ('matches', '"\\d"'), ('matches', '""'),
	('exists', 'true'), ('exists', 'false')
) AS ops (op, value);

-- exists without a value is exists true
SELECT meter.matches('{"field": "f", "op": "exists"}', '{"f": 0}'), meter.matches('{"field": "f", "op": "exists"}', '{"f": null}');
-- texts are compared by bytes, not by a locale
SELECT meter.matches('{"field": "f", "op": "lt", "value": "a"}', '{"f": "B"}') AS "B before a",
	meter.matches('{"field": "f", "op": "gt", "value": "z"}', '{"f": "é"}') AS "é after z";
-- numbers that no usage value may be: equal or not, but without an order
SELECT op, meter.matches(jsonb_build_object('field', 'f', 'op', op, 'value', 1), '{"f": 1e300}')
FROM unnest('{eq,neq,gt,lt}'::text[]) AS op;

--
-- Fields are paths
--
SELECT field, meter.matches(jsonb_build_object('field', field, 'op', 'eq', 'value', 1), data) FROM (VALUES
	('a', '{"a": 1}'), ('$.a', '{"a": 1}'), ('a.b', '{"a": {"b": 1}}'), ('$.a."b c"', '{"a": {"b c": 1}}'), ('$[''a'']["b"]', '{"a": {"b": 1}}'),
	('$.a[1]', '{"a": [0, 1]}'), ('$.a[last]', '{"a": [0, 1]}'), ('$.a[last - 1]', '{"a": [1, 0]}'), ('$.a[2]', '{"a": [0, 1]}'),
	('$.a[last - 2]', '{"a": [0, 1]}'), ('$.a[0]', '{"a": 1}'), ('$.a.b', '{"a": 1}'), ('$', '1'), ('$."a\"b"', '{"a\"b": 1}'), ('a-b', '{"a-b": 1}'),
	('$."a\nb\t\\"', '{"a\nb\t\\": 1}'), ('$[''it\''s'']', '{"it''s": 1}')
) AS fields (field, json), LATERAL (SELECT json::jsonb) AS d (data);

--
-- and, or, not
--
SELECT a, b,
	meter.matches('{"and": [{"field": "a", "op": "eq", "value": true}, {"field": "b", "op": "eq", "value": true}]}', data) AS "and",
	meter.matches('{"or": [{"field": "a", "op": "eq", "value": true}, {"field": "b", "op": "eq", "value": true}]}', data) AS "or",
	meter.matches('{"not": {"and": [{"field": "a", "op": "eq", "value": true}, {"not": {"field": "b", "op": "eq", "value": true}}]}}', data) AS implies
FROM (VALUES (true, true), (true, false), (false, true), (false, false), (NULL, true)) AS v (a, b),
	LATERAL (SELECT jsonb_build_object('a', a, 'b', b)) AS d (data);
-- 32 levels are enough for anybody
CREATE FUNCTION pg_temp.nested(depth int) RETURNS jsonb LANGUAGE sql AS $$
	SELECT (repeat('{"not": ', depth - 1) || '{"field": "a", "op": "eq", "value": 1}' || repeat('}', depth - 1))::jsonb
$$;
SELECT meter.matches(pg_temp.nested(32), '{"a": 1}'), meter.matches(pg_temp.nested(31), '{"a": 1}');
SELECT pg_temp.refusal(pg_temp.nested(33)) LIKE '22023 | invalid filter tree: nested deeper than 32 levels | INVALID_FILTER at ' || repeat('/not', 32) || '.' AS too_deep;
SELECT pg_temp.refusal(pg_temp.nested(300)) LIKE '22023 | invalid filter tree: nested deeper than 256 levels%TOO_DEEP at /not/%' AS far_too_deep;

--
-- A tree that changes from row to row, and null arguments
--
SELECT value, meter.matches(jsonb_build_object('field', 'a', 'op', 'eq', 'value', value), '{"a": 2}') FROM generate_series(1, 3) AS value;
SELECT meter.matches(NULL, '{}') IS NULL, meter.matches('{"field": "a", "op": "eq", "value": 1}', NULL) IS NULL;

--
-- Refusals
--
SELECT tree, pg_temp.refusal(tree::jsonb) FROM unnest(ARRAY[
	'null', '[]', '"eq"', '{}', '{"and": []}', '{"or": {}}', '{"and": [1]}', '{"not": [{"field": "a", "op": "eq", "value": 1}]}', '{"not": null}',
	'{"xor": []}', '{"and": [{"field": "a", "op": "eq", "value": 1}], "or": []}',
	'{"field": "a", "op": "eq", "value": 1, "and": []}', '{"field": "a", "op": "eq", "value": 1, "values": []}',
	'{"op": "eq", "value": 1}', '{"field": "a", "value": 1}', '{"field": "a", "op": "eq"}', '{"field": 1, "op": "eq", "value": 1}',
	'{"field": "a", "op": "=", "value": 1}', '{"field": "a", "op": 1, "value": 1}', '{"field": "a", "op": "EQ", "value": 1}',
	'{"field": "", "op": "eq", "value": 1}', '{"field": "$.a[*]", "op": "eq", "value": 1}', '{"field": "$.é[*]", "op": "eq", "value": 1}', '{"field": "$..a", "op": "eq", "value": 1}',
	'{"field": "$.a ? (@ > 1)", "op": "eq", "value": 1}', '{"field": "$.a[0", "op": "eq", "value": 1}', '{"field": "$.\"a", "op": "eq", "value": 1}',
	'{"field": "$.a[99999999999]", "op": "eq", "value": 1}', '{"field": "a.", "op": "eq", "value": 1}', '{"field": "lax $.a", "op": "eq", "value": 1}',
	'{"field": "$.\"a\\u0062\"", "op": "eq", "value": 1}', '{"field": "$.\"é\\q\"", "op": "eq", "value": 1}',
	'{"field": "a", "op": "eq", "value": [1]}', '{"field": "a", "op": "neq", "value": {}}', '{"field": "a", "op": "gt", "value": null}',
	'{"field": "a", "op": "lte", "value": true}', '{"field": "a", "op": "gt", "value": 1e300}', '{"field": "a", "op": "in", "value": "eu"}',
	'{"field": "a", "op": "nin", "value": []}', '{"field": "a", "op": "contains", "value": []}', '{"field": "a", "op": "starts_with", "value": 1}',
	'{"field": "a", "op": "ends_with", "value": null}', '{"field": "a", "op": "matches", "value": "("}', '{"field": "a", "op": "matches", "value": "(.).*\\1"}', '{"field": "a", "op": "matches", "value": 1}',
	'{"field": "a", "op": "exists", "value": "yes"}', '{"field": "a", "op": "exists", "value": null}',
	'{"and": [{"field": "a", "op": "exists"}, {"or": [{"field": "b", "op": "exists"}, {"not": {"field": "c", "op": "like", "value": "x"}}]}]}'
]) AS tree;
SELECT pg_temp.refusal(jsonb_build_object('field', 'a', 'op', 'in', 'value', (SELECT jsonb_agg(i) FROM generate_series(1, 1001) AS i))) AS too_many_values,
	pg_temp.refusal(jsonb_build_object('field', 'a', 'op', 'matches', 'value', repeat('a', 1025))) AS long_pattern;
SELECT pg_temp.refusal(jsonb_build_object('field', '$' || repeat('.a', 33), 'op', 'eq', 'value', 1)) LIKE '%more than 32 steps | INVALID_PATH at /field, character 68.' AS many_steps,
	pg_temp.refusal(jsonb_build_object('field', repeat('a', 1025), 'op', 'eq', 'value', 1)) AS long_path;
