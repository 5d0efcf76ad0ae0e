"""``make extras``: apps with and without what people add to them, in shuffled rounds on fresh servers."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager

from msgspec.structs import replace
from rich.console import Console, RenderableType
from typing_extensions import override

from common.catalog.frameworks import App
from common.catalog.sizes import Runtime, Size
from common.conformance.additions import conform_with_additions
from common.conformance.checking import check_all, require_some_conforming
from common.errors import BenchmarkError
from common.records.load import LoadSpec
from common.records.run import Cell, Design, Stopping
from common.records.schema import Visit
from common.records.window import Window
from common.runtimes.candidates import Candidate
from common.runtimes.preparation import prepare_available
from loadtests.analysis.between_runs import FEW
from loadtests.analysis.values import conforms
from loadtests.campaign.experiment import Experiment, Remaining, Visitor, failure_of
from loadtests.campaign.manifest import RunIdentity, cells_of, run_fields, setup_for
from loadtests.campaign.plan import windows_of
from loadtests.experiments.extras import report
from loadtests.experiments.extras.additions import TITLES
from loadtests.experiments.extras.records import Addition, ExtrasRun, ExtrasSummary
from loadtests.experiments.loadtest.experiment import LoadTest
from loadtests.targets.ceiling import with_ceiling
from loadtests.windows.sliced import slicing_for, warmed


class Extras(Experiment[ExtrasRun, ExtrasSummary]):
    """A sliced load test in which the cells of one stack, with its additions, are up and take turns together."""

    command = "extras"
    run_type = ExtrasRun
    visit_types = (Window,)
    summary_type = ExtrasSummary

    def __init__(self, run: ExtrasRun) -> None:
        super().__init__(run)
        self._test = LoadTest(run)

    @override
    def remaining(self, visits: Sequence[Visit]) -> Remaining:
        left = self._test.remaining(visits)
        stacks = stack_of_each_cell(self.run)
        batch = tuple(one for one in left.batch if stacks[one.cell] == stacks[left.batch[0].cell])
        return dataclasses.replace(left, batch=batch)

    @override
    def half_made(self, visits: Sequence[Visit]) -> int:
        return self._test.half_made(visits)

    @override
    def visiting(self, subjects: Mapping[str, Candidate], messages: Console) -> AbstractContextManager[Visitor]:
        return self._test.visiting(subjects, messages)

    @override
    def summarise(self, visits: Sequence[Visit]) -> ExtrasSummary:
        return report.summarise(self.run, windows_of(visits))

    @override
    def tables(self, summary: ExtrasSummary) -> Iterable[RenderableType]:
        yield report.table(self.run, summary)
        if len(summary.bare_s) > 1:
            yield report.overview(summary)

    @override
    def notes(self, summary: ExtrasSummary) -> Iterator[str]:
        yield from report.notes(self.run, summary)

    @override
    def conclusions(self, summary: ExtrasSummary) -> Iterator[str]:
        yield from report.conclusions(summary)

    @override
    def describe(self, visit: Visit) -> str:
        return self._test.describe(visit)

    @override
    def failure(self, summary: ExtrasSummary) -> BenchmarkError | None:
        rows = [(f"{price.stack} with {price.name}", price.verdict, price.doubts) for price in summary.prices]
        return failure_of(rows, "addition")

    @override
    def stacks(self) -> Iterable[Cell]:
        return self._test.stacks()

    @override
    def cores(self) -> frozenset[int]:
        return self._test.cores()


def stack_of_each_cell(run: ExtrasRun) -> dict[str, str]:
    """Return the name of the stack without additions that each cell is made of, by the cell's name."""
    found = {cell.name: cell.control_of or cell.name for cell in run.cells}
    return found | {addition.cell: addition.stack for addition in run.additions}


def begin_extras(
    candidates: Sequence[Candidate],
    additions: Sequence[str],
    identity: RunIdentity,
    *,
    load: LoadSpec,
    size: Size,
    runtime: Runtime,
    rounds: int,
    messages: Console,
) -> tuple[Extras, Mapping[str, Candidate]]:
    """Prepare a price list of these additions, and check each to do its work; ``FailedError`` if no stack is left."""
    ready, unavailable = prepare_available([one.serving(App.EXTRAS) for one in candidates], messages)
    asked = [(bare, bare.serving(App.EXTRAS, (name,))) for bare in ready for name in additions]
    every = {one.name: one for one in (*ready, *(adding for _, adding in asked))}
    outcomes = check_all(list(every.values()), messages, conform_with_additions)
    require_some_conforming(ready, outcomes)
    cells = cells_of(list(every.values()), outcomes)
    bare_cells = [cell for cell in cells if not cell.additions and conforms(cell)]
    run = ExtrasRun(
        **run_fields(identity, runtime=runtime, rounds=rounds),
        design=Design.SLICED,
        slicing=slicing_for(size.vcpu, len(additions) + 2),
        stopping=Stopping(fewest_rounds=rounds),
        setup=with_ceiling(setup_for(warmed(load, runtime, sliced=True), size, runtime)),
        cells=[*cells, *(replace(cell, name=f"{cell.name}#2", control_of=cell.name) for cell in bare_cells)],
        unavailable=unavailable,
        between_runs=FEW,  # as few take turns at a time
        additions=[
            Addition(stack=bare.name, name=name, title=TITLES[name], cell=adding.name, over=bare.name)
            for bare, adding in asked
            for name in adding.additions
        ],
    )
    return Extras(run), every
