#!/usr/bin/env python3
"""A stranger's agent, written from sallyport-protocol(7) alone.

tunnel_peer.py example			the frames of the manual's example
tunnel_peer.py corpus FOLDER		inputs for tests/fuzz/fuzz_tunnel
tunnel_peer.py serve PORT ID SECRETFILE TOPIC BANNER
					an agent on a plain link: its service says
					BANNER and then what it is told
tunnel_peer.py attack PORT ID SECRETFILE
					what a hub must refuse; one line each
tunnel_peer.py ports PORT ID SECRETFILE AGENTS EACH FIRST
					so many agents ID1 ..., each with ports from
					FIRST on, leave one after the other: only
					their own close
"""
import hashlib
import hmac
import os
import select
import socket
import struct
import sys
import threading
import time

TYPES = dict(HELLO=1, CHALLENGE=2, AUTH=3, WELCOME=4, REJECT=5, REGISTER=6,
             REGISTERED=7, REFUSED=8, WITHDRAW=9, HEALTH=10, NEED=11, PING=12,
             PONG=13, GOAWAY=14, SUBSCRIBE=15, OPEN=16, OPEN_OK=17, OPEN_NO=18,
             DATA=19, MAP=20, MAPPED=21, ASSIGN=22)
NAMES = {v: k for k, v in TYPES.items()}
TAGS = dict(version=1, id=2, instance=3, nonce=4, mode=5, caps=6, proof=7,
            timers=8, code=9, retry=10, text=11, number=12, topic=13,
            weight=14, tickets=15, session=16, source=17, destination=18,
            up=19, address=20, map=21)
MUST = dict(HELLO={'version', 'id', 'instance', 'nonce', 'mode'},
            CHALLENGE={'nonce'}, AUTH={'proof'},
            WELCOME={'version', 'proof', 'timers'}, REJECT={'code'},
            REGISTER={'number', 'topic'}, REGISTERED={'number'},
            REFUSED={'number', 'code'}, WITHDRAW={'number', 'topic'},
            HEALTH={'topic', 'up'}, NEED={'tickets'}, GOAWAY={'code'},
            SUBSCRIBE={'topic'}, OPEN={'topic', 'session'},
            OPEN_NO={'code'}, DATA={'tickets'},
            MAP={'number', 'topic', 'address', 'map'},
            MAPPED={'number', 'address'},
            ASSIGN={'number', 'topic', 'address', 'map'})


def frame(kind, **fields):
    body = b''
    for name in sorted(fields, key=TAGS.get):
        tag = TAGS[name] | (0x80 if name in MUST.get(kind, ()) else 0)
        value = fields[name]
        body += struct.pack('>BH', tag, len(value)) + value
    return struct.pack('>BBH', TYPES[kind], 0, len(body)) + body


def seal(key, number, f):
    f = f[:1] + b'\1' + struct.pack('>H', len(f) - 4 + 16) + f[4:]
    mac = hmac.new(key, struct.pack('>Q', number) + f, hashlib.sha256)
    return f + mac.digest()[:16]


def hkdf(key, salt, info, n):
    prk = hmac.new(salt, key, hashlib.sha256).digest()
    out, t, i = b'', b'', 1
    while len(out) < n:
        t = hmac.new(prk, t + info + bytes([i]), hashlib.sha256).digest()
        out += t
        i += 1
    return out[:n]


class Login:
    """What both ends know once HELLO and CHALLENGE have gone."""

    def __init__(self, secret, seen, exporter=bytes(32)):
        self.hash = hashlib.sha256(seen).digest()
        self.agent = hmac.new(secret, b'sallyport/1 agent' + self.hash +
                              exporter, hashlib.sha256).digest()
        self.hub = hmac.new(secret, b'sallyport/1 hub' + self.hash +
                            exporter, hashlib.sha256).digest()
        keys = hkdf(secret, self.hash, b'sallyport/1 link' + exporter, 96)
        self.tickets, self.agent_mac, self.hub_mac = (
            keys[:32], keys[32:64], keys[64:])

    def ticket(self, ticket):
        k = hkdf(self.tickets, ticket, b'sallyport/1 ticket', 96)
        return k[:32], k[32:64], k[64:]


def read(s, n):
    data = b''
    while len(data) < n:
        more = s.recv(n - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def hear(s):
    head = read(s, 4)
    return head + read(s, struct.unpack('>H', head[2:])[0])


def fields(f):
    body = f[4:-16] if f[1] else f[4:]
    out = {}
    while body:
        tag, n = struct.unpack('>BH', body[:3])
        out[tag & 0x7f] = body[3:3 + n]
        body = body[3 + n:]
    return {k: out[v] for k, v in TAGS.items() if v in out}


def hello(name, nonce=None, mode=1, instance=None):
    return frame('HELLO', version=b'\1\1', id=name.encode(),
                 instance=instance or os.urandom(16),
                 nonce=nonce or os.urandom(32), mode=bytes([mode]),
                 caps=bytes(4))


class Link:
    """A control link without TLS."""

    def __init__(self, port, name, secret, mode=1):
        self.s = socket.create_connection(('127.0.0.1', port))
        self.s.settimeout(15)
        first = hello(name, mode=mode)
        self.s.sendall(first)
        challenge = hear(self.s)
        assert NAMES[challenge[0]] == 'CHALLENGE', challenge
        self.login = Login(secret, first + challenge)
        self.auth = frame('AUTH', proof=self.login.agent)
        self.s.sendall(self.auth)
        self.answer = hear(self.s)
        self.nin = self.nout = 0
        if NAMES[self.answer[0]] == 'WELCOME':
            self.check(self.answer)
            assert fields(self.answer)['proof'] == self.login.hub

    def check(self, f):
        mac = hmac.new(self.login.hub_mac, struct.pack('>Q', self.nin) +
                       f[:-16], hashlib.sha256).digest()[:16]
        assert f[1] == 1 and mac == f[-16:], 'a wrong MAC'
        self.nin += 1

    def say(self, kind, **kv):
        self.s.sendall(seal(self.login.agent_mac, self.nout,
                            frame(kind, **kv)))
        self.nout += 1

    def hear(self):
        f = hear(self.s)
        self.check(f)
        return NAMES[f[0]], fields(f)


def data_connection(port, login, ticket, banner):
    psk, agent_mac, hub_mac = login.ticket(ticket)
    s = socket.create_connection(('127.0.0.1', port))
    s.sendall(seal(agent_mac, 0, frame('DATA', tickets=ticket)))
    try:
        f = hear(s)
    except (EOFError, ConnectionError):
        return
    mac = hmac.new(hub_mac, bytes(8) + f[:-16], hashlib.sha256).digest()
    assert NAMES[f[0]] == 'OPEN' and mac[:16] == f[-16:], f
    s.sendall(seal(agent_mac, 1, frame('PONG')))
    s.sendall(seal(agent_mac, 2, frame('OPEN_OK')) + banner)
    while True:
        data = s.recv(65536)
        if not data:
            break
        s.sendall(data)
    s.close()


def serve(port, name, secret, topic, banner):
    link = Link(port, name, secret)
    assert NAMES[link.answer[0]] == 'WELCOME', fields(link.answer)
    link.say('REGISTER', number=bytes(4), topic=topic.encode())
    link.s.settimeout(None)
    ping_at = time.time() + 10
    while True:
        if not select.select([link.s], [], [], 1)[0]:
            if time.time() >= ping_at:
                link.say('PING')
                ping_at = time.time() + 10
            continue
        kind, f = link.hear()
        if kind == 'REGISTERED':
            print('registered', flush=True)
        elif kind == 'NEED':
            t = f['tickets']
            for i in range(0, len(t), 16):
                threading.Thread(target=data_connection, daemon=True, args=(
                    port, link.login, t[i:i + 16], banner.encode())).start()
        elif kind == 'PING':
            link.say('PONG')
        elif kind in ('GOAWAY', 'REFUSED'):
            sys.exit('%s %r' % (kind, f))


def many(port, name, secret, agents, topics):
    """So many agents that do nothing, and what they have parked."""
    parked = []

    def be(i):
        link = Link(port, '%s%d' % (name, i + 1), secret)
        assert NAMES[link.answer[0]] == 'WELCOME', fields(link.answer)
        for t in range(topics):
            link.say('REGISTER', number=struct.pack('>I', t),
                     topic=b'%s%d.t%d' % (name.encode(), i, t))
        link.s.settimeout(None)
        while True:
            if not select.select([link.s], [], [], 9)[0]:
                link.say('PING')
                continue
            kind, f = link.hear()
            t = f['tickets'] if kind == 'NEED' else b''
            for j in range(0, len(t), 16):
                s = dial(port)
                s.sendall(seal(link.login.ticket(t[j:j + 16])[1], 0,
                               frame('DATA', tickets=t[j:j + 16])))
                parked.append(s)

    for i in range(agents):
        threading.Thread(target=be, args=(i,), daemon=True).start()
        time.sleep(0.01)
    for _ in range(300):
        if len(parked) >= 2 * agents:
            print('parked=%d' % len(parked), flush=True)
            time.sleep(3600)
        time.sleep(0.1)
    sys.exit('only %d are parked' % len(parked))


def is_open(port):
    try:
        socket.create_connection(('127.0.0.1', port)).close()
        return True
    except ConnectionRefusedError:
        return False


def ports(port, name, secret, agents, each, first):
    links = []
    for i in range(agents):
        link = Link(port, '%s%d' % (name, i + 1), secret)
        assert NAMES[link.answer[0]] == 'WELCOME', fields(link.answer)
        links.append(link)
        for j in range(each):
            n = struct.pack('>I', j)
            topic = b't%d.%d' % (i, j)
            at = b'127.0.0.1:%d' % (first + i * each + j)
            link.say('REGISTER', number=n, topic=topic)
            link.say('MAP', number=n, topic=topic, address=at, map=b'\1')
            while True:
                kind, f = link.hear()
                assert kind in ('REGISTERED', 'NEED', 'MAPPED'), (kind, f)
                if kind == 'MAPPED':
                    assert f['address'] == at, f
                    break
    everything = range(first, first + agents * each)
    assert all(map(is_open, everything))
    while links:
        links.pop(0).s.close()
        gone = (agents - len(links)) * each
        deadline = time.monotonic() + 10
        while is_open(first + gone - 1):
            assert time.monotonic() < deadline, 'its ports are open'
            time.sleep(0.05)
        for i, p in enumerate(everything):
            assert is_open(p) == (i >= gone), p
    print('closed=%d' % (agents * each))


def ends(s, seconds=8):
    """What the hub does: a frame's name, or 'closed'."""
    s.settimeout(seconds)
    try:
        return NAMES[hear(s)[0]]
    except (EOFError, ConnectionError):
        return 'closed'
    except socket.timeout:
        return 'silence'


def dial(port):
    return socket.create_connection(('127.0.0.1', port))


def attack(port, name, secret):
    def case(what, is_, *want):
        print('%s %s: %s' % ('ok' if is_ in want else 'BAD', what, is_),
              flush=True)

    link = Link(port, name, secret)
    case('a login', NAMES[link.answer[0]], 'WELCOME')
    link.say('REGISTER', number=bytes(4), topic=b'foreign.topic')
    case('a topic of others', link.hear()[0], 'REFUSED')
    s = dial(port)
    first = hello(name)
    s.sendall(first)
    hear(s)
    s.sendall(link.auth)
    case('the proof of another login', ends(s), 'REJECT')
    for what, data in (
            ('a frame that is too long', b'\1\0\x40\0'),
            ('a length of 65535', b'\1\0\xff\xff' + bytes(100)),
            ('no frame at all', b'GET / HTTP/1.0\r\n\r\n'),
            ('AUTH first', frame('AUTH', proof=bytes(32))),
            ('a newer version', frame(
                'HELLO', version=b'\7\x09', id=b'x', instance=bytes(16),
                nonce=bytes(32), mode=b'\1')),
            ('a frame of a ticket that there is not', seal(
                bytes(32), 0, frame('DATA', tickets=os.urandom(16)))),
            ('DATA without a MAC', frame('DATA', tickets=os.urandom(16)))):
        s = dial(port)
        s.sendall(data)
        case(what, ends(s), 'closed', 'REJECT')
    s = dial(port)
    started = time.time()
    try:
        for byte in first:
            s.sendall(bytes([byte]))
            time.sleep(0.3)
            if time.time() - started > 12:
                break
        result = 'silence'
    except ConnectionError:
        result = 'closed'
    case('a byte each 0.3 seconds', result, 'closed')
    case('the link meanwhile', 'alive' if alive(link) else 'dead', 'alive')
    bad = seal(bytes(32), link.nout, frame('PING'))
    link.s.sendall(bad)
    case('a frame of somebody on the way', ends(link.s), 'closed')
    for i in range(2):
        wrong = Link(port, name, bytes(32))
        case('a wrong secret', NAMES[wrong.answer[0]], 'REJECT')
        code = struct.unpack('>H', fields(wrong.answer)['code'])[0]
        case('its code', code, 2)
    other = Link(port, 'nobody.of.that.name', bytes(32))
    case('the code of an agent that there is not', struct.unpack(
        '>H', fields(other.answer)['code'])[0], 2, 3)


def alive(link):
    link.say('PING')
    return link.hear()[0] == 'PONG'


def example():
    secret = bytes(range(32))
    nonces = bytes(range(32, 64)), bytes(range(64, 96))
    instance, ticket = bytes(range(96, 112)), bytes(range(112, 128))
    first = hello('branch1', nonces[0], 1, instance)
    second = frame('CHALLENGE', nonce=nonces[1])
    login = Login(secret, first + second)
    psk, agent_mac, hub_mac = login.ticket(ticket)
    return [
        ('secret', secret), ('instance', instance),
        ('agent-nonce', nonces[0]), ('hub-nonce', nonces[1]),
        ('HELLO', first), ('CHALLENGE', second),
        ('frames-hash', login.hash), ('agent-proof', login.agent),
        ('hub-proof', login.hub), ('ticket-key', login.tickets),
        ('agent-mac-key', login.agent_mac), ('hub-mac-key', login.hub_mac),
        ('AUTH', frame('AUTH', proof=login.agent)),
        ('REGISTER', seal(login.agent_mac, 0, frame(
            'REGISTER', number=bytes(4), topic=b'mysql', weight=b'\1'))),
        ('ticket', ticket), ('ticket-psk', psk),
        ('ticket-agent-mac-key', agent_mac),
        ('ticket-hub-mac-key', hub_mac),
        ('DATA', seal(agent_mac, 0, frame('DATA', tickets=ticket)))]


def corpus(folder):
    os.makedirs(folder, exist_ok=True)
    inputs = [f for n, f in example() if n.isupper()]
    inputs += [
        frame('WELCOME', version=b'\1\1', proof=bytes(32),
              timers=bytes(12), address=b'192.0.2.1:443'),
        frame('REJECT', code=b'\0\2', retry=bytes(4), text=b'no'),
        frame('REFUSED', number=bytes(4), code=b'\0\4'),
        frame('HEALTH', topic=b'a.b', up=b'\0'),
        frame('NEED', tickets=os.urandom(48)), frame('PING'),
        frame('GOAWAY', code=b'\0\x0c'),
        frame('SUBSCRIBE', topic=b'a', source=b'\4\x7f\0\0\1\x12\x34',
              destination=b'\6' + bytes(18)),
        frame('OPEN', topic=b'a', session=bytes(16)), frame('OPEN_OK'),
        frame('OPEN_NO', code=b'\0\x08', text=b'refused'),
        frame('ASSIGN', number=bytes(4), topic=b'assign.c.1f', map=b'\4',
              address=b'unix:/run/x'),
        frame('OPEN', topic=b'assign.c.1f', session=bytes(16),
              address=b'127.0.0.1:3389')]
    for i, f in enumerate(inputs):
        with open('%s/frame-%02d' % (folder, i), 'wb') as out:
            out.write(b'\0' + f)


def main():
    what, args = sys.argv[1], sys.argv[2:]
    if what == 'example':
        for name, value in example():
            text = value.hex()
            for i in range(0, len(text), 48):
                print('%-21s %s' % (name, text[i:i + 48]))
    elif what == 'corpus':
        corpus(args[0])
    else:
        with open(args[2]) as f:
            secret = bytes.fromhex(f.readline().strip())
        if what == 'serve':
            serve(int(args[0]), args[1], secret, args[3],
                  args[4].encode().decode('unicode_escape'))
        elif what == 'many':
            many(int(args[0]), args[1], secret, int(args[3]), int(args[4]))
        elif what == 'ports':
            ports(int(args[0]), args[1], secret, *map(int, args[3:6]))
        else:
            attack(int(args[0]), args[1], secret)


main()
