#!/bin/sh
# Certificates: made by contrib/make-cert, taken as it says, and renewed.
set -u
prog=${SALLYPORTD:-./sallyportd}
src=${srcdir:-.}
make_cert=$src/contrib/make-cert
for need in openssl pgrep; do
	command -v $need >/dev/null || { echo "no $need here"; exit 77; }
done
dir=$(mktemp -d) || exit 99
pid=
finish() {
	[ -z "$pid" ] || kill "$pid"
	rm -rf "$dir"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM
fail=0 tests=0

# check TEXT COMMAND...: the command must succeed.
check() {
	tests=$((tests + 1))
	what=$1
	shift
	"$@" >"$dir/out" 2>&1 && return
	echo "FAIL: $what"
	cat "$dir/out"
	fail=$((fail + 1))
}

# refused STATUS TEXT ARG...: make-cert must, and say so.
refused() {
	tests=$((tests + 1))
	want=$1 text=$2
	shift 2
	"$make_cert" "$@" >"$dir/out" 2>&1
	status=$?
	if [ $status -ne "$want" ] || ! grep -q -- "$text" "$dir/out"; then
		echo "FAIL: make-cert $*: want $want and \"$text\", got $status:"
		cat "$dir/out"
		fail=$((fail + 1))
	fi
}

has() {
	openssl x509 -in "$1" -noout -text | grep -q -- "$2"
}

check help "$make_cert" --help
check 'by itself' "$make_cert" --out="$dir/own" db.example 10.0.0.1 ::1
cp "$dir/out" "$dir/said"
check 'names' has "$dir/own.pem" \
    'DNS:db.example, IP Address:10.0.0.1, IP Address:0:0:0:0:0:0:0:1$'
check 'version 3' has "$dir/own.pem" 'Version: 3'
check 'P-256' has "$dir/own.pem" 'NIST CURVE: P-256'
check 'no authority' has "$dir/own.pem" 'CA:FALSE'
check 'its own signature' openssl verify -CAfile "$dir/own.pem" "$dir/own.pem"
check 'mode of the key' [ "$(stat -c %a "$dir/own.key")" = 600 ]
check 'mode of the certificate' [ "$(stat -c %a "$dir/own.pem")" = 644 ]
check 'an authority' "$make_cert" --authority --out="$dir/ca" --days=99 us
check 'RSA' "$make_cert" --ca="$dir/ca.pem" --rsa --out="$dir/rsa" a.example
check '2048 bits' has "$dir/rsa.pem" '(2048 bit)'
check 'signed by it' openssl verify -purpose sslserver -CAfile "$dir/ca.pem" \
    "$dir/rsa.pem"
check 'a client' "$make_cert" --ca="$dir/ca.pem" --client --out="$dir/joe" joe
check 'for clients' openssl verify -purpose sslclient -CAfile "$dir/ca.pem" \
    "$dir/joe.pem"
refused 1 'own.pem is there already' --out="$dir/own" x
refused 1 'cannot read it' --ca="$dir/none" --out="$dir/x" x
refused 1 'bad ip address' --out="$dir/x" 10.0.0.256
refused 2 'want a NAME'
refused 2 'no such option' --no-such x
refused 2 'want a host name' --out="$dir/x" 'a,b'
refused 2 'want a number' --days=0 --out="$dir/x" x
refused 2 'want but one NAME' --client --out="$dir/x" a b
check 'nothing is left behind' [ -z "$(find "$dir" -name '.make*' -o -name x)" ]
check 'once more' "$make_cert" --force --out="$dir/own" db.example

# What it says to paste, and an authority, into a configuration.
port=$((30600 + $$ % 300))
{
	cat <<CONF
user = "nobody";
log = { to = "$dir/log"; };
listeners = ( { name = "a"; listen = "127.0.0.1:$port"; forward = "h:1";
CONF
	sed -n '/tls = {/,/};/p' "$dir/said"
	echo '} );'
} >"$dir/conf"
sed "s,key = .*,& client_verify = \"require\"; client_ca = \"$dir/ca.pem\";," \
    "$dir/conf" >"$dir/both"
for file in conf both; do
	check "-t takes $file" "$prog" -t -f "$dir/$file"
	check "without a warning" [ "$(cat "$dir/out")" = "$dir/$file: ok" ]
done

# expect TEXT: in what the log has from here on.
mark=0
expect() {
	tests=$((tests + 1))
	n=0
	while ! tail -n "+$((mark + 1))" "$dir/log" 2>/dev/null |
	    grep -q -- "$1"; do
		n=$((n + 1))
		if [ $n -eq 1000 ]; then
			echo "FAIL: want \"$1\" in the log:"
			cat "$dir/log"
			fail=$((fail + 1))
			return
		fi
		sleep 0.01
	done
}

# reload TEXT: and expect that.
reload() {
	mark=$(wc -l <"$dir/log")
	kill -HUP "$pid"
	expect "$1"
}

chmod 777 "$dir"
"$prog" -f "$dir/conf" >"$dir/out" 2>&1 &
pid=$!
expect 'ready: 1 listeners'
cp "$dir/own.pem" "$dir/good"
echo nonsense >"$dir/own.pem"
reload 'conf:[0-9]*: tls.certificate: .*want certificates in PEM'
expect 'generation 1 stays in effect'
cp "$dir/rsa.pem" "$dir/own.pem"
reload 'conf:[0-9]*: tls.key: .*not the key of certificate'
expect 'generation 1 stays in effect'
rm "$dir/own.pem"
mkfifo "$dir/own.pem"
reload 'tls.certificate: .*not a regular file'
rm "$dir/own.pem"
cp "$dir/good" "$dir/own.pem"
reload 'reload: nothing has changed'
check 'one that ends soon' "$make_cert" --force --days=3 --out="$dir/own" b
reload 'tls.certificate: .*own.pem.* expires on'
expect 'listener a: tls.certificate: .*own.pem.* has changed'
expect 'listener a: tls.key: .*own.key.* has changed'
expect 'generation 2 is in effect'

# spawner: the newest one, once it is there.
spawner() {
	n=0
	while ! pgrep -n -P "$pid" -f spawner && [ $n -lt 500 ]; do
		n=$((n + 1))
		sleep 0.01
	done
}

# memory_has PID FILE: the second line of FILE, somewhere in what it can write.
# Only root may look.
memory_has() {
	line=$(sed -n 2p "$2")
	while read -r range mode _ _ inode _; do
		from=$((0x${range%-*} / 4096)) to=$((0x${range#*-} / 4096))
		[ "$mode,$inode" = rw-p,0 ] || continue
		[ $((to - from)) -lt 65536 ] || continue
		dd if="/proc/$1/mem" bs=4096 skip=$from count=$((to - from)) \
		    2>/dev/null | grep -aqF "$line" && return
	done <"/proc/$1/maps"
	return 1
}

# One that is started later is given what was found good, and never a key.
first=$(spawner)
root=false
[ "$(id -u)" -ne 0 ] || root=true
$root && check 'a spawner has the certificate' \
    memory_has "$first" "$dir/own.pem"
cp "$dir/own.pem" "$dir/good"
echo nonsense >"$dir/own.pem"
mark=$(wc -l <"$dir/log")
kill -KILL "$first"
expect 'spawner .* starting another'
second=$(spawner)
check 'there is another spawner' [ "$second" != "$first" ]
n=0
while $root && ! memory_has "$second" "$dir/good" && [ $n -lt 100 ]; do
	n=$((n + 1))
	sleep 0.05
done
if $root; then
	check 'it has the same certificate' memory_has "$second" "$dir/good"
	# shellcheck disable=SC2016	# for eval
	check 'it has no key' eval '! memory_has "$second" "$dir/own.key"'
fi
reload 'generation 2 stays in effect'

# The next daemon finds what this one did not.
kill "$pid"
wait "$pid"
pid=
tests=$((tests + 1))
"$prog" -f "$dir/conf" >"$dir/out" 2>&1
status=$?
if [ $status -ne 78 ] || ! grep -q 'tls.certificate: .*want certificates' \
    "$dir/out"; then
	echo "FAIL: want 78, got $status:"
	cat "$dir/out"
	fail=$((fail + 1))
fi

echo "$tests checks, $fail wrong"
[ $fail -eq 0 ]
