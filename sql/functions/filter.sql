CREATE FUNCTION meter.matches(filter_tree jsonb, data jsonb) RETURNS boolean
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'meter_matches_sql';
COMMENT ON FUNCTION meter.matches(jsonb, jsonb) IS 'Does the event''s data pass the filter tree? filter_tree: {"and":[…]}, {"or":[…]}, {"not":…} or a leaf {"field":path,"op":op,"value":v}, op one of eq neq gt gte lt lte in nin contains starts_with ends_with matches exists; data: the JSON value that paths start from. Errors: 22023 with the JSON pointer of what is wrong in the tree. Source: seed 000 (filter_tree).';
