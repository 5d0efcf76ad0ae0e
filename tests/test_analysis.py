"""Intervals cover the truth, ranks tie what cannot be told apart, and every row says what it stands on."""

import math

import numpy as np
import pytest
from scipy import stats

from common.records import Verdict
from loadtests.analysis import holm, log_interval, rank, requests_per_cpu_s, summarise
from tests.records import cell, load, run, window

SERVER_SD = math.hypot(0.034, 0.032)
"""Spread of one fresh server's window, as a coefficient of variation: between servers and within one."""
ROUND_SD = 0.10
"""A shared effect of the round."""


@pytest.mark.parametrize("rounds", [5, 8, 20])
def test_intervals_cover_the_truth_in_95_percent_of_experiments(rounds: int) -> None:
    rng = np.random.default_rng(rounds)
    experiments = 4000
    values = 1000 * np.exp(rng.normal(0, SERVER_SD, (experiments, rounds)))
    intervals = [log_interval(list(row)) for row in values]
    covered = sum(one.low <= 1000 <= one.high for one in intervals if one and one.low and one.high)
    assert 0.93 < covered / experiments < 0.97


def test_one_value_has_no_interval_and_none_has_no_estimate() -> None:
    one = log_interval([7.0])
    assert one is not None
    assert one.estimate == pytest.approx(7)
    assert (one.low, one.high, one.n) == (None, None, 1)
    assert log_interval([]) is None


def test_an_interval_agrees_with_students_t_on_logarithms() -> None:
    found = log_interval([90.0, 100.0, 112.0])
    logs = np.log([90.0, 100.0, 112.0])
    low, high = stats.t.interval(0.95, 2, loc=logs.mean(), scale=stats.sem(logs))
    assert found is not None
    assert found.low == pytest.approx(math.exp(low))
    assert found.high == pytest.approx(math.exp(high))


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])


def test_holm_of_nothing_is_nothing() -> None:
    assert holm([]) == []


def _experiment(rng: np.random.Generator, truths: list[float], rounds: int) -> dict[str, dict[int, float]]:
    shared = rng.normal(0, ROUND_SD, rounds)
    own = rng.normal(0, SERVER_SD, (len(truths), rounds))
    return {
        str(index): {number: truth * math.exp(shared[number] + own[index, number]) for number in range(rounds)}
        for index, truth in enumerate(truths)
    }


def test_identical_cells_are_rarely_told_apart() -> None:
    """At most 5 % of experiments with eight identical cells may call any difference (six with the luck of 300)."""
    rng = np.random.default_rng(1)
    wrong = sum(set(rank(_experiment(rng, [1000.0] * 8, 8)).values()) != {1} for _ in range(300))
    assert wrong / 300 < 0.08


def test_cells_25_percent_apart_are_ranked_in_their_true_order() -> None:
    rng = np.random.default_rng(2)
    truths = [1000 * 1.25**power for power in range(6)]
    for _ in range(50):
        ranks = rank(_experiment(rng, truths, 12))
        assert [ranks[str(index)] for index in range(6)] == [6, 5, 4, 3, 2, 1]


def test_what_a_round_shares_does_not_hide_a_difference() -> None:
    """Rounds that differ threefold leave paired ratios exact."""
    a = {1: 100.0, 2: 300.0, 3: 200.0, 4: 150.0, 5: 120.0}
    b = {number: value * (0.9 + number / 1000) for number, value in a.items()}
    assert rank({"a": a, "b": b}) == {"a": 1, "b": 2}


def test_a_single_round_ranks_nobody_below_another() -> None:
    assert rank({"a": {1: 100.0}, "b": {1: 1.0}}) == {"a": 1, "b": 1}


def test_a_windows_value_is_missing_rather_than_zero() -> None:
    assert requests_per_cpu_s(load(30_000, 1.5)) == 20_000
    assert requests_per_cpu_s(load(30_000, None)) is None
    assert requests_per_cpu_s(load(0, 1.5)) is None
    assert requests_per_cpu_s(None) is None


def test_a_summary_ranks_the_valid_and_shows_the_rest_after_them() -> None:
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
