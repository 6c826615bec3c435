-- Flights become CloudEvents; the events are ingested, twice.
-- :source is the JSON file of the flights, or empty: then some are made up.
\set QUIET on
\pset footer off
SET client_min_messages = warning;
SET TimeZone = 'UTC';

CREATE EXTENSION meter;
CREATE SCHEMA demo;

CREATE TABLE demo.flight (
	n int PRIMARY KEY,
	departed timestamptz NOT NULL,
	origin text NOT NULL,
	destination text NOT NULL,
	distance int NOT NULL,
	delay int NOT NULL			-- minutes; negative: ahead of time
);

SELECT :'source' <> '' AS real_flights \gset
\if :real_flights
	\setenv source :source
	\set document `cat "$source"`
	INSERT INTO demo.flight
	SELECT f.n, to_timestamp(f.flight ->> 'date', 'YYYY/MM/DD HH24:MI'), f.flight ->> 'origin',
	       f.flight ->> 'destination', (f.flight ->> 'distance')::int, (f.flight ->> 'delay')::int
	  FROM json_array_elements(:'document') WITH ORDINALITY AS f (flight, n);
\else
	INSERT INTO demo.flight
	SELECT n, '2001-01-01Z'::timestamptz + n * interval '64 minutes',
	       airports[1 + n % 7], airports[1 + (n * n + n / 7 + 3) % 7], 200 + n * 37 % 2300, n * 31 % 97 - 40
	  FROM generate_series(1, 2000) AS n,
	       (SELECT ARRAY['ATL', 'DEN', 'DFW', 'LAX', 'ORD', 'PHX', 'SEA'] AS airports) AS a;
\endif

-- One event a flight.  The id is made of the flight's fields, so that loading
-- the same file again gives the same ids; flights that share all of them are numbered.
CREATE TABLE demo.event AS
SELECT n,
       json_build_object(
           'specversion', '1.0',
           'id', concat_ws('/', to_char(departed, 'YYYYMMDD"T"HH24MI'), origin, destination, distance, delay,
                           nullif(row_number() OVER (PARTITION BY departed, origin, destination, distance, delay
                                                     ORDER BY n), 1)),
           'source', 'vega-datasets/flights-20k',
           'type', 'flight.departed',
           'subject', origin,
           'time', to_char(departed, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
           'data', json_build_object('origin', origin, 'destination', destination,
                                     'distance', distance, 'delay', delay)) AS document
  FROM demo.flight;

-- Batches as an application would send them: 2,000 events each.
CREATE TABLE demo.batch AS
SELECT (n - 1) / 2000 AS batch, json_agg(document ORDER BY n) AS events
  FROM demo.event GROUP BY 1;

\echo The first event:
SELECT jsonb_pretty(document::jsonb) AS event FROM demo.event ORDER BY n LIMIT 1;

SELECT meter.create_store() \g /dev/null
SELECT meter.create_organization('airports') AS org \gset

\echo Four meters listen to flight.departed:
SELECT m.document ->> 'key' AS meter, m.document ->> 'function' AS function,
       coalesce(m.document ->> 'value_field', m.document ->> 'unique_by_field') AS field
  FROM (VALUES
	('{"key": "departures", "name": "Departures", "metric_key": "flight.departed", "function": "count",
	   "dimensions": {"origin": "$.origin", "destination": "$.destination"}}'::jsonb),
	('{"key": "miles", "name": "Miles flown", "metric_key": "flight.departed", "function": "sum",
	   "value_field": "$.distance", "unit_label": "miles",
	   "dimensions": {"origin": "$.origin", "destination": "$.destination"}}'),
	('{"key": "delay", "name": "Mean delay", "metric_key": "flight.departed", "function": "avg",
	   "value_field": "$.delay", "unit_label": "minutes", "negative_allowed": true,
	   "dimensions": {"origin": "$.origin", "destination": "$.destination"}}'),
	('{"key": "destinations", "name": "Destinations served", "metric_key": "flight.departed",
	   "function": "unique_count", "unique_by_field": "$.destination", "unit_label": "airports",
	   "dimensions": {"origin": "$.origin"}}')) AS d (definition),
       LATERAL (SELECT meter.create_meter(:'org', d.definition) AS document) AS m;

\echo Ingest, in batches of 2,000 events:
SELECT clock_timestamp() AS began \gset
SELECT r.status, count(*)
  FROM demo.batch AS b, LATERAL meter.ingest(:'org', b.events) AS r
 GROUP BY r.status ORDER BY r.status;
SELECT round(1000 * extract(epoch FROM clock_timestamp() - :'began'))::int AS took_ms \gset
\echo :took_ms ms for both keys and figures. The same file again, as after a retry:
SELECT r.status, count(*)
  FROM demo.batch AS b, LATERAL meter.ingest(:'org', b.events) AS r
 GROUP BY r.status ORDER BY r.status;
