/*
 * correction.sql
 *		Events taken back, replaced, counted anew.
 */
CREATE TABLE oracle.reversal (
	organization_id uuid NOT NULL,
	seq bigint NOT NULL,
	replacement bigint,
	PRIMARY KEY (organization_id, seq)
);

/* From now on a meter (NULL: no meter) does not count an event. */
CREATE FUNCTION oracle.uncount(org uuid, this bigint, meter text DEFAULT NULL) RETURNS void
LANGUAGE sql AS $$
	UPDATE oracle.counted c SET known_to = clock_timestamp()
	WHERE c.organization_id = org AND c.seq = this AND c.known_to = 'infinity' AND ($3 IS NULL OR c.meter = $3)
$$;

/* From now on it does, at a place of its own. */
CREATE FUNCTION oracle.count(org uuid, this bigint, m oracle.meter, x oracle.measured, place timestamptz) RETURNS void
LANGUAGE sql AS $$
	INSERT INTO oracle.counted (organization_id, meter, version, profile, seq, event_time, subject, value, unique_key, dimensions, currency)
	SELECT org, m.key, m.version, p.profile, this, place, x.subject, p.value, p.unique_key, x.dimensions, x.currency
	FROM jsonb_to_recordset(x.profiles) AS p(profile text, value numeric, unique_key text)
$$;

/* The event that took the place of one, or of what took its place ..., or itself. */
CREATE FUNCTION oracle.newest(org uuid, this bigint) RETURNS bigint
LANGUAGE sql STABLE AS $$
	WITH RECURSIVE follow AS (
		SELECT this AS seq
		UNION ALL SELECT r.replacement FROM follow f JOIN oracle.reversal r ON r.organization_id = org AND r.seq = f.seq AND r.replacement IS NOT NULL
	)
	SELECT max(f.seq) FROM follow f
$$;

/* The one event that has this id, or else this key in the space of a meter. */
CREATE FUNCTION oracle.to_correct(org uuid, type text, key text) RETURNS oracle.sent
LANGUAGE plpgsql AS $$
DECLARE
	named bigint[] := ARRAY(SELECT s.seq FROM oracle.sent s WHERE s.organization_id = org AND s.type = $2 AND s.id = $3);
	this oracle.sent;
BEGIN
	IF named = '{}' THEN
		named := ARRAY(SELECT k.seq FROM oracle.meter_key k
					   JOIN oracle.sent s ON s.organization_id = org AND s.seq = k.seq AND s.type = $2
					   WHERE k.organization_id = org AND k.key = $3);
	END IF;
	named := ARRAY(SELECT DISTINCT oracle.newest(org, n) FROM unnest(named) n);
	SELECT * INTO this FROM oracle.sent s WHERE s.organization_id = org AND s.seq = named[1];
	IF cardinality(named) <> 1 THEN
		RAISE EXCEPTION 'not one such event';
	ELSIF EXISTS (SELECT FROM oracle.reversal r WHERE r.organization_id = org AND r.seq = this.seq) THEN
		RAISE EXCEPTION 'taken back before';
	END IF;
	RETURN this;
END
$$;

/* Nothing of an event is left to count, to release or to try again. */
CREATE FUNCTION oracle.take_back(org uuid, this bigint, replacement bigint) RETURNS void
LANGUAGE sql AS $$
	SELECT oracle.uncount(org, this);
	INSERT INTO oracle.reversal VALUES (org, this, replacement);
	DELETE FROM oracle.rejected r WHERE r.organization_id = org AND r.seq = this AND r.meter IS NOT NULL;
	UPDATE oracle.quarantined q SET known_to = clock_timestamp()
	WHERE q.organization_id = org AND q.seq = this AND q.known_to = 'infinity';
$$;

CREATE FUNCTION oracle.void_event(org uuid, type text, key text, reason text) RETURNS void
LANGUAGE sql AS $$
	SELECT oracle.take_back(org, (oracle.to_correct(org, type, key)).seq, NULL)
$$;

/*
 * The event with other data, at the time it had, by the rules of today for that
 * time.  Silent: lateness; taken: that was judged when it came, so each meter
 * counts it where it counted it before, or does not, or has it in quarantine.
 */
CREATE FUNCTION oracle.amend_event(org uuid, type text, key text, reason text, data jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	old oracle.sent := oracle.to_correct(org, type, key);
	late text[] := ARRAY(SELECT r.meter FROM oracle.rejected r
						 WHERE r.organization_id = org AND r.seq = old.seq AND r.reason IN ('LATE', 'TOO_OLD', 'TOO_FUTURE'));
	quarantined text[] := ARRAY(SELECT q.meter FROM oracle.quarantined q
								WHERE q.organization_id = org AND q.seq = old.seq AND q.known_to = 'infinity');
	s oracle.sent;
	m oracle.meter;
	x oracle.measured;
	counted int := 0;
	refused int := 0;
BEGIN
	IF NOT old.stored THEN
		RAISE EXCEPTION 'in quarantine, and counted by nobody';
	END IF;
	INSERT INTO oracle.sent (organization_id, type, source, id, subject, event_time, time_given, data, aim, came_after, came_before)
	VALUES (org, old.type, old.source, old.id, old.subject, old.event_time, old.time_given, data, old.aim, old.came_after, old.came_before) RETURNING * INTO s;
	PERFORM oracle.take_back(org, old.seq, s.seq);
	FOR m IN SELECT v.* FROM oracle.listening(org, old.type, old.aim) l, oracle.version_at(org, l, old.event_time) v LOOP
		x := oracle.measure(m.definition, old.subject, data, old.event_time);
		IF x.outcome = 'counted' AND x.dedup_key IS NULL AND old.id IS NULL THEN
			x.outcome := 'rejected';
		ELSIF x.outcome = 'counted' AND m.key = ANY (late) THEN
			x.outcome := 'rejected';
			x.reason := 'LATE';
		ELSIF x.outcome = 'counted' AND NOT oracle.claim(org, m.key, x.dedup_key, s.seq) THEN
			x.outcome := 'rejected';
			x.reason := 'conflict';
		ELSIF x.outcome = 'counted' AND m.key = ANY (quarantined) THEN
			x.outcome := 'quarantined';
		END IF;
		PERFORM oracle.settle(org, s, m, x, oracle.place_of(org, old.seq, m.key, old.event_time));
		counted := counted + (x.outcome IN ('counted', 'quarantined'))::int;
		refused := refused + (x.outcome = 'rejected')::int;
	END LOOP;
	IF refused > 0 AND counted = 0 THEN
		RAISE EXCEPTION 'refused';
	END IF;
END
$$;

/* Where a meter counts an event, or would: its own time, unless it came to another window. */
CREATE FUNCTION oracle.place_of(org uuid, this bigint, meter text, t timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
	SELECT coalesce((SELECT c.event_time FROM oracle.counted c
					 WHERE c.organization_id = org AND c.seq = this AND c.meter = $3
					 ORDER BY c.known_from DESC LIMIT 1), t)
$$;

/*
 * A meter counts the events of a range anew, each by the version that is there
 * now for its own time.  With open_only those stay as they are whose window, by
 * the version that counts them or else by the one that would, is finalized.
 *
 * Silent: what the meter did not count before; taken: it is judged by when it
 * came as if this version had been there, and no place but its own is given to
 * it; what is in quarantine waits there; what was rejected and counts now is not
 * rejected any more.
 */
CREATE FUNCTION oracle.recount(org uuid, meter text, range_from timestamptz, range_to timestamptz, open_only boolean) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	s oracle.sent;
	m oracle.meter;
	x oracle.measured;
	place timestamptz;
	present int;
	judged record;
BEGIN
	FOR s IN
		SELECT e.* FROM oracle.sent e
		WHERE e.organization_id = org AND e.stored AND $2 IN (SELECT oracle.listening(org, e.type, e.aim))
		  AND NOT EXISTS (SELECT FROM oracle.reversal r WHERE r.organization_id = org AND r.seq = e.seq)
		  AND NOT EXISTS (SELECT FROM oracle.quarantined q WHERE q.organization_id = org AND q.seq = e.seq AND q.meter = $2 AND q.known_to = 'infinity')
		ORDER BY e.seq
	LOOP
		place := oracle.place_of(org, s.seq, meter, s.event_time);
		CONTINUE WHEN place < range_from OR place >= range_to;
		m := oracle.version_at(org, meter, s.event_time);
		SELECT max(c.version) INTO present FROM oracle.counted c
		WHERE c.organization_id = org AND c.seq = s.seq AND c.meter = $2 AND c.known_to = 'infinity';
		CONTINUE WHEN m.version = present
			OR open_only AND oracle.finalized(org, (oracle.version_numbered(org, meter, coalesce(present, m.version))).definition, place);
		x := oracle.measure(m.definition, s.subject, s.data, s.event_time);
		IF x.outcome = 'counted' AND x.dedup_key IS NULL AND s.id IS NULL THEN
			x.outcome := 'rejected';
			x.reason := 'no id';
		ELSIF x.outcome = 'counted' AND present IS NULL THEN
			judged := oracle.place(org, m.definition, s.event_time, s.came_after, s.came_before);
			x.outcome := CASE judged.status WHEN 'rejected' THEN 'rejected' WHEN 'late_quarantined' THEN 'quarantined' ELSE 'counted' END;
			x.reason := judged.code;
		END IF;
		PERFORM oracle.uncount(org, s.seq, meter);
		PERFORM oracle.settle(org, s, m, x, place);
	END LOOP;
END
$$;

/* A meter counts an event that it did not count, or rejects it. */
CREATE FUNCTION oracle.settle(org uuid, s oracle.sent, m oracle.meter, x oracle.measured, place timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	known boolean := EXISTS (SELECT FROM oracle.rejected r WHERE r.organization_id = org AND r.seq = s.seq AND r.meter = m.key);
BEGIN
	IF x.outcome = 'counted' AND NOT oracle.claim(org, m.key, x.dedup_key, s.seq) THEN
		x.outcome := CASE WHEN EXISTS (SELECT FROM oracle.meter_key k
			WHERE k.organization_id = org AND k.meter = m.key AND k.key = x.dedup_key
			  AND (k.subject, k.data, k.given_time) IS NOT DISTINCT FROM (s.subject, s.data, CASE WHEN s.time_given THEN s.event_time END))
			THEN 'duplicate' ELSE 'rejected' END;
		x.reason := 'conflict';
	END IF;
	IF x.outcome = 'counted' THEN
		PERFORM oracle.count(org, s.seq, m, x, place);
		DELETE FROM oracle.rejected r WHERE r.organization_id = org AND r.seq = s.seq AND r.meter = m.key;
	ELSIF x.outcome = 'rejected' AND NOT known THEN
		INSERT INTO oracle.rejected (organization_id, event_id, meter, reason, event, seq, came_after, came_before)
		VALUES (org, s.id, m.key, x.reason, jsonb_build_object('id', s.id, 'source', s.source, 'type', s.type, 'subject', s.subject,
			'time', s.event_time, 'data', s.data, 'meter', s.aim), s.seq, s.came_after, s.came_before);
	ELSIF x.outcome = 'quarantined' AND NOT known THEN
		INSERT INTO oracle.quarantined (organization_id, seq, meter) VALUES (org, s.seq, m.key);
	END IF;
END
$$;

/* May an event count by its key in the space of a meter?  The key of one whose place it took is its own. */
CREATE FUNCTION oracle.claim(org uuid, meter text, key text, this bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	IF key IS NULL THEN
		RETURN true;
	END IF;
	INSERT INTO oracle.meter_key
	SELECT org, meter, key, s.seq, s.subject, s.data, CASE WHEN s.time_given THEN s.event_time END
	FROM oracle.sent s WHERE s.organization_id = org AND s.seq = this
	ON CONFLICT DO NOTHING;
	RETURN (SELECT oracle.newest(org, k.seq) = this FROM oracle.meter_key k WHERE k.organization_id = org AND k.meter = $2 AND k.key = $3);
END
$$;

CREATE FUNCTION oracle.reprocess(org uuid, meter text, range_from timestamptz, range_to timestamptz) RETURNS void
LANGUAGE sql AS $$
	SELECT oracle.recount(org, meter, range_from, range_to, false)
$$;
