"""A cell of the table that has no figure says why."""

import pytest
from msgspec.structs import replace

from common.records.load import Tool
from common.records.window import Window
from loadtests.page.model import Page
from loadtests.page.sources import Source
from loadtests.page.table import table_rows
from tests.support.pages import RATES, load_test, page_of, source_of
from tests.support.records import NOON, cell, load, run, window

WRONG = "wrong body x 7200"
UNMEASURED = "not measured: make loadtest"


def _failing(source: Source, cell: str) -> Source:
    """Return the same load test in which responses of one stack were wrong."""
    visits = [
        replace(one, load=replace(one.load, failures={"wrong body": 900}))
        if isinstance(one, Window) and one.load is not None and one.cell == cell
        else one
        for one in source.visits
    ]
    return source_of(source.run, visits)


def _reasons(page: Page, stack: str) -> dict[str, str]:
    """Return why each figure is missing, by column."""
    (row,) = (one for one in table_rows(page) if one.row.subject.name == stack)
    return {cell.key: cell.title for cell in row.cells if not cell.value}


@pytest.mark.parametrize(
    ("stack", "column", "reason"),
    [
        ("slow+g", "over", WRONG),
        ("slow+g", "busy", WRONG),
        ("raw_wsgi+g", "over", "this is the floor"),
        ("fast+u", "start", "not measured: make startup"),
        ("fast+u", "image", "a process has no image"),
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
@pytest.mark.parametrize(("scenario", "reason"), [("hello", WRONG), ("mixed", UNMEASURED)])
def test_a_rate_of_hello_is_not_missing_for_doubts_about_another_scenario(
    scenario: str, reason: str, column: str
) -> None:
    assert _reasons(page_of(_failing(load_test(scenario=scenario), "slow+g")), "slow+g")[column].startswith(reason)


def test_a_remark_is_no_reason_for_a_missing_floor() -> None:
    source = load_test({name: rate for name, rate in RATES.items() if name != "raw_wsgi+g"})
    throttled = [
        replace(one, load=replace(one.load, throttled_s=1.0)) for one in source.visits
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
    made = run([cell("a+u")], tool=tool)
    page = page_of(source_of(made, [window("a+u", number, load(requests, **timed)) for number in range(1, 6)]))
    reasons = _reasons(page, "a+u")
    assert "rate" not in reasons
    assert reasons["busy"] == "no window has the 1,000 requests, timed by Locust, that a 99th percentile takes"
