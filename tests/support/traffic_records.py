"""Runs of visits for tests."""

from collections.abc import Mapping, Sequence
from typing import Any

from common.records.latency import LatencyRun, Point, Visit
from common.records.window import Latency, Load
from common.runtimes.candidates import Runtime
from loadtests.latency.points import closed, opened, point
from loadtests.users import histogram
from tests.support import records

CORES = (0, 1)


def answers(p50_s: float, requests: int, **changes: Any) -> Load:  # noqa: ANN401 -- any field
    """A load whose answers all took ``p50_s``, but for the slowest hundredth, which took ten times as long."""
    counts = histogram.empty()
    slow = requests // 50
    counts[histogram.index(int(p50_s * histogram.TICKS_PER_S))] = requests - slow
    counts[histogram.index(int(p50_s * 10 * histogram.TICKS_PER_S))] += slow
    latency = Latency(p50=p50_s, p90=p50_s, p99=p50_s * 10, p999=p50_s * 10, max=p50_s * 10, mean=p50_s)
    return records.load(requests, latency_s=latency, histogram=histogram.sparse(counts), **changes)


def a_point(vcpu: float = 0.5, workers: int = 1) -> Point:
    traffic = (closed(16), opened("100"))
    return point("a+b", vcpu, traffic, runtime=Runtime.DOCKER, cores=CORES, workers=workers)


def a_run(points: Sequence[Point], verb: str = "latency") -> LatencyRun:
    return LatencyRun(verb=verb, run=records.run([records.cell("a+b")], runtime="docker"), points=list(points))


def a_visit(of: Point, number: int, loads: Mapping[str, Load], memory_bytes: int | None = None) -> Visit:
    return Visit(
        run="20260102T120000Z",
        round=number,
        position=1,
        point=of.name,
        started_at=records.NOON,
        loads=dict(loads),
        memory_bytes=memory_bytes,
    )
