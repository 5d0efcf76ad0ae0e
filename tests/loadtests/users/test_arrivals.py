"""Each arrival is due once, in order, with gaps of its kind."""

import random

import numpy as np
import pytest
from scipy import stats

from loadtests.users.arrivals import Arrivals, Schedule, gaps

RATE_RPS = 1000.0
P_LOWEST = 0.001
"""The lowest p-value accepted; the tests are seeded, so they give the same p-value each time."""


def drawn(
    count: int, kind: Arrivals = Arrivals.POISSON, seed: int = 7
) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    gap_s = gaps(kind, random.Random(seed))  # noqa: S311 -- not cryptography
    return np.array([gap_s(RATE_RPS) for _ in range(count)])


def test_gaps_of_a_poisson_process_are_exponential() -> None:
    """By the Kolmogorov-Smirnov test against the exponential distribution of that rate."""
    assert stats.kstest(drawn(20_000), stats.expon(scale=1 / RATE_RPS).cdf).pvalue > P_LOWEST


def test_counts_of_a_poisson_process_are_poisson_distributed() -> None:
    """By Pearson's chi-square test of arrivals in intervals of 5 ms, with 5 expected in each."""
    times_s = np.cumsum(drawn(50_000))
    counts = np.bincount((times_s // 0.005).astype(int))[:-1]
    seen = np.array([np.sum(counts == k) for k in range(12)] + [np.sum(counts >= 12)])
    expected = np.append(stats.poisson(5).pmf(np.arange(12)), stats.poisson(5).sf(11)) * len(counts)
    assert stats.chisquare(seen, expected * seen.sum() / expected.sum()).pvalue > P_LOWEST


def test_gaps_of_a_poisson_process_are_independent() -> None:
    seen = drawn(20_000)
    assert abs(float(np.corrcoef(seen[:-1], seen[1:])[0, 1])) < 4 / np.sqrt(len(seen))


def test_constant_gaps_are_all_the_same() -> None:
    assert set(drawn(100, Arrivals.CONSTANT)) == {1 / RATE_RPS}


def test_the_schedule_depends_on_the_seed_alone() -> None:
    assert list(drawn(50)) == list(drawn(50)) != list(drawn(50, seed=8))


@pytest.mark.parametrize("kind", Arrivals)
def test_each_arrival_is_due_once_however_often_the_schedule_is_asked(kind: Arrivals) -> None:
    schedule, often = Schedule(kind, 1), Schedule(kind, 1)
    for one in (schedule, often):
        one.pace(RATE_RPS, 0.0)
    seen = [due for step in range(1, 1000) for due in often.due(step * 0.00137)]
    assert seen == list(schedule.due(999 * 0.00137))
    assert seen == sorted(set(seen))
    assert len(seen) == pytest.approx(RATE_RPS * 999 * 0.00137, rel=0.1)


@pytest.mark.parametrize("kind", Arrivals)
def test_no_arrival_is_due_at_a_rate_of_zero(kind: Arrivals) -> None:
    schedule = Schedule(kind)
    assert list(schedule.due(1e9)) == []
    schedule.pace(10, 0.0)
    schedule.pace(0, 0.0)
    assert list(schedule.due(1e9)) == []


def test_a_change_of_rate_scales_the_current_gap() -> None:
    schedule = Schedule(Arrivals.CONSTANT)
    schedule.pace(1, 0.0)
    schedule.pace(2, 0.5)
    assert list(schedule.due(2.0)) == [0.75, 1.25, 1.75]


def test_a_poisson_process_stays_one_after_many_changes_of_rate() -> None:
    schedule, seen, now_s = Schedule(Arrivals.POISSON, 3), [], 0.0
    for step in range(20_000):
        schedule.pace(RATE_RPS * (1 + step % 2), now_s)
        now_s += 0.0011
        seen += list(schedule.due(now_s))
    in_units = np.diff([_mean_arrivals(at_s) for at_s in seen])
    assert stats.kstest(in_units, stats.expon().cdf).pvalue > P_LOWEST


def _mean_arrivals(at_s: float) -> float:
    """Return the arrivals expected by then at the rates of the test above, which change every 1.1 ms."""
    whole, rest_s = divmod(at_s, 0.0022)
    return RATE_RPS * (whole * 0.0033 + rest_s + max(0.0, rest_s - 0.0011))
