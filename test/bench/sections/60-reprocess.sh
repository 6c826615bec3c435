# Counting events anew: how fast, and what ingestion keeps of its rate meanwhile.

count=$((events + events / 5))	# more than publishing counts at once
batch=1000
slice=$((events / 20))
definition='{"key":"units","name":"units","metric_key":"api.request","function":"sum","value_field":"$.units","dimensions":{"model":"$.model"}}'

# reprocess METER: a line of events and seconds, by the job's own clock.
reprocess() {
	sql ours "CALL meter.reprocess('$organization', '$1', '-infinity', 'infinity', 'bench')"
	sql ours "SELECT events_done || E'\t' || extract(epoch FROM finished_at - started_at) FROM meter.reprocess_job ORDER BY job_id DESC LIMIT 1"
}

# measure LABEL METER: a line of the table.
measure() {
	local line
	line=$(reprocess "$2")
	printf '%s\t%s\n' "$1" "$(awk '{ printf "%.0f\t%.2f\t%.2f", $1 / $2, 1e6 * $2 / $1, $2 }' <<<"$line")" >>"$out/reprocess.tsv"
}

# ingest LABEL FROM_DAY SEED: µs an event.
ingest() {
	generate json --events "$events" --subjects 1000 --days 6 --from $((1735689600 + $2 * 86400)) --seed "$3" --batch $batch >"$data/reprocess.json"
	driver batches --slice "$slice" "$1" statement ours $batch "$data/reprocess.json" \
		"SELECT count(*) FROM meter.ingest('$organization', \$1)" | tee -a "$out/reprocess-ingest.tsv" | field "$1" 3
	rm -f "$data/reprocess.json"
}

total() { sql ours "SELECT value, event_count FROM meter.usage('$organization', '$1', '-infinity', 'infinity')"; }

# Publish versions that take all events over, one after the other, until told to stop.
keep_reprocessing() {
	local n
	for ((n = 1; ; n++)); do
		[ -e "$data/stop" ] && break
		sql ours "SELECT meter.update_meter('$organization', 'again', jsonb_build_object('effective_at', '2020-01-01T00:00:00Z'::timestamptz + $n * interval '1 hour', 'reprocess', true))" >/dev/null
		sql ours "CALL meter.run_reprocess_jobs()"
	done
	echo "$n" >"$data/rounds"
}

say "reprocess, loading $count events"
new_store ours "$definition"
generate json --events "$count" --subjects 1000 --days 6 --batch 20000 |
	driver batches --slice "$count" load statement ours 20000 /dev/stdin "SELECT count(*) FROM meter.ingest('$organization', \$1)" >/dev/null
sql ours "VACUUM (ANALYZE)"
: >"$out/reprocess.tsv"
: >"$out/reprocess-ingest.tsv"
sql ours "SELECT meter.create_meter('$organization', '${definition//\"units\",/\"again\",}')" >/dev/null
say "reprocess"
measure "a new meter: every page is revised" again
measure "the same again: nothing changes" again
same "what was counted anew" "$(total again)" "$(total units)"

say "ingest, alone and beside it"
alone=$(ingest alone 10 2)
rm -f "$data/stop"
keep_reprocessing &
beside=$(ingest beside 20 3)
touch "$data/stop"
wait
again=$(ingest alone 30 4)
alone=$(awk -v a="$alone" -v b="$again" 'BEGIN { print (a + b) / 2 }')
same "what was counted anew beside ingestion" "$(total again | cut -d'|' -f2)" "$(total units | cut -d'|' -f2)"

rate=$(sed -n 1p "$out/reprocess.tsv" | cut -f2)
target "reprocess, one connection" "$rate events/s" "" "" "≥ 200,000"
target "ingest beside a reprocess, against ingest alone" "$(round "$beside") µs" "$(round "$alone") µs" "$(ratio "$alone" "$beside")" "≥ 0.5"

cat <<END
## Counting anew

One meter, a sum by one dimension, 1000 subjects, $count events in pages of some hundred; then a second such meter, which counts them by
meter.reprocess() on one connection, with a commit every half second or so. Both meters gave the same totals.

END
table "what|events/s|µs an event|seconds" <"$out/reprocess.tsv"
cat <<END

Then $events events more were ingested, $batch a batch, alone, and while another connection published versions of the second meter that
take over all events ($(cat "$data/rounds") times), and counted them anew: $(round "$beside") µs an event against $(round "$alone") µs alone.
END
rm -f "$data/stop" "$data/rounds"
