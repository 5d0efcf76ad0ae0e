"""A search halves what is left, passes over what cannot be measured, and says how sure its result is."""

import pytest

from common.records.summary import Interval, LimitDecision
from loadtests.analysis.bisection import (
    Found,
    chance_of_error,
    comparisons_needed,
    limit_between,
    narrowed,
    next_position,
)

FAST, SLOW = LimitDecision.NOT_SLOWER, LimitDecision.SLOWER


@pytest.mark.parametrize(
    ("found", "ends", "following"),
    [
        ({}, (0, 200), 100),
        ({100: SLOW}, (0, 100), 50),
        ({100: FAST}, (100, 200), 150),
        ({100: None}, (0, 200), 99),
        ({100: LimitDecision.UNDECIDED, 99: None}, (0, 200), 101),
        ({100: SLOW, 50: FAST, 150: FAST}, (50, 100), 75),
        ({1: SLOW}, (0, 1), None),
        ({199: FAST}, (199, 200), None),
        ({198: FAST, 199: None}, (198, 200), None),
    ],
)
def test_the_middle_of_what_is_left_is_compared_next(
    found: Found, ends: tuple[int, int], following: int | None
) -> None:
    assert (narrowed(found, 200), next_position(found, 200)) == (ends, following)


@pytest.mark.parametrize(("last", "needed"), [(1, 1), (2, 2), (8, 4), (200, 9)])
def test_two_hundred_commits_need_nine_comparisons(last: int, needed: int) -> None:
    assert comparisons_needed(last) == needed


@pytest.mark.parametrize(("high", "limit"), [(-0.15, 0.1), (-0.02, 0.02)])
def test_the_limit_is_half_the_slowdown_or_as_much_of_it_as_is_certain(high: float, limit: float) -> None:
    change = Interval(estimate=-0.19, low=-0.3, high=high, n=10)
    assert limit_between(change) == pytest.approx(limit)


def test_the_chance_of_an_error_grows_with_the_comparisons_made() -> None:
    halvings: dict[int, LimitDecision | None] = {100: SLOW, 50: SLOW, 25: SLOW, 12: SLOW, 6: SLOW, 3: SLOW, 1: SLOW}
    assert chance_of_error(halvings, 200) < 0.05
    assert chance_of_error({**halvings, 2: SLOW}, 200) == pytest.approx(0.05)
    assert chance_of_error({**halvings, 2: None}, 200) < 0.05
