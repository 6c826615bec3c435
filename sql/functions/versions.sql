-- The life of meter versions: published, put in force, archived.

CREATE FUNCTION meter.lock_definitions(organization_id uuid) RETURNS void
	LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'meter_lock_definitions';
COMMENT ON FUNCTION meter.lock_definitions(uuid) IS 'Waits, to the end of the transaction, for the ingestion under way in the organization: what follows sees all of it counted by the old versions. Source: internal.';

CREATE FUNCTION meter.lock_meter(organization_id uuid, meter text, publishing boolean, even_archived boolean DEFAULT false) RETURNS meter.meter
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	head meter.meter := meter.find_meter(organization_id, meter);
BEGIN
	IF publishing THEN
		-- Events in flight were measured by the old version: let them commit before
		-- the new version's range begins.
		PERFORM meter.lock_definitions(head.organization_id);
	END IF;
	SELECT m.* INTO head FROM meter.meter AS m
		WHERE m.organization_id = head.organization_id AND m.id = head.id FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'meter "%" does not exist', lock_meter.meter
			USING ERRCODE = 'undefined_object';
	END IF;
	IF head.status = 'archived' AND NOT even_archived THEN
		RAISE EXCEPTION 'meter "%" is archived', head.key
			USING ERRCODE = 'object_not_in_prerequisite_state';
	END IF;
	RETURN head;
END
$function$;
COMMENT ON FUNCTION meter.lock_meter(uuid, text, boolean, boolean) IS 'The meter of that key or id, locked to the end of the transaction against others that change it. publishing: first wait for ingestion (meter.lock_definitions); even_archived: whether one that is archived will do. Errors: 42704 no such meter, 55000 archived. Source: internal.';

CREATE FUNCTION meter.publishing_instant(effective_at timestamptz, recount boolean) RETURNS timestamptz
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	at timestamptz := clock_timestamp();
BEGIN
	-- The transaction's now() means now, and so does what passed while it waited.
	IF effective_at IS NULL OR effective_at BETWEEN now() AND at THEN
		RETURN at;
	ELSIF effective_at = 'infinity' THEN
		PERFORM meter.refuse_member('version', 'INVALID_TIME', 'effective_at', 'effective_at: expected a time that comes');
	ELSIF effective_at < at AND recount IS NOT TRUE THEN
		RAISE EXCEPTION 'invalid version: effective_at: % is in the past', effective_at
			USING ERRCODE = 'invalid_parameter_value', DETAIL = 'IN_THE_PAST at /effective_at.',
				HINT = 'With reprocess set to true the events since then are counted again.';
	END IF;
	RETURN effective_at;
END
$function$;
COMMENT ON FUNCTION meter.publishing_instant(timestamptz, boolean) IS 'The instant at which a version published now takes effect: effective_at; the clock where that is null or the transaction''s now(). To be asked when no ingestion is in flight. recount: whether it may be in the past. Errors: 22023. Source: internal.';

-- The windows of a definition, its own and each profile's, and the grace.
CREATE FUNCTION meter.definition_windows(definition jsonb) RETURNS TABLE (profile text, "window" jsonb, grace interval)
	LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT w.profile, w."window", COALESCE((definition #>> '{late_event_policy,grace}')::interval, '1 hour')
	FROM (SELECT '' AS profile, definition -> 'window' AS "window"
		UNION ALL
		SELECT p.profile ->> 'code', CASE pg_catalog.jsonb_typeof(p.profile -> 'aggregation_time_window')
			WHEN 'string' THEN (definition -> 'window')
				|| pg_catalog.jsonb_build_object('size', p.profile -> 'aggregation_time_window', 'count', 1)
			WHEN 'object' THEN p.profile -> 'aggregation_time_window'
			ELSE definition -> 'window' END
		FROM pg_catalog.jsonb_array_elements(CASE WHEN pg_catalog.jsonb_typeof(definition -> 'profiles') = 'array'
			THEN definition -> 'profiles' ELSE '[]' END) AS p (profile)) AS w;
END;
COMMENT ON FUNCTION meter.definition_windows(jsonb) IS 'The windows of a complete definition: of each profile (an empty text for its own) the window and the grace. Source: internal.';

CREATE FUNCTION meter.refuse_closing_twice(head meter.meter, former jsonb, definition jsonb, boundary timestamptz, until timestamptz) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	closed timestamptz;
BEGIN
	IF to_regclass('meter.window_horizon') IS NULL THEN
		RETURN;
	END IF;
	-- What the former version closed stays as it is.  A window of the new one that
	-- holds such a time and is still open would close it once more.
	SELECT least(c.closed, refuse_closing_twice.until) INTO closed
	FROM meter.window_horizon AS h, meter.definition_windows(refuse_closing_twice.former) AS f
		JOIN meter.definition_windows(refuse_closing_twice.definition) AS d ON d.profile = f.profile,
		LATERAL (SELECT (meter.window_bounds(f."window", h.horizon - f.grace)).window_start AS closed) AS c
	WHERE h.organization_id = head.organization_id AND h.meter_id = head.id
		AND 'billing_period' NOT IN (f."window" ->> 'size', d."window" ->> 'size')
		AND refuse_closing_twice.boundary < c.closed
		AND (meter.window_bounds(d."window", least(c.closed, refuse_closing_twice.until) - interval '1 microsecond')).window_end
			+ d.grace > h.horizon
	LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'an open window of this version of meter "%" would hold times before % that are closed', head.key, closed
			USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = 'WINDOWS_CLOSED at /effective_at.',
				HINT = format('Let it be effective from %s or later.', closed);
	END IF;
END
$function$;
COMMENT ON FUNCTION meter.refuse_closing_twice(meter.meter, jsonb, jsonb, timestamptz, timestamptz) IS 'A version published for the past must not have an open window that holds times which the former one closed: they would be in two results. former, definition: the two complete definitions; boundary, until: the times that change hands. Errors: 55000. Source: internal.';

CREATE FUNCTION meter.put_in_force(head meter.meter, version int, boundary timestamptz, recount boolean) RETURNS meter.meter_version
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	at timestamptz := clock_timestamp();
	holder meter.meter_version;
	until timestamptz;
	written meter.meter_version;
BEGIN
	SELECT v.* INTO holder FROM meter.meter_version AS v
		WHERE v.organization_id = head.organization_id AND v.meter_id = head.id
			AND v.effective_from <= boundary AND boundary < v.effective_to;
	IF holder.effective_from = boundary THEN
		RAISE EXCEPTION 'two versions of meter "%" at one instant: version % is effective from %', head.key, holder.version, boundary
			USING ERRCODE = 'unique_violation', DETAIL = 'TWO_AT_ONE_INSTANT at /effective_at.';
	END IF;
	until := holder.effective_to;
	IF until IS NULL THEN
		-- before all others: up to the first of them
		SELECT coalesce(min(v.effective_from), 'infinity') INTO until FROM meter.meter_version AS v
			WHERE v.organization_id = head.organization_id AND v.meter_id = head.id;
	END IF;
	IF holder.definition IS NOT NULL THEN
		PERFORM meter.refuse_closing_twice(head, holder.definition, v.definition, boundary, until) FROM meter.meter_version AS v
			WHERE v.organization_id = head.organization_id AND v.meter_id = head.id AND v.version = put_in_force.version;
	END IF;
	UPDATE meter.meter_version AS v SET effective_to = boundary, known_from = at
		WHERE v.organization_id = head.organization_id AND v.meter_id = head.id AND v.version = holder.version;
	UPDATE meter.meter_version AS v SET status = 'published', published_at = at, known_from = at,
			effective_from = boundary, effective_to = until
		WHERE v.organization_id = head.organization_id AND v.meter_id = head.id AND v.version = put_in_force.version
		RETURNING v.* INTO STRICT written;
	UPDATE meter.meter AS m SET updated_at = at
		WHERE m.organization_id = head.organization_id AND m.id = head.id;
	PERFORM meter.emit_version_event(head, 'version.published', written);
	IF recount THEN
		PERFORM meter.recount_published(head.organization_id, head.id, boundary, until);
	END IF;
	RETURN written;
END
$function$;
COMMENT ON FUNCTION meter.put_in_force(meter.meter, int, timestamptz, boolean) IS 'Publishes a draft: it takes over the times from boundary on of the version that held them, up to where that ended. recount: count again the events that have these times already. Result: the version. Errors: 23505 another version begins at that instant, 55000 it would close again what is closed. Source: internal.';

CREATE FUNCTION meter.find_version(head meter.meter, version int) RETURNS meter.meter_version
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	result meter.meter_version;
BEGIN
	SELECT v.* INTO result FROM meter.meter_version AS v
		WHERE v.organization_id = head.organization_id AND v.meter_id = head.id AND v.version = find_version.version;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'meter "%" has no version %', head.key, coalesce(find_version.version::text, 'null')
			USING ERRCODE = 'undefined_object';
	END IF;
	RETURN result;
END
$function$;
COMMENT ON FUNCTION meter.find_version(meter.meter, int) IS 'The meter''s version of that number. Errors: 42704 no such version. Source: internal.';

CREATE FUNCTION meter.publish_meter_version(organization_id uuid, meter text, version int,
		effective_at timestamptz DEFAULT pg_catalog.now(), reprocess boolean DEFAULT false) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	head meter.meter := meter.lock_meter(organization_id, meter, true);
	draft meter.meter_version := meter.find_version(head, version);
	boundary timestamptz;
	written meter.meter_version;
BEGIN
	IF draft.status <> 'draft' THEN
		RAISE EXCEPTION 'version % of meter "%" is % already', draft.version, head.key, draft.status
			USING ERRCODE = 'object_not_in_prerequisite_state';
	END IF;
	boundary := meter.publishing_instant(effective_at, reprocess);
	-- by the organization's custom fields of now, and what is installed now
	PERFORM meter.write_draft(head, draft.version,
		meter.prepare_version(head.organization_id, draft.definition, draft.definition -> 'profiles'));
	written := meter.put_in_force(head, draft.version, boundary, true);
	SELECT m.* INTO STRICT head FROM meter.meter AS m WHERE m.organization_id = head.organization_id AND m.id = head.id;
	RETURN meter.meter_document(head, written);
END
$function$;
COMMENT ON FUNCTION meter.publish_meter_version(uuid, text, int, timestamptz, boolean) IS 'Publishes a draft. meter: key or id; version: its number; effective_at: the first event time it measures, default at once; it takes over what the version in force at that time had from then on; reprocess: true allows a time in the past, the events since then are counted again as far as their windows are open. Result: the meter document with the definition of that version. Errors: 22023 a time in the past without reprocess, or infinity, 0A000 an approximate unique_count without the extension hll, 23505 another version begins at that instant, 42704 no such meter or version, 55000 published or archived already, or the meter is archived, or an open window of it would hold times that are closed. Source: seed 000 (ADR-0006 edit-as-publish).';

CREATE FUNCTION meter.check_reason(reason text) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	IF reason IS NULL OR length(reason) NOT BETWEEN 1 AND 1000 THEN
		RAISE EXCEPTION 'invalid reason: expected 1 to 1000 characters'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
END
$function$;
COMMENT ON FUNCTION meter.check_reason(text) IS 'Errors: 22023 no reason, or one longer than 1000 characters. Source: internal.';

CREATE FUNCTION meter.withdraw_version(head meter.meter, version meter.meter_version, reason text) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	at timestamptz := clock_timestamp();
	former int;
BEGIN
	SELECT v.version INTO former FROM meter.meter_version AS v
		WHERE v.organization_id = head.organization_id AND v.meter_id = head.id AND v.effective_to = version.effective_from;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'version % of meter "%" is its first: no other could have its times', version.version, head.key
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Archive or delete the meter.';
	END IF;
	UPDATE meter.meter_version AS v SET status = 'archived', archived_reason = reason, known_from = at,
			effective_from = NULL, effective_to = NULL
		WHERE v.organization_id = head.organization_id AND v.meter_id = head.id AND v.version = version.version;
	UPDATE meter.meter_version AS v SET effective_to = version.effective_to, known_from = at
		WHERE v.organization_id = head.organization_id AND v.meter_id = head.id AND v.version = former;
	UPDATE meter.meter AS m SET updated_at = at
		WHERE m.organization_id = head.organization_id AND m.id = head.id;
	PERFORM meter.recount_published(head.organization_id, head.id, version.effective_from, version.effective_to);
END
$function$;
COMMENT ON FUNCTION meter.withdraw_version(meter.meter, meter.meter_version, text) IS 'Takes a scheduled version back: its times go to the one before it. Errors: 55000 there is none. Source: internal.';

CREATE FUNCTION meter.archive_meter_version(organization_id uuid, meter text, version int, reason text) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	head meter.meter := meter.lock_meter(organization_id, meter, true);
	held meter.meter_version := meter.find_version(head, version);
	status text := meter.version_status(held.status, held.effective_from, held.effective_to);
BEGIN
	PERFORM meter.check_reason(reason);
	PERFORM meter.check_unused(head, held.version);
	IF status = 'archived' THEN
		RAISE EXCEPTION 'version % of meter "%" is archived already', held.version, head.key
			USING ERRCODE = 'object_not_in_prerequisite_state';
	ELSIF status = 'active' THEN
		RAISE EXCEPTION 'version % of meter "%" is in force', held.version, head.key
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Publish another version first, or archive the meter.';
	ELSIF status = 'scheduled' THEN
		PERFORM meter.withdraw_version(head, held, reason);
	ELSE
		-- One that is superseded keeps its range: late events of its time are still its own.
		UPDATE meter.meter_version AS v SET status = 'archived', archived_reason = archive_meter_version.reason
			WHERE v.organization_id = head.organization_id AND v.meter_id = head.id AND v.version = held.version;
	END IF;
	SELECT m.* INTO STRICT head FROM meter.meter AS m WHERE m.organization_id = head.organization_id AND m.id = head.id;
	held := meter.find_version(head, held.version);
	PERFORM meter.emit_version_event(head, 'version.archived', held);
	RETURN meter.meter_document(head, held);
END
$function$;
COMMENT ON FUNCTION meter.archive_meter_version(uuid, text, int, text) IS 'Archives a version: a draft is discarded; one that is scheduled is withdrawn, and the one before it stays in force; one that is superseded still measures late events of its time. meter: key or id; version: its number; reason: 1 to 1000 characters. Result: the meter document with the definition of that version. Errors: 22023 no reason, 42704 no such meter or version, 55000 it is in force, archived already, or the first of its meter and scheduled, or the meter is archived, 55006 bindings are pinned to it, with the list. Source: seed 000 (archived_reason).';
