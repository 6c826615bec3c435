-- Usage over HTTP, by PostgREST's own conventions: POST /rpc/ingest,
-- GET /rpc/usage.
--
-- Each of these is its namesake of the schema meter, found by the names and
-- types of its arguments (src/surface/api.c): organization_id is the claims'
-- where it is not given, errors have statuses and stable codes.  The C function
-- says which scope is needed: meter_api_read, meter_api_report (the scope
-- meter-report) or meter_api_admin.

-- The organization stands first: behind the events, by its default, it would make
-- ingest(json) ambiguous.
CREATE FUNCTION meter_api.ingest(organization_id uuid DEFAULT NULL, events json DEFAULT NULL)
	RETURNS TABLE (ordinal int, id text, status text, code text, message text)
	LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 1000
	AS 'MODULE_PATHNAME', 'meter_api_report';
COMMENT ON FUNCTION meter_api.ingest(uuid, json) IS 'Ingests one event or an array of events (CloudEvents 1.0 JSON). events: as for meter.ingest(). Result: 200 with a row an event, in order: ordinal, id, status (accepted, late_revised, late_next_window, late_quarantined, duplicate, conflict, unmatched, rejected), code, message; a bad event fails no other. Needs the scope meter-report. Errors: 400, 401, 403, 429 where settings.partial is false and a quota refuses. Source: standard (CloudEvents).';

CREATE FUNCTION meter_api.ingest(json)
	RETURNS TABLE (ordinal int, id text, status text, code text, message text)
	LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 1000
	AS 'MODULE_PATHNAME', 'meter_api_report';
COMMENT ON FUNCTION meter_api.ingest(json) IS 'Ingests the body of the request: one event, an array of events, or {"events": …, "organization_id": …} with either. PostgREST takes an array only where its events have the same members, but for ?columns=event. Result and errors: as meter_api.ingest(events). Source: standard (CloudEvents).';

CREATE FUNCTION meter_api.report_usage(report jsonb, idempotency_key text, organization_id uuid DEFAULT NULL) RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'meter_api_report';
COMMENT ON FUNCTION meter_api.report_usage(jsonb, text, uuid) IS 'Reports usage to one meter. report, idempotency_key: as for meter.report_usage(). Result: 200 {"status": "queued", "requestId"}, counted already, or {"status": "duplicate", "idempotencyKey"}. Needs the scope meter-report. Errors: 400 bad report, or one that the meter rejects, 401, 403, 404 METER_NOT_FOUND, 409 KEY_CONFLICT or METER_ARCHIVED, 429 QUOTA_EXCEEDED with Retry-After; nothing is kept of what is refused. Source: seed 002 (POST /meters/usage).';

CREATE FUNCTION meter_api.usage(meter text, period_from timestamptz, period_to timestamptz, subject text DEFAULT NULL, window_size text DEFAULT NULL,
		group_by text[] DEFAULT '{}', filter jsonb DEFAULT NULL, time_zone text DEFAULT NULL, profile text DEFAULT NULL,
		as_of timestamptz DEFAULT NULL, organization_id uuid DEFAULT NULL)
	RETURNS TABLE (window_start timestamptz, window_end timestamptz, subject text, dimensions jsonb,
		currency text, version int, value numeric, event_count bigint)
	LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 100
	AS 'MODULE_PATHNAME', 'meter_api_read';
COMMENT ON FUNCTION meter_api.usage(text, timestamptz, timestamptz, text, text, text[], jsonb, text, text, timestamptz, uuid) IS 'What was used in [period_from, period_to). Arguments and result: as meter.usage(). Needs the scope read. Errors: 400, 401, 403, 404. Source: standard.';

CREATE FUNCTION meter_api.explain_usage(meter text, period_from timestamptz, period_to timestamptz, subject text DEFAULT NULL, filter jsonb DEFAULT NULL,
		profile text DEFAULT NULL, as_of timestamptz DEFAULT NULL, after_time timestamptz DEFAULT NULL,
		after_seq bigint DEFAULT NULL, page_size int DEFAULT 100, organization_id uuid DEFAULT NULL)
	RETURNS TABLE ("time" timestamptz, seq bigint, type text, source text, id text, subject text, dimensions jsonb,
		currency text, version int, value numeric, unique_key text, data json, original_time timestamptz)
	LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 100
	AS 'MODULE_PATHNAME', 'meter_api_read';
COMMENT ON FUNCTION meter_api.explain_usage(text, timestamptz, timestamptz, text, jsonb, text, timestamptz, timestamptz, bigint, int, uuid) IS 'The events behind a number of meter_api.usage(), by pages. Arguments and result: as meter.explain_usage(). Needs the scope read. Errors: 400, 401, 403, 404. Source: standard.';

CREATE FUNCTION meter_api.check_quota(meter text, subject text, quantity numeric DEFAULT 1, dimensions jsonb DEFAULT '{}',
		"at" timestamptz DEFAULT pg_catalog.now(), currency text DEFAULT NULL, organization_id uuid DEFAULT NULL) RETURNS jsonb
	LANGUAGE c STABLE PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'meter_api_read';
COMMENT ON FUNCTION meter_api.check_quota(text, text, numeric, jsonb, timestamptz, text, uuid) IS 'What quotas would say to usage; nothing is changed. Arguments and result: as meter.check_quota(). Needs the scope read. Errors: 400, 401, 403, 404, 409 the meter is archived. Source: standard.';

CREATE FUNCTION meter_api.reserve(meter text, subject text, quantity numeric, ttl interval, dimensions jsonb DEFAULT '{}', currency text DEFAULT NULL,
		organization_id uuid DEFAULT NULL) RETURNS uuid
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'meter_api_report';
COMMENT ON FUNCTION meter_api.reserve(text, text, numeric, interval, jsonb, text, uuid) IS 'Reserves usage for work whose cost is known later. Arguments and result: as meter.reserve(). Needs the scope meter-report. Errors: 400, 401, 403, 404, 409 the meter is archived, 429 QUOTA_EXCEEDED with Retry-After. Source: standard.';

CREATE FUNCTION meter_api.settle(reservation uuid, actual numeric) RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'meter_api_report';
COMMENT ON FUNCTION meter_api.settle(uuid, numeric) IS 'Settles a reservation: reports what was really used. Arguments and result: as meter.settle(). Needs the scope meter-report. Errors: 400, 401, 403, 404, 409 it was settled by another actual, 429 QUOTA_EXCEEDED with Retry-After. Source: standard.';

CREATE FUNCTION meter_api.balance(subscription text, meter text, "at" timestamptz DEFAULT pg_catalog.now(), organization_id uuid DEFAULT NULL)
	RETURNS TABLE (period_start timestamptz, period_end timestamptz, included numeric, rolled_over numeric, used numeric, remaining numeric,
		overage numeric, pricing_var_name text, dimensions jsonb, currency text, version int, binding_id uuid)
	LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 1
	AS 'MODULE_PATHNAME', 'meter_api_read';
COMMENT ON FUNCTION meter_api.balance(text, text, timestamptz, uuid) IS 'What a subscription has of a meter in a billing period. Arguments and result: as meter.balance(). Needs the scope read. Errors: 400, 401, 403, 404, 409 events are past retention. Source: seed 000 (included_quantity_source, rollover_eligible).';

CREATE FUNCTION meter_api.period_statement(subscription text, period timestamptz DEFAULT pg_catalog.now(), organization_id uuid DEFAULT NULL)
	RETURNS TABLE (period_start timestamptz, period_end timestamptz, pricing_var_name text, role text, quantity numeric, included numeric,
		rolled_over numeric, overage numeric, unit text, currency text, version int, status text, dimensions jsonb,
		meter_key text, meter_id uuid, product_id uuid, binding_id uuid)
	LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 10
	AS 'MODULE_PATHNAME', 'meter_api_read';
COMMENT ON FUNCTION meter_api.period_statement(text, timestamptz, uuid) IS 'What to bill a subscription for a billing period, by pricing variable. Arguments and result: as meter.period_statement(). Needs the scope read. Errors: 400, 401, 403, 404. Source: seed 000 (pricing_var_name, role).';

CREATE FUNCTION meter_api.void_event(type text, key text, reason text, source text DEFAULT NULL, organization_id uuid DEFAULT NULL) RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'meter_api_admin';
COMMENT ON FUNCTION meter_api.void_event(text, text, text, text, uuid) IS 'Takes an event back. Arguments and result: as meter.void_event(). Needs the scope admin. Errors: 400, 401, 403, 404 EVENT_NOT_FOUND, 409 ALREADY_REVERSED, AMBIGUOUS_KEY. Source: standard.';

CREATE FUNCTION meter_api.amend_event(type text, key text, data jsonb, reason text DEFAULT NULL, source text DEFAULT NULL, organization_id uuid DEFAULT NULL) RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'meter_api_admin';
COMMENT ON FUNCTION meter_api.amend_event(text, text, jsonb, text, text, uuid) IS 'Puts other data in the place of an event''s. Arguments and result: as meter.amend_event(). Needs the scope admin. Errors: 400, 401, 403, 404 EVENT_NOT_FOUND, 409 ALREADY_REVERSED, AMBIGUOUS_KEY. Source: standard.';

CREATE FUNCTION meter_api.replay_rejected(ids bigint[] DEFAULT NULL, meter text DEFAULT NULL, organization_id uuid DEFAULT NULL)
	RETURNS TABLE (id bigint, status text, code text, message text)
	LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 1000
	AS 'MODULE_PATHNAME', 'meter_api_admin';
COMMENT ON FUNCTION meter_api.replay_rejected(bigint[], text, uuid) IS 'Tries rejected events again. Arguments and result: as meter.replay_rejected(). Needs the scope admin. Errors: 400, 401, 403, 404. Source: standard.';

CREATE FUNCTION meter_api.release_quarantine(ids bigint[] DEFAULT NULL, meter text DEFAULT NULL, organization_id uuid DEFAULT NULL)
	RETURNS TABLE (id bigint, status text, code text, message text)
	LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 1000
	AS 'MODULE_PATHNAME', 'meter_api_admin';
COMMENT ON FUNCTION meter_api.release_quarantine(bigint[], text, uuid) IS 'Counts late events that are in quarantine. Arguments and result: as meter.release_quarantine(). Needs the scope admin. Errors: 400, 401, 403, 404. Source: standard.';
