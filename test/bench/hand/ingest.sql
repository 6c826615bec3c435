WITH input AS (
	SELECT *
	FROM jsonb_to_recordset($1::jsonb)
		AS e(id text, source text, type text, subject text, time timestamptz, data jsonb)
), added AS (
	INSERT INTO hand.events (organization_id, source, id, type, subject, time, data)
	SELECT '0b5e55ed-0000-4000-8000-000000000001', source, id, type, subject, time, data
	FROM input
	ORDER BY source, id
	ON CONFLICT DO NOTHING
	RETURNING subject, time, data
), grouped AS (
	SELECT date_trunc('hour', time) AS hour, subject, data->>'model' AS model,
		   sum((data->>'units')::numeric) AS units, count(*) AS events
	FROM added
	GROUP BY 1, 2, 3
), counted AS (
	INSERT INTO hand.rollups AS r (organization_id, hour, subject, model, meter, value, events)
	SELECT '0b5e55ed-0000-4000-8000-000000000001', hour, subject, model, m.meter,
		   CASE m.meter WHEN 1 THEN units ELSE events END, events
	FROM grouped
	CROSS JOIN (VALUES (1), (2)) AS m(meter)
	ORDER BY hour, subject, model, m.meter
	ON CONFLICT (organization_id, hour, subject, model, meter) DO UPDATE
	SET value = r.value + excluded.value, events = r.events + excluded.events
)
SELECT count(*) FROM added
