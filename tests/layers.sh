#!/bin/sh
# The floors of tests/layers hold: no file includes one above itself.
set -eu
srcdir=${srcdir:-.}
cd "$srcdir"

# check FILE...: the rule, over files of src/ or of a copy of it.
check() {
	awk '
	FILENAME == "tests/layers" {
		if ($0 ~ /^#/)
			next
		floor = $1
		sub(/:$/, "", floor)
		if (floor != "")
			floor = floor "/"
		for (i = 2; i <= NF; i++) {
			n++
			parts = split($i, together, "+")
			for (j = 1; j <= parts; j++)
				rank[floor together[j]] = n
		}
		next
	}
	FNR == 1 {
		me = FILENAME
		sub(/.*src\//, "", me)
		sub(/\.[ch]$/, "", me)
		if (!(me in rank)) {
			print FILENAME ": " me " is not in tests/layers"
			bad = 1
		}
		seen[me] = 1
	}
	/^[ \t]*#[ \t]*include[ \t]*"/ {
		split($0, q, "\"")
		dep = q[2]
		if (dep == "config.h")
			next
		sub(/\.h$/, "", dep)
		if (!(dep in rank)) {
			print FILENAME ":" FNR ": " dep \
			    " is not in tests/layers"
			bad = 1
		} else if (me in rank && rank[dep] > rank[me]) {
			print FILENAME ":" FNR ": " me " must not know " dep
			bad = 1
		}
	}
	END {
		for (name in rank)
			if (whole && !(name in seen)) {
				print "tests/layers: there is no " name
				bad = 1
			}
		exit bad
	}' "$@"
}

check whole=1 tests/layers $(find src -name '*.[ch]')

# A check that never fails is none: an upward include must be found, within a
# floor and between two, as must a file that nobody has placed.
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
refuse() {
	mkdir -p "$(dirname "$tmp/src/$1")"
	printf '#include "%s"\n' "$2" > "$tmp/src/$1"
	if check tests/layers "$tmp/src/$1" > "$tmp/out"; then
		echo "layers: $1 that includes $2 was not refused"
		exit 1
	fi
	grep -q "$3" "$tmp/out" || { cat "$tmp/out"; exit 1; }
}
refuse base/buf.c base/net.h "base/buf must not know base/net"
refuse base/log.h policy/conf.h "base/log must not know policy/conf"
refuse wire/proxy_header.c policy/conf.h \
    "wire/proxy_header must not know policy/conf"
refuse policy/conf.c session/end.h "policy/conf must not know session/end"
refuse process/proc.c sallyportd.h "process/proc must not know sallyportd"
refuse base/new.c base/mem.h "base/new is not in tests/layers"
refuse base/buf.c buf.h "buf is not in tests/layers"
