#!/bin/sh
# One run of the bench: one.sh ROW PEER, with what rounds.sh puts into the
# environment.  Starts a server and a proxy of its own and ends them; prints
# lines of "figure value".
set -u
here=$(dirname "$0")
row=$1 peer=$2
held=4000
# shellcheck source=proxy.sh
. "$here/proxy.sh"

# What the load measures itself.
run_load() {
	case $row in
	one) set -- pingpong -n 1 ;;
	few) set -- pingpong -n 16 ;;
	many) set -- pingpong -n 256 ;;
	mixed) set -- pingpong -n 16 -i $held ;;
	connect) set -- connect -n 16 -s 16 ;;
	bulk) set -- bulk -n 1 ;;
	esac
	# shellcheck disable=SC2086 # a word or none
	measure_load "$@" $direct -w 0.5
}

print_measured() {
	if [ "$row" = bulk ]; then
		echo "bulk_rate $(key mb_per_s)"
		print_cpu "$(key bytes)" 1		# ns/B is s/GB
	else
		echo "${row}_rate $(key rate)"
		echo "${row}_p50 $(key p50_us)"
		echo "${row}_p99 $(key p99_us)"
		print_cpu "$(key 'done')" 0.001
	fi
}

begin
direct=
[ "$peer" != direct ] || direct=-d
start_server
begin_proxy
# shellcheck disable=SC2086 # a word or none
wait_until "$BENCH_LOAD" pingpong $direct -w 0 -t 0 "$at"
if [ "$row" = idle ]; then
	weigh $held "$BENCH_LOAD" hold
else
	run_load
	print_measured
fi
server_lives
