#!/bin/sh
# hub.sh - agents, a hub and users, over networks that fail.
#
# SALLYPORTD=path/to/sallyportd tests/interop/hub.sh
#
# B is the hub, C publishes and A subscribes; a stranger's agent is
# tunnel_peer.py.  Exit 0, or 1 when something failed, 77 without python3.
#
# shellcheck disable=SC2154	# pick_ports and daemon set what has a name in it
set -eu

: "${SALLYPORTD:?path of the sallyportd to test}"
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/interop/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/interop/cases.sh
. "$here/cases.sh"
# shellcheck source=tests/interop/proxies.sh
. "$here/proxies.sh"
# shellcheck source=tests/interop/daemons.sh
. "$here/daemons.sh"
suite=hub
unwanted="$unwanted|may not have"
ctl=$(dirname "$SALLYPORTD")/sallyportctl

tunnel() {
	timeout 100 python3 "$here/tunnel.py" "$@"
}

peer() {
	timeout 60 python3 "$here/tunnel_peer.py" "$@"
}

# --- configurations

pick_ports() {
	for name in echo nobody tls plain proxied near slow hole thin web \
	    b_packed b_lean b_slowly b_tried b_echo b_plain b_group b_db b_stranger b_fall b_slow b_hole b_web \
	    a_echo a_plain a_slow a_fall a_packed nx ha; do
		pick_port
		eval "$name=$port"
	done
}

# hub NAME PORT KEYS: a listener that agents connect to
hub() {
	cat <<END
	{ name = "$1"; listen = "127.0.0.1:$2"; protocol = "hub"; $3 },
END
}

# to NAME FORWARD [KEYS]: a listener at port NAME
to() {
	eval "at=\$$1"
	cat <<END
	{ name = "$1"; listen = "127.0.0.1:$at"; forward = $2; ${3:-} },
END
}

with_tls="tls = { mode = \"require\"; certificate = \"SCRATCH/hub.pem\";
	key = \"SCRATCH/hub.key\"; };"

write_b() {
	with_tls=$(echo "$with_tls" | sed "s=SCRATCH=$scratch=g")
	cat >"$scratch/b.conf" <<END
user = "nobody";
auth_user = "nobody";
log = { to = "stdout"; level = "debug"; };
control = { path = "$scratch/run/b"; };
listeners = (
$(hub tls "$tls" "$with_tls")
$(hub plain "$plain" "")
$(hub proxied "$proxied" "$with_tls proxy_protocol = { accept = true;
	from = \"127.0.0.1\"; };")
$(to b_echo '"topic:echo"')
$(to b_plain '"topic:plain.echo"' 'carry = "always";')
$(to b_group '"topic:group"')
$(to b_packed '"topic:packed"')
$(to b_lean '"topic:plain.packed"')
$(to b_slowly '"topic:slowly"')
$(to b_tried '"topic:tried"')
$(to b_stranger '"topic:stranger"')
$(to b_slow '"topic:slow"')
$(to b_hole '"topic:mine.hole"')
$(to b_web '"topic:web"')
$(to b_db '"topic:db"' "protocol = \"mysql\"; tls = { mode = \"require\";
	certificate = \"$scratch/hub.pem\"; key = \"$scratch/hub.key\"; };
	query_log = { to = \"$scratch/run/record\"; };")
	{ name = "b_fall"; listen = "127.0.0.1:$b_fall";
	  forward = ( "topic:none.has.it", "127.0.0.1:$echo" ); } );
agents = (
	{ id = "branch1"; secret_file = "$scratch/one"; publish = "*"; },
	{ id = "branch2"; secret_file = "$scratch/two"; publish = "*"; },
	{ id = "branch3"; secret_file = "$scratch/two"; publish = "*"; },
	{ id = "holed"; secret_file = "$scratch/two"; publish = "*"; },
	{ id = "stranger"; secret_file = "$scratch/three";
	  publish = ( "stranger", "mine.*" ); },
	{ id = "json"; secret_file = "$scratch/five"; publish = "*";
	  subscribe = "*"; },
	{ id = "laptop7"; secret_file = "$scratch/four";
	  subscribe = ( "echo", "plain.*", "slow", "packed" ); } );
topics = (
	{ name = "group"; policy = "group"; },
	{ name = "tried"; policy = "group"; },
	{ name = "slowly"; bandwidth = "400k"; },
	{ name = "packed"; compression = "zstd"; },
	{ name = "plain.packed"; compression = "zstd"; },
	{ name = "mine.hole"; hold = "9s"; },
	{ name = "none.has.it"; hold = "0"; } );
timeouts = { handshake = "40s"; };
END
}

# known NAME PORT ID SECRET TLS: a hub as an agent knows it
known() {
	cat <<END
	{ name = "$1"; address = "127.0.0.1:$2"; id = "$3";
	  secret_file = "$scratch/$4"; $5 },
END
}

# offer TOPIC HUB FORWARD
offer() {
	cat <<END
	{ topic = "$1"; hub = "$2"; forward = "$3"; },
END
}

# agent FILE HUBS PUBLISH LISTENERS
agent() {
	{
		cat <<END
user = "nobody";
auth_user = "nobody";
log = { to = "stdout"; level = "debug"; };
hubs = ( $(echo "$2" | sed '$s/,$//') );
timeouts = { handshake = "40s"; };
END
		[ -z "$3" ] || echo "publish = ( $(echo "$3" |
		    sed '$s/,$//') );"
		[ -z "$4" ] || echo "listeners = ( $(echo "$4" |
		    sed '$s/,$//') );"
		echo "backends = ( { name = \"told\"; servers = ( {
			address = \"127.0.0.1:$web\"; send_proxy = 2; } ); } );"
	} >"$scratch/$1.conf"
}

write_agents() {
	pin="pin = \"$("$ctl" pin "$scratch/hub.pem")\";"
	off='tls = { mode = "off"; };'
	zstd='compression = "zstd";'
	here_="127.0.0.1:$echo"
	agent c "$(known b "$tls" branch1 one "$pin"
	    known p "$plain" branch2 two "$off $zstd")" \
	    "$(offer slowly b "$here_"
	    offer tried b "127.0.0.1:$nobody"
	    offer tried p "$here_"
	    offer plain.packed p "$here_"
	    offer echo b "$here_"
	    offer group b "$here_"
	    offer db b "127.0.0.1:${db_port:-$nobody}"
	    offer web b backend:told
	    offer down b "127.0.0.1:$nobody"
	    offer plain.echo p "$here_"
	    offer group p "$here_")" ""
	agent a "$(known b "$tls" laptop7 four "$pin $zstd"
	    known p "$plain" laptop7 four "$off"
	    known gone "$nobody" laptop7 four "$pin")" "" \
	    "$(to a_echo '"topic:echo@b"'
	    to a_plain '"topic:plain.echo@p"'
	    to a_slow '"topic:slow@b"'
	    to a_packed '"topic:packed@b"'
	    to a_fall "( \"topic:echo@gone\", \"topic:echo@b\" )")"
	agent thin "$(known b "$thin" branch3 two "$zstd tls = {
	    ca = \"$scratch/hub.pem\"; server_name = \"hub\"; };")" \
	    "$(offer packed b "$here_")" ""
	# Two whose networks are bad, each a process of its own.
	agent slow "$(known b "$slow" branch3 two "$pin")" \
	    "$(offer slow b "$here_")" ""
	agent hole "$(known b "$hole" holed two "$pin")" \
	    "$(offer mine.hole b "$here_")" ""
}

# --- daemons

# daemon NAME: starts it, and waits until it is ready; sets pid_NAME.
# serves PORT: by now?
serves() {
	tunnel until "$1" 10 >/dev/null
}

start_all() {
	for name in one two three four five; do
		"$ctl" secret "$scratch/$name"
	done
	(cd "$scratch" && "$top/contrib/make-cert" --out=hub hub) >/dev/null
	mkdir -p "$scratch/run"
	[ "$(id -u)" -ne 0 ] || chown nobody "$scratch/run"
	background python3 "$here/tunnel.py" echo "$echo"
	background python3 "$here/tunnel.py" relay "$slow" "$tls" 50
	thin_log=$scratch/thin.bytes
	python3 "$here/tunnel.py" relay "$thin" "$tls" 0 >"$thin_log" 2>&1 &
	thin_pid=$!
	other_pids="$other_pids $thin_pid"
	background python3 "$here/tunnel.py" relay "$hole" "$tls" 0
	hole_pid=$!
	if command -v mariadbd >/dev/null && command -v mariadb >/dev/null
	then
		db_new <<'END'
CREATE DATABASE demo;
CREATE USER app@127.0.0.1 IDENTIFIED BY 'secret';
GRANT ALL ON demo.* TO app@127.0.0.1;
END
		db_start
	fi
	write_b
	write_agents
	daemon b
	daemon c
	daemon a
	has_line c 'hub b has topic' 7
	has_line c 'hub p has topic' 4
}

# --- cases

served() {
	tunnel users "$1" "$2" >"$scratch/served.$1"
	grep -qx "served=$2" "$scratch/served.$1" || {
		cat "$scratch/served.$1"
		return 1
	}
}

a_user_is_served() {
	served "$1" 20
	tunnel half "$1"
	[ "$(tunnel big "$1" 50000000)" -ge 50000000 ]
}

a_thousand_at_once() {
	tunnel users "$1" 1000 | tee "$scratch/users"
	grep -qx 'served=1000' "$scratch/users"
}

carriers_have_it() {
	tunnel hold "$b_plain" 1
	has_line b 'carrier\[[0-9]*\]: session .*listener=b_plain'
}

log_names_everybody() {
	tunnel half "$a_echo"
	has_line c 'session .*listener=echo@b client=127.0.0.7:.* via='
	has_line b 'session .*client=127.0.0.7:.* user=laptop7 server=echo@branch1'
	has_line a 'session .*listener=a_echo client=127.0.0.7.* server=echo@b'
}

service_hears_the_user() {
	need nginx
	need curl
	nginx_can_stream || :
	nginx_start <<END
http {
	$(nginx_http_lines)
	server { listen 127.0.0.1:$web proxy_protocol;
		return 200 "$nginx_told"; }
}
END
	hears_truth "http://127.0.0.1:$b_web/"
}

query() {
	mariadb --no-defaults -h 127.0.0.1 -P "$b_db" -u app -psecret --ssl \
	    --skip-column-names -e "$1" demo
}

a_database_is_reached() {
	[ -n "$db_pid" ] || { echo "no mariadbd here"; exit 77; }
	[ "$(query "select 'through', 1")" = "through	1" ]
	[ -n "$(query "show status like 'Ssl_cipher'" | cut -f 2)" ] ||
	    echo "the server itself has no TLS"
	until_true 5 grep -q "Query: select 'through', 1" "$scratch/run/record"
	has_line b 'session .*listener=b_db .*tls=TLSv1.3 user=app server=db@branch1'
	if mariadb --no-defaults -h 127.0.0.1 -P "$b_db" -u app -pwrong \
	    --ssl -e 'select 1' demo 2>"$scratch/refused"; then
		fail "a wrong password was let in"
	fi
	grep -q 'Access denied' "$scratch/refused"
}

each_in_its_turn() {
	for _ in 1 2 3 4 5 6 7 8; do
		tunnel hold "$b_group" 1 &
	done
	wait
	has_line b 'server=group@branch1' 3
	has_line b 'server=group@branch2' 3
}

another_way_is_taken() {
	tunnel half "$b_fall"
	has_line b 'listener b_fall: topic:none.has.it: no agent publishes'
	tunnel half "$a_fall"
	has_line a 'listener a_fall: topic:echo@gone: .*; trying topic:echo@b'
}

another_agent_is_tried() {
	served "$b_tried" 12
	has_line c 'listener=tried@b .*end=unreachable'
	has_line b 'server=tried@branch2' 12
}

bandwidth_is_shared() {
	began=$(date +%s%N)
	tunnel big "$b_slowly" 400000 &
	one=$!
	tunnel big "$b_slowly" 400000
	wait "$one"
	ms=$((($(date +%s%N) - began) / 1000000))
	# Each way 800,000 bytes at 409,600 a second, but for what came at once.
	echo "$ms ms"
	[ "$ms" -ge 1600 ] && [ "$ms" -lt 6000 ]
}

known_by_an_authority() {
	daemon thin
	has_line thin 'hub b has topic packed'
	sed 's/"hub"/"another"/; s/branch3/json/; s=/two=/five=' \
	    "$scratch/thin.conf" >"$scratch/x.conf"
	daemon x
	has_line x 'hub b: cannot connect: .*hostname mismatch'
	end_daemon x
}

# thin_bytes: what the relay has moved
thin_bytes() {
	before=$(wc -l <"$thin_log")
	kill -HUP "$thin_pid"
	until_true 5 has_more "$before"
	tail -n 1 "$thin_log"
}

has_more() {
	[ "$(wc -l <"$thin_log")" -gt "$1" ]
}

packed_both_ways() {
	served "$b_packed" 10
	first=$(thin_bytes)
	[ "$(tunnel big "$b_packed" 5000000)" -ge 5000000 ]
	bytes=$(($(thin_bytes) - first))
	echo "5 MB each way took $bytes bytes"
	[ "$bytes" -lt 1000000 ]
	for port in "$b_packed" "$a_packed" "$b_lean"; do
		served "$port" 20
		tunnel half "$port"
		[ "$(tunnel big "$port" 20000000)" -ge 20000000 ]
	done
	end_daemon thin
}

refused_for_a_reason() {
	cat >"$scratch/x.conf" <<END
user = "nobody";
auth_user = "nobody";
log = { to = "stdout"; };
hubs = ( $(known b "$tls" laptop7 four "$pin" | sed 's/,$//') );
listeners = ( { name = "x"; listen = "127.0.0.1:$nobody";
	forward = "topic:group@b"; } );
END
	daemon x
	tunnel half "$nobody" && fail "a foreign topic was reached"
	has_line x 'end=denied why="the hub\|end=denied why=.*not allowed'
	has_line b 'agent laptop7 may not reach topic group'
	end_daemon x
}

wrong_secret_is_told() {
	cat >"$scratch/x.conf" <<END
user = "nobody";
auth_user = "nobody";
log = { to = "stdout"; };
hubs = ( $(known b "$tls" branch1 four "$pin" | sed 's/,$//') );
publish = ( $(offer echo b "$here_" | sed 's/,$//') );
END
	daemon x
	has_line x 'hub b: cannot connect: the hub says: no such agent, or a'
	has_line b 'refused agent=branch1 source=127.0.0.1 listener=tls reason="wrong secret"'
	end_daemon x
	[ "$(grep -c 'hub b: ' "$scratch/x.log")" -eq 1 ]
	served "$b_echo" 5
}

another_hub_is_found_out() {
	sed "s/sha256:..../sha256:0000/" "$scratch/slow.conf" |
	    sed "s/:$slow/:$tls/" >"$scratch/x.conf"
	daemon x
	has_line x 'hub b: cannot connect: .*certificate'
	end_daemon x
}

one_round_trip() {
	daemon slow
	has_line slow 'hub b has topic slow'
	served "$b_slow" 1
	ms=$(tunnel first "$b_slow")
	# 50 ms each way: two round trips would be 200.
	echo "first byte after $ms ms"
	[ "$ms" -ge 90 ] && [ "$ms" -lt 180 ]
}

a_stranger_is_as_good() {
	python3 "$here/tunnel_peer.py" serve "$plain" stranger \
	    "$scratch/three" stranger '5.5.5-banner\n' >"$scratch/peer.log" 2>&1 &
	stranger=$!
	until_true 10 grep -q registered "$scratch/peer.log" || {
		cat "$scratch/peer.log"
		end_process "$stranger"
		fail "it was not let in"
	}
	served "$b_stranger" 40 || { end_process "$stranger"; exit 1; }
	tunnel half "$b_stranger" || { end_process "$stranger"; exit 1; }
	end_process "$stranger"
}

attacks_fail() {
	peer attack "$plain" stranger "$scratch/three" | tee "$scratch/attack"
	grep -q '^ok the link meanwhile' "$scratch/attack"
	grep -q '^ok the code of an agent' "$scratch/attack"
	grep -q BAD "$scratch/attack" && exit 1
	served "$b_echo" 5
}

has_user() {
	"$ctl" -s "$scratch/run/b" --json sessions | grep -q "$1"
}

broker_may_die() {
	tunnel hold "$a_echo" 4 >"$scratch/held" 2>&1 &
	holder=$!
	until_true 5 has_user laptop7 || fail "it is not in the sessions"
	kill -9 "$(pgrep -P "$(cat "$scratch/b.pid")" -f 'sallyportd: broker')"
	ms=$(tunnel until "$b_echo" 10)
	echo "served after $ms ms"
	[ "$ms" -lt 3000 ]
	wait "$holder"
	grep -qx held "$scratch/held"
}

restart_is_waited_for() {
	refused='session .*listener=b_echo .*end=unreachable'
	before=$(grep -c "$refused" "$scratch/b.log") || :
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		tunnel half "$b_echo"
		sleep 0.2
	done >"$scratch/load" 2>&1 &
	load=$!
	sleep 0.5
	# Whoever has a session keeps it.
	kill -QUIT "$(cat "$scratch/c.pid")"
	until_true 15 is_gone "$(cat "$scratch/c.pid")"
	daemon c
	wait "$load" || { cat "$scratch/load"; exit 1; }
	[ "$(grep -c whole "$scratch/load")" -eq 10 ]
	[ "$(grep -c "$refused" "$scratch/b.log")" -eq "$before" ] ||
		fail "somebody was refused"
}

reload_is_not_seen() {
	tunnel hold "$a_echo" 3 >"$scratch/held" 2>&1 &
	holder=$!
	sleep 0.5
	sed -i 's/hold = "9s"/hold = "8s"/' "$scratch/b.conf"
	kill -HUP "$(cat "$scratch/b.pid")"
	has_line b 'generation 2 is in effect'
	served "$b_echo" 20
	sed -i 's/topic = "down"/topic = "down2"/' "$scratch/c.conf"
	kill -HUP "$(cat "$scratch/c.pid")"
	has_line c 'generation 2 is in effect'
	served "$b_echo" 20
	wait "$holder"
	grep -qx held "$scratch/held"
}

# It takes half a minute, and goes on beside other cases.
fall_into_holes() {
	daemon hole
	has_line hole 'hub b has topic mine.hole'
	served "$b_hole" 2
	sleep 1
	kill -USR1 "$hole_pid"		# all but the control link
	tunnel until "$b_hole" 10 >"$scratch/passed_over"
	kill -USR2 "$hole_pid"
	# The agent hears nothing for 25 s; the hub knows when a user comes.
	tunnel until "$b_hole" 40 >"$scratch/made_anew"
}

dead_ones_are_passed_over() {
	until_true 30 test -s "$scratch/passed_over" || {
		cat "$scratch/holes"
		exit 1
	}
	ms=$(cat "$scratch/passed_over")
	echo "served after $ms ms"
	[ "$ms" -lt 2000 ]
}

a_black_hole_is_left() {
	until_true 50 test -s "$scratch/made_anew" || {
		cat "$scratch/holes"
		exit 1
	}
	ms=$(cat "$scratch/made_anew")
	echo "served after $ms ms"
	[ "$ms" -lt 32000 ]
	has_line hole 'hub b: the hub is silent'
}

the_original_is_read() {
	cat >"$scratch/out.json" <<END
{ "heartbeat_interval": 2000, "networks": [
  { "server_host": "127.0.0.1", "server_port": $plain, "topic": "json",
    "backend_host": "127.0.0.1", "backend_port": $echo }, ] }
END
	cat >"$scratch/in.json" <<END
{ "networks": [ { "server_port": $plain, "topic": "json", "bind": "127.0.0.1",
  "port": $nobody } ] }
END
	for role in in out; do
		{
			echo 'user = "nobody"; auth_user = "nobody";'
			echo 'log = { to = "stdout"; };'
			"$top/contrib/from-json" "$role" \
			    "$scratch/$role.json" --plain --id=json \
			    --secret="$scratch/five"
		} >"$scratch/$role.conf"
		daemon "$role"
	done
	has_line out 'hub b1 has topic json'
	served "$nobody" 20
	end_daemon in
	end_daemon out
	"$top/contrib/from-json" proxy "$scratch/in.json" >"$scratch/proxy"
	grep -q 'protocol = "hub";' "$scratch/proxy"
	"$top/contrib/from-json" in "$scratch/echo" 2>"$scratch/said" &&
	    fail "what is no file was taken"
	grep -q 'from-json: .*No such file' "$scratch/said"
}

by_nginx() {
	need nginx
	nginx_can_stream || { echo "no stream module"; exit 77; }
	nginx_start <<END
stream {
	server { listen 127.0.0.1:$nx; proxy_pass 127.0.0.1:$proxied;
		proxy_protocol on; proxy_timeout 1h; }
}
END
	by_proxy "$nx"
}

by_haproxy() {
	need haproxy
	haproxy_start <<END
listen hub
	bind 127.0.0.1:$ha
	timeout client 1h
	timeout server 1h
	server b 127.0.0.1:$proxied send-proxy-v2
END
	by_proxy "$ha"
}

by_proxy() {
	sed "s/:$slow/:$1/; s/branch3/stranger/; s=/two=/three=
	    s/topic = \"slow\"/topic = \"stranger\"/" "$scratch/slow.conf" \
	    >"$scratch/y.conf"
	daemon y
	has_line y 'hub b has topic stranger'
	served "$b_stranger" 20
	end_daemon y
	has_line b 'session .*listener=proxied client=127.0.0.1:.* via=127.0.0.1:'
}

control_tells() {
	"$ctl" -s "$scratch/run/b" agents | tee "$scratch/agents"
	grep -q '^branch1 .* yes ' "$scratch/agents"
	grep -q '^branch2 .* NO ' "$scratch/agents"
	"$ctl" -s "$scratch/run/b" topics | tee "$scratch/topics"
	grep -q '^echo  *branch1 ' "$scratch/topics"
	"$ctl" -s "$scratch/run/b" drain echo
	tunnel half "$b_echo" && fail "a drained topic was reached"
	"$ctl" -s "$scratch/run/b" undrain echo
	served "$b_echo" 2
	"$ctl" -s "$scratch/run/b" drain branch1
	served "$b_group" 4
	"$ctl" -s "$scratch/run/b" undrain branch1
	"$ctl" -s "$scratch/run/b" drain no/body && fail "nobody was drained"
	"$ctl" secret "$scratch/one" && fail "a secret was overwritten"
	[ "$(wc -c <"$scratch/one")" -eq 65 ]
	[ "$(stat -c %a "$scratch/one")" = 600 ]
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

check "users reach a topic at the hub itself, with TLS" \
	a_user_is_served "$b_echo"
check "users reach it by an agent of their own" a_user_is_served "$a_echo"
check "the same without TLS" a_user_is_served "$b_plain"
check "and by an agent" a_user_is_served "$a_plain"
check "a plain session goes to a carrier" carriers_have_it
(set -e; fall_into_holes) >"$scratch/holes" 2>&1 &
other_pids="$other_pids $!"
check "connections that died unseen are passed over" \
	dead_ones_are_passed_over
check "a thousand users at once are all served" a_thousand_at_once "$b_echo"
check "a thousand by an agent, too" a_thousand_at_once "$a_echo"
check "each log names the user, the agent and the service" \
	log_names_everybody
check "a service is told the user's address" service_hears_the_user
check "a database is reached, with TLS and a record at the hub" \
	a_database_is_reached
check "a group of agents is served in turn" each_in_its_turn
check "where a topic leads nowhere, the next forward is taken" \
	another_way_is_taken
check "where one agent cannot dial, another is tried" \
	another_agent_is_tried
check "a bandwidth is shared by those who have it" bandwidth_is_shared
check "a hub is known by an authority and a name" known_by_an_authority
check "sessions are compressed where both ends say so" packed_both_ways
check "a topic of others is refused" refused_for_a_reason
check "an agent with a wrong secret is told once, and kept out" \
	wrong_secret_is_told
check "a hub with another key is found out" another_hub_is_found_out
check "the first byte comes after one round trip" one_round_trip
check "an agent written from the manual is as good" a_stranger_is_as_good
check "attacks fail, and disturb nobody" attacks_fail
check "sallyportctl shows and drains" control_tells
check "a link that died unseen is made anew" a_black_hole_is_left
check "agents survive the broker, and so do sessions" broker_may_die
check "users wait for an agent that starts again" restart_is_waited_for
check "a reload of hub and agent is not seen" reload_is_not_seen
check "configurations of the three-host original are turned into ours" \
	the_original_is_read
check "the hub is behind nginx" by_nginx
check "the hub is behind HAProxy" by_haproxy
check "nothing crashed, and nobody said what he may not" \
	no_errors a b c x y slow hole thin
cases_end
