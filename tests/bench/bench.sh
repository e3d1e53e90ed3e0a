#!/bin/sh
# Sallyport beside HAProxy, nginx and nothing, in the same minutes on the same
# machine.  HACKING says how to read it.  Of the environment:
#
#	ROUNDS		how often all is done; the table has medians
#	DURATION	seconds that each row is measured, after a warm-up
#	PEERS		of: direct haproxy nginx sallyport
#	ROWS		of: one few many mixed connect bulk idle
#	PORT		the first of two that are used, on 127.0.0.1
#	LOAD_CPUS	where load and server run, as taskset -c has it
#	PROXY_CPUS	where every proxy runs, the same; of both, "" is any
#	KEEP		a file for the single figures
set -u
here=$(dirname "$0")
# shellcheck source=group.sh
. "$here/group.sh"
PATH=$PATH:/usr/sbin:/sbin
rounds=${ROUNDS:-7}
rows=${ROWS:-one few many mixed connect bulk idle}
wanted=${PEERS:-direct haproxy nginx sallyport}
fds=20000		# what HAProxy asks for with its configuration here
faults=0

# One message of a session wakes three processes, and where they happen to be
# then makes it 15 us or 80.  So load and server keep to their CPUs, and every
# proxy has two, for its two threads or workers.  Where there are but two in
# all, one serves both.
if [ "$(nproc)" -ge 4 ]; then
	: "${LOAD_CPUS=0,1}" "${PROXY_CPUS=2,3}"
else
	: "${LOAD_CPUS=0}" "${PROXY_CPUS=}"
fi

BENCH_DIR=$(mktemp -d) || exit 1
BENCH_LOAD=$(realpath "${LOAD:-./tests/bench/load}")
BENCH_SALLYPORTD=$(realpath "${SALLYPORTD:-./sallyportd}")
BENCH_PORT=${PORT:-25100}
BENCH_DURATION=${DURATION:-3}
BENCH_ON_LOAD=${LOAD_CPUS:+taskset -c $LOAD_CPUS}
BENCH_ON_PROXY=${PROXY_CPUS:+taskset -c $PROXY_CPUS}
BENCH_MODULE=
BENCH_APART=no
export PATH BENCH_DIR BENCH_LOAD BENCH_SALLYPORTD BENCH_PORT \
    BENCH_DURATION BENCH_ON_LOAD BENCH_ON_PROXY BENCH_MODULE BENCH_APART
trap 'rm -rf "$BENCH_DIR"' EXIT
trap 'exit 1' INT TERM HUP
chmod 755 "$BENCH_DIR"

# Debian has nginx's stream as a module; others have it built in.
find_nginx() {
	command -v nginx >/dev/null || return 1
	for d in /usr/lib/nginx/modules /usr/lib64/nginx/modules; do
		[ ! -e $d/ngx_stream_module.so ] ||
			BENCH_MODULE="load_module $d/ngx_stream_module.so;"
	done
	[ -n "$BENCH_MODULE" ] ||
		nginx -V 2>&1 | grep -q -- '--with-stream\( \|$\)'
}

# Who is missing is left out, and said to be.
choose_peers() {
	peers=
	for p in $wanted; do
		case $p in
		direct) echo "direct: the server itself" ;;
		haproxy) command -v haproxy >/dev/null &&
		    haproxy -v | sed -n 1p ;;
		nginx) find_nginx && nginx -v 2>&1 ;;
		sallyport) "$BENCH_SALLYPORTD" --version | sed -n 1p ;;
		*) echo "PEERS: \"$p\" is none" >&2; exit 2 ;;
		esac && peers="$peers $p" ||
			echo "$p is missing, and left out (Debian has haproxy," \
			    "nginx-light and libnginx-mod-stream)"
	done
}

# dash and bash both know -H and -n, which POSIX does not.
# shellcheck disable=SC3045
raise_limit() {
	hard=$(ulimit -Hn)
	if [ "$hard" != unlimited ] && [ "$hard" -lt $fds ]; then
		echo "$fds descriptors are needed, the hard limit is $hard" >&2
		exit 1
	fi
	ulimit -n "$hard"
	echo "descriptors: $hard at the most"
}

describe() {
	echo "$(nproc) CPUs, Linux $(uname -r)"
	echo "load and server on CPU ${LOAD_CPUS:-any}, proxies on" \
	    "${PROXY_CPUS:-any}"
	if [ "$group_kind" = none ]; then
		echo "no control groups: CPU time and memory are of processes" \
		    "alone, without the kernel's"
	else
		echo "control groups $group_kind: CPU time and memory are with" \
		    "the kernel's"
	fi
	[ $BENCH_APART = yes ] ||
		echo "no network namespaces: connections linger between runs"
	echo "$rounds rounds, $BENCH_DURATION s each"
}

# run ROW PEER: in processes, and a network if possible, of its own.
run() {
	set -- "$@" sh "$here/one.sh" "$@"
	row=$1 peer=$2
	shift 2
	[ $BENCH_APART = no ] || set -- unshare -n "$@"
	if ! "$@" >"$BENCH_DIR/figures" 2>"$BENCH_DIR/why"; then
		echo "round $round, $row, $peer: $(cat "$BENCH_DIR/why")" >&2
		faults=$((faults + 1))
		return
	fi
	while read -r figure value; do
		echo "$figure $peer $round $value"
	done <"$BENCH_DIR/figures" >>"$BENCH_DIR/values"
}

busy() {
	awk '$1 == "cpu" { print $2 + $3 + $4 + $7 + $8, \
	    $2 + $3 + $4 + $5 + $6 + $7 + $8 + $9 }' /proc/stat
}

# How much of the CPUs, in percent, others use while we do nothing.
others() {
	set -- "$(busy)"
	sleep 1
	echo "$1 $(busy)" | awk '{ printf "%.0f\n", ($3 - $1) / ($4 - $2) * 100 }'
}

run_round() {
	for row in $rows; do
		for peer in $peers; do
			[ "$row $peer" = "idle direct" ] || run "$row" "$peer"
			[ "$row $peer" != "bulk haproxy" ] || run bulk splice
		done
	done
}

group_find
! unshare -n ip link set lo up 2>/dev/null || BENCH_APART=yes
choose_peers
raise_limit
describe
: >"$BENCH_DIR/values"
round=1
while [ $round -le "$rounds" ]; do
	echo "round $round: others use $(others) % of the CPUs" >&2
	run_round
	# Each begins a round in its turn.
	# shellcheck disable=SC2086 # these are several
	set -- $peers
	first=$1
	shift
	peers="$* $first"
	round=$((round + 1))
done
[ -z "${KEEP-}" ] || cp "$BENCH_DIR/values" "$KEEP"
echo
awk -f "$here/report.awk" "$BENCH_DIR/values"
if [ $faults -gt 0 ]; then
	echo "$faults faults, whose figures are not in the table" >&2
	exit 1
fi
