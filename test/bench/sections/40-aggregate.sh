# usage_agg over raw numbers against core's sum(numeric).

new_database ours
sql ours "CREATE EXTENSION meter" >/dev/null
sql ours <<END
SELECT setseed(0.5) \g /dev/null
CREATE TABLE raw AS
SELECT round((random() * 1000)::numeric, 3) AS value FROM generate_series(1, $events);
VACUUM (ANALYZE) raw;
END

core="SELECT sum(value) FROM raw"
ours="SELECT meter.result(meter.usage_agg('sum', value), 'sum') FROM raw"
alone="SET max_parallel_workers_per_gather = 0"
helped="SET max_parallel_workers_per_gather = 2; SET min_parallel_table_scan_size = 0; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0"

say "usage_agg"
figures=$(driver queries --repeats "$repeats" \
	"sum(numeric)" ours "$alone" "$core" \
	"usage_agg" ours "$alone" "$ours" \
	"sum(numeric), 2 workers" ours "$helped" "$core" \
	"usage_agg, 2 workers" ours "$helped" "$ours")
for name in "usage_agg" "sum(numeric), 2 workers" "usage_agg, 2 workers"; do
	same "$name" "$(field "$name" 4 <<<"$figures")" "$(field "sum(numeric)" 4 <<<"$figures")"
done
workers=$(sql ours "$helped; EXPLAIN $ours" | sed -n 's/.*Workers Planned: //p')

time_core=$(field "sum(numeric)" 2 <<<"$figures")
time_ours=$(field "usage_agg" 2 <<<"$figures")
time_helped=$(field "usage_agg, 2 workers" 2 <<<"$figures")
target "usage_agg against sum(numeric)" "$(round "$time_ours") ms" "$(round "$time_core") ms" "$(ratio "$time_core" "$time_ours")" "≥ 1"
target "usage_agg with two workers against none" "$(round "$time_helped") ms" "$(round "$time_ours") ms" "$(ratio "$time_ours" "$time_helped")" "> 1"

cat <<END
## Aggregates

$events raw rows of numeric with three decimals, in memory; a query's whole time, medians of $repeats by turns. With workers:
${workers:-0} were planned, and the leader helps, on $(nproc) cores.

END
cut -f1-3 <<<"$figures" | table "query|median ms|p99 ms"
