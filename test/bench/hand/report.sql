WITH report AS (
	SELECT $1::jsonb AS document, $2::text AS key
), added AS (
	INSERT INTO hand.events (organization_id, source, id, type, subject, time, data)
	SELECT m.organization_id, 'report', r.key, m.name, r.document->>'customerId',
		   coalesce((r.document->>'timestamp')::timestamptz, now()), r.document
	FROM report r
	JOIN hand.meters m ON m.organization_id = '0b5e55ed-0000-4000-8000-000000000001'
		AND m.name = r.document->>'meterName'
	ON CONFLICT DO NOTHING
	RETURNING organization_id, type, subject, time, data
), counted AS (
	INSERT INTO hand.rollups AS r (organization_id, hour, subject, model, meter, value, events)
	SELECT a.organization_id, date_trunc('hour', a.time), a.subject, a.data#>>'{metadata,model}',
		   m.meter, (a.data->>'value')::numeric, 1
	FROM added a
	JOIN hand.meters m ON m.organization_id = a.organization_id AND m.name = a.type
	ON CONFLICT (organization_id, hour, subject, model, meter) DO UPDATE
	SET value = r.value + excluded.value, events = r.events + excluded.events
)
SELECT CASE WHEN EXISTS (SELECT FROM added) THEN 'queued' ELSE 'duplicate' END
