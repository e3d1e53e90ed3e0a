#!/bin/sh
# netroxy.sh - Netroxy clients at a hub, of which each port is a mapping.
#
# SALLYPORTD=path/to/sallyportd tests/interop/netroxy.sh
#
# The clients are written from the protocol's table (netroxy_peer.py).  Exit 0,
# or 1 when something failed, 77 without python3.
#
# shellcheck disable=SC2154	# pick_ports sets what has a name in it
set -eu

: "${SALLYPORTD:?path of the sallyportd to test}"
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/interop/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/interop/cases.sh
. "$here/cases.sh"
# shellcheck source=tests/interop/daemons.sh
. "$here/daemons.sh"
suite=netroxy
ctl=$(dirname "$SALLYPORTD")/sallyportctl
password='pass word, of two'

peer() {
	timeout 120 python3 "$here/netroxy_peer.py" "$@"
}

# --- configurations

pick_ports() {
	for name in echo clear sealed native busy topic their
	do
		pick_port
		eval "$name=$port"
	done
	# Where no other test is, below the ports of those who dial.
	low=$((31900 + $$ % 8 * 100))
}

write_b() {
	cat >"$scratch/b.conf" <<END
user = "nobody";
auth_user = "nobody";
log = { to = "stdout"; };
control = { path = "$scratch/run/b"; };
listeners = (
	{ name = "clear"; listen = "127.0.0.1:$clear"; protocol = "netroxy"; },
	{ name = "sealed"; listen = "127.0.0.1:$sealed"; protocol = "netroxy";
	  tls = { mode = "require"; certificate = "$scratch/hub.pem";
	  key = "$scratch/hub.key"; }; },
	{ name = "native"; listen = "127.0.0.1:$native"; protocol = "hub"; },
	{ name = "topic"; listen = "127.0.0.1:$topic";
	  forward = "topic:netroxy.nora.$((low + 90))"; } );
agents = (
	{ id = "nora"; netroxy_password_file = "$scratch/password";
	  ports = ( "$low-$((low + 99))", "$busy" ); ports_hold = "${1:-5s}"; },
	{ id = "far"; netroxy_password_file = "$scratch/password";
	  ports = "$low-$((low + 99))"; addresses = "127.0.0.5"; },
	{ id = "guess"; netroxy_password_file = "$scratch/password"; },
	{ id = "nat"; secret_file = "$scratch/secret"; publish = "*";
	  ports = "$low-$((low + 99))"; } );
END
}

start_all() {
	"$ctl" secret "$scratch/secret"
	echo "$password" >"$scratch/password"
	chmod 600 "$scratch/password"
	(cd "$scratch" && "$top/contrib/make-cert" --out=hub hub) >/dev/null
	mkdir -p "$scratch/run"
	[ "$(id -u)" -ne 0 ] || chown nobody "$scratch/run"
	background python3 "$here/tunnel.py" echo "$echo"
	background python3 "$here/tunnel.py" echo "$busy"
	port_is_served "$busy"
	write_b 0
	daemon b
}

# client NAME PORT USER MAPPING...
client() {
	name=$1
	shift
	timeout 300 python3 "$here/netroxy_peer.py" client "$1" "$2" \
	    "$password" "$3" >"$scratch/$name.log" 2>&1 </dev/null &
	echo $! >"$scratch/$name.pid"
	until_true 15 is_said "$name" ":"
}

# --- tests

wrong_logins_are_refused() {
	long=$(printf '%070d' 1)
	for wrong in "guess wrong" "nobody.there $password" "nat $password" \
	    "$long x" "guess "
	do
		[ "$(peer login "$1" "${wrong%% *}" "${wrong#* }")" = \
		    "ARS false" ] || fail "$wrong: it may log in"
	done
}

secrets_are_of_no_use_here() {
	# Nor is a password at the native one: it has no login there.
	[ "$(peer login "$clear" nat "$(cat "$scratch/secret")")" = \
	    "ARS false" ]
	has_line b 'refused agent=nat .* reason="no such agent"'
}

the_table_is_kept() {
	[ "$(peer table "$1" nora "$password" "$2" 1 "$busy" \
	    127.0.0.1:22)" = ok ]
}

who_cannot_dial_is_waited_for_in_vain() {
	peer silent "$clear" nora "$password" "$((low + 3))"
	has_line b "server=- .*end=unreachable\|end=unreachable .*why="
}

each_ends_its_own() {
	peer ports "$clear" nora "$password" 10 8 "$low"
}

bytes_go_through() {
	client "one${1%s}" "$1" nora "$2=$echo"
	if [ "$1" = "$clear" ]; then
		gets_in "$2"
		asks big "$2" 64
	fi
	[ "$(asks users "$2" 300)" = served=300 ]
	"$ctl" -s "$scratch/run/b" mappings | grep -q \
	    "^0.0.0.0:$2  *netroxy.nora.$2 .*open"
	"$ctl" -s "$scratch/run/b" agents | grep -q "^nora:$2 "
	end_client "one${1%s}"
	until_true 15 stays_out "$2"
}

end_client() {
	end_process "$(cat "$scratch/$1.pid")"
	rm "$scratch/$1.pid"
}

a_closed_port_is_opened() {
	at=$((low + 91))
	client shut "$clear" nora "$at=$echo=false"
	stays_out "$at"
	"$ctl" -s "$scratch/run/b" open "$at"
	gets_in "$at"
	end_client shut
}

a_port_is_a_topic() {
	client topic "$clear" nora "$((low + 90))=$echo"
	gets_in "$topic"
	end_client topic
}

addresses_are_those_allowed() {
	client far "$clear" far "$((low + 92))=$echo"
	has_line b "agent far:.* has port 127.0.0.5:$((low + 92))"
	end_client far
}

it_comes_back_after_a_reload() {
	at=$((low + 93))
	client back "$clear" nora "$at=$echo"
	gets_in "$at"
	write_b
	"$ctl" -s "$scratch/run/b" reload
	until_true 15 is_said back left
	for _ in 1 2 3 4 5 6; do
		gets_in "$at"
	done
	echo other >"$scratch/password"
	"$ctl" -s "$scratch/run/b" reload
	has_line back 'may not log in'
	until_true 15 stays_out "$at"
	echo "$password" >"$scratch/password"
	"$ctl" -s "$scratch/run/b" reload
}

the_broker_may_die() {
	at=$((low + 94))
	client broken "$clear" nora "$at=$echo"
	kill -9 "$(pgrep -P "$(cat "$scratch/b.pid")" -f 'sallyportd: broker')"
	for _ in 1 2 3; do
		gets_in "$at"
	done
	end_client broken
}

none_are_crossed() {
	peer storm "$1" nora "$password" 10 "$((low + 20))" "$2"
}

the_originals_are_read() {
	tls="{ \"enabled\": false, \"port\": $((low + 98)),
	    \"ca\": \"$scratch/hub.pem\", \"key\": \"$scratch/hub.key\" }"
	cat >"$scratch/server.json" <<END
{ "ip": "127.0.0.1", "port": $((low + 97)), "tls": $tls, "web": {},
  "username": "admin", "password": "$password", "timeout": 100 }
END
	cat >"$scratch/client.json" <<END
{ "ip": "127.0.0.1", "port": $native, "username": "nat", "connections": [
  { "ip": "127.0.0.1", "port": $echo, "remotePort": $((low + 99)),
    "isOpen": false, "tls": false }, ] }
END
	"$top/contrib/from-json" netroxy-server "$scratch/server.json" |
	    sed "s,/etc/sallyport/admin.password,$scratch/password,
	    s/\tports =/\tports_hold = \"0\"; ports =/" \
	    >"$scratch/server.conf"
	for extra in 'user = "nobody"; auth_user = "nobody";' \
	    'log = { to = "stdout"; };'
	do
		echo "$extra" >>"$scratch/server.conf"
	done
	daemon server
	[ "$(peer login "$((low + 98))s" admin wrong)" = "ARS false" ]
	[ "$(peer table "$((low + 97))" admin "$password" "$((low + 9))" 1 \
	    "$busy" 127.0.0.1:22)" = ok ]
	end_daemon server
	{
		echo 'user = "nobody"; auth_user = "nobody";'
		echo 'log = { to = "stdout"; };'
		"$top/contrib/from-json" netroxy-client \
		    "$scratch/client.json" --plain --secret="$scratch/secret"
	} >"$scratch/nat.conf"
	daemon nat
	has_line nat "has port 0.0.0.0:$((low + 99)) for topic nat.*, closed"
	"$ctl" -s "$scratch/run/b" open "$((low + 99))"
	gets_in "$((low + 99))"
	end_daemon nat
	echo '{ "username": "a b" }' >"$scratch/client.json"
	"$top/contrib/from-json" netroxy-client "$scratch/client.json" \
	    2>"$scratch/said" && fail "no name was taken"
	grep -q 'username: "a b": an id has' "$scratch/said"
}

# ours NAME HUBKEYS PUBLISH: our agent there
ours() {
	cat >"$scratch/$1.conf" <<END
user = "nobody";
auth_user = "nobody";
log = { to = "stdout"; };
hubs = ( { name = "old"; id = "nora"; protocol = "netroxy";
	password_file = "$scratch/password"; $2 } );
publish = ( $3 );
END
}

# offer PORT SERVICE [KEYS]
offer() {
	echo "{ topic = \"p$1\"; hub = \"old\"; map = \"0.0.0.0:$1\";"
	echo "forward = \"127.0.0.1:$2\"; ${3:-} }"
}

# Theirs cannot end one direction alone; and when it is slow it loses what a
# service says first, so one may have to come again.
is_served() {
	asks hold "$1" 0.2 >/dev/null 2>&1
}

# our_agent_serves SERVER HUBKEYS
our_agent_serves() {
	ours there "address = \"127.0.0.1:$1\"; $2" \
	    "$(offer "$((low + 80))" "$echo"), $(offer "$((low + 81))" 1),
	    $(offer "$busy" "$echo")"
	daemon there
	has_line there "has port $((low + 80)) for topic p"
	has_line there "does not open 0.0.0.0:$busy for topic p$busy"
	until_true 15 is_served "$((low + 80))"
	until_true 15 is_served "$((low + 80))"
	has_line there "listener=p$((low + 80))@old .* end=done"
	# Its service is down: users see an end, at once.
	if is_served "$((low + 81))"; then
		fail "there is no service"
	fi
	until_true 15 is_served "$((low + 80))"
}

netroxy_server() {
	: >"$scratch/old.log"
	timeout 300 python3 "$here/netroxy_peer.py" server "$@" \
	    >>"$scratch/old.log" 2>&1 </dev/null &
	echo $! >"$scratch/old.pid"
	port_is_served "$1"
}

our_agent_at_their_server() {
	netroxy_server "$their" nora "$password"
	our_agent_serves "$their" 'tls = { mode = "off"; };'
	# Its timeout is 3 seconds: it is asked before.
	sleep 4
	until_true 15 is_served "$((low + 80))"
	end_daemon old
	has_line there 'hub old: the server has left'
	netroxy_server "$their" nora other
	has_line there 'no such user, or a wrong password'
	end_daemon old
	end_daemon there
}

our_agent_at_their_server_with_tls() {
	netroxy_server "$their" nora "$password" "$scratch/hub.pem" \
	    "$scratch/hub.key"
	our_agent_serves "$their" \
	    "pin = \"$("$ctl" pin "$scratch/hub.pem")\";"
	end_daemon there
	end_daemon old
}

our_agent_at_ours() {
	our_agent_serves "$sealed" \
	    "pin = \"$("$ctl" pin "$scratch/hub.pem")\";"
	end_daemon there
}

what_they_have_not_is_told() {
	ours wrong "address = \"h:1\"; pin = \"sha256:1\"; secret_file = \"/x\";
	    accept_assign = \"listen any\"; compression = \"zstd\";" \
	    "{ topic = \"a\"; hub = \"old\"; forward = \"h:1\"; },
	    { topic = \"b\"; hub = \"old\"; forward = \"h:1\";
	    map = \":8000-9000\"; map_tls = true;
	    deny = \"::/0\"; }"
	"$SALLYPORTD" -t -f "$scratch/wrong.conf" 2>"$scratch/said" &&
	    fail "it was taken"
	for want in 'secret_file: a Netroxy' 'accept_assign: a Netroxy' \
	    'map: "": want the one port' 'map: ":8000-9000": want' \
	    'map_tls: a Netroxy server has none' 'compression: a Netroxy' \
	    'deny: a Netroxy server does not tell'
	do
		grep -q "$want" "$scratch/said" || fail "no $want"
	done
}

guesses_are_slowed() {
	for _ in 1 2 3 4 5 6 7 8 9 10 11; do
		[ "$(peer login "$clear" far wrong)" = "ARS false" ]
	done
	has_line b 'refused agent=far .*reason="too many wrong ones"'
}

if ! command -v python3 >/dev/null || ! command -v openssl >/dev/null; then
	echo "no python3 or openssl here"
	exit 77
fi
top=$(cd "$here/../.." && pwd)
trap end_all EXIT
trap 'exit 1' HUP INT TERM
scratch_begin
pick_ports
start_all

check "wrong logins are refused" wrong_logins_are_refused "$clear"
check "wrong logins are refused, with TLS" wrong_logins_are_refused \
	"${sealed}s"
check "a native agent's secret is of no use here" secrets_are_of_no_use_here
check "each command is answered as the table says" the_table_is_kept \
	"$clear" "$((low + 1))"
check "each command is answered as the table says, with TLS" \
	the_table_is_kept "${sealed}s" "$((low + 2))"
check "whose client cannot dial is told, and takes nobody's turn" \
	who_cannot_dial_is_waited_for_in_vain
check "ten clients that leave close their ports alone" each_ends_its_own
check "what is said arrives" bytes_go_through "$clear" "$((low + 95))"
check "what is said arrives, with TLS" bytes_go_through "${sealed}s" \
	"$((low + 96))"
check "a port that is closed is opened by an operator" \
	a_closed_port_is_opened
check "a port can be reached as a topic" a_port_is_a_topic
check "a client has ports at the address that it may" \
	addresses_are_those_allowed
check "a client comes back after a reload, if it still may" \
	it_comes_back_after_a_reload
check "ports survive the broker" the_broker_may_die
check "users never get another's, as clients come and go" none_are_crossed \
	"$clear" 3000
check "users never get another's, with TLS" none_are_crossed "${sealed}s" 500
check "the originals' files become ours" the_originals_are_read
check "our agent serves users of a Netroxy server" our_agent_at_their_server
check "our agent serves users of a Netroxy server with TLS" \
	our_agent_at_their_server_with_tls
check "our agent serves users of our own" our_agent_at_ours
check "what a Netroxy server does not have is told" what_they_have_not_is_told
check "who guesses is made to wait" guesses_are_slowed
check "nothing crashed, and nobody said what he may not" \
	no_errors b
cases_end
