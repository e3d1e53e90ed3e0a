#!/bin/sh
# record.sh - the record is what servers log, statement by statement.
#
# SALLYPORTD=path/to/sallyportd tests/interop/record.sh
#
# What clients do is compared with the general log of the server itself; then
# come clients that would have something else recorded, a logger that does not
# read, a full disk, and rotation.
#
# Exit 0, 1 when something failed, 77 when there is no MariaDB here.
#
# shellcheck disable=SC2154	# eval sets what has a server's name in it
set -eu

: "${SALLYPORTD:?path of the sallyportd to test}"
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/interop/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/interop/cases.sh
. "$here/cases.sh"
# shellcheck source=tests/interop/servers.sh
. "$here/servers.sh"
suite=record

# --- sallyportd

# front NAME PORT RECORD [KEYS]: sets gate_NAME.
front() {
	pick_port
	eval "gate_$1=$port"
	cat <<END
	{ name = "$1"; listen = "127.0.0.1:$port"; protocol = "mysql";
	  forward = "127.0.0.1:$2"; pool = "$1"; ${4:-}
	  query_log = { $3 }; },
END
}

write_conf() {
	cat <<END
user = "nobody";
auth_user = "nobody";
log = { to = "stdout"; };
pid_file = "$scratch/gate.pid";
timeouts = { idle = "60s"; };
listeners = (
END
	for name in $servers; do
		eval "at=\$port_$name"
		front "$name" "$at" \
		    "to = \"$records/$name\"; format = \"json\";
		    commands = \"all\";"
	done
	to="to = \"$records/odd\"; format = \"json\"; max_statement = \"1k\";"
	front odd "$db_port" "$to" 'deny_commands = ("statistics");'
	front text "$db_port" "to = \"$records/text\"; commands = \"all\";"
	for how in drop wait close; do
		front $how "$db_port" "to = \"$records/$how\";
		    format = \"json\"; on_overflow = \"$how\";"
		[ -z "$full" ] || front full_$how "$db_port" \
		    "to = \"$full/$how\"; format = \"json\";
		    on_overflow = \"$how\";"
	done
	front turn "$db_port" "to = \"$records/turn\"; format = \"json\";"
	# The last one needs no comma, which the others have.
	cat <<END
	{ name = "none"; listen = "unix:$scratch/run/none"; protocol = "mysql";
	  forward = "127.0.0.1:$db_port"; }
);
END
}

start_gate() {
	records=$scratch/records
	mkdir "$records"
	# A disk of its own, which is soon full.
	full=
	if [ -n "$outside" ]; then
		full=$scratch/full
		mkdir "$full"
		mount -t tmpfs -o size=512k tmpfs "$full"
		chmod 777 "$full"
	fi
	owned "$records"
	write_conf >"$scratch/gate.conf"
	gate_start "$scratch/gate.conf"
}

record() {
	python3 "$here/record.py" "$@"
}

# Who and whose password: what the server's account is called.
who_at() {
	case $1 in
	maria*)	echo native ;;
	*)	echo sha2 ;;
	esac
}

# is_at_least N COMMAND...: what it prints.
is_at_least() {
	least=$1
	shift
	[ "$("$@")" -ge "$least" ] 2>/dev/null
}

# --- the same as the server's log

logged_begin() {
	server_sql "$1" "SET GLOBAL general_log = OFF;
		SET GLOBAL log_output = 'TABLE'; TRUNCATE mysql.general_log;
		SET GLOBAL general_log = ON;"
	: >"$records/$1"
}

logged_end() {
	server_sql "$1" "SET GLOBAL general_log = OFF"
	server_sql "$1" "SELECT thread_id, command_type, HEX(argument)
		FROM mysql.general_log" >"$scratch/logged"
}

is_over() {
	grep -q '"command":"quit"' "$records/$1"
}

# recorded SERVER COMMAND...: what it does there is told as it is logged.
recorded() {
	server=$1
	shift
	user=$(who_at "$server")
	eval "port=\$gate_$server"
	logged_begin "$server"
	"$@" "$port" "$user" "$(password_of "$user")"
	until_true 10 is_over "$server" || fail "no end of the session is told"
	logged_end "$server"
	record compare "$records/$server" "$scratch/logged" "$user"
}

c_client() {
	timeout "$patience" "$scratch/client" "$@" "$scratch/load"
}

# program CLIENT PORT USER PASSWORD
program() {
	sql="USE demo; SELECT 'it''s', \"q\"; CREATE TABLE IF NOT EXISTS c (i INT)
; INSERT INTO c VALUES (1), (2); DELETE FROM c WHERE i = 1
; SELECT i FROM c; DROP TABLE c; USE mysql; SELECT DATABASE()"
	as_client "$1" plain "$2" "$3" "$4" "$sql" >"$scratch/out"
	grep -q mysql "$scratch/out"
}

pymysql_client() {
	timeout "$patience" python3 - "$@" <<'END'
import sys
import pymysql
c = pymysql.connect(host='127.0.0.1', port=int(sys.argv[1]),
                    user=sys.argv[2], password=sys.argv[3], database='demo')
k = c.cursor()
k.execute("SELECT %s, %s", ("it's \n\x1b", 17))
k.execute("CREATE TABLE IF NOT EXISTS y (i INT)")
k.executemany("INSERT INTO y VALUES (%s)", [(1,), (2,), (3,)])
c.commit()
c.select_db('mysql')
k.execute("DROP TABLE demo.y")
c.close()
END
}

try_same() {
	printf 'a\nb\nc\n' >"$scratch/load"
	# shellcheck disable=SC2046	# they are words
	cc -o "$scratch/client" "$here/record_client.c" \
	    $(mariadb_config --include --libs) 2>"$scratch/cc.log" ||
	    echo "no client is built: $(tail -n 1 "$scratch/cc.log")"
	for server in $servers; do
		if [ -x "$scratch/client" ]; then
			check "$server: libmariadb is told as it is logged" \
			    recorded "$server" c_client
		fi
		if python3 -c 'import pymysql' 2>/dev/null &&
		    [ "$server" = maria10 ]; then
			check "$server: PyMySQL is told as it is logged" \
			    recorded "$server" pymysql_client
		fi
		check "$server: mariadb is told as it is logged" \
		    recorded "$server" program mariadb10
		has_client mysql97 || continue
		case $server in
		mysql*)	check "$server: mysql is told as it is logged" \
			    recorded "$server" program mysql97 ;;
		esac
	done
}

# --- nobody makes a line

native() {
	record "$@" native "$(password_of native)"
}

# A file of what looks like commands is none.
no_line_of_a_file() {
	: >"$records/odd"
	echo 1 >"$scratch/want"
	record file "$gate_odd" native "$(password_of native)" >"$scratch/out"
	cmp "$scratch/want" "$scratch/out"
	until_true 10 is_over odd
	record has "$records/odd" \
	    '{"command": "query", "outcome": "ok",
	    "statement": "LOAD DATA LOCAL INFILE '"'x'"' INTO TABLE f (s)"}'
	# Two before, that one, and one behind, and the farewell.
	[ "$(record count "$records/odd")" -eq 5 ]
	grep DELETE "$records/odd" && fail "a line of what is in a file"
	# Nor one that comes before it is asked for.
	record early "$gate_odd" native "$(password_of native)" >"$scratch/out"
	grep -q 'cut off' "$scratch/out"
	grep '"DROP TABLE f"' "$records/odd" && fail "a line of a piece"
	return 0
}

odd_statements() {
	: >"$records/odd"
	record cut "$gate_odd" native "$(password_of native)"
	until_true 10 is_at_least 8 record count "$records/odd"
	record has "$records/odd" \
	    '{"cut": true, "statement_length": 20971533, "outcome": "ok"}' \
	    '{"statement": "DO '"'a\\nb'"'"}' \
	    '{"statement": "DO '"'\\u001b[2J'"'"}' \
	    '{"statement": "DO '"'a\\u0000b'"'"}' \
	    '{"statement": "DO '"'a\\tid=1'"'"}' \
	    '{"statement": "DO '"'\\udcff\\udcfe'"'"}' \
	    '{"statement": "SELECT SLEEP(20)", "outcome": "unanswered"}'
	[ "$(record count "$records/odd")" -eq 8 ]
}

denied() {
	: >"$records/odd"
	if mariadb-admin --no-defaults -h 127.0.0.1 -P "$gate_odd" \
	    -u native --password="$(password_of native)" status \
	    >"$scratch/out" 2>&1; then
		# It prints the error, and takes it for an answer.
		:
	fi
	grep -q 'deny_commands' "$scratch/out"
	record has "$records/odd" '{"command": "statistics",
	    "outcome": "denied", "error": 1227}'
}

ahead() {
	: >"$records/maria10"
	record ahead "$gate_maria10" native "$(password_of native)" 2000
	until_true 10 is_over maria10
	[ "$(record count "$records/maria10")" -eq 2001 ]
	record has "$records/maria10" '{"statement": "DO 1998"}'
}

lines_of_text() {
	: >"$records/text"
	record cut "$gate_text" native "$(password_of native)"
	until_true 10 is_at_least 8 record text "$records/text"
	[ "$(record text "$records/text")" -eq 8 ]
}

# Rows are told, however many.
big_result() {
	: >"$records/maria10"
	mariadb --no-defaults -h 127.0.0.1 -P "$gate_maria10" -u native \
	    --password="$(password_of native)" --quick -N -B demo \
	    -e "SELECT REPEAT('x', 1000) FROM seq_1_to_300000" >/dev/null
	until_true 10 is_over maria10
	record has "$records/maria10" '{"outcome": "rows", "rows": 300000}'
}

# --- no room

logger_pid() {
	tr ' ' '\n' <"/proc/$gate_pid/task/$gate_pid/children" |
	    while read -r pid; do
		! tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q logger ||
		    echo "$pid"
	done
}

many() {
	record many "$1" native "$(password_of native)" "$2"
}

dropped() {
	grep -o '[0-9]* records were dropped' "$scratch/gate.log" |
	    awk '{ n += $1 } END { print n + 0 }'
}

all_told() {
	[ $(($(record count "$records/drop") + $(dropped))) -eq "$1" ]
}

# The logger does not read: what was dropped is counted to the last.
drops() {
	logger=$(logger_pid)
	kill -STOP "$logger"
	timeout 100 python3 "$here/record.py" many "$gate_drop" native \
	    "$(password_of native)" 30000 >"$scratch/out"
	kill -CONT "$logger"
	grep -q "done" "$scratch/out"
	until_true 20 all_told 30001 ||
	    fail "$(record count "$records/drop") told, $(dropped) dropped"
	[ "$(dropped)" -gt 0 ]
}

waits() {
	logger=$(logger_pid)
	kill -STOP "$logger"
	many "$gate_wait" 30000 >"$scratch/out" &
	client=$!
	sleep 4
	kill -CONT "$logger"
	wait "$client"
	grep -q "done" "$scratch/out"
	until_true 20 is_over wait
	[ "$(record count "$records/wait")" -eq 30001 ]
}

closes() {
	logger=$(logger_pid)
	kill -STOP "$logger"
	many "$gate_close" 30000 >"$scratch/out"
	kill -CONT "$logger"
	grep -q 'cut off' "$scratch/out"
	until_true 10 has_sessions 1 'listener=close .* end=record'
}

has_told() {
	grep -q "$1" "$scratch/gate.log"
}

# A disk that is full, and has room again.
disk_full() {
	# The first takes what there is and waits with the rest.
	many "$gate_full_wait" 20000 >"$scratch/out" &
	client=$!
	until_true 20 has_told "cannot write to $full/wait" ||
	    fail "nobody says that the disk is full"
	many "$gate_full_drop" 20000 >"$scratch/drop.out"
	grep -q "done" "$scratch/drop.out"
	mount -o remount,size=64m "$full"
	wait "$client"
	grep -q "done" "$scratch/out"
	until_true 20 is_at_least 20001 record count "$full/wait"
	[ "$(record count "$full/wait")" -eq 20001 ]
	until_true 20 full_all_told ||
	    fail "$(record count "$full/drop") told, $(full_lost) lost"
}

full_lost() {
	grep -o "[0-9]* records were lost: $full/drop" "$scratch/gate.log" |
	    awk '{ n += $1 } END { print n + 0 }'
}

full_all_told() {
	[ $(($(record count "$full/drop") + $(full_lost))) -eq 20001 ]
}

# --- rotation

turned_all() {
	cat "$records"/turn* >"$scratch/turned"
	[ "$(record count "$scratch/turned")" -ge 12004 ]
}

rotates() {
	clients=
	for _ in 1 2 3 4; do
		many "$gate_turn" 3000 >>"$scratch/turn.out" &
		clients="$clients $!"
	done
	for i in 1 2 3 4 5; do
		sleep 0.2
		mv "$records/turn" "$records/turn.$i"
		kill -USR1 "$gate_pid"
		until_true 5 test -e "$records/turn"
	done
	for client in $clients; do
		wait "$client"
	done
	until_true 10 turned_all ||
	    fail "$(record count "$scratch/turned") lines"
	[ "$(record count "$scratch/turned")" -eq 12004 ]
	[ "$(sed 's/"time":"[^"]*"//' "$scratch/turned" | grep -c DO)" -eq \
	    12000 ]
}

finish() {
	[ -z "${full:-}" ] || umount -l "$full" 2>/dev/null || :
	scratch_end
}

trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
for program in mariadbd mariadb python3 openssl; do
	need "$program"
done
get_peers
apart "$0"
scratch_begin
servers_start
start_gate

try_same
check "what a local file holds is no command" no_line_of_a_file
check "odd and cut statements are told, and that one was not answered" \
    odd_statements
check "what is denied is an error, and told" denied
check "2,000 commands ahead of their answers are told" ahead
check "a line of text has one tab and no other control character" lines_of_text
check "300 MB of rows are counted" big_result
check "records that a stopped logger does not read are dropped and counted" \
    drops
check "or waited for" waits
check "or their session ends" closes
if [ -n "$full" ]; then
	check "a full disk loses what the log says, or nothing" disk_full
fi
check "rotation under load loses and doubles no line" rotates
cases_end
