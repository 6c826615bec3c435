CREATE VIEW meter.event_inbox AS
	SELECT NULL::uuid AS organization_id, NULL::json AS event, NULL::text AS id, NULL::text AS source,
		NULL::text AS type, NULL::text AS subject, NULL::timestamptz AS "time", NULL::json AS data,
		NULL::text AS meter
	WHERE false;
COMMENT ON VIEW meter.event_inbox IS 'Where COPY and INSERT bring events in: organization_id and either event (a whole CloudEvent) or the other columns. Same rules as meter.ingest; always empty to readers.';
COMMENT ON COLUMN meter.event_inbox.organization_id IS 'The tenant.';
COMMENT ON COLUMN meter.event_inbox.event IS 'A whole event; the other columns are then null.';
COMMENT ON COLUMN meter.event_inbox.id IS 'CloudEvents id.';
COMMENT ON COLUMN meter.event_inbox.source IS 'CloudEvents source.';
COMMENT ON COLUMN meter.event_inbox.type IS 'CloudEvents type.';
COMMENT ON COLUMN meter.event_inbox.subject IS 'CloudEvents subject: the customer.';
COMMENT ON COLUMN meter.event_inbox."time" IS 'When it happened; now where null.';
COMMENT ON COLUMN meter.event_inbox.data IS 'CloudEvents data.';
COMMENT ON COLUMN meter.event_inbox.meter IS 'Key or id of the one meter it is aimed at.';

CREATE FUNCTION meter.event_inbox_insert() RETURNS trigger
	LANGUAGE c
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off
	AS 'MODULE_PATHNAME', 'meter_event_inbox';
COMMENT ON FUNCTION meter.event_inbox_insert() IS 'Trigger: ingests what is inserted into meter.event_inbox. Source: internal.';

CREATE TRIGGER event_inbox_row INSTEAD OF INSERT ON meter.event_inbox
	FOR EACH ROW EXECUTE FUNCTION meter.event_inbox_insert();
CREATE TRIGGER event_inbox_statement AFTER INSERT ON meter.event_inbox
	FOR EACH STATEMENT EXECUTE FUNCTION meter.event_inbox_insert();
