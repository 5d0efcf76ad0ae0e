"""One user's connection: its socket, the request that is out on it, and what has come back so far."""

import errno
import itertools
import random
import select
import socket
import struct
import time
from _socket import socket as PlainSocket  # noqa: N812 -- gevent replaces socket.socket, and ours must not yield
from collections.abc import Callable, Sequence
from typing import Any

from gevent import monkey
from gevent.event import AsyncResult

from .responses import NO_RESPONSE, Failure, LearnedResponse, Request, ResponseReader
from .tally import Tally

Address = tuple[socket.AddressFamily, Any]
"""The family and the address proper, as ``getaddrinfo`` gives them."""

RESET_AT_CLOSE = struct.pack("ii", 1, 0)

_FAILURES = {
    errno.ECONNREFUSED: Failure.REFUSED,
    errno.ECONNRESET: Failure.RESET,
    errno.EPIPE: Failure.RESET,
    errno.EADDRNOTAVAIL: Failure.NO_PORT,
    errno.EAGAIN: Failure.NO_PORT,
    errno.ETIMEDOUT: Failure.TIMEOUT,
}


def failure_of(code: int | None) -> str:
    """The name of an error of the operating system."""
    known = _FAILURES.get(code or 0)
    return known or f"system error {errno.errorcode.get(code or 0, code)}"


class PreparedRequest:
    """A request made ready for sending, with its counters and the answer learned last."""

    __slots__ = ("learned", "request", "size", "tally", "wire")

    def __init__(self, request: Request, host: str, tally: Tally) -> None:
        self.request = request
        self.wire = request.wire(host)
        self.size = len(self.wire)
        self.tally = tally
        self.learned: LearnedResponse = NO_RESPONSE


class Connection:
    """The state of one connection. It belongs to the engine; a user only waits for ``done``."""

    __slots__ = (
        "address",
        "answer",
        "buffer",
        "choose",
        "done",
        "due_s",
        "expected",
        "fd",
        "finishing",
        "fresh",
        "is_open",
        "opened",
        "receive",
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
        """``think`` gives the seconds to pause between an answer and the next request; without it there is no pause."""
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
        """The request that is out; ``None`` between requests."""
        self.unsent: bytes = b""
        self.answer: ResponseReader | None = None
        self.buffer = b""
        self.expected: LearnedResponse = NO_RESPONSE
        """What to compare what comes next with, where the engine's short path may be taken."""
        self.sock: PlainSocket | None = None
        self.is_open = False
        self.fresh = True
        """Whether the socket has brought no answer yet."""

    def connect(self) -> int:
        """The error number of opening a socket, 0 if it is open or will be."""
        family, address = self.address
        try:
            sock = PlainSocket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        except OSError as error:
            return error.errno or errno.EMFILE
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = sock.connect_ex(address)
        if code not in (0, errno.EINPROGRESS):
            sock.close()
            return code
        self.sock, self.fd, self.receive, self.send = sock, sock.fileno(), sock.recv, sock.send
        self.opened += 1
        self.fresh = True
        return 0

    def release(self) -> PlainSocket:
        """The socket, which is the connection's no longer."""
        sock, self.sock = self.sock, None
        assert sock is not None
        self.is_open = False
        self.unsent = b""
        self.clear()
        return sock

    def clear(self) -> None:
        """Forget what has been received."""
        self.answer = None
        self.buffer = b""
        self.expected = NO_RESPONSE

    def load(self, target: PreparedRequest, intended_s: float, waited_s: float) -> None:
        """Make ``target`` the request that is out; response times count from ``intended_s``, timeouts from later."""
        self.target, self.tally, self.wire, self.size = target, target.tally, target.wire, target.size
        self.started_s, self.waited_s = intended_s, waited_s
        self.due_s = None


def _chooser(targets: Sequence[PreparedRequest], randomness: random.Random | None) -> Callable[[], PreparedRequest]:
    """Return a function that chooses the next request: by weight, or in turn where there is no randomness."""
    if len(targets) == 1:
        return lambda: targets[0]
    if randomness is None:
        return itertools.cycle(targets).__next__
    weights = [target.request.weight for target in targets]
    return lambda: randomness.choices(targets, weights)[0]


def close(sock: PlainSocket) -> None:
    """Close a socket so that its port is free at once, whoever closes first."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
    sock.close()


PARTING_S = 0.010
"""How long a connection that the server said it would close is left for it to close, at most."""

clock = time.perf_counter
_epoll: "Callable[[], select.epoll]" = monkey.get_original("select", "epoll")


class Sockets:
    """Which connections have a socket; ``poll`` and ``fileno`` are those of the epoll object."""

    def __init__(self) -> None:
        self.by_fd: dict[int, Connection] = {}
        self.open_now = 0
        self.open_min = 0
        """The fewest open at the end of any slice since this was set last."""
        self._parting: dict[int, tuple[float, PlainSocket]] = {}
        self._epoll = _epoll()
        self.poll = self._epoll.poll
        self.fileno = self._epoll.fileno

    def open(self, connection: Connection) -> int:
        """Give the connection a socket that is open or will be; the error number where there is none to be had."""
        code = connection.connect()
        if not code:
            self.by_fd[connection.fd] = connection
            self._epoll.register(connection.fd, select.EPOLLIN)
        return code

    def opened(self, connection: Connection) -> None:
        """Count a connection that has been written to as open."""
        if not connection.is_open:
            connection.is_open = True
            self.open_now += 1

    def hold(self, connection: Connection, rest: bytes) -> None:
        """Keep the rest of a request until the socket can be written to."""
        connection.unsent = rest
        connection.expected = NO_RESPONSE
        self._epoll.modify(connection.fd, select.EPOLLIN | select.EPOLLOUT)

    def held(self, connection: Connection) -> bytes:
        """What was kept, now that it can be written."""
        rest, connection.unsent = connection.unsent, b""
        self._epoll.modify(connection.fd, select.EPOLLIN)
        return rest

    def part(self, connection: Connection) -> None:
        """Leave the socket to the server, which has said that it closes it; ``parted`` is told when it has.

        Some servers (Gunicorn's sync worker) close one half, and serve nobody else before we have closed the other.
        """
        if connection.sock is not None:
            self._parting[connection.fd] = (clock() + PARTING_S, self._forget(connection))

    def parted(self, fd: int) -> None:
        """Close the socket if it is one that was left to its server: something has happened on it."""
        if fd in self._parting:
            self._end(fd)

    def close(self, connection: Connection) -> None:
        """Close the socket, if there is one."""
        if connection.sock is not None:
            self._epoll.unregister(connection.fd)
            close(self._forget(connection))

    def close_parted(self, now_s: float) -> None:
        """Close those that their servers have had the time to close."""
        while self._parting:
            fd, (due_s, _) = next(iter(self._parting.items()))
            if due_s > now_s:
                break
            self._end(fd)

    def _end(self, fd: int) -> None:
        self._epoll.unregister(fd)
        close(self._parting.pop(fd)[1])

    def _forget(self, connection: Connection) -> PlainSocket:
        self.open_now -= connection.is_open
        del self.by_fd[connection.fd]
        return connection.release()
