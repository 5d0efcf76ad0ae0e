"""How much of a request is the framework, drawn: a bar for each stack whose parts add up to what a request costs."""

import re
import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from common.catalog.prices import load_prices
from loadtests.campaign.store import RunFolder
from loadtests.page.answer import answer
from loadtests.page.chart_kinds import WIDE
from loadtests.page.model import Page, make_page
from loadtests.page.pictures import pictures
from loadtests.page.run_plots import all_plots
from loadtests.page.share_plots import share_plots
from loadtests.page.site import published_runs, write_site
from loadtests.page.sources import Source, Sources
from tests.support.pages import page_of
from tests.support.planted import HELLO, ORDER, planted, write_planted


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A folder of published runs: one of ``hello``, and two that repeat each other of ``order``."""
    place = tmp_path / "published"
    write_planted(place / "hello-process", planted(HELLO, "hello"))
    for number, name in enumerate(("order-process", "order-process-2"), 1):
        write_planted(place / name, planted(ORDER, "order", id=name, seed=number, spread=0.005))
    return place


def _page(place: Path, *names: str) -> Page:
    sources = [Source.read(RunFolder(folder=place / name)) for name in names]
    return make_page(Sources(runs=sources), load_prices())


def _widths(picture: str, kind: str) -> list[float]:
    return [
        float(width) for width in re.findall(rf'<rect class="part {kind}" x="[^"]*" y="[^"]*" width="([^"]*)"', picture)
    ]


def test_the_parts_of_a_bar_are_as_long_as_what_they_cost(published: Path) -> None:
    (plot,) = share_plots(_page(published, "order-process", "hello-process"))
    drawn = str(plot.draw(shape=WIDE))
    server, work, framework, database = (_widths(drawn, kind) for kind in ("server", "work", "framework", "database"))
    assert [len(kind) for kind in (server, work, framework, database)] == [2, 2, 1, 2]
    assert work[0] / server[0] == pytest.approx(50 / 30, rel=0.05)
    assert framework[0] / server[1] == pytest.approx(40 / 30, rel=0.05)
    assert database[1] / server[1] == pytest.approx(60 / 30, rel=0.05)
    assert [kind for kind, _ in plot.keys] == ["server", "work", "framework", "database"]
    assert [row[0] for row in plot.rows] == ["raw_asgi+u", "fast+u"]
    assert all(len(row) == len(plot.headings) for row in plot.rows)


def test_without_hello_the_floor_is_one_part(published: Path) -> None:
    (plot,) = share_plots(_page(published, "order-process"))
    assert plot.keys[0] == ("server", "server, driver and JSON")
    assert not _widths(str(plot.draw(shape=WIDE)), "work")


def test_hello_alone_has_no_such_plot_and_no_such_paragraph(published: Path) -> None:
    for page in (_page(published, "hello-process"), page_of()):
        assert share_plots(page) == []
        assert not any("How much" in paragraph.question for paragraph in answer(page))


def test_a_report_of_both_has_the_plot_and_the_answer_in_words(published: Path) -> None:
    page = _page(published, "order-process", "hello-process")
    assert [plot.id for plot in all_plots(page)][-1] == "shares-order"
    (said,) = (asked.sentences for asked in answer(page) if asked.question == "How much of a request is the framework?")
    assert re.fullmatch(
        r"Of a request that reads one row, the framework is 3\d % \(3\d to 3\d\) with Fast\+U\.", said[1]
    )
    assert said[-1] == "PostgreSQL's own time is not counted."


def test_published_runs_of_two_scenarios_give_the_picture_and_the_page_of_the_site(published: Path) -> None:
    runs = published_runs(published, load_prices())
    drawn = pictures([run.page for run in runs])["shares-order.svg"]
    assert ET.fromstring(drawn).tag.endswith("svg")  # noqa: S314 -- our own
    assert "2 runs" in drawn
    assert ">driver and JSON<" in drawn, "the floor's hello is of another published run"
    write_site(runs, published.parent / "site")
    page = (published.parent / "site" / "runs" / "order-process.html").read_text()
    assert "How much of a request is the framework?" in page
    assert (published.parent / "site" / "pictures" / "shares-order.svg").read_text() == drawn
    shutil.rmtree(published / "hello-process")
    (alone,) = published_runs(published, load_prices())
    assert ">server, driver and JSON<" in pictures([alone.page])["shares-order.svg"]
