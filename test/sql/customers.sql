-- Customers: several subjects, one usage.
\set VERBOSITY terse
SET client_min_messages = warning;
SET timezone = 'UTC';
SELECT meter.create_store();
SELECT meter.create_organization('customers', 'c0000000-0000-0000-0000-000000000001') AS org \gset
SELECT meter.create_organization('another', 'c0000000-0000-0000-0000-000000000002') AS other \gset
SELECT meter.create_meter(:'org', '{"key": "calls", "metric_key": "call", "function": "sum", "value_field": "n", "dimensions": {"zone": "zone"}}') ->> 'key';

-- Events come before anybody knows whose they are.
SELECT status, count(*) FROM meter.ingest(:'org', '[
	{"id": "1", "source": "t", "type": "call", "subject": "device-1", "time": "2025-03-01T10:00:00Z", "data": {"n": 1, "zone": "a"}},
	{"id": "2", "source": "t", "type": "call", "subject": "device-2", "time": "2025-03-01T10:07:00Z", "data": {"n": 10, "zone": "b"}},
	{"id": "3", "source": "t", "type": "call", "subject": "acme", "time": "2025-03-02T10:00:00Z", "data": {"n": 100, "zone": "a"}},
	{"id": "4", "source": "t", "type": "call", "subject": "c-17", "time": "2025-03-03T10:00:00Z", "data": {"n": 1000, "zone": "a"}},
	{"id": "5", "source": "t", "type": "call", "subject": "stray", "time": "2025-03-01T10:00:00Z", "data": {"n": 10000, "zone": "a"}},
	{"id": "6", "source": "t", "type": "call", "time": "2025-03-01T10:00:00Z", "data": {"n": 100000, "zone": "a"}}]') GROUP BY 1;
SELECT subject, value, event_count FROM meter.usage(:'org', 'calls', '2025-03-01', '2025-04-01', group_by => '{subject}');

-- A customer's subjects are its id, its code and its aliases.
SELECT meter.create_customer(:'org', '{"id": "c-17", "code": "acme", "name": "Acme", "aliases": ["device-1", "device-2"], "custom_fields": {"tier": 1}}') - '{created_at,updated_at}'::text[];
SELECT subject, value, event_count FROM meter.usage(:'org', 'calls', '2025-03-01', '2025-04-01', group_by => '{subject}');
SELECT subject, value, event_count FROM unnest('{acme,c-17,device-2,stray,nobody}'::text[]) AS asked,
	meter.usage(:'org', 'calls', '2025-03-01', '2025-04-01', asked);
-- read from rollups or, where the range cuts a quarter, from events
SELECT subject, value, event_count FROM meter.usage(:'org', 'calls', '2025-03-01 10:05', '2025-04-01', 'device-1');
SELECT subject, value, event_count FROM meter.usage(:'org', 'calls', '2025-03-01 10:05', '2025-04-01', group_by => '{subject}');
SELECT subject, dimensions, value FROM meter.usage(:'org', 'calls', '2025-03-01', '2025-04-01', 'acme', group_by => '{zone}');
-- a filter sees subjects as events name them
SELECT subject, value FROM meter.usage(:'org', 'calls', '2025-03-01', '2025-04-01', 'acme', filter => '{"field": "subject", "op": "starts_with", "value": "device"}');
-- another organization has other customers
SELECT count(*) FROM meter.customers WHERE organization_id = :'other';

-- Linking and unlinking move usage, whenever it came.
SELECT meter.link_subject(:'org', 'device-1', 'stray') -> 'aliases';
SELECT meter.link_subject(:'org', 'acme', 'stray') -> 'aliases';
SELECT value FROM meter.usage(:'org', 'calls', '2025-03-01', '2025-04-01', 'acme');
SELECT meter.unlink_subject(:'org', 'acme', 'stray') -> 'aliases';
SELECT value FROM meter.usage(:'org', 'calls', '2025-03-01', '2025-04-01', 'acme');
SELECT meter.create_customer(:'org', '{"id": "c-18", "name": "No code"}') ->> 'id';
SELECT meter.link_subject(:'org', 'c-18', 'stray') -> 'aliases';
SELECT subject, value FROM meter.usage(:'org', 'calls', '2025-03-01', '2025-04-01', group_by => '{subject}');

-- Each subject is one customer's.
SELECT meter.create_customer(:'org', '{"name": "Thief", "aliases": ["device-1"]}');
SELECT meter.create_customer(:'org', '{"name": "Thief", "code": "device-1"}');
SELECT meter.create_customer(:'org', '{"name": "Thief", "id": "acme"}');
SELECT meter.create_customer(:'org', '{"name": "Thief", "id": "c-17"}');
SELECT meter.link_subject(:'org', 'c-18', 'acme');
SELECT meter.update_customer(:'org', 'c-18', '{"code": "device-2"}');
SELECT count(*) FROM meter.customers WHERE name = 'Thief';
-- but in another organization it is free
SELECT meter.create_customer(:'other', '{"name": "Other", "code": "acme", "id": "c-17"}') ->> 'name';

-- Changes.
SELECT meter.update_customer(:'org', 'acme', '{"name": "Acme Ltd", "custom_fields": null}') - '{created_at,updated_at}'::text[];
SELECT meter.update_customer(:'org', 'acme', '{"code": "device-1", "aliases": ["acme", "device-2"]}') - '{created_at,updated_at}'::text[];
SELECT subject, value FROM meter.usage(:'org', 'calls', '2025-03-01', '2025-04-01', group_by => '{subject}');
SELECT meter.update_customer(:'org', 'acme', '{"code": null, "aliases": null}') - '{created_at,updated_at}'::text[];
SELECT subject, value FROM meter.usage(:'org', 'calls', '2025-03-01', '2025-04-01', group_by => '{subject}');
SELECT meter.delete_customer(:'org', 'c-18');
SELECT value FROM meter.usage(:'org', 'calls', '2025-03-01', '2025-04-01', 'stray');

-- What is refused.
SELECT meter.create_customer(:'org', '[]');
SELECT meter.create_customer(:'org', NULL);
SELECT meter.create_customer(:'org', '{"code": "x"}');
SELECT meter.create_customer(:'org', '{"name": "x", "colour": "red"}');
SELECT meter.create_customer(:'org', '{"name": 1}');
SELECT meter.create_customer(:'org', '{"name": "x", "id": ""}');
SELECT meter.create_customer(:'org', '{"name": "x", "id": "a\u0001b"}');
SELECT meter.create_customer(:'org', '{"name": "x", "id": "y", "code": "y"}');
SELECT meter.create_customer(:'org', '{"name": "x", "code": "y", "aliases": ["y"]}');
SELECT meter.create_customer(:'org', '{"name": "x", "aliases": ["y", "y"]}');
SELECT meter.create_customer(:'org', '{"name": "x", "aliases": [null]}');
SELECT meter.create_customer(:'org', '{"name": "x", "aliases": "y"}');
SELECT meter.create_customer(:'org', '{"name": "x", "custom_fields": {"a": []}}');
SELECT meter.create_customer('c0000000-0000-0000-0000-000000000009', '{"name": "x"}');
SELECT meter.update_customer(:'org', 'c-17', '{"id": "c-19"}');
SELECT meter.update_customer(:'org', 'c-17', '{"name": null}');
SELECT meter.update_customer(:'org', 'c-99', '{}');
SELECT meter.unlink_subject(:'org', 'c-17', 'c-17');
SELECT meter.unlink_subject(:'org', 'c-17', 'stray');
SELECT meter.link_subject(:'org', 'c-17', '');
SELECT meter.delete_customer(:'org', NULL);

-- settings.require_known_subject
SELECT meter.create_organization('strict', 'c0000000-0000-0000-0000-000000000003', '{"require_known_subject": true}') AS strict \gset
SELECT meter.create_organization('odd', settings => '{"require_known_subject": "yes"}');
SELECT meter.create_meter(:'strict', '{"key": "calls", "metric_key": "call", "function": "count", "filter_tree": {"field": "n", "op": "gt", "value": 1}}') ->> 'key';
SELECT meter.create_customer(:'strict', '{"name": "Acme", "code": "acme", "aliases": ["device-1"]}') ->> 'code';
SELECT id, status, code, message FROM meter.ingest(:'strict', '[
	{"id": "1", "source": "t", "type": "call", "subject": "device-1", "data": {"n": 2}},
	{"id": "2", "source": "t", "type": "call", "subject": "device-2", "data": {"n": 2}},
	{"id": "3", "source": "t", "type": "call", "subject": "device-2", "data": {"n": 1}},
	{"id": "4", "source": "t", "type": "call", "data": {"n": 2}},
	{"id": "5", "source": "t", "type": "unheard", "subject": "device-2"},
	{"id": "6", "source": "t", "type": "unheard", "subject": "acme"}]');
SELECT status, code, pointer, payload ->> 'id' AS id, meter_id IS NOT NULL AS by_meter
	FROM meter.rejected_events WHERE organization_id = :'strict' ORDER BY rejected_events.id;
-- once it is known, the same event counts: its key was not used up
SELECT meter.link_subject(:'strict', 'acme', 'device-2') -> 'aliases';
SELECT id, status FROM meter.ingest(:'strict', '[
	{"id": "1", "source": "t", "type": "call", "subject": "device-1", "data": {"n": 2}},
	{"id": "2", "source": "t", "type": "call", "subject": "device-2", "data": {"n": 2}}]');
SELECT subject, value FROM meter.usage(:'strict', 'calls', '-infinity', 'infinity', group_by => '{subject}');
-- a key that counted stays a duplicate, whoever the subject is today
SELECT meter.unlink_subject(:'strict', 'acme', 'device-2') -> 'aliases';
SELECT id, status FROM meter.ingest(:'strict', '{"id": "2", "source": "t", "type": "call", "subject": "device-2", "data": {"n": 2}}');
