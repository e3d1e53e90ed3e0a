#!/bin/sh
# run.sh - a table of MySQL's client libraries: each with a server itself,
# through sallyportd without TLS, with TLS that the server knows nothing of, and
# with a one-time code; and whether the record of the run with TLS is what the
# server has logged, and of how many statements.
#
# SALLYPORTD=path/to/sallyportd tests/interop/drivers/run.sh [DRIVER...]
#
# Drivers come from Debian, PyPI, npm and the Go module proxy, into
# _build/drivers, or where $SALLYPORT_DRIVERS says; those that cannot be had
# are skipped with a message.  It takes minutes, so contrib/run-tests leaves it
# out.  Root installs Debian's packages, and lets nothing of them start.
#
# Each driver runs the same script: who am I, a prepared statement, a blob of
# 1 MB, text beyond the first plane, a transaction, LOAD DATA LOCAL INFILE, more
# statements than one, what it has of cursors, batches and changes of user, and
# an error.
#
# GREETING=server has sallyportd greet so.  With its own greeting the one test
# of mariadb-client-test fails that kills a connection by the greeting's number.
#
# Exit 0, 1 when a driver does less through sallyportd than without it.
#
# shellcheck disable=SC2154	# other files and eval set what is in use here
set -eu

: "${SALLYPORTD:?path of the sallyportd to test}"
scripts=$(cd "$(dirname "$0")" && pwd)
here=$(cd "$scripts/.." && pwd)
# shellcheck source=tests/interop/packages.sh
. "$here/packages.sh"
# shellcheck source=tests/interop/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/interop/cases.sh
. "$here/cases.sh"
# shellcheck source=tests/interop/servers.sh
. "$here/servers.sh"
cache=${SALLYPORT_DRIVERS:-$(cd "$here/../.." && pwd)/_build/drivers}
all='mariadb mysql mariadb-dump pymysql mysqlclient php ruby java mysqljs mysql2
go go-tests client-test'

# debian TABLE-LINE...: what packages.sh takes.
debian() {
	packages_get "$(printf '%s\n' "$@")" "$scratch/packages.log" \
	    >/dev/null 2>&1
}

venv() {
	[ -x "$cache/python/bin/python" ] ||
	    python3 -m venv "$cache/python"
	"$cache/python/bin/pip" -q install "$@"
}

npm_get() {
	debian 'cmd:npm npm npm' && mkdir -p "$cache/node" &&
	    (cd "$cache/node" && npm --silent --no-fund --no-audit install "$@")
}

# get_DRIVER: have it here, or fail.
get_mariadb() { command -v mariadb; }
get_mysql() { [ -n "$have_mysql" ]; }
get_mariadb_dump() { command -v mariadb-dump || command -v mysqldump; }
get_pymysql() { debian 'cmd:python3 python3-venv python3' && venv pymysql cryptography; }
get_mysqlclient() {
	debian 'pc:libmariadb libmariadb-dev mariadb-connector-c-devel' &&
	    venv mysqlclient
}
get_php() { debian 'cmd:php php-cli php-cli' &&
	debian 'file:/usr/share/php8.2-mysql php8.2-mysql php-mysqlnd'; }
get_ruby() {
	debian 'cmd:ruby ruby ruby' \
	    'file:/usr/share/doc/ruby-mysql2 ruby-mysql2 rubygem-mysql2'
}
get_java() {
	debian 'cmd:java default-jdk-headless java-devel' \
	    'file:/usr/share/java/mariadb-java-client.jar libmariadb-java mariadb-java-client'
}
get_mysqljs() { npm_get mysql; }
get_mysql2() { npm_get mysql2; }
get_go() {
	debian 'cmd:go golang-go golang' && mkdir -p "$cache/go" &&
	    cp "$scripts/script.go" "$cache/go/main.go" && cd "$cache/go" &&
	    { [ -e go.mod ] || go mod init drivers; } &&
	    go get github.com/go-sql-driver/mysql@v1.8.1 && go build -o script .
}
get_go_tests() {
	get_go && cd "$cache/go" && rm -rf "$cache/go-tests" &&
	    cp -R "$(go list -m -f '{{.Dir}}' github.com/go-sql-driver/mysql)" \
	    "$cache/go-tests" && chmod -R u+w "$cache/go-tests" &&
	    cd "$cache/go-tests" && go mod download && go test -c -o driver.test .
}
get_client_test() {
	debian 'cmd:mariadb-client-test mariadb-test mariadb-test' ||
	    debian 'cmd:mysql_client_test mariadb-test mariadb-test'
}

# run_DRIVER PORT ACCOUNT CA: what it says; CA is "" for no TLS.  The name of
# the host is that of the certificate, but for those who take a socket then.
cli() {
	program=$1
	shift
	if [ -z "$3" ]; then
		set -- "$1" "$2" --skip-ssl
	elif [ "$program" = mysql ]; then
		set -- "$1" "$2" --ssl-mode=VERIFY_IDENTITY --ssl-ca="$3"
	else
		set -- "$1" "$2" --ssl-ca="$3" --ssl-verify-server-cert
	fi
	at=$1
	user=$2
	shift 2
	case $program in
	mysql)
		[ "$1" != --skip-ssl ] || set -- --ssl-mode=DISABLED \
		    --get-server-public-key
		program=$peers/mysql/mysql
		;;
	*)	set -- --no-defaults "$@" ;;
	esac
	"$program" "$@" -h 127.0.0.1 -P "$at" -u "$user" \
	    -p"$(password_of_account "$user")" "$more" demo
}

run_mariadb() {
	more=--batch
	cli mariadb "$@" <"$scripts/script.sql" | grep -x ok
}
run_mysql() {
	more=--batch
	cli mysql "$@" <"$scripts/script.sql" | grep -x ok
}
run_mariadb_dump() {
	more=--skip-dump-date
	cli mariadb-dump "$@" >"$scratch/dump"
	of=${SALLYPORT_ACCOUNT:-$2}
	[ -e "$scratch/dump.$of" ] || cp "$scratch/dump" "$scratch/dump.$of"
	cmp "$scratch/dump" "$scratch/dump.$of" && echo ok
}
script() {
	program=$1
	file=$2
	shift 2
	$program "$file" 127.0.0.1 "$1" "$2" "$(password_of_account "$2")" "$3"
}
run_pymysql() {
	"$cache/python/bin/python" "$scripts/pymysql_script.py" 127.0.0.1 "$1" \
	    "$2" "$(password_of_account "$2")" "$3" pymysql
}
run_mysqlclient() {
	"$cache/python/bin/python" "$scripts/pymysql_script.py" 127.0.0.1 "$1" \
	    "$2" "$(password_of_account "$2")" "$3" mysqlclient
}
run_php() { script "php -d mysqli.allow_local_infile=1" "$scripts/script.php" "$@"; }
run_ruby() { script ruby "$scripts/script.rb" "$@"; }
run_java() {
	java -cp /usr/share/java/mariadb-java-client.jar:/usr/share/java/slf4j-api.jar \
	    "$scripts/Script.java" 127.0.0.1 "$1" "$2" "$(password_of_account "$2")" "$3"
}
node_script() {
	kind=$1
	shift
	NODE_PATH=$cache/node/node_modules node "$scripts/script.js" \
	    127.0.0.1 "$1" "$2" "$(password_of_account "$2")" "$3" "$kind"
}
run_mysqljs() { node_script mysql "$@"; }
run_mysql2() { node_script mysql2 "$@"; }
run_go() {
	"$cache/go/script" 127.0.0.1 "$1" "$2" "$(password_of_account "$2")" "$3"
}

# Suites of their own: what passes directly must pass through us.  "ok" and how
# many; those that fail only here are named.
run_go_tests() {
	(cd "$cache/go-tests" && MYSQL_TEST_ADDR=127.0.0.1:$1 \
	    MYSQL_TEST_USER=$2 MYSQL_TEST_PASS=$(password_of_account "$2") \
	    MYSQL_TEST_DBNAME=demo timeout 300 ./driver.test -test.v \
	    -test.count=1) >"$scratch/tests" 2>&1 || :
	grep -E '^--- PASS' "$scratch/tests" | awk '{ print $3 }' |
	    sort >"$scratch/passed"
	tell_suite "go.$2"
}
run_client_test() {
	if [ -n "$3" ]; then
		echo "n/a"	# it has no options for TLS
		return 0
	fi
	program=$(command -v mariadb-client-test || command -v mysql_client_test)
	timeout 300 "$program" --no-defaults -T >"$scratch/names" 2>&1 || :
	awk '/^ *test_|^test_/ { print $1 }' "$scratch/names" |
	    while read -r name; do
		timeout 60 "$program" --no-defaults -h 127.0.0.1 \
		    -P "$1" -u "$2" -p"$(password_of_account "$2")" -D client_test \
		    --silent "$name" >/dev/null 2>&1 </dev/null &&
		    echo "$name"
	done | sort >"$scratch/passed"
	tell_suite "client.$2"
}
tell_suite() {
	if [ ! -e "$scratch/direct.$1" ]; then
		cp "$scratch/passed" "$scratch/direct.$1"
	fi
	comm -23 "$scratch/direct.$1" "$scratch/passed" >"$scratch/missing"
	if [ -s "$scratch/missing" ] || [ ! -s "$scratch/passed" ]; then
		echo "only $(wc -l <"$scratch/passed") passed; not:"
		cat "$scratch/missing"
		return 1
	fi
	echo "ok $(wc -l <"$scratch/passed")"
}

front() {
	pick_port
	eval "gate_$1=$port"
	pick_port
	eval "code_$1=$port"
	eval "at=\$gate_$1"
	cat <<END
	{ name = "$1"; listen = "127.0.0.1:$at"; protocol = "mysql";
	  forward = "127.0.0.1:$2"; greeting = "${GREETING:-own}";
	  query_log = { to = "$scratch/records/$1"; format = "json";
			commands = "all"; max_statement = "16m"; };
	  tls = { mode = "offer"; key = "$scratch/key.pem";
		  certificate = "$scratch/certificate.pem"; }; },
	{ name = "code_$1"; listen = "127.0.0.1:$port"; protocol = "mysql";
	  forward = "127.0.0.1:$2"; login = "totp";
	  tls = { mode = "offer"; key = "$scratch/key.pem";
		  certificate = "$scratch/certificate.pem"; }; }$3
END
}

# account SERVER ACCOUNT END: whom those with codes become there.
account() {
	password_of "$2" >"$scratch/$2.password"
	chmod 600 "$scratch/$2.password"
	cat <<END
	{ users = "*"; account = "$2"; listeners = "code_$1";
	  password_file = "$scratch/$2.password"; }$3
END
}

start_gate() {
	{
		echo 'user = "nobody"; log = { to = "stdout"; };'
		echo "totp = { file = \"$scratch/people\"; state = \"$scratch/used\"; reuse = \"1m\"; };"
		echo 'accounts = ('
		[ -z "$have_mysql" ] || account mysql sha2 ,
		account maria10 native ''
		echo ');'
		echo 'listeners = ('
		[ -z "$have_mysql" ] || front mysql "$port_mysql" ,
		front maria10 "$port_maria10" ''
		echo ');'
	} >"$scratch/gate.conf"
	mkdir "$scratch/records"
	owned "$scratch/records"
	code_secret=$(python3 "$here/totp.py" secret)
	echo "person $code_secret" >"$scratch/people"
	chmod 600 "$scratch/people"
	gate_start "$scratch/gate.conf"
}

# The record of what TRY does, beside the log of the server: sets record.
logged() {
	logs=$1
	shift
	if [ "$logs" = none ]; then
		record=n/a
		"$@"
		return
	fi
	server_sql "$logs" "SET GLOBAL general_log = OFF;
		SET GLOBAL log_output = 'TABLE'; TRUNCATE mysql.general_log;
		SET GLOBAL general_log = ON;"
	: >"$scratch/records/$logs"
	"$@"
	until_true 3 grep -q '"command":"quit"' "$scratch/records/$logs" || :
	server_sql "$logs" "SET GLOBAL general_log = OFF"
	record=n/a
	[ "$tls" != - ] || return 0
	server_sql "$logs" "SELECT thread_id, command_type, HEX(argument)
		FROM mysql.general_log" >"$scratch/logged"
	record=$(python3 "$here/record.py" drivers "$scratch/records/$logs" \
	    "$scratch/logged" "$user" 2>"$scratch/differ") || {
		record=-
		{
			echo "--- the record of $driver at $logs"
			head -c 3000 "$scratch/differ"
		} >>"$scratch/faults"
	}
}

# The password of whoever logs in: of an account, or a code.
password_of_account() {
	case $1 in
	person)	echo "person$(python3 "$here/totp.py" code "$code_secret")" ;;
	*)	password_of "$1" ;;
	esac
}

# try DRIVER SERVER ACCOUNT WHERE CA: "ok", or "-".
try() {
	case $4 in
	direct)	eval "at=\$port_$2" ;;
	code)
		# For the scripts, which ask the server who they are.
		SALLYPORT_ACCOUNT=$3
		export SALLYPORT_ACCOUNT
		eval "at=\$code_$2"
		set -- "$1" "$2" person code "$5"
		;;
	*)	eval "at=\$gate_$2" ;;
	esac
	what=$(echo "$1" | tr - _)
	if (set -e; "run_$what" "$at" "$3" "$5") >"$scratch/try" 2>&1; then
		tail -n 1 "$scratch/try"
	else
		{
			echo "--- $1 at $2, $4"
			tail -n 20 "$scratch/try"
		} >>"$scratch/faults"
		echo -
	fi
}

by_tls() {
	tls=$(try "$driver" "$server" "$user" tls "$scratch/ca.pem")
}

row() {
	server=$2
	user=$3
	direct=$(try "$1" "$2" "$3" direct '')
	plain=$(try "$1" "$2" "$3" plain '')
	case $1 in
	*-tests|*-test)
		# Suites do what no code may, and more than can be told.
		code=n/a
		logged none by_tls
		;;
	*)
		code=$(try "$1" "$2" "$3" code "$scratch/ca.pem")
		logged "$2" by_tls
		;;
	esac
	printf '%-14s %-8s %-10s %-10s %-10s %-6s %s\n' "$1" "$2" "$direct" \
	    "$plain" "$tls" "$code" "$record"
	if [ "$direct" != - ] && { [ "$plain" = - ] || [ "$tls" = - ] ||
	    [ "$code" = - ] || [ "$record" = - ]; }; then
		failed=$((failed + 1))
	else
		passed=$((passed + 1))
	fi
}

trap 'packages_end; scratch_end' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
[ $# -gt 0 ] || eval "set -- $(echo "$all" | tr '\n' ' ')"
for program in mariadbd mariadb python3 openssl; do
	need "$program"
done
outside=
mkdir -p "$cache"
scratch_begin
# What LOAD DATA LOCAL INFILE sends.
SALLYPORT_FILE=$scratch/load
export SALLYPORT_FILE
awk 'BEGIN { for (i = 0; i < 1000; i++) print i "\tline " i }' \
    >"$SALLYPORT_FILE"
get_peers
have_maria11=
servers_start
for name in $servers; do
	[ "$name" != mysqls ] || continue
	server_sql "$name" 'CREATE DATABASE client_test'
done
start_gate
: >"$scratch/faults"
printf '%-14s %-8s %-10s %-10s %-10s %-6s %s\n' client server direct plain \
    TLS code record
for driver; do
	what=$(echo "$driver" | tr - _)
	if ! ("get_$what") >"$scratch/get" 2>&1 </dev/null; then
		echo "$driver: skipped, it cannot be had:" \
		    "$(tail -n 1 "$scratch/get")"
		skipped=$((skipped + 1))
		continue
	fi
	row "$driver" maria10 native
	[ -z "$have_mysql" ] || row "$driver" mysql sha2
done
cat "$scratch/faults"
cases_end
