"""``make memory``: the memory of fresh servers, then each stack's smallest limit."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console, RenderableType
from typing_extensions import override

from common.catalog.sizes import Runtime, Size
from common.conformance.checking import conform_all
from common.errors import BenchmarkError
from common.host.cores import split_cores
from common.records.figure import Figure
from common.records.run import Cell
from common.records.schema import Visit
from common.runtimes.candidates import Candidate
from common.words import counted
from loadtests.analysis.values import conforms
from loadtests.campaign.experiment import Experiment, Remaining, Visitor, failure_of, remaining_of
from loadtests.campaign.manifest import RunIdentity, cells_of, run_fields
from loadtests.campaign.plan import PlannedVisit, planned_visits
from loadtests.experiments.memory import report
from loadtests.experiments.memory.records import LimitVisit, MemoryCell, MemoryRun, MemorySummary, MemoryVisit
from loadtests.experiments.memory.report import limited
from loadtests.experiments.memory.visit import (
    CONNECTIONS,
    LIMIT_REPEATS,
    LIMIT_STEP_BYTES,
    MB,
    REQUESTS,
    read_fresh_server,
    smallest_limit,
    under_limit,
)


class Memory(Experiment[MemoryRun, MemorySummary]):
    """Every cell once per round on a fresh server, then one search for each stack's smallest limit."""

    command = "memory"
    run_type = MemoryRun
    visit_types = (MemoryVisit, LimitVisit)
    summary_type = MemorySummary

    @override
    def remaining(self, visits: Sequence[Visit]) -> Remaining:
        run = self.run
        cells = [cell.name for cell in run.cells if conforms(cell.stack)]
        searched = [name for name in limited(run) if name in cells]
        limits = [
            PlannedVisit(kind=LimitVisit, round=run.rounds, position=len(cells) + position, cell=name)
            for position, name in enumerate(searched, start=1)
        ]
        return remaining_of([*planned_visits(MemoryVisit, cells, run.rounds, run.seed), *limits], visits)

    @override
    @contextmanager
    def visiting(self, subjects: Mapping[str, Candidate], messages: Console) -> Iterator[Visitor]:
        cells = {cell.name: cell for cell in self.run.cells}

        def visit(batch: Sequence[PlannedVisit]) -> Sequence[Visit]:
            (planned,) = batch
            size = cells[planned.cell].size
            candidate, cores = subjects[cells[planned.cell].stack.name], split_cores(size.vcpu).server
            if planned.kind is MemoryVisit:
                return [read_fresh_server(planned.record(MemoryVisit, self.run.id), candidate, size, cores)]
            blank = planned.record(
                LimitVisit,
                self.run.id,
                limit_bytes=None,
                step_bytes=LIMIT_STEP_BYTES,
                repeats=LIMIT_REPEATS,
                attempts=[],
            )
            return [smallest_limit(blank, under_limit(candidate, size, cores))]

        yield visit

    @override
    def summarise(self, visits: Sequence[Visit]) -> MemorySummary:
        return report.summarise(self.run, [visit for visit in visits if isinstance(visit, MemoryVisit | LimitVisit)])

    @override
    def tables(self, summary: MemorySummary) -> Iterable[RenderableType]:
        return (report.table(self.run, summary),)

    @override
    def notes(self, summary: MemorySummary) -> Iterable[str]:
        return report.notes(self.run, summary)

    @override
    def figures(self, summary: MemorySummary) -> Iterable[Figure]:
        return report.figures(self.run, summary)

    @override
    def describe(self, visit: Visit) -> str:
        if isinstance(visit, LimitVisit):
            limit = (
                "no limit passed" if visit.limit_bytes is None else f"smallest limit {visit.limit_bytes / MB:.0f} MB"
            )
            return f"{limit} after {counted(len(visit.attempts), 'server')}"
        assert isinstance(visit, MemoryVisit)
        held = [
            reading.held_bytes for reading in (visit.idle, visit.loaded) if reading is not None and reading.held_bytes
        ]
        return ", ".join(
            f"{state} {size_bytes / MB:.1f} MB" for state, size_bytes in zip(("idle", "loaded"), held, strict=False)
        )

    @override
    def failure(self, summary: MemorySummary) -> BenchmarkError | None:
        return failure_of([(row.cell, row.verdict, row.doubts) for row in summary.rows], "cell")

    @override
    def stacks(self) -> Iterable[Cell]:
        return {cell.stack.name: cell.stack for cell in self.run.cells}.values()


def begin_memory(
    candidates: Sequence[Candidate],
    identity: RunIdentity,
    *,
    size: Size,
    workers: Sequence[int],
    limits: bool,
    runtime: Runtime,
    rounds: int,
    messages: Console,
) -> tuple[Memory, dict[str, Candidate]]:
    """Prepare a run of every candidate with every number of workers, after conformance."""
    outcomes = conform_all(candidates, messages)
    made = {candidate.name: candidate for candidate in candidates if candidate.name in outcomes}
    run = MemoryRun(
        **run_fields(identity, runtime=runtime, rounds=rounds),
        requests=REQUESTS,
        connections=CONNECTIONS,
        limits=limits,
        cells=[
            MemoryCell(
                name=f"{stack.name} {counted(count, 'worker')}",
                stack=stack,
                size=Size(vcpu=size.vcpu, worker_count=count),
            )
            for stack in cells_of(candidates, outcomes)
            for count in _worker_counts(made[stack.name], workers)
        ],
    )
    return Memory(run), made


def _worker_counts(candidate: Candidate, asked: Sequence[int]) -> Sequence[int]:
    """Return the numbers asked for; only 1 if the server is always one process."""
    return asked if candidate.stack.processes else (1,)
