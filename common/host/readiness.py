"""Waiting for a server until it answers, exits or misses a deadline; and the single HTTP request that asks it."""

import socket
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from urllib.parse import urlsplit

import h11

from common.errors import FailedError
from common.host.supervisor import LAST_LINES
from common.words import last_lines

READY_DEADLINE_S = 60.0
POLL_INTERVAL_S = 0.01
PROBE_TIMEOUT_S = 5.0
MAX_BODY_BYTES = 16 * 1024 * 1024
"""The longest body that is read, so that one without end cannot fill the memory before the deadline."""
_CHUNK_BYTES = 65536


def wait_until(
    is_ready: Callable[[], bool],
    exit_reason: Callable[[], str | None],
    *,
    name: str,
    output: Callable[[], str],
) -> None:
    """Return as soon as ``is_ready()``.

    Raise ``FailedError`` that names ``name`` if it exits first, or if it is not ready within ``READY_DEADLINE_S``. The
    message of the latter ends with the last lines of ``output()``, what it has printed so far.
    """
    deadline_s = time.monotonic() + READY_DEADLINE_S
    while not is_ready():
        if (reason := exit_reason()) is not None:
            raise FailedError(f"{name} ended before it was ready: {reason}")
        if time.monotonic() > deadline_s:
            tail = last_lines(output(), LAST_LINES)
            printed = f"the end of its output: {tail}" if tail else "it has printed nothing."
            raise FailedError(f"{name} was not ready within {READY_DEADLINE_S:g} s. It is still running; {printed}")
        time.sleep(POLL_INTERVAL_S)


def responds(
    url: str, path: str = "/hello", *, timeout_s: float = PROBE_TIMEOUT_S, connect_timeout_s: float | None = None
) -> bool:
    """Return whether ``GET`` is answered with 200."""
    return fetch_body(url, path, timeout_s=timeout_s, connect_timeout_s=connect_timeout_s) is not None


def answers(url: str) -> bool:
    """Return whether ``GET /`` gets any answer in HTTP, whatever its status."""
    try:
        return any(isinstance(event, h11.Response) for event in _exchange(url, "/", PROBE_TIMEOUT_S))
    except (OSError, h11.RemoteProtocolError):
        return False


def fetch_body(
    url: str, path: str, *, timeout_s: float = PROBE_TIMEOUT_S, connect_timeout_s: float | None = None
) -> bytes | None:
    """Return the body that ``GET`` is answered with; ``None`` unless it is complete, of status 200 and in time.

    ``timeout_s`` limits the exchange from connecting to the last byte, however slowly the bytes arrive;
    ``connect_timeout_s`` can only shorten the time to connect.
    """
    body = bytearray()
    try:
        for event in _exchange(url, path, timeout_s, connect_timeout_s):
            if isinstance(event, h11.Response) and event.status_code != HTTPStatus.OK:
                return None
            if isinstance(event, h11.Data):
                body += event.data
                if len(body) > MAX_BODY_BYTES:
                    return None
    except (OSError, h11.RemoteProtocolError):
        return None
    return bytes(body)


def _exchange(url: str, path: str, timeout_s: float, connect_timeout_s: float | None = None) -> Iterator[object]:
    """Send a request and yield what arrives until the response is complete; ``TimeoutError`` at the deadline."""
    deadline_s = time.monotonic() + timeout_s
    address = urlsplit(url)
    parser = h11.Connection(our_role=h11.CLIENT)
    # A synchronous worker would otherwise wait for the next request on this connection until its keep-alive ends.
    request = h11.Request(method="GET", target=path, headers=[("Host", address.netloc), ("Connection", "close")])
    with socket.create_connection(
        (address.hostname or "", address.port or 80), timeout=min(connect_timeout_s or timeout_s, timeout_s)
    ) as connection:
        connection.settimeout(_left_s(deadline_s))
        connection.sendall((parser.send(request) or b"") + (parser.send(h11.EndOfMessage()) or b""))
        while not isinstance(event := parser.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                # A socket's own timeout starts anew with every byte, so a server that drips could hold us for ever.
                connection.settimeout(_left_s(deadline_s))
                parser.receive_data(connection.recv(_CHUNK_BYTES))
            else:
                yield event


def _left_s(deadline_s: float) -> float:
    if (left_s := deadline_s - time.monotonic()) <= 0:
        raise TimeoutError
    return left_s
