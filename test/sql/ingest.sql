-- Ingestion: every status and code, keys, and batches of any size.
\set VERBOSITY terse
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
DO $$ BEGIN PERFORM meter.create_store(); END $$;
SELECT meter.create_organization('ingest', '00000000-0000-0000-0000-0000000000e1');
\set org '''00000000-0000-0000-0000-0000000000e1'''

SELECT m ->> 'key' AS meter FROM unnest(ARRAY[
	'{"key": "calls", "metric_key": "call", "function": "count"}',
	'{"key": "tokens", "metric_key": "call", "function": "sum", "value_field": "n", "dimensions": {"model": "model"},
		"filter_tree": {"not": {"field": "test", "op": "eq", "value": true}}}',
	'{"key": "strict", "metric_key": "strict", "function": "sum", "value_field": "$.usage.n"}',
	'{"key": "money", "metric_key": "money", "function": "sum", "value_field": "amount", "unit_currency_field": "currency", "negative_allowed": true}',
	'{"key": "orders", "metric_key": "order", "function": "sum", "value_field": "n", "dedup_key_path": "order"}',
	'{"key": "lines", "metric_key": "order", "function": "count", "dedup_key_path": "line"}',
	'{"key": "users", "metric_key": "seen", "function": "unique_count", "unique_by_field": "user", "dimensions": {"d": "d"}}']) AS definition,
	LATERAL meter.create_meter(:org, definition::jsonb) AS m;
-- one more, archived, that is not asked any more
SELECT m ->> 'key' AS meter FROM meter.create_meter(:org, '{"key": "gone", "metric_key": "call", "function": "sum", "value_field": "absent"}') AS m;
UPDATE meter.meter SET status = 'archived' WHERE organization_id = :org AND key = 'gone';

CREATE FUNCTION pg_temp.send(events json) RETURNS TABLE (ordinal int, id text, status text, code text, message text) LANGUAGE sql AS $$
	SELECT * FROM meter.ingest('00000000-0000-0000-0000-0000000000e1', events)
$$;
CREATE FUNCTION pg_temp.used(meter text) RETURNS TABLE (value numeric, events bigint) LANGUAGE sql AS $$
	SELECT value, event_count FROM meter.usage('00000000-0000-0000-0000-0000000000e1', meter, '-infinity', 'infinity')
$$;
-- What was kept of the rejected since the last look, and forgotten.
CREATE FUNCTION pg_temp.kept() RETURNS TABLE (n bigint, meter text, status text, code text, pointer text, payload text) LANGUAGE sql AS $$
	WITH gone AS (DELETE FROM meter.rejected_event WHERE organization_id = '00000000-0000-0000-0000-0000000000e1' RETURNING *)
	SELECT row_number() OVER (ORDER BY g.rejection_id), m.key, g.status, g.code, g.pointer, g.payload::text
	FROM gone AS g LEFT JOIN meter.meter AS m ON m.id = g.meter_id
$$;

--
-- Accepted, duplicate, conflict, unmatched
--
SELECT * FROM pg_temp.send('[
	{"id": "1", "source": "s", "type": "call", "subject": "ada", "time": "2025-01-01T00:00:00Z", "data": {"n": 5, "model": "a"}},
	{"id": "2", "source": "s", "type": "call", "subject": "ada", "time": "2025-01-01T00:00:00Z", "data": {"n": 7, "model": "b"}, "extension": [1]},
	{"id": "1", "source": "s", "type": "call", "subject": "ada", "time": "2025-01-01T01:00:00+01:00", "data": {"model": "\u0061", "n": 5.0}},
	{"id": "1", "source": "s", "type": "call", "subject": "ada", "time": "2025-01-01T00:00:00Z", "data": {"n": 6, "model": "a"}},
	{"id": "1", "source": "s", "type": "call", "subject": "bob", "time": "2025-01-01T00:00:00Z", "data": {"n": 5, "model": "a"}},
	{"id": "1", "source": "s", "type": "call", "subject": "ada", "time": "2025-01-01T00:00:01Z", "data": {"n": 5, "model": "a"}},
	{"id": "1", "source": "other", "type": "call", "subject": "ada", "time": "2025-01-01T00:00:00Z", "data": {"n": 5, "model": "a"}},
	{"id": "1", "type": "call", "subject": "ada", "time": "2025-01-01T00:00:00Z", "data": {"n": 5, "model": "a"}},
	{"id": "1", "source": "s", "type": "nobody listens", "data": 5},
	{"id": "1", "source": "s", "type": "nobody listens", "data": 5.0},
	{"id": "test", "source": "s", "type": "call", "data": {"test": true}}]');
SELECT * FROM pg_temp.kept();
SELECT 'calls' AS meter, * FROM pg_temp.used('calls') UNION ALL SELECT 'tokens', * FROM pg_temp.used('tokens');
-- the same in calls of one event each; without a time, a retry is a duplicate whenever it comes
SELECT s.* FROM unnest(ARRAY['{"id": "1", "source": "s", "type": "call", "subject": "ada", "time": "2025-01-01T00:00:00Z", "data": {"n": 5, "model": "a"}}',
	'{"id": "3", "type": "call", "data": {"n": 1}}', '{"id": "3", "type": "call", "data": {"n": 1}}', '{"id": "3", "type": "call", "data": {"n": 2}}',
	'[]', ' [ ] ', ' {"id": "4", "type": "call", "data": {"n": 1}} ', '[{"id": "4", "type": "call", "data": {"n": 1}} , {"id": "5", "type": "call", "data": {"n": 1}}]']) AS e, LATERAL pg_temp.send(e::json) AS s;
SELECT * FROM pg_temp.kept();
-- what is stored of an event
SELECT id, source, type, subject, "time", data, (SELECT array_agg(m.meter_key ORDER BY 1) FROM meter.meter_versions AS m
	JOIN meter.meter_version AS v USING (organization_id, id) WHERE v.version_id = ANY (e.versions)) AS counted_by
FROM meter.events AS e WHERE organization_id = :org AND "time" < '2025-02-01' ORDER BY seq;

--
-- Aim by meter: by key or id; only that meter counts
--
SELECT s.* FROM meter.meters AS m, LATERAL pg_temp.send(json_build_array(
	'{"id": "aim1", "meter": "calls", "data": {"n": 100}}'::json, json_build_object('id', 'aim2', 'meter', m.id, 'type', 'call', 'data', json_build_object('n', 100)),
	json_build_object('id', 'aim3', 'meter', upper(m.id::text)), '{"id": "aim1", "meter": "tokens", "data": {"n": 100}}'::json)) AS s
WHERE m.organization_id = :org AND m.key = 'calls';
SELECT id, (SELECT key FROM meter.meter WHERE id = meter_id) AS meter, type FROM meter.events WHERE organization_id = :org AND id LIKE 'aim%' ORDER BY id;

-- a key that looks like another meter's id goes before it, whatever was used before
SELECT meter.create_meter(:org, jsonb_build_object('key', id, 'metric_key', 'other', 'function', 'count')) IS NOT NULL AS created FROM meter.meters WHERE organization_id = :org AND key = 'calls';
SELECT s.id, s.status FROM meter.meters AS m, LATERAL pg_temp.send(json_build_array(json_build_object('id', 'like1', 'meter', m.id), '{"id": "like2", "meter": "calls"}'::json,
	json_build_object('id', 'like3', 'meter', m.id), json_build_object('id', 'like4', 'meter', upper(m.id::text)))) AS s
WHERE m.organization_id = :org AND m.key = 'calls';
SELECT id, type FROM meter.events WHERE organization_id = :org AND id LIKE 'like%' ORDER BY id;

--
-- Envelopes that are none.  Each is kept as it came.
--
SELECT count(*) FROM pg_temp.kept();
CREATE TEMP TABLE bad (n int GENERATED ALWAYS AS IDENTITY, event text);
INSERT INTO bad (event) VALUES
	('5'), ('"call"'), ('null'), ('[]'), ('[{}]'), ('{}'), ('{"id": "x"}'), ('{"type": "call"}'), ('{"type": "nobody listens"}'), ('{"type": "strict"}'),
	('{"id": 5, "type": "call"}'), ('{"id": "", "type": "call"}'), ('{"id": "x", "type": ""}'), ('{"id": "x", "type": ["call"]}'), ('{"id": "x", "type": "call", "source": {}}'),
	('{"id": "x", "type": "call", "subject": 7}'), ('{"id": "a\u001fb", "type": "call"}'), ('{"id": "x", "type": "call", "subject": "\u007f"}'),
	('{"id": "x", "type": "call", "time": "yesterday"}'), ('{"id": "x", "type": "call", "time": "2025-02-29T00:00:00Z"}'),
	('{"id": "x", "type": "call", "time": "2025-01-01T00:00:00"}'), ('{"id": "x", "type": "call", "time": 1735689600}'), ('{"id": "x", "type": "call", "time": ""}'),
	('{"id": "x", "meter": "nothing"}'), ('{"id": "x", "meter": "gone"}'), ('{"id": "x", "meter": "calls", "type": "order"}'), ('{"id": "x", "meter": 1}'),
	('{"id": "\u0000", "type": "call"}'), ('{"id": "\ud800", "type": "call"}'), ('{"id": "x", "type": "call", "data": {"a": [1, 1e999999]}}'),
	('{"id": "x", "type": "call", "data": ' || repeat('[', 300) || repeat(']', 300) || '}'), ('{"id": "x", "type": "call", "data": "' || repeat('x', 1024 * 1024) || '"}');
CREATE TEMP TABLE sent AS SELECT * FROM pg_temp.send((SELECT '[' || string_agg(event, ' ,' ORDER BY n) || ']' FROM bad)::json);
SELECT left(b.event, 80) AS event, s.id, s.status, s.code, s.message, k.meter, left(k.pointer, 20) AS pointer,
	(k.status, k.code, k.payload) = (s.status, s.code, b.event) AS kept
FROM sent AS s FULL JOIN bad AS b ON b.n = s.ordinal FULL JOIN pg_temp.kept() AS k ON k.n = b.n ORDER BY b.n;
-- with null for what is not there, and with what only looks wrong
SELECT * FROM pg_temp.send('[{"id": "y1", "type": "call", "source": null, "subject": null, "time": null, "data": null, "meter": null},
	{"id": "y2", "type": "call", "time": "2025-01-01 00:00+05:30", "data": {"n": 0}}, {"id": "y1", "type": "call"}]') AS s;
SELECT * FROM pg_temp.kept();

--
-- What only some meters can count
--
SELECT * FROM pg_temp.send('[{"id": "p1", "type": "call", "data": {"n": "abc"}}, {"id": "p2", "type": "call", "data": {"n": 1, "model": ["x"]}},
	{"id": "p3", "type": "call", "data": {"n": -1}}, {"id": "p1", "type": "call", "data": {"n": "abc"}}, {"id": "p1", "type": "call", "data": {"n": 3}}]');
SELECT * FROM pg_temp.kept();

--
-- Values: what is no exact decimal is rejected with a pointer, and can be sent again when it is mended
--
CREATE TEMP TABLE value (n int GENERATED ALWAYS AS IDENTITY, json text);
INSERT INTO value (json) VALUES ('0.1'), ('0.2'), ('123'), ('"0.4567890123456789"'), ('1e400'), ('"NaN"'), ('"Infinity"'), ('"-Infinity"'), ('"12abc"'), ('""'), (repeat('9', 100000)),
	('"' || repeat('9', 100000) || '"'), ('0.' || repeat('1', 100000)), ('-0.01'), ('"-1"'), ('null'), ('true'), ('[1]'), ('{"n": 1}'), ('" 1"'), ('"1 "'), ('"0x1F"'), ('"1_000"'), ('"1,5"');
DROP TABLE sent;
CREATE TEMP TABLE sent AS SELECT * FROM pg_temp.send((SELECT '[' || string_agg(
	format('{"id": "v%s", "type": "strict", "data": {"usage": {"n": %s}}}', n, json), ',' ORDER BY n) || ']' FROM value)::json);
SELECT left(v.json, 24) AS value, s.status, s.code, left(s.message, 100) AS message, k.meter, k.pointer, length(k.payload) AS kept
FROM sent AS s JOIN value AS v ON v.n = s.ordinal FULL JOIN pg_temp.kept() AS k ON k.n + 4 = v.n ORDER BY v.n;
SELECT * FROM pg_temp.used('strict');
SELECT * FROM pg_temp.send('[{"id": "v5", "type": "strict", "data": {"usage": {"n": 1e40}}}, {"id": "v1", "type": "strict", "data": {"usage": {"n": "mended?"}}},
	{"id": "v1", "type": "strict", "data": {"usage": {"n": 0.10}}}, {"id": "none", "type": "strict"}, {"id": "none", "type": "strict", "data": "text"}]');
SELECT * FROM pg_temp.used('strict');
SELECT * FROM pg_temp.kept();

--
-- Dimensions, unique keys and currencies
--
SELECT * FROM pg_temp.send(json_build_array('{"id": "u1", "type": "seen", "data": {"user": "ada", "d": 1.0}}'::json, '{"id": "u2", "type": "seen", "data": {"user": 7, "d": 1}}'::json,
	'{"id": "u3", "type": "seen", "data": {"user": 7.0, "d": "1"}}'::json, '{"id": "u4", "type": "seen", "data": {"user": "7", "d": true}}'::json, '{"id": "u5", "type": "seen", "data": {"user": true, "d": null}}'::json,
	'{"id": "u6", "type": "seen", "data": {"user": null}}'::json, '{"id": "u7", "type": "seen", "data": {"user": {}}}'::json, '{"id": "u8", "type": "seen", "data": {"user": "x", "d": {}}}'::json,
	json_build_object('id', 'u9', 'type', 'seen', 'data', json_build_object('user', repeat('u', 1025))), json_build_object('id', 'ua', 'type', 'seen', 'data', json_build_object('user', 'x', 'd', repeat('d', 1025))),
	'{"id": "m1", "type": "money", "data": {"amount": 5, "currency": "EUR"}}'::json, '{"id": "m2", "type": "money", "data": {"amount": -1.5, "currency": "EUR"}}'::json,
	'{"id": "m3", "type": "money", "data": {"amount": 5}}'::json, '{"id": "m4", "type": "money", "data": {"amount": 5, "currency": "eur"}}'::json, '{"id": "m5", "type": "money", "data": {"amount": 5, "currency": 978}}'::json));
SELECT meter, status, code, pointer FROM pg_temp.kept();
SELECT * FROM pg_temp.used('users');
SELECT dimensions, value FROM meter.usage(:org, 'users', '-infinity', 'infinity', group_by => '{d}');
SELECT currency, value, event_count FROM meter.usage(:org, 'money', '-infinity', 'infinity');

--
-- Keys of meters: each its own space, beside the envelope's
--
SELECT * FROM pg_temp.send('[{"type": "order", "data": {"order": "a", "line": 1, "n": 1}}, {"type": "order", "data": {"order": "b", "line": 2, "n": 1}},
	{"type": "order", "data": {"order": "a", "line": 1, "n": 1}}, {"type": "order", "data": {"order": "c", "line": 1, "n": 1}}, {"type": "order", "data": {"order": "a", "line": 3.0, "n": 1}},
	{"type": "order", "data": {"order": "d", "n": 1}}, {"type": "order", "data": {"n": 1}},
	{"id": "o1", "type": "order", "data": {"order": "e", "line": 5, "n": 1}}, {"id": "o1", "type": "order", "data": {"order": "e", "line": 5, "n": 1}},
	{"id": "o2", "type": "order", "data": {"order": "e", "line": 5, "n": 1}}, {"id": "o2", "type": "order", "data": {"order": "f", "line": 6, "n": 1}},
	{"id": "o3", "type": "order", "data": {"order": "a", "line": 1, "n": 2}}, {"id": "o3", "type": "order", "data": {"order": "g", "line": 7, "n": 2}}]');
SELECT meter, status, code, pointer, payload FROM pg_temp.kept();
SELECT 'orders' AS meter, * FROM pg_temp.used('orders') UNION ALL SELECT 'lines', * FROM pg_temp.used('lines');
SELECT s.* FROM unnest(ARRAY['{"type": "order", "data": {"order": "a", "line": 1, "n": 1}}', '{"type": "order", "data": {"order": "a", "line": "1", "n": 2}}', '{"type": "order", "data": {"order": "z", "line": 1, "n": 1}}',
	'{"id": "o1", "type": "order", "data": {"order": "y", "line": 9, "n": 1}}', '{"id": "o2", "type": "order", "data": {"order": "f", "line": 6, "n": 1}}']) AS e, LATERAL pg_temp.send(e::json) AS s;
SELECT coalesce(m.key, 'envelopes') AS space, count(*), min(k.probe), max(k.probe) FROM meter.event_key AS k LEFT JOIN meter.meter AS m ON m.meter_no = k.space
WHERE k.organization_id = :org GROUP BY 1 ORDER BY 1;

--
-- Two keys that hash alike are two keys
--
UPDATE meter.event_key SET key = 'other' WHERE organization_id = :org AND key = E'call\x1fs\x1f2';
SELECT s.status FROM generate_series(1, 2) AS i, LATERAL pg_temp.send(json_build_object('id', '2', 'source', 's', 'type', 'call', 'subject', 'ada',
	'time', '2025-01-01T00:00:00Z', 'data', json_build_object('n', 7 + 0 * i, 'model', 'b'))) AS s;
SELECT s.status FROM pg_temp.send('[{"id": "2", "source": "s", "type": "call"}, {"id": "2", "source": "s", "type": "call", "subject": "ada", "time": "2025-01-01T00:00:00Z", "data": {"n": 7, "model": "b"}}]') AS s;
SELECT k.key = 'other' AS other, k.probe FROM meter.event_key AS k JOIN meter.event_key AS o USING (organization_id, key_hash) WHERE o.key = 'other' ORDER BY k.probe;

--
-- Duplicate object keys: the last counts, as in jsonb
--
SELECT * FROM pg_temp.send('[{"id": "k0", "id": "k1", "type": "strict", "type": "call", "data": {"n": 9}, "data": {"n": 1, "n": 2, "model": "k", "model": "l"}},
	{"id": "k1", "type": "call", "data": {"n": 2, "model": "l"}}]');
SELECT dimensions, value FROM meter.usage(:org, 'tokens', '-infinity', 'infinity', group_by => '{model}') WHERE dimensions IN ('{"model": "k"}', '{"model": "l"}');

--
-- Many at once
--
CREATE TEMP TABLE many AS SELECT i, json_build_object('id', 'many' || i % 45000, 'type', 'call', 'subject', 's' || i % 100, 'time', timestamptz '2030-01-01 00:00Z' + make_interval(secs => (i % 45000) * 60),
	'data', json_build_object('n', CASE WHEN i % 1000 = 7 THEN '-1' ELSE i % 45000 || '.5' END, 'model', i % 5)) AS event FROM generate_series(1, 50000) AS i;
SELECT status, code, count(*), min(ordinal), max(ordinal), count(DISTINCT ordinal) FROM pg_temp.send((SELECT json_agg(event ORDER BY i) FROM many)) GROUP BY 1, 2 ORDER BY 1, 2;
SELECT status, code, count(*) FROM pg_temp.send((SELECT json_agg(event ORDER BY i DESC) FROM many)) GROUP BY 1, 2 ORDER BY 1, 2;
SELECT value, event_count FROM meter.usage(:org, 'tokens', '2030-01-01Z', '2031-01-01Z');
SELECT sum((event #>> '{data,n}')::numeric), count(*) FROM many WHERE i <= 45000 AND i % 1000 <> 7;
SELECT subject, value, event_count FROM meter.usage(:org, 'calls', '2030-01-01Z', '2031-01-01Z', group_by => '{subject}') ORDER BY value DESC, subject LIMIT 3;

--
-- All or nothing
--
SELECT meter.create_organization('strict', '00000000-0000-0000-0000-0000000000e2', '{"partial": false}');
DO $$ BEGIN
	PERFORM meter.create_meter('00000000-0000-0000-0000-0000000000e2', '{"key": "calls", "metric_key": "call", "function": "count"}');
	PERFORM meter.create_meter('00000000-0000-0000-0000-0000000000e2', '{"key": "tokens", "metric_key": "call", "function": "sum", "value_field": "n"}');
END $$;
\set VERBOSITY default
SELECT * FROM meter.ingest('00000000-0000-0000-0000-0000000000e2', '[{"id": "1", "type": "call", "data": {"n": 1}}, {"id": "2", "type": "call", "data": {"n": 1}}, {"id": "1", "type": "call", "data": {"n": 1}}, {"id": "n", "type": "nothing"}]');
SELECT * FROM meter.ingest('00000000-0000-0000-0000-0000000000e2', '[{"id": "3", "type": "call", "data": {"n": 1}}, {"id": "4", "type": "call", "data": {"n": "x"}}]');
SELECT * FROM meter.ingest('00000000-0000-0000-0000-0000000000e2', '[{"id": "3", "type": "call", "data": {"n": 1}}, {"id": "1", "type": "call", "data": {"n": 2}}]');
SELECT * FROM meter.ingest('00000000-0000-0000-0000-0000000000e2', '[{"id": "3", "type": "call", "data": {"n": 1}}, 5]');
SELECT value FROM meter.usage('00000000-0000-0000-0000-0000000000e2', 'calls', '-infinity', 'infinity');
SELECT count(*) FROM meter.rejected_events WHERE organization_id = '00000000-0000-0000-0000-0000000000e2';

--
-- Arguments
--
SELECT * FROM meter.ingest('00000000-0000-0000-0000-00000000dead', '[]');
SELECT * FROM meter.ingest(NULL, '[]');
SELECT * FROM meter.ingest(:org, NULL);
