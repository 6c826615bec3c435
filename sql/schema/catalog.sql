-- Definitions: small tables that belong to the extension.

CREATE TABLE meter.organization (
	organization_id uuid PRIMARY KEY,
	name text NOT NULL CHECK (pg_catalog.length(name) BETWEEN 1 AND 200),
	settings jsonb NOT NULL DEFAULT '{}' CHECK (pg_catalog.jsonb_typeof(settings) = 'object'),
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON SCHEMA meter IS 'Usage metering: definitions, ingestion, usage.';

COMMENT ON TABLE meter.organization IS 'Tenants: each row of every other table belongs to one.';
COMMENT ON COLUMN meter.organization.organization_id IS 'The tenant.';
COMMENT ON COLUMN meter.organization.name IS 'Display name, 1 to 200 characters.';
COMMENT ON COLUMN meter.organization.settings IS 'Settings of the organization: partial (boolean, default true; false makes each batch of events all or nothing), require_known_subject (boolean, default false; true rejects events whose subject is no customer''s), custom_fields (object of strings and numbers: what calculations of every meter may name).';
COMMENT ON COLUMN meter.organization.created_at IS 'When the organization was created.';

CREATE SEQUENCE meter.meter_no_seq AS int;
COMMENT ON SEQUENCE meter.meter_no_seq IS 'Numbers of meters.';

CREATE TABLE meter.meter (
	organization_id uuid NOT NULL REFERENCES meter.organization,
	id uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
	meter_no int NOT NULL DEFAULT pg_catalog.nextval('meter.meter_no_seq'),
	key text NOT NULL,
	metric_key text NOT NULL,
	status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'archived')),
	head_version int NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	updated_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	PRIMARY KEY (organization_id, id),
	UNIQUE (organization_id, key),
	UNIQUE (organization_id, meter_no)
);
CREATE INDEX meter_metric_key_idx ON meter.meter (organization_id, metric_key);
COMMENT ON TABLE meter.meter IS 'Meters: the head of a row of versions. The view meter.meters is the one to read.';
COMMENT ON COLUMN meter.meter.organization_id IS 'The tenant.';
COMMENT ON COLUMN meter.meter.id IS 'The meter.';
COMMENT ON COLUMN meter.meter.meter_no IS 'The meter''s number: names its space of deduplication keys.';
COMMENT ON COLUMN meter.meter.key IS 'The slug it is called by, unique in the organization, immutable.';
COMMENT ON COLUMN meter.meter.metric_key IS 'The event type it listens to, immutable.';
COMMENT ON COLUMN meter.meter.status IS 'active or archived.';
COMMENT ON COLUMN meter.meter.head_version IS 'The newest published version: the optimistic lock of updates.';
COMMENT ON COLUMN meter.meter.created_at IS 'When the meter was created.';
COMMENT ON COLUMN meter.meter.updated_at IS 'When the meter last changed.';

-- Versions whose events carry the same subject, dimensions and currency share
-- the rows of usage.
CREATE SEQUENCE meter.stream_id_seq AS int;
COMMENT ON SEQUENCE meter.stream_id_seq IS 'Numbers of streams.';

CREATE TABLE meter.stream (
	organization_id uuid NOT NULL REFERENCES meter.organization,
	stream_id int NOT NULL DEFAULT pg_catalog.nextval('meter.stream_id_seq'),
	signature text NOT NULL,
	PRIMARY KEY (organization_id, stream_id),
	UNIQUE (organization_id, signature)
);
COMMENT ON TABLE meter.stream IS 'What versions of meters have in common when they share usage rows: event type, account mapping, dimensions, currency.';
COMMENT ON COLUMN meter.stream.organization_id IS 'The tenant.';
COMMENT ON COLUMN meter.stream.stream_id IS 'The stream''s number.';
COMMENT ON COLUMN meter.stream.signature IS 'The event type, account mapping, dimensions and currency path, and how those that are derived are calculated, as text.';

CREATE SEQUENCE meter.version_id_seq AS int;
COMMENT ON SEQUENCE meter.version_id_seq IS 'Numbers of meter versions.';

CREATE TABLE meter.meter_version (
	organization_id uuid NOT NULL,
	meter_id uuid NOT NULL,
	version int NOT NULL CHECK (version > 0),
	id uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
	version_id int NOT NULL DEFAULT pg_catalog.nextval('meter.version_id_seq'),
	meter_no int NOT NULL,
	stream_id int NOT NULL,
	status text NOT NULL CHECK (status IN ('draft', 'scheduled', 'active', 'superseded', 'archived')),
	definition jsonb NOT NULL,
	inherited_fields jsonb NOT NULL DEFAULT '{}',
	effective_from timestamptz,
	effective_to timestamptz,
	published_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	created_by text NOT NULL DEFAULT CURRENT_USER,
	archived_reason text,
	PRIMARY KEY (organization_id, meter_id, version),
	UNIQUE (organization_id, id),
	UNIQUE (organization_id, version_id),
	FOREIGN KEY (organization_id, meter_id) REFERENCES meter.meter (organization_id, id),
	FOREIGN KEY (organization_id, stream_id) REFERENCES meter.stream,
	-- a meter is measured by one version at any time
	EXCLUDE USING gist (
		pg_catalog.int4range(meter_no, meter_no, '[]') WITH OPERATOR(pg_catalog.&&),
		pg_catalog.tstzrange(effective_from, effective_to) WITH OPERATOR(pg_catalog.&&)
	) WHERE (status <> 'draft')
);
COMMENT ON TABLE meter.meter_version IS 'Versions of meters: immutable once published. The view meter.meter_versions is the one to read.';
COMMENT ON COLUMN meter.meter_version.organization_id IS 'The tenant.';
COMMENT ON COLUMN meter.meter_version.meter_id IS 'The meter.';
COMMENT ON COLUMN meter.meter_version.version IS 'The version''s number in its meter, from 1.';
COMMENT ON COLUMN meter.meter_version.id IS 'The version as a UUID.';
COMMENT ON COLUMN meter.meter_version.version_id IS 'The version as a number: names it in rollups and events.';
COMMENT ON COLUMN meter.meter_version.meter_no IS 'The meter''s number, for the constraint that keeps versions from overlapping.';
COMMENT ON COLUMN meter.meter_version.stream_id IS 'The stream whose usage rows it shares.';
COMMENT ON COLUMN meter.meter_version.status IS 'draft, scheduled, active, superseded or archived.';
COMMENT ON COLUMN meter.meter_version.definition IS 'The whole definition, defaults filled in.';
COMMENT ON COLUMN meter.meter_version.inherited_fields IS 'The organization''s custom fields when the version was written: what it measures never changes.';
COMMENT ON COLUMN meter.meter_version.effective_from IS 'First instant of the event times it measures; -infinity for the first version.';
COMMENT ON COLUMN meter.meter_version.effective_to IS 'End (exclusive) of the event times it measures; infinity for the newest.';
COMMENT ON COLUMN meter.meter_version.published_at IS 'When it was published.';
COMMENT ON COLUMN meter.meter_version.created_at IS 'When it was written.';
COMMENT ON COLUMN meter.meter_version.created_by IS 'Who wrote it.';
COMMENT ON COLUMN meter.meter_version.archived_reason IS 'Why it was archived.';

SELECT pg_catalog.pg_extension_config_dump('meter.organization', '');
SELECT pg_catalog.pg_extension_config_dump('meter.meter', '');
SELECT pg_catalog.pg_extension_config_dump('meter.meter_no_seq', '');
SELECT pg_catalog.pg_extension_config_dump('meter.stream', '');
SELECT pg_catalog.pg_extension_config_dump('meter.stream_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('meter.meter_version', '');
SELECT pg_catalog.pg_extension_config_dump('meter.version_id_seq', '');

-- Any change of a definition makes every backend drop its compiled plans when
-- the change commits.
CREATE FUNCTION meter.definitions_changed() RETURNS trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'meter_definitions_changed';
COMMENT ON FUNCTION meter.definitions_changed() IS 'Trigger: tells every backend, at commit, to compile meter definitions anew. Source: internal.';

CREATE TRIGGER definitions_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON meter.meter
	FOR EACH STATEMENT EXECUTE FUNCTION meter.definitions_changed();
CREATE TRIGGER definitions_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON meter.meter_version
	FOR EACH STATEMENT EXECUTE FUNCTION meter.definitions_changed();
CREATE TRIGGER definitions_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON meter.organization
	FOR EACH STATEMENT EXECUTE FUNCTION meter.definitions_changed();

CREATE VIEW meter.organizations WITH (security_invoker = true) AS
	SELECT organization_id, name, settings, created_at
	FROM meter.organization;
COMMENT ON VIEW meter.organizations IS 'Organizations.';
COMMENT ON COLUMN meter.organizations.organization_id IS 'The tenant.';
COMMENT ON COLUMN meter.organizations.name IS 'Display name.';
COMMENT ON COLUMN meter.organizations.settings IS 'Settings of the organization.';
COMMENT ON COLUMN meter.organizations.created_at IS 'When the organization was created.';

CREATE VIEW meter.meter_versions WITH (security_invoker = true) AS
	SELECT v.organization_id, v.id, v.meter_id, m.key AS meter_key, v.version, v.status,
		v.effective_from, v.effective_to, v.published_at, v.created_at, v.created_by, v.archived_reason,
		0::bigint AS usage_count,
		v.definition ->> 'function' AS function,
		v.definition ->> 'value_field' AS value_field,
		NULLIF(v.definition -> 'filter_tree', 'null') AS filter_tree,
		v.definition -> 'window' AS "window",
		v.definition
	FROM meter.meter_version AS v
	JOIN meter.meter AS m ON m.organization_id = v.organization_id AND m.id = v.meter_id;
COMMENT ON VIEW meter.meter_versions IS 'Snapshots of every version of every meter.';
COMMENT ON COLUMN meter.meter_versions.organization_id IS 'The tenant.';
COMMENT ON COLUMN meter.meter_versions.id IS 'The version.';
COMMENT ON COLUMN meter.meter_versions.meter_id IS 'The meter.';
COMMENT ON COLUMN meter.meter_versions.meter_key IS 'The meter''s key.';
COMMENT ON COLUMN meter.meter_versions.version IS 'The version''s number in its meter, from 1.';
COMMENT ON COLUMN meter.meter_versions.status IS 'draft, scheduled, active, superseded or archived.';
COMMENT ON COLUMN meter.meter_versions.effective_from IS 'First instant of the event times it measures.';
COMMENT ON COLUMN meter.meter_versions.effective_to IS 'End (exclusive) of the event times it measures.';
COMMENT ON COLUMN meter.meter_versions.published_at IS 'When it was published.';
COMMENT ON COLUMN meter.meter_versions.created_at IS 'When it was written.';
COMMENT ON COLUMN meter.meter_versions.created_by IS 'Who wrote it.';
COMMENT ON COLUMN meter.meter_versions.archived_reason IS 'Why it was archived.';
COMMENT ON COLUMN meter.meter_versions.usage_count IS 'How many bindings, subscriptions and thresholds pin it.';
COMMENT ON COLUMN meter.meter_versions.function IS 'The aggregation.';
COMMENT ON COLUMN meter.meter_versions.value_field IS 'JSON path to the number.';
COMMENT ON COLUMN meter.meter_versions.filter_tree IS 'Which events it counts.';
COMMENT ON COLUMN meter.meter_versions."window" IS 'The metering window.';
COMMENT ON COLUMN meter.meter_versions.definition IS 'The whole definition.';

-- The document of a meter is its definition and the head's fields.
CREATE FUNCTION meter.meter_document(meter.meter, jsonb) RETURNS jsonb
	LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT $2 || pg_catalog.jsonb_build_object(
		'id', ($1).id, 'organization_id', ($1).organization_id,
		'status', ($1).status, 'version', ($1).head_version,
		'created_at', ($1).created_at, 'updated_at', ($1).updated_at);
END;
COMMENT ON FUNCTION meter.meter_document(meter.meter, jsonb) IS 'The meter document: a definition (jsonb) with the head''s id, organization_id, status, version, created_at and updated_at. Source: internal.';

CREATE VIEW meter.meters WITH (security_invoker = true) AS
	SELECT m.organization_id, m.id, m.key, v.definition ->> 'name' AS name, m.metric_key,
		v.definition ->> 'function' AS function, m.status, m.head_version AS version,
		m.created_at, m.updated_at,
		meter.meter_document(m, v.definition) AS document
	FROM meter.meter AS m
	JOIN meter.meter_version AS v
		ON v.organization_id = m.organization_id AND v.meter_id = m.id AND v.version = m.head_version;
COMMENT ON VIEW meter.meters IS 'Meters with their newest published definition.';
COMMENT ON COLUMN meter.meters.organization_id IS 'The tenant.';
COMMENT ON COLUMN meter.meters.id IS 'The meter.';
COMMENT ON COLUMN meter.meters.key IS 'The slug it is called by.';
COMMENT ON COLUMN meter.meters.name IS 'Display name.';
COMMENT ON COLUMN meter.meters.metric_key IS 'The event type it listens to.';
COMMENT ON COLUMN meter.meters.function IS 'The aggregation.';
COMMENT ON COLUMN meter.meters.status IS 'active or archived.';
COMMENT ON COLUMN meter.meters.version IS 'The newest published version.';
COMMENT ON COLUMN meter.meters.created_at IS 'When the meter was created.';
COMMENT ON COLUMN meter.meters.updated_at IS 'When the meter last changed.';
COMMENT ON COLUMN meter.meters.document IS 'The whole meter document.';
