-- What sessions did, written down in their own transactions, and what must hold
-- whatever they did.  Functions that judge return what is wrong, a line each.

CREATE SCHEMA audit;

-- What a committed transaction did.  The identity is in order of reversals: a
-- second one of an event waits for the first one's end.
CREATE TABLE audit.ledger (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	txn text NOT NULL,
	action text NOT NULL,
	type text,
	key text,
	status text,
	code text,
	data jsonb
);
CREATE INDEX ON audit.ledger (txn);
CREATE INDEX ON audit.ledger (type, key);

-- The tables that are judged are young and have no statistics: what reads all of
-- them is told not to loop.

CREATE FUNCTION audit.ingest(txn text, org uuid, events json) RETURNS bigint LANGUAGE sql AS $$
	WITH done AS (
		INSERT INTO audit.ledger (txn, action, type, key, status, code, data)
		SELECT $1, 'ingest', e.event ->> 'type', i.id, i.status, i.code, e.event::jsonb -> 'data'
		FROM meter.ingest($2, $3) AS i
		JOIN json_array_elements($3) WITH ORDINALITY AS e (event, ordinal) USING (ordinal)
		ORDER BY i.ordinal
		RETURNING id)
	SELECT count(*) FROM done
$$;

CREATE FUNCTION audit.report(txn text, org uuid, report jsonb, key text) RETURNS void LANGUAGE sql AS $$
	INSERT INTO audit.ledger (txn, action, type, key, status, data)
	SELECT $1, 'report', 'direct', $4, CASE r.answer ->> 'status' WHEN 'queued' THEN 'accepted' ELSE r.answer ->> 'status' END,
		jsonb_build_object('n', $3 -> 'value')
	FROM meter.report_usage($2, $3, $4) AS r (answer)
$$;

-- Some of the events in quarantine are released, or of those refused tried again.
CREATE FUNCTION audit.again(txn text, org uuid, release boolean, few int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	tried bigint;
BEGIN
	CREATE TEMP TABLE chosen ON COMMIT DROP AS
		SELECT e.id, e.payload ->> 'type' AS type, e.payload ->> 'id' AS key, e.payload::jsonb -> 'data' AS data
		FROM meter.rejected_events AS e
		WHERE e.organization_id = org AND e.status = CASE WHEN release THEN 'quarantined' ELSE 'rejected' END
		ORDER BY random() LIMIT few;
	INSERT INTO audit.ledger (txn, action, type, key, status, code, data)
		SELECT $1, CASE WHEN release THEN 'release' ELSE 'replay' END, c.type, c.key, r.status, r.code, c.data
		FROM (SELECT * FROM meter.release_quarantine(org, ARRAY(SELECT id FROM chosen)) WHERE release
			UNION ALL SELECT * FROM meter.replay_rejected(org, ARRAY(SELECT id FROM chosen)) WHERE NOT release) AS r
		JOIN chosen AS c USING (id);
	GET DIAGNOSTICS tried = ROW_COUNT;
	RETURN tried;
END
$$;

-- What was acknowledged, to a client that wrote no ledger: calls "TXN/N" sent
-- events TXN/N/1 to TXN/N/N of type bare.  Of those nobody heard of the ledger
-- gets what is there.  Result: transactions that were acknowledged and are not.
CREATE FUNCTION audit.acknowledge(acknowledged text[]) RETURNS SETOF text
	LANGUAGE sql SET enable_nestloop = off AS $$
	INSERT INTO audit.ledger (txn, action, type, key, status, data)
	SELECT a.txn, 'ingest', 'bare', a.txn || '/' || i, 'accepted', '{"n": 1}'
	FROM unnest($1) AS a (txn), generate_series(1, split_part(a.txn, '/', 2)::int) AS i
	WHERE a.txn ~ '/';
	INSERT INTO audit.ledger (txn, action, type, key, status, data)
	SELECT '', 'ingest', 'bare', e.id, 'accepted', '{"n": 1}'
	FROM (SELECT DISTINCT id FROM meter.events WHERE type = 'bare') AS e
	WHERE NOT EXISTS (SELECT FROM audit.ledger AS l WHERE l.type = 'bare' AND l.key = e.id);
	SELECT 'acknowledged and not there: ' || a.txn
	FROM unnest($1) AS a (txn)
	WHERE NOT EXISTS (SELECT FROM audit.ledger AS l WHERE l.txn = a.txn)
	LIMIT 10;
$$;

-- Calls that are there by half.
CREATE FUNCTION audit.halves() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT format('%s: %s of its events are there', substring(id, '^.*/'), count(DISTINCT id))
	FROM meter.events
	WHERE type = 'bare'
	GROUP BY substring(id, '^.*/')
	HAVING count(DISTINCT id) <> split_part(substring(id, '^.*/'), '/', 2)::int
	LIMIT 10
$$;

-- Statuses of events that are stored.
CREATE FUNCTION audit.is_stored(status text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
	SELECT $1 IN ('accepted', 'unmatched', 'late_revised', 'late_next_window')
$$;

-- Rows of the store that count: neither replaced nor taken back.
CREATE VIEW audit.row AS
	SELECT e.seq, e."time", e.original_time, e.supplement, p.received_at, p.type, e.source, e.id, e.subject, e.versions, e.data::jsonb AS data
	FROM meter.event AS p, meter.page_events(p.events) AS e
	WHERE p.organization_id = '00000000-0000-4000-8000-000000000057' AND p.replaced_at IS NULL
		AND NOT EXISTS (SELECT FROM meter.event_reversal AS r
			WHERE r.organization_id = p.organization_id AND r.seq = e.seq AND r."time" = e."time");

-- Each event that was taken is there once, as it was sent or amended, and
-- none that was not, or was taken back.
CREATE FUNCTION audit.events() RETURNS SETOF text
	LANGUAGE sql SET enable_nestloop = off AS $$
	WITH
	taken AS (
		SELECT type, key, count(*) AS times, jsonb_agg(data) -> 0 AS data
		FROM audit.ledger
		WHERE action IN ('ingest', 'report') AND audit.is_stored(status)
			-- an event of several meters is there already
			OR action IN ('release', 'replay') AND audit.is_stored(status) AND type <> 'mix'
		GROUP BY type, key),
	reversed AS (
		SELECT DISTINCT ON (type, key) type, key, action, data
		FROM audit.ledger
		WHERE action IN ('void', 'amend')
		ORDER BY type, key, id DESC),
	expected AS (
		SELECT t.type, t.key, t.times, coalesce(r.data, t.data) AS data
		FROM taken AS t LEFT JOIN reversed AS r USING (type, key)
		WHERE r.action IS DISTINCT FROM 'void'),
	stored AS (
		SELECT type, id AS key, count(*) AS times, jsonb_agg(data) -> 0 AS data
		FROM audit.row WHERE NOT supplement AND type <> 'bulk'
		GROUP BY type, id)
	SELECT format('event %s of %s: taken %s times with %s, stored %s times with %s',
		key, type, coalesce(e.times, 0), e.data, coalesce(s.times, 0), s.data)
	FROM expected AS e FULL JOIN stored AS s USING (type, key)
	WHERE e.times IS DISTINCT FROM 1 OR s.times IS DISTINCT FROM 1 OR e.data IS DISTINCT FROM s.data
	LIMIT 10
$$;

-- Versions with what a recomputation needs of them.
CREATE VIEW audit.version AS
	SELECT v.version_id, m.key AS meter, v.version, m.metric_key, v.effective_from, v.effective_to,
		v.definition ->> 'function' AS function, v.definition ->> 'value_field' AS value_field,
		v.definition ->> 'unique_by_field' AS unique_field, v.definition -> 'window' ->> 'size' AS size,
		coalesce(v.definition -> 'late_event_policy' ->> 'mode', 'revise') AS mode,
		coalesce((v.definition -> 'late_event_policy' ->> 'grace')::interval, '1 hour') AS grace,
		(v.definition -> 'filter_tree' ->> 'value')::numeric AS above	-- the only filter there is: n > value
	FROM meter.meter_version AS v JOIN meter.meter AS m ON m.organization_id = v.organization_id AND m.id = v.meter_id
	WHERE v.organization_id = '00000000-0000-4000-8000-000000000057';

-- What was refused, or kept aside, is kept, as often as it came, but for what was
-- counted later.
CREATE FUNCTION audit.rejected() RETURNS SETOF text
	LANGUAGE sql SET enable_nestloop = off AS $$
	WITH
	told AS (
		SELECT type, key, count(*) FILTER (WHERE action = 'ingest' AND status IN ('rejected', 'conflict', 'late_quarantined'))
			- count(*) FILTER (WHERE action IN ('release', 'replay') AND (audit.is_stored(status) OR status = 'duplicate')) AS times
		FROM audit.ledger
		WHERE type <> 'mix'
		GROUP BY type, key),
	kept AS (
		-- an event that others counted was not refused
		SELECT payload ->> 'type' AS type, payload ->> 'id' AS key, count(*) AS times
		FROM meter.rejected_events
		WHERE payload ->> 'type' <> 'mix'
		GROUP BY 1, 2)
	SELECT format('event %s of %s: refused %s times, kept %s times', key, type, coalesce(t.times, 0), coalesce(k.times, 0))
	FROM told AS t FULL JOIN kept AS k USING (type, key)
	WHERE coalesce(t.times, 0) <> coalesce(k.times, 0)
	LIMIT 10
$$;

-- Usage from the events themselves, by subject and, if wanted, windows.  What two
-- versions counted is one number where they have the same function.
CREATE FUNCTION audit.recomputed(period_from timestamptz, period_to timestamptz, windows boolean)
	RETURNS TABLE (meter text, function text, window_start timestamptz, subject text, value numeric, event_count bigint)
	LANGUAGE sql STABLE SET enable_nestloop = off AS $$
	WITH v AS MATERIALIZED (TABLE audit.version)
	SELECT v.meter, v.function, CASE WHEN $3 THEN date_trunc(v.size, e."time", 'UTC') ELSE $1 END, e.subject,
		CASE v.function
			WHEN 'count' THEN count(*)
			WHEN 'sum' THEN sum((e.data ->> v.value_field)::numeric)
			WHEN 'max' THEN max((e.data ->> v.value_field)::numeric)
			WHEN 'latest' THEN (array_agg((e.data ->> v.value_field)::numeric ORDER BY e."time" DESC, e.seq DESC))[1]
			WHEN 'unique_count' THEN count(DISTINCT e.data ->> v.unique_field)
		END, count(*)
	FROM audit.row AS e, unnest(e.versions) AS counted_by (version_id)
	JOIN v USING (version_id)
	WHERE e."time" >= $1 AND e."time" < $2
	GROUP BY 1, 2, 3, 4
$$;

CREATE FUNCTION audit.used(period_from timestamptz, period_to timestamptz, windows boolean)
	RETURNS TABLE (meter text, function text, window_start timestamptz, subject text, value numeric, event_count bigint)
	LANGUAGE sql STABLE AS $$
	-- a version that begins within a window has a row of its own from there
	SELECT v.meter, v.function, CASE WHEN $3 THEN date_trunc(v.size, u.window_start, 'UTC') ELSE $1 END, u.subject,
		CASE WHEN v.function IN ('sum', 'count') THEN sum(u.value) ELSE max(u.value) END, sum(u.event_count)::bigint
	FROM (SELECT DISTINCT meter, size FROM audit.version) AS m,
		LATERAL meter.usage('00000000-0000-4000-8000-000000000057', m.meter, $1, $2,
			window_size => CASE WHEN $3 THEN m.size END, group_by => '{subject}') AS u
	JOIN audit.version AS v USING (version)
	WHERE v.meter = m.meter
	GROUP BY 1, 2, 3, 4
$$;

CREATE FUNCTION audit.usage(period_from timestamptz, period_to timestamptz, windows boolean) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT format('%s (%s) of %s from %s: usage is %s over %s events, recomputed %s over %s', meter, function, subject, window_start,
		u.value, u.event_count, r.value, r.event_count)
	FROM audit.used($1, $2, $3) AS u
	FULL JOIN audit.recomputed($1, $2, $3) AS r USING (meter, function, window_start, subject)
	WHERE (u.value, u.event_count) IS DISTINCT FROM (r.value, r.event_count)
	LIMIT 10
$$;

-- As usage(), but only how many events each meter counted.
CREATE FUNCTION audit.totals() RETURNS SETOF text LANGUAGE sql AS $$
	WITH
	counted AS (
		SELECT c.version_id, count(*) AS event_count
		FROM audit.row AS e, unnest(e.versions) AS c (version_id)
		GROUP BY c.version_id),
	recomputed AS (
		SELECT v.meter, sum(c.event_count) AS event_count
		FROM counted AS c JOIN audit.version AS v USING (version_id)
		GROUP BY v.meter),
	used AS (
		SELECT m.meter, (SELECT sum(u.event_count) FROM meter.usage('00000000-0000-4000-8000-000000000057', m.meter, '-infinity', 'infinity') AS u) AS event_count
		FROM (SELECT DISTINCT meter FROM audit.version) AS m)
	SELECT format('%s: usage is over %s events, %s are stored', meter, u.event_count, coalesce(r.event_count, 0))
	FROM used AS u LEFT JOIN recomputed AS r USING (meter)
	WHERE u.event_count <> coalesce(r.event_count, 0)
$$;

-- In windows that are closed later than that, an event is counted by the version in
-- whose range it lies.  Of meters whose events are counted where they belong,
-- however late they come.
CREATE FUNCTION audit.versions(due timestamptz) RETURNS SETOF text
	LANGUAGE sql SET enable_nestloop = off AS $$
	WITH
	v AS MATERIALIZED (
		SELECT *, ('1 ' || size)::interval + grace AS patience
		FROM audit.version WHERE mode = 'revise' AND meter NOT IN ('direct', 'orders')),
	expected AS (
		SELECT e.seq, v.meter, v.version_id, e.id, e."time", v.function
		FROM audit.row AS e JOIN v ON v.metric_key = e.type
		WHERE NOT e.supplement AND e."time" >= v.effective_from AND e."time" < v.effective_to
			AND (v.above IS NULL OR (e.data ->> 'n')::numeric > v.above)
			AND date_trunc(v.size, e."time", 'UTC') + v.patience > $1),
	counted AS (
		SELECT e.seq, v.meter, v.version_id, e.id, e."time"
		FROM audit.row AS e, unnest(e.versions) AS c (version_id) JOIN v USING (version_id)
		WHERE date_trunc(v.size, e."time", 'UTC') + v.patience > $1)
	SELECT format('event %s of %s is counted by version %s of %s, not by %s',
		coalesce(e.id, c.id), coalesce(e."time", c."time"), c.version_id, meter, e.version_id)
	FROM expected AS e FULL JOIN counted AS c USING (seq, meter)
	WHERE e.version_id IS DISTINCT FROM c.version_id
	LIMIT 10
$$;

-- Late by the clock of their arrival: refused, kept aside, or moved to the window
-- that was the first one open.
CREATE FUNCTION audit.late() RETURNS SETOF text
	LANGUAGE sql SET enable_nestloop = off AS $$
	WITH
	v AS MATERIALIZED (SELECT *, ('1 ' || size)::interval AS length FROM audit.version),
	counted AS (
		SELECT e.*, v.*, date_trunc(v.size, e.original_time, 'UTC') + v.length + v.grace <= e.received_at AS late
		FROM audit.row AS e, unnest(e.versions) AS c (version_id) JOIN v USING (version_id)
		-- what takes an event's place comes when it is amended
		WHERE NOT EXISTS (SELECT FROM meter.event_reversal AS r WHERE r.replacement_seq = e.seq)
			AND NOT EXISTS (SELECT FROM audit.ledger AS l WHERE l.action = 'release' AND l.type = e.type AND l.key = e.id))
	SELECT format('event %s of %s for %s, received %s, is counted at %s', id, original_time, meter, received_at, "time")
	FROM counted
	WHERE CASE WHEN mode IN ('reject', 'quarantine') THEN late OR "time" <> original_time
		WHEN mode = 'next_window' AND late THEN "time" <> date_trunc(size, received_at - grace, 'UTC')
		ELSE "time" <> original_time END
	LIMIT 10
$$;

-- What results were when they were looked at.
CREATE TABLE audit.result (
	meter text,
	window_start timestamptz,
	window_end timestamptz,
	subject text,
	version int,
	revision int,
	value numeric,
	delta numeric,
	event_count bigint,
	closed_at timestamptz
);

-- Revisions follow each other, each says what changed, none ever changes; the
-- last one is what usage says, there is one for every window that was due when
-- windows were closed last, between these instants, and none for others.
CREATE FUNCTION audit.results(since timestamptz, until timestamptz, period_from timestamptz, period_to timestamptz) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	CREATE TEMP TABLE now_there ON COMMIT DROP AS
		SELECT m.key AS meter, r.window_start, r.window_end, r.subject, r.version, r.revision, r.value, r.delta, r.event_count, r.closed_at
		FROM meter.window_results AS r
		JOIN meter.meter AS m ON m.organization_id = r.organization_id AND m.id = r.meter_id
		WHERE r.organization_id = '00000000-0000-4000-8000-000000000057';
	RETURN QUERY
		SELECT 'a result is gone or has changed: ' || r::text
		FROM (TABLE audit.result EXCEPT TABLE now_there) AS r LIMIT 5;
	RETURN QUERY
		SELECT 'revisions do not follow each other: ' || r::text
		FROM (SELECT n.*, row_number() OVER w AS due, coalesce(lag(n.value) OVER w, 0) AS former, lag(n.closed_at) OVER w AS former_at
			FROM now_there AS n
			WINDOW w AS (PARTITION BY meter, window_start, window_end, subject, version ORDER BY revision)) AS r
		WHERE r.revision <> r.due OR coalesce(r.delta, 0) <> coalesce(r.value, 0) - r.former OR r.closed_at < r.former_at LIMIT 5;
	RETURN QUERY
		WITH
		last AS (
			SELECT DISTINCT ON (n.meter, n.window_start, n.window_end, n.subject, n.version) n.*
			FROM now_there AS n
			ORDER BY n.meter, n.window_start, n.window_end, n.subject, n.version, n.revision DESC),
		result AS (
			SELECT meter, v.function, date_trunc(v.size, r.window_start, 'UTC') AS window_start, r.subject,
				CASE WHEN v.function IN ('sum', 'count') THEN sum(r.value) ELSE max(r.value) END AS value, sum(r.event_count)::bigint AS event_count
			FROM last AS r JOIN audit.version AS v USING (meter, version)
			GROUP BY 1, 2, 3, 4),
		used AS (
			SELECT * FROM audit.used($3, $4, true)),
		size AS (
			SELECT DISTINCT meter, ('1 ' || size)::interval + grace AS patience FROM audit.version)
		SELECT format('%s (%s) of %s from %s: usage is %s over %s events, the last result %s over %s', meter, function, subject, window_start,
			u.value, u.event_count, r.value, r.event_count)
		FROM used AS u FULL JOIN result AS r USING (meter, function, window_start, subject)
		JOIN size AS s USING (meter)
		WHERE CASE WHEN window_start + s.patience > $2 THEN r.event_count IS NOT NULL
			WHEN window_start + s.patience > $1 AND r.event_count IS NULL THEN false
			ELSE coalesce(u.event_count, 0) <> coalesce(r.event_count, 0)
				OR coalesce(u.value, 0) <> coalesce(r.value, 0) END
		LIMIT 10;
	INSERT INTO audit.result TABLE now_there EXCEPT TABLE audit.result;
END
$$;

-- What usage was at some instants, and whether it still says so.
CREATE TABLE audit.noted (
	at timestamptz NOT NULL,
	meter text NOT NULL,
	window_start timestamptz,
	subject text,
	currency text,
	version int,
	value numeric,
	event_count bigint
);
CREATE INDEX ON audit.noted (at, meter);

CREATE FUNCTION audit.note(period_from timestamptz, period_to timestamptz) RETURNS timestamptz LANGUAGE plpgsql AS $$
DECLARE
	at timestamptz := clock_timestamp();
BEGIN
	INSERT INTO audit.noted
	SELECT at, m.meter, u.window_start, u.subject, u.currency, u.version, u.value, u.event_count
	FROM (SELECT DISTINCT meter, size FROM audit.version) AS m,
		LATERAL meter.usage('00000000-0000-4000-8000-000000000057', m.meter, $1, $2,
			window_size => m.size, group_by => '{subject}') AS u;
	RETURN at;
END
$$;

CREATE FUNCTION audit.as_of(at timestamptz, meter text, period_from timestamptz, period_to timestamptz) RETURNS SETOF text LANGUAGE sql AS $$
	WITH
	now_known AS (
		SELECT u.window_start, u.subject, u.currency, u.version, u.value, u.event_count
		FROM meter.usage('00000000-0000-4000-8000-000000000057', $2, $3, $4,
			window_size => (SELECT v.size FROM audit.version AS v WHERE v.meter = $2 LIMIT 1), group_by => '{subject}', as_of => $1) AS u),
	noted AS (
		SELECT n.window_start, n.subject, n.currency, n.version, n.value, n.event_count
		FROM audit.noted AS n WHERE n.at = $1 AND n.meter = $2)
	(SELECT format('%s as of %s was said to be %s', $2, $1, n) FROM (TABLE noted EXCEPT TABLE now_known) AS n LIMIT 3)
	UNION ALL
	(SELECT format('%s as of %s is said to have been %s', $2, $1, n) FROM (TABLE now_known EXCEPT TABLE noted) AS n LIMIT 3)
$$;

-- Nothing is left that should have been counted again.
CREATE FUNCTION audit.jobs() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT format('job %s is %s: %s', job_id, state, error) FROM meter.reprocess_job WHERE state <> 'done' LIMIT 10
$$;
