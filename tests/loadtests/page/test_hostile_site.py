"""Whatever published runs say is text: on the pages of the site, in pictures and badges, in the README and the docs."""

import base64
import hashlib
import html
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote

import pytest
from msgspec.structs import replace
from selenium import webdriver
from selenium.webdriver.common.by import By

from common.catalog.prices import load_prices
from common.project import ROOT
from common.records.run import Run
from common.records.schema import Visit
from loadtests.board.publication import README
from loadtests.board.published import BEGIN, END, LEVER_BEGIN, LEVER_END, results_page, with_results
from loadtests.campaign.store import RunFolder
from loadtests.page.site import published_runs, write_site
from tests.support.browsers import browser
from tests.support.hostile import HOSTILE, Exchange, Markup, exchanged, markdown_blocks, share
from tests.support.pages import load_test, source_of, write_run

MARKERS = ((BEGIN, END), (LEVER_BEGIN, LEVER_END))
KINDS = ("index.html", "history.html", "runs/*.html", "stacks/*.html")
"""The pages of the site by what they are made from."""


def _runs() -> dict[str, tuple[Run, Sequence[Visit]]]:
    """Return load tests by the names of their folders: two that repeat each other, and one on several servers."""
    recorded = RunFolder(folder=ROOT / "tests" / "golden" / "loadtest-docker")
    first, visits = recorded.run(), recorded.visits()
    again = replace(first, id=f"{first.id}-again", started_at=first.started_at + timedelta(hours=1))
    servers = load_test({"a+u": 40_000, "a+v": 20_000, "b+u": 5_000, "b+v": 9_000, "raw_x+u": 50_000})
    return {
        "hello-docker": (first, visits),
        "hello-docker-2": (again, [replace(visit, run=again.id) for visit in visits]),
        "hello-docker-servers": (servers.run, servers.visits),
    }


RUNS = _runs()


def _publish(place: Path, text: str | None) -> Path:
    """Write the runs as they are kept once they are published, with a text in the place of every string."""
    exchange = None if text is None else Exchange(text)
    for name, recorded in RUNS.items():
        source = source_of(*(recorded if exchange is None else exchanged(*recorded, exchange)))
        write_run(place / name, source).finish(source.summary)
    return place


def _site(published: Path, folder: Path) -> Path:
    write_site(published_runs(published, load_prices()), folder)
    return folder


def _elements(site: Path) -> dict[str, set[tuple[str, str]]]:
    """Return the elements and attributes of the site's pages, by their kinds."""
    return {kind: set().union(*(Markup(file.read_text()).found for file in site.glob(kind))) for kind in KINDS}


def _between_markers(readme: str) -> list[str]:
    return [part for begin, end in MARKERS for part in re.findall(f"{begin}(.*?){end}", readme, re.DOTALL)]


def _without_results(readme: str) -> str:
    for begin, end in MARKERS:
        readme = re.sub(f"{begin}.*?{end}", f"{begin}{end}", readme, flags=re.DOTALL)
    return readme


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Publish honest runs."""
    return _publish(tmp_path_factory.mktemp("published"), None)


@pytest.fixture(scope="module")
def site(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the site of honest runs."""
    return _site(published, tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def known(site: Path) -> dict[str, set[tuple[str, str]]]:
    """The elements and attributes of the site of honest runs."""
    return _elements(site)


@pytest.fixture(scope="module")
def blocks(published: Path, site: Path) -> set[str]:
    """The structure of the Markdown that honest runs make."""
    written = [results_page(published), (site / "results.md").read_text()]
    return set().union(
        *map(markdown_blocks, [*written, *_between_markers(with_results(README.read_text(), published))])
    )


def test_honest_runs_reach_every_writer(published: Path, site: Path) -> None:
    index = (site / "index.html").read_text()
    assert "heat-map" in index
    assert {file.name for file in (site / "pictures").iterdir()} >= {"rates.svg", "costs.svg", "servers.svg"}
    assert {"hello-docker.html", "hello-docker-run-2.html"} <= {file.name for file in (site / "runs").iterdir()}
    table, lever = _between_markers(with_results(README.read_text(), published))
    assert "falcon" in table
    assert "larger lever" in lever


def _texts(*, quick: int) -> pytest.MarkDecorator:
    """Try all hostile texts, the share with the number ``quick`` among the quick tests, the others among the slow."""
    slow, few = (pytest.mark.slow, pytest.mark.parallel), share(quick)
    texts = [pytest.param(text, id=str(place), marks=() if text in few else slow) for place, text in enumerate(HOSTILE)]
    return pytest.mark.parametrize("text", texts)


@_texts(quick=0)
def test_nothing_that_published_runs_say_is_markup_on_the_site(
    text: str, tmp_path: Path, known: dict[str, set[tuple[str, str]]], blocks: set[str]
) -> None:
    site = _site(_publish(tmp_path / "published", text), tmp_path / "site")
    for kind, elements in _elements(site).items():
        assert elements <= known[kind]
    for page in site.rglob("*.html"):
        for link in Markup(page.read_text()).links:
            assert link.startswith("data:") or _leads_within(site, page, link), link
    for file in site.rglob("*.svg"):
        ET.fromstring(file.read_text())  # noqa: S314 -- our own
        found = Markup(file.read_text()).found
        assert found.isdisjoint({("script", ""), ("iframe", ""), ("foreignobject", ""), ("a", "")})
        assert not [name for _, name in found if name.startswith("on") or name.endswith("href")]
    for file in site.rglob("*.json"):
        json.loads(file.read_text())
    assert markdown_blocks((site / "results.md").read_text()) - blocks <= {"softbreakbr", "text"}
    assert {one.name for one in tmp_path.iterdir()} == {"published", "site"}


def _leads_within(site: Path, page: Path, link: str) -> bool:
    """Return whether a link leads to a file of the site, and to a place that it has."""
    name, _, place = link.partition("#")
    target = (page.parent / unquote(name)).resolve() if name else page
    return target.is_relative_to(site) and target.is_file() and (not place or f'id="{place}"' in target.read_text())


@_texts(quick=1)
def test_nothing_that_published_runs_say_is_markup_in_the_readme_and_the_docs(
    text: str, tmp_path: Path, blocks: set[str]
) -> None:
    published, before = _publish(tmp_path, text), README.read_text()
    after = with_results(before, published)
    assert _without_results(after) == _without_results(before)
    assert with_results(after, published) == after
    for written in (results_page(published), *_between_markers(after)):
        assert markdown_blocks(written) - blocks <= {"softbreakbr", "text"}


def test_the_content_policy_admits_the_pages_own_script_and_style_alone(site: Path) -> None:
    for name in ("index.html", "history.html", "runs/hello-docker.html"):
        page = (site / name).read_text()
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
        assert policy is not None
        for rule, tag in (("script-src", "script"), ("style-src", "style")):
            sources = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
            digests = [base64.b64encode(hashlib.sha256(source.encode()).digest()).decode() for source in sources]
            admitted = f"'sha256-{digests[0]}'" if digests else "'none'"
            assert len(digests) <= 1
            assert f" {rule} {admitted};" in html.unescape(policy[1])


@pytest.mark.slow
@pytest.mark.parallel
def test_a_browser_runs_nothing_of_what_published_runs_say(tmp_path: Path) -> None:
    with browser() as chrome:
        for number, text in enumerate(text for text in HOSTILE if "<" in text or "on" in text):
            _require_harmless(chrome, text, tmp_path / str(number))


def _require_harmless(chrome: webdriver.Chrome, text: str, place: Path) -> None:
    """Fail if the first page or picture of a kind runs what its runs say."""
    running = text.replace("alert(1)", "window.pwned=1").replace("<script>1", "<script>window.pwned=1")
    site = _site(_publish(place / "published", running), place / "site")
    for kind in (*KINDS, "pictures/rates.svg", "pictures/servers.svg", "badges/*.svg"):
        file = min(site.glob(kind))
        chrome.get(file.as_uri())
        assert chrome.execute_script("return window.pwned") is None, (text, file.name)
        if file.suffix == ".html":
            assert chrome.find_element(By.TAG_NAME, "table").is_displayed()
