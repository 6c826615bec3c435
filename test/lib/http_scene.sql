-- An organization with something of everything, another one beside it, and the
-- operations of meter_api as the catalog has them.  To be included by tests, in
-- their transaction:
--
--   \ir ../lib/http_scene.sql
--
-- The organization is 5cee...0001, the other one, whose texts all say FOREIGN,
-- 5cee...0002.  Its meters are tokens (id 5cee...0011) and m3ter (of seed 003's
-- make), its device is the one of device_id().
\ir http.sql
DO $$ BEGIN PERFORM meter.create_store(); END $$;

CREATE FUNCTION org() RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT '5cee0000-0000-4000-8000-000000000001'::uuid $$;
CREATE FUNCTION foreign_org() RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT '5cee0000-0000-4000-8000-000000000002'::uuid $$;
CREATE FUNCTION claims(role text, scope text DEFAULT 'read admin meter-report') RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('role', role, 'organization_id', org(), 'sub', 'ada', 'scope', scope)
$$;

DO $scene$
DECLARE
	o uuid;
	mark text;
BEGIN
	FOREACH o IN ARRAY ARRAY[org(), foreign_org()] LOOP
		mark := CASE WHEN o = org() THEN 'own' ELSE 'FOREIGN' END;
		PERFORM meter.create_organization(mark, o);
		PERFORM meter.create_meter(o, jsonb_build_object('key', 'tokens', 'name', mark || ' tokens', 'metric_key', 'tokens', 'function', 'sum',
			'value_field', '$.value', 'dimensions', '{"model": "$.model"}'::jsonb, 'description', mark,
			'event_schema', '{"type": "object", "properties": {"model": {"enum": ["small", "large"]}}}'::jsonb));
		PERFORM meter.update_meter(o, 'tokens', jsonb_build_object('unit_label', mark));
		PERFORM meter.create_meter(o, jsonb_build_object('key', 'm3ter', 'name', mark || ' m3ter', 'metric_key', 'm3ter', 'function', 'count',
			'data_fields', '[{"category": "MEASURE", "code": "n", "name": "N", "unit": "1"}]'::jsonb, 'derived_fields', '[]'::jsonb));
		PERFORM meter.create_meter(o, jsonb_build_object('key', 'energy', 'name', mark || ' energy', 'metric_key', 'meter.reading', 'function', 'sum',
			'value_field', '$.quantity'));
		PERFORM meter.create_meter(o, jsonb_build_object('key', 'old', 'name', mark || ' old', 'metric_key', 'old', 'function', 'count'));
		PERFORM meter.create_customer(o, jsonb_build_object('id', 'ada', 'name', mark || ' Ada', 'aliases', '["lady"]'::jsonb));
		PERFORM meter.create_product(o, jsonb_build_object('code', 'gold', 'name', mark || ' gold'));
		PERFORM meter.bind_product(o, 'gold', 'tokens', '{"pricing_var_name": "tokens", "included_quantity_source": 100}');
		PERFORM meter.create_subscription(o, jsonb_build_object('id', CASE WHEN o = org() THEN '5cee0000-0000-4000-8000-000000000021' ELSE '5cee0000-0000-4000-8000-000000000022' END,
			'customer', 'ada', 'products', '["gold"]'::jsonb, 'started_at', '2025-01-01T00:00:00Z', 'anchor', '2025-01-01T00:00:00Z'));
		PERFORM meter.create_threshold(o, jsonb_build_object('name', 'told', 'meter', 'tokens', 'threshold_value', 1));
		PERFORM meter.create_threshold(o, jsonb_build_object('name', 'quota', 'meter', 'tokens', 'threshold_value', 1000, 'action_kind', 'block'));
		PERFORM meter.create_threshold(o, jsonb_build_object('name', 'paused', 'meter', 'tokens', 'threshold_value', 1000));
		PERFORM meter.pause_threshold(o, 'paused');
		PERFORM meter.create_device(o, jsonb_build_object('name', mark || ' hall', 'serial_number', mark || '-1', 'meter_type', 'ELECTRICITY',
			'communication_type', 'NONE'));
		PERFORM meter.record_reading(o, mark || '-1', 10, '2025-01-01T00:00:00Z');
		PERFORM meter.record_reading(o, mark || '-1', 25, '2025-02-01T00:00:00Z');
		PERFORM meter.report_usage(o, jsonb_build_object('value', 7, 'meterName', 'tokens', 'customerId', 'ada',
			'timestamp', '2025-01-10T00:00:00Z', 'metadata', '{"model": "small"}'::jsonb), 'first');
		PERFORM meter.ingest(o, json_build_array(
			json_build_object('id', 'e1', 'source', mark, 'type', 'tokens', 'subject', 'ada', 'time', '2025-01-11T00:00:00Z', 'data', json_build_object('value', 5, 'model', 'large')),
			json_build_object('id', 'bad', 'source', mark, 'type', 'tokens', 'subject', 'ada', 'time', '2025-01-11T00:00:00Z', 'data', json_build_object('value', mark))));
		PERFORM meter.archive_meter(o, 'old', mark);
	END LOOP;
	PERFORM meter.close_windows();
END
$scene$;

CREATE FUNCTION meter_id(wanted text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT id::text FROM meter.meters WHERE organization_id = org() AND key = wanted
$$;
CREATE FUNCTION device_id() RETURNS text LANGUAGE sql STABLE AS $$
	SELECT min(id)::text FROM meter.devices WHERE organization_id = org()
$$;

-- A function's comment begins with its route: GET /meters/{id}/versions?status=a: …
-- fields: 'path' takes no argument, 'body' one unnamed json, 'named' named ones.
CREATE VIEW operation AS
	SELECT p.oid, p.proname::text AS name, coalesce(r.route[1], CASE WHEN p.provolatile = 'v' THEN 'POST' ELSE 'GET' END) AS method,
		coalesce(r.route[2], '/rpc/' || p.proname) AS path, p.provolatile AS volatility, p.proretset AS many,
		CASE WHEN p.pronargs = 0 THEN 'path' WHEN p.pronargs = 1 AND coalesce(p.proargnames[1], '') = '' THEN 'body' ELSE 'named' END AS takes
	FROM pg_proc AS p, LATERAL (SELECT regexp_match(obj_description(p.oid), '^(GET|POST|PUT|PATCH|DELETE) (/[^?: ]*)') AS route) AS r
	WHERE p.pronamespace = 'meter_api'::regnamespace AND p.prokind = 'f' AND p.prorettype <> 'trigger'::regtype
		-- what takes a row is a computed column or relationship
		AND NOT EXISTS (SELECT FROM unnest(p.proargtypes) AS t (oid) JOIN pg_type AS y ON y.oid = t.oid WHERE y.typtype = 'c');

-- The request line of a request that is right, for what the scene has.
CREATE FUNCTION request_uri(op operation) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT replace(replace(replace(replace(replace(op.path, '{orgId}', org()::text),
			'{meterId}', meter_id('tokens')), '{version}', '1'), '{n}', '1'),
			'{id}', CASE WHEN op.path LIKE '/api/v1/%' THEN device_id() WHEN op.path LIKE '/organizations/%' THEN meter_id('m3ter') ELSE meter_id('tokens') END)
		|| CASE WHEN op.path LIKE '/api/v1/%' THEN '?account_id=' || org() WHEN op.path = '/meters/subscriptions' THEN '?meterName=tokens' ELSE '' END
$$;

-- And its body.
CREATE FUNCTION request_body(name text) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT CASE name
		WHEN 'create_meter' THEN '{"key": "calls", "name": "Calls", "metric_key": "call", "function": "sum", "value_field": "$.n", "unique_by_field": null,
			"dimensions": {"model": "$.model"}, "dedup_key_path": "$.id", "event_schema": {"type": "object"}, "late_event_policy": {"mode": "revise", "grace": "1 hour"},
			"negative_allowed": false, "unit_label": "calls", "unit_currency_field": null, "window": {"size": "month"},
			"filter_tree": {"field": "$.region", "op": "eq", "value": "eu"}}'
		WHEN 'update_meter' THEN '{"name": "Renamed", "dimensions": {"model": "$.model"}, "event_schema": null, "late_event_policy": null, "value_field": "$.value"}'
		WHEN 'create_organization_meter' THEN '{"name": "Made", "code": "made", "dataFields": [{"category": "MEASURE", "code": "n", "name": "N", "unit": "1"}],
			"derivedFields": [{"category": "MEASURE", "code": "twice", "name": "Twice", "calculation": "n * 2", "unit": "1"}], "customFields": {"tier": "gold"}}'
		WHEN 'update_organization_meter' THEN '{"name": "Made", "code": "m3ter", "version": 1, "dataFields": [{"category": "MEASURE", "code": "n", "name": "N", "unit": "1"}],
			"derivedFields": []}'
		WHEN 'create_profiled_meter' THEN '{"name": "Made", "code": "made", "event": "made", "description": "Made", "account_mapping": {"type": "id", "event_property": "account"},
			"profiles": [{"name": "Sum", "code": "sum", "recurring": false, "aggregation_property": "n", "aggregation_method": "sum", "aggregation_time_window": "hour",
			"filters": [{"property": "region", "operator": "in", "value": ["eu"]}]}]}'
		WHEN 'update_profiled_meter' THEN '{"name": "Made"}'
		WHEN 'create_device' THEN jsonb_build_object('account_id', org(), 'name', 'Cellar', 'serial_number', 'own-2', 'meter_type', 'WATER', 'communication_type', 'MQTT',
			'location', 'Cellar', 'billing_direction', 'ACCREC', 'building_block_id', 1)
		WHEN 'update_device' THEN jsonb_build_object('account_id', org(), 'name', 'Hall', 'description', 'In the hall', 'reading_interval', 900, 'gateway_id', 1)
		WHEN 'create_device_readings' THEN jsonb_build_object('account_id', org(), 'value', 30, 'read_at', '2025-03-01T00:00:00Z')
		WHEN 'report_meter_usage' THEN '{"value": 1, "customerId": "ada", "meterName": "tokens", "timestamp": "2025-01-12T00:00:00Z", "metadata": {"model": "small"}}'
		WHEN 'create_customer' THEN '{"name": "Bob", "id": "bob"}'
		WHEN 'update_customer' THEN '{"name": "Bob"}'
		WHEN 'create_product' THEN '{"name": "Silver", "code": "silver"}'
		WHEN 'create_subscription' THEN '{"customer": "ada", "products": ["gold"]}'
		WHEN 'update_subscription' THEN '{"status": "paused"}'
		WHEN 'create_threshold' THEN '{"name": "other", "meter": "tokens", "threshold_value": 5}'
		WHEN 'bind_product' THEN '{"pricing_var_name": "other"}'
		WHEN 'update_binding' THEN '{"pricing_var_name": "another"}'
		WHEN 'ingest' THEN '[{"id": "e2", "source": "s", "type": "tokens", "subject": "ada", "time": "2025-01-12T00:00:00Z", "data": {"value": 1, "model": "small"}}]'
	END::jsonb
$$;

-- A plausible argument of a function: its SQL, by its name, else by its type; DEFAULT
-- for one that is better left out.
CREATE FUNCTION argument(function text, name text, type regtype) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT CASE
		WHEN name IN ('definition', 'patch') AND request_body(function) IS NOT NULL THEN quote_literal(request_body(function))
		WHEN function = 'unlink_subject' AND name = 'subject' THEN '''lady'''
		WHEN function = 'resume_threshold' AND name = 'threshold' THEN '''paused'''
		WHEN name = 'organization_id' OR type = 'uuid'::regtype AND name ~ 'organization|wanted' THEN quote_literal(org())
		WHEN name = 'meter_id' THEN quote_literal(meter_id('tokens'))
		WHEN name = 'meter' AND type = 'text'::regtype THEN '''tokens'''
		WHEN name = 'customer' OR name = 'subject' THEN '''ada'''
		WHEN name = 'customer_id' THEN format('(SELECT c.id FROM meter.customer AS c WHERE c.organization_id = org() LIMIT 1)')
		WHEN name IN ('subscription', 'subscription_id') AND type IN ('text'::regtype, 'uuid'::regtype) THEN '''5cee0000-0000-4000-8000-000000000021'''
		WHEN name = 'product' AND type = 'text'::regtype THEN '''gold'''
		WHEN name = 'product_id' THEN '(SELECT p.id FROM meter.product AS p WHERE p.organization_id = org() LIMIT 1)'
		WHEN name IN ('binding', 'binding_id') AND type IN ('text'::regtype, 'uuid'::regtype) THEN '(SELECT b.id FROM meter.binding AS b WHERE b.organization_id = org() LIMIT 1)'
		WHEN name = 'threshold' THEN '''told'''
		WHEN name = 'threshold_id' THEN '(SELECT t.id FROM meter.threshold AS t WHERE t.organization_id = org() LIMIT 1)'
		WHEN name = 'device' AND type = 'text'::regtype THEN quote_literal(device_id())
		WHEN name = 'device_id' THEN device_id()
		WHEN name IN ('period_from', 'window_start', 'period_start') THEN '''2025-01-01T00:00:00Z'''
		WHEN name IN ('period_to', 'window_end', 'period_end') THEN '''2025-02-01T00:00:00Z'''
		WHEN name IN ('window_size', 'profile', 'currency', 'only_currency', 'only_meter', 'time_zone', 'as_of', 'after_time', 'after_seq', 'page_size', 'source', 'group_by', 'ids', 'quality') THEN 'DEFAULT'
		WHEN name IN ('filter', 'filter_tree') THEN '''{"field": "model", "op": "eq", "value": "small"}'''
		WHEN name = 'dimensions' AND type = 'jsonb'::regtype THEN '''{"model": "small"}'''
		WHEN name IN ('readings', 'leaves') THEN '''[]'''
		WHEN name = 'expression' THEN '''1 + 1'''
		WHEN name = 'report' THEN quote_literal(request_body('report_meter_usage'))
		WHEN name = 'events' THEN quote_literal(request_body('ingest'))
		WHEN name = 'idempotency_key' THEN '''key'''
		WHEN name = 'window' THEN '''{"size": "month", "count": 1, "time_zone": "UTC"}'''
		WHEN name = 'settings' OR name = 'options' THEN '''{}'''
		WHEN name = 'version' THEN '1'
		WHEN name = 'name' THEN '''name'''
		WHEN name = 'scope' THEN '''read'''
		WHEN name = 'function' THEN '''sum'''
		WHEN type = 'text'::regtype THEN '''text'''
		WHEN type IN ('jsonb'::regtype, 'json'::regtype) THEN '''{}'''
		WHEN type = 'uuid'::regtype THEN quote_literal(org())
		WHEN type = 'boolean'::regtype THEN 'true'
		WHEN type IN ('integer'::regtype, 'bigint'::regtype, 'numeric'::regtype) THEN '1'
		WHEN type = 'timestamptz'::regtype THEN '''2025-01-15T00:00:00Z'''
		WHEN type = 'interval'::regtype THEN '''1 hour'''
		WHEN type = 'meter.usage_state'::regtype THEN '(SELECT meter.usage_agg(''sum'', 1::numeric))'
		WHEN type::text LIKE '%[]' THEN '''{}'''
		ELSE 'NULL' END
$$;
