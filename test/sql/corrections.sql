-- Taking events back, and putting others in their place.
\set VERBOSITY terse
SET client_min_messages = warning;
SET timezone = 'UTC';
SELECT meter.create_store();
SELECT meter.create_organization('corrections', 'c0000000-0000-0000-0000-0000000000c1') AS org \gset
SELECT meter.create_organization('twin', 'c0000000-0000-0000-0000-0000000000c2') AS twin \gset
-- What an answer says, but for what the clock and sequences make of it.
CREATE FUNCTION pg_temp.said(answer jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT answer - '{reversed_at,seq,replacement_seq}'::text[]
		|| jsonb_build_object('replaced', answer -> 'replacement_seq' <> 'null')
$$;
CREATE FUNCTION pg_temp.send(org uuid, VARIADIC events text[]) RETURNS TABLE (id text, status text, code text) LANGUAGE sql AS $$
	SELECT i.id, i.status, i.code FROM meter.ingest(org, ('[' || array_to_string(events, ',') || ']')::json) AS i ORDER BY i.ordinal
$$;

-- One event and two meters: one goes back, the other looks again.
SELECT meter.create_meter(:'org', d::jsonb) ->> 'key' FROM unnest(ARRAY[
	'{"key": "miles", "metric_key": "trip", "function": "sum", "value_field": "miles"}',
	'{"key": "longest", "metric_key": "trip", "function": "max", "value_field": "miles"}']) AS d;
SELECT * FROM pg_temp.send(:'org',
	'{"id": "1", "source": "a", "type": "trip", "subject": "ada", "time": "2025-01-01T00:00:00Z", "data": {"miles": 5}}',
	'{"id": "2", "source": "a", "type": "trip", "subject": "ada", "time": "2025-01-01T00:01:00Z", "data": {"miles": 7}}',
	'{"id": "2", "source": "b", "type": "trip", "subject": "bob", "time": "2025-01-01T00:02:00Z", "data": {"miles": 9}}',
	'{"id": "3", "type": "trip", "time": "2025-01-01T05:00:00Z", "data": {"miles": 1}}');
CREATE FUNCTION pg_temp.trips(org uuid) RETURNS TABLE (miles numeric, longest numeric, trips bigint, explained text) LANGUAGE sql AS $$
	SELECT a.value, b.value, a.event_count, (SELECT string_agg(e.id || coalesce(e.source, '') || '=' || e.value, ' ' ORDER BY e."time", e.seq)
		FROM meter.explain_usage(org, 'longest', '2025-01-01', '2025-01-02') AS e)
	FROM meter.usage(org, 'miles', '2025-01-01', '2025-01-02') AS a, meter.usage(org, 'longest', '2025-01-01', '2025-01-02') AS b
$$;
SELECT * FROM pg_temp.trips(:'org');
-- whose is it?
\set VERBOSITY default
SELECT meter.void_event(:'org', 'trip', '2', 'wrong');
\set VERBOSITY terse
SELECT pg_temp.said(meter.void_event(:'org', 'trip', '2', 'wrong', 'b'));
SELECT * FROM pg_temp.trips(:'org');
-- once only, also by the id that is another one's too
\set VERBOSITY default
SELECT meter.void_event(:'org', 'trip', '2', 'again', 'b');
SELECT meter.amend_event(:'org', 'trip', '2', 'again', '{"miles": 1}', 'b');
SELECT meter.void_event(:'org', 'trip', '2', 'wrong', 'c');
SELECT meter.void_event(:'org', 'trip', '4', 'wrong');
SELECT meter.void_event(:'org', 'walk', '1', 'wrong');
SELECT meter.void_event('c0000000-0000-0000-0000-00000000000f', 'trip', '1', 'wrong');
\set VERBOSITY terse
-- its key stays used
SELECT * FROM pg_temp.send(:'org',
	'{"id": "2", "source": "b", "type": "trip", "subject": "bob", "time": "2025-01-01T00:02:00Z", "data": {"miles": 9}}',
	'{"id": "2", "source": "b", "type": "trip", "subject": "bob", "time": "2025-01-01T00:02:00Z", "data": {"miles": 10}}');
-- amended, and amended again; the key leads to the newest, and a retry is that of the first
SELECT pg_temp.said(meter.amend_event(:'org', 'trip', '1', 'mistyped', '{"miles": 50}'));
SELECT * FROM pg_temp.trips(:'org');
SELECT pg_temp.said(meter.amend_event(:'org', 'trip', '1', '{"miles": 6.5}'));
SELECT * FROM pg_temp.trips(:'org');
SELECT * FROM pg_temp.send(:'org',
	'{"id": "1", "source": "a", "type": "trip", "subject": "ada", "time": "2025-01-01T00:00:00Z", "data": {"miles": 5}}',
	'{"id": "1", "source": "a", "type": "trip", "subject": "ada", "time": "2025-01-01T00:00:00Z", "data": {"miles": 6.5}}');
-- refused by all: nothing changes
\set VERBOSITY default
SELECT meter.amend_event(:'org', 'trip', '1', 'mistyped', '{"miles": -1}');
SELECT meter.amend_event(:'org', 'trip', '1', 'nothing', NULL);
\set VERBOSITY terse
SELECT * FROM pg_temp.trips(:'org');
-- an event without a source; by an empty one it is meant
SELECT pg_temp.said(meter.void_event(:'org', 'trip', '3', 'wrong', ''));
SELECT pg_temp.said(meter.void_event(:'org', 'trip', '1', 'wrong'));
SELECT * FROM pg_temp.trips(:'org');
-- nothing is left but what stays
SELECT pg_temp.said(meter.void_event(:'org', 'trip', '2', 'wrong', 'a'));
SELECT * FROM pg_temp.trips(:'org');
SELECT * FROM meter.usage(:'org', 'miles', '2025-01-01', '2025-01-02', group_by => '{subject}');
SELECT e.id, e.source, e.data, e.reversal, n.data AS replaced_by, e.reversed_at IS NOT NULL AS reversed, cardinality(e.versions) AS counted_by
	FROM meter.events AS e LEFT JOIN meter.events AS n ON n.organization_id = e.organization_id AND n.seq = e.replacement_seq
	WHERE e.organization_id = :'org' ORDER BY e.seq;
SELECT kind, reason, reversed_by = current_user AS by_me, cardinality(recount) FROM meter.event_reversal WHERE organization_id = :'org' ORDER BY seq;
-- arguments
SELECT meter.void_event(:'org', 'trip', '1', '');
SELECT meter.void_event(:'org', 'trip', '1', repeat('ä', 1001));
SELECT meter.void_event(:'org', 'trip', '1', NULL);
SELECT meter.void_event(:'org', NULL, '1', 'wrong');
SELECT meter.amend_event(:'org', 'trip', '1', '', '{}');
BEGIN TRANSACTION READ ONLY;
SELECT meter.void_event(:'org', 'trip', '1', 'wrong');
ROLLBACK;

-- All of it is part of the transaction.
SELECT * FROM pg_temp.send(:'org', '{"id": "7", "source": "a", "type": "trip", "time": "2025-01-01T07:00:00Z", "data": {"miles": 7}}');
BEGIN;
SELECT meter.void_event(:'org', 'trip', '7', 'wrong') ->> 'status';
SELECT * FROM pg_temp.trips(:'org');
ROLLBACK;
SELECT * FROM pg_temp.trips(:'org');
-- sent and taken back in one
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM pg_temp.send(:'org', '{"id": "8", "source": "new", "type": "trip", "time": "2025-01-01T07:00:00Z", "data": {"miles": 8}}');
SELECT meter.amend_event(:'org', 'trip', '8', '{"miles": 9}') ->> 'status';
SELECT * FROM pg_temp.trips(:'org');
SELECT meter.void_event(:'org', 'trip', '8', 'wrong') ->> 'status';
COMMIT;
SELECT * FROM pg_temp.trips(:'org');
-- a source whose first event was rolled back is entered again
BEGIN;
SELECT * FROM pg_temp.send(:'org', '{"id": "9", "source": "rolled back", "type": "trip", "time": "2025-01-01T07:00:00Z", "data": {"miles": 8}}');
ROLLBACK;
SELECT * FROM pg_temp.send(:'org', '{"id": "9", "source": "rolled back", "type": "trip", "time": "2025-01-01T07:00:00Z", "data": {"miles": 8}}');
SELECT meter.void_event(:'org', 'trip', '9', 'wrong') ->> 'status';
SELECT meter.void_event(:'org', 'trip', '7', 'wrong') ->> 'status';

-- Bulk: the same documents again after some were taken back.
CREATE TEMPORARY TABLE bulk AS SELECT jsonb_build_object('id', i::text, 'source', 'copy', 'type', 'trip', 'time', '2025-02-01T00:00:00Z'::timestamptz + i * interval '1 minute', 'data', jsonb_build_object('miles', i)) AS event FROM generate_series(1, 300) AS i;
SELECT status, count(*) FROM meter.ingest(:'org', (SELECT json_agg(event) FROM bulk)) GROUP BY 1;
SELECT count(meter.void_event(:'org', 'trip', i::text, 'wrong', 'copy')) FROM generate_series(3, 300, 3) AS i;
SELECT count(meter.amend_event(:'org', 'trip', i::text, NULL, jsonb_build_object('miles', 1000 + i), 'copy')) FROM generate_series(1, 300, 3) AS i;
SELECT status, count(*) FROM meter.ingest(:'org', (SELECT json_agg(event) FROM bulk)) GROUP BY 1;
SELECT value, event_count FROM meter.usage(:'org', 'miles', '2025-02-01', '2025-02-02');
SELECT sum(i) + sum(1000 + i - i) FILTER (WHERE i % 3 = 1) AS expected, count(*) FROM generate_series(1, 300) AS i WHERE i % 3 > 0;
-- explained page by page
SELECT count(*), sum(value) FROM meter.explain_usage(:'org', 'miles', '2025-02-01', '2025-02-02', page_size => 1000);
SELECT count(*), sum(e.value) FROM (SELECT * FROM meter.explain_usage(:'org', 'miles', '2025-02-01', '2025-02-02', page_size => 7) AS e
	UNION ALL SELECT n.* FROM (SELECT max(e."time") AS "time", max(e.seq) AS seq FROM meter.explain_usage(:'org', 'miles', '2025-02-01', '2025-02-01 00:11', page_size => 7) AS e) AS l,
		meter.explain_usage(:'org', 'miles', '2025-02-01', '2025-02-02', after_time => l."time", after_seq => l.seq, page_size => 1000) AS n) AS e;

-- A meter's own key names an event too; an id goes before it.
SELECT meter.create_meter(:'org', d::jsonb) ->> 'key' FROM unnest(ARRAY[
	'{"key": "orders", "metric_key": "order", "function": "count", "dedup_key_path": "order"}',
	'{"key": "invoices", "metric_key": "order", "function": "sum", "value_field": "amount", "dedup_key_path": "invoice"}']) AS d;
SELECT * FROM pg_temp.send(:'org',
	'{"type": "order", "time": "2025-01-01T00:00:00Z", "data": {"order": "o1", "invoice": "i1", "amount": 1}}',
	'{"type": "order", "id": "o1", "source": "s", "time": "2025-01-01T00:00:00Z", "data": {"order": "o2", "invoice": "i2", "amount": 2}}',
	'{"type": "order", "time": "2025-01-01T00:00:00Z", "data": {"order": "x", "invoice": "i3", "amount": 4}}',
	'{"type": "order", "time": "2025-01-01T00:00:00Z", "data": {"order": "o4", "invoice": "x", "amount": 8}}');
CREATE FUNCTION pg_temp.orders(org uuid) RETURNS TABLE (orders numeric, amount numeric) LANGUAGE sql AS $$
	SELECT a.value, b.value FROM meter.usage(org, 'orders', '2025-01-01', '2025-01-02') AS a, meter.usage(org, 'invoices', '2025-01-01', '2025-01-02') AS b
$$;
SELECT * FROM pg_temp.orders(:'org');
SELECT pg_temp.said(meter.void_event(:'org', 'order', 'o1', 'wrong'));
SELECT * FROM pg_temp.orders(:'org');
SELECT meter.void_event(:'org', 'order', 'o1', 'wrong');
SELECT meter.void_event(:'org', 'order', 'i1', 'wrong') ->> 'status';
\set VERBOSITY default
SELECT meter.void_event(:'org', 'order', 'x', 'wrong');
\set VERBOSITY terse
-- amended: the old keys stay used, the new ones are
SELECT meter.amend_event(:'org', 'order', 'i3', '{"order": "x", "invoice": "i5", "amount": 16}') ->> 'status';
SELECT * FROM pg_temp.orders(:'org');
SELECT * FROM pg_temp.send(:'org',
	'{"type": "order", "time": "2025-01-01T00:00:00Z", "data": {"order": "n1", "invoice": "i3", "amount": 100}}',
	'{"type": "order", "time": "2025-01-01T00:00:00Z", "data": {"order": "n2", "invoice": "i5", "amount": 100}}');
SELECT * FROM pg_temp.orders(:'org');
-- by the old key or the new, and back to the old
SELECT meter.amend_event(:'org', 'order', 'i5', '{"order": "x", "invoice": "i6", "amount": 32}') ->> 'status';
SELECT meter.amend_event(:'org', 'order', 'i3', '{"order": "x", "invoice": "i3", "amount": 64}') ->> 'status';
SELECT * FROM pg_temp.orders(:'org');
-- another event's key: PARTIAL, and the meter's rejection is kept
SELECT pg_temp.said(meter.amend_event(:'org', 'order', 'i6', '{"order": "x", "invoice": "i2", "amount": 128}'));
SELECT * FROM pg_temp.orders(:'org');
SELECT m.key, r.status, r.code, r.message, r.payload FROM meter.rejected_events AS r JOIN meter.meters AS m ON m.organization_id = r.organization_id AND m.id = r.meter_id
	WHERE r.organization_id = :'org' AND r.payload ->> 'type' = 'order' AND r.payload -> 'data' ->> 'amount' = '128';
-- and once it is amended again it is no more
SELECT pg_temp.said(meter.amend_event(:'org', 'order', 'i6', '{"order": "x", "invoice": "i6", "amount": 256}'));
SELECT * FROM pg_temp.orders(:'org');
SELECT count(*) FROM meter.rejected_events AS r WHERE r.organization_id = :'org' AND r.payload -> 'data' ->> 'amount' = '128';

-- An archived meter keeps what it has, and takes what is put in its place.
SELECT meter.create_meter(:'org', d::jsonb) ->> 'key' FROM unnest(ARRAY[
	'{"key": "old calls", "metric_key": "call", "function": "sum", "value_field": "n"}', '{"key": "calls", "metric_key": "call", "function": "count"}']) AS d;
SELECT * FROM pg_temp.send(:'org', '{"type": "call", "id": "1", "time": "2025-01-01T00:00:00Z", "data": {"n": 1}}', '{"type": "call", "id": "aimed", "meter": "old calls", "time": "2025-01-01T00:00:00Z", "data": {"n": 2}}');
SELECT meter.archive_meter(:'org', 'old calls', 'replaced') ->> 'status';
SELECT * FROM pg_temp.send(:'org', '{"type": "call", "id": "2", "time": "2025-01-01T00:00:00Z", "data": {"n": 4}}');
SELECT meter.amend_event(:'org', 'call', id, '{"n": 10}') ->> 'status' FROM unnest('{1,aimed,2}'::text[]) AS id;
SELECT 'old calls' AS meter, value, event_count FROM meter.usage(:'org', 'old calls', '2025-01-01', '2025-01-02')
	UNION ALL SELECT 'calls', value, event_count FROM meter.usage(:'org', 'calls', '2025-01-01', '2025-01-02');

-- A late event that was moved stays where it was moved to; what was refused for its time is so again.
SELECT meter.create_meter(:'org', d::jsonb) ->> 'key' FROM unnest(ARRAY[
	'{"key": "moving", "metric_key": "late", "function": "sum", "value_field": "n", "late_event_policy": {"mode": "next_window"}}',
	'{"key": "strict", "metric_key": "late", "function": "sum", "value_field": "n", "late_event_policy": {"mode": "reject"}}',
	'{"key": "careful", "metric_key": "late", "function": "sum", "value_field": "n", "late_event_policy": {"mode": "quarantine"}}',
	'{"key": "lenient", "metric_key": "late", "function": "max", "value_field": "n"}']) AS d;
SELECT * FROM pg_temp.send(:'org', '{"type": "late", "id": "1", "time": "2025-01-01T00:00:00Z", "data": {"n": 1}}', '{"type": "late", "id": "2", "time": "2025-01-01T00:00:00Z", "data": {"n": 2}}');
CREATE FUNCTION pg_temp.lates(org uuid) RETURNS TABLE (meter text, january numeric, later numeric) LANGUAGE sql AS $$
	SELECT m, a.value, b.value FROM unnest('{moving,strict,careful,lenient}'::text[]) AS m,
		meter.usage(org, m, '2025-01-01', '2025-02-01') AS a, meter.usage(org, m, '2025-02-01', 'infinity') AS b
$$;
SELECT * FROM pg_temp.lates(:'org');
SELECT pg_temp.said(meter.amend_event(:'org', 'late', '1', '{"n": 4}'));
SELECT * FROM pg_temp.lates(:'org');
SELECT m.key, r.status, r.code, r.payload -> 'data' AS data FROM meter.rejected_events AS r JOIN meter.meters AS m ON m.organization_id = r.organization_id AND m.id = r.meter_id
	WHERE r.organization_id = :'org' AND r.payload ->> 'type' = 'late' ORDER BY r.id;
SELECT pg_temp.said(meter.void_event(:'org', 'late', '1', 'wrong'));
SELECT * FROM pg_temp.lates(:'org');
SELECT count(*) FROM meter.rejected_events AS r WHERE r.organization_id = :'org' AND r.payload ->> 'type' = 'late';
SELECT id, data, reversal, counted_at > "time" AS moved FROM meter.events WHERE organization_id = :'org' AND type = 'late' ORDER BY seq;
-- one whose row was moved with it
SELECT meter.create_meter(:'org', '{"key": "moving alone", "metric_key": "moved", "function": "latest", "value_field": "n", "late_event_policy": {"mode": "next_window"}}') ->> 'key';
SELECT * FROM pg_temp.send(:'org', '{"type": "moved", "id": "1", "time": "2025-01-01T00:00:00Z", "data": {"n": 1}}', '{"type": "moved", "id": "2", "time": "2025-01-01T00:00:00Z", "data": {"n": 2}}');
SELECT meter.void_event(:'org', 'moved', '2', 'wrong') ->> 'status';
SELECT value, event_count FROM meter.usage(:'org', 'moving alone', '2025-02-01', 'infinity');
SELECT meter.amend_event(:'org', 'moved', '1', '{"n": 5}') ->> 'time';
SELECT value, event_count FROM meter.usage(:'org', 'moving alone', '2025-02-01', 'infinity');
SELECT id, data, reversal, "time", counted_at > "time" AS moved FROM meter.events WHERE organization_id = :'org' AND type = 'moved' ORDER BY seq;
-- what is only in quarantine can be taken back, but not amended
SELECT meter.create_meter(:'org', '{"key": "waiting", "metric_key": "wait", "function": "sum", "value_field": "n", "late_event_policy": {"mode": "quarantine"}}') ->> 'key';
SELECT * FROM pg_temp.send(:'org', '{"type": "wait", "id": "1", "subject": "ada", "time": "2025-01-01T00:00:00Z", "data": {"n": 1}}');
\set VERBOSITY default
SELECT meter.amend_event(:'org', 'wait', '1', '{"n": 2}');
\set VERBOSITY terse
SELECT pg_temp.said(meter.void_event(:'org', 'wait', '1', 'wrong'));
SELECT meter.void_event(:'org', 'wait', '1', 'wrong');
SELECT count(*) FROM meter.rejected_events AS r WHERE r.organization_id = :'org' AND r.payload ->> 'type' = 'wait';
SELECT * FROM pg_temp.send(:'org', '{"type": "wait", "id": "1", "subject": "ada", "time": "2025-01-01T00:00:00Z", "data": {"n": 1}}');

-- released, then taken back, and taken back before it is released
SELECT * FROM pg_temp.send(:'org', '{"type": "late", "id": "4", "time": "2025-01-01T00:00:00Z", "data": {"n": 100}}', '{"type": "late", "id": "5", "time": "2025-01-01T00:00:00Z", "data": {"n": 200}}');
SELECT r.status, r.code FROM meter.release_quarantine(:'org', meter => 'careful') AS r ORDER BY r.id;
SELECT * FROM pg_temp.lates(:'org');
SELECT meter.amend_event(:'org', 'late', '4', '{"n": 300}') ->> 'status';
SELECT * FROM pg_temp.lates(:'org');
SELECT data, reversal FROM meter.events WHERE organization_id = :'org' AND type = 'late' AND id = '4' ORDER BY seq;
SELECT meter.void_event(:'org', 'late', '5', 'wrong') ->> 'status';
SELECT * FROM pg_temp.lates(:'org');
SELECT meter.void_event(:'org', 'late', id, 'wrong') ->> 'status' FROM unnest('{2,4}'::text[]) AS id;
SELECT r.status, r.code FROM meter.release_quarantine(:'org', meter => 'careful') AS r ORDER BY r.id;
SELECT * FROM pg_temp.lates(:'org');

-- What is taken back of closed windows is a revision.
SELECT meter.create_meter(:'org', jsonb_build_object('metric_key', 'closed') || d::jsonb) ->> 'key' FROM unnest(ARRAY['{"key": "closed sum", "function": "sum", "value_field": "n"}', '{"key": "closed max", "function": "max", "value_field": "n"}',
	'{"key": "closed count", "function": "count", "profiles": [{"code": "p", "recurring": true, "aggregation_method": "max", "aggregation_property": "n"}]}']) AS d;
SELECT * FROM pg_temp.send(:'org', '{"type": "closed", "id": "1", "time": "2025-01-01T00:00:00Z", "data": {"n": 1}}', '{"type": "closed", "id": "2", "time": "2025-02-01T00:00:00Z", "data": {"n": 2}}', '{"type": "closed", "id": "3", "time": "2025-02-02T00:00:00Z", "data": {"n": 4}}');
DO $$ BEGIN PERFORM meter.close_windows('c0000000-0000-0000-0000-0000000000c1'); END $$;
SELECT meter.void_event(:'org', 'closed', '3', 'wrong') ->> 'status';
SELECT meter.amend_event(:'org', 'closed', '1', '{"n": 8}') ->> 'status';
DO $$ BEGIN PERFORM meter.close_windows('c0000000-0000-0000-0000-0000000000c1'); END $$;
SELECT meter_key, profile, window_start, revision, value, delta, event_count, reason FROM meter.window_results
	WHERE organization_id = :'org' AND meter_key LIKE 'closed%' AND window_start < '2025-04-01' ORDER BY 1, 2, 3, 4;

-- An event nobody listens to.
SELECT * FROM pg_temp.send(:'org', '{"type": "nobody", "id": "1", "time": "2025-01-01T00:00:00Z"}');
SELECT pg_temp.said(meter.amend_event(:'org', 'nobody', '1', '{"n": 1}'));
SELECT pg_temp.said(meter.void_event(:'org', 'nobody', '1', 'wrong'));

/*
 * Every function, in one organization with events taken back and amended and in
 * its twin, which only ever saw what is left.  All they are asked must agree.
 */
CREATE TEMPORARY TABLE definition (definition jsonb);
INSERT INTO definition SELECT jsonb_build_object('metric_key', 'all', 'negative_allowed', true, 'dimensions', '{"region": "region"}'::jsonb) || d::jsonb FROM unnest(ARRAY[
	'{"key": "sum", "function": "sum", "value_field": "n"}', '{"key": "count", "function": "count"}', '{"key": "avg", "function": "avg", "value_field": "n"}',
	'{"key": "min", "function": "min", "value_field": "n"}', '{"key": "max", "function": "max", "value_field": "n"}', '{"key": "latest", "function": "latest", "value_field": "n"}',
	'{"key": "unique", "function": "unique_count", "unique_by_field": "who"}', '{"key": "p90", "function": "percentile", "value_field": "n", "function_options": {"percentile": 0.9}}',
	'{"key": "delta", "function": "weighted_sum", "value_field": "n", "function_options": {"mode": "delta"}}', '{"key": "gauge", "function": "weighted_sum", "value_field": "n", "function_options": {"mode": "gauge"}}',
	'{"key": "custom", "function": "custom", "function_options": {"expression": "n * 2 + 1"}}', '{"key": "money", "function": "sum", "value_field": "n", "unit_currency_field": "currency"}',
	'{"key": "filtered", "function": "max", "value_field": "n", "filter_tree": {"field": "region", "op": "eq", "value": "eu"}}',
	'{"key": "kinds", "function": "sum", "value_field": "n", "profiles": [{"code": "top", "aggregation_method": "max", "aggregation_property": "n"},
		{"code": "top for ever", "recurring": true, "aggregation_method": "max", "aggregation_property": "n"}, {"code": "last for ever", "recurring": true, "aggregation_method": "latest", "aggregation_property": "n"},
		{"code": "sum for ever", "recurring": true, "aggregation_method": "sum", "aggregation_property": "n"}, {"code": "who for ever", "recurring": true, "aggregation_method": "unique_count", "aggregation_property": "who"}]}']) AS d;
SELECT count(meter.create_meter(org, definition)) FROM definition, unnest(ARRAY[:'org', :'twin']::uuid[]) AS org;
CREATE FUNCTION pg_temp.random(seed text) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT ('x' || substr(md5(seed), 1, 6))::bit(24)::int $$;
CREATE TEMPORARY TABLE sent AS
	SELECT i, '2025-03-01T00:00:00Z'::timestamptz + pg_temp.random('t' || i) % 400 * interval '7 minutes 13 seconds' AS "time", 's' || pg_temp.random('s' || i) % 3 AS subject,
		jsonb_build_object('n', pg_temp.random('n' || i) % 200 - 100, 'who', 'w' || pg_temp.random('w' || i) % 12, 'region', (ARRAY['eu', 'us'])[pg_temp.random('r' || i) % 2 + 1], 'currency', (ARRAY['EUR', 'USD'])[pg_temp.random('c' || i) % 2 + 1]) AS data
	FROM generate_series(1, 600) AS i;
CREATE TEMPORARY TABLE left_over AS
	SELECT i, "time", subject, CASE pg_temp.random('k' || i) % 10 WHEN 1 THEN jsonb_build_object('n', pg_temp.random('m' || i) % 300 - 150, 'who', 'w' || pg_temp.random('v' || i) % 12, 'region', 'ap', 'currency', 'JPY') ELSE data END AS data,
		pg_temp.random('k' || i) % 10 = 1 AS amended
	FROM sent WHERE pg_temp.random('k' || i) % 10 > 0 AND i NOT IN (1, 2);
CREATE FUNCTION pg_temp.event(i int, "time" timestamptz, subject text, data jsonb) RETURNS json LANGUAGE sql AS $$ SELECT json_build_object('id', i::text, 'source', 'random', 'type', 'all', 'subject', subject, 'time', "time", 'data', data) $$;
-- in several batches, so that what is taken back lies in several pages; the very first events of each series among it
UPDATE sent SET "time" = '2025-02-20T00:00:00Z', subject = 'only' WHERE i IN (1, 2);
SELECT status, count(*) FROM generate_series(0, 5) AS batch, meter.ingest(:'org', (SELECT json_agg(pg_temp.event(i, "time", subject, data) ORDER BY i) FROM sent WHERE i % 6 = batch)) GROUP BY 1;
SELECT d.done ->> 'status' AS status, count(*) FROM (SELECT s.i, l.i AS kept, l.amended, l.data FROM sent AS s LEFT JOIN left_over AS l USING (i) ORDER BY s.i OFFSET 0) AS s,
	LATERAL (SELECT CASE WHEN s.kept IS NULL THEN meter.void_event(:'org', 'all', s.i::text, 'wrong')
		WHEN s.amended THEN meter.amend_event(:'org', 'all', s.i::text, s.data) END AS done OFFSET 0) AS d
	GROUP BY 1 ORDER BY 1;
-- what is left comes to the twin, in the order of arrival it has in the other one
SELECT status, count(*) FROM meter.ingest(:'twin', (SELECT json_agg(pg_temp.event(i, "time", subject, data) ORDER BY amended, CASE WHEN NOT amended THEN i % 6 END, i) FROM left_over)) GROUP BY 1;
CREATE TEMPORARY TABLE question AS
	SELECT d.definition ->> 'key' AS meter, p.code AS profile, r.period_from::timestamptz, r.period_to::timestamptz, w.window_size, g.group_by::text[], s.subject
	FROM definition AS d CROSS JOIN LATERAL (SELECT NULL AS code UNION ALL SELECT p ->> 'code' FROM jsonb_array_elements(d.definition -> 'profiles') AS p) AS p,
		(VALUES ('2025-03-01', '2025-03-04'), ('2025-03-01 05:07:03', '2025-03-02 17:22:11'), ('2025-02-01', '2025-04-01'), ('2025-03-10', '2025-03-11')) AS r (period_from, period_to),
		(VALUES (NULL), ('hour')) AS w (window_size), (VALUES ('{}'), ('{region}'), ('{region,subject}')) AS g (group_by), (VALUES (NULL), ('s1'), ('only')) AS s (subject)
	WHERE s.subject IS NULL OR w.window_size IS NULL;
CREATE FUNCTION pg_temp.answer(org uuid, q question) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg((u.window_start, u.window_end, u.subject, u.dimensions, u.currency, u.version, u.value, u.event_count)::text, E'\n' ORDER BY u.ordinality)
	FROM meter.usage(org, q.meter, q.period_from, q.period_to, q.subject, q.window_size, q.group_by, profile => q.profile) WITH ORDINALITY AS u
$$;
SELECT meter, profile, count(*) AS questions, bool_and(pg_temp.answer(:'org', q) IS NOT DISTINCT FROM pg_temp.answer(:'twin', q)) AS agree
	FROM question AS q GROUP BY 1, 2 ORDER BY 1, 2;
SELECT count(*), bool_and(ours IS NOT DISTINCT FROM theirs) AS agree FROM question AS q,
	LATERAL (SELECT string_agg((e.id, e."time", e.value, e.unique_key, e.dimensions, e.currency, e.subject, e.data::jsonb)::text, ' ' ORDER BY e."time", e.id) FROM meter.explain_usage(:'org', q.meter, q.period_from, q.period_to, q.subject, profile => q.profile, page_size => 10000) AS e) AS a (ours),
	LATERAL (SELECT string_agg((e.id, e."time", e.value, e.unique_key, e.dimensions, e.currency, e.subject, e.data::jsonb)::text, ' ' ORDER BY e."time", e.id) FROM meter.explain_usage(:'twin', q.meter, q.period_from, q.period_to, q.subject, profile => q.profile, page_size => 10000) AS e) AS b (theirs)
	WHERE q.window_size IS NULL AND q.group_by = '{}';
-- counted anew, the rollups need no help; and what is taken back then is again
SELECT count(*) > 0 AS helped FROM meter.event_reversal WHERE organization_id = :'org' AND type = 'all' AND recount <> '{}';
SELECT format('CALL meter.reprocess(%L, %L, %L, %L, %L)', :'org', definition ->> 'key', '2025-02-01', '2025-04-01', 'corrected') FROM definition \gexec
SELECT count(*) AS helped FROM meter.event_reversal WHERE organization_id = :'org' AND type = 'all' AND recount <> '{}';
SELECT bool_and(pg_temp.answer(:'org', q) IS NOT DISTINCT FROM pg_temp.answer(:'twin', q)) AS agree FROM question AS q WHERE q.subject IS NULL;
SELECT count(meter.void_event(org, 'all', i::text, 'wrong')) FROM left_over, unnest(ARRAY[:'org', :'twin']::uuid[]) AS org WHERE i % 5 = 0;
DELETE FROM left_over WHERE i % 5 = 0;
SELECT bool_and(pg_temp.answer(:'org', q) IS NOT DISTINCT FROM pg_temp.answer(:'twin', q)) AS agree FROM question AS q WHERE q.subject IS NULL;
-- the same when all is taken back
SELECT count(meter.void_event(:'org', 'all', i::text, 'wrong')) FROM left_over;
SELECT meter, profile, bool_and(u.value IS NOT DISTINCT FROM n.value AND u.event_count = 0) AS empty FROM question AS q, meter.usage(:'org', q.meter, q.period_from, q.period_to, profile => q.profile) AS u,
	meter.usage(:'org', q.meter, '2020-01-01', '2020-01-02', profile => q.profile) AS n WHERE q.group_by = '{}' GROUP BY 1, 2 HAVING NOT bool_and(u.value IS NOT DISTINCT FROM n.value AND u.event_count = 0);
SELECT count(*) FROM question AS q, meter.usage(:'org', q.meter, q.period_from, q.period_to, group_by => '{region,subject}', profile => q.profile);
