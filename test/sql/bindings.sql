-- Bindings: what they say, what they pin, and what they keep from being taken away.
\set VERBOSITY terse
SET client_min_messages = warning;
SET timezone = 'UTC';
SELECT meter.create_store();
CREATE SCHEMA test_bindings;
SET search_path = test_bindings;
SELECT meter.create_organization('bindings', '51000000-0000-0000-0000-000000000001') AS org \gset
SELECT meter.create_meter(:'org', '{"key": "api calls", "metric_key": "call", "function": "sum", "value_field": "n", "dimensions": {"model": "m", "region": "r"}}') ->> 'version';
SELECT meter.create_meter(:'org', '{"key": "7days", "metric_key": "call", "function": "count"}') ->> 'version';
SELECT meter.create_product(:'org', '{"id": "51000000-0000-0000-0000-0000000000aa", "code": "gold", "name": "Gold", "custom_fields": {"calls": 1000, "label": "big", "less": -1}}') -> 'custom_fields';
SELECT meter.create_product(:'org', '{"name": "Silver", "id": "51000000-0000-0000-0000-0000000000bb"}') ->> 'code';
-- of this organization only
CREATE VIEW bindings AS SELECT * FROM meter.meter_bindings WHERE organization_id = '51000000-0000-0000-0000-000000000001';
CREATE VIEW versions AS SELECT * FROM meter.meter_versions WHERE organization_id = '51000000-0000-0000-0000-000000000001';
CREATE VIEW meters AS SELECT * FROM meter.meters WHERE organization_id = '51000000-0000-0000-0000-000000000001';

-- Defaults, and every field there is.
SELECT (meter.bind_product(:'org', 'gold', 'api calls')) - '{id,meter_id,created_at,updated_at}'::text[];
SELECT string_agg(k, ',' ORDER BY k) FROM bindings AS b, jsonb_object_keys(meter.binding_document(b.organization_id, b.id)) AS k;
SELECT meter.bind_product(:'org', '51000000-0000-0000-0000-0000000000AA', '7days', '{"role": "entitlement", "included_quantity_source": 12.5,
	"rollover_eligible": true, "rollover_cap": 30, "rollover_expiry": 2, "prorated": true, "workspace_id": "w1", "effective_from": "2026-01-01T00:00:00Z"}')
	- '{id,meter_id,product_id,organization_id,created_at,updated_at}'::text[];
SELECT meter.bind_product(:'org', 'gold', 'api calls', '{"pricing_var_name": "more", "role": "informational",
	"included_quantity_source": {"kind": "plan_field", "field": "calls"},
	"overlay_dimensions_keyed": [{"dimensions": {"model": "a", "region": "eu"}, "quantity": 5}, {"dimensions": {"region": "us", "model": "a"}, "quantity": 0}]}')
	-> 'overlay_dimensions_keyed';

-- Pins, by number or by id.
SELECT meter.update_meter(:'org', 'api calls', '{"unit_label": "call"}') ->> 'version';
SELECT meter.update_meter(:'org', 'api calls', '{"unit_label": "calls", "save_as_draft": true}') ->> 'version';
SELECT id AS v1 FROM versions WHERE meter_key = 'api calls' AND version = 1 \gset
SELECT meter.bind_product(:'org', '51000000-0000-0000-0000-0000000000bb', 'api calls', '{"version": 1}') ->> 'head_version_id' = :'v1' AS pinned;
SELECT meter.bind_product(:'org', '51000000-0000-0000-0000-0000000000bb', 'api calls', jsonb_build_object('head_version_id', :'v1', 'version', 1, 'pricing_var_name', 'x')) ->> 'version' AS version;
SELECT meter_key, version, usage_count FROM versions ORDER BY 1, 2;
SELECT unnest(meter.used_by(organization_id, id)) LIKE 'binding ________-____-____-____-____________ of product "%"' FROM meters WHERE key = 'api calls';
SELECT cardinality(meter.used_by(organization_id, id, 1)), meter.used_by(organization_id, id, 2) FROM meters WHERE key = 'api calls';

-- What is used stays.  The list is in the detail.
SELECT meter.archive_meter(:'org', 'api calls', 'over');
SELECT meter.delete_meter(:'org', '7days');
SELECT meter.archive_meter_version(:'org', 'api calls', 1, 'over');
DO $$
DECLARE
	detail text;
BEGIN
	PERFORM meter.archive_meter('51000000-0000-0000-0000-000000000001', '7days', 'over');
EXCEPTION WHEN object_in_use THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RAISE WARNING '%', regexp_replace(detail, '[0-9a-f-]{36}', '<id>');
END $$;

-- Changes: what is absent stays, null resets; terms are dated, the rest is not.
SELECT id AS more FROM bindings WHERE pricing_var_name = 'more' \gset
SELECT id AS gold FROM bindings WHERE pricing_var_name = '_7days' \gset
SELECT meter.update_binding(:'org', :'more', '{"role": null, "pricing_var_name": "m2", "workspace_id": "w2"}') ->> 'role';
SELECT count(*) FROM meter.binding_terms WHERE binding_id = :'more';
SELECT meter.update_binding(:'org', :'more', '{"version": 2, "overlay_dimensions_keyed": null, "rollover_cap": 7, "effective_at": "2030-01-01T00:00:00Z"}')
	- '{id,meter_id,product_id,organization_id,created_at,updated_at,head_version_id}'::text[];
SELECT meter.update_binding(:'org', :'more', '{"rollover_eligible": true, "effective_at": "2029-01-01T00:00:00Z"}') ->> 'effective_from' AS the_last;
SELECT meter.update_binding(:'org', :'more', '{"rollover_expiry": 3, "effective_at": "2030-01-01T00:00:00Z"}') ->> 'version' AS version;
SELECT effective_from, version, included_quantity_source ->> 'kind' AS kind, jsonb_array_length(overlay_dimensions_keyed) AS overlays, rollover_eligible, rollover_cap, rollover_expiry
	FROM meter.binding_terms WHERE binding_id = :'more' ORDER BY 1;
SELECT (meter.update_binding(:'org', :'gold', '{}') ->> 'updated_at')::timestamptz > created_at AS touched FROM bindings WHERE id = :'gold';
-- terms to come pin, too; those that are over do not
SELECT meter.update_binding(:'org', :'more', '{"version": null, "effective_at": "2031-01-01T00:00:00Z"}') ->> 'head_version_id' AS head;
SELECT usage_count FROM versions WHERE version = 2;
UPDATE meter.binding_terms SET effective_from = effective_from - interval '20 years' WHERE binding_id = :'more';
SELECT usage_count FROM versions WHERE version = 2;

-- Unbound: it pins nothing, and its name is free.
SELECT meter.unbind_product(:'org', id) FROM bindings WHERE product_id = '51000000-0000-0000-0000-0000000000bb';
SELECT meter.archive_meter_version(:'org', 'api calls', 1, 'over') ->> 'version';
SELECT meter.bind_product(:'org', '51000000-0000-0000-0000-0000000000bb', '7days', '{"pricing_var_name": "x"}') ->> 'pricing_var_name';
SELECT meter.unbind_product(:'org', id) FROM bindings AS b WHERE meter_id = (SELECT id FROM meters WHERE key = '7days');
SELECT meter.delete_meter(:'org', '7days');
SELECT count(*) FROM bindings;
SELECT count(*) FILTER (WHERE unbound_at IS NOT NULL) AS former, count(*) FROM meter.binding WHERE organization_id = :'org';

-- What is refused.
\set refuse 'SELECT meter.bind_product(''51000000-0000-0000-0000-000000000001'', ''gold'', ''api calls'','
:refuse '[]');
:refuse '{"price": 1}');
:refuse '{"effective_at": "2026-01-01T00:00:00Z"}');
:refuse '{"role": "owner"}');
:refuse '{"role": 1}');
:refuse '{"pricing_var_name": "1a"}');
:refuse '{"pricing_var_name": ""}');
:refuse '{"included_quantity_source": -1}');
:refuse '{"included_quantity_source": 1e31}');
:refuse '{"included_quantity_source": "10"}');
:refuse '{"included_quantity_source": {"kind": "static"}}');
:refuse '{"included_quantity_source": {"kind": "static", "field": "calls"}}');
:refuse '{"included_quantity_source": {"kind": "dynamic"}}');
:refuse '{"included_quantity_source": {"quantity": 1}}');
:refuse '{"included_quantity_source": {"kind": "plan_field", "field": "nothing"}}');
:refuse '{"included_quantity_source": {"kind": "plan_field", "field": "label"}}');
:refuse '{"included_quantity_source": {"kind": "plan_field", "field": "less"}}');
:refuse '{"included_quantity_source": {"kind": "plan_field"}}');
:refuse '{"overlay_dimensions_keyed": {}}');
:refuse '{"overlay_dimensions_keyed": [1]}');
:refuse '{"overlay_dimensions_keyed": [{"dimensions": {"model": "a"}}]}');
:refuse '{"overlay_dimensions_keyed": [{"quantity": 1}]}');
:refuse '{"overlay_dimensions_keyed": [{"dimensions": {}, "quantity": 1}]}');
:refuse '{"overlay_dimensions_keyed": [{"dimensions": {"colour": "red"}, "quantity": 1}]}');
:refuse '{"overlay_dimensions_keyed": [{"dimensions": {"model": null}, "quantity": 1}]}');
:refuse '{"overlay_dimensions_keyed": [{"dimensions": {"model": "a"}, "quantity": 1}, {"dimensions": {"region": "a"}, "quantity": 1}]}');
:refuse '{"overlay_dimensions_keyed": [{"dimensions": {"model": "a"}, "quantity": 1}, {"dimensions": {"model": "a"}, "quantity": 2}]}');
:refuse '{"rollover_eligible": "yes"}');
:refuse '{"prorated": 1}');
:refuse '{"rollover_cap": "1"}');
:refuse '{"rollover_expiry": 0}');
:refuse '{"rollover_expiry": 1.5}');
:refuse '{"rollover_expiry": 1001}');
:refuse '{"effective_from": "2026-01-01", "pricing_var_name": "y"}');
:refuse '{"version": 9}');
:refuse '{"version": "1"}');
:refuse '{"version": 1}');
:refuse '{"version": 3}');
:refuse '{"head_version_id": "51000000-0000-0000-0000-000000000001"}');
:refuse '{"head_version_id": "one"}');
:refuse '{"pricing_var_name": "m2"}');
SELECT meter.bind_product(:'org', 'lead', 'api calls');
SELECT meter.bind_product(:'org', 'gold', 'sms');
SELECT meter.bind_product('51000000-0000-0000-0000-000000000009', 'gold', 'sms');
SELECT meter.update_binding(:'org', :'more', '{"pricing_var_name": "api_calls"}');
SELECT meter.update_binding(:'org', :'more', '{"effective_from": "2026-01-01T00:00:00Z"}');
SELECT meter.update_binding(:'org', :'more', NULL);
\set VERBOSITY sqlstate
SELECT meter.update_binding(:'org', :'gold', '{}');
SELECT meter.unbind_product(:'org', :'gold');
\set VERBOSITY terse
SELECT meter.update_binding(:'org', NULL, '{}');
SELECT meter.create_product(:'org', '{"name": "x", "custom_fields": []}');
SELECT meter.create_product(:'org', '{"name": "x", "custom_fields": {"a": true}}');
SELECT meter.unbind_product(:'org', id) FROM bindings;
SELECT meter.archive_meter(:'org', 'api calls', 'over') ->> 'status';
SELECT meter.bind_product(:'org', 'gold', 'api calls');
