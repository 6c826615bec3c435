CREATE FUNCTION meter.recount_published(organization_id uuid, meter_id uuid, effective_from timestamptz, effective_to timestamptz) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
END
$function$;
COMMENT ON FUNCTION meter.recount_published(uuid, uuid, timestamptz, timestamptz) IS 'Called when event times change hands between versions of a meter. effective_from, effective_to: those times. Source: internal.';
