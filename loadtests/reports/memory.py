"""The report of memory use. Pure."""

from collections.abc import Iterator

from rich.table import Table

from common.catalog.numbers import counted
from common.catalog.runtimes import Runtime
from common.records.experiments.memory import MemoryCell, MemoryRow, MemoryRun, MemorySummary
from loadtests.analysis.verdicts import sentences
from loadtests.reports.formatting import MB, MISSING, bounds, estimate, number, plain_table, stand_in_notes

HEADINGS = ("stack", "workers", "idle", "95 % interval", "anon", "shared", "kernel", "PSS", "loaded", "+ worker",
            "limit", "verdict")  # fmt: skip
LEFT = frozenset({"stack", "verdict"})


def table(run: MemoryRun, summary: MemorySummary) -> Table:
    """Return a row for each cell, in MB of 1024 x 1024 bytes."""
    title = f"memory: {run.runtime} runtime, {counted(run.rounds, 'fresh server')} each, MB of 2^20 bytes"
    cells = {cell.name: cell for cell in run.cells}
    added = {slope.stack: slope.idle_bytes for slope in summary.per_worker}
    rows = [_row(cells[row.cell], row, added.get(cells[row.cell].stack.name)) for row in summary.rows]
    return plain_table(title, HEADINGS, rows, left=LEFT)


def notes(run: MemoryRun, summary: MemorySummary) -> Iterator[str]:
    """Yield what a reader must know besides the table, one sentence each."""
    yield from stand_in_notes(cell.stack for cell in run.cells)
    if run.runtime is Runtime.DOCKER:
        yield "idle: anonymous + shared + kernel memory of the container's group, without the page cache."
    else:
        yield "idle: PSS of the server's process tree, mapped files included."
    yield f"loaded: after {run.requests:,} requests on {run.connections} connections; + worker: what one adds to idle."
    if run.limits:
        yield "limit: the smallest (in steps of 4 MB) under which servers start and pass the load 3 times in a row."
    yield from sentences((row.cell, row.doubts) for row in summary.rows)


def _row(cell: MemoryCell, row: MemoryRow, per_worker: float | None) -> tuple[str, ...]:
    parts = row.parts_bytes
    return (
        cell.stack.name,
        str(cell.size.workers),
        estimate(row.idle_bytes, scale=1 / MB, digits=1),
        bounds(row.idle_bytes, scale=1 / MB, digits=1),
        *((MISSING,) * 3 if parts is None else (number(part, scale=1 / MB, digits=1) for part in parts)),
        estimate(row.idle_pss_bytes, scale=1 / MB, digits=1),
        estimate(row.loaded_bytes, scale=1 / MB, digits=1),
        number(per_worker, scale=1 / MB, digits=1),
        number(row.limit_bytes, scale=1 / MB),
        row.verdict,
    )
