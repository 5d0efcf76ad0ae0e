"""Every string of every kind of record is only text, to each experiment's own tables and notes and to the report."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import pytest
from rich.table import Table

from common.catalog.prices import load_prices
from common.console import PLAIN_WIDTH, Terminal, _Console
from common.tables import as_csv, as_json, as_markdown
from loadtests.board.bill import Question, bill_notes, bill_table, make_bill
from loadtests.board.rows import board_rows, latency_command, rows_notes, rows_table
from loadtests.campaign.catalog import experiment_of, run_types
from loadtests.page.model import make_page
from loadtests.page.sources import Source, Sources
from loadtests.page.writing import report, table_csv
from tests.support.every_kind import Recorded, runs_of_every_kind
from tests.support.hostile import HOSTILE, Exchange, Markup, exchanged, is_formula, markdown_blocks, share, unprintable
from tests.support.pages import source_of
from tests.support.records import NOON

RUNS: Mapping[str, Recorded] = runs_of_every_kind()
ASKED = Question(rate_rps=1_000, p99_s=0.05)


class Shown:
    """What commands show of a run: its experiment's own, and that of ``make show`` and ``make money``."""

    def __init__(self, source: Source) -> None:
        experiment, prices = experiment_of(source.run), load_prices()
        subjects = list(dict.fromkeys(figure.subject for figure in source.figures))
        locks = {subject.framework: "of other packages" for subject in subjects}
        rows = board_rows(subjects, source.figures, prices, vcpu=1.0, locks=locks)
        bill = make_bill(subjects, source.figures, prices, ASKED, now=NOON)
        self.records: list[Any] = [source.summary, rows, bill]
        own = [table for table in experiment.tables(source.summary) if isinstance(table, Table)]
        self.tables = [*own, rows_table(rows, vcpu=1.0), bill_table(bill)]
        self.others = [part for part in experiment.tables(source.summary) if not isinstance(part, Table)]
        self.sentences = [
            *experiment.notes(source.summary),
            *experiment.conclusions(source.summary),
            *experiment.warnings(source.summary),
            *map(experiment.describe, source.visits),
            *rows_notes(rows, prices, vcpu=1.0, runtime=source.run.runtime),
            *bill_notes(bill, prices, source.run.machine, latency_command(subjects, {})),
        ]

    def printed(self) -> str:
        """Return what a terminal shows."""
        console = _Console(
            file=io.StringIO(), force_terminal=False, markup=False, emoji=False, highlight=False,
            width=PLAIN_WIDTH, height=25,
        )  # fmt: skip
        terminal = Terminal(results=console, messages=console)
        for part in (*self.tables, *self.others):
            terminal.show(part)
        for sentence in self.sentences:
            terminal.note(sentence)
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue()

    def markdown(self) -> set[str]:
        """Return the kinds of blocks of all tables in Markdown."""
        return set().union(*(markdown_blocks(as_markdown(table)) for table in self.tables))


def _cells(texts: Sequence[str]) -> Iterator[str]:
    for text in texts:
        for line in csv.reader(io.StringIO(text)):
            yield from line


def _page(source: Source) -> tuple[str, str]:
    """Return the report on a run and its table as CSV; nothing of one that reports leave out."""
    if not experiment_of(source.run).is_reported:
        return "", ""
    page = make_page(Sources(runs=[source]), load_prices())
    return report(page), table_csv(page.rows)


def _require_text(name: str, texts: Sequence[str]) -> None:
    """Fail if anything shown of a run is more than text, with each of ``texts`` in the place of its strings."""
    honest = source_of(*RUNS[name])
    blocks, elements = Shown(honest).markdown(), Markup(_page(honest)[0]).found
    for text in texts:
        source = source_of(*exchanged(*RUNS[name], Exchange(text)))
        shown, (page, table) = Shown(source), _page(source)
        assert unprintable(shown.printed()) == [], text
        tables = [table, *map(as_csv, shown.tables)]
        assert [cell for cell in _cells(tables) if is_formula(cell)] == [], text
        assert shown.markdown() - blocks <= {"softbreakbr", "text"}, text
        for record in shown.records:
            assert unprintable(as_json(record)) == [], text
            assert json.loads(as_json(record)) == json.loads(msgspec.json.encode(record)), text
        markup = Markup(page)
        assert markup.found <= elements, text
        assert [link for link in markup.links if not link.startswith(("data:", "#")) and link] == [], text


@pytest.mark.parametrize(("number", "name"), list(enumerate(RUNS)))
def test_nothing_that_a_record_of_any_kind_says_is_markup(number: int, name: str) -> None:
    _require_text(name, share(number))


@pytest.mark.slow
@pytest.mark.parallel
@pytest.mark.parametrize("name", RUNS)
def test_no_hostile_text_is_markup_whatever_kind_of_record_says_it(name: str) -> None:
    _require_text(name, HOSTILE)


def test_there_is_a_run_of_every_kind() -> None:
    assert {type(run) for run, _ in RUNS.values()} >= set(run_types())
