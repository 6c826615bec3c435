-- Writing through views: each row goes to the function of the schema meter that
-- knows the rules, and comes back as it is read.

CREATE FUNCTION meter.rename_members(document jsonb, names jsonb) RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT COALESCE(pg_catalog.jsonb_object_agg(COALESCE(names ->> d.key, d.key), d.value), '{}')
	FROM pg_catalog.jsonb_each(document) AS d;
END;
COMMENT ON FUNCTION meter.rename_members(jsonb, jsonb) IS 'An object with other keys. names: object of former and new ones. Source: internal.';

-- Which function makes, changes or deletes what.  given: the columns of the new
-- row that are not null, or those that change; they are the members of what the
-- functions take, but for some names.
CREATE FUNCTION meter.write_entity(operation text, organization_id uuid, id text, given jsonb, version jsonb) RETURNS text
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	org CONSTANT uuid := organization_id;
	result jsonb;
BEGIN
	PERFORM meter.require_tenant(org);
	CASE operation
		WHEN 'INSERT meters' THEN result := meter.create_meter(org, given);
		-- the version that was read, or the one that the client says
		WHEN 'UPDATE meters' THEN result := meter.update_meter(org, id, given || jsonb_build_object('version', version));
		WHEN 'DELETE meters' THEN PERFORM meter.delete_meter(org, id);
		WHEN 'INSERT customers' THEN result := meter.create_customer(org, given);
		WHEN 'UPDATE customers' THEN result := meter.update_customer(org, id, given);
		WHEN 'DELETE customers' THEN PERFORM meter.delete_customer(org, id);
		WHEN 'INSERT products' THEN result := meter.create_product(org, given);
		WHEN 'INSERT subscriptions' THEN
			result := meter.create_subscription(org, meter.rename_members(given, '{"customer_id": "customer", "product_ids": "products"}'));
		WHEN 'UPDATE subscriptions' THEN
			result := meter.update_subscription(org, id::uuid, meter.rename_members(given, '{"customer_id": "customer", "product_ids": "products"}'));
		WHEN 'INSERT meter_bindings' THEN
			result := meter.bind_product(org, given ->> 'product_id', given ->> 'meter_id', given - '{product_id,meter_id}'::text[]);
		WHEN 'UPDATE meter_bindings' THEN
			result := meter.update_binding(org, id::uuid, meter.rename_members(given, '{"effective_from": "effective_at"}'));
		WHEN 'DELETE meter_bindings' THEN PERFORM meter.unbind_product(org, id::uuid);
		WHEN 'INSERT thresholds' THEN
			result := meter.create_threshold(org, meter.rename_members(given,
				CASE WHEN given ? 'meter_id' THEN '{"meter_id": "meter"}'::jsonb ELSE '{"meter_key": "meter"}' END));
		WHEN 'UPDATE thresholds' THEN
			PERFORM meter.check_members('threshold patch', given, '{status}');
			CASE meter.choice_member('threshold patch', given, 'status', '{active,paused}')
				WHEN 'paused' THEN PERFORM meter.pause_threshold(org, id);
				WHEN 'active' THEN PERFORM meter.resume_threshold(org, id);
				ELSE PERFORM meter.refuse_member('threshold patch', 'INVALID_VALUE', 'status', 'status: expected active, paused');
			END CASE;
		WHEN 'DELETE thresholds' THEN PERFORM meter.delete_threshold(org, id);
		WHEN 'INSERT devices' THEN result := meter.create_device(org, given);
		WHEN 'UPDATE devices' THEN result := meter.update_device(org, 'id:' || id, given);
		WHEN 'DELETE devices' THEN PERFORM meter.delete_device(org, 'id:' || id);
	END CASE;
	RETURN coalesce(result ->> 'id', id);
END
$function$;
COMMENT ON FUNCTION meter.write_entity(text, uuid, text, jsonb, jsonb) IS 'Does to an entity what a statement on its view asks for. operation: INSERT, UPDATE or DELETE and the view; id: which row; given: object of the columns; version: the meter''s. Result: the id of the row. Errors: those of the functions that it calls. Source: internal.';

-- An event that is refused leaves nothing behind but the answer: the request that
-- sent it ends with an error.
CREATE FUNCTION meter.write_event(organization_id uuid, given jsonb) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	org CONSTANT uuid := write_event.organization_id;
	began CONSTANT timestamptz := coalesce((given ->> 'time')::timestamptz, clock_timestamp());
	outcome record;
	stored jsonb;
BEGIN
	PERFORM meter.require_tenant(org);
	PERFORM meter.check_members('event', given, '{id,source,type,subject,time,data,meter_id}');
	SELECT i.* INTO outcome FROM meter.ingest(org, meter.rename_members(given, '{"meter_id": "meter"}')::json) AS i;
	IF outcome.status IN ('rejected', 'conflict') THEN
		RAISE EXCEPTION 'event refused: %', outcome.message
			USING DETAIL = outcome.code || '.', ERRCODE = CASE outcome.code WHEN 'KEY_CONFLICT' THEN 'unique_violation'
				WHEN 'QUOTA_EXCEEDED' THEN 'configuration_limit_exceeded' ELSE 'invalid_parameter_value' END;
	END IF;
	-- A new event is the first on a page of its own.  One that came before, or is
	-- counted elsewhere, would have to be looked for: it is said again as it was sent.
	SELECT jsonb_build_object('seq', e.seq, 'time', e.original_time, 'received_at', p.received_at, 'type', p.type,
			'versions', e.versions, 'counted_at', e."time") INTO stored
		FROM meter.event AS p CROSS JOIN LATERAL meter.page_events(p.events) AS e
		WHERE p.organization_id = org AND p."time" BETWEEN began AND CASE WHEN given ? 'time' THEN began ELSE clock_timestamp() END
			AND p.replaced_at IS NULL AND NOT e.supplement
			AND e.id = given ->> 'id' AND e.source IS NOT DISTINCT FROM given ->> 'source'
			AND p.type = coalesce(given ->> 'type', p.type);
	RETURN coalesce(stored, '{}');
END
$function$;
COMMENT ON FUNCTION meter.write_event(uuid, jsonb) IS 'Ingests the event of a new row of meter_api.events. Result: object of what the row has more. Errors: 22023 rejected, with the code of meter.ingest(), 23505 in conflict with one that is counted, 53400 it would exceed a quota. Source: internal.';

CREATE FUNCTION meter.write_reading(organization_id uuid, given jsonb) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	recorded jsonb;
BEGIN
	PERFORM meter.require_tenant(organization_id);
	PERFORM meter.check_members('reading', given, '{device_id,value,read_at,quality,source}');
	recorded := meter.record_reading(organization_id, 'id:' || (given ->> 'device_id'), (given ->> 'value')::numeric,
		(given ->> 'read_at')::timestamptz, coalesce(given ->> 'quality', 'actual'), given ->> 'source');
	RETURN (SELECT to_jsonb(r) FROM meter_api.readings AS r
		WHERE r.organization_id = write_reading.organization_id AND r.device_id = (recorded -> 'device_id')::int
			AND r.read_at = (given ->> 'read_at')::timestamptz
		ORDER BY r.revision DESC LIMIT 1);
END
$function$;
COMMENT ON FUNCTION meter.write_reading(uuid, jsonb) IS 'Records the reading of a new row of meter_api.readings. Result: the row, whose status says what became of it. Errors: as meter.record_reading(). Source: internal.';

CREATE FUNCTION meter.write_view() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	held CONSTANT jsonb := coalesce(to_jsonb(OLD), '{}');
	wanted CONSTANT jsonb := coalesce(to_jsonb(NEW), '{}');
	given jsonb;
	org uuid;
	result jsonb;
	state text;
	message text;
	detail text;
	hint text;
BEGIN
	org := meter.http_organization(CASE TG_OP WHEN 'INSERT' THEN wanted ELSE held END ->> 'organization_id', TG_ARGV[0]);
	SELECT coalesce(jsonb_object_agg(w.key, w.value), '{}') INTO given FROM jsonb_each(wanted) AS w
		WHERE w.value <> coalesce(held -> w.key, 'null') AND NOT (TG_OP = 'INSERT' AND w.key = 'organization_id');
	IF TG_OP = 'DELETE' THEN
		PERFORM meter.write_entity('DELETE ' || TG_TABLE_NAME, org, held ->> 'id', NULL, NULL);
		RETURN OLD;
	ELSIF TG_OP = 'UPDATE' AND given = '{}' THEN
		RETURN NEW;
	ELSIF TG_TABLE_NAME = 'events' THEN
		result := meter.write_event(org, given);
	ELSIF TG_TABLE_NAME = 'readings' THEN
		result := meter.write_reading(org, given);
	ELSE
		EXECUTE format('SELECT to_jsonb(v) FROM meter_api.%I AS v WHERE v.organization_id = %L AND v.id = %L', TG_TABLE_NAME, org,
			meter.write_entity(TG_OP || ' ' || TG_TABLE_NAME, org, held ->> 'id', given, wanted -> 'version')) INTO result;
	END IF;
	NEW := jsonb_populate_record(NEW, result || jsonb_build_object('organization_id', org));
	RETURN NEW;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	IF meter.http_status(state, meter.http_code(state, detail)) IS NULL THEN
		RAISE;
	END IF;
	PERFORM meter.http_raise(state, message, detail, hint);
END
$function$;
COMMENT ON FUNCTION meter.write_view() IS 'Trigger: does what a statement asks of a row of a view of meter_api. Argument: the scope that claims of scopes must hold. Errors: PGRST with status and code, as PostgREST (12 or newer) renders them. Source: internal.';

CREATE FUNCTION meter.refuse_write() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	PERFORM meter.http_raise('25006', format('%s: no %s', TG_TABLE_NAME, TG_OP), 'METHOD_NOT_ALLOWED.', NULL);
END
$function$;
COMMENT ON FUNCTION meter.refuse_write() IS 'Trigger: what a view of meter_api is not written by. Nobody is granted that; without a trigger it would be an error of the server''s. Errors: PGRST with status 405. Source: internal.';

CREATE FUNCTION meter.make_writable(name text, operations text[] DEFAULT '{}', scope text DEFAULT NULL) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	others CONSTANT text[] := ARRAY(SELECT unnest('{INSERT,UPDATE,DELETE}'::text[]) EXCEPT SELECT unnest(operations));
BEGIN
	IF operations <> '{}' THEN
		EXECUTE format('CREATE OR REPLACE TRIGGER write_view INSTEAD OF %s ON meter_api.%I FOR EACH ROW EXECUTE FUNCTION meter.write_view(%L)',
			array_to_string(operations, ' OR '), name, scope);
		EXECUTE format('ALTER VIEW meter_api.%I ALTER COLUMN organization_id SET DEFAULT meter.tenant()', name);
	END IF;
	IF others <> '{}' THEN
		EXECUTE format('CREATE OR REPLACE TRIGGER refuse_write INSTEAD OF %s ON meter_api.%I FOR EACH ROW EXECUTE FUNCTION meter.refuse_write()',
			array_to_string(others, ' OR '), name);
	END IF;
END
$function$;
COMMENT ON FUNCTION meter.make_writable(text, text[], text) IS 'Says by which statements a view of meter_api is written. operations: of INSERT, UPDATE and DELETE, default none; scope: what claims of scopes must hold for them. Source: internal.';

SELECT meter.make_writable('organizations');
SELECT meter.make_writable('meters', '{INSERT,UPDATE,DELETE}', 'admin');
SELECT meter.make_writable('meter_versions');
SELECT meter.make_writable('customers', '{INSERT,UPDATE,DELETE}', 'admin');
SELECT meter.make_writable('subjects');
SELECT meter.make_writable('products', '{INSERT}', 'admin');
SELECT meter.make_writable('subscriptions', '{INSERT,UPDATE}', 'admin');
SELECT meter.make_writable('subscription_products');
SELECT meter.make_writable('meter_bindings', '{INSERT,UPDATE,DELETE}', 'admin');
SELECT meter.make_writable('thresholds', '{INSERT,UPDATE,DELETE}', 'admin');
SELECT meter.make_writable('devices', '{INSERT,UPDATE,DELETE}', 'admin');

-- PostgREST, if it listens, looks at what there is now.
NOTIFY pgrst, 'reload schema';
