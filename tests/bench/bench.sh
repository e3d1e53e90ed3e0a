#!/bin/sh
# Sallyport beside HAProxy, nginx and nothing, in the same minutes on the same
# machine.  HACKING says how to read it.  Of the environment:
#
#	ROUNDS		how often all is done; the table has medians
#	DURATION	seconds that each row is measured, after a warm-up
#	PEERS		of: direct haproxy nginx sallyport
#	ROWS		of: one few many mixed connect bulk idle
#	PORT		the first of two that are used, on 127.0.0.1
#	LOAD_CPUS	where load and server run, as taskset -c has it
#	PROXY_CPUS	where every proxy runs, the same; of both, "" is any
#	KEEP		a file for the single figures
#
# shellcheck disable=SC2034	# rounds.sh reads what is set here
set -u
here=$(dirname "$0")
rows=${ROWS:-one few many mixed connect bulk idle}
wanted=${PEERS:-direct haproxy nginx sallyport}
fds=20000		# what HAProxy asks for with its configuration here
# shellcheck source=rounds.sh
. "$here/rounds.sh"
trap rounds_end EXIT
trap 'exit 1' INT TERM HUP

turn() {
	[ "$1 $2" = "idle direct" ] || run_apart "$1" "$2" one.sh
	[ "$1 $2" != "bulk haproxy" ] || run_apart bulk splice one.sh
}

rounds_begin
rounds_run
rounds_report bench.awk report.awk
