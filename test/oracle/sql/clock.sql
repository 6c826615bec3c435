/*
 * clock.sql
 *		What time it was.
 *
 * The extension decides by the clock, and the oracle is asked a moment later.
 * Whoever plays a history says when it began to ask the extension and when it
 * had the answer; where it matters which of both it was, the history proves
 * nothing, which oracle.crossed() tells afterwards.
 */
CREATE FUNCTION oracle.set_clock(clock_before timestamptz, clock_after timestamptz) RETURNS void
LANGUAGE sql AS $$
	SELECT set_config('oracle.before', clock_before::text, false), set_config('oracle.after', clock_after::text, false)
$$;

CREATE FUNCTION oracle.clock_before() RETURNS timestamptz
LANGUAGE sql AS $$ SELECT coalesce(nullif(current_setting('oracle.before', true), '')::timestamptz, clock_timestamp()) $$;

CREATE FUNCTION oracle.clock_after() RETURNS timestamptz
LANGUAGE sql AS $$ SELECT coalesce(nullif(current_setting('oracle.after', true), '')::timestamptz, clock_timestamp()) $$;

CREATE FUNCTION oracle.crossed() RETURNS text
LANGUAGE sql AS $$ SELECT nullif(current_setting('oracle.crossed', true), '') $$;

/* Had an instant come, when it was something between two others? */
CREATE FUNCTION oracle.passed(t timestamptz, clock_before timestamptz DEFAULT oracle.clock_before(),
							  clock_after timestamptz DEFAULT oracle.clock_after()) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	IF clock_before < t AND t <= clock_after THEN
		PERFORM set_config('oracle.crossed', t::text, false);
	END IF;
	RETURN t <= clock_after;
END
$$;
