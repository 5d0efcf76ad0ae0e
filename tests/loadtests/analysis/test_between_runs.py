"""Intervals, decisions and ranks hold in other runs on the machine, as far as these are known to vary."""

import math

import pytest
from msgspec.structs import replace

from common.records.run import Design, LoadRun
from common.records.summary import BetweenRuns, Decision, Interval, Summary
from common.records.window import Window
from loadtests.analysis.between_runs import FEW, MANY, MANY_STACKS, between_runs_of
from loadtests.experiments.loadtest.notes import notes
from loadtests.experiments.loadtest.report import summarise
from tests.support.records import SLICING, cell, compare_run, load, run, window

MUCH = BetweenRuns(sd=0.02, freedom=30, runs=["r1", "r2", "r3"])


def _sliced(stacks: int = 3, between_runs: BetweenRuns | None = None) -> LoadRun:
    made = run([cell(f"{place}") for place in range(stacks)], design=Design.SLICED, slicing=SLICING, looks=[5])
    return replace(made, between_runs=between_runs)


def _windows(made: LoadRun, step: float) -> list[Window]:
    """Return five rounds, each stack faster than the one before, and hardly varying within the run."""
    return [
        window(one.name, number, load(round(20_000 * (1 + step) ** place + 3 * (number * (place + 2) % 5))))
        for number in range(1, 6)
        for place, one in enumerate(made.cells)
    ]


def _width(interval: Interval | None) -> float:
    assert interval is not None
    assert interval.low is not None
    assert interval.high is not None
    return math.log(interval.high / interval.low)


def _decisions(summary: Summary) -> set[Decision]:
    return {pair.decision for pair in summary.pairs}


def test_runs_of_many_stacks_vary_more_until_earlier_runs_say_otherwise() -> None:
    assert between_runs_of(_sliced(MANY_STACKS)) == FEW
    assert between_runs_of(_sliced(MANY_STACKS + 1)) == MANY
    assert between_runs_of(_sliced(MANY_STACKS + 1, between_runs=MUCH)) == MUCH
    assert between_runs_of(compare_run([cell("a"), cell("b")], design=Design.DUET)) is None


def test_copies_of_stacks_do_not_make_them_many() -> None:
    made = _sliced(MANY_STACKS)
    assert between_runs_of(replace(made, cells=[*made.cells, cell("copy", control_of="0")])) == FEW


def test_an_interval_is_one_of_other_runs_and_that_of_this_run_stays_in_the_record() -> None:
    made = _sliced()
    summary = summarise(made, _windows(made, 0.10))
    assert summary.between_runs == FEW
    for row in summary.cells:
        assert _width(row.requests_per_cpu_s) > 2 * 1.96 * FEW.sd > 4 * _width(row.this_run)
    for pair in summary.pairs:
        assert _width(pair.ratio) > 2 * 1.96 * math.sqrt(2) * FEW.sd > 4 * _width(pair.this_run)


def test_what_the_manifest_says_of_earlier_runs_widens_intervals_and_decides_less() -> None:
    made = _sliced()
    windows = _windows(made, 0.03)
    usual, restless = (summarise(one, windows) for one in (made, replace(made, between_runs=MUCH)))
    assert _decisions(usual) == {Decision.DIFFERENT}
    assert Decision.DIFFERENT not in _decisions(restless)
    assert restless.between_runs == MUCH
    assert [row.rank_to for row in usual.cells] == [1, 2, 3]
    assert [row.rank_to for row in restless.cells] == [3, 3, 3]
    assert _width(restless.cells[0].requests_per_cpu_s) > 4 * _width(usual.cells[0].requests_per_cpu_s)
    assert [row.this_run for row in restless.cells] == [row.this_run for row in usual.cells]


def test_stacks_that_are_alike_in_a_run_are_not_equivalent_where_runs_vary() -> None:
    made = _sliced()
    windows = _windows(made, 0.0)
    assert _decisions(summarise(made, windows)) == {Decision.EQUIVALENT}
    assert _decisions(summarise(replace(made, between_runs=MUCH), windows)) == {Decision.UNDECIDED}


def test_rounds_do_not_help_where_runs_vary_by_more_than_the_difference() -> None:
    made = _sliced(between_runs=MUCH)
    assert {pair.rounds_needed for pair in summarise(made, _windows(made, 0.01)).pairs} == {None}


def test_copies_are_held_against_their_originals_within_the_run() -> None:
    """A copy shares what its stack varies by from run to run."""
    made = _sliced(between_runs=MUCH)
    made = replace(made, cells=[*made.cells, cell("copy", control_of="0")])
    summary = summarise(made, _windows(made, 0.03))
    assert summary.controls is not None
    assert [pair.decision for pair in summary.controls.same] == [Decision.DIFFERENT]


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (None, "0.35% from run to run, by default"),
        (MUCH, "2.00% from run to run, as 3 earlier runs on this"),
    ],
)
def test_a_note_says_what_the_interval_means_and_what_it_stands_on(known: BetweenRuns | None, said: str) -> None:
    made = _sliced(between_runs=known)
    (note,) = [note for note in notes(made, summarise(made, _windows(made, 0.1))) if note.startswith("95 % interval")]
    assert said in note
    assert note.endswith("and all stacks alike by 1.5%.")
