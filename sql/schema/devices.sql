-- Devices: the physical meters of a building or a network, and their readings.
--
-- What a device is, is a catalog table, as customers are: people name it, lists
-- show it, and functions and views of the extension are made over it.  What it
-- said is a store: it grows for ever.

CREATE SEQUENCE meter.device_id_seq AS int;
COMMENT ON SEQUENCE meter.device_id_seq IS 'Ids of devices, of all organizations.';

CREATE TABLE meter.device (
	organization_id uuid NOT NULL REFERENCES meter.organization,
	id int NOT NULL DEFAULT pg_catalog.nextval('meter.device_id_seq'),
	name text NOT NULL CHECK (pg_catalog.length(name) BETWEEN 1 AND 200),
	description text,
	serial_number text COLLATE "C" NOT NULL CHECK (pg_catalog.length(serial_number) BETWEEN 1 AND 200),
	meter_type text NOT NULL CHECK (meter_type IN ('ELECTRICITY', 'GAS', 'WATER', 'SOLAR', 'GENSET', 'HVAC', 'EV', 'CARBON')),
	communication_type text NOT NULL CHECK (communication_type IN ('NONE', 'LORAWAN', 'MODBUS', 'MQTT', 'HTTP', 'DLMS', 'VIRTUAL')),
	building_block_id int,
	gateway_id int,
	tariff_id int,
	location text,
	billing_direction text CHECK (billing_direction IN ('ACCREC', 'ACCPAY')),
	reading_interval int CHECK (reading_interval > 0),
	min_reading_interval int NOT NULL DEFAULT 0 CHECK (min_reading_interval >= 0),
	reading_type text NOT NULL DEFAULT 'cumulative' CHECK (reading_type IN ('cumulative', 'interval')),
	unit text,
	rollover_at numeric CHECK (rollover_at > 0),
	rollover_limit numeric CHECK (rollover_limit > 0),
	event_type text NOT NULL,
	subject text NOT NULL,
	last_reading_value numeric,
	last_reading_at timestamptz,
	last_reading_quality text CHECK (last_reading_quality IN ('actual', 'estimated')),
	series_revision bigint NOT NULL DEFAULT 0,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	updated_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	retired_at timestamptz,
	PRIMARY KEY (organization_id, id),
	CHECK (reading_type = 'cumulative' OR rollover_at IS NULL),
	CHECK (rollover_limit < rollover_at)
) WITH (fillfactor = 80);	-- each reading updates its device's row
CREATE UNIQUE INDEX device_serial_number_idx ON meter.device (organization_id, serial_number) WHERE retired_at IS NULL;
COMMENT ON TABLE meter.device IS 'Physical meters. The view meter.devices is the one to read.';
COMMENT ON COLUMN meter.device.organization_id IS 'The tenant.';
COMMENT ON COLUMN meter.device.id IS 'The device.';
COMMENT ON COLUMN meter.device.name IS 'Display name, 1 to 200 characters.';
COMMENT ON COLUMN meter.device.description IS 'Text that is only shown.';
COMMENT ON COLUMN meter.device.serial_number IS 'What is written on it; unique among the organization''s devices in service.';
COMMENT ON COLUMN meter.device.meter_type IS 'ELECTRICITY, GAS, WATER, SOLAR, GENSET, HVAC, EV or CARBON.';
COMMENT ON COLUMN meter.device.communication_type IS 'NONE, LORAWAN, MODBUS, MQTT, HTTP, DLMS or VIRTUAL.';
COMMENT ON COLUMN meter.device.building_block_id IS 'The building block it is in.';
COMMENT ON COLUMN meter.device.gateway_id IS 'The gateway it is attached to.';
COMMENT ON COLUMN meter.device.tariff_id IS 'The tariff it is billed by.';
COMMENT ON COLUMN meter.device.location IS 'Where it is.';
COMMENT ON COLUMN meter.device.billing_direction IS 'ACCREC (invoiced to tenants), ACCPAY (a cost of supply) or null.';
COMMENT ON COLUMN meter.device.reading_interval IS 'Preferred time between readings, in seconds; the length of an interval where readings are of the interval.';
COMMENT ON COLUMN meter.device.min_reading_interval IS 'Readings closer to another one than that many seconds are refused.';
COMMENT ON COLUMN meter.device.reading_type IS 'cumulative: readings are of a register that counts up; interval: each is what was consumed in an interval.';
COMMENT ON COLUMN meter.device.unit IS 'Unit of its readings, such as kWh.';
COMMENT ON COLUMN meter.device.rollover_at IS 'The value at which the register begins again at zero; null: it never does.';
COMMENT ON COLUMN meter.device.rollover_limit IS 'The most that an interval in which the register rolled over can have; null: a quarter of rollover_at.';
COMMENT ON COLUMN meter.device.event_type IS 'Type of the events that its consumption becomes.';
COMMENT ON COLUMN meter.device.subject IS 'Whose consumption it is: subject of these events.';
COMMENT ON COLUMN meter.device.last_reading_value IS 'What its register showed when it was read last.';
COMMENT ON COLUMN meter.device.last_reading_at IS 'When that was.';
COMMENT ON COLUMN meter.device.last_reading_quality IS 'Whether that was read (actual) or estimated.';
COMMENT ON COLUMN meter.device.series_revision IS 'How often its series of readings changed; who changes it updates the row, so that others with an older snapshot fail.';
COMMENT ON COLUMN meter.device.created_at IS 'When it was created.';
COMMENT ON COLUMN meter.device.updated_at IS 'When its description last changed.';
COMMENT ON COLUMN meter.device.retired_at IS 'When it was deleted; its readings stay.';

SELECT pg_catalog.pg_extension_config_dump('meter.device', '');
SELECT pg_catalog.pg_extension_config_dump('meter.device_id_seq', '');

CREATE VIEW meter.devices WITH (security_invoker = true) AS
	SELECT organization_id, id, name, description, serial_number, meter_type, communication_type,
		building_block_id, gateway_id, tariff_id, location, billing_direction, reading_interval, min_reading_interval,
		reading_type, unit, rollover_at, rollover_limit, event_type, subject,
		last_reading_value, last_reading_at, last_reading_quality, created_at, updated_at
	FROM meter.device
	WHERE retired_at IS NULL;
COMMENT ON VIEW meter.devices IS 'Physical meters in service.';
COMMENT ON COLUMN meter.devices.organization_id IS 'The tenant.';
COMMENT ON COLUMN meter.devices.id IS 'The device.';
COMMENT ON COLUMN meter.devices.name IS 'Display name.';
COMMENT ON COLUMN meter.devices.description IS 'Text that is only shown.';
COMMENT ON COLUMN meter.devices.serial_number IS 'What is written on it.';
COMMENT ON COLUMN meter.devices.meter_type IS 'ELECTRICITY, GAS, WATER, SOLAR, GENSET, HVAC, EV or CARBON.';
COMMENT ON COLUMN meter.devices.communication_type IS 'NONE, LORAWAN, MODBUS, MQTT, HTTP, DLMS or VIRTUAL.';
COMMENT ON COLUMN meter.devices.building_block_id IS 'The building block it is in.';
COMMENT ON COLUMN meter.devices.gateway_id IS 'The gateway it is attached to.';
COMMENT ON COLUMN meter.devices.tariff_id IS 'The tariff it is billed by.';
COMMENT ON COLUMN meter.devices.location IS 'Where it is.';
COMMENT ON COLUMN meter.devices.billing_direction IS 'ACCREC, ACCPAY or null.';
COMMENT ON COLUMN meter.devices.reading_interval IS 'Preferred time between readings, in seconds.';
COMMENT ON COLUMN meter.devices.min_reading_interval IS 'Least time between readings, in seconds.';
COMMENT ON COLUMN meter.devices.reading_type IS 'cumulative or interval.';
COMMENT ON COLUMN meter.devices.unit IS 'Unit of its readings.';
COMMENT ON COLUMN meter.devices.rollover_at IS 'The value at which the register begins again at zero.';
COMMENT ON COLUMN meter.devices.rollover_limit IS 'The most that an interval in which the register rolled over can have.';
COMMENT ON COLUMN meter.devices.event_type IS 'Type of the events that its consumption becomes.';
COMMENT ON COLUMN meter.devices.subject IS 'Whose consumption it is.';
COMMENT ON COLUMN meter.devices.last_reading_value IS 'What its register showed when it was read last.';
COMMENT ON COLUMN meter.devices.last_reading_at IS 'When that was.';
COMMENT ON COLUMN meter.devices.last_reading_quality IS 'actual or estimated.';
COMMENT ON COLUMN meter.devices.created_at IS 'When it was created.';
COMMENT ON COLUMN meter.devices.updated_at IS 'When its description last changed.';

CREATE TYPE meter.reading_entry AS (
	ordinal int,
	device_id int,
	kind text,
	read_at timestamptz,
	value numeric,
	next_value numeric,
	quality text,
	source text,
	rollover_at numeric,
	reason text
);
COMMENT ON TYPE meter.reading_entry IS 'A reading that is to be placed in the series of its device. Source: internal.';

CREATE TYPE meter.reading_outcome AS (
	ordinal int,
	device_id int,
	read_at timestamptz,
	status text,
	code text,
	message text
);
COMMENT ON TYPE meter.reading_outcome IS 'What became of a reading. Source: internal.';

CREATE TYPE meter.reading_point AS (
	interval_end timestamptz,
	kind text,
	value numeric,
	next_value numeric,
	quality text,
	rollover_at numeric,
	context jsonb,
	event_id text
);
COMMENT ON TYPE meter.reading_point IS 'A reading that counts. Source: internal.';

CREATE TYPE meter.reading_placement AS (
	status text,
	code text,
	message text,
	touched timestamptz[],
	voided jsonb,
	stretch_from timestamptz,
	stretch_to timestamptz
);
COMMENT ON TYPE meter.reading_placement IS 'What became of a reading: the ends of intervals that changed, the events of those that are no more, and its neighbours. Source: internal.';

CREATE FUNCTION meter.create_readings() RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	SET client_min_messages = warning
AS $function$
BEGIN
	CREATE TABLE IF NOT EXISTS meter.reading (
		organization_id uuid NOT NULL,
		device_id int NOT NULL,
		read_at timestamptz NOT NULL CHECK (isfinite(read_at)),
		revision int NOT NULL,
		kind text NOT NULL CHECK (kind IN ('reading', 'replacement', 'reset', 'void')),
		value numeric,
		next_value numeric,
		quality text CHECK (quality IN ('actual', 'estimated')),
		outcome text NOT NULL CHECK (outcome IN ('counted', 'superseded', 'suspect', 'conflict', 'void')),
		code text,
		source text,
		reason text,
		recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
		recorded_by text NOT NULL DEFAULT meter.current_actor(),
		PRIMARY KEY (organization_id, device_id, read_at, revision),
		FOREIGN KEY (organization_id, device_id) REFERENCES meter.device,
		CHECK ((kind = 'void') = (value IS NULL AND next_value IS NULL AND quality IS NULL))
	);
	CREATE INDEX IF NOT EXISTS reading_suspect_idx ON meter.reading (organization_id, device_id, read_at)
		WHERE outcome = 'suspect';
	COMMENT ON TABLE meter.reading IS 'Readings as they came; only ever added to. The view meter.readings is the one to read.';
	COMMENT ON COLUMN meter.reading.organization_id IS 'The tenant.';
	COMMENT ON COLUMN meter.reading.device_id IS 'The device.';
	COMMENT ON COLUMN meter.reading.read_at IS 'When it was read.';
	COMMENT ON COLUMN meter.reading.revision IS 'Which one it is of those for this instant, from 1.';
	COMMENT ON COLUMN meter.reading.kind IS 'reading; replacement or reset of the register; void: those before it are taken back.';
	COMMENT ON COLUMN meter.reading.value IS 'What the register showed, or what was consumed; with a replacement or reset the final value.';
	COMMENT ON COLUMN meter.reading.next_value IS 'What it shows from then on: differs from the value with a replacement or reset.';
	COMMENT ON COLUMN meter.reading.quality IS 'actual or estimated.';
	COMMENT ON COLUMN meter.reading.outcome IS 'What it was taken for when it came: counted, superseded, suspect, conflict or void.';
	COMMENT ON COLUMN meter.reading.code IS 'Stable code of the reason where it was not counted.';
	COMMENT ON COLUMN meter.reading.source IS 'Who sent it.';
	COMMENT ON COLUMN meter.reading.reason IS 'Why it was taken back, reset or replaced.';
	COMMENT ON COLUMN meter.reading.recorded_at IS 'When it came.';
	COMMENT ON COLUMN meter.reading.recorded_by IS 'Who recorded it.';

	-- A row a reading that counts, which is the end of an interval. What the
	-- event of it says is beside what it ought to say: where these differ the
	-- event is amended, in the same transaction.
	CREATE TABLE IF NOT EXISTS meter.reading_interval (
		organization_id uuid NOT NULL,
		device_id int NOT NULL,
		interval_end timestamptz NOT NULL,
		revision int NOT NULL,
		kind text NOT NULL,
		value numeric NOT NULL,
		next_value numeric NOT NULL,
		quality text NOT NULL,
		rollover_at numeric,
		interval_start timestamptz,
		quantity numeric,
		interval_quality text NOT NULL,
		context jsonb NOT NULL,
		event_no int NOT NULL DEFAULT 0,
		event_id text,
		event_quantity numeric,
		event_start timestamptz,
		event_quality text,
		PRIMARY KEY (organization_id, device_id, interval_end)
	) WITH (fillfactor = 70);
	COMMENT ON TABLE meter.reading_interval IS 'The series of readings that count, and the event that each interval became.';
	COMMENT ON COLUMN meter.reading_interval.organization_id IS 'The tenant.';
	COMMENT ON COLUMN meter.reading_interval.device_id IS 'The device.';
	COMMENT ON COLUMN meter.reading_interval.interval_end IS 'When the device was read, which ends the interval (exclusive).';
	COMMENT ON COLUMN meter.reading_interval.revision IS 'Which of the readings of that instant counts.';
	COMMENT ON COLUMN meter.reading_interval.kind IS 'reading, replacement or reset.';
	COMMENT ON COLUMN meter.reading_interval.value IS 'What the register showed, or what was consumed.';
	COMMENT ON COLUMN meter.reading_interval.next_value IS 'What the next interval begins with.';
	COMMENT ON COLUMN meter.reading_interval.quality IS 'Quality of the reading: actual or estimated.';
	COMMENT ON COLUMN meter.reading_interval.rollover_at IS 'Where the register of the next interval rolls over.';
	COMMENT ON COLUMN meter.reading_interval.interval_start IS 'Start of the interval; null where it is not known.';
	COMMENT ON COLUMN meter.reading_interval.quantity IS 'What was consumed in it; null for the first reading, and where the readings about it contradict each other since one was taken back.';
	COMMENT ON COLUMN meter.reading_interval.interval_quality IS 'estimated where the reading at either end is.';
	COMMENT ON COLUMN meter.reading_interval.context IS 'Type, subject and further data of the event: what the device was when the interval was first counted.';
	COMMENT ON COLUMN meter.reading_interval.event_no IS 'How many events the interval has had; all but the last one are void.';
	COMMENT ON COLUMN meter.reading_interval.event_id IS 'Id of the event; null without one.';
	COMMENT ON COLUMN meter.reading_interval.event_quantity IS 'The quantity that the event says.';
	COMMENT ON COLUMN meter.reading_interval.event_start IS 'The start of the interval that the event says.';
	COMMENT ON COLUMN meter.reading_interval.event_quality IS 'The quality that the event says.';

	CREATE OR REPLACE VIEW meter.readings WITH (security_invoker = true) AS
		SELECT r.organization_id, r.device_id, r.read_at, r.revision, r.kind, r.value, r.next_value, r.quality,
			CASE WHEN i.revision IS NOT NULL THEN 'counted'
				WHEN r.kind <> 'void' AND EXISTS (SELECT FROM meter.reading AS v
					WHERE v.organization_id = r.organization_id AND v.device_id = r.device_id AND v.read_at = r.read_at
						AND v.revision > r.revision AND v.kind = 'void') THEN 'voided'
				WHEN r.outcome = 'counted' THEN 'superseded'
				ELSE r.outcome END AS status,
			i.interval_start, i.quantity AS consumption, i.interval_quality AS consumption_quality, i.event_id,
			r.code, r.source, r.reason, r.recorded_at, r.recorded_by
		FROM meter.reading AS r
		LEFT JOIN meter.reading_interval AS i ON i.organization_id = r.organization_id AND i.device_id = r.device_id
			AND i.interval_end = r.read_at AND i.revision = r.revision;
	COMMENT ON VIEW meter.readings IS 'Readings of devices, with what became of them.';
	COMMENT ON COLUMN meter.readings.organization_id IS 'The tenant.';
	COMMENT ON COLUMN meter.readings.device_id IS 'The device.';
	COMMENT ON COLUMN meter.readings.read_at IS 'When it was read.';
	COMMENT ON COLUMN meter.readings.revision IS 'Which one it is of those for this instant.';
	COMMENT ON COLUMN meter.readings.kind IS 'reading, replacement, reset or void.';
	COMMENT ON COLUMN meter.readings.value IS 'What the register showed, or what was consumed.';
	COMMENT ON COLUMN meter.readings.next_value IS 'What it shows from then on.';
	COMMENT ON COLUMN meter.readings.quality IS 'actual or estimated.';
	COMMENT ON COLUMN meter.readings.status IS 'counted; superseded by another one; suspect: it contradicts its neighbours; conflict: another one of the same instant counts; voided; void: it voids others.';
	COMMENT ON COLUMN meter.readings.interval_start IS 'Start of the interval that it ends.';
	COMMENT ON COLUMN meter.readings.consumption IS 'What was consumed in it.';
	COMMENT ON COLUMN meter.readings.consumption_quality IS 'estimated where the reading at either end is.';
	COMMENT ON COLUMN meter.readings.event_id IS 'Id of the event that tells of it.';
	COMMENT ON COLUMN meter.readings.code IS 'Stable code of the reason where it was not counted when it came.';
	COMMENT ON COLUMN meter.readings.source IS 'Who sent it.';
	COMMENT ON COLUMN meter.readings.reason IS 'Why it was taken back, reset or replaced.';
	COMMENT ON COLUMN meter.readings.recorded_at IS 'When it came.';
	COMMENT ON COLUMN meter.readings.recorded_by IS 'Who recorded it.';
END
$function$;
COMMENT ON FUNCTION meter.create_readings() IS 'Makes the tables of readings and of the intervals between them, and the view meter.readings. Idempotent. Source: internal.';
