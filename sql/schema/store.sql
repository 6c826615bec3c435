-- Stores: large tables, made by create_store() and not owned by the extension,
-- so that pg_dump keeps their rows, partitions and a DBA's indexes.

CREATE FUNCTION meter.create_store(options jsonb DEFAULT '{}') RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	SET client_min_messages = warning
AS $function$
DECLARE
	option text;
BEGIN
	IF options IS NULL OR jsonb_typeof(options) <> 'object' THEN
		RAISE EXCEPTION 'invalid store options: expected an object'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	FOR option IN SELECT jsonb_object_keys(options) LOOP
		IF option = 'distributed' AND options -> option = 'false' THEN
			CONTINUE;
		ELSIF option = 'distributed' THEN
			RAISE EXCEPTION 'invalid store options: distributed stores are not supported yet'
				USING ERRCODE = 'feature_not_supported';
		END IF;
		RAISE EXCEPTION 'invalid store options: unknown key "%"', option
			USING ERRCODE = 'invalid_parameter_value';
	END LOOP;

	-- Two sessions may both find the store missing: the second one waits here.
	PERFORM pg_advisory_xact_lock('meter.organization'::regclass::oid::bigint);

	CREATE SEQUENCE IF NOT EXISTS meter.event_seq;
	COMMENT ON SEQUENCE meter.event_seq IS 'Arrival numbers of events.';

	CREATE TABLE IF NOT EXISTS meter.event (
		organization_id uuid NOT NULL,
		"time" timestamptz NOT NULL,
		seq bigint NOT NULL,
		received_at timestamptz NOT NULL,
		type text NOT NULL,
		events bytea NOT NULL,
		revision int NOT NULL DEFAULT 0,
		revised_at timestamptz,
		replaced_at timestamptz,
		PRIMARY KEY (organization_id, "time", seq, revision)
	) PARTITION BY RANGE ("time");
	ALTER TABLE meter.event ALTER COLUMN events SET STORAGE MAIN;
	BEGIN
		ALTER TABLE meter.event ALTER COLUMN events SET COMPRESSION lz4;
	EXCEPTION WHEN feature_not_supported THEN
		NULL;	-- a server built without lz4 compresses with pglz
	END;
	COMMENT ON TABLE meter.event IS 'Events as they were accepted, in pages of one type and one UTC hour; only ever appended to. Counting events anew adds a revision of their page. The view meter.events is the one to read.';
	COMMENT ON COLUMN meter.event.organization_id IS 'The tenant.';
	COMMENT ON COLUMN meter.event."time" IS 'Time of the first event on the page.';
	COMMENT ON COLUMN meter.event.seq IS 'Arrival number of the first event on the page; a number of its own where that is a supplement.';
	COMMENT ON COLUMN meter.event.received_at IS 'When they were accepted.';
	COMMENT ON COLUMN meter.event.type IS 'CloudEvents type.';
	COMMENT ON COLUMN meter.event.events IS 'The events (see meter.page_events).';
	COMMENT ON COLUMN meter.event.revision IS '0 for a page as it was written first; the same events, counted anew, are the next revision.';
	COMMENT ON COLUMN meter.event.revised_at IS 'When the revision was written; null for revision 0.';
	COMMENT ON COLUMN meter.event.replaced_at IS 'When the next revision took its place; null while it is the last.';

	CREATE TABLE IF NOT EXISTS meter.event_default PARTITION OF meter.event DEFAULT;
	PERFORM meter.create_partitions();

	CREATE TABLE IF NOT EXISTS meter.event_placement (
		organization_id uuid NOT NULL,
		seq bigint NOT NULL,
		"time" timestamptz NOT NULL,
		PRIMARY KEY (organization_id, seq, "time")
	);
	COMMENT ON TABLE meter.event_placement IS 'Where events are counted besides their own time: by a meter that counts late ones in an open window, or that released them from quarantine.';
	COMMENT ON COLUMN meter.event_placement.organization_id IS 'The tenant.';
	COMMENT ON COLUMN meter.event_placement.seq IS 'The event''s arrival number.';
	COMMENT ON COLUMN meter.event_placement."time" IS 'Where it is counted.';

	CREATE TABLE IF NOT EXISTS meter.event_reversal (
		organization_id uuid NOT NULL,
		seq bigint NOT NULL,
		"time" timestamptz NOT NULL,
		type text NOT NULL,
		kind text NOT NULL CHECK (kind IN ('void', 'amend')),
		reason text,
		reversed_at timestamptz NOT NULL,
		reversed_by text NOT NULL,
		replacement_seq bigint,
		recount int[] NOT NULL,
		PRIMARY KEY (organization_id, seq, "time")
	);
	CREATE INDEX IF NOT EXISTS event_reversal_time_idx ON meter.event_reversal (organization_id, type, "time");
	CREATE INDEX IF NOT EXISTS event_reversal_recount_idx ON meter.event_reversal (organization_id, type, "time") WHERE recount <> '{}';
	COMMENT ON TABLE meter.event_reversal IS 'Events that were taken back: one row for each place an event was counted at. The events themselves stay.';
	COMMENT ON COLUMN meter.event_reversal.organization_id IS 'The tenant.';
	COMMENT ON COLUMN meter.event_reversal.seq IS 'The event''s arrival number.';
	COMMENT ON COLUMN meter.event_reversal."time" IS 'Where it was counted.';
	COMMENT ON COLUMN meter.event_reversal.type IS 'The event''s type.';
	COMMENT ON COLUMN meter.event_reversal.kind IS 'void, or amend where another event took its place.';
	COMMENT ON COLUMN meter.event_reversal.reason IS 'Why.';
	COMMENT ON COLUMN meter.event_reversal.reversed_at IS 'When.';
	COMMENT ON COLUMN meter.event_reversal.reversed_by IS 'By whom.';
	COMMENT ON COLUMN meter.event_reversal.replacement_seq IS 'Arrival number of the event that took its place.';
	COMMENT ON COLUMN meter.event_reversal.recount IS 'Versions whose rollups still hold the event, since their functions cannot take a value back: that quarter of an hour is read from the events.';

	CREATE TABLE IF NOT EXISTS meter.event_key (
		organization_id uuid NOT NULL,
		key_hash uuid NOT NULL,
		probe int NOT NULL,
		space int NOT NULL,
		payload_hash bigint NOT NULL,
		"time" timestamptz NOT NULL,
		seq bigint NOT NULL,
		key text NOT NULL,
		-- the hash first: one comparison decides
		PRIMARY KEY (key_hash, organization_id, probe)
	);
	COMMENT ON TABLE meter.event_key IS 'Keys that were counted: what makes an event once-only.';
	COMMENT ON COLUMN meter.event_key.organization_id IS 'The tenant.';
	COMMENT ON COLUMN meter.event_key.key_hash IS '128-bit hash of space and key.';
	COMMENT ON COLUMN meter.event_key.probe IS '0; higher for another key with the same hash.';
	COMMENT ON COLUMN meter.event_key.space IS '0 for envelope keys, else the meter''s number.';
	COMMENT ON COLUMN meter.event_key.payload_hash IS 'Hash of the payload: tells a duplicate from a conflict.';
	COMMENT ON COLUMN meter.event_key."time" IS 'The event''s time.';
	COMMENT ON COLUMN meter.event_key.seq IS 'The event''s arrival number.';
	COMMENT ON COLUMN meter.event_key.key IS 'The key itself: type, source and id, or the value at dedup_key_path.';

	CREATE SEQUENCE IF NOT EXISTS meter.series_id_seq;
	COMMENT ON SEQUENCE meter.series_id_seq IS 'Numbers of series.';

	CREATE TABLE IF NOT EXISTS meter.series (
		organization_id uuid NOT NULL,
		series_id bigint NOT NULL DEFAULT nextval('meter.series_id_seq'),
		stream_id int NOT NULL,
		content_hash bigint NOT NULL,
		subject text,
		currency text,
		dimensions json NOT NULL,
		PRIMARY KEY (organization_id, series_id)
	);
	CREATE INDEX IF NOT EXISTS series_content_idx ON meter.series (content_hash, organization_id);
	CREATE INDEX IF NOT EXISTS series_subject_idx ON meter.series (organization_id, stream_id, subject);
	COMMENT ON TABLE meter.series IS 'Dictionary of series: stream, subject, currency and dimension values as one number. Two racing transactions may enter the same content twice; readers go by content.';
	COMMENT ON COLUMN meter.series.organization_id IS 'The tenant.';
	COMMENT ON COLUMN meter.series.series_id IS 'The series'' number.';
	COMMENT ON COLUMN meter.series.stream_id IS 'The stream.';
	COMMENT ON COLUMN meter.series.content_hash IS 'Hash of stream, subject, currency and dimensions.';
	COMMENT ON COLUMN meter.series.subject IS 'The customer.';
	COMMENT ON COLUMN meter.series.currency IS 'ISO 4217 code.';
	COMMENT ON COLUMN meter.series.dimensions IS 'Dimension values in their one spelling.';

	CREATE SEQUENCE IF NOT EXISTS meter.rollup_page_seq;
	COMMENT ON SEQUENCE meter.rollup_page_seq IS 'Numbers of rollup pages.';

	-- The key serves both sides: readers look for a series on some days; the
	-- writer that merges pages finds a day's levels without visiting the pages.
	CREATE TABLE IF NOT EXISTS meter.rollup (
		organization_id uuid NOT NULL,
		day int NOT NULL,
		level smallint NOT NULL,
		series_max bigint NOT NULL,
		series_min bigint NOT NULL,
		page_id bigint NOT NULL DEFAULT nextval('meter.rollup_page_seq'),
		entries bytea NOT NULL,
		PRIMARY KEY (organization_id, day, series_max, series_min, level, page_id)
	) WITH (toast_tuple_target = 8160, autovacuum_vacuum_scale_factor = 0.05);
	-- Pages are small enough to stay in the table, and too dense to compress.
	ALTER TABLE meter.rollup ALTER COLUMN entries SET STORAGE MAIN;
	COMMENT ON TABLE meter.rollup IS 'Usage states by series and hour, in sorted pages of one day; only appended to, and merged.';
	COMMENT ON COLUMN meter.rollup.organization_id IS 'The tenant.';
	COMMENT ON COLUMN meter.rollup.day IS 'Days since 2000-01-01 UTC.';
	COMMENT ON COLUMN meter.rollup.level IS 'How often the page''s entries were merged, 0 to 3.';
	COMMENT ON COLUMN meter.rollup.series_max IS 'The last series on the page.';
	COMMENT ON COLUMN meter.rollup.series_min IS 'The first series on the page.';
	COMMENT ON COLUMN meter.rollup.page_id IS 'The page''s number.';
	COMMENT ON COLUMN meter.rollup.entries IS 'The states.';

	CREATE SEQUENCE IF NOT EXISTS meter.rejected_event_seq;
	COMMENT ON SEQUENCE meter.rejected_event_seq IS 'Numbers of rejections.';

	CREATE TABLE IF NOT EXISTS meter.rejected_event (
		organization_id uuid NOT NULL,
		rejection_id bigint NOT NULL,
		first_id bigint NOT NULL,
		received_at timestamptz NOT NULL,
		meter_id uuid,
		status text NOT NULL,
		code text NOT NULL,
		pointer text,
		message text NOT NULL,
		seq bigint,
		"time" timestamptz,
		tried_at timestamptz,
		resolved_at timestamptz,
		resolution text CHECK (resolution IN ('released', 'replayed', 'reprocessed', 'reversed')),
		payload json NOT NULL,
		PRIMARY KEY (organization_id, rejection_id)
	);
	CREATE INDEX IF NOT EXISTS rejected_event_open_idx ON meter.rejected_event (organization_id, first_id)
		WHERE resolved_at IS NULL;
	CREATE INDEX IF NOT EXISTS rejected_event_seq_idx ON meter.rejected_event (organization_id, seq)
		WHERE seq IS NOT NULL;
	COMMENT ON TABLE meter.rejected_event IS 'Events that were not counted, kept whole. The view meter.rejected_events is the one to read.';
	COMMENT ON COLUMN meter.rejected_event.organization_id IS 'The tenant.';
	COMMENT ON COLUMN meter.rejected_event.rejection_id IS 'The rejection''s number.';
	COMMENT ON COLUMN meter.rejected_event.first_id IS 'Number of the event''s first rejection: that row tells where the event is, and is locked by who tries any of them again.';
	COMMENT ON COLUMN meter.rejected_event.received_at IS 'When it came.';
	COMMENT ON COLUMN meter.rejected_event.meter_id IS 'The meter that rejected it; null where no meter came into it.';
	COMMENT ON COLUMN meter.rejected_event.status IS 'rejected, conflict or quarantined.';
	COMMENT ON COLUMN meter.rejected_event.seq IS 'The event''s arrival number, where its keys are claimed: other meters count it, or it is in quarantine.';
	COMMENT ON COLUMN meter.rejected_event."time" IS 'On the event''s first rejection: where the event is stored; null where it is not.';
	COMMENT ON COLUMN meter.rejected_event.tried_at IS 'When it was tried again last.';
	COMMENT ON COLUMN meter.rejected_event.resolved_at IS 'When it was counted after all, or found to be nothing to count; null while it is open.';
	COMMENT ON COLUMN meter.rejected_event.resolution IS 'What brought that about: released, replayed or reprocessed; reversed where the event was taken back.';
	COMMENT ON COLUMN meter.rejected_event.code IS 'Stable code of the reason.';
	COMMENT ON COLUMN meter.rejected_event.pointer IS 'JSON pointer to the culprit.';
	COMMENT ON COLUMN meter.rejected_event.message IS 'What was wrong and what was expected.';
	COMMENT ON COLUMN meter.rejected_event.payload IS 'The whole event as it came.';

	CREATE SEQUENCE IF NOT EXISTS meter.reprocess_job_seq;
	COMMENT ON SEQUENCE meter.reprocess_job_seq IS 'Numbers of jobs that count events anew.';

	CREATE TABLE IF NOT EXISTS meter.reprocess_job (
		organization_id uuid NOT NULL,
		job_id bigint NOT NULL DEFAULT nextval('meter.reprocess_job_seq'),
		meter_id uuid NOT NULL,
		period_from timestamptz NOT NULL,
		period_to timestamptz NOT NULL,
		open_only boolean NOT NULL,
		reason text NOT NULL,
		state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'running', 'done', 'failed')),
		hour_from timestamptz,
		hour_to timestamptz,
		"position" timestamptz,
		events_done bigint NOT NULL DEFAULT 0,
		created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
		created_by text NOT NULL,
		started_at timestamptz,
		updated_at timestamptz,
		finished_at timestamptz,
		error text,
		PRIMARY KEY (organization_id, job_id)
	);
	CREATE INDEX IF NOT EXISTS reprocess_job_open_idx ON meter.reprocess_job (job_id) WHERE state IN ('pending', 'running');
	COMMENT ON TABLE meter.reprocess_job IS 'Jobs that count events anew. The view meter.stat_progress shows how far they are.';
	COMMENT ON COLUMN meter.reprocess_job.organization_id IS 'The tenant.';
	COMMENT ON COLUMN meter.reprocess_job.job_id IS 'The job''s number.';
	COMMENT ON COLUMN meter.reprocess_job.meter_id IS 'The meter whose usage is counted anew.';
	COMMENT ON COLUMN meter.reprocess_job.period_from IS 'Start of the times that were asked for.';
	COMMENT ON COLUMN meter.reprocess_job.period_to IS 'End (exclusive) of them.';
	COMMENT ON COLUMN meter.reprocess_job.open_only IS 'Whether events of finalized windows stay as they are.';
	COMMENT ON COLUMN meter.reprocess_job.reason IS 'Why; revisions of closed windows give it.';
	COMMENT ON COLUMN meter.reprocess_job.state IS 'pending, running (or abandoned, where no session is at it), done or failed.';
	COMMENT ON COLUMN meter.reprocess_job.hour_from IS 'The first hour of these times that the store holds; null before it started.';
	COMMENT ON COLUMN meter.reprocess_job.hour_to IS 'The end of the last one.';
	COMMENT ON COLUMN meter.reprocess_job."position" IS 'The hours before it are done.';
	COMMENT ON COLUMN meter.reprocess_job.events_done IS 'How many events were looked at.';
	COMMENT ON COLUMN meter.reprocess_job.created_at IS 'When it was entered.';
	COMMENT ON COLUMN meter.reprocess_job.created_by IS 'By whom.';
	COMMENT ON COLUMN meter.reprocess_job.started_at IS 'When it was begun.';
	COMMENT ON COLUMN meter.reprocess_job.updated_at IS 'When the last hours were done.';
	COMMENT ON COLUMN meter.reprocess_job.finished_at IS 'When it was done, or failed.';
	COMMENT ON COLUMN meter.reprocess_job.error IS 'What made it fail.';

	CREATE OR REPLACE VIEW meter.stat_progress WITH (security_invoker = true) AS
		SELECT j.organization_id, 'reprocess'::text AS kind, j.job_id, m.key AS meter_key, j.period_from, j.period_to,
			j."position", j.events_done,
			CASE WHEN j.state = 'done' OR j.hour_from >= j.hour_to THEN 1
				ELSE coalesce(round((extract(epoch FROM j."position" - j.hour_from)
					/ extract(epoch FROM j.hour_to - j.hour_from))::numeric, 4), 0) END AS fraction,
			j.state, j.started_at, j.updated_at
		FROM meter.reprocess_job AS j
		LEFT JOIN meter.meter AS m ON m.organization_id = j.organization_id AND m.id = j.meter_id;
	COMMENT ON VIEW meter.stat_progress IS 'How far long work is.';
	COMMENT ON COLUMN meter.stat_progress.organization_id IS 'The tenant.';
	COMMENT ON COLUMN meter.stat_progress.kind IS 'What is done: reprocess.';
	COMMENT ON COLUMN meter.stat_progress.job_id IS 'The job''s number.';
	COMMENT ON COLUMN meter.stat_progress.meter_key IS 'The meter it is about.';
	COMMENT ON COLUMN meter.stat_progress.period_from IS 'Start of the times it is about.';
	COMMENT ON COLUMN meter.stat_progress.period_to IS 'End (exclusive) of them.';
	COMMENT ON COLUMN meter.stat_progress."position" IS 'Up to where it is done.';
	COMMENT ON COLUMN meter.stat_progress.events_done IS 'How many events were looked at.';
	COMMENT ON COLUMN meter.stat_progress.fraction IS 'The part of the times that is done, 0 to 1.';
	COMMENT ON COLUMN meter.stat_progress.state IS 'pending, running, done or failed.';
	COMMENT ON COLUMN meter.stat_progress.started_at IS 'When it was begun.';
	COMMENT ON COLUMN meter.stat_progress.updated_at IS 'When it last got further.';

	CREATE SEQUENCE IF NOT EXISTS meter.revision_queue_seq;
	COMMENT ON SEQUENCE meter.revision_queue_seq IS 'Numbers of the queue of revisions.';

	-- Results are only ever added. The key is also how the last revision of a
	-- window is found; a column that may be null is one of it, since the
	-- definition's own profile, an event without a subject or a currency are null.
	CREATE TABLE IF NOT EXISTS meter.window_result (
		organization_id uuid NOT NULL,
		meter_id uuid NOT NULL,
		profile text COLLATE "C",
		window_start timestamptz NOT NULL,
		window_end timestamptz NOT NULL,
		subject text COLLATE "C",
		currency text COLLATE "C",
		version int NOT NULL,
		revision int NOT NULL,
		value numeric,
		delta numeric,
		event_count bigint NOT NULL,
		closed_at timestamptz NOT NULL,
		reason text
	);
	CREATE UNIQUE INDEX IF NOT EXISTS window_result_key ON meter.window_result
		(organization_id, meter_id, profile, window_start, subject, window_end, currency, version, revision)
		NULLS NOT DISTINCT;
	COMMENT ON TABLE meter.window_result IS 'Results of closed windows, and their revisions; only ever added to. The view meter.window_results is the one to read.';
	COMMENT ON COLUMN meter.window_result.organization_id IS 'The tenant.';
	COMMENT ON COLUMN meter.window_result.meter_id IS 'The meter.';
	COMMENT ON COLUMN meter.window_result.profile IS 'Code of the profile; null for the definition''s own.';
	COMMENT ON COLUMN meter.window_result.window_start IS 'Start of the window.';
	COMMENT ON COLUMN meter.window_result.window_end IS 'End (exclusive) of the window.';
	COMMENT ON COLUMN meter.window_result.subject IS 'The subject, as its events name it.';
	COMMENT ON COLUMN meter.window_result.currency IS 'ISO 4217 code, where the meter has currencies.';
	COMMENT ON COLUMN meter.window_result.version IS 'The version that measured it.';
	COMMENT ON COLUMN meter.window_result.revision IS '1 for the first result of the window, then one more for each change.';
	COMMENT ON COLUMN meter.window_result.value IS 'The value, in the meter''s unit.';
	COMMENT ON COLUMN meter.window_result.delta IS 'How far it is from the revision before; of the first one the value itself.';
	COMMENT ON COLUMN meter.window_result.event_count IS 'How many events were counted in the window.';
	COMMENT ON COLUMN meter.window_result.closed_at IS 'When it was written.';
	COMMENT ON COLUMN meter.window_result.reason IS 'What made the revision; null where the window was closed.';

	CREATE TABLE IF NOT EXISTS meter.window_horizon (
		organization_id uuid NOT NULL,
		meter_id uuid NOT NULL,
		horizon timestamptz NOT NULL,
		PRIMARY KEY (organization_id, meter_id)
	);
	COMMENT ON TABLE meter.window_horizon IS 'How far the windows of meters are closed: those whose end and grace are not behind it.';
	COMMENT ON COLUMN meter.window_horizon.organization_id IS 'The tenant.';
	COMMENT ON COLUMN meter.window_horizon.meter_id IS 'The meter.';
	COMMENT ON COLUMN meter.window_horizon.horizon IS 'The time.';

	CREATE TABLE IF NOT EXISTS meter.close_tick (
		"at" timestamptz NOT NULL,
		next_xid xid8 NOT NULL,
		PRIMARY KEY ("at", next_xid)
	);
	COMMENT ON TABLE meter.close_tick IS 'Moments at which windows were closed; what is still in flight is as old as the last of them that it came after.';
	COMMENT ON COLUMN meter.close_tick."at" IS 'The moment.';
	COMMENT ON COLUMN meter.close_tick.next_xid IS 'The first transaction number that was not given out at that moment.';

	CREATE TABLE IF NOT EXISTS meter.revision_queue (
		organization_id uuid NOT NULL,
		meter_id uuid NOT NULL,
		id bigint NOT NULL DEFAULT nextval('meter.revision_queue_seq'),
		time_from timestamptz NOT NULL,
		time_to timestamptz NOT NULL,
		every_subject boolean NOT NULL,
		subject text COLLATE "C",
		reason text NOT NULL,
		PRIMARY KEY (organization_id, meter_id, id)
	);
	COMMENT ON TABLE meter.revision_queue IS 'Times in which something changed that may be closed: the next meter.close_windows() compares them and writes revisions.';
	COMMENT ON COLUMN meter.revision_queue.organization_id IS 'The tenant.';
	COMMENT ON COLUMN meter.revision_queue.meter_id IS 'The meter.';
	COMMENT ON COLUMN meter.revision_queue.id IS 'Its number.';
	COMMENT ON COLUMN meter.revision_queue.time_from IS 'Begin of the time.';
	COMMENT ON COLUMN meter.revision_queue.time_to IS 'End (exclusive) of the time.';
	COMMENT ON COLUMN meter.revision_queue.every_subject IS 'Whether it is about every subject.';
	COMMENT ON COLUMN meter.revision_queue.subject IS 'The one it is about; null for events without one.';
	COMMENT ON COLUMN meter.revision_queue.reason IS 'What made the change.';

	CREATE TABLE IF NOT EXISTS meter.dropped_period (
		period_from timestamptz PRIMARY KEY,
		period_to timestamptz NOT NULL,
		dropped_at timestamptz NOT NULL
	);
	COMMENT ON TABLE meter.dropped_period IS 'Months whose raw events were dropped, by meter.drop_partitions().';
	COMMENT ON COLUMN meter.dropped_period.period_from IS 'Start of the month.';
	COMMENT ON COLUMN meter.dropped_period.period_to IS 'End (exclusive) of the month.';
	COMMENT ON COLUMN meter.dropped_period.dropped_at IS 'When they were dropped.';

	CREATE OR REPLACE VIEW meter.window_results WITH (security_invoker = true) AS
		SELECT r.organization_id, r.meter_id, m.key AS meter_key, r.profile, r.window_start, r.window_end,
			r.subject, r.currency, r.version, r.revision, r.value, r.delta, r.event_count, r.closed_at, r.reason
		FROM meter.window_result AS r
		LEFT JOIN meter.meter AS m ON m.organization_id = r.organization_id AND m.id = r.meter_id;
	COMMENT ON VIEW meter.window_results IS 'Results of closed windows, and their revisions. A window without a row was closed empty.';
	COMMENT ON COLUMN meter.window_results.organization_id IS 'The tenant.';
	COMMENT ON COLUMN meter.window_results.meter_id IS 'The meter.';
	COMMENT ON COLUMN meter.window_results.meter_key IS 'The slug it is called by.';
	COMMENT ON COLUMN meter.window_results.profile IS 'Code of the profile; null for the definition''s own.';
	COMMENT ON COLUMN meter.window_results.window_start IS 'Start of the window.';
	COMMENT ON COLUMN meter.window_results.window_end IS 'End (exclusive) of the window.';
	COMMENT ON COLUMN meter.window_results.subject IS 'The subject, as its events name it.';
	COMMENT ON COLUMN meter.window_results.currency IS 'ISO 4217 code, where the meter has currencies.';
	COMMENT ON COLUMN meter.window_results.version IS 'The version that measured it.';
	COMMENT ON COLUMN meter.window_results.revision IS '1 for the first result of the window, then one more for each change.';
	COMMENT ON COLUMN meter.window_results.value IS 'The value, in the meter''s unit.';
	COMMENT ON COLUMN meter.window_results.delta IS 'How far it is from the revision before; of the first one the value itself.';
	COMMENT ON COLUMN meter.window_results.event_count IS 'How many events were counted in the window.';
	COMMENT ON COLUMN meter.window_results.closed_at IS 'When it was written.';
	COMMENT ON COLUMN meter.window_results.reason IS 'What made the revision; null where the window was closed.';

	CREATE OR REPLACE VIEW meter.rejected_events WITH (security_invoker = true) AS
		SELECT organization_id, rejection_id AS id, received_at, meter_id, status, code, pointer, message, payload,
			tried_at
		FROM meter.rejected_event
		WHERE resolved_at IS NULL;
	COMMENT ON VIEW meter.rejected_events IS 'Events that are not counted, with the reason: rejected, in conflict with one that is counted, or in quarantine. meter.replay_rejected() tries again, meter.release_quarantine() counts what is in quarantine.';
	COMMENT ON COLUMN meter.rejected_events.organization_id IS 'The tenant.';
	COMMENT ON COLUMN meter.rejected_events.id IS 'The rejection''s number.';
	COMMENT ON COLUMN meter.rejected_events.received_at IS 'When it came.';
	COMMENT ON COLUMN meter.rejected_events.meter_id IS 'The meter that rejected it; null where no meter came into it.';
	COMMENT ON COLUMN meter.rejected_events.status IS 'rejected, conflict or quarantined.';
	COMMENT ON COLUMN meter.rejected_events.code IS 'Stable code of the reason.';
	COMMENT ON COLUMN meter.rejected_events.pointer IS 'JSON pointer to the culprit.';
	COMMENT ON COLUMN meter.rejected_events.message IS 'What was wrong and what was expected.';
	COMMENT ON COLUMN meter.rejected_events.payload IS 'The whole event as it came.';
	COMMENT ON COLUMN meter.rejected_events.tried_at IS 'When it was tried again last.';

	CREATE OR REPLACE VIEW meter.events WITH (security_invoker = true) AS
		SELECT p.organization_id, e.seq, e.original_time AS "time", p.received_at, p.type, e.source, e.id, e.subject,
			e.meter_id, e.versions, e.data, e."time" AS counted_at, r.kind AS reversal, r.reversed_at, r.replacement_seq
		FROM meter.event AS p
		CROSS JOIN LATERAL meter.page_events(p.events) AS e
		LEFT JOIN meter.event_reversal AS r
			ON r.organization_id = p.organization_id AND r.seq = e.seq AND r."time" = e."time"
		WHERE p.replaced_at IS NULL AND NOT e.supplement;
	COMMENT ON VIEW meter.events IS 'Accepted events, those that were taken back among them.';
	COMMENT ON COLUMN meter.events.organization_id IS 'The tenant.';
	COMMENT ON COLUMN meter.events.seq IS 'Arrival number.';
	COMMENT ON COLUMN meter.events."time" IS 'When it happened.';
	COMMENT ON COLUMN meter.events.received_at IS 'When it was accepted.';
	COMMENT ON COLUMN meter.events.type IS 'CloudEvents type.';
	COMMENT ON COLUMN meter.events.source IS 'CloudEvents source.';
	COMMENT ON COLUMN meter.events.id IS 'CloudEvents id.';
	COMMENT ON COLUMN meter.events.subject IS 'CloudEvents subject: the customer.';
	COMMENT ON COLUMN meter.events.meter_id IS 'The one meter it was aimed at, if any.';
	COMMENT ON COLUMN meter.events.versions IS 'The meter versions that counted it.';
	COMMENT ON COLUMN meter.events.counted_at IS 'The time it is counted at: its own, but where it came late and was moved to an open window.';
	COMMENT ON COLUMN meter.events.data IS 'CloudEvents data, as it was written.';
	COMMENT ON COLUMN meter.events.reversal IS 'void or amend where it was taken back; it counts no more then.';
	COMMENT ON COLUMN meter.events.reversed_at IS 'When it was taken back.';
	COMMENT ON COLUMN meter.events.replacement_seq IS 'Arrival number of the event that took its place.';

	PERFORM meter.create_outbox();
	PERFORM meter.create_thresholds();
	PERFORM meter.create_readings();
	PERFORM meter.protect_tables();
	PERFORM meter.create_api_views();
	PERFORM meter.grant_privileges();
END
$function$;
COMMENT ON FUNCTION meter.create_store(jsonb) IS 'Makes the tables that hold events, keys, series, rollups, rejected events, domain events, what thresholds watch and readings of devices. Idempotent and safe in parallel. options: object; distributed (boolean, default false). Errors: 22023 unknown option, 0A000 distributed. Source: standard.';

CREATE FUNCTION meter.create_partitions(ahead int DEFAULT 3) RETURNS int
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	month timestamp;
	made int := 0;
	partition text;
BEGIN
	IF ahead IS NULL OR ahead NOT BETWEEN 0 AND 120 THEN
		RAISE EXCEPTION 'invalid number of months ahead: expected 0 to 120'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	FOR month IN
		SELECT generate_series(date_trunc('month', now() AT TIME ZONE 'UTC'),
			date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => ahead), '1 month')
	LOOP
		partition := 'event_' || to_char(month, 'YYYYMM');
		CONTINUE WHEN to_regclass('meter.' || partition) IS NOT NULL;
		-- Rows of that month that came before its partition stay where they are:
		-- correct, and dropped later than they could be.
		CONTINUE WHEN EXISTS (
			SELECT FROM meter.event_default
			WHERE "time" >= month AT TIME ZONE 'UTC' AND "time" < (month + '1 month') AT TIME ZONE 'UTC');
		EXECUTE format('CREATE TABLE meter.%I PARTITION OF meter.event FOR VALUES FROM (%L) TO (%L)',
			partition, month AT TIME ZONE 'UTC', (month + '1 month') AT TIME ZONE 'UTC');
		made := made + 1;
	END LOOP;
	PERFORM meter.protect_tables();
	RETURN made;
END
$function$;
COMMENT ON FUNCTION meter.create_partitions(int) IS 'Makes the monthly partitions of events for this month and those ahead (0 to 120, default 3), where they are missing. Result: how many were made. Errors: 22023 ahead out of range. Source: standard.';
