-- Balances: what a billing period includes, what was used of it, what is left.
--
-- An account is a binding, one set of dimension values of its overlay (or all
-- the others) and a currency.  Each period grants it an included quantity.
-- Usage takes first what was rolled over, the oldest first, since that expires
-- first; then the period's own; what is left of that rolls over, where the terms
-- say so.  What was rolled over into a period follows from all periods before
-- it, so it is computed from the subscription's first one on: nothing is stored,
-- a late event or a void changes every period after it, as it should.
--
-- Quantities come from meter.usage() over each period: the customer's usage, as
-- in every other question about it.  A pinned version measures all of the period
-- (meter.usage_by_version), whichever versions were in force.

CREATE FUNCTION meter.find_subscription(organization_id uuid, subscription text) RETURNS meter.subscription
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	result meter.subscription;
BEGIN
	PERFORM meter.require_tenant(organization_id);
	SELECT s.* INTO result FROM meter.subscription AS s
		WHERE s.organization_id = find_subscription.organization_id AND s.id::text = lower(find_subscription.subscription);
	IF NOT FOUND THEN
		RAISE EXCEPTION 'subscription "%" does not exist', coalesce(find_subscription.subscription, 'null')
			USING ERRCODE = 'undefined_object';
	END IF;
	RETURN result;
END
$function$;
COMMENT ON FUNCTION meter.find_subscription(uuid, text) IS 'The subscription of that id. Errors: 42704 no such subscription. Source: internal.';

CREATE FUNCTION meter.subscription_periods(subscription meter.subscription, up_to timestamptz, whole boolean,
		OUT window_start timestamptz, OUT window_end timestamptz, OUT period_start timestamptz, OUT period_end timestamptz)
	RETURNS SETOF record
	LANGUAGE plpgsql STABLE ROWS 12
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	definition jsonb := jsonb_build_object('size', subscription.period_size, 'count', subscription.period_count,
		'time_zone', subscription.time_zone, 'anchor', subscription.anchor);
BEGIN
	-- before the start, after the end and at the infinities there are none
	IF up_to >= subscription.started_at AND up_to < coalesce(subscription.ended_at, 'infinity') THEN
		RETURN QUERY SELECT w.window_start, w.window_end, greatest(w.window_start, subscription.started_at),
				least(w.window_end, subscription.ended_at)
			FROM meter.windows(definition, CASE WHEN whole THEN subscription.started_at ELSE up_to END, up_to + '1 microsecond') AS w
			ORDER BY w.window_start;
	END IF;
END
$function$;
COMMENT ON FUNCTION meter.subscription_periods(meter.subscription, timestamptz, boolean) IS 'The billing periods of a subscription, from the first one (whole) or only that one that holds up_to: the whole windows, and the periods as they are cut where the subscription starts and ends. No rows where it has none at up_to. Source: internal.';

CREATE FUNCTION meter.terms_at(organization_id uuid, binding_id uuid, period_end timestamptz) RETURNS SETOF meter.binding_terms
	LANGUAGE sql STABLE ROWS 1
BEGIN ATOMIC
	SELECT t.* FROM meter.binding_terms AS t
		WHERE meter.require_tenant($1) IS NOT NULL AND t.organization_id = $1 AND t.binding_id = $2 AND t.effective_from < $3
		ORDER BY t.effective_from DESC LIMIT 1;
END;
COMMENT ON FUNCTION meter.terms_at(uuid, uuid, timestamptz) IS 'The terms of a binding in the billing period that ends then; no row where it was not bound yet. Source: internal.';

-- An account's filter: its dimensions, or for the rest none of those that have
-- accounts of their own.
CREATE FUNCTION meter.account_filter(overlays jsonb, dimensions jsonb) RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN dimensions IS NOT NULL THEN (
			SELECT pg_catalog.jsonb_build_object('and', pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('field', d.key, 'op', 'eq', 'value', d.value)))
			FROM pg_catalog.jsonb_each(dimensions) AS d)
		WHEN overlays <> '[]' THEN (
			SELECT pg_catalog.jsonb_build_object('not', pg_catalog.jsonb_build_object('or', pg_catalog.jsonb_agg(
				(SELECT pg_catalog.jsonb_build_object('and', pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('field', d.key, 'op', 'eq', 'value', d.value)))
				FROM pg_catalog.jsonb_each(o.entry -> 'dimensions') AS d))))
			FROM pg_catalog.jsonb_array_elements(overlays) AS o (entry)) END;
END;
COMMENT ON FUNCTION meter.account_filter(jsonb, jsonb) IS 'The filter, for meter.usage(), of the account with these dimension values (null: the rest) of a binding with that overlay. Source: internal.';

CREATE FUNCTION meter.granted(terms meter.binding_terms, product_id uuid, dimensions jsonb) RETURNS numeric
	LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT COALESCE(CASE
		WHEN dimensions IS NOT NULL THEN (
			SELECT (o.entry -> 'quantity')::numeric
			FROM pg_catalog.jsonb_array_elements((terms).overlay_dimensions_keyed) AS o (entry)
			WHERE o.entry -> 'dimensions' = dimensions)
		WHEN (terms).included_quantity_source ->> 'kind' = 'static' THEN ((terms).included_quantity_source -> 'quantity')::numeric
		ELSE meter.plan_field((terms).organization_id, product_id, (terms).included_quantity_source ->> 'field') END, 0);
END;
COMMENT ON FUNCTION meter.granted(meter.binding_terms, uuid, jsonb) IS 'What a whole period includes by these terms for an account (dimension values; null: the rest). Source: internal.';

CREATE FUNCTION meter.period_usage(subscription meter.subscription, terms meter.binding_terms, period_start timestamptz, period_end timestamptz, dimensions jsonb)
	RETURNS TABLE (currency text, version int, value numeric)
	LANGUAGE plpgsql STABLE ROWS 1
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	filter CONSTANT jsonb := meter.account_filter(terms.overlay_dimensions_keyed, dimensions);
BEGIN
	IF terms.version IS NULL THEN
		RETURN QUERY SELECT u.currency, u.version, u.value
			FROM meter.usage(subscription.organization_id, terms.meter_id::text, period_start, period_end,
				subject => subscription.customer_id, filter => filter) AS u
			ORDER BY u.window_start, u.version;
	ELSE
		RETURN QUERY SELECT u.currency, u.version, u.value
			FROM meter.usage_by_version(subscription.organization_id, terms.meter_id::text, period_start, period_end,
				subscription.customer_id, filter, terms.version) AS u;
	END IF;
END
$function$;
COMMENT ON FUNCTION meter.period_usage(meter.subscription, meter.binding_terms, timestamptz, timestamptz, jsonb) IS 'Usage in a billing period of an account by its binding''s terms, by currency and version: by whichever versions measured it, or all of it by the one that is pinned. Source: internal.';

-- What is rolled over, as two arrays: how much, and up to which period; the
-- oldest first.  Nothing that is there is 0.
CREATE FUNCTION meter.spend(INOUT amounts numeric[], INOUT expiries int[], INOUT quantity numeric) RETURNS record
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	taken numeric;
BEGIN
	WHILE quantity > 0 AND cardinality(amounts) > 0 LOOP
		taken := least(amounts[1], quantity);
		quantity := quantity - taken;
		IF taken < amounts[1] THEN
			amounts[1] := amounts[1] - taken;
		ELSE
			amounts := amounts[2:];
			expiries := expiries[2:];
		END IF;
	END LOOP;
END
$function$;
COMMENT ON FUNCTION meter.spend(numeric[], int[], numeric) IS 'Takes a quantity from what is rolled over, the oldest first: what is then left, and what could not be taken. Source: internal.';

CREATE FUNCTION meter.account(binding meter.binding, subscription meter.subscription, at timestamptz, dimensions jsonb, only_currency text)
	RETURNS TABLE (currency text, version int, quantity numeric, included numeric, rolled_over numeric, remaining numeric, overage numeric)
	LANGUAGE plpgsql STABLE ROWS 1
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_variable
DECLARE
	period record;
	terms meter.binding_terms;
	ordinal int := 0;
	amounts numeric[] := '{}';
	expiries int[] := '{}';
	granted numeric;
	carried numeric;
	excess numeric;
	own numeric;
	spent numeric;
	versions int[];
	quantities numeric[];
	is_last boolean;
BEGIN
	FOR period IN
		SELECT p.*, row_number() OVER (ORDER BY p.period_start DESC) = 1 AS is_asked
		FROM meter.subscription_periods(subscription, at, EXISTS (SELECT FROM meter.binding_terms AS t
			WHERE t.organization_id = binding.organization_id AND t.binding_id = binding.id AND t.rollover_eligible)) AS p
		ORDER BY p.period_start
	LOOP
		ordinal := ordinal + 1;
		SELECT t.* INTO terms FROM meter.terms_at(binding.organization_id, binding.id, period.period_end) AS t;
		CONTINUE WHEN NOT FOUND;
		granted := meter.granted(terms, binding.product_id, dimensions);
		IF terms.prorated AND period.period_start > period.window_start THEN
			granted := trim_scale(round(granted * extract(epoch FROM period.window_end - period.period_start)
				/ extract(epoch FROM period.window_end - period.window_start), 12));
		END IF;
		-- too old, or beyond the cap: the oldest go
		WHILE expiries[1] < ordinal LOOP
			amounts := amounts[2:];
			expiries := expiries[2:];
		END LOOP;
		carried := coalesce((SELECT sum(a) FROM unnest(amounts) AS a), 0);
		SELECT s.amounts, s.expiries INTO amounts, expiries FROM meter.spend(amounts, expiries, carried - terms.rollover_cap) AS s;
		carried := least(carried, terms.rollover_cap);
		-- Versions that do not agree are rows of their own; what there is goes to
		-- the earlier ones first, and the last has what is left.
		SELECT coalesce(array_agg(u.version), ARRAY[terms.version]), coalesce(array_agg(coalesce(u.value, 0)), '{0}')
			INTO versions, quantities
			FROM meter.period_usage(subscription, terms, period.period_start, period.period_end, dimensions) AS u
			WHERE u.currency IS NOT DISTINCT FROM only_currency;
		FOR i IN 1 .. cardinality(versions) LOOP
			is_last := i = cardinality(versions);
			spent := greatest(quantities[i], 0);
			SELECT s.amounts, s.expiries, s.quantity INTO amounts, expiries, excess FROM meter.spend(amounts, expiries, spent) AS s;
			own := least(excess, granted);
			granted := granted - own;
			excess := excess - own;
			IF period.is_asked THEN
				currency := only_currency;
				version := versions[i];
				quantity := quantities[i];
				overage := trim_scale(excess);
				remaining := trim_scale(CASE WHEN is_last THEN granted + coalesce((SELECT sum(a) FROM unnest(amounts) AS a), 0) ELSE 0 END);
				included := trim_scale(own + CASE WHEN is_last THEN granted ELSE 0 END);
				rolled_over := trim_scale(CASE WHEN is_last THEN carried ELSE spent - excess - own END);
				carried := carried - rolled_over;
				RETURN NEXT;
			END IF;
		END LOOP;
		IF terms.rollover_eligible AND granted > 0 THEN
			amounts := amounts || granted;
			expiries := expiries || coalesce(ordinal + terms.rollover_expiry, 2147483647);
		END IF;
	END LOOP;
END
$function$;
COMMENT ON FUNCTION meter.account(meter.binding, meter.subscription, timestamptz, jsonb, text) IS 'An account in the billing period that holds a time: of a binding, a subscription, dimension values (null: the rest) and a currency (null: none). A row a version, where several do not agree; their sums are the period''s. Source: internal.';

CREATE FUNCTION meter.subscription_accounts(subscription meter.subscription, at timestamptz, only_meter uuid DEFAULT NULL)
	RETURNS TABLE (binding_id uuid, product_id uuid, meter_id uuid, role text, pricing_var_name text, period_start timestamptz, period_end timestamptz,
		dimensions jsonb, currency text, version int, quantity numeric, included numeric, rolled_over numeric, remaining numeric, overage numeric)
	LANGUAGE plpgsql STABLE ROWS 10
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	period record;
BEGIN
	SELECT p.* INTO period FROM meter.subscription_periods(subscription, at, false) AS p;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'subscription "%" has no billing period at %', subscription.id, coalesce(at::text, 'null')
			USING ERRCODE = 'invalid_parameter_value', DETAIL = 'OUT_OF_RANGE at /at.';
	END IF;
	RETURN QUERY
		SELECT b.id, b.product_id, b.meter_id, b.role, b.pricing_var_name, period.period_start, period.period_end,
			d.dimensions, c.currency, a.version, a.quantity, a.included, a.rolled_over, a.remaining, a.overage
		FROM meter.subscription_product AS s
		JOIN meter.binding AS b ON b.organization_id = s.organization_id AND b.product_id = s.product_id
			AND (b.unbound_at IS NULL OR b.unbound_at > period.period_start)
			AND (only_meter IS NULL OR b.meter_id = only_meter)
		CROSS JOIN LATERAL meter.terms_at(b.organization_id, b.id, period.period_end) AS t
		CROSS JOIN LATERAL (
			SELECT EXISTS (SELECT FROM meter.meter_version AS v WHERE v.organization_id = b.organization_id AND v.meter_id = b.meter_id
				AND v.definition ->> 'unit_currency_field' IS NOT NULL)) AS k (has_currencies)
		CROSS JOIN LATERAL (
			SELECT o.entry -> 'dimensions' AS dimensions, o.place FROM jsonb_array_elements(t.overlay_dimensions_keyed) WITH ORDINALITY AS o (entry, place)
			UNION ALL SELECT NULL, 0) AS d
		CROSS JOIN LATERAL (
			-- each currency that was ever used has its account; without any there is one
			SELECT DISTINCT u.currency FROM meter.period_usage(subscription, t, subscription.started_at, period.period_end, d.dimensions) AS u
				WHERE k.has_currencies
			UNION SELECT NULL WHERE NOT k.has_currencies) AS c
		CROSS JOIN LATERAL meter.account(b, subscription, at, d.dimensions, c.currency) AS a
		WHERE s.organization_id = subscription.organization_id AND s.subscription_id = subscription.id
		ORDER BY b.pricing_var_name, b.id, d.place, c.currency, a.version;
END
$function$;
COMMENT ON FUNCTION meter.subscription_accounts(meter.subscription, timestamptz, uuid) IS 'All accounts of a subscription, or those of one meter, in the billing period that holds a time. Errors: 22023 there is no such period. Source: internal.';

CREATE FUNCTION meter.balance(organization_id uuid, subscription text, meter text, at timestamptz DEFAULT pg_catalog.now())
	RETURNS TABLE (period_start timestamptz, period_end timestamptz, included numeric, rolled_over numeric, used numeric, remaining numeric,
		overage numeric, pricing_var_name text, dimensions jsonb, currency text, version int, binding_id uuid)
	LANGUAGE plpgsql STABLE ROWS 1
	SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
#variable_conflict use_column
DECLARE
	held meter.subscription := meter.find_subscription(organization_id, subscription);
	head meter.meter := meter.find_meter(organization_id, meter);
BEGIN
	RETURN QUERY SELECT a.period_start, a.period_end, a.included, a.rolled_over, a.quantity, a.remaining, a.overage,
			a.pricing_var_name, a.dimensions, a.currency, a.version, a.binding_id
		FROM meter.subscription_accounts(held, at, head.id) AS a;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'meter "%" is bound to no product of subscription "%"', head.key, held.id
			USING ERRCODE = 'undefined_object';
	END IF;
END
$function$;
COMMENT ON FUNCTION meter.balance(uuid, text, text, timestamptz) IS 'What a subscription has of a meter in the billing period that holds a time. subscription: id; meter: key or id; at: default now. Result: period_start and period_end (exclusive), included (what the period includes), rolled_over (what it took over from those before), used (the customer''s usage), remaining (what is left of both) and overage (what was used beyond both), in the meter''s unit, and whose these are: a row a binding, ordinarily one; with an overlay one for each of its dimension values and one with dimensions null for all the rest; one a currency; and where versions measured whose values cannot be added, one for each, the earlier ones being given what there is first (version is null where a pin or usage names none). Cost: usage of the period; where anything rolls over, of each billing period since the subscription began; by a pinned version, for the time in which it was not in force, all events of the meter''s type in these periods, which therefore must not be past retention. Errors: 22023 the subscription has no billing period then, 42704 no such subscription or meter, 55000 events that a pinned version must measure are past retention, or it is not bound. Source: seed 000 (included_quantity_source, rollover_eligible).';

CREATE FUNCTION meter.period_closed(organization_id uuid, meter_id uuid, period_start timestamptz, period_end timestamptz) RETURNS boolean
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_variable
DECLARE
	horizon timestamptz;
BEGIN
	PERFORM meter.require_tenant(organization_id);
	SELECT h.horizon INTO horizon FROM meter.window_horizon AS h
		WHERE h.organization_id = period_closed.organization_id AND h.meter_id = period_closed.meter_id;
	-- the last window that has a part in it, by every version that measured
	RETURN coalesce((
		SELECT bool_and(greatest(period_end, CASE WHEN v.definition #>> '{window,size}' = 'billing_period' THEN period_end
				ELSE (meter.window_bounds(v.definition -> 'window', least(period_end, v.effective_to) - interval '1 microsecond')).window_end END)
			+ coalesce(v.definition #>> '{late_event_policy,grace}', '1 hour')::interval <= horizon)
		FROM meter.meter_version AS v
		WHERE v.organization_id = period_closed.organization_id AND v.meter_id = period_closed.meter_id
			AND v.effective_from < period_end AND v.effective_to > period_start), false);
END
$function$;
COMMENT ON FUNCTION meter.period_closed(uuid, uuid, timestamptz, timestamptz) IS 'Whether meter.close_windows() has closed all windows of a meter that have a part in a period. Source: internal.';

CREATE FUNCTION meter.period_statement(organization_id uuid, subscription text, period timestamptz DEFAULT pg_catalog.now())
	RETURNS TABLE (period_start timestamptz, period_end timestamptz, pricing_var_name text, role text, quantity numeric, included numeric,
		rolled_over numeric, overage numeric, unit text, currency text, version int, status text, dimensions jsonb,
		meter_key text, meter_id uuid, product_id uuid, binding_id uuid)
	LANGUAGE plpgsql STABLE ROWS 10
	SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
#variable_conflict use_column
DECLARE
	held meter.subscription := meter.find_subscription(organization_id, subscription);
BEGIN
	RETURN QUERY SELECT a.period_start, a.period_end, a.pricing_var_name, a.role, a.quantity, a.included, a.rolled_over, a.overage,
			v.definition ->> 'unit_label', a.currency, v.version,
			CASE WHEN meter.period_closed(m.organization_id, m.id, a.period_start, a.period_end) THEN 'closed' ELSE 'provisional' END,
			a.dimensions, m.key, m.id, a.product_id, a.binding_id
		FROM meter.subscription_accounts(held, period) AS a
		JOIN meter.meter AS m ON m.organization_id = held.organization_id AND m.id = a.meter_id
		CROSS JOIN LATERAL (
			SELECT c.version FROM meter.current_version(m.organization_id, m.id, a.period_end - interval '1 microsecond') AS c) AS c
		LEFT JOIN meter.meter_version AS v ON v.organization_id = m.organization_id AND v.meter_id = m.id AND v.version = coalesce(a.version, c.version)
		ORDER BY a.pricing_var_name, a.binding_id, a.dimensions NULLS FIRST, a.currency, a.version;
END
$function$;
COMMENT ON FUNCTION meter.period_statement(uuid, text, timestamptz) IS 'What to bill a subscription for the billing period that holds a time, by pricing variable. subscription: id; period: any time in it, default now. Result: a row a binding (further ones as for meter.balance): quantity (the customer''s usage), included, rolled_over, overage, the unit, the currency, the version of the meter that measured, and status: closed when meter.close_windows() has closed all of the meter''s windows in it, provisional before. Late events and corrections change a closed period, too, as revisions of its windows. Cost: as meter.balance. Errors: 22023 the subscription has no billing period then, 42704 no such subscription. Source: seed 000 (pricing_var_name, role).';
