-- Windows that are over: results, revisions, and what is told of them.
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
SET client_min_messages = warning;
SELECT meter.create_store();
CREATE TEMP TABLE org AS SELECT meter.create_organization('closing') AS id;

CREATE FUNCTION pg_temp.meter_of(key text, type text, more jsonb) RETURNS void LANGUAGE sql AS $$
	SELECT meter.create_meter(org.id, jsonb_build_object('key', key, 'name', key, 'metric_key', type,
		'function', 'sum', 'value_field', '$.n') || more) FROM org
$$;
CREATE SEQUENCE pg_temp.event_number;
CREATE FUNCTION pg_temp.send(type text, subject text, at text, data jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT i.status FROM org, meter.ingest(org.id, json_build_object('id', nextval('pg_temp.event_number')::text,
		'source', 's', 'type', type, 'subject', subject, 'time', at, 'data', data)) AS i
$$;
CREATE FUNCTION pg_temp.results(meter text, OUT profile text, OUT window_start timestamptz, OUT window_end timestamptz,
	OUT subject text, OUT currency text, OUT version int, OUT revision int, OUT value numeric, OUT delta numeric,
	OUT event_count bigint, OUT reason text) RETURNS SETOF record LANGUAGE sql AS $$
	SELECT profile, window_start, window_end, subject, currency, version, revision, trim_scale(value), trim_scale(delta), event_count, reason
	FROM org JOIN meter.window_results ON organization_id = org.id WHERE meter_key = meter
	ORDER BY profile NULLS FIRST, window_start, window_end, subject, currency, version, revision
$$;

-- a day of local time, 23 hours long
SELECT pg_temp.meter_of('days', 'call', '{"window": {"size": "day", "time_zone": "Europe/Berlin"}}');
SELECT pg_temp.send('call', 'ada', '2025-03-29T23:00:00Z', '{"n": 1}'),
	pg_temp.send('call', 'ada', '2025-03-30T21:59:59Z', '{"n": 2.50}'),
	pg_temp.send('call', 'bob', '2025-03-30T12:00:00Z', '{"n": 4}'),
	pg_temp.send('call', NULL, '2025-03-30T12:00:00Z', '{"n": 8}'),
	pg_temp.send('call', 'ada', '2025-03-30T22:00:00Z', '{"n": 16}');
SELECT meter.close_windows(id) FROM org;
SELECT * FROM pg_temp.results('days');
-- once
SELECT meter.close_windows(id) FROM org;
SELECT aggregate_type, aggregate_id = m.id::text AS the_meter, event_type, payload - 'meter_id' AS payload
	FROM org JOIN meter.domain_event_outbox AS o ON o.organization_id = org.id
	JOIN meter.meter AS m ON m.organization_id = org.id WHERE event_type LIKE 'window.%' ORDER BY o.id;

-- an event that comes later makes a revision at once; what is as it was makes none
SELECT pg_temp.send('call', 'ada', '2025-03-30T10:00:00Z', '{"n": 0.5}'), pg_temp.send('call', 'cyd', '2025-03-30T10:00:00Z', '{"n": 32}');
SELECT * FROM pg_temp.results('days') WHERE subject IN ('ada', 'cyd');
SELECT event_type, payload - 'meter_id' AS payload FROM org JOIN meter.domain_event_outbox AS o ON o.organization_id = org.id
	WHERE event_type = 'window.revised' ORDER BY o.id;
-- so does one for a window that was closed empty, and one that changes nothing but the count
SELECT pg_temp.send('call', 'ada', '2024-12-31T10:00:00Z', '{"n": 3}'), pg_temp.send('call', 'bob', '2025-03-30T10:00:00Z', '{"n": 0}');
SELECT * FROM pg_temp.results('days') WHERE subject = 'bob' OR window_start < '2025-01-01';
SELECT meter.close_windows(id) FROM org;
-- many are left to the next closing
SELECT count(*), min(status), max(status) FROM org, meter.ingest(org.id, (SELECT json_agg(json_build_object('id', 'many' || i,
	'source', 's', 'type', 'call', 'subject', 'dan', 'time', timestamptz '2025-01-01 12:00+00' + i * interval '12 hours', 'data', json_build_object('n', i)))
	FROM generate_series(0, 199) AS i));
SELECT count(*) FROM pg_temp.results('days') WHERE subject = 'dan';
SELECT count(*) > 0 AS queued FROM org JOIN meter.revision_queue ON organization_id = org.id;
SELECT meter.close_windows(id) FROM org;
SELECT count(*), sum(value), sum(delta), sum(event_count), min(revision), max(revision), min(reason) FROM pg_temp.results('days') WHERE subject = 'dan';
SELECT count(*) AS queued FROM org JOIN meter.revision_queue ON organization_id = org.id;
SELECT meter.close_windows(id) FROM org;

-- windows of a minute, in pieces; and a call goes on where the last one ended
SELECT pg_temp.meter_of('minutes', 'tick', '{"window": {"size": "minute"}, "function": "count"}');
SELECT count(*) FROM org, meter.ingest(org.id, (SELECT json_agg(json_build_object('id', 'm' || i, 'source', 's', 'type', 'tick',
	'subject', 'ada', 'time', timestamptz '2025-01-01 00:00+00' + i * interval '20 seconds', 'data', '{}'::json))
	FROM generate_series(1, 300) AS i));
SELECT meter.close_windows(id) FROM org;
SELECT count(*), sum(value), min(value), max(value), min(window_start), max(window_end) FROM pg_temp.results('minutes');
SELECT count(*) AS differ FROM org, LATERAL (
	SELECT window_start, window_end, subject, value, event_count FROM pg_temp.results('minutes')
	EXCEPT ALL SELECT window_start, window_end, subject, value, event_count
	FROM meter.usage(org.id, 'minutes', '2025-01-01', '2025-01-02', window_size => 'minute', group_by => '{subject}')) AS d;

-- each profile has windows of its own; the level of a gauge persists where there are no events
SELECT pg_temp.meter_of('gauge', 'level', '{"function": "weighted_sum", "function_options": {"mode": "gauge"},
	"window": {"size": "day"}, "profiles": [
	{"code": "peak", "aggregation_method": "max", "aggregation_property": "n", "aggregation_time_window": "hour"},
	{"code": "kinds", "aggregation_method": "unique_count", "aggregation_property": "kind", "aggregation_time_window": "month"}]}');
SELECT pg_temp.send('level', 'ada', '2025-02-01T06:00:00Z', '{"n": 8, "kind": "a"}'),
	pg_temp.send('level', 'ada', '2025-02-03T18:00:00Z', '{"n": 0, "kind": "b"}');
-- a call goes on where the last one ended
SELECT meter.close_windows(id, 1), meter.close_windows(id, 1), meter.close_windows(id), meter.close_windows(id) FROM org;
SELECT * FROM pg_temp.results('gauge');
-- a late event goes on into the windows behind it, where values persist
SELECT pg_temp.send('level', 'ada', '2025-02-01T12:00:00Z', '{"n": 4, "kind": "a"}');
SELECT meter.close_windows(id), meter.close_windows(id) FROM org;
SELECT * FROM pg_temp.results('gauge') WHERE revision > 1 OR reason IS NOT NULL;

-- one currency, one total
SELECT pg_temp.meter_of('cost', 'sale', '{"window": {"size": "day"}, "unit_currency_field": "$.cur"}');
SELECT pg_temp.send('sale', 'ada', '2025-02-01T06:00:00Z', '{"n": 8, "cur": "EUR"}'),
	pg_temp.send('sale', 'ada', '2025-02-01T06:00:00Z', '{"n": 5, "cur": "USD"}');
SELECT meter.close_windows(id) FROM org;
SELECT * FROM pg_temp.results('cost');

-- two versions: a window that they share is one, if their values can be added up, else one is written for each
SELECT pg_temp.meter_of('shared', 'v', '{"window": {"size": "day"}, "effective_at": "2025-01-01T00:00:00Z"}'),
	pg_temp.meter_of('changed', 'v', '{"window": {"size": "day"}, "effective_at": "2025-01-01T00:00:00Z"}'),
	pg_temp.meter_of('cut', 'v', '{"window": {"size": "day"}, "effective_at": "2025-01-01T00:00:00Z"}');
SELECT meter.update_meter(id, 'shared', '{"description": "x", "effective_at": "2025-01-02T12:00:00Z", "reprocess": true}') IS NOT NULL,
	meter.update_meter(id, 'changed', '{"function": "max", "effective_at": "2025-01-02T12:00:00Z", "reprocess": true}') IS NOT NULL,
	meter.update_meter(id, 'cut', '{"window": {"size": "hour"}, "effective_at": "2025-01-02T12:00:00Z", "reprocess": true}') IS NOT NULL FROM org;
SELECT pg_temp.send('v', 'ada', t, '{"n": 3}') FROM (VALUES ('2025-01-01T12:00:00Z'), ('2025-01-02T11:59:59Z'), ('2025-01-02T12:00:00Z'),
	('2025-01-02T12:30:00Z'), ('2025-01-03T00:00:00Z')) AS v(t);
SELECT meter.close_windows(id) FROM org;
SELECT * FROM pg_temp.results('shared');
SELECT * FROM pg_temp.results('changed');
SELECT * FROM pg_temp.results('cut');

-- billing periods: of a subscription where there is one, else calendar months
SELECT pg_temp.meter_of('billed', 'bill', '{"window": {"size": "billing_period"}}');
SELECT meter.create_customer(id, '{"id": "ada", "name": "Ada", "aliases": ["ada2"]}') IS NOT NULL FROM org;
SELECT meter.create_subscription(id, '{"customer": "ada", "started_at": "2025-01-10T00:00:00Z", "ended_at": "2025-03-01T00:00:00Z",
	"period": {"size": "month", "count": 1}, "anchor": "2025-01-10T00:00:00Z", "time_zone": "UTC"}') IS NOT NULL FROM org;
SELECT count(pg_temp.send('bill', s, t, '{"n": 1}')) FROM unnest('{ada,ada2,bob}'::text[]) AS s,
	unnest('{2025-01-05T00:00:00Z,2025-01-20T00:00:00Z,2025-02-09T23:00:00Z,2025-02-10T00:00:00Z,2025-03-05T00:00:00Z}'::text[]) AS t;
SELECT meter.close_windows(id) FROM org;
SELECT * FROM pg_temp.results('billed');
SELECT pg_temp.send('bill', 'ada', '2025-02-15T00:00:00Z', '{"n": 1}'), pg_temp.send('bill', 'bob', '2025-02-15T00:00:00Z', '{"n": 1}');
SELECT * FROM pg_temp.results('billed') WHERE reason IS NOT NULL;

-- what is taken back, or put in its place, makes revisions; a window may end up empty
SELECT pg_temp.meter_of('taken', 'take', '{"window": {"size": "day"}, "profiles": [
	{"code": "most", "aggregation_method": "max", "aggregation_property": "n", "aggregation_time_window": "day"}]}');
SELECT count(*) FROM org, meter.ingest(id, '[{"id": "t1", "source": "s", "type": "take", "subject": "ada", "time": "2025-02-01T06:00:00Z", "data": {"n": 8}},
	{"id": "t2", "source": "s", "type": "take", "subject": "ada", "time": "2025-02-02T06:00:00Z", "data": {"n": 4}},
	{"id": "t3", "source": "s", "type": "take", "subject": "ada", "time": "2025-02-02T07:00:00Z", "data": {"n": 5}}]');
SELECT meter.close_windows(id) FROM org;
SELECT meter.void_event(id, 'take', 't1', 'twice') IS NOT NULL FROM org;
SELECT meter.amend_event(id, 'take', 't3', 'wrong', '{"n": 1}') IS NOT NULL FROM org;
SELECT * FROM pg_temp.results('taken');

-- what is archived has no windows behind that, also where values would persist
SELECT pg_temp.meter_of('done', 'do', '{"function": "weighted_sum", "function_options": {"mode": "gauge"}, "window": {"size": "day"}}');
SELECT pg_temp.send('do', 'ada', '2025-02-01T06:00:00Z', '{"n": 8}');
SELECT meter.archive_meter(id, 'done', 'test') IS NOT NULL FROM org;
UPDATE meter.meter SET archived_at = '2025-02-02T10:00:00Z' FROM org WHERE organization_id = org.id AND key = 'done';
SELECT meter.close_windows(id), meter.close_windows(id) FROM org;
SELECT * FROM pg_temp.results('done');

-- what is not over stays open, and a profile's window may be over before the definition's
SELECT pg_temp.meter_of('open', 'now', '{"window": {"size": "year", "count": 1000}, "profiles": [
	{"code": "daily", "aggregation_method": "sum", "aggregation_property": "n", "aggregation_time_window": "day"}]}');
SELECT pg_temp.send('now', 'ada', '2025-02-01T06:00:00Z', '{"n": 8}');
SELECT meter.close_windows(id) FROM org;
SELECT pg_temp.send('now', 'ada', '2025-02-01T06:00:00Z', '{"n": 8}');
SELECT * FROM pg_temp.results('open');
SELECT meter.close_windows(id) FROM org;

-- what cannot be
SELECT meter.close_windows(max_windows => 0);
SELECT meter.close_windows('00000000-0000-4000-8000-00000000dead');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT meter.close_windows();
ROLLBACK;
-- under one snapshot revisions are left to the next closing
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT pg_temp.send('call', 'eve', '2025-03-30T10:00:00Z', '{"n": 0.5}');
COMMIT;
SELECT meter.close_windows(id) FROM org;
SELECT * FROM pg_temp.results('days') WHERE subject = 'eve';
-- a transaction that ingested sees what it did
BEGIN;
SELECT pg_temp.send('tick', 'eve', '2025-06-30T10:00:00Z', '{}');
SELECT pg_temp.meter_of('late', 'x', '{"window": {"size": "minute"}}');
SELECT pg_temp.send('x', 'eve', '2025-06-30T10:00:00Z', '{"n": 1}');
SELECT meter.close_windows(id) FROM org;
SELECT * FROM pg_temp.results('late');
ROLLBACK;
SELECT pg_temp.send('tick', 'eve', '2025-06-30T10:00:00Z', '{}');
SELECT * FROM pg_temp.results('minutes') WHERE subject = 'eve';
