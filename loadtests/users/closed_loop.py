"""The loop that drives all connections of a process over one epoll object, in one greenlet.

This module holds the closed loop and what all loops share. A response that equals the previous one takes the fast path
in ``ClosedLoop._handle``: one read, one comparison, one count, one write, and a new connection if the server closes.
Everything else (first responses, those in pieces, several paths, pauses, failures) goes through ``Exchange._received``.
Sockets are plain ones that never switch greenlets; the loop itself yields when it is idle, and every ``SLICE_S``.
"""

import gc
import heapq
import itertools
import math
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

import gevent
from gevent.event import Event
from gevent.socket import wait_read

from .connection import Connection, failure_of
from .exchange import Exchange, Listener
from .responses import Failure, LearnedResponse

SLICE_S = 0.010
"""The longest time for which the loop keeps other greenlets waiting."""
LULL_S = 0.002
"""The time for which the loop itself waits for the next response; it wakes up sooner than gevent does."""
SWEEP_S = 0.050
"""The interval at which connections are checked for requests past their timeout."""
FLUSH_S = 1.0
READ_BYTES = 65536

clock = time.perf_counter

_running: set["ClosedLoop"] = set()
"""The loops of this process that run; the last one to end switches the garbage collector on again."""


class ClosedLoop(Exchange):
    """Drives connections from ``add`` to ``remove`` or ``finish``.

    Each connection sends its next request when the one before has ended, after a pause where it has one. Between
    ``hold`` and ``release`` none does.
    """

    def __init__(self, flush: Callable[[], None], listener: Listener | None = None) -> None:
        super().__init__(listener)
        self.flush = flush
        self.yields_at_s = math.inf
        """The time, by ``clock``, at which the loop lets other greenlets run, even if ``SLICE_S`` is not over."""
        self.error: Exception | None = None
        """The error that ended the loop; ``None`` if it ended with its last connection."""
        self._timers: list[tuple[float, int, Connection]] = []
        self._released = Event()
        self._released.set()
        self._held: list[Connection] = []
        """The connections whose next request is held back."""
        self._ticket = itertools.count()
        self._next_sweep_s = self._next_flush_s = 0.0
        self._greenlet: gevent.Greenlet[..., None] | None = None

    @property
    def ready(self) -> int:
        """The number of connections that take part in the load; in a closed loop, the open ones."""
        return self.open_now

    def forget_extremes(self) -> None:
        """Reset the longest response time and the fewest open connections."""
        self.sockets.open_min = self.open_now
        for tally in self.tallies.values():
            tally.longest_s = 0.0

    # Called by users.

    def add(self, connection: Connection) -> None:
        """Open the connection and send its first request."""
        self._connections.add(connection)
        if self._greenlet is None:
            self._greenlet = gevent.spawn(self._run)
        self._resume(connection, clock())

    def hold(self) -> None:
        """Begin no further request until ``release``; those in flight are still answered."""
        self._released.clear()
        for connection in self._connections:
            connection.interrupt()

    def release(self) -> None:
        """Let every held connection continue."""
        self._handle(self.sockets.poll(0))  # the server may have closed idle connections, which is not a failure
        self._released.set()
        held, self._held = self._held, []
        for connection in held:
            if connection in self._connections:
                self._begin(connection, clock())

    def remove(self, connection: Connection) -> None:
        """Close the connection now; a request in flight is counted as abandoned."""
        if connection in self._connections:
            self.abandoned += connection.target is not None
            self._retire(connection)

    def finish(self, connection: Connection) -> None:
        """Close the connection once the request in flight has ended, then set its ``done``."""
        connection.finishing = True
        connection.interrupt()
        if connection.target is None and connection in self._connections:
            self._retire(connection)

    # The loop.

    def _run(self) -> None:
        _running.add(self)
        gc.collect()
        gc.freeze()  # existing objects live as long as the run, so collections can skip them
        gc.disable()
        try:
            while self._connections:
                self._slice()
                self._yield()
                if not (self._released.is_set() or self.in_flight or self._timers):
                    self._released.wait()
        except Exception as error:
            self.error = error
            for connection in self._connections:
                connection.done.set_exception(error)
            raise
        finally:
            self._greenlet = None
            _running.discard(self)
            if not _running:
                gc.unfreeze()
                gc.enable()

    def _slice(self) -> None:
        now_s = clock()
        end_s = now_s + SLICE_S
        if now_s < self.yields_at_s < end_s:
            end_s = self.yields_at_s
        poll, handle = self.sockets.poll, self._handle
        while clock() < end_s:
            events = poll(0) or poll(LULL_S)
            if not events:
                break
            handle(events)
        self._maintain(clock())

    def _yield(self) -> None:
        """Let other greenlets run until a socket is ready or something is due.

        ``gevent.sleep(0)`` would not do: gevent checks its timers and sockets only once in 50 such calls, so that with
        a busy loop every wait in the process took half a second or more.
        """
        with suppress(TimeoutError):
            wait_read(self.sockets.fileno(), max(0.0, self._due_s() - clock()))

    def _due_s(self) -> float:
        """Return the next time at which the loop must act although no socket is ready."""
        return min(self._next_sweep_s, self._timers[0][0]) if self._timers else self._next_sweep_s

    def _handle(self, events: Iterable[tuple[int, int]]) -> None:
        # This function is long because every call in it would add to the cost of each request.
        by_fd, sent = self.sockets.by_fd, 0
        for fd, _ in events:
            connection = by_fd.get(fd)
            if connection is None:
                continue  # it was removed while a listener had yielded
            try:
                data = connection.receive(READ_BYTES)
            except OSError as error:
                self._interrupted(connection, error)
                continue
            now_s = clock()
            learned = connection.expected
            if data != learned.latest:
                closing = self._unexpected(connection, data, now_s)
                if closing is None:
                    continue
                learned = closing
            tally = connection.tally
            elapsed_s = now_s - connection.started_s
            ticks = int(elapsed_s * 10_000_000)
            shift = ticks.bit_length() - 8
            tally.counts[(shift << 7) + (ticks >> shift) if shift > 0 else ticks] += 1
            tally.total_s += elapsed_s
            if elapsed_s > tally.longest_s:  # noqa: PLR1730 -- max() takes longer
                tally.longest_s = elapsed_s
            tally.body_bytes += learned.body_bytes
            connection.started_s = now_s
            sent += 1
            if not learned.keep_alive and not self._reopened(connection):
                continue
            try:
                written = connection.send(connection.wire)
            except OSError as error:
                self._unwritten(connection, error, connection.wire)
                continue
            if written != connection.size:
                self.sockets.hold(connection, connection.wire[written:])
        self.sent += sent

    def _unexpected(self, connection: Connection, data: bytes, now_s: float) -> LearnedResponse | None:
        """Process data that is not the expected response.

        If it is the learned response of a server that closes, and the request is to be repeated, return that response:
        the fast path then counts it and sends the request again.
        """
        closing = connection.closing
        if data == closing.latest or closing.matches(data):
            connection.disconnect()  # first of all: Gunicorn's sync worker serves nobody before this side has closed
            if connection.repeats:
                return closing
        self._received(connection, data, now_s)
        return None

    def _reopened(self, connection: Connection) -> bool:
        """Open a connection again that has been closed; return whether a request can be sent."""
        self.reconnects += 1
        if code := self.sockets.reopen(connection):
            self._lose(connection, failure_of(code))
            return False
        connection.started_s = clock()
        return True

    def _maintain(self, now_s: float) -> None:
        """Do what is due besides responses: end pauses, close sockets, time requests out, flush statistics."""
        self.sockets.open_min = min(self.sockets.open_min, self.sockets.open_now)
        while self._timers and self._timers[0][0] <= now_s:
            due_s, _, connection = heapq.heappop(self._timers)
            if connection.due_s == due_s and connection in self._connections:
                self._resume(connection, now_s)
        if now_s >= self._next_sweep_s:
            self._next_sweep_s = now_s + SWEEP_S
            self._sweep(now_s)
        if now_s >= self._next_flush_s:
            self._next_flush_s = now_s + FLUSH_S
            self.flush()
            gc.collect()  # 25 microseconds, since older objects are frozen

    def _sweep(self, now_s: float) -> None:
        for connection in tuple(self._connections):
            target = connection.target
            if target is not None and now_s - connection.started_s - connection.waited_s > target.request.timeout_s:
                self._lose(connection, Failure.TIMEOUT)

    def _go_on(self, connection: Connection, now_s: float, pause_s: float) -> None:
        if connection.think is not None:
            pause_s += connection.think()
        if pause_s > 0:
            self._pause(connection, now_s + pause_s)
        else:
            self._resume(connection, now_s)

    def _pause(self, connection: Connection, due_s: float) -> None:
        connection.due_s = due_s
        heapq.heappush(self._timers, (due_s, next(self._ticket), connection))

    def _resume(self, connection: Connection, now_s: float) -> None:
        """Begin the next request, or make it wait for ``release``."""
        if self._released.is_set():
            self._begin(connection, now_s)
        else:
            self._held.append(connection)

    def _emptied(self) -> None:
        self._released.set()
        self.flush()
