# report_usage under a quota, against one written by hand; and what is refused, against what is accepted.

subjects=10
limit=1000000000000
definition='{"key":"tokens","name":"tokens","metric_key":"tokens","function":"sum","value_field":"$.value","dimensions":{"model":"$.model"}}'

# new_quota DATABASE LIMIT: reports of the subjects go up to there in all.
new_quota() {
	new_store "$1" "$definition"
	sql "$1" "SELECT meter.create_threshold('$organization', '{\"name\":\"quota\",\"meter\":\"tokens\",\"threshold_value\":$2,\"action_kind\":\"block\"}')" >/dev/null
}

new_database hand
sql hand <"$bench/hand/tables.sql"
sql hand <"$bench/hand/quota.sql"
sql hand "INSERT INTO hand.quota SELECT '$organization', 'tokens', 'customer-' || lpad(i::text, 5, '0'), 0, $limit FROM generate_series(0, $subjects - 1) AS i"
new_store plain "$definition"
new_quota ours $limit
# these have used up their quotas
new_quota blocked 1000
sql blocked "SELECT meter.report_usage('$organization', jsonb_build_object('value', 1000, 'meterName', 'tokens',
	'customerId', 'customer-' || lpad(i::text, 5, '0')), 'all-' || i) FROM generate_series(0, $subjects - 1) AS i" >/dev/null

by_hand="SELECT hand.report('$organization', \$1, \$2)"
by_meter="SELECT meter.report_usage('$organization', \$1, \$2)"

# measure CLIENTS WANTED
measure() {
	local label="$1 client" figures name
	[ "$1" = 1 ] || label="$1 clients"
	label="$label, $subjects hot subjects"
	say "report_usage under a quota, $label"
	figures=$(driver calls --clients "$1" --seconds "$round_seconds" --rounds "$rounds" --subjects $subjects --hold-us 0 --meter tokens \
		hand hand accepted "$by_hand" plain plain accepted "$by_meter" ours ours accepted "$by_meter" blocked blocked 53400 "$by_meter")
	rate() { field "$1" 2 <<<"$figures"; }
	target "report_usage under a quota, $label" "$(round "$(rate ours)" 0)/s" "$(round "$(rate hand)" 0)/s" "$(ratio "$(rate ours)" "$(rate hand)")" "$2"
	target "report_usage refused, against accepted, $label" "$(round "$(rate blocked)" 0)/s" "$(round "$(rate ours)" 0)/s" "$(ratio "$(rate blocked)" "$(rate ours)")" "≥ 1"
	for name in hand plain ours blocked; do
		printf '%s\t%s\t%s\t%s\n' "$label: $(case $name in
			hand) echo "by hand" ;; plain) echo "meter, without a quota" ;; ours) echo "**meter**" ;; blocked) echo "**meter**, refused" ;; esac)" \
			"$(round "$(rate $name)" 0)" "$(field $name 3 <<<"$figures")" "$(field $name 4 <<<"$figures")"
	done >>"$out/quota.tsv"
}

: >"$out/quota.tsv"
measure 1 ""
measure 8 "≥ 0.8"

same "used by hand" "$(sql hand "SELECT sum(used) FROM hand.quota")" "$(sql hand "SELECT sum((data->>'value')::numeric) FROM hand.usage_events")"
same "used by meter" "$(sql ours "SELECT sum(value) FROM meter.threshold_usage")" \
	"$(sql ours "SELECT sum((data->>'value')::numeric) FROM meter.events")"
same "used where all is refused" "$(sql blocked "SELECT sum(value), count(*) FROM meter.threshold_usage, meter.events")" \
	"$((1000 * subjects * subjects))|$((subjects * subjects))"

cat <<END
## Quotas

One call, one commit, a new key each time; rounds of $round_seconds s by turns, medians of $rounds. Each of $subjects subjects has a quota, a threshold
with the action block, which is far away, or used up. The rival is one call of a function (\`test/bench/hand/quota.sql\`): it inserts the
key and the event, and updates the row that says what is used where the sum stays within the quota; it keeps no rollups.
What is refused is an error, written to the server's log as such. Afterwards what was used was compared with the events: it was equal.

END
table "callers|calls/s|p50 ms|p99 ms" <"$out/quota.tsv"
