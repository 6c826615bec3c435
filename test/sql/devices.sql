-- Devices: what they are, and what becomes of their readings.
\set VERBOSITY terse
SET client_min_messages = warning;
SET timezone = 'UTC';
SELECT meter.create_store();
CREATE SCHEMA test_devices;
SET search_path = test_devices;
SELECT meter.create_organization('devices', '00000000-0000-0000-0000-00000000de01') AS org \gset
SELECT meter.create_organization('other devices', '00000000-0000-0000-0000-00000000de11') AS other \gset
SELECT setval('meter.device_id_seq', 1000, false);
SELECT meter.create_meter(:'org', '{"key": "energy", "metric_key": "consumption.electricity", "function": "sum", "value_field": "value", "unit_label": "kWh",
	"dimensions": {"quality": "quality", "tariff": "tariff_id", "serial": "serial_number"}}') ->> 'version' AS version;
CREATE FUNCTION org() RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT '00000000-0000-0000-0000-00000000de01'::uuid $$;
-- one device's readings of January to May 2026: read on these days
CREATE FUNCTION days(device int) RETURNS TABLE (day text, kind text, value numeric, next numeric, quality text, status text, used numeric, of text, code text) LANGUAGE sql AS $$
	SELECT to_char(read_at, 'MM-DD'), kind, value, nullif(next_value, value), quality, status, consumption, consumption_quality, code
	FROM meter.readings WHERE organization_id = org() AND device_id = device ORDER BY read_at, revision
$$;
CREATE FUNCTION read(device text, day text, value numeric, quality text DEFAULT 'actual') RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', r ->> 'status', r ->> 'consumption', r ->> 'code', r ->> 'message')
	FROM meter.record_reading(org(), device, value, ('2026-' || day || ' 00:00Z')::timestamptz, quality) AS r
$$;
CREATE FUNCTION months(device int, meter text DEFAULT 'energy') RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(trim_scale(u.value) || CASE WHEN u.event_count = 1 THEN '' ELSE ' of ' || u.event_count END, ', ' ORDER BY u.window_start)
	FROM meter.usage(org(), meter, '2026-01-01Z', '2026-06-01Z', 'device:' || device, 'month') AS u
$$;
-- what the events say is what the intervals say
CREATE VIEW wrong_events AS
	SELECT i.device_id, i.read_at, i.consumption, e.id, e.data FROM (
		SELECT * FROM meter.readings WHERE organization_id = org() AND event_id IS NOT NULL
	) AS i FULL JOIN (
		SELECT * FROM meter.events WHERE organization_id = org() AND source = 'meter.device' AND reversal IS NULL
	) AS e ON e.id = i.event_id
	WHERE ((e.data ->> 'value')::numeric, e.data ->> 'quality', (e.data ->> 'interval_start')::timestamptz, (e.data ->> 'interval_end')::timestamptz)
		IS DISTINCT FROM (i.consumption, i.consumption_quality, i.interval_start, i.read_at) OR e."time" <> i.read_at - interval '1 microsecond';

-- Defaults, and every field there is.
SELECT jsonb_pretty(meter.create_device(:'org', '{"name": "Main", "serial_number": "E-1", "meter_type": "ELECTRICITY"}') - '{created_at,updated_at}'::text[]);
SELECT meter.create_device(:'org', '{"name": "Roof", "serial_number": "E-2", "meter_type": "SOLAR", "communication_type": "MODBUS", "description": "on the roof",
	"building_block_id": 7, "gateway_id": 8, "tariff_id": 9, "location": "East wing", "billing_direction": "ACCPAY", "reading_interval": 900,
	"min_reading_interval": 60, "unit": "kWh", "reading_type": "cumulative", "rollover_at": 100000, "rollover_limit": 500, "event_type": "generation",
	"subject": "tenant-1", "last_reading_value": 12.5, "last_reading_at": "2026-01-01T00:00:00+01:00"}') - '{created_at,updated_at}'::text[] AS roof;
SELECT string_agg(k, ',' ORDER BY k) FROM meter.devices AS d, jsonb_object_keys(meter.device_document(d.organization_id, d.id)) AS k WHERE d.id = 1000;
SELECT d ->> 'last_reading_value' AS value, (d ->> 'last_reading_at')::timestamptz > now() - interval '1 minute' AS just_now
	FROM meter.create_device(:'org', '{"name": "n", "serial_number": "now", "meter_type": "EV", "last_reading_value": 3}') AS d;

-- What is refused.
CREATE FUNCTION refused(definition jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	PERFORM meter.create_device(org(), '{"name": "n", "serial_number": "x", "meter_type": "GAS"}'::jsonb || definition);
	RETURN 'not refused';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN SQLSTATE || ' ' || SQLERRM || ' (' || detail || ')';
END
$$;
SELECT refused(definition) FROM (VALUES (1, '{"name": null}'::jsonb), (2, '{"serial_number": null}'), (3, '{"meter_type": null}'), (4, '{"name": ""}'),
	(5, jsonb_build_object('name', repeat('n', 201))), (6, '{"meter_type": "gas"}'), (7, '{"communication_type": "WIFI"}'), (8, '{"billing_direction": "BOTH"}'),
	(9, '{"gateway_id": 1.5}'), (10, '{"building_block_id": "7"}'), (11, '{"tariff_id": 3000000000}'), (12, '{"reading_interval": 0}'),
	(13, '{"min_reading_interval": -1}'), (14, '{"reading_type": "gauge"}'), (15, '{"rollover_at": 0}'), (16, '{"rollover_at": 100, "rollover_limit": 100}'),
	(17, '{"rollover_limit": 5}'), (18, '{"reading_type": "interval", "rollover_at": 100}'), (19, '{"last_reading_at": "2026-01-01T00:00:00Z"}'),
	(20, '{"last_reading_value": -1}'), (21, '{"last_reading_value": 1, "last_reading_at": "yesterday"}'), (22, '{"id": 5}'), (23, '{"colour": "red"}'),
	(24, '{"serial_number": "E-1"}'), (25, '{"last_reading_value": 1, "last_reading_at": "2999-01-01T00:00:00Z"}'), (26, '{"rollover_at": 10, "last_reading_value": 10}'),
	(27, '{"name": 5}'), (28, '{"location": "a\u0001b"}')) AS v(no, definition) ORDER BY no;
SELECT meter.create_device('00000000-0000-0000-0000-0000000000ff', '{"name": "n", "serial_number": "x", "meter_type": "GAS"}');
SELECT meter.create_device(:'org', '[]');
SELECT count(*) FROM meter.devices WHERE organization_id = :'org';

-- Changes: what is absent stays, null resets, what is sent back unchanged changes nothing.
SELECT meter.update_device(:'org', 'E-2', '{"name": "Roof 2", "description": null, "gateway_id": null, "billing_direction": null, "tariff_id": 10, "location": "West",
	"reading_interval": null, "min_reading_interval": null, "subject": null, "event_type": null, "rollover_limit": null}') - '{created_at,updated_at}'::text[] AS roof;
SELECT meter.update_device(:'org', 'E-2', meter.device_document(:'org', 1001) - '{organization_id,created_at,updated_at,last_reading_quality}'::text[]) ->> 'name' AS name;
SELECT count(*) FROM meter.readings WHERE device_id = 1001;
SELECT updated_at > created_at AS updated FROM meter.devices WHERE id = 1001;
SELECT meter.update_device(:'org', '1001', '{"last_reading_value": 20, "last_reading_at": "2026-02-01T00:00:00Z"}') -> 'last_reading_value' AS value;
SELECT meter.update_device(:'org', '1001', '{"last_reading_value": 15, "last_reading_at": "2026-01-15T00:00:00Z"}') -> 'last_reading_value' AS the_newest;
SELECT meter.update_device(:'org', '1001', '{"last_reading_value": 16, "last_reading_at": "2026-01-15T00:00:00Z"}');
SELECT meter.update_device(:'org', '1001', '{"last_reading_value": 1, "last_reading_at": "2026-01-16T00:00:00Z"}');
SELECT meter.update_device(:'org', '1001', '{"last_reading_value": null}');
SELECT meter.update_device(:'org', '1001', '{"serial_number": "E-3"}');
SELECT meter.update_device(:'org', '1001', '{"meter_type": "GAS"}');
SELECT meter.update_device(:'org', '1001', '{"communication_type": null}');
SELECT meter.update_device(:'org', '1001', '{"id": 5}');
SELECT meter.update_device(:'org', '1001', '{"unit": "MWh"}');
SELECT meter.update_device(:'org', '1001', '{"reading_type": "interval", "rollover_at": null}');
SELECT meter.update_device(:'org', '1001', '{"name": null}');
SELECT meter.update_device(:'org', '1001', '{"organization_id": null}');
SELECT meter.update_device(:'org', '1001', '{"rollover_at": 20}');
SELECT meter.update_device(:'org', 'nothing', '{}');
SELECT meter.update_device(:'other', '1001', '{}');
SELECT meter.update_device(:'org', NULL, '{}');

-- An id, or a serial number; not either by chance.
SELECT meter.create_device(:'org', '{"name": "n", "serial_number": "1000", "meter_type": "WATER"}') -> 'id' AS water;
SELECT meter.update_device(:'org', '1000', '{"name": "which"}');
SELECT meter.update_device(:'org', 'id:1000', '{"name": "Main 1"}') ->> 'name' AS name;
SELECT meter.update_device(:'org', 'serial:1000', '{"name": "Water"}') ->> 'name' AS name;

-- Deleted: gone where it was never read, else only out of service.
SELECT meter.delete_device(:'org', 'serial:1000');
SELECT meter.delete_device(:'org', '1001');
SELECT meter.delete_device(:'org', '1001');
SELECT id, retired_at IS NOT NULL AS retired FROM meter.device WHERE organization_id = :'org' AND name <> 'n' ORDER BY id;
SELECT meter.record_reading(:'org', 'E-2', 21, '2026-03-01Z');
SELECT count(*) FROM meter.readings WHERE organization_id = :'org' AND device_id = 1001;
SELECT meter.create_device(:'org', '{"name": "Roof again", "serial_number": "E-2", "meter_type": "SOLAR"}') ->> 'serial_number' AS serial_number;

-- A register: the first reading counts nothing, each other one what is between.
SELECT meter.update_device(:'org', 'E-1', '{"tariff_id": 3, "unit": "kWh"}') -> 'tariff_id' AS tariff;
SELECT read('E-1', '01-01', 100);
SELECT meter.record_reading(:'org', 'E-1', 150.5, '2026-02-01Z', source => 'reader 7') AS result;
SELECT read('E-1', '03-01', 210);
SELECT months(1000);
SELECT "time", type, source, id, subject, data FROM meter.events WHERE organization_id = :'org' AND subject = 'device:1000' ORDER BY 1;
-- the same again; the same instant with something else
SELECT read('E-1', '02-01', 150.50);
SELECT read('E-1', '02-01', 151);
SELECT read('E-1', '02-01', 151);
SELECT read('E-1', '02-01', 140, 'estimated');
-- before the first, and between two: intervals are split
SELECT read('E-1', '02-15', 180);
SELECT read('E-1', '01-10', 110);
SELECT meter.record_reading(:'org', 'E-1', 90, '2025-12-01Z') ->> 'consumption' AS first;
SELECT * FROM days(1000);
SELECT months(1000);
SELECT last_reading_value, last_reading_at FROM meter.devices WHERE organization_id = :'org' AND id = 1000;
-- what splits an interval is of whom the interval was
SELECT meter.update_device(:'org', 'E-1', '{"subject": "tenant-2", "tariff_id": 4}') ->> 'subject' AS subject;
SELECT read('E-1', '02-20', 190), read('E-1', '03-31', 230), read('E-1', '03-15', 220);
SELECT subject, dimensions ->> 'tariff' AS tariff, value, event_count FROM meter.usage(:'org', 'energy', '2025-01-01Z', '2027-01-01Z', group_by => '{subject,tariff}') ORDER BY 1;
TABLE wrong_events;

-- Lower than before: suspect, kept, not counted, until something explains it.
SELECT meter.create_device(:'org', '{"name": "n", "serial_number": "L", "meter_type": "ELECTRICITY"}') ->> 'id' AS l \gset
SELECT read('L', '01-01', 99900), read('L', '02-01', 99950), read('L', '03-01', 20);
SELECT read('L', '03-01', 20), read('L', '04-01', 70);
SELECT last_reading_value, last_reading_at FROM meter.devices WHERE id = :l;
-- it rolls over at 100000: both are counted now
SELECT meter.update_device(:'org', 'L', '{"rollover_at": 100000}') -> 'last_reading_value' AS last;
SELECT * FROM days(:l);
SELECT months(:l);
-- a drop that is too large is no roll-over
SELECT read('L', '05-01', 50);
SELECT read('L', '05-01', 100000);
SELECT meter.update_device(:'org', 'L', '{"rollover_limit": 99990}') -> 'last_reading_value' AS last;
SELECT meter.update_device(:'org', 'L', '{"rollover_limit": 10}');
SELECT meter.update_device(:'org', 'L', '{"rollover_at": null, "rollover_limit": null}');
SELECT meter.update_device(:'org', 'L', '{"rollover_at": 120000}') -> 'last_reading_value' AS last;
SELECT months(:l);
TABLE wrong_events;

-- Replaced: two values at one instant. What was read of the new one before fits then.
SELECT meter.create_device(:'org', '{"name": "n", "serial_number": "R", "meter_type": "ELECTRICITY", "rollover_at": 10000, "rollover_limit": 100}') ->> 'id' AS r \gset
SELECT read('R', '01-01', 5000), read('R', '02-01', 5100), read('R', '03-01', 30), read('R', '04-01', 45);
SELECT d ->> 'serial_number' AS serial, d -> 'rollover_at' AS rollover_at, d -> 'rollover_limit' AS rollover_limit, d -> 'last_reading_value' AS value
	FROM meter.replace_device(:'org', 'R', '{"replaced_at": "2026-02-15T00:00:00Z", "final_value": 5140, "start_value": 10, "serial_number": "R2", "rollover_at": 1000, "reason": "broken"}') AS d;
SELECT meter.replace_device(:'org', 'R2', '{"replaced_at": "2026-02-15T00:00:00Z", "final_value": 5140, "start_value": 10, "serial_number": "R2", "rollover_at": 1000}') ->> 'serial_number' AS again;
SELECT meter.replace_device(:'org', 'R2', '{"replaced_at": "2026-02-15T00:00:00Z", "final_value": 5141, "start_value": 10}');
SELECT * FROM days(:r);
SELECT months(:r);
SELECT serial, value FROM (SELECT dimensions ->> 'serial' AS serial, value FROM meter.usage(:'org', 'energy', '2026-01-01Z', '2026-06-01Z', 'device:' || :r, group_by => '{serial}')) AS s ORDER BY 1;
SELECT meter.replace_device(:'org', 'R2', '{"replaced_at": "2026-04-15T00:00:00Z", "final_value": 40}');
SELECT meter.replace_device(:'org', 'R2', '{"replaced_at": "2026-03-15T00:00:00Z", "final_value": 40, "start_value": 50}');
SELECT meter.replace_device(:'org', 'R2', '{"serial_number": "L"}');
SELECT meter.replace_device(:'org', 'R2', '{"rollover_at": 0}');
SELECT meter.replace_device(:'org', 'R2', '{"replaced_at": "2999-01-01T00:00:00Z"}');
SELECT meter.replace_device(:'org', 'R2', '{"at": "2026-01-01T00:00:00Z"}');
-- reset, its final value unknown at first; and at the instant of a reading
SELECT meter.reset_device(:'org', 'R2', '{"reset_at": "2026-04-10T00:00:00Z"}') -> 'last_reading_value' AS value;
SELECT meter.reset_device(:'org', 'R2', '{"reset_at": "2026-04-10T00:00:00Z"}') -> 'last_reading_value' AS again;
SELECT read('R2', '04-20', 5);
SELECT meter.reset_device(:'org', 'R2', '{"reset_at": "2026-04-10T00:00:00Z", "final_value": 60}') -> 'last_reading_value' AS value;
SELECT meter.reset_device(:'org', 'R2', '{"reset_at": "2026-04-20T00:00:00Z", "final_value": 5, "start_value": 1}') -> 'last_reading_value' AS value;
SELECT day, kind, value, next, quality, status, used, of FROM days(:r) WHERE day >= '04';
SELECT months(:r);
TABLE wrong_events;

-- Estimates: counted until an actual reading takes their place or contradicts them.
SELECT meter.create_device(:'org', '{"name": "n", "serial_number": "S", "meter_type": "ELECTRICITY", "rollover_at": 1000}') ->> 'id' AS s \gset
SELECT read('S', '01-01', 100), read('S', '02-01', 150, 'estimated'), read('S', '03-01', 170, 'estimated');
SELECT months(:s);
SELECT read('S', '02-01', 140), read('S', '02-01', 145, 'estimated'), read('S', '03-01', 180, 'estimated'), read('S', '03-01', 180, 'estimated');
SELECT months(:s);
SELECT read('S', '04-01', 160);
SELECT months(:s);
SELECT read('S', '03-01', 180, 'estimated'), read('S', '02-15', 950, 'estimated'), read('S', '02-15', 150, 'estimated');
SELECT * FROM days(:s);
SELECT months(:s);
-- an estimate that proves right is actual then
SELECT read('S', '02-15', 150);
SELECT used, of FROM days(:s) WHERE day = '02-15' AND status = 'counted';
TABLE wrong_events;

-- Taken back: the interval is whole again, or nothing is counted where nothing can be.
SELECT meter.create_device(:'org', '{"name": "n", "serial_number": "V", "meter_type": "ELECTRICITY"}') ->> 'id' AS v \gset
SELECT read('V', '01-01', 100), read('V', '02-01', 9150), read('V', '03-01', 200), read('V', '04-01', 250);
SELECT meter.void_reading(:'org', 'V', '2026-02-01Z', 'a slip');
SELECT * FROM days(:v);
SELECT months(:v);
SELECT read('V', '02-01', 150), months(:v);
SELECT meter.void_reading(:'org', 'V', '2026-01-01Z', 'not ours');
SELECT meter.void_reading(:'org', 'V', '2026-04-01Z', 'not ours');
SELECT months(:v), last_reading_value FROM meter.devices WHERE id = :v;
SELECT meter.reset_device(:'org', 'V', '{"reset_at": "2026-03-15T00:00:00Z", "final_value": 220}') -> 'last_reading_value' AS value;
SELECT read('V', '04-15', 30), read('V', '05-15', 40);
SELECT meter.void_reading(:'org', 'V', '2026-03-15Z', 'it was not') ->> 'message' AS message;
SELECT day, kind, status, used FROM days(:v) WHERE day > '03';
SELECT months(:v);
SELECT meter.reset_device(:'org', 'V', '{"reset_at": "2026-03-20T00:00:00Z", "final_value": 221}') -> 'last_reading_value' AS value;
SELECT months(:v);
-- a suspect may be taken back, too
SELECT read('V', '05-20', 1), meter.void_reading(:'org', 'V', '2026-05-20Z', 'a slip') ->> 'status' AS voided;
SELECT meter.void_reading(:'org', 'V', '2026-05-20Z', 'a slip');
SELECT meter.void_reading(:'org', 'V', '2026-05-15Z', NULL);
TABLE wrong_events;

-- Readings of intervals: each is what was consumed.
SELECT meter.create_device(:'org', '{"name": "n", "serial_number": "I", "meter_type": "ELECTRICITY", "reading_type": "interval", "reading_interval": 3600}') ->> 'id' AS i \gset
SELECT read('I', '01-02', 5), read('I', '01-01', 7), read('I', '01-03', 0.5, 'estimated');
SELECT read('I', '01-02', 5), read('I', '01-02', 6), read('I', '01-03', 1);
SELECT read('I', '01-04', -1);
SELECT interval_start, consumption FROM meter.readings WHERE device_id = :i AND status = 'counted' ORDER BY 1;
SELECT months(:i);
SELECT meter.void_reading(:'org', 'I', '2026-01-01Z', 'twice') ->> 'status' AS voided;
SELECT months(:i);
SELECT meter.reset_device(:'org', 'I');
SELECT meter.replace_device(:'org', 'I', '{"final_value": 1}');
SELECT meter.replace_device(:'org', 'I', '{"serial_number": "I2"}') ->> 'serial_number' AS serial;
TABLE wrong_events;

-- Too close, too early, too late, too large; and what is none.
SELECT meter.create_device(:'org', '{"name": "n", "serial_number": "T", "meter_type": "ELECTRICITY", "min_reading_interval": 172800, "rollover_at": 1000}') ->> 'id' AS t \gset
SELECT read('T', '01-10', 10);
SELECT read('T', '01-11', 11);
SELECT read('T', '01-09', 9);
SELECT read('T', '01-12', 12);
SELECT read('T', '01-14', 15, 'estimated');
SELECT read('T', '01-15', 14);
SELECT read('T', '02-01', 1000);
SELECT read('T', '02-01', -1);
SELECT read('T', '02-01', 'NaN');
SELECT read('T', '02-01', NULL);
SELECT read('T', '02-01', 20, 'guessed');
SELECT read('T', '02-01', 20, NULL);
SELECT meter.record_reading(:'org', 'T', 20, 'infinity');
SELECT meter.record_reading(:'org', 'T', 20, NULL);
SELECT meter.record_reading(:'org', 'T', 20, '1899-01-01Z');
SELECT meter.record_reading(:'org', 'T', 20, now() + interval '6 minutes');
SELECT meter.record_reading(:'org', 'T', 20, now() + interval '4 minutes') ->> 'status' AS status;
SELECT meter.record_reading(:'org', 'T', 1e-31, '2026-02-01Z');
SELECT meter.record_reading(:'org', 'nothing', 20, '2026-02-01Z');
SELECT meter.record_reading(:'org', 'T', 20, '2026-02-01Z', source => '');
SELECT day, value, status, used FROM days(:t) WHERE day < '02';

-- Batches: any order, each its own status.
SELECT meter.create_device(:'org', jsonb_build_object('name', 'n', 'serial_number', 'B' || b, 'meter_type', 'ELECTRICITY')) ->> 'serial_number' AS serial FROM generate_series(1, 3) AS b;
SELECT id AS b1 FROM meter.devices WHERE organization_id = :'org' AND serial_number = 'B1' \gset
SELECT ordinal, device_id - :b1 + 1 AS b, read_at, status, code, message FROM meter.record_readings(:'org',
	jsonb_build_array(jsonb_build_object('device', :b1, 'value', 30, 'read_at', '2026-03-01T00:00:00Z')) || '[
	{"device": "B1", "value": "10.25", "read_at": "2026-01-01T01:00:00+01:00", "quality": "actual", "source": "gateway"},
	{"device": "B2", "value": 5, "read_at": "2026-01-01T00:00:00Z"}, {"device": "B2", "value": 4, "read_at": "2026-01-31T00:00:00Z"},
	{"device": "B2", "value": 5, "read_at": "2026-01-01T00:00:00Z"}, {"device": "B2", "value": 6, "read_at": "2026-01-01T00:00:00Z"},
	{"device": "B1", "value": 20, "read_at": "2026-01-31T00:00:00Z"},
	5, {"device": "B1"}, {"device": "B1", "value": "many", "read_at": "2026-03-01T00:00:00Z"}, {"device": "B1", "value": 1, "read_at": "2026-02-30T00:00:00Z"},
	{"device": "B1", "value": 1, "read_at": "2026-03-01"}, {"device": "B1", "value": 1, "read_at": "2999-03-01T00:00:00Z"},
	{"device": "B1", "value": -1, "read_at": "2026-03-01T00:00:00Z"}, {"device": "B9", "value": 1, "read_at": "2026-03-01T00:00:00Z"},
	{"device": "B1", "value": 1, "read_at": "2026-03-01T00:00:00Z", "quality": "good"}, {"device": "B1", "value": 1, "read_at": "2026-03-01T00:00:00Z", "unit": "kWh"},
	{"value": 1, "read_at": "2026-03-01T00:00:00Z"}, {"device": "B1", "value": 1, "read_at": "2026-03-01T00:00:00Z", "source": 5},
	{"device": "B1", "value": 1, "read_at": 5}, {"device": {}, "value": 1, "read_at": "2026-03-01T00:00:00Z"}]'::jsonb) ORDER BY ordinal;
SELECT day, value, status, used FROM days(:b1);
SELECT count(*) FROM meter.record_readings(:'org', '[]');
SELECT meter.record_readings(:'org', '{}');
SELECT meter.record_readings(:'org', NULL);
SELECT meter.record_readings('00000000-0000-0000-0000-0000000000ff', '[]');

-- What a meter refuses is not recorded; in a batch the others are.
SELECT meter.create_meter(:'org', '{"key": "timely", "metric_key": "consumption.gas", "function": "sum", "value_field": "value", "late_event_policy": {"mode": "reject"}}') ->> 'version' AS version;
SELECT meter.create_device(:'org', '{"name": "n", "serial_number": "G", "meter_type": "GAS", "last_reading_value": 1, "last_reading_at": "2026-01-01T00:00:00Z"}') ->> 'id' AS g \gset
DO $$
BEGIN
	PERFORM read('G', '02-01', 2);
EXCEPTION WHEN invalid_parameter_value THEN
	RAISE WARNING '%', substring(SQLERRM FROM '^reading refused: the event''s window ended at 2026-02-01T00:00:00Z');
END $$;
SELECT device_id = :g AS gas, status, code FROM meter.record_readings(:'org', '[{"device": "G", "value": 3, "read_at": "2026-02-01T00:00:00Z"}, {"device": "B1", "value": 40, "read_at": "2026-04-01T00:00:00Z"},
	{"device": "G", "value": 4, "read_at": "2026-03-01T00:00:00Z"}]') ORDER BY ordinal;
SELECT * FROM days(:g);
SELECT count(*) FROM meter.rejected_events WHERE organization_id = :'org';
SELECT day, used FROM days(:b1) WHERE day = '04-01';

-- In quarantine: what changes meanwhile goes there anew.
SELECT meter.create_meter(:'org', '{"key": "held", "metric_key": "consumption.water", "function": "sum", "value_field": "value", "late_event_policy": {"mode": "quarantine"}}') ->> 'version' AS version;
SELECT meter.create_device(:'org', '{"name": "n", "serial_number": "W", "meter_type": "WATER"}') ->> 'id' AS w \gset
SELECT read('W', '01-01', 10), read('W', '03-01', 30), read('W', '02-01', 15);
SELECT count(*) AS held, sum((payload::jsonb -> 'data' ->> 'value')::numeric) AS value FROM meter.rejected_events WHERE organization_id = :'org' AND status = 'quarantined';
SELECT status, count(*) FROM meter.release_quarantine(:'org', ARRAY(SELECT id FROM meter.rejected_events WHERE organization_id = :'org' AND status = 'quarantined')) GROUP BY 1;
SELECT months(:w, 'held');
SELECT read('W', '02-15', 20), months(:w, 'held');
SELECT status FROM meter.release_quarantine(:'org', meter => 'held');
SELECT months(:w, 'held');

-- An event that was voided by hand cannot be corrected: readings about it are refused, others are not.
SELECT meter.void_event(:'org', 'consumption.electricity', event_id, 'by hand', 'meter.device') ->> 'status' AS status
	FROM meter.readings WHERE device_id = :b1 AND read_at = '2026-03-01Z';
SELECT read('B1', '02-15', 25);
SELECT ordinal, status, code FROM meter.record_readings(:'org', '[{"device": "B1", "value": 25, "read_at": "2026-02-15T00:00:00Z"},
	{"device": "B3", "value": 25, "read_at": "2026-02-15T00:00:00Z"}]');
SELECT meter.void_reading(:'org', 'B1', '2026-03-01Z', 'never mind') ->> 'status' AS status;
SELECT months(:b1);

-- An event that somebody else sent in its place is nobody's consumption.
SELECT status FROM meter.ingest(:'org', format('{"type": "consumption.electricity", "source": "meter.device", "id": "%s/2026-04-30T00:00:00Z/1.1", "time": "2026-04-29T23:59:59.999999Z", "data": {"value": 5}}', :b1)::json);
SELECT status, code FROM meter.record_readings(:'org', '[{"device": "B1", "value": 45, "read_at": "2026-04-30T00:00:00Z"}]');
SELECT meter.void_event(:'org', 'consumption.electricity', :'b1' || '/2026-04-30T00:00:00Z/1.1', 'not true', 'meter.device') ->> 'status' AS status;

-- Thresholds see what is read, and what is corrected; a quota refuses what would exceed it.
SELECT meter.create_meter(:'org', '{"key": "charged", "metric_key": "consumption.ev", "function": "sum", "value_field": "value"}') ->> 'version' AS version;
SELECT meter.create_threshold(:'org', '{"name": "much", "meter": "charged", "threshold_value": 100, "clear_value": 50}') ->> 'name' AS name;
SELECT meter.create_threshold(:'org', '{"name": "too much", "meter": "charged", "threshold_value": 1000, "comparator": "gt", "action_kind": "block"}') ->> 'name' AS name;
SELECT meter.create_device(:'org', '{"name": "n", "serial_number": "C", "meter_type": "EV"}') ->> 'id' AS c \gset
CREATE VIEW told AS SELECT event_type, payload ->> 'observed_value' AS observed FROM meter.domain_event_outbox
	WHERE organization_id = org() AND event_type LIKE 'threshold.%' ORDER BY id;
SELECT read('C', '01-01', 0), read('C', '01-31', 120, 'estimated');
TABLE told;
SELECT read('C', '01-31', 40);
TABLE told;
SELECT read('C', '02-28', 1041);
SELECT status, code FROM meter.record_readings(:'org', '[{"device": "C", "value": 1041, "read_at": "2026-02-28T00:00:00Z"}]');
SELECT read('C', '02-28', 1040), months(:c, 'charged');
SELECT meter.delete_threshold(:'org', 'much'), meter.delete_threshold(:'org', 'too much');

-- Rolled back, it comes as if for the first time.
BEGIN;
SELECT read('B1', '05-01', 50);
ROLLBACK;
SELECT read('B1', '05-01', 51), months(:b1);
-- One snapshot: fine as long as it shows the series as it is.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT read('B1', '05-02', 52), read('B1', '01-15', 11);
COMMIT;
SELECT months(:b1);
TABLE wrong_events;
SELECT count(*) FROM meter.reading WHERE organization_id = :'other';
