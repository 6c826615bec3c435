-- Definitions as they are to be read.

CREATE FUNCTION meter.version_status(status text, effective_from timestamptz, effective_to timestamptz,
		at timestamptz DEFAULT pg_catalog.clock_timestamp()) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE
		WHEN status <> 'published' THEN status
		WHEN at < effective_from THEN 'scheduled'
		WHEN at < effective_to THEN 'active'
		ELSE 'superseded' END;
END;
COMMENT ON FUNCTION meter.version_status(text, timestamptz, timestamptz, timestamptz) IS 'What a version of that stored status and range is at a time (default: the clock): draft, scheduled, active, superseded or archived. Nothing has to run for a version to become effective. Source: internal.';

CREATE FUNCTION meter.current_version(organization_id uuid, meter_id uuid,
		at timestamptz DEFAULT pg_catalog.clock_timestamp()) RETURNS SETOF meter.meter_version
	LANGUAGE sql STABLE ROWS 1
BEGIN ATOMIC
	SELECT v.* FROM meter.meter_version AS v
		WHERE v.organization_id = $1 AND v.meter_id = $2
		ORDER BY (v.effective_from <= $3 AND $3 < v.effective_to) IS TRUE DESC,
			v.effective_from NULLS LAST, v.status = 'draft' DESC, v.version DESC
		LIMIT 1;
END;
COMMENT ON FUNCTION meter.current_version(uuid, uuid, timestamptz) IS 'The version that a meter shows: the one in force at a time (default: the clock), else the first scheduled one, else the newest draft, else the newest. Source: internal.';

CREATE VIEW meter.version_range WITH (security_invoker = true) AS
	SELECT organization_id, version_id, effective_from, effective_to, known_from, 'infinity'::timestamptz AS known_to
	FROM meter.meter_version
	WHERE effective_from IS NOT NULL
	UNION ALL
	SELECT organization_id, version_id, effective_from, effective_to, known_from, known_to
	FROM meter.former_range;
COMMENT ON VIEW meter.version_range IS 'Which version measured which event times, and when that was so: at any instant the ranges known then do not overlap.';
COMMENT ON COLUMN meter.version_range.organization_id IS 'The tenant.';
COMMENT ON COLUMN meter.version_range.version_id IS 'The version, by its number.';
COMMENT ON COLUMN meter.version_range.effective_from IS 'First instant of the event times it measures.';
COMMENT ON COLUMN meter.version_range.effective_to IS 'End (exclusive) of the event times it measures.';
COMMENT ON COLUMN meter.version_range.known_from IS 'Since when that is so.';
COMMENT ON COLUMN meter.version_range.known_to IS 'Until when (exclusive) that was so; infinity: it still is.';

CREATE VIEW meter.organizations WITH (security_invoker = true) AS
	SELECT organization_id, name, settings, created_at
	FROM meter.organization;
COMMENT ON VIEW meter.organizations IS 'Organizations.';
COMMENT ON COLUMN meter.organizations.organization_id IS 'The tenant.';
COMMENT ON COLUMN meter.organizations.name IS 'Display name.';
COMMENT ON COLUMN meter.organizations.settings IS 'Settings of the organization.';
COMMENT ON COLUMN meter.organizations.created_at IS 'When the organization was created.';

CREATE VIEW meter.meter_versions WITH (security_invoker = true) AS
	SELECT v.organization_id, v.id, v.meter_id, m.key AS meter_key, v.version,
		meter.version_status(v.status, v.effective_from, v.effective_to, clock.at) AS status,
		v.effective_from, v.effective_to, v.published_at, v.created_at, v.created_by, v.archived_reason,
		(SELECT pg_catalog.count(*) FROM meter.version_pins AS p
			WHERE p.organization_id = v.organization_id AND p.meter_id = v.meter_id AND p.version = v.version) AS usage_count,
		v.definition ->> 'function' AS function,
		v.definition ->> 'value_field' AS value_field,
		NULLIF(v.definition -> 'filter_tree', 'null') AS filter_tree,
		v.definition -> 'window' AS "window",
		v.definition ->> 'workspace_id' AS workspace_id,
		v.definition
	FROM meter.meter_version AS v
	JOIN meter.meter AS m ON m.organization_id = v.organization_id AND m.id = v.meter_id
	-- A sub-select of its own is read once a statement, however the plan goes: its
	-- rows agree.
	CROSS JOIN (SELECT (SELECT pg_catalog.clock_timestamp()) AS at) AS clock;
COMMENT ON VIEW meter.meter_versions IS 'Snapshots of every version of every meter.';
COMMENT ON COLUMN meter.meter_versions.organization_id IS 'The tenant.';
COMMENT ON COLUMN meter.meter_versions.id IS 'The version.';
COMMENT ON COLUMN meter.meter_versions.meter_id IS 'The meter.';
COMMENT ON COLUMN meter.meter_versions.meter_key IS 'The meter''s key.';
COMMENT ON COLUMN meter.meter_versions.version IS 'The version''s number in its meter, from 1.';
COMMENT ON COLUMN meter.meter_versions.status IS 'draft, scheduled, active, superseded or archived, by the clock.';
COMMENT ON COLUMN meter.meter_versions.effective_from IS 'First instant of the event times it measures; null for drafts and for what was withdrawn.';
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
COMMENT ON COLUMN meter.meter_versions.workspace_id IS 'The workspace.';
COMMENT ON COLUMN meter.meter_versions.definition IS 'The whole definition.';

-- The document of a meter is a version's definition and the head's fields.
CREATE FUNCTION meter.meter_document(meter.meter, meter.meter_version,
		at timestamptz DEFAULT pg_catalog.clock_timestamp()) RETURNS jsonb
	LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT ($2).definition || pg_catalog.jsonb_build_object(
		'id', ($1).id, 'organization_id', ($1).organization_id,
		'status', ($1).status, 'archived_at', ($1).archived_at, 'archived_reason', ($1).archived_reason,
		'version', ($2).version, 'effective_from', ($2).effective_from,
		'version_status', meter.version_status(($2).status, ($2).effective_from, ($2).effective_to, $3),
		'created_at', ($1).created_at, 'updated_at', ($1).updated_at);
END;
COMMENT ON FUNCTION meter.meter_document(meter.meter, meter.meter_version, timestamptz) IS 'The meter document: the definition of one of its versions with version (its number), version_status (at a time, default: the clock) and effective_from, and the meter''s id, organization_id, status, archived_at, archived_reason, created_at and updated_at. Source: internal.';

CREATE VIEW meter.meters WITH (security_invoker = true) AS
	SELECT m.organization_id, m.id, m.key, v.definition ->> 'name' AS name, m.metric_key,
		v.definition ->> 'function' AS function, m.status, v.version,
		m.created_at, m.updated_at, m.archived_at, m.archived_reason,
		meter.meter_document(m, v, clock.at) AS document
	FROM meter.meter AS m
	CROSS JOIN (SELECT (SELECT pg_catalog.clock_timestamp()) AS at) AS clock
	CROSS JOIN LATERAL meter.current_version(m.organization_id, m.id, clock.at) AS v;
COMMENT ON VIEW meter.meters IS 'Meters with the definition in force now; one that has not begun with its first scheduled version, or its newest draft.';
COMMENT ON COLUMN meter.meters.organization_id IS 'The tenant.';
COMMENT ON COLUMN meter.meters.id IS 'The meter.';
COMMENT ON COLUMN meter.meters.key IS 'The slug it is called by.';
COMMENT ON COLUMN meter.meters.name IS 'Display name.';
COMMENT ON COLUMN meter.meters.metric_key IS 'The event type it listens to.';
COMMENT ON COLUMN meter.meters.function IS 'The aggregation.';
COMMENT ON COLUMN meter.meters.status IS 'active or archived.';
COMMENT ON COLUMN meter.meters.version IS 'The version shown: the optimistic lock of updates.';
COMMENT ON COLUMN meter.meters.created_at IS 'When the meter was created.';
COMMENT ON COLUMN meter.meters.updated_at IS 'When the meter last changed.';
COMMENT ON COLUMN meter.meters.archived_at IS 'When it stopped counting.';
COMMENT ON COLUMN meter.meters.archived_reason IS 'Why it was archived.';
COMMENT ON COLUMN meter.meters.document IS 'The whole meter document.';
