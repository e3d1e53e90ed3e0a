# shellcheck shell=sh
# daemons.sh - several daemons on one host, each with a name, and their logs.
#
# Sourced after lib.sh.  A daemon's configuration is $scratch/NAME.conf.
#
# shellcheck disable=SC2154	# scratch and other_pids are lib.sh's

daemon() {
	: >"$scratch/$1.log"
	"$SALLYPORTD" -f "$scratch/$1.conf" >>"$scratch/$1.log" 2>&1 \
	    </dev/null &
	echo $! >"$scratch/$1.pid"	# cases have shells of their own
	has_line "$1" 'master\[[0-9]*\]: ready' || {
		cat "$scratch/$1.log" >&2
		return 1
	}
}

end_daemon() {
	end_process "$(cat "$scratch/$1.pid")"
	until_true 15 is_gone "$(cat "$scratch/$1.pid")"
	rm "$scratch/$1.pid"
}

end_all() {
	for file in "$scratch"/*.pid; do
		[ ! -e "$file" ] || end_process "$(cat "$file")"
	done
	scratch_end
}

# has_line NAME PATTERN [N]: by now, so many times?
is_said() {
	[ "$(grep -c -e "$2" "$scratch/$1.log")" -ge "${3:-1}" ]
}

has_line() {
	until_true 15 is_said "$@" || {
		tail -n 20 "$scratch/$1.log"
		echo "no line with $2"
		return 1
	}
}

background() {
	"$@" >"$scratch/background.log" 2>&1 </dev/null &
	other_pids="$other_pids $!"
}

# --- what users see, by tunnel.py

asks() {
	timeout 100 python3 "$here/tunnel.py" "$@"
}

# Did one get through to the service, and back?
gets_in() {
	asks half "$1" >/dev/null 2>&1
}

stays_out() {
	! gets_in "$1"
}

# no_errors NAME...: nothing crashed there, and nobody said what he may not.
unwanted='crashed|Sanitizer|said what it may not'
no_errors() {
	for name in "$@"; do
		if grep -E "$unwanted" "$scratch/$name.log"; then
			return 1
		fi
	done
}
