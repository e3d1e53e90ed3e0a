#!/usr/bin/env python3
"""Faults while a load with checked bytes runs, and what became of it.

chaos.py SALLYPORTD [FAULT]...

Each fault is tried against a daemon of its own; without a name all but that of
the clock, which is the machine's: "the clock is stepped", also with ", TLS" and
", a hub", takes root.  A line says how many sessions
were started, ended well, were ended by the fault, or had wrong bytes, and how
long it took until sessions went well again.  Exit 1 when bytes were wrong, when
a session that the fault did not touch was cut, or when it did not recover.
"""
import asyncio
import os
import random
import re
import resource
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

AT_ONCE = 40		# sessions
BLOCK = 2000		# bytes of each message
LAST = 5		# seconds of load, the fault is after one
DESCRIPTORS = 128	# of a process that has few


class Load:
    def __init__(self, port, tls):
        self.port = port
        self.tls = tls
        self.started = self.well = self.cut = self.wrong = 0
        self.over = False
        self.good_at = []	# when a session was opened and served
        self.bad_at = []

    async def session(self):
        self.started += 1
        began = time.monotonic()
        try:
            r, w = await asyncio.wait_for(
                asyncio.open_connection('127.0.0.1', self.port,
                                        ssl=self.tls), 20)
            for _ in range(random.randint(2, 40)):
                data = random.randbytes(random.randint(1, BLOCK))
                w.write(data)
                back = await asyncio.wait_for(r.readexactly(len(data)), 20)
                if back != data:
                    self.wrong += 1
                await asyncio.sleep(random.random() / 50)
                if self.over:
                    break
            w.close()
            self.well += 1
            self.good_at.append(began)
        except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError):
            self.cut += 1
            self.bad_at.append(time.monotonic())
            await asyncio.sleep(0.02)

    async def one(self):
        while not self.over:
            await self.session()

    async def run(self):
        await asyncio.gather(*[self.one() for _ in range(AT_ONCE)])


async def echo(r, w):
    try:
        while data := await r.read(65536):
            w.write(data)
            await w.drain()
        w.close()
    except (OSError, asyncio.CancelledError):
        pass


COMMON = '''user = "nobody"; auth_user = "nobody";
log = { to = "%(log)s"; };
control = { path = "%(folder)s/control"; };
carriers = { count = 1; };
'''
RELAY = COMMON + '''listeners = (
  { name = "a"; listen = "127.0.0.1:%(port)d";
    forward = "127.0.0.1:%(server)d"; %(extra)s } );
'''
TLS = RELAY.replace('%(extra)s', '''tls = { mode = "require";
    certificate = "%(folder)s/hub.pem"; key = "%(folder)s/hub.key"; };
    %(extra)s''')
# A hub, and the agent that publishes there: the same daemon is both.
TUNNEL = COMMON + '''listeners = (
  { name = "hub"; listen = "127.0.0.1:%(hub)d"; protocol = "hub"; },
  { name = "a"; listen = "127.0.0.1:%(port)d"; forward = "topic:t";
    %(extra)s } );
agents = ( { id = "one"; secret_file = "%(folder)s/one"; publish = "*"; } );
hubs = ( { name = "h"; address = "127.0.0.1:%(hub)d"; id = "one";
           secret_file = "%(folder)s/one"; tls = { mode = "off"; }; } );
publish = ( { topic = "t"; hub = "h"; forward = "127.0.0.1:%(server)d"; } );
'''


class Daemon:
    def __init__(self, program, folder, kind, port, server, extra='', log='', limit=None):
        self.folder = folder
        self.port = port
        self.conf = folder + '/conf'
        self.ctl = os.path.dirname(program) + '/sallyportctl'
        self.text = kind % {
            'folder': folder, 'port': port, 'server': server, 'extra': extra,
            'hub': port + 1000, 'log': log or folder + '/log',
        }
        if kind is TUNNEL:
            subprocess.run([self.ctl, 'secret', folder + '/one'],
                           stdout=subprocess.DEVNULL, check=True)
        if kind is TLS:
            subprocess.run(
                ['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes',
                 '-days', '2', '-subj', '/CN=localhost',
                 '-out', folder + '/hub.pem', '-keyout', folder + '/hub.key'],
                stderr=subprocess.DEVNULL, check=True)
            os.chmod(folder + '/hub.key', 0o600)
        self.write('')
        self.child = subprocess.Popen([program, '-f', self.conf],
                                      stdin=subprocess.DEVNULL,
                                      preexec_fn=limit)

    def write(self, more):
        with open(self.conf, 'w') as f:
            f.write(self.text + more)

    def pids(self, role):
        found = []
        for pid in [p for p in os.listdir('/proc') if p.isdigit()]:
            try:
                with open('/proc/%s/cmdline' % pid) as f:
                    title = f.read()
                with open('/proc/%s/stat' % pid) as f:
                    session = f.read()
            except OSError:
                continue
            if re.match(r'sallyportd: %s' % role, title) and \
                    self.is_ours(int(pid)):
                found.append(int(pid))
        return found

    def is_ours(self, pid):
        for _ in range(4):
            if pid == self.child.pid:
                return True
            try:
                with open('/proc/%d/stat' % pid) as f:
                    pid = int(f.read().rsplit(')', 1)[1].split()[1])
            except (OSError, ValueError):
                return False
        return False

    def ask(self, *words):
        return subprocess.run([self.ctl, '-s', self.folder + '/control',
                               *words], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode

    def end(self):
        self.ask('stop')		# whoever is the daemon by now
        self.child.terminate()
        try:
            self.child.wait(20)
        except subprocess.TimeoutExpired:
            self.child.kill()


def send(signo, role, every=False):
    async def fault(d):
        pids = d.pids(role)
        for pid in pids if every else pids[:1]:
            os.kill(pid, signo)
        if signo == signal.SIGSTOP:
            await asyncio.sleep(2)
            for pid in pids if every else pids[:1]:
                try:
                    os.kill(pid, signal.SIGCONT)
                except OSError:
                    pass
        return len(pids) > 0
    return fault


async def reloads(d):
    """A thousand, each of another configuration."""
    n = 0
    while n < 1000:
        d.write('timeouts = { idle = "%ds"; };' % (600 + n))
        proc = await asyncio.create_subprocess_exec(
            d.ctl, '-s', d.folder + '/control', 'reload',
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if await proc.wait() != 0:
            return False
        n += 1
    return True


async def upgrade(d):
    proc = await asyncio.create_subprocess_exec(
        d.ctl, '-s', d.folder + '/control', 'upgrade',
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return await proc.wait() == 0


async def full_disk(d):
    """The log's folder takes no byte more."""
    path = d.folder + '/full'
    subprocess.run(['dd', 'if=/dev/zero', 'of=' + path, 'bs=64k'],
                   stderr=subprocess.DEVNULL)
    await asyncio.sleep(2)
    os.unlink(path)
    return True


async def log_is_gone(d):
    os.rename(d.folder + '/log', d.folder + '/log.1')
    d.child.send_signal(signal.SIGUSR1)
    return True


async def few_descriptors(d):
    """A process has so few that a carrier cannot have all sessions."""
    most = max(len(os.listdir('/proc/%d/fd' % pid))
               for pid in d.pids('carrier'))
    await asyncio.sleep(2)
    return most > DESCRIPTORS - 75


class Syslog:
    """Takes what comes to /dev/log, which nobody else has."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind('/dev/log')
        os.chmod('/dev/log', 0o666)
        self.socket.setblocking(False)
        self.heard = 0
        asyncio.get_running_loop().add_reader(self.socket, self.hear)

    def hear(self):
        self.socket.recv(65536)
        self.heard += 1

    def end(self):
        if self.socket.fileno() != -1:
            asyncio.get_running_loop().remove_reader(self.socket)
            self.socket.close()
            os.unlink('/dev/log')


async def syslog_is_gone(d):
    heard = d.syslog.heard
    d.syslog.end()
    await asyncio.sleep(2)
    d.syslog = Syslog()
    await asyncio.sleep(1)
    return heard > 0 and d.syslog.heard > 0


async def clock_steps(d):
    """An hour on, two back, and right again, also if we fail."""
    real = time.time() - time.monotonic()
    try:
        for by in (3600, -3600):
            time.clock_settime(time.CLOCK_REALTIME,
                               real + time.monotonic() + by)
            await asyncio.sleep(1)
    finally:
        time.clock_settime(time.CLOCK_REALTIME, real + time.monotonic())
    return True


# name: what happens; whether sessions may be cut; more configuration; which
ROLES = ('worker', 'spawner', 'keeper', 'control', 'carrier', 'logger')
FAULTS = {}
for _role in ROLES:
    _cuts = _role in ('worker', 'spawner', 'carrier')
    _more = 'carry = "%s";' % ('always' if _role == 'carrier' else 'never')
    for _name, _signo in (('killed', signal.SIGKILL),
                          ('crashed', signal.SIGSEGV),
                          ('stopped', signal.SIGSTOP)):
        FAULTS['%s is %s' % (_role, _name)] = (
            send(_signo, _role), _cuts and _name != 'stopped', _more, RELAY)
for _role in ('broker', 'auth', 'link'):
    for _name, _signo in (('killed', signal.SIGKILL),
                          ('crashed', signal.SIGSEGV),
                          ('stopped', signal.SIGSTOP)):
        FAULTS['%s is %s' % (_role, _name)] = (
            send(_signo, _role), False, '', TUNNEL)
for _name, _signo in (('killed', signal.SIGKILL),
                      ('crashed', signal.SIGSEGV),
                      ('stopped', signal.SIGSTOP)):
    FAULTS['signer is %s' % _name] = (send(_signo, 'signer'), False, '', TLS)
FAULTS['all workers are killed'] = (
    send(signal.SIGKILL, 'worker', True), True, 'carry = "never";', RELAY)
FAULTS['1000 reloads'] = (reloads, False, '', RELAY)
FAULTS['an upgrade'] = (upgrade, False, '', RELAY)
FAULTS['the log is moved'] = (log_is_gone, False, '', RELAY)
FAULTS['the disk is full'] = (full_disk, False, '', RELAY)
FAULTS['few descriptors'] = (
    few_descriptors, False,
    'carry = "always";', RELAY)
FAULTS['syslog is gone'] = (syslog_is_gone, False, '', RELAY)
CLOCK = 'the clock is stepped'
for _whose, _kind in (('', RELAY), (', TLS', TLS), (', a hub', TUNNEL)):
    FAULTS[CLOCK + _whose] = (clock_steps, False, '', _kind)


async def attempt(program, name, folder):
    fault, may_cut, more, kind = FAULTS[name]
    syslog = tls = None
    if name == 'the disk is full':
        if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=2m,mode=777',
                           'none', folder], stderr=subprocess.DEVNULL) \
                .returncode != 0:
            print('%-24s cannot be tried here' % name)
            return True
    server = await asyncio.start_server(echo, '127.0.0.1', 0, backlog=500)
    if name == 'syslog is gone':
        if os.path.exists('/dev/log'):
            print('%-24s cannot be tried here' % name)
            return True
        syslog = Syslog()
    if kind is TLS:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    d = Daemon(program, folder, kind, random.randint(30000, 30999),
               server.sockets[0].getsockname()[1], more,
               'syslog' if syslog else '',
               (lambda: resource.setrlimit(
                   resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS)))
               if name == 'few descriptors' else None)
    d.syslog = syslog
    load = Load(d.port, tls)
    try:
        for _ in range(100):
            try:
                r, w = await asyncio.open_connection('127.0.0.1', d.port,
                                                     ssl=tls)
                w.write(b'x')
                await asyncio.wait_for(r.readexactly(1), 5)
                w.close()
                break
            except (OSError, asyncio.IncompleteReadError,
                    asyncio.TimeoutError):
                await asyncio.sleep(0.1)
        running = asyncio.create_task(load.run())
        await asyncio.sleep(1)
        before, at = load.cut, time.monotonic()
        happened = await fault(d)
        await asyncio.sleep(max(0, at + LAST - 1 - time.monotonic()))
        load.over = True
        await running
    finally:
        load.over = True
        d.end()
        server.close()
        if d.syslog:
            d.syslog.end()
        if name == 'the disk is full':
            subprocess.run(['umount', '-l', folder])
    by_fault = load.cut - before
    worst = max([t - at for t in load.bad_at if t > at] or [0])
    recovered = any(t - at > worst for t in load.good_at)
    good = happened and load.wrong == 0 and recovered and before == 0 and \
        (may_cut or by_fault == 0)
    print('%-24s %7d %7d %7d %7d %9.2f %s' % (
        name, load.started, load.well, by_fault, load.wrong, worst,
        'ok' if good else 'FAIL' if happened else 'FAIL: nothing happened'),
        flush=True)
    return good


def main():
    program = os.path.abspath(sys.argv[1])
    names = sys.argv[2:] or [
        name for name in FAULTS if not name.startswith(CLOCK)]
    print('%-24s %7s %7s %7s %7s %9s' % ('fault', 'started', 'well', 'cut',
                                          'wrong', 'worst s'))
    good = True
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o777)
            good &= asyncio.run(attempt(program, name, folder))
    sys.exit(0 if good else 1)


main()
