#!/bin/sh
# nginx.sh - nginx before sallyportd, behind it, and on both sides.
#
# SALLYPORTD=path/to/sallyportd tests/interop/nginx.sh
#
# Exit 0, 1 when something failed, 77 when there is no nginx here.
#
# shellcheck disable=SC2154	# pick_ports sets the ports by name
set -eu

: "${SALLYPORTD:?path of the sallyportd to test}"
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/interop/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/interop/cases.sh
. "$here/cases.sh"
# shellcheck source=tests/interop/proxies.sh
. "$here/proxies.sh"
suite=nginx

# front: nginx before sallyportd.  gate and to: sallyportd.  The others:
# nginx behind it.
pick_ports() {
	for name in web front front6 front_bare front_chain front_db told \
	    told6 echo gate gate_chain gate_db to1 to2 to2_v6 to1_unix \
	    to2_unix to1_echo to2_echo to1_db to2_db; do
		pick_port
		eval "$name=$port"
	done
}

start_nginx() {
	nginx_start <<EOF
http {
	$(nginx_http_lines)
	server {
		listen 127.0.0.1:$web;
		root $scratch/www;
		client_max_body_size 0;
		location / { dav_methods PUT; }
	}
	server {
		listen 127.0.0.1:$told proxy_protocol;
		listen [::1]:$told6 proxy_protocol;
		listen unix:$scratch/told.sock proxy_protocol;
		return 200 "$nginx_told";
	}
}
stream {
	proxy_protocol on;
	server { listen 127.0.0.1:$front; proxy_pass 127.0.0.1:$gate; }
	server { listen [::1]:$front6; proxy_pass 127.0.0.1:$gate; }
	server { listen 127.0.0.1:$front_chain;
		proxy_pass 127.0.0.1:$gate_chain; }
	server { listen 127.0.0.1:$front_db; listen [::1]:$front_db;
		proxy_pass 127.0.0.1:$gate_db; }
	server { listen unix:$scratch/front.sock;
		proxy_pass unix:$scratch/gate.sock; }
	server { listen 127.0.0.1:$front_bare; proxy_pass 127.0.0.1:$gate;
		proxy_protocol off; }
	server { listen 127.0.0.1:$echo proxy_protocol; return "$nginx_told"; }
}
EOF
}

# backend NAME SEND_PROXY SERVER
backend() {
	cat <<EOF
	{ name = "$1";
	  servers = ( { address = "$3"; send_proxy = $2; } ); },
EOF
}

# to NAME PORT: a listener for the backend NAME
to() {
	cat <<EOF
	{ name = "$1"; listen = "127.0.0.1:$2"; forward = "backend:$1"; },
EOF
}

start_gate() {
	cat >"$scratch/sallyportd.conf" <<EOF
user = "nobody";
log = { to = "stdout"; };
backends = (
$(backend to1 1 "127.0.0.1:$told")
$(backend to2_v6 2 "[::1]:$told6")
$(backend to1_unix 1 "unix:$scratch/told.sock")
$(backend to2_unix 2 "unix:$scratch/told.sock")
$(backend to1_echo 1 "127.0.0.1:$echo")
$(backend to2_echo 2 "127.0.0.1:$echo")
$(backend to1_db 1 "127.0.0.1:${db_port:-$web}")
$(backend to2_db 2 "127.0.0.1:${db_port:-$web}")
	{ name = "to2"; balance = "first"; retries = 0;
	  servers = { address = "127.0.0.1:$told"; send_proxy = 2; }; }
);
listeners = (
$(to to1 "$to1")
$(to to2 "$to2")
$(to to2_v6 "$to2_v6")
$(to to1_unix "$to1_unix")
$(to to2_unix "$to2_unix")
$(to to1_echo "$to1_echo")
$(to to2_echo "$to2_echo")
	{ name = "to1_db"; listen = "[::1]:$to1_db";
	  forward = "backend:to1_db"; },
	{ name = "to2_db"; listen = "[::1]:$to2_db";
	  forward = "backend:to2_db"; },
	{ name = "gate"; listen = "127.0.0.1:$gate";
	  forward = "127.0.0.1:$web";
	  proxy_protocol = { accept = true; from = "127.0.0.1"; }; },
	{ name = "at_unix"; listen = "unix:$scratch/gate.sock";
	  forward = "127.0.0.1:$web";
	  proxy_protocol = { accept = true; from = "unix"; }; },
	{ name = "chain"; listen = "127.0.0.1:$gate_chain";
	  forward = "backend:to2";
	  proxy_protocol = { accept = true; from = "127.0.0.1"; }; },
	{ name = "db"; listen = "127.0.0.1:$gate_db";
	  forward = "127.0.0.1:${db_port:-$web}"; allow = "::1";
	  proxy_protocol = { accept = true; from = "127.0.0.1"; }; }
);
EOF
	gate_start "$scratch/sallyportd.conf"
}

# The client of a request as the log has it, by way of nginx.
client_is_logged() {
	fetch_as_client -o "$scratch/out" \
	    -w '%{local_ip} %{local_port}\n' "$@" >"$scratch/me"
	read -r ip number <"$scratch/me"
	case $ip in
	*:*)	ip="\\[$ip\\]" ;;
	esac
	logged "listener=gate client=$ip:$number via=127.0.0.1:[0-9]* server="
}

# is_cut COMMAND...: what answers nothing but a reset
is_cut() {
	[ "$("$@")" = cut ] || fail "answered"
}

no_header() {
	is_cut say 127.0.0.1 "$gate" 'GET /small HTTP/1.0\r\n\r\n'
	logged 'client=127.0.0.1:[0-9]* up=0 down=0 .* end=proxy_header why='
}

# A server that sends no header is no way in either.
bare_nginx() {
	before=$(session_lines -c end=proxy_header || :)
	fetch_as_client "http://127.0.0.1:$front_bare/small" && fail "let in"
	until_true 10 has_sessions $((before + 1)) end=proxy_header
}

# And what it claimed to be is nowhere.
untrusted() {
	is_cut say 127.0.0.7 "$gate" 'PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n' \
	    'GET /small HTTP/1.0\r\n\r\n'
	logged 'client=127.0.0.7:[0-9]* up=0 down=0 .* end=denied why='
	session_lines 'client=127.0.0.1:1 ' && fail "believed"
	return 0
}

# answers PART...: what comes with a header is answered
answers() {
	say 127.0.0.1 "$gate" "$@" | tee "$scratch/answer"
	tail -n 1 "$scratch/answer" | grep -qx 'a small file'
}

get='GET /small HTTP/1.0\r\n\r\n'
v2='\x0d\x0a\x0d\x0a\x00\x0d\x0aQUIT\x0a\x21\x11\x00\x0c'
v2_to='\xc0\x00\x02\x02'

one_segment() {
	answers "PROXY TCP4 192.0.2.1 192.0.2.2 11 80\\r\\n$get"
	logged 'client=192.0.2.1:11 via=127.0.0.1:[0-9]* .* end=done'
}

one_segment_v2() {
	answers "$v2\\xc0\\x00\\x02\\x09$v2_to\\x00\\x0c\\x00\\x50$get"
	logged 'client=192.0.2.9:12 via=127.0.0.1:[0-9]* .* end=done'
}

pieces() {
	answers PROXY ' TCP4 192.0.2.1 192.0.2.2 13 8' 0 '\r' \
	    '\nGET /sm' 'all HTTP/1.0\r\n\r' '\n'
	logged 'client=192.0.2.1:13 '
	answers "$v2" "\\xc0\\x00\\x02\\x09$v2_to\\x00" \
	    '\x0e\x00\x50G' 'ET /small HTTP/1.0\r\n\r\n'
	logged 'client=192.0.2.9:14 '
}

# nginx has no address to tell of such a client; all else works.
at_unix() {
	fetch --unix-socket "$scratch/front.sock" -H 'Connection: close' \
	    http://localhost/small | grep -qx 'a small file'
	logged 'listener=at_unix client="unix:uid=[0-9]*,pid=[0-9]*" .* end=done'
}

make_database() {
	for program in mariadbd mariadb; do
		command -v $program >/dev/null || return 0
	done
	password=$(random_hex 8)
	db_new <<EOF
CREATE DATABASE demo;
CREATE USER tester@'%' IDENTIFIED BY '$password';
GRANT ALL ON *.* TO tester@'%';
CREATE TABLE demo.big (id INT PRIMARY KEY, word TEXT);
INSERT INTO demo.big SELECT seq, REPEAT(SHA1(seq), 25) FROM seq_1_to_10500;
EOF
	db_options=--proxy-protocol-networks=127.0.0.1
	db_start
}

# sql STATEMENT MARIADB-ARGUMENT...
sql() {
	need mariadbd
	need mariadb
	statement=$1
	shift
	timeout "$patience" mariadb --no-defaults --quick -N -u tester \
	    --password="$password" --protocol=tcp "$@" -e "$statement" demo
}

rows() {
	sql 'SELECT * FROM big ORDER BY id' "$@"
}

# The server knows the client as its user's host, where it would know us.
server_hears() {
	[ "$(sql 'SELECT USER()' -h ::1 -P "$1")" = 'tester@::1' ]
}

same_rows() {
	rows -h 127.0.0.1 -P "$db_port" >"$scratch/beside"
	rows -h ::1 -P "$front_db" >"$scratch/through"
	[ "$(wc -l <"$scratch/through")" -eq 10500 ]
	cmp "$scratch/beside" "$scratch/through"
	logged 'listener=db client=.::1.:[0-9]* via=.* end=done'
}

wrong_client() {
	rows -h 127.0.0.1 -P "$front_db" && fail "let in"
	logged 'listener=db client=127.0.0.1:[0-9]* via=.* end=denied why='
}

no_warnings() {
	sed '1,/: ready/d' "$scratch/gate.log" | grep -E ' (error|warn) ' &&
	    fail "warnings"
	return 0
}

trap scratch_end EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
for program in nginx curl perl; do
	need "$program"
done
nginx_can_stream || { echo "nginx has no stream module here"; exit 77; }
scratch_begin
make_www
pick_ports
make_database
start_nginx
start_gate

check "4 MB are the same up and down through nginx and sallyportd" \
    same_bytes v4 "http://127.0.0.1:$front"
check "the log has nginx' client, and nginx as its way" \
    client_is_logged "http://127.0.0.1:$front/small"
check "4 MB are the same for a client with IPv6" \
    same_bytes v6 "http://[::1]:$front6" --interface ::1
check "the log has the client with IPv6, that came by IPv4" \
    client_is_logged --interface ::1 "http://[::1]:$front6/small"
check "a client of a local socket comes through another" at_unix
check "header and bytes come in one segment" one_segment
check "header of version 2 and bytes come in one segment" one_segment_v2
check "headers come in pieces" pieces
check "nginx that sends no header is cut off" bare_nginx
check "a client without a header is cut off" no_header
check "a header from elsewhere is not believed" untrusted

for version in 1 2; do
	eval "http=\$to$version unix=\$to${version}_unix"
	eval "stream=\$to${version}_echo"
	check "nginx' http hears of the client by version $version" \
	    hears_truth "http://127.0.0.1:$http"
	check "nginx' stream hears of the client by version $version" \
	    hears_truth "telnet://127.0.0.1:$stream"
	check "nginx at a local socket hears of it by version $version" \
	    hears_truth "http://127.0.0.1:$unix"
done
check "nginx with IPv6 hears of a client with IPv4" \
    hears_truth "http://127.0.0.1:$to2_v6"
check "from nginx to nginx the client stays the client" \
    hears_truth "http://127.0.0.1:$front_chain"
check "MariaDB's rows are the same behind nginx and sallyportd" same_rows
check "MariaDB hears of the client by version 1" server_hears "$to1_db"
check "MariaDB hears of the client by version 2" server_hears "$to2_db"
check "allow is about nginx' client" wrong_client
check "nothing of this is worth a warning" no_warnings
cases_end
