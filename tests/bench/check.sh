#!/bin/sh
# The load generator measures its own server, for a moment in each mode, and
# sees what is wrong.
set -u
load=${LOAD:-./tests/bench/load}
dir=$(mktemp -d) || exit 99
server=
trap 'test -z "$server" || kill "$server"; rm -rf "$dir"' EXIT
fail=0

"$load" server 127.0.0.1:0 >"$dir/server" &
server=$!
n=0
until grep -q listening= "$dir/server" || [ $n -eq 500 ]; do
	n=$((n + 1))
	sleep 0.01
done
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

short='-d -t 0.1 -w 0.05'
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
at=127.0.0.1:1
check 1 'Connection refused' pingpong -d

[ $fail -eq 0 ] && echo "the load generator works"
[ $fail -eq 0 ]
