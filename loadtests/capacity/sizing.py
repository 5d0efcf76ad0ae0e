"""The cheapest tasks for a rate within a response time, by what is known of stacks. Pure."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from common.catalog.prices import Compute, Prices
from common.catalog.sizes import Size
from common.records.capacity import Demand, Limit, TaskPlan
from common.records.summary import Interval
from loadtests.board.prices import idle_month, least
from loadtests.capacity.known import Known
from loadtests.capacity.queueing import Loaded, Task, Work, chance_of_wait, loaded

MOST_BUSY = 0.95
"""A task that is busier is not planned with: the smallest error of a rate would leave it behind its load."""
MOST_WAITING = 0.01
"""The share of requests that may find all threads of their worker taken."""
SCALING_HEADROOM = 0.8
"""The share of what a task carries at most at which an autoscaler starts another one, which takes a while."""
WORKER_MULTIPLES = (1, 2, 4, 8)
"""The workers tried for each whole vCPU, where threads may be the limit."""
ROUNDING = 1e-9
STEPS = 12
"""Halvings by which the highest rate is found: to 0.03 %."""
BEST = 3
"""The plans that are shown: the cheapest and the two next best."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A stack on a size of a price list, with a number of workers."""

    known: Known
    demand: Demand
    offer: Compute
    size: Size

    @property
    def task(self) -> Task:
        """The task as the model has it."""
        return Task(vcpu=self.size.vcpu, workers=self.size.workers)

    @property
    def saturated_rps(self) -> float:
        """The rate of a task that is never idle."""
        return min(self.task.vcpu, self.task.workers) / self.work().cpu_s

    @property
    def least_month(self) -> float:
        """Dollars a month that it cannot cost less than."""
        high = self.known.requests_per_cpu_s.high or self.known.rate.value.estimate
        most_rps = min(self.task.vcpu, self.task.workers) * high
        return max(1, math.ceil(self.demand.rate_rps / most_rps)) * idle_month(self.offer, self.size)

    def work(self, rate: float | None = None) -> Work:
        """Return the work of a request; ``rate`` is requests per CPU-second, by default the stack's estimate."""
        more = self.known.scaling.cost(self.size.workers)
        return Work(
            cpu_s=more / (rate or self.known.rate.value.estimate),
            wakeup_s=self.known.wakeup_s,
            sleep_s=self.demand.sleep_s,
            sleep_share=self.demand.sleep_share,
            burst=self.demand.burst,
        )

    def p99_s(self, at: Loaded, factor: float) -> float:
        """Return the 99th percentile as the stack's own measurements correct it; the sleep itself is exact."""
        slept_s = self.demand.sleep_s if self.demand.sleep_share > 0.01 else 0.0  # noqa: PLR2004 -- of the 99th
        return slept_s + (at.p99_s - slept_s + self.known.calibration.floor_s) * factor


@dataclass(frozen=True, slots=True, kw_only=True)
class _Most:
    """The highest rate that one task carries, and what limits it."""

    rate_rps: float
    limit: Limit


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fleet:
    """As many tasks of an option as carry the load."""

    option: Option
    most: _Most
    """Of one task, by the lower end of the stack's rate."""
    tasks: int

    @property
    def month(self) -> float:
        """Dollars a month."""
        return self.tasks * idle_month(self.option.offer, self.option.size)

    @property
    def rate_rps(self) -> float:
        """The share of each task."""
        return self.option.demand.rate_rps / self.tasks

    @property
    def connections(self) -> int:
        """Connections to the database of all tasks, and of one more during an update."""
        return (self.tasks + 1) * self.option.size.workers * self.option.demand.pool


def best_plans(stacks: Iterable[Known], demand: Demand, prices: Prices, offers: Sequence[Compute]) -> list[TaskPlan]:
    """Return the cheapest plan and the two next best, each on a stack or a size of its own; fewer if there are none."""
    options = (option for known in stacks for offer in offers for option in _options(known, demand, prices, offer))
    best: list[_Fleet] = []
    for option in sorted(options, key=lambda option: option.least_month):
        if len(best) == BEST and option.least_month > best[-1].month:
            break
        if (fleet := _fleet(option)) is not None:
            best = _best_of([*best, fleet])
    return [_plan(fleet) for fleet in best]


def _best_of(fleets: Iterable[_Fleet]) -> list[_Fleet]:
    """Return the best fleets, each of another stack, price list or number of vCPUs."""
    best: dict[tuple[object, ...], _Fleet] = {}
    for fleet in sorted(fleets, key=lambda fleet: (round(fleet.month, 6), fleet.tasks, fleet.option.size.workers)):
        option = fleet.option
        best.setdefault((option.known.subject, option.offer.name, option.size.vcpu), fleet)
    return list(best.values())[:BEST]


def _fleet(option: Option) -> _Fleet | None:
    """Return the tasks that carry the load; ``None`` if none hold the response time, or connections are too few."""
    rate, demand = option.known.requests_per_cpu_s, option.demand
    most = _most(option, rate.low or rate.estimate, option.known.calibration.factor.estimate)
    if most is None:
        return None
    fleet = _Fleet(option=option, most=most, tasks=_tasks(demand.rate_rps, most.rate_rps))
    return None if demand.connections is not None and fleet.connections > demand.connections else fleet


def _options(known: Known, demand: Demand, prices: Prices, offer: Compute) -> Iterator[Option]:
    """Yield every number of vCPUs that the stack can use, with each number of workers and the least memory for them."""
    sizes = prices.sizes_of(offer)
    for vcpu in dict.fromkeys(size.vcpu for size in sizes if known.several or size.vcpu <= 1):
        for workers in _worker_counts(known, demand, vcpu):
            needed_bytes = known.memory_bytes(workers, waiting=demand.rate_rps * demand.sleep_share * demand.sleep_s)
            if (size := least(sizes, vcpu, needed_bytes)) is not None:
                yield Option(known=known, demand=demand, offer=offer, size=replace(size, worker_count=workers))


def _worker_counts(known: Known, demand: Demand, vcpu: float) -> list[int]:
    usual = Size(vcpu=vcpu).workers
    if not known.several:
        return [1]
    multiples = WORKER_MULTIPLES if known.slots is not None and demand.sleep_share else (1,)
    return [usual * multiple for multiple in multiples]


def _plan(fleet: _Fleet) -> TaskPlan:
    """Return everything that there is to say about a fleet."""
    option, demand = fleet.option, fleet.option.demand
    expected, worst, best = _most_by_ends(fleet)
    target_rps = SCALING_HEADROOM * expected.rate_rps
    return TaskPlan(
        subject=option.known.subject,
        prices=option.offer.name,
        size=option.size,
        threads=option.known.slots,
        tasks=fleet.tasks,
        month=_month(fleet, best=best.rate_rps, worst=None if worst is None else worst.rate_rps),
        p99_s=_p99(option, fleet.rate_rps),
        busy=loaded(option.work(), option.task, fleet.rate_rps).busy,
        most_rps=Interval(
            estimate=expected.rate_rps,
            low=None if worst is None else worst.rate_rps,
            high=best.rate_rps,
            n=option.known.rate.value.n,
        ),
        limited_by=expected.limit,
        holds_without_one=fleet.tasks > 1 and demand.rate_rps / (fleet.tasks - 1) <= expected.rate_rps,
        target_busy=loaded(option.work(), option.task, target_rps).busy,
        target_share=target_rps / option.saturated_rps,
        connections=fleet.connections,
        memory_bytes=option.known.memory_bytes(option.size.workers, _waiting(demand) / fleet.tasks),
        modelled=option.size.vcpu > option.known.largest_vcpu,
    )


def _most_by_ends(fleet: _Fleet) -> tuple[_Most, _Most | None, _Most]:
    """Return what one task carries by the estimates, by the worst end of rate and factor, and by the best one.

    By the worst end it may carry nothing within the response time.
    """
    rate, factor = fleet.option.known.requests_per_cpu_s, fleet.option.known.calibration.factor
    expected = _most(fleet.option, rate.estimate, factor.estimate) or fleet.most
    worst = _most(fleet.option, rate.low or rate.estimate, factor.high or factor.estimate)
    best = _most(fleet.option, rate.high or rate.estimate, factor.low or factor.estimate) or expected
    return expected, worst, best


def _waiting(demand: Demand) -> float:
    """Return the requests that wait at any time, by Little's law."""
    return demand.rate_rps * demand.sleep_share * demand.sleep_s


def _tasks(rate_rps: float, most_rps: float) -> int:
    return max(1, math.ceil(rate_rps / most_rps - ROUNDING))


def _month(fleet: _Fleet, *, best: float, worst: float | None) -> Interval:
    """Return the dollars a month of the tasks, and of as many as the best and the worst rate of one task need."""
    one, rate_rps = fleet.month / fleet.tasks, fleet.option.demand.rate_rps
    return Interval(
        estimate=fleet.month,
        low=min(fleet.tasks, _tasks(rate_rps, best)) * one,
        high=None if worst is None else max(fleet.tasks, _tasks(rate_rps, worst)) * one,
        n=fleet.option.known.rate.value.n,
    )


def _p99(option: Option, rate_rps: float) -> Interval:
    """Return the 99th percentile at a rate, with the band of both what the model and what the rate leave open."""
    rate, factor = option.known.requests_per_cpu_s, option.known.calibration.factor

    def at(requests_per_cpu_s: float, corrected: float) -> float:
        return option.p99_s(loaded(option.work(requests_per_cpu_s), option.task, rate_rps), corrected)

    high = at(rate.low or rate.estimate, factor.high or factor.estimate)
    return Interval(
        estimate=at(rate.estimate, factor.estimate),
        low=at(rate.high or rate.estimate, factor.low or factor.estimate),
        high=high if math.isfinite(high) else None,
        n=factor.n,
    )


def _most(option: Option, requests_per_cpu_s: float, factor: float) -> _Most | None:
    """Return the highest rate that a task carries if its rate and its response times are these; ``None`` for none."""
    work, task = option.work(requests_per_cpu_s), option.task

    def limit_at(rate_rps: float) -> Limit | None:
        """Return what the rate is beyond; ``None`` if the task carries it."""
        if _lacks_threads(option, work, rate_rps):
            return Limit.THREADS
        at = loaded(work, task, rate_rps)
        if option.p99_s(at, factor) > option.demand.p99_s and at.busy <= MOST_BUSY + ROUNDING:
            return Limit.P99
        return Limit.CPU if at.busy > MOST_BUSY + ROUNDING else None

    good, bad, limit = 0.0, MOST_BUSY * min(task.vcpu, task.workers) / work.cpu_s, Limit.CPU
    if (seen := limit_at(bad)) is None:
        return _Most(rate_rps=bad, limit=limit)
    for _ in range(STEPS):
        limit, middle = seen or limit, (good + bad) / 2
        seen = limit_at(middle)
        good, bad = (middle, bad) if seen is None else (good, middle)
    return _Most(rate_rps=good, limit=seen or limit) if good else None


def _lacks_threads(option: Option, work: Work, rate_rps: float) -> bool:
    """Return whether too many requests of a worker would find all of its threads taken."""
    slots = option.known.slots
    if slots is None or not work.sleep_share:
        return False
    return chance_of_wait(slots, rate_rps / option.task.workers * work.sleep_share * work.sleep_s) > MOST_WAITING
