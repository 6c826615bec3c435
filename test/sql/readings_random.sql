-- Readings of registers that are known to the last unit, in random order, with
-- estimates, typing errors, roll-overs, replacements and resets: whatever comes
-- when, what was consumed between two readings is what the register counted. The
-- seed is part of the serial numbers that a failure shows.
\set VERBOSITY terse
SET client_min_messages = warning;
SET timezone = 'UTC';
SELECT meter.create_store();
CREATE SCHEMA test_readings_random;
SET search_path = test_readings_random;
SELECT meter.create_organization('random readings', '00000000-0000-0000-0000-00000000de02') AS org \gset
SELECT meter.create_meter(:'org', '{"key": "used", "metric_key": "consumption.water", "function": "sum", "value_field": "value"}') ->> 'version' AS version;
CREATE FUNCTION org() RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT '00000000-0000-0000-0000-00000000de02'::uuid $$;

-- counted: since the device was made; shown: by the register at that instant, and from then on
CREATE TABLE truth (device int, no int, at timestamptz, counted numeric, shown numeric, shows_next numeric, kind text, PRIMARY KEY (device, no));
CREATE TABLE message (device int, place double precision, at timestamptz, value numeric, next_value numeric, quality text, kind text, wrong boolean DEFAULT false);
CREATE TABLE outcome (what text);

CREATE FUNCTION make_truth(device int, size int, modulus numeric) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	-- so that ten of them are less than the roll-over limit
	most numeric := coalesce(modulus, 10000) / 41;
	total numeric := 0;
	shown numeric := trunc((random() * coalesce(modulus, 5000) * 0.99)::numeric, 2);
	at timestamptz := '2025-01-01'::timestamptz + random() * interval '20 days';
	kind text;
	starts numeric;
	step numeric;
BEGIN
	FOR i IN 1 .. size LOOP
		kind := CASE WHEN i BETWEEN 3 AND size - 2 AND random() < 0.08 THEN (ARRAY['replacement', 'reset'])[1 + floor(random() * 2)::int] ELSE 'reading' END;
		starts := CASE kind WHEN 'reading' THEN shown WHEN 'reset' THEN 0 ELSE trunc((random() * 100)::numeric, 2) END;
		INSERT INTO truth VALUES (device, i, at, total, shown, starts, kind);
		step := CASE WHEN random() < 0.1 THEN 0 ELSE trunc((random() * most)::numeric, 2) END;
		total := total + step;
		shown := starts + step - CASE WHEN starts + step >= modulus THEN modulus ELSE 0 END;
		at := at + (0.5 + random()) * interval '9 days';
	END LOOP;
END
$$;

-- Everything is sent near its turn; estimates, errors and repetitions besides.
CREATE FUNCTION make_messages(device int, modulus numeric) RETURNS void LANGUAGE sql AS $$
	INSERT INTO message
		SELECT t.device, t.no + random() * 6, t.at, t.shown, t.shows_next, 'actual', t.kind FROM truth AS t WHERE t.device = make_messages.device;
	INSERT INTO message
		SELECT t.device, t.no + random() * 8, t.at, t.shown, t.shown, 'actual', 'reading' FROM truth AS t
		WHERE t.device = make_messages.device AND t.kind = 'reading' AND random() < 0.2;
	-- some at the instant of a reading, some of their own
	INSERT INTO message
		SELECT t.device, t.no + random() * 6, t.at + CASE WHEN random() < 0.5 THEN interval '1 day' ELSE '0' END, v, v, 'estimated', 'reading'
		FROM truth AS t, LATERAL (SELECT trunc((t.shown * (0.9 + random() / 5) + random() * 20)::numeric, 1)) AS e(v)
		WHERE t.device = make_messages.device AND t.kind = 'reading' AND random() < 0.5 AND (v < modulus) IS NOT FALSE;
	INSERT INTO message
		SELECT t.device, t.no + random() * 6, t.at + interval '2 days', v, v, 'actual', 'reading', true
		FROM truth AS t, LATERAL (SELECT trunc((random() * coalesce(modulus, 50000) * 0.99)::numeric, 1)) AS e(v)
		WHERE t.device = make_messages.device AND random() < 0.1;
$$;

CREATE FUNCTION send(m message) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	IF m.kind = 'reading' THEN
		RETURN meter.record_reading(org(), 'id:' || m.device, m.value, m.at, m.quality) ->> 'status';
	ELSIF m.kind = 'reset' THEN
		PERFORM meter.reset_device(org(), 'id:' || m.device, jsonb_build_object('reset_at', m.at, 'final_value', m.value));
	ELSE
		PERFORM meter.replace_device(org(), 'id:' || m.device, jsonb_build_object('replaced_at', m.at, 'final_value', m.value, 'start_value', m.next_value));
	END IF;
	RETURN m.kind;
EXCEPTION WHEN invalid_parameter_value OR unique_violation THEN
	-- a typing error is in the way, or an estimate
	RETURN m.kind || ' refused';
END
$$;

CREATE FUNCTION run(device int, way text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	m message;
BEGIN
	IF way = 'batches' THEN
		-- what is not sent as a reading, and typing errors, come between the batches
		FOR i IN 0 .. (SELECT max(place) FROM message AS s WHERE s.device = run.device)::int / 5 LOOP
			INSERT INTO outcome SELECT r.status FROM meter.record_readings(org(), (
				SELECT coalesce(jsonb_agg(jsonb_build_object('device', s.device, 'value', s.value, 'read_at', s.at, 'quality', s.quality) ORDER BY s.place), '[]')
				FROM message AS s WHERE s.device = run.device AND s.place >= i * 5 AND s.place < i * 5 + 5 AND s.kind = 'reading')) AS r;
			INSERT INTO outcome SELECT send(s) FROM (SELECT * FROM message AS s
				WHERE s.device = run.device AND s.place >= i * 5 AND s.place < i * 5 + 5 AND s.kind <> 'reading' ORDER BY s.place) AS s;
		END LOOP;
	ELSE
		FOR m IN SELECT * FROM message AS s WHERE s.device = run.device ORDER BY s.place LOOP
			INSERT INTO outcome SELECT send(m);
		END LOOP;
	END IF;
	-- errors are found and taken back, and what was refused is sent again
	FOR m IN SELECT * FROM message AS s WHERE s.device = run.device AND s.wrong ORDER BY s.place LOOP
		BEGIN
			PERFORM meter.void_reading(org(), 'id:' || m.device, m.at, 'typing error');
			INSERT INTO outcome VALUES ('voided');
		EXCEPTION WHEN undefined_object OR object_not_in_prerequisite_state THEN
			INSERT INTO outcome VALUES ('not voided');
		END;
	END LOOP;
	FOR m IN SELECT * FROM message AS s WHERE s.device = run.device AND NOT s.wrong AND s.quality = 'actual' ORDER BY s.at LOOP
		PERFORM send(m);
	END LOOP;
END
$$;

CREATE FUNCTION play(seed double precision, devices int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	created int;
	modulus numeric;
	result int := 0;
BEGIN
	PERFORM setseed(seed);
	FOR i IN 1 .. devices LOOP
		modulus := (ARRAY[NULL, 1000, 10000, 65536])[1 + i % 4];
		created := meter.create_device(org(), jsonb_build_object('name', 'r', 'serial_number', format('%s/%s', seed, i), 'meter_type', 'WATER',
			'rollover_at', modulus, 'subject', format('%s/%s', seed, i))) ->> 'id';
		PERFORM make_truth(created, 12 + i % 17, modulus);
		PERFORM make_messages(created, modulus);
		PERFORM run(created, CASE WHEN i % 2 = 0 THEN 'batches' END);
		IF i = devices / 2 THEN
			-- what comes behind this revises closed months
			PERFORM meter.close_windows(org());
		END IF;
		result := result + 1;
	END LOOP;
	RETURN result;
END
$$;
SELECT play(0.61, 40);
SELECT what, count(*) >= 5 AS often FROM outcome WHERE what IN ('accepted', 'duplicate', 'suspect', 'conflict', 'superseded', 'voided', 'replacement', 'reset') GROUP BY 1 ORDER BY 1;

-- Between any two true readings, and by month: what was truly counted.
CREATE VIEW wrong_usage AS
	SELECT d.serial_number, a.no, b.no AS until, b.counted - a.counted AS truly, u.value
	FROM truth AS a JOIN truth AS b ON b.device = a.device AND b.no IN (a.no + 1, a.no + 5)
	JOIN meter.devices AS d ON d.organization_id = org() AND d.id = a.device
	CROSS JOIN LATERAL meter.usage(org(), 'used', a.at, b.at, d.subject) AS u
	WHERE u.value <> b.counted - a.counted;
SELECT count(*) AS wrong FROM wrong_usage;
SELECT * FROM wrong_usage ORDER BY 1, 2, 3 LIMIT 10;

-- The intervals, by the readings that count; and what the events say of them.
SELECT count(*) > 600 AS enough, count(*) FILTER (WHERE consumption IS DISTINCT FROM expected) AS wrong FROM (
	SELECT r.consumption, CASE WHEN r.value >= l.before THEN r.value - l.before ELSE r.value + d.rollover_at - l.before END AS expected
	FROM meter.readings AS r
	JOIN (SELECT device_id, read_at, revision, lag(next_value) OVER (PARTITION BY device_id ORDER BY read_at) AS before
		FROM meter.readings WHERE organization_id = org() AND status = 'counted') AS l USING (device_id, read_at, revision)
	JOIN meter.devices AS d ON d.organization_id = org() AND d.id = r.device_id
	WHERE r.organization_id = org()) AS c;
SELECT count(*) AS differing FROM (
	SELECT event_id, consumption, interval_start, read_at FROM meter.readings WHERE organization_id = org() AND consumption IS NOT NULL
) AS r FULL JOIN (
	SELECT id, (data ->> 'value')::numeric AS value, (data ->> 'interval_start')::timestamptz AS starts, (data ->> 'interval_end')::timestamptz AS ends, "time"
	FROM meter.events WHERE organization_id = org() AND reversal IS NULL
) AS e ON e.id = r.event_id
WHERE (e.value, e.starts, e.ends, e."time") IS DISTINCT FROM (r.consumption, r.interval_start, r.read_at, r.read_at - interval '1 microsecond');
SELECT count(*) AS wrong FROM meter.devices AS d JOIN (SELECT DISTINCT ON (device) * FROM truth ORDER BY device, no DESC) AS t ON t.device = d.id
	WHERE d.organization_id = org() AND d.last_reading_at = t.at AND d.last_reading_value <> t.shows_next;

-- Closed months, with their revisions, are what usage says.
SELECT meter.close_windows(org()) IS NOT NULL AS closed;
SELECT count(*) > 100 AS enough, count(*) FILTER (WHERE r.revision > 1) > 20 AS revised, count(*) FILTER (WHERE r.value <> u.value) AS differing
	FROM (SELECT DISTINCT ON (subject, window_start) * FROM meter.window_results WHERE organization_id = org() ORDER BY subject, window_start, revision DESC) AS r
	CROSS JOIN LATERAL meter.usage(org(), 'used', r.window_start, r.window_end, r.subject) AS u;
