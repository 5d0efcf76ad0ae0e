"""The report of starts of Fargate tasks. Pure."""

from collections.abc import Iterator

from rich.table import Table

from common.catalog.numbers import counted
from common.records.experiments.fargate import CellStarts, FargateRun, FargateSummary
from common.records.summary import Interval
from loadtests.reports.formatting import MB, bounds, estimate, plain_table, with_bounds

HEADINGS = ("cell", "n", "failed", "provisioning s", "pull s", "start s", "ready s", "total s", "95 % interval")
DIFFERENCE = "minus the first"


def table(run: FargateRun, summary: FargateSummary) -> Table:
    """Return a row for each cell."""
    title = f"{run.name}: starts of {counted(run.rounds, 'Fargate task')} a cell, {_in_common(run)}"
    compares = any(row.difference_s for row in summary.cells)
    headings = (*HEADINGS, DIFFERENCE) if compares else HEADINGS
    return plain_table(title, headings, [_row(row)[: len(headings)] for row in summary.cells], left={"cell"})


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
    return ", ".join([*(one for group in (images, sizes) if len(group) == 1 for one in group), run.architecture])


def _row(row: CellStarts) -> tuple[str, ...]:
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
