# shellcheck shell=sh
# servers.sh - several MySQL and MariaDB servers of our own, and a relay
# before each that writes down what crosses.
#
# Sourced after lib.sh and cases.sh.  The servers that can be had here:
#
#	maria10		Debian 12's MariaDB 10.11, which has no TLS
#	maria11		MariaDB 11.8 with --disable-ssl
#	maria11s	the same with TLS, and a certificate of ours
#	mysql		MySQL 9.7 without TLS
#	mysqls		the same with TLS, and a certificate of its own
#
# Each has accounts by the name of what they log in with, whose passwords are
# $secret and that name.  So what must not cross is easily looked for.
#
# shellcheck disable=SC2154	# lib.sh sets what it is to

peers=${SALLYPORT_PEERS:-$(cd "$here/../.." && pwd)/_build/peers}
servers=	# those that run
secret=
outside=192.0.2.1	# an address of ours that is not a loopback's

# apart SCRIPT ARGUMENT...: as root in a network of our own, where ports are
# free and where a server cannot tell us from a host that is far.
apart() {
	if [ -n "${SALLYPORT_APART:-}" ]; then
		ip link set lo up
		ip addr add $outside/32 dev lo
		# A server keeps count only of hosts whose name it finds.
		printf '127.0.0.1 localhost\n%s far.example\n' $outside \
		    >"$SALLYPORT_APART"
		chmod 644 "$SALLYPORT_APART"
		mount --bind "$SALLYPORT_APART" /etc/hosts
		rm -f "$SALLYPORT_APART"
		return 0
	fi
	if [ "$(id -u)" -ne 0 ] || ! unshare -n ip link show >/dev/null 2>&1
	then
		outside=
		return 0
	fi
	SALLYPORT_APART=$(mktemp)
	export SALLYPORT_APART
	exec unshare -nm "$@"
}

# get_peers: sets have_mysql and have_maria11, to "" where not.  It is to be
# called while there still is a network.
get_peers() {
	[ -z "${SALLYPORT_APART:-}" ] || return 0
	have_mysql=
	have_maria11=
	mkdir -p "$peers" 2>/dev/null || peers=$(mktemp -d)
	if "$here/get-mysql" "$peers/mysql" >/dev/null; then
		have_mysql=yes
	fi
	if "$here/get-mariadb" "$peers/mariadb" >/dev/null; then
		have_maria11=yes
	fi
	export have_mysql have_maria11
	SALLYPORT_PEERS=$peers
	export SALLYPORT_PEERS
}

# Whom servers and their files belong to.
owned() {
	[ "$(id -u)" -ne 0 ] || chown -R nobody "$@"
}

as_nobody() {
	[ "$(id -u)" -ne 0 ] || echo --user=nobody
}

# --- empty servers

mysql_empty() {
	mkdir "$scratch/mysql.empty"
	owned "$scratch/mysql.empty"
	# shellcheck disable=SC2046	# a word or none
	"$peers/mysql/mysqld" $(as_nobody) --initialize-insecure \
	    --datadir="$scratch/mysql.empty"
}

maria11_empty() {
	# Each has a folder of its own for temporary tables, and empties it.
	mkdir "$scratch/maria11.empty" "$scratch/maria11.tmp"
	owned "$scratch/maria11.empty" "$scratch/maria11.tmp"
	{
		echo 'CREATE DATABASE mysql;'
		echo 'USE mysql;'
		echo 'SET @auth_root_socket = NULL;'
		"$peers/mariadb/system_tables"
	} >"$scratch/maria11.sql"
	# shellcheck disable=SC2046	# a word or none
	"$peers/mariadb/mariadbd" $(as_nobody) --bootstrap \
	    --datadir="$scratch/maria11.empty" \
	    --tmpdir="$scratch/maria11.tmp" --log-warnings=0 \
	    --enforce-storage-engine= --max-allowed-packet=8M \
	    <"$scratch/maria11.sql"
}

# --- servers that run

# server_run NAME COMMAND...: from a copy of the empty server's files.  Sets
# pid_NAME and port_NAME.
server_run() {
	name=$1
	shift
	cp -R "$scratch/${name%s}.empty" "$scratch/$name"
	rm -f "$scratch/$name/auto.cnf"
	mkdir -p "$scratch/$name.tmp"
	owned "$scratch/$name" "$scratch/$name.tmp"
	bind=127.0.0.1
	[ -z "$outside" ] || bind='*'
	pick_port
	# shellcheck disable=SC2046	# a word or none
	"$@" $(as_nobody) --datadir="$scratch/$name" \
	    --tmpdir="$scratch/$name.tmp" \
	    --socket="$scratch/run/$name.sock" --port="$port" \
	    --pid-file="$scratch/run/$name.pid" \
	    --bind-address="$bind" \
	    --max-connections=500 --max-allowed-packet=128M \
	    --innodb-flush-log-at-trx-commit=0 --local-infile=ON \
	    >"$scratch/$name.log" 2>&1 </dev/null &
	eval "pid_$name=\$! port_$name=$port"
	other_pids="$other_pids $!"
	servers="$servers $name"
}

server_pid() {
	eval "echo \$pid_$1"
}

server_is_ready() {
	grep -q 'ready for connections' "$scratch/$1.log" ||
	    is_gone "$(server_pid "$1")"
}

server_wait() {
	if until_true 60 server_is_ready "$1" &&
	    is_running "$(server_pid "$1")"; then
		return 0
	fi
	tail -n 20 "$scratch/$1.log" >&2
	return 1
}

# server_sql NAME [SQL]: as root and beside the relay; or from standard input.
server_sql() {
	case $1 in
	maria10)	program='mariadb --no-defaults' ;;
	maria11*)	program="$peers/mariadb/mariadb --skip-ssl" ;;
	mysql*)		program=$peers/mysql/mysql ;;
	esac
	socket=$scratch/run/$1.sock
	[ "$1" != maria10 ] || socket=$db_socket
	# shellcheck disable=SC2086	# words, and words or none
	timeout "$patience" $program -u root -N -B -S "$socket" ${2:+-e "$2"}
}

# --- accounts

# What there is at all: account, plugin, and the servers that have it.
accounts='
native		mysql_native_password	maria10 maria11 maria11s
native_none	mysql_native_password	maria10 maria11 maria11s
ed25519		ed25519			maria11 maria11s
parsec		parsec			maria11 maria11s
sha2		caching_sha2_password	mysql mysqls
sha2_more	caching_sha2_password	mysql mysqls
sha2_none	caching_sha2_password	mysql mysqls
sha256		sha256_password		mysql mysqls
sha256_none	sha256_password		mysql mysqls
'

# A login by that name has this password.
password_of() {
	case $1 in
	*_none)	;;
	*)	echo "$secret$1" ;;
	esac
}

# The SQL for a server's accounts.
accounts_sql() {
	echo 'CREATE DATABASE demo;'
	case $1 in
	maria10)
		echo "CREATE USER root@localhost;"
		echo "GRANT ALL ON *.* TO root@localhost;"
		;;
	maria11*)
		echo "INSTALL SONAME 'auth_ed25519';"
		echo "INSTALL SONAME 'auth_parsec';"
		;;
	esac
	echo "$accounts" | while read -r account plugin where; do
		case " $where " in
		*" $1 "*)	;;
		*)		continue ;;
		esac
		password=$(password_of "$account")
		case $1 in
		mysql*)	how="WITH $plugin BY '$password'" ;;
		*)	how="VIA $plugin USING PASSWORD('$password')" ;;
		esac
		echo "CREATE USER $account@'%' IDENTIFIED $how;"
		echo "GRANT ALL ON *.* TO $account@'%';"
	done
}

# --- all of them

# The empty servers that can be had, at once, for each keeps a CPU busy.
make_empty() {
	pids=
	if [ -n "$have_mysql" ]; then
		mysql_empty >"$scratch/mysql.log" 2>&1 &
		pids="$pids $!"
	fi
	if [ -n "$have_maria11" ]; then
		maria11_empty >"$scratch/maria11.log" 2>&1 &
		pids="$pids $!"
	fi
	accounts_sql maria10 | db_new
	for pid in $pids; do
		wait "$pid" || {
			tail -n 20 "$scratch/mysql.log" "$scratch/maria11.log"
			return 1
		}
	done
}

# A certificate authority of ours, one that nobody asked, and a certificate;
# and one that is signed by itself, which such clients look at more closely.
make_certificates() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 \
	    -nodes -days 2 -subj /CN=localhost \
	    -addext 'subjectAltName = DNS:localhost, IP:127.0.0.1' \
	    -keyout "$scratch/self.key" -out "$scratch/self.pem"
	for name in ca other; do
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 \
		    -nodes -days 2 -subj "/CN=$name" \
		    -keyout "$scratch/$name.key" -out "$scratch/$name.pem"
	done
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	    -subj /CN=localhost -keyout "$scratch/key.pem" |
	    openssl x509 -req -days 2 -CA "$scratch/ca.pem" \
	    -CAkey "$scratch/ca.key" -CAcreateserial -extfile /dev/fd/3 \
	    -out "$scratch/certificate.pem" 3<<END
subjectAltName = DNS:localhost, IP:127.0.0.1
END
	# Servers read it as somebody else.
	chmod 644 "$scratch/key.pem" "$scratch/self.key"
}

# All that can be had, with their accounts; sets servers to their names.
servers_start() {
	secret=$(random_hex 6)
	mkdir -p "$scratch/run"
	owned "$scratch/run"
	make_certificates >"$scratch/openssl.log" 2>&1
	make_empty
	if [ -n "$have_mysql" ]; then
		server_run mysql "$peers/mysql/mysqld" --tls-version=
		server_run mysqls "$peers/mysql/mysqld"
	fi
	if [ -n "$have_maria11" ]; then
		server_run maria11 "$peers/mariadb/mariadbd" --disable-ssl
		server_run maria11s "$peers/mariadb/mariadbd" \
		    --ssl-cert="$scratch/self.pem" \
		    --ssl-key="$scratch/self.key"
	fi
	db_options="--max-allowed-packet=128M --local-infile=ON"
	db_start
	# shellcheck disable=SC2034	# they are for the caller, and eval
	pid_maria10=$db_pid port_maria10=$db_port
	for name in $servers; do
		server_wait "$name"
		accounts_sql "$name" | server_sql "$name"
	done
	servers="maria10$servers"
}

has_server() {
	case " $servers " in
	*" $1 "*)	;;
	*)		return 1 ;;
	esac
}

# --- what is before them

# Relays to all servers, whose ports are relay_NAME; $scratch/wire has what
# they wrote down.
relays_start() {
	mkdir "$scratch/wire"
	words=
	for name in $servers; do
		pick_port
		eval "relay_$name=$port"
		eval "words=\"\$words $name:$port:127.0.0.1:\$port_$name\""
	done
	# shellcheck disable=SC2086	# they are words
	python3 "$here/mysql_relay.py" "$scratch/wire" $words \
	    >"$scratch/relay.log" 2>&1 </dev/null &
	other_pids="$other_pids $!"
	until_true 20 grep -q ready "$scratch/relay.log" ||
	    fail "$(cat "$scratch/relay.log")"
}

# Whether any byte of that went to a server in the clear, or came from it.
on_wire() {
	grep -rqaF -e "$2" "$scratch/wire" --include="$1.*"
}

# How many connections to a server its relay has seen.
connections_to() {
	find "$scratch/wire" -name "$1.*.up" | wc -l
}

# --- clients

# as_client CLIENT TLS PORT ACCOUNT PASSWORD SQL: its output.
#
#	mariadb10, mariadb11, mysql97	programs
#	own				mysql_client.py
#
# TLS is "tls" or "plain".  Host is 127.0.0.1 unless $host says otherwise, and it
# has 20 seconds unless client_seconds does.
as_client() {
	client=$1
	tls=$2
	sql=$6
	set -- -u "$4" --password="$5" -h "${host:-127.0.0.1}" -P "$3" \
	    --protocol=tcp
	case $client,$tls in
	mysql97,tls)	set -- "$@" --ssl-mode=REQUIRED --commands ;;
	mysql97,plain)
		set -- "$@" --ssl-mode=DISABLED --commands \
		    --get-server-public-key
		;;
	mariadb11,tls)	set -- "$@" --ssl --skip-ssl-verify-server-cert ;;
	*,tls)		set -- "$@" --ssl ;;
	*,plain)	set -- "$@" --skip-ssl ;;
	esac
	case $client in
	mariadb10)	set -- mariadb --no-defaults "$@" ;;
	mariadb11)	set -- "$peers/mariadb/mariadb" "$@" ;;
	mysql97)	set -- "$peers/mysql/mysql" "$@" ;;
	esac
	timeout "${client_seconds:-20}" "$@" -N -B -e "$sql"
}

# own_client TLS PORT ACCOUNT PASSWORD ARGUMENT...
own_client() {
	tls=
	[ "$1" != tls ] || tls=--tls
	port=$2
	user=$3
	password=$4
	shift 4
	# shellcheck disable=SC2086	# a word or none
	timeout "$patience" python3 "$here/mysql_client.py" $tls -u "$user" \
	    -p "$password" -h "${host:-127.0.0.1}" "$port" "$@"
}

has_client() {
	case $1 in
	mysql97)	[ -n "$have_mysql" ] ;;
	mariadb11)	[ -n "$have_maria11" ] ;;
	esac
}
