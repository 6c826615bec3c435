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
SELECT plan(122);

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
		format('%s %s%s by %s: %s %s', method, path, ' ' || CASE WHEN length(body) > 90 THEN left(body, 90) || '...' ELSE body END, who, status, error));
$$;
CREATE FUNCTION data(VARIADIC path text[] DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$ SELECT (l.response).body -> 'data' #> path FROM last AS l $$;

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
SELECT is((SELECT (l.response).body -> 'count' FROM last AS l), '1', 'and counts one');
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
SELECT refuses('writer', 'GET', '/<flat>?account_id=<A>&colour=red', NULL, 400, 'UNKNOWN_PARAMETER', 'colour');
SELECT refuses('writer', 'GET', '/' || id || '?account_id=<A>', NULL, 400, 'INVALID_ID', 'id: expected an integer')
	FROM unnest('{x,1.5,-1,0,2147483648,99999999999999999999,1e3,EM-4711,%31x}'::text[]) AS id;
SELECT refuses('writer', 'GET', '/%FF?account_id=<A>', NULL, 400, 'INVALID_REQUEST', '');
-- a text that looks like an id is a serial number
SELECT answers('writer', 'POST', '', filled('{"account_id": "<A>", "name": "Trap", "serial_number": "id:<none>", "meter_type": "GAS"}'), 201, NULL, '', 'a serial number may look like an id');
SELECT refuses('writer', 'GET', '/<none>?account_id=<A>', NULL, 403, 'FORBIDDEN', '');
SELECT refuses('writer', 'PUT', '/<none>', '{"account_id": "<A>", "name": "n"}', 403, 'FORBIDDEN', '');
SELECT answers('writer', 'POST', '', filled('{"account_id": "<A>", "name": "Trap", "serial_number": "id:<least>", "meter_type": "GAS"}'), 201, NULL, '', 'even like one that is');
SELECT answers('writer', 'PUT', '/<least>', '{"account_id": "<A>", "location": "Roof"}', 200, NULL, '', 'which does not make that one ambiguous');

SELECT * FROM finish();
ROLLBACK;
