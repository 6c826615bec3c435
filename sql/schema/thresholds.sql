-- Thresholds: what is told, or refused, when usage crosses a value.

CREATE SEQUENCE meter.watch_no_seq AS int;
COMMENT ON SEQUENCE meter.watch_no_seq IS 'Numbers of watches.';

-- Thresholds of a meter with the same window, scope and dimensions look at the
-- same quantities: these are kept once, for all of them.
CREATE TABLE meter.threshold_watch (
	organization_id uuid NOT NULL,
	watch_no int NOT NULL DEFAULT pg_catalog.nextval('meter.watch_no_seq'),
	meter_id uuid NOT NULL,
	scope_kind text NOT NULL CHECK (scope_kind IN ('subject', 'meter', 'product', 'subscription', 'customer')),
	scope_id text COLLATE "C",
	per_dimensions boolean NOT NULL,
	"window" jsonb,
	empty_from timestamptz NOT NULL,
	swept_before timestamptz NOT NULL DEFAULT '-infinity',
	PRIMARY KEY (organization_id, watch_no),
	FOREIGN KEY (organization_id, meter_id) REFERENCES meter.meter (organization_id, id),
	CHECK ((scope_id IS NULL) = (scope_kind IN ('subject', 'meter')))
);
CREATE UNIQUE INDEX threshold_watch_idx ON meter.threshold_watch
	(organization_id, meter_id, scope_kind, COALESCE(scope_id, ''), per_dimensions, COALESCE("window", 'null'));
COMMENT ON TABLE meter.threshold_watch IS 'What thresholds of a meter with the same window, scope and dimensions have in common.';
COMMENT ON COLUMN meter.threshold_watch.organization_id IS 'The tenant.';
COMMENT ON COLUMN meter.threshold_watch.watch_no IS 'The watch''s number.';
COMMENT ON COLUMN meter.threshold_watch.meter_id IS 'The meter.';
COMMENT ON COLUMN meter.threshold_watch.scope_kind IS 'Whose usage: subject (each subject as events name it), meter (all together), product (each subscription that holds it), subscription or customer.';
COMMENT ON COLUMN meter.threshold_watch.scope_id IS 'The product, subscription or customer.';
COMMENT ON COLUMN meter.threshold_watch.per_dimensions IS 'Whether each set of dimension values counts for itself.';
COMMENT ON COLUMN meter.threshold_watch."window" IS 'The window, complete; null: the meter''s.';
COMMENT ON COLUMN meter.threshold_watch.empty_from IS 'Windows that start from then on were empty when the watch was made; what others held is looked up when they are first met.';
COMMENT ON COLUMN meter.threshold_watch.swept_before IS 'Windows that ended before are not looked at any more.';

CREATE SEQUENCE meter.threshold_no_seq AS int;
COMMENT ON SEQUENCE meter.threshold_no_seq IS 'Numbers of thresholds.';

CREATE TABLE meter.threshold (
	organization_id uuid NOT NULL,
	id uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
	threshold_no int NOT NULL DEFAULT pg_catalog.nextval('meter.threshold_no_seq'),
	meter_id uuid NOT NULL,
	watch_no int NOT NULL,
	name text NOT NULL CHECK (pg_catalog.length(name) BETWEEN 1 AND 200),
	status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'paused')),
	comparator text NOT NULL CHECK (comparator IN ('gt', 'gte', 'lt', 'lte', 'eq')),
	threshold_values numeric[] NOT NULL CHECK (pg_catalog.cardinality(threshold_values) BETWEEN 1 AND 100),
	recurring_step numeric CHECK (recurring_step > 0),
	clear_value numeric,
	action_kind text NOT NULL CHECK (action_kind IN ('notify', 'webhook', 'suspend', 'block')),
	action_target text,
	action_event_type text NOT NULL,
	evaluate_on_create boolean NOT NULL,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	created_by text NOT NULL DEFAULT meter.current_actor(),
	updated_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	PRIMARY KEY (organization_id, id),
	UNIQUE (organization_id, threshold_no),
	UNIQUE (organization_id, meter_id, name),
	FOREIGN KEY (organization_id, meter_id) REFERENCES meter.meter (organization_id, id),
	FOREIGN KEY (organization_id, watch_no) REFERENCES meter.threshold_watch
);
CREATE INDEX threshold_watch_no_idx ON meter.threshold (organization_id, watch_no);
COMMENT ON TABLE meter.threshold IS 'Thresholds. The view meter.thresholds is the one to read.';
COMMENT ON COLUMN meter.threshold.organization_id IS 'The tenant.';
COMMENT ON COLUMN meter.threshold.id IS 'The threshold.';
COMMENT ON COLUMN meter.threshold.threshold_no IS 'Its number: of several that one event crosses, the lower comes first.';
COMMENT ON COLUMN meter.threshold.meter_id IS 'The meter.';
COMMENT ON COLUMN meter.threshold.watch_no IS 'What it looks at.';
COMMENT ON COLUMN meter.threshold.name IS 'What it is called, unique among the meter''s.';
COMMENT ON COLUMN meter.threshold.status IS 'active or paused.';
COMMENT ON COLUMN meter.threshold.comparator IS 'gt, gte, lt, lte or eq.';
COMMENT ON COLUMN meter.threshold.threshold_values IS 'The values, in the order in which usage crosses them.';
COMMENT ON COLUMN meter.threshold.recurring_step IS 'Distance of the values that follow the last one; null: none follow.';
COMMENT ON COLUMN meter.threshold.clear_value IS 'The value that resolves it and arms it again; null: the next window does.';
COMMENT ON COLUMN meter.threshold.action_kind IS 'notify, webhook, suspend or block.';
COMMENT ON COLUMN meter.threshold.action_target IS 'Whom the action is for, such as the URL of a webhook.';
COMMENT ON COLUMN meter.threshold.action_event_type IS 'Type of the domain events about breaches.';
COMMENT ON COLUMN meter.threshold.evaluate_on_create IS 'Whether what was above it when it was created counted as crossing.';
COMMENT ON COLUMN meter.threshold.created_at IS 'When it was created.';
COMMENT ON COLUMN meter.threshold.created_by IS 'By whom.';
COMMENT ON COLUMN meter.threshold.updated_at IS 'When it last changed.';

CREATE TRIGGER definitions_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON meter.threshold
	FOR EACH STATEMENT EXECUTE FUNCTION meter.definitions_changed();
CREATE TRIGGER definitions_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON meter.threshold_watch
	FOR EACH STATEMENT EXECUTE FUNCTION meter.definitions_changed();

SELECT pg_catalog.pg_extension_config_dump('meter.threshold_watch', '');
SELECT pg_catalog.pg_extension_config_dump('meter.watch_no_seq', '');
SELECT pg_catalog.pg_extension_config_dump('meter.threshold', '');
SELECT pg_catalog.pg_extension_config_dump('meter.threshold_no_seq', '');

CREATE VIEW meter.thresholds WITH (security_invoker = true) AS
	SELECT t.organization_id, t.id, t.name, t.meter_id, m.key AS meter_key,
		CASE w.scope_kind WHEN 'subject' THEN NULL
			ELSE pg_catalog.jsonb_build_object('kind', w.scope_kind, 'id', CASE w.scope_kind WHEN 'meter' THEN t.meter_id::text ELSE w.scope_id END) END AS scope,
		t.comparator,
		CASE pg_catalog.cardinality(t.threshold_values) WHEN 1 THEN pg_catalog.to_jsonb(t.threshold_values[1])
			ELSE pg_catalog.to_jsonb(t.threshold_values) END AS threshold_value,
		t.recurring_step, t.clear_value, w."window", w.per_dimensions,
		t.action_kind, t.action_target, t.action_event_type, t.evaluate_on_create,
		t.status, t.created_at, t.created_by, t.updated_at
	FROM meter.threshold AS t
	JOIN meter.threshold_watch AS w ON w.organization_id = t.organization_id AND w.watch_no = t.watch_no
	JOIN meter.meter AS m ON m.organization_id = t.organization_id AND m.id = t.meter_id;
COMMENT ON VIEW meter.thresholds IS 'Thresholds.';
COMMENT ON COLUMN meter.thresholds.organization_id IS 'The tenant.';
COMMENT ON COLUMN meter.thresholds.id IS 'The threshold.';
COMMENT ON COLUMN meter.thresholds.name IS 'What it is called, unique among the meter''s.';
COMMENT ON COLUMN meter.thresholds.meter_id IS 'The meter.';
COMMENT ON COLUMN meter.thresholds.meter_key IS 'The meter''s key.';
COMMENT ON COLUMN meter.thresholds.scope IS 'Whose usage counts together: an object of kind (meter, product, subscription or customer) and id; null: each subject''s by itself.';
COMMENT ON COLUMN meter.thresholds.comparator IS 'gt, gte, lt, lte or eq.';
COMMENT ON COLUMN meter.thresholds.threshold_value IS 'The value, or an array of several, in the order in which usage crosses them.';
COMMENT ON COLUMN meter.thresholds.recurring_step IS 'Distance of the values that follow the last one; null: none follow.';
COMMENT ON COLUMN meter.thresholds.clear_value IS 'The value that resolves it and arms it again; null: the next window does.';
COMMENT ON COLUMN meter.thresholds."window" IS 'Its window, complete; null: the meter''s.';
COMMENT ON COLUMN meter.thresholds.per_dimensions IS 'Whether each set of dimension values counts by itself.';
COMMENT ON COLUMN meter.thresholds.action_kind IS 'notify, webhook, suspend or block.';
COMMENT ON COLUMN meter.thresholds.action_target IS 'Whom the action is for, such as the URL of a webhook.';
COMMENT ON COLUMN meter.thresholds.action_event_type IS 'Type of the domain events about breaches.';
COMMENT ON COLUMN meter.thresholds.evaluate_on_create IS 'Whether what was beyond it when it was created counted as crossing.';
COMMENT ON COLUMN meter.thresholds.status IS 'active or paused.';
COMMENT ON COLUMN meter.thresholds.created_at IS 'When it was created.';
COMMENT ON COLUMN meter.thresholds.created_by IS 'By whom.';
COMMENT ON COLUMN meter.thresholds.updated_at IS 'When it last changed.';

CREATE FUNCTION meter.create_thresholds() RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	SET client_min_messages = warning
AS $function$
BEGIN
	-- Rows are updated in place as long as there is room on their page.
	CREATE TABLE IF NOT EXISTS meter.threshold_usage (
		organization_id uuid NOT NULL,
		watch_no int NOT NULL,
		account text COLLATE "C" NOT NULL,
		window_start timestamptz NOT NULL,
		window_end timestamptz NOT NULL,
		subject text,
		currency text,
		dimensions text,
		subscription_id uuid,
		value numeric,
		state bytea,
		fired bytea,
		reserved numeric NOT NULL DEFAULT 0,
		reserved_until timestamptz,
		PRIMARY KEY (organization_id, watch_no, account, window_start)
	) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
	COMMENT ON TABLE meter.threshold_usage IS 'What thresholds know of the usage they watch: a row an account and window, locked by whoever changes it.';
	COMMENT ON COLUMN meter.threshold_usage.organization_id IS 'The tenant.';
	COMMENT ON COLUMN meter.threshold_usage.watch_no IS 'The watch.';
	COMMENT ON COLUMN meter.threshold_usage.account IS 'Whose usage it is, as a key: currency, dimensions and subject or subscription; a digest of them where they are long.';
	COMMENT ON COLUMN meter.threshold_usage.window_start IS 'Start of the window.';
	COMMENT ON COLUMN meter.threshold_usage.window_end IS 'End (exclusive) of the window.';
	COMMENT ON COLUMN meter.threshold_usage.subject IS 'The subject, or the customer of the subscription; null for all subjects together.';
	COMMENT ON COLUMN meter.threshold_usage.currency IS 'The currency; null where the meter has none.';
	COMMENT ON COLUMN meter.threshold_usage.dimensions IS 'The dimension values as a JSON object, where each set of them counts for itself.';
	COMMENT ON COLUMN meter.threshold_usage.subscription_id IS 'The subscription whose usage it is, where it is one''s.';
	COMMENT ON COLUMN meter.threshold_usage.value IS 'The value so far; null for none.';
	COMMENT ON COLUMN meter.threshold_usage.state IS 'The usage state, for functions that need more than the value.';
	COMMENT ON COLUMN meter.threshold_usage.fired IS 'Which values of which thresholds were crossed since they were armed.';
	COMMENT ON COLUMN meter.threshold_usage.reserved IS 'What reservations hold.';
	COMMENT ON COLUMN meter.threshold_usage.reserved_until IS 'When the first of them ends; null without any.';

	-- A sweep looks for windows that ended long ago.  The time goes first: nobody
	-- who looks for an account may take it for the primary key.
	CREATE INDEX IF NOT EXISTS threshold_usage_end_idx ON meter.threshold_usage (window_end, organization_id, watch_no);

	CREATE TABLE IF NOT EXISTS meter.reservation (
		organization_id uuid NOT NULL,
		id uuid NOT NULL DEFAULT gen_random_uuid(),
		meter_id uuid NOT NULL,
		subject text,
		dimensions jsonb NOT NULL,
		currency text,
		quantity numeric NOT NULL CHECK (quantity > 0),
		reserved_at timestamptz NOT NULL,
		expires_at timestamptz NOT NULL,
		settled_at timestamptz,
		actual numeric,
		PRIMARY KEY (organization_id, id)
	);
	CREATE INDEX IF NOT EXISTS reservation_id_idx ON meter.reservation (id);
	-- ... and for reservations that ended then
	CREATE INDEX IF NOT EXISTS reservation_expiry_idx ON meter.reservation (organization_id, expires_at);
	COMMENT ON TABLE meter.reservation IS 'Quota that is held for work whose cost is known later.';
	COMMENT ON COLUMN meter.reservation.organization_id IS 'The tenant.';
	COMMENT ON COLUMN meter.reservation.id IS 'The reservation.';
	COMMENT ON COLUMN meter.reservation.meter_id IS 'The meter that will count the work.';
	COMMENT ON COLUMN meter.reservation.subject IS 'For whom.';
	COMMENT ON COLUMN meter.reservation.dimensions IS 'The work''s dimension values.';
	COMMENT ON COLUMN meter.reservation.currency IS 'The currency; null where the meter has none.';
	COMMENT ON COLUMN meter.reservation.quantity IS 'How much was reserved, as a report would name it.';
	COMMENT ON COLUMN meter.reservation.reserved_at IS 'When it was made: its windows are those of then.';
	COMMENT ON COLUMN meter.reservation.expires_at IS 'When it is held no more.';
	COMMENT ON COLUMN meter.reservation.settled_at IS 'When it was settled.';
	COMMENT ON COLUMN meter.reservation.actual IS 'What the work really used.';

	CREATE TABLE IF NOT EXISTS meter.reservation_hold (
		organization_id uuid NOT NULL,
		watch_no int NOT NULL,
		account text COLLATE "C" NOT NULL,
		window_start timestamptz NOT NULL,
		reservation_id uuid NOT NULL,
		quantity numeric NOT NULL,
		expires_at timestamptz NOT NULL,
		PRIMARY KEY (organization_id, watch_no, account, window_start, reservation_id)
	);
	CREATE INDEX IF NOT EXISTS reservation_hold_reservation_idx ON meter.reservation_hold (organization_id, reservation_id);
	COMMENT ON TABLE meter.reservation_hold IS 'What reservations hold of which account of thresholds; changed only under the lock of its row in meter.threshold_usage.';
	COMMENT ON COLUMN meter.reservation_hold.organization_id IS 'The tenant.';
	COMMENT ON COLUMN meter.reservation_hold.watch_no IS 'The watch.';
	COMMENT ON COLUMN meter.reservation_hold.account IS 'The account.';
	COMMENT ON COLUMN meter.reservation_hold.window_start IS 'Start of the window.';
	COMMENT ON COLUMN meter.reservation_hold.reservation_id IS 'The reservation.';
	COMMENT ON COLUMN meter.reservation_hold.quantity IS 'How much it holds.';
	COMMENT ON COLUMN meter.reservation_hold.expires_at IS 'Until when.';

	-- Breaches among the domain events: newest first, of an organization or a meter.
	-- What both conditions leave out is said of thresholds, and is no breach.
	CREATE INDEX IF NOT EXISTS domain_event_outbox_breach_idx ON meter.domain_event_outbox (organization_id, occurred_at, id)
		WHERE aggregate_type = 'threshold'
			AND event_type NOT IN ('threshold.resolved', 'threshold.created', 'threshold.paused', 'threshold.resumed', 'threshold.deleted');
	CREATE INDEX IF NOT EXISTS domain_event_outbox_meter_breach_idx
		ON meter.domain_event_outbox (organization_id, meter_id, occurred_at, id)
		WHERE aggregate_type = 'threshold'
			AND event_type NOT IN ('threshold.resolved', 'threshold.created', 'threshold.paused', 'threshold.resumed', 'threshold.deleted');
	CREATE OR REPLACE VIEW meter.threshold_events WITH (security_invoker = true) AS
		SELECT o.organization_id, o.id, o.occurred_at, o.delivered_at,
			o.meter_id, o.payload ->> 'meter_key' AS meter_key,
			o.payload ->> 'threshold_name' AS threshold_name, o.payload ->> 'comparator' AS comparator,
			(o.payload ->> 'threshold_value')::numeric AS threshold_value, (o.payload ->> 'observed_value')::numeric AS observed_value,
			(o.payload ->> 'window_start')::timestamptz AS window_start, (o.payload ->> 'window_end')::timestamptz AS window_end,
			(o.payload ->> 'product_id')::uuid AS product_id, (o.payload ->> 'subscription_id')::uuid AS subscription_id,
			o.payload ->> 'action_kind' AS action_kind, o.payload ->> 'action_target' AS action_target,
			o.payload ->> 'action_event_type' AS action_event_type
		FROM meter.domain_event_outbox AS o
		WHERE o.aggregate_type = 'threshold'
			AND o.event_type NOT IN ('threshold.resolved', 'threshold.created', 'threshold.paused', 'threshold.resumed', 'threshold.deleted');
	COMMENT ON VIEW meter.threshold_events IS 'Breaches of thresholds, from the domain events; ordered by occurred_at and id, newest first, the last ones of an organization or a meter are found by an index. Source: seed 000 (threshold-breach events).';
	COMMENT ON COLUMN meter.threshold_events.organization_id IS 'The tenant.';
	COMMENT ON COLUMN meter.threshold_events.id IS 'Number of the domain event.';
	COMMENT ON COLUMN meter.threshold_events.occurred_at IS 'When it was crossed.';
	COMMENT ON COLUMN meter.threshold_events.delivered_at IS 'When a relay said that it is delivered.';
	COMMENT ON COLUMN meter.threshold_events.meter_id IS 'The meter.';
	COMMENT ON COLUMN meter.threshold_events.meter_key IS 'The meter''s key.';
	COMMENT ON COLUMN meter.threshold_events.threshold_name IS 'What the threshold is called.';
	COMMENT ON COLUMN meter.threshold_events.comparator IS 'gt, gte, lt, lte or eq.';
	COMMENT ON COLUMN meter.threshold_events.threshold_value IS 'The value that was crossed.';
	COMMENT ON COLUMN meter.threshold_events.observed_value IS 'Usage behind the event that crossed it; null where the function gives none.';
	COMMENT ON COLUMN meter.threshold_events.window_start IS 'Start of the window.';
	COMMENT ON COLUMN meter.threshold_events.window_end IS 'End (exclusive) of the window.';
	COMMENT ON COLUMN meter.threshold_events.product_id IS 'The product, where the threshold is a product''s.';
	COMMENT ON COLUMN meter.threshold_events.subscription_id IS 'The subscription, where the threshold is a subscription''s or a product''s.';
	COMMENT ON COLUMN meter.threshold_events.action_kind IS 'notify, webhook, suspend or block.';
	COMMENT ON COLUMN meter.threshold_events.action_target IS 'Whom the action is for, such as the URL of a webhook.';
	COMMENT ON COLUMN meter.threshold_events.action_event_type IS 'Type of the domain event.';

	-- what has expired is held no more, though no one may have let go of it yet
	CREATE OR REPLACE VIEW meter.quotas WITH (security_invoker = true) AS
		SELECT t.organization_id, m.key AS meter_key, t.name AS threshold_name, u.subject, u.subscription_id, u.currency,
			u.dimensions::jsonb AS dimensions, u.window_start, u.window_end, t.comparator,
			t.threshold_values[pg_catalog.cardinality(t.threshold_values)] AS "limit", u.value AS used,
			CASE WHEN u.reserved_until > (SELECT pg_catalog.clock_timestamp()) OR u.reserved_until IS NULL THEN u.reserved
				ELSE (SELECT coalesce(pg_catalog.sum(h.quantity), 0) FROM meter.reservation_hold AS h
					WHERE h.organization_id = u.organization_id AND h.watch_no = u.watch_no AND h.account = u.account
						AND h.window_start = u.window_start AND h.expires_at > (SELECT pg_catalog.clock_timestamp())) END AS reserved
		FROM meter.threshold AS t
		JOIN meter.meter AS m ON m.organization_id = t.organization_id AND m.id = t.meter_id
		JOIN meter.threshold_usage AS u ON u.organization_id = t.organization_id AND u.watch_no = t.watch_no
		WHERE t.action_kind = 'block' AND t.status = 'active' AND u.window_start <= (SELECT pg_catalog.clock_timestamp()) AND u.window_end > (SELECT pg_catalog.clock_timestamp());
	COMMENT ON VIEW meter.quotas IS 'What is used and reserved of quotas (thresholds that block) in windows that hold now, by account: a row where something was used or reserved since the threshold was made.';
	COMMENT ON COLUMN meter.quotas.organization_id IS 'The tenant.';
	COMMENT ON COLUMN meter.quotas.meter_key IS 'The meter''s key.';
	COMMENT ON COLUMN meter.quotas.threshold_name IS 'What the threshold is called.';
	COMMENT ON COLUMN meter.quotas.subject IS 'The subject, or the customer of the subscription; null for all subjects together.';
	COMMENT ON COLUMN meter.quotas.subscription_id IS 'The subscription whose usage it is, where it is one''s.';
	COMMENT ON COLUMN meter.quotas.currency IS 'The currency; null where the meter has none.';
	COMMENT ON COLUMN meter.quotas.dimensions IS 'The dimension values, where each set of them counts for itself.';
	COMMENT ON COLUMN meter.quotas.window_start IS 'Start of the window.';
	COMMENT ON COLUMN meter.quotas.window_end IS 'End (exclusive) of the window.';
	COMMENT ON COLUMN meter.quotas.comparator IS 'gt, gte (usage must not rise above the limit), lt or lte (not fall below it).';
	COMMENT ON COLUMN meter.quotas."limit" IS 'The limit: the last value of the threshold.';
	COMMENT ON COLUMN meter.quotas.used IS 'The value so far; null for none.';
	COMMENT ON COLUMN meter.quotas.reserved IS 'What reservations hold that have not expired.';
END
$function$;
COMMENT ON FUNCTION meter.create_thresholds() IS 'Makes the tables of what thresholds watch and of reservations, and the views meter.threshold_events and meter.quotas. Idempotent. Source: internal.';
