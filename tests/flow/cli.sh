#!/bin/sh
# The command line: every form that users type, and every exit code.
set -u
prog=${SALLYPORTD:-./sallyportd}
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
fail=0 tests=0

# check STATUS TEXT ARG...: run with the arguments; want that exit status and
# the text (a basic regular expression) in what it prints.
check() {
	want=$1 text=$2
	shift 2
	tests=$((tests + 1))
	"$prog" "$@" >"$dir/out" 2>&1
	status=$?
	if [ $status -ne "$want" ] || ! grep -q -- "$text" "$dir/out"; then
		echo "FAIL: sallyportd $*: want $want and \"$text\", got $status:"
		cat "$dir/out"
		fail=$((fail + 1))
	fi
}

cat >"$dir/good" <<'CONF'
listeners = ( { name = "a"; listen = ":1234"; forward = "h:1"; } );
CONF
cat >"$dir/bad" <<'CONF'
workers = { max = "many"; };
listeners = ( { name = "a"; listen = ":1234"; froward = "h:1"; } );
CONF

check 0 '^Usage: sallyportd' --help
check 0 '^Usage: sallyportd' -help
check 0 '^Usage: sallyportd' -h
check 0 '^sallyportd [0-9]' --version
check 0 '^sallyportd [0-9]' -version
check 0 ': ok$' -f "$dir/good" -t
check 0 ': ok$' -t -f "$dir/good"
check 0 ': ok$' -f="$dir/good" -t
check 0 ': ok$' --file="$dir/good" -t
check 0 'listen = ( ":1234" );' -f "$dir/good" -T
check 0 'level = "debug";' -f "$dir/good" -T --verbose
check 0 'level = "info";' -f "$dir/good" -T -verbose=false
check 0 'to = "/x/log";' -f "$dir/good" -T --log-to=/x/log
check 0 'to = "stderr";' -f "$dir/good" -T --log-to stderr

# The port proxy's own flags, in every way that its users type them.
for dash in - --; do
	for eq in = ' '; do
		set -- "${dash}backend${eq}127.0.0.1:8003" \
		    "${dash}bind${eq}:8002" "${dash}buffer${eq}4096" \
		    "${dash}logTo${eq}stdout" "${dash}protocol${eq}tcp"
		if [ "$eq" = ' ' ]; then
			# shellcheck disable=SC2048,SC2086 # split at the space
			set -- $*
		fi
		check 0 'forward = ( "127.0.0.1:8003" )' "$@" \
		    "${dash}daemon=false" -T
		check 0 'listen = ( ":8002" )' "$@" "${dash}daemon=false" -T
		check 0 'buffer = "4k"' "$@" -T
		check 0 'to = "stdout"' "$@" -T
	done
done
check 0 'listen = ( ":8002" )' -backend 10.0.0.1:1 -T
check 0 'forward = ( "127.0.0.1:8003" )' -bind :99 -T
check 0 ': ok$' -bind :99 -t

check 2 'help' --no-such-option
check 2 'not an option' stray
check 2 'exclude' -f "$dir/good" -t -T
check 2 'doing without' -f "$dir/good" --bind=:1
check 2 'true or false' --daemon=maybe
check 2 'requires an argument' -f
check 2 'ambiguous' -b :1
check 2 'between the master' --role=spawner
check 78 'No such file' -f "$dir/none" -t
check 78 'bad:1: workers.max: want a number from 1 to' -f "$dir/bad" -t
check 78 'bad:2: listeners\[0\].froward: no such key' -f "$dir/bad" -t
check 78 'bad:2: listeners\[0\]: needs the key forward' -f "$dir/bad" -T
mkdir "$dir/folder"
printf '%s\n@include "folder"\n' '# a folder' >"$dir/folders"
printf '@include ""\n' >"$dir/nothing"
check 78 'folders:2: @include: .*/folder: Is a directory' -f "$dir/folders" -t
check 78 'nothing:1: @include: want a file' -f "$dir/nothing" -t
check 78 '--backend: forward: ":3306": a server needs a host' \
    --backend=:3306 -t
check 78 '--bind: "nonsense"' --bind=nonsense -t
check 78 '--buffer: "7": want a size' --bind=:1 --buffer=7 -t
check 78 '--protocol: "http": want "tcp", "mysql", "hub" or "netroxy"' --bind=:1 \
    --protocol=http -t
check 0 'pool = "mysql";' --bind=:1 --protocol=mysql -T

sed 's/forward/penalty = 1; &/' "$dir/good" >"$dir/odd"
check 0 'warning: .*odd:1: penalty: without' -f "$dir/odd" -t
check 0 ': ok$' -f "$dir/odd" -t
mkdir "$dir/conf.d"
sed 's/"a"/"b"/' "$dir/good" >"$dir/conf.d/b.conf"
{ cat "$dir/good"; echo 'conf_d = "conf.d";'; } >"$dir/main"
check 78 'b.conf:1: listen: ":1234" is taken by .*/main:1' -f "$dir/main" -t
sed -i s/1234/1235/ "$dir/conf.d/b.conf"
check 0 'listen = ( ":1235" )' -f "$dir/main" -T
check 0 '^conf_d = "";' -f "$dir/main" -T

src=${srcdir:-.}
check 0 ': ok$' -f "$src/etc/sallyportd.conf" -t

# Its files need be there to be served with, not to be printed.
cat >"$dir/tls" <<CONF
listeners = ( { name = "a"; listen = ":1234"; forward = "h:1";
tls = { mode = "require"; certificate = "$dir/c"; key = "$dir/k"; }; } );
CONF
check 0 "certificate = ( \"$dir/c\" );" -f "$dir/tls" -T
check 78 "tls:1: tls.certificate: \"$dir/c\": No such file" -f "$dir/tls" -t
check 78 "tls:1: tls.key: \"$dir/k\": No such file" -f "$dir/tls"

# What -T prints is a configuration, and the same one.
for file in "$dir/good" "$dir/main" "$src/etc/sallyportd.conf" \
    "$src/tests/fuzz/corpus/conf/every_key"; do
	tests=$((tests + 1))
	"$prog" -f "$file" -T >"$dir/once" || fail=$((fail + 1))
	"$prog" -f "$dir/once" -T >"$dir/twice"
	cmp "$dir/once" "$dir/twice" && [ -s "$dir/once" ] ||
		fail=$((fail + 1))
done

# In the background: the command returns when it serves, and lets go of all.
port=$((30000 + $$ % 300))
cat >"$dir/daemon" <<CONF
user = "nobody";
pid_file = "$dir/pid";
log = { to = "$dir/log"; };
listeners = ( { name = "a"; listen = "127.0.0.1:$port"; forward = "h:1"; } );
CONF
chmod 777 "$dir"
tests=$((tests + 1))
# said_ready: the logger writes when it gets to it, after the command returned.
said_ready() {
	n=0
	while ! grep -q ready: "$dir/log"; do
		n=$((n + 1))
		[ $n -lt 500 ] || return 1
		sleep 0.01
	done
}

# The pipe ends only when no process of the daemon holds it.
if ! timeout 20 sh -c '"$0" -f "$1" --daemon 2>&1 | cat' "$prog" \
    "$dir/daemon" || [ ! -s "$dir/pid" ] || ! said_ready; then
	echo "FAIL: --daemon"
	ls -l "$dir/pid"
	cat "$dir/log"
	fail=$((fail + 1))
fi
pid=$(cat "$dir/pid" 2>/dev/null)
check 1 'already running' -f "$dir/daemon" --daemon
if [ -n "$pid" ]; then
	kill "$pid"
	n=0
	while kill -0 "$pid" 2>/dev/null && [ $n -lt 500 ]; do
		n=$((n + 1))
		sleep 0.01
	done
	tests=$((tests + 1))
	if [ $n -eq 500 ] || [ -e "$dir/pid" ]; then
		echo "FAIL: the daemon does not end"
		fail=$((fail + 1))
	fi
fi


# What the start finds out.
if [ "$(id -u)" -eq 0 ]; then
	for key in user auth_user; do
		sed "/pid_file/d; s/^user.*/$key = \"no such\";/" \
		    "$dir/daemon" >"$dir/start"
		check 78 "$key: \"no such\": there is no such user" \
		    -f "$dir/start"
		sed "/pid_file/d; s/^user.*/$key = \"root\";/" \
		    "$dir/daemon" >"$dir/start"
		check 78 "$key: \"root\": root is no user" -f "$dir/start"
	done
fi
sed '/pid_file/d' "$dir/daemon" >"$dir/start"
echo "control = { path = \"$dir/sock\"; group = \"no such\"; };" >>"$dir/start"
check 1 'control.group: "no such": there is no such group' -f "$dir/start"
sed '/pid_file/d; s/listen = \([^;]*\)/listen = ( \1, ":'$port'" )/' \
    "$dir/daemon" >"$dir/start"
check 1 "listen: \":$port\": .* earlier address of this configuration" \
    -f "$dir/start"

echo "$tests command lines, $fail wrong"
[ $fail -eq 0 ]
