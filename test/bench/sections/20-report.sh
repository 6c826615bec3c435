# report_usage, one at a time, against a single hand-written statement.

new_database hand
sql hand <"$bench/hand/tables.sql"
sql hand "INSERT INTO hand.meters VALUES ('$organization', 'tokens', 1)"
new_store ours \
	'{"key":"tokens","name":"tokens","metric_key":"tokens","function":"sum","value_field":"$.value","dimensions":{"model":"$.model"}}'
by_hand=$(cat "$bench/hand/report.sql")
by_meter="SELECT meter.report_usage('$organization', \$1, \$2)"

# measure LABEL WANTED CLIENTS SUBJECTS HOLD_US
measure() {
	local label=$1 wanted=$2 figures ours rival
	say "report_usage, $label"
	figures=$(driver calls --clients "$3" --seconds "$round_seconds" --rounds "$rounds" --subjects "$4" --hold-us "$5" --meter tokens \
		hand hand accepted "$by_hand" ours ours accepted "$by_meter")
	ours=$(field ours 2 <<<"$figures")
	rival=$(field hand 2 <<<"$figures")
	target "report_usage, $label" "$(round "$ours" 0)/s" "$(round "$rival" 0)/s" "$(ratio "$ours" "$rival")" "$wanted"
	printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$label" "$(round "$ours" 0)" "$(field ours 3 <<<"$figures")" "$(field ours 4 <<<"$figures")" \
		"$(round "$rival" 0)" "$(field hand 3 <<<"$figures")" "$(field hand 4 <<<"$figures")" >>"$out/report.tsv"
}

measure "1 client" "≥ 1" 1 10 0
measure "8 clients, 10 hot subjects" "≥ 1" 8 10 0
measure "8 clients, 1 hot subject, transactions open for 5 ms" "≥ 4" 8 1 5000

same "reports counted by hand" "$(sql hand "SELECT count(*), sum((data->>'value')::numeric) FROM hand.events")" \
	"$(sql hand "SELECT sum(events), sum(value) FROM hand.rollups")"
same "reports counted by meter" "$(sql ours "SELECT count(*), sum((data->>'value')::numeric) FROM meter.events")" \
	"$(sql ours "SELECT event_count, value FROM meter.usage('$organization', 'tokens', now() - interval '1 day', now() + interval '1 day')")"

cat <<END
## One report at a time

One call, one commit, a new key each time; rounds of $round_seconds s by turns, medians of $rounds. The rival is one prepared statement
that inserts the event (its key is the primary key) and updates the rollup row (\`test/bench/hand/report.sql\`). In the last line each
caller's transaction stays open for 5 ms after the report, as a business transaction does: whoever shares a row queues.

END
table "callers|meter calls/s|p50 ms|p99 ms|by hand calls/s|p50 ms|p99 ms" <"$out/report.tsv"
