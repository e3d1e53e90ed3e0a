# group.sh - a proxy's processes as one: their CPU time and all their memory.
#
# In a control group of its own a proxy is charged for what the kernel does
# and keeps for it.  Where none can be made, what /proc tells of its processes
# must do, which is less.  Sourced by bench.sh.
# shellcheck shell=sh

group_root=/sys/fs/cgroup
group_name=sallyport-bench.$$
group_kind=		# v1, v2, or none
group_pid=		# the first process in it

group_find() {
	if mkdir $group_root/cpuacct/$group_name 2>/dev/null; then
		if mkdir $group_root/memory/$group_name 2>/dev/null; then
			group_kind=v1
			rmdir $group_root/memory/$group_name
		fi
		rmdir $group_root/cpuacct/$group_name
	elif [ -e $group_root/cgroup.controllers ] &&
	    mkdir $group_root/$group_name 2>/dev/null; then
		[ -e $group_root/$group_name/memory.current ] && group_kind=v2
		rmdir $group_root/$group_name
	fi
	: "${group_kind:=none}"
}

group_dirs() {
	case $group_kind in
	v1) echo $group_root/cpuacct/$group_name \
	    $group_root/memory/$group_name ;;
	v2) echo $group_root/$group_name ;;
	esac
}

# group_start COMMAND...: in a new group, in the background.
group_start() {
	for d in $(group_dirs); do
		mkdir "$d" || return 1
	done
	(
		for d in $(group_dirs); do
			# Whoever writes 0 moves himself.
			echo 0 >"$d/cgroup.procs" || exit 1
		done
		exec "$@"
	) &
	group_pid=$!
}

# All processes that come from ours.
group_pids() {
	if [ "$group_kind" != none ]; then
		# shellcheck disable=SC2046 # these are several
		set -- $(group_dirs)
		cat "$1/cgroup.procs"
		return
	fi
	cat /proc/[0-9]*/stat 2>/dev/null | awk -v top="$group_pid" '
	{
		pid = $1
		sub(/.*\) /, "")
		parent[pid] = $2
	}
	END {
		for (pid in parent) {
			for (p = pid; p > 1 && p != top; p = parent[p])
				;
			if (p == top)
				print pid
		}
	}'
}

# End them, and wait until none is left.
group_stop() {
	[ -n "$group_pid" ] || return 0
	kill "$group_pid" 2>/dev/null
	n=0
	while [ -n "$(group_pids)" ]; do
		n=$((n + 1))
		# shellcheck disable=SC2046 # these are several
		[ $n -lt 500 ] || kill -KILL $(group_pids) 2>/dev/null
		[ $n -lt 600 ] || return 1
		sleep 0.02
	done
	wait "$group_pid" 2>/dev/null
	group_pid=
	for d in $(group_dirs); do
		rmdir "$d"
	done
}

# The file that counts CPU time, for load -c; without one, nothing.
group_cpu_file() {
	case $group_kind in
	v1) echo $group_root/cpuacct/$group_name/cpuacct.usage ;;
	v2) echo $group_root/$group_name/cpu.stat ;;
	esac
}

# CPU time in ns so far, of the processes alone and to a hundredth of a second.
group_cpu_by_proc() {
	for p in $(group_pids); do
		cat "/proc/$p/stat"
	done 2>/dev/null | awk '
	{
		sub(/.*\) /, "")
		t += $12 + $13 + $14 + $15
	}
	END { printf "%.0f\n", t * 1e7 }'
}

# group_sum FILE WORD...: the first number less the second, plus the third.
group_sum() {
	awk -v usage="$2" -v file="$3" -v shared="$4" '
	$1 == file { usage -= $2 }
	$1 == shared { usage += $2 }
	END { printf "%.0f\n", usage }' "$1"
}

# Bytes of memory, the kernel's with it; but not the cache of files, which is
# the log.
group_memory() {
	case $group_kind in
	v1)
		d=$group_root/memory/$group_name
		group_sum $d/memory.stat "$(cat $d/memory.usage_in_bytes)" \
		    total_cache total_shmem
		;;
	v2)
		d=$group_root/$group_name
		group_sum $d/memory.stat "$(cat $d/memory.current)" file shmem
		;;
	none)
		for p in $(group_pids); do
			cat "/proc/$p/smaps_rollup"
		done 2>/dev/null |
		awk '$1 == "Pss:" { kb += $2 } END { print kb * 1024 }'
		;;
	esac
}
