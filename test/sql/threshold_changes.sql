-- Thresholds where usage changes afterwards: what is taken back, amended, released, or counted anew.
\set VERBOSITY terse
SET client_min_messages = warning;
SET timezone = 'UTC';
SELECT meter.create_store();
CREATE SCHEMA test_threshold_changes;
SET search_path = test_threshold_changes;
SELECT meter.create_organization('threshold changes', '00000000-0000-0000-0000-00000000d502') AS org \gset
SELECT meter.create_meter(:'org', d::jsonb) ->> 'key' FROM unnest(ARRAY[
	'{"key": "total", "metric_key": "use", "function": "sum", "value_field": "n", "negative_allowed": true, "dimensions": {"k": "k"}}',
	'{"key": "peak", "metric_key": "use", "function": "max", "value_field": "n", "negative_allowed": true}',
	'{"key": "last", "metric_key": "use", "function": "latest", "value_field": "n", "negative_allowed": true}',
	'{"key": "kinds", "metric_key": "use", "function": "unique_count", "unique_by_field": "k"}',
	'{"key": "level", "metric_key": "use", "function": "weighted_sum", "value_field": "n", "negative_allowed": true, "function_options": {"mode": "delta"}, "window": {"size": "day"}}',
	'{"key": "gauge", "metric_key": "use", "function": "weighted_sum", "value_field": "n", "negative_allowed": true, "function_options": {"mode": "gauge"}, "window": {"size": "day"}}'
]) AS d;

CREATE SEQUENCE event_id;
CREATE FUNCTION send(subject text, n numeric, at timestamptz DEFAULT '2026-01-10 12:00Z', k text DEFAULT 'a', type text DEFAULT 'use') RETURNS text LANGUAGE sql AS $$
	SELECT i.id || ' ' || i.status FROM meter.ingest('00000000-0000-0000-0000-00000000d502', json_build_array(json_build_object(
		'id', nextval('event_id')::text, 'source', 'test', 'type', send.type, 'subject', send.subject,
		'time', to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'data', json_build_object('n', n, 'k', k)))) AS i
$$;
CREATE FUNCTION take_back(id text, type text DEFAULT 'use') RETURNS text LANGUAGE sql AS $$
	SELECT meter.void_event('00000000-0000-0000-0000-00000000d502', take_back.type, take_back.id, 'wrong') ->> 'status'
$$;
CREATE FUNCTION amend(id text, n numeric, k text DEFAULT 'a') RETURNS text LANGUAGE sql AS $$
	SELECT meter.amend_event('00000000-0000-0000-0000-00000000d502', 'use', amend.id, 'wrong', jsonb_build_object('n', n, 'k', k)) ->> 'status'
$$;
-- What was told since it was asked last, in its order: which threshold, of whom, which value, at what usage.
CREATE TABLE seen (id bigint);
CREATE FUNCTION told() RETURNS text LANGUAGE sql AS $$
	WITH n AS MATERIALIZED (
		SELECT o.id, o.event_type, o.payload FROM meter.domain_event_outbox AS o
		WHERE o.organization_id = '00000000-0000-0000-0000-00000000d502' AND o.aggregate_type = 'threshold'
			AND o.payload ? 'threshold_value' AND o.id NOT IN (SELECT s.id FROM seen AS s)
	), s AS (INSERT INTO seen SELECT n.id FROM n)
	SELECT string_agg(concat_ws(' ', n.payload ->> 'threshold_name', NULLIF(n.payload ->> 'subject', 'ada'),
		NULLIF(replace(n.event_type, 'threshold.', ''), 'breached'),
		concat(n.payload -> 'threshold_value', '@', round((n.payload ->> 'observed_value')::numeric, 3)::float8)), ', ' ORDER BY n.id) FROM n
$$;
-- Every row says what usage says.
CREATE FUNCTION wrong() RETURNS TABLE (meter text, scope text, account text, window_start timestamptz, says numeric, usage numeric) LANGUAGE sql AS $$
	SELECT m.key, w.scope_kind, u.subject, u.window_start, u.value, x.value
	FROM meter.threshold_usage AS u JOIN meter.threshold_watch AS w USING (organization_id, watch_no)
	JOIN meter.meter AS m ON m.organization_id = w.organization_id AND m.id = w.meter_id,
	LATERAL (SELECT sum(r.value) AS value FROM meter.usage(u.organization_id, m.key, u.window_start, u.window_end,
			subject => CASE WHEN w.scope_kind = 'customer' THEN u.subject END,
			filter => CASE WHEN w.scope_kind = 'subject' THEN jsonb_build_object('field', 'subject', 'op', 'eq', 'value', u.subject) END,
			group_by => CASE WHEN w.per_dimensions THEN '{k}'::text[] ELSE '{}' END) AS r
		WHERE u.dimensions IS NULL OR r.dimensions = u.dimensions::jsonb) AS x
	WHERE u.organization_id = '00000000-0000-0000-0000-00000000d502' AND u.window_start > '-infinity'
		AND u.value IS DISTINCT FROM x.value AND (m.key <> 'total' OR coalesce(u.value, 0) <> coalesce(x.value, 0))
	ORDER BY 1, 2, 3, 4
$$;
CREATE FUNCTION threshold(name text, meter text, definition jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT meter.create_threshold('00000000-0000-0000-0000-00000000d502',
		jsonb_build_object('name', threshold.name, 'meter', threshold.meter) || definition) ->> 'name'
$$;

-- evaluate_on_create: what windows of now have reached is told, by that threshold alone
SELECT meter.create_meter(:'org', '{"key": "now", "metric_key": "now", "function": "sum", "value_field": "n", "window": {"size": "year", "count": 1000}, "dimensions": {"k": "k"}}') ->> 'key';
SELECT send(s, n, now(), k, 'now') FROM (VALUES ('ada', 70, 'a'), ('bob', 30, 'a'), ('ada', 50, 'b')) AS v(s, n, k);
SELECT threshold('silent', 'now', '{"threshold_value": [20, 40, 200]}'), told();
SELECT threshold('loud', 'now', '{"threshold_value": [20, 40, 200], "evaluate_on_create": true}'), told();
SELECT threshold('all', 'now', '{"scope": {"kind": "meter"}, "threshold_value": [20, 40, 200], "evaluate_on_create": true}'), told();
SELECT threshold('each', 'now', '{"per_dimensions": true, "threshold_value": 50, "evaluate_on_create": true}'), told();
SELECT threshold('low', 'now', '{"comparator": "lte", "threshold_value": [100, 50], "evaluate_on_create": true}'), told();
SELECT threshold('not yet', 'now', '{"threshold_value": 1, "window": {"size": "minute"}, "scope": {"kind": "customer", "id": "nobody"}, "evaluate_on_create": true}'), told();
-- and is not told again
SELECT send('ada', 100, now(), 'a', 'now'), told();
SELECT send('bob', 15, now(), 'a', 'now'), told();
SELECT meter.create_customer(:'org', '{"id": "c1", "name": "C", "code": "acme", "aliases": ["bob", "eve"]}') ->> 'id';
SELECT threshold('customer', 'now', '{"scope": {"kind": "customer", "id": "acme"}, "threshold_value": [10, 45], "evaluate_on_create": true}'), told();
SELECT send('eve', 5, now(), 'a', 'now'), told();
SELECT * FROM wrong();

-- Voids and amendments move values back, and on.
SELECT threshold('sum up', 'total', '{"threshold_value": [10, 20], "clear_value": 5}'),
	threshold('sum down', 'total', '{"comparator": "lt", "threshold_value": [15, 5]}'),
	threshold('sum of k', 'total', '{"threshold_value": 10, "per_dimensions": true}'),
	threshold('sum of all', 'total', '{"scope": {"kind": "meter"}, "threshold_value": 30, "clear_value": 10}'),
	threshold('peak up', 'peak', '{"threshold_value": [10, 20]}'),
	threshold('peak down', 'peak', '{"comparator": "lte", "threshold_value": 3}'),
	threshold('last up', 'last', '{"comparator": "gt", "threshold_value": 10, "clear_value": 2}'),
	threshold('kinds up', 'kinds', '{"threshold_value": [2, 3], "clear_value": 1}'),
	threshold('level up', 'level', '{"threshold_value": [5, 10], "clear_value": 1}'),
	threshold('gauge up', 'gauge', '{"threshold_value": [5, 10], "clear_value": 1}');
SELECT send('ada', 12), told();
SELECT send('ada', 9, '2026-01-10 13:00Z', 'b'), told();
SELECT send('ada', 1, '2026-01-10 14:00Z', 'c'), told();
SELECT * FROM wrong();
SELECT max(id::int) AS last FROM (SELECT nextval('event_id') - 1) AS x(id) \gset
-- 12 is no more: what fell is told where a threshold falls, what rose once is not told again
SELECT take_back((:last - 2)::text), told();
SELECT * FROM wrong();
-- an amendment moves the value once: it neither falls nor rises on the way
SELECT amend((:last - 1)::text, 9.5, 'b'), told();
SELECT amend((:last - 1)::text, 4, 'b'), told();
SELECT amend((:last - 1)::text, 30, 'c'), told();
SELECT * FROM wrong();
-- all of it
SELECT take_back((:last - 1)::text), told();
SELECT take_back((:last)::text), told();
SELECT * FROM wrong();
-- what is gone is gone: levels that are armed again fire again
SELECT send('ada', 40, '2026-01-10 15:00Z', 'b'), told();
SELECT * FROM wrong();
-- rolled back with the change
BEGIN;
SELECT take_back((SELECT last_value::text FROM event_id)), told();
ROLLBACK;
SELECT told();
SELECT * FROM wrong();

-- A level goes on into later windows: theirs are told of what changes before them.
SELECT send('tom', 4, '2026-02-01 00:00Z'), told();
SELECT send('tom', 2, '2026-02-02 00:00Z'), told();
SELECT send('tom', 3, '2026-02-03 12:00Z'), told();
SELECT * FROM wrong();
SELECT send('tom', 5, '2026-02-01 12:00Z'), told();
SELECT * FROM wrong();
SELECT take_back((SELECT last_value::text FROM event_id)), told();
SELECT * FROM wrong();

-- Released from quarantine, and tried again.
SELECT meter.create_meter(:'org', d::jsonb) ->> 'key' FROM unnest(ARRAY[
	'{"key": "strict", "metric_key": "strict", "function": "sum", "value_field": "n", "late_event_policy": {"mode": "quarantine", "grace": "1 hour"}}',
	'{"key": "strict-max", "metric_key": "strict", "function": "max", "value_field": "n", "negative_allowed": true}']) AS d;
SELECT threshold('strict up', 'strict', '{"threshold_value": [10, 20]}'), threshold('strict max', 'strict-max', '{"threshold_value": [10, 20]}');
SELECT send('ada', 12, '2025-01-05 00:00Z', 'a', 'strict'), told();
SELECT send('ada', 9, '2025-01-06 00:00Z', 'a', 'strict'), told();
SELECT send('ada', -9, '2025-01-07 00:00Z', 'a', 'strict'), told();
SELECT r.status, count(*) FROM meter.release_quarantine(:'org') AS r GROUP BY 1;
SELECT told();
SELECT meter.update_meter(:'org', 'strict', '{"negative_allowed": true, "effective_at": "2025-01-07 00:00Z", "reprocess": true}') ->> 'version', told();
SELECT r.status FROM meter.replay_rejected(:'org') AS r;
SELECT r.status FROM meter.release_quarantine(:'org') AS r;
SELECT told();
SELECT r.value, r.event_count FROM meter.usage(:'org', 'strict', '2025-01-01', '2025-02-01') AS r;
SELECT * FROM wrong();

-- A version for times past: windows that it cuts, or measures by another function, are counted anew.
SELECT meter.create_meter(:'org', d::jsonb) ->> 'key' FROM unnest(ARRAY[
	'{"key": "turns", "metric_key": "turn", "function": "sum", "value_field": "n"}',
	'{"key": "halves", "metric_key": "turn", "function": "sum", "value_field": "n"}',
	'{"key": "wakes", "metric_key": "turn", "function": "count", "filter_tree": {"field": "k", "op": "eq", "value": "z"}}']) AS d;
SELECT threshold('turn', 'turns', '{"threshold_value": [5, 15, 25]}'), threshold('half', 'halves', '{"threshold_value": [5, 15, 25]}'),
	threshold('wake', 'wakes', '{"threshold_value": [2, 4]}');
SELECT send('ada', n, at::timestamptz, 'a', 'turn'), told() FROM (VALUES (8, '2025-03-02 00:00Z'), (4, '2025-03-10 00:00Z'), (9, '2025-03-20 00:00Z')) AS v(n, at);
-- sum 21 becomes max 9, and falls; its levels stay fired
SELECT meter.update_meter(:'org', 'turns', '{"function": "max", "effective_at": "2025-03-01 00:00Z", "reprocess": true}') ->> 'version', told();
-- sum 21 becomes sum 8 until the tenth, and count 2 from then on
SELECT meter.update_meter(:'org', 'halves', '{"function": "count", "value_field": null, "effective_at": "2025-03-10 00:00Z", "reprocess": true}') ->> 'version', told();
-- nothing becomes 3, which no row knew of
SELECT meter.update_meter(:'org', 'wakes', '{"filter_tree": null, "effective_at": "2025-03-01 00:00Z", "reprocess": true}') ->> 'version', told();
SELECT * FROM wrong();
SELECT send('ada', 30, '2025-03-21 00:00Z', 'a', 'turn'), told();
SELECT send('ada', 1, '2025-03-09 00:00Z', 'a', 'turn'), told();
SELECT * FROM wrong();
SELECT w.meter, u.window_start, u.window_end, u.value FROM meter.threshold_usage AS u
	JOIN (SELECT w.watch_no, m.key AS meter FROM meter.threshold_watch AS w JOIN meter.meter AS m ON m.id = w.meter_id WHERE m.metric_key = 'turn') AS w USING (watch_no)
	ORDER BY 1, 2;

-- Events that came before the meter was there are counted by a job.
SELECT send('ada', n, at::timestamptz, 'a', 'early') FROM (VALUES (8, '2025-04-02 00:00Z'), (4, '2025-04-10 00:00Z')) AS v(n, at);
SELECT meter.create_meter(:'org', '{"key": "early", "metric_key": "early", "function": "sum", "value_field": "n", "effective_at": "2025-04-05 00:00Z"}') ->> 'key';
SELECT threshold('early', 'early', '{"threshold_value": [5, 20]}');
SELECT send('ada', 3, '2025-04-11 00:00Z', 'a', 'early'), told();
SELECT meter.usage(:'org', 'early', '2025-04-01', '2025-05-01');
CALL meter.reprocess(:'org', 'early', '2025-04-01', '2025-05-01', 'came too early');
SELECT told();
SELECT meter.usage(:'org', 'early', '2025-04-01', '2025-05-01');
SELECT * FROM wrong();
DROP SCHEMA test_threshold_changes CASCADE;
