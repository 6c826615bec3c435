-- The events behind a number.
\set VERBOSITY terse
SET client_min_messages = warning;
SET timezone = 'UTC';
SELECT meter.create_store();
SELECT meter.create_organization('explain', 'e0000000-0000-0000-0000-000000000001') AS org \gset
SELECT meter.create_meter(:'org', d::jsonb) ->> 'key' FROM unnest(ARRAY[
	'{"key": "miles", "metric_key": "trip", "function": "sum", "value_field": "miles", "negative_allowed": true, "dimensions": {"car": "car"}}',
	'{"key": "trips", "metric_key": "trip", "function": "count", "dimensions": {"car": "car"}, "filter_tree": {"field": "miles", "op": "gt", "value": 0}}',
	'{"key": "cars", "metric_key": "trip", "function": "unique_count", "unique_by_field": "car"}',
	'{"key": "fares", "metric_key": "trip", "function": "sum", "value_field": "fare", "unit_currency_field": "currency"}',
	'{"key": "other", "metric_key": "other", "function": "count"}']) AS d;
-- Two batches whose times overlap, ties among them, and some of another type.
SELECT status, count(*) FROM generate_series(0, 1) AS batch, meter.ingest(:'org', (
	SELECT json_agg(json_build_object('id', format('%s/%s', batch, i), 'source', 'test', 'subject', 's' || i % 7,
		'type', CASE WHEN i % 11 = 0 THEN 'other' ELSE 'trip' END,
		'time', '2025-01-01T00:00:00Z'::timestamptz + i % 400 * interval '17 minutes',
		'data', json_build_object('miles', i % 13 - 2, 'car', 'car' || i % 5, 'fare', i * 0.1,
			'currency', CASE WHEN i % 2 = 0 THEN 'EUR' ELSE 'USD' END)))
	FROM generate_series(1, 1000) AS i)) GROUP BY 1 ORDER BY 1;
SELECT meter.create_customer(:'org', '{"name": "Fleet", "code": "fleet", "aliases": ["s1", "s2"]}') ->> 'code';

-- The first rows.
SELECT "time", type, source, id, subject, dimensions, currency, version, value, unique_key, data
	FROM meter.explain_usage(:'org', 'miles', '2025-01-02', '2025-01-03', page_size => 3);

-- All pages of a question, one after another.
CREATE FUNCTION pg_temp.pages(organization_id uuid, meter text, period_from timestamptz, period_to timestamptz,
	subject text, filter jsonb, page_size int)
	RETURNS TABLE (page int, "time" timestamptz, seq bigint, currency text, value numeric, unique_key text)
	LANGUAGE plpgsql AS $$
DECLARE
	last record;
	n int;
BEGIN
	page := 0;
	LOOP
		page := page + 1;
		n := 0;
		FOR last IN SELECT * FROM meter.explain_usage($1, $2, $3, $4, $5, $6, after_time => pages."time",
				after_seq => pages.seq, page_size => $7) LOOP
			n := n + 1;
			"time" := last."time"; seq := last.seq; currency := last.currency; value := last.value; unique_key := last.unique_key;
			RETURN NEXT;
		END LOOP;
		EXIT WHEN n < $7;
	END LOOP;
END $$;
CREATE TEMPORARY TABLE questions (meter text, period_from timestamptz, period_to timestamptz, subject text, filter jsonb);
INSERT INTO questions
	SELECT meter, period_from::timestamptz, period_to::timestamptz, subject, filter::jsonb
	FROM unnest('{miles,trips,fares,cars}'::text[]) AS meter,
		(VALUES ('-infinity', 'infinity'), ('2025-01-01 00:17:00', '2025-01-03 04:00:00.5'), ('2025-01-02', '2025-01-02')) AS r (period_from, period_to),
		unnest('{NULL,s3,fleet,nobody}'::text[]) AS subject,
		unnest(ARRAY[NULL, '{"field": "car", "op": "in", "value": ["car1", "car3"]}', '{"field": "subject", "op": "neq", "value": "s1"}']) AS filter
	WHERE filter IS NULL OR filter !~ 'car' OR meter IN ('miles', 'trips');
-- The sum of the rows is the number, whatever the page; nothing comes twice; order is kept.
SELECT q.meter, page_size, count(*) AS questions, sum(p.n) AS rows, max(p.pages) AS pages,
	bool_and(p.n = u.n AND p.value IS NOT DISTINCT FROM u.value AND p.ordered AND p.n = p.different) AS right
FROM questions AS q, unnest('{37,10000}'::int[]) AS page_size,
	LATERAL (SELECT count(*) AS n, max(page) AS pages, count(DISTINCT seq) AS different,
			coalesce(CASE WHEN q.meter = 'cars' THEN count(DISTINCT unique_key) ELSE sum(value) END, 0) AS value,
			coalesce(bool_and(ordered), true) AS ordered
		FROM (SELECT *, ("time", seq) > lag(("time", seq)) OVER () IS NOT FALSE AS ordered
			FROM pg_temp.pages(:'org', q.meter, q.period_from, q.period_to, q.subject, q.filter, page_size)) AS p) AS p,
	LATERAL (SELECT sum(event_count) AS n, sum(value) AS value
		FROM meter.usage(:'org', q.meter, q.period_from, q.period_to, q.subject, filter => q.filter)) AS u
GROUP BY 1, 2 ORDER BY 1, 2;
-- each currency by itself
SELECT e.currency, e.value = u.value AS right, e.n = u.event_count AS counted
FROM (SELECT currency, sum(value) AS value, count(*) AS n
	FROM meter.explain_usage(:'org', 'fares', '-infinity', 'infinity', page_size => 10000) GROUP BY 1) AS e
JOIN meter.usage(:'org', 'fares', '-infinity', 'infinity') AS u USING (currency) ORDER BY 1;

-- A change of the definition: each event as the version that counted it saw it.
SELECT meter.update_meter(:'org', 'trips', '{"function": "sum", "value_field": "miles"}') ->> 'version';
SELECT status FROM meter.ingest(:'org', '{"id": "late", "source": "test", "subject": "s1", "type": "trip", "data": {"miles": 5, "fare": 1, "currency": "EUR", "car": "x"}}');
SELECT version, count(*), sum(value) FROM meter.explain_usage(:'org', 'trips', '-infinity', 'infinity', 's1', page_size => 10000) GROUP BY 1 ORDER BY 1;
SELECT version, event_count, value FROM meter.usage(:'org', 'trips', '-infinity', 'infinity', 's1');

-- What is refused.
SELECT * FROM meter.explain_usage(:'org', 'miles', '2025-01-01', '2025-01-02', page_size => 0);
SELECT * FROM meter.explain_usage(:'org', 'miles', '2025-01-01', '2025-01-02', page_size => 10001);
SELECT * FROM meter.explain_usage(:'org', 'miles', '2025-01-01', '2025-01-02', page_size => NULL);
SELECT * FROM meter.explain_usage(:'org', 'miles', '2025-01-01', '2025-01-02', after_time => '2025-01-01');
SELECT * FROM meter.explain_usage(:'org', 'miles', '2025-01-02', '2025-01-01');
SELECT * FROM meter.explain_usage(:'org', 'miles', NULL, '2025-01-01');
SELECT * FROM meter.explain_usage(:'org', 'feet', '2025-01-01', '2025-01-02');
SELECT * FROM meter.explain_usage(:'org', 'miles', '2025-01-01', '2025-01-02', filter => '{"field": "colour", "op": "eq", "value": "red"}');
