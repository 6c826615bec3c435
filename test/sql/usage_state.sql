-- The type meter.usage_state: text, bytes, and what is refused.
SET client_min_messages = warning;
SET timezone = 'America/New_York';
SET datestyle = 'SQL, DMY';		-- neither may show in a state's text

CREATE TABLE states (name text, s meter.usage_state);
INSERT INTO states
SELECT f, meter.usage_agg(f, v, t, i, k)
  FROM unnest('{sum,count,avg,min,max,latest,unique_count,weighted_sum,percentile,custom}'::text[]) f,
	   (VALUES (1.50, timestamptz '2026-03-05 00:00:00.25+00', 7::bigint, 'a'),
			   (-2.5, '2026-03-05 00:00:00+00', 8, 'b"\é'),
			   (1.5, '2026-03-04 23:00:00+00', -9, 'a'),
			   (12345678901234567890123456789012345678901234567890.125, '1999-12-31 23:00:00+00', 10, repeat('k', 33)),
			   (0, '0044-03-15 00:00:00+00 BC', 11, '')) e(v, t, i, k)
 GROUP BY f;
INSERT INTO states
SELECT 'empty ' || f, ('{"function":"' || f || '","count":0' || part || '}')::meter.usage_state
  FROM (VALUES ('sum', ',"sum":0'), ('count', ''), ('avg', ',"sum":0.00'), ('min', ''), ('max', ''), ('latest', ''),
			   ('unique_count', ',"keys":{},"digests":{}'), ('weighted_sum', ',"points":[]'),
			   ('percentile', ',"values":[]'), ('custom', ',"sum":0')) p(f, part);
INSERT INTO states VALUES
	('sums', '{"function":"weighted_sum","count":2,"sum":3.5,"moment":-1e20}'),
	('half', '{"function":"unique_count","count":-1,"keys":{"a":-1},"digests":{}}'),
	('minus', '{"function":"percentile","count":-2,"values":[[1.50,-2]]}'),
	('late', '{"function":"latest","count":1,"value":1,"time":"infinity","seq":-9223372036854775808}'),
	('huge', ('{"function":"sum","count":9223372036854775807,"sum":' || repeat('9', 200) || '.' || repeat('1', 140) || '}')::meter.usage_state);

SELECT name, s FROM states WHERE name <> 'huge' ORDER BY name COLLATE "C";

-- Text gives the same state back.
SELECT count(*), count(*) FILTER (WHERE meter.usage_state_send(s::text::meter.usage_state) = meter.usage_state_send(s)) AS same
  FROM states;

-- Small states are small.
SELECT name, length(meter.usage_state_send(s)) AS bytes
  FROM (SELECT 'sum' AS name, meter.usage_agg('sum', 12.5) AS s UNION ALL
		SELECT 'count', meter.usage_agg('count') UNION ALL
		SELECT 'max', meter.usage_agg('max', 1000000) UNION ALL
		SELECT 'unique_count', meter.usage_agg('unique_count', '0123456789abcdef') UNION ALL
		SELECT 'unique_count, long key', meter.usage_agg('unique_count', repeat('x', 10000))) x;

-- Bytes: what a client sends goes through usage_state_recv.  A binary COPY
-- file of bytea is one of states as well, whatever the bytes.
CREATE TEMP TABLE received (s meter.usage_state);
CREATE FUNCTION receive(bytes bytea) RETURNS meter.usage_state LANGUAGE plpgsql AS $$
DECLARE
	file text := current_setting('data_directory') || '/usage_state.test';
	s meter.usage_state;
BEGIN
	EXECUTE format('COPY (SELECT %L::bytea) TO %L (FORMAT binary)', bytes, file);
	EXECUTE format('COPY received FROM %L (FORMAT binary)', file);
	DELETE FROM received r RETURNING r.s INTO STRICT s;
	RETURN s;
END $$;

-- 'ok' where the bytes are taken and come back in one form, or the error.
CREATE FUNCTION attempt(bytes bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	s meter.usage_state;
BEGIN
	s := receive(bytes);
	IF receive(meter.usage_state_send(s))::text <> s::text OR s::text::meter.usage_state::text <> s::text THEN
		RETURN 'not the same';
	END IF;
	PERFORM meter.rollup(x) FROM (VALUES (s), (s)) v(x);
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate || ' ' || sqlerrm;
END $$;

SELECT name FROM states WHERE meter.usage_state_send(receive(meter.usage_state_send(s))) <> meter.usage_state_send(s);

SELECT what, attempt(bytes) FROM (VALUES
	('nothing', '\x'::bytea),
	('version only', '\x01'),
	('version 0', '\x000102'),
	('version 2', '\x020102'),
	('function 10', '\x010a02'),
	('function 255', '\x01ff02'),
	('count missing', '\x0101'),
	('count unfinished', '\x010180'),
	('count padded', '\x01018200'),
	('count of 70 bits', '\x0101ffffffffffffffffffff01'),
	('count too large', '\x0101ffffffffffffffffff02'),
	('behind the end', '\x01010200'),
	('sum missing', '\x010002'),
	('scale 129', '\x0100028102'),
	('scale 254', '\x010002fe02'),
	('mantissa missing', '\x01000200'),
	('mantissa padded', '\x010002008200'),
	('mantissa -2^127', '\x01000200ffffffffffffffffffffffffffffffffffff03'),
	('mantissa too large', '\x01000200ffffffffffffffffffffffffffffffffffff07'),
	('numeric missing', '\x010002ff'),
	('numeric too long', '\x010002ffffffffffffffffff01'),
	('numeric empty', '\x010002ff00'),
	('numeric NaN', '\x010002ff080000 0000 c000 0000'),
	('numeric Infinity', '\x010002ff080000 0000 d000 0020'),
	('numeric that is small', '\x010002ff0a0001 0000 0000 0000 0001'),
	('numeric with a wrong digit', '\x010002ff0a0001 0040 0000 0000 2710'),
	('numeric with zeros', '\x010002ff0c0002 0040 0000 0000 0001 0000'),
	('numeric with digits missing', '\x010002ff0a00ff 0040 0000 0000 0001'),
	('min without value', '\x010302'),
	('min of -1', '\x0103010002'),
	('min of 0 with value', '\x0103000002'),
	('latest without time', '\x0105020002'),
	('latest at no time', '\x0105020002 fcffffffffffffffff01 02'),
	('keys announced', '\x010602ffffffffffffffffff01'),
	('keys missing', '\x01060202 610202'),
	('key too long', '\x0106020122020202'),
	('key cut', '\x010602010561'),
	('key without count', '\x0106020101 61'),
	('key counted 0', '\x0106020101 6100'),
	('key of NUL', '\x0106020101 0002'),
	('key not UTF-8', '\x0106020101 ff02'),
	('keys twice', '\x0106040201 61020161 02'),
	('keys in no order', '\x0106040201 62020161 02'),
	('key counts too large', '\x0106040201 61feffffffffffffffff010161 02'),
	('weighted of kind 2', '\x01070202'),
	('point at no time', '\x0107020001 feffffffffffffffff01 000002 02'),
	('points announced', '\x01070200ffffffff0f'),
	('values announced', '\x010802ffffffff0f'),
	('value with zeros', '\x01080201 011402'),
	('values in no order', '\x01080402 000402 000202')) t(what, bytes);

-- Every state cut short is refused, and so is one byte more.
SELECT DISTINCT left(attempt(substr(meter.usage_state_send(s), 1, n)), 5) AS cut
  FROM states, generate_series(0, length(meter.usage_state_send(s)) - 1) n;
SELECT DISTINCT attempt(meter.usage_state_send(s) || '\x00') AS longer FROM states;

-- Bytes changed at random are refused or are a state; nothing else happens.
DO $$
DECLARE
	bytes bytea;
	answer text;
BEGIN
	PERFORM setseed(0.25);
	FOR round IN 1 .. 40 LOOP
		FOR bytes IN SELECT meter.usage_state_send(s) FROM states ORDER BY name COLLATE "C" LOOP
			FOR change IN 1 .. 1 + (random() * 2)::int LOOP
				bytes := set_byte(bytes, (random() * (length(bytes) - 1))::int, (random() * 255)::int);
			END LOOP;
			answer := attempt(bytes);
			IF answer <> 'ok' AND answer !~ '^(22P03|22003) ' THEN
				RAISE WARNING '% gives %', bytes, answer;
			END IF;
		END LOOP;
	END LOOP;
END $$;

-- Text that is none.
CREATE FUNCTION attempt_text(t text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	RETURN 'ok ' || t::meter.usage_state;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN sqlstate || ' ' || sqlerrm || ' / ' || detail;
END $$;

SELECT t, attempt_text(t) FROM unnest(ARRAY[
	'', 'sum', '[]', '{}', '{"function":"sum"}', '{"function":"total","count":1,"sum":1}', '{"function":1,"count":1}',
	'{"function":"sum","count":1}', '{"function":"sum","count":"1","sum":1}', '{"function":"sum","count":1.0,"sum":1}',
	'{"function":"sum","count":9223372036854775808,"sum":1}', '{"function":"sum","count":1,"sum":"1"}', '{"function":"sum","count":1,"sum":NaN}',
	'{"function":"sum","count":1,"sum":1,"more":1}', '{"function":"sum","count":1,"count":1,"sum":1}',
	'{"function":"min","count":-1}', '{"function":"min","count":1}', '{"function":"min","count":0,"value":1}',
	'{"function":"latest","count":1,"value":1,"time":"now","seq":1}', '{"function":"latest","count":1,"value":1,"time":"05/03/2026T00:00:00+00:00","seq":1}', '{"function":"latest","count":1,"value":1,"time":"2026-03-05T00:00:00","seq":1}',
	'{"function":"latest","count":1,"value":1,"time":"2026-13-05T00:00:00+00:00","seq":1}', '{"function":"latest","count":1,"value":1,"time":"2026-03-05T00:00:00+00:00","seq":1.5}',
	'{"function":"unique_count","count":1,"keys":{"a":0},"digests":{}}', '{"function":"unique_count","count":1,"keys":{"123456789012345678901234567890123":1},"digests":{}}',
	'{"function":"unique_count","count":1,"keys":{},"digests":{"12":1}}', '{"function":"unique_count","count":1,"keys":[]}',
	'{"function":"percentile","count":1,"values":[1]}', '{"function":"percentile","count":1,"values":[[1,1,1]]}', '{"function":"percentile","count":1,"values":[[[1],1]]}',
	'{"function":"weighted_sum","count":1,"points":[["infinity",1,1,1]]}', '{"function":"weighted_sum","count":1,"points":[],"sum":1}',
	'{"function":"weighted_sum","count":1,"moment":1}']) t;

-- The catalog: nothing without a comment, everything safe in parallel.
SELECT p.proname, pg_get_function_identity_arguments(p.oid)
  FROM pg_proc p
 WHERE pronamespace = 'meter'::regnamespace
   AND proname ~ '^(usage_state|usage_agg|rollup|result|latest|unique_count|time_weighted)'
   AND (proparallel <> 's' OR obj_description(p.oid, 'pg_proc') IS NULL);

DROP TABLE states;
DROP FUNCTION receive, attempt, attempt_text;
