#!/bin/sh
# One run of the bench: one.sh ROW PEER, with what bench.sh puts into the
# environment.  Starts a server and a proxy of its own and ends them; prints
# lines of "figure value".
set -u
here=$(dirname "$0")
# shellcheck source=group.sh
. "$here/group.sh"
row=$1 peer=$2
dir=$BENCH_DIR
held=4000
server=
holder=
before=0

finish() {
	[ -z "$holder" ] || kill "$holder" 2>/dev/null
	[ -z "$server" ] || kill "$server" 2>/dev/null
	group_stop || echo "$peer does not end" >&2
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

die() {
	echo "$*" >&2
	exit 1
}

# fill IN OUT: a peer's configuration.
fill() {
	splice=
	[ "$peer" != splice ] || splice='option splice-response'
	sed -e "s|@LISTEN@|$at|" -e "s|@SERVER@|$echo_at|" \
	    -e "s|@DIR@|$dir|" -e "s|@SPLICE@|$splice|" \
	    -e "s|@MODULE@|$BENCH_MODULE|" "$here/$1" >"$dir/$2"
}

# Its first process is the one that is told to end.
start_proxy() {
	case $peer in
	haproxy|splice)
		fill haproxy.cfg proxy.conf
		set -- haproxy -db -f "$dir/proxy.conf"
		;;
	nginx)
		fill nginx.conf proxy.conf
		set -- nginx -c "$dir/proxy.conf" -e "$dir/nginx.error"
		;;
	sallyport)
		fill sallyportd.conf proxy.conf
		set -- "$BENCH_SALLYPORTD" -f "$dir/proxy.conf"
		;;
	esac
	: >"$dir/log"
	chmod 666 "$dir/log"
	# shellcheck disable=SC2086 # "taskset -c CPUS", or nothing
	group_start $BENCH_ON_PROXY "$@" >>"$dir/log" 2>"$dir/err"
}

start_server() {
	# shellcheck disable=SC2086 # as above
	$BENCH_ON_LOAD "$BENCH_LOAD" server "$echo_at" >"$dir/server" &
	server=$!
}

# What is asked for once has its way through the proxy, too.
wait_until_ready() {
	n=0
	until "$BENCH_LOAD" pingpong $direct -w 0 -t 0 "$at" >/dev/null \
	    2>"$dir/why"; do
		n=$((n + 1))
		[ $n -lt 250 ] || die "it does not serve:" \
		    "$(cat "$dir/err" "$dir/why")"
		sleep 0.02
	done
}

# key NAME: of the line that the load printed.
key() {
	tr ' ' '\n' <"$dir/out" | sed -n "s/^$1=//p"
}

# per NUMBER NUMBER FACTOR
per() {
	awk -v a="$1" -v b="$2" -v f="$3" 'BEGIN { print a / b * f }'
}

# Where no group tells the proxy's CPU time within the load's own time, take
# the part of all that is due to it.
cpu_ns() {
	if [ "$group_kind" != none ]; then
		key cpu_ns
	else
		per "$(key 'done')" "$(key all)" \
		    $(($(group_cpu_by_proc) - before))
	fi
}

# What the load measures itself.
measure() {
	case $row in
	one) set -- pingpong -n 1 ;;
	few) set -- pingpong -n 16 ;;
	many) set -- pingpong -n 256 ;;
	mixed) set -- pingpong -n 16 -i $held ;;
	connect) set -- connect -n 16 -s 16 ;;
	bulk) set -- bulk -n 1 ;;
	esac
	set -- "$@" $direct -w 0.5 -t "$BENCH_DURATION"
	if [ "$peer" = direct ]; then
		:
	elif [ "$group_kind" = none ]; then
		before=$(group_cpu_by_proc)
	else
		set -- "$@" -c "$(group_cpu_file)"
	fi
	# shellcheck disable=SC2086 # as above
	$BENCH_ON_LOAD "$BENCH_LOAD" "$@" "$at" >"$dir/out" || exit 1
	[ "$peer" = direct ] || [ "$(cpu_ns)" != 0 ] ||
		die "the proxy took no CPU time: who was measured?"
}

print_measured() {
	if [ "$row" = bulk ]; then
		echo "bulk_rate $(key mb_per_s)"
		set -- "$(key bytes)" 1			# ns/B is s/GB
	else
		echo "${row}_rate $(key rate)"
		echo "${row}_p50 $(key p50_us)"
		echo "${row}_p99 $(key p99_us)"
		set -- "$(key 'done')" 0.001
	fi
	[ "$peer" = direct ] || echo "${row}_cpu $(per "$(cpu_ns)" "$@")"
}

# What so many idle sessions add to a proxy that has none.
weigh() {
	sleep 1
	empty=$(group_memory)
	rm -f "$dir/fifo"
	mkfifo "$dir/fifo"
	: >"$dir/out"
	"$BENCH_LOAD" hold -n $held "$at" <"$dir/fifo" >"$dir/out" &
	holder=$!
	exec 3>"$dir/fifo"
	until grep -q held= "$dir/out"; do
		kill -0 $holder 2>/dev/null || exit 1
		sleep 0.1
	done
	sleep 1
	full=$(group_memory)
	exec 3>&-
	wait $holder || exit 1
	holder=
	echo "idle_memory $(per $((full - empty)) $held 0.001)"
}

# In a network of our own nobody's ports are in our way, and no connections
# of the run before linger.
[ "$BENCH_APART" = no ] || ip link set lo up || exit 1
group_find
echo_at=127.0.0.1:$BENCH_PORT
at=$echo_at
direct=-d
start_server
if [ "$peer" != direct ]; then
	at=127.0.0.1:$((BENCH_PORT + 1))
	direct=
	start_proxy || exit 1
fi
wait_until_ready
if [ "$row" = idle ]; then
	weigh
else
	measure
	print_measured
fi
kill -0 $server 2>/dev/null || die "the server has died"
