# shellcheck shell=sh
# foreign.sh - programs of another Debian release, unpacked beside our own.
#
# Sourced by get-mysql and get-mariadb.  Nothing is installed and no file of
# the system changes: apt works on folders of its own below $dir, packages are
# unpacked into $root, and what runs from there runs with its own loader and
# its own libraries.  What cannot be had is exit 77, with a sentence.

dir=		# where all of it is
root=		# where packages are unpacked
suite=		# the release that they come from

give_up() {
	echo "${0##*/}: $*" >&2
	exit 77
}

# foreign_begin DIR SUITE PROGRAM: exits if DIR/PROGRAM runs already.
foreign_begin() {
	suite=$2
	mkdir -p "$1" 2>/dev/null || give_up "cannot write $1"
	dir=$(cd "$1" && pwd)
	root=$dir/root
	if "$dir/$3" --version >/dev/null 2>&1; then
		exit 0
	fi
}

# One of the mirrors that this system uses, whichever way they are written.
mirror() {
	cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
	    grep -v '^ *#' | grep -oE 'https?://[^ ]+/debian/?( |$)' |
	    head -n 1 | tr -d ' '
}

apt_configure() {
	keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	url=$(mirror)
	if [ -z "$url" ] || [ ! -r "$keyring" ]; then
		give_up "this is no Debian with a mirror"
	fi
	rm -rf "$dir/apt"
	mkdir -p "$dir/apt/lists/partial" "$dir/apt/etc" "$dir/apt/state" \
	    "$dir/apt/cache/archives/partial"
	: >"$dir/apt/state/status"
	echo "deb [signed-by=$keyring] $url $suite main" \
	    >"$dir/apt/etc/sources.list"
	cat >"$dir/apt/apt.conf" <<END
Dir::State "$dir/apt/state";
Dir::State::status "$dir/apt/state/status";
Dir::State::Lists "$dir/apt/lists";
Dir::Cache "$dir/apt/cache";
Dir::Etc::SourceList "$dir/apt/etc/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Acquire::Languages "none";
APT::Sandbox::User "root";
END
}

# foreign_get PACKAGE...: with all that they depend on, unpacked.
foreign_get() {
	apt_configure
	APT_CONFIG=$dir/apt/apt.conf
	export APT_CONFIG
	apt-get -qq update >&2 || give_up "no list of $suite's packages"
	apt-get -qq -y -d --no-install-recommends install "$@" >&2 ||
	    give_up "$suite has not all of: $*"
	unset APT_CONFIG
	foreign_unpack
}

# foreign_get_alone PACKAGE: without what it depends on, for some file of it.
foreign_get_alone() {
	(
		cd "$dir/apt/cache/archives"
		APT_CONFIG=$dir/apt/apt.conf apt-get -qq download "$1" >&2
	) || give_up "$suite has no $1"
	foreign_unpack
}

foreign_unpack() {
	mkdir -p "$root/usr/bin" "$root/usr/sbin" "$root/usr/lib" \
	    "$root/usr/lib64"
	for folder in bin sbin lib lib64; do
		ln -sfn "usr/$folder" "$root/$folder"
	done
	for package in "$dir"/apt/cache/archives/*.deb; do
		case ${package##*/} in
		perl*|libperl*)	;;		# scripts are not run
		*)		dpkg-deb -x "$package" "$root" ;;
		esac
		rm "$package"
	done
}

# foreign_wrap NAME PROGRAM ARGUMENT...: makes $dir/NAME, which runs PROGRAM
# with these arguments first.
foreign_wrap() {
	name=$1
	program=$2
	shift 2
	libraries=$(echo "$root"/usr/lib/*-linux-gnu)
	loader=$(find "$root/usr/lib64" "$libraries" -maxdepth 1 \
	    -name 'ld-linux*.so.*' | head -n 1)
	[ -n "$loader" ] || give_up "no loader among the packages"
	{
		printf '#!/bin/sh\nexec "%s" --library-path "%s" \\\n' \
		    "$loader" "$libraries"
		printf '\t"%s"' "$root/usr/$program"
		printf ' \\\n\t"%s"' "$@"
		# shellcheck disable=SC2016	# for the wrapper
		printf ' "$@"\n'
	} >"$dir/$name"
	chmod +x "$dir/$name"
}

# foreign_end PROGRAM: the folders of apt are not needed any more.
foreign_end() {
	rm -rf "$dir/apt"
	"$dir/$1" --version >&2 || give_up "$1 does not run here"
}
