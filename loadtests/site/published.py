"""The published runs, each with its page, and the short results of one that people and programs can quote.

Figures of different runs are never joined here. The short results are ``results.md`` and ``results.json``.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from common.catalog.prices import Prices
from common.errors import UsageError
from common.records.run import LoadRun
from common.records.schema import SCHEMA_VERSION
from common.tables import markdown_table
from loadtests.board.publication import precedence
from loadtests.campaign.store import RunFolder
from loadtests.page.columns import BY_KEY
from loadtests.page.model import Page, StackRow, make_page
from loadtests.page.sources import Source, Sources
from loadtests.page.table import value_texts
from loadtests.reports.formatting import MISSING
from loadtests.reports.throughput import title, warnings

HEADINGS = ("rank", "stack", "version", "req/s per vCPU", "95 % interval")
LEFT = frozenset({"stack", "version"})


@dataclass(frozen=True, kw_only=True)
class PublishedRun:
    """A published load test and its page."""

    name: str
    """Name of its folder, as ``hello-docker``."""
    run: LoadRun
    page: Page


def published_runs(published: Path, prices: Prices) -> Sequence[PublishedRun]:
    """Return every published run that can be read; ``UsageError`` if there is none. They come by their precedence."""
    found = []
    for file in sorted(published.glob("*/run.json")):
        with suppress(UsageError):
            found.append(_read(RunFolder(folder=file.parent), prices))
    if not found:
        raise UsageError(f"{published} holds no run. Run: make publish")
    return sorted(found, key=lambda one: precedence(one.name, one.run), reverse=True)


def _read(folder: RunFolder, prices: Prices) -> PublishedRun:
    source = Source.read(folder)
    assert isinstance(source.run, LoadRun)
    return PublishedRun(name=folder.folder.name, run=source.run, page=make_page(Sources(runs=(source,)), prices))


def results_md(published: PublishedRun) -> str:
    """Return the ranked stacks of a published run as Markdown, with what was measured and when."""
    run, test = published.run, published.page.test
    ranked = [row for row in published.page.rows if row.rank is not None]
    measured = (
        f"Measured {run.started_at:%Y-%m-%d} on {run.machine.cpu_model}, {run.machine.cores} cores; run {run.id}, "
        f"revision {run.revision}. A rank is the range of places that the data allow."
    )
    lines = [
        f"# {title(run)}",
        "",
        *(f"**{one}**\n" for one in (warnings(test.summary) if test else ())),
        measured,
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
        "measured_at": run.started_at,
        "revision": run.revision,
        "machine": run.machine,
        "scenario": run.setup.load.scenario,
        "runtime": run.runtime,
        "vcpu": run.setup.size.vcpu,
        "stacks": [dict(_members(row)) for row in published.page.rows],
    }
    return msgspec.json.format(msgspec.json.encode(document)) + b"\n"


def _members(row: StackRow) -> Iterator[tuple[str, Any]]:
    yield "stack", row.subject.name
    yield "subject", row.subject
    yield "version", row.version
    yield "verdict", row.verdict
    yield "rank", None if row.rank is None else {"first": row.rank.first, "last": row.rank.last, "of": row.rank.of}
    yield "ties", [] if row.rank is None else list(row.rank.ties)
    yield "figures", {key: {"unit": BY_KEY[key].unit, "value": value} for key, value in row.values.items()}


def _line(row: StackRow) -> tuple[str, ...]:
    rank = row.rank.text if row.rank else ""
    return rank, row.subject.name, row.version or MISSING, *value_texts(row, "rate")
