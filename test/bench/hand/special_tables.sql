-- The same for one source with uuid ids and these two meters only, both in one
-- row: as fast as plain SQL gets, and good for nothing else.
CREATE SCHEMA hand;

CREATE TABLE hand.events
(
	organization_id uuid NOT NULL,
	id uuid NOT NULL,
	source text COLLATE "C" NOT NULL,
	type text COLLATE "C" NOT NULL,
	subject text COLLATE "C" NOT NULL,
	time timestamptz NOT NULL,
	data jsonb NOT NULL,
	PRIMARY KEY (organization_id, id)
);

CREATE TABLE hand.rollups
(
	organization_id uuid NOT NULL,
	hour timestamptz NOT NULL,
	subject text COLLATE "C" NOT NULL,
	model text COLLATE "C" NOT NULL,
	units numeric NOT NULL,
	events bigint NOT NULL,
	PRIMARY KEY (organization_id, hour, subject, model)
) WITH (fillfactor = 50);
