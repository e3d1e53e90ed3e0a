"""Netroxy clients, version 0.3 of the protocol, written from its table.

netroxy_peer.py client PORT[s] USER PASSWORD REMOTE=LOCAL[=false]...
        what a Netroxy client does, until it is ended; PORTs: with TLS
netroxy_peer.py table PORT[s] USER PASSWORD FREE FOREIGN BUSY TARGET
        each command, also byte by byte and all in one segment
netroxy_peer.py login PORT[s] USER PASSWORD
        prints what the server says to it
netroxy_peer.py ports PORT USER PASSWORD AGENTS EACH FIRST
        many, each of which ends its own ports
netroxy_peer.py silent PORT USER PASSWORD REMOTE
        one that never dials: its user is told, and takes nobody's turn
netroxy_peer.py storm PORT USER PASSWORD AGENTS FIRST USERS
        users while clients come and go: nobody gets what is another's
netroxy_peer.py server PORT USER PASSWORD [CERTIFICATE KEY]
        what Netroxy's server does, with what it does wrong
"""
import asyncio
import socket
import ssl
import sys
import time


# Made once: to load the authorities of a system takes longer than a login.
unchecked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
unchecked.check_hostname = False
unchecked.verify_mode = ssl.CERT_NONE


def context(port):
    return unchecked if port.endswith('s') else None


def dial(port):
    s = socket.create_connection(('127.0.0.1', int(port.rstrip('s'))))
    s.settimeout(15)
    c = context(port)
    return c.wrap_socket(s) if c else s


def command(*fields):
    return ''.join('%s\n' % f for f in fields).encode()


class Lines:
    """What the server says, field by field."""

    def __init__(self, s):
        self.s = s
        self.have = b''

    def next(self):
        while b'\n' not in self.have:
            data = self.s.recv(4096)
            if not data:
                raise EOFError(self.have)
            self.have += data
        line, self.have = self.have.split(b'\n', 1)
        return line.decode()

    def expect(self, *fields):
        said = [self.next() for _ in fields]
        if said != [str(f) for f in fields]:
            raise SystemExit('wanted %r, it said %r' % (fields, said))

    def forget(self):
        """What was said until now, also what is still on its way."""
        self.have = b''
        self.s.settimeout(0.5)
        try:
            while self.s.recv(4096):
                pass
        except TimeoutError:
            pass
        self.s.settimeout(15)

    def end(self):
        try:
            rest = self.have + self.s.recv(4096)
        except ConnectionResetError:
            rest = b''
        if rest:
            raise SystemExit('wanted an end, it said %r' % rest)


def log_in(port, user, password, slowly=False):
    s = dial(port)
    hello = command('ATH', 'host-0123456789abcdef', user, password)
    for piece in [hello[i:i + 1] for i in range(len(hello))] if slowly \
            else [hello]:
        s.sendall(piece)
        if slowly:
            time.sleep(0.001)
    lines = Lines(s)
    lines.expect('ARS', 'true')
    timeout, token = int(lines.next()), lines.next()
    if not 3 <= timeout <= 600 or len(token) != 32:
        raise SystemExit('timeout %d, token %r' % (timeout, token))
    return s, lines, token


def user_of(port):
    return socket.create_connection(('127.0.0.1', int(port)), 15)


def read_to_end(s):
    data = b''
    try:
        while True:
            more = s.recv(65536)
            if not more:
                return data
            data += more
    except ConnectionResetError:
        return data


def is_open(port):
    try:
        user_of(port).close()
        return True
    except OSError:
        return False


def table(port, user, password, free, foreign, busy, target):
    s, lines, token = log_in(port, user, password, True)
    s.sendall(command('SRQ'))
    lines.expect('SRS')
    s.sendall(command('HUH') + command('SRQ'))   # unknown ones are ignored
    lines.expect('SRS')
    for wrong in 0, foreign, busy, 70000:
        s.sendall(command('MAP', wrong, target, 'true'))
        lines.expect('MRS', wrong, 'false')
    # Twice in one segment, with more behind it.
    s.sendall(command('MAP', free, target, 'true') * 2 + command('SRQ'))
    said = [lines.next()]
    while said.count('MRS') < 2 or said.count('SRS') < 1 or \
            said[-1] not in ('true', 'false', 'SRS'):
        said.append(lines.next())
    if sorted(said) != sorted(['MRS', free, 'true', 'MRS', free, 'false',
                               'SRS']):
        raise SystemExit('of the same port twice: %r' % said)

    # A banner in the segment of TRS, and then the user's word back.
    u = user_of(free)
    lines.expect('TRQ', free)
    data = dial(port)
    data.sendall(command('TRS', token, free) + b'SSH-2.0-banner\r\n')
    if u.recv(100) != b'SSH-2.0-banner\r\n':
        raise SystemExit('the banner is lost')
    u.sendall(b'hello')
    u.shutdown(socket.SHUT_WR)
    if read_to_end(data) != b'hello':
        raise SystemExit('the user is not heard')
    data.sendall(b'late')
    data.close()
    if read_to_end(u) != b'late':
        raise SystemExit('what was said after the half-close is lost')

    # The same byte by byte.
    u = user_of(free)
    lines.expect('TRQ', free)
    data = dial(port)
    for c in command('TRS', token, free) + b'slow':
        data.sendall(bytes([c]))
        time.sleep(0.001)
    got = b''
    while len(got) < 4:
        got += u.recv(10)
    if got != b'slow':
        raise SystemExit('byte by byte: %r' % got)
    u.close()
    data.close()

    # Who is not asked for, or has not its token, brings nothing.
    for wrong in (token, free), (token[::-1], free), ('x', free), \
            (token, foreign):
        data = dial(port)
        data.sendall(command('TRS', *wrong))
        Lines(data).end()
    # A line without an end, and one that is too long.
    data = dial(port)
    data.sendall(b'ATH\n' + b'a' * 2000)
    Lines(data).end()
    # A second login in the same connection is none.
    s.sendall(command('ATH', 'again', user, password))
    Lines(s).end()
    for _ in range(100):
        if not is_open(free):
            print('ok')
            return
        time.sleep(0.1)
    raise SystemExit('the port is still open')


def login(port, user, password):
    s = dial(port)
    s.sendall(command('ATH', 'host', user, password))
    print(read_to_end(s).decode().replace('\n', ' ').strip())


def ports(port, user, password, agents, each, first):
    links = []
    agents, each, first = int(agents), int(each), int(first)
    for i in range(agents):
        s, lines, _ = log_in(port, user, password)
        mine = range(first + i * each, first + (i + 1) * each)
        s.sendall(b''.join(command('MAP', p, '127.0.0.1:1', 'true')
                           for p in mine))
        for _ in mine:
            if [lines.next(), lines.next(), lines.next()][2] != 'true':
                raise SystemExit('a port is refused')
        links.append((s, mine))
    for s, mine in links:
        if not all(is_open(p) for p in mine):
            raise SystemExit('a port was closed with others')
        s.close()
        for _ in range(100):
            if not any(is_open(p) for p in mine):
                break
            time.sleep(0.05)
        else:
            raise SystemExit('a port is open after its client ended')


def silent(port, user, password, remote):
    s, lines, token = log_in(port, user, password)
    s.sendall(command('MAP', remote, '127.0.0.1:1', 'true'))
    lines.expect('MRS', remote, 'true')
    began = time.time()
    first = user_of(remote)
    lines.expect('TRQ', remote)
    first.settimeout(30)
    if read_to_end(first) != b'':
        raise SystemExit('it got something')
    if time.time() - began > 20:
        raise SystemExit('told after %.1f s' % (time.time() - began))
    # It has gone: the next one gets what comes, and asks for it anew.
    lines.forget()                      # the first was asked for again
    second = user_of(remote)
    lines.expect('TRQ', remote)
    data = dial(port)
    data.sendall(command('TRS', token, remote) + b'yours')
    if second.recv(10) != b'yours':
        raise SystemExit('the turn of the one who left was taken')
    print('told after %.1f s' % (time.time() - began))


# --- many

async def join(reader, writer, other_reader, other_writer):
    async def move(a, b):
        try:
            while data := await a.read(65536):
                b.write(data)
                await b.drain()
            # With TLS an end is one of both ways, as theirs are.
            b.write_eof() if b.can_write_eof() else b.close()
        except (ConnectionError, OSError):
            pass
    await asyncio.gather(move(reader, other_writer),
                         move(other_reader, writer))
    writer.close()
    other_writer.close()


class Client:
    """Stays until it is told to leave; each mapping is REMOTE: (LOCAL, open)."""

    def __init__(self, port, user, password, mappings):
        self.port, self.user, self.password = port, user, password
        self.mappings = mappings
        self.tasks = set()
        self.said = {}

    def connect(self):
        return asyncio.open_connection('127.0.0.1',
                                       int(self.port.rstrip('s')),
                                       ssl=context(self.port))

    async def bring(self, remote):
        try:
            local = await asyncio.open_connection(
                '127.0.0.1', self.mappings[remote][0])
        except OSError:
            return                      # as they do: without a word
        server = await self.connect()
        server[1].write(command('TRS', self.token, remote))
        await join(*local, *server)

    async def line(self):
        data = await self.reader.readuntil(b'\n')
        return data[:-1].decode()

    async def run(self, told=lambda: None):
        self.reader, self.writer = await self.connect()
        self.writer.write(command('ATH', 'host', self.user, self.password))
        if [await self.line(), await self.line()] != ['ARS', 'true']:
            raise SystemExit('it may not log in')
        timeout, self.token = int(await self.line()), await self.line()
        for remote, (local, opened) in self.mappings.items():
            self.writer.write(command('MAP', remote,
                                      '127.0.0.1:%d' % local, opened))

        async def keep():
            while True:
                await asyncio.sleep(timeout)
                self.writer.write(command('SRQ'))
        keeper = asyncio.create_task(keep())
        try:
            while True:
                what = await self.line()
                if what == 'MRS':
                    remote = int(await self.line())
                    self.said[remote] = await self.line() == 'true'
                    told()
                elif what == 'TRQ':
                    t = asyncio.create_task(self.bring(int(await self.line())))
                    self.tasks.add(t)
                    t.add_done_callback(self.tasks.discard)
                elif what != 'SRS':
                    raise SystemExit('it said %r' % what)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            keeper.cancel()
            self.writer.close()


async def client(port, user, password, *mappings):
    wanted = {}
    for m in mappings:
        remote, local, opened = (m + '=true').split('=')[:3]
        wanted[int(remote)] = int(local), opened
    while True:
        c = Client(port, user, password, wanted)
        try:
            await c.run(lambda: print(c.said, flush=True))
        except OSError:
            pass
        print('left', flush=True)
        await asyncio.sleep(0.2)


async def storm(port, user, password, agents, first, users):
    agents, first, users = int(agents), int(first), int(users)
    over = False
    count = {'served': 0, 'closed': 0}
    wrong = []

    async def service(i):
        async def serve(reader, writer):
            writer.write(b'service %d\n' % i)
            try:
                writer.write(await reader.readline())
                await writer.drain()
            except (ConnectionError, asyncio.CancelledError):
                pass
            writer.close()
        s = await asyncio.start_server(serve, '127.0.0.1', 0, backlog=1000)
        return s.sockets[0].getsockname()[1]

    async def agent(i):
        local = await service(i)
        stays = 1.0 + i * 0.37
        while not over:
            c = Client(port, user, password, {first + i: (local, 'true')})
            run = asyncio.create_task(c.run())
            done, _ = await asyncio.wait([run], timeout=stays)
            if not done:
                c.writer.close()
                await run
            await asyncio.sleep(0.05)

    async def one(n, gate):
        i = n % agents
        async with gate:
            began = time.time()
            got = b''
            try:
                r, w = await asyncio.open_connection('127.0.0.1', first + i)
                try:
                    w.write(b'user %d\n' % n)
                    got = await asyncio.wait_for(r.read(-1), 30)
                finally:
                    w.close()
            except (OSError, ConnectionError):
                pass
            except asyncio.TimeoutError:
                wrong.append('user %d waits for ever' % n)
            if got == b'service %d\nuser %d\n' % (i, n):
                count['served'] += 1
            elif b'service %d\n'.startswith(got[:8]) or got == b'':
                count['closed'] += 1
            else:
                wrong.append('user %d got %r' % (n, got))
            if time.time() - began > 20:
                wrong.append('user %d was told after %.0f s' %
                             (n, time.time() - began))

    tasks = [asyncio.create_task(agent(i)) for i in range(agents)]
    await asyncio.sleep(0.5)
    # With TLS each takes us two handshakes, and no more than we can do.
    gate = asyncio.Semaphore(8 if port.endswith('s') else 200)
    await asyncio.gather(*[one(n, gate) for n in range(users)])
    over = True
    await asyncio.sleep(1)              # for those that end just now
    for t in tasks:
        t.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for line in wrong[:10]:
        print(line)
    print('served=%(served)d closed=%(closed)d' % count, flush=True)
    if wrong or count['served'] < users * 0.9:
        raise SystemExit(1)


class Server:
    """Its faults too: what comes with TRS in one read is lost."""

    def __init__(self, user, password):
        self.login = [user, password]
        self.token = '0123456789abcdef' * 2
        self.waiting = {}

    async def lines(self, r, n):
        return [(await r.readline()).decode().rstrip('\n') for _ in range(n)]

    async def map(self, w, port, ok):
        async def user(ur, uw):
            self.waiting.setdefault(port, []).append((ur, uw))
            w.write(command('TRQ', port))
        try:
            server = await asyncio.start_server(user, '127.0.0.1', port)
        except OSError:
            w.write(command('MRS', port, 'false'))
            return None
        w.write(command('MRS', port, 'true'))
        return server

    async def control(self, r, w):
        _, user, password = await self.lines(r, 3)
        if [user, password] != self.login:
            w.write(command('ARS', 'false'))
            w.close()
            return
        w.write(command('ARS', 'true', 3, self.token))
        servers = []
        try:
            while True:
                line = await asyncio.wait_for(r.readline(), 3)
                if line == b'MAP\n':
                    port, _, is_open = await self.lines(r, 3)
                    servers.append(await self.map(
                        w, int(port), is_open == 'true'))
                elif line == b'SRQ\n':
                    w.write(command('SRS'))
                else:
                    break
        except asyncio.TimeoutError:
            pass
        for s in servers:
            if s:
                s.close()
        w.close()

    async def serve(self, r, w):
        first = await r.readline()
        if first == b'ATH\n':
            await self.control(r, w)
            return
        token, port = await self.lines(r, 2)
        lost = bytes(r._buffer)
        r._buffer.clear()
        if lost:
            print('lost', lost, flush=True)
        if first != b'TRS\n' or token != self.token:
            w.close()
            return
        ur, uw = self.waiting[int(port)].pop(0)
        await asyncio.gather(pass_on(r, uw), pass_on(ur, w))


async def pass_on(r, w):
    try:
        while data := await r.read(65536):
            w.write(data)
            await w.drain()
    except OSError:
        pass
    w.close()


async def server(port, user, password, certificate=None, key=None):
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
    await (await asyncio.start_server(
        Server(user, password).serve, '127.0.0.1', int(port),
        ssl=context)).serve_forever()


def main():
    what, args = sys.argv[1], sys.argv[2:]
    if what in ('client', 'server', 'storm'):
        asyncio.run(globals()[what](*args))
    else:
        {'table': table, 'login': login, 'ports': ports,
         'silent': silent}[what](*args)


if __name__ == '__main__':
    main()
