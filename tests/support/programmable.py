"""A server that misbehaves under load in one of several ways, or costs exactly what it was programmed to."""

from pathlib import Path

from common.catalog.stacks import Stack
from tests.support.toy_stacks import toy_stack

APP = """\
import itertools
import math
import os
import selectors
import socket
import sys
import threading
import time

counted = itertools.count(1)
kept = []


def answer(number):
    body = b'"hello world"'
    {twist}
    head = b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body)
    return head + body


def burn(cpu_s):
    while time.process_time() < cpu_s:
        pass


def rest_rarely():
    while True:
        time.sleep(0.004)
        burn(time.process_time() + 0.001)


listener = socket.create_server(("0.0.0.0", int(sys.argv[1])), backlog=128)
while "{parent}" and os.fork():
    os.wait()
ready = selectors.DefaultSelector()
ready.register(listener, selectors.EVENT_READ)
before_s = time.process_time()
while True:
    for key, _ in ready.select():
        if key.fileobj is listener:
            client, _ = listener.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ready.register(client, selectors.EVENT_READ)
            continue
        try:
            gone = not key.fileobj.recv(65536) or key.fileobj.sendall(answer(next(counted)))
        except OSError:
            gone = True
        if gone or "{closing}":
            ready.unregister(key.fileobj)
            key.fileobj.close()
"""
TWISTS = {
    "good": "pass",
    "wrong": "body = body if number % 100 else b'\"hello there\"'",
    "dying": "number < 500 or os._exit(3)",
    "restarted": "number < 3000 or os._exit(3)",
    "silent": "if number in (40, 41): return b''",
    "closing": "body += b' ' * 0",
    "growing": "number < 200 or kept.append(b'x' * 2**20)",
    "costly": "burn(before_s + number * 0.0005)",
    "warming": "burn(before_s + number * 0.0005 + 1.5 * (1 - math.exp(-number / 1000)))",
    "slow": "burn(before_s + number * 0.03)",
    "lazy": "number % 8 or time.sleep(0.001)",
    "restless": "number != 100 or threading.Thread(target=rest_rarely, daemon=True).start()",
}
COSTLY_PER_CPU_S, SLOW_PER_CPU_S = 1 / 0.0005, 1 / 0.03
"""Requests that a CPU-second pays for: the program fills up what each has cost it so far to exactly that much."""


def programmed(folder: Path, name: str, twist: str) -> Stack:
    """Return the stack of a server with one of ``TWISTS``, written into ``folder``."""
    return toy_stack(
        folder,
        name,
        app=APP.replace("{twist}", TWISTS[twist])
        .replace("{parent}", "yes" * (twist == "restarted"))
        .replace("{closing}", "yes" * (twist == "closing")),
    )
