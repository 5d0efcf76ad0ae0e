"""The generator's own state in each second of a window: CPU used, time without a core, how late it was."""

import time
from dataclasses import dataclass
from itertools import pairwise

import gevent

from common.records.window import Second
from loadtests.timing.snapshot import run_delay_s
from loadtests.users import histogram
from loadtests.users.closed_loop import ClosedLoop
from loadtests.users.open_loop import OpenLoop
from loadtests.users.tally import added_up

TICK_S = 0.050
"""The interval at which the event loop's timers are checked for delay."""
SHORTEST_S = 0.5
"""The rest of a second at the end of a window is recorded if it is at least this long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    at_s: float
    cpu_s: float
    run_delay_s: float
    loop_lag_s: float
    open: int
    in_flight: int
    sent: int
    answered: int
    total_s: float
    send_lag: list[int]


class Health:
    """Samples the loop once a second from creation until ``seconds`` is called."""

    def __init__(self, loop: ClosedLoop) -> None:
        self._loop = loop
        self._worst_lag_s = 0.0
        self._samples = [self._sample()]
        self._greenlet = gevent.spawn(self._watch)

    def seconds(self) -> list[Second]:
        """Stop sampling and return a record for each second."""
        self._greenlet.kill()
        if time.perf_counter() - self._samples[-1].at_s >= SHORTEST_S:
            self._samples.append(self._sample())
        users = 0 if isinstance(self._loop, OpenLoop) else self._loop.connections
        return [_second(before, after, users) for before, after in pairwise(self._samples)]

    def _watch(self) -> None:
        while True:
            before_s = time.perf_counter()
            gevent.sleep(TICK_S)
            now_s = time.perf_counter()
            self._worst_lag_s = max(self._worst_lag_s, now_s - before_s - TICK_S)
            if now_s - self._samples[-1].at_s >= 1:
                self._samples.append(self._sample())

    def _sample(self) -> _Sample:
        loop = self._loop
        done = added_up(loop.tallies.values())
        lag_s, self._worst_lag_s = self._worst_lag_s, 0.0
        return _Sample(
            at_s=time.perf_counter(),
            cpu_s=time.process_time(),
            run_delay_s=run_delay_s(),
            loop_lag_s=lag_s,
            open=loop.open_now,
            in_flight=loop.in_flight,
            sent=loop.sent,
            answered=done.good + done.wrong,
            total_s=done.total_s,
            send_lag=loop.send_lag.copy() if isinstance(loop, OpenLoop) else [],
        )


def _second(before: _Sample, after: _Sample, users: int) -> Second:
    duration_s = after.at_s - before.at_s
    lag = histogram.difference(after.send_lag, before.send_lag)
    return Second(
        duration_s=duration_s,
        cpu_share=(after.cpu_s - before.cpu_s) / duration_s,
        run_delay_share=(after.run_delay_s - before.run_delay_s) / duration_s,
        loop_lag_s=after.loop_lag_s,
        send_lag_s=histogram.percentile_s(lag, 1.0),
        open=after.open,
        in_flight=after.in_flight,
        sent=after.sent - before.sent,
        answered=after.answered - before.answered,
        littles_law_ratio=(after.total_s - before.total_s) / duration_s / users if users else None,
    )
