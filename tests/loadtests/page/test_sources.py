"""The runs of a page are those that were asked for, as far as they can be read."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from common.console import Terminal
from common.errors import UsageError
from loadtests.campaign import store
from loadtests.campaign.store import VISITS, RunFolder
from loadtests.page.sources import read_sources, select_folders
from tests.support.pages import load_test
from tests.support.records import NOON


@pytest.fixture(autouse=True)
def _results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs, the second one newer, and a folder that holds none."""
    monkeypatch.setattr(store, "RESULTS", tmp_path)
    for day, name in ((1, "1-old"), (2, "2-new")):
        source = load_test({"a+u": 10_000 * day, "b+g": 5_000}, id=name, started_at=NOON.replace(day=day))
        folder = RunFolder.create(tmp_path / name, source.run)
        for one in source.visits:
            folder.add(one)


def names(run: str | None = None, runs: str | None = None) -> list[str]:
    return [one.folder.name for one in select_folders(run, runs)]


def terminal() -> Terminal:
    return Terminal(messages=Console(file=io.StringIO(), width=200))


def said(where: Terminal) -> str:
    assert isinstance(where.messages.file, io.StringIO)
    return where.messages.file.getvalue()


def test_every_run_is_taken_unless_some_are_named() -> None:
    assert names() == names(runs="all") == ["2-new", "1-old"]
    assert names(run="latest") == ["2-new"]
    assert names(run="1-old") == names(runs="1-old") == ["1-old"]
    assert names(runs="1-old, 2-new") == ["1-old", "2-new"]


def test_names_of_no_run_are_refused() -> None:
    with pytest.raises(UsageError, match="invalid RUN=3"):
        select_folders("3", None)
    with pytest.raises(UsageError, match="only one of the two"):
        select_folders("1-old", "2-new")


def test_the_newest_figure_of_each_stack_is_shown() -> None:
    sources = read_sources(select_folders(None, None), terminal())
    assert [one.run.id for one in sources.runs] == ["2-new", "1-old"]
    assert {one.run for one in sources.newest_figures} == {"2-new"}


def test_a_run_that_cannot_be_read_is_named_and_left_out(tmp_path: Path) -> None:
    (tmp_path / "2-new" / "run.json").write_text("{")
    where = terminal()
    sources = read_sources(select_folders(None, None), where)
    assert [one.run.id for one in sources.runs] == ["1-old"]
    assert sources.left_out == ["Left out, since they cannot be read: 2-new."]
    assert "left out, since they cannot be read: 1 run, the first: " in said(where)


def test_a_run_of_inconsistent_records_is_named_and_left_out(tmp_path: Path) -> None:
    visits = tmp_path / "2-new" / VISITS
    visits.write_text(visits.read_text().replace('"duration_s":2.0', '"duration_s":0.0', 1))
    where = terminal()
    assert [one.run.id for one in read_sources(select_folders(None, None), where).runs] == ["1-old"]
    assert "2-new holds inconsistent records (" in said(where)


def test_without_a_run_the_user_is_told_what_to_run() -> None:
    with pytest.raises(UsageError, match=r"there is no run of stacks to report on\. Run: make loadtest"):
        read_sources([], terminal())
