-- event_schema: what each event of a meter must satisfy.
\set VERBOSITY terse
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
DO $$ BEGIN PERFORM meter.create_store(); END $$;
SELECT meter.create_organization('schemas', '00000000-0000-0000-0000-00000000fe04');
\set org '''00000000-0000-0000-0000-00000000fe04'''

CREATE FUNCTION pg_temp.refusal(keys jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM meter.create_meter('00000000-0000-0000-0000-00000000fe04',
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
SELECT s AS event_schema, pg_temp.refusal(jsonb_build_object('event_schema', s::jsonb)) FROM unnest(ARRAY[
	'null', 'true', '{}', '5', '{"type": "object"}', '{"type": "objekt"}', '{"propertees": {}}', '{"properties": {"a": {"minimum": "1"}}}',
	'{"$ref": "https://example.com/schema"}', '{"$ref": "#/$defs/a"}', '{"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}',
	'{"properties": {"a": {"pattern": "("}}}']) AS s;

SELECT m ->> 'key' AS meter FROM unnest(ARRAY[
	'{"key": "checked", "metric_key": "call", "function": "sum", "value_field": "n", "filter_tree": {"field": "kind", "op": "eq", "value": "a"},
		"event_schema": {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "required": ["n", "kind"],
			"properties": {"n": {"type": "number", "minimum": 0, "maximum": 100}, "kind": {"enum": ["a", "b"]},
				"tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}, "uniqueItems": true}},
			"additionalProperties": false, "$defs": {"tag": {"type": "string", "maxLength": 3}}}}',
	'{"key": "unchecked", "metric_key": "call", "function": "count"}']) AS d, LATERAL meter.create_meter(:org, d::jsonb) AS m;
SELECT ordinal, status, code, message FROM meter.ingest(:org, '[
	{"id": "1", "type": "call", "time": "2025-01-01T00:01:00Z", "data": {"n": 1, "kind": "a", "tags": ["x", "y"]}},
	{"id": "2", "type": "call", "time": "2025-01-01T00:02:00Z", "data": {"n": 1, "kind": "b"}},
	{"id": "3", "type": "call", "time": "2025-01-01T00:02:00Z", "data": {"n": 101, "kind": "a"}},
	{"id": "4", "type": "call", "time": "2025-01-01T00:02:00Z", "data": {"n": "5", "kind": "a"}},
	{"id": "5", "type": "call", "time": "2025-01-01T00:02:00Z", "data": {"n": 101, "kind": "b"}},
	{"id": "6", "type": "call", "time": "2025-01-01T00:02:00Z", "data": {"n": 1, "kind": "a", "tags": ["x", "long"]}},
	{"id": "7", "type": "call", "time": "2025-01-01T00:02:00Z", "data": {"n": 1, "kind": "a", "a/b~c": 1}},
	{"id": "8", "type": "call", "time": "2025-01-01T00:02:00Z", "data": 5},
	{"id": "9", "type": "call", "time": "2025-01-01T00:02:00Z"}]');
SELECT m.key, r.code, r.pointer, r.message FROM meter.rejected_events AS r JOIN meter.meters AS m ON m.id = r.meter_id
	WHERE r.organization_id = :org ORDER BY r.id;
SELECT meter, value, event_count FROM unnest(ARRAY['checked', 'unchecked']) AS meter,
	LATERAL meter.usage(:org, meter, '2025-01-01 00:00:30', '2025-01-01 00:01:30');

-- a name written twice: only the last member counts, whichever of them is wrong
SELECT m ->> 'key' AS meter FROM unnest(ARRAY[
	'{"key": "known", "metric_key": "twice", "function": "count", "event_schema": {"properties": {"n": {"type": "number"}}}}',
	'{"key": "others", "metric_key": "twice", "function": "count", "event_schema": {"additionalProperties": {"type": "number"}}}']) AS d,
	LATERAL meter.create_meter(:org, d::jsonb) AS m;
SELECT ordinal, status, code, message FROM meter.ingest(:org, '[
	{"id": "20", "type": "twice", "time": "2025-01-01T00:01:00Z", "data": {"n": "a", "n": 1}},
	{"id": "21", "type": "twice", "time": "2025-01-01T00:01:00Z", "data": {"n": 1, "n": "a"}},
	{"id": "22", "type": "twice", "time": "2025-01-01T00:01:00Z", "data": {"n": "a", "n": "b"}}]');

-- a new version's schema holds for its own time
SELECT m ->> 'version' AS version FROM meter.update_meter(:org, 'checked', '{"event_schema": {"required": ["n"]}}') AS m;
SELECT ordinal, status, code FROM meter.ingest(:org, '[
	{"id": "10", "type": "call", "time": "2025-01-01T00:03:00Z", "data": {"n": 200, "kind": "a"}},
	{"id": "11", "type": "call", "data": {"n": 200, "kind": "a"}}]');
SELECT version, value FROM meter.usage(:org, 'checked', '2025-01-01', '2100-01-01');
