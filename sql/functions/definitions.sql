-- Definitions of meters: checked, completed, written as versions.

CREATE FUNCTION meter.check_definition(definition jsonb, inherited_fields jsonb DEFAULT '{}') RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'meter_check_definition';
COMMENT ON FUNCTION meter.check_definition(jsonb, jsonb) IS 'Checks a meter definition and gives the signature of its stream. inherited_fields: object, the organization''s custom fields. Errors: 22023 with the JSON pointer of what is wrong, 0A000 what is not supported yet, or an approximate unique_count without the extension hll. Source: internal.';

-- Every key a definition has, with its default.
CREATE FUNCTION meter.complete_definition(definition jsonb) RETURNS jsonb
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT '{"value_field": null, "unique_by_field": null, "function_options": null, "dimensions": {},
		"filter_tree": null, "dedup_key_path": null, "event_schema": null, "late_event_policy": null,
		"negative_allowed": false, "unit_label": null, "unit_currency_field": null,
		"data_fields": null, "derived_fields": null, "custom_fields": null, "product_id": null,
		"group_id": null, "workspace_id": null, "description": null, "profiles": null,
		"account_mapping": null}'::jsonb
		|| pg_catalog.jsonb_build_object('name', definition -> 'key')
		|| pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object(
			'dimensions', definition -> 'dimensions',
			'negative_allowed', definition -> 'negative_allowed',
			'name', definition -> 'name'))
		|| (definition - '{dimensions,negative_allowed,name,window}'::text[])
		|| pg_catalog.jsonb_build_object('window',
			'{"size": "month", "count": 1, "time_zone": "UTC", "anchor": null, "week_start": "monday"}'::jsonb
			|| CASE WHEN pg_catalog.jsonb_typeof(definition -> 'window') = 'object'
				THEN definition -> 'window' ELSE '{}' END)
		|| CASE WHEN pg_catalog.jsonb_typeof(definition -> 'late_event_policy') = 'object'
			THEN pg_catalog.jsonb_build_object('late_event_policy',
				'{"mode": "revise", "grace": "1 hour", "max_future": null, "max_age": null}'::jsonb
				|| pg_catalog.jsonb_strip_nulls(definition -> 'late_event_policy')) ELSE '{}' END;
END;
COMMENT ON FUNCTION meter.complete_definition(jsonb) IS 'A checked definition with every key it left out filled in. Source: internal.';

-- Every key a profile has, with its default.
CREATE FUNCTION meter.complete_profiles(profiles jsonb, former jsonb) RETURNS jsonb
	LANGUAGE sql VOLATILE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN pg_catalog.jsonb_typeof(profiles) <> 'array' THEN profiles ELSE COALESCE((
		SELECT pg_catalog.jsonb_agg('{"name": null, "recurring": false, "aggregation_property": null,
				"aggregation_time_window": null, "function_options": null, "filters": []}'::jsonb
			|| pg_catalog.jsonb_build_object('id', COALESCE((
				SELECT f.profile -> 'id' FROM pg_catalog.jsonb_array_elements(
					CASE WHEN pg_catalog.jsonb_typeof(former) = 'array' THEN former ELSE '[]' END) AS f (profile)
				WHERE f.profile -> 'code' = p.profile -> 'code' LIMIT 1),
				pg_catalog.to_jsonb(pg_catalog.gen_random_uuid())))
			|| pg_catalog.jsonb_strip_nulls(p.profile) ORDER BY p.position)
		FROM pg_catalog.jsonb_array_elements(profiles) WITH ORDINALITY AS p (profile, position)), '[]') END;
END;
COMMENT ON FUNCTION meter.complete_profiles(jsonb, jsonb) IS 'Checked profiles (array or null) with every key they left out filled in; an id that is not given is that of the former profile (array or null) with the same code, or a new UUID. Source: internal.';

CREATE FUNCTION meter.stream_of(organization_id uuid, signature text) RETURNS int
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	found int;
BEGIN
	PERFORM meter.require_tenant(organization_id);
	INSERT INTO meter.stream (organization_id, signature)
		VALUES (stream_of.organization_id, stream_of.signature)
		ON CONFLICT (organization_id, signature) DO NOTHING;
	SELECT s.stream_id INTO STRICT found FROM meter.stream AS s
		WHERE s.organization_id = stream_of.organization_id AND s.signature = stream_of.signature;
	RETURN found;
END
$function$;
COMMENT ON FUNCTION meter.stream_of(uuid, text) IS 'The number of the stream with this signature, entered where it is new. Source: internal.';

CREATE FUNCTION meter.effective_at(patch jsonb) RETURNS timestamptz
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	given jsonb := patch -> 'effective_at';
BEGIN
	IF coalesce(given, 'null') = 'null' THEN
		RETURN NULL;
	END IF;
	-- with a zone: what a version measures must not depend on a setting
	IF jsonb_typeof(given) = 'string'
			AND given #>> '{}' ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9:.]+([Zz]|[+-][0-9]{2}(:?[0-9]{2})?)$' THEN
		BEGIN
			RETURN (given #>> '{}')::timestamptz;
		EXCEPTION WHEN data_exception THEN
			NULL;
		END;
	END IF;
	RAISE EXCEPTION 'invalid meter definition: expected a timestamp with a zone, such as 2026-01-31T00:00:00Z'
		USING ERRCODE = 'invalid_parameter_value', DETAIL = 'INVALID_TIME at /effective_at.';
END
$function$;
COMMENT ON FUNCTION meter.effective_at(jsonb) IS 'The effective_at of a definition or patch, or null. Errors: 22023 not a timestamp. Source: internal.';

CREATE FUNCTION meter.find_meter(organization_id uuid, meter text) RETURNS meter.meter
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	head meter.meter;
BEGIN
	PERFORM meter.require_tenant(organization_id);
	SELECT m.* INTO head FROM meter.meter AS m
		WHERE m.organization_id = find_meter.organization_id
			AND (m.key = find_meter.meter OR m.id::text = lower(find_meter.meter))
		ORDER BY m.key <> find_meter.meter
		LIMIT 1;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'meter "%" does not exist', coalesce(find_meter.meter, 'null')
			USING ERRCODE = 'undefined_object';
	END IF;
	RETURN head;
END
$function$;
COMMENT ON FUNCTION meter.find_meter(uuid, text) IS 'The meter of that key or id. Errors: 42704 no such meter. Source: internal.';

CREATE FUNCTION meter.flag_member(what text, document jsonb, member text) RETURNS boolean
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	value jsonb := coalesce(document -> member, 'null');
BEGIN
	IF jsonb_typeof(value) NOT IN ('boolean', 'null') THEN
		PERFORM meter.refuse_member(what, 'INVALID_TYPE', member, member || ': expected true or false');
	END IF;
	RETURN value = 'true';
END
$function$;
COMMENT ON FUNCTION meter.flag_member(text, jsonb, text) IS 'A boolean of a document, false where it is missing or null. Errors: 22023 no boolean. Source: internal.';

CREATE FUNCTION meter.check_controls(what text, document jsonb) RETURNS void
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	PERFORM meter.flag_member(what, document, 'reprocess');
	IF NOT meter.flag_member(what, document, 'save_as_draft') THEN
		RETURN;
	END IF;
	IF meter.effective_at(document) IS NOT NULL THEN
		PERFORM meter.refuse_member(what, 'INVALID_COMBINATION', 'effective_at',
			'effective_at: a draft gets its time when it is published');
	ELSIF meter.flag_member(what, document, 'reprocess') THEN
		PERFORM meter.refuse_member(what, 'INVALID_COMBINATION', 'reprocess', 'reprocess: a draft counts nothing');
	END IF;
END
$function$;
COMMENT ON FUNCTION meter.check_controls(text, jsonb) IS 'Checks effective_at, save_as_draft and reprocess of a definition or patch. what: its name. Errors: 22023. Source: internal.';

-- What is written of a definition, in a row that is otherwise empty.
CREATE FUNCTION meter.prepare_version(organization_id uuid, definition jsonb, former_profiles jsonb) RETURNS meter.meter_version
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	result meter.meter_version;
BEGIN
	result.inherited_fields := meter.inherited_fields(organization_id);
	result.stream_id := meter.stream_of(organization_id, meter.check_definition(definition, result.inherited_fields));
	result.definition := meter.complete_definition(definition);
	result.definition := result.definition
		|| jsonb_build_object('profiles', meter.complete_profiles(result.definition -> 'profiles', former_profiles));
	RETURN result;
END
$function$;
COMMENT ON FUNCTION meter.prepare_version(uuid, jsonb, jsonb) IS 'Checks and completes a definition: the definition, inherited_fields and stream_id of a version. former_profiles: array or null, whose ids the profiles keep. Errors: as meter.check_definition. Source: internal.';

CREATE FUNCTION meter.write_draft(head meter.meter, version int, prepared meter.meter_version) RETURNS meter.meter_version
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	written meter.meter_version;
BEGIN
	IF write_draft.version IS NOT NULL THEN
		UPDATE meter.meter_version AS v SET definition = prepared.definition,
				inherited_fields = prepared.inherited_fields, stream_id = prepared.stream_id
			WHERE v.organization_id = head.organization_id AND v.meter_id = head.id AND v.version = write_draft.version
			RETURNING v.* INTO STRICT written;
	ELSE
		INSERT INTO meter.meter_version (organization_id, meter_id, version, meter_no, stream_id, status, definition, inherited_fields)
			SELECT head.organization_id, head.id, coalesce(max(v.version), 0) + 1, head.meter_no, prepared.stream_id,
				'draft', prepared.definition, prepared.inherited_fields
			FROM meter.meter_version AS v WHERE v.organization_id = head.organization_id AND v.meter_id = head.id
			RETURNING * INTO STRICT written;
	END IF;
	RETURN written;
END
$function$;
COMMENT ON FUNCTION meter.write_draft(meter.meter, int, meter.meter_version) IS 'Writes what meter.prepare_version gave into a draft of that number, or a new one where it is null. Result: the version. Source: internal.';

CREATE FUNCTION meter.create_meter(organization_id uuid, definition jsonb) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	org uuid := create_meter.organization_id;
	head meter.meter;
	prepared meter.meter_version;
	written meter.meter_version;
BEGIN
	PERFORM meter.require_organization(org);
	IF definition IS NULL THEN
		RAISE EXCEPTION 'invalid meter definition: expected an object'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	PERFORM meter.check_controls('meter definition', definition);
	prepared := meter.prepare_version(org, CASE WHEN jsonb_typeof(definition) = 'object'
		THEN definition - '{effective_at,save_as_draft,reprocess}'::text[] ELSE definition END, NULL);

	INSERT INTO meter.meter (organization_id, key, metric_key)
		VALUES (org, prepared.definition ->> 'key', prepared.definition ->> 'metric_key')
		ON CONFLICT (organization_id, key) DO NOTHING
		RETURNING * INTO head;
	IF head.id IS NULL THEN
		RAISE EXCEPTION 'meter "%" already exists', prepared.definition ->> 'key'
			USING ERRCODE = 'unique_violation';
	END IF;
	written := meter.write_draft(head, NULL, prepared);
	PERFORM meter.emit_meter_event(head, 'meter.created', jsonb_build_object('version', written.version));
	IF NOT meter.flag_member('meter definition', definition, 'save_as_draft') THEN
		-- History can be loaded; what came before there was the meter is only
		-- counted when that is asked for.
		written := meter.put_in_force(head, written.version, coalesce(meter.effective_at(definition), '-infinity'),
			meter.flag_member('meter definition', definition, 'reprocess'));
		SELECT m.* INTO STRICT head FROM meter.meter AS m WHERE m.organization_id = org AND m.id = head.id;
	END IF;
	RETURN meter.meter_document(head, written);
END
$function$;
COMMENT ON FUNCTION meter.create_meter(uuid, jsonb) IS 'Creates a meter and its first version. definition: object with the keys of docs/reference.md#meter-definition, and effective_at (timestamp with a zone: the first event time it measures, default -infinity), save_as_draft (boolean, default false: it counts nothing until meter.publish_meter_version), reprocess (boolean, default false: also count the events of its type that came before it). Result: the meter document. Errors: 22023 with the JSON pointer of what is wrong, 0A000 what is not supported yet, or an approximate unique_count without the extension hll, 23505 the key is taken, 42704 no such organization. Source: seed 000 (POST /meters).';

CREATE FUNCTION meter.check_lock(head meter.meter, wanted jsonb, VARIADIC versions int[]) RETURNS void
	LANGUAGE plpgsql IMMUTABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	IF wanted IS NULL OR wanted = 'null' OR wanted IN (SELECT to_jsonb(v) FROM unnest(versions) AS v WHERE v IS NOT NULL) THEN
		RETURN;
	END IF;
	-- not 40001: to say the same again would not help
	RAISE EXCEPTION 'meter "%" is at version %, not at %', head.key, versions[1], wanted
		USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = 'VERSION_MISMATCH at /version.',
			HINT = 'Read the meter again and apply the change to what it is now.'
				|| coalesce(' Its draft is version ' || nullif(versions[2], versions[1]) || '.', '');
END
$function$;
COMMENT ON FUNCTION meter.check_lock(meter.meter, jsonb, int[]) IS 'The optimistic lock: what the caller took the meter for (null: anything) must be one of these versions. Errors: 55000. Source: internal.';

CREATE FUNCTION meter.update_meter(organization_id uuid, meter text, patch jsonb) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	org uuid := update_meter.organization_id;
	as_draft boolean;
	recount boolean;
	boundary timestamptz;
	head meter.meter;
	shown meter.meter_version;
	draft meter.meter_version;
	base meter.meter_version;
	written meter.meter_version;
	unchanged text;
BEGIN
	PERFORM meter.require_tenant(organization_id);
	IF patch IS NULL OR jsonb_typeof(patch) <> 'object' THEN
		RAISE EXCEPTION 'invalid meter patch: expected an object'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	PERFORM meter.check_controls('meter patch', patch);
	as_draft := meter.flag_member('meter patch', patch, 'save_as_draft');
	recount := meter.flag_member('meter patch', patch, 'reprocess');
	head := meter.lock_meter(org, update_meter.meter, NOT as_draft);
	SELECT v.* INTO STRICT shown FROM meter.current_version(org, head.id, clock_timestamp()) AS v;
	IF as_draft THEN
		SELECT v.* INTO draft FROM meter.meter_version AS v
			WHERE v.organization_id = org AND v.meter_id = head.id AND v.status = 'draft'
			ORDER BY v.version DESC LIMIT 1;
		base := CASE WHEN FOUND THEN draft ELSE shown END;
	ELSE
		boundary := meter.publishing_instant(meter.effective_at(patch), recount);
		SELECT v.* INTO base FROM meter.meter_version AS v
			WHERE v.organization_id = org AND v.meter_id = head.id
				AND v.effective_from <= boundary AND boundary < v.effective_to;
		base := CASE WHEN FOUND THEN base ELSE shown END;
	END IF;
	PERFORM meter.check_lock(head, patch -> 'version', shown.version, draft.version);

	FOREACH unchanged IN ARRAY ARRAY['key', 'metric_key'] LOOP
		IF patch ? unchanged AND patch -> unchanged IS DISTINCT FROM base.definition -> unchanged THEN
			RAISE EXCEPTION 'invalid meter patch: % cannot change', unchanged
				USING ERRCODE = 'invalid_parameter_value', DETAIL = format('IMMUTABLE at /%s.', unchanged);
		END IF;
	END LOOP;
	written := meter.write_draft(head, draft.version, meter.prepare_version(org,
		base.definition || (patch - '{effective_at,save_as_draft,reprocess,version}'::text[]), base.definition -> 'profiles'));
	IF NOT as_draft THEN
		PERFORM meter.emit_meter_event(head, 'meter.updated', jsonb_build_object('version', written.version));
		written := meter.put_in_force(head, written.version, boundary, true);
		SELECT m.* INTO STRICT head FROM meter.meter AS m WHERE m.organization_id = org AND m.id = head.id;
	END IF;
	RETURN meter.meter_document(head, written);
END
$function$;
COMMENT ON FUNCTION meter.update_meter(uuid, text, jsonb) IS 'Writes a new version of a meter. meter: key or id; patch: object of definition keys (absent keeps, null resets; what is kept is what the version in force at the new one''s start has), and effective_at (timestamp with a zone from which it measures, default at once), save_as_draft (boolean: changes the newest draft, or writes one where there is none; a draft counts nothing), reprocess (boolean: allows an effective_at in the past, the events since then are counted again as far as their windows are open), version (int, optimistic lock: the version the meter shows; with save_as_draft also the draft''s number). Result: the meter document with the definition of the version written. Errors: 22023 with the JSON pointer of what is wrong, 0A000 what is not supported yet, or an approximate unique_count without the extension hll, 23505 another version begins at that instant, 42704 no such meter, 55000 version mismatch or archived. Source: seed 000 (PATCH /meters/{id}), seed 003 (version).';
