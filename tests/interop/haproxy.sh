#!/bin/sh
# haproxy.sh - HAProxy before sallyportd, behind it, and beside it.
#
# SALLYPORTD=path/to/sallyportd tests/interop/haproxy.sh
#
# nginx is the web server behind both.  Exit 0, 1 when something failed, 77
# when there is no HAProxy here.
#
# shellcheck disable=SC2154	# pick_ports sets the ports by name
set -eu

: "${SALLYPORTD:?path of the sallyportd to test}"
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/interop/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/interop/cases.sh
. "$here/cases.sh"
# shellcheck source=tests/interop/proxies.sh
. "$here/proxies.sh"
suite=haproxy

# ha_ is where HAProxy listens and sp_ is sallyportd; the web servers have
# one each and say its name.
pick_ports() {
	for name in one two three web told told6 nobody \
	    ha_v1 ha_v2 ha_tlv ha_ssl ha_tls ha_v6 ha_chain ha_to ha_to6 \
	    ha_load ha_roundrobin ha_leastconn ha_weights ha_source ha_first \
	    ha_backup \
	    sp_gate sp_checked sp_bare sp_chain sp_to1 sp_to2 sp_to2_v6 \
	    sp_to1_unix sp_to2_unix sp_load sp_roundrobin sp_leastconn \
	    sp_weights sp_source sp_first sp_backup; do
		pick_port
		eval "$name=$port"
	done
}

web_server() {
	eval "port=\$$1"
	printf 'server { listen 127.0.0.1:%s; return 200 "%s\\n"; }\n' "$port" "$1"
}

start_nginx() {
	nginx_start <<EOF
http {
	$(nginx_http_lines)
	$(web_server one)
	$(web_server two)
	$(web_server three)
	server {
		listen 127.0.0.1:$web;
		root $scratch/www;
		client_max_body_size 0;
		location / { dav_methods PUT; }
	}
	server {
		listen 127.0.0.1:$told proxy_protocol;
		listen [::1]:$told6 proxy_protocol;
		return 200 "$nginx_told";
	}
}
EOF
}

# ha_front NAME SERVER-LINE...: a listener of HAProxy at port ha_NAME
ha_front() {
	eval "port=\$ha_$1"
	printf 'listen %s\n\tbind 127.0.0.1:%s\n' "$1" "$port"
	shift
	printf '\t%s\n' "$@"
}

ha_told='http-request return status 200 content-type text/plain'
ha_told="$ha_told lf-string \"%ci %cp %fi %fp\\n\""

# Sets tls_bind: where HAProxy has TLS to tell of, if openssl makes a key.
make_tls() {
	tls_bind=
	command -v openssl >/dev/null || return 0
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
	    -keyout "$scratch/key" -out "$scratch/cert" 2>"$scratch/openssl"
	cat "$scratch/cert" "$scratch/key" >"$scratch/tls.pem"
	tls_bind="bind 127.0.0.1:$ha_tls ssl crt $scratch/tls.pem"
}

start_haproxy() {
	gate="server s 127.0.0.1:$sp_gate"
	tlv='proxy-v2-options unique-id,crc32c'
	haproxy_start <<EOF
$(ha_front v1 "$gate send-proxy")
$(ha_front v2 "$gate send-proxy-v2")
$(ha_front tlv 'unique-id-format %ci.%cp.%rt' "$gate send-proxy-v2 $tlv")
$(ha_front ssl "$gate send-proxy-v2-ssl-cn" "$tls_bind")
$(ha_front v6 "$gate send-proxy-v2" "bind [::1]:$ha_v6")
$(ha_front chain "server s 127.0.0.1:$sp_chain send-proxy-v2")
$(ha_front load "server s 127.0.0.1:$sp_load send-proxy-v2")
listen unix
	bind $scratch/ha.sock mode 666
	server s $scratch/gate.sock send-proxy-v2
listen checked
	server local 127.0.0.1:$sp_checked send-proxy-v2 check inter 200ms
	server v1 127.0.0.1:$sp_checked send-proxy check inter 200ms
	server bare 127.0.0.1:$sp_bare send-proxy-v2 check port $sp_bare inter 200ms
	bind 127.0.0.1:$nobody
listen to
	mode http
	bind 127.0.0.1:$ha_to accept-proxy
	bind [::1]:$ha_to6 accept-proxy
	bind $scratch/to.sock accept-proxy mode 666
	$ha_told
$(ha_front roundrobin 'balance roundrobin' "server one 127.0.0.1:$one" \
    "server two 127.0.0.1:$two weight 2" \
    "server three 127.0.0.1:$three weight 3")
$(ha_front leastconn 'balance leastconn' "server one 127.0.0.1:$one" \
    "server two 127.0.0.1:$two" "server three 127.0.0.1:$three")
$(ha_front weights 'balance leastconn' "server one 127.0.0.1:$one" \
    "server two 127.0.0.1:$two" "server three 127.0.0.1:$three weight 2")
$(ha_front source 'balance source' 'hash-type consistent' \
    "server one 127.0.0.1:$one" "server two 127.0.0.1:$two" \
    "server three 127.0.0.1:$three")
$(ha_front first 'balance first' "server one 127.0.0.1:$one maxconn 2" \
    "server two 127.0.0.1:$two maxconn 2" \
    "server three 127.0.0.1:$three maxconn 2")
$(ha_front backup 'balance roundrobin' \
    "server one 127.0.0.1:1 check inter 200ms fall 1" \
    "server two 127.0.0.1:$two backup")
EOF
}

# sp_backend NAME REST
sp_backend() {
	printf '\t{ name = "%s"; %s },\n' "$1" "$2"
}

# sp_front NAME FORWARD [REST]: a listener of sallyportd at port sp_NAME
sp_front() {
	eval "port=\$sp_$1"
	printf '\t{ name = "%s"; listen = "127.0.0.1:%s"; forward = "%s"; %s }' \
	    "$1" "$port" "$2" "${3:-}"
}

# servers REST-OF-ONE REST-OF-TWO REST-OF-THREE
servers() {
	for name in one two three; do
		eval "port=\$$name"
		echo "{ address = \"127.0.0.1:$port\"; $1 }"
		[ $name = three ] || echo ,
		shift
	done
}

sp_config() {
	accept='proxy_protocol = { accept = true; from = "127.0.0.1"; };'
	cat <<EOF
user = "nobody";
pid_file = "$scratch/pid";
log = { to = "stdout"; };
backends = (
$(sp_backend to1 "servers = { address = \"127.0.0.1:$ha_to\"; send_proxy = 1; };")
$(sp_backend to2 "servers = { address = \"127.0.0.1:$ha_to\"; send_proxy = 2; };")
$(sp_backend to2_v6 "servers = { address = \"[::1]:$ha_to6\"; send_proxy = 2; };")
$(sp_backend to1_unix "servers = { address = \"unix:$scratch/to.sock\"; send_proxy = 1; };")
$(sp_backend to2_unix "servers = { address = \"unix:$scratch/to.sock\"; send_proxy = 2; };")
$(sp_backend chain "servers = { address = \"127.0.0.1:$told\"; send_proxy = 2; };")
$(sp_backend roundrobin "balance = \"roundrobin\"; servers = (
    $(servers 'weight = 1;' 'weight = 2;' 'weight = 3;') );")
$(sp_backend leastconn "balance = \"leastconn\"; servers = (
    $(servers '' '' '') );")
$(sp_backend weights "balance = \"leastconn\"; servers = (
    $(servers '' '' 'weight = 2;') );")
$(sp_backend source "balance = \"source\"; servers = (
    $(servers '' '' "weight = ${weight_of_three:-1};") );")
$(sp_backend first "balance = \"first\"; servers = (
    $(servers 'max_sessions = 2;' 'max_sessions = 2;' 'max_sessions = 2;') );")
	{ name = "backup"; servers = ( "127.0.0.1:1",
	    { address = "127.0.0.1:$two"; backup = true; } ); }
);
listeners = (
$(sp_front gate "127.0.0.1:$web" "$accept"),
	{ name = "at_unix"; listen = "unix:$scratch/gate.sock";
	  forward = "127.0.0.1:$web";
	  proxy_protocol = { accept = true; from = "unix"; }; },
$(sp_front checked "127.0.0.1:$web" "$accept"),
$(sp_front bare "127.0.0.1:$web" "$accept"),
$(sp_front chain backend:chain "$accept"),
$(for name in to1 to2 to2_v6 to1_unix to2_unix roundrobin leastconn weights \
    source first backup; do
	sp_front $name backend:$name
	echo ,
done)
$(sp_front load "127.0.0.1:$one" "$accept ${load_rest:-}")
${more:-}
);
EOF
}

# The client of a request as the log has it, by way of HAProxy.
client_is_logged() {
	fetch_as_client -o "$scratch/out" \
	    -w '%{local_ip} %{local_port}\n' "$@" >"$scratch/me"
	read -r ip number <"$scratch/me"
	case $ip in
	*:*)	ip="\\[$ip\\]" ;;
	esac
	logged "listener=gate client=$ip:$number via=127.0.0.1:[0-9]* server="
}

# through NAME: bytes and client of one of HAProxy's listeners
through() {
	eval "port=\$ha_$1"
	same_bytes "$1" "http://127.0.0.1:$port"
	client_is_logged "http://127.0.0.1:$port/small"
}

through_tls() {
	need openssl
	same_bytes tls "https://127.0.0.1:$ha_tls" -k
	client_is_logged -k "https://127.0.0.1:$ha_tls/small"
}

through_v6() {
	same_bytes v6 "http://[::1]:$ha_v6" --interface ::1
	client_is_logged --interface ::1 "http://[::1]:$ha_v6/small"
}

# HAProxy tells of local sockets by AF_UNIX, without a path.
through_unix() {
	fetch --unix-socket "$scratch/ha.sock" -H 'Connection: close' \
	    http://localhost/small | grep -qx 'a small file'
	logged 'listener=at_unix client=.*unix.* end=done'
}

# A header for a check has no client, so HAProxy is it; the server is dialled.
check_with_header() {
	until_true 10 has_sessions 4 listener=checked
	for server in local v1; do
		haproxy_has checked $server status UP
		haproxy_has checked $server chkfail 0
	done
	logged 'listener=checked client=127.0.0.1:[0-9]* server=127.0.0.1:.*'
	session_lines 'listener=checked .*end=proxy_header' && fail "no header"
	return 0
}

# It breaks off before the kernel has told of the connection.
check_without_header() {
	until_true 10 haproxy_has checked bare check_status L4OK
	haproxy_has checked bare chkfail 0
	session_lines listener=bare && fail "logged"
	return 0
}

# shares PORT N: how often each server has answered of N times.
shares() {
	curl -sS --max-time "$patience" -H 'Connection: close' \
	    "http://127.0.0.1:$1/?[1-$2]" | sort | uniq -c |
	    awk '{ print $2, $1 }'
}

# alike NAME EXPECTED COMMAND...: HAProxy and sallyportd do what is expected
alike() {
	name=$1
	printf '%s\n' "$2" | tr ',' '\n' >"$scratch/expected"
	shift 2
	for who in ha sp; do
		eval "port=\$${who}_$name"
		"$1" "$port" "$2" >"$scratch/$who.shares" || fail "of $who"
		diff "$scratch/expected" "$scratch/$who.shares" ||
		    fail "of $who"
	done
}

# held PORT "N...": hold N connections, then for each further number let the
# ones to "one" go, hold that many more; prints how many each has.
held() {
	perl -MIO::Socket::INET -e '
		my ($port, @steps) = ($ARGV[0], split / /, $ARGV[1]);
		my (%held, $line);
		alarm 20;
		while (defined(my $n = shift @steps)) {
			for my $i (1 .. $n) {
				my $s = IO::Socket::INET->new(PeerPort =>
				    $port, PeerAddr => "127.0.0.1") or die $@;
				print $s "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
				1 while defined($line = <$s>) &&
				    $line ne "\r\n";
				defined($line = <$s>) or die "no answer";
				chomp $line;
				push @{$held{$line}}, $s;
			}
			last unless @steps;
			delete $held{one};
			select(undef, undef, undef, 0.3);
		}
		print "$_ ", scalar @{$held{$_}}, "\n" for sort keys %held;
	' -- "$1" "$2"
}

# The servers that 20 clients got, a line each: "CLIENT SERVER".
source_map() {
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		printf '%s ' "$i"
		fetch --interface "127.0.1.$i" -H 'Connection: close' \
		    "http://127.0.0.1:$1/"
	done
}

sources_stay() {
	for port in "$ha_source" "$sp_source"; do
		source_map "$port" >"$scratch/map.1"
		source_map "$port" >"$scratch/map.2"
		cmp "$scratch/map.1" "$scratch/map.2"
		[ "$(cut -d' ' -f 2 "$scratch/map.1" | sort -u | wc -l)" -eq 3 ]
	done
	# Now one takes no more: its clients move, and no others.
	cp "$scratch/map.1" "$scratch/map.before"
	weight_of_three=0
	reload_done
	source_map "$sp_source" >"$scratch/map.after"
	grep -v three "$scratch/map.before" >"$scratch/map.stay"
	[ -s "$scratch/map.stay" ]
	grep -vxFf "$scratch/map.after" "$scratch/map.stay" && fail "moved"
	grep three "$scratch/map.after" && fail "still served"
	return 0
}

reloads() {
	grep -c ': generation [0-9]* is in effect' "$scratch/gate.log"
}

# reload_done: with what sp_config says now; when it is in effect.
reload_done() {
	before=$(reloads || :)
	sp_config >"$scratch/sallyportd.conf"
	kill -HUP "$(cat "$scratch/pid")"
	until_true 10 more_reloads
}

more_reloads() {
	[ "$(reloads)" -gt "$before" ]
}

# Requests by way of HAProxy, 16 at a time, until $scratch/loading is gone.
load() {
	while [ -e "$scratch/loading" ]; do
		curl -s --no-progress-meter --max-time "$patience" --parallel \
		    --parallel-max 16 -H 'Connection: close' \
		    -o /dev/null -w '%{http_code}\n' \
		    "http://127.0.0.1:$ha_load/?[1-200]" >>"$scratch/load"
		echo 200 >>"$scratch/asked"
	done
}

# under_load COMMAND...: and nobody notices.
under_load() {
	: >"$scratch/loading"
	: >"$scratch/load"
	: >"$scratch/asked"
	load &
	"$@"
	rm "$scratch/loading"
	wait
	sort "$scratch/load" | uniq -c
	asked=$(awk '{ n += $1 } END { print n }' "$scratch/asked")
	[ "$(grep -cx 200 "$scratch/load")" -eq "$asked" ] || fail "not all"
	for column in econ eresp wretr wredis; do
		haproxy_has load s $column 0 || fail "$column"
	done
	haproxy_has load FRONTEND ereq 0 || fail "ereq"
}

# Each time with another backlog, and another listener, or one less.
reload_20_times() {
	pick_port
	for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		load_rest="backlog = $((1000 + n));"
		more=
		[ $((n % 2)) -eq 0 ] || more=", { name = \"more\";
		    listen = \"127.0.0.1:$port\";
		    forward = \"127.0.0.1:$one\"; }"
		reload_done
	done
}

another_master() {
	[ "$(cat "$scratch/pid" 2>/dev/null)" != "$old" ] &&
	    [ -n "$(cat "$scratch/pid" 2>/dev/null)" ]
}

upgrade_3_times() {
	for n in 1 2 3; do
		old=$(cat "$scratch/pid")
		kill -USR2 "$old"
		until_true 10 another_master || fail "upgrade $n"
	done
}

# But a server that nobody has started.
no_warnings() {
	sed '1,/: ready/d' "$scratch/gate.log" | grep -E ' (error|warn) ' |
	    grep -vF 'backend backup: server 127.0.0.1:1 does not' &&
	    fail "warnings"
	return 0
}

end_all() {
	# After an upgrade the master is none of our children.
	if [ -n "$scratch" ] && [ -s "$scratch/pid" ]; then
		last=$(cat "$scratch/pid")
		kill "$last" 2>/dev/null && until_true 15 is_gone "$last"
	fi
	scratch_end
}

trap end_all EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
for program in haproxy nginx curl perl; do
	need "$program"
done
nginx_modules=
scratch_begin
make_www
pick_ports
make_tls
start_nginx
sp_config >"$scratch/sallyportd.conf"
gate_start "$scratch/sallyportd.conf"
start_haproxy

check "4 MB and the client come through with send-proxy" through v1
check "4 MB and the client come through with send-proxy-v2" through v2
check "a unique id and a checksum are no obstacle" through tlv
check "4 MB and the client come through with send-proxy-v2-ssl-cn" through ssl
check "4 MB and the client come through with a header that tells of TLS" \
    through_tls
check "4 MB and the client come through with IPv6" through_v6
check "a client of a local socket comes through another" through_unix
check "HAProxy's checks with a header find us up" check_with_header
check "its checks without one find us up, and are no sessions" \
    check_without_header

for version in 1 2; do
	eval "to=\$sp_to$version unix=\$sp_to${version}_unix"
	check "HAProxy hears of the client by version $version" \
	    hears_truth "http://127.0.0.1:$to"
	check "HAProxy at a local socket hears of it by version $version" \
	    hears_truth "http://127.0.0.1:$unix"
done
check "HAProxy with IPv6 hears of a client with IPv4" \
    hears_truth "http://127.0.0.1:$sp_to2_v6"
check "from HAProxy to nginx the client stays the client" \
    hears_truth "http://127.0.0.1:$ha_chain"

check "roundrobin has shares by weight, to the last one" \
    alike roundrobin 'one 10,three 30,two 20' shares 60
check "leastconn spreads what is held" \
    alike leastconn 'one 2,three 2,two 2' held 6
check "leastconn fills up what became free" \
    alike leastconn 'one 2,three 2,two 2' held '6 2'
check "leastconn weighs" alike weights 'one 2,three 4,two 2' held 8
check "first fills one server after the other" \
    alike first 'one 2,three 1,two 2' held 5
check "a backup serves when no other does" alike backup 'two 6' shares 6
check "source keeps clients with their server" sources_stay
check "20 reloads under load are not seen by HAProxy" \
    under_load reload_20_times
check "3 upgrades under load are not seen by HAProxy" \
    under_load upgrade_3_times
check "nothing else of this is worth a warning" no_warnings
cases_end
