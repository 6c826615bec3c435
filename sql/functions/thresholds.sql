-- Thresholds: created, paused, deleted.

CREATE FUNCTION meter.level_member(document jsonb, member text) RETURNS numeric
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
	IF value BETWEEN -1e30 AND 1e30 AND scale(value) <= 30 THEN
		RETURN value;
	END IF;
	PERFORM meter.refuse_member('threshold', 'INVALID_NUMBER', member, member || ': expected a number of -1e30 to 1e30 with at most 30 decimals');
END
$function$;
COMMENT ON FUNCTION meter.level_member(jsonb, text) IS 'A number of a threshold''s definition, null where it is missing or null. Errors: 22023. Source: internal.';

CREATE FUNCTION meter.check_levels(definition jsonb) RETURNS numeric[]
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	comparator text := coalesce(definition ->> 'comparator', 'gte');
	given jsonb := definition -> 'threshold_value';
	levels numeric[];
	step numeric := meter.level_member(definition, 'recurring_step');
	clear numeric := meter.level_member(definition, 'clear_value');
	wrong text;
BEGIN
	IF jsonb_typeof(given) = 'array' THEN
		SELECT array_agg(meter.level_member(jsonb_build_object('threshold_value', e.value), 'threshold_value') ORDER BY e.ordinality)
			INTO levels FROM jsonb_array_elements(given) WITH ORDINALITY AS e;
	ELSE
		levels := ARRAY[meter.level_member(definition, 'threshold_value')];
	END IF;
	IF coalesce(cardinality(levels), 0) NOT BETWEEN 1 AND 100 OR array_position(levels, NULL) IS NOT NULL THEN
		wrong := 'expected a number or an array of 1 to 100 numbers';
	ELSIF comparator = 'eq' AND (SELECT count(DISTINCT l) FROM unnest(levels) AS l) < cardinality(levels) THEN
		wrong := 'a number comes twice';
	ELSIF comparator IN ('gt', 'gte') AND EXISTS (SELECT FROM generate_subscripts(levels, 1) AS i WHERE levels[i] <= levels[i - 1]) THEN
		wrong := format('expected ascending numbers with %s, each above the one before', comparator);
	ELSIF comparator IN ('lt', 'lte') AND EXISTS (SELECT FROM generate_subscripts(levels, 1) AS i WHERE levels[i] >= levels[i - 1]) THEN
		wrong := format('expected descending numbers with %s, each below the one before', comparator);
	END IF;
	IF wrong IS NOT NULL THEN
		PERFORM meter.refuse_member('threshold', 'INVALID_VALUE', 'threshold_value', 'threshold_value: ' || wrong);
	ELSIF step <= 0 THEN
		PERFORM meter.refuse_member('threshold', 'INVALID_NUMBER', 'recurring_step', 'recurring_step: expected a number above zero');
	ELSIF step > 0 AND comparator = 'eq' THEN
		PERFORM meter.refuse_member('threshold', 'INVALID_COMBINATION', 'recurring_step', 'recurring_step: not with the comparator eq');
	-- where it were reached, the threshold would be crossed and resolved at once
	ELSIF comparator = 'gt' AND clear > levels[1] OR comparator = 'gte' AND clear >= levels[1]
			OR comparator = 'lt' AND clear < levels[1] OR comparator = 'lte' AND clear <= levels[1]
			OR comparator = 'eq' AND clear = ANY (levels) THEN
		PERFORM meter.refuse_member('threshold', 'INVALID_VALUE', 'clear_value', 'clear_value: expected a number ' || CASE comparator
			WHEN 'gt' THEN 'not above the first threshold_value' WHEN 'gte' THEN 'below the first threshold_value'
			WHEN 'lt' THEN 'not below the first threshold_value' WHEN 'lte' THEN 'above the first threshold_value'
			ELSE 'that is no threshold_value' END);
	END IF;
	RETURN levels;
END
$function$;
COMMENT ON FUNCTION meter.check_levels(jsonb) IS 'The values of a threshold''s definition in the order in which they are crossed, checked with its comparator, recurring_step and clear_value. Errors: 22023. Source: internal.';

CREATE FUNCTION meter.check_action(definition jsonb) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	kind text := coalesce(definition ->> 'action_kind', 'notify');
	event_type text := meter.text_member('threshold', definition, 'action_event_type', 80);
BEGIN
	IF coalesce(definition -> 'action_kind', 'null') NOT IN ('null', '"notify"', '"webhook"', '"suspend"', '"block"') THEN
		PERFORM meter.refuse_member('threshold', 'INVALID_ACTION', 'action_kind', 'action_kind: expected notify, webhook, suspend or block');
	ELSIF meter.text_member('threshold', definition, 'action_target', 1024) IS NULL AND kind = 'webhook' THEN
		PERFORM meter.refuse_member('threshold', 'MISSING_KEY', 'action_target', 'action_target: a webhook needs one');
	ELSIF kind = 'block' AND definition ->> 'comparator' = 'eq' THEN
		PERFORM meter.refuse_member('threshold', 'INVALID_COMBINATION', 'comparator', 'comparator: block goes with gt, gte, lt and lte');
	ELSIF kind = 'block' AND definition ->> 'recurring_step' IS NOT NULL THEN
		PERFORM meter.refuse_member('threshold', 'INVALID_COMBINATION', 'recurring_step', 'recurring_step: not with block, whose limit is the last threshold_value');
	ELSIF event_type !~ '^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$' THEN
		PERFORM meter.refuse_member('threshold', 'INVALID_NAME', 'action_event_type',
			'action_event_type: expected lower-case letters, digits and _, in words that dots separate, such as usage.limit_reached');
	ELSIF event_type = ANY ('{meter.created,meter.updated,meter.archived,meter.deleted,version.published,version.archived,window.closed,window.revised,
			usage.rejected,threshold.created,threshold.paused,threshold.resumed,threshold.deleted,threshold.resolved}') THEN
		PERFORM meter.refuse_member('threshold', 'INVALID_NAME', 'action_event_type', format('action_event_type: %s means something else', event_type));
	END IF;
END
$function$;
COMMENT ON FUNCTION meter.check_action(jsonb) IS 'Checks the action_kind, action_target and action_event_type of a threshold''s definition. Errors: 22023. Source: internal.';

CREATE FUNCTION meter.check_threshold(definition jsonb) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	member text;
BEGIN
	PERFORM meter.check_members('threshold', definition, '{name,meter,scope,comparator,threshold_value,recurring_step,clear_value,window,
		per_dimensions,action_kind,action_target,action_event_type,evaluate_on_create}');
	FOREACH member IN ARRAY '{name,meter,threshold_value}'::text[] LOOP
		IF definition ->> member IS NULL THEN
			PERFORM meter.refuse_member('threshold', 'MISSING_KEY', member, format('a threshold needs a %s', member));
		END IF;
	END LOOP;
	PERFORM meter.text_member('threshold', definition, 'name', 200);
	PERFORM meter.text_member('threshold', definition, 'meter', 200);
	IF coalesce(definition -> 'comparator', 'null') NOT IN ('null', '"gt"', '"gte"', '"lt"', '"lte"', '"eq"') THEN
		PERFORM meter.refuse_member('threshold', 'INVALID_COMPARATOR', 'comparator', 'comparator: expected gt, gte, lt, lte or eq');
	END IF;
	PERFORM meter.check_levels(definition);
	PERFORM meter.check_action(definition);
	PERFORM meter.flag_member('threshold', definition, 'per_dimensions');
	PERFORM meter.flag_member('threshold', definition, 'evaluate_on_create');
END
$function$;
COMMENT ON FUNCTION meter.check_threshold(jsonb) IS 'Checks what a threshold''s definition says for itself: all but scope and window. Errors: 22023 with the JSON pointer of what is wrong. Source: internal.';

CREATE FUNCTION meter.check_threshold_window(given jsonb) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	message text;
	details text;
BEGIN
	IF coalesce(given, 'null') = 'null' THEN
		RETURN NULL;
	END IF;
	PERFORM meter.window_bounds(given, now());
	RETURN '{"size": "month", "count": 1, "time_zone": "UTC", "anchor": null, "week_start": "monday"}'::jsonb || jsonb_strip_nulls(given);
EXCEPTION WHEN invalid_parameter_value THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, details = PG_EXCEPTION_DETAIL;
	RAISE EXCEPTION 'invalid threshold: %', message
		USING ERRCODE = 'invalid_parameter_value', DETAIL = regexp_replace(details, '( at )?(/.*)?\.$', ' at /window\2.');
END
$function$;
COMMENT ON FUNCTION meter.check_threshold_window(jsonb) IS 'The checked and completed window of a threshold, or null. Errors: 22023. Source: internal.';

CREATE FUNCTION meter.check_scope(head meter.meter, given jsonb, OUT kind text, OUT id text)
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	kind := 'subject';
	IF coalesce(given, 'null') = 'null' THEN
		RETURN;
	END IF;
	PERFORM meter.check_members('scope', given, '{kind,id}');
	kind := meter.text_member('scope', given, 'kind', 80);
	id := meter.text_member('scope', given, 'id', 1024);
	IF kind IS NULL OR kind NOT IN ('meter', 'product', 'subscription', 'customer') THEN
		PERFORM meter.refuse_member('scope', 'INVALID_SCOPE', 'kind', 'kind: expected meter, product, subscription or customer');
	ELSIF kind = 'meter' THEN
		IF id NOT IN (head.key, lower(head.id::text)) THEN
			PERFORM meter.refuse_member('scope', 'INVALID_SCOPE', 'id', 'id: expected the key or id of the threshold''s meter, or null');
		END IF;
		id := NULL;
	ELSIF id IS NULL THEN
		PERFORM meter.refuse_member('scope', 'MISSING_KEY', 'id', format('id: expected which %s', kind));
	ELSIF kind = 'product' THEN
		id := meter.find_product(head.organization_id, id);
	ELSIF kind = 'subscription' THEN
		id := (meter.find_subscription(head.organization_id, id)).id;
	END IF;
END
$function$;
COMMENT ON FUNCTION meter.check_scope(meter.meter, jsonb) IS 'Kind and id of a threshold''s scope, checked: a customer may be one that nobody knows yet. Errors: 22023, 42704 no such product or subscription. Source: internal.';

CREATE FUNCTION meter.last_used(organization_id uuid) RETURNS timestamptz
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	last int;
BEGIN
	PERFORM meter.require_tenant(organization_id);
	IF to_regclass('meter.rollup') IS NOT NULL THEN
		SELECT r.day INTO last FROM meter.rollup AS r
			WHERE r.organization_id = last_used.organization_id
			ORDER BY r.day DESC LIMIT 1;
	END IF;
	RETURN coalesce('2000-01-02 00:00Z'::timestamptz + last * interval '24 hours', '-infinity');
END
$function$;
COMMENT ON FUNCTION meter.last_used(uuid) IS 'End of the last UTC day that has usage; -infinity where there is none. Source: internal.';

-- The caller has the definitions lock: nobody else makes the same one now.
CREATE FUNCTION meter.watch_of(head meter.meter, definition jsonb) RETURNS int
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_variable
DECLARE
	scope record := meter.check_scope(head, definition -> 'scope');
	per_dimensions boolean := meter.flag_member('threshold', definition, 'per_dimensions');
	"window" jsonb := meter.check_threshold_window(definition -> 'window');
	result int;
BEGIN
	IF per_dimensions AND EXISTS (SELECT FROM meter.current_version(head.organization_id, head.id) AS v
			WHERE v.definition -> 'dimensions' = '{}') THEN
		PERFORM meter.refuse_member('threshold', 'INVALID_COMBINATION', 'per_dimensions', 'per_dimensions: the meter has no dimensions');
	END IF;
	SELECT w.watch_no INTO result FROM meter.threshold_watch AS w
		WHERE w.organization_id = head.organization_id AND w.meter_id = head.id AND w.scope_kind = scope.kind
			AND COALESCE(w.scope_id, '') = coalesce(scope.id, '') AND w.per_dimensions = per_dimensions
			AND COALESCE(w."window", 'null') = coalesce("window", 'null');
	IF result IS NULL THEN
		INSERT INTO meter.threshold_watch AS w (organization_id, meter_id, scope_kind, scope_id, per_dimensions, "window", empty_from)
			VALUES (head.organization_id, head.id, scope.kind, scope.id, per_dimensions, "window", meter.last_used(head.organization_id))
			RETURNING w.watch_no INTO STRICT result;
	END IF;
	RETURN result;
END
$function$;
COMMENT ON FUNCTION meter.watch_of(meter.meter, jsonb) IS 'The watch of a threshold''s definition, made where there is none. Errors: 22023, 42704 no such product or subscription. Source: internal.';

CREATE FUNCTION meter.threshold_document(organization_id uuid, threshold_id uuid) RETURNS jsonb
	LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT pg_catalog.to_jsonb(t) FROM meter.thresholds AS t
		WHERE meter.require_tenant($1) IS NOT NULL AND t.organization_id = $1 AND t.id = $2;
END;
COMMENT ON FUNCTION meter.threshold_document(uuid, uuid) IS 'The document of a threshold: the columns of meter.thresholds. Source: internal.';

CREATE FUNCTION meter.emit_threshold_event(held meter.threshold, event_type text) RETURNS void
	LANGUAGE sql
BEGIN ATOMIC
	SELECT meter.emit_domain_event(held.organization_id, 'threshold', held.id::text, event_type, pg_catalog.jsonb_build_object(
			'threshold_id', held.id, 'threshold_name', held.name, 'meter_id', m.id, 'meter_key', m.key, 'actor', meter.current_actor()))
		FROM meter.meter AS m
		WHERE m.organization_id = held.organization_id AND m.id = held.meter_id;
END;
COMMENT ON FUNCTION meter.emit_threshold_event(meter.threshold, text) IS 'Writes a domain event about a threshold: threshold_id, threshold_name, meter_id, meter_key and actor. Source: internal.';

-- Thresholds change while no ingestion is under way, so that what follows goes by
-- them; and what is looked up for it must be as it is now.
CREATE FUNCTION meter.lock_thresholds(organization_id uuid) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	IF current_setting('transaction_isolation') <> 'read committed' THEN
		RAISE EXCEPTION 'thresholds must be changed in a read committed transaction'
			USING ERRCODE = 'active_sql_transaction', DETAIL = 'An older snapshot would not show what was used since.';
	END IF;
	PERFORM meter.require_organization(organization_id);
	PERFORM meter.lock_definitions(organization_id);
END
$function$;
COMMENT ON FUNCTION meter.lock_thresholds(uuid) IS 'Waits, to the end of the transaction, for the ingestion under way in the organization. Errors: 25001 not in a read committed transaction, 42704 no such organization. Source: internal.';

CREATE FUNCTION meter.evaluate_threshold(organization_id uuid, threshold_no int) RETURNS void
	LANGUAGE c VOLATILE STRICT
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
	AS 'MODULE_PATHNAME', 'meter_evaluate_threshold';
COMMENT ON FUNCTION meter.evaluate_threshold(uuid, int) IS 'Holds a threshold, given by its number, against what was used already in the windows of now, as if usage had gone there from nothing. Waits for the ingestion under way in the organization. Source: internal.';

CREATE FUNCTION meter.create_threshold(organization_id uuid, definition jsonb) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	head meter.meter;
	created meter.threshold;
BEGIN
	PERFORM meter.require_tenant(organization_id);
	PERFORM meter.check_threshold(definition);
	PERFORM meter.lock_thresholds(organization_id);
	head := meter.lock_meter(organization_id, definition ->> 'meter', false);
	IF (SELECT count(*) FROM meter.threshold AS t WHERE t.organization_id = head.organization_id AND t.meter_id = head.id) >= 10000 THEN
		RAISE EXCEPTION 'meter "%" has 10000 thresholds, which is as many as it can have', head.key
			USING ERRCODE = 'program_limit_exceeded';
	ELSIF definition ->> 'action_kind' = 'block' AND EXISTS (SELECT FROM meter.meter_version AS v
			WHERE v.organization_id = head.organization_id AND v.meter_id = head.id AND v.effective_to > clock_timestamp()
				AND v.definition ->> 'function' = 'weighted_sum') THEN
		PERFORM meter.refuse_member('threshold', 'INVALID_COMBINATION', 'action_kind',
			'action_kind: block needs usage that only events change, and weighted_sum changes with time');
	END IF;
	INSERT INTO meter.threshold AS t (organization_id, meter_id, watch_no, name, comparator, threshold_values, recurring_step, clear_value,
			action_kind, action_target, action_event_type, evaluate_on_create)
		VALUES (head.organization_id, head.id, meter.watch_of(head, definition), definition ->> 'name',
			coalesce(definition ->> 'comparator', 'gte'), meter.check_levels(definition),
			meter.level_member(definition, 'recurring_step'), meter.level_member(definition, 'clear_value'),
			coalesce(definition ->> 'action_kind', 'notify'), definition ->> 'action_target',
			coalesce(definition ->> 'action_event_type', 'threshold.breached'),
			meter.flag_member('threshold', definition, 'evaluate_on_create'))
		ON CONFLICT (organization_id, meter_id, name) DO NOTHING
		RETURNING t.* INTO created;
	IF created.id IS NULL THEN
		RAISE EXCEPTION 'meter "%" already has a threshold "%"', head.key, definition ->> 'name'
			USING ERRCODE = 'unique_violation', DETAIL = 'DUPLICATE at /name.';
	END IF;
	PERFORM meter.emit_threshold_event(created, 'threshold.created');
	IF created.evaluate_on_create AND to_regclass('meter.threshold_usage') IS NOT NULL THEN
		PERFORM meter.evaluate_threshold(created.organization_id, created.threshold_no);
	END IF;
	RETURN meter.threshold_document(created.organization_id, created.id);
END
$function$;
COMMENT ON FUNCTION meter.create_threshold(uuid, jsonb) IS 'Creates a threshold of a meter: usage that crosses it is told of by a domain event, written in the transaction that causes it, or refused. definition: object of name (1 to 200 characters, unique in the meter), meter (key or id), scope (whose usage counts together: null for each subject''s by itself, {"kind": "meter"} for all of the meter, {"kind": "customer", "id": id, code or alias} for all subjects of a customer, {"kind": "subscription", "id": id}, {"kind": "product", "id": code or id} for each subscription that holds the product), comparator (gt, gte, lt, lte, eq; default gte), threshold_value (a number, or an array of at most 100: ascending for gt and gte, descending for lt and lte), recurring_step (a number above zero: further values follow the last, so far apart), clear_value (a number: usage that comes back to it resolves and arms it again; null: the next window does), window (as for meter.create_meter; null: the meter''s), per_dimensions (boolean: each set of dimension values counts by itself), action_kind (notify, webhook, suspend or block; default notify; block refuses usage beyond the last value), action_target (1 to 1024 characters, for a webhook required), action_event_type (type of the domain events, lower-case words that dots separate, at most 80 characters; default threshold.breached) and evaluate_on_create (boolean: tell now of what current windows have reached already). Numbers are -1e30 to 1e30 with at most 30 decimals. Waits for the ingestion under way in the organization. Result: the threshold document: the columns of meter.thresholds. Errors: 22023 with the JSON pointer of what is wrong, 23505 the meter has a threshold of that name, 25001 not in a read committed transaction, 42704 no such organization, meter, product or subscription, 54000 more than 10,000 thresholds of one meter, 55000 the meter is archived. Source: seed 000 (threshold-breach events).';

CREATE FUNCTION meter.find_threshold(organization_id uuid, threshold text) RETURNS meter.threshold
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	result meter.threshold;
BEGIN
	PERFORM meter.require_tenant(organization_id);
	SELECT t.* INTO result FROM meter.threshold AS t
		WHERE t.organization_id = find_threshold.organization_id
			AND (t.name = find_threshold.threshold OR t.id::text = lower(find_threshold.threshold))
		ORDER BY t.id::text <> lower(find_threshold.threshold)
		LIMIT 1;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'threshold "%" does not exist', coalesce(find_threshold.threshold, 'null')
			USING ERRCODE = 'undefined_object';
	ELSIF result.id::text <> lower(find_threshold.threshold) AND EXISTS (SELECT FROM meter.threshold AS t
			WHERE t.organization_id = result.organization_id AND t.name = result.name AND t.id <> result.id) THEN
		RAISE EXCEPTION 'several meters have a threshold "%"', result.name
			USING ERRCODE = 'ambiguous_function', HINT = 'Say which one by its id.';
	END IF;
	RETURN result;
END
$function$;
COMMENT ON FUNCTION meter.find_threshold(uuid, text) IS 'The threshold of that id, or name where it is one threshold''s. Errors: 42704 no such threshold, 42725 several have that name. Source: internal.';

CREATE FUNCTION meter.set_threshold_status(organization_id uuid, threshold text, status text, event_type text) RETURNS jsonb
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	held meter.threshold;
BEGIN
	PERFORM meter.lock_thresholds(organization_id);
	held := meter.find_threshold(organization_id, threshold);
	IF held.status <> set_threshold_status.status THEN
		UPDATE meter.threshold AS t SET status = set_threshold_status.status, updated_at = now()
			WHERE t.organization_id = held.organization_id AND t.id = held.id;
		PERFORM meter.emit_threshold_event(held, event_type);
	END IF;
	RETURN meter.threshold_document(held.organization_id, held.id);
END
$function$;
COMMENT ON FUNCTION meter.set_threshold_status(uuid, text, text, text) IS 'Pauses or resumes a threshold; says so, where it changes anything, with that type of domain event. Source: internal.';

CREATE FUNCTION meter.pause_threshold(organization_id uuid, threshold text) RETURNS jsonb
	LANGUAGE sql
BEGIN ATOMIC
	SELECT meter.set_threshold_status(organization_id, threshold, 'paused', 'threshold.paused');
END;
COMMENT ON FUNCTION meter.pause_threshold(uuid, text) IS 'Pauses a threshold: it tells of nothing and refuses nothing; what is crossed meanwhile is never told. threshold: id, or name where it is one threshold''s; one that is paused stays so. Waits for the ingestion under way in the organization. Result: the threshold document. Errors: 25001 not in a read committed transaction, 42704 no such organization or threshold, 42725 several meters have a threshold of that name. Source: standard.';

CREATE FUNCTION meter.resume_threshold(organization_id uuid, threshold text) RETURNS jsonb
	LANGUAGE sql
BEGIN ATOMIC
	SELECT meter.set_threshold_status(organization_id, threshold, 'active', 'threshold.resumed');
END;
COMMENT ON FUNCTION meter.resume_threshold(uuid, text) IS 'Resumes a threshold that is paused; usage that is beyond it then has not crossed it. threshold: id, or name where it is one threshold''s; one that is active stays so. Waits for the ingestion under way in the organization. Result: the threshold document. Errors: 25001 not in a read committed transaction, 42704 no such organization or threshold, 42725 several meters have a threshold of that name. Source: standard.';

CREATE FUNCTION meter.delete_threshold(organization_id uuid, threshold text) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	held meter.threshold;
BEGIN
	PERFORM meter.lock_thresholds(organization_id);
	held := meter.find_threshold(organization_id, threshold);
	DELETE FROM meter.threshold AS t WHERE t.organization_id = held.organization_id AND t.id = held.id;
	IF NOT EXISTS (SELECT FROM meter.threshold AS t WHERE t.organization_id = held.organization_id AND t.watch_no = held.watch_no) THEN
		IF to_regclass('meter.threshold_usage') IS NOT NULL THEN
			DELETE FROM meter.reservation_hold AS h WHERE h.organization_id = held.organization_id AND h.watch_no = held.watch_no;
			DELETE FROM meter.threshold_usage AS u WHERE u.organization_id = held.organization_id AND u.watch_no = held.watch_no;
		END IF;
		DELETE FROM meter.threshold_watch AS w WHERE w.organization_id = held.organization_id AND w.watch_no = held.watch_no;
	END IF;
	PERFORM meter.emit_threshold_event(held, 'threshold.deleted');
END
$function$;
COMMENT ON FUNCTION meter.delete_threshold(uuid, text) IS 'Deletes a threshold; the domain events that it caused stay. threshold: id, or name where it is one threshold''s. Waits for the ingestion under way in the organization. Errors: 25001 not in a read committed transaction, 42704 no such organization or threshold, 42725 several meters have a threshold of that name. Source: standard.';
