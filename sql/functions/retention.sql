-- Raw events are kept as long as they are wanted; rollups stay.

CREATE FUNCTION meter.windows_closed(organization_id uuid, meter text, period_from timestamptz, period_to timestamptz) RETURNS boolean
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
	AS 'MODULE_PATHNAME', 'meter_windows_closed_sql';
COMMENT ON FUNCTION meter.windows_closed(uuid, text, timestamptz, timestamptz) IS 'Whether all windows in which the meter counted something in [period_from, period_to) are closed, and no revision of them waits. meter: key or id. Source: internal.';

CREATE FUNCTION meter.fold_hour(organization_id uuid, meter text, at timestamptz) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
	AS 'MODULE_PATHNAME', 'meter_fold_hour';
COMMENT ON FUNCTION meter.fold_hour(uuid, text, timestamptz) IS 'Counts the UTC hour of a time anew for a meter, so that its rollups hold nothing of what was taken back. meter: its key. Errors: 25001 in a transaction with one snapshot. Source: internal.';

CREATE FUNCTION meter.keeps_events(period_from timestamptz, period_to timestamptz) RETURNS text
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	open_meter text;
BEGIN
	SELECT m.key INTO open_meter FROM meter.meter AS m
		WHERE m.status <> 'archived' AND NOT meter.windows_closed(m.organization_id, m.id::text, period_from, period_to)
		LIMIT 1;
	IF FOUND THEN
		RETURN format('windows of meter "%s" are not closed', open_meter);
	ELSIF EXISTS (SELECT FROM meter.reprocess_job AS j WHERE j.state IN ('pending', 'running')
			AND j.period_from < keeps_events.period_to AND j.period_to > keeps_events.period_from) THEN
		RETURN 'a job counts its events anew';
	END IF;
	RETURN NULL;
END
$function$;
COMMENT ON FUNCTION meter.keeps_events(timestamptz, timestamptz) IS 'Why raw events of [period_from, period_to) are still needed; null where they are not. Source: internal.';

-- Rollups of min, max, latest and approximate counts still hold what was taken
-- back, and are not read there: while there are events they can be mended.
CREATE FUNCTION meter.fold_reversals(period_from timestamptz, period_to timestamptz) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s'
AS $function$
DECLARE
	hour record;
BEGIN
	FOR hour IN
		SELECT DISTINCT r.organization_id, m.key, date_trunc('hour', r."time", 'UTC') AS at
			FROM meter.event_reversal AS r
			JOIN meter.meter_version AS v ON v.organization_id = r.organization_id AND v.version_id = ANY (r.recount)
			JOIN meter.meter AS m ON m.organization_id = v.organization_id AND m.id = v.meter_id
			WHERE r."time" >= period_from AND r."time" < period_to
			ORDER BY 1, 2, 3
	LOOP
		PERFORM meter.fold_hour(hour.organization_id, hour.key, hour.at);
	END LOOP;
EXCEPTION WHEN lock_not_available THEN
	RAISE WARNING 'events from % to % are being taken back', period_from, period_to;
END
$function$;
COMMENT ON FUNCTION meter.fold_reversals(timestamptz, timestamptz) IS 'Counts anew the hours of [period_from, period_to) whose rollups hold what was taken back. Source: internal.';

-- Takes the month away under a lock that keeps ingestion and readers out, so that
-- what was looked at before is looked at again.
CREATE FUNCTION meter.drop_month(period_from timestamptz, period_to timestamptz, partition regclass) RETURNS boolean
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s'
AS $function$
DECLARE
	reason text;
BEGIN
	PERFORM meter.fold_reversals(period_from, period_to);
	LOCK TABLE meter.event IN ACCESS EXCLUSIVE MODE;
	reason := meter.keeps_events(period_from, period_to);
	IF reason IS NOT NULL OR EXISTS (SELECT FROM meter.event_reversal AS r
			WHERE r."time" >= period_from AND r."time" < period_to AND r.recount <> '{}') THEN
		RETURN false;
	END IF;
	IF partition IS NULL THEN
		DELETE FROM meter.event_default AS e WHERE e."time" >= period_from AND e."time" < period_to;
	ELSE
		EXECUTE format('ALTER TABLE meter.event DETACH PARTITION %s', partition);
		EXECUTE format('DROP TABLE %s', partition);
	END IF;
	DELETE FROM meter.event_reversal AS r WHERE r."time" >= period_from AND r."time" < period_to;
	DELETE FROM meter.event_placement AS p WHERE p."time" >= period_from AND p."time" < period_to;
	INSERT INTO meter.dropped_period AS d (period_from, period_to, dropped_at)
		VALUES (drop_month.period_from, drop_month.period_to, clock_timestamp())
		ON CONFLICT ON CONSTRAINT dropped_period_pkey DO NOTHING;
	RETURN true;
EXCEPTION WHEN lock_not_available THEN
	RAISE WARNING 'the events from % to % are in use, and stay until the next time', period_from, period_to;
	RETURN false;
END
$function$;
COMMENT ON FUNCTION meter.drop_month(timestamptz, timestamptz, regclass) IS 'Drops the raw events of [period_from, period_to): a partition, or rows of the default one where it is null. Waits for sessions at meter.event for a second at most. Result: whether they are gone. Source: internal.';

CREATE FUNCTION meter.event_months(before timestamptz) RETURNS TABLE (period_from timestamptz, period_to timestamptz, partition regclass)
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp SET TimeZone = 'UTC'
AS $function$
BEGIN
	-- partitions by their bounds, whatever their names
	RETURN QUERY SELECT b.bounds[1]::timestamptz, b.bounds[2]::timestamptz, c.oid::regclass
		FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid,
			regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(''([^'']+)''\) TO \(''([^'']+)''\)') AS b(bounds)
		WHERE i.inhparent = 'meter.event'::regclass AND b.bounds IS NOT NULL AND b.bounds[2]::timestamptz <= before
		ORDER BY 1;
	RETURN QUERY SELECT m.first, m.first + interval '1 month', NULL::regclass
		FROM (SELECT DISTINCT date_trunc('month', e."time") FROM meter.event_default AS e WHERE e."time" < before) AS m(first)
		WHERE m.first + interval '1 month' <= before
		ORDER BY 1;
END
$function$;
COMMENT ON FUNCTION meter.event_months(timestamptz) IS 'The partitions of events that end before a time, then the months of events in the default partition (partition null). Source: internal.';

CREATE FUNCTION meter.drop_partitions(retention interval) RETURNS int
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp SET TimeZone = 'UTC'
AS $function$
DECLARE
	month record;
	reason text;
	dropped int := 0;
BEGIN
	IF retention IS NULL OR retention <= interval '0' THEN
		RAISE EXCEPTION 'invalid retention: expected an interval above zero'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	-- a function, so that no scan is open while partitions go
	FOR month IN SELECT * FROM meter.event_months(clock_timestamp() - retention)
	LOOP
		reason := meter.keeps_events(month.period_from, month.period_to);
		IF reason IS NOT NULL THEN
			RAISE NOTICE 'the events from % to % are kept: %', month.period_from, month.period_to, reason;
		ELSIF meter.drop_month(month.period_from, month.period_to, month.partition) THEN
			dropped := dropped + 1;
		END IF;
	END LOOP;
	RETURN dropped;
END
$function$;
COMMENT ON FUNCTION meter.drop_partitions(interval) IS 'Drops raw events past retention, whole months in UTC: those whose end is older than that, whose windows are all closed for every meter that is not archived, with no revision, job or event taken back still to be worked off; a notice says what keeps the others. retention: above zero. Usage stays what it was for every range made of whole quarters of an hour, and so do results of closed windows; what needs the events themselves (a range that cuts a quarter, as_of, meter.explain_usage()) raises 55000 there and names the nearest bounds. Waits a second at most for sessions that are at the events, and keeps others waiting as long; where that is not enough, a warning says so and the month stays until the next call. Result: how many months, or partitions, were dropped. Errors: 22023 bad retention. Source: standard.';
