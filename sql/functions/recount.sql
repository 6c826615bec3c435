CREATE FUNCTION meter.recount_published(organization_id uuid, meter_id uuid, effective_from timestamptz, effective_to timestamptz) RETURNS text
	LANGUAGE c VOLATILE STRICT
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
	AS 'MODULE_PATHNAME', 'meter_recount_published';
COMMENT ON FUNCTION meter.recount_published(uuid, uuid, timestamptz, timestamptz) IS 'Called when event times change hands between versions of a meter, behind the change, under the lock of definitions: events of these times that the store holds are counted anew, but for those of finalized windows. effective_from, effective_to: those times. Result: none (there are none), recounted (done), or job (there are too many for one transaction: meter.run_reprocess_jobs() counts them). Errors: 25001 there are some, and the transaction keeps one snapshot. Source: internal.';
