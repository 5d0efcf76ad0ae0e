"""A server that only answers, after a known delay, to measure the generator's ceiling and accuracy.

Run as ``python -m loadtests.targets.null_server PORT [DELAY_S [STALL_AT_S STALL_S]]``. Each request is answered
``DELAY_S`` after it was read. Once, ``STALL_AT_S`` after the first request, the server does nothing for ``STALL_S``.
On ``TERM`` it prints how long its responses really took, so that a busy machine is not blamed on the generator. Without
delay and stall, as for the ceiling, responses are not timed.
"""

import heapq
import itertools
import json
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from types import FrameType

from loadtests.users import histogram

BODY = b'"hello world"'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
END_OF_HEAD = b"\r\n\r\n"
BACKLOG = 4096
READ_BYTES = 65536
SPIN_S = 0.0002
"""The time before a response is due at which the server stops sleeping, since a sleep may last a little too long."""

clock = time.perf_counter


class NullServer:
    """Answers every request head with the same bytes, over one epoll object; requests must have no body."""

    def __init__(self, port: int, delay_s: float = 0.0, stall_at_s: float = float("inf"), stall_s: float = 0.0) -> None:
        self.took = histogram.empty()
        """The times from reading a request to writing its response."""
        self._delay_s, self._stall_at_s, self._stall_s = delay_s, stall_at_s, stall_s
        self._at_once = not delay_s and stall_at_s == float("inf")
        self._listener = socket.create_server(("127.0.0.1", port), backlog=BACKLOG)
        self._listener.settimeout(0)
        self._epoll = select.epoll()
        self._epoll.register(self._listener, select.EPOLLIN)
        self._clients: dict[int, socket.socket] = {}
        self._due: list[tuple[float, int, int, float]] = []
        self._ticket = itertools.count()
        self._first_s: float | None = None

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._listener.getsockname()[1])

    def run(self) -> None:
        """Serve until an exception, such as one from a signal handler, ends it."""
        while True:
            for fd, _ in self._epoll.poll(self._sleep_s()):
                if fd == self._listener.fileno():
                    self._accept()
                else:
                    self._read(fd)
            self._answer_due()
            if self._first_s is not None and clock() - self._first_s >= self._stall_at_s:
                time.sleep(self._stall_s)
                self._stall_at_s = float("inf")

    def _sleep_s(self) -> float:
        """Return the seconds until a response is due, for epoll, which sleeps whole milliseconds; -1 is for ever."""
        if not self._due:
            return 0.01 if self._stall_at_s < float("inf") else -1
        left_s = self._due[0][0] - clock() - SPIN_S
        if 0 < left_s < 0.01:  # noqa: PLR2004 -- below this epoll's milliseconds are too coarse
            select.select([self._epoll], [], [], left_s)
            return 0
        return max(0.0, left_s - 0.002)

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        sock.settimeout(0)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._clients[sock.fileno()] = sock
        self._epoll.register(sock, select.EPOLLIN)

    def _read(self, fd: int) -> None:
        sock = self._clients[fd]
        try:
            data = sock.recv(READ_BYTES)
            if self._at_once and data.endswith(END_OF_HEAD):
                sock.send(ANSWER)
                return
        except OSError:
            data = b""
        if not data:
            self._clients.pop(fd).close()
            return
        now_s = clock()
        self._first_s = self._first_s or now_s
        heapq.heappush(self._due, (now_s + self._delay_s, next(self._ticket), fd, now_s))

    def _answer_due(self) -> None:
        while self._due and self._due[0][0] <= clock():
            _, _, fd, read_s = heapq.heappop(self._due)
            if (sock := self._clients.get(fd)) is not None:
                with suppress(OSError):  # its client has gone, which is read next
                    sock.send(ANSWER)
                histogram.record(self.took, clock() - read_s)


def main(port: str, *times_s: str) -> None:
    """Serve until ``TERM``, then print the histogram of the durations of responses."""
    signal.signal(signal.SIGTERM, _leave)
    server = NullServer(int(port), *map(float, times_s))
    try:
        server.run()
    finally:
        print(json.dumps(histogram.sparse(server.took)))  # noqa: T201 -- this is the command's output


def _leave(_signum: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
