WITH input AS (
	SELECT *
	FROM jsonb_to_recordset($1::jsonb)
		AS e(id uuid, source text, type text, subject text, time timestamptz, data jsonb)
), added AS (
	INSERT INTO hand.events (organization_id, id, source, type, subject, time, data)
	SELECT '0b5e55ed-0000-4000-8000-000000000001', id, source, type, subject, time, data
	FROM input
	ORDER BY id
	ON CONFLICT DO NOTHING
	RETURNING subject, time, data
), grouped AS (
	SELECT date_trunc('hour', time) AS hour, subject, data->>'model' AS model,
		   sum((data->>'units')::numeric) AS units, count(*) AS events
	FROM added
	GROUP BY 1, 2, 3
), counted AS (
	INSERT INTO hand.rollups AS r (organization_id, hour, subject, model, units, events)
	SELECT '0b5e55ed-0000-4000-8000-000000000001', hour, subject, model, units, events
	FROM grouped
	ORDER BY hour, subject, model
	ON CONFLICT (organization_id, hour, subject, model) DO UPDATE
	SET units = r.units + excluded.units, events = r.events + excluded.events
)
SELECT count(*) FROM added
