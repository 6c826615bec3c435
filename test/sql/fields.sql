-- Custom, data and derived fields: what is refused, what an event must have,
-- what a calculation gives and where it can be used.
\set VERBOSITY terse
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
DO $$ BEGIN PERFORM meter.create_store(); END $$;
SELECT meter.create_organization('fields', '00000000-0000-0000-0000-00000000fe01',
	'{"custom_fields": {"rate": 2, "region": "eu", "shadowed": 1}}');
\set org '''00000000-0000-0000-0000-00000000fe01'''

-- What the refusal of a definition with these keys says; nothing stays of it.
CREATE FUNCTION pg_temp.refusal(keys jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM meter.create_meter('00000000-0000-0000-0000-00000000fe01',
		'{"key": "k", "metric_key": "t", "function": "count"}'::jsonb || keys);
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
CREATE FUNCTION pg_temp.field(more jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT '{"category": "MEASURE", "code": "bytes", "name": "Bytes"}'::jsonb || more
$$;
CREATE FUNCTION pg_temp.derived(more jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT '{"category": "MEASURE", "code": "gb", "name": "GB", "calculation": "bytes / 1e9"}'::jsonb || more
$$;
CREATE FUNCTION pg_temp.send(events json) RETURNS TABLE (ordinal int, status text, code text, message text) LANGUAGE sql AS $$
	SELECT ordinal, status, code, message FROM meter.ingest('00000000-0000-0000-0000-00000000fe01', events)
$$;

--
-- Refusals
--
SELECT f AS data_fields, pg_temp.refusal(jsonb_build_object('data_fields', f::jsonb)) FROM unnest(ARRAY[
	'null', '[]', '{}', '[1]', '[{}]',
	'[{"category": "MEASURE", "code": "a"}]', '[{"category": "MEASURE", "name": "a"}]', '[{"code": "a", "name": "a"}]',
	'[{"category": "measure", "code": "a", "name": "a"}]', '[{"category": 1, "code": "a", "name": "a"}]',
	'[{"category": "WHO", "code": "a b", "name": "a"}]', '[{"category": "WHO", "code": "1a", "name": "a"}]',
	'[{"category": "WHO", "code": "", "name": "a"}]', '[{"category": "WHO", "code": "timestamp", "name": "a"}]',
	'[{"category": "WHO", "code": "$a_1", "name": "a", "unit": "u"}]', '[{"category": "WHO", "code": "a", "name": "a", "unit": null}]',
	'[{"category": "WHO", "code": "a", "name": "a", "unit": ""}]', '[{"category": "WHO", "code": "a", "name": ""}]',
	'[{"category": "WHO", "code": "a", "name": "a", "colour": "red"}]', '[{"category": "WHO", "code": "a", "name": "a", "calculation": "1"}]',
	'[{"category": "WHO", "code": "a", "name": "a"}, {"category": "WHAT", "code": "a", "name": "b"}]']) AS f;
SELECT n AS fields, pg_temp.refusal(jsonb_build_object('data_fields', (
	SELECT jsonb_agg(pg_temp.field(jsonb_build_object('code', 'f' || i))) FROM generate_series(1, n) AS i)))
FROM unnest(ARRAY[1, 15, 16]) AS n;
SELECT length(code), pg_temp.refusal(jsonb_build_object('data_fields', jsonb_build_array(pg_temp.field(jsonb_build_object('code', code)))))
FROM unnest(ARRAY[repeat('x', 80), repeat('x', 81)]) AS code;
SELECT category, pg_temp.refusal(jsonb_build_object('data_fields', jsonb_build_array(pg_temp.field(jsonb_build_object('category', category)))))
FROM unnest(ARRAY['WHO', 'WHERE', 'WHAT', 'OTHER', 'METADATA', 'MEASURE', 'INCOME', 'COST', 'TIME']) AS category;

SELECT f AS derived_field, pg_temp.refusal(jsonb_build_object('data_fields', jsonb_build_array(pg_temp.field('{}')),
	'derived_fields', jsonb_build_array(pg_temp.derived(f::jsonb)))) FROM unnest(ARRAY[
	'{}', '{"calculation": null}', '{"calculation": 1}', '{"calculation": ""}', '{"calculation": "bytes +"}', '{"calculation": "bytse / 2"}',
	'{"calculation": "bytes + \"a\""}', '{"calculation": "bytes > 1"}', '{"category": "WHAT", "calculation": "bytes > 1"}',
	'{"calculation": "gb + 1"}', '{"calculation": "customFields.rate * bytes"}', '{"calculation": "customFields.nothing * bytes"}',
	'{"calculation": "hour(timestamp, \"Europe/Berlin\") + customFields.own"}', '{"code": "bytes"}', '{"colour": "red"}']) AS f;
SELECT pg_temp.refusal(jsonb_build_object('data_fields', jsonb_build_array(pg_temp.field('{}')), 'derived_fields', d::jsonb))
FROM unnest(ARRAY['null', '[]']) AS d;
SELECT n AS fields, pg_temp.refusal(jsonb_build_object('derived_fields', (
	SELECT jsonb_agg(pg_temp.derived(jsonb_build_object('code', 'f' || i))) FROM generate_series(1, n) AS i)))
FROM unnest(ARRAY[15, 16]) AS n;
SELECT pg_temp.refusal('{"custom_fields": {"own": 5}, "derived_fields": [{"category": "COST", "code": "c", "name": "C", "calculation": "customFields.own + anything.at.all"}]}');
SELECT meter.create_organization('bad', gen_random_uuid(), '{"custom_fields": {"a": true}}');
SELECT meter.create_organization('bad', gen_random_uuid(), '{"custom_fields": []}');

--
-- Typed data fields
--
SELECT m ->> 'key' AS meter FROM meter.create_meter(:org, '{"key": "typed", "metric_key": "typed", "function": "sum", "value_field": "bytes",
	"dimensions": {"who": "who"}, "negative_allowed": true,
	"data_fields": [{"category": "MEASURE", "code": "bytes", "name": "Bytes", "unit": "By"}, {"category": "COST", "code": "cost", "name": "Cost"},
		{"category": "WHO", "code": "who", "name": "Who"}, {"category": "METADATA", "code": "note", "name": "Note"}]}') AS m;
SELECT * FROM pg_temp.send('[
	{"id": "1", "type": "typed", "time": "2025-01-01T00:00:00Z", "data": {"bytes": 5, "who": "ada"}},
	{"id": "2", "type": "typed", "time": "2025-01-01T00:00:00Z", "data": {"bytes": "5.5", "cost": "1e2", "who": 7, "note": true}},
	{"id": "3", "type": "typed", "time": "2025-01-01T00:00:00Z", "data": {"bytes": 5, "cost": null, "note": null, "undeclared": [1]}},
	{"id": "4", "type": "typed", "time": "2025-01-01T00:00:00Z", "data": {"bytes": 5, "cost": "much"}},
	{"id": "5", "type": "typed", "time": "2025-01-01T00:00:00Z", "data": {"bytes": 5, "cost": true}},
	{"id": "6", "type": "typed", "time": "2025-01-01T00:00:00Z", "data": {"bytes": 5, "cost": 1e400}},
	{"id": "7", "type": "typed", "time": "2025-01-01T00:00:00Z", "data": {"bytes": 5, "note": ["a"]}},
	{"id": "8", "type": "typed", "time": "2025-01-01T00:00:00Z", "data": {"bytes": 5, "note": {}}},
	{"id": "9", "type": "typed", "time": "2025-01-01T00:00:00Z", "data": [5]},
	{"id": "10", "type": "typed", "time": "2025-01-01T00:00:00Z"}]');
SELECT code, pointer, message FROM meter.rejected_events WHERE organization_id = :org ORDER BY id;
SELECT dimensions, value, event_count FROM meter.usage(:org, 'typed', '2025-01-01', '2025-02-01', group_by => '{who}');

--
-- Derived fields: as value, unique field, dimension, filter, in one another
--
SELECT m ->> 'key' AS meter FROM unnest(ARRAY[
	'{"key": "gigabytes", "function": "sum", "value_field": "gb", "dimensions": {"zone": "zone", "peak": "peak"},
		"filter_tree": {"field": "size", "op": "neq", "value": "tiny"}, "custom_fields": {"shadowed": 3, "suffix": "\"quoted\" \\ é"}}',
	'{"key": "zones", "function": "unique_count", "unique_by_field": "$.zone"}',
	'{"key": "weighted", "function": "custom", "function_options": {"expression": "gb * customFields.rate + customFields.shadowed"}}']) AS keys,
	LATERAL meter.create_meter(:org, '{"metric_key": "traffic", "custom_fields": {"suffix": "x"}, "data_fields": [
			{"category": "MEASURE", "code": "bytes", "name": "Bytes"}, {"category": "WHERE", "code": "site", "name": "Site"},
			{"category": "OTHER", "code": "flag", "name": "Flag"}],
		"derived_fields": [
			{"category": "MEASURE", "code": "gb", "name": "Gigabytes", "calculation": "bytes / 1e9", "unit": "GB"},
			{"category": "OTHER", "code": "size", "name": "Size", "calculation": "gb < 0.001 ? \"tiny\" : gb > 10 ? \"huge\" : null"},
			{"category": "WHERE", "code": "zone", "name": "Zone", "calculation": "customFields.region + \"-\" + coalesce(site, \"none\") + \" \" + customFields.suffix"},
			{"category": "OTHER", "code": "peak", "name": "Peak", "calculation": "hour(timestamp, \"Europe/Berlin\") in (8, 9)"},
			{"category": "OTHER", "code": "at", "name": "At", "calculation": "timestamp"},
			{"category": "OTHER", "code": "$ratio", "name": "Ratio", "calculation": "100 / (bytes - 13)"}]}'::jsonb || keys::jsonb) AS m;
SELECT * FROM pg_temp.send('[
	{"id": "1", "type": "traffic", "subject": "s", "time": "2025-01-01T07:05:00Z", "data": {"bytes": 1500000000, "site": "a"}},
	{"id": "2", "type": "traffic", "subject": "s", "time": "2025-01-01T07:20:00Z", "data": {"bytes": "2500000000", "site": "a"}},
	{"id": "3", "type": "traffic", "subject": "s", "time": "2025-01-01T07:40:00Z", "data": {"bytes": 1, "site": "a"}},
	{"id": "4", "type": "traffic", "subject": "s", "time": "2025-01-01T10:00:00Z", "data": {"bytes": 3e9, "gb": "hidden by the derived one"}},
	{"id": "5", "type": "traffic", "subject": "s", "time": "2025-01-01T10:00:00Z", "data": {"bytes": 13, "site": "a"}},
	{"id": "6", "type": "traffic", "subject": "s", "time": "2025-01-01T10:00:00Z", "data": {"site": 7}}]');
SELECT m.key AS meter, r.code, r.pointer, r.message FROM meter.rejected_events AS r JOIN meter.meters AS m ON m.id = r.meter_id
	WHERE r.organization_id = :org AND m.metric_key = 'traffic' ORDER BY r.id;
SELECT dimensions, value, event_count FROM meter.usage(:org, 'gigabytes', '2025-01-01', '2025-02-01', group_by => '{zone,peak}');
SELECT value FROM meter.usage(:org, 'zones', '2025-01-01', '2025-02-01');
SELECT value FROM meter.usage(:org, 'weighted', '2025-01-01', '2025-02-01');
-- the same from raw events: bounds that cut quarters of an hour
SELECT window_start, dimensions, value FROM meter.usage(:org, 'gigabytes', '2025-01-01 07:01', '2025-01-01 10:01', group_by => '{peak}');
SELECT value FROM meter.usage(:org, 'zones', '2025-01-01 07:01', '2025-01-01 10:01');
SELECT value FROM meter.usage(:org, 'weighted', '2025-01-01 07:01', '2025-01-01 10:01');

-- a calculation of a dimension tells streams apart, one of a value alone does not
SELECT v.meter_key, count(DISTINCT s.stream_id) AS streams FROM meter.meter_versions AS v
	JOIN meter.meter_version AS s USING (organization_id, id) WHERE v.meter_key IN ('zones', 'weighted') GROUP BY ROLLUP (1) ORDER BY 1;
SELECT meter.check_definition(d::jsonb) FROM unnest(ARRAY[
	'{"key": "k", "metric_key": "t", "function": "count", "dimensions": {"a": "a"}, "custom_fields": {"c": 1},
		"derived_fields": [{"category": "OTHER", "code": "a", "name": "A", "calculation": "customFields.c + b"}]}',
	'{"key": "k", "metric_key": "t", "function": "count", "dimensions": {"b": "b"}, "custom_fields": {"c": 1},
		"derived_fields": [{"category": "OTHER", "code": "a", "name": "A", "calculation": "customFields.c + b"}]}']) AS d;

-- a version keeps the organization's custom fields it was written with
UPDATE meter.organization SET settings = '{"custom_fields": {"rate": 100, "region": "us"}}' WHERE organization_id = :org;
SELECT * FROM pg_temp.send('[{"id": "7", "type": "traffic", "subject": "s", "time": "2025-01-01T11:00:00Z", "data": {"bytes": 1e9, "site": "b"}}]');
SELECT value FROM meter.usage(:org, 'weighted', '2025-01-01', '2025-02-01');
SELECT pg_temp.refusal('{"function": "custom", "function_options": {"expression": "customFields.rate + customFields.shadowed"}}');

-- a measure is a number, also where the event has it as a string
SELECT meter.create_meter(:org, '{"key": "plain", "metric_key": "plain", "function": "count", "dimensions": {"n": "n"},
	"derived_fields": [{"category": "MEASURE", "code": "n", "name": "N", "calculation": "raw"}],
	"filter_tree": {"field": "n", "op": "gt", "value": 10}}') ->> 'key' AS meter;
SELECT ordinal, status FROM pg_temp.send('[
	{"id": "1", "type": "plain", "time": "2025-01-01T00:00:00Z", "data": {"raw": "12.5"}},
	{"id": "2", "type": "plain", "time": "2025-01-01T00:00:00Z", "data": {"raw": 12.5}},
	{"id": "3", "type": "plain", "time": "2025-01-01T00:00:00Z", "data": {"raw": "3"}}]');
SELECT dimensions, value FROM meter.usage(:org, 'plain', '2025-01-01', '2025-02-01', group_by => '{n}');
