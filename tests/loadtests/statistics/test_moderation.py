"""Means are adjusted for rounds, and spreads drawn towards what they have in common, by no more than the data say."""

import math

import numpy as np
import pytest

from loadtests.statistics.moderation import adjusted, moderate

RNG = np.random.default_rng(5)


def test_a_cell_measured_in_the_slow_rounds_alone_is_not_the_slower_for_it() -> None:
    effects = {1: 1.0, 2: 1.0, 3: 0.8, 4: 0.8}
    values = {
        "a": {number: 1000 * effects[number] for number in effects},
        "b": {number: 2000 * effects[number] for number in effects},
        "c": {number: 1000 * effects[number] for number in (3, 4)},
    }
    means = {name: math.exp(one.mean) for name, one in adjusted(values).items()}
    assert means["c"] == pytest.approx(means["a"])
    assert means["b"] == pytest.approx(2 * means["a"])


def test_in_whole_rounds_an_adjusted_mean_is_the_mean() -> None:
    values = {name: dict(enumerate(RNG.lognormal(7, 0.02, 6).tolist(), start=1)) for name in "abc"}
    for name, one in adjusted(values).items():
        assert one.mean == pytest.approx(float(np.log(list(values[name].values())).mean()))
        assert one.n == 6


def test_variances_that_differ_by_chance_alone_become_one() -> None:
    variances = RNG.chisquare(4, 40) / 4
    steadied, freedom = moderate(variances, np.full(40, 4.0))
    assert steadied.std() < 0.2 * variances.std()
    assert steadied.mean() == pytest.approx(1.0, rel=0.2)
    assert (freedom > 20).all()


def test_variances_that_truly_differ_stay_apart() -> None:
    variances = np.array([1.0, 100.0] * 20) * RNG.chisquare(4, 40) / 4
    steadied, freedom = moderate(variances, np.full(40, 4.0))
    assert np.median(steadied[1::2]) > 20 * np.median(steadied[::2])
    assert (freedom < 8).all()


def test_the_scaled_inverse_chi_square_prior_is_found_again() -> None:
    """Variances drawn from a prior of 10 degrees of freedom around 2."""
    truths = 2 * 10 / RNG.chisquare(10, 4000)
    _, freedom = moderate(truths * RNG.chisquare(5, 4000) / 5, np.full(4000, 5.0))
    assert freedom[0] - 5 == pytest.approx(10, rel=0.2)


@pytest.mark.parametrize("values", [{}, {"a": {}}])
def test_nothing_has_no_means(values: dict[str, dict[int, float]]) -> None:
    assert adjusted(values) == {}


def test_one_value_has_no_interval() -> None:
    interval = adjusted({"a": {1: 1000.0}, "b": {1: 900.0}})["a"].interval()
    assert (interval.low, interval.high, interval.n) == (None, None, 1)
