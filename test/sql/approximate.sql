-- Approximate unique counts, by the extension hll.
\set VERBOSITY terse
SET timezone = 'UTC';
SELECT count(*) > 0 AS available FROM pg_available_extensions WHERE name = 'hll' \gset
\if :available
\else
\echo 'the extension hll is not available'
\quit
\endif
DO $$ BEGIN PERFORM meter.create_store(); END $$;
SELECT meter.create_organization('approximate', '00000000-0000-0000-0000-00000000fe11');
\set org '00000000-0000-0000-0000-00000000fe11'
\set approximate '{"effective_at": "2025-01-01T00:00:00Z", "metric_key": "visit", "function": "unique_count", "unique_by_field": "user", "function_options": {"approximate": true}}'
\set exact '{"effective_at": "2025-01-01T00:00:00Z", "metric_key": "visit", "function": "unique_count", "unique_by_field": "user"}'

-- Without the extension: refused, also in a profile; exact is what it was.
\set VERBOSITY default
SELECT meter.create_meter(:'org', :'approximate'::jsonb || '{"key": "about"}');
\set VERBOSITY terse
SELECT meter.create_meter(:'org', :'exact'::jsonb || jsonb_build_object('key', 'about', 'profiles',
	jsonb_build_array(jsonb_build_object('code', 'p', 'aggregation_method', 'unique_count', 'aggregation_property', 'user', 'function_options', '{"approximate": true}'::jsonb))));

-- In a schema that is not in search_path.
CREATE SCHEMA sketches;
CREATE EXTENSION hll SCHEMA sketches;
SELECT count(meter.create_meter(:'org', m)) FROM unnest(ARRAY[
	:'approximate'::jsonb || '{"key": "about"}', :'exact'::jsonb || '{"key": "exactly"}',
	:'approximate'::jsonb || '{"key": "about by region", "dimensions": {"region": "region"}}',
	:'exact'::jsonb || '{"key": "exactly by region", "dimensions": {"region": "region"}}',
	:'approximate'::jsonb || '{"key": "about for ever", "window": {"size": "day"}}']) AS m;

-- 20,000 users, half of them twice, over two days and in four batches.
SELECT status, count(*) FROM generate_series(0, 3) AS batch, meter.ingest(:'org', (
	SELECT json_agg(json_build_object('id', i::text, 'source', 'test', 'type', 'visit', 'subject', 's' || i % 3,
		'time', '2025-03-01 00:00Z'::timestamptz + i * interval '5.7 s', 'data', jsonb_build_object('user', 'user ' || i % 20000, 'region', i % 2)))
	  FROM generate_series(batch * 7500, batch * 7500 + 7499) AS i)) GROUP BY 1;

CREATE FUNCTION pg_temp.compare(suffix text, period_from timestamptz, period_to timestamptz, subject text DEFAULT NULL, group_by text[] DEFAULT '{}', size text DEFAULT NULL)
RETURNS TABLE (pieces bigint, users numeric, events boolean, close boolean) LANGUAGE sql AS $$
	SELECT count(*), sum(e.value), bool_and(a.event_count = e.event_count), bool_and(abs(a.value - e.value) <= greatest(0.03 * e.value, 1) AND a.value = round(a.value))
	  FROM meter.usage('00000000-0000-0000-0000-00000000fe11', 'about' || $1, $2, $3, $4, group_by => $5, window_size => $6) AS a
	  FULL JOIN meter.usage('00000000-0000-0000-0000-00000000fe11', 'exactly' || $1, $2, $3, $4, group_by => $5, window_size => $6) AS e
		USING (window_start, dimensions)
$$;
SELECT * FROM pg_temp.compare('', '2025-03-01', '2025-03-03');
-- Merged over windows, subjects, dimensions and raw events of cut quarters.
SELECT * FROM pg_temp.compare('', '2025-03-01', '2025-03-03', size => 'hour');
SELECT * FROM pg_temp.compare('', '2025-03-01', '2025-03-03', size => 'day');
SELECT * FROM pg_temp.compare('', '2025-03-01', '2025-03-03', 's1');
SELECT * FROM pg_temp.compare('', '2025-03-01 10:07:11Z', '2025-03-01 10:08Z');
SELECT * FROM pg_temp.compare('', '2025-03-01 10:07:11Z', '2025-03-02 19:01:02Z');
SELECT * FROM pg_temp.compare(' by region', '2025-03-01', '2025-03-03', group_by => '{region}');
SELECT * FROM pg_temp.compare(' by region', '2025-03-01', '2025-03-03', 's2', '{region}', 'day');
SELECT value, event_count FROM meter.usage(:'org', 'about', '2024-01-01', '2024-02-01');
-- Many keys in one quarter, whole and cut.
SELECT status, count(*) FROM meter.ingest(:'org', (SELECT json_agg(json_build_object('id', 'many ' || i, 'source', 'test', 'type', 'visit', 'subject', 's1',
	'time', '2025-03-04 00:00Z'::timestamptz + i * interval '0.1 s', 'data', json_build_object('user', i, 'region', 2))) FROM generate_series(0, 8999) AS i)) GROUP BY 1;
SELECT * FROM pg_temp.compare('', '2025-03-04', '2025-03-05');
SELECT * FROM pg_temp.compare('', '2025-03-04 00:01Z', '2025-03-04 00:14Z');

-- Versions: an exact one is not merged with an approximate one.
SELECT count(*) FROM meter.update_meter(:'org', 'about by region', '{"function_options": null}') AS m;
SELECT status, count(*) FROM meter.ingest(:'org', (SELECT json_agg(json_build_object('id', 'now ' || i, 'source', 'test', 'type', 'visit',
	'subject', 's1', 'data', jsonb_build_object('user', i, 'region', 2))) FROM generate_series(1, 20) AS i)) GROUP BY 1;
SELECT version, CASE version WHEN 1 THEN value BETWEEN 28130 AND 29870 ELSE value = 20 END AS close, event_count FROM meter.usage(:'org', 'about by region', '2025-03-01', 'infinity') ORDER BY 1;

-- A recurring profile counts each key once for ever.
SELECT count(meter.create_meter(:'org', jsonb_build_object('key', 'recurring', 'effective_at', '2025-01-01 00:00Z', 'metric_key', 'login', 'function', 'count', 'profiles', jsonb_build_array(
	jsonb_build_object('code', 'users', 'recurring', true, 'aggregation_method', 'unique_count', 'aggregation_property', 'user', 'function_options', '{"approximate": true}'::jsonb)))));
SELECT status, count(*) FROM meter.ingest(:'org', (SELECT json_agg(json_build_object('id', i::text, 'source', 'test', 'type', 'login', 'subject', 's',
	'time', '2025-03-01 00:00Z'::timestamptz + i * interval '1 hour', 'data', jsonb_build_object('user', i % 30))) FROM generate_series(0, 71) AS i)) GROUP BY 1;
SELECT window_start, value, event_count FROM meter.usage(:'org', 'recurring', '2025-03-01', '2025-03-04', window_size => 'day', profile => 'users') ORDER BY 1;

-- States: a text that is read back, hll's own value in it, one kind not merged with the other.
\set a '{"function":"unique_count","count":1,"hll":"128e7f0000000000000001"}'
\set b '{"function":"unique_count","count":2,"hll":"128e7f00000000000000010000000000000002"}'
SELECT s, meter.result(s, 'unique_count'), meter.result(s, 'count'), sketches.hll_cardinality(('\x' || (s::text::jsonb ->> 'hll'))::sketches.hll)
  FROM (SELECT meter.rollup(s::meter.usage_state) FROM unnest(ARRAY[:'a', :'b', '{"function":"unique_count","count":0,"hll":""}']) AS s) AS r (s);
SELECT meter.result('{"function":"unique_count","count":0,"hll":""}', 'unique_count');
SELECT meter.rollup(s::meter.usage_state) FROM unnest(ARRAY[:'a', '{"function":"unique_count","count":1,"keys":{"a":1},"digests":{}}']) AS s;
SELECT meter.rollup(s::meter.usage_state) FROM unnest(ARRAY['{"function":"unique_count","count":1,"keys":{"a":1},"digests":{}}', :'a']) AS s;
-- Partial states of parallel workers.
CREATE TABLE sketched AS SELECT format('{"function":"unique_count","count":1,"hll":"128e7f%s"}', left(md5(i::text), 16))::meter.usage_state AS s FROM generate_series(1, 3000) AS i;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
ALTER TABLE sketched SET (parallel_workers = 2);
EXPLAIN (COSTS OFF) SELECT meter.result(meter.rollup(s), 'unique_count') FROM sketched;
SELECT meter.result(meter.rollup(s), 'count'), meter.result(meter.rollup(s), 'unique_count') BETWEEN 2910 AND 3090 AS close FROM sketched;
SELECT meter.usage_state_send(meter.rollup(s)) = (SELECT meter.usage_state_send(meter.rollup(s ORDER BY i DESC)) FROM (SELECT s, row_number() OVER () AS i FROM sketched) AS s) AS same FROM sketched;
-- Bytes that are none, or another shape's.
CREATE FUNCTION pg_temp.refusal(text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN $1::meter.usage_state::text;
EXCEPTION WHEN OTHERS THEN
	RETURN concat_ws(' | ', SQLSTATE, SQLERRM);
END
$$;
SELECT hll, left(pg_temp.refusal(format('{"function":"unique_count","count":1,"hll":"%s"}', hll)), 5) AS refusal
  FROM unnest(ARRAY['0', 'xx', '12', '128e7f', '108e7f00', '118e7f00', '158e7f00', '228e7f0000000000000001', '128b7f0000000000000001', '128e7e0000000000000001',
	'128e7f00', '128e7f00000000000000020000000000000001', '138e7fffff', '148e7f00', '148e7f' || repeat('00', 10239)]) AS hll
 WHERE length(hll) < 100 OR pg_temp.refusal(format('{"function":"unique_count","count":1,"hll":"%s"}', hll)) !~ '^22';
SELECT pg_temp.refusal('{"function":"unique_count","count":-1,"hll":""}'), pg_temp.refusal('{"function":"unique_count","count":1,"hll":"","keys":{}}'), pg_temp.refusal('{"function":"sum","count":1,"hll":""}');

-- The same from a client's bytes; a binary COPY file of bytea is one of states.
CREATE TEMP TABLE received (s meter.usage_state);
CREATE FUNCTION pg_temp.receive(bytes bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	file text := current_setting('data_directory') || '/approximate.test';
BEGIN
	EXECUTE format('COPY (SELECT %L::bytea) TO %L (FORMAT binary)', bytes, file);
	EXECUTE format('COPY received FROM %L (FORMAT binary)', file);
	RETURN (SELECT concat_ws(' ', s, meter.usage_state_send(s) = bytes) FROM received);
EXCEPTION WHEN OTHERS THEN
	RETURN CASE SQLSTATE WHEN '22000' THEN SQLSTATE ELSE concat_ws(' ', SQLSTATE, SQLERRM) END;
END
$$;
SELECT what, pg_temp.receive(bytes) FROM (VALUES
	('a sketch', '\x0186020b128e7f0000000000000001'::bytea), ('approximate sum', '\x018002'),
	('negative count', '\x0186010b128e7f0000000000000001'), ('too short', '\x0186020b128e7f00000000000000'), ('too long', '\x0186020b128e7f000000000000000100'),
	('other parameters', '\x0186020b128b7f0000000000000001'), ('out of order', '\x01860213128e7f00000000000000020000000000000001')) AS v (what, bytes);

-- Events that are taken back: a sketch cannot go back, so the quarter is counted
-- from the events, and few are counted exactly.
SELECT status, count(*) FROM meter.ingest(:'org', (SELECT json_agg(json_build_object('id', 'back' || i, 'source', 'test', 'type', 'visit', 'subject', 'back',
	'time', '2025-04-01T00:00:00Z'::timestamptz + i * interval '10 minutes', 'data', json_build_object('user', 'back' || i % 20, 'region', 'eu'))) FROM generate_series(1, 40) AS i)) GROUP BY 1;
SELECT count(meter.void_event(:'org', 'visit', 'back' || i, 'wrong')) FROM unnest('{3,23,4,39}'::int[]) AS i;
SELECT meter.amend_event(:'org', 'visit', 'back5', '{"user": "another", "region": "us"}') ->> 'status';
SELECT a.window_start, a.value AS about, e.value AS exactly, a.event_count = e.event_count AS same FROM meter.usage(:'org', 'about', '2025-04-01', '2025-04-01 08:00', window_size => 'hour') AS a
	JOIN meter.usage(:'org', 'exactly', '2025-04-01', '2025-04-01 08:00', window_size => 'hour') AS e USING (window_start);
SELECT a.value AS about, e.value AS exactly FROM meter.usage(:'org', 'about', '2025-04-01', '2025-04-02') AS a, meter.usage(:'org', 'exactly', '2025-04-01', '2025-04-02') AS e;

-- Dropped: said clearly, nothing is taken, what does not need it goes on.
DROP EXTENSION hll;
SELECT value FROM meter.usage(:'org', 'about', '2025-03-01', '2025-03-03');
SELECT status FROM meter.ingest(:'org', '{"id": "later", "source": "test", "type": "visit", "subject": "s1", "data": {"user": "u"}}');
SELECT value FROM meter.usage(:'org', 'exactly', '2025-03-01', '2025-03-03');
SELECT meter.create_meter(:'org', :'approximate'::jsonb || '{"key": "another"}');
SELECT :'a'::meter.usage_state;
SELECT pg_temp.receive('\x0186020b128e7f0000000000000001');

-- Back again, elsewhere: as before.
CREATE EXTENSION hll;
SELECT * FROM pg_temp.compare('', '2025-03-01', '2025-03-03');
SELECT status FROM meter.ingest(:'org', '{"id": "later", "source": "test", "type": "visit", "subject": "s1", "data": {"user": "u"}}');

-- The other tests go without.
DROP TABLE sketched;
DROP EXTENSION hll;
DROP SCHEMA sketches;
