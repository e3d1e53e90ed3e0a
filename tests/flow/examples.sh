#!/bin/sh
# The daemon takes each whole configuration that the manual shows, and warns
# of nothing in it.
set -eu
srcdir=${srcdir:-.}
: "${SALLYPORTD:?path of the sallyportd to test}"
scratch=$(mktemp -d "${TMPDIR:-/tmp}/sallyport.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

# A literal block each in a file of its own: whole ones have listeners.
awk -v folder="$scratch" '
	$1 == ".Bd" && $2 == "-literal" {
		n++
		inside = 1
		next
	}
	$1 == ".Ed" { inside = 0 }
	inside {
		gsub(/\\e/, "\\")
		print > (folder "/" n ".conf")
	}' "$srcdir"/man/*.[1-9]

grep -lx 'listeners = (' "$scratch"/*.conf >"$scratch/list"
bad=0
while read -r conf; do
	"$SALLYPORTD" -t -f "$conf" >"$scratch/out" 2>&1 || :
	echo "$conf: ok" | cmp -s - "$scratch/out" && continue
	cat "$conf" "$scratch/out"
	bad=1
done <"$scratch/list"
[ "$(wc -l <"$scratch/list")" -ge 8 ] || { cat "$scratch/list"; bad=1; }
exit "$bad"
