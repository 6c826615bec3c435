-- Usage: ranges, windows, zones, groups, filters, currencies and versions.
\set VERBOSITY terse
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
DO $$ BEGIN PERFORM meter.create_store(); END $$;
SELECT meter.create_organization('usage', '00000000-0000-0000-0000-0000000000a1');
\set org '''00000000-0000-0000-0000-0000000000a1'''
SELECT m ->> 'key' AS meter FROM unnest(ARRAY[
	'{"key": "tokens", "metric_key": "call", "function": "sum", "value_field": "n", "dimensions": {"model": "model", "a.b": "$.flag"}}',
	'{"key": "calls", "metric_key": "call", "function": "count", "window": {"size": "day", "count": 7, "time_zone": "Asia/Kolkata", "week_start": "sunday"}}',
	'{"key": "mean", "metric_key": "call", "function": "avg", "value_field": "n"}', '{"key": "least", "metric_key": "call", "function": "min", "value_field": "n"}',
	'{"key": "most", "metric_key": "call", "function": "max", "value_field": "n"}', '{"key": "last", "metric_key": "call", "function": "latest", "value_field": "n"}',
	'{"key": "users", "metric_key": "call", "function": "unique_count", "unique_by_field": "user"}',
	'{"key": "money", "metric_key": "paid", "function": "sum", "value_field": "n", "unit_currency_field": "cur", "dimensions": {"shop": "shop"}, "negative_allowed": true}']) AS definition,
	LATERAL meter.create_meter(:org, definition::jsonb) AS m;

-- one event: id, type, subject, time, data
CREATE FUNCTION pg_temp.send(type text, subject text, at timestamptz, data json) RETURNS text LANGUAGE sql AS $$
	SELECT status FROM meter.ingest('00000000-0000-0000-0000-0000000000a1', json_build_object('id', gen_random_uuid(), 'type', type, 'subject', subject, 'time', at, 'data', data))
$$;
SELECT count(*), string_agg(DISTINCT pg_temp.send('call', subject, at::timestamptz, data::json), ' ') FROM (VALUES
	('ada', '2025-01-31 23:59:59.999999Z', '{"n": 1, "model": "a", "user": "x"}'), ('ada', '2025-02-01 00:00:00Z', '{"n": 2, "model": "a", "user": "x", "flag": true}'),
	('ada', '2025-02-01 00:15:00Z', '{"n": 4.5, "model": "b", "user": "y"}'), ('bob', '2025-02-01 18:29:59Z', '{"n": 8, "model": "a", "user": "x"}'),
	('bob', '2025-02-01 18:30:00Z', '{"n": 16, "model": "b", "user": "z", "flag": 1.0}'), (NULL, '2025-02-14 10:14:59.999Z', '{"n": 32, "user": 1}'),
	('bob', '2025-02-14 10:15:00Z', '{"n": 64, "model": "b", "user": 1, "flag": 1}'), ('ada', '2025-03-01 00:00:00Z', '{"n": 128, "model": "a", "user": "x"}'),
	('ada', '2025-03-30 00:59:00Z', '{"n": 256, "model": "c", "user": "w"}'), ('ada', '2025-03-30 01:00:00Z', '{"n": 512, "model": "c", "user": "w"}')
) AS v (subject, at, data);
SELECT count(*), string_agg(DISTINCT pg_temp.send('paid', subject, at::timestamptz, data::json), ' ') FROM (VALUES
	('ada', '2025-01-01 00:00Z', '{"n": 0.1, "cur": "EUR", "shop": 1}'), ('ada', '2025-01-01 00:00Z', '{"n": 0.2, "cur": "EUR", "shop": 2}'), ('ada', '2025-01-01 00:00Z', '{"n": 10, "cur": "JPY", "shop": 1}'),
	('bob', '2025-01-02 00:00Z', '{"n": -5, "cur": "EUR", "shop": 1}'), ('bob', '2025-01-02 00:00Z', '{"n": 5.00, "cur": "EUR", "shop": 1}')) AS v (subject, at, data);

--
-- Ranges are half-open, and may cut where they like
--
SELECT f, t, u.window_start::text = f AND u.window_end::text = t AS bounds, u.subject, u.dimensions, u.currency, u.version, u.value, u.event_count FROM (VALUES
	('2025-02-01 00:00:00+00', '2025-03-01 00:00:00+00'), ('2025-02-01 00:00:00.000001+00', '2025-03-01 00:00:00+00'), ('2025-02-01 00:00:00+00', '2025-03-01 00:00:00.000001+00'),
	('2025-01-31 23:59:59.999999+00', '2025-02-01 00:00:00+00'), ('2025-02-01 00:07:00+00', '2025-02-01 18:30:00.000001+00'), ('2025-02-14 10:14:59.999+00', '2025-02-14 10:15:00+00'),
	('2025-02-14 10:14:59.9995+00', '2025-02-14 10:14:59.9996+00'), ('2025-02-01 00:00:00+00', '2025-02-01 00:00:00+00'), ('2024-01-01 00:00:00+00', '2024-02-01 00:00:00+00'),
	('-infinity', 'infinity'), ('-infinity', '2025-02-01 00:00:00+00'), ('2025-03-01 00:00:00+00', 'infinity'), ('-infinity', '-infinity'), ('infinity', 'infinity'), ('-infinity', '2025-02-01 00:00:00.000001+00'),
	('2025-03-01 00:00:00+00', '294276-12-31 23:59:59+00'), ('4714-11-24 00:00:00+00 BC', '2025-02-01 00:00:00+00'), ('4000-01-01 00:00:00+00 BC', '250000-01-01 00:00:00+00')
) AS v (f, t), LATERAL meter.usage(:org, 'tokens', f::timestamptz, t::timestamptz) AS u;
-- every function, over some events, over none
SELECT meter, feb.value, feb.event_count, none.value AS none, none.event_count, all_time.value AS all_time
FROM unnest('{tokens,calls,mean,least,most,last,users}'::text[]) AS meter, LATERAL meter.usage(:org, meter, '2025-02-01Z', '2025-03-01Z') AS feb,
	LATERAL meter.usage(:org, meter, '2024-02-01Z', '2024-03-01Z') AS none, LATERAL meter.usage(:org, meter, '-infinity', 'infinity') AS all_time;

--
-- Windows: clipped to the range, empty ones shown
--
SELECT window_start, window_end, value, event_count FROM meter.usage(:org, 'tokens', '2025-01-15Z', '2025-04-10Z', window_size => 'month');
SELECT window_start, window_end, value FROM meter.usage(:org, 'most', '2025-02-14 09:30Z', '2025-02-14 11:30Z', window_size => 'hour');
SELECT count(*), sum(value), min(window_start), max(window_end), count(*) FILTER (WHERE value > 0) FROM meter.usage(:org, 'tokens', '2025-02-14 10:14:30Z', '2025-02-14 10:16:00Z', window_size => 'minute');
SELECT window_size, count(*), min(window_start), max(window_end), sum(value) FROM unnest('{minute,hour,day,week,month,quarter,year}'::text[]) AS window_size,
	LATERAL meter.usage(:org, 'tokens', '2025-01-31 20:00Z', '2025-03-02 00:00Z', window_size => window_size) GROUP BY 1 ORDER BY 2 DESC;
-- zones off the hour, and days of 23, 25 and 24 hours; the meter's own zone and week where none is given
SELECT zone, window_start, window_end, value FROM unnest('{Asia/Kolkata,Pacific/Chatham,America/St_Johns}'::text[]) AS zone,
	LATERAL meter.usage(:org, 'tokens', '2025-02-01 00:00Z', '2025-02-02 12:00Z', window_size => 'day', time_zone => zone);
SELECT window_end - window_start AS length, value FROM meter.usage(:org, 'tokens', '2025-03-28 23:00Z', '2025-03-30 22:00Z', window_size => 'day', time_zone => 'Europe/Berlin');
SELECT window_start, window_end, value FROM meter.usage(:org, 'calls', '2025-02-01 00:00Z', '2025-02-09 00:00Z', window_size => 'week');
SELECT window_start, window_end, value FROM meter.usage(:org, 'calls', '2025-02-01 00:00Z', '2025-02-03 00:00Z', window_size => 'day');
SELECT count(*) FROM meter.usage(:org, 'tokens', '2025-02-01Z', '2025-02-01Z', window_size => 'day');

--
-- Groups: only those with events; one subject; filters
--
SELECT subject, dimensions, value, event_count FROM meter.usage(:org, 'tokens', '2025-02-01Z', '2025-03-01Z', group_by => '{subject}');
SELECT subject, dimensions, value, event_count FROM meter.usage(:org, 'tokens', '2025-02-01Z', '2025-03-01Z', group_by => '{model,a.b}');
SELECT subject, dimensions, value FROM meter.usage(:org, 'tokens', '2025-02-01Z', '2025-03-01Z', group_by => '{model,subject,model}');
SELECT window_start::date, subject, dimensions, value FROM meter.usage(:org, 'tokens', '2025-01-01Z', '2025-05-01Z', window_size => 'month', group_by => '{model}', filter => '{"not": {"field": "model", "op": "eq", "value": "a"}}');
SELECT u.subject, u.value, u.event_count FROM unnest('{ada,bob,nobody,""}'::text[]) AS s, LATERAL meter.usage(:org, 'tokens', '2025-01-31 23:59Z', '2025-02-14 10:15:00.5Z', subject => s) AS u;
SELECT subject, dimensions, value FROM meter.usage(:org, 'tokens', '-infinity', 'infinity', subject => 'bob', group_by => '{model}');
SELECT filter, u.value FROM unnest(ARRAY['{"field": "subject", "op": "eq", "value": "ada"}', '{"field": "subject", "op": "exists", "value": false}', '{"field": "$.\"a.b\"", "op": "exists"}',
	'{"field": "$.\"a.b\"", "op": "eq", "value": 1}', '{"and": [{"field": "model", "op": "in", "value": ["a", "b"]}, {"field": "subject", "op": "neq", "value": "ada"}]}', '{"field": "model", "op": "eq", "value": "none"}',
	'{"field": "model", "op": "matches", "value": "^[bc]$"}']) AS filter, LATERAL meter.usage(:org, 'tokens', '2025-02-01 00:00:00.5Z', 'infinity', filter => filter::jsonb) AS u;

--
-- Currencies: one total each, never a sum across
--
SELECT currency, value, event_count FROM meter.usage(:org, 'money', '2025-01-01Z', '2025-02-01Z');
SELECT window_start::date, currency, value FROM meter.usage(:org, 'money', '2025-01-01Z', '2025-01-04Z', window_size => 'day');
SELECT subject, dimensions, currency, value FROM meter.usage(:org, 'money', '2025-01-01Z', '2025-02-01Z', group_by => '{subject,shop}');

--
-- Versions: one row where function, unit and window agree, else a row each, cut at the boundary
--
DO $$ BEGIN
	PERFORM meter.update_meter('00000000-0000-0000-0000-0000000000a1', 'tokens', '{"dimensions": {"model": "model"}, "negative_allowed": true}');
	PERFORM meter.update_meter('00000000-0000-0000-0000-0000000000a1', 'tokens', '{"function": "max", "unit_label": "token"}');
	PERFORM meter.update_meter('00000000-0000-0000-0000-0000000000a1', 'tokens', '{"window": {"size": "day"}}');
	-- at times that this test can know
	UPDATE meter.meter_version AS v SET effective_from = r.f::timestamptz, effective_to = r.t::timestamptz FROM (VALUES (1, '-infinity', '2025-05-01Z'), (2, '2025-05-01Z', '2025-05-10 12:07Z'),
		(3, '2025-05-10 12:07Z', '2025-05-20Z'), (4, '2025-05-20Z', 'infinity')) AS r (version, f, t)
	WHERE v.version = r.version AND meter_no = (SELECT meter_no FROM meter.meter WHERE key = 'tokens' AND organization_id = '00000000-0000-0000-0000-0000000000a1');
END $$;
SELECT at, pg_temp.send('call', 'ada', at::timestamptz, json_build_object('n', n, 'model', 'a', 'user', 'x')) FROM (VALUES ('2025-04-30 23:59:59.999999Z', 1), ('2025-05-01 00:00Z', -2), ('2025-05-10 12:06:59Z', 4),
	('2025-05-10 12:07Z', 8), ('2025-05-10 12:07:30Z', 16), ('2025-05-20 00:00Z', 32), ('2025-06-20 00:00Z', 64), ('2025-04-01 00:00Z', -128)) AS v (at, n);
SELECT window_start, window_end, version, value, event_count FROM meter.usage(:org, 'tokens', '2025-04-01Z', '2025-07-01Z');
SELECT window_start, window_end, version, value, event_count FROM meter.usage(:org, 'tokens', '2025-04-01Z', '2025-05-10 12:06:59.5Z');
SELECT window_start, window_end, version, value FROM meter.usage(:org, 'tokens', '2025-05-10Z', '2025-05-11Z', window_size => 'hour') WHERE window_start >= '2025-05-10 11:00Z' AND window_end <= '2025-05-10 14:00Z';
SELECT window_start, window_end, version, subject, dimensions, value FROM meter.usage(:org, 'tokens', '2025-04-15Z', '2025-06-01Z', group_by => '{subject,a.b}', window_size => 'month');
SELECT window_start, window_end, version, value FROM meter.usage(:org, 'tokens', '2025-05-20Z', '2025-05-20Z');

--
-- Arguments
--
\set VERBOSITY default
SELECT meter.usage(NULL, 'tokens', '2025-01-01Z', '2025-02-01Z');
SELECT meter.usage(:org, NULL, '2025-01-01Z', '2025-02-01Z');
SELECT meter.usage(:org, 'tokens', NULL, '2025-02-01Z');
SELECT meter.usage(:org, 'tokens', '2025-01-01Z', NULL);
SELECT meter.usage(:org, 'nothing', '2025-01-01Z', '2025-02-01Z');
SELECT meter.usage('00000000-0000-0000-0000-00000000dead', 'tokens', '2025-01-01Z', '2025-02-01Z');
SELECT meter.usage(:org, 'tokens', '2025-02-01Z', '2025-01-01Z');
SELECT meter.usage(:org, 'tokens', '2025-01-01Z', '2025-02-01Z', window_size => 'fortnight');
SELECT meter.usage(:org, 'tokens', '2025-01-01Z', '2025-02-01Z', window_size => 'billing_period');
SELECT meter.usage(:org, 'tokens', '-infinity', '2025-02-01Z', window_size => 'day');
SELECT meter.usage(:org, 'tokens', '2025-01-01Z', '20000-01-01Z', window_size => 'year');
SELECT meter.usage(:org, 'tokens', '0001-01-01Z', '9999-01-01Z', window_size => 'minute');
SELECT meter.usage(:org, 'tokens', '2025-01-01Z', '2025-02-01Z', time_zone => 'Mars/Olympus');
SELECT meter.usage(:org, 'tokens', '2025-01-01Z', '2025-02-01Z', group_by => '{colour}');
SELECT meter.usage(:org, 'calls', '2025-01-01Z', '2025-02-01Z', group_by => '{subject,NULL}');
SELECT meter.usage(:org, 'tokens', '2025-01-01Z', '2025-02-01Z', filter => '{"field": "colour", "op": "eq", "value": 1}');
SELECT meter.usage(:org, 'tokens', '2025-01-01Z', '2025-02-01Z', filter => '{"field": "model.x", "op": "eq", "value": 1}');
SELECT meter.usage(:org, 'tokens', '2025-01-01Z', '2025-02-01Z', filter => '{"and": [{"field": "model", "op": "like", "value": 1}]}');
SELECT meter.usage(:org, 'tokens', '2025-01-01Z', '2025-02-01Z', profile => 'p');
SELECT value FROM meter.usage(:org, 'tokens', '2025-02-01Z', '2025-03-01Z', NULL, NULL, NULL, NULL, NULL, NULL, NULL);
