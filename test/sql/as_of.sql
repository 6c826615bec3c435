-- What was known: usage as of each instant of a history is what usage() said then.
\set VERBOSITY terse
SET client_min_messages = warning;
SET timezone = 'UTC';
SELECT meter.create_store();
SELECT meter.create_organization('as of', 'a0000000-0000-0000-0000-00000000000f') AS org \gset
SELECT clock_timestamp() AS before \gset
SELECT meter.create_meter(:'org', jsonb_build_object('metric_key', 'call', 'negative_allowed', true, 'dimensions', '{"region": "region"}'::jsonb) || d::jsonb) ->> 'key' FROM unnest(ARRAY[
	'{"key": "sum", "function": "sum", "value_field": "n"}', '{"key": "max", "function": "max", "value_field": "n"}', '{"key": "latest", "function": "latest", "value_field": "n"}',
	'{"key": "unique", "function": "unique_count", "unique_by_field": "who"}', '{"key": "p50", "function": "percentile", "value_field": "n", "function_options": {"percentile": 0.5}}',
	'{"key": "delta", "function": "weighted_sum", "value_field": "n", "function_options": {"mode": "delta"}}', '{"key": "gauge", "function": "weighted_sum", "value_field": "n", "function_options": {"mode": "gauge"}}',
	'{"key": "last for ever", "function": "count", "profiles": [{"code": "p", "recurring": true, "aggregation_method": "latest", "aggregation_property": "n"}]}']) AS d;

CREATE TEMPORARY TABLE question AS
	SELECT m.meter, p.profile, r.period_from::timestamptz, r.period_to::timestamptz, w.window_size, g.group_by::text[], s.subject
	FROM (VALUES ('sum', NULL), ('max', NULL), ('latest', NULL), ('unique', NULL), ('p50', NULL), ('delta', NULL), ('gauge', NULL), ('last for ever', NULL), ('last for ever', 'p')) AS p (meter, profile)
		JOIN unnest('{sum,max,latest,unique,p50,delta,gauge,last for ever}'::text[]) AS m (meter) USING (meter),
		(VALUES ('2025-01-01', '2025-01-03'), ('2025-01-01 10:03', '2025-01-02 03:21'), ('2025-01-02', '2025-02-01')) AS r (period_from, period_to),
		(VALUES (NULL), ('day')) AS w (window_size), (VALUES ('{}'), ('{region}'), ('{subject}')) AS g (group_by), (VALUES (NULL), ('ada')) AS s (subject);
CREATE TEMPORARY TABLE known (step int GENERATED ALWAYS AS IDENTITY, what text, at timestamptz, answers text[], explained text[]);
CREATE FUNCTION pg_temp.answers(as_of timestamptz DEFAULT NULL) RETURNS text[] LANGUAGE sql AS $$
	SELECT array_agg((SELECT string_agg(u::text, ' ' ORDER BY u.ordinality) FROM meter.usage('a0000000-0000-0000-0000-00000000000f', q.meter, q.period_from, q.period_to, q.subject, q.window_size, q.group_by,
		profile => q.profile, as_of => answers.as_of) WITH ORDINALITY AS u) ORDER BY q) FROM question AS q
$$;
CREATE FUNCTION pg_temp.explained(as_of timestamptz DEFAULT NULL) RETURNS text[] LANGUAGE sql AS $$
	SELECT array_agg((SELECT string_agg((e."time", e.seq, e.value, e.unique_key, e.version, e.data::text)::text, ' ' ORDER BY e.ordinality) FROM meter.explain_usage('a0000000-0000-0000-0000-00000000000f', q.meter, q.period_from, q.period_to, q.subject,
		profile => q.profile, as_of => explained.as_of, page_size => 1000) WITH ORDINALITY AS e) ORDER BY q) FROM question AS q WHERE q.window_size IS NULL AND q.group_by = '{}'
$$;
CREATE FUNCTION pg_temp.note(what text) RETURNS void LANGUAGE sql AS $$
	INSERT INTO known (what, answers, explained, at) SELECT note.what, pg_temp.answers(), pg_temp.explained(), clock_timestamp()
$$;
CREATE FUNCTION pg_temp.send(ids int[], more jsonb DEFAULT '{}') RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM meter.ingest('a0000000-0000-0000-0000-00000000000f', (SELECT json_agg(jsonb_build_object('id', i::text, 'source', 's', 'type', 'call', 'subject', (ARRAY['ada', 'bob', 'ada@home'])[i % 3 + 1],
		'time', '2025-01-01T00:00:00Z'::timestamptz + i * interval '37 minutes 11 seconds', 'data', jsonb_build_object('n', i * 7 % 23 - 5, 'who', 'w' || i % 4, 'region', (ARRAY['eu', 'us'])[i % 2 + 1]) || more)) FROM unnest(ids) AS i)) WHERE status LIKE 'accepted'
$$;

SELECT pg_temp.note('nothing');
SELECT pg_temp.send(ARRAY(SELECT generate_series(1, 60))); SELECT pg_temp.note('events');
SELECT meter.void_event(:'org', 'call', i::text, 'wrong') ->> 'status' FROM unnest('{2,17,30,60}'::int[]) AS i; SELECT pg_temp.note('void');
SELECT meter.amend_event(:'org', 'call', '5', '{"n": 100, "who": "new", "region": "ap"}') ->> 'status'; SELECT pg_temp.note('amend');
SELECT pg_temp.send(ARRAY(SELECT generate_series(61, 90))); SELECT pg_temp.note('more events, some before the others');
SELECT meter.amend_event(:'org', 'call', '5', '{"n": -100, "who": "newer", "region": "ap"}') ->> 'status'; SELECT pg_temp.note('amended again');
SELECT meter.void_event(:'org', 'call', '5', 'wrong') ->> 'status'; SELECT pg_temp.note('and taken back');
SELECT meter.create_customer(:'org', '{"id": "ada", "name": "Ada", "aliases": ["ada@home"]}') ->> 'id'; SELECT pg_temp.note('linked');
SELECT meter.update_meter(:'org', 'sum', '{"unit_label": "calls"}') ->> 'version'; SELECT pg_temp.note('a version of now');
SELECT pg_temp.send(ARRAY[91, 92]); SELECT pg_temp.note('events after it');
SELECT meter.void_event(:'org', 'call', i::text, 'wrong') ->> 'status' FROM generate_series(61, 92) AS i; SELECT pg_temp.note('many');
CALL meter.reprocess(:'org', 'max', '2025-01-01', '2025-02-01', 'to see'); SELECT pg_temp.note('counted anew');
SELECT meter.update_meter(:'org', 'p50', '{"effective_at": "2025-01-01T20:00:00Z", "reprocess": true, "value_field": "m", "filter_tree": {"field": "m", "op": "exists"}}') ->> 'version'; SELECT pg_temp.note('a version of then, counted anew');
SELECT meter.update_meter(:'org', 'latest', '{"effective_at": "2025-01-01T20:00:00Z", "reprocess": true, "unit_label": "calls"}') ->> 'version'; SELECT pg_temp.note('another');
SELECT meter.void_event(:'org', 'call', '50', 'wrong') ->> 'status'; SELECT pg_temp.note('an event of it');
SELECT step, what, pg_temp.answers(at) = answers AS same, pg_temp.explained(at) = explained AS explained FROM known ORDER BY step;
-- each was different
SELECT count(DISTINCT (answers, explained)) AS different, count(*) AS steps FROM known;
-- before anything was known, and in time to come
SELECT value, event_count, version FROM meter.usage(:'org', 'sum', '2025-01-01', '2025-01-03', as_of => :'before');
SELECT value, event_count, version FROM meter.usage(:'org', 'max', '2025-01-01', '2025-01-03', as_of => '-infinity');
SELECT pg_temp.answers('infinity') = pg_temp.answers() AS same, pg_temp.explained('9999-01-01') = pg_temp.explained() AS explained;

-- Ranges of versions as they were known, by times that a test can name: version
-- 2 was published, in March, for the 15th of January on, and put off, in April,
-- to the 25th.
SELECT meter.create_meter(:'org', '{"key": "v", "metric_key": "v", "function": "sum", "value_field": "n"}') ->> 'id' AS meter \gset
CREATE FUNCTION pg_temp.boundary(meter uuid, at timestamptz, known timestamptz) RETURNS void LANGUAGE sql AS $$
	UPDATE meter.meter_version SET known_from = known, effective_from = CASE version WHEN 1 THEN '-infinity' ELSE at END, effective_to = CASE version WHEN 1 THEN at ELSE 'infinity' END
		WHERE organization_id = 'a0000000-0000-0000-0000-00000000000f' AND meter_id = meter
$$;
SELECT status FROM meter.ingest(:'org', '[{"id": "1", "source": "s", "type": "v", "time": "2025-01-10T00:00:00Z", "data": {"n": 1, "m": 100}}, {"id": "2", "source": "s", "type": "v", "time": "2025-01-20T00:00:00Z", "data": {"n": 2, "m": 200}}]');
SELECT meter.update_meter(:'org', 'v', '{"value_field": "m", "unit_label": "m"}') ->> 'version';
SELECT pg_temp.boundary(:'meter', '2025-01-15', clock_timestamp());
SELECT status FROM meter.ingest(:'org', '[{"id": "3", "source": "s", "type": "v", "time": "2025-01-11T00:00:00Z", "data": {"n": 4, "m": 400}}, {"id": "4", "source": "s", "type": "v", "time": "2025-01-21T00:00:00Z", "data": {"n": 8, "m": 800}}]');
SELECT clock_timestamp() AS march \gset
SELECT pg_temp.boundary(:'meter', '2025-01-25', clock_timestamp());
-- now nobody counted the events of the 21st anew: they are a row of the version that counted them, unless it has one
CREATE FUNCTION pg_temp.january(as_of timestamptz, window_size text DEFAULT NULL) RETURNS TABLE (window_start timestamptz, window_end timestamptz, version int, value numeric, event_count bigint) LANGUAGE sql AS $$
	SELECT u.window_start, u.window_end, u.version, u.value, u.event_count FROM meter.usage('a0000000-0000-0000-0000-00000000000f', 'v', '2025-01-01', '2025-02-01', window_size => january.window_size, as_of => january.as_of) AS u
$$;
SELECT * FROM pg_temp.january(:'march');
SELECT * FROM pg_temp.january(NULL);
SELECT * FROM pg_temp.january(NULL, 'week');
SELECT * FROM pg_temp.january(:'march', 'week');
-- the same from rollups and, as of this moment, from events
SELECT count(*) FROM (SELECT * FROM pg_temp.january(NULL, 'day') EXCEPT SELECT * FROM pg_temp.january(clock_timestamp(), 'day')) AS different;
-- withdrawn: it has no times, and what it counted has rows
UPDATE meter.meter_version SET known_from = clock_timestamp(), status = CASE version WHEN 1 THEN status ELSE 'archived' END, archived_reason = CASE version WHEN 2 THEN 'a mistake' END,
	effective_from = CASE version WHEN 1 THEN '-infinity'::timestamptz END, effective_to = CASE version WHEN 1 THEN 'infinity'::timestamptz END
	WHERE organization_id = :'org' AND meter_id = :'meter';
SELECT * FROM pg_temp.january(NULL);
SELECT * FROM pg_temp.january(clock_timestamp(), 'week');
SELECT * FROM pg_temp.january(:'march');
SELECT "time", version, value FROM meter.explain_usage(:'org', 'v', '2025-01-01', '2025-02-01');
-- grouped, and what it counted can be taken back
SELECT window_start, subject, version, value FROM meter.usage(:'org', 'v', '2025-01-01', '2025-02-01', window_size => 'week', group_by => '{subject}');
SELECT meter.void_event(:'org', 'v', '4', 'wrong') ->> 'status';
SELECT * FROM pg_temp.january(NULL);
-- what agrees with versions that are in force is theirs
SELECT meter.update_meter(:'org', 'v', '{"value_field": "m", "unit_label": null}') ->> 'version';
SELECT status FROM meter.ingest(:'org', json_build_object('id', '5', 'source', 's', 'type', 'v', 'time', (SELECT effective_from FROM meter.meter_versions WHERE organization_id = :'org' AND meter_key = 'v' AND version = 3), 'data', '{"n": 16, "m": 1600}'::json));
UPDATE meter.meter_version SET known_from = clock_timestamp(), status = CASE version WHEN 1 THEN status ELSE 'archived' END, archived_reason = CASE version WHEN 1 THEN NULL ELSE 'a mistake' END,
	effective_from = CASE version WHEN 1 THEN '-infinity'::timestamptz END, effective_to = CASE version WHEN 1 THEN 'infinity'::timestamptz END
	WHERE organization_id = :'org' AND meter_id = :'meter';
SELECT version, value, event_count FROM meter.usage(:'org', 'v', '2025-01-01', 'infinity');
SELECT version, value, event_count FROM meter.usage(:'org', 'v', '2025-01-01', 'infinity', as_of => clock_timestamp());
