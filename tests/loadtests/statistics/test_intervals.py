"""Intervals agree with textbooks, and have no bounds with too few values."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from common.records.summary import Interval
from loadtests.statistics.intervals import log_interval, median_interval


def test_an_interval_agrees_with_students_t_on_logarithms() -> None:
    found = log_interval([90.0, 100.0, 112.0])
    logs = np.log([90.0, 100.0, 112.0])
    low, high = stats.t.interval(0.95, 2, loc=logs.mean(), scale=stats.sem(logs))
    assert found is not None
    assert found.low == pytest.approx(math.exp(low))
    assert found.high == pytest.approx(math.exp(high))


@pytest.mark.parametrize("interval", [log_interval, median_interval])
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
