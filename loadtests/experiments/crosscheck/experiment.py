"""``make crosscheck``: our generator and wrk in turn on the same servers, to see whether they find the same rate."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from msgspec.structs import replace
from rich.console import Console, RenderableType
from typing_extensions import override

from common.aws.settings import FargateSettings
from common.catalog.sizes import Runtime, Size
from common.conformance.checking import conform_all, require_some_conforming
from common.errors import BenchmarkError, FailedError
from common.records.load import LoadSpec
from common.records.run import Cell, CrosscheckRun, Design, Stopping
from common.records.schema import Visit
from common.records.window import Window
from common.runtimes.candidates import Candidate, candidate_from_cell
from common.words import counted
from loadtests.analysis.values import requests_per_cpu_s
from loadtests.campaign.experiment import Experiment, Remaining, Visitor, expected_s
from loadtests.campaign.manifest import RunIdentity, cell_of, run_fields, setup_for
from loadtests.campaign.plan import PlannedVisit, round_order
from loadtests.experiments.crosscheck import report
from loadtests.experiments.crosscheck.records import CrosscheckSummary
from loadtests.experiments.loadtest.visit import measure_windows
from loadtests.windows.sliced import warmed

TURNS = 5
"""Windows of each tool on one server. A load settles into a rhythm with the server when it begins, and stays in it, so
several short windows say more than a long one."""
WARMUP_S = 0.5
WINDOW_S = 1.0


class Crosscheck(Experiment[CrosscheckRun, CrosscheckSummary]):
    """In each round both tools take turns on one fresh server; each tool is a cell."""

    command = "crosscheck"
    run_type = CrosscheckRun
    visit_types = (Window,)
    summary_type = CrosscheckSummary

    @override
    def remaining(self, visits: Sequence[Visit]) -> Remaining:
        names = [cell.name for cell in self.run.cells] * self.run.turns
        numbers = range(len(visits) // len(names) + 1, self.run.rounds + 1)
        left = [round_order(Window, names, number, self.run.seed) for number in numbers]
        return Remaining(
            batch=left[0] if left else (),
            completion_reason="" if left else "every visit is made",
            count=len(left) * len(names),
            left_s=expected_s([visit for planned in left for visit in planned], visits),
        )

    @override
    def half_made(self, visits: Sequence[Visit]) -> int:
        return len(visits) % (len(self.run.cells) * self.run.turns)

    @override
    @contextmanager
    def visiting(self, subjects: Mapping[str, Candidate], messages: Console) -> Iterator[Visitor]:
        setups = report.setups_of_tools(self.run)

        def visit(batch: Sequence[PlannedVisit]) -> Sequence[Visit]:
            asked = [(planned.record(Window, self.run.id), setups[planned.cell]) for planned in batch]
            return measure_windows(asked, subjects[batch[0].cell], seed=self.run.seed + batch[0].round)

        yield visit

    @override
    def summarise(self, visits: Sequence[Visit]) -> CrosscheckSummary:
        return report.summarise_crosscheck(self.run, [visit for visit in visits if isinstance(visit, Window)])

    @override
    def tables(self, summary: CrosscheckSummary) -> Iterable[RenderableType]:
        return (report.crosscheck_table(self.run, summary),)

    @override
    def notes(self, summary: CrosscheckSummary) -> Iterable[str]:
        return report.crosscheck_sentences(summary)

    @override
    def describe(self, visit: Visit) -> str:
        assert isinstance(visit, Window)
        return f"{requests_per_cpu_s(visit.load) or 0:,.0f} req/s per vCPU"

    @override
    def failure(self, summary: CrosscheckSummary) -> BenchmarkError | None:
        if summary.failures:
            return FailedError(
                f"failures in {counted(len(summary.failures), 'window')}, the first: {summary.failures[0]}."
            )
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
    candidate: Candidate,
    identity: RunIdentity,
    *,
    load: LoadSpec,
    size: Size,
    runtime: Runtime,
    rounds: int,
    messages: Console,
) -> tuple[Crosscheck, dict[str, Candidate]]:
    """Prepare a crosscheck of one stack; ``FailedError`` if it does not conform."""
    outcomes = conform_all([candidate], messages)
    require_some_conforming([candidate], outcomes)
    cell = cell_of(candidate, outcomes[candidate.name])
    cells = [replace(cell, name=f"{candidate.name}, {tool}") for tool in report.TOOLS]
    load = warmed(replace(load, warmup_s=WARMUP_S, window_s=WINDOW_S), runtime, sliced=False)
    run = CrosscheckRun(
        **run_fields(identity, runtime=runtime, rounds=rounds),
        design=Design.ALTERNATION,
        stopping=Stopping(fewest_rounds=rounds),
        setup=setup_for(load, size, runtime),
        cells=cells,
        turns=TURNS,
    )
    return Crosscheck(run), {cell.name: candidate for cell in cells}
