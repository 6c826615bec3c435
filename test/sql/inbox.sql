-- The inbox: INSERT and COPY into meter.event_inbox.
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
DO $$ BEGIN PERFORM meter.create_store(); END $$;
SELECT meter.create_organization('inbox', '00000000-0000-0000-0000-0000000000f1'), meter.create_organization('inbox 2', '00000000-0000-0000-0000-0000000000f2');
\set org '''00000000-0000-0000-0000-0000000000f1'''
SELECT count(meter.create_meter(o::uuid, '{"key": "calls", "metric_key": "call", "function": "sum", "value_field": "n"}'))
FROM unnest('{00000000-0000-0000-0000-0000000000f1,00000000-0000-0000-0000-0000000000f2}'::text[]) AS o;
CREATE FUNCTION pg_temp.used(OUT subject text, OUT value numeric, OUT events bigint) RETURNS SETOF record LANGUAGE sql AS $$
	SELECT subject, value, event_count FROM meter.usage('00000000-0000-0000-0000-0000000000f1', 'calls', '-infinity', 'infinity', group_by => '{subject}')
$$;
CREATE FUNCTION pg_temp.kept() RETURNS TABLE (status text, code text, pointer text, payload json) LANGUAGE sql AS $$
	WITH gone AS (DELETE FROM meter.rejected_event WHERE organization_id = '00000000-0000-0000-0000-0000000000f1' RETURNING *)
	SELECT status, code, pointer, payload FROM gone ORDER BY rejection_id
$$;

--
-- Columns and documents
--
COPY meter.event_inbox (organization_id, id, source, type, subject, time, data) FROM STDIN;
00000000-0000-0000-0000-0000000000f1	1	s	call	ada	2025-01-01 00:00:00+00	{"n": 1}
00000000-0000-0000-0000-0000000000f1	2	s	call	ada	2025-01-01 01:00:00.5+01	{"n": "2", "more": [1, {"a": null}]}
00000000-0000-0000-0000-0000000000f1	q"\\é/	s	call	"ada"	2025-01-01 00:00:00+00	{"n": 4}
00000000-0000-0000-0000-0000000000f1	3	\N	call	\N	0001-01-01 00:00:00+00	{"n": 8}
\.
COPY meter.event_inbox (organization_id, event) FROM STDIN;
00000000-0000-0000-0000-0000000000f1	{"id": "1", "source": "s", "type": "call", "subject": "ada", "time": "2025-01-01T00:00:00Z", "data": {"n": 1.0}}
00000000-0000-0000-0000-0000000000f1	{"id": "5", "source": "s", "type": "call", "subject": "bob", "data": {"n": 16}}
00000000-0000-0000-0000-0000000000f2	{"id": "5", "source": "s", "type": "call", "subject": "bob", "data": {"n": 1000}}
00000000-0000-0000-0000-0000000000f1	{"id": "6", "meter": "calls", "data": {"n": 32}}
\.
INSERT INTO meter.event_inbox (organization_id, id, meter, subject, data) VALUES (:org, '7', 'calls', 'bob', '{"n": 64}'), (:org, '7', 'calls', 'bob', '{"n": 64.00}');
INSERT INTO meter.event_inbox (organization_id, event) SELECT :org, json_build_object('id', i::text, 'type', 'call', 'subject', 'cy', 'data', json_build_object('n', 1)) FROM generate_series(1, 3) AS i;
INSERT INTO meter.event_inbox (organization_id, id, type, subject, data) SELECT :org, 'cy' || i, 'call', 'cy', '{"n": 1}' FROM generate_series(1, 3) AS i;
SELECT * FROM pg_temp.used();
SELECT id, source, type, subject, time, data FROM meter.events WHERE organization_id = :org AND time < '2025-02-01' ORDER BY seq;
SELECT count(*) FROM meter.event_inbox;
SELECT * FROM pg_temp.kept();

--
-- What is refused is kept and told
--
COPY meter.event_inbox FROM STDIN WITH (FORMAT csv);
00000000-0000-0000-0000-0000000000f1,,8,,call,cy,,"{""n"": ""x""}",
00000000-0000-0000-0000-0000000000f1,,,,call,cy,,"{""n"": 1}",
00000000-0000-0000-0000-0000000000f1,,,,,,,,
00000000-0000-0000-0000-0000000000f1,5,,,,,,,
00000000-0000-0000-0000-0000000000f1,"[{""id"": ""no array""}]",,,,,,,
00000000-0000-0000-0000-0000000000f1,,9,,call,cy,infinity,"{""n"": 1}",
00000000-0000-0000-0000-0000000000f1,,9,,call,cy,0044-03-15 00:00+00 BC,"{""n"": 1}",
00000000-0000-0000-0000-0000000000f1,,9,,call,,,"{""n"": 1}",nothing
00000000-0000-0000-0000-0000000000f1,,7,,call,bob,,"{""n"": 65}",calls
00000000-0000-0000-0000-0000000000f1,,10,,call,cy,,"{""n"": 1}",
\.
SELECT * FROM pg_temp.kept();
INSERT INTO meter.event_inbox (organization_id, id, type, data) VALUES (:org, 'bad', 'call', '{}');
INSERT INTO meter.event_inbox (organization_id, id, type, data) VALUES (:org, 'good', 'call', '{"n": 0}');

--
-- Errors fail the statement, and leave nothing behind
--
INSERT INTO meter.event_inbox (organization_id, id, type, data) VALUES (:org, 'e1', 'call', '{"n": 5000}'), (NULL, 'e2', 'call', '{"n": 1}');
INSERT INTO meter.event_inbox (organization_id, id, event) VALUES (:org, 'e1', '{"id": "e1"}');
INSERT INTO meter.event_inbox (organization_id, time, event) VALUES (:org, '2025-01-01', '{"id": "e1"}');
INSERT INTO meter.event_inbox (organization_id, id, type, data) VALUES (:org, 'e1', 'call', '{"n": 5000}'), ('00000000-0000-0000-0000-00000000dead', 'e2', 'call', '{"n": 1}');
UPDATE meter.event_inbox SET id = 'x';
DELETE FROM meter.event_inbox;
SELECT meter.event_inbox_insert();
SELECT max(value) FROM pg_temp.used();

--
-- Savepoints, and more rows than are noted at once
--
BEGIN;
INSERT INTO meter.event_inbox (organization_id, id, type, subject, data) SELECT :org, 'many' || i, 'call', 'many', '{"n": 1}' FROM generate_series(1, 12345) AS i;
SELECT * FROM pg_temp.used() WHERE subject = 'many';
SAVEPOINT s;
INSERT INTO meter.event_inbox (organization_id, id, type, subject, data) SELECT :org, 'more' || i, 'call', 'many', '{"n": 1}' FROM generate_series(1, 5001) AS i;
SELECT * FROM pg_temp.used() WHERE subject = 'many';
ROLLBACK TO s;
-- fails after 5,000 are ingested and 3 noted; the next statement knows nothing of them
INSERT INTO meter.event_inbox (organization_id, id, type, subject, data) SELECT CASE WHEN i < 5004 THEN :org END::uuid, 'more' || i, 'call', 'many', '{"n": "x"}' FROM generate_series(1, 5004) AS i;
ROLLBACK TO s;
INSERT INTO meter.event_inbox (organization_id, id, type, subject, data) VALUES (:org, 'more1', 'call', 'many', '{"n": 1}'), (:org, 'more2', 'call', 'many', '{"n": "x"}');
SELECT * FROM pg_temp.used() WHERE subject = 'many';
COMMIT;
SELECT * FROM pg_temp.used() WHERE subject = 'many';
SELECT status, code, payload FROM pg_temp.kept() WHERE payload ->> 'subject' = 'many';

--
-- A statement inside a statement: what the inner one rolls back is its own
--
CREATE FUNCTION pg_temp.inner_statement(i int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO meter.event_inbox (organization_id, id, type, subject, data) VALUES ('00000000-0000-0000-0000-0000000000f1', 'inner' || i, 'call', 'inner', '{"n": 1}');
	IF i % 2 = 0 THEN
		RAISE 'not this one';
	END IF;
	RETURN i;
EXCEPTION WHEN raise_exception THEN
	RETURN -i;
END
$$;
INSERT INTO meter.event_inbox (organization_id, id, type, subject, data) SELECT :org, 'outer' || pg_temp.inner_statement(i), 'call', 'outer', '{"n": 1}' FROM generate_series(1, 6) AS i;
SELECT * FROM pg_temp.used() WHERE subject IN ('inner', 'outer');

--
-- All or nothing, where the organization wants it so
--
DO $$ BEGIN PERFORM meter.create_organization('strict inbox', '00000000-0000-0000-0000-0000000000f3', '{"partial": false}'); END $$;
INSERT INTO meter.event_inbox (organization_id, id, type) VALUES ('00000000-0000-0000-0000-0000000000f3', '1', 'call'), ('00000000-0000-0000-0000-0000000000f3', NULL, 'call');
SELECT count(*) FROM meter.events WHERE organization_id = '00000000-0000-0000-0000-0000000000f3';
