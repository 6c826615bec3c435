-- A quota by hand: a row that says how much is used, and a function that reports
-- usage and refuses what is too much. One call, as meter.report_usage is; the row is
-- changed last, so that it is locked as short as can be.
CREATE TABLE hand.keys
(
	organization_id uuid NOT NULL,
	key text COLLATE "C" NOT NULL,
	PRIMARY KEY (organization_id, key)
);

CREATE TABLE hand.usage_events
(
	organization_id uuid NOT NULL,
	meter text COLLATE "C" NOT NULL,
	subject text COLLATE "C" NOT NULL,
	time timestamptz NOT NULL,
	data jsonb NOT NULL
);

CREATE TABLE hand.quota
(
	organization_id uuid NOT NULL,
	meter text COLLATE "C" NOT NULL,
	subject text COLLATE "C" NOT NULL,
	used numeric NOT NULL,
	quota numeric NOT NULL,
	PRIMARY KEY (organization_id, meter, subject)
) WITH (fillfactor = 50);

CREATE FUNCTION hand.report(organization_id uuid, report jsonb, key text) RETURNS text
	LANGUAGE plpgsql
AS $function$
DECLARE
	value numeric := report->>'value';
BEGIN
	INSERT INTO hand.keys VALUES ($1, $3) ON CONFLICT DO NOTHING;
	IF NOT FOUND THEN
		RETURN 'duplicate';
	END IF;
	INSERT INTO hand.usage_events
		VALUES ($1, report->>'meterName', report->>'customerId', coalesce((report->>'timestamp')::timestamptz, now()), report);
	UPDATE hand.quota AS q SET used = used + value
		WHERE q.organization_id = $1 AND q.meter = report->>'meterName' AND q.subject = report->>'customerId' AND used + value <= quota;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'quota exceeded' USING ERRCODE = 'configuration_limit_exceeded';
	END IF;
	RETURN 'queued';
END
$function$;
