-- Seed 002: which subscriptions can report usage to a meter, and reporting it.

CREATE FUNCTION meter.http_reporter() RETURNS uuid
	LANGUAGE c STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off
	AS 'MODULE_PATHNAME', 'meter_http_reporter';
COMMENT ON FUNCTION meter.http_reporter() IS 'The organization that a list of seed 002 is asked for: the one of the claims, which must hold the scope meter-report or admin (a trusted role needs no claim of scopes), if its setting licenses is absent or holds metered_products and subscription. Errors: 42501 (as for meter.http_organization, LICENSE.REQUIRED). Source: seed 002 (required scope, LICENSE.REQUIRED).';

CREATE FUNCTION meter.http_reporting_meter(organization_id uuid, meter text, by_name boolean) RETURNS meter.meters
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	org uuid := meter.require_tenant(organization_id);
	wanted uuid := meter.uuid_or_null(meter);
	ids uuid[];
	head meter.meters;
BEGIN
	-- by name a key comes first, else an id
	SELECT array_agg(m.id ORDER BY (m.key = http_reporting_meter.meter) DESC) INTO ids FROM meter.meter AS m
		WHERE m.organization_id = org AND (m.key = http_reporting_meter.meter OR m.id = wanted);
	IF NOT by_name AND wanted = ANY (ids) THEN
		ids := ARRAY[wanted];
	ELSIF by_name AND ids IS NULL THEN
		-- as meter.report_usage() finds it
		ids := ARRAY(SELECT m.id FROM meter.meters AS m WHERE m.organization_id = org AND m.name = http_reporting_meter.meter LIMIT 2);
		IF cardinality(ids) > 1 THEN
			RAISE EXCEPTION 'several meters are named "%"', meter
				USING ERRCODE = 'ambiguous_function', HINT = 'Use the meter''s key or id.';
		END IF;
	END IF;
	SELECT m.* INTO head FROM meter.meters AS m WHERE m.organization_id = org AND m.id = ids[1];
	IF NOT FOUND THEN
		RAISE EXCEPTION 'meter "%" does not exist', left(meter, 100)
			USING ERRCODE = 'undefined_object', DETAIL = 'METER_NOT_FOUND.';
	END IF;
	RETURN head;
END
$function$;
COMMENT ON FUNCTION meter.http_reporting_meter(uuid, text, boolean) IS 'The meter of that key or id, or where by_name of that name. Errors: 42704 METER_NOT_FOUND, 42725 several meters have the name. Source: internal.';

CREATE FUNCTION meter.http_meter_subscriptions(head meter.meters) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	found jsonb;
BEGIN
	WITH prices AS (
		SELECT sp.subscription_id, b.product_id,
			jsonb_agg(jsonb_build_object('pricingVarName', b.pricing_var_name, 'role', b.role) ORDER BY b.pricing_var_name) AS prices
		FROM meter.binding AS b
		JOIN meter.subscription_product AS sp ON sp.organization_id = b.organization_id AND sp.product_id = b.product_id
		WHERE b.organization_id = head.organization_id AND b.meter_id = head.id AND b.unbound_at IS NULL
		GROUP BY sp.subscription_id, b.product_id
	), products AS (
		SELECT p.subscription_id, jsonb_agg(jsonb_build_object('productId', d.id, 'productName', d.name, 'productCode', d.code,
			'prices', p.prices) ORDER BY d.name, d.id) AS products
		FROM prices AS p
		JOIN meter.product AS d ON d.organization_id = head.organization_id AND d.id = p.product_id
		GROUP BY p.subscription_id
	)
	SELECT jsonb_agg(jsonb_build_object('subscriptionId', s.id, 'customerId', s.customer_id, 'customerName', c.name,
			'status', s.status, 'startedAt', s.started_at, 'endedAt', s.ended_at, 'products', p.products) ORDER BY s.started_at, s.id)
		INTO found
		FROM products AS p
		JOIN meter.subscription AS s ON s.organization_id = head.organization_id AND s.id = p.subscription_id
		JOIN meter.customer AS c ON c.organization_id = s.organization_id AND c.id = s.customer_id
		WHERE s.status = 'active' AND s.started_at <= now() AND coalesce(s.ended_at, 'infinity') > now();
	RETURN jsonb_build_object('meterId', head.id, 'meterName', head.name, 'subscriptions', coalesce(found, '[]'));
END
$function$;
COMMENT ON FUNCTION meter.http_meter_subscriptions(meter.meters) IS 'The subscriptions under way, not paused, that hold a product bound to a meter, whatever the role. Source: seed 002 (GET /meters/{meterId}/subscriptions).';

CREATE FUNCTION meter.http_list_meter_subscriptions(body jsonb) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	organization uuid := meter.http_reporter();
BEGIN
	PERFORM meter.http_known_parameters();
	RETURN meter.http_meter_subscriptions(meter.http_reporting_meter(organization, (meter.http_path())[2], false));
END
$function$;
COMMENT ON FUNCTION meter.http_list_meter_subscriptions(jsonb) IS 'Operation of meter_api.list_meter_subscriptions. Source: internal.';

CREATE FUNCTION meter_api.list_meter_subscriptions() RETURNS jsonb
	LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT meter.http_answer('http_list_meter_subscriptions');
END;
COMMENT ON FUNCTION meter_api.list_meter_subscriptions() IS 'GET /meters/{meterId}/subscriptions: the subscriptions, with their products, that can report usage to a meter (id or key): those under way, not paused, that hold a product bound to it. Result: 200 {"meterId", "meterName", "subscriptions": [{"subscriptionId", "customerId", "customerName", "status", "startedAt", "endedAt", "products": [{"productId", "productName", "productCode", "prices": [{"pricingVarName", "role"}]}]}]}. Needs the scope meter-report. Errors: 400 a parameter, 401, 403 (INSUFFICIENT_SCOPE, LICENSE.REQUIRED), 404 METER_NOT_FOUND. Source: seed 002 (GET /meters/{meterId}/subscriptions).';

CREATE FUNCTION meter.http_find_meter_subscriptions(body jsonb) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	organization uuid := meter.http_reporter();
	meter text := meter.http_parameter('meterName');
BEGIN
	PERFORM meter.http_known_parameters('meterName');
	IF meter IS NULL THEN
		PERFORM meter.refuse_parameter('meterName', 'expected the name of a meter', 'METER_IDENTIFIER_REQUIRED');
	END IF;
	RETURN meter.http_meter_subscriptions(meter.http_reporting_meter(organization, meter, true));
END
$function$;
COMMENT ON FUNCTION meter.http_find_meter_subscriptions(jsonb) IS 'Operation of meter_api.find_meter_subscriptions. Source: internal.';

CREATE FUNCTION meter_api.find_meter_subscriptions() RETURNS jsonb
	LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT meter.http_answer('http_find_meter_subscriptions');
END;
COMMENT ON FUNCTION meter_api.find_meter_subscriptions() IS 'GET /meters/subscriptions?meterName=: as meter_api.list_meter_subscriptions() for a meter by its key, id or, where none has that key, its name. Errors: 400 METER_IDENTIFIER_REQUIRED, 401, 403 (INSUFFICIENT_SCOPE, LICENSE.REQUIRED), 404 METER_NOT_FOUND, 409 AMBIGUOUS (several meters have that name). Source: seed 002 (GET /meters/subscriptions).';

CREATE FUNCTION meter_api.report_meter_usage(json) RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off
	AS 'MODULE_PATHNAME', 'meter_api_report_meter_usage';
COMMENT ON FUNCTION meter_api.report_meter_usage(json) IS 'POST /meters/usage: reports usage to one meter, with a key in the header Idempotency-Key or x-api-idempotency-key (1 to 255 bytes; in both: the same). Body: the report of meter.report_usage(): value, customerId, meterId or meterName, timestamp, metadata. Result: 202 {"status": "queued", "requestId"}, where the usage is counted once the answer is there, or 200 {"status": "duplicate", "idempotencyKey"} where the key came before with the same report. Needs the scope meter-report. Errors: 400 (IDEMPOTENCY_KEY_REQUIRED, INVALID_IDEMPOTENCY_KEY, METER_IDENTIFIER_REQUIRED, METER_ARCHIVED, METER_NOT_PUBLISHED, and why a report is bad or the meter rejects it, with the place in it), 401, 403 (INSUFFICIENT_SCOPE), 404 METER_NOT_FOUND, 409 (IDEMPOTENCY_CONFLICT: the key came before with another report; AMBIGUOUS: several meters have that name), 429 QUOTA_EXCEEDED with Retry-After (or 402, by the organization''s setting quota_status). Nothing is kept of what is refused, its key is free. Source: seed 002 (POST /meters/usage).';
