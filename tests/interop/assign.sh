#!/bin/sh
# assign.sh - what a hub has its agent listen on, and forward to; and real ssh
# through each way that leads to an agent.
#
# SALLYPORTD=path/to/sallyportd tests/interop/assign.sh
#
# B is the hub, C the agent.  SALLYPORT_SCP_MB says how much scp copies each
# way (64).  Exit 0, or 1 when something failed, 77 without python3.
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
suite=assign
ctl=$(dirname "$SALLYPORTD")/sallyportctl

# The same at a path, where tunnel.py's echo is.
gets_in_at() {
	timeout 20 python3 "$here/tunnel.py" unix "$1"
}

stays_out_at() {
	! gets_in_at "$1" 2>/dev/null
}

# --- configurations

pick_ports() {
	for name in b echo here_ there refused nobody late busy ssh mapped typed \
	    back agentless
	do
		pick_port
		eval "$name=$port"
	done
}

# write_b [ASSIGN]: with those beside the usual ones
write_b() {
	cat >"$scratch/b.conf" <<END
user = "nobody";
auth_user = "nobody";
log = { to = "stdout"; };
control = { path = "$scratch/run/b"; };
listeners = (
	{ name = "b"; listen = "127.0.0.1:$b"; protocol = "hub";
	  tls = { mode = "require"; certificate = "$scratch/hub.pem";
	  key = "$scratch/hub.key"; }; } );
agents = (
	{ id = "c"; secret_file = "$scratch/one"; publish = "ssh";
	  ports = "$mapped"; assign = (
	  { listen = "hub:127.0.0.1:$here_"; forward = "agent:127.0.0.1:$echo"; },
	  { listen = "hub:unix:$scratch/run/hub.sock";
	    forward = "agent:unix:$scratch/run/echo.sock"; },
	  { listen = "agent:127.0.0.1:$there"; forward = "hub:127.0.0.1:$echo"; },
	  { listen = "agent:unix:$scratch/run/agent.sock";
	    forward = "hub:unix:$scratch/run/echo.sock"; },
	  { listen = "agent:127.0.0.1:$refused"; forward = "hub:127.0.0.1:$echo"; },
	  { listen = "agent:127.0.0.1:$busy"; forward = "hub:127.0.0.1:$echo"; },
	  { listen = "hub:127.0.0.1:$nobody"; forward = "agent:127.0.0.2:$echo"; }
	  ${1:-} ); } );
topics = ( { name = "none"; } );
END
}

write_c() {
	cat >"$scratch/c.conf" <<END
user = "nobody";
auth_user = "nobody";
log = { to = "stdout"; };
control = { path = "$scratch/run/c"; };
hubs = ( { name = "b"; id = "c"; address = "127.0.0.1:$b";
	secret_file = "$scratch/one"; pin = "$pin";
	accept_assign = ( "forward 127.0.0.1:$echo", "forward 127.0.0.1:$ssh",
	    "forward unix:$scratch/run/*", "listen 127.0.0.1:$there",
	    "listen 127.0.0.1:$busy", "listen 127.0.0.1:$late",
	    "listen unix:$scratch/run/agent.sock" ); } );
$1
END
}

start_all() {
	"$ctl" secret "$scratch/one"
	(cd "$scratch" && "$top/contrib/make-cert" --out=hub hub) >/dev/null
	pin=$("$ctl" pin "$scratch/hub.pem")
	mkdir -p "$scratch/run"
	[ "$(id -u)" -ne 0 ] || chown nobody "$scratch/run"
	background python3 "$here/tunnel.py" echo "$echo"
	background python3 "$here/tunnel.py" echo "$busy"
	port_is_served "$busy"
	background python3 "$here/tunnel.py" unix-echo \
	    "$scratch/run/echo.sock"
	until_true 15 test -S "$scratch/run/echo.sock"
	[ "$(id -u)" -ne 0 ] || chown nobody "$scratch/run/echo.sock"
	write_b
	write_c ""
	daemon b
	daemon c
}

# --- tests

the_hub_listens() {
	gets_in "$here_"
	has_line b "listener=.127.0.0.1:$here_.for.c. client=127.0.0.7:.* end=done"
	has_line c "listener=.assigned.by.b. client=127.0.0.7:.* server=127.0.0.1:$echo"
	gets_in_at "$scratch/run/hub.sock"
}

the_agent_listens() {
	has_line b "agent c listens on 127.0.0.1:$there"
	gets_in "$there"
	has_line c "listener=127.0.0.1:$there client=127.0.0.7:.* server=assign.c.*@b"
	has_line b "client=127.0.0.7:.* via=.* user=c server=127.0.0.1:$echo"
	gets_in_at "$scratch/run/agent.sock"
}

not_more_than_it_accepts() {
	has_line c "wants us to listen on 127.0.0.1:$refused, which accept"
	has_line b "agent c does not listen on 127.0.0.1:$refused: .*accept"
	has_line c "wants us to forward to 127.0.0.2:$echo, which accept"
	has_line b "agent c does not forward to 127.0.0.2:$echo: .*accept"
	stays_out "$refused"
	stays_out "$nobody"
}

what_is_in_use_is_said() {
	has_line c "listen on 127.0.0.1:$busy: .*in use"
	has_line b "agent c does not listen on 127.0.0.1:$busy: .*in use"
}

a_thousand_come_at_once() {
	[ "$(asks users "$here_" 1000)" = served=1000 ]
	[ "$(asks users "$there" 1000)" = served=1000 ]
}

# Held back, it finds as many as it takes in one turn, and nobody behind them.
sixteen_wait_for_the_agent() {
	link=$("$ctl" -s "$scratch/run/c" --json status |
	    grep '"role":"link"' | grep -o '"pid":[0-9]*' | head -n 1 |
	    grep -o '[0-9]*')
	kill -STOP "$link"
	asks users "$there" 16 >"$scratch/sixteen" &
	asked=$!
	until_true 10 wait_there 16 || :
	kill -CONT "$link"
	wait "$asked"
	[ "$(cat "$scratch/sixteen")" = served=16 ] ||
	    fail "$(cat "$scratch/sixteen")"
}

# Do so many connections wait to be accepted?
wait_there() {
	[ "$(ss -Hltn "sport = :$there" | awk '{ print $2 }')" = "$1" ]
}

a_reload_breaks_nothing_else() {
	asks hold "$here_" 4 >"$scratch/held.1" &
	one=$!
	asks hold "$there" 4 >"$scratch/held.2" &
	two=$!
	sleep 0.5
	write_b ", { listen = \"agent:127.0.0.1:$late\";
	    forward = \"hub:127.0.0.1:$echo\"; }"
	"$ctl" -s "$scratch/run/b" reload
	until_true 10 gets_in "$late"
	write_b
	"$ctl" -s "$scratch/run/b" reload
	until_true 10 stays_out "$late"
	wait "$one"
	wait "$two"
	gets_in "$there"
}

the_agent_reloads_and_upgrades() {
	"$ctl" -s "$scratch/run/c" reload
	gets_in "$there"
	until_true 10 gets_in "$here_"
	
	"$ctl" -s "$scratch/run/c" upgrade
	until_true 15 is_gone "$(cat "$scratch/c.pid")"
	"$ctl" -s "$scratch/run/c" --json status | sed -n \
	    's/.*"role":"master".*"pid":\([0-9]*\).*/\1/p' >"$scratch/c.pid"
	until_true 10 gets_in "$there"
	until_true 10 gets_in "$here_"
	gets_in_at "$scratch/run/agent.sock"
}

# Links of two generations come back to the hub, in any order.
both_reload_at_once() {
	for _ in 1 2 3 4; do
		write_b ", { listen = \"hub:127.0.0.1:$late\";
		    forward = \"agent:127.0.0.1:$echo\"; }"
		sed 's/^user = .*/& workers = { spare = 5; };/' "$scratch/c.conf" \
		    >"$scratch/d"
		mv "$scratch/d" "$scratch/c.conf"
		both_change
		write_b
		write_c ""
		both_change
	done
}

both_change() {
	"$ctl" -s "$scratch/run/b" reload
	"$ctl" -s "$scratch/run/c" reload
	until_true 4 gets_in "$here_"
	until_true 4 gets_in "$there"
}

is_there_still() {
	gets_in "$here_"
	gets_in "$there"
}

the_hub_may_be_away() {
	end_daemon b
	stays_out "$there"
	daemon b
	until_true 15 gets_in "$there"
	until_true 15 gets_in "$here_"
}

an_agent_that_accepts_no_more() {
	sed "s/\"listen 127.0.0.1:$there\",//" "$scratch/c.conf" >"$scratch/d"
	mv "$scratch/d" "$scratch/c.conf"
	"$ctl" -s "$scratch/run/c" reload
	has_line c "listen on 127.0.0.1:$there, which accept"
	until_true 15 stays_out "$there"
	write_c ""
	"$ctl" -s "$scratch/run/c" reload
	until_true 15 gets_in "$there"
}

# As goproxy's users type it.
by_flags_alone() {
	"$SALLYPORTD" --hub --host=127.0.0.1 --port="$typed" --uuid=office \
	    --secret-file="$scratch/one" --listener \
	    "{\"Listen\":{\"Domain\":\"tcp\",\"Addr\":\"127.0.0.1:$mapped\"},
	    \"Forward\":{\"Domain\":\"tcp\",\"Addr\":\"localhost:$echo\"}}" \
	    --peer_listener \
	    "{\"Listen\":{\"Domain\":\"tcp4\",\"Addr\":\":$back\"},
	    \"Forward\":{\"Domain\":\"unix\",\"Addr\":\"$scratch/run/echo.sock\"}}" \
	    >"$scratch/hub.log" 2>&1 &
	echo $! >"$scratch/hub.pid"
	(cd "$scratch" && exec "$SALLYPORTD" --agent --host=127.0.0.1 \
	    --port="$typed" --uuid=office --secret-file=one \
	    --accept-assign="forward 127.0.0.1:$echo" \
	    --accept-assign="listen *:*" >"$scratch/agent.log" 2>&1) &
	echo $! >"$scratch/agent.pid"
	until_true 15 gets_in "$mapped"
	has_line agent 'not protected by TLS'
	until_true 15 gets_in "$back"
	end_daemon agent
	end_daemon hub
	for wrong in "--agent" "--hub --uuid=x" "--hub --agent" \
	    "--hub --listener={}" "--agent --key=x --accept-assign=any" \
	    "--port=80" "--hub --bind=:80" "--agent --accept-assign=anything"
	do
		# shellcheck disable=SC2086	# words of a command
		if "$SALLYPORTD" $wrong -t >"$scratch/wrong" 2>&1; then
			fail "$wrong was taken"
		fi
		grep -q sallyportd: "$scratch/wrong"
	done
}

# --- ssh

start_sshd() {
	sshd=$(command -v sshd || echo /usr/sbin/sshd)
	[ -x "$sshd" ] || {
		echo "no sshd here"
		exit 77
	}
	need scp
	mkdir -p "$scratch/ssh"
	[ "$(id -u)" -ne 0 ] || mkdir -p /run/sshd
	for key in host user; do
		ssh-keygen -q -t ed25519 -N '' -f "$scratch/ssh/$key"
	done
	cp "$scratch/ssh/user.pub" "$scratch/ssh/authorized"
	cat >"$scratch/ssh/config" <<-END
		Port $ssh
		ListenAddress 127.0.0.1
		HostKey $scratch/ssh/host
		AuthorizedKeysFile $scratch/ssh/authorized
		PidFile none
		StrictModes no
		UsePAM no
		Subsystem sftp internal-sftp
	END
	"$sshd" -D -e -f "$scratch/ssh/config" >"$scratch/sshd.log" 2>&1 &
	echo $! >"$scratch/sshd.pid"
	dd if=/dev/urandom of="$scratch/big" bs=1M \
	    count="${SALLYPORT_SCP_MB:-64}" 2>/dev/null
}

# copies PORT: there and back, and a command in between
copies() {
	set -- "$1" -o LogLevel=ERROR -i "$scratch/ssh/user" \
	    -o StrictHostKeyChecking=no \
	    -o "UserKnownHostsFile=$scratch/ssh/known" -o BatchMode=yes
	to=$1
	shift
	rm -f "$scratch/there" "$scratch/back"
	began=$(date +%s)
	timeout 120 scp -P "$to" "$@" "$scratch/big" "127.0.0.1:$scratch/there"
	[ "$(ssh -n -p "$to" "$@" 127.0.0.1 echo hello)" = hello ]
	timeout 120 scp -P "$to" "$@" "127.0.0.1:$scratch/there" "$scratch/back"
	cmp "$scratch/big" "$scratch/back"
	echo "$to: twice ${SALLYPORT_SCP_MB:-64} MB in" \
	    "$(($(date +%s) - began)) s" >>"$scratch/times"
}

ssh_goes_through() {
	start_sshd
	write_b ", { listen = \"hub:127.0.0.1:$agentless\";
	    forward = \"agent:127.0.0.1:$ssh\"; },
	    { listen = \"agent:127.0.0.1:$late\";
	    forward = \"hub:127.0.0.1:$ssh\"; }"
	write_c "publish = ( { topic = \"ssh\"; hub = \"b\";
	    forward = \"127.0.0.1:$ssh\"; map = \"127.0.0.1:$mapped\"; } );"
	"$ctl" -s "$scratch/run/b" reload
	"$ctl" -s "$scratch/run/c" reload
	has_line c "has port 127.0.0.1:$mapped for topic ssh"
	for to in "$mapped" "$agentless" "$late"; do
		until_true 15 gets_ssh "$to"
	done
	copies "$mapped"
	copies "$agentless"
	copies "$late"
}

gets_ssh() {
	timeout 5 bash -c "exec 3<>/dev/tcp/127.0.0.1/$1 && head -c 4 <&3" |
	    grep -q SSH-
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

check "the hub listens and the agent forwards, also at paths" the_hub_listens
check "the agent listens and the hub forwards, also at paths" \
	the_agent_listens
check "an agent does no more than it accepts, and both say so" \
	not_more_than_it_accepts
check "a port that is in use is said at both ends" what_is_in_use_is_said
check "a thousand who come at once are served either way" \
	a_thousand_come_at_once
check "as many who wait as are taken in one turn are served" \
	sixteen_wait_for_the_agent
check "a reload of the hub changes one and breaks none" \
	a_reload_breaks_nothing_else
check "the agent reloads and is upgraded" the_agent_reloads_and_upgrades
check "the hub may be away for a while" the_hub_may_be_away
check "what an agent accepts no more it does no more" \
	an_agent_that_accepts_no_more
check "hub and agent reload one right after the other" both_reload_at_once
check "flags alone do, as goproxy's users type them" by_flags_alone
check "ssh and scp go through each way to an agent" ssh_goes_through
[ ! -e "$scratch/times" ] || sed 's/^/# /' "$scratch/times"
check "what was assigned before all that is there still" \
	is_there_still
check "nothing crashed, and nobody said what he may not" \
	no_errors b c
cases_end
