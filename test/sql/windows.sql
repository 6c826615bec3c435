-- Windows: their bounds across every shift of a clock, their definitions, and
-- event times as text (read through the anchor).
\set ON_ERROR_STOP on
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET intervalstyle = 'iso_8601';

-- A definition's windows: real and local start, and real length.
CREATE FUNCTION pg_temp.shown("window" jsonb, period_from timestamptz, period_to timestamptz)
	RETURNS TABLE (start timestamptz, local timestamp, length interval)
	LANGUAGE sql AS $$
	SELECT w.window_start, w.window_start AT TIME ZONE COALESCE("window"->>'time_zone', 'UTC'),
		w.window_end - w.window_start
	FROM meter.windows("window", period_from, period_to) w
$$;

-- What a refusal says.
CREATE FUNCTION pg_temp.refusal("window" jsonb, at timestamptz DEFAULT '2025-01-01Z') RETURNS text
	LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	PERFORM meter.window_bounds("window", at);
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' | ', SQLSTATE, SQLERRM, NULLIF(detail, ''));
END
$$;

--
-- The default: a calendar month in UTC
--
SELECT * FROM meter.window_bounds(NULL, '2025-02-28 23:59:59.999999Z');
SELECT * FROM meter.window_bounds('null', '2025-03-01Z');
SELECT * FROM meter.window_bounds('{}', '2025-03-01Z');
SELECT * FROM meter.window_bounds('{"size":null,"count":null,"time_zone":null,"anchor":null,"week_start":null}',
	'2025-03-01Z');
SELECT * FROM meter.window_bounds('{"size":"day"}', NULL);

-- Every size, at one moment
SELECT size, window_start, window_end
FROM unnest('{minute,hour,day,week,month,quarter,year,billing_period}'::text[]) WITH ORDINALITY s (size, n),
	meter.window_bounds(jsonb_build_object('size', size, 'time_zone', 'Europe/Berlin'), '2025-08-14 15:16:17.18Z')
ORDER BY n;

--
-- Days of 23 and 25 hours
--
SELECT * FROM pg_temp.shown('{"size":"day","time_zone":"America/Los_Angeles"}', '2025-03-08 12:00Z', '2025-03-11Z');
SELECT * FROM pg_temp.shown('{"size":"day","time_zone":"America/Los_Angeles"}', '2025-11-01 12:00Z', '2025-11-04Z');
-- ... with that many hours
SELECT d.local, d.length, count(*)
FROM pg_temp.shown('{"size":"day","time_zone":"America/Los_Angeles"}', '2025-01-01Z', '2026-01-01Z') d,
	meter.windows('{"size":"hour","time_zone":"America/Los_Angeles"}', d.start, d.start + d.length)
GROUP BY 1, 2 HAVING count(*) <> 24 ORDER BY 1;
-- ... quarters of an hour are never anything else
SELECT length, count(*)
FROM pg_temp.shown('{"size":"minute","count":15,"time_zone":"America/Los_Angeles"}', '2025-11-02 07:00Z', '2025-11-03 08:00Z')
GROUP BY 1;
-- ... and a long window grows or shrinks by the shift
SELECT * FROM pg_temp.shown('{"size":"hour","count":6,"time_zone":"America/Los_Angeles"}', '2025-03-09 08:00Z', '2025-03-10 07:00Z');
SELECT * FROM pg_temp.shown('{"size":"hour","count":6,"time_zone":"America/Los_Angeles"}', '2025-11-02 07:00Z', '2025-11-03 08:00Z');
SELECT * FROM pg_temp.shown('{"size":"hour","count":2,"time_zone":"Europe/Berlin"}', '2025-10-25 22:00Z', '2025-10-26 05:00Z');

--
-- Offsets that are no whole hours
--
SELECT * FROM pg_temp.shown('{"size":"hour","time_zone":"Asia/Kolkata"}', '2025-06-01 00:00Z', '2025-06-01 02:00Z');
SELECT * FROM pg_temp.shown('{"size":"hour","time_zone":"Pacific/Chatham"}', '2025-06-01 00:00Z', '2025-06-01 02:00Z');
SELECT * FROM pg_temp.shown('{"size":"minute","count":30,"time_zone":"Asia/Kathmandu"}', '2025-06-01 00:00Z', '2025-06-01 01:00Z');
-- half an hour of daylight saving: hours are cut at the shift, days are not
SELECT * FROM pg_temp.shown('{"size":"hour","time_zone":"Australia/Lord_Howe"}', '2025-04-05 14:00Z', '2025-04-05 17:00Z');
SELECT * FROM pg_temp.shown('{"size":"hour","time_zone":"Australia/Lord_Howe"}', '2025-10-04 14:30Z', '2025-10-04 17:00Z');
SELECT * FROM pg_temp.shown('{"size":"day","time_zone":"Australia/Lord_Howe"}', '2025-04-05 14:00Z', '2025-04-06 14:00Z');
-- until 1972 Monrovia was 44 minutes and 30 seconds behind
SELECT * FROM pg_temp.shown('{"size":"hour","time_zone":"Africa/Monrovia"}', '1972-01-06 23:00Z', '1972-01-07 02:00Z');
SELECT * FROM pg_temp.shown('{"size":"minute","time_zone":"Africa/Monrovia"}', '1972-01-07 00:43Z', '1972-01-07 00:46Z');

--
-- Shifts at midnight
--
-- 00:00 does not exist: the day starts at 01:00
SELECT * FROM pg_temp.shown('{"size":"day","time_zone":"America/Sao_Paulo"}', '2018-11-03 12:00Z', '2018-11-05 12:00Z');
-- 00:00 comes twice: the day starts at the first
SELECT * FROM pg_temp.shown('{"size":"day","time_zone":"America/Havana"}', '2025-11-01 12:00Z', '2025-11-03 12:00Z');
-- from 00:01 back to 23:01: the day has begun, and goes on
SELECT * FROM pg_temp.shown('{"size":"day","time_zone":"America/St_Johns"}', '2006-10-28 12:00Z', '2006-10-30 12:00Z');
SELECT window_start, window_end
FROM meter.window_bounds('{"size":"day","time_zone":"America/St_Johns"}', '2006-10-29 03:00Z');
-- a day that never was has no window
SELECT * FROM pg_temp.shown('{"size":"day","time_zone":"Pacific/Apia"}', '2011-12-29 12:00Z', '2012-01-01 12:00Z');
SELECT * FROM pg_temp.shown('{"size":"hour","count":12,"time_zone":"Pacific/Apia"}', '2011-12-29 12:00Z', '2011-12-31 12:00Z');
SELECT * FROM pg_temp.shown('{"size":"day","time_zone":"Pacific/Kwajalein"}', '1993-08-19 12:00Z', '1993-08-23 12:00Z');
SELECT * FROM pg_temp.shown('{"size":"day","anchor":"2011-11-30T10:00:00Z","time_zone":"Pacific/Apia"}', '2011-12-29 12:00Z', '2012-01-01 12:00Z');
-- a day that was twice has one window
SELECT * FROM pg_temp.shown('{"size":"day","time_zone":"America/Juneau"}', '1867-10-17 12:00Z', '1867-10-20 12:00Z');

--
-- Anchors
--
SELECT * FROM pg_temp.shown('{"size":"month","anchor":"2024-01-31T10:00:00Z"}', '2023-12-31 10:00Z', '2025-05-01Z');
SELECT * FROM pg_temp.shown('{"size":"quarter","anchor":"2023-11-30T00:00:00Z"}', '2023-08-30Z', '2024-12-01Z');
SELECT * FROM pg_temp.shown('{"size":"year","anchor":"2024-02-29T00:00:00Z"}', '2023-02-28Z', '2028-03-01Z');
SELECT * FROM pg_temp.shown('{"size":"billing_period","anchor":"2025-01-31T00:00:00Z"}', '2025-01-31Z', '2025-05-01Z');
-- days and weeks keep their local time, hours do not
SELECT * FROM pg_temp.shown('{"size":"day","anchor":"2025-01-01T17:30:00Z","time_zone":"America/Los_Angeles"}', '2025-03-08Z', '2025-03-10Z');
SELECT * FROM pg_temp.shown('{"size":"week","count":2,"anchor":"2025-01-01T17:30:00Z","time_zone":"America/Los_Angeles"}', '2025-03-01Z', '2025-04-01Z');
SELECT * FROM pg_temp.shown('{"size":"hour","count":24,"anchor":"2025-01-01T17:30:00Z","time_zone":"America/Los_Angeles"}', '2025-03-08Z', '2025-03-10Z');
-- 02:30 is skipped on the 9th of March
SELECT * FROM pg_temp.shown('{"size":"day","anchor":"2025-01-01T10:30:00Z","time_zone":"America/Los_Angeles"}', '2025-03-08 12:00Z', '2025-03-10 12:00Z');
-- 01:30 comes twice on the 2nd of November: elsewhere the first ...
SELECT * FROM pg_temp.shown('{"size":"day","anchor":"2025-01-01T09:30:00Z","time_zone":"America/Los_Angeles"}', '2025-11-01 12:00Z', '2025-11-03 12:00Z');
-- ... the anchor itself the one it names
SELECT * FROM pg_temp.shown('{"size":"day","anchor":"2025-11-02T08:30:00Z","time_zone":"America/Los_Angeles"}', '2025-11-01 12:00Z', '2025-11-03 12:00Z');
SELECT * FROM pg_temp.shown('{"size":"day","anchor":"2025-11-02T09:30:00Z","time_zone":"America/Los_Angeles"}', '2025-11-01 12:00Z', '2025-11-03 12:00Z');
SELECT * FROM meter.window_bounds('{"size":"day","anchor":"2025-11-02T09:30:00Z","time_zone":"America/Los_Angeles"}', '2025-11-02 09:00Z');
-- ... be it a whole day later
SELECT * FROM pg_temp.shown('{"size":"day","anchor":"1867-10-19T12:00:00Z","time_zone":"America/Juneau"}', '1867-10-17 12:00Z', '1867-10-21 12:00Z');
SELECT * FROM pg_temp.shown('{"size":"hour","count":6,"time_zone":"America/Juneau"}', '1867-10-18 08:00Z', '1867-10-20 12:00Z');

--
-- Counts, and where counting starts
--
SELECT * FROM pg_temp.shown('{"size":"month","count":3,"time_zone":"Asia/Tokyo"}', '2024-12-31 15:00Z', '2025-12-31 15:00Z');
SELECT size, count, window_start, window_end
FROM (VALUES ('minute', 5), ('hour', 6), ('day', 1), ('day', 2), ('day', 1000), ('week', 1), ('week', 2),
		('month', 2), ('quarter', 2), ('year', 10), ('year', 1000)) v (size, count),
	meter.window_bounds(jsonb_build_object('size', size, 'count', count), '2000-01-03Z');
SELECT day, window_start, to_char(window_start, 'fmday') = day AS on_it
FROM unnest('{sunday,monday,tuesday,wednesday,thursday,friday,saturday}'::text[]) day,
	meter.window_bounds(jsonb_build_object('size', 'week', 'count', 2, 'week_start', day), '2000-01-03Z');

--
-- The series: whole windows, none for an empty period, a limit
--
SELECT * FROM meter.windows(NULL, '2025-01-31 23:59:59.999999Z', '2025-02-01Z');
SELECT * FROM meter.windows(NULL, '2025-01-31 23:59:59.999999Z', '2025-02-01 00:00:00.000001Z');
SELECT count(*) FROM meter.windows(NULL, '2025-02-01Z', '2025-02-01Z');
SELECT count(*) FROM meter.windows(NULL, '2025-02-01Z', '2025-01-01Z');
SELECT count(*) FROM meter.windows(NULL, NULL, '2025-01-01Z');
SELECT count(*) FROM meter.windows('{"size":"minute"}', '2025-01-01Z', timestamptz '2025-01-01Z' + interval '1000000 min');
\set ON_ERROR_STOP off
SELECT count(*) FROM meter.windows('{"size":"minute"}', '2025-01-01 00:00:00.5Z', timestamptz '2025-01-01 00:00:01Z' + interval '1000000 min');
SELECT count(*) FROM meter.windows(NULL, '-infinity', '2025-01-01Z');
SELECT count(*) FROM meter.windows(NULL, '2025-01-01Z', 'infinity');
SELECT count(*) FROM meter.windows('[]', NULL, NULL);
\set ON_ERROR_STOP on

--
-- Refusals
--
SELECT w AS "window", pg_temp.refusal(w::jsonb)
FROM unnest(ARRAY[
	'"day"', '[]', '7', '{"sise":"day"}', '{"a/b~c":1}',
	'{"size":"Day"}', '{"size":"decade"}', '{"size":""}', '{"size":1}',
	'{"count":0}', '{"count":-1}', '{"count":1001}', '{"count":1.5}', '{"count":1e400}', '{"count":"1"}', '{"count":true}',
	'{"count":1000}', '{"count":2.0}', '{"count":1e3}',
	'{"anchor":"2025-02-30T00:00:00Z"}', '{"anchor":1738368000}',
	'{"week_start":"Monday"}', '{"week_start":1}', '{"week_start":"mon"}',
	'{"time_zone":""}', '{"time_zone":5}', '{"time_zone":{}}'
	]) WITH ORDINALITY v (w, n) ORDER BY n;

-- zones: the names of the IANA database, in any case, and nothing else
SELECT zone, pg_temp.refusal(jsonb_build_object('time_zone', zone)) = 'accepted' AS accepted
FROM unnest('{UTC,utc,Etc/UTC,GMT,Zulu,Europe/Berlin,europe/berlin,America/Argentina/Buenos_Aires,America/Port-au-Prince,
	EST5EDT,PST8PDT,GMT0,GMT+0,Etc/GMT0,Etc/GMT-0,Etc/GMT+12,Etc/GMT-14,etc/gmt+5,
	EST5EDT4,EST5,EST+5,CET-1CEST,<+03>-3,<UTC>0,UTC0,UTC+1,UTC-05:30,GMT+1,GMT00,Etc/GMT+00,Etc/GMT+05,Etc/GMT+13,Etc/GMT-15,
	Etc/GMT+,Etc/GMT+1x,Etc/GMT5,America/New_York5,+02:00,+02,PST,PDT,CEST,BST,IST,Z,localtime,posixrules,LOCALTIME,
	posix/Europe/Berlin,right/UTC,Posix/UTC,Europe,Europe/,/Europe/Berlin,../zoneinfo/UTC,Europe/../UTC,Europe/Atlantis,
	zone.tab,tzdata.zi,"Europe/Berlin "," UTC",Zürich}'::text[]) WITH ORDINALITY z (zone, n)
ORDER BY n;
SELECT pg_temp.refusal(jsonb_build_object('time_zone', 'Mars/Olympus'));
SELECT pg_temp.refusal(jsonb_build_object('time_zone', repeat('ü', 1000)));
SELECT name FROM pg_timezone_names
WHERE pg_temp.refusal(jsonb_build_object('time_zone', name)) <> 'accepted'
	AND name !~ '^(posix|right)/' AND name NOT IN ('localtime', 'posixrules');

-- times: the years 1 to 9999
SELECT * FROM meter.window_bounds('{"size":"year"}', '0001-01-01 00:00Z');
SELECT * FROM meter.window_bounds('{"size":"year","count":1000,"time_zone":"Asia/Tokyo"}', '0001-01-01 00:00Z');
SELECT * FROM meter.window_bounds('{"size":"year","count":1000,"time_zone":"Asia/Tokyo"}', '9999-12-31 23:59:59.999999Z');
SELECT at, pg_temp.refusal('{"size":"day"}', at)
FROM unnest('{0001-12-31 23:59:59.999999Z BC,10000-01-01Z,294276-12-31Z,4714-11-24Z BC,infinity,-infinity}'::timestamptz[]) at;

--
-- Event times, read through the anchor
--
CREATE FUNCTION pg_temp.event_time(t text) RETURNS text
	LANGUAGE plpgsql AS $$
DECLARE
	millennium jsonb := jsonb_build_object('size', 'year', 'count', 1000, 'anchor', t);
	start timestamptz;
BEGIN
	-- of a window of a thousand years, only one in the reach of 2025 starts at the anchor
	SELECT window_start INTO start FROM meter.window_bounds(millennium, '2025-01-01Z');
	RETURN start;
EXCEPTION WHEN invalid_parameter_value THEN
	RETURN SQLERRM;
END
$$;

SELECT t, pg_temp.event_time(t)
FROM unnest(ARRAY[
	'2025-01-01T00:00:00Z', '2024-12-31T12:34:56Z', '2024-12-31t12:34:56z', '2024-12-31 12:34:56Z', '2024-12-31T12:34Z',
	'2024-12-31T12:34:56.7Z', '2024-12-31T12:34:56.123456Z', '2024-12-31T12:34:56.123456999Z',
	'2024-12-31T23:59:59.999999999999Z', '2024-12-31T12:34:56.000000Z',
	'2024-12-31T12:34:56+05:45', '2024-12-31T12:34:56-0330', '2024-12-31T12:34:56+02', '2024-12-31T12:34+02:00',
	'2024-12-31T00:00:00+15:59', '2024-12-31T00:00:00-00:00', '2024-12-31T12:34:56.5-08',
	'2024-02-29T00:00:00Z', '2000-02-29T00:00:00Z', '2016-12-31T23:59:60Z', '2016-12-31T23:59:60.5Z', '1026-01-01T00:00:00Z',
	-- refused
	'', '2024', '2024-12-31', '2024-12-31T', '2024-12-31T12Z', '20241231T123456Z', '2024-12-31T123456Z', '24-12-31T12:34:56Z',
	'12024-12-31T12:34:56Z', '+2024-12-31T12:34:56Z', '2024/12/31T12:34:56Z', '2024-12-31_12:34:56Z', '2024-366T00:00:00Z',
	'2024-W01-1T00:00:00Z', '2024-12-31  12:34:56Z', ' 2024-12-31T12:34:56Z', '2024-12-31T12:34:56Z ', 'now', 'infinity', 'tomorrow noon UTC',
	'2024-12-31T12:34:56', '2024-12-31T12:34', '2024-12-31T12:34:56.5',
	'2024-12-31T12:34:56 +02:00', '2024-12-31T12:34:56 UTC', '2024-12-31T12:34:56Europe/Berlin', '2024-12-31T12:34:56ZZ',
	'2024-12-31T12:34:56+2', '2024-12-31T12:34:56+02:', '2024-12-31T12:34:56+02:0', '2024-12-31T12:34:56+020', '2024-12-31T12:34:56+02:00:00',
	'2024-12-31T12:34:56+02:60', '2024-12-31T12:34:56+16:00', '2024-12-31T12:34:56-99', '2024-12-31T12:34:56+',
	'2024-12-31T12:34:Z', '2024-12-31T12:34:5Z', '2024-12-31T12:34:61Z', '2024-12-31T12:34:56.Z', '2024-12-31T12:34:56,5Z', '2024-12-31T12:34.5Z',
	'2024-12-31T24:00:00Z', '2024-12-31T12:60:00Z', '2023-02-29T00:00:00Z', '1900-02-29T00:00:00Z', '2024-04-31T00:00:00Z',
	'2024-13-01T00:00:00Z', '2024-00-01T00:00:00Z', '2024-01-00T00:00:00Z', '2024-01-32T00:00:00Z', '0000-01-01T00:00:00Z',
	'0001-01-01T00:00:00+01:00', '9999-12-31T23:59:59-01:00', '٢٠٢٤-12-31T12:34:56Z'
	]) WITH ORDINALITY v (t, n) ORDER BY n;
SELECT * FROM meter.window_bounds('{"size":"year","count":1000,"anchor":"0001-01-01T00:00:00Z"}', '0001-01-01Z');
SELECT * FROM meter.window_bounds('{"size":"year","count":1000,"anchor":"9999-12-31T23:59:59.999999Z"}', '9999-12-31 23:59:59.999999Z');

-- Both readers, core's and this one, agree on random times.
SELECT setseed(0.42);
SELECT count(*), count(*) FILTER (WHERE pg_temp.event_time(t) IS DISTINCT FROM t::timestamptz::text) AS wrong
FROM (SELECT to_char(timestamp '1026-01-01' + random() * interval '998 years', 'YYYY-MM-DD"T"HH24:MI:SS.US')
		|| to_char(trunc(random() * 31) - 15, 'SG00') || to_char(trunc(random() * 60), '":"FM00') AS t
	FROM generate_series(1, 2000)) v;
