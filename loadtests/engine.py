"""The loop that drives all connections of a process over one epoll object, in one greenlet.

A request that is answered as the one before it was takes the short path in ``Engine._handle``: one read, one
comparison, one count, one write. Everything else (first answers, answers in pieces, closing servers, several paths,
pauses, failures) goes through ``_received``. Sockets are plain, so nothing here switches greenlets; the loop itself
gives way to the others when nothing is to do, and every ``SLICE_S``.
"""

import gc
import heapq
import itertools
import select
import time
from _socket import socket as PlainSocket  # noqa: N812 -- gevent replaces socket.socket, and ours must not yield
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress

import gevent
from gevent import monkey
from gevent.socket import wait_read

from loadtests.answers import NOTHING, Answer, Failure, Request, judge
from loadtests.connection import Connection, Target, close, failure_of
from loadtests.tally import Tally

SLICE_S = 0.010
"""For how long the loop may keep other greenlets waiting."""
SWEEP_S = 0.050
"""How often connections are looked through for requests that take too long."""
FLUSH_S = 1.0
RETRY_S = 0.020
"""The pause after a connection could not be opened."""
PARTING_S = 0.010
"""How long a connection that the server said it would close is left for it to close."""
READ_BYTES = 65536

Listener = Callable[[Target, float, int, str | None], None]
"""Called for each request that ended: target, seconds, bytes of the body, reason of the failure."""

clock = time.perf_counter
_epoll: "Callable[[], select.epoll]" = monkey.get_original("select", "epoll")


class Engine:
    """Drives connections from ``add`` to ``remove`` or ``finish``; ``flush`` is called once a second and at the end."""

    def __init__(self, flush: Callable[[], None], listener: Listener | None = None) -> None:
        self.tallies: dict[tuple[str, str], Tally] = {}
        self.error: Exception | None = None
        """What ended the loop, if it was not the end of the last connection."""
        self.sent = 0
        """Requests begun, those that could not be delivered included."""
        self.abandoned = 0
        """Requests that were out when their user was stopped."""
        self.reconnects = 0
        self.open_now = 0
        self.open_min = 0
        """The fewest connections open at the end of any slice since ``forget_extremes``."""
        self.flush = flush
        self._listener = listener
        self._targets: dict[tuple[Request, str], Target] = {}
        self._connections: set[Connection] = set()
        self._by_fd: dict[int, Connection] = {}
        self._parting: deque[tuple[float, PlainSocket]] = deque()
        self._timers: list[tuple[float, int, Connection]] = []
        self._ticket = itertools.count()
        self._next_sweep_s = self._next_flush_s = 0.0
        self._epoll = _epoll()
        self._greenlet: gevent.Greenlet[..., None] | None = None

    @property
    def in_flight(self) -> int:
        """Requests that are out. It, the answers, and what was lost or abandoned add up to ``sent``."""
        return sum(connection.target is not None for connection in self._connections)

    @property
    def connections(self) -> int:
        """Connections being driven, open or not."""
        return len(self._connections)

    def target(self, request: Request, host: str) -> Target:
        """The request made ready; the same one for all connections."""
        found = self._targets.get((request, host))
        if found is None:
            key = (request.method, request.label)
            tally = self.tallies.setdefault(key, Tally(method=request.method, name=request.label))
            found = self._targets[request, host] = Target(request, host, tally)
        return found

    def forget_extremes(self) -> None:
        """Begin anew with the longest response time and the fewest open connections."""
        self.open_min = self.open_now
        for tally in self.tallies.values():
            tally.longest_s = 0.0

    # What users call.

    def add(self, connection: Connection) -> None:
        """Open the connection and send its first request."""
        self._connections.add(connection)
        if self._greenlet is None:
            self._greenlet = gevent.spawn(self._run)
        self._begin(connection, clock())

    def remove(self, connection: Connection) -> None:
        """Close the connection now; a request that is out is counted as abandoned."""
        if connection in self._connections:
            self.abandoned += connection.target is not None
            self._retire(connection)

    def finish(self, connection: Connection) -> None:
        """Close the connection once the request that is out has ended, then set its ``done``."""
        connection.finishing = True
        connection.expected = NOTHING
        if connection.target is None and connection in self._connections:
            self._retire(connection)

    # The loop.

    def _run(self) -> None:
        gc.collect()
        gc.freeze()  # what is there now lives as long as the run: a collection need not look at it again
        gc.disable()
        try:
            while self._connections:
                self._slice()
                self._yield()
        except Exception as error:
            self.error = error
            for connection in self._connections:
                connection.done.set_exception(error)
            raise
        finally:
            self._greenlet = None
            gc.unfreeze()
            gc.enable()

    def _slice(self) -> None:
        end_s = clock() + SLICE_S
        poll, handle = self._epoll.poll, self._handle
        while clock() < end_s:
            events = poll(0)
            if not events:
                break
            handle(events)
        self._keep_house(clock())

    def _yield(self) -> None:
        """Let other greenlets run, until something happens on a socket or something is due.

        Not by ``gevent.sleep(0)``: gevent looks at its timers and its own sockets once in 50 of these, so that with a
        busy engine all waiting in the process took half a second and more.
        """
        due_s = min(self._next_sweep_s, self._timers[0][0]) if self._timers else self._next_sweep_s
        with suppress(TimeoutError):
            wait_read(self._epoll.fileno(), max(0.0, due_s - clock()))

    def _handle(self, events: Iterable[tuple[int, int]]) -> None:
        # Longer than a function should be, because each call in here would cost every request.
        by_fd, sent = self._by_fd, 0
        for fd, _ in events:
            connection = by_fd.get(fd)
            if connection is None:
                continue  # a listener of ours gave way, and the connection was removed meanwhile
            try:
                data = connection.receive(READ_BYTES)
            except OSError as error:
                self._interrupted(connection, error)
                continue
            now_s = clock()
            expected = connection.expected
            if len(data) != expected.length or not data.endswith(expected.tail) or not data.startswith(expected.head):
                self._received(connection, data, now_s)
                continue
            tally = connection.tally
            elapsed_s = now_s - connection.started_s
            ticks = int(elapsed_s * 10_000_000)
            shift = ticks.bit_length() - 8
            tally.counts[(shift << 7) + (ticks >> shift) if shift > 0 else ticks] += 1
            tally.total_s += elapsed_s
            if elapsed_s > tally.longest_s:  # noqa: PLR1730 -- max() takes longer
                tally.longest_s = elapsed_s
            tally.body_bytes += expected.body_bytes
            connection.started_s = now_s
            sent += 1
            try:
                written = connection.send(connection.wire)
            except OSError as error:
                self._unwritten(connection, error, connection.wire)
                continue
            if written != connection.size:
                self._hold(connection, connection.wire[written:])
        self.sent += sent

    def _keep_house(self, now_s: float) -> None:
        """What is due besides answers: pauses that end, sockets to close, requests that took too long, statistics."""
        self.open_min = min(self.open_min, self.open_now)
        while self._timers and self._timers[0][0] <= now_s:
            due_s, _, connection = heapq.heappop(self._timers)
            if connection.due_s == due_s and connection in self._connections:
                self._begin(connection, now_s)
        while self._parting and self._parting[0][0] <= now_s:
            close(self._parting.popleft()[1])
        if now_s >= self._next_sweep_s:
            self._next_sweep_s = now_s + SWEEP_S
            self._sweep(now_s)
        if now_s >= self._next_flush_s:
            self._next_flush_s = now_s + FLUSH_S
            self.flush()
            gc.collect()  # 25 microseconds, since all that was there at the start is frozen

    def _sweep(self, now_s: float) -> None:
        for connection in tuple(self._connections):
            target = connection.target
            if target is not None and now_s - connection.started_s > target.request.timeout_s:
                self._lose(connection, Failure.TIMEOUT)

    # One request's life.

    def _begin(self, connection: Connection, now_s: float) -> None:
        connection.load(connection.choose(), now_s)
        self.sent += 1
        if connection.sock is None:
            code = connection.connect()
            if code:
                self._lose(connection, failure_of(code))
                return
            self.reconnects += connection.opened > 1
            self._by_fd[connection.fd] = connection
            self._epoll.register(connection.fd, select.EPOLLIN)
        self._write(connection, connection.wire)
        target = connection.target
        if connection.steady and target and not (connection.unsent or connection.finishing or self._listener):
            connection.expected = target.learned if target.learned.keep_alive else NOTHING

    def _write(self, connection: Connection, data: bytes) -> None:
        """Send what can be sent now. On loopback this mostly works right after connecting."""
        try:
            written = connection.send(data)
        except OSError as error:
            self._unwritten(connection, error, data)
            return
        if not connection.is_open:
            connection.is_open = True
            self.open_now += 1
        if written != len(data):
            self._hold(connection, data[written:])

    def _unwritten(self, connection: Connection, error: OSError, data: bytes) -> None:
        if isinstance(error, BlockingIOError):
            self._hold(connection, data)
        else:
            self._lose(connection, failure_of(error.errno))

    def _hold(self, connection: Connection, rest: bytes) -> None:
        """Keep the rest of a request until the socket can be written to."""
        connection.unsent = rest
        connection.expected = NOTHING
        self._epoll.modify(connection.fd, select.EPOLLIN | select.EPOLLOUT)

    def _interrupted(self, connection: Connection, error: OSError) -> None:
        """Nothing can be read: the socket can be written to again, or it is broken."""
        if not isinstance(error, BlockingIOError):
            self._lose(connection, failure_of(error.errno))
        elif connection.unsent:
            rest, connection.unsent = connection.unsent, b""
            self._epoll.modify(connection.fd, select.EPOLLIN)
            self._write(connection, rest)

    def _received(self, connection: Connection, data: bytes, now_s: float) -> None:
        """Take in what has been read: an answer, a piece of one, or the end of the connection (no data)."""
        target, answer, ended = connection.target, connection.answer, not data
        if target is None:
            self._unasked(connection, ended=ended)
            return
        if answer is None:
            data = connection.buffer + data
            learned = target.learned
            if learned.matches(data):
                target.tally.count_good(now_s - connection.started_s, learned.body_bytes)
                reuse = learned.keep_alive and not connection.unsent
                self._ended(connection, None, learned.body_bytes, now_s, reuse=reuse)
                return
            if learned.begins(data) and not ended:
                connection.buffer, connection.expected = data, NOTHING
                return
            answer = connection.answer = Answer(target.request.method)
        connection.expected = NOTHING
        if data:
            answer.feed(data)
        if ended:
            answer.end()
        if answer.over:
            self._judged(connection, target, answer, now_s)

    def _unasked(self, connection: Connection, *, ended: bool) -> None:
        """Between requests the server has closed the connection, which it may, or sent something, which it may not."""
        if not ended:
            connection.tally.failures[Failure.EXTRA_BYTES] += 1
        self._close(connection)

    def _judged(self, connection: Connection, target: Target, answer: Answer, now_s: float) -> None:
        """Count an answer that is over."""
        if not answer.complete:
            self._lose(connection, answer.failure or Failure.MALFORMED)
            return
        reason = judge(target.request, answer)
        body_bytes = len(answer.body)
        if reason is None:
            target.learned = answer.learn()
            target.tally.count_good(now_s - connection.started_s, body_bytes)
        else:
            target.tally.count_wrong(reason)
        reuse = answer.keep_alive and answer.failure is None and not connection.unsent
        self._ended(connection, reason, body_bytes, now_s, reuse=reuse)

    def _lose(self, connection: Connection, reason: str) -> None:
        """Count a request that gets no answer; one that was begun between requests has not been lost."""
        was_open, now_s = connection.is_open, clock()
        if connection.target is None:
            self._close(connection)
            return
        connection.tally.count_lost(reason)
        self._close(connection)
        self._ended(connection, reason, 0, now_s, reuse=True, pause_s=0.0 if was_open else RETRY_S)

    def _ended(
        self,
        connection: Connection,
        reason: str | None,
        body_bytes: int,
        now_s: float,
        *,
        reuse: bool,
        pause_s: float = 0.0,
    ) -> None:
        """Go on after a request has ended, at once or after a pause; on a new socket unless this one can be reused."""
        target, connection.target = connection.target, None
        connection.clear()
        if not reuse:
            self._part(connection)
        if self._listener is not None and target is not None:
            self._listener(target, now_s - connection.started_s, body_bytes, reason)
        if connection not in self._connections:
            return
        if connection.finishing:
            self._retire(connection)
            return
        if connection.think is not None:
            pause_s += connection.think()
        if pause_s > 0:
            connection.due_s = now_s + pause_s
            heapq.heappush(self._timers, (connection.due_s, next(self._ticket), connection))
        else:
            self._begin(connection, clock() if self._listener else now_s)

    # Sockets.

    def _part(self, connection: Connection) -> None:
        """Leave a socket to the server, which has said that it closes it."""
        if connection.sock is not None:
            sock = self._detach(connection)
            self._parting.append((clock() + PARTING_S, sock))

    def _close(self, connection: Connection) -> None:
        if connection.sock is not None:
            close(self._detach(connection))

    def _detach(self, connection: Connection) -> PlainSocket:
        self.open_now -= connection.is_open
        self._epoll.unregister(connection.fd)
        del self._by_fd[connection.fd]
        return connection.release()

    def _retire(self, connection: Connection) -> None:
        """Let go of a connection; the last one leaves nothing uncounted and no socket open."""
        self._connections.discard(connection)
        connection.target = None
        self._close(connection)
        connection.done.set(None)
        if not self._connections:
            while self._parting:
                close(self._parting.popleft()[1])
            self.flush()
