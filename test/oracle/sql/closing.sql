/*
 * closing.sql
 *		Windows that are closed, and their results.
 */

/*
 * Silent: what becomes of a closed window that a version published for the past
 * cuts or would close later, since its own are others; taken: nothing is expected of the results of
 * such a meter.
 */
CREATE TABLE oracle.cut_meter (
	organization_id uuid NOT NULL,
	meter text NOT NULL
);

CREATE FUNCTION oracle.note_cut(org uuid, meter text, former int, version int, e timestamptz) RETURNS void
LANGUAGE sql AS $$
	INSERT INTO oracle.cut_meter
	SELECT org, $2
	FROM oracle.version_numbered(org, $2, $3) f, oracle.version_numbered(org, $2, $4) v
	WHERE EXISTS (SELECT FROM oracle.horizon h WHERE h.organization_id = org AND h.meter = $2 AND e < h.horizon)
	  AND EXISTS (SELECT FROM oracle.profiles(f.definition) p FULL JOIN oracle.profiles(v.definition) q ON p ->> 'profile' = q ->> 'profile'
				  WHERE oracle.window_of(f.definition, p) IS DISTINCT FROM oracle.window_of(v.definition, q) OR p IS NULL OR q IS NULL
					 OR (oracle.policy(f.definition)).grace <> (oracle.policy(v.definition)).grace
					 /* the rows of usage end at e now, that of the result does not */
					 OR (oracle.kind(f.definition, p) IS DISTINCT FROM oracle.kind(v.definition, q)
						 AND oracle.window_start(e, oracle.window_of(f.definition, p)) < e))
$$;

/*
 * Would a window that the version opens hold a time that the former one closed?
 * The last of these is as good as any.
 */
CREATE FUNCTION oracle.closes_twice(org uuid, meter text, former int, version int, e timestamptz, until timestamptz) RETURNS boolean
LANGUAGE sql AS $$
	SELECT EXISTS (
		SELECT FROM oracle.horizon h, oracle.version_numbered(org, $2, $3) f, oracle.version_numbered(org, $2, $4) v,
			 LATERAL (SELECT p, q FROM oracle.profiles(f.definition) p JOIN oracle.profiles(v.definition) q ON p ->> 'profile' = q ->> 'profile') x,
			 LATERAL oracle.window_start(h.horizon - (oracle.policy(f.definition)).grace, oracle.window_of(f.definition, x.p)) closed
		WHERE h.organization_id = org AND h.meter = $2 AND e < closed
		  AND oracle.window_end(least(closed, until) - interval '1 microsecond', oracle.window_of(v.definition, x.q)) + (oracle.policy(v.definition)).grace > h.horizon)
$$;

/* Windows that end, with their grace, until now are final. */
CREATE FUNCTION oracle.close_windows(org uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	/* did some window's grace end while we were asked? */
	PERFORM oracle.passed(p.due) FROM oracle.closing_pieces(org) p;
	PERFORM oracle.passed(oracle.closes_at(m.definition, s.event_time))
	FROM oracle.sent s, oracle.listening(org, s.type, s.aim) l, oracle.meter m WHERE m.organization_id = org AND m.key = l AND s.organization_id = org;
	DELETE FROM oracle.horizon h WHERE h.organization_id = org;
	INSERT INTO oracle.horizon SELECT org, m.key, max(oracle.clock_after()) FROM oracle.meter m WHERE m.organization_id = org GROUP BY m.key;
END
$$;

/*
 * The windows of a profile in which something is counted.  Versions that follow
 * each other with the same windows share them; where windows differ they are cut
 * at the boundary.  A window is final when its end, were it not cut, and the
 * longest grace of the versions in it are over.
 */
CREATE FUNCTION oracle.closing_pieces(org uuid, OUT meter text, OUT profile text, OUT piece_start timestamptz, OUT piece_end timestamptz, OUT due timestamptz)
RETURNS SETOF record
LANGUAGE sql STABLE AS $$
	WITH range AS (
		SELECT r.meter, p ->> 'profile' AS profile, r.effective_from AS f, r.effective_to AS t,
			   oracle.window_of(o.definition, p) AS w, (oracle.policy(o.definition)).grace
		FROM oracle.version_range r, oracle.version_numbered(org, r.meter, r.version) o, oracle.profiles(o.definition) p
		WHERE r.organization_id = org AND r.known_to = 'infinity'
	), begins AS (
		SELECT *, (lag(t) OVER o = f AND lag(w) OVER o = w) IS NOT TRUE AS other FROM range WINDOW o AS (PARTITION BY meter, profile ORDER BY f)
	), run AS (
		SELECT *, count(*) FILTER (WHERE other) OVER (PARTITION BY meter, profile ORDER BY f) AS n FROM begins
	), span AS (
		SELECT meter, profile, n, w, min(f) AS f, max(t) AS t FROM run GROUP BY meter, profile, n, w
	), piece AS (
		SELECT DISTINCT s.meter, s.profile, s.n, oracle.window_start(c.event_time, s.w) AS ws, oracle.window_end(c.event_time, s.w) AS we, s.f, s.t
		FROM span s JOIN oracle.counted c ON c.organization_id = org AND c.meter = s.meter AND c.profile = s.profile AND c.known_to = 'infinity'
			AND c.event_time >= s.f AND c.event_time < s.t
	)
	SELECT p.meter, p.profile, greatest(p.ws, p.f), least(p.we, p.t),
		   p.we + (SELECT max(r.grace) FROM run r WHERE r.meter = p.meter AND r.profile = p.profile AND r.n = p.n AND r.f < p.we AND p.ws < r.t)
	FROM piece p
$$;

/* What should be the results now: of what is counted in windows that are final. */
CREATE FUNCTION oracle.results(org uuid)
RETURNS TABLE (meter text, profile text, window_start timestamptz, window_end timestamptz, subject text, currency text, version int, value numeric, event_count bigint)
LANGUAGE sql STABLE AS $$
	SELECT p.meter, p.profile, u.window_start, u.window_end, u.subject, u.currency, u.version, u.value, u.event_count
	FROM oracle.closing_pieces(org) p JOIN oracle.horizon h ON h.organization_id = org AND h.meter = p.meter AND p.due <= h.horizon,
		oracle.usage(org, p.meter, p.piece_start, p.piece_end, profile => nullif(p.profile, ''), group_by => '{subject}') u
	WHERE u.event_count > 0 AND NOT EXISTS (SELECT FROM oracle.cut_meter x WHERE x.organization_id = org AND x.meter = p.meter)
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
	WHERE r.event_count > 0 AND NOT EXISTS (SELECT FROM oracle.cut_meter x WHERE x.organization_id = org AND x.meter = m.key)
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
	HAVING min(r.revision) <> 1 OR max(r.revision) <> count(*) OR count(DISTINCT r.revision) <> count(*)
		OR oracle.comparable(coalesce((array_agg(r.value ORDER BY r.revision DESC))[1], 0)) <> oracle.comparable(coalesce(sum(r.delta), 0))
$$;
