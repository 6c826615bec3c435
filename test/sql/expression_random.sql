-- Expressions against the server's own numeric and time functions, over
-- random values; each query shows what differs, and none does.
SELECT setseed(0.20250131);

-- A number of up to so many digits, anywhere around the point.
CREATE FUNCTION pg_temp.random_number(max_digits int) RETURNS numeric
	LANGUAGE sql VOLATILE AS $$
	SELECT ((CASE WHEN random() < 0.5 THEN '-' ELSE '' END) || string_agg(floor(random() * 10)::int::text, '') ||
		'e-' || floor(random() * (1 + random() * max_digits))::int)::numeric
	FROM generate_series(1, 1 + floor(random() * max_digits)::int)
$$;
CREATE TEMP TABLE numbers AS
	SELECT i, pg_temp.random_number(d) AS a, pg_temp.random_number(d) AS b, floor(random() * 13)::int - 6 AS places
	FROM generate_series(1, 3000) i, LATERAL (SELECT CASE i % 3 WHEN 0 THEN 6 WHEN 1 THEN 25 ELSE 60 END) AS _(d);
INSERT INTO numbers	-- where 128 bits end, and powers of ten
	SELECT 0, s * (p + d), t * 10 ^ e::numeric, 0 FROM unnest('{1,-1}'::numeric[]) s, unnest('{1,-1}'::numeric[]) t,
		unnest(ARRAY[0, 2::numeric ^ 63, 2::numeric ^ 64, 2::numeric ^ 126, 2::numeric ^ 127, 10::numeric ^ 18,
			10::numeric ^ 37, 10::numeric ^ 38]) p, unnest('{-1,0,1,0.5}'::numeric[]) d, generate_series(-40, 40, 8) e;

CREATE FUNCTION pg_temp.calculate(expression text, a numeric, b numeric DEFAULT 0, c numeric DEFAULT 0) RETURNS numeric
	LANGUAGE sql AS $$
	SELECT (meter.evaluate(expression, jsonb_build_object('a', a, 'b', b, 'c', c)) #>> '{}')::numeric
$$;

-- exact, and with core's scale
SELECT * FROM (SELECT a, b, pg_temp.calculate('a + b', a, b)::text AS got, (a + b)::text AS want FROM numbers) x WHERE got IS DISTINCT FROM want;
SELECT * FROM (SELECT a, b, pg_temp.calculate('a - b', a, b)::text AS got, (a - b)::text AS want FROM numbers) x WHERE got IS DISTINCT FROM want;
SELECT * FROM (SELECT a, b, pg_temp.calculate('a * b', a, b)::text AS got, (a * b)::text AS want FROM numbers) x WHERE got IS DISTINCT FROM want;
SELECT * FROM (SELECT a, b, pg_temp.calculate('a % b', a, b) AS got, a % b AS want FROM numbers WHERE b <> 0) x WHERE got IS DISTINCT FROM want;
SELECT * FROM (SELECT a, pg_temp.calculate('-a + abs(a) * sign(a)', a) AS got FROM numbers) x WHERE got IS DISTINCT FROM 0;
SELECT * FROM (SELECT a, b, pg_temp.calculate('a < b ? -1 : a > b ? 1 : a = b ? 0 : 9', a, b) AS got, sign(a - b) AS want FROM numbers) x
	WHERE got IS DISTINCT FROM want;
SELECT * FROM (SELECT a, b, pg_temp.calculate('min(a, b) * 2 + max(a, b)', a, b) AS got, least(a, b) * 2 + greatest(a, b) AS want
	FROM numbers) x WHERE got IS DISTINCT FROM want;

-- rounding at places on both sides of the point
SELECT * FROM (SELECT a, places, pg_temp.calculate('round(a, b)', a, places) AS got, round(a, places) AS want FROM numbers) x WHERE got IS DISTINCT FROM want;
SELECT * FROM (SELECT a, places, pg_temp.calculate('trunc(a, b)', a, places) AS got, trunc(a, places) AS want FROM numbers) x WHERE got IS DISTINCT FROM want;
SELECT * FROM (SELECT a, places, pg_temp.calculate('floor(a, b)', a, places) AS got,
	floor(a * 10 ^ places::numeric) / 10 ^ places::numeric AS want FROM numbers WHERE abs(a) < 1e20 AND scale(a) < 9) x WHERE got IS DISTINCT FROM want;
SELECT * FROM (SELECT a, pg_temp.calculate('floor(a) + ceil(a) * 2', a) AS got, floor(a) + ceil(a) * 2 AS want FROM numbers) x WHERE got IS DISTINCT FROM want;

-- quotients: rounded half away from zero at the scale that the head of
-- expression_number.c defines, computed here by whole numbers
CREATE FUNCTION pg_temp.digits(x numeric) RETURNS int
	LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN abs(x) >= 1 THEN length(trunc(abs(x))::text)
		ELSE -length(substring(abs(x)::text FROM '^0\.(0*)')) END
$$;
SELECT * FROM (
	SELECT a, b, pg_temp.calculate('a / b', a, b) AS got,
		sign(a) * sign(b) * div(abs(a) * power * 2 + abs(b), abs(b) * 2) * ('1e-' || s)::numeric AS want
	FROM numbers, LATERAL (SELECT least(128, greatest(20, scale(a), 20 - pg_temp.digits(a) + pg_temp.digits(b))) AS s) _,
		LATERAL (SELECT ('1e' || s)::numeric AS power) __
	WHERE b <> 0 AND a <> 0) x WHERE got IS DISTINCT FROM want;

-- powers: exact ones, and the others to 18 digits against core's
SELECT * FROM (SELECT a, n, pg_temp.calculate('a ^ b', a, n) AS got,
	(SELECT exp FROM (SELECT a * a, a * a * a, a * a * a * a) AS p(p2, p3, p4), LATERAL (SELECT (ARRAY[p2, p3, p4])[n - 1]) AS _(exp)) AS want
	FROM numbers, generate_series(2, 4) n WHERE abs(a) < 1e31 AND scale(a) < 32) x WHERE got IS DISTINCT FROM want;
SELECT * FROM (SELECT a, e, pg_temp.calculate('a ^ b', a, e) AS got, round(a, 40) ^ e AS want
	FROM (SELECT round(abs(a) % 1000 + 1, 6) AS a, round(b % 5, 3) AS e FROM numbers WHERE b <> 0) y) x
	WHERE abs(got - want) > 1e-18 * (want + 1);
SELECT * FROM (SELECT a, pg_temp.calculate('sqrt(a)', a) AS got FROM (SELECT abs(a) AS a FROM numbers) y) x
	WHERE abs(got * got - a) > 1e-19 * (a + 1);
SELECT * FROM (SELECT a, pg_temp.calculate('sqrt(a * a)', a) AS got FROM (SELECT abs(a) AS a FROM numbers) y) x WHERE got IS DISTINCT FROM a;

-- text and back
SELECT * FROM (SELECT a, pg_temp.calculate('number(text(a))', a) AS got FROM numbers) x WHERE got IS DISTINCT FROM a;
SELECT * FROM (SELECT a, meter.evaluate('text(a)', jsonb_build_object('a', a)) #>> '{}' AS got, trim_scale(a)::text AS want FROM numbers) x
	WHERE got IS DISTINCT FROM want;

-- parts of times in every kind of zone
SET timezone = 'UTC';
CREATE TEMP TABLE times AS
	SELECT to_timestamp(round((random() * 4e9 - 1e9)::numeric, 3)::float8) AS t,
		(ARRAY['UTC', 'Europe/Berlin', 'America/St_Johns', 'Asia/Kathmandu', 'Pacific/Apia', 'Australia/Lord_Howe', 'Africa/Monrovia'])
			[1 + i % 7] AS zone
	FROM generate_series(1, 3000) i;
SELECT * FROM (
	SELECT t, zone, meter.evaluate('concat(year(t, z), " ", quarter(t, z), " ", month(t, z), " ", week(t, z), " ", day(t, z), " ",
			dayofweek(t, z), " ", dayofyear(t, z), " ", hour(t, z), " ", minute(t, z), " ", second(t, z), " ", date(t, z), " ", days_in_month(t, z))',
			jsonb_build_object('t', t, 'z', zone)) #>> '{}' AS got,
		to_char(l, 'FMYYYY FMQ FMMM FMIW FMDD FMID FMDDD FMHH24 FMMI FMSS YYYY-MM-DD ') ||
			extract(day FROM date_trunc('month', l) + interval '1 month' - interval '1 day') AS want
	FROM times, LATERAL (SELECT t AT TIME ZONE zone) AS _(l)) x WHERE got IS DISTINCT FROM want;
SELECT * FROM (SELECT t, (meter.evaluate('epoch(t)', jsonb_build_object('t', t)) #>> '{}')::numeric AS got, extract(epoch FROM t) AS want,
	(meter.evaluate('time(epoch(t))', jsonb_build_object('t', t)) #>> '{}')::timestamptz AS back FROM times) x
	WHERE got IS DISTINCT FROM want OR back IS DISTINCT FROM t;
SELECT * FROM (SELECT t, (meter.evaluate('time(t) - time(u)', jsonb_build_object('t', t, 'u', u)) #>> '{}')::numeric AS got,
	extract(epoch FROM t) - extract(epoch FROM u) AS want FROM (SELECT t, lead(t, 1, t) OVER () AS u FROM times) y) x WHERE got IS DISTINCT FROM want;

SELECT count(*) > 3000 AS numbers FROM numbers;
SELECT count(*) FROM times;
