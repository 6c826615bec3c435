-- The aggregates, against core's own and against hand-made tables.
SET client_min_messages = warning;
SET timezone = 'UTC';

SELECT setseed(0.5);
CREATE TABLE samples AS
SELECT i::bigint AS seq, (random() * 12)::int AS grp, (random() * 30)::int AS part,
	   CASE WHEN i % 50 = 0 THEN NULL
			WHEN i % 7 = 0 THEN round((random() - 0.5)::numeric * 1e30, (random() * 40)::int)
			ELSE round(((random() - 0.5) * 1e4)::numeric, (random() * 6)::int) END AS v,
	   timestamptz '2026-03-01' + (random() * 500)::int * interval '1 hour' AS t,
	   CASE WHEN i % 40 = 0 THEN NULL
			WHEN i % 9 = 0 THEN repeat('long key ', 5) || (random() * 100)::int
			ELSE 'k' || (random() * 300)::int END AS k
  FROM generate_series(1, 20000) i;
ALTER TABLE samples SET (parallel_workers = 2);
ANALYZE samples;

CREATE FUNCTION functions() RETURNS SETOF text LANGUAGE sql IMMUTABLE AS
$$ SELECT unnest('{sum,count,avg,min,max,latest,unique_count,weighted_sum,percentile,custom}'::text[]) $$;

-- Each group agrees with core, sums and means to the last digit shown.
SELECT count(*) AS groups, bool_and(sum) AS sum, bool_and(custom) AS custom, bool_and(count) AS count, bool_and(avg) AS avg,
	   bool_and(min) AS min, bool_and(max) AS max, bool_and(uniq) AS unique_count, bool_and(uniq1) AS unique_count_1,
	   bool_and(latest) AS latest, bool_and(latest1) AS latest_1
  FROM (SELECT meter.result(meter.usage_agg('sum', v), 'sum')::text = sum(v)::text AS sum,
			   meter.result(meter.usage_agg('custom', v), 'custom')::text = sum(v)::text AS custom,
			   meter.result(meter.usage_agg('count'), 'count') = count(*) AS count,
			   meter.result(meter.usage_agg('avg', v), 'avg')::text = avg(v)::text AS avg,
			   meter.result(meter.usage_agg('min', v), 'min') = min(v) AS min,
			   meter.result(meter.usage_agg('max', v), 'max') = max(v) AS max,
			   meter.result(meter.usage_agg('unique_count', k), 'unique_count') = count(DISTINCT k) AS uniq,
			   meter.unique_count(k) = count(DISTINCT k) AS uniq1,
			   meter.result(meter.usage_agg('latest', v, t, seq), 'latest')
			   = (array_agg(v ORDER BY t DESC, seq DESC) FILTER (WHERE v IS NOT NULL))[1] AS latest,
			   meter.latest(v, t) = (array_agg(v ORDER BY t DESC, v DESC) FILTER (WHERE v IS NOT NULL))[1] AS latest1
		  FROM samples GROUP BY grp) q;

-- percentile_cont, whose arithmetic is in double precision, where that is
-- exact: values that are multiples of 1/64 and fractions of 1/16.
SELECT count(*), count(*) FILTER (WHERE p <> c) AS differ
  FROM (SELECT meter.result(meter.usage_agg('percentile', x), 'percentile', jsonb_build_object('percentile', f)) AS p,
			   percentile_cont(f::float8) WITHIN GROUP (ORDER BY x::float8)::numeric AS c
		  FROM (SELECT grp, f / 16 AS f, trunc(v % 1000) / 64 AS x
				  FROM samples, generate_series(0, 16::numeric) f WHERE seq % 10 = 1 AND seq % (grp + 1) = 0) s
		 GROUP BY grp, f) q;
SELECT f, meter.result(meter.usage_agg('percentile', x), 'percentile', jsonb_build_object('percentile', f))
  FROM unnest('{10.00,20,30.5,40,0.1}'::numeric[]) x, unnest('{0,0.25,0.5,0.95,1,0.3333}'::numeric[]) f GROUP BY f ORDER BY f;

-- Merging: whatever the partition and the order, the same bytes.
CREATE TABLE whole AS
SELECT f, grp, meter.usage_agg(f, v, t, seq, k) AS s FROM samples, functions() f WHERE grp < 4 GROUP BY f, grp;
CREATE TABLE parts AS
SELECT f, grp, part, meter.usage_agg(f, v, t, seq, k ORDER BY random()) AS s
  FROM samples, functions() f WHERE grp < 4 GROUP BY f, grp, part;
SELECT count(*) AS wholes,
	   count(*) FILTER (WHERE meter.usage_state_send(w.s) = meter.usage_state_send(flat.s)) AS flat,
	   count(*) FILTER (WHERE meter.usage_state_send(w.s) = meter.usage_state_send(deep.s)) AS deep
  FROM whole w
  JOIN (SELECT f, grp, meter.rollup(s ORDER BY random()) AS s FROM parts GROUP BY f, grp) flat USING (f, grp)
  JOIN (SELECT f, grp, meter.rollup(s ORDER BY part DESC) AS s
		  FROM (SELECT f, grp, part % 5 AS part, meter.rollup(s ORDER BY random()) AS s FROM parts GROUP BY f, grp, part % 5) p
		 GROUP BY f, grp) deep USING (f, grp);

-- In parallel, the same bytes again.
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SET enable_indexonlyscan = off;
EXPLAIN (COSTS OFF) SELECT meter.usage_agg('sum', v) FROM samples;
EXPLAIN (COSTS OFF) SELECT meter.rollup(s) FROM whole;
CREATE FUNCTION everything(OUT grp int, OUT states text, OUT latest numeric, OUT keys bigint, OUT delta numeric, OUT gauge numeric)
	RETURNS SETOF record LANGUAGE sql STABLE PARALLEL RESTRICTED AS $$
	SELECT grp,
		   md5(concat(meter.usage_agg('sum', v), meter.usage_agg('count'), meter.usage_agg('avg', v), meter.usage_agg('min', v),
					  meter.usage_agg('max', v, t), meter.usage_agg('latest', v, t, seq), meter.usage_agg('unique_count', k),
					  meter.usage_agg('weighted_sum', v, t, seq), meter.usage_agg('percentile', v), meter.usage_agg('custom', v))),
		   meter.latest(v, t), meter.unique_count(k),
		   meter.time_weighted(v, t, '2026-03-05', '2026-03-10', 'delta'), meter.time_weighted(v, t, '2026-03-05', '2026-03-10', 'gauge')
	  FROM samples GROUP BY grp $$;
EXPLAIN (COSTS OFF) SELECT * FROM everything();
CREATE TABLE in_parallel AS SELECT * FROM everything();
SET enable_hashagg = off;
CREATE TABLE in_parallel_sorted AS SELECT * FROM everything();
RESET enable_hashagg;
SET max_parallel_workers_per_gather = 0;
CREATE TABLE alone AS SELECT * FROM everything();
SELECT (SELECT count(*) FROM alone) AS groups,
	   (SELECT count(*) FROM (TABLE alone INTERSECT TABLE in_parallel) x) AS in_parallel,
	   (SELECT count(*) FROM (TABLE alone INTERSECT TABLE in_parallel_sorted) x) AS in_parallel_sorted;
SET max_parallel_workers_per_gather = 2;
SELECT meter.usage_state_send((SELECT meter.rollup(s) FROM whole WHERE f = 'unique_count'))
	   = meter.usage_state_send(meter.usage_agg('unique_count', k)) AS rolled_up FROM samples WHERE grp < 4;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;
RESET enable_indexonlyscan;

-- As a window function.
SELECT i, meter.result(meter.usage_agg('sum', i) OVER (ORDER BY i), 'sum') AS running,
	   meter.unique_count((i % 3)::text) OVER (ORDER BY i ROWS 2 PRECEDING) AS last_three
  FROM generate_series(1, 5) i;

-- Reversals: states with negative halves, merged in any order, leave what was
-- there before.
SELECT name, meter.rollup(s::meter.usage_state ORDER BY n) AS forth, meter.rollup(s::meter.usage_state ORDER BY n DESC)::text
	   = meter.rollup(s::meter.usage_state ORDER BY n)::text AS and_back,
	   max(meter.result(s::meter.usage_state, name, o)::text) FILTER (WHERE n = 1) AS half,
	   meter.result(meter.rollup(s::meter.usage_state), name, o) AS result
  FROM (VALUES
	('sum', 1, '{"function":"sum","count":-1,"sum":-0.1}', '{}'::jsonb),
	('sum', 2, '{"function":"sum","count":2,"sum":0.3}', '{}'),
	('count', 1, '{"function":"count","count":-2}', '{}'),
	('count', 2, '{"function":"count","count":3}', '{}'),
	('avg', 1, '{"function":"avg","count":-1,"sum":-10}', '{}'),
	('avg', 2, '{"function":"avg","count":3,"sum":15}', '{}'),
	('unique_count', 1, '{"function":"unique_count","count":-2,"keys":{"a":-1,"b":-1},"digests":{}}', '{}'),
	('unique_count', 2, '{"function":"unique_count","count":4,"keys":{"a":2,"b":1,"c":1},"digests":{}}', '{}'),
	('percentile', 1, '{"function":"percentile","count":-1,"values":[[7.50,-1]]}', '{"percentile":0.5}'),
	('percentile', 2, '{"function":"percentile","count":4,"values":[[1,1],[2,1],[7.5,2]]}', '{"percentile":0.5}'),
	('weighted_sum', 1, '{"function":"weighted_sum","count":-1,"points":[["2026-03-01T00:00:00+00:00",1,7,-1]]}',
	 '{"window_start":"2026-03-01","window_end":"2026-03-11","mode":"gauge"}'),
	('weighted_sum', 2, '{"function":"weighted_sum","count":2,"points":[["2026-03-01T00:00:00+00:00",1,7,1],["2026-03-06T00:00:00+00:00",2,4,1]]}',
	 '{"window_start":"2026-03-01","window_end":"2026-03-11","mode":"gauge"}')) v(name, n, s, o)
 GROUP BY name, o ORDER BY name;

-- weighted_sum.
CREATE TABLE levels (name text, v numeric, t timestamptz, seq bigint);
INSERT INTO levels VALUES
	('march', 1000, '2026-03-05', 1),
	('steps', 10, '2026-03-01', 1), ('steps', -4, '2026-03-11', 2), ('steps', 2.5, '2026-03-21 12:00:00.000001', 3),
	('tie', 5, '2026-03-10', 2), ('tie', 7, '2026-03-10', 1), ('tie', 6, '2026-03-10', 3),
	('before', 100, '2026-02-10', 1), ('before', 50, '2026-02-20', 2),
	('after', 100, '2026-04-01', 1),
	('around', 3, '2025-12-31', 1), ('around', 4, '2026-03-17', 2), ('around', 5, '2026-04-01', 3);
SELECT name, round(meter.time_weighted(v, t, '2026-03-01', '2026-04-01', 'delta'), 6) AS delta,
	   round(meter.time_weighted(v, t, '2026-03-01', '2026-04-01', 'gauge'), 6) AS gauge,
	   round(meter.result(meter.usage_agg('weighted_sum', v, t, seq), 'weighted_sum', w || '{"mode":"delta"}'), 6) AS delta_seq,
	   round(meter.result(meter.usage_agg('weighted_sum', v, t, seq), 'weighted_sum', w || '{"mode":"gauge"}'), 6) AS gauge_seq,
	   round(meter.result(meter.usage_agg('weighted_sum', v, t, seq), 'weighted_sum', w || '{"carry":"1000.5"}'), 6) AS delta_carry,
	   round(meter.result(meter.usage_agg('weighted_sum', v, t, seq), 'weighted_sum', w || '{"carry":"1000.5","mode":"gauge"}'), 6) AS gauge_carry,
	   meter.result(meter.usage_agg('weighted_sum', v, t, seq), 'sum') AS last_delta,
	   meter.result(meter.usage_agg('weighted_sum', v, t, seq), 'latest') AS last_gauge
  FROM levels, (VALUES ('{"window_start":"2026-03-01","window_end":"2026-04-01"}'::jsonb)) o(w)
 GROUP BY name, w ORDER BY name;

-- No events: the carry, or nothing.
SELECT meter.result(NULL, 'weighted_sum', '{"window_start":"2026-03-01","window_end":"2026-04-01","carry":1000}') AS carried,
	   meter.result(NULL, 'weighted_sum', '{"window_start":"2026-03-01","window_end":"2026-04-01"}') AS nothing;

-- One microsecond counts, in a window as long as times can be.
SELECT meter.time_weighted(1, '2026-03-01 00:00:00.000001', '2026-03-01', '2026-03-01 00:00:00.000004', 'delta') AS three_quarters,
	   meter.time_weighted(1, '2026-03-01', '4713-01-01 BC', '294276-12-31', 'delta')
	   - meter.time_weighted(1, '2026-03-01', '4713-01-01 BC', '294276-12-31', 'gauge') AS same,
	   round(meter.time_weighted(1, '2026-03-01', '4713-01-01 BC', '294276-12-31', 'delta'), 6) AS nearly_all;

-- A day of 23 hours: the level of its second half, from 13:00 on that clock.
SELECT meter.time_weighted(23, '2026-03-29 13:00:00+02', '2026-03-29 00:00:00+01', '2026-03-30 00:00:00+02', 'gauge') AS eleven;

-- Sums say the same as points, and merge with them.
SELECT meter.result(sums, 'weighted_sum', w) AS sums, meter.result(points, 'weighted_sum', w) AS points,
	   meter.result((SELECT meter.rollup(s) FROM (VALUES (sums), (points)) x(s)), 'weighted_sum', w) AS both_ways,
	   (SELECT meter.rollup(s) FROM (VALUES (points), (sums)) x(s)) AS merged
  FROM (VALUES ('{"function":"weighted_sum","count":1,"sum":1000,"moment":825984000000000000}'::meter.usage_state,
				'{"function":"weighted_sum","count":1,"points":[["2026-03-05T00:00:00+00:00",1,1000,1]]}'::meter.usage_state,
				'{"window_start":"2026-03-01","window_end":"2026-04-01"}'::jsonb)) v(sums, points, w);

-- Numbers of all sizes, the sum shown where it is short.
SELECT n, CASE WHEN length(s::text) < 45 THEN s END AS s, s::text = core::text AS sum, meter.result(state, 'avg')::text = avg::text AS avg, max, min, state::text::meter.usage_state::text = state::text AS text
  FROM (SELECT n, sum(v) AS core, avg(v), meter.usage_agg('avg', v ORDER BY i) AS state, meter.result(meter.usage_agg('sum', v ORDER BY i), 'sum') AS s,
			   max(v) = meter.result(meter.usage_agg('max', v), 'max') AS max, min(v) = meter.result(meter.usage_agg('min', v), 'min') AS min
		  FROM (VALUES
			(1, '{0.1,0.2}'::numeric[]),
			(2, '{123,0.4567890123456789}'),
			(3, '{170141183460469231731687303715884105727,1}'),
			(4, '{170141183460469231731687303715884105727,1,-1}'),
			(5, '{-170141183460469231731687303715884105727,-1,-1,2}'),
			(6, '{99999999999999999999999999999999999999,99999999999999999999999999999999999999.9,-0.1}'),
			(7, ARRAY[1e127, 1e127, -1e-100, 1e127, -1e127, -2e127]),
			(8, ARRAY[1e127, 1e-128]),
			(9, ARRAY[0, 0.00, -0.000]),
			(10, ARRAY[1e37, 0.01, 1e37, 1e37, 1e38]),
			(11, ARRAY[0.5e-127, 5e37]),
			(12, ARRAY[-5, -1e-100, 1e-100, 5]), (13, ARRAY[-1e-100, -5]), (14, ARRAY[1e-100, 5])) n(n, vs),
		 unnest(vs) WITH ORDINALITY u(v, i) GROUP BY n) q
 ORDER BY n;

-- A group's sum that leaves 128 bits often and comes back.
SELECT meter.result(meter.usage_agg('sum', (CASE WHEN i % 2 = 0 THEN 1 ELSE -1 END) * 1.5e38 + i ORDER BY i), 'sum') = sum((CASE WHEN i % 2 = 0 THEN 1 ELSE -1 END) * 1.5e38 + i) AS sum
  FROM generate_series(1, 2000) i;

-- Nothing.
SELECT f, meter.usage_agg(f, v, t, seq, k) AS of_nulls, meter.result(meter.usage_agg(f, v, t, seq, k), f, o) AS result, meter.result(NULL, f, o) AS of_no_state
  FROM functions() f, (VALUES (NULL::numeric, NULL::timestamptz, NULL::bigint, NULL::text)) n(v, t, seq, k),
	   (VALUES ('{"percentile":0.5,"window_start":"2026-03-01","window_end":"2026-04-01"}'::jsonb)) w(o) GROUP BY f, o ORDER BY f;
SELECT meter.usage_agg('sum', v) AS usage_agg, meter.result(meter.usage_agg('sum', v), 'sum') AS sum, meter.latest(v, t), meter.unique_count(k),
	   meter.time_weighted(v, t, t, t, 'delta'), meter.rollup(NULL::meter.usage_state) FROM samples WHERE false;
SELECT meter.rollup(s) FROM (VALUES (NULL::meter.usage_state), ('{"function":"count","count":2}'), (NULL)) v(s);
SELECT meter.result('{"function":"count","count":2}', NULL) AS no_function;

-- The forms: literals without a type, integers, one argument.
SELECT meter.usage_agg('count'), meter.usage_agg('sum', 5), meter.usage_agg('unique_count', 'x'), meter.usage_agg('count', 'x'),
	   meter.usage_agg('latest', 5, '2026-03-05'), meter.usage_agg('max', 5, NULL, NULL, NULL);

-- Ties of latest: arrival decides, then the value.
SELECT meter.result(meter.usage_agg('latest', v, t, seq), 'latest') AS by_arrival, meter.result(meter.usage_agg('latest', v, t), 'latest') AS by_value,
	   meter.result(meter.usage_agg('latest', v, t, NULL), 'latest') AS seq_null
  FROM (VALUES (9, timestamptz '2026-03-05', 1), (3, '2026-03-05', 2), (7, '2026-03-04', 3)) x(v, t, seq);

CREATE FUNCTION attempt(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
	detail text;
BEGIN
	EXECUTE 'SELECT ' || query INTO answer;
	RETURN 'ok: ' || coalesce(answer, 'NULL');
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN sqlstate || ' ' || sqlerrm || CASE WHEN detail <> '' THEN ' / ' || detail ELSE '' END;
END $$;

-- What one state holds for another function.
SELECT a AS state, string_agg(b, ' ' ORDER BY b) AS holds
  FROM functions() a, functions() b
 WHERE attempt(format('meter.result(meter.usage_agg(%L, 1, ''2026-03-05'', 1, ''x''), %L, ''{"percentile":0.5,"window_start":"2026-03-01","window_end":"2026-04-01"}'')', a, b)) LIKE 'ok%'
 GROUP BY a ORDER BY a;

SELECT q, attempt(q) FROM unnest(ARRAY[
	$$meter.usage_agg('total', 1)$$,
	$$meter.usage_agg('Sum', 1)$$,
	$$meter.usage_agg(repeat('é', 100), 1)$$,
	$$meter.usage_agg(NULL::text, 1)$$,
	$$meter.usage_agg('sum')$$,
	$$meter.usage_agg('sum', '5')$$,
	$$meter.usage_agg('sum', 'NaN'::numeric)$$,
	$$meter.usage_agg('max', '-Infinity'::numeric)$$,
	$$meter.usage_agg('sum', 1e128)$$,
	$$meter.usage_agg('sum', 1e-129)$$,
	$$meter.usage_agg('sum', repeat('9', 128)::numeric)$$,
	$$meter.usage_agg('latest', 1)$$,
	$$meter.usage_agg('latest', 1, NULL)$$,
	$$meter.usage_agg('weighted_sum', 1, NULL, 5)$$,
	$$meter.usage_agg('weighted_sum', 1, 'infinity')$$,
	$$meter.usage_agg('unique_count', 1)$$,
	$$meter.usage_agg('unique_count', 1, now(), 1)$$,
	$$meter.usage_agg(f, 1) FROM (VALUES ('sum'), ('avg')) f(f)$$,
	$$meter.rollup(s) FROM (VALUES ('{"function":"count","count":2}'::meter.usage_state), ('{"function":"sum","count":2,"sum":1}')) v(s)$$,
	$$meter.rollup(s) FROM (VALUES ('{"function":"count","count":9223372036854775807}'::meter.usage_state), ('{"function":"count","count":1}')) v(s)$$,
	$$meter.result(meter.usage_agg('sum', 1), 'total')$$,
	$$meter.result(meter.usage_agg('sum', 1), 'max')$$,
	$$meter.result(meter.usage_agg('percentile', 1), 'percentile')$$,
	$$meter.result(meter.usage_agg('percentile', 1), 'percentile', '{}')$$,
	$$meter.result(meter.usage_agg('percentile', 1), 'percentile', '{"percentile":1.01}')$$,
	$$meter.result(meter.usage_agg('percentile', 1), 'percentile', '{"percentile":"half"}')$$,
	$$meter.result(meter.usage_agg('percentile', 1), 'percentile', '{"percentile":true}')$$,
	$$meter.result(meter.usage_agg('percentile', 1), 'percentile', '{"fraction":1}')$$,
	$$meter.result(meter.usage_agg('percentile', 1), 'percentile', '[]')$$,
	$$meter.result(meter.usage_agg('weighted_sum', 1, now()), 'weighted_sum')$$,
	$$meter.result(meter.usage_agg('weighted_sum', 1, now()), 'weighted_sum', '{}')$$,
	$$meter.result(meter.usage_agg('weighted_sum', 1, now()), 'weighted_sum', '{"window_start":"2026-03-01","window_end":"infinity"}')$$,
	$$meter.result(meter.usage_agg('weighted_sum', 1, now()), 'weighted_sum', '{"window_start":"2026-03-01","window_end":5}')$$,
	$$meter.result(meter.usage_agg('weighted_sum', 1, now()), 'weighted_sum', '{"window_start":"soon"}')$$,
	$$meter.result(meter.usage_agg('weighted_sum', 1, now()), 'weighted_sum', '{"mode":"level"}')$$,
	$$meter.result(meter.usage_agg('weighted_sum', 1, now()), 'weighted_sum', '{"carry":"NaN"}')$$,
	$$meter.result('{"function":"weighted_sum","count":1,"sum":7,"moment":7}', 'weighted_sum', '{"window_start":"2026-03-01","window_end":"2026-03-02","mode":"gauge"}')$$,
	$$meter.latest(1, NULL)$$,
	$$meter.latest('NaN', now())$$,
	$$meter.time_weighted(1, now(), '2026-03-01', '2026-03-01', 'delta')$$,
	$$meter.time_weighted(1, now(), '2026-03-01', '2026-04-01', 'slope')$$,
	$$meter.time_weighted(1, now(), '2026-03-01', '2026-04-01', NULL)$$,
	$$meter.time_weighted(1, NULL, '2026-03-01', '2026-04-01', 'delta')$$,
	$$meter.time_weighted(1, 'infinity', '2026-03-01', '2026-04-01', 'gauge')$$,
	$$meter.time_weighted(1, '-infinity', '2026-03-01', '2026-04-01', 'gauge')$$,
	$$meter.time_weighted(1, '-infinity', '2026-03-01', '2026-04-01', 'delta')$$,
	$$meter.time_weighted(1, now(), '2026-03-01', e, 'delta') FROM (VALUES ('2026-04-01'::timestamptz), ('2026-05-01')) w(e)$$]) q;

DROP TABLE samples, whole, parts, in_parallel, in_parallel_sorted, alone, levels;
DROP FUNCTION functions, everything, attempt;
