"""Histograms lose no counts, and values read back within 1 %."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.users import histogram

DURATIONS_S = st.floats(min_value=0, max_value=100_000, allow_nan=False)
HALF_TICK_S = 0.5 / histogram.TICKS_PER_S


@given(DURATIONS_S)
def test_a_value_reads_back_within_half_a_tick_or_four_thousandths(duration_s: float) -> None:
    ticks = int(duration_s * histogram.TICKS_PER_S)
    seen_s = histogram.value_s(histogram.index(ticks))
    assert abs(seen_s - (ticks + 0.5) / histogram.TICKS_PER_S) <= max(HALF_TICK_S, 0.004 * duration_s)


def test_buckets_follow_each_other_without_a_gap() -> None:
    lowest = [histogram.index(ticks) for ticks in range(10_000)]
    assert set(lowest) == set(range(max(lowest) + 1))
    assert lowest == sorted(lowest)


def test_a_time_too_long_for_any_bucket_is_in_the_last() -> None:
    assert histogram.index(1 << 60) == histogram.BUCKETS - 1


@pytest.mark.parametrize("fraction", [0.01, 0.5, 0.9, 0.99, 0.999, 1.0])
@pytest.mark.parametrize("count", [1, 2, 10, 5_000])
def test_percentiles_agree_with_numpy_within_one_per_cent(count: int, fraction: float) -> None:
    randomness = random.Random(count)  # noqa: S311 -- not cryptography
    durations_s = [randomness.lognormvariate(-7, 1) for _ in range(count)]
    counts = histogram.empty()
    for duration_s in durations_s:
        histogram.record(counts, duration_s)
    expected_s = float(np.quantile(durations_s, fraction, method="inverted_cdf"))
    assert histogram.percentile_s(counts, fraction) == pytest.approx(expected_s, rel=0.01)


def test_an_empty_histogram_has_no_percentile() -> None:
    assert histogram.percentile_s(histogram.empty(), 0.5) is None


@given(st.lists(DURATIONS_S), st.lists(DURATIONS_S))
def test_merging_equals_counting_both(some: list[float], others: list[float]) -> None:
    apart, together = [histogram.empty(), histogram.empty()], histogram.empty()
    for counts, durations_s in zip(apart, (some, others), strict=True):
        for duration_s in durations_s:
            histogram.record(counts, duration_s)
            histogram.record(together, duration_s)
    assert histogram.merge(apart) == together
    assert histogram.difference(together, apart[0]) == apart[1]
    assert histogram.dense(histogram.sparse(together)) == together
