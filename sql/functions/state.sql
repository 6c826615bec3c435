-- The usage state: what aggregates pass around, store and merge.

CREATE TYPE meter.usage_state;

CREATE FUNCTION meter.usage_state_in(cstring) RETURNS meter.usage_state
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'meter_usage_state_in';

CREATE FUNCTION meter.usage_state_out(meter.usage_state) RETURNS cstring
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'meter_usage_state_out';

CREATE FUNCTION meter.usage_state_recv(internal) RETURNS meter.usage_state
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'meter_usage_state_recv';

CREATE FUNCTION meter.usage_state_send(meter.usage_state) RETURNS bytea
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'meter_usage_state_send';

CREATE TYPE meter.usage_state (
	INPUT = meter.usage_state_in,
	OUTPUT = meter.usage_state_out,
	RECEIVE = meter.usage_state_recv,
	SEND = meter.usage_state_send,
	INTERNALLENGTH = VARIABLE,
	STORAGE = extended
);

COMMENT ON TYPE meter.usage_state IS
'What is kept of a set of events so that an aggregation can be read from it (meter.result) and two such sets merged (meter.rollup). Made by meter.usage_agg. Exact; equal sets give equal bytes in whatever order they came. Of an approximate unique_count, which only a meter keeps, it holds a value of the extension hll in the keys'' place; such a state is not merged with an exact one (22023). Standard.';

COMMENT ON FUNCTION meter.usage_state_in(cstring) IS
'Reads a usage state from its text, a JSON object with "function", "count" and what the function keeps, such as {"function":"sum","count":3,"sum":12.50}. Errors: 22P02 where the text is none; 22007, 22008 for a bad time; for an approximate unique_count 0A000 without the extension hll and 22000 where it does not take the value for its own. Standard.';
COMMENT ON FUNCTION meter.usage_state_out(meter.usage_state) IS
'Writes a usage state as text, which meter.usage_state_in reads back to the same state. Errors: 22P03 for malformed bytes. Standard.';
COMMENT ON FUNCTION meter.usage_state_recv(internal) IS
'Reads a usage state from a client''s bytes and brings it into its one form. Errors: 22P03 for malformed bytes; for an approximate unique_count 0A000 and 22000 as meter.usage_state_in. Standard.';
COMMENT ON FUNCTION meter.usage_state_send(meter.usage_state) IS
'Gives a usage state''s bytes, which are the same on every machine. Standard.';

CREATE FUNCTION meter.result(state meter.usage_state, function text) RETURNS numeric
	LANGUAGE C IMMUTABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'meter_usage_state_result';

COMMENT ON FUNCTION meter.result(meter.usage_state, text) IS
'Reads an aggregation from a usage state. state: from meter.usage_agg or meter.rollup, NULL for no events; function: sum, count, avg, min, max, unique_count, latest or custom (percentile and weighted_sum need options, see the form with three arguments). Besides a state''s own function, count can be read from every state, sum, avg and custom from one another, and from a weighted_sum the level after its last event, as sum (mode delta) or latest (mode gauge). Result: the value, in the unit of the values that went in; over no events 0 for sum, count, unique_count and custom, otherwise NULL. Errors: 22023 for an unknown function or one that the state does not hold, 22P03 for a malformed state, 0A000 for an approximate unique_count without the extension hll. Standard.';

CREATE FUNCTION meter.result(state meter.usage_state, function text, options jsonb) RETURNS numeric
	LANGUAGE C STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'meter_usage_state_result_options';

COMMENT ON FUNCTION meter.result(meter.usage_state, text, jsonb) IS
'As meter.result(state, function), with options, an object: "percentile", a fraction from 0 to 1 (percentile; the result interpolates as percentile_cont does); "window_start" and "window_end", timestamps, "mode", "delta" (the default: each value changes the level) or "gauge" (each value is the level), and "carry", the level at window_start, a number (all weighted_sum: the level''s mean over the window''s real seconds; events before the window count from its start, events behind it do not; without events the result is the carry, NULL where none is given). Errors: 22023 for an unknown or wrong option, 22007 and 22008 for a bad timestamp, otherwise as meter.result(state, function). Standard.';
