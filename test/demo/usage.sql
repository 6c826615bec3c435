-- What the meters of load.sql say, beside the same in plain SQL over the flights.
-- :org is the organization.
\set from '''2001-01-01Z'''
\set to '''2001-04-01Z'''

-- A line for every comparison; a difference fails the demo at the end.
CREATE TABLE demo.comparison (figure text, rows_compared bigint, rows_differing bigint);

\echo Departures, miles and mean delay per month, metered | in plain SQL:
CREATE TABLE demo.monthly AS
WITH metered AS (
	SELECT d.window_start AS month, d.value AS departures, m.value AS miles, a.value AS delay
	  FROM meter.usage(:'org', 'departures', :from, :to, window_size => 'month', time_zone => 'UTC') AS d
	  JOIN meter.usage(:'org', 'miles', :from, :to, window_size => 'month', time_zone => 'UTC') AS m USING (window_start)
	  JOIN meter.usage(:'org', 'delay', :from, :to, window_size => 'month', time_zone => 'UTC') AS a USING (window_start)
), plain AS (
	SELECT date_trunc('month', departed, 'UTC') AS month, count(*)::numeric AS departures,
	       sum(distance)::numeric AS miles, avg(delay::numeric) AS delay
	  FROM demo.flight GROUP BY 1
)
SELECT month, m.departures, p.departures AS departures_sql, m.miles, p.miles AS miles_sql, m.delay, p.delay AS delay_sql,
       (m.departures, m.miles, m.delay) IS NOT DISTINCT FROM (p.departures, p.miles, p.delay) AS equal
  FROM metered AS m FULL JOIN plain AS p USING (month);
SELECT to_char(month, 'YYYY-MM') AS month, departures, departures_sql AS "in SQL", miles, miles_sql AS "in SQL",
       round(delay, 3) AS "mean delay", round(delay_sql, 3) AS "in SQL", equal
  FROM demo.monthly ORDER BY month;
INSERT INTO demo.comparison
SELECT 'departures, miles, mean delay per month', count(*), count(*) FILTER (WHERE NOT equal) FROM demo.monthly;

\echo The ten largest customers (the origin airport is the customer):
CREATE TABLE demo.customer AS
SELECT subject AS customer, d.value AS departures, p.departures AS departures_sql,
       m.value AS miles, p.miles AS miles_sql,
       (d.value, m.value) IS NOT DISTINCT FROM (p.departures, p.miles) AS equal
  FROM meter.usage(:'org', 'departures', :from, :to, group_by => '{subject}') AS d
  JOIN meter.usage(:'org', 'miles', :from, :to, group_by => '{subject}') AS m USING (subject)
  FULL JOIN (SELECT origin AS subject, count(*)::numeric AS departures, sum(distance)::numeric AS miles
               FROM demo.flight GROUP BY 1) AS p USING (subject);
SELECT customer, departures, departures_sql AS "in SQL", miles, miles_sql AS "in SQL", equal
  FROM demo.customer ORDER BY departures DESC, customer LIMIT 10;
INSERT INTO demo.comparison
SELECT 'departures and miles per customer', count(*), count(*) FILTER (WHERE NOT equal) FROM demo.customer;

\echo Unique destinations per origin, the ten with the most:
CREATE TABLE demo.destinations AS
SELECT origin, u.value AS destinations, p.destinations AS destinations_sql,
       u.value IS NOT DISTINCT FROM p.destinations AS equal
  FROM (SELECT dimensions ->> 'origin' AS origin, value
          FROM meter.usage(:'org', 'destinations', :from, :to, group_by => '{origin}')) AS u
  FULL JOIN (SELECT origin, count(DISTINCT destination)::numeric AS destinations
               FROM demo.flight GROUP BY 1) AS p USING (origin);
SELECT origin, destinations, destinations_sql AS "in SQL", equal
  FROM demo.destinations ORDER BY destinations DESC, origin LIMIT 10;
INSERT INTO demo.comparison
SELECT 'unique destinations per origin', count(*), count(*) FILTER (WHERE NOT equal) FROM demo.destinations;

\echo Month end: the windows are closed, each with a result that never changes in place. March, the five largest:
SELECT meter.close_windows() AS results \gset
SELECT subject AS customer, meter_key AS meter, value, event_count AS events, revision
  FROM meter.window_results
 WHERE meter_key = 'miles' AND window_start = '2001-03-01Z' ORDER BY value DESC, subject LIMIT 5;
INSERT INTO demo.comparison
SELECT 'results of closed windows', count(*), count(*) FILTER (WHERE r.value IS DISTINCT FROM p.miles)
  FROM (SELECT * FROM meter.window_results WHERE meter_key = 'miles') AS r
  FULL JOIN (SELECT date_trunc('month', departed, 'UTC') AS window_start, origin AS subject, sum(distance) AS miles
               FROM demo.flight GROUP BY 1, 2) AS p USING (window_start, subject);

\echo A flight is taken back later: the closed month gets a revision, and the invoice of before stays reproducible:
SELECT subject AS customer, clock_timestamp() AS invoiced FROM meter.window_results
 WHERE meter_key = 'miles' AND window_start = '2001-03-01Z' ORDER BY value DESC, subject LIMIT 1 \gset
SELECT meter.void_event(:'org', 'flight.departed', document ->> 'id', 'the flight was cancelled')
  FROM demo.event WHERE document ->> 'subject' = :'customer' AND document ->> 'time' >= '2001-03' ORDER BY n LIMIT 1 \g /dev/null
SELECT subject AS customer, revision, value, delta, event_count AS events, reason
  FROM meter.window_results
 WHERE meter_key = 'miles' AND window_start = '2001-03-01Z' AND subject = :'customer' ORDER BY revision;
SELECT n.value AS "usage now", i.value AS "as of the invoice"
  FROM meter.usage(:'org', 'miles', '2001-03-01Z', '2001-04-01Z', subject => :'customer') AS n,
       meter.usage(:'org', 'miles', '2001-03-01Z', '2001-04-01Z', subject => :'customer', as_of => :'invoiced') AS i;

\echo A plan that includes 250,000 miles a month. The statement of February, for the three airports that flew the most, ready to be billed:
SELECT meter.create_product(:'org', '{"code": "carrier", "name": "Carrier plan", "custom_fields": {"miles": 250000}}') \g /dev/null
SELECT meter.bind_product(:'org', 'carrier', 'miles',
       '{"role": "billable", "pricing_var_name": "miles", "included_quantity_source": {"kind": "plan_field", "field": "miles"}}') \g /dev/null
CREATE TABLE demo.subscriber AS
SELECT c.customer, meter.create_customer(:'org', jsonb_build_object('id', c.customer, 'name', c.customer)) ->> 'id' AS id
  FROM (SELECT customer FROM demo.customer ORDER BY miles DESC, customer LIMIT 3) AS c;
ALTER TABLE demo.subscriber ADD subscription text;
UPDATE demo.subscriber AS s SET subscription = meter.create_subscription(:'org', jsonb_build_object('customer', s.id, 'products', jsonb_build_array('carrier'),
       'started_at', '2001-01-01T00:00:00Z', 'period', jsonb_build_object('size', 'month'), 'time_zone', 'UTC')) ->> 'id';
CREATE TABLE demo.statement AS
SELECT s.customer, b.pricing_var_name, b.quantity, b.included, b.overage, b.unit, b.version, b.status
  FROM demo.subscriber AS s, LATERAL meter.period_statement(:'org', s.subscription, '2001-02-01Z') AS b;
SELECT * FROM demo.statement ORDER BY quantity DESC, customer;
INSERT INTO demo.comparison
SELECT 'statements of February', count(*), count(*) FILTER (WHERE (s.quantity, s.overage) IS DISTINCT FROM (p.miles, greatest(p.miles - 250000, 0)))
  FROM demo.statement AS s
  FULL JOIN (SELECT origin AS customer, sum(distance)::numeric AS miles FROM demo.flight
              WHERE departed >= '2001-02-01Z' AND departed < '2001-03-01Z' AND origin IN (SELECT customer FROM demo.subscriber) GROUP BY 1) AS p USING (customer);

\echo A threshold tells, in the transaction of the usage that crosses it. Rolled back, nothing was told:
SELECT meter.create_threshold(:'org', '{"name": "busy day", "meter": "miles", "threshold_value": [500, 1000], "recurring_step": 1000, "window": {"size": "day"}}') \g /dev/null
BEGIN;
SELECT meter.report_usage(:'org', '{"meterId": "miles", "customerId": "charter", "value": 600}', 'flight-1') ->> 'status' AS reported;
SELECT count(*) AS "breaches before ROLLBACK" FROM meter.threshold_events;
ROLLBACK;
SELECT count(*) AS "and behind it" FROM meter.threshold_events;
SELECT meter.report_usage(:'org', '{"meterId": "miles", "customerId": "charter", "value": 600}', 'flight-1') ->> 'status' AS reported,
       meter.report_usage(:'org', '{"meterId": "miles", "customerId": "charter", "value": 1700}', 'flight-2') ->> 'status' AS reported;
SELECT threshold_name, threshold_value, observed_value FROM meter.threshold_events ORDER BY id;
INSERT INTO demo.comparison
SELECT 'breaches', count(*), count(*) FILTER (WHERE e.threshold_value IS DISTINCT FROM w.threshold_value)
  FROM (SELECT row_number() OVER (ORDER BY id) AS n, threshold_value FROM meter.threshold_events) AS e
  FULL JOIN unnest('{500,1000,2000}'::numeric[]) WITH ORDINALITY AS w (threshold_value, n) USING (n);

\echo A quota refuses what would go beyond it, and no more:
SELECT meter.create_threshold(:'org', '{"name": "free plan", "meter": "miles", "threshold_value": 1000, "action_kind": "block", "scope": {"kind": "customer", "id": "trial"}, "window": {"size": "day"}}') \g /dev/null
SELECT i.id AS flight, i.status, i.code
  FROM meter.ingest(:'org', '[{"id": "trial-1", "type": "flight.departed", "subject": "trial", "data": {"distance": 600, "delay": 0, "destination": "ORD"}},
                              {"id": "trial-2", "type": "flight.departed", "subject": "trial", "meter": "miles", "data": {"distance": 500}},
                              {"id": "trial-3", "type": "flight.departed", "subject": "trial", "meter": "miles", "data": {"distance": 400}}]') AS i;
SELECT q ->> 'limit' AS "limit", q ->> 'used' AS used, q ->> 'allowed' AS "one more allowed" FROM meter.check_quota(:'org', 'miles', 'trial', 1) AS q;

\echo Metered and in plain SQL:
SELECT figure, rows_compared AS "rows compared", rows_differing AS "differing" FROM demo.comparison;
SELECT bool_or(rows_differing > 0 OR rows_compared = 0) AS differ FROM demo.comparison \gset
\if :differ
	DO $$ BEGIN RAISE EXCEPTION 'the figures differ from plain SQL'; END $$;
\else
	\echo All figures are equal.
\endif
