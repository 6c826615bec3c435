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

\echo Metered and in plain SQL:
SELECT figure, rows_compared AS "rows compared", rows_differing AS "differing" FROM demo.comparison;
SELECT bool_or(rows_differing > 0 OR rows_compared = 0) AS differ FROM demo.comparison \gset
\if :differ
	DO $$ BEGIN RAISE EXCEPTION 'the figures differ from plain SQL'; END $$;
\else
	\echo All figures are equal.
\endif
