-- Seed 001: meters that are things on a wall.  Core calls them devices, and the
-- account an organization; a meter that is not the account's is answered 403,
-- whether there is one or not, so nothing is told of others'.

CREATE FUNCTION meter.http_envelope(data jsonb, count bigint DEFAULT 1, message text DEFAULT NULL) RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT pg_catalog.jsonb_build_object('success', true, 'message', message, 'data', data, 'count', count, 'error', NULL);
END;
COMMENT ON FUNCTION meter.http_envelope(jsonb, bigint, text) IS 'The envelope of seed 001 about what was asked for. count: of all that match. Source: internal.';

CREATE FUNCTION meter.http_device(document jsonb) RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT pg_catalog.jsonb_build_object(
		'id', document -> 'id', 'account_id', document -> 'organization_id',
		'name', document -> 'name', 'description', document -> 'description', 'serial_number', document -> 'serial_number',
		'meter_type', document -> 'meter_type', 'communication_type', document -> 'communication_type',
		'building_block_id', document -> 'building_block_id', 'gateway_id', document -> 'gateway_id', 'tariff_id', document -> 'tariff_id',
		'last_reading_value', document -> 'last_reading_value', 'last_reading_at', document -> 'last_reading_at',
		'location', document -> 'location', 'billing_direction', document -> 'billing_direction',
		'reading_interval', document -> 'reading_interval',
		'created_at', document -> 'created_at', 'updated_at', document -> 'updated_at');
END;
COMMENT ON FUNCTION meter.http_device(jsonb) IS 'A device with the fields of seed 001. document: as core gives it. Source: internal.';

-- Seed 001 has the account in each request; the claims say whether it is the caller's.
CREATE FUNCTION meter.http_account(given jsonb, scope text) RETURNS uuid
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	organization uuid;
BEGIN
	IF meter.tenant_min() IS NULL THEN
		-- who is nobody learns that first; the null UUID is nobody's
		PERFORM meter.require_tenant('00000000-0000-0000-0000-000000000000');
	END IF;
	IF coalesce(given, 'null') = 'null' THEN
		PERFORM meter.refuse_parameter('account_id', 'expected the UUID of the account', 'ACCOUNT_REQUIRED');
	ELSIF jsonb_typeof(given) <> 'string' OR meter.uuid_or_null(given #>> '{}') IS NULL THEN
		PERFORM meter.refuse_parameter('account_id', 'expected a UUID', 'INVALID_ACCOUNT');
	END IF;
	organization := meter.http_organization(given #>> '{}', scope);
	IF NOT EXISTS (SELECT FROM meter.organization AS o WHERE o.organization_id = organization) THEN
		RAISE EXCEPTION 'account % does not exist', organization
			USING ERRCODE = 'insufficient_privilege', DETAIL = 'FOREIGN_ORGANIZATION.';
	END IF;
	RETURN organization;
END
$function$;
COMMENT ON FUNCTION meter.http_account(jsonb, text) IS 'The organization that the account_id of a request names. given: as it stands in the body; scope: as for meter.http_organization. Errors: 22023 (ACCOUNT_REQUIRED, INVALID_ACCOUNT), 42501 as meter.http_organization. Source: internal.';

CREATE FUNCTION meter.http_query_account(scope text, further text[] DEFAULT '{}') RETURNS uuid
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	organization uuid := meter.http_account(to_jsonb(meter.http_parameter('account_id')), scope);
BEGIN
	PERFORM meter.http_known_parameters(VARIADIC array_prepend('account_id', further));
	RETURN organization;
END
$function$;
COMMENT ON FUNCTION meter.http_query_account(text, text[]) IS 'The organization that the parameter account_id of a query names. scope: as for meter.http_organization; further: the other parameters there may be. Errors: as meter.http_account, 22023 other parameters. Source: internal.';

CREATE FUNCTION meter.http_body_account(body jsonb, scope text) RETURNS uuid
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	IF coalesce(jsonb_typeof(body), 'null') <> 'object' THEN
		PERFORM meter.refuse_member('body', 'INVALID_TYPE', NULL, 'expected an object');
	END IF;
	RETURN meter.http_account(body -> 'account_id', scope);
END
$function$;
COMMENT ON FUNCTION meter.http_body_account(jsonb, text) IS 'The organization that the account_id of a body names. scope: as for meter.http_organization. Errors: as meter.http_account, 22023 no object. Source: internal.';

CREATE FUNCTION meter.http_device_id() RETURNS int
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	given text := (meter.http_path())[4];
BEGIN
	IF given IS NULL OR given !~ '^[0-9]{1,10}$' OR given::bigint NOT BETWEEN 1 AND 2147483647 THEN
		PERFORM meter.refuse_parameter('id', 'expected an integer from 1 to 2147483647', 'INVALID_ID');
	END IF;
	RETURN given;
END
$function$;
COMMENT ON FUNCTION meter.http_device_id() IS 'The id in a path /api/v1/meters/{id}. Errors: 22023 (INVALID_ID) no integer, or none that an id can be. Source: internal.';

CREATE FUNCTION meter.refuse_device(id int) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	RAISE EXCEPTION 'meter % does not belong to the account', id
		USING ERRCODE = 'insufficient_privilege', DETAIL = 'FORBIDDEN.';
END
$function$;
COMMENT ON FUNCTION meter.refuse_device(int) IS 'Raises 42501 for a device that the account has not. Source: internal.';

CREATE FUNCTION meter.http_find_device(organization_id uuid) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	wanted int := meter.http_device_id();
	document jsonb := meter.device_document(organization_id, wanted);
BEGIN
	IF document IS NULL THEN
		PERFORM meter.refuse_device(wanted);
	END IF;
	RETURN document;
END
$function$;
COMMENT ON FUNCTION meter.http_find_device(uuid) IS 'The document of the device that the path names. Errors: 22023, 42501 the account has no such device. Source: internal.';

-- Locked, it is there until the request is done: nobody deletes it in between.
CREATE FUNCTION meter.http_lock_device(organization_id uuid) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	wanted int := meter.http_device_id();
BEGIN
	PERFORM FROM meter.device AS d
		WHERE d.organization_id = http_lock_device.organization_id AND d.id = wanted AND d.retired_at IS NULL
		FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		PERFORM meter.refuse_device(wanted);
	END IF;
	RETURN meter.device_document(organization_id, wanted);
END
$function$;
COMMENT ON FUNCTION meter.http_lock_device(uuid) IS 'The document of the device that the path names, its row locked. Errors: 22023, 42501 the account has no such device. Source: internal.';

CREATE FUNCTION meter.http_device_order() RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	field text := coalesce(meter.http_parameter('sortBy'), 'id');
	direction text := lower(coalesce(meter.http_parameter('sortOrder'), 'asc'));
	fields text[] := ARRAY(SELECT jsonb_object_keys(meter.http_device('{}')));
BEGIN
	IF field <> ALL (fields) THEN
		PERFORM meter.refuse_parameter('sortBy', 'expected one of ' || array_to_string(fields, ', '));
	ELSIF direction NOT IN ('asc', 'desc') THEN
		PERFORM meter.refuse_parameter('sortOrder', 'expected asc or desc');
	END IF;
	-- the order of ids is the one of the key's index, in both directions
	RETURN CASE WHEN field NOT IN ('id', 'account_id') THEN format('d.%I %s NULLS LAST, ', field, direction) ELSE '' END || 'd.id ' || direction;
END
$function$;
COMMENT ON FUNCTION meter.http_device_order() IS 'The order of devices d that the parameters sortBy and sortOrder ask for, as ORDER BY says it; ties are in the order of ids. Errors: 22023. Source: internal.';

CREATE FUNCTION meter.http_list_devices(body jsonb) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	organization uuid := meter.http_query_account('read', '{page,limit,query,sortBy,sortOrder}');
	rows int := meter.http_integer('limit', 20, 1, 100);
	page bigint := meter.http_integer('page', 1, 1, 999999999);
	wanted text := lower(meter.http_parameter('query'));
	-- strpos() rather than LIKE: what is searched for is a text, not a pattern.
	-- A serial number sorts by bytes, but has letters like any text.
	matching CONSTANT text := 'd.organization_id = $1 AND ($2 IS NULL OR strpos(lower(d.name), $2) > 0
		OR strpos(lower(d.serial_number COLLATE "default"), $2) > 0
		OR strpos(lower(d.location), $2) > 0 OR strpos(lower(d.description), $2) > 0)';
	total bigint;
	found jsonb;
BEGIN
	IF length(wanted) > 200 THEN
		PERFORM meter.refuse_parameter('query', 'expected at most 200 characters');
	END IF;
	EXECUTE format('SELECT count(*) FROM meter.devices AS d WHERE %s', matching) INTO total USING organization, wanted;
	-- the page is cut first: its rows only become documents
	EXECUTE format('SELECT to_jsonb(ARRAY(SELECT meter.http_device(to_jsonb(l)) FROM (
			SELECT d.* FROM meter.devices AS d WHERE %s ORDER BY %s LIMIT $3 OFFSET $4) AS l))',
		matching, meter.http_device_order())
		INTO found USING organization, wanted, rows, (page - 1) * rows;
	RETURN meter.http_envelope(found, total);
END
$function$;
COMMENT ON FUNCTION meter.http_list_devices(jsonb) IS 'Operation of meter_api.list_devices. Source: internal.';

CREATE FUNCTION meter_api.list_devices() RETURNS jsonb
	LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT meter.http_answer('http_list_devices', 'devices');
END;
COMMENT ON FUNCTION meter_api.list_devices() IS 'GET /api/v1/meters: the devices of an account. Query: account_id (required), page (from 1), limit (1 to 100, default 20), query (a text that the name, serial number, location or description has in it, in any case), sortBy (a field of the meter, default id; ties by id, null last), sortOrder (asc or desc). Result: 200, the envelope with an array of meters and the count of all that match. Errors: 400, 401, 403. Source: seed 001 (GET /api/v1/meters).';

CREATE FUNCTION meter.http_create_device(body jsonb) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	organization uuid := meter.http_body_account(body, 'admin');
	document jsonb := meter.create_device(organization, body - 'account_id');
BEGIN
	PERFORM meter.http_respond(201);
	RETURN meter.http_envelope(meter.http_device(document), message => 'meter created');
END
$function$;
COMMENT ON FUNCTION meter.http_create_device(jsonb) IS 'Operation of meter_api.create_device. Source: internal.';

CREATE FUNCTION meter_api.create_device(json) RETURNS jsonb
	LANGUAGE sql
BEGIN ATOMIC
	SELECT meter.http_answer('http_create_device', 'devices', $1);
END;
COMMENT ON FUNCTION meter_api.create_device(json) IS 'POST /api/v1/meters: creates a device. Body: object of account_id and the members of meter.create_device. Result: 201, the envelope with the meter. Errors: 400, 401, 403, 409 the serial number is taken. Source: seed 001 (POST /api/v1/meters).';

CREATE FUNCTION meter.http_get_device(body jsonb) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	RETURN meter.http_envelope(meter.http_device(meter.http_find_device(meter.http_query_account('read'))));
END
$function$;
COMMENT ON FUNCTION meter.http_get_device(jsonb) IS 'Operation of meter_api.get_device. Source: internal.';

CREATE FUNCTION meter_api.get_device() RETURNS jsonb
	LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT meter.http_answer('http_get_device', 'devices');
END;
COMMENT ON FUNCTION meter_api.get_device() IS 'GET /api/v1/meters/{id}: a device. Query: account_id (required). Result: 200, the envelope with the meter. Errors: 400 bad id or account, 401, 403 the account has no such meter. Source: seed 001 (GET /api/v1/meters/:id).';

-- A client may send back all of what it got: what cannot change may be there as it is.
CREATE FUNCTION meter.check_device_times(document jsonb, patch jsonb) RETURNS void
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	member text;
BEGIN
	FOREACH member IN ARRAY '{created_at,updated_at}'::text[] LOOP
		IF patch ? member AND meter.time_member('device patch', patch, member) IS DISTINCT FROM (document ->> member)::timestamptz THEN
			PERFORM meter.refuse_member('device patch', 'IMMUTABLE', member, member || ' cannot change');
		END IF;
	END LOOP;
END
$function$;
COMMENT ON FUNCTION meter.check_device_times(jsonb, jsonb) IS 'Refuses a patch that says another created_at or updated_at than the device has. Errors: 22023. Source: internal.';

CREATE FUNCTION meter.http_update_device(body jsonb) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	organization uuid := meter.http_body_account(body, 'admin');
	document jsonb := meter.http_lock_device(organization);
BEGIN
	PERFORM meter.check_device_times(document, body);
	document := meter.update_device(organization, 'id:' || (document ->> 'id'), body - '{account_id,created_at,updated_at}'::text[]);
	RETURN meter.http_envelope(meter.http_device(document), message => 'meter updated');
END
$function$;
COMMENT ON FUNCTION meter.http_update_device(jsonb) IS 'Operation of meter_api.update_device. Source: internal.';

CREATE FUNCTION meter_api.update_device(json) RETURNS jsonb
	LANGUAGE sql
BEGIN ATOMIC
	SELECT meter.http_answer('http_update_device', 'devices', $1);
END;
COMMENT ON FUNCTION meter_api.update_device(json) IS 'PUT /api/v1/meters/{id}: changes a device. Body: object of account_id and the members of meter.update_device that change; id, serial_number, meter_type, communication_type, created_at and updated_at only as they are. Result: 200, the envelope with the meter. Errors: 400, 401, 403 the account has no such meter, 409 what was read contradicts last_reading_value or rollover_at. Source: seed 001 (PUT /api/v1/meters/:id).';

CREATE FUNCTION meter.http_delete_device(body jsonb) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	organization uuid := meter.http_query_account('admin');
BEGIN
	PERFORM meter.delete_device(organization, 'id:' || (meter.http_lock_device(organization) ->> 'id'));
	PERFORM meter.http_respond(204);
	RETURN meter.http_envelope(NULL, NULL, 'meter deleted');
END
$function$;
COMMENT ON FUNCTION meter.http_delete_device(jsonb) IS 'Operation of meter_api.delete_device. Source: internal.';

CREATE FUNCTION meter_api.delete_device() RETURNS jsonb
	LANGUAGE sql
BEGIN ATOMIC
	SELECT meter.http_answer('http_delete_device', 'devices');
END;
COMMENT ON FUNCTION meter_api.delete_device() IS 'DELETE /api/v1/meters/{id}: takes a device out of service, as meter.delete_device does: what was read from it stays. Query: account_id (required). Result: 204. Errors: 400, 401, 403 the account has no such meter. Source: seed 001 (DELETE /api/v1/meters/:id).';
