CREATE FUNCTION meter.rollup_cells(bytea, bytea) RETURNS bytea
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'meter_rollup_cells';
COMMENT ON FUNCTION meter.rollup_cells(bytea, bytea) IS 'The cells of two rollup rows in one, those of the same version and quarter merged. Errors: XX001 damaged cells. Source: internal.';

CREATE FUNCTION meter.ingest(organization_id uuid, events json)
	RETURNS TABLE (ordinal int, id text, status text, code text, message text)
	LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 1000
	AS 'MODULE_PATHNAME', 'meter_ingest';
COMMENT ON FUNCTION meter.ingest(uuid, json) IS 'Ingests one event or an array of events (CloudEvents 1.0: id, source, type, subject, time, data; and meter, a key or id, to aim at one meter). Result: a row an event, in order: ordinal (from 1), id, status (accepted, duplicate, conflict, unmatched, rejected), code and message where there is something to say. Errors: 42704 no such organization; 22000 a bad event where settings.partial is false; 22004 null argument. Source: standard (CloudEvents).';

CREATE FUNCTION meter.report_usage(organization_id uuid, report jsonb, idempotency_key text) RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'meter_report_usage';
COMMENT ON FUNCTION meter.report_usage(uuid, jsonb, text) IS 'Reports usage to one meter. report: object of value (number), meterId or meterName (string), customerId (string), timestamp (RFC 3339, default now) and metadata (object of strings, numbers, booleans); idempotency_key: 1 to 255 bytes. Result: {"status":"queued","requestId"} or {"status":"duplicate","idempotencyKey"}; counted when the transaction commits. Errors: 22023 bad report, 23505 the key came before with another report, 42704 no such organization or meter, 55000 archived meter. Source: seed 002 (POST /meters/usage).';
