"""The life of a request: begun, written, answered in one or more pieces, judged, and counted exactly once."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable

from .connection import Connection, PreparedRequest, Sockets, failure_of
from .responses import NO_RESPONSE, Failure, Request, ResponseReader, judge
from .tally import Tally

RETRY_S = 0.020
"""The pause after a failed attempt to open a connection."""
QUIET_S = 0.010
"""The pause after the first response on a socket, in which a second response to the same request would show up. Later,
it would be taken for the response to the next request."""

Listener = Callable[[PreparedRequest, float, int, str | None], None]
"""Called when a request has ended, with its target, seconds, body bytes and the reason of a failure."""

clock = time.perf_counter


class Exchange(ABC):
    """Sends requests over connections and counts how each ends; subclasses decide when to send."""

    def __init__(self, listener: Listener | None = None) -> None:
        self.tallies: dict[tuple[str, str], Tally] = {}
        self.sent = 0
        """Requests begun, including those that could not be delivered."""
        self.abandoned = 0
        """Requests in flight when their user was stopped."""
        self.reconnects = 0
        self.sockets = Sockets()
        self._listener = listener
        self._connections: set[Connection] = set()

    @property
    def in_flight(self) -> int:
        """Requests in flight; with those answered, lost and abandoned they add up to ``sent``."""
        return sum(connection.target is not None for connection in self._connections)

    @property
    def connections(self) -> int:
        """The number of connections being driven, open or not."""
        return len(self._connections)

    @property
    def open_now(self) -> int:
        """The number of open connections."""
        return self.sockets.open_now

    def target(self, request: Request, host: str) -> PreparedRequest:
        """Return the request prepared for a connection; all requests of one name are counted together.

        Each connection learns its own response, since those of a server's workers may differ in their date.
        """
        key = (request.method, request.label)
        tally = self.tallies.setdefault(key, Tally(method=request.method, name=request.label))
        return PreparedRequest(request, host, tally)

    @abstractmethod
    def _go_on(self, connection: Connection, now_s: float, pause_s: float) -> None:
        """Continue with a connection whose request has ended, no earlier than after the pause."""

    @abstractmethod
    def _emptied(self) -> None:
        """Clean up after the last connection has been retired."""

    # Sending a request.

    def _begin(self, connection: Connection, intended_s: float, waited_s: float = 0.0) -> None:
        """Send the next request, which was due at ``intended_s`` and has waited for ``waited_s``."""
        connection.load(connection.choose(), intended_s, waited_s)
        self.sent += 1
        if connection.sock is None:
            code = self.sockets.open(connection)
            if code:
                self._lose(connection, failure_of(code))
                return
            self.reconnects += connection.opened > 1
        self._write(connection, connection.wire)
        target = connection.target
        if target is None:
            return
        connection.repeats = connection.steady and not (connection.unsent or connection.finishing or self._listener)
        if not target.learned.keep_alive:
            connection.closing = target.learned
        elif connection.repeats and not connection.fresh:
            connection.expected = target.learned

    def _write(self, connection: Connection, data: bytes) -> None:
        """Send what can be sent now. On loopback this usually succeeds right after connecting."""
        try:
            written = connection.send(data)
        except OSError as error:
            self._unwritten(connection, error, data)
            return
        self.sockets.opened(connection)
        if written != len(data):
            self.sockets.hold(connection, data[written:])

    def _unwritten(self, connection: Connection, error: OSError, data: bytes) -> None:
        if isinstance(error, BlockingIOError):
            self.sockets.hold(connection, data)
        else:
            self._lose(connection, failure_of(error.errno))

    # Receiving its response.

    def _interrupted(self, connection: Connection, error: OSError) -> None:
        """Handle a socket without data: it is writable again, or broken."""
        if not isinstance(error, BlockingIOError):
            self._lose(connection, failure_of(error.errno))
        elif connection.unsent:
            self._write(connection, self.sockets.held(connection))

    def _received(self, connection: Connection, data: bytes, now_s: float) -> None:
        """Process data that was read: a response, a piece of one, or, if empty, the end of the connection."""
        target, response, ended = connection.target, connection.response, not data
        if target is None:
            self._received_between(connection, ended=ended)
            return
        if response is None:
            data = connection.buffer + data
            learned = target.learned
            if learned.matches(data):
                self._count_good(connection, now_s, learned.body_bytes)
                reuse = learned.keep_alive and not connection.unsent
                self._ended(connection, None, learned.body_bytes, now_s, reuse=reuse)
                return
            connection.expected = connection.closing = NO_RESPONSE  # neither is compared with a later piece
            if learned.begins(data) and not ended:
                connection.buffer = data
                return
            response = connection.response = ResponseReader(
                target.request.method, max_bytes=target.request.max_answer_bytes
            )
        if data:
            response.feed(data)
        if ended:
            response.end()
        if response.over:
            self._judged(connection, target, response, now_s)

    def _received_between(self, connection: Connection, *, ended: bool) -> None:
        """Handle data between requests: the server may close the connection, but not send anything."""
        if not ended:
            connection.tally.failures[Failure.EXTRA_BYTES] += 1
        self.sockets.close(connection)

    def _judged(self, connection: Connection, target: PreparedRequest, response: ResponseReader, now_s: float) -> None:
        """Judge and count a response that has ended."""
        if not response.complete:
            self._lose(connection, response.failure or Failure.MALFORMED)
            return
        reason = judge(target.request, response)
        body_bytes = len(response.body)
        if reason is None:
            target.learned = response.learn()
            self._count_good(connection, now_s, body_bytes)
        else:
            target.tally.count_wrong(reason)
        reuse = response.keep_alive and response.failure is None and not connection.unsent
        self._ended(connection, reason, body_bytes, now_s, reuse=reuse)

    def _count_good(self, connection: Connection, now_s: float, body_bytes: int) -> None:
        connection.tally.count_good(now_s - connection.started_s, body_bytes)

    def _lose(self, connection: Connection, reason: str) -> None:
        """Count a request that gets no response; between requests, only close the connection."""
        was_open, now_s = connection.is_open, clock()
        if connection.target is None:
            self.sockets.close(connection)
            return
        connection.tally.count_lost(reason)
        self.sockets.close(connection)
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
        """Continue after a request has ended, on a new socket unless this one can be reused."""
        target, connection.target = connection.target, None
        connection.clear()
        if not reuse:
            self.sockets.close(connection)
        elif connection.fresh and connection.is_open:
            connection.fresh = False
            pause_s += QUIET_S
        if self._listener is not None and target is not None:
            self._listener(target, now_s - connection.started_s, body_bytes, reason)
        if connection not in self._connections:
            return
        if connection.finishing:
            self._retire(connection)
            return
        self._go_on(connection, clock(), pause_s)  # a new time: judging must not count for the next request

    def _retire(self, connection: Connection) -> None:
        """Stop driving a connection; after the last one, close all sockets and flush the counts."""
        self._connections.discard(connection)
        connection.target = None
        self.sockets.close(connection)
        connection.done.set(None)
        if not self._connections:
            self._emptied()
