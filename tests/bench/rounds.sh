# rounds.sh - several proxies that take each row in turn, round after round.
#
# Sourced by bench.sh and mysql.sh, which call rounds_begin, rounds_run and
# rounds_report.  They have set
#
#	rows, wanted	what of each is to be done, by name
#	fds		descriptors that are needed
#
# and have a function turn ROW PEER, which calls run where the two go together.
# shellcheck shell=sh
# shellcheck disable=SC2154	# here, rows, wanted and fds are set there

# shellcheck source=group.sh
. "$here/group.sh"
PATH=$PATH:/usr/sbin:/sbin
rounds=${ROUNDS:-7}
faults=0
round=0

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
BENCH_STUNNEL=
BENCH_APART=no
export PATH BENCH_DIR BENCH_LOAD BENCH_SALLYPORTD BENCH_PORT \
    BENCH_DURATION BENCH_ON_LOAD BENCH_ON_PROXY BENCH_MODULE BENCH_STUNNEL \
    BENCH_APART
chmod 755 "$BENCH_DIR"

rounds_end() {
	rm -rf "$BENCH_DIR"
}

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

find_stunnel() {
	BENCH_STUNNEL=$(command -v stunnel4 || command -v stunnel)
}

# version PEER: prints it; fails where the peer is missing.
version() {
	case $1 in
	direct) echo "direct: the server itself" ;;
	haproxy) command -v haproxy >/dev/null && haproxy -v | sed -n 1p ;;
	nginx) find_nginx && nginx -v 2>&1 ;;
	hitch) command -v hitch >/dev/null && hitch --version 2>&1 ;;
	stunnel) find_stunnel && "$BENCH_STUNNEL" -version 2>&1 |
	    grep '^stunnel' ;;
	sallyport) "$BENCH_SALLYPORTD" --version | sed -n 1p ;;
	tls) echo "tls: sallyportd with TLS in front" ;;
	record) echo "record: sallyportd with a record of queries" ;;
	ssh-?) [ -x "$BENCH_SSHD" ] && command -v ssh >/dev/null &&
	    ssh -V 2>&1 ;;
	hub-*) echo "$1: sallyportd twice, as hub and as agent" ;;
	*) echo "PEERS: \"$1\" is none" >&2; exit 2 ;;
	esac
}

# Who is missing is left out, and said to be.
choose_peers() {
	peers=
	for p in $wanted; do
		if version "$p"; then
			peers="$peers $p"
		else
			echo "$p is missing, and left out (Debian has haproxy," \
			    "nginx-light and libnginx-mod-stream, hitch," \
			    "stunnel4, openssh-server)"
		fi
	done
}

# dash and bash both know -H and -n, which POSIX does not.
# shellcheck disable=SC3045
raise_limit() {
	hard=$(ulimit -Hn)
	if [ "$hard" != unlimited ] && [ "$hard" -lt "$fds" ]; then
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

# run ROW PEER SCRIPT [COMMAND...]: the script's figures of the two, in
# processes of its own; with a command before it, as one for a network of its
# own.
run() {
	row=$1 peer=$2 script=$3
	shift 3
	if ! "$@" sh "$here/$script" "$row" "$peer" \
	    >"$BENCH_DIR/figures" 2>"$BENCH_DIR/why"; then
		echo "round $round, $row, $peer: $(cat "$BENCH_DIR/why")" >&2
		faults=$((faults + 1))
		return
	fi
	while read -r figure value; do
		echo "$figure $peer $round $value"
	done <"$BENCH_DIR/figures" >>"$BENCH_DIR/values"
}

# The same, in a network of its own where there can be one.
run_apart() {
	[ $BENCH_APART = no ] || set -- "$@" unshare -n
	run "$@"
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
			turn "$row" "$peer"
		done
	done
}

rounds_begin() {
	group_find
	! unshare -n ip link set lo up 2>/dev/null || BENCH_APART=yes
	choose_peers
	raise_limit
	describe
}

rounds_run() {
	: >"$BENCH_DIR/values"
	while [ $round -lt "$rounds" ]; do
		round=$((round + 1))
		echo "round $round: others use $(others) % of the CPUs" >&2
		run_round
		# Each begins a round in its turn.
		# shellcheck disable=SC2086 # these are several
		set -- $peers
		first=$1
		shift
		peers="$* $first"
	done
}

# rounds_report FILE...: the table, by these files of awk.
rounds_report() {
	[ -z "${KEEP-}" ] || cp "$BENCH_DIR/values" "$KEEP"
	for f; do
		set -- "$@" -f "$here/$f"
		shift
	done
	echo
	awk "$@" "$BENCH_DIR/values"
	if [ $faults -gt 0 ]; then
		echo "$faults faults, whose figures are not in the table" >&2
		exit 1
	fi
}
