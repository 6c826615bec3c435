-- What a careful team would write by hand, the rival of ingest and report_usage.
--
-- Events carry their dedup key (CloudEvents: source and id, any text) as the
-- primary key; rollups are kept by hour in the same statement. Tried and left out,
-- µs an event more, dense / sparse: rollups without room for HOT updates (fillfactor
-- 100) 3 / 0; json_to_recordset 3 / 1; jsonb_array_elements 0 / 1; the rollup key
-- led by (meter, subject), as a reader would like it, 2 / 9. Sorting by id costs
-- nothing and keeps two sessions that send the same batch from deadlocking.
CREATE SCHEMA hand;

CREATE TABLE hand.events
(
	organization_id uuid NOT NULL,
	source text COLLATE "C" NOT NULL,
	id text COLLATE "C" NOT NULL,
	type text COLLATE "C" NOT NULL,
	subject text COLLATE "C" NOT NULL,
	time timestamptz NOT NULL,
	data jsonb NOT NULL,
	PRIMARY KEY (organization_id, source, id)
);

-- Any meters: the meter is part of the key.
CREATE TABLE hand.rollups
(
	organization_id uuid NOT NULL,
	hour timestamptz NOT NULL,
	subject text COLLATE "C" NOT NULL,
	model text COLLATE "C" NOT NULL,
	meter int NOT NULL,
	value numeric NOT NULL,
	events bigint NOT NULL,
	PRIMARY KEY (organization_id, hour, subject, model, meter)
) WITH (fillfactor = 50);

CREATE TABLE hand.meters
(
	organization_id uuid NOT NULL,
	name text COLLATE "C" NOT NULL,
	meter int NOT NULL,
	PRIMARY KEY (organization_id, name)
);
