-- Expressions: every operator and function, null, types, errors with their
-- position, limits.  docs/expressions.md says the same in words.
SET timezone = 'America/Caracas';	-- results must not depend on it
SET datestyle = 'SQL, DMY';

-- What an expression gives over these fields, or what is wrong with it.
CREATE FUNCTION pg_temp.e(expression text, fields jsonb DEFAULT
	'{"a":2, "b":3.5, "s":"Hi", "t":true, "f":false, "n":null, "num":"12.50", "zero":0,
	  "timestamp":"2025-03-30T01:30:45.25Z", "data":{"tokens":{"input":7,"in":8}}, "region":"eu-west",
	  "odd name":1, "dotted.name":5, "dotted":{"name":6}, "in":4, "is":5, "and":6, "if":7,
	  "list":[1,2], "huge":1e140}') RETURNS text
	LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	RETURN meter.evaluate(expression, fields)::text;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' | ', SQLSTATE, SQLERRM, NULLIF(detail, ''));
END
$$;
CREATE FUNCTION pg_temp.show(VARIADIC expressions text[]) RETURNS TABLE (expression text, result text)
	LANGUAGE sql AS $$
	SELECT x, pg_temp.e(x) FROM unnest(expressions) WITH ORDINALITY u(x, i) ORDER BY i
$$;

--
-- Literals and names
--
SELECT * FROM pg_temp.show('1', '1.50', '.5', '007', '1e3', '12E-3', '-0', 'true', 'FALSE', 'null', 'Math.PI',
	$$'single'$$, '"double"', $$"it's"$$, $$'say \"x\"'$$, $$"\\ \/ \n\r\t \u00e9 \ud83d\ude00"$$, '""',
	'"żółć"', 'a', ' a ', 's', 't', 'n', 'missing', 'data.tokens.input', 'data.tokens.missing',
	'a.b.c', 'data.tokens.in', '`odd name`', '`data`.tokens.`input`', 'dotted.name', '`dotted.name`',
	'in', 'is', 'and', 'if', '`null`', '`true`');
SELECT pg_temp.e(E'\t\r\n a\n');
-- only scalars are values, and only numbers that fit
SELECT * FROM pg_temp.show('data', 'list', 'data.tokens', 'huge', '1 + list');

--
-- Arithmetic: exact, but for quotients and roots
--
SELECT * FROM pg_temp.show('1 + 2 * 3', '(1 + 2) * 3', '7 - 2 - 1', '2 * a + b', '0.1 + 0.2', '1.10 + 1', '-a',
	'- -a', '+a', '-2 ^ 2', '(-2) ^ 2', '2 ^ 3 ^ 2', '2 ^ -2', '-a ^ -a',
	'10 / 4', '6 / 3', '1 / 3', '2 / 3', '-2 / 3', '1 / 300', '1 / 7e30', '123456789012345678901234567890 / 7',
	'1.00 / 2', '1e100 / 3', '1e-100 / 3', '1e-127 / 10', '1e-128 / 2', '1e-128 / 3', '0 / 5',
	'7 % 3', '-7 % 3', '7 % -3', '7.5 % 2', '1e30 % 7', '1e100 % 7', '0 % 3', 'mod(7, 3)',
	'99999999999999999999999999999999999999 * 99999999999999999999999999999999999999',
	'170141183460469231731687303715884105727 + 1', '1e38 - 1e38 + 1', '1e127 * 9', '1e-64 * 1e-64',
	'num + 1', 'num * num', 'num + num');
-- what is too long, and by zero
SELECT * FROM pg_temp.show('1e127 * 10', '1e127 + 9e127', '1e-64 * 1e-65', '0.1e-128', '1e128', '1 / zero',
	'a % zero', '1 / 0', 'mod(1, 0)', 't ? 1 : 1 / zero', 'zero ^ -1');
SELECT * FROM pg_temp.show('2 ^ 10', '1.1 ^ 2', '0 ^ 0', '0 ^ 5', '2 ^ 0.5', '10 ^ -128', '10 ^ -129',
	'2 ^ 425', '2 ^ 426', '0.5 ^ 128', '0.5 ^ 200', '1.0001 ^ 365', '(-8) ^ 3', '(-8) ^ (1 / 3)', '1 ^ 1e100',
	'(-1) ^ (1e50 + 1)', '10 ^ 127.5', '10 ^ 1000', '1.5 ^ 1e30', '0.5 ^ 1e30', '1e-60 ^ 0.5',
	'pow(2, 3)', 'power(2, 3)', 'Math.pow(2, 3)',
	'sqrt(16)', 'sqrt(2)', 'sqrt(0)', 'sqrt(1e-120)', 'sqrt(2e100)', 'sqrt(-1)');

--
-- Comparison
--
SELECT * FROM pg_temp.show('1 = 1.0', '1 == 1', '1 != 2', '1 <> 1', 'a < b', 'a <= 2', 'a > b', 'a >= 2',
	'"a" < "b"', '"a" = "A"', '"Z" < "a"', '"é" > "z"', '"a" < "ab"', 's = "Hi"', 't = true', 't != f',
	'num = 12.5', 'num > 3', '12 < num', 'a in (1, 2)', 'a not in (1, 2)', 's in ("Ho", "Hi")',
	'in(s, "Ho", "Hi")', 'IN(a, 3)', 'a in (n, 2)', 'a in (n, 3)', 'n in (1)', 'in in (4)',
	'time(0) = time("1970-01-01T01:00:00+01:00")', 'time(0) < "1970-01-02"',
	'"2025-01-01" < time("2024-12-31")', 'timestamp > time("2025-03-30")');
SELECT * FROM pg_temp.show('1 = "1"', 's = 1', 't = 1', 'a = t', 't < f', 'true < false', '1 < 2 < 3', 'a = b = t',
	'time(0) < "yesterday"', 'time(0) < s', 'a in ("x")', '1 in ("x")', 'time(0) = 0');

--
-- Logic, and null
--
SELECT l, r, pg_temp.e(l || ' and ' || r) AS "and", pg_temp.e(l || ' or ' || r) AS "or", pg_temp.e('not ' || l) AS "not"
	FROM unnest('{t,f,n}'::text[]) l, unnest('{t,f,n}'::text[]) r ORDER BY l, r;
SELECT l, r, pg_temp.e(l || ' && ' || r) AS "and", pg_temp.e(l || ' || ' || r) AS "or", pg_temp.e('!' || l) AS "not"
	FROM unnest('{true,false,"null"}'::text[]) l, unnest('{true,false,"null"}'::text[]) r ORDER BY l, r;
SELECT * FROM pg_temp.show('n + 1', '1 / n', '-n', 'n = 1', 'n < n', 'n != 1', 'n = n', 'n == null', 'null == n',
	'n != null', 'a == null', 'a != null', 'null == null', 'null < 1', 'n is null', 'a is null', 'a + n is null',
	'a is not null', 'n + "x"', 'abs(n)', 'max(1, n)', 'concat("a", n)', 'round(1.5, n)', 'hour(timestamp, n)',
	'hour(timestamp, null)', 'n ? 1 : 2', 'lower(null)', 'coalesce(n, missing, 3)', 'coalesce(n)',
	'coalesce(a, 1 / zero)', 'isnull(n, 0)', 'nullif(a, 2)', 'nullif(a, 3)', 'nullif(a, n)', '1 / nullif(zero, 0)',
	'coalesce(1 / nullif(zero, 0), 0)', 's * n', 'n * s', 'max(s, n)', 'max(n, s)');
-- what is not needed is not computed
SELECT * FROM pg_temp.show('f and 1 / zero = 1', 't or 1 / zero = 1', 'f ? 1 / zero : 2', 'if(t, 1, 1 / zero)',
	'n and 1 / zero = 1', 'if(n, 1, 2)', 't ? f ? 1 : 2 : 3', 'f ? 1 : f ? 2 : 3',
	'a = 1 ? "one" : a = 2 ? "two" : "many"', 'not a = 2', '!t = f', 'not not t', 'a = 2 or b = 1 and f',
	'(a = 2 or b = 1) and f', 't and not f');

--
-- Functions of numbers
--
SELECT * FROM pg_temp.show('abs(-2.5)', 'abs(1e50 - 1e51)', 'sign(-3)', 'sign(0)', 'min(3, 1, 2)', 'max(3, 1, 2)',
	'min(5)', 'max(a, num)', 'MAX(1, 1.0)', 'round(2.5)', 'round(-2.5)', 'round(2.4)', 'round(1234.567, 2)',
	'round(1234.567, -2)', 'round(1.5, 5)', 'round(5, -1)', 'round(4, -1)', 'round(4, -128)', 'round(1e127, -128)',
	'round(9e127, -128)', 'round(0, -3)', 'floor(1.5)', 'floor(-1.5)', 'floor(-1.25, 1)', 'floor(-1, -2)',
	'ceil(1.5)', 'ceil(-1.5)', 'ceil(1.01, 1)', 'ceil(1, -2)', 'trunc(1.9)', 'trunc(-1.9)', 'trunc(-1.99, 1)',
	'trunc(199, -2)', 'Math.round(2.5)', 'math.CEIL(0.1)', 'Math.floor(9.99)', 'Math.min(1, 2)', 'Math.abs(-1)',
	'floor(1e50 + 0.5)', 'ceil(0 - 1e50 - 0.5)', 'round(1e60 + 0.5)',
	'round(169999999999999999999999999999999999999, -38)',
	'number("1e2")', 'number(" 1")', 'number("x")', 'number(t)', 'number(3)', 'round(1.5, 0.5)', 'round(1.5, 129)',
	'floor(1.5, -129)', 'ceil(1.5, 1e20)');

--
-- Texts
--
SELECT * FROM pg_temp.show('"a" + "b"', 's + "!"', '"<" + s + ">"', 's + s', '"n" + a', 'concat(s, "-", a, "-", t)',
	'concat(1.50, "/", 1.5, "/", 1e3)', 'concat(time(0))', 'text(1.10)', 'text(true)', 'text(num)', 'text(time(0.5))',
	'length("")', 'length("żółć")', 'lower("ABCXYZÉ[@")', 'upper("abcxyzé{`")', 'trim(" \t a b \n")',
	'contains(region, "west")', 'contains(region, "")', 'contains("", "x")', 'contains(region, "West")',
	'starts_with(region, "eu")', 'starts_with("e", "eu")', 'ends_with(region, "west")', 'ends_with(region, "eu")',
	'ends_with("", "")', 'substring("żółć", 2)', 'substring("żółć", 2, 2)', 'substring("abc", 9)',
	'substring("abc", 2, 99)', 'substring("abc", 1, 0)', 'substring("abc", 0)', 'substring("abc", 1.5)',
	'substring("abc", 1, -1)', 'replace("aXbX", "X", "--")', 'replace("aaa", "aa", "b")', 'replace("abc", "", "x")',
	'replace("abc", "abc", "")', 'length(5)', 'length(a)', 'upper(t)', 's * 2');

--
-- Times
--
SELECT * FROM pg_temp.show('year(timestamp)', 'quarter(timestamp)', 'month(timestamp)', 'week(timestamp)',
	'day(timestamp)', 'dayofweek(timestamp)', 'dayofyear(timestamp)', 'days_in_month(timestamp)', 'hour(timestamp)',
	'minute(timestamp)', 'second(timestamp)', 'date(timestamp)', 'epoch(timestamp)', 'time(timestamp)',
	'hour(timestamp, "Europe/Berlin")', 'hour("2025-03-30T00:59:59Z", "Europe/Berlin")',
	'minute(timestamp, "Asia/Kathmandu")', 'date(timestamp, "America/New_York")',
	'dayofweek(timestamp, "America/New_York")', 'week("2027-01-01")', 'dayofweek("2025-01-05")',
	'dayofweek("2025-01-06")', 'days_in_month("2024-02-10")', 'hour(timestamp, concat("Europe", "/", "Paris"))',
	'hour(timestamp, zone)', 'time("2025-01-02T00:00:00Z") - time("2025-01-01T12:00:00.5Z")',
	'timestamp - time("2025-03-30")', 'epoch("1969-12-31")', 'time(1.5)', 'time(-1)',
	'time("2025-01-01T00:00:00+05:30")', 'time("2025-01-01")', 'date(time(0), "Pacific/Honolulu")');
SELECT * FROM pg_temp.show('hour(timestamp, "Mars/Base")', 'hour(timestamp, "CEST")', 'hour(timestamp, s)',
	'hour("2025-01-01T00:00:00")', 'hour("2025-02-29")', 'hour(s)', 'hour(1)', 'hour(a)', 'time(1e20)', 'time(t)',
	'time("now")', 'time(0) + 1', 'time(0) - 1');

--
-- Errors tell where, and what was expected
--
SELECT * FROM pg_temp.show('', '  ', '1 +', '1 + * 2', '(1', '1)', '1 2', 'a b', '2x', '1.', '1.e5', '1e', '1..2',
	'a.', 'a..b', 'a .b', '``', 'a.``', '"abc', $$'abc$$, '`abc', $$'\q'$$, $$'\u12'$$, $$'\u0000'$$, $$'\ud800'$$,
	$$'\udc00'$$, 'é', '"é" + é', '#', 'a & b', 'a | b', 'a ? 1', 'a ? 1 :', 'a ? : 1', ': 1', 'a is', 'a is 5',
	'a is not 5', 'a not', 'a not 5', 'a in', 'a in 5', 'a in ()', 'a in (1', 'not', '!', 'a = ', 'a =< b', 'and t',
	't and', 't or or t', repeat('é', 50), '1 "' || repeat('é', 50) || '"');
SELECT * FROM pg_temp.show('nope(1)', 'Math.length("x")', '`abs`(1)', 'abs()', 'abs(1, 2)', 'round(1, 2, 3)', 'min()',
	'mod(1)', 'if(t)', 'if(t, 1)', 'if(t, 1, 2, 3)', 'coalesce()', 'isnull(1)', 'isnull(1, 2, 3)', 'nullif(1)',
	'in(1)', 'abs(1', 'abs(1 2)', 'abs(,)', 'abs 1');
-- types are checked when the expression is compiled
SELECT * FROM pg_temp.show('1 + ''a''', '''a'' + 1', '1 + (2 + true)', 'true * 2', '-"x"', 'not 5', '5 and t',
	't or "x"', '5 ? 1 : 2', 't ? 1 : "x"', 'coalesce(1, "x")', 'if(t, time(0), 1)', 'abs("x")', 'lower(1)',
	'concat("a", "b") - 1', 'round(1, "2")', 'hour(true)', 'hour(timestamp, 1)', 'a + lower(s) + 1',
	'nullif(1, "x")', 'length("a") + upper("b")', '1 = true', 't ? null : "x"', '(t ? null : 1) + "x"',
	'coalesce(n, "x") + 1', 'time(0) + time(0)');
-- and over fields when it runs
SELECT * FROM pg_temp.show('a + s', 't + 1', 's and t', 'a ? 1 : 2', 'lower(a)', '"x" + a', 'hour(t)', 'not a',
	'region / 2', 's = a');

--
-- Limits
--
SELECT pg_temp.e(repeat('(', 99) || '1' || repeat(')', 99)), pg_temp.e(repeat('(', 100) || '1' || repeat(')', 100));
SELECT pg_temp.e(repeat('-', 99) || 'a'), pg_temp.e(repeat('-', 8000) || 'a'), pg_temp.e(repeat('not ', 2000) || 't'),
	pg_temp.e(repeat('2^', 150) || '1'), pg_temp.e(repeat('t?1:', 101) || '0'),
	pg_temp.e(repeat('abs(', 101) || 'a' || repeat(')', 101));
SELECT pg_temp.e('a' || repeat('+a', 999)), pg_temp.e('a' || repeat('+a', 1000)), pg_temp.e('1' || repeat('+1', 4000));
SELECT pg_temp.e(repeat(' ', 8191) || '1'), pg_temp.e(repeat(' ', 8192) || '1');
SELECT pg_temp.e('coalesce(' || string_agg('f' || i, ', ') || ', 1)') FROM generate_series(1, 99) i;
SELECT pg_temp.e(string_agg('isnull(f' || i || ', 1)', '+')) FROM generate_series(1, 200) i;
SELECT pg_temp.e(string_agg('isnull(f' || i || ', 1)', '+')) FROM generate_series(1, 201) i;
SELECT pg_temp.e('max(' || string_agg(i::text, ', ') || ')') FROM generate_series(1, 100) i;
SELECT pg_temp.e('max(' || string_agg(i::text, ', ') || ')') FROM generate_series(1, 101) i;
SELECT pg_temp.e('a in (' || string_agg(i::text, ', ') || ')') FROM generate_series(1, 99) i;
SELECT pg_temp.e('a in (' || string_agg(i::text, ', ') || ')') FROM generate_series(1, 101) i;
SELECT length(pg_temp.e('concat(x, x)', jsonb_build_object('x', repeat('y', 32768)))),
	pg_temp.e('x + "" + x', jsonb_build_object('x', repeat('y', 32769))),
	pg_temp.e('length(replace(x, "y", x))', jsonb_build_object('x', repeat('y', 257)));
SELECT pg_temp.e(string_agg('length(upper(x))', '+'), jsonb_build_object('x', repeat('y', 65536)))
	FROM generate_series(1, 16) i;
SELECT pg_temp.e(string_agg('length(upper(x))', '+'), jsonb_build_object('x', repeat('y', 65536)))
	FROM generate_series(1, 17) i;
SELECT pg_temp.e('contains(x, y)', jsonb_build_object('x', repeat('a', 1000000), 'y', repeat('a', 500000) || 'b'));

--
-- The function itself
--
SELECT meter.evaluate(NULL, '{}'), meter.evaluate('1', NULL);
SELECT pg_temp.e('1', '[1]'), pg_temp.e('1', '5'), pg_temp.e('a', '{"a": 1, "a": 2}');
SELECT i, meter.evaluate('a * i', jsonb_build_object('a', i, 'i', 10)) FROM generate_series(1, 3) i;
SELECT x, meter.evaluate(x, '{"a": 2}') FROM (VALUES ('a'), ('a + 1'), ('a'), ('-a')) v(x);
SELECT provolatile, proisstrict, proparallel FROM pg_proc WHERE oid = 'meter.evaluate(text, jsonb)'::regprocedure;
-- a name used twice is one value
SELECT pg_temp.e('x * x + x', '{"x": "1.5"}'), pg_temp.e('x is null ? 0 : x', '{}'),
	pg_temp.e('x > 5 ? x * 2 : x', '{"x": 6}');

--
-- Calculations as m3ter's users write them
--
SELECT x, pg_temp.e(x, '{"dataField1": 21, "duration_ms": 90061, "status": "succeeded", "bytes_in": 1500,
	"bytes_out": null, "account": {"discount": "0.15"}, "meter": {"rate": 0.002}, "organization": {"tier": "gold"},
	"timestamp": {"ts": "2025-06-01T22:15:00Z", "ets": "2025-06-01T23:45:30Z"}}')
	FROM unnest(ARRAY['dataField1 * 2', 'Math.ceil(duration_ms / 1000, 0)', 'Math.round(duration_ms / 1000, 2)',
	'Math.floor(duration_ms, -4)', 'bytes_in + isnull(bytes_out, 0)',
	'IN(status, "completed", "succeeded") ? "true" : "false"',
	'status == "succeeded" AND dataField1 > 20 ? dataField1 : 0',
	'dataField1 * (1 - account.discount) * meter.rate',
	'organization.tier == "gold" OR organization.tier == "silver" ? 0 : 1', 'Math.PI * dataField1 ^ 2',
	'Math.max(dataField1, 5, 30)', 'dataField1 % 4', 'bytes_out == null ? -1 : bytes_out',
	'time(timestamp.ets) - time(timestamp.ts)',
	'hour(timestamp.ts, "Europe/London") >= 22 ? "night" : "day"', 'organization.tier + "/" + status']) x;
