"""The order of a run is complete, shuffled and reproducible."""

from collections import Counter
from itertools import groupby, pairwise

from common.records.experiments.startup import Start
from common.records.window import Canary, Window
from loadtests.campaign.plan import PlannedVisit, planned_visits

CELLS = tuple("abcdef")


def _planned(rounds: int, seed: int) -> list[PlannedVisit]:
    return list(planned_visits(Window, CELLS, rounds, seed))


def _orders(seed: int, rounds: int = 200) -> list[tuple[str, ...]]:
    planned = _planned(rounds, seed)
    return [tuple(one.cell for one in group) for _, group in groupby(planned, key=lambda one: one.round)]


def test_every_round_holds_every_cell_once() -> None:
    assert all(sorted(order) == list(CELLS) for order in _orders(1))


def test_rounds_and_positions_count_from_one() -> None:
    first, *_, last = _planned(3, 1)
    assert (first.round, first.position) == (1, 1)
    assert (last.round, last.position) == (3, len(CELLS))


def test_the_same_seed_gives_the_same_order() -> None:
    assert _planned(5, 7) == _planned(5, 7)


def test_another_seed_gives_another_order() -> None:
    assert _orders(7, 5) != _orders(8, 5)


def test_a_longer_run_begins_like_a_shorter_one() -> None:
    assert _planned(9, 7)[: 5 * len(CELLS)] == _planned(5, 7)


def test_every_cell_takes_every_position_about_equally_often() -> None:
    """By a chi-square test over cells and positions, which no fixed or rotating order passes."""
    rounds = 1200
    counts = Counter((cell, place) for order in _orders(3, rounds) for place, cell in enumerate(order))
    expected = rounds / len(CELLS)
    chi_square = sum((counts[cell, place] - expected) ** 2 / expected for cell in CELLS for place in range(len(CELLS)))
    assert 8 < chi_square < 53  # 0.01 % and 99.9 % of chi-square with 25 degrees of freedom are 5.2 and 52.6


def test_which_cell_follows_which_differs_between_rounds() -> None:
    followers = {pair for order in _orders(3) for pair in pairwise(order)}
    assert len(followers) == len(CELLS) * (len(CELLS) - 1)


def test_a_planned_visit_names_its_kind_and_its_cell() -> None:
    assert list(planned_visits(Start, ("one",), 1, 0)) == [PlannedVisit(kind=Start, round=1, position=1, cell="one")]


def test_a_record_of_a_planned_visit_holds_its_place_and_start_time() -> None:
    made = PlannedVisit(kind=Canary, round=3, position=0, cell="").record(Canary, "run")
    assert (made.run, made.round, made.position, made.cell, made.took_s) == ("run", 3, 0, "", None)
    assert made.started_at.tzinfo is not None
