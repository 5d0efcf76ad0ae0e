"""``make workers``: one stack at sizes with several numbers of workers, saturated and at one rate for all of them."""

import os
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace
from rich.console import Console

from common.catalog.frameworks import Interface
from common.catalog.sizes import Size
from common.errors import FailedError, UsageError
from common.records.latency import LatencyRun, LatencySummary, Point, Traffic, Visit
from common.runtimes.candidates import Candidate
from loadtests.latency import summary as latency_summary
from loadtests.latency.points import CONNECTIONS, SATURATED, closed, opened, point
from loadtests.latency.run import points_of, require_room
from loadtests.latency.visit_rounds import Prepared, begun, prepare_run, run_visits
from loadtests.latency.visits import visit
from loadtests.latency.worker_advice import advise
from loadtests.runs.manifest import Settings
from loadtests.runs.plan import Step
from loadtests.scenarios.rates import capacity_rps

HALF = 0.5
"""Of the capacity with as many workers as ``make loadtest`` gives: the rate at which response times are compared."""


def run_workers(
    settings: Settings,
    candidate: Candidate,
    *,
    vcpus: Sequence[float],
    workers: Sequence[int],
    out: Path | None,
    console: Console,
) -> None:
    """Measure the stack with each number of workers at each size; print and write it, with a recommendation."""
    require_room(vcpus, settings.runtime)
    _require_workers(candidate)
    with begun("workers", settings.seed) as identity:
        prepared = prepare_run("workers", settings, identity, [candidate], console)
        points = [
            found
            for plain in points_of(candidate.name, vcpus, (), settings.runtime)
            for found in _points(prepared, plain, settings, workers, console)
        ]
        run_visits(replace(prepared.record, points=points), prepared.servables, summarise, out, console)


def summarise(record: LatencyRun, visits: Sequence[Visit]) -> LatencySummary:
    """The summary of a run of visits, with advice."""
    summary = latency_summary.summarise(record, visits)
    return replace(summary, advice=advise(record, visits, summary.rows))


def _require_workers(candidate: Candidate) -> None:
    framework = candidate.stack.framework
    if framework.interface is Interface.NATIVE and "{workers}" not in framework.command:
        raise UsageError(f"FRAMEWORK={framework.name} brings a server of its own, which is one process at any size.")


def _points(
    prepared: Prepared, plain: Point, settings: Settings, workers: Sequence[int], console: Console
) -> list[Point]:
    """The size with each number of workers; one row where it is missing."""
    if plain.missing is not None:
        return [plain]
    rate_rps = HALF * _pilot_rps(prepared, plain)
    console.print(f"{plain.stack} at {plain.vcpu:g} vCPU: response times are compared at {rate_rps:,.0f} a second")
    traffic: tuple[Traffic, ...] = (closed(CONNECTIONS), opened(f"{rate_rps:.0f}"))
    cores = sorted(os.sched_getaffinity(0))
    return [
        point(plain.stack, plain.vcpu, traffic, runtime=settings.runtime, cores=cores, workers=count)
        for count in workers
    ]


def _pilot_rps(prepared: Prepared, plain: Point) -> float:
    """The capacity with the usual number of workers, by one server that counts for nothing else."""
    first = replace(plain, workers=Size(vcpu=plain.vcpu).workers, traffic=[closed(CONNECTIONS)])
    step = Step(round=0, position=0, cell=first.name)
    made = visit(prepared.record, step, first, prepared.servables[plain.stack])
    if made.error is not None or not (capacity := capacity_rps(made.loads[SATURATED], plain.vcpu)):
        raise FailedError(f"{first.name}: {made.error or 'nothing was answered when its capacity was measured'}.")
    return capacity
