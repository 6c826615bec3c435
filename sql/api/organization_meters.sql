-- Seed 003: an organization's meters, told by the fields of their events.

-- What the lists of this seed and of seed 004 share: pages from the newest
-- meter to the oldest.

CREATE FUNCTION meter.http_utc(at timestamptz) RETURNS text
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT (pg_catalog.to_jsonb(at AT TIME ZONE 'UTC') #>> '{}') || 'Z';
END;
COMMENT ON FUNCTION meter.http_utc(timestamptz) IS 'A time in RFC 3339, in UTC whatever the session''s zone is. Source: internal.';

CREATE FUNCTION meter.http_meter_page(organization_id uuid, list text, token_parameter text, page_size int) RETURNS SETOF meter.meter
	LANGUAGE plpgsql STABLE ROWS 50
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	place record;
BEGIN
	PERFORM meter.require_tenant(organization_id);
	place := meter.http_place(list, meter.http_parameter(token_parameter), token_parameter);
	-- one more than the page, to know whether there is another
	RETURN QUERY SELECT m.* FROM meter.meter AS m
		WHERE m.organization_id = http_meter_page.organization_id
			AND (place.id IS NULL OR m.created_at <= place.created_at AND (m.created_at < place.created_at OR m.id > place.id))
		ORDER BY m.created_at DESC, m.id LIMIT page_size + 1;
END
$function$;
COMMENT ON FUNCTION meter.http_meter_page(uuid, text, text, int) IS 'The meters of a page, newest first, and the one behind it where there is one. list: the list''s name; token_parameter: the name of the query''s parameter that says where the page begins. Errors: 22023 (INVALID_CURSOR), 42501 not the caller''s. Source: internal.';

CREATE FUNCTION meter.http_meter_by_id(organization_id uuid, wanted text) RETURNS meter.meter
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	head meter.meter;
BEGIN
	PERFORM meter.require_tenant(organization_id);
	-- by id alone: a key may look like another meter's id
	SELECT m.* INTO head FROM meter.meter AS m
		WHERE m.organization_id = http_meter_by_id.organization_id AND m.id = meter.uuid_or_null(wanted);
	IF NOT FOUND THEN
		RAISE EXCEPTION 'meter "%" does not exist', left(wanted, 100)
			USING ERRCODE = 'undefined_object';
	END IF;
	RETURN head;
END
$function$;
COMMENT ON FUNCTION meter.http_meter_by_id(uuid, text) IS 'The meter of that id. Errors: 42501 not the caller''s organization, 42704 no such meter, or no UUID. Source: internal.';

CREATE FUNCTION meter.http_rename(detail text, names jsonb) RETURNS text
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT COALESCE((SELECT p.part[1] || n.value || p.part[3]
		FROM pg_catalog.regexp_match(detail, '^([A-Z_]+ at /)([a-z_]+)((?:/.*|,.*)?\.)$') AS p (part)
		JOIN pg_catalog.jsonb_each_text(names) AS n ON n.key = p.part[2]), detail);
END;
COMMENT ON FUNCTION meter.http_rename(text, jsonb) IS 'The DETAIL of an error of a definition with its JSON pointer as a dialect says it. names: object, the dialect''s name of each key that it calls otherwise. Source: internal.';

-- A meter can be sent back as it was read: what only the server writes may be
-- there, unchanged.

CREATE FUNCTION meter.http_writable(body jsonb, read_only text[]) RETURNS jsonb
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN pg_catalog.jsonb_typeof(body) = 'object' THEN body - read_only ELSE body END;
END;
COMMENT ON FUNCTION meter.http_writable(jsonb, text[]) IS 'A body without the members that only the server writes. Source: internal.';

CREATE FUNCTION meter.check_unchanged(body jsonb, shown jsonb, read_only text[]) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	member text;
BEGIN
	FOREACH member IN ARRAY read_only LOOP
		IF body -> member <> shown -> member THEN
			PERFORM meter.refuse_member('meter', 'IMMUTABLE', member, member || ' cannot change');
		END IF;
	END LOOP;
END
$function$;
COMMENT ON FUNCTION meter.check_unchanged(jsonb, jsonb, text[]) IS 'Refuses a body one of whose members, of those that only the server writes, is not what is shown. Errors: 22023. Source: internal.';

-- The dialect itself.  What a list calls for each meter is PL/pgSQL, which keeps
-- its plans: SQL functions below one another are planned at each call.

CREATE FUNCTION meter.http_fields(fields jsonb) RETURNS jsonb
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	IF fields IS NULL OR fields IN ('null', '[]') THEN
		RETURN '[]';
	END IF;
	RETURN (SELECT jsonb_agg(jsonb_build_object('category', f.field -> 'category', 'code', f.field -> 'code',
				'name', f.field -> 'name', 'unit', f.field -> 'unit')
			|| CASE WHEN f.field ? 'calculation' THEN jsonb_build_object('calculation', f.field -> 'calculation') ELSE '{}' END
			ORDER BY f.place)
		FROM jsonb_array_elements(fields) WITH ORDINALITY AS f (field, place));
END
$function$;
COMMENT ON FUNCTION meter.http_fields(jsonb) IS 'Data fields or derived fields of a definition (null: none) with the fields of seed 003. Source: internal.';

CREATE FUNCTION meter.http_organization_meter(head meter.meter, at timestamptz DEFAULT pg_catalog.clock_timestamp()) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	shown record;
BEGIN
	SELECT v.version, v.definition,
			(SELECT f.created_by FROM meter.meter_version AS f
				WHERE f.organization_id = head.organization_id AND f.meter_id = head.id ORDER BY f.version LIMIT 1) AS created_by,
			-- a draft has not modified the meter yet, unless it is all there is
			(SELECT f.created_by FROM meter.meter_version AS f
				WHERE f.organization_id = head.organization_id AND f.meter_id = head.id
				ORDER BY f.status = 'draft', f.version DESC LIMIT 1) AS last_modified_by
		INTO STRICT shown
		FROM meter.current_version(head.organization_id, head.id, at) AS v;
	RETURN jsonb_build_object(
		'id', head.id, 'version', shown.version, 'code', head.key, 'name', shown.definition -> 'name',
		'customFields', coalesce(nullif(shown.definition -> 'custom_fields', 'null'), '{}'),
		'productId', shown.definition -> 'product_id', 'groupId', shown.definition -> 'group_id',
		'dataFields', meter.http_fields(shown.definition -> 'data_fields'),
		'derivedFields', meter.http_fields(shown.definition -> 'derived_fields'),
		'dtCreated', meter.http_utc(head.created_at), 'dtLastModified', meter.http_utc(head.updated_at),
		'createdBy', shown.created_by, 'lastModifiedBy', shown.last_modified_by);
END
$function$;
COMMENT ON FUNCTION meter.http_organization_meter(meter.meter, timestamptz) IS 'A meter with the fields of seed 003, as it is at a time (default: the clock). Source: internal.';

-- What is measured, which the seed does not say: the first number among the
-- fields, or the events.
CREATE FUNCTION meter.http_measure(data_fields jsonb, derived_fields jsonb) RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT pg_catalog.jsonb_build_object('function', CASE WHEN m.code IS NULL THEN 'count' ELSE 'sum' END,
		'value_field', m.code, 'unique_by_field', NULL, 'function_options', NULL)
	FROM (SELECT COALESCE(pg_catalog.jsonb_path_query_first(data_fields, '$[*] ? (@.category == "MEASURE").code'),
		pg_catalog.jsonb_path_query_first(derived_fields, '$[*] ? (@.category == "MEASURE").code')) AS code) AS m;
END;
COMMENT ON FUNCTION meter.http_measure(jsonb, jsonb) IS 'The aggregation that a meter of seed 003 has by its fields: the sum of the first data field, else derived field, of category MEASURE; the number of events where there is none. Result: function, value_field, unique_by_field and function_options of a definition. Source: internal.';

CREATE FUNCTION meter.check_organization_meter(body jsonb, is_update boolean) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	required text;
	version jsonb := coalesce(body -> 'version', 'null');
BEGIN
	PERFORM meter.check_members('meter', body, '{name,code,dataFields,derivedFields,version,customFields,productId,groupId}');
	FOREACH required IN ARRAY '{name,code,dataFields,derivedFields}'::text[] LOOP
		IF coalesce(body -> required, 'null') = 'null' THEN
			PERFORM meter.refuse_member('meter', 'MISSING_KEY', required, required || ' is required');
		END IF;
	END LOOP;
	IF NOT is_update THEN
		IF version <> 'null' THEN
			PERFORM meter.refuse_member('meter', 'NOT_ALLOWED', 'version', 'version: a meter that is created has none yet');
		END IF;
	ELSIF version = 'null' THEN
		PERFORM meter.refuse_member('meter', 'MISSING_KEY', 'version', 'version is required: the one that is changed');
	ELSIF jsonb_typeof(version) <> 'number' OR version::numeric <> trunc(version::numeric) THEN
		PERFORM meter.refuse_member('meter', 'INVALID_TYPE', 'version', 'version: expected an integer');
	END IF;
END
$function$;
COMMENT ON FUNCTION meter.check_organization_meter(jsonb, boolean) IS 'Checks what seed 003 asks of a body beyond what every definition must be. Errors: 22023. Source: internal.';

CREATE FUNCTION meter.http_organization_definition(body jsonb) RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT pg_catalog.jsonb_build_object('name', body -> 'name', 'data_fields', body -> 'dataFields',
		'derived_fields', body -> 'derivedFields', 'custom_fields', body -> 'customFields',
		'product_id', body -> 'productId', 'group_id', body -> 'groupId');
END;
COMMENT ON FUNCTION meter.http_organization_definition(jsonb) IS 'What a body of seed 003 says of a definition that can change; what it leaves out is null. Source: internal.';

CREATE FUNCTION meter.raise_renamed(message text, detail text, hint text, names jsonb) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = message,
		DETAIL = meter.http_rename(detail, names), HINT = hint;
END
$function$;
COMMENT ON FUNCTION meter.raise_renamed(text, text, text, jsonb) IS 'Raises 22023 once more, with the names of a dialect: meter.http_rename. Source: internal.';

CREATE FUNCTION meter.http_write_organization_meter(organization_id uuid, meter text, definition jsonb) RETURNS uuid
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	written jsonb;
	message text;
	detail text;
	hint text;
BEGIN
	IF meter IS NULL THEN
		written := meter.create_meter(organization_id, definition);
	ELSE
		written := meter.update_meter(organization_id, meter, definition);
	END IF;
	RETURN written ->> 'id';
EXCEPTION WHEN invalid_parameter_value THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	PERFORM meter.raise_renamed(message, detail, hint, '{"key": "code", "data_fields": "dataFields", "derived_fields": "derivedFields",
		"custom_fields": "customFields", "product_id": "productId", "group_id": "groupId"}');
END
$function$;
COMMENT ON FUNCTION meter.http_write_organization_meter(uuid, text, jsonb) IS 'Creates a meter (meter: null), or changes the one of that key, and names what is wrong as seed 003 does. Result: its id. Errors: as meter.create_meter, meter.update_meter. Source: internal.';

CREATE FUNCTION meter.http_create_organization_meter(body jsonb) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	organization uuid := meter.http_organization((meter.http_path())[2], 'admin');
	id uuid;
BEGIN
	PERFORM meter.check_organization_meter(body, false);
	id := meter.http_write_organization_meter(organization, NULL, meter.http_organization_definition(body)
		|| meter.http_measure(body -> 'dataFields', body -> 'derivedFields')
		|| jsonb_build_object('key', body -> 'code', 'metric_key', body -> 'code'));
	PERFORM meter.http_respond(201);
	RETURN meter.http_organization_meter(meter.http_meter_by_id(organization, id::text));
END
$function$;
COMMENT ON FUNCTION meter.http_create_organization_meter(jsonb) IS 'Operation of meter_api.create_organization_meter. Source: internal.';

CREATE FUNCTION meter.http_list_organization_meters(body jsonb) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	organization uuid := meter.http_organization((meter.http_path())[2], 'read');
	page_size int := meter.http_integer('pageSize', 50, 1, 100);
	list text := 'organization meters ' || organization;
	heads meter.meter[];
BEGIN
	PERFORM meter.http_known_parameters('pageSize', 'nextToken');
	heads := ARRAY(SELECT p FROM meter.http_meter_page(organization, list, 'nextToken', page_size) AS p);
	RETURN jsonb_build_object(
		'data', coalesce((SELECT jsonb_agg(meter.http_organization_meter(h) ORDER BY h.created_at DESC, h.id)
			FROM unnest(heads[:page_size]) AS h), '[]'),
		'nextToken', CASE WHEN cardinality(heads) > page_size
			THEN meter.http_cursor(list, heads[page_size].created_at, heads[page_size].id) END);
END
$function$;
COMMENT ON FUNCTION meter.http_list_organization_meters(jsonb) IS 'Operation of meter_api.list_organization_meters. Source: internal.';

CREATE FUNCTION meter.http_get_organization_meter(body jsonb) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	path text[] := meter.http_path();
BEGIN
	RETURN meter.http_organization_meter(meter.http_meter_by_id(meter.http_organization(path[2], 'read'), path[4]));
END
$function$;
COMMENT ON FUNCTION meter.http_get_organization_meter(jsonb) IS 'Operation of meter_api.get_organization_meter. Source: internal.';

CREATE FUNCTION meter.http_update_organization_meter(body jsonb) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	read_only CONSTANT text[] := '{id,dtCreated,dtLastModified,createdBy,lastModifiedBy}';
	path text[] := meter.http_path();
	organization uuid := meter.http_organization(path[2], 'admin');
	head meter.meter := meter.http_meter_by_id(organization, path[4]);
	shown jsonb;
	held jsonb;
	patch jsonb;
BEGIN
	PERFORM meter.check_organization_meter(meter.http_writable(body, read_only), true);
	PERFORM meter.check_unchanged(body, jsonb_build_object('code', head.key), '{code}');
	head := meter.lock_meter(organization, head.key, true);
	shown := meter.http_organization_meter(head);
	-- whoever has seen another version is told of that
	IF body -> 'version' = shown -> 'version' THEN
		PERFORM meter.check_unchanged(body, shown, read_only);
	END IF;
	SELECT v.definition INTO STRICT held FROM meter.current_version(organization, head.id) AS v;
	patch := meter.http_organization_definition(body) || jsonb_build_object('version', body -> 'version');
	-- what is measured follows the fields, unless somebody chose something else
	IF held -> 'data_fields' <> 'null' AND held @> meter.http_measure(held -> 'data_fields', held -> 'derived_fields') THEN
		patch := patch || meter.http_measure(body -> 'dataFields', body -> 'derivedFields');
	END IF;
	PERFORM meter.http_write_organization_meter(organization, head.key, patch);
	RETURN meter.http_organization_meter(meter.http_meter_by_id(organization, path[4]));
END
$function$;
COMMENT ON FUNCTION meter.http_update_organization_meter(jsonb) IS 'Operation of meter_api.update_organization_meter. Source: internal.';

CREATE FUNCTION meter.http_delete_organization_meter(body jsonb) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	path text[] := meter.http_path();
	organization uuid := meter.http_organization(path[2], 'admin');
	head meter.meter := meter.http_meter_by_id(organization, path[4]);
	deleted jsonb := meter.http_organization_meter(head);
BEGIN
	PERFORM meter.delete_meter(organization, head.key);
	RETURN deleted;
END
$function$;
COMMENT ON FUNCTION meter.http_delete_organization_meter(jsonb) IS 'Operation of meter_api.delete_organization_meter. Source: internal.';

CREATE FUNCTION meter_api.create_organization_meter(json) RETURNS jsonb
	LANGUAGE sql
BEGIN ATOMIC
	SELECT meter.http_answer('http_create_organization_meter', 'plain', $1);
END;
COMMENT ON FUNCTION meter_api.create_organization_meter(json) IS 'POST /organizations/{orgId}/meters: creates a meter. Body: name (1 to 200 characters), code (1 to 80), dataFields (1 to 15 of category, code, name, unit), derivedFields (at most 15, with a calculation), and where wanted customFields (object of strings and numbers), productId, groupId (UUIDs); no version. Result: 201 with the meter. Errors: 400 with the JSON pointer of what is wrong, 401, 403 another organization, 409 the code is taken. Source: seed 003 (POST /organizations/{orgId}/meters).';

CREATE FUNCTION meter_api.list_organization_meters() RETURNS jsonb
	LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT meter.http_answer('http_list_organization_meters');
END;
COMMENT ON FUNCTION meter_api.list_organization_meters() IS 'GET /organizations/{orgId}/meters?pageSize&nextToken: the organization''s meters, newest first. pageSize: 1 to 100, default 50; nextToken: that of the page before. Result: 200 {"data": [meter], "nextToken": text, or null on the last page}. Errors: 400, 401, 403. Source: seed 003 (GET /organizations/{orgId}/meters).';

CREATE FUNCTION meter_api.get_organization_meter() RETURNS jsonb
	LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT meter.http_answer('http_get_organization_meter');
END;
COMMENT ON FUNCTION meter_api.get_organization_meter() IS 'GET /organizations/{orgId}/meters/{id}: a meter by its id. Result: 200 with the meter. Errors: 400 orgId is no UUID, 401, 403, 404. Source: seed 003 (GET /organizations/{orgId}/meters/{id}).';

CREATE FUNCTION meter_api.update_organization_meter(json) RETURNS jsonb
	LANGUAGE sql
BEGIN ATOMIC
	SELECT meter.http_answer('http_update_organization_meter', 'plain', $1);
END;
COMMENT ON FUNCTION meter_api.update_organization_meter(json) IS 'PUT /organizations/{orgId}/meters/{id}: replaces a meter. Body: as for POST, with the version that is changed (required), and whatever else GET shows, unchanged; what it leaves out is taken away; the code cannot change. Result: 200 with the meter, its version the next. Errors: 400 with the JSON pointer of what is wrong, 401, 403, 404, 409 it is at another version (VERSION_MISMATCH), or archived. Source: seed 003 (PUT /organizations/{orgId}/meters/{id}).';

CREATE FUNCTION meter_api.delete_organization_meter() RETURNS jsonb
	LANGUAGE sql
BEGIN ATOMIC
	SELECT meter.http_answer('http_delete_organization_meter');
END;
COMMENT ON FUNCTION meter_api.delete_organization_meter() IS 'DELETE /organizations/{orgId}/meters/{id}: deletes a meter that nothing uses. Result: 200 with the meter as it was. Errors: 401, 403, 404, 409 it is in use. Source: seed 003 (DELETE /organizations/{orgId}/meters/{id}).';
