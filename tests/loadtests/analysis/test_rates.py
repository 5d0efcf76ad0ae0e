"""Rows of a table can be compared with each other, also where their cells were not measured in the same rounds."""

import math

import pytest

from common.records.run import Design, LoadRun
from common.records.summary import Interval, Verdict
from loadtests.analysis.rates import estimates_of, rates
from loadtests.statistics.intervals import log_interval
from loadtests.statistics.spread import Values
from tests.support.records import SLICING, cell, load, run, window

SLOW_FROM_ROUND_6 = {number: 1.0 if number < 6 else 0.9 for number in range(1, 9)}
UNTIL_5 = {"a": {n: 12_000.0 + n for n in range(1, 6)}}
UNTIL_8 = {"b": {n: (11_900.0 + n) * effect for n, effect in SLOW_FROM_ROUND_6.items()}}


def _rates(made: LoadRun, values: Values) -> dict[str, Interval]:
    found = estimates_of(made, values, dict.fromkeys(values, ()))
    return {name: one.interval() for name, one in found.items()}


@pytest.mark.parametrize("changes", [{"design": Design.ALONE}, {"design": Design.SLICED, "slicing": SLICING}])
def test_a_cell_that_missed_the_slow_rounds_is_not_the_faster_for_it(changes: dict[str, object]) -> None:
    found = _rates(run([], **changes), UNTIL_5 | UNTIL_8)
    assert found["a"].estimate / found["b"].estimate == pytest.approx(12_000 / 11_900, rel=1e-3)
    assert (found["a"].n, found["b"].n) == (5, 8)


def test_windows_one_after_the_other_in_the_same_rounds_have_plain_intervals() -> None:
    found = _rates(run([], design=Design.ALONE), UNTIL_5 | {"b": {n: 2 * v for n, v in UNTIL_5["a"].items()}})
    assert found["a"] == log_interval(list(UNTIL_5["a"].values()))


def test_what_a_round_does_to_all_is_in_no_interval_of_a_sliced_run() -> None:
    both = {
        name: {n: value * SLOW_FROM_ROUND_6[n] for n in SLOW_FROM_ROUND_6} for name, value in (("a", 9e3), ("b", 1e4))
    }
    sliced = _rates(run([], design=Design.SLICED, slicing=SLICING), both)["a"]
    alone = _rates(run([], design=Design.ALONE), both)["a"]
    assert sliced.low == pytest.approx(sliced.high)
    assert alone.low is not None
    assert alone.high is not None
    assert alone.high / alone.low > 1.05


@pytest.mark.parametrize("changes", [{"design": Design.ALONE}, {"design": Design.SLICED, "slicing": SLICING}])
def test_one_value_among_several_of_others_has_no_bounds(changes: dict[str, object]) -> None:
    found = _rates(run([], **changes), UNTIL_5 | UNTIL_8 | {"c": {2: 5000.0}})["c"]
    assert (found.low, found.high, found.n) == (None, None, 1)


def test_cells_without_values_have_no_interval() -> None:
    assert _rates(run([]), {"a": {}}) == {}


@pytest.mark.parametrize("changes", [{"design": Design.ALONE}, {"design": Design.SLICED, "slicing": SLICING}])
def test_a_stack_that_answers_wrongly_does_not_move_the_rates_of_others(changes: dict[str, object]) -> None:
    """It costs half as much in the rounds in which it does, which are those that one of two equal stacks missed."""
    cells = [cell(name) for name in "abc"]
    windows = [
        window(name, number, load(1000 + number if name != "c" or number < 6 else 2000, failures=wrong))
        for number in range(1, 9)
        for name, wrong in (("a", {}), ("b", {}), ("c", {"wrong body": 900} if number > 5 else {}))
        if name != "a" or number < 6
    ]
    found = rates(run(cells, **changes), windows)
    assert found["a"].estimate == pytest.approx(found["b"].estimate, rel=5e-3)
    assert found["a"].n == 5


def test_the_interval_of_a_stack_that_missed_rounds_holds_what_is_not_known_of_them() -> None:
    """With one other stack, all that is known of the rounds missed is what that one, which is restless, did in them."""
    restless = {"b": {n: 10_000 * (1.05 if n % 2 else 1.0) for n in range(1, 9)}}
    missed, whole = (_rates(run([], design=Design.ALONE), a | restless)["a"] for a in (UNTIL_5, {"a": UNTIL_8["b"]}))
    plain = log_interval(list(UNTIL_5["a"].values()))
    assert plain is not None
    widths = [math.log((one.high or 0) / (one.low or 1)) for one in (missed, plain)]
    assert widths[0] > 3 * widths[1]
    assert whole == log_interval(list(UNTIL_8["b"].values()))


def test_the_interval_of_a_stack_that_missed_no_round_hardly_widens() -> None:
    values = UNTIL_5 | {"b": {n: 10_000 * (1.05 if n % 2 else 1.0) for n in range(1, 9)}}
    adjusted, plain = _rates(run([], design=Design.ALONE), values)["b"], log_interval(list(values["b"].values()))
    assert plain is not None
    widths = [math.log((one.high or 0) / (one.low or 1)) for one in (adjusted, plain)]
    assert widths[0] == pytest.approx(widths[1], rel=0.1)


@pytest.mark.parametrize("changes", [{"design": Design.ALONE}, {"design": Design.SLICED, "slicing": SLICING}])
def test_a_verdict_on_all_stacks_changes_no_rate(changes: dict[str, object]) -> None:
    """A verdict that only one of them has still sets that stack apart."""
    made, values = run([], **changes), UNTIL_5 | UNTIL_8 | {"c": {n: 5000.0 * n for n in range(1, 9)}}
    alike = estimates_of(made, values, {"a": (), "b": (), "c": (Verdict.WRONG_ANSWERS,)})
    on_one_core = dict.fromkeys("ab", (Verdict.SHARED_CORE,))
    assert estimates_of(made, values, on_one_core | {"c": (Verdict.SHARED_CORE, Verdict.WRONG_ANSWERS)}) == alike
    assert alike["a"].interval() != _rates(made, values)["a"]


@pytest.mark.parametrize("changes", [{"design": Design.ALONE}, {"design": Design.SLICED, "slicing": SLICING}])
def test_stacks_that_share_no_rounds_are_not_adjusted(changes: dict[str, object]) -> None:
    apart = {"a": {1: 12_000.0, 2: 12_010.0, 3: 11_990.0}, "b": {4: 6000.0, 5: 6010.0}}
    found = _rates(run([], **changes), apart)
    assert found == {name: log_interval(list(values.values())) for name, values in apart.items()}
