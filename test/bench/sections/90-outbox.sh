# The outbox: writing breaches, and a relay that claims and acknowledges them.

batch=1000
count=$((events / 5))
definition='{"key":"units","name":"units","metric_key":"api.request","function":"count"}'

# Every event of a subject crosses the next value, or none does.
new_stores() {
	new_store quiet "$definition"
	new_store told "$definition"
	sql quiet "SELECT meter.create_threshold('$organization', '{\"name\":\"far\",\"meter\":\"units\",\"threshold_value\":1000000000}')" >/dev/null
	sql told "SELECT meter.create_threshold('$organization', '{\"name\":\"each\",\"meter\":\"units\",\"threshold_value\":1,\"recurring_step\":1}')" >/dev/null
}

new_stores
generate json --events "$count" --subjects 100 --days 6 --batch "$batch" >"$data/outbox.json"
say "outbox, writing"
writing=$(driver batches --slice $((count / 20)) \
	quiet statement quiet "$batch" "$data/outbox.json" "SELECT count(*) FROM meter.ingest('$organization', \$1)" \
	told statement told "$batch" "$data/outbox.json" "SELECT count(*) FROM meter.ingest('$organization', \$1)")
rm -f "$data/outbox.json"
same "breaches" "$(sql told "SELECT count(*) FROM meter.threshold_events")" "$count"

# Another such store whose events are about a thousand different things.
new_store many "$definition"
sql many "INSERT INTO meter.domain_event_outbox (organization_id, aggregate_type, aggregate_id, event_type, payload)
	SELECT '$organization', 'thing', (i * 7919 % 1000)::text, 'thing.changed', jsonb_build_object('thing', i % 1000, 'text', repeat('x', 400))
	FROM generate_series(1, $count) AS i"

# relay DATABASE LABEL
relay() {
	local figures rate
	say "outbox, relay: $2"
	sql "$1" "VACUUM (ANALYZE) meter.domain_event_outbox"
	figures=$(driver relay --batch "$batch" "$1")
	same "delivered, $2" "$(sql "$1" "SELECT count(*) FROM meter.domain_event_outbox WHERE delivered_at IS NULL OR attempts <> 1")" 0
	rate=$(awk '{ printf "%.0f", $1 / $2 }' <<<"$figures")
	target "outbox, claim and acknowledge, one connection, $2" "$rate events/s" "" "" "≥ 20,000"
	awk -v OFS='\t' -v label="$2" -v rate="$rate" '{ print label, $1, rate, $3, $4 }' <<<"$figures" >>"$out/outbox.tsv"
}

: >"$out/outbox.tsv"
relay told "about one threshold"
relay many "about a thousand things"

cat <<END
## Outbox

$count events in batches of $batch, of which each crosses a value of a threshold, and so writes a domain event; its commit notifies. That
took $(round "$(field told 3 <<<"$writing")") µs an event, and $(round "$(field quiet 3 <<<"$writing")") µs where the threshold is never reached: $(awk -v a="$(field told 3 <<<"$writing")" -v b="$(field quiet 3 <<<"$writing")" 'BEGIN { printf "%.1f", a - b }') µs a breach. Then one connection claims the domain events,
$batch at a time, and acknowledges them, with a commit for each; and those of another store, which are about a thousand
things instead of one. A batch is both calls.

END
table "domain events|events|events/s|p50 ms a batch|p99 ms" <"$out/outbox.tsv"
