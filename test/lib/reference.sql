-- The reference in Markdown, from the COMMENTs of everything the extension owns.
SET search_path = pg_catalog;

\echo '# SQL reference'
\echo
\echo 'Written by `make docs` from the COMMENTs in the database; `make test` fails when it has drifted.'

-- The objects of the extension, by kind.
CREATE TEMP TABLE member AS
SELECT d.classid, d.objid, d.classid::regclass::text AS catalog
  FROM pg_depend d
  JOIN pg_extension e ON e.oid = d.refobjid
 WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'meter';

CREATE FUNCTION pg_temp.quote(comment text) RETURNS text
LANGUAGE sql AS
$$
	-- Paragraphs stay paragraphs; < and | would be markup.
	SELECT replace(coalesce(comment, '(no comment)'), '<', '&lt;')
$$;

CREATE TEMP TABLE entry AS
SELECT CASE p.prokind WHEN 'a' THEN 2 ELSE 1 END AS chapter,
       n.nspname || '.' || p.proname AS name,
       pg_get_function_identity_arguments(p.oid) AS detail,
       format(E'### %s.%s\n\n```sql\n%s.%s(%s)%s\n```\n\n%s\n\n%s',
              n.nspname, p.proname, n.nspname, p.proname,
              pg_get_function_arguments(p.oid),
              coalesce(E'\n\tRETURNS ' || pg_get_function_result(p.oid), ''),
              concat_ws(', ',
                        CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END,
                        CASE p.proparallel WHEN 's' THEN 'parallel safe' WHEN 'r' THEN 'parallel restricted' ELSE 'parallel unsafe' END,
                        CASE WHEN p.proisstrict THEN 'strict' END,
                        CASE WHEN p.prosecdef THEN 'security definer' END),
              pg_temp.quote(obj_description(p.oid, 'pg_proc'))) AS body
  FROM member m
  JOIN pg_proc p ON p.oid = m.objid AND m.catalog = 'pg_proc'
  JOIN pg_namespace n ON n.oid = p.pronamespace
UNION ALL
SELECT 3, format_type(t.oid, NULL), '',
       format(E'### %s\n\n%s', format_type(t.oid, NULL), pg_temp.quote(obj_description(t.oid, 'pg_type')))
  FROM member m
  JOIN pg_type t ON t.oid = m.objid AND m.catalog = 'pg_type'
 WHERE t.typtype IN ('b', 'd', 'e') AND t.typelem = 0
UNION ALL
SELECT CASE c.relkind WHEN 'v' THEN 5 ELSE 4 END,
       n.nspname || '.' || c.relname, '',
       format(E'### %s.%s\n\n%s\n\n| column | type | meaning |\n|---|---|---|\n%s',
              n.nspname, c.relname, pg_temp.quote(obj_description(c.oid, 'pg_class')),
              (SELECT string_agg(format('| `%s` | %s | %s |', a.attname,
                                        replace(format_type(a.atttypid, a.atttypmod), '|', '\|'),
                                        replace(replace(pg_temp.quote(col_description(c.oid, a.attnum)), '|', '\|'), E'\n', ' ')),
                                 E'\n' ORDER BY a.attnum)
                 FROM pg_attribute a
                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped))
  FROM member m
  JOIN pg_class c ON c.oid = m.objid AND m.catalog = 'pg_class'
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm');

SELECT CASE WHEN row_number() OVER (PARTITION BY chapter ORDER BY name COLLATE "C", detail COLLATE "C") = 1
            THEN format(E'\n## %s\n', (ARRAY['Functions', 'Aggregates', 'Types', 'Tables', 'Views'])[chapter])
            ELSE '' END
       || E'\n' || body
  FROM entry
 ORDER BY chapter, name COLLATE "C", detail COLLATE "C";
