"""The published runs as pages, and as a static site: index, all runs, one page a stack, short results.

Figures of different runs are joined only if the runs repeat each other. All links are relative. The short results,
which people and programs can quote, are ``results.md`` and ``results.json``.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
from markupsafe import Markup

from common.catalog.prices import Prices
from common.errors import UsageError
from common.host.folders import named_if_unwritable, write_files
from common.records.run import LoadRun
from common.records.schema import SCHEMA_VERSION
from common.tables import markdown_table, markdown_text
from loadtests.analysis.formatting import MISSING
from loadtests.board.columns import BY_KEY, COLUMNS, value_texts
from loadtests.board.published import published_folders
from loadtests.board.rows import Row
from loadtests.campaign.store import RunFolder
from loadtests.experiments.loadtest.report import title, warnings
from loadtests.page.answer import answer, headline, who_leads
from loadtests.page.heat import heat_maps
from loadtests.page.model import Page, make_page
from loadtests.page.pictures import Badge, pictures
from loadtests.page.run_plots import all_plots
from loadtests.page.sources import Source, Sources, is_of_hello, with_elsewhere
from loadtests.page.stacks import StackPart, part_id, stack_parts
from loadtests.page.table import make_table
from loadtests.page.writing import ABOUT, report, style, templates

MARKER = ".api-benchmark-site"
"""A file of a site, which tells its folder from others: only such a folder is written over."""
HEADINGS = ("rank", "stack", "version", BY_KEY["rate"].heading, "95 % interval")
LEFT = frozenset({"stack", "version"})


@dataclass(frozen=True, kw_only=True)
class PublishedRun:
    """A published load test, or several that repeat each other, and its page."""

    name: str
    """Name of its page and, without a number, of its folder, as ``hello-docker``."""
    page: Page
    parts: "Sequence[PublishedRun]" = ()
    """Each of several runs by itself, the first one first."""

    @property
    def run(self) -> LoadRun:
        """The manifest of the first run."""
        run = self.page.sources.runs[-1].run
        assert isinstance(run, LoadRun)
        return run

    @property
    def title(self) -> str:
        """What was measured, in one line, and in how many runs if in several."""
        return title(self.run) + (f"; {len(self.parts)} runs together" if self.parts else "")


Seen = Sequence[tuple[PublishedRun, Row]]
"""What published runs say of a stack."""


def published_runs(published: Path, prices: Prices) -> Sequence[PublishedRun]:
    """Return the published runs that can be read, repeated ones as one; ``UsageError`` if there are none.

    They come by their precedence.
    """
    series = {name: [*_read(folders)] for name, folders in published_folders(published).items()}
    every = {source.run.id: source for sources in series.values() for source in sources}
    found = [_published(name, sources, every, prices) for name, sources in series.items() if sources]
    if not found:
        raise UsageError(f"{published} holds no run. Run: make publish")
    return found


def _read(folders: Sequence[RunFolder]) -> Iterator[Source]:
    for folder in folders:
        with suppress(UsageError):
            yield Source.read(folder)


def _published(name: str, sources: Sequence[Source], every: Mapping[str, Source], prices: Prices) -> PublishedRun:
    alone = Sources(
        runs=sorted(sources, key=lambda source: source.run.started_at, reverse=True),
        beside=[] if is_of_hello(sources[0].run) else [bare for bare in every.values() if is_of_hello(bare.run)],
    )
    together = with_elsewhere(alone, (source.run for source in every.values()), lambda run: every[run.id])
    parts = [
        PublishedRun(name=f"{name}-run-{number}", page=make_page(Sources(runs=(source,)), prices))
        for number, source in enumerate(sources, 1)
    ]
    return PublishedRun(name=name, page=make_page(together, prices), parts=parts if len(parts) > 1 else ())


def whole_field(runs: Sequence[PublishedRun]) -> PublishedRun:
    """Return the first of the runs with the most frameworks, of the scenario and runtime that the first run is of."""
    alike = [run for run in runs if _kind(run) == _kind(runs[0])]
    return max(alike, key=lambda run: len({cell.framework for cell in run.run.cells}))


def _kind(published: PublishedRun) -> tuple[str, str]:
    return published.run.setup.load.scenario, published.run.runtime


def write_site(runs: Sequence[PublishedRun], folder: Path) -> list[Path]:
    """Write the site; return its files. ``UsageError`` where the folder holds something else."""
    files = [*_site(runs)]
    with named_if_unwritable(folder):
        if folder.exists() and any(folder.iterdir()) and not (folder / MARKER).is_file():
            raise UsageError(f"OUT={folder} holds something else: must be a new folder, an empty one, or a site's.")
        write_files({folder / name: content for name, content in files})
    return [folder / name for name, _ in files]


def _site(runs: Sequence[PublishedRun]) -> Iterator[tuple[str, str | bytes]]:
    field, stacks = whole_field(runs), seen_stacks(runs)
    yield MARKER, ""
    yield "index.html", _page("index.html", "index.html", field=field, headline=headline(field.page),
                              answer=answer(field.page), table=make_table(field.page),
                              stacks=[part for part, _ in stacks], pages={part.id: part.file for part, _ in stacks},
                              heats=heat_maps(run.page for run in runs),
                              plots=all_plots(field.page)[:2])  # fmt: skip
    yield "history.html", _page("history.html", "history.html", runs=[(run, who_leads(run.page)) for run in runs])
    for run in runs:
        for shown in (run, *run.parts):
            name = f"runs/{shown.name}.html"
            yield name, report(shown.page, title=shown.title, navigation=navigation(name))
    for part, seen in stacks:
        yield part.file, _page("stack_page.html", part.file, part=part, seen=seen, keys=_keys(seen))
    yield "results.md", results_md(field)
    yield "results.json", results_json(field)
    for name, text in pictures([field.page, *(run.page for run in runs)]).items():
        yield f"pictures/{name}", text
    yield from _badges(field)


def seen_stacks(runs: Sequence[PublishedRun]) -> list[tuple[StackPart, Seen]]:
    """Return each stack of any run, described as the newest one does, with what every run says of it."""
    parts, seen = dict[str, StackPart](), defaultdict[str, list[tuple[PublishedRun, Row]]](list)
    for run in runs:
        for part in stack_parts(run.page):
            parts.setdefault(part.id, part)
            seen[part.id] += ((run, row) for row in part.rows)
    return sorted(((part, seen[part.id]) for part in parts.values()), key=lambda stack: stack[0].file)


def navigation(name: str) -> Markup:
    """Return the links that every page begins with, relative to the page ``name``."""
    up = "../" * (len(PurePosixPath(name).parts) - 1)
    return Markup(templates().get_template("navigation.html").render(up=up))  # noqa: S704 -- rendered, so escaped


def _page(template: str, name: str, **values: object) -> str:
    up = "../" * (len(PurePosixPath(name).parts) - 1)
    return templates().get_template(template).render(
        title="Python API frameworks, per vCPU", about=ABOUT, style=Markup(style()),  # noqa: S704 -- a file of ours
        navigation=navigation(name), up=up, columns=BY_KEY, value_texts=value_texts, **values,
    )  # fmt: skip


def _keys(seen: Seen) -> list[str]:
    there = {key for _, row in seen for key in row.values}
    return [key for key in BY_KEY if key in there]


def _badges(field: PublishedRun) -> Iterator[tuple[str, str | bytes]]:
    for row in field.page.rows:
        if (figure := row.figures.get("rate")) is not None:
            badge, name = Badge.of(figure, field.run.machine.cpu_model), part_id(row.subject).removeprefix("stack-")
            yield f"badges/{name}.svg", badge.svg()
            yield f"badges/{name}.json", badge.endpoint()


def results_md(published: PublishedRun) -> str:
    """Return the ranked stacks of a published run as Markdown, with what was measured and when."""
    run, test = published.run, published.page.test
    ids = test.ids if test else [run.id]
    ranked = [row for row in published.page.rows if row.place is not None]
    measured = (
        f"Measured {run.started_at:%Y-%m-%d} on {run.machine.processor}, {run.machine.cores} cores; "
        f"{'run' if len(ids) == 1 else 'runs'} {', '.join(ids)}, revision {run.revision}. "
        "A rank is the range of places that the data allow among the frameworks."
    )
    lines = [
        f"# {markdown_text(published.title)}",
        "",
        *(f"**{markdown_text(warning)}**\n" for warning in (warnings(test.summary) if test else ())),
        markdown_text(measured),
        "",
        markdown_table(HEADINGS, [_line(row) for row in ranked], left=LEFT),
    ]
    return "\n".join(lines)


def results_json(published: PublishedRun) -> bytes:
    """Return the same as JSON, with every figure of each stack."""
    run = published.run
    document = {
        "schema_version": SCHEMA_VERSION,
        "run": run.id,
        "runs": published.page.test.ids if published.page.test else [run.id],
        "measured_at": run.started_at,
        "revision": run.revision,
        "machine": run.machine,
        "scenario": run.setup.load.scenario,
        "runtime": run.runtime,
        "vcpu": run.setup.size.vcpu,
        "stacks": [dict(_members(row)) for row in published.page.rows],
    }
    return msgspec.json.format(msgspec.json.encode(document)) + b"\n"


def _members(row: Row) -> Iterator[tuple[str, Any]]:
    yield "stack", row.subject.name
    yield "subject", row.subject
    yield "version", row.version
    yield "verdict", row.verdict
    yield "rank", None if row.rank is None else {"first": row.rank.first, "last": row.rank.last, "of": row.rank.of}
    yield "ties", [] if row.rank is None else list(row.rank.ties)
    known = [column for column in COLUMNS if column.key in row.values]
    yield "figures", {column.key: {"unit": column.unit, "value": row.values[column.key]} for column in known}


def _line(row: Row) -> tuple[str, ...]:
    rank = row.rank.text if row.rank else ""
    return rank, row.subject.name, row.version or MISSING, *value_texts(row.values.get("rate"), BY_KEY["rate"])
