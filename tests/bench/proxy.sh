# proxy.sh - one proxy, what it costs, and the server of our own behind it.
#
# Sourced by those that do one run, of $row and $peer, with what rounds.sh put
# into the environment.  They call begin first.
# shellcheck shell=sh
# shellcheck disable=SC2154	# here, row and peer are set there

# shellcheck source=group.sh
. "$here/group.sh"
dir=$BENCH_DIR
server=
holder=
before=0
echo_at=127.0.0.1:$BENCH_PORT
at=$echo_at

finish() {
	[ -z "$holder" ] || kill "$holder" 2>/dev/null
	[ -z "$server" ] || kill "$server" 2>/dev/null
	group_stop || echo "$peer does not end" >&2
}

die() {
	echo "$*" >&2
	exit 1
}

# In a network of our own nobody's ports are in our way, and no connections
# of the run before linger.
begin() {
	trap finish EXIT
	trap 'exit 1' INT TERM HUP
	[ "$BENCH_APART" = no ] || ip link set lo up || exit 1
	group_find
}

# Where to connect to, and the proxy there unless there is none.
begin_proxy() {
	[ "$peer" != direct ] || return 0
	at=127.0.0.1:$((BENCH_PORT + 1))
	start_proxy || exit 1
}

# The keys of TLS in front, for $certificate, as the peer has them.
tls=
ssl=
keys=
with_certificate() {
	certificate=$1
	ssl=ssl
	tls="ssl_certificate $1.pem; ssl_certificate_key $1.key;"
	tls="$tls ssl_protocols TLSv1.2 TLSv1.3;"
	keys="tls = { mode = \"require\"; certificate = \"$1.pem\";"
	keys="$keys key = \"$1.key\"; };"
}

# As hitch has an address.
in_brackets() {
	echo "[${1%:*}]:${1##*:}"
}

# fill IN OUT: a peer's configuration.
fill() {
	splice=
	[ "$peer" != splice ] || splice='option splice-response'
	sed -e "s|@LISTEN@|$at|" -e "s|@SERVER@|$echo_at|" \
	    -e "s|@\[LISTEN\]@|$(in_brackets "$at")|" \
	    -e "s|@\[SERVER\]@|$(in_brackets "$echo_at")|" \
	    -e "s|@DIR@|$dir|" -e "s|@SPLICE@|$splice|" \
	    -e "s|@MODULE@|$BENCH_MODULE|" -e "s|@SSL@|$ssl|" \
	    -e "s|@TLS@|$tls|" -e "s|@KEYS@|$keys|" \
	    -e "s|@CERTIFICATE@|${certificate-}|" "$here/$1" >"$dir/$2"
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
	hitch)
		fill hitch.conf proxy.conf
		set -- hitch --config="$dir/proxy.conf"
		;;
	stunnel)
		fill stunnel.conf proxy.conf
		set -- "$BENCH_STUNNEL" "$dir/proxy.conf"
		;;
	sallyport|tls|record)
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

# wait_until COMMAND...: it has its way through the proxy, too.
wait_until() {
	n=0
	until "$@" >/dev/null 2>"$dir/why"; do
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

# The file of the proxy's CPU time, or nothing.
cpu_file() {
	[ "$peer" = direct ] || group_cpu_file
}

# measure COMMAND...: it prints keys, and keeps to the load's CPUs.
measure() {
	[ "$peer" = direct ] || [ "$group_kind" != none ] ||
		before=$(group_cpu_by_proc)
	"$@" >"$dir/out" || exit 1
	[ "$peer" = direct ] || [ "$(cpu_ns)" != 0 ] ||
		die "the proxy took no CPU time: who was measured?"
}

# The load, by the mode's name, with the file of the CPU time.
measure_load() {
	set -- "$BENCH_LOAD" "$@" -t "$BENCH_DURATION"
	file=$(cpu_file)
	[ -z "$file" ] || set -- "$@" -c "$file"
	# shellcheck disable=SC2086 # as above
	measure $BENCH_ON_LOAD "$@" "$at"
}

# print_cpu NUMBER FACTOR: what it took for one of so many.
print_cpu() {
	[ "$peer" = direct ] || echo "${row}_cpu $(per "$(cpu_ns)" "$@")"
}

# weigh N COMMAND...: what so many idle sessions, which it holds, add to a
# proxy that has none.
weigh() {
	held=$1
	shift
	sleep 1
	empty=$(group_memory)
	rm -f "$dir/fifo"
	mkfifo "$dir/fifo"
	: >"$dir/out"
	"$@" -n "$held" "$at" <"$dir/fifo" >"$dir/out" &
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
	echo "${row}_memory $(per $((full - empty)) "$held" 0.001)"
}

server_lives() {
	kill -0 "$server" 2>/dev/null || die "the server has died"
}
