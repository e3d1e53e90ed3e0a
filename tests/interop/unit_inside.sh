#!/bin/sh
# unit_inside.sh - the unit as systemd runs it, in a root where the package is
# installed; package.sh has it run by the systemd there.
set -eux

mkdir -p /tmp/unit
cat >/tmp/unit/echo.py <<'END'
import socket, threading
def echo(c):
    while data := c.recv(1000):
        c.sendall(data)
    c.close()
service = socket.create_server(('127.0.0.1', 3306))
while True:
    threading.Thread(target=echo, args=(service.accept()[0],)).start()
END
# say TENTHS: a session that says something so often, every tenth of a second.
cat >/tmp/unit/say.py <<'END'
import socket, sys, time
s = socket.create_connection(('127.0.0.1', 3307), 5)
s.settimeout(5)
f = s.makefile()
for i in range(int(sys.argv[1])):
    s.sendall(b'%d\n' % i)
    assert f.readline() == '%d\n' % i
    time.sleep(0.1)
END
say() {
	python3 /tmp/unit/say.py "$1"
}
show() {
	systemctl show -P "$1" sallyport
}
is_active() {
	[ "$(systemctl is-active sallyport)" = active ]
}
# until SECONDS COMMAND...
until_true() {
	n=$(($1 * 10))
	shift
	until "$@"; do
		n=$((n - 1))
		[ $n -gt 0 ] || return 1
		sleep 0.1
	done
}
filters() {
	sed -n 's/^Seccomp_filters:	//p' "/proc/$1/status"
}
has_ended() {
	[ ! -e "/proc/$1" ]
}

python3 /tmp/unit/echo.py &

# It was installed, so it is enabled, and it says when it serves.
until_true 20 is_active
until_true 5 say 1
case $(show StatusText) in
*"generation 1"*) ;;
*) exit 1 ;;
esac

# Nothing of the unit keeps processes from locking themselves in.
main=$(show MainPID)
spawner=$(pgrep -P "$main" -f 'sallyportd: spawner')
worker=$(pgrep -P "$spawner" | head -n 1)
[ "$(filters "$spawner")" -gt "$(filters "$main")" ]
[ "$(filters "$worker")" -gt "$(filters "$spawner")" ]
journalctl --no-pager -u sallyport >/tmp/unit/log
grep 'processes are held to their work, as to system calls' /tmp/unit/log
if grep -E 'denied|not permitted' /tmp/unit/log; then
	exit 1
fi

# A reload, and an upgrade that has another main process, under a session.
say 50 &
held=$!
systemctl reload sallyport
say 1
sallyportctl upgrade
until_true 5 is_active
[ "$(show MainPID)" != "$main" ]
say 1
wait $held
until_true 10 has_ended "$main"
is_active

# It comes again when it is killed.
main=$(show MainPID)
kill -9 "$main"
until_true 10 has_ended "$main"
until_true 10 is_active
until_true 5 say 1
[ "$(show NRestarts)" -ge 1 ]

# With a mistake in its configuration it serves on, and does not start.
cp /etc/sallyportd.conf /tmp/unit/conf
sed -i s/listen/listne/ /etc/sallyportd.conf
if systemctl reload sallyport; then
	exit 1
fi
say 1
if systemctl restart sallyport; then
	exit 1
fi
[ "$(show ExecMainStatus)" -eq 78 ]
[ "$(systemctl is-active sallyport)" = failed ]
cp /tmp/unit/conf /etc/sallyportd.conf
systemctl start sallyport
say 1

systemctl stop sallyport
if pgrep -f '^sallyportd: '; then
	exit 1
fi
[ ! -e /run/sallyport ]
