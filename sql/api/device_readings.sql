-- Seed 001 lets readings be added to a meter and says no more of it: here they
-- are a resource of the meter, in its envelope.

CREATE FUNCTION meter.http_reading_account(body jsonb) RETURNS uuid
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	given jsonb[];
BEGIN
	IF coalesce(jsonb_typeof(body), 'null') NOT IN ('object', 'array') THEN
		PERFORM meter.refuse_member('body', 'INVALID_TYPE', NULL, 'expected a reading or an array of readings');
	END IF;
	SELECT array_agg(DISTINCT a.account) INTO given
		FROM (SELECT r.item -> 'account_id' FROM jsonb_array_elements(CASE jsonb_typeof(body) WHEN 'array' THEN body ELSE jsonb_build_array(body) END) AS r (item)
			UNION ALL SELECT to_jsonb(meter.http_parameter('account_id'))) AS a (account)
		WHERE a.account <> 'null';
	IF cardinality(given) > 1 THEN
		PERFORM meter.refuse_parameter('account_id', 'expected the same account everywhere', 'INVALID_ACCOUNT');
	END IF;
	RETURN meter.http_account(given[1], 'meter-report');
END
$function$;
COMMENT ON FUNCTION meter.http_reading_account(jsonb) IS 'The organization that account_id names where readings are reported: in the body, which may be an array, or in the query. Errors: as meter.http_account, 22023 it names several, or the body is no object or array. Source: internal.';

CREATE FUNCTION meter.http_readings(device jsonb, body jsonb) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	reading record;
	result jsonb[] := '{}';
	several boolean := jsonb_typeof(body) = 'array';
BEGIN
	IF several AND jsonb_array_length(body) NOT BETWEEN 1 AND 10000 THEN
		PERFORM meter.refuse_member('body', 'INVALID_LENGTH', NULL, 'expected 1 to 10000 readings');
	END IF;
	FOR reading IN
		SELECT r.item, CASE WHEN several THEN 'reading ' || r.place ELSE 'reading' END AS what
		FROM jsonb_array_elements(CASE WHEN several THEN body ELSE jsonb_build_array(body) END) WITH ORDINALITY AS r (item, place)
		ORDER BY r.place
	LOOP
		PERFORM meter.check_members(reading.what, reading.item, '{account_id,value,read_at,quality,source}');
		result := result || (reading.item - 'account_id' || jsonb_build_object('device', device -> 'id'));
	END LOOP;
	RETURN to_jsonb(result);
END
$function$;
COMMENT ON FUNCTION meter.http_readings(jsonb, jsonb) IS 'The readings of a body as meter.record_readings takes them. device: its document. Errors: 22023. Source: internal.';

-- Several readings are as good as the best of them: each says its own status.
CREATE FUNCTION meter.http_reading_outcome(results jsonb) RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT r.item || pg_catalog.jsonb_build_object('http', CASE r.item ->> 'status'
			WHEN 'rejected' THEN 400 WHEN 'conflict' THEN 409 WHEN 'duplicate' THEN 200 ELSE 201 END)
		FROM pg_catalog.jsonb_array_elements(results) WITH ORDINALITY AS r (item, place)
		ORDER BY pg_catalog.array_position('{accepted,superseded,suspect,duplicate,conflict,rejected}', r.item ->> 'status'), r.place
		LIMIT 1;
END;
COMMENT ON FUNCTION meter.http_reading_outcome(jsonb) IS 'The reading of a request that says how it went: the first of the best, with its HTTP status as http. results: array as meter_api.create_device_readings answers. Source: internal.';

CREATE FUNCTION meter.http_create_device_readings(body jsonb) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	organization uuid := meter.http_reading_account(body);
	device jsonb := meter.http_lock_device(organization);
	readings jsonb := meter.http_readings(device, body);
	outcomes meter.reading_outcome[];
	results jsonb;
	outcome jsonb;
	status int;
BEGIN
	SELECT array_agg((o.ordinal, o.device_id, o.read_at, o.status, o.code, o.message)::meter.reading_outcome) INTO outcomes
		FROM meter.record_readings(organization, readings) AS o;
	-- a statement of its own sees what was recorded
	SELECT jsonb_agg(jsonb_build_object('meter_id', device -> 'id', 'read_at', coalesce(to_jsonb(o.read_at), g.item -> 'read_at'),
				'value', g.item -> 'value', 'quality', coalesce(g.item ->> 'quality', 'actual'), 'source', g.item -> 'source',
				'status', o.status, 'code', o.code, 'message', o.message, 'consumption', s.quantity, 'interval_start', s.interval_start)
			ORDER BY o.ordinal) INTO results
		FROM unnest(outcomes) AS o
		JOIN jsonb_array_elements(readings) WITH ORDINALITY AS g (item, place) ON g.place = o.ordinal
		LEFT JOIN meter.reading_interval AS s ON s.organization_id = organization AND s.device_id = o.device_id
			AND s.interval_end = o.read_at AND o.status IN ('accepted', 'duplicate');
	outcome := meter.http_reading_outcome(results);
	status := outcome -> 'http';
	PERFORM meter.http_respond(status);
	RETURN jsonb_build_object('success', status < 400, 'message', outcome -> 'message',
		'data', CASE jsonb_typeof(body) WHEN 'array' THEN results ELSE results -> 0 END,
		'count', jsonb_array_length(results), 'error', CASE WHEN status >= 400 THEN outcome -> 'code' END);
END
$function$;
COMMENT ON FUNCTION meter.http_create_device_readings(jsonb) IS 'Operation of meter_api.create_device_readings. Source: internal.';

CREATE FUNCTION meter_api.create_device_readings(json) RETURNS jsonb
	LANGUAGE sql
BEGIN ATOMIC
	SELECT meter.http_answer('http_create_device_readings', 'devices', $1);
END;
COMMENT ON FUNCTION meter_api.create_device_readings(json) IS 'POST /api/v1/meters/{id}/readings: records what was read from a device, as meter.record_readings does. Body: object of value (number, or a string with one), read_at (RFC 3339), quality (actual or estimated, default actual) and source, or an array of 1 to 10000 of these; account_id in it, or in the query. Result: the envelope with the reading, or the array of them: meter_id, read_at, value, quality, source, status (as meter.record_readings gives it), code, message, and what it counts: consumption and interval_start. 201 something was recorded, 200 all of it was before. Errors: 400 nothing can be recorded, 401, 403 the account has no such meter, 409 another reading of that instant counts (this one is kept). Source: seed 001 (last_reading_value).';

CREATE FUNCTION meter.http_time(name text) RETURNS timestamptz
	LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT meter.time_member('request', pg_catalog.jsonb_build_object(name, meter.http_parameter(name)), name);
END;
COMMENT ON FUNCTION meter.http_time(text) IS 'A time of the query (RFC 3339), null where it is missing. Errors: 22023. Source: internal.';

CREATE FUNCTION meter.http_list_device_readings(body jsonb) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	organization uuid := meter.http_query_account('read', '{page,limit,from,to}');
	device jsonb := meter.http_find_device(organization);
	rows int := meter.http_integer('limit', 20, 1, 100);
	page bigint := meter.http_integer('page', 1, 1, 999999999);
	since timestamptz := coalesce(meter.http_time('from'), '-infinity');
	until timestamptz := coalesce(meter.http_time('to'), 'infinity');
	total bigint;
	found jsonb;
BEGIN
	SELECT count(*) INTO total FROM meter.readings AS r
		WHERE r.organization_id = organization AND r.device_id = (device ->> 'id')::int AND r.read_at >= since AND r.read_at < until
			AND r.kind <> 'void';
	found := to_jsonb(ARRAY(
		SELECT jsonb_build_object('meter_id', r.device_id, 'read_at', r.read_at, 'revision', r.revision, 'kind', r.kind,
			'value', r.value, 'next_value', r.next_value, 'quality', r.quality, 'source', r.source, 'status', r.status, 'code', r.code,
			'consumption', r.consumption, 'interval_start', r.interval_start, 'recorded_at', r.recorded_at)
		FROM meter.readings AS r
		WHERE r.organization_id = organization AND r.device_id = (device ->> 'id')::int AND r.read_at >= since AND r.read_at < until
			AND r.kind <> 'void'
		ORDER BY r.read_at DESC, r.revision DESC LIMIT rows OFFSET (page - 1) * rows));
	RETURN meter.http_envelope(found, total);
END
$function$;
COMMENT ON FUNCTION meter.http_list_device_readings(jsonb) IS 'Operation of meter_api.list_device_readings. Source: internal.';

CREATE FUNCTION meter_api.list_device_readings() RETURNS jsonb
	LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT meter.http_answer('http_list_device_readings', 'devices');
END;
COMMENT ON FUNCTION meter_api.list_device_readings() IS 'GET /api/v1/meters/{id}/readings: what was read from a device, newest first, with what became of it (columns of meter.readings). Query: account_id (required), page (from 1), limit (1 to 100, default 20), from and to (RFC 3339, to is exclusive). Result: 200, the envelope with an array of readings and the count of all that match. Errors: 400, 401, 403 the account has no such meter. Source: seed 001 (last_reading_value).';
