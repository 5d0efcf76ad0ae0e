"""From servers and limits to a summary: pure, records in, a record out."""

import statistics
from collections.abc import Iterator, Mapping, Sequence

from common.records.figure import Conditions, Figure, Metric
from common.records.memory import LimitVisit, MemoryCell, MemoryRow, MemoryRun, MemorySummary, MemoryVisit, PerWorker
from common.records.summary import Verdict
from loadtests.analysis.intervals import log_interval
from loadtests.analysis.verdicts import failures
from loadtests.summaries.figures import exact, figure


def summarise(run: MemoryRun, visits: Sequence[MemoryVisit | LimitVisit]) -> MemorySummary:
    """Return a row for each cell of the run, the leanest first, and what each worker adds."""
    servers = [visit for visit in visits if isinstance(visit, MemoryVisit)]
    found = {visit.cell: visit for visit in visits if isinstance(visit, LimitVisit)}
    by_cell = {cell.name: [one for one in servers if one.cell == cell.name] for cell in run.cells}
    rows = [_row(run, cell, by_cell[cell.name], found.get(cell.name)) for cell in run.cells]
    return MemorySummary(run=run.id, rows=sorted(rows, key=_idle), per_worker=list(_per_worker(run, by_cell)))


def limited(run: MemoryRun) -> tuple[str, ...]:
    """The cells whose smallest limit is looked for: each stack with its fewest workers, the least to be paid for."""
    fewest: dict[str, MemoryCell] = {}
    for cell in sorted(run.cells, key=lambda one: one.size.workers):
        fewest.setdefault(cell.stack.name, cell)
    return tuple(cell.name for cell in fewest.values()) if run.limits else ()


def figures(run: MemoryRun, summary: MemorySummary) -> Iterator[Figure]:
    """Yield the memory of every stack, idle and after the load, and its smallest limit, by number of workers."""
    cells = {cell.name: cell for cell in run.cells}
    for row in summary.rows:
        cell = cells[row.cell]
        conditions = Conditions(vcpu=cell.size.vcpu, workers=cell.size.workers)
        limit = None if row.limit_bytes is None else exact(row.limit_bytes)
        for metric, value in (
            (Metric.IDLE_BYTES, row.idle_bytes),
            (Metric.LOADED_BYTES, row.loaded_bytes),
            (Metric.LIMIT_BYTES, limit),
        ):
            if value is not None:
                yield figure(run, cell.stack, metric, value, row.verdict, conditions=conditions)


def _idle(row: MemoryRow) -> float:
    return float("inf") if row.idle_bytes is None else row.idle_bytes.estimate


def _row(run: MemoryRun, cell: MemoryCell, servers: Sequence[MemoryVisit], limit: LimitVisit | None) -> MemoryRow:
    idle = [one.idle for one in servers if one.idle]
    loaded = [one.loaded for one in servers if one.loaded]
    seen = {str(verdict): sentence for verdict, sentence in _reasons(run, cell, servers, limit)}
    parts = [(one.anonymous_bytes, one.shared_bytes, one.kernel_bytes) for one in idle]
    known = [[part for part in three if part is not None] for three in parts if None not in three]
    return MemoryRow(
        cell=cell.name,
        idle_bytes=log_interval([one.held_bytes for one in idle if one.held_bytes]),
        loaded_bytes=log_interval([one.held_bytes for one in loaded if one.held_bytes]),
        idle_pss_bytes=log_interval([one.pss_bytes for one in idle if one.pss_bytes]),
        parts_bytes=[statistics.mean(part) for part in zip(*known, strict=True)] if known else None,
        limit_bytes=None if limit is None else limit.limit_bytes,
        verdict=Verdict(next(iter(seen), Verdict.VALID)),
        doubts=seen,
    )


def _reasons(
    run: MemoryRun, cell: MemoryCell, servers: Sequence[MemoryVisit], limit: LimitVisit | None
) -> Iterator[tuple[Verdict, str]]:
    yield from failures(cell.stack.conformance, [one.error for one in servers])
    if run.limits and servers and limit is not None and limit.limit_bytes is None:
        yield Verdict.SERVER_DIED, f"it passed under no limit, at last: {limit.attempts[-1].why}"
    if limit is None and servers and cell.name in limited(run):
        yield Verdict.NOT_MEASURED, "no limit was looked for: the run was ended before."


def _per_worker(run: MemoryRun, by_cell: Mapping[str, Sequence[MemoryVisit]]) -> Iterator[PerWorker]:
    for stack in dict.fromkeys(cell.stack.name for cell in run.cells):
        points = [
            (cell.size.workers, one.idle.held_bytes)
            for cell in run.cells
            if cell.stack.name == stack
            for one in by_cell[cell.name]
            if one.idle and one.idle.held_bytes
        ]
        if len({workers for workers, _ in points}) > 1:
            slope, _ = statistics.linear_regression(*zip(*points, strict=True))
            yield PerWorker(stack=stack, idle_bytes=slope)
