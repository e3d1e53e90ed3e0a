# shellcheck shell=sh
# proxies.sh - nginx and HAProxy of our own, and clients for them.
#
# Sourced after lib.sh and cases.sh.  Nothing of the system's is touched:
# both have their configuration, their logs and what they serve below
# $scratch, become somebody without rights and listen on 127.0.0.1, ::1 and
# sockets there.
#
# Clients have 127.0.0.7 for their address: what has not come by way of a
# PROXY header would be 127.0.0.1.
#
# shellcheck disable=SC2154	# lib.sh and cases.sh set what they are to

nginx_pid=
haproxy_pid=

nobody_group() {
	id -gn nobody
}

# nginx_can_stream: sets nginx_modules to what loads the stream module.
nginx_can_stream() {
	nginx_modules=
	if nginx -V 2>&1 | grep -qE -e '--with-stream( |$)'; then
		return 0
	fi
	for folder in /usr/lib/nginx/modules /usr/lib64/nginx/modules; do
		if [ -e "$folder/ngx_stream_module.so" ]; then
			nginx_modules="load_module $folder/ngx_stream_module.so;"
			return 0
		fi
	done
	return 1
}

nginx_is_ready() {
	grep -qs 'start worker process' "$scratch/nginx/error.log" ||
	    is_gone "$nginx_pid"
}

# For nginx to answer with what a PROXY header told it, in the order in which
# hears_truth has it.
# shellcheck disable=SC2016,SC2034	# variables of nginx, for the caller
nginx_told='$proxy_protocol_addr $proxy_protocol_port'
nginx_told="$nginx_told \$proxy_protocol_server_addr"
nginx_told="$nginx_told \$proxy_protocol_server_port\\n"

# Also where it was started in a case, in a shell of its own: end_all looks for
# files of this kind.
ends_with_us() {
	other_pids="$other_pids $1"
	echo "$1" >"$scratch/$1.pid"
}

# nginx_start: with the http and stream blocks on standard input.  http begins
# with nginx_http_lines.
nginx_start() {
	mkdir -p "$scratch/nginx"
	{
		echo "$nginx_modules"
		[ "$(id -u)" -ne 0 ] || echo "user nobody $(nobody_group);"
		cat <<END
daemon off;
worker_processes 1;
pid $scratch/nginx/pid;
error_log $scratch/nginx/error.log notice;
events { worker_connections 512; }
END
		cat
	} >"$scratch/nginx/nginx.conf"
	nginx -p "$scratch/nginx" -c nginx.conf \
	    -g "error_log $scratch/nginx/error.log notice;" \
	    >"$scratch/nginx/log" 2>&1 </dev/null &
	nginx_pid=$!
	ends_with_us "$nginx_pid"
	if until_true 15 nginx_is_ready && is_running "$nginx_pid"; then
		return 0
	fi
	cat "$scratch/nginx/log" "$scratch/nginx/error.log" >&2 || :
	return 1
}

nginx_http_lines() {
	for temp in client_body proxy fastcgi uwsgi scgi; do
		echo "${temp}_temp_path $scratch/nginx/$temp;"
	done
	echo "access_log off;"
}

haproxy_is_ready() {
	! port_is_free "$stats_port" || is_gone "$haproxy_pid"
}

# haproxy_start: with all behind "global" and "defaults" on standard input.
# Its log goes to $scratch/haproxy.log.  Sets haproxy_pid and stats_port.
haproxy_start() {
	pick_port
	stats_port=$port
	{
		cat <<END
global
	log stdout format raw local0
	maxconn 400
END
		[ "$(id -u)" -ne 0 ] ||
		    printf '\tuser nobody\n\tgroup %s\n' "$(nobody_group)"
		cat <<END
defaults
	mode tcp
	log global
	retries 0
	timeout connect 5s
	timeout client 60s
	timeout server 60s
	timeout check 2s
listen stats
	mode http
	bind 127.0.0.1:$stats_port
	no log
	stats enable
	stats uri /
END
		cat
	} >"$scratch/haproxy.cfg"
	haproxy -db -f "$scratch/haproxy.cfg" \
	    >"$scratch/haproxy.log" 2>&1 </dev/null &
	haproxy_pid=$!
	ends_with_us "$haproxy_pid"
	if until_true 15 haproxy_is_ready && is_running "$haproxy_pid"; then
		return 0
	fi
	cat "$scratch/haproxy.log" >&2
	return 1
}

# haproxy_stat PROXY SERVER COLUMN: a number that HAProxy counts.
haproxy_stat() {
	fetch "http://127.0.0.1:$stats_port/;csv" |
	    awk -F, -v px="$1" -v sv="$2" -v col="$3" '
		NR == 1 {
			sub(/^# /, "")
			for (i = 1; i <= NF; i++)
				at[$i] = i
		}
		$1 == px && $2 == sv { print $at[col] }'
}

# haproxy_has PROXY SERVER COLUMN VALUE: by now?
haproxy_has() {
	[ "$(haproxy_stat "$1" "$2" "$3")" = "$4" ]
}

fetch() {
	curl -gsS --fail --max-time "$patience" "$@"
}

# A client with an address of its own.
fetch_as_client() {
	fetch --interface 127.0.0.7 -H 'Connection: close' "$@"
}

# say FROM PORT PART...: each PART in a packet of its own, and all that is
# answered on standard output; "cut" if that ends in a reset.  In a PART \r,
# \n and \xHH are what they are in printf.
say() {
	perl -MIO::Socket::INET -MSocket=IPPROTO_TCP,TCP_NODELAY -e '
		my ($from, $port, @parts) = @ARGV;
		my ($cut, $n, $b);
		alarm 20;
		$SIG{PIPE} = "IGNORE";
		my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1",
		    PeerPort => $port, LocalAddr => $from) or die $@;
		setsockopt($s, IPPROTO_TCP, TCP_NODELAY, 1);
		for my $i (0 .. $#parts) {
			select(undef, undef, undef, 0.03) if $i > 0;
			my $part = $parts[$i];
			$part =~ s/\\r/\r/g;
			$part =~ s/\\n/\n/g;
			$part =~ s/\\x(..)/chr(hex($1))/ge;
			$cut = !syswrite($s, $part) and last;
		}
		print $b while $n = sysread($s, $b, 65536);
		print "cut\n" if $cut || !defined $n;' -- "$@"
}

# hears_truth CURL-ARGUMENT...: a server that answers with the addresses it
# was told of must answer with those that the client has.
hears_truth() {
	fetch_as_client \
	    -w '%{local_ip} %{local_port} %{remote_ip} %{remote_port}\n' \
	    "$@" >"$scratch/truth" </dev/null
	cat "$scratch/truth"
	[ "$(wc -l <"$scratch/truth")" -eq 2 ] || fail "no answer"
	[ "$(uniq "$scratch/truth" | wc -l)" -eq 1 ] || fail "not the client"
}

# logged PATTERN: a session with it has ended by now.
logged() {
	until_true 10 has_sessions 1 "$1" || {
		session_lines '' | tail -n 5
		fail "no session with $1"
	}
}

# same_bytes NAME URL CURL-ARGUMENT...: what is put there, through all, is what
# the server has, and what comes back.
same_bytes() {
	name=$1
	url=$2/$1
	shift 2
	fetch_as_client -T "$scratch/big" "$@" "$url"
	cmp "$scratch/big" "$scratch/www/$name"
	fetch_as_client -o "$scratch/back" "$@" "$url"
	cmp "$scratch/big" "$scratch/back"
}

# make_www: what nginx serves, and a file of 4 MB that no buffer has seen.
make_www() {
	mkdir "$scratch/www"
	echo 'a small file' >"$scratch/www/small"
	if [ "$(id -u)" -eq 0 ]; then
		chown nobody "$scratch/www"
	fi
	head -c 4000000 /dev/urandom >"$scratch/big"
}
