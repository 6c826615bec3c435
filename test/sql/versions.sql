-- The life of meter versions: drafts, times to come, withdrawal, archives.
\set VERBOSITY terse
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
DO $$ BEGIN PERFORM meter.create_store(); END $$;
SELECT meter.create_organization('versions', '00000000-0000-0000-0000-00000000ca70');
\set org '''00000000-0000-0000-0000-00000000ca70'''

-- What a call gives of the document, or what the refusal says.
CREATE FUNCTION pg_temp.attempt(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
	result jsonb;
	detail text;
	hint text;
BEGIN
	EXECUTE 'SELECT meter.' || regexp_replace(call, '\(', '(''00000000-0000-0000-0000-00000000ca70'', ') INTO answer;
	result := nullif(answer, '')::jsonb;
	RETURN CASE WHEN result IS NULL THEN 'done' ELSE format('version %s, %s: %s', result ->> 'version', result ->> 'version_status', result ->> 'name') END;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' | ', SQLSTATE, regexp_replace(SQLERRM, '\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+\+00', 'NOW'), NULLIF(detail, ''), NULLIF(hint, ''));
END
$$;
-- A time as a test can know it.
CREATE FUNCTION pg_temp.t(at timestamptz) RETURNS text LANGUAGE sql AS $$
	SELECT CASE WHEN at BETWEEN clock_timestamp() - interval '1 hour' AND clock_timestamp() THEN 'now' ELSE regexp_replace(at::text, '-01-01 00:00:00.00$', '') END
$$;
CREATE FUNCTION pg_temp.versions(meter text) RETURNS TABLE (version int, name text, status text, "from" text, "to" text, reason text) LANGUAGE sql AS $$
	SELECT v.version, v.definition ->> 'name', v.status, pg_temp.t(v.effective_from), pg_temp.t(v.effective_to), v.archived_reason
	FROM meter.meter_versions AS v WHERE v.organization_id = '00000000-0000-0000-0000-00000000ca70' AND v.meter_key = versions.meter ORDER BY v.version
$$;
CREATE FUNCTION pg_temp.shown(meter text) RETURNS text LANGUAGE sql AS $$
	SELECT format('version %s, %s: %s', m.version, m.document ->> 'version_status', m.name) FROM meter.meters AS m
	WHERE m.organization_id = '00000000-0000-0000-0000-00000000ca70' AND m.key = shown.meter AND m.version = (m.document ->> 'version')::int
$$;
CREATE FUNCTION pg_temp.send(type text, at timestamptz, n numeric DEFAULT 1, meter text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', i.status, i.code) FROM meter.ingest('00000000-0000-0000-0000-00000000ca70', json_strip_nulls(json_build_object('id', gen_random_uuid(),
		'type', type, 'subject', 'ada', 'meter', meter, 'time', at, 'data', json_build_object('n', n)))) AS i
$$;

--
-- A meter that is a draft counts nothing until it is published
--
SELECT call, pg_temp.attempt(call) FROM unnest(ARRAY[
	$$create_meter('{"key": "calls", "name": "Calls", "metric_key": "call", "function": "sum", "value_field": "n", "save_as_draft": true}')$$,
	$$update_meter('calls', '{"name": "Phone calls", "save_as_draft": true, "version": 1}')$$,
	$$update_meter('calls', '{"name": "Nothing", "save_as_draft": true, "version": 2}')$$]) AS call;
SELECT pg_temp.shown('calls'), * FROM pg_temp.versions('calls');
SELECT pg_temp.send('call', now()) AS "by type", pg_temp.send('call', now(), meter => 'calls') AS "by name";
SELECT * FROM meter.usage(:org, 'calls', '2025-01-01', '2026-01-01');
SELECT * FROM meter.explain_usage(:org, 'calls', '2025-01-01', '2026-01-01');
SELECT * FROM meter.report_usage(:org, '{"meterName": "Phone calls", "value": 1, "customerId": "ada"}', 'one');
SELECT pg_temp.attempt($$publish_meter_version('calls', 1)$$), pg_temp.attempt($$publish_meter_version('calls', 1)$$), pg_temp.attempt($$publish_meter_version('calls', 2)$$);
SELECT pg_temp.send('call', now() + interval '1 hour', 7), pg_temp.send('call', '2025-01-01', 8);
SELECT value, version FROM meter.usage(:org, 'calls', '-infinity', 'infinity');
SELECT * FROM pg_temp.versions('calls');

--
-- Drafts beside a version in force: the meter stays what it is
--
SELECT call, pg_temp.attempt(call) FROM unnest(ARRAY[
	$$update_meter('calls', '{"name": "Draft", "unit_label": "call", "save_as_draft": true}')$$,
	$$update_meter('calls', '{"description": "Not yet.", "save_as_draft": true, "version": 2}')$$,
	$$update_meter('calls', '{"description": null, "save_as_draft": true, "version": 1}')$$,
	$$update_meter('calls', '{"description": "Again", "save_as_draft": true, "version": 3}')$$,
	$$update_meter('calls', '{"key": "other", "save_as_draft": true}')$$,
	$$update_meter('calls', '{"value_field": null, "save_as_draft": true}')$$]) AS call;
SELECT pg_temp.shown('calls'), v.*, w.definition ->> 'unit_label' AS unit, w.definition ->> 'description' AS description, w.published_at IS NOT NULL AS published
FROM pg_temp.versions('calls') AS v JOIN meter.meter_versions AS w ON w.organization_id = :org AND w.meter_key = 'calls' AND w.version = v.version ORDER BY 2;
-- an update at once is based on what is in force, and leaves the draft alone
SELECT pg_temp.attempt($$update_meter('calls', '{"negative_allowed": true, "version": 2}')$$), pg_temp.attempt($$update_meter('calls', '{"negative_allowed": true, "version": 1}')$$);
SELECT pg_temp.shown('calls'), * FROM pg_temp.versions('calls');
-- what a draft is published as is what it says, by the organization's fields of now
SELECT meter.update_organization(:org, '{"settings": {"custom_fields": {"rate": 2}}}') -> 'settings' AS settings;
SELECT pg_temp.attempt($$publish_meter_version('calls', 2, '2999-01-01')$$);
SELECT version, definition ->> 'negative_allowed' AS negative, definition ->> 'unit_label' AS unit, inherited_fields FROM meter.meter_version WHERE organization_id = :org ORDER BY version;

--
-- Times to come: the version in force at a time is cut there, in whatever order they are published
--
SELECT pg_temp.attempt($$create_meter('{"key": "plan", "name": "One", "metric_key": "planned", "function": "count", "effective_at": "2020-01-01T00:00:00Z"}')$$);
SELECT call, pg_temp.attempt(call) FROM unnest(ARRAY[
	$$update_meter('plan', '{"name": "Three", "unit_label": "three", "effective_at": "3000-01-01T00:00:00Z"}')$$,
	$$update_meter('plan', '{"name": "Two", "effective_at": "2990-01-01T00:00:00Z"}')$$,
	$$update_meter('plan', '{"name": "Four", "effective_at": "3010-01-01T01:00:00+01:00"}')$$,
	$$update_meter('plan', '{"name": "Same", "effective_at": "3000-01-01T00:00:00Z"}')$$,
	$$update_meter('plan', '{"name": "First", "effective_at": "2020-01-01T00:00:00Z"}')$$,
	$$update_meter('plan', '{"name": "First", "effective_at": "2020-01-01T00:00:00Z", "reprocess": true}')$$,
	$$update_meter('plan', '{"name": "Past", "effective_at": "2021-01-01T00:00:00Z", "reprocess": true}')$$,
	$$update_meter('plan', '{"name": "Before all", "effective_at": "2010-01-01T00:00:00Z", "reprocess": true}')$$,
	$$update_meter('plan', '{"name": "Draft", "save_as_draft": true}')$$,
	$$publish_meter_version('plan', 7, 'infinity')$$, $$publish_meter_version('plan', 7, '2020-06-01')$$, $$publish_meter_version('plan', 7, '3000-01-01')$$, $$publish_meter_version('plan', NULL)$$,
	$$publish_meter_version('plan', 7, '2020-06-01', true)$$]) AS call;
SELECT v.*, w.definition ->> 'unit_label' AS unit FROM pg_temp.versions('plan') AS v JOIN meter.meter_versions AS w ON w.organization_id = :org AND w.meter_key = 'plan' AND w.version = v.version ORDER BY "from";
SELECT pg_temp.shown('plan');
-- the transaction's own now() means at once, however long ago it is
BEGIN;
SELECT pg_temp.attempt(format($$update_meter('plan', '{"name": "Now", "effective_at": %s}')$$, to_jsonb(now())));
SELECT pg_temp.shown('plan'), pg_temp.send('planned', clock_timestamp());
SELECT version, value FROM meter.usage(:org, 'plan', '2025-01-01', '2900-01-01');
ROLLBACK;
SELECT pg_temp.shown('plan');

-- nothing has to run: the clock puts a version in force, under its own name
SELECT pg_temp.attempt($$create_meter('{"key": "named", "name": "Old name", "metric_key": "named", "function": "sum", "value_field": "n"}')$$);
DO $$
DECLARE
	org uuid := '00000000-0000-0000-0000-00000000ca70';
	begins timestamptz := clock_timestamp() + interval '1 second';
	report jsonb := '{"value": 1, "customerId": "ada"}';
BEGIN
	PERFORM meter.report_usage(org, report || '{"meterName": "Old name"}', 'first');
	PERFORM meter.update_meter(org, 'named', jsonb_build_object('name', 'New name', 'effective_at', begins));
	RAISE INFO 'shown: %, %', pg_temp.shown('named'), meter.report_usage(org, report || '{"meterName": "Old name"}', 'second') ->> 'status';
	PERFORM pg_sleep(extract(epoch FROM begins - clock_timestamp()) + 0.05);
	RAISE INFO 'shown: %, %', pg_temp.shown('named'), meter.report_usage(org, report || '{"meterName": "New name"}', 'third') ->> 'status';
	RAISE INFO '%', pg_temp.attempt($r$report_usage('{"value": 1, "customerId": "ada", "meterName": "Old name"}', 'fourth')$r$);
END
$$;

--
-- Archiving versions
--
SELECT call, pg_temp.attempt(call) FROM unnest(ARRAY[
	$$archive_meter_version('plan', 2, 'too far')$$, $$archive_meter_version('plan', 4, 'further')$$, $$archive_meter_version('plan', 4, 'again')$$,
	$$archive_meter_version('plan', 1, 'of the past')$$, $$archive_meter_version('plan', 5, 'in force')$$,
	$$update_meter('plan', '{"name": "Draft", "save_as_draft": true}')$$, $$archive_meter_version('plan', 8, 'never mind')$$,
	$$update_meter('plan', '{"name": "Draft", "save_as_draft": true}')$$, $$publish_meter_version('plan', 8)$$, $$publish_meter_version('plan', 2, '2999-01-01')$$,
	$$archive_meter_version('plan', 3, NULL)$$, $$archive_meter_version('plan', 3, '')$$, $$archive_meter_version('plan', 3, repeat('x', 1001))$$,
	$$archive_meter_version('plan', 99, 'x')$$, $$archive_meter_version('nothing', 1, 'x')$$,
	$$create_meter('{"key": "first", "name": "First", "metric_key": "first", "function": "count", "effective_at": "2999-01-01T00:00:00Z"}')$$, $$archive_meter_version('first', 1, 'x')$$]) AS call;
SELECT pg_temp.shown('first'), pg_temp.shown('plan');
SELECT * FROM pg_temp.versions('plan') ORDER BY "from", version;
-- late events of its time are an archived version's still; a withdrawn one has none
SELECT pg_temp.send('planned', '2020-02-01'), pg_temp.send('planned', '3005-01-01');
SELECT e."time", array_agg(v.version) AS versions FROM meter.events AS e JOIN meter.meter_version AS v ON v.organization_id = e.organization_id AND v.version_id = ANY (e.versions)
WHERE e.organization_id = :org AND e.type = 'planned' GROUP BY 1 ORDER BY 1;
-- a meter may begin before what it began with, and without it then
SELECT call, pg_temp.attempt(call) FROM unnest(ARRAY[$$update_meter('first', '{"name": "Sooner", "effective_at": "2998-01-01T00:00:00Z"}')$$, $$archive_meter_version('first', 1, 'later')$$]) AS call;
SELECT * FROM pg_temp.versions('first');

--
-- Whoever counts anew is told which times changed hands
--
BEGIN;
CREATE OR REPLACE FUNCTION meter.recount_published(organization_id uuid, meter_id uuid, effective_from timestamptz, effective_to timestamptz) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RAISE INFO 'from % to %, versions there: %', pg_temp.t(effective_from), pg_temp.t(effective_to), (SELECT string_agg(version::text, ', ' ORDER BY version) FROM meter.meter_version AS v
		WHERE v.meter_id = recount_published.meter_id AND v.effective_from IS NOT NULL AND tstzrange(v.effective_from, v.effective_to) && tstzrange(recount_published.effective_from, recount_published.effective_to));
	RETURN 'none';
END
$$;
SELECT pg_temp.attempt($$create_meter('{"key": "told", "name": "1", "metric_key": "told", "function": "count"}')$$);
SELECT pg_temp.attempt($$update_meter('told', '{"name": "2"}')$$);
SELECT pg_temp.attempt($$update_meter('told', '{"name": "3", "effective_at": "2999-01-01T00:00:00Z"}')$$);
SELECT pg_temp.attempt($$update_meter('told', '{"name": "4", "effective_at": "2020-01-01T00:00:00Z", "reprocess": true}')$$);
SELECT pg_temp.attempt($$update_meter('told', '{"name": "5", "save_as_draft": true}')$$);
SELECT pg_temp.attempt($$publish_meter_version('told', 5)$$);
SELECT pg_temp.attempt($$archive_meter_version('told', 3, 'x')$$);
SELECT pg_temp.attempt($$create_meter('{"key": "retold", "name": "1", "metric_key": "told", "function": "count", "effective_at": "2020-01-01T00:00:00Z", "reprocess": true}')$$);
ROLLBACK;

--
-- What was known when
--
SELECT v.version, pg_temp.t(r.effective_from) AS "from", pg_temp.t(r.effective_to) AS "to", r.known_from < r.known_to AS known, r.known_to = 'infinity' AS still
FROM meter.version_range AS r JOIN meter.meter_version AS v USING (organization_id, version_id) JOIN meter.meter AS m ON m.id = v.meter_id
WHERE m.organization_id = :org AND m.key = 'first' ORDER BY r.known_from, 1;
-- at every instant something changed, the ranges known then are without overlap or gap up to infinity
WITH instant AS (SELECT organization_id, known_from AS at FROM meter.version_range WHERE organization_id = :org
	UNION SELECT organization_id, known_to FROM meter.version_range WHERE organization_id = :org AND known_to < 'infinity')
SELECT count(*) > 20 AS enough, bool_and(gapless) AS gapless, bool_and(ends = 'infinity') AS to_the_end FROM (
	SELECT bool_and(effective_from = previous) AS gapless, max(effective_to) AS ends FROM (
		SELECT i.at, v.meter_id, r.effective_from, r.effective_to, lag(r.effective_to) OVER (PARTITION BY i.at, v.meter_id ORDER BY r.effective_from) AS previous
		FROM instant AS i JOIN meter.version_range AS r ON r.organization_id = i.organization_id AND r.known_from <= i.at AND i.at < r.known_to
		JOIN meter.meter_version AS v ON v.version_id = r.version_id) AS known
	GROUP BY at, meter_id) AS one;
-- a change of anything but the range is none
SELECT count(*) AS before FROM meter.version_range WHERE organization_id = :org \gset
UPDATE meter.meter_version SET created_by = created_by WHERE organization_id = :org;
SELECT count(*) - :before AS more FROM meter.version_range WHERE organization_id = :org;
-- the table itself lets no two have one time
UPDATE meter.meter_version AS v SET effective_to = 'infinity' FROM meter.meter AS m
WHERE m.organization_id = :org AND m.key = 'plan' AND v.meter_id = m.id AND v.effective_to < 'infinity';
INSERT INTO meter.meter_version (organization_id, meter_id, version, meter_no, stream_id, status, definition, effective_from)
SELECT organization_id, meter_id, 90, meter_no, stream_id, 'draft', definition, now() FROM meter.meter_version WHERE organization_id = :org LIMIT 1;

--
-- Who wrote it
--
CREATE ROLE meter_test_author;
GRANT meter_test_author TO CURRENT_USER;
GRANT USAGE ON SCHEMA meter TO meter_test_author;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA meter TO meter_test_author;
SELECT left(claims, 40) AS claims, CASE actor WHEN session_user THEN 'session''s user' ELSE actor END FROM (
	SELECT claims, set_config('request.jwt.claims', claims, true), meter.current_actor() AS actor FROM unnest(ARRAY[
		'{"sub": "ada", "role": "backend"}', '{"sub": 5}', '{"sub": ""}', '{"sub": null}', '{"subject": "ada"}', '', 'nonsense "sub"', '["sub"]', '"sub"', '{"sub": "a\u0000"}', '{"sub": ' || repeat('[', 100000)
	]) AS claims) AS a;
SET ROLE meter_test_author;
SELECT meter.current_actor();
RESET ROLE;
BEGIN;
SET LOCAL request.jwt.claims = '{"sub": "ada"}';
SELECT pg_temp.attempt($$update_meter('first', '{"description": "By Ada."}')$$);
COMMIT;
SELECT version, created_by FROM meter.meter_versions WHERE organization_id = :org AND meter_key = 'first' AND created_by <> session_user;

--
-- Archiving and deleting meters
--
SELECT call, pg_temp.attempt(call) FROM unnest(ARRAY[$$archive_meter('named', '')$$, $$archive_meter('named', NULL)$$, $$archive_meter('nothing', 'x')$$,
	$$archive_meter('named', 'no longer sold')$$, $$archive_meter('named', 'again')$$, $$update_meter('named', '{}')$$, $$publish_meter_version('named', 1)$$, $$archive_meter_version('named', 1, 'x')$$]) AS call;
SELECT status, pg_temp.t(archived_at) AS archived_at, archived_reason, document ->> 'archived_reason' AS reason, document ->> 'status' AS document FROM meter.meters WHERE organization_id = :org AND key = 'named';
SELECT pg_temp.send('named', now(), 5), pg_temp.send('named', now(), 5, 'named');
SELECT value FROM meter.usage(:org, 'named', '-infinity', 'infinity');

SELECT call, pg_temp.attempt(call) FROM unnest(ARRAY[
	$$create_meter('{"key": "unused", "metric_key": "unused", "function": "count"}')$$, $$update_meter('unused', '{"name": "Twice"}')$$,
	$$create_meter('{"key": "level", "metric_key": "level", "function": "weighted_sum", "value_field": "n"}')$$,
	$$create_meter('{"key": "profiles", "metric_key": "level", "function": "count", "filter_tree": {"field": "n", "op": "gt", "value": 100},
		"profiles": [{"code": "small", "aggregation_method": "count", "filters": [{"property": "n", "operator": "lt", "value": [100]}]}]}')$$]) AS call;
SELECT pg_temp.send('level', '2025-01-01', 5);
SELECT pg_temp.attempt('delete_meter(''' || key || ''')') FROM unnest('{named,plan,level,profiles,unused,unused,nothing}'::text[]) AS key;
SELECT count(*) AS versions FROM meter.meter_versions WHERE organization_id = :org AND meter_key = 'unused';
SELECT count(*) AS left_over FROM meter.former_range AS r WHERE NOT EXISTS (SELECT FROM meter.meter_version AS v WHERE v.version_id = r.version_id);
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT pg_temp.attempt($$delete_meter('first')$$);
ROLLBACK;
SELECT pg_temp.attempt($$create_meter('{"key": "unused", "name": "Anew", "metric_key": "unused", "function": "count"}')$$);

--
-- What others hear of it
--
SELECT o.event_type, o.aggregate_type, o.payload ->> 'meter_key' AS meter, o.payload -> 'version' AS version, pg_temp.t((o.payload ->> 'effective_from')::timestamptz) AS "from",
	o.payload ->> 'reason' AS reason, o.aggregate_id = o.payload ->> 'meter_id' AS by_meter, o.payload ->> 'actor' = session_user AS mine
FROM meter.domain_event_outbox AS o WHERE o.organization_id = :org AND o.payload ->> 'meter_key' <> 'plan' ORDER BY o.id;
SELECT bool_and(occurred_at BETWEEN now() - interval '1 hour' AND now()) AS occurred FROM meter.domain_event_outbox WHERE organization_id = :org;
--
-- No version may open a window that holds what another one closed
--
CREATE FUNCTION pg_temp.backdate(key text, patch jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	PERFORM meter.update_meter('00000000-0000-0000-0000-00000000ca70', key,
		jsonb_build_object('effective_at', date_trunc('day', now(), 'UTC') - interval '10 days' + interval '1 hour', 'reprocess', true) || patch);
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' | ', SQLSTATE, detail);
END
$$;
SELECT pg_temp.attempt($$create_meter('{"key": "shut", "metric_key": "shut", "function": "count", "window": {"size": "day"},
	"profiles": [{"code": "long", "aggregation_method": "count", "aggregation_time_window": {"size": "year", "count": 100}}]}')$$);
SELECT pg_temp.send('shut', now() - interval '5 days', 5);
SELECT meter.close_windows(:org) > 0 AS closed;
-- longer windows, or more grace: what is closed would be in one that is open
SELECT pg_temp.backdate('shut', '{"window": {"size": "year", "count": 100}}'), pg_temp.backdate('shut', '{"late_event_policy": {"grace": "20 days"}}'),
	pg_temp.backdate('shut', '{"profiles": [{"code": "long", "aggregation_method": "count"}], "window": {"size": "year", "count": 100}}');
-- the same windows, shorter ones, and times that nobody closed
SELECT pg_temp.backdate('shut', '{"name": "Same"}'), pg_temp.backdate('shut', '{"window": {"size": "hour"}, "effective_at": "2020-01-01T00:00:00Z"}'),
	pg_temp.attempt($$update_meter('shut', '{"window": {"size": "year", "count": 100}}')$$) LIKE 'version 4, active%' AS at_once;
REVOKE ALL ON SCHEMA meter FROM meter_test_author;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA meter FROM meter_test_author;
DROP ROLE meter_test_author;

--
-- What a statement shows is of one moment, however long it takes
--
SELECT count(meter.create_organization('clock ' || n, ('c10c0000-0000-0000-0000-00000000000' || n)::uuid)) FROM generate_series(1, 3) AS n;
SELECT count(meter.create_meter(o.organization_id, '{"key": "clock", "metric_key": "clock", "function": "count"}')) FROM meter.organization AS o WHERE o.name LIKE 'clock %';
CREATE FUNCTION pg_temp.schedule() RETURNS bigint LANGUAGE sql AS $$
	SELECT count(meter.update_meter(o.organization_id, 'clock', jsonb_build_object('name', 'Next', 'effective_at', to_jsonb(now() + interval '0.5 seconds'))))
	FROM meter.organization AS o WHERE o.name LIKE 'clock %' $$;
CREATE FUNCTION pg_temp.wait(name text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_sleep(0.3);
	RETURN true;
END $$;
-- so unlikely a row that the plan looks at the clock behind it
CREATE VIEW pg_temp.slow AS
	SELECT o.organization_id FROM meter.organization AS o WHERE o.name LIKE 'clock %' AND o.organization_id::text LIKE 'c10c%' AND o.name <> '' AND pg_temp.wait(o.name);
SELECT pg_temp.schedule();
SELECT count(DISTINCT m.version) AS versions, count(*) FROM pg_temp.slow AS o JOIN meter.meters AS m ON m.organization_id = o.organization_id;
SELECT pg_temp.schedule();
SELECT count(DISTINCT (v.version, v.status)) AS statuses, count(*) FROM pg_temp.slow AS o JOIN meter.meter_versions AS v ON v.organization_id = o.organization_id;

--
-- What the store keeps for a meter that is deleted
--
SELECT meter.create_organization('kept', '4e7ec7ed-0000-0000-0000-00000000000d') AS kept \gset
SELECT meter.create_meter(:'kept', '{"key": "kept", "metric_key": "kept", "function": "count", "window": {"size": "hour"}, "late_event_policy": {"mode": "quarantine"}}') ->> 'key';
CREATE FUNCTION pg_temp.delete() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	PERFORM meter.delete_meter('4e7ec7ed-0000-0000-0000-00000000000d', 'kept');
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN SQLSTATE || ' ' || SQLERRM || ' ' || detail;
END $$;
SELECT status FROM meter.ingest(:'kept', '[{"id": "1", "type": "kept", "source": "s", "time": "2025-01-01T00:00:00Z"}, {"id": "2", "type": "kept", "source": "s", "time": "2025-01-02T00:00:00Z"}]');
SELECT pg_temp.delete();
SELECT r.status FROM meter.rejected_events AS q, LATERAL meter.release_quarantine(:'kept', ARRAY[q.id]) AS r WHERE q.organization_id = :'kept' AND q.payload ->> 'id' = '1';
SELECT pg_temp.delete();
SELECT meter.void_event(:'kept', 'kept', '1', 'test') ->> 'status', meter.void_event(:'kept', 'kept', '2', 'test') ->> 'status';
SELECT meter.enter_reprocess_job(:'kept', (SELECT id FROM meter.meters WHERE organization_id = :'kept'), '2025-01-01', '2025-01-02', false, 'test') > 0 AS entered;
SELECT pg_temp.delete();
CALL meter.run_reprocess_jobs();
SELECT meter.close_windows(:'kept');
SELECT count(*) FROM meter.window_horizon WHERE organization_id = :'kept';
SELECT pg_temp.delete();
SELECT (SELECT count(*) FROM meter.window_horizon WHERE organization_id = :'kept') AS horizons, (SELECT count(*) FROM meter.reprocess_job WHERE organization_id = :'kept') AS jobs,
	(SELECT count(*) FROM meter.revision_queue WHERE organization_id = :'kept') AS queued;
-- a result that was billed stays, and its meter
SELECT meter.create_meter(:'kept', '{"key": "kept", "metric_key": "kept", "function": "count", "window": {"size": "hour"}}') ->> 'key';
SELECT status FROM meter.ingest(:'kept', '{"id": "3", "type": "kept", "source": "s", "time": "2025-01-01T00:00:00Z"}');
SELECT meter.close_windows(:'kept');
SELECT meter.void_event(:'kept', 'kept', '3', 'test') ->> 'status';
SELECT pg_temp.delete();
