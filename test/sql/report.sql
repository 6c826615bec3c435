-- report_usage: one report to one meter, by id, key or name.
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
DO $$ BEGIN PERFORM meter.create_store(); END $$;
SELECT meter.create_organization('report', '00000000-0000-0000-0000-0000000000b1');
\set org '''00000000-0000-0000-0000-0000000000b1'''
SELECT m ->> 'key' AS meter FROM unnest(ARRAY[
	'{"key": "calls", "name": "API calls", "metric_key": "call", "function": "sum", "value_field": "$.value", "dimensions": {"region": "region"}}',
	'{"key": "deep", "name": "Deep", "metric_key": "deep", "function": "max", "value_field": "$.a.\"b c\"", "negative_allowed": true}',
	'{"key": "seen", "name": "Same name", "metric_key": "seen", "function": "count"}', '{"key": "users", "name": "Same name", "metric_key": "call", "function": "unique_count", "unique_by_field": "user"}',
	'{"key": "list", "metric_key": "list", "function": "sum", "value_field": "$.list[0]"}', '{"key": "whole", "metric_key": "whole", "function": "sum", "value_field": "$"}',
	'{"key": "old", "metric_key": "old", "function": "count"}']) AS definition, LATERAL meter.create_meter(:org, definition::jsonb) AS m;
UPDATE meter.meter SET status = 'archived' WHERE organization_id = :org AND key = 'old';

-- The answer without its number, or what the refusal says.
CREATE FUNCTION pg_temp.report(report jsonb, key text DEFAULT gen_random_uuid()::text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer jsonb;
	detail text;
BEGIN
	answer := meter.report_usage('00000000-0000-0000-0000-0000000000b1', report, key);
	RETURN CASE WHEN answer ? 'requestId' THEN jsonb_set(answer, '{requestId}', to_jsonb(answer ->> 'requestId' ~ '^[0-9]+$')) ELSE answer END;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' | ', SQLSTATE, SQLERRM, NULLIF(detail, ''));
END
$$;
CREATE FUNCTION pg_temp.used(meter text) RETURNS TABLE (subject text, value numeric, events bigint) LANGUAGE sql AS $$
	SELECT subject, value, event_count FROM meter.usage('00000000-0000-0000-0000-0000000000b1', meter, '-infinity', 'infinity', group_by => '{subject}')
$$;

--
-- Queued once; a duplicate after that; another report under the same key is refused
--
SELECT n, pg_temp.report(r::jsonb, key) FROM (VALUES
	(1, 'k1', '{"value": 5, "customerId": "ada", "meterId": "calls", "timestamp": "2025-01-01T00:00:00Z", "metadata": {"region": "eu", "n": 1, "flag": true}}'),
	(2, 'k1', '{"value": 5.0, "customerId": "ada", "meterName": "API calls", "timestamp": "2025-01-01T01:00:00+01:00", "metadata": {"region": "eu", "n": 1.0, "flag": true}}'),
	(3, 'k1', '{"value": 6, "customerId": "ada", "meterId": "calls", "timestamp": "2025-01-01T00:00:00Z", "metadata": {"region": "eu", "n": 1, "flag": true}}'),
	(4, 'k1', '{"value": 5, "customerId": "ada", "meterId": "deep"}'), (5, 'k2', '{"value": "0.1", "customerId": "bob", "meterId": "calls"}'), (6, 'k2', '{"value": "0.1", "customerId": "bob", "meterId": "calls"}'),
	(7, 'k3', '{"value": 0.2, "customerId": "bob", "meterName": "calls", "meterId": null, "timestamp": null, "metadata": null}'), (8, 'k1', '{"value": -3.50, "meterName": "Deep", "metadata": {"a b": "x"}}'),
	(9, 'k4', '{"value": 1, "meterId": "seen", "customerId": "ada", "metadata": {"value": 7}}'), (10, 'k''"\é', '{"value": 1, "meterId": "seen"}'), (11, 'k''"\é', '{"value": 1, "meterId": "seen"}')
) AS v (n, key, r) ORDER BY n;
SELECT (meter.report_usage(:org, jsonb_build_object('meterId', upper(id::text), 'value', 100, 'customerId', 'cy'), 'k5')) ->> 'status' AS by_id, key FROM meter.meters WHERE organization_id = :org AND key = 'calls';
SELECT meter, u.* FROM unnest('{calls,deep,seen}'::text[]) AS meter, LATERAL pg_temp.used(meter) AS u;
SELECT type, source, id, subject, data, (SELECT key FROM meter.meter WHERE id = meter_id) AS meter FROM meter.events WHERE organization_id = :org ORDER BY seq;
-- a requestId is the event's arrival number
SELECT meter.report_usage(:org, '{"value": 1, "meterId": "seen"}', 'numbered') ->> 'requestId' AS request \gset
SELECT :request = max(seq) AS its_event FROM meter.events WHERE organization_id = :org;

--
-- Refusals
--
SELECT left(r, 80) AS report, pg_temp.report(r::jsonb) AS answer FROM unnest(ARRAY[
	'[]', '5', 'null', '{}', '{"value": 1}', '{"meterId": "calls"}', '{"value": null, "meterId": "calls"}', '{"value": 1, "meterId": 5}', '{"value": 1, "meterName": ["calls"]}', '{"value": 1, "meterId": ""}',
	'{"value": 1, "meterId": "nothing"}', '{"value": 1, "meterName": "Same name"}', '{"value": 1, "meterId": "old"}', '{"value": 1, "meterId": "calls", "customerId": 7}', '{"value": 1, "meterId": "calls", "customerId": ""}',
	'{"value": 1, "meterId": "calls", "timestamp": 5}', '{"value": 1, "meterId": "calls", "timestamp": "today"}', '{"value": 1, "meterId": "calls", "colour": "red"}',
	'{"value": 1, "meterId": "calls", "metadata": []}', '{"value": 1, "meterId": "calls", "metadata": {"a": [1]}}', '{"value": 1, "meterId": "calls", "metadata": {"a": {}}}', '{"value": 1, "meterId": "calls", "metadata": {"a": null}}',
	'{"value": 1, "meterId": "calls", "metadata": {"value": 2}}', '{"value": 1, "meterId": "deep", "metadata": {"a": 2}}',
	'{"value": "x", "meterId": "calls"}', '{"value": "NaN", "meterId": "calls"}', '{"value": -1, "meterId": "calls"}', '{"value": true, "meterId": "calls"}', '{"value": [1], "meterId": "calls"}', '{"value": 1e200, "meterId": "calls"}',
	'{"value": 1, "meterId": "list"}', '{"value": 1, "meterId": "whole"}', '{"value": 1, "meterId": "users"}', '{"value": 1, "meterId": "users", "metadata": {"user": "ada"}}', '{"value": 1, "meterId": "calls", "metadata": {"region": "' || repeat('x', 1025) || '"}}']) AS r;
SELECT left(key, 10) AS key, length(key), pg_temp.report('{"value": 1, "meterId": "seen"}', key) FROM unnest(ARRAY[NULL, '', repeat('k', 255), repeat('k', 256), E'a\nb']) AS key;
SELECT meter.report_usage(NULL, '{}', 'k');
SELECT meter.report_usage(:org, NULL, 'k');
SELECT meter.report_usage('00000000-0000-0000-0000-00000000dead', '{"value": 1, "meterId": "seen"}', 'k');
-- nothing stays of a refusal
SELECT count(*) FROM meter.rejected_events WHERE organization_id = :org;

--
-- In the caller's transaction
--
BEGIN;
SELECT meter.report_usage(:org, '{"value": 1000, "customerId": "dan", "meterId": "calls"}', 'rolled back') ->> 'status' AS status;
SAVEPOINT s;
SELECT meter.report_usage(:org, '{"value": 2000, "customerId": "dan", "meterId": "calls"}', 'to savepoint') ->> 'status' AS status;
SELECT meter.report_usage(:org, '{"value": "x", "customerId": "dan", "meterId": "calls"}', 'bad');
ROLLBACK TO s;
SELECT * FROM pg_temp.used('calls') WHERE subject = 'dan';
SELECT pg_temp.report('{"value": 2000, "customerId": "dan", "meterId": "calls"}', 'to savepoint') AS again, pg_temp.report('{"value": 1000, "customerId": "dan", "meterId": "calls"}', 'rolled back') AS duplicate;
SELECT * FROM pg_temp.used('calls') WHERE subject = 'dan';
ROLLBACK;
SELECT * FROM pg_temp.used('calls') WHERE subject = 'dan';
SELECT pg_temp.report('{"value": 1000, "customerId": "dan", "meterId": "calls"}', 'rolled back');
SELECT * FROM pg_temp.used('calls') WHERE subject = 'dan';
