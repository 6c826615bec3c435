-- Organizations: tenants and their settings.

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

CREATE FUNCTION meter.check_organization(name text, settings jsonb) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	setting text;
BEGIN
	IF name IS NULL OR length(name) NOT BETWEEN 1 AND 200 THEN
		RAISE EXCEPTION 'invalid organization: name: expected 1 to 200 characters'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF settings IS NULL OR jsonb_typeof(settings) <> 'object' THEN
		RAISE EXCEPTION 'invalid organization: settings: expected an object'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	FOR setting IN SELECT jsonb_object_keys(settings) LOOP
		IF setting = 'custom_fields' THEN
			PERFORM meter.check_custom_fields(settings -> setting);
		ELSIF setting = 'licenses' THEN
			IF jsonb_typeof(settings -> setting) <> 'array' OR jsonb_path_exists(settings -> setting, 'strict $[*] ? (@.type() <> "string")') THEN
				RAISE EXCEPTION 'invalid organization: settings: licenses: expected an array of strings'
					USING ERRCODE = 'invalid_parameter_value';
			END IF;
		ELSIF setting = 'quota_status' THEN
			IF settings -> setting NOT IN ('402', '429') THEN
				RAISE EXCEPTION 'invalid organization: settings: quota_status: expected 402 or 429'
					USING ERRCODE = 'invalid_parameter_value';
			END IF;
		ELSIF setting NOT IN ('partial', 'require_known_subject') THEN
			RAISE EXCEPTION 'invalid organization: settings: unknown key "%"', setting
				USING ERRCODE = 'invalid_parameter_value';
		ELSIF jsonb_typeof(settings -> setting) <> 'boolean' THEN
			RAISE EXCEPTION 'invalid organization: settings: %: expected true or false', setting
				USING ERRCODE = 'invalid_parameter_value';
		END IF;
	END LOOP;
END
$function$;
COMMENT ON FUNCTION meter.check_organization(text, jsonb) IS 'Checks an organization''s name and settings. Errors: 22023. Source: internal.';

CREATE FUNCTION meter.create_organization(name text, id uuid DEFAULT pg_catalog.gen_random_uuid(), settings jsonb DEFAULT '{}') RETURNS uuid
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	PERFORM meter.require_tenant(id);
	IF id IS NULL THEN
		RAISE EXCEPTION 'invalid organization: id: expected a UUID'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	PERFORM meter.check_organization(name, settings);
	INSERT INTO meter.organization (organization_id, name, settings)
		VALUES (create_organization.id, create_organization.name, create_organization.settings);
	RETURN id;
END
$function$;
COMMENT ON FUNCTION meter.create_organization(text, uuid, jsonb) IS 'Creates a tenant. name: 1 to 200 characters; id: its UUID, made up by default; settings: object, partial (boolean, default true: one bad event does not fail its batch), require_known_subject (boolean, default false: events whose subject is no customer''s are rejected), custom_fields (object of strings and numbers: calculations of every meter may name them, a meter''s own of the same name comes first), licenses (array of strings: what it may use over the HTTP surface of seed 002, which needs metered_products and subscription; absent: everything), quota_status (402 or 429, default 429: the HTTP status there of a report that a quota refuses). Result: the id. Errors: 22023 bad argument, 23505 the id is taken, 42501 not the caller''s. Source: standard.';

CREATE FUNCTION meter.update_organization(organization_id uuid, patch jsonb) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	given jsonb := patch -> 'settings';
	held meter.organization;
	setting text;
BEGIN
	PERFORM meter.require_tenant(organization_id);
	PERFORM meter.check_members('organization', patch, '{name,settings}');
	SELECT o.* INTO held FROM meter.organization AS o
		WHERE o.organization_id = update_organization.organization_id FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		PERFORM meter.require_organization(update_organization.organization_id);
	END IF;
	IF patch ? 'name' THEN
		held.name := meter.text_member('organization', patch, 'name', 200);
	END IF;
	IF jsonb_typeof(given) = 'null' THEN
		held.settings := '{}';
	ELSIF jsonb_typeof(given) = 'object' THEN
		held.settings := held.settings || given;
		FOR setting IN SELECT g.key FROM jsonb_each(given) AS g WHERE g.value = 'null' LOOP
			held.settings := held.settings - setting;
		END LOOP;
	ELSIF given IS NOT NULL THEN
		held.settings := given;
	END IF;
	PERFORM meter.check_organization(held.name, held.settings);
	UPDATE meter.organization AS o SET name = held.name, settings = held.settings
		WHERE o.organization_id = held.organization_id;
	RETURN jsonb_build_object('organization_id', held.organization_id, 'name', held.name,
		'settings', held.settings, 'created_at', held.created_at);
END
$function$;
COMMENT ON FUNCTION meter.update_organization(uuid, jsonb) IS 'Changes a tenant''s name and settings. patch: object of name (1 to 200 characters) and settings (object as in meter.create_organization; a key that is absent stays, one that is null goes back to its default, custom_fields is one key; null instead of the object resets all). Versions of meters keep the custom fields they were published with. Result: object of organization_id, name, settings, created_at. Errors: 22023 bad patch, 42704 no such organization. Source: standard.';

CREATE FUNCTION meter.inherited_fields(organization_id uuid) RETURNS jsonb
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT COALESCE(NULLIF(o.settings -> 'custom_fields', 'null'), '{}')
	FROM meter.organization AS o WHERE meter.require_tenant($1) IS NOT NULL AND o.organization_id = $1;
END;
COMMENT ON FUNCTION meter.inherited_fields(uuid) IS 'The custom fields an organization gives its meters, an object. Source: internal.';
