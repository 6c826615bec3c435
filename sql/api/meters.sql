-- Seed 000: meters, their bindings, versions and breaches.

CREATE FUNCTION meter.http_meter(document jsonb) RETURNS jsonb
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT pg_catalog.jsonb_build_object(
		'id', document -> 'id', 'organization_id', document -> 'organization_id', 'workspace_id', document -> 'workspace_id',
		'key', document -> 'key', 'name', document -> 'name', 'metric_key', document -> 'metric_key',
		'function', document -> 'function', 'value_field', document -> 'value_field',
		'unique_by_field', document -> 'unique_by_field', 'dimensions', document -> 'dimensions',
		'dedup_key_path', document -> 'dedup_key_path', 'event_schema', document -> 'event_schema',
		'late_event_policy', document -> 'late_event_policy', 'negative_allowed', document -> 'negative_allowed',
		'unit_label', document -> 'unit_label', 'unit_currency_field', document -> 'unit_currency_field',
		'created_at', document -> 'created_at', 'updated_at', document -> 'updated_at');
END;
COMMENT ON FUNCTION meter.http_meter(jsonb) IS 'A meter document with the fields of seed 000. Source: seed 000 (GET /meters/{id}).';

CREATE FUNCTION meter.http_head(organization uuid) RETURNS meter.meter
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	wanted text := (meter.http_path())[2];
	head meter.meter;
BEGIN
	-- A path names an id: a key that looks like one comes second.
	SELECT m.* INTO head FROM meter.meter AS m WHERE m.organization_id = organization AND m.id = meter.uuid_or_null(wanted);
	IF NOT FOUND THEN
		SELECT m.* INTO head FROM meter.meter AS m WHERE m.organization_id = organization AND m.key = wanted;
	END IF;
	IF head.id IS NULL THEN
		RAISE EXCEPTION 'meter "%" does not exist', left(wanted, 100)
			USING ERRCODE = 'undefined_object';
	END IF;
	RETURN head;
END
$function$;
COMMENT ON FUNCTION meter.http_head(uuid) IS 'The meter that the path /meters/{id} names by its id, or its key. Errors: 42704 no such meter. Source: internal.';

CREATE FUNCTION meter.http_list_meters(body jsonb) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	-- what the filters leave to an index differs from one request to the next
	SET plan_cache_mode = force_custom_plan SET jit = off
AS $function$
DECLARE
	organization uuid := meter.http_organization(NULL, 'read');
	page_size int := meter.http_integer('limit', 50, 1, 100);
	filters record := meter.http_filters();
	list text := organization || coalesce(filters.tree::text, '') || coalesce(filters.documents::text, '');
	place record := meter.http_place(list, meter.http_parameter('cursor'));
	at timestamptz := clock_timestamp();
	found jsonb[];
	last_created_at timestamptz;
	last_id uuid;
BEGIN
	-- Heads in the index's order, each with the version it shows, until the page
	-- is full; one more tells whether there are others.
	SELECT array_agg(p.document ORDER BY p.n), max(p.created_at) FILTER (WHERE p.n = page_size),
			(array_agg(p.id) FILTER (WHERE p.n = page_size))[1]
		INTO found, last_created_at, last_id
	FROM (
		SELECT meter.http_meter(meter.meter_document(m, v, at)) AS document, m.created_at, m.id,
			row_number() OVER (ORDER BY m.created_at DESC, m.id) AS n
		FROM meter.meter AS m
		CROSS JOIN LATERAL meter.current_version(m.organization_id, m.id, at) AS v
		WHERE m.organization_id = organization
			AND (place.id IS NULL OR m.created_at <= place.created_at AND (m.created_at < place.created_at OR m.id > place.id))
			AND (filters.id IS NULL OR m.id = filters.id)
			AND (filters.key IS NULL OR m.key = filters.key)
			AND (filters.metric_key IS NULL OR m.metric_key = filters.metric_key)
			AND (filters.oldest IS NULL OR m.created_at >= filters.oldest)
			AND (filters.newest IS NULL OR m.created_at <= filters.newest)
			AND (filters.tree IS NULL OR meter.matches(filters.tree, meter.http_filter_data(m, v.definition)))
			AND (filters.documents IS NULL OR meter.http_documents_match(filters.documents, v.definition))
		ORDER BY m.created_at DESC, m.id
		LIMIT page_size + 1) AS p;
	RETURN jsonb_build_object('data', coalesce(to_jsonb(found[:page_size]), '[]'),
		'has_more', coalesce(cardinality(found) > page_size, false),
		'next_cursor', CASE WHEN cardinality(found) > page_size THEN meter.http_cursor(list, last_created_at, last_id) END);
END
$function$;
COMMENT ON FUNCTION meter.http_list_meters(jsonb) IS 'Operation of meter_api.list_meters. Source: internal.';

CREATE FUNCTION meter_api.list_meters() RETURNS jsonb
	LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT meter.http_answer('http_list_meters');
END;
COMMENT ON FUNCTION meter_api.list_meters() IS 'GET /meters?limit&cursor&field.op=value: meters, the newest first. limit: 1 to 100, default 50; cursor: next_cursor of the page before, of the same filters; field: any of a listed meter; op: eq (also field=value), neq, gt, gte, lt, lte, in, nin (values with commas between them), contains, starts_with, ends_with, matches, exists; every filter must hold. Result: 200 {"data": [meter], "has_more": boolean, "next_cursor": text or null}. Errors: 400 (INVALID_FILTER, INVALID_CURSOR, INVALID_PARAMETER), 401, 403. Source: seed 000 (GET /meters).';

CREATE FUNCTION meter.http_get_meter(body jsonb) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	organization uuid := meter.http_organization(NULL, 'read');
	head meter.meter := meter.http_head(organization);
BEGIN
	PERFORM meter.http_known_parameters();
	RETURN jsonb_build_object('data', (SELECT meter.http_meter(m.document) FROM meter.meters AS m
		WHERE m.organization_id = organization AND m.id = head.id));
END
$function$;
COMMENT ON FUNCTION meter.http_get_meter(jsonb) IS 'Operation of meter_api.get_meter. Source: internal.';

CREATE FUNCTION meter_api.get_meter() RETURNS jsonb
	LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT meter.http_answer('http_get_meter');
END;
COMMENT ON FUNCTION meter_api.get_meter() IS 'GET /meters/{id}: a meter by its id or key. Result: 200 {"data": meter}. Errors: 400, 401, 403, 404. Source: seed 000 (GET /meters/{id}).';

CREATE FUNCTION meter.http_create_meter(body jsonb) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	organization uuid := meter.http_organization(NULL, 'admin');
	document jsonb;
BEGIN
	PERFORM meter.http_known_parameters();
	document := meter.create_meter(organization, body);
	PERFORM meter.http_respond(201);
	RETURN jsonb_build_object('data', meter.http_meter(document));
END
$function$;
COMMENT ON FUNCTION meter.http_create_meter(jsonb) IS 'Operation of meter_api.create_meter. Source: internal.';

CREATE FUNCTION meter_api.create_meter(json) RETURNS jsonb
	LANGUAGE sql
BEGIN ATOMIC
	SELECT meter.http_answer('http_create_meter', 'plain', $1);
END;
COMMENT ON FUNCTION meter_api.create_meter(json) IS 'POST /meters: creates a meter. Body: the definition, as meter.create_meter takes it. Result: 201 {"data": meter}. Errors: 400 with the code and JSON pointer of what is wrong, 401, 403, 409 the key is taken. Source: seed 000 (POST /meters).';

CREATE FUNCTION meter.http_update_meter(body jsonb) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	organization uuid := meter.http_organization(NULL, 'admin');
	head meter.meter := meter.http_head(organization);
	fixed text;
BEGIN
	PERFORM meter.http_known_parameters();
	FOREACH fixed IN ARRAY '{key,metric_key}'::text[] LOOP
		IF jsonb_typeof(body) = 'object' AND body ? fixed THEN
			PERFORM meter.refuse_member('meter patch', 'IMMUTABLE', fixed, fixed || ' cannot change');
		END IF;
	END LOOP;
	-- by its key, which is looked for first: an id could be another meter's key
	RETURN jsonb_build_object('data', meter.http_meter(meter.update_meter(organization, head.key, body)));
END
$function$;
COMMENT ON FUNCTION meter.http_update_meter(jsonb) IS 'Operation of meter_api.update_meter. Source: internal.';

CREATE FUNCTION meter_api.update_meter(json) RETURNS jsonb
	LANGUAGE sql
BEGIN ATOMIC
	SELECT meter.http_answer('http_update_meter', 'plain', $1);
END;
COMMENT ON FUNCTION meter_api.update_meter(json) IS 'PATCH /meters/{id}: writes a new version of a meter. Body: what changes, as meter.update_meter takes it, with effective_at (when it is in force, default at once) or save_as_draft (true: never, until it is published); not key and metric_key. Result: 200 {"data": meter}, as the version written says, be it in force or not. Errors: 400 with the code and JSON pointer of what is wrong, 401, 403, 404, 409 archived, or another version begins at that instant. Source: seed 000 (PATCH /meters/{id}).';

CREATE FUNCTION meter.http_list_meter_bindings(body jsonb) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	organization uuid := meter.http_organization(NULL, 'read');
	head meter.meter := meter.http_head(organization);
BEGIN
	PERFORM meter.http_known_parameters();
	RETURN jsonb_build_object('data', coalesce((
		SELECT jsonb_agg(jsonb_build_object(
			'id', b.id, 'organization_id', b.organization_id, 'workspace_id', b.workspace_id, 'product_id', b.product_id,
			'meter_id', b.meter_id, 'head_version_id', b.head_version_id, 'role', b.role,
			'pricing_var_name', b.pricing_var_name, 'included_quantity_source', b.included_quantity_source,
			'overlay_dimensions_keyed', b.overlay_dimensions_keyed, 'rollover_eligible', b.rollover_eligible,
			'created_at', b.created_at, 'updated_at', b.updated_at) ORDER BY b.created_at DESC, b.id)
		FROM meter.meter_bindings AS b WHERE b.organization_id = organization AND b.meter_id = head.id), '[]'));
END
$function$;
COMMENT ON FUNCTION meter.http_list_meter_bindings(jsonb) IS 'Operation of meter_api.list_meter_bindings. Source: internal.';

CREATE FUNCTION meter_api.list_meter_bindings() RETURNS jsonb
	LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT meter.http_answer('http_list_meter_bindings');
END;
COMMENT ON FUNCTION meter_api.list_meter_bindings() IS 'GET /meters/{id}/bindings: the bindings of a meter to products that are in use, the newest first. Result: 200 {"data": [binding]}. Errors: 400, 401, 403, 404. Source: seed 000 (GET /meters/{id}/bindings).';

CREATE FUNCTION meter.http_list_meter_versions(body jsonb) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	statuses CONSTANT text[] := '{draft,scheduled,active,superseded,archived}';
	organization uuid := meter.http_organization(NULL, 'read');
	head meter.meter := meter.http_head(organization);
	wanted text[];
BEGIN
	PERFORM meter.http_known_parameters('status');
	SELECT array_agg(q.value) INTO wanted FROM meter.http_query() AS q WHERE q.value <> '';
	IF NOT wanted <@ statuses THEN
		PERFORM meter.refuse_parameter('status', 'expected ' || array_to_string(statuses, ', '));
	END IF;
	RETURN jsonb_build_object('data', coalesce((
		SELECT jsonb_agg(jsonb_build_object(
			'id', v.id, 'version', v.version, 'status', v.status, 'effective_from', v.effective_from,
			'effective_to', nullif(v.effective_to, 'infinity'), 'published_at', v.published_at, 'created_at', v.created_at,
			'created_by', v.created_by, 'archived_reason', v.archived_reason, 'usage_count', v.usage_count) ORDER BY v.version DESC)
		FROM meter.meter_versions AS v
		WHERE v.organization_id = organization AND v.meter_id = head.id AND (wanted IS NULL OR v.status = ANY (wanted))), '[]'));
END
$function$;
COMMENT ON FUNCTION meter.http_list_meter_versions(jsonb) IS 'Operation of meter_api.list_meter_versions. Source: internal.';

CREATE FUNCTION meter_api.list_meter_versions() RETURNS jsonb
	LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT meter.http_answer('http_list_meter_versions');
END;
COMMENT ON FUNCTION meter_api.list_meter_versions() IS 'GET /meters/{id}/versions?status=a&status=b: the versions of a meter, the last one first. status: draft, scheduled, active, superseded or archived; several are any of them, none is all. Result: 200 {"data": [version]}; effective_from and effective_to are null for what never was in force; otherwise effective_from is -infinity where there is no beginning, effective_to null where there is no end. Errors: 400, 401, 403, 404. Source: seed 000 (GET /meters/{id}/versions).';

CREATE FUNCTION meter.http_get_meter_version(body jsonb) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	organization uuid := meter.http_organization(NULL, 'read');
	head meter.meter := meter.http_head(organization);
	wanted text := (meter.http_path())[4];
	result jsonb;
BEGIN
	PERFORM meter.http_known_parameters();
	IF wanted IS NULL OR wanted !~ '^0*[1-9][0-9]*$' THEN
		PERFORM meter.refuse_parameter('version', 'expected a positive integer');
	END IF;
	SELECT jsonb_build_object(
			'id', v.id, 'organization_id', v.organization_id, 'workspace_id', v.workspace_id, 'meter_id', v.meter_id,
			'version', v.version, 'function', v.function, 'value_field', v.value_field, 'filter_tree', v.filter_tree,
			'window', v."window", 'effective_from', v.effective_from, 'effective_to', nullif(v.effective_to, 'infinity'), 'created_at', v.created_at)
		INTO result
		FROM meter.meter_versions AS v
		WHERE v.organization_id = organization AND v.meter_id = head.id AND v.version::text = ltrim(wanted, '0');
	IF NOT FOUND THEN
		RAISE EXCEPTION 'meter "%" has no version %', head.key, left(wanted, 100)
			USING ERRCODE = 'undefined_object';
	END IF;
	RETURN jsonb_build_object('data', result);
END
$function$;
COMMENT ON FUNCTION meter.http_get_meter_version(jsonb) IS 'Operation of meter_api.get_meter_version. Source: internal.';

CREATE FUNCTION meter_api.get_meter_version() RETURNS jsonb
	LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT meter.http_answer('http_get_meter_version');
END;
COMMENT ON FUNCTION meter_api.get_meter_version() IS 'GET /meters/{id}/versions/{version}: what a version of a meter measures. Result: 200 {"data": version}. Errors: 400 the version is no positive integer, 401, 403, 404. Source: seed 000 (GET /meters/{id}/versions/{version}).';

CREATE FUNCTION meter.http_breaches(organization uuid, meter_id uuid) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	SET plan_cache_mode = force_custom_plan SET jit = off
AS $function$
#variable_conflict use_column
DECLARE
	page_size int := meter.http_integer('limit', 50, 1, 100);
BEGIN
	PERFORM meter.http_known_parameters('limit');
	-- before create_store() nothing was told
	IF to_regclass('meter.threshold_events') IS NULL THEN
		RETURN '{"data": []}';
	END IF;
	RETURN jsonb_build_object('data', coalesce((
		SELECT jsonb_agg(to_jsonb(e) ORDER BY e.occurred_at DESC, e.id DESC)
		FROM (
			SELECT t.id, t.organization_id, t.meter_id, t.meter_key, t.product_id, t.subscription_id, t.threshold_name,
				t.comparator, t.threshold_value, t.observed_value, t.window_start, t.window_end, t.action_kind,
				t.action_target, t.action_event_type, t.occurred_at, t.delivered_at
			FROM meter.threshold_events AS t
			WHERE t.organization_id = organization
				AND (http_breaches.meter_id IS NULL OR t.meter_id = http_breaches.meter_id)
			ORDER BY t.occurred_at DESC, t.id DESC
			LIMIT page_size) AS e), '[]'));
END
$function$;
COMMENT ON FUNCTION meter.http_breaches(uuid, uuid) IS 'The last breaches of an organization, or of one of its meters, by the query''s limit. Errors: 22023. Source: internal.';

CREATE FUNCTION meter.http_list_meter_threshold_events(body jsonb) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	organization uuid := meter.http_organization(NULL, 'read');
BEGIN
	RETURN meter.http_breaches(organization, (meter.http_head(organization)).id);
END
$function$;
COMMENT ON FUNCTION meter.http_list_meter_threshold_events(jsonb) IS 'Operation of meter_api.list_meter_threshold_events. Source: internal.';

CREATE FUNCTION meter_api.list_meter_threshold_events() RETURNS jsonb
	LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT meter.http_answer('http_list_meter_threshold_events');
END;
COMMENT ON FUNCTION meter_api.list_meter_threshold_events() IS 'GET /meters/{id}/threshold-events?limit: the last breaches of a meter''s thresholds, the newest first. limit: 1 to 100, default 50. Result: 200 {"data": [breach]}. Errors: 400, 401, 403, 404. Source: seed 000 (GET /meters/{id}/threshold-events).';

CREATE FUNCTION meter.http_list_threshold_events(body jsonb) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	RETURN meter.http_breaches(meter.http_organization(NULL, 'read'), NULL);
END
$function$;
COMMENT ON FUNCTION meter.http_list_threshold_events(jsonb) IS 'Operation of meter_api.list_threshold_events. Source: internal.';

CREATE FUNCTION meter_api.list_threshold_events() RETURNS jsonb
	LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT meter.http_answer('http_list_threshold_events');
END;
COMMENT ON FUNCTION meter_api.list_threshold_events() IS 'GET /meters/threshold-events?limit: the last breaches of the organization''s thresholds, the newest first. limit: 1 to 100, default 50. Result: 200 {"data": [breach]}. Errors: 400, 401, 403. Source: seed 000 (GET /meters/threshold-events).';
