"""An interval turned upside down is that of the reciprocal."""

import pytest

from common.records.summary import Interval


def test_the_bounds_of_a_reciprocal_change_places() -> None:
    found = Interval(estimate=100.0, low=80.0, high=125.0, n=5).inverse(1e6)
    assert (found.estimate, found.low, found.high) == pytest.approx((10_000, 8000, 12_500))
    assert found.n == 5


def test_a_reciprocal_has_the_bound_that_its_interval_has() -> None:
    found = Interval(estimate=100.0, low=80.0, high=None, n=5).inverse(1e6)
    assert (found.low, found.high) == (None, 12_500)
