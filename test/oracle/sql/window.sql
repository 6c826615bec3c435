/*
 * window.sql
 *		Windows of a range, found one after the other.
 *
 * A window is described as a meter does it: {"size", "count", "time_zone",
 * "anchor", "week_start"}.  Windows tile all of time, so only the end of the
 * window that holds an instant is asked for; it is the next one's start.
 */

/*
 * When a zone's clock shows a local time: for the first time if it does twice;
 * if it never does, when the clock leaps over it.
 */
CREATE FUNCTION oracle.first_coming(local timestamp, zone text) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
	SELECT coalesce(
		(SELECT min(t) FROM (SELECT local AT TIME ZONE zone - make_interval(mins => s) FROM generate_series(0, 180, 15) s) x(t)
		 WHERE t AT TIME ZONE zone = local),
		(SELECT min(t) FROM generate_series(date_trunc('minute', local AT TIME ZONE zone) - interval '3 hours',
											date_trunc('minute', local AT TIME ZONE zone), interval '1 minute') t
		 WHERE t AT TIME ZONE zone > local))
$$;

/*
 * Windows of n minutes begin at readings that are a multiple of them, or where
 * that would be by the clock as it is set now: a shift of so many minutes, or
 * of a multiple of them, leaves the one around it whole, another cuts it.
 */
CREATE FUNCTION oracle.clock_end(t timestamptz, minutes int, zone text) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
	SELECT min(s) FROM generate_series(date_trunc('minute', t) + interval '1 minute',
									   date_trunc('minute', t) + interval '1 minute' * minutes, interval '1 minute') s
	WHERE oracle.clock_start(s, minutes, zone) <> oracle.clock_start(s - interval '1 minute', minutes, zone)
$$;

CREATE FUNCTION oracle.clock_start(t timestamptz, minutes int, zone text) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
	SELECT t - make_interval(secs => mod(extract(epoch FROM (t AT TIME ZONE zone) - timestamp '1900-01-01')::bigint, minutes * 60))
$$;

/* How far the windows of a size are apart, on a clock that never leaps. */
CREATE FUNCTION oracle.step(size text, n int) RETURNS interval
LANGUAGE sql IMMUTABLE AS $$
	SELECT n * CASE size WHEN 'quarter' THEN interval '3 months' WHEN 'billing_period' THEN interval '1 month'
			   ELSE ('1 ' || size)::interval END
$$;

/* The end of the window that holds t. */
CREATE FUNCTION oracle.window_end(t timestamptz, def jsonb) RETURNS timestamptz
LANGUAGE plpgsql STABLE AS $$
DECLARE
	size text := coalesce(def ->> 'size', 'month');
	n int := coalesce((def ->> 'count')::int, 1);
	zone text := coalesce(def ->> 'time_zone', 'UTC');
	anchor timestamptz := def ->> 'anchor';
	step interval := oracle.step(size, n);
	base timestamp;
	k bigint;
	found timestamptz;
BEGIN
	IF size IN ('minute', 'hour') AND anchor IS NOT NULL THEN
		RETURN anchor + (floor(extract(epoch FROM t - anchor) / extract(epoch FROM step)) + 1)::int * step;
	ELSIF size IN ('minute', 'hour') AND step <= interval '1 hour' THEN
		RETURN oracle.clock_end(t, (extract(epoch FROM step) / 60)::int, zone);
	END IF;

	/* readings of the clock, one step apart from the first one */
	base := CASE WHEN anchor IS NOT NULL THEN anchor AT TIME ZONE zone
			WHEN size IN ('minute', 'hour', 'day') THEN timestamp '2000-01-03'
			WHEN size = 'week' THEN timestamp '2000-01-03' - make_interval(days =>
				mod(8 - array_position('{monday,tuesday,wednesday,thursday,friday,saturday,sunday}',
									   coalesce(def ->> 'week_start', 'monday')), 7))
			ELSE timestamp '0001-01-01 BC' END;
	IF extract(month FROM step) + extract(year FROM step) > 0 THEN
		k := floor(((extract(year FROM t AT TIME ZONE zone) - extract(year FROM base) - CASE WHEN base < '0001-01-01' THEN 1 ELSE 0 END) * 12
			+ extract(month FROM t AT TIME ZONE zone) - extract(month FROM base))
			/ (extract(month FROM step) + 12 * extract(year FROM step))) - 1;
	ELSE
		k := floor(extract(epoch FROM (t AT TIME ZONE zone) - base) / extract(epoch FROM step)) - 1;
	END IF;
	LOOP
		/* the anchor is an instant, the others are readings */
		found := CASE WHEN k = 0 AND anchor IS NOT NULL THEN anchor ELSE oracle.first_coming(base + k * step, zone) END;
		IF found > t THEN
			RETURN found;
		END IF;
		k := k + 1;
	END LOOP;
END
$$;

/* A range in windows, the first and the last clipped; def NULL: the range. */
CREATE FUNCTION oracle.windows(range_from timestamptz, range_to timestamptz, def jsonb)
RETURNS TABLE (window_start timestamptz, window_end timestamptz)
LANGUAGE plpgsql STABLE AS $$
BEGIN
	window_start := range_from;
	WHILE window_start < range_to LOOP
		window_end := CASE WHEN def IS NULL THEN range_to
			ELSE least(range_to, oracle.window_end(window_start, def)) END;
		RETURN NEXT;
		window_start := window_end;
	END LOOP;
END
$$;
