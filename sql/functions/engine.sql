CREATE FUNCTION meter.page_events(page bytea)
	RETURNS TABLE (seq bigint, "time" timestamptz, source text, id text, subject text, meter_id uuid, versions int[], data json,
		original_time timestamptz, supplement boolean)
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE ROWS 100
	AS 'MODULE_PATHNAME', 'meter_page_events';
COMMENT ON FUNCTION meter.page_events(bytea) IS 'The events on a page of meter.event, as rows: time is where it is counted, original_time what it came with; a supplement is a further counting of an event that has a row elsewhere. Errors: XX001 a damaged page. Source: internal.';

-- The engine's statements reach its tables by their indexes, always the same
-- way. A plan made while a table was small must not scan it when it has grown;
-- a bitmap would read dead rollup pages again and again, which an index scan
-- marks.

CREATE FUNCTION meter.ingest(organization_id uuid, events json)
	RETURNS TABLE (ordinal int, id text, status text, code text, message text)
	LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 1000
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off
	AS 'MODULE_PATHNAME', 'meter_ingest';
COMMENT ON FUNCTION meter.ingest(uuid, json) IS 'Ingests one event or an array of events (CloudEvents 1.0: id, source, type, subject, time, data; and meter, a key or id, to aim at one meter). Result: a row an event, in order: ordinal (from 1), id, status (accepted, late_revised, late_next_window, late_quarantined, duplicate, conflict, unmatched, rejected), code and message where there is something to say. An event is late for a meter when the end of its window and the grace of the meter''s late_event_policy are behind the clock: by that policy it is counted where it belongs (accepted; late_revised where the window was closed already), counted at the start of the earliest window still open (late_next_window), kept uncounted until meter.release_quarantine() (late_quarantined, code LATE_QUARANTINED), or rejected (code LATE); TOO_OLD and TOO_FUTURE are beyond max_age and max_future. Where several meters listen, an event that one counts in time is accepted; code PARTIAL tells that others did not count it. Errors: 42704 no such organization; 22000 a bad event where settings.partial is false; 22004 null argument; 0A000 where an approximate unique_count takes an event and the extension hll is not there (nothing is taken then). Source: standard (CloudEvents).';

CREATE FUNCTION meter.report_usage(organization_id uuid, report jsonb, idempotency_key text) RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off
	AS 'MODULE_PATHNAME', 'meter_report_usage';
COMMENT ON FUNCTION meter.report_usage(uuid, jsonb, text) IS 'Reports usage to one meter. report: object of value (number), meterId or meterName (string), customerId (string), timestamp (RFC 3339, default now) and metadata (object of strings, numbers, booleans); idempotency_key: 1 to 255 bytes. Result: {"status":"queued","requestId"} or {"status":"duplicate","idempotencyKey"}; counted when the transaction commits, a late one as the meter''s late_event_policy says (one that goes to quarantine is queued too). Errors: 22023 bad report, 23505 the key came before with another report, 42704 no such organization or meter, 55000 archived meter. Source: seed 002 (POST /meters/usage).';

CREATE FUNCTION meter.usage(organization_id uuid, meter text, period_from timestamptz, period_to timestamptz,
		subject text DEFAULT NULL, window_size text DEFAULT NULL, group_by text[] DEFAULT '{}',
		filter jsonb DEFAULT NULL, time_zone text DEFAULT NULL, profile text DEFAULT NULL,
		as_of timestamptz DEFAULT NULL)
	RETURNS TABLE (window_start timestamptz, window_end timestamptz, subject text, dimensions jsonb,
		currency text, version int, value numeric, event_count bigint)
	LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 100
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
	AS 'MODULE_PATHNAME', 'meter_usage';
COMMENT ON FUNCTION meter.usage(uuid, text, timestamptz, timestamptz, text, text, text[], jsonb, text, text, timestamptz) IS 'What was used in [period_from, period_to). meter: key or id; subject: one subject, or one customer by id, code or alias with the usage of all of its subjects; default all; window_size: minute, hour, day, week, month, quarter, year or billing_period (default one row for the range), in time_zone (IANA name, default the meter''s); group_by: dimensions and subject (a customer''s code, or its id where it has none; the subject itself where it is no customer''s); filter: a filter tree over dimensions and subject (as events name it); profile: the code of one of the meter''s profiles, default the definition''s own (versions without it are left out); as_of: answers with what was known at that time: by the events that had come, those taken back by then counted, the versions as they were published and the subjects as they were linked to customers (a link that was taken off since, and billing periods, are as they are now); a time to come is as null. Result: a row a window, group, currency and version: value in the meter''s unit, null where the function has none over no events. Errors: 22023 bad argument, 22004 null argument, 42704 no such meter, 54000 too many windows, 0A000 an approximate unique_count without the extension hll. A billing_period needs a subject: its windows are those of its customer''s subscription that covers the time, in the subscription''s zone, cut at its start and end (of several the one that started first); where none does, months from the meter''s anchor, or calendar months, in the meter''s zone. weighted_sum is the mean of the level over the window''s real time, in a range that must be finite, with the level carried in from all that was before (in mode gauge the last value of whatever a row puts together: group by what reports levels of its own); a recurring profile''s value is its function over all that came until the window''s end, not only in the window. Such a value persists: grouped, a group has rows also where it has no events but a value other than zero; event_count is of the window alone. Cost: the rollups of the range; for what persists also those before it, back to the last event of each group where only that matters (mode gauge, recurring latest); with as_of all events of the range (and before, for what persists) instead. What a version counted outside of its range (an event that came before a version of its time was published, and was not counted anew) is added to the row of versions that agree with it, or has a row of its own. Source: standard.';

CREATE FUNCTION meter.usage_by_version(organization_id uuid, meter text, period_from timestamptz, period_to timestamptz,
		subject text, filter jsonb, version int)
	RETURNS TABLE (window_start timestamptz, window_end timestamptz, subject text, dimensions jsonb,
		currency text, version int, value numeric, event_count bigint)
	LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 1
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
	AS 'MODULE_PATHNAME', 'meter_usage_by_version';
COMMENT ON FUNCTION meter.usage_by_version(uuid, text, timestamptz, timestamptz, text, jsonb, int) IS 'What was used in [period_from, period_to), as one published version measures it, whichever versions were in force: all events of the type that are stored, each where the meter counted it, or where it stands where it did not. What the version would leave out or refuse counts nothing, nor what the meter refused for when it came, or has in quarantine; of several with one key, where the version has a dedup_key_path, the first that came counts (of those outside of the range only the one is known that the meter counted). Arguments and result as for meter.usage(). Cost: rollups of the time in which that version was in force when the events came, all events of the type in the rest. Errors: as for meter.usage(), 55000 where such events are past retention. Source: internal.';

CREATE FUNCTION meter.explain_usage(organization_id uuid, meter text, period_from timestamptz, period_to timestamptz,
		subject text DEFAULT NULL, filter jsonb DEFAULT NULL, profile text DEFAULT NULL,
		as_of timestamptz DEFAULT NULL, after_time timestamptz DEFAULT NULL, after_seq bigint DEFAULT NULL,
		page_size int DEFAULT 100)
	RETURNS TABLE ("time" timestamptz, seq bigint, type text, source text, id text, subject text, dimensions jsonb,
		currency text, version int, value numeric, unique_key text, data json, original_time timestamptz)
	LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 100
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
	AS 'MODULE_PATHNAME', 'meter_explain_usage';
COMMENT ON FUNCTION meter.explain_usage(uuid, text, timestamptz, timestamptz, text, jsonb, text, timestamptz, timestamptz, bigint, int) IS 'The events behind a number of meter.usage() over the same range, subject, filter and profile, by time and arrival. after_time, after_seq: time and seq of the last row of the page before, null for the first page; page_size: 1 to 10000, default 100; profile, as_of: as for meter.usage(). Result: a row an event: time (where it is counted), seq (arrival number), type, source, id, subject (as events name it), dimensions, currency, version that counted it, value (what it adds: the values of all pages sum up to the number where the function is sum, count or custom; 1 for count; null for unique_count, where unique_key is what is counted), data, and original_time, which differs from time where the event came late and was moved. What was taken back is not among them. Behind a number that persists (weighted_sum, recurring profiles) are also the events before: ask from -infinity. Cost: about one page of events, and for a subject or a filter also the rollups of the range, with as_of all events of the range. Errors: 22023 bad argument, 22004 null argument, 42704 no such meter. Source: standard.';
