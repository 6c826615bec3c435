-- Requests as PostgREST makes them: a transaction of the authenticator's, the
-- role and the claims of the token, the request's line and headers as settings,
-- one statement, then the status and headers it set.  To be included by tests:
--
--   \ir ../lib/http.sql
--   SELECT * FROM http('GET', '/meters/7', 'get_meter', claims => '{"role": "meter_reader", ...}');
--
-- What happens in a request stays for the rest of the test's transaction; an
-- error that leaves the function is undone, and has the status PostgREST gives it.
DO $$ BEGIN PERFORM meter.setup_roles(); END $$;
DO $$
BEGIN
	IF to_regrole('meter_authenticator') IS NULL THEN
		CREATE ROLE meter_authenticator LOGIN NOINHERIT;
	END IF;
	GRANT meter_admin, meter_backend, meter_writer, meter_reader TO meter_authenticator;
END
$$;

CREATE TYPE http_response AS (status int, body jsonb, headers jsonb);

-- The status PostgREST gives an error that nobody caught.
CREATE FUNCTION http_status_of(state text, detail text) RETURNS int LANGUAGE sql AS $$
	SELECT CASE
		WHEN state = 'PGRST' THEN (detail::jsonb ->> 'status')::int
		WHEN state LIKE 'PT___' THEN substr(state, 3)::int
		WHEN state IN ('23503', '23505') THEN 409
		WHEN state = '25006' THEN 405
		WHEN state = '42501' THEN 403
		WHEN state IN ('42883', '42P01') THEN 404
		WHEN state LIKE '28%' THEN 403
		WHEN state LIKE '08%' OR state LIKE '53%' THEN 503
		WHEN state ~ '^(09|0L|0P|2F|38|39|3B|25|40|54|55|57|58|F0|HV|P0|XX|21)' THEN 500
		ELSE 400 END
$$;

-- fn: a function of meter_api, without arguments or with one unnamed json.
-- GET and HEAD run read only.
CREATE FUNCTION http(method text, uri text, fn text, body text DEFAULT NULL, claims jsonb DEFAULT '{"role": "meter_writer"}',
	headers jsonb DEFAULT '{}') RETURNS http_response LANGUAGE plpgsql AS $$
BEGIN
	RETURN http_statement(method, uri, format(CASE WHEN EXISTS (
			SELECT FROM pg_proc WHERE pronamespace = 'meter_api'::regnamespace AND proname = fn AND pronargs = 1)
		THEN 'SELECT to_jsonb(meter_api.%1$I(%2$L::json))' ELSE 'SELECT to_jsonb(meter_api.%1$I())' END, fn, body), claims, headers);
END
$$;

-- The same for any statement that gives one jsonb.
CREATE FUNCTION http_statement(method text, uri text, statement text, claims jsonb DEFAULT '{"role": "meter_writer"}',
	headers jsonb DEFAULT '{}') RETURNS http_response LANGUAGE plpgsql AS $$
DECLARE
	response http_response;
	state text;
	message text;
	detail text;
	hint text;
BEGIN
	PERFORM set_config('response.status', '', true), set_config('response.headers', '', true);
	BEGIN
		SET LOCAL SESSION AUTHORIZATION meter_authenticator;
		PERFORM set_config('role', claims ->> 'role', true), set_config('request.jwt.claims', claims::text, true),
			set_config('request.method', method, true), set_config('request.path', split_part(uri, '?', 1), true),
			set_config('request.headers', (jsonb_build_object('x-original-uri', uri) || headers)::text, true);
		-- transaction_read_only cannot be taken back within a transaction, but for a
		-- subtransaction that ends
		IF method IN ('GET', 'HEAD') THEN
			PERFORM set_config('transaction_read_only', 'on', true);
		END IF;
		EXECUTE 'SELECT meter.http_check()';
		EXECUTE statement INTO response.body;
		response.status := coalesce(nullif(current_setting('response.status', true), ''), '200');
		response.headers := coalesce(nullif(current_setting('response.headers', true), ''), '[]');
		IF method IN ('GET', 'HEAD') THEN
			RAISE SQLSTATE 'ZZREA' USING MESSAGE = to_jsonb(response)::text;
		END IF;
	EXCEPTION
		WHEN SQLSTATE 'ZZREA' THEN
			response := jsonb_populate_record(NULL::http_response, SQLERRM::jsonb);
		WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
			response := (http_status_of(state, detail), CASE WHEN state = 'PGRST' THEN message::jsonb
				ELSE jsonb_build_object('code', state, 'message', message, 'details', detail, 'hint', hint) END,
				CASE WHEN state = 'PGRST' THEN detail::jsonb -> 'headers' END);
	END;
	RESET SESSION AUTHORIZATION;
	PERFORM set_config('request.jwt.claims', '', true);
	RETURN response;
END
$$;
