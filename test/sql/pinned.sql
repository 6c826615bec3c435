-- Usage as one version measures it, whichever versions were in force.
\set VERBOSITY terse
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
SELECT meter.create_store();
SELECT meter.create_organization('pinned', '91000000-0000-0000-0000-000000000001') AS org \gset
CREATE SCHEMA test_pinned;
SET search_path = test_pinned;
CREATE FUNCTION org() RETURNS uuid LANGUAGE sql AS $$ SELECT '91000000-0000-0000-0000-000000000001'::uuid $$;
CREATE FUNCTION make(key text, type text, more jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT meter.create_meter(org(), jsonb_build_object('key', key, 'metric_key', type, 'function', 'sum') || more) ->> 'key' $$;
CREATE FUNCTION update(key text, effective_at text, more jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT meter.update_meter(org(), key, jsonb_build_object('effective_at', effective_at, 'reprocess', true) || more) ->> 'version' $$;
CREATE SEQUENCE ids;
CREATE FUNCTION send(type text, at timestamptz, data jsonb, more jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(i.code, i.status) FROM meter.ingest(org(), json_build_object('id', nextval('ids')::text, 'source', 's', 'type', type,
		'subject', 'ada', 'time', at, 'data', data)::jsonb::json) AS i WHERE more = '{}'
	UNION ALL SELECT coalesce(i.code, i.status) FROM meter.ingest(org(), (jsonb_build_object('id', nextval('ids')::text, 'source', 's', 'type', type,
		'subject', 'ada', 'time', at, 'data', data) || more)::json) AS i WHERE more <> '{}' $$;
-- by each version
CREATE FUNCTION by_version(key text, period_from timestamptz DEFAULT '-infinity', period_to timestamptz DEFAULT 'infinity', subject text DEFAULT NULL, filter jsonb DEFAULT NULL)
	RETURNS TABLE (version int, currency text, value numeric, events bigint) LANGUAGE sql AS $$
	SELECT v.version, u.currency, u.value, u.event_count FROM meter.meter_versions AS v,
		meter.usage_by_version(org(), key, period_from, period_to, subject, filter, v.version) AS u
	WHERE v.organization_id = org() AND v.meter_key = key AND v.published_at IS NOT NULL ORDER BY v.version, u.currency $$;
-- as if the versions had been published before anything came
CREATE FUNCTION known_early() RETURNS void LANGUAGE sql AS $$
	UPDATE meter.meter_version AS v SET known_from = known_from - interval '50 years' WHERE v.organization_id = org();
	UPDATE meter.former_range AS f SET known_from = known_from - interval '50 years', known_to = known_to - interval '50 years' WHERE f.organization_id = org() $$;

--
-- A meter that counts something else from the middle of February on
--
SELECT make('moved', 'call', '{"value_field": "a", "unit_label": "a"}'), make('others', 'call', '{"function": "count"}');
SELECT send('call', '2026-02-10', '{"a": 1, "b": 10}'), send('call', '2026-02-11', '{"a": 2}'), send('call', '2026-02-12', '{"b": 40}');
SELECT update('moved', '2026-02-15T00:00:00Z', '{"value_field": "b", "unit_label": "b"}');
CALL meter.run_reprocess_jobs();
SELECT send('call', '2026-02-15', '{"a": 8, "b": 80}'), send('call', '2026-02-16', '{"a": 16}'), send('call', '2026-02-17', '{"b": 320}'),
	send('call', '2026-02-18', '{"a": -64, "b": 640}'), send('call', '2026-02-19', '{"a": 128, "b": 1280}'), send('call', '2026-03-01', '{"a": 256, "b": 2560}');
SELECT version, value FROM meter.usage(:'org', 'moved', '2026-02-01', '2026-03-01');
SELECT * FROM by_version('moved', '2026-02-01', '2026-03-01');
SELECT * FROM by_version('moved');
-- one that is taken back, one that is put in another's place
SELECT meter.void_event(:'org', 'call', '4', 'wrong') ->> 'status', meter.amend_event(:'org', 'call', '8', 'wrong', '{"a": 512, "b": 5120}') ->> 'status';
SELECT * FROM by_version('moved', '2026-02-01', '2026-03-01');
-- whose
SELECT * FROM by_version('moved', subject => 'ada');
SELECT * FROM by_version('moved', subject => 'eve');
SELECT * FROM by_version('moved', '2026-02-15', '2026-02-15');
-- a version for all time to come counts what came before it
SELECT update('moved', (now() + interval '1 day')::text::timestamptz::text, '{"function": "max", "value_field": "a"}');
SELECT * FROM by_version('moved', '2026-02-01', '2026-03-01');
SELECT * FROM meter.usage_by_version(:'org', 'moved', '2026-02-01', '2026-03-01', NULL, NULL, 4);
SELECT * FROM meter.usage_by_version(:'org', 'moved', '2026-02-01', '2026-03-01', NULL, NULL, NULL);
SELECT * FROM meter.usage_by_version(:'org', 'moved', '2026-02-01', '2026-03-01', NULL, '{"field": "x", "op": "exists", "value": true}', 1);

--
-- Dimensions, currency, whose usage it is: all by the version
--
SELECT make('many', 'job', '{"value_field": "n", "dimensions": {"k": "k"}, "unit_currency_field": "c"}');
SELECT send('job', '2026-01-01', '{"n": 1, "k": "x", "c": "EUR", "who": "eve"}'), send('job', '2026-01-02', '{"n": 2, "k": "y", "c": "USD", "who": "ada"}');
SELECT update('many', '2026-01-10T00:00:00Z', '{"dimensions": {"j": "j"}, "unit_currency_field": null, "account_mapping": {"type": "id", "event_property": "who"}}');
CALL meter.run_reprocess_jobs();
SELECT send('job', '2026-01-11', '{"n": 4, "k": "x", "j": "z", "c": "EUR", "who": "eve"}'), send('job', '2026-01-12', '{"n": 8, "k": "y", "j": "z", "c": "USD", "who": "ada"}'),
	send('job', '2026-01-13', '{"n": 16, "k": "y", "j": "z", "who": "eve"}');
SELECT * FROM by_version('many');
SELECT * FROM by_version('many', subject => 'eve');
SELECT * FROM by_version('many', subject => 'ada');
SELECT * FROM by_version('many', filter => '{"field": "k", "op": "eq", "value": "x"}');
SELECT * FROM by_version('many', filter => '{"field": "j", "op": "eq", "value": "z"}');

--
-- A key counts once, also one of an event that the meter left out
--
SELECT make('keyed', 'key', '{"value_field": "n", "dedup_key_path": "k", "filter_tree": {"field": "t", "op": "eq", "value": 1}}'), make('keyed too', 'key', '{"function": "count"}');
SELECT send('key', '2026-01-01', '{"n": 1, "k": "a", "t": 1}'), send('key', '2026-01-02', '{"n": 2, "k": "b", "t": 2}'), send('key', '2026-01-03', '{"n": 4, "k": "b", "t": 2}');
SELECT update('keyed', '2026-01-10T00:00:00Z', '{"filter_tree": {"field": "t", "op": "eq", "value": 2}}');
CALL meter.run_reprocess_jobs();
-- a and b again; c twice as the first version counts it; d by the second one, then by the first one
SELECT send('key', '2026-01-11', '{"n": 8, "k": "a", "t": 1}'), send('key', '2026-01-12', '{"n": 16, "k": "b", "t": 2}'), send('key', '2026-01-13', '{"n": 32, "k": "c", "t": 1}'),
	send('key', '2026-01-14', '{"n": 64, "k": "c", "t": 1}'), send('key', '2026-01-15', '{"n": 128, "k": "d", "t": 2}'), send('key', '2026-01-16', '{"n": 256, "k": "d", "t": 1}');
SELECT version, value FROM meter.usage(:'org', 'keyed', '2026-01-01', '2026-02-01');
SELECT * FROM by_version('keyed', '2026-01-01', '2026-02-01');
-- the first a is out of this range, and has its key all the same
SELECT * FROM by_version('keyed', '2026-01-11', '2026-02-01');
-- an amendment has the place of what it amends, and one that is voided keeps its key
SELECT meter.amend_event(:'org', 'key', (SELECT id FROM meter.events WHERE organization_id = org() AND data ->> 'n' = '1' AND type = 'key'), 'wrong', '{"n": 512, "k": "a", "t": 1}') ->> 'status';
SELECT * FROM by_version('keyed', '2026-01-01', '2026-02-01');
SELECT meter.void_event(:'org', 'key', (SELECT id FROM meter.events WHERE organization_id = org() AND data ->> 'n' = '512' AND type = 'key'), 'wrong') ->> 'status';
SELECT * FROM by_version('keyed', '2026-01-01', '2026-02-01');

--
-- Refused for when they came, in quarantine, moved: as the meter did
--
SELECT make('late', 'late', '{"value_field": "n", "window": {"size": "hour"}, "late_event_policy": {"mode": "quarantine"}}'), make('late too', 'late', '{"function": "count"}'),
	make('strict', 'late', '{"value_field": "n", "window": {"size": "hour"}, "late_event_policy": {"mode": "reject"}}'), make('later', 'late', '{"value_field": "n", "window": {"size": "hour"}, "late_event_policy": {"mode": "next_window"}}');
SELECT meter.update_meter(:'org', k, '{"function": "count", "value_field": null}') ->> 'version' FROM unnest('{late,strict,later}'::text[]) AS k;
SELECT send('late', clock_timestamp(), '{"n": 1}'), send('late', clock_timestamp() - interval '1 day', '{"n": 2}');
SELECT k, u.* FROM unnest('{late,strict,later}'::text[]) AS k, by_version(k) AS u;
SELECT k, u.* FROM unnest('{late,strict,later}'::text[]) AS k, by_version(k, now() - interval '2 hours', now() + interval '2 hours') AS u;
SELECT status FROM meter.release_quarantine(:'org');
SELECT k, u.* FROM unnest('{late,strict,later}'::text[]) AS k, by_version(k) AS u;

--
-- What persists
--
SELECT make('gauge', 'level', '{"function": "weighted_sum", "value_field": "a", "function_options": {"mode": "gauge"}}'),
	make('delta', 'level', '{"function": "weighted_sum", "value_field": "a", "function_options": {"mode": "delta"}}');
SELECT send('level', '2026-01-01', '{"a": 4, "b": 40}'), send('level', '2026-01-05', '{"a": 2, "b": 20}');
SELECT k, update(k, '2026-01-10T00:00:00Z', '{"value_field": "b"}') FROM unnest('{gauge,delta}'::text[]) AS k;
CALL meter.run_reprocess_jobs();
SELECT send('level', '2026-01-15', '{"a": 6, "b": 60}');
SELECT k, u.* FROM unnest('{gauge,delta}'::text[]) AS k, by_version(k, '2026-01-10', '2026-01-20') AS u;
SELECT known_early();
SELECT k, u.* FROM unnest('{gauge,delta}'::text[]) AS k, by_version(k, '2026-01-10', '2026-01-20') AS u;

--
-- Past retention rollups still answer for the version that counted there
--
SELECT make('old', 'old', '{"value_field": "a"}');
SELECT send('old', '2001-01-10 00:20', '{"a": 1, "b": 10}'), send('old', '2001-02-10 00:20', '{"a": 2, "b": 20}');
SELECT update('old', '2001-02-01T00:00:00Z', '{"value_field": "b"}');
CALL meter.run_reprocess_jobs();
SELECT known_early();
INSERT INTO meter.dropped_period (period_from, period_to, dropped_at) VALUES ('2001-01-01', '2001-02-01', now());
SELECT value FROM meter.usage_by_version(:'org', 'old', '2001-01-01', '2001-03-01', NULL, NULL, 1);
SELECT value FROM meter.usage_by_version(:'org', 'old', '2001-02-01', '2001-03-01', NULL, NULL, 2);
SELECT value FROM meter.usage_by_version(:'org', 'old', '2001-01-01', '2001-03-01', NULL, NULL, 2);
DELETE FROM meter.dropped_period;

--
-- Against plain SQL: random definitions, events, corrections
--
CREATE TABLE definition (version int, function text, field text, kind int, negative boolean, keyed boolean);
CREATE FUNCTION random_definition(version int) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	d definition := (version, (ARRAY['sum', 'count', 'max', 'unique_count'])[1 + floor(random() * 4)], (ARRAY['a', 'b'])[1 + floor(random() * 2)],
		floor(random() * 4), random() < 0.5, current_setting('test.keyed')::boolean AND random() < 0.7);
BEGIN
	INSERT INTO definition SELECT d.*;
	RETURN jsonb_build_object('function', d.function, 'value_field', CASE WHEN d.function IN ('sum', 'max') THEN d.field END,
		'unique_by_field', CASE WHEN d.function = 'unique_count' THEN d.field END, 'negative_allowed', d.negative, 'dedup_key_path', CASE WHEN d.keyed THEN 'k' END,
		'filter_tree', CASE WHEN d.kind > 0 THEN jsonb_build_object('field', 'kind', 'op', 'neq', 'value', d.kind) END);
END $$;
CREATE FUNCTION expected(key text, by int, period_from timestamptz, period_to timestamptz) RETURNS text LANGUAGE sql AS $$
	WITH d AS (SELECT d.*, v.version_id FROM definition AS d JOIN meter.meter_version AS v USING (version) JOIN meter.meter AS m ON m.organization_id = v.organization_id AND m.id = v.meter_id
		WHERE m.organization_id = org() AND m.key = expected.key AND d.version = by
	), e AS (
		SELECT e.seq, e.counted_at AS at, e.data::jsonb ->> 'k' AS k, (e.data::jsonb ->> d.field)::numeric AS value, d.*
		FROM d, meter.events AS e WHERE e.organization_id = org() AND e.type = expected.key AND e.reversal IS NULL
			AND (d.kind = 0 OR (e.data::jsonb ->> 'kind')::int <> d.kind)
			AND (d.function = 'count' OR e.data::jsonb ->> d.field IS NOT NULL)
			AND (d.negative OR d.function IN ('count', 'unique_count') OR (e.data::jsonb ->> d.field)::numeric >= 0)
	), o AS (
		SELECT e.*, NOT e.keyed OR row_number() OVER (PARTITION BY e.k ORDER BY e.seq) = 1 AS counts FROM e
	)
	SELECT CASE function WHEN 'sum' THEN coalesce(sum(value), 0) WHEN 'count' THEN count(*) WHEN 'max' THEN max(value) ELSE count(DISTINCT value) END || ' of ' || count(*)
	FROM o WHERE counts AND at >= period_from AND at < period_to GROUP BY function
	UNION ALL SELECT CASE WHEN function <> 'max' THEN '0 of 0' ELSE NULL END FROM d WHERE NOT EXISTS (SELECT FROM o WHERE counts AND at >= period_from AND at < period_to)
$$;
CREATE FUNCTION differences(key text) RETURNS TABLE (version int, "from" timestamptz, "to" timestamptz, is text, expected text) LANGUAGE sql AS $$
	SELECT d.version, p.a, p.b, u.value || ' of ' || u.event_count, x
	FROM definition AS d, (VALUES ('-infinity'::timestamptz, 'infinity'::timestamptz), ('2026-01-10 00:07', '2026-02-20'), ('2026-01-20 12:00', '2026-01-25 13:14:15')) AS p (a, b),
		expected(key, d.version, p.a, p.b) AS x, meter.usage_by_version(org(), key, p.a, p.b, NULL, NULL, d.version) AS u
	WHERE (isfinite(p.a) = false OR NOT current_setting('test.keyed')::boolean) AND u.value || ' of ' || u.event_count IS DISTINCT FROM x
$$;
CREATE FUNCTION flood(type text, n int) RETURNS void LANGUAGE sql AS $$
	SELECT count(*) FROM meter.ingest(org(), (SELECT json_agg(json_build_object('id', nextval('ids')::text, 'source', 's', 'type', type, 'subject', 's' || floor(random() * 3),
		'time', timestamptz '2026-01-01' + random() * interval '60 days', 'data', jsonb_strip_nulls(jsonb_build_object('a', CASE WHEN random() < 0.8 THEN floor(random() * 20) - 3 END,
			'b', CASE WHEN random() < 0.8 THEN floor(random() * 20) - 3 END, 'kind', 1 + floor(random() * 3), 'k', floor(random() * 80)::text)))) FROM generate_series(1, n)));
$$;
CREATE FUNCTION correct(type text, n int) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(CASE WHEN random() < 0.5 THEN meter.void_event(org(), e.type, e.id, 'test')
		ELSE meter.amend_event(org(), e.type, e.id, 'test', jsonb_build_object('a', floor(random() * 20), 'b', floor(random() * 20), 'kind', 1)) END)
	FROM (SELECT DISTINCT e.type, e.id FROM meter.events AS e WHERE e.organization_id = org() AND e.type = correct.type AND e.reversal IS NULL ORDER BY 2 LIMIT n) AS e
$$;
SELECT setseed(0.25);
SET test.keyed = off;
SELECT make('r1', 'r1', random_definition(1)), make('r1 all', 'r1', '{"function": "count"}');
SELECT flood('r1', 300);
SELECT update('r1', '2026-01-15T03:04:05Z', random_definition(2));
SELECT flood('r1', 300);
CALL meter.run_reprocess_jobs();
SELECT correct('r1', 20);
SELECT * FROM differences('r1');
SELECT update('r1', '2026-02-05T00:00:00Z', random_definition(3));
SELECT flood('r1', 300);
SELECT * FROM differences('r1');
CALL meter.run_reprocess_jobs();
SELECT update('r1', '2026-01-22T12:00:00Z', random_definition(4));
SELECT correct('r1', 20);
SELECT * FROM differences('r1');
CALL meter.run_reprocess_jobs();
SELECT * FROM differences('r1');
-- from rollups where that may be
SELECT known_early();
SELECT * FROM differences('r1');
SELECT flood('r1', 300);
SELECT correct('r1', 20);
SELECT * FROM differences('r1');
SELECT count(DISTINCT x) AS telling FROM definition AS d, expected('r1', d.version, '2026-01-10', '2026-02-20') AS x;

TRUNCATE definition;
SET test.keyed = on;
SELECT make('r2', 'r2', random_definition(1)), make('r2 all', 'r2', '{"function": "count"}');
SELECT flood('r2', 100);
SELECT update('r2', '2026-01-15T03:04:05Z', random_definition(2));
SELECT flood('r2', 100);
CALL meter.run_reprocess_jobs();
SELECT * FROM differences('r2');
SELECT update('r2', '2026-02-05T00:00:00Z', random_definition(3));
SELECT flood('r2', 100);
CALL meter.run_reprocess_jobs();
SELECT * FROM differences('r2');
