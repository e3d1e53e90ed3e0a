#!/bin/sh
# A service behind NAT: through a hub of ours, and by OpenSSH's -L and -R, as
# bench.sh has it.  HACKING says how to read it.  Of the environment, beside
# what bench.sh takes:
#
#	PEERS		of: direct ssh-L ssh-R hub-tls hub-plain hub-zstd
#	ROWS		of: one few connect bulk agents
#	SALLYPORTCTL	of the same build
#	SSHD		the server, if it is not where it belongs
#
# A hub is two daemons, hub and agent, as ssh is client and server: their CPU
# time is that of both.
#
# shellcheck disable=SC2034	# rounds.sh reads what is set here
set -u
here=$(dirname "$0")
rows=${ROWS:-one few connect bulk agents}
wanted=${PEERS:-direct ssh-L ssh-R hub-tls hub-plain hub-zstd}
fds=20000
# shellcheck source=rounds.sh
. "$here/rounds.sh"
trap rounds_end EXIT
trap 'exit 1' INT TERM HUP
BENCH_CTL=$(realpath "${SALLYPORTCTL:-./sallyportctl}")
BENCH_SSHD=${SSHD:-$(command -v sshd || echo /usr/sbin/sshd)}
export BENCH_CTL BENCH_SSHD

turn() {
	case $1,$2 in
	agents,hub-plain|[!a]*) run_apart "$1" "$2" one_hub.sh ;;
	esac
}

rounds_begin
rounds_run
rounds_report hub.awk report.awk
