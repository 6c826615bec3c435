-- Seed 001 over HTTP: each operation by the right tenant, another one, nobody, and
-- with the wrong scope; each with bodies and parameters that are wrong; what it
-- answers, and what it did.
BEGIN;
SET client_min_messages = warning;
SET LOCAL TimeZone = 'UTC';
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS meter;
DO $$ BEGIN PERFORM meter.create_store(); END $$;
\ir ../lib/http.sql
SELECT plan(377);

-- Who asks, and what the short names in the requests below stand for.
CREATE TABLE caller (who text PRIMARY KEY, claims jsonb);
INSERT INTO caller VALUES
	('writer', '{"role": "meter_writer", "organization_id": "a0000000-0000-4000-8000-000000000001"}'),
	('reader', '{"role": "meter_reader", "organization_id": "a0000000-0000-4000-8000-000000000001"}'),
	('other', '{"role": "meter_writer", "organization_id": "b0000000-0000-4000-8000-000000000002"}'),
	('nobody', '{"role": "meter_writer"}'),
	('malformed', '{"role": "meter_writer", "organization_id": "seven"}'),
	('ghost', '{"role": "meter_writer", "organization_id": "c0000000-0000-4000-8000-000000000003"}'),
	('backend', '{"role": "meter_backend"}'),
	('scope read', '{"role": "meter_writer", "organization_id": "a0000000-0000-4000-8000-000000000001", "scope": "read"}'),
	('scope report', '{"role": "meter_writer", "organization_id": "a0000000-0000-4000-8000-000000000001", "scope": "meter-report"}'),
	('scope admin', '{"role": "meter_writer", "organization_id": "a0000000-0000-4000-8000-000000000001", "scope": "admin"}'),
	('scope none', '{"role": "meter_writer", "organization_id": "a0000000-0000-4000-8000-000000000001", "scope": "profile"}');
CREATE TABLE short (name text PRIMARY KEY, value text);
INSERT INTO short VALUES ('A', 'a0000000-0000-4000-8000-000000000001'), ('B', 'b0000000-0000-4000-8000-000000000002'),
	('C', 'c0000000-0000-4000-8000-000000000003');
DO $$
BEGIN
	PERFORM meter.create_organization('A', 'a0000000-0000-4000-8000-000000000001'), meter.create_organization('B', 'b0000000-0000-4000-8000-000000000002');
	-- an id that is no device's
	INSERT INTO short VALUES ('none', nextval('meter.device_id_seq'));
END
$$;

-- <A> in a request is the value of the name A.
CREATE FUNCTION filled(template text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	n short;
BEGIN
	FOR n IN SELECT * FROM short LOOP
		template := replace(template, '<' || n.name || '>', n.value);
	END LOOP;
	RETURN template;
END
$$;

CREATE FUNCTION ask(who text, method text, path text, body text DEFAULT NULL) RETURNS http_response LANGUAGE plpgsql AS $$
BEGIN
	RETURN http(method, filled('/api/v1/meters' || path), CASE
			WHEN path ~ '^/[^/?]*/readings' THEN CASE method WHEN 'GET' THEN 'list_device_readings' WHEN 'POST' THEN 'create_device_readings' END
			WHEN path ~ '^/' THEN CASE method WHEN 'GET' THEN 'get_device' WHEN 'PUT' THEN 'update_device' WHEN 'DELETE' THEN 'delete_device' END
			ELSE CASE method WHEN 'GET' THEN 'list_devices' WHEN 'POST' THEN 'create_device' END END,
		filled(body), (SELECT c.claims FROM caller AS c WHERE c.who = ask.who));
END
$$;

-- The response of the last request, so that its status, envelope and body can be looked at.
CREATE TABLE last (response http_response);
INSERT INTO last VALUES (NULL);

-- One test: status, the envelope's five keys and what they hold, and the message.
CREATE FUNCTION answers(who text, method text, path text, body text, status int, error text, message text, what text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	given http_response := ask(who, method, path, body);
	shown text := format('%s %s', given.status, given.body ->> 'error');
BEGIN
	UPDATE last SET response = given;
	IF ARRAY(SELECT jsonb_object_keys(given.body) ORDER BY 1) <> '{count,data,error,message,success}' THEN
		shown := shown || ' in no envelope';
	ELSIF (given.body -> 'success')::boolean <> (given.status < 400) OR (given.body ->> 'error' IS NULL) <> (given.status < 400) THEN
		shown := shown || ' in an envelope that contradicts it';
	ELSIF given.status >= 400 AND method <> 'POST' AND given.body -> 'data' <> 'null' THEN
		shown := shown || ' with data';
	END IF;
	IF coalesce(given.body ->> 'message', '') !~ coalesce(message, '') THEN
		shown := shown || ': ' || (given.body ->> 'message');
	END IF;
	RETURN is(shown, format('%s %s', status, error), what);
END
$$;
CREATE FUNCTION refuses(who text, method text, path text, body text, status int, error text, message text) RETURNS text LANGUAGE sql AS $$
	SELECT answers(who, method, path, body, status, error, message,
		format('%s %s%s by %s: %s %s', method, path, ' ' || left(replace(body, filled('<A>'), '<A>'), 60), who, status, error) || coalesce(', ' || nullif(message, ''), ''));
$$;

-- What the answer to the last request holds.
CREATE FUNCTION data(VARIADIC path text[] DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$ SELECT (l.response).body -> 'data' #> path FROM last AS l $$;

CREATE FUNCTION counted() RETURNS int LANGUAGE sql AS $$ SELECT ((l.response).body -> 'count')::int FROM last AS l $$;
-- one member of each of the array's objects
CREATE FUNCTION listed(member text) RETURNS text[] LANGUAGE sql AS $$
	SELECT ARRAY(SELECT i.item ->> member FROM jsonb_array_elements(data()) WITH ORDINALITY AS i (item, place) ORDER BY i.place)
$$;

-- All there is, to see that nothing changed.
CREATE FUNCTION everything() RETURNS text LANGUAGE sql AS $$
	SELECT md5(coalesce((SELECT string_agg(d::text, ',' ORDER BY d) FROM meter.device AS d), '')
		|| coalesce((SELECT string_agg(r::text, ',' ORDER BY r) FROM meter.reading AS r), ''));
$$;

-- Create.
SELECT answers('writer', 'POST', '', '{"account_id": "<A>", "name": "Flat 3", "serial_number": "EM-4711", "meter_type": "ELECTRICITY",
	"communication_type": "MQTT", "building_block_id": 12, "gateway_id": 2147483647, "tariff_id": null, "location": "Cellar", "billing_direction": "ACCREC"}',
	201, NULL, 'meter created', 'a meter with the seed''s fields is created');
INSERT INTO short SELECT 'flat', data('id');
SELECT is(jsonb_typeof(data('id')), 'number', 'its id is an integer');
SELECT is(data() - '{id,created_at,updated_at}'::text[], filled('{"account_id": "<A>", "name": "Flat 3", "description": null, "serial_number": "EM-4711",
	"meter_type": "ELECTRICITY", "communication_type": "MQTT", "building_block_id": 12, "gateway_id": 2147483647, "tariff_id": null,
	"last_reading_value": null, "last_reading_at": null, "location": "Cellar", "billing_direction": "ACCREC", "reading_interval": null}')::jsonb,
	'the answer has exactly the seed''s fields');
SELECT is(counted(), 1, 'and counts one');
SELECT is((data('created_at') #>> '{}')::timestamptz, now(), 'with the time it was created');
SELECT is((SELECT d.name || d.organization_id FROM meter.devices AS d WHERE d.id = filled('<flat>')::int), filled('Flat 3<A>'), 'it is there');

SELECT answers('writer', 'POST', '', '{"account_id": "<A>", "name": "Least", "serial_number": "EM-4712", "meter_type": "GAS"}', 201, NULL, '', 'least of all');
INSERT INTO short SELECT 'least', data('id');
SELECT is(data('communication_type'), '"NONE"', 'the communication_type is NONE where none is said');
SELECT answers('writer', 'POST', '', format('{"account_id": "<A>", "name": "Type %s", "serial_number": "T-%1$s", "meter_type": "%1$s"}', t), 201, NULL, '', 'meter_type ' || t)
	FROM unnest('{ELECTRICITY,GAS,WATER,SOLAR,GENSET,HVAC,EV,CARBON}'::text[]) AS t;
SELECT answers('writer', 'POST', '', format('{"account_id": "<A>", "name": "By %s", "serial_number": "C-%1$s", "meter_type": "GAS", "communication_type": "%1$s"}', t),
	201, NULL, '', 'communication_type ' || t)
	FROM unnest('{NONE,LORAWAN,MODBUS,MQTT,HTTP,DLMS,VIRTUAL}'::text[]) AS t;
SELECT is((SELECT count(*) FROM meter.devices AS d WHERE 'T-' || d.meter_type = d.serial_number OR 'C-' || d.communication_type = d.serial_number), 15::bigint,
	'each is what was said');
SELECT answers('scope admin', 'POST', '', '{"account_id": "<A>", "name": "Payable", "serial_number": "P-1", "meter_type": "WATER", "billing_direction": "ACCPAY",
	"description": "supply", "reading_interval": 900, "last_reading_value": 12345678901234567890.123456789012345678, "last_reading_at": "2026-01-01T00:00:00Z"}',
	201, NULL, '', 'a meter that was read already, with the scope admin');
INSERT INTO short SELECT 'payable', data('id');
SELECT is(data('last_reading_value')::text, '12345678901234567890.123456789012345678', 'numbers are exact');
SELECT is(data('last_reading_at'), '"2026-01-01T00:00:00+00:00"', 'times are ISO 8601');
SELECT is((SELECT count(*) FROM meter.readings AS r WHERE r.device_id = filled('<payable>')::int AND r.status = 'counted'), 1::bigint, 'and its reading is one');
SELECT answers('backend', 'POST', '', '{"account_id": "<B>", "name": "Theirs", "serial_number": "EM-4711", "meter_type": "GAS"}', 201, NULL, '',
	'a trusted role names any account; serial numbers are an account''s own');
INSERT INTO short SELECT 'theirs', data('id');
SELECT answers('writer', 'POST', '', '{"account_id": "A0000000-0000-4000-8000-000000000001", "name": "Upper", "serial_number": "EM-4713", "meter_type": "GAS"}',
	201, NULL, '', 'a UUID in upper case is the same');
SELECT is(data('account_id'), to_jsonb(filled('<A>')), 'and is answered as it is written everywhere');

CREATE TABLE before AS SELECT everything() AS state;
SELECT refuses('other', 'POST', '', '{"account_id": "<A>", "name": "n", "serial_number": "x", "meter_type": "GAS"}', 403, 'FOREIGN_ORGANIZATION', '');
SELECT refuses('nobody', 'POST', '', '{"account_id": "<A>", "name": "n", "serial_number": "x", "meter_type": "GAS"}', 401, 'ORGANIZATION_REQUIRED', '');
SELECT refuses('nobody', 'POST', '', '{"name": "n"}', 401, 'ORGANIZATION_REQUIRED', '');
SELECT refuses('malformed', 'POST', '', '{"account_id": "<A>", "name": "n", "serial_number": "x", "meter_type": "GAS"}', 401, 'INVALID_CLAIMS', '');
SELECT refuses('ghost', 'POST', '', '{"account_id": "<C>", "name": "n", "serial_number": "x", "meter_type": "GAS"}', 403, 'FOREIGN_ORGANIZATION', 'does not exist');
SELECT refuses(who, 'POST', '', '{"account_id": "<A>", "name": "n", "serial_number": "x", "meter_type": "GAS"}', 403, 'INSUFFICIENT_SCOPE', 'admin')
	FROM unnest('{scope read,scope report,scope none}'::text[]) AS who;
SELECT is((SELECT status FROM ask('reader', 'POST', '', '{"account_id": "<A>", "name": "n", "serial_number": "x", "meter_type": "GAS"}')), 403, 'a reader may not create');
-- what stands in the body instead of the rest of it
SELECT refuses('writer', 'POST', '', body, 400, error, message) FROM (VALUES
	(1, NULL, 'INVALID_TYPE', 'body: expected an object'),
	(2, 'null', 'INVALID_TYPE', 'body: expected an object'),
	(3, '[]', 'INVALID_TYPE', 'body: expected an object'),
	(4, '"text"', 'INVALID_TYPE', 'body: expected an object'),
	(5, '7', 'INVALID_TYPE', 'body: expected an object'),
	(6, '{}', 'ACCOUNT_REQUIRED', 'account_id'),
	(7, '{"account_id": null}', 'ACCOUNT_REQUIRED', 'account_id'),
	(8, '{"account_id": 7}', 'INVALID_ACCOUNT', 'account_id'),
	(9, '{"account_id": "7"}', 'INVALID_ACCOUNT', 'account_id'),
	(10, '{"account_id": ["<A>"]}', 'INVALID_ACCOUNT', 'account_id'),
	(11, '{"account_id": "<A>\n"}', 'INVALID_ACCOUNT', 'account_id'),
	(12, '{"account_id": "<A>"}', 'MISSING_KEY', 'name')) AS c (place, body, error, message) ORDER BY place;
-- one member that is wrong, or missing (null)
SELECT refuses('writer', 'POST', '', (filled('{"account_id": "<A>", "name": "n", "serial_number": "x", "meter_type": "GAS"}')::jsonb || wrong::jsonb)::text, 400, error, message)
	FROM (VALUES
	(1, '{"name": null}', 'MISSING_KEY', 'name'),
	(2, '{"serial_number": null}', 'MISSING_KEY', 'serial_number'),
	(3, '{"meter_type": null}', 'MISSING_KEY', 'meter_type'),
	(4, '{"colour": "red"}', 'UNKNOWN_KEY', 'colour'),
	(5, '{"organization_id": "a0000000-0000-4000-8000-000000000001"}', 'UNKNOWN_KEY', 'organization_id'),
	(6, '{"id": 7}', 'UNKNOWN_KEY', 'id'),
	(7, '{"created_at": "2026-01-01T00:00:00Z"}', 'UNKNOWN_KEY', 'created_at'),
	(8, '{"name": 7}', 'INVALID_TYPE', 'name'),
	(9, '{"name": ""}', 'INVALID_LENGTH', 'name'),
	(10, '{"serial_number": {}}', 'INVALID_TYPE', 'serial_number'),
	(11, '{"serial_number": "a\tb"}', 'INVALID_TEXT', 'serial_number'),
	(12, '{"meter_type": "gas"}', 'INVALID_VALUE', 'meter_type: expected ELECTRICITY, GAS, WATER, SOLAR, GENSET, HVAC, EV, CARBON'),
	(13, '{"meter_type": 3}', 'INVALID_VALUE', 'meter_type'),
	(14, '{"communication_type": "ZIGBEE"}', 'INVALID_VALUE', 'communication_type: expected NONE, LORAWAN, MODBUS, MQTT, HTTP, DLMS, VIRTUAL'),
	(15, '{"billing_direction": "BOTH"}', 'INVALID_VALUE', 'billing_direction: expected ACCREC, ACCPAY'),
	(16, '{"building_block_id": "12"}', 'INVALID_INTEGER', 'building_block_id'),
	(17, '{"building_block_id": 1.5}', 'INVALID_INTEGER', 'building_block_id'),
	(18, '{"gateway_id": 2147483648}', 'INVALID_INTEGER', 'gateway_id'),
	(19, '{"gateway_id": true}', 'INVALID_INTEGER', 'gateway_id'),
	(20, '{"tariff_id": 1e400}', 'INVALID_INTEGER', 'tariff_id'),
	(21, '{"reading_interval": 0}', 'INVALID_INTEGER', 'reading_interval'),
	(22, '{"location": 7}', 'INVALID_TYPE', 'location'),
	(23, '{"description": []}', 'INVALID_TYPE', 'description'),
	(24, '{"last_reading_value": "12"}', 'INVALID_QUANTITY', 'last_reading_value'),
	(25, '{"last_reading_value": -1}', 'INVALID_QUANTITY', 'last_reading_value'),
	(26, '{"last_reading_at": "2026-01-01T00:00:00Z"}', 'MISSING_KEY', 'last_reading_at: needs last_reading_value'),
	(27, '{"last_reading_value": 1, "last_reading_at": "yesterday"}', 'INVALID_TIME', 'last_reading_at'),
	(28, '{"last_reading_value": 1, "last_reading_at": "2026-02-30T00:00:00Z"}', 'INVALID_TIME', 'last_reading_at'),
	(29, '{"last_reading_value": 1, "last_reading_at": "2999-01-01T00:00:00Z"}', 'IN_FUTURE', 'last_reading_at')) AS c (place, wrong, error, message) ORDER BY place;
SELECT refuses('writer', 'POST', '', jsonb_build_object('account_id', '<A>', 'name', 'n', 'serial_number', 'x', 'meter_type', 'GAS', member, repeat('x', longest + 1))::text,
	400, 'INVALID_LENGTH', member) FROM (VALUES ('name', 200), ('serial_number', 200), ('location', 1024), ('description', 1024)) AS c (member, longest);
-- what is JSON and still no text or number of the database's
SELECT refuses('writer', 'POST', '', '{"account_id": "<A>", "name": ' || wrong || ', "serial_number": "x", "meter_type": "GAS"}', 400, 'INVALID_REQUEST', '')
	FROM unnest('{"\"\\u0000\"",1e999999}'::text[]) AS wrong;
SELECT refuses('writer', 'POST', '', '{"account_id": "<A>", "name": "n", "serial_number": "EM-4711", "meter_type": "GAS"}', 409, 'DUPLICATE', 'serial number "EM-4711" already exists');
SELECT is(everything(), state, 'none of these created anything') FROM before;

-- Get.
SELECT answers(who, 'GET', '/<flat>?account_id=<A>', NULL, 200, NULL, '', 'a meter is read by ' || who)
	FROM unnest('{writer,reader,scope read,scope admin,backend}'::text[]) AS who;
SELECT is(data() ->> 'serial_number', 'EM-4711', 'it is that one');
SELECT is(ARRAY(SELECT jsonb_object_keys(data()) ORDER BY 1), '{account_id,billing_direction,building_block_id,communication_type,created_at,description,gateway_id,id,last_reading_at,last_reading_value,location,meter_type,name,reading_interval,serial_number,tariff_id,updated_at}',
	'with exactly the seed''s fields');
SELECT refuses('other', 'GET', '/<flat>?account_id=<A>', NULL, 403, 'FOREIGN_ORGANIZATION', '');
SELECT refuses('other', 'GET', '/<flat>?account_id=<B>', NULL, 403, 'FORBIDDEN', 'does not belong');
SELECT refuses('backend', 'GET', '/<flat>?account_id=<B>', NULL, 403, 'FORBIDDEN', 'does not belong');
SELECT refuses('writer', 'GET', '/<none>?account_id=<A>', NULL, 403, 'FORBIDDEN', 'does not belong');
SELECT refuses('nobody', 'GET', '/<flat>?account_id=<A>', NULL, 401, 'ORGANIZATION_REQUIRED', '');
SELECT refuses('nobody', 'GET', '/<flat>', NULL, 401, 'ORGANIZATION_REQUIRED', '');
SELECT refuses('malformed', 'GET', '/<flat>?account_id=<A>', NULL, 401, 'INVALID_CLAIMS', '');
SELECT refuses('scope none', 'GET', '/<flat>?account_id=<A>', NULL, 403, 'INSUFFICIENT_SCOPE', 'read');
SELECT refuses('writer', 'GET', '/<flat>', NULL, 400, 'ACCOUNT_REQUIRED', 'account_id');
SELECT refuses('writer', 'GET', '/<flat>?account_id=', NULL, 400, 'ACCOUNT_REQUIRED', 'account_id');
SELECT refuses('writer', 'GET', '/<flat>?account_id=x', NULL, 400, 'INVALID_ACCOUNT', 'account_id');
SELECT refuses('writer', 'GET', '/<flat>?account_id=<A>&account_id=<A>', NULL, 400, 'INVALID_PARAMETER', 'account_id');
SELECT refuses('writer', 'GET', '/<flat>?account_id=<A>&colour=red', NULL, 400, 'INVALID_PARAMETER', 'colour');
SELECT refuses('writer', 'GET', '/' || id || '?account_id=<A>', NULL, 400, 'INVALID_ID', 'id: expected an integer')
	FROM unnest('{x,1.5,-1,0,2147483648,99999999999999999999,1e3,EM-4711,%31x}'::text[]) AS id;
SELECT refuses('writer', 'GET', '/%FF?account_id=<A>', NULL, 400, 'INVALID_REQUEST', '');
-- a text that looks like an id is a serial number
SELECT answers('writer', 'POST', '', filled('{"account_id": "<A>", "name": "Trap", "serial_number": "id:<none>", "meter_type": "GAS"}'), 201, NULL, '', 'a serial number may look like an id');
SELECT refuses('writer', 'GET', '/<none>?account_id=<A>', NULL, 403, 'FORBIDDEN', '');
SELECT refuses('writer', 'PUT', '/<none>', '{"account_id": "<A>", "name": "n"}', 403, 'FORBIDDEN', '');
SELECT answers('writer', 'POST', '', filled('{"account_id": "<A>", "name": "Trap", "serial_number": "id:<least>", "meter_type": "GAS"}'), 201, NULL, '', 'even like one that is');
SELECT is(ARRAY(SELECT r.code FROM meter.record_readings(filled('<A>')::uuid, filled('[{"device": "id:<none>", "value": 1, "read_at": "2026-01-01T00:00:00Z"}]')::jsonb) AS r),
	'{DEVICE_NOT_FOUND}', 'id: before a number is an id, also where readings are recorded');
SELECT answers('writer', 'PUT', '/<least>', '{"account_id": "<A>", "location": "Roof"}', 200, NULL, '', 'which does not make that one ambiguous');

-- Update.
CREATE TABLE flat AS SELECT to_jsonb(d) AS device FROM meter.devices AS d WHERE d.id = filled('<flat>')::int;
SELECT answers('writer', 'PUT', '/<flat>', '{"account_id": "<A>", "name": "Flat 3a", "description": "second floor", "reading_interval": 3600, "gateway_id": null,
	"building_block_id": -5, "tariff_id": 4, "location": "Attic", "billing_direction": "ACCPAY"}', 200, NULL, 'meter updated', 'all that can change is changed');
SELECT is(data() - 'updated_at', (device - '{organization_id,updated_at,min_reading_interval,reading_type,unit,rollover_at,rollover_limit,event_type,subject,last_reading_quality}'::text[])
	|| filled('{"account_id": "<A>", "name": "Flat 3a", "description": "second floor", "reading_interval": 3600, "gateway_id": null, "building_block_id": -5,
		"tariff_id": 4, "location": "Attic", "billing_direction": "ACCPAY"}')::jsonb, 'that and nothing else') FROM flat;
SELECT ok((data('updated_at') #>> '{}')::timestamptz > (device ->> 'updated_at')::timestamptz, 'with the time it was changed') FROM flat;
SELECT answers('writer', 'PUT', '/<flat>', '{"account_id": "<A>", "billing_direction": null, "description": null}', 200, NULL, '', 'null takes a value away');
SELECT is(jsonb_build_array(data('billing_direction'), data('description')), '[null, null]', 'and it is gone');
SELECT is(data() ->> 'location', 'Attic', 'what is not said stays');
SELECT answers('writer', 'PUT', '/<flat>', '{"account_id": "<A>", "serial_number": "EM-4711", "meter_type": "ELECTRICITY", "communication_type": "MQTT"}', 200, NULL, '',
	'what cannot change may be there as it is');
SELECT answers('writer', 'PUT', '/<flat>', data()::text, 200, NULL, '', 'all of the answer may be sent back');
SELECT answers('scope admin', 'PUT', '/<flat>', '{"account_id": "<A>"}', 200, NULL, '', 'or nothing');
SELECT answers('backend', 'PUT', '/<flat>', '{"account_id": "<A>", "billing_direction": "ACCREC"}', 200, NULL, '', 'a trusted role may');
SELECT is(data() ->> 'billing_direction', 'ACCREC', 'ACCREC as well');

SELECT answers('writer', 'PUT', '/<flat>', '{"account_id": "<A>", "last_reading_value": 100, "last_reading_at": "2026-01-01T00:00:00Z"}', 200, NULL, '', 'the latest reading is written into the meter');
SELECT answers('writer', 'PUT', '/<flat>', '{"account_id": "<A>", "last_reading_value": 100.25, "last_reading_at": "2026-02-01T01:00:00+01:00"}', 200, NULL, '', 'and the next');
SELECT is(data() ->> 'last_reading_value' || ' at ' || (data() ->> 'last_reading_at'), '100.25 at 2026-02-01T00:00:00+00:00', 'the answer has it');
SELECT is((SELECT string_agg(concat_ws(' ', r.value, r.consumption), ', ' ORDER BY r.read_at) FROM meter.readings AS r WHERE r.device_id = filled('<flat>')::int),
	'100, 100.25 0.25', 'both are readings, and count');
SELECT answers('writer', 'PUT', '/<flat>', '{"account_id": "<A>", "last_reading_value": 100.25, "last_reading_at": "2026-02-01T00:00:00Z"}', 200, NULL, '', 'the same again');
SELECT is((SELECT count(*) FROM meter.readings AS r WHERE r.device_id = filled('<flat>')::int), 2::bigint, 'is no other one');

UPDATE before SET state = everything();
SELECT refuses('other', 'PUT', '/<flat>', '{"account_id": "<A>", "name": "n"}', 403, 'FOREIGN_ORGANIZATION', '');
SELECT refuses('other', 'PUT', '/<flat>', '{"account_id": "<B>", "name": "n"}', 403, 'FORBIDDEN', 'does not belong');
SELECT refuses('backend', 'PUT', '/<flat>', '{"account_id": "<B>", "name": "n"}', 403, 'FORBIDDEN', 'does not belong');
SELECT refuses('nobody', 'PUT', '/<flat>', '{"account_id": "<A>", "name": "n"}', 401, 'ORGANIZATION_REQUIRED', '');
SELECT refuses('malformed', 'PUT', '/<flat>', '{"account_id": "<A>", "name": "n"}', 401, 'INVALID_CLAIMS', '');
SELECT refuses(who, 'PUT', '/<flat>', '{"account_id": "<A>", "name": "n"}', 403, 'INSUFFICIENT_SCOPE', 'admin')
	FROM unnest('{scope read,scope report,scope none}'::text[]) AS who;
SELECT is((SELECT status FROM ask('reader', 'PUT', '/<flat>', '{"account_id": "<A>", "name": "n"}')), 403, 'a reader may not change');
SELECT refuses('writer', 'PUT', '/<flat>?account_id=<A>', '{"name": "n"}', 400, 'ACCOUNT_REQUIRED', 'account_id');
SELECT refuses('writer', 'PUT', '/seven', '{"account_id": "<A>", "name": "n"}', 400, 'INVALID_ID', 'id');
SELECT refuses('writer', 'PUT', '/2147483648', '{"account_id": "<A>", "name": "n"}', 400, 'INVALID_ID', 'id');
SELECT refuses('writer', 'PUT', '/<flat>', '["name"]', 400, 'INVALID_TYPE', 'body: expected an object');
SELECT refuses('writer', 'PUT', '/<flat>', (filled('{"account_id": "<A>", "location": "never"}')::jsonb || wrong::jsonb)::text, 400, error, message) FROM (VALUES
	(1, '{"serial_number": "EM-1"}', 'IMMUTABLE', 'serial_number'),
	(2, '{"meter_type": "GAS"}', 'IMMUTABLE', 'meter_type'),
	(3, '{"communication_type": "HTTP"}', 'IMMUTABLE', 'communication_type'),
	(4, '{"serial_number": null}', 'IMMUTABLE', 'serial_number'),
	(5, '{"meter_type": null}', 'IMMUTABLE', 'meter_type'),
	(6, '{"communication_type": null}', 'IMMUTABLE', 'communication_type'),
	(7, '{"id": 1}', 'IMMUTABLE', 'id'),
	(8, '{"created_at": "2026-01-01T00:00:00Z"}', 'IMMUTABLE', 'created_at'),
	(9, '{"updated_at": null}', 'IMMUTABLE', 'updated_at'),
	(10, '{"updated_at": "now"}', 'INVALID_TIME', 'updated_at'),
	(11, '{"colour": "red"}', 'UNKNOWN_KEY', 'colour'),
	(12, '{"organization_id": "a0000000-0000-4000-8000-000000000001"}', 'UNKNOWN_KEY', 'organization_id'),
	(13, '{"name": null}', 'MISSING_KEY', 'name'),
	(14, '{"name": ["n"]}', 'INVALID_TYPE', 'name'),
	(15, '{"gateway_id": -2147483649}', 'INVALID_INTEGER', 'gateway_id'),
	(16, '{"billing_direction": "accrec"}', 'INVALID_VALUE', 'billing_direction'),
	(17, '{"last_reading_value": 99, "last_reading_at": "2026-03-01T00:00:00Z"}', 'BELOW_PREVIOUS', 'last_reading_value'),
	(18, '{"last_reading_value": null}', 'IMMUTABLE', 'last_reading_value'),
	(19, '{"last_reading_value": "100.25"}', 'INVALID_QUANTITY', 'last_reading_value'),
	(20, '{"last_reading_at": "2026-03-01T00:00:00Z"}', 'MISSING_KEY', 'last_reading_at')) AS c (place, wrong, error, message) ORDER BY place;
SELECT refuses('writer', 'PUT', '/<flat>', jsonb_build_object('account_id', '<A>', member, repeat('x', longest + 1))::text, 400, 'INVALID_LENGTH', member)
	FROM (VALUES ('name', 200), ('location', 1024), ('description', 1024)) AS c (member, longest);
SELECT refuses('writer', 'PUT', '/<flat>', '{"account_id": "<A>", "last_reading_value": 100, "last_reading_at": "2026-02-01T00:00:00Z"}', 409, 'CONFLICT', 'last_reading_value');
SELECT is(everything(), state, 'none of these changed anything') FROM before;

-- Readings.
SELECT answers('writer', 'POST', '/<least>/readings', '{"account_id": "<A>", "value": 10, "read_at": "2026-01-01T00:00:00Z"}', 201, NULL, '', 'a reading');
SELECT is(data(), filled('{"meter_id": <least>, "read_at": "2026-01-01T00:00:00+00:00", "value": 10, "quality": "actual", "source": null, "status": "accepted", "code": null,
	"message": null, "consumption": null, "interval_start": null}')::jsonb, 'the first one counts nothing');
SELECT is(counted(), 1, 'it is one');
SELECT answers('scope report', 'POST', '/<least>/readings?account_id=<A>', '{"value": "20.000000000000000000000000000001", "read_at": "2026-02-01T00:00:00+01:00", "quality": "estimated",
	"source": "gateway"}', 201, NULL, '', 'the next, with the account in the query and the scope meter-report');
SELECT is(data() - 'value', filled('{"meter_id": <least>, "read_at": "2026-01-31T23:00:00+00:00", "quality": "estimated", "source": "gateway", "status": "accepted", "code": null,
	"message": null, "consumption": 10.000000000000000000000000000001, "interval_start": "2026-01-01T00:00:00+00:00"}')::jsonb, 'counts what was consumed, exactly');
SELECT answers('writer', 'POST', '/<least>/readings', '{"account_id": "<A>", "value": 10, "read_at": "2026-01-01T00:00:00Z"}', 200, NULL, '', 'the same again changes nothing');
SELECT is(data('status'), '"duplicate"', 'and says so');
SELECT answers('writer', 'POST', '/<least>/readings', '{"account_id": "<A>", "value": 11, "read_at": "2026-01-01T00:00:00Z"}', 409, 'CONFLICT', 'another reading of that instant', 'another value of that instant');
SELECT is(data('status'), '"conflict"', 'is a conflict');
SELECT answers('writer', 'POST', '/<least>/readings', '{"account_id": "<A>", "value": 9, "read_at": "2026-01-20T00:00:00Z"}', 201, NULL, '', 'one that contradicts the others is kept');
SELECT is(data() ->> 'status' || ' ' || (data() ->> 'code'), 'suspect BELOW_PREVIOUS', 'but not counted');
SELECT answers('scope admin', 'POST', '/<least>/readings', '[{"account_id": "<A>", "value": 40, "read_at": "2026-03-01T00:00:00Z"}, {"value": 30, "read_at": "2026-02-15T00:00:00Z"},
	{"value": "much", "read_at": "2026-02-16T00:00:00Z"}, {"value": 10, "read_at": "2026-01-01T00:00:00Z"}, {"value": 50, "read_at": "2999-01-01T00:00:00Z"}]',
	201, NULL, '', 'several, of which a bad one fails no other');
SELECT is(listed('status'), '{accepted,accepted,rejected,duplicate,rejected}', 'each in its place with its status');
SELECT is(listed('code'), '{NULL,NULL,INVALID_QUANTITY,NULL,IN_FUTURE}', 'and code');
SELECT is(listed('consumption'), '{10,9.999999999999999999999999999999,NULL,NULL,NULL}', 'and what it counts');
SELECT is(counted(), 5, 'they are counted');
SELECT answers('writer', 'POST', '/<least>/readings?account_id=<A>', '[{"value": 40, "read_at": "2026-03-01T00:00:00Z"}, {"value": -1, "read_at": "2026-03-01T00:00:00Z"}]', 200, NULL, '',
	'several of which none is new');
SELECT answers('writer', 'POST', '/<least>/readings?account_id=<A>', '[{"value": 40}, {"value": -1, "read_at": "2026-03-01T00:00:00Z"}]', 400, 'INVALID_TIME', 'read_at', 'several of which none can be recorded');
SELECT answers('backend', 'POST', '/<theirs>/readings', '{"account_id": "<B>", "value": 5, "read_at": "2026-01-01T00:00:00Z"}', 201, NULL, '', 'a trusted role records for any account');

UPDATE before SET state = everything();
SELECT refuses('other', 'POST', '/<least>/readings', '{"account_id": "<A>", "value": 50, "read_at": "2026-04-01T00:00:00Z"}', 403, 'FOREIGN_ORGANIZATION', '');
SELECT refuses('other', 'POST', '/<least>/readings', '{"account_id": "<B>", "value": 50, "read_at": "2026-04-01T00:00:00Z"}', 403, 'FORBIDDEN', 'does not belong');
SELECT refuses('writer', 'POST', '/<theirs>/readings', '{"account_id": "<A>", "value": 50, "read_at": "2026-04-01T00:00:00Z"}', 403, 'FORBIDDEN', 'does not belong');
SELECT refuses('nobody', 'POST', '/<least>/readings', '{"account_id": "<A>", "value": 50, "read_at": "2026-04-01T00:00:00Z"}', 401, 'ORGANIZATION_REQUIRED', '');
SELECT refuses('malformed', 'POST', '/<least>/readings', '{"account_id": "<A>", "value": 50, "read_at": "2026-04-01T00:00:00Z"}', 401, 'INVALID_CLAIMS', '');
SELECT refuses(who, 'POST', '/<least>/readings', '{"account_id": "<A>", "value": 50, "read_at": "2026-04-01T00:00:00Z"}', 403, 'INSUFFICIENT_SCOPE', 'meter-report')
	FROM unnest('{scope read,scope none}'::text[]) AS who;
SELECT is((SELECT status FROM ask('reader', 'POST', '/<least>/readings', '{"account_id": "<A>", "value": 50, "read_at": "2026-04-01T00:00:00Z"}')), 403, 'a reader may not record');
SELECT refuses('writer', 'POST', '/x/readings', '{"account_id": "<A>", "value": 50, "read_at": "2026-04-01T00:00:00Z"}', 400, 'INVALID_ID', 'id');
SELECT refuses('writer', 'POST', '/<least>/readings', body, 400, error, message) FROM (VALUES
	(1, NULL, 'INVALID_TYPE', 'expected a reading or an array'),
	(2, '7', 'INVALID_TYPE', 'expected a reading or an array'),
	(3, '[]', 'ACCOUNT_REQUIRED', 'account_id'),
	(4, '[7]', 'ACCOUNT_REQUIRED', 'account_id'),
	(5, '{"value": 50, "read_at": "2026-04-01T00:00:00Z"}', 'ACCOUNT_REQUIRED', 'account_id'),
	(6, '{"account_id": true, "value": 50, "read_at": "2026-04-01T00:00:00Z"}', 'INVALID_ACCOUNT', 'account_id'),
	(7, '[{"account_id": "<A>", "value": 50, "read_at": "2026-04-01T00:00:00Z"}, {"account_id": "<B>", "value": 50, "read_at": "2026-04-01T00:00:00Z"}]', 'INVALID_ACCOUNT', 'the same account'),
	(8, '[{"account_id": "<A>", "value": 50, "read_at": "2026-04-01T00:00:00Z"}, 7]', 'INVALID_TYPE', 'reading 2'),
	(9, '[{"account_id": "<A>", "value": 50, "read_at": "2026-04-01T00:00:00Z"}, {"value": 51, "read_at": "2026-04-02T00:00:00Z", "colour": "red"}]', 'UNKNOWN_KEY', 'reading 2.*colour'),
	(10, '{"account_id": "<A>", "value": 50, "read_at": "2026-04-01T00:00:00Z", "device": "<payable>"}', 'UNKNOWN_KEY', 'device'),
	(11, '{"account_id": "<A>", "read_at": "2026-04-01T00:00:00Z"}', 'INVALID_QUANTITY', 'value'),
	(12, '{"account_id": "<A>", "value": true, "read_at": "2026-04-01T00:00:00Z"}', 'INVALID_QUANTITY', 'value'),
	(13, '{"account_id": "<A>", "value": "NaN", "read_at": "2026-04-01T00:00:00Z"}', 'INVALID_QUANTITY', 'value'),
	(14, '{"account_id": "<A>", "value": 1e31, "read_at": "2026-04-01T00:00:00Z"}', 'INVALID_QUANTITY', 'value'),
	(15, '{"account_id": "<A>", "value": -1, "read_at": "2026-04-01T00:00:00Z"}', 'INVALID_QUANTITY', 'value'),
	(16, '{"account_id": "<A>", "value": 50}', 'INVALID_TIME', 'read_at'),
	(17, '{"account_id": "<A>", "value": 50, "read_at": 1775000000}', 'INVALID_TIME', 'read_at'),
	(18, '{"account_id": "<A>", "value": 50, "read_at": "2026-04-01T00:00:00"}', 'INVALID_TIME', 'read_at'),
	(19, '{"account_id": "<A>", "value": 50, "read_at": "2999-04-01T00:00:00Z"}', 'IN_FUTURE', 'read_at'),
	(20, '{"account_id": "<A>", "value": 50, "read_at": "2026-04-01T00:00:00Z", "quality": "guessed"}', 'INVALID_VALUE', 'quality: expected actual, estimated'),
	(21, '{"account_id": "<A>", "value": 50, "read_at": "2026-04-01T00:00:00Z", "source": ""}', 'INVALID_TEXT', 'source')) AS c (place, body, error, message) ORDER BY place;
SELECT refuses('writer', 'POST', '/<least>/readings', jsonb_build_object('account_id', '<A>', 'value', 50, 'read_at', '2026-04-01T00:00:00Z', 'source', repeat('x', 201))::text,
	400, 'INVALID_TEXT', 'source');
SELECT refuses('writer', 'POST', '/<least>/readings?account_id=<A>', '[]', 400, 'INVALID_LENGTH', '1 to 10000');
SELECT refuses('writer', 'POST', '/<least>/readings?account_id=<A>', '[' || repeat('0,', 10000) || '0]', 400, 'INVALID_LENGTH', '1 to 10000');
SELECT is(everything(), state, 'none of these recorded anything') FROM before;

SELECT answers(who, 'GET', '/<least>/readings?account_id=<A>', NULL, 200, NULL, '', 'readings are listed by ' || who)
	FROM unnest('{writer,reader,scope read,backend}'::text[]) AS who;
SELECT is(listed('read_at'), '{2026-03-01T00:00:00+00:00,2026-02-15T00:00:00+00:00,2026-01-31T23:00:00+00:00,2026-01-20T00:00:00+00:00,2026-01-01T00:00:00+00:00,2026-01-01T00:00:00+00:00}',
	'newest first');
SELECT is(listed('status'), '{counted,counted,counted,suspect,conflict,counted}', 'with what became of each');
SELECT is(counted(), 6, 'and how many there are');
SELECT is(data('2') - 'recorded_at', filled('{"meter_id": <least>, "read_at": "2026-01-31T23:00:00+00:00", "revision": 1, "kind": "reading", "value": 20.000000000000000000000000000001,
	"next_value": 20.000000000000000000000000000001, "quality": "estimated", "source": "gateway", "status": "counted", "code": null, "consumption": 10.000000000000000000000000000001,
	"interval_start": "2026-01-01T00:00:00+00:00"}')::jsonb, 'one of them');
SELECT answers('writer', 'GET', '/<least>/readings?account_id=<A>&limit=2&page=2', NULL, 200, NULL, '', 'a page of them');
SELECT is(listed('read_at') || counted()::text, '{2026-01-31T23:00:00+00:00,2026-01-20T00:00:00+00:00,6}', 'with the count of all');
SELECT answers('writer', 'GET', '/<least>/readings?account_id=<A>&limit=2&page=4', NULL, 200, NULL, '', 'a page behind the last');
SELECT is(data()::text || counted(), '[]6', 'is empty');
SELECT answers('writer', 'GET', '/<least>/readings?account_id=<A>&from=2026-01-20T00:00:00Z&to=2026-02-15T01:00:00%2B01:00', NULL, 200, NULL, '', 'those from one time to another');
SELECT is(listed('read_at') || counted()::text, '{2026-01-31T23:00:00+00:00,2026-01-20T00:00:00+00:00,2}', 'that one not among them');
SELECT answers('writer', 'GET', '/<payable>/readings?account_id=<A>&from=2027-01-01T00:00:00Z', NULL, 200, NULL, '', 'or none');
SELECT is(data()::text || counted(), '[]0', 'which is an empty array');
SELECT refuses('other', 'GET', '/<least>/readings?account_id=<A>', NULL, 403, 'FOREIGN_ORGANIZATION', '');
SELECT refuses('other', 'GET', '/<least>/readings?account_id=<B>', NULL, 403, 'FORBIDDEN', 'does not belong');
SELECT refuses('writer', 'GET', '/<none>/readings?account_id=<A>', NULL, 403, 'FORBIDDEN', 'does not belong');
SELECT refuses('nobody', 'GET', '/<least>/readings?account_id=<A>', NULL, 401, 'ORGANIZATION_REQUIRED', '');
SELECT refuses('malformed', 'GET', '/<least>/readings?account_id=<A>', NULL, 401, 'INVALID_CLAIMS', '');
SELECT refuses('scope report', 'GET', '/<least>/readings?account_id=<A>', NULL, 403, 'INSUFFICIENT_SCOPE', 'read');
SELECT refuses('writer', 'GET', '/<least>/readings', NULL, 400, 'ACCOUNT_REQUIRED', 'account_id');
SELECT refuses('writer', 'GET', '/x/readings?account_id=<A>', NULL, 400, 'INVALID_ID', 'id');
SELECT refuses('writer', 'GET', '/<least>/readings?account_id=<A>&' || wrong, NULL, 400, error, split_part(wrong, '=', 1)) FROM (VALUES
	('page=0', 'INVALID_PARAMETER'), ('limit=x', 'INVALID_PARAMETER'), ('limit=0', 'INVALID_PARAMETER'), ('from=yesterday', 'INVALID_TIME'),
	('to=2026-01-01', 'INVALID_TIME'), ('sortBy=value', 'INVALID_PARAMETER')) AS c (wrong, error);

-- Delete.
UPDATE before SET state = everything();
SELECT refuses('other', 'DELETE', '/<least>?account_id=<A>', NULL, 403, 'FOREIGN_ORGANIZATION', '');
SELECT refuses('other', 'DELETE', '/<least>?account_id=<B>', NULL, 403, 'FORBIDDEN', 'does not belong');
SELECT refuses('writer', 'DELETE', '/<theirs>?account_id=<A>', NULL, 403, 'FORBIDDEN', 'does not belong');
SELECT refuses('writer', 'DELETE', '/<none>?account_id=<A>', NULL, 403, 'FORBIDDEN', 'does not belong');
SELECT refuses('nobody', 'DELETE', '/<least>?account_id=<A>', NULL, 401, 'ORGANIZATION_REQUIRED', '');
SELECT refuses('malformed', 'DELETE', '/<least>?account_id=<A>', NULL, 401, 'INVALID_CLAIMS', '');
SELECT refuses(who, 'DELETE', '/<least>?account_id=<A>', NULL, 403, 'INSUFFICIENT_SCOPE', 'admin') FROM unnest('{scope read,scope report,scope none}'::text[]) AS who;
SELECT is((SELECT status FROM ask('reader', 'DELETE', '/<least>?account_id=<A>')), 403, 'a reader may not delete');
SELECT refuses('writer', 'DELETE', '/<least>', NULL, 400, 'ACCOUNT_REQUIRED', 'account_id');
SELECT refuses('writer', 'DELETE', '/<least>?account_id=7', NULL, 400, 'INVALID_ACCOUNT', 'account_id');
SELECT refuses('writer', 'DELETE', '/<least>?account_id=<A>&force=true', NULL, 400, 'INVALID_PARAMETER', 'force');
SELECT refuses('writer', 'DELETE', '/x?account_id=<A>', NULL, 400, 'INVALID_ID', 'id');
SELECT is(everything(), state, 'none of these deleted anything') FROM before;

SELECT answers('writer', 'DELETE', '/<least>?account_id=<A>', NULL, 204, NULL, '', 'a meter that was read is deleted');
SELECT is((SELECT (l.response).body FROM last AS l), '{"success": true, "message": "meter deleted", "data": null, "count": null, "error": null}', 'the envelope has no content');
SELECT is((SELECT count(*) FROM meter.readings AS r WHERE r.device_id = filled('<least>')::int AND r.status = 'counted'), 4::bigint, 'what was read stays');
SELECT isnt((SELECT d.retired_at FROM meter.device AS d WHERE d.id = filled('<least>')::int), NULL, 'it is out of service');
SELECT refuses('writer', 'GET', '/<least>?account_id=<A>', NULL, 403, 'FORBIDDEN', '');
SELECT refuses('writer', 'GET', '/<least>/readings?account_id=<A>', NULL, 403, 'FORBIDDEN', '');
SELECT refuses('writer', 'PUT', '/<least>', '{"account_id": "<A>", "name": "n"}', 403, 'FORBIDDEN', '');
SELECT refuses('writer', 'POST', '/<least>/readings', '{"account_id": "<A>", "value": 50, "read_at": "2026-04-01T00:00:00Z"}', 403, 'FORBIDDEN', '');
SELECT refuses('writer', 'DELETE', '/<least>?account_id=<A>', NULL, 403, 'FORBIDDEN', '');
SELECT answers('writer', 'POST', '', '{"account_id": "<A>", "name": "Again", "serial_number": "EM-4712", "meter_type": "WATER"}', 201, NULL, '', 'its serial number can be given again');
INSERT INTO short SELECT 'again', data('id');
SELECT answers('scope admin', 'DELETE', '/<again>?account_id=<A>', NULL, 204, NULL, '', 'a meter that was never read is deleted');
SELECT is((SELECT count(*) FROM meter.device AS d WHERE d.id = filled('<again>')::int), 0::bigint, 'and gone');
SELECT answers('backend', 'DELETE', '/<theirs>?account_id=<B>', NULL, 204, NULL, '', 'a trusted role deletes in any account');

-- List: the account B, which has none by now, gets 25.
SELECT answers('other', 'GET', '?account_id=<B>', NULL, 200, NULL, '', 'there may be no meters');
SELECT is(data()::text || counted(), '[]0', 'which is an empty array');
DO $$
BEGIN
	-- 21 whose names go against their ids, four that are odd
	PERFORM meter.create_device('b0000000-0000-4000-8000-000000000002', jsonb_build_object('name', 'Meter ' || chr(117 - i), 'serial_number', 'S' || i, 'meter_type', 'GAS',
		'tariff_id', CASE WHEN i > 10 THEN i / 7 END)) FROM generate_series(0, 20) AS i;
	PERFORM meter.create_device('b0000000-0000-4000-8000-000000000002', d) FROM jsonb_array_elements('[
		{"name": "50%_off", "serial_number": "odd-1", "meter_type": "GAS"},
		{"name": "50 and off", "serial_number": "odd-2\\n", "meter_type": "GAS", "location": "Cellar of Number 4"},
		{"name": "Odd", "serial_number": "odd-3", "meter_type": "SOLAR", "description": "like the CELLAR''s"},
		{"name": "Odder", "serial_number": "ODD-4", "meter_type": "WATER"}]') AS d;
END
$$;
SELECT answers(who, 'GET', '?account_id=<B>', NULL, 200, NULL, '', 'meters are listed by ' || who) FROM unnest('{other,backend}'::text[]) AS who;
SELECT is(jsonb_array_length(data()) || ' of ' || counted(), '20 of 25', 'twenty at first, with the count of all');
SELECT is(listed('serial_number'), ARRAY(SELECT 'S' || i FROM generate_series(0, 19) AS i), 'in the order of their ids');
SELECT is((SELECT array_agg(DISTINCT k) FROM jsonb_array_elements(data()) AS i, jsonb_object_keys(i) AS k), ARRAY(SELECT jsonb_object_keys(meter.http_device('{}')) ORDER BY 1),
	'each with the seed''s fields');
SELECT is(listed('account_id'), array_fill(filled('<B>'), '{20}'), 'all of the account');
SELECT answers('writer', 'GET', '?account_id=<A>&limit=100', NULL, 200, NULL, '', 'another account');
SELECT is(array_length(listed('id'), 1), counted(), 'has all of its own');
SELECT is((SELECT array_agg(DISTINCT a) FROM unnest(listed('account_id')) AS a), ARRAY[filled('<A>')], 'and no other''s');
SELECT is((SELECT count(*) FROM unnest(listed('id')) AS i WHERE i = filled('<least>')), 0::bigint, 'nor one that was deleted');
SELECT answers(who, 'GET', '?account_id=<A>', NULL, 200, NULL, '', 'meters are listed by ' || who) FROM unnest('{reader,scope read,scope admin}'::text[]) AS who;

-- query parameters, and the serial numbers there are then
CREATE FUNCTION lists(parameters text, expected text, total int, what text) RETURNS text LANGUAGE sql AS $$
	SELECT is(ARRAY(SELECT i.item ->> 'serial_number' FROM jsonb_array_elements(a.body -> 'data') WITH ORDINALITY AS i (item, place) ORDER BY i.place)::text
		|| (a.body -> 'count'), expected || total, what) FROM ask('other', 'GET', '?account_id=<B>' || parameters) AS a;
$$;
SELECT lists('&limit=3', '{S0,S1,S2}', 25, 'limit');
SELECT lists('&limit=3&page=2', '{S3,S4,S5}', 25, 'page');
SELECT lists('&limit=3&page=9', '{ODD-4}', 25, 'the last page');
SELECT lists('&limit=3&page=10', '{}', 25, 'a page behind the last is empty, with the count of all');
SELECT lists('&page=999999999&limit=100', '{}', 25, 'also very far behind it');
SELECT is(jsonb_array_length((SELECT body FROM ask('other', 'GET', '?account_id=<B>&limit=1000')) -> 'data'), 25, 'a limit beyond the highest is the highest');
SELECT lists('&query=cellar', '{"odd-2\\n",odd-3}', 2, 'a text in location and description, in any case');
SELECT lists('&query=ODD', '{odd-1,"odd-2\\n",odd-3,ODD-4}', 4, 'in serial numbers and names');
SELECT lists('&query=meter%20a', '{S20}', 1, 'in names');
SELECT lists('&query=meter+a', '{S20}', 1, 'a plus is a blank');
SELECT lists('&query=%25', '{odd-1}', 1, 'a percent sign is one');
SELECT lists('&query=_', '{odd-1}', 1, 'so is an underscore');
SELECT lists('&query=%5C', '{"odd-2\\n"}', 1, 'and a backslash');
SELECT lists('&query=50%25_o', '{odd-1}', 1, 'and several of them');
SELECT lists('&query=.*', '{}', 0, 'no regular expression either');
SELECT lists('&query=%27%3B--', '{}', 0, 'nor SQL');
SELECT lists('&query=', '{S0,S1,S2,S3,S4,S5,S6,S7,S8,S9,S10,S11,S12,S13,S14,S15,S16,S17,S18,S19}', 25, 'an empty one finds all');
SELECT lists('&query=odd&limit=2&page=2', '{odd-3,ODD-4}', 4, 'pages of what was found');
SELECT lists('&sortBy=name&limit=3&query=meter', '{S20,S19,S18}', 21, 'sorted by name');
SELECT lists('&sortBy=id&sortOrder=desc&limit=3', '{ODD-4,odd-3,"odd-2\\n"}', 25, 'descending');
SELECT lists('&sortBy=id&sortOrder=DESC&limit=1', '{ODD-4}', 25, 'in capitals');
SELECT lists('&sortOrder=desc&limit=1', '{ODD-4}', 25, 'the order alone');
SELECT lists('&sortBy=meter_type&limit=3', '{S0,S1,S2}', 25, 'equal ones are in the order of their ids');
SELECT lists('&sortBy=meter_type&sortOrder=desc&limit=4', '{ODD-4,odd-3,"odd-2\\n",odd-1}', 25, 'and in the other order');
SELECT lists('&sortBy=tariff_id&limit=100', '{S11,S12,S13,S14,S15,S16,S17,S18,S19,S20,S0,S1,S2,S3,S4,S5,S6,S7,S8,S9,S10,odd-1,"odd-2\\n",odd-3,ODD-4}', 25, 'null is last');
SELECT lists('&sortBy=tariff_id&sortOrder=desc&limit=8', '{S20,S19,S18,S17,S16,S15,S14,S13}', 25, 'in both orders');
SELECT is((SELECT status FROM ask('other', 'GET', '?account_id=<B>&sortBy=' || field)), 200, 'sorted by ' || field) FROM jsonb_object_keys(meter.http_device('{}')) AS field;

SELECT refuses('other', 'GET', '?account_id=<A>', NULL, 403, 'FOREIGN_ORGANIZATION', '');
SELECT refuses('ghost', 'GET', '?account_id=<C>', NULL, 403, 'FOREIGN_ORGANIZATION', 'does not exist');
SELECT refuses('nobody', 'GET', '?account_id=<A>', NULL, 401, 'ORGANIZATION_REQUIRED', '');
SELECT refuses('nobody', 'GET', '', NULL, 401, 'ORGANIZATION_REQUIRED', '');
SELECT refuses('malformed', 'GET', '?account_id=<A>', NULL, 401, 'INVALID_CLAIMS', '');
SELECT refuses(who, 'GET', '?account_id=<A>', NULL, 403, 'INSUFFICIENT_SCOPE', 'read') FROM unnest('{scope report,scope none}'::text[]) AS who;
SELECT refuses('writer', 'GET', '', NULL, 400, 'ACCOUNT_REQUIRED', 'account_id');
SELECT refuses('writer', 'GET', '?account_id=mine', NULL, 400, 'INVALID_ACCOUNT', 'account_id');
SELECT refuses('writer', 'GET', '?account_id=<A>&' || wrong, NULL, 400, error, split_part(wrong, '=', 1)) FROM (VALUES
	('page=0', 'INVALID_PARAMETER'), ('page=-1', 'INVALID_PARAMETER'), ('page=x', 'INVALID_PARAMETER'), ('page=1.5', 'INVALID_PARAMETER'),
	('page=9999999999x', 'INVALID_PARAMETER'), ('limit=0', 'INVALID_PARAMETER'), ('limit=-1', 'INVALID_PARAMETER'), ('limit=x', 'INVALID_PARAMETER'),
	('limit=5&limit=6', 'INVALID_PARAMETER'), ('sortBy=colour', 'INVALID_PARAMETER'), ('sortBy=unit', 'INVALID_PARAMETER'), ('sortBy=organization_id', 'INVALID_PARAMETER'),
	('sortBy=name%3BDROP%20TABLE%20meter.device', 'INVALID_PARAMETER'), ('sortBy=1', 'INVALID_PARAMETER'), ('sortOrder=up', 'INVALID_PARAMETER'), ('sortby=name', 'INVALID_PARAMETER'),
	('colour=red', 'INVALID_PARAMETER')) AS c (wrong, error);
SELECT refuses('writer', 'GET', '?account_id=<A>&query=' || repeat('x', 201), NULL, 400, 'INVALID_PARAMETER', 'query');
SELECT refuses('writer', 'GET', '?account_id=<A>&query=%FF', NULL, 400, 'INVALID_REQUEST', '');

SELECT * FROM finish();
ROLLBACK;
