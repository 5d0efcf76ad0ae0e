"""``make causes``: one stack under different conditions, one thing changed at a time."""

import dataclasses
from collections.abc import Mapping, Sequence

from msgspec.structs import replace
from rich.console import Console
from typing_extensions import override

from common.catalog.sizes import Runtime, Size
from common.records.load import Rate
from common.records.schema import Visit
from common.runtimes.candidates import Candidate
from common.runtimes.surroundings import why_no_proxy
from loadtests.analysis.formatting import MB
from loadtests.campaign.manifest import RunIdentity, run_fields
from loadtests.experiments.causes import report
from loadtests.experiments.latency.experiment import (
    Latency,
    closed,
    nginx_cells,
    opened,
    point,
    prepare_latency,
    require_room,
    traffic_visits,
)
from loadtests.experiments.latency.records import CausesRun, LatencySummary, Point

FEW = opened(Rate(rps=20), 5.0)
"""An arrival rate at which a server is mostly idle, as for a single visitor."""
CALM = (FEW, closed(1, 1.5))
BUSY = (FEW, closed(1, 1.5), closed(2, 1.5), closed(10, 1.5))
PLAIN_VCPUS = (0.25, 1.0)
SHORT_PERIOD_S = 0.010
NEIGHBOURS = 3
MORE_WORKERS = 3


class Causes(Latency[CausesRun]):
    """One stack under changed conditions, with ratios to unchanged ones."""

    command = "causes"
    run_type = CausesRun
    is_reported = False

    @override
    def summarise(self, visits: Sequence[Visit]) -> LatencySummary:
        return report.summarise(self.run, traffic_visits(visits))

    @override
    def conclusions(self, summary: LatencySummary) -> Sequence[str]:
        return list(report.cause_sentences(self.run, summary.ratios))


def begin_causes(
    candidate: Candidate, identity: RunIdentity, *, rounds: int, messages: Console
) -> tuple[Causes, Mapping[str, Candidate]]:
    """Prepare a run of one stack under all conditions, and of nginx; Docker only."""
    runtime = Runtime.DOCKER
    require_room(PLAIN_VCPUS, runtime)
    prepared = prepare_latency([candidate], runtime, messages)
    floor = nginx_cells(runtime, messages)
    points = surroundings(candidate.name, why_no_proxy=why_no_proxy())
    points += [_point(cell.name, vcpu) for cell in floor for vcpu in PLAIN_VCPUS]
    run = CausesRun(
        **run_fields(identity, runtime=runtime, rounds=rounds),
        setup=prepared.setup,
        cells=[*prepared.cells, *floor],
        points=points,
    )
    return Causes(run), prepared.candidates


def surroundings(stack: str, *, why_no_proxy: str | None) -> list[Point]:
    """Return the stack at the sizes of the 2019 report, and then with one change each."""
    plain = {vcpu: _point(stack, vcpu) for vcpu in PLAIN_VCPUS}
    sizes = [
        replace(
            point := _point(stack, vcpu),
            name=f"{stack} {vcpu:g} vCPU {mb} MB",
            size=dataclasses.replace(point.size, memory_bytes=mb * MB),
            traffic=list(BUSY),
        )
        for vcpu, mb in ((0.25, 512), (0.25, 1024), (0.5, 1024), (1.0, 2048))
    ]
    small = plain[PLAIN_VCPUS[0]]
    return [
        *sizes,
        replace(
            small, name=f"{small.name}, short period", size=Size(vcpu=0.25, worker_count=1, period_s=SHORT_PERIOD_S)
        ),
        replace(
            small,
            name=f"{small.name}, more workers",
            size=Size(vcpu=0.25, worker_count=MORE_WORKERS),
            traffic=list(BUSY),
        ),
        *(replace(point, name=f"{point.name}, neighbours", neighbours=NEIGHBOURS) for point in plain.values()),
        *(
            replace(point, name=f"{point.name}, proxied", proxied=True, missing=point.missing or why_no_proxy)
            for point in plain.values()
        ),
    ]


def _point(stack: str, vcpu: float) -> Point:
    return point(stack, Size(vcpu=vcpu, worker_count=Size(vcpu=vcpu).workers), CALM, Runtime.DOCKER)
