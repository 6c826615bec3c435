CREATE FUNCTION meter.void_event(organization_id uuid, type text, key text, reason text, source text DEFAULT NULL) RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off
	AS 'MODULE_PATHNAME', 'meter_void_event';
COMMENT ON FUNCTION meter.void_event(uuid, text, text, text, text) IS 'Takes an event back: from now on it counts nowhere, while the event itself stays (meter.events shows both), and so does its key: sent again it is a duplicate. type: the event''s; key: its id, or, where no event has that id, its value at the dedup_key_path of a meter; reason: 1 to 1000 characters; source: the event''s, needed where several sources sent the id, empty for none. An event that was amended is taken back as it is now. Result: object of status (voided), seq (the arrival number of what was taken back), type, id, source, subject, time, reversed_at and reason. Errors: 42704 no such organization or event (EVENT_NOT_FOUND), 42725 several events have the key (AMBIGUOUS_KEY), 55000 it was taken back before (ALREADY_REVERSED) or is past retention, 40001 the event changed since a repeatable read transaction began, 22023 bad reason, 22004 null argument. Cost: the event is measured again; usage of min, max, latest and approximate unique_count reads that quarter of an hour from the events until it is counted anew. Source: standard.';

CREATE FUNCTION meter.amend_event(organization_id uuid, type text, key text, reason text, data jsonb, source text DEFAULT NULL) RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off
	AS 'MODULE_PATHNAME', 'meter_amend_event';
COMMENT ON FUNCTION meter.amend_event(uuid, text, text, text, jsonb, text) IS 'Puts other data in the place of an event''s: the event is taken back as by meter.void_event(), and a new one of the same id, source, subject, time and target is counted, measured by the versions in force at its time. It is not late again: who counted the old one counts it in the same place. type, key, source: as for meter.void_event(), and key leads to the newest amendment; reason: null or 1 to 1000 characters; data: the new data, null for none. Result: object of status (amended), seq (arrival number of what was taken back), replacement_seq (of the new event), type, id, source, subject, time, reversed_at, reason, and code and message: PARTIAL where some of the meters that listen refuse the new data, which then is kept in meter.rejected_events. Errors: as for meter.void_event(), and 22023 with code and pointer where every meter that would count the new data refuses it (nothing changes then). Source: standard.';

CREATE FUNCTION meter.amend_event(organization_id uuid, type text, key text, data jsonb) RETURNS jsonb
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
	SELECT meter.amend_event(amend_event.organization_id, amend_event.type, amend_event.key, NULL::text, amend_event.data, NULL::text);
END;
COMMENT ON FUNCTION meter.amend_event(uuid, text, text, jsonb) IS 'meter.amend_event() without a reason and a source. Arguments, result and errors: as there. Source: standard.';
