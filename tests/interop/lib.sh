# shellcheck shell=sh
# lib.sh - a MariaDB of our own and a sallyportd in front of it.
#
# Sourced by the tests here and by contrib/quickstart.  Nothing of the
# system's is touched: the server has its data below one scratch folder,
# runs as somebody without rights and listens on 127.0.0.1 and a socket.
#
# scratch_begin makes the folder, $scratch; scratch_end, which the caller has
# traps for, ends what was started (by process id) and removes the folder.

PATH=$PATH:/usr/sbin:/sbin:/usr/libexec
export PATH

scratch=
db_pid=
gate_pid=
db_options=	# of the server, words that the caller adds
other_pids=	# of what else the caller started

scratch_begin() {
	scratch=$(mktemp -d "${TMPDIR:-/tmp}/sallyport.XXXXXX")
	# The server and the workers, who are not us, must get through.
	chmod 755 "$scratch"
}

scratch_end() {
	[ -n "$scratch" ] || return 0
	trap '' HUP INT TERM
	for pid in $gate_pid $db_pid $other_pids; do
		end_process "$pid"
	done
	rm -rf "$scratch"
	scratch=
}

# Hundredths of a second of a clock that nobody sets.
now() {
	read -r up _ </proc/uptime
	echo "${up%.*}${up#*.}"
}

# until_true SECONDS COMMAND...: whether it became true in time.
until_true() {
	deadline=$(($(now) + $1 * 100))
	shift
	until "$@"; do
		[ "$(now)" -lt "$deadline" ] || return 1
		sleep 0.05
	done
}

is_running() {
	kill -0 "$1" 2>/dev/null
}

is_gone() {
	! is_running "$1"
}

# A child of ours; with SIGKILL if it does not hear.
end_process() {
	[ -n "$1" ] || return 0
	kill "$1" 2>/dev/null || return 0
	until_true 15 is_gone "$1" || kill -9 "$1" 2>/dev/null || :
	wait "$1" 2>/dev/null || :
}

random_hex() {
	od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'
}

# Is the port in nobody's use?  Without ss(8), which a bare system lacks.
port_is_free() {
	! cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
	    grep -q "$(printf ':%04X ' "$1")"
}

# Does somebody listen there by now?
port_is_served() {
	until_true 15 port_is_taken "$1"
}

port_is_taken() {
	! port_is_free "$1"
}

# Sets port, to another one each time.  Below the ephemeral ports, so that
# no outgoing connection takes it before we do; SALLYPORT_LANE, 1 to 3, keeps
# scripts that run at one time apart.
pick_port() {
	first=$((22000 + 1000 * ${SALLYPORT_LANE:-0}))
	if [ -z "${port:-}" ]; then
		port=$((0x$(random_hex 2)))
	fi
	port=$((first + (port + 1) % 1000))
	until port_is_free "$port"; do
		port=$((first + (port + 1) % 1000))
	done
}

# The SQL that makes the system tables; its name has changed over time.
system_tables() {
	for stem in /usr/share/mysql/mysql /usr/share/mysql/mariadb \
	    /usr/share/mariadb/mysql /usr/share/mariadb/mariadb; do
		[ -r "${stem}_system_tables.sql" ] || continue
		cat "${stem}_system_tables.sql" \
		    "${stem}_performance_tables.sql" \
		    "${stem}_system_tables_data.sql"
		return
	done
	echo "the SQL of MariaDB's system tables is not here" >&2
	return 1
}

mariadbd_run() {
	# Root must not, and we need not; anybody else stays what he is.
	if [ "$(id -u)" -eq 0 ]; then
		set -- --user=nobody "$@"
	fi
	exec mariadbd --no-defaults --datadir="$scratch/data" \
	    --innodb-buffer-pool-size=64M --innodb-log-file-size=16M \
	    --innodb-flush-log-at-trx-commit=0 --innodb-use-native-aio=0 \
	    --skip-name-resolve "$@"
}

# db_new: an empty server, and in it what the SQL on standard input makes, a
# statement a line.  No account is left but those that the SQL creates.
db_new() {
	mkdir -p "$scratch/data" "$scratch/run"
	if [ "$(id -u)" -eq 0 ]; then
		chown nobody "$scratch/data" "$scratch/run"
	fi
	chmod 700 "$scratch/data"
	{
		echo 'CREATE DATABASE mysql;'
		echo 'USE mysql;'
		echo 'SET @auth_root_socket = NULL;'
		system_tables
		echo 'DELETE FROM mysql.global_priv;'
		echo 'FLUSH PRIVILEGES;'
		cat
	} | (mariadbd_run --bootstrap --skip-networking --log-warnings=0 \
	    --enforce-storage-engine= --max-allowed-packet=8M) \
	    >"$scratch/bootstrap.log" 2>&1 && return
	tail -n 20 "$scratch/bootstrap.log" >&2
	return 1
}

db_is_ready() {
	grep -q 'ready for connections' "$scratch/db.log" ||
	    is_gone "$db_pid"
}

# db_start: sets db_pid, db_port and db_socket.
# shellcheck disable=SC2034	# they are for the caller
db_start() {
	db_socket=$scratch/run/db.sock
	# Somebody else may take the port between our look and the bind.
	for _ in 1 2 3; do
		pick_port
		db_port=$port
		: >"$scratch/db.log"
		# shellcheck disable=SC2086	# they are words
		mariadbd_run --socket="$db_socket" --port="$db_port" \
		    --bind-address=127.0.0.1 --max-connections=500 \
		    --pid-file="$scratch/run/db.pid" $db_options \
		    >"$scratch/db.log" 2>&1 </dev/null &
		db_pid=$!
		if until_true 60 db_is_ready && is_running "$db_pid"; then
			return 0
		fi
		end_process "$db_pid"
		db_pid=
	done
	tail -n 20 "$scratch/db.log" >&2
	return 1
}

gate_is_ready() {
	grep -q 'master\[[0-9]*\]: ready' "$scratch/gate.log" ||
	    is_gone "$gate_pid"
}

# gate_start CONF: $SALLYPORTD with that file; sets gate_pid.  What it logs
# to stdout goes to $scratch/gate.log.
gate_start() {
	: >"$scratch/gate.log"
	"$SALLYPORTD" -f "$1" >"$scratch/gate.log" 2>&1 </dev/null &
	gate_pid=$!
	if until_true 30 gate_is_ready && is_running "$gate_pid"; then
		return 0
	fi
	cat "$scratch/gate.log" >&2
	return 1
}

# The lines of ended sessions; the rest of the arguments go to grep.
session_lines() {
	grep '\]: session id=' "$scratch/gate.log" | grep "$@"
}

# has_sessions N PATTERN: are there that many lines, or more, by now?
has_sessions() {
	[ "$(session_lines -c "$2")" -ge "$1" ]
}
