"""The spread is split into a part between rounds and a part between servers."""

import numpy as np
import pytest

from loadtests.statistics.variance import spread
from tests.support.synthetic import OWN_SD, draw


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
