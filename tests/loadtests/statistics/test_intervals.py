"""Intervals agree with textbooks, tests on paired log ratios with SciPy's, with one pair or many, and with gaps."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from common.records.summary import Interval
from loadtests.statistics.intervals import Array, LogRatios, holm, log_interval, mean_interval, median_interval

BAND = math.log(1.05)
LOGS = np.random.default_rng(3).normal([0.0, 0.02, 0.3], 0.05, (9, 3))


def test_an_interval_agrees_with_students_t_on_logarithms() -> None:
    found = log_interval([90.0, 100.0, 112.0])
    logs = np.log([90.0, 100.0, 112.0])
    low, high = stats.t.interval(0.95, 2, loc=logs.mean(), scale=stats.sem(logs))
    assert found is not None
    assert found.low == pytest.approx(math.exp(low))
    assert found.high == pytest.approx(math.exp(high))


@pytest.mark.parametrize("interval", [log_interval, mean_interval, median_interval])
def test_one_value_has_no_bounds_and_none_has_no_estimate(interval: Callable[[list[float]], Interval | None]) -> None:
    one = interval([7.0])
    assert one is not None
    assert one.estimate == pytest.approx(7)
    assert (one.low, one.high, one.n) == (None, None, 1)
    assert interval([]) is None


@pytest.mark.parametrize(
    ("count", "bounds"),
    [(5, None), (6, (1, 6)), (8, (1, 8)), (9, (2, 8)), (20, (6, 15))],
)
def test_a_median_lies_between_the_order_statistics_of_the_tables(count: int, bounds: tuple[int, int] | None) -> None:
    """Table 7 of Conover, Practical Nonparametric Statistics, gives the ranks."""
    found = median_interval([float(value) for value in range(count, 0, -1)])
    assert found is not None
    assert found.estimate == (count + 1) / 2
    assert (found.low, found.high) == (bounds or (None, None))


@pytest.mark.parametrize("logs", [LOGS, LOGS[:2]])
def test_p_values_of_a_difference_agree_with_scipy(logs: Array) -> None:
    assert LogRatios.of(logs).different() == pytest.approx(stats.ttest_1samp(logs, 0).pvalue)


@pytest.mark.parametrize("logs", [LOGS, LOGS[:2]])
def test_p_values_of_equivalence_are_the_larger_of_two_one_sided_tests(logs: Array) -> None:
    above = stats.ttest_1samp(logs, -BAND, alternative="greater").pvalue
    below = stats.ttest_1samp(logs, BAND, alternative="less").pvalue
    assert LogRatios.of(logs).equivalent(BAND) == pytest.approx(np.maximum(above, below))


@pytest.mark.parametrize("logs", [LOGS, LOGS[:2]])
def test_bounds_agree_with_scipy(logs: Array) -> None:
    low, high = LogRatios.of(logs).bounds(0.95)
    wanted = stats.ttest_1samp(logs, 0).confidence_interval(0.95)
    assert np.log(low) == pytest.approx(wanted.low)
    assert np.log(high) == pytest.approx(wanted.high)


def test_a_missing_round_affects_only_the_pair_that_lacks_it() -> None:
    gaps = LOGS.copy()
    gaps[4, 1] = np.nan
    found = LogRatios.of(gaps)
    assert list(found.n) == [9, 8, 9]
    assert found.different()[1] == pytest.approx(stats.ttest_1samp(np.delete(LOGS[:, 1], 4), 0).pvalue)
    assert found.different()[0] == pytest.approx(stats.ttest_1samp(LOGS[:, 0], 0).pvalue)


@pytest.mark.parametrize("rounds", [0, 1])
def test_fewer_than_two_rounds_show_nothing(rounds: int) -> None:
    found = LogRatios.of(np.full((rounds, 1), 5.0))
    assert (list(found.different()), list(found.equivalent(BAND))) == ([1], [1])
    assert np.isnan(found.rounds_needed(BAND, 0.05, 0.05)).all()
    assert np.isnan(found.bounds(0.95)).all()


@pytest.mark.parametrize(("mean", "different", "equivalent"), [(0.0, 1, 0), (0.01, 0, 0), (0.1, 0, 1)])
def test_identical_rounds_give_a_certain_decision(mean: float, different: int, equivalent: int) -> None:
    found = LogRatios.of(np.full((4, 1), mean))
    assert (list(found.different()), list(found.equivalent(BAND))) == ([different], [equivalent])


def test_a_pair_at_the_edge_of_the_band_needs_fewest_rounds_to_be_told_apart() -> None:
    found = LogRatios(np.full(3, 8.0), np.array([0.02, BAND, 0.2]), np.full(3, 0.066), np.full(3, 7.0))
    in_between, edge, far = found.rounds_needed(BAND, 0.05, 0.05)
    assert in_between > edge > far
    assert far < 8


def test_holm_agrees_with_a_hand_calculation() -> None:
    assert list(holm(np.array([0.01, 0.04, 0.03, 0.5]))) == pytest.approx([0.04, 0.09, 0.09, 0.5])


def test_holm_counts_hypotheses_without_a_p_value() -> None:
    assert list(holm(np.array([0.01, 0.04]), 5)) == pytest.approx([0.05, 0.16])


def test_holm_of_no_p_values_is_empty() -> None:
    assert list(holm(np.array([]))) == []
