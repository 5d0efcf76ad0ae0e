"""The report of start-up times and pulls. Pure."""

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from common.catalog.numbers import counted
from common.records.experiments.startup import PullCell, PullRow, StartCell, StartRow, StartupRun, StartupSummary
from loadtests.analysis.verdicts import sentences
from loadtests.reports.formatting import bounds, estimate, number, plain_table, stand_in_notes

BAR_WIDTH = 14
PHASES = {"create_s": "cyan", "start_s": "blue", "bind_s": "yellow", "answer_s": "green"}
LETTERS = {"create_s": "c", "start_s": "s", "bind_s": "b", "answer_s": "a"}
STARTS = ("stack", "vCPU", "cache", "total s", "95 % interval", *LETTERS.values(), "CPU s", "py", "imp", "phases",
          "verdict")  # fmt: skip
PULLS = ("image", "link", "MB compressed", "layers", "download s", "total s", "95 % interval", "verdict")
LEFT = frozenset({"stack", "cache", "image", "link", "phases", "verdict"})
BYTES_PER_MB = 1e6


def starts_table(run: StartupRun, summary: StartupSummary) -> Table:
    """Return a row for each cell, its phases side by side as one bar; all bars have one scale."""
    title = f"startup: {run.runtime} runtime, {counted(run.rounds, 'round')} on fresh servers"
    longest_s = max((row.total_s.estimate for row in summary.starts if row.total_s), default=1.0)
    cells = {cell.name: cell for cell in run.cells}
    rows = [_start_row(cells[row.cell], row, longest_s) for row in summary.starts]
    return _unwrapped(plain_table(title, STARTS, rows, left=LEFT))


def pulls_table(run: StartupRun, summary: StartupSummary) -> Table:
    """Return a row for each image and link."""
    cells = {cell.name: cell for cell in run.pulls}
    rows = [_pull_row(cells[row.cell], row) for row in summary.pulls]
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


def _start_row(cell: StartCell, row: StartRow, longest_s: float) -> tuple[str | Text, ...]:
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


def _pull_row(cell: PullCell, row: PullRow) -> tuple[str, ...]:
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
