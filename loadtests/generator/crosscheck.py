"""``make crosscheck``: our generator and wrk in turn on one stack, to see whether they agree on its rate."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from msgspec.structs import replace
from rich.console import Console, RenderableType
from typing_extensions import override

from common.aws.settings import FargateSettings
from common.catalog.runtimes import Runtime
from common.catalog.sizes import Size
from common.conformance.candidates import conform_all, require_some_conforming
from common.errors import BenchmarkError, FailedError
from common.records.experiments.generator import CrosscheckSummary
from common.records.load import LoadSpec, Tool
from common.records.run import Cell, CrosscheckRun, Design
from common.records.visit import Visit
from common.records.window import Window
from common.runtimes.candidates import Candidate, candidate_from_cell
from loadtests.analysis.values import requests_per_cpu_s
from loadtests.campaign.experiment import Experiment, Remaining, Visitor, remaining_of
from loadtests.campaign.manifest import RunIdentity, cell_of, run_fields, setup_for
from loadtests.campaign.plan import PlannedVisit, planned_visits
from loadtests.campaign.stopping import exactly
from loadtests.reports import crosscheck as report
from loadtests.summaries import crosscheck
from loadtests.visits.window import measure_window

TOOLS = (Tool.LOCUST, Tool.WRK)


class Crosscheck(Experiment[CrosscheckRun, CrosscheckSummary]):
    """Both tools in every round, each on a fresh server; each tool is a cell."""

    command = "crosscheck"

    @override
    def remaining(self, visits: Sequence[Visit]) -> Remaining:
        names = [cell.name for cell in self.run.cells]
        return remaining_of(planned_visits(Window, names, self.run.rounds, self.run.seed), visits)

    @override
    @contextmanager
    def visiting(self, subjects: Mapping[str, Candidate], messages: Console) -> Iterator[Visitor]:
        tools = dict(zip((cell.name for cell in self.run.cells), TOOLS, strict=True))

        def visit(batch: Sequence[PlannedVisit]) -> Sequence[Visit]:
            (planned,) = batch
            setup = replace(self.run.setup, load=replace(self.run.setup.load, tool=tools[planned.cell]))
            window = planned.record(Window, self.run.id)
            return [measure_window(window, setup, subjects[planned.cell], seed=self.run.seed + planned.round)]

        yield visit

    @override
    def summarise(self, visits: Sequence[Visit]) -> CrosscheckSummary:
        return crosscheck.summarise(self.run, [visit for visit in visits if isinstance(visit, Window)])

    @override
    def tables(self, summary: CrosscheckSummary) -> Iterable[RenderableType]:
        return (report.table(self.run, summary),)

    @override
    def notes(self, summary: CrosscheckSummary) -> Iterable[str]:
        return report.sentences(summary)

    @override
    def describe(self, visit: Visit) -> str:
        assert isinstance(visit, Window)
        return f"{requests_per_cpu_s(visit.load) or 0:,.0f} req/s per vCPU"

    @override
    def failure(self, summary: CrosscheckSummary) -> BenchmarkError | None:
        if summary.failures:
            return FailedError(f"{len(summary.failures)} windows had failures, first {summary.failures[0]}.")
        return None

    @override
    def stacks(self) -> Iterable[Cell]:
        return self.run.cells

    @override
    def subjects(self, fargate: FargateSettings | None = None) -> Mapping[str, Candidate]:
        candidate = candidate_from_cell(self.run.cells[0])
        return {cell.name: candidate for cell in self.run.cells}

    @override
    def cores(self) -> frozenset[int]:
        return frozenset((*self.run.setup.server_cores, *self.run.setup.generator_cores))


def begin_crosscheck(
    candidate: Candidate, *, load: LoadSpec, size: Size, runtime: Runtime, rounds: int, messages: Console
) -> Callable[[RunIdentity], tuple[Crosscheck, dict[str, Candidate]]]:
    """Return the function that prepares a crosscheck of one stack; ``FailedError`` if it does not conform."""

    def begin(identity: RunIdentity) -> tuple[Crosscheck, dict[str, Candidate]]:
        outcomes = conform_all([candidate], messages)
        require_some_conforming([candidate], outcomes)
        cell = cell_of(candidate, outcomes[candidate.name])
        cells = [replace(cell, name=f"{candidate.name}, {tool}") for tool in TOOLS]
        run = CrosscheckRun(
            **run_fields(identity, runtime=runtime, rounds=rounds),
            design=Design.ALTERNATION,
            stopping=exactly(rounds),
            setup=setup_for(load, size, runtime),
            cells=cells,
        )
        return Crosscheck(run), {cell.name: candidate for cell in cells}

    return begin
