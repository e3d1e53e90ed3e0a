#!/bin/sh
# package.sh - the Debian package in a clean root: installed, used, upgraded
# under a session, removed and purged.
#
# tests/interop/package.sh
#
# Takes root, a mirror of Debian, and some minutes.  The root is kept in
# SALLYPORT_PEERS, if that is set.  Exit 0, or 1 when something failed, 77
# where it cannot be tried.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/interop/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/interop/cases.sh
. "$here/cases.sh"
suite=package
top=$(cd "$here/../.." && pwd)

if [ "$(id -u)" -ne 0 ] || ! command -v debootstrap >/dev/null ||
    ! command -v dpkg-buildpackage >/dev/null ||
    ! command -v unshare >/dev/null; then
	echo "not root, or no debootstrap, dpkg-buildpackage or unshare here"
	exit 77
fi

# shellcheck disable=SC2154	# scratch is lib.sh's
end() {
	umount "$root/proc" 2>/dev/null || :
	scratch_end
}

# In the root, with processes and a network of its own.
inside() {
	unshare --pid --fork --net --mount --kill-child --ipc chroot "$root" \
	    /bin/sh -c 'mount -t proc proc /proc; ip link set lo up 2>/dev/null
		exec "$@"' sh "$@"
}

make_root() {
	base=${SALLYPORT_PEERS:-$scratch}/bookworm
	if [ ! -e "$base/etc/debian_version" ]; then
		rm -rf "$base"
		debootstrap --variant=minbase --include=python3-minimal,iproute2,procps,logrotate \
		    bookworm "$base" >"$scratch/debootstrap.log" 2>&1 || {
			rm -rf "$base"
			echo "debootstrap: $(tail -n 1 "$scratch/debootstrap.log")"
			exit 77
		}
	fi
	root=$scratch/root
	cp -a "$base" "$root"
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
	chmod +x "$root/usr/sbin/policy-rc.d"
	cp /etc/resolv.conf "$root/etc/resolv.conf"
}

# Dependencies come from the mirror that debootstrap left.
install_first() {
	mkdir "$root/packages"
	cp "$scratch"/old/sallyport_*.deb "$root/packages/old.deb"
	cp "$scratch"/new/sallyport_*.deb "$root/packages/new.deb"
	mount -t proc proc "$root/proc"
	chroot "$root" sh -c 'apt-get update && apt-get install -y \
	    --no-install-recommends /packages/old.deb' \
	    >"$scratch/install.log" 2>&1 || {
		tail -n 20 "$scratch/install.log"
		exit 1
	}
	umount "$root/proc"
	chroot "$root" sallyportd --version
	chroot "$root" sallyportd -t
	chroot "$root" id _sallyport
	chroot "$root" id _sallyauth
}

smoke() {
	cp "$top/contrib/debian/tests/smoke" "$root/smoke"
	inside sh -c 'rm /usr/sbin/policy-rc.d; sh -ex /smoke; rc=$?
	    /etc/init.d/sallyport stop; exit $rc'
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
	chmod +x "$root/usr/sbin/policy-rc.d"
}

# What LSB asks of an init script.
init_exits() {
	inside sh -c '
	want() {
		rc=0
		/etc/init.d/sallyport "$2" >/dev/null 2>&1 || rc=$?
		[ "$rc" -eq "$1" ] || { echo "$2: $rc, want $1"; exit 1; }
	}
	want 3 status; want 0 stop; want 7 reload; want 0 try-restart
	want 2 nonsense; want 0 start; want 0 start; want 0 status
	want 0 reload; want 0 force-reload; want 0 restart
	want 0 try-restart; want 0 status
	mv /etc/sallyportd.conf /etc/x; want 6 reload; mv /etc/x /etc/sallyportd.conf
	sed s/listen/listne/ /etc/sallyportd.conf >/etc/x
	cp /etc/sallyportd.conf /etc/y; cp /etc/x /etc/sallyportd.conf
	want 6 restart; want 0 status; cp /etc/y /etc/sallyportd.conf
	pid=$(cat /run/sallyport/sallyportd.pid); kill -9 "$pid"
	while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
	want 1 status; want 0 start; want 0 status; want 0 stop; want 3 status'
}

# A session that is there before is there after.
upgrade_under_a_session() {
	cat >"$root/held.py" <<'END'
import socket, threading, time, subprocess, sys
service = socket.create_server(('127.0.0.1', 3306))
def serve():
    while True:
        c, _ = service.accept()
        threading.Thread(target=echo, args=(c,), daemon=True).start()
def echo(c):
    while data := c.recv(100):
        c.sendall(data)
threading.Thread(target=serve, daemon=True).start()
def session():
    for _ in range(50):
        try:
            s = socket.create_connection(('127.0.0.1', 3307), 5)
            s.settimeout(10)
            return s
        except OSError:
            time.sleep(0.1)
    sys.exit('nobody listens')
def works(s, text):
    s.sendall(text)
    return s.recv(100) == text
held = session()
assert works(held, b'before')
old = open('/run/sallyport/sallyportd.pid').read()
print(subprocess.run(['dpkg', '-i', '/packages/new.deb'], check=True,
      stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout.decode())
assert works(session(), b'new')
assert works(held, b'after'), 'the session was cut'
assert open('/run/sallyport/sallyportd.pid').read() != old
version = subprocess.run(['sallyportctl', 'status'], check=True,
                         stdout=subprocess.PIPE).stdout.decode()
assert '0.1.1' in version, version
END
	inside sh -c '/etc/init.d/sallyport start && python3 /held.py; rc=$?
	    /etc/init.d/sallyport stop; exit $rc'
}

# The unit, by a systemd that is process 1 of a container.
unit_is_one() {
	need systemd-nspawn
	booted=$scratch/booted
	cp -a "$root" "$booted"
	mount -t proc proc "$booted/proc"
	chroot "$booted" apt-get install -y --no-install-recommends \
	    systemd systemd-sysv dbus \
	    >"$scratch/booted.log" 2>&1 || {
		umount "$booted/proc"
		tail -n 20 "$scratch/booted.log"
		exit 1
	}
	umount "$booted/proc"
	rm "$booted/usr/sbin/policy-rc.d"
	cp "$here/unit_inside.sh" "$booted/unit"
	cat >"$booted/etc/systemd/system/try.service" <<-'END'
		[Unit]
		After=multi-user.target
		[Service]
		Type=oneshot
		ExecStart=/bin/sh -c 'sh /unit >/unit.log 2>&1; echo $? >/unit.rc; systemctl --no-block poweroff'
		[Install]
		WantedBy=multi-user.target
	END
	ln -s ../try.service \
	    "$booted/etc/systemd/system/multi-user.target.wants/try.service"
	timeout 180 systemd-nspawn -q -b -D "$booted" --register=no \
	    --keep-unit --private-network --console=pipe \
	    --system-call-filter="landlock_create_ruleset landlock_add_rule
	    landlock_restrict_self" </dev/null >"$scratch/nspawn.log" 2>&1 || :
	if [ ! -e "$booted/unit.log" ]; then
		echo "no systemd begins in a container here:" \
		    "$(tail -n 1 "$scratch/nspawn.log")"
		exit 77
	fi
	cat "$booted/unit.log"
	[ "$(cat "$booted/unit.rc")" -eq 0 ]
}

remove_and_purge() {
	inside dpkg --remove sallyport
	[ -e "$root/etc/sallyportd.conf" ]
	[ ! -e "$root/usr/sbin/sallyportd" ]
	inside dpkg --purge sallyport
	for left in etc/sallyportd.conf etc/default/sallyport \
	    etc/init.d/sallyport var/lib/sallyport var/log/sallyport \
	    run/sallyport etc/logrotate.d/sallyport; do
		[ ! -e "$root/$left" ] || fail "$left is left"
	done
}

same_bytes_twice() {
	"$top/contrib/package" deb "$scratch/again" >"$scratch/again.log" 2>&1
	for deb in "$scratch"/old/*.deb; do
		cmp "$deb" "$scratch/again/${deb##*/}"
	done
}

lint() {
	need lintian
	lintian -EIL +pedantic --allow-root --fail-on \
	    error,warning,info,pedantic "$scratch"/old/*.changes
}

# The kernel need not have AppArmor for that.
each_role_has_a_profile() {
	need apparmor_parser
	apparmor_parser -QT -N "$top/contrib/system/sallyport.apparmor" |
	    sort >"$scratch/profiles"
	{
		echo sallyportd
		sed -n 's/^	{ \.name = "\([a-z]*\)".*/sallyportd\/\/\1/p' \
		    "$top/src/sallyportd.c"
	} | sort | cmp - "$scratch/profiles"
}

unit_is_confined() {
	need systemd-analyze
	systemd-analyze security --offline=true --threshold=25 --no-pager \
	    "$top/contrib/system/sallyport.service" | tail -n 3
}

# Tests of the tree have been run before.
DEB_BUILD_OPTIONS="nocheck parallel=2"
export DEB_BUILD_OPTIONS

trap end EXIT
trap 'exit 1' HUP INT TERM
scratch_begin
"$top/contrib/package" deb "$scratch/old" >"$scratch/build.log" 2>&1 || {
	tail -n 40 "$scratch/build.log"
	exit 1
}
"$top/contrib/package" deb "$scratch/new" 0.1.1 >"$scratch/build.log" 2>&1
make_root

check "it is installed with its users and a configuration that is one" \
	install_first
check "it starts, relays, reloads, is upgraded and stops" smoke
check "its init script ends as LSB has it" init_exits
check "another version takes over under a session" upgrade_under_a_session
check "its unit does the same under a real systemd" unit_is_one
check "it is removed and purged" remove_and_purge
check "two builds are the same bytes" same_bytes_twice
check "lintian has nothing to say" lint
check "AppArmor has a profile for each role" each_role_has_a_profile
check "the unit is confined" unit_is_confined
cases_end
