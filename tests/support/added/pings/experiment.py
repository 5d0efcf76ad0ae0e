"""``make pings``: every cell once per round."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console, RenderableType
from typing_extensions import override

from common.records.figure import Conditions, Figure, Metric, figure
from common.records.run import Cell
from common.records.schema import Visit
from common.records.summary import Verdict
from common.runtimes.candidates import Candidate
from loadtests.analysis.formatting import estimate, plain_table
from loadtests.campaign.experiment import Experiment, Remaining, Visitor, remaining_of
from loadtests.campaign.plan import PlannedVisit, planned_visits
from loadtests.statistics.intervals import log_interval

from .records import PingRow, PingRun, PingSummary, PingVisit

PING_S = 0.25


class Pings(Experiment[PingRun, PingSummary]):
    """Pings that all take the same time."""

    command = "pings"
    run_type = PingRun
    visit_types = (PingVisit,)
    summary_type = PingSummary

    @override
    def remaining(self, visits: Sequence[Visit]) -> Remaining:
        names = [cell.name for cell in self.run.cells]
        return remaining_of(planned_visits(PingVisit, names, self.run.rounds, self.run.seed), visits)

    @override
    @contextmanager
    def visiting(self, subjects: Mapping[str, Candidate], messages: Console) -> Iterator[Visitor]:
        def visit(batch: Sequence[PlannedVisit]) -> Sequence[Visit]:
            return [planned.record(PingVisit, self.run.id, ping_s=PING_S) for planned in batch]

        yield visit

    @override
    def summarise(self, visits: Sequence[Visit]) -> PingSummary:
        rows = list[PingRow]()
        for cell in self.run.cells:
            pings = [visit.ping_s for visit in visits if isinstance(visit, PingVisit) and visit.cell == cell.name]
            if (interval := log_interval(pings)) is not None:
                rows.append(PingRow(cell=cell.name, ping_s=interval))
        return PingSummary(run=self.run.id, rows=rows)

    @override
    def tables(self, summary: PingSummary) -> Iterable[RenderableType]:
        rows = [(row.cell, estimate(row.ping_s, digits=3)) for row in summary.rows]
        return [plain_table("pings", ("stack", "ping s"), rows)]

    @override
    def notes(self, summary: PingSummary) -> Iterable[str]:
        return ()

    @override
    def describe(self, visit: Visit) -> str:
        assert isinstance(visit, PingVisit)
        return f"{visit.ping_s:.3f} s"

    @override
    def figures(self, summary: PingSummary) -> Iterable[Figure]:
        cells = {cell.name: cell for cell in self.run.cells}
        for row in summary.rows:
            conditions = Conditions(vcpu=1.0)
            yield figure(self.run, cells[row.cell], Metric.START_S, row.ping_s, Verdict.VALID, conditions=conditions)

    @override
    def stacks(self) -> Iterable[Cell]:
        return self.run.cells
