-- Customers and the subjects that are theirs.

CREATE FUNCTION meter.refuse_member(what text, code text, member text, message text) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	RAISE EXCEPTION 'invalid %: %', what, message
		USING ERRCODE = 'invalid_parameter_value',
			DETAIL = CASE WHEN member IS NULL THEN code || '.'
				ELSE format('%s at /%s.', code, replace(replace(member, '~', '~0'), '/', '~1')) END;
END
$function$;
COMMENT ON FUNCTION meter.refuse_member(text, text, text, text) IS 'Raises 22023 for a member of a document. what: the document''s name; code: stable, upper case; member: its key, null for the whole; message: what was expected. Source: internal.';

CREATE FUNCTION meter.check_members(what text, document jsonb, allowed text[]) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	member text;
BEGIN
	IF document IS NULL OR jsonb_typeof(document) <> 'object' THEN
		PERFORM meter.refuse_member(what, 'INVALID_TYPE', NULL, 'expected an object');
	END IF;
	FOR member IN SELECT jsonb_object_keys(document) LOOP
		IF member <> ALL (allowed) THEN
			PERFORM meter.refuse_member(what, 'UNKNOWN_KEY', member, format('unknown key "%s"', member));
		END IF;
	END LOOP;
END
$function$;
COMMENT ON FUNCTION meter.check_members(text, jsonb, text[]) IS 'Refuses a document that is no object or has keys that are not allowed. what: the document''s name. Errors: 22023. Source: internal.';

CREATE FUNCTION meter.text_member(what text, document jsonb, member text, longest int) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	value text := document ->> member;
BEGIN
	IF value IS NULL THEN
		RETURN NULL;
	ELSIF jsonb_typeof(document -> member) <> 'string' THEN
		PERFORM meter.refuse_member(what, 'INVALID_TYPE', member, member || ': expected a string');
	ELSIF length(value) NOT BETWEEN 1 AND longest OR octet_length(value) > 1024 THEN
		PERFORM meter.refuse_member(what, 'INVALID_LENGTH', member,
			format('%s: expected 1 to %s characters of at most 1024 bytes', member, longest));
	ELSIF value ~ '[\x01-\x1F\x7F]' THEN
		PERFORM meter.refuse_member(what, 'INVALID_TEXT', member, member || ': control characters are not allowed');
	END IF;
	RETURN value;
END
$function$;
COMMENT ON FUNCTION meter.text_member(text, jsonb, text, int) IS 'A text of a document, null where it is missing or null. longest: in characters. Errors: 22023 no string, too long, control characters. Source: internal.';

CREATE FUNCTION meter.time_member(what text, document jsonb, member text) RETURNS timestamptz
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	value text := document ->> member;
BEGIN
	IF value IS NULL THEN
		RETURN NULL;
	END IF;
	-- the zone is required: a time must not depend on a session's setting
	IF jsonb_typeof(document -> member) = 'string'
			AND value ~ '^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d(:?\d\d)?)$' THEN
		BEGIN
			RETURN value::timestamptz;
		EXCEPTION WHEN data_exception THEN
			NULL;
		END;
	END IF;
	PERFORM meter.refuse_member(what, 'INVALID_TIME', member, member || ': expected an RFC 3339 timestamp with its zone');
END
$function$;
COMMENT ON FUNCTION meter.time_member(text, jsonb, text) IS 'A timestamp of a document (RFC 3339), null where it is missing or null. Errors: 22023. Source: internal.';

CREATE FUNCTION meter.require_organization(organization_id uuid) RETURNS void
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
BEGIN
	PERFORM meter.require_tenant(organization_id);
	IF NOT EXISTS (SELECT FROM meter.organization AS o
			WHERE o.organization_id = require_organization.organization_id) THEN
		RAISE EXCEPTION 'organization % does not exist', coalesce(require_organization.organization_id::text, 'null')
			USING ERRCODE = 'undefined_object';
	END IF;
END
$function$;
COMMENT ON FUNCTION meter.require_organization(uuid) IS 'Errors: 42501 not the caller''s, 42704 no such organization. Source: internal.';

CREATE FUNCTION meter.find_customer(organization_id uuid, customer text) RETURNS meter.customer
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	result meter.customer;
BEGIN
	PERFORM meter.require_tenant(organization_id);
	SELECT c.* INTO result FROM meter.customer_subject AS s
		JOIN meter.customer AS c ON c.organization_id = s.organization_id AND c.id = s.customer_id
		WHERE s.organization_id = find_customer.organization_id AND s.subject = find_customer.customer;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'customer "%" does not exist', coalesce(find_customer.customer, 'null')
			USING ERRCODE = 'undefined_object';
	END IF;
	RETURN result;
END
$function$;
COMMENT ON FUNCTION meter.find_customer(uuid, text) IS 'The customer of that id, code or alias. Errors: 42501, 42704 no such customer. Source: internal.';

CREATE FUNCTION meter.customer_document(organization_id uuid, customer_id text) RETURNS jsonb
	LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT pg_catalog.jsonb_build_object(
			'id', c.id, 'organization_id', c.organization_id, 'code', c.code, 'name', c.name,
			'description', c.description, 'custom_fields', c.custom_fields, 'aliases', c.aliases,
			'created_at', c.created_at, 'updated_at', c.updated_at)
		FROM meter.customers AS c
		WHERE meter.require_tenant($1) IS NOT NULL AND c.organization_id = $1 AND c.id = $2;
END;
COMMENT ON FUNCTION meter.customer_document(uuid, text) IS 'The customer document: id, organization_id, code, name, description, custom_fields, aliases, created_at, updated_at. Source: internal.';

CREATE FUNCTION meter.check_customer(definition jsonb) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	aliases jsonb := coalesce(nullif(definition -> 'aliases', 'null'), '[]');
	fields jsonb := coalesce(nullif(definition -> 'custom_fields', 'null'), '{}');
	seen text[] := ARRAY[definition ->> 'id', definition ->> 'code'];
	alias text;
BEGIN
	PERFORM meter.check_members('customer', definition, '{id,code,name,aliases,description,custom_fields}');
	PERFORM meter.text_member('customer', definition, 'id', 1024);
	PERFORM meter.text_member('customer', definition, 'code', 200);
	PERFORM meter.text_member('customer', definition, 'description', 1024);
	IF meter.text_member('customer', definition, 'name', 200) IS NULL THEN
		PERFORM meter.refuse_member('customer', 'MISSING_KEY', 'name', 'a customer needs a name');
	END IF;
	IF definition ->> 'id' = definition ->> 'code' THEN
		PERFORM meter.refuse_member('customer', 'DUPLICATE_SUBJECT', 'code', 'code: is the customer''s id already');
	END IF;
	IF jsonb_typeof(aliases) <> 'array' THEN
		PERFORM meter.refuse_member('customer', 'INVALID_TYPE', 'aliases', 'aliases: expected an array of strings');
	END IF;
	FOR alias IN
		SELECT coalesce(meter.text_member('customer', jsonb_build_object('aliases', a.value), 'aliases', 1024), '')
		FROM jsonb_array_elements(aliases) AS a
	LOOP
		IF alias = '' THEN
			PERFORM meter.refuse_member('customer', 'INVALID_TYPE', 'aliases', 'aliases: expected an array of strings');
		ELSIF alias = ANY (seen) THEN
			PERFORM meter.refuse_member('customer', 'DUPLICATE_SUBJECT', 'aliases',
				format('aliases: "%s" comes twice, or is the customer''s id or code', alias));
		END IF;
		seen := seen || alias;
	END LOOP;
	IF jsonb_typeof(fields) <> 'object' THEN
		PERFORM meter.refuse_member('customer', 'INVALID_TYPE', 'custom_fields', 'custom_fields: expected an object of strings and numbers');
	ELSIF EXISTS (SELECT FROM jsonb_each(fields) AS f WHERE jsonb_typeof(f.value) NOT IN ('string', 'number')) THEN
		PERFORM meter.refuse_member('customer', 'INVALID_TYPE', 'custom_fields', 'custom_fields: a custom field is a string or a number');
	END IF;
END
$function$;
COMMENT ON FUNCTION meter.check_customer(jsonb) IS 'Checks the definition of a customer. Errors: 22023 with the JSON pointer of what is wrong. Source: internal.';

-- Whoever ingests goes by the owners it found: it ends before they change, and
-- what thresholds know of the customer is looked up anew by the next event.
CREATE FUNCTION meter.unsettle_accounts(organization_id uuid, customer_id text, subjects text[]) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	watches int[] := ARRAY(SELECT w.watch_no FROM meter.threshold_watch AS w
		WHERE w.organization_id = unsettle_accounts.organization_id AND w.scope_kind IN ('product', 'subscription', 'customer'));
BEGIN
	PERFORM meter.require_tenant(organization_id);
	IF watches <> '{}' AND to_regclass('meter.threshold_usage') IS NOT NULL THEN
		PERFORM meter.lock_definitions(unsettle_accounts.organization_id);
		UPDATE meter.threshold_usage AS t SET state = ''
			WHERE t.organization_id = unsettle_accounts.organization_id AND t.watch_no = ANY (watches)
				AND t.subject = ANY (unsettle_accounts.subjects || unsettle_accounts.customer_id);
	END IF;
END
$function$;
COMMENT ON FUNCTION meter.unsettle_accounts(uuid, text, text[]) IS 'Has thresholds compute anew, at the next event, what they know of a customer whose subjects or subscriptions change. Waits for ingestion where the organization has thresholds on customers, subscriptions or products. Source: internal.';

-- A subject is claimed by its primary key: whoever comes second waits for the
-- first one's commit and is then told whose it is.
CREATE FUNCTION meter.claim_subjects(organization_id uuid, customer_id text, kind text, subjects text[]) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	wanted text;
	holder text;
BEGIN
	PERFORM meter.require_tenant(organization_id);
	PERFORM meter.unsettle_accounts(organization_id, customer_id, subjects);
	FOR wanted IN
		-- in one order everywhere, so that two sessions cannot deadlock
		SELECT DISTINCT u.subject COLLATE "C" FROM unnest(subjects) AS u(subject)
		WHERE u.subject IS NOT NULL ORDER BY 1
	LOOP
		INSERT INTO meter.customer_subject AS s (organization_id, subject, customer_id, kind)
			VALUES (claim_subjects.organization_id, wanted, claim_subjects.customer_id, claim_subjects.kind)
			ON CONFLICT (organization_id, subject) DO NOTHING;
		SELECT s.customer_id INTO holder FROM meter.customer_subject AS s
			WHERE s.organization_id = claim_subjects.organization_id AND s.subject = wanted;
		IF holder IS DISTINCT FROM claim_subjects.customer_id THEN
			RAISE EXCEPTION 'subject "%" belongs to customer "%"', wanted, holder
				USING ERRCODE = 'unique_violation', DETAIL = 'SUBJECT_TAKEN.',
					HINT = 'Unlink it there first, with meter.unlink_subject().';
		END IF;
	END LOOP;
END
$function$;
COMMENT ON FUNCTION meter.claim_subjects(uuid, text, text, text[]) IS 'Links subjects to a customer; those it has already stay as they are. kind: id, code or alias. Errors: 23505 another customer has one of them. Source: internal.';

CREATE FUNCTION meter.create_customer(organization_id uuid, definition jsonb) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	org uuid := create_customer.organization_id;
	created text := coalesce(definition ->> 'id', gen_random_uuid()::text);
BEGIN
	PERFORM meter.require_organization(org);
	PERFORM meter.check_customer(definition);
	INSERT INTO meter.customer (organization_id, id, code, name, description, custom_fields)
		VALUES (org, created, definition ->> 'code', definition ->> 'name', definition ->> 'description',
			coalesce(nullif(definition -> 'custom_fields', 'null'), '{}'))
		ON CONFLICT (organization_id, id) DO NOTHING;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'customer "%" already exists', created
			USING ERRCODE = 'unique_violation';
	END IF;
	PERFORM meter.claim_subjects(org, created, 'id', ARRAY[created]);
	PERFORM meter.claim_subjects(org, created, 'code', ARRAY[definition ->> 'code']);
	PERFORM meter.claim_subjects(org, created, 'alias', ARRAY(
		SELECT jsonb_array_elements_text(coalesce(nullif(definition -> 'aliases', 'null'), '[]'))));
	RETURN meter.customer_document(org, created);
END
$function$;
COMMENT ON FUNCTION meter.create_customer(uuid, jsonb) IS 'Creates a customer. definition: object of name (1 to 200 characters), id (1 to 1024 characters, default a new UUID), code (1 to 200 characters), aliases (array of subjects), description and custom_fields (object of strings and numbers). The id, the code and the aliases are the customer''s subjects: events of any of them, also those that came before, are one customer''s usage. Result: the customer document. Errors: 22023 with the JSON pointer of what is wrong, 23505 the id is taken or a subject is another customer''s, 42704 no such organization. Source: seed 004 (account_mapping).';

CREATE FUNCTION meter.update_customer(organization_id uuid, customer text, patch jsonb) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	org uuid := update_customer.organization_id;
	old meter.customer := meter.find_customer(org, update_customer.customer);
	whole jsonb;
	aliases text[];
BEGIN
	PERFORM meter.check_members('customer patch', patch, '{id,code,name,aliases,description,custom_fields}');
	PERFORM FROM meter.customer AS c WHERE c.organization_id = org AND c.id = old.id FOR UPDATE;
	whole := (meter.customer_document(org, old.id) - '{organization_id,created_at,updated_at}'::text[]) || patch;
	IF whole ->> 'id' IS DISTINCT FROM old.id THEN
		PERFORM meter.refuse_member('customer patch', 'IMMUTABLE', 'id', 'id cannot change');
	END IF;
	PERFORM meter.check_customer(whole);
	aliases := ARRAY(SELECT jsonb_array_elements_text(coalesce(nullif(whole -> 'aliases', 'null'), '[]')));

	UPDATE meter.customer AS c
		SET code = whole ->> 'code', name = whole ->> 'name', description = whole ->> 'description',
			custom_fields = coalesce(nullif(whole -> 'custom_fields', 'null'), '{}'), updated_at = now()
		WHERE c.organization_id = org AND c.id = old.id;
	DELETE FROM meter.customer_subject AS s
		WHERE s.organization_id = org AND s.customer_id = old.id
			AND (s.kind = 'alias' AND s.subject <> ALL (aliases)
				OR s.kind = 'code' AND s.subject IS DISTINCT FROM whole ->> 'code');
	PERFORM meter.claim_subjects(org, old.id, 'code', ARRAY[whole ->> 'code']);
	PERFORM meter.claim_subjects(org, old.id, 'alias', aliases);
	RETURN meter.customer_document(org, old.id);
END
$function$;
COMMENT ON FUNCTION meter.update_customer(uuid, text, jsonb) IS 'Changes a customer. customer: id, code or alias; patch: object of the keys of meter.create_customer but id (absent keeps, null resets; aliases replace those there were). Subjects that it loses keep their usage, as subjects of nobody. Result: the customer document. Errors: 22023 with the JSON pointer of what is wrong, 23505 a subject is another customer''s, 42704 no such customer. Source: standard.';

CREATE FUNCTION meter.link_subject(organization_id uuid, customer text, subject text) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	org uuid := link_subject.organization_id;
	customer_row meter.customer := meter.find_customer(org, link_subject.customer);
BEGIN
	IF meter.text_member('link', jsonb_build_object('subject', link_subject.subject), 'subject', 1024) IS NULL THEN
		PERFORM meter.refuse_member('link', 'MISSING_KEY', 'subject', 'expected a subject');
	END IF;
	PERFORM meter.claim_subjects(org, customer_row.id, 'alias', ARRAY[link_subject.subject]);
	UPDATE meter.customer AS c SET updated_at = now()
		WHERE c.organization_id = org AND c.id = customer_row.id;
	RETURN meter.customer_document(org, customer_row.id);
END
$function$;
COMMENT ON FUNCTION meter.link_subject(uuid, text, text) IS 'Makes a subject of events an alias of a customer, usage that came before included; one that is the customer''s already stays so. customer: id, code or alias; subject: 1 to 1024 bytes. Result: the customer document. Errors: 22023 bad subject, 23505 it is another customer''s, 42704 no such customer. Source: seed 004 (account_mapping).';

CREATE FUNCTION meter.unlink_subject(organization_id uuid, customer text, subject text) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	org uuid := unlink_subject.organization_id;
	customer_row meter.customer := meter.find_customer(org, unlink_subject.customer);
	kind text;
BEGIN
	SELECT s.kind INTO kind FROM meter.customer_subject AS s
		WHERE s.organization_id = org AND s.subject = unlink_subject.subject AND s.customer_id = customer_row.id;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'subject "%" is not linked to customer "%"', coalesce(unlink_subject.subject, 'null'), customer_row.id
			USING ERRCODE = 'undefined_object';
	ELSIF kind <> 'alias' THEN
		RAISE EXCEPTION 'subject "%" is the % of customer "%"', unlink_subject.subject, kind, customer_row.id
			USING ERRCODE = 'invalid_parameter_value', DETAIL = 'IMMUTABLE.',
				HINT = 'Only aliases can be unlinked; a code changes with meter.update_customer().';
	END IF;
	PERFORM meter.unsettle_accounts(org, customer_row.id, '{}');
	DELETE FROM meter.customer_subject AS s
		WHERE s.organization_id = org AND s.subject = unlink_subject.subject AND s.customer_id = customer_row.id;
	UPDATE meter.customer AS c SET updated_at = now()
		WHERE c.organization_id = org AND c.id = customer_row.id;
	RETURN meter.customer_document(org, customer_row.id);
END
$function$;
COMMENT ON FUNCTION meter.unlink_subject(uuid, text, text) IS 'Takes an alias from a customer; its usage is then nobody''s, until it is linked again. customer: id, code or alias; subject: the alias. Result: the customer document. Errors: 22023 the subject is the id or code, 42704 no such customer, or the subject is not its. Source: standard.';

CREATE FUNCTION meter.delete_customer(organization_id uuid, customer text) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	org uuid := delete_customer.organization_id;
	customer_row meter.customer := meter.find_customer(org, delete_customer.customer);
BEGIN
	PERFORM FROM meter.customer AS c WHERE c.organization_id = org AND c.id = customer_row.id FOR UPDATE;
	IF EXISTS (SELECT FROM meter.subscription AS s WHERE s.organization_id = org AND s.customer_id = customer_row.id) THEN
		RAISE EXCEPTION 'customer "%" has subscriptions', customer_row.id
			USING ERRCODE = 'foreign_key_violation', DETAIL = 'IN_USE.';
	END IF;
	DELETE FROM meter.customer_subject AS s WHERE s.organization_id = org AND s.customer_id = customer_row.id;
	DELETE FROM meter.customer AS c WHERE c.organization_id = org AND c.id = customer_row.id;
END
$function$;
COMMENT ON FUNCTION meter.delete_customer(uuid, text) IS 'Deletes a customer that has no subscriptions; the usage of its subjects stays, as subjects of nobody. customer: id, code or alias. Errors: 23503 it has subscriptions, 42704 no such customer. Source: standard.';
