"""``make causes``: what moves a response time in a small container, one thing changed at a time.

Each candidate cause of an odd latency (quota, its period, memory, workers, neighbours, a published port's proxy, how
many requests the client keeps out) is a point beside a plain one, measured in the same shuffled rounds.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace
from rich.console import Console

from common.catalog.sizes import Size
from common.records.latency import LatencyRun, LatencySummary, Point, Visit
from common.runtimes import docker_proxy
from common.runtimes.candidates import Candidate, Runtime
from common.runtimes.nginx import Nginx
from loadtests.latency import summary as latency_summary
from loadtests.latency.cause_ratios import cause_ratios
from loadtests.latency.points import closed, opened, point
from loadtests.latency.run import require_room, with_floor
from loadtests.latency.visit_rounds import begun, prepare_run, run_visits
from loadtests.runs.manifest import Settings

MB = 1024**2
FEW = opened("20", 5.0)
"""So few arrivals that a server is mostly idle: what a visitor sees who comes alone."""
CALM = (FEW, closed(1, 1.5))
BUSY = (FEW, closed(1, 1.5), closed(2, 1.5), closed(10, 1.5))
SHORT_PERIOD_S = 0.010
NEIGHBOURS = 3
MORE_WORKERS = 3


def run_causes(settings: Settings, candidate: Candidate, out: Path | None, console: Console) -> None:
    """Measure one stack in every surroundings, and the floor; print and write what came of it."""
    require_room((0.25, 0.5, 1.0), settings.runtime)
    with begun("causes", settings.seed) as identity:
        prepared = with_floor(
            prepare_run("causes", settings, identity, [candidate], console), settings.runtime, console
        )
        points = causes(
            candidate.name, cores=sorted(os.sched_getaffinity(0)), proxy_lacking=docker_proxy.why_no_proxy()
        )
        if (floor_name := Nginx().name) in prepared.servables:
            points += floors(floor_name, cores=sorted(os.sched_getaffinity(0)))
        run_visits(replace(prepared.record, points=points), prepared.servables, summarise, out, console)


def summarise(record: LatencyRun, visits: Sequence[Visit]) -> LatencySummary:
    """The summary of a run of visits, with ratios to plain surroundings."""
    return replace(latency_summary.summarise(record, visits), ratios=cause_ratios(record, visits))


def causes(stack: str, *, cores: Sequence[int], proxy_lacking: str | None) -> list[Point]:
    """The stack in its surroundings: sizes as a first report in 2019 had them, then one change each."""
    plain = {vcpu: _point(stack, vcpu, cores) for vcpu in (0.25, 1.0)}
    sizes = [
        replace(_point(stack, vcpu, cores), name=f"{stack} {vcpu:g} vCPU {mb} MB", memory_bytes=mb * MB, traffic=BUSY)
        for vcpu, mb in ((0.25, 512), (0.25, 1024), (0.5, 1024), (1.0, 2048))
    ]
    small = plain[0.25]
    return [
        *(replace(one, traffic=list(one.traffic)) for one in sizes),
        replace(small, name=f"{small.name}, short period", period_s=SHORT_PERIOD_S),
        replace(small, name=f"{small.name}, more workers", workers=MORE_WORKERS, traffic=list(BUSY)),
        *(replace(one, name=f"{one.name}, neighbours", neighbours=NEIGHBOURS) for one in plain.values()),
        *(
            replace(one, name=f"{one.name}, proxied", proxied=True, missing=one.missing or proxy_lacking)
            for one in plain.values()
        ),
    ]


def floors(name: str, *, cores: Sequence[int]) -> list[Point]:
    """The floor at the smallest size and at a whole vCPU."""
    return [_point(name, vcpu, cores) for vcpu in (0.25, 1.0)]


def _point(stack: str, vcpu: float, cores: Sequence[int]) -> Point:
    return point(stack, vcpu, CALM, runtime=Runtime.DOCKER, cores=cores, workers=Size(vcpu=vcpu).workers)
