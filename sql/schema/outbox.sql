-- The outbox: a store, so made by create_store() and no member of the extension.

-- Wakes the relays that LISTEN.  Sent when the transaction commits, and once
-- however often it was said.  A restore loads the rows before it makes the
-- trigger, and replicated rows do not fire it; told twice, a relay looks twice.
CREATE FUNCTION meter.outbox_notify() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	-- a transaction that is to be prepared must not notify
	IF current_setting('meter.outbox_notify', true) IS DISTINCT FROM 'off' THEN
		PERFORM pg_notify('meter_outbox', '');
	END IF;
	RETURN NULL;
END
$function$;
COMMENT ON FUNCTION meter.outbox_notify() IS 'Trigger: NOTIFY meter_outbox when domain events commit; not where the setting meter.outbox_notify is off, as it must be in a transaction that is to be prepared. Source: internal.';

CREATE FUNCTION meter.create_outbox() RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	CREATE SEQUENCE IF NOT EXISTS meter.domain_event_seq;
	COMMENT ON SEQUENCE meter.domain_event_seq IS 'Numbers of domain events.';

	-- One row a message, as Debezium's outbox event router wants it; behind the
	-- message the relay's notes.  The number comes first in the key: relays name
	-- rows by it alone, and retention goes through them in its order.
	CREATE TABLE IF NOT EXISTS meter.domain_event_outbox (
		organization_id uuid NOT NULL,
		id bigint NOT NULL DEFAULT nextval('meter.domain_event_seq'),
		aggregate_type text COLLATE "C" NOT NULL,
		aggregate_id text COLLATE "C" NOT NULL,
		event_type text NOT NULL,
		payload jsonb NOT NULL,
		occurred_at timestamptz NOT NULL DEFAULT clock_timestamp(),
		attempts int NOT NULL DEFAULT 0,
		claimed_until timestamptz,
		next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
		last_error text,
		delivered_at timestamptz,
		dead_at timestamptz,
		-- A column, not an expression of an index: behind policies only what cannot
		-- tell of rows is looked up in one, and taking a payload apart can.
		meter_id uuid GENERATED ALWAYS AS (CASE WHEN aggregate_type = 'threshold' THEN (payload ->> 'meter_id')::uuid END) STORED,
		PRIMARY KEY (id, organization_id)
	) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05);
	-- What is delivered is in neither: they stay as small as the work that is left.
	-- The second condition of the first always holds; it keeps the index from
	-- statements that do not ask for a next_attempt_at and belong on the other.
	CREATE INDEX IF NOT EXISTS domain_event_outbox_due_idx ON meter.domain_event_outbox (next_attempt_at, id)
		WHERE delivered_at IS NULL AND next_attempt_at IS NOT NULL;
	CREATE INDEX IF NOT EXISTS domain_event_outbox_aggregate_idx
		ON meter.domain_event_outbox (organization_id, aggregate_type, aggregate_id, id)
		WHERE delivered_at IS NULL AND dead_at IS NULL;
	CREATE OR REPLACE TRIGGER outbox_notify AFTER INSERT ON meter.domain_event_outbox
		FOR EACH STATEMENT EXECUTE FUNCTION meter.outbox_notify();
	COMMENT ON TABLE meter.domain_event_outbox IS 'Domain events, each written by the transaction that caused it, and how far their delivery is.';
	COMMENT ON COLUMN meter.domain_event_outbox.organization_id IS 'The tenant.';
	COMMENT ON COLUMN meter.domain_event_outbox.id IS 'The domain event''s number.';
	COMMENT ON COLUMN meter.domain_event_outbox.aggregate_type IS 'What it is about, such as meter.';
	COMMENT ON COLUMN meter.domain_event_outbox.aggregate_id IS 'Which one.';
	COMMENT ON COLUMN meter.domain_event_outbox.event_type IS 'What happened, such as version.published.';
	COMMENT ON COLUMN meter.domain_event_outbox.payload IS 'The particulars.';
	COMMENT ON COLUMN meter.domain_event_outbox.occurred_at IS 'When it happened.';
	COMMENT ON COLUMN meter.domain_event_outbox.attempts IS 'How often it was handed out.';
	COMMENT ON COLUMN meter.domain_event_outbox.claimed_until IS 'End of the lease of the relay that has it; null where none has.';
	COMMENT ON COLUMN meter.domain_event_outbox.next_attempt_at IS 'From when on it may be handed out (again); infinity where it is dead.';
	COMMENT ON COLUMN meter.domain_event_outbox.last_error IS 'Why the last delivery failed.';
	COMMENT ON COLUMN meter.domain_event_outbox.delivered_at IS 'When a relay said that it is delivered.';
	COMMENT ON COLUMN meter.domain_event_outbox.dead_at IS 'When it was given up; meter.outbox_replay() takes it up again.';
	COMMENT ON COLUMN meter.domain_event_outbox.meter_id IS 'The meter, of what is said of thresholds.';

	CREATE OR REPLACE VIEW meter.outbox_stats WITH (security_invoker = true) AS
		WITH clock AS MATERIALIZED (SELECT clock_timestamp() AS at)
		SELECT o.organization_id,
			count(*) FILTER (WHERE o.dead_at IS NULL AND (o.claimed_until <= clock.at) IS NOT FALSE) AS pending,
			count(*) FILTER (WHERE o.dead_at IS NULL AND o.claimed_until > clock.at) AS claimed,
			count(*) FILTER (WHERE o.dead_at IS NULL AND o.last_error IS NOT NULL) AS failing,
			count(*) FILTER (WHERE o.dead_at IS NOT NULL) AS dead,
			min(o.occurred_at) FILTER (WHERE o.dead_at IS NULL) AS oldest_at,
			clock.at - min(o.occurred_at) FILTER (WHERE o.dead_at IS NULL) AS oldest_age
		FROM meter.domain_event_outbox AS o
		CROSS JOIN clock
		WHERE o.delivered_at IS NULL AND o.next_attempt_at <= 'infinity'
		GROUP BY o.organization_id, clock.at;
	COMMENT ON VIEW meter.outbox_stats IS 'Domain events that are not delivered, by organization; it has a row only where there are some.';
	COMMENT ON COLUMN meter.outbox_stats.organization_id IS 'The tenant.';
	COMMENT ON COLUMN meter.outbox_stats.pending IS 'How many wait to be handed out, those whose lease ran out among them.';
	COMMENT ON COLUMN meter.outbox_stats.claimed IS 'How many a relay has now.';
	COMMENT ON COLUMN meter.outbox_stats.failing IS 'How many of both could not be delivered the last time.';
	COMMENT ON COLUMN meter.outbox_stats.dead IS 'How many were given up.';
	COMMENT ON COLUMN meter.outbox_stats.oldest_at IS 'When the oldest that is not dead happened.';
	COMMENT ON COLUMN meter.outbox_stats.oldest_age IS 'How long ago that was.';
END
$function$;
COMMENT ON FUNCTION meter.create_outbox() IS 'Makes the table of domain events, its indexes, its trigger and the view meter.outbox_stats. Idempotent. Source: internal.';
