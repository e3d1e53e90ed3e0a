#!/bin/sh
# One run of mysql.sh's rows of queries: one_query.sh ROW PEER, as one.sh.  A
# row is "query" and how many threads there are.  The server is BENCH_DB.
set -u
here=$(realpath "$(dirname "$0")")
row=$1 peer=$2
# shellcheck source=proxy.sh
. "$here/proxy.sh"
# sysbench counts in whole ones.
seconds=${BENCH_DURATION%.*}
[ "${seconds:-0}" -gt 0 ] || seconds=1

# ask THREADS ARGUMENT...
ask() {
	threads=$1
	shift
	[ "$peer" != tls ] || set -- "$@" --mysql-ssl=on
	set -- sysbench "$here/query.lua" --verbosity=2 --threads="$threads" \
	    --percentile=50 --tables=1 --table-size="$BENCH_ROWS" "$@" \
	    --mysql-host="${at%:*}" --mysql-port="${at##*:}" \
	    --mysql-user=bench --mysql-password="$BENCH_PASSWORD" \
	    --mysql-db=bench
	# shellcheck disable=SC2086 # "taskset -c CPUS", or nothing
	$BENCH_ON_LOAD "$@" run
}

answers() {
	ask 1 --events=1 --time=10 --seconds=0
}

begin
echo_at=$BENCH_DB
at=$echo_at
[ "$peer" != tls ] || with_certificate "$dir/ec"
keys="protocol = \"mysql\"; $keys"
if [ "$peer" = record ]; then
	: >"$dir/queries"
	chmod 666 "$dir/queries"
	keys="$keys query_log = { to = \"$dir/queries\"; };"
fi
# Where it looks for certificates of its own.
cd "$dir" || exit 1
begin_proxy
wait_until answers
# It opens its sessions in the first second; the last is to end them.
measure ask "${row#query}" --time=$((seconds + 2)) --report-interval=1 \
    --seconds="$seconds" --cpu_file="$(cpu_file)"
[ -n "$(key rate)" ] || die "sysbench measured nothing: $(cat "$dir/out")"
echo "${row}_rate $(key rate)"
echo "${row}_p50 $(key p50_us)"
echo "${row}_avg $(key avg_us)"
print_cpu "$(key 'done')" 0.001
