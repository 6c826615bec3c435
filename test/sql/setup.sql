-- The extension for the files that follow.
CREATE EXTENSION meter;
-- It owns its schema, and a second copy is refused.
SELECT n.nspname, e.extrelocatable
  FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
 WHERE e.extname = 'meter';
CREATE EXTENSION meter;
