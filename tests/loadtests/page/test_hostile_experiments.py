"""Every string of every kind of record is only text, to each experiment's own tables and notes and to the report."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Union

import msgspec
import pytest
from rich.table import Table

from common.catalog.prices import load_prices
from common.console import Terminal, _Console
from common.project import ROOT
from common.tables import as_csv, as_markdown
from loadtests.campaign.catalog import experiment_of, run_types, visit_types
from loadtests.campaign.store import RunFolder
from loadtests.page.model import make_page
from loadtests.page.sources import Source, Sources
from loadtests.page.writing import report
from tests.support.hostile import HOSTILE, Exchange, Markup, is_formula, markdown_blocks, unprintable

RUNS = sorted(path.parent for path in (ROOT / "tests" / "golden").glob("*/visits.jsonl"))


def _source(folder: Path, text: str | None) -> Source:
    """Return a recorded run with its strings exchanged, after it was written and read again."""
    recorded, exchange = RunFolder(folder=folder), Exchange(text or "")
    run, visits = recorded.run(), recorded.visits()
    if text is not None:
        run = _read_again(exchange.of(run), run_types())
        visits = [_read_again(exchange.of(visit), visit_types()) for visit in visits]
    experiment = experiment_of(run)
    summary = experiment.summarise(visits)
    figures = list(experiment.figures(summary))
    return Source(run=run, visits=visits, summary=summary, figures=figures, stacks=list(experiment.stacks()))


def _read_again(record: Any, kinds: tuple[type, ...]) -> Any:  # noqa: ANN401 -- one of the kinds
    return msgspec.json.decode(msgspec.json.encode(record), type=Union[kinds])  # noqa: UP007 -- types that are found


def _tables(source: Source) -> list[Table]:
    return [one for one in experiment_of(source.run).tables(source.summary) if isinstance(one, Table)]


def _printed(source: Source) -> str:
    """Return what a terminal shows of a run."""
    experiment = experiment_of(source.run)
    console = _Console(file=io.StringIO(), width=150, force_terminal=False, markup=False)
    terminal = Terminal(results=console, messages=console)
    for table in experiment.tables(source.summary):
        terminal.show(table)
    for sentence in (*experiment.notes(source.summary), *experiment.conclusions(source.summary),
                     *experiment.warnings(source.summary), *map(experiment.describe, source.visits)):  # fmt: skip
        terminal.note(sentence)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def _cells(tables: list[Table]) -> Iterator[str]:
    for table in tables:
        for line in csv.reader(io.StringIO(as_csv(table))):
            yield from line


def _page(source: Source) -> str | None:
    """Return the report on a run; ``None`` for one that reports leave out."""
    if not experiment_of(source.run).is_reported:
        return None
    return report(make_page(Sources(runs=[source]), load_prices()))


@pytest.mark.parametrize("folder", RUNS, ids=lambda folder: folder.name)
def test_nothing_that_a_record_of_any_kind_says_is_markup(folder: Path) -> None:
    honest = _source(folder, None)
    blocks = set().union(*(markdown_blocks(as_markdown(table)) for table in _tables(honest)))
    page = _page(honest)
    elements = Markup(page).found if page is not None else set()
    for text in HOSTILE:
        source = _source(folder, text)
        assert unprintable(_printed(source)) == [], text
        assert [cell for cell in _cells(_tables(source)) if is_formula(cell)] == [], text
        for table in _tables(source):
            assert markdown_blocks(as_markdown(table)) - blocks <= {"softbreakbr", "text"}, text
        if (page := _page(source)) is not None:
            markup = Markup(page)
            assert markup.found <= elements, text
            assert [link for link in markup.links if not link.startswith(("data:", "#")) and link] == [], text


def test_there_is_a_record_of_most_kinds() -> None:
    kinds = {type(RunFolder(folder=folder).run()) for folder in RUNS}
    assert len(kinds) >= 7
