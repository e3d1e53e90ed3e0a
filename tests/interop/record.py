#!/usr/bin/env python3
"""What record.sh asks of the record.

record.py compare RECORD LOG USER     the JSON record of one session and what
                                      the server logged, statement by statement
record.py drivers RECORD LOG USER     the same for all sessions of a driver
record.py count RECORD                lines, each of which must be sound
record.py text FILE                   the same for lines of text
record.py has RECORD JSON...          one line has these members each
record.py ahead|file|early|many|cut PORT USER PASSWORD [N]
                                      be a client that does such things

The server's log is what it has in mysql.general_log: thread, type and the
argument in hex.
"""

import argparse
import json
import re
import socket
import struct
import sys

import mysql_client
import mysql_wire as w

LITERAL = re.compile(rb"NULL|(?:[A-Z]+ ?)?'((?:[^'\\]|\\.|'')*)'|[-+.\w]+")
ESCAPES = {b'0': b'\0', b'n': b'\n', b'r': b'\r', b't': b'\t', b'Z': b'\x1a',
           b'b': b'\b'}
# What servers do not log, or log as something that has happened.
UNLOGGED = {'ping', 'stmt_fetch', 'reset_connection', 'stmt_close',
            'stmt_send_long_data', 'stmt_reset', 'statistics', 'change_user',
            'set_option'}
LOGGED = {'Query', 'Init DB', 'Field List', 'Prepare', 'Execute', 'Quit'}


def fail(*what):
    sys.exit(' '.join(str(x) for x in what))


def read(path):
    with open(path, 'rb') as f:
        lines = f.read().split(b'\n')
    if lines.pop() != b'':
        fail('the last line is not whole')
    return lines


def records(path):
    return [json.loads(line) for line in read(path)]


def raw(text):
    return text.encode('utf-8', 'surrogateescape')


def shown(statement, planes=17, escape=b'\\x'):
    """As MariaDB shows what is no UTF-8, or is beyond so many planes."""
    def one(c):
        if '\udc80' <= c <= '\udcff':
            return escape + b'%02X' % (ord(c) - 0xdc00)
        if ord(c) >> 16 >= planes:
            return b''.join(escape + b'%02X' % b for b in c.encode())
        return c.encode()
    return b''.join(map(one, statement.decode('utf-8', 'surrogateescape')))


def forms(statement):
    """All the ways in which a server may log it."""
    return {statement, statement.rstrip(), shown(statement),
            shown(statement, 1)}


def unescape(text):
    text = text.replace(b"''", b"'")
    return re.sub(rb'\\(.)', lambda m: ESCAPES.get(m.group(1), m.group(1)),
                  text, flags=re.S)


def take_literal(text, at):
    """The value of the literal that stands there, and its end."""
    m = LITERAL.match(text, at)
    if m is None:
        fail('no literal at', text[at:at + 40])
    if m.group(0) == b'NULL':
        return None, m.end()
    if m.group(1) is not None:
        return unescape(m.group(1)), m.end()
    return m.group(0), m.end()


def values_of(template, text):
    """The values in what a server logged of a prepared statement."""
    parts, at, values = template.split(b'?'), 0, []
    for i, part in enumerate(parts):
        if text[at:at + len(part)] != part:
            fail('want', part, 'in', text, 'at', at)
        at += len(part)
        if i + 1 < len(parts):
            value, at = take_literal(text, at)
            values.append(value)
    return values


def same_value(told, logged):
    if told is None or logged is None:
        return told is logged
    if isinstance(told, str):
        # Servers write a date without the zeros of its fraction.
        return logged in forms(raw(told)) | {shown(raw(told), 1, b'x')} or \
            raw(told).rstrip(b'0').rstrip(b'.') == \
            logged.rstrip(b'0').rstrip(b'.')
    return float(told) == float(logged)


def check_execute(told, text):
    statement = raw(told['statement'])
    if told['command'] == 'stmt_bulk_execute' and text == statement:
        return                          # its server names no values
    logged = values_of(statement, text)
    values = told.get('values', [])
    if len(values) != len(logged):
        fail(values, 'of', logged)
    for one, other in zip(values, logged):
        if not same_value(one, other):
            fail('told', repr(one), 'logged', repr(other))


def threads_of(path, user):
    """What each thread of a user logged, in order."""
    lines = [line.split(b'\t') for line in read(path)]
    threads = {thread: [] for thread, kind, text in lines
               if kind == b'Connect' and
               bytes.fromhex(text.decode()).startswith(user.encode())}
    for thread, kind, text in lines:
        if thread in threads and kind.decode() in LOGGED:
            threads[thread].append((kind.decode(),
                                    bytes.fromhex(text.decode())))
    return list(threads.values())


def compare_one(told, logged):
    """One line of the record; how many the server has of it."""
    statement = raw(told.get('statement', ''))
    kind, text = logged[0]
    command = told['command']
    if command in ('stmt_execute', 'stmt_bulk_execute'):
        if kind != 'Execute':
            fail('told', command, 'logged', kind, text)
        check_execute(told, text)
        return 1
    want = {'query': 'Query', 'init_db': 'Init DB', 'quit': 'Quit',
            'field_list': 'Field List', 'stmt_prepare': 'Prepare'}[command]
    if kind != want:
        fail('told', command, statement, 'logged', kind, text)
    if command == 'field_list':
        text = text.rstrip(b' ')
    n = 1
    by_sql = re.match(rb'(PREPARE|EXECUTE) ', statement)
    if text in forms(statement) or (by_sql and text.endswith(b'FROM ...')):
        # What is prepared or run by SQL is logged once more as such.
        return 2 if by_sql and len(logged) > 1 and logged[1][0] in (
            'Prepare', 'Execute') else 1
    statement = shown(statement) if b'\\x' in text else statement
    # A server may log several statements of one command one by one.
    while text != statement and n < len(logged) and \
            statement.startswith(text) and logged[n][0] == 'Query':
        rest = statement[len(text):]
        gap = rest[:len(rest) - len(rest.lstrip(b'; '))]
        text += gap + logged[n][1]
        n += 1
    if text != statement:
        fail('told', statement, 'logged', text)
    return n


def compare_session(told, logged):
    for one in told:
        if not logged:
            fail('not logged:', one)
        # What is empty, or no SQL, is no statement to some servers.
        if one.get('error') in (1064, 1065) and \
                logged[0][1] != raw(one.get('statement', '')):
            continue
        logged = logged[compare_one(one, logged):]
    if logged:
        fail('not told:', logged)


def is_same(told, logged, whys):
    try:
        compare_session(told, logged)
    except SystemExit as e:
        whys.append(str(e)[:2000])
        return False
    return True


def do_compare(record, log, user):
    told = [r for r in records(record) if r['command'] not in UNLOGGED]
    if len(told) < 3:
        fail('the record has', len(told), 'lines')
    compare_session(told, sum(threads_of(log, user), []))
    print(len(told), 'the same')


def do_drivers(record, log, user):
    """Each session is one of the server's threads, whichever that is."""
    threads, sessions, n = threads_of(log, user), {}, 0
    for r in records(record):
        if r['command'] not in UNLOGGED:
            sessions.setdefault(r['id'], []).append(r)
    if not sessions or len(sessions) != len([t for t in threads if t]):
        fail(len(sessions), 'sessions are told of', len(threads))
    for told in sessions.values():
        whys = []
        for thread in threads:
            if is_same(told, thread, whys):
                threads.remove(thread)
                n += len(told)
                break
        else:
            fail('no thread is this session:', *whys)
    print('ok', n)


def do_count(record):
    print(len(records(record)))


TEXT = re.compile(rb'^(\S+ \S+ )?From \S+ To \S+; [A-Za-z ]+: [^\t]*'
                  rb'\tid=[0-9a-f]{16} [^\t]* ms=[0-9.]+$')


def do_text(path):
    lines = read(path)
    for line in lines:
        if not TEXT.match(line) or re.search(rb'[\x00-\x08\x0b-\x1f\x7f]',
                                             line):
            fail('not a line:', line)
    print(len(lines))


def do_has(record, *wanted):
    told = records(record)
    for text in wanted:
        want = json.loads(text)
        if not any(want.items() <= {k: v for k, v in r.items()
                                    if k != 'values'}.items() for r in told):
            fail('none has', text)


# --- clients

LOAD = b"\3LOAD DATA LOCAL INFILE 'x' INTO TABLE f (s)"


def client(port, user, password):
    args = argparse.Namespace(
        host='127.0.0.1', port=int(port), user=user, password=password,
        database='demo', tls=False, ca=None, plugin=None, clear=False,
        slow=False, zip=False, caps=w.LOCAL_FILES)
    return mysql_client.Client(args).login()


def do_ahead(port, user, password, n):
    """Many commands before the first answer."""
    c = client(port, user, password)
    sent = b''.join(w.frame(0, b'\x0e') if i % 2 else
                    w.frame(0, b'\3DO %d' % i) for i in range(int(n)))
    # No more than what fits between us: nobody reads meanwhile.
    step = 200 * 13
    at = 0
    for i in range(int(n)):
        if i % 200 == 0:
            end = at
            for _ in range(min(200, int(n) - i)):
                end += 4 + int.from_bytes(sent[end:end + 3], 'little')
            c.link.raw_send(sent[at:end])
            at = end
        c.packets.seq = 1
        c.ok()
    c.command(b'\1')


def do_file(port, user, password):
    """15 MB of what looks like commands, over all numbers."""
    c = client(port, user, password)
    c.query(b'DROP TABLE IF EXISTS f')
    c.query(b'CREATE TABLE f (s TEXT)')
    c.command(LOAD)
    data = c.packets.read()
    if data[:1] != b'\xfb':
        fail('no file is asked for:', data)
    chunk = b'\3DELETE FROM f WHERE s = 1' + b' ' * 30000
    for i in range(500):
        c.packets.write(chunk + (b'\n' if i % 10 == 0 else b''))
    c.packets.write(b'')
    c.ok()
    print(c.value(b'SELECT COUNT(*) > 0 FROM f').decode())
    c.command(b'\1')


def do_early(port, user, password):
    """The same, not waiting to be asked: who reads along could not tell."""
    c = client(port, user, password)
    c.link.raw_send(w.frame(0, LOAD) + w.frame(2, b'\3DROP TABLE f'))
    c.packets.seq = 1
    try:
        c.packets.read()
        c.packets.read()
    except (w.Fault, OSError):
        print('cut off')


def do_many(port, user, password, n):
    """One after another; says when it is done, or cut off after how many."""
    c = client(port, user, password)
    try:
        for i in range(int(n)):
            c.command(b'\3DO %d' % i)
            c.ok()
        c.command(b'\1')
    except (w.Fault, OSError):
        print('cut off after', i)
        return
    print('done')


def do_cut(port, user, password):
    """A statement of 20 MB, odd ones, and no farewell."""
    c = client(port, user, password)
    c.query(b"DO LENGTH('" + b'x' * (20 << 20) + b"')")
    for sql in (b"DO 'a\nb'", b"DO '\x1b[2J'", b"DO 'a\0b'", b"DO 'a\tid=1'",
                b"DO '\xff\xfe'",
                b'DO 1 /* x\n2017/01/12 17:27:32 From a To b; Query: x */'):
        c.query(sql)
    c.command(b'\3SELECT SLEEP(20)')
    c.link.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                           struct.pack('ii', 1, 0))
    c.link.sock.close()


if __name__ == '__main__':
    globals()['do_' + sys.argv[1]](*sys.argv[2:])
