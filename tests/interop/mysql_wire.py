"""MySQL's protocol, for a client and a server that tests are written with.

They are strict where programs are lenient: each packet must have the very
sequence number that is due.  And they do what programs do not: a byte at a
time, plain bytes in front of TLS, a second answer unlike the first.

Nothing but Python's own library is used.
"""

import base64
import hashlib
import os
import socket
import ssl
import struct
import zlib

LONG_PASSWORD = 0x1
CONNECT_WITH_DB = 0x8
COMPRESS = 0x20
LOCAL_FILES = 0x80
PROTOCOL_41 = 0x200
SSL = 0x800
TRANSACTIONS = 0x2000
SECURE_CONNECTION = 0x8000
MULTI_STATEMENTS = 0x10000
MULTI_RESULTS = 0x20000
PLUGIN_AUTH = 0x80000
CONNECT_ATTRS = 0x100000
LENENC = 0x200000
DEPRECATE_EOF = 0x1000000
MULTI_FACTOR = 0x10000000

WANTED = (PROTOCOL_41 | SECURE_CONNECTION | PLUGIN_AUTH | LENENC |
          LOCAL_FILES | TRANSACTIONS | MULTI_STATEMENTS | MULTI_RESULTS |
          LONG_PASSWORD)

FRAME_MAX = 0xffffff
PIECE = 65536


class Fault(Exception):
    """The peer did what it must not."""


class Closed(Fault):
    """The peer closed, or reset, the connection."""


class ServerError(Exception):
    """An ERR packet."""

    def __init__(self, payload):
        self.code, = struct.unpack_from('<H', payload, 1)
        self.state = ''
        text = payload[3:]
        if text[:1] == b'#':
            self.state = text[1:6].decode('ascii')
            text = text[6:]
        self.text = text.decode('utf-8', 'replace')
        super().__init__('ERROR %d (%s): %s' %
                         (self.code, self.state or 'no state', self.text))


# --- bytes over a socket, with TLS or without

class Link:
    """A connection, a byte at a time if so wanted, and with TLS later."""

    def __init__(self, sock, slow=False):
        self.sock = sock
        self.slow = slow
        self.tls = None
        self.held = b''         # read, and not asked for yet
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def raw_send(self, data):
        try:
            if not self.slow:
                self.sock.sendall(data)
                return
            for i in range(len(data)):
                self.sock.sendall(data[i:i + 1])
        except OSError as e:
            raise Closed('cannot write: %s' % e)

    def raw_recv(self):
        try:
            data = self.sock.recv(PIECE)
        except socket.timeout:
            raise Fault('nothing came in time')
        except OSError as e:
            raise Closed('cannot read: %s' % e)
        if not data:
            raise Closed('end of file')
        return data

    def start_tls(self, context, server_side=False, name=None, before=b'',
                  session=None):
        """With `before' in front of the first bytes, in one segment."""
        self.into, self.out = ssl.MemoryBIO(), ssl.MemoryBIO()
        if self.held:
            self.into.write(self.held)
            self.held = b''
        self.tls = context.wrap_bio(self.into, self.out, server_side, name,
                                    session)
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.raw_send(before + self.out.read())
                before = b''
                self.into.write(self.raw_recv())
        self.raw_send(self.out.read())

    def send(self, data):
        if self.tls is None:
            self.raw_send(data)
            return
        for i in range(0, len(data), PIECE):
            self.tls.write(data[i:i + PIECE])
            self.raw_send(self.out.read())

    def recv_some(self):
        if self.tls is None:
            return self.raw_recv()
        while True:
            try:
                data = self.tls.read(PIECE)
            except ssl.SSLWantReadError:
                self.raw_send(self.out.read())
                self.into.write(self.raw_recv())
                continue
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                data = b''
            if not data:
                raise Closed('end of TLS')
            return data

    def recv(self, size):
        pieces = [self.held]
        have = len(self.held)
        while have < size:
            pieces.append(self.recv_some())
            have += len(pieces[-1])
        data = b''.join(pieces)
        self.held = data[size:]
        return data[:size]

    def close(self):
        self.sock.close()


# --- packets

class Packets:
    """Packets over a link, whose sequence numbers are looked at."""

    def __init__(self, link):
        self.link = link
        self.seq = 0            # that is due next, whoever sends
        self.sizes = []         # of the frames of the packet read last
        self.zipped = False

    def raw_recv(self, size):
        return self.unzip(size) if self.zipped else self.link.recv(size)

    def read(self):
        pieces = []
        self.sizes = []
        while True:
            head = self.raw_recv(4)
            size = int.from_bytes(head[:3], 'little')
            if head[3] != self.seq % 256:
                raise Fault('sequence number %d instead of %d' %
                            (head[3], self.seq % 256))
            self.seq += 1
            self.sizes.append(size)
            pieces.append(self.raw_recv(size))
            if size < FRAME_MAX:
                return b''.join(pieces)

    def write(self, payload):
        at = 0
        out = []
        while True:
            piece = payload[at:at + FRAME_MAX]
            out.append(frame(self.seq, piece))
            self.seq += 1
            at += len(piece)
            if len(piece) < FRAME_MAX:
                break
        data = b''.join(out)
        self.zip(data) if self.zipped else self.link.send(data)

    # What CLIENT_COMPRESS puts around packets, once logged in.

    def start_zip(self):
        self.zipped = True
        self.zip_seq = 0
        self.zip_held = b''

    def zip(self, data):
        for i in range(0, len(data), FRAME_MAX - 1):
            piece = data[i:i + FRAME_MAX - 1]
            small = zlib.compress(piece)
            plain = len(piece)
            if len(small) >= plain:
                small, plain = piece, 0
            self.link.send(frame(self.zip_seq, small)[:4] +
                           plain.to_bytes(3, 'little') + small)
            self.zip_seq += 1

    def unzip(self, size):
        while len(self.zip_held) < size:
            head = self.link.recv(7)
            if head[3] != self.zip_seq % 256:
                raise Fault('compressed sequence number %d instead of %d' %
                            (head[3], self.zip_seq % 256))
            self.zip_seq += 1
            data = self.link.recv(int.from_bytes(head[:3], 'little'))
            plain = int.from_bytes(head[4:], 'little')
            if plain:
                data = zlib.decompress(data)
                if len(data) != plain:
                    raise Fault('a compressed packet lies about its size')
            self.zip_held += data
        data = self.zip_held[:size]
        self.zip_held = self.zip_held[size:]
        return data


def frame(seq, payload):
    return len(payload).to_bytes(3, 'little') + bytes([seq % 256]) + payload


def until_nul(data, at):
    end = data.index(b'\0', at)
    return data[at:end], end + 1


def lenenc(number):
    if number < 251:
        return bytes([number])
    if number < 1 << 16:
        return b'\xfc' + struct.pack('<H', number)
    if number < 1 << 24:
        return b'\xfd' + struct.pack('<I', number)[:3]
    return b'\xfe' + struct.pack('<Q', number)


def read_lenenc(data, at):
    first = data[at]
    if first < 251:
        return first, at + 1
    size = {0xfc: 2, 0xfd: 3, 0xfe: 8}[first]
    return int.from_bytes(data[at + 1:at + 1 + size], 'little'), at + 1 + size


class Greeting:
    """HandshakeV10."""

    def __init__(self, data):
        if data[:1] == b'\xff':
            raise ServerError(data)
        self.version, at = until_nul(data, 1)
        self.thread_id, = struct.unpack_from('<I', data, at)
        low, self.charset, self.status, high, size = struct.unpack_from(
            '<HBHHB', data, at + 13)
        self.caps = low | high << 16
        self.mariadb_caps, = struct.unpack_from('<I', data, at + 27)
        self.nonce = data[at + 4:at + 12] + data[at + 31:at + 43]
        self.plugin, _ = until_nul(data, at + 31 + max(13, size - 8))


def make_greeting(caps, nonce, plugin, version=b'8.4.0-fake', thread_id=7):
    return (b'\x0a' + version + b'\0' + struct.pack('<I', thread_id) +
            nonce[:8] + b'\0' + struct.pack('<HBHHB', caps & 0xffff, 45, 2,
                                            caps >> 16, 21) +
            bytes(10) + nonce[8:] + b'\0' + plugin + b'\0')


# --- what plugins do with a password

def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


def native(password, nonce):
    if not password:
        return b''
    once = hashlib.sha1(password).digest()
    twice = hashlib.sha1(once).digest()
    return xor(once, hashlib.sha1(nonce[:20] + twice).digest())


def sha2(password, nonce):
    if not password:
        return b''
    once = hashlib.sha256(password).digest()
    twice = hashlib.sha256(once).digest()
    return xor(once, hashlib.sha256(twice + nonce[:20]).digest())


def der(data, at):
    """The first byte of what is in it, and the one behind it."""
    size = data[at + 1]
    at += 2
    if size & 0x80:
        count = size & 0x7f
        size = int.from_bytes(data[at:at + count], 'big')
        at += count
    return at, at + size


def read_public_key(pem):
    lines = pem.decode('ascii').split('-----')[2]
    data = base64.b64decode(''.join(lines.split()))
    at, _ = der(data, 0)                # SEQUENCE of the whole
    _, at = der(data, at)               # the algorithm
    at, _ = der(data, at)               # BIT STRING
    at, _ = der(data, at + 1)           # SEQUENCE of the key
    at, end = der(data, at)
    modulus = int.from_bytes(data[at:end], 'big')
    at, end = der(data, end)
    return modulus, int.from_bytes(data[at:end], 'big')


def mgf1(seed, size):
    out = b''
    for i in range((size + 19) // 20):
        out += hashlib.sha1(seed + struct.pack('>I', i)).digest()
    return out[:size]


def rsa_encrypt(pem, message):
    """RSAES-OAEP with SHA-1, RFC 8017 section 7.1.1."""
    modulus, exponent = read_public_key(pem)
    size = (modulus.bit_length() + 7) // 8
    block = hashlib.sha1(b'').digest()
    block += bytes(size - len(message) - 42) + b'\1' + message
    seed = os.urandom(20)
    block = xor(block, mgf1(seed, len(block)))
    seed = xor(seed, mgf1(block, 20))
    number = int.from_bytes(b'\0' + seed + block, 'big')
    return pow(number, exponent, modulus).to_bytes(size, 'big')


def rsa_password(pem, password, nonce):
    clear = password + b'\0'
    mask = nonce[:20] * (len(clear) // 20 + 1)
    return rsa_encrypt(pem, xor(clear, mask))


P = 2 ** 255 - 19
Q = 2 ** 252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
BASE_Y = 4 * pow(5, P - 2, P) % P
BASE_X = 15112221349535400772501151409588531511454012693041857206046113283949847762202
BASE = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


def point_add(a, b):
    e = (a[1] - a[0]) * (b[1] - b[0]) % P
    f = (a[1] + a[0]) * (b[1] + b[0]) % P
    g = 2 * a[3] * b[3] * D % P
    h = 2 * a[2] * b[2] % P
    i, j, k, m = f - e, h - g, h + g, f + e
    return (i * j % P, k * m % P, j * k % P, i * m % P)


def point_bytes(number):
    """That many times the base point, as it is written."""
    sum_, point = (0, 1, 1, 0), BASE
    while number:
        if number & 1:
            sum_ = point_add(sum_, point)
        point = point_add(point, point)
        number >>= 1
    inverse = pow(sum_[2], P - 2, P)
    x, y = sum_[0] * inverse % P, sum_[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, 'little')


def little_hash(*parts):
    return int.from_bytes(hashlib.sha512(b''.join(parts)).digest(), 'little')


def ed25519_sign(secret, message):
    """RFC 8032 section 5.1.6, but for a secret of any length."""
    wide = hashlib.sha512(secret).digest()
    scalar = int.from_bytes(wide[:32], 'little')
    scalar = scalar & ((1 << 254) - 8) | 1 << 254
    public = point_bytes(scalar)
    r = little_hash(wide[32:], message) % Q
    big_r = point_bytes(r)
    k = little_hash(big_r, public, message) % Q
    return big_r + ((r + k * scalar) % Q).to_bytes(32, 'little')


def parsec(password, nonce, salt):
    if salt[:1] != b'P' or salt[1] > 3:
        raise Fault('what is this salt of parsec?')
    seed = hashlib.pbkdf2_hmac('sha512', password, salt[2:],
                               1024 << salt[1], 32)
    ours = os.urandom(32)
    return ours + ed25519_sign(seed, nonce[:32] + ours)
