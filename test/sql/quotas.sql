-- Quotas: asked beforehand, reserved, settled.
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
DO $$ BEGIN PERFORM meter.create_store(); END $$;
SELECT meter.create_organization('quotas', '00000000-0000-0000-0000-00000000d503');
\set org '''00000000-0000-0000-0000-00000000d503'''

-- Windows of a year: those of now end at no bad moment but one.
CREATE FUNCTION pg_temp.meter(key text, definition jsonb) RETURNS void LANGUAGE sql AS $$
	SELECT meter.create_meter('00000000-0000-0000-0000-00000000d503', jsonb_build_object('key', key, 'metric_key', key, 'window', jsonb_build_object('size', 'year')) || definition)
$$;
CREATE FUNCTION pg_temp.quota(name text, meter text, "limit" numeric, more jsonb DEFAULT '{}') RETURNS void LANGUAGE sql AS $$
	SELECT meter.create_threshold('00000000-0000-0000-0000-00000000d503',
		jsonb_build_object('name', name, 'meter', meter, 'threshold_value', "limit", 'action_kind', 'block') || more)
$$;
-- What a call answers, or what its refusal says; what depends on the clock is left out.
CREATE FUNCTION pg_temp.try(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
	detail text;
BEGIN
	EXECUTE 'SELECT ' || command INTO answer;
	RETURN CASE WHEN answer LIKE '%requestId%' THEN answer::jsonb ->> 'status' ELSE answer END;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' | ', SQLSTATE, regexp_replace(regexp_replace(SQLERRM, ', window .*', ''), 'reservation (?!0{8})[0-9a-f-]{36}', 'reservation'), CASE WHEN detail LIKE '{%' THEN (detail::jsonb - 'window')::text ELSE NULLIF(detail, '') END);
END
$$;
CREATE FUNCTION pg_temp.send(meter text, id text, subject text, "time" text, data jsonb) RETURNS TABLE (status text, code text) LANGUAGE sql AS $$
	SELECT i.status, i.code FROM meter.ingest('00000000-0000-0000-0000-00000000d503',
		json_build_object('source', 'test', 'id', id, 'type', meter, 'subject', subject, 'time', "time", 'data', data)) AS i
$$;

--
-- Asking
--
DO $$ BEGIN
	PERFORM pg_temp.meter('tokens', '{"function": "sum", "value_field": "n", "dimensions": {"model": "$.llm.model", "region": "region"}}');
	-- used before there were quotas
	PERFORM pg_temp.send('tokens', 'old', 'ada', '2025-01-01T00:00:00Z', '{"n": 10.5, "llm": {"model": "a"}}');
END $$;
SELECT meter.check_quota(:org, 'tokens', 'ada', 5) AS no_quota;
DO $$ BEGIN
	PERFORM pg_temp.quota('each', 'tokens', 100);
	PERFORM pg_temp.quota('told', 'tokens', 1, '{"action_kind": "notify"}');
END $$;
SELECT quantity, subject, meter.check_quota(:org, 'tokens', subject, quantity, "at" => '2025-03-01') AS answer
	FROM (VALUES (89.5, 'ada'), (89.6, 'ada'), (0, 'ada'), (100, 'bob'), (101, 'bob'), (101, NULL)) AS v (quantity, subject);
-- of several the one that refuses, else the one with the least left
DO $$ BEGIN
	PERFORM pg_temp.quota('all', 'tokens', 120, '{"scope": {"kind": "meter"}}');
	PERFORM pg_temp.quota('model', 'tokens', 50, '{"per_dimensions": true}');
	PERFORM pg_temp.quota('day', 'tokens', 30, '{"window": {"size": "day"}, "comparator": "gt"}');
	PERFORM pg_temp.send('tokens', 'e1', 'ada', '2025-03-01T01:00:00Z', '{"n": 20, "llm": {"model": "b"}, "region": "eu"}');
	PERFORM pg_temp.send('tokens', 'e2', 'bob', '2025-03-02T01:00:00Z', '{"n": 30, "llm": {"model": "a"}, "region": "eu"}');
END $$;
SELECT subject, quantity, dimensions, "at", a ->> 'allowed' AS allowed, a ->> 'threshold' AS threshold, a ->> 'used' AS used, a ->> 'remaining' AS remaining, a -> 'window' ->> 'start' AS start
	FROM (VALUES ('ada', 1, NULL, '2025-03-01'), ('ada', 11, NULL, '2025-03-01'), ('ada', 30, '{"region": "eu", "model": "b"}', '2025-03-02'), ('ada', 30.1, '{"region": "eu", "model": "b"}', '2025-03-02'),
		('ada', 30, '{"region": null, "model": "b"}', '2025-03-02'), ('cy', 31, '{}', '2025-03-02'), ('cy', 5, '{"model": 1.50}', '2025-03-02'), ('bob', 0, '{"model": "a", "region": "eu"}', '2025-03-02'),
		('cy', 1, '{}', '2024-03-02')) AS v (subject, quantity, dimensions, "at"),
	LATERAL meter.check_quota(:org, 'tokens', subject, quantity, dimensions::jsonb, "at"::timestamptz) AS a;
SELECT pg_temp.try(format('meter.check_quota(%L, %s)', :org, arguments)) AS answer, arguments FROM unnest(ARRAY[
	$$'tokens', 'ada', 1, '{"colour": "red"}'$$, $$'tokens', 'ada', 1, '[]'$$, $$'tokens', 'ada', 1, '{"model": {}}'$$, $$'tokens', 'ada', 1, currency => 'EUR'$$, $$'tokens', 'ada', -1$$, $$'tokens', 'ada', 'NaN'$$,
	$$'tokens', 'ada', 1e130$$, $$'tokens', 'ada', NULL$$, $$NULL, 'ada'$$, $$'nothing', 'ada'$$, $$'tokens', 'ada', "at" => 'infinity'$$]) AS arguments;
-- read only, nothing is made or locked
BEGIN READ ONLY;
SELECT a ->> 'remaining' AS remaining FROM meter.check_quota(:org, 'tokens', 'dan', 1, "at" => '2025-03-01') AS a;
SELECT count(*) AS locks FROM pg_locks WHERE pid = pg_backend_pid() AND (locktype = 'object' OR mode IN ('RowShareLock', 'RowExclusiveLock'));
COMMIT;
SELECT count(*) AS rows FROM meter.threshold_usage WHERE organization_id = :org AND subject IN ('cy', 'dan');
-- by the caller's snapshot
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT a ->> 'used' AS used FROM meter.check_quota(:org, 'tokens', 'ada', 1, "at" => '2025-03-01') AS a;
SELECT * FROM pg_temp.send('tokens', 'e3', 'ada', '2025-03-01T02:00:00Z', '{"n": 1, "llm": {"model": "b"}, "region": "eu"}');
SELECT a ->> 'used' AS used FROM meter.check_quota(:org, 'tokens', 'ada', 1, "at" => '2025-03-01') AS a;
ROLLBACK;

-- What is asked is what the event is told, whatever the function.
DO $$
DECLARE
	functions jsonb := '{"sum": {"value_field": "v"}, "count": {}, "unique_count": {"unique_by_field": "u"}, "max": {"value_field": "v"}, "min": {"value_field": "v"},
		"latest": {"value_field": "v"}, "avg": {"value_field": "v"}, "percentile": {"value_field": "v", "function_options": {"percentile": 0.5}},
		"custom": {"function_options": {"expression": "value * 2"}}}';
	function text;
BEGIN
	FOR function IN SELECT jsonb_object_keys(functions) LOOP
		PERFORM pg_temp.meter('m_' || function, functions -> function || jsonb_build_object('function', function, 'negative_allowed', true));
		PERFORM pg_temp.quota('low', 'm_' || function, 3, '{"comparator": "lte", "scope": {"kind": "customer", "id": "low"}}');
		PERFORM pg_temp.quota('high', 'm_' || function, 7, '{"comparator": "gte", "scope": {"kind": "customer", "id": "high"}}');
	END LOOP;
END $$;
CREATE TEMP TABLE asked (n serial, function text, subject text, quantity numeric, answer jsonb, status text, code text);
DO $$
DECLARE
	f text;
	s text;
	q numeric;
	answer jsonb;
	told record;
	n int := 0;
BEGIN
	FOREACH f IN ARRAY '{sum,count,unique_count,max,min,latest,avg,percentile,custom}'::text[] LOOP
		FOREACH s IN ARRAY '{low,high}'::text[] LOOP
			FOREACH q IN ARRAY '{5,1,6.5,-12,9,3,-4,8,-2.5,7}'::numeric[] LOOP
				n := n + 1;
				IF f IN ('count', 'unique_count') THEN
					q := 1;
				END IF;
				answer := meter.check_quota('00000000-0000-0000-0000-00000000d503', 'm_' || f, s, q, "at" => '2025-01-01 00:00Z'::timestamptz + n * interval '1 hour');
				SELECT * INTO told FROM pg_temp.send('m_' || f, 'n' || n, s, to_char('2025-01-01'::timestamp + n * interval '1 hour', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
					jsonb_build_object('v', q, 'u', n, 'value', q));
				INSERT INTO asked (function, subject, quantity, answer, status, code) VALUES (f, s, q, answer, told.status, told.code);
			END LOOP;
		END LOOP;
	END LOOP;
END $$;
SELECT function, subject, count(*) FILTER (WHERE (answer -> 'allowed')::boolean) AS allowed, count(*) FILTER (WHERE NOT (answer -> 'allowed')::boolean) AS refused,
		count(*) FILTER (WHERE (answer -> 'allowed')::boolean IS DISTINCT FROM (status = 'accepted') OR (code IS NOT DISTINCT FROM 'QUOTA_EXCEEDED') = (answer -> 'allowed')::boolean) AS wrong,
		(array_agg(answer - 'window' - 'meter' ORDER BY n DESC))[1] AS last
	FROM asked GROUP BY function, subject ORDER BY function, subject;
SELECT pg_temp.try(format('meter.check_quota(%L, %s)', :org, arguments)) AS answer, arguments FROM unnest(ARRAY[$$'m_count', 'high', 3$$, $$'m_count', 'high', 1.5$$, $$'m_unique_count', 'high', -1$$]) AS arguments;

--
-- Reserving and settling
--
DO $$ BEGIN
	PERFORM pg_temp.meter('gpu', '{"function": "sum", "value_field": "$.usage.s", "dimensions": {"kind": "$.gpu.kind", "zone": "zone"}}');
	PERFORM pg_temp.quota('gpu each', 'gpu', 100);
	PERFORM pg_temp.quota('gpu kind', 'gpu', 60, '{"per_dimensions": true, "comparator": "gt"}');
	PERFORM pg_temp.quota('gpu all', 'gpu', 1000, '{"scope": {"kind": "meter"}}');
END $$;
CREATE VIEW pg_temp.quotas AS
	SELECT threshold_name, subject, dimensions, "limit", used, reserved FROM meter.quotas
	WHERE organization_id = '00000000-0000-0000-0000-00000000d503' AND meter_key = 'gpu' ORDER BY threshold_name, subject, dimensions;
CREATE TEMP TABLE held (name text PRIMARY KEY, id uuid);
CREATE FUNCTION pg_temp.reserve(name text, subject text, quantity numeric, dimensions text DEFAULT '{}', ttl text DEFAULT '1 hour', meter text DEFAULT 'gpu') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text := pg_temp.try(format('meter.reserve(%L, %L, %L, %L, %L, %L)', '00000000-0000-0000-0000-00000000d503', meter, subject, quantity, ttl, dimensions));
BEGIN
	IF answer NOT LIKE '% | %' THEN
		INSERT INTO held VALUES (name, answer::uuid) ON CONFLICT DO NOTHING;
		answer := 'held';
	END IF;
	RETURN answer;
END
$$;
CREATE FUNCTION pg_temp.settle(name text, actual numeric) RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.try(format('meter.settle(%L, %L)', id, actual)) FROM held WHERE held.name = settle.name
$$;
CREATE FUNCTION pg_temp.report(subject text, value numeric, key text, meter text DEFAULT 'gpu') RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.try(format('meter.report_usage(%L, %L, %L)', '00000000-0000-0000-0000-00000000d503', jsonb_build_object('meterId', meter, 'customerId', subject, 'value', value), key))
$$;

SELECT pg_temp.reserve('r1', 'ada', 40, '{"kind": "h100"}') AS r1, pg_temp.reserve('r2', 'ada', 20, '{"kind": "h100"}') AS r2, pg_temp.reserve('r3', 'ada', 30) AS r3;
SELECT * FROM pg_temp.quotas;
SELECT subject, a - 'window' AS answer FROM unnest('{ada,bob}'::text[]) AS subject, LATERAL meter.check_quota(:org, 'gpu', subject, 11) AS a;
-- what is held refuses others, as it refuses reservations
SELECT pg_temp.reserve('no', 'ada', 1, '{"kind": "h100"}') AS kind, pg_temp.reserve('no', 'ada', 11) AS each;
SELECT pg_temp.report('ada', 11, 'k1') AS too_much, pg_temp.report('ada', 10, 'k1') AS filled;
SELECT ordinal, status, code FROM meter.ingest(:org, (SELECT json_agg(json_build_object('source', 's', 'id', n::text, 'type', 'gpu', 'subject', 'bob', 'data', json_build_object('usage', json_build_object('s', 30)))) FROM generate_series(1, 3) AS n));
-- as much as was reserved fits, though others have filled the rest
SELECT pg_temp.settle('r1', 40) AS r1, pg_temp.settle('r2', 12.5) AS r2;
SELECT * FROM pg_temp.quotas;
SELECT type, id = 'reservation:' || (SELECT held.id FROM held WHERE name = 'r2') AS key, subject, data FROM meter.events WHERE organization_id = :org AND id LIKE 'reservation:%' ORDER BY seq DESC LIMIT 1;
-- more than that is held against quotas; refused, nothing is settled
SELECT pg_temp.settle('r3', 37.6) AS refused, pg_temp.settle('r3', 37.5) AS settled;
SELECT pg_temp.settle('r3', 37.50) AS same, pg_temp.settle('r3', 37) AS other;
SELECT pg_temp.try($$meter.settle('00000000-0000-0000-0000-00000000dead', 1)$$) AS unknown, pg_temp.try('meter.settle(NULL, 1)') AS no_id;
SELECT pg_temp.reserve('r4', 'cy', 40) AS r4, pg_temp.settle('r4', NULL) AS "null", pg_temp.settle('r4', -1) AS negative, pg_temp.settle('r4', 'Infinity') AS infinite, pg_temp.settle('r4', 0) AS nothing, pg_temp.settle('r4', 0) AS again;
SELECT * FROM pg_temp.quotas WHERE subject IS DISTINCT FROM 'bob';
SELECT count(*) AS holds FROM meter.reservation_hold WHERE organization_id = :org;
SELECT quantity, dimensions, currency, settled_at IS NOT NULL AS settled, actual FROM meter.reservation WHERE organization_id = :org ORDER BY reserved_at;
-- rolled back it holds nothing, or is not settled
BEGIN;
SELECT pg_temp.reserve('r5', 'dan', 60) AS r5;
SAVEPOINT s;
SELECT pg_temp.settle('r5', 10) AS r5;
ROLLBACK TO s;
SELECT pg_temp.report('dan', 1, 'k2') AS report;
SELECT pg_temp.settle('r5', 59) AS r5;
SELECT pg_temp.report('dan', 1, 'k3') AS report;
ROLLBACK;
SELECT a ->> 'remaining' AS remaining FROM meter.check_quota(:org, 'gpu', 'dan', 1) AS a;

--
-- Expiry
--
-- An hour passes for all that is held.
CREATE FUNCTION pg_temp.pass() RETURNS void LANGUAGE sql AS $$
	UPDATE meter.reservation SET expires_at = expires_at - interval '61 minutes';
	UPDATE meter.reservation_hold SET expires_at = expires_at - interval '61 minutes';
	UPDATE meter.threshold_usage SET reserved_until = reserved_until - interval '61 minutes';
$$;
SELECT pg_temp.reserve('e1', 'eve', 40) AS e1, pg_temp.reserve('e2', 'eve', 30, '{"kind": "a"}', '2 hours') AS e2, pg_temp.report('eve', 21, 'k3') AS report;
SELECT pg_temp.pass();
SELECT a ->> 'reserved' AS reserved, a ->> 'remaining' AS remaining FROM meter.check_quota(:org, 'gpu', 'eve', 1, '{"kind": "a"}') AS a;
SELECT a ->> 'reserved' AS reserved, a ->> 'remaining' AS remaining FROM meter.check_quota(:org, 'gpu', 'eve', 1) AS a;
SELECT * FROM pg_temp.quotas WHERE subject = 'eve';
-- no refusal is due to what has expired
SELECT pg_temp.report('eve', 61, 'k4') AS too_much, pg_temp.report('eve', 60, 'k4') AS filled;
SELECT h.watch_no = min(h.watch_no) OVER () AS first, r.quantity FROM meter.reservation_hold AS h JOIN meter.reservation AS r ON r.id = h.reservation_id WHERE h.organization_id = :org ORDER BY h.watch_no, r.quantity;
SELECT * FROM pg_temp.quotas WHERE subject = 'eve';
-- one that has expired is a plain report
SELECT pg_temp.settle('e1', 11) AS refused, pg_temp.report('eve', 1, 'k4a') AS full, pg_temp.settle('e2', 30) AS held, pg_temp.settle('e1', 10) AS settled;
SELECT * FROM pg_temp.quotas WHERE subject = 'eve';
SELECT count(*) AS holds FROM meter.reservation_hold WHERE organization_id = :org;
-- ... also where nobody let go of it before
SELECT pg_temp.reserve('e3', 'flo', 60) AS e3, pg_temp.pass(), pg_temp.reserve('e4', 'flo', 60, '{"kind": "a"}') AS e4, pg_temp.settle('e3', 41) AS refused, pg_temp.settle('e3', 40) AS settled;
SELECT pg_temp.settle('e4', 60) AS e4;

--
-- Windows and quotas that are others by then
--
-- a year passes
SELECT pg_temp.reserve('w1', 'gil', 60) AS w1;
UPDATE meter.threshold_usage SET window_start = window_start - interval '1 year', window_end = window_end - interval '1 year' WHERE organization_id = :org AND subject = 'gil';
UPDATE meter.reservation_hold SET window_start = window_start - interval '1 year' WHERE organization_id = :org AND account LIKE '%gil';
SELECT pg_temp.report('gil', 5, 'k5') AS report, pg_temp.settle('w1', 56) AS refused, pg_temp.settle('w1', 55) AS settled;
SELECT t.window_start >= date_trunc('year', now()) AS current, t.subject, t.value, t.reserved, t.reserved_until FROM meter.threshold_usage AS t JOIN meter.threshold AS h USING (organization_id, watch_no)
	WHERE t.organization_id = :org AND h.name = 'gpu each' AND subject = 'gil' ORDER BY window_start;
-- a quota that became smaller leaves what was reserved
SELECT pg_temp.reserve('w2', 'hal', 40) AS w2, pg_temp.report('hal', 20, 'k6') AS report;
UPDATE meter.threshold SET threshold_values = '{30}' WHERE organization_id = :org AND name = 'gpu each';
SELECT pg_temp.report('hal', 1, 'k7') AS report, pg_temp.reserve('no', 'hal', 1) AS reserve, pg_temp.settle('w2', 40.1) AS refused, pg_temp.settle('w2', 40) AS settled;
UPDATE meter.threshold SET threshold_values = '{100}' WHERE organization_id = :org AND name = 'gpu each';
-- paused, it refuses nothing, and the hold goes all the same; deleted likewise
SELECT pg_temp.reserve('w3', 'ivy', 50, '{"kind": "a"}') AS w3, pg_temp.reserve('w4', 'ivy', 40, '{"kind": "b"}') AS w4;
SELECT meter.pause_threshold(:org, t.name) ->> 'status' AS status FROM meter.thresholds AS t WHERE t.organization_id = :org AND t.meter_key = 'gpu' AND t.name <> 'gpu all';
SELECT pg_temp.settle('w3', 70) AS w3;
SELECT meter.resume_threshold(:org, t.name) ->> 'status' AS status FROM meter.thresholds AS t WHERE t.organization_id = :org AND t.meter_key = 'gpu' AND t.name <> 'gpu all';
SELECT * FROM pg_temp.quotas WHERE subject = 'ivy';
SELECT meter.delete_threshold(:org, t.name) FROM meter.thresholds AS t WHERE t.organization_id = :org AND t.meter_key = 'gpu' AND t.name <> 'gpu all';
SELECT pg_temp.settle('w4', 10) AS w4;
SELECT pg_temp.reserve('w5', 'ivy', 1) AS w5;
SELECT meter.delete_threshold(:org, 'gpu all');
SELECT pg_temp.reserve('w6', 'ivy', 1e6) AS no_quota, pg_temp.settle('w6', 2e6) AS settled, pg_temp.settle('w5', 1) AS deleted;
SELECT count(*) AS rows FROM meter.quotas WHERE organization_id = :org AND meter_key = 'gpu';

--
-- Other meters
--
DO $$ BEGIN
	PERFORM pg_temp.quota('two', 'm_count', 2);
	PERFORM pg_temp.quota('ten', 'm_custom', 10);
	PERFORM pg_temp.meter('money', '{"function": "sum", "value_field": "amount", "unit_currency_field": "$.price.currency", "dedup_key_path": "$.keys.own", "account_mapping": {"type": "code", "event_property": "who.account"}, "dimensions": {"account": "who.account"}}');
	PERFORM pg_temp.quota('wallet', 'money', 100);
	PERFORM pg_temp.meter('strict', '{"function": "sum", "value_field": "n", "filter_tree": {"field": "$.region", "op": "eq", "value": "eu"}, "dimensions": {"region": "region"}, "event_schema": {"required": ["n"], "properties": {"n": {"maximum": 50}}}}');
	PERFORM pg_temp.meter('derived', '{"function": "sum", "value_field": "double", "data_fields": [{"code": "value", "category": "MEASURE", "name": "v"}, {"code": "who", "category": "WHO", "name": "w"}],
		"derived_fields": [{"code": "double", "category": "MEASURE", "name": "d", "calculation": "value * 2"}, {"code": "loud", "category": "WHO", "name": "l", "calculation": "who + \"!\""}], "dimensions": {"loud": "loud", "who": "who"}}');
	PERFORM pg_temp.quota('derived each', 'derived', 100);
	PERFORM pg_temp.meter('fields', '{"function": "custom", "function_options": {"expression": "a + b"}}');
	PERFORM pg_temp.meter('list', '{"function": "sum", "value_field": "$.list[0]"}');
	PERFORM pg_temp.meter('clash', '{"function": "sum", "value_field": "a.b", "dimensions": {"a": "a"}}');
	PERFORM pg_temp.meter('falling', '{"function": "sum", "value_field": "n", "negative_allowed": true}');
	PERFORM pg_temp.quota('floor', 'falling', 0, '{"comparator": "lt"}');
	PERFORM pg_temp.meter('archived', '{"function": "count"}');
	PERFORM meter.archive_meter('00000000-0000-0000-0000-00000000d503', 'archived', 'over');
END $$;
-- a count: one event
SELECT pg_temp.reserve('c1', 'x', 1, meter => 'm_count') AS c1, pg_temp.reserve('c2', 'x', 1, meter => 'm_count') AS c2, pg_temp.reserve('c3', 'x', 1, meter => 'm_count') AS c3,
	pg_temp.settle('c1', 2) AS two, pg_temp.settle('c1', 1) AS one, pg_temp.settle('c2', 0) AS none, pg_temp.reserve('c4', 'x', 1, meter => 'm_count') AS c4;
-- an expression of what is reported
SELECT pg_temp.reserve('x1', 'x', 5.5, meter => 'm_custom') AS too_much, pg_temp.reserve('x2', 'x', 5, meter => 'm_custom') AS x2, pg_temp.settle('x2', 4) AS settled;
SELECT a - 'window' AS answer FROM meter.check_quota(:org, 'm_custom', 'x', 1.5) AS a;
-- currencies, a key and an account of the meter's own
SELECT pg_temp.try(format('meter.check_quota(%L, ''money'', ''acme'', 60, currency => %L) - ''window''', :org, currency)) AS answer FROM unnest('{EUR,XYZ,NULL}'::text[]) AS currency;
INSERT INTO held SELECT 'm' || n, meter.reserve(:org, 'money', 'acme', 60, '1 minute', '{"account": "acme"}', currency) FROM (VALUES (1, 'EUR'), (2, 'USD')) AS v (n, currency);
SELECT pg_temp.settle('m1', 61) AS m1, pg_temp.settle('m2', 100) AS m2;
SELECT currency, value, subject FROM meter.usage(:org, 'money', '-infinity', 'infinity', group_by => '{subject}') ORDER BY currency;
SELECT replace(data::text, (SELECT held.id FROM held WHERE name = 'm1')::text, 'id') AS data FROM meter.events WHERE organization_id = :org AND type = 'money' ORDER BY seq LIMIT 1;
-- what would not be counted is not reserved
SELECT pg_temp.reserve('no', 'x', quantity, dimensions, meter => meter) AS answer, meter FROM (VALUES
	('strict', 1, '{}'), ('strict', 51, '{"region": "eu"}'), ('strict', 50, '{"region": "eu"}'), ('derived', 51, '{"who": "a", "loud": "a!"}'), ('derived', 50, '{"who": "a", "loud": "b"}'), ('derived', 50, '{"who": "a", "loud": "a!"}'),
	('fields', 1, '{}'), ('list', 1, '{}'), ('clash', 1, '{"a": 5}'), ('falling', 1, '{}'), ('m_max', 1, '{}'), ('archived', 1, '{}'), ('gpu', 0, '{}'), ('gpu', -1, '{}'), ('gpu', 'NaN', '{}'),
	('gpu', 1, '{"x": 1}'), ('m_count', 1.5, '{}'), ('nothing', 1, '{}')) AS v (meter, quantity, dimensions);
SELECT pg_temp.reserve('no', 'x', 1, ttl => ttl) AS answer, ttl FROM unnest('{0,-1 hour,31 days,NULL}'::text[]) AS ttl;
SELECT pg_temp.try(format('meter.reserve(%L, %s)', :org, arguments)) AS answer FROM unnest(ARRAY[$$'money', 'acme', 1, '1 hour'$$, $$'gpu', 'acme', 1, '1 hour', currency => 'EUR'$$, $$'gpu', 'x', NULL, '1 hour'$$, $$NULL, 'x', 1, '1 hour'$$]) AS arguments;
BEGIN READ ONLY;
SELECT meter.reserve(:org, 'gpu', 'x', 1, '1 hour');
ROLLBACK;
BEGIN READ ONLY;
SELECT meter.settle('00000000-0000-0000-0000-00000000dead', 1);
ROLLBACK;

--
-- Refused again and again: what is refused early is what would be refused late
--
DO $$ BEGIN
	PERFORM pg_temp.meter('again', '{"function": "sum", "value_field": "n"}');
	PERFORM pg_temp.quota('ten', 'again', 10);
	PERFORM pg_temp.meter('beside', '{"metric_key": "again", "function": "count"}');
END $$;
SELECT pg_temp.report('ada', 9, 'a1', 'again') AS filled, pg_temp.report('ada', 2, 'a2', 'again') AS refused, pg_temp.report('ada', 3, 'a2', 'again') AS again;
SELECT pg_temp.report('ada', 9, 'a1', 'again') AS duplicate, pg_temp.report('ada', 8, 'a1', 'again') AS conflict, pg_temp.report('ada', 1, 'a2', 'again') AS fits, pg_temp.report('ada', 1, 'a3', 'again') AS refused;
-- another meter counts what is refused here
SELECT ordinal, status, code FROM meter.ingest(:org, '[{"source": "s", "id": "1", "type": "again", "subject": "ada", "data": {"n": 1}}, {"source": "s", "id": "1", "type": "again", "subject": "ada", "data": {"n": 1}},
	{"source": "s", "id": "2", "type": "again", "subject": "ada", "data": {"n": 0}}, {"source": "s", "id": "3", "type": "again", "subject": "bob", "data": {"n": 10}}, {"source": "s", "id": "4", "type": "again", "subject": "bob", "data": {"n": 1}},
	{"source": "s", "id": "5", "type": "again", "meter": "again", "subject": "ada", "data": {"n": 1}}, {"source": "s", "id": "5", "type": "again", "meter": "again", "subject": "ada", "data": {"n": 0}},
	{"source": "s", "id": "6", "type": "again", "meter": "again", "subject": "ada", "time": "2025-06-01T00:00:00Z", "data": {"n": 10}}]');
SELECT r.code, m.key, count(*) FROM meter.rejected_events AS r JOIN meter.meters AS m ON m.organization_id = r.organization_id AND m.id = r.meter_id WHERE r.organization_id = :org AND m.metric_key = 'again' GROUP BY r.code, m.key;
-- there is room again: by what is taken back, what has expired, a higher limit, or in a transaction that is rolled back
DO $$ BEGIN PERFORM meter.void_event('00000000-0000-0000-0000-00000000d503', 'again', 'a2', 'wrong'); END $$;
SELECT pg_temp.report('ada', 1, 'a4', 'again') AS voided, pg_temp.report('ada', 1, 'a5', 'again') AS refused;
SELECT pg_temp.reserve('a', 'cy', 10, meter => 'again') AS held, pg_temp.report('cy', 1, 'a6', 'again') AS refused, pg_temp.pass(), pg_temp.report('cy', 1, 'a6', 'again') AS expired;
UPDATE meter.threshold SET threshold_values = '{11}' WHERE organization_id = :org AND name = 'ten' AND meter_id = (SELECT id FROM meter.meters WHERE organization_id = :org AND key = 'again');
SELECT pg_temp.report('ada', 1, 'a7', 'again') AS raised, pg_temp.report('ada', 1, 'a8', 'again') AS refused;
BEGIN;
SELECT pg_temp.report('dan', 11, 'a9', 'again') AS filled, pg_temp.report('dan', 1, 'a10', 'again') AS refused, pg_temp.report('dan', 1, 'a10', 'again') AS again;
ROLLBACK;
SELECT pg_temp.report('dan', 11, 'a10', 'again') AS accepted;
SELECT subject, value, event_count FROM meter.usage(:org, 'again', '-infinity', 'infinity', group_by => '{subject}') ORDER BY subject;

-- What rows say is what reservations hold.
SELECT count(*) AS wrong FROM meter.threshold_usage AS u WHERE u.organization_id = :org AND u.reserved <>
	(SELECT coalesce(sum(h.quantity), 0) FROM meter.reservation_hold AS h WHERE h.organization_id = u.organization_id AND h.watch_no = u.watch_no AND h.account = u.account AND h.window_start = u.window_start);
-- With its thresholds goes what they know.
DO $$ BEGIN
	PERFORM meter.delete_threshold(t.organization_id, t.id::text) FROM meter.threshold AS t WHERE t.organization_id = '00000000-0000-0000-0000-00000000d503';
END $$;
SELECT (SELECT count(*) FROM meter.threshold_usage WHERE organization_id = :org) AS rows, (SELECT count(*) FROM meter.reservation_hold WHERE organization_id = :org) AS holds;
