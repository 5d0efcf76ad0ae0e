"""The sockets of an engine: watched over one epoll object, counted while open, left alone while their server closes."""

import select
import time
from _socket import socket as PlainSocket  # noqa: N812 -- gevent replaces socket.socket, and ours must not yield
from collections.abc import Callable

from gevent import monkey

from .answers import NOTHING
from .connection import Connection, close

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
        connection.expected = NOTHING
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
