"""What this machine's runs say of a stack for a capacity plan, and what they do not say yet. Pure."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from common.catalog.frameworks import Interface, frameworks
from common.catalog.servers import SERVERS, THREADS
from common.catalog.stacks import can_run_several
from common.records.figure import Figure, Metric, Subject
from common.records.summary import Interval
from common.words import without_version
from loadtests.analysis.between_runs import in_another_run
from loadtests.board.bill import SCENARIO, needed_bytes, newest
from loadtests.capacity.queueing import Task, Work, loaded
from loadtests.statistics.intervals import student_t

OPEN_LOOP = "rate"
"""The scenario of the loads at shares of a stack's capacity."""
SPREAD, SPREAD_FREEDOM = 0.3, 4
"""What measured and modelled response times are taken to differ by (standard deviation of logarithms) until a stack's
own say more, and the degrees of freedom that this counts for."""
SLEEPER_BYTES = 100_000
"""The memory of a request that waits, where it was not measured."""
THROTTLED = 0.005
"""The share of time from which on a quota shows in a 99th percentile."""
MEMORY_HEADROOM = 1.2
"""How much more memory a task is given than the stack was seen to need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """What a request costs more with several workers: the Universal Scalability Law (Gunther, 1993)."""

    contention: float = 0.0
    coherency: float = 0.0

    def cost(self, workers: int) -> float:
        """Return the CPU time of a request as a multiple of that with one worker."""
        return 1 + self.contention * (workers - 1) + self.coherency * workers * (workers - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How measured response times differ from modelled ones."""

    floor_s: float
    """Added to each: what the machine's own unrest costs where no quota holds a stack back."""
    factor: Interval
    """By which each is then multiplied; the interval is for one more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A stack that can be planned with."""

    rate: Figure
    """Requests per CPU-second of a server that always has work."""
    wakeup_s: float
    scaling: Scaling
    calibration: Calibration
    needed_bytes: Mapping[int, int]
    """Memory by number of workers."""
    sleeper_bytes: float
    slots: int | None
    """The requests that a worker handles at once; ``None`` for a stack that waits without holding a thread."""
    several: bool
    """Whether it can run several workers."""
    largest_vcpu: float
    """The largest size that was measured."""

    @property
    def subject(self) -> Subject:
        """The stack."""
        return self.rate.subject

    @property
    def requests_per_cpu_s(self) -> Interval:
        """Its rate with the interval in which another run on this machine would be."""
        return in_another_run(self.rate)

    def memory_bytes(self, workers: int, waiting: float) -> int:
        """Return the memory of a task with so many workers while so many requests wait, with headroom.

        Workers that were not measured need as much more as the measured ones do on average.
        """
        fewest, most = min(self.needed_bytes), max(self.needed_bytes)
        first = self.needed_bytes[fewest]
        more = (self.needed_bytes[most] - first) / (most - fewest) if most > fewest else first / fewest
        needed = self.needed_bytes.get(workers, max(first, first + more * (workers - fewest)))
        return math.ceil(MEMORY_HEADROOM * (needed + waiting * self.sleeper_bytes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """Something that is not known of a stack yet."""

    command: str
    """The command that measures it."""
    of_scenario: bool = False
    """Whether it has to be measured with the requests asked about, rather than with the usual ones."""


def missing(figures: Sequence[Figure], scenario: str) -> list[Lacking]:
    """Return what has to be measured of a stack with these figures before it can be planned with."""
    lacks = {
        Lacking(command="loadtest", of_scenario=True): scenario != SCENARIO and _saturated(figures, scenario) is None,
        Lacking(command="loadtest"): _saturated(figures, SCENARIO) is None,
        Lacking(command="memory"): not needed_bytes(figures),
        Lacking(command="latency"): not all(
            _at_shares(figures, metric) for metric in (Metric.P99_S, Metric.REQUESTS_PER_CPU_S)
        ),
    }
    return [lacking for lacking, is_missing in lacks.items() if is_missing]


def known(figures: Sequence[Figure], scenario: str) -> Known:
    """Return what figures of a stack, of which none is ``missing``, say of it."""
    rate, usual = _saturated(figures, scenario), _saturated(figures, SCENARIO)
    assert rate is not None
    assert usual is not None
    wakeup_s = wakeup(usual.value.estimate, _at_shares(figures, Metric.REQUESTS_PER_CPU_S))
    sleepers = newest(figures, Metric.SLEEPER_BYTES)
    subject = rate.subject
    return Known(
        rate=rate,
        wakeup_s=wakeup_s,
        scaling=scaling(_rates_by_workers(figures)),
        calibration=calibrated(list(_compared(figures, 1 / usual.value.estimate, wakeup_s))),
        needed_bytes=needed_bytes(figures),
        sleeper_bytes=SLEEPER_BYTES if sleepers is None else sleepers.value.estimate,
        slots=slots_of(subject),
        several=can_run_several(subject.framework, subject.server),
        largest_vcpu=max(figure.conditions.vcpu or 0 for figure in figures),
    )


def slots_of(subject: Subject) -> int | None:
    """Return the requests that one worker of a stack handles at once; ``None`` if waiting takes no thread."""
    server, name = SERVERS.get(without_version(subject.server)), without_version(subject.framework)
    known_frameworks = frameworks(only=name)
    if server is None or name not in known_frameworks or known_frameworks[name].interface is not Interface.WSGI:
        return None
    if not server.concurrent:
        return 1
    return THREADS if "{threads}" in server.line else None


def wakeup(rate: float, at_shares: Sequence[Figure]) -> float:
    """Return the CPU time that a request needs more where it finds its server idle, in seconds.

    The least-squares fit of cost = 1 / ``rate`` + wake-up x idle time to the costs at shares of the capacity, at the
    largest size, whose quota is the least in the way.
    """
    largest = max((figure.conditions.vcpu or 0 for figure in at_shares), default=0)
    points = [
        (max(0.0, 1 - _rate_rps(figure, rate) / (figure.conditions.workers or 1) * cost_s), cost_s - 1 / rate)
        for figure in at_shares
        if figure.conditions.vcpu == largest
        for cost_s in (1 / figure.value.estimate,)
    ]
    squares = sum(idle**2 for idle, _ in points)
    return max(0.0, sum(idle * more_s for idle, more_s in points) / squares) if squares else 0.0


def scaling(rates: Mapping[int, float]) -> Scaling:
    """Return the law that fits requests per CPU-second by number of workers; without loss where one alone is known."""
    one = rates.get(1)
    more = {workers: rate for workers, rate in rates.items() if workers > 1}
    if one is None or not more:
        return Scaling()
    losses = np.array([one / rate - 1 for rate in more.values()])
    columns = [[workers - 1.0 for workers in more], [workers * (workers - 1.0) for workers in more]]
    if len(more) == 1:  # cannot tell the two apart
        return Scaling(contention=max(0.0, float(losses[0])) / columns[0][0])
    (contention, coherency), _ = nnls(np.array(columns).T, losses)
    return Scaling(contention=float(contention), coherency=float(coherency))


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A measured 99th percentile, and what the model says to the same load."""

    measured_s: float
    modelled_s: float
    throttled: bool


def calibrated(compared: Sequence[Compared]) -> Calibration:
    """Return how measured response times differ from the model's: a floor, and a factor with its interval.

    The floor is the median of what the machine adds where no quota holds a stack back, the factor the mean of log
    ratios, drawn towards 1 by two points of ``SPREAD`` that were not measured.
    """
    unrest = [one.measured_s - one.modelled_s for one in compared if not one.throttled]
    floor_s = max(0.0, float(np.median(unrest))) if unrest else 0.0
    logs = np.array([math.log(one.measured_s / (one.modelled_s + floor_s)) for one in compared])
    count = len(logs)
    mean = float(logs.sum()) / (count + 2)
    freedom = SPREAD_FREEDOM + max(0, count - 1)
    variance = (SPREAD_FREEDOM * SPREAD**2 + float(((logs - mean) ** 2).sum())) / (SPREAD_FREEDOM + count)
    half = student_t(freedom) * math.sqrt(variance * (1 + 1 / (count + 2)))
    factor = Interval(estimate=math.exp(mean), low=math.exp(mean - half), high=math.exp(mean + half), n=count)
    return Calibration(floor_s=floor_s, factor=factor)


def _compared(figures: Sequence[Figure], cpu_s: float, wakeup_s: float) -> Iterator[Compared]:
    for figure in _at_shares(figures, Metric.P99_S):
        task = Task(vcpu=figure.conditions.vcpu or 1, workers=figure.conditions.workers or 1)
        model = loaded(Work(cpu_s=cpu_s, wakeup_s=wakeup_s), task, _rate_rps(figure, 1 / cpu_s))
        if math.isfinite(model.p99_s):
            yield Compared(
                measured_s=figure.value.estimate, modelled_s=model.p99_s, throttled=model.throttled > THROTTLED
            )


def _rate_rps(figure: Figure, rate: float) -> float:
    """Return the arrivals per second at which a figure was measured, given its stack's requests per CPU-second."""
    return (figure.conditions.load_share or 0) * (figure.conditions.vcpu or 1) * rate


def _saturated(figures: Sequence[Figure], scenario: str) -> Figure | None:
    """Return the newest rate under a closed loop; with one worker, if there is one."""
    own = [figure for figure in figures if figure.metric is Metric.REQUESTS_PER_CPU_S]
    rates = [figure for figure in own if figure.conditions.workers == 1] or own
    return newest(rates, Metric.REQUESTS_PER_CPU_S, scenario=scenario, load_share=None)


def _at_shares(figures: Sequence[Figure], metric: Metric) -> list[Figure]:
    """Return the figures under arrivals at shares of the capacity."""
    return [one for one in figures if one.metric is metric and one.conditions.load_share is not None]


def _rates_by_workers(figures: Sequence[Figure]) -> dict[int, float]:
    """Return the newest saturated rate of the usual scenario by number of workers, one for each vCPU."""
    found = {
        figure.conditions.workers: figure.value.estimate
        for figure in sorted(figures, key=lambda figure: figure.measured_at)
        if figure.metric is Metric.REQUESTS_PER_CPU_S
        and figure.conditions.scenario == SCENARIO
        and figure.conditions.load_share is None
    }
    return {workers: rate for workers, rate in found.items() if workers is not None}
