/*
 * late.sql
 *		Late events, and those too far from now.
 */

/* Until when the windows of a meter are finalized. */
CREATE TABLE oracle.horizon (
	organization_id uuid NOT NULL,
	meter text NOT NULL,
	horizon timestamptz NOT NULL
);

/* What a meter keeps for somebody to look at; the event holds its keys. */
CREATE TABLE oracle.quarantined (
	organization_id uuid NOT NULL,
	seq bigint NOT NULL,
	meter text NOT NULL,
	known_from timestamptz NOT NULL DEFAULT clock_timestamp(),
	known_to timestamptz NOT NULL DEFAULT 'infinity',
	PRIMARY KEY (organization_id, seq, meter)
);

/* A definition's policy, with its defaults. */
CREATE FUNCTION oracle.policy(def jsonb, OUT mode text, OUT grace interval, OUT max_future interval, OUT max_age interval)
LANGUAGE sql IMMUTABLE AS $$
	SELECT coalesce(p ->> 'mode', 'revise'), coalesce((p ->> 'grace')::interval, '1 hour'),
		   (p ->> 'max_future')::interval, (p ->> 'max_age')::interval
	FROM (SELECT coalesce(nullif(def -> 'late_event_policy', 'null'), '{}')) x(p)
$$;

/* When the window of t is not waited for any longer. */
CREATE FUNCTION oracle.closes_at(def jsonb, t timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
	SELECT oracle.window_end(t, oracle.window_of(def, NULL)) + (oracle.policy(def)).grace
$$;

/* Is the window of t finalized? */
CREATE FUNCTION oracle.finalized(org uuid, def jsonb, t timestamptz) RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT EXISTS (SELECT FROM oracle.horizon h
				   WHERE h.organization_id = org AND h.meter = def ->> 'key' AND oracle.closes_at(def, t) <= h.horizon)
$$;

/* The start of the window that holds t: the first instant after which no other window ends. */
CREATE FUNCTION oracle.window_start(t timestamptz, window_def jsonb) RETURNS timestamptz
LANGUAGE plpgsql STABLE AS $$
DECLARE
	this timestamptz := oracle.window_end(t, window_def);
	found timestamptz := t - 2 * (this - t) - 2 * oracle.step(coalesce(window_def ->> 'size', 'month'), coalesce((window_def ->> 'count')::int, 1));
	next timestamptz;
BEGIN
	LOOP
		next := oracle.window_end(found, window_def);
		IF next = this THEN
			RETURN found;
		END IF;
		found := next;
	END LOOP;
END
$$;

/*
 * The start of a meter's earliest window that takes events at some time: of the
 * first version that has one by its own grace.  Windows go on from one version
 * to the next where they are the same, else the next one's begin with it.
 */
CREATE FUNCTION oracle.next_place(org uuid, meter text, came timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
	WITH range AS (
		SELECT r.effective_from AS f, r.effective_to AS t, oracle.window_of(m.definition, NULL) AS w, (oracle.policy(m.definition)).grace
		FROM oracle.version_range r, oracle.version_numbered(org, r.meter, r.version) m
		WHERE r.organization_id = org AND r.meter = $2 AND r.known_to = 'infinity'
	), begins AS (
		SELECT *, (lag(w) OVER (ORDER BY f) = w) IS NOT TRUE AS other FROM range
	), run AS (
		SELECT *, max(f) FILTER (WHERE other) OVER (ORDER BY f) AS since FROM begins
	)
	SELECT greatest(oracle.window_start(greatest(came - grace, f), w), since)
	FROM run WHERE greatest(came - grace, f) < t ORDER BY f LIMIT 1
$$;

/*
 * What a version makes of an event's time, and of when it came: a status, where
 * it is counted, and the code of a refusal.
 */
CREATE FUNCTION oracle.place(org uuid, def jsonb, t timestamptz, came_after timestamptz, came_before timestamptz,
							 OUT status text, OUT place timestamptz, OUT code text)
LANGUAGE plpgsql AS $$
DECLARE
	p record := oracle.policy(def);
BEGIN
	place := t;
	IF p.max_future IS NOT NULL AND NOT oracle.passed(t - p.max_future, came_after, came_before) THEN
		status := 'rejected';
		code := 'TOO_FUTURE';
	ELSIF p.max_age IS NOT NULL AND oracle.passed(t + p.max_age + interval '1 microsecond', came_after, came_before) THEN
		status := 'rejected';
		code := 'TOO_OLD';
	ELSIF NOT oracle.passed(oracle.closes_at(def, t), came_after, came_before) THEN
		status := 'accepted';
	ELSIF p.mode = 'reject' THEN
		status := 'rejected';
		code := 'LATE';
	ELSIF p.mode = 'quarantine' THEN
		status := 'late_quarantined';
	ELSIF p.mode = 'next_window' THEN
		status := 'late_next_window';
		place := oracle.next_place(org, def ->> 'key', came_before);
		/* did the clock enter that window just then? */
		IF oracle.next_place(org, def ->> 'key', came_after) <> place THEN
			PERFORM set_config('oracle.crossed', place::text, false);
		END IF;
	ELSE
		status := CASE WHEN oracle.finalized(org, def, t) THEN 'late_revised' ELSE 'accepted' END;
	END IF;
END
$$;

/*
 * The status of an event that some meter counts, from what each meter that took
 * notice made of it.  Silent: when they differ; taken: the best of it, as
 * where some refuse it.
 */
CREATE FUNCTION oracle.status_of(how text[]) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
	SELECT s FROM unnest('{accepted,late_next_window,late_revised}'::text[]) WITH ORDINALITY x(s, n) WHERE s = ANY (how) ORDER BY n LIMIT 1
$$;
