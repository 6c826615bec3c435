-- Seed 000: which meters a list shows (field.op=value), and from where on.
-- The ops are those of filter trees, and so is what they mean: parameters become
-- a tree, which meter.matches() holds against each meter.  Only of fields that
-- are documents themselves trees know nothing but that they are there.

CREATE FUNCTION meter.http_filter_kind(field text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE
		WHEN field IN ('id', 'organization_id', 'workspace_id') THEN 'uuid'
		WHEN field IN ('created_at', 'updated_at') THEN 'time'
		WHEN field = 'negative_allowed' THEN 'boolean'
		WHEN field IN ('dimensions', 'event_schema', 'late_event_policy') THEN 'document'
		WHEN field IN ('dedup_key_path', 'function', 'key', 'metric_key', 'name', 'unique_by_field',
			'unit_currency_field', 'unit_label', 'value_field') THEN 'text' END;
END;
COMMENT ON FUNCTION meter.http_filter_kind(text) IS 'What the values of a field of listed meters are: text, uuid, time, boolean or document; null for a field they have not. Source: seed 000 (GET /meters).';

CREATE FUNCTION meter.http_filter_ops(kind text) RETURNS text[]
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE kind
		WHEN 'boolean' THEN '{eq,neq,in,nin,exists}'::text[]
		WHEN 'document' THEN '{eq,neq,contains,exists}'
		WHEN 'time' THEN '{eq,neq,gt,gte,lt,lte,in,nin,exists}'
		ELSE '{eq,neq,gt,gte,lt,lte,in,nin,contains,starts_with,ends_with,matches,exists}' END;
END;
COMMENT ON FUNCTION meter.http_filter_ops(text) IS 'The ops that fields of a kind take. Source: seed 000 (GET /meters).';

CREATE FUNCTION meter.http_filter_value(kind text, value text) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	CASE kind
		WHEN 'boolean' THEN
			RETURN CASE WHEN value IN ('true', 'false') THEN to_jsonb(value::boolean) END;
		WHEN 'uuid' THEN
			RETURN to_jsonb(meter.uuid_or_null(value));
		WHEN 'time' THEN
			-- Instants are compared, however they are written: as seconds.  A plus
			-- that was not encoded has become a blank.
			RETURN to_jsonb(extract(epoch FROM meter.time_member('filter', jsonb_build_object('time',
				regexp_replace(value, '(\d\d:\d\d\S*) (\d\d:?\d\d)$', '\1+\2')), 'time')));
		WHEN 'document' THEN
			RETURN value::jsonb;
		ELSE
			RETURN to_jsonb(value);
	END CASE;
EXCEPTION WHEN data_exception OR statement_too_complex THEN
	RETURN NULL;
END
$function$;
COMMENT ON FUNCTION meter.http_filter_value(text, text) IS 'A value of a filter as JSON: a time as the seconds since 1970; null where it is none of that kind. Source: internal.';

CREATE FUNCTION meter.http_filter_operand(name text, kind text, op text, value text) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	-- what is part of a text is any text
	expected text := CASE WHEN op = 'exists' THEN 'boolean'
		WHEN op IN ('contains', 'starts_with', 'ends_with', 'matches') AND kind = 'uuid' THEN 'text' ELSE kind END;
	operand jsonb;
BEGIN
	IF op NOT IN ('in', 'nin') THEN
		operand := meter.http_filter_value(expected, value);
	ELSE
		SELECT CASE WHEN bool_and(v.value IS NOT NULL) THEN jsonb_agg(v.value ORDER BY p.place) END INTO operand
			FROM regexp_split_to_table(http_filter_operand.value, '(?<!\\),') WITH ORDINALITY AS p (part, place),
				LATERAL meter.http_filter_value(expected, replace(p.part, '\,', ',')) AS v (value);
	END IF;
	IF operand IS NULL THEN
		PERFORM meter.refuse_parameter(name, CASE expected
			WHEN 'boolean' THEN 'expected true or false'
			WHEN 'uuid' THEN 'expected a UUID'
			WHEN 'time' THEN 'expected a timestamp with its zone, such as 2026-01-31T00:00:00Z'
			ELSE 'expected a JSON value' END, 'INVALID_FILTER');
	END IF;
	RETURN operand;
END
$function$;
COMMENT ON FUNCTION meter.http_filter_operand(text, text, text, text) IS 'The operand of a filter: for in and nin an array of what stands between commas (\, is a comma). name: the parameter; kind: the field''s. Errors: 22023 (INVALID_FILTER). Source: internal.';

CREATE FUNCTION meter.http_filter_leaf(name text, value text) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	shown text := left(name, 100);
	field text := split_part(name, '.', 1);
	op text := CASE WHEN position('.' IN name) = 0 THEN 'eq' ELSE substr(name, length(field) + 2) END;
	kind text := meter.http_filter_kind(field);
	leaf jsonb;
BEGIN
	IF kind IS NULL THEN
		PERFORM meter.refuse_parameter(shown, 'meters have no such field', 'INVALID_FILTER');
	ELSIF op <> ALL (meter.http_filter_ops(kind)) THEN
		PERFORM meter.refuse_parameter(shown, format('the field %s takes the ops %s', field,
			array_to_string(meter.http_filter_ops(kind), ', ')), 'INVALID_FILTER');
	END IF;
	leaf := jsonb_build_object('field', field, 'op', op, 'value', meter.http_filter_operand(shown, kind, op, value));
	IF kind <> 'document' THEN
		BEGIN
			PERFORM meter.matches(leaf, '{}');
		EXCEPTION WHEN invalid_parameter_value THEN
			PERFORM meter.refuse_parameter(shown, SQLERRM, 'INVALID_FILTER');
		END;
	END IF;
	RETURN leaf;
END
$function$;
COMMENT ON FUNCTION meter.http_filter_leaf(text, text) IS 'A parameter field.op=value (field=value is eq) as a leaf of a filter tree. Errors: 22023 (INVALID_FILTER) unknown field or op, or a value that is not of the field''s kind. Source: seed 000 (GET /meters).';

CREATE FUNCTION meter.http_instant(microseconds bigint) RETURNS timestamptz
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT '1970-01-01 00:00:00+00'::timestamptz + microseconds * '1 microsecond'::interval;
END;
COMMENT ON FUNCTION meter.http_instant(bigint) IS 'The instant so many microseconds after 1970 began. Source: internal.';

-- Besides the filters, what an index can find by them: all of it is true of
-- every meter that they let through.
CREATE FUNCTION meter.http_filters(OUT tree jsonb, OUT documents jsonb, OUT id uuid, OUT key text, OUT metric_key text,
		OUT oldest timestamptz, OUT newest timestamptz)
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_variable
DECLARE
	parameter record;
	leaf jsonb;
	leaves jsonb := '[]';
BEGIN
	FOR parameter IN SELECT q.name, q.value FROM meter.http_query() AS q
		WHERE q.name NOT IN ('limit', 'cursor') ORDER BY q.name, q.value
	LOOP
		leaf := meter.http_filter_leaf(parameter.name, parameter.value);
		IF meter.http_filter_kind(leaf ->> 'field') = 'document' THEN
			documents := coalesce(documents, '[]') || jsonb_build_array(leaf);
		ELSE
			leaves := leaves || jsonb_build_array(leaf);
		END IF;
		IF leaf ->> 'op' = 'eq' THEN
			CASE leaf ->> 'field'
				WHEN 'id' THEN id := leaf ->> 'value';
				WHEN 'key' THEN key := leaf ->> 'value';
				WHEN 'metric_key' THEN metric_key := leaf ->> 'value';
				ELSE NULL;
			END CASE;
		END IF;
		IF leaf ->> 'field' = 'created_at' AND leaf ->> 'op' IN ('eq', 'gt', 'gte') THEN
			oldest := greatest(oldest, meter.http_instant(((leaf -> 'value')::numeric * 1000000)::bigint));
		END IF;
		IF leaf ->> 'field' = 'created_at' AND leaf ->> 'op' IN ('eq', 'lt', 'lte') THEN
			newest := least(newest, meter.http_instant(((leaf -> 'value')::numeric * 1000000)::bigint));
		END IF;
		IF jsonb_array_length(leaves) + coalesce(jsonb_array_length(documents), 0) > 100 THEN
			PERFORM meter.refuse_parameter(left(parameter.name, 100), 'more than 100 filters', 'INVALID_FILTER');
		END IF;
	END LOOP;
	IF leaves <> '[]' THEN
		tree := jsonb_build_object('and', leaves);
	END IF;
END
$function$;
COMMENT ON FUNCTION meter.http_filters() IS 'The filters of the query: a filter tree (null: none), leaves about documents (null: none), and what they say of a meter''s id, key, metric_key and time of creation (nulls: nothing). Errors: 22023 (INVALID_FILTER). Source: seed 000 (GET /meters).';

CREATE FUNCTION meter.http_filter_data(head meter.meter, definition jsonb) RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT pg_catalog.jsonb_build_object(
		'id', (head).id, 'organization_id', (head).organization_id, 'key', (head).key, 'metric_key', (head).metric_key,
		'name', definition -> 'name', 'function', definition -> 'function', 'value_field', definition -> 'value_field',
		'unique_by_field', definition -> 'unique_by_field', 'dedup_key_path', definition -> 'dedup_key_path',
		'negative_allowed', definition -> 'negative_allowed', 'unit_label', definition -> 'unit_label',
		'unit_currency_field', definition -> 'unit_currency_field', 'workspace_id', pg_catalog.lower(definition ->> 'workspace_id'),
		'created_at', EXTRACT(epoch FROM (head).created_at), 'updated_at', EXTRACT(epoch FROM (head).updated_at));
END;
COMMENT ON FUNCTION meter.http_filter_data(meter.meter, jsonb) IS 'What the filter tree of a list sees of a meter. Source: internal.';

CREATE FUNCTION meter.http_documents_match(leaves jsonb, definition jsonb) RETURNS boolean
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT COALESCE(pg_catalog.bool_and(CASE l.leaf ->> 'op'
			WHEN 'eq' THEN f.document = l.leaf -> 'value'
			WHEN 'neq' THEN f.document <> l.leaf -> 'value'
			WHEN 'contains' THEN f.document @> (l.leaf -> 'value')
			ELSE (f.document <> 'null') = (l.leaf -> 'value')::boolean END), true)
	FROM pg_catalog.jsonb_array_elements(leaves) AS l (leaf),
		LATERAL (SELECT COALESCE(definition -> (l.leaf ->> 'field'), 'null') AS document) AS f;
END;
COMMENT ON FUNCTION meter.http_documents_match(jsonb, jsonb) IS 'Do the documents in a definition pass these leaves (null: none)? Source: internal.';

-- A cursor is the place behind the last meter of a page, and a digest of it
-- with what was asked for: one of another list, or not whole, is noticed.
CREATE FUNCTION meter.http_cursor_digest(list text, place bytea) RETURNS bytea
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT pg_catalog.substr(pg_catalog.sha256(pg_catalog.convert_to(list, 'UTF8') || place), 1, 9);
END;
COMMENT ON FUNCTION meter.http_cursor_digest(text, bytea) IS 'What a cursor of that list and place is known by. Source: internal.';

CREATE FUNCTION meter.http_cursor(list text, created_at timestamptz, id uuid) RETURNS text
	LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	place bytea := int8send((extract(epoch FROM created_at) * 1000000)::bigint) || uuid_send(id);
BEGIN
	-- 33 bytes: 44 characters without padding, and no text but one stands for them
	RETURN translate(encode(place || meter.http_cursor_digest(list, place), 'base64'), '+/', '-_');
END
$function$;
COMMENT ON FUNCTION meter.http_cursor(text, timestamptz, uuid) IS 'The cursor behind a meter in a list. list: the organization and the filters. Source: seed 000 (cursor).';

CREATE FUNCTION meter.http_place(list text, cursor text, name text DEFAULT 'cursor', OUT created_at timestamptz, OUT id uuid)
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	bytes bytea;
BEGIN
	IF cursor IS NULL THEN
		RETURN;
	END IF;
	IF cursor ~ '^[A-Za-z0-9_-]{44}$' THEN
		bytes := decode(translate(cursor, '-_', '+/'), 'base64');
	END IF;
	IF bytes IS NULL OR substr(bytes, 25) <> meter.http_cursor_digest(list, substr(bytes, 1, 24)) THEN
		PERFORM meter.refuse_parameter(name, 'expected what a page of the same list gave', 'INVALID_CURSOR');
	END IF;
	created_at := meter.http_instant(('x' || encode(substr(bytes, 1, 8), 'hex'))::bit(64)::bigint);
	id := encode(substr(bytes, 9, 16), 'hex')::uuid;
END
$function$;
COMMENT ON FUNCTION meter.http_place(text, text, text) IS 'Where a page begins: behind the meter of that time of creation and id; nulls without a cursor. name: of the parameter that has it. Errors: 22023 (INVALID_CURSOR). Source: seed 000 (cursor).';
