"""ROUNDS, BUDGET, PRECISION and MARGIN together are the stopping rule."""

import pytest

from common.errors import UsageError
from common.records.run import Stopping
from loadtests.analysis import outcome
from loadtests.analysis.comparison import LOOKS
from loadtests.campaign.stopping import exactly, parse_duration, parse_share, parse_stopping


def test_rounds_is_an_exact_number_without_looks() -> None:
    assert parse_stopping(rounds=7) == (7, Stopping(fewest_rounds=7))
    assert exactly(7) == Stopping(fewest_rounds=7)


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
    rounds, found = parse_stopping(rounds=None, looks=outcome.LOOKS)
    assert (rounds, found.looks) == (outcome.LOOKS[-1], list(outcome.LOOKS))


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
