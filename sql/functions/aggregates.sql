-- Aggregates: rows to a usage state, states to one, and the one-step forms.

-- usage_agg's parts. One C function serves all forms that begin alike.

CREATE FUNCTION meter.usage_agg_trans(internal, function text) RETURNS internal
	LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'meter_usage_agg_trans';
CREATE FUNCTION meter.usage_agg_trans(internal, function text, value numeric) RETURNS internal
	LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'meter_usage_agg_trans';
CREATE FUNCTION meter.usage_agg_trans(internal, function text, value numeric, event_time timestamptz) RETURNS internal
	LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'meter_usage_agg_trans';
CREATE FUNCTION meter.usage_agg_trans(internal, function text, value numeric, event_time timestamptz, seq bigint) RETURNS internal
	LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'meter_usage_agg_trans';
CREATE FUNCTION meter.usage_agg_trans(internal, function text, value numeric, event_time timestamptz, seq bigint, unique_key text) RETURNS internal
	LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'meter_usage_agg_trans';
CREATE FUNCTION meter.usage_agg_trans(internal, function text, unique_key text) RETURNS internal
	LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'meter_usage_agg_key_trans';
CREATE FUNCTION meter.usage_agg_final(internal) RETURNS meter.usage_state
	LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'meter_usage_agg_final';
CREATE FUNCTION meter.usage_agg_combine(internal, internal) RETURNS internal
	LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'meter_usage_agg_combine';
CREATE FUNCTION meter.usage_agg_serialize(internal) RETURNS bytea
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'meter_usage_agg_serialize';
CREATE FUNCTION meter.usage_agg_deserialize(bytea, internal) RETURNS internal
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'meter_usage_agg_deserialize';

COMMENT ON FUNCTION meter.usage_agg_trans(internal, text) IS
'Transition function of meter.usage_agg(text), whose errors it raises. Standard.';
COMMENT ON FUNCTION meter.usage_agg_trans(internal, text, numeric) IS
'Transition function of meter.usage_agg(text, numeric), whose errors it raises. Standard.';
COMMENT ON FUNCTION meter.usage_agg_trans(internal, text, numeric, timestamptz) IS
'Transition function of meter.usage_agg(text, numeric, timestamptz), whose errors it raises. Standard.';
COMMENT ON FUNCTION meter.usage_agg_trans(internal, text, numeric, timestamptz, bigint) IS
'Transition function of meter.usage_agg(text, numeric, timestamptz, bigint), whose errors it raises. Standard.';
COMMENT ON FUNCTION meter.usage_agg_trans(internal, text, numeric, timestamptz, bigint, text) IS
'Transition function of meter.usage_agg(text, numeric, timestamptz, bigint, text), whose errors it raises. Standard.';
COMMENT ON FUNCTION meter.usage_agg_trans(internal, text, text) IS
'Transition function of meter.usage_agg(text, text), whose errors it raises. Standard.';
COMMENT ON FUNCTION meter.usage_agg_final(internal) IS
'Final function of meter.usage_agg and meter.rollup. Standard.';
COMMENT ON FUNCTION meter.usage_agg_combine(internal, internal) IS
'Combine function of the aggregates over usage states. Errors: 22023 where their functions differ. Standard.';
COMMENT ON FUNCTION meter.usage_agg_serialize(internal) IS
'Serialize function of the aggregates over usage states. Standard.';
COMMENT ON FUNCTION meter.usage_agg_deserialize(bytea, internal) IS
'Deserialize function of the aggregates over usage states. Errors: 22P03 for malformed bytes. Standard.';

CREATE AGGREGATE meter.usage_agg(function text) (
	SFUNC = meter.usage_agg_trans, STYPE = internal, SSPACE = 256,
	FINALFUNC = meter.usage_agg_final, COMBINEFUNC = meter.usage_agg_combine,
	SERIALFUNC = meter.usage_agg_serialize, DESERIALFUNC = meter.usage_agg_deserialize,
	PARALLEL = SAFE
);
CREATE AGGREGATE meter.usage_agg(function text, value numeric) (
	SFUNC = meter.usage_agg_trans, STYPE = internal, SSPACE = 256,
	FINALFUNC = meter.usage_agg_final, COMBINEFUNC = meter.usage_agg_combine,
	SERIALFUNC = meter.usage_agg_serialize, DESERIALFUNC = meter.usage_agg_deserialize,
	PARALLEL = SAFE
);
CREATE AGGREGATE meter.usage_agg(function text, value numeric, event_time timestamptz) (
	SFUNC = meter.usage_agg_trans, STYPE = internal, SSPACE = 256,
	FINALFUNC = meter.usage_agg_final, COMBINEFUNC = meter.usage_agg_combine,
	SERIALFUNC = meter.usage_agg_serialize, DESERIALFUNC = meter.usage_agg_deserialize,
	PARALLEL = SAFE
);
CREATE AGGREGATE meter.usage_agg(function text, value numeric, event_time timestamptz, seq bigint) (
	SFUNC = meter.usage_agg_trans, STYPE = internal, SSPACE = 256,
	FINALFUNC = meter.usage_agg_final, COMBINEFUNC = meter.usage_agg_combine,
	SERIALFUNC = meter.usage_agg_serialize, DESERIALFUNC = meter.usage_agg_deserialize,
	PARALLEL = SAFE
);
CREATE AGGREGATE meter.usage_agg(function text, value numeric, event_time timestamptz, seq bigint, unique_key text) (
	SFUNC = meter.usage_agg_trans, STYPE = internal, SSPACE = 256,
	FINALFUNC = meter.usage_agg_final, COMBINEFUNC = meter.usage_agg_combine,
	SERIALFUNC = meter.usage_agg_serialize, DESERIALFUNC = meter.usage_agg_deserialize,
	PARALLEL = SAFE
);
CREATE AGGREGATE meter.usage_agg(function text, unique_key text) (
	SFUNC = meter.usage_agg_trans, STYPE = internal, SSPACE = 256,
	FINALFUNC = meter.usage_agg_final, COMBINEFUNC = meter.usage_agg_combine,
	SERIALFUNC = meter.usage_agg_serialize, DESERIALFUNC = meter.usage_agg_deserialize,
	PARALLEL = SAFE
);

COMMENT ON AGGREGATE meter.usage_agg(text, numeric, timestamptz, bigint, text) IS
'Aggregates rows into a usage state for one function. function: sum, count, avg, min, max, unique_count, latest, weighted_sum, percentile or custom (a sum), the same in the whole group; value: the number, in any unit (all but count and unique_count); event_time: when it was (latest and weighted_sum); seq: arrival, which orders events of one time, NULL as 0; unique_key: what unique_count counts. Rows whose value (for unique_count: key) is NULL are passed over; count counts every row. Result: the state, NULL over no rows. Errors: 22023 for an unknown function, NaN, an infinity, or two functions in one group; 22004 where function or a needed event_time is NULL; 22003 for a number of more than 128 digits before its point or after it. Standard.';
COMMENT ON AGGREGATE meter.usage_agg(text, numeric, timestamptz, bigint) IS
'As meter.usage_agg(function, value, event_time, seq, unique_key), for every function but unique_count. Standard.';
COMMENT ON AGGREGATE meter.usage_agg(text, numeric, timestamptz) IS
'As meter.usage_agg(function, value, event_time, seq, unique_key) without seq: of events of one time the greater value counts as the later. Standard.';
COMMENT ON AGGREGATE meter.usage_agg(text, numeric) IS
'As meter.usage_agg(function, value, event_time, seq, unique_key), for functions that need a value only: sum, avg, min, max, percentile, custom, and count. Standard.';
COMMENT ON AGGREGATE meter.usage_agg(text, text) IS
'As meter.usage_agg(function, value, event_time, seq, unique_key), for unique_count of unique_key, and count. Standard.';
COMMENT ON AGGREGATE meter.usage_agg(text) IS
'As meter.usage_agg(function, value, event_time, seq, unique_key), for count. Standard.';

-- rollup: states to a state.

CREATE FUNCTION meter.rollup_trans(internal, state meter.usage_state) RETURNS internal
	LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'meter_rollup_trans';

COMMENT ON FUNCTION meter.rollup_trans(internal, meter.usage_state) IS
'Transition function of meter.rollup, whose errors it raises. Standard.';

CREATE AGGREGATE meter.rollup(state meter.usage_state) (
	SFUNC = meter.rollup_trans, STYPE = internal, SSPACE = 256,
	FINALFUNC = meter.usage_agg_final, COMBINEFUNC = meter.usage_agg_combine,
	SERIALFUNC = meter.usage_agg_serialize, DESERIALFUNC = meter.usage_agg_deserialize,
	PARALLEL = SAFE
);

COMMENT ON AGGREGATE meter.rollup(meter.usage_state) IS
'Merges usage states of one function; the result is what meter.usage_agg gives over all their events together. NULL states are passed over. Result: the state, NULL over no states. Errors: 22023 where functions differ, 22P03 for a malformed state. Standard.';

-- One-step forms.

CREATE FUNCTION meter.latest_trans(internal, value numeric, event_time timestamptz) RETURNS internal
	LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'meter_latest_trans';
CREATE FUNCTION meter.latest_final(internal) RETURNS numeric
	LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'meter_latest_final';

COMMENT ON FUNCTION meter.latest_trans(internal, numeric, timestamptz) IS
'Transition function of meter.latest, whose errors it raises. Standard.';
COMMENT ON FUNCTION meter.latest_final(internal) IS
'Final function of meter.latest. Standard.';

CREATE AGGREGATE meter.latest(value numeric, event_time timestamptz) (
	SFUNC = meter.latest_trans, STYPE = internal, SSPACE = 128,
	FINALFUNC = meter.latest_final, COMBINEFUNC = meter.usage_agg_combine,
	SERIALFUNC = meter.usage_agg_serialize, DESERIALFUNC = meter.usage_agg_deserialize,
	PARALLEL = SAFE
);

COMMENT ON AGGREGATE meter.latest(numeric, timestamptz) IS
'The value of the latest event_time; of several values at that time the greatest, so that there is one answer (meter.usage_agg can order by arrival). Rows whose value is NULL are passed over. Result: NULL over no values. Errors: 22004 where event_time is NULL beside a value, 22023 for NaN and infinities, 22003 for a number out of range. Standard.';

CREATE FUNCTION meter.unique_count_trans(internal, key text) RETURNS internal
	LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'meter_unique_count_trans';
CREATE FUNCTION meter.unique_count_final(internal) RETURNS bigint
	LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'meter_unique_count_final';

COMMENT ON FUNCTION meter.unique_count_trans(internal, text) IS
'Transition function of meter.unique_count. Standard.';
COMMENT ON FUNCTION meter.unique_count_final(internal) IS
'Final function of meter.unique_count. Standard.';

CREATE AGGREGATE meter.unique_count(key text) (
	SFUNC = meter.unique_count_trans, STYPE = internal, SSPACE = 1024,
	FINALFUNC = meter.unique_count_final, COMBINEFUNC = meter.usage_agg_combine,
	SERIALFUNC = meter.usage_agg_serialize, DESERIALFUNC = meter.usage_agg_deserialize,
	PARALLEL = SAFE
);

COMMENT ON AGGREGATE meter.unique_count(text) IS
'How many different keys there are, exactly, byte for byte. NULL keys are passed over. Result: 0 over no keys. Standard.';

CREATE FUNCTION meter.time_weighted_trans(internal, value numeric, event_time timestamptz, window_start timestamptz, window_end timestamptz, mode text) RETURNS internal
	LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'meter_time_weighted_trans';
CREATE FUNCTION meter.time_weighted_final(internal) RETURNS numeric
	LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'meter_time_weighted_final';
CREATE FUNCTION meter.time_weighted_combine(internal, internal) RETURNS internal
	LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'meter_time_weighted_combine';
CREATE FUNCTION meter.time_weighted_serialize(internal) RETURNS bytea
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'meter_time_weighted_serialize';
CREATE FUNCTION meter.time_weighted_deserialize(bytea, internal) RETURNS internal
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'meter_time_weighted_deserialize';

COMMENT ON FUNCTION meter.time_weighted_trans(internal, numeric, timestamptz, timestamptz, timestamptz, text) IS
'Transition function of meter.time_weighted, whose errors it raises. Standard.';
COMMENT ON FUNCTION meter.time_weighted_final(internal) IS
'Final function of meter.time_weighted. Errors: 22023 for a window that does not end after its start. Standard.';
COMMENT ON FUNCTION meter.time_weighted_combine(internal, internal) IS
'Combine function of meter.time_weighted. Errors: 22023 where windows or modes differ. Standard.';
COMMENT ON FUNCTION meter.time_weighted_serialize(internal) IS
'Serialize function of meter.time_weighted. Standard.';
COMMENT ON FUNCTION meter.time_weighted_deserialize(bytea, internal) IS
'Deserialize function of meter.time_weighted. Errors: 22P03 for malformed bytes. Standard.';

CREATE AGGREGATE meter.time_weighted(value numeric, event_time timestamptz, window_start timestamptz, window_end timestamptz, mode text) (
	SFUNC = meter.time_weighted_trans, STYPE = internal, SSPACE = 512,
	FINALFUNC = meter.time_weighted_final, COMBINEFUNC = meter.time_weighted_combine,
	SERIALFUNC = meter.time_weighted_serialize, DESERIALFUNC = meter.time_weighted_deserialize,
	PARALLEL = SAFE
);

COMMENT ON AGGREGATE meter.time_weighted(numeric, timestamptz, timestamptz, timestamptz, text) IS
'The time-weighted mean of a level over a window. value: a change of the level (mode delta) or the level itself (mode gauge), in any unit; event_time: from when on; window_start, window_end: the window, half-open; mode: delta or gauge; window and mode are the same in the whole group. Events before the window are carried in, events at or after its end do not count. The area under the level is divided by the window''s real seconds, so a day of 23 or 25 hours has its own mean. In mode gauge, of several values at one time the greatest is the last. Rows whose value is NULL are passed over. Result: NULL without events before the window''s end. Errors: 22023 for an unknown mode, a window that does not end after its start, several windows or modes in one group, NaN and infinities; 22004 for a NULL argument beside a value; 22003 for a number out of range; 22008 for an infinite event_time in mode gauge. Standard.';
