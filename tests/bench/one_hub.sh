#!/bin/sh
# One run of hub.sh's rows: one_hub.sh ROW PEER, as one.sh.
set -u
here=$(dirname "$0")
row=$1 peer=$2
# shellcheck source=proxy.sh
. "$here/proxy.sh"
agents=200 topics=5


# both COMMAND COMMAND: in one group, ended as one.
both() {
	# shellcheck disable=SC2016,SC2086 # for the inner shell; words or none
	group_start $BENCH_ON_PROXY sh -c 'sh -c "exec $1" & one=$!
		sh -c "exec $2" & two=$!
		trap "kill $one $two" TERM
		wait; wait' sh "$@" >>"$dir/log" 2>"$dir/err"
}

# ssh WORDS: by sshd at $through, as whoever we are.
start_ssh() {
	for name in host user; do
		[ -e "$dir/$name" ] || ssh-keygen -q -t ed25519 -N '' \
		    -f "$dir/$name" || return 1
	done
	cat >"$dir/sshd_config" <<-END
	ListenAddress $through
	HostKey $dir/host
	AuthorizedKeysFile $dir/user.pub
	StrictModes no
	PidFile none
	UsePAM no
	PermitRootLogin yes
	MaxSessions 1000
	END
	mkdir -p /run/sshd
	both "$BENCH_SSHD -D -e -f $dir/sshd_config" \
	    "sh -c 'until ssh -N -q -o StrictHostKeyChecking=no \
	    -o UserKnownHostsFile=/dev/null -o ExitOnForwardFailure=yes \
	    -F none -i $dir/user -p ${through##*:} $* ${through%:*}; do
		sleep 0.1; done'"
}

# A hub, and an agent that publishes the server there.
start_hub() {
	tls=
	known='tls = { mode = "off"; };'
	zstd=
	[ "$peer" != hub-zstd ] || zstd='compression = "zstd";'
	[ -e "$dir/secret" ] || "$BENCH_CTL" secret "$dir/secret" || return 1
	if [ "$peer" != hub-plain ]; then
		[ -e "$dir/ec.pem" ] || sh "$here/../../contrib/make-cert" \
		    --out="$dir/ec" bench.example >/dev/null || return 1
		tls="tls = { mode = \"require\"; certificate = \"$dir/ec.pem\";
			key = \"$dir/ec.key\"; };"
		known="pin = \"$("$BENCH_CTL" pin "$dir/ec.pem")\";"
	fi
	cat >"$dir/hub.conf" <<-END
	user = "nobody";
	auth_user = "nobody";
	log = { to = "$dir/log"; };
	listeners = (
		{ name = "hub"; listen = "$through"; protocol = "hub"; $tls },
		{ name = "users"; listen = "$at"; forward = "topic:bench"; } );
	topics = ( { name = "bench"; $zstd } );
	agents = (
	END
	for i in $(seq $agents); do
		echo "{ id = \"agent$i\"; secret_file = \"$dir/secret\";
			publish = \"*\"; },"
	done >>"$dir/hub.conf"
	cat >>"$dir/hub.conf" <<-END
		{ id = "c"; secret_file = "$dir/secret"; publish = "*"; } );
	END
	cat >"$dir/agent.conf" <<-END
	user = "nobody";
	auth_user = "nobody";
	log = { to = "$dir/log"; };
	hubs = ( { name = "b"; address = "$through"; id = "c"; $zstd
		secret_file = "$dir/secret"; $known } );
	publish = ( { topic = "bench"; hub = "b"; forward = "$echo_at"; } );
	END
	both "$BENCH_SALLYPORTD -f $dir/hub.conf" \
	    "$BENCH_SALLYPORTD -f $dir/agent.conf"
}

start_peer() {
	through=127.0.0.1:$((BENCH_PORT + 2))
	[ "$peer" != direct ] || return 0
	at=127.0.0.1:$((BENCH_PORT + 1))
	: >"$dir/log"
	chmod 666 "$dir/log"
	case $peer in
	ssh-L) start_ssh -L "$at:$echo_at" ;;
	ssh-R) start_ssh -R "$at:$echo_at" ;;
	hub-*) start_hub ;;
	esac || die "it does not start"
}

# What agents at rest, written in Python and not of the group, cost the hub.
weigh_agents() {
	sleep 1
	empty=$(group_memory)
	: >"$dir/out"
	python3 "$here/../interop/tunnel_peer.py" many "${through##*:}" agent \
	    "$dir/secret" $agents $topics >"$dir/out" 2>"$dir/why" &
	holder=$!
	until grep -q parked= "$dir/out"; do
		kill -0 $holder 2>/dev/null || die "$(cat "$dir/why")"
		sleep 0.1
	done
	sleep 4			# a gate gives memory back after 2
	full=$(group_memory)
	began=$(cat "$(group_cpu_file)")
	sleep 10
	used=$(($(cat "$(group_cpu_file)") - began))
	kill $holder
	wait $holder 2>/dev/null
	holder=
	echo "agents_memory $(per $((full - empty)) $agents 0.001)"
	echo "agents_cpu $(per $used 10000000000 100)"
}

begin
direct=
[ "$peer" != direct ] || direct=-d
start_server
start_peer
# shellcheck disable=SC2086 # a word or none
wait_until "$BENCH_LOAD" pingpong $direct -w 0 -t 0 "$at"
case $row in
agents)
	[ "$group_kind" = v1 ] || die "no control group of version 1 here"
	weigh_agents
	server_lives
	exit 0
	;;
one) set -- pingpong -n 1 ;;
few) set -- pingpong -n 16 ;;
connect) set -- connect -n 4 -s 16 ;;
bulk) set -- bulk -n 1 ;;
esac
# shellcheck disable=SC2086 # a word or none
measure_load "$@" $direct -w 0.5
if [ "$row" = bulk ]; then
	echo "bulk_rate $(key mb_per_s)"
	print_cpu "$(key bytes)" 1		# ns/B is s/GB
else
	echo "${row}_rate $(key rate)"
	echo "${row}_p50 $(key p50_us)"
	print_cpu "$(key 'done')" 0.001
fi
server_lives
