"""``make workers``: one stack with several numbers of workers per size, saturated and at one common rate."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from msgspec.structs import replace
from rich.console import Console
from typing_extensions import override

from common.catalog.sizes import Runtime, Size
from common.errors import FailedError, UsageError
from common.records.load import Rate
from common.records.schema import Visit
from common.runtimes.candidates import Candidate
from common.words import parse_whole
from loadtests.analysis.values import capacity_rps
from loadtests.campaign.manifest import RunIdentity, run_fields
from loadtests.experiments.latency.experiment import (
    Latency,
    Prepared,
    closed,
    opened,
    point,
    points_of,
    prepare_latency,
    require_room,
    traffic_visits,
)
from loadtests.experiments.latency.records import (
    CONNECTIONS,
    SATURATED,
    LatencySummary,
    Point,
    TrafficVisit,
    WorkersRun,
)
from loadtests.experiments.latency.visit import load_in_turn
from loadtests.experiments.workers import report

HALF = 0.5
"""The rate at which response times are compared, as a share of the capacity with the default number of workers."""
MOST_WORKERS = 64


class Workers(Latency[WorkersRun]):
    """One stack with different numbers of workers, and a recommendation."""

    command = "workers"
    run_type = WorkersRun

    @override
    def summarise(self, visits: Sequence[Visit]) -> LatencySummary:
        return report.summarise(self.run, traffic_visits(visits))

    @override
    def conclusions(self, summary: LatencySummary) -> Sequence[str]:
        return list(report.worker_sentences(summary.advice))


def begin_workers(
    candidate: Candidate,
    identity: RunIdentity,
    *,
    vcpus: Sequence[float],
    counts: Sequence[int],
    runtime: Runtime,
    rounds: int,
    messages: Console,
) -> tuple[Workers, Mapping[str, Candidate]]:
    """Prepare a run of every number of workers at every size that there is room for.

    ``UsageError`` if there is no size, or the server is always one process.
    """
    require_room(vcpus, runtime)
    stack = candidate.stack
    if not stack.processes:
        raise UsageError(f"FRAMEWORK={stack.framework.name} SERVER={stack.server.name} is one process at any size.")
    prepared = prepare_latency([candidate], runtime, messages)
    points = [
        found
        for plain in points_of(candidate.name, vcpus, (closed(CONNECTIONS),), runtime)
        for found in _points(prepared, plain, counts, runtime, messages)
    ]
    run = WorkersRun(
        **run_fields(identity, runtime=runtime, rounds=rounds),
        setup=prepared.setup,
        cells=prepared.cells,
        points=points,
    )
    return Workers(run), prepared.candidates


def parse_worker_counts(text: str) -> tuple[int, ...]:
    """Return the numbers of workers that ``WORKERS=`` lists, such as ``1,2,4``; ``UsageError`` otherwise."""
    parts = [part.strip() for part in text.split(",")]
    try:
        counts = [parse_whole(part) for part in parts]
    except ValueError:  # no digits, or more than Python converts
        counts = [0]
    if not all(1 <= count <= MOST_WORKERS for count in counts):
        raise UsageError(
            f"invalid WORKERS={text or '(empty)'}: must be numbers from 1 to {MOST_WORKERS}, such as 1,2,4."
        )
    return tuple(dict.fromkeys(counts))


def _points(
    prepared: Prepared, plain: Point, counts: Sequence[int], runtime: Runtime, messages: Console
) -> list[Point]:
    """Return the size with each number of workers; a single point if the size is missing."""
    if plain.missing is not None:
        return [replace(plain, traffic=[])]
    rate_rps = HALF * _pilot_capacity_rps(prepared, plain)
    messages.print(
        f"{plain.stack} at {plain.size.vcpu:g} vCPU: response times are compared at {rate_rps:,.0f} req/s",
        soft_wrap=True,
    )
    traffic = (closed(CONNECTIONS), opened(Rate(rps=round(rate_rps))))
    return [point(plain.stack, Size(vcpu=plain.size.vcpu, worker_count=count), traffic, runtime) for count in counts]


def _pilot_capacity_rps(prepared: Prepared, plain: Point) -> float:
    """Measure the capacity with the default number of workers on a server that is used for nothing else."""
    visit = TrafficVisit(run="", round=0, position=0, cell=plain.name, started_at=datetime.now(UTC), loads={})
    made = load_in_turn(visit, plain, prepared.setup, prepared.candidates[plain.stack], seed=0)
    if made.error is not None or not (capacity := capacity_rps(made.loads[SATURATED], plain.size.vcpu)):
        raise FailedError(f"{plain.name}: {made.error or 'no request was answered while its capacity was measured'}.")
    return capacity
