-- Functions with options: percentile, weighted_sum, custom.
\set VERBOSITY terse
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
DO $$ BEGIN PERFORM meter.create_store(); END $$;
SELECT meter.create_organization('functions', '00000000-0000-0000-0000-00000000fe02');
\set org '''00000000-0000-0000-0000-00000000fe02'''

CREATE FUNCTION pg_temp.refusal(keys jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM meter.create_meter('00000000-0000-0000-0000-00000000fe02',
		'{"key": "k", "metric_key": "t", "value_field": "n"}'::jsonb || keys);
	RAISE 'accepted';
EXCEPTION WHEN OTHERS THEN
	DECLARE
		detail text;
	BEGIN
		GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
		RETURN CASE WHEN SQLERRM = 'accepted' THEN SQLERRM ELSE
			concat_ws(' | ', SQLSTATE, regexp_replace(SQLERRM, '^invalid meter definition: ', ''), NULLIF(detail, '')) END;
	END;
END
$$;

SELECT f AS keys, pg_temp.refusal(f::jsonb) FROM unnest(ARRAY[
	'{"function": "sum", "function_options": {}}', '{"function": "sum", "function_options": []}',
	'{"function": "sum", "function_options": {"mode": "delta"}}', '{"function": "sum", "function_options": {"mode": null}}',
	'{"function": "sum", "function_options": {"nonsense": 1}}',
	'{"function": "percentile"}', '{"function": "percentile", "function_options": {}}',
	'{"function": "percentile", "function_options": {"percentile": 0}}', '{"function": "percentile", "function_options": {"percentile": 1.0}}',
	'{"function": "percentile", "function_options": {"percentile": 95}}', '{"function": "percentile", "function_options": {"percentile": -0.1}}',
	'{"function": "percentile", "function_options": {"percentile": "0.5"}}', '{"function": "percentile", "value_field": null, "function_options": {"percentile": 0.5}}',
	'{"function": "weighted_sum"}', '{"function": "weighted_sum", "function_options": {"mode": "gauge"}}',
	'{"function": "weighted_sum", "function_options": {"mode": "level"}}', '{"function": "weighted_sum", "function_options": {"percentile": 0.5}}',
	'{"function": "unique_count", "value_field": null, "unique_by_field": "u", "function_options": {"approximate": false}}',
	'{"function": "unique_count", "value_field": null, "unique_by_field": "u", "function_options": {"approximate": true}}',
	'{"function": "unique_count", "value_field": null, "unique_by_field": "u", "function_options": {"approximate": 1}}',
	'{"function": "custom"}', '{"function": "custom", "value_field": null}',
	'{"function": "custom", "value_field": null, "function_options": {"expression": "a + b.c"}}',
	'{"function": "custom", "function_options": {"expression": "a + b"}}',
	'{"function": "custom", "value_field": null, "function_options": {"expression": "a + (b"}}',
	'{"function": "custom", "value_field": null, "function_options": {"expression": "a = b"}}',
	'{"function": "custom", "value_field": null, "unique_by_field": "u", "function_options": {"expression": "a"}}']) AS f;

SELECT m ->> 'key' AS meter, m -> 'function_options' AS options FROM unnest(ARRAY[
	'{"key": "p95", "function": "percentile", "value_field": "ms", "function_options": {"percentile": 0.95}}',
	'{"key": "median", "function": "percentile", "value_field": "ms", "function_options": {"percentile": 0.5}}',
	'{"key": "level", "function": "weighted_sum", "value_field": "seats", "negative_allowed": true}',
	'{"key": "gauge", "function": "weighted_sum", "value_field": "seats", "negative_allowed": true, "function_options": {"mode": "gauge"}}',
	'{"key": "price", "function": "custom", "function_options": {"expression": "ms * seats > 0 ? ms * seats * 0.1 : 0"}}',
	'{"key": "ratio", "function": "custom", "function_options": {"expression": "ms / seats"}}']) AS d,
	LATERAL meter.create_meter(:org, '{"metric_key": "m"}'::jsonb || d::jsonb) AS m;
SELECT ordinal, status, code, message FROM meter.ingest(:org, '[
	{"id": "1", "type": "m", "subject": "a", "time": "2025-03-05T00:00:00Z", "data": {"ms": 10, "seats": 1000}},
	{"id": "2", "type": "m", "subject": "a", "time": "2025-03-10T00:07:00Z", "data": {"ms": 20.5, "seats": -400}},
	{"id": "3", "type": "m", "subject": "a", "time": "2025-03-20T12:00:00Z", "data": {"ms": 400, "seats": 100}},
	{"id": "4", "type": "m", "subject": "a", "time": "2025-03-20T12:00:00Z", "data": {"ms": 30, "seats": 0}},
	{"id": "5", "type": "m", "subject": "a", "time": "2025-03-20T12:00:00Z", "data": {"ms": "a", "seats": 1}}]');
SELECT m.key, r.code, r.pointer, r.message FROM meter.rejected_events AS r JOIN meter.meters AS m ON m.id = r.meter_id
	WHERE r.organization_id = :org ORDER BY r.id;
SELECT meter, value, event_count FROM unnest(ARRAY['p95', 'median', 'price', 'ratio']) AS meter,
	LATERAL meter.usage(:org, meter, '2025-03-01', '2025-04-01');
-- from raw events, and cut
SELECT meter, value, event_count FROM unnest(ARRAY['p95', 'median', 'price', 'ratio']) AS meter,
	LATERAL meter.usage(:org, meter, '2025-03-01 00:01', '2025-03-20 12:00:00.000001');
SELECT meter, value, event_count FROM unnest(ARRAY['p95', 'price']) AS meter,
	LATERAL meter.usage(:org, meter, '2025-04-01', '2025-05-01');
-- weighted over the real seconds of the month, and by plain arithmetic
SELECT meter, round(value, 9) AS value, event_count FROM unnest(ARRAY['level', 'gauge']) AS meter,
	LATERAL meter.usage(:org, meter, '2025-03-01', '2025-04-01');
SELECT round(sum(level * seconds) / sum(seconds), 9) AS level, round(sum(gauge * seconds) / sum(seconds), 9) AS gauge
FROM (SELECT level, gauge, extract(epoch FROM until - since) AS seconds FROM (VALUES
	(0, 0, '2025-03-01 00:00'::timestamptz, '2025-03-05 00:00'::timestamptz),
	(1000, 1000, '2025-03-05 00:00', '2025-03-10 00:07'),
	(600, -400, '2025-03-10 00:07', '2025-03-20 12:00'),
	(701, 1, '2025-03-20 12:00', '2025-04-01 00:00')) AS v (level, gauge, since, until)) AS pieces;
-- versions with different fractions are not added up
SELECT (meter.update_meter(:org, 'p95', '{"function_options": {"percentile": 0.9}}')) ->> 'version' AS version;
SELECT version, value, event_count FROM meter.usage(:org, 'p95', '2025-03-01', '2030-01-01');
