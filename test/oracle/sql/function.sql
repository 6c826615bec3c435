/*
 * function.sql
 *		Functions that take more than a line.
 */

/* Between the two values around the place (n - 1) * fraction, as percentile_cont. */
CREATE FUNCTION oracle.percentile(fraction numeric, list numeric[]) RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$
	WITH sorted AS (
		SELECT array_agg(v ORDER BY v) AS v, (count(*) - 1) * fraction AS place FROM unnest(list) v
	)
	SELECT v[floor(place)::int + 1] + (v[ceil(place)::int + 1] - v[floor(place)::int + 1]) * (place - floor(place))
	FROM sorted
$$;

/*
 * The level's mean over the window's real seconds.  Each event changes the
 * level (delta) or is the level (gauge) until the next one; the first piece
 * is cut at the window's start.  Nothing before the window's end: no level.
 */
CREATE FUNCTION oracle.weighted(mode text, window_start timestamptz, window_end timestamptz, events oracle.counted[]) RETURNS numeric
LANGUAGE sql STABLE AS $$
	WITH event AS (
		SELECT (e).* FROM unnest(events) e WHERE (e).seq IS NOT NULL
	), piece AS (
		SELECT CASE mode WHEN 'gauge' THEN value ELSE sum(value) OVER (ORDER BY event_time, seq) END AS level,
			   greatest(event_time, window_start) AS since,
			   greatest(coalesce(lead(event_time) OVER (ORDER BY event_time, seq), window_end), window_start) AS until
		FROM event
	)
	SELECT sum(level * extract(epoch FROM until - since)) * 1e40 / extract(epoch FROM window_end - window_start) * 1e-40 FROM piece
$$;

/* Quotients have no end: a number to the digits of one that must agree. */
CREATE FUNCTION oracle.comparable(n numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE STRICT AS $$
	SELECT CASE WHEN n = 0 THEN 0 ELSE round(n, 13 - oracle.exponent(n)) END
$$;
