#!/bin/sh
# Every input of the corpora, through its fuzz target.
set -eu
srcdir=${srcdir:-.}
for target in conf logline msg mysql mysql_tap mysql_values proxy_header netroxy \
    query_record talk tls_hello totp tunnel; do
	corpus=$srcdir/tests/fuzz/corpus/$target
	if ! tests/fuzz/fuzz_$target "$corpus"/* > replay.out 2>&1; then
		echo "fuzz_$target:"
		cat replay.out
		rm -f replay.out
		exit 1
	fi
	echo "fuzz_$target: $(find "$corpus" -type f | wc -l) inputs"
	rm -f replay.out
done
