-- Definitions: small tables that belong to the extension.

CREATE FUNCTION meter.current_actor() RETURNS text
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	claims text := current_setting('request.jwt.claims', true);
	role text := nullif(current_setting('role'), 'none');
	subject jsonb;
BEGIN
	IF claims LIKE '%"sub"%' THEN
		BEGIN
			subject := claims::jsonb -> 'sub';
		EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
			NULL;	-- whoever set them: no reason to fail
		END;
	END IF;
	IF jsonb_typeof(subject) = 'string' AND subject <> '""' THEN
		RETURN subject #>> '{}';
	END IF;
	-- What SET ROLE chose, else who connected: unlike current_user both stay what
	-- they are inside of somebody's SECURITY DEFINER function.
	RETURN coalesce(role, session_user);
END
$function$;
COMMENT ON FUNCTION meter.current_actor() IS 'Who acts: the sub of the claims in request.jwt.claims where there is one, else the role that SET ROLE chose, else the session''s user. Claims that are no JSON count as none. Source: internal.';

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
	archived_at timestamptz,
	archived_reason text,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	updated_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	PRIMARY KEY (organization_id, id),
	UNIQUE (organization_id, key),
	UNIQUE (organization_id, meter_no)
);
CREATE INDEX meter_metric_key_idx ON meter.meter (organization_id, metric_key);
-- Lists begin with the newest: of one organization, and where a policy asks for a
-- range of organizations, for whose order the time has to come first.
CREATE INDEX meter_newest_idx ON meter.meter (organization_id, created_at DESC, id);
CREATE INDEX meter_created_at_idx ON meter.meter (created_at, organization_id);
COMMENT ON TABLE meter.meter IS 'Meters: the head of a row of versions. The view meter.meters is the one to read.';
COMMENT ON COLUMN meter.meter.organization_id IS 'The tenant.';
COMMENT ON COLUMN meter.meter.id IS 'The meter.';
COMMENT ON COLUMN meter.meter.meter_no IS 'The meter''s number: names its space of deduplication keys.';
COMMENT ON COLUMN meter.meter.key IS 'The slug it is called by, unique in the organization, immutable.';
COMMENT ON COLUMN meter.meter.metric_key IS 'The event type it listens to, immutable.';
COMMENT ON COLUMN meter.meter.status IS 'active or archived.';
COMMENT ON COLUMN meter.meter.archived_at IS 'When it stopped counting.';
COMMENT ON COLUMN meter.meter.archived_reason IS 'Why it was archived.';
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
	status text NOT NULL CHECK (status IN ('draft', 'published', 'archived')),
	definition jsonb NOT NULL,
	inherited_fields jsonb NOT NULL DEFAULT '{}',
	effective_from timestamptz,
	effective_to timestamptz,
	known_from timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	published_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	created_by text NOT NULL DEFAULT meter.current_actor(),
	archived_reason text,
	PRIMARY KEY (organization_id, meter_id, version),
	UNIQUE (organization_id, id),
	UNIQUE (organization_id, version_id),
	FOREIGN KEY (organization_id, meter_id) REFERENCES meter.meter (organization_id, id),
	FOREIGN KEY (organization_id, stream_id) REFERENCES meter.stream,
	CHECK ((effective_from IS NULL) = (effective_to IS NULL)),
	CHECK (effective_from < effective_to),
	CHECK (CASE status WHEN 'draft' THEN effective_from IS NULL AND published_at IS NULL
		WHEN 'published' THEN effective_from IS NOT NULL AND published_at IS NOT NULL
		ELSE archived_reason IS NOT NULL END),
	-- A meter is measured by one version at any time.  Looked at when a statement
	-- ends: one that moves a bound between two versions may take them in any order.
	-- Numbers are a meter's own; the hash keeps a tenant who writes another one's
	-- from being in his way.
	CONSTRAINT meter_version_ranges EXCLUDE USING gist (
		pg_catalog.int8range(pg_catalog.uuid_hash_extended(organization_id, 0), pg_catalog.uuid_hash_extended(organization_id, 0), '[]')
			WITH OPERATOR(pg_catalog.&&),
		pg_catalog.int4range(meter_no, meter_no, '[]') WITH OPERATOR(pg_catalog.&&),
		pg_catalog.tstzrange(effective_from, effective_to) WITH OPERATOR(pg_catalog.&&)
	) WHERE (effective_from IS NOT NULL) DEFERRABLE
);
COMMENT ON TABLE meter.meter_version IS 'Versions of meters: immutable once published. The view meter.meter_versions is the one to read.';
COMMENT ON COLUMN meter.meter_version.organization_id IS 'The tenant.';
COMMENT ON COLUMN meter.meter_version.meter_id IS 'The meter.';
COMMENT ON COLUMN meter.meter_version.version IS 'The version''s number in its meter, from 1.';
COMMENT ON COLUMN meter.meter_version.id IS 'The version as a UUID.';
COMMENT ON COLUMN meter.meter_version.version_id IS 'The version as a number: names it in rollups and events.';
COMMENT ON COLUMN meter.meter_version.meter_no IS 'The meter''s number, for the constraint that keeps versions from overlapping.';
COMMENT ON COLUMN meter.meter_version.stream_id IS 'The stream whose usage rows it shares.';
COMMENT ON COLUMN meter.meter_version.status IS 'draft, published or archived; of those published the clock says which is scheduled, active or superseded (meter.version_status).';
COMMENT ON COLUMN meter.meter_version.definition IS 'The whole definition, defaults filled in.';
COMMENT ON COLUMN meter.meter_version.inherited_fields IS 'The organization''s custom fields when the version was published: what it measures never changes.';
COMMENT ON COLUMN meter.meter_version.effective_from IS 'First instant of the event times it measures; null for drafts and for what was withdrawn.';
COMMENT ON COLUMN meter.meter_version.effective_to IS 'End (exclusive) of the event times it measures, infinity for the last; null as effective_from is.';
COMMENT ON COLUMN meter.meter_version.known_from IS 'Since when its range is this one.';
COMMENT ON COLUMN meter.meter_version.published_at IS 'When it was published.';
COMMENT ON COLUMN meter.meter_version.created_at IS 'When it was written.';
COMMENT ON COLUMN meter.meter_version.created_by IS 'Who wrote it: the sub of the caller''s claims, or the role.';
COMMENT ON COLUMN meter.meter_version.archived_reason IS 'Why it was archived.';

-- What was known when.  The present range stands in the version itself, only
-- those before are kept here: a restore, which inserts, then writes nothing twice.
CREATE TABLE meter.former_range (
	organization_id uuid NOT NULL,
	version_id int NOT NULL,
	effective_from timestamptz NOT NULL,
	effective_to timestamptz NOT NULL,
	known_from timestamptz NOT NULL,
	known_to timestamptz NOT NULL CHECK (known_from < known_to),
	PRIMARY KEY (organization_id, version_id, known_from),
	FOREIGN KEY (organization_id, version_id)
		REFERENCES meter.meter_version (organization_id, version_id) ON DELETE CASCADE
);
COMMENT ON TABLE meter.former_range IS 'Ranges that versions of meters had. The view meter.version_range is the one to read.';
COMMENT ON COLUMN meter.former_range.organization_id IS 'The tenant.';
COMMENT ON COLUMN meter.former_range.version_id IS 'The version, by its number.';
COMMENT ON COLUMN meter.former_range.effective_from IS 'First instant of the event times it measured.';
COMMENT ON COLUMN meter.former_range.effective_to IS 'End (exclusive) of the event times it measured.';
COMMENT ON COLUMN meter.former_range.known_from IS 'Since when that was so.';
COMMENT ON COLUMN meter.former_range.known_to IS 'Until when (exclusive) that was so.';

CREATE FUNCTION meter.keep_former_range() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	IF NEW.known_from = OLD.known_from THEN
		NEW.known_from := clock_timestamp();
	END IF;
	-- nothing was ever known for no time at all, as where the clock went back
	INSERT INTO meter.former_range (organization_id, version_id, effective_from, effective_to, known_from, known_to)
		SELECT OLD.organization_id, OLD.version_id, OLD.effective_from, OLD.effective_to, OLD.known_from, NEW.known_from
		WHERE OLD.effective_from IS NOT NULL AND OLD.known_from < NEW.known_from;
	RETURN NEW;
END
$function$;
COMMENT ON FUNCTION meter.keep_former_range() IS 'Trigger: keeps the range that a version had, and notes since when it has the new one: what the statement says in known_from, or the clock. Source: internal.';

CREATE TRIGGER keep_former_range BEFORE UPDATE ON meter.meter_version FOR EACH ROW
	WHEN ((OLD.effective_from, OLD.effective_to) IS DISTINCT FROM (NEW.effective_from, NEW.effective_to))
	EXECUTE FUNCTION meter.keep_former_range();

SELECT pg_catalog.pg_extension_config_dump('meter.organization', '');
SELECT pg_catalog.pg_extension_config_dump('meter.meter', '');
SELECT pg_catalog.pg_extension_config_dump('meter.meter_no_seq', '');
SELECT pg_catalog.pg_extension_config_dump('meter.stream', '');
SELECT pg_catalog.pg_extension_config_dump('meter.stream_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('meter.meter_version', '');
SELECT pg_catalog.pg_extension_config_dump('meter.version_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('meter.former_range', '');

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
