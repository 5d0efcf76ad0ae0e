"""From a run of starts and its summary to text. Pure."""

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from common.records.startup import PullRow, StartRow, StartupRun, StartupSummary
from common.records.summary import Interval
from loadtests.analysis.doubts import sentences
from loadtests.startup.summary import bounds

BAR_WIDTH = 14
PHASES = {"create_s": "cyan", "start_s": "blue", "bind_s": "yellow", "answer_s": "green"}
LETTERS = {"create_s": "c", "start_s": "s", "bind_s": "b", "answer_s": "a"}


def starts_table(run: StartupRun, summary: StartupSummary) -> Table:
    """A row a cell, its phases side by side as one bar; bars are to one scale."""
    where = f"{run.runtime} runtime, {run.rounds} rounds on fresh servers"
    found = Table(
        title=escape(f"startup: {where}"), title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False
    )
    for heading in ("stack", "vCPU", "cache"):
        found.add_column(heading, no_wrap=True)
    for heading in ("total s", "95 % interval", *LETTERS.values(), "CPU s", "py", "imp"):
        found.add_column(heading, justify="right", no_wrap=True)
    found.add_column("phases", no_wrap=True)
    found.add_column("verdict", no_wrap=True)
    longest_s = max((row.total_s.estimate for row in summary.starts if row.total_s), default=1.0)
    cells = {cell.name: cell for cell in run.cells}
    for row in summary.starts:
        cell = cells[row.cell]
        found.add_row(
            escape(cell.stack.name),
            f"{cell.vcpu:g}",
            cell.cache,
            *_start_columns(row),
            _bar(row, longest_s),
            row.verdict,
        )
    return found


def pulls_table(run: StartupRun, summary: StartupSummary) -> Table:
    """A row an image and link."""
    found = Table(
        title="pull into an empty engine", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False
    )
    found.add_column("image", no_wrap=True)
    found.add_column("link", no_wrap=True)
    for heading in ("MB compressed", "layers", "download s", "total s", "95 % interval"):
        found.add_column(heading, justify="right", no_wrap=True)
    found.add_column("verdict", no_wrap=True)
    cells = {cell.name: cell for cell in run.pulls}
    for row in summary.pulls:
        found.add_row(escape(cells[row.cell].image), cells[row.cell].link, *_pull_columns(row), row.verdict)
    return found


def notes(run: StartupRun, summary: StartupSummary) -> Iterator[str]:
    """What a reader has to know beside the tables, one sentence each."""
    if any(cell.stack.stand_in_base for cell in run.cells):
        yield "stand-in base: images stand on locally made base images, not on the official ones."
    yield "c create, s start (the engine's calls), b until the port is bound, a until the first 200; seconds."
    yield "CPU s: of the server's group until the first answer."
    yield "py, imp: CPU s of it for the interpreter's start and for `import app`, timed beside a server, warm."
    if run.cold_by:
        yield f"cold: {run.cold_by}."
    for curve in summary.curves:
        seen = "" if curve.link_seen_bps is None else f" (seen: {curve.link_seen_bps / 1e6:,.0f} Mbit/s)"
        yield (
            f"{curve.link}{seen}: a pull takes {curve.fixed_s:.1f} s and {curve.per_100_mb_s:.1f} s more for each "
            f"100 MB compressed (n = {curve.n})."
        )
    doubts = [(row.cell, row.doubts) for row in summary.starts] + [(row.cell, row.doubts) for row in summary.pulls]
    yield from sentences(doubts)


def _start_columns(row: StartRow) -> Iterator[str]:
    yield _estimate(row.total_s)
    yield bounds(row.total_s)
    for value in (row.create_s, row.start_s, row.bind_s, row.answer_s):
        yield "-" if value is None else f"{value:.2f}"
    for interval in (row.cpu_s, row.interpreter_cpu_s, row.app_import_cpu_s):
        yield _estimate(interval)


def _pull_columns(row: PullRow) -> Iterator[str]:
    yield "-" if row.compressed_bytes is None else f"{row.compressed_bytes / 1e6:.1f}"
    yield "-" if row.layers is None else str(row.layers)
    yield _estimate(row.download_s)
    yield _estimate(row.total_s)
    yield bounds(row.total_s)


def _bar(row: StartRow, longest_s: float) -> Text:
    """The phases one after the other, as letters, so that they can be told apart without colours."""
    bar = Text()
    for name, style in PHASES.items():
        bar.append(LETTERS[name] * round((getattr(row, name) or 0.0) / longest_s * BAR_WIDTH), style=style)
    return bar


def _estimate(interval: Interval | None, *, digits: int = 2) -> str:
    return "-" if interval is None else f"{interval.estimate:.{digits}f}"
