-- Windows of random definitions at random times, half of them close to a shift
-- of the zone's clock, held against what must be true of any windows and
-- against a slow second definition of them in SQL, which finds the moments of
-- a reading by trying.
\set ON_ERROR_STOP on
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET intervalstyle = 'postgres';
\set seed 0.20250309
\echo seed :seed
SELECT setseed(:seed);

CREATE FUNCTION pg_temp.utc_offset(zone text, t timestamptz) RETURNS interval
	LANGUAGE sql AS $$
	SELECT (t AT TIME ZONE zone) - (t AT TIME ZONE 'UTC')
$$;

-- The moment of the first change of offset found between two times, or null.
CREATE FUNCTION pg_temp.shift_between(zone text, lo timestamptz, hi timestamptz) RETURNS timestamptz
	LANGUAGE plpgsql AS $$
DECLARE
	before interval := pg_temp.utc_offset(zone, lo);
	mid timestamptz;
BEGIN
	IF pg_temp.utc_offset(zone, hi) = before THEN
		RETURN NULL;
	END IF;
	WHILE hi - lo > '1 second' LOOP
		mid := date_trunc('second', lo + (hi - lo) / 2);
		IF pg_temp.utc_offset(zone, mid) = before THEN
			lo := mid;
		ELSE
			hi := mid;
		END IF;
	END LOOP;
	RETURN hi;
END
$$;

-- Names that core also knows as abbreviations are left out: AT TIME ZONE 'CET'
-- is an offset of one hour all the year, the zone CET has summers.
CREATE TEMP TABLE zone AS
SELECT name FROM pg_timezone_names
WHERE name !~ '^(posix|right)/' AND name NOT IN ('localtime', 'posixrules')
	AND name NOT IN (SELECT abbrev FROM pg_timezone_abbrevs)
ORDER BY name;

-- Shifts of the years from 1850 to 2100, and times around them.
CREATE TEMP TABLE moment AS
WITH year AS MATERIALIZED (
	SELECT name, date_trunc('second', timestamptz '1850-01-01Z' + random() * interval '250 years') AS t
	FROM zone, generate_series(1, 25)
), shift AS MATERIALIZED (
	SELECT name, pg_temp.shift_between(name, t, t + interval '150 days') AS t FROM year
)
SELECT name AS zone, t + (CASE trunc(random() * 6)
			WHEN 0 THEN interval '0'
			WHEN 1 THEN interval '-1 microsecond'
			WHEN 2 THEN random() * interval '1 hour'
			WHEN 3 THEN random() * interval '-1 hour'
			ELSE (random() - 0.5) * interval '48 hours' END) AS t
FROM shift
WHERE t IS NOT NULL;

INSERT INTO moment
SELECT z.name, timestamptz '1850-01-01Z' + random() * interval '250 years' FROM zone z, generate_series(1, 4);
INSERT INTO moment
SELECT z.name, timestamptz '0001-01-01Z' + random() * interval '9998 years' FROM zone z;

CREATE TEMP TABLE trial AS
SELECT zone, t,
	jsonb_build_object(
		'size', ('{minute,hour,day,week,month,quarter,year,billing_period}'::text[])[1 + trunc(random() * 8)],
		'count', CASE trunc(random() * 4) WHEN 0 THEN 1 + trunc(random() * 1000) WHEN 1 THEN 2 + trunc(random() * 5) ELSE 1 END,
		'time_zone', zone,
		'anchor', CASE trunc(random() * 4)
			WHEN 0 THEN to_char(t + (random() - 0.5) * interval '10 years', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
			WHEN 1 THEN to_char(date_trunc('minute', t + (random() - 0.5) * interval '4 days'), 'YYYY-MM-DD"T"HH24:MI"Z"')
			END,
		'week_start', ('{sunday,monday,tuesday,wednesday,thursday,friday,saturday}'::text[])[1 + trunc(random() * 7)]) AS w
FROM moment
WHERE t BETWEEN '0020-01-01Z' AND '9980-01-01Z';

SELECT count(*) > 5000 AS enough, count(DISTINCT zone) > 400 AS zones FROM trial;

--
-- Tiling: a time lies in its window, and its neighbours touch it
--
SELECT t, w, b.*
FROM trial, meter.window_bounds(w, t) b
WHERE NOT (b.window_start <= t AND t < b.window_end)
	OR (b.window_end < '10000-01-01Z'
		AND b.window_end IS DISTINCT FROM (meter.window_bounds(w, b.window_end)).window_start)
	OR (b.window_start > '0001-01-01Z'
		AND b.window_start IS DISTINCT FROM (meter.window_bounds(w, b.window_start - interval '1 microsecond')).window_end);

--
-- The slow definition
--
-- The first moment at which a zone's clock shows a reading or a later one:
-- steps of a quarter of an hour, then halves.
CREATE FUNCTION pg_temp.slow_moment(zone text, reading timestamp) RETURNS timestamptz
	LANGUAGE plpgsql AS $$
DECLARE
	lo timestamptz := (reading AT TIME ZONE 'UTC') - interval '26 hours';
	hi timestamptz;
	mid timestamptz;
BEGIN
	LOOP
		hi := lo + interval '15 minutes';
		EXIT WHEN hi AT TIME ZONE zone >= reading;
		lo := hi;
	END LOOP;
	WHILE hi - lo > '1 microsecond' LOOP
		mid := lo + (hi - lo) / 2;
		IF mid AT TIME ZONE zone >= reading THEN
			hi := mid;
		ELSE
			lo := mid;
		END IF;
	END LOOP;
	RETURN hi;
END
$$;

-- Boundary k of a window of readings.
CREATE FUNCTION pg_temp.slow_boundary(w jsonb, base timestamp, step interval, k int) RETURNS timestamptz
	LANGUAGE sql AS $$
	SELECT CASE
		WHEN w->>'anchor' IS NULL THEN pg_temp.slow_moment(w->>'time_zone', base + k * step)
		WHEN k = 0 THEN (w->>'anchor')::timestamptz
		WHEN k < 0 THEN pg_temp.slow_moment(w->>'time_zone', base + k * step)
		ELSE greatest(pg_temp.slow_moment(w->>'time_zone', base + k * step), (w->>'anchor')::timestamptz)
		END
$$;

CREATE FUNCTION pg_temp.slow_window(w jsonb, t timestamptz, OUT window_start timestamptz, OUT window_end timestamptz)
	LANGUAGE plpgsql AS $$
DECLARE
	zone text := w->>'time_zone';
	size text := w->>'size';
	step interval := (w->>'count')::int * CASE size
		WHEN 'quarter' THEN interval '3 months' WHEN 'billing_period' THEN interval '1 month' ELSE ('1 ' || size)::interval END;
	anchor timestamptz := w->>'anchor';
	base timestamp := COALESCE(anchor AT TIME ZONE zone, CASE
		WHEN size IN ('minute', 'hour', 'day') THEN timestamp '2000-01-03'
		WHEN size <> 'week' THEN timestamp '0001-01-01 BC'
		-- the last such weekday up to the 3rd of January 2000
		ELSE (SELECT d FROM generate_series(timestamp '1999-12-28', timestamp '2000-01-03', '1 day') d
			WHERE to_char(d, 'fmday') = w->>'week_start') END);
	ahead interval := (t AT TIME ZONE zone) - base;
	k int;
BEGIN
	IF size IN ('minute', 'hour') AND anchor IS NOT NULL THEN
		window_start := date_bin(step, t, anchor);
		window_end := window_start + step;
		RETURN;
	END IF;
	IF size IN ('minute', 'hour') AND step <= interval '1 hour' THEN
		-- only where the clock does not shift; the shifts are in test windows
		IF pg_temp.utc_offset(zone, t - step) = pg_temp.utc_offset(zone, t + step) THEN
			window_start := t - ((t AT TIME ZONE zone) - date_bin(step, t AT TIME ZONE zone, base));
			window_end := window_start + step;
		END IF;
		RETURN;
	END IF;

	-- a month is at most 31 days, so this is not after the right one
	k := floor(extract(epoch FROM ahead) / extract(epoch FROM CASE
			WHEN step >= interval '28 days' AND size NOT IN ('minute', 'hour', 'day', 'week')
			THEN (extract(year FROM step) * 12 + extract(month FROM step))::int * interval '730.485 hours'
			ELSE step END)) - 3;
	window_end := pg_temp.slow_boundary(w, base, step, k);
	IF window_end > t THEN
		RAISE EXCEPTION 'the slow search starts too late';
	END IF;
	WHILE window_end <= t LOOP
		window_start := window_end;
		k := k + 1;
		window_end := pg_temp.slow_boundary(w, base, step, k);
	END LOOP;
END
$$;

CREATE TEMP TABLE compared AS
SELECT t, w, b.window_start, b.window_end, s.window_start AS slow_start, s.window_end AS slow_end
FROM (SELECT * FROM trial ORDER BY random() LIMIT 6000) v, meter.window_bounds(w, t) b, pg_temp.slow_window(w, t) s;

SELECT count(slow_start) > 5000 AS enough FROM compared;
SELECT * FROM compared WHERE window_start <> slow_start OR window_end <> slow_end;

--
-- Calendar units, where core's date_trunc is right: where no shift is near the
-- start or shortly before the time.  (Elsewhere what it gives can lie after the
-- time it truncates, or overlap.)
--
CREATE TEMP TABLE truncated AS
SELECT t, zone, unit, b.window_start, b.window_end, date_trunc(unit, t, zone) AS core_start, (
		pg_temp.utc_offset(zone, d - interval '1 day') = pg_temp.utc_offset(zone, d + interval '1 day')
		AND pg_temp.utc_offset(zone, t - interval '1 day') = pg_temp.utc_offset(zone, t)
		AND (unit <> 'hour' OR pg_temp.utc_offset(zone, t) = pg_temp.utc_offset(zone, d))) AS calm
FROM moment, unnest('{minute,hour,day,week,month,quarter,year}'::text[]) unit,
	meter.window_bounds(jsonb_build_object('size', unit, 'time_zone', zone), t) b,
	date_trunc(unit, t, zone) d
WHERE t BETWEEN '0020-01-01Z' AND '9980-01-01Z';

SELECT count(*) FILTER (WHERE calm) > 20000 AS enough FROM truncated;
SELECT * FROM truncated WHERE calm AND window_start <> core_start;
-- today's hours and minutes are always right, shift or not
SELECT * FROM truncated
WHERE unit IN ('minute', 'hour') AND window_start <> core_start AND t > '1980-01-01Z'
	AND extract(epoch FROM pg_temp.utc_offset(zone, t - interval '1 hour') - pg_temp.utc_offset(zone, t + interval '1 hour'))::int % 3600 = 0;
