/*
 * field.sql
 *		Typed data fields, derived fields and the values of expressions.
 *
 * Nothing here parses an expression.  The generator writes each one twice: for
 * the extension, and beside it, under "sql", as plain SQL over $1 (the data)
 * and $2 (the event's time).
 */

/* The value of an expression as JSON, or why there is none. */
CREATE FUNCTION oracle.expression(options jsonb, data jsonb, t timestamptz, OUT value jsonb, OUT reason text)
LANGUAGE plpgsql STABLE AS $$
BEGIN
	EXECUTE 'SELECT to_jsonb(' || (options ->> 'sql') || ')' INTO value USING data, t;
	/* a result keeps no zeros at its end */
	value := CASE jsonb_typeof(value) WHEN 'number' THEN to_jsonb(trim_scale(value::numeric)) ELSE coalesce(value, 'null') END;
	reason := CASE WHEN value = '"NaN"' THEN 'no number' END;
EXCEPTION WHEN data_exception THEN
	reason := SQLERRM;
END
$$;

/* The number that a custom function sums. */
CREATE FUNCTION oracle.expression_number(options jsonb, data jsonb, t timestamptz, OUT value numeric, OUT reason text)
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v jsonb;
BEGIN
	SELECT e.value, e.reason INTO v, reason FROM oracle.expression(options, data, t) e;
	value := oracle.number(v);
	reason := coalesce(reason, CASE WHEN value IS NULL THEN 'no number' END);
END
$$;

/* Do the data fields that are there have their types? */
CREATE FUNCTION oracle.fields_error(fields jsonb, data jsonb) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT min('field ' || (f ->> 'code'))
	FROM jsonb_array_elements(nullif(fields, 'null')) f, LATERAL (SELECT data -> (f ->> 'code') AS v) d
	WHERE coalesce(v, 'null') <> 'null'
	  AND CASE WHEN f ->> 'category' IN ('MEASURE', 'INCOME', 'COST') THEN oracle.number(v) IS NULL
		  ELSE jsonb_typeof(v) IN ('array', 'object') END
$$;

/* The data with the derived fields in it; each may use those before it. */
CREATE FUNCTION oracle.derive(fields jsonb, INOUT data jsonb, t timestamptz, OUT reason text)
LANGUAGE plpgsql STABLE AS $$
DECLARE
	f jsonb;
	v jsonb;
BEGIN
	FOR f IN SELECT jsonb_array_elements(nullif(fields, 'null')) LOOP
		SELECT e.value, e.reason INTO v, reason FROM oracle.expression(f, data, t) e;
		IF reason IS NOT NULL THEN
			RETURN;
		END IF;
		data := data || jsonb_build_object(f ->> 'code', v);
	END LOOP;
END
$$;
