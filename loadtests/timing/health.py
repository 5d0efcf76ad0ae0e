"""The load generator's own health in each second of a window."""

import time

import gevent

from common.records.window import Second
from loadtests.timing.loop_reading import read_loop
from loadtests.timing.reading import Reading
from loadtests.users import histogram
from loadtests.users.closed_loop import ClosedLoop

TICK_S = 0.050
"""The interval at which the event loop's timers are checked for delay."""
SHORTEST_S = 0.5
"""The rest of a second at the end of a window is recorded if it is at least this long."""


class Health:
    """Samples the loop once a second from creation until ``seconds`` is called."""

    def __init__(self, loop: ClosedLoop) -> None:
        self._loop = loop
        self._worst_lag_s = 0.0
        self._last = self._read()
        self._seconds: list[Second] = []
        self._greenlet = gevent.spawn(self._watch)

    def seconds(self) -> list[Second]:
        """Stop sampling and return a record for each second."""
        self._greenlet.kill()
        if time.perf_counter() - self._last.at_s >= SHORTEST_S:
            self._take()
        return self._seconds

    def _watch(self) -> None:
        while True:
            before_s = time.perf_counter()
            gevent.sleep(TICK_S)
            now_s = time.perf_counter()
            self._worst_lag_s = max(self._worst_lag_s, now_s - before_s - TICK_S)
            if now_s - self._last.at_s >= 1:
                self._take()

    def _read(self) -> Reading:
        return read_loop(self._loop, users=self._loop.connections)

    def _take(self) -> None:
        before, self._last = self._last, self._read()
        self._seconds.append(_second(before, self._last, self._worst_lag_s))
        self._worst_lag_s = 0.0


def _second(before: Reading, after: Reading, loop_lag_s: float) -> Second:
    """Return the record of a second; it costs less than a ``Load`` of it would, since the load goes on meanwhile."""
    duration_s = after.at_s - before.at_s
    return Second(
        duration_s=duration_s,
        cpu_share=(after.generator_cpu_s - before.generator_cpu_s) / duration_s,
        run_delay_share=(after.run_delay_s - before.run_delay_s) / duration_s,
        loop_lag_s=loop_lag_s,
        send_lag_s=_longest_send_lag_s(before, after),
        open=after.open_now,
        in_flight=after.in_flight,
        sent=after.sent - before.sent,
        answered=after.answered - before.answered,
        littles_law_ratio=_littles_law_ratio(before, after),
    )


def _longest_send_lag_s(before: Reading, after: Reading) -> float | None:
    if before.arrivals is None or after.arrivals is None:
        return None
    return histogram.percentile_s(histogram.difference(after.arrivals.send_lag, before.arrivals.send_lag), 1.0)


def _littles_law_ratio(before: Reading, after: Reading) -> float | None:
    if after.arrivals is not None or not after.users:
        return None
    busy_s = sum(tally.total_s for tally in after.tallies) - sum(tally.total_s for tally in before.tallies)
    return busy_s / (after.at_s - before.at_s) / after.users
