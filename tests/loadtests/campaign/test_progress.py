"""What comes next follows from what was measured: looks, dropped cells, budgets, resumed runs."""

import random

import pytest
from msgspec.structs import replace

from common.records.run import Cell, Conformance, Run
from common.records.summary import Dropout, DropReason
from common.records.window import Window
from loadtests.analysis.comparison import LOOKS
from loadtests.analysis.summary import summarise
from loadtests.runs import report
from loadtests.runs.progress import Progress, progress
from tests.support.records import cell, load, run, window

SPREAD = {"a+x": 20_000, "b+x": 15_000, "c+x": 13_200, "d+x": 13_150}
"""Three far enough apart, the last two alike."""
THREE = ["a+x", "b+x", "c+x"]


def _run(*cells: Cell, **changes: object) -> Run:
    fields: dict[str, object] = {"rounds": 20, "fewest_rounds": 5, "looks": list(LOOKS)}
    return run(list(cells) or [cell(name) for name in THREE], **(fields | changes))


def _window(name: str, number: int, noise: float = 0.08) -> Window:
    requests = round(SPREAD[name] * (1 + random.Random(f"{name}/{number}").uniform(-noise, noise)))  # noqa: S311
    return replace(window(name, number, load(requests)), took_s=5.0)


def _unbroken(made: Run, noise: float = 0.08) -> tuple[list[Window], Progress]:
    windows: list[Window] = []
    while todo := progress(made, windows).todo:
        windows += [_window(step.cell, step.round, noise) for step in todo]
    return windows, progress(made, windows)


def test_a_cell_that_is_resolved_against_all_others_drops_out_at_a_look() -> None:
    windows, _ = _unbroken(_run())
    made = {name: sum(one.cell == name for one in windows) for name in THREE}
    assert made["a+x"] == 5
    assert made["b+x"] == made["c+x"] > 5
    assert made["b+x"] in LOOKS


def test_a_cell_whose_pairs_the_rounds_left_will_hardly_decide_drops_out_and_the_table_says_so() -> None:
    made = _run(*map(cell, SPREAD), cell("d+x#2", control_of="d+x"))
    windows: list[Window] = []
    while todo := progress(made, windows).todo:
        windows += [replace(_window(one.cell.removesuffix("#2"), one.round), cell=one.cell) for one in todo]
    summary = summarise(made, windows)
    seen = {row.cell: row.dropout for row in summary.cells}
    let_go = Dropout(after_round=max(one.round for one in windows if one.cell == "d+x"), reason=DropReason.OUT_OF_REACH)
    assert let_go.after_round < 20
    assert seen["d+x"] == seen["d+x#2"] == let_go
    assert seen["a+x"] == Dropout(after_round=5, reason=DropReason.RESOLVED)
    rounds = {row[1]: row[3] for row in report.rows(made, summary)}
    assert rounds["d+x"] == f"{let_go.after_round}*"
    assert rounds["a+x"] == "5"
    assert any(note.startswith("*: dropped out undecided") for note in report.notes(made, summary))


def test_a_run_that_no_round_left_would_help_ends_and_says_how_many_pairs_are_open() -> None:
    windows, end = _unbroken(_run(cell("c+x"), cell("d+x")))
    last = max(one.round for one in windows)
    assert last < 20
    assert end.ended.startswith(f"1 of 1 pairs are undecided after {last} rounds, and")
    assert "unlikely to decide" in end.ended


def test_a_run_ends_when_every_pair_is_resolved() -> None:
    windows, end = _unbroken(_run(), noise=0.001)
    assert len(windows) == 5 * len(THREE)
    assert end.ended == "every pair is resolved after 5 rounds"


def test_rounds_are_exactly_as_many_as_asked_for() -> None:
    windows, end = _unbroken(_run(rounds=3, fewest_rounds=3, looks=[]), noise=0.001)
    assert len(windows) == 3 * len(THREE)
    assert end.ended == "3 rounds are made"


@pytest.mark.parametrize(("budget_s", "fewest", "rounds"), [(40.0, 1, 2), (10.0, 1, 1), (40.0, 5, 5), (95.0, 5, 6)])
def test_no_round_is_begun_that_does_not_fit_into_the_budget(budget_s: float, fewest: int, rounds: int) -> None:
    """A round of three takes 15 s; the fewest rounds are made in any case."""
    windows, end = _unbroken(_run(budget_s=budget_s, fewest_rounds=fewest, looks=[20]))
    assert max(one.round for one in windows) == rounds
    assert "BUDGET" in end.ended


def test_cells_drop_out_once_they_are_precise_enough() -> None:
    windows, end = _unbroken(_run(looks=[], rounds=100, precision=0.02))
    assert len(windows) < 300
    assert end.ended.startswith("every interval is within 2.0%")


def test_a_run_killed_anywhere_goes_on_to_the_same_windows() -> None:
    made = _run()
    unbroken, _ = _unbroken(made)
    for killed_after in range(len(unbroken)):
        windows = unbroken[:killed_after]
        while todo := progress(made, windows).todo:
            windows += [_window(step.cell, step.round) for step in todo]
        assert windows == unbroken


def test_a_stack_that_fails_drops_out_and_keeps_nobody_waiting() -> None:
    made = _run()
    windows: list[Window] = []
    while todo := progress(made, windows).todo:
        windows += [
            replace(window(step.cell, step.round, None, error="exit status 1"), took_s=5.0)
            if step.cell == "a+x"
            else _window(step.cell, step.round, 0.001)
            for step in todo
        ]
    assert max(one.round for one in windows) == 5


def test_a_stack_that_breaks_the_contract_is_not_measured() -> None:
    broken = cell("a+x", conformance=Conformance(passed=0, failed={"hello": "500"}, duration_s=1))
    made = _run(broken, cell("b+x"), cell("c+x"))
    assert {step.cell for step in progress(made, []).todo} == {"b+x", "c+x"}


def test_a_control_goes_on_as_long_as_what_it_copies() -> None:
    made = _run(cell("b+x"), cell("b+x#2", control_of="b+x"), cell("a+x"))
    windows = [_window(name, number, 0.2) for number in range(1, 6) for name in ("b+x", "a+x")]
    windows += [replace(_window("b+x", number), cell="b+x#2") for number in range(1, 6)]
    now = progress(made, windows)
    assert ("b+x" in now.active) == ("b+x#2" in now.active)


def test_the_time_left_is_what_is_left_of_rounds_or_of_the_budget() -> None:
    windows = [_window(name, 1) for name in THREE]
    assert progress(_run(), windows).left_s == 19 * 3 * 5.0
    assert progress(_run(budget_s=100.0), windows).left_s == 85.0
    assert progress(_run(budget_s=20.0), windows).left_s == 4 * 3 * 5.0
    assert progress(_run(), []).left_s is None
