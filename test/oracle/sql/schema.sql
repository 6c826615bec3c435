/*
 * schema.sql
 *		Does an event's data satisfy a simple JSON Schema: type, enum, required,
 *		properties, additionalProperties, minimum, maximum, minLength, maxLength,
 *		items?  The generator writes no other keywords.
 */

/* What is wrong with a value, NULL for nothing. */
CREATE FUNCTION oracle.schema_error(schema jsonb, v jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
	type text := jsonb_typeof(v);
	n numeric := CASE WHEN jsonb_typeof(v) = 'number' THEN v::numeric END;
	name text;
BEGIN
	IF schema IS NULL OR schema = 'null' OR schema = 'true' THEN
		RETURN NULL;
	ELSIF schema = 'false' OR v IS NULL THEN
		RETURN 'nothing is allowed here';
	ELSIF schema ? 'type' AND schema ->> 'type' <> type AND NOT coalesce(schema ->> 'type' = 'integer' AND n = trunc(n), false) THEN
		RETURN 'type';
	ELSIF schema ? 'enum' AND NOT EXISTS (SELECT FROM jsonb_array_elements(schema -> 'enum') e WHERE e = v) THEN
		RETURN 'enum';
	ELSIF n < (schema ->> 'minimum')::numeric OR n > (schema ->> 'maximum')::numeric THEN
		RETURN 'minimum or maximum';
	ELSIF type = 'string' AND (length(v #>> '{}') < (schema ->> 'minLength')::int OR length(v #>> '{}') > (schema ->> 'maxLength')::int) THEN
		RETURN 'minLength or maxLength';
	ELSIF type = 'array' THEN
		RETURN (SELECT min(oracle.schema_error(schema -> 'items', e)) FROM jsonb_array_elements(v) e);
	ELSIF type = 'object' THEN
		IF NOT v ?& ARRAY(SELECT jsonb_array_elements_text(schema -> 'required')) THEN
			RETURN 'required';
		END IF;
		RETURN (SELECT min(oracle.schema_error(coalesce(schema -> 'properties' -> p.key, schema -> 'additionalProperties'), p.value))
				FROM jsonb_each(v) p);
	END IF;
	RETURN NULL;
END
$$;
