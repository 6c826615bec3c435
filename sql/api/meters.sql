-- Seed 000: meters, their bindings, versions and breaches.

CREATE FUNCTION meter.http_meter(head meter.meters) RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT pg_catalog.jsonb_build_object(
		'id', (head).id, 'organization_id', (head).organization_id, 'workspace_id', (head).document -> 'workspace_id',
		'key', (head).key, 'name', (head).name, 'metric_key', (head).metric_key, 'function', (head).function,
		'value_field', (head).document -> 'value_field', 'unique_by_field', (head).document -> 'unique_by_field',
		'dimensions', (head).document -> 'dimensions', 'dedup_key_path', (head).document -> 'dedup_key_path',
		'event_schema', (head).document -> 'event_schema', 'late_event_policy', (head).document -> 'late_event_policy',
		'negative_allowed', (head).document -> 'negative_allowed', 'unit_label', (head).document -> 'unit_label',
		'unit_currency_field', (head).document -> 'unit_currency_field',
		'created_at', (head).created_at, 'updated_at', (head).updated_at);
END;
COMMENT ON FUNCTION meter.http_meter(meter.meters) IS 'A meter with the fields of seed 000. Source: internal.';

CREATE FUNCTION meter.http_get_meter(body jsonb) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	organization uuid := meter.http_organization(NULL, 'read');
	head meter.meters;
BEGIN
	SELECT m.* INTO head FROM meter.meters AS m
		WHERE m.organization_id = organization AND m.id = (meter.find_meter(organization, (meter.http_path())[2])).id;
	RETURN jsonb_build_object('data', meter.http_meter(head));
END
$function$;
COMMENT ON FUNCTION meter.http_get_meter(jsonb) IS 'Operation of meter_api.get_meter. Source: internal.';

CREATE FUNCTION meter_api.get_meter() RETURNS jsonb
	LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT meter.http_answer('http_get_meter');
END;
COMMENT ON FUNCTION meter_api.get_meter() IS 'GET /meters/{id}: a meter by its id or key. Result: 200 {"data": meter}. Errors: 401, 403, 404. Source: seed 000 (GET /meters/{id}).';
