#!/bin/sh
# mariadb.sh - MariaDB's own programs and sysbench, through sallyportd.
#
# SALLYPORTD=path/to/sallyportd tests/interop/mariadb.sh
#
# Exit 0, 1 when something failed, 77 when there is no MariaDB here.
set -eu

: "${SALLYPORTD:?path of the sallyportd to test}"
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/interop/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/interop/cases.sh
. "$here/cases.sh"
suite=mariadb

# A line each for connections that do not go through sallyportd.
count_beside() {
	echo >>"$scratch/beside_count"
}

# client WHERE PROGRAM...: one of MariaDB's programs, logged in at WHERE:
# through, beside, or another listener's name.
client() {
	where=$1
	program=$2
	shift 2
	case $where in
	beside)
		count_beside
		set -- -h 127.0.0.1 -P "$db_port" "$@"
		;;
	through)	set -- -h 127.0.0.1 -P "$gate_port" "$@" ;;
	to_unix)	set -- -h 127.0.0.1 -P "$to_unix_port" "$@" ;;
	at_unix)	set -- -S "$scratch/gate.sock" "$@" ;;
	down)		set -- -h 127.0.0.1 -P "$down_port" "$@" ;;
	esac
	timeout "$patience" "$program" --no-defaults -u tester \
	    --password="$password" "$@"
}

sql() {
	client "$1" mariadb --quick -N -e "$2" demo
}

make_database() {
	password=$(random_hex 8)
	db_new <<EOF
CREATE DATABASE demo;
CREATE USER tester@'%' IDENTIFIED BY '$password';
GRANT ALL ON *.* TO tester@'%';
CREATE TABLE demo.small (id INT PRIMARY KEY, name CHAR(40), born DATE);
INSERT INTO demo.small SELECT seq, SHA1(seq), '1970-01-01' + INTERVAL seq * 13 DAY FROM seq_1_to_1000;
CREATE TABLE demo.big (id INT PRIMARY KEY, word TEXT);
INSERT INTO demo.big SELECT seq, REPEAT(SHA1(seq), 25) FROM seq_1_to_52500;
EOF
	db_start
}

start_gate() {
	pick_port
	gate_port=$port
	pick_port
	to_unix_port=$port
	pick_port
	down_port=$port
	pick_port			# where nobody listens
	cat >"$scratch/sallyportd.conf" <<EOF
user = "nobody";
log = { to = "stdout"; };
listeners = (
	{ name = "through"; listen = "127.0.0.1:$gate_port";
	  forward = "127.0.0.1:$db_port"; },
	{ name = "to_unix"; listen = "127.0.0.1:$to_unix_port";
	  forward = "unix:$db_socket"; },
	{ name = "at_unix"; listen = "unix:$scratch/gate.sock";
	  forward = "127.0.0.1:$db_port"; },
	{ name = "down"; listen = "127.0.0.1:$down_port";
	  forward = "127.0.0.1:$port"; }
);
EOF
	gate_start "$scratch/sallyportd.conf"
}

# same_rows WHERE TABLE LINES
same_rows() {
	sql beside "SELECT * FROM $2 ORDER BY id" >"$scratch/beside"
	sql "$1" "SELECT * FROM $2 ORDER BY id" >"$scratch/through"
	lines=$(wc -l <"$scratch/through")
	[ "$lines" -eq "$3" ] || fail "$lines lines instead of $3"
	cksum <"$scratch/beside" >"$scratch/beside.sum"
	cksum <"$scratch/through" | diff "$scratch/beside.sum" -
}

dump_and_load() {
	need mariadb-dump
	client through mariadb-dump demo small big >"$scratch/dump.sql"
	sql beside 'CREATE DATABASE again'
	client through mariadb again <"$scratch/dump.sql"
	sql beside 'CHECKSUM TABLE small, big' >"$scratch/sums"
	[ "$(wc -l <"$scratch/sums")" -eq 2 ]
	sql beside 'CHECKSUM TABLE again.small, again.big' |
	    sed 's/^again/demo/' | diff "$scratch/sums" -
}

slap() {
	need mariadb-slap
	client through mariadb-slap --concurrency=50 --iterations=2 \
	    --number-of-queries=2000 --auto-generate-sql \
	    --auto-generate-sql-load-type=mixed
}

run_sysbench() {
	timeout "$patience" sysbench "$@" --db-driver=mysql \
	    --mysql-host=127.0.0.1 --mysql-port="$gate_port" \
	    --mysql-user=tester --mysql-password="$password" \
	    --mysql-db=demo --tables=1 --table-size=10000 --threads=16 \
	    --time=3
}

# sysbench_is_clean WORKLOAD
sysbench_is_clean() {
	need sysbench
	run_sysbench "$1" run | tee "$scratch/sysbench"
	grep -q 'ignored errors: *0 ' "$scratch/sysbench"
	grep -q 'reconnects: *0 ' "$scratch/sysbench"
	! grep -q FATAL "$scratch/sysbench"
}

sysbench_prepare() {
	need sysbench
	run_sysbench oltp_read_only prepare
}

held_sessions() {
	i=0
	while [ $i -lt 40 ]; do
		i=$((i + 1))
		sql through 'SELECT SLEEP(1), CONNECTION_ID()' \
		    >"$scratch/held.$i" &
	done
	wait
	cat "$scratch"/held.* | sort -u >"$scratch/held"
	[ "$(grep -c '^0	[0-9]' "$scratch/held")" -eq 40 ]
}

# What the server counted is what the log has, each session once.
log_is_complete() {
	# Beforehand, for this one is counted too.
	made=$(sql beside "SHOW GLOBAL STATUS LIKE 'Connections'" | cut -f 2)
	want=$((made - before - $(wc -l <"$scratch/beside_count")))
	until_true 10 has_sessions "$want" '' || :
	session_lines -c '' | grep -x "$want" || fail "want $want lines"
	session_lines -o ' id=[0-9a-f]*' | sort | uniq -d >"$scratch/twice"
	[ ! -s "$scratch/twice" ] || fail "ids came twice"
	session_lines -v ' end=done$' >"$scratch/odd" || :
	[ ! -s "$scratch/odd" ] || fail "$(head "$scratch/odd")"
	session_lines -vE "$line" >"$scratch/odd" || :
	[ ! -s "$scratch/odd" ] || fail "$(head "$scratch/odd")"
	# Nothing of all this is worth a warning.
	sed '1,/: ready/d' "$scratch/gate.log" | grep -E ' (error|warn) ' &&
	    fail "warnings"
	return 0
}
line=' id=[0-9a-f]{16} listener=[a-z_]+ client=[^ ]+ server=[^ ]+ up=[0-9]+'
line="$line down=[0-9]+ ms=[0-9.]+ connect_ms=[0-9.]+ end=[a-z_]+\$"

# wants_error SECONDS COMMAND...: it must fail with error 2013 or 2002 in time
wants_error() {
	limit=$(($(now) + $1 * 100))
	shift
	"$@" 2>"$scratch/error" && fail "no error"
	[ "$(now)" -le "$limit" ] || fail "an error, but late"
	cat "$scratch/error"
	grep -qE '^ERROR (2002|2006|2013|2026)|error: 2013' "$scratch/error"
}

server_down() {
	wants_error 2 sql down 'SELECT 1'
	until_true 10 has_sessions 1 'listener=down .* end=unreachable'
	[ "$(session_lines -c listener=down)" -eq 1 ]
}

# Reads a little, has the server killed, and reads on.
read_and_kill() {
	read -r _ || fail "the result does not begin"
	kill -9 "$db_pid"
	cat >"$scratch/rest"
}

killed_server() {
	lines=$(session_lines -c '' || :)
	mkfifo "$scratch/rows"
	read_and_kill <"$scratch/rows" &
	# shellcheck disable=SC2016	# the rows are for the reader above
	wants_error 5 sh -c '
		exec >"$1"; shift; exec "$@"' sh "$scratch/rows" \
	    timeout "$patience" mariadb --no-defaults --quick -u tester \
	    --password="$password" -h 127.0.0.1 -P "$gate_port" \
	    -e 'SELECT * FROM big' demo
	wait
	[ "$(wc -c <"$scratch/rest")" -lt 40000000 ] ||
	    fail "the server was killed too late"
	until_true 10 has_sessions $((lines + 1)) ''
	session_lines '' | tail -n 1
	[ "$(session_lines -c '')" -eq $((lines + 1)) ]
}

trap scratch_end EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
for program in mariadbd mariadb; do
	need "$program"
done
scratch_begin
make_database
start_gate

: >"$scratch/beside_count"
before=$(sql beside "SHOW GLOBAL STATUS LIKE 'Connections'" | cut -f 2)
: >"$scratch/beside_count"

check "1,000 rows are the same through and beside" \
    same_rows through small 1000
check "50 MB are the same through and beside" same_rows through big 52500
check "1,000 rows come from a server at a unix socket" \
    same_rows to_unix small 1000
check "50 MB come from a server at a unix socket" same_rows to_unix big 52500
check "1,000 rows go to a client at a unix socket" \
    same_rows at_unix small 1000
check "50 MB go to a client at a unix socket" same_rows at_unix big 52500
check "a dump loads again, and is the same" dump_and_load
check "40 sessions at once are 40 sessions" held_sessions
check "mariadb-slap has no error with 50 clients" slap
check "sysbench fills its table" sysbench_prepare
check "sysbench oltp_read_only has no error with 16 threads" \
    sysbench_is_clean oltp_read_only
check "sysbench oltp_point_select has no error with 16 threads" \
    sysbench_is_clean oltp_point_select
check "each session has left one line, and a whole one" log_is_complete
check "a server that is down is an error at once" server_down
check "a server killed amid a result is an error at once" killed_server
end_process "$db_pid"		# a zombie by now, if all went well
db_pid=
check "a server that is gone is an error at once" \
    wants_error 2 sql through 'SELECT 1'
cases_end
