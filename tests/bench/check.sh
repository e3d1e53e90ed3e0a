#!/bin/sh
# The load generator measures its own server, for a moment in each mode, and
# sees what is wrong.  With TLS a daemon is in front of that.
set -u
load=${LOAD:-./tests/bench/load}
dir=$(mktemp -d) || exit 99
server=
daemon=
end() {
	[ -z "$server" ] || kill "$server"
	[ -z "$daemon" ] || { kill "$daemon" && wait "$daemon"; }
	rm -rf "$dir"
}
trap end EXIT
fail=0

# await PATTERN FILE
await() {
	n=0
	until grep -q "$1" "$2" || [ $n -eq 500 ]; do
		n=$((n + 1))
		sleep 0.01
	done
}

"$load" server 127.0.0.1:0 >"$dir/server" &
server=$!
await listening= "$dir/server"
at=$(sed -n 's/listening=//p' "$dir/server")

# check STATUS TEXT ARG...: want that exit status, and the text (a basic
# regular expression) in what it prints.
check() {
	want=$1 text=$2
	shift 2
	"$load" "$@" "$at" </dev/null >"$dir/out" 2>&1
	status=$?
	if [ $status -ne "$want" ] || ! grep -q -- "$text" "$dir/out"; then
		echo "FAIL: load $*: want $want and \"$text\", got $status:"
		cat "$dir/out"
		fail=$((fail + 1))
	fi
}

brief='-t 0.1 -w 0.05'
short="-d $brief"
# shellcheck disable=SC2086 # these are several
{
	check 0 'mode=pingpong .*done=[1-9]' pingpong $short
	check 0 'mode=pingpong .*size=32768' pingpong $short -n 4 -b 32768
	check 0 'mode=mixed .*idle=50.*done=[1-9]' pingpong $short -n 4 -i 50
	check 0 'mode=connect .*done=[1-9]' connect $short -n 4 -s 3
	check 0 'mode=bulk .*bytes=[1-9]' bulk $short -n 2
	check 0 'mode=hold answered=20' hold $short -n 20
}
check 1 'no proxy between' pingpong -t 0.1
check 1 'hard limit' hold -d -n 1000000
check 2 'want seconds' pingpong -t x
if command -v openssl >/dev/null; then
	here=$(dirname "$0")
	for name in ours other; do
		sh "$here/../../contrib/make-cert" --out="$dir/$name" \
		    bench.example >"$dir/out" || cat "$dir/out"
	done
	: >"$dir/log"
	in_front=127.0.0.2:${at##*:}
	cat >"$dir/conf" <<-END
	user = "nobody";
	log = { to = "$dir/log"; };
	listeners = (
		{ name = "bench"; listen = "$in_front"; forward = "$at";
		  tls = { mode = "require"; certificate = "$dir/ours.pem";
		          key = "$dir/ours.key"; }; }
	);
	END
	chmod 711 "$dir"
	chmod 666 "$dir/log"
	# shellcheck disable=SC2086 # as above
	{
		"$SALLYPORTD" -f "$dir/conf" &
		daemon=$!
		await 'ready:' "$dir/log"
		at=$in_front
		check 0 'mode=handshake .*done=[1-9]' \
		    handshake -C "$dir/ours.pem" -n 4 $brief
		check 0 'mode=resume .*done=[1-9]' \
		    handshake -C "$dir/ours.pem" -r -n 4 $brief
		check 1 'another certificate' \
		    handshake -C "$dir/other.pem" $brief
		check 0 'mode=hold answered=20' \
		    keep -C "$dir/ours.pem" -n 20
	}
fi
check 2 'usage' handshake
at=127.0.0.1:1
check 1 'Connection refused' pingpong -d

[ $fail -eq 0 ] && echo "the load generator works"
[ $fail -eq 0 ]
