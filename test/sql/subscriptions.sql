-- Subscriptions, and the billing periods they give usage.
\set VERBOSITY terse
SET client_min_messages = warning;
SET timezone = 'UTC';
SELECT meter.create_store();
SELECT meter.create_organization('subscriptions', '50000000-0000-0000-0000-000000000001') AS org \gset
SELECT meter.create_meter(:'org', '{"key": "calls", "metric_key": "call", "function": "sum", "value_field": "n",
	"window": {"size": "billing_period", "time_zone": "Asia/Kolkata"}}') -> 'window';
SELECT meter.create_product(:'org', '{"id": "50000000-0000-0000-0000-0000000000aa", "code": "gold", "name": "Gold"}') - 'created_at';
SELECT meter.create_product(:'org', '{"id": "50000000-0000-0000-0000-0000000000bb", "name": "Silver"}') ->> 'name';
SELECT meter.create_customer(:'org', '{"id": "c-1", "code": "acme", "name": "Acme", "aliases": ["device"]}') ->> 'id';

-- Anniversaries are counted from the anchor: a short month clamps only itself.
SELECT meter.create_subscription(:'org', '{"id": "50000000-0000-0000-0000-000000000011", "customer": "device",
	"products": ["gold", "50000000-0000-0000-0000-0000000000BB"], "started_at": "2024-01-31T00:00:00-05:00",
	"period": "month", "time_zone": "America/New_York"}') - '{created_at,updated_at}'::text[];
SELECT status, count(*) FROM meter.ingest(:'org', '[
	{"id": "1", "source": "t", "type": "call", "subject": "device", "time": "2024-01-31T04:59:59.999999Z", "data": {"n": 1}},
	{"id": "2", "source": "t", "type": "call", "subject": "device", "time": "2024-01-31T05:00:00Z", "data": {"n": 10}},
	{"id": "3", "source": "t", "type": "call", "subject": "acme", "time": "2024-02-29T04:59:59.999999Z", "data": {"n": 100}},
	{"id": "4", "source": "t", "type": "call", "subject": "c-1", "time": "2024-02-29T05:00:00Z", "data": {"n": 1000}},
	{"id": "5", "source": "t", "type": "call", "subject": "device", "time": "2024-03-31T03:59:59Z", "data": {"n": 10000}},
	{"id": "6", "source": "t", "type": "call", "subject": "other", "time": "2024-03-31T18:30:00Z", "data": {"n": 7}}]') GROUP BY 1;
SELECT window_start AT TIME ZONE 'America/New_York' AS local, window_start, window_end, subject, value
	FROM meter.usage(:'org', 'calls', '2024-01-15', '2024-06-01', 'acme', 'billing_period');
-- not in a leap year
SELECT window_start AT TIME ZONE 'America/New_York' AS local
	FROM meter.usage(:'org', 'calls', '2025-01-31 05:00', '2025-05-01', 'acme', 'billing_period');
-- a subject that is nobody's has calendar months in the meter's zone
SELECT window_start, window_end, value FROM meter.usage(:'org', 'calls', '2024-03-15', '2024-05-01', 'other', 'billing_period');
-- or, where the meter has an anchor, months from that
SELECT meter.create_meter(:'org', '{"key": "anchored", "metric_key": "call", "function": "count",
	"window": {"size": "billing_period", "anchor": "2023-01-15T00:00:00Z"}}') ->> 'key';
SELECT window_start, window_end FROM meter.usage(:'org', 'anchored', '2024-03-01', '2024-05-01', 'other', 'billing_period');
-- the window's size in the definition does not matter, nor does the anchor to other sizes
SELECT window_start, window_end FROM meter.usage(:'org', 'anchored', '2024-03-01', '2024-05-01', 'other', 'month');
-- billing periods are somebody's
SELECT * FROM meter.usage(:'org', 'calls', '2024-03-15', '2024-05-01', window_size => 'billing_period');
SELECT * FROM meter.usage(:'org', 'calls', '2024-03-15', '2024-05-01', group_by => '{subject}', window_size => 'billing_period');
SELECT * FROM meter.usage(:'org', 'calls', '2024-03-15', '2024-05-01', 'acme', 'billing_period', time_zone => 'UTC');

-- A change of plan: periods are cut where one ends, and begin anew.
SELECT meter.update_subscription(:'org', '50000000-0000-0000-0000-000000000011', '{"status": "cancelled", "ended_at": "2024-05-10T12:00:00Z", "products": []}') - '{created_at,updated_at}'::text[];
SELECT meter.create_subscription(:'org', '{"customer": "acme", "started_at": "2024-05-20T00:00:00Z", "ended_at": "2024-06-10T00:00:00Z",
	"anchor": "2024-05-15T00:00:00Z", "period": {"size": "week"}}') -> 'period';
-- this one overlaps, and has what the first leaves
SELECT meter.create_subscription(:'org', '{"customer": "acme", "status": "paused", "started_at": "2024-06-01T00:00:00Z", "period": {"size": "day", "count": 10}}') ->> 'status';
SELECT window_start, window_end FROM meter.usage(:'org', 'calls', '2024-04-15', '2024-07-01', 'acme', 'billing_period');
SELECT sum(value), count(*) FROM meter.usage(:'org', 'calls', '2024-01-01', '2024-07-01', 'acme', 'billing_period');

-- Two days of a subscription in Los Angeles have 23 and 25 hours.
SELECT meter.create_customer(:'org', '{"id": "la", "name": "LA"}') ->> 'id';
SELECT meter.create_subscription(:'org', '{"customer": "la", "started_at": "2025-01-01T08:00:00Z", "period": "day", "time_zone": "America/Los_Angeles"}') ->> 'time_zone';
SELECT window_start, window_end - window_start AS length FROM meter.usage(:'org', 'calls', '2025-03-08 08:00', '2025-03-11 07:00', 'la', 'billing_period');
SELECT window_start, window_end - window_start AS length FROM meter.usage(:'org', 'calls', '2025-11-01 07:00', '2025-11-04 08:00', 'la', 'billing_period');

-- Documents and defaults.
SELECT meter.create_subscription(:'org', '{"customer": "la"}') - '{id,created_at,updated_at,started_at,anchor}'::text[];
SELECT id, customer_id, status, started_at, ended_at, anchor, period, time_zone, products FROM meter.subscriptions
	WHERE id = '50000000-0000-0000-0000-000000000011';
SELECT meter.create_subscription(:'org', '{"customer": "la", "status": "cancelled"}') ->> 'ended_at' IS NOT NULL AS ended;

-- What is refused.
SELECT meter.create_product(:'org', '{"code": "gold", "name": "Again"}');
SELECT meter.create_product(:'org', '{"id": "gold", "name": "No UUID"}');
SELECT meter.create_product(:'org', '{"code": "x"}');
SELECT meter.create_subscription(:'org', '{}');
SELECT meter.create_subscription(:'org', '{"customer": "nobody"}');
SELECT meter.create_subscription(:'org', '{"customer": "la", "price": 1}');
SELECT meter.create_subscription(:'org', '{"customer": "la", "products": ["lead"]}');
SELECT meter.create_subscription(:'org', '{"customer": "la", "products": "gold"}');
SELECT meter.create_subscription(:'org', '{"customer": "la", "products": [1]}');
SELECT meter.create_subscription(:'org', '{"customer": "la", "status": "live"}');
SELECT meter.create_subscription(:'org', '{"customer": "la", "started_at": "2025-01-01"}');
SELECT meter.create_subscription(:'org', '{"customer": "la", "started_at": "2025-02-30T00:00:00Z"}');
SELECT meter.create_subscription(:'org', '{"customer": "la", "started_at": "2025-01-02T00:00:00Z", "ended_at": "2025-01-01T00:00:00Z"}');
SELECT meter.create_subscription(:'org', '{"customer": "la", "period": "hour"}');
SELECT meter.create_subscription(:'org', '{"customer": "la", "period": {"size": "month", "count": 0}}');
SELECT meter.create_subscription(:'org', '{"customer": "la", "period": {"size": "month", "count": 1.5}}');
SELECT meter.create_subscription(:'org', '{"customer": "la", "period": {"length": 1}}');
SELECT meter.create_subscription(:'org', '{"customer": "la", "time_zone": "Mars/Olympus"}');
SELECT meter.create_subscription(:'org', '{"id": "50000000-0000-0000-0000-000000000011", "customer": "la"}');
SELECT meter.update_subscription(:'org', '50000000-0000-0000-0000-000000000011', '{"status": "active"}');
SELECT meter.update_subscription(:'org', '50000000-0000-0000-0000-000000000011', '{"period": "week"}');
SELECT meter.update_subscription(:'org', '50000000-0000-0000-0000-000000000011', '{"ended_at": "2020-01-01T00:00:00Z"}');
SELECT meter.update_subscription(:'org', '50000000-0000-0000-0000-000000000099', '{}');
SELECT meter.delete_customer(:'org', 'acme');

-- one that ended as it began has no periods, and cuts nobody's
SELECT meter.create_customer(:'org', '{"id": "brief", "name": "Brief"}') ->> 'id';
SELECT meter.create_subscription(:'org', '{"customer": "brief", "started_at": "2024-03-10T00:00:00Z", "ended_at": "2024-03-10T00:00:00Z"}') ->> 'status';
SELECT window_start, window_end FROM meter.usage(:'org', 'calls', '2024-03-05', '2024-03-20', 'brief', 'billing_period');
