-- Counting events anew: whatever a meter becomes, its usage is what it would be
-- had the meter been so when the events came.
\set VERBOSITY terse
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
DO $$ BEGIN PERFORM meter.create_store(); END $$;
-- changed is where meters change behind the events, before where they did before
SELECT meter.create_organization('changed', '00000000-0000-0000-0000-00000000ce01');
SELECT meter.create_organization('before', '00000000-0000-0000-0000-00000000ce02');
\set changed '''00000000-0000-0000-0000-00000000ce01'''
\set before '''00000000-0000-0000-0000-00000000ce02'''

CREATE TABLE pg_temp.change (name text PRIMARY KEY, first jsonb, patch jsonb);
INSERT INTO pg_temp.change VALUES
	('to-sum', '{"function": "max", "value_field": "n"}', '{"function": "sum"}'),
	('to-count', '{"function": "sum", "value_field": "n"}', '{"function": "count", "value_field": null}'),
	('to-avg', '{"function": "sum", "value_field": "n"}', '{"function": "avg"}'),
	('to-min', '{"function": "sum", "value_field": "n"}', '{"function": "min"}'),
	('to-max', '{"function": "sum", "value_field": "n"}', '{"function": "max"}'),
	('to-latest', '{"function": "sum", "value_field": "n"}', '{"function": "latest"}'),
	('to-users', '{"function": "sum", "value_field": "n"}', '{"function": "unique_count", "unique_by_field": "user"}'),
	('to-gauge', '{"function": "sum", "value_field": "n"}', '{"function": "weighted_sum", "function_options": {"mode": "gauge"}}'),
	('to-delta', '{"function": "sum", "value_field": "n"}', '{"function": "weighted_sum", "function_options": {"mode": "delta"}}'),
	('to-p90', '{"function": "sum", "value_field": "n"}', '{"function": "percentile", "function_options": {"percentile": 0.9}}'),
	('to-custom', '{"function": "sum", "value_field": "n"}', '{"function": "custom", "value_field": null, "function_options": {"expression": "n * 2 + 1"}}'),
	('profiles', '{"function": "sum", "value_field": "n"}', '{"profiles": [{"name": "Big", "code": "big", "aggregation_method": "max", "aggregation_property": "n",
		"filters": [{"property": "region", "operator": "eq", "value": ["eu"]}]}]}'),
	('wider', '{"function": "sum", "value_field": "n", "filter_tree": {"field": "region", "op": "eq", "value": "eu"}}', '{"filter_tree": null}'),
	('narrower', '{"function": "sum", "value_field": "n"}', '{"filter_tree": {"field": "region", "op": "eq", "value": "eu"}}'),
	('other-field', '{"function": "sum", "value_field": "n"}', '{"value_field": "m"}'),
	('dimensions', '{"function": "sum", "value_field": "n"}', '{"dimensions": {"region": "region"}}'),
	('currency', '{"function": "sum", "value_field": "n"}', '{"unit_currency_field": "cur"}'),
	('account', '{"function": "sum", "value_field": "n"}', '{"account_mapping": {"type": "id", "event_property": "user"}}'),
	('once', '{"function": "sum", "value_field": "n"}', '{"dedup_key_path": "order"}'),
	('once-max', '{"function": "sum", "value_field": "n", "dedup_key_path": "order"}', '{"function": "max"}'),
	('strict', '{"function": "sum", "value_field": "n", "negative_allowed": true}', '{"negative_allowed": false}'),
	('lenient', '{"function": "sum", "value_field": "n", "negative_allowed": false}', '{"negative_allowed": true}');
UPDATE pg_temp.change SET first = '{"negative_allowed": true}' || first || jsonb_build_object('key', name, 'metric_key', 'call');

-- the same events to both, in the same order; several to a quarter of an hour
CREATE FUNCTION pg_temp.events() RETURNS json LANGUAGE sql AS $$
	SELECT json_agg(json_build_object('id', 'e' || i, 'source', 's', 'type', 'call', 'subject', 's' || i % 3,
		'time', to_char('2025-03-01T00:00:00Z'::timestamptz + (i * 7919 % 4320) * interval '1 minute', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
		'data', json_build_object('n', (i * 37 % 101)::numeric / 4 - 2, 'm', i % 10, 'user', 'u' || i % 7, 'order', i % 150,
			'region', (ARRAY['eu', 'us'])[i % 2 + 1], 'cur', (ARRAY['EUR', 'USD', 'XX?'])[i % 3 + 1])) ORDER BY i)
	FROM generate_series(1, 400) AS i
$$;
\set boundary '''2025-03-02T11:07:00Z'''
SELECT count(*) FROM pg_temp.change, LATERAL meter.create_meter(:changed, first);
SELECT count(*) FROM pg_temp.change, LATERAL meter.create_meter(:before, first);
-- who has the events whatever the others say
SELECT count(*) FROM unnest(ARRAY[:changed, :before]::uuid[]) AS org,
	LATERAL meter.create_meter(org, '{"key": "all", "metric_key": "call", "function": "count"}');
SELECT count(*) FROM pg_temp.change, LATERAL meter.update_meter(:before, name, patch || jsonb_build_object('effective_at', :boundary, 'reprocess', true));
SELECT status, code, count(*) FROM meter.ingest(:before, pg_temp.events()) GROUP BY 1, 2;
SELECT status, code, count(*) FROM meter.ingest(:changed, pg_temp.events()) GROUP BY 1, 2;
SELECT count(*) FROM pg_temp.change, LATERAL meter.update_meter(:changed, name, patch || jsonb_build_object('effective_at', :boundary, 'reprocess', true));

-- What usage() says of a meter: by rollups and by raw events (a bound that cuts a
-- quarter of an hour), whole and by windows and subjects.
CREATE FUNCTION pg_temp.answers(org uuid, meter text) RETURNS TABLE (question text, answer text) LANGUAGE sql AS $$
	SELECT q.name, concat_ws(' ', u.window_start, u.window_end, u.subject, u.dimensions, u.currency, u.version, trim_scale(round(u.value, 12)), u.event_count) FROM (VALUES
		('whole', '2025-03-01Z'::timestamptz, '2025-03-04Z'::timestamptz, NULL, '{}'::text[]),
		('days', '2025-03-01Z', '2025-03-04Z', 'day', '{}'), ('hours', '2025-03-01Z', '2025-03-04Z', 'hour', '{}'),
		('subjects', '2025-03-01Z', '2025-03-04Z', NULL, '{subject}'),
		('cut', '2025-03-02T11:06:59Z', '2025-03-02T11:22:01Z', NULL, '{subject}'), ('cut', '2025-03-01T00:08Z', '2025-03-03T23:52Z', 'day', '{}'),
		('minutes', '2025-03-02T10:00Z', '2025-03-02T12:00Z', 'minute', '{}')
	) AS q (name, f, t, size, groups), LATERAL meter.usage(org, meter, q.f, q.t, NULL, q.size, q.groups) AS u
$$;
CREATE FUNCTION pg_temp.rejections(org uuid, meter text) RETURNS TABLE (answer text) LANGUAGE sql AS $$
	SELECT concat_ws(' ', r.payload ->> 'id', r.status, r.code, r.pointer, r.message) FROM meter.rejected_events AS r
	JOIN meter.meter AS m ON m.id = r.meter_id WHERE r.organization_id = org AND m.key = meter
$$;
CREATE FUNCTION pg_temp.differences(meter text, OUT usage bigint, OUT rejections bigint, OUT compared bigint) LANGUAGE sql AS $$
	WITH a AS MATERIALIZED (SELECT * FROM pg_temp.answers('00000000-0000-0000-0000-00000000ce01', meter)),
		b AS MATERIALIZED (SELECT * FROM pg_temp.answers('00000000-0000-0000-0000-00000000ce02', meter)),
		c AS MATERIALIZED (SELECT * FROM pg_temp.rejections('00000000-0000-0000-0000-00000000ce01', meter)),
		d AS MATERIALIZED (SELECT * FROM pg_temp.rejections('00000000-0000-0000-0000-00000000ce02', meter))
	SELECT (SELECT count(*) FROM (SELECT * FROM a EXCEPT ALL SELECT * FROM b) AS x) + (SELECT count(*) FROM (SELECT * FROM b EXCEPT ALL SELECT * FROM a) AS x),
		(SELECT count(*) FROM (SELECT * FROM c EXCEPT ALL SELECT * FROM d) AS x) + (SELECT count(*) FROM (SELECT * FROM d EXCEPT ALL SELECT * FROM c) AS x),
		(SELECT count(*) FROM a) + (SELECT count(*) FROM c)
$$;
SELECT name, d.* FROM pg_temp.change, LATERAL pg_temp.differences(name) AS d ORDER BY d.usage + d.rejections > 0 DESC, name;
SELECT * FROM pg_temp.differences('all');

--
-- Again, nothing changes: no page is revised, nothing is rejected twice
--
CREATE FUNCTION pg_temp.weight(OUT pages bigint, OUT revisions bigint, OUT rejections bigint) LANGUAGE sql AS $$
	SELECT (SELECT count(*) FROM meter.event WHERE replaced_at IS NULL), (SELECT sum(revision) FROM meter.event), (SELECT count(*) FROM meter.rejected_event)
$$;
CREATE TABLE pg_temp.weighed AS SELECT * FROM pg_temp.weight();
CALL meter.reprocess(:changed, 'to-max', '-infinity', 'infinity', 'again');
CALL meter.reprocess(:changed, 'once', '2025-03-01Z', '2025-03-04Z', 'again');
CALL meter.reprocess(:changed, 'strict', '2025-03-02T11:30Z', '2025-03-02T11:31Z', 'again');
CALL meter.reprocess(:changed, 'lenient', '-infinity', '2025-03-03Z', 'again');
CALL meter.reprocess(:changed, 'profiles', '2025-03-01Z', 'infinity', 'again');
CALL meter.reprocess(:before, 'strict', '-infinity', 'infinity', 'again');
SELECT w.pages - o.pages AS pages, w.revisions - o.revisions AS revisions, w.rejections - o.rejections AS rejections FROM pg_temp.weight() AS w, pg_temp.weighed AS o;
SELECT sum(d.usage + d.rejections) AS differences FROM pg_temp.change, LATERAL pg_temp.differences(name) AS d;
SELECT meter_key, period_from, period_to, position, events_done, fraction, state, updated_at >= started_at AS timed FROM meter.stat_progress WHERE organization_id IN (:changed, :before) ORDER BY job_id;
-- another profile than the definition's own
SELECT u.value, u.event_count FROM unnest(ARRAY[:changed, :before]::uuid[]) AS org, LATERAL meter.usage(org, 'profiles', '-infinity', 'infinity', profile => 'big') AS u;

--
-- What came before there was a meter
--
SELECT status, count(*) FROM meter.ingest(:changed, '[{"id": "l1", "source": "s", "type": "login", "subject": "ada", "time": "2025-03-01T10:00:00Z", "data": {"n": 1}},
	{"id": "l2", "source": "s", "type": "login", "subject": "bob", "time": "2025-03-01T10:01:00Z", "data": {"n": 2}},
	{"id": "l3", "source": "s", "type": "login", "subject": "bob", "time": "2025-04-01T10:01:00Z"},
	{"id": "l4", "source": "s", "type": "login", "time": "2300-01-01T00:00:00Z", "data": {"n": 8}}]') GROUP BY 1;
SELECT meter.create_meter(:changed, '{"key": "logins", "metric_key": "login", "function": "sum", "value_field": "n"}') ->> 'key' AS key;
SELECT value, event_count FROM meter.usage(:changed, 'logins', '-infinity', 'infinity');
CALL meter.reprocess(:changed, 'logins', '2025-03-01T10:30Z', '2025-03-01T10:31Z', 'the hour');
SELECT value, event_count FROM meter.usage(:changed, 'logins', '-infinity', 'infinity');
CALL meter.reprocess(:changed, 'logins', '-infinity', 'infinity', 'all');
CALL meter.reprocess(:changed, 'logins', '-infinity', 'infinity', 'all');
SELECT value, event_count FROM meter.usage(:changed, 'logins', '-infinity', 'infinity');
SELECT r.payload, r.code, r.pointer FROM meter.rejected_events AS r JOIN meter.meter AS m ON m.id = r.meter_id WHERE r.organization_id = :changed AND m.key = 'logins';
SELECT id, versions <> '{}' AS counted, revision FROM (
	SELECT e.id, e.versions, p.revision FROM meter.event AS p, LATERAL meter.page_events(p.events) AS e WHERE p.organization_id = :changed AND p.type = 'login' AND p.replaced_at IS NULL) AS x ORDER BY id;
-- a meter made so that it counts them
SELECT meter.create_meter(:changed, '{"key": "visits", "metric_key": "login", "function": "count", "reprocess": true}') ->> 'key' AS key;
SELECT window_start, value, event_count FROM meter.usage(:changed, 'visits', '2025-03-01Z', '2025-05-01Z', window_size => 'month');
-- what was rejected and is counted now is rejected no more
SELECT meter.update_meter(:changed, 'logins', '{"function": "count", "value_field": null, "effective_at": "2025-01-01T00:00:00Z", "reprocess": true}') ->> 'function' AS function;
SELECT value, event_count FROM meter.usage(:changed, 'logins', '2025-01-01Z', 'infinity');
SELECT count(*) AS rejected FROM meter.rejected_events AS r JOIN meter.meter AS m ON m.id = r.meter_id WHERE r.organization_id = :changed AND m.key = 'logins';
-- an event to come is counted by the version that takes its time over
SELECT meter.update_meter(:changed, 'logins', '{"function": "sum", "value_field": "n", "effective_at": "2200-01-01T00:00:00Z"}') ->> 'function' AS function;
SELECT window_start, version, value, event_count FROM meter.usage(:changed, 'logins', '2025-01-01Z', 'infinity') ORDER BY window_start;

--
-- Jobs: killed anywhere, they go on where they were
--
CREATE FUNCTION pg_temp.enter(key text) RETURNS bigint LANGUAGE sql AS $$
	SELECT meter.enter_reprocess_job(m.organization_id, m.id, '2025-03-01Z', '2025-03-04Z', false, 'interrupted')
	FROM meter.meter AS m WHERE m.organization_id = '00000000-0000-0000-0000-00000000ce01' AND m.key = enter.key
$$;
SELECT meter.create_meter(:changed, '{"key": "late-to-come", "metric_key": "call", "function": "count"}') ->> 'key' AS key;
SELECT pg_temp.enter('late-to-come') IS NOT NULL AS entered;
SELECT meter_key, position, fraction, state FROM meter.stat_progress WHERE organization_id = :changed AND state <> 'done';
SELECT meter.start_reprocess_job(organization_id, job_id) FROM meter.reprocess_job WHERE organization_id = :changed AND state = 'pending';
UPDATE meter.reprocess_job SET position = '2025-03-02T00:00Z' WHERE organization_id = :changed AND state = 'running';
SELECT meter_key, position, fraction, state FROM meter.stat_progress WHERE organization_id = :changed AND state <> 'done';
CALL meter.reprocess(:changed, 'late-to-come', '2025-03-01Z', '2025-03-04Z', 'goes on');
SELECT s.meter_key, s.position, s.fraction, s.state, j.reason FROM meter.stat_progress AS s JOIN meter.reprocess_job AS j USING (organization_id, job_id) WHERE organization_id = :changed AND s.meter_key = 'late-to-come';
SELECT window_start, value FROM meter.usage(:changed, 'late-to-come', '2025-03-01Z', '2025-03-04Z', window_size => 'day');
-- several that wait; one of them cannot be done
SELECT pg_temp.enter(key) IS NOT NULL AS entered FROM unnest('{late-to-come,visits,to-max}'::text[]) AS key;
SELECT meter.archive_meter(:changed, 'visits', 'enough') ->> 'status' AS status;
SET client_min_messages = error;	-- a warning names the job that failed
CALL meter.run_reprocess_jobs();
RESET client_min_messages;
CALL meter.run_reprocess_jobs();
SELECT meter_key, j.state, j.error FROM meter.stat_progress AS s JOIN meter.reprocess_job AS j USING (organization_id, job_id) WHERE organization_id = :changed AND j.reason = 'interrupted' ORDER BY job_id;
SELECT window_start, value FROM meter.usage(:changed, 'late-to-come', '2025-03-01Z', '2025-03-04Z', window_size => 'day');
SELECT sum(d.usage + d.rejections) AS differences FROM pg_temp.change, LATERAL pg_temp.differences(name) AS d;

--
-- What is taken back, or amended, stays so; and leaves the rollups for good
--
SELECT status, count(*) FROM generate_series(7, 280, 7) AS i, unnest(ARRAY[:changed, :before]::uuid[]) AS org,
	LATERAL jsonb_to_record(meter.void_event(org, 'call', 'e' || i, 'wrong')) AS v (status text) GROUP BY 1;
SELECT status, count(*) FROM generate_series(281, 340, 3) AS i, unnest(ARRAY[:changed, :before]::uuid[]) AS org,
	LATERAL jsonb_to_record(meter.amend_event(org, 'call', 'e' || i, jsonb_build_object('n', i, 'm', 1, 'user', 'u' || i % 9, 'order', i % 150,
		'region', 'eu', 'cur', 'EUR'))) AS v (status text) GROUP BY 1;
SELECT name, d.* FROM pg_temp.change, LATERAL pg_temp.differences(name) AS d WHERE d.usage + d.rejections > 0;
SELECT count(*) > 0 AS to_recount FROM meter.event_reversal WHERE organization_id = :changed AND recount <> '{}';
CREATE PROCEDURE pg_temp.reprocess_all() LANGUAGE plpgsql AS $$
DECLARE
	meter text;
BEGIN
	FOR meter IN SELECT name FROM pg_temp.change ORDER BY 1 LOOP
		CALL meter.reprocess('00000000-0000-0000-0000-00000000ce01', meter, '2025-03-01Z', '2025-03-04Z', 'recount');
	END LOOP;
END
$$;
CALL pg_temp.reprocess_all();
SELECT name, d.* FROM pg_temp.change, LATERAL pg_temp.differences(name) AS d WHERE d.usage + d.rejections > 0;
SELECT count(*) AS to_recount FROM meter.event_reversal WHERE organization_id = :changed AND recount <> '{}';
-- yet another version, with what the last one had but for the unit
SELECT count(*) FROM unnest(ARRAY[:changed, :before]::uuid[]) AS org, pg_temp.change,
	LATERAL meter.update_meter(org, name, patch || '{"unit_label": "pieces", "effective_at": "2025-03-02T20:20:00Z", "reprocess": true}');
SELECT name, d.* FROM pg_temp.change, LATERAL pg_temp.differences(name) AS d WHERE d.usage + d.rejections > 0;

--
-- Closed windows keep what they have until they are asked for; then they are revised
--
SELECT meter.create_organization('closed', '00000000-0000-0000-0000-00000000ce04') AS closed \gset
SELECT meter.create_meter(:'closed', '{"key": "calls", "metric_key": "call", "function": "sum", "value_field": "n"}') ->> 'key' AS key;
SELECT status, count(*) FROM meter.ingest(:'closed', json_build_array(
	'{"id": "c1", "source": "s", "type": "call", "subject": "ada", "time": "2025-03-05T10:00:00Z", "data": {"n": 3}}'::json,
	'{"id": "c2", "source": "s", "type": "call", "subject": "ada", "time": "2025-03-06T10:00:00Z", "data": {"n": 4}}'::json,
	'{"id": "c3", "source": "s", "type": "call", "subject": "ada", "data": {"n": 5}}'::json,
	'{"id": "c4", "source": "s", "type": "call", "subject": "ada", "data": {"n": 6}}'::json)) GROUP BY 1;
SELECT meter.close_windows(:'closed') > 0 AS closed_some;
SELECT window_start, value, delta, revision, version, reason FROM meter.window_results WHERE organization_id = :'closed' ORDER BY window_start, revision;
SELECT meter.update_meter(:'closed', 'calls', '{"function": "max", "effective_at": "2025-01-01T00:00:00Z", "reprocess": true}') ->> 'function' AS function;
SELECT e.id, v.version FROM meter.events AS e JOIN meter.meter_version AS v ON v.organization_id = e.organization_id AND v.version_id = ANY (e.versions)
	WHERE e.organization_id = :'closed' ORDER BY 1;
CALL meter.reprocess(:'closed', 'calls', '2025-03-01Z', '2025-04-01Z', 'a mistake');
SELECT meter.close_windows(:'closed') IS NOT NULL AS closed_rest;
SELECT window_start, value, delta, revision, version, reason FROM meter.window_results WHERE organization_id = :'closed' ORDER BY window_start, revision, version;
SELECT window_start, version, value FROM meter.usage(:'closed', 'calls', '2025-01-01Z', '2025-06-01Z', window_size => 'month') WHERE event_count > 0;

--
-- Late events: who did not take one when it came does not take it now; who counts
-- it in another place, or took it out of quarantine, counts it there
--
SELECT meter.create_organization('late', '00000000-0000-0000-0000-00000000ce05') AS late \gset
SELECT count(*) FROM unnest('{revise,reject,next_window,quarantine}'::text[]) AS mode, LATERAL meter.create_meter(:'late', jsonb_build_object(
	'key', mode, 'metric_key', 'call', 'function', 'sum', 'value_field', 'n', 'late_event_policy', jsonb_build_object('mode', mode)));
SELECT id, status, code FROM meter.ingest(:'late', json_build_array(
	'{"id": "l1", "source": "s", "type": "call", "subject": "ada", "time": "2025-03-05T10:00:00Z", "data": {"n": 1}}'::json,
	'{"id": "l2", "source": "s", "type": "call", "subject": "ada", "time": "2025-03-05T10:01:00Z", "data": {"n": 2}}'::json,
	'{"id": "l3", "source": "s", "type": "call", "subject": "ada", "data": {"n": 4}}'::json));
CREATE FUNCTION pg_temp.late() RETURNS TABLE (meter text, march numeric, since numeric, again text) LANGUAGE sql AS $$
	SELECT m.key, a.value, b.value, (SELECT CASE WHEN c.value IS DISTINCT FROM b.value THEN 'but ' || c.value END
			FROM meter.usage(m.organization_id, m.key, '2025-04-01 00:07Z', 'infinity') AS c)
	FROM meter.meter AS m, LATERAL meter.usage(m.organization_id, m.key, '2025-03-01Z', '2025-04-01Z') AS a,
		LATERAL meter.usage(m.organization_id, m.key, '2025-04-01Z', 'infinity') AS b
	WHERE m.organization_id = '00000000-0000-0000-0000-00000000ce05' ORDER BY m.meter_no
$$;
CREATE PROCEDURE pg_temp.again() LANGUAGE plpgsql AS $$
DECLARE
	meter text;
BEGIN
	FOREACH meter IN ARRAY '{revise,reject,next_window,quarantine}'::text[] LOOP
		CALL meter.reprocess('00000000-0000-0000-0000-00000000ce05', meter, '-infinity', 'infinity', 'again');
	END LOOP;
END
$$;
SELECT * FROM pg_temp.late();
CALL pg_temp.again();
SELECT * FROM pg_temp.late();
SELECT count(*) FROM meter.release_quarantine(:'late', ARRAY(SELECT id FROM meter.rejected_events WHERE organization_id = :'late' AND status = 'quarantined' AND payload ->> 'id' = 'l1'));
SELECT * FROM pg_temp.late();
CALL pg_temp.again();
SELECT * FROM pg_temp.late();
SELECT sum(revision) AS revisions FROM meter.event WHERE organization_id = :'late';
-- another function, for all of them
SELECT count(*) FROM unnest('{revise,reject,next_window,quarantine}'::text[]) AS mode,
	LATERAL meter.update_meter(:'late', mode, '{"function": "count", "value_field": null, "effective_at": "2025-01-01T00:00:00Z", "reprocess": true}');
SELECT * FROM pg_temp.late();
SELECT status, code, count(*) FROM meter.rejected_events WHERE organization_id = :'late' GROUP BY 1, 2 ORDER BY 1;

--
-- What is refused
--
CALL meter.reprocess(:changed, 'nobody', '-infinity', 'infinity', 'x');
CALL meter.reprocess(NULL, 'to-max', '-infinity', 'infinity', 'x');
CALL meter.reprocess(:changed, 'to-max', '2025-03-02Z', '2025-03-02Z', 'x');
CALL meter.reprocess(:changed, 'to-max', NULL, '2025-03-02Z', 'x');
CALL meter.reprocess(:changed, 'to-max', '-infinity', 'infinity', '');
CALL meter.reprocess(:changed, 'to-max', '-infinity', 'infinity', NULL);
CALL meter.reprocess(:changed, 'to-max', '-infinity', 'infinity', repeat('x', 1001));
CALL meter.reprocess(:changed, 'visits', '-infinity', 'infinity', 'x');
\set VERBOSITY default
BEGIN;
CALL meter.reprocess(:changed, 'to-max', '-infinity', 'infinity', 'x');
ROLLBACK;
DO $$ BEGIN CALL meter.run_reprocess_jobs(); END $$;
SET default_transaction_isolation = 'repeatable read';
CALL meter.reprocess(:changed, 'to-max', '-infinity', 'infinity', 'x');
-- nothing to count anew: publishing is possible, something: not
SELECT meter.update_meter(:changed, 'to-sum', '{"function": "max"}') ->> 'function' AS function;
SELECT meter.update_meter(:changed, 'to-sum', '{"function": "max", "effective_at": "2025-03-01T12:00:00Z", "reprocess": true}') ->> 'function' AS function;
RESET default_transaction_isolation;
-- a store without events
\set VERBOSITY terse
SELECT meter.create_organization('empty', '00000000-0000-0000-0000-00000000ce03');
SELECT meter.create_meter('00000000-0000-0000-0000-00000000ce03', '{"key": "a", "metric_key": "a", "function": "count", "reprocess": true}') ->> 'key' AS key;
CALL meter.reprocess('00000000-0000-0000-0000-00000000ce03', 'a', '-infinity', 'infinity', 'x');
SELECT fraction, events_done, state FROM meter.stat_progress WHERE organization_id = '00000000-0000-0000-0000-00000000ce03';
