-- Thresholds: what is crossed, once, in order, by whose usage; and how they are kept.
\set VERBOSITY terse
SET client_min_messages = warning;
SET timezone = 'UTC';
SELECT meter.create_store();
CREATE SCHEMA test_thresholds;
SET search_path = test_thresholds;
SELECT meter.create_organization('thresholds', '00000000-0000-0000-0000-00000000d501') AS org \gset
SELECT meter.create_meter(:'org', '{"key": "tokens", "metric_key": "chat", "function": "sum", "value_field": "n", "negative_allowed": true, "dimensions": {"model": "m"}}') ->> 'version';
SELECT meter.create_meter(:'org', '{"key": "calls", "metric_key": "call", "function": "count", "window": {"size": "day", "time_zone": "Europe/Berlin"}}') ->> 'version';
SELECT meter.create_meter(:'org', '{"key": "peak", "metric_key": "load", "function": "max", "value_field": "n"}') ->> 'version';
SELECT meter.create_meter(:'org', '{"key": "spend", "metric_key": "spent", "function": "sum", "value_field": "n", "unit_currency_field": "c"}') ->> 'version';

-- What was told, and is not looked at again.
CREATE TABLE seen (id bigint);
CREATE VIEW news AS
	SELECT payload ->> 'threshold_name' AS threshold, CASE WHEN event_type <> 'threshold.breached' THEN event_type END AS event_type,
		payload -> 'threshold_value' AS value, payload -> 'observed_value' AS observed, payload ->> 'subject' AS subject,
		NULLIF(payload -> 'dimensions', 'null') AS dimensions, payload ->> 'currency' AS currency,
		left(payload ->> 'window_start', 13) AS window_start, id
	FROM meter.domain_event_outbox
	WHERE organization_id = '00000000-0000-0000-0000-00000000d501' AND aggregate_type = 'threshold' AND payload ? 'threshold_value'
		AND id NOT IN (SELECT id FROM seen);
CREATE FUNCTION look() RETURNS TABLE (threshold text, event_type text, value jsonb, observed jsonb, subject text, dimensions jsonb, currency text, window_start text) LANGUAGE sql AS $$
	WITH n AS MATERIALIZED (SELECT * FROM news), s AS (INSERT INTO seen SELECT id FROM n)
	SELECT threshold, event_type, value, observed, subject, dimensions, currency, window_start FROM n ORDER BY id
$$;
-- As short as it gets: what of which threshold, at what usage.
CREATE FUNCTION told() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat(l.threshold, ' ', replace(l.event_type, 'threshold.', '') || ' ', l.value, '@', l.observed), ', ') FROM look() AS l
$$;
CREATE SEQUENCE event_id;
CREATE FUNCTION send(type text, subject text, data json[], at timestamptz DEFAULT '2026-01-10 12:00Z') RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(DISTINCT i.status || COALESCE(' ' || i.code, ''), ', ') FROM meter.ingest('00000000-0000-0000-0000-00000000d501', (
		SELECT json_agg(json_build_object('specversion', '1.0', 'id', nextval('event_id')::text, 'source', 'test', 'type', send.type,
			'subject', send.subject, 'time', to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'data', d) ORDER BY o) FROM unnest(data) WITH ORDINALITY AS u (d, o))) AS i
$$;
CREATE FUNCTION use(subject text, VARIADIC amounts numeric[]) RETURNS text LANGUAGE sql AS $$
	SELECT send('chat', subject, ARRAY(SELECT json_build_object('n', a, 'm', 'x') FROM unnest(amounts) AS a))
$$;
CREATE FUNCTION create_threshold(definition jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT meter.create_threshold('00000000-0000-0000-0000-00000000d501', definition) ->> 'name'
$$;

-- The document, with every default.
SELECT jsonb_pretty(meter.create_threshold(:'org', '{"name": "steps", "meter": "tokens", "threshold_value": [10, 30, 50], "recurring_step": 100}')
	- '{id,meter_id,created_at,created_by,updated_at}'::text[]);
SELECT meter.create_threshold(:'org', '{"name": "full", "meter": "calls", "scope": {"kind": "meter", "id": "calls"}, "comparator": "gt", "threshold_value": 2.50, "recurring_step": null,
	"clear_value": 2.5, "window": {"size": "week", "time_zone": "Asia/Tokyo", "week_start": null}, "per_dimensions": false, "action_kind": "webhook", "action_target": "https://example.com/\"hook\"",
	"action_event_type": "usage.too_much", "evaluate_on_create": false}') - '{id,meter_id,scope,organization_id,created_at,created_by,updated_at}'::text[];
SELECT string_agg(k, ' ' ORDER BY k COLLATE "C") FROM meter.thresholds AS t, jsonb_object_keys(meter.threshold_document(t.organization_id, t.id)) AS k WHERE t.name = 'full' AND t.organization_id = :'org';
SELECT t.scope = jsonb_build_object('kind', 'meter', 'id', m.id) FROM meter.thresholds AS t JOIN meter.meter AS m ON m.id = t.meter_id WHERE t.name = 'full';

-- The values in order, each once; one event may cross several.
SELECT use('ada', 33), told();
SELECT use('ada', 318), told();
SELECT use('ada', -349, 300, 49), told();
SELECT use('bob', 9.99, 0.01, 0.0001, 20), told();
-- At most the last 1000 of an event's.
SELECT use('eve', 1e6);
SELECT count(*), min(value::numeric), max(value::numeric), bool_and(observed = '1000000') FROM look();
SELECT use('eve', 1e6 + 100, 1e30);
SELECT count(*), min(value::numeric), max(value::numeric), count(DISTINCT observed) FROM look();
-- A repeat crosses nothing, nor does what is rolled back.
SELECT i.status FROM meter.ingest(:'org', '[{"specversion": "1.0", "id": "same", "source": "test", "type": "chat", "subject": "cy", "time": "2026-01-10T12:00:00Z", "data": {"n": 20, "m": "x"}}]') AS i;
SELECT i.status FROM meter.ingest(:'org', '[{"specversion": "1.0", "id": "same", "source": "test", "type": "chat", "subject": "cy", "time": "2026-01-10T12:00:00Z", "data": {"n": 20, "m": "x"}}]') AS i;
BEGIN;
SELECT use('cy', 1000);
ROLLBACK;
SELECT told();
-- A report that fails for another reason tells nothing, one that counts does.
SELECT meter.report_usage(:'org', '{"meterId": "tokens", "customerId": "cy", "value": "x", "timestamp": "2026-01-10T12:00:00Z"}', 'r1');
SELECT meter.report_usage(:'org', '{"meterId": "tokens", "customerId": "cy", "value": 10, "timestamp": "2026-01-10T12:00:00Z"}', 'r2') ->> 'status', told();
-- Another window begins with nothing crossed, also an earlier one.
SELECT send('chat', 'ada', '{"{\"n\": 30, \"m\": \"x\"}"}', '2026-02-01 00:00Z'), send('chat', 'ada', '{"{\"n\": 10, \"m\": \"x\"}"}', '2025-12-31 23:59:59Z');
SELECT * FROM look();
SELECT meter.delete_threshold(:'org', 'steps');

-- Falling, and what none is to each comparator.
SELECT create_threshold('{"name": "less", "meter": "tokens", "comparator": "lte", "threshold_value": [800, 500, 200], "recurring_step": 100}');
SELECT create_threshold('{"name": "below", "meter": "tokens", "comparator": "lt", "threshold_value": [500, 0]}');
SELECT create_threshold('{"name": "is", "meter": "tokens", "comparator": "eq", "threshold_value": [600, 0, 500.0]}');
SELECT create_threshold('{"name": "above", "meter": "tokens", "comparator": "gt", "threshold_value": 600}');
SELECT use('dan', 600, 1, -1, -100, -0.5, -599.5, 700, -1300), told();
-- By event, then by threshold, then by value.
SELECT use('fay', 700, -900), told();
SELECT meter.delete_threshold(:'org', t) FROM unnest('{less,below,is,above}'::text[]) AS t;

-- Coming back to the clear value resolves and arms again, once for all of them.
SELECT create_threshold('{"name": "rise", "meter": "tokens", "threshold_value": [10, 20], "clear_value": 5}');
SELECT create_threshold('{"name": "fall", "meter": "tokens", "comparator": "lt", "threshold_value": 0, "clear_value": 0}');
SELECT create_threshold('{"name": "point", "meter": "tokens", "comparator": "eq", "threshold_value": 15, "clear_value": -1}');
SELECT use('gus', 15, -5, 12, -16, -1, 5, -1, 10, -20, 11), told();
SELECT use('gil', 21, -21);
SELECT * FROM look();
SELECT meter.delete_threshold(:'org', t) FROM unnest('{rise,fall,point}'::text[]) AS t;

-- A window of its own, and the meter's: days in Berlin, weeks in Tokyo.
SELECT create_threshold('{"name": "daily", "meter": "calls", "threshold_value": 2}');
SELECT create_threshold('{"name": "hourly", "meter": "calls", "threshold_value": 2, "window": {"size": "hour"}}');
SELECT send('call', 's1', '{"{}"}', '2026-01-10 22:30Z'), send('call', 's1', '{"{}"}', '2026-01-10 23:00Z'), send('call', 's1', '{"{}"}', '2026-01-10 23:30Z');
SELECT * FROM look();
SELECT send('call', 's2', '{"{}"}', '2026-01-10 22:00Z'), send('call', 's3', '{"{}"}', '2026-01-11 15:00Z');
SELECT * FROM look();

-- Each set of dimension values, each currency.
SELECT create_threshold('{"name": "models", "meter": "tokens", "threshold_value": 10, "per_dimensions": true}');
SELECT create_threshold('{"name": "money", "meter": "spend", "threshold_value": 10, "scope": {"kind": "meter"}}');
SELECT send('chat', 'hal', ARRAY['{"n": 9, "m": "a"}', '{"n": 9, "m": "b \"q\""}', '{"n": 1, "m": "b \"q\""}', '{"n": 10}']::json[]);
SELECT send('spent', 's1', '{"{\"n\": 9, \"c\": \"EUR\"}", "{\"n\": 9, \"c\": \"USD\"}"}'), send('spent', 's2', '{"{\"n\": 1.005, \"c\": \"USD\"}"}');
SELECT * FROM look();
SELECT meter.delete_threshold(:'org', t) FROM unnest('{models,money,daily,hourly,full}'::text[]) AS t;

-- Values that do not add up.
SELECT create_threshold('{"name": "high", "meter": "peak", "threshold_value": 0}');
SELECT create_threshold('{"name": "low", "meter": "peak", "threshold_value": 100, "comparator": "lt"}');
SELECT send('load', 's1', '{"{\"n\": 50}", "{\"n\": 20}", "{\"n\": 100}"}'), told();
SELECT meter.delete_threshold(:'org', t) FROM unnest('{high,low}'::text[]) AS t;

-- Customers, subscriptions, products.
SELECT meter.create_customer(:'org', '{"id": "acme", "code": "ACME", "name": "Acme", "aliases": ["acme-eu", "acme-us"]}') ->> 'id';
SELECT meter.create_product(:'org', '{"id": "00000000-0000-0000-0000-00000000d5aa", "code": "gold", "name": "Gold"}') ->> 'code';
SELECT meter.create_subscription(:'org', '{"id": "00000000-0000-0000-0000-00000000d5bb", "customer": "acme", "products": ["gold"], "started_at": "2026-01-05T00:00:00Z", "period": {"size": "month"}}') ->> 'id';
SELECT create_threshold('{"name": "customer", "meter": "tokens", "threshold_value": 100, "scope": {"kind": "customer", "id": "ACME"}}');
SELECT create_threshold('{"name": "subscription", "meter": "tokens", "threshold_value": 100, "scope": {"kind": "subscription", "id": "00000000-0000-0000-0000-00000000D5BB"}, "window": {"size": "billing_period"}}');
SELECT create_threshold('{"name": "product", "meter": "tokens", "threshold_value": 100, "scope": {"kind": "product", "id": "gold"}}');
SELECT create_threshold('{"name": "nobody", "meter": "tokens", "threshold_value": 100, "scope": {"kind": "customer", "id": "ike"}}');
SELECT create_threshold('{"name": "all", "meter": "tokens", "threshold_value": 1000, "scope": {"kind": "meter"}}');
SELECT send('chat', 'acme-eu', '{"{\"n\": 60}"}', '2026-03-02 00:00Z'), send('chat', 'acme-us', '{"{\"n\": 40}"}', '2026-03-05 00:00Z'), told();
SELECT send('chat', 'acme', '{"{\"n\": 60}"}', '2026-03-05 00:00Z'), send('chat', 'ike', '{"{\"n\": 900}"}', '2026-03-01 00:00Z'), told();
-- before it started
SELECT send('chat', 'acme-eu', '{"{\"n\": 200}"}', '2026-01-02 00:00Z'), told();
SELECT threshold_name, product_id, subscription_id, threshold_value, observed_value, window_start, window_end FROM meter.threshold_events
	WHERE organization_id = :'org' AND threshold_name IN ('customer', 'subscription', 'product', 'nobody', 'all') ORDER BY id;
SELECT meter.delete_threshold(:'org', t) FROM unnest('{customer,subscription,product,nobody,all}'::text[]) AS t;

-- Paused, it tells nothing, neither then nor later.
SELECT create_threshold('{"name": "still", "meter": "tokens", "threshold_value": [10, 20, 30], "clear_value": 0}');
SELECT use('jo', 11), told();
SELECT meter.pause_threshold(:'org', 'still') ->> 'status', meter.pause_threshold(:'org', 'still') ->> 'status';
SELECT use('jo', 10), told();
SELECT meter.resume_threshold(:'org', 'still') ->> 'status', meter.resume_threshold(:'org', 'still') ->> 'status';
SELECT use('jo', 10), use('jo', -11, 1), told();
SELECT meter.pause_threshold(:'org', 'still') ->> 'status';
SELECT use('jo', -30), told();
SELECT meter.resume_threshold(:'org', 'still') ->> 'status';
-- below its clear value it is resolved by whatever comes next
SELECT use('jo', 5), told();
-- What became of it is said, once.
SELECT event_type, payload - '{meter_id,threshold_id,actor}'::text[] FROM meter.domain_event_outbox
	WHERE organization_id = :'org' AND aggregate_type = 'threshold' AND payload ->> 'threshold_name' = 'still' AND NOT payload ? 'threshold_value' ORDER BY id;

-- A breach's domain event, and the same as a row.
SELECT create_threshold('{"name": "exact", "meter": "tokens", "threshold_value": 0.00000000000000000001, "action_kind": "suspend", "action_target": "ops", "action_event_type": "usage.any"}');
SELECT use('kim', 12345678901234567890.00000000000000000001);
SELECT o.event_type, o.aggregate_id = o.payload ->> 'threshold_id' AS its_own, o.occurred_at = (o.payload ->> 'occurred_at')::timestamptz AS then,
		jsonb_pretty(o.payload - '{meter_id,threshold_id,occurred_at}'::text[])
	FROM meter.domain_event_outbox AS o WHERE o.organization_id = :'org' AND o.event_type = 'usage.any' AND o.payload ->> 'subject' = 'kim';
SELECT string_agg(attname, ' ' ORDER BY attname COLLATE "C") FROM pg_attribute WHERE attrelid = 'meter.threshold_events'::regclass;
SELECT meter_key, threshold_name, comparator, threshold_value, observed_value, window_start, window_end, product_id, subscription_id, action_kind, action_target, action_event_type, delivered_at
	FROM meter.threshold_events WHERE organization_id = :'org' ORDER BY occurred_at DESC, id DESC LIMIT 1;
-- The newest are found by an index.
ANALYZE meter.domain_event_outbox;
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT * FROM meter.threshold_events WHERE organization_id = '00000000-0000-0000-0000-00000000d501' ORDER BY occurred_at DESC, id DESC LIMIT 10;
EXPLAIN (COSTS OFF) SELECT * FROM meter.threshold_events WHERE organization_id = '00000000-0000-0000-0000-00000000d501' AND meter_id = '00000000-0000-0000-0000-00000000d5cc'
	ORDER BY occurred_at DESC, id DESC LIMIT 10;
RESET enable_seqscan;
SELECT meter.delete_threshold(:'org', t) FROM unnest('{still,exact}'::text[]) AS t;

-- Thresholds that look at the same share it; it goes with the last of them.
SELECT create_threshold('{"name": "w1", "meter": "calls", "threshold_value": 100, "window": {"size": "hour"}}');
SELECT create_threshold('{"name": "w2", "meter": "calls", "threshold_value": 200, "window": {"count": 1, "size": "hour", "anchor": null}, "scope": null}');
CREATE VIEW watches AS SELECT count(DISTINCT w.watch_no) AS watches, count(u.account) AS rows FROM meter.threshold_watch AS w
	JOIN meter.meter AS m ON m.id = w.meter_id AND m.key = 'calls' LEFT JOIN meter.threshold_usage AS u ON u.organization_id = w.organization_id AND u.watch_no = w.watch_no
	WHERE w.organization_id = '00000000-0000-0000-0000-00000000d501';
SELECT send('call', 's1', '{"{}"}'), send('call', 's2', '{"{}"}'), told();
SELECT * FROM watches;
SELECT meter.delete_threshold(:'org', id::text) FROM meter.thresholds WHERE organization_id = :'org' AND name = 'w1';
SELECT * FROM watches;
-- A meter with thresholds is in use.
\set VERBOSITY default
\set SHOW_CONTEXT never
SELECT meter.delete_meter(:'org', 'calls');
\set VERBOSITY terse
SELECT meter.delete_threshold(:'org', 'w2');
SELECT * FROM watches;
-- Windows that held usage of anybody's when it was made are not taken to be empty.
SELECT create_threshold('{"name": "later", "meter": "calls", "threshold_value": 1}');
SELECT empty_from FROM meter.threshold_watch AS w JOIN meter.thresholds AS t ON t.organization_id = w.organization_id AND t.meter_id = w.meter_id WHERE t.name = 'later' AND t.organization_id = :'org';
SELECT meter.delete_threshold(:'org', 'later');
-- What was used before does not cross it; what comes is added to that.
SELECT use('leo', 95, 3);
SELECT create_threshold('{"name": "after", "meter": "tokens", "threshold_value": [97, 100, 102], "recurring_step": 2}');
SELECT create_threshold('{"name": "top", "meter": "peak", "threshold_value": [70, 100, 130]}');
SELECT use('leo', 1, 3), send('load', 's1', '{"{\"n\": 80}", "{\"n\": 130}"}'), told();
SELECT meter.delete_threshold(:'org', t) FROM unnest('{after,top}'::text[]) AS t;

-- Corrections move usage, too: of one that is amended both at once.
SELECT create_threshold('{"name": "fixed", "meter": "tokens", "threshold_value": [50, 90, 100], "clear_value": 45}');
SELECT create_threshold('{"name": "peaks", "meter": "peak", "threshold_value": [50, 90], "clear_value": 45}');
SELECT count(*) FROM meter.ingest(:'org', '[{"id": "f1", "source": "test", "type": "chat", "subject": "max", "time": "2026-01-10T12:00:00Z", "data": {"n": 40}},
	{"id": "f2", "source": "test", "type": "chat", "subject": "max", "time": "2026-01-10T12:00:00Z", "data": {"n": 55}},
	{"id": "p1", "source": "test", "type": "load", "subject": "max", "time": "2026-01-10T12:00:00Z", "data": {"n": 60}},
	{"id": "p2", "source": "test", "type": "load", "subject": "max", "time": "2026-01-10T12:00:00Z", "data": {"n": 70}},
	{"id": "p3", "source": "test", "type": "load", "subject": "max", "time": "2026-01-10T12:00:00Z", "data": {"n": 30}}]');
SELECT told();
SELECT meter.amend_event(:'org', 'chat', 'f2', 'more', '{"n": 61}') ->> 'status', told();
SELECT meter.void_event(:'org', 'chat', 'f1', 'wrong') ->> 'status', told();
SELECT meter.void_event(:'org', 'chat', 'f2', 'wrong') ->> 'status', told();
SELECT meter.void_event(:'org', 'load', 'p2', 'wrong') ->> 'status', told();
SELECT meter.amend_event(:'org', 'load', 'p1', 'less', '{"n": 20}') ->> 'status', told();
SELECT meter.amend_event(:'org', 'load', 'p3', 'more', '{"n": 95}') ->> 'status', told();
SELECT meter.delete_threshold(:'org', t) FROM unnest('{fixed,peaks}'::text[]) AS t;

-- By id or name.
SELECT create_threshold('{"name": "twin", "meter": "calls", "threshold_value": 1}'), create_threshold('{"name": "twin", "meter": "peak", "threshold_value": 1}');
SELECT meter.pause_threshold(:'org', 'twin');
SELECT meter.pause_threshold(:'org', upper(id::text)) ->> 'meter_key' FROM meter.thresholds WHERE organization_id = :'org' AND name = 'twin' AND meter_key = 'peak';
SELECT meter.delete_threshold(:'org', 'nix');
SELECT meter.delete_threshold(:'org', NULL);
SELECT meter.resume_threshold('00000000-0000-0000-0000-00000000d5ff', 'twin');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT create_threshold('{"name": "stale", "meter": "calls", "threshold_value": 1}');
ROLLBACK;

-- What is refused, and where.
CREATE FUNCTION refused(changes jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	details text;
BEGIN
	PERFORM meter.create_threshold('00000000-0000-0000-0000-00000000d501', '{"name": "bad", "meter": "calls", "threshold_value": 1}'::jsonb || changes);
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS details = PG_EXCEPTION_DETAIL;
	RETURN SQLSTATE || ' ' || SQLERRM || COALESCE(' (' || NULLIF(details, '') || ')', '');
END
$$;
SELECT changes, refused(changes) FROM unnest('{
	"{\"limit\": 1}", "{\"name\": null}", "{\"name\": \"\"}", "{\"name\": 7}", "{\"name\": \"twin\"}", "{\"meter\": null}", "{\"meter\": \"nix\"}", "{\"meter\": 1}",
	"{\"comparator\": \"ge\"}", "{\"comparator\": 1}",
	"{\"threshold_value\": null}", "{\"threshold_value\": \"1\"}", "{\"threshold_value\": []}", "{\"threshold_value\": [1, null]}", "{\"threshold_value\": [1, \"2\"]}", "{\"threshold_value\": 1e31}", "{\"threshold_value\": 1e-31}",
	"{\"threshold_value\": [1, 1.0]}", "{\"threshold_value\": [1, 2], \"comparator\": \"lt\"}", "{\"threshold_value\": [1, 2, 1.0], \"comparator\": \"eq\"}",
	"{\"recurring_step\": 0}", "{\"recurring_step\": -1}", "{\"recurring_step\": \"1\"}", "{\"recurring_step\": 1, \"comparator\": \"eq\"}",
	"{\"clear_value\": 1}", "{\"clear_value\": 1.1, \"comparator\": \"gt\"}", "{\"clear_value\": 1, \"comparator\": \"lte\"}", "{\"clear_value\": 0, \"comparator\": \"lt\"}", "{\"clear_value\": 2, \"comparator\": \"eq\", \"threshold_value\": [1, 2]}",
	"{\"window\": \"day\"}", "{\"window\": {\"size\": \"fortnight\"}}", "{\"window\": {\"unit\": \"day\"}}", "{\"window\": {\"time_zone\": \"Moon/Sea\"}}",
	"{\"per_dimensions\": true}", "{\"per_dimensions\": 1}", "{\"evaluate_on_create\": \"yes\"}",
	"{\"scope\": \"meter\"}", "{\"scope\": {}}", "{\"scope\": {\"kind\": \"team\", \"id\": \"x\"}}", "{\"scope\": {\"kind\": \"customer\"}}", "{\"scope\": {\"kind\": \"customer\", \"id\": 5}}", "{\"scope\": {\"kind\": \"customer\", \"code\": \"x\"}}",
	"{\"scope\": {\"kind\": \"product\", \"id\": \"tin\"}}", "{\"scope\": {\"kind\": \"subscription\", \"id\": \"x\"}}", "{\"scope\": {\"kind\": \"meter\", \"id\": \"peak\"}}",
	"{\"action_kind\": \"call\"}", "{\"action_kind\": \"webhook\"}", "{\"action_target\": 1}", "{\"action_kind\": \"block\", \"comparator\": \"eq\"}", "{\"action_kind\": \"block\", \"recurring_step\": 1}",
	"{\"action_event_type\": \"Usage.High\"}", "{\"action_event_type\": \"usage..high\"}", "{\"action_event_type\": \"threshold.resolved\"}", "{\"action_event_type\": \"window.closed\"}"
}'::jsonb[]) WITH ORDINALITY AS u (changes, n) ORDER BY n;
SELECT meter.create_threshold(:'org', '[]');
SELECT meter.create_threshold(:'org', NULL);
SELECT meter.create_threshold('00000000-0000-0000-0000-00000000d5ff', '{"name": "x", "meter": "calls", "threshold_value": 1}');
SELECT meter.delete_threshold(organization_id, id::text) FROM meter.thresholds WHERE organization_id = :'org' AND meter_key = 'calls';
SELECT meter.archive_meter(:'org', 'calls', 'over') ->> 'status';
SELECT refused('{}');
