"""Start-up times and image pulls: the summary, its figures, tables and notes. Pure."""

import statistics
from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from common.records.figure import Conditions, Figure, Metric, figure
from common.records.summary import Verdict
from common.words import counted
from loadtests.analysis.formatting import BYTES_PER_MB, bounds, estimate, number, plain_table, stand_in_notes
from loadtests.analysis.verdicts import failures, sentences, too_few
from loadtests.experiments.startup.records import (
    PageCache,
    Pull,
    PullCell,
    PullCurve,
    PullRow,
    Start,
    StartCell,
    StartRow,
    StartupRun,
    StartupSummary,
)
from loadtests.statistics.intervals import log_interval, mean

BAR_WIDTH = 14
PHASES = {"create_s": "cyan", "start_s": "blue", "bind_s": "yellow", "answer_s": "green"}
LETTERS = {"create_s": "c", "start_s": "s", "bind_s": "b", "answer_s": "a"}
STARTS = ("stack", "vCPU", "cache", "total s", "95 % interval", *LETTERS.values(), "CPU s", "py", "imp", "phases",
          "verdict")  # fmt: skip
PULLS = ("image", "link", "MB compressed", "layers", "download s", "total s", "95 % interval", "verdict")
LEFT = frozenset({"stack", "cache", "image", "link", "phases", "verdict"})

WARM_BYTES = 1_000_000
"""A warm start reads fewer bytes than this from the disk, a cold start more."""


def summarise(run: StartupRun, visits: Sequence[Start | Pull]) -> StartupSummary:
    """Return a row for each cell of the run, the fastest start first."""
    starts = [visit for visit in visits if isinstance(visit, Start)]
    pulls = [visit for visit in visits if isinstance(visit, Pull)]
    rows = [_start_row(cell, [start for start in starts if start.cell == cell.name]) for cell in run.cells]
    pulls_of = {cell.name: [pull for pull in pulls if pull.cell == cell.name] for cell in run.pulls}
    return StartupSummary(
        run=run.id,
        starts=sorted(rows, key=_total_s),
        pulls=[_pull_row(name, own) for name, own in pulls_of.items()],
        curves=list(_curves(run, pulls_of)),
    )


def _total_s(row: StartRow) -> float:
    return float("inf") if row.total_s is None else row.total_s.estimate


def _start_row(cell: StartCell, starts: Sequence[Start]) -> StartRow:
    good = [start for start in starts if start.error is None]
    reasons = {str(verdict): sentence for verdict, sentence in _start_reasons(cell, starts, good)}
    return StartRow(
        cell=cell.name,
        total_s=log_interval(_known([start.total_s for start in good])),
        create_s=mean(start.create_s for start in good),
        start_s=mean(start.start_s for start in good),
        bind_s=mean(start.bind_s for start in good),
        answer_s=mean(start.answer_s for start in good),
        cpu_s=log_interval(_known([start.cpu_s for start in good])),
        interpreter_cpu_s=log_interval([start.interpreter.cpu_s for start in good if start.interpreter]),
        app_import_cpu_s=log_interval(
            [start.app_import.cpu_s for start in good if start.app_import and start.app_import.cpu_s]
        ),
        disk_read_bytes=mean(start.disk_read_bytes for start in good),
        verdict=Verdict(next(iter(reasons), Verdict.VALID)),
        doubts=reasons,
    )


def figures(run: StartupRun, summary: StartupSummary) -> Iterator[Figure]:
    """Yield each stack's time from a warm start to its first response."""
    cells = {cell.name: cell for cell in run.cells if cell.cache is PageCache.WARM}
    for row in summary.starts:
        if row.cell in cells and row.total_s is not None:
            cell = cells[row.cell]
            conditions = Conditions(vcpu=cell.size.vcpu, workers=cell.size.workers)
            yield figure(run, cell.stack, Metric.START_S, row.total_s, row.verdict, conditions=conditions)


def _start_reasons(cell: StartCell, starts: Sequence[Start], good: Sequence[Start]) -> Iterator[tuple[Verdict, str]]:
    yield from failures(cell.stack.conformance, [start.error for start in starts])
    read = mean(start.disk_read_bytes for start in good)
    if read is not None and cell.cache is PageCache.WARM and read > WARM_BYTES:
        yield (
            Verdict.PAGE_CACHE,
            f"warm starts read {read / BYTES_PER_MB:.1f} MB from the disk; something else filled the memory.",
        )
    if read is not None and cell.cache is PageCache.COLD and read < WARM_BYTES:
        yield Verdict.PAGE_CACHE, "cold starts read next to nothing from the disk: other containers hold the files."
    yield from too_few(len(good))


def _pull_row(name: str, pulls: Sequence[Pull]) -> PullRow:
    good = [pull for pull in pulls if pull.error is None]
    found = (*failures(None, [pull.error for pull in pulls]), *too_few(len(good)))
    reasons = {str(verdict): sentence for verdict, sentence in found}
    return PullRow(
        cell=name,
        compressed_bytes=pulls[0].compressed_bytes if pulls else None,
        layers=pulls[0].layers if pulls else None,
        download_s=log_interval(_known([pull.download_s for pull in good])),
        total_s=log_interval(_known([pull.total_s for pull in good])),
        verdict=Verdict(next(iter(reasons), Verdict.VALID)),
        doubts=reasons,
    )


def _curves(run: StartupRun, pulls_of: dict[str, list[Pull]]) -> Iterator[PullCurve]:
    """Yield a line of time by size for each link over which images of different sizes were pulled."""
    for link in dict.fromkeys(cell.link for cell in run.pulls):
        pulls = [pull for cell in run.pulls if cell.link == link for pull in pulls_of[cell.name]]
        points = [(pull.compressed_bytes, pull.total_s) for pull in pulls if pull.compressed_bytes and pull.total_s]
        if len({size for size, _ in points}) > 1:
            slope, fixed_s = statistics.linear_regression(*zip(*points, strict=True))
            yield PullCurve(
                link=link,
                link_seen_bps=next((pull.link_seen_bps for pull in pulls), None),
                fixed_s=fixed_s,
                per_100_mb_s=slope * (100 * BYTES_PER_MB),
                n=len(points),
            )


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value]


def starts_table(run: StartupRun, summary: StartupSummary) -> Table:
    """Return a row for each cell, its phases side by side as one bar; all bars have one scale."""
    title = f"startup: {run.runtime} runtime, {counted(run.rounds, 'round')} on fresh servers"
    longest_s = max((row.total_s.estimate for row in summary.starts if row.total_s), default=1.0)
    cells = {cell.name: cell for cell in run.cells}
    rows = [_start_line(cells[row.cell], row, longest_s) for row in summary.starts]
    return _unwrapped(plain_table(title, STARTS, rows, left=LEFT))


def pulls_table(run: StartupRun, summary: StartupSummary) -> Table:
    """Return a row for each image and link."""
    cells = {cell.name: cell for cell in run.pulls}
    rows = [_pull_line(cells[row.cell], row) for row in summary.pulls]
    return _unwrapped(plain_table("pull into an empty engine", PULLS, rows, left=LEFT))


def notes(run: StartupRun, summary: StartupSummary) -> Iterator[str]:
    """Yield what a reader must know besides the tables, one sentence each."""
    yield from stand_in_notes(cell.stack for cell in run.cells)
    yield "c create, s start (the engine's calls), b until the port is bound, a until the first 200; seconds."
    yield "CPU s: of the server's group until the first response."
    yield "py, imp: of those, CPU seconds of the interpreter's start and of `import app`, timed separately, warm."
    if run.cold_by:
        yield f"cold: {run.cold_by}."
    for curve in summary.curves:
        measured = "" if curve.link_seen_bps is None else f" (measured: {curve.link_seen_bps / 1e6:,.0f} Mbit/s)"
        yield (
            f"{curve.link}{measured}: a pull takes {curve.fixed_s:.1f} s plus {curve.per_100_mb_s:.1f} s for each "
            f"100 MB compressed (n = {curve.n})."
        )
    reasons = [(row.cell, row.doubts) for row in summary.starts] + [(row.cell, row.doubts) for row in summary.pulls]
    yield from sentences(reasons)


def _start_line(cell: StartCell, row: StartRow, longest_s: float) -> tuple[str | Text, ...]:
    return (
        cell.stack.name,
        f"{cell.size.vcpu:g}",
        cell.cache,
        estimate(row.total_s, digits=2),
        bounds(row.total_s, digits=2),
        *(number(getattr(row, phase), digits=2) for phase in PHASES),
        *(estimate(value, digits=2) for value in (row.cpu_s, row.interpreter_cpu_s, row.app_import_cpu_s)),
        _bar(row, longest_s),
        row.verdict,
    )


def _pull_line(cell: PullCell, row: PullRow) -> tuple[str, ...]:
    return (
        cell.image,
        cell.link,
        number(row.compressed_bytes, scale=1 / BYTES_PER_MB, digits=1),
        number(row.layers),
        estimate(row.download_s, digits=2),
        estimate(row.total_s, digits=2),
        bounds(row.total_s, digits=2),
        row.verdict,
    )


def _bar(row: StartRow, longest_s: float) -> Text:
    """Return the phases as a bar of letters, which are distinguishable without colours."""
    bar = Text()
    for name, style in PHASES.items():
        share = min(1.0, (getattr(row, name) or 0.0) / longest_s)
        bar.append(LETTERS[name] * round(share * BAR_WIDTH), style=style)
    return bar


def _unwrapped(table: Table) -> Table:
    for column in table.columns:
        column.no_wrap = True
    return table
