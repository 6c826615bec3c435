# Requests as PostgREST makes them: reports against the bare call, a list of meters, and what policies cost usage().

organization_b=0b5e55ed-0000-4000-8000-000000000002
claims="{\"role\": \"%s\", \"organization_id\": \"$organization\", \"scope\": \"read admin meter-report\"}"

# settings ROLE METHOD URI LOCAL [HEADERS]: what PostgREST sets at the head of a request; HEADERS is an expression.
settings() {
	# shellcheck disable=SC2059
	cat <<SQL
SELECT set_config('search_path', '"meter_api", "public"', $4), set_config('role', '$1', $4),
	set_config('request.jwt.claims', '$(printf "$claims" "$1")', $4),
	set_config('request.method', '$2', $4), set_config('request.path', '${3%%\?*}', $4), set_config('request.cookies', '{}', $4),
	set_config('request.headers', jsonb_build_object('host', 'localhost', 'accept', 'application/json', 'x-original-uri', '$3'${5:+, $5})::text, $4)
SQL
}

# request URI CALL: a POST whose status must be 202 or 200; a division by zero ends the run where it is not.
request() {
	cat <<SQL
BEGIN;
$(settings meter_writer POST "$1" true "'content-length', length(\$1::text)::text, 'idempotency-key', \$2::text");
SELECT meter.http_check();
WITH source AS (SELECT $2 AS answer)
SELECT 1 / (coalesce(nullif(current_setting('response.status', true), ''), '200') IN ('200', '202'))::int, answer,
	nullif(current_setting('response.headers', true), '') FROM source;
COMMIT
SQL
}

for name in bare bound gateway rpc; do
	new_store "$name" \
		'{"key":"tokens","name":"tokens","metric_key":"tokens","function":"sum","value_field":"$.value","dimensions":{"model":"$.model"}}'
	sql "$name" "SELECT meter.setup_roles()" >/dev/null
done
by_meter="SELECT meter.report_usage('$organization', \$1, \$2)"
by_bound=$(request /rpc/report_usage "meter.report_usage('$organization', \$1, \$2)")
by_gateway=$(request /meters/usage "meter_api.report_meter_usage(\$1::json)")
by_rpc=$(request /rpc/report_usage "meter_api.report_usage(report => \$1, idempotency_key => \$2)")

# report CLIENTS LABEL
report() {
	local figures name
	say "report_usage over the API, $2"
	figures=$(driver calls --clients "$1" --seconds "$round_seconds" --rounds "$rounds" --subjects 10 --hold-us 0 --meter tokens \
		call bare accepted "$by_meter" bare bare accepted $'BEGIN;\n'"$by_meter"$';\nCOMMIT' \
		bound bound accepted "$by_bound" gateway gateway accepted "$by_gateway" rpc rpc accepted "$by_rpc")
	rate() { field "$1" 2 <<<"$figures"; }
	for name in gateway rpc; do
		target "report_usage as a request ($name), against the bare call in a transaction of its own, $2" \
			"$(round "$(rate $name)" 0)/s" "$(round "$(rate bare)" 0)/s" "$(ratio "$(rate $name)" "$(rate bare)")" "≥ 0.7"
		target "the same, against the bare call within the same statements, $2" \
			"$(round "$(rate $name)" 0)/s" "$(round "$(rate bound)" 0)/s" "$(ratio "$(rate $name)" "$(rate bound)")" ""
	done
	for name in call bare bound gateway rpc; do
		printf '%s\t%s\t%s\t%s\n' "$2: $(case $name in call) echo "the bare call" ;; bare) echo "the bare call in a transaction" ;;
			bound) echo "the bare call within the statements of a request" ;; gateway) echo "**\`POST /meters/usage\`**" ;; rpc) echo "**\`POST /rpc/report_usage\`**" ;; esac)" \
			"$(round "$(rate $name)" 0)" "$(field $name 3 <<<"$figures")" "$(field $name 4 <<<"$figures")"
	done >>"$out/api-report.tsv"
}

: >"$out/api-report.tsv"
report 1 "1 client"
report 8 "8 clients"
for name in gateway rpc; do
	same "reports counted, $name" "$(sql $name "SELECT count(*), sum((data->>'value')::numeric) FROM meter.events")" \
		"$(sql $name "SELECT event_count, value FROM meter.usage('$organization', 'tokens', now() - interval '1 day', now() + interval '1 day')")"
	same "reports refused, $name" "$(sql $name "SELECT count(*) FROM meter.rejected_events")" 0
done

# 10,000 meters of one organization, and as many of another.
meters=10000
say "a list of $meters meters"
new_store listed
sql listed <<SQL
SELECT meter.create_organization('other', '$organization_b') \g /dev/null
SELECT meter.setup_roles() \g /dev/null
SELECT count(meter.create_meter(o, jsonb_build_object('key', 'meter-' || i, 'name', 'Meter ' || i, 'metric_key', 'metric.' || i % 100,
	'function', (ARRAY['count', 'sum'])[1 + i % 2], 'dimensions', '{"model": "$.model"}'::jsonb)
	|| CASE WHEN i % 2 = 1 THEN '{"value_field": "$.n"}' ELSE '{}' END::jsonb))
FROM generate_series(1, $meters) AS i, unnest('{$organization,$organization_b}'::uuid[]) AS o \g /dev/null
-- made one after the other, not by one statement
UPDATE meter.meter SET created_at = created_at + meter_no * interval '1 second';
VACUUM (ANALYZE)
SQL

# list LABEL WANTED URI QUESTION: its answer must hold 50 meters. MATERIALIZED: it is looked at twice, not asked for.
list() {
	local figures
	figures=$(driver queries --repeats $((repeats * 10)) list listed "$(settings meter_reader GET "$3" false); SET default_transaction_read_only = on" \
		"WITH source AS MATERIALIZED ($4) SELECT jsonb_array_length(CASE jsonb_typeof(answer) WHEN 'object' THEN answer -> 'data' ELSE answer END), answer FROM source")
	same "meters in a page, $1" "$(cut -f4 <<<"$figures")" 50
	[ -z "$2" ] || target "$1" "$(cut -f2 <<<"$figures") ms" "" "" "$2"
	printf '%s\t%s\t%s\n' "$1" "$(cut -f2 <<<"$figures")" "$(cut -f3 <<<"$figures")" >>"$out/api-list.tsv"
}

: >"$out/api-list.tsv"
page="SELECT meter_api.list_meters() AS answer"
list "the first 50 of $meters meters, \`GET /meters\`" "≤ 5 ms" "/meters?limit=50" "$page"
cursor=$(sql listed <<SQL
$(settings meter_reader GET "/meters?limit=50" false) \g /dev/null
SELECT meter_api.list_meters() ->> 'next_cursor'
SQL
)
list "the next 50 meters, by the cursor" "≤ 5 ms" "/meters?limit=50&cursor=$cursor" "$page"
list "50 meters whose name contains a text" "" "/meters?limit=50&name.contains=99" "$page"
list "50 meters of a metric" "" "/meters?limit=50&metric_key=metric.7" "$page"
view="SELECT jsonb_agg(m) AS answer FROM (SELECT * FROM meter_api.meters"
list "50 of $meters meters, \`GET /rest/meters?order=created_at.desc,id&limit=50\`" "≤ 5 ms" "/rest/meters" "$view ORDER BY created_at DESC, id LIMIT 50) AS m"
list "50 of $meters meters, \`GET /rest/meters?order=key&limit=50\`" "" "/rest/meters" "$view ORDER BY key LIMIT 50) AS m"

# The same usage() asked by the owner, whom no policy binds, and by a reader with claims.
history=$((events / 5))
say "usage under policies, $history events"
new_store usage \
	'{"key":"units","name":"units","metric_key":"api.request","function":"sum","value_field":"$.units","dimensions":{"model":"$.model"}}'
sql usage "SELECT meter.setup_roles()" >/dev/null
generate json --events "$history" --subjects 1000 --days 31 --from 1735689600 --batch 20000 |
	driver batches --slice "$history" load statement usage 20000 /dev/stdin "SELECT count(*) FROM meter.ingest('$organization', \$1)" >/dev/null
sql usage <<SQL
VACUUM (ANALYZE);
GRANT USAGE ON SCHEMA public TO meter_reader;
CREATE FUNCTION public.repeat_usage(times int, one_subject boolean, group_by text[], OUT checked numeric) LANGUAGE plpgsql AS \$\$
DECLARE
	answer numeric;
BEGIN
	checked := 0;
	FOR n IN 1 .. times LOOP
		SELECT sum(u.value) INTO answer FROM meter.usage('$organization', 'units', '2025-01-01', '2025-02-01',
			CASE WHEN one_subject THEN 'customer-' || lpad((n * 7 % 1000)::text, 5, '0') END, NULL, group_by) AS u;
		checked := checked + answer;
	END LOOP;
END
\$\$;
SQL

# cost LABEL TIMES ARGUMENTS
cost() {
	local figures owner reader
	figures=$(driver queries --repeats $((repeats * 2)) owner usage "SELECT 1" "SELECT public.repeat_usage($2, $3)" \
		reader usage "$(settings meter_reader GET /rpc/usage false)" "SELECT public.repeat_usage($2, $3)")
	same "usage under policies, $1" "$(field owner 4 <<<"$figures")" "$(field reader 4 <<<"$figures")"
	owner=$(awk -v ms="$(field owner 2 <<<"$figures")" -v times="$2" 'BEGIN { printf "%.3f", ms / times }')
	reader=$(awk -v ms="$(field reader 2 <<<"$figures")" -v times="$2" 'BEGIN { printf "%.3f", ms / times }')
	target "usage() under policies, $1" "$reader ms" "$owner ms" "$(ratio "$reader" "$owner")" "≤ 1.15"
	printf '%s\t%s\t%s\t%s\n' "$1" "$owner" "$reader" "$(ratio "$reader" "$owner")" >>"$out/api-usage.tsv"
}

: >"$out/api-usage.tsv"
cost "one subject" 100 "true, '{}'"
cost "one subject by a dimension" 100 "true, '{model}'"
cost "all subjects in one total" 10 "false, '{}'"
cost "4,000 groups" 1 "false, '{subject,model}'"

cat <<END
## Requests

What the surface costs, without PostgREST itself: the same statements are sent as it sends them. A report is a transaction of five
statements: BEGIN, the settings (role, claims, method, path, headers), \`meter.http_check()\`, the function with what PostgREST
reads about the response, COMMIT. The rival is the bare call between BEGIN and COMMIT, which is two round trips less; the line
"within the statements of a request" tells what these two cost, and what the function itself does. Rounds of $round_seconds s by turns, medians of $rounds, a new key each time, 10
hot subjects, databases of their own. Every answer was 202, and afterwards the events were compared with the totals.

END
table "callers|reports/s|p50 ms|p99 ms" <"$out/api-report.tsv"
cat <<END

An organization has $meters meters, another one as many; the caller is a reader bound by policies, and each page must hold 50.

END
table "page|p50 ms|p99 ms" <"$out/api-list.tsv"
cat <<END

\`meter.usage()\` of one month, $history events of 1000 subjects in four models: the extension's owner, whom no policy binds, and
a reader with claims, by turns; the answers were the same.

END
table "question|owner ms|reader ms|ratio" <"$out/api-usage.tsv"
