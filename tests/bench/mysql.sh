#!/bin/sh
# MySQL through Sallyport and HAProxy, and TLS in front of Sallyport, hitch,
# stunnel and nginx, as bench.sh has it.  HACKING says how to read it.  Of the
# environment, beside what bench.sh takes:
#
#	PEERS		of: direct haproxy hitch stunnel nginx sallyport tls
#			record; "tls" is sallyportd that ends TLS before the
#			server, "record" one that writes down all queries
#	ROWS		of: query1 query16 query64 ec rsa tickets keep
#
# shellcheck disable=SC2034	# what is sourced reads what is set here
set -u
# A server of ours is met in a network of ours, too.
if [ -z "${BENCH_INSIDE-}" ] && unshare -n ip link set lo up 2>/dev/null; then
	BENCH_INSIDE=yes
	export BENCH_INSIDE
	exec unshare -n sh "$0" "$@"
fi
[ -z "${BENCH_INSIDE-}" ] || ip link set lo up || exit 1
here=$(dirname "$0")
rows=${ROWS:-query1 query16 query64 ec rsa tickets keep}
wanted=${PEERS:-direct haproxy hitch stunnel nginx sallyport tls record}
fds=20000		# what HAProxy asks for with its configuration here
# shellcheck source=rounds.sh
. "$here/rounds.sh"
# shellcheck source=../interop/lib.sh
. "$here/../interop/lib.sh"
BENCH_ROWS=10000	# of a table that stays in memory
export BENCH_ROWS

finish() {
	scratch_end
	rounds_end
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

has() {
	command -v "$1" >/dev/null || {
		echo "$1 is missing, and ${2} left out (Debian: $3)"
		return 1
	}
}

# leave_out PATTERN: rows of that kind.
leave_out() {
	left=
	for row in $rows; do
		# shellcheck disable=SC2254 # it is a pattern
		case $row in
		$1) ;;
		*) left="$left $row" ;;
		esac
	done
	rows=$left
}

choose_rows() {
	if ! has sysbench "queries are" sysbench ||
	    ! has mariadbd "queries are" mariadb-server-core; then
		leave_out 'query*'
	fi
	has openssl "all with TLS is" openssl || {
		leave_out '[!q]*'
		wanted=$(echo "$wanted" | sed 's/tls//')
	}
}

# make_certificate KIND OPTION...: files KIND.pem, KIND.key, KIND.both.
make_certificate() {
	kind=$1
	shift
	sh "$here/../../contrib/make-cert" "$@" --out="$BENCH_DIR/$kind" \
	    bench.example >"$BENCH_DIR/why" || exit 1
	(umask 077 && cat "$BENCH_DIR/$kind.key" "$BENCH_DIR/$kind.pem" \
	    >"$BENCH_DIR/$kind.both")
}

# sysbench that is to use TLS wants three files, by these names.
make_certificates() {
	make_certificate ec
	make_certificate rsa --rsa
	cp "$BENCH_DIR/ec.pem" "$BENCH_DIR/cacert.pem"
	cp "$BENCH_DIR/ec.pem" "$BENCH_DIR/client-cert.pem"
	cp "$BENCH_DIR/ec.key" "$BENCH_DIR/client-key.pem"
}

start_db() {
	scratch_begin
	BENCH_PASSWORD=$(random_hex 8)
	db_new <<END || exit 1
CREATE DATABASE bench;
CREATE USER bench@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('$BENCH_PASSWORD');
GRANT ALL ON bench.* TO bench@'%';
END
	db_start || exit 1
	BENCH_DB=127.0.0.1:$db_port
	export BENCH_DB BENCH_PASSWORD
	[ -z "$LOAD_CPUS" ] || taskset -acp "$LOAD_CPUS" "$db_pid" >/dev/null
	sysbench oltp_point_select --verbosity=2 --tables=1 \
	    --table-size=$BENCH_ROWS --mysql-host=127.0.0.1 \
	    --mysql-port="$db_port" --mysql-user=bench \
	    --mysql-password="$BENCH_PASSWORD" --mysql-db=bench prepare \
	    >"$BENCH_DIR/why" 2>&1 || {
		cat "$BENCH_DIR/why" >&2
		exit 1
	}
}

turn() {
	case $1,$2 in
	query*,direct|query*,haproxy|query*,sallyport|query*,tls|query*,record)
		run "$1" "$2" one_query.sh
		;;
	query*,*)
		;;
	*,hitch|*,stunnel|*,nginx|*,sallyport)
		run_apart "$1" "$2" one_tls.sh
		;;
	esac
}

choose_rows
rounds_begin
! command -v openssl >/dev/null || make_certificates
case $rows in
*query*) start_db ;;
esac
rounds_run
rounds_report mysql.awk report.awk
