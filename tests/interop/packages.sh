# shellcheck shell=sh
# packages.sh - install what is missing, and let nothing of it start.
#
# Sourced by contrib/quickstart and contrib/run-tests.  A table of needs has
# a line for each: how to see that it is here, and what apt and dnf call it.
#
#	cmd:NAME	a command
#	pc:MODULE	a library's development files, as pkg-config knows it
#	file:PATH	a file
#
# Whoever calls packages_get calls packages_end on the way out, whatever
# happens in between.

# What building takes; both commands begin with it.
# shellcheck disable=SC2034	# read by those who source this
build_needs='
cmd:autoreconf		autoconf	autoconf
cmd:automake		automake	automake
cmd:pkg-config		pkg-config	pkgconf-pkg-config
cmd:gcc			gcc		gcc
cmd:make		make		make
file:/usr/include/stdio.h libc6-dev	glibc-devel
pc:libconfig		libconfig-dev	libconfig-devel
pc:libbsd		libbsd-dev	libbsd-devel
pc:libcap-ng		libcap-ng-dev	libcap-ng-devel
pc:libcares		libc-ares-dev	c-ares-devel
pc:openssl		libssl-dev	openssl-devel
pc:jansson		libjansson-dev	jansson-devel
pc:liboath		liboath-dev	liboath-devel
pc:libzstd		libzstd-dev	libzstd-devel
pc:libqrencode		libqrencode-dev	qrencode-devel
pc:libseccomp		libseccomp-dev		libseccomp-devel
pc:libmariadb		libmariadb-dev	mariadb-connector-c-devel
'

# What daemons are called by hand lies where users' paths do not lead.
PATH=$PATH:/usr/sbin:/sbin:/usr/libexec
export PATH

policy=/usr/sbin/policy-rc.d
policy_mark='# put here by sallyport for as long as it installs packages'
policy_held=false

is_here() {
	case $1 in
	cmd:*)	command -v "${1#*:}" >/dev/null ;;
	pc:*)	pkg-config --exists "${1#*:}" 2>/dev/null ;;
	file:*)	[ -e "${1#*:}" ] ;;
	esac
}

# The packages that would bring what the table's lines do not find here.
packages_missing() {
	printf '%s\n' "$1" | while read -r probe apt dnf; do
		if [ -z "$probe" ] || is_here "$probe"; then
			continue
		fi
		if command -v dnf >/dev/null; then
			printf '%s ' "$dnf"
		else
			printf '%s ' "$apt"
		fi
	done
}

# Packages that come along may bring services; invoke-rc.d asks this file.
policy_hold() {
	if [ -e "$policy" ] || [ -L "$policy" ]; then
		# Ours can only be there if we were killed: what it
		# replaced, if anything, is still beside it.
		grep -qsF "$policy_mark" "$policy" ||
		    mv -f "$policy" "$policy.sallyport"
	fi
	policy_held=true
	printf '#!/bin/sh\n%s\nexit 101\n' "$policy_mark" >"$policy"
	chmod 755 "$policy"
}

packages_end() {
	"$policy_held" || return 0
	policy_held=false
	rm -f "$policy"
	if [ -e "$policy.sallyport" ] || [ -L "$policy.sallyport" ]; then
		mv -f "$policy.sallyport" "$policy"
	fi
}

apt_get() {
	DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
	    -o DPkg::Lock::Timeout=300 --no-install-recommends "$@"
}

# One name that is unknown here must not keep the others away.
install_each() {
	# shellcheck disable=SC2086	# they are words
	if "$@" $packages; then
		return 0
	fi
	for package in $packages; do
		"$@" "$package"
	done
}

# packages_get TABLE LOG: install what the table finds missing; the package
# manager's talk goes to LOG.  Fails, and says why, if something remains so.
packages_get() {
	packages=$(packages_missing "$1")
	packages=${packages% }
	[ -n "$packages" ] || return 0
	if [ "$(id -u)" -ne 0 ]; then
		echo "Missing, and only root can install it: $packages"
		return 1
	fi
	echo "Installing $packages"
	if command -v dnf >/dev/null; then
		install_each dnf -y -q install >>"$2" 2>&1
	elif command -v apt-get >/dev/null; then
		policy_hold
		apt_get update >>"$2" 2>&1
		install_each apt_get install >>"$2" 2>&1
		packages_end
	fi
	packages=$(packages_missing "$1")
	[ -n "$packages" ] || return 0
	[ ! -s "$2" ] || tail -n 20 "$2"
	echo "Missing, and not to be had by apt-get or dnf: $packages"
	return 1
}

# source_tree TOP COPY: sets tree to the folder to configure from: TOP itself,
# or a clean COPY when TOP was configured in place, which forbids to build
# anywhere else.
source_tree() {
	tree=$1
	[ -e "$1/config.status" ] || return 0
	tree=$2
	mkdir "$tree"
	(cd "$1" && tar --exclude=./_build --exclude=./.git -cf - .) |
	    (cd "$tree" && tar -xf -)
	make -C "$tree" distclean >/dev/null 2>&1 ||
	    rm -f "$tree/config.status"
}
