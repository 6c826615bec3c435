-- Usage belongs to the caller's transaction: read at once, gone with a
-- rollback, and its keys with it.
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS meter;
DO $$ BEGIN PERFORM meter.create_store(); END $$;
SELECT plan(17);

CREATE TABLE org AS SELECT meter.create_organization('transaction') AS id;
DO $$ BEGIN
	PERFORM meter.create_meter(id, '{"key": "calls", "name": "Calls", "metric_key": "call", "function": "sum", "value_field": "$.n",
		"dimensions": {"model": "$.model"}}') FROM org;
	PERFORM meter.create_meter(id, '{"key": "users", "name": "Users", "metric_key": "call", "function": "unique_count", "unique_by_field": "$.user"}') FROM org;
	PERFORM meter.create_meter(id, '{"key": "last", "name": "Last", "metric_key": "call", "function": "latest", "value_field": "$.n"}') FROM org;
END $$;

CREATE FUNCTION send(event_id text, n text, minute int DEFAULT 0, usr text DEFAULT 'u1') RETURNS text LANGUAGE sql AS $$
	SELECT i.status FROM org, meter.ingest(org.id, json_build_object('id', event_id, 'source', 's', 'type', 'call', 'subject', 'ada',
		'time', timestamptz '2025-01-01 00:00+00' + make_interval(mins => minute), 'data', json_build_object('n', n, 'user', usr, 'model', 'm'))) i
$$;
CREATE FUNCTION used(meter text) RETURNS numeric LANGUAGE sql AS $$
	SELECT u.value FROM org, meter.usage(org.id, meter, '2025-01-01 00:00+00', '2025-01-02 00:00+00') u
$$;
CREATE FUNCTION traces() RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', used('calls'), used('users'), coalesce(used('last')::text, 'none'),
		(SELECT count(*) FROM meter.rejected_events r JOIN org ON r.organization_id = org.id),
		(SELECT count(*) FROM org, meter.usage(org.id, 'calls', '2025-01-01 00:00+00', '2025-01-02 00:00+00', group_by => '{model,subject}')))
$$;

SELECT is(traces(), '0 0 none 0 0', 'nothing before');
SELECT is(send('e1', '1.5'), 'accepted', 'a first event');
SELECT is(traces(), '1.5 1 1.5 0 1', 'is read at once');
SELECT is(send('e1', '1.5'), 'duplicate', 'its key is used at once');

SAVEPOINT a;
SELECT is(send('e2', '2', 1, 'u2'), 'accepted', 'a second event after a savepoint');
SELECT is(send('e3', 'bad'), 'accepted', 'one that two of three meters reject');
SELECT is(send('e1', '7'), 'conflict', 'one in conflict');
SELECT is(traces(), '3.5 2 2 3 1', 'all are there');
ROLLBACK TO a;
SELECT is(traces(), '1.5 1 1.5 0 1', 'after the rollback none is, and the first still is');
SELECT is(send('e2', '2', 1, 'u2'), 'accepted', 'the second one counts when sent again');
SELECT is(traces(), '3.5 2 2 0 1', 'and is read');

-- a caller that fails and catches it
DO $$ BEGIN
	PERFORM send('e4', '100');
	RAISE 'the business failed' USING ERRCODE = 'P0999';
EXCEPTION WHEN SQLSTATE 'P0999' THEN
	PERFORM send('e5', '1', 2);
END $$;
SELECT is(traces(), '4.5 2 1 0 1', 'a caught error takes along what it surrounds, nothing else');
SELECT is(send('e4', '100', 3), 'accepted', 'the event counts when sent again');

-- a definition, too
SAVEPOINT b;
DO $$ BEGIN
	PERFORM meter.create_meter(id, '{"key": "bytes", "name": "Bytes", "metric_key": "transfer", "function": "count"}') FROM org;
END $$;
SELECT is((SELECT status FROM org, meter.ingest(org.id, '{"id": "t1", "source": "s", "type": "transfer", "subject": "ada", "time": "2025-01-01T00:00:00Z"}')),
	'accepted', 'a new meter is used at once');
ROLLBACK TO b;
SELECT is((SELECT status FROM org, meter.ingest(org.id, '{"id": "t1", "source": "s", "type": "transfer", "subject": "ada", "time": "2025-01-01T00:00:00Z"}')),
	'unmatched', 'and is gone with its rollback');
SELECT throws_like($$ SELECT used('bytes') $$, '%bytes%', 'usage of it is an error that names it');
SELECT is(used('calls'), 104.5, 'the rest is untouched');

SELECT * FROM finish();
ROLLBACK;
