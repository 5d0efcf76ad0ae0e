"""An experiment is one package: one that is installed beside the project is found by everything."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.catalog.prices import load_prices
from common.cli.app import GIVEN, run
from common.console import Terminal
from common.project import ROOT
from loadtests.__main__ import command_line
from loadtests.board.index import FigureIndex
from loadtests.campaign import catalog, store
from loadtests.campaign.store import RunFolder
from loadtests.cli import results
from loadtests.experiments import ENTRY_POINTS, packages
from loadtests.page.model import make_page
from loadtests.page.sources import read_sources
from loadtests.page.writing import report
from tests.support.here import NAME

ADDED = ROOT / "tests" / "support" / "added" / "pings"


def _forget() -> None:
    """Have experiments looked for again."""
    for found in (packages, catalog.experiments, catalog._any_visit):
        found.cache_clear()


@pytest.fixture
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install the package in a folder of the test's own, as an installer would."""
    place = tmp_path / "site-packages"
    shutil.copytree(ADDED, place / "pings")
    about = place / "pings-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: pings\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[{ENTRY_POINTS}]\npings = pings\n")
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.setattr(store, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(results, "FigureIndex", lambda of: FigureIndex(of, results=tmp_path / "results"))
    _forget()
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "pings"]:
        del sys.modules[name]
    monkeypatch.undo()
    _forget()


def _printed(line: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert run(command_line(), line.split(), {GIVEN: ""}) == 0, capsys.readouterr().err
    return capsys.readouterr().out


@pytest.mark.usefixtures("_installed")
def test_an_experiment_from_outside_the_tree_is_in_help_store_show_and_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "Measure how long servers take to answer a ping" in _printed("help", capsys)
    folder = RunFolder(folder=tmp_path / "results" / "mine")
    assert "0.250" in _printed(f"pings --out={folder.folder}", capsys)
    assert [visit.round for visit in folder.visits()] == [1, 2, 3]
    framework, _, server = NAME.partition("+")
    shown = _printed(f"show --framework={framework} --server={server} --runtime=process --format=csv", capsys)
    assert "0.25" in shown
    page = report(make_page(read_sources([folder], Terminal()), load_prices()))
    assert folder.run().id in page


def test_only_packages_that_are_installed_are_found() -> None:
    assert "pings" not in {package.__name__ for package in packages()}
