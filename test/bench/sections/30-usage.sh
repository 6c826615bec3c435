# usage() for one subject and one month, and again with ten times the history.

subjects=1000
new_store ours \
	'{"key":"units","name":"units","metric_key":"api.request","function":"sum","value_field":"$.units","dimensions":{"model":"$.model"}}'

# load FIRST_DAY DAYS EVENTS SEED: in large batches; only reading is measured here.
load() {
	generate json --events "$3" --subjects $subjects --days "$2" --from $((1735689600 + $1 * 86400)) --seed "$4" --batch 20000 |
		driver batches --slice "$3" load statement ours 20000 /dev/stdin "SELECT count(*) FROM meter.ingest('$organization', \$1)" >/dev/null
	sql ours "VACUUM (ANALYZE)"
}

# The server's own time of many calls, each for another subject. The first few warm caches.
sql ours <<'SQL'
CREATE FUNCTION public.time_usage(period_from timestamptz, period_to timestamptz, window_size text, group_by text[], zone text, calls int,
	OUT p50 numeric, OUT p99 numeric, OUT checked numeric)
LANGUAGE plpgsql AS $$
DECLARE
	times float8[] := '{}';
	before timestamptz;
	answer numeric;
BEGIN
	checked := 0;
	FOR n IN -20 .. calls - 1 LOOP
		before := clock_timestamp();
		SELECT sum(u.value) INTO answer
		FROM meter.usage('0b5e55ed-0000-4000-8000-000000000001', 'units', period_from, period_to,
			'customer-' || lpad(((n + 1000) * 7 % 1000)::text, 5, '0'), window_size, group_by, NULL, zone) u;
		IF n >= 0 THEN
			times := times || extract(epoch FROM clock_timestamp() - before)::float8;
			checked := checked + answer;
		END IF;
	END LOOP;
	SELECT round((percentile_cont(0.5) WITHIN GROUP (ORDER BY t) * 1000)::numeric, 3),
		   round((percentile_cont(0.99) WITHIN GROUP (ORDER BY t) * 1000)::numeric, 3)
	INTO p50, p99
	FROM unnest(times) t;
END
$$;
SQL

# measure FILE: p50, p99 and a check sum of each question, a line each.
measure() {
	local question
	: >"$1"
	for question in \
		"one total|'2025-01-01', '2025-02-01', NULL, '{}', NULL" \
		"one total, range cuts two hours|'2025-01-01 00:20', '2025-01-31 23:40', NULL, '{}', NULL" \
		"a row a day|'2025-01-01', '2025-02-01', 'day', '{}', NULL" \
		"a row a day and model, Asia/Kolkata|'2025-01-01', '2025-02-01', 'day', '{model}', 'Asia/Kolkata'"; do
		printf '%s\t%s\n' "${question%%|*}" \
			"$(sql ours "SELECT * FROM public.time_usage(${question#*|}, 400)" | tr '|' '\t')" >>"$1"
	done
}

say "usage, loading $events events of one month"
load 0 31 "$events" 1
measure "$out/usage-1.tsv"
say "usage, loading nine times as many after it"
load 31 279 $((events * 9)) 2
measure "$out/usage-10.tsv"
same "usage of the month" "$(cut -f4 "$out/usage-10.tsv")" "$(cut -f4 "$out/usage-1.tsv")"

short=$(field "one total" 2 <"$out/usage-1.tsv")
long=$(field "one total" 2 <"$out/usage-10.tsv")
target "usage, one subject, one month, from $events events" "$short ms" "" "" "≤ 1 ms"
target "the same when the history is ten times as long" "$long ms" "$short ms" "$(ratio "$long" "$short")" "flat"

cat <<END
## Usage

One meter, $subjects subjects, $events events in one month, then $((events * 9)) more in the nine months after it. A question is about one
subject and that first month, each time another subject; 400 calls each. This is the server's own time (\`clock_timestamp()\` around
the query in a PL/pgSQL loop), after VACUUM, everything in memory. Both histories gave the same answers.

END
paste "$out/usage-1.tsv" "$out/usage-10.tsv" | cut -f1-3,6-7 |
	table "question|p50 ms|p99 ms|10 × history: p50 ms|p99 ms"
