-- Devices: what they are, and which register they have. How readings are counted
-- is in readings.sql.

CREATE FUNCTION meter.integer_member(what text, document jsonb, member text, lowest int) RETURNS int
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	value numeric;
BEGIN
	IF coalesce(document -> member, 'null') = 'null' THEN
		RETURN NULL;
	ELSIF jsonb_typeof(document -> member) = 'number' THEN
		value := (document -> member)::numeric;
	END IF;
	IF value BETWEEN lowest AND 2147483647 AND value = trunc(value) THEN
		RETURN value;
	END IF;
	PERFORM meter.refuse_member(what, 'INVALID_INTEGER', member, format('%s: expected an integer of %s to 2147483647', member, lowest));
END
$function$;
COMMENT ON FUNCTION meter.integer_member(text, jsonb, text, int) IS 'An integer of a document, null where it is missing or null. lowest: the smallest that is allowed. Errors: 22023. Source: internal.';

CREATE FUNCTION meter.choice_member(what text, document jsonb, member text, choices text[]) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	value jsonb := coalesce(document -> member, 'null');
BEGIN
	IF value = 'null' THEN
		RETURN NULL;
	ELSIF jsonb_typeof(value) <> 'string' OR value #>> '{}' <> ALL (choices) THEN
		PERFORM meter.refuse_member(what, 'INVALID_VALUE', member, format('%s: expected %s', member, array_to_string(choices, ', ')));
	END IF;
	RETURN value #>> '{}';
END
$function$;
COMMENT ON FUNCTION meter.choice_member(text, jsonb, text, text[]) IS 'One of several texts of a document, null where it is missing or null. Errors: 22023. Source: internal.';

-- The text may be an id or what is written on a device. A number that is the
-- one of one device and the other of another one is nobody's: a reading must not
-- go to the wrong device.
CREATE FUNCTION meter.find_device(organization_id uuid, device text) RETURNS meter.device
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	wanted text := find_device.device;
	number bigint := CASE WHEN wanted ~ '^(id:)?[0-9]{1,10}$' THEN ltrim(wanted, 'id:')::bigint END;
	by_id meter.device;
	result meter.device;
BEGIN
	PERFORM meter.require_tenant(organization_id);
	SELECT d.* INTO by_id FROM meter.device AS d
		WHERE d.organization_id = find_device.organization_id AND d.id = number AND d.retired_at IS NULL;
	SELECT d.* INTO result FROM meter.device AS d
		WHERE d.organization_id = find_device.organization_id AND wanted !~ '^id:[0-9]{1,10}$'
			AND d.serial_number = regexp_replace(wanted, '^serial:', '') AND d.retired_at IS NULL;
	IF by_id.id <> result.id THEN
		RAISE EXCEPTION 'device "%" is the id of one device and the serial number of another', wanted
			USING ERRCODE = 'ambiguous_function', DETAIL = 'AMBIGUOUS_DEVICE.',
				HINT = format('Say "id:%s" or "serial:%s".', wanted, wanted);
	ELSIF by_id.id IS NOT NULL THEN
		RETURN by_id;
	ELSIF result.id IS NULL THEN
		RAISE EXCEPTION 'device "%" does not exist', coalesce(wanted, 'null')
			USING ERRCODE = 'undefined_object', DETAIL = 'DEVICE_NOT_FOUND.';
	END IF;
	RETURN result;
END
$function$;
COMMENT ON FUNCTION meter.find_device(uuid, text) IS 'The device of that id or serial number. device: either, or with id: or serial: before it. Errors: 42704 no such device, 42725 it is the id of one and the serial number of another. Source: internal.';

-- Who changes a device, or what was read from it, has its row: all else that
-- belongs to it is protected by that.
CREATE FUNCTION meter.lock_device(organization_id uuid, device text) RETURNS meter.device
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	found_row meter.device := meter.find_device(organization_id, device);
	result meter.device;
BEGIN
	PERFORM meter.require_tenant(organization_id);
	SELECT d.* INTO result FROM meter.device AS d
		WHERE d.organization_id = found_row.organization_id AND d.id = found_row.id AND d.retired_at IS NULL
		FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'device "%" does not exist', device
			USING ERRCODE = 'undefined_object', DETAIL = 'DEVICE_NOT_FOUND.';
	END IF;
	RETURN result;
END
$function$;
COMMENT ON FUNCTION meter.lock_device(uuid, text) IS 'The device of that id or serial number, its row locked until the transaction ends. Errors: as meter.find_device. Source: internal.';

CREATE FUNCTION meter.device_document(organization_id uuid, device_id int) RETURNS jsonb
	LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT pg_catalog.to_jsonb(d) FROM meter.devices AS d
		WHERE meter.require_tenant($1) IS NOT NULL AND d.organization_id = $1 AND d.id = $2;
END;
COMMENT ON FUNCTION meter.device_document(uuid, int) IS 'The document of a device: the columns of meter.devices. Source: internal.';

CREATE FUNCTION meter.check_device(what text, definition jsonb) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	required text;
	rollover numeric;
	cap numeric;
BEGIN
	PERFORM meter.text_member(what, definition, 'name', 200);
	PERFORM meter.text_member(what, definition, 'serial_number', 200);
	PERFORM meter.choice_member(what, definition, 'meter_type', '{ELECTRICITY,GAS,WATER,SOLAR,GENSET,HVAC,EV,CARBON}');
	PERFORM meter.choice_member(what, definition, 'communication_type', '{NONE,LORAWAN,MODBUS,MQTT,HTTP,DLMS,VIRTUAL}');
	FOREACH required IN ARRAY '{name,serial_number,meter_type}'::text[] LOOP
		IF coalesce(definition -> required, 'null') = 'null' THEN
			PERFORM meter.refuse_member(what, 'MISSING_KEY', required, format('a device needs a %s', required));
		END IF;
	END LOOP;
	PERFORM meter.text_member(what, definition, 'description', 1024);
	PERFORM meter.text_member(what, definition, 'location', 1024);
	PERFORM meter.integer_member(what, definition, 'building_block_id', -2147483648);
	PERFORM meter.integer_member(what, definition, 'gateway_id', -2147483648);
	PERFORM meter.integer_member(what, definition, 'tariff_id', -2147483648);
	PERFORM meter.choice_member(what, definition, 'billing_direction', '{ACCREC,ACCPAY}');
	PERFORM meter.integer_member(what, definition, 'reading_interval', 1);
	PERFORM meter.integer_member(what, definition, 'min_reading_interval', 0);
	PERFORM meter.choice_member(what, definition, 'reading_type', '{cumulative,interval}');
	PERFORM meter.text_member(what, definition, 'unit', 40);
	PERFORM meter.text_member(what, definition, 'event_type', 200);
	PERFORM meter.text_member(what, definition, 'subject', 1024);
	rollover := meter.quantity_member(what, definition, 'rollover_at');
	cap := meter.quantity_member(what, definition, 'rollover_limit');
	IF rollover = 0 THEN
		PERFORM meter.refuse_member(what, 'INVALID_QUANTITY', 'rollover_at', 'rollover_at: expected more than 0');
	ELSIF definition ->> 'reading_type' = 'interval' AND rollover IS NOT NULL THEN
		PERFORM meter.refuse_member(what, 'INVALID_COMBINATION', 'rollover_at', 'rollover_at: readings of intervals have no register that rolls over');
	ELSIF cap IS NOT NULL AND (cap = 0 OR rollover IS NULL OR cap >= rollover) THEN
		PERFORM meter.refuse_member(what, 'INVALID_COMBINATION', 'rollover_limit', 'rollover_limit: expected more than 0 and less than rollover_at');
	END IF;
END
$function$;
COMMENT ON FUNCTION meter.check_device(text, jsonb) IS 'Checks the values of a device''s definition. what: the document''s name. Errors: 22023 with the JSON pointer of what is wrong. Source: internal.';

-- The seed lets a client write the latest reading into the device. It is a
-- reading like any other: what the device says was last read is what was read.
CREATE FUNCTION meter.record_given(held meter.device, what text, definition jsonb) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	given numeric := meter.quantity_member(what, definition, 'last_reading_value');
	given_at timestamptz := meter.time_member(what, definition, 'last_reading_at');
	result jsonb;
BEGIN
	IF definition ? 'last_reading_value' AND given IS NULL AND held.last_reading_value IS NOT NULL THEN
		PERFORM meter.refuse_member(what, 'IMMUTABLE', 'last_reading_value',
			'last_reading_value: a reading is taken back with meter.void_reading()');
	ELSIF given IS NULL AND given_at IS DISTINCT FROM held.last_reading_at AND given_at IS NOT NULL THEN
		PERFORM meter.refuse_member(what, 'MISSING_KEY', 'last_reading_value', 'last_reading_at: needs last_reading_value beside it');
	ELSIF given IS NULL OR given = held.last_reading_value AND coalesce(given_at, held.last_reading_at) = held.last_reading_at THEN
		-- what was read before and is sent back says nothing new
		RETURN;
	END IF;
	given_at := coalesce(given_at, clock_timestamp());
	PERFORM meter.check_reading_time(what, 'last_reading_at', given_at);
	result := meter.record_reading(held.organization_id, 'id:' || held.id, given, given_at, 'actual', what);
	IF result ->> 'status' NOT IN ('accepted', 'duplicate') THEN
		RAISE EXCEPTION 'invalid %: last_reading_value: %', what, result ->> 'message'
			USING ERRCODE = CASE result ->> 'status' WHEN 'conflict' THEN 'unique_violation' ELSE 'invalid_parameter_value' END,
				DETAIL = format('%s at /last_reading_value.', result ->> 'code');
	END IF;
END
$function$;
COMMENT ON FUNCTION meter.record_given(meter.device, text, jsonb) IS 'Records last_reading_value and last_reading_at of a document as a reading, if they say anything new. Errors: 22023, 23505. Source: internal.';

CREATE FUNCTION meter.create_device(organization_id uuid, definition jsonb) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	org uuid := create_device.organization_id;
	fresh int;
	held meter.device;
BEGIN
	PERFORM meter.require_organization(org);
	PERFORM meter.check_members('device', definition, '{name,description,serial_number,meter_type,communication_type,building_block_id,gateway_id,
		tariff_id,location,billing_direction,reading_interval,min_reading_interval,reading_type,unit,rollover_at,rollover_limit,event_type,subject,
		last_reading_value,last_reading_at}'::text[]);
	PERFORM meter.check_device('device', definition);
	fresh := nextval('meter.device_id_seq');
	INSERT INTO meter.device (organization_id, id, name, description, serial_number, meter_type, communication_type,
			building_block_id, gateway_id, tariff_id, location, billing_direction, reading_interval, min_reading_interval,
			reading_type, unit, rollover_at, rollover_limit, event_type, subject)
		VALUES (org, fresh, definition ->> 'name', definition ->> 'description', definition ->> 'serial_number',
			definition ->> 'meter_type', coalesce(definition ->> 'communication_type', 'NONE'),
			(definition ->> 'building_block_id')::numeric, (definition ->> 'gateway_id')::numeric, (definition ->> 'tariff_id')::numeric,
			definition ->> 'location', definition ->> 'billing_direction', (definition ->> 'reading_interval')::numeric,
			coalesce((definition ->> 'min_reading_interval')::numeric, 0),
			coalesce(definition ->> 'reading_type', 'cumulative'), definition ->> 'unit',
			(definition ->> 'rollover_at')::numeric, (definition ->> 'rollover_limit')::numeric,
			coalesce(definition ->> 'event_type', 'consumption.' || lower(definition ->> 'meter_type')),
			coalesce(definition ->> 'subject', 'device:' || fresh))
		ON CONFLICT (organization_id, serial_number) WHERE retired_at IS NULL DO NOTHING
		RETURNING * INTO held;
	IF held.id IS NULL THEN
		RAISE EXCEPTION 'a device with the serial number "%" already exists', definition ->> 'serial_number'
			USING ERRCODE = 'unique_violation', DETAIL = 'DUPLICATE at /serial_number.';
	END IF;
	PERFORM meter.record_given(held, 'device', definition);
	RETURN meter.device_document(org, held.id);
END
$function$;
COMMENT ON FUNCTION meter.create_device(uuid, jsonb) IS 'Creates a device, a physical meter. definition: object of name (1 to 200 characters), serial_number (1 to 200 characters, unique among the organization''s devices in service), meter_type (ELECTRICITY, GAS, WATER, SOLAR, GENSET, HVAC, EV or CARBON), communication_type (NONE, LORAWAN, MODBUS, MQTT, HTTP, DLMS or VIRTUAL; default NONE), description and location (at most 1024 characters), building_block_id, gateway_id and tariff_id (integer or null), billing_direction (ACCREC, ACCPAY or null), reading_interval (preferred time between readings, in seconds), last_reading_value and last_reading_at (number and RFC 3339, default now: its first reading), and of what the seed has not: unit (at most 40 characters, such as kWh), reading_type (cumulative: a register that counts up, the default; interval: each reading is what was consumed since the one before, in the reading_interval before its time where that is given), rollover_at (number: the register begins again at zero when it reaches it, 100000 where it has five digits), rollover_limit (number below it: the most that an interval with a roll-over can have, default a quarter of rollover_at), min_reading_interval (seconds, default 0: readings closer to another one are refused), event_type (what meters listen to, 1 to 200 characters, default consumption. and the meter_type in lower case) and subject (whose consumption it is, at most 1024 characters, default device: and the id). Result: the device document: the columns of meter.devices. Errors: 22023 with the JSON pointer of what is wrong, 23505 the serial number is taken, 42704 no such organization. Source: seed 001 (POST /api/v1/meters).';

CREATE FUNCTION meter.update_device(organization_id uuid, device text, patch jsonb) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	org uuid := update_device.organization_id;
	held meter.device;
	whole jsonb;
	member text;
	rolls_otherwise boolean;
BEGIN
	PERFORM meter.require_tenant(organization_id);
	PERFORM meter.check_members('device patch', patch, '{id,name,description,serial_number,meter_type,communication_type,building_block_id,gateway_id,
		tariff_id,location,billing_direction,reading_interval,min_reading_interval,reading_type,unit,rollover_at,rollover_limit,event_type,subject,
		last_reading_value,last_reading_at}'::text[]);
	held := meter.lock_device(org, update_device.device);
	whole := to_jsonb(held) || patch;
	FOREACH member IN ARRAY '{id,serial_number,meter_type,communication_type}'::text[] LOOP
		IF whole -> member <> to_jsonb(held) -> member THEN
			PERFORM meter.refuse_member('device patch', 'IMMUTABLE', member, member || ' cannot change');
		END IF;
	END LOOP;
	PERFORM meter.check_device('device patch', whole);
	IF held.last_reading_at IS NOT NULL THEN
		-- sums over both would mean nothing
		FOREACH member IN ARRAY '{unit,reading_type}'::text[] LOOP
			IF coalesce(nullif(whole -> member, 'null'), CASE member WHEN 'unit' THEN 'null' ELSE '"cumulative"' END::jsonb) <> to_jsonb(held) -> member THEN
				PERFORM meter.refuse_member('device patch', 'IMMUTABLE', member, member || ' cannot change while the device has readings');
			END IF;
		END LOOP;
	END IF;

	rolls_otherwise := ((whole ->> 'rollover_at')::numeric, (whole ->> 'rollover_limit')::numeric)
		IS DISTINCT FROM (held.rollover_at, held.rollover_limit);
	UPDATE meter.device AS d
		SET name = whole ->> 'name', description = whole ->> 'description', location = whole ->> 'location',
			building_block_id = (whole ->> 'building_block_id')::numeric, gateway_id = (whole ->> 'gateway_id')::numeric,
			tariff_id = (whole ->> 'tariff_id')::numeric, billing_direction = whole ->> 'billing_direction',
			reading_interval = (whole ->> 'reading_interval')::numeric,
			min_reading_interval = coalesce((whole ->> 'min_reading_interval')::numeric, 0),
			reading_type = coalesce(whole ->> 'reading_type', 'cumulative'), unit = whole ->> 'unit',
			rollover_at = (whole ->> 'rollover_at')::numeric, rollover_limit = (whole ->> 'rollover_limit')::numeric,
			event_type = coalesce(whole ->> 'event_type', 'consumption.' || lower(held.meter_type)),
			subject = coalesce(whole ->> 'subject', 'device:' || held.id), updated_at = clock_timestamp()
		WHERE d.organization_id = org AND d.id = held.id
		RETURNING * INTO held;
	IF rolls_otherwise THEN
		PERFORM meter.change_rollover(held);
	END IF;
	PERFORM meter.record_given(held, 'device patch', patch);
	RETURN meter.device_document(org, held.id);
END
$function$;
COMMENT ON FUNCTION meter.update_device(uuid, text, jsonb) IS 'Changes a device. device: id or serial number; patch: object of the keys of meter.create_device (absent keeps, null resets). id, serial_number, meter_type and communication_type may be there but cannot change, nor unit and reading_type once it was read. What is counted keeps the type, subject and data that it was counted with. rollover_at and rollover_limit are of the register that is in it now: its intervals, and its readings that were suspect, are judged anew. last_reading_value (with last_reading_at, default now) is recorded as a reading, unless it is the last one. Result: the device document. Errors: 22023 with the JSON pointer of what is wrong, 23505 another reading of that instant counts, 42704 no such device, 42725 ambiguous device, 55000 readings that count contradict the new rollover_at. Source: seed 001 (PUT /api/v1/meters/:id).';

CREATE FUNCTION meter.delete_device(organization_id uuid, device text) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	held meter.device := meter.lock_device(organization_id, device);
BEGIN
	IF EXISTS (SELECT FROM meter.reading AS r WHERE r.organization_id = held.organization_id AND r.device_id = held.id) THEN
		UPDATE meter.device AS d SET retired_at = clock_timestamp()
			WHERE d.organization_id = held.organization_id AND d.id = held.id;
	ELSE
		DELETE FROM meter.device AS d WHERE d.organization_id = held.organization_id AND d.id = held.id;
	END IF;
END
$function$;
COMMENT ON FUNCTION meter.delete_device(uuid, text) IS 'Takes a device out of service: it is not found any more, and its serial number can be given again. Its readings and what was consumed stay. device: id or serial number. Errors: 42704 no such device, 42725 ambiguous device. Source: seed 001 (DELETE /api/v1/meters/:id).';

-- Other numbers where the register that is in from an instant on rolls over.
CREATE FUNCTION meter.respan_register(device meter.device, starts timestamptz, INOUT placement meter.reading_placement)
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $function$
#variable_conflict use_column
DECLARE
	pair record;
	ends timestamptz;
BEGIN
	SELECT coalesce(min(s.interval_end), 'infinity') INTO ends FROM meter.reading_interval AS s
		WHERE s.organization_id = device.organization_id AND s.device_id = device.id AND s.interval_end > starts AND s.kind <> 'reading';
	UPDATE meter.reading_interval AS s SET rollover_at = device.rollover_at
		WHERE s.organization_id = device.organization_id AND s.device_id = device.id AND s.interval_end >= starts AND s.interval_end < ends;
	FOR pair IN
		SELECT p.*, meter.register_step(p.opening, p.value, device.rollover_at, device.rollover_limit) AS step
		FROM (SELECT s.interval_end, s.value, s.next_value, s.quantity, lag(s.next_value) OVER (ORDER BY s.interval_end) AS opening
			FROM meter.reading_interval AS s
			WHERE s.organization_id = device.organization_id AND s.device_id = device.id
				AND s.interval_end >= starts AND s.interval_end <= ends) AS p
		ORDER BY p.interval_end
	LOOP
		-- of the first reading the final value, of the last one the other, may be of another register
		IF pair.opening IS NOT NULL AND (pair.step IS NULL AND pair.quantity IS NOT NULL OR pair.value >= device.rollover_at)
				OR pair.interval_end < ends AND pair.next_value >= device.rollover_at THEN
			RAISE EXCEPTION 'device % was read % at %, which cannot be then', device.id, pair.value, meter.reading_time(pair.interval_end)
				USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = 'CONTRADICTED.',
					HINT = 'Take the reading back first, with meter.void_reading(), or tell of the register''s replacement.';
		ELSIF pair.step IS DISTINCT FROM pair.quantity THEN
			UPDATE meter.reading_interval AS s SET quantity = pair.step
				WHERE s.organization_id = device.organization_id AND s.device_id = device.id AND s.interval_end = pair.interval_end;
			placement.touched := placement.touched || pair.interval_end;
		END IF;
	END LOOP;
	placement.stretch_from := least(placement.stretch_from, starts);
	placement.stretch_to := greatest(placement.stretch_to, ends);
END
$function$;
COMMENT ON FUNCTION meter.respan_register(meter.device, timestamptz, meter.reading_placement) IS 'Judges the intervals of a register again by the device''s rollover_at and rollover_limit. starts: the first reading of the register. Errors: 55000 they cannot be by these. Source: internal.';

CREATE FUNCTION meter.change_rollover(device meter.device) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $function$
#variable_conflict use_column
DECLARE
	placement meter.reading_placement := (NULL, NULL, NULL, '{}', '[]', NULL, NULL)::meter.reading_placement;
	starts timestamptz;
BEGIN
	SELECT coalesce(max(s.interval_end), '-infinity') INTO starts FROM meter.reading_interval AS s
		WHERE s.organization_id = device.organization_id AND s.device_id = device.id AND s.kind <> 'reading';
	placement := meter.respan_register(device, starts, placement);
	placement := meter.retry_suspects(device, placement);
	PERFORM meter.finish_change(device, placement);
END
$function$;
COMMENT ON FUNCTION meter.change_rollover(meter.device) IS 'Counts the readings of the register that is in a device now by its new rollover_at and rollover_limit. Errors: 55000. Source: internal.';

-- An end of a register and the begin of the next: one reading that shows two
-- values, the one for the interval that ends, the other for the one that begins.
CREATE FUNCTION meter.change_register(held meter.device, entry meter.reading_entry, serial_number text) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $function$
#variable_conflict use_column
DECLARE
	here meter.reading_point := meter.reading_at(held, entry.read_at, 0);
	device meter.device := held;
	placement meter.reading_placement;
	latest boolean;
BEGIN
	IF here.kind = 'reading' AND coalesce(entry.value, here.value) = here.value THEN
		entry.value := here.value;
		entry.quality := here.quality;
	ELSIF entry.value IS NULL AND here.kind = entry.kind AND here.next_value = entry.next_value THEN
		RETURN;
	ELSIF entry.value IS NULL THEN
		here := meter.reading_at(held, entry.read_at, -1);
		entry.value := coalesce(here.next_value, entry.next_value);
		entry.quality := 'estimated';
	END IF;
	placement := meter.place_reading(held, entry);
	IF placement.status = 'duplicate' THEN
		RETURN;
	ELSIF placement.status <> 'accepted' THEN
		PERFORM meter.refuse_reading(placement.code, placement.message);
	END IF;
	latest := NOT EXISTS (SELECT FROM meter.reading_interval AS s
		WHERE s.organization_id = held.organization_id AND s.device_id = held.id AND s.interval_end > entry.read_at AND s.kind <> 'reading');
	IF latest THEN
		UPDATE meter.device AS d
			SET serial_number = coalesce(change_register.serial_number, d.serial_number), rollover_at = coalesce(entry.rollover_at, d.rollover_at),
				rollover_limit = CASE WHEN entry.rollover_at IS NULL THEN d.rollover_limit END, updated_at = clock_timestamp()
			WHERE d.organization_id = held.organization_id AND d.id = held.id
			RETURNING * INTO device;
	ELSE
		device.rollover_at := coalesce(entry.rollover_at, device.rollover_at);
	END IF;
	IF entry.rollover_at IS NOT NULL THEN
		placement := meter.respan_register(device, entry.read_at, placement);
	END IF;
	placement := meter.retry_suspects(device, placement);
	PERFORM meter.finish_change(device, placement);
END
$function$;
COMMENT ON FUNCTION meter.change_register(meter.device, meter.reading_entry, text) IS 'Places the end of a register in the series of its device, whose row is locked. Errors: 22023, 23505, 55000. Source: internal.';

CREATE FUNCTION meter.replace_device(organization_id uuid, device text, replacement jsonb) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	held meter.device;
	at timestamptz;
	entry meter.reading_entry;
	rollover numeric;
	serial text;
BEGIN
	PERFORM meter.require_tenant(organization_id);
	PERFORM meter.check_members('replacement', replacement, '{replaced_at,final_value,start_value,quality,serial_number,rollover_at,source,reason}');
	at := coalesce(meter.time_member('replacement', replacement, 'replaced_at'), clock_timestamp());
	PERFORM meter.check_reading_time('replacement', 'replaced_at', at);
	rollover := meter.quantity_member('replacement', replacement, 'rollover_at');
	serial := meter.text_member('replacement', replacement, 'serial_number', 200);
	entry := (1, NULL, 'replacement', at, meter.quantity_member('replacement', replacement, 'final_value'),
		coalesce(meter.quantity_member('replacement', replacement, 'start_value'), 0),
		coalesce(meter.choice_member('replacement', replacement, 'quality', '{actual,estimated}'), 'actual'),
		meter.text_member('replacement', replacement, 'source', 200), rollover,
		meter.text_member('replacement', replacement, 'reason', 1000))::meter.reading_entry;
	held := meter.lock_device(organization_id, device);
	entry.device_id := held.id;
	IF rollover = 0 THEN
		PERFORM meter.refuse_member('replacement', 'INVALID_QUANTITY', 'rollover_at', 'rollover_at: expected more than 0');
	ELSIF EXISTS (SELECT FROM meter.device AS d WHERE d.organization_id = held.organization_id AND d.serial_number = serial
			AND d.id <> held.id AND d.retired_at IS NULL) THEN
		RAISE EXCEPTION 'a device with the serial number "%" already exists', serial
			USING ERRCODE = 'unique_violation', DETAIL = 'DUPLICATE at /serial_number.';
	ELSIF held.reading_type = 'cumulative' THEN
		PERFORM meter.change_register(held, entry, serial);
	ELSIF replacement ?| '{final_value,start_value,rollover_at}' THEN
		PERFORM meter.refuse_member('replacement', 'INVALID_COMBINATION', NULL, 'readings of intervals have no register that is replaced');
	ELSE
		UPDATE meter.device AS d SET serial_number = coalesce(serial, d.serial_number), updated_at = clock_timestamp()
			WHERE d.organization_id = held.organization_id AND d.id = held.id;
	END IF;
	RETURN meter.device_document(held.organization_id, held.id);
END
$function$;
COMMENT ON FUNCTION meter.replace_device(uuid, text, jsonb) IS 'Tells that another meter was put in the place of a device''s, or a new register: it remains the device it is. device: id or serial number; replacement: object of replaced_at (RFC 3339, default now), final_value (what the old register showed; default what was read before, as an estimate), start_value (what the new one showed, default 0), quality (of both, actual or estimated, default actual), serial_number (of the new meter), rollover_at (where the new register rolls over, default as the old one; rollover_limit is then its default again), source (at most 200 characters) and reason (at most 1000). Readings of the new register that came before and were suspect are counted now. A replacement in the past, with another behind it, keeps the serial number that the device has now. Told again it changes nothing; a final value that was estimated may be told again as it was. Result: the device document. Errors: 22023 with the JSON pointer of what is wrong, or a value that contradicts the readings about it, 23505 the serial number is taken, or a reading of that instant shows something else, 42704 no such device, 42725 ambiguous device, 55000 readings behind it contradict rollover_at. Source: seed 001 (serial_number is not mutable).';

CREATE FUNCTION meter.reset_device(organization_id uuid, device text, reset jsonb DEFAULT '{}') RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	held meter.device;
	at timestamptz;
	entry meter.reading_entry;
BEGIN
	PERFORM meter.require_tenant(organization_id);
	PERFORM meter.check_members('reset', reset, '{reset_at,final_value,start_value,quality,source,reason}');
	at := coalesce(meter.time_member('reset', reset, 'reset_at'), clock_timestamp());
	PERFORM meter.check_reading_time('reset', 'reset_at', at);
	entry := (1, NULL, 'reset', at, meter.quantity_member('reset', reset, 'final_value'),
		coalesce(meter.quantity_member('reset', reset, 'start_value'), 0),
		coalesce(meter.choice_member('reset', reset, 'quality', '{actual,estimated}'), 'actual'),
		meter.text_member('reset', reset, 'source', 200), NULL, meter.text_member('reset', reset, 'reason', 1000))::meter.reading_entry;
	held := meter.lock_device(organization_id, device);
	entry.device_id := held.id;
	IF held.reading_type <> 'cumulative' THEN
		PERFORM meter.refuse_member('reset', 'INVALID_COMBINATION', NULL, 'readings of intervals have no register that is reset');
	END IF;
	PERFORM meter.change_register(held, entry, NULL);
	RETURN meter.device_document(held.organization_id, held.id);
END
$function$;
COMMENT ON FUNCTION meter.reset_device(uuid, text, jsonb) IS 'Tells that a device''s register was set to another value, such as zero. device: id or serial number; reset: object of reset_at (RFC 3339, default now), final_value (what it showed before; default what was read before, as an estimate), start_value (what it showed then, default 0), quality, source and reason, as for meter.replace_device, which does the same for a new register. Result: the device document. Errors: as there. Source: seed 001 (last_reading_value).';
