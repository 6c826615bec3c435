/*
 * explain.sql
 *		The events behind a number.
 */

/* What explain_usage should list, all of it, numbered in its order; no time
 * where the event had none: that is the clock's. */
CREATE FUNCTION oracle.explain(org uuid, meter text, period_from timestamptz, period_to timestamptz,
							   subject text DEFAULT NULL, filter jsonb DEFAULT NULL, profile text DEFAULT NULL,
							   as_of timestamptz DEFAULT NULL)
RETURNS TABLE (n bigint, "time" timestamptz, type text, source text, id text, event_subject text, dimensions jsonb,
			   currency text, version int, value numeric, unique_key text, data jsonb)
LANGUAGE sql STABLE AS $$
	SELECT row_number() OVER (ORDER BY (c).event_time, (c).seq), CASE WHEN s.time_given THEN (c).event_time END, s.type, nullif(s.source, ''), s.id, (c).subject,
		   (c).dimensions, (c).currency, (c).version, CASE p ->> 'function' WHEN 'count' THEN 1 ELSE (c).value END,
		   (c).unique_key, s.data
	FROM oracle.counted_by($1, $2, $7, $8)
	JOIN oracle.sent s ON s.organization_id = $1 AND s.seq = (c).seq
	WHERE (c).event_time >= $3 AND (c).event_time < $4
	  AND oracle.asked_for($1, $5, (c).subject)
	  AND oracle.filter_matches($6, (c).dimensions, (c).subject)
$$;

/* What it does list, read in pages. */
CREATE FUNCTION oracle.pages(org uuid, meter text, period_from timestamptz, period_to timestamptz, page_size int,
							 subject text DEFAULT NULL, filter jsonb DEFAULT NULL, profile text DEFAULT NULL,
							 as_of timestamptz DEFAULT NULL)
RETURNS TABLE (n bigint, "time" timestamptz, type text, source text, id text, event_subject text, dimensions jsonb,
			   currency text, version int, value numeric, unique_key text, data jsonb)
LANGUAGE plpgsql STABLE AS $$
DECLARE
	r record;
	last_time timestamptz;
	last_seq bigint;
	rows int;
BEGIN
	n := 0;
	LOOP
		rows := 0;
		FOR r IN SELECT * FROM meter.explain_usage(org, meter, period_from, period_to, subject => subject, filter => filter,
				profile => profile, as_of => as_of, after_time => last_time, after_seq => last_seq, page_size => page_size)
		LOOP
			n := n + 1;
			rows := rows + 1;
			SELECT CASE WHEN NOT EXISTS (
					SELECT FROM oracle.sent s WHERE s.organization_id = org AND s.type = r.type AND s.source = coalesce(r.source, '')
					AND s.id IS NOT DISTINCT FROM r.id AND NOT s.time_given AND (s.id IS NOT NULL OR s.event_time - r.time BETWEEN '-1 minute' AND '1 minute')) THEN r.time END, r.type, r.source, r.id, r.subject, coalesce(r.dimensions, '{}'), r.currency, r.version, r.value, r.unique_key, r.data
			INTO "time", type, source, id, event_subject, dimensions, currency, version, value, unique_key, data;
			IF (r.time, r.seq) <= (last_time, last_seq) THEN
				RAISE EXCEPTION 'a row comes twice, or out of order: %, %', r.time, r.seq;
			END IF;
			last_time := r.time;
			last_seq := r.seq;
			RETURN NEXT;
		END LOOP;
		IF rows > page_size THEN
			RAISE EXCEPTION 'a page of % rows, % were asked for', rows, page_size;
		END IF;
		EXIT WHEN rows < page_size;
	END LOOP;
END
$$;
