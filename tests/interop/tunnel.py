#!/usr/bin/env python3
"""Services, users and bad networks for hub.sh.

tunnel.py echo PORT			says its banner, then what it is told
tunnel.py relay PORT TO MS		passes on, each byte MS late; on SIGUSR1
					what there is stands still, but for the
					oldest connection; on SIGUSR2 all does
tunnel.py users PORT N			so many at once: what became of them
tunnel.py first PORT			ms to the first byte of the service
tunnel.py big PORT BYTES		sends all before it reads any
tunnel.py hold PORT SECONDS		a session that says a byte each 50 ms
tunnel.py half PORT			ends its stream first, and reads on
tunnel.py tls PORT			one user, in TLS
tunnel.py unix-echo PATH		as echo, at a path
tunnel.py unix PATH			one user, there
tunnel.py until PORT SECONDS		tries until it is served: how long it took
"""
import asyncio
import signal
import socket
import ssl
import sys
import time

BANNER = b'5.5.5-banner\n'


async def echo(port, path=None):
    async def serve(r, w):
        w.write(BANNER)
        try:
            while True:
                data = await r.read(65536)
                if not data:
                    break
                w.write(data)
                await w.drain()
            w.close()
        except ConnectionError:
            pass
    if path:
        server = await asyncio.start_unix_server(serve, path)
    else:
        server = await asyncio.start_server(
            serve, '127.0.0.1', port, backlog=2048)
    await server.serve_forever()


def unix(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10)
    s.connect(path)
    assert read(s, len(BANNER)) == BANNER
    s.sendall(b'by path')
    assert read(s, 7) == b'by path'


async def relay(port, to, ms):
    frozen = set()
    known = []
    moved = 0

    async def move(me, r, w):
        queue = asyncio.Queue()

        async def write():
            nonlocal moved
            while True:
                at, data = await queue.get()
                await asyncio.sleep(max(0, at - time.monotonic()))
                while me in frozen:
                    await asyncio.sleep(3600)
                if data is None:
                    w.write_eof()
                    return
                w.write(data)
                moved += len(data)
        task = asyncio.create_task(write())
        try:
            while True:
                data = await r.read(65536)
                await queue.put((time.monotonic() + ms / 1000, data or None))
                if not data:
                    await task
                    return
        except (ConnectionError, OSError):
            w.close()

    async def serve(r, w):
        me = object()
        known.append(me)
        try:
            r2, w2 = await asyncio.open_connection('127.0.0.1', to)
        except OSError:
            w.close()
            return
        for s in (w, w2):
            s.get_extra_info('socket').setsockopt(
                socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.gather(move(me, r, w2), move(me, r2, w),
                             return_exceptions=True)
        w.close()
        w2.close()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, lambda: frozen.update(known[1:]))
    loop.add_signal_handler(signal.SIGUSR2, lambda: frozen.update(known))
    loop.add_signal_handler(signal.SIGHUP, lambda: print(moved, flush=True))
    await (await asyncio.start_server(serve, '127.0.0.1',
                                      port)).serve_forever()


async def users(port, n):
    async def one(i):
        try:
            r, w = await asyncio.open_connection('127.0.0.1', port)
            if await asyncio.wait_for(r.readexactly(len(BANNER)), 40) != BANNER:
                return 'banner'
            mine = b'%08d' % i
            w.write(mine)
            if await asyncio.wait_for(r.readexactly(8), 40) != mine:
                return 'mixed up'
            w.close()
            return 'served'
        except Exception as e:
            return type(e).__name__
    count = {}
    for what in await asyncio.gather(*[one(i) for i in range(n)]):
        count[what] = count.get(what, 0) + 1
    print(' '.join('%s=%d' % x for x in sorted(count.items())))


def dial(port):
    s = socket.create_connection(('127.0.0.1', port),
                                 source_address=('127.0.0.7', 0))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.settimeout(40)
    return s


def read(s, n):
    data = b''
    while len(data) < n:
        more = s.recv(min(n - len(data), 1 << 20))
        if not more:
            raise EOFError
        data += more
    return data


def first(port):
    best = 1e9
    for _ in range(5):
        began = time.monotonic()
        s = dial(port)
        assert read(s, len(BANNER)) == BANNER
        best = min(best, time.monotonic() - began)
        s.close()
        time.sleep(0.3)         # another is parked by then
    print('%d' % (best * 1000))


def big(port, n):
    s = dial(port)
    block = bytes(range(256)) * 256
    sent = 0
    import threading

    def write():
        nonlocal sent
        while sent < n:
            s.sendall(block)
            sent += len(block)
        s.shutdown(socket.SHUT_WR)
    t = threading.Thread(target=write)
    t.start()
    time.sleep(1)               # all that fits is on its way
    assert read(s, len(BANNER)) == BANNER
    got = 0
    while True:
        data = s.recv(1 << 20)
        if not data:
            break
        for at in range(0, len(data), 4093):
            assert data[at] == (got + at) % 256, 'a wrong byte'
        got += len(data)
    t.join()
    assert got == sent, (got, sent)
    print(got)


def hold(port, seconds):
    s = dial(port)
    read(s, len(BANNER))
    end = time.monotonic() + seconds
    n = 0
    while time.monotonic() < end:
        s.sendall(bytes([n % 256]))
        assert read(s, 1)[0] == n % 256
        n += 1
        time.sleep(0.05)
    print('held')


def half(port):
    s = dial(port)
    s.sendall(b'last words')
    s.shutdown(socket.SHUT_WR)
    assert read(s, len(BANNER) + 10) == BANNER + b'last words'
    assert s.recv(1) == b''
    print('whole')


def tls(port):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    s = context.wrap_socket(dial(port))
    s.sendall(b'last words')
    assert read(s, len(BANNER) + 10) == BANNER + b'last words'
    print('whole')


def until(port, seconds):
    began = time.monotonic()
    while True:
        try:
            s = dial(port)
            read(s, len(BANNER))
            print('%d' % ((time.monotonic() - began) * 1000))
            return
        except (OSError, EOFError):
            if time.monotonic() - began > seconds:
                raise
            time.sleep(0.05)


def main():
    what = sys.argv[1]
    if what == 'unix-echo':
        asyncio.run(echo(None, sys.argv[2]))
    elif what == 'unix':
        unix(sys.argv[2])
    else:
        by_port(what, [float(a) for a in sys.argv[2:]])


def by_port(what, args):
    ints = [int(a) for a in args]
    if what in ('echo', 'relay', 'users'):
        asyncio.run(globals()[what](*ints))
    elif what in ('hold', 'until'):
        globals()[what](ints[0], args[1])
    else:
        globals()[what](*ints)


main()
