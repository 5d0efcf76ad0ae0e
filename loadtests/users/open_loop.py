"""The open loop, which sends requests on a schedule rather than when a response makes room for the next one.

An arrival takes the connection that has been idle longest, or waits for one. Response times count from the *intended*
send, so that a stall of the server costs each arrival what it would cost a user. They are also counted from the actual
send, and a separate histogram holds how late the generator itself was. The rate is shared equally by the connections,
each of which contributes ``rate_each_rps``.

gevent's timers have a resolution of milliseconds. The loop therefore lets gevent wait until ``WAKE_S`` before an
arrival, and waits for the rest in the original ``select``, which is exact to microseconds once the kernel has been
asked for it (``_wake_punctually``).
"""

import ctypes
import os
import platform
import struct
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from gevent import monkey

from . import histogram
from .arrivals import Arrivals, Schedule
from .closed_loop import SLICE_S, ClosedLoop
from .connection import Connection
from .exchange import Listener

SPIN_S = 0.0015
"""The time before an arrival from which the loop no longer trusts gevent's timers."""
WAKE_S = 0.0010
"""The time before an arrival at which gevent wakes the loop."""
TURN_S = 0.0004
"""The usual duration of the other greenlets' turn and the loop's own maintenance."""
LULL_S = 0.0002
"""After this long without a response or arrival, neither is likely during the other greenlets' turn."""
GIVE_UP_S = 10.0
"""The longest time that an arrival waits for a connection before it is counted as never sent."""
_PR_SET_TIMERSLACK = 29  # include/uapi/linux/prctl.h
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}  # the C library has no function for this system call
_TIME_SLICE_NS = 100_000  # the shortest that the kernel accepts

clock = time.perf_counter
_select: Callable[..., Any] = monkey.get_original("select", "select")


class OpenLoop(ClosedLoop):
    """Sends arrivals over idle connections.

    A connection's first request is not an arrival: it opens the connection and learns the response. Each of the
    ``planned`` arrivals has been begun, is ``waiting`` for a connection, or was ``given_up``.
    """

    def __init__(self, flush: Callable[[], None], listener: Listener | None = None) -> None:
        super().__init__(flush, listener)
        self.schedule = Schedule(Arrivals.CONSTANT)
        """The schedule; it can be replaced until the first connection is added."""
        self.rate_each_rps = 0.0
        """The rate that each ready connection contributes."""
        self.planned = 0
        self.queued = 0
        """Arrivals that found no idle connection."""
        self.given_up = 0
        self.from_send = histogram.empty()
        """Times of good responses, counted from the actual send."""
        self.send_lag = histogram.empty()
        """The lateness of arrivals that found an idle connection."""
        self._ready: set[Connection] = set()
        self._idle: deque[Connection] = deque()
        self._waiting: deque[float] = deque()

    @property
    def ready(self) -> int:
        """The number of connections whose first request has ended."""
        return len(self._ready)

    @property
    def waiting(self) -> int:
        """The number of arrivals that are due but have no connection yet."""
        return len(self._waiting)

    def pace(self, rate_each_rps: float) -> None:
        """Change the rate per connection."""
        self.rate_each_rps = rate_each_rps
        self.schedule.pace(rate_each_rps * len(self._ready), clock())

    def forget_waiting(self) -> None:
        """Count all waiting arrivals as never sent."""
        self.given_up += len(self._waiting)
        self._waiting.clear()

    def add(self, connection: Connection) -> None:
        """Open the connection with a first request that is not an arrival."""
        connection.steady = False
        super().add(connection)

    # The loop.

    def _run(self) -> None:
        _wake_punctually()
        super()._run()

    def _slice(self) -> None:
        end_s = clock() + SLICE_S
        poll, handle, sockets = self.sockets.poll, self._handle, [self.sockets.fileno()]
        while (now_s := clock()) < end_s + SLICE_S:
            if self.schedule.next_s <= now_s:
                self._arrive(now_s)
            if events := poll(0):
                handle(events)
                continue
            left_s = self.schedule.next_s - clock()
            if left_s > SPIN_S:
                break
            if now_s >= end_s and left_s > LULL_S + TURN_S:
                if not _select(sockets, [], [], LULL_S)[0]:
                    break
            elif left_s > 0:
                _select(sockets, [], [], left_s)
        self._maintain(clock())

    def _due_s(self) -> float:
        return min(super()._due_s(), self.schedule.next_s - WAKE_S)

    def _sweep(self, now_s: float) -> None:
        super()._sweep(now_s)
        while self._waiting and now_s - self._waiting[0] > GIVE_UP_S:
            self._waiting.popleft()
            self.given_up += 1

    # Matching arrivals with connections.

    def _arrive(self, now_s: float) -> None:
        for intended_s in self.schedule.due(now_s):
            self.planned += 1
            connection = self._next_idle()
            if connection is None:
                self.queued += 1
                self._waiting.append(intended_s)
            else:
                late_s = clock() - intended_s
                histogram.record(self.send_lag, late_s)
                self._begin(connection, intended_s, late_s)

    def _next_idle(self) -> Connection | None:
        while self._idle:
            connection = self._idle.popleft()
            if connection in self._connections:
                return connection
        return None

    def _go_on(self, connection: Connection, now_s: float, pause_s: float) -> None:
        if connection not in self._ready and not pause_s:
            self._ready.add(connection)
            self.pace(self.rate_each_rps)
        if pause_s:
            self._pause(connection, now_s + pause_s)
        elif self._waiting:
            intended_s = self._waiting.popleft()
            self._begin(connection, intended_s, clock() - intended_s)
        else:
            self._idle.append(connection)

    def _resume(self, connection: Connection, now_s: float) -> None:
        if connection in self._ready or connection.is_open:
            self._go_on(connection, now_s, 0.0)
        else:
            self._begin(connection, now_s)

    def _count_good(self, connection: Connection, now_s: float, body_bytes: int) -> None:
        super()._count_good(connection, now_s, body_bytes)
        histogram.record(self.from_send, now_s - connection.started_s - connection.waited_s)

    def _retire(self, connection: Connection) -> None:
        if connection in self._ready:
            self._ready.discard(connection)
            self.pace(self.rate_each_rps)
        super()._retire(connection)

    def _emptied(self) -> None:
        self.forget_waiting()
        super()._emptied()


def _wake_punctually() -> None:
    """Have the kernel wake this thread when it asks to be woken, and run it at once.

    A thread that asks for short time slices runs before others that are in the middle of a longer one. Linux does so
    since 6.12, and ignores it before.
    """
    system = ctypes.CDLL(None)
    system.prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)  # a nanosecond; the kernel's own choice is 50,000
    if (number := _SCHED_SETATTR.get(platform.machine())) is not None:
        nice = os.getpriority(os.PRIO_PROCESS, 0)
        # struct sched_attr: its size, the policy SCHED_OTHER, flags, niceness, three fields of other policies around
        # the slice, and two bounds of utilisation.
        attributes = struct.pack("=IIQiIQQQII", 56, 0, 0, nice, 0, _TIME_SLICE_NS, 0, 0, 0, 0)
        system.syscall(number, 0, attributes, 0)
