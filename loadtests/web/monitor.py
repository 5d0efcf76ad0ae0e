"""The figures of a test in the web UI: those of each second, and those of the whole test."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import gevent
import psutil
from locust.env import Environment
from locust.runners import LocalRunner, MasterRunner

from common.host.meters import CpuReading, private_bytes, read_cpu
from common.records.window import Load
from loadtests.timing.parts import since
from loadtests.users import histogram
from loadtests.users.loops import all_loops, tallies_of
from loadtests.users.tally import added_up

KEPT_S = 600
"""The number of seconds that are shown; the figures of the whole test are exact however long it lasts."""
TICK_S = 0.050
SHORTEST_S = 0.5
"""The shortest rest of a second at the end of a test that counts as one of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Every counter at one instant."""

    at_s: float
    good: int
    failed: int
    counts: list[int]
    """Response times of good responses, as a dense histogram."""
    server: CpuReading | None
    memory_bytes: int | None
    generator_cpu_s: float
    lag_s: float
    """The longest delay of a timer of this process since the sample before."""
    open: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFigures:
    """The figures of the time between two samples; ``None`` for what cannot be read."""

    ends_at_s: float
    """Since the first sample of the test."""
    duration_s: float
    requests: int
    failures: int
    per_cpu_s: float | None
    """Good responses per second of the server's CPU time."""
    rps: float
    server_cpu: float | None
    """CPU-seconds of the server per second."""
    throttled: float | None
    """Share of the time in which the quota throttled the server."""
    memory_bytes: int | None
    p50_s: float | None
    p99_s: float | None
    generator_cpu: float
    lag_s: float
    open: int


class Monitor:
    """Samples a test once a second, from ``start`` to ``stop``.

    ``begun`` is called once all users are running, and ``taken`` with each sample after that.
    """

    def __init__(self, environment: Environment, begun: Callable[[], None], taken: Callable[[Sample], None]) -> None:
        self._environment = environment
        self._begun = begun
        self._taken = taken
        self._meter: str | None = None
        self._first: Sample | None = None
        self._last: Sample | None = None
        self._seconds: deque[LiveFigures] = deque(maxlen=KEPT_S)
        self._worst_lag_s = 0.0
        self._greenlet: gevent.Greenlet[..., None] | None = None

    @property
    def is_running(self) -> bool:
        """Whether a test is being sampled."""
        return self._greenlet is not None

    def start(self, meter: str | None) -> None:
        """Begin anew, with the server's meter."""
        self.stop()
        self._meter, self._first, self._last = meter, None, None
        self._seconds.clear()
        self._greenlet = gevent.spawn(self._watch)

    def stop(self) -> None:
        """Take a last sample and no more; do nothing where none are taken."""
        if self._greenlet is not None:
            self._greenlet.kill()
            self._greenlet = None
            if self._last is not None and time.perf_counter() - self._last.at_s >= SHORTEST_S:
                self._take()

    def seconds(self) -> list[LiveFigures]:
        """Return each second's figures."""
        return list(self._seconds)

    def whole(self) -> LiveFigures | None:
        """Return the figures of the whole test; ``None`` before its first second is over."""
        if self._first is None or self._last is None or self._first is self._last:
            return None
        return between(self._first, self._last, since_s=self._first.at_s)

    def _watch(self) -> None:
        while not self._is_open():
            gevent.sleep(TICK_S)
        self._first = self._last = self._sample()
        self._begun()
        while True:
            before_s = time.perf_counter()
            gevent.sleep(TICK_S)
            now_s = time.perf_counter()
            self._worst_lag_s = max(self._worst_lag_s, now_s - before_s - TICK_S)
            if now_s - self._last.at_s >= 1:
                self._take()

    def _is_open(self) -> bool:
        """Return whether all connections are open, so that what follows is the load that was asked for."""
        runner = self._environment.runner
        return runner is not None and 0 < runner.target_user_count == runner.user_count <= connections(
            self._environment
        )

    def _take(self) -> None:
        assert self._last is not None
        sample = self._sample()
        assert self._first is not None
        self._seconds.append(between(self._last, sample, since_s=self._first.at_s))
        self._last = sample
        self._taken(sample)

    def _sample(self) -> Sample:
        good, failed, counts = counted(self._environment)
        lag_s, self._worst_lag_s = self._worst_lag_s, 0.0
        return Sample(
            at_s=time.perf_counter(),
            good=good,
            failed=failed,
            counts=counts,
            server=_read(self._meter),
            memory_bytes=private_bytes(self._meter or ""),
            generator_cpu_s=time.process_time(),
            lag_s=lag_s,
            open=connections(self._environment),
        )


def connections(environment: Environment) -> int:
    """Return how many connections are open; of a master, whose workers have them, how many users there are."""
    runner = environment.runner
    if isinstance(runner, LocalRunner):
        return sum(loop.ready for known, loop in all_loops() if known is environment)
    return runner.user_count if runner else 0


def counted(environment: Environment) -> tuple[int, int, list[int]]:
    """Return good responses, failures and response times so far: of this process, or as workers report them."""
    if not isinstance(environment.runner, MasterRunner):
        done = added_up(tallies_of(environment))
        return done.good, done.failures.total(), list(done.counts)
    total, counts = environment.stats.total, histogram.empty()
    for time_ms, count in total.response_times.items():
        counts[histogram.index(int(time_ms / 1000 * histogram.TICKS_PER_S))] += count
    return total.num_requests - total.num_failures, total.num_failures, counts


def between(before: Sample, after: Sample, *, since_s: float) -> LiveFigures:
    """Return the figures of the time between two samples of a test that began at ``since_s``."""
    duration_s = after.at_s - before.at_s or 1e-9
    requests, counts = after.good - before.good, histogram.difference(after.counts, before.counts)
    cpu_s = since(after.server, before.server, "cpu_s")
    throttled_s = since(after.server, before.server, "throttled_s")
    return LiveFigures(
        ends_at_s=after.at_s - since_s,
        duration_s=duration_s,
        requests=requests,
        failures=after.failed - before.failed,
        per_cpu_s=requests / cpu_s if cpu_s else None,
        rps=requests / duration_s,
        server_cpu=None if cpu_s is None else cpu_s / duration_s,
        throttled=None if throttled_s is None else throttled_s / duration_s,
        memory_bytes=after.memory_bytes,
        p50_s=histogram.percentile_s(counts, 0.5),
        p99_s=histogram.percentile_s(counts, 0.99),
        generator_cpu=(after.generator_cpu_s - before.generator_cpu_s) / duration_s,
        lag_s=after.lag_s,
        open=after.open,
    )


def of_record(whole: LiveFigures, load: Load) -> LiveFigures:
    """Return a test's figures as its record has them, whose counters were read at one instant."""
    return replace(
        whole,
        duration_s=load.duration_s,
        requests=load.requests,
        failures=sum(load.failures.values()),
        per_cpu_s=load.requests / load.server_cpu_s if load.server_cpu_s else None,
        rps=load.requests / load.duration_s,
        p50_s=load.latency_s.p50 if load.latency_s else None,
        p99_s=load.latency_s.p99 if load.latency_s else None,
    )


def per_cpu_values(seconds: Sequence[LiveFigures]) -> list[float]:
    """Return each second's requests per CPU-second, without seconds in which nothing was answered."""
    return [one.per_cpu_s for one in seconds if one.per_cpu_s]


def _read(meter: str | None) -> CpuReading | None:
    try:
        return read_cpu(meter) if meter else None
    except (OSError, psutil.Error):
        return None
