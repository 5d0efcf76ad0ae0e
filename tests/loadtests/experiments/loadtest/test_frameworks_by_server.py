"""Where several frameworks run on several servers, a table shows each on each, and words say what matters more."""

import io
from collections.abc import Mapping

import pytest
from msgspec.structs import replace
from rich.console import Console

from common.records.window import Window
from loadtests.experiments.loadtest.experiment import LoadTest
from loadtests.experiments.loadtest.frameworks_by_server import ByServer, by_server, lever, table
from tests.support.pages import source_of
from tests.support.records import cell, load, run, window

RATES = {
    "raw_wsgi+granian": 80_000, "raw_wsgi+gunicorn-gthread": 11_000, "falcon+granian": 60_000,
    "falcon+gunicorn-gthread": 10_000, "flask+granian": 12_000, "flask+gunicorn-gthread": 6_000, "flask+cheroot": 4_000,
    "starlette+uvicorn": 40_000, "starlette+granian": 45_000, "aiohttp+native": 44_000,
}  # fmt: skip
INTERFACES = {"starlette": "asgi", "aiohttp": "native"}


def _found(rates: Mapping[str, int] = RATES, *, wrong: str = "", **changes: object) -> ByServer | None:
    cells = [
        cell(
            name,
            framework=name.partition("+")[0],
            server=name.partition("+")[2].partition("@")[0],
            interface=INTERFACES.get(name.partition("+")[0], "wsgi"),
            version=None if name.startswith("raw_") else "1",
            image=name.partition("@")[2] or None,
        )
        for name in rates
    ]
    made = run(cells, **changes)
    visits = [
        window(name, number, load(2 * rate, failures={"wrong body": 9} if name == wrong else {}))
        for number in range(1, 6)
        for name, rate in rates.items()
    ]
    read = source_of(made, visits)
    return by_server(made, LoadTest(made).summarise([one for one in read.visits if isinstance(one, Window)]))


def _texts(found: ByServer | None) -> dict[str, dict[str, str]]:
    assert found is not None
    return {row.name: {server: rate.text for server, rate in zip(found.servers, row.rates, strict=True)}
            for row in found.rows}  # fmt: skip


def test_each_framework_has_its_rate_on_each_server_or_why_it_has_none() -> None:
    texts = _texts(_found(wrong="flask+granian"))
    assert texts["falcon"] == {
        "granian": "60,000", "gunicorn-gthread": "10,000", "cheroot": "-", "uvicorn": "n/a", "native": "n/a",
    }  # fmt: skip
    assert texts["flask"]["granian"] == "(12,000)", "its responses were wrong"
    assert texts["aiohttp"] == {"granian": "n/a", "gunicorn-gthread": "n/a", "cheroot": "n/a", "uvicorn": "n/a",
                                "native": "44,000"}  # fmt: skip


def test_why_a_cell_has_no_number_is_said() -> None:
    found = _found(wrong="flask+granian")
    assert found is not None
    about = {(row.name, server): rate.about for row in found.rows
             for server, rate in zip(found.servers, row.rates, strict=True)}  # fmt: skip
    assert about["aiohttp", "granian"] == "granian does not serve native"
    assert about["falcon", "cheroot"] == "falcon on cheroot was not measured"
    assert "wrong-answers: " in about["flask", "granian"]
    assert about["falcon", "granian"].startswith("95 % interval")


def test_rows_and_columns_of_one_interface_stand_together_the_fastest_first() -> None:
    found = _found()
    assert found is not None
    assert found.servers == ["gunicorn-gthread", "cheroot", "granian", "uvicorn", "native"]
    assert [row.name for row in found.rows] == ["raw_wsgi", "falcon", "flask", "starlette", "aiohttp"]


def test_the_sentence_has_the_figures_that_decide_which_is_the_larger_lever() -> None:
    found = _found()
    assert found is not None
    assert lever(found) == (
        "A framework's fastest server carries 3.0 times as many requests per vCPU as its slowest (median of 3 "
        "frameworks; falcon reads 60,000 on granian and 10,000 on gunicorn-gthread). The fastest framework on a server "
        "carries 3.3 times as many as the slowest on it (median of 2 servers). So the framework is the larger lever."
    )
    alike = {"a+x": 40_000, "a+y": 10_000, "b+x": 38_000, "b+y": 9_000}
    other = _found(alike)
    assert other is not None
    assert (lever(other) or "").endswith("So the server is the larger lever.")


@pytest.mark.parametrize("rates", [{"a+x": 1000, "b+x": 900}, {"a+x": 1000, "a+y": 900, "b+x": 800}])
def test_one_framework_on_several_servers_is_no_table(rates: Mapping[str, int]) -> None:
    assert _found(rates) is None


def test_images_are_told_apart_by_their_rows() -> None:
    texts = _texts(_found({"a+x@slim": 1000, "a+y@slim": 900, "b+x@slim": 800, "b+y@slim": 700, "a+x@fat": 600}))
    assert list(texts) == ["a@slim", "b@slim", "a@fat"]


def test_a_load_test_ends_in_the_table_too() -> None:
    cells = [cell(name) for name in ("a+x", "a+y", "b+x", "b+y", "c+x")]
    made = run(cells)
    windows = [window(one.name, number, load(9000)) for number in range(1, 6) for one in cells]
    test = LoadTest(made)
    summary = test.summarise(windows)
    _, shown = test.tables(summary)
    console = Console(file=io.StringIO(), width=120)
    console.print(shown)
    assert isinstance(console.file, io.StringIO)
    assert "framework and server" in console.file.getvalue()
    assert any("larger lever" in note for note in test.notes(summary))
    fewer = replace(made, cells=cells[:1])
    assert len(list(LoadTest(fewer).tables(LoadTest(fewer).summarise(windows[:1])))) == 1


def test_a_table_has_a_row_for_each_framework() -> None:
    found = _found()
    assert found is not None
    assert table(found).row_count == 5
