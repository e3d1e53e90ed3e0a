#!/bin/sh
# The manual names what the program has: keys, defaults, ends, options.
set -eu
srcdir=${srcdir:-.}
cd "$srcdir"
conf5=man/sallyportd.conf.5
daemon8=man/sallyportd.8
bad=0

complain() {
	echo "$*"
	bad=1
}

for page in "$conf5" "$daemon8"; do
	[ -f "$page" ] || { echo "$page is missing"; exit 1; }
done

# "key default" a line, of the table; "-" where a key has none.
keys() {
	awk '
	/^#define [A-Z_]+[ \t]+"/ {
		split($0, q, "\"")
		macro[$2] = q[2]
	}
	/^const struct conf_key/ { inside = 1 }
	inside && /^};/ { exit }
	inside { all = all $0 " " }
	END {
		n = split(all, entry, /\{ CONF_/)
		for (i = 2; i <= n; i++) {
			split(entry[i], q, "\"")
			preset = "-"
			if (match(entry[i], /\.preset = [A-Z_]+/)) {
				name = substr(entry[i], RSTART + 10,
				    RLENGTH - 10)
				preset = macro[name]
			} else if (match(entry[i], /\.preset = "[^"]*"/)) {
				preset = substr(entry[i], RSTART + 11,
				    RLENGTH - 12)
				if (preset == "")
					preset = "-"
			} else if (entry[i] ~ /CONF_(INT|TIME|SIZE),/)
				preset = q[4]
			print q[2], preset
		}
	}' src/policy/conf.h src/policy/conf_keys.c
}

# The paragraphs of one key: from its .It Ic to the next .It.
paragraph() {
	awk -v key="$1" '
	$1 == ".It" || $1 == ".Sh" {
		inside = $1 == ".It" && $2 == "Ic" && $3 == key
	}
	inside' "$conf5"
}

n=0
while read -r key preset; do
	n=$((n + 1))
	if [ -z "$(paragraph "$key")" ]; then
		complain "$conf5: .It Ic $key is missing"
	elif [ "$preset" != - ] &&
	    ! paragraph "$key" | sed 1d | grep -qwF -e "$preset"; then
		complain "$conf5: $key: its default \"$preset\" is missing"
	fi
done <<EOF
$(keys)
EOF
[ "$n" -ge 20 ] || complain "only $n keys found in the table"

n=0
for word in $(sed -n 's/.*return "\([a-z_]*\)";.*/\1/p' src/session/end.c |
    sort -u); do
	n=$((n + 1))
	grep -qE "^\.It .*\b$word\b" "$daemon8" ||
		complain "$daemon8: end=$word is missing"
done
[ "$n" -ge 10 ] || complain "only $n words found in end.c"

n=0
for option in $(sed -n 's/^\t{ "\([A-Za-z][A-Za-z-]*\)",.*/\1/p' \
    src/sallyportd.c | awk 'length($0) > 1' | sort -u); do
	n=$((n + 1))
	grep -qE -e "^\.It .*Fl( Fl|-| -)?.*\b$option\b" "$daemon8" ||
		complain "$daemon8: option --$option is missing"
done
[ "$n" -ge 8 ] || complain "only $n options found"

if command -v mandoc > /dev/null; then
	for page in man/*.[1-9]; do
		out=$(mandoc -Tlint -W warning "$page" 2>&1) || true
		[ -z "$out" ] || complain "$out"
	done
elif [ "$bad" = 0 ]; then
	echo "mandoc is not here to judge the pages"
	exit 77
fi
exit "$bad"
