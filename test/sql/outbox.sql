-- The outbox and its relays: order, leases, failures, replay, retention.
\set VERBOSITY terse
SET client_min_messages = warning;
SET timezone = 'UTC';
SELECT meter.create_store();
CREATE SCHEMA test_outbox;
SET search_path = test_outbox;
TRUNCATE meter.domain_event_outbox;
ALTER SEQUENCE meter.domain_event_seq RESTART 1;

-- Events about an aggregate of one letter.
CREATE FUNCTION emit(letters text) RETURNS void LANGUAGE sql AS $$
	SELECT meter.emit_domain_event('90000000-0000-0000-0000-000000000001', 'letter', a.letter, 'letter.written', '{}')
	FROM string_to_table(letters, NULL) WITH ORDINALITY AS a (letter, place) ORDER BY a.place
$$;
CREATE FUNCTION claim(max_rows int) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(aggregate_id || id || '/' || attempts, ' ' ORDER BY id) FROM meter.outbox_claim(max_rows, '1 hour')
$$;
-- Time goes by.
CREATE FUNCTION pass(span interval) RETURNS void LANGUAGE sql AS $$
	UPDATE meter.domain_event_outbox SET next_attempt_at = next_attempt_at - span, claimed_until = claimed_until - span,
		occurred_at = occurred_at - span, delivered_at = delivered_at - span
$$;
CREATE VIEW rows AS
	SELECT aggregate_id || id AS event, attempts, claimed_until IS NOT NULL AS claimed, delivered_at IS NOT NULL AS delivered, dead_at IS NOT NULL AS dead,
		CASE WHEN isfinite(next_attempt_at) THEN greatest(round(extract(epoch FROM next_attempt_at - clock_timestamp()), -1), 0) END AS due_in, last_error
	FROM meter.domain_event_outbox ORDER BY id;

-- In order, as many as asked for; the rest of an aggregate waits for them.
SELECT emit('aabac');
SELECT claim(100);
SELECT meter.outbox_replay(ARRAY(SELECT id FROM meter.domain_event_outbox)) AS nothing_to_replay;
TABLE rows;
SELECT pass('2 hours');
SELECT claim(2);
SELECT claim(2);
SELECT claim(10);
SELECT meter.outbox_ack('{1}');
SELECT claim(10);
SELECT meter.outbox_ack('{2,3,2,99}');
SELECT claim(10);
SELECT organization_id, pending, claimed, failing, dead, oldest_at = (SELECT min(occurred_at) FROM meter.domain_event_outbox WHERE delivered_at IS NULL) AS oldest,
	oldest_age BETWEEN '0' AND '3 hours' AS age FROM meter.outbox_stats;
SELECT meter.outbox_ack('{4,5}');
SELECT meter.outbox_ack('{4,5}');
TABLE meter.outbox_stats;

-- A relay that is lost: its lease runs out.
SELECT emit('xy');
SELECT claim(10);
SELECT claim(10);
SELECT pass('1 hour');
SELECT claim(10);
-- the first one comes back late: delivered is delivered
SELECT meter.outbox_ack('{6,7}');

-- A failure holds back its aggregate, and no other.
SELECT emit('aabab');
SELECT claim(10);
SELECT meter.outbox_fail('{8}', 'receiver is down', 16, '100 seconds');
SELECT * FROM rows WHERE event IN ('a8', 'a9', 'b10', 'a11', 'b12');
SELECT meter.outbox_ack('{10,12}');
SELECT emit('ac');
SELECT claim(10);
SELECT * FROM rows WHERE event IN ('a13', 'c14');
SELECT pass('100 seconds');
SELECT claim(1), claim(10);
SELECT meter.outbox_fail('{8}', 'still down', 16, '100 seconds');
SELECT pass('100 seconds');
SELECT claim(10);
SELECT pass('100 seconds');
SELECT claim(10);
SELECT meter.outbox_ack('{8,9,11,13,14}');

-- The first time it is a second.
SELECT emit('s');
SELECT claim(1);
SELECT meter.outbox_fail('{15}', 'down');
SELECT next_attempt_at - clock_timestamp() BETWEEN '-1 minute' AND '1 second' AS soon FROM meter.domain_event_outbox WHERE id = 15;
SELECT meter.outbox_ack('{15}');
ALTER SEQUENCE meter.domain_event_seq RESTART 15;
DELETE FROM meter.domain_event_outbox WHERE id = 15;

-- It doubles up to a cap; then it is dead and what is behind it goes on.
SELECT emit('zz');
DO $$ BEGIN
	FOR i IN 1 .. 4 LOOP
		PERFORM FROM meter.outbox_claim(1, '1 hour');
		PERFORM meter.outbox_fail('{15}', 'failure ' || i, 5, '10 seconds', '1 minute');
		RAISE WARNING '% %', (SELECT due_in FROM rows WHERE event = 'z15'), claim(10);
		PERFORM pass('1 minute');
	END LOOP;
END $$;
SELECT claim(1);
SELECT meter.outbox_fail('{15,15,10}', 'the last failure', 5);
SELECT * FROM rows WHERE event IN ('z15', 'z16');
SELECT claim(10);
SELECT pending, claimed, failing, dead FROM meter.outbox_stats;
SELECT meter.outbox_fail('{15}', 'dead already');
SELECT meter.outbox_ack('{16}');

-- Replay: what is dead, what is delivered, what waits; in the old order.
SELECT emit('z');
SELECT meter.outbox_replay('{15,16,17,98}');
SELECT claim(2);
SELECT claim(2);
SELECT meter.outbox_fail('{15,16}', 'both', 16, '100 seconds');
SELECT * FROM rows WHERE event LIKE 'z%';
SELECT meter.outbox_replay('{15}');
SELECT claim(10);
SELECT meter.outbox_replay('{16}');
SELECT pass('1 hour');
SELECT claim(10);
SELECT meter.outbox_ack('{15,16,17}');

-- A long queue behind another relay's event does not hide others.
SELECT emit(repeat('q', 60));
SELECT claim(1);
SELECT emit('r');
SELECT claim(5);
-- and behind one that failed it is put off as a whole
SELECT meter.outbox_ack('{78}');
SELECT meter.outbox_fail('{18}', 'down', 16, '100 seconds');
SELECT claim(10);
SELECT count(*), min(due_in), max(due_in) FROM rows WHERE event LIKE 'q%';
SELECT pass('100 seconds');
SELECT claim(3);
SELECT meter.outbox_ack(array_agg(id)) FROM generate_series(18, 77) AS id;

-- What is new comes behind what failed before it, though it was due earlier.
SELECT emit('w');
SELECT claim(1);
SELECT meter.outbox_fail('{79}', 'down', 16, '1 hour', '1 hour');
SELECT emit(repeat('w', 30));
SELECT pass('1 hour');
SELECT claim(3);
SELECT meter.outbox_ack(array_agg(id)) FROM generate_series(79, 109) AS id;

-- Retention in bounded batches; what is not delivered stays.
SELECT emit('kk');
SELECT claim(1);
SELECT meter.outbox_fail('{110}', 'dead at once', 1);
SELECT pass('8 days');
SELECT emit('k');
SELECT meter.outbox_ack('{112}');
SELECT count(*) FROM rows;
SELECT meter.outbox_delete_delivered(max_rows => 100), meter.outbox_delete_delivered(), meter.outbox_delete_delivered();
TABLE rows;
SELECT meter.outbox_delete_delivered('0');
SELECT meter.outbox_delete_delivered('0');

-- What is refused.
SELECT * FROM meter.outbox_claim(0);
SELECT * FROM meter.outbox_claim(10001);
SELECT * FROM meter.outbox_claim(NULL);
SELECT * FROM meter.outbox_claim(1, '0');
SELECT * FROM meter.outbox_claim(1, '2 days');
SELECT * FROM meter.outbox_claim(1, NULL);
SELECT meter.outbox_fail('{1}', 'x', 0);
SELECT meter.outbox_fail('{1}', 'x', 5, '-1 second');
SELECT meter.outbox_fail('{1}', 'x', 5, '1 minute', '1 second');
SELECT meter.outbox_fail('{1}', 'x', 5, '1 minute', '8 days');
SELECT meter.outbox_delete_delivered('-1 day');
SELECT meter.outbox_delete_delivered('1 day', 0);
-- and what is nothing
SELECT meter.outbox_ack(NULL), meter.outbox_ack('{}'), meter.outbox_ack('{NULL}'), meter.outbox_fail(NULL, NULL), meter.outbox_replay('{}');
-- the largest backoff does not overflow
SELECT emit('o');
UPDATE meter.domain_event_outbox SET attempts = 900 WHERE aggregate_id = 'o';
SELECT meter.outbox_fail(ARRAY(SELECT id FROM meter.domain_event_outbox WHERE aggregate_id = 'o'), repeat('x', 2000), 1000, '7 days', '7 days');
SELECT attempts, due_in, length(last_error) FROM rows WHERE event LIKE 'o%';

-- Plans, with a history: each statement stays in the indexes of what is left.
TRUNCATE meter.domain_event_outbox;
INSERT INTO meter.domain_event_outbox (organization_id, aggregate_type, aggregate_id, event_type, payload, delivered_at)
	SELECT '90000000-0000-0000-0000-000000000001', 'letter', n % 100, 'letter.written', '{}', now() FROM generate_series(1, 20000) AS n;
ANALYZE meter.domain_event_outbox;
SELECT emit('abcdefghij');
CREATE FUNCTION blocks_read(call text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ' || call INTO plan;
	RETURN (plan -> 0 -> 'Plan' ->> 'Shared Hit Blocks')::bigint + (plan -> 0 -> 'Plan' ->> 'Shared Read Blocks')::bigint;
END
$$;
SELECT array_agg(id) AS ids FROM meter.domain_event_outbox WHERE delivered_at IS NULL \gset
-- the first calls read the catalogs
SELECT blocks_read('SELECT meter.outbox_claim(5)') > 0 AS first,
	blocks_read('SELECT meter.outbox_fail(ARRAY[1], NULL)') > 0 AS first, blocks_read('SELECT meter.outbox_ack(ARRAY[1])') > 0 AS first;
SELECT blocks_read('SELECT meter.outbox_claim(5)') BETWEEN 5 AND 200 AS claim,
	blocks_read(format('SELECT meter.outbox_ack(%L)', :'ids')) BETWEEN 5 AND 200 AS ack,
	(SELECT relpages FROM pg_class WHERE oid = 'meter.domain_event_outbox'::regclass) > 200 AS pages;
SELECT blocks_read('TABLE meter.outbox_stats') < 20 AS stats;

-- The trigger is made again with the store, and does not fire for a replica.
SELECT meter.create_store();
SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'meter.domain_event_outbox'::regclass;
LISTEN meter_outbox;
SET meter.outbox_notify = off;
SELECT emit('n');
SET meter.outbox_notify = on;
SET session_replication_role = replica;
SELECT emit('n');
RESET session_replication_role;
SELECT 'none so far' AS notified;
