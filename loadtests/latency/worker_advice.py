"""How many workers to run at a size: the fewest that lose nothing, with what others gain and cost. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from common.records.latency import LatencyRun, Point, TrafficRow, Visit, WorkerAdvice, WorkerChoice
from common.records.summary import Interval
from common.records.window import Load
from loadtests.analysis.intervals import log_interval
from loadtests.analysis.values import requests_per_cpu_s
from loadtests.analysis.verdicts import REMARKS
from loadtests.latency.points import SATURATED
from loadtests.latency.report import interval
from loadtests.latency.summary import FEWEST_P99

EQUIVALENT = 0.05
"""Capacities that differ by no more than this share count as the same."""
MB = 1e6

ByRound = Mapping[int, float]


def advise(record: LatencyRun, visits: Sequence[Visit], rows: Sequence[TrafficRow]) -> list[WorkerAdvice]:
    """Advice for each stack at each size that was measured with more than one number of workers."""
    groups: dict[tuple[str, float], list[Point]] = {}
    for point in record.points:
        if point.missing is None:
            groups.setdefault((point.stack, point.vcpu), []).append(point)
    found = (_advice(points, visits, rows) for points in groups.values())
    return [one for one in found if one is not None and one.others]


def ratio(values: ByRound, to: ByRound) -> Interval | None:
    """The ratio of two numbers of workers within rounds; ``None`` where no round has both."""
    return log_interval([values[number] / to[number] for number in sorted(values.keys() & to.keys())])


def recommended(capacity: Mapping[int, ByRound], p99: Mapping[int, ByRound]) -> int:
    """The fewest workers with the best capacity, or as good, whose 99th percentile is not significantly worse."""
    most = max(capacity, key=lambda workers: _mean(capacity[workers]))
    calm = min((workers for workers in p99 if p99[workers]), key=lambda workers: _mean(p99[workers]), default=most)
    good = [
        workers
        for workers in sorted(capacity)
        if _as_good(capacity[workers], capacity[most]) and not _worse(p99.get(workers, {}), p99.get(calm, {}))
    ]
    return good[0] if good else most


def sentences(advice: Sequence[WorkerAdvice]) -> Iterator[str]:
    """Each recommendation with its evidence."""
    for one in advice:
        others = "; ".join(map(_against, one.others))
        doubt = "" if one.firm else " Not firm: some of these numbers are in doubt."
        yield f"{one.stack} at {one.vcpu:g} vCPU: {_workers(one.workers)}. Against that: {others}.{doubt}"


def _advice(points: Sequence[Point], visits: Sequence[Visit], rows: Sequence[TrafficRow]) -> WorkerAdvice | None:
    capacity = {point.workers: _by_round(point, visits, SATURATED) for point in points}
    p99 = {point.workers: _by_round(point, visits, _paced(point)) for point in points}
    memory = {point.workers: _memory(point, visits) for point in points}
    capacity = {workers: values for workers, values in capacity.items() if values}
    if not capacity:
        return None
    best = recommended(capacity, p99)
    names = {point.name for point in points}
    return WorkerAdvice(
        stack=points[0].stack,
        vcpu=points[0].vcpu,
        workers=best,
        others=[
            WorkerChoice(
                workers=workers,
                throughput_ratio=ratio(capacity[workers], capacity[best]),
                p99_ratio=ratio(p99[workers], p99[best]),
                memory_difference_bytes=_minus(memory[workers], memory[best]),
            )
            for workers in sorted(capacity)
            if workers != best
        ],
        firm=all(REMARKS.issuperset(row.doubts) for row in rows if row.point in names),
    )


def _by_round(point: Point, visits: Sequence[Visit], traffic: str) -> dict[int, float]:
    loads = {one.round: one.loads[traffic] for one in visits if one.point == point.name and traffic in one.loads}
    value = _capacity if traffic == SATURATED else _p99
    return {number: found for number, load in loads.items() if (found := value(load, point.vcpu))}


def _capacity(load: Load, vcpu: float) -> float | None:
    """Up to one vCPU any worker can use the quota up, and the cost of a request decides; above it the clock does."""
    if vcpu <= 1:
        return requests_per_cpu_s(load)
    return load.requests / load.duration_s if load.duration_s else None


def _p99(load: Load, _: float) -> float | None:
    return load.latency_s.p99 if load.latency_s is not None and load.requests >= FEWEST_P99 else None


def _paced(point: Point) -> str:
    return next((traffic.name for traffic in point.traffic if traffic.rate is not None), "")


def _memory(point: Point, visits: Sequence[Visit]) -> float | None:
    held = [one.memory_bytes for one in visits if one.point == point.name and one.memory_bytes]
    return sum(held) / len(held) if held else None


def _mean(values: ByRound) -> float:
    found = log_interval(list(values.values()))
    return found.estimate if found else 0.0


def _as_good(values: ByRound, best: ByRound) -> bool:
    found = ratio(values, best)
    return found is not None and found.estimate >= 1 - EQUIVALENT


def _worse(values: ByRound, best: ByRound) -> bool:
    found = ratio(values, best)
    return found is not None and found.low is not None and found.low > 1


def _minus(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def _against(one: WorkerChoice) -> str:
    parts = [
        f"capacity x {interval(one.throughput_ratio, 1, 2)}",
        f"p99 x {interval(one.p99_ratio, 1, 2)}",
        "" if one.memory_difference_bytes is None else f"{one.memory_difference_bytes / MB:+.1f} MB",
    ]
    return f"{_workers(one.workers)}: {', '.join(filter(None, parts))}"


def _workers(count: int) -> str:
    return f"{count} worker{'' if count == 1 else 's'}"
