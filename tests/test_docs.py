"""The documentation holds together: its links lead somewhere, and what is meant to be read stays short."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from common.project import ROOT
from loadtests.board import shares_page
from loadtests.campaign.store import PUBLISHED, RunFolder
from loadtests.experiments.loadtest import report
from loadtests.experiments.loadtest.experiment import read_load_test
from loadtests.experiments.loadtest.notes import notes as throughput_notes

GENERATED = {"docs/divergences.md", "docs/records.md", "docs/results.md"}
"""Pages that commands write, and that people look things up in rather than read."""
MOST_WORDS, MOST_WORDS_OF_README, MOST_WORDS_OF_METHOD, MOST_WORDS_OF_GLOSSARY = 20_000, 900, 1_800, 500
MOST_WORDS_OF_WHICH_PYTHON = MOST_WORDS_OF_SHARES = 500
MADE_BY_COMMANDS = ("frameworks/werkzeug/", "loadtests/results")
GENERATED_PART = re.compile(r"<!-- (\w+): begin; written by make publish -->.*?<!-- \1: end -->", re.DOTALL)
TABLES_OF_RESULTS = re.compile(r"<!-- (results|shares): begin.*?\1: end -->", re.DOTALL)

README = ROOT / "README.md"
pages = sorted(
    str(file.relative_to(ROOT))
    for file in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "loadtests" / "users" / "README.md")
)


@cache
def _tokens(page: Path) -> list[Token]:
    return MarkdownIt("commonmark", {"html": True}).enable("table").parse(page.read_text())


def _links(page: Path) -> Iterator[str]:
    """Yield the targets of a page's links and pictures."""
    for token in _tokens(page):
        for child in token.children or ():
            target = child.attrGet("href") or child.attrGet("src")
            if target is not None:
                yield str(target)


@cache
def _anchors(page: Path) -> frozenset[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    tokens = _tokens(page)
    headings = [tokens[number + 1].content for number, token in enumerate(tokens) if token.type == "heading_open"]
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)


def _is_broken(page: Path, link: str) -> bool:
    if re.match(r"[a-z]+:", link):
        return False
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    return not target.exists() or (bool(anchor) and anchor not in _anchors(target))


def _words(page: str) -> int:
    """Return how many words a page has, tables included, without the parts that commands write."""
    text = GENERATED_PART.sub("", (ROOT / page).read_text())
    return sum(bool(re.search(r"\w", word)) for word in text.split())


@pytest.mark.parametrize("page", pages)
def test_every_relative_link_leads_to_a_file_and_a_heading_that_exist(page: str) -> None:
    assert [link for link in _links(ROOT / page) if _is_broken(ROOT / page, link)] == []


def test_every_page_can_be_reached_from_the_list_of_pages() -> None:
    listed = {(ROOT / "docs" / link.partition("#")[0]).resolve() for link in _links(ROOT / "docs" / "README.md")}
    assert {file for file in (ROOT / "docs").glob("*.md") if file.name != "README.md"} <= listed


def test_the_walk_through_the_code_names_files_and_functions_that_exist() -> None:
    rows = re.findall(r"\| `([\w/.]+)` \|(?: `(\w+)`)? \|", (ROOT / "docs" / "how-the-code-runs.md").read_text())
    assert len(rows) > 20
    assert [row for row in rows if row[1] and f"def {row[1]}(" not in (ROOT / row[0]).read_text()] == []
    assert all((ROOT / file).is_file() for file, _ in rows)


@pytest.mark.parametrize("page", pages)
def test_no_table_is_cut_in_two_by_an_empty_line(page: str) -> None:
    blocks = re.findall(r"(?:^\|.*\n)+", (ROOT / page).read_text() + "\n", re.MULTILINE)
    assert [block for block in blocks if not re.match(r".*\n\|[ :|-]+\n", block)] == []


@pytest.mark.parametrize("page", pages)
def test_files_that_pages_name_exist(page: str) -> None:
    named = re.findall(r"`((?:common|loadtests|tests|docker|frameworks)/[\w/]+(?:\.\w+)?)`", (ROOT / page).read_text())
    assert [name for name in named if not (ROOT / name).exists() and not name.startswith(MADE_BY_COMMANDS)] == []


def test_the_pages_together_stay_short() -> None:
    read = [page for page in pages if page not in GENERATED and page.startswith(("docs/", "README", "CONTRIBUTING"))]
    counts = {page: _words(page) for page in read}
    assert sum(counts.values()) < MOST_WORDS, counts


def test_the_output_that_the_first_page_shows_is_that_of_the_first_published_run() -> None:
    shown = re.search(r"^```\n(hello: .*?)\n\n(.*?)\n\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
    assert shown is not None
    title, table, notes = shown.groups()
    first = read_load_test(RunFolder(folder=PUBLISHED / "hello-docker"))
    printed = [set(row) for row in report.rows(first.run, first.summary)]
    rows = [re.split(r" {2,}", line.strip()) for line in table.splitlines()[1:]]
    assert title == report.title(first.run)
    assert [row for row in rows if not any(set(row) <= cells for cells in printed)] == []
    assert set(map(str.strip, notes.splitlines())) <= set(throughput_notes(first.run, first.summary))


def test_the_first_page_is_short_besides_its_table() -> None:
    assert len(TABLES_OF_RESULTS.sub("", README.read_text()).split()) <= MOST_WORDS_OF_README


@pytest.mark.parametrize(
    ("page", "most"),
    [
        ("docs/method.md", MOST_WORDS_OF_METHOD),
        ("docs/glossary.md", MOST_WORDS_OF_GLOSSARY),
        ("docs/which-python.md", MOST_WORDS_OF_WHICH_PYTHON),
    ],
)
def test_pages_that_are_read_as_a_whole_stay_short(page: str, most: int) -> None:
    assert _words(page) <= most


def test_the_page_about_the_framework_s_share_is_read_as_a_whole_too() -> None:
    page = f"docs/{shares_page.NAME}"
    assert not (ROOT / page).exists() or _words(page) <= MOST_WORDS_OF_SHARES
