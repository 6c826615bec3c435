-- Windows that are over.

CREATE FUNCTION meter.close_windows(organization_id uuid DEFAULT NULL, max_windows int DEFAULT 100000) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
	AS 'MODULE_PATHNAME', 'meter_close_windows_sql';
COMMENT ON FUNCTION meter.close_windows(uuid, int) IS 'Finalizes the windows that are over, each once: those whose end and grace are behind the clock and before whatever is still in flight. Writes their values to meter.window_results, a row a window, profile, subject, currency and version, for what has usage, and emits window.closed; writes the revisions that were left to it and emits window.revised. organization_id: one organization, default all, or the one of the claims; max_windows: about so many results, default 100000; a further call goes on. Idempotent, and safe in parallel: sessions share the meters, none waits for another, and a meter with late events in flight is tried again by the next call. A meter whose windows cannot be computed costs a warning and keeps no other from being closed. Result: how many results were written. Errors: 22023 bad max_windows, 25001 in an isolation level other than READ COMMITTED, 42501 another organization than that of the claims, 42704 no such organization, 55000 no store. Source: standard.';
