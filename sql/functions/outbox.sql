-- Domain events: what others want to hear of, written by whoever causes it.

CREATE FUNCTION meter.emit_domain_event(organization_id uuid, aggregate_type text, aggregate_id text, event_type text, payload jsonb) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	PERFORM meter.require_tenant(organization_id);
	-- before create_store() there is nobody who could hear it
	IF to_regclass('meter.domain_event_outbox') IS NOT NULL THEN
		INSERT INTO meter.domain_event_outbox (organization_id, aggregate_type, aggregate_id, event_type, payload)
			VALUES ($1, $2, $3, $4, $5);
	END IF;
END
$function$;
COMMENT ON FUNCTION meter.emit_domain_event(uuid, text, text, text, jsonb) IS 'Writes a domain event to the outbox, in the transaction that causes it; nothing where there is no store yet. aggregate_type, aggregate_id: what it is about, such as meter and its id; event_type: such as version.published; payload: object. Source: internal.';

CREATE FUNCTION meter.emit_meter_event(head meter.meter, event_type text, details jsonb DEFAULT '{}') RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	PERFORM meter.emit_domain_event(head.organization_id, 'meter', head.id::text, event_type,
		jsonb_build_object('meter_id', head.id, 'meter_key', head.key, 'actor', meter.current_actor()) || details);
END
$function$;
COMMENT ON FUNCTION meter.emit_meter_event(meter.meter, text, jsonb) IS 'Writes a domain event about a meter. Its payload is details with meter_id, meter_key and actor. Source: internal.';

CREATE FUNCTION meter.emit_version_event(head meter.meter, event_type text, version meter.meter_version) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	PERFORM meter.emit_meter_event(head, event_type, jsonb_build_object('version', version.version, 'version_id', version.id,
		'effective_from', version.effective_from, 'effective_to', version.effective_to, 'reason', version.archived_reason));
END
$function$;
COMMENT ON FUNCTION meter.emit_version_event(meter.meter, text, meter.meter_version) IS 'Writes a domain event about a version of a meter: version, version_id, effective_from, effective_to, reason. Source: internal.';
