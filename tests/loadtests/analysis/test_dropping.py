"""Cells drop out at looks that were made, and no sooner than the chance of a decision is small."""

import math
from typing import Any

import pytest
from msgspec.structs import replace

from common.records.run import Design
from common.records.summary import BetweenRuns, Decision, Dropout, DropReason, Interval
from common.records.window import Window
from loadtests.analysis.dropping import dropouts, dropping, half_width, pairs_of
from loadtests.analysis.thresholds import SLICED_LOOKS
from loadtests.experiments.loadtest.report import summarise
from tests.support.records import SLICING, cell, compare_run, load, run, window

CELLS = [cell("a"), cell("b")]
RUN = run(CELLS, rounds=12, looks=list(SLICED_LOOKS))


def _windows(a: list[float], b: float) -> list[Window]:
    rounds = enumerate(a, start=1)
    return [window(name, n, load(round(20_000 * level))) for n, one in rounds for name, level in (("a", one), ("b", b))]


def test_nothing_drops_out_at_a_look_whose_round_was_not_completed() -> None:
    made = _windows([1.01, 0.99, 1.0, 1.01, 0.99], b=2.0)
    assert dropouts(RUN, made[:-1]) == {}
    assert dropouts(RUN, made) == dict.fromkeys("ab", Dropout(after_round=5, reason=DropReason.RESOLVED))


def test_stacks_drop_out_by_what_the_manifest_says_of_other_runs_and_of_an_old_one_by_that_run_alone() -> None:
    """So nothing that is learnt later makes a finished run an unfinished one."""
    values = _windows([1.031, 1.029, 1.03, 1.031, 1.029], b=1.0)
    of_runs = [replace(RUN, between_runs=known) for known in (None, BetweenRuns(sd=0.02, freedom=30))]
    reasons = [dropping(one, "ab", values, 5) for one in of_runs]
    assert reasons == [dict.fromkeys("ab", DropReason.RESOLVED), dict.fromkeys("ab", DropReason.OUT_OF_REACH)]


def test_an_interval_without_bounds_is_not_precise() -> None:
    assert half_width(Interval(estimate=1.0, low=None, high=None, n=1)) == math.inf


@pytest.mark.parametrize(
    ("a", "dropped"),
    [
        ([1.002, 0.998, 1.0, 1.001, 0.999], dict.fromkeys("ab", DropReason.RESOLVED)),
        ([0.976, 1.004, 0.99, 0.981, 0.999], {}),
        ([0.5, 2.0, 1.0, 0.7, 1.4], {}),
    ],
    ids=["alike", "equivalent, but may prove to differ", "hardly ever decided"],
)
def test_a_comparison_goes_on_until_more_rounds_would_change_nothing(
    a: list[float], dropped: dict[str, DropReason]
) -> None:
    made = compare_run(CELLS, design=Design.DUET, rounds=10, looks=[5, 10])
    assert dropping(made, "ab", _windows(a, b=1.0), 5) == dropped


@pytest.mark.parametrize(("margin", "made"), [(0.05, Decision.EQUIVALENT), (0.001, Decision.UNDECIDED)])
def test_stacks_are_equivalent_within_the_margin_of_their_run(margin: float, made: Decision) -> None:
    values = _windows([1.01, 0.99, 1.0, 1.01, 0.99], b=1.0)
    of_run = run(CELLS, rounds=12, looks=list(SLICED_LOOKS), margin=margin)
    assert [pair.decision for pair in pairs_of(of_run, values)] == [made]
    assert [pair.decision for pair in summarise(of_run, values).pairs] == [made]


@pytest.mark.parametrize(
    ("changes", "dropped"),
    [
        ({"design": Design.SLICED, "slicing": SLICING}, {}),
        ({"design": Design.ALONE}, dict.fromkeys("ab", DropReason.OUT_OF_REACH)),
    ],
)
def test_a_sliced_run_goes_on_also_if_a_decision_is_only_possible(
    changes: dict[str, Any], dropped: dict[str, DropReason]
) -> None:
    """It is decided within the 7 rounds left in more than one case of five, but not in four."""
    made = run(CELLS, rounds=12, looks=list(SLICED_LOOKS), **changes)
    assert dropping(made, "ab", _windows([0.97, 1.03, 1.0, 0.955, 1.045], b=1.04), 5) == dropped
