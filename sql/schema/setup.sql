-- meter: install script, put together from sql/ by make.
\echo Use "CREATE EXTENSION meter" to load this file. \quit

SET LOCAL search_path TO pg_catalog, pg_temp;

DO $$
BEGIN
	-- Texts are compared and cut as UTF-8 in C; another encoding would need a
	-- conversion at every event.
	IF pg_catalog.getdatabaseencoding() <> 'UTF8' THEN
		RAISE EXCEPTION 'meter needs a database in UTF8, this one is in %', pg_catalog.getdatabaseencoding()
			USING ERRCODE = 'feature_not_supported';
	END IF;
END
$$;
