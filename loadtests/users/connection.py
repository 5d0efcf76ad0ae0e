"""One user's connection: its socket, its request in flight, and the part of the response received so far."""

import ctypes
import errno
import itertools
import random
import select
import socket
import struct
from _socket import socket as PlainSocket  # noqa: N812 -- gevent replaces socket.socket, and ours must not yield
from collections.abc import Callable, Sequence
from typing import Any

from gevent import monkey
from gevent.event import AsyncResult

from .responses import NO_RESPONSE, Failure, LearnedResponse, Request, ResponseReader
from .tally import Tally

_connect = ctypes.CDLL(None).connect  # Python's own takes only addresses of the socket's family
_connect.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)

Address = tuple[socket.AddressFamily, Any]
"""An address family and an address, as ``getaddrinfo`` returns them."""

RESET_AT_CLOSE = struct.pack("ii", 1, 0)
"""The value of ``SO_LINGER`` that has a socket closed with a reset, so that its port is free at once."""
NO_ADDRESS = struct.pack("=H14x", socket.AF_UNSPEC)
"""The address to which a TCP socket is connected to end its connection, see connect(2)."""

# Plain integers: combining members of an enum is slower, and with a closing server every request would pay for it.
_STREAM = int(socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
_SOL_SOCKET, _SO_LINGER = int(socket.SOL_SOCKET), int(socket.SO_LINGER)
_CONNECTING = (0, errno.EINPROGRESS)

_FAILURES = {
    errno.ECONNREFUSED: Failure.REFUSED,
    errno.ECONNRESET: Failure.RESET,
    errno.EPIPE: Failure.RESET,
    errno.EADDRNOTAVAIL: Failure.NO_PORT,
    errno.EAGAIN: Failure.NO_PORT,
    errno.ETIMEDOUT: Failure.TIMEOUT,
}


def failure_of(code: int | None) -> str:
    """Return the name of the failure that an error number of the operating system stands for."""
    known = _FAILURES.get(code or 0)
    return known or f"system error {errno.errorcode.get(code or 0, code)}"


class PreparedRequest:
    """A request ready to be sent, with its counters and the latest learned response."""

    __slots__ = ("learned", "request", "size", "tally", "wire")

    def __init__(self, request: Request, host: str, tally: Tally) -> None:
        self.request = request
        self.wire = request.wire(host)
        self.size = len(self.wire)
        self.tally = tally
        self.learned: LearnedResponse = NO_RESPONSE


class Connection:
    """The state of one connection. It belongs to the loop; a user only waits for ``done``."""

    __slots__ = (
        "address",
        "buffer",
        "choose",
        "closing",
        "done",
        "due_s",
        "expected",
        "fd",
        "finishing",
        "fresh",
        "is_open",
        "opened",
        "receive",
        "repeats",
        "response",
        "send",
        "size",
        "sock",
        "started_s",
        "steady",
        "tally",
        "target",
        "think",
        "unsent",
        "waited_s",
        "wire",
    )

    def __init__(
        self,
        address: Address,
        targets: Sequence[PreparedRequest],
        *,
        think: Callable[[], float] | None = None,
        in_turn: bool = False,
        randomness: random.Random | None = None,
    ) -> None:
        """Prepare a connection; ``think`` returns the pause between a response and the next request, in seconds."""
        self.address = address
        self.choose = _chooser(targets, None if in_turn else randomness or random.Random())  # noqa: S311 -- not cryptography
        self.steady = len(targets) == 1 and think is None
        self.think = think
        self.done: AsyncResult[None] = AsyncResult()
        self.finishing = False
        self.opened = 0
        self.started_s = self.waited_s = 0.0
        self.due_s: float | None = None
        self.target: PreparedRequest | None = None
        """The request in flight; ``None`` between requests."""
        self.unsent: bytes = b""
        self.response: ResponseReader | None = None
        self.buffer = b""
        self.closing: LearnedResponse = NO_RESPONSE
        """The response after which the server closes, and waits until this side has closed as well."""
        self.repeats = False
        """Whether the loop sends the same request again as soon as it has been answered."""
        self.expected: LearnedResponse = NO_RESPONSE
        """The response that the next data must equal to take the loop's fast path."""
        self.sock: PlainSocket | None = None
        self.is_open = False
        self.fresh = True
        """Whether the socket has brought no response yet."""

    def connect(self) -> int:
        """Open a socket; return 0 if it is open or connecting, otherwise the error number."""
        family, address = self.address
        try:
            sock = PlainSocket(family, _STREAM)
        except OSError as error:
            return error.errno or errno.EMFILE
        sock.setsockopt(_SOL_SOCKET, _SO_LINGER, RESET_AT_CLOSE)
        code = sock.connect_ex(address)
        if code not in _CONNECTING:
            sock.close()
            return code
        self.use(sock)
        self.opened += 1
        self.fresh = True
        return 0

    def disconnect(self) -> None:
        """End the connection with a reset, but keep its socket for ``reconnect``, which spares making another."""
        _connect(self.fd, NO_ADDRESS, len(NO_ADDRESS))

    def reconnect(self) -> int:
        """Connect the socket again after ``disconnect``; return 0 if it is open or connecting, or the error number."""
        assert self.sock is not None
        code = self.sock.connect_ex(self.address[1])
        if code not in _CONNECTING:
            return code
        self.opened += 1
        self.fresh = True
        return 0

    def use(self, sock: PlainSocket) -> None:
        """Send and receive on this socket from now on."""
        self.sock, self.fd = sock, sock.fileno()
        self.receive, self.send = sock.recv, sock.send

    def release(self) -> PlainSocket:
        """Detach the socket from the connection and return it."""
        sock, self.sock = self.sock, None
        assert sock is not None
        self.unsent = b""
        self.clear()
        return sock

    def clear(self) -> None:
        """Discard what has been received."""
        self.response = None
        self.buffer = b""
        self.expected = self.closing = NO_RESPONSE

    def interrupt(self) -> None:
        """Leave the loop's fast path, which sends the next request at once."""
        self.repeats = False
        self.expected = NO_RESPONSE

    def load(self, target: PreparedRequest, intended_s: float, waited_s: float) -> None:
        """Make ``target`` the request in flight.

        Response times count from ``intended_s``, timeouts from ``waited_s`` after it, when it is sent.
        """
        self.target, self.tally, self.wire, self.size = target, target.tally, target.wire, target.size
        self.started_s, self.waited_s = intended_s, waited_s
        self.due_s = None


def _chooser(targets: Sequence[PreparedRequest], randomness: random.Random | None) -> Callable[[], PreparedRequest]:
    """Return a function that chooses the next request: by weight, or in turn without ``randomness``."""
    if len(targets) == 1:
        return lambda: targets[0]
    if randomness is None:
        return itertools.cycle(targets).__next__
    weights = [target.request.weight for target in targets]
    return lambda: randomness.choices(targets, weights)[0]


_epoll: "Callable[[], select.epoll]" = monkey.get_original("select", "epoll")


class Sockets:
    """The connections that have a socket; ``poll`` and ``fileno`` are those of the epoll object."""

    def __init__(self) -> None:
        self.by_fd: dict[int, Connection] = {}
        self.open_now = 0
        self.open_min = 0
        """The fewest open connections at the end of any slice since this was last set."""
        self._epoll = _epoll()
        self.poll, self._register = self._epoll.poll, self._epoll.register
        self.fileno = self._epoll.fileno

    def open(self, connection: Connection) -> int:
        """Give the connection a socket, open or connecting; return 0, or the error number."""
        code = connection.connect()
        if not code:
            self.by_fd[connection.fd] = connection
            self._register(connection.fd, select.EPOLLIN)
        return code

    def opened(self, connection: Connection) -> None:
        """Count a connection that has been written to as open."""
        if not connection.is_open:
            connection.is_open = True
            self.open_now += 1

    def hold(self, connection: Connection, rest: bytes) -> None:
        """Keep the rest of a request until the socket is writable."""
        connection.unsent = rest
        connection.interrupt()
        if len(rest) == connection.size:
            self._not_open(connection)  # it is still connecting
        self._epoll.modify(connection.fd, select.EPOLLIN | select.EPOLLOUT)

    def held(self, connection: Connection) -> bytes:
        """Return the rest of a request, now that the socket is writable."""
        rest, connection.unsent = connection.unsent, b""
        self._epoll.modify(connection.fd, select.EPOLLIN)
        return rest

    def close(self, connection: Connection) -> None:
        """Close the connection's socket, if it has one."""
        if connection.sock is not None:
            self._not_open(connection)
            del self.by_fd[connection.fd]
            connection.release().close()  # which takes it from the epoll object as well

    def reopen(self, connection: Connection) -> int:
        """Open a disconnected connection again; return 0, or the error number."""
        code = connection.reconnect()
        if code:
            self._not_open(connection)
        return code

    def _not_open(self, connection: Connection) -> None:
        self.open_now -= connection.is_open
        connection.is_open = False
