-- The reference in Markdown: meter definitions as the extension itself
-- completes and checks them, and the COMMENT of everything in its schemas.
SET client_min_messages = warning;
SELECT meter.create_store() \g /dev/null

\echo '# SQL reference'
\echo
\echo 'Written by `make docs` from the database itself; `make test` fails when it has drifted.'
\echo
\echo 'Times are `timestamptz`, ranges half-open. Errors carry the SQLSTATE given here.'

\echo
\echo '## Meter definition'
\echo
\echo 'The document that `meter.create_meter` takes. Keys that are absent or null have their default; an unknown key is refused.'
\echo 'Paths are SQL/JSON paths into the event''s `data`; a bare name means `$.name`.'
\echo

CREATE TEMP TABLE definition_key (no serial, key text, meaning text, supported boolean);
INSERT INTO definition_key (key, meaning) VALUES
	('key', 'Required. The slug the meter is called by, unique in the organization, immutable: 1 to 80 printable characters, spaces only inside.'),
	('name', 'What people read: 1 to 200 characters.'),
	('metric_key', 'Required. The type of the events it listens to, immutable. Several meters may listen to one type.'),
	('function', 'Required. `sum`, `count`, `avg`, `min`, `max`, `unique_count`, `latest`, `weighted_sum`, `percentile` or `custom`: [definition.md](definition.md#function).'),
	('value_field', 'Path to the number: a JSON number or a numeric string. Needed by all functions but `count`, `unique_count` and `custom`.'),
	('unique_by_field', 'Path to what `unique_count` counts.'),
	('dimensions', 'What usage can be grouped and filtered by: an object of names and paths, at most 32.'),
	('filter_tree', 'Which events count: `{"and": […]}`, `{"or": […]}`, `{"not": …}`, or a leaf `{"field": path, "op": …, "value": …}` with op `eq`, `neq`, `gt`, `gte`, `lt`, `lte`, `in`, `nin`, `contains`, `starts_with`, `ends_with`, `matches` or `exists`.'),
	('dedup_key_path', 'Path to a key of which each value counts once in this meter; the event''s `source` and `id` make the event itself once-only in any case.'),
	('window', 'The meter''s own windows: `{"size": …, "count": 1, "time_zone": "UTC", "anchor": null, "week_start": "monday"}` with size `minute`, `hour`, `day`, `week`, `month`, `quarter`, `year` or `billing_period`.'),
	('negative_allowed', 'Whether a value may be below zero; otherwise such an event is rejected.'),
	('unit_label', 'The unit that is shown: 1 to 80 characters.'),
	('unit_currency_field', 'Path to an ISO 4217 code: one total a currency, never a sum across; an event without a code is rejected.'),
	('custom_fields', 'Strings and numbers of the user''s own, by name; calculations may use them as `customFields.NAME`. One of the organization''s settings with the same name gives way.'),
	('product_id', 'UUID of the product it belongs to; only kept.'),
	('group_id', 'UUID of its group; only kept.'),
	('workspace_id', 'UUID of its workspace; only kept.'),
	('description', 'Text for people.'),
	('function_options', '`{"mode": "delta"}` or `"gauge"` for `weighted_sum`, `{"percentile": 0.95}` for `percentile`, `{"expression": "…"}` for `custom`, `{"approximate": true}` for `unique_count`: [definition.md](definition.md#function_options).'),
	('event_schema', 'JSON Schema (draft 2020-12 or 7) that each event''s data must satisfy: [definition.md](definition.md#event_schema).'),
	('late_event_policy', '`{"mode": …, "grace": …, "max_future": …, "max_age": …}`, what happens to events that come late (`revise`, an hour after their window): [definition.md](definition.md#late_event_policy).'),
	('data_fields', 'Typed fields of the event, 1 to 15: `[{"category": …, "code": …, "name": …, "unit": …}]`: [definition.md](definition.md#data_fields).'),
	('derived_fields', 'Fields calculated from others, at most 15: the same with a `calculation`: [definition.md](definition.md#derived_fields).'),
	('profiles', 'Further aggregations of the same meter, at most 32: [definition.md](definition.md#profiles).'),
	('account_mapping', 'Which property names the customer: `{"type": "id", "event_property": path}` with type `id`, `code` or `alias`; null: the event''s `subject`: [definition.md](definition.md#account_mapping).');

-- Exactly the keys that the extension knows, and what it says of each today.
DO $$
DECLARE
	known text[] := ARRAY(SELECT jsonb_object_keys(meter.complete_definition('{}')) UNION VALUES ('key'), ('metric_key'), ('function'));
	k text;
BEGIN
	SELECT string_agg(coalesce(a.key, b.key), ', ') INTO k
	  FROM definition_key AS a FULL JOIN unnest(known) AS b (key) USING (key)
	 WHERE a.key IS NULL OR b.key IS NULL;
	IF k IS NOT NULL THEN
		RAISE EXCEPTION 'test/lib/reference.sql and the extension differ in these keys: %', k;
	END IF;
	FOREACH k IN ARRAY known LOOP
		BEGIN
			PERFORM meter.check_definition('{"key": "k", "metric_key": "t", "function": "count"}' || jsonb_build_object(k, '{}'::jsonb));
		EXCEPTION
			WHEN feature_not_supported THEN
				UPDATE definition_key SET supported = false WHERE key = k;
			WHEN OTHERS THEN
				NULL;
		END;
	END LOOP;
END
$$;

SELECT '| key | default | meaning |' || E'\n|---|---|---|\n' ||
       string_agg(format('| `%s` | %s | %s |', d.key,
                         coalesce('`' || nullif(c.value::text, 'null') || '`', ''),
                         CASE WHEN d.supported THEN '' ELSE '*Not supported yet.* ' END || replace(d.meaning, '|', '\|')),
                  E'\n' ORDER BY d.no)
  FROM (SELECT no, key, meaning, coalesce(supported, true) AS supported FROM definition_key) AS d
  LEFT JOIN jsonb_each(meter.complete_definition('{}')) AS c USING (key);

-- Everything else is written from its COMMENT.
CREATE FUNCTION pg_temp.prose(comment text) RETURNS text
LANGUAGE sql AS
$$
	SELECT regexp_replace(replace(coalesce(comment, '(no comment)'), '<', '&lt;'),
	                      '\s+(Result|Errors|Source): ', E'\n\n*\\1:* ', 'g')
$$;

CREATE FUNCTION pg_temp.cell(comment text) RETURNS text
LANGUAGE sql AS
$$
	SELECT regexp_replace(replace(replace(coalesce(comment, ''), '<', '&lt;'), '|', '\|'), '\s*\n\s*', ' ', 'g')
$$;

-- A list on one line, or one item a line where that gets long.
CREATE FUNCTION pg_temp.list(items text) RETURNS text
LANGUAGE sql AS
$$
	SELECT CASE WHEN length(items) < 70 THEN items
	            ELSE E'\n\t' || regexp_replace(items, ', (?=[a-z_]+ [a-z])', E',\n\t', 'g') || E'\n' END
$$;

CREATE TEMP TABLE owned AS
SELECT oid, nspname FROM pg_namespace WHERE nspname IN ('meter', 'meter_api');

CREATE TEMP TABLE entry (chapter int, name text, detail text, body text);

INSERT INTO entry
SELECT CASE WHEN p.comment ~ 'Source: internal' OR 'internal'::regtype IN (p.prorettype, p.first_argument) THEN 6 WHEN p.prokind = 'a' THEN 2 ELSE 1 END,
       n.nspname || '.' || p.proname, pg_get_function_identity_arguments(p.oid),
       format(E'```sql\n%s.%s(%s)%s\n```\n\n%s\n\n*%s.*',
              n.nspname, p.proname, pg_temp.list(pg_get_function_arguments(p.oid)),
              CASE WHEN result LIKE 'TABLE(%' THEN ' RETURNS TABLE (' || pg_temp.list(substr(result, 7, length(result) - 7)) || ')'
                   ELSE ' RETURNS ' || result END,
              pg_temp.prose(p.comment),
              concat_ws(', ',
                        CASE p.provolatile WHEN 'i' THEN 'Immutable' WHEN 's' THEN 'Stable' ELSE 'Volatile' END,
                        CASE p.proparallel WHEN 's' THEN 'parallel safe' WHEN 'r' THEN 'parallel restricted' ELSE 'parallel unsafe' END,
                        CASE WHEN p.proisstrict THEN 'strict' END,
                        CASE WHEN p.prosecdef THEN 'security definer' END))
  FROM (SELECT *, obj_description(oid, 'pg_proc') AS comment, pg_get_function_result(oid) AS result,
               proargtypes[0] AS first_argument
          FROM pg_proc) AS p
  JOIN owned AS n ON n.oid = p.pronamespace;

INSERT INTO entry
SELECT 3, n.nspname || '.' || t.typname, '', pg_temp.prose(obj_description(t.oid, 'pg_type'))
  FROM pg_type AS t
  JOIN owned AS n ON n.oid = t.typnamespace
 WHERE t.typtype IN ('b', 'd', 'e') AND t.typelem = 0;

INSERT INTO entry
SELECT CASE c.relkind WHEN 'v' THEN 4 ELSE 5 END, n.nspname || '.' || c.relname, '',
       pg_temp.prose(obj_description(c.oid, 'pg_class')) || E'\n\n| column | type | meaning |\n|---|---|---|\n' ||
       (SELECT string_agg(format('| `%s` | %s | %s |', a.attname, format_type(a.atttypid, a.atttypmod),
                                 pg_temp.cell(col_description(c.oid, a.attnum))), E'\n' ORDER BY a.attnum)
          FROM pg_attribute AS a
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
  FROM pg_class AS c
  JOIN owned AS n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition;

SELECT CASE WHEN row_number() OVER chapter = 1
            THEN format(E'\n## %s\n', (ARRAY['Functions', 'Aggregates', 'Types', 'Views', 'Tables', 'Internal functions'])[e.chapter]) ||
                 (ARRAY['', '', '', '', E'\nTheir layout may change with every version: read the views.\n',
                        E'\nNot to be called: what the others are made of.\n'])[e.chapter]
            ELSE '' END ||
       CASE WHEN lag(name) OVER chapter = name THEN '' ELSE format(E'\n### %s\n', name) END ||
       E'\n' || body
  FROM entry AS e
WINDOW chapter AS (PARTITION BY e.chapter ORDER BY name COLLATE "C", detail COLLATE "C")
 ORDER BY e.chapter, name COLLATE "C", detail COLLATE "C";
