# Ingest by a meter that three thresholds watch, against the same without.

batch=1000
slice=$((events / 20))
definition='{"key":"units","name":"units","metric_key":"api.request","function":"sum","value_field":"$.units","dimensions":{"model":"$.model"}}'

# add_threshold DATABASE NAME VALUE [WINDOW]
add_threshold() {
	sql "$1" "SELECT meter.create_threshold('$organization', jsonb_build_object('name', '$2', 'meter', 'units', 'threshold_value', $3,
		'window', '${4:-null}'::jsonb))" >/dev/null
}

# What a subject uses in the month, in a day and in an hour is known: 500 units
# an event. So each crosses the shared values, and the one of its month, once; an
# hour or a day that is far above the mean is rare.
new_stores() {
	local month=$((events / $1 * 500)) database
	for database in plain shared own; do
		new_store $database "$definition"
	done
	add_threshold shared half $((month / 2))
	add_threshold shared most $((month * 8 / 10))
	add_threshold shared all $((month * 9 / 10))
	add_threshold own hour $((month / 144 * 3 / 2 + 3000)) '{"size":"hour"}'
	add_threshold own day $((month / 6 * 6 / 5 + 3000)) '{"size":"day"}'
	add_threshold own month $((month * 8 / 10)) '{"size":"month"}'
	sql postgres CHECKPOINT
}

total() { sql "$1" "SELECT value FROM meter.usage('$organization', 'units', '2025-01-01', '2025-02-01')"; }

# What thresholds know of must be the usage, for each watch.
check_totals() {
	local usage database
	usage=$(total plain)
	for database in shared own; do
		same "$1, usage in $database" "$(total $database)" "$usage"
		same "$1, what thresholds in $database know" "$(sql $database "SELECT DISTINCT sum(value) FROM meter.threshold_usage GROUP BY watch_no")" "$usage"
	done
}

breaches() { sql "$1" "SELECT count(*) FROM meter.threshold_events"; }

# measure_shape SHAPE SUBJECTS WANTED
measure_shape() {
	local shape=$1 subjects=$2 pass name figures label plain mean
	generate json --events "$events" --subjects "$subjects" --days 6 --batch "$batch" >"$data/$shape.json"
	: >"$out/thresholds-$shape.tsv"
	for ((pass = 1; pass <= passes; pass++)); do
		say "thresholds, $shape, pass $pass of $passes"
		new_stores "$subjects"
		for name in plain shared own; do
			printf '%s\0' $name statement $name "$batch" "$data/$shape.json" "SELECT count(*) FROM meter.ingest('$organization', \$1)"
		done | xargs -0 "$METER_BUILD/driver" batches --slice "$slice" |
			while IFS=$'\t' read -r name figures; do
				printf '%s\t%s\t%s\n' "$name" "$figures" "$(breaches "$name")"
			done >>"$out/thresholds-$shape.tsv"
		check_totals "$shape"
	done
	rm -f "$data/$shape.json"

	figures=$(medians <"$out/thresholds-$shape.tsv")
	plain=$(field plain 3 <<<"$figures")
	for name in plain shared own; do
		case $name in
		plain) label="none" ;;
		shared) label="three of one window" ;;
		own) label="three of an hour, a day and a month" ;;
		esac
		field "$name" 0 <<<"$figures" | awk -F'\t' -v OFS='\t' -v label="$shape: $label" -v plain="$plain" \
			'{ printf "%s\t%.1f\t%.0f\t%.1f\t%.1f\t%s\t%s\t%.2f\n", label, $3, 1e6 / $3, $5, $6, $7, $8, plain / $3 }' >>"$out/thresholds.tsv"
		[ $name = plain ] && continue
		mean=$(field "$name" 3 <<<"$figures")
		target "ingest, $shape, with ${label/three/three thresholds}, against none" "$(round "$mean") µs" "$(round "$plain") µs" "$(ratio "$plain" "$mean")" "$3"
	done
}

: >"$out/thresholds.tsv"
measure_shape dense 100 "≥ 0.7"
measure_shape sparse 10000 ""

cat <<END
## Thresholds

The events of "Ingest", $batch a batch, one connection; one meter, a sum by one dimension, each subject's usage held against three
thresholds: of the meter's own window, the month, so that they look at the same quantity; or one each of the hour, the day and the month.
Turns of $slice events; medians of $passes passes, each with new databases. After each pass the totals of all were
compared, with those that the thresholds know of: they were equal.

END
table "thresholds|µs an event|events/s|p50 ms|p99 ms|WAL B an event|breaches|× as fast as without" <"$out/thresholds.tsv"
