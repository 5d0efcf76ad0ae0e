"""A cell of the table that has no figure says why."""

import re
from dataclasses import replace

import pytest
from msgspec.structs import replace as struct_replace

from common.records.figure import Metric
from common.records.load import Tool
from common.records.window import Window
from loadtests.board.columns import BY_KEY
from loadtests.board.rows import RankRange
from loadtests.page.model import Page
from loadtests.page.sources import Source
from loadtests.page.table import make_table
from tests.support.pages import RATES, load_test, page_of, source_of, with_figures
from tests.support.records import NOON, cell, load, run, window

WRONG = "wrong body x 7200"


def _failing(source: Source, cell: str) -> Source:
    """Return the same load test in which responses of one stack were wrong."""
    visits = [
        struct_replace(one, load=struct_replace(one.load, failures={"wrong body": 900}))
        if isinstance(one, Window) and one.load is not None and one.cell == cell
        else one
        for one in source.visits
    ]
    return source_of(source.run, visits)


def _reasons(page: Page, stack: str) -> dict[str, str]:
    """Return why each figure is missing, by column."""
    (row,) = (row for row in page.rows if row.subject.name == stack)
    return {cell.column.key: cell.title for cell in make_table(page).cells(row) if not cell.value}


@pytest.mark.parametrize(
    ("stack", "column", "reason"),
    [
        ("slow+g", "over", WRONG),
        ("slow+g", "busy", WRONG),
        ("raw_wsgi+g", "over", "this is the floor"),
    ],
)
def test_what_the_deciding_load_test_alone_knows_is_missing_for_its_doubts(
    stack: str, column: str, reason: str
) -> None:
    newer = _failing(load_test(id="newer", started_at=NOON.replace(day=9)), "slow+g")
    older = load_test({name: RATES[name] for name in ("raw_wsgi+g", "fast+u", "slow+g")})
    reasons = _reasons(page_of(newer, older), stack)
    assert reasons[column].startswith(reason)
    assert "rate" not in reasons


@pytest.mark.parametrize("column", ["rate", "over", "cost", "busy", "dollars"])
def test_a_rate_of_hello_is_missing_for_the_doubts_about_it(column: str) -> None:
    assert _reasons(page_of(_failing(load_test(), "slow+g")), "slow+g")[column].startswith(WRONG)


def test_a_rate_of_hello_is_not_missing_for_doubts_about_another_scenario() -> None:
    hello = load_test({name: rate for name, rate in RATES.items() if name != "slow+g"})
    mixed = _failing(load_test(id="mixed", scenario="mixed"), "slow+g")
    assert not [row for row in page_of(hello, mixed).rows if row.subject.name == "slow+g" and row.values]


def test_a_column_of_which_nothing_is_known_is_left_out() -> None:
    page = page_of(with_figures(load_test(), [(Metric.START_S, 0.5)], vcpu=1.0))
    known = {column.key for column in make_table(page).scales}
    assert known == {"rate", "over", "cost", "busy", "start", "dollars"}


def test_a_skewed_column_is_drawn_on_a_logarithmic_scale() -> None:
    skewed = page_of(load_test({"a+u": 100_000, "b+u": 5_000, "c+u": 4_000, "d+u": 3_000}))
    scales = [make_table(page).scales[BY_KEY["rate"]] for page in (page_of(), skewed)]
    assert [scale.log for scale in scales if scale] == [False, True]


def test_a_bar_fills_its_cell_as_far_as_its_share_of_the_largest_value() -> None:
    table = make_table(page_of())
    bars = {row.subject.name: str(table.cells(row)[0].drawn) for row in table.page.rows}
    widths = {name: float(re.findall(r'<rect width="([^"%]+)%"', bar)[0]) for name, bar in bars.items()}
    assert widths["slow+g"] == pytest.approx(widths["raw_wsgi+g"] / 2, rel=0.05)
    assert 95 < widths["raw_asgi+u"] < 100


def test_tied_rows_stand_in_one_band_and_floors_have_no_rank() -> None:
    page = page_of()
    names = {row.id: row.subject.name for row in page.rows}
    bands = {names[row]: place for row, place in make_table(page).bands.items()}
    assert bands == {"fast+u": "first", "alike+u": "last"}
    assert {row.subject.name for row in page.rows if row.rank is None} == {"raw_asgi+u", "raw_wsgi+g"}


def test_ranks_that_share_a_place_are_of_one_band() -> None:
    page = page_of(load_test({"a+u": 40_000, "b+u": 30_000, "c+u": 20_000, "d+u": 10_000}))
    ranges = [RankRange(first=first, last=last, of=4, ties=()) for first, last in ((1, 2), (2, 3), (3, 3), (4, 4))]
    rows = [replace(row, rank=rank) for row, rank in zip(page.rows, ranges, strict=True)]
    assert [*make_table(replace(page, rows=rows)).bands.values()] == ["first", "within", "last"]


def test_each_stack_has_the_floor_of_its_own_server() -> None:
    floors = {row.subject.name: row.own_floor.partition("-process")[0] for row in page_of().rows}
    assert floors == {"raw_asgi+u": "raw_asgi+u", "fast+u": "raw_asgi+u", "alike+u": "raw_asgi+u",
                      "raw_wsgi+g": "raw_wsgi+g", "slow+g": "raw_wsgi+g"}  # fmt: skip


def test_a_remark_is_no_reason_for_a_missing_floor() -> None:
    source = load_test({name: rate for name, rate in RATES.items() if name != "raw_wsgi+g"})
    throttled = [
        struct_replace(one, load=struct_replace(one.load, throttled_s=1.0)) for one in source.visits
        if isinstance(one, Window) and one.load is not None
    ]  # fmt: skip
    page = page_of(source_of(source.run, throttled))
    assert all(row.doubts for row in page.rows)
    assert _reasons(page, "slow+g")["over"] == "no floor on the same server was measured in the same rounds"


@pytest.mark.parametrize(
    ("requests", "timed", "tool"), [(300, {}, Tool.LOCUST), (40_000, {"latency_s": None}, Tool.WRK)]
)
def test_a_rate_without_a_percentile_says_what_a_percentile_takes(
    requests: int, timed: dict[str, None], tool: Tool
) -> None:
    made = run([cell("a+u"), cell("b+u")], tool=tool)
    loads = {"a+u": load(requests, **timed), "b+u": load(40_000)}
    visits = [window(name, number, one) for number in range(1, 6) for name, one in loads.items()]
    page = page_of(source_of(made, visits))
    reasons = _reasons(page, "a+u")
    assert "rate" not in reasons
    assert reasons["busy"] == "no window has the 1,000 requests, timed by Locust, that a 99th percentile takes"
