-- What has to be cleared away now and then, and the jobs that do.
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
SELECT meter.create_store();
-- what others left
DO $$ BEGIN WHILE meter.sweep_thresholds() > 0 LOOP NULL; END LOOP; END $$;
CREATE TEMP TABLE org AS SELECT n, meter.create_organization('sweep ' || n) AS id FROM generate_series(1, 2) AS n ORDER BY n;
SELECT n, meter.create_meter(id, '{"key": "m", "metric_key": "call", "function": "count"}') ->> 'key' AS key FROM org;
INSERT INTO meter.threshold_watch (organization_id, watch_no, meter_id, scope_kind, per_dimensions, empty_from)
	SELECT o.id, 1000 + o.n * 10 + w, m.id, CASE w WHEN 1 THEN 'subject' ELSE 'meter' END, false, '-infinity'
	FROM org AS o JOIN meter.meter AS m ON m.organization_id = o.id, generate_series(1, 2) AS w;

-- a row is called by what it is; windows end so long ago
CREATE FUNCTION pg_temp.row(n int, watch int, account text, age interval, held_for interval DEFAULT NULL) RETURNS void LANGUAGE sql AS $$
	INSERT INTO meter.threshold_usage (organization_id, watch_no, account, window_start, window_end, value, reserved, reserved_until)
		SELECT o.id, 1000 + o.n * 10 + watch, account, clock_timestamp() - age - interval '1 hour', clock_timestamp() - age, 1,
			CASE WHEN held_for IS NULL THEN 0 ELSE 5 END, clock_timestamp() + held_for FROM org AS o WHERE o.n = row.n;
	INSERT INTO meter.reservation (organization_id, id, meter_id, dimensions, quantity, reserved_at, expires_at)
		SELECT o.id, md5(account)::uuid, m.id, '{}', 5, clock_timestamp() - age, clock_timestamp() + held_for
		FROM org AS o JOIN meter.meter AS m ON m.organization_id = o.id WHERE o.n = row.n AND held_for IS NOT NULL;
	INSERT INTO meter.reservation_hold (organization_id, watch_no, account, window_start, reservation_id, quantity, expires_at)
		SELECT u.organization_id, u.watch_no, u.account, u.window_start, md5(account)::uuid, u.reserved, u.reserved_until
		FROM meter.threshold_usage AS u WHERE u.account = row.account AND u.reserved > 0 $$;
CREATE FUNCTION pg_temp.left_over() RETURNS TABLE (n int, accounts text[], holds bigint, reservations bigint) LANGUAGE sql AS $$
	SELECT o.n, ARRAY(SELECT u.account FROM meter.threshold_usage AS u WHERE u.organization_id = o.id ORDER BY u.account),
		(SELECT count(*) FROM meter.reservation_hold AS h WHERE h.organization_id = o.id),
		(SELECT count(*) FROM meter.reservation AS r WHERE r.organization_id = o.id)
	FROM org AS o ORDER BY o.n $$;
CREATE FUNCTION pg_temp.swept() RETURNS TABLE (n int, watch int, days numeric) LANGUAGE sql AS $$
	SELECT o.n, w.watch_no % 10, CASE WHEN isfinite(w.swept_before) THEN round(extract(epoch FROM clock_timestamp() - w.swept_before) / 86400, 2) END
	FROM org AS o JOIN meter.threshold_watch AS w ON w.organization_id = o.id WHERE isfinite(w.swept_before) ORDER BY 1, 2 $$;

-- nothing to sweep: no watch moves
SELECT pg_temp.row(1, 1, 'new', '34 days'), pg_temp.row(2, 1, 'now', '-1 hour'), pg_temp.row(1, 1, 'held just now', '34 days', '-1 minute');
SELECT meter.sweep_thresholds();
SELECT * FROM pg_temp.left_over();
SELECT * FROM pg_temp.swept();
-- of one organization
SELECT pg_temp.row(1, 1, 'old', '36 days'), pg_temp.row(1, 2, 'old too', '400 days'), pg_temp.row(1, 2, 'held once', '40 days', '-36 days'), pg_temp.row(1, 2, 'held', '40 days', '1 hour');
SELECT meter.sweep_thresholds();
SELECT * FROM pg_temp.left_over();
SELECT * FROM pg_temp.swept();
-- what such a window gets all the same goes, and moves nothing
CREATE TEMP TABLE before AS SELECT * FROM meter.threshold_watch;
SELECT meter.sweep_thresholds();
SELECT pg_temp.row(1, 1, 'late', '36 days');
SELECT meter.sweep_thresholds();
SELECT * FROM pg_temp.left_over();
SELECT count(*) AS moved FROM meter.threshold_watch AS w JOIN before AS b USING (organization_id, watch_no) WHERE w.swept_before <> b.swept_before;
-- what ends later is taken up once a day
SELECT pg_temp.row(1, 1, 'next', '34 days 23:59:59.999'), pg_sleep(0.1);
SELECT meter.sweep_thresholds();
SELECT meter.sweep_thresholds('33 days');
SELECT * FROM pg_temp.left_over();
SELECT * FROM pg_temp.swept();
-- once its reservations are over
UPDATE meter.threshold_usage SET reserved_until = clock_timestamp() WHERE account = 'held';
UPDATE meter.reservation SET expires_at = clock_timestamp() - interval '36 days' WHERE id = md5('held')::uuid;
SELECT meter.sweep_thresholds();
SELECT * FROM pg_temp.left_over();
-- bounded
SELECT pg_temp.row(2, 1 + n % 2, 'many ' || n, '40 days') FROM generate_series(1, 10) AS n;
SELECT meter.sweep_thresholds(max_rows => 4), meter.sweep_thresholds(max_rows => 4), meter.sweep_thresholds(max_rows => 4), meter.sweep_thresholds(max_rows => 4);
INSERT INTO meter.threshold_usage (organization_id, watch_no, account, window_start, window_end)
	SELECT id, 1021, 'flood ' || f, now() - interval '41 days', now() - interval '40 days' FROM org, generate_series(1, 12000) AS f WHERE n = 2;
UPDATE meter.threshold_watch SET swept_before = '-infinity' WHERE organization_id IN (SELECT id FROM org);
SELECT meter.sweep_thresholds(), meter.sweep_thresholds(), meter.sweep_thresholds();
SELECT * FROM pg_temp.left_over();
SELECT meter.sweep_thresholds('0');
SELECT meter.sweep_thresholds(NULL);
SELECT meter.sweep_thresholds(max_rows => 0);

--
-- What was crossed in a window that is swept is not crossed again
--
SELECT id FROM org WHERE n = 2 \gset
SELECT meter.create_meter(:'id', '{"key": "n", "metric_key": "sum", "function": "sum", "value_field": "n", "window": {"size": "day"}}') ->> 'key';
SELECT meter.create_threshold(:'id', '{"name": "ten", "meter": "n", "comparator": "gte", "threshold_value": 10}') ->> 'name';
CREATE FUNCTION pg_temp.use(event_id text, age interval) RETURNS text LANGUAGE sql AS $$
	SELECT i.status FROM org, meter.ingest(org.id, json_build_object('id', event_id, 'source', 's', 'type', 'sum', 'subject', 'ada',
		'time', date_trunc('day', now()) - age, 'data', json_build_object('n', 15))) AS i WHERE n = 2 $$;
CREATE FUNCTION pg_temp.known() RETURNS TABLE (used numeric, watched bigint, told bigint) LANGUAGE sql AS $$
	SELECT (SELECT u.value FROM meter.usage(o.id, 'n', '-infinity', 'infinity') AS u),
		(SELECT count(*) FROM meter.threshold_usage AS u WHERE u.organization_id = o.id AND u.subject = 'ada'),
		(SELECT count(*) FROM meter.threshold_events AS e WHERE e.organization_id = o.id)
	FROM org AS o WHERE o.n = 2 $$;
SELECT pg_temp.use('1', '40 days'), pg_temp.use('2', '10 days');
SELECT * FROM pg_temp.known();
SELECT meter.sweep_thresholds();
SELECT * FROM pg_temp.known();
SELECT pg_temp.use('3', '40 days'), pg_temp.use('4', '10 days');
SELECT * FROM pg_temp.known();
SELECT meter.void_event(:'id', 'sum', '1', 'test') ->> 'status';
CALL meter.reprocess(:'id', 'n', '-infinity', 'infinity', 'Count all.');
SELECT * FROM pg_temp.known();
SELECT meter.sweep_thresholds();

--
-- Jobs
--
SELECT * FROM meter.wanted_jobs('{}') ORDER BY 1;
SELECT * FROM meter.wanted_jobs('{"retention": "13 months", "outbox_retention": "36:00", "threshold_retention": "60 days", "sweep_thresholds": "1 2 3 4 5", "drop_partitions": "5 4 3 2 1"}') ORDER BY 1;
CREATE FUNCTION pg_temp.refused(options jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN count(*) || ' jobs' FROM meter.wanted_jobs(options);
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT o, pg_temp.refused(o) FROM unnest(ARRAY[NULL, '[]', '{"x": "* * * * *"}', '{"close_windows": "soon"}', '{"close_windows": 5}', '{"sweep_thresholds": "10 minutes"}', '{"retention": "-1 day"}', '{"retention": "long"}',
	'{"outbox_retention": "0"}', '{"outbox_retention": 30}', '{"threshold_retention": ""}', '{"threshold_retention": "35 days"}', '{"drop_partitions": "* * * * *"}']::jsonb[]) AS o;
