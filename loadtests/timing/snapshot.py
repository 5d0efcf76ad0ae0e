"""All counters at one instant, what happened between two instants, and the generator's own state in each second."""

import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import gevent

from common.host.cores import CoreTimes, core_times
from common.host.meters import CpuReading
from common.records import window as records
from common.records.window import Latency, Load, Second
from loadtests.timing.parts import latency, of_server
from loadtests.users import histogram
from loadtests.users.closed_loop import ClosedLoop
from loadtests.users.open_loop import OpenLoop
from loadtests.users.tally import Tally, added_up, counted_between

NS_PER_S = 1e9
TICK_S = 0.050
"""The interval at which the event loop's timers are checked for delay."""
SHORTEST_S = 0.5
"""The rest of a second at the end of a window is recorded if it is at least this long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalCounters:
    """The counters of an open loop's arrivals."""

    planned: int
    queued: int
    given_up: int
    waiting: int
    from_send: list[int]
    send_lag: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All counters at one instant."""

    at_s: float
    tallies: tuple[Tally, ...]
    sent: int
    in_flight: int
    reconnects: int
    cpu_s: float
    run_delay_s: float
    own_cores: CoreTimes
    all_cores: CoreTimes
    server_cores: CoreTimes | None
    arrivals: ArrivalCounters | None


def snapshot(loop: ClosedLoop, *, own_cores: Sequence[int], server_cores: Sequence[int]) -> Snapshot:
    """Return all counters as of now.

    This takes some tens of microseconds, in which nothing else runs in this thread.
    """
    own, everywhere, server = core_times(own_cores or tuple(os.sched_getaffinity(0)), None, server_cores)
    return Snapshot(
        at_s=time.perf_counter(),
        tallies=tuple(tally.copy() for tally in loop.tallies.values()),
        sent=loop.sent,
        in_flight=loop.in_flight,
        reconnects=loop.reconnects,
        cpu_s=time.process_time(),
        run_delay_s=run_delay_s(),
        own_cores=own,
        all_cores=everywhere,
        server_cores=server if server_cores else None,
        arrivals=_arrivals(loop) if isinstance(loop, OpenLoop) else None,
    )


def run_delay_s() -> float:
    """Return how long this process's main thread has waited for a core (the kernel's sched-stats.rst)."""
    return int(Path("/proc/self/schedstat").read_text().split()[1]) / NS_PER_S


def difference(
    before: Snapshot,
    after: Snapshot,
    server: Sequence[CpuReading | None] = (None, None),
    *,
    users: int,
    open_min: int,
    server_gone: str | None,
    seconds: Sequence[Second] = (),
    rate_rps: float = 0.0,
) -> Load:
    """Return the record of what happened between two snapshots."""
    done = counted_between(before.tallies, after.tallies)
    duration_s = after.at_s - before.at_s
    used = _since(after.server_cores, before.server_cores)
    return Load(
        duration_s=duration_s,
        users=users,
        sent=after.sent - before.sent,
        answered=done.good + done.wrong,
        requests=done.good,
        failures=dict(Counter(done.failures)),
        in_flight=after.in_flight,
        connections_open_min=open_min,
        reconnects=after.reconnects - before.reconnects,
        latency_s=latency_of(done),
        histogram=list(histogram.sparse(done.counts)),
        **of_server(*server),
        generator_cpu_s=after.cpu_s - before.cpu_s,
        generator_run_delay_s=after.run_delay_s - before.run_delay_s,
        steal_s=after.own_cores.since(before.own_cores).steal_s,
        steal_all_s=after.all_cores.since(before.all_cores).steal_s,
        server_steal_s=None if used is None else used.steal_s,
        server_cores_busy_s=None if used is None else used.busy_s,
        littles_law_ratio=done.total_s / duration_s / users if users and duration_s else 0.0,
        server_gone=server_gone,
        open_loop=_open_loop(before.arrivals, after.arrivals, rate_rps),
        seconds=list(seconds),
    )


def latency_of(tally: Tally) -> Latency | None:
    """Return the latency of a tally's good answers; ``None`` if there are none."""
    return latency(tally.counts, longest_s=tally.longest_s, mean_s=tally.total_s / (tally.good or 1))


def _arrivals(loop: OpenLoop) -> ArrivalCounters:
    return ArrivalCounters(
        planned=loop.planned,
        queued=loop.queued,
        given_up=loop.given_up,
        waiting=loop.waiting,
        from_send=loop.from_send.copy(),
        send_lag=loop.send_lag.copy(),
    )


def _open_loop(
    before: ArrivalCounters | None, after: ArrivalCounters | None, rate_rps: float
) -> records.OpenLoop | None:
    if before is None or after is None:
        return None
    from_send = histogram.difference(after.from_send, before.from_send)
    send_lag = histogram.difference(after.send_lag, before.send_lag)
    return records.OpenLoop(
        rate_rps=rate_rps,
        planned=after.planned - before.planned,
        queued=after.queued - before.queued,
        waiting=after.waiting,
        never_sent=after.given_up - before.given_up,
        from_send_s=latency(from_send),
        from_send_histogram=histogram.sparse(from_send),
        send_lag_s=latency(send_lag),
        send_lag_histogram=histogram.sparse(send_lag),
    )


def _since(after: CoreTimes | None, before: CoreTimes | None) -> CoreTimes | None:
    return None if after is None or before is None else after.since(before)


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
