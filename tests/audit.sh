#!/bin/sh
# audit.sh - AUDIT has a line for each source file, and for no other.
#
# Files that have changed since they were looked at are listed; that is no
# failure, but what the next audit is for.
#
#	tests/audit.sh line GRADE FILE	the beginning of a line of today
set -u

top=${srcdir:-.}
audit=$top/AUDIT

# What git hash-object says, without git.
blob() {
	{ printf 'blob %s\0' "$(wc -c <"$1" | tr -d ' ')"; cat "$1"; } |
	    sha1sum | cut -c 1-12
}

if [ "${1:-}" = line ]; then
	echo "$2 $(date +%Y-%m-%d) $(blob "$3") $3"
	exit
fi

# grade date blob file sentence; the rest is text.
lines() {
	awk '$1 ~ /^[ABC-]$/ && $4 ~ /^src\//' "$audit"
}

status=0
stale=0
n=0
all=$(cd "$top" && find src -name '*.c' | sort)
for file in $all; do
	n=$((n + 1))
	set -- $(lines | awk -v f="$file" '$4 == f { print $1, $2, $3 }')
	case $# in
	3)	;;
	0)	echo "$file has no line in AUDIT"
		status=1
		continue ;;
	*)	echo "$file has more than one line in AUDIT"
		status=1
		continue ;;
	esac
	[ "$1" = - ] && continue
	if [ "$3" != "$(blob "$top/$file")" ]; then
		stale=$((stale + 1))
		echo "stale: $file grade $1 of $2"
	fi
done
for file in $(lines | awk '{ print $4 }'); do
	if [ ! -e "$top/$file" ]; then
		echo "AUDIT has a line for $file, which is no file"
		status=1
	fi
done
[ "$n" -gt 0 ] || status=1
echo "$stale of $n files have changed since they were looked at"
exit $status
