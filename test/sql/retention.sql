-- Raw events go when they are past retention; usage stays what it was.
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
SET client_min_messages = warning;
SELECT meter.create_store();
-- in a schema of partitions as an installation of that time would have it
CREATE FUNCTION pg_temp.month_partition(month date) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE IF NOT EXISTS meter.event_%s PARTITION OF meter.event FOR VALUES FROM (%L) TO (%L)',
		to_char(month, 'YYYYMM'), month::timestamptz, (month + interval '1 month')::timestamptz);
END
$$;
SELECT pg_temp.month_partition('1990-02-01'), pg_temp.month_partition('1990-03-01');
CREATE TEMP TABLE org AS SELECT meter.create_organization('retention') AS id;
SELECT count(meter.create_meter(id, jsonb_build_object('key', f, 'metric_key', 'call', 'function', f, 'value_field', 'n', 'unique_by_field', 'n',
	'dimensions', '{"k": "$.k"}'::jsonb, 'window', '{"size": "day"}'::jsonb) - CASE WHEN f = 'unique_count' THEN 'value_field' ELSE 'unique_by_field' END))
	FROM org, unnest('{sum,max,unique_count,latest}'::text[]) AS f;
SELECT meter.create_meter(id, '{"key": "gauge", "metric_key": "call", "function": "weighted_sum", "value_field": "n",
	"function_options": {"mode": "gauge"}, "window": {"size": "day"}}') IS NOT NULL FROM org;
SELECT meter.create_meter(id, '{"key": "minutes", "metric_key": "call", "function": "sum", "value_field": "n", "window": {"size": "minute"}}') IS NOT NULL FROM org;
-- in a partition of its own, in another, and in the default one, before and after
SELECT count(*), min(status), max(status) FROM org, meter.ingest(id, (SELECT json_agg(json_build_object('id', i::text, 'source', 's', 'type', 'call', 'subject', 's' || i % 3,
	'time', timestamptz '1990-01-20 00:00+00' + i * interval '5 hours 7 minutes 3 seconds', 'data', json_build_object('n', i % 17, 'k', i % 2)))
	FROM generate_series(1, 500) AS i));

CREATE FUNCTION pg_temp.answers() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT format('%s %s total %s', m.key, r.a, u) FROM org, unnest('{sum,max,unique_count,latest,gauge,minutes}'::text[]) AS m(key),
		(VALUES ('1990-01-01', '1990-06-01'), ('1990-02-10 00:15', '1990-03-10 23:45')) AS r(a, b),
		meter.usage(id, m.key, r.a::timestamptz, r.b::timestamptz) AS u
	UNION ALL SELECT format('%s %s days %s', m.key, r.a, u) FROM org, unnest('{sum,max,unique_count,latest,gauge,minutes}'::text[]) AS m(key),
		(VALUES ('1990-01-01', '1990-06-01'), ('1990-02-10 00:15', '1990-03-10 23:45')) AS r(a, b),
		meter.usage(id, m.key, r.a::timestamptz, r.b::timestamptz, window_size => 'day', time_zone => 'Asia/Kolkata', group_by => '{subject}') AS u
	UNION ALL SELECT format('%s filter %s', m.key, u) FROM org, unnest('{sum,max,unique_count,latest}'::text[]) AS m(key),
		meter.usage(id, m.key, '1990-01-01', '1990-06-01', 's1', 'month', '{k}', '{"field": "k", "op": "eq", "value": 1}') AS u
$$;
CREATE TEMP TABLE before AS SELECT * FROM pg_temp.answers() AS answer;
SELECT count(*) > 1000 AS many FROM before;
CREATE FUNCTION pg_temp.months(OUT events bigint, OUT partitions text) LANGUAGE sql AS $$
	SELECT (SELECT count(*) FROM org, meter.events WHERE organization_id = org.id),
		(SELECT string_agg(inhrelid::regclass::text, ',' ORDER BY 1) FROM pg_inherits
			WHERE inhparent = 'meter.event'::regclass AND inhrelid::regclass::text LIKE 'meter.event_199%')
$$;

-- nothing goes while windows are open
SELECT meter.drop_partitions('30 years');
SELECT * FROM pg_temp.months();
-- ... or a revision waits
SELECT meter.close_windows(id) > 100 AS closed FROM org;
BEGIN;
INSERT INTO meter.revision_queue (organization_id, meter_id, time_from, time_to, every_subject, reason)
	SELECT org.id, m.id, '1990-02-10', '1990-02-11', true, 'test' FROM org JOIN meter.meter AS m ON m.organization_id = org.id WHERE m.key = 'max';
SELECT meter.drop_partitions('30 years');
SELECT * FROM pg_temp.months();
ROLLBACK;
-- or a job counts them anew
BEGIN;
INSERT INTO meter.reprocess_job (organization_id, meter_id, period_from, period_to, open_only, reason, created_by)
	SELECT org.id, m.id, '1990-02-10', '1990-03-11', false, 'test', 'test' FROM org JOIN meter.meter AS m ON m.organization_id = org.id WHERE m.key = 'max';
SELECT meter.drop_partitions('30 years');
SELECT * FROM pg_temp.months();
ROLLBACK;

SELECT meter.drop_partitions('30 years');
SELECT * FROM pg_temp.months();
SELECT period_from, period_to FROM meter.dropped_period WHERE period_from < '1991-01-01' ORDER BY 1;
SELECT meter.drop_partitions('30 years');
-- every answer is what it was
SELECT count(*) FROM before;
(TABLE before EXCEPT ALL SELECT * FROM pg_temp.answers()) UNION ALL (SELECT * FROM pg_temp.answers() EXCEPT ALL TABLE before);
SELECT meter.close_windows(id) FROM org;

-- what needs the events is refused, with the nearest bounds
SELECT * FROM org, meter.usage(id, 'sum', '1990-02-10 00:20', '1990-05-01');
SELECT * FROM org, meter.usage(id, 'sum', '1990-02-10 00:15', '1990-03-01 00:00:01');
SELECT * FROM org, meter.usage(id, 'sum', '1990-02-10 00:15', '1990-02-10 00:20', window_size => 'minute');
SELECT * FROM org, meter.explain_usage(id, 'sum', '1990-02-10', '1990-02-11');
SELECT value FROM org, meter.usage(id, 'sum', '1990-02-01', '1990-03-01', as_of => now());
SELECT meter.void_event(id, 'call', '150', 'wrong') FROM org;
-- a bound outside of that time may cut a quarter
SELECT value IS NOT NULL AS known FROM org, meter.usage(id, 'sum', '1990-02-10 00:15', '1990-06-01 00:20');

-- an event that comes for that time is counted, and makes revisions of windows of whole quarters
SELECT status FROM org, meter.ingest(id, '{"id": "late", "source": "s", "type": "call", "subject": "s1", "time": "1990-02-10T12:00:30Z", "data": {"n": 100, "k": 1}}');
SELECT m.key, r.window_start, r.revision > 1 AS revised, r.value, r.delta FROM org JOIN meter.window_results AS r ON r.organization_id = org.id
	JOIN meter.meter AS m ON m.id = r.meter_id WHERE r.reason IS NOT NULL AND m.key <> 'gauge' ORDER BY m.key, r.window_start;
SELECT meter.close_windows(id) > 0 AS gauge FROM org;
-- it cannot be taken back: a maximum would have to be read from the events
BEGIN;
SELECT meter.void_event(id, 'call', 'late', 'test') FROM org;
ROLLBACK;
-- counting anew leaves alone what it cannot see
CREATE TEMP TABLE behind AS SELECT * FROM pg_temp.answers() AS answer;
SELECT id FROM org \gset
CALL meter.reprocess(:'id', 'sum', '1990-01-01', '1990-06-01', 'try');
(TABLE behind EXCEPT ALL SELECT * FROM pg_temp.answers()) UNION ALL (SELECT * FROM pg_temp.answers() EXCEPT ALL TABLE behind);
-- and goes in turn
SELECT meter.drop_partitions('30 years');
SELECT count(*) FROM org JOIN meter.events ON organization_id = org.id;

-- an archived meter keeps nothing
SELECT meter.create_meter(id, '{"key": "old", "metric_key": "other", "function": "count", "window": {"size": "year", "count": 900}}') IS NOT NULL FROM org;
SELECT status FROM org, meter.ingest(id, '{"id": "o1", "source": "s", "type": "other", "time": "1991-02-10T12:00:30Z"}');
SELECT meter.close_windows(id), meter.drop_partitions('30 years') FROM org;
SELECT meter.archive_meter(id, 'old', 'test') IS NOT NULL FROM org;
SELECT meter.drop_partitions('30 years') FROM org;

SELECT meter.drop_partitions('0 days');
SELECT meter.drop_partitions(NULL);
DELETE FROM meter.dropped_period WHERE period_from < '1992-01-01';
