-- HTTP: what the functions of meter_api share.  A request's line, headers and
-- claims are settings of its transaction, which PostgREST makes; the gateway
-- passes the request line on as it came, in the header X-Original-URI.

CREATE FUNCTION meter.http_header(name text) RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'meter_http_header';
COMMENT ON FUNCTION meter.http_header(text) IS 'A header of the request, null where it has none of that name. Source: internal.';

CREATE FUNCTION meter.http_decode(encoded text) RETURNS text
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'meter_http_decode';
COMMENT ON FUNCTION meter.http_decode(text) IS 'Text as it was before it was percent-encoded. Errors: 22021 no UTF-8. Source: internal.';

CREATE FUNCTION meter.uuid_or_null(given text) RETURNS uuid
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'meter_uuid_or_null';
COMMENT ON FUNCTION meter.uuid_or_null(text) IS 'A text as the UUID that it spells with 32 digits and four hyphens; null where it is anything else. Source: internal.';

CREATE FUNCTION meter.http_path() RETURNS text[]
	LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT pg_catalog.array_agg(meter.http_decode(s.segment) ORDER BY s.place)
	FROM pg_catalog.string_to_table(pg_catalog.ltrim(pg_catalog.split_part(meter.http_header('X-Original-URI'), '?', 1), '/'), '/')
		WITH ORDINALITY AS s (segment, place);
END;
COMMENT ON FUNCTION meter.http_path() IS 'The segments of the path that was asked for, decoded: {meters,7}. Errors: 22021 no UTF-8. Source: internal.';

CREATE FUNCTION meter.http_query() RETURNS TABLE (place int, name text, value text)
	LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT q.place::int, meter.http_decode(pg_catalog.replace(pg_catalog.split_part(q.pair, '=', 1), '+', ' ')),
		meter.http_decode(pg_catalog.replace(pg_catalog.substr(q.pair, pg_catalog.length(pg_catalog.split_part(q.pair, '=', 1)) + 2), '+', ' '))
	FROM pg_catalog.string_to_table(pg_catalog.substr(meter.http_header('X-Original-URI'),
			pg_catalog.length(pg_catalog.split_part(meter.http_header('X-Original-URI'), '?', 1)) + 2), '&')
		WITH ORDINALITY AS q (pair, place)
	WHERE q.pair <> '';
END;
COMMENT ON FUNCTION meter.http_query() IS 'The parameters of the query that was asked for, decoded, in their order. Errors: 22021 no UTF-8. Source: internal.';

CREATE FUNCTION meter.http_parameter(name text) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	found text[];
BEGIN
	SELECT array_agg(q.value) INTO found FROM meter.http_query() AS q WHERE q.name = http_parameter.name;
	IF cardinality(found) > 1 THEN
		PERFORM meter.refuse_parameter(name, 'expected once');
	END IF;
	RETURN nullif(found[1], '');
END
$function$;
COMMENT ON FUNCTION meter.http_parameter(text) IS 'A parameter of the query, null where it is missing or empty. Errors: 22023 it stands twice. Source: internal.';

CREATE FUNCTION meter.refuse_parameter(name text, message text, code text DEFAULT 'INVALID_PARAMETER') RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	RAISE EXCEPTION 'invalid request: %: %', name, message
		USING ERRCODE = 'invalid_parameter_value', DETAIL = code || '.';
END
$function$;
COMMENT ON FUNCTION meter.refuse_parameter(text, text, text) IS 'Raises 22023 for a parameter of a request. Source: internal.';

CREATE FUNCTION meter.http_known_parameters(VARIADIC known text[] DEFAULT '{}') RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	unknown text;
BEGIN
	SELECT q.name INTO unknown FROM meter.http_query() AS q WHERE q.name <> ALL (known) ORDER BY q.place LIMIT 1;
	IF FOUND THEN
		PERFORM meter.refuse_parameter(left(unknown, 100), concat_ws(', expected ', 'unknown parameter', nullif(array_to_string(known, ', '), '')));
	END IF;
END
$function$;
COMMENT ON FUNCTION meter.http_known_parameters(text[]) IS 'Refuses a query with other parameters. Errors: 22023. Source: internal.';

CREATE FUNCTION meter.http_integer(name text, fallback int, lowest int, highest int) RETURNS int
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	given text := meter.http_parameter(name);
BEGIN
	IF given IS NULL THEN
		RETURN fallback;
	ELSIF given !~ '^[0-9]+$' OR given::numeric < lowest THEN
		PERFORM meter.refuse_parameter(name, format('expected an integer from %s to %s', lowest, highest));
	END IF;
	RETURN least(given::numeric, highest);
END
$function$;
COMMENT ON FUNCTION meter.http_integer(text, int, int, int) IS 'An integer of the query, the fallback where it is missing; more than the highest is the highest. Errors: 22023 no integer, or less than the lowest. Source: internal.';

CREATE FUNCTION meter.http_organization(wanted text, scope text, by_name boolean DEFAULT false) RETURNS uuid
	LANGUAGE c STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'meter_http_organization_sql';
COMMENT ON FUNCTION meter.http_organization(text, text, boolean) IS 'The organization a request is for: the one it names (wanted, a UUID), else the one of the claims. scope: read, admin or meter-report; what claims that speak of scopes must hold, or admin; by_name: claims that are silent about scopes do not do, but for a trusted role (default: the role decides then). Errors: 22023 no UUID, 42501 (ORGANIZATION_REQUIRED, INVALID_CLAIMS, FOREIGN_ORGANIZATION, INSUFFICIENT_SCOPE). Source: internal.';

-- Errors: what is not known to http_status is nobody's input, and goes on:
-- PostgREST answers 500, or tries again.
CREATE FUNCTION meter.http_status(sqlstate text, code text) RETURNS int
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'meter_http_status_sql';
COMMENT ON FUNCTION meter.http_status(text, text) IS 'The HTTP status of an error by its SQLSTATE and stable code; null for what no input is to blame for. Source: internal.';

CREATE FUNCTION meter.http_code(sqlstate text, detail text) RETURNS text
	LANGUAGE c IMMUTABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'meter_http_code_sql';
COMMENT ON FUNCTION meter.http_code(text, text) IS 'The stable code of an error: what its DETAIL begins with, else one by its SQLSTATE. Source: internal.';

CREATE FUNCTION meter.http_retry_after(detail text) RETURNS int
	LANGUAGE c STABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'meter_http_retry_after_sql';
COMMENT ON FUNCTION meter.http_retry_after(text) IS 'In how many seconds the window of a refused report ends; null where its DETAIL does not tell. Source: internal.';

CREATE FUNCTION meter.http_failure(state text, message text, detail text, hint text, envelope text) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	code text := meter.http_code(state, detail);
	status int := meter.http_status(state, code);
	-- errors quote what they are about; a client that sent a megabyte knows it
	longest CONSTANT int := 2000;
BEGIN
	IF status IS NULL THEN
		RETURN NULL;
	END IF;
	PERFORM meter.http_respond(status);
	IF state = '53400' AND meter.http_retry_after(detail) IS NOT NULL THEN
		PERFORM set_config('response.headers', jsonb_build_array(jsonb_build_object('Retry-After', meter.http_retry_after(detail)::text))::text, true);
	END IF;
	IF envelope = 'devices' THEN
		RETURN jsonb_build_object('success', false, 'message', left(message, longest), 'data', NULL, 'count', NULL, 'error', code);
	END IF;
	RETURN jsonb_build_object('code', code, 'message', left(message, longest), 'details', nullif(left(detail, longest), ''), 'hint', nullif(hint, ''));
END
$function$;
COMMENT ON FUNCTION meter.http_failure(text, text, text, text, text) IS 'The answer to an error of an operation, its status set; null where no input is to blame. Source: internal.';

-- The one place where a request becomes an answer.
CREATE FUNCTION meter.http_answer(operation text, envelope text DEFAULT 'plain', body jsonb DEFAULT NULL) RETURNS jsonb
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'meter_http_answer';
COMMENT ON FUNCTION meter.http_answer(text, text, jsonb) IS 'Runs an operation (a function of the schema meter that takes the body and gives the answer''s) and gives its answer, or that of the error it raises: what it did is undone then, response.status is set, and the body says code, message, details and hint; with the envelope devices it is that of seed 001. Errors: what no input is to blame for. Source: internal.';

CREATE FUNCTION meter.http_respond(status int) RETURNS void
	LANGUAGE c STABLE STRICT
	AS 'MODULE_PATHNAME', 'meter_http_respond';
COMMENT ON FUNCTION meter.http_respond(int) IS 'Sets the status of the response. Source: internal.';

CREATE FUNCTION meter.http_answer(operation text, envelope text, body json) RETURNS jsonb
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'meter_http_answer_json';
COMMENT ON FUNCTION meter.http_answer(text, text, json) IS 'As the other one, of a body as it came: what no jsonb can hold (\u0000, a number out of range) is an error of the request. Source: internal.';

CREATE FUNCTION meter.http_raise(state text, message text, detail text, hint text) RETURNS void
	LANGUAGE c STABLE
	AS 'MODULE_PATHNAME', 'meter_http_raise';
COMMENT ON FUNCTION meter.http_raise(text, text, text, text) IS 'Raises an error of that SQLSTATE, message, detail and hint as PostgREST wants it said, which then answers with the status, the stable code and Retry-After. Errors: PGRST. Source: internal.';

CREATE FUNCTION meter.http_check() RETURNS void
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	state text;
	message text;
	detail text;
	hint text;
BEGIN
	-- seed 001 says it in an envelope of its own, which PostgREST's errors have not
	IF meter.tenant_min() IS NOT NULL OR meter.http_header('X-Original-URI') ~ '^/api/v1/meters([/?]|$)' THEN
		RETURN;
	END IF;
	-- a block of its own: one that catches costs a subtransaction, which only a refusal pays
	BEGIN
		-- nobody's organization: the error tells what is wrong with the claims
		PERFORM meter.require_tenant('00000000-0000-0000-0000-000000000000');
	EXCEPTION WHEN insufficient_privilege THEN
		GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
		PERFORM meter.http_raise(state, message, detail, hint);
	END;
END
$function$;
COMMENT ON FUNCTION meter.http_check() IS 'For PostgREST''s db-pre-request: answers 401 to a request whose role is not trusted and whose claims name no organization, or are malformed; but for /api/v1/meters, whose functions answer that themselves. Errors: PGRST. Source: standard.';
