-- Products and subscriptions.

CREATE FUNCTION meter.uuid_member(what text, document jsonb, member text) RETURNS uuid
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	value text := document ->> member;
BEGIN
	IF value IS NULL THEN
		RETURN NULL;
	ELSIF jsonb_typeof(document -> member) <> 'string' OR value !~ '^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$' THEN
		PERFORM meter.refuse_member(what, 'INVALID_UUID', member, member || ': expected a UUID of 36 characters');
	END IF;
	RETURN value::uuid;
END
$function$;
COMMENT ON FUNCTION meter.uuid_member(text, jsonb, text) IS 'A UUID of a document, null where it is missing or null. Errors: 22023. Source: internal.';

CREATE FUNCTION meter.create_product(organization_id uuid, definition jsonb) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	org uuid := create_product.organization_id;
	fields jsonb := coalesce(nullif(definition -> 'custom_fields', 'null'), '{}');
	created meter.product;
BEGIN
	PERFORM meter.require_organization(org);
	PERFORM meter.check_members('product', definition, '{id,code,name,custom_fields}');
	IF meter.text_member('product', definition, 'name', 200) IS NULL THEN
		PERFORM meter.refuse_member('product', 'MISSING_KEY', 'name', 'a product needs a name');
	END IF;
	IF jsonb_typeof(fields) <> 'object' OR EXISTS (SELECT FROM jsonb_each(fields) AS f WHERE jsonb_typeof(f.value) NOT IN ('string', 'number')) THEN
		PERFORM meter.refuse_member('product', 'INVALID_TYPE', 'custom_fields', 'custom_fields: expected an object of strings and numbers');
	END IF;
	INSERT INTO meter.product (organization_id, id, code, name, custom_fields)
		VALUES (org, coalesce(meter.uuid_member('product', definition, 'id'), gen_random_uuid()),
			meter.text_member('product', definition, 'code', 200), definition ->> 'name', fields)
		ON CONFLICT DO NOTHING
		RETURNING * INTO created;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'product "%" already exists', coalesce(definition ->> 'code', definition ->> 'id')
			USING ERRCODE = 'unique_violation';
	END IF;
	RETURN to_jsonb(created);
END
$function$;
COMMENT ON FUNCTION meter.create_product(uuid, jsonb) IS 'Creates a product. definition: object of name (1 to 200 characters), id (UUID, default a new one), code (1 to 200 characters, unique in the organization) and custom_fields (object of strings and numbers, which do not change any more: bindings may take included quantities from them). Result: the product document. Errors: 22023 with the JSON pointer of what is wrong, 23505 the id or code is taken, 42704 no such organization. Source: seed 002 (subscriptions with their products).';

CREATE FUNCTION meter.find_product(organization_id uuid, product text) RETURNS uuid
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	result uuid;
BEGIN
	PERFORM meter.require_tenant(organization_id);
	SELECT p.id INTO result FROM meter.product AS p
		WHERE p.organization_id = find_product.organization_id
			AND (p.code = find_product.product OR p.id::text = lower(find_product.product))
		ORDER BY p.code IS DISTINCT FROM find_product.product
		LIMIT 1;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'product "%" does not exist', coalesce(find_product.product, 'null')
			USING ERRCODE = 'undefined_object';
	END IF;
	RETURN result;
END
$function$;
COMMENT ON FUNCTION meter.find_product(uuid, text) IS 'The product of that code or id. Errors: 42704 no such product. Source: internal.';

CREATE FUNCTION meter.subscription_document(organization_id uuid, subscription_id uuid) RETURNS jsonb
	LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT pg_catalog.jsonb_build_object(
			'id', s.id, 'organization_id', s.organization_id, 'customer', s.customer_id,
			'products', pg_catalog.to_jsonb(s.products), 'status', s.status,
			'started_at', s.started_at, 'ended_at', s.ended_at, 'anchor', s.anchor,
			'period', s.period, 'time_zone', s.time_zone,
			'created_at', s.created_at, 'updated_at', s.updated_at)
		FROM meter.subscriptions AS s
		WHERE meter.require_tenant($1) IS NOT NULL AND s.organization_id = $1 AND s.id = $2;
END;
COMMENT ON FUNCTION meter.subscription_document(uuid, uuid) IS 'The subscription document: id, organization_id, customer, products, status, started_at, ended_at, anchor, period, time_zone, created_at, updated_at. Source: internal.';

CREATE FUNCTION meter.billing_window(definition jsonb, anchor timestamptz) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	period jsonb := coalesce(nullif(definition -> 'period', 'null'), '"month"');
	size jsonb;
	count jsonb;
	zone text := coalesce(meter.text_member('subscription', definition, 'time_zone', 100), 'UTC');
BEGIN
	IF jsonb_typeof(period) = 'object' THEN
		PERFORM meter.check_members('subscription period', period, '{size,count}');
		size := period -> 'size';
		count := coalesce(nullif(period -> 'count', 'null'), '1');
	ELSE
		size := period;
		count := '1';
	END IF;
	IF size IS NULL OR size <> ALL ('{"\"day\"","\"week\"","\"month\"","\"quarter\"","\"year\""}'::jsonb[]) THEN
		PERFORM meter.refuse_member('subscription', 'INVALID_WINDOW', 'period',
			'period: expected day, week, month, quarter or year, or an object of such a size and a count');
	ELSIF jsonb_typeof(count) <> 'number' OR count::numeric NOT BETWEEN 1 AND 1000 OR count::numeric <> trunc(count::numeric) THEN
		PERFORM meter.refuse_member('subscription', 'INVALID_WINDOW', 'period', 'period: expected a count of 1 to 1000');
	END IF;
	BEGIN
		PERFORM meter.window_bounds(jsonb_build_object('size', size, 'time_zone', zone), anchor);
	EXCEPTION
		WHEN invalid_parameter_value THEN
			PERFORM meter.refuse_member('subscription', 'INVALID_WINDOW', 'time_zone',
				'time_zone: expected an IANA time zone, such as Europe/Berlin');
		WHEN datetime_field_overflow THEN
			PERFORM meter.refuse_member('subscription', 'INVALID_TIME', 'anchor', 'anchor: expected the years 1 to 9999');
	END;
	RETURN jsonb_build_object('size', size, 'count', count, 'time_zone', zone);
END
$function$;
COMMENT ON FUNCTION meter.billing_window(jsonb, timestamptz) IS 'The checked size, count and time_zone of a subscription''s definition. Errors: 22023 with the JSON pointer of what is wrong. Source: internal.';

CREATE FUNCTION meter.set_subscription_products(organization_id uuid, subscription_id uuid, products jsonb) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	wanted uuid[];
BEGIN
	PERFORM meter.require_tenant(organization_id);
	products := coalesce(nullif(products, 'null'), '[]');
	IF jsonb_typeof(products) <> 'array' THEN
		PERFORM meter.refuse_member('subscription', 'INVALID_TYPE', 'products', 'products: expected an array of product ids or codes');
	ELSIF EXISTS (SELECT FROM jsonb_array_elements(products) AS p WHERE jsonb_typeof(p.value) <> 'string') THEN
		PERFORM meter.refuse_member('subscription', 'INVALID_TYPE', 'products', 'products: expected an array of product ids or codes');
	END IF;
	wanted := ARRAY(SELECT DISTINCT meter.find_product(set_subscription_products.organization_id, p.value)
		FROM jsonb_array_elements_text(products) AS p);
	DELETE FROM meter.subscription_product AS s
		WHERE s.organization_id = set_subscription_products.organization_id
			AND s.subscription_id = set_subscription_products.subscription_id
			AND s.product_id <> ALL (wanted);
	INSERT INTO meter.subscription_product (organization_id, subscription_id, product_id)
		SELECT set_subscription_products.organization_id, set_subscription_products.subscription_id, w.id
		FROM unnest(wanted) AS w(id)
		ON CONFLICT DO NOTHING;
END
$function$;
COMMENT ON FUNCTION meter.set_subscription_products(uuid, uuid, jsonb) IS 'Makes these the products of a subscription. products: array of ids or codes. Errors: 22023 no such array, 42704 no such product. Source: internal.';

CREATE FUNCTION meter.subscription_status(definition jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	status text := coalesce(definition ->> 'status', 'active');
BEGIN
	IF status NOT IN ('active', 'paused', 'cancelled') THEN
		PERFORM meter.refuse_member('subscription', 'INVALID_STATUS', 'status', 'status: expected active, paused or cancelled');
	END IF;
	RETURN status;
END
$function$;
COMMENT ON FUNCTION meter.subscription_status(jsonb) IS 'The status in a subscription''s definition, default active. Errors: 22023. Source: internal.';

CREATE FUNCTION meter.create_subscription(organization_id uuid, definition jsonb) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	org uuid := create_subscription.organization_id;
	created uuid;
	status text;
	started timestamptz;
	ended timestamptz;
	anchor timestamptz;
	period jsonb;
BEGIN
	PERFORM meter.require_organization(org);
	PERFORM meter.check_members('subscription', definition,
		'{id,customer,products,status,started_at,ended_at,anchor,period,time_zone}');
	IF meter.text_member('subscription', definition, 'customer', 1024) IS NULL THEN
		PERFORM meter.refuse_member('subscription', 'MISSING_KEY', 'customer', 'a subscription needs a customer');
	END IF;
	created := coalesce(meter.uuid_member('subscription', definition, 'id'), gen_random_uuid());
	status := meter.subscription_status(definition);
	started := coalesce(meter.time_member('subscription', definition, 'started_at'), now());
	ended := meter.time_member('subscription', definition, 'ended_at');
	IF status = 'cancelled' THEN
		ended := coalesce(ended, greatest(now(), started));
	END IF;
	IF ended < started THEN
		PERFORM meter.refuse_member('subscription', 'INVALID_TIME', 'ended_at', 'ended_at: must not be before started_at');
	END IF;
	anchor := coalesce(meter.time_member('subscription', definition, 'anchor'), started);
	period := meter.billing_window(definition, anchor);
	INSERT INTO meter.subscription (organization_id, id, customer_id, status, started_at, ended_at,
			anchor, period_size, period_count, time_zone)
		VALUES (org, created, (meter.find_customer(org, definition ->> 'customer')).id, status, started, ended,
			anchor, period ->> 'size', (period ->> 'count')::numeric::int, period ->> 'time_zone')
		ON CONFLICT (organization_id, id) DO NOTHING;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'subscription % already exists', created
			USING ERRCODE = 'unique_violation';
	END IF;
	PERFORM meter.set_subscription_products(org, created, definition -> 'products');
	RETURN meter.subscription_document(org, created);
END
$function$;
COMMENT ON FUNCTION meter.create_subscription(uuid, jsonb) IS 'Creates a subscription. definition: object of customer (id, code or alias), id (UUID, default a new one), products (array of ids or codes), status (active, paused or cancelled; default active), started_at (default now) and ended_at (RFC 3339; cancelled: default now), anchor (default started_at), period ("day", "week", "month", "quarter" or "year", or {"size","count"} with a count of 1 to 1000; default month) and time_zone (IANA name, default UTC). Billing periods are anchor + k * period, clamped in short months, cut at started_at and ended_at; they go on while it is paused. Where several subscriptions of a customer overlap, its billing periods are those of the one that started first. Result: the subscription document. Errors: 22023 with the JSON pointer of what is wrong, 23505 the id is taken, 42704 no such organization, customer or product. Source: seed 002 (subscriptions).';

CREATE FUNCTION meter.update_subscription(organization_id uuid, subscription uuid, patch jsonb) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	org uuid := update_subscription.organization_id;
	old meter.subscription;
	unchanged text;
	wanted text;
	ended timestamptz;
BEGIN
	PERFORM meter.require_tenant(organization_id);
	PERFORM meter.check_members('subscription patch', patch,
		'{id,customer,products,status,started_at,ended_at,anchor,period,time_zone}');
	FOREACH unchanged IN ARRAY '{id,customer,started_at,anchor,period,time_zone}'::text[] LOOP
		IF patch ? unchanged THEN
			PERFORM meter.refuse_member('subscription patch', 'IMMUTABLE', unchanged,
				unchanged || ' cannot change; end this subscription and create another');
		END IF;
	END LOOP;
	SELECT s.* INTO old FROM meter.subscription AS s
		WHERE s.organization_id = org AND s.id = update_subscription.subscription FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'subscription % does not exist', coalesce(update_subscription.subscription::text, 'null')
			USING ERRCODE = 'undefined_object';
	END IF;
	wanted := CASE WHEN patch ? 'status' THEN meter.subscription_status(patch) ELSE old.status END;
	IF old.status = 'cancelled' AND wanted <> 'cancelled' THEN
		RAISE EXCEPTION 'subscription % is cancelled', old.id
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Create another one.';
	END IF;
	ended := CASE WHEN patch ? 'ended_at' THEN meter.time_member('subscription patch', patch, 'ended_at') ELSE old.ended_at END;
	IF wanted = 'cancelled' THEN
		ended := coalesce(ended, greatest(now(), old.started_at));
	END IF;
	IF ended < old.started_at THEN
		PERFORM meter.refuse_member('subscription patch', 'INVALID_TIME', 'ended_at', 'ended_at: must not be before started_at');
	END IF;
	IF ended IS DISTINCT FROM old.ended_at THEN
		PERFORM meter.unsettle_accounts(org, old.customer_id, '{}');
	END IF;
	UPDATE meter.subscription AS s SET status = wanted, ended_at = ended, updated_at = now()
		WHERE s.organization_id = org AND s.id = old.id;
	IF patch ? 'products' THEN
		PERFORM meter.set_subscription_products(org, old.id, patch -> 'products');
	END IF;
	RETURN meter.subscription_document(org, old.id);
END
$function$;
COMMENT ON FUNCTION meter.update_subscription(uuid, uuid, jsonb) IS 'Changes a subscription. patch: object of status (active, paused or cancelled, which is for ever), ended_at (RFC 3339; cancelled: default now) and products (ids or codes, replacing those there were). Its start, period, anchor and zone cannot change, since invoices were made by them: end it and create another one. Result: the subscription document. Errors: 22023 with the JSON pointer of what is wrong, 42704 no such subscription or product, 55000 it is cancelled. Source: seed 002 (subscriptions).';
