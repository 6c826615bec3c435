-- Meter definitions: what is accepted, what each refusal says, and versions.
\set VERBOSITY terse
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SELECT meter.create_organization('definitions', '00000000-0000-0000-0000-0000000000d1');
\set org '''00000000-0000-0000-0000-0000000000d1'''

-- What comes of creating or updating: a status, or what the refusal says.
CREATE FUNCTION pg_temp.attempt(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' | ', SQLSTATE, SQLERRM, NULLIF(detail, ''), NULLIF(hint, ''));
END
$$;
-- A good definition with some keys exchanged; nothing stays of it.
CREATE FUNCTION pg_temp.refusal(keys jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM meter.create_meter('00000000-0000-0000-0000-0000000000d1',
		'{"key": "k", "name": "K", "metric_key": "t", "function": "sum", "value_field": "n"}'::jsonb || keys);
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

--
-- Every key that works
--
SELECT jsonb_pretty(meter.create_meter(:org, '{
	"key": "tokens", "name": "Tokens used", "metric_key": "llm.call", "function": "sum", "value_field": "$.usage.tokens",
	"dimensions": {"model": "$.model", "région": "region"},
	"filter_tree": {"and": [{"field": "$.region", "op": "eq", "value": "eu"}, {"not": {"field": "test", "op": "exists"}}]},
	"dedup_key_path": "$.request", "negative_allowed": true, "unit_label": "token", "unit_currency_field": "$.currency",
	"window": {"size": "day", "count": 7, "time_zone": "Asia/Kolkata", "anchor": "2025-01-01T00:00:00+05:30", "week_start": "sunday"},
	"custom_fields": {"cost_centre": "R&D", "rank": 1.50}, "product_id": "11111111-2222-3333-4444-555555555555",
	"group_id": "11111111-2222-3333-4444-555555555556", "workspace_id": "11111111-2222-3333-4444-555555555557",
	"description": "All models.", "function_options": null, "event_schema": null, "late_event_policy": null, "data_fields": null,
	"derived_fields": null, "profiles": null, "account_mapping": null, "unique_by_field": null}')
	- '{id,created_at,updated_at}'::text[]);
-- the shortest ones, by function
SELECT f, d - '{id,created_at,updated_at,organization_id}'::text[] - k FROM unnest('{count,avg,min,max,latest,unique_count}'::text[]) AS f,
	LATERAL (SELECT meter.create_meter(:org, jsonb_strip_nulls(jsonb_build_object('key', f, 'metric_key', 'llm.call', 'function', f,
		'value_field', CASE WHEN f NOT IN ('count', 'unique_count') THEN 'n' END,
		'unique_by_field', CASE f WHEN 'unique_count' THEN '$.user' END)))) AS m (d),
	LATERAL (SELECT array_agg(key) FROM jsonb_each(d) WHERE value = 'null') AS n (k);
SELECT key, name, metric_key, function, status, version, document ->> 'key' = key AS document FROM meter.meters
WHERE organization_id = :org ORDER BY key;
SELECT meter.create_meter(:org, '{"key": "tokens", "name": "Again", "metric_key": "t", "function": "count"}');
SELECT meter.create_meter('00000000-0000-0000-0000-00000000dead', '{"key": "k", "metric_key": "t", "function": "count"}');
SELECT meter.create_meter(NULL, '{}'), meter.create_meter(:org, NULL);
SELECT meter.create_meter(:org, NULL);

--
-- Bad values, key by key
--
SELECT keys, pg_temp.refusal(keys::jsonb) FROM unnest(ARRAY[
	'{"key": null}', '{"key": 1}', '{"key": ""}', '{"key": " a"}', '{"key": "a "}', '{"key": "a\u0009b"}', '{"key": "a\u00a0b"}', '{"key": "a\u200bb"}',
	'{"key": "a b"}', '{"key": "ключ"}', '{"name": 1}', '{"name": ""}', '{"name": "a\nb"}', '{"metric_key": null}', '{"metric_key": ""}', '{"metric_key": true}',
	'{"function": null}', '{"function": "median"}', '{"function": "SUM"}', '{"function": 1}', '{"function": "unique_count"}',
	'{"value_field": null}', '{"value_field": 1}', '{"value_field": "$.a[*]"}', '{"value_field": ""}',
	'{"function": "count"}', '{"function": "count", "value_field": null}', '{"unique_by_field": "u"}', '{"function": "unique_count", "unique_by_field": "$.a..b"}',
	'{"dimensions": []}', '{"dimensions": {"m": 1}}', '{"dimensions": {"m": "$.a b"}}', '{"dimensions": {"subject": "$.s"}}', '{"dimensions": {"": "$.s"}}', '{"dimensions": {"a/b~c": "$."}}',
	'{"filter_tree": {"and": [{"field": "r", "op": "eq", "value": 1}, {"field": "r", "op": "like", "value": "x"}]}}', '{"filter_tree": []}', '{"filter_tree": {}}',
	'{"dedup_key_path": 5}', '{"dedup_key_path": "$["}', '{"negative_allowed": "yes"}', '{"negative_allowed": 0}', '{"negative_allowed": null}',
	'{"unit_label": ""}', '{"unit_label": 5}', '{"unit_currency_field": "$"}', '{"unit_currency_field": "$.*"}',
	'{"window": "day"}', '{"window": {"size": "fortnight"}}', '{"window": {"size": "day", "count": 0}}', '{"window": {"size": "day", "count": 1.5}}',
	'{"window": {"size": "day", "time_zone": "Mars/Olympus"}}', '{"window": {"size": "day", "sise": 1}}', '{"window": {"size": "week", "week_start": "someday"}}', '{"window": {"anchor": "soon"}}',
	'{"custom_fields": []}', '{"custom_fields": {"a": true}}', '{"custom_fields": {"a": null}}', '{"custom_fields": {"a": "x", "b": 1.25}}',
	'{"product_id": "p-1"}', '{"group_id": 5}', '{"workspace_id": "11111111-2222-3333-4444-55555555555-"}', '{"description": {}}',
	'{"frobnicate": 1}', '{"Key": "k"}', '{"version": 1}', '{"effective_at": "soon"}', '{"effective_at": 5}', '{"effective_at": "2025-01-01T00:00:00Z"}', '{"effective_at": null}', '{"save_as_draft": true}'
]) AS keys;
SELECT definition, pg_temp.attempt(format('SELECT meter.create_meter(%L, %L)', :org, definition)) FROM unnest(ARRAY['[]', '"meter"', 'null', '{}', '{"key": "x"}']) AS definition;
-- lengths are counted in characters
SELECT pg_temp.refusal(jsonb_build_object('key', repeat('é', 80), 'name', repeat('é', 200), 'metric_key', repeat('é', 200), 'unit_label', repeat('é', 80),
		'dimensions', jsonb_build_object(repeat('é', 80), 'a')));
SELECT key, pg_temp.refusal(jsonb_build_object(key, repeat('é', n))) FROM (VALUES ('key', 81), ('name', 201), ('metric_key', 201), ('unit_label', 81)) AS v (key, n);
SELECT pg_temp.refusal(jsonb_build_object('dimensions', jsonb_build_object(repeat('d', 81), 'a'))) AS long_dimension,
	pg_temp.refusal(jsonb_build_object('dimensions', (SELECT jsonb_object_agg('d' || i, 'a') FROM generate_series(1, 32) AS i))) AS "32 dimensions",
	pg_temp.refusal(jsonb_build_object('dimensions', (SELECT jsonb_object_agg('d' || i, 'a') FROM generate_series(1, 33) AS i))) AS "33 dimensions";

--
-- Versions
--
SELECT d ->> 'version' AS version, d ->> 'name' AS name, d -> 'dimensions' AS dimensions, d -> 'window' AS "window", d -> 'description' AS description FROM
	meter.update_meter(:org, 'tokens', '{"name": null, "description": null, "window": {"size": "week"}, "dimensions": {"model": "$.model"}, "version": 1}') AS d;
SELECT m ->> 'version' AS version FROM meter.meters, meter.update_meter(:org, upper(id::text), '{"negative_allowed": false}') AS m
WHERE organization_id = :org AND key = 'tokens';
SELECT meter_key, version, status, function, value_field, filter_tree IS NOT NULL AS filtered, "window" ->> 'size' AS "window", definition ->> 'negative_allowed' AS negative,
	usage_count, archived_reason, created_by = current_user AS mine,
	effective_from = '-infinity' AS from_the_start, effective_to = 'infinity' AS to_the_end, published_at BETWEEN created_at AND clock_timestamp() AS published,
	effective_from = lag(effective_to) OVER (ORDER BY version) AS gapless
FROM meter.meter_versions WHERE organization_id = :org AND meter_key = 'tokens' ORDER BY version;
SELECT patch, pg_temp.attempt(format('SELECT meter.update_meter(%L, ''tokens'', %L)', :org, patch)) FROM unnest(ARRAY[
	'{"version": 2, "name": "Late"}', '{"version": "3"}', '{"version": null, "metric_key": "llm.call", "key": "tokens"}', '{"key": "other"}', '{"metric_key": "other"}', '{"key": null}',
	'{"function": null}', '{"value_field": null}', '{"value_field": "$..a"}', '{"nonsense": 1}', '{"dimensions": {"m": 1}}', '{"late_event_policy": []}',
	'{"effective_at": "2000-01-01T00:00:00Z"}', '{"effective_at": "2000-01-01"}', '{"save_as_draft": 1}', '{"reprocess": "yes"}', '{"save_as_draft": true, "reprocess": true}',
	'{"save_as_draft": true, "effective_at": "2030-01-01T00:00:00Z"}', '{"save_as_draft": false, "reprocess": false, "effective_at": null}', '[]', 'null'
]) AS patch;
SELECT pg_temp.attempt(format('SELECT meter.update_meter(%L, ''nothing'', ''{}'')', :org)), pg_temp.attempt(format('SELECT meter.update_meter(%L, NULL, ''{}'')', :org)),
	pg_temp.attempt(format('SELECT meter.update_meter(%L, ''tokens'', NULL)', :org)), pg_temp.attempt($$SELECT meter.update_meter('00000000-0000-0000-0000-00000000dead', 'tokens', '{}')$$);
-- an archived one does not change
SELECT m ->> 'status' AS status FROM meter.archive_meter(:org, 'max', 'no longer sold') AS m;
SELECT pg_temp.attempt(format('SELECT meter.update_meter(%L, ''max'', %L)', :org, '{"name": "Max"}'));

--
-- Organizations
--
SELECT statement, pg_temp.attempt(statement) FROM unnest(ARRAY[
	$$SELECT meter.create_organization('')$$, $$SELECT meter.create_organization(NULL)$$, $$SELECT meter.create_organization('o', NULL)$$,
	$$SELECT meter.create_organization('o', settings => '[]')$$, $$SELECT meter.create_organization('o', settings => '{"partial": 1}')$$,
	$$SELECT meter.create_organization('o', settings => '{"colour": "red"}')$$, $$SELECT meter.create_organization('o', settings => '{"partial": false}')$$,
	$$SELECT meter.create_organization('o', '00000000-0000-0000-0000-0000000000d1')$$, $$SELECT meter.create_store('{"distributed": true}')$$, $$SELECT meter.create_store('{"fast": true}')$$
]) AS statement;

SELECT meter.create_organization('Acme', '00000000-0000-0000-0000-0000000000d2', '{"partial": false, "custom_fields": {"rate": 2}}');
SELECT patch, meter.update_organization('00000000-0000-0000-0000-0000000000d2', patch::jsonb) - '{organization_id,created_at}'::text[] AS organization FROM unnest(ARRAY[
	'{}', '{"name": "Acme Ltd"}', '{"settings": {"require_known_subject": true}}', '{"settings": {"partial": null, "custom_fields": {"tier": "gold"}}}', '{"settings": null}', '{"name": "Acme", "settings": {}}'
]) AS patch;
SELECT patch, pg_temp.attempt(format('SELECT meter.update_organization(%L, %L)', '00000000-0000-0000-0000-0000000000d2', patch)) FROM unnest(ARRAY[
	'{"name": null}', '{"name": ""}', '{"name": 5}', '{"settings": []}', '{"settings": "no"}', '{"settings": {"colour": "red"}}', '{"settings": {"partial": 1}}', '{"settings": {"custom_fields": {"a": true}}}',
	'{"id": "x"}', '[]', 'null', NULL
]) AS patch;
-- what the HTTP surface goes by
SELECT patch, meter.update_organization('00000000-0000-0000-0000-0000000000d2', patch::jsonb) -> 'settings' AS settings FROM unnest(ARRAY[
	'{"settings": {"licenses": ["metered_products", "subscription"], "quota_status": 402}}', '{"settings": {"licenses": [], "quota_status": 429.0}}', '{"settings": {"licenses": null, "quota_status": null}}'
]) AS patch;
SELECT patch, pg_temp.attempt(format('SELECT meter.update_organization(%L, %L)', '00000000-0000-0000-0000-0000000000d2', patch)) FROM unnest(ARRAY[
	'{"settings": {"licenses": "subscription"}}', '{"settings": {"licenses": {"subscription": true}}}', '{"settings": {"licenses": ["subscription", 1]}}', '{"settings": {"licenses": [["subscription"]]}}',
	'{"settings": {"quota_status": 403}}', '{"settings": {"quota_status": "402"}}', '{"settings": {"quota_status": 402.5}}'
]) AS patch;
SELECT pg_temp.attempt($$SELECT meter.update_organization('00000000-0000-0000-0000-00000000dead', '{}')$$), pg_temp.attempt($$SELECT meter.update_organization(NULL, '{}')$$);
SELECT name, settings FROM meter.organizations WHERE organization_id = '00000000-0000-0000-0000-0000000000d2';
