--
-- Events that come late: late_event_policy, its statuses, and where they are counted
--
-- No output depends on the clock: times are relative to it, and compared.
--
SELECT meter.create_store();
SELECT meter.create_organization('late', '1a7e0000-0000-0000-0000-000000000001') AS org \gset
\set org '\'' :org '\''
CREATE FUNCTION pg_temp.make(key text, type text, policy jsonb, more jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
	SELECT meter.create_meter('1a7e0000-0000-0000-0000-000000000001', jsonb_build_object('key', key, 'metric_key', type,
		'function', 'sum', 'value_field', 'n', 'window', '{"size": "hour"}'::jsonb, 'late_event_policy', policy) || more) ->> 'key' $$;
-- one event of that age
CREATE FUNCTION pg_temp.event(type text, id text, age interval, n int DEFAULT 1, more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('id', id, 'type', type, 'time', to_jsonb(clock_timestamp() - age), 'data', jsonb_build_object('n', n)) || more $$;
CREATE FUNCTION pg_temp.send(VARIADIC events jsonb[]) RETURNS TABLE (ordinal int, id text, status text, code text) LANGUAGE sql AS $$
	SELECT i.ordinal, i.id, i.status, i.code FROM meter.ingest('1a7e0000-0000-0000-0000-000000000001', to_json(events)) AS i ORDER BY 1 $$;
CREATE FUNCTION pg_temp.total(key text) RETURNS text LANGUAGE sql AS $$
	SELECT format('%s in %s', u.value, u.event_count)
	FROM meter.usage('1a7e0000-0000-0000-0000-000000000001', key, '-infinity', 'infinity') AS u $$;
CREATE FUNCTION pg_temp.attempt(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE detail text;
BEGIN
	EXECUTE statement;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' | ', SQLSTATE, nullif(detail, ''));
END $$;

--
-- The policy: keys, defaults, durations
--
SELECT policy, meter.complete_definition(jsonb_build_object('key', 'k', 'late_event_policy', policy)) -> 'late_event_policy' AS whole
FROM unnest(ARRAY['null', '{}', '{"mode": "reject"}', '{"mode": null, "grace": null, "max_age": "30 days"}', '{"max_future": "5 minutes", "grace": "0"}']::jsonb[]) AS policy;
SELECT meter.complete_definition('{"key": "k"}') -> 'late_event_policy' AS absent;
CREATE FUNCTION pg_temp.refusal(policy jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE detail text;
BEGIN
	PERFORM meter.check_definition(jsonb_build_object('key', 'k', 'metric_key', 't', 'function', 'count', 'late_event_policy', policy));
	RETURN 'taken';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' | ', SQLSTATE, SQLERRM, detail);
END $$;
SELECT policy, pg_temp.refusal(policy::jsonb) FROM unnest(ARRAY['null', '{}', '[]', '"reject"', '1', '{"mode": "drop"}', '{"mode": "Reject"}', '{"mode": 1}', '{"mode": null}',
	'{"grace": 3600}', '{"grace": {}}', '{"max_age": true}', '{"max_past": "1 day"}', '{"Mode": "reject"}', '{"max_future": "-5 minutes"}', '{"max_age": "1 month"}']) AS policy;
SELECT d, pg_temp.refusal(jsonb_build_object('grace', d)) FROM unnest(ARRAY['1 hour', '90 minutes', '2 days 3 hours', '3 hours 2 days', '1.5 hours', '1h30m', '10 MIN', ' 1  week ', '1sec',
	'36:00', '02:03:04.5', '1 day 02:03:04', '0', '0 seconds', '0.000001 s', '3650 days', 'P1DT2H', 'P2W', 'PT0.5S', 'pt5m',
	'', ' ', '5', '1', 'hour', '1 fortnight', '1 month', '1 mon', '2 years', '1 hour 2 hours', '1 hour 00:30', '0.0000001 s', '3651 days', '99999999999999999999 s', '99999999:00',
	'-1 hour', '1 day -1 hour', '1 hour ago', '+1 hour', '12:60', '12:5', '1:2:3', '1.5:00', '02:03:04.', '1.', '.5 h', '1e3 s', 'infinity',
	'P', 'PT', 'P1', 'P1DT', 'P1M', 'P1Y', 'P1H', 'PT1D', 'P1DT1H1H', 'P-1D', '1D', E'1 hour\n', '1 hour;']) AS d;

--
-- Each mode alone
--
SELECT pg_temp.make('revising', 'revise', '{"mode": "revise"}'), pg_temp.make('rejecting', 'reject', '{"mode": "reject"}'),
	pg_temp.make('moving', 'next', '{"mode": "next_window"}'), pg_temp.make('keeping', 'keep', '{"mode": "quarantine"}'),
	pg_temp.make('default', 'default', NULL);
CREATE TEMP TABLE sent AS
	SELECT pg_temp.event(type, 'old', '3 hours', 10) AS late, pg_temp.event(type, 'new', '0', 1) AS timely, type
	FROM unnest('{revise,reject,next,keep,default}'::text[]) AS type;
SELECT type, s.* FROM sent, LATERAL pg_temp.send(late, timely) AS s ORDER BY 1, 2;
SELECT key, pg_temp.total(key) FROM unnest('{revising,rejecting,moving,keeping,default}'::text[]) AS key;
-- the retry of each: what was rejected may come again, the rest has come
SELECT type, s.* FROM sent, LATERAL pg_temp.send(late, timely) AS s ORDER BY 1, 2;
SELECT type, s.* FROM sent, LATERAL pg_temp.send(late || '{"data": {"n": 11}}') AS s ORDER BY 1, 2;
SELECT key, pg_temp.total(key) FROM unnest('{revising,rejecting,moving,keeping,default}'::text[]) AS key;
-- where they are counted: the window that was open an hour before
SELECT type, id, "time" = counted_at AS in_place,
	counted_at = date_trunc('hour', received_at - interval '1 hour', 'UTC') AS in_open_window, data
FROM meter.events WHERE organization_id = :org AND id = 'old' ORDER BY type;
SELECT k.key, e.seq = k.seq AND e.counted_at = k."time" AS found FROM meter.event_key AS k LEFT JOIN meter.events AS e USING (organization_id, seq)
WHERE k.organization_id = :org AND k.key LIKE '%old' ORDER BY k.key;
SELECT m.key, r.status, r.code, r.pointer, regexp_replace(r.message, 'ended at .*, and (.*) was over .* before', 'ended at …, and \1 was over … before') AS message, r.payload ->> 'id' AS id
FROM meter.rejected_events AS r JOIN meter.meters AS m ON m.id = r.meter_id WHERE r.organization_id = :org ORDER BY r.id;

--
-- Several meters, each with its own policy
--
SELECT pg_temp.make(a || '-' || b || '-1', a || '/' || b, jsonb_build_object('mode', a)) AS first, pg_temp.make(a || '-' || b || '-2', a || '/' || b, jsonb_build_object('mode', b)) AS second
FROM unnest('{revise,reject,next_window,quarantine}'::text[]) WITH ORDINALITY AS x(a, i), unnest('{revise,reject,next_window,quarantine}'::text[]) WITH ORDINALITY AS y(b, j)
WHERE i < j ORDER BY i, j;
CREATE TEMP TABLE mixed AS
	SELECT row_number() OVER (ORDER BY i, j) AS n, a || '/' || b AS type, a || '-' || b AS keys, pg_temp.event(a || '/' || b, 'e', '3 hours', 10) AS event
	FROM unnest('{revise,reject,next_window,quarantine}'::text[]) WITH ORDINALITY AS x(a, i), unnest('{revise,reject,next_window,quarantine}'::text[]) WITH ORDINALITY AS y(b, j) WHERE i < j;
SELECT type, s.status, s.code, pg_temp.total(keys || '-1') AS first, pg_temp.total(keys || '-2') AS second
FROM mixed, LATERAL pg_temp.send(event) AS s ORDER BY n;
SELECT type, array_agg(r.status || ' by ' || m.key ORDER BY r.id) FROM mixed JOIN meter.rejected_events AS r ON r.organization_id = :org AND r.payload ->> 'type' = type JOIN meter.meters AS m ON m.id = r.meter_id GROUP BY type, n ORDER BY n;
SELECT type, s.status, s.code FROM mixed, LATERAL pg_temp.send(event) AS s ORDER BY n;
SELECT type, s.status, s.code FROM mixed, LATERAL pg_temp.send(event || '{"data": {"n": 11}}') AS s ORDER BY n;
-- where two meters count it at two times there are two rows, of which meter.events shows one
SELECT p.type, e.supplement, e."time" = e.original_time AS in_place, cardinality(e.versions) AS versions, l.seq IS NOT NULL AS placement
FROM meter.event AS p, LATERAL meter.page_events(p.events) AS e
LEFT JOIN meter.event_placement AS l ON l.organization_id = :org AND l.seq = e.seq AND l."time" = e."time"
WHERE p.organization_id = :org AND p.type LIKE '%/%' ORDER BY 1, 2;
SELECT count(*) = count(DISTINCT seq) AS once FROM meter.events WHERE organization_id = :org;
-- one in time, one late
SELECT pg_temp.make('daily', 'both', '{"mode": "reject", "grace": "2 days"}', '{"window": {"size": "day"}}'),
	pg_temp.make('hourly', 'both', '{"mode": "next_window"}'), pg_temp.make('filtered', 'both', '{"mode": "reject"}', '{"filter_tree": {"field": "n", "op": "gt", "value": 100}}');
SELECT * FROM pg_temp.send(pg_temp.event('both', '1', '3 hours', 10), pg_temp.event('both', '2', '3 hours', 1000));
SELECT key, pg_temp.total(key) FROM unnest('{daily,hourly,filtered}'::text[]) AS key;
-- an event that is in quarantine is stored if another meter left it out
SELECT pg_temp.make('aside', 'aside', '{"mode": "quarantine"}'), pg_temp.make('aside-filtered', 'aside', NULL, '{"filter_tree": {"field": "n", "op": "gt", "value": 100}}');
SELECT * FROM pg_temp.send(pg_temp.event('aside', '1', '3 hours'), pg_temp.event('keep', 'alone', '3 hours'));
SELECT id, versions FROM meter.events WHERE organization_id = :org AND (type = 'aside' OR id = 'alone');

--
-- What is wrong with an event comes before its being late; what is left out by a filter is never late
--
SELECT pg_temp.make('strict', 'strict', '{"mode": "reject", "max_age": "1 day", "max_future": "5 minutes"}',
	'{"filter_tree": {"field": "skip", "op": "neq", "value": true}}');
SELECT s.* FROM pg_temp.send(pg_temp.event('strict', 'wrong', '3 hours') || '{"data": {"n": "x"}}', pg_temp.event('strict', 'left out', '3 hours') || '{"data": {"n": 1, "skip": true}}',
	pg_temp.event('strict', 'late', '3 hours'), pg_temp.event('strict', 'old', '25 hours'), pg_temp.event('strict', 'ahead', '-6 minutes'), pg_temp.event('strict', 'near', '-4 minutes'),
	pg_temp.event('strict', 'far', '9 years'), pg_temp.event('strict', 'far ahead', '-9 years'), '{"id": "now", "type": "strict", "data": {"n": 1}}') AS s;
SELECT payload ->> 'id' AS id, code, pointer, regexp_replace(message, '(is) .* (old|ahead)', '\1 … \2') AS message FROM meter.rejected_events
WHERE organization_id = :org AND payload ->> 'type' = 'strict' AND code LIKE 'TOO%' ORDER BY 1;

--
-- Whose window it is: zones, sizes below the hour, clocks that leap, billing periods
--
SELECT pg_temp.make(name, 'zone ' || name, '{"mode": "reject"}', jsonb_build_object('window', w)) FROM (VALUES
	('quarter-hours', '{"size": "minute", "count": 15}'::jsonb), ('kathmandu', '{"size": "hour", "time_zone": "Asia/Kathmandu"}'),
	('new-york', '{"size": "day", "time_zone": "America/New_York"}'), ('lord-howe', '{"size": "day", "time_zone": "Australia/Lord_Howe"}'),
	('month', 'null'), ('weeks', '{"size": "week", "time_zone": "Europe/Berlin"}'), ('billing', '{"size": "billing_period", "time_zone": "Europe/Berlin"}')) AS v (name, w);
SELECT meter.create_customer(:org, '{"id": "acme", "name": "Acme", "aliases": ["acme-eu"]}') ->> 'id' AS customer,
	meter.create_subscription(:org, '{"customer": "acme", "started_at": "2024-01-31T00:00:00Z", "ended_at": "2024-03-20T00:00:00Z", "period": "month"}') ->> 'status' AS subscription;
SELECT name, at, subject, (SELECT regexp_replace(i.message, '.*ended at (.*), and.*', '\1') FROM meter.ingest(:org, json_build_object('id', at || coalesce(subject, ''),
		'type', 'zone ' || name, 'time', at, 'subject', subject, 'data', '{"n": 1}'::json)) AS i) AS window_end
FROM (VALUES
	('quarter-hours', '2024-01-01T00:14:59.999999Z', NULL), ('quarter-hours', '2024-01-01T00:15:00Z', NULL),
	('kathmandu', '2024-01-01T00:20:00Z', NULL), ('kathmandu', '2024-01-01T01:15:00Z', NULL),
	('new-york', '2024-03-10T04:59:59Z', NULL), ('new-york', '2024-03-10T05:00:00Z', NULL), ('new-york', '2024-11-03T12:00:00Z', NULL), ('new-york', '2024-11-04T04:59:59Z', NULL),
	('lord-howe', '2024-04-06T14:00:00Z', NULL), ('month', '2024-02-29T23:59:59Z', 'acme'), ('weeks', '2024-03-31T12:00:00Z', NULL),
	('billing', '2024-01-15T00:00:00Z', 'acme'), ('billing', '2024-02-10T00:00:00Z', 'acme'), ('billing', '2024-02-29T00:00:00Z', 'acme-eu'), ('billing', '2024-03-19T00:00:00Z', 'acme'),
	('billing', '2024-03-25T00:00:00Z', 'acme'), ('billing', '2024-02-10T00:00:00Z', 'nobody'), ('billing', '2024-02-10T00:00:00Z', NULL)
) AS v (name, at, subject);
-- a whole batch of them at once, subjects mixed
SELECT i.id, regexp_replace(i.message, '.*ended at (.*), and.*', '\1') AS window_end
FROM meter.ingest(:org, (SELECT json_agg(json_build_object('id', format('%s %s', n, subject), 'type', 'zone billing', 'time', '2024-02-10T00:00:00Z', 'subject', subject, 'data', '{"n": 1}'::json))
	FROM generate_series(1, 2) AS n, unnest('{acme,nobody,acme-eu,someone}'::text[]) AS subject)) AS i ORDER BY i.ordinal;
-- the subject is whom the meter says, not whom the envelope says
SELECT pg_temp.make('mapped', 'mapped', '{"mode": "reject"}', '{"window": {"size": "billing_period"}, "account_mapping": {"type": "id", "event_property": "who"}}');
SELECT regexp_replace(i.message, '.*ended at (.*), and.*', '\1') AS window_end
FROM meter.ingest(:org, '{"id": "m", "type": "mapped", "time": "2024-03-01T00:00:00Z", "subject": "nobody", "data": {"n": 1, "who": "acme"}}') AS i;

-- next_window goes to the start of the period that is open
SELECT pg_temp.make('next-' || w, 'place ' || w, '{"mode": "next_window", "grace": "90 minutes"}', jsonb_build_object('window', jsonb_build_object('size', w, 'time_zone', 'America/New_York')))
FROM unnest('{minute,day,month,billing_period}'::text[]) AS w;
SELECT meter.create_customer(:org, '{"id": "beta", "name": "Beta"}') ->> 'id' AS customer,
	meter.create_subscription(:org, jsonb_build_object('customer', 'beta', 'started_at', now() - interval '10 days', 'period', '{"size": "day", "count": 7}'::jsonb)) ->> 'status' AS subscription;
SELECT type, s.status FROM unnest('{minute,day,month,billing_period}'::text[]) AS w (type), LATERAL pg_temp.send(
	pg_temp.event('place ' || w.type, 'p', '70 days') || '{"subject": "beta"}') AS s;
SELECT type, counted_at = CASE type
	WHEN 'place minute' THEN date_trunc('minute', received_at - interval '90 minutes')
	WHEN 'place day' THEN date_trunc('day', received_at - interval '90 minutes', 'America/New_York')
	WHEN 'place month' THEN date_trunc('month', received_at - interval '90 minutes', 'America/New_York')
	ELSE (SELECT started_at + interval '7 days' FROM meter.subscription WHERE organization_id = :org AND customer_id = 'beta') END AS placed
FROM meter.events WHERE organization_id = :org AND type LIKE 'place %' ORDER BY type;

--
-- The instant it begins: late when end + grace <= received_at, and not before.
-- A row of events a minute, windows of a minute, some behind and some before it.
--
SELECT pg_temp.make('edge-keep', 'edge', '{"mode": "quarantine", "grace": "30 minutes"}', '{"window": {"size": "minute"}}'),
	pg_temp.make('edge-seen', 'edge', '{"grace": "3650 days"}', '{"window": {"size": "minute"}}'),
	pg_temp.make('age-keep', 'age', '{"max_age": "10 seconds", "max_future": "10 seconds"}'), pg_temp.make('age-seen', 'age', NULL);
SELECT count(*), count(DISTINCT status) AS statuses FROM meter.ingest(:org, (SELECT json_agg(pg_temp.event('edge', s::text, s * interval '1 second')) FROM generate_series(1, 3600, 7) AS s));
WITH kept AS (
	SELECT (payload ->> 'time')::timestamptz AS "time", received_at, true AS late FROM meter.rejected_events WHERE organization_id = :org AND code = 'LATE_QUARANTINED' AND payload ->> 'type' = 'edge'
	UNION ALL
	SELECT "time", received_at, false FROM meter.events WHERE organization_id = :org AND type = 'edge' AND cardinality(versions) = 2)
SELECT bool_and(late = (date_trunc('minute', "time") + interval '31 minutes' <= received_at)) AS exact, bool_or(late) AS some_late, bool_or(NOT late) AS some_timely FROM kept;
SELECT count(*) FROM meter.ingest(:org, (SELECT json_agg(pg_temp.event('age', s::text, s * interval '20 milliseconds')) FROM generate_series(-1000, 1000) AS s));
WITH kept AS (
	SELECT (payload ->> 'time')::timestamptz AS "time", received_at, code FROM meter.rejected_events WHERE organization_id = :org AND payload ->> 'type' = 'age'
	UNION ALL
	SELECT "time", received_at, '' FROM meter.events WHERE organization_id = :org AND type = 'age' AND cardinality(versions) = 2)
SELECT bool_and(code = CASE WHEN received_at - "time" > interval '10 seconds' THEN 'TOO_OLD' WHEN "time" - received_at > interval '10 seconds' THEN 'TOO_FUTURE' ELSE '' END) AS exact,
	count(*), count(DISTINCT code) AS codes FROM kept;

--
-- Keys of meters: what is in quarantine has its key, what was counted is known however late it comes again
--
SELECT pg_temp.make('keyed', 'keyed', '{"mode": "quarantine"}', '{"dedup_key_path": "$.key"}'),
	pg_temp.make('keyed-age', 'keyed age', '{"max_age": "2 seconds"}', '{"dedup_key_path": "$.key"}');
CREATE TEMP TABLE keyed AS SELECT pg_temp.event('keyed', 'x', '3 hours', 1, '{"data": {"n": 1, "key": "k1"}}') - 'id' AS event, pg_temp.event('keyed age', 'x', '0', 1, '{"data": {"n": 1, "key": "k1"}}') - 'id' AS aging;
SELECT s.* FROM keyed, LATERAL pg_temp.send(event, event, event || '{"data": {"n": 2, "key": "k1"}}', event || '{"data": {"n": 2, "key": "k2"}}', aging) AS s;
SELECT s.* FROM keyed, LATERAL pg_temp.send(event, event || '{"data": {"n": 2, "key": "k1"}}') AS s;
SELECT pg_sleep(2.01);
SELECT s.* FROM keyed, LATERAL pg_temp.send(aging, aging || '{"data": {"n": 2, "key": "k1"}}', aging || '{"data": {"n": 2, "key": "k2"}}') AS s;

--
-- By COPY, as a single report, and all or nothing
--
CREATE TEMP TABLE inbox AS SELECT pg_temp.event(type, 'i', '3 hours') AS event FROM unnest('{revise,reject,next,keep}'::text[]) AS type;
INSERT INTO meter.event_inbox (organization_id, event) SELECT :org, event FROM inbox;
INSERT INTO meter.event_inbox (organization_id, event) SELECT :org, event FROM inbox;
SELECT key, pg_temp.attempt(format('SELECT meter.report_usage(%L, %L, ''r'')', :org, jsonb_build_object('meterId', key, 'value', 1, 'customerId', 'c', 'timestamp', clock_timestamp() - interval '3 hours')))
FROM unnest('{revising,rejecting,moving,keeping,strict}'::text[]) AS key;
SELECT meter.report_usage(:org, jsonb_build_object('meterId', key, 'value', 1, 'customerId', 'c', 'timestamp', clock_timestamp() - interval '3 hours'), 's') ->> 'status' AS status
FROM unnest('{revising,moving,keeping}'::text[]) AS key;
SELECT key, pg_temp.total(key) FROM unnest('{revising,rejecting,moving,keeping}'::text[]) AS key;

SELECT meter.create_organization('all or nothing', '1a7e0000-0000-0000-0000-000000000002', '{"partial": false}') AS strict \gset
SELECT meter.create_meter(:'strict', jsonb_build_object('key', mode, 'metric_key', mode, 'function', 'count', 'window', '{"size": "hour"}'::jsonb, 'late_event_policy', jsonb_build_object('mode', mode))) ->> 'key'
FROM unnest('{revise,reject,next_window,quarantine}'::text[]) AS mode;
SELECT mode, pg_temp.attempt(format('SELECT meter.ingest(%L, %L)', :'strict', json_build_array(pg_temp.event(mode, '1', '0'), pg_temp.event(mode, '2', '3 hours'))))
FROM unnest('{revise,reject,next_window,quarantine}'::text[]) AS mode;
SELECT type, count(*) FROM meter.events WHERE organization_id = :'strict' GROUP BY 1 ORDER BY 1;
SELECT status, code FROM meter.rejected_events WHERE organization_id = :'strict';

--
-- The version in force at the event's time decides
--
SELECT pg_temp.make('versions', 'versions', '{"mode": "reject"}');
SELECT meter.update_meter(:org, 'versions', '{"late_event_policy": {"mode": "next_window", "grace": "0"}}') ->> 'version' AS version;
SELECT * FROM pg_temp.send(pg_temp.event('versions', 'before', '3 hours'));

--
-- Closed windows: late_revised, and the revision; a window without a result yet gets its first
--
SELECT pg_temp.make('closed', 'closed', NULL), pg_temp.make('closed-moved', 'closed too', '{"mode": "next_window"}'), pg_temp.make('closed-beside', 'closed too', NULL),
	pg_temp.make('closed-year', 'closed year', '{"grace": "3650 days"}', '{"window": {"size": "year"}}'),
	pg_temp.make('closed-hours', 'closed hours', NULL, '{"window": {"size": "year", "count": 1000}, "profiles": [{"code": "hourly", "aggregation_method": "count", "aggregation_time_window": "hour"}]}');
CREATE FUNCTION pg_temp.results(VARIADIC keys text[]) RETURNS TABLE (key text, profile text, window_start text, value numeric, revision int, delta numeric, reason text) LANGUAGE sql AS $$
	SELECT m.key, r.profile, to_char(r.window_start AT TIME ZONE 'UTC', 'HH24:MI'), r.value, r.revision, r.delta, r.reason FROM meter.window_results AS r JOIN meter.meters AS m ON m.id = r.meter_id
	WHERE r.organization_id = '1a7e0000-0000-0000-0000-000000000001' AND m.key = ANY (keys) ORDER BY 1, 2, 3, 5 $$;
CREATE FUNCTION pg_temp.then(type text, id text, minute text, n int) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('id', id, 'type', type, 'time', format('2025-01-01T%sZ', minute), 'data', jsonb_build_object('n', n)) $$;
SELECT * FROM pg_temp.send(pg_temp.then('closed', '1', '00:10', 1), pg_temp.then('closed too', '1', '00:10', 1), pg_temp.then('closed year', '1', '00:10', 1), pg_temp.then('closed hours', '1', '00:10', 1));
SELECT meter.close_windows(:org) > 0 AS closed;
SELECT * FROM pg_temp.send(pg_temp.then('closed', '2', '00:20', 10), pg_temp.then('closed too', '2', '00:20', 10), pg_temp.then('closed year', '2', '00:20', 10), pg_temp.then('closed hours', '2', '00:20', 10),
	pg_temp.then('closed', '3', '05:00', 100));
SELECT * FROM pg_temp.results('closed', 'closed-beside', 'closed-year', 'closed-hours');
-- as a single report, too
SELECT * FROM pg_temp.send(pg_temp.then('closed', '4', '00:30', 1000));
SELECT * FROM pg_temp.results('closed') WHERE revision > 1;
