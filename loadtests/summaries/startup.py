"""From starts and pulls to a summary: pure, records in, a record out."""

import statistics
from collections.abc import Iterator, Sequence

from common.records.figure import Conditions, Figure, Metric
from common.records.startup import Pull, PullCurve, PullRow, Start, StartCell, StartRow, StartupRun, StartupSummary
from common.records.summary import Verdict
from loadtests.analysis.intervals import log_interval
from loadtests.analysis.verdicts import failures, too_few
from loadtests.summaries.figures import figure

WARM_BYTES = 1_000_000
"""A warm start reads less than this from the disk, a cold one more."""
BYTES_PER_100_MB = 100e6


def summarise(run: StartupRun, visits: Sequence[Start | Pull]) -> StartupSummary:
    """Return a row for each cell of the run, the fastest start first."""
    starts = [visit for visit in visits if isinstance(visit, Start)]
    pulls = [visit for visit in visits if isinstance(visit, Pull)]
    rows = [_start_row(cell, [one for one in starts if one.cell == cell.name]) for cell in run.cells]
    made = {cell.name: [one for one in pulls if one.cell == cell.name] for cell in run.pulls}
    return StartupSummary(
        run=run.id,
        starts=sorted(rows, key=_total),
        pulls=[_pull_row(name, of) for name, of in made.items()],
        curves=list(_curves(run, made)),
    )


def _total(row: StartRow) -> float:
    return float("inf") if row.total_s is None else row.total_s.estimate


def _start_row(cell: StartCell, starts: Sequence[Start]) -> StartRow:
    good = [one for one in starts if one.error is None]
    seen = {str(verdict): sentence for verdict, sentence in _start_reasons(cell, starts, good)}
    return StartRow(
        cell=cell.name,
        total_s=log_interval(_known([one.total_s for one in good])),
        create_s=_mean([one.create_s for one in good]),
        start_s=_mean([one.start_s for one in good]),
        bind_s=_mean([one.bind_s for one in good]),
        answer_s=_mean([one.answer_s for one in good]),
        cpu_s=log_interval(_known([one.cpu_s for one in good])),
        interpreter_cpu_s=log_interval([one.interpreter.cpu_s for one in good if one.interpreter]),
        app_import_cpu_s=log_interval(
            [one.app_import.cpu_s for one in good if one.app_import and one.app_import.cpu_s]
        ),
        disk_read_bytes=_mean([one.disk_read_bytes for one in good]),
        verdict=Verdict(next(iter(seen), Verdict.VALID)),
        doubts=seen,
    )


def figures(run: StartupRun, summary: StartupSummary) -> Iterator[Figure]:
    """Yield the time of every stack's warm start to its first response."""
    cells = {cell.name: cell for cell in run.cells if cell.cache == "warm"}
    for row in summary.starts:
        if row.cell in cells and row.total_s is not None:
            cell = cells[row.cell]
            conditions = Conditions(vcpu=cell.size.vcpu, workers=cell.size.workers)
            yield figure(run, cell.stack, Metric.START_S, row.total_s, row.verdict, conditions=conditions)


def _start_reasons(cell: StartCell, starts: Sequence[Start], good: Sequence[Start]) -> Iterator[tuple[Verdict, str]]:
    yield from failures(cell.stack.conformance, [one.error for one in starts])
    read = _mean([one.disk_read_bytes for one in good])
    if read is not None and cell.cache == "warm" and read > WARM_BYTES:
        yield (
            Verdict.PAGE_CACHE,
            f"warm starts read {read / 1e6:.1f} MB from the disk; something else filled the memory.",
        )
    if read is not None and cell.cache == "cold" and read < WARM_BYTES:
        yield Verdict.PAGE_CACHE, "cold starts read next to nothing from the disk: other containers hold the files."
    yield from too_few(len(good))


def _pull_row(name: str, pulls: Sequence[Pull]) -> PullRow:
    good = [one for one in pulls if one.error is None]
    seen = {str(verdict): sentence for verdict, sentence in (*failures(None, [one.error for one in pulls]),
                                                             *too_few(len(good)))}  # fmt: skip
    return PullRow(
        cell=name,
        compressed_bytes=pulls[0].compressed_bytes if pulls else None,
        layers=pulls[0].layers if pulls else None,
        download_s=log_interval(_known([one.download_s for one in good])),
        total_s=log_interval(_known([one.total_s for one in good])),
        verdict=Verdict(next(iter(seen), Verdict.VALID)),
        doubts=seen,
    )


def _curves(run: StartupRun, made: dict[str, list[Pull]]) -> Iterator[PullCurve]:
    """A line for each link over which images of different sizes were pulled."""
    for link in dict.fromkeys(cell.link for cell in run.pulls):
        pulls = [one for cell in run.pulls if cell.link == link for one in made[cell.name]]
        points = [(one.compressed_bytes, one.total_s) for one in pulls if one.compressed_bytes and one.total_s]
        if len({size for size, _ in points}) > 1:
            slope, fixed_s = statistics.linear_regression(*zip(*points, strict=True))
            yield PullCurve(
                link=link,
                link_seen_bps=next((one.link_seen_bps for one in pulls), None),
                fixed_s=fixed_s,
                per_100_mb_s=slope * BYTES_PER_100_MB,
                n=len(points),
            )


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
