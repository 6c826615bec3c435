-- How meters end: archived, or deleted where nothing uses them.

CREATE FUNCTION meter.archive_meter(organization_id uuid, meter text, reason text) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	-- once this has committed it counts nothing more: wait for what is in flight
	head meter.meter := meter.lock_meter(organization_id, meter, true);
	shown meter.meter_version;
BEGIN
	PERFORM meter.check_reason(reason);
	PERFORM meter.check_unused(head);
	UPDATE meter.meter AS m SET status = 'archived', archived_at = clock_timestamp(), updated_at = clock_timestamp(),
			archived_reason = archive_meter.reason
		WHERE m.organization_id = head.organization_id AND m.id = head.id
		RETURNING m.* INTO STRICT head;
	SELECT v.* INTO STRICT shown FROM meter.current_version(head.organization_id, head.id, clock_timestamp()) AS v;
	PERFORM meter.emit_meter_event(head, 'meter.archived', jsonb_build_object('version', shown.version, 'reason', reason));
	RETURN meter.meter_document(head, shown);
END
$function$;
COMMENT ON FUNCTION meter.archive_meter(uuid, text, text) IS 'Archives a meter: it counts no more events and cannot be changed; its usage and versions can be read for ever. meter: key or id; reason: 1 to 1000 characters. Result: the meter document. Errors: 22023 no reason, 42704 no such meter, 55000 archived already, 55006 bound to products, with the list. Source: seeds 000, 002 (archived meters).';

CREATE FUNCTION meter.events_counted(head meter.meter) RETURNS text
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	profile text;
	n numeric;
BEGIN
	IF to_regclass('meter.event') IS NULL OR NOT EXISTS (SELECT FROM meter.meter_version AS v
			WHERE v.organization_id = head.organization_id AND v.meter_id = head.id AND v.effective_from IS NOT NULL) THEN
		RETURN NULL;
	END IF;
	-- Each profile has a filter of its own.  The years are all that events can
	-- have: weighted_sum wants a window that is finite.
	FOR profile IN
		SELECT NULL
		UNION
		SELECT p ->> 'code' FROM meter.meter_version AS v,
				jsonb_array_elements(CASE WHEN jsonb_typeof(v.definition -> 'profiles') = 'array'
					THEN v.definition -> 'profiles' ELSE '[]' END) AS p
			WHERE v.organization_id = head.organization_id AND v.meter_id = head.id AND v.effective_from IS NOT NULL
		ORDER BY 1 NULLS FIRST
	LOOP
		SELECT sum(u.event_count) INTO n FROM meter.usage(head.organization_id, head.id::text,
			'0001-01-01 00:00Z', '10000-01-01 00:00Z', profile => profile) AS u;
		IF n > 0 THEN
			RETURN 'events it counted (' || n || coalesce(' in profile "' || profile || '"', '') || ')';
		END IF;
	END LOOP;
	RETURN NULL;
END
$function$;
COMMENT ON FUNCTION meter.events_counted(meter.meter) IS 'How many events a meter counted, in words; null where there are none. Source: internal.';

CREATE FUNCTION meter.stored_uses(head meter.meter) RETURNS text[]
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	kept bigint;
	uses text[] := '{}';
BEGIN
	IF to_regclass('meter.event') IS NULL THEN
		RETURN uses;
	END IF;
	SELECT count(*) INTO kept FROM meter.rejected_event AS r
		WHERE r.organization_id = head.organization_id AND r.resolved_at IS NULL
			AND r.meter_id = head.id AND r.status = 'quarantined';
	IF kept > 0 THEN
		uses := uses || ('events in quarantine (' || kept || ')');
	END IF;
	IF EXISTS (SELECT FROM meter.window_result AS r WHERE r.organization_id = head.organization_id AND r.meter_id = head.id) THEN
		uses := uses || 'results of closed windows'::text;
	END IF;
	IF EXISTS (SELECT FROM meter.reprocess_job AS j WHERE j.organization_id = head.organization_id AND j.meter_id = head.id
			AND j.state IN ('pending', 'running')) THEN
		uses := uses || 'a job that counts events anew'::text;
	END IF;
	RETURN uses;
END
$function$;
COMMENT ON FUNCTION meter.stored_uses(meter.meter) IS 'What the store has for a meter, besides the events that it counts, that would be lost without it; in words. Source: internal.';

CREATE FUNCTION meter.meter_uses(head meter.meter) RETURNS text[]
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	RETURN array_remove(meter.used_by(head.organization_id, head.id)
		|| ARRAY(SELECT format('threshold "%s"', t.name) FROM meter.threshold AS t
			WHERE t.organization_id = head.organization_id AND t.meter_id = head.id ORDER BY t.threshold_no LIMIT 100)
		|| meter.events_counted(head) || meter.stored_uses(head), NULL);
END
$function$;
COMMENT ON FUNCTION meter.meter_uses(meter.meter) IS 'What uses a meter, in words. Source: internal.';

CREATE FUNCTION meter.forget_meter(head meter.meter) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	IF to_regclass('meter.event') IS NOT NULL THEN
		DELETE FROM meter.window_horizon AS h WHERE h.organization_id = head.organization_id AND h.meter_id = head.id;
		DELETE FROM meter.revision_queue AS q WHERE q.organization_id = head.organization_id AND q.meter_id = head.id;
		DELETE FROM meter.reprocess_job AS j WHERE j.organization_id = head.organization_id AND j.meter_id = head.id;
		DELETE FROM meter.reservation AS r WHERE r.organization_id = head.organization_id AND r.meter_id = head.id;
	END IF;
END
$function$;
COMMENT ON FUNCTION meter.forget_meter(meter.meter) IS 'Deletes what the store has for a meter that is deleted: how far its windows are closed, what waits to be revised, jobs that are done, reservations. What it rejected stays. Source: internal.';

CREATE FUNCTION meter.delete_meter(organization_id uuid, meter text) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	head meter.meter;
	uses text[];
BEGIN
	IF current_setting('transaction_isolation') <> 'read committed' THEN
		RAISE EXCEPTION 'meter.delete_meter must run in a read committed transaction'
			USING ERRCODE = 'active_sql_transaction', DETAIL = 'An older snapshot would not show what used the meter since.';
	END IF;
	head := meter.lock_meter(organization_id, meter, true, even_archived => true);
	uses := meter.meter_uses(head);
	IF uses <> '{}' THEN
		RAISE EXCEPTION 'meter "%" is in use', head.key
			USING ERRCODE = 'object_in_use', DETAIL = format('What uses it: %s.', array_to_string(uses, ', ')),
				HINT = 'Archive it with meter.archive_meter().';
	END IF;
	PERFORM meter.forget_meter(head);
	DELETE FROM meter.meter_version AS v WHERE v.organization_id = head.organization_id AND v.meter_id = head.id;
	DELETE FROM meter.meter AS m WHERE m.organization_id = head.organization_id AND m.id = head.id;
	PERFORM meter.emit_meter_event(head, 'meter.deleted');
END
$function$;
COMMENT ON FUNCTION meter.delete_meter(uuid, text) IS 'Deletes a meter that nothing uses, with its versions. meter: key or id. Errors: 25001 not in a read committed transaction, 42704 no such meter, 55006 in use, with what uses it: bindings, thresholds, events that it counted or has in quarantine, results of closed windows, a job that counts events anew. Source: seeds 001, 003 (DELETE).';
