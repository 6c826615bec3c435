/*
 * oracle.sql
 *		Usage recomputed from the raw events, in plain SQL.
 *
 * Slow and obvious on purpose, and written from the specification alone: it
 * shares no code, no table and no type with the extension.  It keeps its own
 * copy of every definition and every event sent, decides about each event by
 * itself, and answers usage() by going through all counted events again.
 * test/oracle/run sends the same history to both and compares every answer.
 *
 * How it is laid out, so that more can be added at one place each:
 *
 *	 read_event	  one envelope to a row of oracle.sent, or why it is refused
 *	 measure	  what one version makes of one event: value, key, dimensions ...
 *	 ingest		  dedup, and the status of each event; writes oracle.counted
 *	 result		  one function over one set of counted events
 *	 usage		  windows x groups x result
 *
 * The rest is in sql/, a file a feature: windows, customers, functions with
 * options, fields, schemas, the events behind a number, versions, lateness,
 * corrections, closing.
 *
 * Nothing of oracle.counted is ever changed or removed but for the time until
 * when it held, so that the past can be asked: a row that is corrected ends,
 * and another may begin.
 *
 * Where the specification is silent a comment starting with "Silent:" says
 * what was taken.
 */
CREATE SCHEMA oracle;

CREATE TABLE oracle.meter (
	organization_id uuid NOT NULL,
	key text NOT NULL,
	id text,
	version int NOT NULL DEFAULT 1,
	state text NOT NULL DEFAULT 'published' CHECK (state IN ('draft', 'published', 'archived')),
	definition jsonb NOT NULL,
	PRIMARY KEY (organization_id, key, version)
);

/* Every event that holds its envelope key: accepted, unmatched or in quarantine. */
CREATE TABLE oracle.sent (
	organization_id uuid NOT NULL,
	seq bigint GENERATED ALWAYS AS IDENTITY,
	type text NOT NULL,
	source text NOT NULL,
	id text,
	subject text,
	event_time timestamptz NOT NULL,
	time_given boolean NOT NULL,
	data jsonb,
	aim text,
	came_after timestamptz NOT NULL,	/* between these two */
	came_before timestamptz NOT NULL,
	stored boolean NOT NULL DEFAULT true,	/* false: in quarantine, and for nobody else */
	PRIMARY KEY (organization_id, seq)
);
CREATE INDEX ON oracle.sent (organization_id, id);

/*
 * What each meter counts, and since when and until when it did; the profile ''
 * is the definition's own.  The time is where the event is counted, which a
 * late one's own time may be before.
 */
CREATE TABLE oracle.counted (
	organization_id uuid NOT NULL,
	meter text NOT NULL,
	version int NOT NULL,
	profile text NOT NULL,
	seq bigint NOT NULL,
	known_from timestamptz NOT NULL DEFAULT clock_timestamp(),
	known_to timestamptz NOT NULL DEFAULT 'infinity',
	event_time timestamptz NOT NULL,
	subject text,
	value numeric,
	unique_key text,
	dimensions jsonb NOT NULL,
	currency text,
	PRIMARY KEY (organization_id, meter, seq, profile, known_from)
);

/* Keys used in the key space of a meter with a dedup_key_path. */
CREATE TABLE oracle.meter_key (
	organization_id uuid NOT NULL,
	meter text NOT NULL,
	key text NOT NULL,
	seq bigint NOT NULL,
	subject text,
	data jsonb,
	given_time timestamptz,
	PRIMARY KEY (organization_id, meter, key)
);

/* Events kept as rejected, by a meter or as a whole: refused, or in conflict. */
CREATE TABLE oracle.rejected (
	organization_id uuid NOT NULL,
	no bigint GENERATED ALWAYS AS IDENTITY,
	event_id text,
	meter text,
	reason text NOT NULL,
	event jsonb,
	seq bigint,				/* where others count it */
	came_after timestamptz,
	came_before timestamptz
);

/* A bare name means the member of that name. */
CREATE FUNCTION oracle.path(path text) RETURNS jsonpath
LANGUAGE sql IMMUTABLE AS $$
	SELECT (CASE WHEN path LIKE '$%' THEN path ELSE '$.' || to_json(path) END)::jsonpath
$$;

/* The value at a path, or NULL where there is none. */
CREATE FUNCTION oracle.field(data jsonb, path text) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT jsonb_path_query_first(data, oracle.path(path), silent => true)
$$;

/*
 * A number as JSON writes it, or text of the same form; anything else gives
 * NULL.  Silent: how large a number may be; taken: 128 digits on each side.
 */
CREATE FUNCTION oracle.number(v jsonb) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
	n numeric;
BEGIN
	IF jsonb_typeof(v) NOT IN ('number', 'string') THEN
		RETURN NULL;
	END IF;
	IF v #>> '{}' !~ '^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$' THEN
		RETURN NULL;
	END IF;
	n := (v #>> '{}')::numeric;
	IF abs(n) >= 1e128 OR scale(n) > 128 THEN
		RETURN NULL;
	END IF;
	RETURN n;
EXCEPTION WHEN numeric_value_out_of_range OR invalid_text_representation THEN
	RETURN NULL;
END
$$;

/*
 * Three-way comparison of two scalars of one kind, NULL where they are not
 * comparable.  Silent: mixed kinds; taken: not comparable.
 */
CREATE FUNCTION oracle.compare(a jsonb, b jsonb) RETURNS int
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF jsonb_typeof(a) IS DISTINCT FROM jsonb_typeof(b) THEN
		RETURN NULL;
	ELSIF jsonb_typeof(a) = 'number' THEN
		RETURN sign((a #>> '{}')::numeric - (b #>> '{}')::numeric);
	ELSIF jsonb_typeof(a) = 'string' THEN
		RETURN CASE WHEN (a #>> '{}') COLLATE "C" < (b #>> '{}') THEN -1
					WHEN a = b THEN 0 ELSE 1 END;
	ELSE
		RETURN CASE WHEN a = b THEN 0 END;
	END IF;
END
$$;

/*
 * Does data satisfy a filter tree?  Silent: what operators make of a missing
 * field; taken: it is null, as a missing dimension is, which equals null only
 * and does not exist.
 */
CREATE FUNCTION oracle.matches(tree jsonb, data jsonb) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
DECLARE
	part jsonb;
	v jsonb;
	arg jsonb := tree -> 'value';
	t text;
	a text := CASE WHEN jsonb_typeof(tree -> 'value') = 'string' THEN tree ->> 'value' END;
BEGIN
	IF tree IS NULL OR tree = 'null' THEN
		RETURN true;
	ELSIF tree ? 'and' THEN
		FOR part IN SELECT jsonb_array_elements(tree -> 'and') LOOP
			IF NOT oracle.matches(part, data) THEN
				RETURN false;
			END IF;
		END LOOP;
		RETURN true;
	ELSIF tree ? 'or' THEN
		FOR part IN SELECT jsonb_array_elements(tree -> 'or') LOOP
			IF oracle.matches(part, data) THEN
				RETURN true;
			END IF;
		END LOOP;
		RETURN false;
	ELSIF tree ? 'not' THEN
		RETURN NOT oracle.matches(tree -> 'not', data);
	END IF;

	v := coalesce(oracle.field(data, tree ->> 'field'), 'null');
	t := CASE WHEN jsonb_typeof(v) = 'string' THEN v #>> '{}' END;
	CASE tree ->> 'op'
		WHEN 'eq' THEN
			RETURN coalesce(oracle.compare(v, arg) = 0, false);
		WHEN 'neq' THEN
			RETURN NOT coalesce(oracle.compare(v, arg) = 0, false);
		WHEN 'gt' THEN
			RETURN coalesce(oracle.compare(v, arg) > 0, false);
		WHEN 'gte' THEN
			RETURN coalesce(oracle.compare(v, arg) >= 0, false);
		WHEN 'lt' THEN
			RETURN coalesce(oracle.compare(v, arg) < 0, false);
		WHEN 'lte' THEN
			RETURN coalesce(oracle.compare(v, arg) <= 0, false);
		WHEN 'in' THEN
			RETURN EXISTS (SELECT FROM jsonb_array_elements(arg) e WHERE oracle.compare(v, e) = 0);
		WHEN 'nin' THEN
			RETURN NOT EXISTS (SELECT FROM jsonb_array_elements(arg) e WHERE oracle.compare(v, e) = 0);
		WHEN 'contains' THEN
			IF jsonb_typeof(v) = 'array' THEN
				RETURN EXISTS (SELECT FROM jsonb_array_elements(v) e WHERE oracle.compare(e, arg) = 0);
			END IF;
			RETURN coalesce(strpos(t, a) > 0, false);
		WHEN 'starts_with' THEN
			RETURN coalesce(starts_with(t, a), false);
		WHEN 'ends_with' THEN
			RETURN coalesce(right(t, length(a)) = a, false);
		WHEN 'matches' THEN
			RETURN coalesce(t ~ a, false);
		WHEN 'exists' THEN
			RETURN (v <> 'null') = coalesce(arg, 'true')::boolean;
	END CASE;
END
$$;

CREATE TYPE oracle.measured AS (
	outcome text,				/* counted, skipped (by the filters), rejected */
	reason text,
	profiles jsonb,				/* those that count it: [{"profile", "value", "unique_key"}] */
	subject text,
	dimensions jsonb,
	currency text,
	dedup_key text
);

/* What one profile takes from an event. */
CREATE FUNCTION oracle.take(p jsonb, negative_allowed boolean, data jsonb, t timestamptz,
							OUT value numeric, OUT unique_key text, OUT reason text)
LANGUAGE plpgsql STABLE AS $$
BEGIN
	CASE p ->> 'function'
		WHEN 'count' THEN
			RETURN;
		WHEN 'unique_count' THEN
			unique_key := oracle.field(data, p ->> 'unique_by_field') #>> '{}';
			reason := CASE WHEN unique_key IS NULL THEN 'unique key' END;
			RETURN;
		WHEN 'custom' THEN
			SELECT e.value, e.reason INTO value, reason FROM oracle.expression_number(p -> 'function_options', data, t) e;
		ELSE
			value := oracle.number(oracle.field(data, p ->> 'value_field'));
			reason := CASE WHEN value IS NULL THEN 'value' END;
	END CASE;
	IF value < 0 AND NOT negative_allowed THEN
		reason := 'negative';
	END IF;
END
$$;

/*
 * What a definition makes of an event.
 *
 * Silent, and taken so: the schema and the fields are asked of every event, the
 * rest is not checked of one that the filters of all profiles leave out; one
 * that any profile can not take is rejected for the meter, in all profiles.
 */
CREATE FUNCTION oracle.measure(def jsonb, envelope_subject text, data jsonb, t timestamptz) RETURNS oracle.measured
LANGUAGE plpgsql STABLE AS $$
DECLARE
	m oracle.measured;
	p jsonb;
	taken record;
	v jsonb;
BEGIN
	m.outcome := 'rejected';
	m.reason := coalesce(oracle.schema_error(def -> 'event_schema', data), oracle.fields_error(def -> 'data_fields', data));
	IF m.reason IS NOT NULL THEN
		RETURN m;
	END IF;
	SELECT d.data, d.reason INTO data, m.reason FROM oracle.derive(def -> 'derived_fields', data, t) d;
	IF m.reason IS NOT NULL THEN
		RETURN m;
	END IF;

	m.profiles := '[]';
	FOR p IN SELECT oracle.profiles(def) LOOP
		CONTINUE WHEN NOT oracle.matches(p -> 'filter_tree', data);
		SELECT * INTO taken FROM oracle.take(p, coalesce((def ->> 'negative_allowed')::boolean, false), data, t);
		IF taken.reason IS NOT NULL THEN
			m.reason := taken.reason;
			RETURN m;
		END IF;
		m.profiles := m.profiles || jsonb_build_object('profile', p -> 'profile', 'value', taken.value, 'unique_key', taken.unique_key);
	END LOOP;
	IF m.profiles = '[]' THEN
		m.outcome := 'skipped';
		RETURN m;
	END IF;

	IF def ->> 'unit_currency_field' IS NOT NULL THEN
		v := oracle.field(data, def ->> 'unit_currency_field');
		IF jsonb_typeof(v) IS DISTINCT FROM 'string' OR v #>> '{}' !~ '^[A-Z]{3}$' THEN
			m.reason := 'currency';
			RETURN m;
		END IF;
		m.currency := v #>> '{}';
	END IF;

	IF def ->> 'dedup_key_path' IS NOT NULL THEN
		m.dedup_key := oracle.field(data, def ->> 'dedup_key_path') #>> '{}';
		IF m.dedup_key IS NULL THEN
			m.reason := 'dedup key';
			RETURN m;
		END IF;
	END IF;

	m.subject := envelope_subject;
	IF def -> 'account_mapping' ->> 'event_property' IS NOT NULL THEN
		v := oracle.field(data, def -> 'account_mapping' ->> 'event_property');
		/* Silent: what may name an account; taken: a string that is not empty, or a number */
		m.subject := CASE jsonb_typeof(v) WHEN 'string' THEN nullif(v #>> '{}', '')
					 WHEN 'number' THEN trim_scale((v #>> '{}')::numeric)::text END;
		IF m.subject IS NULL THEN
			m.reason := 'account';
			RETURN m;
		END IF;
	END IF;

	SELECT coalesce(jsonb_object_agg(d.key, coalesce(oracle.field(data, d.value), 'null')), '{}')
	INTO m.dimensions
	FROM jsonb_each_text(coalesce(nullif(def -> 'dimensions', 'null'), '{}')) d;
	m.outcome := 'counted';
	RETURN m;
END
$$;

/* An envelope as columns; reason says why it is refused as a whole. */
CREATE FUNCTION oracle.read_event(event jsonb, OUT e oracle.sent, OUT aim text, OUT reason text)
LANGUAGE plpgsql STABLE AS $$
BEGIN
	IF jsonb_typeof(event) IS DISTINCT FROM 'object' THEN
		reason := 'not an object';
		RETURN;
	END IF;
	e.id := event ->> 'id';
	e.type := event ->> 'type';
	e.source := coalesce(event ->> 'source', '');
	e.subject := event ->> 'subject';
	e.data := event -> 'data';
	aim := event ->> 'meter';
	e.time_given := event ->> 'time' IS NOT NULL;
	IF e.type IS NULL AND aim IS NULL THEN
		reason := 'no type';
	END IF;
	BEGIN
		e.event_time := coalesce((event ->> 'time')::timestamptz, now());
	EXCEPTION WHEN data_exception THEN
		reason := 'time';
	END;
END
$$;

CREATE FUNCTION oracle.reject(org uuid, event_id text, meter text, reason text) RETURNS void
LANGUAGE sql AS $$
	INSERT INTO oracle.rejected (organization_id, event_id, meter, reason) VALUES (org, event_id, meter, reason)
$$;

/* The meters that an event of this type, aimed at that meter if any, is for. */
CREATE FUNCTION oracle.listening(org uuid, type text, aim text) RETURNS SETOF text
LANGUAGE sql STABLE AS $$
	SELECT DISTINCT o.key FROM oracle.meter o
	WHERE o.organization_id = org AND o.definition ->> 'metric_key' = $2 AND (aim IS NULL OR aim IN (o.key, o.id))
	ORDER BY 1
$$;

/*
 * One event: its status and code.
 *
 * Silent, and taken so: a rejected event leaves no key behind (a corrected
 * retry must count); an event that every listening meter's filter leaves out
 * is accepted; one that no meter counts and one finds in conflict is a conflict,
 * else, when one rejects it, rejected.
 */
CREATE FUNCTION oracle.take_event(org uuid, event jsonb, came_after timestamptz, came_before timestamptz,
								  OUT id text, OUT status text, OUT code text, OUT this bigint)
LANGUAGE plpgsql AS $$
DECLARE
	r record;
	old oracle.sent;
	m oracle.meter;
	x oracle.measured;
	used oracle.meter_key;
	key text;
	measured record;
	listening int := 0;
	counted int := 0;
	skipped int := 0;
	refused int := 0;
	again int := 0;
	conflicting int := 0;
	p record;
	refusal text;
	how text[] := '{}';
	found_places timestamptz[] := '{}';
	kept text[] := '{}';
	kept_keys text[] := '{}';
	given timestamptz;
	found_meters text[] := '{}';
	found_values oracle.measured[] := '{}';
	found_versions int[] := '{}';
BEGIN
	SELECT * INTO r FROM oracle.read_event(event);
	id := (r.e).id;
	IF r.reason IS NOT NULL THEN
		PERFORM oracle.reject(org, id, NULL, r.reason);
		status := 'rejected';
		RETURN;
	END IF;
	given := CASE WHEN (r.e).time_given THEN (r.e).event_time END;

	/* an id may be absent only where a listening meter has keys of its own */
	IF id IS NULL AND NOT EXISTS (
		SELECT FROM oracle.meter o
		WHERE o.organization_id = org AND o.definition ->> 'metric_key' = (r.e).type
		  AND (r.aim IS NULL OR r.aim IN (o.key, o.id)) AND o.definition ->> 'dedup_key_path' IS NOT NULL)
	THEN
		PERFORM oracle.reject(org, NULL, NULL, 'no id');
		status := 'rejected';
		RETURN;
	END IF;

	/* the envelope's key makes the event itself once-only */
	SELECT s.* INTO old FROM oracle.sent s
	WHERE s.organization_id = org AND s.type = (r.e).type
	  AND s.source = (r.e).source AND s.id = (r.e).id
	ORDER BY s.seq LIMIT 1;		/* what took its place has the same id */
	IF FOUND THEN
		IF (old.subject, old.data, CASE WHEN old.time_given THEN old.event_time END)
		   IS NOT DISTINCT FROM ((r.e).subject, (r.e).data, given) THEN
			status := 'duplicate';
		ELSE
			status := 'conflict';
			PERFORM oracle.reject(org, id, NULL, 'conflict');
		END IF;
		RETURN;
	END IF;

	/* what each listening meter makes of it */
	FOR key IN SELECT oracle.listening(org, (r.e).type, r.aim) LOOP
		listening := listening + 1;
		m := oracle.version_at(org, key, (r.e).event_time);
		x := oracle.measure(m.definition, (r.e).subject, (r.e).data, (r.e).event_time);
		/* nothing would keep this meter from counting a retry once more */
		IF x.outcome = 'counted' AND x.dedup_key IS NULL AND id IS NULL THEN
			x.outcome := 'rejected';
			x.reason := 'no id';
		END IF;
		IF x.outcome = 'skipped' THEN
			skipped := skipped + 1;
			CONTINUE;
		ELSIF x.outcome = 'rejected' THEN
			refused := refused + 1;
			PERFORM oracle.reject(org, id, key, x.reason);
			CONTINUE;
		END IF;
		SELECT k.* INTO used FROM oracle.meter_key k
		WHERE k.organization_id = org AND k.meter = m.key AND k.key = x.dedup_key;
		IF FOUND THEN
			IF (used.subject, used.data, used.given_time)
			   IS NOT DISTINCT FROM ((r.e).subject, (r.e).data, given) THEN
				again := again + 1;
			ELSE
				conflicting := conflicting + 1;
				PERFORM oracle.reject(org, id, key, 'conflict');
			END IF;
			CONTINUE;
		END IF;
		SELECT * INTO p FROM oracle.place(org, m.definition, (r.e).event_time, came_after, came_before);
		how := how || p.status;
		IF p.status = 'rejected' THEN
			refused := refused + 1;
			refusal := coalesce(refusal, p.code);
			PERFORM oracle.reject(org, id, key, p.code);
			CONTINUE;
		ELSIF p.status = 'late_quarantined' THEN
			kept := kept || key;
			kept_keys := array_append(kept_keys, x.dedup_key);
			CONTINUE;
		END IF;
		counted := counted + 1;
		found_places := found_places || p.place;
		found_meters := found_meters || key;
		found_values := found_values || x;
		found_versions := found_versions || m.version;
	END LOOP;

	IF listening = 0 THEN
		status := 'unmatched';
	ELSIF counted > 0 THEN
		status := oracle.status_of(how);
		code := CASE WHEN refused + conflicting + cardinality(kept) > 0 THEN 'PARTIAL' END;
	ELSIF kept <> '{}' THEN
		status := 'late_quarantined';
	ELSIF conflicting > 0 THEN
		status := 'conflict';
		RETURN;
	ELSIF refused > 0 THEN
		status := 'rejected';
		/* Silent: which of several reasons is said; taken: any */
		code := CASE WHEN refused = 1 THEN refusal END;
		RETURN;
	ELSIF again > 0 THEN
		status := 'duplicate';
		RETURN;
	ELSE
		status := 'accepted';
	END IF;

	INSERT INTO oracle.sent (organization_id, type, source, id, subject, event_time, time_given, data, aim, came_after, came_before)
	VALUES (org, (r.e).type, (r.e).source, id, (r.e).subject, (r.e).event_time, (r.e).time_given, (r.e).data, r.aim, came_after, came_before)
	RETURNING seq INTO this;
	FOR i IN 1 .. counted LOOP
		x := found_values[i];
		PERFORM oracle.count(org, this, oracle.version_numbered(org, found_meters[i], found_versions[i]), x, found_places[i]);
		IF x.dedup_key IS NOT NULL THEN
			INSERT INTO oracle.meter_key
			VALUES (org, found_meters[i], x.dedup_key, this, (r.e).subject, (r.e).data, given);
		END IF;
	END LOOP;
	UPDATE oracle.sent s SET stored = false WHERE s.organization_id = org AND s.seq = this AND status = 'late_quarantined' AND skipped = 0;
	INSERT INTO oracle.quarantined (organization_id, seq, meter) SELECT org, this, unnest(kept);
	INSERT INTO oracle.meter_key
	SELECT org, k.meter, k.key, this, (r.e).subject, (r.e).data, given FROM unnest(kept, kept_keys) k(meter, key) WHERE k.key IS NOT NULL;
END
$$;

/* The same, where what is rejected is kept whole. */
CREATE FUNCTION oracle.ingest_one(org uuid, event jsonb, came_after timestamptz DEFAULT NULL, came_before timestamptz DEFAULT NULL,
								  OUT id text, OUT status text, OUT code text)
LANGUAGE plpgsql AS $$
DECLARE
	last bigint := (SELECT coalesce(max(r.no), 0) FROM oracle.rejected r);
	this bigint;
BEGIN
	came_after := coalesce(came_after, oracle.clock_before());
	came_before := coalesce(came_before, oracle.clock_after());
	SELECT t.* INTO id, status, code, this FROM oracle.take_event(org, event, came_after, came_before) t;
	UPDATE oracle.rejected r SET event = ingest_one.event, seq = this, came_after = ingest_one.came_after, came_before = ingest_one.came_before
	WHERE r.organization_id = org AND r.no > last;
END
$$;

/* A document with one event or an array of them, as meter.ingest takes it. */
CREATE FUNCTION oracle.ingest(org uuid, events json)
RETURNS TABLE (ordinal int, id text, status text, code text)
LANGUAGE plpgsql AS $$
DECLARE
	one json;
	event jsonb;
BEGIN
	ordinal := 0;
	FOR one IN
		SELECT e FROM json_array_elements(CASE WHEN json_typeof(events) = 'array' THEN events
										  ELSE json_build_array(events) END) e
	LOOP
		ordinal := ordinal + 1;
		BEGIN
			event := one::jsonb;
		EXCEPTION WHEN OTHERS THEN
			/* what jsonb can not hold, nobody can count */
			PERFORM oracle.reject(org, NULL, NULL, SQLERRM);
			id := NULL;
			status := 'rejected';
			code := NULL;
			RETURN NEXT;
			CONTINUE;
		END;
		SELECT i.id, i.status, i.code INTO id, status, code FROM oracle.ingest_one(org, event) i;
		RETURN NEXT;
	END LOOP;
END
$$;

/*
 * A report is an event aimed at one meter, with the value where the value_field
 * of the version of its time looks for it, beside the metadata.  Silent: where a meter that
 * calculates its value looks; taken: in the field value, if it may have one.
 */
CREATE FUNCTION oracle.report_usage(org uuid, report jsonb, idempotency_key text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	m oracle.meter;
	data jsonb := coalesce(report -> 'metadata', '{}');
	v jsonb := report -> 'value';
	path text;
	step text;
	result text;
BEGIN
	SELECT v.* INTO m FROM oracle.meter o, oracle.version_at(org, o.key, coalesce((report ->> 'timestamp')::timestamptz, now())) v
	WHERE o.organization_id = org
	  AND coalesce(report ->> 'meterId', report ->> 'meterName') IN (o.id, o.key, o.definition ->> 'name') LIMIT 1;
	path := m.definition ->> 'value_field';
	IF m.definition ->> 'function' = 'custom'
	   OR m.definition -> 'derived_fields' @> jsonb_build_array(jsonb_build_object('code', ltrim(path, '$.'))) THEN
		path := 'value';
		IF NOT coalesce(m.definition -> 'data_fields' @> '[{"code": "value"}]', true) THEN
			RETURN 'rejected';
		END IF;
	END IF;
	IF path IS NOT NULL THEN
		FOR step IN
			SELECT trim(p, '"') FROM regexp_split_to_table(ltrim(path, '$.'), '\.')
			WITH ORDINALITY x(p, n) ORDER BY n DESC
		LOOP
			v := jsonb_build_object(step, v);
		END LOOP;
		data := data || v;
	/* Silent: what becomes of a value that nobody reads; taken: it has to be one */
	ELSIF oracle.number(v) IS NULL THEN
		RETURN 'rejected';
	END IF;
	/* Silent: who is meant where the metadata name an account too; taken: that one */
	IF m.definition -> 'account_mapping' ->> 'event_property' IS NOT NULL THEN
		data := jsonb_build_object(ltrim(m.definition -> 'account_mapping' ->> 'event_property', '$.'), report -> 'customerId') || data;
	END IF;
	SELECT i.status INTO result FROM oracle.ingest_one(org, jsonb_build_object('id', idempotency_key,
		'source', 'report_usage', 'type', m.definition ->> 'metric_key', 'subject', report -> 'customerId',
		'time', report -> 'timestamp', 'data', data, 'meter', m.key)) i;
	RETURN CASE WHEN result = 'accepted' OR result LIKE 'late%' THEN 'queued' ELSE result END;
END
$$;

/* usage()'s filter: a filter tree whose fields are dimensions and subject. */
CREATE FUNCTION oracle.filter_matches(filter jsonb, dimensions jsonb, subject text) RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT oracle.matches(filter, dimensions || jsonb_build_object('subject', subject))
$$;

/* Is an event's subject the one asked for, or another of the same customer's? */
CREATE FUNCTION oracle.asked_for(org uuid, asked text, subject text) RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT asked IS NULL OR coalesce(asked = subject OR oracle.customer_of(org, asked) = oracle.customer_of(org, subject), false)
$$;

/* Each profile of a definition in the words of the definition's own. */
CREATE FUNCTION oracle.profiles(def jsonb) RETURNS SETOF jsonb
LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('profile', '', 'function', def -> 'function', 'value_field', def -> 'value_field',
		'unique_by_field', def -> 'unique_by_field', 'function_options', def -> 'function_options', 'filter_tree', def -> 'filter_tree')
	UNION ALL
	SELECT jsonb_build_object('profile', p -> 'code', 'function', p -> 'aggregation_method', 'recurring', p -> 'recurring',
		'window', p -> 'aggregation_time_window',
		'value_field', p -> 'aggregation_property', 'unique_by_field', p -> 'aggregation_property',
		'function_options', p -> 'function_options',
		'filter_tree', (SELECT jsonb_build_object('and', coalesce(jsonb_agg(jsonb_build_object(
				'field', f -> 'property', 'op', f -> 'operator',
				'value', CASE WHEN f ->> 'operator' IN ('in', 'nin') THEN f -> 'value' ELSE f -> 'value' -> 0 END)), '[]'))
			FROM jsonb_array_elements(nullif(p -> 'filters', 'null')) f))
	FROM jsonb_array_elements(nullif(def -> 'profiles', 'null')) p
$$;

/* What a profile of a meter counted, in each version as that version has it. */
CREATE FUNCTION oracle.counted_by(org uuid, meter text, profile text, as_of timestamptz,
	OUT c oracle.counted, OUT p jsonb, OUT kind text, OUT level text) RETURNS SETOF record
LANGUAGE sql STABLE AS $$
	SELECT c, p, oracle.kind(o.definition, p), oracle.level_kind(o.definition, p)
	FROM oracle.meter o, oracle.profiles(o.definition) p, oracle.counted c
	WHERE o.organization_id = $1 AND $2 IN (o.key, o.id) AND p ->> 'profile' = coalesce($3, '')
	  AND c.organization_id = o.organization_id AND c.meter = o.key AND c.version = o.version AND c.profile = p ->> 'profile'
	  AND oracle.known(c.known_from, c.known_to, as_of)
$$;

/* Windows of a question. */
CREATE FUNCTION oracle.usage_windows(org uuid, period_from timestamptz, period_to timestamptz, subject text,
									 window_size text, time_zone text, def jsonb)
RETURNS TABLE (window_start timestamptz, window_end timestamptz)
LANGUAGE plpgsql STABLE AS $$
BEGIN
	IF window_size = 'billing_period' THEN
		RETURN QUERY SELECT * FROM oracle.billing_periods(org, subject, period_from, period_to, def);
	ELSE
		RETURN QUERY SELECT * FROM oracle.windows(period_from, period_to, CASE WHEN window_size IS NOT NULL THEN
			jsonb_build_object('size', window_size, 'time_zone', coalesce(to_jsonb(time_zone), def -> 'time_zone'),
							   'week_start', def -> 'week_start') END);
	END IF;
END
$$;

/*
 * Does what was before a window matter?  Silent: how the value of a recurring
 * profile persists; taken: it is the function over all until the window's end.
 */
CREATE FUNCTION oracle.persists(p jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
	SELECT p ->> 'function' = 'weighted_sum' OR coalesce((p ->> 'recurring')::boolean, false)
$$;

/* A function over the events of a group before the window's end. */
CREATE FUNCTION oracle.result(p jsonb, window_start timestamptz, window_end timestamptz, events oracle.counted[]) RETURNS numeric
LANGUAGE plpgsql STABLE AS $$
DECLARE
	inside oracle.counted[] := ARRAY(SELECT e FROM unnest(events) e 
		WHERE (e).seq IS NOT NULL AND ((e).event_time >= window_start OR oracle.persists(p)));
BEGIN
	RETURN CASE p ->> 'function'
		WHEN 'sum' THEN (SELECT coalesce(sum((e).value), 0) FROM unnest(inside) e)
		WHEN 'custom' THEN (SELECT sum((e).value) FROM unnest(inside) e)
		WHEN 'count' THEN cardinality(inside)
		WHEN 'avg' THEN (SELECT avg((e).value) FROM unnest(inside) e)
		WHEN 'min' THEN (SELECT min((e).value) FROM unnest(inside) e)
		WHEN 'max' THEN (SELECT max((e).value) FROM unnest(inside) e)
		WHEN 'latest' THEN (SELECT (e).value FROM unnest(inside) e ORDER BY (e).event_time DESC, (e).seq DESC LIMIT 1)
		WHEN 'unique_count' THEN (SELECT count(DISTINCT (e).unique_key) FROM unnest(inside) e)
		WHEN 'percentile' THEN oracle.percentile((p #>> '{function_options,percentile}')::numeric, ARRAY(SELECT (e).value FROM unnest(inside) e))
		WHEN 'weighted_sum' THEN oracle.weighted(coalesce(p #>> '{function_options,mode}', 'delta'), window_start, window_end, events)
	END;
END
$$;

CREATE FUNCTION oracle.usage(organization_id uuid, meter text, period_from timestamptz, period_to timestamptz,
							 subject text DEFAULT NULL, window_size text DEFAULT NULL,
							 group_by text[] DEFAULT '{}', filter jsonb DEFAULT NULL,
							 time_zone text DEFAULT NULL, profile text DEFAULT NULL,
							 as_of timestamptz DEFAULT NULL)
RETURNS TABLE (window_start timestamptz, window_end timestamptz, subject text, dimensions jsonb,
			   currency text, version int, value numeric, event_count bigint)
LANGUAGE sql STABLE AS $$
	WITH w AS (
		SELECT x.window_start, x.window_end
		FROM oracle.usage_windows($1, $3, $4, $5, $6, $9, oracle.asked_window($1, $2, $10, $11)) x
	), piece AS (
		SELECT w.window_start AS ws, w.window_end AS we, s.*
		FROM w, oracle.segments($1, $2, $10, $11, w.window_start, w.window_end) s
	), counted AS (
		SELECT x.c, x.p, x.kind, x.level, (x.c).event_time, (x.c).version, (x.c).currency,
			   CASE WHEN 'subject' = ANY ($7) AND $5 IS NULL THEN oracle.owner($1, (c).subject) ELSE $5 END AS group_subject,
			   (SELECT coalesce(jsonb_object_agg(g, (c).dimensions -> g), '{}')
				FROM unnest($7) g WHERE g <> 'subject') AS group_dimensions
		FROM oracle.counted_by($1, $2, $10, $11) x
		WHERE ((c).event_time >= $3 OR oracle.persists(p)) AND (c).event_time < $4
		  AND oracle.asked_for($1, $5, (c).subject)
		  AND oracle.filter_matches($8, (c).dimensions, (c).subject)
	), stray AS (
		/* counted in a window that has no piece of this kind: a piece of its own */
		SELECT w.window_start AS ws, w.window_end AS we, w.window_start AS piece_start, w.window_end AS piece_end,
			   c.version, (array_agg(c.p))[1] AS p, c.kind, c.level
		FROM w JOIN counted c ON c.event_time >= w.window_start AND c.event_time < w.window_end
		WHERE NOT EXISTS (SELECT FROM piece s WHERE s.ws = w.window_start AND s.kind = c.kind)
		GROUP BY w.window_start, w.window_end, c.version, c.kind, c.level
	), event AS (
		/* each in its piece; a stray one in the first that is of its kind */
		SELECT s.ws, s.piece_start, s.piece_end, s.version, e.c, e.currency, e.group_subject, e.group_dimensions, true AS inside
		FROM piece s JOIN counted e ON e.kind = s.kind AND e.event_time >= s.ws AND e.event_time < s.we
		WHERE CASE WHEN EXISTS (SELECT FROM piece o WHERE o.ws = s.ws AND o.kind = s.kind AND o.piece_start <= e.event_time AND e.event_time < o.piece_end)
			  THEN s.piece_start <= e.event_time AND e.event_time < s.piece_end
			  ELSE s.piece_start = (SELECT min(o.piece_start) FROM piece o WHERE o.ws = s.ws AND o.kind = s.kind) END
		UNION ALL
		SELECT s.ws, s.piece_start, s.piece_end, s.version, e.c, e.currency, e.group_subject, e.group_dimensions, true
		FROM stray s JOIN counted e ON e.version = s.version AND e.event_time < s.we AND e.event_time >= s.ws
		UNION ALL
		/* what persists from before, also what a version counted behind its end, in
		   the quarter of an hour in which that is: no level vanishes */
		SELECT s.ws, s.piece_start, s.piece_end, s.version, e.c, e.currency, e.group_subject, e.group_dimensions, false
		FROM piece s JOIN counted e ON e.level = s.level AND e.event_time >= s.since
			AND (e.event_time < s.piece_start OR e.event_time < s.piece_end AND e.kind <> s.kind
				AND date_bin('15 minutes', e.event_time, '2000-01-01Z') < s.piece_start)
		WHERE oracle.persists(s.p)
	), answer AS (
		SELECT s.piece_start AS window_start, s.piece_end AS window_end, s.version,
			   CASE WHEN cardinality($7) = 0 THEN $5 ELSE e.group_subject END AS subject,
			   coalesce(e.group_dimensions, '{}') AS dimensions, e.currency,
			   oracle.result(s.p, s.piece_start, s.piece_end, array_agg(e.c)) AS value,
			   count(*) FILTER (WHERE e.inside) AS event_count
		FROM (SELECT ws, piece_start, piece_end, version, p FROM piece UNION ALL SELECT ws, piece_start, piece_end, version, p FROM stray) s
		LEFT JOIN event e USING (ws, piece_start, piece_end, version)
		GROUP BY s.piece_start, s.piece_end, s.p, s.version, e.group_subject, e.group_dimensions, e.currency
	)
	/* Silent: a group without events whose value persists; taken: it has a row unless that is 0 */
	SELECT a.window_start, a.window_end, a.subject, a.dimensions, a.currency, a.version, a.value, a.event_count
	FROM answer a
	WHERE cardinality($7) = 0 OR a.event_count > 0 OR a.value <> 0
$$;
