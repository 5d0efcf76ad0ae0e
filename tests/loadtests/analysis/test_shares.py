"""A planted share reads back: what a request costs in parts, with intervals that hold in other runs."""

import math

import numpy as np
import pytest
from msgspec.structs import replace

from common.records.share import Share
from common.records.summary import Interval
from loadtests.analysis.across_runs import RecordedRun
from loadtests.analysis.between_runs import FEW, LEVEL
from loadtests.analysis.shares import shares_of
from loadtests.analysis.together import Repeated
from loadtests.experiments.loadtest.report import summarise
from tests.support.planted import DRIVER_S, FLOOR_S, FRAMEWORK_S, HELLO, ORDER, planted
from tests.support.records import NOON


def _shares(*tests: RecordedRun) -> dict[tuple[str, str], Share]:
    return {(share.scenario, share.cell): share for share in shares_of([Repeated.of([test]) for test in tests])}


def _us(interval: Interval | None) -> float:
    assert interval is not None
    return interval.estimate * 1e6


def test_the_planted_parts_of_a_request_read_back() -> None:
    found = _shares(planted(ORDER, "order"), planted(HELLO, "hello"))
    share = found["order", "fast+u"]
    assert [_us(part) for part in (share.server_s, share.work_s, share.framework_s, share.database_s)] == pytest.approx(
        [30, 50, 40, 60], abs=0.01
    )
    assert _us(share.cost_s) == pytest.approx(120, abs=0.01)
    assert share.share is not None
    assert share.share.estimate == pytest.approx(40 / 120, abs=1e-4)
    assert (share.floor, share.runs, share.hello_runs, share.doubts) == ("raw_asgi+u", ["order"], ["hello"], {})


def test_hello_has_no_driver_and_a_floor_no_framework() -> None:
    found = _shares(planted(ORDER, "order"), planted(HELLO, "hello"))
    hello, floor = found["hello", "fast+u"], found["order", "raw_asgi+u"]
    assert (hello.work_s, hello.database_s, floor.framework_s, floor.share) == (None, None, None, None)
    assert hello.share is not None
    assert hello.share.estimate == pytest.approx(40 / 70, abs=1e-4)
    assert [_us(part) for part in (floor.server_s, floor.work_s)] == pytest.approx([30, 50], abs=0.01)


def test_a_share_is_within_rounds_whatever_a_run_does_to_all_its_stacks() -> None:
    usual, slow = (
        _shares(planted(ORDER, "order", spread=0.01, moved=moved))["order", "fast+u"] for moved in (1.0, 1.3)
    )
    assert usual.share is not None
    assert slow.share is not None
    assert slow.share.estimate == pytest.approx(usual.share.estimate, abs=1e-4)
    assert slow.share.low == pytest.approx(usual.share.low, abs=1e-4)
    assert _us(slow.framework_s) == pytest.approx(1.3 * _us(usual.framework_s), rel=1e-3)


def test_intervals_of_all_parts_cover_the_truth_in_other_runs() -> None:
    rng = np.random.default_rng(7)
    truths = {"server_s": FLOOR_S, "work_s": DRIVER_S, "framework_s": FRAMEWORK_S, "share": 40 / 120}
    hits: dict[str, list[bool]] = {name: [] for name in (*truths, "cost_s")}
    for seed in range(60):
        tests = []
        for costs, scenario in ((ORDER, "order"), (HELLO, "hello")):
            moved = {name: cost * math.exp(rng.normal(0, FEW.sd)) for name, cost in costs.items()}
            tests.append(planted(moved, scenario, moved=math.exp(rng.normal(0, LEVEL.sd)), spread=0.008, seed=seed))
        share = _shares(*tests)["order", "fast+u"]
        for name, truth in (truths | {"cost_s": ORDER["fast+u"]}).items():
            part: Interval = getattr(share, name)
            assert part.low is not None
            assert part.high is not None
            hits[name].append(part.low <= truth <= part.high)
    assert {name: bool(0.9 <= np.mean(seen) <= 1) for name, seen in hits.items()} == dict.fromkeys(hits, True)


def test_without_hello_made_alike_server_and_driver_are_not_told_apart() -> None:
    order, hello = planted(ORDER, "order"), planted(HELLO, "hello")
    of_two_vcpus = planted(HELLO, "hello", vcpu=2.0)
    elsewhere = RecordedRun(
        replace(hello.run, machine=replace(hello.run.machine, cpu_model="Other")), hello.windows, hello.summary
    )
    other_server = RecordedRun(
        replace(hello.run, cells=[replace(cell, server_packages=["u==2"]) for cell in hello.run.cells]),
        hello.windows, hello.summary,
    )  # fmt: skip
    for beside in (of_two_vcpus, elsewhere, other_server):
        share = _shares(order, beside)["order", "fast+u"]
        assert (share.server_s, share.work_s, share.hello_runs) == (None, None, [])
        assert _us(share.framework_s) == pytest.approx(40, abs=0.01)


def test_of_several_load_tests_of_hello_the_nearest_in_time_counts() -> None:
    order = planted(ORDER, "order", started_at=NOON.replace(day=20))
    first, last = (
        planted(HELLO, "hello", id=f"day {day}", started_at=NOON.replace(day=day), moved=moved)
        for day, moved in ((10, 2.0), (21, 1.0))
    )
    share = _shares(order, first, last)["order", "fast+u"]
    assert share.hello_runs == ["day 21"]
    assert _us(share.server_s) == pytest.approx(30, abs=0.01)


def test_a_share_in_doubt_has_no_interval_and_says_why() -> None:
    order = planted(ORDER, "order")
    few = RecordedRun(order.run, order.windows[:4], summarise(order.run, order.windows[:4]))
    share = _shares(few)["order", "fast+u"]
    assert share.share is not None
    assert (share.share.low, share.share.high) == (None, None)
    assert share.share.estimate == pytest.approx(40 / 120, abs=1e-4)
    assert share.doubts["too-few-rounds"].startswith("fast+u: 2 windows")


def test_a_stack_without_a_floor_on_its_server_has_its_cost_alone() -> None:
    share = _shares(planted({"raw_asgi+u": 80e-6, "own+g": 90e-6}, "order"))["order", "own+g"]
    assert (share.floor, share.server_s, share.work_s, share.framework_s, share.share) == (None,) * 5
    assert _us(share.cost_s) == pytest.approx(90, abs=0.01)


def test_repeated_runs_are_of_one_share() -> None:
    tests = [
        planted(ORDER, "order", id=f"order-{number}", moved=moved) for number, moved in enumerate((1.0, 1.02, 0.98))
    ]
    (_, share) = shares_of([Repeated.of(tests)])
    assert share.runs == ["order-0", "order-1", "order-2"]
    assert share.database_s is not None
    assert _us(share.database_s) == pytest.approx(60, abs=0.01)
    assert share.share is not None
    assert share.share.n == 3
    assert share.share.estimate == pytest.approx(40 / 120, abs=1e-3)


def test_of_several_load_tests_of_a_scenario_the_first_counts() -> None:
    found = shares_of([Repeated.of([planted(ORDER, "order", id=name)]) for name in ("b", "a")])
    assert [(share.cell, share.runs) for share in found] == [("raw_asgi+u", ["b"]), ("fast+u", ["b"])]
