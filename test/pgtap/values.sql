-- Numbers are exact decimals from JSON text to result, and what is no number is
-- rejected with a pointer to it.
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS meter;
DO $$ BEGIN PERFORM meter.create_store(); END $$;
SELECT no_plan();

CREATE TABLE org AS SELECT meter.create_organization('values') AS id;
DO $$ BEGIN
	PERFORM meter.create_meter(id, jsonb_build_object('key', f, 'name', f, 'metric_key', 'call', 'function', f,
		'value_field', '$.usage.n', 'negative_allowed', true)) FROM org, unnest('{sum,avg,min,max,latest}'::text[]) f;
	PERFORM meter.create_meter(id, '{"key": "strict", "name": "Strict", "metric_key": "strict", "function": "sum", "value_field": "$.usage.n"}') FROM org;
END $$;

-- events of one subject each; n is JSON text
CREATE FUNCTION send(subject text, VARIADIC n text[]) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(DISTINCT i.status, ',') FROM org, meter.ingest(org.id, (SELECT json_agg(json_build_object(
		'id', subject || o, 'source', 's', 'type', 'call', 'subject', subject, 'time', timestamptz '2025-01-01 00:00+00' + make_interval(mins => o::int),
		'data', ('{"usage": {"n": ' || v || '}}')::json)) FROM unnest(n) WITH ORDINALITY x(v, o))) i
$$;
CREATE FUNCTION used(subject text, meter text DEFAULT 'sum') RETURNS text LANGUAGE sql AS $$
	SELECT u.value::text FROM org, meter.usage(org.id, meter, '2025-01-01 00:00+00', '2025-01-02 00:00+00', subject => $1) u
$$;

SELECT is(send('tenths', '0.1', '0.2'), 'accepted', '0.1 and 0.2');
SELECT is(used('tenths'), '0.3', 'are 0.3');
SELECT is(send('strings', '123', '"0.4567890123456789"'), 'accepted', 'a number and a numeric string');
SELECT is(used('strings'), '123.4567890123456789', 'keep every digit');
SELECT is(send('thirty', '123456789012345678901234567890.123456789012345678901234567891', '-0.000000000000000000000000000001'), 'accepted', 'sixty digits');
SELECT is(used('thirty'), '123456789012345678901234567890.123456789012345678901234567890', 'keep every digit');
SELECT is(used('thirty', 'max'), '123456789012345678901234567890.123456789012345678901234567891', 'in max');
SELECT is(used('thirty', 'latest')::numeric, -0.000000000000000000000000000001, 'in latest');
SELECT is(send('pennies', VARIADIC array_fill('0.01'::text, '{1000}')), 'accepted', 'a thousand pennies');
SELECT is(used('pennies')::numeric, 10::numeric, 'are ten');
SELECT is(used('pennies', 'avg')::numeric, 0.01, 'a penny each');
SELECT is(send('exponents', '1e3', '"25E-2"', '-0', '1.5e+1'), 'accepted', 'exponents');
SELECT is(used('exponents')::numeric, 1015.25, 'are exact');
SELECT is(send('thirds', '1', '0', '0'), 'accepted', 'a third');
SELECT is(round(used('thirds', 'avg')::numeric, 15), 0.333333333333333, 'as an average has sixteen digits or more');
SELECT is(send('big', '9223372036854775807', '9223372036854775807', '170141183460469231731687303715884105727'), 'accepted', 'more than 64 and 128 bits');
SELECT is(used('big')::numeric, 170141183460469231750134047789593657341::numeric, 'do not overflow');
SELECT is(send('cancel', '1e30', '1e-30', '-1e30'), 'accepted', 'a tiny and a huge value');
SELECT is(used('cancel')::numeric, 1e-30, 'nothing is lost beside a large one');

-- what is no number
CREATE TABLE bad (name text, json text);
INSERT INTO bad VALUES
	('1e400', '1e400'), ('-1e400', '-1e400'), ('1e-400', '1e-400'), ('NaN', '"NaN"'), ('nan', '"nan"'),
	('Infinity', '"Infinity"'), ('-Infinity', '"-Infinity"'), ('inf', '"inf"'), ('12abc', '"12abc"'), ('empty', '""'),
	('blank', '" "'), ('blanks around', '" 5 "'), ('hex', '"0x10"'), ('comma', '"1,000"'), ('underscore', '"1_000"'), ('two points', '"1.2.3"'),
	('sign only', '"-"'), ('exponent only', '"e5"'), ('open exponent', '"1e"'), ('no break space', '"\u00a05"'), ('other digits', '"٣"'),
	('100,000 digits', repeat('9', 100000)), ('100,000 digits in a string', '"' || repeat('9', 100000) || '"'),
	('a fraction of 100,000 digits', '0.' || repeat('1', 100000)), ('huge exponent', '"1e999999999999"'), ('tiny exponent', '"1e-999999999999"'),
	('true', 'true'), ('null', 'null'), ('array', '[]'), ('array of one', '[[1]]'), ('object', '{}');

SELECT is(send('bad ' || name, json), 'rejected', 'rejected: ' || name) FROM bad;
SELECT is(count(*), 0::bigint, 'nothing of them is counted') FROM org, meter.usage(org.id, 'sum', '2025-01-01 00:00+00', '2025-01-02 00:00+00', group_by => '{subject}') u
WHERE u.subject LIKE 'bad %';
SELECT ok(bool_and(r.pointer = '/data/usage/n'), 'rejected with a pointer: ' || name || ' ' || coalesce(string_agg(DISTINCT r.pointer, ' '), 'none'))
FROM bad LEFT JOIN (org JOIN meter.rejected_events r ON r.organization_id = org.id) ON r.payload ->> 'subject' = 'bad ' || bad.name
GROUP BY name;
SELECT is_empty($$
	SELECT r.payload ->> 'subject', r.code, r.message FROM org JOIN meter.rejected_events r ON r.organization_id = org.id
	WHERE r.code IS NULL OR r.code !~ '^[A-Z][A-Z_]*$' OR coalesce(r.message, '') = ''
	   -- no numeric holds this one, so the document is refused before any meter looks at it
	   OR (r.meter_id IS NULL AND r.payload ->> 'subject' <> 'bad a fraction of 100,000 digits')
$$, 'rejected with a code, a message and the meter');
SELECT is((SELECT length(r.payload #>> '{data,usage,n}') FROM org JOIN meter.rejected_events r ON r.organization_id = org.id
	WHERE r.payload ->> 'subject' = 'bad 100,000 digits' LIMIT 1), 100000, 'a rejected event is kept whole');

-- the value's absence
SELECT is((SELECT status FROM org, meter.ingest(org.id, '{"id": "none", "source": "s", "type": "call", "subject": "none", "time": "2025-01-01T00:00:00Z", "data": {}}')),
	'rejected', 'no value');
SELECT is((SELECT status FROM org, meter.ingest(org.id, '{"id": "no data", "source": "s", "type": "call", "subject": "none", "time": "2025-01-01T00:00:00Z"}')),
	'rejected', 'no data');

-- negative values
SELECT is((SELECT string_agg(status, ' ' ORDER BY ordinal) FROM org, meter.ingest(org.id, '[
	{"id": "n1", "source": "s", "type": "strict", "subject": "ada", "time": "2025-01-01T00:00:00Z", "data": {"usage": {"n": -0.0000000001}}},
	{"id": "n2", "source": "s", "type": "strict", "subject": "ada", "time": "2025-01-01T00:00:00Z", "data": {"usage": {"n": "-1"}}},
	{"id": "n3", "source": "s", "type": "strict", "subject": "ada", "time": "2025-01-01T00:00:00Z", "data": {"usage": {"n": -0.0}}},
	{"id": "n4", "source": "s", "type": "strict", "subject": "ada", "time": "2025-01-01T00:00:00Z", "data": {"usage": {"n": 0}}}]')),
	'rejected rejected accepted accepted', 'a negative value is rejected where it is not allowed, a negative zero is none');

-- no events
SELECT is(used('nobody', f), CASE f WHEN 'sum' THEN '0' END, 'no events: ' || f) FROM unnest('{sum,avg,min,max,latest}'::text[]) f;

SELECT * FROM finish();
ROLLBACK;
