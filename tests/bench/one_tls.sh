#!/bin/sh
# One run of mysql.sh's rows of TLS: one_tls.sh ROW PEER, as one.sh.
set -u
here=$(dirname "$0")
row=$1 peer=$2
# shellcheck source=proxy.sh
. "$here/proxy.sh"

begin
kind=ec
[ "$row" != rsa ] || kind=rsa
with_certificate "$dir/$kind"
start_server
begin_proxy
wait_until "$BENCH_LOAD" handshake -C "$certificate.pem" -w 0 -t 0 "$at"
case $row in
tickets) set -- -r ;;
*) set -- ;;
esac
if [ "$row" = keep ]; then
	weigh 500 "$BENCH_LOAD" keep -C "$certificate.pem"
else
	measure_load handshake -C "$certificate.pem" "$@" -n 4 -s 16 -w 0.5
	echo "${row}_rate $(key rate)"
	print_cpu "$(key 'done')" 0.001
fi
server_lives
