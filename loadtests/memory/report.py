"""From a run of memory and its summary to text. Pure."""

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from common.records.memory import MemoryRow, MemoryRun, MemorySummary
from common.records.summary import Interval
from loadtests.analysis.doubts import sentences

MB = 1024**2


def table(run: MemoryRun, summary: MemorySummary) -> Table:
    """A row a cell, in MB of 1024 x 1024 bytes."""
    title = f"memory: {run.runtime} runtime, {run.rounds} fresh servers each, MB of 2^20 bytes"
    found = Table(title=escape(title), title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    found.add_column("stack", no_wrap=True)
    for heading in (
        "workers",
        "idle",
        "95 % interval",
        "anon",
        "shared",
        "kernel",
        "PSS",
        "loaded",
        "+ worker",
        "limit",
    ):
        found.add_column(heading, justify="right", no_wrap=True)
    found.add_column("verdict", no_wrap=True)
    cells = {cell.name: cell for cell in run.cells}
    added = {one.stack: one.idle_bytes for one in summary.per_worker}
    for row in summary.rows:
        cell = cells[row.cell]
        found.add_row(
            escape(cell.stack.name),
            str(cell.workers),
            *_columns(row),
            _mb(added.get(cell.stack.name)),
            "-" if row.limit_bytes is None else f"{row.limit_bytes / MB:.0f}",
            row.verdict,
        )
    return found


def notes(run: MemoryRun, summary: MemorySummary) -> Iterator[str]:
    """What a reader has to know beside the table, one sentence each."""
    if any(cell.stack.stand_in_base for cell in run.cells):
        yield "stand-in base: images stand on locally made base images, not on the official ones."
    if run.runtime == "docker":
        yield "idle: anonymous + shared + kernel memory of the container's group, without the page cache."
    else:
        yield "idle: PSS of the server's process tree, files that it maps included."
    yield f"loaded: after {run.requests:,} requests on {run.connections} connections; + worker: what one adds to idle."
    if run.limits:
        yield "limit: the least (steps of 4 MB) under which servers start and pass the load 3 times in a row."
    yield from sentences((row.cell, row.doubts) for row in summary.rows)


def _columns(row: MemoryRow) -> Iterator[str]:
    yield _estimate(row.idle_bytes)
    yield _bounds(row.idle_bytes)
    yield from ("-",) * 3 if row.parts_bytes is None else (_mb(part) for part in row.parts_bytes)
    yield _estimate(row.idle_pss_bytes)
    yield _estimate(row.loaded_bytes)


def _mb(size_bytes: float | None) -> str:
    return "-" if size_bytes is None else f"{size_bytes / MB:.1f}"


def _estimate(interval: Interval | None) -> str:
    return "-" if interval is None else _mb(interval.estimate)


def _bounds(interval: Interval | None) -> str:
    if interval is None or interval.low is None or interval.high is None:
        return "-"
    return f"{interval.low / MB:.1f} to {interval.high / MB:.1f}"
