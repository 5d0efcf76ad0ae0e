"""How many workers to run at a size: the fewest that lose nothing, with what others gain and cost. Pure."""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from common.records.latency import (
    LatencyRun,
    LatencySummary,
    Point,
    TrafficRow,
    TrafficVisit,
    WorkerAdvice,
    WorkerChoice,
)
from common.records.window import Load
from loadtests.analysis.intervals import log_interval
from loadtests.analysis.paired import paired_ratio
from loadtests.analysis.values import requests_per_cpu_s
from loadtests.analysis.verdicts import REMARKS
from loadtests.summaries import latency
from loadtests.summaries.latency import FEWEST_P99, SATURATED

EQUIVALENT = 0.05
"""Capacities that differ by no more than this share count as the same."""

ByRound = Mapping[int, float]


def summarise(run: LatencyRun, visits: Sequence[TrafficVisit]) -> LatencySummary:
    """Return the summary of a run of visits, with advice on the number of workers."""
    summary = latency.summarise(run, visits)
    return replace(summary, advice=advise(run, visits, summary.rows))


def advise(run: LatencyRun, visits: Sequence[TrafficVisit], rows: Sequence[TrafficRow]) -> list[WorkerAdvice]:
    """Advice for each stack at each size that was measured with more than one number of workers."""
    groups: dict[tuple[str, float], list[Point]] = {}
    for point in run.points:
        if point.missing is None:
            groups.setdefault((point.stack, point.size.vcpu), []).append(point)
    found = (_advice(points, visits, rows) for points in groups.values())
    return [one for one in found if one is not None and one.others]


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


def _advice(points: Sequence[Point], visits: Sequence[TrafficVisit], rows: Sequence[TrafficRow]) -> WorkerAdvice | None:
    capacity = {point.size.workers: _by_round(point, visits, SATURATED) for point in points}
    p99 = {point.size.workers: _by_round(point, visits, _paced(point)) for point in points}
    memory = {point.size.workers: _memory(point, visits) for point in points}
    capacity = {workers: values for workers, values in capacity.items() if values}
    if not capacity:
        return None
    best = recommended(capacity, p99)
    names = {point.name for point in points}
    return WorkerAdvice(
        stack=points[0].stack,
        vcpu=points[0].size.vcpu,
        workers=best,
        others=[
            WorkerChoice(
                workers=workers,
                throughput_ratio=paired_ratio(capacity[workers], capacity[best]),
                p99_ratio=paired_ratio(p99[workers], p99[best]),
                memory_difference_bytes=_minus(memory[workers], memory[best]),
            )
            for workers in sorted(capacity)
            if workers != best
        ],
        firm=all(REMARKS.issuperset(row.doubts) for row in rows if row.point in names),
    )


def _by_round(point: Point, visits: Sequence[TrafficVisit], traffic: str) -> dict[int, float]:
    loads = {one.round: one.loads[traffic] for one in visits if one.cell == point.name and traffic in one.loads}
    value = _capacity if traffic == SATURATED else _p99
    return {number: found for number, load in loads.items() if (found := value(load, point.size.vcpu))}


def _capacity(load: Load, vcpu: float) -> float | None:
    """Up to one vCPU any worker can use the quota up, and the cost of a request decides; above it the clock does."""
    if vcpu <= 1:
        return requests_per_cpu_s(load)
    return load.requests / load.duration_s if load.duration_s else None


def _p99(load: Load, _: float) -> float | None:
    return load.latency_s.p99 if load.latency_s is not None and load.requests >= FEWEST_P99 else None


def _paced(point: Point) -> str:
    return next((traffic.name for traffic in point.traffic if traffic.rate is not None), "")


def _memory(point: Point, visits: Sequence[TrafficVisit]) -> float | None:
    held = [one.memory_bytes for one in visits if one.cell == point.name and one.memory_bytes]
    return sum(held) / len(held) if held else None


def _mean(values: ByRound) -> float:
    found = log_interval(list(values.values()))
    return found.estimate if found else 0.0


def _as_good(values: ByRound, best: ByRound) -> bool:
    found = paired_ratio(values, best)
    return found is not None and found.estimate >= 1 - EQUIVALENT


def _worse(values: ByRound, best: ByRound) -> bool:
    found = paired_ratio(values, best)
    return found is not None and found.low is not None and found.low > 1


def _minus(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other
