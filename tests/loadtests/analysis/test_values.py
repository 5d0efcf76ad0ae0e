"""Rows of a table can be compared with each other, also where their cells were not measured in the same rounds."""

import pytest

from common.records.run import Design, Slicing
from loadtests.analysis.values import row_intervals
from loadtests.statistics.intervals import log_interval
from tests.support.records import run

SLICING = Slicing(passes=24, most_passes=36, slice_s=0.08, skipped_s=0.04)
SLOW_FROM_ROUND_6 = {number: 1.0 if number < 6 else 0.9 for number in range(1, 9)}
UNTIL_5 = {"a": {n: 12_000.0 + n for n in range(1, 6)}}
UNTIL_8 = {"b": {n: (11_900.0 + n) * effect for n, effect in SLOW_FROM_ROUND_6.items()}}


@pytest.mark.parametrize("changes", [{"design": Design.ALONE}, {"design": Design.SLICED, "slicing": SLICING}])
def test_a_cell_that_missed_the_slow_rounds_is_not_the_faster_for_it(changes: dict[str, object]) -> None:
    found = row_intervals(run([], **changes), UNTIL_5 | UNTIL_8)
    assert found["a"].estimate / found["b"].estimate == pytest.approx(12_000 / 11_900, rel=1e-3)
    assert (found["a"].n, found["b"].n) == (5, 8)


def test_windows_one_after_the_other_in_the_same_rounds_have_plain_intervals() -> None:
    found = row_intervals(run([], design=Design.ALONE), UNTIL_5 | {"b": {n: 2 * v for n, v in UNTIL_5["a"].items()}})
    assert found["a"] == log_interval(list(UNTIL_5["a"].values()))


def test_what_a_round_does_to_all_is_in_no_interval_of_a_sliced_run() -> None:
    both = {
        name: {n: value * SLOW_FROM_ROUND_6[n] for n in SLOW_FROM_ROUND_6} for name, value in (("a", 9e3), ("b", 1e4))
    }
    sliced = row_intervals(run([], design=Design.SLICED, slicing=SLICING), both)["a"]
    alone = row_intervals(run([], design=Design.ALONE), both)["a"]
    assert sliced.low == pytest.approx(sliced.high)
    assert alone.low is not None
    assert alone.high is not None
    assert alone.high / alone.low > 1.05


def test_cells_without_values_have_no_interval() -> None:
    assert row_intervals(run([]), {"a": {}}) == {}
