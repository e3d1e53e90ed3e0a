#!/usr/bin/env python3
"""A MySQL client for tests: mysql_client.py [OPTION...] PORT ACTION [ARG...]

It logs in, does the action and says "ok", with what it found.  An error of
the server is printed as other clients do, with exit 1, and so is anything
that a server must not do.

-h HOST, -u USER, -p PASSWORD, -d DATABASE
--tls, --ca FILE    with TLS, and with a certificate that must be good
--plugin NAME       the answer to the greeting is of this plugin
--clear             mysql_clear_password may be used
--slow              a byte at a time, until logged in
--zip               compress, if the server offers that, and if it does not,
                    ask for it nevertheless
--caps N            more capabilities, offered or not

Actions are the functions do_NAME below.
"""

import argparse
import os
import signal
import socket
import ssl
import struct
import sys
import time

import mysql_wire as w

PATIENCE = 30           # seconds, for anything


def tls_context(ca):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(ca)
    return context


class Client:
    def __init__(self, args, user=None, password=None):
        self.args = args
        self.user = (args.user if user is None else user).encode()
        self.password = (args.password if password is None
                         else password).encode()
        self.session = None     # of TLS, to resume
        self.rsa = False        # was the password sent by RSA?

    # --- until logged in

    def dial(self):
        sock = socket.create_connection((self.args.host, self.args.port),
                                        timeout=PATIENCE)
        self.link = w.Link(sock, self.args.slow)
        self.packets = w.Packets(self.link)

    def greet(self):
        """Reads the greeting and settles what is agreed on."""
        self.greeting = w.Greeting(self.packets.read())
        offered = self.greeting.caps
        caps = w.WANTED | self.args.caps
        if self.args.database:
            caps |= w.CONNECT_WITH_DB
        self.caps = caps & (offered | w.LOCAL_FILES) | self.args.caps
        if self.args.zip:
            self.caps |= w.COMPRESS
        if self.args.tls:
            if not offered & w.SSL:
                raise w.Fault('the server offers no TLS')
            self.caps |= w.SSL
        self.nonce = self.greeting.nonce
        self.plugin = (self.args.plugin.encode() if self.args.plugin
                       else self.greeting.plugin)

    def head(self, caps=None):
        return struct.pack('<IIB', self.caps if caps is None else caps,
                           1 << 30, 45) + bytes(23)

    def start_tls(self, extra=b'', together=False):
        """Plain bytes behind the request, or TLS in the same segment."""
        request = w.frame(self.packets.seq, self.head()) + extra
        self.packets.seq += 1
        if not together:
            self.link.raw_send(request)
            request = b''
        name = self.args.host if self.args.ca else None
        try:
            self.context = getattr(self, 'context', None) or tls_context(
                self.args.ca)
            self.link.start_tls(self.context, name=name, before=request,
                                session=self.session)
        except ssl.SSLError as e:
            raise w.Fault('TLS: %s' % e)

    def hashed(self):
        if self.plugin == b'mysql_native_password':
            return w.native(self.password, self.nonce)
        if self.plugin == b'caching_sha2_password':
            return w.sha2(self.password, self.nonce)
        if self.plugin == b'sha256_password':
            if not self.password:
                return b'\0'
            return self.clear() if self.link.tls else b'\1'
        if self.plugin == b'client_ed25519':
            return w.ed25519_sign(self.password, self.nonce[:32])
        if self.plugin == b'parsec':
            return b''
        if self.plugin == b'mysql_clear_password' and self.args.clear:
            return self.clear()
        if self.plugin == b'dialog':
            return self.clear()
        raise w.Fault('the server wants plugin "%s"' % self.plugin.decode())

    def clear(self):
        return self.password + b'\0'

    def answer(self, caps=None):
        data = self.head(caps) + self.user + b'\0'
        auth = self.hashed()
        if self.caps & w.LENENC:
            data += w.lenenc(len(auth)) + auth
        else:
            data += bytes([len(auth)]) + auth
        if self.caps & w.CONNECT_WITH_DB:
            data += self.args.database.encode() + b'\0'
        if self.caps & w.PLUGIN_AUTH:
            data += self.plugin + b'\0'
        self.packets.write(data)

    def more(self, data):
        """AuthMoreData: what a plugin says on the way."""
        if self.plugin == b'parsec':
            self.packets.write(w.parsec(self.password, self.nonce, data))
        elif data.startswith(b'-----BEGIN'):
            self.rsa = True
            self.packets.write(w.rsa_password(data, self.password,
                                              self.nonce))
        elif data == b'\3':
            pass                        # an OK follows
        elif data == b'\4' and self.link.tls:
            self.packets.write(self.clear())
        elif data == b'\4':
            self.packets.write(b'\2')
        else:
            raise w.Fault('what does "%r" mean?' % data)

    def finish(self):
        while True:
            data = self.packets.read()
            kind, rest = data[:1], data[1:]
            if kind == b'\0':
                return
            if kind == b'\xff':
                raise w.ServerError(data)
            if kind == b'\1':
                self.more(rest)
            elif kind == b'\2' or (kind == b'\xfe' and rest):
                self.plugin, at = w.until_nul(rest, 0)
                rest = rest[at:]
                # A NUL follows a nonce of the old length, as the manual has
                # it; others are as long as they are.
                self.nonce = rest[:20] if len(rest) == 21 else rest
                self.packets.write(self.hashed())
            else:
                raise w.Fault('what does "%r" mean?' % data)

    def ready(self):
        """Logged in: commands may follow."""
        self.link.slow = False
        if self.caps & self.greeting.caps & w.COMPRESS:
            self.packets.start_zip()

    def login(self):
        self.dial()
        self.greet()
        if self.args.tls:
            self.start_tls()
        self.answer()
        self.finish()
        self.ready()
        return self

    # --- commands

    def command(self, payload):
        self.packets.seq = 0
        if self.packets.zipped:
            self.packets.zip_seq = 0
        self.packets.write(payload)

    def ok(self):
        data = self.packets.read()
        if data[:1] == b'\xff':
            raise w.ServerError(data)
        if data[:1] != b'\0':
            raise w.Fault('"%r" instead of OK' % data[:20])
        return data

    def is_end(self, data):
        return data[:1] == b'\xfe' and len(data) < 9

    def rows(self):
        """The rows of one result; None where there is none."""
        data = self.packets.read()
        if data[:1] == b'\xff':
            raise w.ServerError(data)
        if data[:1] == b'\0':
            return None
        if data[:1] == b'\xfb':
            raise w.Fault('the server wants a file')
        columns, _ = w.read_lenenc(data, 0)
        for _ in range(columns):
            self.packets.read()
        if not self.is_end(self.packets.read()):
            raise w.Fault('columns without an end')
        return self.rows_left(columns)

    def rows_left(self, columns):
        while True:
            data = self.packets.read()
            if self.is_end(data):
                return
            if data[:1] == b'\xff':
                raise w.ServerError(data)
            row, at = [], 0
            for _ in range(columns):
                if data[at] == 0xfb:
                    row.append(None)
                    at += 1
                    continue
                size, at = w.read_lenenc(data, at)
                row.append(data[at:at + size])
                at += size
            if at != len(data):
                raise w.Fault('a row has %d bytes too many' %
                              (len(data) - at))
            yield row

    def query(self, sql):
        self.command(b'\3' + sql)
        return self.rows()

    def value(self, sql):
        rows = list(self.query(sql))
        return rows[0][0]


def require(true, what):
    if not true:
        raise w.Fault(what)


# --- actions: each is given a client that is not connected

def do_sql(client, sql):
    """Rows, with tabs; then how the login was."""
    client.login()
    rows = client.query(sql.encode())
    for row in rows or []:
        print('\t'.join('NULL' if v is None else v.decode() for v in row))
    how = client.link.tls.version() if client.args.tls else 'plain'
    return 'client=%s plugin=%s rsa=%s' % (
        how, client.plugin.decode(), 'yes' if client.rsa else 'no')


def do_thread_id(client):
    """Is the greeting's thread id the one that the server knows?"""
    client.login()
    want = client.value(b'SELECT CONNECTION_ID()')
    require(int(want) == client.greeting.thread_id,
            'the greeting has thread id %d, the server %d' %
            (client.greeting.thread_id, int(want)))


def do_change_user(client, user, password):
    """To another, to a wrong one, and back; by COM_CHANGE_USER."""
    client.login()
    client.query(b'SET @mark = 1')
    first = client.user, client.password
    for i in range(3):
        change_user(client, user.encode(), password.encode())
        who = client.value(b'SELECT CURRENT_USER()')
        require(who == user.encode() + b'@%', 'we are %r' % who)
        require(client.value(b'SELECT @mark') is None, 'nothing was reset')
        change_user(client, *first)
        who = client.value(b'SELECT CURRENT_USER()')
        require(who == first[0] + b'@%', 'we are %r' % who)


def do_change_wrong(client, user, password):
    """By COM_CHANGE_USER, with a password that is wrong."""
    client.login()
    change_user(client, user.encode(), password.encode())


def change_user(client, user, password):
    client.user, client.password = user, password
    # The nonce for it is the one in the switch that follows; what is here
    # is never right, as it is of nobody's.
    client.plugin = b'mysql_native_password'
    client.nonce = bytes(20)
    auth = client.hashed()
    client.command(b'\x11' + user + b'\0' + bytes([len(auth)]) + auth +
                   b'\0' + struct.pack('<H', 45) + client.plugin + b'\0')
    client.finish()


def do_reset(client):
    """COM_RESET_CONNECTION"""
    client.login()
    client.query(b'SET @mark = 1')
    client.command(b'\x1f')
    client.ok()
    require(client.value(b'SELECT @mark') is None, 'nothing was reset')


def do_commands(client):
    """One after another, those that have an OK, no answer, or an error."""
    client.login()
    for i in range(3):
        client.command(b'\x0e')         # PING
        client.ok()
        client.command(b'\x19' + bytes(4))      # STMT_CLOSE: no answer
        client.command(b'\x02nowhere')  # INIT_DB
        try:
            client.ok()
            raise w.Fault('there is a database "nowhere"')
        except w.ServerError as e:
            require(e.code in (1044, 1049), str(e))
        client.command(b'')             # of length 0
        try:
            client.packets.read()
        except w.Closed as e:           # MariaDB ends the session
            client.link.close()
            client.login()
        require(client.value(b'SELECT 1') == b'1', 'no answer')


def do_statement(client):
    """Prepared, with a value that is sent ahead, executed, closed."""
    client.login()
    client.command(b'\x16SELECT LENGTH(?)')
    number = client.ok()[1:5]
    for _ in range(2):                  # the parameter, the column
        client.packets.read()
        client.packets.read()
    for i in range(4):                  # no answer to any
        client.command(b'\x18' + number + b'\0\0' + b'x' * 100000)
    client.command(b'\x17' + number + b'\0\1\0\0\0' + b'\0\1\xfc\0')
    columns = client.packets.read()
    require(columns == b'\1', repr(columns))
    client.packets.read()
    client.packets.read()
    row = client.packets.read()
    require(struct.unpack_from('<I', row, 2) == (400000,), repr(row))
    client.packets.read()
    client.command(b'\x19' + number)
    require(client.value(b'SELECT 1') == b'1', 'no answer')


def do_sizes(client, *sizes):
    """Packets of that many bytes, up as commands and down as rows."""
    client.login()
    for size in map(int, sizes):
        begin, end = b"SELECT LENGTH('", b"')"
        text = b'x' * (size - 1 - len(begin) - len(end))
        got = client.value(begin + text + end)
        require(int(got) == len(text), '%d bytes up: %r came' % (size, got))
        length = size - 4 if size - 4 < 1 << 24 else size - 9
        if not (1 << 16) <= length:
            length = size - 3 if size - 3 > 250 else size - 1
        rows = client.query(b"SELECT REPEAT('y', %d)" % length)
        row = next(rows)
        require(len(row[0]) == length and row[0].count(b'y') == length,
                '%d bytes down: %d came' % (size, len(row[0])))
        require(sum(client.packets.sizes) == size,
                'frames of %r' % client.packets.sizes)
        want = [w.FRAME_MAX] * (size // w.FRAME_MAX) + [size % w.FRAME_MAX]
        require(client.packets.sizes == want,
                'frames of %r' % client.packets.sizes)
        require(list(rows) == [], 'more rows')


def do_wrap(client):
    """Sequence numbers go round, down and up."""
    client.login()
    union = b' UNION ALL '.join([b'SELECT 1'] * 40)
    rows = list(client.query(b'SELECT 1 FROM (%s) a, (%s) b' %
                             (union, union)))
    require(len(rows) == 1600, '%d rows' % len(rows))
    require(client.packets.seq > 1600, 'sequence %d' % client.packets.seq)


def do_infile(client, size, piece):
    """LOAD DATA LOCAL of that many bytes, in packets of so many."""
    size, piece = int(size), int(piece)
    client.login()
    client.query(b'CREATE TEMPORARY TABLE demo.t (line VARCHAR(100))')
    client.command(b"\3LOAD DATA LOCAL INFILE 'some file' INTO TABLE demo.t")
    data = client.packets.read()
    if data[:1] == b'\xff':
        raise w.ServerError(data)
    require(data == b'\xfbsome file', 'the server asks for %r' % data)
    lines = size // 16
    # It looks like commands, where sequence numbers are 0.
    text = b'\3DROP TABLE t ;\n' * (lines // 2) + b'0123456789abcde\n' * (
        lines - lines // 2)
    for i in range(0, len(text), piece):
        client.packets.write(text[i:i + piece])
    client.packets.write(b'')
    client.ok()
    require(client.packets.seq >= 256 or size // piece < 256, 'no wrap')
    got = client.value(b'SELECT COUNT(*) FROM demo.t')
    require(int(got) == lines, '%r lines instead of %d' % (got, lines))


def do_crowd(client, count, stage):
    """So many that go away: before they answer, or amid TLS, or after."""
    for i in range(int(count)):
        client.dial()
        if stage != 'silent':
            client.greet()
        if stage in ('request', 'tls'):
            client.caps |= w.SSL
        if stage == 'request':
            client.link.raw_send(w.frame(1, client.head()))
        if stage == 'tls':
            client.start_tls()
        client.link.close()


def do_hold(client, count):
    """So many half open, and then one that logs in."""
    held = []
    for i in range(int(count)):
        client.dial()
        client.greet()
        held.append(client.link)
    client.login()
    require(client.value(b'SELECT 1') == b'1', 'no answer')


def do_together(client):
    """The request for TLS and its first bytes in one segment."""
    client.dial()
    client.greet()
    client.start_tls(together=True)
    client.answer()
    client.finish()
    require(client.value(b'SELECT 1') == b'1', 'no answer')


def do_inject(client):
    """A command in the clear, between the request for TLS and TLS."""
    client.dial()
    client.greet()
    sql = b'\3CREATE TABLE demo.injected (id INT)'
    try:
        client.start_tls(extra=w.frame(0, sql))
        client.answer()
        client.finish()
    except w.Fault as e:
        return 'refused: %s' % e
    except w.ServerError as e:
        return 'refused: %s' % e
    raise w.Fault('logged in after plain bytes before TLS')


def do_differ(client):
    """The answer's capabilities are not those of the request for TLS."""
    client.dial()
    client.greet()
    client.start_tls()
    client.answer(client.caps ^ w.CONNECT_WITH_DB)
    try:
        client.finish()
    except (w.Fault, w.ServerError) as e:
        return 'refused: %s' % e
    raise w.Fault('logged in with two answers that differ')


def do_offers(client, name):
    """Does the greeting offer it?  A capability in hexadecimal."""
    client.dial()
    client.greet()
    require(client.greeting.caps & int(name, 16),
            'capabilities %x' % client.greeting.caps)


def do_resume(client):
    """A second session resumes the TLS of the first."""
    client.login()
    client.value(b'SELECT 1')           # tickets have come by now
    client.session = client.link.tls.session
    client.login()
    require(client.link.tls.session_reused, 'not resumed')


def do_refused(client, code):
    """At the login, with that error."""
    try:
        client.login()
    except w.ServerError as e:
        require(e.code == int(code), str(e))
        return str(e)
    raise w.Fault('logged in')


def do_killed(client, pid):
    """The server is killed amid a result; that is noticed soon."""
    client.login()
    union = b' UNION ALL '.join([b"SELECT REPEAT('x', 100000)"] * 40)
    rows = client.query(b'SELECT * FROM (%s) a, (%s) b' % (union, union))
    for _ in range(3):
        next(rows)
    os.kill(int(pid), signal.SIGKILL)
    began = time.monotonic()
    count = 3
    try:
        for _ in rows:
            count += 1
    except (w.Closed, w.ServerError) as e:
        took = time.monotonic() - began
        require(took < 5, 'noticed, but after %.1f s' % took)
        return 'after %d rows: %s' % (count, e)
    raise w.Fault('%d rows came, and an end' % count)


def arguments():
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument('-h', dest='host', default='127.0.0.1')
    parser.add_argument('-u', dest='user', default='root')
    parser.add_argument('-p', dest='password', default='')
    parser.add_argument('-d', dest='database', default='')
    parser.add_argument('--tls', action='store_true')
    parser.add_argument('--ca')
    parser.add_argument('--plugin')
    parser.add_argument('--clear', action='store_true')
    parser.add_argument('--slow', action='store_true')
    parser.add_argument('--zip', action='store_true')
    parser.add_argument('--caps', type=lambda s: int(s, 16), default=0)
    parser.add_argument('port', type=int)
    parser.add_argument('action')
    parser.add_argument('words', nargs='*')
    return parser.parse_args()


def main():
    args = arguments()
    try:
        said = globals()['do_' + args.action](Client(args), *args.words)
    except (w.Fault, w.ServerError, OSError) as e:
        sys.exit('%s%s' % ('' if isinstance(e, w.ServerError)
                           else 'FAULT: ', e))
    print('ok', said or '')


if __name__ == '__main__':
    main()
