#!/bin/sh
# The daemon takes each whole configuration that the manual shows, and warns
# of nothing in it.  Certificates, passwords and secrets of /etc/sallyport are
# made for it.
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
[ "$(wc -l <"$scratch/list")" -ge 10 ] || { cat "$scratch/list"; exit 1; }

# Their names say what to make: "ca" an authority, "rsa" a key of RSA.
etc=/etc/sallyport
if ! command -v openssl >/dev/null; then
	xargs grep -L "\"$etc/" <"$scratch/list" >"$scratch/some"
	mv "$scratch/some" "$scratch/list"
fi
mkdir "$scratch/etc"
xargs sed -n "s,.*\"$etc/\(.*\)\.pem\".*,\1,p" <"$scratch/list" |
    sort -u | while read -r name; do
	how=
	case $name in
	*rsa*)	how=--rsa ;;
	*ca)	how=--authority ;;
	esac
	"$srcdir"/contrib/make-cert $how --out="$scratch/etc/$name" \
	    db.example.org >/dev/null
done
xargs sed -n "s,.*\"$etc/\(.*\.password\)\".*,\1,p" <"$scratch/list" |
    sort -u | while read -r name; do
	echo secret >"$scratch/etc/$name"
	chmod 600 "$scratch/etc/$name"
done
xargs sed -n "s,.*\"$etc/\(.*\.secret\)\".*,\1,p" <"$scratch/list" |
    sort -u | while read -r name; do
	printf '%064d\n' 1 >"$scratch/etc/$name"
	chmod 600 "$scratch/etc/$name"
done

bad=0
while read -r conf; do
	sed -i "s,\"$etc/,\"$scratch/etc/," "$conf"
	"$SALLYPORTD" -t -f "$conf" >"$scratch/out" 2>&1 || :
	echo "$conf: ok" | cmp -s - "$scratch/out" && continue
	cat "$conf" "$scratch/out"
	bad=1
done <"$scratch/list"
exit "$bad"
