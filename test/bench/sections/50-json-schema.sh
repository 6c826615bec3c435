# json_schema_is_valid over small events against the same rules written in SQL.

new_database ours
sql ours "CREATE EXTENSION meter" >/dev/null
sql ours <<END
CREATE TABLE raw AS
SELECT pg_catalog.jsonb_build_object('id', 'req_' || pg_catalog.left(pg_catalog.md5(i::text), 16),
		'model', (ARRAY['small', 'medium', 'large', 'huge'])[i % 4 + 1],
		'region', (ARRAY['eu', 'us', 'ap'])[i % 3 + 1], 'tokens', i % 5000,
		'status', CASE WHEN i % 100 = 0 THEN 1000 ELSE 200 + i % 3 END,
		'cost', pg_catalog.round(i / 7.0, 4), 'user', 'u-' || i, 'cached', i % 2 = 0,
		'latency_ms', i % 1000 / 10.0, 'endpoint', '/v1/chat/completions') AS data
	FROM pg_catalog.generate_series(1, $events) i;
VACUUM (ANALYZE) raw;
END

schema='{"type": "object", "additionalProperties": false,
	"required": ["id", "model", "region", "tokens", "status", "cost", "user", "cached", "latency_ms", "endpoint"],
	"properties": {"id": {"type": "string", "pattern": "^req_[0-9a-f]{16}$"},
		"model": {"enum": ["small", "medium", "large", "huge"]}, "region": {"enum": ["eu", "us", "ap"]},
		"tokens": {"type": "integer", "minimum": 0}, "status": {"type": "integer", "minimum": 100, "maximum": 599},
		"cost": {"type": "number", "minimum": 0}, "user": {"type": "string", "minLength": 1, "maxLength": 64},
		"cached": {"type": "boolean"}, "latency_ms": {"type": "number", "minimum": 0},
		"endpoint": {"type": "string", "maxLength": 200}}}'
alone="SET max_parallel_workers_per_gather = 0"
ours="SELECT count(*) FROM raw WHERE meter.json_schema_is_valid('$schema', data)"
nothing="SELECT count(*) FROM raw WHERE meter.json_schema_is_valid('{\"type\": \"object\"}', data)"
number() { echo "jsonb_typeof(data->'$1') = 'number'"; }
hand="SELECT count(*) FROM raw WHERE jsonb_typeof(data) = 'object'
	AND data - ARRAY['id', 'model', 'region', 'tokens', 'status', 'cost', 'user', 'cached', 'latency_ms', 'endpoint'] = '{}'
	AND jsonb_typeof(data->'id') = 'string' AND data->>'id' ~ '^req_[0-9a-f]{16}\$'
	AND data->>'model' IN ('small', 'medium', 'large', 'huge') AND data->>'region' IN ('eu', 'us', 'ap')
	AND $(number tokens) AND (data->>'tokens')::numeric % 1 = 0 AND (data->>'tokens')::numeric >= 0
	AND $(number status) AND (data->>'status')::numeric % 1 = 0 AND (data->>'status')::numeric BETWEEN 100 AND 599
	AND $(number cost) AND (data->>'cost')::numeric >= 0
	AND jsonb_typeof(data->'user') = 'string' AND length(data->>'user') BETWEEN 1 AND 64
	AND jsonb_typeof(data->'cached') = 'boolean'
	AND $(number latency_ms) AND (data->>'latency_ms')::numeric >= 0
	AND jsonb_typeof(data->'endpoint') = 'string' AND length(data->>'endpoint') <= 200"

say "json_schema_is_valid"
figures=$(driver queries --repeats "$repeats" \
	"rules in SQL" ours "$alone" "$hand" \
	"json_schema_is_valid" ours "$alone" "$ours" \
	"the same, only the type" ours "$alone" "$nothing")
same "json_schema_is_valid" "$(field "json_schema_is_valid" 4 <<<"$figures")" "$(field "rules in SQL" 4 <<<"$figures")"

time_hand=$(field "rules in SQL" 2 <<<"$figures")
time_ours=$(field "json_schema_is_valid" 2 <<<"$figures")
time_nothing=$(field "the same, only the type" 2 <<<"$figures")
each() { awk -v ms="$1" -v n="$events" 'BEGIN { printf "%.2f", ms * 1000 / n }'; }
target "a JSON Schema of ten properties, each event" "$(each "$time_ours") µs" "$(each "$time_hand") µs" "$(ratio "$time_hand" "$time_ours")" "≥ 1"

cat <<END
## JSON Schema

$events events of ten members as jsonb, in memory; a query's whole time, medians of $repeats by turns. The last line is
what reading the rows and turning jsonb into text and a document takes; the difference, $(each "$(awk -v a="$time_ours" -v b="$time_nothing" 'BEGIN { print a - b }')") µs an event, is
the schema's own work. Ingestion has the document already.

END
cut -f1-3 <<<"$figures" | table "query|median ms|p99 ms"
