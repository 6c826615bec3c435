-- Seed 004: meters with several aggregations, their profiles.

-- The definition's own aggregation, which usage is without a profile, is that
-- of the first profile; a meter without profiles counts its events by month.
-- A meter that was made elsewhere keeps the one it has: those made here are told
-- by it, and by an array of profiles even where there are none.

CREATE FUNCTION meter.http_filter_tree(filters jsonb) RETURNS jsonb
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	IF filters IS NULL OR filters IN ('null', '[]') THEN
		RETURN NULL;
	END IF;
	RETURN (SELECT jsonb_build_object('and', jsonb_agg(jsonb_build_object('field', f.filter -> 'property', 'op', f.filter -> 'operator',
			'value', CASE WHEN f.filter ->> 'operator' IN ('in', 'nin') THEN f.filter -> 'value' ELSE f.filter -> 'value' -> 0 END)
			ORDER BY f.place))
		FROM jsonb_array_elements(filters) WITH ORDINALITY AS f (filter, place));
END
$function$;
COMMENT ON FUNCTION meter.http_filter_tree(jsonb) IS 'The checked filters of a profile (null: none) as a filter tree, null where there are none. Source: internal.';

CREATE FUNCTION meter.http_filters(filter_tree jsonb) RETURNS jsonb
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	IF filter_tree IS NULL OR filter_tree = 'null' THEN
		RETURN '[]';
	END IF;
	RETURN (SELECT jsonb_agg(CASE
			WHEN t.tree ? 'field' THEN jsonb_build_object('property', t.tree -> 'field', 'operator', t.tree -> 'op',
				'value', CASE WHEN t.tree ->> 'op' IN ('in', 'nin') THEN t.tree -> 'value' ELSE jsonb_build_array(t.tree -> 'value') END)
			WHEN t.tree ? 'not' THEN jsonb_build_object('property', NULL, 'operator', 'not', 'value', jsonb_build_array(t.tree -> 'not'))
			WHEN t.tree ? 'or' THEN jsonb_build_object('property', NULL, 'operator', 'or', 'value', t.tree -> 'or')
			ELSE jsonb_build_object('property', NULL, 'operator', 'and', 'value', t.tree -> 'and') END ORDER BY t.place)
		FROM jsonb_array_elements(coalesce(filter_tree -> 'and', jsonb_build_array(filter_tree))) WITH ORDINALITY AS t (tree, place));
END
$function$;
COMMENT ON FUNCTION meter.http_filters(jsonb) IS 'A filter tree (null: none) as filters that must all hold; a branch among them is one without a property whose operator is and, or, not and whose value are the trees below it. Source: internal.';

CREATE FUNCTION meter.http_aggregation(profile jsonb, own_window jsonb) RETURNS jsonb
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	method text := profile ->> 'aggregation_method';
	given jsonb := profile -> 'aggregation_time_window';
BEGIN
	IF profile IS NULL THEN
		method := 'count';
		given := '"month"';
	END IF;
	RETURN jsonb_build_object('function', method,
		'value_field', CASE WHEN method <> 'unique_count' THEN profile -> 'aggregation_property' END,
		'unique_by_field', CASE WHEN method = 'unique_count' THEN profile -> 'aggregation_property' END,
		'function_options', profile -> 'function_options', 'filter_tree', meter.http_filter_tree(profile -> 'filters'),
		'window', CASE jsonb_typeof(given)
			WHEN 'string' THEN own_window || jsonb_build_object('size', given, 'count', 1)
			WHEN 'object' THEN meter.complete_definition(jsonb_build_object('window', given)) -> 'window'
			ELSE own_window END);
END
$function$;
COMMENT ON FUNCTION meter.http_aggregation(jsonb, jsonb) IS 'A checked profile (null: the events counted by month) as the own aggregation of a definition whose window is own_window: function, value_field, unique_by_field, function_options, filter_tree, window. Source: internal.';

CREATE FUNCTION meter.http_is_own(profile jsonb, definition jsonb) RETURNS boolean
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	aggregation jsonb := meter.http_aggregation(profile, definition -> 'window');
BEGIN
	-- not by containment: arrays contain others that are not the same
	RETURN definition || aggregation = definition;
END
$function$;
COMMENT ON FUNCTION meter.http_is_own(jsonb, jsonb) IS 'Is the own aggregation of a complete definition that of one of its profiles (null: the events counted by month)? Source: internal.';

CREATE FUNCTION meter.http_profile(profile jsonb, own_window jsonb) RETURNS jsonb
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	RETURN jsonb_build_object('id', profile -> 'id', 'name', profile -> 'name', 'code', profile -> 'code',
		'recurring', profile -> 'recurring', 'aggregation_property', profile -> 'aggregation_property',
		'aggregation_method', profile -> 'aggregation_method', 'filters', profile -> 'filters',
		'aggregation_time_window', coalesce(nullif(profile -> 'aggregation_time_window', 'null'),
			CASE WHEN own_window -> 'count' = '1' THEN own_window -> 'size' ELSE own_window END));
END
$function$;
COMMENT ON FUNCTION meter.http_profile(jsonb, jsonb) IS 'A complete profile with the fields of seed 004. own_window: the meter''s window, which is the profile''s where it has none. Source: internal.';

CREATE FUNCTION meter.http_profiled_meter(head meter.meter, at timestamptz DEFAULT pg_catalog.clock_timestamp()) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	definition jsonb := (SELECT v.definition FROM meter.current_version(head.organization_id, head.id, at) AS v);
	own_window jsonb := definition -> 'window';
	profile jsonb;
	profiles jsonb := '[]';
	default_profile jsonb;
	recurring_profile jsonb;
BEGIN
	FOR profile IN SELECT p FROM jsonb_array_elements(coalesce(nullif(definition -> 'profiles', 'null'), '[]')) AS p LOOP
		profiles := profiles || meter.http_profile(profile, own_window);
		IF NOT meter.http_is_own(profile, definition) THEN
			CONTINUE;
		ELSIF profile -> 'recurring' = 'false' THEN
			default_profile := coalesce(default_profile, profiles -> -1);
		ELSE
			recurring_profile := coalesce(recurring_profile, profiles -> -1);
		END IF;
	END LOOP;
	-- usage without a profile is by window; whoever made the meter by a recurring one means that
	default_profile := coalesce(default_profile, recurring_profile);
	IF default_profile IS NULL THEN
		default_profile := meter.http_profile(jsonb_build_object('id', head.id, 'name', definition -> 'name', 'code', NULL, 'recurring', false,
			'aggregation_property', coalesce(nullif(definition -> 'value_field', 'null'), definition -> 'unique_by_field'),
			'aggregation_method', definition -> 'function', 'filters', meter.http_filters(definition -> 'filter_tree')), own_window);
	END IF;
	RETURN jsonb_build_object('object', 'meter', 'id', head.id, 'created_at', meter.http_utc(head.created_at),
		'status', head.status, 'name', definition -> 'name', 'code', head.key, 'event', head.metric_key,
		'description', definition -> 'description', 'account_mapping', definition -> 'account_mapping',
		'profiles', profiles, 'default_profile', default_profile);
END
$function$;
COMMENT ON FUNCTION meter.http_profiled_meter(meter.meter, timestamptz) IS 'A meter with the fields of seed 004, as it is at a time (default: the clock). Source: internal.';

CREATE FUNCTION meter.http_given_profiles(given jsonb, former jsonb) RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN pg_catalog.jsonb_typeof(given) NOT IN ('array', 'null') THEN given ELSE COALESCE((
		SELECT pg_catalog.jsonb_agg(CASE WHEN pg_catalog.jsonb_typeof(p.profile) <> 'object' THEN p.profile ELSE p.profile
				|| CASE WHEN COALESCE(p.profile -> 'aggregation_time_window', 'null') = 'null'
					THEN '{"aggregation_time_window": "month"}'::jsonb ELSE '{}' END
				|| CASE WHEN p.profile ? 'function_options' THEN '{}' ELSE COALESCE((
					SELECT pg_catalog.jsonb_build_object('function_options', f.profile -> 'function_options')
					FROM pg_catalog.jsonb_array_elements(former) AS f (profile)
					WHERE f.profile -> 'code' = p.profile -> 'code'
						AND f.profile -> 'aggregation_method' = p.profile -> 'aggregation_method'), '{}') END END ORDER BY p.place)
		FROM pg_catalog.jsonb_array_elements(CASE WHEN pg_catalog.jsonb_typeof(given) = 'array' THEN given ELSE '[]' END)
			WITH ORDINALITY AS p (profile, place)), '[]') END;
END;
COMMENT ON FUNCTION meter.http_given_profiles(jsonb, jsonb) IS 'The profiles of a body of seed 004 (null: none) as those of a definition: by month where they name no window; with the options that the former profile (of an array) of the code and method has where they give none. What is no profile stays, to be refused. Source: internal.';

CREATE FUNCTION meter.check_profiled_meter(body jsonb) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	PERFORM meter.check_members('meter', body, '{name,code,event,description,account_mapping,profiles}');
END
$function$;
COMMENT ON FUNCTION meter.check_profiled_meter(jsonb) IS 'Checks that a body of seed 004 is an object of its members. Errors: 22023. Source: internal.';

CREATE FUNCTION meter.http_write_profiled_meter(organization_id uuid, head meter.meter, definition jsonb, held jsonb) RETURNS uuid
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	whole jsonb := held || definition;
	written jsonb;
	message text;
	detail text;
	hint text;
BEGIN
	PERFORM meter.require_tenant(organization_id);
	-- what is wrong with a profile is said of the profile: first only they are looked at
	IF head.id IS NULL OR held -> 'profiles' <> 'null' AND meter.http_is_own(held -> 'profiles' -> 0, held) THEN
		PERFORM meter.check_definition(whole || '{"function": "count", "value_field": null, "unique_by_field": null,
			"function_options": null, "filter_tree": null}', meter.inherited_fields(organization_id));
		definition := definition || meter.http_aggregation(definition -> 'profiles' -> 0, held -> 'window');
	ELSIF definition -> 'profiles' = '[]' THEN
		definition := definition || '{"profiles": null}';
	END IF;
	IF head.id IS NULL THEN
		written := meter.create_meter(organization_id, definition);
	ELSE
		written := meter.update_meter(organization_id, head.key, definition);
	END IF;
	RETURN written ->> 'id';
EXCEPTION WHEN invalid_parameter_value THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	PERFORM meter.raise_renamed(message, detail, hint, '{"key": "code", "metric_key": "event"}');
END
$function$;
COMMENT ON FUNCTION meter.http_write_profiled_meter(uuid, meter.meter, jsonb, jsonb) IS 'Creates a meter (head: null) or changes one by the keys in definition, with the own aggregation that goes with its profiles unless it has one of another make; names what is wrong as seed 004 does. held: the complete definition before, of a new meter what it has by default. Result: its id. Errors: as meter.create_meter, meter.update_meter. Source: internal.';

CREATE FUNCTION meter.http_create_profiled_meter(body jsonb) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	organization uuid := meter.http_organization(NULL, 'admin');
	required text;
	id uuid;
BEGIN
	PERFORM meter.check_profiled_meter(body);
	FOREACH required IN ARRAY '{code,event}'::text[] LOOP
		IF coalesce(body -> required, 'null') = 'null' THEN
			PERFORM meter.refuse_member('meter', 'MISSING_KEY', required, required || ' is required');
		END IF;
	END LOOP;
	id := meter.http_write_profiled_meter(organization, NULL, jsonb_build_object('key', body -> 'code', 'metric_key', body -> 'event',
		'name', body -> 'name', 'description', body -> 'description', 'account_mapping', body -> 'account_mapping',
		'profiles', meter.http_given_profiles(body -> 'profiles', '[]')),
		jsonb_build_object('window', meter.complete_definition('{}') -> 'window'));
	PERFORM meter.http_respond(201);
	RETURN jsonb_build_object('meter', meter.http_profiled_meter(meter.http_meter_by_id(organization, id::text)));
END
$function$;
COMMENT ON FUNCTION meter.http_create_profiled_meter(jsonb) IS 'Operation of meter_api.create_profiled_meter. Source: internal.';

CREATE FUNCTION meter.http_list_profiled_meters(body jsonb) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	organization uuid := meter.http_organization(NULL, 'read');
	page_size int := meter.http_integer('limit', 50, 1, 100);
	list text := 'profiled meters ' || organization;
	heads meter.meter[];
BEGIN
	PERFORM meter.http_known_parameters('limit', 'cursor');
	heads := ARRAY(SELECT p FROM meter.http_meter_page(organization, list, 'cursor', page_size) AS p);
	RETURN jsonb_build_object(
		'meters', coalesce((SELECT jsonb_agg(meter.http_profiled_meter(h) ORDER BY h.created_at DESC, h.id)
			FROM unnest(heads[:page_size]) AS h), '[]'),
		'next_cursor', CASE WHEN cardinality(heads) > page_size
			THEN meter.http_cursor(list, heads[page_size].created_at, heads[page_size].id) END,
		'has_more', cardinality(heads) > page_size);
END
$function$;
COMMENT ON FUNCTION meter.http_list_profiled_meters(jsonb) IS 'Operation of meter_api.list_profiled_meters. Source: internal.';

CREATE FUNCTION meter.http_get_profiled_meter(body jsonb) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	RETURN jsonb_build_object('meter', meter.http_profiled_meter(
		meter.http_meter_by_id(meter.http_organization(NULL, 'read'), (meter.http_path())[3])));
END
$function$;
COMMENT ON FUNCTION meter.http_get_profiled_meter(jsonb) IS 'Operation of meter_api.get_profiled_meter. Source: internal.';

CREATE FUNCTION meter.http_update_profiled_meter(body jsonb) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	read_only CONSTANT text[] := '{object,id,created_at,status,default_profile}';
	organization uuid := meter.http_organization(NULL, 'admin');
	head meter.meter := meter.http_meter_by_id(organization, (meter.http_path())[3]);
	held jsonb;
BEGIN
	PERFORM meter.check_profiled_meter(meter.http_writable(body, read_only));
	-- two who replace it at once: the later one sees what the other wrote
	head := meter.lock_meter(organization, head.key, true);
	PERFORM meter.check_unchanged(body, meter.http_profiled_meter(head), read_only || '{code,event}');
	SELECT v.definition INTO STRICT held FROM meter.current_version(organization, head.id) AS v;
	PERFORM meter.http_write_profiled_meter(organization, head, jsonb_build_object('name', body -> 'name',
		'description', body -> 'description', 'account_mapping', body -> 'account_mapping',
		'profiles', meter.http_given_profiles(body -> 'profiles', coalesce(nullif(held -> 'profiles', 'null'), '[]'))), held);
	RETURN jsonb_build_object('meter', meter.http_profiled_meter(meter.http_meter_by_id(organization, head.id::text)));
END
$function$;
COMMENT ON FUNCTION meter.http_update_profiled_meter(jsonb) IS 'Operation of meter_api.update_profiled_meter. Source: internal.';

CREATE FUNCTION meter_api.create_profiled_meter(json) RETURNS jsonb
	LANGUAGE sql
BEGIN ATOMIC
	SELECT meter.http_answer('http_create_profiled_meter', 'plain', $1);
END;
COMMENT ON FUNCTION meter_api.create_profiled_meter(json) IS 'POST /v1/meters: creates a meter. Body: code and event (required), name, description, account_mapping (type, event_property), profiles (at most 32 of id, name, code, recurring, aggregation_property, aggregation_method, aggregation_time_window, filters of property, operator, value; and function_options, which percentile and custom need). Result: 201 {"meter": meter}. Errors: 400 with the JSON pointer of what is wrong, 401, 403, 409 the code is taken. Source: seed 004 (POST /v1/meters).';

CREATE FUNCTION meter_api.list_profiled_meters() RETURNS jsonb
	LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT meter.http_answer('http_list_profiled_meters');
END;
COMMENT ON FUNCTION meter_api.list_profiled_meters() IS 'GET /v1/meters?limit&cursor: the meters, newest first. limit: 1 to 100, default 50; cursor: next_cursor of the page before. Result: 200 {"meters": [meter], "next_cursor": text or null, "has_more": boolean}. Errors: 400, 401, 403. Source: seed 004 (GET /v1/meters).';

CREATE FUNCTION meter_api.get_profiled_meter() RETURNS jsonb
	LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT meter.http_answer('http_get_profiled_meter');
END;
COMMENT ON FUNCTION meter_api.get_profiled_meter() IS 'GET /v1/meters/{id}: a meter by its id. Result: 200 {"meter": meter}. Errors: 401, 403, 404. Source: seed 004 (GET /v1/meters/{id}).';

CREATE FUNCTION meter_api.update_profiled_meter(json) RETURNS jsonb
	LANGUAGE sql
BEGIN ATOMIC
	SELECT meter.http_answer('http_update_profiled_meter', 'plain', $1);
END;
COMMENT ON FUNCTION meter_api.update_profiled_meter(json) IS 'PUT /v1/meters/{id}: replaces a meter''s name, description, account_mapping and profiles; what the body leaves out is taken away; whatever else GET shows may be there, unchanged. Profiles keep their ids by their codes. Result: 200 {"meter": meter}. Errors: 400 with the JSON pointer of what is wrong, 401, 403, 404, 409 archived. Source: seed 004 (PUT /v1/meters/{id}).';
