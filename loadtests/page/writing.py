"""From a page's model to HTML. Whatever is not markup of our own is escaped by the template engine."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from common.catalog.numbers import counted
from loadtests.page.answer import answer
from loadtests.page.columns import COLUMNS
from loadtests.page.downloads import downloads
from loadtests.page.model import Page
from loadtests.page.plots import label
from loadtests.page.run_plots import all_plots
from loadtests.page.sources import Source
from loadtests.page.stacks import stack_parts
from loadtests.page.table import choices, script_data, shown_columns, table_rows
from loadtests.reports.throughput import title as title_of

TEMPLATES = Path(__file__).with_name("templates")
ABOUT = "Requests per second per vCPU, latency, image size, start, memory and cost of Python API frameworks"


@cache
def templates() -> Environment:
    """Return the templates; every value is escaped, and a name that is not given is an error."""
    return Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip


@cache
def style() -> str:
    """Return the style of all pages."""
    dark = f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {style_file('dark.css')} }} }}"
    return f"{style_file('page.css')}{dark}{style_file('charts.css')}"


def report(page: Page, *, title: str = "Python API frameworks, per vCPU", navigation: Markup = Markup()) -> str:  # noqa: B008 -- empty
    """Return the whole page, which needs no other file."""
    return templates().get_template("report.html").render(
        title=title,
        about=ABOUT,
        style=Markup(style()),  # noqa: S704 -- a file of ours
        script=Markup(style_file("page.js")),  # noqa: S704 -- a file of ours
        script_data=Markup(script_data(page)),  # noqa: S704 -- JSON without a "<"
        navigation=navigation,
        measured=_measured(page),
        warnings=page.sources.left_out,
        answer=answer(page),
        columns=COLUMNS,
        shown=shown_columns(page),
        breakable=_breakable,
        named=_named,
        choices=choices(page),
        table=table_rows(page),
        labels=[label(row, page) for row in page.rows],
        notes=list(_notes(page)),
        plots=all_plots(page),
        parts=stack_parts(page),
        downloads=downloads(page),
        runs=[_run_line(source) for source in page.sources.runs],
    )  # fmt: skip


def style_file(name: str) -> str:
    """Return the text of a file beside the templates."""
    return (TEMPLATES / name).read_text()


def _breakable(name: str) -> Markup:
    """Return a stack's name that may be broken between its parts."""
    return Markup("<wbr>").join(re.split(r"(?=[+@])", name))


def _named(names: Sequence[str]) -> Markup:
    """Return names that may be broken between their parts, with commas between them."""
    return Markup(", ").join(_breakable(name) for name in names)


def _measured(page: Page) -> str:
    runs = page.sources.runs
    machine, dates = runs[0].run.machine, sorted(f"{one.run.started_at:%Y-%m-%d}" for one in runs)
    when = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    return f"{counted(len(runs), 'run')} on {machine.processor}, {machine.cores} cores, Linux {machine.kernel}, {when}."


def _notes(page: Page) -> Iterator[str]:
    """Yield what a reader has to know beside the table."""
    if page.test is not None:
        yield f"Ranks and verdicts are those of run {page.test.run.id}: {title_of(page.test.run)}."
    shown = shown_columns(page)
    for column in COLUMNS:
        if column.key in shown:
            yield f"{column.heading}: {column.about}"
    if missing := [column for column in COLUMNS if column.shown and column.key not in shown]:
        commands = dict.fromkeys(f"make {column.command}" for column in missing)
        yield f"Not measured: {', '.join(column.heading for column in missing)} ({', '.join(commands)})."
    yield "Every figure is the newest valid one of its kind; different columns may come from different runs."
    if any(not row.keep_alive for row in page.rows):
        yield "closing: the server closes each connection after each response; a request costs it a new connection."


def _run_line(source: Source) -> str:
    run = source.run
    return f"{run.id}: {' '.join(run.command_line[-1:])}, revision {run.revision or 'unknown'}, seed {run.seed}"
