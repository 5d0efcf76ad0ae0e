"""Pictures in the README are those of the published run, and stand alone."""

from xml.etree import ElementTree as ET

import pytest

from common.catalog.prices import load_prices
from common.project import ROOT
from loadtests.board.publication import PAGE
from loadtests.board.published import results_page
from loadtests.campaign.store import PUBLISHED
from loadtests.page.pictures import PICTURES, pictures
from loadtests.page.site import published_runs
from tests.support.pages import load_test, page_of


def test_the_pictures_of_this_project_are_as_publish_writes_them() -> None:
    written = {file.name: file.read_text() for file in PICTURES.glob("*.svg")}
    pages = [one.page for one in published_runs(PUBLISHED, load_prices())]
    assert written == pictures(pages), "run: make publish RUN=published"


def test_the_page_of_results_is_as_publish_writes_it() -> None:
    assert PAGE.read_text() == results_page(PUBLISHED), "run: make publish RUN=published"


def test_the_readme_shows_a_picture_that_is_there() -> None:
    assert "(docs/pictures/rates.svg)" in (ROOT / "README.md").read_text()
    assert (PICTURES / "rates.svg").is_file()


@pytest.mark.parametrize("name", ["rates.svg", "costs.svg", "response-times.svg"])
def test_a_picture_is_well_formed_whatever_names_it_shows(name: str) -> None:
    hostile = {"<b>&\"'+u": 30_000, "raw_x+u": 40_000, "\u202eleft+u": 20_000}
    text = pictures([page_of(load_test(hostile))])[name]
    root = ET.fromstring(text)  # noqa: S314 -- our own
    assert any("<b>&\"'+u" in (one.text or "") for one in root.iter())
    assert "prefers-color-scheme: dark" in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
