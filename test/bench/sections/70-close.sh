# close_windows() on many windows at once: of many subjects, and of one.

windows=$([ -n "$quick" ] && echo 10000 || echo 100000)

# measure WHAT WINDOW SUBJECT TIME: seconds, results and what they hold in all; the last two are SQL over i, an event each.
measure() {
	say "close_windows, $windows results: $1"
	new_store ours "{\"key\":\"$1\",\"name\":\"$1\",\"metric_key\":\"$1\",\"function\":\"sum\",\"value_field\":\"\$.n\",\"window\":{\"size\":\"$2\"}}"
	sql ours "SELECT count(*) FROM meter.ingest('$organization', (
		SELECT json_agg(json_build_object('id', i::text, 'source', 'bench', 'type', '$1', 'subject', $3, 'time', $4, 'data', json_build_object('n', i)))
		FROM generate_series(1, $windows) AS i))" >/dev/null
	sql ours "VACUUM (ANALYZE)"
	sql ours "SELECT round(extract(epoch FROM clock_timestamp() - now())::numeric, 3), n
		FROM (SELECT meter.close_windows('$organization', 1000000) AS n OFFSET 0) AS closed" | tr '|\n' '\t'
	sql ours "SELECT sum(value) FROM meter.window_results"
}

wide=$(measure subjects day "'customer-' || i" "timestamptz '2025-01-15 12:00Z'")
long=$(measure minutes minute "'ada'" "timestamptz '2025-02-01 00:00Z' + i * interval '1 minute'")
same "windows closed of many subjects" "$(cut -f2 <<<"$wide")" "$windows"
same "windows closed of one subject" "$(cut -f2- <<<"$long")" "$(cut -f2- <<<"$wide")"
seconds() { cut -f1 <<<"$1"; }
target "close_windows, $windows subjects in one window" "$(round "$(seconds "$wide")" 1) s" "" "" "≤ 10 s"
target "close_windows, one subject in $windows windows" "$(round "$(seconds "$long")" 1) s" "" "" "≤ 10 s"

cat <<END
## Closing windows

One call and one commit for $windows results, each with its message in the outbox; the server's own time. In the first line every
subject has an event in the same day; in the second one subject has an event in each of as many minutes, which are computed from raw
events, since they cut quarters of hours.

END
printf '%s\t%s\n' "one day, $windows subjects" "$(seconds "$wide")" "one subject, $windows minutes" "$(seconds "$long")" |
	table "windows|s"
