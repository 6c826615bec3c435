-- weighted_sum: the mean of a level over a window's real time.
\set VERBOSITY terse
SET client_min_messages = warning;
SET timezone = 'UTC';
SELECT meter.create_store();
SELECT meter.create_organization('weighted', 'd0000000-0000-0000-0000-000000000001') AS org \gset
SELECT meter.create_meter(:'org', d::jsonb) ->> 'key' FROM unnest(ARRAY[
	'{"key": "storage", "metric_key": "disk", "function": "weighted_sum", "value_field": "gb", "negative_allowed": true, "dimensions": {"zone": "zone"}, "function_options": {"mode": "delta"}}',
	'{"key": "seats", "metric_key": "seat", "function": "weighted_sum", "value_field": "n", "dimensions": {"plan": "plan"}, "function_options": {"mode": "gauge"}}']) AS d;
-- March has 31 days: 1000 for 27 of them
SELECT status FROM meter.ingest(:'org', '{"id": "1", "source": "t", "type": "disk", "subject": "acme", "time": "2025-03-05T00:00:00Z", "data": {"gb": 1000, "zone": "a"}}');
SELECT round(value, 6) AS value, event_count FROM meter.usage(:'org', 'storage', '2025-03-01', '2025-04-01', 'acme');
-- it is still there in April, and before it there was nothing
SELECT window_start, round(value, 6) AS value, event_count
	FROM meter.usage(:'org', 'storage', '2025-02-01', '2025-06-01', 'acme', 'month');
-- a range that begins later, at any time, carries in what was before
SELECT value, event_count FROM meter.usage(:'org', 'storage', '2025-04-01', '2025-05-01', 'acme');
SELECT value, event_count FROM meter.usage(:'org', 'storage', '2025-03-05 00:00:01', '2025-03-05 00:00:02', 'acme');
SELECT value, event_count FROM meter.usage(:'org', 'storage', '2025-03-04 23:59:59', '2025-03-05 00:00:01', 'acme');
SELECT value, event_count FROM meter.usage(:'org', 'storage', '2035-01-01', '2036-01-01', 'acme');
-- days of 23 and 25 hours, and a change in the middle of each
SELECT status, count(*) FROM meter.ingest(:'org', '[
	{"id": "2", "source": "t", "type": "disk", "subject": "la", "time": "2025-03-09T08:00:00Z", "data": {"gb": 23}},
	{"id": "3", "source": "t", "type": "disk", "subject": "la", "time": "2025-03-10T06:00:00Z", "data": {"gb": -23}},
	{"id": "4", "source": "t", "type": "disk", "subject": "la", "time": "2025-11-02T07:00:00Z", "data": {"gb": 25}},
	{"id": "5", "source": "t", "type": "disk", "subject": "la", "time": "2025-11-03T07:00:00Z", "data": {"gb": -25}}]') GROUP BY 1;
SELECT window_start, value FROM meter.usage(:'org', 'storage', '2025-03-08 08:00', '2025-03-11 07:00', 'la', 'day', time_zone => 'America/Los_Angeles');
SELECT window_start, value FROM meter.usage(:'org', 'storage', '2025-11-01 07:00', '2025-11-04 08:00', 'la', 'day', time_zone => 'America/Los_Angeles');
-- a subject that never was has no level, one that went back to nothing has 0
SELECT value, event_count FROM meter.usage(:'org', 'storage', '2025-04-01', '2025-05-01', 'nobody');
SELECT value, event_count FROM meter.usage(:'org', 'storage', '2025-04-01', '2025-05-01', 'la');
-- grouped, a group has rows where it has events or a level
SELECT window_start, subject, round(value, 6) AS value, event_count
	FROM meter.usage(:'org', 'storage', '2025-02-01', '2025-05-01', window_size => 'month', group_by => '{subject}');
SELECT window_start, dimensions, subject, round(value, 6) AS value
	FROM meter.usage(:'org', 'storage', '2025-03-01', '2025-05-01', window_size => 'month', group_by => '{zone,subject}');
-- the mean of the whole is the sum of the means
SELECT bool_and(round(whole.value, 10) = round(parts.value, 10)) FROM
	meter.usage(:'org', 'storage', '2025-02-01', '2025-12-01', window_size => 'week') AS whole
	JOIN (SELECT window_start, sum(value) AS value FROM meter.usage(:'org', 'storage', '2025-02-01', '2025-12-01', window_size => 'week', group_by => '{subject}') GROUP BY 1) AS parts
		USING (window_start) WHERE whole.value <> 0;

-- Gauge: each value is the level.
SELECT status, count(*) FROM meter.ingest(:'org', '[
	{"id": "1", "source": "t", "type": "seat", "subject": "acme", "time": "2024-01-10T00:00:00Z", "data": {"n": 7, "plan": "old"}},
	{"id": "2", "source": "t", "type": "seat", "subject": "acme", "time": "2025-02-27T12:03:00Z", "data": {"n": 10, "plan": "pro"}},
	{"id": "3", "source": "t", "type": "seat", "subject": "acme", "time": "2025-02-27T12:08:00Z", "data": {"n": 20, "plan": "pro"}},
	{"id": "4", "source": "t", "type": "seat", "subject": "acme", "time": "2025-03-16T00:00:00Z", "data": {"n": 51, "plan": "pro"}},
	{"id": "5", "source": "t", "type": "seat", "subject": "gone", "time": "2020-06-01T00:00:00Z", "data": {"n": 3, "plan": "old"}},
	{"id": "6", "source": "t", "type": "seat", "subject": "gone", "time": "2020-07-01T00:00:00Z", "data": {"n": 0, "plan": "old"}}]') GROUP BY 1;
-- (20 * 15 + 51 * 16) / 31
SELECT window_start, value, event_count FROM meter.usage(:'org', 'seats', '2025-03-01', '2025-05-01', 'acme', 'month');
-- the last value before may be near, in the same quarter of an hour, or far
SELECT value FROM meter.usage(:'org', 'seats', '2025-02-27 12:05', '2025-02-27 12:07', 'acme');
SELECT value FROM meter.usage(:'org', 'seats', '2025-02-27 12:05', '2025-02-27 12:11', 'acme');
SELECT value FROM meter.usage(:'org', 'seats', '2025-02-01', '2025-02-02', 'acme');
SELECT value FROM meter.usage(:'org', 'seats', '2032-02-01', '2032-02-02', 'acme');
SELECT value FROM meter.usage(:'org', 'seats', '2024-01-01', '2024-01-02', 'acme');
SELECT dimensions, value, event_count FROM meter.usage(:'org', 'seats', '2025-04-01', '2025-05-01', group_by => '{plan}');
-- one whose level is nothing has no rows
SELECT subject, dimensions, value FROM meter.usage(:'org', 'seats', '2025-04-01', '2025-05-01', group_by => '{plan,subject}');
SELECT subject, dimensions, value FROM meter.usage(:'org', 'seats', '2020-06-01', '2020-07-01', group_by => '{plan,subject}');

-- The same as from the raw events, by meter.time_weighted.
SELECT status, count(*) FROM meter.ingest(:'org', (
	SELECT json_agg(json_build_object('id', 'r' || i, 'source', 't', 'type', type, 'subject', 's' || i % 3,
		'time', '2025-06-01T00:00:00Z'::timestamptz + i * i % 997 * interval '1 hour' + i * interval '77.7 seconds',
		'data', json_build_object('gb', i % 17 - 8 + 0.25, 'n', i % 17, 'zone', 'z' || i % 2)))
	FROM generate_series(1, 400) AS i, unnest('{disk,seat}'::text[]) AS type)) GROUP BY 1;
CREATE TEMPORARY TABLE raw_events AS SELECT meter, s.subject, value, "time"
	FROM unnest('{storage,seats}'::text[]) AS meter, unnest('{s0,s1,s2}'::text[]) AS s(subject),
		meter.explain_usage(:'org', meter, '-infinity', 'infinity', s.subject, page_size => 10000);
SELECT m.meter, w.size, count(*), bool_and(round(u.value, 12) = round(raw.value, 12)) AS right
FROM (VALUES ('storage', 'delta'), ('seats', 'gauge')) AS m (meter, mode),
	(VALUES ('hour', '2025-06-03 04:05:06'::timestamptz, '2025-06-09 10:11:12'::timestamptz), ('day', '2025-05-20', '2025-07-20'), ('month', '2025-05-11', '2026-01-01')) AS w (size, f, t),
	unnest('{s0,s1,s2}'::text[]) AS s,
	LATERAL meter.usage(:'org', m.meter, w.f, w.t, s, w.size) AS u,
	LATERAL (SELECT meter.time_weighted(value, "time", u.window_start, u.window_end, m.mode) AS value
		FROM raw_events AS e WHERE e.meter = m.meter AND e.subject = s AND e."time" < u.window_end) AS raw
WHERE u.value IS NOT NULL OR raw.value IS NOT NULL
GROUP BY 1, 2 ORDER BY 1, 2;

-- A level goes through versions; one of another unit begins anew.
SELECT meter.create_meter(:'org', '{"key": "pool", "metric_key": "pool", "function": "weighted_sum", "value_field": "n"}') ->> 'key';
SELECT status FROM meter.ingest(:'org', '{"id": "1", "source": "t", "type": "pool", "subject": "acme", "time": "2025-01-01T00:00:00Z", "data": {"n": 5}}');
SELECT meter.update_meter(:'org', 'pool', '{"window": {"size": "day"}}') ->> 'version';
SELECT version, value FROM meter.usage(:'org', 'pool', '2025-02-01', now() + '1 year', 'acme');
SELECT meter.update_meter(:'org', 'pool', '{"unit_label": "GB"}') ->> 'version';
SELECT version, value FROM meter.usage(:'org', 'pool', '2025-02-01', now() + '1 year', 'acme');

-- What is refused.
SELECT * FROM meter.usage(:'org', 'storage', '-infinity', '2025-04-01', 'acme');
SELECT * FROM meter.usage(:'org', 'storage', '2025-03-01', 'infinity', 'acme');
SELECT value FROM meter.usage(:'org', 'storage', '2025-04-01', '2025-04-01', 'acme');

-- Recurring profiles: a window's value is over all that came until its end.
SELECT meter.create_meter(:'org', '{"key": "users", "metric_key": "user", "function": "sum", "value_field": "n", "negative_allowed": true, "dimensions": {"team": "team"}, "profiles": [
	{"code": "total", "name": "Total", "recurring": true, "aggregation_property": "n", "aggregation_method": "sum"},
	{"code": "known", "name": "Known", "recurring": true, "aggregation_property": "team", "aggregation_method": "unique_count"},
	{"code": "last", "name": "Last", "recurring": true, "aggregation_property": "n", "aggregation_method": "latest"},
	{"code": "peak", "name": "Peak", "recurring": true, "aggregation_property": "n", "aggregation_method": "max"}]}') ->> 'key';
SELECT status, count(*) FROM meter.ingest(:'org', '[
	{"id": "1", "source": "t", "type": "user", "subject": "acme", "time": "2025-01-10T00:00:00Z", "data": {"n": 5, "team": "a"}},
	{"id": "2", "source": "t", "type": "user", "subject": "acme", "time": "2025-01-20T00:05:00Z", "data": {"n": 3, "team": "b"}},
	{"id": "3", "source": "t", "type": "user", "subject": "acme", "time": "2025-03-10T00:00:00Z", "data": {"n": -6, "team": "b"}},
	{"id": "4", "source": "t", "type": "user", "subject": "acme", "time": "2025-05-10T00:00:00Z", "data": {"n": 1, "team": "c"}},
	{"id": "5", "source": "t", "type": "user", "subject": "gone", "time": "2025-01-10T00:00:00Z", "data": {"n": 4, "team": "a"}},
	{"id": "6", "source": "t", "type": "user", "subject": "gone", "time": "2025-02-10T00:00:00Z", "data": {"n": -4, "team": "a"}}]') GROUP BY 1;
SELECT window_start, plain.value AS plain, total.value AS total, known.value AS known, last.value AS last, peak.value AS peak, plain.event_count
	FROM meter.usage(:'org', 'users', '2024-12-01', '2025-07-01', 'acme', 'month') AS plain
	JOIN meter.usage(:'org', 'users', '2024-12-01', '2025-07-01', 'acme', 'month', profile => 'total') AS total USING (window_start)
	JOIN meter.usage(:'org', 'users', '2024-12-01', '2025-07-01', 'acme', 'month', profile => 'known') AS known USING (window_start)
	JOIN meter.usage(:'org', 'users', '2024-12-01', '2025-07-01', 'acme', 'month', profile => 'last') AS last USING (window_start)
	JOIN meter.usage(:'org', 'users', '2024-12-01', '2025-07-01', 'acme', 'month', profile => 'peak') AS peak USING (window_start);
-- whatever part of it is asked for
SELECT profile, window_start, value, event_count FROM unnest('{total,known,last,peak}'::text[]) AS profile,
	meter.usage(:'org', 'users', '2025-01-20 00:06', '2025-04-01', 'acme', 'month', profile => profile);
-- groups: one that is back at nothing has no rows
SELECT window_start, subject, value, event_count
	FROM meter.usage(:'org', 'users', '2025-02-01', '2025-05-01', window_size => 'month', group_by => '{subject}', profile => 'total');
SELECT subject, dimensions, value, event_count
	FROM meter.usage(:'org', 'users', '2025-04-01', '2025-05-01', group_by => '{subject,team}', profile => 'total');
SELECT value FROM meter.usage(:'org', 'users', '-infinity', 'infinity', 'acme', profile => 'total');
-- from the end of all to infinity
SELECT value FROM meter.usage(:'org', 'users', '2025-06-01', 'infinity', 'acme', profile => 'total');
