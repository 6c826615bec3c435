-- What thresholds know of windows that ended long ago is cleared away.
--
-- A row that is deleted must not come back: the event that makes it anew would
-- count from the beginning, and cross for a second time what was crossed.  So a
-- watch first says up to where it is swept, under the lock that waits for the
-- ingestion in flight; what comes behind it leaves those windows alone.  Only
-- then, in the same transaction or a later one, their rows go.

CREATE FUNCTION meter.advance_sweep(organization_id uuid, before timestamptz) RETURNS boolean
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s'
AS $function$
#variable_conflict use_variable
BEGIN
	PERFORM meter.lock_definitions(organization_id);
	-- another session's sweep may have been here while this one waited
	UPDATE meter.threshold_watch AS w SET swept_before = before
		WHERE w.organization_id = organization_id AND w.swept_before <= before - interval '1 day';
	RETURN true;
EXCEPTION WHEN lock_not_available THEN
	RAISE WARNING 'organization %: ingestion is under way, old windows of thresholds stay until the next time', organization_id;
	RETURN false;
END
$function$;
COMMENT ON FUNCTION meter.advance_sweep(uuid, timestamptz) IS 'Has the watches of an organization leave windows alone that ended before a time. Waits a second at most for ingestion under way; keeps others waiting until the end of the transaction. Result: whether it was done; a warning says so where it was not. Source: internal.';

CREATE FUNCTION meter.sweep_watches(organization_id uuid, now timestamptz, max_rows int) RETURNS int
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off
	SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $function$
#variable_conflict use_variable
DECLARE
	n int;
BEGIN
	PERFORM meter.require_tenant(organization_id);
	-- Rows by their places: a join could go through all of the table for each.
	WITH old AS MATERIALIZED (
		SELECT u.ctid AS place, u.watch_no, u.account, u.window_start
		FROM meter.threshold_watch AS w CROSS JOIN LATERAL (
			SELECT u.ctid, u.watch_no, u.account, u.window_start FROM meter.threshold_usage AS u
			WHERE u.organization_id = w.organization_id AND u.watch_no = w.watch_no
				AND u.window_end < w.swept_before AND (u.reserved_until > now) IS NOT TRUE
			LIMIT max_rows FOR UPDATE SKIP LOCKED) AS u
		WHERE w.organization_id = organization_id
		LIMIT max_rows
	), holds AS (
		DELETE FROM meter.reservation_hold AS h WHERE h.ctid = ANY (ARRAY(
			SELECT h.ctid FROM old AS o CROSS JOIN LATERAL (
				SELECT h.ctid FROM meter.reservation_hold AS h
				WHERE h.organization_id = organization_id AND h.watch_no = o.watch_no AND h.account = o.account AND h.window_start = o.window_start
				OFFSET 0) AS h))
	)
	DELETE FROM meter.threshold_usage AS u WHERE u.ctid = ANY (ARRAY(SELECT o.place FROM old AS o));
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN n;
END
$function$;
COMMENT ON FUNCTION meter.sweep_watches(uuid, timestamptz, int) IS 'Deletes rows of windows that the organization''s watches leave alone, but for those that hold something at that time, at most so many. Result: how many. Source: internal.';

CREATE FUNCTION meter.sweep_reservations(organization_id uuid, before timestamptz, max_rows int) RETURNS int
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off
	SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $function$
#variable_conflict use_variable
DECLARE
	n int;
BEGIN
	PERFORM meter.require_tenant(organization_id);
	-- what is still noted in a row of usage goes behind that
	DELETE FROM meter.reservation AS r WHERE r.ctid = ANY (ARRAY(
		SELECT r.ctid FROM meter.reservation AS r
		WHERE r.organization_id = organization_id AND r.expires_at < before
			AND NOT EXISTS (SELECT FROM meter.reservation_hold AS h WHERE h.organization_id = r.organization_id AND h.reservation_id = r.id)
		LIMIT max_rows FOR UPDATE SKIP LOCKED));
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN n;
END
$function$;
COMMENT ON FUNCTION meter.sweep_reservations(uuid, timestamptz, int) IS 'Deletes reservations of the organization that expired before a time and hold nothing, at most so many. Result: how many. Source: internal.';

CREATE FUNCTION meter.sweep_thresholds(retention interval DEFAULT '35 days', max_rows int DEFAULT 100000) RETURNS int
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off
	SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $function$
DECLARE
	-- Under the lock no more than takes a moment.
	at_once CONSTANT int := 10000;
	now timestamptz := clock_timestamp();
	before timestamptz := now - retention;
	locked_at timestamptz;
	most int := max_rows;
	done int := 0;
	tenant record;
BEGIN
	IF retention IS NULL OR retention <= interval '0' THEN
		RAISE EXCEPTION 'invalid retention: expected an interval above zero'
			USING ERRCODE = 'invalid_parameter_value';
	ELSIF (max_rows BETWEEN 1 AND 1000000) IS NOT TRUE THEN
		RAISE EXCEPTION 'invalid max_rows: expected 1 to 1000000'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	-- No order: where one call does not come to the end, another begins elsewhere.
	FOR tenant IN
		SELECT o.organization_id AS id,
			EXISTS (SELECT FROM meter.threshold_watch AS w WHERE w.organization_id = o.organization_id AND (
				SELECT true FROM meter.threshold_usage AS u WHERE u.organization_id = w.organization_id AND u.watch_no = w.watch_no
					AND u.window_end < w.swept_before AND (u.reserved_until > now) IS NOT TRUE LIMIT 1)) AS left_over,
			-- each time all sessions read their definitions again: once a day will do
			EXISTS (SELECT FROM meter.threshold_watch AS w WHERE w.organization_id = o.organization_id
				AND w.swept_before <= before - interval '1 day' AND (
				SELECT true FROM meter.threshold_usage AS u WHERE u.organization_id = w.organization_id AND u.watch_no = w.watch_no
					AND u.window_end < before LIMIT 1)) AS due
		FROM meter.organization AS o WHERE meter.in_claims(o.organization_id) ORDER BY random()
	LOOP
		EXIT WHEN done >= most;
		IF tenant.due AND NOT tenant.left_over THEN
			-- the first one's ingestion waits until this call ends
			CONTINUE WHEN clock_timestamp() > locked_at + interval '1 second';
			locked_at := coalesce(locked_at, clock_timestamp());
			CONTINUE WHEN NOT meter.advance_sweep(tenant.id, before);
			most := least(most, done + at_once);
		END IF;
		done := done + meter.sweep_watches(tenant.id, now, most - done);
		done := done + meter.sweep_reservations(tenant.id, before, most - done);
	END LOOP;
	RETURN done;
END
$function$;
COMMENT ON FUNCTION meter.sweep_thresholds(interval, int) IS 'Clears away what thresholds know of windows that ended longer ago than retention (default 35 days, above zero), and reservations that expired before, but for what reservations still hold. Such windows are not looked at any more: an event that comes for them later is counted, and crosses nothing. max_rows: at most so many rows (1 to 1000000); windows that ended since are taken up once a day, and by an organization at most 10000 rows then, while its ingestion waits; the next call goes on. Waits for ingestion under way a second at most; where that is not enough, a warning says so and the organization is left to the next call. With claims, only rows of the organization they name. Idempotent, and safe in parallel. Result: how many rows were deleted. Errors: 22023 bad argument. Source: standard.';
