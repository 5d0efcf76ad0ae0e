"""From starts of tasks to a summary. Pure."""

from collections.abc import Iterator, Sequence

from common.records.fargate import CellStarts, FargateRun, FargateSummary, TaskStart
from common.records.figure import Conditions, Figure, Metric
from common.records.summary import Verdict
from loadtests.analysis.intervals import mean_interval
from loadtests.summaries.figures import figure

STARTUP = "startup"
"""The name of what asks about no factor: its cells have no first to be set against."""
PHASES = ("provisioning_s", "pull_s", "start_s", "ready_s", "total_s")


def summarise(run: FargateRun, starts: Sequence[TaskStart]) -> FargateSummary:
    """Every cell's row, in the experiment's order; differences are to the first cell, where a factor is asked about."""
    names = [cell.name for cell in run.cells]
    rows = [_row(name, names[0] if run.name != STARTUP else name, starts) for name in names]
    return FargateSummary(run=run.id, dollars=sum(one.dollars or 0.0 for one in starts), cells=rows)


def figures(run: FargateRun, summary: FargateSummary) -> Iterator[Figure]:
    """Yield the time of every stack's start to its first response; experiments that vary a factor give none."""
    cells = {cell.name: cell for cell in run.cells}
    for row in summary.cells if run.name == STARTUP else ():
        if row.total_s is not None:
            cell, verdict = cells[row.cell], Verdict.SERVER_DIED if row.failed else Verdict.VALID
            conditions = Conditions(vcpu=cell.size.vcpu, workers=cell.size.workers)
            yield figure(run, cell.stack, Metric.START_S, row.total_s, verdict, conditions=conditions)


def _row(name: str, reference: str, starts: Sequence[TaskStart]) -> CellStarts:
    mine = [one for one in starts if one.cell == name]
    totals = {one.round: one.total_s for one in mine if one.total_s is not None}
    theirs = {one.round: one.total_s for one in starts if one.cell == reference and one.total_s is not None}
    differences = [totals[number] - theirs[number] for number in sorted(totals.keys() & theirs.keys())]
    return CellStarts(
        cell=name,
        failed=sum(one.error is not None for one in mine),
        difference_s=None if name == reference else mean_interval(differences),
        **{phase: mean_interval(_known(mine, phase)) for phase in PHASES},
    )


def _known(starts: Sequence[TaskStart], phase: str) -> list[float]:
    return [value for one in starts if (value := getattr(one, phase)) is not None]
