#!/bin/sh
# tls.sh - TLS from the first byte on, with OpenSSL and curl as peers.
#
# SALLYPORTD=path/to/sallyportd tests/interop/tls.sh
#
# Exit 0, 1 when something failed, 77 when a program is not here.
#
# shellcheck disable=SC2154	# eval sets what has a name in it
set -eu

: "${SALLYPORTD:?path of the sallyportd to test}"
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/interop/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/interop/cases.sh
. "$here/cases.sh"
suite=tls

make_cert() {
	"$here/../../contrib/make-cert" "$@" >>"$scratch/make-cert.log"
}

make_certificates() {
	make_cert --authority --out="$scratch/ca" ca
	make_cert --authority --out="$scratch/other" other
	for name in a.example b.example db.example; do
		make_cert --ca="$scratch/ca.pem" --out="$scratch/$name" $name
	done
	make_cert --ca="$scratch/ca.pem" --rsa --out="$scratch/rsa" a.example
	make_cert --ca="$scratch/ca.pem" --client --out="$scratch/joe" joe
	make_cert --ca="$scratch/other.pem" --client --out="$scratch/eve" eve
}

# web NAME: a plain server that says its name; sets port_NAME.
web() {
	mkdir "$scratch/$1.d"
	echo "this is $1" >"$scratch/$1.d/index.html"
	pick_port
	python3 -m http.server --bind 127.0.0.1 --directory "$scratch/$1.d" \
	    "$port" >"$scratch/$1.log" 2>&1 </dev/null &
	other_pids="$other_pids $!"
	eval "port_$1=$port"
}

# secret_web NAME CERTIFICATE: one that speaks TLS.
secret_web() {
	mkdir "$scratch/$1.d"
	echo "this is $1" >"$scratch/$1.d/index.html"
	pick_port
	(cd "$scratch/$1.d" && exec openssl s_server -accept "127.0.0.1:$port" \
	    -cert "$scratch/$2.pem" -key "$scratch/$2.key" -WWW -quiet) \
	    >"$scratch/$1.log" 2>&1 </dev/null &
	other_pids="$other_pids $!"
	eval "port_$1=$port"
}

answers() {
	! port_is_free "$1"
}

# listener NAME FORWARD TLS-KEYS: sets gate_NAME.
listener() {
	pick_port
	eval "gate_$1=$port"
	cat <<END
	{ name = "$1"; listen = "127.0.0.1:$port"; forward = "$2"; $3 }
END
}

identity() {
	printf 'mode = "require"; certificate = "%s"; key = "%s"; ' \
	    "$scratch/$1.pem" "$scratch/$1.key"
}

write_conf() {
	two="certificate = ( \"$scratch/a.example.pem\",
		\"$scratch/b.example.pem\", \"$scratch/rsa.pem\" );
		key = ( \"$scratch/a.example.key\", \"$scratch/b.example.key\",
		\"$scratch/rsa.key\" );"
	ca="ca = \"$scratch/ca.pem\";"
	cat <<END
user = "nobody";
log = { to = "stdout"; };
backends = (
	{ name = "good"; servers = "127.0.0.1:$port_s";
	  tls = { mode = "require"; $ca server_name = "db.example"; }; },
	{ name = "other_name"; servers = "127.0.0.1:$port_s";
	  tls = { mode = "require"; $ca server_name = "a.example"; }; },
	{ name = "other_ca"; servers = "127.0.0.1:$port_s";
	  tls = { mode = "require"; server_name = "db.example";
		ca = "$scratch/other.pem"; }; },
	{ name = "system"; servers = "127.0.0.1:$port_s";
	  tls = { mode = "require"; server_name = "db.example"; }; }
);
listeners = (
END
	listener routes "127.0.0.1:$port_c" "tls = { mode = \"require\"; $two
		alpn = ( \"h2\", \"http/1.1\", \"special\" ); routes = (
		{ server_name = \"a.example\"; forward = \"127.0.0.1:$port_a\"; },
		{ alpn = \"special\"; forward = \"127.0.0.1:$port_a\"; },
		{ server_name = \"*.example\"; forward = \"127.0.0.1:$port_b\"; }
		); };"
	echo ,
	listener modern "127.0.0.1:$port_a" \
	    "tls = { $(identity a.example) min_version = \"TLSv1.3\"; };"
	echo ,
	listener known "127.0.0.1:$port_a" "tls = { $(identity a.example)
		client_verify = \"require\"; client_ca = \"$scratch/ca.pem\"; };"
	echo ,
	listener both backend:good "tls = { $(identity a.example) };"
	for name in good other_name other_ca system; do
		echo ,
		listener $name backend:$name ''
	done
	echo ');'
}

# get PORT NAME [OPTION...]: the page, by a client that checks who answers.
get() {
	at=$1
	name=$2
	shift 2
	curl -sS --http1.1 --max-time 20 --cacert "$scratch/ca.pem" \
	    --resolve "$name:$at:127.0.0.1" "$@" "https://$name:$at/index.html"
}

says() {
	want=$1
	shift
	"$@" | tee "$scratch/said"
	grep -qxF "$want" "$scratch/said"
}

# ends LISTENER WORD TEXT: the last session's line.
ends() {
	until_true 10 has_sessions 1 "listener=$1 .*end=$2 .*$3" && return
	session_lines "listener=$1 " | tail -n 3
	return 1
}

refuses() {
	! "$@" >"$scratch/refused" 2>&1
}

routes_by_name() {
	says 'this is a' get "$gate_routes" a.example
	says 'this is b' get "$gate_routes" b.example
}

default_route() {
	s_client "$gate_routes" -noservername -alpn http/1.1 >"$scratch/alpn"
	grep -q 'this is c' "$scratch/alpn"
}

# s_client PORT OPTION...: what OpenSSL tells of a session.
s_client() {
	at=$1
	shift
	printf 'GET /index.html HTTP/1.0\r\n\r\n' | timeout 20 \
	    openssl s_client -connect "127.0.0.1:$at" -CAfile \
	    "$scratch/ca.pem" -ign_eof "$@" 2>&1
}

route_by_alpn() {
	s_client "$gate_routes" -servername x.y.example -alpn special \
	    >"$scratch/alpn"
	grep -q 'ALPN protocol: special' "$scratch/alpn"
	grep -q 'this is a' "$scratch/alpn"
}

no_alpn_in_common() {
	s_client "$gate_routes" -servername a.example -alpn unknown \
	    >"$scratch/alpn" || :
	grep -q 'no application protocol' "$scratch/alpn"
	ends routes tls 'no shared ALPN protocol'
}

rsa_for_who_needs_it() {
	s_client "$gate_routes" -servername a.example -tls1_2 \
	    -cipher aRSA >"$scratch/rsa.log"
	grep -q 'Peer signature type: RSA' "$scratch/rsa.log"
	s_client "$gate_routes" -servername a.example >"$scratch/ec.log"
	grep -q 'Peer signature type: ECDSA' "$scratch/ec.log"
}

resumes() {
	for version in tls1_2 tls1_3; do
		s_client "$gate_routes" -servername a.example -$version \
		    -sess_out "$scratch/session" >"$scratch/first"
		grep -q '^New, TLS' "$scratch/first"
		s_client "$gate_routes" -servername a.example -$version \
		    -sess_in "$scratch/session" >"$scratch/second"
		grep -q '^Reused, TLS' "$scratch/second"
		# The same ticket is worth nothing at another listener.
		s_client "$gate_both" -servername a.example -$version \
		    -sess_in "$scratch/session" >"$scratch/third"
		grep -q '^New, TLS' "$scratch/third"
	done
}

old_version() {
	refuses get "$gate_modern" a.example --tls-max 1.2
	grep -q 'alert protocol version' "$scratch/refused"
	ends modern tls 'the client speaks TLSv1.2, min_version is TLSv1.3'
	says 'this is a' get "$gate_modern" a.example --tlsv1.3
}

not_tls() {
	refuses curl -sS --max-time 20 "http://127.0.0.1:$gate_modern/"
	ends modern tls 'not TLS at all: an HTTP request'
}

distrust() {
	refuses curl -sS --max-time 20 --cacert "$scratch/other.pem" \
	    --resolve "a.example:$gate_modern:127.0.0.1" \
	    "https://a.example:$gate_modern/index.html"
	ends modern tls 'the client does not trust our certificate'
}

client_certificates() {
	says 'this is a' get "$gate_known" a.example \
	    --cert "$scratch/joe.pem" --key "$scratch/joe.key"
	refuses get "$gate_known" a.example
	ends known tls 'the client sent no certificate'
	refuses get "$gate_known" a.example --cert "$scratch/eve.pem" \
	    --key "$scratch/eve.key"
	ends known tls "the client's certificate: "
}

both_sides() {
	says 'this is s' get "$gate_both" a.example
	until_true 10 has_sessions 1 \
	    'listener=both .*tls=TLSv1.* server_tls=TLSv1.*end=done'
}

plain_get() {
	curl -sS --max-time 20 "http://127.0.0.1:$1/index.html"
}

verified_servers() {
	says 'this is s' plain_get "$gate_good"
	says 'this is s' plain_get "$gate_system"
	refuses plain_get "$gate_other_name"
	ends other_name tls 'hostname mismatch'
	refuses plain_get "$gate_other_ca"
	ends other_ca tls "the server's certificate: "
}

fingerprint() {
	s_client "$gate_both" -servername a.example |
	    openssl x509 -noout -fingerprint
}

reloaded() {
	grep -c 'generation [0-9]* is in effect' "$scratch/gate.log" || :
}

has_reloaded() {
	[ "$(reloaded)" -ge "$1" ]
}

# A new certificate is served after HUP, by a signer that has its key; a key
# that does not fit changes nothing.
reloads() {
	before=$(fingerprint)
	make_cert --force --ca="$scratch/ca.pem" --out="$scratch/a.example" \
	    a.example
	kill -HUP "$gate_pid"
	until_true 20 has_reloaded 1
	after=$(fingerprint)
	[ "$before" != "$after" ]
	says 'this is s' get "$gate_both" a.example
	cp "$scratch/b.example.key" "$scratch/a.example.key"
	kill -HUP "$gate_pid"
	until_true 20 grep -q 'it is not the key of certificate' \
	    "$scratch/gate.log"
	[ "$(fingerprint)" = "$after" ]
	says 'this is s' get "$gate_both" a.example
}

trap scratch_end EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
for program in openssl curl python3; do
	need "$program"
done
scratch_begin
make_certificates
web a
web b
web c
secret_web s db.example
for name in a b c s; do
	eval "until_true 20 answers \$port_$name"
done
write_conf >"$scratch/gate.conf"
# What the system trusts, as OpenSSL has it.
SSL_CERT_FILE=$scratch/ca.pem
export SSL_CERT_FILE
gate_start "$scratch/gate.conf"
unset SSL_CERT_FILE

check "a name leads to its server, each with its certificate" routes_by_name
check "a client that names nobody goes to the forward" default_route
check "a protocol by ALPN leads to its server" route_by_alpn
check "no protocol in common is an alert" no_alpn_in_common
check "who can check RSA alone gets that certificate" rsa_for_who_needs_it
check "sessions are resumed, and at their listener alone" resumes
check "a version below min_version is refused and named" old_version
check "HTTP is told from TLS" not_tls
check "a client that does not trust us is heard" distrust
check "clients prove themselves by a certificate" client_certificates
check "TLS on both sides" both_sides
check "a server's certificate must be good for its name" verified_servers
check "a new certificate by HUP, and no bad one" reloads
cases_end
