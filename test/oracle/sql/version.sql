/*
 * version.sql
 *		Versions of meters: which one measures what time, and what was known of
 *		that when.
 *
 * A range is never changed.  When a version is published or taken back the
 * ranges known until then end to be known, and others begin.
 */
CREATE TABLE oracle.version_range (
	organization_id uuid NOT NULL,
	meter text NOT NULL,
	version int NOT NULL,
	effective_from timestamptz NOT NULL,
	effective_to timestamptz NOT NULL,
	known_from timestamptz NOT NULL DEFAULT clock_timestamp(),
	known_to timestamptz NOT NULL DEFAULT 'infinity'
);
CREATE INDEX ON oracle.version_range (organization_id, meter);

/* Was something known as of a time (NULL: is it now)? */
CREATE FUNCTION oracle.known(known_from timestamptz, known_to timestamptz, as_of timestamptz) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN as_of IS NULL THEN known_to = 'infinity' ELSE known_from <= as_of AND as_of < known_to END
$$;

/* The key of a meter that is called by its key or its id. */
CREATE FUNCTION oracle.key_of(org uuid, meter text) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT min(o.key) FROM oracle.meter o WHERE o.organization_id = org AND $2 IN (o.key, o.id)
$$;

/* The range of a meter's versions that holds t. */
CREATE FUNCTION oracle.range_at(org uuid, meter text, t timestamptz, as_of timestamptz DEFAULT NULL) RETURNS oracle.version_range
LANGUAGE sql STABLE AS $$
	SELECT r FROM oracle.version_range r
	WHERE r.organization_id = org AND r.meter = $2 AND r.effective_from <= t AND t < r.effective_to
	  AND oracle.known(r.known_from, r.known_to, as_of)
$$;

/* The version of a meter that measures an event of time t. */
CREATE FUNCTION oracle.version_at(org uuid, meter text, t timestamptz) RETURNS oracle.meter
LANGUAGE sql STABLE AS $$
	SELECT m FROM oracle.meter m
	WHERE m.organization_id = org AND m.key = $2 AND m.version = (oracle.range_at(org, $2, t)).version
$$;

CREATE FUNCTION oracle.create_meter(org uuid, id text, def jsonb) RETURNS void
LANGUAGE sql AS $$
	INSERT INTO oracle.meter (organization_id, key, id, definition) VALUES (org, def ->> 'key', $2, def);
	INSERT INTO oracle.version_range (organization_id, meter, version, effective_from, effective_to)
	VALUES (org, def ->> 'key', 1, '-infinity', 'infinity');
$$;

/* Forget a range, remember others. */
CREATE FUNCTION oracle.put_range(org uuid, meter text, version int, effective_from timestamptz, effective_to timestamptz) RETURNS void
LANGUAGE sql AS $$
	INSERT INTO oracle.version_range (organization_id, meter, version, effective_from, effective_to)
	SELECT $1, $2, $3, $4, $5 WHERE $4 < $5
$$;

CREATE FUNCTION oracle.drop_range(r oracle.version_range) RETURNS void
LANGUAGE sql AS $$
	UPDATE oracle.version_range x SET known_to = clock_timestamp()
	WHERE x.organization_id = r.organization_id AND x.meter = r.meter AND x.effective_from = r.effective_from AND x.known_to = 'infinity'
$$;

/*
 * A version takes over at e, until the next one does; what it takes over is
 * counted anew, but for windows that are finalized.  In the past only where that
 * was asked for.
 */
CREATE FUNCTION oracle.take_over(org uuid, meter text, version int, e timestamptz, reprocess boolean, at_once boolean) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	r oracle.version_range := oracle.range_at(org, meter, e);
BEGIN
	IF r.effective_from = e THEN
		RAISE EXCEPTION 'two versions at one instant';
	ELSIF NOT at_once AND oracle.passed(e) AND NOT reprocess THEN
		RAISE EXCEPTION 'in the past';
	END IF;
	IF oracle.closes_twice(org, meter, r.version, version, e, r.effective_to) THEN
		RAISE EXCEPTION 'would close twice';
	END IF;
	PERFORM oracle.note_cut(org, meter, r.version, version, e);
	PERFORM oracle.drop_range(r);
	PERFORM oracle.put_range(org, meter, r.version, r.effective_from, e);
	PERFORM oracle.put_range(org, meter, version, e, r.effective_to);
	PERFORM oracle.recount(org, meter, e, r.effective_to, true);
END
$$;

/* A definition with a patch: null resets to the default, which is not there. */
CREATE FUNCTION oracle.patched(def jsonb, patch jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
	SELECT jsonb_object_agg(e.key, e.value)
	FROM jsonb_each(def || (patch - '{version,effective_at,save_as_draft,reprocess}'::text[])) e WHERE e.value <> 'null'
$$;

/*
 * update_meter; where it takes effect at once, at is when that was.  A second
 * draft edits the first one.
 */
CREATE FUNCTION oracle.update_meter(org uuid, meter text, patch jsonb, at timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	e timestamptz := coalesce((patch ->> 'effective_at')::timestamptz, at);
	base oracle.meter := oracle.version_at(org, meter, e);
	draft boolean := coalesce((patch ->> 'save_as_draft')::boolean, false);
	n int := (SELECT max(m.version) + 1 FROM oracle.meter m WHERE m.organization_id = org AND m.key = meter);
	present int := (oracle.range_at(org, meter, at)).version;
BEGIN
	/* Silent: what locks a draft; taken: its number does too */
	IF (patch ->> 'version')::int NOT IN (SELECT present UNION ALL SELECT m.version FROM oracle.meter m
			WHERE m.organization_id = org AND m.key = $2 AND m.state = 'draft' AND draft) THEN
		RAISE EXCEPTION 'version % is in force', present;
	END IF;
	IF draft THEN
		UPDATE oracle.meter m SET definition = oracle.patched(m.definition, patch)
		WHERE m.organization_id = org AND m.key = meter AND m.state = 'draft';
		IF FOUND THEN
			RETURN;
		END IF;
	END IF;
	INSERT INTO oracle.meter VALUES (org, meter, base.id, n, CASE WHEN draft THEN 'draft' ELSE 'published' END, oracle.patched(base.definition, patch));
	IF NOT draft THEN
		PERFORM oracle.take_over(org, meter, n, e, coalesce((patch ->> 'reprocess')::boolean, false),
			patch ->> 'effective_at' IS NULL);
	END IF;
END
$$;

CREATE FUNCTION oracle.publish_meter_version(org uuid, meter text, version int, effective_at timestamptz, reprocess boolean) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE oracle.meter m SET state = 'published'
	WHERE m.organization_id = org AND m.key = meter AND m.version = $3 AND m.state = 'draft';
	IF NOT FOUND THEN
		RAISE EXCEPTION 'no draft';
	END IF;
	PERFORM oracle.take_over(org, meter, version, effective_at, reprocess, false);
END
$$;

/* A draft is put away; a version that is not in effect yet leaves its time to the one before. */
CREATE FUNCTION oracle.archive_meter_version(org uuid, meter text, version int) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	r oracle.version_range;
	before oracle.version_range;
BEGIN
	SELECT * INTO r FROM oracle.version_range x
	WHERE x.organization_id = org AND x.meter = $2 AND x.version = $3 AND x.known_to = 'infinity';
	IF FOUND AND oracle.passed(r.effective_from) THEN
		RAISE EXCEPTION 'in effect';
	END IF;
	UPDATE oracle.meter m SET state = 'archived'
	WHERE m.organization_id = org AND m.key = meter AND m.version = $3 AND m.state <> 'archived';
	IF NOT FOUND THEN
		RAISE EXCEPTION 'no such version';
	END IF;
	IF r.version IS NOT NULL THEN
		SELECT * INTO before FROM oracle.version_range x
		WHERE x.organization_id = org AND x.meter = $2 AND x.effective_to = r.effective_from AND x.known_to = 'infinity';
		PERFORM oracle.drop_range(r);
		PERFORM oracle.drop_range(before);
		PERFORM oracle.put_range(org, meter, before.version, before.effective_from, r.effective_to);
		PERFORM oracle.recount(org, meter, r.effective_from, r.effective_to, true);
	END IF;
END
$$;

CREATE FUNCTION oracle.version_numbered(org uuid, meter text, version int) RETURNS oracle.meter
LANGUAGE sql STABLE AS $$
	SELECT m FROM oracle.meter m WHERE m.organization_id = org AND m.key = $2 AND m.version = $3
$$;

/* The window of a profile, whole. */
CREATE FUNCTION oracle.window_of(def jsonb, p jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
	SELECT base || CASE jsonb_typeof(p -> 'window')
		WHEN 'string' THEN coalesce(nullif(def -> 'window', 'null'), '{}') || jsonb_build_object('size', p -> 'window', 'count', 1)
		WHEN 'object' THEN p -> 'window'
		ELSE coalesce(nullif(def -> 'window', 'null'), '{}') END
	FROM (SELECT jsonb '{"size": "month", "count": 1, "time_zone": "UTC", "anchor": null, "week_start": "monday"}') x(base)
$$;

/* What must agree for a level to go on from one version to the next. */
CREATE FUNCTION oracle.level_kind(def jsonb, p jsonb) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
	SELECT jsonb_build_array(p -> 'function', coalesce((p ->> 'recurring')::boolean, false), coalesce(p #>> '{function_options,approximate}', 'false'),
		CASE p ->> 'function' WHEN 'weighted_sum' THEN coalesce(p #>> '{function_options,mode}', 'delta') END, coalesce(def ->> 'unit_label', ''))::text
$$;

/* What must agree for usage of two versions to be one number: function, unit, window. */
CREATE FUNCTION oracle.kind(def jsonb, p jsonb) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
	SELECT jsonb_build_array(oracle.level_kind(def, p), p #> '{function_options,percentile}', oracle.window_of(def, p))::text
$$;

/* Silent: what was known of a meter before it was there; taken: what was known first. */
CREATE FUNCTION oracle.since_known(org uuid, meter text, as_of timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
	SELECT CASE WHEN as_of IS NOT NULL THEN greatest(as_of, min(r.known_from)) END
	FROM oracle.version_range r WHERE r.organization_id = org AND r.meter = oracle.key_of(org, $2)
$$;

/* The window of a profile, as the last of the versions that have it says. */
CREATE FUNCTION oracle.asked_window(org uuid, meter text, profile text, as_of timestamptz) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT oracle.window_of(o.definition, p)
	FROM oracle.version_range r, oracle.version_numbered(org, r.meter, r.version) o, oracle.profiles(o.definition) p
	WHERE r.organization_id = org AND r.meter = oracle.key_of(org, $2) AND oracle.known(r.known_from, r.known_to, oracle.since_known(org, $2, as_of))
	  AND p ->> 'profile' = coalesce($3, '')
	ORDER BY r.effective_from DESC LIMIT 1
$$;

/*
 * A window in pieces, one for each version that has the profile and a part of
 * the window; neighbours of one kind are one piece, which the last one names.
 * Levels have gone on since: that is where the first of the versions begins
 * that follow each other with levels of one kind.
 */
CREATE FUNCTION oracle.segments(org uuid, meter text, profile text, as_of timestamptz, window_start timestamptz, window_end timestamptz)
RETURNS TABLE (piece_start timestamptz, piece_end timestamptz, version int, p jsonb, kind text, level text, since timestamptz)
LANGUAGE sql STABLE AS $$
	WITH range AS (
		SELECT r.effective_from AS f, r.effective_to AS t, r.version, p, oracle.kind(o.definition, p) AS kind, oracle.level_kind(o.definition, p) AS level
		FROM oracle.version_range r, oracle.version_numbered(org, r.meter, r.version) o, oracle.profiles(o.definition) p
		WHERE r.organization_id = org AND r.meter = oracle.key_of(org, $2) AND oracle.known(r.known_from, r.known_to, oracle.since_known(org, $2, as_of))
		  AND p ->> 'profile' = coalesce($3, '')
	), begins AS (
		SELECT *, (lag(t) OVER o = f AND lag(kind) OVER o = kind) IS NOT TRUE AS other_kind,
			   (lag(t) OVER o = f AND lag(level) OVER o = level) IS NOT TRUE AS other_level
		FROM range WINDOW o AS (ORDER BY f)
	), run AS (
		SELECT *, count(*) FILTER (WHERE other_kind) OVER o AS n, max(f) FILTER (WHERE other_level) OVER o AS since FROM begins WINDOW o AS (ORDER BY f)
	)
	SELECT greatest(min(f), $5), least(max(t), $6), (array_agg(x.version ORDER BY f DESC))[1], (array_agg(x.p ORDER BY f DESC))[1], x.kind, x.level, x.since
	FROM run x WHERE f < $6 AND $5 < t
	GROUP BY n, x.kind, x.level, x.since
$$;
