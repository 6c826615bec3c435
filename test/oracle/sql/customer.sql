/*
 * customer.sql
 *		Customers, the subjects that are theirs, and their billing periods.
 */
CREATE TABLE oracle.customer (
	organization_id uuid NOT NULL,
	id text NOT NULL,
	code text,
	PRIMARY KEY (organization_id, id)
);

CREATE TABLE oracle.customer_subject (
	organization_id uuid NOT NULL,
	subject text NOT NULL,
	customer text NOT NULL,
	PRIMARY KEY (organization_id, subject)
);

CREATE TABLE oracle.subscription (
	organization_id uuid NOT NULL,
	customer text NOT NULL,
	started_at timestamptz NOT NULL,
	ended_at timestamptz NOT NULL,
	definition jsonb NOT NULL
);

/* Whose a subject is, or NULL. */
CREATE FUNCTION oracle.customer_of(org uuid, subject text) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT s.customer FROM oracle.customer_subject s WHERE s.organization_id = $1 AND s.subject = $2
$$;

/* What groups call a subject: its customer's code or id, or itself. */
CREATE FUNCTION oracle.owner(org uuid, subject text) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT coalesce((SELECT coalesce(c.code, c.id) FROM oracle.customer c
					 WHERE c.organization_id = $1 AND c.id = oracle.customer_of($1, $2)), $2)
$$;

CREATE FUNCTION oracle.create_customer(org uuid, def jsonb) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO oracle.customer VALUES (org, def ->> 'id', def ->> 'code');
	INSERT INTO oracle.customer_subject
	SELECT org, s, def ->> 'id'
	FROM (SELECT def ->> 'id' UNION SELECT def ->> 'code'
		  UNION SELECT jsonb_array_elements_text(coalesce(def -> 'aliases', '[]'))) x(s)
	WHERE s IS NOT NULL;
END
$$;

CREATE FUNCTION oracle.link_subject(org uuid, customer text, subject text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO oracle.customer_subject VALUES (org, subject, oracle.customer_of(org, customer));
END
$$;

CREATE FUNCTION oracle.unlink_subject(org uuid, customer text, subject text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM oracle.customer_subject s
	WHERE s.organization_id = org AND s.subject = unlink_subject.subject
	  AND s.customer = oracle.customer_of(org, unlink_subject.customer)
	  AND NOT EXISTS (SELECT FROM oracle.customer c WHERE c.organization_id = org AND s.subject IN (c.id, c.code));
	IF NOT FOUND THEN
		RAISE EXCEPTION 'no alias';
	END IF;
END
$$;

CREATE FUNCTION oracle.create_subscription(org uuid, def jsonb) RETURNS void
LANGUAGE sql AS $$
	INSERT INTO oracle.subscription
	SELECT org, oracle.customer_of(org, def ->> 'customer'), (def ->> 'started_at')::timestamptz,
		   coalesce((def ->> 'ended_at')::timestamptz, 'infinity'),
		   jsonb_build_object('anchor', coalesce(def -> 'anchor', def -> 'started_at'),
							  'time_zone', coalesce(def -> 'time_zone', '"UTC"'))
		   || CASE WHEN jsonb_typeof(def -> 'period') = 'object' THEN def -> 'period'
			  ELSE jsonb_build_object('size', coalesce(def -> 'period', '"month"')) END
$$;

/*
 * The billing periods in a range: those of the subscription that covers the
 * time (of several the one that started first), cut at its ends.  Silent: where
 * there is none; taken: months, as the meter's window has its zone and anchor.
 */
CREATE FUNCTION oracle.billing_periods(org uuid, subject text, range_from timestamptz, range_to timestamptz, def jsonb)
RETURNS TABLE (window_start timestamptz, window_end timestamptz)
LANGUAGE plpgsql STABLE AS $$
DECLARE
	s oracle.subscription;
BEGIN
	window_start := range_from;
	WHILE window_start < range_to LOOP
		SELECT * INTO s FROM oracle.subscription x
		WHERE x.organization_id = org AND x.customer = oracle.customer_of(org, subject)
		  AND x.started_at <= window_start AND window_start < x.ended_at
		ORDER BY x.started_at LIMIT 1;
		IF FOUND THEN
			window_end := least(range_to, s.ended_at, oracle.window_end(window_start, s.definition));
		ELSE
			window_end := least(range_to, oracle.window_end(window_start,
					jsonb_build_object('size', 'month', 'time_zone', def -> 'time_zone', 'anchor', def -> 'anchor')),
				(SELECT min(x.started_at) FROM oracle.subscription x
				 WHERE x.organization_id = org AND x.customer = oracle.customer_of(org, subject)
				   AND x.started_at > window_start AND x.ended_at > x.started_at));
		END IF;
		RETURN NEXT;
		window_start := window_end;
	END LOOP;
END
$$;
