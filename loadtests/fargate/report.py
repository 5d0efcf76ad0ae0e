"""From an experiment and its summary to a table. Pure but for the printing."""

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from common.records.fargate import CellStarts, Experiment, ExperimentSummary
from common.records.summary import Interval

HEADINGS = ("cell", "n", "failed", "provisioning s", "pull s", "start s", "ready s", "total s", "95 % interval")
AGAINST = "against the first"


def print_summary(experiment: Experiment, summary: ExperimentSummary, console: Console) -> None:
    """The table, and what has to be known beside it."""
    console.print(table(experiment, summary))
    for note in notes(experiment, summary):
        console.print(f"  {note}", soft_wrap=True, markup=False)


def table(experiment: Experiment, summary: ExperimentSummary) -> Table:
    """A row a cell."""
    title = f"{experiment.name}: start of {experiment.tasks} Fargate tasks a cell, {_constants(experiment)}"
    found = Table(title=escape(title), title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in HEADINGS:
        found.add_column(heading, justify="left" if heading == "cell" else "right", no_wrap=True)
    if any(row.difference_s for row in summary.cells):
        found.add_column(AGAINST, justify="right", no_wrap=True)
    for row in summary.cells:
        found.add_row(*map(escape, _row(row)[: len(found.columns)]))
    return found


def notes(experiment: Experiment, summary: ExperimentSummary) -> Iterator[str]:
    """What a reader has to know beside the table, one sentence each."""
    yield "means over fresh tasks in shuffled rounds; total is from createdAt to the first 200 that our probe got."
    yield "±: how far the 95 % interval of a mean reaches to either side."
    yield "ready is what the first 200 came after startedAt; below zero, ECS noticed the start after our probe."
    lacking = sorted({row.cell for row in summary.cells if row.pull_s is None and row.total_s is not None})
    if lacking:
        yield f"-: ECS gave no pull times for {', '.join(lacking)}."
    yield f"the tasks cost ${summary.dollars:.4f} ({experiment.prices}), data transfer not counted."


def _constants(experiment: Experiment) -> str:
    """What all cells share."""
    sizes = {f"{cell.vcpu:g} vCPU / {cell.memory_bytes // 1024**2} MiB" for cell in experiment.cells}
    images = {cell.image.rpartition("/")[2] for cell in experiment.cells}
    return ", ".join([*(one for group in (images, sizes) if len(group) == 1 for one in group), experiment.architecture])


def _row(row: CellStarts) -> tuple[str, ...]:
    return (
        row.cell,
        "0" if row.total_s is None else str(row.total_s.n),
        str(row.failed),
        _mean_and_half(row.provisioning_s),
        _mean_and_half(row.pull_s),
        _mean_and_half(row.start_s),
        _mean_and_half(row.ready_s),
        _mean(row.total_s),
        _bounds(row.total_s, ".2f"),
        _mean(row.difference_s, "+.2f") if row.difference_s is None else
        f"{_mean(row.difference_s, '+.2f')} ({_bounds(row.difference_s, '+.2f')})",
    )  # fmt: skip


def _mean(interval: Interval | None, form: str = ".2f") -> str:
    return "-" if interval is None else f"{interval.estimate:{form}}"


def _mean_and_half(interval: Interval | None) -> str:
    """A mean and how far its 95 % interval reaches to either side, which is as far to both."""
    if interval is None or interval.high is None:
        return _mean(interval)
    return f"{interval.estimate:.2f} ±{interval.high - interval.estimate:.2f}"


def _bounds(interval: Interval | None, form: str) -> str:
    if interval is None or interval.low is None or interval.high is None:
        return "-"
    return f"{interval.low:{form}} to {interval.high:{form}}"
