-- JSON Schema for everybody: try a schema out, or use it in a CHECK.

CREATE FUNCTION meter.json_schema_is_valid(schema jsonb, instance jsonb) RETURNS boolean
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10
	AS 'MODULE_PATHNAME', 'meter_json_schema_is_valid';

COMMENT ON FUNCTION meter.json_schema_is_valid(jsonb, jsonb) IS
'Is the instance valid under the JSON Schema?
schema: a schema of draft 2020-12 or 7, as its $schema says (2020-12 without one); at most 256 kB and 64 levels. Keywords it does not know are annotations and change nothing; format asserts only where the schema''s root says so by {"$vocabulary": {"https://json-schema.org/draft/2020-12/vocab/format-assertion": true}}.
instance: any JSON.
Returns true or false; NULL if an argument is.
Errors: 22023 where the schema is malformed, refers to something outside itself (nothing is ever fetched), or has references without end; the detail has the JSON pointer to the place in the schema.
Source: JSON Schema draft 2020-12 and draft-handrews-json-schema-validation-01 (draft 7).';

CREATE FUNCTION meter.json_schema_is_valid(schema jsonb, instance jsonb, assert_format boolean) RETURNS boolean
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10
	AS 'MODULE_PATHNAME', 'meter_json_schema_is_valid';

COMMENT ON FUNCTION meter.json_schema_is_valid(jsonb, jsonb, boolean) IS
'Is the instance valid under the JSON Schema, with format as an assertion if assert_format is true?
As meter.json_schema_is_valid(schema, instance) otherwise. Asserted: date, date-time, duration, email, hostname, idn-email, ipv4, ipv6, iri, iri-reference, json-pointer, regex, relative-json-pointer, time, uri, uri-reference, uri-template, uuid; other formats stay annotations.
Errors: 22023 as there.
Source: JSON Schema validation draft 2020-12, section 7.';

CREATE FUNCTION meter.json_schema_errors(schema jsonb, instance jsonb)
	RETURNS TABLE(instance_path text, keyword text, message text)
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 20 ROWS 5
	AS 'MODULE_PATHNAME', 'meter_json_schema_errors';

COMMENT ON FUNCTION meter.json_schema_errors(jsonb, jsonb) IS
'How the instance violates the JSON Schema: a row for each violation, none if it is valid.
schema, instance: as for meter.json_schema_is_valid(schema, instance).
instance_path: JSON pointer (RFC 6901) to the culprit in the instance, the empty text for its root. keyword: the assertion that failed. message: what was expected.
Errors: 22023 as for meter.json_schema_is_valid.
Source: JSON Schema draft 2020-12 core, section 12.';

CREATE FUNCTION meter.json_schema_errors(schema jsonb, instance jsonb, assert_format boolean)
	RETURNS TABLE(instance_path text, keyword text, message text)
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 20 ROWS 5
	AS 'MODULE_PATHNAME', 'meter_json_schema_errors';

COMMENT ON FUNCTION meter.json_schema_errors(jsonb, jsonb, boolean) IS
'How the instance violates the JSON Schema, with format as an assertion if assert_format is true.
As meter.json_schema_errors(schema, instance) otherwise; the formats are those of meter.json_schema_is_valid(schema, instance, assert_format).
Errors: 22023 as there.
Source: JSON Schema validation draft 2020-12, section 7.';
