#!/bin/sh
# codes.sh - logins with one-time codes, by real clients, at real servers.
#
# SALLYPORTD=path/to/sallyportd tests/interop/codes.sh
#
# What each sees, what reaches a server, and what does not.  MySQL and MariaDB
# 11.8 are fetched once and stay in _build/peers, or where $SALLYPORT_PEERS
# says; without them their parts are left out.
#
# Exit 0, 1 when something failed, 77 when there is no MariaDB here.
#
# shellcheck disable=SC2154	# eval sets what has a server's name in it
set -eu

: "${SALLYPORTD:?path of the sallyportd to test}"
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/interop/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/interop/cases.sh
. "$here/cases.sh"
# shellcheck source=tests/interop/servers.sh
. "$here/servers.sh"
suite=codes
ctl=$(dirname "$SALLYPORTD")/sallyportctl

totp() {
	python3 "$here/totp.py" "$@"
}

# no COMMAND...: it fails; errexit does not see a "!".
no() {
	if "$@"; then
		fail "this was not to be: $*"
	fi
}

# --- sallyportd

# account NAME SERVERS...: the real one of that name, for users of the group,
# at the listeners of these servers.
account() {
	name=$1
	shift
	password_of "$name" >"$scratch/$name.password"
	chmod 600 "$scratch/$name.password"
	names=
	for server; do
		names="$names${names:+, }\"$server\""
	done
	cat <<END
	{ users = "*"; account = "$name"; database = "demo";
	  password_file = "$scratch/$name.password";
	  listeners = ( $names ); },
END
}

# front NAME RELAY [KEYS [FORWARD]]: sets gate_NAME.
front() {
	pick_port
	eval "gate_$1=$port"
	eval "at=\$relay_$2"
	cat <<END
	{ name = "$1"; listen = "127.0.0.1:$port"; protocol = "mysql";
	  forward = ( "${4:-127.0.0.1:$at}" ); login = "totp";
	  tls = { mode = "offer"; key = "$scratch/key.pem";
		  certificate = "$scratch/certificate.pem"; }; ${3:-} },
END
}

write_conf() {
	cat <<END
user = "nobody";
auth_user = "nobody";
log = { to = "stdout"; };
control = { path = "$scratch/run/control"; };
totp = { state = "$scratch/used"; tries = 5; lock = "1h"; $1 };
${2:-}
groups = ( { name = "few"; users = ( "one", "two" ); } );
backends = (
END
	if has_server mysql; then
		cp "$scratch/mysql/public_key.pem" "$scratch/pinned.pem"
		cat <<END
	{ name = "pinned"; servers = ( "127.0.0.1:$relay_mysql" );
	  server_public_key = "$scratch/pinned.pem"; },
	{ name = "tls"; servers = ( "127.0.0.1:$relay_mysqls" );
	  tls = { mode = "require"; verify = "none"; }; },
	{ name = "last"; servers = ( "localhost:$relay_mysqls" );
	  tls = { mode = "require"; verify = "none"; }; },
END
	fi
	# The last one needs no comma.
	cat <<END
	{ name = "gone"; servers = "127.0.0.1:1"; } );
accounts = (
END
	if has_server mysql; then
		account sha2 mysql mysqls later
	fi
	if has_server maria11; then
		account ed25519 maria11
		account parsec maria11s parsec
	fi
	if [ -n "$outside" ]; then
		account native maria10 must self
	else
		account native maria10 must
	fi
	cat <<END
	{ users = "@few"; account = "nobody"; listeners = "gone"; } );
listeners = (
END
	if has_server mysql; then
		front mysql mysql '' backend:pinned
		front mysqls mysqls '' backend:tls
		front later mysqls '' 'backend:gone", "backend:last'
	fi
	if has_server maria11; then
		front maria11 maria11
		front parsec maria11
		front maria11s maria11s
	fi
	if [ -n "$outside" ]; then
		pick_port
		gate_self=$port
		cat <<END
	{ name = "self"; listen = "$outside:$port"; protocol = "mysql";
	  forward = "127.0.0.1:$relay_maria10"; login = "totp";
	  tls = { mode = "require"; key = "$scratch/self.key";
		  certificate = "$scratch/self.pem"; }; },
END
	fi
	front maria10 maria10 "query_log = { to = \"$scratch/records/it\";
		format = \"json\"; commands = \"all\"; };"
	front gone maria10 '' backend:gone
	pick_port
	gate_must=$port
	cat <<END
	{ name = "must"; listen = "127.0.0.1:$gate_must"; protocol = "mysql";
	  forward = "127.0.0.1:$relay_maria10"; login = "totp";
	  tls = { mode = "require"; key = "$scratch/key.pem";
		  certificate = "$scratch/certificate.pem"; }; }
);
END
}

start_gate() {
	mkdir -p "$scratch/records"
	owned "$scratch/records"
	write_conf "${1:-} ${2:-file = \"$scratch/people\";}" "${3:-}" \
	    >"$scratch/gate.conf"
	[ -e "$scratch/people" ] || : >"$scratch/people"
	chmod 600 "$scratch/people"
	gate_start "$scratch/gate.conf"
}

# As one who edits the configuration, and has it taken.
control() {
	"$ctl" -s "$scratch/run/control" "$@"
}

# person NAME [SECRET [OPTIONS]]: another one in the file; sets secret_of.
person() {
	secret_of=${2:-$(totp secret)}
	echo "$1 $secret_of ${3:-}" >>"$scratch/people"
}

# somebody: a new person with a name of its own; sets who and secret_of.
somebody() {
	who=u$(random_hex 5)
	# What others got wrong from here is not ours.
	control unlock 127.0.0.1 >/dev/null 2>&1 || :
	person "$who" "$@"
}

code() {
	totp code "$secret_of" "$@"
}

# --- who gets in

# is_account CLIENT TLS LISTENER ACCOUNT: a code lets somebody in as that.
is_account() {
	has_client "$1" || { echo "no $1 here"; exit 77; }
	somebody
	eval "port=\$gate_$3"
	as_client "$1" "$2" "$port" "$who" "$who$(code)" \
	    'SELECT CURRENT_USER(), DATABASE()' >"$scratch/out"
	printf '%s@%%\tdemo\n' "$4" | cmp - "$scratch/out"
}

# refused NUMBER PORT USER PASSWORD [TLS]: with that error.
refused() {
	if as_client mariadb10 "${5:-plain}" "$2" "$3" "$4" 'SELECT 1' \
	    >"$scratch/out" 2>&1; then
		fail "$3 was let in"
	fi
	grep -q "ERROR $1 " "$scratch/out" || fail "$(cat "$scratch/out")"
}

let_in() {
	[ "$(as_client mariadb10 plain "$1" "$2" "$3" 'SELECT 41 + 1')" = 42 ]
}

matrix() {
	for client in mariadb10 mariadb11 mysql97; do
		for tls in tls plain; do
			check "$client, $tls, at MariaDB 10.11 by native" \
			    is_account $client $tls maria10 native
			has_server mysql || continue
			check "$client, $tls, at MySQL by caching_sha2" \
			    is_account $client $tls mysqls sha2
			has_server maria11 || continue
			check "$client, $tls, at MariaDB 11.8 by parsec" \
			    is_account $client $tls maria11s parsec
		done
	done
	if has_server maria11; then
		check 'ed25519' is_account mariadb10 plain maria11 ed25519
	fi
	if has_server mysql; then
		check 'MySQL that has forgotten, and its key is known' \
		    is_cold mysql
		check 'MySQL that has forgotten, by TLS' is_cold mysqls
		check 'and where the first server is away' is_cold mysqls later
	fi
}

# is_cold SERVER [LISTENER]: as that calls itself, if not as the server.
is_cold() {
	server_sql "$1" 'FLUSH PRIVILEGES'
	is_account mariadb10 plain "${2:-$1}" sha2
	is_account mysql97 tls "${2:-$1}" sha2
	no on_wire "$1" "$(password_of sha2)"
}

warm() {
	as_client mysql97 plain "$port_mysqls" sha2 "$(password_of sha2)" \
	    'SELECT 1'
}

# --- codes

wrong_ones() {
	somebody
	mine=$secret_of
	before=$(connections_to maria10)
	refused 1045 "$gate_maria10" "$who" "$who$(code -5)"
	refused 1045 "$gate_maria10" "$who" "$who$(code 5)"
	control unlock "$who"
	control unlock 127.0.0.1
	secret_of=$(totp secret)
	refused 1045 "$gate_maria10" "$who" "$who$(code)"
	secret_of=$mine
	refused 1045 "$gate_maria10" "$who" "$(code)"
	control unlock "$who"
	control unlock 127.0.0.1
	refused 1045 "$gate_maria10" "$who" "x$who$(code)"
	refused 1045 "$gate_maria10" "nobody-$who" "nobody-$who$(code)"
	control unlock 127.0.0.1
	control unlock "$who"
	[ "$(connections_to maria10)" -eq "$before" ] ||
	    fail "a server heard of it"
	let_in "$gate_maria10" "$who" "$who$(code)"
}

near_ones() {
	somebody
	let_in "$gate_maria10" "$who" "$who$(code -1)"
	let_in "$gate_maria10" "$who" "$who$(code)"
	let_in "$gate_maria10" "$who" "$who$(code 1)"
}

only_once() {
	somebody
	now=$(code)
	let_in "$gate_maria10" "$who" "$who$now"
	refused 1045 "$gate_maria10" "$who" "$who$now"
	# Nor one of before.
	refused 1045 "$gate_maria10" "$who" "$who$(code -1)"
	grep -q "user=$who .*reason=code_spent" "$scratch/gate.log"
	no control unlock "$who"
}

without_zeros() {
	totp fresh
	somebody "$(totp zero)"
	let_in "$gate_maria10" "$who" "$who$(code | sed 's/^0*//')"
	somebody "$(totp zero)"
	let_in "$gate_maria10" "$who" "$who$(code)"
}

of_other_kinds() {
	somebody "$(totp secret)" 'digits=8 algorithm=SHA256'
	let_in "$gate_maria10" "$who" "$who$(code 0 8 SHA256)"
	somebody "$(totp secret)" 'algorithm=SHA512'
	let_in "$gate_maria10" "$who" "$who$(code 0 6 SHA512)"
	somebody "$(totp secret | tr '[:upper:]' '[:lower:]' | sed 's/..../& /g')"
	secret_of=$(echo "$secret_of" | tr -d ' ' | tr '[:lower:]' '[:upper:]')
	let_in "$gate_maria10" "$who" "$who$(code)"
}

one_code_fifty_times() {
	somebody
	[ "$(totp crowd "$gate_maria10" "$who" "$who$(code)" 50)" -eq 1 ]
}

# What portproxy let in: its name was part of a statement.
injected() {
	known=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP
	secret_of=$known
	for name in "x' union select '$known' -- " "x' or '1'='1" 'a\b' '"' \
	    "$(printf 'a\nb')" "$(printf 'a\033[31m')" '%s%s%n' '@few' '*' \
	    '#' 'a b' "$(head -c 200 /dev/zero | tr '\0' x)"; do
		refused 1045 "$gate_maria10" "$name" "$name$(code)"
		control unlock 127.0.0.1 || :
	done
	# Each line of the log is one line.
	no grep -v '^20[0-9][0-9]-' "$scratch/gate.log"
}

guessed() {
	somebody
	totp guess "$gate_maria10" "$who" "$guesses" >"$scratch/out"
	cat "$scratch/out"
	# Five that were looked at, or less; and then it is locked.
	looked=$(sed -n 's/.*1045:\([0-9]*\).*/\1/p' "$scratch/out")
	[ "$looked" -le 5 ]
	if grep -q in: "$scratch/out"; then fail "one was right"; fi
	grep -q 3955: "$scratch/out"
	control unlock "$who"
	control unlock 127.0.0.1
	let_in "$gate_maria10" "$who" "$who$(code)"
}

locked() {
	somebody
	for _ in 1 2 3 4 5; do
		refused '\(1045\|3955\)' "$gate_maria10" "$who" "${who}0"
		until_true 40 is_waited_for
	done
	grep -q "locked: .*user=$who" "$scratch/gate.log"
	control unlock "$who"
	control unlock 127.0.0.1
}

# The wait after the last try is over, or it is a lock.
is_waited_for() {
	as_client mariadb10 plain "$gate_maria10" "$who" "${who}1" \
	    'SELECT 1' >"$scratch/out" 2>&1 || :
	! grep -q 'again in [0-9] seconds' "$scratch/out"
}

# --- the account

no_account() {
	person stranger
	refused 1045 "$gate_gone" stranger "stranger$(code)"
}

no_server() {
	person one
	refused 1429 "$gate_gone" one "one$(code)"
}

must_have_tls() {
	somebody
	refused 3159 "$gate_must" "$who" "$who$(code)"
	as_client mariadb10 tls "$gate_must" "$who" "$who$(code)" 'SELECT 1'
}

# What is wrong with the account is told, but not what it is.
wrong_account() {
	server_sql maria10 "SET PASSWORD FOR native@'%' = PASSWORD('other')"
	somebody
	status=0
	refused 1045 "$gate_maria10" "$who" "$who$(code)" || status=1
	server_sql maria10 \
	    "SET PASSWORD FOR native@'%' = PASSWORD('$(password_of native)')"
	[ "$status" -eq 0 ]
	grep -q 'your code was right' "$scratch/out"
	if grep -q native "$scratch/out"; then fail "$(cat "$scratch/out")"; fi
	session_lines "user=$who" | grep -q 'refuses the account'
}

# A client of MariaDB 11.4 or later has a certificate that it cannot check
# vouched for by who knows the password: nobody has told it of ours.
vouched_for() {
	[ -n "$outside" ] || { echo "no network of our own"; exit 77; }
	has_client mariadb11 || { echo "no MariaDB 11.8 here"; exit 77; }
	somebody
	timeout 20 "$peers/mariadb/mariadb" -h "$outside" -P "$gate_self" \
	    -u "$who" --password="$who$(code)" -N -B \
	    -e "SHOW STATUS LIKE 'Ssl_cipher'; SELECT CURRENT_USER()" \
	    >"$scratch/out" 2>&1 || fail "$(cat "$scratch/out")"
	grep -qx 'native@%' "$scratch/out"
}

change_of_user() {
	somebody
	own_client plain "$gate_maria10" "$who" "$who$(code)" \
	    change_user native "$(password_of native)" >"$scratch/out" 2>&1 || :
	grep -q 1227 "$scratch/out" || fail "$(cat "$scratch/out")"
}

in_the_record() {
	somebody
	let_in "$gate_maria10" "$who" "$who$(code)"
	until_true 5 grep -q "\"user\":\"$who\".*41 + 1" "$scratch/records/it"
	until_true 5 has_sessions 1 "user=$who account=native"
}

# A session that goes on, and its worker's process: sets worker.
hold() {
	# It is to be ended by the daemon, and not before that by us.
	client_seconds=100
	as_client mariadb10 plain "$gate_maria10" "$who" "$who$(code)" \
	    'SELECT SLEEP(300)' >/dev/null 2>&1 &
	held=$!
	client_seconds=
	until_true 10 is_held
	worker=$(control --json sessions --user="$who" |
	    sed -n 's/.*"pid":\([0-9]*\).*/\1/p')
}

is_held() {
	control sessions --user="$who" | grep -q "$who"
}

processes_of() {
	control --json status | grep "\"role\":\"$1\"" |
	    sed -n 's/.*"pid":\([0-9]*\).*/\1/p'
}

no_secret_in_memory() {
	[ "$(id -u)" -eq 0 ] || { echo "root alone may look"; exit 77; }
	somebody
	hold
	for pid in $worker $(processes_of spawner) $(processes_of control) \
	    $(processes_of keeper) $(processes_of logger); do
		totp scan "$pid" "$(password_of native)" "$secret_of" \
		    >"$scratch/out"
		grep -qx nothing "$scratch/out" || fail "$(cat "$scratch/out")"
	done
	# Else this would not be seen at all.
	totp scan "$(processes_of auth)" "$(password_of native)" |
	    grep -q "$(password_of native)"
	kill "$held" 2>/dev/null || :
}

taken_away() {
	somebody
	hold
	control totp remove "$who" >"$scratch/out"
	grep -q '^1 session ended' "$scratch/out"
	until_true 5 is_gone "$held"
	refused 1045 "$gate_maria10" "$who" "$who$(code 1)"
	no grep -q "$secret_of" "$scratch/people"
}

# Whoever mends the file with an editor has another file in its place.
edited() {
	somebody
	hold
	grep -v "^$who " "$scratch/people" >"$scratch/people.new"
	chmod 600 "$scratch/people.new"
	mv "$scratch/people.new" "$scratch/people"
	control reload
	until_true 40 is_gone "$held"
	refused 1045 "$gate_maria10" "$who" "$who$(code 1)"
}

# --- sallyportctl

by_command() {
	control totp add cmd digits=8 >"$scratch/out"
	secret_of=$(sed -n 's/.*secret=\([A-Z2-7]*\)&.*/\1/p' "$scratch/out")
	[ "$(control totp check cmd "$(code 0 8)")" = right ]
	no control totp check cmd 00000000
	let_in "$gate_maria10" cmd "cmd$(code 0 8)"
	control totp list | grep -q '^cmd  *8  *30 SHA1'
	control totp recovery cmd >"$scratch/recovery"
	[ "$(wc -l <"$scratch/recovery")" -eq 10 ]
	first=$(head -n 1 "$scratch/recovery")
	let_in "$gate_maria10" cmd "cmd$first"
	refused 1045 "$gate_maria10" cmd "cmd$first"
	control totp list | grep -q '^cmd .* 9$'
	no control totp add 'a b'
	no control totp add cmd digits=7
	control totp remove cmd
	no control totp remove cmd
}

# --- ends

auth_is_another() {
	new=$(processes_of auth)
	[ -n "$new" ] && [ "$new" != "$old" ]
}

auth_dies() {
	somebody
	now=$(code)
	let_in "$gate_maria10" "$who" "$who$now"
	old=$(processes_of auth)
	kill -9 "$old"
	until_true 10 auth_is_another
	# None that could have been used works now.
	refused 1045 "$gate_maria10" "$who" "$who$now"
	refused 1045 "$gate_maria10" "$who" "$who$(code 1)"
}

# While somebody waits for its answer: that one fails, and nothing is stuck.
auth_dies_amid() {
	somebody
	old=$(processes_of auth)
	now=$(code)
	kill -STOP "$old"
	as_client mariadb10 plain "$gate_maria10" "$who" "$who$now" \
	    'SELECT 1' >"$scratch/amid" 2>&1 &
	waits=$!
	until_true 5 is_asked
	kill -9 "$old"
	no wait "$waits"
	grep -q 'ERROR 1045' "$scratch/amid" || fail "$(cat "$scratch/amid")"
	until_true 10 auth_is_another
	refused 1045 "$gate_maria10" "$who" "$who$now"
}

# Its worker has sent the question, and so has no more to do.
is_asked() {
	control --json sessions | grep -q '"connected":false'
}

restarted() {
	somebody
	now=$(code)
	let_in "$gate_maria10" "$who" "$who$now"
	end_process "$gate_pid"
	head -n 1 "$scratch/used" | grep -qx clean
	gate_start "$scratch/gate.conf"
	# For those after us: this is a subshell.
	echo "$gate_pid" >"$scratch/gate.pid"
	refused 1045 "$gate_maria10" "$who" "$who$now"
	let_in "$gate_maria10" "$who" "$who$(code 1)"
}

reused() {
	somebody
	now=$(code)
	[ "$(totp crowd "$gate_maria10" "$who" "$who$now" 50)" -eq 50 ]
	let_in "$gate_maria10" "$who" "$who$now"
}

# --- the code apart from the password

# A client of MariaDB asks its user for it.
asked_for() {
	somebody "$(totp secret)" password=hunter2
	for client in mariadb "$peers/mariadb/mariadb"; do
		[ "$client" = mariadb ] || has_client mariadb11 || continue
		[ "$client" = mariadb ] || somebody "$(totp secret)" \
		    password=hunter2
		no timeout 20 python3 "$here/totp.py" typed 000000 "$client" \
		    -h 127.0.0.1 -P "$gate_maria10" -u "$who" -phunter2 \
		    --ssl-ca="$scratch/ca.pem" -N -e 'SELECT 41 + 1'
		timeout 20 python3 "$here/totp.py" typed "$(code)" "$client" \
		    -h 127.0.0.1 -P "$gate_maria10" -u "$who" -phunter2 \
		    --ssl-ca="$scratch/ca.pem" -N -e 'SELECT 41 + 1' \
		    >"$scratch/out"
		grep -q 42 "$scratch/out" || fail "$(cat "$scratch/out")"
	done
	# Nor does it cross a network that others see.
	refused 3159 "$gate_maria10" "$who" hunter2
}

# MySQL's has more than one factor.
second_factor() {
	has_client mysql97 || { echo "no MySQL 9.7 here"; exit 77; }
	for at in maria10 mysqls; do
		somebody "$(totp secret)" password=hunter2
		now=$(code)
		eval "port=\$gate_$at"
		for how in tls plain; do
			no by_factors wrong "$(code 1)"
			control unlock "$who"
			control unlock 127.0.0.1
			by_factors hunter2 "$(if [ $how = tls ]; then
				echo "$now"; else code 1; fi)" >"$scratch/out"
			grep -qx 42 "$scratch/out"
		done
		no by_factors hunter2 "$now"
	done
}

by_factors() {
	mode=REQUIRED
	[ "$how" = tls ] || mode=DISABLED
	timeout 20 "$peers/mysql/mysql" -h 127.0.0.1 -P "$port" --protocol=tcp \
	    -u "$who" --ssl-mode=$mode --password1="$1" --password2="$2" \
	    -N -B -e 'SELECT 41 + 1'
}

# --- secrets in a table, portproxy's

# Of a server that can be stopped without the one that is logged in to.
table_begin() {
	server_sql maria11 "CREATE TABLE demo.otp_secret (
		name VARCHAR(50) NOT NULL, secret CHAR(32), UNIQUE (name))"
	password_of ed25519 >"$scratch/otp.password"
	chmod 600 "$scratch/otp.password"
	# Its writer has an account of the plugin that every library has.
	server_sql maria11 "CREATE USER reader@'%' IDENTIFIED BY \
		'$(password_of ed25519)'; GRANT SELECT ON demo.* TO reader@'%'"
	start_gate '' 'secrets = "table";' "otp_table = {
		server = \"localhost:$port_maria11\"; user = \"reader\";
		password_file = \"$scratch/otp.password\";
		database = \"demo\"; };"
}

# in_table NAME [SECRET]: as person, there.
in_table() {
	secret_of=${2:-$(totp secret)}
	who=$1
	control unlock 127.0.0.1 >/dev/null 2>&1 || :
	server_sql maria11 "INSERT INTO demo.otp_secret
		VALUES ('$1', '$secret_of')"
}

by_table() {
	in_table tom
	used=$(code)
	let_in "$gate_maria10" tom "tom$used"
	refused 1045 "$gate_maria10" tom "tom$used"
	# To the database these are the same.
	refused 1045 "$gate_maria10" TOM "TOM$(code 1)"
	refused 1045 "$gate_maria10" "tom'" "tom'$(code 1)"
	control unlock 127.0.0.1
	in_table "o'brien" "$(totp secret | cut -c 1-16)" 2>/dev/null ||
	    in_table "o''brien" "$(totp secret | cut -c 1-16)"
	let_in "$gate_maria10" "o'brien" "o'brien$(code)"
	in_table bad 'not base 32'
	refused 1045 "$gate_maria10" bad "bad$(code 2>/dev/null)"
	no control totp list
}

table_is_slow() {
	in_table first
	let_in "$gate_maria10" first "first$(code)"
	mine=$secret_of
	in_table second
	kill -STOP "$(server_pid maria11)"
	status=0
	refused 1105 "$gate_maria10" second "second$(code)" &
	waits=$!
	# Others do not wait for it.
	began=$(now)
	secret_of=$mine
	let_in "$gate_maria10" first "first$(code 1)" || status=1
	[ $(($(now) - began)) -lt 150 ] || status=1
	wait "$waits" || status=1
	kill -CONT "$(server_pid maria11)"
	[ "$status" -eq 0 ] || fail "somebody waited: $(cat "$scratch/out")"
}

table_is_back() {
	in_table third
	server_sql maria11 "RENAME TABLE demo.otp_secret TO demo.away"
	refused 1105 "$gate_maria10" third "third$(code)"
	grep -q "otp_secret' doesn't exist" "$scratch/gate.log"
	server_sql maria11 "RENAME TABLE demo.away TO demo.otp_secret"
	until_true 10 let_in "$gate_maria10" third "third$(code)"
}

no_table_server() {
	in_table fourth
	refused 1105 "$gate_maria10" fourth "fourth$(code)"
	# And who guesses learns no more from it than who knows.
	refused 1105 "$gate_maria10" fourth fourth000000
}

out_of_table() {
	in_table gone
	hold
	server_sql maria11 "DELETE FROM demo.otp_secret WHERE name = 'gone'"
	until_true 50 is_gone "$held"
	until_true 15 has_sessions 1 'user=gone .*end=killed'
}

# The command line and the file of portproxy, with its tables.
portproxy() {
	server_sql maria10 "CREATE TABLE demo.query_log (
		id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
		bindport SMALLINT UNSIGNED NOT NULL, client CHAR(15) NOT NULL,
		client_port SMALLINT UNSIGNED NOT NULL, server CHAR(15) NOT NULL,
		server_port SMALLINT UNSIGNED NOT NULL,
		sql_type VARCHAR(30) NOT NULL DEFAULT 'Query', sql_string TEXT,
		create_time DATETIME NOT NULL);
		CREATE TABLE demo.otp_secret (name VARCHAR(50) NOT NULL,
		secret CHAR(16), UNIQUE (name))"
	secret_of=$(totp secret | cut -c 1-16)
	server_sql maria10 "INSERT INTO demo.otp_secret
		VALUES ('bob', '$secret_of')"
	cat >"$scratch/conf.cnf" <<END
[backend]
dsn = native:$(password_of native)@tcp(127.0.0.1:$port_maria10)/demo?charset=utf8
[onlineread]
user = native
pass = $(password_of native)
END
	chmod 600 "$scratch/conf.cnf"
	pick_port
	mkdir "$scratch/portproxy"
	"$SALLYPORTD" -conf="$scratch/conf.cnf" -bind="127.0.0.1:$port" \
	    -backend="127.0.0.1:$port_maria10" -buffer=4096 -daemon=false \
	    -logTo=stdout >"$scratch/portproxy.log" 2>&1 </dev/null &
	pid=$!
	until_true 20 grep -q 'ready' "$scratch/portproxy.log" ||
	    fail "$(cat "$scratch/portproxy.log")"
	# Without a state nothing that may have been used is taken.
	status=0
	until_true 100 has_come_in || status=1
	until_true 10 is_in_query_log || status=1
	end_process "$pid"
	[ "$status" -eq 0 ] || fail "$(cat "$scratch/portproxy.log")"
	no grep -q "$(password_of native)" "$scratch/portproxy.log"
}

has_come_in() {
	sleep 2
	as_client mariadb10 plain "$port" bob "bob$(code 1)" 'SELECT 41 + 1' \
	    >"$scratch/out" 2>&1
}

is_in_query_log() {
	server_sql maria10 "SELECT CONCAT(bindport, sql_string)
		FROM demo.query_log" | grep -qx "${port}SELECT 41 + 1"
}

trap 'scratch_end' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
for program in mariadbd mariadb python3 openssl; do
	need "$program"
done
guesses=1000
[ -z "${SALLYPORT_FULL:-}" ] || guesses=10000
scratch_begin
get_peers
apart "$0" "$@"
servers_start
relays_start
start_gate
[ -z "$have_mysql" ] || warm >/dev/null
matrix
check 'codes that are wrong, old or of others' wrong_ones
check 'codes of the steps beside this one' near_ones
check 'a code works once' only_once
check 'leading zeros may be left out' without_zeros
check 'codes of other kinds' of_other_kinds
check 'one of fifty at once with one code' one_code_fifty_times
check 'names that are statements' injected
check "$guesses guesses" guessed
check 'a user is locked after five' locked
check 'somebody without an account' no_account
check 'no server' no_server
check 'a listener that requires TLS' must_have_tls
check 'an account that the server refuses' wrong_account
check 'a certificate that nobody told the client of' vouched_for
check 'a change of user is refused' change_of_user
check 'the record and the log name the user' in_the_record
check 'no secret is in the memory of those who serve' no_secret_in_memory
check 'who is removed is out' taken_away
check 'who is edited away is out' edited
check 'sallyportctl' by_command
check 'nothing works twice over a restart' restarted
if [ -s "$scratch/gate.pid" ]; then gate_pid=$(cat "$scratch/gate.pid"); fi
check 'nothing works twice over a crash' auth_dies
check 'auth is killed amid a login' auth_dies_amid
end_process "$gate_pid"
rm -f "$scratch/used"
start_gate 'reuse = "30s";'
check 'fifty at once with one code, where that is allowed' reused
end_process "$gate_pid"
rm -f "$scratch/used"
start_gate 'code = "asked"; password = "%p";'
check 'a code that MariaDB clients ask for' asked_for
check 'a code as a second factor' second_factor
check 'no password was on the wire' sh -c \
    "! grep -rqaF -e '$(password_of native)' '$scratch/wire'"
if [ -n "$have_maria11" ]; then
	end_process "$gate_pid"
	rm -f "$scratch/used"
	table_begin
	check 'secrets of a table' by_table
	check 'others do not wait for a table that is slow' table_is_slow
	check 'a table that is away, and back' table_is_back
	check 'who is taken out of a table is out' out_of_table
	end_process "$gate_pid"
	sed -i "s/server = \"localhost:$port_maria11\"; user/server = \"127.0.0.1:1\"; user/" \
	    "$scratch/gate.conf"
	gate_start "$scratch/gate.conf"
	check 'a table whose server is not there from the start' \
	    no_table_server
fi
check 'the command line of portproxy' portproxy
cases_end
