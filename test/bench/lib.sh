# What the sections of the benchmark share; sourced by test/bench/run.
#
# A section prints its part of the page to standard output and calls "target"
# for each figure that the summary shows. It finds: events (how many), passes,
# rounds, round_seconds, repeats, quick, data (a folder for input files), out.

organization=0b5e55ed-0000-4000-8000-000000000001

say() { echo "== $*" >&2; }

# sql DATABASE [STATEMENT]: runs it, or standard input, and prints bare values.
sql() {
	if [ $# -gt 1 ]; then
		psql -XqAt -d "$1" -v ON_ERROR_STOP=1 -c "SET client_min_messages = warning" -c "$2"
	else
		psql -XqAt -d "$1" -v ON_ERROR_STOP=1
	fi
}

# new_database NAME: an empty one, whatever was there before.
new_database() {
	sql postgres "DROP DATABASE IF EXISTS $1"
	sql postgres "CREATE DATABASE $1"
}

# new_store NAME DEFINITION...: a database with meter in it and these meters.
new_store() {
	local database=$1 definition
	shift
	new_database "$database"
	sql "$database" "CREATE EXTENSION meter" >/dev/null
	sql "$database" "SELECT meter.create_store()" >/dev/null
	sql "$database" "SELECT meter.create_organization('bench', '$organization')" >/dev/null
	for definition in "$@"; do
		sql "$database" "SELECT meter.create_meter('$organization', '$definition')" >/dev/null
	done
}

generate() { "$METER_BUILD/generate" "$@"; }
driver() { "$METER_BUILD/driver" "$@"; }

# medians: lines of NAME and numbers in, one line a name out with the medians, names in the order they came.
medians() {
	awk -F'\t' -v OFS='\t' '
	!($1 in lines) { order[++names] = $1 }
	{ n = ++lines[$1]; for (i = 2; i <= NF; i++) value[$1, i, n] = $i; if (NF > width) width = NF }
	END {
		for (k = 1; k <= names; k++) {
			name = order[k]; count = lines[name]; line = name
			for (i = 2; i <= width; i++) {
				for (a = 1; a <= count; a++) sorted[a] = value[name, i, a]
				for (a = 2; a <= count; a++)
					for (b = a; b > 1 && sorted[b] + 0 < sorted[b - 1] + 0; b--) {
						swap = sorted[b]; sorted[b] = sorted[b - 1]; sorted[b - 1] = swap
					}
				line = line OFS sorted[int((count + 1) / 2)]
			}
			print line
		}
	}'
}

# field NAME COLUMN: one value of such lines.
field() { awk -F'\t' -v name="$1" -v column="$2" '$1 == name { print $column }'; }

# ratio A B: A / B with two decimals.
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { if (b > 0) printf "%.2f", a / b; else printf "-" }'; }

# round NUMBER [DECIMALS]
round() { printf "%.${2:-1}f" "$1"; }

# target WHAT OURS RIVAL RATIO WANTED: a line of the summary.
target() { printf '%s\t%s\t%s\t%s\t%s\n' "$@" >>"$summary"; }

# table "head|head": tab-separated lines in, a Markdown table out; the first column to the left.
table() {
	echo "| ${1//|/ | } |"
	awk -v heads="$1" 'BEGIN { n = split(heads, h, "|"); printf "|---"; for (i = 2; i <= n; i++) printf "|---:"; print "|" }'
	sed 's/\t/ | /g; s/^/| /; s/$/ |/'
}

# same WHAT A B: ends the run where two rivals that must agree do not.
same() {
	if [ "$2" != "$3" ]; then
		echo "bench: $1: $2 is not $3" >&2
		exit 1
	fi
}

describe_machine() {
	local memory
	memory=$(awk '/^MemTotal/ { printf "%.0f GB", $2 / 1048576 }' /proc/meminfo)
	{
		printf 'date\t%s\n' "$(date -u +%Y-%m-%d)"
		printf 'meter\t%s\n' "$(sed -n "s/^default_version *= *'\(.*\)'/\1/p" "$top/meter.control") ($(git -C "$top" describe --always --dirty 2>/dev/null || echo 'no git'))"
		printf 'server\t%s\n' "$(sql postgres 'SELECT pg_catalog.version()' | sed 's/,.*//')"
		printf 'system\t%s\n' "$(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release)"
		printf 'machine\t%s\n' "$(nproc) cores, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $memory of memory"
		printf 'settings\t%s\n' "$settings"
		printf 'data\t%s\n' "$events events, $passes passes${quick:+ (quick: figures are only indications)}"
	} | sed 's/\t/ | /; s/^/| /; s/$/ |/; 1i | run | |\n|---|---|'
}
