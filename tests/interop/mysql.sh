#!/bin/sh
# mysql.sh - logins of every kind, at every server, with TLS in front.
#
# SALLYPORTD=path/to/sallyportd tests/interop/mysql.sh
# SALLYPORT_DIRECT=1 tests/interop/mysql.sh
#
# The second way has no sallyportd: clients meet the servers themselves, by
# which these tests are tested.  With SALLYPORT_FULL=1 all is tried with all;
# without, what takes long is tried at some servers only.  MySQL and MariaDB 11.8 are fetched once and
# stay in _build/peers, or where $SALLYPORT_PEERS says.
#
# Exit 0, 1 when something failed, 77 when there is no MariaDB here.
#
# shellcheck disable=SC2154	# eval sets what has a server's name in it
set -eu

direct=${SALLYPORT_DIRECT:-}
full=${SALLYPORT_FULL:-}
[ -n "$direct" ] || : "${SALLYPORTD:?path of the sallyportd to test}"
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/interop/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/interop/cases.sh
. "$here/cases.sh"
# shellcheck source=tests/interop/servers.sh
. "$here/servers.sh"
suite=mysql

# --- sallyportd

# backend NAME SERVER [KEYS]: by the relay that is before the server.
backend() {
	eval "port=\$relay_$2"
	printf '\t{ name = "%s"; servers = ( "127.0.0.1:%s" ); %s }%s\n' \
	    "$1" "$port" "${3:-}" ,
}

# front NAME FORWARD [GREETING [MODE [KEYS [CERTIFICATE KEY]]]]: sets gate_NAME.
# With a certificate of its own it is where clients are not of this host.
front() {
	at=127.0.0.1
	[ -z "${6:-}" ] || at=$outside
	pick_port
	eval "gate_$1=$port"
	cat <<END
	{ name = "$1"; listen = "$at:$port";
	  protocol = "mysql"; forward = "$2"; greeting = "${3:-own}"; ${5:-}
	  tls = { mode = "${4:-offer}"; key = "$scratch/${7:-key.pem}";
		  certificate = "$scratch/${6:-certificate.pem}"; }; },
END
}

# bare NAME FORWARD GREETING KEYS: one without TLS.
bare() {
	pick_port
	eval "gate_$1=$port"
	cat <<END
	{ name = "$1"; listen = "127.0.0.1:$port"; protocol = "mysql";
	  forward = "$2"; greeting = "$3"; $4 },
END
}

# checked CA NAME: the keys of a backend whose certificate must be good.
checked() {
	echo "tls = { mode = \"require\"; verify = \"full\";" \
	    "ca = \"$scratch/$1.pem\"; server_name = \"$2\"; };"
}

# What is in front of MySQL alone, and of MariaDB 11.8 alone.
mysql_backends() {
	cp "$scratch/mysqls/ca.pem" "$scratch/mysqls.ca.pem"
	cp "$scratch/mysql/public_key.pem" "$scratch/pinned.pem"
	openssl genrsa 2048 2>/dev/null | openssl rsa -pubout \
	    >"$scratch/wrong.pem" 2>/dev/null
	backend mysql mysql
	backend mysqls mysqls "tls = { mode = \"require\"; verify = \"ca\";
		ca = \"$scratch/mysqls.ca.pem\"; };"
	backend mysqls_off mysqls
	backend mysqls_prefer mysqls \
	    'tls = { mode = "prefer"; verify = "none"; };'
	backend mysql_prefer mysql \
	    'tls = { mode = "prefer"; verify = "none"; };'
	backend mysql_require mysql \
	    'tls = { mode = "require"; verify = "none"; };'
	backend pinned mysql "server_public_key = \"$scratch/pinned.pem\";"
	backend mispinned mysql "server_public_key = \"$scratch/wrong.pem\";"
}

mysql_fronts() {
	for name in mysqls_off mysqls_prefer mysql_prefer mysql_require \
	    pinned mispinned; do
		front $name backend:$name
	done
	front must backend:mysql own require
	bare zip_own backend:mysql own 'compression = true;'
	bare zip_server backend:mysql server 'compression = true;'
	front zip_must backend:mysqls server require 'compression = true;'
	front no_files backend:mysql own offer 'local_infile = false;'
	[ -n "$outside" ] || return 0
	front far_own "$outside:$port_mysql" own
	front far_server "$outside:$port_mysql" server
}

maria11_backends() {
	backend maria11 maria11
	backend maria11s maria11s "$(checked self localhost)"
	backend maria11s_off maria11s
	backend unknown_ca maria11s "$(checked other localhost)"
	backend other_name maria11s "$(checked self db.example.org)"
}

maria11_fronts() {
	for name in unknown_ca other_name; do
		front $name backend:$name
	done
	[ -n "$outside" ] || return 0
	for name in alike_own alike_server alike_tls unlike; do
		case $name in
		alike_tls)	forward=backend:maria11s ;;
		unlike)		forward=backend:maria11 ;;
		*)		forward=backend:maria11s_off ;;
		esac
		case $name in
		alike_own)	greeting=own ;;
		*)		greeting=server ;;
		esac
		case $name in
		unlike)		certificate=other ;;
		*)		certificate=self ;;
		esac
		front $name $forward $greeting offer "" $certificate.pem \
		    $certificate.key
	done
}

start_gate() {
	{
		cat <<END
user = "nobody";
log = { to = "stdout"; };
backends = (
END
		backend maria10 maria10
		[ -z "$have_mysql" ] || mysql_backends
		[ -z "$have_maria11" ] || maria11_backends
		printf ');\nlisteners = (\n'
		for name in $servers; do
			front "own_$name" "backend:$name" own
			front "server_$name" "backend:$name" server
		done
		[ -z "$have_mysql" ] || mysql_fronts
		[ -z "$have_maria11" ] || maria11_fronts
		echo ');'
	} >"$scratch/commas"
	# libconfig takes no comma behind the last of a list.
	awk '/^\);$/ { sub(/,$/, "", last) }
		NR > 1 { print last }
		{ last = $0 }
		END { print last }' "$scratch/commas" >"$scratch/gate.conf"
	gate_start "$scratch/gate.conf"
}

# port_at WHERE SERVER: sets port.  WHERE is own or server, which is how
# sallyportd greets, or direct.
port_at() {
	case $1 in
	direct)	eval "port=\$relay_$2" ;;
	*)	eval "port=\$gate_$1_$2" ;;
	esac
}

has_tls() {
	case $1 in
	*s)	;;
	*)	return 1 ;;
	esac
}

# Can this be at all?  Without us, TLS takes a server that has it.
can_be() {
	[ "$1" != direct ] || [ "$3" = plain ] || has_tls "$2"
}

# --- logins

# logins ACCOUNT TEMPERATURE CLIENT...: what is tried, at each server that
# has the account.  A warm cache of caching_sha2_password knows the account,
# a cold one wants the password itself.
logins='
native		-	mariadb10 mariadb11 own
native_none	-	mariadb10 mariadb11 own
ed25519		-	mariadb10 mariadb11 own
parsec		-	mariadb11 own
sha2		cold	mysql97 mariadb10 mariadb11 own
sha2		warm	mysql97 mariadb10 mariadb11 own
sha2_none	-	mysql97 mariadb10 own
sha256		-	mysql97 mariadb10 own
sha256_none	-	mysql97 own
'

# make_cache SERVER ACCOUNT cold|warm|-
make_cache() {
	case $3 in
	cold)
		server_sql "$1" 'FLUSH PRIVILEGES'
		;;
	warm)
		eval "port=\$relay_$1"
		own_client plain "$port" "$2" "$(password_of "$2")" \
		    sql 'SELECT 1'
		;;
	esac
}

# logs_in PORT ACCOUNT CLIENT TLS BACK: it is that account, TLS is where it
# is to be, and a query has its answer.  BACK is tls or plain.
logs_in() {
	sql="SELECT CURRENT_USER(); SHOW STATUS LIKE 'Ssl_version'; \\s"
	password=$(password_of "$2")
	if [ "$3" = own ]; then
		own_client "$4" "$1" "$2" "$password" \
		    sql "SHOW STATUS LIKE 'Ssl_version'"
		own_client "$4" "$1" "$2" "$password" \
		    sql 'SELECT CURRENT_USER()'
	else
		as_client "$3" "$4" "$1" "$2" "$password" "$sql"
	fi >"$scratch/login" 2>&1 || fail "$(cat "$scratch/login")"
	cat "$scratch/login"
	grep -qx "$2@%" "$scratch/login" || fail "not $2"
	case $3,$4 in
	own,*)		;;
	*,tls)		grep -q 'Cipher in use' "$scratch/login" ;;
	*,plain)	! grep -q 'Cipher in use' "$scratch/login" ;;
	esac || fail "the client has it otherwise"
	grep '^Ssl_version' "$scratch/login" >"$scratch/back"
	case $5 in
	tls)	grep -q TLSv1 "$scratch/back" ;;
	*)	! grep -q TLSv1 "$scratch/back" ;;
	esac || fail "the server has it otherwise"
}

# log_in WHERE SERVER ACCOUNT TEMPERATURE CLIENT TLS
log_in() {
	back=plain
	if has_tls "$2" && [ "$1,$6" != direct,plain ]; then
		back=tls
	fi
	make_cache "$2" "$3" "$4"
	port_at "$1" "$2"
	logs_in "$port" "$3" "$5" "$6" $back
}

# Which servers have an account.
servers_of() {
	echo "$accounts" | awk -v account="$1" '
		$1 == account { for (i = 3; i <= NF; i++) print $i }'
}

# Calls its argument with each line of the table, for each server and TLS.
each_login() {
	for where in $places; do
		echo "$logins" | while read -r account heat clients; do
			for server in $(servers_of "$account"); do
				echo "$where $server $account $heat $clients"
			done
		done
	done >"$scratch/table"
	while read -r where server account heat clients <&3; do
		has_server "$server" || continue
		for tls in tls plain; do
			can_be "$where" "$server" $tls || continue
			"$1"
		done
	done 3<"$scratch/table"
}

try_logins() {
	case $heat in
	-)	how= ;;
	*)	how=", $heat" ;;
	esac
	tried=
	for client in $clients; do
		has_client "$client" || continue
		# Ours is for accounts that no program here can log in to.
		[ "$client" != own ] || [ -z "$tried" ] || [ -n "$full" ] ||
		    continue
		tried=yes
		check "$where: $client, $tls, is $account$how at $server" \
		    log_in "$where" "$server" "$account" "$heat" "$client" $tls
	done
}

# wrong_password WHERE SERVER ACCOUNT TEMPERATURE CLIENT TLS
wrong_password() {
	make_cache "$2" "$3" "$4"
	port_at "$1" "$2"
	as_client "$5" "$6" "$port" "$3" "${secret}wrong" 'SELECT 1' \
	    >"$scratch/login" 2>&1 && fail "logged in"
	cat "$scratch/login"
	grep -q "ERROR 1045 (28000).*'$3'@" "$scratch/login"
}

# One client will do, the first that is here.
try_wrong_password() {
	[ "$heat" != warm ] || return 0
	[ -n "$full" ] || [ "$where,$tls" != server,plain ] || return 0
	for client in $clients; do
		has_client "$client" || continue
		check "$where: $account at $server refuses a wrong password\
, $tls" \
		    wrong_password "$where" "$server" "$account" "$heat" \
		    "$client" $tls
		break
	done
}

# slow_login WHERE SERVER ACCOUNT TEMPERATURE TLS: a byte at a time.
slow_login() {
	make_cache "$2" "$3" "$4"
	port_at "$1" "$2"
	own_client "$5" "$port" "$3" "$(password_of "$3")" --slow \
	    sql 'SELECT CURRENT_USER()' | tee "$scratch/login"
	grep -qx "$3@%" "$scratch/login"
}

try_slow_login() {
	[ "$heat" != warm ] || return 0
	case $full,$where,$tls in
	,own,plain | ,server,tls)	return 0 ;;
	esac
	check "$where: $account at $server, $tls, a byte at a time" \
	    slow_login "$where" "$server" "$account" "$heat" $tls
}

# --- what is done once logged in

# ours TLS WHERE SERVER ARGUMENT...: our own client as the plainest account.
ours() {
	case $3 in
	maria*)	account=native ;;
	mysql*)	account=sha2 ;;
	esac
	tls=$1
	port_at "$2" "$3"
	shift 3
	own_client "$tls" "$port" $account "$(password_of $account)" "$@"
}

# change_user TLS WHERE SERVER ACCOUNT
change_user() {
	[ "$4" != sha2_more ] || make_cache "$3" "$4" cold
	ours "$1" "$2" "$3" change_user "$4" "$(password_of "$4")"
}

change_wrong() {
	ours "$1" "$2" "$3" change_wrong "$4" "${secret}wrong" \
	    2>"$scratch/login" && fail "logged in"
	cat "$scratch/login"
	grep -q 'ERROR 1045 (28000)' "$scratch/login"
}

# commands: each TLS, each way to greet, and the two sorts of servers.
try_commands() {
	for where in $places; do for tls in tls plain; do
		for server in maria10 maria11s mysql mysqls; do
			has_server $server || continue
			can_be "$where" $server $tls || continue
			at="$where: $tls, $server:"
			try_commands_at
		done
	done; done
}

try_commands_at() {
	for account in native_none ed25519 parsec sha2_more sha256; do
		case " $(servers_of $account | tr '\n' ' ') " in
		*" $server "*)	;;
		*)		continue ;;
		esac
		check "$at COM_CHANGE_USER to $account and back" \
		    change_user $tls "$where" $server $account
		[ -n "$full" ] || [ "$where,$tls" = own,tls ] || continue
		check "$at COM_CHANGE_USER refuses a wrong password of $account" \
		    change_wrong $tls "$where" $server $account
	done
	check "$at COM_RESET_CONNECTION" ours $tls "$where" $server reset
	check "$at commands with OK, an error, and no answer" \
	    ours $tls "$where" $server commands
	check "$at a prepared statement, its value sent ahead" \
	    ours $tls "$where" $server statement
	check "$at sequence numbers go round" ours $tls "$where" $server wrap
}

frame=16777215

try_sizes() {
	for where in $places; do for tls in tls plain; do
		for server in maria10 mysqls; do
			has_server $server || continue
			can_be "$where" $server $tls || continue
			case $full,$where,$tls,$server in
			,own,tls,maria10 | ,server,plain,mysqls)	;;
			,direct,* | ?*)	;;
			*)	continue ;;
			esac
			at="$where: $tls, $server:"
			check "$at packets about 16 MiB" ours $tls "$where" \
			    $server sizes $((frame - 1)) $frame $((frame + 1))
			check "$at a packet of 64 MiB" ours $tls "$where" \
			    $server sizes 67108864
			check "$at LOCAL INFILE of 15 MB" ours $tls "$where" \
			    $server infile 15000000 4096
		done
	done; done
}

# --- TLS in front

try_tls() {
	for where in $places; do for server in maria10 maria11s mysql mysqls; do
		has_server $server || continue
		can_be "$where" $server tls || continue
		at="$where: $server:"
		check "$at TLS asked for and begun in one segment" \
		    ours tls "$where" $server together
		check "$at TLS is resumed" ours tls "$where" $server resume
		[ "$where" != direct ] || continue
		check "$at plain bytes before TLS end the session" \
		    ours tls "$where" $server inject
		check "$at two answers that differ end the session" \
		    ours tls "$where" $server differ
		check "$at a certificate is good for its name" \
		    ours tls "$where" $server --ca "$scratch/ca.pem" \
		    sql 'SELECT 1'
	done; done
}

# says TEXT COMMAND...: it fails, and says so.
says() {
	text=$1
	shift
	status=0
	("$@") >"$scratch/login" 2>&1 || status=$?
	cat "$scratch/login"
	[ "$status" -ne 0 ] || fail "no error"
	grep -qE -e "$text" "$scratch/login"
}

# sha2_at PORT TLS CLIENT [PASSWORD]: with the account's own password, or not.
sha2_at() {
	as_client "$3" "$2" "$1" sha2 "${4:-${secret}sha2}" 'SELECT 2 + 3'
}

# A login without TLS is refused with 3159 whoever it is; nobody is dialled.
must_have_tls() {
	before=$(connections_to mysql)
	for user in sha2 nobody_of_that_name; do
		own_client plain "$gate_must" $user "${secret}wrong" \
		    refused 3159 | tee "$scratch/login"
		grep -q 'ERROR 3159 (HY000)' "$scratch/login"
	done
	after=$(connections_to mysql)
	[ "$before" -eq "$after" ] || fail "the server was dialled"
	logs_in "$gate_must" sha2 own tls plain
}

# require_secure_transport at the server, met directly and through us.
server_demands() {
	server_sql mysqls 'SET GLOBAL require_secure_transport = ON'
	status=0
	(set -e; server_demands_here) || status=1
	server_sql mysqls 'SET GLOBAL require_secure_transport = OFF'
	return $status
}

server_demands_here() {
	says 'ERROR 3159 \(HY000\)' sha2_at "$relay_mysqls" plain mysql97
	sha2_at "$relay_mysqls" tls mysql97
	[ -z "$direct" ] || return 0
	for where in own server; do for tls in tls plain; do
		port_at $where mysqls
		sha2_at "$port" $tls mysql97
	done; done
	for tls in tls plain; do
		says 'ERROR 3159 .*tls' sha2_at "$gate_mysqls_off" $tls mysql97
	done
}

# An account that only TLS may use is not told from a wrong password.
account_demands() {
	server_sql mysqls "ALTER USER sha2_more@'%' REQUIRE SSL"
	port=$relay_mysqls
	says 'ERROR 1045' own_client plain "$port" sha2_more \
	    "$(password_of sha2_more)" sql 'SELECT 1'
	[ -n "$direct" ] || port=$gate_own_mysqls
	own_client tls "$port" sha2_more "$(password_of sha2_more)" \
	    sql 'SELECT 1'
}

try_require() {
	has_server mysql || return 0
	check "a server that demands TLS has it, or the error says what to do" \
	    server_demands
	check "an account that demands TLS has it" account_demands
	[ -z "$direct" ] || return 0
	check "a plain login is refused with 3159, unseen" must_have_tls
}

# --- TLS behind

# prefers NAME BACK: whether there is TLS or not, it works.
prefers() {
	eval "port=\$gate_$1"
	make_cache "$2" sha2 cold
	logs_in "$port" sha2 mysql97 tls "$3"
	make_cache "$2" sha2 cold
	logs_in "$port" sha2 own plain "$3"
}

# The server has no TLS, or a certificate that is not the one: nobody logs
# in, and nobody's password goes there.
not_verified() {
	eval "port=\$gate_$1"
	before=$(connections_to "$2")
	says 'ERROR' own_client tls "$port" "$3" "$(password_of "$3")" \
	    sql 'SELECT 1'
	# Tell whether the one word for it stands in the log, too.
	until_true 10 has_sessions 1 "listener=$1 .* end=" ||
	    fail "no line in the log"
	after=$(connections_to "$2")
	[ "$before" -lt "$after" ] || fail "the server was not dialled"
	! grep -qaF -e "$3" "$scratch/wire/$2.$after.up" ||
	    fail "the login went there"
}

# pinned TLS: the key is the one that the server has, and it is used.
pinned() {
	make_cache mysql sha2 cold
	sha2_at "$gate_pinned" "$1" mysql97
}

mispinned() {
	make_cache mysql sha2 cold
	says ERROR sha2_at "$gate_mispinned" tls mysql97
	make_cache mysql sha2 warm
	sha2_at "$gate_mispinned" tls mysql97
}

try_backends() {
	[ -z "$direct" ] || return 0
	if has_server mysql; then
		check "prefer: a server with TLS is spoken to with it" \
		    prefers mysqls_prefer mysqls tls
		check "prefer: a server without TLS is spoken to in the clear" \
		    prefers mysql_prefer mysql plain
		check "require: a server without TLS has no login" \
		    not_verified mysql_require mysql sha2
		check "off: a server with TLS is spoken to in the clear" \
		    prefers mysqls_off mysqls plain
		check "a server's public key that is pinned is used" pinned tls
		check "a server's public key that is pinned is used, plain" \
		    pinned plain
		check "a server with another key than the pinned has no password" \
		    mispinned
	fi
	if has_server maria11; then
		check "a certificate by somebody else has no login" \
		    not_verified unknown_ca maria11s native
		check "a certificate of another name has no login" \
		    not_verified other_name maria11s native
	fi
}

# --- MariaDB 11.4 and later: TLS that needs no configuration

# Such a client trusts a certificate for a signature that only a server which
# knows the password can make; over its certificate, so ours must be the same.
verifies_itself() {
	timeout 20 "$peers/mariadb/mariadb" --protocol=tcp -h "$outside" \
	    -P "$1" -u "$2" --password="$3" -N -B \
	    -e 'SELECT CURRENT_USER(); \s' >"$scratch/verified" 2>&1 ||
	    fail "$(cat "$scratch/verified")"
	cat "$scratch/verified"
	grep -qx "$2@%" "$scratch/verified"
	grep -q 'Cipher in use' "$scratch/verified"
}

trusts_nobody() {
	says 'NOT trusted|self-signed|certificate' \
	    verifies_itself "$1" "$2" "$(password_of "$2")"
}

try_verification() {
	has_server maria11 && [ -n "$outside" ] || return 0
	for account in native ed25519 parsec; do
		check "direct: mariadb11 verifies MariaDB by $account" \
		    verifies_itself "$port_maria11s" $account \
		    "$(password_of $account)"
		check "direct: mariadb11 does not with a wrong password" \
		    says 'ERROR 1045|ERROR 2026' verifies_itself "$port_maria11s" \
		    $account "${secret}wrong"
		[ -z "$direct" ] || continue
		for name in alike_own alike_server alike_tls; do
			# What it signs is a nonce of the greeting, but for
			# this plugin, so that must be the server's.
			[ $name != alike_own ] || [ $account = native ] ||
			    continue
			eval "port=\$gate_$name"
			check "$name: mariadb11 verifies us by $account" \
			    verifies_itself "$port" $account \
			    "$(password_of $account)"
		done
		check "mariadb11 trusts no certificate unlike the server's" \
		    trusts_nobody "$gate_unlike" $account
	done
}

# --- capabilities

# zip_at PORT TLS: what it says, and what is asked for nevertheless, works.
zip_at() {
	own_client "$2" "$1" sha2 "$(password_of sha2)" --zip \
	    sizes 20 300 100000 $frame
}

try_capabilities() {
	has_server mysql || return 0
	check "direct: compression works" zip_at "$relay_mysql" plain
	[ -z "$direct" ] || return 0
	for name in zip_own zip_server zip_must; do
		tls=plain
		[ $name != zip_must ] || tls=tls
		eval "port=\$gate_$name"
		check "$name: compression works" zip_at "$port" $tls
		check "$name: compression is offered" \
		    own_client $tls "$port" x y offers 20
	done
	for where in own server; do for tls in tls plain; do
		port_at $where mysql
		check "$where: compression is not offered, $tls" \
		    says FAULT own_client $tls "$port" x y offers 20
		check "$where: compression that was not offered is not used, \
$tls" zip_at "$port" $tls
	done; done
	for tls in tls plain; do
		check "files of clients are refused, $tls" says ERROR \
		    own_client $tls "$gate_no_files" sha2 \
		    "$(password_of sha2)" infile 16000 4096
	done
	for server in $servers; do
		port_at server "$server"
		check "greeting = server: the thread id is the server's, \
$server" ours tls server "$server" thread_id
	done
}

# --- clients that go away

# blocked PORT: does the server let us in no more?
blocked() {
	says 'ERROR 1129' own_client plain "$1" sha2 "$(password_of sha2)" \
	    sql 'SELECT 1'
}

unblock() {
	# A host cache of another size is an empty one.
	server_sql mysql "SET GLOBAL host_cache_size = $1"
}

# Who goes away often enough is blocked, as long as nobody is between.
is_blocked_directly() {
	host=$outside own_client plain "$port_mysql" x y crowd 110 silent
	host=$outside blocked "$port_mysql"
	unblock 200
	host=$outside own_client plain "$port_mysql" sha2 \
	    "$(password_of sha2)" sql 'SELECT 1'
}

# not_blocked GREETING STAGE
not_blocked() {
	eval "port=\$gate_far_$1"
	unblock $((201 + $(date +%s) % 50))
	own_client plain "$port" x y crowd 110 "$2"
	own_client tls "$port" sha2 "$(password_of sha2)" sql 'SELECT 1'
}

try_crowd() {
	has_server mysql || return 0
	if [ -n "$outside" ]; then
		check "110 clients that go away have their host blocked" \
		    is_blocked_directly
	fi
	for where in $places; do
		check "$where: 110 half-open clients keep nobody out" \
		    ours plain "$where" mysql hold 110
		[ "$where" != direct ] && [ -n "$outside" ] || continue
		for stage in silent request tls; do
			check "$where: 110 that go away block nobody, $stage" \
			    not_blocked "$where" $stage
		done
	done
}

# --- servers that die

# killed TLS WHERE SERVER
killed() {
	ours "$1" "$2" "$3" killed "$(server_pid "$3")"
}

# Each is dead afterwards; these come last.
try_killed() {
	for server in maria11 mysqls maria11s mysql maria10; do
		has_server $server || continue
		case $server,$direct in
		maria10,?*)	tls=plain where=direct ;;
		*s,?*)		tls=tls where=direct ;;
		*,?*)		tls=plain where=direct ;;
		maria11,)	tls=tls where=own ;;
		mysqls,)	tls=tls where=server ;;
		maria11s,)	tls=plain where=own ;;
		mysql,)		tls=plain where=server ;;
		maria10,)	tls=tls where=server ;;
		esac
		check "$where: $server killed amid a result, $tls" \
		    killed $tls $where $server
		[ -z "$direct" ] || continue
		check "$where: $server, dead, is an error at once, $tls" \
		    says 'ERROR|FAULT' ours $tls $where $server sql 'SELECT 1'
	done
}

# --- what all this left behind

# The watch must see what can be seen, or it sees nothing.
watch_sees() {
	for name in $servers; do
		case $name in
		maria*)	user=native ;;
		*)	user=sha2 ;;
		esac
		if has_tls "$name" && [ -z "$direct" ]; then
			continue
		fi
		on_wire "$name" $user || fail "no $user before $name"
		on_wire "$name" CURRENT_USER || fail "no query before $name"
	done
}

no_password_crossed() {
	grep -rlaF -e "$secret" "$scratch/wire" || return 0
	fail "passwords are in these"
}

log_is_sound() {
	session_lines -E 'end=(crashed|internal)' && fail "what ends are these"
	grep -F -e "$secret" "$scratch/gate.log" && fail "passwords in the log"
	return 0
}

trap scratch_end EXIT
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
relays_start
places=direct
if [ -z "$direct" ]; then
	start_gate
	places='own server'
fi

each_login try_logins
each_login try_wrong_password
each_login try_slow_login
try_commands
try_sizes
try_tls
try_require
try_backends
try_verification
try_capabilities
try_crowd
check "the watch sees names and queries on plain links" watch_sees
check "no password crossed a link in the clear" no_password_crossed
try_killed
[ -n "$direct" ] || check "no session ended badly" log_is_sound
cases_end
