"""The memory that stacks need: the summary, its figures and its table. Pure."""

import statistics
from collections.abc import Iterator, Mapping, Sequence

from rich.table import Table

from common.catalog.sizes import Runtime
from common.records.figure import Conditions, Figure, Metric, exact, figure
from common.records.summary import Verdict
from common.words import counted
from loadtests.analysis.formatting import MB, MISSING, bounds, estimate, number, plain_table, stand_in_notes
from loadtests.analysis.verdicts import failures, sentences
from loadtests.experiments.memory.records import (
    LimitVisit,
    MemoryCell,
    MemoryRow,
    MemoryRun,
    MemorySummary,
    MemoryVisit,
    PerWorker,
)
from loadtests.statistics.intervals import log_interval, most_failing

HEADINGS = ("stack", "workers", "idle", "95 % interval", "anon", "shared", "kernel", "PSS", "loaded", "+ worker",
            "limit", "verdict")  # fmt: skip
LEFT = frozenset({"stack", "verdict"})


def summarise(run: MemoryRun, visits: Sequence[MemoryVisit | LimitVisit]) -> MemorySummary:
    """Return a row for each cell, the smallest idle memory first, and the memory that each worker adds."""
    servers = [visit for visit in visits if isinstance(visit, MemoryVisit)]
    limits = {visit.cell: visit for visit in visits if isinstance(visit, LimitVisit)}
    by_cell = {cell.name: [server for server in servers if server.cell == cell.name] for cell in run.cells}
    rows = [_row(run, cell, by_cell[cell.name], limits.get(cell.name)) for cell in run.cells]
    return MemorySummary(run=run.id, rows=sorted(rows, key=_idle_bytes), per_worker=list(_per_worker(run, by_cell)))


def limited(run: MemoryRun) -> tuple[str, ...]:
    """Return the cells whose smallest limit is searched for: each stack with its fewest workers."""
    fewest: dict[str, MemoryCell] = {}
    for cell in sorted(run.cells, key=lambda cell: cell.size.workers):
        fewest.setdefault(cell.stack.name, cell)
    return tuple(cell.name for cell in fewest.values()) if run.limits else ()


def figures(run: MemoryRun, summary: MemorySummary) -> Iterator[Figure]:
    """Yield each stack's memory, idle and after load, and its smallest limit, by number of workers."""
    cells = {cell.name: cell for cell in run.cells}
    for row in summary.rows:
        cell = cells[row.cell]
        conditions = Conditions(vcpu=cell.size.vcpu, workers=cell.size.workers)
        limit = None if row.limit_bytes is None else exact(row.limit_bytes)
        for metric, value, verdict in (
            (Metric.IDLE_BYTES, row.idle_bytes, row.held_verdict),
            (Metric.LOADED_BYTES, row.loaded_bytes, row.held_verdict),
            (Metric.LIMIT_BYTES, limit, row.verdict),
        ):
            if value is not None:
                yield figure(run, cell.stack, metric, value, verdict, conditions=conditions)


def _idle_bytes(row: MemoryRow) -> float:
    return float("inf") if row.idle_bytes is None else row.idle_bytes.estimate


def _row(run: MemoryRun, cell: MemoryCell, servers: Sequence[MemoryVisit], limit: LimitVisit | None) -> MemoryRow:
    idle = [server.idle for server in servers if server.idle]
    loaded = [server.loaded for server in servers if server.loaded]
    held = dict(failures(cell.stack.conformance, [server.error for server in servers]))
    reasons = {**held, **dict(_limit_reasons(run, cell, servers, limit))}
    parts = [(use.anonymous_bytes, use.shared_bytes, use.kernel_bytes) for use in idle]
    known = [[part for part in three if part is not None] for three in parts if None not in three]
    return MemoryRow(
        cell=cell.name,
        idle_bytes=log_interval([use.held_bytes for use in idle if use.held_bytes]),
        loaded_bytes=log_interval([use.held_bytes for use in loaded if use.held_bytes]),
        requests=next((server.requests for server in servers if server.requests not in {None, run.requests}), None),
        idle_pss_bytes=log_interval([use.pss_bytes for use in idle if use.pss_bytes]),
        parts_bytes=[statistics.mean(part) for part in zip(*known, strict=True)] if known else None,
        limit_bytes=None if limit is None else limit.limit_bytes,
        limit_starts=None if limit is None or limit.limit_bytes is None else _starts(limit),
        held_verdict=next(iter(held), Verdict.VALID),
        verdict=next(iter(reasons), Verdict.VALID),
        doubts={str(verdict): sentence for verdict, sentence in reasons.items()},
    )


def _limit_reasons(
    run: MemoryRun, cell: MemoryCell, servers: Sequence[MemoryVisit], limit: LimitVisit | None
) -> Iterator[tuple[Verdict, str]]:
    """Yield why no smallest limit is known although it was asked for."""
    if run.limits and servers and limit is not None and limit.limit_bytes is None:
        yield Verdict.SERVER_DIED, f"it passed under no limit, at last: {limit.attempts[-1].why}"
    if limit is None and servers and cell.name in limited(run):
        yield Verdict.NOT_MEASURED, "no limit was looked for: the run was ended before."


def _per_worker(run: MemoryRun, by_cell: Mapping[str, Sequence[MemoryVisit]]) -> Iterator[PerWorker]:
    for stack in dict.fromkeys(cell.stack.name for cell in run.cells):
        points = [
            (cell.size.workers, server.idle.held_bytes)
            for cell in run.cells
            if cell.stack.name == stack
            for server in by_cell[cell.name]
            if server.idle and server.idle.held_bytes
        ]
        if len({workers for workers, _ in points}) > 1:
            slope, _ = statistics.linear_regression(*zip(*points, strict=True))
            yield PerWorker(stack=stack, idle_bytes=slope)


def table(run: MemoryRun, summary: MemorySummary) -> Table:
    """Return a row for each cell, in MB of 1024 x 1024 bytes."""
    title = f"memory: {run.runtime} runtime, {counted(run.rounds, 'fresh server')} each, MB of 2^20 bytes"
    cells = {cell.name: cell for cell in run.cells}
    added = {slope.stack: slope.idle_bytes for slope in summary.per_worker}
    rows = [_line(cells[row.cell], row, added.get(cells[row.cell].stack.name)) for row in summary.rows]
    return plain_table(title, HEADINGS, rows, left=LEFT)


def notes(run: MemoryRun, summary: MemorySummary) -> Iterator[str]:
    """Yield what a reader must know besides the table, one sentence each."""
    yield from stand_in_notes(cell.stack for cell in run.cells)
    if run.runtime is Runtime.DOCKER:
        yield "idle: anonymous + shared + kernel memory of the container's group, without the page cache."
    else:
        yield "idle: PSS of the server's process tree, mapped files included."
    yield f"loaded: after {run.requests:,} requests on {run.connections} connections; + worker: what one adds to idle."
    if more := [row for row in summary.rows if row.requests is not None]:
        names = ", ".join(row.cell for row in more)
        yield f"loaded: after {more[0].requests:,} requests where the server may compile its code: {names}."
    if run.limits:
        yield "limit: the smallest (in steps of 4 MB) under which servers start and pass the load 3 times in a row."
        yield from _bounds_of_limits(summary)
    yield from sentences((row.cell, row.doubts) for row in summary.rows)


def _starts(limit: LimitVisit) -> int:
    return sum(attempt.limit_bytes == limit.limit_bytes and attempt.passed for attempt in limit.attempts)


def _bounds_of_limits(summary: MemorySummary) -> Iterator[str]:
    """Yield how many starts under their limits the rows stand on, and how many may fail all the same."""
    for count in sorted({row.limit_starts for row in summary.rows if row.limit_starts}):
        names = [row.cell for row in summary.rows if row.limit_starts == count]
        which = "" if len(names) == sum(bool(row.limit_starts) for row in summary.rows) else f" of {', '.join(names)}"
        seen = f"under the limit{which}, 0 of {counted(count, 'start')} failed"
        yield f"{seen}, so with 95 % confidence at most {most_failing(count):.0%} of starts fail."


def _line(cell: MemoryCell, row: MemoryRow, per_worker: float | None) -> tuple[str, ...]:
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
