/*
 * rejected.sql
 *		What was put away is let through, or tried again.
 */

/*
 * Of the quarantined events of a meter (NULL: of all), those with these ids
 * (NULL: all) count where they belong; what can not be counted stays.
 */
CREATE FUNCTION oracle.release_quarantine(org uuid, ids text[], meter text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	q oracle.quarantined;
	s oracle.sent;
	m oracle.meter;
	x oracle.measured;
BEGIN
	FOR q IN
		SELECT y.* FROM oracle.quarantined y JOIN oracle.sent e USING (organization_id, seq)
		WHERE y.organization_id = org AND y.known_to = 'infinity' AND ($3 IS NULL OR y.meter = $3) AND ($2 IS NULL OR e.id = ANY ($2)) ORDER BY y.seq
	LOOP
		SELECT * INTO s FROM oracle.sent e WHERE e.organization_id = org AND e.seq = q.seq;
		m := oracle.version_at(org, q.meter, s.event_time);
		x := oracle.measure(m.definition, s.subject, s.data, s.event_time);
		CONTINUE WHEN x.outcome = 'rejected' OR x.outcome = 'counted' AND x.dedup_key IS NULL AND s.id IS NULL
			OR x.outcome = 'counted' AND NOT oracle.claim(org, m.key, x.dedup_key, s.seq);
		IF x.outcome = 'counted' THEN
			PERFORM oracle.count(org, s.seq, m, x, s.event_time);
		END IF;
		UPDATE oracle.sent e SET stored = true WHERE e.organization_id = org AND e.seq = s.seq;
		UPDATE oracle.quarantined y SET known_to = clock_timestamp()
		WHERE y.organization_id = org AND y.seq = q.seq AND y.meter = q.meter;
	END LOOP;
END
$$;

/* A meter tries an event again that others count. */
CREATE FUNCTION oracle.try_again(r oracle.rejected) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	s oracle.sent;
	m oracle.meter;
	x oracle.measured;
	used oracle.meter_key;
	p record;
BEGIN
	SELECT * INTO s FROM oracle.sent e WHERE e.organization_id = r.organization_id AND e.seq = r.seq;
	m := oracle.version_at(r.organization_id, r.meter, s.event_time);
	IF NOT EXISTS (SELECT FROM oracle.reversal v WHERE v.organization_id = r.organization_id AND v.seq = r.seq)
	   AND NOT EXISTS (SELECT FROM oracle.counted c WHERE c.organization_id = r.organization_id AND c.seq = r.seq AND c.meter = r.meter AND c.known_to = 'infinity')
	THEN
		x := oracle.measure(m.definition, s.subject, s.data, s.event_time);
		IF x.outcome = 'rejected' OR x.outcome = 'counted' AND x.dedup_key IS NULL AND s.id IS NULL THEN
			RETURN;
		ELSIF x.outcome = 'counted' THEN
			p := oracle.place(r.organization_id, m.definition, s.event_time, r.came_after, r.came_before);
			IF p.status = 'rejected' THEN
				UPDATE oracle.rejected y SET reason = p.code WHERE y.organization_id = r.organization_id AND y.no = r.no;
				RETURN;
			END IF;
			SELECT * INTO used FROM oracle.meter_key k WHERE k.organization_id = r.organization_id AND k.meter = m.key AND k.key = x.dedup_key;
			IF FOUND AND oracle.newest(r.organization_id, used.seq) <> s.seq THEN
				IF (used.subject, used.data, used.given_time) IS DISTINCT FROM (s.subject, s.data, CASE WHEN s.time_given THEN s.event_time END) THEN
					UPDATE oracle.rejected y SET reason = 'conflict' WHERE y.organization_id = r.organization_id AND y.no = r.no;
					RETURN;
				END IF;
				x.outcome := 'skipped';
			END IF;
		END IF;
		IF x.outcome = 'counted' THEN
			PERFORM oracle.claim(r.organization_id, m.key, x.dedup_key, s.seq);
			IF p.status = 'late_quarantined' THEN
				INSERT INTO oracle.quarantined (organization_id, seq, meter) VALUES (r.organization_id, s.seq, m.key);
			ELSE
				PERFORM oracle.count(r.organization_id, s.seq, m, x, p.place);
			END IF;
		END IF;
	END IF;
	DELETE FROM oracle.rejected y WHERE y.organization_id = r.organization_id AND y.no = r.no;
END
$$;

/*
 * Rejected events are tried again, as if they came when they did: those with
 * these ids (NULL: all), rejected by a meter (NULL: by whatever).  What nobody
 * counts goes the whole way again.
 */
CREATE FUNCTION oracle.replay_rejected(org uuid, ids text[], meter text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	r oracle.rejected;
BEGIN
	FOR r IN
		SELECT * FROM oracle.rejected y
		WHERE y.organization_id = org AND ($2 IS NULL OR y.event_id = ANY ($2)) AND ($3 IS NULL OR y.meter = $3) AND y.event IS NOT NULL
		ORDER BY y.no
	LOOP
		IF r.seq IS NOT NULL THEN
			PERFORM oracle.try_again(r);
		ELSE
			/* one event may have been rejected by several; the first takes them all */
			DELETE FROM oracle.rejected y WHERE y.organization_id = org AND y.seq IS NULL AND y.event = r.event AND y.came_after = r.came_after AND y.came_before = r.came_before;
			CONTINUE WHEN NOT FOUND;
			PERFORM oracle.ingest_one(org, r.event, r.came_after, r.came_before);
		END IF;
	END LOOP;
END
$$;
