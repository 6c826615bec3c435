# Ingest: the same events by COPY, by hand-written SQL and by meter.ingest.

batch=1000
slice=$((events / 20))

# The rows alone, with nothing but a key that refuses an event twice.
new_copy_table() {
	new_database "$1"
	sql "$1" "CREATE TABLE rows (id uuid PRIMARY KEY, organization_id uuid NOT NULL, source text NOT NULL,
		type text NOT NULL, subject text NOT NULL, time timestamptz NOT NULL, data jsonb NOT NULL)"
}

new_stores() {
	new_copy_table copy_bulk
	new_copy_table copy_batch
	new_database hand
	sql hand <"$bench/hand/tables.sql"
	new_database hand_special
	sql hand_special <"$bench/hand/special_tables.sql"
	new_store ours \
		'{"key":"units","name":"units","metric_key":"api.request","function":"sum","value_field":"$.units","dimensions":{"model":"$.model"}}' \
		'{"key":"requests","name":"requests","metric_key":"api.request","function":"count","dimensions":{"model":"$.model"}}'
	sql postgres CHECKPOINT
}

database_size() { sql postgres "SELECT pg_catalog.pg_database_size('$1')"; }

# All rivals must have counted the same.
check_totals() {
	local rows ours
	rows=$(sql copy_bulk "SELECT count(*), sum((data->>'units')::numeric) FROM rows")
	same "$1 by hand" "$(sql hand "SELECT sum(value) FILTER (WHERE meter = 2), sum(value) FILTER (WHERE meter = 1) FROM hand.rollups")" "$rows"
	same "$1 by hand, special" "$(sql hand_special "SELECT sum(events), sum(units) FROM hand.rollups")" "$rows"
	ours=$(for meter in requests units; do
		sql ours "SELECT value FROM meter.usage('$organization', '$meter', '2025-01-01', '2025-02-01')"
	done | paste -sd'|')
	same "$1 by meter" "$ours" "$rows"
}

measure_shape() {
	local shape=$1 subjects=$2 pass database before
	generate json --events "$events" --subjects "$subjects" --days 6 --batch "$batch" >"$data/$shape.json"
	generate copy --events "$events" --subjects "$subjects" --days 6 >"$data/$shape.copy"
	: >"$out/ingest-$shape.tsv"
	for ((pass = 1; pass <= passes; pass++)); do
		say "ingest, $shape, pass $pass of $passes"
		new_stores
		declare -A before=()
		for database in copy_bulk copy_batch hand hand_special ours; do
			before[$database]=$(database_size "$database")
		done
		driver batches --slice "$slice" \
			copy_bulk copy copy_bulk "$slice" "$data/$shape.copy" "COPY rows FROM STDIN" \
			copy_batch copy copy_batch "$batch" "$data/$shape.copy" "COPY rows FROM STDIN" \
			hand statement hand "$batch" "$data/$shape.json" "$(cat "$bench/hand/ingest.sql")" \
			hand_special statement hand_special "$batch" "$data/$shape.json" "$(cat "$bench/hand/special_ingest.sql")" \
			ours statement ours "$batch" "$data/$shape.json" "SELECT count(*) FROM meter.ingest('$organization', \$1)" |
			while IFS=$'\t' read -r database figures; do
				printf '%s\t%s\t%s\n' "$database" "$figures" \
					$((($(database_size "$database") - ${before[$database]}) / events))
			done >>"$out/ingest-$shape.tsv"
		check_totals "$shape"
	done
	rm -f "$data/$shape.json" "$data/$shape.copy"
}

# name, events, mean µs, median µs, p50 ms, p99 ms, WAL, bytes on disk
print_shape() {
	local shape=$1 figures ours name label
	figures=$(medians <"$out/ingest-$shape.tsv")
	ours=$(field ours 3 <<<"$figures")
	echo
	echo "### $2"
	echo
	for name in copy_bulk copy_batch hand hand_special ours; do
		case $name in
		copy_bulk) label="COPY of the rows, $slice at a time" ;;
		copy_batch) label="COPY of the rows, $batch at a time" ;;
		hand) label="SQL by hand, any meters" ;;
		hand_special) label="SQL by hand, these two meters only" ;;
		ours) label="**meter.ingest**" ;;
		esac
		field "$name" 0 <<<"$figures" | awk -F'\t' -v OFS='\t' -v label="$label" -v ours="$ours" \
			'{ printf "%s\t%.1f\t%.0f\t%.1f\t%.1f\t%s\t%s\t%.2f\n", label, $3, 1e6 / $3, $5, $6, $7, $8, $3 / ours }'
	done | table "rival|µs an event|events/s|p50 ms|p99 ms|WAL B an event|disk B an event|meter is × as fast"

	local mean
	for name in copy_bulk hand hand_special; do
		mean=$(field "$name" 3 <<<"$figures")
		case $name in
		copy_bulk) target "ingest, $shape, against COPY into a uuid key" "$(round "$ours") µs" "$(round "$mean") µs" "$(ratio "$mean" "$ours")" "≥ 0.3" ;;
		hand) target "ingest, $shape, against SQL by hand" "$(round "$ours") µs" "$(round "$mean") µs" "$(ratio "$mean" "$ours")" "≥ 2" ;;
		hand_special) target "ingest, $shape, against SQL by hand for these two meters only" "$(round "$ours") µs" "$(round "$mean") µs" "$(ratio "$mean" "$ours")" "" ;;
		esac
	done
}

measure_shape dense 100
measure_shape sparse 10000

cat <<END
## Ingest

$events events of about 200 bytes of JSON over six days, $batch a batch, one connection, a durable commit a batch; two meters, a
sum and a count, by one dimension of four values; dedup and rollups on. Turns of $slice events; medians of $passes passes, each
with new databases. After each pass the totals of all rivals were compared, and were equal.

The rivals: COPY of the same rows into a table with only a uuid primary key (no meters: the limit); one prepared SQL statement a
batch written by hand (\`test/bench/hand/\`), with text keys and the meter in the rollup's key, as a system with meters that
users define needs it; and the same cut down to uuid keys and exactly these two meters in one row.
END
print_shape dense "Dense: 100 subjects, many events to a rollup row"
print_shape sparse "Sparse: 10,000 subjects, nearly every event has a rollup row of its own"
