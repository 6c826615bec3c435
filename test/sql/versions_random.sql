-- Versions published, written as drafts and withdrawn at random, against a model
-- that only knows: a version holds from its start to the next one's; a new one
-- is based on the one that holds its start.  And whatever was known at any time
-- in between can be told afterwards.
\set VERBOSITY terse
SELECT meter.create_organization('random versions', '00000000-0000-0000-0000-00000000ca71');
SELECT setseed(0.4);
CREATE TEMP TABLE model (start timestamptz PRIMARY KEY, version int, description text);
CREATE TEMP TABLE known (at timestamptz, version int, effective_from timestamptz, effective_to timestamptz);
CREATE TEMP TABLE outcome (what text);
-- what the tables say of the meter, and what the model does
CREATE TEMP VIEW stored AS SELECT version, effective_from, effective_to, definition ->> 'description' AS description FROM meter.meter_versions
	WHERE organization_id = '00000000-0000-0000-0000-00000000ca71' AND effective_from IS NOT NULL;
CREATE TEMP VIEW expected AS SELECT version, start, lead(start, 1, 'infinity') OVER (ORDER BY start), description FROM model;

DO $$
DECLARE
	org uuid := '00000000-0000-0000-0000-00000000ca71';
	e timestamptz;
	patch jsonb;
	written int;
	base text;
	draft_of text;
	draft int;
	differing int;
	at timestamptz;
BEGIN
	PERFORM meter.create_meter(org, '{"key": "m", "metric_key": "t", "function": "count"}');
	INSERT INTO model VALUES ('-infinity', 1, NULL);
	FOR i IN 1 .. 300 LOOP
		e := make_timestamptz(2100 + floor(random() * 60)::int, 1, 1, 0, 0, 0, 'UTC');
		patch := CASE WHEN random() < 0.4 THEN jsonb_build_object('description', 'of ' || i) ELSE '{"unit_label": "u"}' END;
		BEGIN
			IF random() < 0.5 THEN
				SELECT m.description INTO base FROM model AS m WHERE m.start < e ORDER BY m.start DESC LIMIT 1;
				written := meter.update_meter(org, 'm', patch || jsonb_build_object('effective_at', e)) ->> 'version';
				INSERT INTO model VALUES (e, written, coalesce(patch ->> 'description', base));
				INSERT INTO outcome VALUES ('published');
			ELSIF random() < 0.5 THEN
				-- the first one is in force now
				written := meter.update_meter(org, 'm', patch || '{"save_as_draft": true}') ->> 'version';
				draft_of := coalesce(patch ->> 'description', CASE WHEN written = draft THEN draft_of END);
				draft := written;
				IF random() < 0.5 THEN
					PERFORM meter.publish_meter_version(org, 'm', draft, e);
					INSERT INTO model VALUES (e, draft, draft_of);
					draft_of := NULL;
					INSERT INTO outcome VALUES ('published a draft');
				END IF;
			ELSE
				SELECT m.version INTO written FROM model AS m WHERE m.version > 1 ORDER BY random() LIMIT 1;
				IF FOUND THEN
					PERFORM meter.archive_meter_version(org, 'm', written, 'at random');
					DELETE FROM model AS m WHERE m.version = written;
					INSERT INTO outcome VALUES ('withdrawn');
				END IF;
			END IF;
		EXCEPTION WHEN unique_violation THEN
			-- the whole step is undone, the draft written in it too
			IF NOT EXISTS (SELECT FROM model AS m WHERE m.start = e) THEN
				RAISE EXCEPTION 'step %: % refused without reason: %', i, e, SQLERRM;
			END IF;
			SELECT max(v.version), max(v.definition ->> 'description') INTO draft, draft_of
				FROM meter.meter_versions AS v WHERE v.organization_id = org AND v.status = 'draft';
			INSERT INTO outcome VALUES ('refused');
		END;
		SELECT count(*) INTO differing FROM ((TABLE pg_temp.stored EXCEPT TABLE pg_temp.expected) UNION ALL (TABLE pg_temp.expected EXCEPT TABLE pg_temp.stored)) AS d;
		IF differing > 0 THEN
			RAISE EXCEPTION 'step %: % differences', i, differing;
		END IF;
		at := clock_timestamp();
		INSERT INTO known SELECT at, s.version, s.effective_from, s.effective_to FROM pg_temp.stored AS s;
	END LOOP;
END
$$;
SELECT what, count(*) > 10 AS often FROM outcome GROUP BY 1 ORDER BY 1;
CREATE TEMP VIEW told AS SELECT k.at, v.version, r.effective_from, r.effective_to FROM (SELECT DISTINCT at FROM known) AS k
	JOIN meter.version_range AS r ON r.organization_id = '00000000-0000-0000-0000-00000000ca71' AND r.known_from <= k.at AND k.at < r.known_to
	JOIN meter.meter_version AS v USING (organization_id, version_id);
SELECT (SELECT count(DISTINCT at) FROM known) AS instants, (SELECT count(*) FROM (TABLE known EXCEPT TABLE pg_temp.told) AS d) AS forgotten,
	(SELECT count(*) FROM (TABLE pg_temp.told EXCEPT TABLE known) AS d) AS invented;
