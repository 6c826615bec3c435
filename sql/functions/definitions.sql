CREATE FUNCTION meter.check_custom_fields(fields jsonb) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	wrong text;
BEGIN
	IF jsonb_typeof(fields) <> 'object' THEN
		RAISE EXCEPTION 'invalid organization: settings: custom_fields: expected an object of strings and numbers'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	SELECT f.key INTO wrong FROM jsonb_each(fields) AS f
		WHERE jsonb_typeof(f.value) NOT IN ('string', 'number') LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'invalid organization: settings: custom_fields: %: expected a string or a number', wrong
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
END
$function$;
COMMENT ON FUNCTION meter.check_custom_fields(jsonb) IS 'Checks the custom fields of an organization. Errors: 22023 not an object of strings and numbers. Source: internal.';

CREATE FUNCTION meter.create_organization(name text, id uuid DEFAULT pg_catalog.gen_random_uuid(), settings jsonb DEFAULT '{}') RETURNS uuid
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	setting text;
BEGIN
	IF name IS NULL OR length(name) NOT BETWEEN 1 AND 200 THEN
		RAISE EXCEPTION 'invalid organization: name: expected 1 to 200 characters'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF id IS NULL THEN
		RAISE EXCEPTION 'invalid organization: id: expected a UUID'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF settings IS NULL OR jsonb_typeof(settings) <> 'object' THEN
		RAISE EXCEPTION 'invalid organization: settings: expected an object'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	FOR setting IN SELECT jsonb_object_keys(settings) LOOP
		IF setting = 'custom_fields' THEN
			PERFORM meter.check_custom_fields(settings -> setting);
		ELSIF setting NOT IN ('partial', 'require_known_subject') THEN
			RAISE EXCEPTION 'invalid organization: settings: unknown key "%"', setting
				USING ERRCODE = 'invalid_parameter_value';
		ELSIF jsonb_typeof(settings -> setting) <> 'boolean' THEN
			RAISE EXCEPTION 'invalid organization: settings: %: expected true or false', setting
				USING ERRCODE = 'invalid_parameter_value';
		END IF;
	END LOOP;
	INSERT INTO meter.organization (organization_id, name, settings)
		VALUES (create_organization.id, create_organization.name, create_organization.settings);
	RETURN id;
END
$function$;
COMMENT ON FUNCTION meter.create_organization(text, uuid, jsonb) IS 'Creates a tenant. name: 1 to 200 characters; id: its UUID, made up by default; settings: object, partial (boolean, default true: one bad event does not fail its batch), require_known_subject (boolean, default false: events whose subject is no customer''s are rejected), custom_fields (object of strings and numbers: calculations of every meter may name them, a meter''s own of the same name comes first). Result: the id. Errors: 22023 bad argument, 23505 the id is taken. Source: standard.';

CREATE FUNCTION meter.inherited_fields(organization_id uuid) RETURNS jsonb
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT COALESCE(NULLIF(o.settings -> 'custom_fields', 'null'), '{}')
	FROM meter.organization AS o WHERE o.organization_id = $1;
END;
COMMENT ON FUNCTION meter.inherited_fields(uuid) IS 'The custom fields an organization gives its meters, an object. Source: internal.';

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
				THEN definition -> 'window' ELSE '{}' END);
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
	INSERT INTO meter.stream (organization_id, signature)
		VALUES (stream_of.organization_id, stream_of.signature)
		ON CONFLICT (organization_id, signature) DO NOTHING;
	SELECT s.stream_id INTO STRICT found FROM meter.stream AS s
		WHERE s.organization_id = stream_of.organization_id AND s.signature = stream_of.signature;
	RETURN found;
END
$function$;
COMMENT ON FUNCTION meter.stream_of(uuid, text) IS 'The number of the stream with this signature, entered where it is new. Source: internal.';

CREATE FUNCTION meter.create_meter(organization_id uuid, definition jsonb) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	org uuid := create_meter.organization_id;
	effective_at timestamptz := '-infinity';
	head meter.meter;
	whole jsonb;
	stream int;
BEGIN
	IF org IS NULL OR NOT EXISTS (SELECT FROM meter.organization AS o WHERE o.organization_id = org) THEN
		RAISE EXCEPTION 'organization % does not exist', coalesce(org::text, 'null')
			USING ERRCODE = 'undefined_object';
	END IF;
	IF definition IS NULL THEN
		RAISE EXCEPTION 'invalid meter definition: expected an object'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF jsonb_typeof(definition) = 'object' AND definition ? 'effective_at' THEN
		effective_at := coalesce(meter.effective_at(definition), effective_at);
		definition := definition - 'effective_at';
	END IF;
	stream := meter.stream_of(org, meter.check_definition(definition, meter.inherited_fields(org)));
	whole := meter.complete_definition(definition);
	whole := whole || jsonb_build_object('profiles', meter.complete_profiles(whole -> 'profiles', NULL));

	INSERT INTO meter.meter (organization_id, key, metric_key)
		VALUES (org, whole ->> 'key', whole ->> 'metric_key')
		ON CONFLICT (organization_id, key) DO NOTHING
		RETURNING * INTO head;
	IF head.id IS NULL THEN
		RAISE EXCEPTION 'meter "%" already exists', whole ->> 'key'
			USING ERRCODE = 'unique_violation';
	END IF;
	INSERT INTO meter.meter_version (organization_id, meter_id, version, meter_no, stream_id, status,
			definition, inherited_fields, effective_from, effective_to, published_at)
		VALUES (org, head.id, 1, head.meter_no, stream, 'active', whole, meter.inherited_fields(org), effective_at, 'infinity', now());
	RETURN meter.meter_document(head, whole);
END
$function$;
COMMENT ON FUNCTION meter.create_meter(uuid, jsonb) IS 'Creates a meter and its first version. definition: object with the keys of docs/reference.md#meter-definition, and effective_at (timestamp, default -infinity). Result: the meter document. Errors: 22023 with the JSON pointer of what is wrong, 0A000 what is not supported yet, or an approximate unique_count without the extension hll, 23505 the key is taken, 42704 no such organization. Source: seed 000 (POST /meters).';

CREATE FUNCTION meter.effective_at(patch jsonb) RETURNS timestamptz
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	given jsonb := patch -> 'effective_at';
BEGIN
	IF given = 'null' THEN
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

CREATE FUNCTION meter.lock_definitions(organization_id uuid) RETURNS void
	LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'meter_lock_definitions';
COMMENT ON FUNCTION meter.lock_definitions(uuid) IS 'Waits, to the end of the transaction, for the ingestion under way in the organization: what follows sees all of it counted by the old versions. Source: internal.';

CREATE FUNCTION meter.update_meter(organization_id uuid, meter text, patch jsonb) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	org uuid := update_meter.organization_id;
	head meter.meter;
	latest meter.meter_version;
	whole jsonb;
	stream int;
	wanted jsonb;
	unchanged text;
	boundary timestamptz;
BEGIN
	IF patch IS NULL OR jsonb_typeof(patch) <> 'object' THEN
		RAISE EXCEPTION 'invalid meter patch: expected an object'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF coalesce(patch -> 'effective_at', 'null') <> 'null' OR coalesce(patch -> 'save_as_draft', 'false') NOT IN ('false', 'null')
			OR coalesce(patch -> 'reprocess', 'false') NOT IN ('false', 'null') THEN
		RAISE EXCEPTION 'effective_at, save_as_draft and reprocess are not supported yet'
			USING ERRCODE = 'feature_not_supported';
	END IF;
	head := meter.find_meter(org, update_meter.meter);
	-- Events in flight were measured by the old version: let them commit before
	-- the new version's range begins.
	PERFORM meter.lock_definitions(org);
	SELECT m.* INTO head FROM meter.meter AS m
		WHERE m.organization_id = org AND m.id = head.id FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'meter "%" does not exist', update_meter.meter
			USING ERRCODE = 'undefined_object';
	END IF;
	IF head.status = 'archived' THEN
		RAISE EXCEPTION 'meter "%" is archived', head.key
			USING ERRCODE = 'object_not_in_prerequisite_state';
	END IF;
	wanted := patch -> 'version';
	IF wanted IS NOT NULL AND wanted <> 'null' AND wanted <> to_jsonb(head.head_version) THEN
		RAISE EXCEPTION 'meter "%" is at version %, not at %', head.key, head.head_version, wanted
			USING ERRCODE = 'serialization_failure', DETAIL = 'VERSION_MISMATCH at /version.',
				HINT = 'Read the meter again and apply the change to what it is now.';
	END IF;
	SELECT v.* INTO STRICT latest FROM meter.meter_version AS v
		WHERE v.organization_id = org AND v.meter_id = head.id AND v.version = head.head_version;

	FOREACH unchanged IN ARRAY ARRAY['key', 'metric_key'] LOOP
		IF patch ? unchanged AND patch -> unchanged IS DISTINCT FROM latest.definition -> unchanged THEN
			RAISE EXCEPTION 'invalid meter patch: % cannot change', unchanged
				USING ERRCODE = 'invalid_parameter_value', DETAIL = format('IMMUTABLE at /%s.', unchanged);
		END IF;
	END LOOP;
	whole := latest.definition || (patch - '{effective_at,save_as_draft,reprocess,version}'::text[]);
	stream := meter.stream_of(org, meter.check_definition(whole, meter.inherited_fields(org)));
	whole := meter.complete_definition(whole);
	whole := whole || jsonb_build_object('profiles', meter.complete_profiles(whole -> 'profiles', latest.definition -> 'profiles'));

	boundary := clock_timestamp();
	IF latest.effective_from >= boundary THEN
		RAISE EXCEPTION 'version % of meter "%" is not in effect yet', latest.version, head.key
			USING ERRCODE = 'object_not_in_prerequisite_state',
				DETAIL = format('It is effective from %s.', latest.effective_from);
	END IF;
	UPDATE meter.meter_version AS v SET status = 'superseded', effective_to = boundary
		WHERE v.organization_id = org AND v.meter_id = head.id AND v.version = head.head_version;
	INSERT INTO meter.meter_version (organization_id, meter_id, version, meter_no, stream_id, status,
			definition, inherited_fields, effective_from, effective_to, published_at)
		VALUES (org, head.id, head.head_version + 1, head.meter_no, stream, 'active', whole, meter.inherited_fields(org), boundary, 'infinity', now());
	UPDATE meter.meter AS m SET head_version = head.head_version + 1, updated_at = now()
		WHERE m.organization_id = org AND m.id = head.id
		RETURNING m.* INTO head;
	RETURN meter.meter_document(head, whole);
END
$function$;
COMMENT ON FUNCTION meter.update_meter(uuid, text, jsonb) IS 'Publishes a new version of a meter, effective at once. meter: key or id; patch: object of definition keys (absent keeps, null resets) and version (int, optimistic lock). Result: the meter document. Errors: 22023 with the JSON pointer of what is wrong, 0A000 what is not supported yet, or an approximate unique_count without the extension hll, 40001 version mismatch, 42704 no such meter, 55000 archived, or its newest version not in effect yet. Source: seed 000 (PATCH /meters/{id}).';
