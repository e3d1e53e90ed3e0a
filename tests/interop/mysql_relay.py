#!/usr/bin/env python3
"""Relays ports, and writes down what crosses.

mysql_relay.py FOLDER NAME:PORT:HOST:PORT...

The first 256 kB of each connection, in each direction, are left in
FOLDER/NAME.N.up and FOLDER/NAME.N.down, N being 1, 2 and so on.  It says
"ready" and runs until it is ended.
"""

import socket
import sys
import threading

KEPT = 256 * 1024


def carry(source, target, record):
    kept = 0
    try:
        while True:
            data = source.recv(256 * 1024)
            if not data:
                break
            if kept < KEPT:
                record.write(data[:KEPT - kept])
                record.flush()
                kept += len(data)
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        # Whoever is reset resets the other, as if nobody were between.
        for sock in source, target:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def serve(front, server, path):
    """One connection, from its first byte to its last."""
    front.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        back = socket.create_connection(server, timeout=10)
    except OSError:
        front.close()
        return
    back.settimeout(None)
    back.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with open(path + '.up', 'wb') as up, open(path + '.down', 'wb') as down:
        thread = threading.Thread(target=carry, args=(front, back, up),
                                  daemon=True)
        thread.start()
        carry(back, front, down)
        thread.join()
    front.close()
    back.close()


def accept(sock, server, path):
    count = 0
    while True:
        front, _ = sock.accept()
        count += 1
        threading.Thread(target=serve, daemon=True,
                         args=(front, server, '%s.%d' % (path, count))).start()


for words in sys.argv[2:]:
    name, port, host, server_port = words.split(':')
    threading.Thread(target=accept, args=(
        socket.create_server(('127.0.0.1', int(port)), backlog=512),
        (host, int(server_port)), '%s/%s' % (sys.argv[1], name))).start()
print('ready', flush=True)
