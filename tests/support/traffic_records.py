"""Runs of servers and their traffic, for tests."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from common.catalog.sizes import Runtime, Size
from common.records.load import Rate
from common.records.window import Latency, Load
from loadtests.experiments.latency.experiment import closed, opened, point
from loadtests.experiments.latency.records import CausesRun, LatencyRun, Point, TrafficVisit, WorkersRun
from loadtests.users import histogram
from tests.support import records

PACED = "100 a second"


def answers(p50_s: float, requests: int, **changes: Any) -> Load:  # noqa: ANN401 -- any field
    """Return a load whose answers all took ``p50_s``, but for the slowest fiftieth, which took ten times as long."""
    counts = histogram.empty()
    slow = requests // 50
    counts[histogram.index(int(p50_s * histogram.TICKS_PER_S))] = requests - slow
    counts[histogram.index(int(p50_s * 10 * histogram.TICKS_PER_S))] += slow
    latency = Latency(p50=p50_s, p90=p50_s, p99=p50_s * 10, p999=p50_s * 10, max=p50_s * 10, mean=p50_s)
    return records.load(requests, latency_s=latency, histogram=histogram.sparse(counts), **changes)


def a_point(vcpu: float = 0.5, workers: int = 1, stack: str = "a+b") -> Point:
    """Return a point of a machine of two cores, saturated and at a hundred requests a second."""
    made = point(stack, Size(vcpu=vcpu, worker_count=workers), (closed(16), opened(Rate(rps=100))), Runtime.DOCKER)
    missing = "this machine has 2 cores, and one of them is the generator's" if vcpu > 1 else None
    return replace(made, server_cores=[0], generator_cores=[1], missing=missing)


def a_run(points: Sequence[Point], **changes: Any) -> LatencyRun:  # noqa: ANN401
    """Return a run of the points; ``changes`` are fields of it."""
    return LatencyRun(**_fields(points, changes))


def a_workers_run(points: Sequence[Point], **changes: Any) -> WorkersRun:  # noqa: ANN401
    """Return a run of numbers of workers; ``changes`` are fields of it."""
    return WorkersRun(**_fields(points, changes))


def a_causes_run(points: Sequence[Point], **changes: Any) -> CausesRun:  # noqa: ANN401
    """Return a run of surroundings; ``changes`` are fields of it."""
    return CausesRun(**_fields(points, changes))


def a_visit(of: Point, number: int, loads: Mapping[str, Load], memory_bytes: int | None = None) -> TrafficVisit:
    """Return a visit to a point in a round."""
    return TrafficVisit(
        run="20260102T120000Z",
        round=number,
        position=1,
        cell=of.name,
        started_at=records.NOON,
        loads=dict(loads),
        memory_bytes=memory_bytes,
    )


def _fields(points: Sequence[Point], changes: dict[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "runtime": Runtime.DOCKER,
        "setup": records.setup(),
        "cells": [records.cell("a+b")],
        "points": list(points),
    }
    return records.run_head() | plain | changes
