"""Runs are joined to one row per stack and size, with the decisions of one load test."""

import pytest
from msgspec.structs import replace

from common.records.figure import Metric
from common.records.summary import Verdict
from loadtests.page.answer import answer
from loadtests.page.sources import of_one_machine
from tests.support.pages import RATES, load_test, page_of, with_figures
from tests.support.records import NOON, run


def test_rows_come_in_the_order_of_their_ranks() -> None:
    assert [row.subject.name for row in page_of().rows] == ["raw_asgi+u", "fast+u", "alike+u", "raw_wsgi+g", "slow+g"]


def test_a_run_of_floors_alone_ranks_nothing_and_doubts_nothing() -> None:
    page = page_of(load_test({"raw_asgi+u": 40_000.0, "raw_wsgi+g": 9_000.0}))
    assert [(row.subject.name, row.rank, row.place) for row in page.rows] == [
        ("raw_asgi+u", None, 1), ("raw_wsgi+g", None, 2),
    ]  # fmt: skip
    assert "in doubt" not in " ".join(sentence for part in answer(page) for sentence in part.sentences)


def test_a_rank_is_the_range_of_places_that_the_decisions_allow() -> None:
    ranks = {row.subject.name: row.rank for row in page_of().rows}
    assert {name: rank.text for name, rank in ranks.items() if rank} == {
        "fast+u": "1 to 2", "alike+u": "1 to 2", "slow+g": "3",
    }  # fmt: skip
    assert ranks["fast+u"] is not None
    assert ranks["fast+u"].ties == ("alike+u",)


def test_the_cost_over_the_floor_is_that_of_the_same_server() -> None:
    costs = {row.subject.name: row.values["over"] for row in page_of().rows if "over" in row.values}
    assert costs.keys() == {"fast+u", "alike+u", "slow+g"}
    assert costs["fast+u"].estimate == pytest.approx(1e6 / 30_000 - 1e6 / 40_000, rel=0.1)
    assert costs["slow+g"].estimate == pytest.approx(100, rel=0.1)
    assert costs["slow+g"].n == 8


def test_each_image_has_a_floor_of_its_own() -> None:
    rates = {"raw_x+u@slim": 40_000.0, "a+u@slim": 20_000.0, "raw_x+u@alpine": 25_000.0, "a+u@alpine": 20_000.0}
    costs = {row.subject.image: row.values["over"].estimate for row in page_of(load_test(rates)).rows if not row.floor}
    assert costs == {"slim": pytest.approx(25, rel=0.1), "alpine": pytest.approx(10, rel=0.1)}


def test_figures_of_other_experiments_join_the_row_of_their_stack() -> None:
    source = with_figures(load_test(), [(Metric.START_S, 0.5), (Metric.IDLE_BYTES, 2**25)], vcpu=1.0, workers=1)
    row = page_of(source).rows[0]
    assert (row.values["start"].estimate, row.values["idle"].estimate) == (0.5, 32)


def test_a_stack_has_a_row_for_each_size_and_the_decisions_stay_with_theirs() -> None:
    source = with_figures(load_test(), [(Metric.START_S, 0.5)], vcpu=0.5)
    rows = page_of(source).rows
    assert len(rows) == 2 * len(RATES)
    assert {row.vcpu for row in rows if row.rank} == {1.0}


def test_a_figure_that_is_not_valid_is_not_shown_and_the_reason_is_kept() -> None:
    page = page_of(load_test(rounds=3))
    assert all("rate" not in row.values for row in page.rows)
    assert {row.verdict for row in page.rows} == {Verdict.TOO_FEW_ROUNDS}
    assert "3 windows" in " ".join(page.rows[0].doubts.values())


def test_each_framework_has_one_best_server() -> None:
    page = page_of(load_test({"a+u": 20_000, "a+g": 10_000, "b+g": 5_000}))
    assert {row.subject.name for row in page.rows if row.best_server} == {"a+u", "b+g"}


def test_the_load_test_that_ranks_the_most_stacks_gives_the_decisions() -> None:
    whole = load_test()
    newer = load_test({"fast+u": 1_000, "slow+g": 500}, id="newer", started_at=NOON.replace(day=9))
    page = page_of(newer, whole)
    assert page.test is not None
    assert page.test.run.id == whole.run.id


def test_a_load_test_of_another_scenario_decides_nothing_beside_rates_of_hello() -> None:
    hello = load_test({"fast+u": 30_000, "slow+g": 5_000})
    mixed = load_test({**RATES, "slow+g": 60_000}, id="mixed", scenario="mixed", started_at=NOON.replace(day=9))
    for page in (page_of(mixed, hello), page_of(hello, mixed)):
        assert page.test is not None
        assert page.test.run.id == hello.run.id
        rows = {row.subject.name: row for row in page.rows}
        assert {name for name, row in rows.items() if row.rank} == {"fast+u", "slow+g"}
        assert rows["raw_asgi+u"].values == {}
        assert {row.verdict for name, row in rows.items() if name.startswith("raw_")} == {None}


def test_without_a_load_test_of_hello_no_figure_is_taken_from_another_scenario() -> None:
    page = page_of(load_test(scenario="mixed"))
    assert [row.rank.text for row in page.rows if row.rank] == ["1 to 2", "1 to 2", "3"]
    assert all(row.values == {} and row.doubtful_rate is None for row in page.rows)


def test_what_a_load_test_alone_knows_is_of_one_run_with_its_date() -> None:
    old = load_test()
    new = load_test(
        {"fast+u": 20_000, "raw_asgi+u": 25_000}, id="newer", started_at=NOON.replace(day=9), histogram=[(2000, 1)]
    )
    row = next(row for row in page_of(new, old).rows if row.subject.name == "fast+u")
    assert row.values["rate"].estimate == pytest.approx(20_000, rel=0.1)
    assert row.values["over"].estimate == pytest.approx(1e6 / 30_000 - 1e6 / 40_000, rel=0.1)
    assert {row.figures[key].run for key in ("rate", "cost", "dollars")} == {"newer"}
    assert {row.figures[key].run for key in ("over", "busy")} == {old.run.id}


def test_runs_of_another_machine_are_left_out_and_counted() -> None:
    here = load_test(started_at=NOON.replace(day=9))
    other = replace(run([]).machine, cores=64)
    there = load_test(machine=other)
    sources = of_one_machine([there, here])
    assert [one.run.machine.cores for one in sources.runs] == [2]
    assert sources.left_out == ["Runs of other machines are left out: 1."]
