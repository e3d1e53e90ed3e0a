#!/bin/sh
# sallyportctl: what users type, every exit code, and the completion.
set -u
prog=${SALLYPORTD:-./sallyportd}
ctl=${SALLYPORTCTL:-./sallyportctl}
srcdir=${srcdir:-.}
dir=$(mktemp -d) || exit 99
fail=0 tests=0 pids=

finish() {
	for pid in $pids; do
		kill "$pid" 2>/dev/null
	done
	rm -rf "$dir"
}
trap finish EXIT

# check STATUS TEXT ARG...: run with the arguments; want that exit status and
# the text (a basic regular expression) in what it prints.
check() {
	want=$1 text=$2
	shift 2
	tests=$((tests + 1))
	timeout 20 "$ctl" "$@" >"$dir/out" 2>&1 </dev/null
	status=$?
	if [ $status -ne "$want" ] ||
	    { [ -n "$text" ] && ! grep -q -- "$text" "$dir/out"; }; then
		echo "FAIL: sallyportctl $*: want $want and \"$text\"," \
		    "got $status:"
		cat "$dir/out"
		fail=$((fail + 1))
	fi
}

# check_json ARG...: every line of the answer is an object.
check_json() {
	tests=$((tests + 1))
	timeout 20 "$ctl" -s "$sock" --json "$@" >"$dir/out" 2>"$dir/err"
	if [ ! -s "$dir/out" ] || grep -qv '^{.*}$' "$dir/out" ||
	    ! tail -n 1 "$dir/out" | grep -q '"done":true' ||
	    { command -v jq >/dev/null && ! jq -e . "$dir/out" >/dev/null; }
	then
		echo "FAIL: sallyportctl --json $*:"
		cat "$dir/out" "$dir/err"
		fail=$((fail + 1))
	fi
}

check 0 '^Usage: sallyportctl' --help
check 0 '^Usage: sallyportctl' -h
check 0 '^sallyportctl [0-9]' --version
check 2 'want a command'
check 2 'no command "stats"' stats
check 2 'unrecognized option' --no-such-option status
check 2 'unrecognized option' status --no-such-option
check 2 'requires an argument' -s
check 2 'one argument too many' status now
check 2 'one argument too many' kill a b
check 2 'argument is missing' server
check 2 'argument is missing' server db1
check 2 'does not take that option' status --listener=web
check 2 'does not take that option' kill --watch x
check 2 'want a number from 1 to' sessions --limit=0
check 2 'want a number from 1 to' sessions --limit=ten
check 2 'want a number from 1 to' sessions --watch=0
check 2 'want a number from 1 to' sessions --watch=5s
check 2 'want age, up' sessions --sort=idle
check 2 'needs --watch' sessions --sort=rate

sock=$dir/none
check 3 "not running: there is no $sock" -s "$sock" status
check 3 'not running: there is no' --socket="$sock" stop
check 3 'name too long' -s "$(printf '%0200d' 0)" status
: >"$dir/file"
check 3 'nobody listens' -s "$dir/file" status

# Two in a row where nobody listens.
taken() {
	grep -qi ":$(printf '%04X' "$1") 0*:0000 0A" /proc/net/tcp \
	    /proc/net/tcp6 2>/dev/null
}
port=$((30300 + $$ % 300))
while taken "$port" || taken $((port + 1)); do
	port=$((port + 2))
done
chmod 777 "$dir"
# start NAME PORT GROUP: one daemon; sets sock, pid.
start() {
	sock=$dir/$1.sock
	cat >"$dir/$1.conf" <<CONF
user = "nobody";
pid_file = "$dir/$1.pid";
control = { path = "$sock"; group = "$3"; };
log = { to = "$dir/$1.log"; };
backends = ( { name = "back"; servers = ( "127.0.0.1:1", "127.0.0.1:2" ); } );
listeners = (
	{ name = "web$1"; listen = "127.0.0.1:$2"; forward = "127.0.0.1:3"; },
	{ name = "too"; listen = "unix:$dir/$1.too"; forward = "127.0.0.1:3"; },
	{ name = "sql"; listen = "unix:$dir/$1.sql"; forward = "backend:back"; }
);
CONF
	"$prog" -f "$dir/$1.conf" --daemon || { cat "$dir/$1.log"; exit 1; }
	pid=$(cat "$dir/$1.pid")
	pids="$pids $pid"
}
# Whose group another than root can be in, where we are root.
group=
[ "$(id -u)" -ne 0 ] || group=$(id -gn nobody)
start two $((port + 1)) "$group"
start one "$port" ''

# In status, two daemons of one host are two.
check 0 "process $pid, " -s "$sock" status
check 0 '^spawner .* serving ' -s "$sock" status
check 0 '^(carriers)  *0 ' -s "$sock" status
check 0 '^control ' status -s "$sock"
check 0 '^ID  *PID' -s "$sock" sessions
check 0 '^ID' -s "$sock" sessions --sort=up --limit 3 --source=10.0.0.0/8
check 1 'no listener webtwo; there are webone, too, sql' \
    -s "$sock" sessions --listener=webtwo
check 0 '^ID' -s "$dir/two.sock" sessions --listener=webtwo
check 2 'source 1.2.3: ' -s "$sock" sessions --source=1.2.3
check 1 'no server x; there are 127.0.0.1:1, 127.0.0.1:2, 127.0.0.1:3$' \
    -s "$sock" sessions --server=x
check 2 'want a session, source, listener or user' -s "$sock" kill
check 1 'no such session' -s "$sock" kill 00
check 1 'no such session' -s "$sock" kill --listener=sql
check 1 'no such session' -s "$sock" kill --source=192.0.2.7
check 2 'want the hexadecimal number' -s "$sock" kill wbe
check 0 '^back  *127.0.0.1:1 ' -s "$sock" servers
check 0 '^-  *127.0.0.1:3 ' -s "$sock" servers
check 0 '^BACKEND' -s "$sock" servers back
check 1 'no backend bakc; there is back' -s "$sock" servers bakc
check 2 'want a name, then ready' -s "$sock" server 127.0.0.1:1 weight
check 2 'want a name, then ready' -s "$sock" server 127.0.0.1:1 weight x
check 2 'want a name, then ready' -s "$sock" server 127.0.0.1:1 ready 5
check 2 'want ready, drain' -s "$sock" server 127.0.0.1:1 off
check 2 'from 0 to 256' -s "$sock" server 127.0.0.1:1 weight 257
check 1 'no server x/y; there are back/127.0.0.1:1, back/127.0.0.1:2, 127.0.0.1:3$' -s "$sock" server x/y drain
check 0 '^webone ' -s "$sock" limits
check 0 '^ok$' -s "$sock" check
check 0 '' -s "$sock" server 127.0.0.1:1 weight 5
grep -q 'command=server .* server=127.0.0.1:1 weight=5' "$dir/one.log" || {
	echo 'FAIL: the log does not tell the weight'
	fail=$((fail + 1))
}
check 0 '' -s "$sock" reload
check 0 '' -s "$sock" reopen
for command in status sessions servers limits check reload reopen 'kill 00' \
    'sessions --listener=x'; do
	# shellcheck disable=SC2086	# it is split at the space
	check_json $command
done

cp "$dir/one.conf" "$dir/good"
echo 'workers = { max = "many"; };' >>"$dir/one.conf"
check 1 'workers.max: want a number' -s "$sock" check
check 1 'workers.max: want a number' -s "$sock" reload
check 1 'is not taken; generation 1 stays in effect' -s "$sock" reload
cp "$dir/good" "$dir/one.conf"
sed -i 's/forward = "backend/penalty = 1; &/' "$dir/one.conf"
check 0 '^warning: .*: penalty: without' -s "$sock" check
check 0 '^warning: .*: penalty: without' -s "$sock" reload
cp "$dir/good" "$dir/one.conf"

# What reads at most what it needs is not waited for.
tests=$((tests + 1))
if [ "$(timeout 20 "$ctl" -s "$sock" sessions --watch 1 |
    head -n 3 | grep -c '^ID')" -lt 2 ]; then
	echo "FAIL: sessions --watch 1 shows nothing again"
	fail=$((fail + 1))
fi

# complete LINE WANT...: the words that bash would offer, in any order.
complete_line() {
	line=$1
	shift
	tests=$((tests + 1))
	got=$(LINE=$line CTL=$ctl bash -c '
	    . "$1"
	    COMP_WORDBREAKS=${2:-} COMP_LINE=$LINE COMP_POINT=${#LINE}
	    _sallyportctl "$CTL" 2>/dev/null
	    printf "%s\n" "${COMPREPLY[@]}"' bash \
	    "$srcdir/contrib/completion/sallyportctl" "$breaks" | sort |
	    tr '\n' ' ')
	want=$(printf '%s\n' "$@" | sort | tr '\n' ' ')
	if [ "$got" != "$want" ]; then
		echo "FAIL: completion of \"$line\": want $want, got $got"
		fail=$((fail + 1))
	fi
}
if command -v bash >/dev/null; then
	breaks=
	complete_line 'sallyportctl se' secret sessions server servers
	complete_line "sallyportctl -s $sock st" status stop
	complete_line 'sallyportctl stop --w' --when-idle
	complete_line 'sallyportctl sessions --l' --limit= --listener=
	complete_line "sallyportctl -s $sock sessions --listener=" \
	    --listener=sql --listener=too --listener=webone
	complete_line "sallyportctl -s $sock sessions --listener w" webone
	complete_line "sallyportctl -s $sock servers " back
	complete_line "sallyportctl -s $sock server 127.0.0.1:3 d" drain
	complete_line "sallyportctl -s $sock kill " ''
	breaks='=:'
	complete_line "sallyportctl -s $sock sessions --listener=w" webone
	complete_line "sallyportctl -s $sock server 127.0.0.1:" 1 2 3
fi

# as_nobody SOCKET: ask for its status; sets status.
as_nobody() {
	tests=$((tests + 1))
	timeout 20 setpriv --reuid=nobody --regid="$group" --clear-groups \
	    "$dir/ctl" -s "$1" status >"$dir/out" 2>&1
	status=$?
}
# Not root: only who is in the group, where there is one.
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	chmod 755 "$dir"
	cp "$ctl" "$dir/ctl"
	as_nobody "$dir/two.sock"
	if [ $status -ne 0 ]; then
		echo "FAIL: a member of the group may not open the socket:"
		cat "$dir/out"
		fail=$((fail + 1))
	fi
	as_nobody "$sock"
	if [ $status -ne 3 ] || ! grep -q 'permission denied' "$dir/out"; then
		echo "FAIL: somebody may open the socket:"
		cat "$dir/out"
		fail=$((fail + 1))
	fi
	chmod 777 "$dir"
fi

# The program on disk takes over, and its control answers.
check 0 'it serves' -s "$sock" upgrade
old=$pid n=0
# The file is empty for a moment before it is written.
while pid=$(cat "$dir/one.pid") && [ $n -lt 500 ] &&
    { [ -z "$pid" ] || [ "$pid" = "$old" ]; }; do
	n=$((n + 1))
	sleep 0.01
done
pids="$pids $pid"
check 0 "process $pid, " -s "$sock" status

check 0 '' -s "$sock" stop
tests=$((tests + 1))
# Whoever is to bury it may take his time.
if grep -qs '^State:[[:space:]]*[^Z[:space:]]' "/proc/$pid/status"; then
	echo "FAIL: stop returned, and process $pid is there"
	fail=$((fail + 1))
fi
check 3 'not running' -s "$sock" status
check 0 'process ' -s "$dir/two.sock" status
check 0 '' -s "$dir/two.sock" stop --when-idle
check 3 'not running' -s "$dir/two.sock" stop

echo "$tests command lines, $fail wrong"
[ $fail -eq 0 ]
