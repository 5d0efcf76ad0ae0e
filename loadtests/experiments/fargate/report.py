"""What starts of Fargate tasks amount to: the summary, its figures and its table. Pure."""

from collections.abc import Iterator, Sequence

from rich.table import Table

from common.records.figure import Conditions, Figure, Metric, figure
from common.records.summary import Interval, Verdict
from common.words import counted
from loadtests.analysis.formatting import MB, bounds, estimate, plain_table, with_bounds
from loadtests.analysis.verdicts import too_few
from loadtests.experiments.fargate.records import CellStarts, FargateRun, FargateSummary, TaskStart
from loadtests.statistics.intervals import mean_interval

HEADINGS = ("cell", "n", "failed", "provisioning s", "pull s", "start s", "ready s", "total s", "95 % interval")
DIFFERENCE = "minus the first"

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
            cell, few = cells[row.cell], (verdict for verdict, _ in too_few(row.total_s.n))
            verdict = Verdict.SERVER_DIED if row.failed else next(few, Verdict.VALID)
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


def table(run: FargateRun, summary: FargateSummary) -> Table:
    """Return a row for each cell."""
    title = f"{run.name}: starts of {counted(run.rounds, 'Fargate task')} a cell, {_in_common(run)}"
    compares = any(row.difference_s for row in summary.cells)
    headings = (*HEADINGS, DIFFERENCE) if compares else HEADINGS
    return plain_table(title, headings, [_line(row)[: len(headings)] for row in summary.cells], left={"cell"})


def notes(run: FargateRun, summary: FargateSummary) -> Iterator[str]:
    """Yield what a reader must know besides the table, one sentence each."""
    yield "means over fresh tasks in shuffled rounds; total is from createdAt to the first 200 that our probe got."
    yield "±: half the width of a mean's 95 % interval."
    yield "ready is the first 200 less startedAt; below zero, ECS noticed the start after our probe did."
    lacking = sorted({row.cell for row in summary.cells if row.pull_s is None and row.total_s is not None})
    if lacking:
        yield f"-: ECS gave no pull times for {', '.join(lacking)}."
    yield f"the tasks cost ${summary.dollars:.4f} ({run.prices}), data transfer not counted."


def _in_common(run: FargateRun) -> str:
    """Return what all cells have in common."""
    sizes = {f"{cell.size.vcpu:g} vCPU / {(cell.size.memory_bytes or 0) // MB} MiB" for cell in run.cells}
    images = {cell.image.rpartition("/")[2] for cell in run.cells}
    return ", ".join([*(name for group in (images, sizes) if len(group) == 1 for name in group), run.architecture])


def _line(row: CellStarts) -> tuple[str, ...]:
    return (
        row.cell,
        "0" if row.total_s is None else str(row.total_s.n),
        str(row.failed),
        *map(_with_half_width, (row.provisioning_s, row.pull_s, row.start_s, row.ready_s)),
        estimate(row.total_s, digits=2),
        bounds(row.total_s, digits=2),
        with_bounds(row.difference_s, digits=2, sign="+"),
    )


def _with_half_width(interval: Interval | None) -> str:
    """Return a mean with half the width of its interval, which reaches as far to both sides."""
    if interval is None or interval.high is None:
        return estimate(interval, digits=2)
    return f"{interval.estimate:.2f} ±{interval.high - interval.estimate:.2f}"
