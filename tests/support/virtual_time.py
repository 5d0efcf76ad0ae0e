"""Time that passes only while every thread of a simulation sleeps: hours take milliseconds, and repeat exactly."""

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from greenlet import getcurrent, greenlet

START_S = 1_800_000_000.0
"""The Unix time at which every simulation starts."""
SINCE_BOOT_S = 10_000.0
"""The simulated machine's uptime by then."""


class KilledError(BaseException):
    """Ends a thread whose process was killed, wherever it is, and whatever it catches."""


class VirtualTime:
    """The clock of a simulation, and its threads, of which one runs at a time.

    ``woken`` is called in a thread whenever it wakes, and may raise there, ``KilledError`` too. While the machine that
    the threads run on is suspended, they go on sleeping and time passes.
    """

    def __init__(self, woken: Callable[[], None] = lambda: None) -> None:
        self.now_s = START_S
        self.asleep_until_s = START_S
        self._asleep_s = 0.0
        self._woken = woken
        self._numbers = itertools.count()
        self._sleepers: list[tuple[float, int, greenlet]] = []
        self._hub: greenlet = getcurrent()
        self._elsewhere: set[greenlet] = set()

    @property
    def suspended(self) -> bool:
        """Whether the machine has been suspended at any time."""
        return self._asleep_s > 0

    def suspend(self, seconds: float) -> None:
        """Suspend the machine from now on; its monotonic clock stops."""
        self.asleep_until_s = self.now_s + seconds
        self._asleep_s += seconds

    def spawn(self, target: Callable[..., object], *args: object, elsewhere: bool = False) -> greenlet:
        """Start a thread; one that runs ``elsewhere``, on another machine, is neither suspended nor woken."""

        def live() -> None:
            with suppress(KilledError):
                target(*args)

        thread = greenlet(live, parent=self._hub)
        if elsewhere:
            self._elsewhere.add(thread)
        self._push(thread, self.now_s)
        return thread

    def sleep(self, seconds: float) -> None:
        """Let the time pass for the thread that calls this."""
        thread = getcurrent()
        self._push(thread, self.now_s + max(0.0, seconds))
        self._hub.switch()
        if thread not in self._elsewhere:
            self._woken()

    def run(self, until_s: float, unless: Callable[[], bool] = lambda: False) -> None:
        """Let threads run until an instant, or until ``unless`` holds."""
        while self._sleepers and self._sleepers[0][0] <= until_s and not unless():
            at_s, _, thread = heapq.heappop(self._sleepers)
            self.now_s = max(self.now_s, at_s)
            if self.now_s < self.asleep_until_s and thread not in self._elsewhere:
                self._push(thread, self.asleep_until_s)
            elif not thread.dead:
                thread.switch()
        if not unless():
            self.now_s = max(self.now_s, until_s)

    def _push(self, thread: greenlet, at_s: float) -> None:
        heapq.heappush(self._sleepers, (at_s, next(self._numbers), thread))

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Replace the clocks, sleep and threads of Python by these."""
        simulation = self

        class Thread:
            def __init__(self, *, target: Callable[..., object], args: tuple[Any, ...] = (), daemon: bool) -> None:
                assert daemon, "a thread that is waited for can cost money"
                self._target, self._args = target, args

            def start(self) -> None:
                simulation.spawn(self._target, *self._args)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(time, "sleep", self.sleep)
            patch.setattr(time, "time", lambda: self.now_s)
            patch.setattr(time, "monotonic", lambda: self.now_s - START_S - self._asleep_s)
            patch.setattr(time, "clock_gettime", lambda _: self.now_s - START_S + SINCE_BOOT_S)
            patch.setattr(threading, "Thread", Thread)
            yield
