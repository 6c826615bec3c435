-- Definitions over HTTP, by PostgREST's own conventions.  As in rpc_usage.sql
-- each function is its namesake of the schema meter.

CREATE FUNCTION meter_api.publish_meter_version(meter text, version int, effective_at timestamptz DEFAULT pg_catalog.now(), reprocess boolean DEFAULT false,
		organization_id uuid DEFAULT NULL) RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'meter_api_admin';
COMMENT ON FUNCTION meter_api.publish_meter_version(text, int, timestamptz, boolean, uuid) IS 'Publishes a draft of a meter. Arguments and result: as meter.publish_meter_version(). Needs the scope admin. Errors: 400, 401, 403, 404, 409 published or archived already. Source: seed 000 (ADR-0006 edit-as-publish).';

CREATE FUNCTION meter_api.archive_meter_version(meter text, version int, reason text, organization_id uuid DEFAULT NULL) RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'meter_api_admin';
COMMENT ON FUNCTION meter_api.archive_meter_version(text, int, text, uuid) IS 'Archives a version of a meter. Arguments and result: as meter.archive_meter_version(). Needs the scope admin. Errors: 400, 401, 403, 404, 409 it is in force, in use or archived already. Source: seed 000 (archived_reason).';

CREATE FUNCTION meter_api.archive_meter(meter text, reason text, organization_id uuid DEFAULT NULL) RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'meter_api_admin';
COMMENT ON FUNCTION meter_api.archive_meter(text, text, uuid) IS 'Archives a meter. Arguments and result: as meter.archive_meter(). Needs the scope admin. Errors: 400, 401, 403, 404, 409 it is in use or archived already. Source: seeds 000, 002 (archived meters).';

CREATE FUNCTION meter_api.delete_meter(meter text, organization_id uuid DEFAULT NULL) RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'meter_api_admin';
COMMENT ON FUNCTION meter_api.delete_meter(text, uuid) IS 'Deletes a meter that nothing uses. Arguments and result: as meter.delete_meter(). Needs the scope admin. Errors: 400, 401, 403, 404, 409 it is in use. Source: seeds 001, 003 (DELETE).';

CREATE FUNCTION meter_api.create_threshold(definition jsonb, organization_id uuid DEFAULT NULL) RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'meter_api_admin';
COMMENT ON FUNCTION meter_api.create_threshold(jsonb, uuid) IS 'Creates a threshold of a meter; one that blocks is a quota. Arguments and result: as meter.create_threshold(). Needs the scope admin. Errors: 400, 401, 403, 404, 409 the meter has one of that name, or is archived. Source: seed 000 (threshold events).';

CREATE FUNCTION meter_api.pause_threshold(threshold text, organization_id uuid DEFAULT NULL) RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'meter_api_admin';
COMMENT ON FUNCTION meter_api.pause_threshold(text, uuid) IS 'Pauses a threshold. Arguments and result: as meter.pause_threshold(). Needs the scope admin. Errors: 400, 401, 403, 404, 409 several have that name. Source: standard.';

CREATE FUNCTION meter_api.resume_threshold(threshold text, organization_id uuid DEFAULT NULL) RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'meter_api_admin';
COMMENT ON FUNCTION meter_api.resume_threshold(text, uuid) IS 'Resumes a threshold that is paused. Arguments and result: as meter.resume_threshold(). Needs the scope admin. Errors: 400, 401, 403, 404, 409 several have that name. Source: standard.';

CREATE FUNCTION meter_api.delete_threshold(threshold text, organization_id uuid DEFAULT NULL) RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'meter_api_admin';
COMMENT ON FUNCTION meter_api.delete_threshold(text, uuid) IS 'Deletes a threshold. Arguments and result: as meter.delete_threshold(). Needs the scope admin. Errors: 400, 401, 403, 404, 409 several have that name. Source: standard.';

CREATE FUNCTION meter_api.create_customer(definition jsonb, organization_id uuid DEFAULT NULL) RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'meter_api_admin';
COMMENT ON FUNCTION meter_api.create_customer(jsonb, uuid) IS 'Creates a customer. Arguments and result: as meter.create_customer(). Needs the scope admin. Errors: 400, 401, 403, 409 the id or a subject is taken. Source: seed 004 (account_mapping).';

CREATE FUNCTION meter_api.update_customer(customer text, patch jsonb, organization_id uuid DEFAULT NULL) RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'meter_api_admin';
COMMENT ON FUNCTION meter_api.update_customer(text, jsonb, uuid) IS 'Changes a customer. Arguments and result: as meter.update_customer(). Needs the scope admin. Errors: 400, 401, 403, 404, 409 a subject is taken. Source: standard.';

CREATE FUNCTION meter_api.delete_customer(customer text, organization_id uuid DEFAULT NULL) RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'meter_api_admin';
COMMENT ON FUNCTION meter_api.delete_customer(text, uuid) IS 'Deletes a customer that has no subscriptions. Arguments and result: as meter.delete_customer(). Needs the scope admin. Errors: 400, 401, 403, 404, 409 it has subscriptions. Source: standard.';

CREATE FUNCTION meter_api.link_subject(customer text, subject text, organization_id uuid DEFAULT NULL) RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'meter_api_admin';
COMMENT ON FUNCTION meter_api.link_subject(text, text, uuid) IS 'Makes a subject of events an alias of a customer. Arguments and result: as meter.link_subject(). Needs the scope admin. Errors: 400, 401, 403, 404, 409 it is another customer''s. Source: seed 004 (account_mapping).';

CREATE FUNCTION meter_api.unlink_subject(customer text, subject text, organization_id uuid DEFAULT NULL) RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'meter_api_admin';
COMMENT ON FUNCTION meter_api.unlink_subject(text, text, uuid) IS 'Takes an alias from a customer. Arguments and result: as meter.unlink_subject(). Needs the scope admin. Errors: 400, 401, 403, 404. Source: standard.';

CREATE FUNCTION meter_api.create_product(definition jsonb, organization_id uuid DEFAULT NULL) RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'meter_api_admin';
COMMENT ON FUNCTION meter_api.create_product(jsonb, uuid) IS 'Creates a product. Arguments and result: as meter.create_product(). Needs the scope admin. Errors: 400, 401, 403, 409 the id or code is taken. Source: seed 002 (subscriptions with their products).';

CREATE FUNCTION meter_api.create_subscription(definition jsonb, organization_id uuid DEFAULT NULL) RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'meter_api_admin';
COMMENT ON FUNCTION meter_api.create_subscription(jsonb, uuid) IS 'Creates a subscription. Arguments and result: as meter.create_subscription(). Needs the scope admin. Errors: 400, 401, 403, 404, 409 the id is taken. Source: seed 002 (subscriptions).';

CREATE FUNCTION meter_api.update_subscription(subscription uuid, patch jsonb, organization_id uuid DEFAULT NULL) RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'meter_api_admin';
COMMENT ON FUNCTION meter_api.update_subscription(uuid, jsonb, uuid) IS 'Changes a subscription. Arguments and result: as meter.update_subscription(). Needs the scope admin. Errors: 400, 401, 403, 404, 409 it is cancelled. Source: seed 002 (subscriptions).';

CREATE FUNCTION meter_api.bind_product(product text, meter text, definition jsonb DEFAULT '{}', organization_id uuid DEFAULT NULL) RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'meter_api_admin';
COMMENT ON FUNCTION meter_api.bind_product(text, text, jsonb, uuid) IS 'Binds a meter to a product. Arguments and result: as meter.bind_product(). Needs the scope admin. Errors: 400, 401, 403, 404, 409 the pricing variable is taken, or the meter is archived. Source: seed 000 (bindings).';

CREATE FUNCTION meter_api.update_binding(binding uuid, patch jsonb, organization_id uuid DEFAULT NULL) RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'meter_api_admin';
COMMENT ON FUNCTION meter_api.update_binding(uuid, jsonb, uuid) IS 'Changes a binding. Arguments and result: as meter.update_binding(). Needs the scope admin. Errors: 400, 401, 403, 404, 409 the pricing variable is taken, or the meter is archived. Source: seed 000 (bindings).';

CREATE FUNCTION meter_api.unbind_product(binding uuid, organization_id uuid DEFAULT NULL) RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'meter_api_admin';
COMMENT ON FUNCTION meter_api.unbind_product(uuid, uuid) IS 'Takes a binding away. Arguments and result: as meter.unbind_product(). Needs the scope admin. Errors: 400, 401, 403, 404. Source: seed 000 (bindings).';

CREATE FUNCTION meter_api.record_reading(device text, value numeric, read_at timestamptz, quality text DEFAULT 'actual', source text DEFAULT NULL,
		organization_id uuid DEFAULT NULL) RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'meter_api_report';
COMMENT ON FUNCTION meter_api.record_reading(text, numeric, timestamptz, text, text, uuid) IS 'Records what was read from a device. Arguments and result: as meter.record_reading(). Needs the scope meter-report. Errors: 400, 401, 403, 404, 409 the device is ambiguous. Source: seed 001 (readings).';

CREATE FUNCTION meter_api.record_readings(readings jsonb, organization_id uuid DEFAULT NULL)
	RETURNS TABLE (ordinal int, device_id int, read_at timestamptz, status text, code text, message text)
	LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 1000
	AS 'MODULE_PATHNAME', 'meter_api_report';
COMMENT ON FUNCTION meter_api.record_readings(jsonb, uuid) IS 'Records an array of readings. Arguments and result: as meter.record_readings(). Needs the scope meter-report. Errors: 400, 401, 403. Source: seed 001 (readings).';

CREATE FUNCTION meter_api.void_reading(device text, read_at timestamptz, reason text, organization_id uuid DEFAULT NULL) RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'meter_api_admin';
COMMENT ON FUNCTION meter_api.void_reading(text, timestamptz, text, uuid) IS 'Takes back what was read from a device at an instant. Arguments and result: as meter.void_reading(). Needs the scope admin. Errors: 400, 401, 403, 404 READING_NOT_FOUND, 409. Source: standard.';

CREATE FUNCTION meter_api.replace_device(device text, replacement jsonb, organization_id uuid DEFAULT NULL) RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'meter_api_admin';
COMMENT ON FUNCTION meter_api.replace_device(text, jsonb, uuid) IS 'Tells that another meter was put in the place of a device''s. Arguments and result: as meter.replace_device(). Needs the scope admin. Errors: 400, 401, 403, 404, 409. Source: seed 001 (serial_number).';

CREATE FUNCTION meter_api.reset_device(device text, reset jsonb DEFAULT '{}', organization_id uuid DEFAULT NULL) RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'meter_api_admin';
COMMENT ON FUNCTION meter_api.reset_device(text, jsonb, uuid) IS 'Tells that a device''s register was set to another value. Arguments and result: as meter.reset_device(). Needs the scope admin. Errors: 400, 401, 403, 404, 409. Source: seed 001 (last_reading_value).';

-- What definitions are made of, tried out.

CREATE FUNCTION meter_api.evaluate(expression text, fields jsonb) RETURNS jsonb
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'meter_api_read';
COMMENT ON FUNCTION meter_api.evaluate(text, jsonb) IS 'Tries an expression out. Arguments and result: as meter.evaluate(). Needs the scope read. Errors: 400, 401, 403. Source: seed 003 (derivedFields[].calculation).';

CREATE FUNCTION meter_api.matches(filter_tree jsonb, data jsonb) RETURNS boolean
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'meter_api_read';
COMMENT ON FUNCTION meter_api.matches(jsonb, jsonb) IS 'Tries a filter tree out. Arguments and result: as meter.matches(). Needs the scope read. Errors: 400, 401, 403. Source: seed 000 (filter_tree).';

CREATE FUNCTION meter_api.json_schema_is_valid(schema jsonb, instance jsonb) RETURNS boolean
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'meter_api_read';
COMMENT ON FUNCTION meter_api.json_schema_is_valid(jsonb, jsonb) IS 'Is the instance valid under the JSON Schema? Arguments and result: as meter.json_schema_is_valid(). Needs the scope read. Errors: 400, 401, 403. Source: JSON Schema drafts 2020-12 and 7.';

CREATE FUNCTION meter_api.json_schema_is_valid(schema jsonb, instance jsonb, assert_format boolean) RETURNS boolean
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'meter_api_read';
COMMENT ON FUNCTION meter_api.json_schema_is_valid(jsonb, jsonb, boolean) IS 'Is the instance valid under the JSON Schema, formats asserted or not? Arguments and result: as meter.json_schema_is_valid(). Needs the scope read. Errors: 400, 401, 403. Source: JSON Schema drafts 2020-12 and 7.';

CREATE FUNCTION meter_api.json_schema_errors(schema jsonb, instance jsonb)
	RETURNS TABLE (instance_path text, keyword text, message text)
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED ROWS 5
	AS 'MODULE_PATHNAME', 'meter_api_read';
COMMENT ON FUNCTION meter_api.json_schema_errors(jsonb, jsonb) IS 'How the instance violates the JSON Schema. Arguments and result: as meter.json_schema_errors(). Needs the scope read. Errors: 400, 401, 403. Source: JSON Schema drafts 2020-12 and 7.';

CREATE FUNCTION meter_api.json_schema_errors(schema jsonb, instance jsonb, assert_format boolean)
	RETURNS TABLE (instance_path text, keyword text, message text)
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED ROWS 5
	AS 'MODULE_PATHNAME', 'meter_api_read';
COMMENT ON FUNCTION meter_api.json_schema_errors(jsonb, jsonb, boolean) IS 'How the instance violates the JSON Schema, formats asserted or not. Arguments and result: as meter.json_schema_errors(). Needs the scope read. Errors: 400, 401, 403. Source: JSON Schema drafts 2020-12 and 7.';
