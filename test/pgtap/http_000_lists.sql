-- Seed 000 over HTTP: lists of meters, their filters and their cursors.
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS meter;
DO $$ BEGIN PERFORM meter.create_store(); END $$;
\ir ../lib/http.sql
SELECT plan(195);

CREATE FUNCTION list(query text, organization text DEFAULT 'a') RETURNS http_response LANGUAGE sql AS $$
	SELECT http('GET', '/meters?' || query, 'list_meters',
		claims => jsonb_build_object('role', 'meter_reader', 'organization_id', '00000000-0000-4000-8000-00000000000' || organization))
$$;
-- status, then the keys or the code
CREATE FUNCTION listed(query text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', status, coalesce((SELECT string_agg(m ->> 'key', ' ' ORDER BY n) FROM jsonb_array_elements(body -> 'data') WITH ORDINALITY AS d (m, n)), body ->> 'code'))
	FROM list(query)
$$;
CREATE FUNCTION keys(object jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(k, ' ' ORDER BY k COLLATE "C") FROM jsonb_object_keys(object) AS k
$$;
DO $$
DECLARE
	org CONSTANT uuid := '00000000-0000-4000-8000-00000000000a';
BEGIN
	PERFORM meter.create_organization('Ours', org), meter.create_organization('Theirs', '00000000-0000-4000-8000-00000000000b'),
		meter.create_meter('00000000-0000-4000-8000-00000000000b', '{"key": "theirs", "metric_key": "call", "function": "count"}');
	PERFORM meter.create_meter(org, d) FROM jsonb_array_elements('[
		{"key": "e1", "name": "Sum, of it", "metric_key": "call", "function": "sum", "value_field": "$.n", "dimensions": {"model": "$.model", "region": "$.region"},
			"event_schema": {"type": "object", "required": ["n"]}, "unit_label": "tokens", "workspace_id": "AAAAAAAA-0000-4000-8000-000000000001"},
		{"key": "e2", "name": "Zähler %", "metric_key": "call", "function": "unique_count", "unique_by_field": "$.user", "dimensions": {"model": "$.m"},
			"late_event_policy": {"mode": "reject", "grace": "0 seconds"}, "negative_allowed": true, "dedup_key_path": "$.key"},
		{"key": "e3", "name": "avg", "metric_key": "paid", "function": "avg", "value_field": "$.amount", "unit_currency_field": "$.currency", "unit_label": "money"},
		{"key": "draft", "metric_key": "d", "function": "count", "save_as_draft": true},
		{"key": "later", "metric_key": "d", "function": "count", "effective_at": "2126-01-01T00:00:00Z"},
		{"key": "over", "metric_key": "d", "function": "count"}]') AS d;
	PERFORM meter.archive_meter(org, 'over', 'replaced');

	UPDATE meter.meter AS m SET created_at = t.at FROM (VALUES ('e1', '2026-03-01T12:00:00.123457Z'::timestamptz), ('e2', '2026-03-02T00:00:00Z'),
		('e3', '2026-03-03T00:00:00Z'), ('draft', '2026-03-04T00:00:00Z'), ('later', '2026-03-05T00:00:00Z'), ('over', '2026-03-06T00:00:00Z')) AS t (key, at)
		WHERE m.key = t.key;
END
$$;
SELECT id AS e1 FROM meter.meter WHERE key = 'e1' \gset

-- A list
SELECT is(listed(''), '200 over later draft e3 e2 e1', 'meters are listed, the newest first: those that have not begun and those that ended among them');
SELECT is(body - 'data', '{"has_more": false, "next_cursor": null}', 'with where it goes on') FROM list('');
SELECT is(string_agg(DISTINCT keys(m), ''), 'created_at dedup_key_path dimensions event_schema function id key late_event_policy metric_key name'
	' negative_allowed organization_id unique_by_field unit_currency_field unit_label updated_at value_field workspace_id', 'each with the fields of the seed')
	FROM list(''), jsonb_array_elements(body -> 'data') AS m;
SELECT is(body #> '{data,5}', (SELECT r.body -> 'data' FROM http('GET', '/meters/e1', 'get_meter',
	claims => '{"role": "meter_reader", "organization_id": "00000000-0000-4000-8000-00000000000a"}') AS r), 'as it is read by itself') FROM list('');
SELECT is(jsonb_path_query_array(body, '$.data[*].key'), '["theirs"]', 'another organization sees its own') FROM list('', 'b');
SELECT is(body, '{"data": [], "has_more": false, "next_cursor": null}', 'an organization without meters sees none') FROM list('', 'c');

-- What filters find
SELECT is(listed(query), '200' || coalesce(' ' || found, ''), query)
	FROM (VALUES
		('key=e1', 'e1'), ('key.eq=e1', 'e1'), ('key.eq=E1', NULL), ('key.neq=e1', 'over later draft e3 e2'), ('key.gt=e2', 'over later e3'), ('key.gte=e2', 'over later e3 e2'),
		('key.lt=e2', 'draft e1'), ('key.lte=e2', 'draft e2 e1'), ('key.in=e1,e3,e9', 'e3 e1'), ('key.nin=e1,e3', 'over later draft e2'), ('key.contains=ra', 'draft'),
		('key.starts_with=e', 'e3 e2 e1'), ('key.ends_with=er', 'over later'), ('key.matches=^(e%5B12%5D|over)$', 'over e2 e1'), ('key.exists=true', 'over later draft e3 e2 e1'),
		('key.exists=false', NULL), ('metric_key=call', 'e2 e1'), ('metric_key.in=paid,d', 'over later draft e3'), ('function=count', 'over later draft'),
		('function.ends_with=count', 'over later draft e2'), ('name=Sum,+of+it', 'e1'), ('name.in=avg,Sum%5C,%20of%20it', 'e3 e1'), ('name.in=Sum, of it', NULL),
		('name=Z%C3%A4hler+%25', 'e2'), ('name.contains=%25', 'e2'), ('name.contains=_', NULL), ('name.matches=(?i)^AVG', 'e3'),
		('value_field.exists=true', 'e3 e1'), ('value_field.exists=false', 'over later draft e2'), ('value_field=$.n', 'e1'), ('value_field.neq=$.n', 'over later draft e3 e2'),
		('value_field.gt=', 'e3 e1'), ('value_field=null', NULL), ('value_field=', NULL), ('unique_by_field=$.user', 'e2'), ('dedup_key_path.exists=true', 'e2'),
		('unit_label.starts_with=m', 'e3'), ('unit_currency_field=$.currency', 'e3'), ('unit_currency_field.exists=true&function=sum', NULL),
		('negative_allowed=true', 'e2'), ('negative_allowed.neq=true', 'over later draft e3 e1'), ('negative_allowed.in=true,false', 'over later draft e3 e2 e1'), ('negative_allowed.nin=false', 'e2'),
		('workspace_id=aaaaaaaa-0000-4000-8000-000000000001', 'e1'), ('workspace_id=AAAAAAAA-0000-4000-8000-000000000001', 'e1'), ('workspace_id.exists=false', 'over later draft e3 e2'),
		('workspace_id.starts_with=aaaa', 'e1'), ('organization_id=00000000-0000-4000-8000-00000000000a&key=e1', 'e1'), ('organization_id=00000000-0000-4000-8000-00000000000b', NULL),
		('id=' || :'e1', 'e1'), ('id=' || upper(:'e1'), 'e1'), ('id.in=' || :'e1' || ',00000000-0000-4000-8000-00000000ffff', 'e1'), ('id.neq=' || :'e1' || '&key.lt=f&key.gt=e', 'e3 e2'),
		('created_at=2026-03-01T12:00:00.123457Z', 'e1'), ('created_at=2026-03-01T13:00:00.123457%2B01:00', 'e1'), ('created_at=2026-03-01T13:00:00.123457+01:00', 'e1'),
		('created_at.lt=2026-03-01T12:00:00.123457Z', NULL), ('created_at.lte=2026-03-01T12:00:00.123457Z', 'e1'), ('created_at.gt=2026-03-05T00:00:00Z', 'over'),
		('created_at.gte=2026-03-05T00:00:00Z', 'over later'), ('created_at.gt=2026-03-02T00:00:00Z&created_at.lt=2026-03-04T00:00:00Z', 'e3'),
		('created_at.gte=2026-03-02T00:00:00Z&created_at.gte=2026-03-04T00:00:00Z&created_at.lte=2026-03-05T00:00:00Z', 'later draft'),
		('created_at.in=2026-03-02T00:00:00Z,2026-03-03T01:00:00%2B01:00', 'e3 e2'), ('created_at.neq=2026-03-02T00:00:00Z&metric_key=call', 'e1'),
		('updated_at.lt=2026-01-01T00:00:00Z', NULL), ('updated_at.gte=2026-01-01T00:00:00Z&key=e1', 'e1'),
		('dimensions={%22model%22:%22$.m%22}', 'e2'), ('dimensions={}', 'over later draft e3'), ('dimensions.neq={}', 'e2 e1'), ('dimensions.contains={%22region%22:%22$.region%22}', 'e1'),
		('dimensions.contains={}', 'over later draft e3 e2 e1'), ('event_schema.exists=true', 'e1'), ('event_schema=null', 'over later draft e3 e2'),
		('event_schema.contains={%22required%22:[%22n%22]}', 'e1'), ('event_schema={%22required%22:[%22n%22],%22type%22:%22object%22}', 'e1'),
		('late_event_policy.contains={%22mode%22:%22reject%22}', 'e2'), ('late_event_policy.exists=false&dimensions.neq={}', 'e1'),
		('metric_key=call&function=sum', 'e1'), ('metric_key=call&metric_key=paid', NULL), ('key=e1&key=e1', 'e1'), ('key=e1%27%20OR%20true--', NULL), ('limit=&cursor=&key=e1', 'e1')
	) AS t (query, found);

-- What is refused
SELECT is(listed(query), '400 INVALID_FILTER', left(query, 60) || ' is refused')
	FROM (VALUES ('nonsense=1'), ('status.eq=active'), ('window.eq=1'), ('key.eq.eq=1'), ('key.=1'), ('.eq=1'), ('Key=e1'), ('key.like=e%25'), ('key.EQ=e1'), ('key.exists=1'), ('key.exists='),
		('name.matches=('), ('name.matches=(a)%5C1'), ('name.matches=' || repeat('x', 1025)), ('negative_allowed=1'), ('negative_allowed.in=true,x'), ('negative_allowed.gt=false'),
		('id=e1'), ('id.in=' || :'e1' || ',e1'), ('organization_id=x'), ('workspace_id.gt=7'), ('created_at=2026-03-01'), ('created_at.gt=2026-03-01T00:00:00'), ('created_at.gt=now'),
		('created_at.gt=infinity'), ('created_at.gt=2026-13-01T00:00:00Z'), ('created_at.contains=2026'), ('created_at.gt='), ('updated_at.in=2026-03-01T00:00:00Z,x'),
		('dimensions=x'), ('dimensions.contains='), ('dimensions.gt={}'), ('dimensions.model=x'), ('event_schema.in={}'), ('event_schema.contains={%22a'), ('late_event_policy.matches=x'),
		('event_schema=' || repeat('[', 20000)), ('key.in=' || repeat('x,', 1000) || 'x'), (repeat('key=e1&', 101))) AS t (query);
SELECT is(listed(query), '400 INVALID_PARAMETER', query || ' is refused')
	FROM (VALUES ('limit=0'), ('limit=-1'), ('limit=x'), ('limit=1.5'), ('limit=1&limit=2'), ('cursor=x&cursor=y')) AS t (query);
SELECT is(format('%s %s', status, body ->> 'message'), '400 invalid request: function.like: the field function takes the ops eq, neq, gt, gte, lt, lte, in, nin, contains, starts_with, ends_with, matches, exists',
	'the answer names the parameter') FROM list('function.like=x');

-- Every field takes every op of its kind, and no other.
SELECT is((SELECT string_agg(op, ' ' ORDER BY n) FROM unnest('{eq,neq,gt,gte,lt,lte,in,nin,contains,starts_with,ends_with,matches,exists}'::text[]) WITH ORDINALITY AS o (op, n)
		WHERE (list(format('%s.%s=%s', field, op, CASE op WHEN 'exists' THEN 'true' ELSE value END))).status = 200), ops, format('the ops of %s', field))
	FROM (SELECT field, 'x' AS value, 'eq neq gt gte lt lte in nin contains starts_with ends_with matches exists' AS ops
			FROM unnest('{dedup_key_path,function,key,metric_key,name,unique_by_field,unit_currency_field,unit_label,value_field}'::text[]) AS field
		UNION ALL SELECT field, '00000000-0000-4000-8000-00000000000a', 'eq neq gt gte lt lte in nin contains starts_with ends_with matches exists'
			FROM unnest('{id,organization_id,workspace_id}'::text[]) AS field
		UNION ALL SELECT field, '2026-01-01T00:00:00Z', 'eq neq gt gte lt lte in nin exists' FROM unnest('{created_at,updated_at}'::text[]) AS field
		UNION ALL SELECT 'negative_allowed', 'true', 'eq neq in nin exists'
		UNION ALL SELECT field, '{}', 'eq neq contains exists' FROM unnest('{dimensions,event_schema,late_event_policy}'::text[]) AS field) AS f;
SELECT set_eq($$ SELECT DISTINCT k FROM list(''), jsonb_array_elements(body -> 'data') AS m, jsonb_object_keys(m) AS k WHERE meter.http_filter_kind(k) IS NOT NULL $$,
	$$ SELECT DISTINCT k FROM list(''), jsonb_array_elements(body -> 'data') AS m, jsonb_object_keys(m) AS k $$, 'no listed field is without');

-- Pages: 120 meters more, some at one time, some a microsecond apart
CREATE FUNCTION add_meters(name text, n int, first timestamptz) RETURNS void LANGUAGE sql AS $$
	INSERT INTO meter.meter (organization_id, key, metric_key, created_at)
		SELECT '00000000-0000-4000-8000-00000000000a', name || i, name, first + (i / 3) * interval '1 microsecond' FROM generate_series(1, n) AS i;
	INSERT INTO meter.meter_version (organization_id, meter_id, version, meter_no, stream_id, status, definition, effective_from, effective_to, published_at)
		SELECT m.organization_id, m.id, 1, m.meter_no, v.stream_id, 'published', v.definition || jsonb_build_object('key', m.key, 'metric_key', m.metric_key, 'name', m.key), '-infinity', 'infinity', now()
		FROM meter.meter AS m, meter.meter AS e JOIN meter.meter_version AS v ON v.meter_id = e.id WHERE m.metric_key = name AND e.key = 'e1';
$$;
SELECT add_meters('many', 120, '2026-02-01T00:00:00.999990Z') \g /dev/null

CREATE FUNCTION walk(query text, added boolean DEFAULT false) RETURNS TABLE (page int, key text, created_at timestamptz, id uuid, has_more boolean) LANGUAGE plpgsql AS $$
DECLARE
	response http_response;
	cursor text := '';
BEGIN
	FOR page_no IN 1..200 LOOP
		response := list(query || '&cursor=' || cursor);
		IF response.status <> 200 THEN
			RAISE 'page %: %', page_no, response.body;
		END IF;
		RETURN QUERY SELECT page_no, d.m ->> 'key', (d.m ->> 'created_at')::timestamptz, (d.m ->> 'id')::uuid, (response.body ->> 'has_more')::boolean
			FROM jsonb_array_elements(response.body -> 'data') WITH ORDINALITY AS d (m, n) ORDER BY d.n;
		cursor := response.body ->> 'next_cursor';
		EXIT WHEN cursor IS NULL;
		IF added THEN
			PERFORM meter.create_meter('00000000-0000-4000-8000-00000000000a', jsonb_build_object('key', 'added' || page_no, 'metric_key', 'many', 'function', 'count'));
		END IF;
	END LOOP;
END
$$;
CREATE TABLE expected AS SELECT array_agg(m.key ORDER BY m.created_at DESC, m.id) AS keys FROM meter.meter AS m WHERE m.metric_key = 'many';
SELECT is((SELECT array_agg(w.key) FROM walk('metric_key=many&limit=' || size) AS w), keys, format('pages of %s: each meter once, in order', size))
	FROM expected, unnest('{1,2,7,60,100}'::int[]) AS size;
SELECT is((SELECT string_agg(format('%s:%s:%s', page, n, has_more), ' ' ORDER BY page) FROM (SELECT page, count(*) AS n, has_more FROM walk('metric_key=many&limit=' || size) GROUP BY 1, 3) AS w),
	pages, format('pages of %s end where meters do', size))
	FROM (VALUES (60, '1:60:t 2:60:f'), (50, '1:50:t 2:50:t 3:20:f'), (119, '1:100:t 2:20:f'), (1000, '1:100:t 2:20:f')) AS t (size, pages);
SELECT is((SELECT count(*) FROM walk('metric_key=many') AS w WHERE w.page = 1), 50::bigint, 'a page has 50 where nothing is said');
CREATE TABLE walked AS SELECT row_number() OVER () AS n, * FROM walk('limit=7', true);
SELECT is((SELECT array_agg(key ORDER BY n) FROM walked WHERE key LIKE 'many%'), keys, 'each meter once, in order, where others are added meanwhile') FROM expected;
SELECT is((SELECT count(*) FROM walked), 126::bigint, 'and what is newer than the page is not in the next ones');
SELECT ok((SELECT count(*) FROM meter.meter WHERE key LIKE 'added%') > 15, 'others were added');
DO $$ BEGIN PERFORM meter.delete_meter(organization_id, key) FROM meter.meter WHERE key LIKE 'added%'; END $$;

-- A page reads the heads and versions of its own meters.
SELECT add_meters('rest', 3000, '2025-02-01T00:00:00Z') \g /dev/null
ANALYZE meter.meter, meter.meter_version;
CREATE FUNCTION rows_read(relation regclass) RETURNS numeric LANGUAGE sql AS $$
	SELECT pg_stat_get_xact_tuples_returned(relation) + sum(pg_stat_get_xact_tuples_returned(indexrelid)) FROM pg_index WHERE indrelid = relation
$$;
CREATE FUNCTION rows_read_by(query text, relation regclass) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
	before numeric := rows_read(relation);
BEGIN
	IF (list(query)).status <> 200 THEN
		RAISE 'not listed';
	END IF;
	RETURN rows_read(relation) - before;
END
$$;
SELECT cmp_ok(rows_read_by('limit=100', relation), '>', 99::numeric, format('rows of %s that are read are counted', relation)) FROM unnest('{meter.meter,meter.meter_version}'::regclass[]) AS relation;
SELECT cmp_ok(rows_read_by(query, relation), '<', 40::numeric, format('of %s "%s" reads a few rows', relation, query))
	FROM (VALUES ('limit=5'), ('limit=5&key.starts_with=m'), ('key=many7'), ('id=' || :'e1'), ('created_at.gt=2026-03-01T00:00:00Z'), ('metric_key=paid')) AS t (query),
		unnest('{meter.meter,meter.meter_version}'::regclass[]) AS relation;

-- Cursors
SELECT body ->> 'next_cursor' AS cursor FROM list('limit=2') \gset
SELECT is(listed('limit=2&cursor=' || :'cursor'), '200 draft e3', 'a cursor leads on');
SELECT is(listed('limit=1&cursor=' || :'cursor'), '200 draft', 'whatever the size of pages');
SELECT matches(:'cursor'::text, '^[A-Za-z0-9_-]+$', 'a cursor needs no encoding');
SELECT is(string_agg(DISTINCT listed('limit=2&cursor=' || overlay(:'cursor' PLACING other FROM n)), ';'), '400 INVALID_CURSOR', 'a cursor that was changed anywhere is refused')
	FROM generate_series(1, length(:'cursor')) AS n, LATERAL (SELECT CASE substr(:'cursor', n, 1) WHEN 'A' THEN 'B' ELSE 'A' END AS other) AS o;
SELECT is(listed(query), '400 INVALID_CURSOR', format('%s is refused', what))
	FROM (VALUES ('cursor=x', 'what is no cursor'), ('cursor=' || left(:'cursor', -1), 'part of a cursor'), ('cursor=' || :'cursor' || 'A', 'more than a cursor'), ('cursor=' || :'e1', 'an id'),
		('cursor=' || repeat('A', 100000), 'a long cursor'), ('cursor=%27', 'a quote'), ('metric_key=call&cursor=' || :'cursor', 'a cursor of a list with other filters')) AS t (query, what);
SELECT is(format('%s %s', status, body ->> 'code'), '400 INVALID_CURSOR', 'another organization''s cursor is refused') FROM list('cursor=' || :'cursor', 'b');
SELECT is((SELECT array_agg(key) FROM walk('function=sum&metric_key=many&key.starts_with=many1')), (SELECT array_agg(key) FROM walk('key.starts_with=many1&metric_key=many&function=sum')), 'in which order filters come is all the same');
SELECT body ->> 'next_cursor' AS cursor FROM list('limit=1&metric_key=d&function=count') \gset
SELECT is(listed('limit=1&function=count&metric_key=d&cursor=' || :'cursor'), '200 later', 'to cursors too');
-- the meter it stands at may go
DO $$ BEGIN PERFORM meter.delete_meter('00000000-0000-4000-8000-00000000000a', 'over'); END $$;
SELECT is(listed('limit=1&function=count&metric_key=d&cursor=' || :'cursor'), '200 later', 'a cursor outlives the meter it stands at');

SELECT * FROM finish();
ROLLBACK;
