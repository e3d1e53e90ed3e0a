#!/usr/bin/env python3
"""One-time codes for tests, made by hand: RFC 6238 and RFC 4226.

totp.py secret                  a new one, in base 32
totp.py zero                    one whose code of now begins with a zero
totp.py code SECRET [STEPS [DIGITS [ALGORITHM]]]
                                the code so many steps from now
totp.py fresh                   wait until a step has most of its time left
totp.py scan PID TEXT...        is one of these in that process's memory?
totp.py guess PORT USER N       N logins with wrong passwords, and what was
                                said, counted
totp.py typed CODE COMMAND...   at a terminal: type it when asked for a code
totp.py crowd PORT USER PASSWORD N
                                so many logins at once; how many were let in
"""

import argparse
import base64
import collections
import hashlib
import hmac
import os
import pty
import struct
import sys
import threading
import time

import mysql_client
import mysql_wire as w

PERIOD = 30


def code(secret, steps=0, digits=6, algorithm='SHA1', now=None):
    key = base64.b32decode(secret + '=' * (-len(secret) % 8))
    step = int(time.time() if now is None else now) // PERIOD + steps
    mac = hmac.new(key, struct.pack('>Q', step),
                   getattr(hashlib, algorithm.lower())).digest()
    at = mac[-1] & 15
    number = struct.unpack('>I', mac[at:at + 4])[0] & 0x7fffffff
    return str(number % 10 ** digits).zfill(digits)


def new():
    return base64.b32encode(os.urandom(20)).decode()


def zero():
    while True:
        secret = new()
        if code(secret)[0] == '0' and code(secret)[1] != '0':
            return secret


def fresh():
    left = PERIOD - time.time() % PERIOD
    if left < 8:
        time.sleep(left + 0.1)


def scan(pid, *texts):
    """Prints what was found where; the process must be ours to look at."""
    found = []
    with open('/proc/%s/maps' % pid) as maps, \
            open('/proc/%s/mem' % pid, 'rb', 0) as mem:
        for line in maps:
            span, rights = line.split()[:2]
            if rights[0] != 'r' or line.rstrip().endswith('[vvar]'):
                continue
            begin, end = (int(x, 16) for x in span.split('-'))
            try:
                mem.seek(begin)
                data = mem.read(end - begin)
            except (OSError, ValueError):
                continue
            found += ['%s in %s' % (t, line.rstrip()) for t in texts
                      if t.encode() in data]
    print('\n'.join(found) or 'nothing')


def login(port, user, password):
    args = argparse.Namespace(
        host='127.0.0.1', port=int(port), user=user, password=password,
        database='', tls=False, ca=None, plugin=None, clear=False,
        slow=False, zip=False, caps=0)
    try:
        mysql_client.Client(args).login().link.close()
        return 'in'
    except w.ServerError as e:
        return str(e.code)
    except (w.Fault, OSError) as e:
        return str(e)


def guess(port, user, n):
    said = collections.Counter(
        login(port, user, '%s%06d' % (user, i)) for i in range(int(n)))
    print(' '.join('%s:%d' % x for x in sorted(said.items())))


def crowd(port, user, password, n):
    said = []
    threads = [threading.Thread(
        target=lambda: said.append(login(port, user, password)))
        for _ in range(int(n))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print(said.count('in'))


def typed(code, *command):
    """What the command prints once the code was typed."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execvp(command[0], command)
    seen, done = b'', False
    while True:
        try:
            data = os.read(fd, 4096)
        except OSError:
            break
        if not data:
            break
        seen += data
        if not done and b'One-time code:' in seen:
            os.write(fd, code.encode() + b'\n')
            done = True
    _, status = os.waitpid(pid, 0)
    print(seen.decode('utf-8', 'replace'))
    sys.exit(os.waitstatus_to_exitcode(status) != 0 or not done)


def main():
    args = sys.argv[2:]
    if sys.argv[1] == 'code':
        print(code(args[0], *(int(a) for a in args[1:3]), *args[3:]))
    elif sys.argv[1] in ('secret', 'zero'):
        print({'secret': new, 'zero': zero}[sys.argv[1]]())
    else:
        globals()[sys.argv[1]](*args)


main()
