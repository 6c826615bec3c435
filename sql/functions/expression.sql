-- Expressions (docs/expressions.md): a calculation tried out.

CREATE FUNCTION meter.evaluate(expression text, fields jsonb) RETURNS jsonb
	AS 'MODULE_PATHNAME', 'meter_evaluate'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION meter.evaluate(text, jsonb) IS
'What an expression (as in derived_fields.calculation and function_options.expression; see docs/expressions.md) gives.
expression: the text, at most 8 kB. fields: an object; a name in the expression is a member of it, a dotted one leads into nested objects, a missing one is null.
Result: a number, text, boolean or null; a time is a text in ISO 8601, in UTC. NULL where an argument is NULL.
Errors: 22023 for an expression that does not parse or whose types do not fit (with the character position), 22012 for a division by zero, 22003 for a number of more than 128 digits before or after the point.
Source: seed 003, derivedFields[].calculation.';
