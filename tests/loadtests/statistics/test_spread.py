"""Means are adjusted for rounds, and spreads drawn towards what they have in common, by no more than the data say."""

import math

import numpy as np
import pytest

from loadtests.statistics.intervals import log_interval
from loadtests.statistics.spread import adjusted, moderate, spread
from tests.support.synthetic import OWN_SD, draw


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


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


def test_in_whole_rounds_an_adjusted_mean_is_the_mean(rng: np.random.Generator) -> None:
    values = {name: dict(enumerate(rng.lognormal(7, 0.02, 6).tolist(), start=1)) for name in "abc"}
    for name, one in adjusted(values).items():
        assert one.mean == pytest.approx(float(np.log(list(values[name].values())).mean()))
        assert one.n == 6


def test_a_cell_without_another_is_as_well_known_as_its_values_say(rng: np.random.Generator) -> None:
    values = dict(enumerate(rng.lognormal(7, 0.02, 6).tolist(), start=1))
    alone, expected = adjusted({"a": values, "b": {}})["a"].estimate.interval(), log_interval(list(values.values()))
    assert expected is not None
    assert (alone.estimate, alone.low, alone.high) == pytest.approx((expected.estimate, expected.low, expected.high))


def test_rounds_in_which_a_cell_is_alone_say_nothing_about_its_spread(rng: np.random.Generator) -> None:
    drawn = draw(rng, [1000.0] * 3, 20)
    short = {cell: {n: one for n, one in row.items() if cell == "0" or n <= 5} for cell, row in drawn.items()}
    together = {cell: {n: one for n, one in row.items() if n <= 5} for cell, row in drawn.items()}
    for name, one in adjusted(short).items():
        assert one.variance == pytest.approx(adjusted(together)[name].variance)
        assert one.freedom == pytest.approx(adjusted(together)[name].freedom)


def test_the_error_of_a_cell_that_missed_rounds_contains_what_the_others_say_of_them(rng: np.random.Generator) -> None:
    """A row against another that was left after 5 of 20 rounds, over simulated runs."""
    means, errors = [], []
    for _ in range(400):
        drawn = draw(rng, [1000.0] * 3, 20, round_sd=0.0)
        found = adjusted(
            {cell: {n: one for n, one in row.items() if cell == "0" or n <= 5} for cell, row in drawn.items()}
        )
        means.append(found["1"].mean)
        errors.append(found["1"].error)
    # The common spread of three cells is estimated from its logarithm, which makes it too large rather than too small.
    assert 0.75 < np.std(means) / np.sqrt(np.mean(np.square(errors))) < 1
    assert np.mean(errors) > 1.1 * OWN_SD / math.sqrt(5)


def test_variances_that_differ_by_chance_alone_become_one(rng: np.random.Generator) -> None:
    variances = rng.chisquare(4, 40) / 4
    steadied, freedom = moderate(variances, np.full(40, 4.0))
    assert steadied.std() < 0.2 * variances.std()
    assert steadied.mean() == pytest.approx(1.0, rel=0.2)
    assert (freedom > 20).all()


def test_variances_that_truly_differ_stay_apart(rng: np.random.Generator) -> None:
    variances = np.array([1.0, 100.0] * 20) * rng.chisquare(4, 40) / 4
    steadied, freedom = moderate(variances, np.full(40, 4.0))
    assert np.median(steadied[1::2]) > 20 * np.median(steadied[::2])
    assert (freedom < 8).all()


def test_the_scaled_inverse_chi_square_prior_is_found_again(rng: np.random.Generator) -> None:
    """Variances drawn from a prior of 10 degrees of freedom around 2."""
    truths = 2 * 10 / rng.chisquare(10, 4000)
    _, freedom = moderate(truths * rng.chisquare(5, 4000) / 5, np.full(4000, 5.0))
    assert freedom[0] - 5 == pytest.approx(10, rel=0.2)


@pytest.mark.parametrize("values", [{}, {"a": {}}])
def test_nothing_has_no_means(values: dict[str, dict[int, float]]) -> None:
    assert adjusted(values) == {}


def test_one_value_has_no_interval() -> None:
    interval = adjusted({"a": {1: 1000.0}, "b": {1: 900.0}})["a"].estimate.interval()
    assert (interval.low, interval.high, interval.n) == (None, None, 1)


def test_both_parts_are_recovered_from_simulated_values() -> None:
    found = spread(draw(np.random.default_rng(1), [1000.0, 2000.0, 500.0] * 4, 200))
    assert found is not None
    assert found.servers == pytest.approx(OWN_SD, rel=0.05)
    assert found.rounds == pytest.approx(0.10, rel=0.12)


def test_cells_that_drop_out_bias_neither_part() -> None:
    values = draw(np.random.default_rng(2), [1000.0] * 12, 200)
    short = {cell: {n: one for n, one in row.items() if n <= 200 / (1 + int(cell) % 4)} for cell, row in values.items()}
    found = spread(short)
    assert found is not None
    assert found.servers == pytest.approx(OWN_SD, rel=0.06)
    assert found.rounds == pytest.approx(0.10, rel=0.15)


def test_independent_rounds_have_a_spread_close_to_zero() -> None:
    found = spread(draw(np.random.default_rng(3), [1000.0] * 8, 100, round_sd=0.0))
    assert found is not None
    assert found.rounds < 0.01


@pytest.mark.parametrize("values", [{}, {"a": {1: 5.0, 2: 6.0}}, {"a": {1: 5.0}, "b": {1: 6.0}}])
def test_too_few_values_have_no_spread(values: dict[str, dict[int, float]]) -> None:
    assert spread(values) is None
