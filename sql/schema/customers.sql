-- Customers, their subjects, products and subscriptions.
--
-- None of these tables tells backends to compile their definitions anew: who a
-- subject belongs to is looked up when usage is read, once a question, so a new
-- customer costs nobody a cache.

CREATE TABLE meter.customer (
	organization_id uuid NOT NULL REFERENCES meter.organization,
	id text COLLATE "C" NOT NULL,
	code text COLLATE "C",
	name text NOT NULL CHECK (pg_catalog.length(name) BETWEEN 1 AND 200),
	description text,
	custom_fields jsonb NOT NULL DEFAULT '{}' CHECK (pg_catalog.jsonb_typeof(custom_fields) = 'object'),
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	updated_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	PRIMARY KEY (organization_id, id)
);
COMMENT ON TABLE meter.customer IS 'Customers. The view meter.customers is the one to read.';
COMMENT ON COLUMN meter.customer.organization_id IS 'The tenant.';
COMMENT ON COLUMN meter.customer.id IS 'The customer: a UUID made up, or the id it has elsewhere.';
COMMENT ON COLUMN meter.customer.code IS 'The name it is called by in groups, unique in the organization; may be missing.';
COMMENT ON COLUMN meter.customer.name IS 'Display name, 1 to 200 characters.';
COMMENT ON COLUMN meter.customer.description IS 'Text that is only shown.';
COMMENT ON COLUMN meter.customer.custom_fields IS 'Strings and numbers of the operator''s own.';
COMMENT ON COLUMN meter.customer.created_at IS 'When the customer was created.';
COMMENT ON COLUMN meter.customer.updated_at IS 'When the customer last changed.';

CREATE TABLE meter.customer_subject (
	organization_id uuid NOT NULL,
	subject text COLLATE "C" NOT NULL,
	customer_id text COLLATE "C" NOT NULL,
	kind text NOT NULL CHECK (kind IN ('id', 'code', 'alias')),
	linked_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	PRIMARY KEY (organization_id, subject),
	FOREIGN KEY (organization_id, customer_id) REFERENCES meter.customer
);
CREATE INDEX customer_subject_customer_idx ON meter.customer_subject (organization_id, customer_id);
COMMENT ON TABLE meter.customer_subject IS 'Which customer a subject of events belongs to: at most one.';
COMMENT ON COLUMN meter.customer_subject.organization_id IS 'The tenant.';
COMMENT ON COLUMN meter.customer_subject.subject IS 'The subject as events name it.';
COMMENT ON COLUMN meter.customer_subject.customer_id IS 'The customer.';
COMMENT ON COLUMN meter.customer_subject.kind IS 'What the subject is to the customer: id, code or alias.';
COMMENT ON COLUMN meter.customer_subject.linked_at IS 'When it was linked.';

CREATE TABLE meter.product (
	organization_id uuid NOT NULL REFERENCES meter.organization,
	id uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
	code text COLLATE "C",
	name text NOT NULL CHECK (pg_catalog.length(name) BETWEEN 1 AND 200),
	custom_fields jsonb NOT NULL DEFAULT '{}' CHECK (pg_catalog.jsonb_typeof(custom_fields) = 'object'),
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	PRIMARY KEY (organization_id, id),
	UNIQUE (organization_id, code)
);
COMMENT ON TABLE meter.product IS 'Products: what is sold. The view meter.products is the one to read.';
COMMENT ON COLUMN meter.product.organization_id IS 'The tenant.';
COMMENT ON COLUMN meter.product.id IS 'The product.';
COMMENT ON COLUMN meter.product.code IS 'The name it is called by, unique in the organization; may be missing.';
COMMENT ON COLUMN meter.product.name IS 'Display name, 1 to 200 characters.';
COMMENT ON COLUMN meter.product.custom_fields IS 'Strings and numbers of the plan: bindings may take included quantities from them.';
COMMENT ON COLUMN meter.product.created_at IS 'When the product was created.';

CREATE TABLE meter.subscription (
	organization_id uuid NOT NULL,
	id uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
	customer_id text COLLATE "C" NOT NULL,
	status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'paused', 'cancelled')),
	started_at timestamptz NOT NULL CHECK (pg_catalog.isfinite(started_at)),
	ended_at timestamptz CHECK (ended_at >= started_at),
	anchor timestamptz NOT NULL CHECK (pg_catalog.isfinite(anchor)),
	period_size text NOT NULL CHECK (period_size IN ('day', 'week', 'month', 'quarter', 'year')),
	period_count int NOT NULL CHECK (period_count BETWEEN 1 AND 1000),
	time_zone text NOT NULL,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	updated_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	PRIMARY KEY (organization_id, id),
	FOREIGN KEY (organization_id, customer_id) REFERENCES meter.customer,
	CHECK (status <> 'cancelled' OR ended_at IS NOT NULL)
);
CREATE INDEX subscription_customer_idx ON meter.subscription (organization_id, customer_id);
COMMENT ON TABLE meter.subscription IS 'Subscriptions: who takes which products, and when is billed. The view meter.subscriptions is the one to read.';
COMMENT ON COLUMN meter.subscription.organization_id IS 'The tenant.';
COMMENT ON COLUMN meter.subscription.id IS 'The subscription.';
COMMENT ON COLUMN meter.subscription.customer_id IS 'Who has it.';
COMMENT ON COLUMN meter.subscription.status IS 'active, paused or cancelled.';
COMMENT ON COLUMN meter.subscription.started_at IS 'First instant of its billing periods.';
COMMENT ON COLUMN meter.subscription.ended_at IS 'End (exclusive) of its billing periods; null: it goes on.';
COMMENT ON COLUMN meter.subscription.anchor IS 'The instant its billing periods are counted from.';
COMMENT ON COLUMN meter.subscription.period_size IS 'Unit of the billing period: day, week, month, quarter or year.';
COMMENT ON COLUMN meter.subscription.period_count IS 'Units in a billing period.';
COMMENT ON COLUMN meter.subscription.time_zone IS 'IANA name of the zone its billing periods are cut in.';
COMMENT ON COLUMN meter.subscription.created_at IS 'When the subscription was created.';
COMMENT ON COLUMN meter.subscription.updated_at IS 'When the subscription last changed.';

CREATE TABLE meter.subscription_product (
	organization_id uuid NOT NULL,
	subscription_id uuid NOT NULL,
	product_id uuid NOT NULL,
	PRIMARY KEY (organization_id, subscription_id, product_id),
	FOREIGN KEY (organization_id, subscription_id) REFERENCES meter.subscription,
	FOREIGN KEY (organization_id, product_id) REFERENCES meter.product
);
CREATE INDEX subscription_product_product_idx ON meter.subscription_product (organization_id, product_id);
COMMENT ON TABLE meter.subscription_product IS 'Products of subscriptions.';
COMMENT ON COLUMN meter.subscription_product.organization_id IS 'The tenant.';
COMMENT ON COLUMN meter.subscription_product.subscription_id IS 'The subscription.';
COMMENT ON COLUMN meter.subscription_product.product_id IS 'The product.';

SELECT pg_catalog.pg_extension_config_dump('meter.customer', '');
SELECT pg_catalog.pg_extension_config_dump('meter.customer_subject', '');
SELECT pg_catalog.pg_extension_config_dump('meter.product', '');
SELECT pg_catalog.pg_extension_config_dump('meter.subscription', '');
SELECT pg_catalog.pg_extension_config_dump('meter.subscription_product', '');

CREATE VIEW meter.customers WITH (security_invoker = true) AS
	SELECT c.organization_id, c.id, c.code, c.name, c.description, c.custom_fields,
		ARRAY(SELECT s.subject FROM meter.customer_subject AS s
			WHERE s.organization_id = c.organization_id AND s.customer_id = c.id AND s.kind = 'alias'
			ORDER BY s.subject) AS aliases,
		c.created_at, c.updated_at
	FROM meter.customer AS c;
COMMENT ON VIEW meter.customers IS 'Customers with their aliases.';
COMMENT ON COLUMN meter.customers.organization_id IS 'The tenant.';
COMMENT ON COLUMN meter.customers.id IS 'The customer.';
COMMENT ON COLUMN meter.customers.code IS 'The name it is called by in groups.';
COMMENT ON COLUMN meter.customers.name IS 'Display name.';
COMMENT ON COLUMN meter.customers.description IS 'Text that is only shown.';
COMMENT ON COLUMN meter.customers.custom_fields IS 'Strings and numbers of the operator''s own.';
COMMENT ON COLUMN meter.customers.aliases IS 'Other subjects of events that are this customer, sorted.';
COMMENT ON COLUMN meter.customers.created_at IS 'When the customer was created.';
COMMENT ON COLUMN meter.customers.updated_at IS 'When the customer last changed.';

CREATE VIEW meter.products WITH (security_invoker = true) AS
	SELECT organization_id, id, code, name, custom_fields, created_at
	FROM meter.product;
COMMENT ON VIEW meter.products IS 'Products.';
COMMENT ON COLUMN meter.products.organization_id IS 'The tenant.';
COMMENT ON COLUMN meter.products.id IS 'The product.';
COMMENT ON COLUMN meter.products.code IS 'The name it is called by.';
COMMENT ON COLUMN meter.products.name IS 'Display name.';
COMMENT ON COLUMN meter.products.custom_fields IS 'Strings and numbers of the plan.';
COMMENT ON COLUMN meter.products.created_at IS 'When the product was created.';

CREATE VIEW meter.subscriptions WITH (security_invoker = true) AS
	SELECT s.organization_id, s.id, s.customer_id, s.status, s.started_at, s.ended_at,
		s.anchor, pg_catalog.jsonb_build_object('size', s.period_size, 'count', s.period_count) AS period, s.time_zone,
		ARRAY(SELECT p.product_id FROM meter.subscription_product AS p
			WHERE p.organization_id = s.organization_id AND p.subscription_id = s.id
			ORDER BY p.product_id) AS products,
		s.created_at, s.updated_at
	FROM meter.subscription AS s;
COMMENT ON VIEW meter.subscriptions IS 'Subscriptions with their products.';
COMMENT ON COLUMN meter.subscriptions.organization_id IS 'The tenant.';
COMMENT ON COLUMN meter.subscriptions.id IS 'The subscription.';
COMMENT ON COLUMN meter.subscriptions.customer_id IS 'Who has it.';
COMMENT ON COLUMN meter.subscriptions.status IS 'active, paused or cancelled.';
COMMENT ON COLUMN meter.subscriptions.started_at IS 'First instant of its billing periods.';
COMMENT ON COLUMN meter.subscriptions.ended_at IS 'End (exclusive) of its billing periods; null: it goes on.';
COMMENT ON COLUMN meter.subscriptions.anchor IS 'The instant its billing periods are counted from.';
COMMENT ON COLUMN meter.subscriptions.period IS 'The billing period: size and count.';
COMMENT ON COLUMN meter.subscriptions.time_zone IS 'IANA name of the zone its billing periods are cut in.';
COMMENT ON COLUMN meter.subscriptions.products IS 'Ids of its products, sorted.';
COMMENT ON COLUMN meter.subscriptions.created_at IS 'When the subscription was created.';
COMMENT ON COLUMN meter.subscriptions.updated_at IS 'When the subscription last changed.';
