"""Whatever a record says is text: on the page, on the site, in pictures, Markdown, CSV and on a terminal."""

import base64
import csv
import hashlib
import html
import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from common.catalog.prices import load_prices
from common.console import Terminal, _Console
from common.records.run import LoadRun
from common.records.summary import Summary
from common.tables import as_csv
from loadtests.board.published import markdown
from loadtests.campaign.catalog import run_types, visit_types
from loadtests.campaign.store import PUBLISHED, RunFolder
from loadtests.experiments.loadtest import report as throughput
from loadtests.page.model import make_page
from loadtests.page.pictures import pictures
from loadtests.page.site import PublishedRun, results_md
from loadtests.page.sources import Source, Sources
from loadtests.page.writing import report, table_csv
from tests.support.browsers import browser
from tests.support.hostile import HOSTILE, Markup, is_formula, markdown_blocks, unprintable


def _hostile(value: Any, text: str) -> Any:  # noqa: ANN401 -- JSON
    """Return a record in which every string that may be any text is this one, but for those in ``KEPT``."""
    match value:
        case dict():
            return {name: one if name in KEPT else _hostile(one, text) for name, one in value.items()}
        case list():
            return [_hostile(one, text) for one in value]
        case str():
            return text
        case _:
            return value


KEPT = frozenset(
    {"experiment", "kind", "id", "run", "started_at", "name", "cell", "control_of", "runtime", "design", "scenario",
     "tool", "interface", "arrivals", "objective", "rate", "observed"}
)  # fmt: skip
"""Closed choices, times, and names that tie records together; the names are tried apart."""


def _source(text: str | None, *, names: bool = False) -> Source:
    """Return a published run with its strings, or the names of its cells, exchanged."""
    folder = RunFolder(folder=PUBLISHED / "hello-process")
    run, visits = msgspec.to_builtins(folder.run()), msgspec.to_builtins(folder.visits())
    if text is not None and not names:
        run, visits = _hostile(run, text), _hostile(visits, text)
    if text is not None and names:
        old = run["cells"][0]["name"]
        run["cells"] = [one | {"name": text if one["name"] == old else one["name"], "framework": text, "server": text,
                               "control_of": text if one["control_of"] == old else one["control_of"]}
                        for one in run["cells"]]  # fmt: skip
        visits = [one | {"cell": text if one["cell"] == old else one["cell"]} for one in visits]
    made = msgspec.convert(run, type=_union(run_types()))
    windows = [msgspec.convert(one, type=_union(visit_types())) for one in visits]
    summary = throughput.summarise(made, windows)
    return Source(run=made, visits=windows, summary=summary, figures=[*throughput.figures(made, summary)],
                  stacks=[cell for cell in made.cells if not cell.control_of])  # fmt: skip


def _union(kinds: tuple[type, ...]) -> Any:  # noqa: ANN401 -- a union of types
    found: Any = kinds[0]
    for kind in kinds[1:]:
        found = found | kind
    return found


def _written(source: Source) -> Iterator[tuple[str, str]]:
    """Yield what every writer makes of a run."""
    page = make_page(Sources(runs=[source]), load_prices())
    run, summary = source.run, source.summary
    assert isinstance(run, LoadRun)
    assert isinstance(summary, Summary)
    yield "html", report(page)
    yield "csv", table_csv(page.rows)
    yield "csv", as_csv(throughput.table(run, summary))
    for picture in pictures([page]).values():
        yield "svg", picture
    yield "md", markdown(run, summary)
    yield "md", results_md(PublishedRun(name="x", page=page))
    console = _Console(file=io.StringIO(), width=150, force_terminal=False, markup=False)
    terminal = Terminal(results=console, messages=console)
    terminal.show(throughput.table(run, summary))
    for cell in source.stacks:
        terminal.note(cell.name)
    assert isinstance(console.file, io.StringIO)
    yield "terminal", console.file.getvalue()


@pytest.fixture(scope="module")
def known() -> set[tuple[str, str]]:
    """The elements and attributes of a page of an honest run."""
    return Markup(report(make_page(Sources(runs=[_source(None)]), load_prices()))).found


@pytest.fixture(scope="module")
def blocks() -> set[str]:
    """The structure of the Markdown of an honest run."""
    return set().union(*(markdown_blocks(text) for kind, text in _written(_source(None)) if kind == "md"))


@pytest.mark.parametrize("names", [False, True])
@pytest.mark.parametrize("text", HOSTILE, ids=range(50))
def test_nothing_that_a_record_says_is_markup(
    text: str,
    names: bool,  # noqa: FBT001 -- a parameter of the test
    known: set[tuple[str, str]],
    blocks: set[str],
) -> None:
    for kind, written in _written(_source(text, names=names)):
        match kind:
            case "html":
                markup = Markup(written)
                assert markup.found <= known
                assert not [link for link in markup.links if not re.match(r"(data:|#|$)", link)]
            case "svg":
                ET.fromstring(written)  # noqa: S314 -- as above
                assert Markup(written).found.isdisjoint({("script", ""), ("iframe", ""), ("foreignobject", "")})
                assert not [name for _, name in Markup(written).found if name.startswith("on")]
            case "md":
                assert markdown_blocks(written) - blocks <= {"softbreakbr", "text"}
            case "csv":
                for cell in (cell for line in csv.reader(io.StringIO(written)) for cell in line):
                    assert not is_formula(cell)
            case _:
                assert not unprintable(written)


def test_a_closed_choice_is_refused_when_it_is_read() -> None:
    run = msgspec.to_builtins(RunFolder(folder=PUBLISHED / "hello-process").run())
    run["cells"][0]["interface"] = '"><script>'
    with pytest.raises(
        msgspec.ValidationError, match=r"Invalid enum value .* at `\$\.cells\[0\]\.interface`|Invalid enum"
    ):
        msgspec.convert(run, type=_union(run_types()))


def test_the_content_policy_admits_the_pages_own_script_and_style_alone() -> None:
    page = report(make_page(Sources(runs=[_source(None)]), load_prices()))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    for rule, tag in (("script-src", "script"), ("style-src", "style")):
        (source,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert f" {rule} 'sha256-{digest}';" in html.unescape(policy[1])


@pytest.mark.slow
@pytest.mark.parallel
def test_a_browser_runs_nothing_of_what_a_record_says(tmp_path: Path) -> None:
    with browser() as chrome:
        _require_harmless(chrome, tmp_path)


def _require_harmless(chrome: webdriver.Chrome, tmp_path: Path) -> None:
    for number, text in enumerate(one for one in HOSTILE if "<" in one or "on" in one):
        for names in (False, True):
            file = tmp_path / f"{number}-{names}.html"
            told = text.replace("alert(1)", "window.pwned=1").replace("<script>1", "<script>window.pwned=1")
            file.write_text(report(make_page(Sources(runs=[_source(told, names=names)]), load_prices())))
            chrome.get(file.as_uri())
            assert chrome.execute_script("return window.pwned") is None, text
            assert chrome.find_element(By.TAG_NAME, "table").is_displayed()
