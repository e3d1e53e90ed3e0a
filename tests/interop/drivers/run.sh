#!/bin/sh
# run.sh - a table of MySQL's client libraries: each with a server itself,
# through sallyportd without TLS, and with TLS that the server knows nothing of.
#
# SALLYPORTD=path/to/sallyportd tests/interop/drivers/run.sh [DRIVER...]
#
# Drivers come from Debian, PyPI, npm and the Go module proxy, into
# _build/drivers, or where $SALLYPORT_DRIVERS says; those that cannot be had
# are skipped with a message.  It takes minutes, so contrib/run-tests leaves it
# out.  Root installs Debian's packages, and lets nothing of them start.
#
# Each driver runs the same script: who am I, a prepared statement, a blob of
# 1 MB, text beyond the first plane, a transaction, and an error.
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
	    -p"$(password_of "$user")" "$more" demo
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
	[ -e "$scratch/dump.$2" ] || cp "$scratch/dump" "$scratch/dump.$2"
	cmp "$scratch/dump" "$scratch/dump.$2" && echo ok
}
script() {
	program=$1
	file=$2
	shift 2
	$program "$file" 127.0.0.1 "$1" "$2" "$(password_of "$2")" "$3"
}
run_pymysql() {
	"$cache/python/bin/python" "$scripts/pymysql_script.py" 127.0.0.1 "$1" \
	    "$2" "$(password_of "$2")" "$3" pymysql
}
run_mysqlclient() {
	"$cache/python/bin/python" "$scripts/pymysql_script.py" 127.0.0.1 "$1" \
	    "$2" "$(password_of "$2")" "$3" mysqlclient
}
run_php() { script php "$scripts/script.php" "$@"; }
run_ruby() { script ruby "$scripts/script.rb" "$@"; }
run_java() {
	java -cp /usr/share/java/mariadb-java-client.jar:/usr/share/java/slf4j-api.jar \
	    "$scripts/Script.java" 127.0.0.1 "$1" "$2" "$(password_of "$2")" "$3"
}
node_script() {
	kind=$1
	shift
	NODE_PATH=$cache/node/node_modules node "$scripts/script.js" \
	    127.0.0.1 "$1" "$2" "$(password_of "$2")" "$3" "$kind"
}
run_mysqljs() { node_script mysql "$@"; }
run_mysql2() { node_script mysql2 "$@"; }
run_go() {
	"$cache/go/script" 127.0.0.1 "$1" "$2" "$(password_of "$2")" "$3"
}

# Suites of their own: what passes directly must pass through us.  "ok" and how
# many; those that fail only here are named.
run_go_tests() {
	(cd "$cache/go-tests" && MYSQL_TEST_ADDR=127.0.0.1:$1 \
	    MYSQL_TEST_USER=$2 MYSQL_TEST_PASS=$(password_of "$2") \
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
		    -P "$1" -u "$2" -p"$(password_of "$2")" -D client_test \
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
	cat <<END
	{ name = "$1"; listen = "127.0.0.1:$port"; protocol = "mysql";
	  forward = "127.0.0.1:$2"; greeting = "${GREETING:-own}";
	  tls = { mode = "offer"; key = "$scratch/key.pem";
		  certificate = "$scratch/certificate.pem"; }; }$3
END
}

start_gate() {
	{
		echo 'user = "nobody"; log = { to = "stdout"; };'
		echo 'listeners = ('
		[ -z "$have_mysql" ] || front mysql "$port_mysql" ,
		front maria10 "$port_maria10" ''
		echo ');'
	} >"$scratch/gate.conf"
	gate_start "$scratch/gate.conf"
}

# try DRIVER SERVER ACCOUNT WHERE CA: "ok", or "-".
try() {
	case $4 in
	direct)	eval "at=\$port_$2" ;;
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

row() {
	direct=$(try "$1" "$2" "$3" direct '')
	plain=$(try "$1" "$2" "$3" plain '')
	tls=$(try "$1" "$2" "$3" tls "$scratch/ca.pem")
	printf '%-14s %-8s %-10s %-10s %s\n' "$1" "$2" "$direct" "$plain" \
	    "$tls"
	if [ "$direct" != - ] &&
	    { [ "$plain" = - ] || [ "$tls" = - ]; }; then
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
get_peers
have_maria11=
servers_start
for name in $servers; do
	[ "$name" != mysqls ] || continue
	server_sql "$name" 'CREATE DATABASE client_test'
done
start_gate
: >"$scratch/faults"
printf '%-14s %-8s %-10s %-10s %s\n' client server direct plain TLS
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
