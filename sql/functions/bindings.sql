-- Bindings of meters to products.

CREATE FUNCTION meter.used_by(organization_id uuid, meter_id uuid, version int DEFAULT NULL) RETURNS text[]
	LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT COALESCE(pg_catalog.array_agg(pg_catalog.format('binding %s of product "%s"', b.id, COALESCE(p.code, p.name))
			ORDER BY COALESCE(p.code, p.name), b.pricing_var_name), '{}')
		FROM meter.binding AS b
		JOIN meter.product AS p ON p.organization_id = b.organization_id AND p.id = b.product_id
		WHERE meter.require_tenant($1) IS NOT NULL AND b.organization_id = $1 AND b.meter_id = $2 AND b.unbound_at IS NULL
			AND ($3 IS NULL OR b.id IN (SELECT i.binding_id FROM meter.version_pins AS i
				WHERE i.organization_id = $1 AND i.meter_id = $2 AND i.version = $3));
END;
COMMENT ON FUNCTION meter.used_by(uuid, uuid, int) IS 'The bindings of a meter, or those that are pinned to one of its versions, in words. Source: internal.';

CREATE FUNCTION meter.check_unused(head meter.meter, version int DEFAULT NULL) RETURNS void
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	uses text[] := meter.used_by(head.organization_id, head.id, version);
BEGIN
	IF uses <> '{}' THEN
		RAISE EXCEPTION '%meter "%" is in use', coalesce('version ' || version || ' of ', ''), head.key
			USING ERRCODE = 'object_in_use', DETAIL = format('It is used by %s.', array_to_string(uses, ', ')),
				HINT = 'Take them away with meter.unbind_product(), or let them follow the head.';
	END IF;
END
$function$;
COMMENT ON FUNCTION meter.check_unused(meter.meter, int) IS 'Refuses to go on where bindings use a meter, or are pinned to a version of it. Errors: 55006 with the list. Source: internal.';

CREATE FUNCTION meter.quantity_member(what text, document jsonb, member text) RETURNS numeric
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	value numeric;
BEGIN
	IF coalesce(document -> member, 'null') = 'null' THEN
		RETURN NULL;
	ELSIF jsonb_typeof(document -> member) = 'number' THEN
		value := (document -> member)::numeric;
	END IF;
	IF value BETWEEN 0 AND 1e30 AND scale(value) <= 30 THEN
		RETURN value;
	END IF;
	PERFORM meter.refuse_member(what, 'INVALID_QUANTITY', member, member || ': expected a number of 0 to 1e30 with at most 30 decimals');
END
$function$;
COMMENT ON FUNCTION meter.quantity_member(text, jsonb, text) IS 'A quantity of a document, null where it is missing or null. Errors: 22023. Source: internal.';

CREATE FUNCTION meter.plan_field(organization_id uuid, product_id uuid, field text) RETURNS numeric
	LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT f.value::numeric FROM meter.product AS p, pg_catalog.jsonb_each(p.custom_fields) AS f
		WHERE meter.require_tenant($1) IS NOT NULL AND p.organization_id = $1 AND p.id = $2 AND f.key = $3 AND pg_catalog.jsonb_typeof(f.value) = 'number';
END;
COMMENT ON FUNCTION meter.plan_field(uuid, uuid, text) IS 'The number in a custom field of a product; null where there is none. Source: internal.';

CREATE FUNCTION meter.check_included(organization_id uuid, product_id uuid, given jsonb) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	source jsonb := coalesce(nullif(given, 'null'), '{"kind": "static", "quantity": 0}');
	quantity numeric;
BEGIN
	PERFORM meter.require_tenant(organization_id);
	IF jsonb_typeof(source) = 'number' THEN
		source := jsonb_build_object('kind', 'static', 'quantity', source);
	END IF;
	PERFORM meter.check_members('included_quantity_source', source, CASE source ->> 'kind'
		WHEN 'static' THEN '{kind,quantity}'::text[] WHEN 'plan_field' THEN '{kind,field}' ELSE '{kind,quantity,field}' END);
	IF source ->> 'kind' = 'static' THEN
		quantity := meter.quantity_member('included_quantity_source', source, 'quantity');
	ELSIF source ->> 'kind' = 'plan_field' THEN
		quantity := meter.quantity_member('included_quantity_source', jsonb_build_object('field',
			meter.plan_field(organization_id, product_id, meter.text_member('included_quantity_source', source, 'field', 80))), 'field');
	ELSE
		PERFORM meter.refuse_member('binding', 'INVALID_SOURCE', 'included_quantity_source',
			'included_quantity_source: expected a number, or an object whose kind is static or plan_field');
	END IF;
	IF quantity IS NULL THEN
		PERFORM meter.refuse_member('binding', 'INVALID_SOURCE', 'included_quantity_source', CASE source ->> 'kind'
			WHEN 'static' THEN 'included_quantity_source: expected a quantity'
			ELSE 'included_quantity_source: expected the name of a custom field of the product that is a number' END);
	END IF;
	RETURN source;
END
$function$;
COMMENT ON FUNCTION meter.check_included(uuid, uuid, jsonb) IS 'The checked and completed included_quantity_source of a binding. Errors: 22023. Source: internal.';

CREATE FUNCTION meter.check_overlay(definition jsonb, given jsonb) RETURNS jsonb
	LANGUAGE plpgsql IMMUTABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	overlays jsonb := coalesce(nullif(given, 'null'), '[]');
	entry jsonb;
	names text[];
	seen jsonb[] := '{}';
	wrong text;
BEGIN
	IF jsonb_typeof(overlays) <> 'array' OR jsonb_array_length(overlays) > 100 THEN
		PERFORM meter.refuse_member('binding', 'INVALID_OVERLAY', 'overlay_dimensions_keyed',
			'overlay_dimensions_keyed: expected an array of at most 100 objects of dimensions and a quantity');
	END IF;
	FOR entry IN SELECT e FROM jsonb_array_elements(overlays) AS e LOOP
		PERFORM meter.check_members('overlay_dimensions_keyed', entry, '{dimensions,quantity}');
		IF meter.quantity_member('overlay_dimensions_keyed', entry, 'quantity') IS NULL THEN
			wrong := 'expected a quantity';
		ELSIF coalesce(jsonb_typeof(entry -> 'dimensions'), 'null') <> 'object' OR entry -> 'dimensions' = '{}' THEN
			wrong := 'expected an object of dimensions';
		ELSIF EXISTS (SELECT FROM jsonb_object_keys(entry -> 'dimensions') AS k WHERE NOT definition -> 'dimensions' ? k) THEN
			wrong := format('the meter has no dimension "%s"', (SELECT min(k) FROM jsonb_object_keys(entry -> 'dimensions') AS k
				WHERE NOT definition -> 'dimensions' ? k));
		ELSIF EXISTS (SELECT FROM jsonb_each(entry -> 'dimensions') AS d WHERE jsonb_typeof(d.value) NOT IN ('string', 'number', 'boolean')) THEN
			wrong := 'a dimension''s value is a string, a number, true or false';
		-- the same dimensions each, so that no event is in two accounts
		ELSIF ARRAY(SELECT jsonb_object_keys(entry -> 'dimensions')) <> coalesce(names, ARRAY(SELECT jsonb_object_keys(entry -> 'dimensions'))) THEN
			wrong := 'expected the same dimensions everywhere';
		ELSIF entry -> 'dimensions' = ANY (seen) THEN
			wrong := format('%s comes twice', entry -> 'dimensions');
		END IF;
		IF wrong IS NOT NULL THEN
			PERFORM meter.refuse_member('binding', 'INVALID_OVERLAY', 'overlay_dimensions_keyed', 'overlay_dimensions_keyed: ' || wrong);
		END IF;
		names := ARRAY(SELECT jsonb_object_keys(entry -> 'dimensions'));
		seen := seen || (entry -> 'dimensions');
	END LOOP;
	RETURN overlays;
END
$function$;
COMMENT ON FUNCTION meter.check_overlay(jsonb, jsonb) IS 'The checked overlay_dimensions_keyed of a binding to a meter with that definition. Errors: 22023. Source: internal.';

-- Terms after a change: what the document does not name stays as it was, what
-- it says is null gets its default.
CREATE FUNCTION meter.change_terms(head meter.meter, product_id uuid, terms meter.binding_terms, document jsonb) RETURNS meter.binding_terms
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_variable
DECLARE
	pinned meter.meter_version;
	wanted uuid := meter.uuid_member('binding', document, 'head_version_id');
	expiry numeric := meter.quantity_member('binding', document, 'rollover_expiry');
BEGIN
	IF document ? 'head_version_id' OR document ? 'version' THEN
		IF wanted IS NOT NULL THEN
			SELECT v.* INTO pinned FROM meter.meter_version AS v
				WHERE v.organization_id = head.organization_id AND v.meter_id = head.id AND v.id = wanted;
			IF NOT FOUND OR coalesce(document -> 'version', 'null') NOT IN ('null', to_jsonb(pinned.version)) THEN
				PERFORM meter.refuse_member('binding', 'INVALID_VERSION', 'head_version_id', 'head_version_id: expected the id of a version of the meter');
			END IF;
		ELSIF coalesce(document -> 'version', 'null') <> 'null' THEN
			SELECT v.* INTO pinned FROM meter.meter_version AS v
				WHERE v.organization_id = head.organization_id AND v.meter_id = head.id AND to_jsonb(v.version) = document -> 'version';
			IF NOT FOUND THEN
				PERFORM meter.refuse_member('binding', 'INVALID_VERSION', 'version', 'version: expected the number of a version of the meter');
			END IF;
		END IF;
		IF pinned.status IN ('draft', 'archived') THEN
			RAISE EXCEPTION 'version % of meter "%" is %', pinned.version, head.key,
					CASE pinned.status WHEN 'draft' THEN 'a draft' ELSE 'archived' END
				USING ERRCODE = 'object_not_in_prerequisite_state';
		END IF;
		terms.version := pinned.version;
	END IF;
	IF document ? 'included_quantity_source' THEN
		terms.included_quantity_source := meter.check_included(head.organization_id, product_id, document -> 'included_quantity_source');
	END IF;
	IF document ? 'overlay_dimensions_keyed' THEN
		IF pinned.definition IS NULL THEN
			SELECT v.* INTO pinned FROM meter.current_version(head.organization_id, head.id) AS v;
		END IF;
		terms.overlay_dimensions_keyed := meter.check_overlay(pinned.definition, document -> 'overlay_dimensions_keyed');
	END IF;
	IF document ? 'rollover_eligible' THEN
		terms.rollover_eligible := meter.flag_member('binding', document, 'rollover_eligible');
	END IF;
	IF document ? 'prorated' THEN
		terms.prorated := meter.flag_member('binding', document, 'prorated');
	END IF;
	IF document ? 'rollover_cap' THEN
		terms.rollover_cap := meter.quantity_member('binding', document, 'rollover_cap');
	END IF;
	IF document ? 'rollover_expiry' THEN
		IF expiry NOT BETWEEN 1 AND 1000 OR expiry <> trunc(expiry) THEN
			PERFORM meter.refuse_member('binding', 'INVALID_QUANTITY', 'rollover_expiry', 'rollover_expiry: expected a number of periods, 1 to 1000');
		END IF;
		terms.rollover_expiry := expiry;
	END IF;
	RETURN terms;
END
$function$;
COMMENT ON FUNCTION meter.change_terms(meter.meter, uuid, meter.binding_terms, jsonb) IS 'Terms of a binding with what a document says of them. Errors: 22023, 55000 a version that is a draft or archived. Source: internal.';

CREATE FUNCTION meter.check_binding(document jsonb, allowed text[]) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	PERFORM meter.check_members('binding', document, '{role,pricing_var_name,workspace_id,head_version_id,version,
		included_quantity_source,overlay_dimensions_keyed,rollover_eligible,rollover_cap,rollover_expiry,prorated}'::text[] || allowed);
	IF coalesce(document -> 'role', 'null') NOT IN ('null', '"billable"', '"entitlement"', '"informational"') THEN
		PERFORM meter.refuse_member('binding', 'INVALID_ROLE', 'role', 'role: expected billable, entitlement or informational');
	ELSIF meter.text_member('binding', document, 'pricing_var_name', 80) !~ '^[A-Za-z_$][A-Za-z0-9_$]*$' THEN
		PERFORM meter.refuse_member('binding', 'INVALID_NAME', 'pricing_var_name', 'pricing_var_name: expected letters, digits, _ and $, no digit first');
	END IF;
	PERFORM meter.text_member('binding', document, 'workspace_id', 200);
END
$function$;
COMMENT ON FUNCTION meter.check_binding(jsonb, text[]) IS 'Checks the keys, role, pricing_var_name and workspace_id of a binding''s definition or patch; allowed: further keys. Errors: 22023. Source: internal.';

CREATE FUNCTION meter.binding_document(organization_id uuid, binding_id uuid) RETURNS jsonb
	LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT pg_catalog.to_jsonb(b) FROM meter.meter_bindings AS b
		WHERE meter.require_tenant($1) IS NOT NULL AND b.organization_id = $1 AND b.id = $2;
END;
COMMENT ON FUNCTION meter.binding_document(uuid, uuid) IS 'The document of a binding: the columns of meter.meter_bindings. Source: internal.';

CREATE FUNCTION meter.bind_product(organization_id uuid, product text, meter text, definition jsonb DEFAULT '{}') RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	org uuid := bind_product.organization_id;
	bound uuid;
	created uuid;
	head meter.meter;
	terms meter.binding_terms;
	name text;
BEGIN
	PERFORM meter.require_organization(org);
	bound := meter.find_product(org, product);
	PERFORM meter.check_binding(definition, '{effective_from}');
	-- what is bound cannot be archived or deleted meanwhile
	head := meter.lock_meter(org, meter, false);
	-- all of them named: each gets what is given, or its default
	terms := meter.change_terms(head, bound, terms, '{"head_version_id": null, "included_quantity_source": null, "overlay_dimensions_keyed": null,
		"rollover_eligible": null, "rollover_cap": null, "rollover_expiry": null, "prorated": null}'::jsonb || definition);
	name := coalesce(definition ->> 'pricing_var_name', left(regexp_replace(head.key, '[^A-Za-z0-9_$]|^(?=[0-9])', '_', 'g'), 80));
	INSERT INTO meter.binding (organization_id, product_id, meter_id, role, pricing_var_name, workspace_id)
		VALUES (org, bound, head.id, coalesce(definition ->> 'role', 'billable'), name, definition ->> 'workspace_id')
		ON CONFLICT (organization_id, product_id, pricing_var_name) WHERE unbound_at IS NULL DO NOTHING
		RETURNING id INTO created;
	IF created IS NULL THEN
		RAISE EXCEPTION 'product "%" already has a pricing variable "%"', product, name
			USING ERRCODE = 'unique_violation', DETAIL = 'DUPLICATE at /pricing_var_name.';
	END IF;
	terms.organization_id := org;
	terms.binding_id := created;
	terms.meter_id := head.id;
	terms.effective_from := coalesce(meter.time_member('binding', definition, 'effective_from'), '-infinity');
	INSERT INTO meter.binding_terms SELECT terms.*;
	RETURN meter.binding_document(org, created);
END
$function$;
COMMENT ON FUNCTION meter.bind_product(uuid, text, text, jsonb) IS 'Binds a meter to a product: subscriptions of the product are billed by it. product: code or id; meter: key or id; definition: object of role (billable, entitlement or informational; default billable), pricing_var_name (what prices call the quantity, [A-Za-z_$][A-Za-z0-9_$]* of at most 80 characters, unique in the product; default made of the meter''s key), head_version_id (id of a published version to pin: the quantity is all that was used as that version measures it, whichever versions are in force; null: follow the head, whichever versions measured) or version (its number), included_quantity_source (what each billing period includes: a number, {"kind": "static", "quantity": number} or {"kind": "plan_field", "field": name of a custom field of the product}; default nothing), overlay_dimensions_keyed (array of {"dimensions": {name: value}, "quantity": number} over the same dimensions: usage of these values has accounts of its own, all other usage has included_quantity_source), rollover_eligible (boolean: what is left of a period is used first in the next ones), rollover_cap (the most that a period takes over), rollover_expiry (for how many periods what is left can be used, 1 to 1000; null: for ever), prorated (boolean: a first period that a subscription cuts short includes the share of its time), workspace_id (1 to 200 characters) and effective_from (RFC 3339: the billing period that holds it is the first; default all). Result: the binding document: the columns of meter.meter_bindings. Errors: 22023 with the JSON pointer of what is wrong, 23505 the pricing variable is taken, 42704 no such organization, product or meter, 55000 the meter is archived, or the version is archived or a draft. Source: seed 000 (bindings).';

CREATE FUNCTION meter.lock_binding(organization_id uuid, binding uuid) RETURNS meter.binding
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	held meter.binding;
BEGIN
	PERFORM meter.require_tenant(organization_id);
	SELECT b.* INTO held FROM meter.binding AS b
		WHERE b.organization_id = lock_binding.organization_id AND b.id = lock_binding.binding AND b.unbound_at IS NULL
		FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'binding % does not exist', coalesce(lock_binding.binding::text, 'null')
			USING ERRCODE = 'undefined_object';
	END IF;
	RETURN held;
END
$function$;
COMMENT ON FUNCTION meter.lock_binding(uuid, uuid) IS 'A binding that is in use, locked to the end of the transaction. Errors: 42704 no such binding. Source: internal.';

CREATE FUNCTION meter.update_binding(organization_id uuid, binding uuid, patch jsonb) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	org uuid := update_binding.organization_id;
	held meter.binding;
	head meter.meter;
	terms meter.binding_terms;
	starts timestamptz;
BEGIN
	PERFORM meter.require_tenant(organization_id);
	PERFORM meter.check_binding(patch, '{effective_at}');
	SELECT m.* INTO head FROM meter.binding AS b, meter.lock_meter(org, b.meter_id::text, false) AS m
		WHERE b.organization_id = org AND b.id = update_binding.binding AND b.unbound_at IS NULL;
	held := meter.lock_binding(org, binding);
	starts := coalesce(meter.time_member('binding', patch, 'effective_at'), now());
	BEGIN
		UPDATE meter.binding AS b
			SET role = CASE WHEN patch ? 'role' THEN coalesce(patch ->> 'role', 'billable') ELSE b.role END,
				pricing_var_name = coalesce(patch ->> 'pricing_var_name', b.pricing_var_name),
				workspace_id = CASE WHEN patch ? 'workspace_id' THEN patch ->> 'workspace_id' ELSE b.workspace_id END,
				updated_at = now()
			WHERE b.organization_id = org AND b.id = held.id;
	EXCEPTION WHEN unique_violation THEN
		RAISE EXCEPTION 'the product already has a pricing variable "%"', patch ->> 'pricing_var_name'
			USING ERRCODE = 'unique_violation', DETAIL = 'DUPLICATE at /pricing_var_name.';
	END;
	IF patch - '{role,pricing_var_name,workspace_id,effective_at}'::text[] <> '{}' THEN
		SELECT t.* INTO STRICT terms FROM meter.binding_terms AS t
			WHERE t.organization_id = org AND t.binding_id = held.id
			ORDER BY t.effective_from <= starts DESC, CASE WHEN t.effective_from <= starts THEN t.effective_from END DESC, t.effective_from LIMIT 1;
		terms := meter.change_terms(head, held.product_id, terms, patch);
		terms.effective_from := starts;
		DELETE FROM meter.binding_terms AS t
			WHERE t.organization_id = org AND t.binding_id = held.id AND t.effective_from = starts;
		INSERT INTO meter.binding_terms SELECT terms.*;
	END IF;
	RETURN meter.binding_document(org, held.id);
END
$function$;
COMMENT ON FUNCTION meter.update_binding(uuid, uuid, jsonb) IS 'Changes a binding. binding: its id; patch: object of the keys of meter.bind_product but effective_from (absent keeps, null resets), and effective_at (RFC 3339, default now): the billing period that holds it is the first with new terms (pin, included quantities, rollover, proration); periods that ended before keep those they were billed by, unless it is in the past. Result: the binding document, with the last terms. Errors: 22023 with the JSON pointer of what is wrong, 23505 the pricing variable is taken, 42704 no such binding, 55000 the meter is archived, or the version is archived or a draft. Source: seed 000 (bindings).';

CREATE FUNCTION meter.unbind_product(organization_id uuid, binding uuid) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	held meter.binding := meter.lock_binding(organization_id, binding);
BEGIN
	UPDATE meter.binding AS b SET unbound_at = clock_timestamp(), updated_at = clock_timestamp()
		WHERE b.organization_id = held.organization_id AND b.id = held.id;
END
$function$;
COMMENT ON FUNCTION meter.unbind_product(uuid, uuid) IS 'Takes a binding away. Billing periods that have begun keep it; it pins nothing any more. binding: its id. Errors: 42704 no such binding. Source: seed 000 (bindings).';
