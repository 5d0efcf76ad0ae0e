"""The order of a run is complete, shuffled and reproducible."""

from collections import Counter
from itertools import groupby, pairwise

import pytest

from common.errors import UsageError
from common.records.run import Stopping
from common.records.window import Window
from loadtests.analysis.thresholds import COMPARISON_LOOKS, LOOKS
from loadtests.campaign.plan import PlannedVisit, parse_duration, parse_share, parse_stopping, planned_visits
from loadtests.experiments.startup.records import Start

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
    made = PlannedVisit(kind=Window, round=3, position=2, cell="a+b").record(Window, "run")
    assert (made.run, made.round, made.position, made.cell, made.took_s) == ("run", 3, 2, "a+b", None)
    assert made.started_at.tzinfo is not None


def test_rounds_is_an_exact_number_without_looks() -> None:
    assert parse_stopping(rounds=7) == (7, Stopping(fewest_rounds=7))


def test_by_default_looks_and_a_budget_end_a_run_that_has_rounds_enough_to_rank() -> None:
    assert parse_stopping(rounds=None) == (20, Stopping(fewest_rounds=5, looks=list(LOOKS), budget_s=360.0))


def test_an_explicit_budget_is_kept() -> None:
    expected = Stopping(fewest_rounds=1, looks=list(LOOKS), budget_s=900.0)
    assert parse_stopping(rounds=None, budget="15m") == (20, expected)
    precise = Stopping(fewest_rounds=1, budget_s=900.0, precision=0.02)
    assert parse_stopping(rounds=None, budget="15m", precision="2%") == (100, precise)


def test_a_precision_takes_the_place_of_looks() -> None:
    rounds, found = parse_stopping(rounds=None, precision="2%")
    assert (found.looks, found.precision, found.fewest_rounds) == ([], 0.02, 5)
    assert rounds > LOOKS[-1]


def test_a_comparison_has_looks_of_its_own() -> None:
    rounds, found = parse_stopping(rounds=None, looks=COMPARISON_LOOKS)
    assert (rounds, found.looks) == (COMPARISON_LOOKS[-1], list(COMPARISON_LOOKS))


def test_a_margin_is_part_of_the_rule() -> None:
    assert parse_stopping(rounds=None)[1].margin == 0.05
    assert parse_stopping(rounds=3, margin="2%")[1].margin == 0.02


@pytest.mark.parametrize(
    ("budget", "precision", "left_out"),
    [(None, "2%", "PRECISION=2%"), ("5m", None, "BUDGET=5m"), ("5m", "2%", "BUDGET=5m and PRECISION=2%")],
)
def test_rounds_excludes_budget_and_precision(budget: str | None, precision: str | None, left_out: str) -> None:
    with pytest.raises(UsageError, match=rf"ROUNDS=3 is exactly that many rounds\. Leave out {left_out}\."):
        parse_stopping(rounds=3, budget=budget, precision=precision)


@pytest.mark.parametrize(("text", "expected_s"), [("90s", 90), ("15m", 900), ("1.5H", 5400), (" 2 m ", 120)])
def test_a_duration_has_a_unit(text: str, expected_s: float) -> None:
    assert parse_duration(text, variable="BUDGET") == expected_s


@pytest.mark.parametrize("text", ["", "15", "m", "-1m", "0s", "1d", "9" * 400 + "h"])
def test_an_invalid_duration_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"invalid BUDGET=.*: must be a duration such as 90s"):
        parse_duration(text, variable="BUDGET")


@pytest.mark.parametrize(("text", "expected"), [("2%", 0.02), ("2", 0.02), ("0.5 %", 0.005)])
def test_a_share_is_in_per_cent(text: str, expected: float) -> None:
    assert parse_share(text, variable="MARGIN") == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "0%", "60%", "-1%", "five"])
def test_an_invalid_share_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"invalid MARGIN=.*: must be above 0"):
        parse_share(text, variable="MARGIN")
