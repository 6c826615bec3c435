-- Readings of devices, and the consumption between them.
--
-- The readings of a device that count are its series, in the order of the times
-- they were read at. Each is the end of an interval that begins with the one
-- before; what was consumed in the interval is the step between the two, and is
-- one event. So a reading that comes between two others splits an interval: one
-- event is new, and one is amended. Steps are judged by their two ends alone,
-- and in the end it makes no difference in which order readings came.
--
-- The event's time is the last instant of its interval, a microsecond before the
-- reading: windows are half-open, so an interval that ends when a window does is
-- in it, and intervals between two readings add up to what is between them. (At
-- the start of the interval it would be late whenever the interval spans the end
-- of a window; at the end itself it would be in the next window.)
--
-- All of this is protected by the lock of the device's row, which whoever changes
-- the series takes first, of several devices in the order of their ids, and
-- updates, so that a transaction with an older snapshot fails instead of working
-- on a series that it does not see. Locks of ingestion come behind it.

CREATE FUNCTION meter.register_step(opening numeric, closing numeric, rollover_at numeric, rollover_limit numeric) RETURNS numeric
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
	WHEN closing >= opening THEN closing - opening
	WHEN closing + rollover_at - opening <= COALESCE(rollover_limit, rollover_at / 4) THEN closing + rollover_at - opening
END;
COMMENT ON FUNCTION meter.register_step(numeric, numeric, numeric, numeric) IS 'What a register counted between two readings: their difference; where it went down, what it counted if it began again at zero on reaching rollover_at, so far as that is at most rollover_limit (null: a quarter of rollover_at); null where neither can be. Source: seed 001.';

CREATE FUNCTION meter.reading_context(device meter.device) RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN pg_catalog.jsonb_build_object('type', device.event_type, 'subject', device.subject,
	'data', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('device_id', device.id, 'serial_number', device.serial_number,
		'meter_type', device.meter_type, 'communication_type', device.communication_type, 'unit', device.unit,
		'building_block_id', device.building_block_id, 'gateway_id', device.gateway_id, 'tariff_id', device.tariff_id,
		'location', device.location, 'billing_direction', device.billing_direction)));
COMMENT ON FUNCTION meter.reading_context(meter.device) IS 'What events of a device''s consumption say of the device: type, subject and part of their data. Source: internal.';

CREATE FUNCTION meter.reading_time("at" timestamptz) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
RETURN pg_catalog.to_char("at" AT TIME ZONE 'UTC', CASE WHEN pg_catalog.date_trunc('second', "at", 'UTC') = "at"
	THEN 'YYYY-MM-DD"T"HH24:MI:SS"Z"' ELSE 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"' END);
COMMENT ON FUNCTION meter.reading_time(timestamptz) IS 'A time as events write it, in UTC. Source: internal.';

CREATE FUNCTION meter.interval_data(context jsonb, quantity numeric, quality text, reading numeric, interval_start timestamptz, interval_end timestamptz)
	RETURNS jsonb
	LANGUAGE sql STABLE PARALLEL SAFE
RETURN (context -> 'data') || pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('value', quantity, 'quality', quality,
	'reading', reading, 'interval_start', meter.reading_time(interval_start), 'interval_end', meter.reading_time(interval_end)));
COMMENT ON FUNCTION meter.interval_data(jsonb, numeric, text, numeric, timestamptz, timestamptz) IS 'The data of an interval''s event. context: as meter.reading_context gives it; reading: the value at its end. Source: internal.';

CREATE FUNCTION meter.refusal(device_id int, state text, message text, detail text) RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN pg_catalog.jsonb_build_object(device_id, pg_catalog.jsonb_build_object('state', state, 'message', message,
	'code', COALESCE("substring"(detail, '^[A-Z_]+'), 'REFUSED')));
COMMENT ON FUNCTION meter.refusal(int, text, text, text) IS 'An error, as what was refused of a device: object of its id and of state, code and message. Source: internal.';

-- Events that say something else than the series are brought in line with it.
-- What is refused is given back, by device; the caller then undoes all.
CREATE FUNCTION meter.count_intervals(organization_id uuid, devices int[], ends timestamptz[], voided jsonb) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $function$
#variable_conflict use_column
DECLARE
	org uuid := count_intervals.organization_id;
	source constant text := 'meter.device';
	refused jsonb := '{}';
	gone jsonb;
	i record;
	events json;
	owners int[];
	detail text;
	message text;
BEGIN
	PERFORM meter.require_tenant(organization_id);
	FOR gone IN SELECT * FROM jsonb_array_elements(voided) LOOP
		BEGIN
			PERFORM meter.void_event(org, gone ->> 'type', gone ->> 'id', 'reading taken out of the series', source);
		EXCEPTION WHEN object_not_in_prerequisite_state OR undefined_object THEN
			GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
			-- somebody did it by hand
			CONTINUE WHEN detail LIKE 'ALREADY_REVERSED%';
			refused := refused || meter.refusal((gone ->> 'device_id')::int, SQLSTATE, message, detail);
		END;
	END LOOP;
	FOR i IN
		SELECT s.* FROM (SELECT DISTINCT t.device_id, t.interval_end FROM unnest(devices, ends) AS t(device_id, interval_end)) AS t
		JOIN meter.reading_interval AS s ON s.organization_id = org AND s.device_id = t.device_id AND s.interval_end = t.interval_end
		WHERE s.event_id IS NOT NULL
			AND (s.quantity, s.interval_start, s.interval_quality) IS DISTINCT FROM (s.event_quantity, s.event_start, s.event_quality)
		ORDER BY s.device_id, s.interval_end
	LOOP
		BEGIN
			BEGIN
				IF i.quantity IS NOT NULL THEN
					PERFORM meter.amend_event(org, i.context ->> 'type', i.event_id, 'readings changed',
						meter.interval_data(i.context, i.quantity, i.interval_quality, i.value, i.interval_start, i.interval_end), source);
				END IF;
			EXCEPTION WHEN undefined_object THEN
				-- in quarantine, where nothing can be amended: a new one takes its place
				i.quantity := NULL;
			END;
			IF i.quantity IS NULL THEN
				PERFORM meter.void_event(org, i.context ->> 'type', i.event_id, 'readings changed', source);
				i.event_id := NULL;
			END IF;
		EXCEPTION WHEN object_not_in_prerequisite_state OR undefined_object OR invalid_parameter_value THEN
			GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
			refused := refused || meter.refusal(i.device_id, SQLSTATE, message, detail);
		END;
		UPDATE meter.reading_interval AS s
			SET event_id = i.event_id, event_quantity = i.quantity, event_start = i.interval_start, event_quality = i.interval_quality
			WHERE s.organization_id = org AND s.device_id = i.device_id AND s.interval_end = i.interval_end;
	END LOOP;

	WITH fresh AS (
		UPDATE meter.reading_interval AS s
			SET event_no = s.event_no + 1, event_quantity = s.quantity, event_start = s.interval_start, event_quality = s.interval_quality,
				-- sent again after a rollback it is the same event
				event_id = s.device_id || '/' || meter.reading_time(s.interval_end) || '/' || s.revision || '.' || s.event_no + 1
			FROM (SELECT DISTINCT t.device_id, t.interval_end FROM unnest(devices, ends) AS t(device_id, interval_end)) AS t
			WHERE s.organization_id = org AND s.device_id = t.device_id AND s.interval_end = t.interval_end
				AND s.event_id IS NULL AND s.quantity IS NOT NULL
			RETURNING s.*)
	SELECT json_agg(json_build_object('id', f.event_id, 'source', source, 'type', f.context -> 'type', 'subject', f.context -> 'subject',
				'time', meter.reading_time(f.interval_end - interval '1 microsecond'),
				'data', meter.interval_data(f.context, f.quantity, f.interval_quality, f.value, f.interval_start, f.interval_end))
			ORDER BY f.device_id, f.interval_end),
		array_agg(f.device_id ORDER BY f.device_id, f.interval_end)
		INTO events, owners FROM fresh AS f;
	IF owners IS NOT NULL THEN
		SELECT refused || coalesce(jsonb_object_agg(owners[r.ordinal], jsonb_build_object('state', '22023', 'code', coalesce(r.code, 'EVENT_EXISTS'),
				'message', coalesce(r.message, format('an event "%s" of source %s came before', r.id, source)))), '{}')
			INTO refused FROM meter.ingest(org, events) AS r
			WHERE r.status NOT IN ('accepted', 'unmatched', 'late_revised', 'late_next_window', 'late_quarantined');
	END IF;
	RETURN refused;
END
$function$;
COMMENT ON FUNCTION meter.count_intervals(uuid, int[], timestamptz[], jsonb) IS 'Brings the events of intervals in line with the series. devices, ends: the intervals, by device and end; voided: array of device_id, type and id of events whose interval is no more. Result: object of device ids and why theirs could not be (state, code, message). Source: internal.';

CREATE FUNCTION meter.keep_reading(organization_id uuid, entry meter.reading_entry, outcome text, code text) RETURNS int
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	org uuid := keep_reading.organization_id;
	result int;
BEGIN
	PERFORM meter.require_tenant(organization_id);
	-- what is not counted is kept once, however often it is sent
	IF outcome NOT IN ('counted', 'void') AND EXISTS (
			SELECT FROM meter.reading AS r WHERE r.organization_id = org AND r.device_id = entry.device_id AND r.read_at = entry.read_at
				AND r.kind = entry.kind AND r.value = entry.value AND r.quality = entry.quality AND r.outcome = keep_reading.outcome) THEN
		RETURN NULL;
	END IF;
	INSERT INTO meter.reading (organization_id, device_id, read_at, revision, kind, value, next_value, quality, outcome, code, source, reason)
		SELECT org, entry.device_id, entry.read_at, coalesce(max(r.revision), 0) + 1, entry.kind, entry.value,
				coalesce(entry.next_value, entry.value), entry.quality, keep_reading.outcome, keep_reading.code, entry.source, entry.reason
			FROM meter.reading AS r
			WHERE r.organization_id = org AND r.device_id = entry.device_id AND r.read_at = entry.read_at
		RETURNING revision INTO result;
	RETURN result;
END
$function$;
COMMENT ON FUNCTION meter.keep_reading(uuid, meter.reading_entry, text, text) IS 'Keeps a reading in meter.reading. Result: its revision. Source: internal.';

-- The reading that counts at an instant, or the nearest before or after it.
CREATE FUNCTION meter.reading_at(device meter.device, "at" timestamptz, side int) RETURNS meter.reading_point
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $function$
#variable_conflict use_column
DECLARE
	result meter.reading_point;
BEGIN
	IF side = 0 THEN
		SELECT s.interval_end, s.kind, s.value, s.next_value, s.quality, s.rollover_at, s.context, s.event_id INTO result
			FROM meter.reading_interval AS s
			WHERE s.organization_id = device.organization_id AND s.device_id = device.id AND s.interval_end = "at";
	ELSIF side < 0 THEN
		SELECT s.interval_end, s.kind, s.value, s.next_value, s.quality, s.rollover_at, s.context, s.event_id INTO result
			FROM meter.reading_interval AS s
			WHERE s.organization_id = device.organization_id AND s.device_id = device.id AND s.interval_end < "at"
			ORDER BY s.interval_end DESC LIMIT 1;
	ELSE
		SELECT s.interval_end, s.kind, s.value, s.next_value, s.quality, s.rollover_at, s.context, s.event_id INTO result
			FROM meter.reading_interval AS s
			WHERE s.organization_id = device.organization_id AND s.device_id = device.id AND s.interval_end > "at"
			ORDER BY s.interval_end LIMIT 1;
	END IF;
	RETURN result;
END
$function$;
COMMENT ON FUNCTION meter.reading_at(meter.device, timestamptz, int) IS 'The counted reading at an instant (side 0), the last before it (-1) or the first after it (1); all null where there is none. Source: internal.';

CREATE FUNCTION meter.judge_instant(entry meter.reading_entry, here meter.reading_point, INOUT placement meter.reading_placement)
	LANGUAGE plpgsql IMMUTABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	same boolean := entry.value IN (here.value, here.next_value) AND (entry.kind = 'reading'
		OR entry.kind = here.kind AND coalesce(entry.next_value, entry.value) = here.next_value);
BEGIN
	IF here.interval_end IS NULL THEN
		RETURN;
	ELSIF same AND (here.quality = 'actual' OR here.quality = entry.quality) THEN
		placement.status := 'duplicate';
	ELSIF here.kind = 'reading' AND (here.quality = 'estimated' OR entry.kind <> 'reading' AND entry.value = here.value) THEN
		-- an estimate gives way; what was read may turn out to be the last of its register
		RETURN;
	ELSIF here.kind <> 'reading' AND here.kind = entry.kind AND here.quality = 'estimated' THEN
		RETURN;
	ELSIF here.quality = 'actual' AND entry.quality = 'estimated' THEN
		placement.status := 'superseded';
		placement.code := 'READ_ALREADY';
		placement.message := 'an actual reading of that instant counts';
	ELSE
		placement.status := 'conflict';
		placement.code := 'CONFLICT';
		placement.message := format('another reading of that instant counts: %s', here.value);
	END IF;
END
$function$;
COMMENT ON FUNCTION meter.judge_instant(meter.reading_entry, meter.reading_point, meter.reading_placement) IS 'Judges a reading by the one that counts at its instant. Result: the placement, with a status where it cannot take that one''s place. Source: internal.';

-- Estimates that an actual reading contradicts were wrong; they are passed over,
-- and dropped if the reading is placed.
CREATE FUNCTION meter.judge_neighbours(device meter.device, entry meter.reading_entry, here meter.reading_point,
		INOUT before meter.reading_point, INOUT after meter.reading_point, INOUT placement meter.reading_placement, OUT modulus numeric, OUT dropped timestamptz[])
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	opening numeric := coalesce(entry.next_value, entry.value);
	near interval := make_interval(secs => device.min_reading_interval);
	cumulative boolean := device.reading_type = 'cumulative';
BEGIN
	dropped := '{}';
	-- of the register from here on
	modulus := coalesce(entry.rollover_at, CASE WHEN here.interval_end IS NOT NULL THEN here.rollover_at
		WHEN before.interval_end IS NOT NULL THEN before.rollover_at
		WHEN after.interval_end IS NOT NULL THEN after.rollover_at ELSE device.rollover_at END);
	IF here.interval_end IS NULL AND entry.kind = 'reading'
			AND (before.interval_end > entry.read_at - near AND (before.quality = 'actual' OR entry.quality = 'estimated')
				OR after.interval_end < entry.read_at + near AND (after.quality = 'actual' OR entry.quality = 'estimated')) THEN
		placement.status := 'rejected';
		placement.code := 'TOO_SOON';
		placement.message := format('there is a reading less than %s seconds away', device.min_reading_interval);
		RETURN;
	ELSIF entry.value >= (CASE WHEN before.interval_end IS NULL THEN modulus ELSE before.rollover_at END) OR opening >= modulus THEN
		placement.status := 'rejected';
		placement.code := 'OUT_OF_RANGE';
		placement.message := 'the register rolls over before it shows that value';
		RETURN;
	END IF;
	WHILE cumulative AND before.interval_end IS NOT NULL
		AND meter.register_step(before.next_value, entry.value, before.rollover_at, device.rollover_limit) IS NULL
	LOOP
		IF entry.quality = 'estimated' OR before.quality = 'actual' OR before.kind <> 'reading' THEN
			placement.code := 'BELOW_PREVIOUS';
			placement.message := format('less than the reading before it, %s at %s, and no roll-over explains it',
				before.next_value, meter.reading_time(before.interval_end));
			EXIT;
		END IF;
		dropped := dropped || before.interval_end;
		before := meter.reading_at(device, before.interval_end, -1);
	END LOOP;
	WHILE cumulative AND placement.code IS NULL AND after.interval_end IS NOT NULL
		AND meter.register_step(opening, after.value, modulus, device.rollover_limit) IS NULL
	LOOP
		IF entry.quality = 'estimated' OR after.quality = 'actual' OR after.kind <> 'reading' THEN
			placement.code := 'ABOVE_NEXT';
			placement.message := format('more than the reading after it, %s at %s, and no roll-over explains it',
				after.value, meter.reading_time(after.interval_end));
			EXIT;
		END IF;
		dropped := dropped || after.interval_end;
		after := meter.reading_at(device, after.interval_end, 1);
	END LOOP;
	-- a register may turn over twice between two readings, but no estimate tells so
	IF cumulative AND entry.quality = 'estimated' AND placement.code IS NULL
			AND meter.register_step(before.next_value, entry.value, before.rollover_at, device.rollover_limit)
				+ meter.register_step(opening, after.value, modulus, device.rollover_limit)
				<> meter.register_step(before.next_value, after.value, before.rollover_at, device.rollover_limit)
			AND entry.kind = 'reading' THEN
		placement.code := 'NOT_BETWEEN';
		placement.message := 'an estimate that is not between the readings about it';
	END IF;
	IF placement.code IS NOT NULL THEN
		placement.status := CASE entry.quality WHEN 'actual' THEN 'suspect' ELSE 'superseded' END;
	END IF;
END
$function$;
COMMENT ON FUNCTION meter.judge_neighbours(meter.device, meter.reading_entry, meter.reading_point, meter.reading_point, meter.reading_point, meter.reading_placement) IS 'Judges a reading by those before and after it. Result: those, without the estimates to be dropped; the placement, with a status where it does not fit; where the register rolls over from there on. Source: internal.';

CREATE FUNCTION meter.follow_reading(device meter.device, before meter.reading_point, after meter.reading_point) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $function$
#variable_conflict use_column
BEGIN
	UPDATE meter.reading_interval AS s
		SET interval_start = before.interval_end,
			quantity = meter.register_step(before.next_value, after.value, before.rollover_at, device.rollover_limit),
			interval_quality = CASE WHEN 'estimated' IN (before.quality, after.quality) THEN 'estimated' ELSE 'actual' END
		WHERE s.organization_id = device.organization_id AND s.device_id = device.id AND s.interval_end = after.interval_end;
END
$function$;
COMMENT ON FUNCTION meter.follow_reading(meter.device, meter.reading_point, meter.reading_point) IS 'Lets an interval begin with another reading. Source: internal.';

CREATE FUNCTION meter.place_reading(device meter.device, entry meter.reading_entry, kept int DEFAULT NULL) RETURNS meter.reading_placement
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $function$
#variable_conflict use_column
DECLARE
	org uuid := device.organization_id;
	cumulative boolean := device.reading_type = 'cumulative';
	here meter.reading_point := meter.reading_at(device, entry.read_at, 0);
	placement meter.reading_placement;
	judged record;
	gone timestamptz;
	revision int;
BEGIN
	placement.touched := '{}';
	placement.voided := '[]';
	placement := meter.judge_instant(entry, here, placement);
	IF placement.status IS NULL THEN
		judged := meter.judge_neighbours(device, entry, here, meter.reading_at(device, entry.read_at, -1),
			meter.reading_at(device, entry.read_at, 1), placement);
		placement := judged.placement;
	END IF;
	IF placement.status IS NOT NULL THEN
		IF kept IS NULL AND placement.status NOT IN ('duplicate', 'rejected') THEN
			PERFORM meter.keep_reading(org, entry, placement.status, placement.code);
		END IF;
		RETURN placement;
	END IF;

	placement.status := 'accepted';
	placement.stretch_from := coalesce((judged.before).interval_end, '-infinity');
	placement.stretch_to := coalesce((judged.after).interval_end, 'infinity');
	FOREACH gone IN ARRAY judged.dropped::timestamptz[] LOOP
		placement := meter.remove_reading(device, meter.reading_at(device, gone, 0), placement);
	END LOOP;
	revision := coalesce(kept, meter.keep_reading(org, entry, 'counted', NULL));
	-- what splits an interval is of whom, and of what, the interval was
	INSERT INTO meter.reading_interval AS s (organization_id, device_id, interval_end, revision, kind, value, next_value, quality, rollover_at,
			interval_quality, context)
		VALUES (org, device.id, entry.read_at, revision, entry.kind, entry.value, coalesce(entry.next_value, entry.value), entry.quality,
			judged.modulus, entry.quality, coalesce((judged.after).context, meter.reading_context(device)))
		ON CONFLICT (organization_id, device_id, interval_end) DO UPDATE
			SET revision = excluded.revision, kind = excluded.kind, value = excluded.value, next_value = excluded.next_value,
				quality = excluded.quality, rollover_at = excluded.rollover_at;
	here := meter.reading_at(device, entry.read_at, 0);
	placement.touched := ARRAY[entry.read_at];
	IF NOT cumulative THEN
		UPDATE meter.reading_interval AS s
			SET interval_start = entry.read_at - make_interval(secs => device.reading_interval), quantity = entry.value, interval_quality = entry.quality
			WHERE s.organization_id = org AND s.device_id = device.id AND s.interval_end = entry.read_at;
		RETURN placement;
	END IF;
	PERFORM meter.follow_reading(device, judged.before, here);
	IF (judged.after).interval_end IS NOT NULL THEN
		PERFORM meter.follow_reading(device, here, judged.after);
		placement.touched := placement.touched || (judged.after).interval_end;
	END IF;
	RETURN placement;
END
$function$;
COMMENT ON FUNCTION meter.place_reading(meter.device, meter.reading_entry, int) IS 'Places a reading in the series of its device, whose row is locked, or says why it cannot be. kept: the revision of a reading that is in meter.reading already. Result: status accepted, duplicate, superseded, conflict, suspect or rejected, with code and message; what changed. Source: internal.';

-- A suspect is judged by its neighbours, so those between the neighbours of what
-- changed are judged again, until no more of them fit.
CREATE FUNCTION meter.retry_suspects(device meter.device, INOUT placement meter.reading_placement)
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $function$
#variable_conflict use_column
DECLARE
	suspect record;
	tried meter.reading_placement;
	progress boolean := true;
BEGIN
	WHILE progress LOOP
		progress := false;
		FOR suspect IN
			SELECT r.* FROM meter.reading AS r
			WHERE r.organization_id = device.organization_id AND r.device_id = device.id AND r.outcome = 'suspect'
				AND r.read_at > placement.stretch_from AND r.read_at < placement.stretch_to
				AND NOT EXISTS (SELECT FROM meter.reading AS later
					WHERE later.organization_id = r.organization_id AND later.device_id = r.device_id
						AND later.read_at = r.read_at AND later.revision > r.revision AND (later.kind = 'void' OR later.quality = 'actual'))
				AND NOT EXISTS (SELECT FROM meter.reading_interval AS s
					WHERE s.organization_id = r.organization_id AND s.device_id = r.device_id AND s.interval_end = r.read_at)
			ORDER BY r.read_at
		LOOP
			tried := meter.place_reading(device, (0, device.id, suspect.kind, suspect.read_at, suspect.value, suspect.next_value,
				suspect.quality, suspect.source, NULL, suspect.reason)::meter.reading_entry, suspect.revision);
			IF tried.status = 'accepted' THEN
				placement.touched := placement.touched || tried.touched;
				placement.voided := placement.voided || tried.voided;
				progress := true;
			END IF;
		END LOOP;
	END LOOP;
END
$function$;
COMMENT ON FUNCTION meter.retry_suspects(meter.device, meter.reading_placement) IS 'Places suspect readings that fit now. placement: the stretch to look at, and what changed so far. Result: with what changed besides. Source: internal.';

-- A clock may be wrong a little, as for events.
CREATE FUNCTION meter.check_reading_time(what text, member text, "at" timestamptz) RETURNS void
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	IF "at" IS NULL OR "at" < '1900-01-01 00:00+00' OR NOT isfinite("at") THEN
		PERFORM meter.refuse_member(what, 'INVALID_TIME', member, member || ': expected a timestamp from 1900 on');
	ELSIF "at" > clock_timestamp() + interval '5 minutes' THEN
		PERFORM meter.refuse_member(what, 'IN_FUTURE', member, member || ': is more than 5 minutes ahead');
	END IF;
END
$function$;
COMMENT ON FUNCTION meter.check_reading_time(text, text, timestamptz) IS 'Checks the time of a reading. Errors: 22023. Source: internal.';

CREATE FUNCTION meter.touch_device(device meter.device) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $function$
#variable_conflict use_column
BEGIN
	UPDATE meter.device AS d
		SET series_revision = d.series_revision + 1,
			last_reading_value = n.next_value, last_reading_at = n.interval_end, last_reading_quality = n.quality,
			-- of the register that is in it now
			rollover_at = CASE WHEN n.interval_end IS NULL THEN d.rollover_at ELSE n.rollover_at END,
			rollover_limit = CASE WHEN n.interval_end IS NULL OR d.rollover_limit < n.rollover_at THEN d.rollover_limit END
		FROM (SELECT device.organization_id, device.id) AS t
		LEFT JOIN LATERAL (
			SELECT s.* FROM meter.reading_interval AS s
			WHERE s.organization_id = device.organization_id AND s.device_id = device.id ORDER BY s.interval_end DESC LIMIT 1) AS n ON true
		WHERE d.organization_id = t.organization_id AND d.id = t.id;
END
$function$;
COMMENT ON FUNCTION meter.touch_device(meter.device) IS 'Notes that a device''s series changed, and what its newest reading is. Source: internal.';

CREATE FUNCTION meter.refuse_reading(code text, message text, state text DEFAULT '22023') RETURNS void
	LANGUAGE plpgsql IMMUTABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	RAISE EXCEPTION 'reading refused: %', message
		USING ERRCODE = CASE code WHEN 'CONFLICT' THEN '23505' ELSE state END, DETAIL = code || '.';
END
$function$;
COMMENT ON FUNCTION meter.refuse_reading(text, text, text) IS 'Raises an error with that SQLSTATE, 23505 where the code is CONFLICT. Source: internal.';

-- After a change of one device's series: its row, and its events.
CREATE FUNCTION meter.finish_change(device meter.device, placement meter.reading_placement) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	refused jsonb;
BEGIN
	PERFORM meter.touch_device(device);
	refused := meter.count_intervals(device.organization_id, array_fill(device.id, ARRAY[cardinality(placement.touched)]),
		placement.touched, placement.voided) -> device.id::text;
	IF refused IS NOT NULL THEN
		PERFORM meter.refuse_reading(refused ->> 'code', refused ->> 'message', refused ->> 'state');
	END IF;
END
$function$;
COMMENT ON FUNCTION meter.finish_change(meter.device, meter.reading_placement) IS 'Writes down a change of a device''s series. Errors: 22023 meters refuse the consumption. Source: internal.';

-- Most readings are newer than all others of their device and follow from the
-- one before: those of all such devices are placed by one statement. The others
-- are placed one by one.
CREATE FUNCTION meter.settle_readings(organization_id uuid, entries meter.reading_entry[],
		OUT outcomes meter.reading_outcome[], OUT refused jsonb)
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $function$
#variable_conflict use_column
DECLARE
	org uuid := settle_readings.organization_id;
	plain int[];
	devices int[];
	ends timestamptz[];
	gone jsonb := '[]';
	entry meter.reading_entry;
	device meter.device;
	placement meter.reading_placement;
	touched timestamptz;
	changed boolean;
BEGIN
	PERFORM meter.require_tenant(organization_id);
	PERFORM FROM meter.device AS d WHERE d.organization_id = org AND d.id IN (SELECT e.device_id FROM unnest(entries) AS e)
		ORDER BY d.id FOR NO KEY UPDATE;

	WITH given AS (
		SELECT e.ordinal, e.device_id, e.kind, e.read_at, e.value, e.quality, e.source, d.last_reading_at, d.rollover_at, d.rollover_limit,
			d.reading_type = 'cumulative' AS cumulative, d.min_reading_interval, d.reading_interval,
			lag(e.read_at, 1, d.last_reading_at) OVER w AS before_at, lag(e.value, 1, d.last_reading_value) OVER w AS opening,
			lag(e.quality, 1, d.last_reading_quality) OVER w AS before_quality, lead(e.read_at) OVER w IS NULL AS newest
		FROM unnest(entries) AS e
		JOIN meter.device AS d ON d.organization_id = org AND d.id = e.device_id
		WINDOW w AS (PARTITION BY e.device_id ORDER BY e.read_at, e.ordinal)
	), stepped AS (
		SELECT g.*, CASE WHEN g.cumulative THEN meter.register_step(g.opening, g.value, g.rollover_at, g.rollover_limit) ELSE g.value END AS step,
			CASE WHEN g.cumulative THEN g.before_at ELSE g.read_at - make_interval(secs => g.reading_interval) END AS starts,
			CASE WHEN g.quality = 'estimated' OR g.cumulative AND g.before_quality = 'estimated' THEN 'estimated' ELSE 'actual' END AS interval_quality
		FROM given AS g
	), following AS (
		SELECT s.device_id FROM stepped AS s
		GROUP BY s.device_id, s.last_reading_at
		HAVING bool_and(s.kind = 'reading' AND (s.value < s.rollover_at) IS NOT FALSE
				AND (s.before_at IS NULL OR s.step IS NOT NULL AND s.read_at > s.before_at
					AND s.read_at >= s.before_at + make_interval(secs => s.min_reading_interval)))
			-- nothing is kept that is newer, such as a suspect
			AND NOT EXISTS (SELECT FROM meter.reading AS r WHERE r.organization_id = org AND r.device_id = s.device_id
				AND r.read_at > coalesce(s.last_reading_at, '-infinity'))
	), placed AS MATERIALIZED (
		SELECT s.* FROM stepped AS s JOIN following AS f ON f.device_id = s.device_id
	), contexts AS MATERIALIZED (
		SELECT d.id, meter.reading_context(d) AS context FROM meter.device AS d JOIN following AS f ON d.organization_id = org AND d.id = f.device_id
	), kept AS (
		INSERT INTO meter.reading (organization_id, device_id, read_at, revision, kind, value, next_value, quality, outcome, source, recorded_by)
			SELECT org, p.device_id, p.read_at, 1, p.kind, p.value, p.value, p.quality, 'counted', p.source, (SELECT meter.current_actor())
			FROM placed AS p ORDER BY p.device_id, p.read_at
	), series AS (
		INSERT INTO meter.reading_interval (organization_id, device_id, interval_end, revision, kind, value, next_value, quality, rollover_at,
				interval_start, quantity, interval_quality, context)
			SELECT org, p.device_id, p.read_at, 1, p.kind, p.value, p.value, p.quality, p.rollover_at,
				p.starts, p.step, p.interval_quality, c.context
			FROM placed AS p JOIN contexts AS c ON c.id = p.device_id
			ORDER BY p.device_id, p.read_at
	), told AS (
		UPDATE meter.device AS d
			SET last_reading_value = p.value, last_reading_at = p.read_at, last_reading_quality = p.quality, series_revision = d.series_revision + 1
			FROM placed AS p WHERE d.organization_id = org AND d.id = p.device_id AND p.newest
	)
	SELECT array_agg(DISTINCT p.device_id), array_agg(p.device_id ORDER BY p.device_id, p.read_at),
			array_agg(p.read_at ORDER BY p.device_id, p.read_at),
			coalesce(array_agg((p.ordinal, p.device_id, p.read_at, 'accepted', NULL, NULL)::meter.reading_outcome), '{}')
		INTO plain, devices, ends, outcomes FROM placed AS p;

	FOR entry IN
		SELECT e.* FROM unnest(entries) AS e
		WHERE NOT EXISTS (SELECT FROM unnest(plain) AS p(id) WHERE p.id = e.device_id)
		ORDER BY e.device_id, e.ordinal
	LOOP
		IF device.id IS DISTINCT FROM entry.device_id THEN
			IF changed THEN
				PERFORM meter.touch_device(device);
			END IF;
			changed := false;
			SELECT d.* INTO device FROM meter.device AS d WHERE d.organization_id = org AND d.id = entry.device_id;
		END IF;
		placement := meter.place_reading(device, entry);
		outcomes := outcomes || (entry.ordinal, entry.device_id, entry.read_at, placement.status, placement.code, placement.message)::meter.reading_outcome;
		CONTINUE WHEN placement.status <> 'accepted';
		changed := true;
		placement := meter.retry_suspects(device, placement);
		-- one by one: joining arrays would copy them each time
		FOREACH touched IN ARRAY placement.touched LOOP
			devices := devices || entry.device_id;
			ends := ends || touched;
		END LOOP;
		IF placement.voided <> '[]' THEN
			gone := gone || placement.voided;
		END IF;
	END LOOP;
	IF changed THEN
		PERFORM meter.touch_device(device);
	END IF;
	refused := meter.count_intervals(org, devices, ends, gone);
END
$function$;
COMMENT ON FUNCTION meter.settle_readings(uuid, meter.reading_entry[]) IS 'Places readings in the series of their devices, and counts what changes. Result: an outcome a reading, and what meters refused, by device: the caller must then undo all. Source: internal.';

CREATE FUNCTION meter.record_reading(organization_id uuid, device text, value numeric, read_at timestamptz, quality text DEFAULT 'actual', source text DEFAULT NULL) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	held meter.device;
	given jsonb := jsonb_build_object('quality', record_reading.quality, 'source', record_reading.source);
	settled record;
	refused jsonb;
	outcome meter.reading_outcome;
	counted record;
BEGIN
	PERFORM meter.require_tenant(organization_id);
	IF record_reading.value IS NULL OR record_reading.value NOT BETWEEN -1e30 AND 1e30 OR scale(record_reading.value) > 30 THEN
		PERFORM meter.refuse_member('reading', 'INVALID_QUANTITY', 'value', 'value: expected a number of at most 1e30 with at most 30 decimals');
	ELSIF meter.choice_member('reading', given, 'quality', '{actual,estimated}') IS NULL THEN
		PERFORM meter.refuse_member('reading', 'MISSING_KEY', 'quality', 'quality: expected actual, estimated');
	END IF;
	PERFORM meter.text_member('reading', given, 'source', 200);
	PERFORM meter.check_reading_time('reading', 'read_at', record_reading.read_at);
	held := meter.find_device(organization_id, device);
	IF held.reading_type = 'cumulative' AND record_reading.value < 0 THEN
		PERFORM meter.refuse_member('reading', 'INVALID_QUANTITY', 'value', 'value: a register shows nothing negative');
	END IF;
	settled := meter.settle_readings(held.organization_id, ARRAY[(1, held.id, 'reading', record_reading.read_at, record_reading.value, NULL,
		record_reading.quality, record_reading.source, NULL, NULL)::meter.reading_entry]);
	IF settled.refused <> '{}' THEN
		refused := settled.refused -> held.id::text;
		PERFORM meter.refuse_reading(refused ->> 'code', refused ->> 'message', refused ->> 'state');
	END IF;
	outcome := settled.outcomes[1];
	IF outcome.status = 'rejected' THEN
		PERFORM meter.refuse_reading(outcome.code, outcome.message);
	END IF;
	SELECT s.* INTO counted FROM meter.reading_interval AS s
		WHERE s.organization_id = held.organization_id AND s.device_id = held.id AND s.interval_end = record_reading.read_at
			AND outcome.status IN ('accepted', 'duplicate');
	RETURN jsonb_build_object('status', outcome.status, 'device_id', held.id, 'read_at', record_reading.read_at, 'value', record_reading.value,
		'quality', record_reading.quality, 'consumption', counted.quantity, 'interval_start', counted.interval_start,
		'code', outcome.code, 'message', outcome.message);
END
$function$;
COMMENT ON FUNCTION meter.record_reading(uuid, text, numeric, timestamptz, text, text) IS 'Records what was read from a device, and counts what was consumed since the reading before it. device: id or serial number (id: or serial: before it says which); value: in the device''s unit, what the register shows, or, where readings are of intervals, what was consumed; read_at: when, at most 5 minutes ahead; quality: actual or estimated; source: who read it, at most 200 characters. Result: object of status, device_id, read_at, value, quality, consumption and interval_start (of the interval that ends with it; null for the first reading), code and message. Status: accepted; duplicate (that reading counts already); conflict (another value of that instant counts, and is no estimate; kept, not counted); suspect (an actual reading that contradicts its neighbours: the register cannot have come from the one, or to the other, and no roll-over explains it; kept, not counted, and judged again when its neighbours change or it is sent again); superseded (an estimate that actual readings contradict; kept, not counted). A reading between two others splits their interval. An actual reading takes the place of an estimate of its instant, and of those about it that contradict it. What was consumed is an event of the device''s event_type and subject: id made of device, instant and revision, source meter.device, time a microsecond before read_at, data of value (what was consumed), unit, quality (estimated where the reading at either end is), reading, interval_start, interval_end, device_id, serial_number, meter_type, communication_type, building_block_id, gateway_id, tariff_id, location and billing_direction, as they were when it was first counted; what changes is amended or voided. Errors: 22023 a bad argument, a reading that is too close to another one (TOO_SOON) or above the register (OUT_OF_RANGE), or consumption that a meter refuses (with the meter''s code), 40001 the series changed since a repeatable read transaction began, 42704 no such device, 42725 ambiguous device, 55000 an event of it cannot be corrected any more: it was voided by hand, or is past retention. Source: seed 001 (last_reading_value).';

-- The time of a text, null where it is none. Only what is well-formed comes here,
-- nearly all of which is a time that needs no check.
CREATE FUNCTION meter.reading_instant(given text) RETURNS timestamptz
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	RETURN given::timestamptz;
EXCEPTION WHEN data_exception THEN
	RETURN NULL;
END
$function$;
COMMENT ON FUNCTION meter.reading_instant(text) IS 'A timestamp with its zone, null where there is no such day or time. Source: internal.';

CREATE FUNCTION meter.read_readings(organization_id uuid, readings jsonb, OUT entries meter.reading_entry[], OUT rejected meter.reading_outcome[])
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $function$
#variable_conflict use_column
DECLARE
	org uuid := read_readings.organization_id;
BEGIN
	PERFORM meter.require_tenant(organization_id);
	WITH given AS MATERIALIZED (
		SELECT g.ordinal::int, g.item, jsonb_typeof(g.item) = 'object' AS is_object, jsonb_typeof(g.item -> 'device') AS device_type,
			g.item ->> 'device' AS device, g.item ->> 'value' AS value, g.item ->> 'read_at' AS read_at,
			coalesce(g.item ->> 'quality', 'actual') AS quality, g.item ->> 'source' AS source
		FROM jsonb_array_elements(readings) WITH ORDINALITY AS g(item, ordinal)
	), typed AS MATERIALIZED (
		SELECT g.*,
			CASE WHEN jsonb_typeof(g.item -> 'value') IN ('number', 'string') AND length(g.value) <= 61 AND g.value ~ '^-?[0-9]+(\.[0-9]+)?$'
				THEN g.value::numeric END AS number,
			CASE WHEN jsonb_typeof(g.item -> 'read_at') <> 'string' THEN NULL
				WHEN g.read_at ~ '^[12]\d{3}-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])[Tt ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?([Zz]|[+-](0\d|1[0-4])(:?[0-5]\d)?)$'
					THEN g.read_at::timestamptz
				WHEN g.read_at ~ '^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d(:?\d\d)?)$'
					THEN meter.reading_instant(g.read_at) END AS instant,
			CASE WHEN g.device_type IN ('number', 'string') AND g.device ~ '^(id:)?[0-9]{1,10}$' THEN ltrim(g.device, 'id:')::bigint END AS id,
			CASE WHEN g.device_type = 'string' AND g.device !~ '^id:[0-9]{1,10}$' THEN regexp_replace(g.device, '^serial:', '') END AS serial_number
		FROM given AS g
	), found AS (
		SELECT t.*, coalesce(i.id, s.id) AS device_id, i.id <> s.id AS ambiguous, coalesce(i.reading_type, s.reading_type) AS reading_type
		FROM typed AS t
		LEFT JOIN meter.device AS i ON i.organization_id = org AND i.id = t.id AND i.retired_at IS NULL
		LEFT JOIN meter.device AS s ON s.organization_id = org AND s.serial_number = t.serial_number AND s.retired_at IS NULL
	), judged AS (
		SELECT f.*, CASE
			WHEN NOT f.is_object THEN 'INVALID_TYPE|expected an object'
			WHEN f.item - '{device,value,read_at,quality,source}'::text[] <> '{}' THEN 'UNKNOWN_KEY|expected device, value, read_at, quality and source only'
			WHEN f.device_type IS NULL OR f.device_type NOT IN ('number', 'string') THEN 'MISSING_KEY|device: expected an id or a serial number'
			WHEN f.number IS NULL OR f.number NOT BETWEEN -1e30 AND 1e30 OR scale(f.number) > 30
				THEN 'INVALID_QUANTITY|value: expected a number of at most 1e30 with at most 30 decimals'
			WHEN f.instant IS NULL OR f.instant < '1900-01-01 00:00+00' THEN 'INVALID_TIME|read_at: expected an RFC 3339 timestamp with its zone'
			WHEN f.instant > clock_timestamp() + interval '5 minutes' THEN 'IN_FUTURE|read_at: is more than 5 minutes ahead'
			WHEN f.quality NOT IN ('actual', 'estimated') THEN 'INVALID_VALUE|quality: expected actual, estimated'
			WHEN coalesce(jsonb_typeof(f.item -> 'source'), 'null') NOT IN ('null', 'string') OR length(f.source) NOT BETWEEN 1 AND 200
				OR f.source ~ '[\x01-\x1F\x7F]' THEN 'INVALID_TEXT|source: expected 1 to 200 characters'
			WHEN f.ambiguous THEN 'AMBIGUOUS_DEVICE|that is the id of one device and the serial number of another'
			WHEN f.device_id IS NULL THEN 'DEVICE_NOT_FOUND|there is no such device'
			WHEN f.reading_type = 'cumulative' AND f.number < 0 THEN 'INVALID_QUANTITY|value: a register shows nothing negative'
			END AS wrong
		FROM found AS f
	)
	SELECT coalesce(array_agg((j.ordinal, j.device_id, 'reading', j.instant, j.number, NULL, j.quality, j.source, NULL, NULL)::meter.reading_entry
				ORDER BY j.ordinal) FILTER (WHERE j.wrong IS NULL), '{}'),
			coalesce(array_agg((j.ordinal, j.device_id, j.instant, 'rejected', split_part(j.wrong, '|', 1), split_part(j.wrong, '|', 2))::meter.reading_outcome)
				FILTER (WHERE j.wrong IS NOT NULL), '{}')
		INTO entries, rejected FROM judged AS j;
END
$function$;
COMMENT ON FUNCTION meter.read_readings(uuid, jsonb) IS 'The readings of a batch, and what is wrong with those that are none. Source: internal.';

CREATE FUNCTION meter.record_readings(organization_id uuid, readings jsonb)
	RETURNS TABLE (ordinal int, device_id int, read_at timestamptz, status text, code text, message text)
	LANGUAGE plpgsql ROWS 1000
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	batch record;
	settled record;
	refused jsonb := '{}';
BEGIN
	PERFORM meter.require_organization(organization_id);
	IF readings IS NULL OR jsonb_typeof(readings) <> 'array' THEN
		PERFORM meter.refuse_member('readings', 'INVALID_TYPE', NULL, 'expected an array of readings');
	END IF;
	batch := meter.read_readings(organization_id, readings);
	-- where meters refuse what a device consumed, all is done again without it
	LOOP
		BEGIN
			settled := meter.settle_readings(organization_id, ARRAY(
				SELECT e FROM unnest(batch.entries) AS e WHERE NOT refused ? e.device_id::text));
			EXIT WHEN settled.refused = '{}';
			RAISE EXCEPTION 'readings refused' USING ERRCODE = 'triggered_action_exception';
		EXCEPTION WHEN triggered_action_exception THEN
			refused := refused || settled.refused;
		END;
	END LOOP;
	RETURN QUERY
		SELECT o.ordinal, o.device_id, o.read_at, o.status, o.code, o.message FROM unnest(batch.rejected || settled.outcomes) AS o
		UNION ALL
		SELECT e.ordinal, e.device_id, e.read_at, 'rejected', refused -> e.device_id::text ->> 'code', refused -> e.device_id::text ->> 'message'
			FROM unnest(batch.entries) AS e WHERE refused ? e.device_id::text
		ORDER BY 1;
END
$function$;
COMMENT ON FUNCTION meter.record_readings(uuid, jsonb) IS 'Records an array of readings: objects of device (id, or text as for meter.record_reading), value (number, or a string with one), read_at (RFC 3339), quality (actual or estimated, default actual) and source, as for meter.record_reading. Result: a row a reading, in order: ordinal (from 1), device_id, read_at, status (as there, or rejected), code and message. A bad reading fails no other; but where meters refuse what a device consumed, or its events cannot be corrected, none of its readings of the array is recorded. The readings of a device that are newer than all it has may come in any order. Errors: 22000 a meter refuses something and the organization''s settings.partial is false, 22023 no array, 40001 as for meter.record_reading, 42704 no such organization. Source: seed 001 (readings).';

CREATE FUNCTION meter.remove_reading(device meter.device, point meter.reading_point, INOUT placement meter.reading_placement)
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $function$
#variable_conflict use_column
BEGIN
	DELETE FROM meter.reading_interval AS s
		WHERE s.organization_id = device.organization_id AND s.device_id = device.id AND s.interval_end = point.interval_end;
	IF point.event_id IS NOT NULL THEN
		placement.voided := placement.voided || jsonb_build_object('device_id', device.id, 'type', point.context -> 'type', 'id', point.event_id);
	END IF;
END
$function$;
COMMENT ON FUNCTION meter.remove_reading(meter.device, meter.reading_point, meter.reading_placement) IS 'Takes a reading out of its series. Result: with its event among those to be voided. Source: internal.';

CREATE FUNCTION meter.void_reading(organization_id uuid, device text, read_at timestamptz, reason text) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $function$
#variable_conflict use_column
DECLARE
	held meter.device;
	here meter.reading_point;
	before meter.reading_point;
	after meter.reading_point;
	placement meter.reading_placement;
	gap boolean := false;
BEGIN
	PERFORM meter.require_tenant(organization_id);
	IF meter.text_member('void', jsonb_build_object('reason', void_reading.reason), 'reason', 1000) IS NULL THEN
		PERFORM meter.refuse_member('void', 'MISSING_KEY', 'reason', 'expected a reason');
	END IF;
	held := meter.lock_device(organization_id, device);
	here := meter.reading_at(held, void_reading.read_at, 0);
	IF here.interval_end IS NULL AND NOT EXISTS (SELECT FROM meter.readings AS r
			WHERE r.organization_id = held.organization_id AND r.device_id = held.id AND r.read_at = void_reading.read_at AND r.status IN ('suspect', 'conflict')) THEN
		RAISE EXCEPTION 'device % has no reading at %', held.id, coalesce(meter.reading_time(void_reading.read_at), 'null')
			USING ERRCODE = 'undefined_object', DETAIL = 'READING_NOT_FOUND.';
	END IF;
	PERFORM meter.keep_reading(held.organization_id, (1, held.id, 'void', void_reading.read_at, NULL, NULL, NULL, NULL, NULL,
		void_reading.reason)::meter.reading_entry, 'void', NULL);
	IF here.interval_end IS NOT NULL THEN
		before := meter.reading_at(held, void_reading.read_at, -1);
		after := meter.reading_at(held, void_reading.read_at, 1);
		placement.touched := '{}';
		placement.voided := '[]';
		placement := meter.remove_reading(held, here, placement);
		-- estimates that only this one held up fall
		WHILE held.reading_type = 'cumulative' AND before.interval_end IS NOT NULL AND after.interval_end IS NOT NULL
			AND meter.register_step(before.next_value, after.value, before.rollover_at, held.rollover_limit) IS NULL
		LOOP
			IF after.quality = 'estimated' AND after.kind = 'reading' THEN
				placement := meter.remove_reading(held, after, placement);
				after := meter.reading_at(held, after.interval_end, 1);
			ELSIF before.quality = 'estimated' AND before.kind = 'reading' THEN
				placement := meter.remove_reading(held, before, placement);
				before := meter.reading_at(held, before.interval_end, -1);
			ELSE
				EXIT;
			END IF;
		END LOOP;
		gap := held.reading_type = 'cumulative' AND before.interval_end IS NOT NULL AND after.interval_end IS NOT NULL
			AND meter.register_step(before.next_value, after.value, before.rollover_at, held.rollover_limit) IS NULL;
		placement.stretch_from := coalesce(before.interval_end, '-infinity');
		placement.stretch_to := coalesce(after.interval_end, 'infinity');
		IF held.reading_type = 'cumulative' AND after.interval_end IS NOT NULL THEN
			PERFORM meter.follow_reading(held, before, after);
			placement.touched := ARRAY[after.interval_end];
		END IF;
		placement := meter.retry_suspects(held, placement);
		PERFORM meter.finish_change(held, placement);
	END IF;
	RETURN jsonb_build_object('status', 'voided', 'device_id', held.id, 'read_at', void_reading.read_at, 'reason', void_reading.reason,
		'code', CASE WHEN gap THEN 'GAP' END,
		'message', CASE WHEN gap THEN format('without it %s at %s and %s at %s contradict each other: nothing is counted between them',
			before.next_value, meter.reading_time(before.interval_end), after.value, meter.reading_time(after.interval_end)) END);
END
$function$;
COMMENT ON FUNCTION meter.void_reading(uuid, text, timestamptz, text) IS 'Takes back what was read from a device at an instant, a replacement or reset included; readings that were suspect because of it are counted now. Where those before and after it contradict each other without it, nothing is counted between them (code GAP) until something that was read or done there explains it. What was read stays in meter.reading, and estimates that it took the place of do not come back. device: id or serial number; read_at: the instant; reason: 1 to 1000 characters. Result: object of status (voided), device_id, read_at, reason, code and message. Errors: 22023 bad reason, 40001 the series changed since a repeatable read transaction began, 42704 no such device or reading, 42725 ambiguous device, 55000 an event of the interval behind it cannot be corrected any more. Source: standard.';
