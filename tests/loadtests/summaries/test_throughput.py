"""Rows of a summary, their order, verdicts and figures."""

import pytest

from common.records.run import LoadRun
from common.records.summary import Decision, Verdict
from common.records.window import Latency, Window
from loadtests.analysis.values import requests_per_cpu_s
from loadtests.summaries.throughput import summarise
from tests.support.records import canary, cell, load, run, window


def test_a_windows_value_is_missing_rather_than_zero() -> None:
    assert requests_per_cpu_s(load(30_000, 1.5)) == 20_000
    assert requests_per_cpu_s(load(30_000, None)) is None
    assert requests_per_cpu_s(load(0, 1.5)) is None
    assert requests_per_cpu_s(None) is None


def test_valid_cells_are_ranked_and_the_others_follow() -> None:
    cells = [cell("slow+a"), cell("fast+a"), cell("wrong+a")]
    windows = [
        window(name, number, load(int(requests * (1 + number / 100)), failures=failures))
        for number in range(1, 6)
        for name, requests, failures in (
            ("slow+a", 10_000, {}),
            ("fast+a", 20_000 + number, {}),
            ("wrong+a", 90_000, {"wrong body": 3}),
        )
    ]
    fast, slow, wrong = summarise(run(cells), windows).cells
    assert [(row.cell, row.rank) for row in (fast, slow, wrong)] == [("fast+a", 1), ("slow+a", 2), ("wrong+a", None)]
    assert (wrong.verdict, wrong.errors) == (Verdict.WRONG_ANSWERS, 15)
    assert fast.requests_per_cpu_s is not None
    assert fast.requests_per_cpu_s.n == 5
    assert (fast.server_utilisation, fast.generator_utilisation) == (1.0, 0.25)


def test_a_cell_without_windows_is_shown_as_not_measured() -> None:
    (row,) = summarise(run([cell("a+b")]), []).cells
    assert (row.rank, row.verdict, row.requests_per_cpu_s) == (None, Verdict.NOT_MEASURED, None)


def test_a_control_is_tested_and_shown_but_not_ranked() -> None:
    made, windows = _with_control(1.0)
    summary = summarise(made, windows)
    assert summary.controls is not None
    assert [(pair.a, pair.b) for pair in summary.controls.same] == [("a+b", "a+b#2")]
    assert summary.controls.same[0].decision is Decision.EQUIVALENT
    assert {row.cell: row.rank for row in summary.cells} == {"c+d": 1, "a+b": 2, "a+b#2": None}
    assert all("a+b#2" not in (pair.a, pair.b) for pair in summary.pairs)


def test_no_cell_is_ranked_if_a_control_differs() -> None:
    summary = summarise(*_with_control(1.2))
    assert {row.rank for row in summary.cells} == {None}
    assert {row.verdict for row in summary.cells} == {Verdict.CONTROL_DIFFERS}
    assert summary.controls is not None
    assert "two copies of a+b differ by 16" in summary.controls.warnings[Verdict.CONTROL_DIFFERS]


def test_a_copy_that_differs_by_no_more_than_chance_explains_costs_no_ranks() -> None:
    made, windows = _with_control(1.002)
    summary = summarise(made, windows)
    assert {row.cell: row.rank for row in summary.cells} == {"c+d": 1, "a+b": 2, "a+b#2": None}
    assert summary.controls is not None
    (same,) = summary.controls.same
    assert (same.decision, round(same.p_value, 3)) == (Decision.DIFFERENT, 0.035)


def test_no_cell_is_ranked_if_the_canary_drifts() -> None:
    made, windows = _with_control(1.0)
    canaries = [canary(number, cpu_s=0.04 * (1.2 if number > 3 else 1), wall_s=0.05) for number in range(1, 7)]
    summary = summarise(made, [*windows, *canaries])
    assert {row.rank for row in summary.cells} == {None}
    assert summary.controls is not None
    assert "took 20% more CPU time" in summary.controls.warnings[Verdict.CANARY_DRIFT]


def _with_control(ratio: float) -> tuple[LoadRun, list[Window]]:
    made = run([cell("a+b"), cell("c+d"), cell("a+b#2", control_of="a+b")])
    levels = {"a+b": 10_000.0, "c+d": 20_000.0, "a+b#2": 10_000 * ratio}
    return made, [
        window(name, number, load(int(level * (1 + (-1) ** (number // place) / 1000))))
        for number in range(1, 6)
        for place, (name, level) in enumerate(levels.items(), 1)
    ]


def test_a_throttled_cell_is_ranked_with_a_remark() -> None:
    windows = [window("a+b", number, load(throttled_s=1.5)) for number in range(1, 6)]
    (row,) = summarise(run([cell("a+b")], vcpu=0.25), windows).cells
    assert (row.rank, row.verdict, row.throttled) == (1, Verdict.THROTTLED, 0.75)


def test_shares_are_of_the_time_of_cores() -> None:
    windows = [
        window("a+b", number, load(server_cpu_s=1.0, server_cores_busy_s=1.3, server_steal_s=0.02))
        for number in range(1, 6)
    ]
    (row,) = summarise(run([cell("a+b")]), windows).cells
    assert row.foreign == pytest.approx(0.15)
    assert row.steal == pytest.approx(0.01)


@pytest.mark.parametrize(("requests", "p99", "p999"), [(999, False, False), (1000, True, False), (10_000, True, True)])
def test_a_percentile_needs_ten_requests_beyond_it(requests: int, p99: bool, p999: bool) -> None:  # noqa: FBT001
    windows = [window("a+b", number, load(requests)) for number in range(1, 6)]
    (row,) = summarise(run([cell("a+b")]), windows).cells
    assert (row.p50_s is not None, row.p99_s is not None, row.p999_s is not None) == (True, p99, p999)


def test_percentiles_are_taken_in_each_window_and_averaged_over_windows() -> None:
    latencies = [Latency(p50=0.001 * 4**number, p90=1, p99=1, p999=1, max=1, mean=1) for number in range(5)]
    windows = [window("a+b", number, load(latency_s=one)) for number, one in enumerate(latencies, 1)]
    (row,) = summarise(run([cell("a+b")]), windows).cells
    assert row.p50_s is not None
    assert row.p50_s.estimate == pytest.approx(0.016)
    assert row.p50_s.n == 5


def test_the_spread_is_split_where_cells_share_rounds() -> None:
    summary = summarise(*_with_control(1.0))
    assert summary.spread is not None
    assert 0 < summary.spread.servers < 0.01
