"""From a page's model to HTML, and to the files of data that the page itself holds: JSON, CSV, the JSON Schema.

Whatever is not markup of our own is escaped by the template engine.
"""

import base64
import csv
import gzip
import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from common.records.figure import Figure
from common.records.window import Window
from common.tables import spreadsheet_cells
from common.words import counted
from loadtests.analysis.formatting import over_what
from loadtests.analysis.values import requests_per_cpu_s
from loadtests.board.columns import BY_KEY, COLUMNS
from loadtests.board.rows import Row
from loadtests.experiments.loadtest.report import title as title_of
from loadtests.page.answer import answer, headline
from loadtests.page.heat import heat_maps
from loadtests.page.model import Page
from loadtests.page.run_plots import all_plots
from loadtests.page.sources import JoinedLoadTest, Source
from loadtests.page.stacks import part_id, stack_parts
from loadtests.page.table import OWN_FLOOR, choices, known_columns, make_table, script_data

TEMPLATES = Path(__file__).with_name("templates")
ABOUT = "Requests per second per vCPU, latency, image size, start, memory and cost of Python API frameworks"

LARGE_DOWNLOAD_BYTES = 60_000


@cache
def templates() -> Environment:
    """Return the templates; every value is escaped, and a name that is not given is an error."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.globals |= {"breakable": _breakable, "part_id": part_id, "source_hash": _source_hash}
    return environment


@cache
def style() -> str:
    """Return the style of all pages."""
    dark = f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {style_file('dark.css')} }} }}"
    return f"{style_file('page.css')}{dark}{style_file('charts.css')}"


def report(
    page: Page,
    *,
    title: str = "Python API frameworks, per vCPU",
    navigation: Markup = Markup(),  # noqa: B008 -- empty
    with_data: bool = True,
) -> str:
    """Return the whole page, which needs no other file; ``with_data`` says whether it offers its data as files."""
    return templates().get_template("report.html").render(
        title=title,
        about=ABOUT,
        style=Markup(style()),  # noqa: S704 -- a file of ours
        script=Markup(style_file("page.js")),  # noqa: S704 -- a file of ours
        script_data=Markup(script_data(page)),  # noqa: S704 -- JSON without a "<"
        navigation=navigation,
        measured=_measured(page),
        warnings=page.sources.left_out,
        headline=headline(page),
        answer=answer(page),
        heats=heat_maps([page]),
        own_floor=OWN_FLOOR,
        choices=choices(page),
        table=make_table(page),
        notes=list(_notes(page)),
        plots=all_plots(page),
        parts=stack_parts(page),
        downloads=downloads(page) if with_data else [],
        runs=[_run_line(source) for source in page.sources.runs],
    )  # fmt: skip


def style_file(name: str) -> str:
    """Return the text of a file beside the templates."""
    return (TEMPLATES / name).read_text()


def _source_hash(source: str) -> str:
    """Return the source of a content policy that admits exactly this script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def _breakable(name: str) -> Markup:
    """Return a stack's name that may be broken between its parts."""
    return Markup("<wbr>").join(re.split(r"(?=[+@])", name))


def _measured(page: Page) -> str:
    runs = page.sources.runs
    machine, dates = runs[0].run.machine, sorted(f"{source.run.started_at:%Y-%m-%d}" for source in runs)
    when = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    return f"{counted(len(runs), 'run')} on {machine.processor}, {machine.cores} cores, Linux {machine.kernel}, {when}."


def _notes(page: Page) -> Iterator[str]:
    """Yield what a reader has to know beside the table."""
    if page.test is not None:
        yield f"{_judges(page.test)}: {title_of(page.test.run)}."
    known = known_columns(page)
    for column in known:
        yield f"{column.heading}: {column.about}"
    if missing := [column for column in COLUMNS if column.shown and column not in known]:
        commands = dict.fromkeys(f"make {column.command}" for column in missing)
        yield f"Not measured: {', '.join(column.heading for column in missing)} ({', '.join(commands)})."
    if rates := [row.figures["rate"] for row in page.rows if "rate" in row.figures]:
        yield f"Intervals of rates are {over_what(rates)}."
    newest = "figure is the newest valid one of its kind"
    if any(row.values.keys() & {"over", "busy"} for row in page.rows):
        own = f'The columns "{BY_KEY["over"].heading}" and "{BY_KEY["busy"].heading}" are'
        yield f"{own} of the load test that gives the stack's verdict; every other {newest}."
    else:
        yield f"Every {newest}; different columns may come from different runs."
    if any(not row.keep_alive for row in page.rows):
        yield "closing: the server closes each connection after each response; a request costs it a new connection."


def _judges(test: JoinedLoadTest) -> str:
    """Return which run ranks, or which runs do together and how."""
    if len(test.ids) == 1:
        return f"Ranks and verdicts are those of run {test.run.id}"
    runs = f"{test.these.removeprefix('these ')} {', '.join(test.ids)}"
    return f"Ranks and verdicts are those of the {runs} together"


def _run_line(source: Source) -> str:
    run = source.run
    return f"{run.id}: {' '.join(run.command_line[-1:])}, revision {run.revision or 'unknown'}, seed {run.seed}"


@dataclass(frozen=True, kw_only=True)
class Download:
    """A file that the page offers."""

    name: str
    about: str
    address: str


def downloads(page: Page) -> list[Download]:
    """Return the files of a page."""
    figures, runs = page.sources.newest_figures, [source.run for source in page.sources.runs]
    return [
        _download("figures.json", "application/json", "every figure with its interval, verdict, run and date",
                  msgspec.json.encode(figures)),
        _download("table.csv", "text/csv", "the table as it is here", table_csv(page.rows).encode()),
        _download("figures.schema.json", "application/json", "the JSON Schema of figures.json",
                  msgspec.json.encode(msgspec.json.schema(list[Figure]))),
        _download("manifests.json", "application/json", "what was measured, on which machine, how: each run.json",
                  msgspec.json.encode(runs)),
        _download("windows.csv", "text/csv", "one line for each window of the load test that ranks",
                  _windows_csv(page).encode()),
    ]  # fmt: skip


def _download(name: str, kind: str, about: str, content: bytes) -> Download:
    """Return a file as an address that holds it; a large one is compressed, which its name says."""
    if len(content) > LARGE_DOWNLOAD_BYTES:
        name, kind, content = f"{name}.gz", "application/gzip", gzip.compress(content, mtime=0)
    return Download(name=name, about=about, address=f"data:{kind};base64,{base64.b64encode(content).decode()}")


def table_csv(rows: Sequence[Row]) -> str:
    """Return the table with each figure's estimate and bounds in columns of their own."""
    headings = ["stack", "framework", "server", "image", "runtime", "vcpu", "version", "interface", "keep_alive",
                "rank_first", "rank_last", "verdict"]  # fmt: skip
    every = [*headings, *(f"{column.key}{end}" for column in COLUMNS for end in ("", "_low", "_high"))]
    return _csv([every, *(_line(row) for row in rows)])


def _line(row: Row) -> list[object]:
    stack, rank = row.subject, row.rank
    found: list[object] = [
        *(stack.name, stack.framework, stack.server, stack.image, stack.runtime, row.vcpu, row.version, row.interface),
        *(row.keep_alive, rank and rank.first, rank and rank.last, row.verdict),
    ]
    for column in COLUMNS:
        value = row.values.get(column.key)
        found += [None] * 3 if value is None else [value.estimate, value.low, value.high]
    return found


def _windows_csv(page: Page) -> str:
    headings = ["run", "cell", "round", "position", "started_at", "requests", "duration_s", "server_cpu_s",
                "requests_per_cpu_s", "p50_s", "p99_s", "error"]  # fmt: skip
    return _csv([headings, *_window_lines(page)])


def _window_lines(page: Page) -> Iterator[list[object]]:
    for window in page.test.visits if page.test else ():
        if isinstance(window, Window):
            load = window.load
            latency = load.latency_s if load else None
            yield [window.run, window.cell, window.round, window.position, window.started_at.isoformat(),
                   load and load.requests, load and load.duration_s, load and load.server_cpu_s,
                   requests_per_cpu_s(load), latency and latency.p50, latency and latency.p99,
                   window.error]  # fmt: skip


def _csv(lines: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(map(spreadsheet_cells, lines))
    return text.getvalue()
