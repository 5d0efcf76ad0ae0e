"""A load test continues until every pair is decided or out of reach, or its time is up."""

import random
import re
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from common.catalog.sizes import Size
from common.errors import FailedError, GeneratorBoundError
from common.records.run import Cell, Conformance, Design, LoadRun, Stopping
from common.records.schema import Visit
from common.records.summary import Dropout, DropReason, Summary
from common.records.window import Window
from loadtests.analysis.dropping import dropping, half_width
from loadtests.analysis.thresholds import LOOKS, SLICED_LOOKS
from loadtests.campaign.experiment import Remaining
from loadtests.campaign.manifest import controls
from loadtests.campaign.plan import PlannedVisit, planned_visits, windows_of
from loadtests.experiments.loadtest import report as throughput
from loadtests.experiments.loadtest.command import short_budget
from loadtests.experiments.loadtest.experiment import LoadTest, pairs_at_look
from loadtests.windows.sliced import slicing_for
from tests.support.records import SLICING, cell, load, run, window

SPREAD = {"a+x": 20_000, "b+x": 15_000, "c+x": 13_200, "d+x": 13_150}
"""Values of three cells that differ clearly and one that equals the last."""
THREE = ["a+x", "b+x", "c+x"]


def _loadtest(*cells: Cell, **changes: Any) -> LoadTest[LoadRun]:  # noqa: ANN401 -- any field
    fields: dict[str, Any] = {"rounds": 20, "fewest_rounds": 5, "looks": list(LOOKS)}
    return LoadTest(run(list(cells) or [cell(name) for name in THREE], **fields | changes))


def _window(name: str, number: int, noise: float = 0.08) -> Window:
    requests = round(SPREAD[name] * (1 + random.Random(f"{name}/{number}").uniform(-noise, noise)))  # noqa: S311
    return replace(window(name, number, load(requests)), took_s=5.0)


def _visit(planned: PlannedVisit, noise: float = 0.08) -> Visit:
    """Return the record of a planned visit; a control is as fast as its original."""
    made = _window(planned.cell.removesuffix("#2"), planned.round, noise)
    return replace(made, cell=planned.cell, position=planned.position)


def _completed(
    experiment: LoadTest[LoadRun], visits: Sequence[Visit] = (), noise: float = 0.08
) -> tuple[list[Visit], Remaining]:
    """Return all visits of a run that continues after ``visits``, and what remains at the end."""
    made = list(visits)
    while (remaining := experiment.remaining(made)).batch:
        made += [_visit(one, noise) for one in remaining.batch]
    return made, remaining


def _rounds(visits: Sequence[Visit]) -> dict[str, int]:
    """Return the number of windows of each cell."""
    cells = [one.cell for one in windows_of(visits)]
    return {name: cells.count(name) for name in dict.fromkeys(cells)}


def _steps(visits: Sequence[Visit]) -> list[tuple[int, int, str]]:
    return [(one.round, one.position, one.cell) for one in windows_of(visits)]


def test_the_same_seed_gives_the_same_order_of_cells() -> None:
    orders = {seed: _steps(_completed(_loadtest(seed=seed))[0]) for seed in (1, 2)}
    assert orders[1] == _steps(_completed(_loadtest(seed=1))[0])
    assert orders[1] != orders[2]


def test_a_dropped_cell_does_not_change_the_order_of_the_others() -> None:
    visits, _ = _completed(_loadtest())
    planned = [(one.round, one.position, one.cell) for one in planned_visits(Window, THREE, 20, 1)]
    made = _steps(visits)
    assert len(made) < len(planned)
    assert made == [one for one in planned if one in set(made)]


def test_a_cell_that_is_resolved_against_all_others_drops_out_at_a_look() -> None:
    made = _rounds(_completed(_loadtest())[0])
    assert made["a+x"] == 5
    assert made["b+x"] == made["c+x"] > 5
    assert made["b+x"] in LOOKS


def test_a_cell_with_pairs_out_of_reach_drops_out_and_is_marked_in_the_table() -> None:
    experiment = _loadtest(*map(cell, SPREAD), cell("d+x#2", control_of="d+x"))
    visits, _ = _completed(experiment)
    summary = experiment.summarise(visits)
    seen = {row.cell: row.dropout for row in summary.cells}
    let_go = Dropout(after_round=_rounds(visits)["d+x"], reason=DropReason.OUT_OF_REACH)
    assert let_go.after_round < 20
    assert seen["d+x"] == seen["d+x#2"] == let_go
    assert seen["a+x"] == Dropout(after_round=5, reason=DropReason.RESOLVED)
    rounds = {row[1]: row[3] for row in throughput.rows(experiment.run, summary)}
    assert rounds["d+x"] == f"{let_go.after_round}*"
    assert rounds["a+x"] == "5"
    assert any(note.startswith("*: dropped out undecided") for note in experiment.notes(summary))


def test_a_run_that_more_rounds_would_not_help_ends_with_its_open_pairs() -> None:
    visits, end = _completed(_loadtest(cell("c+x"), cell("d+x")))
    last = max(one.round for one in visits)
    assert last < 20
    assert end.completion_reason.startswith(f"1 of 1 pairs are undecided after {last} rounds, and")
    assert "more rounds would hardly decide" in end.completion_reason


def test_a_run_ends_when_every_pair_is_resolved() -> None:
    visits, end = _completed(_loadtest(), noise=0.001)
    assert _rounds(visits) == dict.fromkeys(_rounds(visits), 5)
    assert end == Remaining(batch=(), completion_reason="every pair is resolved after 5 rounds", count=0, left_s=0.0)


def test_a_run_of_one_stack_has_no_pair_to_decide_and_ends_at_the_first_look() -> None:
    visits, end = _completed(_loadtest(cell("a+x"), cell("a+x#2", control_of="a+x")))
    assert _rounds(visits) == {"a+x": 5, "a+x#2": 5}
    assert end.completion_reason == "no two stacks can be compared after 5 rounds"


def test_rounds_gives_exactly_that_many_rounds() -> None:
    visits, end = _completed(_loadtest(rounds=3, fewest_rounds=3, looks=[]), noise=0.001)
    assert _rounds(visits) == dict.fromkeys(_rounds(visits), 3)
    assert end.completion_reason == "3 rounds measured"


@pytest.mark.parametrize(("budget_s", "fewest", "rounds"), [(40.0, 1, 2), (10.0, 1, 1), (40.0, 5, 5), (95.0, 5, 6)])
def test_a_round_that_does_not_fit_the_budget_is_not_started(budget_s: float, fewest: int, rounds: int) -> None:
    """A round of three takes 15 s; the minimum of rounds is made in any case."""
    visits, end = _completed(_loadtest(budget_s=budget_s, fewest_rounds=fewest, looks=[20]))
    assert max(one.round for one in visits) == rounds
    assert "BUDGET" in end.completion_reason


def test_cells_drop_out_once_they_are_precise_enough() -> None:
    visits, end = _completed(_loadtest(looks=[], rounds=100, precision=0.02))
    assert len(windows_of(visits)) < 300
    last = max(one.round for one in visits)
    narrow = "every sound stack's interval was within 2.0% when it dropped out"
    assert end.completion_reason == f"{narrow}; {last} rounds measured"


def test_a_stack_drops_out_by_the_interval_that_its_row_shows() -> None:
    """Its copy, and a stack that answers wrongly, are in the table as well."""
    made = run(
        [cell("a"), cell("a#2", control_of="a"), cell("c")],
        rounds=100, design=Design.SLICED, slicing=SLICING, looks=[], precision=0.05,
    )  # fmt: skip
    windows = [
        window(
            name, number, load(round(10_000 * (1 + 0.1 * (number % 2)) * (1 + shift * (number % 3))), failures=wrong)
        )
        for number in range(1, 7)
        for name, shift, wrong in (("a", 0.0, {}), ("a#2", 0.01, {}), ("c", 0.0, {"wrong body": 10 * number}))
    ]
    (shown,) = [row.requests_per_cpu_s for row in throughput.summarise(made, windows).cells if row.cell == "a"]
    assert shown is not None
    assert half_width(shown) < 0.05
    dropped = dropping(made, [one.name for one in made.cells], windows, 6)
    assert dropped == {"a": DropReason.PRECISE, "a#2": DropReason.PRECISE, "c": DropReason.FAILED}


def test_a_run_without_a_stack_that_works_does_not_end_as_a_precise_one() -> None:
    made = run([cell("a"), cell("b")], rounds=100, looks=[], precision=0.02, design=Design.ALONE)
    windows = [window(n, number, load(failures={"wrong body": 9})) for number in range(1, 6) for n in "ab"]
    end = LoadTest(made).remaining(windows)
    assert end.completion_reason == "no stack is left that can be measured after 5 rounds"


def test_a_precise_run_with_a_stack_that_fails_ends_with_what_holds_of_the_sound_ones() -> None:
    made = run([cell("a"), cell("b"), cell("c")], rounds=100, looks=[], precision=0.02, design=Design.ALONE)
    windows = [
        window(name, number, load(10_000 + 10 * (number % 2), failures={"wrong body": 9} if name == "c" else {}))
        for number in range(1, 6)
        for name in "abc"
    ]
    end = LoadTest(made).remaining(windows)
    assert end.completion_reason == (
        "every sound stack's interval was within 2.0% when it dropped out; 5 rounds measured"
    )


def test_no_cell_is_precise_before_the_rounds_that_a_rank_needs() -> None:
    """Even with an explicit budget, which may end the run before: two values can be close by chance."""
    changes: dict[str, Any] = {"looks": [], "rounds": 100, "precision": 0.02, "fewest_rounds": 1, "budget_s": 900.0}
    visits, _ = _completed(_loadtest(**changes), noise=0.001)
    assert _rounds(visits) == dict.fromkeys(_rounds(visits), 5)


@pytest.mark.parametrize("changes", [{}, {"budget_s": 95.0}, {"looks": [], "rounds": 30, "precision": 0.03}])
def test_a_run_interrupted_anywhere_continues_to_the_same_visits(changes: dict[str, Any]) -> None:
    experiment = _loadtest(**changes)
    unbroken, _ = _completed(experiment)
    for made in range(len(unbroken)):
        assert _completed(experiment, unbroken[:made])[0] == unbroken


def test_a_failing_stack_drops_out_without_delaying_the_others() -> None:
    experiment = _loadtest()
    visits: list[Visit] = []
    while batch := experiment.remaining(visits).batch:
        visits += [
            replace(window("a+x", one.round, None, error="exit status 1"), took_s=5.0)
            if one.cell == "a+x"
            else _visit(one, 0.001)
            for one in batch
        ]
    assert max(one.round for one in visits) == 5


def test_a_nonconforming_stack_is_not_measured() -> None:
    broken = cell("a+x", conformance=Conformance(passed=0, failed={"hello": "500"}, duration_s=1))
    visits, _ = _completed(_loadtest(broken, cell("b+x"), cell("c+x")))
    assert _rounds(visits).keys() == {"b+x", "c+x"}


def test_a_run_without_a_conforming_stack_ends_at_once() -> None:
    broken = cell("a+x", conformance=Conformance(passed=0, failed={"hello": "500"}, duration_s=1))
    left = _loadtest(broken).remaining([])
    assert (left.batch, left.completion_reason) == ((), "no stack can be measured")


def test_a_control_stays_as_long_as_its_original() -> None:
    made = _rounds(_completed(_loadtest(cell("b+x"), cell("b+x#2", control_of="b+x"), cell("c+x")))[0])
    assert made["b+x#2"] == made["b+x"]


def test_the_time_left_is_limited_by_rounds_and_budget() -> None:
    visits = [_window(name, 1) for name in THREE]
    assert _loadtest().remaining(visits).left_s == 19 * 3 * 5.0
    assert _loadtest(budget_s=100.0).remaining(visits).left_s == 85.0
    assert _loadtest(budget_s=20.0).remaining(visits).left_s == 4 * 3 * 5.0
    assert _loadtest().remaining([]).left_s is None


def test_the_windows_left_are_at_most_those_of_all_rounds() -> None:
    assert _loadtest().remaining([]).count == 60
    assert _loadtest().remaining([_window("a+x", 1)]).count == 59


def test_pairs_are_those_of_the_latest_look() -> None:
    experiment = _loadtest()
    visits, _ = _completed(experiment)
    windows = windows_of(visits)
    assert pairs_at_look(experiment.run, [one for one in windows if one.round < 5]) is None
    fifth = pairs_at_look(experiment.run, [one for one in windows if one.round <= 5])
    assert fifth is not None
    assert fifth == pairs_at_look(experiment.run, [one for one in windows if one.round <= 7])


def test_a_round_ends_with_the_open_pairs_and_the_time_left() -> None:
    experiment = _loadtest()
    visits, _ = _completed(experiment)
    first = [one for one in visits if one.round == 1]
    assert experiment.round_summary(first) == "round 1: 3 cells still in, at most 4:45 left"
    fifth = [one for one in visits if one.round <= 5]
    assert experiment.round_summary(fifth) == (
        "round 5: 1 of 3 pairs undecided at the latest look, 2 cells still in, at most 2:30 left"
    )
    assert (experiment.round_summary(visits) or "").endswith("0 cells still in")


@pytest.mark.parametrize(
    ("visit", "expected"),
    [
        (window("a", 1, load(20_000)), "10,000 req/s per vCPU"),
        (window("a", 1, load(20_000, server_cpu_s=None)), "10,000 req/s of wall time"),
        (window("a", 1, load(0)), "nothing was answered"),
        (window("a", 1, None), "nothing was answered"),
    ],
)
def test_a_visit_is_described_by_its_value(visit: Visit, expected: str) -> None:
    assert _loadtest().describe(visit) == expected


def _summary_of(experiment: LoadTest[LoadRun], **changes: Any) -> Summary:  # noqa: ANN401 -- any field of a load
    visits = [window(name, number, load(**changes)) for number in range(1, 6) for name in THREE]
    return experiment.summarise(visits)


def test_a_run_whose_numbers_are_valid_does_not_fail() -> None:
    assert _loadtest().failure(_summary_of(_loadtest())) is None


def test_a_stack_without_a_valid_number_fails_the_run() -> None:
    failure = _loadtest().failure(_summary_of(_loadtest(), failures={"wrong body": 3}))
    assert isinstance(failure, FailedError)
    assert "no valid number for 3 of 3 stacks: a+x, b+x, c+x." in str(failure)


def test_a_generator_at_its_limit_fails_the_run_with_its_own_status() -> None:
    failure = _loadtest().failure(_summary_of(_loadtest(), generator_cpu_s=1.9))
    assert isinstance(failure, GeneratorBoundError)
    assert failure.exit_status == 3


def test_controls_are_not_prepared_as_stacks() -> None:
    experiment = _loadtest(cell("b+x"), cell("b+x#2", control_of="b+x"))
    assert [one.name for one in experiment.stacks()] == ["b+x"]


def _sliced(*cells: Cell, **changes: Any) -> LoadTest[LoadRun]:  # noqa: ANN401 -- any field
    fields: dict[str, Any] = {
        "design": Design.SLICED,
        "slicing": slicing_for(1.0, servers=3),
        "looks": list(SLICED_LOOKS),
    }
    return _loadtest(*cells, **{"rounds": SLICED_LOOKS[-1]} | fields | changes)


def test_a_sliced_round_is_made_at_once() -> None:
    batch = _sliced().remaining([]).batch
    assert {one.cell for one in batch} == set(THREE)
    assert {one.kind for one in batch} == {Window}


def test_a_sliced_round_that_was_interrupted_is_made_again() -> None:
    visits, _ = _completed(_sliced(rounds=5))
    assert _sliced().half_made(visits) == 0
    assert _sliced().half_made(visits[:-1]) == 2
    assert _loadtest().half_made(visits[:-1]) == 0


def test_a_sliced_run_ends_once_every_pair_is_decided() -> None:
    visits, ended = _completed(_sliced(), noise=0.01)
    assert _rounds(visits) == dict.fromkeys(THREE, 5)
    assert ended.completion_reason == "every pair is resolved after 5 rounds"


def test_a_sliced_run_gives_ranks_as_ranges_and_costs_over_the_floor() -> None:
    floor = cell("b+x", version=None)
    experiment = _sliced(cell("a+x"), floor, cell("c+x"), cell("d+x"))
    rows = {row.cell: row for row in experiment.summarise(_completed(experiment, noise=0.01)[0]).cells}
    assert [(rows[name].rank, rows[name].rank_to) for name in ("a+x", "b+x", "c+x", "d+x")] == [
        (1, 1), (None, None), (2, 3), (2, 3)
    ]  # fmt: skip
    assert rows["b+x"].over_floor_s is None
    over = rows["c+x"].over_floor_s
    assert over is not None
    assert over.estimate == pytest.approx(2 / SPREAD["c+x"] - 2 / SPREAD["b+x"], rel=0.1)


@pytest.mark.parametrize(
    ("budget_s", "fewest", "warns"), [(60.0, 1, True), (600.0, 1, False), (60.0, 5, False), (None, 1, False)]
)
def test_a_budget_that_is_too_short_to_rank_is_named_with_one_that_is_not(
    budget_s: float | None,
    fewest: int,
    warns: bool,  # noqa: FBT001
) -> None:
    warning = short_budget(11, Size(), Stopping(fewest_rounds=fewest, budget_s=budget_s))
    assert (warning is not None) == warns
    if warning is not None:
        assert "BUDGET=60s" in warning
        assert re.search(r"use BUDGET=[45]m or more$", warning)


def test_there_are_copies_of_a_fast_and_of_another_stack() -> None:
    cells = [cell("raw+x", version=None), cell("a+x"), cell("b+x")]
    for seed in range(10):
        first, second = controls(cells, seed, count=2)
        assert first.control_of == "raw+x"
        assert second.control_of in {"a+x", "b+x"}
    assert len(controls(cells[:1], 1, count=2)) == 1
