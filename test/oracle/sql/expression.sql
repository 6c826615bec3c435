/*
 * expression.sql
 *		Operators of expressions that SQL has not, or not quite so.  All give
 *		NULL for NULL, and fail where a result has more than 128 digits before
 *		or after the point.
 */
CREATE FUNCTION oracle.fits(n numeric) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
	IF n = 'NaN' THEN
		RAISE EXCEPTION 'no number' USING ERRCODE = 'data_exception';
	ELSIF abs(n) >= 1e128 OR min_scale(n) > 128 THEN
		RAISE EXCEPTION 'more than 128 digits' USING ERRCODE = 'numeric_value_out_of_range';
	END IF;
	RETURN trim_scale(n);
END
$$;

/*
 * A field that has to be a number: null where there is none.  A scalar of
 * another type is an error only once an operator is to use it, and not beside
 * a null, which makes null of everything: until then it is NaN.
 */
CREATE FUNCTION oracle.operand(data jsonb, path text[]) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
	v jsonb := coalesce(data #> path, 'null');
BEGIN
	IF jsonb_typeof(v) IN ('array', 'object') THEN
		RAISE EXCEPTION 'no scalar' USING ERRCODE = 'data_exception';
	END IF;
	RETURN CASE WHEN v <> 'null' THEN coalesce(oracle.number(v), 'NaN') END;
END
$$;

CREATE FUNCTION oracle.compares(a numeric, op text, b numeric) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT AS $$
	SELECT CASE op WHEN '<' THEN d < 0 WHEN '<=' THEN d <= 0 WHEN '>' THEN d > 0 WHEN '>=' THEN d >= 0
		   WHEN '=' THEN d = 0 WHEN '<>' THEN d <> 0 END
	FROM sign(oracle.fits(a) - oracle.fits(b)) d
$$;

/* Any scalar as text; equal numbers give the same. */
CREATE FUNCTION oracle.text_of(data jsonb, path text[]) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE jsonb_typeof(data #> path) WHEN 'number' THEN trim_scale((data #>> path)::numeric)::text ELSE data #>> path END
$$;

CREATE FUNCTION oracle.plus(a numeric, b numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT oracle.fits(a + b) $$;

CREATE FUNCTION oracle.minus(a numeric, b numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT oracle.fits(a - b) $$;

CREATE FUNCTION oracle.times(a numeric, b numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT oracle.fits(a * b) $$;

CREATE FUNCTION oracle.rest(a numeric, b numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT oracle.fits(mod(a, b)) $$;

CREATE FUNCTION oracle.min(a numeric, b numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT least(oracle.fits(a), oracle.fits(b)) $$;

CREATE FUNCTION oracle.max(a numeric, b numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT greatest(oracle.fits(a), oracle.fits(b)) $$;

/* The least e with |n| < 10^e, by the digits. */
CREATE FUNCTION oracle.exponent(n numeric) RETURNS int
LANGUAGE sql IMMUTABLE STRICT AS $$
	SELECT CASE WHEN abs(n) >= 1 THEN length(trunc(abs(n))::text)
		   ELSE - length(substring(abs(n)::text FROM '^0\.(0*)')) END
$$;

/*
 * A quotient, rounded half away from zero: to 20 digits after the point, or
 * to as many more as give 20 significant ones or as a has.  Silent: whether
 * they may be 21; taken: as it comes out when the operands' digits are counted
 * to know where the quotient's begin.
 */
CREATE FUNCTION oracle.divided(a numeric, b numeric) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
	places int;
BEGIN
	IF 'NaN' IN (a, b) THEN
		RETURN oracle.fits('NaN');
	ELSIF b = 0 THEN
		RAISE EXCEPTION 'division by zero' USING ERRCODE = 'division_by_zero';
	ELSIF a = 0 THEN
		RETURN 0;
	END IF;
	places := least(128, greatest(20, min_scale(a), 20 - (oracle.exponent(a) - oracle.exponent(b))));
	RETURN oracle.fits(sign(a) * sign(b) * div(2 * abs(a) * ('1e' || places)::numeric + abs(b), 2 * abs(b)) * ('1e-' || places)::numeric);
END
$$;
