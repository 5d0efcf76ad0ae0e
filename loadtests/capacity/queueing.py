"""One task under load, by a model: how busy it is, how long it is throttled, and its response times. Pure numbers.

Requests arrive by a Poisson process, or in bursts. Each needs CPU time, exponentially distributed, and more of it where
it finds its worker idle and wakes it up. Each worker serves one request at a time on a full core, in the order of
arrival, from connections of its own: an M/G/1 queue (Kleinrock, Queueing Systems I, 1975), whose wait grows with the
variability of arrivals as in Kingman's formula (1961). A quota below the workers' cores is that of CFS bandwidth
control (Turner, Rao and Rao, 2010): what it allows in each period of 0.1 s is used at full speed, what is left waits
for the next period, and nothing is carried over. Over periods this is Lindley's recursion (1952) of work, and within
an eighth of one, work flows evenly.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

PERIOD_S = 0.1
"""The kernel's period of a CPU quota, which Docker, Kubernetes and Fargate leave as it is."""
PERIODS = 4096
POSITIONS = 8
"""How many periods are drawn, and into how many parts each is divided."""
SEED = 1
"""The same draws for every question, so that a higher rate never looks better by chance."""
BALANCING = 9
"""Halvings by which throttling is found, on which the cost of a request depends and which depends on it."""
FULL = 0.999
"""The share of its vCPUs above which a task has no steady state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The work that requests are."""

    cpu_s: float
    """CPU time of a request on a server that always has work."""
    wakeup_s: float = 0.0
    """CPU time more of a request that finds its worker idle."""
    sleep_s: float = 0.0
    sleep_share: float = 0.0
    """The share of requests that wait so long for something else, and wake their worker up a second time."""
    burst: float = 1.0
    """The variance of the number of arrivals over its mean: 1 for Poisson arrivals."""

    @property
    def wakeups_s(self) -> float:
        """CPU time more of a request if its worker is always idle before."""
        return self.wakeup_s * (1 + self.sleep_share)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One copy of a server: its CPU quota and its worker processes."""

    vcpu: float
    workers: int = 1

    @property
    def quota_s(self) -> float:
        """The CPU time that it may use in a period."""
        return self.vcpu * PERIOD_S

    @property
    def is_limited(self) -> bool:
        """Whether its workers could use more than its quota."""
        return self.workers > self.vcpu


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A task under load."""

    busy: float
    """Its CPU time as a share of its vCPUs'."""
    throttled: float
    """The share of time in which its quota holds it back."""
    p99_s: float
    """Infinite for a task that cannot keep up."""


@dataclass(frozen=True, slots=True)
class _Periods:
    """Work in each period: what is left over from before, and what arrives in each of its parts, one part a row."""

    left_s: Array
    arriving_s: Array
    requests: Array

    def throttled_s(self, task: Task) -> Array:
        """Return how long the quota holds the task back in each period."""
        used_s = self.left_s + np.cumsum(self.arriving_s, axis=0)
        exhausted = used_s > task.quota_s
        parts = np.where(exhausted[-1], exhausted.argmax(axis=0) + 0.5, POSITIONS)
        used_up_s = np.maximum(parts / POSITIONS * PERIOD_S, task.quota_s / task.workers)
        return np.where(exhausted[-1], np.maximum(PERIOD_S - used_up_s, 0), 0)

    def waits_s(self, task: Task) -> Array:
        """Return how long the quota delays the requests of each part of each period."""
        moments_s = (np.arange(POSITIONS) + 0.5)[:, None] / POSITIONS * PERIOD_S
        ahead_s = self.left_s + np.cumsum(self.arriving_s, axis=0) - self.arriving_s / 2
        later = np.floor(ahead_s / task.quota_s)
        finished_s = later * PERIOD_S + (ahead_s - later * task.quota_s) / task.workers
        return np.maximum(finished_s - moments_s, 0)


def loaded(work: Work, task: Task, rate_rps: float) -> Loaded:
    """Return the task under requests that arrive at a rate."""
    arrivals = _arrivals(work, rate_rps)
    throttled = _throttled(work, task, rate_rps, arrivals) if task.is_limited else 0.0
    cost_s = _cost_s(work, rate_rps / task.workers, throttled)
    periods, busy = _periods(arrivals, cost_s, task, rate_rps), rate_rps * cost_s / task.vcpu
    p99_s = math.inf if periods is None else _p99_s(work, cost_s, task, rate_rps, periods)
    return Loaded(busy=busy, throttled=throttled, p99_s=p99_s)


def _throttled(work: Work, task: Task, rate_rps: float, arrivals: tuple[Array, Array]) -> float:
    """Return the share of time in which the quota holds the task back.

    More throttling means fewer wake-ups and so less work, which means less throttling: the two meet at one share.
    """
    low, high = 0.0, 1 - task.vcpu / task.workers
    for _ in range(BALANCING):
        middle = (low + high) / 2
        periods = _periods(arrivals, _cost_s(work, rate_rps / task.workers, middle), task, rate_rps)
        too_little = periods is None or float(periods.throttled_s(task).mean()) / PERIOD_S > middle
        low, high = (middle, high) if too_little else (low, middle)
    return high


def _cost_s(work: Work, rate_rps: float, throttled: float) -> float:
    """Return the CPU time of a request of one worker's rate, given the share of time in which it is throttled.

    An arrival finds its worker idle with the probability that it is (Poisson arrivals see time averages, Wolff 1982):
    c = s + w (1 - throttled - rate c), solved for c.
    """
    cost_s = (work.cpu_s + work.wakeups_s * (1 - throttled)) / (1 + rate_rps * work.wakeups_s)
    return max(work.cpu_s, cost_s)


def _arrivals(work: Work, rate_rps: float) -> tuple[Array, Array]:
    """Return the requests that arrive in each part of each period, and their work in units of one request's mean."""
    draw, expected, shape = np.random.default_rng(SEED), rate_rps * PERIOD_S / POSITIONS, (POSITIONS, PERIODS)
    if work.burst > 1:
        requests = draw.negative_binomial(expected / (work.burst - 1), 1 / work.burst, shape).astype(float)
    else:
        requests = draw.poisson(expected, shape).astype(float)
    return requests, draw.standard_gamma(requests)


def _periods(arrivals: tuple[Array, Array], cost_s: float, task: Task, rate_rps: float) -> _Periods | None:
    """Return periods of the work that arrives; ``None`` if the task cannot keep up with it."""
    if rate_rps * cost_s >= FULL * min(task.vcpu, task.workers):
        return None
    requests, arriving_s = arrivals[0], arrivals[1] * cost_s
    left_s = _left_over(arriving_s.sum(axis=0) - task.quota_s) if task.is_limited else np.zeros(PERIODS)
    return _Periods(left_s=left_s, arriving_s=arriving_s, requests=requests)


def _left_over(excess_s: Array) -> Array:
    """Return the work left at the beginning of each period, given what each has beyond the quota."""
    sums = np.cumsum(excess_s)
    after = sums - np.minimum(np.minimum.accumulate(sums), 0)
    return np.concatenate([[0.0], after[:-1]])


def _p99_s(work: Work, cost_s: float, task: Task, rate_rps: float, periods: _Periods) -> float:
    draw = np.random.default_rng(SEED + 1)
    shape = (POSITIONS, PERIODS)
    busy = rate_rps * cost_s / task.workers
    queued = draw.random(shape) < busy
    mean_wait_s = cost_s / (1 - busy) * (work.burst + 1) / 2
    times = draw.exponential(mean_wait_s, shape) * queued + draw.exponential(cost_s, shape)
    times += work.sleep_s * (draw.random(shape) < work.sleep_share)
    if task.is_limited:
        times += periods.waits_s(task)
    if not periods.requests.any():
        return float(np.quantile(times, 0.99))
    return float(np.quantile(times.ravel(), 0.99, weights=periods.requests.ravel(), method="inverted_cdf"))


def chance_of_wait(slots: int, in_service: float) -> float:
    """Return the probability that a request finds all slots taken, by Erlang's C formula (1917).

    ``in_service`` is the mean number of requests that hold one: their rate times how long they do (Little 1961).
    """
    if in_service >= slots:
        return 1.0
    blocked = 1.0
    for count in range(1, slots + 1):
        blocked = in_service * blocked / (count + in_service * blocked)
    return blocked / (1 - in_service / slots * (1 - blocked))
