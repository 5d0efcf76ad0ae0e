"""ROUNDS, BUDGET, PRECISION and MARGIN are one rule for when a run ends."""

import pytest

from common.errors import UsageError
from loadtests.analysis.comparison import LOOKS
from loadtests.runs.stopping import Stopping, duration_s, share


def _read(rounds: int | None = None, budget: str | None = None, precision: str | None = None) -> Stopping:
    return Stopping.parse(rounds=rounds, budget=budget, precision=precision, margin="5%")


def test_rounds_are_exactly_so_many_without_looks() -> None:
    assert _read(rounds=7) == Stopping(rounds=7, fewest_rounds=7)


def test_by_default_looks_and_a_budget_end_a_run_that_has_rounds_enough_to_rank() -> None:
    assert _read() == Stopping(rounds=20, fewest_rounds=5, looks=LOOKS, budget_s=420.0)


def test_a_budget_that_was_asked_for_is_kept() -> None:
    assert _read(budget="15m") == Stopping(rounds=20, fewest_rounds=1, looks=LOOKS, budget_s=900.0)


def test_a_precision_takes_the_place_of_looks() -> None:
    found = _read(precision="2%")
    assert (found.looks, found.precision) == ((), 0.02)
    assert found.rounds > LOOKS[-1]


def test_rounds_go_with_neither() -> None:
    with pytest.raises(UsageError, match="ROUNDS=3 is exactly so many rounds"):
        _read(rounds=3, precision="2%")


@pytest.mark.parametrize(("text", "expected_s"), [("90s", 90), ("15m", 900), ("1.5H", 5400), (" 2 m ", 120)])
def test_a_duration_has_a_unit(text: str, expected_s: float) -> None:
    assert duration_s(text, variable="BUDGET") == expected_s


@pytest.mark.parametrize("text", ["", "15", "m", "-1m", "0s", "1d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"BUDGET=.* Accepted: such as 90s"):
        duration_s(text, variable="BUDGET")


@pytest.mark.parametrize(("text", "expected"), [("2%", 0.02), ("2", 0.02), ("0.5 %", 0.005)])
def test_a_share_is_in_per_cent(text: str, expected: float) -> None:
    assert share(text, variable="MARGIN") == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "0%", "60%", "-1%", "five"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"MARGIN=.* Accepted: above 0"):
        share(text, variable="MARGIN")
