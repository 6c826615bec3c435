-- Balances and statements: what is included, rolls over, is used and is left.
\set VERBOSITY terse
SET client_min_messages = warning;
SET timezone = 'UTC';
SELECT meter.create_store();
CREATE SCHEMA test_balances;
SET search_path = test_balances;
SELECT meter.create_organization('balances', '52000000-0000-0000-0000-000000000001') AS org \gset
CREATE FUNCTION org() RETURNS uuid LANGUAGE sql AS $$ SELECT '52000000-0000-0000-0000-000000000001'::uuid $$;
CREATE FUNCTION bind(product text, meter text, definition jsonb DEFAULT '{}') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM meter.create_product(org(), jsonb_build_object('code', product, 'name', product, 'custom_fields', '{"calls": 70.5}'::jsonb))
		WHERE NOT EXISTS (SELECT FROM meter.products WHERE organization_id = org() AND code = product);
	PERFORM meter.bind_product(org(), product, meter, definition);
END
$$;
CREATE FUNCTION subscribe(no int, customer text, product text, more jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM meter.create_customer(org(), jsonb_build_object('id', customer, 'name', customer))
		WHERE NOT EXISTS (SELECT FROM meter.customers WHERE organization_id = org() AND id = customer);
	PERFORM meter.create_subscription(org(), jsonb_build_object('id', '52000000-0000-0000-0000-0000000000' || no, 'customer', customer,
		'products', jsonb_build_array(product)) || more);
END
$$;
CREATE SEQUENCE ids;
CREATE FUNCTION use(customer text, at timestamptz, n numeric, more jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
	SELECT i.status FROM meter.ingest(org(), json_build_object('id', nextval('ids')::text, 'source', 's', 'type', 'call', 'subject', customer,
		'time', at, 'data', jsonb_build_object('n', n) || more)) AS i
$$;
CREATE FUNCTION balance(no int, at timestamptz, meter text DEFAULT 'calls') RETURNS TABLE (period text, included numeric, rolled_over numeric, used numeric,
		remaining numeric, overage numeric, variable text, dimensions jsonb, currency text, version int) LANGUAGE sql AS $$
	SELECT to_char(period_start, 'MM-DD HH24') || ' to ' || to_char(period_end, 'MM-DD HH24'), included, rolled_over, used, remaining, overage,
		pricing_var_name, dimensions, currency, version
	FROM meter.balance(org(), '52000000-0000-0000-0000-0000000000' || no, meter, at)
$$;
SELECT meter.create_meter(:'org', '{"key": "calls", "metric_key": "call", "function": "sum", "value_field": "n", "negative_allowed": true,
	"dimensions": {"model": "model", "region": "region"}, "unit_label": "call"}') ->> 'key';

-- Rollover: the oldest first, two periods long, at most 120; the first period is cut short.
SELECT bind('gold', 'calls', '{"included_quantity_source": 100, "rollover_eligible": true, "rollover_cap": 120, "rollover_expiry": 2, "prorated": true}');
SELECT subscribe(11, 'ada', 'gold', '{"started_at": "2026-01-16T00:00:00Z", "anchor": "2026-01-01T00:00:00Z"}');
SELECT use('ada', '2026-01-20', 10), use('ada', '2026-02-10', 30), use('ada', '2026-04-10', 150), use('ada', '2026-05-10', 250), use('eve', '2026-05-10', 999);
SELECT b.* FROM generate_series(1, 6) AS m, balance(11, make_timestamptz(2026, m, 20, 0, 0, 0, 'UTC')) AS b;
-- a late event changes what came after it
SELECT use('ada', '2026-02-11', 40.5);
SELECT b.* FROM generate_series(2, 5) AS m, balance(11, make_timestamptz(2026, m, 20, 0, 0, 0, 'UTC')) AS b;
-- and so does one that is taken back
SELECT meter.void_event(:'org', 'call', '6', 'test') IS NOT NULL AS voided;
SELECT b.* FROM generate_series(2, 5) AS m, balance(11, make_timestamptz(2026, m, 20, 0, 0, 0, 'UTC')) AS b;
-- the bounds are half-open
SELECT period FROM balance(11, '2026-01-31 23:59:59.999999') UNION ALL SELECT period FROM balance(11, '2026-02-01');
-- less than nothing used is nothing used
SELECT use('ada', '2026-07-01', -5);
SELECT * FROM balance(11, '2026-07-20');

-- Without rollover, proration, anything included.
SELECT bind('plain', 'calls');
SELECT subscribe(12, 'bob', 'plain', '{"started_at": "2026-01-16T00:00:00Z", "anchor": "2026-01-01T00:00:00Z", "time_zone": "America/New_York", "ended_at": "2026-03-10T00:00:00Z"}');
SELECT use('bob', '2026-02-10', 30);
SELECT * FROM balance(12, '2026-01-20');
SELECT * FROM balance(12, '2026-02-20');
SELECT * FROM balance(12, '2026-03-09 23:59');

-- A field of the plan; terms that change: the period of the change is the first with the new ones.
SELECT bind('plan', 'calls', '{"included_quantity_source": {"kind": "plan_field", "field": "calls"}, "rollover_eligible": true, "effective_from": "2026-02-15T00:00:00Z"}');
SELECT subscribe(13, 'cy', 'plan', '{"started_at": "2026-01-01T00:00:00Z"}');
SELECT * FROM balance(13, '2026-01-20');
SELECT meter.update_binding(:'org', id, '{"included_quantity_source": 5, "effective_at": "2026-04-30T23:59:59Z"}') ->> 'effective_from' FROM meter.meter_bindings
	WHERE product_id = (SELECT id FROM meter.products WHERE organization_id = org() AND code = 'plan');
SELECT b.* FROM generate_series(2, 5) AS m, balance(13, make_timestamptz(2026, m, 20, 0, 0, 0, 'UTC')) AS b;

-- Accounts of their own for some values of dimensions; the rest shares one.
SELECT bind('over', 'calls', '{"included_quantity_source": 10, "rollover_eligible": true, "overlay_dimensions_keyed": [
	{"dimensions": {"model": "a", "region": "eu"}, "quantity": 3}, {"dimensions": {"model": "b", "region": "eu"}, "quantity": 0}]}');
SELECT subscribe(14, 'dan', 'over', '{"started_at": "2026-01-01T00:00:00Z"}');
SELECT use('dan', '2026-01-10', 1, '{"model": "a", "region": "eu"}'), use('dan', '2026-02-10', 6, '{"model": "a", "region": "eu"}'),
	use('dan', '2026-02-10', 7, '{"model": "b", "region": "eu"}'), use('dan', '2026-02-10', 4, '{"model": "a", "region": "us"}'), use('dan', '2026-02-10', 8);
SELECT * FROM balance(14, '2026-02-20');

-- Currencies have accounts of their own; what has no value is 0.
SELECT meter.create_meter(:'org', '{"key": "spend", "metric_key": "call", "function": "max", "value_field": "n", "unit_currency_field": "currency"}') ->> 'key';
SELECT bind('money', 'spend', '{"included_quantity_source": 5}');
SELECT subscribe(15, 'fay', 'money', '{"started_at": "2026-01-01T00:00:00Z"}');
SELECT use('fay', '2026-01-10', 6, '{"currency": "EUR"}'), use('fay', '2026-01-11', 4, '{"currency": "USD"}'), use('fay', '2026-01-11', 3, '{"currency": "USD"}');
SELECT * FROM balance(15, '2026-01-20', 'spend');
SELECT * FROM balance(15, '2026-02-20', 'spend');

-- Versions that do not agree are rows of their own: the first is given what there is first.
SELECT meter.create_meter(:'org', '{"key": "mixed", "metric_key": "call", "function": "sum", "value_field": "n", "unit_label": "call"}') ->> 'key';
SELECT bind('mix', 'mixed', '{"included_quantity_source": 10, "rollover_eligible": true}');
SELECT bind('mix', 'mixed', '{"included_quantity_source": 10, "version": 1, "pricing_var_name": "one"}');
SELECT subscribe(16, 'gus', 'mix', '{"started_at": "2026-01-01T00:00:00Z"}');
SELECT meter.update_meter(:'org', 'mixed', '{"function": "count", "value_field": null, "unit_label": "event", "effective_at": "2026-02-15T00:00:00Z", "reprocess": true}') ->> 'version';
SELECT use('gus', '2026-01-10', 4), use('gus', '2026-02-10', 14), use('gus', '2026-02-20', 14), use('gus', '2026-02-21', 14);
SELECT * FROM balance(16, '2026-02-20', 'mixed');
SELECT * FROM balance(16, '2026-03-20', 'mixed');
SELECT pricing_var_name, role, quantity, included, rolled_over, overage, unit, version, status FROM meter.period_statement(:'org', '52000000-0000-0000-0000-000000000016', '2026-02-20');

-- A pin bills by its version all the time, also after the meter has moved on, and before the version was there.
SELECT meter.create_meter(:'org', '{"key": "ab", "metric_key": "call", "function": "sum", "value_field": "a", "filter_tree": {"field": "a", "op": "exists", "value": true}}') ->> 'key';
SELECT use('ivy', '2026-01-10', 0, '{"a": 1, "b": 1000}'), use('ivy', '2026-02-10', 0, '{"a": 2, "b": 2000}');
SELECT meter.update_meter(:'org', 'ab', '{"value_field": "b", "filter_tree": {"field": "b", "op": "exists", "value": true}, "effective_at": "2026-02-15T00:00:00Z", "reprocess": true}') ->> 'version';
SELECT bind('ab', 'ab'), bind('ab', 'ab', '{"version": 1, "pricing_var_name": "one", "included_quantity_source": 10, "rollover_eligible": true}'), bind('ab', 'ab', '{"version": 2, "pricing_var_name": "two"}');
SELECT subscribe(19, 'ivy', 'ab', '{"started_at": "2026-01-01T00:00:00Z"}');
SELECT use('ivy', '2026-02-20', 0, '{"a": 4, "b": 4000}'), use('ivy', '2026-02-21', 0, '{"a": 8}'), use('ivy', '2026-03-21', 0, '{"a": 16, "b": 16000}');
SELECT b.* FROM generate_series(1, 3) AS m, balance(19, make_timestamptz(2026, m, 20, 0, 0, 0, 'UTC'), 'ab') AS b;
SELECT pricing_var_name, quantity, included, rolled_over, overage, version FROM meter.period_statement(:'org', '52000000-0000-0000-0000-000000000019', '2026-02-20');

-- A subscription that overlaps another has periods of its own.
SELECT subscribe(17, 'ada', 'plain', '{"started_at": "2026-05-05T00:00:00Z", "period": "week"}');
SELECT * FROM balance(17, '2026-05-11');
-- days of 23 and 25 hours
SELECT subscribe(18, 'hal', 'gold', '{"started_at": "2026-03-07T20:00:00Z", "anchor": "2026-03-01T08:00:00Z", "period": "day", "time_zone": "America/Los_Angeles"}');
SELECT b.* FROM (VALUES ('2026-03-07 20:00'::timestamptz), ('2026-03-08 12:00')) AS t (at), balance(18, t.at) AS b;

-- The statement: a row a binding, of all products; those unbound until their last period is over.
SELECT bind('gold', 'mixed', '{"role": "informational"}');
SELECT period_start, period_end, pricing_var_name, role, quantity, included, rolled_over, overage, unit, currency, version, status, dimensions, meter_key
	FROM meter.period_statement(:'org', '52000000-0000-0000-0000-000000000011', '2026-04-20');
SELECT count(*) FROM meter.period_statement(:'org', '52000000-0000-0000-0000-000000000011');
SELECT meter.unbind_product(:'org', id) FROM meter.meter_bindings WHERE organization_id = org() AND pricing_var_name = 'mixed';
SELECT count(*) FROM meter.period_statement(:'org', '52000000-0000-0000-0000-000000000011');
SELECT count(*) FROM meter.period_statement(:'org', '52000000-0000-0000-0000-000000000011', now() + '2 months');

-- Closed when the meter's windows are.  Months begin at midnight in UTC, so the
-- window of the meter that ends after the period counts.
SELECT status FROM meter.period_statement(:'org', '52000000-0000-0000-0000-000000000012', '2026-02-20');
SELECT meter.close_windows(org()) > 0 AS closed;
SELECT status FROM meter.period_statement(:'org', '52000000-0000-0000-0000-000000000012', '2026-02-20');
SELECT status FROM meter.period_statement(:'org', '52000000-0000-0000-0000-000000000011', now() + '1 day');
UPDATE meter.window_horizon SET horizon = '2026-04-01 00:59:59' WHERE organization_id = org();
SELECT status FROM meter.period_statement(:'org', '52000000-0000-0000-0000-000000000012', '2026-03-09');
UPDATE meter.window_horizon SET horizon = '2026-04-01 01:00' WHERE organization_id = org();
SELECT status FROM meter.period_statement(:'org', '52000000-0000-0000-0000-000000000012', '2026-03-09');

-- Against a model that knows nothing of accounts: single units, each with the
-- period it expires in.
CREATE FUNCTION model(used int[], included int[], eligible boolean[], cap int, expiry int)
	RETURNS TABLE (period int, rolled_over bigint, remaining bigint, overage int) LANGUAGE plpgsql AS $$
DECLARE
	short int;
BEGIN
	CREATE TEMP TABLE unit (no int GENERATED ALWAYS AS IDENTITY, born int, dies int);
	FOR p IN 1 .. cardinality(used) LOOP
		DELETE FROM unit WHERE dies < p;
		DELETE FROM unit WHERE no IN (SELECT no FROM unit ORDER BY no DESC OFFSET coalesce(cap, 1000000));
		rolled_over := (SELECT count(*) FROM unit);
		INSERT INTO unit (born, dies) SELECT p, CASE WHEN eligible[p] THEN coalesce(p + expiry, 1000000) ELSE p END FROM generate_series(1, included[p]);
		WITH gone AS (DELETE FROM unit WHERE no IN (SELECT no FROM unit ORDER BY no LIMIT used[p]) RETURNING 1)
			SELECT used[p] - count(*) INTO short FROM gone;
		period := p;
		remaining := (SELECT count(*) FROM unit);
		overage := short;
		RETURN NEXT;
	END LOOP;
	DROP TABLE unit;
END
$$;
CREATE FUNCTION differences(run int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	uses int[]; grants int[]; eligible boolean[];
	cap int := CASE WHEN random() < 0.7 THEN floor(random() * 40) END;
	expiry int := CASE WHEN random() < 0.7 THEN 1 + floor(random() * 3) END;
	held meter.meter_bindings;
	sub text := '52000000-0000-0000-0000-00000000' || 1000 + run;
	product text := 'random' || run;
BEGIN
	SELECT array_agg((random() * 40)::int * (random() < 0.8)::int), array_agg((random() * 25)::int), array_agg(random() < 0.8)
		INTO uses, grants, eligible FROM generate_series(1, 12);
	PERFORM bind(product, 'calls', jsonb_build_object('rollover_cap', cap, 'rollover_expiry', expiry));
	SELECT b.* INTO held FROM meter.meter_bindings AS b JOIN meter.products AS p ON p.id = b.product_id WHERE p.organization_id = org() AND p.code = product;
	PERFORM meter.create_customer(org(), jsonb_build_object('id', product, 'name', product));
	PERFORM meter.create_subscription(org(), jsonb_build_object('id', sub, 'customer', product, 'products', jsonb_build_array(product), 'started_at', '2025-01-31T00:00:00Z'));
	FOR p IN 1 .. 12 LOOP
		PERFORM meter.update_binding(org(), held.id, jsonb_build_object('included_quantity_source', grants[p], 'rollover_eligible', eligible[p],
			'effective_at', ('2025-01-31'::timestamptz + make_interval(months => p - 1))::text::timestamptz));
		PERFORM use(product, '2025-02-03'::timestamptz + make_interval(months => p - 1), uses[p]);
	END LOOP;
	RETURN count(*) FROM model(uses, grants, eligible, cap, expiry) AS m,
		meter.balance(org(), sub, 'calls', '2025-02-20'::timestamptz + make_interval(months => m.period - 1)) AS b
		WHERE (b.included, b.rolled_over, b.used, b.remaining, b.overage) IS DISTINCT FROM (grants[m.period], m.rolled_over, uses[m.period], m.remaining, m.overage);
END
$$;
SELECT setseed(0.5);
SELECT count(*) AS runs, sum(differences(run)) AS differences FROM generate_series(1, 25) AS run;

-- What is refused.
SELECT * FROM balance(12, '2026-01-15 23:59');
SELECT * FROM balance(12, '2026-03-10');
SELECT * FROM balance(12, 'infinity');
SELECT * FROM balance(12, '-infinity');
SELECT * FROM balance(12, NULL);
SELECT * FROM balance(12, '2026-02-20', 'mixed');
SELECT * FROM balance(12, '2026-02-20', 'nothing');
SELECT * FROM balance(99, '2026-02-20');
SELECT * FROM meter.balance(:'org', 'gold', 'calls');
SELECT * FROM meter.period_statement(:'org', NULL);
SELECT * FROM meter.period_statement(:'org', '52000000-0000-0000-0000-000000000012', '2026-03-10');
