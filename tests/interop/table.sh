#!/bin/sh
# table.sh - records go into a table, and a database that is slow, away or
# wrong delays nobody.
#
# SALLYPORTD=path/to/sallyportd tests/interop/table.sh
#
# Exit 0, 1 when something failed, 77 when there is no MariaDB here or
# sallyportd was built without libmariadb.
set -eu

: "${SALLYPORTD:?path of the sallyportd to test}"
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/interop/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/interop/cases.sh
. "$here/cases.sh"
suite=table

# The table is portproxy's, as its users have it.
database_sql() {
	cat <<'END'
CREATE DATABASE demo;
CREATE USER root@localhost;
GRANT ALL ON *.* TO root@localhost;
CREATE USER app@'%' IDENTIFIED BY 'secret';
GRANT ALL ON demo.* TO app@'%';
CREATE DATABASE audit;
CREATE USER writer@'%' IDENTIFIED BY 'hidden';
GRANT INSERT ON audit.* TO writer@'%';
END
}

make_table() {
	sql "CREATE TABLE audit.query_log (
	    id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
	    bindport SMALLINT UNSIGNED NOT NULL, client CHAR(15) NOT NULL,
	    client_port SMALLINT UNSIGNED NOT NULL, server CHAR(15) NOT NULL,
	    server_port SMALLINT UNSIGNED NOT NULL,
	    sql_type VARCHAR(30) NOT NULL DEFAULT 'Query', sql_string TEXT,
	    create_time DATETIME NOT NULL) DEFAULT CHARSET = utf8"
}

# shellcheck disable=SC2154	# db_socket is lib.sh's
sql() {
	timeout "$patience" mariadb --no-defaults -u root -N -B \
	    -S "$db_socket" -e "$1"
}

# The table's server is another than the one that users reach: it is stopped.
start_all() {
	database_sql | db_new
	db_start
	table_pid=$db_pid
	# shellcheck disable=SC2154
	table_port=$db_port
	make_table
	pick_port
	gate=$port
	pick_port
	gate_wait=$port
	echo hidden >"$scratch/password"
	chmod 600 "$scratch/password"
	cat >"$scratch/gate.conf" <<END
user = "nobody";
auth_user = "nobody";
log = { to = "stdout"; };
query_table = { server = "localhost:$table_port"; user = "writer";
	password_file = "$scratch/password"; database = "audit"; };
listeners = (
	{ name = "drop"; listen = "127.0.0.1:$gate"; protocol = "mysql";
	  forward = "127.0.0.1:$other_port"; query_log = { to = "table"; }; },
	{ name = "wait"; listen = "127.0.0.1:$gate_wait"; pool = "wait";
	  protocol = "mysql"; forward = "127.0.0.1:$other_port";
	  query_log = { to = "table"; on_overflow = "wait"; }; }
);
END
	gate_start "$scratch/gate.conf"
}

# A server for users, in a folder of its own.
start_other() {
	scratch_of_all=$scratch
	scratch=$scratch/other
	mkdir "$scratch"
	chmod 755 "$scratch"
	database_sql | db_new
	db_options=--max-allowed-packet=64M
	db_start
	db_options=
	other_port=$db_port
	other_pids="$other_pids $db_pid"
	scratch=$scratch_of_all
}

many() {
	timeout 100 python3 "$here/record.py" many "$1" app secret "$2"
}

rows() {
	sql "SELECT COUNT(*) FROM audit.query_log $1"
}

rows_are() {
	[ "$(rows "$1")" -eq "$2" ]
}

empty() {
	sql "DELETE FROM audit.query_log"
}

lost() {
	grep -oE '[0-9]+ records were (lost|dropped)' "$scratch/gate.log" |
	    awk '{ n += $1 } END { print n + 0 }'
}

has_told() {
	grep -q "$1" "$scratch/gate.log"
}

is_written() {
	mariadb --no-defaults -h 127.0.0.1 -P "$gate" -u app -psecret demo \
	    -e "SELECT 'it''s \\\\ ä'; CREATE TABLE IF NOT EXISTS t (i INT);
	    USE demo"
	until_true 10 rows_are "" 5 ||
	    fail "$(sql 'SELECT * FROM audit.query_log')"
	sql "SELECT sql_type, sql_string FROM audit.query_log
	    WHERE bindport = $gate AND client = '127.0.0.1' AND
	    client_port > 1023 AND server = '127.0.0.1' AND
	    server_port = $other_port AND
	    ABS(UNIX_TIMESTAMP(create_time) - UNIX_TIMESTAMP()) < 20
	    ORDER BY id" >"$scratch/rows"
	cat >"$scratch/want" <<'END'
Query	SELECT 'it''s \\\\ ä'
Query	CREATE TABLE IF NOT EXISTS t (i INT)
Query	SELECT DATABASE()
Schema	use demo
Quit	user quit
END
	diff "$scratch/want" "$scratch/rows"
}

odd_bytes() {
	empty
	python3 "$here/record.py" cut "$gate" app secret
	until_true 10 rows_are "" 8 ||
	    fail "$(sql 'SELECT * FROM audit.query_log'; tail "$scratch/gate.log")"
	rows_are "WHERE sql_string LIKE 'DO LENGTH(%... of 20971533'" 1
	rows_are "WHERE sql_string = 'DO ''\\\\xff\\\\xfe'''" 1
}

# A table that is not there, and then is.
missing() {
	sql "DROP TABLE audit.query_log"
	many "$gate" 100 >"$scratch/out"
	grep -q "done" "$scratch/out"
	until_true 10 has_told "query_log' doesn't exist"
	make_table
	until_true 20 rows_are "" 101
	until_true 5 has_told 'the table can be written again'
}

# One row of many is not to its owner's liking: the rest is written.
one_is_refused() {
	empty
	sql "ALTER TABLE audit.query_log ADD CONSTRAINT fine
	    CHECK (sql_string NOT LIKE '%unwanted%')"
	sql "DELIMITER //
	    CREATE TRIGGER audit.never BEFORE INSERT ON audit.query_log
	    FOR EACH ROW IF NEW.sql_string LIKE '%unloved%' THEN
	    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'never'; END IF//"
	mariadb --no-defaults -h 127.0.0.1 -P "$gate" -u app -psecret demo \
	    -e "DO 1; DO 'unwanted'; DO 2; DO 'unloved'; DO 3"
	until_true 10 rows_are "WHERE sql_string LIKE 'DO _'" 3 ||
	    fail "$(sql 'SELECT * FROM audit.query_log'; tail "$scratch/gate.log")"
	until_true 10 rows_are "WHERE sql_type = 'Quit'" 1
	rows_are "" 4
	has_told 'query_log at .* refused a record: .*fine'
	has_told 'query_log at .* refused a record: never'
	sql "ALTER TABLE audit.query_log DROP CONSTRAINT fine"
	sql "DROP TRIGGER audit.never"
	[ "$(lost)" -eq 0 ]
}

# The server of the table does not answer: users do not wait.
slow() {
	empty
	kill -STOP "$table_pid"
	many "$gate" 1000 >"$scratch/out"
	grep -q "done" "$scratch/out"
	until_true 20 has_told 'it took too long' || {
		kill -CONT "$table_pid"
		fail "nobody says that the database is slow"
	}
	kill -CONT "$table_pid"
	# What was under way may have been written, and is written again.
	until_true 30 rows_are "WHERE sql_type = 'Quit'" 1
	[ "$(rows '')" -ge 1001 ]
}

start_table() {
	other=$db_socket
	for _ in 1 2 3; do
		: >"$scratch/db.log"
		mariadbd_run --socket="$other" --port="$table_port" \
		    --bind-address=127.0.0.1 \
		    --pid-file="$scratch/run/db.pid" \
		    >"$scratch/db.log" 2>&1 </dev/null &
		table_pid=$!
		echo "$table_pid" >"$scratch/table.pid"
		if until_true 60 db_is_ready; then
			return
		fi
	done
}

told_all() {
	[ $(($(rows '') + $(lost) - before)) -eq "$1" ]
}

# It is away for longer than there is room.
away() {
	empty
	before=$(lost)
	end_process "$table_pid"
	many "$gate" 60000 >"$scratch/out"
	grep -q "done" "$scratch/out"
	start_table
	until_true 60 told_all 60001 ||
	    fail "$(rows '') rows, $(lost) lost, $before before"
	[ "$(lost)" -gt "$before" ]
}

is_refused() {
	if "$SALLYPORTD" -t -f "$1" >"$scratch/out" 2>&1; then
		fail "it is taken for good"
	fi
	grep "$2" "$scratch/out" || fail "$(cat "$scratch/out")"
}

wrong_input() {
	for key in user database; do
		sed "/^query_table/,/};/s/$key = \"[a-z]*\";//" \
		    "$scratch/gate.conf" >"$scratch/wrong.conf"
		is_refused "$scratch/wrong.conf" \
		    "query_table.$key: query_log.to"
	done
	echo >"$scratch/none"
	sed "s,$scratch/password,$scratch/none," "$scratch/gate.conf" \
	    >"$scratch/wrong.conf"
	is_refused "$scratch/wrong.conf" 'want a password in the first line'
}

in_effect() {
	has_told "generation $1 is in effect"
}

too_long() {
	grep -c 'it took too long' "$scratch/gate.log" || true
}

has_lost_patience() {
	[ "$(too_long)" -gt "$1" ]
}

# The configuration has no table any more while rows wait for it.
given_up() {
	empty
	before=$(too_long)
	kill -STOP "$table_pid"
	mariadb --no-defaults -h 127.0.0.1 -P "$gate" -u app -psecret demo \
	    -e "DO 'the last'"
	cp "$scratch/gate.conf" "$scratch/with.conf"
	sed '/^query_table/,/};/d; s/query_log = {[^}]*};//' \
	    "$scratch/with.conf" >"$scratch/gate.conf"
	kill -HUP "$gate_pid"
	until_true 15 in_effect 2
	mariadb --no-defaults -h 127.0.0.1 -P "$gate" -u app -psecret demo \
	    -e "DO 'in secret'"
	# It connects anew, to where its configuration said.
	until_true 15 has_lost_patience "$before" || {
		kill -CONT "$table_pid"
		fail "$(tail "$scratch/gate.log")"
	}
	kill -CONT "$table_pid"
	until_true 20 rows_are "WHERE sql_string = 'DO ''the last'''" 1 ||
	    fail "$(tail "$scratch/gate.log")"
	cp "$scratch/with.conf" "$scratch/gate.conf"
	kill -HUP "$gate_pid"
	until_true 15 in_effect 3
	mariadb --no-defaults -h 127.0.0.1 -P "$gate" -u app -psecret demo \
	    -e "DO 'again'"
	until_true 20 rows_are "WHERE sql_string = 'DO ''again'''" 1
	rows_are "WHERE sql_string = 'DO ''in secret'''" 0
	if has_told 'died by signal'; then
		fail "$(grep 'died by' "$scratch/gate.log")"
	fi
}

# The rows that wait when the daemon stops are written first.
last_words() {
	empty
	many "$gate" 500 >"$scratch/out"
	end_process "$gate_pid"
	rows_are "" 501
}

finish() {
	[ ! -e "${scratch:-/nonexistent}/table.pid" ] ||
	    end_process "$(cat "$scratch/table.pid")"
	scratch_end
}

trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
for program in mariadbd mariadb python3; do
	need "$program"
done
scratch_begin
start_other
if ! start_all; then
	grep -q 'without libmariadb' "$scratch/gate.log" || exit 1
	echo "sallyportd was built without libmariadb"
	exit 77
fi

check "statements are rows of portproxy's table" is_written
check "any bytes are a row" odd_bytes
check "a row that the table refuses keeps no other away" one_is_refused
check "a table that is missing is told, and written when it is there" missing
check "a database that does not answer delays nobody" slow
check "what waits is written when there is no table any more" given_up
check "one that is away for long has rows dropped, and counted" away
check "what is missing in the configuration is told" wrong_input
check "a stop writes what waits" last_words
cases_end
