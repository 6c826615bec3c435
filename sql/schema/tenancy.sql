-- Tenancy: whose rows the caller may see.  What says so stands in the claims of
-- the request, which PostgREST checked; the functions only read them.

CREATE FUNCTION meter.tenant() RETURNS uuid
	LANGUAGE c STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'meter_tenant';
COMMENT ON FUNCTION meter.tenant() IS 'The organization that the claims of the request name (request.jwt.claims: organization_id, or org_id), or null where there are none, or they are malformed. Source: standard.';

CREATE FUNCTION meter.tenant_min() RETURNS uuid
	LANGUAGE c STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'meter_tenant_min';
COMMENT ON FUNCTION meter.tenant_min() IS 'The first organization that the caller sees: the one his claims name, else the first of all where his role is trusted (meter_admin, meter_backend, one that bypasses policies), else null. Every policy compares organization_id with it. Source: internal.';

CREATE FUNCTION meter.tenant_max() RETURNS uuid
	LANGUAGE c STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'meter_tenant_max';
COMMENT ON FUNCTION meter.tenant_max() IS 'The last organization that the caller sees; as meter.tenant_min. Source: internal.';

CREATE FUNCTION meter.require_tenant(organization_id uuid) RETURNS uuid
	LANGUAGE c STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'meter_require_tenant';
COMMENT ON FUNCTION meter.require_tenant(uuid) IS 'Refuses an organization that is not the caller''s: another one than his claims name, or any where they name none and his role is not trusted. Nothing is refused for null. Result: the organization. Errors: 42501 (FOREIGN_ORGANIZATION, INVALID_CLAIMS, ORGANIZATION_REQUIRED). Source: standard.';

CREATE FUNCTION meter.in_claims(organization_id uuid) RETURNS boolean
	LANGUAGE c STABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'meter_in_claims';
COMMENT ON FUNCTION meter.in_claims(uuid) IS 'Whether the claims leave an organization to the caller: they name it, or none. By it, what works for all organizations (relays, jobs) keeps to the one of the claims, also for roles that bypass policies. Source: internal.';

CREATE FUNCTION meter.has_scope(scope text) RETURNS boolean
	LANGUAGE c STABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'meter_has_scope';
COMMENT ON FUNCTION meter.has_scope(text) IS 'Whether the claims of the request hold a scope (scope, scp or scopes: a text of scopes with blanks between them, or an array); null where they are silent about scopes. Source: standard.';

-- Tables of tenants are found by their column, so none is forgotten.  Partitions
-- are not granted to anybody; should they be, the policy of the whole would not
-- hold for who reads a part, so each has it too.
CREATE FUNCTION meter.protect_tables() RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	target regclass;
BEGIN
	FOR target IN
		SELECT c.oid FROM pg_class AS c
		JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'organization_id' AND NOT a.attisdropped
		WHERE c.relnamespace = 'meter'::regnamespace AND c.relkind IN ('r', 'p')
			-- a store that outlived the extension has lost the policy, but not the protection
			AND NOT EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid AND p.polname = 'tenant')
		ORDER BY c.oid
	LOOP
		EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
		EXECUTE format('CREATE POLICY tenant ON %s USING (organization_id >= meter.tenant_min() AND organization_id <= meter.tenant_max())', target);
	END LOOP;
END
$function$;
COMMENT ON FUNCTION meter.protect_tables() IS 'Enables row-level security on each table that has organization_id and is without the policy tenant, and gives it that policy, by which rows are seen and written only between meter.tenant_min() and meter.tenant_max(). Source: internal.';
