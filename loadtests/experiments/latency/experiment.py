"""``make latency``: response times of stacks and of nginx by size, at a common rate and at shares of capacity."""

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from msgspec.structs import replace
from rich.console import Console, RenderableType
from typing_extensions import override

from common.aws.spending import with_minimum_memory
from common.catalog.sizes import SMALLEST_VCPU, Runtime, Size
from common.conformance.checking import LONGEST_S, conform_all, require_some_conforming
from common.conformance.checking import SIZE as CONFORMANCE_SIZE
from common.errors import BenchmarkError, UsageError
from common.host.cores import split_cores
from common.records.figure import Figure
from common.records.load import LoadSpec, Rate, Setup
from common.records.run import Cell, Conformance, Run
from common.records.schema import Visit
from common.runtimes.candidates import Candidate
from common.runtimes.nginx import Nginx, prepare_nginx, why_no_nginx
from common.runtimes.preparation import PlannedServer
from common.words import counted, parse_decimal
from loadtests.analysis.values import conforms
from loadtests.campaign.experiment import Experiment, Remaining, Visitor, failure_of, remaining_of
from loadtests.campaign.manifest import RunIdentity, cells_of, run_fields, setup_for
from loadtests.campaign.plan import PlannedVisit, planned_visits
from loadtests.experiments.latency import report
from loadtests.experiments.latency.records import CONNECTIONS, LatencyRun, LatencySummary, Point, Traffic, TrafficVisit
from loadtests.experiments.latency.visit import WINDOW_S, Servable, load_in_turn, longest_window_s
from loadtests.scenarios.scenario import WARMUP_S
from loadtests.targets.ceiling import with_ceiling
from loadtests.windows.by_locust import START_UP_S
from loadtests.windows.sliced import warmed

SHARES = (0.25, 0.5, 0.75)
ONE_AT_A_TIME_S = 3.0
"""Length of the window on one connection."""
MOST_VCPU = 1024
LatencyRunType = TypeVar("LatencyRunType", bound=LatencyRun)


class Latency(Experiment[LatencyRunType, LatencySummary]):
    """Response times at points, each with a fresh server in every round."""

    command = "latency"
    run_type: ClassVar[type[Run]] = LatencyRun
    visit_types = (TrafficVisit,)
    summary_type = LatencySummary

    @override
    def remaining(self, visits: Sequence[Visit]) -> Remaining:
        conforming = {cell.name for cell in self.run.cells if conforms(cell)}
        names = [point.name for point in self.run.points if point.missing is None and point.stack in conforming]
        return remaining_of(planned_visits(TrafficVisit, names, self.run.rounds, self.run.seed), visits)

    @override
    @contextmanager
    def visiting(self, subjects: Mapping[str, Candidate], messages: Console) -> Iterator[Visitor]:
        points = {point.name: point for point in self.run.points}
        servables: dict[str, Servable] = dict(subjects)
        if any(cell.name == Nginx().name for cell in self.run.cells):
            servables[Nginx().name] = prepare_nginx(docker=self.run.runtime is Runtime.DOCKER)

        def visit(batch: Sequence[PlannedVisit]) -> Sequence[Visit]:
            (planned,) = batch
            point = points[planned.cell]
            blank = planned.record(TrafficVisit, self.run.id, loads={})
            return [load_in_turn(blank, point, self.run.setup, servables[point.stack], seed=self.run.seed)]

        yield visit

    @override
    def summarise(self, visits: Sequence[Visit]) -> LatencySummary:
        return report.summarise(self.run, traffic_visits(visits))

    @override
    def tables(self, summary: LatencySummary) -> Iterable[RenderableType]:
        return (report.tables(self.run, summary),)

    @override
    def notes(self, summary: LatencySummary) -> Iterable[str]:
        return report.notes(self.run, summary)

    @override
    def figures(self, summary: LatencySummary) -> Iterable[Figure]:
        return report.figures(self.run, summary)

    @override
    def describe(self, visit: Visit) -> str:
        assert isinstance(visit, TrafficVisit)
        return ", ".join(
            f"{name} {load.latency_s.p50 * 1000:.2f} ms"
            for name, load in visit.loads.items()
            if load.latency_s is not None
        )

    @override
    def failure(self, summary: LatencySummary) -> BenchmarkError | None:
        return failure_of([(row.point, row.verdict, row.doubts) for row in summary.rows], "point")

    @override
    def stacks(self) -> Iterable[Cell]:
        return [cell for cell in self.run.cells if cell.name != Nginx().name]

    @override
    def servers_left(self, visits: Sequence[Visit], subjects: Mapping[str, Candidate]) -> Sequence[PlannedServer]:
        made = {(visit.round, visit.cell) for visit in visits}
        return [
            PlannedServer(
                candidate=subjects[point.stack], size=point.size, needed_s=_needed_s(point.traffic), loaded=True
            )
            for point in self.run.points
            for number in range(1, self.run.rounds + 1)
            if point.stack in subjects and point.missing is None and (number, point.name) not in made
        ]

    @override
    def cores(self) -> frozenset[int]:
        return frozenset(core for point in self.run.points for core in (*point.server_cores, *point.generator_cores))


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The preparation of latency experiments before their points are known: candidates, cells and the load set-up."""

    candidates: Mapping[str, Candidate]
    cells: list[Cell]
    setup: Setup


def begin_latency(
    candidates: Sequence[Candidate],
    identity: RunIdentity,
    *,
    vcpus: Sequence[float],
    memory_bytes: int | None,
    rate: Rate,
    runtime: Runtime,
    rounds: int,
    messages: Console,
) -> tuple[Latency[LatencyRun], Mapping[str, Candidate]]:
    """Prepare a run of every stack at every size that fits; ``UsageError`` if none does."""
    require_room(vcpus, runtime)
    prepared = prepare_latency(candidates, runtime, messages)
    cells = [*prepared.cells, *nginx_cells(runtime, messages)]
    points = [
        _on_fargate(point, prepared.setup) if runtime is Runtime.FARGATE else point
        for name in (*prepared.candidates, *(cell.name for cell in cells if cell.conformance is None))
        for point in points_of(name, vcpus, latency_traffic(rate), runtime, memory_bytes=memory_bytes)
    ]
    run = LatencyRun(
        **run_fields(identity, runtime=runtime, rounds=rounds), setup=prepared.setup, cells=cells, points=points
    )
    return Latency(run), prepared.candidates


def prepare_latency(candidates: Sequence[Candidate], runtime: Runtime, messages: Console) -> Prepared:
    """Check candidates against the contract and measure the generator's ceiling; ``FailedError`` if none conforms."""
    outcomes: Mapping[str, Conformance] = conform_all(candidates, messages)
    good = require_some_conforming(candidates, outcomes)
    load = LoadSpec(scenario="hello", users=CONNECTIONS, delay_ms=0, warmup_s=WARMUP_S, window_s=WINDOW_S)
    load = warmed(load, runtime, sliced=False)
    load_from_task = any(candidate.fargate is not None and candidate.fargate.load_from_task for candidate in candidates)
    setup = with_ceiling(setup_for(load, Size(), runtime, load_from_task=load_from_task))
    return Prepared(candidates=good, cells=cells_of(candidates, outcomes), setup=setup)


def nginx_cells(runtime: Runtime, messages: Console) -> list[Cell]:
    """Return the cell of nginx, the floor of all response times; without nginx, print why and return none."""
    reason = "it would be this machine's, not Fargate's" if runtime is Runtime.FARGATE else why_no_nginx()
    if reason is not None:
        messages.print(f"nginx is left out: {reason}", soft_wrap=True)
        return []
    return [prepare_nginx(docker=runtime is Runtime.DOCKER).cell()]


def planned_servers(
    candidates: Sequence[Candidate], sizes: Sequence[Size], rounds: int, rate: Rate
) -> list[PlannedServer]:
    """Return every server of a run, to estimate its cost on a paid runtime."""
    needed_s = _needed_s(latency_traffic(rate))
    suites = [PlannedServer(candidate=candidate, size=CONFORMANCE_SIZE, needed_s=LONGEST_S) for candidate in candidates]
    visits = [
        PlannedServer(candidate=candidate, size=size, needed_s=needed_s, loaded=True)
        for candidate in candidates
        for size in sizes
    ]
    return [*suites, *visits * rounds]


def latency_traffic(rate: Rate) -> tuple[Traffic, ...]:
    """Return one common rate, shares of the stack's own capacity, and one request at a time."""
    shares = [opened(Rate(share=share)) for share in SHARES]
    return (closed(CONNECTIONS), closed(1, ONE_AT_A_TIME_S), opened(rate), *shares)


def closed(connections: int, window_s: float = WINDOW_S) -> Traffic:
    """Return traffic in which each connection sends its next request when the previous one is answered."""
    name = "one at a time" if connections == 1 else f"{connections} at a time"
    return Traffic(name=name, connections=connections, window_s=window_s)


def opened(rate: Rate, window_s: float | None = None) -> Traffic:
    """Return traffic of Poisson arrivals at a rate, or at a share of the capacity."""
    name = f"{rate} a second" if rate.share is None else f"{rate} of capacity"
    return Traffic(name=name, connections=CONNECTIONS, rate=rate, window_s=window_s)


def points_of(
    stack: str,
    vcpus: Sequence[float],
    traffic: Sequence[Traffic],
    runtime: Runtime,
    *,
    memory_bytes: int | None = None,
) -> list[Point]:
    """Return a stack at each size, with the default number of workers."""
    return [
        point(stack, Size(vcpu=vcpu, memory_bytes=memory_bytes, worker_count=Size(vcpu=vcpu).workers), traffic, runtime)
        for vcpu in vcpus
    ]


def point(stack: str, size: Size, traffic: Sequence[Traffic], runtime: Runtime) -> Point:
    """Return a stack at a size under unchanged conditions."""
    pinned = split_cores(0 if runtime is Runtime.FARGATE else size.vcpu)
    return Point(
        name=f"{stack} {size.vcpu:g} vCPU {counted(size.workers, 'worker')}",
        stack=stack,
        size=size,
        server_cores=list(pinned.server),
        generator_cores=list(pinned.generator),
        traffic=list(traffic),
        missing=why_no_room(size.vcpu, runtime),
    )


def why_no_room(vcpu: float, runtime: Runtime) -> str | None:
    """Return why a size cannot be measured on this machine; ``None`` if it can."""
    if runtime is Runtime.FARGATE:
        return None
    cores = len(os.sched_getaffinity(0))
    if math.ceil(vcpu) > max(1, cores - 1):
        return f"this machine has {cores} cores, and one of them is the generator's"
    if runtime is Runtime.PROCESS and vcpu != int(vcpu):
        return "the process runtime has no quotas; RUNTIME=docker has"
    return None


def require_room(vcpus: Sequence[float], runtime: Runtime) -> None:
    """Raise ``UsageError`` if none of the sizes can be measured here."""
    reasons = {vcpu: why_no_room(vcpu, runtime) for vcpu in vcpus}
    if all(reasons.values()):
        listed = "; ".join(f"{vcpu:g}: {reason}" for vcpu, reason in reasons.items())
        raise UsageError(f"VCPU={','.join(f'{vcpu:g}' for vcpu in vcpus)} cannot be measured here ({listed}).")


def parse_vcpus(text: str) -> tuple[float, ...]:
    """Return the sizes that ``VCPU=`` lists; those beyond this machine are accepted, to be reported as missing."""
    return tuple(dict.fromkeys(_vcpu(part) for part in text.split(",")))


def parse_common_rate(text: str) -> Rate:
    """Return the common rate that ``RATE=`` names; ``UsageError`` for a share, which is each stack's own."""
    rate = Rate.parse(text)
    if rate.share is not None:
        raise UsageError(f"invalid RATE={text}: must be requests per second, such as 100, the same for all stacks.")
    return rate


def traffic_visits(visits: Sequence[Visit]) -> list[TrafficVisit]:
    """Return the visits that measured a point."""
    return [visit for visit in visits if isinstance(visit, TrafficVisit)]


def _needed_s(traffic: Sequence[Traffic]) -> float:
    return sum(START_UP_S + WARMUP_S + longest_window_s(kind) for kind in traffic)


def _on_fargate(point: Point, setup: Setup) -> Point:
    return replace(point, size=with_minimum_memory(point.size), generator_cores=setup.generator_cores)


def _vcpu(text: str) -> float:
    try:
        vcpu = parse_decimal(text.strip())
    except ValueError:
        vcpu = 0.0
    if not SMALLEST_VCPU <= vcpu <= MOST_VCPU:
        raise UsageError(
            f"invalid VCPU={text}: must be numbers from {SMALLEST_VCPU} to {MOST_VCPU}, such as 0.25,0.5,1,2."
        )
    return vcpu
