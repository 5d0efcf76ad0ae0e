"""The summary of starts of Fargate tasks. Pure."""

from collections.abc import Iterator, Sequence

from common.records.experiments.fargate import CellStarts, FargateRun, FargateSummary, TaskStart
from common.records.figure import Conditions, Figure, Metric
from common.records.summary import Verdict
from loadtests.statistics.intervals import mean_interval
from loadtests.summaries.figures import figure

STARTUP = "startup"
"""The name of the experiment that varies no factor, so that no cell is the reference of the others."""
PHASES = ("provisioning_s", "pull_s", "start_s", "ready_s", "total_s")


def summarise(run: FargateRun, starts: Sequence[TaskStart]) -> FargateSummary:
    """Return a row per cell, in the run's order, with differences to the first cell if the run varies a factor."""
    names = [cell.name for cell in run.cells]
    rows = [_row(name, names[0] if run.name != STARTUP else name, starts) for name in names]
    return FargateSummary(run=run.id, dollars=sum(start.dollars or 0.0 for start in starts), cells=rows)


def figures(run: FargateRun, summary: FargateSummary) -> Iterator[Figure]:
    """Yield each stack's time from start to first response; nothing for experiments that vary a factor."""
    cells = {cell.name: cell for cell in run.cells}
    for row in summary.cells if run.name == STARTUP else ():
        if row.total_s is not None:
            cell, verdict = cells[row.cell], Verdict.SERVER_DIED if row.failed else Verdict.VALID
            conditions = Conditions(vcpu=cell.size.vcpu, workers=cell.size.workers)
            yield figure(run, cell.stack, Metric.START_S, row.total_s, verdict, conditions=conditions)


def _row(name: str, reference: str, starts: Sequence[TaskStart]) -> CellStarts:
    own = [start for start in starts if start.cell == name]
    totals = {start.round: start.total_s for start in own if start.total_s is not None}
    theirs = {start.round: start.total_s for start in starts if start.cell == reference and start.total_s is not None}
    differences = [totals[number] - theirs[number] for number in sorted(totals.keys() & theirs.keys())]
    return CellStarts(
        cell=name,
        failed=sum(start.error is not None for start in own),
        difference_s=None if name == reference else mean_interval(differences),
        **{phase: mean_interval(_known(own, phase)) for phase in PHASES},
    )


def _known(starts: Sequence[TaskStart], phase: str) -> list[float]:
    return [value for start in starts if (value := getattr(start, phase)) is not None]
