-- Views of every entity, as PostgREST lists them.
--
-- Those over the catalog read its tables, not the views of the schema meter:
-- PostgREST finds a relationship where all columns of a foreign key come straight
-- from its table, and does not look into views of schemas that it does not
-- expose.  Stores have no foreign keys between them: their views stand over
-- meter's, are made with them, and their relationships are functions of a row.
-- Every relationship is called by the view that it leads to, and between two
-- views there is one: nobody has to say which he means.

-- A column that a view of the schema meter has too means the same.
CREATE FUNCTION meter.describe_api_view(name text, source text, description text) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	col record;
BEGIN
	EXECUTE format('COMMENT ON VIEW meter_api.%I IS %L', name, description);
	FOR col IN
		SELECT a.attname, col_description(s.attrelid, s.attnum) AS description
		FROM pg_attribute AS a
		JOIN pg_attribute AS s ON s.attrelid = format('meter.%I', source)::regclass AND s.attname = a.attname
		WHERE a.attrelid = format('meter_api.%I', name)::regclass AND a.attnum > 0
	LOOP
		EXECUTE format('COMMENT ON COLUMN meter_api.%I.%I IS %L', name, col.attname, col.description);
	END LOOP;
END
$function$;
COMMENT ON FUNCTION meter.describe_api_view(text, text, text) IS 'Gives a view of meter_api its comment, and each of its columns the comment of the column of that name of a table or view (source) of the schema meter. Source: internal.';

CREATE VIEW meter_api.organizations WITH (security_invoker = true) AS
	SELECT organization_id, name, settings, created_at
	FROM meter.organization;
SELECT meter.describe_api_view('organizations', 'organizations', 'The organization of the caller.');

CREATE VIEW meter_api.meters WITH (security_invoker = true) AS
	SELECT m.organization_id, m.id, m.key, v.definition ->> 'name' AS name, m.metric_key, v.definition ->> 'description' AS description,
		v.definition ->> 'function' AS function, v.definition ->> 'value_field' AS value_field, v.definition ->> 'unique_by_field' AS unique_by_field,
		NULLIF(v.definition -> 'function_options', 'null') AS function_options, v.definition -> 'dimensions' AS dimensions,
		NULLIF(v.definition -> 'filter_tree', 'null') AS filter_tree, v.definition ->> 'dedup_key_path' AS dedup_key_path,
		NULLIF(v.definition -> 'event_schema', 'null') AS event_schema, v.definition -> 'window' AS "window",
		NULLIF(v.definition -> 'late_event_policy', 'null') AS late_event_policy, (v.definition -> 'negative_allowed')::boolean AS negative_allowed,
		v.definition ->> 'unit_label' AS unit_label, v.definition ->> 'unit_currency_field' AS unit_currency_field,
		NULLIF(v.definition -> 'data_fields', 'null') AS data_fields, NULLIF(v.definition -> 'derived_fields', 'null') AS derived_fields,
		NULLIF(v.definition -> 'custom_fields', 'null') AS custom_fields, NULLIF(v.definition -> 'profiles', 'null') AS profiles,
		NULLIF(v.definition -> 'account_mapping', 'null') AS account_mapping, (v.definition ->> 'product_id')::uuid AS product_id,
		(v.definition ->> 'group_id')::uuid AS group_id, (v.definition ->> 'workspace_id')::uuid AS workspace_id,
		m.status, v.version, meter.version_status(v.status, v.effective_from, v.effective_to, clock.at) AS version_status, v.effective_from,
		m.archived_at, m.archived_reason, m.created_at, m.updated_at
	FROM meter.meter AS m
	CROSS JOIN (SELECT (SELECT pg_catalog.clock_timestamp()) AS at) AS clock
	CROSS JOIN LATERAL meter.current_version(m.organization_id, m.id, clock.at) AS v;
SELECT meter.describe_api_view('meters', 'meters', 'Meters, with the definition in force now; one that has not begun with its first scheduled version, or its newest draft.');
COMMENT ON COLUMN meter_api.meters.description IS 'Text for people.';
COMMENT ON COLUMN meter_api.meters.value_field IS 'Path to the number in an event''s data.';
COMMENT ON COLUMN meter_api.meters.unique_by_field IS 'Path to what unique_count counts.';
COMMENT ON COLUMN meter_api.meters.function_options IS 'Options of the function: mode, percentile, expression or approximate.';
COMMENT ON COLUMN meter_api.meters.dimensions IS 'What usage can be grouped and filtered by: names and paths.';
COMMENT ON COLUMN meter_api.meters.filter_tree IS 'Which events count.';
COMMENT ON COLUMN meter_api.meters.dedup_key_path IS 'Path to a key of which each value counts once.';
COMMENT ON COLUMN meter_api.meters.event_schema IS 'JSON Schema that each event''s data must satisfy.';
COMMENT ON COLUMN meter_api.meters."window" IS 'The meter''s own windows: size, count, time_zone, anchor, week_start.';
COMMENT ON COLUMN meter_api.meters.late_event_policy IS 'What happens to events that come late: mode, grace, max_future, max_age.';
COMMENT ON COLUMN meter_api.meters.negative_allowed IS 'Whether a value may be below zero.';
COMMENT ON COLUMN meter_api.meters.unit_label IS 'The unit that is shown.';
COMMENT ON COLUMN meter_api.meters.unit_currency_field IS 'Path to an ISO 4217 code: one total a currency.';
COMMENT ON COLUMN meter_api.meters.data_fields IS 'Typed fields of the event.';
COMMENT ON COLUMN meter_api.meters.derived_fields IS 'Fields calculated from others.';
COMMENT ON COLUMN meter_api.meters.custom_fields IS 'Strings and numbers by name, for calculations.';
COMMENT ON COLUMN meter_api.meters.profiles IS 'Further aggregations of the same meter.';
COMMENT ON COLUMN meter_api.meters.account_mapping IS 'Which property of the event names the customer; null: its subject.';
COMMENT ON COLUMN meter_api.meters.product_id IS 'UUID of the product it belongs to.';
COMMENT ON COLUMN meter_api.meters.group_id IS 'UUID of its group.';
COMMENT ON COLUMN meter_api.meters.workspace_id IS 'UUID of its workspace.';
COMMENT ON COLUMN meter_api.meters.version_status IS 'draft, scheduled, active, superseded or archived.';
COMMENT ON COLUMN meter_api.meters.effective_from IS 'First instant of the event times that the version measures.';

CREATE VIEW meter_api.meter_versions WITH (security_invoker = true) AS
	SELECT v.organization_id, v.id, v.meter_id, m.key AS meter_key, v.version,
		meter.version_status(v.status, v.effective_from, v.effective_to, clock.at) AS status,
		v.effective_from, v.effective_to, v.published_at, v.created_at, v.created_by, v.archived_reason,
		(SELECT pg_catalog.count(*) FROM meter.version_pins AS p
			WHERE p.organization_id = v.organization_id AND p.meter_id = v.meter_id AND p.version = v.version) AS usage_count,
		v.definition ->> 'function' AS function, v.definition ->> 'value_field' AS value_field,
		NULLIF(v.definition -> 'filter_tree', 'null') AS filter_tree, v.definition -> 'window' AS "window",
		v.definition ->> 'workspace_id' AS workspace_id, v.definition
	FROM meter.meter_version AS v
	JOIN meter.meter AS m ON m.organization_id = v.organization_id AND m.id = v.meter_id
	CROSS JOIN (SELECT (SELECT pg_catalog.clock_timestamp()) AS at) AS clock;
SELECT meter.describe_api_view('meter_versions', 'meter_versions', 'Versions of meters: each as it was written, for ever.');

CREATE VIEW meter_api.customers WITH (security_invoker = true) AS
	SELECT c.organization_id, c.id, c.code, c.name, c.description, c.custom_fields,
		ARRAY(SELECT s.subject FROM meter.customer_subject AS s
			WHERE s.organization_id = c.organization_id AND s.customer_id = c.id AND s.kind = 'alias'
			ORDER BY s.subject) AS aliases,
		c.created_at, c.updated_at
	FROM meter.customer AS c;
SELECT meter.describe_api_view('customers', 'customers', 'Customers, with the aliases that events name them by.');

CREATE VIEW meter_api.subjects WITH (security_invoker = true) AS
	SELECT organization_id, subject, customer_id, kind, linked_at
	FROM meter.customer_subject;
SELECT meter.describe_api_view('subjects', 'customer_subject', 'Subjects of events, and whose they are.');

CREATE VIEW meter_api.products WITH (security_invoker = true) AS
	SELECT organization_id, id, code, name, custom_fields, created_at
	FROM meter.product;
SELECT meter.describe_api_view('products', 'products', 'Products: what is sold.');

CREATE VIEW meter_api.subscriptions WITH (security_invoker = true) AS
	SELECT s.organization_id, s.id, s.customer_id, s.status, s.started_at, s.ended_at, s.anchor,
		pg_catalog.jsonb_build_object('size', s.period_size, 'count', s.period_count) AS period, s.time_zone,
		ARRAY(SELECT p.product_id FROM meter.subscription_product AS p
			WHERE p.organization_id = s.organization_id AND p.subscription_id = s.id
			ORDER BY p.product_id) AS product_ids,
		s.created_at, s.updated_at
	FROM meter.subscription AS s;
SELECT meter.describe_api_view('subscriptions', 'subscriptions', 'Subscriptions: who takes which products, and when is billed.');
-- products is the relationship
COMMENT ON COLUMN meter_api.subscriptions.product_ids IS 'The products.';

CREATE VIEW meter_api.subscription_products WITH (security_invoker = true) AS
	SELECT organization_id, subscription_id, product_id
	FROM meter.subscription_product;
SELECT meter.describe_api_view('subscription_products', 'subscription_product', 'Which products subscriptions have: a row each.');

CREATE VIEW meter_api.meter_bindings WITH (security_invoker = true) AS
	SELECT b.organization_id, b.id, b.product_id, b.meter_id, b.role, b.pricing_var_name,
		v.id AS head_version_id, t.version, t.included_quantity_source, t.overlay_dimensions_keyed,
		t.rollover_eligible, t.rollover_cap, t.rollover_expiry, t.prorated, t.effective_from,
		b.workspace_id, b.created_at, b.updated_at
	FROM meter.binding AS b
	CROSS JOIN LATERAL (
		SELECT * FROM meter.binding_terms AS t
		WHERE t.organization_id = b.organization_id AND t.binding_id = b.id
		ORDER BY t.effective_from DESC LIMIT 1) AS t
	LEFT JOIN meter.meter_version AS v
		ON v.organization_id = t.organization_id AND v.meter_id = t.meter_id AND v.version = t.version
	WHERE b.unbound_at IS NULL;
SELECT meter.describe_api_view('meter_bindings', 'meter_bindings', 'Which meters products are billed by, and on what terms.');

CREATE VIEW meter_api.thresholds WITH (security_invoker = true) AS
	SELECT t.organization_id, t.id, t.name, t.meter_id, m.key AS meter_key,
		CASE w.scope_kind WHEN 'subject' THEN NULL
			ELSE pg_catalog.jsonb_build_object('kind', w.scope_kind, 'id', CASE w.scope_kind WHEN 'meter' THEN t.meter_id::text ELSE w.scope_id END) END AS scope,
		t.comparator,
		CASE pg_catalog.cardinality(t.threshold_values) WHEN 1 THEN pg_catalog.to_jsonb(t.threshold_values[1])
			ELSE pg_catalog.to_jsonb(t.threshold_values) END AS threshold_value,
		t.recurring_step, t.clear_value, w."window", w.per_dimensions,
		t.action_kind, t.action_target, t.action_event_type, t.evaluate_on_create,
		t.status, t.created_at, t.created_by, t.updated_at
	FROM meter.threshold AS t
	JOIN meter.threshold_watch AS w ON w.organization_id = t.organization_id AND w.watch_no = t.watch_no
	JOIN meter.meter AS m ON m.organization_id = t.organization_id AND m.id = t.meter_id;
SELECT meter.describe_api_view('thresholds', 'thresholds', 'Thresholds: what is told, or refused, when usage crosses a value.');

CREATE VIEW meter_api.devices WITH (security_invoker = true) AS
	SELECT organization_id, id, name, description, serial_number, meter_type, communication_type,
		building_block_id, gateway_id, tariff_id, location, billing_direction, reading_interval, min_reading_interval,
		reading_type, unit, rollover_at, rollover_limit, event_type, subject,
		last_reading_value, last_reading_at, last_reading_quality, created_at, updated_at
	FROM meter.device
	WHERE retired_at IS NULL;
SELECT meter.describe_api_view('devices', 'devices', 'Physical meters.');

-- Which rows of a view belong to a row of another one: both ways.  A function
-- that PostgREST calls for each row, and the planner takes apart.
CREATE FUNCTION meter.relate_api_views(name text, target text, condition text, to_one boolean) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	EXECUTE format('CREATE OR REPLACE FUNCTION meter_api.%2$I(meter_api.%1$I) RETURNS SETOF meter_api.%2$I LANGUAGE sql STABLE ROWS %4$s
		BEGIN ATOMIC
			SELECT v.* FROM meter_api.%2$I AS v WHERE v.organization_id = ($1).organization_id AND %3$s;
		END', name, target, condition, CASE WHEN to_one THEN 1 ELSE 100 END);
	EXECUTE format('REVOKE ALL ON FUNCTION meter_api.%2$I(meter_api.%1$I) FROM PUBLIC', name, target);
	EXECUTE format('COMMENT ON FUNCTION meter_api.%2$I(meter_api.%1$I) IS %3$L', name, target,
		format('Relationship: the %s of a row of %s. Source: standard.', target, name));
END
$function$;
COMMENT ON FUNCTION meter.relate_api_views(text, text, text, boolean) IS 'Makes the relationship of a view of meter_api to another one (target). condition: over the target''s row v and the row $1; to_one: whether it leads to one row. Source: internal.';

CREATE FUNCTION meter.create_api_views() RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	SET client_min_messages = warning
AS $function$
DECLARE
	entity record;
BEGIN
	FOR entity IN VALUES
		('events', 'events', 'Events that were accepted. A POST ingests one.'),
		('rejected_events', 'rejected_events', 'Events that are not counted, with the reason.'),
		('window_results', 'window_results', 'Results of closed windows, and their revisions.'),
		('threshold_events', 'threshold_events', 'Breaches of thresholds.'),
		('quotas', 'quotas', 'What is used and reserved of quotas in the windows of now.'),
		('readings', 'readings', 'Readings of devices, with what became of them. A POST records one.'),
		('domain_events', 'domain_event_outbox', 'Domain events, and how far their delivery is.'),
		('outbox_stats', 'outbox_stats', 'How many domain events are not delivered.'),
		('stat_progress', 'stat_progress', 'How far work that takes long is.')
	LOOP
		EXECUTE format('CREATE OR REPLACE VIEW meter_api.%I WITH (security_invoker = true) AS SELECT * FROM meter.%I', entity.column1, entity.column2);
		PERFORM meter.describe_api_view(entity.column1, entity.column2, entity.column3);
		PERFORM meter.make_writable(entity.column1, CASE WHEN entity.column1 IN ('events', 'readings') THEN '{INSERT}'::text[] ELSE '{}' END, 'meter-report');
	END LOOP;
	FOR entity IN VALUES
		('meters', 'rejected_events', 'v.meter_id = ($1).id', 'v.id = ($1).meter_id'),
		('meters', 'window_results', 'v.meter_id = ($1).id', 'v.id = ($1).meter_id'),
		('meters', 'threshold_events', 'v.meter_id = ($1).id', 'v.id = ($1).meter_id'),
		('meters', 'quotas', 'v.meter_key = ($1).key', 'v.key = ($1).meter_key'),
		('thresholds', 'threshold_events', 'v.meter_id = ($1).meter_id AND v.threshold_name = ($1).name', 'v.meter_id = ($1).meter_id AND v.name = ($1).threshold_name'),
		('thresholds', 'quotas', 'v.meter_key = ($1).meter_key AND v.threshold_name = ($1).name', 'v.meter_key = ($1).meter_key AND v.name = ($1).threshold_name'),
		('subscriptions', 'threshold_events', 'v.subscription_id = ($1).id', 'v.id = ($1).subscription_id'),
		('subscriptions', 'quotas', 'v.subscription_id = ($1).id', 'v.id = ($1).subscription_id'),
		('devices', 'readings', 'v.device_id = ($1).id', 'v.id = ($1).device_id')
	LOOP
		PERFORM meter.relate_api_views(entity.column1, entity.column2, entity.column3, false);
		PERFORM meter.relate_api_views(entity.column2, entity.column1, entity.column4, true);
	END LOOP;
	NOTIFY pgrst, 'reload schema';
END
$function$;
COMMENT ON FUNCTION meter.create_api_views() IS 'Makes the views of meter_api over what meter.create_store() makes, their triggers and relationships, and has PostgREST load them. Idempotent. Source: internal.';
