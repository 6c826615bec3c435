-- Relays that are processes of their own: one is lost between its claim and its
-- acknowledgement; two share the work; docs/examples/relay delivers in order.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS dblink;
DO $$ BEGIN PERFORM meter.create_store(); END $$;
SELECT plan(17);

CREATE FUNCTION emit(n int, aggregates int) RETURNS void LANGUAGE sql AS $$
	SELECT meter.emit_domain_event('90000000-0000-0000-0000-000000000001', 'thing', (i % aggregates)::text, 'thing.done', jsonb_build_object('n', i))
	FROM generate_series(1, n) AS i ORDER BY i
$$;
CREATE FUNCTION relay(name text, sql text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF name <> ALL (coalesce(dblink_get_connections(), '{}')) THEN
		PERFORM dblink_connect(name, format('host=%s port=%s dbname=%s user=%s', split_part(current_setting('unix_socket_directories'), ',', 1),
			current_setting('port'), current_database(), session_user));
	END IF;
	RETURN (SELECT r.v FROM dblink(name, sql) AS r (v text));
END
$$;
CREATE FUNCTION claim(lease interval, max_rows int DEFAULT 100) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(aggregate_id || ':' || (payload ->> 'n') || '/' || attempts, ' ' ORDER BY id) FROM meter.outbox_claim(max_rows, lease)
$$;

SELECT emit(4, 2);
SELECT is(relay('one', $$SELECT claim('2 seconds', 3)$$), '1:1/1 0:2/1 1:3/1', 'a relay claims');
SELECT is(claim('1 hour'), NULL, 'another one gets nothing of the same aggregates');
SELECT ok(pg_terminate_backend(pid, 10000), 'the first one is lost') FROM relay('one', 'SELECT pg_backend_pid()') AS r (v), LATERAL (SELECT v::int AS pid) AS p;
SELECT dblink_disconnect('one');
SELECT is(claim('1 hour'), NULL, 'its lease still runs');
SELECT pg_sleep(2);
SELECT is(claim('1 hour'), '1:1/2 0:2/2 1:3/2 0:4/1', 'after it all comes again, in order');
SELECT is((SELECT meter.outbox_ack(array_agg(id)) FROM meter.domain_event_outbox), 4, 'and is acknowledged');
SELECT is(claim('1 hour'), NULL, 'then there is nothing');

-- one that is lost with its claim not committed had none
SELECT emit(2, 1);
SELECT relay('two', $$SELECT pg_backend_pid()$$) AS pid \gset
SELECT dblink_exec('two', 'BEGIN');
SELECT is(relay('two', $$SELECT claim('1 hour')$$), '0:1/1 0:2/1', 'a claim that is not committed');
SELECT is(claim('1 hour'), NULL, 'is others'' business, too');
SELECT pg_terminate_backend(:pid, 10000);
SELECT dblink_disconnect('two');
SELECT is(claim('1 hour'), '0:1/1 0:2/1', 'and is gone with its session');
SELECT meter.outbox_ack(array_agg(id)) FROM meter.domain_event_outbox;

-- NOTIFY: at commit, and only then
SELECT dblink_connect('three', format('host=%s port=%s dbname=%s user=%s', split_part(current_setting('unix_socket_directories'), ',', 1),
	current_setting('port'), current_database(), session_user));
SELECT dblink_exec('three', 'LISTEN meter_outbox');
BEGIN;
SELECT emit(2, 1);
ROLLBACK;
SELECT is_empty($$ SELECT notify_name FROM dblink_get_notify('three') $$, 'a transaction that rolls back notifies nobody');
SELECT emit(2, 1);
SELECT relay('three', 'SELECT 1');
SELECT results_eq($$ SELECT notify_name, extra FROM dblink_get_notify('three') $$, $$ VALUES ('meter_outbox', '') $$, 'one that commits does, once');

-- Two relays, as processes, whose receiver fails now and then.
TRUNCATE meter.domain_event_outbox;
SELECT emit(150, 10);
CREATE TABLE received (place bigserial, event jsonb);
\setenv RELAY_BATCH 15
\setenv RELAY_LEASE '20 seconds'
\! deliver() { docs/examples/relay --once sh -c 'read -r event; case $event in *\"n\":*7}*\"attempts\":1}) echo "not now" >&2; exit 1;; esac; printf "%s\n" "$event" | psql -X -q -v ON_ERROR_STOP=1 -c "COPY received (event) FROM STDIN"'; }; for round in $(seq 60); do deliver & deliver & wait; [ -n "$(psql -X -A -t -c 'TABLE meter.outbox_stats')" ] || break; sleep 0.3; done
SELECT is((SELECT count(DISTINCT event -> 'id') FROM received), 150::bigint, 'every event is received');
SELECT is_empty($$
	SELECT * FROM (SELECT event ->> 'aggregate_id', (event ->> 'id')::bigint AS id,
			max((event ->> 'id')::bigint) OVER (PARTITION BY event ->> 'aggregate_id' ORDER BY place ROWS UNBOUNDED PRECEDING EXCLUDE CURRENT ROW) AS before
		FROM received) AS r
	WHERE id < before
$$, 'in the order of its aggregate');
SELECT is((SELECT count(*) FROM received), 150::bigint, 'once, as nobody was lost');
SELECT isnt_empty($$ SELECT FROM received WHERE event ->> 'attempts' = '2' $$, 'failures were tried again');
SELECT is_empty('TABLE meter.outbox_stats', 'nothing is left');
SELECT * FROM finish();
