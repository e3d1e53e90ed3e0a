#!/bin/sh
# ports.sh - ports of a hub that agents ask for, and those who come by them.
#
# SALLYPORTD=path/to/sallyportd tests/interop/ports.sh
#
# B is the hub; C and others publish.  Exit 0, or 1 when something failed, 77
# without python3.
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
suite=ports
unwanted="$unwanted|may not have"
ctl=$(dirname "$SALLYPORTD")/sallyportctl

shows() {
	until_true 15 shows_now "$1"
}

shows_now() {
	"$ctl" -s "$scratch/run/b" mappings >"$scratch/mappings" &&
	    grep -q "$1" "$scratch/mappings"
}

# --- configurations

pick_ports() {
	for name in echo busy b plain tcp tls shut denied picky again taken op
	do
		pick_port
		eval "$name=$port"
	done
	# Twenty agents have five each, where no other test is.
	low=$((31000 + $$ % 9 * 100))
}

# write_b [PORT]: without that port for c
write_b() {
	cat >"$scratch/b.conf" <<END
user = "nobody";
auth_user = "nobody";
log = { to = "stdout"; };
control = { path = "$scratch/run/b"; };
listeners = (
	{ name = "b"; listen = "127.0.0.1:$b"; protocol = "hub";
	  pool = "secure"; tls = { mode = "require";
	  certificate = "$scratch/hub.pem"; key = "$scratch/hub.key"; }; },
	{ name = "plain"; listen = "127.0.0.1:$plain"; protocol = "hub";
	  pool = "open"; } );
agents = (
	{ id = "c"; secret_file = "$scratch/one"; publish = "*";
	  ports = ( $(for p in $tcp $tls $shut $denied $picky $again $busy; do
		[ "$p" = "${1:-}" ] || printf '"%s", ' "$p"
	  done) "$op" ); ports_hold = "2s"; },
	{ id = "d"; secret_file = "$scratch/two";
	  publish = ( "same", "d.*" ); ports = ( "$tcp", "$again", "80" ); },
$(for i in $(seq 20); do
	echo "	{ id = \"n$i\"; secret_file = \"$scratch/three\"; ports_hold = \"0\";
	  publish = \"*\"; ports = \"$low-$((low + 99))\"; },"
done)
	{ id = "narrow"; secret_file = "$scratch/two"; publish = "*";
	  ports = "1-65535"; addresses = "127.0.0.0/8"; } );
topics = ( { name = "denied"; deny = "127.0.0.7"; } );
END
}

# agent NAME PUBLISH [HUBKEYS]
agent() {
	at_b="address = \"127.0.0.1:$b\"; secret_file = \"$scratch/two\";
	pin = \"$pin\";"
	cat >"$scratch/$1.conf" <<END
user = "nobody";
auth_user = "nobody";
log = { to = "stdout"; };
hubs = ( { name = "b"; id = "$1"; ${3:-$at_b} } );
publish = ( $2 { topic = "d.none"; hub = "b"; forward = "127.0.0.1:$echo"; } );
END
}

# offer TOPIC MAP [KEYS]
offer() {
	echo "{ topic = \"$1\"; hub = \"b\"; forward = \"127.0.0.1:$echo\";"
	echo "  map = \"$2\"; ${3:-} },"
}

start_all() {
	for name in one two three; do
		"$ctl" secret "$scratch/$name"
	done
	(cd "$scratch" && "$top/contrib/make-cert" --out=hub hub) >/dev/null
	pin=$("$ctl" pin "$scratch/hub.pem")
	mkdir -p "$scratch/run"
	[ "$(id -u)" -ne 0 ] || chown nobody "$scratch/run"
	background python3 "$here/tunnel.py" echo "$echo"
	background python3 "$here/tunnel.py" echo "$busy"
	port_is_served "$busy"
	write_b
	agent c "$(offer same "0.0.0.0:$tcp")
	    $(offer tls "127.0.0.1:$tls" 'map_tls = true;')
	    $(offer shut "127.0.0.1:$shut" 'open = false;')
	    $(offer denied "127.0.0.1:$denied")
	    $(offer picky "127.0.0.1:$picky" 'deny = "127.0.0.0/8";')
	    $(offer busy "127.0.0.1:$busy")
	    $(offer foreign "127.0.0.1:$taken")
	    $(offer again "127.0.0.1:$again")" \
	    "address = \"127.0.0.1:$b\"; secret_file = \"$scratch/one\";
	    pin = \"$pin\";"
	daemon b
	daemon c
	has_line c "has port .*:$again for topic"
}

# --- tests

a_port_leads_to_its_topic() {
	asks half "$tcp"
	has_line b "listener=0.0.0.0:$tcp client=127.0.0.7:.* server=same@c"
	has_line c 'listener=same@b client=127.0.0.7:.* via='
	asks tls "$tls"
	has_line b "listener=127.0.0.1:$tls .* tls=TLSv1.3 .* end=done"
	stays_out "$tls"
}

a_thousand_come_at_once() {
	[ "$(asks users "$tcp" 1000)" = served=1000 ]
}

refused_and_said_once() {
	has_line c "open 127.0.0.1:$taken for topic foreign: .*not allowed"
	has_line c "open 127.0.0.1:$busy for topic busy: .*in use"
	sleep 2				# by then it has been asked for again
	[ "$(grep -c "does not open" "$scratch/c.log")" -eq 2 ]
	[ "$(grep -c "does not have a port" "$scratch/b.log")" -eq 2 ]
	stays_out "$taken"
}

users_are_chosen() {
	stays_out "$denied"
	has_line b "listener=127.0.0.1:$denied .* end=denied"
	stays_out "$picky"
	has_line c 'listener=picky@b .* end=denied'
}

operators_open_and_close() {
	stays_out "$shut"
	"$ctl" -s "$scratch/run/b" open "$shut"
	gets_in "$shut"
	"$ctl" -s "$scratch/run/b" close "127.0.0.1:$shut"
	stays_out "$shut"
	shows "^127.0.0.1:$shut  *shut  *c  *1  *-  *closed"
}

operators_map() {
	[ "$("$ctl" -s "$scratch/run/b" map "127.0.0.1:$op" d.none)" = \
	    "127.0.0.1:$op" ]
	gets_in "$op"
	"$ctl" -s "$scratch/run/b" unmap "$op"
	stays_out "$op"
	at=$("$ctl" -s "$scratch/run/b" map 127.0.0.1:0 d.none --tls)
	asks tls "${at##*:}"
	"$ctl" -s "$scratch/run/b" unmap "$at"
	for wrong in 127.0.0.1:80 localhost:4000 4000 "127.0.0.1:$busy"; do
		if "$ctl" -s "$scratch/run/b" map "$wrong" d.none; then
			fail "$wrong was mapped"
		fi
	done
	if "$ctl" -s "$scratch/run/b" unmap "$op"; then
		fail "nothing was unmapped"
	fi
}

two_share_a_port() {
	agent d "$(offer same "0.0.0.0:$tcp") $(offer d.low 127.0.0.1:80)
	    $(offer d.again "127.0.0.1:$again")"
	daemon d
	has_line d "does not open 127.0.0.1:$again for topic d.again: .*in use"
	[ "$(id -u)" -ne 0 ] || has_line d 'has port 127.0.0.1:80 for topic d'
	shows "^0.0.0.0:$tcp  *same  *c  *2 "
	gets_in "$tcp"
	end_daemon d
	gets_in "$tcp"
}

addresses_are_those_allowed() {
	pick_port
	agent narrow "$(offer wide "0.0.0.0:$port")
	    $(offer any 127.0.0.1:30000-30999) $(offer six "[::1]:$port")
	    $(offer far "127.0.0.1:$((port + 1))" 'map_tls = true;')" \
	    "address = \"127.0.0.1:$plain\"; secret_file = \"$scratch/two\";
	    tls = { mode = \"off\"; };"
	daemon narrow
	has_line narrow 'has port 127.0.0.1:30[0-9]* for topic any'
	has_line narrow 'does not open 0.0.0.0:.* wide: .*not allowed'
	has_line narrow 'does not open \[::1\]:.* six: .*not allowed'
	has_line narrow 'does not open .* far: .*no certificate'
	at=$(sed -n 's/.*has port 127.0.0.1:\([0-9]*\) for topic any.*/\1/p' \
	    "$scratch/narrow.log")
	gets_in "$at"
	end_daemon narrow
}

an_absence_is_waited_for() {
	kill -9 "$(cat "$scratch/c.pid")"
	until_true 15 is_gone "$(cat "$scratch/c.pid")"
	gets_in "$again" &
	user=$!
	shows "^127.0.0.1:$again .*agent away"
	daemon c
	wait "$user"
	gets_in "$again"
}

a_long_one_is_not() {
	end_daemon c
	until_true 15 stays_out "$again"
	shows_now "127.0.0.1:$again" && fail "it is there"
	daemon c
	has_line c "has port 127.0.0.1:$again for topic"
	gets_in "$again"
}

rights_end_with_a_reload() {
	until_true 20 gets_in "$again"
	asks hold "$again" 3 >"$scratch/held" &
	user=$!
	sleep 0.5
	write_b "$again"
	"$ctl" -s "$scratch/run/b" reload
	until_true 15 stays_out "$again"
	has_line c "open 127.0.0.1:$again for topic again: .*not allowed"
	gets_in "$tcp"
	wait "$user"			# sessions go on
	write_b
	"$ctl" -s "$scratch/run/b" reload
	until_true 20 gets_in "$again"
}

the_broker_may_die() {
	kill -9 "$(pgrep -P "$(cat "$scratch/b.pid")" -f 'sallyportd: broker')"
	for _ in 1 2 3 4 5; do
		gets_in "$tcp"
	done
	shows "^0.0.0.0:$tcp  *same  *c  *1  *-  *open"
}

each_ends_its_own() {
	timeout 60 python3 "$here/tunnel_peer.py" ports "$plain" n \
	    "$scratch/three" 20 5 "$low"
}

an_upgrade_is_not_seen() {
	: >"$scratch/upgraded"
	while [ -e "$scratch/upgraded" ]; do
		gets_in "$tcp" || echo no >>"$scratch/missed"
	done &
	users=$!
	"$ctl" -s "$scratch/run/b" upgrade
	until_true 15 is_gone "$(cat "$scratch/b.pid")"
	# Its successor is no child of ours.
	"$ctl" -s "$scratch/run/b" --json status | sed -n \
	    's/.*"role":"master".*"pid":\([0-9]*\).*/\1/p' >"$scratch/b.pid"
	sleep 0.5
	rm "$scratch/upgraded"
	wait "$users"
	[ ! -e "$scratch/missed" ]
	shows "^0.0.0.0:$tcp  *same  *c  *1  *-  *open"
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

check "a port leads to its topic, in TLS where it is so" \
	a_port_leads_to_its_topic
check "a thousand who come at once are all served" a_thousand_come_at_once
check "a port that is not allowed, or in use, is refused and said once" \
	refused_and_said_once
check "hub and agent say which users may come" users_are_chosen
check "operators open and close ports" operators_open_and_close
check "operators map ports of their own" operators_map
check "two agents share the port of a topic" two_share_a_port
check "addresses and TLS are had where the hub has them" \
	addresses_are_those_allowed
check "users wait for an agent that is gone for a moment" \
	an_absence_is_waited_for
check "the port of one that stays away is closed" a_long_one_is_not
check "rights that are taken end the port, and no session" \
	rights_end_with_a_reload
check "ports survive the broker" the_broker_may_die
check "twenty agents that leave close their ports alone" each_ends_its_own
check "an upgrade of the hub is not seen at a port" an_upgrade_is_not_seen
check "nothing crashed, and nobody said what he may not" \
	no_errors b c d narrow
cases_end
