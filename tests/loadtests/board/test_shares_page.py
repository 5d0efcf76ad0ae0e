"""The README's table of shares and the page that it leads to follow from the published runs."""

import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from loadtests.analysis.across_runs import RecordedRun
from loadtests.board import publication, shares_page
from loadtests.board.publication import publish_runs, written_of
from loadtests.board.shares_page import BEGIN, END, page_of, published_shares, with_link, with_shares
from loadtests.campaign import store
from tests.support.planted import HELLO, ORDER, planted, write_planted

README = f"before\n{BEGIN}\n{END}\nafter\n"


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of published runs of ``hello`` and ``order``, and pages to be written."""
    for name in ("README", "INDEX", "PAGE", "SHARES", "WHICH_PYTHON"):
        monkeypatch.setattr(publication, name, tmp_path / f"{name}.md")
    for name in ("README", "INDEX", "WHICH_PYTHON"):
        (tmp_path / f"{name}.md").write_text(README)
    monkeypatch.setattr(store, "PUBLISHED", tmp_path / "published")
    write_planted(tmp_path / "published" / "hello-process", planted(HELLO | {"idle+u": 50e-6}, "hello"))
    write_planted(tmp_path / "published" / "order-process", planted(ORDER, "order"))
    return tmp_path / "published"


def test_the_page_begins_with_the_answer(published: Path) -> None:
    found = published_shares(published)
    assert found is not None
    title, _, answer = page_of(found).split("\n", 2)
    assert title == "# Does the framework matter?"
    assert " ".join(answer.split()).startswith(
        "The less, the more a request does: of a request that does no work, the framework is 57 % (57 to 58) with "
        "Fast+U; of a request that reads one row, the framework is 33 % (33 to 34) with Fast+U. "
        "PostgreSQL's own time is not counted."
    )
    assert re.search(
        r"\| fast\+u \| 120\.0 \| 30\.0 \(.*?\) \| 50\.0 \(.*?\) \| 40\.0 \(.*?\) \| 33 % \(", page_of(found)
    )
    assert "idle+u" not in page_of(found), "no work of it was measured"


def test_shares_that_do_not_fall_are_not_said_to(published: Path) -> None:
    heavy = {"raw_asgi+u": 80e-6, "fast+u": 800e-6}
    write_planted(published / "place-process", planted(heavy, "place"))
    found = published_shares(published)
    assert found is not None
    assert page_of(found).split("\n")[2].startswith("Whatever a request does: of a request that does no work")


def test_everything_is_written_again_from_the_published_runs(published: Path) -> None:
    publish_runs("published")
    readme = publication.README.read_text()
    assert "## How much of a request is the framework?" in readme
    assert re.search(
        r"\| stack \| version \| does no work \| reads one row \|\n.*\n\| fast\+u \| 1.2.3 \| 57 %", readme
    )
    assert "(docs/pictures/shares-order.svg)" in readme
    assert f"(docs/{shares_page.NAME})" in readme
    assert f"({shares_page.NAME})" in publication.INDEX.read_text()
    assert {file: file.read_text() for file, _ in written_of(published)} == dict(written_of(published))


def test_without_a_run_that_does_work_nothing_is_written(published: Path) -> None:
    for file in (published / "order-process").iterdir():
        file.unlink()
    (published / "order-process").rmdir()
    assert published_shares(published) is None
    assert with_shares(README, None) == with_link(README, None) == README
    publish_runs("published")
    assert publication.INDEX.read_text() == README
    assert not publication.SHARES.exists()


def test_shares_in_doubt_alone_give_no_page(published: Path) -> None:
    made = planted(ORDER, "order")
    write_planted(published / "order-process", RecordedRun(replace(made.run, rounds=2), made.windows[:4], made.summary))
    assert published_shares(published) is None


def test_names_are_escaped(published: Path) -> None:
    write_planted(published / "order-process", planted({"raw_asgi+u": 80e-6, "<b>*x*+u": 120e-6}, "order"))
    found = published_shares(published)
    assert found is not None
    for text in (page_of(found), with_shares(README, found)):
        assert "<b>" not in text.replace(r"\<b\>", "").replace(r"\<B\>", "")
        assert "*X*" not in text


def test_the_pages_of_this_project_are_as_publish_writes_them() -> None:
    assert {file.name: file.read_text() for file, _ in written_of(store.PUBLISHED)} == {
        file.name: text for file, text in written_of(store.PUBLISHED)
    }, "run: make publish RUN=published"
