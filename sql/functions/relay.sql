-- The outbox's other side: relays claim domain events, deliver them and say so.
--
-- The order within an aggregate is that of the numbers.  Writers whose events
-- depend on each other number them while they hold the lock that serializes
-- them (on a meter, a window, a threshold), so that is also the order in which
-- they commit; others may commit in any order, and are handed out as they do.
-- An event is handed out when no earlier one of its aggregate is left but those
-- that the same call hands out: one that another relay has, or that waits for
-- its next attempt, holds back those behind it.  A dead one does not.
--
-- A claim looks through what is due in the order in which it became due, by an
-- index that holds only what is not delivered.  Of each aggregate that it meets
-- it takes the events from the first one on, as far as all of them are due.  Two
-- relays meet at an aggregate's first event: who finds it locked, or when it
-- has the lock claimed, leaves the aggregate alone.  What is due behind an event
-- whose delivery failed is put off to the time of that one's next attempt, so
-- that a long queue before a receiver that is down is not walked at every call;
-- what is due behind an event that another relay has is passed over, page by
-- growing page, since it may be free at any moment.
--
-- Nested loops only: a plan made while the table was small must not read all of
-- it when it has grown.

CREATE FUNCTION meter.check_outbox_call(holds boolean, member text, expected text) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	IF holds IS NOT TRUE THEN
		PERFORM meter.refuse_member('outbox call', 'OUT_OF_RANGE', member, format('%s: expected %s', member, expected));
	END IF;
END
$function$;
COMMENT ON FUNCTION meter.check_outbox_call(boolean, text, text) IS 'Refuses an argument of a relay''s call where holds is not true. Errors: 22023. Source: internal.';

CREATE FUNCTION meter.outbox_claim_page(at timestamptz, lease interval, wanted int,
		first_due timestamptz, first_id bigint, last_due timestamptz, last_id bigint)
	RETURNS TABLE (id bigint, organization_id uuid, aggregate_type text, aggregate_id text, event_type text,
		payload jsonb, occurred_at timestamptz, attempts int)
	LANGUAGE plpgsql ROWS 100
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off
	SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $function$
#variable_conflict use_column
BEGIN
	RETURN QUERY WITH due AS MATERIALIZED (
		SELECT o.organization_id, o.aggregate_type, o.aggregate_id, max(o.id) AS last_id, row_number() OVER () AS aggregate_no
		FROM meter.domain_event_outbox AS o
		WHERE o.delivered_at IS NULL AND o.next_attempt_at <= at AND (o.next_attempt_at, o.id) > (first_due, first_id)
			AND (o.next_attempt_at, o.id) <= (last_due, outbox_claim_page.last_id) AND meter.in_claims(o.organization_id)
		GROUP BY 1, 2, 3
	), run AS MATERIALIZED (
		-- what holds an aggregate back is the first of its events that is not due
		SELECT r.organization_id, r.id, r.is_due, d.aggregate_no,
			row_number() OVER (PARTITION BY d.aggregate_no ORDER BY r.id) AS place,
			CASE WHEN NOT first_value(r.is_due) OVER held THEN first_value(r.id) OVER held END AS holder,
			CASE WHEN first_value(r.claimed_until) OVER held IS NULL THEN first_value(r.next_attempt_at) OVER held END AS until
		FROM due AS d CROSS JOIN LATERAL (
			SELECT o.organization_id, o.id, o.next_attempt_at, o.claimed_until, o.next_attempt_at <= at AS is_due
			FROM meter.domain_event_outbox AS o
			WHERE o.organization_id = d.organization_id AND o.aggregate_type = d.aggregate_type
				AND o.aggregate_id = d.aggregate_id AND o.delivered_at IS NULL AND o.dead_at IS NULL
				AND o.id <= d.last_id
			OFFSET 0) AS r
		WINDOW held AS (PARTITION BY d.aggregate_no ORDER BY r.is_due, r.id)
	), chosen AS MATERIALIZED (
		SELECT r.organization_id, r.id, r.aggregate_no, r.place, NULL::timestamptz AS until FROM run AS r
		WHERE r.holder IS NULL OR r.id < r.holder
		ORDER BY r.id LIMIT wanted
	), late AS MATERIALIZED (
		SELECT r.organization_id, r.id, r.aggregate_no, r.place, r.until FROM run AS r
		WHERE r.is_due AND r.id > r.holder AND r.until IS NOT NULL
	), locked AS MATERIALIZED (
		-- A row that another relay changed since this statement began is looked at
		-- as it is now.
		SELECT o.organization_id, o.id, c.aggregate_no, c.place, c.until
		FROM (SELECT * FROM chosen UNION ALL SELECT * FROM late) AS c
		CROSS JOIN LATERAL (
			SELECT o.organization_id, o.id FROM meter.domain_event_outbox AS o
			WHERE o.id = c.id AND o.organization_id = c.organization_id
				AND num_nonnulls(o.delivered_at) = 0 AND o.next_attempt_at <= at
			FOR UPDATE SKIP LOCKED) AS o
	), decided AS MATERIALIZED (
		-- one that could not be locked holds back those behind it
		SELECT l.organization_id, l.id, l.until, l.place = row_number() OVER (
			PARTITION BY l.aggregate_no, l.until IS NULL ORDER BY l.id) AS unbroken
		FROM locked AS l
	), changed AS (
		UPDATE meter.domain_event_outbox AS o
		SET next_attempt_at = coalesce(d.until, at + lease),
			claimed_until = CASE WHEN d.until IS NULL THEN at + lease END,
			attempts = CASE WHEN d.until IS NULL THEN o.attempts + 1 ELSE o.attempts END
		FROM decided AS d
		WHERE (d.unbroken OR d.until IS NOT NULL) AND o.id = d.id AND o.organization_id = d.organization_id
			AND num_nonnulls(o.delivered_at) = 0
		RETURNING o.id, o.organization_id, o.aggregate_type, o.aggregate_id, o.event_type, o.payload, o.occurred_at, o.attempts,
			d.until IS NULL AS claimed
	)
	SELECT c.id, c.organization_id, c.aggregate_type, c.aggregate_id, c.event_type, c.payload, c.occurred_at, c.attempts
	FROM changed AS c WHERE c.claimed ORDER BY c.id;
END
$function$;
COMMENT ON FUNCTION meter.outbox_claim_page(timestamptz, interval, int, timestamptz, bigint, timestamptz, bigint) IS 'Looks at the domain events that were due at a time, after (first_due, first_id) up to (last_due, last_id): claims up to wanted of them and of those before them in their aggregates, and puts off those that wait for one whose delivery failed. Result: what it claimed, as meter.outbox_claim. Source: internal.';

CREATE FUNCTION meter.outbox_claim(max_rows int DEFAULT 100, lease interval DEFAULT '1 minute')
	RETURNS TABLE (id bigint, organization_id uuid, aggregate_type text, aggregate_id text, event_type text,
		payload jsonb, occurred_at timestamptz, attempts int)
	LANGUAGE plpgsql ROWS 100
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
AS $function$
#variable_conflict use_column
DECLARE
	at timestamptz := clock_timestamp();
	wanted int := max_rows;
	page int := max_rows;
	first_due timestamptz := '-infinity';
	first_id bigint := 0;
	last_due timestamptz;
	last_id bigint;
	taken int;
BEGIN
	PERFORM meter.check_outbox_call(max_rows BETWEEN 1 AND 10000, 'max_rows', '1 to 10000');
	PERFORM meter.check_outbox_call(lease > '0' AND lease <= '1 day', 'lease', 'more than nothing and at most a day');
	-- The first page nearly always does; three look at 21 times the rows.
	FOR round IN 1 .. 3 LOOP
		SELECT o.next_attempt_at, o.id INTO last_due, last_id FROM meter.domain_event_outbox AS o
			WHERE o.delivered_at IS NULL AND o.next_attempt_at <= at AND (o.next_attempt_at, o.id) > (first_due, first_id) AND meter.in_claims(o.organization_id)
			ORDER BY o.next_attempt_at, o.id OFFSET page - 1 LIMIT 1;
		RETURN QUERY SELECT p.* FROM meter.outbox_claim_page(at, lease, wanted, first_due, first_id,
			coalesce(last_due, at), coalesce(last_id, 9223372036854775807)) AS p;
		GET DIAGNOSTICS taken = ROW_COUNT;
		wanted := wanted - taken;
		EXIT WHEN wanted = 0 OR last_id IS NULL;
		first_due := last_due;
		first_id := last_id;
		page := page * 4;
	END LOOP;
END
$function$;
COMMENT ON FUNCTION meter.outbox_claim(int, interval) IS 'Hands out domain events that are due. max_rows: at most so many, 1 to 10000; lease: for how long they are this caller''s, up to a day; those neither acknowledged nor failed by then are handed out again. Result: the events, in the order in which those of an aggregate must be delivered: id, organization_id, aggregate_type, aggregate_id, event_type, payload, occurred_at, and attempts (which attempt this is). An event comes only together with or after all earlier ones of its aggregate: those that others have, or that wait for their next attempt, hold it back. Safe in any number of sessions: who finds an aggregate in other hands takes others. To be committed before anything is delivered, so that it holds when the relay is lost. With claims, only those of the organization they name. Errors: 22023 bad argument. Source: standard (transactional outbox).';

CREATE FUNCTION meter.outbox_ack(ids bigint[]) RETURNS int
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off
	SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $function$
DECLARE
	done int;
BEGIN
	-- in one order everywhere: two relays may have the same ones after a lease
	UPDATE meter.domain_event_outbox AS o
		SET delivered_at = clock_timestamp(), claimed_until = NULL, dead_at = NULL, last_error = NULL
		FROM (SELECT DISTINCT i FROM unnest(ids) AS i ORDER BY i) AS given (id)
		WHERE o.id = given.id AND num_nonnulls(o.delivered_at) = 0 AND meter.in_claims(o.organization_id);
	GET DIAGNOSTICS done = ROW_COUNT;
	RETURN done;
END
$function$;
COMMENT ON FUNCTION meter.outbox_ack(bigint[]) IS 'Says that domain events are delivered. ids: theirs; what is delivered already, or not there, is passed over, and whether the lease still runs does not matter. With claims, another organization''s are not there. Result: how many were marked. Source: standard (transactional outbox).';

CREATE FUNCTION meter.outbox_fail(ids bigint[], error text, max_attempts int DEFAULT 16,
		backoff interval DEFAULT '1 second', backoff_cap interval DEFAULT '1 hour') RETURNS int
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off
	SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $function$
DECLARE
	at timestamptz := clock_timestamp();
	done int;
BEGIN
	PERFORM meter.check_outbox_call(max_attempts BETWEEN 1 AND 1000, 'max_attempts', '1 to 1000');
	PERFORM meter.check_outbox_call(backoff > '0' AND backoff <= backoff_cap, 'backoff', 'more than nothing and at most backoff_cap');
	PERFORM meter.check_outbox_call(backoff_cap <= '7 days', 'backoff_cap', 'at most 7 days');
	WITH failed AS MATERIALIZED (
		SELECT o.organization_id, o.aggregate_type, o.aggregate_id, o.id, o.claimed_until,
			CASE WHEN o.attempts < max_attempts
				THEN at + least(backoff * power(2, least(greatest(o.attempts, 1), 24) - 1), backoff_cap) END AS until
		FROM (SELECT DISTINCT i FROM unnest(ids) AS i ORDER BY i) AS given (id)
		CROSS JOIN LATERAL (
			SELECT o.* FROM meter.domain_event_outbox AS o
			WHERE o.id = given.id AND num_nonnulls(o.delivered_at) = 0 AND o.dead_at IS NULL AND meter.in_claims(o.organization_id)
			FOR UPDATE) AS o
	), mates AS MATERIALIZED (
		-- what the same calls handed out: their leases end together
		SELECT o.organization_id, o.aggregate_type, o.aggregate_id, o.id
		FROM (SELECT DISTINCT f.claimed_until FROM failed AS f WHERE f.claimed_until IS NOT NULL) AS l (until)
		CROSS JOIN LATERAL (
			SELECT o.* FROM meter.domain_event_outbox AS o
			WHERE o.delivered_at IS NULL AND o.next_attempt_at = l.until AND o.claimed_until IS NOT NULL
			OFFSET 0) AS o
	), touched AS MATERIALIZED (
		SELECT t.*, CASE WHEN first_value(t.failed) OVER earlier THEN first_value(t.id) OVER earlier END AS first_failed,
			coalesce(first_value(t.until) OVER earlier, at) AS until_first
		FROM (
			SELECT u.organization_id, u.aggregate_type, u.aggregate_id, u.id, bool_or(u.failed) AS failed, max(u.until) AS until
			FROM (SELECT f.organization_id, f.aggregate_type, f.aggregate_id, f.id, true AS failed, f.until FROM failed AS f
				UNION ALL SELECT m.*, false, NULL FROM mates AS m) AS u
			GROUP BY 1, 2, 3, 4) AS t
		WINDOW earlier AS (PARTITION BY t.organization_id, t.aggregate_type, t.aggregate_id ORDER BY t.failed DESC, t.id)
	), changed AS (
		UPDATE meter.domain_event_outbox AS o
		SET claimed_until = NULL,
			last_error = CASE WHEN t.failed THEN left(error, 1000) ELSE o.last_error END,
			dead_at = CASE WHEN t.failed AND t.until IS NULL THEN at END,
			next_attempt_at = CASE WHEN t.failed THEN coalesce(t.until, 'infinity') ELSE t.until_first END,
			-- given back: that was none
			attempts = CASE WHEN t.failed THEN o.attempts ELSE o.attempts - 1 END
		FROM touched AS t
		WHERE (t.failed OR t.id > t.first_failed)
			AND o.id = t.id AND o.organization_id = t.organization_id
			AND (t.failed OR num_nonnulls(o.delivered_at) = 0 AND o.claimed_until IS NOT NULL)
	)
	SELECT count(*) INTO done FROM failed;
	RETURN done;
END
$function$;
COMMENT ON FUNCTION meter.outbox_fail(bigint[], text, int, interval, interval) IS 'Says that domain events could not be delivered. ids: theirs; error: why, its first 1000 characters are kept; max_attempts: after so many (1 to 1000) they are dead: kept, and handed out only after meter.outbox_replay(); backoff: time to the second attempt, doubled for each one after it up to backoff_cap (at most 7 days). Events of the same aggregates that were handed out behind them and are not named are given back, without an attempt counted: the caller must not deliver them. With claims, another organization''s are not there. Result: how many were marked; what is delivered or dead already, or not there, is passed over. Errors: 22023 bad argument. Source: standard (transactional outbox).';

CREATE FUNCTION meter.outbox_replay(ids bigint[]) RETURNS int
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off
	SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $function$
DECLARE
	at timestamptz := clock_timestamp();
	done int;
BEGIN
	UPDATE meter.domain_event_outbox AS o
		SET attempts = 0, claimed_until = NULL, next_attempt_at = at, last_error = NULL, delivered_at = NULL, dead_at = NULL
		FROM (SELECT DISTINCT i FROM unnest(ids) AS i ORDER BY i) AS given (id)
		WHERE o.id = given.id AND meter.in_claims(o.organization_id)
			AND (o.delivered_at IS NOT NULL OR o.dead_at IS NOT NULL OR o.claimed_until IS NULL AND o.next_attempt_at > at);
	GET DIAGNOSTICS done = ROW_COUNT;
	IF done > 0 THEN
		PERFORM pg_notify('meter_outbox', '');
	END IF;
	RETURN done;
END
$function$;
COMMENT ON FUNCTION meter.outbox_replay(bigint[]) IS 'Lets domain events be delivered again, at once and with a new count of attempts: dead ones, delivered ones, and those that wait for their next attempt. ids: theirs; what a relay has now, or is due anyway, is passed over. Later events of their aggregates wait for them. With claims, another organization''s are not there. Result: how many. Source: standard (transactional outbox).';

CREATE FUNCTION meter.outbox_delete_delivered(older_than interval DEFAULT '7 days', max_rows int DEFAULT 10000) RETURNS int
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off
	SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $function$
DECLARE
	until timestamptz := clock_timestamp() - older_than;
	last_id bigint := 0;
	ids bigint[];
	begun timestamptz;
	gone int;
	done int := 0;
BEGIN
	PERFORM meter.check_outbox_call(older_than >= '0', 'older_than', 'an interval that is not negative');
	PERFORM meter.check_outbox_call(max_rows BETWEEN 1 AND 1000000, 'max_rows', '1 to 1000000');
	-- Numbers rise with the time, so from the first ones on nearly all may go, up
	-- to where all are too young.
	WHILE done < max_rows LOOP
		SELECT array_agg(p.id ORDER BY p.id), min(p.occurred_at) INTO ids, begun FROM (
			SELECT o.id, o.occurred_at FROM meter.domain_event_outbox AS o
			WHERE o.id > last_id ORDER BY o.id LIMIT least(1000, max_rows - done)) AS p;
		EXIT WHEN ids IS NULL OR begun >= until;
		DELETE FROM meter.domain_event_outbox AS o USING (
			SELECT d.id, d.organization_id
				FROM unnest(ids) AS i (id) JOIN meter.domain_event_outbox AS d ON d.id = i.id
				WHERE d.delivered_at < until AND meter.in_claims(d.organization_id)
				FOR UPDATE OF d SKIP LOCKED) AS old
			WHERE o.id = old.id AND o.organization_id = old.organization_id;
		GET DIAGNOSTICS gone = ROW_COUNT;
		done := done + gone;
		last_id := ids[array_upper(ids, 1)];
	END LOOP;
	RETURN done;
END
$function$;
COMMENT ON FUNCTION meter.outbox_delete_delivered(interval, int) IS 'Deletes domain events that were delivered longer ago than older_than (default 7 days), at most max_rows (1 to 1000000) a call, so that a transaction stays short. Those that are not delivered, dead ones too, stay. With claims, only those of the organization they name. Result: how many were deleted; call it again while that is max_rows. Errors: 22023 bad argument. Source: standard (transactional outbox).';
