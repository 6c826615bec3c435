--
-- Rejected events tried again, and events released from quarantine
--
SELECT meter.create_store();
SELECT meter.create_organization('rejected', '4e7ec7ed-0000-0000-0000-000000000001') AS org \gset
\set org '\'' :org '\''
CREATE FUNCTION pg_temp.make(key text, type text, more jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
	SELECT meter.create_meter('4e7ec7ed-0000-0000-0000-000000000001', jsonb_build_object('key', key, 'metric_key', type,
		'function', 'sum', 'value_field', 'n', 'window', '{"size": "hour"}'::jsonb) || more) ->> 'key' $$;
CREATE FUNCTION pg_temp.event(type text, id text, age interval, n int DEFAULT 1, more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('id', id, 'type', type, 'time', to_jsonb(clock_timestamp() - age), 'data', jsonb_build_object('n', n)) || more $$;
CREATE FUNCTION pg_temp.send(VARIADIC events jsonb[]) RETURNS TABLE (ordinal int, id text, status text, code text) LANGUAGE sql AS $$
	SELECT i.ordinal, i.id, i.status, i.code FROM meter.ingest('4e7ec7ed-0000-0000-0000-000000000001', to_json(events)) AS i ORDER BY 1 $$;
CREATE FUNCTION pg_temp.total(VARIADIC keys text[]) RETURNS TABLE (key text, total text) LANGUAGE sql AS $$
	SELECT k, format('%s in %s', u.value, u.event_count)
	FROM unnest(keys) AS k, LATERAL meter.usage('4e7ec7ed-0000-0000-0000-000000000001', k, '-infinity', 'infinity') AS u $$;
CREATE FUNCTION pg_temp.open(type text) RETURNS TABLE (id text, meter text, status text, code text, tried boolean) LANGUAGE sql AS $$
	SELECT r.payload ->> 'id', m.key, r.status, r.code, r.tried_at IS NOT NULL FROM meter.rejected_events AS r LEFT JOIN meter.meters AS m ON m.id = r.meter_id
	WHERE r.organization_id = '4e7ec7ed-0000-0000-0000-000000000001' AND coalesce(r.payload ->> 'type', '') LIKE open.type ORDER BY r.id $$;
-- the rows of an event, and whether rollups and events say the same
CREATE FUNCTION pg_temp.rows(type text) RETURNS TABLE (id text, supplement boolean, in_place boolean, versions int, placed boolean) LANGUAGE sql AS $$
	SELECT e.id, e.supplement, e."time" = e.original_time, cardinality(e.versions), EXISTS (SELECT FROM meter.event_placement AS l WHERE l.seq = e.seq AND l."time" = e."time")
	FROM meter.event AS p, LATERAL meter.page_events(p.events) AS e
	WHERE p.organization_id = '4e7ec7ed-0000-0000-0000-000000000001' AND p.type = rows.type ORDER BY e.seq, 2, 3 $$;
CREATE FUNCTION pg_temp.explained(key text) RETURNS numeric LANGUAGE sql AS $$
	SELECT sum(value) FROM meter.explain_usage('4e7ec7ed-0000-0000-0000-000000000001', key, '-infinity', 'infinity', page_size => 10000) $$;
CREATE FUNCTION pg_temp.attempt(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' | ' || SQLERRM;
END $$;

--
-- Release
--
SELECT pg_temp.make('alone', 'alone', '{"late_event_policy": {"mode": "quarantine"}}');
SELECT * FROM pg_temp.send(pg_temp.event('alone', '1', '3 hours', 1), pg_temp.event('alone', '2', '3 hours', 2), pg_temp.event('alone', '3', '3 hours', 4), pg_temp.event('alone', '4', '0', 8));
SELECT * FROM pg_temp.total('alone');
SELECT min(id) AS one, max(id) AS three FROM meter.rejected_events WHERE organization_id = :org AND status = 'quarantined' \gset
SELECT status, code FROM meter.release_quarantine(:org, ARRAY[:one]::bigint[]);
SELECT * FROM pg_temp.total('alone');
SELECT * FROM pg_temp.open('alone');
-- named again, not there, named twice
SELECT CASE id WHEN :one THEN 'one' WHEN :three THEN 'three' END AS id, status, code, message FROM meter.release_quarantine(:org, ARRAY[:one, :three, :three, 0]::bigint[], 'alone') AS r ORDER BY r.id;
SELECT status, code FROM meter.release_quarantine(:org);
SELECT status, code FROM meter.release_quarantine(:org);
SELECT * FROM pg_temp.total('alone');
SELECT * FROM pg_temp.rows('alone');
SELECT e.id, e."time" = e.counted_at AS in_place, k."time" = e.counted_at AND k.seq = e.seq AS found FROM meter.events AS e JOIN meter.event_key AS k USING (organization_id, seq)
WHERE e.organization_id = :org AND e.type = 'alone' ORDER BY e.id;
SELECT pg_temp.explained('alone');
-- what was released stays known
SELECT status, resolution, resolved_at = tried_at AS at_once, "time" IS NOT NULL AS stored FROM meter.rejected_event WHERE organization_id = :org ORDER BY rejection_id;
SELECT DISTINCT s.status FROM meter.rejected_event AS r, LATERAL meter.ingest(:org, r.payload) AS s WHERE r.organization_id = :org;
-- a window of its own shows it where it belongs
SELECT sum(value) AS then, sum(value) FILTER (WHERE window_end > now()) AS now FROM meter.usage(:org, 'alone', date_trunc('hour', now() - interval '4 hours', 'UTC'), now() + interval '1 hour', window_size => 'hour');

--
-- Two meters that keep one event: released one by one, and together
--
SELECT pg_temp.make('pair-1', 'pair', '{"late_event_policy": {"mode": "quarantine"}}'), pg_temp.make('pair-2', 'pair', '{"late_event_policy": {"mode": "quarantine"}}');
SELECT * FROM pg_temp.send(pg_temp.event('pair', 'one by one', '3 hours', 1), pg_temp.event('pair', 'together', '3 hours', 10));
SELECT r.id AS second FROM meter.rejected_events AS r JOIN meter.meters AS m ON m.id = r.meter_id WHERE r.organization_id = :org AND m.key = 'pair-2' AND payload ->> 'id' = 'one by one' \gset
SELECT status FROM meter.release_quarantine(:org, ARRAY[:second]::bigint[]);
SELECT * FROM pg_temp.total('pair-1', 'pair-2');
SELECT * FROM pg_temp.rows('pair');
SELECT count(*), array_agg(DISTINCT status) FROM meter.release_quarantine(:org);
SELECT * FROM pg_temp.total('pair-1', 'pair-2');
SELECT * FROM pg_temp.rows('pair');
SELECT id, cardinality(versions) FROM meter.events WHERE organization_id = :org AND type = 'pair' ORDER BY id;
SELECT pg_temp.explained('pair-1'), pg_temp.explained('pair-2');

--
-- Beside meters that counted it: in place, moved, and left out
--
SELECT pg_temp.make('beside-keep', 'beside', '{"late_event_policy": {"mode": "quarantine"}}'), pg_temp.make('beside-move', 'beside', '{"late_event_policy": {"mode": "next_window"}}'),
	pg_temp.make('beside-revise', 'beside', '{"filter_tree": {"field": "n", "op": "lt", "value": 100}}');
SELECT * FROM pg_temp.send(pg_temp.event('beside', 'small', '3 hours', 1), pg_temp.event('beside', 'large', '3 hours', 1000));
SELECT * FROM pg_temp.rows('beside');
SELECT status FROM meter.release_quarantine(:org, meter => 'beside-keep');
SELECT * FROM pg_temp.total('beside-keep', 'beside-move', 'beside-revise');
SELECT * FROM pg_temp.rows('beside');
SELECT id, cardinality(versions) FROM meter.events WHERE organization_id = :org AND type = 'beside' ORDER BY id DESC;
SELECT pg_temp.explained('beside-keep'), pg_temp.explained('beside-move'), pg_temp.explained('beside-revise');
-- read from the events themselves, where windows cut the quarters
SELECT k, sum(u.value) FROM unnest('{beside-keep,beside-move,beside-revise}'::text[]) AS k,
	LATERAL meter.usage(:org, k, date_trunc('minute', now() - interval '4 hours'), now() + interval '1 minute', window_size => 'minute') AS u GROUP BY k ORDER BY k;

--
-- Replay: the whole event, where all refused it
--
SELECT pg_temp.make('known', 'whole');
SELECT * FROM pg_temp.send('{"id": "m", "type": "whole", "meter": "later", "data": {"n": 1}}', '{"id": "m2", "type": "whole", "meter": "never", "data": {"n": 1}}',
	'{"id": "v", "type": "whole", "data": {"n": "x"}}', '{"id": "v", "type": "whole", "data": {"n": "x"}}');
SELECT pg_temp.make('later', 'whole', '{"value_field": null, "function": "count"}');
SELECT r.status, r.code, r.message FROM meter.replay_rejected(:org) AS r ORDER BY r.id;
SELECT * FROM pg_temp.open('whole');
SELECT id, versions IS NOT NULL AS stored FROM meter.events WHERE organization_id = :org AND type = 'whole' ORDER BY id;
SELECT * FROM pg_temp.total('known', 'later');
-- by now two meters listen: one mends nothing, the other counts what is left
SELECT r.status, r.code FROM meter.replay_rejected(:org, meter => 'known') AS r ORDER BY r.id;
-- a time that was not given is when it came
SELECT e."time" = r.received_at AS when_it_came FROM meter.events AS e JOIN meter.rejected_event AS r USING (organization_id, seq) WHERE e.organization_id = :org AND e.id = 'm';
-- the version in force at the event's time is the one that refuses it, and has to be mended
SELECT pg_temp.make('when', 'when', '{"event_schema": {"required": ["ok"]}}');
SELECT * FROM pg_temp.send('{"id": "w", "type": "when", "data": {"n": 1}}');
SELECT pg_temp.attempt(format('SELECT meter.update_meter(%L, ''when'', ''{"event_schema": null}'')', :org));
SELECT r.status, r.code FROM meter.replay_rejected(:org, meter => 'when') AS r;

--
-- Replay: what others count goes to the meter that refused it, alone
--
SELECT meter.create_organization('known subjects', '4e7ec7ed-0000-0000-0000-000000000002', '{"require_known_subject": true}') AS known \gset
SELECT meter.create_meter(:'known', '{"key": "all", "metric_key": "part", "function": "count"}') ->> 'key', meter.create_meter(:'known', '{"key": "mapped", "metric_key": "part", "function": "sum", "value_field": "n",
	"account_mapping": {"type": "id", "event_property": "$.who"}, "dedup_key_path": "$.key"}') ->> 'key', meter.create_customer(:'known', '{"id": "acme", "name": "Acme"}') ->> 'id';
SELECT ordinal, status, code FROM meter.ingest(:'known', '[{"id": "1", "type": "part", "subject": "acme", "data": {"n": 1, "who": "new", "key": "k"}},
	{"id": "2", "type": "part", "subject": "nobody", "data": {"n": 2, "who": "new", "key": "l"}}, {"id": "3", "type": "part", "subject": "acme", "data": {"n": 4, "who": "newer", "key": "m"}}]');
SELECT meter.create_customer(:'known', '{"id": "new", "name": "New"}') ->> 'id';
SELECT r.status, r.code, r.message FROM meter.replay_rejected(:'known') AS r ORDER BY r.id;
SELECT r.payload ->> 'id' AS id, m.key, r.status, r.code, r.tried_at IS NOT NULL AS tried FROM meter.rejected_events AS r JOIN meter.meters AS m ON m.id = r.meter_id WHERE r.organization_id = :'known' ORDER BY r.id;
SELECT k, u.value, u.event_count FROM unnest('{all,mapped}'::text[]) AS k, LATERAL meter.usage(:'known', k, '-infinity', 'infinity') AS u;
SELECT e.id, e.supplement, cardinality(e.versions) FROM meter.event AS p, LATERAL meter.page_events(p.events) AS e WHERE p.organization_id = :'known' ORDER BY e.seq, 2;
-- the key of the meter is claimed by it now, and by its number
SELECT ordinal, status, code FROM meter.ingest(:'known', '[{"id": "1", "type": "part", "subject": "acme", "data": {"n": 1, "who": "new", "key": "k"}}, {"id": "4", "type": "part", "subject": "acme", "data": {"n": 1, "who": "new", "key": "k"}}]');
SELECT count(*), count(DISTINCT k.seq) AS events FROM meter.event_key AS k JOIN meter.events AS e ON e.organization_id = k.organization_id AND e.seq = k.seq AND e.counted_at = k."time" WHERE k.organization_id = :'known' AND e.id = '1';
SELECT meter.link_subject(:'known', 'new', 'nobody') IS NOT NULL, meter.link_subject(:'known', 'new', 'newer') IS NOT NULL;
SELECT r.status, r.code FROM meter.replay_rejected(:'known') AS r ORDER BY r.id;
SELECT k, u.value, u.event_count FROM unnest('{all,mapped}'::text[]) AS k, LATERAL meter.usage(:'known', k, '-infinity', 'infinity') AS u;
SELECT count(*) FROM meter.rejected_events WHERE organization_id = :'known';

--
-- What cannot be mended stays: late is judged by now, a conflict is one
--
SELECT pg_temp.make('late', 'late', '{"late_event_policy": {"mode": "reject"}}'), pg_temp.make('late-too', 'late too', '{"late_event_policy": {"mode": "reject"}}'), pg_temp.make('late-all', 'late too');
SELECT * FROM pg_temp.send(pg_temp.event('late', '1', '3 hours'), pg_temp.event('late too', '1', '3 hours'));
SELECT * FROM pg_temp.send('{"id": "1", "type": "late too", "data": {"n": 7}}');
SELECT r.status, r.code FROM meter.replay_rejected(:org, ARRAY(SELECT id FROM meter.rejected_events WHERE organization_id = :org AND payload ->> 'type' LIKE 'late%')) AS r ORDER BY r.id;
SELECT * FROM pg_temp.open('late%');
SELECT * FROM pg_temp.total('late', 'late-too', 'late-all');
-- the same sent again and accepted since is a duplicate, and done with
SELECT * FROM pg_temp.send('{"id": "again", "type": "whole", "meter": "missing", "data": {"n": 1}}');
SELECT pg_temp.make('missing', 'whole', '{"value_field": null, "function": "count"}');
SELECT * FROM pg_temp.send('{"id": "again", "type": "whole", "meter": "missing", "data": {"n": 1}}');
SELECT r.status, r.code FROM meter.replay_rejected(:org, ARRAY(SELECT id FROM meter.rejected_events WHERE organization_id = :org AND payload ->> 'id' = 'again')) AS r;
SELECT * FROM pg_temp.open('whole');

-- nothing is left to count of an event that was taken back
SELECT * FROM pg_temp.send(pg_temp.event('beside', 'taken back', '3 hours'));
SELECT id, meter, status FROM pg_temp.open('beside');
SELECT meter.void_event(:org, 'beside', 'taken back', 'A mistake.') IS NOT NULL AS voided;
SELECT id, meter, status FROM pg_temp.open('beside');
SELECT r.status, r.code FROM meter.release_quarantine(:org, meter => 'beside-keep') AS r;
-- a meter that is archived does not listen any more; its events stay in quarantine
SELECT pg_temp.make('gone', 'gone', '{"late_event_policy": {"mode": "quarantine"}}');
SELECT * FROM pg_temp.send(pg_temp.event('gone', '1', '3 hours'));
SELECT meter.archive_meter(:org, 'gone', 'Replaced.') ->> 'status' AS status;
SELECT r.status, r.code, r.message FROM meter.release_quarantine(:org, meter => 'gone') AS r;
SELECT * FROM pg_temp.open('gone');

--
-- Many, in more than one piece, some of them large; all of it rolls back
--
SELECT pg_temp.make('many', 'many', '{"late_event_policy": {"mode": "quarantine"}}');
SELECT status, count(*) FROM meter.ingest(:org, (SELECT json_agg(pg_temp.event('many', n::text, '3 hours', n) || CASE WHEN n % 250 = 0 THEN jsonb_build_object('data', jsonb_build_object('n', n, 'x', repeat('y', 900000))) ELSE '{}' END)
	FROM generate_series(1, 2500) AS n)) GROUP BY 1;
BEGIN;
SELECT status, count(*), count(DISTINCT id) FROM meter.release_quarantine(:org, meter => 'many') GROUP BY 1;
SELECT * FROM pg_temp.total('many');
ROLLBACK;
SELECT * FROM pg_temp.total('many');
SELECT status, count(*), count(DISTINCT id) FROM meter.release_quarantine(:org, ARRAY(SELECT id FROM meter.rejected_events WHERE organization_id = :org AND payload ->> 'type' = 'many')) GROUP BY 1;
SELECT * FROM pg_temp.total('many');
SELECT pg_temp.explained('many'), (SELECT count(*) FROM meter.events WHERE organization_id = :org AND type = 'many');

--
-- Arguments
--
SELECT a, pg_temp.attempt(format('SELECT meter.%s', a)) FROM unnest(ARRAY[
	'release_quarantine(NULL)', 'replay_rejected(NULL)', 'replay_rejected(''00000000-0000-0000-0000-00000000dead'')', 'release_quarantine(''4e7ec7ed-0000-0000-0000-000000000001'', meter => ''nothing'')',
	'release_quarantine(''4e7ec7ed-0000-0000-0000-000000000001'', ARRAY[1, NULL])', 'release_quarantine(''4e7ec7ed-0000-0000-0000-000000000001'', ''{}'')']) AS a;
SELECT * FROM meter.release_quarantine(:org, '{}'), meter.replay_rejected(:org, '{}');
-- what the other function is for, and another meter's, is not there
SELECT * FROM pg_temp.send(pg_temp.event('alone', '9', '3 hours', 1));
SELECT r.status, r.code FROM meter.rejected_events AS q, LATERAL meter.replay_rejected(:org, ARRAY[q.id]) AS r WHERE q.organization_id = :org AND q.status = 'quarantined';
SELECT r.status, r.code FROM meter.rejected_events AS q, LATERAL meter.release_quarantine(:org, ARRAY[q.id], 'many') AS r WHERE q.organization_id = :org AND q.status = 'quarantined';

--
-- Windows that were closed: a release revises them; counting anew leaves what is in quarantine
--
SELECT pg_temp.make('shut-all', 'shut'), pg_temp.make('shut-keep', 'shut', '{"late_event_policy": {"mode": "quarantine"}}');
SELECT ordinal, status, code FROM meter.ingest(:org, '[{"id": "1", "type": "shut", "time": "2025-01-01T00:10:00Z", "data": {"n": 1}}, {"id": "2", "type": "shut", "time": "2025-01-01T02:10:00Z", "data": {"n": 10}}]');
SELECT meter.close_windows(:org) > 0 AS closed;
SELECT status, code FROM meter.release_quarantine(:org, ARRAY(SELECT id FROM meter.rejected_events WHERE organization_id = :org AND payload ->> 'type' = 'shut' AND payload ->> 'id' = '1'));
SELECT m.key, to_char(r.window_start AT TIME ZONE 'UTC', 'HH24:MI') AS window, r.value, r.revision, r.reason FROM meter.window_results AS r JOIN meter.meters AS m ON m.id = r.meter_id
WHERE r.organization_id = :org AND m.key LIKE 'shut%' ORDER BY 1, 2, 4;
CALL meter.reprocess(:org, 'shut-keep', '2025-01-01T00:00:00Z', '2025-01-02T00:00:00Z', 'Count all.');
SELECT * FROM pg_temp.total('shut-all', 'shut-keep');
SELECT status, code FROM meter.release_quarantine(:org, meter => 'shut-keep');
SELECT * FROM pg_temp.total('shut-all', 'shut-keep');

--
-- Domain events: one a call, meter (or none) and code
--
CREATE VIEW pg_temp.told AS
SELECT o.aggregate_type AS type, o.aggregate_id = coalesce(o.payload ->> 'meter_id', o.organization_id::text) AS named, o.payload ->> 'meter_key' AS meter,
	o.payload ->> 'code' AS code, (o.payload ->> 'events')::int AS events, jsonb_array_length(o.payload -> 'rejection_ids') AS ids,
	(SELECT array_agg(r.payload ->> 'id' ORDER BY r.id) FROM meter.rejected_events AS r
		WHERE r.organization_id = o.organization_id AND r.meter_id IS NOT DISTINCT FROM (o.payload ->> 'meter_id')::uuid AND r.code = o.payload ->> 'code'
			AND o.payload -> 'rejection_ids' @> to_jsonb(r.id) AND jsonb_array_length(o.payload -> 'rejection_ids') < 10) AS whose,
	o.payload ->> 'message' AS message, (SELECT array_agg(k ORDER BY k) FROM jsonb_object_keys(o.payload) AS k) AS members
FROM meter.domain_event_outbox AS o WHERE o.event_type = 'usage.rejected' AND o.organization_id = '4e7ec7ed-0000-0000-0000-000000000001';
TRUNCATE meter.domain_event_outbox;
SELECT pg_temp.make('told "1"', 'told', '{"event_schema": {"required": ["a"]}}'), pg_temp.make('told-2', 'told', '{"dedup_key_path": "$.k"}'), pg_temp.make('told-late', 'told-late', '{"late_event_policy": {"mode": "quarantine"}}');
-- both meters refuse 1 and 2, one 3 and 4; 5 and 6 are nobody's, 7 is in quarantine, 8 has the key of 3
SELECT * FROM pg_temp.send('{"id": "1", "type": "told", "data": {"n": -1, "k": 1, "a": 1}}', '{"id": "2", "type": "told", "data": {"n": -2, "k": 2, "a": 1}}', '{"id": "3", "type": "told", "data": {"n": 3, "k": 3}}', '{"id": "4", "type": "told", "data": {"n": 4, "k": 4}}',
	'{"id": "5", "data": {"n": 5}}', '[6]', pg_temp.event('told-late', '7', '3 hours'), '{"id": "8", "type": "told", "data": {"n": 8, "k": 3, "a": 1}}');
SELECT * FROM pg_temp.told ORDER BY 3, 4;
-- the same payload again is a duplicate and nothing to tell; another one is a conflict
TRUNCATE meter.domain_event_outbox;
SELECT * FROM pg_temp.send('{"id": "3", "type": "told", "data": {"n": 3, "k": 3}}', '{"id": "4", "type": "told", "data": {"n": 40, "k": 4}}');
SELECT * FROM pg_temp.told;
-- what rolls back is not told of; what fails whole has nothing kept
TRUNCATE meter.domain_event_outbox;
BEGIN;
SELECT * FROM pg_temp.send('{"id": "9", "type": "told", "data": {"n": -1, "k": 9, "a": 1}}');
SELECT count(*) FROM pg_temp.told;
ROLLBACK;
SELECT pg_temp.attempt(format('SELECT meter.report_usage(%L, %L, %L)', :org, '{"meterId": "told-2", "customerId": "c", "value": -1}', '9'));
SELECT count(*) FROM pg_temp.told;
-- a flood
SELECT status, count(*) FROM meter.ingest(:org, (SELECT json_agg(json_build_object('id', 'f' || n, 'type', 'told', 'data', json_build_object('n', -n, 'k', n, 'a', 1))) FROM generate_series(1, 2500) AS n)) GROUP BY 1;
SELECT meter, code, events, ids FROM pg_temp.told ORDER BY 1;
-- two meters took turns
SELECT bool_and(i.id::bigint = f.first + 2 * (i.n - 1)) AS first_ones
FROM meter.domain_event_outbox AS o, jsonb_array_elements_text(o.payload -> 'rejection_ids') WITH ORDINALITY AS i (id, n),
	(SELECT min(r.id) AS first FROM meter.rejected_events AS r JOIN meter.meters AS m ON m.id = r.meter_id WHERE m.key = 'told-2' AND r.payload ->> 'id' LIKE 'f%') AS f
WHERE o.payload ->> 'meter_key' = 'told-2';
-- tried again, an event is told of by those who refuse it for the first time; counted anew and amended, too
TRUNCATE meter.domain_event_outbox;
SELECT meter.update_meter(:org, 'told-2', '{"negative_allowed": true, "effective_at": "2020-01-01T00:00:00Z", "reprocess": true}') ->> 'key';
SELECT r.status, r.code, count(*) FROM meter.replay_rejected(:org, ARRAY(SELECT q.id FROM meter.rejected_events AS q
	WHERE q.organization_id = :org AND q.code = 'NEGATIVE_VALUE' AND q.payload ->> 'type' = 'told' AND q.payload ->> 'id' IN ('1', '2'))) AS r GROUP BY 1, 2 ORDER BY 1;
SELECT count(*) FROM pg_temp.told;
SELECT meter.update_meter(:org, 'told-2', '{"filter_tree": {"field": "n", "op": "neq", "value": 4}, "event_schema": {"properties": {"n": {"maximum": 2}}}, "effective_at": "2020-01-02T00:00:00Z", "reprocess": true}') ->> 'key';
CALL meter.run_reprocess_jobs();
SELECT meter, code, events, whose FROM pg_temp.told;
TRUNCATE meter.domain_event_outbox;
SELECT pg_temp.make('told-5', 'told-5'), pg_temp.make('told-6', 'told-5', '{"event_schema": {"properties": {"n": {"maximum": 2}}}}');
SELECT * FROM pg_temp.send('{"id": "1", "type": "told-5", "data": {"n": 1}}');
SELECT meter.amend_event(:org, 'told-5', '1', 'Three.', '{"n": 3}') ->> 'status';
SELECT meter, code, events, whose FROM pg_temp.told;
TRUNCATE meter.domain_event_outbox;
SELECT pg_temp.make('told-7', 'told-7', '{"event_schema": {"properties": {"n": {"maximum": 2}}}}');
SELECT * FROM pg_temp.send('{"id": "1", "type": "told-7", "data": {"n": 3}}', '{"id": "2", "type": "told-7", "data": {"n": 30}}');
SELECT meter.update_meter(:org, 'told-7', '{"event_schema": {"properties": {"n": {"maximum": 20}}}, "effective_at": "2020-01-02T00:00:00Z", "reprocess": true}') ->> 'key', pg_temp.make('told-8', 'told-7', '{"event_schema": {"properties": {"n": {"maximum": 2}}}}');
TRUNCATE meter.domain_event_outbox;
SELECT r.status, r.code FROM meter.replay_rejected(:org, meter => 'told-7') AS r ORDER BY r.id;
SELECT meter, code, events, whose FROM pg_temp.told;
