"""The figures of a test in the web UI: those of each second, and those of the whole test."""

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import gevent
from locust.env import Environment
from locust.runners import LocalRunner, MasterRunner

from common.host.meters import GONE, private_bytes
from common.records.window import Load
from loadtests.timing.loop_reading import read_loop
from loadtests.timing.reading import Reading, read_cores, read_server
from loadtests.users import histogram
from loadtests.users.closed_loop import ClosedLoop
from loadtests.users.loops import all_loops, tallies_of
from loadtests.users.tally import Tally, added_up
from loadtests.web.switchboard import NOTHING_UP, Offer

KEPT_S = 600
"""The number of seconds that are shown; the figures of the whole test are exact however long it lasts."""
TICK_S = 0.050
SHORTEST_S = 0.5
"""The shortest rest of a second at the end of a test that counts as one of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A reading, and what only the page shows."""

    reading: Reading
    memory_bytes: int | None
    lag_s: float
    """The longest delay of a timer of this process since the sample before."""


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

    ``begun`` is called with the first reading, once all users are running, and ``taken`` with each one after that.
    """

    def __init__(
        self, environment: Environment, begun: Callable[[Reading], None], taken: Callable[[Reading], None]
    ) -> None:
        self._environment = environment
        self._begun = begun
        self._taken = taken
        self._offer = NOTHING_UP
        self._loop: ClosedLoop | None = None
        """The only loop with connections; ``None`` where there are several, or only workers have any."""
        self._first: Sample | None = None
        self._last: Sample | None = None
        self._seconds: deque[LiveFigures] = deque(maxlen=KEPT_S)
        self._worst_lag_s = 0.0
        self._greenlet: gevent.Greenlet[..., None] | None = None

    @property
    def is_running(self) -> bool:
        """Whether a test is being sampled."""
        return self._greenlet is not None

    def start(self, offer: Offer) -> None:
        """Begin anew, with the stack that is up."""
        self.stop()
        self._offer, self._first, self._last = offer, None, None
        self._seconds.clear()
        self._greenlet = gevent.spawn(self._watch)

    def stop(self) -> None:
        """Take a last sample and no more; do nothing where none are taken."""
        if self._greenlet is not None:
            self._greenlet.kill()
            self._greenlet = None
            if self._last is not None:
                self._take()

    def seconds(self) -> list[LiveFigures]:
        """Return each second's figures."""
        return list(self._seconds)

    def whole(self, load: Load | None = None) -> LiveFigures | None:
        """Return the figures of the whole test, from its record if it has one; ``None`` before its first second."""
        if self._first is None or self._last is None or self._first is self._last:
            return None
        return _figures(load or self._last.reading - self._first.reading, self._last, self._first)

    def _watch(self) -> None:
        while not self._is_open():
            gevent.sleep(TICK_S)
        loops = [loop for loop in _loops(self._environment) if loop.connections]
        for loop in loops:
            loop.forget_extremes()
        self._loop = loops[0] if len(loops) == 1 else None
        self._first = self._last = self._sample()
        self._begun(self._first.reading)
        while True:
            before_s = time.perf_counter()
            gevent.sleep(TICK_S)
            now_s = time.perf_counter()
            self._worst_lag_s = max(self._worst_lag_s, now_s - before_s - TICK_S)
            if now_s - self._last.reading.at_s >= 1:
                self._take()

    def _is_open(self) -> bool:
        """Return whether all connections are open, so that what follows is the load that was asked for."""
        runner = self._environment.runner
        return runner is not None and 0 < runner.target_user_count == runner.user_count <= connections(
            self._environment
        )

    def _take(self) -> None:
        assert self._first is not None
        assert self._last is not None
        before, self._last = self._last, self._sample()
        if self._last.reading.at_s - before.reading.at_s >= SHORTEST_S:
            self._seconds.append(_figures(self._last.reading - before.reading, self._last, self._first))
        self._taken(self._last.reading)

    def _sample(self) -> Sample:
        lag_s, self._worst_lag_s = self._worst_lag_s, 0.0
        return Sample(reading=self._read(), memory_bytes=private_bytes(self._offer.cpu_meter or ""), lag_s=lag_s)

    def _read(self) -> Reading:
        """Return a reading, without the counts that only a single loop has if there are several."""
        environment, offer, server = self._environment, self._offer, None
        with suppress(*GONE):
            server = read_server(offer.cpu_meter)
        users = environment.runner.target_user_count if environment.runner else 0
        cores = read_cores((), offer.server_cores)
        reading = read_loop(self._loop, users=users, server=server, cores=cores)
        tallies = reading.tallies if self._loop else (_counted(environment),)
        return replace(reading, tallies=tallies, open_now=connections(environment))


def connections(environment: Environment) -> int:
    """Return how many connections are open; of a master, whose workers have them, how many users there are."""
    runner = environment.runner
    if isinstance(runner, LocalRunner):
        return sum(loop.ready for loop in _loops(environment))
    return runner.user_count if runner else 0


def _loops(environment: Environment) -> list[ClosedLoop]:
    return [loop for known, loop in all_loops() if known is environment]


def _counted(environment: Environment) -> Tally:
    """Return all counts so far: of this process, or as workers report them."""
    if not isinstance(environment.runner, MasterRunner):
        return added_up(tallies_of(environment))
    total, counts = environment.stats.total, histogram.empty()
    for time_ms, count in total.response_times.items():
        counts[histogram.index(int(time_ms / 1000 * histogram.TICKS_PER_S))] += count
    return Tally(method="", name="", counts=counts, failures=Counter(failed=total.num_failures))


def _figures(load: Load, last: Sample, first: Sample) -> LiveFigures:
    """Return the figures of a load that ended with one sample of a test that began with another."""
    duration_s = load.duration_s or 1e-9
    return LiveFigures(
        ends_at_s=last.reading.at_s - first.reading.at_s,
        duration_s=duration_s,
        requests=load.requests,
        failures=sum(load.failures.values()),
        per_cpu_s=load.requests / load.server_cpu_s if load.server_cpu_s else None,
        rps=load.requests / duration_s,
        server_cpu=None if load.server_cpu_s is None else load.server_cpu_s / duration_s,
        throttled=None if load.throttled_s is None else load.throttled_s / duration_s,
        memory_bytes=last.memory_bytes,
        p50_s=load.latency_s.p50 if load.latency_s else None,
        p99_s=load.latency_s.p99 if load.latency_s else None,
        generator_cpu=load.generator_cpu_s / duration_s,
        lag_s=last.lag_s,
        open=last.reading.open_now,
    )


def per_cpu_values(seconds: Sequence[LiveFigures]) -> list[float]:
    """Return each second's requests per CPU-second, without seconds in which nothing was answered."""
    return [second.per_cpu_s for second in seconds if second.per_cpu_s]
