#!/bin/sh
# The manual names what the program has: keys, defaults, ends, options.
set -eu
srcdir=${srcdir:-.}
cd "$srcdir"
conf5=man/sallyportd.conf.5
daemon8=man/sallyportd.8
ctl8=man/sallyportctl.8
bad=0

complain() {
	echo "$*"
	bad=1
}

for page in "$conf5" "$daemon8" "$ctl8"; do
	[ -f "$page" ] || { echo "$page is missing"; exit 1; }
done

# "section:key:restart:default" a line, of the table; sections as headings of
# the page, restart as true or empty, defaults empty where a key has none.
keys() {
	awk '
	/^#define [A-Z_]+[ \t]+"/ {
		split($0, q, "\"")
		macro[$2] = q[2]
	}
	/^const struct conf_key/ { inside = 1 }
	inside && /^};/ { inside = 0 }
	inside { all = all $0 " " }
	END {
		heading["TOP"] = "Top level"
		n = split(all, entry, /\{ CONF_/)
		for (i = 2; i <= n; i++)
			if (entry[i] ~ /CONF_GROUP,/) {
				split(entry[i], q, "\"")
				namesakes[q[2]]++
			}
		for (i = 2; i <= n; i++) {
			split(entry[i], q, "\"")
			if (match(entry[i], /\.inner = CONF_[A-Z_]+/)) {
				inner = substr(entry[i], RSTART + 14,
				    RLENGTH - 14)
				heading[inner] = "Elements of " q[2]
				if (entry[i] ~ /CONF_GROUP,/) {
					heading[inner] = "The group " q[2]
					outer = heading[substr(entry[i], 1,
					    index(entry[i], ",") - 1)]
					sub(/Elements/, "", outer)
					if (namesakes[q[2]] > 1)
						heading[inner] = \
						    heading[inner] outer
				}
			}
			preset = ""
			if (match(entry[i], /\.preset = [A-Z_]+/)) {
				name = substr(entry[i], RSTART + 10,
				    RLENGTH - 10)
				preset = macro[name]
			} else if (match(entry[i], /\.preset = "[^"]*"/))
				preset = substr(entry[i], RSTART + 11,
				    RLENGTH - 12)
			else if (entry[i] ~ /CONF_(INT|TIME|SIZE),/)
				preset = q[4]
			section = entry[i]
			sub(/,.*/, "", section)
			restart = ""
			if (entry[i] ~ /\.restart = true/)
				restart = "true"
			print heading[section] ":" q[2] ":" restart ":" preset
		}
	}' src/policy/conf.h src/policy/conf_keys.c
}

# The paragraphs of one key: from its .It Ic to the next one of its section.
paragraph() {
	awk -v heading="$1" -v key="$2" '
	$1 == ".Ss" || $1 == ".Sh" {
		section = substr($0, 5)
		inside = 0
	}
	$1 == ".It" && $2 == "Ic" {
		inside = section == heading && $3 == key
	}
	inside' "$conf5"
}

n=0
while IFS=: read -r section key restart preset; do
	n=$((n + 1))
	if [ -z "$(paragraph "$section" "$key")" ]; then
		complain "$conf5: $section: .It Ic $key is missing"
	elif [ -n "$preset" ] && ! paragraph "$section" "$key" | sed 1d |
	    grep -qwF -e "$preset"; then
		complain "$conf5: $section: $key: its default \"$preset\" is" \
		    "missing"
	elif [ -n "$restart" ] && ! paragraph "$section" "$key" |
	    grep -q "takes a restart"; then
		complain "$conf5: $section: $key: takes a restart, it does" \
		    "not say"
	fi
done <<EOF
$(keys)
EOF
[ "$n" -ge 90 ] || complain "only $n keys found in the table"

# The sample has all of them, as README says, taken or behind a "#".
sample=etc/sallyportd.conf
while IFS=: read -r section key restart preset; do
	grep -qE "(^|[^a-z_])$key = " "$sample" ||
		complain "$sample: $section: $key is missing"
done <<EOF
$(keys)
EOF

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

# What sallyportctl --help shows is in its page, and what it takes in --help.
summary=$(sed -n '/^static const char.*help\[\]/,/";$/p' src/sallyportctl.c)
n=0
for command in $(sed -n '/^} commands/,/^};/s/^\t{ "\([a-z]*\)",.*/\1/p' \
    src/sallyportctl.c); do
	n=$((n + 1))
	grep -qE "^\.It Cm $command\b" "$ctl8" ||
		complain "$ctl8: command $command is missing"
	echo "$summary" | grep -qE "^\"  $command " ||
		complain "sallyportctl --help: $command is missing"
done
[ "$n" -ge 11 ] || complain "only $n commands found"
for option in $(sed -n '/long_options/,/^};/s/^\t{ "\([a-z-]*\)",.*/\1/p' \
    src/sallyportctl.c); do
	n=$((n + 1))
	grep -qE -e "^\.(It|Op|Oo) .*Fl -$option\b" "$ctl8" ||
		complain "$ctl8: option --$option is missing"
	echo "$summary" | grep -qE -e "--$option\b" ||
		complain "sallyportctl --help: --$option is missing"
done
[ "$n" -ge 22 ] || complain "only $n commands and options found"

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
