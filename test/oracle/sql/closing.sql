/*
 * closing.sql
 *		Windows that are closed, and their results.
 */

/* Windows that end, with their grace, until now are final. */
CREATE FUNCTION oracle.close_windows(org uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	/* did some window's grace end while we were asked? */
	PERFORM oracle.passed(oracle.closes_at(m.definition, p, c.event_time))
	FROM oracle.counted c, oracle.version_numbered(org, c.meter, c.version) m, oracle.profiles(m.definition) p
	WHERE c.organization_id = org AND p ->> 'profile' = c.profile;
	PERFORM oracle.passed(oracle.closes_at(m.definition, NULL, s.event_time))
	FROM oracle.sent s, oracle.listening(org, s.type, s.aim) l, oracle.meter m WHERE m.organization_id = org AND m.key = l AND s.organization_id = org;
	DELETE FROM oracle.horizon h WHERE h.organization_id = org;
	INSERT INTO oracle.horizon VALUES (org, oracle.clock_after());
END
$$;

/* What should be the results now: of what is counted in windows that are final. */
CREATE FUNCTION oracle.results(org uuid)
RETURNS TABLE (meter text, profile text, window_start timestamptz, window_end timestamptz, subject text, currency text, version int, value numeric, event_count bigint)
LANGUAGE sql STABLE AS $$
	WITH event AS (
		SELECT c.meter, c.profile, c.subject, c.currency, c.version, p, c, oracle.level_kind(m.definition, p) AS level,
			   oracle.window_start(c.event_time, oracle.window_of(m.definition, p)) AS ws,
			   oracle.window_end(c.event_time, oracle.window_of(m.definition, p)) AS we
		FROM oracle.counted c, oracle.version_numbered(org, c.meter, c.version) m, oracle.profiles(m.definition) p
		WHERE c.organization_id = org AND c.known_to = 'infinity' AND p ->> 'profile' = c.profile
		  AND oracle.finalized(org, m.definition, p, c.event_time)
	)
	SELECT e.meter, e.profile, e.ws, e.we, e.subject, e.currency, e.version, oracle.result(e.p, e.ws, e.we, array_agg(e.c)), count(*)
	FROM event e
	GROUP BY e.meter, e.profile, e.ws, e.we, e.subject, e.currency, e.version, e.p
$$;

/* The last revision of each of the extension's results that holds something. */
CREATE FUNCTION oracle.engine_results(org uuid)
RETURNS TABLE (meter text, profile text, window_start timestamptz, window_end timestamptz, subject text, currency text, version int, value numeric, event_count bigint)
LANGUAGE sql STABLE AS $$
	SELECT m.key, coalesce(r.profile, ''), r.window_start, r.window_end, r.subject, r.currency, r.version, r.value, r.event_count
	FROM (SELECT DISTINCT ON (meter_id, profile, window_start, window_end, subject, currency, version) *
		  FROM meter.window_results WHERE organization_id = org
		  ORDER BY meter_id, profile, window_start, window_end, subject, currency, version, revision DESC) r
	JOIN meter.meter m ON m.organization_id = org AND m.id = r.meter_id
	WHERE r.event_count > 0
$$;

/* Results whose revisions are not 1, 2, 3 ... or whose deltas do not add up. */
CREATE FUNCTION oracle.engine_revisions_wrong(org uuid)
RETURNS TABLE (meter_id uuid, profile text, window_start timestamptz, window_end timestamptz, subject text, currency text, version int,
			   revisions text, "values" text, deltas text)
LANGUAGE sql STABLE AS $$
	SELECT r.meter_id, r.profile, r.window_start, r.window_end, r.subject, r.currency, r.version,
		   string_agg(r.revision::text, ' ' ORDER BY r.revision), string_agg(coalesce(r.value::text, 'null'), ' ' ORDER BY r.revision),
		   string_agg(coalesce(r.delta::text, 'null'), ' ' ORDER BY r.revision)
	FROM meter.window_results r WHERE r.organization_id = org
	GROUP BY r.meter_id, r.profile, r.window_start, r.window_end, r.subject, r.currency, r.version
	HAVING array_agg(r.revision ORDER BY r.revision) <> ARRAY(SELECT generate_series(1, count(*)::int))
		OR oracle.comparable(coalesce((array_agg(r.value ORDER BY r.revision DESC))[1], 0)) <> oracle.comparable(coalesce(sum(r.delta), 0))
$$;
