-- Bindings: which meters a product is billed by, and on what terms.

CREATE TABLE meter.binding (
	organization_id uuid NOT NULL,
	id uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
	product_id uuid NOT NULL,
	meter_id uuid NOT NULL,
	role text NOT NULL CHECK (role IN ('billable', 'entitlement', 'informational')),
	pricing_var_name text COLLATE "C" NOT NULL,
	workspace_id text,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	updated_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	unbound_at timestamptz,
	PRIMARY KEY (organization_id, id),
	FOREIGN KEY (organization_id, product_id) REFERENCES meter.product,
	-- a meter that is in use is not deleted; what was bound to it once goes with it
	FOREIGN KEY (organization_id, meter_id) REFERENCES meter.meter (organization_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX binding_variable_idx ON meter.binding (organization_id, product_id, pricing_var_name) WHERE unbound_at IS NULL;
CREATE INDEX binding_meter_idx ON meter.binding (organization_id, meter_id);
CREATE INDEX binding_product_idx ON meter.binding (organization_id, product_id);
COMMENT ON TABLE meter.binding IS 'Bindings of meters to products. The view meter.meter_bindings is the one to read.';
COMMENT ON COLUMN meter.binding.organization_id IS 'The tenant.';
COMMENT ON COLUMN meter.binding.id IS 'The binding.';
COMMENT ON COLUMN meter.binding.product_id IS 'The product.';
COMMENT ON COLUMN meter.binding.meter_id IS 'The meter.';
COMMENT ON COLUMN meter.binding.role IS 'billable, entitlement or informational.';
COMMENT ON COLUMN meter.binding.pricing_var_name IS 'What prices call the quantity, unique in the product.';
COMMENT ON COLUMN meter.binding.workspace_id IS 'The workspace.';
COMMENT ON COLUMN meter.binding.created_at IS 'When it was made.';
COMMENT ON COLUMN meter.binding.updated_at IS 'When it last changed.';
COMMENT ON COLUMN meter.binding.unbound_at IS 'When it was taken away; billing periods that began before still have it. Null: it is in use.';

-- Terms are dated, so that a period that was billed keeps those it was billed by.
CREATE TABLE meter.binding_terms (
	organization_id uuid NOT NULL,
	binding_id uuid NOT NULL,
	effective_from timestamptz NOT NULL,
	meter_id uuid NOT NULL,
	version int,
	included_quantity_source jsonb NOT NULL,
	overlay_dimensions_keyed jsonb NOT NULL,
	rollover_eligible boolean NOT NULL,
	rollover_cap numeric CHECK (rollover_cap >= 0),
	rollover_expiry int CHECK (rollover_expiry > 0),
	prorated boolean NOT NULL,
	PRIMARY KEY (organization_id, binding_id, effective_from),
	FOREIGN KEY (organization_id, binding_id) REFERENCES meter.binding ON DELETE CASCADE,
	FOREIGN KEY (organization_id, meter_id, version) REFERENCES meter.meter_version ON DELETE CASCADE
);
COMMENT ON TABLE meter.binding_terms IS 'The terms of bindings: those of a billing period are the last ones that are effective before it ends.';
COMMENT ON COLUMN meter.binding_terms.organization_id IS 'The tenant.';
COMMENT ON COLUMN meter.binding_terms.binding_id IS 'The binding.';
COMMENT ON COLUMN meter.binding_terms.effective_from IS 'The billing period that holds this instant is the first one with these terms.';
COMMENT ON COLUMN meter.binding_terms.meter_id IS 'The binding''s meter.';
COMMENT ON COLUMN meter.binding_terms.version IS 'The version it is pinned to; null: the meter''s head, whichever versions measured.';
COMMENT ON COLUMN meter.binding_terms.included_quantity_source IS 'What a period includes: {"kind": "static", "quantity"} or {"kind": "plan_field", "field"}.';
COMMENT ON COLUMN meter.binding_terms.overlay_dimensions_keyed IS 'What it includes for some values of dimensions, each an account of its own: [{"dimensions", "quantity"}].';
COMMENT ON COLUMN meter.binding_terms.rollover_eligible IS 'Whether what is left of a period can be used later.';
COMMENT ON COLUMN meter.binding_terms.rollover_cap IS 'The most that a period takes over from those before it; null: no limit.';
COMMENT ON COLUMN meter.binding_terms.rollover_expiry IS 'For how many periods what is left can be used; null: for ever.';
COMMENT ON COLUMN meter.binding_terms.prorated IS 'Whether a first period that is cut short includes its share only.';

SELECT pg_catalog.pg_extension_config_dump('meter.binding', '');
SELECT pg_catalog.pg_extension_config_dump('meter.binding_terms', '');

CREATE VIEW meter.meter_bindings WITH (security_invoker = true) AS
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
COMMENT ON VIEW meter.meter_bindings IS 'Bindings that are in use, with their last terms.';
COMMENT ON COLUMN meter.meter_bindings.organization_id IS 'The tenant.';
COMMENT ON COLUMN meter.meter_bindings.id IS 'The binding.';
COMMENT ON COLUMN meter.meter_bindings.product_id IS 'The product.';
COMMENT ON COLUMN meter.meter_bindings.meter_id IS 'The meter.';
COMMENT ON COLUMN meter.meter_bindings.role IS 'billable, entitlement or informational.';
COMMENT ON COLUMN meter.meter_bindings.pricing_var_name IS 'What prices call the quantity.';
COMMENT ON COLUMN meter.meter_bindings.head_version_id IS 'Id of the version it is pinned to; null: it follows the meter''s head.';
COMMENT ON COLUMN meter.meter_bindings.version IS 'Number of the version it is pinned to.';
COMMENT ON COLUMN meter.meter_bindings.included_quantity_source IS 'What a period includes: {"kind": "static", "quantity"} or {"kind": "plan_field", "field"}.';
COMMENT ON COLUMN meter.meter_bindings.overlay_dimensions_keyed IS 'What it includes for some values of dimensions: [{"dimensions", "quantity"}].';
COMMENT ON COLUMN meter.meter_bindings.rollover_eligible IS 'Whether what is left of a period can be used later.';
COMMENT ON COLUMN meter.meter_bindings.rollover_cap IS 'The most that a period takes over from those before it; null: no limit.';
COMMENT ON COLUMN meter.meter_bindings.rollover_expiry IS 'For how many periods what is left can be used; null: for ever.';
COMMENT ON COLUMN meter.meter_bindings.prorated IS 'Whether a first period that is cut short includes its share only.';
COMMENT ON COLUMN meter.meter_bindings.effective_from IS 'Since when it has these terms.';
COMMENT ON COLUMN meter.meter_bindings.workspace_id IS 'The workspace.';
COMMENT ON COLUMN meter.meter_bindings.created_at IS 'When it was made.';
COMMENT ON COLUMN meter.meter_bindings.updated_at IS 'When it last changed.';

CREATE VIEW meter.version_pins WITH (security_invoker = true) AS
	SELECT DISTINCT t.organization_id, t.meter_id, t.version, t.binding_id
	FROM meter.binding_terms AS t
	JOIN meter.binding AS b ON b.organization_id = t.organization_id AND b.id = t.binding_id
	WHERE t.version IS NOT NULL AND b.unbound_at IS NULL
		-- terms that have ended pin nothing, those to come do
		AND NOT EXISTS (SELECT FROM meter.binding_terms AS n
			WHERE n.organization_id = t.organization_id AND n.binding_id = t.binding_id
				AND n.effective_from > t.effective_from AND n.effective_from <= pg_catalog.now());
COMMENT ON VIEW meter.version_pins IS 'Which versions of meters bindings are pinned to, now or by terms to come.';
COMMENT ON COLUMN meter.version_pins.organization_id IS 'The tenant.';
COMMENT ON COLUMN meter.version_pins.meter_id IS 'The meter.';
COMMENT ON COLUMN meter.version_pins.version IS 'The version''s number.';
COMMENT ON COLUMN meter.version_pins.binding_id IS 'The binding.';
