"""The order of a run is complete, shuffled and reproducible."""

from collections import Counter
from itertools import groupby, pairwise

from loadtests.runs.plan import Step, steps

CELLS = tuple("abcdef")


def _orders(seed: int, rounds: int = 200) -> list[tuple[str, ...]]:
    planned = steps(CELLS, rounds, seed)
    return [tuple(step.cell for step in group) for _, group in groupby(planned, key=lambda step: step.round)]


def test_every_round_holds_every_cell_once() -> None:
    assert all(sorted(order) == list(CELLS) for order in _orders(1))


def test_rounds_and_positions_count_from_one() -> None:
    first, *_, last = steps(CELLS, 3, 1)
    assert (first.round, first.position) == (1, 1)
    assert (last.round, last.position) == (3, len(CELLS))


def test_the_same_seed_gives_the_same_order() -> None:
    assert list(steps(CELLS, 5, 7)) == list(steps(CELLS, 5, 7))


def test_another_seed_gives_another_order() -> None:
    assert _orders(7, 5) != _orders(8, 5)


def test_a_longer_run_begins_like_a_shorter_one() -> None:
    assert list(steps(CELLS, 9, 7))[: 5 * len(CELLS)] == list(steps(CELLS, 5, 7))


def test_every_cell_stands_in_every_position_about_equally_often() -> None:
    """Chi-square over the 6 x 6 table of cells and positions, which no fixed or rotating order passes."""
    rounds = 1200
    counts = Counter((cell, place) for order in _orders(3, rounds) for place, cell in enumerate(order))
    expected = rounds / len(CELLS)
    chi_square = sum((counts[cell, place] - expected) ** 2 / expected for cell in CELLS for place in range(len(CELLS)))
    assert 8 < chi_square < 53  # 0.01 % and 99.9 % of chi-square with 25 degrees of freedom are 5.2 and 52.6


def test_which_cell_follows_which_differs_between_rounds() -> None:
    followers = {pair for order in _orders(3) for pair in pairwise(order)}
    assert len(followers) == len(CELLS) * (len(CELLS) - 1)


def test_a_step_names_its_cell() -> None:
    assert list(steps(("one",), 1, 0)) == [Step(round=1, position=1, cell="one")]
