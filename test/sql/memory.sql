-- Memory: however much one call brings, what a backend holds is that of a batch.
-- Triggers on the stores look at it while the call runs.
\set VERBOSITY terse
SET work_mem = '64kB';
DO $$ BEGIN PERFORM meter.create_store(); END $$;
SELECT meter.create_organization('memory', '00000000-0000-0000-0000-000000000011');
\set org '''00000000-0000-0000-0000-000000000011'''
CREATE TABLE seen (n int GENERATED ALWAYS AS IDENTITY, bytes bigint);
CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.seen (bytes) SELECT pg_catalog.sum(total_bytes) FROM pg_catalog.pg_backend_memory_contexts;
	RETURN NULL;
END
$$;
-- What was seen since the last time, from the second look on: the first warms caches up.
CREATE FUNCTION grown(within int DEFAULT 4000000, OUT looks text, OUT stays boolean) LANGUAGE sql AS $$
	WITH gone AS (DELETE FROM seen RETURNING *), ranked AS (SELECT bytes, row_number() OVER (ORDER BY n) AS k FROM gone)
	SELECT CASE WHEN count(*) > 2 THEN 'several' ELSE 'too few' END, max(bytes) - max(bytes) FILTER (WHERE k = 2) < within FROM ranked WHERE k >= 2
$$;

-- events that are nothing at all
CREATE TRIGGER look AFTER INSERT ON meter.rejected_event FOR EACH STATEMENT EXECUTE FUNCTION look();
SELECT status, count(*) FROM meter.ingest(:org, ('[' || repeat('1,', 119999) || '1]')::json) GROUP BY 1;
SELECT * FROM grown();

-- each aimed at another meter that does not exist
SELECT status, code, count(*) FROM meter.ingest(:org, (SELECT json_agg(json_build_object('id', i::text, 'meter', 'no ' || i)) FROM generate_series(1, 120000) AS i)) GROUP BY 1, 2;
SELECT * FROM grown();
DROP TRIGGER look ON meter.rejected_event;

-- each of another type that nobody listens to: the dictionary of sources is
-- remembered, up to some size
CREATE TRIGGER look AFTER INSERT ON meter.event_key FOR EACH STATEMENT EXECUTE FUNCTION look();
SELECT status, count(*) FROM meter.ingest(:org, (SELECT json_agg(json_build_object('id', 'e', 'type', 'type ' || i)) FROM generate_series(1, 120000) AS i)) GROUP BY 1;
SELECT * FROM grown(40000000);
DROP TRIGGER look ON meter.event_key;

-- each seen by many meters
DO $$ BEGIN
	FOR i IN 1 .. 100 LOOP
		PERFORM meter.create_meter('00000000-0000-0000-0000-000000000011', json_build_object('key', 'm' || i, 'metric_key', 'many', 'function', 'count')::jsonb);
	END LOOP;
END $$;
CREATE TRIGGER look AFTER INSERT ON meter.event_key FOR EACH STATEMENT EXECUTE FUNCTION look();
SELECT status, count(*) FROM meter.ingest(:org, (SELECT json_agg(json_build_object('id', i::text, 'type', 'many', 'time', '2025-01-01T00:00:00Z')) FROM generate_series(1, 24000) AS i)) GROUP BY 1;
SELECT * FROM grown();
DROP TRIGGER look ON meter.event_key;

-- many that share an envelope's key, and that a meter had before: not a round for each
SELECT m ->> 'key' AS meter FROM meter.create_meter(:org, '{"key": "orders", "metric_key": "order", "function": "count", "dedup_key_path": "order"}') AS m;
SET statement_timeout = '60s';
SELECT status, count(*) FROM meter.ingest(:org, (SELECT json_agg(json_build_object('id',
	CASE WHEN i <= 10 OR i % 2 = 0 THEN 'before' || i ELSE 'x' END, 'type', 'order', 'time', '2025-01-01T00:00:00Z',
	'data', json_build_object('order', i / 2))) FROM generate_series(1, 15000) AS i)) GROUP BY 1;
RESET statement_timeout;

-- large, and kept whole for each of many meters that reject them: more than an array holds
DO $$ BEGIN
	FOR i IN 1 .. 70 LOOP
		PERFORM meter.create_meter('00000000-0000-0000-0000-000000000011', json_build_object('key', 'l' || i, 'metric_key', 'large', 'function', 'sum', 'value_field', 'n')::jsonb);
	END LOOP;
END $$;
SET default_toast_compression = 'lz4';
CREATE TRIGGER look AFTER INSERT ON meter.rejected_event FOR EACH STATEMENT EXECUTE FUNCTION look();
SELECT status, count(*) FROM meter.ingest(:org, (SELECT json_agg(json_build_object('id', i::text, 'type', 'large', 'data', json_build_object('x', repeat('x', 1048000)))) FROM generate_series(1, 17) AS i)) GROUP BY 1;
SELECT count(*) FROM meter.rejected_events AS r JOIN meter.meters AS m ON m.organization_id = r.organization_id AND m.id = r.meter_id WHERE m.organization_id = :org AND m.metric_key = 'large';
SELECT looks FROM grown();
DROP TRIGGER look ON meter.rejected_event;

-- an answer of a million windows, by the peak of the process
CREATE FUNCTION pg_temp.peak() RETURNS int LANGUAGE sql AS $$
	SELECT (regexp_match(pg_read_file('/proc/self/status'), 'VmHWM:\s+(\d+) kB'))[1]::int / 1024
$$;
SELECT pg_temp.peak() AS before \gset
SELECT count(*), sum(value) FROM meter.usage(:org, 'm1', '2024-01-01Z', '2025-11-25Z', window_size => 'minute');
SELECT pg_temp.peak() - :before < 1000 AS stays;

DROP TABLE seen;
DROP FUNCTION look, grown;
