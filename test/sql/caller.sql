-- What ingestion leaves to its caller: errors, savepoints, and what the backend
-- remembers after them.
\set VERBOSITY terse
DO $$ BEGIN PERFORM meter.create_store(); END $$;
SELECT meter.create_organization('caller', '00000000-0000-0000-0000-0000000000c1');
\set org '''00000000-0000-0000-0000-0000000000c1'''
SELECT m ->> 'key' AS meter FROM meter.create_meter(:org, '{"key": "calls", "metric_key": "call", "function": "count"}') AS m;
-- n events named so, of one subject
CREATE FUNCTION pg_temp.send(name text, n int DEFAULT 1, subject text DEFAULT 'ada') RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(DISTINCT status, ' ') FROM meter.ingest('00000000-0000-0000-0000-0000000000c1', (SELECT json_agg(json_build_object(
		'id', subject || name || i, 'type', 'call', 'subject', subject, 'time', '2025-01-01T00:00:00Z')) FROM generate_series(1, n) AS i))
$$;
CREATE FUNCTION pg_temp.used() RETURNS TABLE (subject text, value numeric) LANGUAGE sql AS $$
	SELECT subject, value FROM meter.usage('00000000-0000-0000-0000-0000000000c1', 'calls', '2025-01-01Z', '2025-02-01Z', group_by => '{subject}')
$$;

--
-- An error of a store is the caller's to handle: what is rolled back is what he
-- began, and his settings are his again
--
CREATE TEMP TABLE side (what text);
ALTER TABLE meter.event_key ADD CONSTRAINT no_bad_keys CHECK (key NOT LIKE '%bad50');
SET search_path = pg_temp, public;
BEGIN;
INSERT INTO side VALUES ('before');
DO $$
BEGIN
	INSERT INTO side VALUES ('inside');
	PERFORM pg_temp.send('bad', 100);
EXCEPTION WHEN check_violation THEN
	INSERT INTO side VALUES ('handled with search_path ' || current_setting('search_path'));
END
$$;
SELECT pg_temp.send('good', 100);
COMMIT;
SELECT * FROM side;
RESET search_path;
ALTER TABLE meter.event_key DROP CONSTRAINT no_bad_keys;
SELECT * FROM pg_temp.used();

--
-- Numbers of series that went with a rollback, or with the table, are not used again
--
BEGIN;
SELECT pg_temp.send('first', subject => 'bob');
SAVEPOINT s;
SELECT pg_temp.send('second', subject => 'cy');
ROLLBACK TO s;
SELECT pg_temp.send('third', subject => 'cy'), pg_temp.send('third', subject => 'bob');
SELECT * FROM pg_temp.used();
ROLLBACK;
SELECT pg_temp.send('fourth', subject => s) FROM unnest('{bob,cy}'::text[]) AS s;
SELECT * FROM pg_temp.used();
BEGIN;
TRUNCATE meter.series, meter.rollup, meter.event, meter.event_key;
SELECT pg_temp.send('fifth', subject => 'bob');
SELECT * FROM pg_temp.used();
ROLLBACK;
SELECT pg_temp.send('sixth', subject => 'bob');
SELECT * FROM pg_temp.used();

--
-- A trigger of somebody's on the dictionary, that rolls back something while it is filled
--
CREATE FUNCTION pg_temp.stumble() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		RAISE division_by_zero;
	EXCEPTION WHEN division_by_zero THEN
		RETURN CASE WHEN NEW.subject LIKE 'gone%' THEN NULL ELSE NEW END;
	END;
END
$$;
CREATE TRIGGER stumble BEFORE INSERT ON meter.series FOR EACH ROW EXECUTE FUNCTION pg_temp.stumble();
BEGIN;
SELECT pg_temp.send('seventh', subject => 'dan');
SELECT pg_temp.send('seventh', subject => s) FROM unnest('{eve,fay,gil}'::text[]) AS s;
SELECT pg_temp.send('eighth', subject => s) FROM unnest('{dan,eve,fay,gil}'::text[]) AS s;
COMMIT;
SELECT * FROM pg_temp.used();
SELECT pg_temp.send('ninth', subject => 'gone');
DROP TRIGGER stumble ON meter.series;
SELECT pg_temp.send('ninth', subject => 'gone');
SELECT * FROM pg_temp.used() WHERE subject = 'gone';

--
-- A trigger of somebody's that keeps keys out would have events counted twice
--
CREATE FUNCTION pg_temp.keep_out() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RETURN CASE WHEN NEW.key LIKE '%out7' THEN NULL ELSE NEW END;
END
$$;
CREATE TRIGGER keep_out BEFORE INSERT ON meter.event_key FOR EACH ROW EXECUTE FUNCTION pg_temp.keep_out();
SET statement_timeout = '10s';
SELECT pg_temp.send('out', 6), pg_temp.send('out', 10);
SELECT pg_temp.send('out', 100);
SELECT pg_temp.send('fine', 100);
DROP TRIGGER keep_out ON meter.event_key;
RESET statement_timeout;
