"""Advice on the number of workers at a size, with the gain and cost of other numbers. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from common.records.window import Load
from common.words import counted
from loadtests.analysis.formatting import MB, with_bounds
from loadtests.analysis.values import requests_per_cpu_s
from loadtests.analysis.verdicts import REMARKS
from loadtests.experiments.latency import report as latency
from loadtests.experiments.latency.records import (
    SATURATED,
    LatencyRun,
    LatencySummary,
    Point,
    TrafficRow,
    TrafficVisit,
    WorkerAdvice,
    WorkerChoice,
)
from loadtests.experiments.latency.report import FEWEST_P99, loads_by_round
from loadtests.statistics.intervals import log_interval, mean, paired_ratio

EQUIVALENT = 0.05
"""Capacities that differ by no more than this share count as the same."""

ByRound = Mapping[int, float]


def summarise(run: LatencyRun, visits: Sequence[TrafficVisit]) -> LatencySummary:
    """Return the summary of a run of visits, with advice on the number of workers."""
    summary = latency.summarise(run, visits)
    return replace(summary, advice=advise(run, visits, summary.rows))


def advise(run: LatencyRun, visits: Sequence[TrafficVisit], rows: Sequence[TrafficRow]) -> list[WorkerAdvice]:
    """Return advice for each stack at each size that was measured with more than one number of workers."""
    groups: dict[tuple[str, float], list[Point]] = {}
    for point in run.points:
        if point.missing is None:
            groups.setdefault((point.stack, point.size.vcpu), []).append(point)
    candidates = (_advice(points, visits, rows) for points in groups.values())
    return [advice for advice in candidates if advice is not None and advice.others]


def recommended(capacity: Mapping[int, ByRound], p99: Mapping[int, ByRound]) -> int:
    """Return the fewest workers with the best capacity, or one as good, and no significantly worse 99th percentile."""
    most = max(capacity, key=lambda workers: _level(capacity[workers]))
    calm = min((workers for workers in p99 if p99[workers]), key=lambda workers: _level(p99[workers]), default=most)
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
    loads = loads_by_round(visits, point.name, traffic)
    value_of = _capacity if traffic == SATURATED else _p99
    return {number: value for number, load in loads.items() if (value := value_of(load, point.size.vcpu))}


def _capacity(load: Load, vcpu: float) -> float | None:
    """Return requests per CPU-second up to one vCPU, where one worker can use the whole quota; per second above it."""
    if vcpu <= 1:
        return requests_per_cpu_s(load)
    return load.requests / load.duration_s if load.duration_s else None


def _p99(load: Load, _: float) -> float | None:
    return load.latency_s.p99 if load.latency_s is not None and load.requests >= FEWEST_P99 else None


def _paced(point: Point) -> str:
    return next((traffic.name for traffic in point.traffic if traffic.rate is not None), "")


def _memory(point: Point, visits: Sequence[TrafficVisit]) -> float | None:
    return mean(visit.memory_bytes or None for visit in visits if visit.cell == point.name)


def _level(values: ByRound) -> float:
    interval = log_interval(list(values.values()))
    return interval.estimate if interval else 0.0


def _as_good(values: ByRound, best: ByRound) -> bool:
    ratio = paired_ratio(values, best)
    return ratio is not None and ratio.estimate >= 1 - EQUIVALENT


def _worse(values: ByRound, best: ByRound) -> bool:
    ratio = paired_ratio(values, best)
    return ratio is not None and ratio.low is not None and ratio.low > 1


def _minus(value: float | None, other: float | None) -> float | None:
    return None if value is None or other is None else value - other


def worker_sentences(advice: Sequence[WorkerAdvice]) -> Iterator[str]:
    """Yield each recommendation with its evidence."""
    for row in advice:
        others = "; ".join(_worker_choice(other) for other in row.others)
        warning = "" if row.firm else " Not firm: some of these numbers are doubtful."
        advice_text = f"{row.stack} at {row.vcpu:g} vCPU: use {counted(row.workers, 'worker')}"
        yield f"{advice_text}. Others, relative to that: {others}.{warning}"


def _worker_choice(choice: WorkerChoice) -> str:
    parts = [
        f"{counted(choice.workers, 'worker')}: capacity x {with_bounds(choice.throughput_ratio, digits=2)}",
        f"p99 x {with_bounds(choice.p99_ratio, digits=2)}",
        "" if choice.memory_difference_bytes is None else f"{choice.memory_difference_bytes / MB:+.1f} MB",
    ]
    return ", ".join(filter(None, parts))
