# Ingest by one meter that uses what a definition has, against a plain one.

batch=1000
slice=$((events / 20))

# The same event with ten members of data.
widen() {
	sed 's/"status":\([0-9]*\)}/"status":\1,"region":"eu","user":"u-\1","cached":true,"latency_ms":12.5,"endpoint":"\/v1\/chat\/completions","cost":0.0123,"tier":"pro"}/g' "$1"
}

plain='{"key":"units","metric_key":"api.request","function":"sum","value_field":"$.units","dimensions":{"model":"$.model"}}'
rich='{"key":"units","metric_key":"api.request","function":"sum","value_field":"thousands","dimensions":{"model":"$.model"},
	"filter_tree":{"and":[{"field":"$.status","op":"lt","value":600},{"field":"$.region","op":"in","value":["eu","us"]}]},
	"derived_fields":[{"category":"MEASURE","code":"thousands","name":"Thousands of units","calculation":"units / 1000"}],
	"event_schema":{"type":"object","additionalProperties":false,"required":["units","model","status","region","user"],
		"properties":{"units":{"type":"number","minimum":0},"model":{"type":"string","maxLength":40},
			"status":{"type":"integer","minimum":100,"maximum":599},"region":{"enum":["eu","us","ap"]},
			"user":{"type":"string","minLength":1,"maxLength":64},"cached":{"type":"boolean"},
			"latency_ms":{"type":"number","minimum":0},"endpoint":{"type":"string","maxLength":200},
			"cost":{"type":"number","minimum":0},"tier":{"enum":["free","pro"]}}},
	"profiles":[{"code":"requests","aggregation_method":"count"},
		{"code":"slowest","aggregation_method":"max","aggregation_property":"latency_ms"}]}'

generate json --events "$events" --subjects 1000 --days 6 --batch "$batch" >"$data/narrow.json"
widen "$data/narrow.json" >"$data/wide.json"
: >"$out/rich.tsv"
for ((pass = 1; pass <= passes; pass++)); do
	say "ingest, a rich definition, pass $pass of $passes"
	new_store plain "$plain"
	new_store rich "$rich"
	sql postgres CHECKPOINT
	driver batches --slice "$slice" \
		plain statement plain "$batch" "$data/wide.json" "SELECT count(*) FROM meter.ingest('$organization', \$1)" \
		rich statement rich "$batch" "$data/wide.json" "SELECT count(*) FROM meter.ingest('$organization', \$1)" >>"$out/rich.tsv"
	same "units of a rich definition" \
		"$(sql rich "SELECT value * 1000 = $(sql plain "SELECT value FROM meter.usage('$organization', 'units', '2025-01-01', '2025-02-01')") FROM meter.usage('$organization', 'units', '2025-01-01', '2025-02-01')")" t
	same "requests of a rich definition" \
		"$(sql rich "SELECT value FROM meter.usage('$organization', 'units', '2025-01-01', '2025-02-01', profile => 'requests')")" \
		"$(sql plain "SELECT event_count FROM meter.usage('$organization', 'units', '2025-01-01', '2025-02-01')")"
done
rm -f "$data/narrow.json" "$data/wide.json"

figures=$(medians <"$out/rich.tsv")
time_plain=$(field plain 3 <<<"$figures")
time_rich=$(field rich 3 <<<"$figures")
target "ingest by a rich definition, against a plain one" "$(round "$time_rich") µs" "$(round "$time_plain") µs" "$(ratio "$time_plain" "$time_rich")" "≥ 0.5"

cat <<END
## A rich definition

$events events of ten members, 1,000 subjects over six days, $batch a batch, one connection; turns of $slice events, medians of
$passes passes. Plain: a sum by one dimension. Rich: the sum of a derived field by the same dimension, with a filter of two
clauses, a JSON Schema of ten properties, and two more profiles, a count and a maximum. The totals of both were compared.

END
for name in plain rich; do
	field "$name" 0 <<<"$figures" | awk -F'\t' -v OFS='\t' -v label="$name" '{ printf "%s\t%.1f\t%.0f\t%.1f\t%.1f\t%s\n", label, $3, 1e6 / $3, $5, $6, $7 }'
done | table "definition|µs an event|events/s|p50 ms|p99 ms|WAL B an event"
