# shellcheck shell=sh
# cases.sh - tests with a sentence each, and what came of them.
#
# Sourced after lib.sh by the tests here, which set suite to their name and
# end with cases_end.
#
# shellcheck disable=SC2154	# suite is the caller's, scratch is lib.sh's

passed=0
failed=0
skipped=0

# What hangs must not hang us.  Seconds.
# shellcheck disable=SC2034	# it is for the caller
patience=60

say_result() {
	printf '%s: interop/%s: %s\n' "$1" "$suite" "$2"
}

# check SENTENCE COMMAND...: one test.  It runs in a subshell, and ends at its
# first command that fails.
check() {
	sentence=$1
	shift
	status=0
	set +e
	(set -e; "$@") >"$scratch/check.log" 2>&1
	status=$?
	set -e
	case $status in
	0)
		passed=$((passed + 1))
		say_result PASS "$sentence"
		;;
	77)
		skipped=$((skipped + 1))
		say_result SKIP "$sentence: $(cat "$scratch/check.log")"
		;;
	*)
		failed=$((failed + 1))
		say_result FAIL "$sentence"
		tail -n 30 "$scratch/check.log"
		;;
	esac
}

need() {
	command -v "$1" >/dev/null && return
	echo "no $1 here"
	exit 77
}

fail() {
	echo "$@"
	exit 1
}

# The sums, as run-tests reads them; fails if a test did.
cases_end() {
	cat <<END
# PASS: $passed
# SKIP: $skipped
# FAIL: $failed
END
	[ "$failed" -eq 0 ]
}
